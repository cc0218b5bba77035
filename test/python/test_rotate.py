"""`rotate`: outputs are equal but for rounding, and a massive activation spreads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.verification.sessions import open_session  # noqa: E402
from smooth_models import EXPORTED, ROOT, SMALL, text_ids  # noqa: E402

STORIES = ROOT.parent / "shared" / "models" / "stories260K.onnx"
# Largest difference over the largest logit. The stream is a sum of rounded terms, and so are
# rotated weights: a few hundred roundings of 2^-24, or 2^-11 in f16.
F32, F16 = 2e-5, 2e-2
LLAMAS = [
    path
    for path in sorted(EXPORTED.glob("*.onnx"))
    if path.stem.startswith(("llama-", "qwen3-", "hand-rotary", "hand-scale", "hand-mask"))
    and "-bf16-" not in path.stem
]
# Words of the reasons for which some models are refused.
REFUSED = {
    "gpt2-eager-script17": "subtracts the mean",
    "bert-sdpa-dynamo23": "subtracts the mean",
    "hand-block-sandwich": "writes the stream, and its weight does not commute",
    "hand-norm-one_plus_weight": "is not stored as it is multiplied",
    "hand-norm-pre_affine": "has a pre-affine vector of different elements",
    "hand-norm-gated": "is also read by gate",
    "hand-norm-dyt": "dyt reads",
    "hand-merged-with_past": "is in a subgraph",
    "mha-zero-weights-dynamo18": "writes the stream and is no product with a stored matrix",
}


def run(path: Path, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = open_session(path)
    return [np.asarray(x) for x in session.run(None, inputs)]


def inputs_of(path: Path) -> dict[str, np.ndarray]:
    stored = path.with_suffix("").with_suffix(".inputs.npz")
    if stored.exists():
        return dict(np.load(stored))
    return {"input_ids": text_ids(2, 48) % 65}


def rotate(path: Path, target: Path, **options: object) -> list[str]:
    model = basin.load(path)
    said = model.rewrite(("rotate", options))
    model.save(target)
    return said


def distance(before: list[np.ndarray], after: list[np.ndarray]) -> float:
    """The largest difference of an output over its largest element."""
    far = 0.0
    for x, y in zip(before, after, strict=True):
        assert x.dtype == y.dtype and x.shape == y.shape
        a, b = x.astype(np.float64), y.astype(np.float64)
        assert (np.isfinite(a) == np.isfinite(b)).all()
        fine = np.isfinite(a)
        if fine.any():
            far = max(far, np.abs(a - b)[fine].max() / np.abs(a[fine]).max())
    return far


@pytest.mark.parametrize(
    "path",
    [*LLAMAS, *sorted((ROOT / "models").glob("*.onnx")), STORIES],
    ids=lambda path: path.stem,
)
def test_outputs_differ_by_rounding(path: Path, tmp_path: Path) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    target = tmp_path / "out.onnx"
    # The exports have streams of 20 dimensions, or of 24, which has a Hadamard matrix, too.
    rotate(path, target)
    inputs = inputs_of(path)
    before, after = run(path, inputs), run(target, inputs)
    far = distance(before, after)
    assert 0 < far < (F16 if "fp16" in path.stem else F32)


@pytest.mark.parametrize("stem", REFUSED)
def test_what_does_not_commute_is_refused(stem: str, tmp_path: Path) -> None:
    with pytest.raises(basin.BasinError, match=REFUSED[stem]):
        rotate(EXPORTED / f"{stem}.onnx", tmp_path / "out.onnx")


@pytest.mark.parametrize("kind", ["hadamard", "orthogonal"])
def test_a_massive_activation_spreads(kind: str, tmp_path: Path) -> None:
    """One dimension of the stream is 2^10 times as large, which the norms' vectors undo."""
    planted, target = tmp_path / "planted.onnx", tmp_path / "out.onnx"
    source = EXPORTED / "llama-eager-script17.onnx"
    make_massive(source, planted, 3, 2.0**10)
    rotate(planted, target, kind=kind)
    inputs = inputs_of(source)
    before, after = (stream_of(path, inputs) for path in (planted, target))
    largest, spread = np.abs(before).max(), np.abs(after).max()
    assert np.unravel_index(np.abs(before).argmax(), before.shape)[-1] == 3
    # A row's length stays, and one element becomes 1 / sqrt(d) of it in each dimension.
    lengths = [np.linalg.norm(x, axis=-1) for x in (before, after)]
    assert np.allclose(*lengths, rtol=1e-4)
    bound = 1.1 / np.sqrt(before.shape[-1]) if kind == "hadamard" else 0.8
    assert spread < bound * largest


