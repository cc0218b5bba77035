"""Distance between two outputs: absolute, relative, in ulps, and whether the bits are the same.

An ulp here is one step between neighbouring representable values. The bits, read as sign and
magnitude, map to integers in the order of the values. So +0 and -0 are 0 ulps apart, although they
are not bit-identical, and the smallest positive and negative denormals are 2 apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from basin.inputs.types import is_float


@dataclass(frozen=True)
class OutputReport:
    """Figures of one output. `max_ulp` is None if the type has no ulps; `failure` is a reason.

    `differing` counts elements whose bits differ. A NaN on one side only, another shape or another
    type is a failure, for any tolerance.
    """

    name: str
    max_abs: float = 0.0
    max_rel: float = 0.0
    max_ulp: int | None = None
    differing: int = 0
    total: int = 0
    failure: str | None = None

    @property
    def bit_identical(self) -> bool:
        """Whether every element has the same bits on both sides."""
        return self.failure is None and self.differing == 0

    @classmethod
    def failed(cls, name: str, reason: str) -> OutputReport:
        """Return the report of an output that cannot be compared."""
        return cls(name, max_abs=np.inf, max_rel=np.inf, failure=reason)

    def merged(self, other: OutputReport) -> OutputReport:
        """Return the worse of both figures, counts added; the first failure is kept."""
        ulps = [u for u in (self.max_ulp, other.max_ulp) if u is not None]
        return replace(
            self,
            max_abs=max(self.max_abs, other.max_abs),
            max_rel=max(self.max_rel, other.max_rel),
            max_ulp=max(ulps) if ulps else None,
            differing=self.differing + other.differing,
            total=self.total + other.total,
            failure=other.failure or self.failure,
        )

    def describe(self) -> str:
        """Return the figures as one line."""
        if self.failure:
            return f"FAIL: {self.failure}"
        if self.bit_identical:
            return f"bit-identical ({self.total} elements)"
        ulp = "" if self.max_ulp is None else f", {self.max_ulp} ulp"
        return (
            f"{self.differing} of {self.total} elements differ, at most {self.max_abs:.6g} "
            f"absolute, {self.max_rel:.6g} relative{ulp}"
        )


def ordered(array: np.ndarray) -> np.ndarray:
    """Map floats to int64 in the order of their values, one step per representable value."""
    size = array.dtype.itemsize
    bits = array.view(f"u{size}").astype(np.uint64)
    sign = np.uint64(1) << np.uint64(8 * size - 1)
    magnitude = (bits & (sign - np.uint64(1))).astype(np.int64)
    return np.asarray(np.where(bits & sign != 0, -magnitude, magnitude))


def ulp_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the number of steps between elements, uint64; NaN is not treated apart."""
    x, y = ordered(a), ordered(b)
    high, low = np.maximum(x, y), np.minimum(x, y)
    # The difference of two int64 may need 64 bits: subtract modulo 2^64, which is exact here.
    steps: np.ndarray = high.view(np.uint64) - low.view(np.uint64)
    return steps


def compare_output(name: str, a: object, b: object) -> OutputReport:
    """Compare one output of two models: arrays, or ORT's lists, dicts and None for other types."""
    if a is None or b is None:
        same = a is None and b is None
        return OutputReport(name) if same else OutputReport.failed(name, "absent on one side")
    if isinstance(a, dict) and isinstance(b, dict):
        same = a == b
        return OutputReport(name, differing=int(not same), total=1)
    if isinstance(a, list) and isinstance(b, list):
        return _compare_lists(name, a, b)
    return compare_arrays(name, np.asarray(a), np.asarray(b))


def _compare_lists(name: str, a: list[object], b: list[object]) -> OutputReport:
    if len(a) != len(b):
        return OutputReport.failed(name, f"sequence length {len(a)} against {len(b)}")
    report = OutputReport(name)
    for x, y in zip(a, b, strict=True):
        report = compare_output(name, x, y).merged(report)
    return report


def compare_arrays(name: str, a: np.ndarray, b: np.ndarray) -> OutputReport:
    """Compare two arrays; shape and type have to agree."""
    if a.dtype != b.dtype and not (a.dtype.kind in "OUS" and b.dtype.kind in "OUS"):
        return OutputReport.failed(name, f"type {a.dtype} against {b.dtype}")
    if a.shape != b.shape:
        return OutputReport.failed(name, f"shape {list(a.shape)} against {list(b.shape)}")
    if a.dtype.kind == "c":
        part = np.float32 if a.dtype == np.complex64 else np.float64
        a, b = (np.ascontiguousarray(x).reshape(-1).view(part) for x in (a, b))
    if is_float(a.dtype):
        return _compare_floats(name, np.ascontiguousarray(a), np.ascontiguousarray(b))
    differing = int(np.count_nonzero(a != b))
    if not differing or a.dtype.kind not in "iu":
        infinite = np.inf if differing else 0.0
        return OutputReport(name, infinite, infinite, None, differing, a.size)
    x, y = a.astype(object), b.astype(object)
    distance = float(np.max(np.abs(x - y)))
    scale = np.maximum(np.maximum(np.abs(x), np.abs(y)), 1)
    return OutputReport(name, distance, float(np.max(abs(x - y) / scale)), None, differing, a.size)


def _compare_floats(name: str, a: np.ndarray, b: np.ndarray) -> OutputReport:
    bits = f"u{a.dtype.itemsize}"
    # NaNs are found in float64, because not every narrow type has an isnan of its own.
    with np.errstate(all="ignore"):
        x, y = a.astype(np.float64).reshape(-1), b.astype(np.float64).reshape(-1)
    unequal = (a.view(bits) != b.view(bits)).reshape(-1)
    differing = int(np.count_nonzero(unequal))
    nan_a, nan_b = np.isnan(x), np.isnan(y)
    if np.any(nan_a != nan_b):
        index = int(np.argmax(nan_a != nan_b))
        side = "first" if nan_a[index] else "second"
        where = list(map(int, np.unravel_index(index, a.shape)))
        reason = f"NaN in the {side} model only, first at {where}"
        return replace(OutputReport.failed(name, reason), differing=differing, total=a.size)
    # Equal bits first: the difference of equal infinities is NaN, and of two NaNs as well.
    rows = unequal & ~nan_a
    if not np.any(rows):
        return OutputReport(name, 0.0, 0.0, 0, differing, a.size)
    x, y = x[rows], y[rows]
    with np.errstate(all="ignore"):
        distance = np.abs(x - y)
        scale = np.maximum(np.abs(x), np.abs(y))
        relative = np.where(distance == 0, 0.0, np.where(np.isinf(scale), np.inf, distance / scale))
    steps = ulp_distance(a.reshape(-1)[rows], b.reshape(-1)[rows])
    return OutputReport(
        name, float(distance.max()), float(relative.max()), int(steps.max()), differing, a.size
    )
