"""Statements that fail before the training: passed over, as somebody would who comments out what his machine cannot do.

Only such statements as leave nothing behind but a missing name, so that what cannot do without them fails in turn: assertions,
definitions, assignments to names that are new, calls of libraries whose value nobody takes. A call that may train or build is
never passed over, and neither is a failure that the user's code waits for.
"""

from __future__ import annotations
import __future__

import ast
import re
import sys
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

from nnlint.verify.child import probes
from nnlint.verify.child.haste import may_train
from nnlint.verify.child.stand_ins.callers import expects, is_users

IS_PASSED = "__nnlint_is_passed__"
ERROR = "__nnlint_error__"

BUILDING = re.compile(
    r"init|load|add|append|extend|insert|register|set_|freeze|apply|copy|update|build|make|create|main", re.I
)
"""Functions of such names change what they are given."""

WAITING = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)


def forgiving(tree: ast.Module) -> ast.Module:
    """The tree, in which assertions and calls that hand nothing on may fail."""
    changed: ast.Module = ast.fix_missing_locations(_Forgiving(_imported(tree)).visit(tree))
    return changed


def _imported(tree: ast.Module) -> frozenset[str]:
    """The names that a file has from others of the user's or of a library, and those of these others, which it may forget."""
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    found = [node for node in imports if not (getattr(node, "module", None) or "").startswith("nnlint.")]
    names = [name for node in found for alias in node.names for name in (alias.name, alias.asname)]
    names += [node.module for node in found if isinstance(node, ast.ImportFrom)]
    return frozenset(name.partition(".")[0] for name in names if name)


class _Forgiving(ast.NodeTransformer):
    def __init__(self, imported: frozenset[str]) -> None:
        self.passable = imported | {"print", "display", "help"}

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return node if _is_probed(node) else _tried(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if _is_probed(node) or not self._hands_nothing_on(node.value) else _tried(node)

    def _hands_nothing_on(self, value: ast.expr) -> bool:
        parts = list(ast.walk(value))
        if not isinstance(value, ast.Call) or any(isinstance(each, WAITING) or may_train(each) for each in parts):
            return False
        names = [ast.unparse(each.func) for each in parts if isinstance(each, ast.Call)]
        if any(BUILDING.search(name) for name in names):
            return False
        return _first(value.func) in self.passable


def _first(function: ast.expr) -> str:
    while isinstance(function, ast.Attribute):
        function = function.value
    return getattr(function, "id", "")


def _tried(node: ast.stmt) -> ast.AST:
    asked = ast.Call(ast.Name(IS_PASSED, ast.Load()), [ast.Name(ERROR, ast.Load())], [])
    again = ast.If(ast.UnaryOp(ast.Not(), asked), [ast.Raise()], [])
    handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), ERROR, [again])
    return ast.copy_location(ast.Try([node], [handler], [], []), node)


def parts_of(tree: ast.Module) -> Iterator[ast.Module]:
    """The statements of a script one by one, those of its main program, too."""
    for number, node in enumerate(tree.body):
        is_remark = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if number and is_remark:  # it would become the docstring
            continue
        if isinstance(node, ast.If) and _is_main(node.test) and not node.orelse:
            for each in node.body:
                yield ast.Module([ast.copy_location(ast.If(node.test, [each], []), node)], [])
        else:
            yield ast.Module([node], [])


def future_flags(parts: Iterable[ast.Module]) -> int:
    """How the parts of a file are compiled that imports from `__future__`."""
    found = [node for part in parts for node in part.body if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in found if node.module == "__future__" for alias in node.names}
    return __future__.annotations.compiler_flag if "annotations" in names else 0


def _is_main(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _is_probed(node: ast.AST) -> bool:
    """Whether a finding speaks of something in a statement: how it fails may be the answer."""
    names = (each.id for each in ast.walk(node) if isinstance(each, ast.Name))
    return any(name in (probes.VALUE, probes.PART, probes.REACHED) for name in names)


def leaves_nothing(part: ast.Module, known: Container[str]) -> bool:
    """Whether a part that failed leaves nothing behind but names that are not there."""
    if _is_probed(part):
        return False
    node = part.body[0]
    if isinstance(node, ast.If) and _is_main(node.test):
        node = node.body[0]
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return node.name not in known
    if isinstance(node, ast.Assign):
        targets = [
            each for target in node.targets for each in ast.walk(target) if not isinstance(each, ast.expr_context)
        ]
        return all(
            isinstance(each, ast.Tuple) or (isinstance(each, ast.Name) and each.id not in known) for each in targets
        )
    return isinstance(node, (ast.Import, ast.ImportFrom))


def is_passed(is_over: Callable[[], bool], note: Callable[[Exception], None]) -> Callable[[Exception], bool]:
    """What is asked of a failure: notes it, and says whether the run goes on."""

    def asked(error: Exception) -> bool:
        if is_over() or _is_expected(error):
            return False
        note(error)
        return True

    return asked


def _is_expected(error: Exception) -> bool:
    """Whether a `try` of the user's around the failure goes on with it."""
    names = [each.__name__ for each in type(error).__mro__ if each not in (object, BaseException, Exception)]
    frame: Any = sys._getframe(2)
    while frame is not None:
        if is_users(frame) and expects(frame, names):
            return True
        frame = frame.f_back
    return False
