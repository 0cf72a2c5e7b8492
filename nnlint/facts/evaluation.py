"""Which calls of a network are evaluations: what comes out is measured or used, and never differentiated."""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile

from nnlint.events import (
    Accumulated,
    Backward,
    LossComputed,
    ModelCalled,
    OptimizerMade,
    OptimizerStepped,
    Run,
)
from nnlint.facts import identity
from nnlint.facts.acting import chooses_action, is_action, plays, teaches
from nnlint.facts.fates import fate_of, is_measured
from nnlint.facts.learned import behind_all_losses, is_learned, learned_in, values_inside
from nnlint.facts.passed_on import is_passed_as_held_out
from nnlint.facts.split_names import ABBREVIATED, HELD_OUT, TRAINING, is_held_out_name
from nnlint.facts.tried_out import is_asked_about_made_up
from nnlint.facts.users import Users, users
from nnlint.graph import ancestors, cuts_graph, only_looks
from nnlint.lazy import regex
from nnlint.operations import FOREIGN, TRANSPARENT
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite, External, FunctionNode, Module, node_at
from nnlint.static.usual_names import is_torch_without_imports
from nnlint.values import (
    Constant,
    Data,
    Either,
    Entries,
    Instance,
    Items,
    Loader,
    Site,
    Value,
    elements,
)

EVALUATES = frozenset(
    "eval evaluate evaluation evaluator test testing tester valid validate validation val vali predict prediction predictions "
    "predictor infer inference accuracy".split()
)
TRAINS = TRAINING | frozenset("trainer pretrain finetune fit learn update optimize".split())
ACTS = frozenset("act action actions play rollout explore episode policy".split())
LOSSES = frozenset({"loss", "losses", "criterion"})
HOOK = regex(
    r"^(on_)?(validation|val|valid|test|predict|prediction|eval|evaluation)_(step|forward|epoch_end|batch)|"
    r"^(simple|aug|forward)_test$"
)
"""Methods that a framework calls, with gradients and training mode off: Lightning, Trainer, composer, mmengine, mmcv."""

TORCH = regex(
    r"^[ \t]*(?:from[ \t]+\S+[ \t]+import[ \t]+\*|(?:import|from)[ \t]+(?:[\w.]+,[ \t]*)*"
    r"(?:torch\w*|pytorch\w*|lightning|transformers|timm|diffusers|accelerate|fastai|monai|mmcv|mmengine|catalyst|ignite|skorch|dgl)\b)",
    re.MULTILINE,
)
"""What a module imports whose networks are torch's."""

NAMED_NETWORK = regex(r"^(?:net|network|model)$", re.I)
REGISTERS = frozenset({"register_module", "register_criterion"})
"""Decorators that make a class known to a runner."""

MOST_FOLLOWED = 400
MOST_PARTS = 5


@dataclass(frozen=True)
class Evaluation:
    """A call of a network whose output is never differentiated, and what speaks for an evaluation.

    `context` is what the nearest function with a telling name does: "evaluation", "training", "both" or "" (none does).
    `held_out` says that the inputs come from test or validation data, `measured` that the output is compared with an answer,
    `returned` that it is given, graph and all, to a caller that is not known, `shared` that the place trains in another call,
    `apart` that it stands in a loop, not before a step of the same pass, `afterwards` that it comes after all loops in which the
    network is trained. `at` is the place of the call: where it stands in a method of the network's own, the place of the call
    of that method. `asked_at` is where a helper that is `shared` is called to evaluate, and not to train.
    """

    call: ModelCalled
    at: Site
    context: str
    held_out: bool
    measured: bool
    returned: bool
    shared: bool
    apart: bool
    afterwards: bool
    function: FunctionNode | None
    asked_at: CodeSite | None = None

    @property
    def in_loop(self) -> bool:
        """Whether it stands in a loop."""
        return bool(self.call.iterations)


def evaluations(run: Run) -> Iterator[Evaluation]:
    """The calls of trained or loaded networks that no backward pass follows, in order. None where that cannot be known."""
    yield from run.remember("evaluations", run, _evaluations)


def one_of_each(run: Run, is_faulty: Callable[[Evaluation], bool]) -> Iterator[Evaluation]:
    """The evaluations that are faulty; of the arms of a helper that training shares, the first: they have one fault."""
    first: dict[tuple[int, int], object] = {}
    for evaluation in evaluations(run):
        at, model = evaluation.call.at, id(evaluation.call.model)
        if not is_faulty(evaluation):
            continue
        if (
            evaluation.shared
            and isinstance(at, CodeSite)
            and first.setdefault((id(at.function), model), at.node) is not at.node
        ):
            continue
        yield evaluation


