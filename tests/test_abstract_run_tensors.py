"""The abstract run remembers where a tensor came from, whatever it passed through."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnlint.events import Accumulated, LossComputed
from nnlint.graph import ancestors, content
from nnlint.static.knowledge.arrays import FITTED
from nnlint.values import Data, Value
from tests.abstract import expression, losses, runs, seen

IMPORTS = "import torch; from torch import nn; import torch.nn.functional as F; import numpy as np"


def sources(expression_text: str) -> list[str]:
    """What a value holds once views and moves are peeled off."""
    return [expression(each) for each in content(_looked_at(expression_text))]


def made_by(expression_text: str) -> set[str]:
    """The operations behind a value."""
    return {data.operation for data in ancestors(_looked_at(expression_text))}


def _looked_at(text: str) -> Value:
    [run] = runs(f"{IMPORTS}\nlook({text})")
    [value] = [made.inputs[1] for made in run.operations["call"] if isinstance(made, Data) and made.name == "look"]
    return value


@pytest.mark.parametrize(
    "moved",
    [
        "probs.view(-1, 10)",
        "probs.reshape(probs.size(0), -1).squeeze(-1)",
        "probs[0]",
        "probs[:, -1]",
        "probs[mask].contiguous()",
        "probs.to('cuda').float()",
        "probs.cpu().detach().numpy()",
        "torch.from_numpy(probs.numpy())",
        "torch.cat([probs, probs])",
        "torch.stack((probs, probs), dim=1)",
        "probs.permute(0, 2, 1).flatten(0, 1)",
        "probs.T.unsqueeze(0)",
        "torch.squeeze(probs.clone())",
        "probs.transpose(1, 2).expand(3, 3)",
        "np.asarray(probs)",
        "probs.gather(1, index)",
        "probs.data",
        "(lambda x: x.view(-1))(probs)",
    ],
)
def test_views_moves_and_indexing_keep_what_a_tensor_holds(moved: str) -> None:
    assert "softmax(z)" in sources(moved.replace("probs", "F.softmax(z, 1)"))


@pytest.mark.parametrize(
    "spelled",
    ["F.softmax(z, dim=1)", "torch.softmax(z, 1)", "z.softmax(-1)", "nn.Softmax(dim=1)(z)", "nn.functional.softmax(z)"],
)
def test_one_operation_has_many_spellings(spelled: str) -> None:
    assert sources(spelled) == ["softmax(z)"]


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("(a + F.softmax(z, 1)) / 2", "softmax"),
        ("torch.log(z.sigmoid() + 1e-8)", "sigmoid"),
        ("-z.argmax(1).float().mean()", "argmax"),
        ("(z > 0.5).float()", "compare"),
        ("z.round() * w", "round"),
        ("torch.tensor(z.item())", "item"),
        ("z.detach() ** 2", "detach"),
        ("sum([z.sigmoid(), w])", "sigmoid"),
        ("max(z.sigmoid(), w)", "sigmoid"),
        ("z / z.max()", "max"),
        ("{'a': z.sigmoid()}['a']", "sigmoid"),
        ("dict(a=z.sigmoid()).get('a')", "sigmoid"),
        ("(z.sigmoid(), w)[0]", "sigmoid"),
        ("[p * 2 for p in (z.sigmoid(),)][0]", "sigmoid"),
        ("z.sigmoid() if flag else w", "sigmoid"),
        ("torch.where(mask, z.sigmoid(), w)", "sigmoid"),
    ],
)
def test_arithmetic_and_containers_keep_the_origin(text: str, operation: str) -> None:
    assert operation in made_by(text)


def test_a_tensor_overwritten_is_its_new_value() -> None:
    text = """
x = F.softmax(z, 1)
x = logits
look(x)
"""
    assert seen(IMPORTS + text) == ["logits"]


def test_a_helper_in_another_file_returns_what_it_computed(tmp_path: Path) -> None:
    files = {
        "ops.py": "import torch\ndef normalize(x):\n    low = x.min()\n    return (x - low) / (x.max() - low)\n",
        "train.py": "import torch\nfrom ops import normalize\nlook(normalize(targets))\n",
    }
    assert seen(files, tmp_path) == ["divide(subtract(targets, min(targets)), subtract(max(targets), min(targets)))"]


def test_outputs_of_a_network_in_a_dict_keep_their_origin() -> None:
    text = """
class Net(nn.Module):
    def forward(self, x):
        out = {}
        out["probabilities"] = x.softmax(1)
        return out
out = Net()(x)
F.cross_entropy(out["probabilities"], y)
"""
    assert losses(IMPORTS + text) == ["cross_entropy(softmax(x), y)"]


@pytest.mark.parametrize(
    "computed",
    [
        "nn.CrossEntropyLoss()(z, y)",
        "nn.CrossEntropyLoss()(input=z, target=y)",
        "F.cross_entropy(z, y, reduction='sum')",
        "F.cross_entropy(target=y, input=z)",
        "torch.nn.functional.cross_entropy(z, y)",
        "getattr(F, 'cross_entropy')(z, y)",
        "{'ce': nn.CrossEntropyLoss()}['ce'](z, y)",
        "nn.CrossEntropyLoss(weight=w).to('cuda')(z, y)",
    ],
)
def test_every_way_to_compute_a_loss_has_its_prediction_and_target(computed: str) -> None:
    [run] = runs(f"{IMPORTS}\n{computed}")
    [loss] = run.events(LossComputed)
    assert (loss.kind, expression(loss.prediction), expression(loss.target)) == ("cross_entropy", "z", "y")


def test_a_loss_class_of_the_script_computes_what_it_computes() -> None:
    text = """
