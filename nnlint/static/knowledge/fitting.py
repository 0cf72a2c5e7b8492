"""Frameworks that run the training loop themselves: what they call of the user's, in which mode, and which loss they compute."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from nnlint.events import Backward, Differentiated, GradientsCleared, Loop, ModelCalled, OptimizerStepped
from nnlint.records import dataclass
from nnlint.static.arguments import Arguments
from nnlint.static.iteration import PASSES, element
from nnlint.static.knowledge.common import escape, is_optimizer_like, method
from nnlint.static.knowledge.lightning import loader_for, steps_by_hand
from nnlint.static.knowledge.modules import set_mode
from nnlint.static.machine import Machine
from nnlint.static.objects import Bound, Class, CodeSite, External, Function
from nnlint.values import (
    NONE,
    Constant,
    Data,
    Either,
    Entries,
    Instance,
    Items,
    Layer,
    Optimizer,
    Site,
    Value,
    alternatives,
)


class Fit(NamedTuple):
    """Where a callable takes the model and the loss: position and name. `loss` is the class it takes where none is given."""

    model: tuple[int | None, str]
    criterion: tuple[int | None, str]
    loss: str = ""


SUPERVISED: dict[tuple[str, str], Fit] = {
    ("fastai", "Learner"): Fit((1, "model"), (2, "loss_func")),
    ("skorch", "NeuralNet"): Fit((0, "module"), (1, "criterion")),
    ("skorch", "NeuralNetClassifier"): Fit((0, "module"), (1, "criterion")),
    ("skorch", "NeuralNetRegressor"): Fit((0, "module"), (1, "criterion"), "MSELoss"),
    ("skorch", "NeuralNetBinaryClassifier"): Fit((0, "module"), (1, "criterion"), "BCEWithLogitsLoss"),
    ("torchbearer", "Trial"): Fit((0, "model"), (2, "criterion")),
    ("poutyne", "Model"): Fit((0, "network"), (2, "loss_function")),
    ("torch_lr_finder", "LRFinder"): Fit((0, "model"), (2, "criterion")),
}
"""Callables that train a model with a loss, by library and name (their documentation, 2024)."""

TAKES_LOGARITHM = ("skorch", "NLLLoss")
"""skorch takes the logarithm of the output itself before this loss (documentation of NeuralNetClassifier)."""

STEPS: dict[str, bool] = {"training_step": True, "validation_step": False, "test_step": False, "predict_step": False}
"""Methods of a LightningModule that its Trainer calls for each batch, and whether in training mode, recording gradients."""

STEPS_OF: dict[str, tuple[str, ...]] = {
    "fit": ("training_step", "validation_step"),
    "validate": ("validation_step",),
    "test": ("test_step",),
    "predict": ("predict_step",),
}
"""Lightning's Trainer: the steps that each of its methods runs."""

FACE_TRAINERS = ("Trainer", "Seq2SeqTrainer")
"""transformers' trainers: they call the model with all the batch, the labels too, and take its loss."""


def observe(machine: Machine, name: str, given: Arguments, node: ast.AST) -> None:
    """What a library's callable makes of a model and a loss that are handed to it: they meet, on data of its own."""
    root, last = name.partition(".")[0], name.rpartition(".")[2]
    fit = SUPERVISED.get((root, last))
    if fit is not None:
        _compute(machine, root, fit, given, node)
    elif root == "transformers" and last in FACE_TRAINERS:
        _call_with_everything(machine, given.get(0, "model"), node)
        _keep_data_sets(machine, given, machine.site(node))


def _keep_data_sets(machine: Machine, given: Arguments, at: Site) -> None:
    """What transformers' trainers learn from, and what they evaluate on."""
    both = given.get(None, "train_dataset"), given.get(None, "eval_dataset")
    if both[0] is not None and both[1] is not None:
        machine.data("trainer data", (both[0], both[1]), machine.frame.module.tree).at = at


def _compute(machine: Machine, root: str, fit: Fit, given: Arguments, node: ast.AST) -> None:
    loss = given.get(*fit.criterion)
    if loss is None and fit.loss:
        loss = External(f"torch.nn.{fit.loss}")
    model = _constructed(machine, given.get(*fit.model), _prefixed(given, "module__"), node)
    loss = _constructed(machine, loss, _prefixed(given, "criterion__"), node)
    if loss is None or not isinstance(model, (Instance, Layer)) or _is_logarithm_taken(root, loss):
        return
    optimizer = next((each for each in given.values() if is_optimizer_like(each)), None)
    set_mode(machine, model, True)

    def one_batch() -> None:
        output = machine.call(model, Arguments([machine.data("element", (), node, name="inputs")]), node)
        value = machine.call(loss, Arguments([output, machine.data("element", (), node, name="targets")]), node)
        _update(machine, model, optimizer, value, node)

    batches = Loop(machine.site(node), "for", None, "batch in batches")
    epochs = Loop(machine.site(node), "for", None, "epoch in epochs")
    machine.loop(epochs, iter([lambda: machine.loop(batches, iter([one_batch]))]))


