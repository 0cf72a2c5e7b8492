"""Functions and classes that no main program calls are called with a network, data and settings that fit them."""

from __future__ import annotations

from textwrap import dedent

import pytest

pytest.importorskip("torch")

from nnlint.events import GradientsCleared, LayerApplied, LossComputed, OptimizerStepped, Raised, Run, Scored
from nnlint.verify.harness import DRIVER, program, targets_at
from nnlint.verify.protocol import Probe, Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner

pytestmark = pytest.mark.xdist_group("real runs")


def drive(runs: Runner, text: str, *targets: tuple[str, str], steps: int = 20) -> Run:
    named = [("library.py", name, method) for name, method in targets]
    driver = f"from nnlint.verify.child.harness.drive import drive\ndrive({named!r})\n"
    texts = {"library.py": dedent(text), DRIVER: driver}
    request = Request("", DRIVER, texts, steps=steps, seconds=30, way="harness")
    return Reader({}).run("library.py", runs.run(request))


def trouble(run: Run) -> list[str]:
    return [f"{raised.error}: {raised.message}" for raised in run.events(Raised)]


def test_a_training_function_gets_what_its_parameters_are_named_for(runs: Runner) -> None:
    seen = drive(
        runs,
        """
        def train(model, train_loader, optimizer, criterion, device, epoch, args):
            model.train()
            for number, (images, labels) in enumerate(train_loader):
                images, labels = images.to(device), labels.to(device)
                loss = criterion(model(images), labels)
                loss.backward()
                optimizer.step()
                if number % args.log_interval == 0:
                    print(epoch, loss.item())
        """,
        ("train", ""),
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 20
    assert not any(seen.events(GradientsCleared))
    assert next(event.at.place.path for event in seen.events(LossComputed)) == "library.py"


def test_a_network_is_trained_on_images_of_the_size_that_it_takes(runs: Runner) -> None:
    seen = drive(
        runs,
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self, num_classes):
                super().__init__()
                self.first = nn.Conv2d(3, 8, 5, stride=2)
                self.second = nn.Conv2d(8, 8, 3, stride=2)
                self.out = nn.Linear(8 * 14 * 14, num_classes)

            def forward(self, image):
                return self.out(torch.flatten(self.second(self.first(image).relu()).relu(), 1))
        """,
        ("Net", "forward"),
        steps=60,
    )
    assert trouble(seen) == []
    assert [event.numbers["accuracy"] for event in seen.events(Scored)][-1] > 0.8


def test_a_function_uses_the_network_of_its_file_and_the_loss_that_it_computes(runs: Runner) -> None:
    seen = drive(
        runs,
        """
        import torch
        from torch import nn
        from torch.nn import functional as F

        class Tagger(nn.Module):
            def __init__(self, vocab_size, hidden_dim=24, num_tags=5):
                super().__init__()
                self.words = nn.Embedding(vocab_size, 16)
                self.pairs = nn.LSTM(16, hidden_dim, batch_first=True)
                self.tags = nn.Linear(hidden_dim, num_tags)

            def forward(self, sentence):
                return self.tags(self.pairs(self.words(sentence))[0]).transpose(1, 2)

        def fit(net, data_iter, num_epochs, lr):
            optimizer = torch.optim.Adam(net.parameters(), lr=lr)
            for epoch in range(num_epochs):
                for x, y in data_iter:
                    optimizer.zero_grad()
                    F.cross_entropy(net(x), y).backward()
                    optimizer.step()
        """,
        ("fit", ""),
    )
    assert trouble(seen) == []
    assert next(event.kind for event in seen.events(LossComputed)) == "cross_entropy"
    assert len(list(seen.events(OptimizerStepped))) == 20


def test_a_trainer_is_made_and_started(runs: Runner) -> None:
    seen = drive(
        runs,
        """
        import torch
        from torch import nn

        class Trainer:
            def __init__(self, model, config, train_dataset):
                self.model, self.config = model, config
                self.loader = torch.utils.data.DataLoader(train_dataset, batch_size=config.batch_size)
                self.optimizer = torch.optim.SGD(model.parameters(), lr=config.learning_rate)

            def _one(self, inputs, somebody):
                raise AssertionError("called out of order")

            def fit(self):
                for inputs, targets in self.loader:
                    self.optimizer.zero_grad()
                    nn.functional.mse_loss(self.model(inputs), targets).backward()
                    self.optimizer.step()
        """,
        ("Trainer", "_one"),
        steps=10,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 10


def test_what_is_not_known_is_said(runs: Runner) -> None:
    seen = drive(runs, "def train(zyx):\n    zyx.go()\n", ("train", ""))
    assert trouble(seen) == ["NothingToCall: train: nothing is known of the parameter 'zyx'"]


def test_the_definitions_around_a_line_are_the_targets() -> None:
    text = dedent(
        """
        try:
            def train(model):
                def inner():
                    pass
        except ImportError:
            pass

        class Trainer:
            def fit(self):
                pass
        """
    )
    assert targets_at(text, "a.py", 5) == [("a.py", "train", "")]
    assert targets_at(text, "a.py", 11) == [("a.py", "Trainer", "fit")]
    assert targets_at(text, "a.py", 7) == []
    assert program([]) is None


def test_settings_of_any_name_are_settings(runs: Runner) -> None:
    seen = drive(
        runs,
        """
        import torch

        def train(trainer_config, model, inputs, targets):
            optimizer = torch.optim.SGD(model.parameters(), lr=trainer_config.learning_rate)
            for epoch in range(trainer_config.epochs):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(inputs), targets).backward()
                optimizer.step()
        """,
        ("train", ""),
    )
    assert trouble(seen) == []
    assert any(seen.events(OptimizerStepped))


UNCALLED = """
    import torch
    from torch import nn

    class Plain(nn.Module):
        def __init__(self, width=8):
            super().__init__()
            self.first = nn.Linear(2, width)
            self.second = nn.Linear(width, 1)

        def forward(self, values):
            return self.second({called})

    {made}
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    {trained}
"""
TRAINED = "model(torch.ones(4, 2)).mean().backward()"


@pytest.mark.parametrize(
    ("called", "made", "trained", "after_affine"),
    [
        ("self.first(values)", "model = Plain()", TRAINED, [1.0]),
        ("self.first(values)", "raise OSError('no data')", "", [1.0]),
        ("self.first(values).relu()", "model = Plain()", TRAINED, []),
        ("self.first(values)", "Plain()(torch.ones(4, 2))", "", []),
    ],
)
def test_which_layer_feeds_which_shows_in_a_network_that_the_script_does_not_call(
    runs: Runner, called: str, made: str, trained: str, after_affine: list[float]
) -> None:
    text = dedent(UNCALLED).format(called=called, made=made, trained=trained)
    probe = Probe(1, "train.py", 9, 23, 9, 42, awaited=True)
    request = Request("", "train.py", {"train.py": text}, probes=(probe,), steps=5, seconds=20, way="stand-ins")
    seen = Reader({}).run("train.py", runs.run(request))
    told = [
        event.numbers for event in seen.events(LayerApplied) if event.at.place.line == 9 and len(event.numbers) == 1
    ]
    assert [numbers["after_affine"] for numbers in told] == after_affine
    assert ("a call of the network Plain" in seen.stood_in) == bool(after_affine)
