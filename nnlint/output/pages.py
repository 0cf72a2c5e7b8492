"""Rule pages: a rule's docstring, which is Markdown, laid out for a terminal; and the list of rules.

Of Markdown this reads what the pages use: headings, fenced code, lists and paragraphs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from json import dumps

from nnlint.lazy import regex
from nnlint.output.terminal import paint, wrap
from nnlint.records import dataclass
from nnlint.rule import Rule

_INDENT = "    "
_NARROWEST = 40
_WIDEST = 96
_NARROWEST_TITLE = 30
_LIST_ITEM = regex(r"\s*(?:[-*]|\d+\.) ")
_CODE = regex(r"`[^`]+`")


@dataclass(frozen=True)
class Block:
    """A piece of a page: a "heading", "code", an "item" of a list, or a "paragraph"."""

    kind: str
    lines: tuple[str, ...]


def blocks(page: str | None) -> Iterator[Block]:
    """The pieces of a page in order, headings without their signs and code without its fences."""
    lines = iter((page or "").strip().splitlines())
    gathered: list[str] = []
    for line in lines:
        if gathered and (not line.strip() or line.startswith(("#", "```")) or _LIST_ITEM.match(line)):
            yield _prose(gathered)
            gathered = []
        if line.startswith("```"):
            yield Block("code", tuple(_until_fence(lines)))
        elif line.startswith("#"):
            yield Block("heading", (line.lstrip("#").strip(),))
        elif line.strip():
            gathered.append(line)
    if gathered:
        yield _prose(gathered)


def _until_fence(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("```"):
            return
        yield line


def _prose(lines: list[str]) -> Block:
    return Block("item" if _LIST_ITEM.match(lines[0]) else "paragraph", (" ".join(line.strip() for line in lines),))


def section(page: str | None, heading: str) -> str:
    """The prose under a heading of a page, without the code; empty where there is none."""
    inside = False
    found: list[str] = []
    for block in blocks(page):
        if block.kind == "heading":
            inside = block.lines == (heading,)
        elif inside and block.kind != "code":
            found.extend(block.lines)
    return "\n".join(found)


def page(rule: Rule, colour: bool, width: int) -> str:
    """A rule's page: its code and name, its title, its metadata, then the sections."""
    text_width = max(_NARROWEST, min(width, _WIDEST)) if width else 0
    title, *body = blocks(rule.page)
    head = f"{paint(rule.code, rule.severity.value, colour)} {paint(rule.name, 'strong', colour)}"
    rows = [head, *_shown(title, colour, text_width), "", f"{_INDENT}{paint(_metadata(rule), 'quiet', colour)}"]
    previous = title
    for block in body:
        if previous.kind != "heading" and not (previous.kind == block.kind == "item"):
            rows.append("")
        rows += _shown(block, colour, text_width)
        previous = block
    rows += ["", f"{_INDENT}{paint(rule.url, 'quiet', colour)}"]
    return "".join(f"{row}\n" for row in rows)


def _metadata(rule: Rule) -> str:
    state = "on by default" if rule.default else "off by default"
    fix = f"{rule.fix.value} fix" if rule.fix else "no fix"
    return f"{rule.severity.value}, {state}, {fix}, since {rule.since}"


def _shown(block: Block, colour: bool, width: int) -> list[str]:
    if block.kind == "heading":
        return [paint(block.lines[0], "strong", colour)]
    if block.kind == "code":
        return [f"{_INDENT * 2}{paint(line, 'quiet', colour)}".rstrip() for line in block.lines]
    text = block.lines[0]
    hang = " " * len(match[0].lstrip()) if (match := _LIST_ITEM.match(text)) else ""
    first, *others = wrap(text.strip(), width and width - len(_INDENT + hang))
    return [_INDENT + _with_code(first, colour), *(_INDENT + hang + _with_code(line, colour) for line in others)]


def _with_code(line: str, colour: bool) -> str:
    return _CODE.sub(lambda match: paint(match[0], "related", colour), line) if colour else line


def rules_as_table(rules: Iterable[Rule], width: int = 0) -> str:
    """A line for each rule: code, name, severity, whether it is on by default, fix, title (wrapped where it is too long)."""
    rows = [("code", "name", "severity", "default", "fix", "title")]
    rows += [_cells(rule) for rule in rules]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    indent = sum(widths) + len("  ") * len(widths)
    return "".join(f"{line}\n" for row in rows for line in _table_lines(row, widths, indent, width))


def _table_lines(row: tuple[str, ...], widths: list[int], indent: int, width: int) -> Iterator[str]:
    *cells, title = row
    head = "".join(f"{cell:<{each}}  " for cell, each in zip(cells, widths, strict=True))
    if width and width - indent < _NARROWEST_TITLE:  # the title goes below
        yield head.rstrip()
        yield from (f"{'':{widths[0]}}  {line}" for line in wrap(title, max(_NARROWEST_TITLE, width - widths[0] - 2)))
        return
    first, *others = wrap(title, width and width - indent)
    yield f"{head}{first}".rstrip()
    yield from (f"{'':{indent}}{line}" for line in others)


def _cells(rule: Rule) -> tuple[str, str, str, str, str, str]:
    default = "on" if rule.default else "off"
    return rule.code, rule.name, rule.severity.value, default, rule.fix.value if rule.fix else "-", rule.title


def rules_as_json(rules: Iterable[Rule]) -> str:
    """A list with one object for each rule."""
    return dumps([_entry(rule) for rule in rules], ensure_ascii=False, indent=2) + "\n"


def rule_as_json(rule: Rule) -> str:
    """One object."""
    return dumps(_entry(rule), ensure_ascii=False, indent=2) + "\n"


def _entry(rule: Rule) -> dict[str, object]:
    return {
        "code": rule.code,
        "name": rule.name,
        "topic": rule.topic,
        "severity": rule.severity.value,
        "default": rule.default,
        "fix": rule.fix.value if rule.fix else None,
        "since": rule.since,
        "title": rule.title,
        "url": rule.url,
        "page": (rule.page or "").strip(),
    }