def _update(machine: Machine, model: Value, optimizer: Value | None, loss: Value, node: ast.AST) -> None:
    """What a framework does with the loss of a batch."""
    machine.emit(GradientsCleared(machine.site(node), model))
    machine.emit(Backward(machine.site(node), loss))
    if optimizer is not None:
        machine.emit(OptimizerStepped(machine.site(node), optimizer))


def _prefixed(given: Arguments, prefix: str) -> Arguments:
    """skorch's way to give arguments to what it constructs: `module__hidden=20`."""
    named = {key.removeprefix(prefix): value for key, value in given.keywords.items() if key.startswith(prefix)}
    return Arguments([], named)


def _constructed(machine: Machine, value: Value | None, given: Arguments, node: ast.AST) -> Value | None:
    """An object of a class that was given in its place."""
    is_class = isinstance(value, Class) or (isinstance(value, External) and value.name.rpartition(".")[2][:1].isupper())
    return machine.call(value, given, node) if is_class and value is not None else value


def _is_logarithm_taken(root: str, loss: Value) -> bool:
    return isinstance(loss, Layer) and (root, loss.kind) == TAKES_LOGARITHM


def _call_with_everything(machine: Machine, model: Value | None, node: ast.AST) -> None:
    """Call a model with a batch that holds every argument of its forward that it does not need to have."""
    forward = model.cls.find("forward") if isinstance(model, Instance) and model.is_network else None
    if not isinstance(forward, Function) or not isinstance(model, Instance):
        return
    set_mode(machine, model, True)
    machine.call(model, arguments_of_batch(machine, forward, node), node)


def arguments_of_batch(machine: Machine, forward: Function, node: ast.AST) -> Arguments:
    """Data for each argument of a forward that has no default, or None for one."""
    given = Arguments()
    arguments = forward.node.args
    for parameter in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs][1:]:
        default = forward.defaults.get(parameter.arg)
        if default is None or (isinstance(default, Constant) and default.value is None):
            given.keywords[parameter.arg] = machine.data("argument", (), node, name=parameter.arg)
    return given


# Objects that derive from a framework's


def initialize_framework(machine: Machine, instance: Instance, given: Arguments) -> None:
    """What the constructor of a framework's base keeps: transformers' trainers their model."""
    model = given.get(0, "model")
    if model is not None and _derives(instance.cls, "transformers", FACE_TRAINERS):
        machine.write(instance.attributes, "model", model)
        if instance.at is not None:
            _keep_data_sets(machine, given, instance.at)


def is_step(cls: Class, name: str) -> bool:
    """Whether the method is one that Lightning's Trainer calls for each batch."""
    return name in STEPS and is_lightning(cls)


def inherited_steps(cls: Class) -> Iterator[tuple[str, Function]]:
    """The steps that a LightningModule has from a base at hand."""
    for name in STEPS:
        step = cls.find(name) if is_step(cls, name) and name not in cls.names else None
        if isinstance(step, Function):
            yield name, step


def is_lightning(cls: Class) -> bool:
    """Whether the class derives from LightningModule."""
    return any(base.rpartition(".")[2] == "LightningModule" for base in cls.external_bases())


def _derives(cls: Class, root: str, names: tuple[str, ...]) -> bool:
    return any(base.startswith(f"{root}.") and base.endswith(names) for base in cls.external_bases())


