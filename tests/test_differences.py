"""Which targets are found behind losses that a script writes by hand, and that none is where its part is not clear."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from textwrap import dedent
from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from nnlint.events import Scored
from nnlint.verify.child.differences import SUBTRACTIONS, Differences
from nnlint.verify.child.recorder import Recorder
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner

INPUTS = torch.arange(24.0).reshape(6, 4) / 24
TARGETS = torch.tensor([[0.3], [0.1], [0.9], [0.4], [-0.2], [0.6]])


class Script:
    """A few lines of training: what is called in it, what is differentiated, and which targets were kept of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kept: list[Tensor] = []
        self.monkeypatch = monkeypatch
        self.recorder = SimpleNamespace(last_call=None, on_call=[], on_backward=[], pause=nullcontext, wrap=self.wrap)
        keep = lambda loss, target, call: self.kept.append(target)  # noqa: E731
        Differences(cast(Recorder, self.recorder), keep).install()
        torch.manual_seed(0)
        self.network, self.other = nn.Linear(4, 1), nn.Linear(4, 1)

    def wrap(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        original = getattr(owner, name)
        self.monkeypatch.setattr(owner, name, lambda *given, **named: around(original, *given, **named))

    def call(self, network: nn.Module, inputs: Tensor) -> Any:
        output = network(inputs)
        self.recorder.last_call = (network, (inputs,), {}, output)
        for observer in self.recorder.on_call:
            observer()
        return output

    def differentiate(self, loss: Tensor) -> list[Tensor]:
        """The targets that are kept at a backward pass."""
        self.kept.clear()
        for observer in self.recorder.on_backward:
            observer(loss)
        torch.autograd.backward(loss)
        return list(self.kept)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    return Script(monkeypatch)


def test_every_subtraction_is_wrapped() -> None:
    assert all(callable(getattr(owner, name)) for owner, name in SUBTRACTIONS)


@pytest.mark.parametrize(
    "loss",
    [
        "((p - t) ** 2).mean()",
        "((t - p) ** 2).sum() / 6",
        "torch.mean((p - t).pow(2))",
        "(p - t).abs().mean()",
        "torch.sum(torch.square(p - t)) / len(t)",
        "torch.sqrt(torch.mean((p.squeeze() - t.squeeze()) ** 2))",
        "torch.pow(torch.sub(p, t), 2).mean()",
        "((p - t) * (p - t)).mean()",
        "torch.norm(p - t)",
        "0.5 * torch.dot((p - t).view(-1), (p - t).view(-1))",
        "((p - t) ** 2).mean(1).mean() + 0.01 * p.new_tensor(1.0)",
        "sum(each ** 2 for each in [p.sub(t)]).mean()",
    ],
)
def test_a_loss_of_regression_by_hand_is_known(script: Script, loss: str) -> None:
    p = script.call(script.network, INPUTS)
    (target,) = script.differentiate(eval(loss, {"torch": torch, "p": p, "t": TARGETS}))
    assert torch.equal(target.reshape(-1), TARGETS.reshape(-1))


def test_a_target_that_is_broadcast_by_mistake_is_one_all_the_same(script: Script) -> None:
    p = script.call(script.network, INPUTS)
    (target,) = script.differentiate(((p - TARGETS.squeeze()) ** 2).mean())
    assert target.shape == (6,)


def test_weights_that_are_kept_small_do_not_hide_the_target(script: Script) -> None:
    p = script.call(script.network, INPUTS)
    penalty = sum((each**2).sum() for each in script.network.parameters())
    assert len(script.differentiate(((p - TARGETS) ** 2).mean() + 0.1 * penalty)) == 1


def test_single_samples_whose_losses_are_summed_are_each_found(script: Script) -> None:
    losses = [(script.call(script.network, x) - t) ** 2 for x, t in zip(INPUTS, TARGETS, strict=True)]
    assert [float(each) for each in script.differentiate(sum(losses))] == TARGETS.reshape(-1).tolist()


@pytest.mark.parametrize(
    "loss",
    [
        "(p - t).mean()",
        "((p - t).mean()) ** 2",
        "((p - t) ** 3).mean()",
        "(weights * (p - t) ** 2).mean()",
        "((p - t)[:3] ** 2).mean()",
        "((torch.sigmoid(p) - t) ** 2).mean()",
        "((torch.softmax(p, 0) - t) ** 2).mean()",
        "((p - 1) ** 2).mean()",
        "((p.gather(1, index) - t[:3]) ** 2).mean()",
        "((p - p.detach().mean()) ** 2).mean()",
        "-(p - t).exp().mean()",
        "((p - torch.sub(p, t).detach()) * (p - t)).mean()",
    ],
)
def test_what_is_not_clear_is_left_out(script: Script, loss: str) -> None:
    p = script.call(script.network, INPUTS)
    given = {"torch": torch, "p": p, "t": TARGETS, "weights": TARGETS.abs(), "index": torch.zeros(3, 1).long()}
    assert script.differentiate(eval(loss, given)) == []


def test_a_target_that_another_network_may_have_given_is_left_out(script: Script) -> None:
    with torch.no_grad():
        following = script.call(script.other, INPUTS)
    p = script.call(script.network, INPUTS)
    assert script.differentiate(((p - (TARGETS + 0.9 * following)) ** 2).mean()) == []
    p = script.call(script.network, INPUTS)
    assert len(script.differentiate(((p - TARGETS) ** 2).mean())) == 1


def test_a_network_that_was_evaluated_before_is_known_from_the_next_pass_on(script: Script) -> None:
    script.call(script.network, INPUTS)
    found = [len(script.differentiate(((script.call(script.network, INPUTS) - TARGETS) ** 2).mean())) for _ in range(3)]
    assert found == [0, 1, 1]


def test_what_only_changes_how_data_look_is_no_network(script: Script) -> None:
    inputs = script.call(nn.Flatten(), INPUTS)
    p = script.call(script.network, inputs)
    assert len(script.differentiate(((p - TARGETS) ** 2).mean())) == 1


def test_a_graph_that_is_differentiated_twice_is_looked_at_once(script: Script) -> None:
    p = script.call(script.network, INPUTS)
    loss = ((p - TARGETS) ** 2).mean()
    for observer in script.recorder.on_backward:
        observer(loss)
    torch.autograd.backward(loss, retain_graph=True)
    assert script.differentiate(loss) == []


@pytest.mark.xdist_group("real runs")
def test_a_run_is_scored_by_such_a_loss(runs: Runner) -> None:
    text = dedent("""
        import torch
        from torch import nn

        torch.manual_seed(0)
        inputs = torch.randn(64, 3)
        targets = inputs[:, :1] - inputs[:, 1:2]
        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(100):
            loss = ((model(inputs) - targets) ** 2).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    """)
    seen = Reader({}).run("train.py", runs.run(Request("", "train.py", {"train.py": text})))
    scores = [event.numbers["r2"] for event in seen.events(Scored)]
    assert scores[0] < 0.9 < scores[-1]
