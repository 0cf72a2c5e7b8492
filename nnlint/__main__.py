"""The command `nnlint`, and `python -m nnlint`."""

import sys

if (
    __name__ == "__main__"
    and not getattr(sys.flags, "safe_path", False)
    and sys.path[0] != __file__[: -len("/nnlint/__main__.py")]
):
    # The current folder, and nnlint is not in it: its `signal.py` would be taken for that of Python.
    del sys.path[0]

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # who interrupts the imports below sees no traceback of them

from nnlint.cli import main

if __name__ == "__main__":
    main()
