"""The abstract run knows optimizers of any library, and what is done to gradients around them."""

from __future__ import annotations

import pytest

from nnlint.events import (
    Backward,
    GradientsClipped,
    LoaderMade,
    OptimizerMade,
    OptimizerStepped,
    SchedulerMade,
    SchedulerStepped,
)
from nnlint.values import Loader, Optimizer, Scheduler, number
from tests.abstract import expression, faults, runs, seen, told, training

LOOP = """
for x, y in loader:
    {clear}
    loss = F.mse_loss(model(x), y)
    loss.backward()
    {step}
"""


def loop(setup: str = "", clear: str = "pass", step: str = "optimizer.step()") -> str:
    """A training loop after some setup; without setup of several lines, the backward pass stands on line 6."""
    return training("") + "; " + setup + LOOP.format(clear=clear, step=step)


@pytest.mark.parametrize(
    "made",
    [
        "torch.optim.SGD(model.parameters(), 0.1)",
        "torch.optim.AdamW([{'params': model.parameters(), 'lr': 1e-3}], weight_decay=0)",
        "torch.optim.Adam(list(model.parameters()) + [extra])",
        "torch.optim.Adam(filter(lambda p: p.requires_grad, model.parameters()))",
        "torch.optim.Adam([p for p in model.parameters() if p.requires_grad])",
        "torch.optim.Adam(p for n, p in model.named_parameters() if 'bias' not in n)",
        "torch.optim.Adam(params=model.parameters(), lr=3e-4)",
        "torch.optim.Adam([{'params': [p for n, p in model.named_parameters()]}])",
        "getattr(torch.optim, 'Adam')(model.parameters())",
        "{'adam': torch.optim.Adam}['adam'](model.parameters())",
        "(lambda m: torch.optim.Adam(m.parameters()))(model)",
        "__import__('functools').partial(torch.optim.Adam, lr=1e-3)(model.parameters())",
    ],
)
def test_an_optimizer_is_made_over_the_parameters_of_a_network(made: str) -> None:
    [run] = runs(f"{training('')}\nother = {made}")
    optimizer = [event.optimizer for event in run.events(OptimizerMade)][-1]
    assert isinstance(optimizer, Optimizer)
    assert "Linear" in [expression(owner) for owner in optimizer.owners]


@pytest.mark.parametrize(
    "made",
    [
        "from lion_pytorch import Lion; optimizer = Lion(model.parameters(), lr=1e-4)",
        "import bitsandbytes as bnb; optimizer = bnb.optim.Adam8bit(model.parameters())",
        "from transformers import AdamW; optimizer = AdamW(model.parameters(), lr=2e-5)",
        "import apex; optimizer = apex.optimizers.FusedLAMB(model.parameters())",
        "import torch_optimizer as optim; optimizer = optim.RAdam(model.parameters())",
        "import timm; optimizer = timm.optim.create_optimizer_v2(model, opt='adamw')",
        "from mystery import build_optimizer; optimizer = build_optimizer(config, model)",
        "import horovod.torch as hvd; optimizer = hvd.DistributedOptimizer(optimizer)",
    ],
)
def test_an_optimizer_of_any_library_is_stepped_like_torchs(made: str) -> None:
    assert faults(loop(made)) == ["NN102 6"] or faults(loop(made)) == ["NN102 5"]
    assert faults(loop(made, clear="optimizer.zero_grad()")) == []


def test_the_rate_of_an_optimizer_is_known_by_name_or_by_place() -> None:
    [run] = runs(
        training("""
        torch.optim.SGD(model.parameters(), 0.1, 0.9)
        torch.optim.Adam(model.parameters(), lr=RATE)
        torch.optim.Adam(lr=0.5, params=model.parameters())
    """)
    )
    made = [event.optimizer for event in run.events(OptimizerMade)][1:]
    assert [number(each.arguments.get("lr")) for each in made if isinstance(each, Optimizer)] == [0.1, None, 0.5]


@pytest.mark.parametrize(
    "clear",
    [
        "optimizer.zero_grad()",
        "optimizer.zero_grad(set_to_none=True)",
        "model.zero_grad()",
        "[p.grad.zero_() for p in model.parameters()]",
        "for p in model.parameters(): p.grad = None",
        "for p in model.parameters(): p.grad.data.zero_()",
        "for group in optimizer.param_groups:\n        for p in group['params']: p.grad = None",
        "[each.zero_grad() for each in (optimizer,)]",
        "map(lambda each: each.zero_grad(), [optimizer])",
        "for p in model.parameters():\n        if p.grad is not None: p.grad.detach_(); p.grad.zero_()",
        "model.weight.grad = None; model.bias.grad = None",
        "(optimizer.zero_grad if True else None)()",
    ],
)
def test_every_way_to_clear_gradients_is_known(clear: str) -> None:
    assert faults(loop(clear=clear)) == []


def test_another_optimizers_clear_does_not_clear_this_one() -> None:
    setup = "other = nn.Linear(3, 4); other_optimizer = torch.optim.SGD(other.parameters(), 0.1)"
    assert faults(loop(setup, clear="other_optimizer.zero_grad()")) == ["NN102 5"]


