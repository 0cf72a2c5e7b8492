"""Batches of one row: which sizes of data sets and batches are known, as users see it from the findings."""

from __future__ import annotations

import textwrap

import pytest

import nnlint

SCRIPT = """
import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split

{setup}
net = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(net.parameters())
for x, y in {loader}:
    loss = nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
WHOLE = "whole = TensorDataset(torch.randn(321, 5), torch.randn(321, 1))"


def severities(setup: str, loader: str) -> list[str]:
    """How grave the findings about BatchNorm over few rows are, for a script with this loader."""
    text = SCRIPT.format(setup=textwrap.dedent(setup), loader=loader)
    findings = nnlint.lint_text(text, "train.py")
    return [finding.severity.value for finding in findings if finding.name == "batchnorm-single-sample"]


@pytest.mark.parametrize(
    ("setup", "loader"),
    [
        (WHOLE, "DataLoader(whole, 64)"),
        (WHOLE, "DataLoader(whole, batch_size=1)"),
        (WHOLE, "DataLoader(whole)"),
        (WHOLE, "DataLoader(whole, batch_size=64, shuffle=True, drop_last=False)"),
        (WHOLE, "DataLoader(Subset(whole, range(101)), batch_size=20)"),
        (
            WHOLE + "\nn = int(0.8 * len(whole))\npart, _ = random_split(whole, [n, len(whole) - n])",
            "DataLoader(part, 51)",
        ),
        (
            "x = np.random.rand(100, 5)\na, b = train_test_split(x, test_size=0.19)",
            "DataLoader(TensorDataset(a, a), 20)",
        ),
        ("x = torch.zeros((500, 5))[:-99]", "DataLoader(TensorDataset(x, x), batch_size=100)"),
        ("x = torch.linspace(0, 1, 129).unsqueeze(1)", "DataLoader(TensorDataset(x, torch.sin(x)), batch_size=32)"),
        ("x = torch.arange(0, 33).view(-1, 1).float()", "DataLoader(TensorDataset(x, x), batch_size=16)"),
    ],
)
def test_a_batch_of_one_row_is_an_error(setup: str, loader: str) -> None:
    assert severities(setup, loader) == ["error"]


@pytest.mark.parametrize(
    ("setup", "loader"),
    [
        (WHOLE, "DataLoader(whole, 64, drop_last=True)"),
        (WHOLE, "DataLoader(whole, 64, sampler=make_sampler(whole))"),
        (WHOLE, "DataLoader(whole, batch_sampler=make_sampler(whole))"),
        (WHOLE, "DataLoader(whole, 1, collate_fn=join)"),
        (WHOLE, "DataLoader(whole, 60)"),
        (WHOLE, "DataLoader(whole, **settings)"),
        (WHOLE + "\npart, _ = random_split(whole, sizes)", "DataLoader(part, 51)"),
        ("x = load()", "DataLoader(TensorDataset(x, x), batch_size=20)"),
        ("x = torch.randn(321, 5)[start:]", "DataLoader(TensorDataset(x, x), batch_size=64)"),
        ("a, b = train_test_split(load(), test_size=0.19)", "DataLoader(TensorDataset(a, a), 20)"),
    ],
)
def test_other_and_unknown_sizes_are_left_alone(setup: str, loader: str) -> None:
    assert severities(setup, loader) == []


def test_a_data_set_tells_its_own_length() -> None:
    setup = """
        class Rows(Dataset):
            def __init__(self, x):
                self.x = x

            def __len__(self):
                return {length}

            def __getitem__(self, index):
                return self.x[index], self.x[index, :1]
    """
    loader = "DataLoader(Rows(torch.randn(41, 5)), batch_size=20)"
    assert severities(setup.format(length="self.x.shape[0]"), loader) == ["error"]
    assert severities(setup.format(length="len(self.x)"), loader) == ["error"]
    assert severities(setup.format(length="41"), loader) == ["error"]
    assert severities(setup.format(length="len(self.files)"), loader) == []


def test_two_rows_are_a_warning_and_five_are_fine() -> None:
    assert severities(WHOLE, "DataLoader(whole, 2, drop_last=True)") == ["warning"]
    assert severities(WHOLE, "DataLoader(whole, 5, drop_last=True)") == []
