"""How a softmax is taken out of a network, and a size put around a signed error, in the forms that people write them."""

from __future__ import annotations

import pytest

import nnlint
from nnlint.mending.fixes import apply_edits

NETWORK = """import torch
import torch.nn as nn
import torch.nn.functional as F
from collections import OrderedDict

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.soft = nn.Softmax(dim=1)

    def forward(self, x):
        x = self.fc(x)
        {forward}
        return x

net = {network}
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for x, y in [(torch.randn(2, 3), torch.zeros(2).long())]:
    loss = {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def script(forward: str = "x = x * 2", network: str = "Net()", loss: str = "F.cross_entropy(net(x), y)") -> str:
    return NETWORK.format(forward=forward, network=network, loss=loss)


def fixed(text: str) -> str:
    """The text after the fixes of all findings about the loss."""
    found = [finding for finding in nnlint.lint_text(text, "a.py") if finding.code.startswith("NN2")]
    assert found
    for finding in found:
        text = apply_edits(text, finding.fix.edits) if finding.fix else text
    return text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = F.softmax(x + 1, dim=1)", "x = (x + 1)"),
        ("x = F.softmax(input=x.relu(), dim=1)", "x = x.relu()"),
        ("x = (x + 1).softmax(1)", "x = (x + 1)"),
        ("x = x.relu().softmax(dim=-1)", "x = x.relu()"),
        ("x = nn.Softmax(dim=1)(x.relu())", "x = x.relu()"),
        ("x = self.soft(x.relu())", "x = x.relu()"),
        ("x = torch.exp(F.log_softmax(x.relu(), dim=1))", "x = F.log_softmax(x.relu(), dim=1)"),
    ],
)
def test_a_call_becomes_what_it_was_given(before: str, after: str) -> None:
    assert fixed(script(forward=before)) == script(forward=after)


def test_a_statement_that_would_assign_a_name_to_itself_goes() -> None:
    text = script(forward="x = self.soft(x)")
    assert fixed(text) == text.replace("        x = self.soft(x)\n", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nn.Sequential(nn.Linear(3, 4), nn.Softmax(dim=1))", "nn.Sequential(nn.Linear(3, 4))"),
        ("nn.Sequential(nn.Linear(3, 4),\n    nn.Softmax(dim=1))", "nn.Sequential(nn.Linear(3, 4))"),
        ("nn.Sequential(\n    nn.Linear(3, 4),\n    nn.Softmax(dim=1),\n)", "nn.Sequential(\n    nn.Linear(3, 4),\n)"),
        ("nn.Sequential(*[nn.Linear(3, 4), nn.Softmax(1)])", "nn.Sequential(*[nn.Linear(3, 4)])"),
        (
            'nn.Sequential(OrderedDict([("fc", nn.Linear(3, 4)), ("prob", nn.Softmax(1))]))',
            'nn.Sequential(OrderedDict([("fc", nn.Linear(3, 4))]))',
        ),
    ],
)
def test_a_module_leaves_its_container(before: str, after: str) -> None:
    assert fixed(script(network=before)) == script(network=after)


@pytest.mark.parametrize(
    "forward",
    [
        "x = torch.log(F.softmax(x, dim=1) + 1e-6)",
        "x = torch.stack([F.softmax(x, 1), F.softmax(-x, 1)]).mean(0)",
    ],
)
def test_a_softmax_that_is_not_last_is_left_to_its_author(forward: str) -> None:
    assert fixed(script(forward=forward)) == script(forward=forward)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(net(x) - y).mean()", "(net(x) - y).abs().mean()"),
        ("torch.sum(net(x) - y) / 2", "torch.sum(torch.abs(net(x) - y)) / 2"),
        ("-(y - net(x)).sum()", "-(y - net(x)).abs().sum()"),
    ],
)
def test_a_signed_error_is_given_a_size(before: str, after: str) -> None:
    assert fixed(script(loss=before)) == script(loss=after)
