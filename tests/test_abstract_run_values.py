"""The abstract run computes with what it knows: numbers, text, containers, and Python's own functions on them."""

from __future__ import annotations

import pytest

from tests.abstract import SETUP, faults, outputs, seen, told, training


def looked_at(text: str, before: str = "") -> str:
    """What `look` is given."""
    return seen(f"{SETUP}\nimport copy, itertools, collections\n{before}\nlook({text})")[-1]


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("2 * 3 + 1", "7"),
        ("-2 ** 2", "-4"),
        ("7 // 2, 7 % 4, 1e-3 / 2", "3, 3, 0.0005"),
        ("1 / 0", "divide(1, 0)"),
        ("'a' + 'b'", "'ab'"),
        ("f'{1}-{\"x\"}'", "'1-x'"),
        ("f'{1:03d}'", "text(1)"),
        ("f'{unknown}'", "text(unknown)"),
        ("'%s_%d' % ('a', 3)", "'a_3'"),
        ("'%.2f' % 3", "text('%.2f', 3)"),
        ("'%d' % 'a'", "text('%d', 'a')"),
        ("'{}-{name}'.format(1, name='x')", "'1-x'"),
        ("'{0}{1}'.format(1)", "text(1)"),
        ("'{:.2f}'.format(1)", "text(1)"),
        ("'Adam'.lower(), 'x'.upper()", "'adam', 'X'"),
        ("'a,b'.split(',')", "text(',')"),
        ("str(3) + 'a'", "'3a'"),
        ("int('3'), float(2), int(2.7)", "item('3'), 2.0, 2"),
        ("max(1, 3), min(4, 2), abs(x)", "3, 2, abs(x)"),
        ("max([x, 1])", "max([x, 1])"),
        ("len([1, 2]), len('ab'), len({'a': 1})", "2, length('ab'), 1"),
        ("not 1, not x", "False, not(x)"),
        ("1 < 2, 'a' in ['a'], 'b' in {'a': 1}", "True, True, False"),
        ("1 if x else 2", "1 or 2"),
        ("None or 3, 0 and x, 1 and 2", "3, 0, 2"),
        ("x and False, x and 0 and y, x or False and y", "False, 0, x"),
        ("x or 3", "x or 3"),
        ("None is None, model is None, model is not None", "True, False, True"),
        ("[1, 2, 3][1:], [1, 2, 3][-1], (1, 2)[x]", "[2, 3], 3, 1 or 2"),
        ("[1, 2] + [3], [0] * 3", "[1, 2, 3], [0, ...]"),
        ("[*[1, 2], *(3,)], {**{'a': 1}, 'b': 2}", "[1, 2, 3], {a: 1, b: 2}"),
        ("[i * 2 for i in range(3)]", "[0, 2, 4]"),
        ("{k: v for k, v in zip(['a', 'b'], [1, 2])}", "{a: 1, b: 2}"),
        ("[n for i, n in enumerate((4, 5))]", "[4, 5]"),
        ("list(range(2)), tuple([1]), list(reversed([1, 2]))", "[0, 1], [1], [2, 1]"),
        ("list(map(lambda a: a + 1, [1, 2]))", "[2, 3]"),
        ("list(itertools.chain([1], [2, 3]))", "[1, 2, 3]"),
        ("sum([x, y]), sum(x)", "add(x, y), sum(x)"),
        ("next(iter([5, 6]))", "5"),
        ("dict(a=1, **{'b': 2})", "{a: 1, b: 2}"),
        ("dict([('a', 1)])", "{a: 1}"),
        ("collections.OrderedDict(a=1)['a']", "1"),
        ("{'a': 1}.get('a'), {'a': 1}.get('b', 2), {'a': 1}.get('b')", "1, 2, None"),
        ("list({'a': 1}.keys()), list({'a': 1}.values())", "['a'], [1]"),
        ("[v for k, v in {'a': 1}.items()]", "[1]"),
        ("{'a': 1}[x], {'a': 1}.pop('a')", "1, 1"),
        ("copy.deepcopy([1, {'a': 2}]), {'a': 1}.copy()", "[1, {a: 2}], {a: 1}"),
        ("isinstance(model, nn.Linear), isinstance(model, nn.ReLU)", "True, False"),
        ("getattr(model, 'out_features'), model.in_features", "4, 3"),
        ("type(model) is type(x)", "compare(call(), call())"),
        ("(lambda *a, **k: (a, k))(1, b=2)", "[[1], {b: 2}]"),
    ],
)
def test_what_is_known_is_computed(text: str, known: str) -> None:
    assert looked_at(f"({text})" if ", " in known and not known.startswith(("[", "{")) else text).strip("[]") == (
        known.strip("[]")
    )


