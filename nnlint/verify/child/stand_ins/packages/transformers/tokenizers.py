"""A tokenizer that knows every word by a number, and a processor of images."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from nnlint.verify.child.stand_ins.pictures import resized

SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")
LONGEST = 64
"""Of longer texts only so many words are read: nothing is learned from more, and it would take long."""


class BatchEncoding(dict[str, Any]):
    """Lists or tensors by name, also as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def to(self, *arguments: Any, **keywords: Any) -> BatchEncoding:
        """The same, on a device."""
        return self

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """Which word each token is: each its own, but the special ones."""
        ids = self["input_ids"][batch_index] if _is_nested(self["input_ids"]) else self["input_ids"]
        words = [None if int(each) < len(SPECIAL) else place - 1 for place, each in enumerate(ids)]
        return list(words)


class Tokenizer:
    """Words to numbers; special tokens around them, padding behind."""

    pad_token, cls_token, sep_token, mask_token, unk_token = SPECIAL
    bos_token, eos_token = "[CLS]", "[SEP]"
    pad_token_id, cls_token_id, sep_token_id, mask_token_id, unk_token_id = range(5)
    bos_token_id, eos_token_id = 1, 2
    padding_side, model_max_length, is_fast, vocab_size = "right", LONGEST, True, 1000
    all_special_ids, all_special_tokens = list(range(5)), list(SPECIAL)

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.words: dict[int, str] = {}

    @classmethod
    def from_pretrained(cls, *arguments: Any, **keywords: Any) -> Tokenizer:
        """The same for every name."""
        return cls()

    def __len__(self) -> int:
        return self.vocab_size

    def __call__(self, text: Any = None, text_pair: Any = None, **keywords: Any) -> BatchEncoding:
        """input_ids, token_type_ids and attention_mask of a text, or of several."""
        text = keywords.get("text_target") if text is None else text
        is_one = isinstance(text, str) or (
            bool(text) and keywords.get("is_split_into_words") and isinstance(text[0], str)
        )
        texts = [text] if is_one else list(text)
        pairs = [None] * len(texts) if text_pair is None else [text_pair] if is_one else list(text_pair)
        longest = min(int(keywords.get("max_length") or LONGEST), 512)
        known = [self._encoded(first, second, longest, keywords) for first, second in zip(texts, pairs, strict=True)]
        padding, tensors = keywords.get("padding", False), keywords.get("return_tensors")
        if padding or keywords.get("pad_to_max_length"):
            is_full = padding == "max_length" or keywords.get("pad_to_max_length")
            width = longest if is_full else max(len(ids) for ids, _ in known)
        else:
            width = 0
        fields: dict[str, Any] = {
            "input_ids": [ids + [0] * (width - len(ids)) for ids, _ in known],
            "token_type_ids": [kinds + [0] * (width - len(kinds)) for _, kinds in known],
            "attention_mask": [[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in known],
        }
        if keywords.get("return_offsets_mapping"):
            fields["offset_mapping"] = [[(0, 0)] * len(ids) for ids in fields["input_ids"]]
        if tensors:
            return BatchEncoding({name: torch.tensor(held) for name, held in fields.items()})
        return BatchEncoding({name: held[0] if is_one else held for name, held in fields.items()})

    encode_plus = batch_encode_plus = __call__

    def _encoded(self, first: Any, second: Any, longest: int, keywords: dict[str, Any]) -> tuple[list[int], list[int]]:
        is_special = keywords.get("add_special_tokens", True)
        parts = [[self._number(word) for word in _words(part)] for part in (first, second) if part is not None]
        ids, kinds = ([1], [0]) if is_special else ([], [])
        for kind, numbers in enumerate(parts):
            numbers = numbers[: max(1, (longest - 3) // len(parts))] + ([2] if is_special else [])
            ids, kinds = ids + numbers, kinds + [kind] * len(numbers)
        return ids, kinds

    def _number(self, word: str) -> int:
        if word in SPECIAL:
            return SPECIAL.index(word)
        number = len(SPECIAL) + zlib.crc32(word.encode()) % (self.vocab_size - len(SPECIAL))
        self.words[number] = word
        return number

    def encode(self, text: Any, *rest: Any, **keywords: Any) -> Any:
        """The numbers of the words."""
        return self(text, *rest, **keywords)["input_ids"]

    def tokenize(self, text: str, **keywords: Any) -> list[str]:
        """The words."""
        return _words(text)

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """The number of a word, or of each."""
        return self._number(tokens) if isinstance(tokens, str) else [self._number(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any, *rest: Any) -> Any:
        """The word of a number, or of each."""
        return self._word(int(ids)) if not hasattr(ids, "__len__") else [self._word(int(each)) for each in ids]

    def _word(self, number: int) -> str:
        return SPECIAL[number] if 0 <= number < len(SPECIAL) else self.words.get(number, "word")

    def decode(self, ids: Any, *rest: Any, **keywords: Any) -> str:
        """The text of the numbers."""
        return " ".join(self._word(int(each)) for each in np.asarray(ids).reshape(-1))

    def batch_decode(self, ids: Any, *rest: Any, **keywords: Any) -> list[str]:
        """The text of each row."""
        return [self.decode(each) for each in ids]

    def pad(self, features: Any, *rest: Any, **keywords: Any) -> BatchEncoding:
        """Features of unequal length as tensors of the same."""
        names, rows = list(features), features
        if not isinstance(features, list):
            rows = [dict(zip(names, row, strict=True)) for row in zip(*features.values(), strict=True)]
        return BatchEncoding({name: _padded([row[name] for row in rows], 0) for name in rows[0]})

    def get_vocab(self) -> dict[str, int]:
        """The words seen so far."""
        return {word: number for number, word in self.words.items()}

    def add_special_tokens(self, *arguments: Any, **keywords: Any) -> int:
        """All words are known."""
        return 0

    add_tokens = add_special_tokens

    def save_pretrained(self, *arguments: Any, **keywords: Any) -> None:
        """Writes nothing."""


class ImageProcessor:
    """Images to pixel values of the size that networks take."""

    size, image_mean, image_std = {"height": 224, "width": 224, "shortest_edge": 224}, [0.5] * 3, [0.5] * 3

    @classmethod
    def from_pretrained(cls, *arguments: Any, **keywords: Any) -> ImageProcessor:
        """The same for every name."""
        return cls()

    def __call__(self, images: Any = None, *rest: Any, **keywords: Any) -> BatchEncoding:
        """pixel_values."""
        given = images if isinstance(images, (list, tuple)) else [images]
        return BatchEncoding(pixel_values=torch.stack([_pixels(np.asarray(each)) for each in given]))


class DataCollatorWithPadding:
    """Examples to a batch of tensors, the shorter ones padded."""

    def __init__(self, tokenizer: Any = None, *rest: Any, **keywords: Any) -> None:
        self.tokenizer = tokenizer
        self.fill = -100 if type(self).__name__ != "DataCollatorWithPadding" else 0

    def __call__(self, features: Sequence[dict[str, Any]], *rest: Any) -> dict[str, Any]:
        first = {name: value for name, value in features[0].items() if not isinstance(value, str)}
        batch = {name: _padded([each[name] for each in features], self.fill * ("label" in name)) for name in first}
        return {{"label": "labels"}.get(name, name): tensor for name, tensor in batch.items()}


class DataCollatorForTokenClassification(DataCollatorWithPadding):
    """The same, labels padded with what the loss ignores."""


class DataCollatorForSeq2Seq(DataCollatorForTokenClassification):
    """The same."""


class DataCollatorForLanguageModeling(DataCollatorWithPadding):
    """The words themselves are the labels."""

    def __call__(self, features: Sequence[dict[str, Any]], *rest: Any) -> dict[str, Any]:
        rows = [each if isinstance(each, dict) else {"input_ids": each} for each in features]
        batch = super().__call__(rows)
        return batch | {"labels": batch["input_ids"].clone()}


default_data_collator = DataCollatorWithPadding()


def _words(text: Any) -> list[str]:
    return text.split() if isinstance(text, str) else [str(word) for word in text]


def _is_nested(ids: Any) -> bool:
    return bool(len(ids)) and hasattr(ids[0], "__len__")


def _padded(values: Sequence[Any], fill: int) -> torch.Tensor:
    tensors = [torch.as_tensor(np.asarray(value)) for value in values]
    if tensors[0].dim() != 1:
        return torch.stack(tensors)
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=fill)


def _pixels(array: np.ndarray[Any, Any]) -> torch.Tensor:
    array = np.stack([array] * 3, -1) if array.ndim == 2 else array[..., :3]
    return torch.from_numpy(resized(array, 224, 224).transpose(2, 0, 1) / 255.0).float() * 2 - 1


__all__ = [
    "BatchEncoding",
    "DataCollatorForLanguageModeling",
    "DataCollatorForSeq2Seq",
    "DataCollatorForTokenClassification",
    "DataCollatorWithPadding",
    "default_data_collator",
]
