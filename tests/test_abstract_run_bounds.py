"""The abstract run ends on any input, keeps what it found by then, and says what it left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from nnlint import api
from nnlint.events import ModelCalled, OptimizerStepped
from nnlint.finding import Severity
from nnlint.settings import Settings
from nnlint.static.budget import MOST_CALLS, MOST_STEPS
from nnlint.static.machine import Machine
from nnlint.static.objects import Function
from nnlint.values import MOST_ALTERNATIVES, Instance, Value
from tests.abstract import faults, notes, project, runs, seen, training

MISSED = """
for x, y in loader:
    F.mse_loss(model(x), y).backward()
    optimizer.step()
"""


def messages(text: str) -> str:
    """What is told under `--verbose`, as one text."""
    return "\n".join(note.message for note in notes(text))


def test_a_function_that_calls_itself_ends() -> None:
    text = training("""
        def down(n):
            look(n)
            return down(n - 1) if n else n
        down(9)
    """)
    assert seen(text)[0] == "9"
    assert "the call of down is not followed" in messages(text)


def test_what_stands_behind_loops_within_loops_is_analysed() -> None:
    nested = (
        "\n".join(f"{'    ' * depth}for i{depth} in range(2):" for depth in range(18)) + "\n" + "    " * 18 + "pass\n"
    )
    text = training(nested + MISSED)
    assert messages(text) == ""
    assert len(faults(text)) == 1


def test_functions_that_call_each_other_end() -> None:
    text = training("""
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        look(even(100))
    """)
    assert len(seen(text)) == 1


def test_a_generator_that_draws_from_itself_ends() -> None:
    text = training("""
        def count(n):
            yield n
            yield from count(n + 1)
        for each in count(0): look(each)
    """)
    assert seen(text)[:1] == ["0"]


def test_a_class_that_builds_itself_ends() -> None:
    text = training("""
        class Node(nn.Module):
            def __init__(self, depth):
                super().__init__()
                self.child = Node(depth - 1) if depth > 0 else nn.Linear(3, 4)
            def forward(self, x): return self.child(x)
        Node(depth)(x)
    """)
    assert len(runs(text)) == 1


def test_a_class_that_derives_from_itself_ends() -> None:
    text = """
        import torch
        class A: pass
        class A(A):
            def __init__(self): super().__init__()
        A()
        look(A().missing)
    """
    assert len(seen(text)) == 1


def test_a_list_that_holds_itself_ends() -> None:
    text = training("""
        held = [optimizer]
        held.append(held)
        table = {"held": held}
        table["table"] = table
        for each in held: look(each)
        optimizer.add_param_group(table)
        torch.optim.SGD(held, lr=0.1)
    """)
    assert seen(text)[0] == "Adam"


def test_a_network_that_holds_itself_ends() -> None:
    text = training("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.me = self
            def forward(self, x): return self.me(x)
        net = Net()
        net.train()
        F.mse_loss(net(x), y).backward()
        list(net.modules())
    """)
    assert len(runs(text)) == 1


def test_calls_that_go_very_deep_are_not_followed_to_the_end() -> None:
    steps = "".join(f"def f{n}(x): return f{n + 1}(x)\n" for n in range(60))
    text = f"{training('')}\n{steps}def f60(x): return x\nlook(f0(1))\n{MISSED}"
    assert "not followed" in messages(text)
    assert len(faults(text)) == 1


@pytest.mark.parametrize(
    "nested",
    [
        lambda depth: "x = " + "(" * depth + "1" + ")" * depth,
        lambda depth: "x = " + "[" * depth + "]" * depth,
        lambda depth: "x = " + "not " * depth + "1",
        lambda depth: "x = " + "-" * depth + "1",
        lambda depth: "x = " + " + ".join(["1"] * depth),
        lambda depth: "x = y" + ".a" * depth,
        lambda depth: "x = y" + "(1)" * depth,
        lambda depth: "x = " + "lambda: " * depth + "1",
        lambda depth: "x = y" + "[0]" * depth,
        lambda depth: "x = " + "1 if y else " * depth + "1",
    ],
    ids=["brackets", "lists", "not", "minus", "sum", "attributes", "calls", "lambdas", "subscripts", "conditions"],
)
@pytest.mark.parametrize("depth", [90, 3000])
def test_deeply_nested_expressions_stop_nothing_else(nested: Callable[[int], str], depth: int) -> None:
    text = f"{training('')}\n{nested(depth)}\n{MISSED}"
    assert [each[:5] for each in faults(text, "NN102", "NN901")] in (["NN102"], ["NN901"])


