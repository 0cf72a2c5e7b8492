"""What becomes of the answer of a network: what is made of it, and whether that measures it."""

from __future__ import annotations

import re
from functools import partial

from nnlint.events import ModelCalled, Run
from nnlint.facts.users import Users, users
from nnlint.graph import only_looks
from nnlint.lazy import regex
from nnlint.values import Data, elements

METRIC = regex(
    r"accuracy|f1|precision|recall|auc|iou|dice|score|psnr|ssim|bleu|rouge|mse|mae|rmse|r2|perplexity|confusion|metric",
    re.I,
)
PICKS = frozenset({"argmax", "topk", "max", "round", "compare", "index"})
DISTANCES = frozenset({"power", "abs", "square", "norm"})
TESTS_IDENTITY = frozenset({"Is", "IsNot"})
MOST_FOLLOWED = 400


def fate_of(uses: Users, outputs: list[Data]) -> list[Data]:
    """The data that were made from these, nearest first. An output of which only the size is asked is no evaluation."""
    pending, found = list(outputs), dict[int, Data]()
    while pending and len(found) < MOST_FOLLOWED:
        current = pending.pop(0)
        for user in uses.of(current):
            if id(user) not in found and not only_looks(user) and user.operation != "length":
                found[id(user)] = user
                pending.append(user)
    return list(found.values())


def answers_meet(run: Run, first: ModelCalled, second: ModelCalled) -> bool:
    """Whether something is made of the answers of both calls: of prototypes, say, and of rows that are compared with them."""
    fates = [run.remember("what is made of answers", call, partial(_made_of_answers, run)) for call in (first, second)]
    return not fates[0].isdisjoint(fates[1])


def _made_of_answers(run: Run, call: ModelCalled) -> frozenset[int]:
    outputs = [each for each in elements(call.output) if isinstance(each, Data)]
    return frozenset(id(each) for each in fate_of(users(run), outputs))


def is_measured(fate: list[Data], losses: set[int]) -> bool:
    """Whether the answer is compared with what is right, by a loss, a metric or by hand: to ask whether it is there at all
    compares nothing."""
    operations = {data.operation for data in fate if data.name not in TESTS_IDENTITY}
    if any(id(data) in losses for data in fate):
        return True
    if "compare" in operations and operations & (PICKS - {"compare"}):
        return True
    if operations & DISTANCES and _is_subtracted(fate):
        return True
    return any(data.operation in ("call", "method") and METRIC.search(data.name) for data in fate)


def _is_subtracted(fate: list[Data]) -> bool:
    """Whether it is compared with something else by a difference: not only its largest number with its smallest."""
    made = {id(data) for data in fate}
    return any(data.operation == "subtract" and not all(id(each) in made for each in data.inputs) for data in fate)
