"""Scripts on texts run without transformers, datasets and evaluate, and without what these would download."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

pytest.importorskip("torch")

from nnlint.events import OptimizerStepped, Raised, Run, Scored
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner, runner

pytestmark = pytest.mark.xdist_group("real runs")


def run(runs: Runner, text: str, steps: int = 20) -> Run:
    request = Request("", "train.py", {"train.py": dedent(text)}, steps=steps, seconds=40, way="stand-ins")
    return Reader({}).run("train.py", runs.run(request))


def trouble(run: Run) -> list[str]:
    return [f"{raised.error}: {raised.message}" for raised in run.events(Raised)]


def test_pairs_of_sentences_are_tokenized_and_classified(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch
        from datasets import load_dataset
        from torch.utils.data import DataLoader
        from transformers import (
            AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, get_linear_schedule_with_warmup
        )

        raw = load_dataset("glue", "mrpc")
        words = AutoTokenizer.from_pretrained("bert-base-uncased")
        pairs = raw.map(lambda rows: words(rows["sentence1"], rows["sentence2"], truncation=True), batched=True)
        pairs = pairs.remove_columns(["sentence1", "sentence2", "idx"]).rename_column("label", "labels")
        pairs.set_format("torch")
        loader = DataLoader(pairs["train"], shuffle=True, batch_size=16, collate_fn=DataCollatorWithPadding(words))
        classes = raw["train"].features["label"].num_classes
        model = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased", num_labels=classes)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        schedule = get_linear_schedule_with_warmup(optimizer, 2, 100)
        for batch in loader:
            outputs = model(**batch)
            assert outputs.logits.shape == (16, 2)
            outputs.loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        """,
        steps=50,
    )
    assert trouble(seen) == []
    assert {"data set glue/mrpc", "pretrained network bert-base-uncased"} < set(seen.stood_in)
    assert [event.numbers["accuracy"] for event in seen.events(Scored)][-1] > 0.8


