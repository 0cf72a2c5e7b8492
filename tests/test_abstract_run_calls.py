"""The abstract run follows every call whose source is at hand, and knows what values are reached through."""

from __future__ import annotations

import pytest

from nnlint.values import Data
from tests.abstract import faults, runs, seen, told, training


def test_a_function_is_followed_with_its_arguments() -> None:
    text = training("""
        def train_one(net, opt, x, y):
            loss = F.mse_loss(net(x), y)
            loss.backward()
            opt.step()
        for x, y in loader:
            train_one(model, optimizer, x, y)
    """)
    assert faults(text) == ["NN102 4"]


def test_a_clear_in_a_helper_is_a_clear() -> None:
    text = training("""
        def reset(*optimizers):
            for each in optimizers:
                each.zero_grad()
        for x, y in loader:
            reset(optimizer)
            F.mse_loss(model(x), y).backward()
            optimizer.step()
    """)
    assert faults(text) == []


def test_keywords_and_defaults_arrive_at_their_parameters() -> None:
    text = training("""
        def show(a, b=2, *rest, c, d="d", **more):
            look(a, b, rest, c, d, more)
        show(1, c=3, e=5)
        show(*[1, 2, 3], **{"c": 4})
    """)
    assert seen(text) == ["1, 2, [], 3, 'd', {e: 5}", "1, 2, [3], 4, 'd', {}"]


def test_a_method_reaches_the_attributes_of_its_object() -> None:
    text = training("""
        class Trainer:
            def __init__(self, model):
                self.model = model
                self.optimizer = torch.optim.Adam(self.model.parameters())
            def update(self, x, y):
                F.mse_loss(self.model(x), y).backward()
                self.optimizer.step()
            def fit(self):
                for x, y in loader:
                    self.update(x, y)
        Trainer(model).fit()
    """)
    assert faults(text) == ["NN102 7"]


def test_a_closure_reaches_the_names_around_it() -> None:
    text = training("""
        def make_step(model, optimizer):
            def step(x, y):
                F.mse_loss(model(x), y).backward()
                optimizer.step()
            return step
        step = make_step(model, optimizer)
        for x, y in loader: step(x, y)
    """)
    assert faults(text) == ["NN102 4"]


def test_a_nonlocal_name_is_written_where_it_lives() -> None:
    text = training("""
        def outer():
            head = None
            def build():
                nonlocal head
                head = nn.ReLU()
            build()
            look(head)
        outer()
    """)
    assert seen(text) == ["ReLU"]


def test_a_global_name_is_written_in_its_module() -> None:
    text = training("""
        head = None
        def build():
            global head
            head = nn.ReLU()
        build()
        look(head)
    """)
    assert seen(text) == ["ReLU"]


def test_a_lambda_is_a_function() -> None:
    text = training("""
        activate = lambda x, dim=1: F.softmax(x, dim)
        look(activate(x))
    """)
    assert seen(text) == ["softmax(x)"]


def test_a_decorator_of_the_script_is_followed() -> None:
    text = training("""
        from functools import wraps
        def clears(function):
            @wraps(function)
            def inner(*args, **kwargs):
                optimizer.zero_grad()
                return function(*args, **kwargs)
            return inner
        @clears
        def update(x, y):
            F.mse_loss(model(x), y).backward()
            optimizer.step()
        for x, y in loader: update(x, y)
    """)
    assert faults(text) == []
    assert told(text) == ["clear 6", "backward 11", "step 12"]


def test_a_decorator_with_arguments_is_followed() -> None:
    text = training("""
        def scaled(by):
            def decorate(function):
                return lambda x: function(x) * by
            return decorate
        @scaled(by=3)
        def score(x):
            return x.sigmoid()
        look(score(x))
    """)
    assert seen(text) == ["multiply(sigmoid(x), 3)"]


def test_an_unknown_decorator_leaves_the_function_as_it_is() -> None:
    text = training("""
        import ray
        @ray.remote
        def update(x, y):
            F.mse_loss(model(x), y).backward()
            optimizer.step()
        for x, y in loader: update(x, y)
    """)
    assert faults(text) == ["NN102 5"]