def _evaluations(run: Run) -> tuple[Evaluation, ...]:
    if run.cut_short or not any(run.events(ModelCalled)):
        return ()
    differentiated = behind_all_losses(run)
    return () if differentiated is None else tuple(_Reader(run, differentiated).evaluations())


class _Reader:
    """What one run says about its calls of networks."""

    def __init__(self, run: Run, differentiated: set[int]) -> None:
        self.run = run
        self.differentiated = differentiated
        self.learned = learned_in(run)
        self.returned = {
            id(data)
            for result in run.results
            for value in (result, *_held_in(result))
            for data in ancestors(value, stop=cuts_graph)
            if not cuts_graph(data)
        }
        self.kept = {id(each) for event in run.events(Accumulated) for each in elements(event.value)}
        self.losses = {id(event.value) for event in run.events(LossComputed)}
        self.calls = [call for call in run.events(ModelCalled) if self._trains(call)]
        self.training: dict[object, set[object]] = {}
        for call in self.calls:
            self.training.setdefault(node_at(call.at), set()).update(map(node_at, call.calls))
        self.training_calls = {id(call) for call in self.calls}
        self.places: dict[int, set[object]] = {}
        for call in run.events(ModelCalled):
            self.places.setdefault(id(call.model), set()).add(node_at(call.at))
        self.trained = self._trained()
        self.tries_losses = not any(any(run.events(kind)) for kind in (Backward, OptimizerMade, OptimizerStepped))
        self.last_steps = {step.iterations: step.order for step in run.events(OptimizerStepped)}

    def _trains(self, call: ModelCalled) -> bool:
        """Whether the output is behind a backward pass."""
        outputs = (each for each in elements(call.output) if isinstance(each, Data))  # every None is the same one
        return any(id(output) in self.differentiated for output in outputs)

    def evaluations(self) -> Iterator[Evaluation]:
        for call in self.run.events(ModelCalled):
            outputs = [each for each in elements(call.output) if isinstance(each, Data)]
            if (
                not outputs
                or _is_foreign(self.run, call)
                or id(call) in self.training_calls
                or not is_learned(self.run, call.model, self.learned)
                or is_asked_about_made_up(self.run, call)
                or _is_hook(self.run, call)
                or _is_made(users(self.run), outputs)
            ):
                continue
            context, function = _context(call)
            fate = fate_of(users(self.run), outputs)
            shared = node_at(call.at) in self.training
            at = _place(self.run, call, shared)
            held_out, measured = _is_held_out(call) or _is_picked_out(fate), is_measured(fate, self.losses)
            if (
                context != "acting"
                and not is_action(fate, self.kept)
                and self.is_used(call, outputs, fate)
                and not (self.tries_losses and _is_in_loss(call))
                and not plays(call, at)
                and (held_out or measured or not teaches(call))
            ):
                yield Evaluation(
                    call,
                    at,
                    context,
                    held_out=held_out,
                    measured=measured,
                    returned=any(id(output) in self.returned for output in outputs),
                    shared=shared,
                    apart=self._is_apart(call),
                    afterwards=not self.run.symbolic and self._is_afterwards(call),
                    function=function,
                    asked_at=self._asked_at(call),
                )

    def _asked_at(self, call: ModelCalled) -> CodeSite | None:
        """The innermost of the calls that lead to a shared one, and to none that trains."""
        trains = self.training.get(node_at(call.at))
        if trains is None:
            return None
        sites = (
            site for site in reversed(call.calls) if isinstance(site, CodeSite) and isinstance(site.node, ast.Call)
        )
        return next((site for site in sites if site.node not in trains), None)

    def is_used(self, call: ModelCalled, outputs: list[Data], fate: list[Data]) -> bool:
        """Whether anybody asks for the numbers: a dry run, or a look at the shape, evaluates nothing.

        A network that is only given its own state again does not ask.
        """
        own = self.places[id(call.model)]
        uses = users(self.run)
        return any(not _is_of_calls(data, own) and not _is_only_measured(uses, data) for data in fate) or any(
            id(output) in self.returned or id(output) in self.kept for output in outputs
        )

    def _is_afterwards(self, call: ModelCalled) -> bool:
        last, loops = self.trained.get(id(call.model), (call.order, ()))
        return last < call.order and not any(id(iteration.loop) in loops for iteration in call.iterations)

    def _trained(self) -> dict[int, tuple[int, set[int]]]:
        """When each network is last called for training, and the loops around all such calls, by its identity."""
        found: dict[int, tuple[int, set[int]]] = {}
        for call in self.calls:
            loops = found.setdefault(id(call.model), (0, set()))[1]
            loops.update(id(iteration.loop) for iteration in call.iterations)
            found[id(call.model)] = (call.order, loops)
        return found

    def _is_apart(self, call: ModelCalled) -> bool:
        return bool(call.iterations) and self.last_steps.get(call.iterations, 0) <= call.order