@method("train")
def _train(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """`trainer.train()` of a class that derives from transformers' Trainer and computes the loss itself."""
    if not isinstance(receiver, Instance) or not _derives(receiver.cls, "transformers", FACE_TRAINERS):
        return None
    model, compute = receiver.attributes.get("model"), receiver.cls.find("compute_loss")
    if not isinstance(compute, Function):
        _call_with_everything(machine, model, node)
    elif isinstance(model, (Instance, Layer)):
        set_mode(machine, model, True)
        bound = Bound(receiver, "compute_loss", compute)
        machine.call(bound, Arguments([model, machine.data("argument", (), node, name="inputs")]), node)
    return NONE


@method(*STEPS_OF)
def _run(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """`trainer.fit(module, loader)` of Lightning."""
    modules = [each for each in alternatives(given.get(0, "model")) if isinstance(each, Instance)]
    module = next((each for each in modules if is_lightning(each.cls)), None)
    if module is None:
        return None
    name = getattr(getattr(node, "func", None), "attr", "fit")
    escape(machine, given.values(), name, node)
    for step in STEPS_OF[name]:
        run_step(machine, module, step, loader_for(machine, module, step, given, node), node)
    return NONE


def run_step(machine: Machine, module: Instance, name: str, loader: Value | None, node: ast.AST) -> None:
    """Run a step of a LightningModule batch by batch, in the mode that its Trainer sets."""
    step = module.cls.find(name)
    if not isinstance(step, Function):
        return
    training = STEPS[name]
    set_mode(machine, module, training)
    optimizers = _automatic_optimizers(machine, module, node) if training else []
    takes_turns = len(optimizers) > 1 and any(each.arg == "optimizer_idx" for each in step.node.args.args)
    passes = _Passes(machine, module, name, step, optimizers, training, node)
    with machine.recording(training):
        _for_each_batch(machine, loader, passes.in_turn if takes_turns else passes.at_once, node)


@dataclass(frozen=True)
class _Passes:
    """What a Trainer does with each batch: the step of a module, and that of the optimizers that it steps by itself."""

    machine: Machine
    module: Instance
    name: str
    step: Function
    optimizers: Sequence[Value]
    training: bool
    node: ast.AST

    def in_turn(self, batch: Value) -> None:
        """Before Lightning 2, a step is called for each of several optimizers, and told which."""
        for number, optimizer in enumerate(self.optimizers):
            loss = self._call(batch, {"optimizer_idx": Constant(number)})
            if loss is not NONE:
                at = getattr(optimizer, "at", None) or self.machine.site(self.node)  # each steps at a place of its own
                self.machine.emit(GradientsCleared(at, optimizer))
                self.machine.emit(Backward(at, _loss_in(loss)))
                self.machine.emit(OptimizerStepped(at, optimizer))

    def at_once(self, batch: Value) -> None:
        """The step is called once, and its loss differentiated for the one optimizer there is."""
        machine, module, step = self.machine, self.module, self.step
        before = len(machine.run.all_events)
        loss = self._call(batch, {})
        optimizer = self.optimizers[0] if len(self.optimizers) == 1 else None
        if optimizer is not None and loss is NONE and _computes_for_nothing(machine, module, before, self.node):
            machine.emit(OptimizerStepped(CodeSite(step.module, step.node, None, step.node), optimizer))
        elif optimizer is not None:
            _update(machine, module, optimizer, _loss_in(loss), self.node)
        elif self.training and not steps_by_hand(machine, module, self.node):  # which of several steps is not known
            machine.emit(Differentiated(machine.site(step.node), loss))
        else:
            machine.run.results.append(loss)

    def _call(self, batch: Value, named: dict[str, Value]) -> Value:
        given = Arguments([batch, self.machine.data("counter", (), self.node)], named)
        return self.machine.call(Bound(self.module, self.name, self.step), given, self.node)


def _loss_in(returned: Value) -> Value:
    """The loss that a step returns, by itself or in a dictionary."""
    return returned.entries.get("loss", returned) if isinstance(returned, Entries) else returned


def _computes_for_nothing(machine: Machine, module: Instance, before: int, node: ast.AST) -> bool:
    """Whether a step that returned nothing has called networks, though only Lightning would differentiate what they gave."""
    happened = machine.run.all_events[before:]
    if any(isinstance(event, (Backward, Differentiated, OptimizerStepped)) for event in happened):
        return False
    return any(isinstance(event, ModelCalled) for event in happened) and not steps_by_hand(machine, module, node)


def _automatic_optimizers(machine: Machine, module: Instance, node: ast.AST) -> list[Value]:
    """The optimizers that Lightning steps by itself, of which one may be one of several to choose from; none where the module
    steps."""
    configure = module.cls.find("configure_optimizers")
    if not isinstance(configure, Function) or steps_by_hand(machine, module, node):
        return []
    return list(
        _configured_optimizers(machine.call(Bound(module, "configure_optimizers", configure), Arguments(), node))
    )


def _configured_optimizers(made: Value) -> Iterator[Value]:
    """The optimizers among what `configure_optimizers` returned; a choice of them is one."""
    if isinstance(made, Items):
        for each in made.items:
            yield from _configured_optimizers(each)
    elif isinstance(made, Entries):
        yield from _configured_optimizers(made.entries.get("optimizer", NONE))
    elif isinstance(made, Either):
        held = {id(each): each for one in made.alternatives for each in _configured_optimizers(one)}
        if held:
            is_open = made.open or len(held) < len(made.alternatives)
            yield next(iter(held.values())) if len(held) == 1 else Either(tuple(held.values()), is_open)
    elif isinstance(made, Optimizer):
        yield made


def _for_each_batch(machine: Machine, loader: Value | None, body: Callable[[Value], object], node: ast.AST) -> None:
    over = loader if loader is not None else Data("argument", (), machine.site(node), name="loader")

    def bodies() -> Iterator[Callable[[], None]]:
        for number in range(PASSES):
            yield partial(_run_body, body, element(machine, over, number, node))

    machine.loop(Loop(machine.site(node), "for", over, "batch"), bodies())


def _run_body(body: Callable[[Value], object], batch: Value) -> None:
    body(batch)
