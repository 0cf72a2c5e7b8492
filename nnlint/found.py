"""What a run has found: findings in the order of their places, those of many files put aside until somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import eq
from typing import overload

from nnlint.finding import Finding
from nnlint.reading.aside import Aside, Packed, Slip

MOST_AT_HAND = 500
"""Findings, half a megabyte or so, that are kept as they are."""


class Found:
    """Findings by path, those of one path at a time. `counts` are their numbers by code."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._aside = Aside()
        self._at_hand = 0
        self._by_path: dict[str, tuple[Finding, ...] | Slip | Packed] = {}

    def put(self, path: str, findings: Iterable[Finding]) -> None:
        """Keeps all findings of a path: of those with the same code and place the gravest, and of those alike the first."""
        before = self.of(path)
        gravest: dict[object, Finding] = {}
        for finding in (*before, *findings):
            key = (finding.code, finding.place)
            known = gravest.get(key)
            if known is None or finding.severity.rank < known.severity.rank:
                gravest[key] = finding
        kept = tuple(sorted(gravest.values(), key=lambda finding: finding.sort_key))
        self._count(before, -1)
        self._count(kept, 1)
        self._at_hand -= len(before) if isinstance(self._by_path.get(path), tuple) else 0
        if self._at_hand + len(kept) <= MOST_AT_HAND or not kept:
            self._at_hand += len(kept)
            self._by_path[path] = kept
        else:
            import pickle  # of which a run with few findings has no need

            self._by_path[path] = self._aside.put(pickle.dumps(kept, pickle.HIGHEST_PROTOCOL))

    def of(self, path: str) -> tuple[Finding, ...]:
        """The findings of a path, in the order of their places."""
        kept = self._by_path.get(path, ())
        if isinstance(kept, tuple):
            return kept
        import pickle

        found: tuple[Finding, ...] = pickle.loads(kept.read())
        return found

    def __contains__(self, path: object) -> bool:
        return path in self._by_path

    def paths(self) -> Iterator[str]:
        """Those with findings."""
        return (path for path, kept in self._by_path.items() if kept != ())

    def all(self, but: str = "") -> Sequence[Finding]:
        """The findings of all paths, in the order of their places, without those of one code."""
        every = Findings(self, but)
        return tuple(every) if self._at_hand == sum(self.counts.values()) else every

    def _count(self, findings: Iterable[Finding], by: int) -> None:
        for finding in findings:
            self.counts[finding.code] = self.counts.get(finding.code, 0) + by


class Findings(Sequence[Finding]):
    """Findings that are taken back path by path, each time that somebody goes through them. They are equal, not the same."""

    def __init__(self, found: Found, but: str) -> None:
        self._found, self._but = found, but
        self._paths = sorted(found.paths())

    def __len__(self) -> int:
        return sum(count for code, count in self._found.counts.items() if code != self._but)

    def __iter__(self) -> Iterator[Finding]:
        for path in self._paths:
            for finding in self._found.of(path):
                if finding.code != self._but:
                    yield finding

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, index: int | slice) -> Finding | tuple[Finding, ...]:
        if index == 0:
            return next(iter(self))
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[type[tuple[Finding, ...]], tuple[tuple[Finding, ...]]]:
        return tuple, (tuple(self),)


class Changed(Sequence[Finding]):
    """Findings as a function makes them of others, each time that somebody goes through them."""

    def __init__(self, findings: Sequence[Finding], change: Callable[[Finding], Finding]) -> None:
        self._findings, self._change = findings, change

    def __len__(self) -> int:
        return len(self._findings)

    def __iter__(self) -> Iterator[Finding]:
        return map(self._change, self._findings)

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, index: int | slice) -> Finding | tuple[Finding, ...]:
        if isinstance(index, slice):
            return tuple(map(self._change, self._findings[index]))
        return self._change(self._findings[index])
