"""The abstract run knows what frameworks do for their users."""

from __future__ import annotations

import pytest

from tests.abstract import faults, losses, outputs, seen, told

LIGHTNING = """
import torch, torch.nn.functional as F, pytorch_lightning as pl
class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        {manual}
        self.net = torch.nn.Linear(3, 4)
    def configure_optimizers(self):
        return {made}
    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.mse_loss(self.net(x), y)
        {step}
        return loss
"""
ADAM = "torch.optim.Adam(self.parameters())"
BY_HAND = "opt = self.optimizers(); self.manual_backward(loss); opt.step()"


def lightning(step: str, made: str = ADAM, manual: str = "self.automatic_optimization = False", after: str = "") -> str:
    """A LightningModule whose backward pass stands on line 13."""
    return LIGHTNING.format(step=step, made=made, manual=manual) + after


@pytest.mark.parametrize("after", ["", "pl.Trainer().fit(Module(), loader)\n"])
def test_lightning_steps_by_hand_are_in_its_loop(after: str) -> None:
    assert faults(lightning(BY_HAND, after=after)) == ["NN102 13"]


@pytest.mark.parametrize("clear", ["opt.zero_grad()", "self.zero_grad()", "self.net.zero_grad()"])
def test_lightning_steps_by_hand_may_clear(clear: str) -> None:
    assert faults(lightning(f"{BY_HAND}; {clear}")) == []


def test_lightning_logs_and_toggles_without_touching_gradients() -> None:
    step = f"self.log('loss', loss); {BY_HAND}; self.log_dict({{}}); self.untoggle_optimizer(opt)"
    assert faults(lightning(step)) == ["NN102 13"]


def test_lightning_clears_steps_and_differentiates_where_optimization_is_automatic() -> None:
    assert faults(lightning("pass", manual="pass", after="pl.Trainer().fit(Module(), loader)\n")) == []


@pytest.mark.parametrize(
    ("made", "given"),
    [
        (ADAM, "Adam"),
        (f"[{ADAM}]", "Adam"),
        (f"{{'optimizer': {ADAM}, 'lr_scheduler': None}}", "Adam"),
        (f"[{ADAM}], []", "Adam"),
        (f"{ADAM}, torch.optim.SGD(self.parameters(), lr=1)", "[Adam, SGD]"),
        (f"[{{'optimizer': {ADAM}}}, {{'optimizer': {ADAM}}}]", "[Adam, Adam]"),
    ],
)
def test_lightning_gives_back_the_optimizers_that_were_configured(made: str, given: str) -> None:
    assert seen(lightning("look(self.optimizers())", made))[0] == given


def test_lightning_may_be_switched_to_manual_by_a_property() -> None:
    manual = (
        "super().__init__()\n    @property\n    def automatic_optimization(self): return False\n    def build(self):"
    )
    text = lightning(BY_HAND, manual=manual + "\n        pass")
    assert [each.partition(" ")[0] for each in faults(text)] == ["NN102"]


def test_one_of_two_lightning_optimizers_that_is_never_cleared_is_found() -> None:
    text = lightning(
        "first, second = self.optimizers()\n"
        "        first.zero_grad(); self.manual_backward(loss); first.step()\n"
        "        second_loss = self.other(x).sum()\n"
        "        self.manual_backward(second_loss)\n"
        "        second.step()",
        f"{ADAM.replace('self', 'self.net')}, {ADAM.replace('self', 'self.other')}",
        "self.automatic_optimization = False; self.other = torch.nn.Linear(3, 4)",
    )
    assert faults(text) == ["NN102 16"]


ACCELERATE = """
import torch, torch.nn.functional as F
from accelerate import Accelerator
model = torch.nn.Linear(3, 4)
optimizer = torch.optim.AdamW(model.parameters())
accelerator = Accelerator()
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
for x, y in loader:
    with accelerator.accumulate(model):
        accelerator.backward(F.cross_entropy(model(x), y))
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        {clear}
"""


