"""Which files are test suites: what a unit test trains is not meant to learn anything."""

from __future__ import annotations

import re
from pathlib import PurePath

from nnlint.lazy import regex
from nnlint.source import Source

NAMED = regex(r"^test_.*\.py$|_test\.py$|^tests\.py$")
TOOLS = regex(
    r"^[ \t\f]*(?:import|from)\s+(?:pytest|unittest|hypothesis|absl\.testing|torch\.testing\._internal)\b", re.MULTILINE
)
CASES = regex(r"^class \w+\([^)\n]*TestCase\s*[,)]", re.MULTILINE)
"""Classes that are built on a test case, unittest's own or one that a project has built on that."""

TESTS = regex(r"^[ \t\f]*(?:async )?def _?test_\w+\(", re.MULTILINE)
ASSERTS = regex(r"^[ \t\f]+assert\b", re.MULTILINE)
TRAINS = regex(r"optim|\.fit\(|argparse|__main__", re.I)
"""What a file below `tests/` holds that is more than something to compare with."""

RUNS = regex(r"__main__|parse_args\(\s*\)")
SCRIPT = regex(r"__main__|^(?:for|while|with)\b|^\w+(?:\.\w+)*\(", re.MULTILINE)
RELATIVE = regex(r"^from \.+\w* import ", re.MULTILINE)
"""What scripts hold that are run by themselves, and what modules hold that others import."""

ASKS = regex(r"no_grad|\.eval\(|DataLoader|load_state_dict|torch\.load|\.backward\(")
"""What it holds that is more than a network to try things out with, below `testing/`: a script that tests one may stand there."""

OWN_ASSERTS = regex(r"^[ \t\f]+self\.assert[A-Z]\w*\(", re.MULTILINE)


def is_test_suite(source: Source) -> bool:
    """Whether a file holds unit tests, by its name and by what it is written with. A script `test_model.py` is none.

    A file whose classes are test cases, or what these have in common, is one under any name, and so is what lies below a folder
    `tests` and trains nothing, is named like a test there, or is there to be imported; below a folder `test`, what imports its
    neighbours by their place. So is what a library keeps in `testing` for its tests, if it neither trains nor evaluates anything.
    """
    name = PurePath(source.path).name
    text = source.text
    if name == "conftest.py":
        return True
    if CASES.search(text) is not None and any(each.search(text) is not None for each in (TESTS, OWN_ASSERTS, ASSERTS)):
        return True
    folders = PurePath(source.path).parts[:-1]
    is_below = "tests" in folders
    if NAMED.search(name) is None:
        if is_below:
            return TRAINS.search(text) is None or SCRIPT.search(text) is None
        if "testing" in folders and ASKS.search(text) is None and TRAINS.search(text) is None:
            return True
        return "test" in folders and RELATIVE.search(text) is not None and RUNS.search(text) is None
    if TOOLS.search(text) is not None:
        return True
    return is_below or (ASSERTS.search(text) is not None and TESTS.search(text) is not None)