def test_partial_keeps_what_it_was_given() -> None:
    text = training("""
        from functools import partial
        loss_of = partial(F.cross_entropy, reduction="sum")
        half = partial(loss_of, model(x))
        look(half(y))
    """)
    assert seen(text) == ["cross_entropy(linear(x), y)"]


def test_a_property_is_computed_when_it_is_read() -> None:
    text = training("""
        class Sizes:
            def __init__(self, hidden): self.hidden = hidden
            @property
            def twice(self): return self.hidden * 2
        look(Sizes(8).twice)
    """)
    assert seen(text) == ["16"]


def test_super_reaches_the_base_class() -> None:
    text = training("""
        class Base:
            def __init__(self, rate): self.optimizer = torch.optim.SGD(model.parameters(), lr=rate)
            def update(self, loss): loss.backward(); self.optimizer.step()
        class Derived(Base):
            def __init__(self): super().__init__(0.1)
            def update(self, loss):
                self.optimizer.zero_grad()
                super(Derived, self).update(loss)
        trainer = Derived()
        for x, y in loader: trainer.update(F.mse_loss(model(x), y))
    """)
    assert told(text) == ["clear 8", "backward 4", "step 4"]
    assert faults(text) == []


def test_a_method_of_a_subclass_replaces_that_of_its_base() -> None:
    text = training("""
        class Base:
            def run(self): look(self.head())
            def head(self): return "base"
        class Derived(Base):
            def head(self): return "derived"
        Derived().run()
    """)
    assert seen(text) == ["'derived'"]


def test_class_and_static_methods_are_called() -> None:
    text = training("""
        class Config:
            rate = 0.1
            @classmethod
            def default(cls): return cls()
            @staticmethod
            def twice(x): return x * 2
        look(Config.default().rate, Config.twice(3), Config().twice(4))
    """)
    assert seen(text) == ["0.1, 6, 8"]


def test_a_callback_is_called_by_whoever_holds_it() -> None:
    text = training("""
        def fit(loader, before, after):
            for x, y in loader:
                before()
                F.mse_loss(model(x), y).backward()
                after()
        fit(loader, before=optimizer.zero_grad, after=optimizer.step)
    """)
    assert told(text) == ["clear 4", "backward 5", "step 6"]
    assert faults(text) == []


def test_a_list_of_callbacks_is_called_in_order() -> None:
    text = training("""
        class Clear:
            def on_batch(self): optimizer.zero_grad()
        class Nothing:
            def on_batch(self): pass
        callbacks = [Nothing(), Clear()]
        for x, y in loader:
            for callback in callbacks: callback.on_batch()
            F.mse_loss(model(x), y).backward()
            optimizer.step()
    """)
    assert faults(text) == []


def test_the_closure_of_an_optimizer_runs_before_its_step() -> None:
    text = training("""
        optimizer = torch.optim.LBFGS(model.parameters())
        for epoch in range(20):
            def closure():
                optimizer.zero_grad()
                loss = F.mse_loss(model(x), y)
                loss.backward()
                return loss
            optimizer.step(closure)
    """)
    assert told(text) == ["clear 5", "backward 7", "step 9"]
    assert faults(text) == []


def test_a_closure_that_never_clears_piles_up() -> None:
    text = training("""
        optimizer = torch.optim.LBFGS(model.parameters())
        def closure():
            loss = F.mse_loss(model(x), y)
            loss.backward()
            return loss
        for epoch in range(20):
            optimizer.step(closure)
    """)
    assert faults(text) == ["NN102 5"]


