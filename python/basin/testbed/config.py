"""The settings of a testbed model and of its training: two frozen records and their limits."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from basin.testbed import TestbedError

NORMS = ("rms", "pre_affine", "gated", "dyt", "gated_dyt", "derf")
ATTENTIONS = ("plain", "gated", "sink_logit", "sink_kv", "sink_tokens")
FFNS = ("swiglu", "glu")
GRANULARITIES = ("elementwise", "tensorwise")
ACTIVATIONS = ("sigmoid", "tanh", "silu", "identity")
GATES = ("head", "element")
SCHEDULES = ("constant", "cosine")

_CHOICES = {
    "norm": NORMS,
    "attention": ATTENTIONS,
    "ffn": FFNS,
    "gate_granularity": GRANULARITIES,
    "gate_activation": ACTIVATIONS,
    "attention_gate": GATES,
    "schedule": SCHEDULES,
}


def choices(name: str) -> tuple[str, ...] | None:
    """The values that the option `name` may have, or None where they are not a closed set."""
    return _CHOICES.get(name)


def _help(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and variants of the decoder in `model.py`, which has their formulas."""

    vocab: int = _help(257, "number of ids, including BOS")
    hidden: int = _help(128, "width d of the residual stream")
    layers: int = _help(6, "number of blocks, each of attention and feed-forward")
    heads: int = _help(4, "number of query heads")
    kv_heads: int = _help(2, "number of key and value heads")
    ffn_width: int = _help(344, "inner width of the feed-forward")
    eps: float = _help(1e-5, "epsilon of the norms")
    theta: float = _help(10000.0, "base of the rotary embedding")
    init_std: float = _help(0.02, "initial standard deviation of all matrices")
    tied: bool = _help(False, "use the embedding table as the language head")
    norm: str = _help("rms", "norm before each block and the head")
    gate_rank: int = _help(16, "rank r of the norm's gate")
    gate_granularity: str = _help("elementwise", "whether the norm's gate has d scores, or one")
    gate_activation: str = _help("sigmoid", "activation of the norm's gate")
    dyt_alpha: float = _help(0.5, "initial alpha of DyT and Derf")
    attention: str = _help("plain", "what replaces the sink in attention")
    attention_gate: str = _help(
        "head", "whether the attention's gate has a score for each head, or for each element"
    )
    sinks: int = _help(1, "number of learnable rows (sink_kv) or tokens (sink_tokens)")
    ffn: str = _help("swiglu", "activation of the feed-forward's gate: swish or sigmoid")
    clip: float | None = _help(None, "clamp the residual stream to [-clip, clip]")

    def __post_init__(self) -> None:
        _check_choices(self)
        if self.hidden % self.heads or (self.hidden // self.heads) % 2:
            raise TestbedError(
                f"hidden: expected a multiple of {2 * self.heads}, twice the number of heads, "
                f"but got {self.hidden}"
            )
        if self.heads % self.kv_heads:
            raise TestbedError(
                f"heads: expected a multiple of {self.kv_heads} key heads, but got {self.heads}"
            )
        if self.clip is not None and self.clip <= 0:
            raise TestbedError(f"clip: expected a positive number, but got {self.clip}")

    @property
    def is_pointwise(self) -> bool:
        """Whether pointwise functions stand where norms do."""
        return "dyt" in self.norm or self.norm == "derf"

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.hidden // self.heads

    @property
    def prefix(self) -> int:
        """Learnable tokens that stand before the sequence."""
        return self.sinks if self.attention == "sink_tokens" else 0


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained. All randomness follows from `seed`."""

    steps: int = _help(3000, "number of updates")
    batch: int = _help(16, "number of sequences in an update")
    seq: int = _help(128, "number of ids in a sequence, including BOS")
    lr: float = _help(2e-3, "learning rate")
    warmup: int = _help(100, "number of updates in which the learning rate rises")
    schedule: str = _help(
        "constant", "learning rate after the warmup: constant, or a cosine that falls to a tenth"
    )
    weight_decay: float = _help(0.0, "AdamW's weight decay, on matrices only")
    beta2: float = _help(0.95, "AdamW's second beta")
    adam_eps: float = _help(1e-8, "AdamW's epsilon")
    grad_clip: float = _help(1.0, "norm at which gradients are clipped")
    seed: int = _help(0, "seed of the weights and of the batches")
    log_every: int = _help(100, "number of updates between two progress lines")
    save_every: int = _help(500, "number of updates between two checkpoints")

    def __post_init__(self) -> None:
        _check_choices(self)


def _check_choices(config: ModelConfig | TrainConfig) -> None:
    for item in fields(config):
        allowed, value = choices(item.name), getattr(config, item.name)
        if allowed is not None and value not in allowed:
            raise TestbedError(
                f"{item.name}: expected one of {', '.join(allowed)}, but got {value!r}"
            )