def test_two_networks_under_one_optimizer_are_cleared_by_it() -> None:
    text = training("""
        a, b = nn.Linear(3, 4), nn.Linear(4, 2)
        both = torch.optim.Adam(list(a.parameters()) + list(b.parameters()))
        for x, y in loader:
            both.zero_grad()
            F.mse_loss(b(a(x)), y).backward()
            both.step()
    """)
    assert faults(text) == []


def test_gradients_of_a_generator_step_that_reach_the_discriminator_are_cleared_before_its_own() -> None:
    text = training("""
        G, D = nn.Linear(3, 4), nn.Linear(4, 1)
        g_opt, d_opt = torch.optim.Adam(G.parameters()), torch.optim.Adam(D.parameters())
        for x, _ in loader:
            d_opt.zero_grad()
            (D(x).mean() + D(G(z).detach()).mean()).backward()
            d_opt.step()
            g_opt.zero_grad()
            D(G(z)).mean().backward()
            g_opt.step()
    """)
    assert faults(text) == []


def test_a_scaler_scales_unscales_and_steps() -> None:
    text = training("""
        scaler = torch.amp.GradScaler("cuda")
        for x, y in loader:
            optimizer.zero_grad()
            with torch.autocast("cuda"): loss = F.mse_loss(model(x), y)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
    """)
    assert told(text, "clear", "backward", "clip", "step") == ["clear 4", "backward 6", "clip 8", "step 9"]


def test_a_scaler_clears_nothing() -> None:
    setup = "scaler = torch.cuda.amp.GradScaler()"
    assert faults(loop(setup, step="scaler.step(optimizer); scaler.update()")) == ["NN102 5"]


def test_apex_scales_the_loss_in_a_context() -> None:
    text = training("""
        from apex import amp
        model, optimizer = amp.initialize(model, optimizer, opt_level="O1")
        for x, y in loader:
            loss = F.mse_loss(model(x), y)
            with amp.scale_loss(loss, optimizer) as scaled: scaled.backward()
            optimizer.step()
    """)
    assert faults(text) == ["NN102 6"]


@pytest.mark.parametrize(
    "clip",
    [
        "nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
        "nn.utils.clip_grad_norm_(parameters=model.parameters(), max_norm=1.0)",
        "torch.nn.utils.clip_grad_value_(model.parameters(), 0.5)",
        "from torch.nn.utils import clip_grad_norm_ as clip; clip(list(model.parameters()), 1)",
    ],
)
def test_clipping_is_an_event(clip: str) -> None:
    [run] = runs(f"{training('')}\n{clip}")
    assert len(list(run.events(GradientsClipped))) == 1


@pytest.mark.parametrize(
    "made",
    [
        "torch.optim.lr_scheduler.StepLR(optimizer, 30)",
        "torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=100)",
        "torch.optim.lr_scheduler.LambdaLR(optimizer=optimizer, lr_lambda=lambda e: 0.9 ** e)",
        "timm.scheduler.CosineLRScheduler(optimizer, t_initial=9)",
        "transformers.get_linear_schedule_with_warmup(optimizer, 10, 100)",
    ],
)
def test_a_scheduler_is_made_over_its_optimizer(made: str) -> None:
    [run] = runs(f"{training('')}\nimport transformers, timm\nscheduler = {made}\nscheduler.step()")
    [scheduler] = [event.scheduler for event in run.events(SchedulerMade)]
    assert isinstance(scheduler, Scheduler)
    assert expression(scheduler.optimizer) == "Adam"


def test_the_step_of_a_scheduler_is_not_that_of_an_optimizer() -> None:
    text = training("""
        import some_library
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 30)
        warmup = some_library.LinearWarmup(optimizer)
        scheduler.step()
        warmup.step()
    """)
    assert told(text, "step", "schedule") == ["schedule 5", "schedule 6"]


@pytest.mark.parametrize(
    "update",
    [
        "with torch.no_grad(): w -= 0.1 * w.grad",
        "w.data -= 0.1 * w.grad.data",
        "w.data = w.data - 0.1 * w.grad",
        "w.data.add_(w.grad, alpha=-0.1)",
        "w.data.sub_(0.1 * w.grad.data)",
    ],
)
def test_a_hand_written_update_is_a_step(update: str) -> None:
    text = f"""
import torch
w = torch.randn(3, requires_grad=True)
for x, y in data:
    ((x @ w - y) ** 2).sum().backward()
    {update}
"""
    assert faults(text) == ["NN102 5"]
    assert faults(f"{text}    w.grad.zero_()\n") == []


def test_a_hand_written_update_of_all_parameters_is_a_step() -> None:
    step = "for p in model.parameters(): p.data.add_(p.grad, alpha=-0.1)"
    assert faults(loop(step=step)) == ["NN102 5"]
    assert faults(loop(step=step, clear="model.zero_grad()")) == []


