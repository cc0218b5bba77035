"""Models that are open, and what they make of sequences: what workers do of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from basin.analysis.batch import Batch
from basin.analysis.feed import Feeder
from basin.analysis.instrumented import instrumentation_of, open_instrumented
from basin.distribution import Site
from basin.errors import AnalysisError
from basin.evaluation.scores import RowSums, score_rows
from basin.inputs.signature import Facts, list_inputs
from basin.verification.distance import are_logits
from basin.verification.sessions import run_session


@dataclass(frozen=True)
class Group:
    """Sequences of one length, `ids` [B, T], that the models cut alike.

    `skipped` is the number of first tokens that some model does not take, `cuts` has that of each
    model, and `starts` the first token of each sequence that is scored.
    """

    ids: np.ndarray
    skipped: int
    cuts: tuple[int, ...]
    starts: list[int]


@dataclass(frozen=True)
class Scores:
    """What a model made of a group: sums for each sequence, and its stream's largest magnitude."""

    rows: list[RowSums]
    largest: float | None


class Subject:
    """A model that is open."""

    def __init__(self, path: Path, facts: Facts, session: ort.InferenceSession) -> None:
        self.path, self.facts, self.session = path, facts, session
        taps = instrumentation_of(session)["taps"]
        self._largest = [tap["outputs"]["max_abs"] for tap in taps]
        self._feeder = Feeder(list_inputs(session), facts)

    def run(self, ids: np.ndarray) -> tuple[np.ndarray, float | None]:
        """Logits [B, T, V] for ids [B, T], and the largest magnitude in the residual streams.

        Raises VerifyError, or AnalysisError without logits.
        """
        outputs = run_session(self.session, self._feeder.feed(Batch.of(ids)), self.path)
        largest = None
        for name in self._largest:
            largest = larger(largest, float(np.max(np.asarray(outputs[name]), initial=0.0)))
        names = [
            name
            for name, value in outputs.items()
            if isinstance(value, np.ndarray)
            and value.ndim == 3
            and value.shape[:2] == ids.shape
            and are_logits(name, value, self.facts)
        ]
        if len(names) != 1:
            found = f"found {', '.join(names)}" if names else "found none"
            raise AnalysisError(
                f"{self.path}: expected one output of logits [batch, tokens, words], but {found}"
            )
        return np.asarray(outputs[names[0]]), largest


def larger(known: float | None, size: float | None) -> float | None:
    """The larger of two magnitudes; one that is no number, or is not known, does not count."""
    return known if size is None else max(known or 0.0, size)


def open_subjects(models: list[tuple[Path, Facts]], device: str, site: Site) -> list[Subject]:
    """The models of a worker, at the paths of its site; `models` has their users' own paths."""
    return [
        Subject(path, facts, open_instrumented(target, path, device, site.threads))
        for (path, facts), target in zip(models, site.models, strict=True)
    ]


def score_groups(subjects: list[Subject], groups: Sequence[Group]) -> list[list[Scores]]:
    """The scores of all models for each group. Raises AnalysisError or VerifyError."""
    return [_score(subjects, group) for group in groups]


def _score(subjects: list[Subject], group: Group) -> list[Scores]:
    first: np.ndarray | None = None
    out = []
    for subject, cut in zip(subjects, group.cuts):
        logits, largest = subject.run(group.ids[:, cut:])
        logits = _align(logits, group.skipped - cut)
        if first is not None and first.shape != logits.shape:
            raise AnalysisError(
                f"{subject.path}: expected logits of {first.shape[-1]} words, as the first "
                f"model has, but got {logits.shape[-1]}"
            )
        sums = []
        for row, start in enumerate(group.starts):
            chosen = slice(start - group.skipped - 1, None)
            reference = None if first is None else first[row][chosen]
            sums.append(score_rows(logits[row][chosen], reference, group.ids[row, start:]))
        first = logits if first is None else first
        out.append(Scores(sums, largest))
    return out


def _align(logits: np.ndarray, skipped: int) -> np.ndarray:
    """The rows that predict a token after the skipped ones: without the first and the last."""
    return logits[:, skipped:-1]
