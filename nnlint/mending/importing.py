"""Names that a fix needs from a library: how the file already calls them, or the import to add."""

from __future__ import annotations

import ast

from nnlint.finding import Edit
from nnlint.garbage import remembered
from nnlint.mending import edits
from nnlint.static.objects import CodeSite

ALWAYS_WHOLE = frozenset({"torch", "torch.nn"})
"""Packages that import their submodules themselves."""

FEW_FILES = 16
"""Many findings of a few files ask the same of their trees."""


def spelled(site: CodeSite, module: str, name: str) -> tuple[str, Edit | None] | None:
    """How `module.name` is spelled in the file of a site, and the edit that imports the module, where that is missing.

    None where it cannot be imported cleanly: in a notebook, or where the module's name means something else.
    """
    known = _known(site.module.tree, module, name)
    if known is not None:
        return known, None
    if site.module.source.cells or _is_taken(site.module.tree, module.partition(".")[0]):
        return None
    edit = _import(site, module)
    return None if edit is None else (f"{module}.{name}", edit)


@remembered(FEW_FILES)
def _known(tree: ast.Module, module: str, name: str) -> str | None:
    """How a file can write `module.name` as it stands: by a name that it imports, or through a package of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == module and node.level == 0:
            for alias in node.names:
                if alias.name == name:
                    return alias.asname or name
    prefix, rest = module, name
    while prefix:
        bound = _bound(tree, prefix)
        if bound is not None:
            return f"{bound}.{rest}"
        prefix, _, inner = prefix.rpartition(".")
        rest = f"{inner}.{rest}"
        if prefix not in ALWAYS_WHOLE:
            break
    return None


def _bound(tree: ast.Module, module: str) -> str | None:
    """The expression by which the file reaches a module: a name that an import binds, or the dotted one."""
    package, _, inner = module.rpartition(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == module:
                    return alias.asname or module
        elif isinstance(node, ast.ImportFrom) and package and node.module == package and node.level == 0:
            for alias in node.names:
                if alias.name == inner:
                    return alias.asname or inner
    return None


@remembered(FEW_FILES)
def _is_taken(tree: ast.Module, name: str) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name:
            return True
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
            return True
        if isinstance(node, ast.arg) and node.arg == name:
            return True
        if isinstance(node, ast.alias) and (node.asname or node.name) == name:
            return True
    return False


def _import(site: CodeSite, module: str) -> Edit | None:
    """An import before the first one at the top of the file, but after `from __future__`."""
    for statement in site.module.tree.body:
        is_future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        if isinstance(statement, (ast.Import, ast.ImportFrom)) and not is_future:
            first = edits.statement_site(site, statement)
            return None if first is None else edits.insert_before(first, f"import {module}")
    return None
