"""Helpers for the tests of `smooth` and `rotate`: tokens of text, fits, quantized models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import basin
import numpy as np
import onnx
from basin.prefix import write_after, write_passed, write_tensors
from basin.smooth_model import Group, SmoothModel
from basin.testbed.plant_table import FakeQuantize, fake_quantized
from basin.testbed.quantize import SCHEMES
from basin.verification.distance import sum_divergences
from onnx.reference import ReferenceEvaluator

ROOT = Path(__file__).resolve().parents[2]
SMALL = ROOT / "models" / "text-small.onnx"
EXPORTED = ROOT / "test" / "models" / "exported"
BOS = 256
BY_WORD = {scheme.name.split(" (")[0]: scheme for scheme in SCHEMES}


def text_ids(count: int = 4, length: int = 96) -> np.ndarray:
    """Bytes of this project's licence as sequences [count, length] that start with BOS."""
    text = np.frombuffer((ROOT / "LICENSE").read_bytes(), np.uint8).astype(np.int64)
    rows = text[: count * (length - 1)].reshape(count, length - 1)
    return np.concatenate([np.full((count, 1), BOS), rows], axis=1)


def save_tokens(path: Path, ids: np.ndarray) -> Path:
    np.savez(path, input_ids=ids)
    return path


def find_groups(path: Path, folder: Path, options: str = "") -> SmoothModel:
    """The groups that the step could smooth."""
    plain, target = folder / "plain.onnx", folder / "groups.onnx"
    write_after(basin.load(path), [], plain)
    write_passed(plain, f"sink-instrument-smoothing{{measure=false {options}}}", target)
    return SmoothModel(target)


def smooth_by(
    path: Path,
    target: Path,
    choose: Callable[[Group], np.ndarray],
    **options: object,
) -> tuple[SmoothModel, list[str]]:
    """Smooth a model by the factors that `choose` gives, without a proof."""
    explicit = f"explicit={str(options['explicit']).lower()}" if "explicit" in options else ""
    found = find_groups(path, target.parent, explicit)
    fit = target.with_name("fit.onnx")
    write_tensors({one.name: choose(one).astype(np.float32) for one in found.groups}, fit)
    model = basin.load(path)
    said = model.rewrite(("smooth", {"fit": fit, **options}))
    model.save(target)
    return found, said


def draw_powers(rng: np.random.Generator, most: int) -> Callable[[Group], np.ndarray]:
    """Random powers of two that are equal where channels share a factor."""
    return lambda one: np.exp2(rng.integers(-most, most + 1, one.channels))[one.ties]


def logits_of(model: onnx.ModelProto, ids: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        evaluator = ReferenceEvaluator(model, new_ops=[FakeQuantize])
        return np.asarray(evaluator.run(["logits"], {"input_ids": ids})[0], np.float64)


def quantized_kl(path: Path, scheme: str, ids: np.ndarray) -> float:
    """The mean KL in nats of a model with all linears but the head quantized, to itself."""
    model = onnx.load(path)
    plain, rounded = (
        logits_of(one, ids) for one in (model, fake_quantized(model, BY_WORD[scheme]))
    )
    total, rows = sum_divergences(plain, rounded)
    return total / rows
