"""The abstract run builds networks as the script does, and calls them: the graph of layers that an input passes through."""

from __future__ import annotations

import pytest

from nnlint.events import ModelCalled
from nnlint.graph import ancestors
from nnlint.values import Data
from tests.abstract import IMPORTS, graph, losses, runs, seen, told


@pytest.mark.parametrize(
    "built",
    [
        "net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))",
        "net = nn.Sequential(*[nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)])",
        "layers = [nn.Linear(3, 4)]; layers.append(nn.ReLU()); layers += [nn.Linear(4, 2)]; net = nn.Sequential(*layers)",
        "layers = []; layers.extend([nn.Linear(3, 4), nn.ReLU()]); net = nn.Sequential(*layers, nn.Linear(4, 2))",
        "from collections import OrderedDict\n"
        "net = nn.Sequential(OrderedDict([('a', nn.Linear(3, 4)), ('b', nn.ReLU()), ('c', nn.Linear(4, 2))]))",
        "from collections import OrderedDict\nparts = OrderedDict(); parts['a'] = nn.Linear(3, 4); parts['b'] = nn.ReLU()\n"
        "parts['c'] = nn.Linear(4, 2); net = nn.Sequential(parts)",
        "net = nn.Sequential(); net.add_module('a', nn.Linear(3, 4)); net.add_module('b', nn.ReLU())\n"
        "net.add_module('c', nn.Linear(4, 2))",
        "def layers():\n    yield nn.Linear(3, 4)\n    yield nn.ReLU()\nnet = nn.Sequential(*layers(), nn.Linear(4, 2))",
        "net = nn.Sequential(); net.append(nn.Linear(3, 4)).append(nn.ReLU()); net.append(nn.Linear(4, 2))",
        "net = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Sequential(nn.Linear(4, 2)))",
        "def block(i, o): return nn.Sequential(nn.Linear(i, o), nn.ReLU())\nnet = nn.Sequential(block(3, 4), nn.Linear(4, 2))",
        "def block(i, o): return [nn.Linear(i, o), nn.ReLU()]\nnet = nn.Sequential(*block(3, 4), nn.Linear(4, 2))",
        "old = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout()); net = nn.Sequential(*old[:-1], nn.Linear(4, 2))",
        "old = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout())\n"
        "net = nn.Sequential(*list(old.children())[:-1], nn.Linear(4, 2))",
        "net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 9)); net[1] = nn.ReLU(); net[-1] = nn.Linear(4, 2)",
    ],
)
def test_a_sequential_is_what_it_is_built_from(built: str) -> None:
    assert graph(f"\n{built}\nnet(x)") == ["linear(relu(linear(x)))"]


@pytest.mark.parametrize(
    "kept", ["self.b = act()", "self.add_module('b', act())", "self.b = nn.Tanh() if act.smooth else act()"]
)
def test_a_class_that_is_a_sequential_passes_through_parts_that_are_not_known(kept: str) -> None:
    text = f"""
from elsewhere import activation
class Stem(nn.Sequential):
    def __init__(self, act):
        super().__init__()
        self.add_module('a', nn.Linear(3, 4))
        {kept}
        self.c = nn.Linear(4, 2)
Stem(activation)(x)
"""
    (found,) = graph(text)
    assert "activation(elsewhere.activation(), linear(x))" in found


def test_layers_from_a_loop_over_sizes_are_all_there() -> None:
    text = """
sizes = [3, 8, 8, 2]
layers = []
for i in range(len(sizes) - 1):
    layers.append(nn.Linear(sizes[i], sizes[i + 1]))
    if i < len(sizes) - 2:
        layers.append(nn.ReLU())
nn.Sequential(*layers)(x)
"""
    assert graph(text) == ["linear(relu(linear(relu(linear(x)))))"]


def test_layers_from_pairs_of_sizes_are_all_there() -> None:
    text = """
sizes = [3, 8, 2]
net = nn.Sequential(*[nn.Linear(i, o) for i, o in zip(sizes[:-1], sizes[1:])], nn.Softmax(dim=1))
net(x)
"""
    assert graph(text) == ["softmax(linear(linear(x)))"]


def test_forward_is_followed_from_a_call_of_the_network() -> None:
    text = """
class Net(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.body = nn.Linear(3, hidden)
        self.head = nn.Linear(hidden, 2)
    def forward(self, x):
        x = F.relu(self.body(x))
        return F.softmax(self.head(x), dim=1)
net = Net(16).to("cuda")
net(x)
"""
    assert graph(text) == ["softmax(linear(relu(linear(x))))"]


def test_networks_nest() -> None:
    text = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.BatchNorm1d(4), nn.Linear(4, 4)
    def forward(self, x): return x + self.linear(self.norm(x))
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Block(), Block())
    def forward(self, x): return self.blocks(x)
