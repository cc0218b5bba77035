"""`narrow-mask`: no bit differs while a bound of the scores holds, and without one it may."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.analysis.data import random_tokens  # noqa: E402
from basin.verification.kept_tokens import find_kept, keep  # noqa: E402
from basin.verification.proof import prove  # noqa: E402
from basin.verify import verify  # noqa: E402
from trained_models import MODELS  # noqa: E402

EXPORTED = sorted((Path(__file__).resolve().parents[1] / "models" / "exported").glob("*.onnx"))
LOW = float(np.finfo(np.float32).min)


def tensors(graph: onnx.GraphProto):
    """The constants of a graph and its subgraphs."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from tensors(inner)


def count_low(path: Path) -> int:
    """How many constants have a number below -1e4."""
    found = 0
    for tensor in tensors(onnx.load(path).graph):
        value = numpy_helper.to_array(tensor)
        if value.dtype.kind == "f" or str(value.dtype) == "bfloat16":
            found += bool((value.astype(np.float32) < -1e4).any())
    return found


def narrow(path: Path, target: Path, options: str) -> list[str]:
    model = basin.load(path)
    said = model.run(f"basin-raise,sink-narrow-mask{{{options}}},convert-sink-to-onnx")
    model.save(target)
    return said


def runs(path: Path) -> bool:
    facts = json.loads(path.with_suffix("").with_suffix(".expect.json").read_text())
    return facts.get("ort_runs", True)


# ALiBi's numbers are not known, and no attention of these models is left otherwise.
LEFT = ("hand-alibi-no_rotary", "hand-mask-alibi")


@pytest.mark.parametrize("padding", ["false", "true"])
@pytest.mark.parametrize("path", EXPORTED, ids=lambda path: path.stem)
def test_exported_models(path: Path, padding: str, tmp_path: Path) -> None:
    """With `padding`, each number that hides a key is narrowed. Without, a warning says why not."""
    target = tmp_path / "out.onnx"
    said = narrow(path, target, f"bound=4000 padding={padding}")
    left = [line for line in said if "keeps its mask" in line]
    if count_low(path) and not left:
        assert count_low(target) == 0
    if padding == "true" and path.stem not in LEFT:
        assert all("numbers of 'mask' are not known" in line for line in left)
    if runs(path):
        inputs = dict(np.load(path.with_suffix("").with_suffix(".inputs.npz")))
        report = verify(path, target, inputs=inputs)
        assert report.passed, str(report)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_trained_models(path: Path, tmp_path: Path) -> None:
    """Their masks are causal alone, so each row sees a key and all numbers change."""
    target = tmp_path / "out.onnx"
    assert count_low(path)
    assert basin.rewrite(path, target, [("narrow-mask", {"bound": 1000})]) == []
    assert count_low(target) == 0
    report = verify(path, target, random=3)
    assert report.passed, str(report)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_statistics_bound_the_scores(path: Path, tmp_path: Path) -> None:
    from basin.analysis.run import analyze

    document = analyze(path, random_tokens(2, 60, 24)).document()
    (tmp_path / "stats.json").write_text(json.dumps(document))
    bounds = [one["score_bound"] for one in document["attentions"]]
    largest = [max(map(abs, one["max_logit"])) for one in document["metrics"]["attention"]]
    assert len(bounds) == len(largest) > 0
    assert all(a >= b for a, b in zip(bounds, largest))
    target = tmp_path / "out.onnx"
    step = ("narrow-mask", {"stats": tmp_path / "stats.json"})
    assert basin.rewrite(path, target, [step]) == []
    assert count_low(target) == 0
    limit = -104 - 2 * max(bounds)
    step[1]["value"] = limit + 1
    with pytest.raises(basin.BasinError, match="expected at most"):
        basin.rewrite(path, target, [step])
    step[1]["value"] = limit - 1
    said = basin.rewrite(path, tmp_path / "near.onnx", [step])
    assert len(said) == 1 and "no causal masks" in said[0]


# An attention whose scores are chosen: those of visible keys -BOUND, those of hidden ones BOUND.

BOUND, T, D = 60.0, 6, 4


