"""The five stories that nnlint began with: their symptoms are reproduced, and the cause is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nnlint.lint import lint_documents
from nnlint.reading.files import read_paths
from nnlint.reading.patterns import Patterns
from nnlint.report import Report
from nnlint.settings import Settings
from nnlint.verify.runner import Runner, runner
from nnlint.verify.verify import Limits, verified
from tests.fixture_cases import FIXTURES

pytestmark = pytest.mark.xdist_group("verify_seeds")


@pytest.fixture(scope="module")
def runs() -> Iterator[Runner]:
    """One server for all stories."""
    with runner() as started:
        yield started


def story(number: int, runs: Runner) -> Report:
    """The verified report of a story. Steps bound its runs, not the clock: the machine may be busy."""
    (file,) = (FIXTURES / "seeds").glob(f"story_{number}_*.py")
    settings = Settings()
    documents = read_paths([str(file)], Patterns(settings.root, ())).documents
    report = lint_documents(documents, settings)
    limits = Limits(seconds=900.0)
    return verified(report, documents, limits, lambda now: lint_documents(now, settings), lambda said: None, runs)


def statuses(report: Report) -> set[tuple[str, str]]:
    """The verdicts, by code."""
    return {(finding.code, finding.verdict.status.value) for finding in report.findings if finding.verdict}


def test_story_0_is_laid_to_the_layer_of_width_one(runs: Runner) -> None:
    report = story(0, runs)
    expected = {("NN301", "confirmed"), ("NN302", "confirmed"), ("NN303", "confirmed")}
    assert statuses(report) >= expected
    assert report.trials[0].conclusion.startswith("NN302 bottleneck-layer (line 18) does the harm")


def test_story_1_is_laid_to_gradients_that_are_never_cleared(runs: Runner) -> None:
    report = story(1, runs)
    assert statuses(report) == {
        ("NN101", "harmless"),
        ("NN102", "confirmed"),
        ("NN201", "confirmed"),
        ("NN501", "confirmed"),
    }
    conclusion = report.trials[0].conclusion
    assert conclusion.startswith("NN102 missing-zero-grad (line 73)")
    assert "NN201 softmax-before-cross-entropy (line 37) also costs" in conclusion
    assert "NN101 optimizer-in-loop (line 74) changes nothing here" in conclusion


def test_story_2_shows_that_the_factor_on_the_target_makes_a_large_decay_bearable(runs: Runner) -> None:
    report = story(2, runs)
    assert statuses(report) == {("NN402", "confirmed"), ("NN601", "confirmed")}
    assert "with NN402 target-rescaled (line 63) alone mended, R² goes down" in report.trials[0].conclusion


def test_story_3_is_laid_to_the_learning_rate(runs: Runner) -> None:
    report = story(3, runs)
    assert statuses(report) == {("NN602", "confirmed"), ("NN603", "confirmed")}
    assert report.trials[0].conclusion.startswith("NN602 implausible-learning-rate (line 50) does the harm")


def test_story_4_fits_its_samples_in_their_own_rows_alone_and_is_laid_to_the_bias(runs: Runner) -> None:
    report = story(4, runs)
    assert statuses(report) == {(code, "confirmed") for code in ("NN210", "NN401", "NN403", "NN404", "NN701")}
    (reason,) = (f.verdict.reason for f in report.findings if f.code == "NN701" and f.verdict)
    assert "R² of its training samples is 1.00, and -1.10 with each in the rows of others" in reason
    trial = report.trials[0]
    reached = {arm.label: arm.score or 0.0 for arm in trial.arms}
    assert reached["as written"] < 0 and reached["NN701 mended (line 17)"] > 0.9
    assert trial.conclusion.startswith("NN701 bias-per-sample (line 17) does the harm")
    assert (
        "NN401 target-normalized-by-own-max (line 74) mended, too: the rest of the script is tuned" in trial.conclusion
    )
    assert "NN403 (line 84) and NN404 (line 86) change what is done with the network" in trial.conclusion
