"""Contents for missing files: tables with the columns that the script names, texts, arrays."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np
import torch

from nnlint.verify.child.stand_ins import plausible, synthetic
from nnlint.verify.child.stand_ins.ledger import ledger

OPEN = open
ROWS, RECORDS = 1500, 300
FEWEST_COLUMNS = 3
"""With fewer, a file of numbers hardly has inputs and a target."""

TIMES = re.compile(r"date|time|day|month|year", re.I)
CLASSES = re.compile(r"label|class|target|species|categor|survived|outcome|sentiment", re.I)
TEXTS = re.compile(r"text|sentence|review|comment|question|tweet|title|content|message", re.I)
TARGET = "y"
"""The last column of a table of which the script names no columns."""

BINARY_LOSSES = frozenset("BCELoss BCEWithLogitsLoss binary_cross_entropy binary_cross_entropy_with_logits".split())
CLASS_LOSSES = frozenset("CrossEntropyLoss NLLLoss cross_entropy nll_loss".split())
TRAINING_WORDS = frozenset(
    "loss acc accuracy train val test valid params lr state_dict optimizer model epoch x y image images labels".split()
)
"""Subscripts that speak of a dictionary of the script's own rather than of a column."""


def columns() -> list[str]:
    """The columns that the script's tables should have; numbered ones where it names none."""
    named = [name for name in ledger.hints.columns() if len(name) < 40 and name.lower() not in TRAINING_WORDS]
    least = min(ledger.hints.columns_by_place(), 2000)
    if len(named) >= 2 or (named and not ledger.hints.features()):
        return [*(f"x{i}" for i in range(least - len(named))), *named]
    count = max(min(ledger.hints.features() or 8, 2000), least - 1)
    return [*named, *(f"x{i}" for i in range(count - len(named))), TARGET]


def table(path: str = "") -> dict[str, synthetic.Array]:
    """Columns by name: dates, texts, classes and series, by what their names say; the last is a function of the others."""
    names = columns()
    numeric = [name for name in names if not (TIMES.search(name) or CLASSES.search(name) or TEXTS.search(name))]
    waves = synthetic.series(2 * ROWS, max(1, len(numeric)))[ROWS:] if _is_held_out(path) else _waves(len(numeric))
    classes = 2 if ledger.hints.uses(BINARY_LOSSES) else ledger.hints.classes() or 2
    labels = synthetic.labels(ROWS, min(classes, 50))
    waves += labels[:, None] * np.linspace(3, 6, waves.shape[1])
    found: dict[str, synthetic.Array] = dict(zip(numeric, waves.round(4).T, strict=False))
    start = np.datetime64("2020-01-01")
    for name in names:
        if TIMES.search(name):
            found[name] = (start + np.arange(ROWS)).astype(str)
        elif TEXTS.search(name):
            found[name] = np.array([synthetic.sentence(i, int(label)) for i, label in enumerate(labels)], dtype=object)
        elif CLASSES.search(name):
            found[name] = labels
    if names[-1] == TARGET and ledger.hints.uses(BINARY_LOSSES | CLASS_LOSSES):
        found[TARGET] = labels
    return {name: found[name] for name in names}


HELD_OUT = re.compile(r"(^|[^a-z])(test|valid|val|validation|eval|dev|holdout|held_?out)([^a-z]|$)", re.I)


def _is_held_out(path: str) -> bool:
    """Whether a file has the name of the part that is held out: its samples are others, of the same kind."""
    return HELD_OUT.search(os.path.basename(path)) is not None


def _waves(count: int) -> synthetic.Array:
    return synthetic.series(ROWS, max(1, count))


def rows_of_numbers() -> Any:
    """The columns of numbers as a tensor, a sample in each row."""
    held = np.stack([column for column in table().values() if column.dtype.kind in "if"], 1)
    return torch.from_numpy(held.astype(np.float32))


def rows() -> list[dict[str, Any]]:
    """The table as records."""
    held = {name: column[:RECORDS].tolist() for name, column in table().items()}
    return [dict(zip(held, row, strict=True)) for row in zip(*held.values(), strict=True)]


def settings() -> dict[str, Any]:
    """A plausible value for every name that the script's subscripts use, nested as they are."""
    found: dict[str, Any] = {}
    for keys in ledger.hints.nested_keys():
        held = found
        for key in keys[:-1]:
            if not isinstance(held.get(key), dict):
                held[key] = {}
            held = held[key]
        held.setdefault(keys[-1], plausible.setting(keys[-1]))
    return found


