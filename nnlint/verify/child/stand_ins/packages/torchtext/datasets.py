"""Data sets by name: pairs of a class and a text, of two sentences, or texts."""

from __future__ import annotations

from typing import Any

from nnlint.verify.child.stand_ins import synthetic
from nnlint.verify.child.stand_ins.ledger import stood_in

ROWS = {"train": 1024, "valid": 256, "test": 256}
CLASSES = {
    "IMDB": 2,
    "SST2": 2,
    "SST": 3,
    "AG_NEWS": 4,
    "YelpReviewPolarity": 2,
    "YelpReviewFull": 5,
    "AmazonReviewPolarity": 2,
    "DBpedia": 14,
    "SogouNews": 5,
    "TREC": 6,
    "YahooAnswers": 10,
}
TEXTS = ("WikiText2", "WikiText103", "PennTreebank")
PAIRS = ("Multi30k", "IWSLT2016", "IWSLT2017", "WMT14", "IWSLT")
FIRST_CLASS = 1
"""Classes are counted from one."""


def rows_of(name: str, split: str) -> list[Any]:
    """The samples of one split."""
    count, first = ROWS.get(split, 256), 10_000 * list(ROWS).index(split if split in ROWS else "train")
    if name in CLASSES:
        labels = synthetic.labels(count, CLASSES[name], first)
        return [(int(label) + FIRST_CLASS, synthetic.sentence(first + i, int(label))) for i, label in enumerate(labels)]
    texts = [synthetic.sentence(first + i, length=8) for i in range(count)]
    return texts if name in TEXTS else [(text, " ".join(text.split()[::-1])) for text in texts]


class Rows(list[Any]):
    """Samples in order, as a pipeline and as a data set."""

    def _same(self, *arguments: Any, **keywords: Any) -> Rows:
        return self

    shuffle = sharding_filter = batch = _same

    def map(self, function: Any, *rest: Any) -> Rows:
        """What a function makes of each."""
        return Rows(map(function, self))


class _Kind(type):
    def __call__(cls, *arguments: Any, split: Any = ("train", "test"), **keywords: Any) -> Any:
        """The splits that are asked for."""
        stood_in(f"data set {cls.__name__}")
        named = next((each for each in arguments if each in ROWS or isinstance(each, tuple)), split)
        found = [Rows(rows_of(cls.__name__, each)) for each in ([named] if isinstance(named, str) else named)]
        return found[0] if isinstance(named, str) else tuple(found)

    def splits(cls, *fields: Any, **keywords: Any) -> Any:
        """As before 0.9: splits whose samples have fields."""
        from nnlint.verify.child.stand_ins.packages.torchtext.data import made_splits

        stood_in(f"data set {cls.__name__}")
        return made_splits(cls.__name__, fields, keywords)


MADE = {name: _Kind(name, (), {}) for name in (*CLASSES, *TEXTS, *PAIRS)}
globals().update(MADE)
