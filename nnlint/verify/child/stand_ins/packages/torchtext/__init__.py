"""torchtext: data sets of made-up sentences, a tokenizer that splits at spaces, and vocabularies; also as before 0.9."""

from nnlint.verify.child.stand_ins.packages.torchtext import data, datasets, vocab

legacy = data

__all__ = ["data", "datasets", "legacy", "vocab"]
__version__ = "0.99.0"
