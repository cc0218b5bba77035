"""Residual streams of real exports, against what the architecture's configuration says.

The numbers of an architecture follow from how its layers are built: which of its parts write into
the stream, and which read it. L is the number of layers.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from onnx import helper, numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("torch")
pytest.importorskip("transformers")
import numpy as np  # noqa: E402
from basin.bench.recognize.cases import Case  # noqa: E402
from basin.bench.recognize.catalog import HIDDEN, LAYERS  # noqa: E402
from basin.bench.recognize.exporting import export  # noqa: E402
from basin.verify import verify  # noqa: E402

L = LAYERS


@dataclass(frozen=True)
class Stream:
    """Writers and readers by kind. Constants are biases, which exporters may fold into a Gemm."""

    writers: dict[str, int]
    norms: int
    others: int = 0
    dim: int = HIDDEN


def pre_norm(kind: str = "projection", final: int = 1, embeddings: int = 1) -> Stream:
    """Attention and MLP write, and a norm stands before each."""
    return Stream({"embedding": embeddings, kind: 2 * L}, 2 * L + final)


def parallel(norms: int) -> Stream:
    """Attention and MLP read the same stream, and write their sum."""
    return Stream({"embedding": 1, "projection": 2 * L}, norms)


ARCHITECTURES: dict[str, list[Stream]] = {
    "llama": [pre_norm()],
    # The embedding, and the outputs of attention and MLP, are scaled by constants.
    "granite": [pre_norm()],
    "minicpm3": [pre_norm()],
    # The norms of attention's and MLP's outputs write. Gemma has norms before them as well.
    "gemma2": [pre_norm("norm")],
    "gemma3": [pre_norm("norm")],
    # OLMo 2 has none: queries, keys, values, and two projections of the MLP read the stream.
    "olmo2": [Stream({"embedding": 1, "norm": 2 * L}, 1, 5 * L)],
    # One norm for both parts of a block, or one for each.
    "gptj": [parallel(L + 1)],
    "phi": [parallel(L + 1)],
    "falcon": [parallel(2 * L + 1)],
    # The sum over experts is no projection; a shared expert, scaled by its gate, is another.
    "mixtral": [Stream({"embedding": 1, "projection": L, "other": L}, 2 * L + 1)],
    "qwen2_moe": [Stream({"embedding": 1, "projection": L, "other": 2 * L}, 2 * L + 1)],
    "gpt2": [pre_norm(embeddings=2)],
    # The encoder's and the decoder's, which has cross-attention, too.
    "t5": [pre_norm(), Stream({"embedding": 1, "projection": 3 * L}, 3 * L + 1)],
}
# Three embeddings are summed, as wide as the factored embedding is. A norm behind each sum cuts, so
# the sums of a layer are streams of their own. The first layer's begins with the projection of the
# embeddings. All layers have one set of weights, which ties nothing.
NARROW = 24
ALBERT = [Stream({"embedding": 3}, 1, dim=NARROW)]
for layer in range(L):
    start = {"norm": 1, "projection": 1} if layer else {"projection": 2}
    ALBERT += [Stream(start, 1, others=3), Stream({"norm": 1, "projection": 1}, 1, others=1)]
ARCHITECTURES["albert"] = ALBERT

EAGER = ("gemma2", "gptj")
MIXTURES = ("mixtral", "qwen2_moe")
EXPORTERS = {"script": 17, "dynamo": 18}
# T5 in f16 limits the stream behind each sum, by bounds that it computes.
# The dynamo exporter takes several seconds a model, so it exports one model of each kind.
SLOW = [("albert", "f32"), ("phi", "f32"), ("olmo2", "f32"), ("t5", "f16")]
CASES = [(name, "f32") for name in ARCHITECTURES] + [("t5", "f16")]


def make(name: str, exporter: str, dtype: str, folder: Path) -> Path:
    path = folder / "model.onnx"
    attention = "eager" if name in EAGER else "sdpa"
    experts = "batched_mm" if name in MIXTURES else ""
    export(Case(name, attention, exporter, EXPORTERS[exporter], dtype, experts=experts), path)
    return path


def facts(path: Path) -> list[Stream]:
    """What inspection says, without what only reads a shape and without biases."""
    streams = []
    for row in basin.load(path).inspect()["residual_streams"]:
        writers = Counter(one["kind"] for one in row["writers"])
        readers = Counter(one["kind"] for one in row["readers"])
        assert readers.pop("shape", 0) >= 0
        writers.pop("constant", None)
        streams.append(Stream(dict(writers), readers["norm"], readers["other"], row["dim"]))
    return streams


@pytest.mark.parametrize(
    ("name", "dtype", "exporter"),
    [(*case, "script") for case in CASES] + [(*case, "dynamo") for case in SLOW],
)
def test_streams_are_those_of_the_architecture(
    name: str, dtype: str, exporter: str, tmp_path: Path
) -> None:
    expected = list(ARCHITECTURES[name])
    if dtype == "f16":
        # Whether an element is infinite is read from each sum.
        sums = [2 * L, 3 * L]
        expected = [
            Stream(one.writers, one.norms, one.others + more) for one, more in zip(expected, sums)
        ]
    assert facts(make(name, exporter, dtype, tmp_path)) == expected


def residual_sums(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The sums of a layer's input and the output of one of its parts, by their names."""
    pattern = re.compile(r"/layers\.\d+/Add(_\d+)?$")
    return [node for node in model.graph.node if pattern.search(node.name)]


