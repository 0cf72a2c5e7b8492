"""Data scaled by statistics: in which forms a fault is found, and which of its look-alikes are left alone."""

import pytest

import nnlint
from nnlint.settings import Settings

START = """\
import numpy as np, pandas as pd, torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn import preprocessing
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler, StandardScaler
frame = pd.read_csv("prices.csv")
X, y = frame[["area", "rooms"]].values, frame["price"].values
X_train, X_test, y_train, y_test = train_test_split(X, y)
net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.Adam(net.parameters())
"""
TRAINING = """
for epoch in range(10):
    optimizer.zero_grad()
    loss = F.mse_loss(net(torch.tensor(X_train)), torch.tensor(y_train))
    loss.backward()
    optimizer.step()
with torch.no_grad():
    prediction = net(torch.tensor(X_test))
"""
CODES = frozenset({"NN401", "NN402", "NN403", "NN404", "NN701"})


def found(preparation: str, after: str = "") -> list[tuple[str, str]]:
    """The code and severity of what is found in a script that prepares its data so, and uses its predictions so."""
    findings = nnlint.lint_text(START + preparation + TRAINING + after, settings=Settings())
    return [(finding.code, finding.severity.value) for finding in findings if finding.code in CODES]


@pytest.mark.parametrize(
    "line",
    [
        "y_train = F.normalize(torch.tensor(y_train), dim=0)",
        "y_train = np.divide(y_train, np.max(y_train))",
        "y_train = y_train / max(y_train)",
        "y_train = torch.tensor([value / max(y_train) for value in y_train])",
        "y_train = y_train * (1.0 / y_train.max())",
        "y_train = preprocessing.minmax_scale(y_train)",
        "y_train = (y_train - np.min(y_train)) / np.ptp(y_train)",
        "y_train = torch.tensor(y_train); y_train.div_(y_train.max())",
        "largest = float(y_train.max()); y_train = y_train / largest; print(largest)",
        "y_train = y_train / (np.abs(y_train).max() + 1e-8) * 2 - 1",
        "y_train = y_train / y_train.max(axis=0)",
        "frame['price'] = frame['price'].div(frame['price'].max()); y_train = frame['price'].to_numpy()",
        "frame.loc[:, 'price'] = frame['price'] / frame['price'].max(); y_train = frame['price'].values",
        "frame[['price']] = MinMaxScaler().fit_transform(frame[['price']]); y_train = frame['price'].values",
        "table = frame.values; table[:, 2] = table[:, 2] / table[:, 2].max(); y_train = table[:, 2]",
    ],
)
def test_a_target_scaled_by_itself_is_found_in_any_spelling(line: str) -> None:
    assert found(line) == [("NN401", "error")]


@pytest.mark.parametrize(
    "lines",
    [
        "X_train = X_train / X_train.max()\nX_test = X_test / X_test.max()",
        "X_train = StandardScaler().fit_transform(X_train)\nX_test = StandardScaler().fit(X_test).transform(X_test)",
        "scaler = StandardScaler().fit(X_train)\nX_train = scaler.transform(X_train)\n"
        "scaler.fit(X_test)\nX_test = scaler.transform(X_test)",
        "X_train, X_test = [preprocessing.minmax_scale(part) for part in (X_train, X_test)]",
        "m, s = X_train.mean(0), X_train.std(0)\nX_train = (X_train - m) / s\n"
        "m, s = X_test.mean(0), X_test.std(0)\nX_test = (X_test - m) / s",
        "X_train = (X_train - X_train.min(0)) / (X_train.max(0) - X_train.min(0))\n"
        "X_test = (X_test - X_train.min(0)) / (X_train.max(0) - X_train.min(0))",
    ],
)
def test_inputs_to_be_predicted_scaled_by_themselves_are_found_in_any_spelling(lines: str) -> None:
    assert found(lines) == [("NN403", "error")]


