"""The checks of every drawn graph. Each check returns the failures that it found.

A graph is valid if ONNX Runtime loads it and runs it on some drawn inputs. A refusal is one clear
error, and is counted by its reason. For types without kernels (f16), ONNX Runtime's CPU provider
computes in f32 between nodes. Then a rewrite's bits are compared in onnx's reference evaluator, as
`basin rewrite` does.
"""

from __future__ import annotations

import copy
import math
import os
import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import basin
import numpy as np
import onnx
import onnxruntime as ort
from basin.inputs.drawn_inputs import Case, draw_cases
from basin.prefix import PrefixRun, cut, extend
from basin.preparation import prepare_steps
from basin.registry import as_requests
from basin.verification.distance import measure
from basin.verification.proof import beyond_rounding, is_narrow, prove
from basin.verification.recognition import check_recognition
from basin.verification.sessions import open_session, run_session
from basin.verify import VerifyError
from operator_forms import FORMS
from rewrite_passes import CHANGES, SMALL_REWRITES

from .weights import check_rotation, check_smoothing

ort.set_default_logger_severity(4)
SHM = Path("/dev/shm")
FOLDER = SHM if SHM.is_dir() and os.access(SHM, os.W_OK) else None
RAISE = "basin-raise"
INTEGERS = (onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL)
LOWER = "convert-sink-to-onnx"


@dataclass(frozen=True)
class Failure:
    """A failure. `kind` stays the same while the model is made smaller."""

    kind: str
    detail: str


@dataclass
class Outcome:
    """The result of checking one graph."""

    valid: bool = False
    why_invalid: str = ""
    failures: list[Failure] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)


Results = list[dict[str, np.ndarray]]


def same_bits(a: Results, b: Results, names: list[str]) -> str | None:
    """A line about the first output that differs, or None. All NaNs are equal."""
    for number, (left, right) in enumerate(zip(a, b)):
        for name in names:
            x, y = np.asarray(left[name]), np.asarray(right[name])
            if x.dtype != y.dtype or x.shape != y.shape:
                return f"{name}: {x.dtype}{list(x.shape)} against {y.dtype}{list(y.shape)}"
            if x.tobytes() == y.tobytes():
                continue
            with np.errstate(all="ignore"):
                p, q = x.astype(np.float64), y.astype(np.float64)
                nan = np.isnan(p) & np.isnan(q)
                wrong = ~nan & ~((p == q) & (np.signbit(p) == np.signbit(q)))
                if wrong.any():
                    at = tuple(np.argwhere(wrong)[0])
                    return f"{name}{[*map(int, at)]}: {p[at]:g} against {q[at]:g} in case {number}"
    return None


def shorten(text: str) -> str:
    """A diagnostic without names and numbers. Refusals are counted by this text."""
    text = re.sub(r"'[^']*'", "'..'", text.split("\n")[0])
    return re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "N", re.sub(r"^\S+: ", "", text))[:110]


