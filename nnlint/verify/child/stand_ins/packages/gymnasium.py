"""gymnasium: the later name of gym."""

from nnlint.verify.child.stand_ins.packages.gym import (
    ActionWrapper,
    Box,
    Discrete,
    Env,
    ObservationWrapper,
    RewardWrapper,
    Wrapper,
    make,
    spaces,
)

__all__ = [
    "ActionWrapper",
    "Box",
    "Discrete",
    "Env",
    "ObservationWrapper",
    "RewardWrapper",
    "Wrapper",
    "make",
    "spaces",
]
