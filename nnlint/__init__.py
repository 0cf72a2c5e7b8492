"""nnlint: a linter for neural-network training code."""

__version__ = "0.1.0"