def test_deeply_nested_statements_stop_nothing_else() -> None:
    nested = "".join(f"{' ' * depth}if y{depth}:\n" for depth in range(90)) + " " * 90 + "pass\n"
    assert len(faults(f"{training('')}\n{nested}{MISSED}")) == 1


def test_loops_within_loops_do_not_multiply_without_end() -> None:
    nested = "".join(f"{' ' * depth}for i{depth} in data:\n" for depth in range(18))
    body = " " * 18 + "model(x).sum().backward()\n" + " " * 18 + "optimizer.step()\n"
    made = project(f"{training('')}\n{nested}{body}")
    [run] = made.runs()
    assert not run.cut_short
    assert len(list(run.events(OptimizerStepped))) < 50


def test_a_run_that_is_cut_short_keeps_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnlint.static.machine.MOST_STEPS", 300)
    text = training(MISSED) + "\n".join(f"value{n} = {n} + {n}" for n in range(400)) + "\nlook(1)\n"
    assert faults(text) == ["NN102 3"]
    assert seen(text) == []
    assert "cut short" in messages(text)


def test_what_is_left_out_is_told_with_its_place() -> None:
    text = training("""
        def down(n):
            return down(n - 1)
        down(3)
    """)
    assert [(note.path, note.line) for note in notes(text)] == [("train.py", 3)]


def test_a_small_script_is_told_nothing_about() -> None:
    assert notes(training(MISSED)) == []


def test_a_file_of_fifty_thousand_lines_is_read_to_its_end() -> None:
    table = "\n".join(f"key_{n} = {n}" for n in range(50_000))
    text = f"{training('')}\n{table}\n{MISSED}"
    assert faults(text) == ["NN102 50004"]


def test_a_file_of_many_functions_is_read_to_its_end() -> None:
    functions = "\n".join(f"def helper_{n}(x):\n    return F.relu(x) * {n}" for n in range(3_000))
    text = f"{training('')}\n{functions}\n{MISSED}"
    assert len(faults(text)) == 1


def test_one_huge_literal_is_no_burden() -> None:
    text = f"{training('')}\ntable = [{', '.join(map(str, range(100_000)))}]\n{MISSED}"
    made = project(text)
    list(made.runs())
    assert made.budget.steps <= MOST_STEPS


def test_many_branches_in_a_row_do_not_double_the_paths_each_time() -> None:
    branches = "\n".join(f"    if flag{n}: value{n} = 1\n    else: value{n} = 2" for n in range(200))
    text = f"{training('')}\nfor x, y in loader:\n{branches}\n    model(x).sum().backward()\n    optimizer.step()\n"
    assert len(faults(text)) == 1


def test_many_clears_under_conditions_of_their_own_end() -> None:
    clears = "\n".join(f"    if flag{n}: optimizer.zero_grad()" for n in range(60))
    text = f"{training('')}\nfor x, y in loader:\n{clears}\n    model(x).sum().backward()\n    optimizer.step()\n"
    assert len(faults(text)) == 1


def test_a_value_of_many_alternatives_is_bounded() -> None:
    choices = "\n".join(f"    if flag{n}: act = {n}" for n in range(50))
    text = f"{training('')}\nfor x in loader:\n{choices}\nlook(act)\n"
    assert seen(text)[0].count(" or ") < MOST_ALTERNATIVES


