"""Draws input sets that show differences which plain random inputs hide, for proofs by runs.

The cases have padding on either side, rows in which every key is hidden, one token, sequences of
uneven length, more keys than queries, sizes that all differ and sizes that are all the same, and
magnitudes from 1e-6 to 1e3. A case that cannot change anything (no mask, no float input) is left
out. An input's name and type tell its role (see `basin.inputs.random_inputs`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from basin.errors import VerifyError
from basin.inputs.random_inputs import SizePlan, make_inputs
from basin.inputs.signature import is_past, read_facts
from basin.inputs.types import input_dtype, is_float

# Magnitudes for f16, which leaves its normal range sooner than f32: the square of 1e3 is infinite.
_NARROW = {"tiny": 0.25, "small": 0.5, "large": 8.0}
_WIDE = {"tiny": 1e-6, "small": 1e-3, "large": 1e3}


@dataclass(frozen=True)
class Recipe:
    """How one case is drawn: sizes, which keys are seen, what hides one, how large floats are."""

    name: str
    plan: SizePlan = SizePlan()
    padding: str = "none"
    fill: float = -np.inf
    magnitude: str | None = None
    uneven: bool = False


@dataclass(frozen=True)
class Case:
    """One input set and the name of its recipe.

    Scores of `large` inputs are badly conditioned. `scaled` inputs may leave a narrow type's range.
    """

    name: str
    values: dict[str, np.ndarray]
    large: bool = False
    scaled: bool = False


# Half of the lowest number, because ONNX Runtime's Attention takes the lowest for -infinity.
_LOWEST = float(np.finfo(np.float32).min) / 2
RECIPES = (
    Recipe("plain"),
    Recipe("padding left", padding="left", fill=_LOWEST, uneven=True),
    Recipe("padding right", padding="right", uneven=True),
    Recipe("one token", SizePlan(seq=1, past=3, other=2)),
    Recipe("large values", SizePlan(seq=4, past=2, other=3), magnitude="large"),
    Recipe("tiny values", SizePlan(seq=3, past=2, other=5), magnitude="tiny"),
    Recipe("sizes of one", SizePlan(batch=1, seq=3, past=1, other=1)),
    Recipe("two sequences", SizePlan(batch=2, seq=3, past=5, other=4), padding="right"),
    Recipe("rows all hidden", padding="hidden", fill=_LOWEST),
    Recipe("rows all hidden by -inf", padding="hidden"),
    Recipe("masks at random", SizePlan(seq=6, past=2, other=3), padding="random", fill=-1e4),
    Recipe("more keys than queries", SizePlan(seq=2, past=7, other=7)),
    Recipe("all sizes 4", SizePlan(batch=4, seq=4, past=4, other=4), padding="random"),
    Recipe("all sizes 2", SizePlan(batch=2, seq=2, past=2, other=2), padding="left"),
    Recipe("small values", SizePlan(seq=7, past=1, other=6), magnitude="small"),
)
# Enough for a rewrite of the residual stream, in which no head axis or mask changes its meaning.
FEW = RECIPES[:8]


def draw_cases(
    path: str | os.PathLike[str],
    session: ort.InferenceSession,
    recipes: tuple[Recipe, ...] = RECIPES,
    seed: int = 0,
    narrow: bool = False,
) -> Iterator[Case]:
    """Yield the cases of the model at `path`, open as `session`, that differ from each other.

    For a `narrow` model, magnitudes are those of f16, for inputs of any type. A case is left out
    if its sizes are too large for the model, for example for its table of positions. Raises
    VerifyError if nothing can be drawn for the type of an input.
    """
    facts = read_facts(path)
    signature = session.get_inputs()
    for item in signature:
        input_dtype(item)
    dynamic = any(not isinstance(size, int) for item in signature for size in item.shape)
    seen: list[dict[str, np.ndarray]] = []
    for number, recipe in enumerate(recipes):
        if not (number == 0 or _applies(recipe, signature, dynamic)):
            continue
        plan = recipe.plan if dynamic else SizePlan()
        try:
            values = make_inputs(path, session, seed + number, plan, facts).values
        except VerifyError:
            if number == 0:
                raise
            continue
        rng = np.random.default_rng(seed + 1000 + number)
        values = {name: _vary(name, value, recipe, rng, narrow) for name, value in values.items()}
        _follow_padding(values)
        if not any(_same(values, other) for other in seen):
            seen.append(values)
            yield Case(recipe.name, values, recipe.magnitude == "large", bool(recipe.magnitude))


def _applies(recipe: Recipe, signature: list[ort.NodeArg], dynamic: bool) -> bool:
    """Whether a recipe draws something that the plain one does not."""
    if dynamic and recipe.plan != SizePlan():
        return True
    if recipe.padding != "none" and any(is_mask(i.name, input_dtype(i)) for i in signature):
        return True
    if recipe.uneven and any(_is_lengths(i.name) for i in signature):
        return True
    return recipe.magnitude is not None and any(_is_plain_float(i) for i in signature)


def is_mask(name: str, dtype: np.dtype) -> bool:
    """Whether an input says which keys are seen."""
    return dtype.kind == "b" or "mask" in name.lower()


def _is_lengths(name: str) -> bool:
    return "seqlens" in name.lower()


def _is_plain_float(item: ort.NodeArg) -> bool:
    dtype = input_dtype(item)
    return is_float(dtype) and not is_mask(item.name, dtype)


def _same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return all(
        a[name].shape == b[name].shape and a[name].tobytes() == b[name].tobytes() for name in a
    )


def _vary(
    name: str, value: np.ndarray, recipe: Recipe, rng: np.random.Generator, narrow: bool
) -> np.ndarray:
    """One input as the recipe wants it."""
    if is_mask(name, value.dtype):
        return _mask(value, recipe, rng)
    if _is_lengths(name) and recipe.uneven and value.size:
        steps = np.arange(value.size).reshape(value.shape)
        return np.maximum(value - steps, 0).astype(value.dtype)
    if is_float(value.dtype) and recipe.magnitude:
        wide = value.dtype.itemsize >= 4 and not narrow
        scale = (_WIDE if wide else _NARROW)[recipe.magnitude]
        return (value.astype(np.float64) * scale).astype(value.dtype)
    return value


def _keep(shape: tuple[int, ...], padding: str, rng: np.random.Generator) -> np.ndarray:
    """Which elements of a mask are seen; the last axis is the keys', the first the batch's."""
    keep = np.ones(shape, bool)
    if not shape or not keep.size:
        return keep
    keys = shape[-1]
    if padding == "random":
        keep = rng.random(shape) < 0.7
        keep[..., 0] = True
        return keep
    for row in range(shape[0] if len(shape) > 1 else 1):
        part = keep[row] if len(shape) > 1 else keep
        hidden = min(row + 1, keys - 1)
        if padding == "left":
            part[..., :hidden] = False
        elif padding == "right":
            part[..., keys - hidden :] = False
        elif padding == "hidden" and row == 0:
            part[...] = False
    return keep


def _mask(value: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """A mask of the type and rank: booleans and integers keep, floats of rank 3 and more add."""
    if recipe.padding == "none":
        return value
    keep = _keep(value.shape, recipe.padding, rng)
    if not is_float(value.dtype):
        return keep.astype(value.dtype)
    if value.size and np.all(value.astype(np.float32) == 1):
        return keep.astype(value.dtype)
    fill = recipe.fill
    if fill == _LOWEST and value.dtype == np.float16:
        fill = float(np.finfo(np.float16).min) / 2
    return np.where(keep, 0.0, fill).astype(value.dtype)


def _follow_padding(values: dict[str, np.ndarray]) -> None:
    """Make positions count only the tokens that the mask keeps, as users do."""
    masks = [v for n, v in values.items() if "mask" in n.lower() and v.ndim == 2]
    for name, value in values.items():
        if "position" not in name.lower() or is_past(name) or value.ndim != 2:
            continue
        for mask in masks:
            if mask.shape[0] == value.shape[0] and mask.shape[1] >= value.shape[1]:
                count = np.maximum(np.cumsum(mask != 0, axis=1) - 1, 0)
                values[name] = count[:, -value.shape[1] :].astype(value.dtype)
