"""Which of the files that are named are Python: by their names, by their first lines, and without either by what they hold."""

from __future__ import annotations

import os

from nnlint.lazy import regex
from nnlint.reading.document import Document

NOTEBOOK = ".ipynb"
PYTHON = (".py", ".pyw", ".pyi", ".pyt", ".wsgi", ".tac", ".gyp", ".gypi")
"""The endings that pre-commit's `identify` takes for Python, and stubs."""
FIRST_LINE = regex(rb"\A(?:\xef\xbb\xbf)?#!(?P<command>[^\r\n]*)")
INTERPRETER = regex(rb"(?:^|[\s/])(?:python|pypy|ipython)[-\d.]*w?(?:\.exe)?(?:\s|$)|(?:^|[\s/])uv\s+run(?:\s|$)")


def why_no_python(document: Document) -> str | None:
    """Why a file that was named is not to be read as Python; None where it is, and for a notebook.

    One with no ending and no first line `#!...` is Python where it parses: SConstruct and wscript are.
    """
    ending = os.path.splitext(document.path)[1].lower()  # noqa: PTH122 - of the path as it is shown
    if ending == NOTEBOOK or ending in PYTHON:
        return None
    first = FIRST_LINE.match(document.data)
    if first:
        return None if INTERPRETER.search(first["command"]) else "its first line names another language than Python"
    if ending:
        return f"its name ends in {ending}, and no first line #! calls Python"
    return None if _parses(document) else "it has neither the name nor the first line of Python, and does not parse"


def _parses(document: Document) -> bool:
    from nnlint.static.syntax import Newer, Unparsable, parse

    if document.source is None:
        return False
    try:
        parse(document.source.text)
    except Newer:
        return True
    except Unparsable:
        return False
    return True


def is_notebook_json(data: bytes) -> bool:
    """Whether these are the bytes of a notebook, whatever their name."""
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") or b'"cells"' not in data:
        return False
    import json  # few are

    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and isinstance(content.get("cells"), list)
