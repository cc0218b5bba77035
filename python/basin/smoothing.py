"""The factors of the step `smooth`, from statistics or from runs on data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from basin import _basin
from basin._basin import BasinError
from basin.analysis.stats import read
from basin.prefix import PrefixRun, write_after, write_passed, write_tensors
from basin.registry import Requests
from basin.smooth_model import Group, SmoothModel
from basin.step_data import Feeds, read_feeds

if TYPE_CHECKING:
    from basin.model import Model

__all__ = ["Settings", "choose_factors", "make_fit"]

_STEP, _PASS = "smooth", "sink-smooth"
_SEARCH = "search"
# The largest exponent of a factor. Weights of f32 and bf16 take it, and it undoes any outlier.
_MOST = 24


@dataclass(frozen=True)
class Settings:
    """The options of the step that choose factors. `alpha` is None for a search."""

    alpha: float | None
    stats: Path | None
    data: Path | None
    scheme: str
    is_real: bool

    @staticmethod
    def read(options: Mapping[str, str]) -> Settings:
        """Options as texts. Raises BasinError for those that exclude each other."""
        alpha = _read_alpha(options.get("alpha", "0.5"))
        stats, data, scheme = (options.get(name) for name in ("stats", "data", "scheme"))
        if alpha is None and (not data or not scheme or stats):
            raise BasinError(
                f"step '{_STEP}': option 'alpha': a search needs 'data' to measure errors on and "
                "the 'scheme' that it looks for, and no 'stats'"
            )
        if alpha is not None and scheme:
            raise BasinError(f"step '{_STEP}': option 'scheme' is for alpha=search alone")
        if bool(stats) == bool(data):
            raise BasinError(
                f"step '{_STEP}': expected one of the options 'stats' and 'data', which tell the "
                "largest |x| of each channel"
            )
        return Settings(
            alpha,
            Path(stats) if stats else None,
            Path(data) if data else None,
            scheme or "",
            options.get("factors") == "real",
        )


def _read_alpha(text: str) -> float | None:
    if text == _SEARCH:
        return None
    try:
        alpha = float(text)
    except ValueError:
        alpha = math.nan
    if not 0 <= alpha <= 1:
        raise BasinError(
            f"step '{_STEP}': option 'alpha': expected a number from 0 to 1, or {_SEARCH}, but got "
            f"'{text}'"
        )
    return alpha


def make_fit(
    model: Model,
    before: Requests,
    options: dict[str, str],
    target: Path,
    prefix: PrefixRun | None,
    *,
    progress: bool = False,
) -> list[str]:
    """Write to `target` the factors that `sink-smooth` takes after the steps `before`.

    Returns remarks. Other files are made in the target's folder. Raises BasinError, AnalysisError
    or VerifyError.
    """
    settings = Settings.read(options)
    path = target.parent / "values.onnx"
    write_after(model, before, path)
    smooth = SmoothModel(_instrument(path, options, measure=settings.data is not None))
    remarks = [f"remark: {_STEP}: '{name}': {why}" for name, why in smooth.skipped.items()]
    if not smooth.groups:
        write_tensors({}, target)
        return [f"warning: {_STEP}: no value can be smoothed: nothing was changed", *remarks]
    if settings.stats is not None:
        maxima, missing = _read_maxima(settings.stats, smooth)
        remarks += missing
        factors = _from_maxima(smooth, maxima, settings)
    else:
        assert settings.data is not None
        session = smooth.session
        feeds, notes = read_feeds(_STEP, settings.data, session.get_inputs(), smooth.path, prefix)
        remarks += notes
        factors, said = _from_data(
            smooth, feeds, settings, lambda given: _apply(path, options, given), progress
        )
        remarks += said
    _write_factors(factors, target)
    return remarks


def _instrument(path: Path, options: Mapping[str, str], *, measure: bool) -> Path:
    """The model at `path` with the groups' values as outputs, and their description."""
    asked = [(name, options[name]) for name in ("groups", "explicit") if name in options]
    given = _basin.get_passes([(_STEP, asked)]).removeprefix(_PASS).removeprefix("{")
    settings = f"measure={str(measure).lower()} {given.removesuffix('}')}"
    target = path.with_name("instrumented-smoothing.onnx")
    write_passed(path, f"sink-instrument-smoothing{{{settings.strip()}}}", target)
    return target


