"""Fixes as text edits, made from nodes of the abstract run's trees: the user's formatting and comments stay.

Each function returns None (or no edit) where the text does not allow a clean edit: a node that no source is known of, a
line that goes on from another one. What is put beside a statement that shares its line with others goes onto that line, too.
"""

from __future__ import annotations

import ast

from nnlint.finding import Applicability, Edit, Fix, Place
from nnlint.garbage import remembered
from nnlint.records import dataclass, field
from nnlint.static.objects import CodeSite, Module, span
from nnlint.values import Site


def fix(applicability: Applicability, message: str, *edits: Edit | None) -> Fix | None:
    """A fix of these edits; None if any of them could not be made, or they lie in several cells or files."""
    made = [edit for edit in edits if edit is not None]
    if len(made) != len(edits) or not made:
        return None
    homes = {(edit.place.path, edit.place.cell) for edit in made}
    return Fix(applicability, message, tuple(made)) if len(homes) == 1 else None


def code_of(site: Site) -> str:
    """The source text of a node, on one line or several."""
    if not isinstance(site, CodeSite):
        return ""
    line, column, end_line, end_column = span(site.module, site.node)
    lines = site.module.lines[line - 1 : end_line]
    if not lines:
        return ""
    lines[-1] = lines[-1][: end_column - 1]
    lines[0] = lines[0][column - 1 :]
    return "\n".join(lines)


def node_code(site: Site, node: ast.AST) -> str:
    """The source text of another node of the same module."""
    return code_of(CodeSite(site.module, node)) if isinstance(site, CodeSite) else ""


def replace(site: Site, content: str) -> Edit | None:
    """Replace a node's text. None where a comment inside of it would be lost."""
    return Edit(site.place, content) if isinstance(site, CodeSite) and keeps_comments(site, content) else None


def keeps_comments(site: Site, content: str) -> bool:
    """Whether a text has all comments that stand inside of a node, between its lines."""
    code = code_of(site)
    if "#" not in code or "\n" not in code:
        return True
    import io
    import tokenize

    tokens = tokenize.generate_tokens(io.StringIO(f"({code}\n)").readline)
    return all(each.string in content for each in tokens if each.type == tokenize.COMMENT)


def insert_after_node(site: Site, content: str) -> Edit | None:
    """Add text right behind a node, on its line."""
    if not isinstance(site, CodeSite):
        return None
    place = site.place
    return Edit(
        Place(place.path, place.cell, place.end_line, place.end_column, place.end_line, place.end_column), content
    )


def insert_before_attribute(site: Site, node: ast.Attribute, content: str) -> Edit | None:
    """Add text before the dot of an attribute, as in `x.mean` to `x.abs().mean`. None where the dot stands apart."""
    if not isinstance(site, CodeSite):
        return None
    _, _, line, end = span(site.module, node)
    dot = end - len(node.attr) - 1
    is_close = site.module.lines[line - 1][dot - 1 : end - 1] == f".{node.attr}"
    return Edit(site.module.source.place(line, dot, line, dot), content) if is_close else None


def insert_before(site: Site, *lines: str) -> Edit | None:
    """Add lines before the statement of a site, indented like it."""
    own = _own_lines(site)
    if own is None or not isinstance(site, CodeSite):
        return _beside(site, lines, is_before=True)
    first, _, indent = own
    return _at_line(site.module, first, "".join(f"{indent}{line}\n" for line in lines))


def insert_after(site: Site, *lines: str) -> Edit | None:
    """Add lines after the statement of a site, indented like it."""
    own = _own_lines(site)
    if own is None or not isinstance(site, CodeSite):
        return _beside(site, lines, is_before=False)
    _, last, indent = own
    if last >= len(site.module.lines):
        end = len(site.module.lines[last - 1]) + 1
        place = site.module.source.place(last, end, last, end)
        return Edit(place, "".join(f"\n{indent}{line}" for line in lines))
    return _behind(site.module, last, "".join(f"\n{indent}{line}" for line in lines))


