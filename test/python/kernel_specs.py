"""Kernels that `basin-compile` makes, chosen by hand and drawn by fixed seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator, default_rng


@dataclass(frozen=True)
class Spec:
    """A kernel as the command line names it: `--norm dim=64,type=bf16,weight`."""

    family: str
    text: str

    @property
    def parts(self) -> dict[str, Any]:
        """The parts by name. Numbers are numbers, and flags are True."""
        out: dict[str, Any] = {}
        for part in self.text.split(","):
            key, has_value, value = part.partition("=")
            try:
                out[key] = (
                    (float(value) if "." in value or "e-" in value else int(value))
                    if has_value
                    else True
                )
            except ValueError:
                out[key] = value
        return out

    @property
    def stem(self) -> str:
        """The stem of a file's name for this kernel."""
        return f"{self.family}-{hashlib.sha256(self.text.encode()).hexdigest()[:12]}"

    def __str__(self) -> str:
        return f"{self.family} {self.text}"


def _spec(family: str, **parts: Any) -> Spec:
    """A spec of these parts, without those that are False or None."""
    kept = {name: value for name, value in parts.items() if value not in (False, None)}
    return Spec(family, ",".join(n if v is True else f"{n}={v}" for n, v in kept.items()))


def coin(rng: Generator) -> bool:
    return bool(rng.integers(2))


def _third(rng: Generator) -> bool:
    return bool(rng.integers(3) == 0)