Net()(x)
"""
    inner = "add(x, linear(batch_norm(x)))"
    assert graph(text) == [f"add({inner}, linear(batch_norm({inner})))"]


def test_a_call_inside_a_network_is_no_call_of_a_network() -> None:
    text = """
class Inner(nn.Module):
    def forward(self, x): return x.relu()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
    def forward(self, x): return self.inner(x)
Net()(x)
"""
    [run] = runs(IMPORTS + text)
    assert len(list(run.events(ModelCalled))) == 1


@pytest.mark.parametrize("loop", ["for layer in self.layers", "for i, layer in enumerate(self.layers)"])
def test_a_module_list_is_looped_over_in_forward(loop: str) -> None:
    text = f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.acts = nn.ModuleList()
        self.acts.append(nn.Tanh())
    def forward(self, x):
        {loop}: x = layer(x)
        return self.acts[0](x)
Net()(x)
"""
    assert graph(text) == ["tanh(linear(linear(linear(x))))"]


def test_a_module_dict_gives_its_modules_by_name() -> None:
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleDict({"a": nn.Softmax(dim=1)})
        self.heads["b"] = nn.Sigmoid()
    def forward(self, x): return self.heads["b"](self.heads["a"](x))
Net()(x)
"""
    assert graph(text) == ["sigmoid(softmax(x))"]


def test_modules_that_are_registered_by_name_are_attributes() -> None:
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module("head", nn.Linear(4, 2))
        for i in range(2): setattr(self, f"layer{i}", nn.Linear(4, 4))
        self.register_module("out", nn.Softmax(dim=1))
    def forward(self, x): return self.out(self.head(x))
Net()(x)
"""
    assert graph(text) == ["softmax(linear(x))"]


def test_layers_and_forward_may_be_inherited() -> None:
    text = """
class Base(nn.Module):
    def __init__(self, out):
        super().__init__()
        self.head = nn.Linear(4, out)
    def forward(self, x): return self.activate(self.head(x))
    def activate(self, x): return x
class Net(Base):
    def __init__(self): super().__init__(2)
    def activate(self, x): return torch.sigmoid(x)
Net()(x)
"""
    assert graph(text) == ["sigmoid(linear(x))"]


def test_a_forward_may_go_on_from_that_of_its_base() -> None:
    text = """
class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
    def forward(self, x): return self.head(x)
class Net(Base):
    def forward(self, x): return F.softmax(super().forward(x), 1)
Net()(x)
"""
    assert graph(text) == ["softmax(linear(x))"]


def test_a_network_may_derive_from_sequential() -> None:
    text = """
class Net(nn.Sequential):
    def __init__(self): super().__init__(nn.Linear(3, 4), nn.Softmax(dim=1))
Net()(x)
"""
    assert graph(text) == ["softmax(linear(x))"]


def test_a_head_that_is_replaced_later_is_the_one_that_is_called() -> None:
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
    def forward(self, x): return self.fc(x)
net = Net()
net.fc = nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=1))
net(x)
"""
    assert graph(text) == ["softmax(linear(x))"]


def test_a_functional_network_is_a_function() -> None:
    text = """
def net(x, w): return F.log_softmax(F.relu(F.linear(x, w)), dim=1)
F.nll_loss(net(x, w), y)
"""
    assert losses(IMPORTS + text) == ["nll_loss(log_softmax(relu(linear(x, w))), y)"]


def test_a_branch_in_forward_gives_both_outputs() -> None:
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
    def forward(self, x):
        x = self.head(x)
        if self.training: return x
        return F.softmax(x, dim=1)
net = Net()
net(x)
net.eval()
net(x)
"""
    assert graph(text) == ["linear(x)", "softmax(linear(x))"]


def test_an_activation_chosen_from_a_dict_or_by_name_is_known() -> None:
    text = """
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
nn.Sequential(nn.Linear(3, 4), ACTIVATIONS["tanh"](), getattr(nn, "Sigmoid")())(x)
"""
    assert graph(text) == ["sigmoid(tanh(linear(x)))"]


def test_outputs_in_tuples_and_dicts_are_taken_apart() -> None:
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 2), nn.Linear(4, 2)
    def forward(self, x): return {"logits": self.a(x), "scores": torch.sigmoid(self.b(x))}
class Pair(Net):
    def forward(self, x): return self.a(x), self.b(x).softmax(-1)
