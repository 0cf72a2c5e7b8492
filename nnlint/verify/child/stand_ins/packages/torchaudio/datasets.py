"""Data sets of sounds by name: each class is a chord of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from nnlint.verify.child.stand_ins import synthetic
from nnlint.verify.child.stand_ins.ledger import stood_in

RATE, SAMPLES = 16000, 16000
ROWS = 512
COMMANDS = (
    "backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine no off on one right "
    "seven sheila six stop three tree two up visual wow yes zero"
).split()
GENRES = "blues classical country disco hiphop jazz metal pop reggae rock".split()


def sound(label: int, index: int) -> Tensor:
    """One channel of a second: two tones that tell the class, at a phase of its own, with noise."""
    generator = torch.Generator().manual_seed(index)
    time = torch.arange(SAMPLES) / RATE
    phase = 6.28 * torch.rand(1, generator=generator)
    tones = torch.sin(6.28 * (220 + 60 * label) * time + phase) + torch.sin(6.28 * (1500 + 110 * label) * time)
    return (0.3 * tones + 0.05 * torch.randn(SAMPLES, generator=generator))[None]


class _Sounds(Dataset[Any]):
    classes: tuple[str, ...] = tuple(GENRES)

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        stood_in(f"data set {type(self).__name__}")
        named = str(keywords.get("subset") or keywords.get("url") or "training")
        self.part = int("test" in named or "valid" in named)
        self.labels = synthetic.labels(ROWS, len(self.classes), self.part)
        self._walker = [f"{self.classes[label]}/{index}.wav" for index, label in enumerate(self.labels)]

    def __len__(self) -> int:
        return len(self._walker)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        label = int(self.labels[index % ROWS])
        return self.sample(sound(label, index + ROWS * self.part), label, index)

    def sample(self, wave: Tensor, label: int, index: int) -> tuple[Any, ...]:
        """What one sample holds: the sound, its rate, and its class by name."""
        return wave, RATE, self.classes[label]


class GTZAN(_Sounds):
    """Music by genre."""


class SPEECHCOMMANDS(_Sounds):
    """Single words."""

    classes = tuple(COMMANDS)

    def sample(self, wave: Tensor, label: int, index: int) -> tuple[Any, ...]:
        """The sound, its rate, the word, the speaker and the number of the utterance."""
        return wave, RATE, self.classes[label], f"speaker{index % 50}", index % 5


class LIBRISPEECH(_Sounds):
    """Sentences read aloud."""

    def sample(self, wave: Tensor, label: int, index: int) -> tuple[Any, ...]:
        """The sound, its rate, the sentence, and the numbers of speaker, chapter and utterance."""
        return wave, RATE, synthetic.sentence(index, label, 4).upper(), index % 50, 1, index


class YESNO(_Sounds):
    """Eight times yes or no."""

    def sample(self, wave: Tensor, label: int, index: int) -> tuple[Any, ...]:
        """The sound, its rate, and eight zeros and ones."""
        return wave, RATE, [(label >> place) & 1 for place in range(8)]