class Subject:
    """A model, its outputs on drawn inputs, and its checks."""

    def __init__(self, model: onnx.ModelProto, folder: Path, seed: int) -> None:
        self.folder = folder
        self.model = model
        self.path = folder / "m.onnx"
        self.path.write_bytes(model.SerializeToString())
        self.rng = np.random.default_rng(seed)
        self.outcome = Outcome()
        self.cases: list[Case] = []
        self.results: Results = []
        self.names: list[str] = []
        self.narrow = is_narrow(self.path)
        # The prefix that the inputs have and the outputs lack.
        self.prefix: PrefixRun | None = None

    def run(self, path: Path) -> Results:
        session = open_session(path)
        return [run_session(session, case.values, path) for case in self.cases]

    def prepare(self) -> bool:
        """Run the model as it is. Inputs that it refuses are left out."""
        try:
            session = open_session(self.path)
            self.names = [o.name for o in session.get_outputs()]
            for case in draw_cases(self.path, session, narrow=is_narrow(self.path)):
                try:
                    self.results.append(run_session(session, case.values, self.path))
                    self.cases.append(case)
                except VerifyError as error:
                    self.outcome.why_invalid = str(error)
        except VerifyError as error:
            self.outcome.why_invalid = str(error)
        self.outcome.valid = bool(self.cases)
        return self.outcome.valid

    def fail(self, kind: str, detail: str) -> None:
        self.outcome.failures.append(Failure(kind, detail))

    def compare(self, kind: str, pipeline: str | None, refusable: bool, what: str = "") -> None:
        """Check that a pipeline keeps the model's bits. It may be refused if `refusable`."""
        target = self.folder / "out.onnx"
        try:
            model = basin.load(self.path)
            said = model.run(f"builtin.module({pipeline})") if pipeline else []
            model.save(target)
        except basin.BasinError as error:
            if refusable:
                self.outcome.counts[f"{kind} refused: {shorten(str(error))}"] += 1
            else:
                self.fail(f"{kind} refused", shorten(str(error)))
            return
        # If values may leave their type's normal range, there is a warning, and bits may differ.
        if any("may differ" in line or "normal range" in line for line in said):
            self.outcome.counts[f"{kind} warned"] += 1
            return
        self.outcome.counts[f"{kind} kept"] += 1
        try:
            results = self.run(target)
        except VerifyError as error:
            # ONNX Runtime has bf16 norms on the CPU, but no bf16 product to go with them.
            if "NOT_IMPLEMENTED" in str(error) and self.narrow:
                self.outcome.counts[f"{kind} without a kernel in the runtime"] += 1
            else:
                self.fail(f"{kind} invalid", f"{what} {str(error)[:300]}")
            return
        if self.narrow and refusable:
            why = prove(self.path, target).broken
        else:
            why = same_bits(self.results, results, self.names)
        if why:
            self.fail(f"{kind} differs", f"{what} {why}")

    def check_recognition(self) -> None:
        try:
            report = check_recognition(self.path, self.cases, raise_pipeline=RAISE)
        except (basin.BasinError, VerifyError) as error:
            self.fail("recognition invalid", str(error)[:300])
            return
        for op in report.ops:
            what = "raised" if op.compared else f"not compared: {shorten(op.reason)}:"
            self.outcome.counts[f"{what} {op.kind}"] += 1
            # In f16, whether the scores of hidden keys are equal depends on where they are rounded.
            if op.differs and self.narrow and op.case == "rows all hidden":
                self.outcome.counts["not compared: rows all hidden, in a narrow type"] += 1
            elif op.differs:
                self.fail(f"recognition {op.kind}", f"{op.differs} (case '{op.case}')")

    def is_sensitive(self, number: int, name: str, x: np.ndarray, y: np.ndarray) -> bool:
        """Whether inputs and weights that differ in their last bits move an output as far as y.

        A norm of nearly equal elements, a sum that is nearly zero, or scores that a mask has moved
        far away make rounding large, and the root of a sum that is zero but for rounding may be
        NaN. The elements of a norm's result have the sum zero, and rounding alone decides what a
        model computes for it. So a difference of 2^-17 is allowed, because the elements are near 1.
        """
        # A Cast to integers makes a step of the smallest difference.
        if any(attribute.i in INTEGERS for node in self.model.graph.node if node.op_type == "Cast"
               for attribute in node.attribute):  # fmt: skip
            return True
        near = [z for z in (self.run_near(number, name) for _ in range(8)) if z is not None]
        with np.errstate(all="ignore"):
            turns = np.isnan(x) != np.isnan(y)
            if turns.any() and not any((np.isnan(x) != np.isnan(z)).any() for z in near):
                return False
            far, *reach = (
                np.nan_to_num(np.abs(other.astype(np.float64) - x)).max(initial=0.0)
                for other in (y, *near)
            )
            return bool(far <= max([2 * one for one in reach] + [2.0**-17]))

    def run_near(self, number: int, name: str) -> np.ndarray | None:
        """An output with inputs and weights that are off by 2^-20, or None if that does not run."""
        moved = {}
        for key, value in self.cases[number].values.items():
            noise = self.rng.choice([-1.0, 1.0], value.shape) * 2.0**-20
            size = np.abs(value) + 0.25 if value.dtype == np.float32 else 0
            moved[key] = (value + noise * size).astype(value.dtype)
        model = onnx.ModelProto.FromString(self.path.read_bytes())
        for weight in model.graph.initializer:
            if weight.data_type == onnx.TensorProto.FLOAT:
                value = onnx.numpy_helper.to_array(weight)
                noise = self.rng.choice([-1.0, 1.0], value.shape) * 2.0**-20
                near = np.asarray(value + noise * value, np.float32)
                weight.CopyFrom(onnx.numpy_helper.from_array(near, weight.name))
        try:
            session = ort.InferenceSession(
                model.SerializeToString(), providers=["CPUExecutionProvider"]
            )
            value = np.asarray(session.run([name], moved)[0])
            return value if self.prefix is None else cut({name: value}, self.prefix)[name]
        except Exception:
            return None

    def check_operators(self) -> None:
        """Check a form of fused operators that is drawn: the same outputs except for rounding."""
        form = str(self.rng.choice(FORMS))
        target = self.folder / "operators.onnx"
        model = basin.load(self.path)
        try:
            said = model.run(f"builtin.module({KEEPING_FUNCTIONS},{LOWER}{{form={form}}})")
            model.save(target)
            results = self.run(target)
        except (basin.BasinError, VerifyError) as error:
            # Dynamic sizes of masks are taken to be those of the scores. Where the scores are
            # broadcast to the mask instead, the operator does not run.
            texts = (
                "'attention_bias' dimension",
                "(between attn_mask and ",
                "inconsistent kv_sequence_length",
            )
            if any(text in str(error) for text in texts):
                self.outcome.counts["operators not run: a mask larger than the scores"] += 1
            elif not (self.narrow and "NOT_IMPLEMENTED" in str(error)):
                self.fail("operators invalid", f"{form} {str(error)[:300]}")
            return
        for line in said:
            self.outcome.counts[f"operators {shorten(line)}"] += "kept" in line
        for number, (left, right) in enumerate(zip(self.results, results)):
            for name in self.names:
                x, y = np.asarray(left[name]), np.asarray(right[name])
                same = x.dtype == y.dtype and x.shape == y.shape
                why = beyond_rounding(x, y) if same else "has another type or shape"
                # In f16, roundings at other places can grow in the nodes that follow.
                if why and same and not self.narrow and self.is_sensitive(number, name, x, y):
                    self.outcome.counts["operators differ as small changes of the inputs do"] += 1
                    continue
                if why and not (self.narrow and same):
                    self.fail("operators differ", f"{form} {name} {why} in case {number}")
                    return

    def check_prefix(self, step: str, kind: str) -> None:
        """Check that a step that leaves drawn ids out keeps the rows of the tokens after them."""
        ids = [int(i) for i in self.rng.integers(0, 11, int(self.rng.integers(1, 4)))]
        if all(one.name != "input_ids" for one in self.model.graph.input):
            return
        model = basin.load(self.path)
        target = self.folder / "shorter.onnx"
        try:
            requests = as_requests([(step, {"ids": ids})])
            prepared = prepare_steps(model, requests, self.folder)
            model.rewrite(*((name, dict(given)) for name, given in prepared.requests))
            model.save(target)
        except (basin.BasinError, VerifyError) as error:
            self.outcome.counts[f"{kind} refused: {shorten(str(error))}"] += 1
            return
        self.outcome.counts[f"{step} kept"] += 1
        whole = copy.copy(self)
        whole.prefix = prepared.run
        whole.cases, whole.results, kept = [], [], []
        before, after = open_session(self.path), open_session(target)
        for case in self.cases:
            values = extend(case.values, prepared.run)
            try:
                left = run_session(before, values, self.path)
            except VerifyError:
                # The table of positions is too short for both.
                continue
            kept.append(case)
            whole.cases.append(replace(case, values=values))
            whole.results.append(cut(left, prepared.run))
        for number, case in enumerate(kept):
            try:
                right = run_session(after, case.values, target)
            except VerifyError as error:
                self.fail(f"{kind} invalid", str(error)[:300])
                return
            for name in self.names:
                x, y = np.asarray(whole.results[number][name]), np.asarray(right[name])
                same = x.dtype == y.dtype and x.shape == y.shape
                why = beyond_rounding(x, y) if same else f"is {y.shape} in place of {x.shape}"
                if why and same and (self.narrow or whole.is_sensitive(number, name, x, y)):
                    self.outcome.counts[f"{kind} differ as small changes of the inputs do"] += 1
                elif why:
                    self.fail(f"{kind} differ", f"{ids} {name} {why} in case '{case.name}'")
                    return

    def check_rewrites(self, most: int, only: str | None = None) -> None:
        """Check some rewrites that are drawn. Without an addition there is no stream to scale."""
        skips = {"SkipLayerNormalization", "SkipSimplifiedLayerNormalization"}
        operators = {node.op_type for node in self.model.graph.node}
        streams = not operators.isdisjoint(skips | {"Add"})
        inserts = [name for name in SMALL_REWRITES if name.startswith("insert-")]
        names = list(DRAWN) if streams else inserts
        if not operators.isdisjoint(skips):
            # Such an operator is taken apart, and sums in another order.
            names = [name for name in names if name != "clip nothing"]
        self.rng.shuffle(names)
        for name in names[:most]:
            passes = DRAWN[name](self.rng)
            form = "{form=functions}" if self.rng.random() < 0.1 else ""
            if only is None or only == name:
                pipeline = f"{RAISE},{passes},{LOWER}{form}"
                self.compare(name, pipeline, refusable=True, what=passes + form)

    def check_change(self) -> None:
        """Check that the result of a step that changes the function runs, with the same shapes."""
        name = str(self.rng.choice([name for name in CHANGES if name not in (*SINKS, TOKENS)]))
        passes = CHANGING[name](self.rng)
        target = self.folder / "changed.onnx"
        try:
            model = basin.load(self.path)
            model.run(f"builtin.module({RAISE},{passes},{LOWER})")
            model.save(target)
        except basin.BasinError as error:
            self.outcome.counts[f"{name} refused: {shorten(str(error))}"] += 1
            return
        self.outcome.counts[f"{name} done"] += 1
        broken = measure(self.path, target).broken
        if broken and not (self.narrow and "NOT_IMPLEMENTED" in broken):
            self.fail("change invalid", f"{passes} {broken[:300]}")

    def check_sinks(self) -> None:
        """Two rows of zeros beside the keys are a logit of log(2): each step computes the other.

        Of the two, one changes the nodes of the softmax, and the other writes all of them anew.
        """
        found: dict[str, Results] = {}
        for name, passes in SINKS.items():
            target = self.folder / "sinks.onnx"
            try:
                model = basin.load(self.path)
                model.run(f"builtin.module({RAISE},{passes},{LOWER})")
                model.save(target)
                found[name] = self.run(target)
            except basin.BasinError as error:
                self.outcome.counts[f"{name} refused: {shorten(str(error))}"] += 1
                return
            except VerifyError as error:
                # A mask larger than the scores widens those of the keys, but not those of rows.
                if "concatbase" in str(error):
                    self.outcome.counts["sinks of a mask larger than the scores"] += 1
                elif not (self.narrow and "NOT_IMPLEMENTED" in str(error)):
                    self.fail("sinks invalid", f"{name} {str(error)[:300]}")
                return
            self.outcome.counts[f"{name} kept"] += 1
        for number, (left, right) in enumerate(zip(*found.values())):
            for name in self.names:
                x, y = np.asarray(left[name]), np.asarray(right[name])
                if x.shape != y.shape:
                    self.outcome.counts["sinks of a mask larger than the scores"] += 1
                    return
                # Below the normal range a last bit is a large part of a number.
                with np.errstate(all="ignore"):
                    far = np.abs(x.astype(np.float64) - y.astype(np.float64))
                same_nan = np.array_equal(np.isnan(x), np.isnan(y))
                is_tiny = same_nan and float(np.nanmax(far, initial=0)) < 2.0**-100
                if (why := beyond_rounding(x, y)) and not (self.narrow or is_tiny):
                    self.fail("sinks differ", f"{name} {why} in case {number}")
                    return


