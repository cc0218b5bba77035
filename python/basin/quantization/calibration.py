"""The file `calibration` of the step `quantize`: largest magnitudes, and excluded projections.

`sink-instrument-quantization` makes outputs of the values that need a magnitude. They come from a
run on the user's data, or from statistics of `basin analyze` without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from basin import _basin
from basin._basin import BasinError
from basin.analysis.progress import steps
from basin.analysis.stats import read
from basin.errors import AnalysisError
from basin.prefix import PrefixRun, write_after, write_tensors
from basin.quantization.instrument import read_entries, write_instrumented
from basin.quantization.magnitudes import Magnitudes, choose_largest, choose_range
from basin.registry import Requests
from basin.step_data import Feeds, count_tokens, draw_feeds, read_feeds
from basin.verification.sessions import open_session, run_session

if TYPE_CHECKING:
    from basin.model import Model

__all__ = ["calibrate", "make_calibration"]

STEP = "quantize"
_RANGES = ("min-max", "percentile", "mse")
# What the trials for exclude=auto:N run on at most.
_TRIAL_TOKENS = 1024


def make_calibration(
    model: Model,
    before: Requests,
    options: Mapping[str, str],
    target: Path,
    prefix: PrefixRun | None,
    *,
    progress: bool = False,
) -> tuple[dict[str, str], list[str]]:
    """Make the file that the step needs after the steps `before`, at `target`.

    Returns the options with which the pass runs, and remarks. Other files are made in the target's
    folder. Raises BasinError, AnalysisError or VerifyError.
    """
    method, percentile = _read_range(options)
    count = _read_auto(options)
    path = target.parent / f"quantize-{target.name}"
    write_after(model, before, path)
    wanted = read_entries(write_instrumented(path, options, trials=False), "outputs")
    if not wanted and count is None:
        return {}, []
    feeds, remarks = _feeds(path, options, prefix, draws=count is not None and not wanted)
    numbers: dict[str, float] = {}
    if wanted:
        numbers, said = _calibrate(path, options, feeds, (method, percentile), progress)
        remarks += said
        _write_numbers(numbers, target)
    if count is not None:
        from basin.quantization.sensitivity import choose_excluded

        given = dict(options) | ({"calibration": str(target)} if wanted else {})
        drawn = feeds is None
        runs = feeds if feeds is not None else draw_feeds(path, open_session(path))
        excluded, said = choose_excluded(path, given, _limit(runs), count, drawn, progress)
        remarks += said
        _write_numbers(numbers | {f"exclude/{name}": 0.0 for name in excluded}, target)
    return {"calibration": str(target)}, [f"remark: {STEP}: {line}" for line in remarks]


def calibrate(path: Path, options: Mapping[str, str], feeds: Feeds, target: Path) -> bool:
    """Write the largest magnitudes of static values over the feeds to `target`.

    Returns whether there are such values. Raises BasinError, AnalysisError or VerifyError.
    """
    if not read_entries(write_instrumented(path, options, trials=False), "outputs"):
        return False
    _write_numbers(_calibrate(path, options, feeds, ("min-max", 100.0), progress=False)[0], target)
    return True


def _write_numbers(numbers: Mapping[str, float], target: Path) -> None:
    """Write f32 scalars by their names, as the pass takes them."""
    write_tensors({name: np.asarray(one, np.float32) for name, one in numbers.items()}, target)


def _read_range(options: Mapping[str, str]) -> tuple[str, float]:
    method = options.get("range", "min-max")
    percentile = float(options.get("percentile", "99.99"))
    if method not in _RANGES:
        raise BasinError(
            f"step '{STEP}': option 'range': expected {', '.join(_RANGES)}, but got '{method}'"
        )
    if not 0 < percentile <= 100:
        raise BasinError(
            f"step '{STEP}': option 'percentile': expected a number above 0 and at most 100, but "
            f"got {options['percentile']}"
        )
    if method != "min-max" and "data" not in options:
        raise BasinError(
            f"step '{STEP}': option 'range': {method} needs 'data', because statistics have the "
            "largest magnitudes alone"
        )
    return method, percentile


def _read_auto(options: Mapping[str, str]) -> int | None:
    """N of exclude=auto:N."""
    text = options.get("exclude", "")
    if not text.startswith("auto:"):
        return None
    if not text[5:].isdecimal():
        raise BasinError(
            f"step '{STEP}': option 'exclude': expected auto:N with a number N, but got '{text}'"
        )
    return int(text[5:])


def _feeds(
    path: Path, options: Mapping[str, str], prefix: PrefixRun | None, *, draws: bool
) -> tuple[Feeds | None, list[str]]:
    """The runs of the user's data, or None without any."""
    if "data" not in options:
        if not draws and "stats" not in options:
            raise BasinError(
                f"step '{STEP}': static scales need the option 'stats' (statistics of basin "
                "analyze) or 'data' (tokens to calibrate with)"
            )
        return None, []
    signature = open_session(path).get_inputs()
    feeds, said = read_feeds(STEP, Path(options["data"]), signature, path, prefix)
    return feeds, [line.removeprefix(f"remark: {STEP}: ") for line in said]


