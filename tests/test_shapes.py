"""What the code reads of shapes, and what the verifier measures of arrays whose dimensions were moved."""

from __future__ import annotations

import pytest

from nnlint.facts.shapes import measured_by
from nnlint.values import Data
from tests.abstract import runs


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("x.size(1)", 1),
        ("x.shape[-1]", -1),
        ("x.size()[2]", 2),
        ("len(x)", 0),
        ("x.shape[:2][1]", 1),
        ("list(x.size())[1]", 1),
        ("x.shape[1:][0]", None),
        ("x.shape[:2][-1]", None),
        ("x.shape[::2][1]", None),
        ("x.shape[i]", None),
        ("x[1]", None),
        ("x.numel()", None),
    ],
)
def test_the_dimension_that_is_read(text: str, dimension: int | None) -> None:
    [run] = runs(f"import torch\nx = torch.relu(unknown)\nlook({text})")
    [value] = [made.inputs[1] for made in run.operations["call"] if isinstance(made, Data) and made.name == "look"]
    measured = measured_by(value)
    assert dimension == (None if measured is None else measured[1])
    if measured is not None:
        assert isinstance(measured[0], Data) and measured[0].operation == "relu"


def test_elements_that_are_not_where_a_transposition_puts_them() -> None:
    torch = pytest.importorskip("torch")
    from nnlint.verify.child.measures import displaced

    given = torch.arange(24.0).reshape(2, 3, 4)
    assert displaced(given, given.transpose(0, 1)) == {"displaced": 0.0}
    assert displaced(given, given.view(3, 2, 4))["displaced"] > 0.5
    assert displaced(given.numpy(), given.numpy().reshape(4, 3, 2))["displaced"] > 0.5
    assert displaced(given, given.view(6, 4)) == {}
    assert displaced("text", given) == {}
