"""The findings of recognition, compared with each model's own configuration."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from graph_equal import diff_models

basin = pytest.importorskip("basin")

ROOT = Path(__file__).resolve().parents[2]
MODELS = sorted((ROOT / "test" / "models" / "exported").glob("*.onnx"))
SHARED = ROOT.parent / "shared" / "models" / "stories260K.onnx"
RAISE = "basin-raise{inline-functions=false}"

# Counts that an expectation names where they are not 0.
RARE = ("gates", "dyts", "sink_logits", "sink_kv", "attention_gates", "windows")

# Model -> keys that recognition does not get right yet, with the reason.
KNOWN_GAPS: dict[str, tuple[str, ...]] = {}


def found_counts(found: dict) -> dict:
    """The figures of an inspection that an expectation names."""
    attention = found["attention"]
    counts = {
        "attention": len(attention),
        "rms_norms": sum(n["kind"] == "rms" for n in found["norms"]),
        "layer_norms": sum(n["kind"] == "layer" for n in found["norms"]),
        "rotary": len(found["rotary"]),
        "streams": len(found["residual_streams"]),
    }
    counts |= {key: len(found[key]) for key in ("gates", "dyts")}
    counts["sink_logits"] = sum(row["sink_logit"] for row in attention)
    counts["sink_kv"] = sum(row["sink_kv"] for row in attention)
    counts["windows"] = sum(row["window"] is not None for row in attention)
    counts["attention_gates"] = sum(row["gate"] is not None for row in attention)
    for key in ("heads", "kv_heads", "head_dim", "causal"):
        values = {row[key] for row in attention}
        counts[key] = values.pop() if len(values) == 1 else values or None
    return counts


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_models(path: Path) -> None:
    expected = dict.fromkeys(RARE, 0)
    expected |= json.loads(path.with_suffix("").with_suffix(".expect.json").read_text())
    counts = found_counts(basin.load(path).inspect())
    gaps = KNOWN_GAPS.get(path.stem, ())
    wrong = {
        key: (value, expected[key])
        for key, value in counts.items()
        if key in expected and expected["attention"] and value != expected[key] and key not in gaps
    }
    assert not wrong, "found, expected: " + str(wrong)


@pytest.mark.parametrize(
    "path", [p for p in MODELS if "-norm-pre_affine" in p.stem], ids=lambda p: p.stem
)
def test_pre_affine_vectors_are_the_norms_own(path: Path) -> None:
    found = basin.load(path).inspect()
    assert found["norms"] and all(norm["pre_affine"] for norm in found["norms"])


def test_functions_are_raised_where_they_stand() -> None:
    """Without inlining, a body has the types of its calls and is raised once."""
    path = ROOT / "test" / "models" / "exported" / "hand-functions.onnx"
    expected = json.loads(path.with_suffix("").with_suffix(".expect.json").read_text())
    model = basin.load(path)
    model.run(RAISE)
    text = model.text()
    assert text.count("sink.attention") == expected["in_bodies"]["attention"]
    assert text.count("sink.rms_norm") == expected["in_bodies"]["rms_norms"]


def test_a_node_without_a_required_operand_stays_untyped(tmp_path: Path) -> None:
    """Matchers must never meet a product of scores with nothing, or a Slice of nothing."""
    make = onnx.helper.make_node
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 4, 5, 8])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    nodes = [
        make("Transpose", ["x"], ["t"], perm=[0, 1, 3, 2]),
        make("MatMul", ["x", "t"], ["s"]),
        make("Softmax", ["s"], ["p"], axis=-1),
        make("MatMul", ["p", ""], ["y"]),
        make("Slice", ["", "t", "t"], ["unused"]),
        make("Neg", ["unused"], ["negated"]),
        make("Concat", ["negated", "unused"], ["rotated"], axis=-1),
    ]
    graph = onnx.helper.make_graph(nodes, "g", [x], [y])
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets), tmp_path / "m.onnx")
    model = basin.load(tmp_path / "m.onnx")
    model.run(RAISE)
    text = model.text()
    assert 'onnx.node "MatMul"' in text and 'onnx.node "Slice"' in text
    assert "sink.attention" not in text
    model.run("convert-sink-to-onnx")
    model.save(tmp_path / "out.onnx")
    before, after = onnx.load(tmp_path / "m.onnx"), onnx.load(tmp_path / "out.onnx")
    assert diff_models(sorted_nodes(before), sorted_nodes(after)) == []


@pytest.mark.skipif(not SHARED.exists(), reason="the trained model is not there")
def test_stories() -> None:
    counts = found_counts(basin.load(SHARED).inspect())
    assert counts["attention"] == 5 and counts["rms_norms"] == 11 and counts["rotary"] == 10
    assert counts["streams"] == 1 and counts["heads"] == 8 and counts["kv_heads"] == 4
    assert counts["causal"] is True


def sorted_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the nodes of each graph in the order of their outputs."""

    def sort(nodes) -> None:
        for node in nodes:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    sort(attribute.g.node)
        ordered = sorted(nodes, key=lambda n: (list(n.output), n.name))
        del nodes[:]
        nodes.extend(ordered)

    sort(model.graph.node)
    for function in model.functions:
        sort(function.node)
    return model


@pytest.mark.parametrize("path", [*MODELS, SHARED], ids=lambda p: p.stem)
def test_raise_and_lower_is_the_identity(path: Path, tmp_path: Path) -> None:
    """The graphs are equal except for the order of nodes: a raised op's region gathers them."""
    if not path.exists():
        pytest.skip("the trained model is not there")
    model = basin.load(path)
    model.run(f"builtin.module({RAISE},convert-sink-to-onnx)")
    model.save(tmp_path / "out.onnx")
    before, after = onnx.load(path), onnx.load(tmp_path / "out.onnx")
    assert diff_models(sorted_nodes(before), sorted_nodes(after)) == []
