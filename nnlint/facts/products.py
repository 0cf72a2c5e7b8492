"""Products of inputs and weights in networks written by hand: which factor is the weights, and so where the samples lie."""

from __future__ import annotations

import ast
import re

from nnlint.facts.identity import label_of, uncopied
from nnlint.facts.shapes import FILLED
from nnlint.lazy import regex
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Value, number

WEIGHT = regex(r"weight|theta|^_*syn|^_*[wuv]([\d_].*|[ihoxy]{1,2}\d*)?$|kernel", re.IGNORECASE)
CAPITAL = regex(r"^[WUV][a-z]{1,3}\d*$")
"""Names of weights in the notation of lectures: `Wax`, `Why`, `Wf`."""

DATA = regex(r"^_*x|input|data|sample|feature|batch", re.IGNORECASE)


def weights_come_first(value: Value) -> bool:
    """Whether a value is a product whose first factor is the weights: its samples are columns."""
    product = product_in(value)
    return product is not None and is_weight(product, 0)


def product_in(value: Value) -> Data | None:
    """The product of matrices that a value is, or the first of a sum of such products."""
    inner = uncopied(value)
    while isinstance(inner, Data) and inner.operation == "add" and inner.inputs:
        inner = uncopied(inner.inputs[0])
    return inner if isinstance(inner, Data) and inner.operation == "matmul" and len(inner.inputs) == 2 else None


def is_weight(product: Data, position: int) -> bool:
    """Whether that factor of a product is the weights: by its name, or as random numbers that are not called data."""
    value = product.inputs[position]
    name = _written(product, position) or label_of(value)
    if WEIGHT.search(name) or CAPITAL.search(name):
        return True
    return constructed(_unscaled(value)) is not None and not DATA.search(name)


def constructed(value: Value) -> Data | None:
    """The constructor of an array, a parameter around it taken off."""
    inner = uncopied(value)
    while isinstance(inner, Data) and inner.operation == "parameter" and inner.inputs:
        inner = uncopied(inner.inputs[0])
    return inner if isinstance(inner, Data) and inner.operation in FILLED else None


def name_of(node: ast.expr) -> str:
    """The name in an expression: of `self.params["W1"].T` it is W1."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return name_of(node.value) if node.attr == "T" else node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return node.slice.value
    return ""


def _unscaled(value: Value) -> Value:
    """Of `np.random.randn(4, 3) * 0.01` the random numbers."""
    inner = uncopied(value)
    if isinstance(inner, Data) and inner.operation in ("multiply", "divide") and number(inner.inputs[1]) is not None:
        return inner.inputs[0]
    return value


def _written(product: Data, position: int) -> str:
    """The name of a factor, as the code has it."""
    node = product.at.node if isinstance(product.at, CodeSite) else None
    if isinstance(node, ast.BinOp):
        return name_of((node.left, node.right)[position])
    if isinstance(node, ast.Call):
        is_method = isinstance(node.func, ast.Attribute) and len(node.args) == 1
        sides = [node.func.value, *node.args] if is_method and isinstance(node.func, ast.Attribute) else list(node.args)
        return name_of(sides[position]) if len(sides) > position else ""
    return ""
