"""Files with no main program: which of their functions and classes a run must call to reach the findings, and a driver for it."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from nnlint.finding import Place
from nnlint.verify.scripts import Script, places_of

DRIVER = "nnlint_harness_driver.py"
"""The script that a harness runs instead of the user's."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


Target = tuple[str, str, str]
"""A file, a function or class in it, and a method of the class or nothing."""


def driver(script: Script) -> str | None:
    """The text of a program that calls what holds the findings; None where nothing does."""
    places = [place for finding in script.findings for place in places_of(finding)]
    return program([target for place in places for target in _targets(script, place)])


def program(targets: Iterable[Target]) -> str | None:
    """The text of a program that calls these, each once; None for none."""
    wanted = list(dict.fromkeys(targets))
    return f"from nnlint.verify.child.harness.drive import drive\n\ndrive({wanted!r})\n" if wanted else None


def _targets(script: Script, place: Place) -> list[Target]:
    document = script.documents.get(place.path)
    if document is None or document.source is None or not script.is_inside(document) or document.is_notebook:
        return []
    return targets_at(document.source.text, script.inside(document), place.line)


def targets_at(text: str, path: str, line: int) -> list[Target]:
    """What of a file stands around a line."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    found: list[Target] = []
    for definition in _around(tree.body, line):
        inner = _around(definition.body, line) if isinstance(definition, ast.ClassDef) else []
        found.append((path, definition.name, inner[0].name if inner else ""))
    return found


def _around(body: list[ast.stmt], line: int) -> list[Definition]:
    """The definitions of a block that span a line, also those below an `if` or a `try`."""
    found: list[Definition] = []
    for node in body:
        if not node.lineno <= line <= (node.end_lineno or 0):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(node)
        else:
            nested = [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]
            found += _around(nested, line)
    return found
