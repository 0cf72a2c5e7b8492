"""Small random networks with the parameters, the outputs and the losses of the originals, narrow inside."""

from __future__ import annotations

import functools
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from nnlint.verify.child.stand_ins import plausible
from nnlint.verify.child.stand_ins.ledger import stood_in

VOCABULARY = 1000
NARROW = 16
BLOCKS = 2
IGNORED = -100
WIDTHS: tuple[tuple[str, int], ...] = (
    ("xx?l|3b|7b", 1024),
    ("large", 1024),
    ("tiny", 128),
    ("mini", 256),
    ("small", 512),
)
"""The width of what a network gives, by a word in its name; else it is 768."""

GENERATED = 4
PARTS = frozenset("bert roberta distilbert electra albert deberta transformer model base_model vit gpt_neox t5".split())
"""Under these names a network with a head holds the one without."""


class Config:
    """Settings of a network; what is not given has a plausible value."""

    def __init__(self, name: str = "", **given: Any) -> None:
        width = next((width for word, width in WIDTHS if re.search(word, name.lower())), 768)
        labels = given.get("num_labels") or len(given.get("id2label") or given.get("label2id") or ()) or 2
        usual = {"hidden_size": width, "d_model": width, "n_embd": width, "dim": width, "vocab_size": VOCABULARY}
        self.__dict__ |= usual | {"num_hidden_layers": BLOCKS, "pad_token_id": 0, "eos_token_id": 2, "bos_token_id": 1}
        self.__dict__ |= {"use_cache": False, "problem_type": None, "image_size": 224, "model_type": "bert"}
        self.__dict__ |= {"id2label": {i: f"LABEL_{i}" for i in range(labels)}} | given | {"num_labels": labels}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return plausible.setting(name)

    @classmethod
    def from_pretrained(cls, name: Any = "", *rest: Any, **given: Any) -> Config:
        """The settings of a network of this name."""
        return cls(str(name), **given)

    def to_dict(self) -> dict[str, Any]:
        """All of them."""
        return dict(self.__dict__)