def separated(path: str, separator: str = ",") -> str:
    """The table as text, with a head line."""
    held = table(path)
    lines = [separator.join(held), *(separator.join(map(str, row)) for row in zip(*held.values(), strict=True))]
    return "\n".join(lines) + "\n"


def numbers(separator: str) -> str:
    """The columns of numbers as text, without a head line."""
    held = [column for column in table().values() if column.dtype.kind in "if"]
    if len(held) < FEWEST_COLUMNS:
        held = list(synthetic.series(ROWS, FEWEST_COLUMNS).round(4).T)
    return "\n".join(separator.join(map(str, row)) for row in zip(*held, strict=True)) + "\n"


PAIRS = re.compile(
    r"(^|[^a-z])(eng?|de|fra?|es|zh|cmn|src|source)[-_](eng?|de|fra?|es|zh|cmn|tgt|target)([^a-z]|$)", re.I
)
SHORT = 4
TRAINING_SEED, HELD_OUT_SEED = 23, 24
OF_MANY, LINES_OF_MANY = re.compile(r"class\d+_\d+"), 5
"""A file of a folder that is stood in for, and how many lines it has: there are many such files."""

NODES, WORDS_OF_NODE, CITED = 2708, 50, 2
"""As many nodes as Cora has, as scripts divide them by these numbers; fewer words."""


def _pair(index: int) -> str:
    """A short sentence, a tab, and its words in the opposite order; short as those that are learned by are."""
    words = synthetic.sentence(index, length=SHORT)
    return f"i am {words} .\t{' '.join(words.split()[::-1])} ."


def text(path: str) -> str:
    """A text in a made-up grammar, or pairs of sentences where the file's name is of two languages."""
    if PAIRS.search(path.rsplit("/", 1)[-1]):
        return "\n".join(_pair(i) for i in range(ROWS)) + "\n"
    count = LINES_OF_MANY if OF_MANY.match(path.rsplit("/", 1)[-1]) else ROWS
    return "\n".join(synthetic.sentence(i) for i in range(count)) + "\n"


def _cited(path: str) -> list[int]:
    """The papers that the file of citations beside this one speaks of, where it is there."""
    beside = f"{os.path.splitext(path)[0]}.cites"
    if not os.access(beside, os.R_OK):
        return []
    with OPEN(beside) as stream:
        return sorted({int(word) for word in stream.read().split() if word.isdigit()})


def nodes(path: str) -> str:
    """Papers as Cora has them: a number, a mark for each word that occurs, and the name of a class."""
    papers = _cited(path) or list(range(NODES))
    labels = synthetic.labels(len(papers), len(SUBJECTS))
    likely = np.random.default_rng(43).random((len(SUBJECTS), WORDS_OF_NODE)) ** 3
    marks = (np.random.default_rng(44).random((len(papers), WORDS_OF_NODE)) < likely[labels]).astype(int)
    rows = zip(papers, marks, labels, strict=True)
    return "\n".join("\t".join([str(i), *map(str, row), SUBJECTS[label]]) for i, row, label in rows) + "\n"


def citations() -> str:
    """Pairs of papers, of the same class."""
    labels = synthetic.labels(NODES, len(SUBJECTS))
    random = np.random.default_rng(45)
    of_class = [np.flatnonzero(labels == label) for label in range(len(SUBJECTS))]
    pairs = [(i, random.choice(of_class[label])) for i, label in enumerate(labels) for _ in range(CITED)]
    return "\n".join(f"{first}\t{second}" for first, second in pairs) + "\n"


SUBJECTS = (
    "Case_Based",
    "Genetic_Algorithms",
    "Neural_Networks",
    "Probabilistic_Methods",
    "Rule_Learning",
    "Theory",
    "Other",
)


def series_in_rows() -> synthetic.Array:
    """A hundred waves of a thousand points."""
    phases = np.random.default_rng(41).integers(-80, 80, (100, 1))
    result: synthetic.Array = np.sin((np.arange(1000)[None] + phases) / 20.0).astype(np.float64)
    return result


def array(path: str) -> synthetic.Array:
    """Labels or inputs, by the file's name."""
    name = path.rsplit("/", 1)[-1]
    features, classes = ledger.hints.features() or 8, ledger.hints.classes() or 10
    seed = HELD_OUT_SEED if _is_held_out(path) else TRAINING_SEED
    inputs, labels = synthetic.clusters(ROWS, features, classes, seed)
    return labels if re.search(r"label|target|kinds|classes|species|(^|_)y", name, re.I) else inputs.astype(np.float32)
