"""By which function or method the code makes a value."""

from __future__ import annotations

import ast

from nnlint.static.objects import CodeSite
from nnlint.values import Data


def called_name(data: Data) -> str:
    """The last part of the name of the function or method that is called there; "" where it is no call."""
    node = data.at.node if isinstance(data.at, CodeSite) else None
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