def make_massive(source: Path, target: Path, dim: int, factor: float) -> None:
    """Multiply a dimension of the embedding's rows."""
    model = onnx.load(source)
    (table,) = (t for t in model.graph.initializer if "embed_tokens" in t.name)
    value = numpy_helper.to_array(table).copy()
    value[:, dim] *= factor
    table.CopyFrom(numpy_helper.from_array(value, table.name))
    onnx.save(model, target)


def stream_of(path: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """The embedding's rows, as the stream begins."""
    model = onnx.load(path)
    tables = {t.name for t in model.graph.initializer if "embed_tokens" in t.name}
    (node,) = (n for n in model.graph.node if n.op_type == "Gather" and n.input[0] in tables)
    model.graph.output.append(helper.make_tensor_value_info(node.output[0], 1, None))
    tapped = path.with_name("tapped.onnx")
    onnx.save(model, tapped)
    return run(tapped, inputs)[-1].astype(np.float64)


def test_a_rewrite_states_the_rounding(tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    (said,) = basin.rewrite(SMALL, target, [("rotate", {"seed": 3})])
    assert said.startswith("remark: in ") and "elements differ, by at most" in said
    # Norms are left with weights of one, and the table of the head is not that of the embedding.
    graph = onnx.load(target).graph
    norms = [t for t in graph.initializer if "norm" in t.name and list(t.dims) == [64]]
    assert len(norms) == 9
    assert all((numpy_helper.to_array(one) == 1).all() for one in norms)


def test_a_seed_and_a_kind_choose_the_matrix(tmp_path: Path) -> None:
    made = []
    for number, options in enumerate(({}, {}, {"seed": 1}, {"kind": "orthogonal"})):
        target = tmp_path / f"{number}.onnx"
        rotate(SMALL, target, **options)
        made.append(onnx.load(target).graph.SerializeToString())
    assert made[0] == made[1] and len(set(made)) == 3


@pytest.mark.parametrize("order", [1, 2, 4, 12, 20, 24, 28, 36, 40, 44, 60, 76, 88, 128, 576])
def test_hadamard_matrices_are_orthogonal(order: int, tmp_path: Path) -> None:
    """The table of an identity becomes Q, whose elements all have the size 1 / sqrt(d)."""
    q = rotation(order, "hadamard", tmp_path)
    assert np.abs(np.abs(q) - 1 / np.sqrt(order)).max() < 1e-6
    assert np.abs(q @ q.T - np.eye(order)).max() < 1e-5


@pytest.mark.parametrize("order", [3, 22, 92, 172])
def test_other_orders_take_a_random_matrix(order: int, tmp_path: Path) -> None:
    with pytest.raises(basin.BasinError, match=f"no Hadamard matrix of order {order} is known"):
        rotation(order, "hadamard", tmp_path)
    q = rotation(order, "orthogonal", tmp_path)
    assert np.abs(q @ q.T - np.eye(order)).max() < 1e-5


def rotation(order: int, kind: str, folder: Path) -> np.ndarray:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["x"]),
        helper.make_node("RMSNormalization", ["x", "one"], ["y"], epsilon=1e-5),
        helper.make_node("MatMul", ["y", "w"], ["d"]),
        helper.make_node("Add", ["x", "d"], ["r"]),
        helper.make_node("RMSNormalization", ["r", "one"], ["z"], epsilon=1e-5),
        helper.make_node("MatMul", ["z", "head"], ["logits"]),
    ]
    weights = {
        "table": np.eye(order),
        "one": np.ones(order),
        "w": np.ones((order, order)),
        "head": np.ones((order, 3)),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("logits", 1, ["n", 3])],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in weights.items()],
    )
    source, target = folder / "m.onnx", folder / "q.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)]), source)
    rotate(source, target, kind=kind)
    (table,) = (t for t in onnx.load(target).graph.initializer if t.name == "table")
    return numpy_helper.to_array(table).astype(np.float64)
