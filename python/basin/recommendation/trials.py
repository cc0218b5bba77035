"""One trial: treat the model, quantize it, and measure how far it is from the original."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

from basin._basin import BasinError
from basin.analysis.data import Dataset
from basin.errors import AnalysisError, VerifyError
from basin.evaluation import evaluate
from basin.model import Model, load
from basin.output.files import write_whole
from basin.prefix import PrefixRun, follow
from basin.preparation import prepared_steps
from basin.recommendation.ranges import (
    ValueRange,
    describe_overflows,
    measure_ranges,
    write_rounded,
)
from basin.recommendation.target import Target
from basin.recommendation.treatments import Context, Step, Treatment, cut_prefix, write_tokens
from basin.registry import as_requests, keeps_bits, keeps_function
from basin.rewriting import prove_steps

__all__ = ["Trial", "TrialFile", "Trials"]

_BY_SCALES = "bits kept by proof of scales"


@dataclass(frozen=True)
class Trial:
    """What a list of treatments does for the target. Figures are None where it was refused.

    `steps` are those of the recipe, without `quantize`. `divergence` is the mean KL to the original
    in nats, `error` its standard error over sequences. `parameters` and `nodes` are those that the
    treatments add. `promise` says what a check of the steps' promises found, and is empty where
    there was none. `ranges` are, for f16, those of all values of the main graph.
    """

    treatments: tuple[str, ...]
    exclude: int = 0
    steps: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    divergence: float | None = None
    error: float | None = None
    perplexity: float | None = None
    agreement: float | None = None
    largest: float | None = None
    parameters: int = 0
    nodes: int = 0
    seconds: float = 0.0
    refused: str = ""
    notes: tuple[str, ...] = ()
    promise: str = ""
    ranges: tuple[ValueRange, ...] = ()

    @property
    def name(self) -> str:
        """The treatments in words."""
        parts = [*self.treatments, *([f"exclude {self.exclude}"] if self.exclude else [])]
        return " + ".join(parts) or "none"


@dataclass
class TrialFile:
    """Finished trials in a JSON file, so that an interrupted run goes on where it was.

    `key` says what they are trials of. A file of another key is refused.
    """

    path: Path | None
    key: dict[str, Any]
    trials: dict[str, Trial] = field(default_factory=dict)

    def load(self) -> None:
        """Read what an earlier run has left. Raises AnalysisError."""
        if self.path is None or not self.path.exists():
            return
        try:
            found = json.loads(self.path.read_text("utf-8"))
            key, listed = found["key"], found["trials"]
            trials = [_from_json(one) for one in listed]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AnalysisError(f"{self.path}: expected a file of trials: {error}") from None
        different = [name for name in self.key if key.get(name) != self.key[name]]
        if different:
            raise AnalysisError(
                f"{self.path}: its trials are of another {', '.join(different)}; give another file"
            )
        self.trials = {one.name: one for one in trials}

    def add(self, trial: Trial) -> None:
        """Keep a finished trial."""
        self.trials[trial.name] = trial
        if self.path is not None:
            listed = [asdict(one) for one in self.trials.values()]
            text = json.dumps({"key": self.key, "trials": listed}, indent=1)
            write_whole(self.path, (text + "\n").encode())


def _from_json(value: dict[str, Any]) -> Trial:
    steps = tuple(
        (name, tuple((key, text) for key, text in options)) for name, options in value["steps"]
    )
    kept = value | {
        "treatments": tuple(value["treatments"]),
        "steps": steps,
        "notes": tuple(value["notes"]),
        "ranges": tuple(ValueRange(**one) for one in value.get("ranges", ())),
    }
    return Trial(**kept)


@dataclass(frozen=True)
class Treated:
    """A model after treatments, the steps, the tokens that they leave out, and their promises."""

    path: Path
    steps: tuple[Step, ...] = ()
    prefix: PrefixRun | None = None
    promise: str = ""


class Trials:
    """Runs trials of one model for one target, in a folder of its own.

    Scales are calibrated on one part of the data, and figures are of the other. With `check`, the
    promises of treatments are proven by runs of the original and the treated model.
    """

    def __init__(
        self,
        source: Path,
        target: Target,
        calibration: Dataset,
        data: Dataset,
        folder: Path,
        check: bool = True,
    ) -> None:
        self._source, self._target = source, target
        self._calibration, self._data, self._folder = calibration, data, folder
        self._check = check
        self._sizes = _count(source)
        self._treated: dict[tuple[str, ...], Treated] = {}

    def with_target(self, target: Target) -> Trials:
        """Trials for another target, which share the treated models."""
        made = Trials(
            self._source, target, self._calibration, self._data, self._folder, self._check
        )
        made._treated = self._treated
        return made

    def run(self, treatments: list[Treatment], exclude: int = 0) -> Trial:
        """One trial. A step that is refused makes a trial that says so."""
        start = time.monotonic()
        names = tuple(one.name for one in treatments)
        try:
            trial = self._measure(self._treat(treatments), names, exclude)
        except (BasinError, AnalysisError, VerifyError) as error:
            trial = Trial(names, exclude, refused=" ".join(str(error).split()))
        return replace(trial, seconds=round(time.monotonic() - start, 1))

    def _treat(self, treatments: list[Treatment]) -> Treated:
        """The model after all treatments."""
        treated = Treated(self._source)
        for count, treatment in enumerate(treatments, start=1):
            key = tuple(one.key for one in treatments[:count])
            if key not in self._treated:
                self._treated[key] = self._apply(treated, treatment)
            treated = self._treated[key]
        return treated

    def _apply(self, before: Treated, treatment: Treatment) -> Treated:
        """The model after one more treatment."""
        data = cut_prefix(self._calibration, _prefix_of(before.path))
        made = treatment.make(Context(before.path, data, self._folder))
        if isinstance(made, str):
            raise AnalysisError(f"{treatment.name}: {made}")
        model = load(before.path)
        with prepared_steps(model, as_requests(made)) as prepared:
            model.rewrite(*((name, dict(given)) for name, given in prepared.requests))
        prefix = before.prefix
        if prepared.run is not None:
            prefix = follow(prefix, prepared.run)
        path = self._folder / f"treated-{len(self._treated)}.onnx"
        model.save(path, "copy")
        promise = self._prove(model, path, before, made, prefix) if self._check else ""
        return Treated(path, (*before.steps, *made), prefix, promise)

    def _prove(
        self,
        model: Model,
        path: Path,
        before: Treated,
        made: list[Step],
        prefix: PrefixRun | None,
    ) -> str:
        """Whether all steps up to these keep their promises. Raises AnalysisError if not.

        Models that cannot be compared by runs are by scales, one treatment after the other.
        """
        requests = as_requests([*before.steps, *made])
        if not keeps_function(requests):
            return "none"
        proof = prove_steps(self._source, path, requests, prefix=prefix)
        if proof.broken:
            raise AnalysisError(f"the treatment breaks its promise: {proof.broken}")
        if not proof.skipped:
            return f"kept within {proof.largest:.2g}" if proof.differing else "all bits kept"
        by_scales = not before.steps or before.promise == _BY_SCALES
        if by_scales and keeps_bits(as_requests(made)) and model.find_scale_mismatch() is None:
            return _BY_SCALES
        return f"not checked: {proof.skipped}"

    def _measure(self, treated: Treated, names: tuple[str, ...], exclude: int) -> Trial:
        candidate = self._folder / "candidate.onnx"
        ranges: list[ValueRange] = []
        said: list[str] = []
        if self._target.is_f16:
            ranges = self._round(treated.path, candidate)
            said.append(describe_overflows(ranges))
        else:
            said += self._quantize(treated.path, candidate, exclude)
        _, score = evaluate([self._source, candidate], self._data).models
        parameters, nodes = (a - b for a, b in zip(_count(treated.path), self._sizes))
        assert score.divergence is not None and score.agreement is not None
        return Trial(
            names,
            exclude,
            tuple((name, tuple(given.items())) for name, given in treated.steps),
            score.divergence.value,
            score.divergence.error,
            score.perplexity.value,
            score.agreement.value,
            score.largest,
            parameters,
            nodes,
            notes=tuple(said),
            promise=treated.promise,
            ranges=tuple(ranges),
        )

    def _round(self, path: Path, candidate: Path) -> list[ValueRange]:
        """Write the model rounded to f16. Returns the ranges of its values."""
        write_rounded(path, candidate)
        data = cut_prefix(self._data, _prefix_of(path))
        return measure_ranges(path, data, self._folder)

    def _quantize(self, path: Path, candidate: Path, exclude: int) -> list[str]:
        """Write the quantized model. Returns which projections were kept."""
        tokens = self._folder / "calibration.jsonl"
        write_tokens(tokens, cut_prefix(self._calibration, _prefix_of(path)))
        options = {**dict(self._target.options), "nodes": "simulate", "data": str(tokens)}
        if exclude:
            options["exclude"] = f"auto:{exclude}"
        model = load(path)
        said = model.rewrite(("quantize", options))
        model.save(candidate, "copy")
        return [line for line in said if ": KL alone" in line]


def _prefix_of(path: Path) -> list[int]:
    found: list[int] = load(path).inspect()["prefix"]
    return found


def _count(path: Path) -> tuple[int, int]:
    """The numbers of parameters and of nodes."""
    graph = onnx.load(path, load_external_data=False).graph
    sizes = [int(_product(one.dims)) for one in graph.initializer]
    return sum(sizes), len(graph.node)


def _product(dims: Any) -> int:
    size = 1
    for one in dims:
        size *= int(one)
    return size
