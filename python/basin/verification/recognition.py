"""Proves recognition by runs: compares each raised op's form with the meaning recognized for it.

`sink-compare-forms` lowers every raised op by its form and, over the same operands, by its
decomposition. One run gives both, at the values that flow there. A form that rounds to quantized
types runs without that, because its op means what it computes without it. The decomposition is
also run in f64, which shows how far rounding alone goes. If the decomposition is far from its f64
result, the numbers are badly conditioned, and the form may be as far from it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx

from basin.errors import VerifyError
from basin.inputs.drawn_inputs import RECIPES, Case, Recipe, draw_cases
from basin.model import BasinError, load
from basin.verification.branches import flatten_branches
from basin.verification.proof import DEFAULT_LIMIT, count_bytes
from basin.verification.runners import ReferenceRunner, RuntimeRunner
from basin.verification.tolerance import compare_sides, rows_of

__all__ = ["OpReport", "RecognitionReport", "check_recognition", "format_recognition"]

RAISE = "basin-raise"
METADATA = "basin.forms"
IN_SUBGRAPH = "it stands in a subgraph"
QUIRK = (
    "rows whose scores all are the lowest number are not compared in Attention operators: ONNX "
    "Runtime takes that number for -inf, and gives zeros where the standard says uniform"
)
MAX_DEPTH = 2


@dataclass(frozen=True)
class OpReport:
    """One raised op. `ratio` is the largest difference over the difference allowed there."""

    name: str
    kind: str
    max_abs: float = 0.0
    ratio: float = 0.0
    case: str | None = None
    differs: str | None = None
    reason: str | None = None
    # Whether its nodes round to quantized types, and were compared without that.
    quantized: bool = False

    @property
    def compared(self) -> bool:
        """Whether form and decomposition ran."""
        return self.reason is None


@dataclass(frozen=True)
class RecognitionReport:
    """All raised ops of a model, and the cases that ran."""

    ops: list[OpReport]
    cases: list[str]
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether no form differs from its recognized meaning."""
        return not any(op.differs for op in self.ops)


def check_recognition(
    path: str | os.PathLike[str],
    inputs: Sequence[Case] | None = None,
    recipes: tuple[Recipe, ...] = RECIPES,
    seed: int = 0,
    raise_pipeline: str = RAISE,
    depth: int = 0,
) -> RecognitionReport:
    """Compare every raised op of the model at `path` with its decomposition, on drawn inputs.

    Ops in the branches of an If are compared in models of their own, in which the branch stands
    where the If stood. Raises BasinError where the model is not valid and VerifyError where no
    runtime runs it.
    """
    with tempfile.TemporaryDirectory(prefix="basin-forms-") as folder:
        job = _Job(path, Path(folder), raise_pipeline, recipes, seed, inputs)
        report = _check_graph(job)
        if not any(op.reason == IN_SUBGRAPH for op in report.ops) or depth >= MAX_DEPTH:
            return report
        if count_bytes(path) > DEFAULT_LIMIT:
            return report
        return _with_branches(job, report, depth)


def _check_graph(job: _Job) -> RecognitionReport:
    """The main graph's ops, in the first runtime that runs them."""
    failure: VerifyError | None = None
    for exact, runner in _ATTEMPTS:
        built = job.build(exact)
        if not any(built.outputs):
            return RecognitionReport(built.reports, [])
        notes = (
            []
            if exact
            else ["the meaning was not computed in f64: a difference may be due to rounding alone"]
        )
        try:
            return job.run(built, runner, notes)
        except VerifyError as error:
            failure = failure or error
    raise VerifyError(f"{job.source}: no runtime runs the model: {failure}")


def _with_branches(job: _Job, main: RecognitionReport, depth: int) -> RecognitionReport:
    """The report, with the ops of each branch in place of those in subgraphs."""
    ops = [op for op in main.ops if op.reason != IN_SUBGRAPH]
    own = {op.name for op in ops}
    cases, notes = list(main.cases), list(main.notes)
    for number, (label, model) in enumerate(flatten_branches(job.source)):
        target = job.folder / f"branch-{number}.onnx"
        onnx.save(model, target)
        try:
            report = check_recognition(
                target, job.inputs, job.recipes, job.seed, job.pipeline, depth + 1
            )
        except (BasinError, VerifyError) as error:
            notes.append(f"branch '{label}' was not compared: {_last_words(str(error))}")
            continue
        finally:
            target.unlink()
        ops += [replace(op, name=f"{label}: {op.name}") for op in report.ops if op.name not in own]
        cases += [case for case in report.cases if case not in cases]
    return RecognitionReport(ops, cases, notes)


@dataclass(frozen=True)
class _Outputs:
    """An op's outputs by side, and the narrowest type that its form computes in."""

    form: list[str]
    meaning: list[str]
    exact: list[str] | None
    precision: str
    centred: list[str] | None
    epsilon: float
    operator: str
    overflows: bool
    largest: list[str] | None


