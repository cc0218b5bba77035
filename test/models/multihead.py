"""Export torch.nn.MultiheadAttention with rows of its own beside the keys: random weights.

    python test/models/multihead.py --out DIR [--only GLOB] [--shipped] [--list] [--max-bytes N]

`add_bias_kv` joins a learned row to keys and values [sequence, batch, hidden], and `add_zero_attn`
zeros to [batch * heads, sequence, head dim], each with a column of the mask. With weights asked
for, batch and heads stay one axis until the result.
"""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from common import Built, Skip, Spec, expectation, main

HIDDEN, HEADS, VOCAB = 32, 4, 48
BATCH, SEQ = 2, 5


@dataclass(frozen=True)
class Variant:
    """One point of the matrix. `weights` are asked for or not."""

    bias: bool
    zero: bool
    weights: bool
    masked: bool
    batch_first: bool
    exporter: str

    @property
    def name(self) -> str:
        """File stem."""
        rows = "both" if self.bias and self.zero else "bias" if self.bias else "zero"
        parts = ["mha", rows] + ["weights"] * self.weights + ["open"] * (not self.masked)
        parts += ["seq_first"] * (not self.batch_first)
        return "-".join([*parts, "script17" if self.exporter == "script" else "dynamo18"])


class Model(torch.nn.Module):
    """A pre-norm layer around the attention: ids -> logits [batch, sequence, words]."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.table = torch.nn.Embedding(VOCAB, HIDDEN)
        self.norm, self.last = torch.nn.LayerNorm(HIDDEN), torch.nn.LayerNorm(HIDDEN)
        self.attention = torch.nn.MultiheadAttention(
            HIDDEN,
            HEADS,
            add_bias_kv=variant.bias,
            add_zero_attn=variant.zero,
            batch_first=variant.batch_first,
        )
        self.head = torch.nn.Linear(HIDDEN, VOCAB, bias=False)

    def forward(self, input_ids):
        """Logits of each token."""
        x = self.table(input_ids)
        y = self.norm(x)
        if not self.variant.batch_first:
            y = y.transpose(0, 1)
        mask = None
        if self.variant.masked:
            size = input_ids.shape[1]
            mask = torch.triu(torch.full((size, size), float("-inf")), 1)
        y, _ = self.attention(y, y, y, need_weights=self.variant.weights, attn_mask=mask)
        if not self.variant.batch_first:
            y = y.transpose(0, 1)
        return self.head(self.last(x + y))


def _export(variant: Variant) -> Built:
    torch.manual_seed(21)
    model = Model(variant).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            is_norm = parameter.ndim == 1 and name in ("norm.weight", "last.weight")
            parameter.copy_(1 + 0.2 * noise if is_norm else 0.25 * noise)
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(0, VOCAB, (BATCH, SEQ), generator=generator)
    common: dict[str, Any] = dict(input_names=["input_ids"], output_names=["logits"])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if variant.exporter == "script":
            buffer = io.BytesIO()
            axes = {name: {0: "batch", 1: "seq"} for name in ("input_ids", "logits")}
            torch.onnx.export(
                model, (ids,), buffer, dynamo=False, dynamic_axes=axes, opset_version=17, **common
            )
            proto = onnx.load_from_string(buffer.getvalue())
        else:
            dynamic = ({0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC},)
            program = torch.onnx.export(
                model,
                (ids,),
                dynamo=True,
                dynamic_shapes=dynamic,
                opset_version=18,
                verbose=False,
                **common,
            )
            proto = program.model_proto
    found = next(o.version for o in proto.opset_import if o.domain == "")
    if found not in (17, 18):
        raise Skip(f"the exporter wrote opset {found}")
    return Built(proto, {"input_ids": ids.numpy()})


def _variants() -> list[Variant]:
    flags = (False, True)
    return [
        Variant(bias, zero, weights, masked, batch_first, exporter)
        for exporter in ("script", "dynamo")
        for bias in flags
        for zero in flags
        for weights in flags
        for masked in flags
        for batch_first in flags
        if bias or zero
    ]


SHIPPED = {
    "mha-bias-script17",
    "mha-bias-weights-seq_first-dynamo18",
    "mha-zero-weights-dynamo18",
    "mha-both-open-dynamo18",
    "mha-both-weights-script17",
}


def registry() -> dict[str, Spec]:
    """Return every export by name."""
    return {
        v.name: Spec(
            build=lambda v=v: _export(v),
            expect=expectation(
                attention=1,
                heads=HEADS,
                kv_heads=HEADS,
                head_dim=HIDDEN // HEADS,
                hidden=HIDDEN,
                causal=v.masked,
                layer_norms=2,
                sink_logits=int(v.zero),
                sink_kv=int(v.bias),
            ),
            exporter=f"torch {torch.__version__.split('+')[0]} {v.exporter}",
            opset=17 if v.exporter == "script" else 18,
            runs=True,
            shipped=v.name in SHIPPED,
        )
        for v in _variants()
    }


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main(registry(), __doc__ or "")
