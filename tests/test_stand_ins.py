"""Scripts that lack packages, data, arguments and devices still run; what was stood in for is told."""

from __future__ import annotations

from textwrap import dedent

import pytest

pytest.importorskip("torch")

from nnlint.events import OptimizerStepped, Raised, Run, Scored
from nnlint.finding import Place, Status, Verdict
from nnlint.verify.ladder import climb, hindrance
from nnlint.verify.made_up import reserved
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader, Spot
from nnlint.verify.runner import Runner
from tests.stand_in_runs import run, trouble

pytestmark = pytest.mark.xdist_group("real runs")


def test_digits_come_without_torchvision_and_can_be_learned(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch
        from torch import nn
        from torchvision import datasets, transforms

        scale = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
        digits = datasets.MNIST("data", train=True, download=True, transform=scale)
        loader = torch.utils.data.DataLoader(digits, batch_size=64, shuffle=True, num_workers=4)
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for images, labels in loader:
            assert images.shape[1:] == (1, 28, 28) and labels.max() < 10
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
        """,
    )
    assert trouble(seen) == []
    assert seen.stood_in == ("package torchvision", "data set MNIST")
    assert [event.numbers["accuracy"] for event in seen.events(Scored)][-1] > 0.8


def test_a_network_without_torchvision_has_the_usual_parts(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch
        from torch import nn
        from torchvision import models

        resnet = models.resnet18(weights=models.ResNet18_Weights.DEFAULT)
        resnet.fc = nn.Linear(resnet.fc.in_features, 2)
        vgg = models.vgg16(pretrained=True)
        vgg.classifier[6] = nn.Linear(vgg.classifier[6].in_features, 2)
        images = torch.randn(4, 3, 64, 64)
        parameters = [*resnet.parameters(), *vgg.classifier[6].parameters()]
        optimizer = torch.optim.SGD(parameters, lr=0.01)
        for _ in range(2):
            optimizer.zero_grad()
            (resnet(images) + vgg(images)).square().mean().backward()
            optimizer.step()
        assert resnet.layer4(torch.zeros(2, 256, 8, 8)).shape[1] == 512
        """,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 2


def test_missing_files_hold_data(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import csv
        import numpy as np
        import torch
        from torch import nn

        with open("data/prices.csv") as stream:
            rows = list(csv.DictReader(stream))
        prices = torch.tensor([[float(row["open"]), float(row["close"])] for row in rows])
        inputs = torch.from_numpy(np.load("/nowhere/inputs.npy"))
        model = nn.Linear(5, 1)
        model.load_state_dict(torch.load("model.pt")["state_dict"])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
        (model(inputs[:8]).mean() - prices[:8].mean()).backward()
        optimizer.step()
        """,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 1
    assert "file data/prices.csv" in seen.stood_in and "checkpoint model.pt" in seen.stood_in


def test_a_folder_that_the_script_may_not_make_is_made_inside(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import os
        import torch
        from torch import nn

        os.makedirs("/checkpoints_of_mine/today/", exist_ok=True)
        model = nn.Linear(5, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
        model(torch.ones(2, 5)).sum().backward()
        optimizer.step()
        torch.save(model.state_dict(), "/checkpoints_of_mine/today/model.pt")
        with open("/checkpoints_of_mine/today/log.txt", "w") as stream:
            stream.write("done")
        assert open("/checkpoints_of_mine/today/log.txt").read() == "done"
        try:
            os.mkdir("/checkpoints_of_others")
        except OSError:
            pass
        assert not os.path.exists("/checkpoints_of_others")
        """,
    )
    assert trouble(seen) == []
    assert seen.stood_in == ("folder /checkpoints_of_mine/today/",)


def test_the_files_of_a_folder_that_is_not_there_are_told_together(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import os

        texts = [open(os.path.join("reviews/pos", name)).read() for name in os.listdir("reviews/pos")]
        assert len(texts) > 2 and all(texts)
        """,
    )
    assert trouble(seen) == []
    assert seen.stood_in == ("folder reviews/pos",)


def test_who_can_do_without_is_left_without(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import os
        try:
            import apex_like_extra
        except ImportError:
            apex_like_extra = None
        try:
            numbers = open("cache.csv").read()
        except FileNotFoundError:
            numbers = None
        assert apex_like_extra is None and numbers is None and not os.path.exists("cache.csv")
        """,
    )
    assert trouble(seen) == []
    assert seen.stood_in == ()


def test_an_unknown_package_takes_everything(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import some_tracker as tracker
        from some_plots.figures import subplots

        class Callback(tracker.Callback):
            pass

        @tracker.watch
        def double(x):
            return 2 * x

        with tracker.start(project="x") as session:
            session.log({"loss": double(1)})
        figure, (left, right) = subplots(1, 2)
        for line in left.plot([1, 2]):
            line.set_color("red")
        assert double(2) == 4 and Callback()
        """,
    )
    assert trouble(seen) == []
    assert seen.stood_in == ("package some_tracker", "package some_plots")


def test_a_table_without_pandas_has_the_columns_that_the_script_names(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import pandas as pd
        import torch
        from sklearn.metrics import accuracy_score
        from sklearn.model_selection import train_test_split
        from sklearn.preprocessing import StandardScaler
        from torch import nn

        table = pd.read_csv("flowers.csv")
        table = table.drop("id", axis=1).dropna()
        table["area"] = table["length"] * table["width"]
        features = table[["length", "width", "area"]].values
        labels = table["species"].to_numpy()
        train_x, test_x, train_y, test_y = train_test_split(features, labels, test_size=0.2, stratify=labels)
        scaler = StandardScaler()
        train_x = torch.tensor(scaler.fit_transform(train_x), dtype=torch.float32)
        test_x = torch.tensor(scaler.transform(test_x), dtype=torch.float32)
        model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 3))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        for _ in range(60):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(train_x), torch.from_numpy(train_y)).backward()
            optimizer.step()
        assert len(test_x) == 300 and 0 <= accuracy_score(test_y, model(test_x).argmax(1).numpy()) <= 1
        """,
        steps=100,
    )
    assert trouble(seen) == []
    assert [event.numbers["accuracy"] for event in seen.events(Scored)][-1] > 0.4
    assert "file flowers.csv" in seen.stood_in


def test_an_environment_without_gym_can_be_played_in(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import gym
        import torch
        from torch import nn

        game = gym.make("CartPole-v1")
        policy = nn.Linear(game.observation_space.shape[0], game.action_space.n)
        optimizer = torch.optim.SGD(policy.parameters(), lr=0.01)
        state, done = game.reset(), False
        while not done:
            choice = torch.distributions.Categorical(logits=policy(torch.from_numpy(state)))
            action = choice.sample()
            state, reward, done, _ = game.step(action.item())
            optimizer.zero_grad()
            (-choice.log_prob(action) * reward).backward()
            optimizer.step()
        """,
    )
    assert trouble(seen) == []
    assert any(seen.events(OptimizerStepped))


SEEN = Verdict(Status.HARMLESS, "the two statistics happen to agree")


@pytest.mark.parametrize(
    ("topic", "stood_in", "status"),
    [
        ("data", (), Status.HARMLESS),
        ("data", ("package wandb", "environment variable HOME"), Status.HARMLESS),
        ("data", ("file prices.csv",), Status.UNVERIFIED),
        ("gradient_step", ("file prices.csv",), Status.HARMLESS),
    ],
)
def test_made_up_data_acquit_nothing_that_is_said_of_the_data(
    topic: str, stood_in: tuple[str, ...], status: Status
) -> None:
    assert reserved(SEEN, topic, Run("train.py", stood_in=stood_in)).status is status


def test_what_is_confirmed_on_made_up_data_says_so() -> None:
    verdict = reserved(
        Verdict(Status.CONFIRMED, "a target of 1 comes back as 3"),
        "data",
        Run("x", stood_in=("data set MNIST", "file y.csv")),
    )
    assert verdict.status is Status.CONFIRMED
    assert verdict.reason == "a target of 1 comes back as 3; this is on made-up data (data set MNIST and 1 more)"


def failed(message: str, ended: str = "raised") -> Run:
    run = Run("train.py", ended=ended)
    if ended == "raised":
        run.record(Raised(Spot(Place("train.py", None, 3, 1, 3, 1)), "ValueError", message))
    return run


def test_the_reason_of_the_script_is_told_before_that_of_the_harness() -> None:
    reasons = {"as-is": failed("no data"), "stand-ins": failed("a shape"), "harness": failed("an unknown parameter")}
    rung, seen = climb(lambda rung: reasons[rung.way], tuple(reasons))
    assert rung.way == "stand-ins" and "a shape" in hindrance(seen)
    reasons["as-is"] = reasons["stand-ins"] = failed("", "finished")
    rung, seen = climb(lambda rung: reasons[rung.way], tuple(reasons))
    assert rung.way == "harness" and "an unknown parameter" in hindrance(seen)


def test_settings_that_are_not_there_have_the_names_that_the_script_asks_for(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import json
        import yaml

        with open("settings/trainer_config.json") as stream:
            trainer = json.load(stream)
        with open("model.yaml") as stream:
            model = yaml.safe_load(stream)
        with open("reviews.json") as stream:
            reviews = json.load(stream)
        assert 0 < trainer["optimizer"]["learning_rate"] < 0.1 and trainer["batch_size"] == 32
        assert model["hidden_size"] == 32
        assert all(review["label"] in (0, 1) and " " in review["text"] for review in reviews)
        """,
    )
    assert trouble(seen) == []


def test_a_notebook_goes_on_behind_a_statement_that_fails(runs: Runner) -> None:
    text = """
        import torch
        from torch import nn
        torch.ones(2, 3) @ torch.ones(2, 3)
        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.ones(2, 3)).sum().backward()
        optimizer.step()
    """
    request = Request("", "errors.ipynb", {"errors.ipynb": dedent(text)}, steps=20, seconds=30, way="stand-ins")
    seen = Reader({}).run("errors.ipynb", runs.run(request))
    assert trouble(seen) == [] and len(list(seen.events(OptimizerStepped))) == 1
    assert any("mat1 and mat2 shapes" in note for note in seen.notes)


def test_a_script_in_a_package_is_run_as_a_part_of_it(runs: Runner) -> None:
    texts = {
        "tool/__init__.py": "",
        "tool/sizes.py": "WIDTH = 3\n",
        "tool/train.py": "from .sizes import WIDTH\nassert WIDTH == 3\n",
    }
    seen = Reader({}).run("train.py", runs.run(Request("", "tool/train.py", texts, seconds=30)))
    assert trouble(seen) == [] and seen.ended == "finished"


def test_downloads_archives_and_texts_in_two_languages_are_there(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import os
        import tarfile
        import zipfile
        import requests
        from six.moves import urllib

        with open("pizza.zip", "wb") as stream:
            stream.write(requests.get("https://example.org/pizza.zip").content)
        with zipfile.ZipFile("pizza.zip", "r") as archive:
            archive.extractall("pizza")
        with zipfile.ZipFile("data/lyrics.txt.zip") as archive, archive.open("lyrics.txt") as stream:
            assert len(stream.read().decode("utf-8")) > 1000
        with tarfile.open("data/reviews.tar.gz") as archive:
            archive.extractall("data")
        assert os.listdir("data/reviews/pos")[0].endswith(".txt")
        assert isinstance(urllib.request.urlopen("https://example.org/words.txt").read(), bytes)
        pairs = [line.split(chr(9)) for line in open("data/eng-fra.txt").read().splitlines()]
        assert all(len(pair) == 2 for pair in pairs)
        """,
    )
    assert trouble(seen) == []


def test_splits_by_the_sizes_of_the_real_data_have_their_proportion(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch
        from torchvision.datasets import MNIST, mnist

        digits = mnist.MNIST("data", download=True)
        train, held_out = torch.utils.data.random_split(digits, [50000, 10000])
        assert len(train) + len(held_out) == len(digits) and len(train) > 4 * len(held_out) > 0
        try:
            torch.utils.data.random_split(torch.utils.data.TensorDataset(torch.ones(5)), [2, 3])
        except ValueError:
            raise AssertionError("a right split stays one")
        """,
    )
    assert trouble(seen) == []


def test_a_graph_of_papers_has_its_nodes_and_edges(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import numpy as np

        papers = np.genfromtxt("data/cora/cora.content", dtype=np.dtype(str))
        cited = np.genfromtxt("data/cora/cora.cites", dtype=np.int32)
        assert len(papers) == 2708 and len(set(papers[:, -1])) == 7 and papers[:, 1:-1].astype(float).max() == 1
        assert cited.shape[1] == 2 and set(cited.ravel()) <= set(papers[:, 0].astype(int))
        """,
    )
    assert trouble(seen) == []
