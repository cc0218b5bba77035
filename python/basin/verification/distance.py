"""How far a rewrite's outputs are from the original's, for steps that change the function.

Both models run on the drawn inputs of a proof (`basin.verification.proof`), by the same runners.
An output counts as logits if its name ends with "logits", or if its last axis has as many elements
as the table of tokens has rows. For logits there is also the mean over all rows of the
Kullback-Leibler divergence KL(original || rewritten) of their softmax, in nats.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

import numpy as np

from basin.errors import VerifyError
from basin.inputs.drawn_inputs import FEW, Recipe
from basin.inputs.signature import Facts, read_facts
from basin.inputs.types import is_float
from basin.prefix import PrefixRun
from basin.verification.caches import Caches
from basin.verification.proof import (
    DEFAULT_LIMIT,
    REFERENCE_LIMIT,
    Runner,
    count_bytes,
    is_narrow,
    run_after,
    run_before,
    runners_for,
)
from basin.verification.runners import ReferenceRunner, RuntimeRunner

__all__ = ["Distance", "OutputDistance", "are_logits", "log_softmax", "measure", "sum_divergences"]

# A model with a cache has two outputs for each layer.
_SHOWN = 8
_LOGITS = re.compile(r"(^|[./_\-:])logits$", re.IGNORECASE)


@dataclass
class OutputDistance:
    """The distance of one output, summed over all cases.

    `largest` is the largest absolute difference of finite elements. `lost` elements are NaN or
    infinite where the original's are neither. `differing` counts elements that are no floats.
    """

    name: str
    largest: float = 0.0
    differing: int = 0
    lost: int = 0
    total: int = 0
    first_lost: str = ""
    squares: float = 0.0
    finite: int = 0
    divergence: float = 0.0
    rows: int = 0

    @property
    def root_mean_square(self) -> float:
        """Of the original's finite elements."""
        return float(np.sqrt(self.squares / self.finite)) if self.finite else 0.0

    @property
    def relative(self) -> float:
        """The largest difference in units of the root mean square."""
        if self.largest == 0:
            return 0.0
        return self.largest / self.root_mean_square if self.squares else np.inf

    @property
    def mean_divergence(self) -> float | None:
        """The mean KL to the original in nats, or None for an output that is no logits."""
        return self.divergence / self.rows if self.rows else None

    def add(self, case: str, before: np.ndarray, after: np.ndarray, is_logits: bool) -> None:
        """Add the output of one case."""
        self.total += before.size
        if not is_float(before.dtype):
            self.differing += int(np.count_nonzero(before != after))
            return
        with np.errstate(all="ignore"):
            x, y = before.astype(np.float64), after.astype(np.float64)
            lost = np.isfinite(x) & ~np.isfinite(y)
            both = np.isfinite(x) & np.isfinite(y)
            self.largest = max(self.largest, float(np.abs(x - y)[both].max(initial=0.0)))
            self.squares += float(np.square(x[np.isfinite(x)]).sum())
        self.finite += int(np.isfinite(x).sum())
        if lost.any():
            self.first_lost = self.first_lost or case
            self.lost += int(lost.sum())
        if is_logits and x.ndim:
            divergence, rows = sum_divergences(x, y)
            self.divergence += divergence
            self.rows += rows

    def describe(self) -> list[str]:
        """Lines for a user."""
        if not self.finite:
            # No floats, or none that are finite in the original.
            where = f"{self.differing} of {self.total} elements"
            differs = f"output '{self.name}' differs from the original's in {where}"
            return [differs] if self.differing else []
        lines = []
        if self.lost:
            lines = [
                f"output '{self.name}' has NaN or infinity in {self.lost} of {self.total} elements "
                f"where the original has neither, first in case '{self.first_lost}'"
            ]
        far = (
            f"output '{self.name}' is at most {self.largest:.3g} away from the original's, whose "
            f"root mean square is {self.root_mean_square:.3g}"
        )
        kl = self.mean_divergence
        return [*lines, far if kl is None else f"{far}; the mean KL is {kl:.3g} nats"]


@dataclass(frozen=True)
class Distance:
    """`broken` says why the result is none, `skipped` why nothing was measured."""

    outputs: list[OutputDistance] = field(default_factory=list)
    broken: str | None = None
    skipped: str | None = None

    def describe(self) -> list[str]:
        """Lines for a user: of logits, of lost elements, and of the outputs that differ most."""
        floats = sorted(
            (one for one in self.outputs if one.finite),
            key=lambda one: (one.mean_divergence is None, -one.relative),
        )
        far = floats[:_SHOWN]
        lines = [
            line
            for one in self.outputs
            if one in far or one.lost or not one.finite
            for line in one.describe()
        ]
        rest = len(floats) - len(far)
        if rest:
            lines.append(
                f"{rest} further outputs differ by less, relative to their root mean squares"
            )
        return lines


