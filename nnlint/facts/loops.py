"""What a loop counts: epochs, batches, or trials that each hold a training of their own."""

from __future__ import annotations

import ast

from nnlint.events import Loop
from nnlint.lazy import regex
from nnlint.records import replace
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Items, Loader, Site, Value

WORD = regex(r"[a-z]+")
WITHIN_EPOCH = regex(r"(?:per|in|each)_epoch|epoch_(size|len|length|steps?|iters?|batches)")
EPOCHS = frozenset("epoch epochs ep eps epi episode episodes nepoch nepochs iepoch".split())
BATCHES = frozenset("batch batches minibatch minibatches loader dataloader trainloader iterator dataset batchs".split())
TRIALS = frozenset(
    "fold folds kfold kf skf cv trial trials seed seeds run runs task tasks phase phases stage stages split splits "
    "client clients member members ensemble layer layers config configs grid hyper subjects domains datasets experiment "
    "experiments repeat repeats models nets agents cycle cycles lr lrs rates wd wds optimizers method methods session "
    "sessions loaders shapes attempt attempts restart restarts scenario scenarios meta maml product rep reps "
    "repetition repetitions".split()
)
"""Words of loops whose passes are trainings of their own: what is made in one belongs to it."""

REPEATED = frozenset("rep reps repeat repetition trial seed fold".split())
"""Names of what counts such a loop, whatever the number of its passes is called."""

VIEWS = frozenset({"enumerate", "progress", "iter", "list", "zip", "reversed"})
PORTIONS = frozenset({"split", "batch"})


def header_of(loop: Loop) -> Site:
    """What to show of a loop: of a `while` its condition, as all of its lines are too many."""
    node = loop.at.node if isinstance(loop.at, CodeSite) else None
    return (
        replace(loop.at, node=node.test) if isinstance(node, ast.While) and isinstance(loop.at, CodeSite) else loop.at
    )


def words_in(loop: Loop) -> frozenset[str]:
    """The words of the loop's header."""
    return frozenset(WORD.findall(WITHIN_EPOCH.sub("", loop.words)))


def counts_epochs(loop: Loop) -> bool:
    """Whether a pass of the loop is called an epoch, or an episode: not where it is a trial, `for rep in range(epochs)`."""
    return bool(words_in(loop) & EPOCHS) and not _counts_repetitions(loop)


def _counts_repetitions(loop: Loop) -> bool:
    statement = loop.at.statement if isinstance(loop.at, CodeSite) else None
    target = statement.target if isinstance(statement, (ast.For, ast.AsyncFor)) else None
    return isinstance(target, ast.Name) and bool(REPEATED.intersection(WORD.findall(target.id.lower())))


def counts_trials(loop: Loop) -> bool:
    """Whether a pass of the loop is called a fold, a task, a phase, ..."""
    return not counts_epochs(loop) and not isinstance(_drawn_from(loop), Loader) and bool(words_in(loop) & TRIALS)


def draws_batches(loop: Loop) -> bool:
    """Whether a pass of the loop takes the next part of a data set."""
    over = _drawn_from(loop)
    if isinstance(over, Loader) or _holds_batches(over):
        return True
    if isinstance(over, Data) and (over.operation in PORTIONS or (over.operation == "range" and len(over.inputs) == 3)):
        return True
    return bool(words_in(loop) & BATCHES)


def _holds_batches(over: Value | None) -> bool:
    """Whether it is a list of inputs with their targets."""
    if not isinstance(over, Items) or not over.items:
        return False
    return all(isinstance(each, Items) and len(each.items) > 1 and _are_data(each) for each in over.items[:4])


def _are_data(pair: Items) -> bool:
    return all(isinstance(part, Data) for part in pair.items)


def is_over_choices(loop: Loop) -> bool:
    """Whether the loop goes through a list that is written out: rates to try, phases, architectures."""
    over = _drawn_from(loop)
    return isinstance(over, Items) and not over.open


def _drawn_from(loop: Loop) -> Value | None:
    over = loop.over
    while isinstance(over, Data) and over.operation in VIEWS and over.inputs:
        over = over.inputs[0]
    return over