SINKS = {
    "insert-sink-logits": f"sink-insert-sink-logits{{init={math.log(2)!r}}}",
    "insert-sink-kv": "sink-insert-sink-kv{count=2}",
}
# The step whose models take sequences without their first tokens has a check of its own.
TOKENS = "insert-sink-tokens"
KEEPING_FUNCTIONS = "basin-raise{inline-functions=false}"


def _k(rng: np.random.Generator) -> str:
    """A drawn k, mostly moderate. With others, values may leave f32's normal range."""
    k = rng.choice([-8, -3, 1, 4, 6, 10] if rng.random() < 0.85 else [-40, 30, 54, 60])
    return f"sink-rescale-residual{{k={int(k)}}}"


def _dims(rng: np.random.Generator) -> str:
    dims = rng.choice(8, int(rng.integers(1, 3)), replace=False)
    scales = rng.choice([0.0625, 0.5, 2.0, 16.0, 1024.0], len(dims))
    pairs = ",".join(f"{d % 4 if i == 0 else d}:{s}" for i, (d, s) in enumerate(zip(dims, scales)))
    return f"sink-absorb-residual-sinks{{scale-dims={pairs}}}"


def _one_dim(rng: np.random.Generator) -> str:
    return f"sink-absorb-residual-sinks{{scale-dims=0:{rng.choice([0.125, 4.0, 64.0])}}}"