def remove_statement(site: Site) -> Edit | None:
    """Delete the statement of a site with its lines. None where it is the only one of its block."""
    if not isinstance(site, CodeSite) or site.statement is None or _is_alone(site):
        return None
    own = _own_lines(site)
    if own is None:
        return _off_its_line(site)
    first, last, _ = own
    lines = site.module.lines
    if last < len(lines):
        place = site.module.source.place(first, 1, last + 1, 1)
        following = site.module.source.place(last + 1, 1, last + 1, 1)
        if following.cell == place.cell:
            return Edit(place, "")
    place = site.module.source.place(first, 1, last, len(lines[last - 1]) + 1)
    return Edit(place, "")


def statement_lines(site: Site) -> tuple[str, ...] | None:
    """The lines of the statement of a site with trailing comments, less the indentation of the first."""
    own = _own_lines(site)
    if not isinstance(site, CodeSite):
        return None
    if own is None:
        return (node_code(site, site.statement),) if site.statement is not None and _line_mates(site) else None
    first, last, indent = own
    return tuple(line.removeprefix(indent) for line in site.module.lines[first - 1 : last])


def indent_under(site: Site, header: str) -> Edit | None:
    """Put the statement of a site under a header line, such as `with torch.no_grad():`, one level deeper."""
    own = _own_lines(site)
    if own is None or not isinstance(site, CodeSite) or site.statement is None or _holds_lines_of_text(site.statement):
        return None
    first, last, indent = own
    step = "\t" if "\t" in indent or any(line.startswith("\t") for line in site.module.lines[first:last]) else "    "
    lines = site.module.lines[first - 1 : last]
    deeper = [f"{step}{line}" if line.strip() else line for line in lines]
    place = site.module.source.place(first, 1, last, len(lines[-1]) + 1)
    return Edit(place, "\n".join([f"{indent}{header}", *deeper]))


def _holds_lines_of_text(statement: ast.stmt) -> bool:
    """Whether a string of several lines stands in it, whose text another indentation would change."""
    return any(
        isinstance(node, (ast.Constant, ast.JoinedStr)) and node.lineno != node.end_lineno
        for node in ast.walk(statement)
        if isinstance(node, ast.expr)
    )


def statement_site(site: Site, statement: ast.stmt) -> CodeSite | None:
    """Another statement of the same module, as a site."""
    return CodeSite(site.module, statement, statement, site.function) if isinstance(site, CodeSite) else None


def _own_lines(site: Site) -> tuple[int, int, str] | None:
    """First and last line of a site's statement, and its indentation, if nothing else stands on these lines."""
    if not isinstance(site, CodeSite) or site.statement is None:
        return None
    line, column, end_line, end_column = span(site.module, site.statement)
    lines = site.module.lines
    indent = lines[line - 1][: column - 1]
    rest = lines[end_line - 1][end_column - 1 :].strip()
    is_continued = line > 1 and lines[line - 2].endswith("\\")
    if is_continued or indent.strip() or (rest and not rest.startswith("#")):
        return None
    return line, end_line, indent


def _line_mates(site: CodeSite) -> tuple[ast.stmt | None, ast.stmt | None] | None:
    """The statements before and after a site's one on its line, of the same block; None where it shares its line with none."""
    block = block_of(site)
    position = next((n for n, each in enumerate(block) if each is site.statement), None)
    if position is None or site.statement is None:
        return None
    line, column, end_line, _ = span(site.module, site.statement)
    start = site.module.lines[line - 1][: column - 1]
    before = block[position - 1] if position and start.rstrip().endswith(";") else None
    after = block[position + 1] if position + 1 < len(block) and block[position + 1].lineno == end_line else None
    is_plain = before is not None or not start.strip() or start.rstrip().endswith(":")
    is_continued = line > 1 and site.module.lines[line - 2].endswith("\\")
    return (before, after) if (before or after) and is_plain and not is_continued else None


