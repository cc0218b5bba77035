"""How much each projection alone costs when it is quantized: the mean KL of the model's logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from basin.analysis.progress import steps
from basin.logit_trials import LogitTrials, open_parameters
from basin.quantization.instrument import read_entries, write_instrumented
from basin.step_data import Feeds, count_tokens
from basin.verification.sessions import open_session, run_session

__all__ = [
    "QuantizationTrials",
    "Sensitivity",
    "choose_excluded",
    "measure_divergence",
    "measure_sensitivities",
]

_TRUE = np.array(True)
# Lines of remarks about single projections.
_SHOWN = 8


@dataclass(frozen=True)
class Sensitivity:
    """The mean KL in nats of the model in which one projection alone is quantized."""

    name: str
    weight: str
    role: str
    layer: int
    divergence: float


class QuantizationTrials:
    """One session of a model whose parts can be quantized by flags."""

    def __init__(self, path: Path, options: Mapping[str, str], feeds: Feeds) -> None:
        """For the model at `path` and the options of the step, which have `calibration` if scales
        are static. Writes beside the model. Raises BasinError or VerifyError.
        """
        self._path = write_instrumented(path, options, trials=True)
        self.projections = read_entries(self._path, "projections")
        self.groups = read_entries(self._path, "groups")
        model = onnx.load(self._path, load_external_data=False)
        flags = {one["flag"] for one in [*self.projections, *self.groups]}
        open_parameters(model, flags, self._path.parent)
        onnx.save(model, self._path)
        session = open_session(self._path, threads=0)
        self._trials = LogitTrials(
            lambda feed, given: run_session(session, {**feed, **given}, self._path),
            self._path,
            feeds,
        )

    def measure(self, flags: list[str]) -> float:
        """The mean KL in nats of the model in which the parts with these flags are quantized."""
        return self._trials.measure({flag: _TRUE for flag in flags})


def measure_sensitivities(
    trials: QuantizationTrials, *, progress: bool = False
) -> list[Sensitivity]:
    """The sensitivities of all projections, in program order. Raises VerifyError."""
    out = []
    for index in steps(len(trials.projections), progress, "projections"):
        one = trials.projections[index]
        divergence = trials.measure([one["flag"]])
        out.append(Sensitivity(one["name"], one["weight"], one["role"], one["layer"], divergence))
    return out


def measure_divergence(path: Path, options: Mapping[str, str], feeds: Feeds) -> float:
    """The mean KL in nats of the quantized model at `path` to the model as it is.

    Static scales are calibrated on the feeds. Writes beside the model. Raises BasinError,
    AnalysisError or VerifyError.
    """
    from basin.quantization.calibration import calibrate

    given = dict(options)
    file = path.with_name(f"calibration-{path.name}")
    if calibrate(path, given, feeds, file):
        given["calibration"] = str(file)
    trials = QuantizationTrials(path, given, feeds)
    return trials.measure([one["flag"] for one in [*trials.projections, *trials.groups]])


def choose_excluded(
    path: Path,
    options: Mapping[str, str],
    feeds: Feeds,
    count: int,
    drawn: bool,
    progress: bool,
) -> tuple[list[str], list[str]]:
    """The names of the `count` most sensitive projections, and remarks. Raises VerifyError."""
    trials = QuantizationTrials(path, options, feeds)
    found = measure_sensitivities(trials, progress=progress)
    order = sorted(found, key=lambda one: -one.divergence)
    chosen = order[:count]
    where = "drawn inputs, because no data are given" if drawn else "the data"
    groups = [one["flag"] for one in trials.groups]
    everything = trials.measure([*(one["flag"] for one in trials.projections), *groups])
    names = {one.name for one in chosen}
    kept = [one["flag"] for one in trials.projections if one["name"] not in names]
    said = [
        f"of {len(found)} projections, the {len(chosen)} with the largest KL alone stay as they "
        f"are; over {count_tokens(feeds)} tokens of {where}, the mean KL of all is "
        f"{everything:.3g}, and without these {trials.measure([*kept, *groups]):.3g}"
    ]
    said += [
        f"kept '{one.name}' ({one.role}, layer {one.layer}): KL alone {one.divergence:.3g}"
        for one in chosen[:_SHOWN]
    ]
    return [one.name for one in chosen], said