def chosen_scores(path: Path, low: float = LOW) -> dict[str, np.ndarray]:
    """Writes softmax(q k^T + mask) v, causal by a table, and returns inputs with such scores."""
    later = np.triu(np.ones((T, T), bool), 1)
    table = np.where(later, np.float32(low), np.float32(0))
    node, info = helper.make_node, helper.make_tensor_value_info
    nodes = [
        node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        node("MatMul", ["q", "kt"], ["s"]),
        node("Add", ["s", "table"], ["m"]),
        node("Softmax", ["m"], ["p"], axis=-1),
        node("MatMul", ["p", "v"], ["y"]),
    ]
    shape = [1, 2, T, T]
    graph = helper.make_graph(
        nodes, "g",
        [info("q", TensorProto.FLOAT, shape), info("k", TensorProto.FLOAT, shape),
         info("v", TensorProto.FLOAT, [1, 2, T, D])],
        [info("y", TensorProto.FLOAT, [1, 2, T, D])],
        [numpy_helper.from_array(table, "table")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    rng = np.random.default_rng(0)
    scores = np.where(later, BOUND, -BOUND) + np.where(later, -1, 1) * rng.random((2, T, T))
    keys = np.broadcast_to(np.eye(T, dtype=np.float32), shape)
    values = rng.standard_normal((1, 2, T, D)).astype(np.float32)
    return {"q": scores[None].astype(np.float32), "k": keys, "v": values}


def run(path: Path, inputs: dict[str, np.ndarray], optimize: bool) -> np.ndarray:
    options = ort.SessionOptions()
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    return ort.InferenceSession(path, options).run(None, inputs)[0]


@pytest.mark.parametrize("optimize", [False, True], ids=["plain", "optimized"])
def test_the_limit_is_low_enough_and_not_much_too_low(optimize: bool, tmp_path: Path) -> None:
    path, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    inputs = chosen_scores(path)
    before = run(path, inputs, optimize)
    narrow(path, target, f"value=-225 bound={BOUND}")
    assert run(target, inputs, optimize).tobytes() == before.tobytes()
    for value in (-50, -120):
        with pytest.raises(basin.BasinError, match="expected at most -225, .* but got"):
            narrow(path, target, f"value={value} bound={BOUND}")
        # The refusal is needed: such a number changes what the attention computes.
        inputs = chosen_scores(target, value)
        assert run(target, inputs, optimize).tobytes() != before.tobytes()


# Rows that see no key

PADDED = next(path for path in EXPORTED if path.stem == "llama-eager-script17")


def test_hidden_rows_change_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    said = basin.rewrite(PADDED, target, [("narrow-mask", {"bound": 1000, "padding": True})])
    assert len(said) == 1 and "rows that see no key get other numbers" in said[0]
    assert prove(PADDED, target, only_kept=True).broken is None
    # Left padding leaves queries without a key, whose outputs differ.
    assert "in case 'padding left'" in str(prove(PADDED, target).broken)


def test_a_difference_at_kept_tokens_is_found(tmp_path: Path) -> None:
    """A model whose masks hide with -3 differs at all tokens, also where padding is on the left."""
    model = onnx.load(PADDED)
    for tensor in tensors(model.graph):
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.float32 and value.size and value.min() == np.finfo(np.float32).min:
            tensor.CopyFrom(numpy_helper.from_array(np.maximum(value, -3), tensor.name))
    onnx.save(model, tmp_path / "wrong.onnx")
    assert prove(PADDED, tmp_path / "wrong.onnx", only_kept=True).broken


def test_which_tokens_are_kept() -> None:
    ids, mask = np.zeros((2, 3), np.int64), np.array([[1, 1, 0], [1, 1, 1]])
    assert find_kept({"input_ids": ids, "attention_mask": mask}) is None
    left = np.array([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    given = {"input_ids": ids, "attention_mask": left}
    kept = find_kept(given)
    assert kept is not None and kept.tolist() == (left != 0).tolist()
    output = np.arange(12).reshape(2, 3, 2)
    rows = keep(output, given, np.array([[1, 0, 0, 1, 1], [1, 1, 1, 1, 1]], bool))
    assert rows is not None and rows.tolist() == output.reshape(6, 2)[1:].tolist()
    # Neither a pooled output nor a cache has a row for each token.
    assert keep(np.zeros((2, 2)), given, kept) is None
    assert keep(np.zeros((2, 3, 5, 4)), given, kept) is None
    square = np.ones((2, 1, 3, 3), bool)
    square[1, 0, 0] = False
    found = find_kept({"input_ids": ids, "mask": square})
    assert found is not None and found.tolist() == [[True, True, True], [False, True, True]]