def measure(
    before: str | os.PathLike[str],
    after: str | os.PathLike[str],
    limit: int = DEFAULT_LIMIT,
    recipes: tuple[Recipe, ...] = FEW,
    prefix: PrefixRun | None = None,
) -> Distance:
    """Run both models on drawn inputs, and measure how far each output is from the original's.

    If a `prefix` was absorbed, the original gets it in front of each sequence, as in `prove`.
    """
    size = count_bytes(before)
    if size > limit:
        return Distance(skipped=f"the model has {size} bytes, the limit is {limit}")
    try:
        facts = read_facts(before)
        narrow = is_narrow(before)
        caches = Caches.read(read_facts(after).metadata)
    except VerifyError as error:
        return Distance(skipped=str(error))
    refused = "no runner"
    for runner in runners_for(narrow, facts.parameters):
        kept, refused = run_before(before, runner, recipes, narrow, prefix)
        if not kept:
            continue
        outputs: dict[str, OutputDistance] = {}
        try:
            second = _open(after, runner, facts.parameters)
            if second is None:
                return Distance(
                    skipped="ONNX Runtime has no kernel for one of the nodes of the result"
                )
            for case, left in kept:
                right = run_after(second, case, left, caches)
                why = None if right is None else _add(outputs, case.name, left, right, facts)
                if why:
                    return Distance(broken=why)
        except VerifyError as error:
            return Distance(broken=f"the result does not run: {error}")
        if not outputs:
            return Distance(skipped="no drawn input has an output to compare")
        return Distance(list(outputs.values()))
    return Distance(skipped=refused)


def _open(
    after: str | os.PathLike[str], runner: Runner, parameters: int
) -> RuntimeRunner | ReferenceRunner | None:
    """The result, in the reference evaluator if ONNX Runtime lacks a kernel for one of its types.

    Returns None for one that is too large for that.
    """
    try:
        return runner(after)
    except VerifyError as error:
        if "NOT_IMPLEMENTED" not in str(error):
            raise
    return ReferenceRunner(after) if parameters <= REFERENCE_LIMIT else None


def _add(
    outputs: dict[str, OutputDistance],
    case: str,
    left: dict[str, object],
    right: dict[str, object],
    facts: Facts,
) -> str | None:
    """Add the outputs of one case. Returns why they cannot be compared, if they cannot."""
    for name, x in left.items():
        y = right.get(name)
        if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
            if str(x) != str(y):
                return f"output '{name}' is absent or no tensor"
            continue
        if x.dtype != y.dtype or x.shape != y.shape:
            return (
                f"output '{name}' is {y.dtype} {list(y.shape)}, but was {x.dtype} {list(x.shape)}"
            )
        distance = outputs.setdefault(name, OutputDistance(name))
        distance.add(case, x, y, are_logits(name, x, facts))
    return None


def are_logits(name: str, value: np.ndarray, facts: Facts) -> bool:
    """Whether an output looks like logits, by its name or by the size of its last axis."""
    if _LOGITS.search(name):
        return True
    words = facts.bounds.get("input_ids", max(facts.bounds.values(), default=0))
    return value.ndim > 1 and words > 1 and value.shape[-1] == words


def sum_divergences(x: np.ndarray, y: np.ndarray) -> tuple[float, int]:
    """The sum of KL(softmax(x) || softmax(y)) over the last axis, in nats, and the number of rows.

    Counts rows of f64 whose elements are finite, or are minus infinity in both.
    """
    known = np.isfinite(x) & np.isfinite(y) | ((x == y) & (x < 0))
    usable = known.all(axis=-1) & np.isfinite(x).any(axis=-1)
    p, q = (log_softmax(z[usable]) for z in (x, y))
    with np.errstate(all="ignore"):
        terms = np.where(np.isfinite(p), np.exp(p) * (p - q), 0.0)
    return float(terms.sum()), int(usable.sum())


def log_softmax(rows: np.ndarray) -> np.ndarray:
    """Logarithms of the softmax over the last axis of f64."""
    with np.errstate(all="ignore"):
        shifted = rows - rows.max(axis=-1, keepdims=True, initial=-np.inf)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
