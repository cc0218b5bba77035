"""The speed of a model in Basin's forms of fused operators, beside other optimizers' results.

All run in one process in ONNX Runtime with all of its optimizations, and take turns: a round runs
each of them once. Inputs are bound before, and outputs stay with the runtime, as a program that
decodes has them. A model whose caches are updated in place has past and present in one buffer.

The least time of a contender is divided by that of the model as it is, so a load that comes and
goes hits all alike. With one thread, time is the processor time of that thread, which other
processes do not lengthen except through caches and clocks. A contender whose outputs differ by more
than rounding is not timed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from basin.bench.rewrite import machine
from basin.verification.caches import Caches

# The largest difference from the model as it is, relative to its largest output: roundings of f32,
# carried on through some tens of layers.
TOLERANCE = 1e-3
ORIGINAL = "as it is"


@dataclass
class Row:
    """One contender's least milliseconds of a run, over those of the model as it is."""

    model: str
    case: str
    contender: str
    milliseconds: float | None = None
    ratio: float | None = None
    why_not: str = ""


def _form(options: str) -> Callable[[Path, Path], None]:
    def write(source: Path, target: Path) -> None:
        import basin

        model = basin.load(source)
        model.run(f"builtin.module(basin-raise,convert-sink-to-onnx{{form={options}}})")
        model.save(target)

    return write


def _onnxscript(source: Path, target: Path) -> None:
    from onnxscript import ir, optimizer
    from onnxscript.rewriter.ort_fusions import optimize_for_ort

    model = ir.load(str(source))
    optimizer.optimize(model)
    optimized = optimize_for_ort(model)
    ir.save(optimized[0] if isinstance(optimized, tuple) else optimized, str(target))


def _transformers(kind: str) -> Callable[[Path, Path], None]:
    def write(source: Path, target: Path) -> None:
        from onnxruntime.transformers.optimizer import optimize_model

        optimized = optimize_model(str(source), model_type=kind, opt_level=0)
        optimized.save_model_to_file(str(target))

    return write


def contenders(kind: str) -> dict[str, Callable[[Path, Path], None]]:
    """What writes a contender, by name; `kind` is the model type of ONNX Runtime's optimizer."""
    return {
        "basin, operators:opset23": _form("operators:opset23"),
        "basin, operators:opset25": _form("operators:opset25"),
        "basin, operators:ort": _form("operators:ort"),
        "basin, operators:ort in place": _form("operators:ort cache=in-place"),
        "onnxscript, optimize_for_ort": _onnxscript,
        f"onnxruntime.transformers, {kind}": _transformers(kind),
    }


