"""Tables, tensors and pictures have the sizes that the script takes them for."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from nnlint.verify.runner import Runner
from tests.test_stand_ins_of_trainers import run, trouble

pytestmark = pytest.mark.xdist_group("real runs")


def test_a_table_has_the_columns_that_are_taken_by_their_places(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import pandas as pd
        from torch import nn

        table, held_out = pd.read_csv("engines_train.csv"), pd.read_csv("engines_test.csv")
        assert table.iloc[:, 2:16].shape[1] == 14 and "life" in table.columns
        assert abs(table["life"].mean() - held_out["life"].mean()) > 0
        model = nn.Linear(14, 1)
        """,
    )
    assert trouble(seen) == []


def test_a_checkpoint_that_is_indexed_is_a_tensor_of_samples(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch
        from torch.utils.data import TensorDataset, random_split

        rows = torch.load("rows.pt")
        first, second = random_split(TensorDataset(rows[:, :6], rows[:, 6:]), [900, 100])
        assert torch.nn.Linear(6, 1)(first[0][0]).shape == (1,) and len(second) > 100
        """,
    )
    assert trouble(seen) == []
    assert "file of numbers" in seen.stood_in


def test_pictures_have_as_many_pixels_as_the_first_layer_takes(runs: Runner) -> None:
    seen = run(
        runs,
        """
        from torch import nn
        from torch.utils.data import DataLoader
        from torchvision import datasets, transforms

        pictures = datasets.ImageFolder("pictures", transforms.ToTensor())
        network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 10))
        for x, y in DataLoader(pictures, 8):
            network(x)
            break
        """,
    )
    assert trouble(seen) == []


def test_features_are_selected_and_single_precision_stays(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import numpy as np
        from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif
        from sklearn.preprocessing import StandardScaler

        y = np.arange(60) % 2
        X = np.random.default_rng(0).normal(size=(60, 20))
        X[:, 7] += 4 * y
        selection = SelectKBest(f_classif, k=3)
        assert selection.fit_transform(X, y).shape == (60, 3) and selection.get_support()[7]
        X[:, 0] = 1.0
        assert VarianceThreshold().fit_transform(X).shape == (60, 19)
        scaler = StandardScaler()
        scaled = scaler.fit_transform(X.astype(np.float32))
        assert scaled.dtype == scaler.inverse_transform(scaled).dtype == np.float32
        assert scaler.transform(X).dtype == np.float64
        """,
    )
    assert trouble(seen) == []