def choice(rng: Generator, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def _norm_spec(rng: Generator, dim: int, type_: str, **more: Any) -> Spec:
    layer, residual = coin(rng), coin(rng)
    return _spec(
        "norm", dim=dim, type=type_, layer=layer, residual=residual,
        residual_bias=residual and coin(rng), sum=residual and coin(rng),
        pre_affine=coin(rng), weight=coin(rng), bias=layer and coin(rng),
        result=choice(rng, None, "f32"), parameters=choice(rng, None, "f32"),
        eps=choice(rng, None, 1e-06, 0.01), **more,
    )  # fmt: skip


def norm_specs(large: bool) -> Iterator[Spec]:
    """Norms with dims around the width of an access, of a warp, and of the threads of a row."""
    rng = default_rng(7)
    dims = [1, 7, 64, 100, 256, 264, 1000, 2048, 2056, 4096, 5120]
    for dim in dims + [3, 33, 8192, 8200, 12289, 16384, 65536] * large:
        for type_ in ("bf16", "f16", "f32"):
            yield _norm_spec(rng, dim, type_)


def gated_norm_specs(large: bool) -> Iterator[Spec]:
    rng = default_rng(11)
    for dim in [8, 72, 75, 320, 1022] + [64, 1024, 2048, 4096, 5120, 8192] * large:
        for rank in [8, 16, 40] + [24, 32, 64] * large:
            activation = choice(rng, "sigmoid", "tanh", "silu", "identity")
            gate = {"gate": rank, "tensorwise": _third(rng), "activation": activation}
            yield _norm_spec(rng, dim, choice(rng, "bf16", "f16", "f32"), **gate)


def dyt_specs(large: bool) -> Iterator[Spec]:
    rng = default_rng(13)
    for dim in [1, 7, 100, 1032] + [64, 4096, 65536] * large:
        for type_ in ("bf16", "f16", "f32"):
            more = {"result": choice(rng, None, "f32"), "parameters": choice(rng, None, "f32")}
            yield _spec("dyt", dim=dim, type=type_, bias=coin(rng), **more)


def _attention_spec(rng: Generator, dim: int) -> Spec:
    causal, window = coin(rng), _third(rng)
    mask, gate = choice(rng, None, None, "bias", "keep"), choice(rng, None, "plain", "sigmoid")
    type_, sink = choice(rng, "bf16", "f16"), coin(rng)
    return _spec(
        "attention", head_dim=dim, type=type_, causal=causal, window=window,
        value_dim=choice(rng, None, None, None, 32, 160),
        top_left=(causal or window) and _third(rng), mask=mask,
        mask_type=choice(rng, type_, "f32") if mask == "bias" else None,
        softcap=choice(rng, None, None, 30), scale=choice(rng, None, None, 0.2),
        key_lengths=_third(rng), sink_logit=sink,
        sink_type=choice(rng, None, type_) if sink else None, sink_kv=coin(rng),
        gate=gate, gate_per_head=gate is not None and coin(rng), log_sum_exp=coin(rng),
    )  # fmt: skip


def attention_specs(large: bool) -> Iterator[Spec]:
    """Specs with all options, with none, and with drawn options."""
    rng = default_rng(17)
    yield _spec("attention", head_dim=64, type="bf16", log_sum_exp=True)
    yield Spec(
        "attention",
        "head_dim=128,type=bf16,causal,window,mask=keep,softcap=30,scale=0.2,key_lengths,sink_logit,"
        "sink_kv,gate=sigmoid,log_sum_exp",
    )
    for dim in [32, 64, 96, 128, 160, 256] * 2 + [8, 40, 80, 112, 248]:
        yield _attention_spec(rng, dim)
    for dim in [64, 128, 192, 224] * 8 * large:
        yield _attention_spec(rng, dim)


def _softmax_spec(rng: Generator, type_: str) -> Spec:
    mask, sink = choice(rng, None, "bias", "keep"), coin(rng)
    causal, window = coin(rng), _third(rng)
    result = choice(rng, None, "f32", "f16", "bf16")
    fills = mask == "keep" and not causal and not window
    return _spec(
        "softmax", type=type_, result=result, separate=result in (None, type_) and coin(rng),
        causal=causal, window=window, top_left=(causal or window) and _third(rng), mask=mask,
        mask_type=choice(rng, None, "f32", "f16") if mask == "bias" else None,
        mask_fill=choice(rng, None, "-10000.0") if fills else None,
        nan_hidden_rows=_third(rng), scale=choice(rng, None, 0.125), softcap=choice(rng, None, 30),
        key_lengths=_third(rng), sink_logit=sink,
        sink_type=choice(rng, None, "bf16") if sink else None, prefix=_third(rng),
        log_sum_exp=coin(rng), aligned=coin(rng), max_keys=choice(rng, None, 700, 1500),
    )  # fmt: skip


def softmax_specs(large: bool) -> Iterator[Spec]:
    rng = default_rng(19)
    for type_ in ("f32", "f16", "bf16") * (30 if large else 6):
        yield _softmax_spec(rng, type_)


# Specs for tests of one property each.
PLAIN_NORM = Spec("norm", "dim=264,type=bf16,weight")
PLAIN_LAYER = Spec("norm", "dim=100,type=f16,layer")
PLAIN_GATED = Spec("norm", "dim=72,type=bf16,weight,gate=16")
PLAIN_DYT = Spec("dyt", "dim=100,type=f16,bias")
WIDE_NORM = Spec("norm", "dim=256,type=bf16,result=f32")
SINK_ATTENTION = Spec("attention", "head_dim=64,type=bf16,sink_logit,log_sum_exp")
CAUSAL_ATTENTION = Spec("attention", "head_dim=64,type=f16,causal,log_sum_exp")
LENGTHS_ATTENTION = Spec("attention", "head_dim=64,type=bf16,key_lengths,sink_kv,log_sum_exp")
KEEP_ATTENTION = Spec("attention", "head_dim=64,type=bf16,mask=keep,log_sum_exp")
BIAS_ATTENTION = Spec("attention", "head_dim=64,type=f16,mask=bias,sink_kv")
# A row that sees nothing gives NaN or, with a fill, a share of each key. With summands either may
# happen.
HIDDEN_ROWS = (
    Spec("attention", "head_dim=64,type=bf16,mask=keep,nan_hidden_rows"),
    Spec("attention", "head_dim=32,type=f16,mask=keep,mask_fill=-1.0e9,scale=0.2"),
    Spec("attention", "head_dim=64,type=bf16,mask=keep,mask_fill=-10000.0,softcap=30"),
    Spec("attention", "head_dim=64,type=bf16,mask=bias,mask_type=f32,nan_hidden_rows"),
)
SPECIAL = (
    PLAIN_NORM, PLAIN_LAYER, PLAIN_GATED, PLAIN_DYT, WIDE_NORM, SINK_ATTENTION, CAUSAL_ATTENTION,
    LENGTHS_ATTENTION, KEEP_ATTENTION, BIAS_ATTENTION, *HIDDEN_ROWS,
)  # fmt: skip


FAMILIES: dict[str, Callable[[bool], Iterator[Spec]]] = {
    "norms": norm_specs,
    "gated norms": gated_norm_specs,
    "dynamic tanh": dyt_specs,
    "attention": attention_specs,
    "softmax": softmax_specs,
}


def all_specs(large: bool) -> list[Spec]:
    drawn = [spec for family in FAMILIES.values() for spec in family(large)]
    return list(dict.fromkeys([*drawn, *SPECIAL]))
