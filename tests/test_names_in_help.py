"""What a finding tells a person to write: it names things that exist where it is to be written, or nothing."""

from __future__ import annotations

import ast
from textwrap import dedent, indent

import pytest

import nnlint
from nnlint import Finding
from nnlint.mending.fixes import apply_edits

SETUP = """\
import torch
import torch.nn.functional as F
from torch import nn

net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
opt = torch.optim.Adam(net.parameters())
scaler = torch.amp.GradScaler()
loader = [(torch.randn(4, 3), torch.randn(4, 1))] * 9
"""


def finding(code: str, text: str) -> Finding:
    """The one finding of a rule."""
    (found,) = (each for each in nnlint.lint_text(text, "a.py") if each.code == code)
    return found


def with_fix(text: str, found: Finding) -> str:
    assert found.fix is not None
    return apply_edits(text, found.fix.edits)


def trained(body: str) -> str:
    loop = "for x, y in loader:\n    loss = F.mse_loss(net(x), y)\n"
    return SETUP + loop + indent(dedent(body), "    ")


BEFORE, AFTER = "call `{}.zero_grad()` before the backward pass", "call `{}.zero_grad()` after the step"
GENERIC = "clear the gradients before the backward pass"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("loss.backward()\nopt.step()\n", BEFORE.format("opt")),
        ("loss.backward()\nscaler.step(opt)\nscaler.update()\n", BEFORE.format("opt")),
        ("loss.backward()\nscaler.step(optimizer=opt)\n", BEFORE.format("opt")),
        ("def again():\n    return loss\nloss.backward()\nopt.step(again)\n", BEFORE.format("opt")),
        ("loss.backward()\nopt.step(closure=lambda: loss)\n", BEFORE.format("opt")),
        ("loss.backward()\nmine = opt\nmine.step()\n", AFTER.format("mine")),
        ("loss.backward()\nfor each in [opt]:\n    each.step()\n", AFTER.format("each")),
        ("loss.backward()\n[each.step() for each in [opt]]\n", GENERIC),
        ("loss.backward()\n(lambda each: each.step())(opt)\n", GENERIC),
        ("loss.backward()\nlist([opt])[0].step()\n", GENERIC),
        (
            "loss.backward()\nwith torch.no_grad():\n    for w in net.parameters():\n        w -= 0.1 * w.grad\n",
            GENERIC,
        ),
    ],
)
def test_the_optimizer_is_named_where_it_is_one(body: str, expected: str) -> None:
    assert finding("NN102", trained(body)).help == expected


def test_a_clear_in_an_accumulation_belongs_after_the_step() -> None:
    text = trained("loss.backward()\nif x.sum() > 0:\n    opt.step()\n")
    found = finding("NN102", text)
    assert found.help == AFTER.format("opt")
    assert with_fix(text, found).endswith("    if x.sum() > 0:\n        opt.step()\n        opt.zero_grad()\n")


def test_an_optimizer_that_is_made_after_the_backward_pass_is_cleared_after_the_step() -> None:
    text = trained("loss.backward()\nopt2 = torch.optim.SGD(net.parameters(), lr=0.1)\nopt2.step()\n")
    found = finding("NN102", text)
    assert found.help == AFTER.format("opt2")
    assert with_fix(text, found).endswith("    opt2.step()\n    opt2.zero_grad()\n")


def test_an_optimizer_inside_a_wrapper_is_not_named_where_only_the_wrapper_is_known() -> None:
    text = SETUP + dedent(
        """
        class Scheduled:
            def __init__(self, inner):
                self.inner = inner

            def update(self):
                self.inner.step()

        wrapped = Scheduled(opt)
        for x, y in loader:
            F.mse_loss(net(x), y).backward()
            wrapped.update()
        """
    )
    found = finding("NN102", text)
    assert (found.help, found.fix) == (AFTER.format("self.inner"), None)


