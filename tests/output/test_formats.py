"""The formats for programs: what their readers rely on, held by their own parsers and schemas."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnlint.catalogue import all_rules
from nnlint.finding import (
    Applicability,
    Edit,
    Finding,
    Fix,
    Place,
    Related,
    Severity,
    Status,
    Verdict,
)
from nnlint.output import FORMATS
from nnlint.report import InternalError, Report

from .samples import CRASH, LOOP, fault, mend, rendered, report, spot, zero_grad_fault

SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "sarif-2.1.0.json").read_text(encoding="utf-8"))

words = st.text(max_size=12)
numbers = st.integers(1, 10**6)
places = st.builds(Place, st.text(min_size=1, max_size=12), st.none() | numbers, numbers, numbers, numbers, numbers)
edits = st.builds(Edit, places, words)
fixes = st.builds(Fix, st.sampled_from(Applicability), words, st.lists(edits, max_size=2).map(tuple))
measures = st.lists(st.tuples(words, st.floats(allow_nan=False)), max_size=2).map(tuple)
verdicts = st.builds(Verdict, st.sampled_from(Status), words, measures, st.none() | measures)
findings = st.builds(
    Finding,
    code=st.sampled_from(["NN102", "NN901"]),
    name=words,
    severity=st.sampled_from(Severity),
    message=words,
    place=places,
    label=words,
    related=st.lists(st.builds(Related, places, words), max_size=2).map(tuple),
    help=words,
    url=words,
    fix=st.none() | fixes,
    verdict=st.none() | verdicts,
)
failures = st.builds(InternalError, st.text(min_size=1, max_size=12), st.none() | numbers, words)
reports = st.builds(Report, st.lists(findings, max_size=3).map(tuple), st.lists(failures, max_size=2).map(tuple))


@given(reports, st.sampled_from(sorted(FORMATS)))
def test_every_format_says_something_encodable_about_any_report(shown: Report, name: str) -> None:
    text = rendered(name, shown, statistics=True, width=80, colour=True)
    assert text.encode("utf-8").endswith(b"\n") or (text, shown) == ("", Report())


def test_concise_is_one_line_each() -> None:
    shown = report(zero_grad_fault(), fault(spot(2, 1, 4, "a.ipynb", 3), Severity.ADVICE), errors=(CRASH,))
    assert rendered("concise", shown).splitlines() == [
        "train.py:4:9: error NN102 missing-zero-grad: gradients pile up [fix]",
        "a.ipynb:cell 3:2:1: advice NN102 missing-zero-grad: gradients pile up",
        "broken.py:7: internal error: rule NN101 (rules/a.py) raised KeyError: 'x'",
    ]


def test_concise_ends_with_the_statistics_when_asked() -> None:
    assert rendered("concise", report(zero_grad_fault()), statistics=True).endswith(
        "\n1  NN102  missing-zero-grad  [fix]\n"
    )


class TestJson:
    def test_a_finding_has_the_documented_keys_and_values(self) -> None:
        verdict = Verdict(Status.HARMLESS, "no state", (("ratio", 1.0),), (("loss", 0.5),))
        (entry,) = json.loads(rendered("json", report(replace(zero_grad_fault(), verdict=verdict))))
        assert entry == {
            "code": "NN102",
            "name": "missing-zero-grad",
            "severity": "error",
            "message": "gradients pile up",
            "path": "train.py",
            "cell": None,
            "line": 4,
            "column": 9,
            "end_line": 4,
            "end_column": 24,
            "related": [{"path": "train.py", "line": 5, "message": "steps on their sum"}],
            "help": "call `optimizer.zero_grad()` before the backward pass",
            "url": "https://example.org/rules#nn102",
            "fix": {
                "applicability": "safe",
                "message": "clear the gradients",
                "edits": [
                    {
                        "path": "train.py",
                        "line": 4,
                        "column": 1,
                        "end_line": 4,
                        "end_column": 1,
                        "content": "        optimizer.zero_grad()\n",
                    }
                ],
            },
            "verdict": {
                "status": "harmless",
                "reason": "no state",
                "evidence": {"ratio": 1.0},
                "effect": {"loss": 0.5},
            },
        }

    def test_nothing_is_an_empty_list(self) -> None:
        assert rendered("json", Report(files=3)) == "[]\n"

    def test_what_is_absent_is_null(self) -> None:
        (entry,) = json.loads(rendered("json", report(fault(spot(1, 1, 2)))))
        assert (entry["fix"], entry["verdict"], entry["cell"], entry["related"]) == (None, None, None, [])

    def test_characters_are_written_as_they_are(self) -> None:
        assert "损失" in rendered("json", report(fault(spot(1, 1, 2), message="损失")))

    def test_an_undecodable_path_is_still_valid_json(self) -> None:
        (entry,) = json.loads(rendered("json", report(fault(spot(1, 1, 2, "\udc80.py")))))
        assert entry["path"] == "\udc80.py"

    @given(reports)
    def test_any_report_comes_back_as_it_was(self, shown: Report) -> None:
        entries = json.loads(rendered("json", shown))
        for entry, finding in zip(entries, shown.findings, strict=True):
            place = Place(*(entry[key] for key in ("path", "cell", "line", "column", "end_line", "end_column")))
            assert place == finding.place
            assert (entry["code"], entry["message"], entry["help"]) == (finding.code, finding.message, finding.help)
            assert (entry["fix"] is None, entry["verdict"] is None) == (finding.fix is None, finding.verdict is None)


class TestGithub:
    def test_a_finding_is_a_workflow_command(self) -> None:
        shown = rendered("github", report(fault(spot(4, 9, 24), help="clear them")))
        assert shown == (
            "::error file=train.py,line=4,endLine=4,col=9,endColumn=24,"
            "title=NN102 missing-zero-grad::gradients pile up%0Ahelp: clear them\n"
        )

    @pytest.mark.parametrize(
        ("severity", "command"),
        [(Severity.ERROR, "::error "), (Severity.WARNING, "::warning "), (Severity.ADVICE, "::notice ")],
    )
    def test_the_severity_is_the_command(self, severity: Severity, command: str) -> None:
        assert rendered("github", report(fault(spot(1, 1, 2), severity))).startswith(command)

    def test_messages_and_properties_are_escaped_each_in_its_way(self) -> None:
        finding = fault(spot(1, 1, 2, "a,b:c%\n.py"), message="50% of a:b,\r\nc")
        shown = rendered("github", report(finding))
        assert "file=a%2Cb%3Ac%25%0A.py,line=1," in shown
        assert shown.endswith("::50%25 of a:b,%0D%0Ac\n")
        assert len(shown.splitlines()) == 1

    def test_what_would_steer_the_terminal_of_a_log_is_shown(self) -> None:
        name = "a\x1b[31m\tb\u202e\u2028\udcff模.py"
        finding = fault(spot(1, 1, 2, name), message="\x1b[0m", related=(Related(spot(2, 1, 2, name), "made"),))
        shown = rendered("github", report(finding))
        seen = "a\u241b[31m\u2409b<U+202E><U+2028>\\xff模.py"
        assert f"file={seen},line=1," in shown
        assert shown.endswith(f"::\u241b[0m%0A{seen}:2: made\n")

    def test_a_span_of_several_lines_has_no_columns(self) -> None:
        shown = rendered("github", report(fault(Place("train.py", None, 2, 5, 4, 6))))
        assert "line=2,endLine=4,title=" in shown

    def test_paths_are_relative_to_the_repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "src").mkdir()
        monkeypatch.chdir(tmp_path / "src")
        shown = report(
            fault(spot(1, 1, 2), related=(Related(spot(7, 1, 2, "../net.py"), "made"),)),
            fault(spot(1, 1, 2, "<stdin>")),
            fault(spot(1, 1, 2, "../../else.py")),
        )
        first, second, third = rendered("github", shown, base=tmp_path).splitlines()
        assert "file=src/train.py," in first
        assert first.endswith("%0Anet.py:7: made")
        assert "file=<stdin>," in second
        assert f"file={(tmp_path.parent / 'else.py').as_posix()}," in third

    def test_a_root_reached_through_a_link_is_the_same_root(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        shown = report(fault(spot(1, 1, 2, str(tmp_path / "link" / "train.py"))))
        assert "file=train.py," in rendered("github", shown, base=tmp_path / "real")

    def test_a_failure_of_the_run_is_an_error(self) -> None:
        without_line = replace(CRASH, line=None, message="unreadable")
        assert rendered("github", report(errors=(CRASH, without_line))).splitlines() == [
            "::error file=broken.py,line=7,title=nnlint internal error::rule NN101 (rules/a.py) raised KeyError: 'x'",
            "::error file=broken.py,title=nnlint internal error::unreadable",
        ]


class TestSarif:
    def run_of(self, shown: Report, **presentation: Any) -> Any:
        log = json.loads(rendered("sarif", shown, **presentation))
        jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(log)
        (run,) = log["runs"]
        return run

    @given(reports)
    def test_any_report_is_valid_by_the_official_schema(self, shown: Report) -> None:
        assert len(self.run_of(shown)["results"]) == len(shown.findings)

    def test_every_rule_has_its_metadata(self) -> None:
        rules = self.run_of(report())["tool"]["driver"]["rules"]
        assert [rule["id"] for rule in rules] == [rule.code for rule in all_rules()]
        (syntax,) = (rule for rule in rules if rule["id"] == "NN901")
        assert syntax["name"] == "syntax-error"
        assert syntax["shortDescription"]["text"] == "The file, or the notebook cell, does not parse."
        assert syntax["fullDescription"]["text"].startswith("Reports the first place")
        assert "## Why it matters" in syntax["help"]["markdown"]
        assert syntax["helpUri"].endswith("#nn901-syntax-error")
        assert syntax["defaultConfiguration"] == {"enabled": True, "level": "error"}

    def test_a_result_points_at_its_rule_and_place(self) -> None:
        finding = fault(spot(4, 9, 24, "my scripts/100% 损.py"), Severity.ADVICE, code="NN902", help="clear them")
        run = self.run_of(report(finding))
        (result,) = run["results"]
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "NN902"
        assert result["level"] == "note"
        assert result["message"]["text"] == "gradients pile up\nhelp: clear them"
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "my%20scripts/100%25%20%E6%8D%9F.py", "uriBaseId": "SRCROOT"}
        assert place["region"] == {"startLine": 4, "startColumn": 9, "endLine": 4, "endColumn": 24}
        assert run["columnKind"] == "unicodeCodePoints"

    def test_a_file_outside_is_told_without_steps_up_and_down(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        (result,) = self.run_of(report(fault(spot(1, 1, 2, "../else.py"))), base=tmp_path / "here")["results"]
        location = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert location == {"uri": (tmp_path / "else.py").as_uri()}

    def test_a_file_outside_the_repository_has_an_absolute_uri(self, tmp_path: Path) -> None:
        (tmp_path / "repository").mkdir()
        outside = tmp_path / "else.py"
        (result,) = self.run_of(report(fault(spot(1, 1, 2, str(outside)))), base=tmp_path / "repository")["results"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": outside.as_uri()}

    def test_related_places_and_the_fix_are_given(self) -> None:
        (result,) = self.run_of(report(zero_grad_fault()))["results"]
        (related,) = result["relatedLocations"]
        assert related["message"]["text"] == "steps on their sum"
        assert related["physicalLocation"]["region"]["startLine"] == 5
        (fix,) = result["fixes"]
        assert fix["description"]["text"] == "clear the gradients"
        (change,) = fix["artifactChanges"]
        assert change["artifactLocation"]["uri"] == "train.py"
        assert change["replacements"] == [
            {
                "deletedRegion": {"startLine": 4, "startColumn": 1, "endLine": 4, "endColumn": 1},
                "insertedContent": {"text": "        optimizer.zero_grad()\n"},
            }
        ]

    def test_a_fix_in_two_files_is_two_changes(self) -> None:
        edits = (*mend().edits, *mend(path="net.py").edits, *mend().edits)
        (result,) = self.run_of(report(fault(spot(1, 1, 2), fix=replace(mend(), edits=edits))))["results"]
        changes = result["fixes"][0]["artifactChanges"]
        assert [(change["artifactLocation"]["uri"], len(change["replacements"])) for change in changes] == [
            ("train.py", 2),
            ("net.py", 1),
        ]

    def test_fingerprints_stay_when_the_line_moves_and_differ_between_findings(self) -> None:
        first, second = (
            [result["partialFingerprints"]["nnlint/v1"] for result in self.run_of(shown)["results"]]
            for shown in (
                report(fault(spot(4, 9, 24)), fault(spot(5, 9, 24)), train=LOOP),
                report(fault(spot(6, 9, 24)), fault(spot(7, 9, 24)), train=f"import torch\n\n{LOOP}"),
            )
        )
        assert first == second
        assert len(set(first)) == 2

    def test_a_failure_of_the_run_is_a_notification(self) -> None:
        (invocation,) = self.run_of(report(errors=(CRASH,)))["invocations"]
        assert invocation["executionSuccessful"] is False
        (notification,) = invocation["toolExecutionNotifications"]
        assert notification["level"] == "error"
        assert notification["message"]["text"] == CRASH.message
        place = notification["locations"][0]["physicalLocation"]
        assert (place["artifactLocation"]["uri"], place["region"]) == ("broken.py", {"startLine": 7})

    def test_a_run_without_failures_says_so(self) -> None:
        (invocation,) = self.run_of(report(zero_grad_fault()))["invocations"]
        assert invocation == {"executionSuccessful": True, "toolExecutionNotifications": []}


class TestGitlab:
    def test_a_finding_has_the_fields_that_gitlab_reads(self) -> None:
        (entry,) = json.loads(rendered("gitlab", report(zero_grad_fault(), train=LOOP)))
        assert len(entry.pop("fingerprint")) == 32
        assert entry == {
            "description": (
                "missing-zero-grad: gradients pile up; train.py:5: steps on their sum; "
                "help: call `optimizer.zero_grad()` before the backward pass"
            ),
            "check_name": "NN102",
            "severity": "critical",
            "location": {"path": "train.py", "lines": {"begin": 4, "end": 4}},
        }

    def test_severities_are_gitlabs_and_a_failure_blocks(self) -> None:
        shown = report(*(fault(spot(1, 1, 2), severity) for severity in Severity), errors=(CRASH,))
        entries = json.loads(rendered("gitlab", shown))
        assert [entry["severity"] for entry in entries] == ["critical", "major", "info", "blocker"]

    def test_fingerprints_are_unique_even_for_equal_findings(self) -> None:
        shown = report(*[zero_grad_fault()] * 3, errors=(CRASH, CRASH))
        assert len({entry["fingerprint"] for entry in json.loads(rendered("gitlab", shown))}) == 5


class TestJunit:
    def suite_of(self, shown: Report) -> ElementTree.Element:
        root = ElementTree.fromstring(rendered("junit", shown).encode("utf-8"))
        (suite,) = root
        assert suite.get("tests") == str(len(suite))
        return suite

    def test_an_error_is_a_failed_case_and_advice_a_passed_one(self) -> None:
        suite = self.suite_of(report(zero_grad_fault(), fault(spot(1, 2, 3), Severity.ADVICE)))
        failed, passed = suite
        assert (failed.get("classname"), failed.get("name")) == ("train.py", "NN102 missing-zero-grad at 4:9")
        failure = failed.find("failure")
        assert failure is not None
        assert (failure.get("type"), failure.get("message")) == ("error", "gradients pile up")
        assert "help: call" in (failure.text or "")
        assert [child.tag for child in passed] == ["system-out"]
        assert (suite.get("failures"), suite.get("errors")) == ("1", "0")

    def test_a_failure_of_the_run_is_an_error(self) -> None:
        suite = self.suite_of(report(errors=(CRASH,)))
        assert [error.get("message") for error in suite.iter("error")] == [CRASH.message]
        assert suite.get("errors") == "1"

    def test_a_clean_run_is_one_passed_case(self) -> None:
        (case,) = self.suite_of(Report(files=3))
        assert (case.get("name"), len(case)) == ("3 files", 0)

    def test_characters_that_xml_cannot_hold_are_written_out(self) -> None:
        suite = self.suite_of(report(fault(spot(1, 1, 2), message="a\x00b\x1b <&> \ud800 \ufffe 损")))
        failure = suite.find("testcase/failure")
        assert failure is not None
        assert failure.get("message") == r"a\x00b\x1b <&> \ud800 \ufffe 损"

    @given(reports)
    def test_any_report_is_well_formed(self, shown: Report) -> None:
        self.suite_of(shown)
