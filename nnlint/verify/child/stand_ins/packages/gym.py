"""gym: environments of the usual names whose next state and reward depend on the action."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlint.verify.child.stand_ins.ledger import ledger, stood_in
from nnlint.verify.child.stand_ins.synthetic import Array

SIZES: dict[str, tuple[int, int, bool]] = {
    "CartPole": (4, 2, True),
    "MountainCarContinuous": (2, 1, False),
    "MountainCar": (2, 3, True),
    "Acrobot": (6, 3, True),
    "LunarLanderContinuous": (8, 2, False),
    "LunarLander": (8, 4, True),
    "Pendulum": (3, 1, False),
    "BipedalWalker": (24, 4, False),
    "HalfCheetah": (17, 6, False),
    "Hopper": (11, 3, False),
    "Walker2d": (17, 6, False),
    "Ant": (27, 8, False),
    "Humanoid": (376, 17, False),
}
"""The numbers of an observation, the actions, and whether these are choices, by the name of an environment."""

LONGEST = 60


def _is_new() -> bool:
    """Whether the script takes five things of a step, as gymnasium gives, or four, as gym gave."""
    taken = ledger.hints.taken_of("step")
    return taken == 5 if taken in (4, 5) else ledger.hints.taken_of("reset") == 2


class Box:
    """A space of numbers."""

    def __init__(
        self, low: Any = -1.0, high: Any = 1.0, shape: Any = None, dtype: Any = np.float32, **rest: Any
    ) -> None:
        self.shape = tuple(shape) if shape is not None else np.shape(low)
        self.low, self.high = np.broadcast_to(low, self.shape), np.broadcast_to(high, self.shape)
        self.dtype = np.dtype(dtype)
        self.random = np.random.default_rng(43)

    def sample(self) -> Array:
        """Any of them."""
        return self.random.uniform(self.low, self.high, self.shape).astype(self.dtype)

    def seed(self, seed: Any = None) -> None:
        """Begin the samples anew."""
        self.random = np.random.default_rng(seed)


class Discrete(Box):
    """A space of choices."""

    def __init__(self, n: int, *rest: Any, **keywords: Any) -> None:
        super().__init__(0, n, ())
        self.n = n

    def sample(self) -> Any:
        """Any of them."""
        return int(self.random.integers(self.n))


class Env:
    """Moves towards a goal with the right actions; a class of the user's may derive from it too."""

    metadata: dict[str, Any] = {}  # noqa: RUF012
    reward_range = (-1.0, 1.0)
    x_threshold, theta_threshold_radians, max_torque, max_speed, _max_episode_steps = 2.4, 0.2, 2.0, 8.0, LONGEST

    def __init__(self, size: int = 4, actions: int = 2, chooses: bool = True) -> None:
        self.observation_space: Any = Box(-1.0, 1.0, (size,))
        self.action_space: Any = Discrete(actions) if chooses else Box(-1.0, 1.0, (actions,))
        self.random = np.random.default_rng(47)
        self.mixing = np.random.default_rng(53).normal(size=(max(actions, 1), size)) * 0.2
        self.steps = 0
        self.state: np.ndarray[Any, np.dtype[np.float64]] = np.zeros(size)
        self.spec = type("Specification", (), {"reward_threshold": 100.0, "max_episode_steps": LONGEST})()

    def reset(self, seed: int | None = None, options: Any = None, **rest: Any) -> Any:
        """The first observation, with an empty dictionary as in later versions of gym."""
        self.steps = 0
        self.state = self.random.normal(size=self.state.shape) * 0.3
        return (self.state.astype(np.float32), {}) if _is_new() else self.state.astype(np.float32)

    def step(self, action: Any) -> Any:
        """The next observation, the reward, and whether the episode has ended."""
        taken = np.asarray(action, dtype=np.float64).reshape(-1)
        push = self.mixing[int(taken[0]) % len(self.mixing)] if hasattr(self.action_space, "n") else taken @ self.mixing
        self.state = np.clip(0.9 * self.state + push + 0.02 * self.random.normal(size=self.state.shape), -3, 3)
        self.steps += 1
        reward = 1.0 - float(np.abs(self.state).mean())
        ended = self.steps >= LONGEST or bool(np.abs(self.state[0]) > 1.5)
        observation = self.state.astype(np.float32)
        return (observation, reward, ended, False, {}) if _is_new() else (observation, reward, ended, {})

    def render(self, *arguments: Any, **keywords: Any) -> Array:
        """A black picture."""
        return np.zeros((64, 64, 3), np.uint8)

    def seed(self, seed: Any = None) -> list[Any]:
        """Begin the noise anew."""
        self.random = np.random.default_rng(seed)
        return [seed]

    def close(self) -> None:
        """Nothing to close."""

    @property
    def unwrapped(self) -> Env:
        """There is no wrapper."""
        return self


class Wrapper(Env):
    """An environment around another."""

    def __init__(self, env: Any, *rest: Any) -> None:
        self.env = env

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["env"], name)

    def reset(self, seed: int | None = None, options: Any = None, **rest: Any) -> Any:
        """That of the inner one."""
        return self.env.reset()

    def step(self, action: Any) -> Any:
        """That of the inner one."""
        return self.env.step(action)


ObservationWrapper = RewardWrapper = ActionWrapper = Wrapper


def make(name: Any, *arguments: Any, **keywords: Any) -> Env:
    """The environment of this name; one like CartPole for an unknown one."""
    stood_in(f"environment {name}")
    sizes = next((sizes for known, sizes in SIZES.items() if str(name).startswith(known)), SIZES["CartPole"])
    return Env(*sizes)


class spaces:
    """The kinds of spaces."""

    Box = Box
    Discrete = Discrete
