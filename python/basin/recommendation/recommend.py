"""Tries the treatments that a model's outliers suggest, alone and together, and recommends one."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from basin.analysis.data import Dataset
from basin.analysis.run import analyze
from basin.distribution.pieces import Pool, Site, map_pieces
from basin.errors import AnalysisError
from basin.inputs.signature import read_facts
from basin.output.files import refers_to
from basin.recommendation.pieces import Job, Piece, Worker, open_worker, run_piece
from basin.recommendation.target import Target
from basin.recommendation.treatments import Treatment, find_treatments
from basin.recommendation.trials import Trial, TrialFile
from basin.registry import Requests

if TYPE_CHECKING:
    from basin.distribution.cluster import Cluster

__all__ = ["Recommendation", "recommend"]

# Two figures differ if they are that many standard errors apart.
_ERRORS = 2.0
# Projections that exclude=auto:N keeps, as a share of all and at least.
_EXCLUDED = 4


@dataclass(frozen=True)
class Recommendation:
    """All trials, the best one, why, and what was left out.

    `steps` is the recipe: the treatments' steps, and `quantize` unless the target is f16.
    """

    target: Target
    trials: list[Trial]
    best: Trial
    reason: str
    steps: Requests
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def recommend(
    source: Path,
    target: Target,
    data: Dataset,
    *,
    minutes: float | None = None,
    file: Path | None = None,
    check: bool = True,
    same_data: bool = False,
    progress: bool = False,
    cluster: Cluster | None = None,
) -> Recommendation:
    """Try treatments of the model at `source` for the target on token sequences.

    The first half of the sequences calibrates scales and chooses options, and the figures are of
    the other half; with `same_data` all sequences serve for both. After `minutes` no further trial
    begins. `file` keeps finished trials, and those that it has are not run again. With `check` the
    promises of all treatments are proven by runs, and those that break theirs are refused. On a
    `cluster` several trials run at a time. Raises AnalysisError, BasinError, ClusterError or
    VerifyError.
    """
    start = time.monotonic()
    # A tokenizer is of no use here, and need not be one that can be sent to workers.
    data = replace(data, tokenizer=None)
    calibration, held_out = split(data, same_data)
    known = TrialFile(file, _key(source, target, data, same_data))
    known.load()
    document = analyze(source, calibration, taps=["residual"], batch=1).document()
    treatments, left_out = find_treatments(target, document, calibration)
    job = Job(source, target, calibration, held_out, check)
    pool = None
    if cluster is not None:
        pool = cluster.pool([(source, read_facts(source).files)])
    budget = None if minutes is None else start + 60 * minutes
    plan: list[Piece] = [(tuple(t.name for t in chosen), 0) for chosen in order(treatments)]
    with _Runner(job, treatments, pool, known, progress) as runner:
        done = list(runner.run(plan, budget))
        if len(done) < len(plan):
            left_out.append(
                f"{len(plan) - len(done)} combinations: the budget of {minutes:g} minutes is spent"
            )
        best = choose(done)
        if best.divergence and _has_scheme(target):
            done += runner.run([(best.treatments, _EXCLUDED)], budget)
    return Recommendation(
        target,
        done,
        best,
        explain(best, done),
        _recipe(best, target),
        left_out,
        list(dict.fromkeys(data.notes)),
    )


class _Runner:
    """Runs pieces that are not known yet, and keeps their trials."""

    def __init__(
        self,
        job: Job,
        treatments: Sequence[Treatment],
        pool: Pool | None,
        known: TrialFile,
        progress: bool,
    ) -> None:
        self._known, self._progress, self._pool = known, progress, pool
        self._opens = partial(open_worker, job, list(treatments))
        self._here: Worker | None = None

    def __enter__(self) -> _Runner:
        return self

    def __exit__(self, *_: object) -> None:
        if self._here is not None:
            self._here.close()

    def _open(self, site: Site) -> Worker:
        """One state for all runs in this process, so that treated models are made once."""
        self._here = self._here or self._opens(site)
        return self._here

    def run(self, plan: Sequence[Piece], budget: float | None) -> Iterator[Trial]:
        """The trials of a plan, in its order. After `budget` none begins but the first one."""
        new = [piece for piece in plan if Trial(*piece).name not in self._known.trials]
        opens = self._open if self._pool is None else self._opens
        with closing(map_pieces(opens, run_piece, iter(new), self._pool)) as results:
            for number, piece in enumerate(plan):
                name = Trial(*piece).name
                if name not in self._known.trials:
                    is_spent = budget is not None and time.monotonic() > budget
                    if is_spent and (number or piece[1]):
                        return
                    self._known.add(next(results))
                    self._say(self._known.trials[name])
                yield self._known.trials[name]

    def _say(self, trial: Trial) -> None:
        if self._progress:
            said = trial.refused or f"KL {trial.divergence:.3g}"
            text = f"basin: tried {trial.name}: {said} ({trial.seconds:.0f} s)"
            print(text, file=sys.stderr, flush=True)


def split(data: Dataset, same_data: bool = False) -> tuple[Dataset, Dataset]:
    """The sequences for calibration, and those for the figures. Raises AnalysisError."""
    if same_data:
        return data, data
    count = len(data.sequences)
    if count < 2:
        raise AnalysisError(
            f"{data.source}: expected at least two sequences, as scales are calibrated on other "
            f"ones than those that are measured, but got {count}"
        )
    half = count // 2
    first, second = slice(0, half), slice(half, count)
    return (
        replace(data, sequences=data.sequences[first], context=data.context[first]),
        replace(data, sequences=data.sequences[second], context=data.context[second]),
    )


def order(treatments: Sequence[Treatment]) -> Iterator[list[Treatment]]:
    """All sets of treatments: none, each alone, all together, and then the others by size."""
    count = len(treatments)
    sizes = [0, 1, *([count] if count > 1 else []), *range(2, count)]
    for size in sizes:
        for chosen in combinations(treatments, size):
            yield list(chosen)


def choose(trials: Sequence[Trial]) -> Trial:
    """The trial with the least divergence. Of those within its errors, the one with the fewest
    treatments. Raises AnalysisError if none could be measured.
    """
    measured = [one for one in trials if one.divergence is not None]
    if not measured:
        raise AnalysisError(f"no trial could be measured: {trials[0].refused}")
    least = min(measured, key=_divergence)
    close = [one for one in measured if not _differs(one, least)]
    return min(close, key=lambda one: (len(one.treatments), _divergence(one)))


def _divergence(trial: Trial) -> float:
    return math.inf if trial.divergence is None else trial.divergence


def _differs(worse: Trial, better: Trial) -> bool:
    """Whether the divergences differ by more than their errors."""
    gap = _divergence(worse) - _divergence(better)
    if not math.isfinite(gap):
        return _divergence(worse) != _divergence(better)
    return gap > _ERRORS * math.hypot(worse.error or 0.0, better.error or 0.0)


def explain(best: Trial, trials: Sequence[Trial]) -> str:
    """Why this trial is recommended, in figures."""
    by_name = {one.treatments: one for one in trials if not one.exclude}
    plain = by_name.get(())
    if not best.treatments:
        return "no treatment brings the model closer to the original than the errors of the figures"
    parts = [f"KL {_divergence(best):.3g}"]
    if plain is not None:
        parts.append(f"{_divergence(plain):.3g} without treatment")
    if len(best.treatments) > 1:
        alone = [
            f"{_divergence(one):.3g} with {name} alone"
            for name in best.treatments
            if (one := by_name.get((name,))) is not None and one.divergence is not None
        ]
        parts += alone
    return f"{parts[0]} against {', '.join(parts[1:])}" if parts[1:] else parts[0]


def _has_scheme(target: Target) -> bool:
    given = dict(target.options)
    return given.get("scheme", "none") != "none" or "scheme-file" in given


def _recipe(best: Trial, target: Target) -> Requests:
    """The steps of the best trial and `quantize`. Files of a trial are the user's to name."""
    steps: Requests = [(name, list(given)) for name, given in best.steps]
    return steps if target.is_f16 else [*steps, ("quantize", list(target.options))]


def _key(source: Path, target: Target, data: Dataset, same_data: bool) -> dict[str, str]:
    """What trials depend on: checksums of the model and of the data, and the target."""
    digest = hashlib.sha256()
    for path in refers_to(source, read_facts(source).files):
        with open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    tokens = hashlib.sha256(repr([one.tolist() for one in data.sequences]).encode())
    use = "same" if same_data else "halves"
    return {
        "model": digest.hexdigest(),
        "data": tokens.hexdigest(),
        "target": target.text,
        "use of the data": use,
    }
