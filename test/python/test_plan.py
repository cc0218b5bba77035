"""Whole models as plans: kernels on the emulator, products in NumPy, against ONNX Runtime."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator
from trained_models import MODELS, ROOT, STORIES, TINY

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import plan  # noqa: E402
from basin.errors import PlanError  # noqa: E402

EXPORTED = sorted((ROOT / "test" / "models" / "exported").glob("*.onnx"))
# What has no lowering, and why.
REFUSED = {
    "gpt2-eager-dynamo18": "'onnx.Range' op expected results of known sizes",
    "gpt2-eager-past-dynamo18": "'onnx.GatherND' op expected operands and results of known sizes",
    "gpt2-eager-past-dynamo23": "'onnx.GatherND' op expected operands and results of known sizes",
    "gpt2-sdpa-dynamo18": "'onnx.Range' op expected results of known sizes",
    "gpt2-sdpa-past-dynamo18": "'onnx.GatherND' op expected operands and results of known sizes",
    "gpt2-sdpa-past-dynamo23": "'onnx.GatherND' op expected operands and results of known sizes",
    "hand-merged-with_past": "'onnx.node' op has no GPU lowering yet",
    "hand-merged-without_past": "'onnx.node' op has no GPU lowering yet",
    "hand-ms-grouped": "'onnx.Range' op expected results of known sizes",
}
TAKEN = [path for path in EXPORTED if path.stem not in REFUSED]
# Of the largest element. f32 differs by the order of sums. In f16 and bf16 the nodes of the model
# round each value to 11 and 8 bits, and a kernel rounds only what it stores.
TOLERANCE = {"f32": 5e-6, "f16": 5e-3, "bf16": 5e-2}
# These round a norm's input to f16, in an f32 model.
ROUNDING = {"hand-norm-cast_weight_after", "hand-norm-cast_weight_before"}


def kind_of(path: Path) -> str:
    types = {one.data_type for one in onnx.load(path).graph.initializer}
    if TensorProto.BFLOAT16 in types:
        return "bf16"
    return "f16" if TensorProto.FLOAT16 in types or path.stem in ROUNDING else "f32"


def inputs_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path.with_suffix("").with_suffix(".inputs.npz")) as archive:
        return {key: archive[key] for key in archive.files}


def run_onnx(path: Path, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs by ONNX Runtime, or by the reference, which has kernels of bf16."""
    names = [one.name for one in onnx.load(path, load_external_data=False).graph.output]
    if kind_of(path) == "bf16":
        return dict(zip(names, ReferenceEvaluator(onnx.load(path)).run(None, values)))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return dict(zip(names, ort.InferenceSession(path, options).run(None, values)))


def check(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], tolerance: float) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        want, got = np.asarray(value).astype(np.float64), found[name].astype(np.float64)
        assert got.shape == want.shape, name
        finite = np.isfinite(want)
        assert np.array_equal(finite, np.isfinite(got)), name
        error = np.abs(got - want)[finite].max(initial=0)
        assert error <= tolerance * np.abs(want[finite]).max(initial=1e-30), name


def widen(path: Path, target: Path) -> Path:
    """The same model with its f32 weights, constants and casts in f64."""
    model = onnx.load(path)
    tensors = list(model.graph.initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                tensors.append(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == 1:
                attribute.i = TensorProto.DOUBLE
    for tensor in tensors:
        if tensor.data_type == TensorProto.FLOAT:
            array = onnx.numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    for one in model.graph.output:
        if one.type.tensor_type.elem_type == TensorProto.FLOAT:
            one.type.tensor_type.elem_type = TensorProto.DOUBLE
    del model.graph.value_info[:]
    onnx.save(model, target)
    return target


@pytest.mark.parametrize("path", TAKEN, ids=lambda p: p.stem)
def test_exported_models(path: Path) -> None:
    values = inputs_of(path)
    with basin.compile(path) as compiled:
        check(compiled.run(values), run_onnx(path, values), TOLERANCE[kind_of(path)])


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_has_no_lowering_is_named(name: str) -> None:
    path = next(one for one in EXPORTED if one.stem == name)
    with pytest.raises(PlanError, match=REFUSED[name]):
        basin.compile(path)


@pytest.mark.parametrize("threads", ["forward", "random"])
@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_trained_models(path: Path, threads: str, tmp_path: Path) -> None:
    """Logits against the model itself in f64, in two orders of threads; sizes that differ."""
    wide = ort.InferenceSession(widen(path, tmp_path / "wide.onnx"))
    names = [one.name for one in wide.get_outputs()]
    ids = np.random.default_rng(0).integers(0, 60, (2, 19))
    with basin.compile(path, threads=threads) as compiled:
        for own in (ids, ids[:1, :7]):
            values = {compiled.inputs[0]: own}
            expected = dict(zip(names, wide.run(None, values)))
            check(compiled.run(values), expected, 5e-6)


def test_sizes_that_disagree() -> None:
    path = ROOT / "test" / "models" / "exported" / "llama-eager-past-dynamo18.onnx"
    values = inputs_of(path)
    name = "past_key_values.1.value"
    with basin.compile(path) as compiled:
        compiled.run(values)
        shorter = values | {name: values[name][:, :, 1:]}
        with pytest.raises(PlanError, match="expected a size of at most"):
            compiled.run(shorter)
        with pytest.raises(PlanError, match=f"'{name}': expected 4 axes, but got 3"):
            compiled.run(values | {name: values[name][0]})
        with pytest.raises(PlanError, match=f"'{name}': expected float32, but got float64"):
            compiled.run(values | {name: values[name].astype(np.float64)})
        with pytest.raises(PlanError, match="expected the inputs"):
            compiled.run({name: values[name]})


def test_a_sequence_longer_than_the_table() -> None:
    path = ROOT / "test" / "models" / "exported" / "bert-eager-script17.onnx"
    values = inputs_of(path)
    longer = {name: np.repeat(value, 40, axis=1) for name, value in values.items()}
    with basin.compile(path) as compiled:
        with pytest.raises(PlanError, match="expected a size of at most"):
            compiled.run(longer)


def test_what_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no such file"):
        basin.compile(tmp_path / "absent.onnx")
    (tmp_path / "junk.bko").write_bytes(b"junk")
    with pytest.raises(PlanError, match="is not a kernel object"):
        plan.load(tmp_path / "junk.bko")
    (tmp_path / "long.bko").write_bytes(b"BASINKO1" + struct.pack("<Q", 1 << 60))
    with pytest.raises(PlanError, match="longer than the file"):
        plan.load(tmp_path / "long.bko")
    header = json.dumps({"version": 2, "sections": [], "kernels": []}).encode()
    content = b"BASINKO1" + struct.pack("<Q", len(header)) + header
    (tmp_path / "none.bko").write_bytes(content)
    with pytest.raises(PlanError, match="has no plan"):
        plan.load(tmp_path / "none.bko")


def test_stories_is_tested_where_it_is() -> None:
    assert not STORIES.exists() or STORIES in MODELS
    assert TINY in MODELS
