"""Libraries that are installed while their data are not: what would download is stood in for, all else stays the library's own.

Each is patched when the script has imported it. Its own function or class is tried first, with no stand-in helping it along.
"""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import io
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from nnlint.verify.child.stand_ins.files import bytes_of
from nnlint.verify.child.stand_ins.finder import Finder, FirstFinder
from nnlint.verify.child.stand_ins.ledger import ledger, stood_in
from nnlint.verify.child.stand_ins.patching import put

MISTAKES = (TypeError, ValueError)
"""What a library raises for wrong arguments rather than for missing data."""


class AfterFinder(importlib.abc.MetaPathFinder):
    """Stands first, and has a module patched once it is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec that another finder has for a module to be patched; None for all others."""
        if name not in PATCHES:
            return None
        others = [each for each in sys.meta_path if not isinstance(each, (AfterFinder, Finder, FirstFinder))]
        spec = next((found for each in others if (found := each.find_spec(name, path, target))), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Patched(spec.loader, PATCHES[name])
        return spec


class _Patched(importlib.abc.Loader):
    def __init__(self, loader: Any, patch: Callable[[types.ModuleType], None]) -> None:
        self.loader, self.patch = loader, patch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """As the library's own loader does."""
        module: types.ModuleType | None = self.loader.create_module(spec)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """The library's own module, and then the patch."""
        self.loader.exec_module(module)
        self.patch(module)


def install() -> None:
    """From now on libraries find what they would download."""
    sys.meta_path.insert(0, AfterFinder())
    for name, patch in PATCHES.items():
        if name in sys.modules:  # torch has asked for it
            patch(sys.modules[name])


def trying(
    original: Callable[..., Any], otherwise: Callable[..., Any], mistakes: tuple[type[Exception], ...] = MISTAKES
) -> Callable[..., Any]:
    """A function that does what the original does, and something else where that has not got its data."""

    @functools.wraps(original)
    def tried(*arguments: Any, **keywords: Any) -> Any:
        if ledger.trying:
            return original(*arguments, **keywords)
        ledger.trying = True
        try:
            return original(*arguments, **keywords)
        except mistakes:
            raise
        except Exception:  # the network, a file, a package for a format: whatever the data would have needed
            ledger.trying = False
            return otherwise(*arguments, **keywords)
        finally:
            ledger.trying = False

    return tried


def _vision(module: types.ModuleType) -> None:
    """The data sets of torchvision, each of which becomes a synthetic one of its kind where its data are missing."""
    found = [
        each for each in vars(module).values() if isinstance(each, type) and issubclass(each, module.VisionDataset)
    ]
    for cls in found:
        if "__init__" in vars(cls) and cls is not module.VisionDataset:
            put(cls, __init__=trying(vars(cls)["__init__"], _become_synthetic))


def _become_synthetic(dataset: Any, *arguments: Any, **keywords: Any) -> None:
    """Give an object of a data set's class, or of one that the user derived from it, the samples of our own."""
    from nnlint.verify.child.stand_ins.packages.torchvision import datasets

    given: Any = type(dataset)
    dataset.__class__ = _synthetic(given)
    datasets.VisionDataset.__init__(dataset, *arguments, **keywords)


@functools.cache
def _synthetic(cls: Any) -> Any:
    """A class that is the given one, but for what it inherits from the library, before which our own data set comes."""
    from nnlint.verify.child.stand_ins.packages.torchvision import datasets

    real = next(each for each in cls.__mro__ if each.__module__.startswith("torchvision."))
    parameters = list(inspect.signature(real).parameters)
    kind = datasets.kind_of(real.__name__, " ".join(parameters))
    between = type(real.__name__, (datasets.VisionDataset, real), {"kind": kind, "__module__": real.__module__})
    if cls is not real:
        between = type(cls.__name__, (cls, between), {"__module__": cls.__module__})
    return between


def _tables(module: types.ModuleType) -> None:
    """The tables that the library `datasets` downloads."""
    put(module, load_dataset=trying(module.load_dataset, _own_tables, (TypeError,)))


def _own_tables(*arguments: Any, **keywords: Any) -> Any:
    from nnlint.verify.child.stand_ins.packages import datasets as ours

    real = importlib.import_module("datasets")

    def as_real(table: Any) -> Any:
        made = real.Dataset.from_dict(table.columns)
        for name, feature in table.features.items():
            if isinstance(feature, ours.ClassLabel):
                made.info.features[name] = real.ClassLabel(names=feature.names)
        return made

    found = ours.load_dataset(*arguments, **keywords)
    try:
        if isinstance(found, ours.DatasetDict):
            return real.DatasetDict({split: as_real(table) for split, table in found.items()})
        return [as_real(each) for each in found] if isinstance(found, list) else as_real(found)
    except Exception:  # the versions of what the library builds on do not always fit
        return found


def _pretrained(name: str) -> Callable[[types.ModuleType], None]:
    """Gives a class of transformers another way to what it has no files of."""

    def patch(module: types.ModuleType) -> None:
        original = vars(getattr(module, name))["from_pretrained"].__func__
        put(getattr(module, name), from_pretrained=classmethod(trying(original, _untrained, (TypeError,))))

    return patch


def _untrained(cls: Any, path: Any = "", *rest: Any, **keywords: Any) -> Any:
    """A small random network of a class, or what stands in for a class that would choose one, and for tokenizers."""
    from nnlint.verify.child.stand_ins.packages import transformers as ours

    config = getattr(cls, "config_class", None)
    if config is None or cls.__name__.startswith("Auto"):
        return getattr(ours, cls.__name__).from_pretrained(path, *rest, **keywords)
    stood_in(f"pretrained network {path}")
    given = keywords.get("config")
    return cls(
        given if given is not None else config(**SMALL, **{key: keywords[key] for key in TOLD if key in keywords})
    )


class Opened(io.BytesIO):
    """A file of another machine, as fsspec hands it out: to be opened, or entered."""

    def open(self) -> Opened:
        """The file itself."""
        return self


def _remote(module: types.ModuleType) -> None:
    """The files of other machines that fsspec opens."""
    put(module, open=trying(module.open, _opened, (TypeError, FileNotFoundError)))


def _opened(url: Any, mode: str = "rb", *rest: Any, **keywords: Any) -> Any:
    name = str(url)
    stood_in(f"download {name[:80]}")
    content = bytes_of(name)
    return Opened(content) if "b" in mode else io.StringIO(content.decode(errors="replace"))


SMALL = dict.fromkeys(
    ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers"), 2
) | {"vocab_size": 1000}
"""Settings of a network that is soon trained, by the names that different networks have for them."""

TOLD = ("num_labels", "id2label", "label2id", "problem_type", "output_hidden_states", "output_attentions")
"""Settings that may come with the name of a network."""

PATCHES: dict[str, Callable[[types.ModuleType], None]] = {
    "torchvision.datasets": _vision,
    "datasets.load": _tables,
    "fsspec": _remote,
    "transformers.modeling_utils": _pretrained("PreTrainedModel"),
    "transformers.models.auto.auto_factory": _pretrained("_BaseAutoModelClass"),
    "transformers.models.auto.tokenization_auto": _pretrained("AutoTokenizer"),
    "transformers.models.auto.configuration_auto": _pretrained("AutoConfig"),
    "transformers.tokenization_utils_base": _pretrained("PreTrainedTokenizerBase"),
}
"""What is done to a module once it is imported."""