def test_a_helper_that_is_called_everywhere_is_followed_often_enough() -> None:
    calls = "\n".join(f"helper({n})" for n in range(10 * MOST_CALLS))
    body = "\n".join(f"    value{n} = x + {n}" for n in range(200))
    text = f"{training('')}\ndef helper(x):\n{body}\n{calls}\n{MISSED}"
    assert len(faults(text)) == 1
    assert "the call of helper is not followed" in messages(text)


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "\n\n",
        "pass",
        "return",
        "break",
        "continue",
        "yield 1",
        "await x",
        "nonlocal x",
        "global optimizer",
        "del optimizer, model.weight, table[0]",
        "*a, b = c, *d = 1, 2, 3",
        "x: int",
        "(x): int = 1",
        "assert x, y",
        "raise",
        "raise ValueError from None",
        "f'{x!r:>{width}} {{}} {y=}'",
        "x[1:2, ..., ::3] = 4",
        "x = y = z = ...",
        "super().anything()",
        "class A(metaclass=B, key=1): x = yield_ = 1",
        "def f(a, /, b=1, *c, d, e=2, **g): return a\nf()",
        "async def f():\n    async with a as b: pass\n    return [c async for c in d]",
        "try: pass\nexcept (A, B): pass\nelse: pass\nfinally: pass",
        "while False: pass\nelse: pass",
        "for i in (): pass",
        "with a, (b as c): pass",
        "match x:\n    case {'a': [1, *rest], **more} | A(b=1) as whole if whole: pass",
        "import a.b.c as d, e.f\nfrom ... import g\nfrom .h import *",
        "lambda *a, **b: (a, b)",
        "{**a, 'b': 1, **{'c': 2}, d: 3}",
        "print(*a, *b, **c, **d)",
        "[x for x in y if x for z in x if z]",
        "{x: y for x, y in z}",
        "x = (yield)",
        "1 < x < 3 != y is not None",
        "not not x and y or z",
        "(x := 1)",
        "x @ y; x @= y; x //= 0; 1 // 0; 1 % 0; 2 ** 10 ** 10; 1 << 10 ** 9; 'a' * 10 ** 9",
        "[1][5]; ()[0]; {}['a']; 'text'[9]; [][:]; [1][::0]",
        "range(0)[0]; range(1, 5, 0); range('a'); list(range(10 ** 9))",
        "max(); min([]); sum(); len(); int('x'); float(); next(); getattr(); setattr(x); zip(); map(); filter()",
        "nn.Linear(); nn.Sequential(None, 1, 'a'); nn.ModuleList(3); F.softmax(); nn.CrossEntropyLoss()()",
        "torch.optim.SGD(); torch.optim.Adam([]); optimizer.step(1, 2, 3); optimizer.param_groups[0]['lr'] = 1",
        "model.train(*flags); model.to(); model.load_state_dict(); model.eval(1, 2)",
        "torch.no_grad(); torch.set_grad_enabled(); torch.save(); torch.cat(); torch.utils.data.DataLoader()",
    ],
)
def test_odd_code_is_no_obstacle(odd: str) -> None:
    indented = odd.replace("\n", "\n    ")
    for place in ("{0}\n", "def function(x):\n    x\n    {1}\n", "class Holder(nn.Module):\n    pass\n    {1}\n"):
        made = project(f"{training('')}\n{place}".replace("{0}", odd).replace("{1}", indented) + MISSED)
        assert list(made.runs()) or made.broken


