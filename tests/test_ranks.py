"""How many dimensions arrays have, and which of them are columns, as code makes them."""

from __future__ import annotations

import pytest

from nnlint.facts.ranks import ends_in_one, rank_of
from nnlint.values import Data, Value
from tests.abstract import runs

SETUP = """
import numpy as np, pandas as pd, torch, torch.nn.functional as F
from sklearn.datasets import make_regression
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
x, y = torch.randn(20, 3), torch.randn(20)
frame = pd.read_csv("houses.csv")
class Rows(Dataset):
    def __init__(self, x, y): self.x, self.y = x, y
    def __len__(self): return len(self.y)
    def __getitem__(self, i): return self.x[i], self.y[i]
"""


def looked_at(body: str) -> Value:
    """What the body gives to `look(...)`."""
    run = runs(f"{SETUP}\n{body}\n")[0]
    return next(
        made.inputs[1]
        for made in run.operations["call"]
        if isinstance(made, Data) and made.name == "look" and len(made.inputs) > 1
    )


@pytest.mark.parametrize(
    ("expression", "rank"),
    [
        ("x", 2),
        ("y", 1),
        ("nn.Linear(3, 1)(x)", 2),
        ("nn.Linear(3, 1)(x).squeeze()", 1),
        ("nn.Linear(3, 1)(x).squeeze(-1)", 1),
        ("nn.Linear(3, 1)(x).squeeze(1)", 1),
        ("nn.Linear(3, 2)(x).squeeze()", None),
        ("nn.Linear(3, 1)(unknown)", None),
        ("nn.Linear(3, 1)(x)[:, 0]", 1),
        ("x[0]", 1),
        ("x[2:5]", 2),
        ("x[:, [0]]", 2),
        ("x.mean()", 0),
        ("x.mean(dim=1)", 1),
        ("x.mean(1, keepdim=True)", 2),
        ("y.view(-1, 1)", 2),
        ("y.unsqueeze(1)", 2),
        ("y[:, None]", 2),
        ("x.flatten()", 1),
        ("torch.flatten(unknown, 1)", 2),
        ("nn.Flatten()(unknown)", 2),
        ("nn.Conv2d(1, 2, 3)(unknown)", 4),
        ("nn.LSTM(3, 4)(unknown)[0]", 3),
        ("nn.LSTM(3, 4)(unknown)[0][:, -1]", 2),
        ("nn.Embedding(5, 3)(torch.randint(0, 5, (4, 6)))", 3),
        ("frame['price']", 1),
        ("frame[['rooms', 'size']].values", 2),
        ("frame.iloc[:, -1].values", 1),
        ("torch.tensor(frame['price'].values, dtype=torch.float32)", 1),
        ("make_regression(100, 3)[1]", 1),
        ("x @ torch.randn(3, 1)", 2),
        ("x @ torch.randn(3)", 1),
        ("x - y.view(-1, 1)", 2),
        ("x + unknown", None),
        ("torch.stack([y, y])", 2),
        ("torch.cat([x, x])", 2),
        ("torch.sin(y)", 1),
        ("x[:, 0].sin() + x[:, 1].log1p()", 1),
        ("unknown.sin()", None),
        ("x[torch.randint(0, 20, (5,))]", 2),
        ("y[x[:, 0] > 0]", 1),
        ("x[unknown]", None),
        ("x[torch.randint(0, 20, (5, 2))]", None),
        ("np.random.normal(0, 0.1, 500)", 1),
        ("np.random.default_rng().uniform(-1, 1, len(y))", 1),
        ("np.random.uniform(-1, 1, (50, 2))", 2),
        ("np.random.normal(x, 0.1)", None),
        ("np.random.normal(0, 0.1, x.shape)", None),
        ("np.random.normal(0, 0.1, size=x.shape)", 2),
        ("np.random.normal(0, 0.1, unknown)", None),
        ("np.random.normal(*unknown)", None),
        ("x.max(1)[0]", 1),
        ("x.max(dim=1, keepdim=True).values", 2),
        ("x.max(1)", None),
        ("x.max()", 0),
        ("x.topk(2)[1]", 2),
        ("x.gather(1, torch.randint(0, 3, (20, 1)))", 2),
        ("next(iter(DataLoader(TensorDataset(x, y), 4)))[1]", 1),
        ("next(iter(DataLoader(Rows(x, y), 4)))[1]", 1),
        ("next(iter(DataLoader(Rows(x, y), 4)))[0]", 2),
        ("next(iter(DataLoader(Rows(x, y.unsqueeze(1)), 4)))[1]", 2),
    ],
)
def test_the_number_of_dimensions(expression: str, rank: int | None) -> None:
    assert rank_of(looked_at(f"look({expression})")) == rank


@pytest.mark.parametrize(
    ("expression", "is_column"),
    [
        ("nn.Linear(3, 1)(x)", True),
        ("nn.Sequential(nn.Linear(3, 1), nn.Sigmoid())(unknown)", True),
        ("nn.Linear(3, 2)(x)", False),
        ("nn.Linear(3, 1)(x).squeeze()", False),
        ("nn.Linear(3, 1)(x)[:, 0]", False),
        ("y.view(-1, 1)", True),
        ("y.unsqueeze(1)", True),
        ("y.unsqueeze(0)", False),
        ("y[:, None]", True),
        ("x[:, :1]", True),
        ("x[:, [2]]", True),
        ("x[:, 2]", False),
        ("x.sum(dim=1, keepdim=True)", True),
        ("x.max(dim=1, keepdim=True)[0]", True),
        ("x.gather(1, actions.unsqueeze(-1))", True),
        ("y", False),
        ("unknown", False),
        ("nn.Linear(3, 1)(x) * 2 + 1", True),
    ],
)
def test_columns(expression: str, is_column: bool) -> None:
    assert ends_in_one(looked_at(f"look({expression})")) == is_column


@pytest.mark.parametrize("change", ["y.resize_(20, 1)", "y.unsqueeze_(1)", "y.shape = (20, 1)", "y.resize((20, 1))"])
def test_a_shape_that_is_changed_in_place_is_not_known(change: str) -> None:
    changed = looked_at(f"{change}\nlook(torch.tensor(y[1:]))")
    assert (rank_of(changed), ends_in_one(changed)) == (None, False)


def test_parts_of_batches_in_a_loop() -> None:
    body = "for a, b in DataLoader(Rows(x, y), batch_size=4):\n    look(b.float())"
    assert rank_of(looked_at(body)) == 1
