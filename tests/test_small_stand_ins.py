"""A training whose first steps are too slow is tried again with smaller batches of smaller images."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

import pytest

pytest.importorskip("torch")

from nnlint.events import OptimizerStepped, Run
from nnlint.verify.ladder import Rung, climb
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner

pytestmark = pytest.mark.xdist_group("real runs")


def climbed(runs: Runner, text: str) -> tuple[Rung, Run]:
    """The rung on which a script trains, of which each try may take some seconds and is given one second to begin."""

    def tried(rung: Rung) -> Run:
        request = Request("", "train.py", {"train.py": dedent(text)}, steps=5, seconds=9, way=rung.way)
        sized = replace(request, samples=rung.samples, side=rung.side, patience=min(rung.patience, 1.0))
        return Reader({}).run("train.py", runs.run(sized))

    return climb(tried, ("stand-ins",))


LARGE = """
    import time
    import torch
    from torch import nn

    class Slow(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3, stride=2)
            self.out = nn.Linear({inputs}, 2)

        def forward(self, images):
            time.sleep(images[:, 0].numel() / 1e5)
            values = self.first(images)
            return self.out({features})

    images = torch.randn(32, 3, 256, 256)
    masks = torch.zeros(32, 256, 256, dtype=torch.long)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, masks), batch_size=16)
    model = Slow()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(9):
        for inputs, targets in loader:
            assert inputs.shape[2:] == targets.shape[1:]
            optimizer.zero_grad()
            model(inputs).square().mean().backward()
            optimizer.step()
"""


def test_a_network_that_takes_any_image_gets_small_ones(runs: Runner) -> None:
    rung, seen = climbed(runs, LARGE.format(inputs=4, features="values.mean((2, 3))"))
    assert (rung.samples, rung.side) == (4, 64)
    assert seen.ended == "steps"
    assert seen.stood_in == ("batches of 4 samples instead of 16", "images of 64 rows instead of 256")


def test_a_network_that_takes_large_images_alone_gets_few_of_them(runs: Runner) -> None:
    rung, seen = climbed(runs, LARGE.format(inputs=4 * 127 * 127, features="values.flatten(1)"))
    assert (rung.samples, rung.side) == (4, 0)
    assert any(seen.events(OptimizerStepped))


def test_a_network_that_is_made_for_the_size_of_an_option_gets_a_smaller_one(runs: Runner) -> None:
    rung, seen = climbed(
        runs,
        """
        import argparse, time
        import torch
        from torch import nn

        parser = argparse.ArgumentParser()
        parser.add_argument("--img_height", type=int, default=256)
        parser.add_argument("--batch_size", type=int, default=32)
        parser.add_argument("--hidden_size", type=int, default=300)
        options = parser.parse_args()
        assert options.hidden_size == 300
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * options.img_height**2, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(9):
            images = torch.randn(options.batch_size, 3, options.img_height, options.img_height)
            optimizer.zero_grad()
            loss = model(images).mean()
            time.sleep(images.numel() / 1e6)
            loss.backward()
            optimizer.step()
        """,
    )
    assert rung.side == 64 and seen.ended == "steps"
    assert seen.stood_in == ("64 instead of 256 for img_height", "4 instead of 32 for batch_size")
