"""One trial: treat the model, quantize it, and measure how far it is from the original."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import onnx

from basin._basin import BasinError
from basin.analysis.data import Dataset
from basin.errors import AnalysisError, VerifyError
from basin.evaluation import evaluate
from basin.model import load
from basin.output.files import write_whole
from basin.recommendation.ranges import find_overflows, measure_ranges, write_rounded
from basin.recommendation.target import Target
from basin.recommendation.treatments import Context, Step, Treatment, cut_prefix, write_tokens

__all__ = ["Trial", "TrialFile", "Trials"]


@dataclass(frozen=True)
class Trial:
    """What a list of treatments does for the target. Figures are None where it was refused.

    `steps` are those of the recipe, without `quantize`. `divergence` is the mean KL to the original
    in nats, `error` its standard error over sequences. `parameters` and `nodes` are those that the
    treatments add.
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
    }
    return Trial(**kept)


class Trials:
    """Runs trials of one model for one target, in a folder of its own.

    Scales are calibrated on one part of the data, and figures are of the other.
    """

    def __init__(
        self, source: Path, target: Target, calibration: Dataset, data: Dataset, folder: Path
    ) -> None:
        self._source, self._target = source, target
        self._calibration, self._data, self._folder = calibration, data, folder
        self._sizes = _count(source)
        self._treated: dict[tuple[str, ...], tuple[Path, list[Step]]] = {}

    def with_target(self, target: Target) -> Trials:
        """Trials for another target, which share the treated models."""
        made = Trials(self._source, target, self._calibration, self._data, self._folder)
        made._treated = self._treated
        return made

    def run(self, treatments: list[Treatment], exclude: int = 0) -> Trial:
        """One trial. A step that is refused makes a trial that says so."""
        start = time.monotonic()
        names = tuple(one.name for one in treatments)
        try:
            path, steps = self._treat(treatments)
            trial = self._measure(path, names, steps, exclude)
        except (BasinError, AnalysisError, VerifyError) as error:
            trial = Trial(names, exclude, refused=" ".join(str(error).split()))
        return _with(trial, seconds=round(time.monotonic() - start, 1))

    def _treat(self, treatments: list[Treatment]) -> tuple[Path, list[Step]]:
        """The treated model, and all steps."""
        path = self._source
        steps: list[Step] = []
        for count, treatment in enumerate(treatments, start=1):
            key = tuple(one.key for one in treatments[:count])
            if key not in self._treated:
                data = cut_prefix(self._calibration, _prefix_of(path))
                made = treatment.make(Context(path, data, self._folder))
                if isinstance(made, str):
                    raise AnalysisError(f"{treatment.name}: {made}")
                model = load(path)
                model.rewrite(*made)
                path = self._folder / f"treated-{len(self._treated)}.onnx"
                model.save(path, "copy")
                self._treated[key] = path, steps + made
            path, steps = self._treated[key]
        return path, list(steps)

    def _measure(
        self, path: Path, names: tuple[str, ...], steps: list[Step], exclude: int
    ) -> Trial:
        candidate = self._folder / "candidate.onnx"
        if self._target.is_f16:
            said = self._round(path, candidate)
        else:
            said = self._quantize(path, candidate, exclude)
        _, score = evaluate([self._source, candidate], self._data).models
        parameters, nodes = (a - b for a, b in zip(_count(path), self._sizes))
        assert score.divergence is not None and score.agreement is not None
        return Trial(
            names,
            exclude,
            tuple((name, tuple(given.items())) for name, given in steps),
            score.divergence.value,
            score.divergence.error,
            score.perplexity.value,
            score.agreement.value,
            score.largest,
            parameters,
            nodes,
            notes=tuple(said),
        )

    def _round(self, path: Path, candidate: Path) -> list[str]:
        """Write the model rounded to f16. Returns what overflows there."""
        write_rounded(path, candidate)
        data = cut_prefix(self._data, _prefix_of(path))
        found = find_overflows(measure_ranges(path, data, self._folder))
        if not found:
            return ["no value overflows f16"]
        worst = max(found, key=lambda one: one.largest)
        first = found[0]
        return [
            f"{len(found)} values overflow f16: first '{first.name}' ({first.op}), which reaches "
            f"{first.largest:.5g}; most '{worst.name}' ({worst.op}) with {worst.largest:.5g}"
        ]

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


def _with(trial: Trial, **changes: Any) -> Trial:
    from dataclasses import replace

    return replace(trial, **changes)


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