def _beside(site: Site, lines: tuple[str, ...], *, is_before: bool) -> Edit | None:
    """Put simple statements onto the line that a site's statement shares with others."""
    if not isinstance(site, CodeSite) or site.statement is None or not _line_mates(site) or not _are_simple(lines):
        return None
    line, column, end_line, end_column = span(site.module, site.statement)
    text = "; ".join(lines)
    if is_before:
        return Edit(site.module.source.place(line, column, line, column), f"{text}; ")
    return Edit(site.module.source.place(end_line, end_column, end_line, end_column), f"; {text}")


def _are_simple(lines: tuple[str, ...]) -> bool:
    """Whether these lines are statements that can stand on one line."""
    try:
        statements = [each for line in lines for each in ast.parse(line).body]
    except SyntaxError:
        return False
    return len(statements) == len(lines) and not any(
        hasattr(each, "body") or "#" in line for each, line in zip(statements, lines, strict=True)
    )


def _off_its_line(site: CodeSite) -> Edit | None:
    """Delete the statement of a site from the line that it shares with others."""
    mates = _line_mates(site)
    if mates is None or site.statement is None:
        return None
    before, after = mates
    line, column, end_line, end_column = span(site.module, site.statement)
    if after is not None:
        return Edit(site.module.source.place(line, column, *span(site.module, after)[:2]), "")
    assert before is not None, "one of the two is there"
    return Edit(site.module.source.place(*span(site.module, before)[2:], end_line, end_column), "")


def _at_line(module: Module, line: int, content: str) -> Edit:
    return Edit(module.source.place(line, 1, line, 1), content)


def _behind(module: Module, line: int, content: str) -> Edit:
    end = len(module.lines[line - 1]) + 1
    return Edit(module.source.place(line, end, line, end), content)


def block_of(site: Site) -> list[ast.stmt]:
    """The statements of the block in which a site's statement stands; empty where it is not found."""
    if not isinstance(site, CodeSite) or site.statement is None:
        return []
    return _nesting(site.module.tree).blocks.get(id(site.statement), [])


def holder_of(site: Site) -> ast.AST | None:
    """The node whose block a site's statement stands in: a module, class, function, loop, ...; None where it is not found."""
    return _nesting(site.module.tree).around.get(id(site.statement)) if isinstance(site, CodeSite) else None


def _is_alone(site: CodeSite) -> bool:
    return len(block_of(site)) == 1


def loops_around(site: Site) -> list[ast.stmt]:
    """The loop statements around a site within its function (or module), outermost first."""
    return [node for node in blocks_around(site) if isinstance(node, (ast.For, ast.AsyncFor, ast.While))]


def blocks_around(site: Site) -> list[ast.stmt]:
    """The compound statements around a site within its function (or module), outermost first."""
    if not isinstance(site, CodeSite) or site.statement is None:
        return []
    top: ast.AST = site.function if site.function is not None else site.module.tree
    found: list[ast.stmt] = []
    around = _nesting(site.module.tree).around
    current = around.get(id(site.statement))
    while current is not None and current is not top:
        if isinstance(current, ast.stmt):
            found.append(current)
        current = around.get(id(current))
    return found[::-1] if current is top else []


@dataclass
class _Nesting:
    """Which block each statement of a module stands in, and what that block belongs to, by the identities of the nodes."""

    blocks: dict[int, list[ast.stmt]] = field(default_factory=dict)
    around: dict[int, ast.AST] = field(default_factory=dict)


BLOCKS = frozenset({"body", "orelse", "finalbody", "handlers", "cases"})


@remembered(2)
def _nesting(tree: ast.Module) -> _Nesting:
    nesting = _Nesting()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        for name in BLOCKS.intersection(node._fields):
            inner = getattr(node, name)
            if isinstance(inner, list) and inner:
                keys = [id(each) for each in inner]
                nesting.blocks.update(dict.fromkeys(keys, inner))
                nesting.around.update(dict.fromkeys(keys, node))
                pending += inner
    return nesting