class Output(OrderedDict[str, Any]):
    """What a network gives: by name, as attribute, or by number among those that are there."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            if name.startswith("_"):
                raise AttributeError(name) from None
            return None

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(tuple(super().keys()))

    def to_tuple(self) -> tuple[Any, ...]:
        """The values that are there."""
        return tuple(self.values())


class Block(nn.Module):
    """What each position adds to itself, narrow inside: of its own, and of the mean over all."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own, self.context, self.output = (
            nn.Linear(width, NARROW),
            nn.Linear(width, NARROW),
            nn.Linear(NARROW, width),
        )
        self.LayerNorm, self.dropout = nn.LayerNorm(width), nn.Dropout(0.1)

    def mean(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """The mean over the positions that are not masked."""
        return (hidden * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """The positions after this block."""
        mean = self.mean(hidden, mask)
        inner = self.own(hidden) + self.context(nn.functional.layer_norm(mean, mean.shape[-1:]))
        result: Tensor = self.LayerNorm(hidden + self.output(self.dropout(torch.relu(inner))))
        return result


class CausalBlock(Block):
    """The same, of the positions before alone."""

    def mean(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """The mean over the positions up to each."""
        return (hidden * mask).cumsum(1) / mask.cumsum(1).clamp(min=1)


class Embeddings(nn.Module):
    """Vectors of words, and of patches of images."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.patch_embeddings = nn.Conv2d(3, config.hidden_size, 16, 16)

    def forward(self, given: Tensor) -> Tensor:
        """A vector for each word, a number beyond the last counting on from the first, or for each patch."""
        if given.is_floating_point():
            patches: Tensor = self.patch_embeddings(given).flatten(2).transpose(1, 2)
            return patches
        words: Tensor = self.word_embeddings(given % self.word_embeddings.num_embeddings)
        return words


class Encoder(nn.Module):
    """Blocks, one after the other."""

    def __init__(self, config: Config, is_causal: bool) -> None:
        super().__init__()
        self.layer = nn.ModuleList((CausalBlock if is_causal else Block)(config.hidden_size) for _ in range(BLOCKS))

    def forward(self, hidden: Tensor, mask: Tensor) -> list[Tensor]:
        """The positions before and after each block."""
        states = [hidden]
        for block in self.layer:
            states.append(block(states[-1], mask))
        return states


class Backbone(nn.Module):
    """Words, or pixels, to a vector for each position and one for all."""

    def __init__(self, config: Config, is_causal: bool = False) -> None:
        super().__init__()
        self.config = config
        self.embeddings, self.encoder = Embeddings(config), Encoder(config, is_causal)
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, input_ids: Any = None, attention_mask: Any = None, *rest: Any, **given: Any) -> Output:
        """last_hidden_state and pooler_output."""
        hidden = given.get("inputs_embeds")
        if hidden is None:
            pixels = given.get("pixel_values")
            hidden = self.embeddings(input_ids if pixels is None else pixels)
        mask = (
            hidden.new_ones(hidden.shape[:2]) if attention_mask is None or attention_mask.dim() != 2 else attention_mask
        )
        states = self.encoder(hidden, mask.to(hidden.dtype)[..., None])
        found = Output(last_hidden_state=states[-1], pooler_output=torch.tanh(self.pooler(states[-1][:, 0])))
        if given.get("output_hidden_states") or self.config.__dict__.get("output_hidden_states"):
            found["hidden_states"] = tuple(states)
        return found


class Network(nn.Module):
    """The base of all: a backbone and, for a task, a head."""

    base_model_prefix = "bert"
    task: Task | None = None

    def __init__(self, config: Any = None, *rest: Any, **given: Any) -> None:
        super().__init__()
        self.config = config if isinstance(config, Config) else Config(**given)
        self.is_decoding = self.task is not None and self.task.is_causal
        self.backbone = Backbone(self.config, self.is_decoding)
        if self.task is not None:
            outputs = (
                self.config.vocab_size if self.task.gives_words else 2 if self.task.spans else self.config.num_labels
            )
            self.dropout, self.classifier = nn.Dropout(0.1), nn.Linear(self.config.hidden_size, outputs)

    @classmethod
    def from_pretrained(cls, name: Any = "", *rest: Any, config: Any = None, **given: Any) -> Network:
        """A network of this name, with random weights."""
        stood_in(f"pretrained network {name}")
        known = config if isinstance(config, Config) else Config(str(name))
        made = Config(str(name), **(known.__dict__ | given)) if given else known
        return cls(made)

    from_config = classmethod(lambda cls, config, **given: cls(config))

    def __getattr__(self, name: str) -> Any:
        if name in PARTS:
            return super().__getattr__("backbone")
        if name in ("embeddings", "encoder", "pooler"):
            return getattr(super().__getattr__("backbone"), name)
        return super().__getattr__(name)

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        labels: Any = None,
        **given: Any,
    ) -> Any:
        """The output of the task, with a loss where labels are given."""
        hidden = self.backbone(input_ids, attention_mask, **given)
        if self.task is None:
            found = hidden
        else:
            decoded = given.get("decoder_input_ids") if given.get("decoder_input_ids") is not None else labels
            if self.task.decodes and decoded is not None:
                words = self.backbone.embeddings(decoded.clamp(min=0))
                before = torch.cat([torch.zeros_like(words[:, :1]), words[:, :-1]], 1)
                hidden["last_hidden_state"] = before + hidden.pooler_output[:, None]
            found = self.task.output(self, hidden, labels, given)
        return found if given.get("return_dict", self.config.__dict__.get("return_dict", True)) else found.to_tuple()

    def generate(self, input_ids: Any = None, *rest: Any, **given: Any) -> Tensor:
        """The likeliest words, a few."""
        ids: Tensor = input_ids if input_ids is not None else given.get("inputs", torch.zeros(1, 1, dtype=torch.long))
        for _ in range(GENERATED):
            ids = torch.cat([ids, self(ids).logits[:, -1:].argmax(-1)], 1)
        return ids

    # What training scripts ask of a network, and what changes nothing here

    def resize_token_embeddings(self, size: int | None = None, *rest: Any, **keywords: Any) -> nn.Embedding:
        """Another number of words."""
        if size:
            self.backbone.embeddings.word_embeddings = nn.Embedding(size, self.config.hidden_size)
            self.config.__dict__["vocab_size"] = size
            if self.task is not None and self.task.gives_words:
                self.classifier = nn.Linear(self.config.hidden_size, size)
        return self.get_input_embeddings()

    def get_input_embeddings(self) -> nn.Embedding:
        """The vectors of the words."""
        return self.backbone.embeddings.word_embeddings

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.parameters()).device

    def _nothing(self, *arguments: Any, **keywords: Any) -> None:
        return None

    save_pretrained = gradient_checkpointing_enable = gradient_checkpointing_disable = init_weights = post_init = (
        _nothing
    )
    tie_weights = enable_input_require_grads = push_to_hub = _nothing


Loss = Callable[[Network, Tensor, Any], Any]


class Task:
    """What a head gives, and how its loss is computed."""

    def __init__(
        self, each: bool, words: bool = False, spans: bool = False, shift: bool = False, decodes: bool = False
    ) -> None:
        self.is_of_each, self.gives_words, self.spans, self.is_causal, self.decodes = each, words, spans, shift, decodes

    def output(self, network: Network, hidden: Output, labels: Any, given: dict[str, Any]) -> Output:
        """The output of a network with this head."""
        last = hidden.last_hidden_state if self.is_of_each else hidden.pooler_output
        logits = network.classifier(network.dropout(last))
        if self.spans:
            return self._of_spans(logits, given)
        found = Output()
        if labels is not None:
            found["loss"] = self._loss(network, logits, labels)
        found["logits"] = logits
        if "hidden_states" in hidden:
            found["hidden_states"] = hidden.hidden_states
        return found

    def _of_spans(self, logits: Tensor, given: dict[str, Any]) -> Output:
        start, end = logits[..., 0], logits[..., 1]
        found = Output()
        if given.get("start_positions") is not None:
            places = [
                given[name].reshape(-1).clamp(0, start.shape[1] - 1) for name in ("start_positions", "end_positions")
            ]
            found["loss"] = (
                sum(nn.functional.cross_entropy(a, b) for a, b in zip((start, end), places, strict=True)) / 2
            )
        found["start_logits"], found["end_logits"] = start, end
        return found

    def _loss(self, network: Network, logits: Tensor, labels: Tensor) -> Tensor:
        if self.is_causal:
            logits, labels = logits[:, :-1], labels[:, 1:]
        if not self.is_of_each and logits.shape[-1] == 1:
            return nn.functional.mse_loss(logits.reshape(-1), labels.reshape(-1).float())
        if labels.is_floating_point():
            return nn.functional.binary_cross_entropy_with_logits(logits, labels)
        flat = labels.reshape(-1).long()
        inside = torch.where(flat < logits.shape[-1], flat, flat % logits.shape[-1])
        return nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), inside, ignore_index=IGNORED)


TASKS: tuple[tuple[str, Task], ...] = (
    (r"(Causal|.*LMHead).*", Task(each=True, words=True, shift=True)),
    (r"(MaskedLM|PreTraining|CTC)", Task(each=True, words=True)),
    (r"(Seq2Seq\w*|ConditionalGeneration)", Task(each=True, words=True, decodes=True)),
    (r"TokenClassification", Task(each=True)),
    (r"QuestionAnswering", Task(each=True, spans=True)),
    (r".*", Task(each=False)),
)
"""What comes after `For` in the name of a class, and its head."""


@functools.cache
def network_class(name: str) -> type[Network]:
    """The class of a name: without a task where it ends in Model."""
    head = re.search(r"For(\w+)$|(LMHead)Model$", name)
    task = None
    if head is not None:
        wanted = head.group(1) or head.group(2)
        task = next(task for pattern, task in TASKS if re.fullmatch(pattern, wanted))
    return type(name, (Network,), {"task": task, "__module__": "transformers"})