@pytest.mark.parametrize(
    ("before", "text", "known"),
    [
        ("a = [1]\na.append(2); a.extend([3]); a.insert(0, 0)", "a", "[0, 1, 2, 3]"),
        ("a = [1, 2]\nb = a.pop()", "b", "2"),
        ("a = [1, 2]\na[0] = 5", "a", "[5, 2]"),
        ("a = [1]\na += [2]", "a", "[1, 2]"),
        ("a = {}\na['x'] = 1\na.update({'y': 2}, z=3)", "a", "{x: 1, z: 3, y: 2}"),
        ("a = {'x': 1}\na['x'] += 1", "a", "{x: 2}"),
        ("a = collections.defaultdict(list)\na['x'] = 1", "a['x']", "1"),
        ("a = 1\na += 2; a *= 3", "a", "9"),
        ("a = b = 3", "(a + b)", "6"),
        ("(a, (b, *c)), d = (1, (2, 3, 4)), 5", "c", "[3, 4]"),
        ("class P: x = 1\np = P()\np.x += 1", "p.x", "2"),
        ("class P: pass\nP.x = 4", "P().x", "4"),
        ("class P:\n    def __getitem__(self, i): return i * 2", "P()[4]", "8"),
        ("class P:\n    def __iter__(self): return iter([7])", "[each for each in P()]", "[7, ...]"),
        ("class P:\n    def __getattr__(self, name): return name", "P().anything", "'anything'"),
        (
            "class P:\n    def __enter__(self): return 3\n    def __exit__(self, *a): pass\nwith P() as p: pass",
            "p",
            "3",
        ),
        ("def g():\n    yield 1\n    yield 2", "list(g())", "[1, 2, ...]"),
        ("def f(n=3): return n", "f()", "3"),
        (
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr', default=0.5)",
            "p.parse_args().lr",
            "0.5",
        ),
        ("from types import SimpleNamespace as N", "N(a=N(b=2)).a.b", "2"),
        ("model.hidden = 7", "model.hidden", "7"),
        ("held = model\nheld.tag = 'x'", "model.tag", "'x'"),
    ],
)
def test_what_is_stored_is_found_again(before: str, text: str, known: str) -> None:
    assert looked_at(text, before) == known


def test_a_default_of_the_command_line_decides_no_branch() -> None:
    text = training("""
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--amp", type=int, default=0)
        args = parser.parse_args()
        if args.amp: look("amp")
        else: look("plain")
    """)
    assert seen(text) == ["'amp'", "'plain'"]


def test_a_value_that_a_branch_may_have_replaced_is_either() -> None:
    text = training("""
        head = nn.ReLU()
        if flag:
            head = nn.Tanh()
        look(head)
    """)
    assert seen(text) == ["Tanh or ReLU"]


def test_what_a_branch_wrote_is_undone_for_the_other() -> None:
    text = training("""
        table = {"a": 1}
        if flag: table["a"] = 2
        else: look(table["a"])
        look(table["a"])
    """)
    assert seen(text) == ["1", "2 or 1"]


def test_what_a_path_that_leaves_wrote_arrives_where_it_lands() -> None:
    text = training("""
        best = 0
        for x in data:
            if x:
                best = 1
                break
        look(best)
    """)
    assert seen(text)[-1] in ("1 or 0", "0 or 1")


def test_whichever_of_two_networks_it_is_both_are_called() -> None:
    text = training("""
        net = nn.Sequential(nn.Linear(3, 4)) if small else nn.Sequential(nn.Linear(3, 4), nn.Softmax(dim=1))
        net.train()
        net(x)
    """)
    assert outputs(text) == ["linear(x)", "softmax(linear(x))"]
    assert told(text, "mode") == ["mode 3"]


@pytest.mark.parametrize(
    "step",
    [
        "import torch_xla.core.xla_model as xm; xm.optimizer_step(optimizer)",
        "from opacus import PrivacyEngine\n"
        "model, optimizer, loader = PrivacyEngine().make_private(module=model, optimizer=optimizer, data_loader=loader)\n"
        "optimizer.step()",
        "import intel_extension_for_pytorch as ipex\n"
        "model, optimizer = ipex.optimize(model, optimizer=optimizer)\noptimizer.step()",
        "from apex import amp\nmodel = amp.initialize(model)\noptimizer.step()",
    ],
)
def test_libraries_around_an_optimizer_step_it(step: str) -> None:
    *before, last = step.replace("; xm", "\nxm").split("\n")
    text = "\n".join([SETUP, *before, "for x, y in loader:", "    model(x).sum().backward()", f"    {last}", ""])
    assert [each[:5] for each in faults(text)] == ["NN102"]
    assert faults(f"{text}    optimizer.zero_grad()\n") == []
