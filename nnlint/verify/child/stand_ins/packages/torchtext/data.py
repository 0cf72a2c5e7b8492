"""Fields, examples and iterators, as torchtext had them before 0.9, and the tokenizers that it has since."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch

from nnlint.verify.child.stand_ins.packages.torchtext.vocab import Vocab


def get_tokenizer(tokenizer: Any = None, *rest: Any, **keywords: Any) -> Callable[[str], list[str]]:
    """A function that gives the words of a text."""
    return tokenizer if callable(tokenizer) else lambda text: text.lower().split()


class Field:
    """How a text becomes numbers."""

    is_label = False

    def __init__(self, **given: Any) -> None:
        self.given = given
        self.tokenize = get_tokenizer(given.get("tokenize"))
        self.init_token, self.eos_token = given.get("init_token"), given.get("eos_token")
        self.pad_token, self.unk_token = given.get("pad_token", "<pad>"), given.get("unk_token", "<unk>")
        self.batch_first, self.include_lengths = given.get("batch_first", False), given.get("include_lengths", False)
        self.dtype = given.get("dtype", torch.long)
        self.vocab: Any = None

    def build_vocab(self, *sources: Any, max_size: Any = None, min_freq: int = 1, **keywords: Any) -> None:
        """The words of these data sets; vectors are random."""
        counts: Counter[str] = Counter()
        for source in sources:
            for example in source:
                for name, field in source.fields.items():
                    if field is self:
                        counts.update([getattr(example, name)] if self.is_label else getattr(example, name))
        words = [word for word, count in counts.most_common(max_size) if count >= min_freq]
        specials = [] if self.is_label else [self.unk_token, self.pad_token, self.init_token, self.eos_token]
        self.vocab = Vocab(words, [special for special in specials if special])
        if keywords.get("vectors") is not None:
            width = int("".join(filter(str.isdigit, str(keywords["vectors"]).split(".")[-1])) or 100)
            self.vocab.vectors = torch.randn(len(self.vocab), width)

    def preprocess(self, text: Any) -> Any:
        """The words of a text."""
        return self.tokenize(text) if isinstance(text, str) else text

    def process(self, texts: list[Any], *rest: Any, **keywords: Any) -> Any:
        """A batch of numbers, and the lengths where they are wanted."""
        framed = [[word for word in (self.init_token, *text, self.eos_token) if word] for text in texts]
        length = max(map(len, framed))
        rows = [
            [self.vocab[word] for word in text] + [self.vocab[self.pad_token]] * (length - len(text)) for text in framed
        ]
        numbers = torch.tensor(rows) if self.batch_first else torch.tensor(rows).t().contiguous()
        return (numbers, torch.tensor([len(text) for text in framed])) if self.include_lengths else numbers


class LabelField(Field):
    """How a class becomes a number."""

    is_label = True

    def preprocess(self, text: Any) -> Any:
        """The class as it is."""
        return text

    def process(self, texts: list[Any], *rest: Any, **keywords: Any) -> Any:
        """A batch of numbers."""
        return torch.tensor([self.vocab[text] if self.vocab else float(text) for text in texts]).to(self.dtype)


class Examples(list[Any]):
    """Samples with fields."""

    def __init__(self, samples: Any, fields: dict[str, Any]) -> None:
        super().__init__(samples)
        self.fields, self.examples = fields, self

    def split(self, split_ratio: Any = 0.7, *rest: Any, **keywords: Any) -> tuple[Examples, Examples]:
        """Two parts."""
        share = split_ratio if isinstance(split_ratio, float) else split_ratio[0]
        count = int(share * len(self))
        return Examples(self[:count], self.fields), Examples(self[count:], self.fields)


class BucketIterator:
    """Batches of a data set in random order; the fields are attributes of a batch."""

    def __init__(self, dataset: Any, batch_size: int = 32, *rest: Any, **keywords: Any) -> None:
        self.dataset, self.batch_size, self.train = dataset, batch_size, keywords.get("train", True)
        self.sort_key = keywords.get("sort_key")

    @classmethod
    def splits(cls, datasets: Any, batch_size: int = 32, *rest: Any, **keywords: Any) -> tuple[BucketIterator, ...]:
        """One for each data set."""
        sizes = keywords.pop("batch_sizes", None) or [batch_size] * len(datasets)
        return tuple(cls(each, size) for each, size in zip(datasets, sizes, strict=True))

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        order = random.sample(range(len(self.dataset)), len(self.dataset)) if self.train else range(len(self.dataset))
        for start in range(0, len(order), self.batch_size):
            chosen = sorted(
                (self.dataset[i] for i in order[start : start + self.batch_size]), key=_length, reverse=True
            )
            held = {
                name: field.process([getattr(each, name) for each in chosen])
                for name, field in self.dataset.fields.items()
            }
            yield SimpleNamespace(batch_size=len(chosen), dataset=self.dataset, **held)


Iterator_ = BPTTIterator = BucketIterator


def _length(example: Any) -> int:
    return max((len(value) for value in vars(example).values() if isinstance(value, list)), default=0)


def made_splits(name: str, fields: Any, keywords: dict[str, Any]) -> tuple[Examples, ...]:
    """Training, validation and test data of a name; data sets of reviews have no validation data."""
    from nnlint.verify.child.stand_ins.packages.torchtext.datasets import CLASSES, PAIRS, rows_of

    given = list(keywords.get("fields") or fields)
    if name in PAIRS:
        names, pairs = ("src", "trg"), given[0] if isinstance(given[0], (tuple, list)) else given
    else:
        names, pairs = (
            ("label", "text"),
            [keywords.get("label_field") or given[-1], keywords.get("text_field") or given[0]],
        )
    known = dict(zip(names, pairs, strict=False))
    parts = []
    for split in ("train", "test") if name in CLASSES and name != "SST" else ("train", "valid", "test"):
        rows = [row if isinstance(row, tuple) else ("", row) for row in rows_of(name, split)]
        samples = [dict(zip(names, (str(value) for value in row), strict=True)) for row in rows]
        made = [
            SimpleNamespace(**{field: known[field].preprocess(value) for field, value in sample.items()})
            for sample in samples
        ]
        parts.append(Examples(made, known))
    return tuple(parts)


utils = SimpleNamespace(get_tokenizer=get_tokenizer)
functional = SimpleNamespace(to_map_style_dataset=list)
