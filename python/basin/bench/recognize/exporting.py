"""Makes a case's model with random weights, counts what it computes, and exports it.

Both exporters of torch are here. Every export has the model's outputs as tensors and its batch and
sequence as free dimensions, where the exporter lets them be free.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from basin.bench.recognize import plain
from basin.bench.recognize.cases import Case
from basin.bench.recognize.catalog import (
    ARCHS,
    BATCH,
    COMMON,
    HEAD_DIM,
    IMAGE,
    PAST,
    SEQ,
    VOCAB,
    Arch,
)
from basin.bench.recognize.counting import count

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
AUTO = {
    "decoder": ["AutoModelForCausalLM", "AutoModel"],
    "mixer": ["AutoModelForCausalLM"],
    "seq2seq": ["AutoModelForSeq2SeqLM", "AutoModel"],
    "whisper": ["AutoModelForSpeechSeq2Seq"],
    "features2seq": ["AutoModelForSpeechSeq2Seq"],
}
Axes = dict[str, dict[int, str]]


class Flat(torch.nn.Module):
    """A model of transformers with tensors as arguments, in the order of `names`."""

    def __init__(self, model: torch.nn.Module, names: list[str], cache: bool) -> None:
        super().__init__()
        self.model = model
        self.names = names
        self.cache = cache

    def forward(self, *args):
        """Return the model's outputs as a tuple of tensors."""
        given = dict(zip(self.names, args))
        past = [given.pop(name) for name in self.names if name.startswith("past.")]
        if self.cache:
            import transformers

            pairs = [(past[i], past[i + 1]) for i in range(0, len(past), 2)]
            given["past_key_values"] = transformers.DynamicCache(pairs)
            given["use_cache"] = True
        output = self.model(**given)
        main = _main_outputs(output)
        if self.cache:
            layers = output.past_key_values.layers
            main += [t for layer in layers for t in (layer.keys, layer.values)]
        return tuple(main)