def test_accelerate_hands_back_what_it_prepares() -> None:
    text = ACCELERATE.format(clear="optimizer.zero_grad()")
    assert told(text, "backward", "clip", "step", "clear") == ["backward 10", "clip 11", "step 12", "clear 13"]
    assert faults(text) == []


def test_accelerate_clears_nothing_by_itself() -> None:
    assert faults(ACCELERATE.format(clear="pass")) == ["NN102 10"]


FABRIC = """
import torch, torch.nn.functional as F
from lightning.fabric import Fabric
fabric = Fabric(accelerator="gpu"); fabric.launch()
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Softmax(dim=1))
optimizer = torch.optim.AdamW(model.parameters())
model, optimizer = fabric.setup(model, optimizer)
train_loader, val_loader = fabric.setup_dataloaders(train_loader, val_loader)
for x, y in train_loader:
    {clear}
    fabric.backward(F.cross_entropy(model(x), y))
    fabric.clip_gradients(model, optimizer, max_norm=1.0)
    optimizer.step()
"""


def test_fabric_hands_back_what_it_sets_up() -> None:
    text = FABRIC.format(clear="optimizer.zero_grad()")
    assert faults(text) == []
    assert told(text, "clip") == ["clip 12"]
    assert losses(text)[0].startswith("cross_entropy(softmax(linear(")


def test_fabric_clears_nothing_by_itself() -> None:
    assert faults(FABRIC.format(clear="pass")) == ["NN102 11"]


def test_a_lite_module_is_its_own_fabric() -> None:
    text = """
        import torch
        from pytorch_lightning.lite import LightningLite
        class Lite(LightningLite):
            def run(self, model, loader):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                model, optimizer = self.setup(model, optimizer)
                for x, y in loader:
                    self.backward(torch.nn.functional.mse_loss(model(x), y))
                    optimizer.step()
    """
    assert faults(text) == ["NN102 9"]


DEEPSPEED = """
import torch, deepspeed, torch.nn.functional as F
net = torch.nn.Linear(3, 4)
engine, optimizer, _, _ = deepspeed.initialize(args=args, model=net, model_parameters=net.parameters())
for x, y in loader:
    loss = F.cross_entropy(engine(x), y)
    engine.backward(loss)
    {step}
"""


def test_a_deepspeed_engine_clears_when_it_steps() -> None:
    text = DEEPSPEED.format(step="engine.step()")
    assert faults(text) == []
    assert told(text) == ["backward 7", "step 8", "clear 8"]


def test_a_deepspeed_engine_is_called_like_its_network() -> None:
    assert outputs(DEEPSPEED.format(step="engine.step()"))[0].startswith("linear(")


def test_a_deepspeed_engine_over_an_unknown_network_clears_too() -> None:
    text = """
        import deepspeed
        def main(args, model, loader):
            model_engine, optimizer, _, _ = deepspeed.initialize(args=args, model=model)
            for batch in loader:
                loss = model_engine(batch)
                model_engine.backward(loss)
                model_engine.step()
    """
    assert faults(text) == []
    assert told(text) == ["backward 7", "step 8", "clear 8"]


IGNITE = """
import torch, torch.nn.functional as F
from ignite.engine import Engine, Events
def create_trainer(model, optimizer):
    def update(engine, batch):
        x, y = batch
        {clear}
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()
    trainer = Engine(update)
    {more}
    return trainer
"""


def test_ignite_runs_its_update_function_in_a_loop() -> None:
    assert faults(IGNITE.format(clear="pass", more="pass")) == ["NN102 9"]


def test_an_ignite_update_function_may_clear() -> None:
    assert faults(IGNITE.format(clear="optimizer.zero_grad()", more="pass")) == []


@pytest.mark.parametrize(
    "more",
    [
        "trainer.add_event_handler(Events.ITERATION_STARTED, lambda engine: optimizer.zero_grad())",
        "@trainer.on(Events.ITERATION_COMPLETED)\n    def clear(engine): optimizer.zero_grad()",
    ],
)
def test_an_ignite_handler_may_clear(more: str) -> None:
    assert faults(IGNITE.format(clear="pass", more=more)) == []


