"""Twice the text takes about twice the work, counted in calls of functions: no input makes a run last for ever."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from textwrap import dedent

import pytest

import nnlint
from nnlint.lint import lint_documents
from nnlint.mending.fixes import fix_documents
from nnlint.reading.documents import read_text
from nnlint.settings import Settings
from tests.scripts import FAULTY

SETUP = dedent(
    """
    import copy
    import torch
    import torch.nn.functional as F
    from torch import nn

    net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    opt = torch.optim.Adam(net.parameters())
    for x, y in loader:
        opt.zero_grad()
        F.mse_loss(net(x), y).backward()
        opt.step()
    """
)
NEVER_CLEARED = "for x, y in loader:\n    F.mse_loss(net(x), y).backward()\n    opt.step()\n"
EVALUATED = "for x, y in test_loader:\n    print(F.mse_loss(net(x), y).item())\n"
REMADE = (
    "for epoch in range(3):\n    opt{n} = torch.optim.Adam(net.parameters())\n    opt{n}.zero_grad()\n"
    "    F.mse_loss(net(x), y).backward()\n    opt{n}.step()\n"
)
MANY: dict[str, Callable[[int], str]] = {
    "loops that never clear": lambda n: SETUP + NEVER_CLEARED * n,
    "evaluations": lambda n: SETUP + EVALUATED * n,
    "optimizers made in loops": lambda n: SETUP + "".join(REMADE.format(n=each) for each in range(n)),
    "suppressions": lambda n: SETUP + "x = 1  # noqa: NN102\n" * n * 4,
    "codes in one suppression": lambda n: f"{SETUP}x = 1  # noqa: {'NN102, ' * n * 10}NN102\n",
    "classes, each derived from the last": lambda n: (
        "import torch\nclass C0(torch.nn.Module):\n    def forward(self, x):\n        return x\n"
        + "".join(
            f"class C{each + 1}(C{each}):\n    def forward(self, x):\n        return super().forward(x)\n"
            for each in range(n * 2)
        )
    ),
    "functions that call the next two": lambda n: (
        "import torch\n"
        + "".join(f"def f{each}(x):\n    y = f{each + 1}(x)\n    return f{each + 2}(y)\n" for each in range(n * 2))
    ),
}


def calls(text: str) -> int:
    """How many function calls it takes to lint a text."""
    profile = cProfile.Profile()
    profile.runcall(nnlint.lint_text, text, "a.py")
    statistics = pstats.Stats(profile)
    return int(statistics.total_calls)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", MANY)
def test_twice_the_text_is_about_twice_the_work(kind: str) -> None:
    text = MANY[kind]
    nnlint.lint_text(text(1), "a.py")  # what is loaded once
    least, once, twice = calls(text(1)), calls(text(60)), calls(text(120))
    assert twice - least < 2.6 * (once - least)


def calls_of_fixing(text: str) -> int:
    """How many function calls it takes to lint a text and to mend it."""
    profile = cProfile.Profile()
    documents = [read_text("a.py", text)]
    fixed = profile.runcall(fix_documents, documents, lambda each: lint_documents(each, Settings()), True)
    assert fixed.count
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["loops that never clear", "suppressions"])
def test_twice_the_fixes_are_about_twice_the_work(kind: str) -> None:
    text = MANY[kind]
    calls_of_fixing(text(1))
    least, once, twice = (calls_of_fixing(text(number)) for number in (1, 60, 120))
    assert twice - least < 2.6 * (once - least)


@pytest.mark.parametrize(
    "knot",
    [
        "a = []\na.append(a)\n",
        "a = [loss]\na.append(a)\n",
        "a = [[]]\na[0].append(a)\n",
        "a = {}\na['a'] = a\n",
        "a = {'loss': loss}\na['a'] = a\n",
        "class A:\n    pass\na = A()\na.a = a\n",
        "a = []\nb = [a]\na.append(b)\n",
        "a = lambda: a\n",
        "a = nn.ModuleList()\na.append(a)\n",
        "a = nn.Sequential()\na.add_module('a', a)\n",
        "a = (a for a in a)\n",
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        "net(a)\n",
        "total += a\nprint(total)\n",
        "torch.cat(a).mean().backward()\n",
        "F.mse_loss(net(x), a).backward()\nopt.step()\n",
        "for b in a:\n    for c in b:\n        net(c)\n",
        "best = copy.deepcopy(a)\ntorch.save(a, 'a.pt')\n",
        "opt = torch.optim.Adam(a)\nopt.step()\n",
        "a = a / a.max()\nnet(a)\n",
        "print(F.mse_loss(net(a), y))\n",
    ],
)
def test_what_holds_itself_is_walked_once(knot: str, use: str) -> None:
    looped = f"total = 0\n{knot}" + "".join(f"{line}\n" for line in use.splitlines())
    assert nnlint.lint_text(
        f"{FAULTY}F, x, y, net, opt, total = nn.functional, inputs, targets, model, optimizer, 0\n{looped}"
    )
