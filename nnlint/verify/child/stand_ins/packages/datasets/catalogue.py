"""Which columns the data sets of well-known names have, and their classes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnlint.verify.child.stand_ins import synthetic, tables
from nnlint.verify.child.stand_ins.ledger import ledger
from nnlint.verify.child.stand_ins.pictures import picture

ROWS = {"train": 1024, "validation": 256, "test": 256}
LENGTH = 16


@dataclass(frozen=True)
class Kind:
    """Columns by role: texts, a class of so many, images of a shape; `other` makes a column from index and class."""

    texts: tuple[str, ...] = ("text",)
    label: str = "label"
    classes: int = 2
    image: str = ""
    shape: tuple[int, int, int] = (32, 32, 3)
    other: str = ""


def _texts(names: str, classes: int = 2, label: str = "label", other: str = "") -> Kind:
    return Kind(tuple(names.split()), label, classes, other=other)


def _images(image: str, classes: int, shape: tuple[int, int, int], label: str = "label") -> Kind:
    return Kind((), label, classes, image, shape)


KINDS: tuple[tuple[str, Kind], ...] = (
    (r"fashion_mnist|mnist", _images("image", 10, (28, 28, 1))),
    (r"cifar100", _images("img", 100, (32, 32, 3), "fine_label")),
    (r"cifar10", _images("img", 10, (32, 32, 3))),
    (r"beans", _images("image", 3, (64, 64, 3), "labels")),
    (r"food101|imagenet|oxford|cats_vs_dogs|pokemon|butterfl", _images("image", 10, (64, 64, 3))),
    (r"stsb|stsb_multi|sts-?b", _texts("sentence1 sentence2", 0)),
    (r"mrpc|rte|wnli|paws", _texts("sentence1 sentence2", 2)),
    (r"qqp", _texts("question1 question2", 2)),
    (r"qnli", _texts("question sentence", 2)),
    (r"mnli|snli|xnli|anli", _texts("premise hypothesis", 3)),
    (r"sst2|sst|cola", _texts("sentence", 2)),
    (r"ag_news", _texts("text", 4)),
    (r"yelp_review_full|amazon_reviews", _texts("text", 5)),
    (r"dbpedia", _texts("title content", 14)),
    (r"trec", _texts("text", 6, "coarse_label")),
    (r"emotion", _texts("text", 6)),
    (r"tweet_eval", _texts("text", 3)),
    (r"banking77", _texts("text", 77)),
    (r"squad", _texts("title context question", 0, "", "answers")),
    (r"conll2003|wnut|ncbi", Kind((), "", 9, other="tags")),
    (r"wikitext|bookcorpus|openwebtext|wikipedia|tiny_?shakespeare|tinystories|c4|the_pile", _texts("text", 0, "")),
    (r"opus|wmt|kde4|iwslt|multi30k|translation", Kind((), "", 0, other="translation")),
    (r"cnn_dailymail", _texts("article highlights", 0, "")),
    (r"xsum", _texts("document summary", 0, "")),
    (r"samsum", _texts("dialogue summary", 0, "")),
    (r"gsm8k|squad_qa", _texts("question answer", 0, "")),
    (r"alpaca|dolly|instruct", _texts("instruction input output", 0, "")),
    (r"imdb|rotten_tomatoes|yelp_polarity|amazon_polarity|.*", _texts("text", 2)),
)
TAGS = "O B-PER I-PER B-ORG I-ORG B-LOC I-LOC B-MISC I-MISC".split()


def kind_of(name: str) -> Kind:
    """What the data set of a name, with that of its configuration, holds."""
    return next(kind for pattern, kind in KINDS if re.search(pattern, name.lower()))


def columns_of(kind: Kind, split: str) -> dict[str, list[Any]]:
    """The columns of one split."""
    part = list(ROWS).index(split) if split in ROWS else 0
    count, first = ROWS.get(split, ROWS["test"]), 10_000 * part
    labels = synthetic.labels(count, max(kind.classes, 2), part)
    found: dict[str, list[Any]] = {}
    for place, name in enumerate(kind.texts):
        found[name] = [synthetic.sentence(first + 7 * i + place, int(label), LENGTH) for i, label in enumerate(labels)]
    if kind.image:
        sparse = kind.shape[2] == 1
        found[kind.image] = [
            picture(synthetic.image(int(label), first + i, kind.classes, kind.shape, sparse))
            for i, label in enumerate(labels)
        ]
    if kind.other:
        found |= OTHER[kind.other](found, [int(label) for label in labels], first)
    if kind.label:
        found[kind.label] = labels.tolist() if kind.classes else (labels * 4.0 + 0.5).tolist()
    if kind.texts or kind.other:
        found["idx" if kind.label else "id"] = list(range(count))
    return found


def _answers(found: dict[str, list[Any]], labels: list[int], first: int) -> dict[str, list[Any]]:
    """A word of each context."""
    words = [context.split()[label % LENGTH] for context, label in zip(found["context"], labels, strict=True)]
    starts = [context.index(word) for context, word in zip(found["context"], words, strict=True)]
    return {"answers": [{"text": [word], "answer_start": [start]} for word, start in zip(words, starts, strict=True)]}


def _tags(found: dict[str, list[Any]], labels: list[int], first: int) -> dict[str, list[Any]]:
    """Words, and for each a number that follows from it."""
    tokens = [synthetic.sentence(first + i, label, LENGTH).split() for i, label in enumerate(labels)]
    numbers = [[synthetic.WORDS.index(word) % len(TAGS) for word in row] for row in tokens]
    return {"tokens": tokens, "pos_tags": numbers, "chunk_tags": numbers, "ner_tags": numbers}


def _translation(found: dict[str, list[Any]], labels: list[int], first: int) -> dict[str, list[Any]]:
    """The same sentence in any language, the words in the opposite order for all but English."""
    texts = [synthetic.sentence(first + i, label, LENGTH) for i, label in enumerate(labels)]
    other = [" ".join(text.split()[::-1]) for text in texts]
    languages = ("de", "fr", "es", "it", "ro", "ru", "zh")
    return {
        "translation": [{"en": text} | dict.fromkeys(languages, back) for text, back in zip(texts, other, strict=True)]
    }


OTHER: dict[str, Callable[[dict[str, list[Any]], list[int], int], dict[str, list[Any]]]] = {
    "answers": _answers,
    "tags": _tags,
    "translation": _translation,
}
"""Columns that are neither texts nor classes."""


def columns_of_files() -> dict[str, list[Any]]:
    """The columns of a table or of texts of the user's."""
    if ledger.hints.columns():
        return {name: np.asarray(column).tolist() for name, column in tables.table().items()}
    return {"text": [synthetic.sentence(i) for i in range(ROWS["train"])]}