@pytest.mark.parametrize(
    ("preparation", "after"),
    [
        ("mean, std = y_train.mean(), y_train.std()\ny_train = (y_train - mean) / std", "    prediction * mean + std"),
        (
            "mean, std = y_train.mean(), y_train.std()\ny_train = (y_train - mean) / std",
            "    prediction * y_test.std()",
        ),
        (
            "low, high = y_train.min(), y_train.max()\ny_train = (y_train - low) / (high - low)",
            "    prediction * (y_test.max() - y_test.min()) + y_test.min()",
        ),
        (
            "scaler = MinMaxScaler()\ny_train = scaler.fit_transform(y_train.reshape(-1, 1))",
            "    MinMaxScaler().fit(y_test.reshape(-1, 1)).inverse_transform(prediction.numpy())",
        ),
    ],
)
def test_predictions_brought_back_by_something_else_are_found(preparation: str, after: str) -> None:
    assert found(preparation, after) == [("NN404", "error")]


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("y_train, y_test = y_train / 1000.0, y_test / 1000.0", "advice"),
        ("factor = 1e4; y_train *= factor", "warning"),
        ("y_train = torch.mul(torch.tensor(y_train), 100)", "warning"),
        ("y_train = (lambda values: values * 50)(y_train)", "warning"),
    ],
)
def test_a_target_blown_up_by_a_constant_is_found(line: str, severity: str) -> None:
    assert found(line) == [("NN402", severity)]


@pytest.mark.parametrize(
    ("preparation", "after"),
    [
        ("largest = X_train.max()\nX_train, X_test = X_train / largest, X_test / largest", ""),
        ("X_train = X_train / X_train.sum(axis=1)\nX_test = X_test / X_test.sum(axis=1)", ""),
        ("std = X_train.std(0)\nstd[std == 0] = 1\nX_train, X_test = X_train / std, X_test / std", ""),
        ("mean, std = y_train.mean(), y_train.std()\ny_train = (y_train - mean) / std", "    prediction * std + mean"),
        (
            "low, high = y_train.min(), y_train.max()\ny_train = (y_train - low) / (high - low)",
            "torch.save((low, high), 'm')",
        ),
        ("y_train = y_train / 100.0", "    prediction * 100.0"),
        ("y_train = np.log1p(y_train)", "    np.expm1(prediction.numpy())"),
        ("share = y_train / y_train.sum()\nprint(share)", ""),
        ("error = abs(y_test - y_train) / y_test.max()", ""),
    ],
)
def test_scaling_that_is_right_or_of_something_else_is_left_alone(preparation: str, after: str) -> None:
    assert found(preparation, after) == []


SAMPLES_IN_COLUMNS = """
import numpy as np
X, Y = np.random.randn(2, 400), np.random.randn(1, 400)
W1, b1 = np.random.randn(2, 2), np.zeros((X.shape[0], 1))
hidden = np.tanh(np.dot(W1, X) + b1)
"""
ONE_SAMPLE_AT_A_TIME = """
import numpy as np
W, b = np.random.randn(3, 2), np.zeros(2)
for x, t in zip(np.random.randn(50, 3), np.random.randn(50, 2)):
    error = x @ W + b - t
    b = b - 0.1 * error
"""
SLICED = """
import numpy as np
X, W, b = np.random.rand(60, 3), np.random.rand(3, 2), np.zeros((1, 2))
for start in range(0, 60, 10):
    error = X[:10] @ W + b - 1.0
    b = b - 0.1 * error{}
"""


def bias_findings(text: str) -> list[int]:
    """The lines at which a bias per sample is found."""
    findings = nnlint.lint_text(text, settings=Settings())
    return [finding.place.line for finding in findings if finding.code == "NN701"]


def test_a_bias_with_a_row_for_each_unit_is_left_alone_where_samples_stand_in_columns() -> None:
    assert bias_findings(SAMPLES_IN_COLUMNS) == []


def test_an_update_by_one_sample_at_a_time_is_left_alone() -> None:
    assert bias_findings(ONE_SAMPLE_AT_A_TIME) == []


def test_an_update_by_a_slice_of_the_samples_is_found_unless_it_is_summed() -> None:
    assert bias_findings(SLICED.format("")) == [6]
    assert bias_findings(SLICED.format(".sum(axis=0, keepdims=True)")) == []
