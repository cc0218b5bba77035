"""A rewrite's promise, proven by runs: the model before and after give the same bits.

Both run in ONNX Runtime, with optimizations off, on drawn inputs. A model that computes in f16 or
bf16 runs in onnx's reference evaluator, which rounds after each node. ONNX Runtime's CPU provider
has no kernels for most such nodes, runs them in f32 and drops the roundings between them, so its
bits prove nothing. If only ONNX Runtime can run such a model, a difference counts if it is more
than rounding.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from basin.errors import VerifyError
from basin.inputs.drawn_inputs import FEW, Case, Recipe, draw_cases
from basin.inputs.signature import read_facts
from basin.inputs.types import is_float
from basin.prefix import PrefixedRunner, PrefixRun
from basin.verification.caches import Caches, is_unpromised
from basin.verification.kept_tokens import find_kept, keep
from basin.verification.runners import ReferenceRunner, RuntimeRunner

__all__ = [
    "DEFAULT_LIMIT",
    "Proof",
    "beyond_rounding",
    "count_bytes",
    "is_narrow",
    "prove",
    "run_after",
    "run_before",
    "runners_for",
]

# Models with at most this many bytes of weights are run: two loads and a few runs take seconds.
DEFAULT_LIMIT = 2 << 30
# Up to this many elements of weights, numpy's products in f16 take seconds.
REFERENCE_LIMIT = 1 << 22
# Relative to an output's largest value: the difference that f16 roundings at other places can make
# in a few layers.
_ROUNDING = 0.05
# The same for f32. Operators sum in another order than the nodes that they replace, and large
# inputs make rounding larger.
_SUMMING = 1e-3
_NARROW = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)


@dataclass(frozen=True)
class Proof:
    """`broken` says where the promise fails, `skipped` why it was not checked; else it holds.

    `differing` of `total` elements have other values, which are at most `largest` apart. They are
    counted where differences by rounding are allowed.
    """

    cases: int = 0
    broken: str | None = None
    skipped: str | None = None
    differing: int = 0
    total: int = 0
    largest: float = 0.0


def prove(
    before: str | os.PathLike[str],
    after: str | os.PathLike[str],
    limit: int = DEFAULT_LIMIT,
    recipes: tuple[Recipe, ...] = FEW,
    rounds: bool = False,
    prefix: PrefixRun | None = None,
    only_kept: bool = False,
) -> Proof:
    """Run both models on drawn inputs and compare their outputs' bits, or, if the rewrite `rounds`,
    compare them except for rounding.

    If a `prefix` was absorbed, the model before it gets the prefix in front of each sequence, and
    its outputs lose the prefix's rows. With `only_kept`, where a mask may leave a query without a
    key, only the tokens that it keeps are compared.
    """
    compare = partial(_compare, only_kept=only_kept)
    size = count_bytes(before)
    if size > limit:
        return Proof(skipped=f"the model has {size} bytes, the limit is {limit}")
    try:
        facts = read_facts(before)
        narrow = is_narrow(before)
    except VerifyError as error:
        return Proof(skipped=str(error))
    if rounds:
        tally = _Tally()
        proof = compare(before, after, RuntimeRunner, recipes, tally, narrow, prefix)
        if proof.skipped and narrow and facts.parameters <= REFERENCE_LIMIT:
            tally = _Tally()
            proof = compare(before, after, ReferenceRunner, recipes, tally, narrow, prefix)
        return replace(proof, differing=tally.differing, total=tally.total, largest=tally.largest)
    if narrow and facts.parameters <= REFERENCE_LIMIT:
        proof = compare(before, after, ReferenceRunner, recipes, _different_bits, narrow)
        if proof.skipped is None:
            return proof
    if not narrow:
        return compare(before, after, RuntimeRunner, recipes, _different_bits)
    proof = compare(before, after, RuntimeRunner, recipes, _more_than_rounding, narrow)
    if proof.broken or proof.skipped:
        return proof
    return Proof(skipped="ONNX Runtime does not round to f16 between nodes; as far as it tells, "
                         "the outputs are equal up to rounding")  # fmt: skip


def count_bytes(path: str | os.PathLike[str]) -> int:
    """The size of a model, and of the parts that it uses of the files beside it."""
    total = os.path.getsize(path)
    if total > DEFAULT_LIMIT:
        return total
    try:
        files = read_facts(path).files
    except VerifyError:
        return total
    folder = Path(path).parent
    return total + sum(
        (folder / name).stat().st_size for name in files if (folder / name).is_file()
    )


def is_narrow(path: str | os.PathLike[str]) -> bool:
    """Whether a model computes in f16 or bf16 somewhere: a tensor, an input or a Cast says so."""
    model = onnx.load(os.fspath(path), format="protobuf", load_external_data=False)

    def graph_is(graph: onnx.GraphProto) -> bool:
        if any(t.data_type in _NARROW for t in graph.initializer):
            return True
        if any(i.type.tensor_type.elem_type in _NARROW for i in graph.input):
            return True
        return any(node_is(node) for node in graph.node)

    def node_is(node: onnx.NodeProto) -> bool:
        return any(
            (a.name == "to" and a.i in _NARROW)
            or a.t.data_type in _NARROW
            or any(graph_is(g) for g in (a.g, *a.graphs))
            for a in node.attribute
        )

    return graph_is(model.graph) or any(node_is(n) for f in model.functions for n in f.node)


Runner = type[RuntimeRunner] | type[ReferenceRunner]
Differ = Callable[[np.ndarray, np.ndarray], str | None]


def _compare(
    before: str | os.PathLike[str],
    after: str | os.PathLike[str],
    runner: Runner,
    recipes: tuple[Recipe, ...],
    differ: Differ,
    narrow: bool = False,
    prefix: PrefixRun | None = None,
    only_kept: bool = False,
) -> Proof:
    """Compare one model after the other, so that only one at a time is in memory."""
    kept, refused = run_before(before, runner, recipes, narrow, prefix)
    if not kept:
        return Proof(skipped=refused)
    caches = Caches.read(read_facts(after).metadata)
    checked = 0
    try:
        second = runner(after)
        for case, left in kept:
            right = run_after(second, case, left, caches)
            if right is None:
                continue
            checked += caches is None or caches.has_past(case.values)
            tokens = find_kept(case.values) if only_kept else None
            for name, value in left.items():
                why = _differing(value, right.get(name), _differ_where(case, tokens, differ))
                if why:
                    return Proof(len(kept), f"output '{name}' {why} in case '{case.name}'")
    except VerifyError as error:
        return Proof(len(kept), f"the result does not run: {error}")
    if not checked:
        return Proof(skipped="no drawn input has one query or one sequence after a past")
    return Proof(checked)


def runners_for(narrow: bool, parameters: int) -> list[Runner]:
    """The runners of a model, the one that tells most first."""
    if narrow and parameters <= REFERENCE_LIMIT:
        return [ReferenceRunner, RuntimeRunner]
    return [RuntimeRunner]


def run_before(
    before: str | os.PathLike[str],
    runner: Runner,
    recipes: tuple[Recipe, ...],
    narrow: bool,
    prefix: PrefixRun | None = None,
) -> tuple[list[tuple[Case, dict[str, object]]], str]:
    """The outputs of the original for each drawn case that it takes, and the last refusal."""
    kept: list[tuple[Case, dict[str, object]]] = []
    refused = "no inputs could be drawn"
    try:
        first = runner(before) if prefix is None else PrefixedRunner(runner(before), prefix)
        for case in draw_cases(before, first.session, recipes, narrow=narrow):
            try:
                kept.append((case, first.run(case.values)))
            except VerifyError as error:
                refused = str(error)
    except VerifyError as error:
        refused = str(error)
    return kept, refused


def run_after(
    runner: RuntimeRunner | ReferenceRunner,
    case: Case,
    expected: dict[str, object],
    caches: Caches | None,
) -> dict[str, object] | None:
    """Run the rewritten model, with buffers for caches that it updates in place.

    Returns None for a case that such caches do not promise to take.
    """
    if caches is None:
        return runner.run(case.values)
    try:
        return caches.cut(runner.run(caches.extend(case.values, expected)), expected)
    except VerifyError as error:
        if is_unpromised(error):
            return None
        raise


def _differing(a: object, b: object, differ: Differ) -> str | None:
    if b is None or not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return None if b is not None and str(a) == str(b) else "is absent or no tensor"
    if a.dtype != b.dtype or a.shape != b.shape:
        return f"is {b.dtype} {list(b.shape)}, but was {a.dtype} {list(a.shape)}"
    return differ(a, b)


def _differ_where(case: Case, kept: np.ndarray | None, differ: Differ) -> Differ:
    """`differ` for the tokens that are kept, or for all if `kept` is None."""
    if kept is None:
        return differ

    def differ_there(a: np.ndarray, b: np.ndarray) -> str | None:
        x, y = keep(a, case.values, kept), keep(b, case.values, kept)
        return None if x is None or y is None else differ(x, y)

    return differ_there


def _different_bits(a: np.ndarray, b: np.ndarray) -> str | None:
    """How the bits differ, or None. NaNs may have other bits."""
    if a.tobytes() == b.tobytes():
        return None
    if not is_float(a.dtype):
        return None if np.array_equal(a, b) else "differs"
    with np.errstate(all="ignore"):
        x, y = a.astype(np.float64), b.astype(np.float64)
        wrong = ((x != y) | (np.signbit(x) != np.signbit(y))) & ~(np.isnan(x) & np.isnan(y))
        if not wrong.any():
            return None
        distance = np.abs(x - y)[wrong]
    worst = float(np.max(np.where(np.isnan(distance), np.inf, distance)))
    return f"differs by {worst:.3g} ({int(wrong.sum())} of {a.size} elements)"


def _more_than_rounding(a: np.ndarray, b: np.ndarray) -> str | None:
    """A difference that rounding does not explain, or None."""
    if not is_float(a.dtype):
        return None
    with np.errstate(all="ignore"):
        x, y = a.astype(np.float64), b.astype(np.float64)
        both = np.isfinite(x) & np.isfinite(y)
        if not both.any():
            return None
        worst = float(np.abs(x - y)[both].max())
        return f"differs by {worst:.3g}" if worst > _ROUNDING * np.abs(x[both]).max() else None


class _Tally:
    """`beyond_rounding`, which also counts the elements that differ."""

    def __init__(self) -> None:
        self.differing = self.total = 0
        self.largest = 0.0

    def __call__(self, a: np.ndarray, b: np.ndarray) -> str | None:
        self.total += a.size
        with np.errstate(all="ignore"):
            x, y = (v.astype(np.float64) if is_float(v.dtype) else v for v in (a, b))
            wrong = (x != y) & ~((x != x) & (y != y))
            self.differing += int(np.count_nonzero(wrong))
            if is_float(a.dtype):
                self.largest = max(self.largest, float(np.abs(x - y)[wrong].max(initial=0.0)))
        return beyond_rounding(a, b)


def beyond_rounding(a: np.ndarray, b: np.ndarray) -> str | None:
    """A difference that neither rounding nor another order of sums explains, or None."""
    if not is_float(a.dtype):
        return None if np.array_equal(a, b) else "differs"
    with np.errstate(all="ignore"):
        x, y = a.astype(np.float64), b.astype(np.float64)
        finite = np.isfinite(x)
        if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
            return "has NaN or infinity at other places"
        if not finite.any():
            return None
        worst = float(np.abs(x[finite] - y[finite]).max())
        allowed = _SUMMING if a.dtype.itemsize > 2 else _ROUNDING
        size = float(np.abs(x[finite]).max())
        return f"differs by {worst:.3g}" if not worst <= allowed * size else None