out = Net()(x)
first, second = Pair()(x)
look(out["scores"], second)
"""
    assert seen(IMPORTS + text) == ["sigmoid(linear(x)), softmax(linear(x))"]


def test_a_recurrent_layer_gives_its_output_and_its_state() -> None:
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 16, batch_first=True)
        self.head = nn.Linear(16, 2)
    def forward(self, x):
        out, (h, c) = self.rnn(x)
        return self.head(out[:, -1, :])
Net()(x)
"""
    [run] = runs(IMPORTS + text)
    [output] = [event.output for event in run.events(ModelCalled)]
    assert [data.layer.kind for data in ancestors(output) if data.layer is not None] == ["Linear", "LSTM"]


@pytest.mark.parametrize(
    ("head", "width"),
    [
        ("nn.Linear(8, 1)(x)", 1),
        ("nn.Sequential(nn.Linear(8, 3), nn.ReLU(), nn.Dropout(0.1))(x)", 3),
        ("F.relu(nn.Linear(8, 5)(x)) * 2", 5),
        ("nn.Linear(8, 5)(x).view(-1, 7)", 7),
        ("nn.Embedding(100, 12)(x)", 12),
        ("nn.Linear(8, size)(x)", None),
        ("nn.Linear(8, 5)(x).flatten(1)", None),
    ],
)
def test_the_size_of_the_last_dimension_is_known_where_it_is_written(head: str, width: int | None) -> None:
    [run] = runs(f"{IMPORTS}\nlook({head})")
    [width_seen] = [
        made.inputs[1].width
        for made in run.operations["call"]
        if isinstance(made, Data) and made.name == "look" and isinstance(made.inputs[1], Data)
    ]
    assert width_seen == width


@pytest.mark.parametrize(
    ("stored", "taken"),
    [
        ("setattr(self, f'layer{i}', part)", "getattr(self, f'layer{i}')"),
        ("setattr(self, 'layer%d' % i, part)", "getattr(self, 'layer' + str(i))"),
        ("self.add_module('layer{}'.format(i), part)", "getattr(self, 'layer%d' % i)"),
        ("self.add_module(str(i), part)", "self._modules[str(i)]"),
        ("setattr(self, name_of(i), part)", "getattr(self, name_of(i))"),
    ],
)
def test_layers_under_computed_names_are_found_again(stored: str, taken: str) -> None:
    text = f"""
from somewhere import name_of
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        for i in range(2):
            part = nn.Linear(4, 4)
            {stored}
    def forward(self, x):
        for i in range(2): x = {taken}(x)
        return x
Net()(x)
"""
    assert graph(text)[0].replace(" or linear(x)", "").startswith("linear(linear(x")


@pytest.mark.parametrize("loop", ["for part in self.children()", "for part in self._modules.values()"])
def test_children_are_looped_over_in_order(loop: str) -> None:
    text = f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Softmax(dim=1)
    def forward(self, x):
        {loop}: x = part(x)
        return x
Net()(x)
"""
    assert graph(text) == ["softmax(linear(x))"]


def test_a_sequential_of_its_own_is_a_network_that_is_built() -> None:
    text = """
    from torch import nn
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(3, 1))
    Net()
    nn.Sequential(nn.Linear(3, 1))
    """
    assert told(text, "model") == ["model 7", "model 8"]


@pytest.mark.parametrize(
    "setting",
    [
        "nn.init.zeros_(net[0].weight)",
        "torch.nn.init.constant_(net[0].weight, 0.1)",
        "net[0].weight.data.fill_(0.1)",
        "net[0].weight.data.normal_(0, 1)",
        "[nn.init.xavier_uniform_(m.weight) for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]",
    ],
)
def test_weights_get_their_first_values(setting: str) -> None:
    assert told(f"{IMPORTS}\nnet = nn.Sequential(nn.Linear(3, 4), nn.ReLU())\n{setting}", "weights") == ["weights 3"]


def test_a_function_is_applied_to_every_part_of_a_network() -> None:
    text = """
def init(m):
    if isinstance(m, nn.Linear):
        nn.init.zeros_(m.weight)
    elif isinstance(m, nn.LayerNorm):
        nn.init.ones_(m.weight)
nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.LayerNorm(4))).apply(init)
"""
    assert sorted(told(IMPORTS + text, "weights")) == ["weights 4", "weights 6"]


def test_an_initialiser_gives_back_the_weight_itself() -> None:
    assert seen(f"{IMPORTS}\nw = nn.Parameter(x)\nlook(nn.init.normal_(w), nn.init.normal_(y))") == [
        "parameter(x), torch.nn.init.normal_(y)"
    ]


def test_attributes_of_computed_names_are_kept_apart() -> None:
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        for i in range(2):
            setattr(self, f"layer{n}{i}", nn.Linear(3, 3 + i))
net = Net()
look(*net.children())
"""
    assert seen(IMPORTS + text) == ["Linear, Linear"]