def test_an_ignite_engine_is_run_over_its_loader() -> None:
    text = IGNITE.format(clear="optimizer.zero_grad(); look(x)", more="pass") + (
        "data = torch.utils.data.DataLoader(dataset)\ncreate_trainer(net, torch.optim.Adam(net.parameters())).run(data)\n"
    )
    assert seen(text)[0] == "batch(Loader)[0]"


def test_what_an_ignite_handler_does_after_an_epoch_is_seen() -> None:
    more = "@trainer.on(Events.EPOCH_COMPLETED)\n    def validate(engine): model.eval()"
    assert told(IGNITE.format(clear="optimizer.zero_grad()", more=more), "mode") == ["mode 14"]


def test_the_inner_loop_of_higher_clears_by_itself() -> None:
    text = """
        import torch, higher, torch.nn.functional as F
        model = torch.nn.Linear(3, 4)
        meta = torch.optim.Adam(model.parameters())
        inner = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y, x2, y2 in tasks:
            meta.zero_grad()
            with higher.innerloop_ctx(model, inner) as (fast, steps):
                for _ in range(5):
                    steps.step(F.mse_loss(fast(x), y))
                F.mse_loss(fast(x2), y2).backward()
            meta.step()
    """
    assert faults(text) == []
    assert outputs(text)[0].startswith("linear(")


def test_the_loss_of_a_composer_model_meets_its_output() -> None:
    text = """
        import torch, torch.nn.functional as F
        from composer.models import ComposerModel
        class Net(ComposerModel):
            def __init__(self):
                super().__init__()
                self.head = torch.nn.Linear(8, 4)
            def forward(self, batch):
                x, _ = batch
                return F.softmax(self.head(x), dim=1)
            def loss(self, outputs, batch):
                _, y = batch
                return F.cross_entropy(outputs, y)
    """
    assert losses(text)[0].startswith("cross_entropy(softmax(linear(")


def test_a_transformers_model_is_called_with_its_batch() -> None:
    text = """
        import torch
        from transformers import AutoModelForSequenceClassification
        model = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased")
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5)
        for batch in loader:
            outputs = model(**batch)
            outputs.loss.backward()
            optimizer.step()
    """
    assert told(text, "call", "backward", "step") == ["call 7", "backward 8", "step 9"]
    assert faults(text) == ["NN102 8"]


def test_a_training_loop_behind_a_trainer_is_the_trainers() -> None:
    text = """
        from transformers import Trainer, TrainingArguments
        class Weighted(Trainer):
            def compute_loss(self, model, inputs, return_outputs=False):
                labels = inputs.pop("labels")
                logits = model(**inputs).logits
                return torch.nn.functional.cross_entropy(logits, labels)
        Weighted(model=model, args=TrainingArguments("out"), train_dataset=data).train()
    """
    assert faults(text) == []


@pytest.mark.parametrize(
    "train",
    [
        "from fastai.vision.all import *\nlearn = Learner(dls, model, loss_func=F.cross_entropy)\nlearn.fit_one_cycle(5)",
        "from skorch import NeuralNetClassifier\nNeuralNetClassifier(nn.Linear, criterion=nn.NLLLoss).fit(X, y)",
        "from composer import Trainer\nTrainer(model=model, optimizers=optimizer, train_dataloader=loader).fit()",
        "from ignite.engine import create_supervised_trainer\n"
        "create_supervised_trainer(model, optimizer, nn.MSELoss()).run(loader)",
        "import pytorch_lightning as pl\npl.Trainer(max_epochs=3).fit(model, loader)",
    ],
)
def test_a_framework_that_owns_the_whole_loop_is_not_accused(train: str) -> None:
    setup = "import torch, torch.nn as nn, torch.nn.functional as F\nmodel = nn.Linear(3, 4)\n"
    assert faults(f"{setup}optimizer = torch.optim.Adam(model.parameters())\n{train}\n") == []
