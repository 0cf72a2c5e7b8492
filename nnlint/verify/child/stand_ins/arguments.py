"""What a user would have typed: required options, positional arguments, environment variables, answers to questions."""

from __future__ import annotations

import argparse
import ast
import builtins
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

from nnlint.verify.child.stand_ins import plausible
from nnlint.verify.child.stand_ins.callers import caller, expects, is_users
from nnlint.verify.child.stand_ins.ledger import ledger, stood_in
from nnlint.verify.child.stand_ins.patching import put

LAUNCHER = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
"""What torchrun sets."""

FOLDERS = re.compile(r"(data|dataset|image|img|train|root|corpus|input)_?(root|dir|path|folder)?|dataroot", re.I)
"""Options that tell where the data lie are given even where the parser does without: the script may not."""


def install() -> None:
    """From now on arguments that are required are given."""
    parse = argparse.ArgumentParser.parse_known_args

    def parse_known_args(
        parser: argparse.ArgumentParser, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        return parse(parser, given + _missing(parser, given), namespace)

    put(argparse.ArgumentParser, parse_known_args=parse_known_args)
    _fill_command_line()
    for name, value in LAUNCHER.items():
        os.environ.setdefault(name, value)
    os.environ.__class__ = _Environment
    builtins.input = _answer
    builtins.__dict__.setdefault("display", lambda *things, **keywords: None)


def _missing(parser: argparse.ArgumentParser, given: list[str]) -> list[str]:
    """The words to add to a command line, so that the parser takes it."""
    words: list[str] = []
    required = [action for action in parser._actions if _is_required(action)]
    for group in parser._mutually_exclusive_groups:
        if group.required and not any(_is_given(action, given) for action in group._group_actions):
            required += group._group_actions[:1]
    options = [action for action in required if action.option_strings and not _is_given(action, given)]
    for action in options:
        words += [action.option_strings[-1], *_values(action)]
    positional = [action for action in required if not action.option_strings] if not _positionals(given) else []
    for action in positional:
        words = [*_values(action), *words] if not _is_subcommand(action) else [*words, *_values(action)]
    for action in (*options, *positional):
        stood_in(f"argument {action.option_strings[-1] if action.option_strings else action.dest}")
    return words


def _is_required(action: argparse.Action) -> bool:
    if isinstance(action, argparse._HelpAction | argparse._VersionAction):
        return False
    is_folder = isinstance(action, argparse._StoreAction) and not action.default and FOLDERS.fullmatch(action.dest)
    return action.required or _is_subcommand(action) or bool(is_folder)


def _is_subcommand(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)


def _is_given(action: argparse.Action, given: list[str]) -> bool:
    return any(word.partition("=")[0] in action.option_strings for word in given)


def _positionals(given: list[str]) -> list[str]:
    return [word for word in given if not word.startswith("-")]


def _values(action: argparse.Action) -> list[str]:
    count = action.nargs if isinstance(action.nargs, int) else 1
    kind = action.type if callable(action.type) else None
    return [str(plausible.value(action.dest, kind, list(action.choices) if action.choices else None))] * count


def _fill_command_line() -> None:
    """As many words as the script reads off `sys.argv` by number."""
    most = max((index for tree in ledger.hints.trees[:1] for index in _indices(tree)), default=0)
    for number in range(len(sys.argv), most + 1):
        sys.argv.append("1" if number > 1 else "data")
        stood_in("the command line")


def _indices(tree: ast.Module) -> list[int]:
    return [
        node.slice.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "argv"
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, int)
    ]


class _Environment(os._Environ):  # type: ignore[type-arg]
    """A subscript never fails; `get` and `in` say what there is."""

    def __getitem__(self, key: str) -> str:
        try:
            return str(super().__getitem__(key))
        except KeyError:
            frame = caller()
            if frame is None or not is_users(frame) or expects(frame, ("KeyError",)):
                raise
            stood_in(f"environment variable {key}")
            return str(plausible.value(key))

    def get(self, key: str, default: Any = None) -> Any:
        """The variable, where there is one."""
        return super().__getitem__(key) if key in self else default

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in list(self)


def _answer(prompt: object = "") -> str:
    stood_in("answers to input()")
    asked = str(prompt).lower()
    return "y" if "y/n" in asked or "[y" in asked else "1"