def _is_only_measured(uses: Users, data: Data) -> bool:
    """Whether a part of the answer is taken, and nothing is asked of it but its size: `model(x)["prediction"].size()`."""
    for _ in range(MOST_PARTS):
        following = uses.of(data) if data.operation in TRANSPARENT or data.operation == "attribute" else []
        if not following or len(following) > 1:
            return False
        if only_looks(following[0]):
            return True
        data = following[0]
    return False


def _is_of_calls(data: Data, nodes: set[object]) -> bool:
    """Whether the data are the output of one of these calls of a network, or were made inside of it."""
    return any(site is not None and node_at(site) in nodes for site in (data.at, *data.calls))


def _held_in(result: Value) -> Iterator[Value]:
    """What the objects hold that are returned, a filter's new state, say; nothing of what networks hold."""
    for each in elements(result):
        if isinstance(each, Instance):
            yield from values_inside(each)


def _is_made(uses: Users, outputs: list[Data]) -> bool:
    """Whether the answer goes by the name of a network: what was called has made it, a class that a getter gave, say."""
    moved = (user for output in outputs for user in uses.of(output) if user.operation == "to")
    return any(NAMED_NETWORK.search(data.bound) is not None for data in (*outputs, *moved))


def _is_foreign(run: Run, call: ModelCalled) -> bool:
    """Whether the call is one of another framework, or of one that is written by hand: its words are torch's, not its rules."""
    if not isinstance(call.at, CodeSite):
        return False
    if run.remember("foreign", call.at.module, _imports_another):
        return True
    modules = [site.module for site in (call.at, *call.calls) if isinstance(site, CodeSite)]
    if isinstance(call.model, Instance):
        modules += [cls.module for cls in call.model.cls.lineage()]
    return not any(run.remember("speaks of torch", module, _speaks_of_torch) for module in modules)


def _speaks_of_torch(module: Module) -> bool:
    return TORCH.search(module.source.text) is not None or is_torch_without_imports(module)


def _imports_another(module: Module) -> bool:
    roots = {value.name.partition(".")[0] for value in module.names.values() if isinstance(value, External)}
    return bool(roots & FOREIGN) and "torch" not in roots


def _place(run: Run, call: ModelCalled, shared: bool) -> Site:
    """Where the network is called from outside: not in its own methods, if their caller is known.

    A method of its own in which it calls itself is the place, unless training comes through it, too.
    """
    sites: list[Site] = [*call.calls[run.symbolic :], call.at]
    within = call.within
    if not isinstance(within, Instance) or (within is call.model and not shared):
        return call.at
    outside = list(takewhile(lambda site: not _stands_in(site, within), sites))
    return outside[-1] if outside else call.at


def _stands_in(site: Site, network: Instance) -> bool:
    if not isinstance(site, CodeSite) or site.function is None:
        return False
    return any(
        cls.module is site.module and cls.node.lineno <= site.function.lineno <= (cls.node.end_lineno or 0)
        for cls in network.cls.lineage()
    )


def switched_here(run: Run, call: ModelCalled, earlier: Iterable[tuple[int, tuple[object, ...]]]) -> bool:
    """Whether one of the earlier events (order and calls) belongs to the same entry as the call, in a symbolic run."""
    if not run.symbolic:
        return True
    root = call.calls[:1]
    return any(order < call.order and calls[:1] == root for order, calls in earlier)


def trains_inside(run: Run, site: CodeSite, within: ast.AST) -> bool:
    """Whether anything is differentiated or stepped in a statement or function of the site's module, or in what it calls."""
    first, last = getattr(within, "lineno", 0), getattr(within, "end_lineno", 0) or 0
    lines = run.remember("training lines", run, _training_lines).get(id(site.module), [])
    at = bisect_left(lines, first)
    return at < len(lines) and lines[at] <= last


def _training_lines(run: Run) -> dict[int, list[int]]:
    """The lines on which anything is differentiated or stepped, in order, by the identity of their module."""
    found: dict[int, set[int]] = {}
    for kind in (Backward, OptimizerStepped):
        for event in run.events(kind):
            for each in (event.at, *event.calls):
                if isinstance(each, CodeSite):
                    found.setdefault(id(each.module), set()).add(getattr(each.node, "lineno", 0))
    return {module: sorted(lines) for module, lines in found.items()}