@dataclass(frozen=True)
class _Built:
    """The model with both sides of every op as outputs."""

    path: Path
    exact: bool
    reports: list[OpReport]
    outputs: list[_Outputs | None]


_Runner = type[RuntimeRunner] | type[ReferenceRunner]
_ATTEMPTS: tuple[tuple[bool, _Runner], ...] = (
    (True, RuntimeRunner),
    (False, RuntimeRunner),
    (False, ReferenceRunner),
)


@dataclass
class _Job:
    """One check: the model, the folder for its variants, and the inputs."""

    source: str | os.PathLike[str]
    folder: Path
    pipeline: str
    recipes: tuple[Recipe, ...]
    seed: int
    inputs: Sequence[Case] | None
    count: int = 0

    def build(self, exact: bool, only: int = -1) -> _Built:
        """Write the model with both sides as outputs, of all ops or of one."""
        self.count += 1
        target = self.folder / f"forms-{self.count}.onnx"
        model = load(self.source)
        options = f"exact={str(exact).lower()} only={only}"
        model.run(f"builtin.module({self.pipeline},sink-compare-forms{{{options}}})")
        model.save(target)
        stored = onnx.load(os.fspath(target), load_external_data=False)
        text = next(entry.value for entry in stored.metadata_props if entry.key == METADATA)
        reports, outputs = [], []
        for entry in json.loads(text):
            wrong = entry.get("contradiction")
            reports.append(
                OpReport(
                    entry["name"], entry["kind"], reason=entry.get("reason"),
                    differs=wrong and f"its types contradict its meaning: {wrong}",
                    quantized=entry.get("quantized", False),
                )
            )  # fmt: skip
            sides = (
                entry.get("form"),
                entry.get("meaning"),
                entry.get("exact"),
                entry.get("precision", ""),
                entry.get("centred"),
                entry.get("epsilon", 0.0),
                entry.get("operator", ""),
                entry.get("overflows", False),
                entry.get("largest"),
            )
            outputs.append(_Outputs(*sides) if "form" in entry else None)
        return _Built(target, exact, reports, outputs)

    def cases(self, runner: _Runner) -> list[Case]:
        """The inputs on which the model as it is runs."""
        if self.inputs is not None:
            return list(self.inputs)
        original = runner(self.source)
        runs, refused = [], VerifyError("no inputs could be drawn")
        for case in draw_cases(self.source, original.session, self.recipes, self.seed):
            try:
                original.run(case.values)
                runs.append(case)
            except VerifyError as error:
                refused = error
        if not runs:
            raise refused
        return runs

    def run(self, built: _Built, runner: _Runner, notes: list[str]) -> RecognitionReport:
        """Run every case. If the model itself runs, the meanings of its ops must run, too."""
        cases = self.cases(runner)
        try:
            model = runner(built.path)
        except VerifyError as error:
            if built.exact:
                raise  # for want of kernels in f64, perhaps
            return self.blame(built, runner, cases[0], error)
        reports = list(built.reports)
        for case in cases:
            try:
                results = model.run(case.values)
            except VerifyError as error:
                return self.blame(built, runner, case, error)
            for i, outputs in enumerate(built.outputs):
                if outputs is not None and _takes_lowest_for_infinity(
                    outputs, results, runner, case
                ):
                    notes = [*notes, QUIRK] if QUIRK not in notes else notes
                elif outputs is not None:
                    reports[i] = _merge(reports[i], outputs, results, case)
        return RecognitionReport(reports, [case.name for case in cases], notes)

    def blame(
        self, built: _Built, runner: _Runner, case: Case, error: VerifyError
    ) -> RecognitionReport:
        """Find the op whose meaning does not run although the model does: run each by itself."""
        reports, blamed = list(built.reports), False
        for i, outputs in enumerate(built.outputs):
            if outputs is None:
                continue
            try:
                results = runner(self.build(built.exact, i).path).run(case.values)
                reports[i] = _merge(reports[i], outputs, results, case)
            except VerifyError as reason:
                why = "the model runs, but its meaning does not: " + _last_words(
                    str(reason).replace(f"{self.folder}/", "")
                )
                reports[i] = replace(
                    reports[i], max_abs=np.inf, ratio=np.inf, case=case.name, differs=why
                )
                blamed = True
        if not blamed:
            raise error
        return RecognitionReport(reports, [case.name])


def _takes_lowest_for_infinity(
    outputs: _Outputs, results: dict[str, object], runner: _Runner, case: Case
) -> bool:
    """Whether ONNX Runtime's kernel leaves the standard on this case: see QUIRK."""
    if runner is not RuntimeRunner or outputs.operator != "Attention":
        return False
    if not case.name.startswith("rows all hidden"):
        return False
    form, meaning = (
        rows_of(np.asarray(results[side[0]])) for side in (outputs.form, outputs.meaning)
    )
    return bool(((form == 0).all(-1) & (meaning != 0).any(-1)).any())