def _gates(rng: np.random.Generator) -> str:
    act, width = rng.choice(["sigmoid", "identity"]), rng.choice(["element", "tensor"])
    return f"sink-insert-gated-norm{{rank=2 norms=all activation={act} granularity={width}}}"


# Options of these rewrites are drawn. The other steps have the options that all suites use.
DRAWN = {name: lambda rng, passes=passes: passes for name, passes in SMALL_REWRITES.items()} | {
    "rescale-residual": _k,
    "absorb-residual": _one_dim,
    "insert-gated-norm": _gates,
    # Only what is infinite is clipped at f32's largest number.
    "clip nothing": lambda rng: "sink-clip-residual{bound=3.4e38}",
    "absorb two": _dims,
    "absorb, insert": lambda rng: _one_dim(rng) + ",sink-insert-pre-affine",
    "rescale, absorb": lambda rng: _k(rng) + "," + _one_dim(rng),
}


def _bound(rng: np.random.Generator) -> str:
    return f"sink-clip-residual{{bound={rng.choice([0.01, 0.5, 4.0, 1000.0])}}}"


def _dyt(rng: np.random.Generator) -> str:
    function, norms = rng.choice(["tanh", "erf"]), rng.choice(["all", "residual"])
    alpha = rng.choice([0.25, 1.0, 3.0])
    return f"sink-replace-norm-with-dyt{{function={function} norms={norms} alpha={alpha}}}"


