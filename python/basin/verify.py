"""Run two ONNX models on the same inputs and say how far apart their outputs are.

Both run in ONNX Runtime with one thread each. Unless asked for, there are no graph optimizations,
so that the order of summation is the model's own. Outputs are "bit-identical" only if every element
has the same bits. Two NaNs with other bits are no numeric difference, but not bit-identical either.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnxruntime as ort

from basin.errors import VerifyError
from basin.inputs.random_inputs import SizePlan, make_inputs
from basin.verification.compare import OutputReport, compare_output
from basin.verification.sessions import open_session, run_session

__all__ = ["OutputReport", "VerifyError", "VerifyReport", "format_report", "verify"]


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
    Outputs are matched by name. If no name agrees but the counts do, they are matched by position,
    and a note says so. Raises VerifyError if a model does not load or run, or if an input cannot be
    made.
    """
    first, second = (open_session(path, providers, optimize) for path in (a, b))
    notes: list[str] = []
    if inputs is None:
        if random < 1:
            raise VerifyError(f"random: expected at least 1 input set, but got {random}")
        plan = SizePlan(named=sizes or {})
        made = [make_inputs(a, first, seed, plan) for seed in range(random)]
        sets: list[Mapping[str, np.ndarray]] = [one.values for one in made]
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
