"""A run that has seen enough of the training ends its loops, and so comes to a flagged line behind them."""

from __future__ import annotations

import ast
from textwrap import dedent
from typing import Any

import pytest

pytest.importorskip("torch")

from nnlint.events import OptimizerStepped, Raised, ValueSeen
from nnlint.verify.child import probes
from nnlint.verify.child.haste import DUE, LASTING, Haste, hastened
from nnlint.verify.protocol import Probe, Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner


@pytest.mark.xdist_group("real runs")
def test_a_line_behind_a_long_training_is_reached(runs: Runner) -> None:
    text = dedent("""
        import torch
        from torch import nn

        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

        def train_epoch():
            for batch in range(10_000):
                optimizer.zero_grad()
                model(torch.ones(2, 3)).sum().backward()
                optimizer.step()

        for epoch in range(1_000_000):
            train_epoch()
        prediction = model(torch.zeros(2, 3))
    """)
    probe = Probe(1, "train.py", 16, 14, 16, 38, awaited=True)
    request = Request("", "train.py", {"train.py": text}, probes=(probe,), steps=30, seconds=30)
    seen = Reader({}).run("train.py", runs.run(request))
    assert not any(seen.events(Raised))
    assert len(list(seen.events(ValueSeen))) > 0
    assert 30 <= len(list(seen.events(OptimizerStepped))) <= 33


@pytest.mark.xdist_group("real runs")
def test_a_line_behind_long_passes_over_loaders_is_reached(runs: Runner) -> None:
    text = dedent("""
        import time
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        class Slow(TensorDataset):
            def __getitem__(self, index):
                time.sleep(0.01)
                return super().__getitem__(index)

        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        loader = DataLoader(TensorDataset(torch.ones(64, 3)), batch_size=1)
        for epoch in range(10_000):
            for batch, in loader:
                optimizer.zero_grad()
                model(batch).sum().backward()
                optimizer.step()
        slow = DataLoader(Slow(torch.ones(100_000, 3)), batch_size=1)
        losses = len(list(slow))
        one_by_one = iter(slow)
        for number in range(20):
            drawn = next(one_by_one)
        prediction = model(torch.zeros(2, 3))
    """)
    probe = Probe(1, "train.py", 25, 14, 25, 38, awaited=True)
    request = Request("", "train.py", {"train.py": text}, probes=(probe,), steps=30, seconds=30)
    seen = Reader({}).run("train.py", runs.run(request))
    assert not any(seen.events(Raised))
    assert len(list(seen.events(ValueSeen))) == 1


def run(text: str, in_haste: bool, waits_for: tuple[int, ...] = (), late: bool = False) -> list[Any]:
    names: dict[str, Any] = {"seen": [], "done": 0}
    hurry = Haste(
        lambda: in_haste,
        lambda: late,
        lambda numbers: not set(numbers).isdisjoint(waits_for),
        lambda: names["done"],
        lambda: len(names["seen"]),
    )
    names |= {LASTING: hurry.lasting, DUE: hurry.is_due, probes.VALUE: lambda number, value: value}
    exec(compile(hastened(ast.parse(dedent(text))), "x.py", "exec"), names)
    seen: list[Any] = names["seen"]
    return seen


TWO_LOOPS = """
    def train_step(number):
        global done
        done += 1
        seen.append(number)

    for number in range(4):
        train_step(number)
    else:
        seen.append("over")
    for number in range(3):
        seen.append(number)
"""


def test_only_loops_that_train_end_early_and_only_in_haste() -> None:
    assert run(TWO_LOOPS, in_haste=False) == [0, 1, 2, 3, "over", 0, 1, 2]
    assert run(TWO_LOOPS, in_haste=True) == [0, "over", 0, 1, 2]


def test_a_loop_that_has_not_trained_yet_goes_on() -> None:
    text = """
        for number in range(4):
            if number == 2:
                done += 1
            seen.append(loss(number))
    """
    assert run("loss = abs\n" + dedent(text), in_haste=True) == [0, 1, 2]


def test_a_loop_that_has_called_a_network_many_times_is_over() -> None:
    text = """
        def predict(number):
            seen.append(number)

        for number in range(1_000):
            predict(number)
    """
    assert len(run(text, in_haste=False)) == 1_000
    assert len(run(text, in_haste=True)) == 64


PERIODIC = f"""
    def evaluate(number):
        seen.append({probes.VALUE}(7, number))

    for number in range(30):
        done += 1
        train = loss = abs(number)
        if number % 10 == 9:
            evaluate(number)
        step(number)
"""


@pytest.mark.parametrize(
    ("in_haste", "waits_for", "late", "seen"),
    [
        (False, (7,), False, [9, 19, 29]),
        (True, (7,), False, list(range(30))),
        (True, (7,), True, [0]),
        (True, (), False, []),
    ],
)
def test_what_is_done_now_and_then_is_done_at_once_where_it_is_waited_for(
    in_haste: bool, waits_for: tuple[int, ...], late: bool, seen: list[int]
) -> None:
    assert run("step = abs\n" + dedent(PERIODIC), in_haste, waits_for, late) == seen


def test_what_takes_steps_now_and_then_is_left_alone() -> None:
    text = f"""
        class Optimizer:
            def step(self):
                seen.append({probes.VALUE}(7, "step"))

        for number in range(30):
            done += 1
            if number % 10 == 9:
                Optimizer().step()
    """
    assert run(text, in_haste=True, waits_for=(7,)) == ["step"] * 3
