"""The page of a verified run: it holds everything itself, and reads well on a phone, in the dark and on paper."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from nnlint.finding import Plan, Status, Verdict
from nnlint.output import Presentation
from nnlint.output.report_page import render
from nnlint.report import Report
from nnlint.trials import Arm, Trial
from tests.output.samples import LOOP, report, zero_grad_fault

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --allow-file-access-from-files --virtual-time-budget=4000"
).split()


def verified_report() -> Report:
    """A report with one finding, confirmed by two runs."""
    effect = (("measure", "accuracy"), ("steps", 100.0), ("as_written", 0.1), ("mended", 0.95), ("change", 0.85))
    verdict = Verdict(Status.CONFIRMED, "at step 3 the gradient is <2.9> times the fresh one", effect=effect)
    finding = replace(zero_grad_fault(), verdict=verdict, plan=Plan("train.py"))
    points = tuple((step, step / 100) for step in range(1, 100))
    arms = (
        Arm("as written", score=0.1, loss=0.8, after=100, steps=100, scores=points, losses=points, gradients=points),
        Arm(
            "NN102 mended (line 4)",
            (finding,),
            score=0.95,
            loss=0.5,
            after=100,
            steps=100,
            scores=points,
            losses=points,
        ),
    )
    conclusion = "NN102 missing-zero-grad (line 4) does the harm: it costs 0.85 of accuracy"
    trial = Trial(
        "train.py", "as it is", arms, ("torchvision",), "accuracy", conclusion, 7.0, ("it asked for the network",)
    )
    return replace(report(finding, train=LOOP), trials=(trial,))


@pytest.fixture(scope="module")
def page() -> str:
    """The page of that report."""
    return render(verified_report(), Presentation())


def test_tells_what_was_run_and_what_follows(page: str) -> None:
    assert "does the harm: it costs 0.85 of accuracy" in page
    assert "Stood in for: torchvision." in page
    assert "Note: it asked for the network." in page
    assert "<td>NN102 mended (line 4)</td><td>100</td><td>0.95</td><td>0.5</td>" in page
    assert "accuracy and loss: the mean over the last quarter of these steps." in page
    assert page.count("<svg") == 3


def test_shows_the_verdict_and_the_code_frame_with_everything_escaped(page: str) -> None:
    assert '<span class="verdict confirmed">confirmed</span>: at step 3 the gradient is &lt;2.9&gt; times' in page
    assert "mended alone, accuracy after 100 steps goes from 0.10 to 0.95" in page
    assert "4 |         loss.backward()" in page


def test_refers_to_nothing_outside_itself(page: str) -> None:
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"|<metadata>.*?</metadata>', "", page, flags=re.DOTALL)
    assert not re.search(r"<(script|link|img|iframe)\b|url\((?!#)|https?://", without_names)


def test_a_page_without_trials_says_so() -> None:
    assert "nothing to verify" in render(Report(), Presentation())


def looked_at(page: str, folder: Path, width: int, *flags: str) -> dict[str, str]:
    """What a browser makes of the page at this width: its scroll width, the colours of its body."""
    assert CHROMIUM is not None
    (folder / "page.html").write_text(page, encoding="utf-8")
    (folder / "frame.html").write_text(
        f'<!doctype html><iframe id="f" src="page.html" style="width:{width}px;height:900px"></iframe><script>'
        "onload = () => { const d = document.getElementById('f').contentDocument, s = getComputedStyle(d.body);"
        "document.title = [d.documentElement.scrollWidth, s.color, s.backgroundColor].join('|') }</script>",
        encoding="utf-8",
    )
    command = [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, (folder / "frame.html").as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    found = re.search(r"<title>(\d+)\|(rgb\([^)]*\))\|(rgb\([^)]*\))</title>", done.stdout)
    assert found, done.stdout[-500:]
    return dict(zip(("width", "ink", "paper"), found.groups(), strict=True))


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium")
def test_a_browser_shows_it_on_a_phone_without_scrolling_sideways(page: str, tmp_path: Path) -> None:
    seen = looked_at(page, tmp_path, 380)
    assert int(seen["width"]) <= 380
    assert (seen["ink"], seen["paper"]) == ("rgb(28, 28, 28)", "rgb(255, 255, 255)")


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium")
def test_a_browser_shows_it_dark_where_that_is_preferred(page: str, tmp_path: Path) -> None:
    seen = looked_at(page, tmp_path, 800, "--blink-settings=preferredColorScheme=0")
    assert (seen["ink"], seen["paper"]) == ("rgb(230, 230, 230)", "rgb(22, 22, 22)")
