"""Caches that are updated in place: past and present are one OrtValue, bound once.

Prompts and then tokens, one after another, go through each exported model with a cache as it was,
whose present is the next past, and through the model in place. The logits are the same except for
rounding, and the buffers hold the original's present keys and values.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

basin = pytest.importorskip("basin")
from basin.rewriting import rewrite  # noqa: E402
from basin.verification.caches import Caches  # noqa: E402
from basin.verification.proof import prove  # noqa: E402
from operator_forms import TOLERANCE, check, difference  # noqa: E402

EXPORTED = Path(__file__).resolve().parents[1] / "models" / "exported"
MODELS = [p for p in sorted(EXPORTED.glob("*-past-*.onnx"))]
LEVELS = (
    ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
)
CAPACITY = 12


def open_model(path: Path, level: object) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 4
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def write_in_place(source: Path, target: Path) -> Caches:
    """Write the model, checked by runs, and return the names of its caches."""
    said = rewrite(source, target, form="operators:ort", cache="in-place")
    assert not [line for line in said if "kept" in line]
    model = check(target)
    assert {n.op_type for n in model.graph.node}.isdisjoint({"Softmax", "MultiHeadAttention"})
    caches = Caches.read({p.key: p.value for p in model.metadata_props})
    assert caches is not None
    return caches


class Decoder:
    """A model in place, with buffers of its own."""

    def __init__(self, path: Path, caches: Caches, batch: int, level: object) -> None:
        self.session, self.caches, self.used = open_model(path, level), caches, 0
        shapes = {i.name: i.shape for i in self.session.get_inputs()}
        # What stands in unused rows must not matter.
        self.buffers = {
            past: ort.OrtValue.ortvalue_from_numpy(
                np.full((batch, shapes[past][1], CAPACITY, shapes[past][3]), np.nan, np.float32)
            )
            for past in caches.buffers
        }

    def run(self, values: dict[str, np.ndarray], count: int) -> np.ndarray:
        """The logits of `count` more tokens of each sequence."""
        binding = self.session.io_binding()
        fed = values | {self.caches.length: np.array(self.used, np.int64)}
        for item in self.session.get_inputs():
            if item.name not in self.buffers:
                binding.bind_cpu_input(item.name, fed[item.name])
        for past, present in self.caches.buffers.items():
            binding.bind_ortvalue_input(past, self.buffers[past])
            binding.bind_ortvalue_output(present, self.buffers[past])
        (name,) = {o.name for o in self.session.get_outputs()} - {*self.caches.buffers.values()}
        binding.bind_output(name)
        self.session.run_with_iobinding(binding)
        self.used += count
        return binding.get_outputs()[-1].numpy()


def make_values(session: ort.InferenceSession, batch: int, count: int, used: int, ids) -> dict:
    values = {}
    for item in session.get_inputs():
        if "mask" in item.name:
            values[item.name] = np.ones((batch, used + count), np.int64)
        elif "position" in item.name:
            values[item.name] = np.tile(np.arange(used, used + count), (batch, 1))
        elif "ids" in item.name:
            values[item.name] = ids
    return values


@pytest.mark.parametrize("level", LEVELS, ids=["as written", "optimized"])
@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_decoding(path: Path, level: object, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    caches = write_in_place(path, target)
    session = open_model(path, LEVELS[0])
    inputs = {i.name: i.shape for i in session.get_inputs()}
    fixed = isinstance(inputs["input_ids"][0], int)
    rng = np.random.default_rng(0)
    # One sequence takes several tokens at a time; two take one each after the prompt.
    for batch, counts in ((1, (4, 3, 1, 1)), (2, (4, 1, 1, 1))):
        if fixed and batch != inputs["input_ids"][0]:
            continue
        decoder = Decoder(target, caches, batch, level)
        pasts = {
            past: np.zeros((batch, inputs[past][1], 0, inputs[past][3]), np.float32)
            for past in caches.buffers
        }
        used = 0
        for count in counts:
            values = make_values(session, batch, count, used, rng.integers(1, 40, (batch, count)))
            names = [o.name for o in session.get_outputs()]
            expected = dict(zip(names, session.run(names, values | pasts), strict=True))
            logits = decoder.run(values, count)
            (name,) = set(names) - {*caches.buffers.values()}
            assert difference(expected[name], logits) <= TOLERANCE["f32"]
            used += count
            for past, present in caches.buffers.items():
                pasts[past] = expected[present]
                rows = decoder.buffers[past].numpy()
                assert difference(expected[present], rows[:, :, :used]) <= TOLERANCE["f32"]
                assert np.isnan(rows[:, :, used:]).all()


LLAMA = EXPORTED / "llama-eager-past-script17.onnx"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Caches]:
    target = tmp_path_factory.mktemp("llama") / "out.onnx"
    return target, write_in_place(LLAMA, target)


def test_the_interface(llama: tuple[Path, Caches]) -> None:
    path, caches = llama
    model, before = onnx.load(path), onnx.load(LLAMA)
    assert [i.name for i in model.graph.input] == [
        *[i.name for i in before.graph.input],
        "past_length",
    ]
    assert [o.name for o in model.graph.output] == [o.name for o in before.graph.output]
    lengths = {
        v.type.tensor_type.shape.dim[2].dim_param
        for v in (*model.graph.input, *model.graph.output)
        if v.name in {*caches.buffers, *caches.buffers.values()}
    }
    assert lengths == {"cache_capacity"}
    # The new rows are written into the buffer, so nothing joins them to the past.
    joined = [
        n for n in model.graph.node if n.op_type == "Concat" and {*n.input} & {*caches.buffers}
    ]
    assert not joined


def test_what_the_user_promises_is_checked_at_run_time(llama: tuple[Path, Caches]) -> None:
    """Several tokens of two sequences after a past, and more rows than the buffer has."""
    path, caches = llama
    decoder = Decoder(path, caches, 2, LEVELS[0])
    decoder.run(make_values(decoder.session, 2, 4, 0, np.ones((2, 4), np.int64)), 4)
    with pytest.raises(Exception, match="batch_size must be 1 when sequence_length > 1"):
        decoder.run(make_values(decoder.session, 2, 3, 4, np.ones((2, 3), np.int64)), 3)
    full = Decoder(path, caches, 1, LEVELS[0])
    with pytest.raises(Exception, match="total_sequence_length|pre-allocated"):
        count = CAPACITY + 1
        full.run(make_values(full.session, 1, count, 0, np.ones((1, count), np.int64)), count)


def test_a_wrong_result_is_found(llama: tuple[Path, Caches], tmp_path: Path) -> None:
    """The proof runs the model in place: one whose keys are scaled otherwise breaks the promise."""
    path, _ = llama
    assert prove(LLAMA, path, rounds=True).broken is None
    model = onnx.load(path)
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "GroupQueryAttention" and attribute.name == "scale":
                attribute.f *= 1.5
    onnx.save(model, tmp_path / "wrong.onnx")
    assert "differs" in (prove(LLAMA, tmp_path / "wrong.onnx", rounds=True).broken or "")
    # Reading one row too few is found in the presents and in the logits.
    model = onnx.load(path)
    entry = next(p for p in model.metadata_props if p.key == "basin.caches")
    assert json.loads(entry.value)["length"] == "past_length"
    for node in model.graph.node:
        node.input[:] = ["shorter" if name == "past_length" else name for name in node.input]
    one = onnx.helper.make_node(
        "Constant", [], ["one"], value=onnx.numpy_helper.from_array(np.array(1))
    )
    model.graph.node.insert(0, onnx.helper.make_node("Sub", ["past_length", "one"], ["shorter"]))
    model.graph.node.insert(0, one)
    onnx.save(model, tmp_path / "short.onnx")
    assert prove(LLAMA, tmp_path / "short.onnx", rounds=True).broken


REFUSED = {
    "llama-eager-dynamo18": "expected attention whose keys follow a past",
    "hand-merged-with_past": "its past is no input of the graph that it stands in",
}


@pytest.mark.parametrize(("name", "why"), REFUSED.items())
def test_models_that_are_refused(name: str, why: str, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    with pytest.raises(basin.BasinError, match=why):
        rewrite(EXPORTED / f"{name}.onnx", target, form="operators:ort", cache="in-place")
    assert not target.exists()
