"""Models that no tokens can feed are analyzed on arrays; old opsets give the same figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from basin.cli import app
from onnx import TensorProto, helper
from stream_graphs import Graph
from token_models import DIM, VOCABULARY, feed_forward, language_model, own_norm
from typer.testing import CliRunner

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.analysis import AnalysisError, run, stats  # noqa: E402
from basin.analysis.data import random_tokens  # noqa: E402
from basin.analysis.runs import Arrays  # noqa: E402

Inputs = list[tuple[str, int, list[str | int]]]


def write(g: Graph, path: Path, inputs: Inputs, output: str) -> Path:
    graph = helper.make_graph(
        g.nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        g.weights,
    )
    imports = [helper.make_opsetid("", g.opset)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path


def attention(g: Graph, x: str, memory: str) -> str:
    """Two heads, written out."""

    def heads(one: str, perm: list[int]) -> str:
        wide = g("MatMul", one, g.weight(DIM, DIM, scale=0.2))
        return g("Transpose", g("Reshape", wide, g.ints(0, 0, 2, DIM // 2)), perm=perm)

    q, k, v = heads(x, [0, 2, 1, 3]), heads(memory, [0, 2, 3, 1]), heads(memory, [0, 2, 1, 3])
    p = g("Softmax", g("Mul", g("MatMul", q, k), g.weight(value=0.25)), axis=3)
    joined = g("Transpose", g("MatMul", p, v), perm=[0, 2, 1, 3])
    return g("MatMul", g("Reshape", joined, g.ints(0, 0, DIM)), g.weight(DIM, DIM, scale=0.2))


def layer(g: Graph, h: str, memory: str | None = None) -> str:
    n = own_norm(g, h)
    h = g("Add", h, attention(g, n, n if memory is None else memory))
    return g("Add", h, feed_forward(g, own_norm(g, h), 1.0))


def encoder_decoder(path: Path) -> Path:
    """Two inputs of ids of different lengths; the mask is the encoder's."""
    g = Graph(DIM, np.float32, 17)
    table = g.weight(VOCABULARY, DIM)
    encoded = layer(g, g("Gather", table, "input_ids"))
    memory = own_norm(g, encoded)
    # The mask must be used, so that it stays an input.
    keep = g("Cast", g("Unsqueeze", "attention_mask", g.ints(2)), to=TensorProto.FLOAT)
    memory = g("Mul", memory, keep)
    h = layer(g, g("Gather", table, "decoder_input_ids"), memory)
    output = g("MatMul", own_norm(g, h), g.weight(DIM, VOCABULARY))
    inputs: Inputs = [
        ("input_ids", TensorProto.INT64, ["batch", "source"]),
        ("attention_mask", TensorProto.INT64, ["batch", "source"]),
        ("decoder_input_ids", TensorProto.INT64, ["batch", "target"]),
    ]
    return write(g, path, inputs, output)


def embedded(path: Path) -> Path:
    """A decoder that takes embeddings."""
    g = Graph(DIM, np.float32, 17)
    output = g("MatMul", own_norm(g, layer(g, "inputs_embeds")), g.weight(DIM, 4))
    return write(g, path, [("inputs_embeds", TensorProto.FLOAT, ["b", "s", DIM])], output)


def vision(path: Path) -> Path:
    """Patches of an image, flattened, and a class token's place."""
    g = Graph(DIM, np.float32, 17)
    patches = g("Conv", "pixel_values", g.weight(DIM, 3, 4, 4), kernel_shape=[4, 4], strides=[4, 4])
    flat = g("Reshape", patches, g.ints(0, DIM, -1))
    h = layer(g, g("Transpose", flat, perm=[0, 2, 1]))
    output = g("MatMul", own_norm(g, h), g.weight(DIM, 4))
    return write(g, path, [("pixel_values", TensorProto.FLOAT, ["n", 3, 8, 8])], output)


