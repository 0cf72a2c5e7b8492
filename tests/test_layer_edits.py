"""Taking a dropout out: what the code looks like afterwards, wherever the layer was made."""

from __future__ import annotations

import pytest

import nnlint
from nnlint.mending.fixes import apply_edits

SCRIPT = """
import torch.nn as nn
import torch.nn.functional as F
from torch.nn import Dropout


class Net(nn.Module):
    def __init__(self):
        super().__init__()
{made}
        self.out = nn.Sequential(nn.Linear(9, 9), nn.BatchNorm1d(9), nn.Linear(9, 2))

    def forward(self, x):
{used}
        return self.out(x)
"""
CALLED = "        x = self.net(x)"
NORMALISED = "        self.net = nn.Sequential(nn.Linear(9, 9), nn.BatchNorm1d(9))"


def mended(made: str, used: str) -> str:
    """The script after the fixes of all findings about dropout behind BatchNorm; as it was, where there is no fix."""
    text = SCRIPT.format(made=made, used=used)
    found = [finding for finding in nnlint.lint_text(text, "net.py") if finding.name == "batchnorm-then-dropout"]
    assert found
    for finding in found:
        text = apply_edits(text, finding.fix.edits) if finding.fix else text
    return text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nn.Sequential(nn.BatchNorm1d(9), nn.ReLU(), nn.Dropout(0.5))", "nn.Sequential(nn.BatchNorm1d(9), nn.ReLU())"),
        ("nn.Sequential(nn.BatchNorm1d(9), nn.Dropout(0.5), nn.ReLU())", "nn.Sequential(nn.BatchNorm1d(9), nn.ReLU())"),
        ("nn.Sequential(*[nn.BatchNorm1d(9), nn.Dropout(0.5)])", "nn.Sequential(*[nn.BatchNorm1d(9)])"),
    ],
)
def test_an_element_goes_with_its_comma(before: str, after: str) -> None:
    assert f"        self.net = {after}\n" in mended(f"        self.net = {before}", CALLED)


def test_an_element_on_lines_of_its_own_goes_with_them() -> None:
    made = """\
        self.net = nn.Sequential(
            nn.BatchNorm1d(9),  # first
            nn.Dropout(
                0.5
            ),
        )"""
    assert "(\n            nn.BatchNorm1d(9),  # first\n        )\n" in mended(made, CALLED)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "nn.BatchNorm1d(9), nn.Dropout(0.5),  # half\n            nn.ReLU()",
            "nn.BatchNorm1d(9),  # half\n            nn.ReLU()",
        ),
        (
            "nn.BatchNorm1d(9), nn.Dropout(0.5),\n            nn.ReLU(),\n",
            "nn.BatchNorm1d(9),\n            nn.ReLU(),\n",
        ),
        (
            "nn.BatchNorm1d(9),\n            nn.Dropout(0.5), nn.ReLU(),\n",
            "nn.BatchNorm1d(9),\n            nn.ReLU(),\n",
        ),
    ],
)
def test_an_element_that_shares_its_line_goes_alone(before: str, after: str) -> None:
    assert f"nn.Sequential({after})" in mended(f"        self.net = nn.Sequential({before})", CALLED)


def test_the_first_element_goes_up_to_the_next() -> None:
    used = "        x = self.drop(self.net(x))"
    made = f"{NORMALISED}\n        self.drop = nn.Sequential({{}}nn.Linear(9, 9))"
    first = "nn.Dropout(0.5),\n            "
    assert mended(made.format(first), used) == SCRIPT.format(made=made.format(""), used=used)
    first = "nn.Dropout(0.5),  # half\n            "
    assert mended(made.format(first), used) == SCRIPT.format(made=made.format(first), used=used)


def test_a_module_that_is_added_goes_with_its_statement() -> None:
    made = f'{NORMALISED}\n        self.net.add_module("drop", nn.Dropout(0.5))'
    assert mended(made, CALLED) == SCRIPT.format(made=NORMALISED, used=CALLED)


def test_an_attribute_becomes_an_identity() -> None:
    made = f"{NORMALISED}\n        self.drop = nn.Dropout(0.5)"
    assert "self.drop = nn.Identity()\n" in mended(made, "        x = self.drop(self.net(x))")


def test_an_attribute_that_is_right_elsewhere_is_kept() -> None:
    made = f"{NORMALISED}\n        self.drop = nn.Dropout(0.5)\n        self.last = nn.Linear(9, 9)"
    used = "        x = self.drop(self.last(self.drop(self.net(x))))"
    assert mended(made, used) == SCRIPT.format(made=made, used=used)


def test_an_attribute_of_an_imported_class_is_kept() -> None:
    made = f"{NORMALISED}\n        self.drop = Dropout(0.5)"
    used = "        x = self.drop(self.net(x))"
    assert mended(made, used) == SCRIPT.format(made=made, used=used)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("        x = self.net(x)\n        x = F.dropout(x, 0.5, self.training)", "        x = self.net(x)"),
        ("        x = F.dropout(self.net(x), 0.5, self.training)", "        x = self.net(x)"),
    ],
)
def test_a_functional_call_leaves_its_input(before: str, after: str) -> None:
    assert mended(NORMALISED, before) == SCRIPT.format(made=NORMALISED, used=after)
