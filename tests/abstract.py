"""The abstract run as its tests see it: text in; events, findings and the expressions behind values out, as short strings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from nnlint import api, events
from nnlint.events import Event, Run
from nnlint.report import Note
from nnlint.settings import Settings
from nnlint.source import Source
from nnlint.static.project import Project
from nnlint.values import Constant, Data, Either, Entries, Instance, Items, Layer, Optimizer, Parameters, Value

Files = Mapping[str, str]

WORDS: dict[type[Event], str] = {
    events.GradientsCleared: "clear",
    events.Backward: "backward",
    events.OptimizerStepped: "step",
    events.GradientsClipped: "clip",
    events.SchedulerStepped: "schedule",
    events.ModelCalled: "call",
    events.ModeSwitched: "mode",
    events.LossComputed: "loss",
    events.OptimizerMade: "optimizer",
    events.SchedulerMade: "scheduler",
    events.LoaderMade: "loader",
    events.ModelBuilt: "model",
    events.WeightsSet: "weights",
    events.Escaped: "escape",
    events.StateKept: "keep",
    events.StateUsed: "use",
    events.Accumulated: "total",
    events.Differentiated: "differentiate",
    events.MethodNamed: "named",
    events.GradientsUnscaled: "unscale",
    events.ScalerUpdated: "update",
    events.NetworkWrapped: "wrap",
}
STEPS = frozenset({"clear", "backward", "step"})


def project(text: str | Files, folder: Path | None = None) -> Project:
    """A project of one text, or of files that are written to the folder."""
    if isinstance(text, str):
        return Project([Source("train.py", dedent(text), None)])
    assert folder is not None
    return Project([_written(folder, name, content) for name, content in text.items()])


def _written(folder: Path, name: str, content: str) -> Source:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(content), encoding="utf-8")
    return Source(name, dedent(content), str(file))


def runs(text: str | Files, folder: Path | None = None) -> list[Run]:
    """All runs of a project."""
    return list(project(text, folder).runs())


def notes(text: str | Files, folder: Path | None = None) -> list[Note]:
    """What is told under `--verbose`."""
    made = project(text, folder)
    list(made.runs())
    return made.notes


def told(text: str | Files, *words: str, folder: Path | None = None) -> list[str]:
    """Each event of these words as `word line`, in order, those of a second pass left out."""
    wanted = frozenset(words) or STEPS
    found = [
        f"{WORDS[type(event)]} {_where(event, several=not isinstance(text, str))}"
        for run in runs(text, folder)
        for event in run.all_events
        if WORDS.get(type(event)) in wanted
    ]
    return list(dict.fromkeys(found))


def _where(event: Event, several: bool) -> str:
    place = event.at.place
    return f"{place.path}:{place.line}" if several else str(place.line)


def faults(text: str | Files, *codes: str, folder: Path | None = None) -> list[str]:
    """The findings as `code line`; of several files, as `code path:line`. Without codes, those of NN102."""
    settings = Settings(select=codes or ("NN102",))
    if isinstance(text, str):
        return [f"{each.code} {each.place.line}" for each in api.lint_text(dedent(text), "train.py", settings)]
    assert folder is not None
    for name, content in text.items():
        _written(folder, name, content)
    found = api.lint_paths([folder], settings)
    return [f"{each.code} {Path(each.place.path).relative_to(folder).as_posix()}:{each.place.line}" for each in found]


def losses(text: str | Files, folder: Path | None = None) -> list[str]:
    """Each loss that is computed, as an expression: `cross_entropy(softmax(linear(x)), y)`."""
    return list(
        dict.fromkeys(
            expression(event.value) for run in runs(text, folder) for event in run.events(events.LossComputed)
        )
    )


def outputs(text: str | Files, folder: Path | None = None) -> list[str]:
    """What each call of a network returned, as an expression."""
    return list(
        dict.fromkeys(
            expression(event.output) for run in runs(text, folder) for event in run.events(events.ModelCalled)
        )
    )


IMPORTS = "import torch; from torch import nn; import torch.nn.functional as F"


def graph(body: str) -> list[str]:
    """What each call of a network returns, in a script that has torch imported on its first, empty line."""
    return outputs(IMPORTS + body)


def seen(text: str | Files, folder: Path | None = None) -> list[str]:
    """What is given to `look(...)`, a function that nothing defines, as expressions."""
    return [
        ", ".join(expression(value) for value in made.inputs[1:])
        for run in runs(text, folder)
        for made in run.operations.get("call", ())
        if isinstance(made, Data) and made.name == "look"
    ]


def expression(value: Value | None, depth: int = 12) -> str:
    """A value as the expression that made it."""
    if depth == 0:
        return "..."
    if isinstance(value, Data):
        return _data(value, depth)
    if isinstance(value, Constant):
        return repr(value.value)
    if isinstance(value, Items):
        return f"[{_inside(value.items, depth)}{', ...' if value.open else ''}]"
    if isinstance(value, Entries):
        return "{" + ", ".join(f"{key}: {expression(each, depth - 1)}" for key, each in value.entries.items()) + "}"
    if isinstance(value, Either):
        return " or ".join(expression(each, depth - 1) for each in value.alternatives)
    if isinstance(value, (Layer, Instance, Optimizer)):
        return value.kind
    if isinstance(value, Parameters):
        return f"parameters of {_inside(value.owners, depth)}"
    return getattr(value, "name", type(value).__name__)


def _data(value: Data, depth: int) -> str:
    if value.operation == "output":
        return expression(value.inputs[0], depth)
    if value.operation in ("argument", "name"):
        return value.name
    if value.operation == "attribute":
        return f"{expression(value.inputs[0], depth - 1)}.{value.name}"
    if value.operation == "index":
        return f"{expression(value.inputs[0], depth - 1)}[{_inside(value.inputs[1:], depth)}]"
    name = value.name if value.operation in ("call", "method") and value.name else value.operation
    return f"{name}({_inside(value.inputs, depth)})"


def _inside(values: list[Value] | tuple[Value, ...], depth: int) -> str:
    return ", ".join(expression(each, depth - 1) for each in values)


SETUP = "import torch; from torch import nn; import torch.nn.functional as F; model = nn.Linear(3, 4); " + (
    "optimizer = torch.optim.Adam(model.parameters()); loader = torch.utils.data.DataLoader(dataset, 8)"
)


def training(body: str) -> str:
    """A script that trains `model` with `optimizer` on `loader`; the setup stands on the first, empty line of the body."""
    return SETUP + dedent(body)
