"""The same under the name of the package within the package."""

from nnlint.verify.child.stand_ins.packages.lightning import *  # noqa: F403
