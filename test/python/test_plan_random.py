"""Random graphs as plans, against ONNX Runtime: the right values, or a refusal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.errors import PlanError  # noqa: E402
from basin.inputs.drawn_inputs import draw_cases  # noqa: E402
from random_graphs import campaign  # noqa: E402

FIRST, COUNT, CASES = 5000, 50, 2
NARROW = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)


def nudged(path: Path, options: ort.SessionOptions) -> ort.InferenceSession:
    """The model with each f32 weight moved by a unit in the last place.

    How far its outputs are says how much rounding matters: a norm of nearly equal numbers, for
    example, keeps few digits in any order of sums.
    """
    model = onnx.load(path)
    generator = np.random.default_rng(0)
    for one in model.graph.initializer:
        if one.data_type == onnx.TensorProto.FLOAT:
            value = numpy_helper.to_array(one)
            ways = generator.choice(np.array([-np.inf, np.inf], np.float32), value.shape)
            one.CopyFrom(numpy_helper.from_array(np.nextafter(value, ways), one.name))
    return ort.InferenceSession(model.SerializeToString(), options)


def find_difference(
    found: np.ndarray, expected: np.ndarray, other: np.ndarray, tolerance: float
) -> str | None:
    if found.shape != expected.shape:
        return f"shape {found.shape} in place of {expected.shape}"
    if expected.dtype.kind not in "fV":
        return None if np.array_equal(found, expected) else "other integers"
    got, want = found.astype(np.float64), expected.astype(np.float64)
    if not np.array_equal(np.isnan(got), np.isnan(want)):
        return "NaN in other places"
    finite = np.isfinite(got) & np.isfinite(want) & np.isfinite(other)
    error = np.abs(got - want)[finite].max(initial=0)
    largest = np.abs(want[finite]).max(initial=1e-30)
    moved = np.abs(other.astype(np.float64) - want)[finite].max(initial=0)
    bound = tolerance * largest + 30 * moved
    return None if error <= bound else f"{error} of {largest}, where rounding moves {moved}"


def check(path: Path, options: ort.SessionOptions, counts: Counter[str]) -> list[str]:
    """What differs. `counts` gets what was compared and refused."""
    session = ort.InferenceSession(path, options)
    types = {one.data_type for one in onnx.load(path).graph.initializer}
    tolerance = 2e-2 if types.intersection(NARROW) else 1e-5
    wrong = []
    moved = nudged(path, options)
    with basin.compile(path) as compiled:
        for _, case in zip(range(CASES), draw_cases(path, session)):
            try:
                expected = session.run(None, case.values)
                others = moved.run(None, case.values)
            except Exception:
                counts["invalid"] += 1
                continue
            try:
                found = compiled.run(case.values)
            except PlanError:
                counts["sizes refused"] += 1
                continue
            counts["compared"] += 1
            for (name, value), want, other in zip(found.items(), expected, others):
                if difference := find_difference(value, want, other, tolerance):
                    wrong.append(f"{name}: {difference}")
    return wrong


def test_sample(tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    counts: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + COUNT):
        path = tmp_path / f"{seed}.onnx"
        onnx.save(campaign.draw(seed), path)
        try:
            ort.InferenceSession(path, options)
        except Exception:
            counts["invalid"] += 1
            continue
        try:
            wrong = check(path, options, counts)
        except PlanError:
            counts["refused"] += 1
            continue
        assert not wrong, f"seed {seed}: {wrong}"
    # Otherwise a sample of refusals would pass as well.
    assert counts["compared"] > COUNT // 2, counts
