"""Options of the command line: argparse's defaults, as numbers that the command line may replace."""

from __future__ import annotations

import ast

from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import external, method
from nnlint.static.machine import Machine
from nnlint.static.objects import Class, Function
from nnlint.values import FALSE, NONE, TRUE, Constant, Data, Entries, Instance, Items, Value, truth

OPTION = "<option>"
"""The key under which a parser keeps each default: (OPTION, name)."""

FLAGS = {"store_true": FALSE, "store_false": TRUE}
PARSERS = (
    "argparse.ArgumentParser",
    "configargparse.ArgumentParser",
    "configargparse.ArgParser",
    "jsonargparse.ArgumentParser",
    "transformers.HfArgumentParser",
)


@external(*PARSERS)
def _parser(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("call", (), node, name=name)


@method("add_argument")
def _add_argument(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """See https://docs.python.org/3/library/argparse.html: the name is the first long flag's, unless `dest` says another."""
    if not isinstance(receiver, Data):
        return None
    name = _destination(given)
    default = given.get(None, "default")
    action = given.get(None, "action")
    unset = FLAGS.get(str(action.value)) if isinstance(action, Constant) else None
    default = default or unset
    if name and isinstance(default, Constant) and default.value is not None:
        # a flag that stores what it holds anyway, as `store_true` with a default of True, changes nothing
        is_open = unset is None or bool(default.value) is truth(unset)
        option = Constant(_typed(default.value, given), default.at, overridable=is_open)
        machine.write(receiver.parts, (OPTION, name), option)
    return NONE


def _destination(given: Arguments) -> str:
    named = given.get(None, "dest")
    if isinstance(named, Constant):
        return str(named.value)
    flags = [str(flag.value) for flag in given.positional if isinstance(flag, Constant)]
    long = [flag for flag in flags if flag.startswith("--")]
    return (long or flags or [""])[0].lstrip("-").replace("-", "_")


def _typed(value: object, given: Arguments) -> object:
    """A default written as text goes through the option's type."""
    kind = getattr(given.get(None, "type"), "name", "").rpartition(".")[2]
    convert = {"float": float, "int": int}.get(kind)
    if convert is None or not isinstance(value, str):
        return value
    try:
        return convert(value)
    except ValueError:
        return value


@method("set_defaults")
def _set_defaults(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Data):
        return None
    for name, value in given.keywords.items():
        if isinstance(value, Constant) and value.value is not None:
            machine.write(receiver.parts, (OPTION, name), Constant(value.value, value.at, overridable=True))
    return NONE


@method("add_argument_group", "add_mutually_exclusive_group", "add_subparsers", "add_parser")
def _group(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """Options of groups and of commands end up among those of the parser."""
    return receiver if isinstance(receiver, Data) else None


@method("parse_args", "parse_known_args")
def _parse_args(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Data):
        return None
    parsed = machine.data("call", (), node, name="parse_args")
    for key, value in receiver.parts.items():
        if isinstance(key, tuple) and key[0] == OPTION:
            parsed.parts[key[1]] = value
    name = getattr(getattr(node, "func", None), "attr", "")
    return Items([parsed, machine.data("unknown", (), node)], "tuple") if name == "parse_known_args" else parsed


@external("builtins.vars")
def _vars(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    value = given.get(0)
    if isinstance(value, Data):
        known = {key: part for key, part in value.parts.items() if isinstance(key, str) and key[:1] != "<"}
        return Entries(known, True, machine.site(node))
    return machine.data("call", given.values(), node, name="vars")


@external("tyro.cli", "simple_parsing.parse")
def _cli(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    """An object of the settings' class, each field replaceable."""
    cls = given.get(0, "f", "config_class")
    if not isinstance(cls, Class):
        return machine.data("call", given.values(), node, name=name)
    made = machine.call(cls, Arguments(), node)
    if isinstance(made, Instance):
        for owner in reversed(list(cls.lineage())):
            for key, value in owner.names.items():
                if isinstance(value, Constant) and value.value is not None:
                    made.attributes[key] = Constant(value.value, value.at, overridable=True)
    return made


@external("fire.Fire", "typer.run")
def _fire(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    target = given.get(0, "component", "function")
    return machine.call(target, Arguments(), node) if isinstance(target, Function) else NONE


@external("typer.Option", "typer.Argument")
def _typer_option(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    """The default of an argument of a command, as the command line may replace it."""
    default = given.get(0, "default")
    if isinstance(default, Constant) and default.value is not None and default.value is not ...:
        return Constant(default.value, default.at, overridable=True)
    return machine.data("call", given.values(), node, name=name)


@external("click.option")
def _click_option(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    """The decorator keeps the option's name and default, for the function that it decorates."""
    made = machine.data("call", (), node, name=name)
    default = given.get(None, "default")
    option = next(
        (str(f.value) for f in given.positional if isinstance(f, Constant) and str(f.value).isidentifier()), ""
    )
    option = option or _destination(given)
    if truth(given.get(None, "is_flag")) or not isinstance(default, Constant) or default.value is None:
        return made
    made.parts[(OPTION, option)] = Constant(_typed(default.value, given), default.at, overridable=True)
    return made


def decorated_options(decorators: tuple[Value, ...]) -> dict[str, Value]:
    """The arguments that click gives a function which it calls: the defaults of its options."""
    return {
        key[1]: value
        for decorator in decorators
        if isinstance(decorator, Data)
        for key, value in decorator.parts.items()
        if isinstance(key, tuple) and key[0] == OPTION
    }
