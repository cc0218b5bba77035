"""Run two ONNX models on the same inputs and say how far apart their outputs are.

Both run in ONNX Runtime with one thread each and, unless asked for, without graph optimizations, so
that the order of summation is the model's own. "Bit-identical" is said only where every element has
the same bits; a NaN on both sides whose bits differ is no numeric difference, but not that either.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ml_dtypes
import numpy as np
import onnxruntime as ort
from onnx import helper

from basin.compare import OutputReport, compare_output
from basin.inputs import SizePlan, make_inputs
from basin.signature import NARROW_TYPES, VerifyError

__all__ = ["OutputReport", "VerifyError", "VerifyReport", "format_report", "verify"]

# Type name -> ONNX element type, for floats that ONNX Runtime's numpy interface does not know.
_ONNX_TYPE = {
    name: helper.np_dtype_to_tensor_dtype(np.dtype(getattr(ml_dtypes, name)))
    for name in NARROW_TYPES.values()
}


@dataclass(frozen=True)
class VerifyReport:
    """The result for all input sets: the worst figures per output, in the order of model `a`."""

    outputs: list[OutputReport]
    runs: int
    tolerance: float | None
    notes: list[str] = field(default_factory=list)

    @property
    def bit_identical(self) -> bool:
        """Whether every output of every run has the same bits."""
        return all(output.bit_identical for output in self.outputs)

    @property
    def passed(self) -> bool:
        """Whether no output failed; without a tolerance only bit-identical outputs pass."""
        if any(output.failure for output in self.outputs):
            return False
        if self.tolerance is None:
            return self.bit_identical
        return all(o.bit_identical or o.max_abs <= self.tolerance for o in self.outputs)


def verify(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    inputs: Mapping[str, np.ndarray] | Sequence[Mapping[str, np.ndarray]] | None = None,
    random: int = 1,
    tolerance: float | None = None,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    optimize: bool = False,
    sizes: Mapping[str, int] | None = None,
) -> VerifyReport:
    """Compare models `a` and `b` (paths) output by output.

    `inputs` is one set or several (name -> array); without it `random` sets are made from the
    signature of `a`, seeded 0, 1, ...; `sizes` are those of symbolic dimensions by name.
    `tolerance` is a largest absolute difference; without it only bit-identical outputs pass.
    Outputs are matched by name; where the names differ throughout but the counts agree, by
    position, which a note says. Raises VerifyError where a model does not load or run, or where an
    input cannot be made.
    """
    first, second = (open_session(path, providers, optimize) for path in (a, b))
    notes: list[str] = []
    if inputs is None:
        if random < 1:
            raise VerifyError(f"random: expected at least 1 input set, but got {random}")
        plan = SizePlan(named=sizes or {})
        made = [make_inputs(a, first, seed, plan) for seed in range(random)]
        sets = [one.values for one in made]
        notes = made[0].notes
    else:
        sets = [inputs] if isinstance(inputs, Mapping) else list(inputs)
    if not sets:
        raise VerifyError("inputs: expected at least one input set, but got none")
    pairs, missing, more = _pair_outputs(first, second)
    worst: dict[str, OutputReport] = {}
    for values in sets:
        left = run_session(first, values, a)
        right = run_session(second, values, b)
        for name_a, name_b in pairs:
            report = compare_output(name_a, left[name_a], right[name_b])
            worst[name_a] = report.merged(worst[name_a]) if name_a in worst else report
    return VerifyReport([*worst.values(), *missing], len(sets), tolerance, notes + more)


def open_session(
    path: str | os.PathLike[str],
    providers: Sequence[str] = ("CPUExecutionProvider",),
    optimize: bool = False,
) -> ort.InferenceSession:
    """Open a model with one thread and, unless `optimize`, no graph optimizations.

    Raises VerifyError with ONNX Runtime's reason.
    """
    if not Path(path).is_file():
        raise VerifyError(f"{path}: no such file")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(os.fspath(path), options, providers=list(providers))
    except Exception as error:
        raise VerifyError(f"{path}: ONNX Runtime does not load it: {error}") from error


def run_session(
    session: ort.InferenceSession, values: Mapping[str, np.ndarray], path: str | os.PathLike[str]
) -> dict[str, object]:
    """Run a session opened from `path`; returns arrays (or ORT's lists and dicts) by output name.

    Raises VerifyError for inputs that are missing or too many, and with ONNX Runtime's reason.
    """
    wanted = [i.name for i in session.get_inputs()]
    for name in wanted:
        if name not in values:
            raise VerifyError(f"{path}: no value for input '{name}'")
    optional = {i.name for i in session.get_overridable_initializers()}
    for name in values:
        if name not in wanted and name not in optional:
            raise VerifyError(f"{path}: has no input '{name}'")
    names = [o.name for o in session.get_outputs()]
    types = [v.type for v in (*session.get_inputs(), *session.get_outputs())]
    try:
        if not any(_narrow_dtype(kind) for kind in types):
            return dict(zip(names, session.run(names, dict(values)), strict=True))
        feeds = {name: _ort_value(value) for name, value in values.items()}
        results = session.run_with_ort_values(names, feeds)
    except Exception as error:
        raise VerifyError(f"{path}: ONNX Runtime does not run it: {error}") from error
    return {name: _to_numpy(result) for name, result in zip(names, results, strict=True)}


def _narrow_dtype(kind: str) -> np.dtype | None:
    """Map ORT's "tensor(bfloat16)", "tensor(float8e4m3fn)", ... to its numpy type, else None."""
    name = NARROW_TYPES.get(kind.removeprefix("tensor(").removesuffix(")"))
    return None if name is None else np.dtype(getattr(ml_dtypes, name))


def _ort_value(value: np.ndarray) -> ort.OrtValue:
    array = np.asarray(value)
    kind = _ONNX_TYPE.get(array.dtype.name)
    if kind is None:
        return ort.OrtValue.ortvalue_from_numpy(array)
    raw = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}").reshape(array.shape)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(raw, kind)


