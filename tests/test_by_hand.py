"""How a network is scored that a script writes by hand in numpy, and that nothing else is taken for one."""

from __future__ import annotations

import ast
import builtins
import time
from collections.abc import Iterator
from contextlib import nullcontext
from textwrap import dedent
from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("torch")

import numpy as np

from nnlint.verify.child import by_hand
from nnlint.verify.child.by_hand import ByHand, noted
from nnlint.verify.child.recorder import Recorder
from nnlint.verify.child.values import Sightings

BEGIN = """
    import numpy as np
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    Y = X[:, :1] - 2 * X[:, 1:2]
"""
NETWORK = """
    class Network:
        def __init__(self, rows):
            self.weights, self.bias = np.zeros((3, 1)), np.zeros((rows, 1))

        def forward(self, x):
            self.x = x
            return x @ self.weights + self.bias

        def train(self, x, y):
            for step in range(100):
                answer = self.forward(x)
                error = answer - y
                self.weights = self.weights - 0.05 * self.x.T @ error / len(x)
                change = error if len(self.bias) > 1 else error.mean(axis=0, keepdims=True)
                self.bias = self.bias - 0.05 * change
"""


@pytest.fixture(autouse=True)
def _builtins_as_they_were() -> Iterator[None]:
    yield
    for name in (by_hand.ANSWERED, by_hand.COMPARED):
        builtins.__dict__.pop(name, None)


def run(*texts: str, other_rows: bool = False) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """The scores of a script that consists of these texts, and the names that it leaves."""
    told: list[dict[str, float]] = []
    recorder = SimpleNamespace(backwards=0, steps=0, start=time.monotonic(), pause=nullcontext)
    recorder.is_in_haste = lambda: False
    recorder.tell = lambda kind, calls, numbers, **words: told.append(numbers)
    scores = ByHand(cast(Recorder, recorder), cast(Sightings, SimpleNamespace(is_paused=False)), 25, other_rows)
    setattr(builtins, by_hand.ANSWERED, scores.answered)
    setattr(builtins, by_hand.COMPARED, scores.compared)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(noted(ast.parse("".join(map(dedent, texts)))), "script.py", "exec"), names)
    scores.tell()
    return told, names


def test_a_network_is_scored_along_its_training() -> None:
    told, _ = run(BEGIN, NETWORK, "Network(1).train(X, Y)")
    assert [numbers["steps"] for numbers in told] == [25, 50, 75, 100]
    assert told[0]["r2"] < told[-1]["r2"]
    assert told[-1]["r2"] == pytest.approx(0.98, abs=0.02)


def test_a_bias_for_each_sample_fits_the_samples_in_their_own_rows_alone() -> None:
    told, _ = run(BEGIN, NETWORK, "Network(len(X)).train(X, Y)", other_rows=True)
    assert told[-1]["r2_in_place"] > 0.98
    assert told[-1]["r2_in_other_rows"] < 0.5
    told, _ = run(BEGIN, NETWORK, "Network(1).train(X, Y)", other_rows=True)
    assert told[-1]["r2_in_other_rows"] == pytest.approx(told[-1]["r2_in_place"])


def test_to_score_a_network_changes_nothing_of_its_training() -> None:
    rest = """
    network = Network(1)
    network.train(X, Y)
    drawn = np.random.random()
    """
    seeded = "np.random.seed(3)\n"
    _, scored = run(BEGIN, seeded, NETWORK, rest)
    plain: dict[str, Any] = {"__name__": "__main__"}
    exec("".join(map(dedent, (BEGIN, seeded, NETWORK, rest))), plain)
    assert np.array_equal(scored["network"].weights, plain["network"].weights)
    assert np.array_equal(scored["network"].bias, plain["network"].bias)
    assert scored["drawn"] == plain["drawn"]


def test_a_network_that_draws_at_random_is_trained_as_without_a_score() -> None:
    noisy = NETWORK.replace("self.weights + self", "self.weights + rng.normal() + self") + "    network = Network(1)\n"
    told, scored = run(BEGIN, noisy, "network.train(X, Y)")
    plain: dict[str, Any] = {"__name__": "__main__"}
    exec("".join(map(dedent, (BEGIN, noisy, "network.train(X, Y)"))), plain)
    assert told == []
    assert np.array_equal(scored["network"].weights, plain["network"].weights)


def test_functions_that_take_parameters_or_read_globals_are_scored_too() -> None:
    with_parameters = """
    def forward(x, weights):
        return x @ weights
    weights = np.zeros((3, 1))
    for step in range(100):
        answer = forward(X, weights)
        weights = weights - 0.1 * X.T @ (answer - Y) / len(X)
    """
    told, _ = run(BEGIN, with_parameters)
    assert told[-1]["r2"] > 0.9
    told, _ = run(BEGIN, with_parameters.replace("(x, weights)", "(x)").replace("(X, weights)", "(X)"))
    assert told[-1]["r2"] > 0.9


def test_samples_in_columns_change_columns() -> None:
    columns = """
    def forward(x, weights, bias):
        return weights @ x + bias
    weights, bias = np.zeros((1, 3)), np.zeros((1, 20))
    for step in range(100):
        answer = forward(X.T, weights, bias)
        weights = weights - 0.01 * (answer - Y.T) @ X / len(X)
        bias = bias - 0.05 * (answer - Y.T)
    """
    told, _ = run(BEGIN, columns, other_rows=True)
    assert told[-1]["r2_in_place"] > 0.98
    assert told[-1]["r2_in_other_rows"] < 0.5


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            """
            def sigmoid(z):
                return 1 / (1 + np.exp(-z))
            weights = np.zeros((3, 1))
            for step in range(100):
                answer = sigmoid(X @ weights)
                weights = weights - 0.1 * X.T @ (answer - Y) / len(X)
            """,
            id="an activation",
        ),
        pytest.param(
            NETWORK + "\n    for step in range(100):\n        answer = Network(1).forward(X)\n        Y - answer\n",
            id="not trained",
        ),
        pytest.param(
            NETWORK
            + """
    network, before = Network(1), np.zeros((20, 1))
    for step in range(100):
        network.weights = network.weights + 0.1
        answer = network.forward(X)
        moved = answer - before
        before = answer
    """,
            id="compared with its last answer",
        ),
        pytest.param(NETWORK.replace("range(100)", "range(9)") + "    Network(1).train(X, Y)\n", id="too few steps"),
        pytest.param(
            """
            class Machine:
                weights = np.zeros((3, 1))
                def update(self, x, y):
                    self.weights = self.weights - 0.1 * x.T @ (x @ self.weights - y) / len(x)
                    return x @ self.weights
            machine = Machine()
            for step in range(100):
                answer = machine.update(X, Y)
                Y - answer
            """,
            id="given the targets",
        ),
    ],
)
def test_what_is_no_network_in_training_is_not_scored(script: str) -> None:
    told, _ = run(BEGIN, script)
    assert told == []


def test_files_that_use_torch_are_left_as_they_are() -> None:
    text = "import numpy\nimport torch\nanswer = forward(x)\nerror = y - answer"
    assert ast.unparse(noted(ast.parse(text))) == text
    assert by_hand.COMPARED in ast.unparse(noted(ast.parse(text.replace("import torch\n", ""))))
