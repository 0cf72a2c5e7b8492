"""Another seed is another draw of everything random, also where a script sets its seeds itself."""

from __future__ import annotations

from textwrap import dedent

import pytest

pytest.importorskip("torch")

from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner
from nnlint.witness import losses

pytestmark = pytest.mark.xdist_group("real runs")

SEEDED = {
    "nothing": ("", "torch.rand(())"),
    "torch": ("torch.manual_seed(3)", "torch.rand(())"),
    "torch by name": ("torch.random.manual_seed(seed=3)", "torch.rand(())"),
    "python": ("random.seed(3)", "random.random()"),
    "numpy": ("np.random.seed(3)", "np.random.rand()"),
    "numpy's generator": ("generator = np.random.default_rng(3)", "generator.random()"),
}


def first_loss(runs: Runner, seeding: str, draw: str, seed: int) -> float:
    text = """
        import random
        import numpy as np
        import torch
        {seeding}
        weight = torch.ones(1, requires_grad=True)
        (weight * {draw}).sum().backward()
    """
    script = dedent(text).format(seeding=seeding, draw=draw)
    request = Request("", "train.py", {"train.py": script}, steps=5, seconds=20, seed=seed)
    return next(losses(Reader({}).run("train.py", runs.run(request))))


@pytest.mark.parametrize(("seeding", "draw"), SEEDED.values(), ids=SEEDED)
def test_another_seed_is_another_draw_and_the_same_is_the_same(runs: Runner, seeding: str, draw: str) -> None:
    drawn = [first_loss(runs, seeding, draw, seed) for seed in (0, 1, 1)]
    assert drawn[0] != drawn[1]
    assert drawn[1] == drawn[2]
