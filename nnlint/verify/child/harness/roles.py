"""What to give for a parameter: by its default, its annotation and its name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from nnlint.verify.child import measures
from nnlint.verify.child.harness.probing import Fit, fitted
from nnlint.verify.child.harness.uses import Handed, choice_of, is_differentiated, role_of
from nnlint.verify.child.stand_ins import plausible, synthetic
from nnlint.verify.child.stand_ins.permissive import permissive

SAMPLES, HELD_OUT = 256, 128
BATCH = 16
CLASSES = 10
INPUT = 16

REGRESSION = frozenset("mse_loss MSELoss l1_loss L1Loss smooth_l1_loss SmoothL1Loss huber_loss HuberLoss".split())
BINARY = frozenset("binary_cross_entropy binary_cross_entropy_with_logits BCELoss BCEWithLogitsLoss".split())
FLATTENS = frozenset("view reshape flatten permute transpose".split())
"""Before a loss, these bring the classes to the last axis of a sequence's outputs to the place where the loss has them."""


class RoleUnknown(Exception):
    """No value is known for a parameter."""


class Settings:
    """Settings of a script, none of which is known: each has a plausible value, which stays."""

    def __init__(self, **known: Any) -> None:
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        numeric = any(re.search(pattern, name.lower()) for pattern, _ in plausible.NUMBERS)
        value: Any = plausible.setting(name) if numeric else False
        self.__dict__[name] = value
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """As a dictionary has it."""
        return default if default is not None else getattr(self, name)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __contains__(self, name: str) -> bool:
        return True


class Splits(dict[str, Any]):
    """The parts of the data by whatever name: all are the same."""

    def __init__(self, part: Any) -> None:
        super().__init__(train=part, val=part)

    def __missing__(self, name: str) -> Any:
        return self["train"]


