"""The testbeds' variants as both exporters write them: recognized, kept bit for bit, rewritten.

PyTorch exports them here, with random weights of a scale at which every variant matters. Two models
come from transformers: gpt-oss, whose attention subtracts the row's largest before the Softmax, and
the attention layers of Qwen3-Next, which have a gate after torch's scaled dot product.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import pytest
from graph_equal import diff_models
from rewrite_passes import REWRITES
from test_forms import REFUSALS, Refused, assert_same_function
from test_recognition import RAISE, RARE, found_counts, sorted_nodes

basin = pytest.importorskip("basin")
torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript", reason="the dynamo exporter needs onnxscript")
from basin.testbed.config import ModelConfig  # noqa: E402
from basin.testbed.export import export  # noqa: E402
from basin.testbed.model import Decoder  # noqa: E402
from basin.verify import verify  # noqa: E402

LAYERS, NORMS, VOCAB = 2, 5, 37
SIZES = dict(vocab=VOCAB, hidden=32, layers=LAYERS, heads=4, kv_heads=2, ffn_width=24, gate_rank=4)
# name -> (configuration, counts of what differs from the plain decoder)
VARIANTS: dict[str, tuple[dict, dict]] = {
    "sink_logit": (dict(attention="sink_logit"), dict(sink_logits=LAYERS)),
    "sink_kv": (dict(attention="sink_kv", sinks=2), dict(sink_kv=LAYERS)),
    "gate_head": (dict(attention="gated"), dict(attention_gates=LAYERS)),
    "gate_element": (
        dict(attention="gated", attention_gate="element"),
        dict(attention_gates=LAYERS),
    ),
    "gated_norm": (dict(norm="gated"), dict(gates=NORMS)),
    "gated_tensorwise_tanh": (
        dict(norm="gated", gate_granularity="tensorwise", gate_activation="tanh"),
        dict(gates=NORMS),
    ),
    "gated_silu": (dict(norm="gated", gate_activation="silu"), dict(gates=NORMS)),
    "gated_identity": (dict(norm="gated", gate_activation="identity"), dict(gates=NORMS)),
    "dyt": (dict(norm="dyt"), dict(dyts=NORMS, rms_norms=0)),
    "gated_dyt": (
        dict(norm="gated_dyt", attention="gated"),
        dict(dyts=NORMS, gates=NORMS, rms_norms=0, attention_gates=LAYERS),
    ),
}
EXPORTS = [(name, "script", 17) for name in VARIANTS]
# The dynamo exporter takes seconds for each.
EXPORTS += [
    (name, "dynamo", opset)
    for name in ("sink_logit", "sink_kv", "gate_head", "gated_silu", "gated_dyt")
    for opset in (18, 23)
]
TRANSFORMERS = [
    (name, exporter, opset)
    for name in ("gpt_oss", "qwen3_next")
    for exporter, opset in (("script", 17), ("dynamo", 18))
]
# name -> counts; every other layer of gpt-oss has a window, Qwen3-Next has norms on q and k, too.
OTHERS = {
    "gpt_oss": dict(sink_logits=LAYERS, windows=LAYERS // 2),
    "qwen3_next": dict(attention_gates=LAYERS, rms_norms=NORMS + 2 * LAYERS),
}


def randomize(model: torch.nn.Module) -> None:
    """Make weights of norms near one, and all others large enough that a dropped part shows."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            around = 1.0 if "norm" in name and parameter.ndim == 1 else 0.0
            parameter.copy_(around + 0.3 * torch.randn_like(parameter))


def export_testbed(name: str, exporter: str, opset: int, target: Path) -> None:
    model = Decoder(ModelConfig(**SIZES | VARIANTS[name][0]))
    randomize(model)
    export(model, target, exporter, opset)