EVALUATED = """\
for x, y in loader:
    opt.zero_grad()
    F.mse_loss(net(x), y).backward()
    opt.step()
test_loader = loader
nets = [net]
"""


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("net(x)", "call `net.eval()` before the evaluation"),
        ("net.forward(x)", "call `net.eval()` before the evaluation"),
        ("nets[0](x)", "call `nets[0].eval()` before the evaluation"),
        ("list(nets)[0](x)", "call `eval()` of the network before the evaluation"),
    ],
)
def test_the_network_is_named_where_it_has_a_name(call: str, expected: str) -> None:
    test = f"with torch.no_grad():\n    for x, y in test_loader:\n        print(F.mse_loss({call}, y).item())\n"
    assert finding("NN502", SETUP + EVALUATED + test).help == expected


SHARED = """
def loss_of(batch):
    x, y = batch
    return F.mse_loss(net(x), y)

for batch in loader:
    opt.zero_grad()
    loss_of(batch).backward()
    opt.step()
with torch.no_grad():
    print(sum(loss_of(batch).item() for batch in loader))
"""


def test_a_helper_that_training_shares_is_not_told_to_switch_the_mode() -> None:
    found = finding("NN502", SETUP + SHARED)
    assert found.help == (
        "call `eval()` of the network where the evaluation begins, not in `loss_of`, which training goes through, too"
    )
    lines = (SETUP + SHARED).split("\n")
    assert [(lines[each.place.line - 1].strip(), each.message) for each in found.related] == [
        ("print(sum(loss_of(batch).item() for batch in loader))", "evaluated here"),
        ("net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))", "drops at random in training mode"),
    ]
    assert found.fix is None


@pytest.mark.parametrize(
    "test",
    [
        """
        for each in nets:
            with torch.no_grad():
                for x, y in test_loader:
                    print(F.mse_loss(each(x), y).item())
        """,
        """
        with torch.no_grad():
            each = nets[0]
            for x, y in test_loader:
                print(F.mse_loss(each(x), y).item())
        """,
        """
        with torch.no_grad():
            print([F.mse_loss(each(x), y).item() for each in nets for x, y in test_loader])
        """,
    ],
)
def test_a_name_is_not_used_before_it_is_bound(test: str) -> None:
    text = SETUP + EVALUATED + dedent(test)
    for found in nnlint.lint_text(text, "a.py"):
        if found.code == "NN502" and found.fix:
            lines = with_fix(text, found).split("\n")
            uses = [number for number, line in enumerate(lines) if "each.eval()" in line]
            bound = [number for number, line in enumerate(lines) if "for each in" in line or "each = " in line]
            assert not uses or min(uses) > min(bound)
            ast.parse("\n".join(lines))


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ("total += loss", "add the number: `loss.item()`, or `loss.detach()` for a tensor"),
        ("total += cost * 2", "add the number: `cost.item()`, or `cost.detach()` for a tensor"),
    ],
)
def test_the_loss_is_named_as_it_is_called(kept: str, expected: str) -> None:
    name = "cost" if "cost" in kept else "loss"
    text = SETUP + dedent(
        f"""
        total = 0
        for x, y in loader:
            opt.zero_grad()
            {name} = F.mse_loss(net(x), y)
            {name}.backward()
            opt.step()
            {kept}
        print(total)
        """
    )
    assert finding("NN115", text).help == expected


@pytest.mark.parametrize("indent", ["", "    "])
def test_no_fix_is_offered_in_the_middle_of_a_continued_line(indent: str) -> None:
    found = finding("NN102", trained(f"step = 1; \\\n{indent}loss.backward()\nopt.step()\n"))
    assert found.fix is None


def test_a_loop_that_is_not_in_sight_is_not_named() -> None:
    module = """\
    import lightning as L
    import torch
    from torch import nn


    class Net(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False
            self.net = nn.Linear(3, 1)

        def training_step(self, batch, batch_idx):
            x, y = batch
            self.manual_backward(nn.functional.mse_loss(self.net(x), y))
            self.optimizers().step()

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=1e-3)
    """
    assert "nothing in this step clears them" in finding("NN102", dedent(module)).message
    assert "nothing in this loop clears them" in finding("NN102", trained("loss.backward()\nopt.step()\n")).message
