"""What nothing calls is run too: functions with arguments of their names, objects whose holder calls their methods again."""

from __future__ import annotations

from tests.abstract import faults, losses, runs


def test_a_function_that_nothing_calls_is_run_with_its_parameters_as_they_are_named() -> None:
    text = """
        def train(model, optimizer, loader, criterion):
            for x, y in loader:
                criterion(model(x), y).backward()
                optimizer.step()
    """
    assert faults(text) == ["NN102 4"]


def test_a_function_that_nothing_calls_is_one_pass() -> None:
    text = """
        def train_step(model, optimizer, criterion, x, y):
            criterion(model(x), y).backward()
            optimizer.step()
    """
    assert faults(text) == []


def test_an_agent_whose_methods_others_call_again_and_again_must_clear_somewhere() -> None:
    text = """
        import torch
        class Agent:
            def __init__(self, net):
                self.net = net
                self.optimizer = torch.optim.Adam(net.parameters())
            def act(self, state):
                return self.net(state).argmax()
            def learn(self, states, returns):
                loss = torch.nn.functional.mse_loss(self.net(states), returns)
                loss.backward()
                self.optimizer.step()
    """
    assert faults(text) == ["NN102 11"]


def test_an_agent_may_clear_in_another_of_its_methods() -> None:
    text = """
        import torch
        class Agent:
            def __init__(self, net):
                self.optimizer = torch.optim.Adam(net.parameters())
            def begin(self): self.optimizer.zero_grad()
            def learn(self, loss): loss.backward(); self.optimizer.step()
    """
    assert faults(text) == []


def test_a_method_that_another_one_calls_is_seen_with_its_arguments() -> None:
    text = """
        import torch.nn.functional as F
        class Task:
            def loss(self, output, y): return F.cross_entropy(output, y)
            def train(self, x, y): return self.loss(F.softmax(x, 1), y)
    """
    assert losses(text) == ["cross_entropy(softmax(x), y)"]


def test_a_base_whose_subclass_clears_is_not_accused() -> None:
    text = """
        import torch
        class Base:
            def __init__(self, net): self.optimizer = torch.optim.Adam(net.parameters())
            def learn(self, loss): loss.backward(); self.optimizer.step()
        class Agent(Base):
            def learn(self, loss):
                self.optimizer.zero_grad()
                super().learn(loss)
    """
    assert faults(text) == []


def test_an_object_that_the_script_uses_is_judged_by_that_use() -> None:
    text = """
        import torch
        class Agent:
            def __init__(self, net): self.optimizer = torch.optim.Adam(net.parameters())
            def learn(self, loss): loss.backward(); self.optimizer.step()
        agent = Agent(torch.nn.Linear(3, 4))
        agent.learn(loss)
    """
    assert faults(text) == []


def test_an_optimizer_that_came_from_outside_may_be_cleared_outside() -> None:
    text = """
        class Step:
            def __init__(self, optimizer): self.optimizer = optimizer
            def learn(self, loss): loss.backward(); self.optimizer.step()
    """
    assert faults(text) == []


def test_events_of_methods_that_are_called_again_stand_in_no_loop() -> None:
    text = """
        import torch
        class Agent:
            def __init__(self, net): self.optimizer = torch.optim.Adam(net.parameters())
            def learn(self, loss): loss.backward(); self.optimizer.step()
    """
    [run] = [run for run in runs(text) if run.called_again]
    assert all(event.iterations == () for event in run.all_events)


def test_a_sequential_that_nothing_calls_is_run_once_more_and_one_that_is_called_is_not() -> None:
    built = "from torch import nn\nnet = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))\n"
    assert [run.symbolic for run in runs(built)] == [False, True]
    assert [run.symbolic for run in runs(f"{built}net(rows)\n")] == [False]
    assert [run.symbolic for run in runs(f"{built}\ndef answer(rows):\n    return net(rows)\n")] == [False, True]
    assert [
        run.symbolic for run in runs(f"{built}\nclass Asks:\n    def answer(self, rows):\n        return net(rows)\n")
    ] == [
        False,
        True,
    ]
    assert [run.symbolic for run in runs(f"{built}trunk = net[:-1]\ntrunk(rows)\n")] == [False]
