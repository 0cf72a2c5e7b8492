"""Probes measure flagged spans, and change nothing of what the script does."""

from __future__ import annotations

import ast
import textwrap
from typing import Any

import pytest

from nnlint.verify.child import probes
from nnlint.verify.protocol import Probe

Seen = list[tuple[Any, ...]]


def run(text: str, *spans: tuple[int, int, int, int]) -> tuple[dict[str, Any], Seen]:
    """The names that a probed script binds, and what its probes saw: (number, role or "value", value)."""
    text = textwrap.dedent(text)
    wanted = [Probe(number, "x.py", *span) for number, span in enumerate(spans, start=1)]
    tree, _ = probes.with_probes(ast.parse(text), text, wanted)
    seen: Seen = []

    def part(number: int, role: str, value: Any) -> Any:
        seen.append((number, role, value))
        return value

    def value(number: int, value: Any) -> Any:
        seen.append((number, "value", value))
        return value

    names: dict[str, Any] = {
        probes.PART: part,
        probes.VALUE: value,
        probes.REACHED: lambda number: seen.append((number, "reached")),
    }
    exec(compile(tree, "x.py", "exec"), names)
    return names, seen


def test_an_operation_is_measured_with_its_operands() -> None:
    names, seen = run("x = 6\ny = x / 2\n", (2, 5, 2, 10))
    assert names["y"] == 3
    assert seen == [(1, "left", 6), (1, "right", 2), (1, "value", 3)]


def test_a_call_is_measured_with_receiver_and_argument() -> None:
    names, seen = run("y = [3, 1].index(1)\n", (1, 5, 1, 20))
    assert names["y"] == 1
    assert seen == [(1, "receiver", [3, 1]), (1, "argument", 1), (1, "value", 1)]


def test_an_update_in_place_is_measured_before_and_after() -> None:
    names, seen = run("x = 6\nx /= 2\n", (2, 1, 2, 7))
    assert names["x"] == 3
    assert seen == [(1, "left", 6), (1, "reached"), (1, "right", 2), (1, "value", 3)]


def test_an_assignment_is_measured_by_what_it_binds() -> None:
    _, seen = run("class A: pass\na = A()\na.b = 4\n", (3, 1, 3, 8))
    assert (1, "value", 4) in seen


def test_columns_count_characters_not_bytes() -> None:
    _, seen = run("é = '图'; y = 1 + 2\n", (1, 14, 1, 19))
    assert (1, "value", 3) in seen


@pytest.mark.parametrize(
    "text",
    [
        "def f(*a): return a\ny = f(*[1, 2])\n",
        "y = f'{1 + 1}'\n",
        "class A:\n    def f(self): return 1\nclass B(A):\n    def f(self): return super().f() + 1\ny = B().f()\n",
        "y = [i for i in range(3) if (k := i) > 0]\n",
        "def g():\n    x = yield 1\ny = list(g())\n",
        "x = [1, 2, 3]\nx[0], *y = x\ndel x[1:2]\n",
        "y = 0\nfor i in range(3):\n    y += i\nelse:\n    y -= 1\n",
    ],
)
def test_every_span_can_be_probed_and_the_script_does_the_same(text: str) -> None:
    tree = ast.parse(text)
    nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.expr, ast.stmt))]
    spans = [(n.lineno, n.col_offset + 1, n.end_lineno or 0, (n.end_col_offset or 0) + 1) for n in nodes]
    plain: dict[str, Any] = {}
    exec(compile(tree, "x.py", "exec"), plain)
    names, seen = run(text, *spans)
    assert names["y"] == plain["y"]
    assert seen


def test_a_span_that_is_no_node_is_not_placed() -> None:
    _, placed = probes.with_probes(ast.parse("x = 1\n"), "x = 1\n", [Probe(1, "x.py", 1, 2, 1, 4)])
    assert placed == set()


class Unmeasurable:
    """What a script computes may be anything."""

    def __array__(self, *given: Any) -> Any:
        raise KeyError("no array")


def test_what_cannot_be_measured_is_handed_on() -> None:
    torch = pytest.importorskip("torch")
    from nnlint.verify.child.values import Sightings

    told: list[dict[str, Any]] = []
    sightings = Sightings((Probe(1, "x.py", 1, 1, 1, 9, awaited=True),), told.append)
    sightings.expect([1])
    for value in (torch.nn.LazyLinear(3), Unmeasurable()):
        assert sightings.part(1, "left", value) is value
        assert sightings.value(1, value) is value
    assert [record["words"]["what"] for record in told] == ["value", "value"]
    assert not sightings.is_waiting()
