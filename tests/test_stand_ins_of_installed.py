"""Packages that are installed and miss their data: the data are made up, the packages and their files are not."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import dedent

import pytest

pytest.importorskip("torch")

from nnlint.events import Scored
from nnlint.verify.runner import Runner, runner
from tests.stand_in_runs import run, trouble

pytestmark = pytest.mark.xdist_group("real runs")


TORCHVISION = {
    "__init__.py": "from torchvision import datasets, models\n",
    "datasets.py": """
        import os
        import urllib.request
        from torch.utils.data import Dataset

        class VisionDataset(Dataset):
            def __init__(self, root, transform=None, target_transform=None):
                self.root, self.transform, self.target_transform = root, transform, target_transform

        class CIFAR10(VisionDataset):
            def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
                super().__init__(root, transform, target_transform)
                if download:
                    urllib.request.urlopen("https://example.org/cifar.tar.gz")
                if not os.path.isdir(os.path.join(root, "cifar-10-batches-py")):
                    raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
                self.data, self.targets = [], []

            def __getitem__(self, index):
                raise AssertionError("its data are not there")

        class CIFAR100(CIFAR10):
            pass

        class FakeData(VisionDataset):
            def __init__(self, size):
                super().__init__("")
                self.size = size

            def __len__(self):
                return self.size
    """,
    "models.py": """
        from torch import nn
        from torch.hub import load_state_dict_from_url

        def resnet18(pretrained=False):
            network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
            if pretrained:
                network.load_state_dict(load_state_dict_from_url("https://example.org/resnet18.pth"))
            return network
    """,
}
"""A package that fails for want of data as the real one does."""


@pytest.fixture(scope="module")
def runs_with_torchvision(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    folder = tmp_path_factory.mktemp("installed")
    (folder / "torchvision").mkdir()
    for name, text in TORCHVISION.items():
        (folder / "torchvision" / name).write_text(dedent(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        with runner([str(folder)]) as started:
            yield started


def test_data_sets_of_an_installed_torchvision_need_no_data(runs_with_torchvision: Runner) -> None:
    seen = run(
        runs_with_torchvision,
        """
        import numpy as np
        import torch
        from torch import nn
        from torchvision import models
        from torchvision.datasets import CIFAR10, CIFAR100, FakeData

        class Halved(CIFAR10):
            def __init__(self, root):
                super().__init__(root, train=True, transform=np.asarray, download=True)
                self.data, self.targets = self.data[::2], self.targets[::2]

            def __getitem__(self, index):
                image, label = super().__getitem__(index)
                return torch.tensor(image / 255).float().permute(2, 0, 1), label

        images = Halved("data")
        assert isinstance(images, CIFAR10) and type(images).__name__ == "Halved" and len(images) == 1000
        assert max(CIFAR100("data", False).targets) == 99 and len(FakeData(7)) == 7
        model = models.resnet18(pretrained=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for image, label in torch.utils.data.DataLoader(images, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(image), label).backward()
            optimizer.step()
        """,
    )
    assert trouble(seen) == []
    assert seen.stood_in == ("data set Halved", "data set CIFAR100", "pretrained weights resnet18.pth")
    assert [event.numbers["accuracy"] for event in seen.events(Scored)][-1] > 0.5


def test_a_mistake_with_an_installed_data_set_stays_one(runs_with_torchvision: Runner) -> None:
    seen = run(runs_with_torchvision, "import torchvision\ntorchvision.datasets.CIFAR10('data', training=True)\n")
    assert [each.partition(":")[0] for each in trouble(seen)] == ["TypeError"]


def test_files_of_installed_packages_are_not_made_up(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import importlib.metadata
        import os
        import numpy

        assert importlib.metadata.distribution("numpy").read_text("nothing.txt") is None
        try:
            open(os.path.join(os.path.dirname(numpy.__file__), "nothing.txt"))
        except PermissionError:
            pass
        """,
    )
    assert [each.partition(":")[0] for each in trouble(seen)] == ["FileNotFoundError"]
    assert seen.stood_in == ()
