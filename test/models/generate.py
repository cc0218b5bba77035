"""Export tiny transformers from PyTorch: random weights, fixed seed, every exporter form in use.

    python test/models/generate.py --out DIR [--only GLOB] [--shipped] [--list] [--max-bytes N]

Families: Llama (grouped heads; with and without past keys and values; fp32, fp16, bf16), Qwen3
(norms on q and k), GPT-2 (with and without past), BERT. Exporters: the dynamo exporter (it starts
at opset 18) and the TorchScript one (it ends at opset 23). Attention: eager and sdpa code paths.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import onnx
import torch
import transformers
from common import Built, Skip, Spec, expectation, main

HIDDEN, HEADS, KV_HEADS, LAYERS, VOCAB, FFN, POSITIONS = 32, 4, 2, 2, 48, 24, 64
HEAD_DIM = HIDDEN // HEADS
BATCH, SEQ, PAST = 2, 5, 3
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Variant:
    """One point of the matrix: which family, exporter ("dynamo" | "script") and code path."""

    family: str
    exporter: str
    opset: int
    attention: str = "eager"
    past: bool = False
    dtype: str = "fp32"
    ids_only: bool = False

    @property
    def name(self) -> str:
        """File stem: family, then what differs from the plain form, then exporter and opset."""
        parts = [self.family, self.attention]
        parts += ["past"] * self.past + ["ids"] * self.ids_only
        parts += [self.dtype] * (self.dtype != "fp32")
        return "-".join([*parts, f"{self.exporter}{self.opset}"])


class Decoder(torch.nn.Module):
    """Flat signature of a causal model: ids, mask[, positions, past k/v...] -> logits[, k/v]."""

    def __init__(self, model: torch.nn.Module, past: bool) -> None:
        super().__init__()
        self.model = model
        self.past = past

    def forward(self, input_ids, attention_mask=None, position_ids=None, *past):
        """Return logits [batch, seq, vocab], with past also the present k/v of every layer."""
        if not self.past:
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, use_cache=False
            ).logits
        pairs = [(past[i], past[i + 1]) for i in range(0, len(past), 2)]
        cache = transformers.DynamicCache(pairs)
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        )
        present = [t for layer in output.past_key_values.layers for t in (layer.keys, layer.values)]
        return (output.logits, *present)


class Encoder(torch.nn.Module):
    """Flat signature around BERT: ids, mask, token types -> last hidden state."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        """Return the last hidden state [batch, seq, hidden]."""
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state


def _llama_like(kind: str, attention: str) -> torch.nn.Module:
    common: dict[str, Any] = dict(
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        vocab_size=VOCAB,
        intermediate_size=FFN,
        max_position_embeddings=POSITIONS,
        attn_implementation=attention,
    )
    if kind == "llama":
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**common))
    return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(head_dim=HEAD_DIM, **common))


def _gpt2(attention: str) -> torch.nn.Module:
    config = transformers.GPT2Config(
        n_embd=HIDDEN,
        n_layer=LAYERS,
        n_head=HEADS,
        n_inner=FFN,
        n_positions=POSITIONS,
        vocab_size=VOCAB,
        bos_token_id=1,
        eos_token_id=2,
        attn_implementation=attention,
    )
    return transformers.GPT2LMHeadModel(config)


def _bert(attention: str) -> torch.nn.Module:
    config = transformers.BertConfig(
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=FFN,
        vocab_size=VOCAB,
        max_position_embeddings=POSITIONS,
        attn_implementation=attention,
    )
    return transformers.BertModel(config, add_pooling_layer=False)


FAMILIES: dict[str, Callable[[str], torch.nn.Module]] = {
    "llama": lambda attention: _llama_like("llama", attention),
    "qwen3": lambda attention: _llama_like("qwen3", attention),
    "gpt2": _gpt2,
    "bert": _bert,
}


def make_model(variant: Variant) -> torch.nn.Module:
    """Return the wrapped model in evaluation mode; weights are random, norm weights near one."""
    torch.manual_seed(20)
    model = FAMILIES[variant.family](variant.attention).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            is_norm = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(1 + 0.2 * noise if is_norm else 0.25 * noise)
    model = model.to(DTYPES[variant.dtype])
    return Encoder(model) if variant.family == "bert" else Decoder(model, variant.past)


def make_inputs(variant: Variant) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
    """Return example inputs and, for each, its dynamic axes (axis -> name)."""
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(0, VOCAB, (BATCH, SEQ), generator=generator)
    total = SEQ + (PAST if variant.past else 0)
    width = "total" if variant.past else "seq"
    values = {"input_ids": ids}
    axes = {"input_ids": {0: "batch", 1: "seq"}}
    if variant.ids_only:
        return values, axes
    values["attention_mask"] = torch.ones(BATCH, total, dtype=torch.int64)
    axes["attention_mask"] = {0: "batch", 1: width}
    if variant.family == "bert":
        values["token_type_ids"] = torch.arange(SEQ).expand(BATCH, SEQ).remainder(2).contiguous()
        axes["token_type_ids"] = {0: "batch", 1: "seq"}
    if variant.past:
        values["position_ids"] = torch.arange(PAST, total).expand(BATCH, SEQ).contiguous()
        axes["position_ids"] = {0: "batch", 1: "seq"}
        heads = HEADS if variant.family == "gpt2" else KV_HEADS
        for layer in range(LAYERS):
            for kind in ("key", "value"):
                name = f"past_key_values.{layer}.{kind}"
                shape = (BATCH, heads, PAST, HEAD_DIM)
                values[name] = torch.randn(shape, generator=generator).to(DTYPES[variant.dtype])
                axes[name] = {0: "batch", 2: "past"}
    return values, axes


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Discard file descriptor 1, because a failing export prints the whole graph from C++."""
    sys.stdout.flush()
    saved = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