def open_model(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def has_past(session: ort.InferenceSession) -> bool:
    return any("past" in item.name for item in session.get_inputs())


def make_inputs(
    session: ort.InferenceSession, length: int, past: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Inputs of one sequence of `length` tokens after `past` others, by the names of exporters."""
    rng = np.random.default_rng(seed)
    values = {}
    for item in session.get_inputs():
        sizes = item.shape
        if "past" in item.name:
            shape = [1, sizes[1], past, sizes[3]]
            values[item.name] = rng.standard_normal(shape).astype(np.float32)
        elif "mask" in item.name:
            values[item.name] = np.ones((1, past + length), np.int64)
        elif "position" in item.name:
            values[item.name] = np.arange(past, past + length)[None]
        elif "type" in item.name:
            values[item.name] = np.zeros((1, length), np.int64)
        else:
            values[item.name] = rng.integers(1, 40, (1, length))
    return values


def difference(expected: list[np.ndarray], got: list[np.ndarray]) -> float:
    worst = 0.0
    for a, b in zip(expected, got, strict=True):
        if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
            return np.inf
        finite = np.isfinite(a)
        size = max(float(np.abs(a[finite]).max(initial=0)), 1e-30)
        worst = max(worst, float(np.abs(a[finite] - b[finite]).max(initial=0)) / size)
    return worst


class Run:
    """A model with its inputs bound. `outputs` are those of the model as it is, if known."""

    def __init__(
        self,
        session: ort.InferenceSession,
        inputs: dict[str, np.ndarray],
        outputs: dict[str, np.ndarray],
    ) -> None:
        self.session, self.expected = session, outputs
        self.caches = Caches.read(session.get_modelmeta().custom_metadata_map)
        values = self.caches.extend(inputs, dict(outputs)) if self.caches else inputs
        self._binding = session.io_binding()
        bound = {n: ort.OrtValue.ortvalue_from_numpy(value) for n, value in values.items()}
        for item in session.get_inputs():
            self._binding.bind_ortvalue_input(item.name, bound[item.name])
        shared = {new: old for old, new in self.caches.buffers.items()} if self.caches else {}
        self._names = [item.name for item in session.get_outputs()]
        for name in self._names:
            if name in shared:
                self._binding.bind_ortvalue_output(name, bound[shared[name]])
            else:
                self._binding.bind_output(name)

    def __call__(self) -> None:
        self.session.run_with_iobinding(self._binding)

    def results(self) -> dict[str, np.ndarray]:
        """Run, and copy the outputs, without rows of a buffer that are not in use."""
        self()
        made = {n: v.numpy() for n, v in zip(self._names, self._binding.get_outputs(), strict=True)}
        return self.caches.cut(dict(made), dict(self.expected)) if self.caches else made


def measure_case(
    sessions: dict[str, ort.InferenceSession],
    failed: dict[str, str],
    model: str,
    case: str,
    inputs: dict[str, np.ndarray],
    rounds: int,
    clock: Callable[[], float],
) -> list[Row]:
    """One row for each contender: checked, then timed in turns."""
    rows = [Row(model, case, name, why_not=why) for name, why in failed.items()]
    expected = Run(sessions[ORIGINAL], inputs, {}).results()
    runs: dict[str, Run] = {}
    best: dict[str, float] = {}
    for name, session in sessions.items():
        try:
            run = Run(session, inputs, expected)
            made = run.results()
            wrong = difference([*expected.values()], [made[n] for n in expected])
        except Exception as error:  # a runtime's error has no type of its own
            rows.append(Row(model, case, name, why_not=f"does not run: {str(error)[:120]}"))
            continue
        if wrong <= TOLERANCE:
            runs[name], best[name] = run, float("inf")
        else:
            rows.append(Row(model, case, name, why_not=f"other outputs, by {wrong:.2g}"))
    for _ in range(rounds):
        for name, run in runs.items():
            start = clock()
            run()
            best[name] = min(best[name], clock() - start)
    for name, seconds in best.items():
        rows.append(Row(model, case, name, 1000 * seconds, seconds / best[ORIGINAL]))
    order = [ORIGINAL, *[name for name in (*sessions, *failed) if name != ORIGINAL]]
    return sorted(rows, key=lambda row: order.index(row.contender))


def measure_model(
    path: Path, folder: Path, lengths: list[int], rounds: int, threads: int, kind: str
) -> list[Row]:
    """The rows of one model: each length as a prompt, and as a past before one token."""
    sessions = {ORIGINAL: open_model(path, threads)}
    failed: dict[str, str] = {}
    clock = time.thread_time if threads == 1 else time.perf_counter
    for number, (name, write) in enumerate(contenders(kind).items()):
        target = folder / f"{path.stem}.{number}.onnx"
        try:
            write(path, target)
            sessions[name] = open_model(target, threads)
        except Exception as error:  # other optimizers fail in any way
            failed[name] = f"{type(error).__name__}: {str(error)[:120]}"
    rows: list[Row] = []
    for length in lengths:
        cases = {f"prompt of {length}": (length, 0)}
        if has_past(sessions[ORIGINAL]):
            cases[f"one token after {length}"] = (1, length)
        for case, (count, past) in cases.items():
            try:
                inputs = make_inputs(sessions[ORIGINAL], count, past)
                sessions[ORIGINAL].run(None, inputs)
            except Exception as error:  # a model may take fewer positions
                rows.append(Row(path.stem, case, ORIGINAL, why_not=str(error)[:120]))
                continue
            few = max(3, rounds // 4) if count >= 512 else rounds
            rows += measure_case(sessions, failed, path.stem, case, inputs, few, clock)
    return rows


def table(rows: list[Row]) -> str:
    """The rows as Markdown: a line for each case, a column for each contender."""
    names = list(dict.fromkeys(row.contender for row in rows))
    lines = ["| model | case | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    by_case: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        by_case.setdefault((row.model, row.case), {})[row.contender] = row
    for (model, case), cells in by_case.items():
        texts = []
        for name in names:
            row = cells.get(name)
            if row is None or row.milliseconds is None:
                texts.append(row.why_not if row else "")
            elif name == ORIGINAL:
                texts.append(f"{row.milliseconds:.2f} ms")
            else:
                texts.append(f"{row.ratio:.2f}")
        lines.append(f"| {model} | {case} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def write_json(path: Path, rows: list[Row]) -> None:
    record = {"machine": machine(), "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(record, indent=1) + "\n")
