"""What probes measure of shuffles and indices, and of what functions are given."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import numpy
import torch

from nnlint.verify.child.values import Sightings
from nnlint.verify.protocol import Probe, Record


def watched() -> tuple[list[Record], Sightings]:
    """What is told of one probe, and what it tells it by."""
    told: list[Record] = []
    return told, Sightings((Probe(1, "train.py", 1, 1, 1, 2),), told.append)


def test_an_argument_of_a_plain_function_is_measured_without_a_receiver() -> None:
    told, sightings = watched()
    sightings.part(1, "argument", torch.arange(4.0))
    sightings.value(1, torch.arange(4.0) * 2)
    assert told[0]["numbers"]["factor"] == pytest.approx(2.0)


def test_a_shuffle_in_place_tells_the_state_it_is_drawn_from_and_what_it_moves() -> None:
    told, sightings = watched()
    numpy.random.seed(3)
    for seeded in (False, True, False):
        if seeded:
            numpy.random.seed(3)
        rows = numpy.arange(40)
        sightings.part(1, "receiver", numpy.random)
        sightings.part(1, "argument", rows)
        sightings.value(1, numpy.random.shuffle(rows))
    first, again, other = (record["numbers"] for record in told)
    assert first["moved"] > 0.5
    assert first["argument_generator"] == again["argument_generator"] != other["argument_generator"]


def test_an_index_tells_whether_its_places_follow_one_another() -> None:
    told, sightings = watched()
    rows = torch.arange(40.0)
    for index in (torch.arange(5, 15), torch.arange(15, 5, -1), rows > 3):
        sightings.part(1, "whole", rows)
        sightings.part(1, "index", index)
        sightings.value(1, rows[index])
    assert [record["numbers"].get("moved") for record in told] == [0.0, 0.9, None]