def _export(variant: Variant) -> Built:
    model = make_model(variant)
    values, axes = make_inputs(variant)
    outputs = ["last_hidden_state" if variant.family == "bert" else "logits"]
    if variant.past:
        outputs += [f"present.{i}.{kind}" for i in range(LAYERS) for kind in ("key", "value")]
    common = dict(input_names=list(values), output_names=outputs, opset_version=variant.opset)
    args = tuple(values.values())
    with torch.no_grad(), warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        if variant.exporter == "script":
            proto = _export_script(model, args, axes, outputs, common)
        else:
            proto = _export_dynamo(model, args, axes, common)
    found = next(o.version for o in proto.opset_import if o.domain == "")
    if found != variant.opset:
        raise Skip(f"the exporter wrote opset {found} instead of {variant.opset}")
    # At opset 23 the dynamo exporter gives RotaryEmbedding tables of batch one for any batch. ONNX
    # Runtime refuses them for other batches. With positions as an input the tables are right.
    rows = BATCH if variant.past or (variant.exporter, variant.opset) != ("dynamo", 23) else 1
    return Built(proto, {name: value[:rows].numpy() for name, value in values.items()})


def _export_script(model, args, axes, outputs, common) -> onnx.ModelProto:
    dynamic = axes | {outputs[0]: {0: "batch", 1: "seq"}}
    dynamic |= {name: {0: "batch", 2: "total"} for name in outputs[1:]}
    buffer = io.BytesIO()
    torch.onnx.export(model, args, buffer, dynamo=False, dynamic_axes=dynamic, **common)
    return onnx.load_from_string(buffer.getvalue())


def _export_dynamo(model, args, axes, common) -> onnx.ModelProto:
    dynamic = [{axis: torch.export.Dim.DYNAMIC for axis in named} for named in axes.values()]
    head, tail = dynamic[:3], dynamic[3:]
    shapes = (*head, tuple(tail)) if tail else tuple(head)
    program = torch.onnx.export(
        model, args, dynamo=True, dynamic_shapes=shapes, verbose=False, **common
    )
    return program.model_proto


def _expect(variant: Variant) -> dict[str, Any]:
    shape = dict(hidden=HIDDEN, heads=HEADS, head_dim=HEAD_DIM, attention=LAYERS)
    if variant.family == "bert":
        # Post-norm has the sum of embeddings, and after each norm a new stream that one Add ends.
        count = 1 + 2 * LAYERS
        return expectation(**shape, kv_heads=HEADS, causal=False, layer_norms=count, streams=count)
    if variant.family == "gpt2":
        return expectation(**shape, kv_heads=HEADS, causal=True, layer_norms=1 + 2 * LAYERS)
    norms = 1 + (4 if variant.family == "qwen3" else 2) * LAYERS
    return expectation(**shape, kv_heads=KV_HEADS, causal=True, rms_norms=norms, rotary=2 * LAYERS)


# The TorchScript exporter comes first because it is quick. The dynamo one takes about ten seconds
# for each model.
FORMS = [("script", 14), ("script", 17), ("script", 18), ("script", 23)]
FORMS += [("dynamo", 17), ("dynamo", 18), ("dynamo", 23), ("dynamo", 24)]


def _variants() -> list[Variant]:
    found: list[Variant] = []
    for exporter, opset in FORMS:
        for attention in ("eager", "sdpa"):
            found.append(Variant("llama", exporter, opset, attention))
            if opset in (17, 18, 23):
                found.append(Variant("llama", exporter, opset, attention, past=True))
                found.append(Variant("qwen3", exporter, opset, attention))
                found.append(Variant("gpt2", exporter, opset, attention))
                found.append(Variant("bert", exporter, opset, attention))
                found.append(Variant("gpt2", exporter, opset, attention, past=True))
        for dtype in ("fp16", "bf16"):
            if opset in (17, 18, 23):
                found.append(Variant("llama", exporter, opset, "eager", dtype=dtype))
        if opset in (17, 18, 23):
            found.append(Variant("llama", exporter, opset, "eager", ids_only=True))
    return found


def _shipped(v: Variant) -> bool:
    """Whether it is committed: TorchScript at 17 and dynamo at 18, a few of other opsets."""
    if (v.exporter, v.opset) in (("script", 17), ("dynamo", 18)):
        return not (v.attention == "sdpa" and v.family in ("qwen3", "bert"))
    plain = v.family == "llama" and v.dtype == "fp32" and not v.past
    if (v.exporter, v.opset) == ("dynamo", 23):
        return plain or v.past or v.family == "bert" or v.dtype == "fp16"
    if v.exporter == "script" and v.opset in (18, 23):
        attention = "eager" if v.opset == 18 else "sdpa"
        return v.family == "llama" and v.past and v.attention == attention
    return plain and not v.ids_only


def registry() -> dict[str, Spec]:
    """Return every export by name."""
    return {
        v.name: Spec(
            build=lambda v=v: _export(v),
            expect=_expect(v),
            exporter=f"torch {torch.__version__.split('+')[0]} {v.exporter}",
            opset=v.opset,
            runs=v.dtype != "bf16",
            shipped=_shipped(v),
            metadata=v.name in ("llama-eager-dynamo18", "llama-sdpa-past-dynamo23"),
        )
        for v in _variants()
    }


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main(registry(), __doc__ or "")