def _last_words(text: str) -> str:
    """The end of a runtime's message, where it says what is wrong."""
    text = " ".join(text.split())
    return text if len(text) <= 160 else "..." + text[-160:]


def _merge(report: OpReport, outputs: _Outputs, results: dict[str, object], case: Case) -> OpReport:
    """The worse of `report` and one case's figures."""
    exact: list[str] | list[None] = outputs.exact or [None] * len(outputs.form)
    for name_form, name_meaning, name_exact in zip(outputs.form, outputs.meaning, exact):
        form, meaning = (np.asarray(results[n]) for n in (name_form, name_meaning))
        precise = None if name_exact is None else np.asarray(results[name_exact])
        lost = _lost_digits(outputs, results)
        if outputs.overflows:
            lost = np.where(_has_overflowed(form, meaning), np.inf, lost)
        if outputs.largest and name_form == outputs.form[0]:
            scores = np.asarray(results[outputs.largest[0]])
            lost = np.where(_has_rounded_scores(scores, outputs.precision), np.inf, lost)
            if outputs.overflows:
                lost = np.where(_has_small_exponentials(scores, outputs.precision), np.inf, lost)
        absolute, ratio, why = compare_sides(
            form, meaning, precise, case.large, outputs.precision, lost, case.scaled
        )
        if report.differs is None and (why is not None or ratio > report.ratio):
            report = replace(report, max_abs=absolute, ratio=ratio, case=case.name, differs=why)
    return report


# The bits that a number of a type keeps, and the error of a score that changes its share by 3 %.
_BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
_SCORE_ERROR = 0.03


def _has_rounded_scores(scores: np.ndarray, precision: str) -> np.ndarray:
    """For each row, whether its largest score is so large that rounding it changes the shares.

    So it is in a row that hides every key by a summand of -1e9, or in f16 by -1e4.
    """
    scores = np.abs(rows_of(scores)).max(axis=1)
    return np.asarray(
        np.isfinite(scores) & (scores * 2.0 ** -_BITS.get(precision, 24) > _SCORE_ERROR)
    )


# The logarithm of the smallest normal number of a type.
_LOG_LEAST = {"float16": -9.7, "bfloat16": -87.3, "float32": -87.3, "float64": -708.3}


def _has_small_exponentials(scores: np.ndarray, precision: str) -> np.ndarray:
    """For each row, whether all exponentials of its scores are below the normal range of the type.

    A softmax that is written out without the maximum then has few bits of them, or none.
    """
    largest = rows_of(scores).max(axis=1)
    return np.asarray(np.isfinite(largest) & (largest < _LOG_LEAST.get(precision, -87.3)))


def _has_overflowed(form: np.ndarray, meaning: np.ndarray) -> np.ndarray:
    """For each row, whether the exponentials of a softmax that is written out left their type.

    Such a row is not finite, or zero, where the softmax itself has a value. It proves nothing.
    """
    form, meaning = rows_of(form), rows_of(meaning)
    lost = ~np.isfinite(form).all(axis=1) | (form == 0).all(axis=1)
    return np.asarray(lost & np.isfinite(meaning).all(axis=1))


# Relative to a row's largest value: the sum of a few such errors is as large as the row.
_ALL_LOST = 0.25


def _lost_digits(outputs: _Outputs, results: dict[str, object]) -> np.ndarray | float:
    """The loss by rounding the mean, and by a variance computed from the mean of squares.

    There is one figure for each row, relative to its largest value. A row that may lose a quarter
    of it proves nothing.
    """
    if outputs.centred is None:
        return 0.0
    rows = rows_of(np.asarray(results[outputs.centred[0]]))
    with np.errstate(all="ignore"):
        mean, variance = rows.mean(axis=1), rows.var(axis=1) + outputs.epsilon
        lost = mean**2 / variance
        # Rounding the mean moves every element by the same amount.
        lost += np.abs(mean) / np.abs(rows - mean[:, None]).max(axis=1)
        lost *= 8 * 2.0**-24  # as many roundings
    return np.where(lost > _ALL_LOST, np.inf, np.where(np.isnan(lost), 0.0, lost))


def format_recognition(report: RecognitionReport) -> str:
    """One line an op, then the verdict."""
    lines = list(report.notes)
    for op in report.ops:
        label = f"{op.kind} '{op.name}'"
        if not op.compared:
            lines.append(f"{label}: not compared: {op.reason}")
        elif op.differs:
            case = "" if op.case is None else f" (case '{op.case}')"
            lines.append(f"{label}: DIFFERS: {op.differs}{case}")
        else:
            how = " without its quantization" if op.quantized else ""
            lines.append(
                f"{label}: agrees{how}, at most {op.max_abs:.3g} "
                f"({op.ratio:.2g} of what is allowed)"
            )
    compared = sum(op.compared for op in report.ops)
    verdict = "recognition holds" if report.passed else "FAIL"
    counts = f"{compared} of {len(report.ops)} ops compared, {len(report.cases)} cases"
    lines.append(f"{verdict} ({counts})")
    return "\n".join(lines)
