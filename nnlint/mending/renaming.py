"""Fixes that call another function or class of the same library: `F.nll_loss` becomes `F.cross_entropy`."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from nnlint.finding import Edit, Place
from nnlint.mending import edits
from nnlint.static.objects import CodeSite, span
from nnlint.values import Site


def called_instead(site: Site | None, names: Mapping[str, str]) -> Edit | None:
    """The call at a site, of another name: the last part of a dotted one, or one that the file imports as well."""
    function = site.node.func if isinstance(site, CodeSite) and isinstance(site.node, ast.Call) else None
    if not isinstance(site, CodeSite) or function is None:
        return None
    if isinstance(function, ast.Name):
        becomes = names.get(function.id, "")
        return edits.replace(CodeSite(site.module, function), becomes) if becomes in site.module.names else None
    if not isinstance(function, ast.Attribute) or function.attr not in names:
        return None
    _, _, line, end = span(site.module, function)
    place: Place = site.module.source.place(line, end - len(function.attr), line, end)
    return Edit(place, names[function.attr])
