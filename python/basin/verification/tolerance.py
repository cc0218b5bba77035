"""How far a form may be from its meaning: bounds by type, conditioning, and loss by rounding.

The comparison of one op's two sides and its tests share it. NaN equals NaN, and infinity itself.
"""

from __future__ import annotations

import numpy as np

from basin.inputs.types import is_float

# The largest difference of a form from its decomposition, relative to the row's largest value.
TOLERANCE = {
    "float64": 1e-11,  # some 10^4 roundings of 2^-53
    "float32": 2e-5,  # some 300 roundings of 2^-24: sums of a few hundred terms in another order
    "float16": 2e-2,  # forms in f16 round each node to 2^-11, sums and squares among them
    "bfloat16": 1e-1,  # the same with 2^-8
}
# A form may be NOISE times as far from the decomposition as that is from its f64 values, because
# both round at other places. Unless inputs are large, the noise counts only up to MAX_NOISE of a
# row's largest value: a mask of -1e9 rounds scores away in f32, and would excuse every meaning.
NOISE, MAX_NOISE = 32.0, 0.02


def compare_sides(
    form: np.ndarray,
    meaning: np.ndarray,
    exact: np.ndarray | None = None,
    large: bool = False,
    precision: str = "",
    lost: np.ndarray | float = 0.0,
    scaled: bool = False,
) -> tuple[float, float, str | None]:
    """The largest difference, that over the allowed difference, and what is wrong, or None.

    NaN equals NaN, and infinity itself. A row is an innermost vector. If a form rounds to a
    narrower type inside (`precision`), any row may be lost by that, so it differs only if a quarter
    of the rows do. Inputs that are `scaled` may leave that type's range, and then prove nothing.
    `lost` is also allowed, relative to a row's largest value. A row that loses infinitely much
    proves nothing.
    """
    if form.dtype != meaning.dtype:
        return np.inf, np.inf, f"type {form.dtype} against {meaning.dtype}"
    if form.shape != meaning.shape:
        return np.inf, np.inf, f"shape {list(form.shape)} against {list(meaning.shape)}"
    if not form.size:
        return 0.0, 0.0, None
    if not is_float(form.dtype):
        same = bool(np.array_equal(form, meaning))
        return (0.0, 0.0, None) if same else (np.inf, np.inf, "other integers")
    narrower = np.dtype(form.dtype).itemsize > 2 and precision in ("float16", "bfloat16")
    with np.errstate(all="ignore"):
        a, b = (rows_of(x) for x in (form, meaning))
        if narrower and scaled:
            return 0.0, 0.0, None
        if narrower:
            return _compare_most(a, b, TOLERANCE[precision])
        unequal = (np.isfinite(a) | np.isfinite(b)) & ~(np.isfinite(a) & np.isfinite(b))
        unequal |= np.isinf(a) & np.isinf(b) & (a != b) | (np.isnan(a) != np.isnan(b))
        loss = np.broadcast_to(_per_row(lost, a), a.shape[:1])
        unequal &= np.isfinite(loss)[:, None]
        if unequal.any():
            at = tuple(np.argwhere(unequal)[0])
            return np.inf, np.inf, f"{a[at]:g} against {b[at]:g} at row {at[0]}, element {at[1]}"
        finite = np.isfinite(a) & np.isfinite(b)
        difference = np.where(finite, np.abs(a - b), 0.0).max(axis=1)
        noise = 0.0
        if exact is not None and exact.shape == form.shape:
            noise = _noise(b[np.isfinite(loss)], rows_of(exact)[np.isfinite(loss)])
        allowed = _allowed(form.dtype.name, b, (noise if large else min(noise, MAX_NOISE)) + loss)
    ratio = np.where(difference == 0, 0.0, difference / np.maximum(allowed, 1e-300))
    row = int(np.argmax(ratio))
    worst = float(difference[row])
    why = f"{worst:.3g} in row {row}, {allowed[row]:.3g} allowed" if ratio[row] > 1 else None
    return float(difference.max()), float(ratio[row]), why


def _compare_most(
    a: np.ndarray, b: np.ndarray, tolerance: float
) -> tuple[float, float, str | None]:
    """Compare the upper quartile of rows, without those that leave the narrower type's range."""
    finite = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    if not finite.any():
        return 0.0, 0.0, None
    difference = np.abs(a - b)[finite].max(axis=1)
    ratio = difference / np.maximum(tolerance * np.abs(b[finite]).max(axis=1), 1e-300)
    ratio = np.where(difference == 0, 0.0, ratio)
    most = float(np.quantile(ratio, 0.75, method="lower"))
    why = f"most rows differ by more than {most:.3g} times what is allowed" if most > 1 else None
    return float(difference.max()), most, why


def rows_of(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    return x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)


def _per_row(lost: np.ndarray | float, rows: np.ndarray) -> np.ndarray | float:
    """One figure for each row; the largest if an operand was broadcast to the result."""
    fits = np.ndim(lost) == 0 or np.shape(lost) == rows.shape[:1]
    return lost if fits else float(np.max(lost, initial=0.0))


def _noise(meaning: np.ndarray, exact: np.ndarray) -> float:
    """How far rounding moved the decomposition, relative to a row's largest value."""
    size = np.where(np.isfinite(exact), np.abs(exact), 0.0).max(axis=1)
    distance = np.abs(meaning - exact)
    distance = np.where(np.isfinite(distance), distance, 0.0).max(axis=1)
    return float((NOISE * distance / np.maximum(size, 1e-300)).max(initial=0.0))


def _allowed(dtype: str, meaning: np.ndarray, noise: np.ndarray | float) -> np.ndarray:
    """A bound for each row, from its largest value.

    A share of attention below the normal range has few bits, and it weighs values as large as those
    of other rows.
    """
    size = np.where(np.isfinite(meaning), np.abs(meaning), 0.0).max(axis=1)
    tiny = float(np.finfo(np.float16).tiny) if dtype == "float16" else 1e-37
    tiny *= max(1.0, float(size.max(initial=0.0)))
    bound = TOLERANCE.get(dtype, TOLERANCE["bfloat16"]) + noise
    return np.asarray(bound * np.maximum(size, tiny))
