"""The rules' pages in the terminal and in rules/README.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent

import pytest

from nnlint import docs
from nnlint.catalogue import all_rules
from nnlint.finding import Applicability, Severity
from nnlint.output import explain, list_rules
from nnlint.output.pages import section
from nnlint.rule import Rule, no_problems

PAGE = """Gradients from earlier steps are never cleared.

## What it does
Reports a `backward` whose gradients
are never cleared in its loop:

- none is cleared, or
- only those of another model,
  which does not help.

## Example
```python
# not a heading
loss.backward()

optimizer.step()
```

Use instead:
```python
optimizer.zero_grad()
```
"""
RULE = Rule(
    "nnlint.rules.gradient_step.missing_zero_grad",
    PAGE,
    no_problems,
    "NN102",
    Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
)
QUIET_RULE = Rule(
    "nnlint.rules.loss.odd_loss", "A loss | is odd.", no_problems, "NN299", Severity.ADVICE, since="0.2", default=False
)


def test_a_page_is_laid_out_for_reading() -> None:
    assert explain(RULE, colour=False, width=48) == dedent(
        """\
        NN102 missing-zero-grad
            Gradients from earlier steps are never
            cleared.

            error, on by default, safe fix, since 0.1

        What it does
            Reports a `backward` whose gradients are
            never cleared in its loop:

            - none is cleared, or
            - only those of another model, which does
              not help.

        Example
                # not a heading
                loss.backward()

                optimizer.step()

            Use instead:

                optimizer.zero_grad()

            https://github.com/nnlint/nnlint/blob/main/rules/README.md#nn102-missing-zero-grad
        """
    )


def test_a_page_without_a_terminal_is_not_wrapped() -> None:
    assert "    Reports a `backward` whose gradients are never cleared in its loop:\n" in explain(RULE, False, 0)


def test_colours_change_no_character_of_a_page() -> None:
    coloured = explain(RULE, colour=True, width=80)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == explain(RULE, colour=False, width=80)
    assert "\x1b[1mExample\x1b[0m\n" in coloured
    assert "\x1b[2moptimizer.step()\x1b[0m\n" in coloured


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_every_page_of_the_catalogue_can_be_shown(rule: Rule) -> None:
    shown = explain(rule, colour=False, width=80)
    assert shown.startswith(f"{rule.code} {rule.name}\n")
    assert "```" not in shown


def test_a_section_is_its_prose_without_code() -> None:
    assert section(PAGE, "Example") == "Use instead:"
    assert section(PAGE, "Witness") == ""


def test_an_unclosed_fence_runs_to_the_end() -> None:
    rule = Rule("nnlint.rules.loss.odd", "Odd.\n\n```\ncode\n", no_problems, "NN298", Severity.ERROR, since="0.1")
    assert "        code\n" in explain(rule, colour=False, width=80)


def test_the_rules_are_listed_as_a_table() -> None:
    assert list_rules((RULE, QUIET_RULE), as_json=False) == dedent(
        """\
        code   name               severity  default  fix   title
        NN102  missing-zero-grad  error     on       safe  Gradients from earlier steps are never cleared
        NN299  odd-loss           advice    off      -     A loss | is odd
        """
    )


def test_the_rules_are_listed_as_json() -> None:
    first, second = json.loads(list_rules((RULE, QUIET_RULE), as_json=True))
    assert first == {
        "code": "NN102",
        "name": "missing-zero-grad",
        "topic": "gradient_step",
        "severity": "error",
        "default": True,
        "fix": "safe",
        "since": "0.1",
        "title": "Gradients from earlier steps are never cleared",
        "url": RULE.url,
        "page": PAGE.strip(),
    }
    assert (second["default"], second["fix"]) == (False, None)


def test_the_catalogue_page_has_a_section_where_the_rules_url_points() -> None:
    page = docs.catalogue_page((RULE, QUIET_RULE))
    headings = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert [f"#{heading.lower().replace(' ', '-')}" for heading in headings] == [
        f"#{rule.url.partition('#')[2]}" for rule in (RULE, QUIET_RULE)
    ]


def test_the_catalogue_page_demotes_headings_but_leaves_code_alone() -> None:
    lines = docs.catalogue_page((RULE,)).splitlines()
    assert "### What it does" in lines
    assert "# not a heading" in lines


def test_the_catalogue_page_escapes_what_would_break_its_table() -> None:
    assert "| off | - | - | A loss \\| is odd |" in docs.catalogue_page((QUIET_RULE,))


def test_the_page_is_written_and_then_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "README.md"
    monkeypatch.setattr(docs, "readme", lambda: file)
    assert docs.main(["--check"]) == 1
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    file.write_text("old", encoding="utf-8")
    assert docs.main(["--check"]) == 1


def test_the_committed_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err