def _main_outputs(output: Any) -> list[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return [output]
    wanted = ("logits", "logits_per_image", "last_hidden_state", "predicted_depth", "text_embeds")
    for name in wanted:
        value = getattr(output, name, None)
        if isinstance(value, torch.Tensor):
            pooled = getattr(output, "pooler_output", None)
            return [value, pooled] if isinstance(pooled, torch.Tensor) else [value]
    return [next(v for v in output.values() if isinstance(v, torch.Tensor))]


def make_config(arch: Arch, case: Case) -> Any:
    """The configuration of `arch`: common sizes where it has them, and what it needs besides."""
    from transformers import CONFIG_MAPPING

    kind = CONFIG_MAPPING[arch.type]
    known = {f for c in kind.__mro__ for f in getattr(c, "__annotations__", {})}
    known |= set(kind.attribute_map)
    values = dict(COMMON) if arch.common else {}
    values = {name: value for name, value in (values | arch.extra).items() if name in known}
    config = kind(**values)
    config.use_cache = case.cache
    config.architectures = config.architectures or []
    if case.experts:
        config._experts_implementation = case.experts
    return config


def make_transformer(arch: Arch, case: Case) -> torch.nn.Module:
    """The model of transformers, with the heads that its kind of inputs is for."""
    import transformers

    config = make_config(arch, case)
    failure: Exception | None = None
    for name in AUTO.get(arch.kind, ["AutoModel"]):
        try:
            auto = getattr(transformers, name)
            return auto.from_config(config, attn_implementation=case.attention)
        except ValueError as error:
            if "Unrecognized configuration class" not in str(error):
                raise
            failure = error
    raise failure or ValueError(arch.kind)


def randomize(model: torch.nn.Module) -> None:
    """Draw weights so large that a part that was dropped would show."""
    generator = torch.Generator().manual_seed(20)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.is_floating_point():
                continue
            noise = torch.randn(parameter.shape, generator=generator)
            around_one = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(1 + 0.2 * noise if around_one else 0.2 * noise)


def _text(prefix: str = "") -> tuple[dict[str, torch.Tensor], Axes]:
    generator = torch.Generator().manual_seed(3)
    name = f"{prefix}input_ids"
    ids = torch.randint(3, VOCAB, (BATCH, SEQ), generator=generator)
    return {name: ids}, {name: {0: "batch", 1: f"{prefix}seq"}}


def make_inputs(arch: Arch, case: Case, config: Any) -> tuple[dict[str, torch.Tensor], Axes]:
    """Example inputs, and the names of their free dimensions."""
    dtype = DTYPES[case.dtype]
    values, axes = {}, {}
    real = {
        "whisper": ("input_features", (BATCH, 16, 32)),
        "features2seq": ("input_features", (BATCH, 32, 16)),
        "image": ("pixel_values", (BATCH, 3, IMAGE, IMAGE)),
        "pair": ("pixel_values", (BATCH, 3, IMAGE, IMAGE)),
        "video": ("pixel_values", (BATCH, getattr(config, "num_frames", 2), 3, IMAGE, IMAGE)),
        "audio": ("input_values", (BATCH, 400)),
        "features": ("input_features", (BATCH, 32, 16)),
        "spectrogram": ("input_values", (BATCH, 32, 16)),
    }
    if arch.kind in ("decoder", "mixer", "ids", "encoder", "seq2seq", "pair"):
        values, axes = _text()
    if arch.kind in ("decoder", "encoder", "seq2seq", "pair"):
        total = SEQ + PAST * case.cache
        values["attention_mask"] = torch.ones(BATCH, total, dtype=torch.int64)
        axes["attention_mask"] = {0: "batch", 1: "total" if case.cache else "seq"}
    if arch.kind in real:
        name, shape = real[arch.kind]
        generator = torch.Generator().manual_seed(4)
        values[name] = torch.randn(shape, generator=generator).to(dtype)
        axes[name] = {0: "batch"} | ({1: "samples"} if arch.kind == "audio" else {})
    if arch.kind in ("seq2seq", "whisper", "features2seq"):
        ids, free = _text("decoder_")
        values |= ids
        axes |= free
    if arch.kind == "whisper":
        values["decoder_attention_mask"] = torch.ones(BATCH, SEQ, dtype=torch.int64)
        axes["decoder_attention_mask"] = {0: "batch", 1: "decoder_seq"}
    if case.cache:
        values["position_ids"] = torch.arange(PAST, PAST + SEQ).expand(BATCH, SEQ).contiguous()
        axes["position_ids"] = {0: "batch", 1: "seq"}
        if arch.type in ("bloom", "mpt", "opt", "gptj"):
            del values["position_ids"], axes["position_ids"]
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        heads = config.num_attention_heads if arch.type in ("gpt2", "bloom", "opt") else heads
        generator = torch.Generator().manual_seed(5)
        for layer in range(config.num_hidden_layers):
            for part in ("key", "value"):
                name = f"past.{layer}.{part}"
                shape = (BATCH, heads, PAST, getattr(config, "head_dim", None) or HEAD_DIM)
                values[name] = torch.randn(shape, generator=generator).to(dtype)
                axes[name] = {0: "batch", 2: "past"}
    return values, axes


def build(case: Case) -> tuple[torch.nn.Module, dict[str, torch.Tensor], Axes]:
    """The case's model in evaluation mode, its example inputs and their free dimensions."""
    torch.manual_seed(20)
    # The fast path's operators are ones that no exporter knows.
    torch.backends.mha.set_fastpath_enabled(False)
    if case.arch.startswith("torch-"):
        model, (values, axes) = plain.build(case.arch)
        randomize(model)
        model = model.to(DTYPES[case.dtype])
        values = {
            n: v.to(DTYPES[case.dtype]) if v.is_floating_point() else v for n, v in values.items()
        }
        return model.eval(), values, axes
    arch = ARCHS[case.arch]
    inner = make_transformer(arch, case).float().eval()
    randomize(inner)
    inner = inner.to(DTYPES[case.dtype])
    values, axes = make_inputs(arch, case, inner.config)
    return Flat(inner, list(values), case.cache).eval(), values, axes


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard file descriptor 1: a failing export prints its whole graph from C++."""
    sys.stdout.flush()
    saved = os.dup(1)
    logging.disable(logging.WARNING)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)
        logging.disable(logging.NOTSET)


def save_example(model: torch.nn.Module, values: dict[str, torch.Tensor], path: Path) -> None:
    """Write inputs and what `model` computes from them; bfloat16 values are widened."""
    with torch.no_grad():
        results = model(*values.values())
    results = results if isinstance(results, tuple) else (results,)
    named = {f"in.{name}": value for name, value in values.items()}
    named |= {f"out.{i}": value for i, value in enumerate(results)}
    wide = {n: v.float() if v.dtype == torch.bfloat16 else v for n, v in named.items()}
    np.savez(path, **{name: value.numpy() for name, value in wide.items()})


def export(case: Case, target: Path) -> dict[str, int]:
    """Write the case's model to `target`; returns what it computes, by torch's own calls.

    Beside it goes NAME.npz: example inputs (`in.NAME`) and torch's results (`out.N`).
    """
    with quiet():
        model, values, axes = build(case)
        args = tuple(values.values())
        expected = count(model, args)
        save_example(model, values, target.with_suffix(".npz"))
        names: dict[str, Any] = dict(input_names=list(values), opset_version=case.opset)
        with torch.no_grad():
            if case.exporter == "script":
                torch.onnx.export(
                    model, args, str(target), dynamo=False, dynamic_axes=axes, **names
                )
            else:
                free = tuple({a: torch.export.Dim.AUTO for a in axes[name]} for name in values)
                shapes = (free,) if isinstance(model, Flat) else free
                torch.onnx.export(
                    model, args, str(target), dynamo=True, dynamic_shapes=shapes,
                    external_data=False, verbose=False, **names,
                )  # fmt: skip
    return expected.dict()
