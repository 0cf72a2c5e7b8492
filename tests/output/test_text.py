"""The format for people: exact expected text, as a reader of a terminal sees it."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnlint.finding import Applicability, Finding, Place, Related, Severity, Status, Verdict
from nnlint.output import describe_notes
from nnlint.output.terminal import columns, visible
from nnlint.report import Note, Report, SourceText

from .samples import CRASH, LOOP, fault, mend, rendered, report, spot, zero_grad_fault

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def shows(expected: str, *findings: Finding, width: int = 0, **texts: str) -> None:
    """Assert that the findings alone look as expected."""
    shown = rendered("text", report(*findings, errors=(), **texts), quiet=True, width=width)
    assert shown == dedent(expected).lstrip("\n")


def test_a_span_is_underlined_and_its_neighbours_and_related_places_stand_in_the_same_frame() -> None:
    shows(
        """
        train.py:4:9: error NN102 missing-zero-grad: gradients pile up
          |
        3 |         loss = F.cross_entropy(model(images), labels)
        4 |         loss.backward()
          |         ^^^^^^^^^^^^^^^ adds to the gradients of every earlier step
        5 |         optimizer.step()
          |         ---------------- steps on their sum
          |
          = help: call `optimizer.zero_grad()` before the backward pass [fix]
        """,
        zero_grad_fault(),
        train=LOOP,
    )


def test_a_span_of_several_lines_has_a_bar_beside_it() -> None:
    shows(
        """
        train.py:2:17: error NN102 missing-zero-grad: gradients pile up
          |
        1 |   for epoch in range(5):
        2 |       optimizer = Adam(
          |  _________________^
        3 | |         model.parameters(),
        4 | |     )
          | |_____^ a new one in every epoch
        5 |       train()
          |       ------- trains
        """,
        fault(
            Place("train.py", None, 2, 17, 4, 6),
            label="a new one in every epoch",
            related=(Related(spot(5, 5, 12), "trains"),),
        ),
        train="""\
        for epoch in range(5):
            optimizer = Adam(
                model.parameters(),
            )
            train()
        """,
    )


def test_a_long_span_that_starts_its_line_is_shown_by_its_ends() -> None:
    shows(
        """
        train.py:2:1: warning NN102 missing-zero-grad: gradients pile up
           |
         1 |   first()
         2 | / for batch in loader:
         3 | |     step(3)
        ...  |
         9 | |     step(9)
        10 | |     step(10)
           | |____________^ the loop
        """,
        fault(Place("train.py", None, 2, 1, 10, 13), Severity.WARNING, label="the loop"),
        train="first()\nfor batch in loader:\n" + "".join(f"    step({n})\n" for n in range(3, 11)),
    )


def test_a_related_place_in_another_file_has_its_own_frame() -> None:
    shows(
        """
        train.py:3:16: error NN102 missing-zero-grad: gradients pile up
          |
        2 |     for images, labels in loader:
        3 |         loss = F.cross_entropy(model(images), labels)
          |                ^^^^^^^^^^^^^^^ takes logits
        4 |         loss.backward()
          |
         --> net.py:2:12
          |
        2 |     return x.softmax(1)
          |            ------------ probabilities
          |
          = help: return x [unsafe fix]
        """,
        fault(
            spot(3, 16, 31),
            label="takes logits",
            related=(Related(spot(2, 12, 24, "net.py"), "probabilities"),),
            help="return x",
            fix=mend(Applicability.UNSAFE),
        ),
        train=LOOP,
        net="def forward(x):\n    return x.softmax(1)\n",
    )


def test_a_related_place_far_away_has_its_own_frame_and_one_nearby_leaves_a_gap() -> None:
    shows(
        """
        train.py:9:1: error NN102 missing-zero-grad: gradients pile up
           |
         3 | line 3
           | ---- near
        ...
         8 | line 8
         9 | line 9
           | ^^^^
        10 | line 10
           |
          --> train.py:20:1
           |
        20 | line 20
           | ---- far
        """,
        fault(spot(9, 1, 5), related=(Related(spot(3, 1, 5), "near"), Related(spot(20, 1, 5), "far"))),
        train="".join(f"line {n}\n" for n in range(1, 30)),
    )


def test_a_related_place_whose_text_is_not_at_hand_is_named() -> None:
    shows(
        """
        train.py:5:9: error NN102 missing-zero-grad: gradients pile up
          |
        4 |         loss.backward()
        5 |         optimizer.step()
          |         ^^^^^^^^^
          |
         --> lib/engine.py:40:3: cleared here
        """,
        fault(spot(5, 9, 18), related=(Related(spot(40, 3, 9, "lib/engine.py"), "cleared here"),)),
        train=LOOP,
    )


def test_a_place_of_which_two_things_are_said_is_underlined_once() -> None:
    shows(
        """
        train.py:1:1: error NN102 missing-zero-grad: gradients pile up
          |
        1 | layer = make()
          | ^^^^^^^^^^^^^^ a narrow layer; the next one too
        2 | train()
          | ------- used; and used again
        """,
        fault(
            spot(1, 1, 15),
            label="a narrow layer",
            related=(
                Related(spot(2, 1, 8), "used"),
                Related(spot(1, 1, 15), "the next one too"),
                Related(spot(2, 1, 8), "and used again"),
            ),
        ),
        train="layer = make()\ntrain()",
    )


def test_two_marks_on_one_line_are_underlined_one_below_the_other() -> None:
    shows(
        """
        train.py:1:1: error NN102 missing-zero-grad: gradients pile up
          |
        1 | loss.backward(); step()
          | ^^^^^^^^^^^^^^^ first
          |                  ------ second
        """,
        fault(spot(1, 1, 16), label="first", related=(Related(spot(1, 18, 24), "second"),)),
        train="loss.backward(); step()",
    )


def test_underlines_align_below_wide_and_combining_characters_and_emoji() -> None:
    line = "损失 = 'é👨\u200d👩\u200d👧🇨🇳', loss.backward()"
    start = line.index("loss")
    shown = rendered("text", report(fault(spot(1, start + 1, len(line) + 1)), train=line), quiet=True)
    source, underline = shown.splitlines()[2:4]
    assert source == f"1 | {line}"
    assert underline.index("^") == columns(source[: source.index("loss")]) == 4 + len("xxxx = 'xxxxx', ")
    assert underline.count("^") == len("loss.backward()")


def test_an_underline_below_wide_characters_is_as_wide_as_they_are() -> None:
    shows(
        """
        数据.py:1:4: error NN102 missing-zero-grad: gradients pile up
          |
        1 | 网络(训练集)
          |      ^^^^^^ 在这里
        """,
        fault(spot(1, 4, 7, "数据.py"), label="在这里"),
        数据="网络(训练集)",
    )


def test_tabs_are_expanded_and_the_reported_column_still_counts_characters() -> None:
    shows(
        """
        train.py:2:3: error NN102 missing-zero-grad: gradients pile up
          |
        1 | for x in y:
        2 |         a   = loss.backward()
          |         ^
        """,
        fault(spot(2, 3, 4)),
        train="for x in y:\n\t\ta\t= loss.backward()",
    )


def test_a_span_after_an_inner_tab_is_underlined_where_it_stands() -> None:
    shows(
        """
        train.py:1:3: error NN102 missing-zero-grad: gradients pile up
          |
        1 | a   bc
          |     ^^
        """,
        fault(spot(1, 3, 5)),
        train="a\tbc",
    )


def test_a_notebook_names_the_cell_and_shows_its_lines_only() -> None:
    texts = {"study.ipynb": SourceText({1: ["import torch", "model = Net()"], 2: ["loss.backward()"]})}
    finding = fault(
        spot(1, 1, 16, "study.ipynb", 2), label="here", related=(Related(spot(2, 1, 6, "study.ipynb", 1), "made"),)
    )
    assert rendered("text", Report((finding,), files=1, texts=texts), quiet=True) == dedent(
        """\
        study.ipynb:cell 2:1:1: error NN102 missing-zero-grad: gradients pile up
          |
        1 | loss.backward()
          | ^^^^^^^^^^^^^^^ here
          |
         --> study.ipynb:cell 1:2:1
          |
        2 | model = Net()
          | ----- made
        """
    )


def test_a_long_line_is_cut_around_the_span() -> None:
    shows(
        """
        train.py:1:144: error NN102 missing-zero-grad:
            gradients pile up
          |
        1 | ...d, p, loss.backward(), pad, pad, p...
          |          ^^^^^^^^^^^^^^^ here
        """,
        fault(spot(1, 144, 159), label="here"),
        train="x = [" + "pad, " * 27 + "p, " + "loss.backward()" + ", pad" * 30 + "]",
        width=44,
    )


def test_a_long_line_is_cut_at_its_end_where_the_span_is_near_its_start() -> None:
    shows(
        """
        train.py:1:1: error NN102 missing-zero-grad:
            gradients pile up
          |
        1 | loss = [pad, pad, pad, pad, pad, pad,...
          | ^^^^
        """,
        fault(spot(1, 1, 5)),
        train="loss = [" + "pad, " * 40,
        width=44,
    )


def test_a_long_line_is_cut_at_its_start_where_the_span_is_near_its_end() -> None:
    shows(
        """
        train.py:1:204: error NN102 missing-zero-grad:
            gradients pile up
          |
        1 | ..., pad, pad, pad, pad, pad, pad] + end
          |                                      ^^^
          |                                     last
        """,
        fault(spot(1, 204, 207), label="last"),
        train="[" + "pad, " * 39 + "pad" + "] + end",
        width=44,
    )


def test_words_that_do_not_fit_are_wrapped_and_a_label_moves_below_its_span() -> None:
    shows(
        """
        train.py:4:9: error NN102 missing-zero-grad:
            gradients pile up
          |
        3 |         loss = F.cross_entropy(mode...
        4 |         loss.backward()
          |         ^^^^^^^^^^^^^^^
          |         adds to the gradients of every
          |         earlier step
        5 |         optimizer.step()
          |         ----------------
          |         steps on their sum
          |
          = help: call `optimizer.zero_grad()`
                  before the backward pass [fix]
        """,
        zero_grad_fault(),
        train=LOOP,
        width=42,
    )


def test_a_fix_mark_that_does_not_fit_has_its_own_line() -> None:
    shows(
        """
        train.py:4:9: error NN102 missing-zero-grad:
            gradients pile up
          = help: call it before the backward pass
                  [unsafe fix]
        """,
        fault(spot(4, 9, 24), help="call it before the backward pass", fix=mend(Applicability.UNSAFE)),
        width=42,
    )


def test_a_span_past_the_end_of_the_text_is_pointed_at() -> None:
    shows(
        """
        train.py:2:1: error NN102 missing-zero-grad: gradients pile up
          |
        1 | print((
        2 |
          | ^ the file ends here
        """,
        fault(spot(2, 1, 1), label="the file ends here"),
        train="print((",
    )


def test_a_finding_without_its_text_is_a_line_and_its_help() -> None:
    shows(
        """
        train.py:4:9: error NN102 missing-zero-grad: gradients pile up
          = help: clear the gradients [fix]
        """,
        fault(spot(4, 9, 24), fix=mend()),
    )


def test_a_verdict_is_shown() -> None:
    verdict = Verdict(Status.CONFIRMED, "at step 3 the gradient is 2.9 times the fresh one")
    shown = rendered("text", report(fault(spot(1, 1, 4), verdict=verdict)), quiet=True)
    assert "= confirmed: at step 3 the gradient is 2.9 times the fresh one\n" in shown


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [("\x1b[31m", "␛[31m"), ("\x7f", "␡"), ("\u202e", "<U+202E>"), ("\x9b", "<U+009B>"), ("\udc80", "\\x80")],
)
def test_characters_that_would_steer_the_terminal_are_made_visible(hostile: str, harmless: str) -> None:
    path = f"{hostile}.py"
    finding = fault(spot(1, 2, 3, path), message=hostile, label=hostile, help=hostile)
    texts = {path: SourceText({None: [f"{hostile}!"]})}
    shown = rendered("text", Report((finding,), files=1, texts=texts), quiet=True)
    assert hostile not in shown
    assert shown.count(harmless) == 5


def test_colours_change_no_character() -> None:
    shown = report(zero_grad_fault(), fault(spot(1, 1, 4), Severity.ADVICE), errors=(CRASH,), train=LOOP)
    plain, coloured = (rendered("text", shown, colour=colour, width=80) for colour in (False, True))
    assert "\x1b" not in plain
    assert COLOUR.sub("", coloured) == plain
    assert "\x1b[1;31merror NN102\x1b[0m" in coloured
    assert "\x1b[1;31m^^^^^^^^^^^^^^^ adds to the gradients of every earlier step\x1b[0m" in coloured


def closing(shown: Report, **presentation: Any) -> str:
    """What follows the findings."""
    return rendered("text", shown, **presentation).rpartition("\n\n")[2]


def test_the_summary_counts_by_severity_and_says_how_to_fix() -> None:
    shown = report(
        zero_grad_fault(),
        fault(spot(1, 1, 4), fix=mend(Applicability.UNSAFE)),
        fault(spot(1, 1, 4), Severity.WARNING),
        fault(spot(1, 1, 4, "net.py"), Severity.ADVICE),
    )
    assert closing(shown) == dedent(
        """\
        Found 2 errors, 1 warning and 1 piece of advice in 2 of 3 files.
        1 can be fixed with --fix, 1 more with --fix --unsafe-fixes.
        nnlint --explain NN102 tells more about this fault.
        """
    )


def test_the_summary_names_the_unsafe_option_alone_where_only_that_helps() -> None:
    shown = report(fault(spot(1, 1, 4), fix=mend(Applicability.UNSAFE)))
    assert "\n1 can be fixed with --fix --unsafe-fixes.\n" in closing(shown)


@pytest.mark.parametrize(
    ("files", "fixed", "expected"),
    [
        (1, 0, "Nothing to report in 1 file.\n"),
        (0, 0, "Nothing to report in 0 files.\n"),
        (4, 1, "Fixed 1 finding. Nothing left to report in 4 files.\n"),
        (4, 3, "Fixed 3 findings. Nothing left to report in 4 files.\n"),
    ],
)
def test_the_summary_of_a_clean_run(files: int, fixed: int, expected: str) -> None:
    assert rendered("text", Report(files=files), fixed=fixed) == expected


def test_a_failure_of_the_run_is_shown_and_counted() -> None:
    assert rendered("text", report(errors=(CRASH,))) == dedent(
        """\
        broken.py:7: internal error: rule NN101 (rules/a.py) raised KeyError: 'x'

        Nothing to report in 3 files.
        1 failure: findings may be missing.
        """
    )


def test_statistics_count_per_rule_the_most_frequent_first() -> None:
    softmax = fault(spot(1, 1, 4), code="NN201", name="softmax-before-cross-entropy")
    shown = report(softmax, *[zero_grad_fault()] * 12)
    assert rendered("text", shown, statistics=True, quiet=True).endswith(
        "\n\n12  NN102  missing-zero-grad             [fix]\n 1  NN201  softmax-before-cross-entropy\n"
    )


def test_a_quiet_run_without_findings_says_nothing() -> None:
    assert rendered("text", Report(files=3), quiet=True, statistics=True) == ""


def test_notes_are_a_line_each() -> None:
    notes = (Note("train.py", 3, "a call was not followed: too deep"), Note("data.bin", None, "skipped"))
    assert describe_notes(notes) == "train.py:3: note: a call was not followed: too deep\ndata.bin: note: skipped\n"


@given(
    line=st.text(st.characters(exclude_characters="\n\r"), max_size=60),
    span=st.tuples(st.integers(1, 70), st.integers(0, 40)),
    width=st.sampled_from([0, 40, 80]),
)
def test_whatever_the_line_holds_the_frame_fits_and_underlines_something(
    line: str, span: tuple[int, int], width: int
) -> None:
    start, length = span
    shown = rendered(
        "text",
        Report((fault(spot(1, start, start + length)),), files=1, texts={"train.py": SourceText({None: [line]})}),
        quiet=True,
        width=width,
    )
    *_, source, underline = shown.splitlines()
    assert "^" in underline
    assert source == visible(source)
    assert not width or columns(source) <= width