def _apply(path: Path, options: Mapping[str, str], factors: Mapping[str, np.ndarray]) -> Path:
    """Write the model at `path` after the step with these factors, and return where."""
    from basin.model import load

    fit, target = path.with_name("trial-fit.onnx"), path.with_name("trial.onnx")
    _write_factors(factors, fit)
    given = {name: options[name] for name in ("groups", "explicit", "factors") if name in options}
    model = load(path)
    model.rewrite((_STEP, {**given, "fit": fit}))
    model.save(target, "copy")
    return target


def _write_factors(factors: Mapping[str, np.ndarray], target: Path) -> None:
    write_tensors({name: one.astype(np.float32) for name, one in factors.items()}, target)


# Factors


def choose_factors(
    group: Group, activations: np.ndarray, weights: np.ndarray, alpha: float, is_real: bool
) -> np.ndarray:
    """s_j = max |X_j|^alpha / max |W_j|^(1 - alpha) over the median of all s_j, [C] in f64.

    Channels that share a factor have their largest values joined. A channel without a value or a
    weight has the factor 1. Factors are rounded to powers of two unless they are real.
    """
    x, w = group.join(activations.astype(np.float64)), group.join(weights.astype(np.float64))
    live = (x > 0) & (w > 0) & np.isfinite(x) & np.isfinite(w)
    if not live.any():
        return np.ones(group.channels)
    exponents = np.zeros(group.channels)
    exponents[live] = alpha * np.log2(x[live]) - (1 - alpha) * np.log2(w[live])
    # One factor for all channels moves nothing from one side to the other.
    exponents[live] -= np.median(exponents[live])
    if not is_real:
        exponents = np.rint(exponents)
    factors: np.ndarray = np.exp2(np.clip(exponents, -_MOST, _MOST))
    return factors.astype(np.float32).astype(np.float64)


def _from_maxima(
    smooth: SmoothModel, maxima: Mapping[str, np.ndarray], settings: Settings
) -> dict[str, np.ndarray]:
    assert settings.alpha is not None
    return {
        one.name: choose_factors(
            one, maxima[one.name], smooth.max_weights(one), settings.alpha, settings.is_real
        )
        for one in smooth.groups
        if one.name in maxima
    }


def _from_data(
    smooth: SmoothModel,
    feeds: Feeds,
    settings: Settings,
    apply: Callable[[Mapping[str, np.ndarray]], Path],
    progress: bool,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The factors by runs, and remarks."""
    observed = smooth.observe(feeds, rows=settings.alpha is None)
    if settings.alpha is not None:
        maxima = {name: one.max_abs for name, one in observed.items()}
        return _from_maxima(smooth, maxima, settings), []
    from basin.smooth_search import search

    return search(
        smooth,
        feeds,
        observed,
        settings.scheme,
        apply,
        is_real=settings.is_real,
        progress=progress,
    )


def _read_maxima(path: Path, smooth: SmoothModel) -> tuple[dict[str, np.ndarray], list[str]]:
    """The largest |x| of each channel from statistics, by group, and remarks on what is missing.

    Raises AnalysisError for a file that is none, and BasinError for one that has none.
    """
    where = f"step '{_STEP}': option 'stats': {path}"
    known = {str(one["name"]): one["channel_max"] for one in read(path)["metrics"]["projections"]}
    found: dict[str, np.ndarray] = {}
    remarks = []
    for group in smooth.groups:
        own = next((known[name] for name in group.names if name in known), None)
        if own is None or len(own) != group.channels:
            remarks.append(
                f"remark: {_STEP}: '{group.name}' is left as it is: the statistics have no "
                f"projection of that name and {group.channels} channels"
            )
        elif all(isinstance(x, int | float) and math.isfinite(x) for x in own):
            found[group.name] = np.array(own, np.float64)
        else:
            raise BasinError(f"{where}: expected finite numbers for '{group.name}'")
    if not found:
        raise BasinError(f"{where}: it has no projection that this model can smooth")
    return found, remarks
