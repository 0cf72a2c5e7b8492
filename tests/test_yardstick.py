"""Which batches of its training data a network is scored on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("torch")

import torch

from nnlint.verify.child.recorder import Recorder
from nnlint.verify.child.yardstick import MOST_BATCHES, MOST_SAMPLES, Yardstick


def kept(batches: list[tuple[Any, Any]], times: int = 1, loss: str = "cross_entropy") -> list[Any]:
    """The inputs that are kept of a training on these batches, so many times over."""
    model = torch.nn.Linear(3, 2 if loss == "cross_entropy" else 1)
    known = SimpleNamespace(on_training_loss=[], on_call=[], on_step=[], depth=0, last_call=None)
    yardstick = Yardstick(cast(Recorder, known), 1)
    for inputs, targets in batches * times:
        output = model(inputs)
        known.last_call = (model, (inputs,), {}, output)
        known.on_training_loss[0](loss, output, targets)
    return [inputs for (inputs,), _, _ in yardstick.batches]


def batch(number: int, size: int = 4) -> tuple[Any, Any]:
    return torch.full((size, 3), float(number)), torch.zeros(size, dtype=torch.long)


def test_a_batch_that_comes_again_is_kept_once() -> None:
    assert len(kept([batch(1)], 100)) == 1
    assert len(kept([batch(1), batch(2), batch(3)], 5)) == 3


def test_the_same_inputs_with_other_targets_are_another_batch() -> None:
    inputs, targets = batch(1)
    assert len(kept([(inputs, targets), (inputs, targets + 1)])) == 2


def test_what_is_kept_does_not_change_with_the_tensor_that_was_given() -> None:
    inputs, targets = batch(1)
    (first,) = kept([(inputs, targets)])
    inputs.zero_()
    assert float(first.sum()) == 12


def test_no_more_is_kept_than_can_be_scored() -> None:
    assert len(kept([batch(number, 64) for number in range(20)])) == MOST_SAMPLES // 64
    assert len(kept([batch(number, 1) for number in range(100)])) == MOST_BATCHES


@pytest.mark.parametrize("loss", ["mse_loss", "binary_cross_entropy"])
def test_a_batch_that_asks_for_one_answer_shows_nothing(loss: str) -> None:
    ones, half = torch.ones(4, 1), torch.tensor([[1.0], [0.0], [1.0], [0.0]])
    inputs, _ = batch(1)
    assert kept([(inputs, ones), (inputs, ones * 0.9), (inputs, ones * 0)], loss=loss) == []
    assert len(kept([(inputs, ones), (inputs, half)], loss=loss)) == 1
    assert len(kept([(inputs[:1], ones[:1]), (inputs[1:2], ones[:1] * 0)], loss=loss)) == 2