def test_a_corrupt_import_is_told_or_ignored(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_bytes(b"\xff\xfe\x00broken")
    (tmp_path / "folder.py").mkdir()
    files = {"train.py": "import torch\nimport bad, folder\nfrom bad import *\nlook(1)\n"}
    assert seen(files, tmp_path) == ["1"]


def test_follows_what_trains_from_every_script_of_a_large_project(tmp_path: Path) -> None:
    parsing = "\n".join(f"    total = total * {n} + len(str(total)) - {n}" for n in range(400))
    files = {
        "engine.py": f"def step(net, opt, x, y):\n    total = 1\n{parsing}\n"
        "    loss = F.mse_loss(net(x), y)\n    loss.backward()\n    opt.step()\n".replace("F.", "torch.nn.functional.")
    }
    files["engine.py"] = f"import torch\n{files['engine.py']}"
    for n in range(40):
        files[f"script{n:02}.py"] = (
            "import torch\nfrom engine import step\nnet = torch.nn.Linear(3, 1)\nopt = torch.optim.Adam(net.parameters())\n"
            "for epoch in range(9):\n    for x, y in loader:\n        step(net, opt, x, y)\n"
        )
    seen = [run.path for run in runs(files, tmp_path) if any(run.events(OptimizerStepped))]
    assert [path for path in files if path.startswith("script")] == seen


def test_knows_the_network_that_a_factory_makes_in_every_script_of_a_large_project(tmp_path: Path) -> None:
    choosing = "\n".join(f"    width = width * {n} + len(str(width)) - {n}" for n in range(400))
    files = {
        "factory.py": "import torch\nclass Net(torch.nn.Module):\n    def __init__(self, width):\n        super().__init__()\n"
        "        self.out = torch.nn.Linear(3, width)\n    def forward(self, x):\n        return self.out(x)\n"
        f"def make(width):\n{choosing}\n    return Net(width)\n"
    }
    for n in range(40):
        files[f"script{n:02}.py"] = "from factory import make\nnet = make(2)\nfor x in loader:\n    net(x)\n"
    called = [(run.path, call.model) for run in runs(files, tmp_path) for call in run.events(ModelCalled)]
    known = {path for path, model in called if isinstance(model, Instance)}
    assert known == {path for path in files if path.startswith("script")}


def severities(text: str, *codes: str) -> list[Severity]:
    """How grave each finding of these rules is."""
    return [finding.severity for finding in api.lint_text(dedent(text), "train.py", Settings(select=codes))]


def test_a_network_whose_constructor_is_not_followed_may_hold_what_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = """
        import torch
        from torch import nn

        class Belief:
            def __init__(self, mean, width):
                self.mean, self.width = mean, width

        class Process(nn.Module):
            def __init__(self):
                super().__init__()
                self.mean, self.width = nn.Linear(3, 1), nn.Linear(3, 1)

            def forward(self, x):
                return Belief(self.mean(x), self.width(x))

        class Likelihood(nn.Module):
            def __init__(self, process):
                super().__init__()
                self.process = process

            def forward(self, belief, y):
                return -((belief.mean - y) / belief.width).pow(2).mean()

        process = Process()
        likelihood = Likelihood(process)
        optimizer = torch.optim.Adam(process.parameters(), lr=1e-3)
        for x in torch.randn(90, 20, 3):
            optimizer.zero_grad()
            loss = -likelihood(process(x), x.sum(dim=1, keepdim=True))
            loss.backward()
            optimizer.step()
    """
    assert severities(text, "NN104", "NN109") == []
    follow = Machine.enter

    def enter(machine: Machine, function: Function, *others: Any) -> Value | None:
        is_left_out = function.owner is not None and function.owner.node.name in ("Likelihood", "Belief")
        return None if is_left_out else follow(machine, function, *others)

    monkeypatch.setattr(Machine, "enter", enter)
    assert severities(text, "NN104", "NN109") == []


def test_a_data_set_whose_constructor_is_not_followed_any_more_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, Dataset

        class Plants(Dataset):
            def __init__(self, leaves, kinds):
                self.leaves, self.kinds = leaves, kinds

            def __len__(self):
                return len(self.leaves)

            def __getitem__(self, at):
                return self.leaves[at], self.kinds[at]

        net = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 2))
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        plants = Plants(torch.randn(900, 6), torch.randint(0, 2, (900,)))
        for leaves, kinds in DataLoader(plants, batch_size=1, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(leaves), kinds).backward()
            optimizer.step()
    """
    assert severities(text, "NN603") == [Severity.WARNING]
    follow = Machine.enter

    def enter(machine: Machine, function: Function, *others: Any) -> Value | None:
        return None if function.name == "__init__" else follow(machine, function, *others)

    monkeypatch.setattr(Machine, "enter", enter)
    assert severities(text, "NN603") == [Severity.ADVICE]