class Smooth(nn.Module):
    def __init__(self):
        super().__init__()
        self.ce = nn.CrossEntropyLoss()
    def forward(self, logits, target): return self.ce(logits.softmax(1), target)
criterion = Smooth()
criterion(z, y)
"""
    assert losses(IMPORTS + text) == ["cross_entropy(softmax(z), y)"]


def test_a_running_total_is_told_with_what_joins_it() -> None:
    text = """
total = 0
history = []
for x, y in loader:
    loss = F.mse_loss(x, y)
    total += loss
    history.append(loss)
"""
    [run] = runs(IMPORTS + text)
    assert {expression(event.value)[:8] for event in run.events(Accumulated)} == {"mse_loss"}


def test_the_parts_of_a_split_are_told_apart() -> None:
    text = """
from sklearn.model_selection import train_test_split
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2)
look(X_train, y_test)
"""
    assert seen(IMPORTS + text) == ["train split(X), test split(y)"]


def test_a_random_split_gives_loaders_of_its_parts() -> None:
    text = """
train_set, test_set = torch.utils.data.random_split(dataset, [80, 20])
for batch in torch.utils.data.DataLoader(test_set): look(batch)
[each for each in torch.utils.data.DataLoader(train_set, shuffle=True)]
"""
    [run] = runs(IMPORTS + text)
    found = [expression(getattr(each, "inputs", (None,))[0].dataset) for each in run.operations["batch"]]  # type: ignore[union-attr]
    assert list(dict.fromkeys(found)) == ["test split(dataset)", "train split(dataset)"]


def test_a_batch_of_a_tensor_dataset_comes_from_its_arrays() -> None:
    text = """
data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y / Y.max()))
for x, y in torch.utils.data.DataLoader(data, batch_size=8):
    F.mse_loss(x, y)
"""
    [first, *_] = losses(IMPORTS + text)
    assert "tensor(divide(Y, max(Y)))" in first


@pytest.mark.parametrize(
    "scaled",
    [
        "scaler.fit_transform(X_train)",
        "scaler.fit(X_train).transform(X_train)",
        "scaler.transform(scaler.fit_transform(X_train))",
    ],
)
def test_a_scaler_remembers_what_it_was_fitted_on(scaled: str) -> None:
    text = f"""
from sklearn.preprocessing import StandardScaler
scaler = StandardScaler()
done = {scaled}
test = scaler.transform(X_test)
look(test)
"""
    [run] = runs(IMPORTS + text)
    [made] = [each for each in run.operations["scaled"] if expression(each).startswith("scaled(X_test")]
    assert isinstance(made, Data)
    assert isinstance(made.inputs[1], Data)
    assert expression(made.inputs[1].parts[FITTED]).endswith("X_train") or "X_train" in expression(made.inputs[2])


def test_statistics_of_arrays_and_frames_are_operations() -> None:
    text = """
import pandas as pd
frame = pd.read_csv("data.csv")
y = frame["price"].values
look((y - y.mean()) / y.std(), np.amax(y), frame["price"].max())
"""
    [shown] = seen(IMPORTS + text)
    for operation in ("divide(subtract(", "mean(", "std(", "max("):
        assert operation in shown


def test_what_was_computed_without_gradients_says_so() -> None:
    text = """
with torch.no_grad():
    a = F.relu(x)
b = F.relu(x)
look(a, b)
"""
    [run] = runs(IMPORTS + text)
    assert [each.gradient for each in run.operations["relu"] if isinstance(each, Data)] == [False, True]


@pytest.mark.parametrize(
    "written",
    [
        "@torch.no_grad()\ndef f(x): return F.relu(x)\nf(x)",
        "@torch.inference_mode()\ndef f(x): return F.relu(x)\nf(x)",
        "torch.set_grad_enabled(False)\nF.relu(x)",
        "with torch.set_grad_enabled(False): F.relu(x)",
        "with torch.inference_mode(): F.relu(x)",
        "f = torch.no_grad()(lambda x: F.relu(x))\nf(x)",
    ],
)
def test_every_way_to_switch_gradients_off_is_known(written: str) -> None:
    [run] = runs(f"{IMPORTS}\n{written}")
    assert [each.gradient for each in run.operations["relu"] if isinstance(each, Data)] == [False]


def test_gradients_that_a_condition_switches_are_not_known() -> None:
    [run] = runs(f"{IMPORTS}\nwith torch.set_grad_enabled(phase == 'train'): F.relu(x)")
    assert [each.gradient for each in run.operations["relu"] if isinstance(each, Data)] == [None]


@pytest.mark.parametrize("read", ["out.loss", "out['loss']"])
def test_what_is_read_of_an_output_has_the_graph_of_the_output(read: str) -> None:
    text = f"""
out = F.relu(x)
with torch.no_grad():
    look({read})
look({read})
"""
    [run] = runs(IMPORTS + text)
    looked = [made.inputs[1] for made in run.operations["call"] if isinstance(made, Data) and made.name == "look"]
    assert [each.gradient for each in looked if isinstance(each, Data)] == [True, True]


def test_a_device_gives_no_numbers_to_what_is_moved_there() -> None:
    [run] = runs("""
import torch
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
for x, y in torch.utils.data.DataLoader(data):
    moved = torch.nn.functional.mse_loss(x.to(device), y.to(device=next(model.parameters()).device))
""")
    [loss, *_] = run.events(LossComputed)
    made = {each.operation for value in (loss.prediction, loss.target) for each in ancestors(value)}
    assert made.isdisjoint({"call", "parameter", "attribute"})
