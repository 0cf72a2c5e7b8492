"""How functions, classes and imports bind their names."""

from __future__ import annotations

import ast

from nnlint.static.knowledge import dispatch as knowledge
from nnlint.static.machine import Frame, Machine, executes
from nnlint.static.objects import Class, Deferred, External, Function, Module
from nnlint.static.parameters import defaults_of
from nnlint.values import Data, Either, Value


@executes(ast.FunctionDef, ast.AsyncFunctionDef)
def _function(machine: Machine, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    frame = machine.frame
    decorators = tuple(machine.evaluate(decorator) for decorator in node.decorator_list)
    in_class = frame.function is None and frame.owner is not None
    scopes = (frame.locals, *frame.closure) if frame.function is not None else frame.closure
    made = Function(node, frame.module, scopes, defaults_of(machine, node.args), frame.owner, decorators)
    machine.run.ties.append(made)
    made.kind = _method_kind(node) if in_class else "function"
    machine.write(frame.locals, node.name, knowledge.decorated(machine, made, node))
    return None


METHOD_KINDS = {"staticmethod": "static", "classmethod": "class", "property": "property", "cached_property": "property"}


def _method_kind(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    for decorator in node.decorator_list:
        name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
        if name in METHOD_KINDS:
            return METHOD_KINDS[name]
    return "function"


@executes(ast.ClassDef)
def _class(machine: Machine, node: ast.ClassDef) -> str | None:
    frame = machine.frame
    bases = tuple(_base(machine.evaluate(base)) for base in node.bases)
    decorators = tuple(machine.evaluate(decorator) for decorator in node.decorator_list)
    made = Class(node, frame.module, bases, {}, decorators)
    scopes = (frame.locals, *frame.closure) if frame.function is not None else ()
    machine.write(frame.locals, node.name, made)
    machine.frame = Frame(frame.module, made.names, None, scopes, made)
    try:
        machine.execute(node.body)
    finally:
        machine.frame = frame
    return None


def _base(value: Value) -> Value:
    """What an unknown base is called, for the tables of frameworks."""
    if isinstance(value, Data) and value.name:
        return External(value.name)
    if isinstance(value, Either):
        return next((each for each in value.alternatives if isinstance(each, Class)), value.alternatives[0])
    return value


@executes(ast.Import)
def _import(machine: Machine, node: ast.Import) -> str | None:
    for alias in node.names:
        name = alias.name if alias.asname else alias.name.split(".")[0]
        module = machine.project.import_name(machine, machine.frame.module, alias.name, node)
        bound = module if alias.asname else machine.project.import_name(machine, machine.frame.module, name, node)
        machine.write(machine.frame.locals, alias.asname or name, bound)
    return None


@executes(ast.ImportFrom)
def _import_from(machine: Machine, node: ast.ImportFrom) -> str | None:
    here = machine.frame.module
    if machine.frame.is_for_types and node.level and node.names[0].name != "*":
        here.has_deferred = True
        for alias in node.names:
            machine.write(machine.frame.locals, alias.asname or alias.name, Deferred(here, node, alias.name))
        return None
    base = machine.project.import_name(machine, here, node.module or "", node, level=node.level)
    for alias in node.names:
        if alias.name == "*":
            machine.project.note_star(here, base)
            if isinstance(base, Module):
                for name, value in list(base.names.items()):
                    if isinstance(name, str) and not name.startswith("_"):
                        value = machine.project.member(machine, base, name, node) if base.has_deferred else value
                        machine.write(machine.frame.locals, name, value)
            continue
        value = machine.project.member(machine, base, alias.name, node)
        machine.write(machine.frame.locals, alias.asname or alias.name, value)
    return None


@executes(ast.Global)
def _global(machine: Machine, node: ast.Global) -> str | None:
    machine.frame.outer_names.update(dict.fromkeys(node.names, "global"))
    return None


@executes(ast.Nonlocal)
def _nonlocal(machine: Machine, node: ast.Nonlocal) -> str | None:
    machine.frame.outer_names.update(dict.fromkeys(node.names, "nonlocal"))
    return None