CHANGING = {name: lambda rng, passes=passes: passes for name, passes in CHANGES.items()} | {
    "clip-residual": _bound,
    "replace-norm-with-dyt": _dyt,
}


def check_model(
    model: onnx.ModelProto, seed: int, rewrites: int = 2, only: str | None = None
) -> Outcome:
    """Run all checks of one model, or only the check for the kind of failure `only`."""
    with tempfile.TemporaryDirectory(prefix="basin-graph-", dir=FOLDER) as folder:
        subject = Subject(model, Path(folder), seed)
        if not subject.prepare():
            return subject.outcome
        if only is None or only.startswith("round trip"):
            subject.compare("round trip", None, refusable=False)
        if only is None or only.startswith("raise and lower"):
            subject.compare("raise and lower", f"{KEEPING_FUNCTIONS},{LOWER}", refusable=False)
        if only is None or only.startswith("recognition"):
            subject.check_recognition()
        if only is None or only.startswith("operators"):
            subject.check_operators()
        if only is None or only.startswith("prefix"):
            subject.check_prefix("absorb-prefix", "prefix")
        if only is None or only.startswith("tokens"):
            subject.check_prefix(TOKENS, "tokens")
        if only is None or only.startswith("sinks"):
            subject.check_sinks()
        if only is None or only.startswith("change"):
            subject.check_change()
        if only is None or only.startswith("smooth"):
            check_smoothing(subject)
        if only is None or only.startswith("rotate"):
            check_rotation(subject)
        name = None if only is None else only.rpartition(" ")[0]
        if only is None or name in DRAWN:
            subject.check_rewrites(rewrites, name)
        return subject.outcome
