"""What tests share: a folder to work in, a small catalogue of made-up faults, and a server that runs scripts for real."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from nnlint import catalogue
from nnlint.verify.runner import Runner, runner
from tests import made_up
from tests.command import Command

hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture
def command(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> Command:
    """The command line, in an empty folder that holds nothing but what the test puts there: the cache lies elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nnlint.caching.cached_lint.FOLDER", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Command(tmp_path, monkeypatch, capfdbinary)


@pytest.fixture(scope="module")
def runs() -> Iterator[Runner]:
    """A server with PyTorch loaded, in which scripts are run for real; only for tests that have PyTorch."""
    with runner() as started:
        yield started


@pytest.fixture
def made_up_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replaces the catalogue and the abstract run by made-up ones, for tests of what happens around them."""
    count = itertools.count()
    monkeypatch.setattr(catalogue, "_catalogue_rules", lambda: iter(made_up.RULES))
    monkeypatch.setattr("nnlint.analysis.Project", made_up.Project)
    monkeypatch.setattr("nnlint.caching.cached_lint.own_code", lambda: f"made up {next(count)}")  # nothing is cached
    catalogue.forget()
    yield
    catalogue.forget()