def test_returned_gradients_are_never_accumulated() -> None:
    text = """
import torch
w = torch.randn(3, requires_grad=True)
for x, y in data:
    grad, = torch.autograd.grad(((x @ w - y) ** 2).sum(), [w])
    with torch.no_grad(): w -= 0.1 * grad
"""
    assert faults(text) == []


def test_an_optimizer_class_of_the_script_is_followed() -> None:
    text = training("""
        class Plain:
            def __init__(self, params): self.params = list(params)
            def step(self):
                for p in self.params: p.data -= 0.1 * p.grad
            def zero_grad(self):
                for p in self.params: p.grad = None
        mine = Plain(model.parameters())
        for x, y in loader:
            mine.zero_grad()
            F.mse_loss(model(x), y).backward()
            mine.step()
    """)
    assert faults(text) == []


def test_a_wrapper_that_holds_the_optimizer_is_followed() -> None:
    text = training("""
        class Noam:
            def __init__(self, optimizer): self.optimizer = optimizer
            def step(self): self.optimizer.step()
        noam = Noam(optimizer)
        for x, y in loader:
            F.mse_loss(model(x), y).backward()
            noam.step()
    """)
    assert faults(text) == ["NN102 7"]


def test_optimizers_in_a_loop_are_each_stepped() -> None:
    text = training("""
        optimizers = {"a": optimizer, "b": torch.optim.SGD(other.parameters(), 0.1)}
        for x, y in loader:
            for each in optimizers.values(): each.zero_grad()
            F.mse_loss(other(model(x)), y).backward()
            for each in optimizers.values(): each.step()
    """)
    assert faults(text) == []
    assert told(text) == ["clear 4", "backward 5", "step 6"]


def test_a_loader_knows_its_arguments_by_name() -> None:
    [run] = runs(
        training("""
        from torch.utils.data import DataLoader
        DataLoader(data, 32, True)
        DataLoader(dataset=data, sampler=torch.utils.data.SequentialSampler(data), batch_size=1)
    """)
    )
    made = [event.loader for event in run.events(LoaderMade)][1:]
    sizes = [number(each.arguments.get("batch_size")) for each in made if isinstance(each, Loader)]
    assert sizes == [32, 1]


def test_modes_are_those_at_the_call() -> None:
    text = training("""
        model.train()
        look(model.training)
        model.eval()
        look(model.training)
        model.train(mode=False)
        look(model.training)
    """)
    assert seen(text) == ["True", "False", "False"]


def test_whichever_of_many_optimizers_was_chosen_is_stepped() -> None:
    [run] = runs("""
import torch
model = torch.nn.Linear(2, 2)
if kind == "sgd":
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
elif kind == "adam":
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
else:
    optimizer = torch.optim.ASGD(model.parameters(), 0.1)
optimizer.step()
""")
    made = [event.optimizer for event in run.events(OptimizerMade)]
    assert len(made) == 3
    assert [event.optimizer for event in run.events(OptimizerStepped)] == made


def test_a_method_that_is_only_named_is_told_and_taken_for_called() -> None:
    text = """
    import torch
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    optimizer.zero_grad
    net(x).mean().backward
    optimizer.step
    kept = optimizer.step
    """
    expected = ["named 5", "clear 5", "named 6", "backward 6", "named 7", "step 7"]
    assert told(text, "named", "clear", "backward", "step") == expected


def test_properties_and_fields_are_no_methods_that_were_to_be_called() -> None:
    text = """
    class Clock:
        @property
        def step(self):
            return 1
    Clock().step
    splits.train
    torch.eval
    """
    assert told(text, "named") == []


def test_a_gradient_scaler_tells_whose_loss_it_scaled_what_it_stepped_and_when_it_was_updated() -> None:
    text = """
    import torch
    def f(optimizer, scaler, loss):
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        loss.backward()
        optimizer.step()
    """
    [run] = runs(text)
    assert told(text, "backward", "unscale", "step", "update") == [
        "backward 4",
        "unscale 5",
        "step 6",
        "update 7",
        "backward 8",
        "step 9",
    ]
    assert [event.scaler is not None for event in run.events(Backward)] == [True, False]
    assert [event.scaler is not None for event in run.events(OptimizerStepped)] == [True, False]


def test_an_optimizer_holds_the_layers_that_its_network_has_when_it_is_made() -> None:
    text = """
    import torch
    from torch import nn
    net = nn.Sequential(nn.Linear(3, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net.add_module("head", nn.Linear(2, 1))
    """
    made = next(runs(text)[0].events(OptimizerMade))
    assert len(made.held) == 2


def test_a_step_of_a_scheduler_tells_the_metric_that_it_is_given() -> None:
    [run] = runs(
        training("") + "\nfrom torch.optim.lr_scheduler import ReduceLROnPlateau\n"
        "scheduler = ReduceLROnPlateau(optimizer)\nscheduler.step(0.5)\nscheduler.step(metrics=0.25)\nscheduler.step()"
    )
    assert [number(event.metric) for event in run.events(SchedulerStepped)] == [0.5, 0.25, None]
