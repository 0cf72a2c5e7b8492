"""The command `nnlint`, and `python -m nnlint`."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # who interrupts the imports below sees no traceback of them

from nnlint.cli import main

if __name__ == "__main__":
    main()
