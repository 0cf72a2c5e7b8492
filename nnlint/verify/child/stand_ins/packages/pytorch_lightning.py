"""Lightning by its old name."""

from nnlint.verify.child.stand_ins.packages.lightning import *  # noqa: F403