def saved(folder: Path, name: str = "a.npz", **arrays: np.ndarray) -> Path:
    np.savez(folder / name, **arrays)
    return folder / name


def measured(model: Path, *paths: Path, batch: int = 8) -> dict[str, Any]:
    document = run.analyze(model, Arrays.load(list(paths)), batch=batch).document()
    stats.check(document, "stats")
    return document


def values_of(model: Path, names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    import onnxruntime as ort

    loaded = onnx.load(model)
    for name in names:
        loaded.graph.output.append(helper.make_empty_tensor_value_info(name))
    session = ort.InferenceSession(loaded.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(names, feed)


def source(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Three samples of an encoder-decoder; the last has padding in the encoder."""
    mask = np.ones((3, 7), np.int64)
    mask[2, 4:] = 0
    return {
        "input_ids": rng.integers(0, VOCABULARY, (3, 7)),
        "attention_mask": mask,
        "decoder_input_ids": rng.integers(0, VOCABULARY, (3, 5)),
    }


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_encoder_decoder(batch, tmp_path):
    model = encoder_decoder(tmp_path / "m.onnx")
    feed = source(np.random.default_rng(0))
    found = measured(model, saved(tmp_path, **feed), batch=batch)
    assert found["data"]["kind"] == "inputs"
    assert found["data"]["sequences"] == 3 and found["data"]["tokens"] == 7 + 7 + 4
    streams = found["metrics"]["streams"]
    assert len(streams) == 2
    taps = found["instrumentation"]["taps"]
    # The encoder's states belong to the tokens, whose padding is left out. The decoder's do not.
    of = {tap["name"]: tap["tokens"] for tap in taps if tap["kind"] == "residual"}
    residual = found["metrics"]["residual"]
    assert set(of.values()) == {True, False}
    for tap, value in zip(residual, values_of(model, [t["name"] for t in residual], feed)):
        keep = feed["attention_mask"] if of[tap["name"]] else np.ones(value.shape[:2])
        size = np.abs(value) * keep[:, :, None]
        np.testing.assert_allclose(tap["havg"], size.sum(axis=(0, 1)) / keep.sum(), rtol=1e-5)
        row, position, _ = np.unravel_index(size.argmax(), size.shape)
        assert tap["token"]["position"] == position
        # The decoder's tokens are not those of input_ids.
        id = feed["input_ids"][row, position] if of[tap["name"]] else None
        assert tap["token"]["id"] == id
    keys = [tap["tokens"] for tap in taps if tap["kind"] == "attention"]
    assert len(keys) == 2 and len(found["metrics"]["attention"]) == 2
    assert any("of another sequence" in note for note in found["notes"])


def test_embeddings(tmp_path):
    model = embedded(tmp_path / "m.onnx")
    x = np.random.default_rng(0).standard_normal((3, 6, DIM)).astype(np.float32)
    found = measured(model, saved(tmp_path, inputs_embeds=x))
    assert (found["data"]["sequences"], found["data"]["tokens"]) == (3, 18)
    first = found["metrics"]["residual"][0]
    np.testing.assert_allclose(first["havg"], np.abs(x).mean(axis=(0, 1)), rtol=1e-5)
    position = np.unravel_index(np.abs(x).argmax(), x.shape)[1]
    assert first["token"] == {"position": position, "id": None, "text": None}
    assert found["metrics"]["attention"][0]["value_ratio"][0] is not None


def test_images_in_several_files(tmp_path):
    model = vision(tmp_path / "m.onnx")
    rng = np.random.default_rng(0)
    images = rng.standard_normal((5, 3, 8, 8)).astype(np.float32)
    paths = [saved(tmp_path, f"{i}.npz", pixel_values=images[i : i + 3]) for i in (0, 3)]
    together = measured(model, saved(tmp_path, "all.npz", pixel_values=images))
    apart = measured(model, *paths)
    assert together["data"]["sequences"] == apart["data"]["sequences"] == 5
    assert len(together["metrics"]["attention"]) == 1
    for one, other in zip(together["metrics"]["residual"], apart["metrics"]["residual"]):
        np.testing.assert_allclose(one["havg"], other["havg"], rtol=1e-6)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"decoder_input_ids": None}, "no array 'decoder_input_ids'"),
        ({"input_ids": np.zeros((3, 7), np.float32)}, "'input_ids': expected int64, but got"),
        ({"input_ids": np.zeros(7, np.int64)}, "'input_ids': expected 2 axes"),
        ({"input_ids": np.zeros((2, 7), np.int64)}, "expected as many samples in each"),
        ({name: np.zeros((0, 7), np.int64) for name in ("input_ids", "attention_mask")}
         | {"decoder_input_ids": np.zeros((0, 5), np.int64)}, "expected at least one sample"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit(change, message, tmp_path):
    model = encoder_decoder(tmp_path / "m.onnx")
    arrays = {n: v for n, v in (source(np.random.default_rng(0)) | change).items() if v is not None}
    with pytest.raises(AnalysisError, match=message):
        measured(model, saved(tmp_path, **arrays))


def test_inputs_on_the_command_line(tmp_path):
    model = embedded(tmp_path / "m.onnx")
    x = np.zeros((1, 4, DIM), np.float32)
    x[:, :, 3] = 2
    path, out = saved(tmp_path, inputs_embeds=x, more=x), tmp_path / "stats.json"
    result = CliRunner().invoke(
        app, ["analyze", str(model), "--inputs", str(path), "--stats", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "the model has no input more" in result.stderr
    for options in (["--random", "2"], ["--bos", "1"], ["--tokenizer", "bytes"]):
        more = CliRunner().invoke(app, ["analyze", str(model), "--inputs", str(path), *options])
        assert more.exit_code == 1 and more.stderr.count("\n") == 1
    clash = CliRunner().invoke(
        app, ["analyze", str(model), "--inputs", str(path), "--stats", str(path)]
    )
    assert clash.exit_code == 1 and path.stat().st_size > 0


@pytest.mark.parametrize("opset", [11, 12, 13])
def test_old_opsets_give_the_same_figures(opset, tmp_path):
    """Norms, products and streams; the histogram has coarser bins before opset 16."""
    metrics = [
        run.analyze(path, random_tokens(3, VOCABULARY, 6)).document()["metrics"]
        for path in (
            language_model(tmp_path / "old.onnx", opset=opset),
            language_model(tmp_path / "new.onnx", opset=17),
        )
    ]
    for kind in ("residual", "projections", "norms"):
        old, new = (one[kind] for one in metrics)
        assert len(old) == len(new) > 0
        for a, b in zip(old, new):
            for key in ("max_abs", "havg", "kurtosis", "channel_max", "bound", "output_rms"):
                if key in a:
                    np.testing.assert_allclose(a[key], b[key], rtol=1e-6)


@pytest.mark.parametrize("opset", [11, 12])
def test_attention_of_old_opsets(opset, tmp_path):
    def model(version: int) -> Path:
        g = Graph(DIM, np.float32, version)
        output = g("MatMul", own_norm(g, layer(g, "inputs_embeds")), g.weight(DIM, 4))
        inputs: Inputs = [("inputs_embeds", TensorProto.FLOAT, ["b", "s", DIM])]
        return write(g, tmp_path / f"{version}.onnx", inputs, output)

    x = np.random.default_rng(0).standard_normal((2, 6, DIM)).astype(np.float32)
    path = saved(tmp_path, inputs_embeds=x)
    old, new = (measured(model(v), path)["metrics"]["attention"][0] for v in (opset, 17))
    for key in ("alpha_first", "first_token_mass", "entropy", "max_logit", "value_ratio"):
        np.testing.assert_allclose(old[key], new[key], rtol=1e-5)
