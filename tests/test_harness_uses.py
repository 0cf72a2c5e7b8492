"""Parameters that only their use tells, networks that a function makes, callers, Lightning modules without a Trainer."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from nnlint.events import ModelCalled, OptimizerStepped, Raised
from nnlint.verify.runner import Runner
from tests.test_harness import drive, trouble

pytestmark = pytest.mark.xdist_group("real runs")


def test_parameters_are_known_by_what_they_are_asked_for(runs: Runner) -> None:
    seen = drive(
        runs,
        """
        from torch import nn

        def learn(thing, some, others, mover, sort, careful):
            kept = thing.state_dict()
            if sort == "plain" and careful:
                pass
            for a, b in some:
                mover.zero_grad()
                nn.functional.cross_entropy(thing(a), b).backward()
                mover.step()
            if careful:
                return [thing(a).sum().item() for a, b in others]
        """,
        ("learn", ""),
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 20


def test_a_parameter_is_what_the_function_takes_it_for_that_gets_it(runs: Runner) -> None:
    seen = drive(
        runs,
        """
        import torch
        from torch import nn
        from torch.utils.data import DataLoader

        def main(first, second):
            net = nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 6))
            fit(net, first, held_back=DataLoader(second, batch_size=8))

        def fit(net, train_loader, *, held_back):
            optimizer = torch.optim.Adam(net.parameters())
            for rows, kinds in train_loader:
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(rows), kinds).backward()
                optimizer.step()
            assert len(next(iter(held_back))[0]) == 8
        """,
        ("main", ""),
    )
    assert trouble(seen) == []
    assert any(seen.events(OptimizerStepped))


def test_the_function_is_called_that_calls_the_flagged_one(runs: Runner) -> None:
    seen = drive(
        runs,
        """
        import torch
        from torch import nn

        def accuracy(net, loader):
            with torch.no_grad():
                return sum((net(x).argmax(1) == y).sum().item() for x, y in loader)

        def main(train_loader, test_loader):
            model = nn.Sequential(nn.Linear(20, 8), nn.Dropout(), nn.Linear(8, 4))
            optimizer = torch.optim.Adam(model.parameters())
            for x, y in train_loader:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()
                accuracy(model, test_loader)
        """,
        ("accuracy", ""),
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 16
    assert any(event.numbers.get("dropouts") for event in seen.events(ModelCalled) if event.at.place.line == 7)


def test_a_caller_that_cannot_be_called_is_left_out(runs: Runner) -> None:
    seen = drive(
        runs,
        """
        from torch import nn

        def train(model, loader, optimizer):
            for x, y in loader:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()

        def main(zyx):
            train(zyx.a, zyx.b, zyx.c)

        def other(model):
            raise SyntaxError
            train(model, 3, 4)
        """,
        ("train", ""),
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 20


def test_what_fails_leaves_the_others_to_be_called(runs: Runner) -> None:
    seen = drive(
        runs,
        """
        def broken(model):
            raise LookupError("broken")

        def train(model, loader, optimizer, criterion):
            for x, y in loader:
                criterion(model(x), y).backward()
                optimizer.step()
                optimizer.zero_grad()
        """,
        ("broken", ""),
        ("train", ""),
        steps=1000,
    )
    assert trouble(seen) == ["LookupError: broken"]
    assert len(list(seen.events(OptimizerStepped))) > 20


def test_a_lightning_module_is_trained_as_a_trainer_would(runs: Runner) -> None:
    seen = drive(
        runs,
        """
        import torch
        from lightning import LightningModule
        from torch import nn

        class Rows(LightningModule):
            def __init__(self, network: nn.Module, optimizer):
                super().__init__()
                self.save_hyperparameters(logger=False)
                self.network = network
                self.loss = nn.CrossEntropyLoss()

            def training_step(self, batch, batch_idx):
                inputs, targets = batch
                return self.loss(self.network(inputs), targets)

            def validation_step(self, batch, batch_idx):
                assert not self.training

            def configure_optimizers(self):
                return self.hparams.optimizer(params=self.parameters())
        """,
        ("Rows", "training_step"),
    )
    assert trouble(seen) == [] and not any(seen.events(Raised))
    assert len(list(seen.events(OptimizerStepped))) == 20
    assert "an optimizer that settings choose" in seen.stood_in