class Cast:
    """Gives each parameter of the user's functions its value; one network, with data, optimizer and loss, serves them all."""

    def __init__(
        self, models: Iterable[type[nn.Module]], names: frozenset[str], held: Iterable[nn.Module] = ()
    ) -> None:
        self.candidates = list(models)
        self.held = list(held)
        self.names = names
        self.flattens = bool(names & FLATTENS)
        self.known: dict[str, Any] = {}

    # The network and what belongs to it

    @property
    def fit(self) -> Fit:
        """The network, and what it takes."""
        if "fit" not in self.known:
            own = (fitted(each) for each in self.held)
            built = map(self.built, self._taken())
            self.known["fit"] = next(filter(None, (*own, *built)), None) or self._plain()
        found: Fit = self.known["fit"]
        return found

    def _taken(self) -> list[type[nn.Module]]:
        """The classes of networks; a network that one of them is given in turn is none of them."""
        candidates, self.candidates = self.candidates, []
        return candidates

    def built(self, cls: type[nn.Module]) -> Fit | None:
        """A network of a class of the user's, with what it takes; None where it cannot be built or called."""
        try:
            positional, named = self.arguments(cls)
            return fitted(cls(*positional, **named))
        except Exception:  # it may need what nobody knows
            return None

    def use(self, fit: Fit) -> None:
        """Take this network from now on."""
        self.known = {"fit": fit}

    def _plain(self) -> Fit:
        width = 1 if self.names & (REGRESSION | BINARY) else CLASSES
        found = fitted(nn.Sequential(nn.Linear(INPUT, 32), nn.ReLU(), nn.Linear(32, width)))
        if found is None:
            raise RoleUnknown("no network could be built")
        return found

    @property
    def kind(self) -> str:
        """Whether classes, yes or no, or numbers are predicted."""
        output = self.fit.output
        if self.names & REGRESSION:
            return "numbers"
        if self.names & BINARY:
            return "binary"
        if output.dim() >= 2 and output.shape[self.class_axis] > 1:
            return "classes"
        last = [part for part in self.fit.model.modules() if not list(part.children())][-1:]
        return "binary" if last and isinstance(last[0], nn.Sigmoid) else "numbers"

    @property
    def class_axis(self) -> int:
        """The axis of the network's outputs along which the classes lie."""
        return 2 if self.fit.output.dim() == 3 and self.flattens else 1

    def data(self, held_out: bool = False) -> tuple[Tensor, Tensor]:
        """Inputs of the network, and targets that can be learned: they follow from the inputs."""
        if "data" not in self.known:
            generator = torch.Generator().manual_seed(1)
            inputs, targets = self._learnable(self.fit.inputs(SAMPLES + HELD_OUT, generator), generator)
            self.known["data"] = (inputs[:SAMPLES], targets[:SAMPLES])
            self.known["held out"] = (inputs[SAMPLES:], targets[SAMPLES:])
        found: tuple[Tensor, Tensor] = self.known["held out" if held_out else "data"]
        return found

    def _learnable(self, inputs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        output = self.fit.output
        if self.kind != "classes":
            score = inputs.reshape(len(inputs), -1).float()[:, :4].mean(1)
            target = score.tanh() if self.kind == "numbers" else (score > score.median()).float()
            shape = output.shape[1:]
            return inputs, target.reshape(-1, *[1] * len(shape)).expand(-1, *shape).contiguous()
        axis = self.class_axis
        sizes = [size for place, size in enumerate(output.shape) if place not in (0, axis)]
        labels = torch.randint(output.shape[axis], (len(inputs),), generator=generator)
        if not self.fit.words:
            prototypes = torch.randn(output.shape[axis], *inputs.shape[1:], generator=generator)
            inputs = prototypes[labels] + 0.5 * inputs
        else:
            inputs = (inputs % 7 + 7 * labels.reshape(-1, *[1] * (inputs.dim() - 1))) % self.fit.words
        return inputs, labels.reshape(-1, *[1] * len(sizes)).expand(-1, *sizes).contiguous()

    def loader(self) -> Any:
        """The data in batches."""
        if "loader" not in self.known:
            dataset = torch.utils.data.TensorDataset(*self.data())
            self.known["loader"] = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)
        return self.known["loader"]

    def optimizer(self) -> Any:
        """One of the network's parameters."""
        if "optimizer" not in self.known:
            self.known["optimizer"] = torch.optim.Adam(self.fit.model.parameters(), lr=1e-3)
        return self.known["optimizer"]

    def criterion(self) -> nn.Module:
        """A loss for the kind of targets."""
        losses: dict[str, type[nn.Module]] = {
            "numbers": nn.MSELoss,
            "binary": nn.BCEWithLogitsLoss,
            "classes": nn.CrossEntropyLoss,
        }
        return losses[self.kind]()

    def loss(self) -> Tensor:
        """The loss of a batch, to be differentiated."""
        inputs, targets = next(iter(self.loader()))
        output = next(each for each in measures.tensors_in(self.fit.model(inputs)) if each.is_floating_point())
        found: Tensor = self.criterion()(output, targets)
        return found

    # Parameters

    def arguments(self, function: Callable[..., Any]) -> tuple[list[Any], dict[str, Any]]:
        """What a function requires. Raises RoleUnknown where a value is not known."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for parameter in inspect.signature(function).parameters.values():
            if parameter.default is not parameter.empty or parameter.kind in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                continue
            value = self.value(parameter, function)
            if parameter.kind is parameter.KEYWORD_ONLY:
                named[parameter.name] = value
            else:
                positional.append(value)
        return positional, named

    def value(self, parameter: inspect.Parameter, function: Any = None, deep: int = 0) -> Any:
        """The value for one parameter of a function."""
        name = parameter.name.lower()
        if function is not None and is_differentiated(function, parameter.name):
            return self.loss()
        for pattern, make in ROLES:
            if re.fullmatch(pattern, name):
                return make(self)
        kind = _annotated(parameter)
        if kind in (int, float, bool, str):
            return plausible.value(name, kind)
        if any(re.search(pattern, name) for pattern, _ in plausible.NUMBERS):
            number = plausible.number(name)
            return int(number) if number == int(number) else number
        role = role_of(function, parameter.name, deep) if function is not None else ""
        if isinstance(role, Handed):
            return self.value(role.parameter, role.function, deep + 1)
        if role:
            return BY_USE[role](self)
        choice = choice_of(function, parameter.name) if function is not None else None
        if choice is not None:
            return choice
        raise RoleUnknown(f"nothing is known of the parameter {parameter.name!r}")


BY_USE: dict[str, Callable[[Cast], Any]] = {
    "model": lambda cast: cast.fit.model,
    "optimizer": lambda cast: cast.optimizer(),
    "loader": lambda cast: cast.loader(),
    "loaders": lambda cast: Splits(cast.loader()),
    "data_set": lambda cast: cast.loader().dataset,
    "data_sets": lambda cast: Splits(cast.loader().dataset),
}
"""What a parameter gets of which only its use tells something."""

HELD = r"(validation|valid|val|testing|test|tst|te|dev|eval|held_?out)"
PART = r"(training|train|trn|tr|validation|valid|val|testing|test|tst|te|dev|eval|held_?out)"
INPUTS = r"(x|inputs?|data|images?|imgs?|features?|rows?|points?|samples?|vectors?|measurements?)"
TARGETS = r"(y|targets?|labels?|goals?|answers?|kinds?|classes|digits)"


def _annotated(parameter: inspect.Parameter) -> Any:
    names = {"int": int, "float": float, "bool": bool, "str": str}
    kind = parameter.annotation
    return names.get(kind, kind) if isinstance(kind, str) else kind


ROLES: tuple[tuple[str, Callable[[Cast], Any]], ...] = (
    (
        r"(\w*_)?(model|net|network|module|classifier|learner|nn|student|teacher|backbone)(_?\d)?",
        lambda cast: cast.fit.model,
    ),
    (r"(data_?)?loaders|dataloaders_dict", lambda cast: Splits(cast.loader())),
    (r".*(loader|dataloader|data_iter|iterator|iter|batches|dl)", lambda cast: cast.loader()),
    (
        r"train_(data|set|ds)|(val|valid|test|dev)_(data|set|ds)|trainset|testset|.*dataset",
        lambda cast: cast.loader().dataset,
    ),
    (r".*(optim|optimizer|optimiser|opt)(_?\w)?", lambda cast: cast.optimizer()),
    (r".*scheduler", lambda cast: torch.optim.lr_scheduler.StepLR(cast.optimizer(), 1000)),
    (r".*(criterion|loss|loss_fn|loss_func|loss_function|lossfunc|objective)", lambda cast: cast.criterion()),
    (r"line|text|sentence|string|prompt", lambda cast: synthetic.sentence(1)),
    (r".*device|dev", lambda cast: torch.device("cpu")),
    (r"(n_?|num_?|max_?|total_?)epochs?|epochs|n_iters?|num_iterations", lambda cast: 3),
    (r"epoch|step|iteration|global_step|i|it|fold", lambda cast: 1),
    (
        r"(\w+_)?(args?|cfg|config|conf)|opts?|options|hparams?|params|settings|flags|hyperparameters",
        lambda cast: Settings(),
    ),
    (
        r".*(writer|logger|log|tb|tracker|meter|stats|callbacks?|progress|pbar|wandb|run)",
        lambda cast: permissive("log"),
    ),
    (r".*scaler", lambda cast: torch.amp.GradScaler("cpu", enabled=False)),
    (r".*(clip|max_norm|grad_norm)", lambda cast: 1.0),
    (
        r"x|inputs?|data|images?|imgs?|src|features?|batch_x|xb?|x_?train|train_?(x|inputs?)",
        lambda cast: cast.data()[0],
    ),
    (
        r"y|targets?|labels?|tgt|batch_y|yb?|y_?train|train_?(y|targets?|labels?)",
        lambda cast: cast.data()[1],
    ),
    (r"batch", lambda cast: next(iter(cast.loader()))),
    (rf"{HELD}_{INPUTS}|{INPUTS}_?{HELD}", lambda cast: cast.data(held_out=True)[0]),
    (rf"{HELD}_{TARGETS}|{TARGETS}_?{HELD}", lambda cast: cast.data(held_out=True)[1]),
    (rf"{PART}_{INPUTS}|{INPUTS}_?{PART}|rows|points|samples", lambda cast: cast.data()[0]),
    (rf"{PART}_{TARGETS}|{TARGETS}_?{PART}|goals|kinds|digits", lambda cast: cast.data()[1]),
    (
        r"(n_?|num_?)?(class|classes|labels|outputs?)|out(put)?_?(dim|size|features|channels)?|n_out",
        lambda cast: CLASSES,
    ),
    (r"(vocab|num_embeddings|n_?tokens?|ntoken|vocabulary).*|.*vocab(_size)?", lambda cast: 100),
    (r"(in_?channels|channels|n_channels|num_channels|nc|in_planes)", lambda cast: 3),
    (r"(input|in|n|num)_?(dim|size|features|inputs?|in|feature)s?|n_in|feature_dim", lambda cast: INPUT),
    (r".*(dropout|drop|p_drop).*", lambda cast: 0.1),
    (r".*(num_heads|n_heads?|heads?|nhead)", lambda cast: 4),
    (r".*(mode|phase|split)", lambda cast: "train"),
    (r".*(dir|path|file|folder|name|save)", lambda cast: "output"),
    (r"is_?\w+|use_?\w+|verbose|debug|train|training", lambda cast: True),
)
"""What a parameter of a name gets; the first pattern that fits counts."""