@pytest.mark.parametrize(
    ("kept", "taken"),
    [
        ("pair = (model, optimizer)", "pair[1]"),
        ("pair = [model, optimizer]", "pair[-1]"),
        ("pair = {'net': model, 'opt': optimizer}", "pair['opt']"),
        ("pair = dict(net=model, opt=optimizer)", "pair.get('opt')"),
        ("_, held = model, optimizer", "held"),
        ("first, *held = model, optimizer", "held[0]"),
        ("class Pair: opt = optimizer", "Pair.opt"),
        ("class Pair: pass\npair = Pair(); pair.opt = optimizer", "pair.opt"),
        ("class Pair: pass\npair = Pair(); setattr(pair, 'opt', optimizer)", "getattr(pair, 'opt')"),
        ("from types import SimpleNamespace; pair = SimpleNamespace(opt=optimizer)", "pair.opt"),
        ("def both(): return model, optimizer\n_, held = both()", "held"),
        ("held = optimizer if True else None", "held"),
        ("(held := optimizer)", "held"),
        ("held = {**{'opt': optimizer}}", "held['opt']"),
        ("held = {}; held.update(opt=optimizer)", "held['opt']"),
        ("held = []; held.append(optimizer)", "held[0]"),
        ("held = [each for each in (model, optimizer)]", "held[1]"),
        ("held = {name: each for name, each in [('opt', optimizer)]}", "held['opt']"),
    ],
)
def test_an_optimizer_is_still_known_after_it_was_kept(kept: str, taken: str) -> None:
    assert seen(f"{training('')}\n{kept}\nlook({taken})") == ["Adam"]


def test_the_fields_of_a_dataclass_are_its_arguments() -> None:
    text = training("""
        from dataclasses import dataclass, field
        @dataclass
        class State:
            optimizer: object
            rate: float = 0.1
            sizes: list = field(default_factory=list)
        state = State(optimizer)
        look(state.optimizer, state.rate, state.sizes)
    """)
    assert seen(text) == ["Adam, 0.1, []"]


def test_the_fields_of_a_named_tuple_are_its_arguments() -> None:
    text = training("""
        from collections import namedtuple
        from typing import NamedTuple
        Pair = namedtuple("Pair", ["net", "opt"])
        class Other(NamedTuple):
            net: object
            opt: object
        pair, other = Pair(model, optimizer), Other(net=model, opt=optimizer)
        look(pair.opt, other.opt)
    """)
    assert seen(text) == ["Adam, Adam"]


def test_an_enum_or_config_class_gives_its_constants() -> None:
    text = training("""
        class Config:
            hidden = 16
            sizes = [hidden, 4]
        config = Config()
        look(config.hidden, Config.sizes[0])
    """)
    assert seen(text) == ["16, 16"]


def test_an_object_is_called_by_its_call_method() -> None:
    text = training("""
        class Step:
            def __init__(self, opt): self.opt = opt
            def __call__(self, loss):
                loss.backward()
                self.opt.step()
        step = Step(optimizer)
        for x, y in loader:
            step(F.mse_loss(model(x), y))
    """)
    assert faults(text) == ["NN102 5"]


def test_a_coroutine_is_followed_where_it_is_awaited() -> None:
    text = training("""
        async def update(x, y):
            F.mse_loss(model(x), y).backward()
            optimizer.step()
        async def train():
            async for x, y in loader:
                await update(x, y)
    """)
    assert faults(text) == ["NN102 3"]


def test_fields_of_a_dataclass_that_is_given_unknown_settings_are_not_known() -> None:
    text = """
    import torch
    from dataclasses import dataclass
    @dataclass
    class Config:
        amp: bool = None
    def f(settings):
        config = Config(**settings)
        if config.amp:
            first(config)
        else:
            second(config)
        if Config().amp:
            third(config)
    """
    [run] = runs(text)
    assert {made.name for made in run.operations["call"] if isinstance(made, Data)} >= {"first", "second"}
    assert "third" not in {made.name for made in run.operations["call"] if isinstance(made, Data)}


def test_a_network_does_not_escape_by_a_method_of_its_own_that_is_not_followed() -> None:
    text = training("""
        class Tower(nn.Module):
            def __init__(self):
                super().__init__()
                self.level = nn.Linear(4, 4)
            def climb(self, x, levels):
                return x if levels == 0 else self.climb(self.level(x), levels - 1)
            def forward(self, x):
                return self.climb(x, x.shape[0])
        tower = Tower()
        tower(torch.rand(3, 4))
    """)
    assert told(text, "escape") == []
