"""The arguments of a call, as values."""

from __future__ import annotations

from nnlint.records import dataclass, field
from nnlint.values import Value


@dataclass(slots=True)
class Arguments:
    """The arguments of a call. `open` if a `*` or `**` may have passed more than is known; `unpacked` are the unknown mappings
    behind a `**`."""

    positional: list[Value] = field(default_factory=list)
    keywords: dict[str, Value] = field(default_factory=dict)
    open: bool = False
    unpacked: list[Value] = field(default_factory=list)

    def get(self, position: int | None, *names: str) -> Value | None:
        """An argument by position (None: keyword only) or by one of its names."""
        for name in names:
            if name in self.keywords:
                return self.keywords[name]
        if position is not None and position < len(self.positional):
            return self.positional[position]
        return None

    def values(self) -> tuple[Value, ...]:
        """All arguments."""
        return (*self.positional, *self.keywords.values(), *self.unpacked)

    def named(self, names: tuple[str, ...]) -> dict[str, Value]:
        """The arguments by parameter name, for a callable with these parameters; of one given twice, which raises, the first."""
        found = dict(zip(names, self.positional, strict=False))
        return {**found, **self.keywords, **found} if self.keywords else found
