"""A Trainer with a plain loop, in which the user's own `compute_loss`, collator, optimizer and metrics take part."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from nnlint.verify.child.stand_ins import plausible
from nnlint.verify.child.stand_ins.packages.transformers.schedules import AdamW, get_linear_schedule_with_warmup
from nnlint.verify.child.stand_ins.packages.transformers.tokenizers import DataCollatorWithPadding
from nnlint.verify.child.stand_ins.permissive import Base, permissive

DEFAULTS = {
    "learning_rate": 5e-5,
    "per_device_train_batch_size": 8,
    "per_device_eval_batch_size": 8,
    "num_train_epochs": 3,
    "gradient_accumulation_steps": 1,
    "weight_decay": 0.0,
    "warmup_steps": 0,
    "max_grad_norm": 1.0,
    "output_dir": "output",
    "device": torch.device("cpu"),
}


class TrainingArguments:
    """Settings; those that are not given have the original's defaults, or plausible values."""

    def __init__(self, output_dir: str = "output", **given: Any) -> None:
        self.__dict__ |= DEFAULTS | {"output_dir": output_dir} | given

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return plausible.setting(name) if name.endswith(("steps", "epochs", "seed")) else False


class Seq2SeqTrainingArguments(TrainingArguments):
    """The same."""


class TrainerCallback(Base):
    """Never called."""


EarlyStoppingCallback = TrainerCallback


class EvalPrediction(tuple[Any, ...]):
    """predictions and label_ids."""

    def __new__(cls, predictions: Any, label_ids: Any) -> EvalPrediction:
        """Both, as a pair with names."""
        return super().__new__(cls, (predictions, label_ids))

    predictions = property(lambda self: self[0])
    label_ids = property(lambda self: self[1])


class Trainer:
    """Trains a network on a data set."""

    def __init__(
        self,
        model: Any = None,
        args: Any = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        *rest: Any,
        **given: Any,
    ) -> None:
        self.model = model if model is not None else given["model_init"]()
        self.args = args or TrainingArguments()
        self.data_collator = data_collator or DataCollatorWithPadding()
        self.train_dataset, self.eval_dataset = train_dataset, eval_dataset
        self.compute_metrics = given.get("compute_metrics")
        pair: tuple[Any, Any] = given.get("optimizers") or (None, None)
        self.optimizer, self.lr_scheduler = pair
        self.tokenizer = self.processing_class = given.get("tokenizer") or given.get("processing_class")
        self.state = permissive("state")

    def get_train_dataloader(self) -> Any:
        """Batches in random order."""
        size = self.args.per_device_train_batch_size
        return DataLoader(self.train_dataset, batch_size=size, shuffle=True, collate_fn=self.data_collator)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """Batches in order."""
        held = self.eval_dataset if eval_dataset is None else eval_dataset
        return DataLoader(held, batch_size=self.args.per_device_eval_batch_size, collate_fn=self.data_collator)

    def create_optimizer(self) -> Any:
        """AdamW, unless there is one."""
        if self.optimizer is None:
            rate, decay = float(self.args.learning_rate), self.args.weight_decay
            self.optimizer = AdamW(self.model.parameters(), lr=rate, weight_decay=decay)
        return self.optimizer

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **keywords: Any) -> Any:
        """The loss that the network gives."""
        outputs = model(**inputs)
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs[0]
        return (loss, outputs) if return_outputs else loss

    def training_step(self, model: Any, inputs: Any, *rest: Any) -> Any:
        """One backward pass."""
        model.train()
        loss = self.compute_loss(model, inputs) / self.args.gradient_accumulation_steps
        loss.backward()
        return loss.detach()

    def train(self, *arguments: Any, **keywords: Any) -> Any:
        """All epochs."""
        loader, optimizer = self.get_train_dataloader(), self.create_optimizer()
        every = self.args.gradient_accumulation_steps
        total = max(1, int(self.args.num_train_epochs * len(loader) // every))
        schedule = self.lr_scheduler or get_linear_schedule_with_warmup(optimizer, self.args.warmup_steps, total)
        for _ in range(max(1, int(self.args.num_train_epochs))):
            for number, inputs in enumerate(loader, start=1):
                self.training_step(self.model, inputs)
                if number % every == 0:
                    torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.args.max_grad_norm)
                    optimizer.step()
                    schedule.step()
                    optimizer.zero_grad()
            if self.eval_dataset is not None:
                self.evaluate()
        return permissive("train_output")

    def predict(self, test_dataset: Any, *rest: Any, **keywords: Any) -> Any:
        """Predictions and labels of all batches."""
        self.model.eval()
        outputs, labels = [], []
        with torch.no_grad():
            for inputs in self.get_eval_dataloader(test_dataset):
                _, found = self.compute_loss(self.model, inputs, return_outputs=True)
                outputs.append(found["logits"] if isinstance(found, dict) else found[1])
                labels.append(inputs["labels"])
        rows = min(each.shape[1] for each in outputs) if outputs[0].dim() > 2 else None
        whole = [
            np.concatenate([np.asarray(each[:, :rows] if rows else each) for each in held])
            for held in (outputs, labels)
        ]
        return EvalPrediction(*whole)

    def evaluate(self, eval_dataset: Any = None, *rest: Any, **keywords: Any) -> dict[str, float]:
        """The user's metrics."""
        found = self.predict(self.eval_dataset if eval_dataset is None else eval_dataset)
        return dict(self.compute_metrics(found)) if self.compute_metrics is not None else {"eval_loss": 0.0}

    def _nothing(self, *arguments: Any, **keywords: Any) -> None:
        return None

    save_model = log_metrics = save_metrics = save_state = push_to_hub = add_callback = remove_callback = log = _nothing


class Seq2SeqTrainer(Trainer):
    """The same."""


__all__ = [
    "EarlyStoppingCallback",
    "EvalPrediction",
    "Seq2SeqTrainer",
    "Seq2SeqTrainingArguments",
    "Trainer",
    "TrainerCallback",
    "TrainingArguments",
]
