"""Records behave as the dataclasses do in whose place they stand."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest

from nnlint.events import OptimizerMade
from nnlint.finding import Place
from nnlint.records import dataclass, field, fields, replace
from nnlint.values import NONE


@dataclass(frozen=True, order=True)
class Span:
    """A frozen record with an order, as findings are made of."""

    start: int
    end: int = 9
    words: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(eq=False, slots=True)
class Base:
    """A record with slots and an argument by name, as events are."""

    at: int
    notes: list[str] = field(default_factory=list, kw_only=True)


@dataclass(eq=False, slots=True)
class Derived(Base):
    """Its own fields come after the base's, before those by name."""

    name: str
    size: int = 1


@dataclass
class Counted:
    """A record that ends its own construction."""

    names: list[str]
    count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.count = len(self.names)


FEW_AND_MANY = pytest.mark.parametrize("earlier", [0, 100], ids=["few", "many"])
"""Objects made before: a constructor of many is another."""


@FEW_AND_MANY
def test_fields_are_taken_by_position_and_by_name_with_the_base_s_first(earlier: int) -> None:
    for _ in range(earlier + 1):
        made = Derived(3, "a", notes=["seen"])
        assert (made.at, made.name, made.size, made.notes) == (3, "a", 1, ["seen"])


@FEW_AND_MANY
def test_every_object_gets_a_default_of_its_own_from_a_factory(earlier: int) -> None:
    first, *_, second = (Derived(1, "a") for _ in range(earlier + 2))
    first.notes.append("first")
    assert second.notes == []


@FEW_AND_MANY
def test_an_object_ends_its_own_construction(earlier: int) -> None:
    assert {Counted(["a", "b"]).count for _ in range(earlier + 1)} == {2}


@pytest.mark.parametrize(
    ("given", "named", "told"),
    [
        ((1,), {}, "'y'"),
        ((1, 2), {"colour": 3}, "colour"),
        ((1,), {"x": 2, "y": 3}, "'x'"),
        ((1, 2, 3), {}, "were given"),
    ],
    ids=["missing", "unknown", "doubled", "too many"],
)
def test_wrong_arguments_are_refused_at_the_first_object_and_later(given: Any, named: Any, told: str) -> None:
    @dataclass
    class Point:
        x: int
        y: int

    for _ in range(2):
        with pytest.raises(TypeError, match=told):
            Point(*given, **named)


def test_slots_hold_no_other_attribute() -> None:
    made: Any = Derived(1, "a")
    with pytest.raises(AttributeError):
        made.other = 1


def test_objects_with_equal_fields_are_equal_hash_alike_and_sort_by_the_compared_fields() -> None:
    assert Span(1, words=("a",)) == Span(1, words=("b",))
    assert hash(Span(1, words=("a",))) == hash(Span(1, words=("b",)))
    assert Span(1) != Span(2)
    assert sorted([Span(2), Span(1, 8), Span(1)]) == [Span(1, 8), Span(1), Span(2)]


def test_objects_without_equality_are_equal_to_themselves_alone() -> None:
    made = Derived(1, "a")
    assert made == made and made != Derived(1, "a") and len({made, Derived(1, "a")}) == 2


def test_a_frozen_record_refuses_changes() -> None:
    made: Any = Span(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.start = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del made.start


def test_it_is_shown_with_its_fields() -> None:
    assert repr(Span(1, words=("a",))) == "Span(start=1, end=9)"


def test_it_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(Place("a.py", None, 1, 2, 3, 4))) == Place("a.py", None, 1, 2, 3, 4)


def test_its_own_and_the_standard_replace_and_fields_work_on_it() -> None:
    assert replace(Span(1), start=4) == dataclasses.replace(Span(1), start=4) == Span(4)
    names = ["at", "notes", "name", "size"]
    assert [each.name for each in fields(Derived)] == [each.name for each in dataclasses.fields(Derived)] == names


def test_a_standard_dataclass_may_derive_from_it() -> None:
    @dataclasses.dataclass(eq=False)
    class Special(Derived):
        extra: str = "x"

    made = Special(1, "a", 2, "y", notes=["n"])
    assert (made.at, made.name, made.size, made.extra, made.notes) == (1, "a", 2, "y", ["n"])


def test_an_event_is_made_of_a_place_and_what_it_is_about() -> None:
    with pytest.raises(TypeError):
        OptimizerMade()  # type: ignore[call-arg]
    assert OptimizerMade(None, NONE).iterations == ()  # type: ignore[arg-type]
