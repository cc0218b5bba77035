"""What stored tensors are for, as inspection says it, by what steps insert and exporters name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
EXPORTED = ROOT / "test" / "models" / "exported"
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
# The ends of names that steps give, and of their roles.
INSERTED = {
    "pre_affine": "pre_affine",
    "gate_up": "gate",
    "gate_down": "gate",
    "gate_weight": "attention_gate",
    "sink_logit": "sink_logit",
    "sink_key": "sink_key",
    "sink_value": "sink_value",
    "sink_tokens": "sink_tokens",
    "prefix_key": "prefix_key",
    "prefix_value": "prefix_value",
    "alpha": "alpha",
}


def roles_of(path: Path) -> dict[str, str]:
    return {one["name"]: one["role"] for one in basin.load(path).inspect()["parameters"]}


def tensors_of(path: Path) -> dict[str, onnx.TensorProto]:
    return {one.name: one for one in onnx.load(path).graph.initializer}


@pytest.mark.parametrize(
    "steps",
    [
        ["insert-pre-affine", "insert-gated-norm", "insert-gated-attention"],
        [("insert-gated-norm", {"granularity": "tensor"})],
        [("insert-gated-attention", {"granularity": "element"}), "insert-sink-logits"],
        ["insert-sink-kv"],
        [("insert-sink-tokens", {"ids": "0"})],
        [("absorb-prefix", {"ids": "0"})],
        ["replace-norm-with-dyt"],
    ],
    ids=str,
)
def test_what_steps_insert_has_a_role(tmp_path: Path, steps: list) -> None:
    model = basin.load(TINY)
    model.rewrite(*steps)
    model.save(tmp_path / "out.onnx")
    before, after = roles_of(TINY), roles_of(tmp_path / "out.onnx")
    assert set(after) == {n for n, t in tensors_of(tmp_path / "out.onnx").items()
                          if t.data_type in FLOATS}  # fmt: skip
    assert not set(before.values()) & set(INSERTED.values())
    new = {name: role for name, role in after.items() if name not in before}
    found = Counter()
    for name, role in new.items():
        end = name.rsplit(".", 1)[-1]
        expected = [INSERTED[one] for one in INSERTED if end.startswith(one)]
        if role in INSERTED.values():
            assert [role] == expected, name
            found[role] += 1
    assert found, new


@pytest.mark.parametrize("path", sorted(EXPORTED.glob("*.onnx")), ids=lambda p: p.stem)
def test_roles_in_exported_models(path: Path) -> None:
    """Weights keep theirs, and what is fixed is an angle, a mask, a scale or a single number."""
    tensors = tensors_of(path)
    for name, role in roles_of(path).items():
        value = numpy_helper.to_array(tensors[name]).astype(np.float64)
        if name.endswith((".weight", ".bias")):
            assert role in ("weight", "norm", "gate", "attention_gate", "alpha"), name
        if role == "constant":
            assert value.size == 1
        elif role == "mask":
            assert value.min() <= -1e4
        elif role == "table":
            # Rates, or cosines and sines of angles.
            assert np.abs(value).max() <= 1 + 1e-6, name
        else:
            assert role != "scale"


def test_a_size_of_the_embedding_is_no_table() -> None:
    """An exporter takes the batch for its angles from the shape of the hidden states."""
    assert roles_of(EXPORTED / "llama-eager-script17.onnx")["model.model.embed_tokens.weight"] == (
        "weight"
    )


def test_scales_of_quantized_numbers(tmp_path: Path) -> None:
    model = basin.load(TINY)
    model.rewrite(("quantize", {"scheme": "int8-token"}))
    model.save(tmp_path / "q.onnx")
    found = roles_of(tmp_path / "q.onnx")
    scales = [name for name, role in found.items() if role == "scale"]
    assert len(scales) == 21 and all(name.endswith(".scale") for name in scales)


def test_masks_are_told_by_their_numbers(tmp_path: Path) -> None:
    hidden = np.triu(np.full((8, 8), -1e9, np.float32), 1)
    weight = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["s"]),
        helper.make_node("Add", ["s", "m"], "y"),
    ]
    shape = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [8, 8]) for n in "xy"]
    graph = helper.make_graph(
        nodes,
        "g",
        shape[:1],
        shape[1:],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(hidden, "m")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m")
    assert roles_of(tmp_path / "m") == {"w": "weight", "m": "mask"}