def _to_numpy(value: ort.OrtValue) -> np.ndarray:
    """Return an array; narrow floats, which numpy() refuses, are read from ORT's own memory."""
    dtype = _narrow_dtype(value.data_type())
    if dtype is None:
        return value.numpy()
    shape = tuple(value.shape())
    size = int(np.prod(shape)) * dtype.itemsize
    data = ctypes.string_at(value.data_ptr(), size) if size else b""
    return np.frombuffer(data, dtype).reshape(shape)


def _pair_outputs(
    first: ort.InferenceSession, second: ort.InferenceSession
) -> tuple[list[tuple[str, str]], list[OutputReport], list[str]]:
    """Pair outputs by name, or by position where no name agrees; the unpaired are failures."""
    left = [o.name for o in first.get_outputs()]
    right = [o.name for o in second.get_outputs()]
    if set(left).isdisjoint(right) and len(left) == len(right):
        note = f"no output name agrees ({left[0]} and {right[0]}, ...): compared by position"
        return list(zip(left, right, strict=True)), [], [note]
    pairs = [(name, name) for name in left if name in right]
    sides = [("first", left, right), ("second", right, left)]
    failures = [
        OutputReport.failed(name, f"only the {side} model has it")
        for side, own, other in sides
        for name in own
        if name not in other
    ]
    return pairs, failures, []


def format_report(report: VerifyReport) -> str:
    """Return the report as text: a line per output, then the verdict."""
    lines = list(report.notes)
    for output in report.outputs:
        lines.append(f"{output.name}: {output.describe()}")
    verdict = "bit-identical" if report.bit_identical else ("pass" if report.passed else "FAIL")
    runs = f"{report.runs} input set{'s' if report.runs != 1 else ''}"
    limit = "" if report.tolerance is None else f", tolerance {report.tolerance:g}"
    lines.append(f"{verdict} ({runs}{limit})")
    return "\n".join(lines)