# What the surroundings say


def _context(call: ModelCalled) -> tuple[str, FunctionNode | None]:
    for function in reversed(functions_around(call)):
        words = words_of(function.name) if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) else set()
        evaluates, trains = bool(words & EVALUATES), bool(words & TRAINS)
        if chooses_action(words):
            return "acting", function
        if evaluates and trains:
            return "both", function
        if evaluates or trains:
            return ("evaluation" if evaluates else "training"), function
        if words & ACTS:
            return "acting", function
    return "", None


def functions_around(call: ModelCalled) -> list[FunctionNode]:
    """The functions that are running when the network is called, outermost first."""
    sites = [*call.calls, call.at]
    return [site.function for site in sites if isinstance(site, CodeSite) and site.function is not None]


def words_of(name: str) -> set[str]:
    """The words of a name in snake or camel case, in lower case."""
    return set(identity.words_of(name))


def _is_in_loss(call: ModelCalled) -> bool:
    """Whether a loss that is an object asks the network, by the name of its class or method, and no data set is gone through:
    where nothing is trained, the loss is tried out."""
    if not all(isinstance(each.loop.over, Data) and each.loop.over.operation == "range" for each in call.iterations):
        return False
    if isinstance(call.within, Instance) and LOSSES & words_of(call.within.cls.node.name):
        return True
    named = (each for each in functions_around(call) if LOSSES & words_of(getattr(each, "name", "")))
    return any(each.args.args and each.args.args[0].arg == "self" for each in named)


def _is_hook(run: Run, call: ModelCalled) -> bool:
    """Whether a framework calls the function around, in its own way, or any method of a model that is registered with it."""
    around = functions_around(call)
    if not run.symbolic or not around:
        return False
    return HOOK.match(getattr(around[0], "name", "")) is not None or _is_registered(call.at)


def _is_registered(site: Site) -> bool:
    """Whether a method of a class stands there that a runner knows: OpenMMLab's and fairseq's validate without recording."""
    function = site.function if isinstance(site, CodeSite) else None
    if not isinstance(site, CodeSite) or function is None:
        return False
    around = (each for each in site.module.tree.body if isinstance(each, ast.ClassDef) and function in each.body)
    decorators = (each.func if isinstance(each, ast.Call) else each for cls in around for each in cls.decorator_list)
    return any(getattr(each, "attr", getattr(each, "id", "")) in REGISTERS for each in decorators)


def _is_held_out(call: ModelCalled) -> bool:
    pending: list[Value] = list(call.inputs)
    seen: set[int] = set()
    while pending and len(seen) < MOST_FOLLOWED:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, (Items, Either, Entries)):
            pending.extend(values_inside(current))
        elif isinstance(current, Loader):
            if is_held_out_name(current.bound) or ABBREVIATED.match(current.bound):
                return True
            if is_passed_as_held_out(call, current.bound):
                return True
            pending.extend([current.dataset] if current.dataset is not None else [])
        elif isinstance(current, External):
            if is_held_out_name(current.name.rpartition(".")[2]):
                return True
        elif isinstance(current, Data):
            if _says_held_out(current):
                return True
            if current.operation == "argument" and is_passed_as_held_out(call, current.name):
                return True
            pending.extend(current.inputs[:1] if current.operation in ("to", "output") else current.inputs)
    return False


def _is_picked_out(fate: list[Data]) -> bool:
    """Whether rows of test or validation data are picked from the output: `output[idx_val]`, `scores[data.test_mask]`."""
    keys = [data.inputs[1] for data in fate if data.operation == "index" and len(data.inputs) > 1]
    parts = (each for key in keys for each in elements(key) if isinstance(each, Data))
    return any(_says_held_out(each) and not _says_what_counts(each) for each in parts)


def _says_what_counts(key: Data) -> bool:
    """Whether a key tells by its numbers which entries are valid: `valid = labels != -100`."""
    return words_of(key.bound) & HELD_OUT == {"valid"} and any(
        each.operation == "compare" for each in ancestors(key, stop=lambda data: data.operation == "compare")
    )


def _says_held_out(data: Data) -> bool:
    train = data.options.get("train")
    if isinstance(train, Constant) and train.value is False:
        return True
    name = data.bound or (data.name if data.operation in ("argument", "name", "attribute") else "")
    if words_of(name) & TRAINS:
        return False
    return data.operation == "test split" or is_held_out_name(name)