class Linear(torch.nn.Module):
    """Replaces gpt-oss's experts, because exporters write their routing at length."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        return self.inner(x), None


class Logits(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        mask = torch.ones_like(input_ids)
        return self.model(input_ids=input_ids, attention_mask=mask, use_cache=False).logits


def make_gpt_oss(transformers, sizes: dict) -> torch.nn.Module:
    config = transformers.GptOssConfig(
        **sizes, num_local_experts=2, sliding_window=4, attn_implementation="eager"
    )
    model = transformers.GptOssForCausalLM(config)
    for layer in model.model.layers:
        layer.mlp = Linear(32)
    return model


def make_qwen3_next(transformers, sizes: dict) -> torch.nn.Module:
    layers = dict(layer_types=["full_attention"] * LAYERS, mlp_only_layers=list(range(LAYERS)))
    config = transformers.Qwen3NextConfig(
        **sizes, **layers, num_experts=0, attn_implementation="sdpa"
    )
    return transformers.Qwen3NextForCausalLM(config)


def export_transformers(name: str, exporter: str, opset: int, target: Path) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = dict(
        hidden_size=32,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        vocab_size=VOCAB,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    make = make_gpt_oss if name == "gpt_oss" else make_qwen3_next
    model = make(transformers, sizes).eval()
    randomize(model)
    if exporter == "script":
        options = dict(dynamo=False, dynamic_axes={"input_ids": {0: "batch", 1: "seq"}})
    else:
        free = torch.export.Dim.DYNAMIC
        options = dict(
            dynamo=True, dynamic_shapes=({0: free, 1: free},), external_data=False, verbose=False
        )
    ids = torch.ones(2, 7, dtype=torch.int64)
    names = dict(input_names=["input_ids"], output_names=["logits"], opset_version=opset)
    logging.disable(logging.WARNING)
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(Logits(model), (ids,), str(target), **names, **options)
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory):
    """Each variant is exported once."""
    folder = tmp_path_factory.mktemp("variants")

    @cache
    def get(name: str, exporter: str, opset: int) -> Path:
        target = folder / f"{name}-{exporter}{opset}.onnx"
        torch.manual_seed(1)
        if name in OTHERS:
            export_transformers(name, exporter, opset, target)
        else:
            export_testbed(name, exporter, opset, target)
        return target

    return get


def outputs(model: onnx.ModelProto, values: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, values)[0]


def inputs() -> dict[str, np.ndarray]:
    return {"input_ids": np.random.default_rng(0).integers(0, VOCAB, (2, 6))}


each_export = pytest.mark.parametrize(
    "variant", EXPORTS + TRANSFORMERS, ids=lambda v: f"{v[0]}-{v[1]}{v[2]}"
)


@each_export
def test_recognized(variant: tuple, exported) -> None:
    plain = dict(attention=LAYERS, rms_norms=NORMS, layer_norms=0, rotary=2 * LAYERS, streams=1)
    plain |= dict(heads=4, kv_heads=2, head_dim=8, causal=True) | dict.fromkeys(RARE, 0)
    special = OTHERS[variant[0]] if variant[0] in OTHERS else VARIANTS[variant[0]][1]
    found = basin.load(exported(*variant)).inspect()
    assert found_counts(found) == plain | special
    assert found["unrecognized"] == []


@pytest.mark.parametrize("name", ["gated_tensorwise_tanh", "gated_silu", "gated_identity", "dyt"])
def test_details(name: str, exported) -> None:
    """The kind of gate or tanh is that of the configuration."""
    config = ModelConfig(**SIZES | VARIANTS[name][0])
    found = basin.load(exported(name, "script", 17)).inspect()
    for gate in found["gates"]:
        assert gate["activation"] == config.gate_activation
        assert gate["granularity"] == config.gate_granularity
        assert gate["rank"] == config.gate_rank and gate["form"] == "decomposed"
    assert all(dyt["dim"] == 32 and dyt["bias"] for dyt in found["dyts"])


@pytest.mark.parametrize("kind", ["head", "element"])
def test_granularity_of_attention_gates(kind: str, exported) -> None:
    found = basin.load(exported(f"gate_{kind}", "script", 17)).inspect()
    assert [row["gate"] for row in found["attention"]] == [kind] * LAYERS


@each_export
def test_raise_and_lower_is_the_identity(variant: tuple, exported, tmp_path: Path) -> None:
    source, target = exported(*variant), tmp_path / "out.onnx"
    model = basin.load(source)
    model.run(f"builtin.module({RAISE},convert-sink-to-onnx)")
    model.save(target)
    assert diff_models(sorted_nodes(onnx.load(source)), sorted_nodes(onnx.load(target))) == []


@each_export
def test_operands_say_what_the_nodes_compute(variant: tuple, exported, tmp_path: Path) -> None:
    try:
        assert_same_function(exported(*variant), inputs(), tmp_path)
    except Refused as refused:
        # torch's scaled dot product at opset 17 reads the shape of the transposed keys.
        assert variant[:2] == ("qwen3_next", "script") and REFUSALS[1] in str(refused)


CHAINS = {"functions": ("", "functions")} | {
    name: (f",{passes}", "original") for name, passes in REWRITES.items()
}


@each_export
@pytest.mark.parametrize("name", CHAINS)
def test_rewrites_are_bit_identical(variant: tuple, name: str, exported, tmp_path: Path) -> None:
    passes, form = CHAINS[name]
    source, target = exported(*variant), tmp_path / "out.onnx"
    model = basin.load(source)
    model.run(f"builtin.module(basin-raise{passes},convert-sink-to-onnx{{form={form}}})")
    model.save(target)
    report = verify(source, target, inputs=inputs())
    assert report.passed, str(report)


def test_a_dynamic_tanh_sees_the_scale_of_its_stream(exported, tmp_path: Path) -> None:
    """Its stream is found. Scaling restores the scale before each tanh, because it is no norm."""
    source, target = exported("dyt", "script", 17), tmp_path / "out.onnx"
    (stream,) = basin.load(source).inspect()["residual_streams"]
    assert [reader["kind"] for reader in stream["readers"]] == ["other"] * NORMS
    model = basin.load(source)
    model.run("builtin.module(basin-raise,sink-rescale-residual{k=3},convert-sink-to-onnx)")
    model.save(target)
    graph = onnx.load(target).graph
    restored = {node.output[0] for node in graph.node if node.output[0].endswith(".restored")}
    scaled = {node.output[0] for node in graph.node if restored.intersection(node.input)}
    tanhs = [node for node in graph.node if node.op_type == "Tanh"]
    assert len(restored) == NORMS == len(tanhs)
    assert all(node.input[0] in scaled for node in tanhs)


@pytest.mark.parametrize("name", ["gate_head", "sink_logit"])
def test_values_are_used(name: str, exported) -> None:
    """The learned parts matter: without them the outputs of the test models differ by far."""
    path = exported(name, "script", 17)
    model = onnx.load(path)
    before = outputs(model, inputs())
    if name == "sink_logit":
        for tensor in model.graph.initializer:
            if tensor.name.endswith("sink_logit"):
                zeros = np.full(tensor.dims, -1e4, np.float32)
                tensor.CopyFrom(onnx.numpy_helper.from_array(zeros, tensor.name))
    else:
        for node in model.graph.node:
            if node.op_type == "Sigmoid" and "/attention/" in node.name:
                node.op_type = "Tanh"
    after = outputs(model, inputs())
    assert np.abs(before - after).max() > 0.01 * np.abs(before).max()
