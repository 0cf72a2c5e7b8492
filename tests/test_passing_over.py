"""With stand-ins, a statement that fails before the training is passed over where it leaves nothing behind but a missing name."""

from __future__ import annotations

from textwrap import dedent

import pytest

pytest.importorskip("torch")

from nnlint.events import OptimizerStepped, Raised, Run
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner

pytestmark = pytest.mark.xdist_group("real runs")

TRAINING = """
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
"""


def run(runs: Runner, text: str, way: str = "stand-ins") -> Run:
    request = Request("", "train.py", {"train.py": text}, steps=20, seconds=30, way=way)
    return Reader({}).run("train.py", runs.run(request))


def steps(run: Run) -> int:
    return len(list(run.events(OptimizerStepped)))


HEAD = "import os\nimport torch\nfrom torch import nn\n"


def test_calls_of_libraries_assertions_and_new_names_may_fail(runs: Runner) -> None:
    text = dedent("""
        import xml.dom as dom

        xml.use("fast")
        os.nice("much")
        assert os.cpu_count() > 4096, "a large machine is needed"
        picture = os.path.getsize(3.5)

        def report():
            assert torch.zeros(1) == 1
            print(1 / 0)
            return 3

        assert report() == 3
    """)
    seen = run(runs, HEAD + text + TRAINING)
    assert not any(seen.events(Raised))
    assert steps(seen) == 3
    assert any("passed over: NameError" in note for note in seen.notes)
    assert steps(run(runs, HEAD + text + TRAINING, way="as-is")) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "nn.init.zeros_(None)",
        "nothing.freeze()",
        "model = nn.Linear('wide', 1)",
        "for width in ['wide']:\n    model = nn.Linear(width, 1)",
    ],
)
def test_what_builds_the_network_may_not(runs: Runner, statement: str) -> None:
    seen = run(runs, f"{HEAD}model = None\n{statement}\n{TRAINING}")
    assert steps(seen) == 0
    assert any(seen.events(Raised))


def test_what_fails_for_want_of_what_failed_before_is_told_by_its_cause(runs: Runner) -> None:
    seen = run(runs, f"{HEAD}width = int('wide')\nmodel = nn.Linear(width, 1)\nmodel(torch.ones(2))\n")
    assert [raised.error for raised in seen.events(Raised)] == ["ValueError"]


def test_who_waits_for_a_failure_gets_it(runs: Runner) -> None:
    text = dedent("""
        def check():
            assert os.cpu_count() > 4096

        try:
            check()
            lr = 10.0
        except AssertionError:
            lr = 0.01
        if lr > 1:
            raise SystemExit(1)
    """)
    assert steps(run(runs, HEAD + text + TRAINING)) == 3


def test_in_a_training_nothing_is_passed_over(runs: Runner) -> None:
    seen = run(runs, f"{HEAD}{TRAINING}    assert _ < 1\n    print(1 / (2 - _))\n")
    assert steps(seen) == 2
    assert [raised.error for raised in seen.events(Raised)] == ["AssertionError"]
