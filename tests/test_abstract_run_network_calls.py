"""The abstract run calls networks in every way there is, copies and wraps them, and knows them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnlint.events import ModelCalled
from tests.abstract import IMPORTS, graph, runs, seen, told


@pytest.mark.parametrize(
    "called",
    [
        "torch.utils.checkpoint.checkpoint(net, x, use_reentrant=False)",
        "torch.jit.trace(net, example)(x)",
        "torch.func.functional_call(net, weights, (x,))",
        "net.forward(x)",
        "globals()['net_of'](x)",
    ],
)
def test_every_way_to_call_a_network_goes_through_it(called: str) -> None:
    text = f"""
net = nn.Sequential(nn.Linear(3, 4), nn.Softmax(dim=1))
def net_of(x): return net(x)
look({called})
"""
    assert seen(IMPORTS + text)[0] == "softmax(linear(x))"


def test_a_network_that_is_not_at_hand_is_called_as_one(tmp_path: Path) -> None:
    text = """
import torchvision
net = torchvision.models.resnet18()
net.fc = nn.Linear(512, 10)
F.cross_entropy(net(x), y)
def evaluate(model, x): return model(x)
"""
    [run, entry] = runs(IMPORTS + text)
    assert len(list(run.events(ModelCalled))) == 1
    assert len(list(entry.events(ModelCalled))) == 1


def test_wrapping_and_moving_leave_the_network_what_it_is() -> None:
    text = """
net = nn.Sequential(nn.Linear(3, 4), nn.Softmax(dim=1))
net = nn.DataParallel(net.cuda())
net = torch.compile(net.to(memory_format=torch.channels_last))
net.module.train()(x)
"""
    assert graph(text) == ["softmax(linear(x))"]


def test_a_copy_of_a_network_is_another_network() -> None:
    text = """
import copy
net = nn.Linear(3, 4)
other = copy.deepcopy(net)
net(x); other(x)
"""
    [run] = runs(IMPORTS + text)
    first, second = (event.model for event in run.events(ModelCalled))
    assert first is not second


def test_a_wrapped_network_is_called_through_its_wrapper() -> None:
    text = """
    from torch import nn
    net = nn.DataParallel(nn.Linear(3, 1))
    net.module(x)
    def f(model):
        model.module(x)
    """
    assert told(text, "call") == ["call 4", "call 6"]


def test_a_network_that_is_not_known_is_called_by_forward_too() -> None:
    assert told("import torch\ndef f(model, x):\n    return model.forward(x)", "call") == ["call 3"]


def test_wrapping_in_distributed_data_parallel_is_told() -> None:
    text = """
    from torch import nn
    net = nn.Linear(3, 1)
    ddp = nn.parallel.DistributedDataParallel(net)
    one = nn.DataParallel(net)
    """
    assert told(text, "wrap") == ["wrap 4"]
