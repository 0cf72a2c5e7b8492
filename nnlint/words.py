"""Words without which a rule says nothing about a file: what lacks those of all rules is not run.

A rule names groups of words, and of each group at least one must stand in the file, or in a first-party file that it reaches by
imports. They are what the engine's tables know libraries, methods and layers by, and what people call networks, losses and
optimizers: code that names none of it is about something else. Rules are asked by the same words where a run is made anyway, so
that a finding never depends on what else is asked.

A word is a whole identifier; `~word` is a part of one (`val` of `val_loader`, `valLoader`), in lower case; `*word*` stands
anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from unicodedata import normalize

from nnlint.lazy import regex
from nnlint.operations import FUNCTIONS, LAYERS, METHODS
from nnlint.records import dataclass

Group = frozenset[str]
Words = tuple[Group, ...]
"""Groups of each of which a word must be there; none at all where a fault may be in any file."""


def names_of(*operations: str) -> Group:
    """The names of functions, methods and layers that make data by these operations."""
    names = (name for table in (FUNCTIONS, METHODS) for name, made in table.items() if made in operations)
    return frozenset((*names, *(name for name, (made, _) in LAYERS.items() if made in operations)))


NETWORKS: Group = frozenset(
    "torch torchvision torchaudio torchtext torch_geometric torch_scatter torch_xla torchbearer torch_lr_finder poutyne skorch "
    "fastai d2l ignite lightning pytorch_lightning lightning_fabric transformers timm composer accelerate deepspeed apex "
    "higher horovod byteps intel_extension_for_pytorch mmengine segmentation_models_pytorch efficientnet_pytorch monai "
    "nn Module DataLoader LightningModule PreTrainedModel MessagePassing ComposerModel LightningLite Fabric".split()
)
"""Libraries by which layers, networks, losses, optimizers and loaders are made, and bases that make any class a network."""

TRAINING: Group = NETWORKS | frozenset(
    "backward zero_grad no_grad eval state_dict *optim* *loss* *criteri* *dataloader* *sgd* *adam* *rmsprop* ~opt ~epoch "
    "~epochs".split()
)
"""What tells that a file is about training, where it names no library: a helper that is given the network and the optimizer."""

ARRAYS: Group = NETWORKS | frozenset(
    "numpy np pandas pd sklearn scipy cupy train_test_split StandardScaler MinMaxScaler".split()
)
"""Libraries of arrays: without any, `x.max()` may be anything."""

BACKWARD: Group = NETWORKS | {"backward", "manual_backward"}
STEPPED: Group = NETWORKS | {"step", "optimizer_step", "grad"}
CLEARED: Group = NETWORKS | {"zero_grad", "grad"}
MADE: Group = NETWORKS | {"parameters", "named_parameters", "trainable_parameters", "get_parameters", "params"}
"""What an optimizer that the tables do not know is given."""

SWITCHED: Group = NETWORKS | {"train", "eval"}
MEANT: Group = NETWORKS | frozenset("step zero_grad backward train eval unscale_ *scaler*".split())
"""Methods of the training step, as they stand where nobody calls them."""

MATRICES: Group = names_of("matmul") | {"@"}
FITTED: Group = frozenset({"fit", "partial_fit", "fit_transform"})
MEASURED: Group = (
    names_of(*"mean sum max min std var norm median prod quantile ptp std_mean var_mean normalize".split())
    | FITTED
    | {"transform", "sklearn"}
)
COMPARED: Group = BACKWARD | MATRICES | {"fit"}
"""What learns a quantity: a loss, a `fit`, a difference with what a network, or a product of matrices, gives."""

ASSEMBLED = regex(r"[gs]etattr\s*\([^)]*[+%{]")
"""An attribute whose name is put together: it may be any."""

DECORATOR = regex(
    r"(?<!\\\n)^[ \t]*@[\w.]+(?:\([^()\n]*\))?[ \t]*\n(?=[ \t]*(?:@|def\b|class\b|async\b))", re.MULTILINE
)
TOKEN = regex(r"\w+")
BLANKED = "".join(chr(code) if chr(code).isalnum() or chr(code) == "_" else " " for code in range(128))
"""What `str.translate` makes of ASCII characters, so that words can be split off: several times as fast as looking for them."""

PART = regex(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True)
class Silence:
    """The codes of the rules that have nothing to say of a file; where that is every rule, no run is made of it."""

    codes: frozenset[str]
    is_idle: bool


class Vocabulary:
    """The words of some rules, by code. What a text has of them is a number, and that of several texts its bitwise "or"."""

    def __init__(self, words: Mapping[str, Words]) -> None:
        self.bits: dict[Group, int] = {}
        self.needs = {code: self._need(groups) for code, groups in words.items()}
        self.all = (1 << len(self.bits)) - 1
        self.whole: dict[str, int] = {}
        for group, bit in self.bits.items():
            for word in group:
                self.whole[word] = self.whole.get(word, 0) | bit
        self.parts = {word[1:]: bits for word, bits in self.whole.items() if word[0] == "~"}
        self.stems = {word[1:-1]: bits for word, bits in self.whole.items() if word[0] == "*"}
        self.silences: dict[int, Silence] = {}
        self.alike: dict[frozenset[str], Silence] = {}
        self.together: dict[tuple[Silence, ...], tuple[Silence, ...]] = {}

    def found_in(self, text: str, known: int = 0) -> int:
        """What a text has, and what is known of others: that is not looked for again."""
        if not self.all or ("etattr" in text and ASSEMBLED.search(text)):
            return self.all
        if text.isascii():
            tokens = set(text.translate(BLANKED).split())
        else:
            text = normalize("NFKC", text)  # as Python reads identifiers
            tokens = set(TOKEN.findall(text))
        found = known
        for token in tokens & self.whole.keys():
            found |= self.whole[token]
        if found != self.all and "@" in text and "@" in DECORATOR.sub("", text):
            found |= self.whole.get("@", 0)
        if found == self.all:
            return found
        words = " ".join(tokens)
        for part, bits in self.parts.items():
            if bits & ~found and any(part in _parts_of(word) for word in _holding(words, part)):
                found |= bits
        lower = text.lower()
        for stem, bits in self.stems.items():
            if bits & ~found and stem in lower:
                found |= bits
        return found

    def silence(self, found: int) -> Silence:
        """Which rules say nothing where only that was found; the same object for the same rules, as there are many files."""
        if found not in self.silences:
            codes = frozenset(code for code, need in self.needs.items() if need & found != need)
            if codes not in self.alike:
                self.alike[codes] = Silence(codes, self.is_idle(codes))
            self.silences[found] = self.alike[codes]
        return self.silences[found]

    def shared(self, silences: tuple[Silence, ...]) -> tuple[Silence, ...]:
        """The same silences, as one object for all files, or groups of files, with the same."""
        return self.together.setdefault(silences, silences)

    def is_idle(self, silent: frozenset[str]) -> bool:
        """Whether no rule says anything where these are silent."""
        return len(silent) == len(self.needs)

    def _need(self, words: Words) -> int:
        return sum({self.bits.setdefault(group, 1 << len(self.bits)) for group in words})


def _holding(words: str, part: str) -> Iterator[str]:
    """The words, with blanks between them, in which a part stands; all together where they are more than ASCII."""
    if not words.isascii():
        yield words
        return
    lower = words.lower()
    at = lower.find(part)
    while at >= 0:
        start, end = words.rfind(" ", 0, at) + 1, words.find(" ", at)
        yield words[start:end] if end >= 0 else words[start:]
        at = lower.find(part, end) if end >= 0 else -1


def _parts_of(word: str) -> Iterator[str]:
    return (each.lower() for each in PART.findall(word))