def _limit(feeds: Feeds) -> Feeds:
    """The first runs, of about as many tokens as trials take."""
    kept: list[tuple[dict[str, np.ndarray], np.ndarray | None]] = []
    for one in feeds:
        kept.append(one)
        if count_tokens(kept) >= _TRIAL_TOKENS:
            break
    return kept


# Magnitudes


def _calibrate(
    path: Path,
    options: Mapping[str, str],
    feeds: Feeds | None,
    chosen: tuple[str, float],
    progress: bool,
) -> tuple[dict[str, float], list[str]]:
    """The numbers by their names in the file, such as `largest/NAME`, and remarks."""
    instrumented = write_instrumented(path, options, trials=False)
    entries = read_entries(instrumented, "outputs")
    wanted = {one["output"]: one["name"] for one in entries}
    if feeds is None:
        if any(not one["symmetric"] for one in entries):
            raise BasinError(
                f"step '{STEP}': a static zero point needs 'data', because statistics have the "
                "largest magnitudes alone"
            )
        return _read_statistics(Path(options["stats"]), list(wanted.values())), []
    session = open_session(instrumented, threads=0)
    found = {name: Magnitudes() for name in wanted.values()}
    for index in steps(len(feeds), progress, "calibration"):
        outputs = run_session(session, feeds[index][0], instrumented)
        for output, name in wanted.items():
            found[name].add(np.asarray(outputs[output]))
    bad = [name for name, one in found.items() if one.nonfinite]
    if bad:
        raise AnalysisError(
            f"step '{STEP}': option 'data': '{bad[0]}' has {found[bad[0]].nonfinite} elements that "
            "are not finite, so no scale can be chosen for it"
        )
    method, percentile = chosen
    numbers: dict[str, float] = {}
    for one in entries:
        name, scheme = one["name"], _scheme_of(one["kind"], options)
        if one["symmetric"]:
            numbers[f"largest/{name}"] = choose_largest(found[name], method, percentile, scheme)
            continue
        lowest, highest = choose_range(found[name], method, percentile, scheme)
        numbers |= {f"lowest/{name}": lowest, f"highest/{name}": highest}
    padded = sum(mask is not None for _, mask in feeds)
    said = [f"{len(entries)} static scales by {method} over {count_tokens(feeds)} tokens"]
    if padded:
        said.append("the magnitudes include those of padding")
    return numbers, said


def _scheme_of(kind: str, options: Mapping[str, str]) -> str:
    """The scheme whose activations are the values of a kind."""
    if kind == "residual":
        return _basin.print_tensor_scheme(options["residual"], False)
    if "scheme-file" in options:
        return Path(options["scheme-file"]).read_text("utf-8")
    return options["scheme"]


def _read_statistics(path: Path, names: list[str]) -> dict[str, float]:
    """The largest magnitudes that `basin analyze` measured. Raises AnalysisError."""
    metrics = read(path)["metrics"]
    largest: dict[str, float] = {}
    for one in [*metrics["residual"], *metrics["projections"]]:
        largest[one["name"]] = max(one["max_abs"] or 0.0, largest.get(one["name"], 0.0))
    missing = [name for name in names if name not in largest]
    if missing:
        raise AnalysisError(
            f"step '{STEP}': option 'stats': {path} has no tap '{missing[0]}', which needs a "
            "scale; statistics must be those of the model that the step gets, with taps of "
            "residual streams and projections"
        )
    return {f"largest/{name}": largest[name] for name in names}