def test_a_trainer_trains_and_asks_for_the_metrics(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import evaluate
        import numpy as np
        from datasets import load_dataset
        from torch import nn
        from transformers import (
            AutoModelForTokenClassification, AutoTokenizer, DataCollatorForTokenClassification, Trainer, TrainingArguments
        )

        raw = load_dataset("conll2003")
        names = raw["train"].features["ner_tags"].feature.names
        words = AutoTokenizer.from_pretrained("distilbert-base-cased")
        metric = evaluate.load("accuracy")

        def aligned(rows):
            found = words(rows["tokens"], truncation=True, is_split_into_words=True)
            found["labels"] = [
                [-100 if word is None else tags[word] for word in found.word_ids(i)]
                for i, tags in enumerate(rows["ner_tags"])
            ]
            return found

        class Weighted(Trainer):
            def compute_loss(self, model, inputs, return_outputs=False, **rest):
                outputs = model(**inputs)
                loss = nn.functional.cross_entropy(outputs.logits.view(-1, len(names)), inputs["labels"].view(-1))
                return (loss, outputs) if return_outputs else loss

        def scores(predicted):
            return metric.compute(np.argmax(predicted.predictions, 2), predicted.label_ids)

        columns = raw["train"].column_names
        tokens = raw.map(aligned, batched=True, remove_columns=columns)
        trainer = Weighted(
            model=AutoModelForTokenClassification.from_pretrained("distilbert-base-cased", num_labels=len(names)),
            args=TrainingArguments("out", num_train_epochs=1, learning_rate=1e-3, per_device_train_batch_size=32),
            train_dataset=tokens["train"],
            eval_dataset=tokens["validation"].select(range(64)),
            data_collator=DataCollatorForTokenClassification(words),
            compute_metrics=scores,
        )
        trainer.train()
        assert trainer.evaluate()["accuracy"] > 0.3
        """,
        steps=500,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 32


def test_networks_of_other_tasks_give_losses_and_shapes(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch
        from torch import nn
        from transformers import (
            AdamW, BertModel, BertTokenizer, GPT2LMHeadModel, T5ForConditionalGeneration, ViTForImageClassification
        )

        class Classifier(nn.Module):
            def __init__(self):
                super().__init__()
                self.bert = BertModel.from_pretrained("bert-base-uncased", return_dict=False)
                self.out = nn.Linear(768, 3)

            def forward(self, words, mask):
                _, pooled = self.bert(words, attention_mask=mask)
                return self.out(pooled)

        tokenizer = BertTokenizer.from_pretrained("bert-base-uncased")
        coded = tokenizer.encode_plus("a good cat", max_length=12, padding="max_length", return_tensors="pt")
        assert coded["input_ids"].shape == (1, 12) and tokenizer.decode(coded.input_ids[0][1:4]) == "a good cat"
        classifier = Classifier()
        for layer in classifier.bert.encoder.layer[:1]:
            layer.requires_grad_(False)
        assert classifier(coded["input_ids"], coded["attention_mask"]).shape == (1, 3)
        words = torch.randint(5, 1000, (2, 9))
        speaker = GPT2LMHeadModel.from_pretrained("gpt2")
        spoken = speaker(words, labels=words)
        assert spoken.logits.shape == (2, 9, 1000) and spoken[0] is spoken.loss
        assert speaker.generate(words).shape[1] > 9
        translator = T5ForConditionalGeneration.from_pretrained("t5-small")
        seer = ViTForImageClassification.from_pretrained("google/vit-base-patch16-224", num_labels=4)
        assert seer(torch.zeros(1, 3, 224, 224)).logits.shape == (1, 4)
        optimizer = AdamW([*speaker.parameters(), *translator.parameters()], lr=1e-4)
        (spoken.loss + translator(input_ids=words, labels=words).loss).backward()
        optimizer.step()
        """,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 1


def test_tables_have_the_columns_of_their_names(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import numpy as np
        from datasets import Dataset, DatasetDict, load_dataset

        news = load_dataset("ag_news", split="train[:10%]")
        assert set(news.column_names) >= {"text", "label"} and len(set(news["label"])) == 4
        digits = load_dataset("mnist", split="train")
        assert np.asarray(digits[0]["image"]).shape == (28, 28)
        digits.set_transform(lambda rows: {"pixels": [np.asarray(each) / 255 for each in rows["image"]]})
        assert digits[3]["pixels"].max() <= 1
        questions = load_dataset("squad")["validation"][0]
        answer = questions["answers"]
        start = answer["answer_start"][0]
        assert questions["context"][start:].startswith(answer["text"][0])
        pair = load_dataset("wmt16", "de-en")["train"][0]["translation"]
        assert pair["en"] != pair["de"]
        own = Dataset.from_dict({"a": [1, 2, 3, 4], "b": list("wxyz")}).with_format("torch", columns=["a"])
        parts = own.train_test_split(test_size=0.5, seed=1)
        assert isinstance(parts, DatasetDict) and len(parts["test"]) == 2 and set(parts["train"][0]) == {"a"}
        assert own.filter(lambda row: row["a"] > 2).shape[0] == 2
        """,
    )
    assert trouble(seen) == []


def test_reviews_are_read_by_fields_as_torchtext_had_them(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch
        from torch import nn
        from torchtext import data, datasets

        TEXT = data.Field(tokenize="spacy", include_lengths=True)
        LABEL = data.LabelField(dtype=torch.float)
        train_data, test_data = datasets.IMDB.splits(TEXT, LABEL)
        train_data, valid_data = train_data.split()
        TEXT.build_vocab(train_data, max_size=25_000, vectors="glove.6B.50d")
        LABEL.build_vocab(train_data)
        loaders = data.BucketIterator.splits((train_data, valid_data, test_data), batch_size=32, device="cuda")
        words = nn.Embedding(len(TEXT.vocab), 50, padding_idx=TEXT.vocab.stoi[TEXT.pad_token])
        words.weight.data.copy_(TEXT.vocab.vectors)
        model = nn.Linear(50, 1)
        optimizer = torch.optim.Adam([*words.parameters(), *model.parameters()], lr=0.03)
        for _ in range(2):
            for batch in loaders[0]:
                text, lengths = batch.text
                optimizer.zero_grad()
                scores = model(words(text).mean(0)).squeeze(1)
                loss = nn.functional.binary_cross_entropy_with_logits(scores, batch.label)
                loss.backward()
                optimizer.step()
        assert loss < 0.5
        """,
        steps=60,
    )
    assert trouble(seen) == []
    assert "data set IMDB" in seen.stood_in


def test_texts_are_read_by_vocabularies_as_torchtext_has_them_since(runs: Runner) -> None:
    seen = run(
        runs,
        """
        from torchtext.data.utils import get_tokenizer
        from torchtext.datasets import AG_NEWS, Multi30k, WikiText2
        from torchtext.vocab import build_vocab_from_iterator

        tokenizer = get_tokenizer("basic_english")
        news = iter(AG_NEWS(split="train"))
        label, text = next(news)
        assert label in (1, 2, 3, 4)
        vocabulary = build_vocab_from_iterator(map(tokenizer, WikiText2(split="train")), specials=["<unk>"])
        vocabulary.set_default_index(vocabulary["<unk>"])
        assert vocabulary(["nowhere", "the"]) == [0, vocabulary["the"]] and vocabulary["the"] > 0
        german, english = next(iter(Multi30k(split="valid", language_pair=("de", "en"))))
        assert german.split() == english.split()[::-1]
        """,
    )
    assert trouble(seen) == []


def test_settings_come_from_the_files_that_hydra_would_read(runs: Runner) -> None:
    texts = {
        "train.py": """
            import hydra
            import torch
            from hydra.utils import instantiate
            from omegaconf import DictConfig, OmegaConf

            @hydra.main(version_base=None, config_path="settings", config_name="main")
            def main(cfg: DictConfig) -> None:
                assert cfg.model.width == 4 and cfg["seed"] == 7 and cfg.model.sizes == [1, 2]
                model = torch.nn.Linear(cfg.model.width, 1)
                optimizer = instantiate(cfg.optimizer, params=model.parameters())
                for epoch in range(cfg.trainer.max_epochs):
                    model(torch.ones(2, 4)).sum().backward()
                    optimizer.step()
                assert isinstance(OmegaConf.merge(cfg, {"seed": 8}), dict) and cfg.lr * 2 > 0

            if __name__ == "__main__":
                main()
        """,
        "settings/main.yaml": """
            defaults:
              - model: small
              - _self_

            seed: 7  # of all generators
            optimizer:
              _target_: torch.optim.SGD
              lr: 1e-2
        """,
        "settings/model/small.yaml": "width: 4\nsizes: [1, 2]\n",
    }
    request = Request("", "train.py", {name: dedent(text) for name, text in texts.items()}, seconds=30, way="stand-ins")
    seen = Reader({}).run("train.py", runs.run(request))
    assert trouble(seen) == []
    assert any(seen.events(OptimizerStepped)) and "settings of hydra" in seen.stood_in


INSTALLED = {
    "datasets/__init__.py": "from datasets.load import load_dataset\n",
    "datasets/load.py": "def load_dataset(path, name=None, **rest):\n    raise ConnectionError('no network')\n",
    "transformers/__init__.py": """
        from torch import nn
        from transformers.modeling_utils import PreTrainedModel

        class BertConfig:
            def __init__(self, hidden_size=8, vocab_size=30522, num_labels=2, **rest):
                self.hidden_size, self.vocab_size, self.num_labels = hidden_size, vocab_size, num_labels

        class BertForSequenceClassification(PreTrainedModel):
            config_class = BertConfig

            def __init__(self, config):
                super().__init__()
                self.words = nn.EmbeddingBag(config.vocab_size, config.hidden_size)
                self.out = nn.Linear(config.hidden_size, config.num_labels)

            def forward(self, words):
                return self.out(self.words(words))
    """,
    "transformers/modeling_utils.py": """
        from torch import nn

        class PreTrainedModel(nn.Module):
            @classmethod
            def from_pretrained(cls, name, **rest):
                raise OSError("We couldn't connect to the hub to load the files")
    """,
}


def test_installed_libraries_without_a_network_get_tables_and_untrained_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in INSTALLED.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(dedent(text))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with runner([str(tmp_path)]) as runs:
        seen = run(
            runs,
            """
            import torch
            from datasets import load_dataset
            from transformers import BertForSequenceClassification

            news = load_dataset("ag_news", split="train")
            model = BertForSequenceClassification.from_pretrained("bert-base-uncased", num_labels=4)
            assert len(set(news["label"])) == model.out.out_features == 4 and model.words.num_embeddings == 1000
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            torch.nn.functional.cross_entropy(model(torch.ones(2, 3).long()), torch.tensor([0, 1])).backward()
            optimizer.step()
            """,
        )
    assert trouble(seen) == []
    assert seen.stood_in == ("data set ag_news", "pretrained network bert-base-uncased")
