"""Words and their numbers."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Any

import torch


class Vocab:
    """Numbers of words; a word that is not known has that of `<unk>`, where there is one."""

    def __init__(self, words: Any = (), specials: Iterable[str] = (), **keywords: Any) -> None:
        self.itos: list[str] = list(dict.fromkeys([*specials, *words]))
        self.stoi = {word: number for number, word in enumerate(self.itos)}
        self.default = self.stoi.get("<unk>", 0)
        self.vectors: Any = None

    def __len__(self) -> int:
        return len(self.itos)

    def __getitem__(self, word: str) -> int:
        return self.stoi.get(word, self.default)

    def __contains__(self, word: object) -> bool:
        return word in self.stoi

    def __call__(self, words: Iterable[str]) -> list[int]:
        return [self[word] for word in words]

    lookup_indices = forward = __call__

    def lookup_token(self, number: int) -> str:
        """The word of a number."""
        return self.itos[number]

    def lookup_tokens(self, numbers: Iterable[int]) -> list[str]:
        """The words of numbers."""
        return [self.itos[number] for number in numbers]

    def get_itos(self) -> list[str]:
        """All words."""
        return self.itos

    def get_stoi(self) -> dict[str, int]:
        """All numbers."""
        return self.stoi

    def set_default_index(self, number: int) -> None:
        """The number of unknown words."""
        self.default = number


def build_vocab_from_iterator(iterator: Iterable[Any], min_freq: int = 1, specials: Any = (), **keywords: Any) -> Vocab:
    """The vocabulary of texts that are lists of words."""
    counts = Counter(word for words in iterator for word in words)
    return Vocab([word for word, count in counts.most_common() if count >= min_freq], specials or ())


def vocab(ordered: OrderedDict[str, int], min_freq: int = 1, specials: Any = (), **keywords: Any) -> Vocab:
    """The vocabulary of counted words."""
    return Vocab([word for word, count in ordered.items() if count >= min_freq], specials or ())


class Vectors:
    """A random vector for each word."""

    def __init__(self, name: str = "6B", dim: int = 100, *rest: Any, **keywords: Any) -> None:
        self.dim = dim

    def get_vecs_by_tokens(self, tokens: Any, *rest: Any, **keywords: Any) -> torch.Tensor:
        """Their vectors."""
        return torch.randn(self.dim) if isinstance(tokens, str) else torch.randn(len(tokens), self.dim)


GloVe = FastText = CharNGram = Vectors
