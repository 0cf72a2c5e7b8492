"""Packages whose trainers call the user's steps: Lightning and ignite, with the loops of the originals."""

from __future__ import annotations

from textwrap import dedent

import pytest

pytest.importorskip("torch")

from nnlint.events import BatchDrawn, ModelCalled, OptimizerMade, OptimizerStepped, Raised, Run
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner

pytestmark = pytest.mark.xdist_group("real runs")


def run(runs: Runner, text: str, steps: int = 100) -> Run:
    request = Request("", "train.py", {"train.py": dedent(text)}, steps=steps, seconds=30, way="stand-ins")
    return Reader({}).run("train.py", runs.run(request))


def trouble(run: Run) -> list[str]:
    return [f"{raised.error}: {raised.message}" for raised in run.events(Raised)]


@pytest.mark.parametrize("package", ["lightning as L", "lightning.pytorch as L", "pytorch_lightning as L"])
def test_lightning_trains_with_the_users_steps_loaders_and_hyper_parameters(runs: Runner, package: str) -> None:
    seen = run(
        runs,
        f"""
        import {package}
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        class Points(L.LightningDataModule):
            def __init__(self, size=16):
                super().__init__()
                self.save_hyperparameters()

            def setup(self, stage):
                self.held = TensorDataset(torch.randn(64, 6), torch.randint(3, (64,)))

            def train_dataloader(self):
                return DataLoader(self.held, self.hparams.size, shuffle=True)

            def val_dataloader(self):
                return DataLoader(self.held, 32)

        class Sorter(L.LightningModule):
            def __init__(self, width, rate=0.25):
                super().__init__()
                self.save_hyperparameters(ignore=["width"])
                assert dict(self.hparams) == {{"rate": 0.25}}
                self.net = nn.Sequential(nn.Linear(6, width), nn.Dropout(0.5), nn.Linear(width, 3))

            def training_step(self, batch, index):
                assert self.training and self.trainer.max_epochs == 3
                return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

            def validation_step(self, batch, index):
                assert not self.training and not torch.is_grad_enabled()
                self.log("val_loss", nn.functional.cross_entropy(self.net(batch[0]), batch[1]))

            def configure_optimizers(self):
                optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams.rate)
                schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
                return {{"optimizer": optimizer, "lr_scheduler": {{"scheduler": schedule, "monitor": "val_loss"}}}}

        trainer = L.Trainer(max_epochs=3, callbacks=[L.Callback()])
        trainer.fit(Sorter(8), datamodule=Points())
        assert float(trainer.callback_metrics["val_loss"]) > 0
        """,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 12
    assert {event.numbers["size"] for event in seen.events(BatchDrawn) if "size" in event.numbers} <= {16.0, 32.0}
    assert len(list(seen.events(OptimizerMade))) == 1


def test_lightning_accumulates_and_ends_after_its_steps(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import pytorch_lightning as pl
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        class Line(pl.LightningModule):
            def __init__(self):
                super().__init__()
                self.line = torch.nn.Linear(2, 1)

            def training_step(self, batch):
                return {"loss": torch.nn.functional.mse_loss(self.line(batch[0]), batch[1])}

            def configure_optimizers(self):
                optimizer = torch.optim.Adam(self.parameters())
                return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

        loader = DataLoader(TensorDataset(torch.randn(32, 2), torch.randn(32, 1)), 4)
        pl.Trainer(max_epochs=9, max_steps=5, accumulate_grad_batches=2, gradient_clip_val=1.0).fit(Line(), loader)
        """,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 5


def test_a_lightning_module_steps_by_itself(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import pytorch_lightning as pl
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        class Line(pl.LightningModule):
            def __init__(self):
                super().__init__()
                self.automatic_optimization = False
                self.line = torch.nn.Linear(2, 1)

            def training_step(self, batch, index):
                optimizer = self.optimizers()
                optimizer.zero_grad()
                self.manual_backward(self.line(batch[0]).mean())
                optimizer.step()

            def configure_optimizers(self):
                return torch.optim.Adam(self.parameters())

        pl.Trainer(max_epochs=2).fit(Line(), DataLoader(TensorDataset(torch.randn(8, 2)), 4))
        """,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 4


def test_ignite_calls_steps_handlers_and_metrics(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch
        from ignite.engine import Engine, Events, create_supervised_evaluator, create_supervised_trainer
        from ignite.metrics import Accuracy, Loss, Precision
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        x = torch.randn(64, 4)
        loader = DataLoader(TensorDataset(x, x[:, :3].argmax(1)), 16)
        model = nn.Sequential(nn.Linear(4, 3))
        loss = nn.CrossEntropyLoss()
        trainer = create_supervised_trainer(model, torch.optim.Adam(model.parameters()), loss)
        evaluator = create_supervised_evaluator(model, {"right": Accuracy(), "loss": Loss(loss), "other": Precision()})
        told = []

        @trainer.on(Events.ITERATION_COMPLETED(every=3))
        def tell():
            told.append(trainer.state.iteration)

        @trainer.on(Events.EPOCH_COMPLETED | Events.COMPLETED)
        def evaluate(engine):
            evaluator.run(loader)
            assert 0 <= evaluator.state.metrics["right"] <= 1 and evaluator.state.metrics["loss"] > 0

        state = trainer.run(loader, max_epochs=2)
        assert told == [3, 6] and state.epoch == 2 and state.output > 0
        assert Engine(lambda engine, batch: batch[0].sum().item()).run(loader).output is not None
        """,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 8
    assert {event.numbers["training"] for event in seen.events(ModelCalled) if "training" in event.numbers} == {0, 1}


def test_accelerate_hands_back_what_it_prepares(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch
        from accelerate import Accelerator
        from torch import nn

        accelerator = Accelerator(gradient_accumulation_steps=2)
        model = nn.Linear(3, 1)
        model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1))
        for step in range(6):
            with accelerator.accumulate(model):
                accelerator.backward(model(torch.randn(4, 3)).square().mean())
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                if accelerator.sync_gradients:
                    optimizer.step()
                    optimizer.zero_grad()
        accelerator.wait_for_everyone()
        """,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 3