def put_behind(
    model: onnx.ModelProto, node: onnx.NodeProto, value: str, *new: onnx.NodeProto
) -> None:
    """Insert nodes behind `node`; other readers of its result read `value`."""
    name = node.output[0]
    for reader in model.graph.node:
        for i, read in enumerate(reader.input):
            if read == name:
                reader.input[i] = value
    place = list(model.graph.node).index(node) + 1
    for one in reversed(new):
        model.graph.node.insert(place, one)


def test_clips_behind_sums_do_not_cut(tmp_path: Path) -> None:
    """Published models of Gemma 3 in f16 limit the stream behind each sum."""
    path = make("gemma3", "script", "f16", tmp_path)
    model = onnx.load(path)
    sums = residual_sums(model)
    assert len(sums) == 2 * L
    for bound, number in (("low", -65504), ("high", 65504)):
        model.graph.initializer.append(numpy_helper.from_array(np.float16(number), bound))
    for node in sums:
        value = f"{node.output[0]}.clipped"
        clip = helper.make_node("Clip", [node.output[0], "low", "high"], [value])
        put_behind(model, node, value, clip)
    onnx.save(model, tmp_path / "clipped.onnx")
    assert facts(tmp_path / "clipped.onnx") == ARCHITECTURES["gemma3"]


@pytest.mark.parametrize("name", ["llama", "granite"])
def test_dropouts_do_not_cut(name: str, tmp_path: Path) -> None:
    """Dropouts on what is added, as exports before transformers 4 have them, and on the sums."""
    path = make(name, "script", "f32", tmp_path)
    model = onnx.load(path)
    sums = residual_sums(model)
    assert len(sums) == 2 * L
    for i, node in enumerate(sums):
        added = helper.make_node("Dropout", [node.input[1]], [f"added.{i}"])
        place = list(model.graph.node).index(node)
        node.input[1] = f"added.{i}"
        model.graph.node.insert(place, added)
        dropped = f"dropped.{i}"
        put_behind(model, node, dropped, helper.make_node("Dropout", [node.output[0]], [dropped]))
    onnx.save(model, tmp_path / "dropouts.onnx")
    assert facts(tmp_path / "dropouts.onnx") == ARCHITECTURES[name]


@pytest.mark.parametrize(
    ("name", "dtype"), [("t5", "f16"), ("albert", "f32"), ("qwen2_moe", "f32")]
)
def test_streams_can_be_rescaled(name: str, dtype: str, tmp_path: Path) -> None:
    """Each writer and reader was understood, or is multiplied: no bit changes."""
    path = make(name, "script", dtype, tmp_path)
    model = basin.load(path)
    model.run("basin-raise,sink-rescale-residual{k=2},convert-sink-to-onnx")
    model.save(tmp_path / "out.onnx")
    report = verify(path, tmp_path / "out.onnx")
    assert report.passed, str(report)
