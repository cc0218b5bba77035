"""Several models on the same text: each is compared with the first one at the same tokens.

A model whose prefix was absorbed, or taken over by learnable tokens, takes sequences without it.
Where a sequence starts with the prefix, the model gets what follows; elsewhere it gets the whole
sequence, and computes as if that stood behind the prefix. All models are scored on the tokens that
all of them predict.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from basin.analysis.batch import Batch
from basin.analysis.data import Dataset
from basin.analysis.feed import Feeder
from basin.analysis.progress import steps
from basin.analysis.run import open_instrumented
from basin.errors import AnalysisError
from basin.evaluation.scores import Estimate, RowSums, ratio, score_rows
from basin.inputs.signature import read_facts
from basin.model import load
from basin.verification.distance import are_logits
from basin.verification.sessions import run_session

__all__ = ["Evaluation", "ModelScore", "evaluate"]

_STATISTICS = "basin.statistics"


@dataclass(frozen=True)
class ModelScore:
    """What one model makes of the text.

    `loss` is in nats for each token, and `perplexity` is its exponential. `divergence` and
    `agreement`, the share of tokens with the same likeliest one, are those to the first model, and
    None for that. `largest` is the largest magnitude in its residual streams, or None where it has
    none that can be measured.
    """

    name: str
    perplexity: Estimate
    loss: Estimate
    divergence: Estimate | None
    agreement: Estimate | None
    largest: float | None


@dataclass(frozen=True)
class Evaluation:
    """The scores of all models, in their order, and the number of tokens that were scored."""

    models: list[ModelScore]
    sequences: int
    tokens: int
    notes: list[str] = field(default_factory=list)


class _Subject:
    """A model that is open, with the tokens that its sequences lack."""

    def __init__(self, path: Path, folder: Path, device: str) -> None:
        self.path, self.name = path, path.name
        self.facts = read_facts(path)
        self.prefix = np.array(load(path).inspect()["prefix"], np.int64)
        self.session, _ = open_instrumented(path, folder, "taps=residual sink-length=1", device)
        found = json.loads(self.session.get_modelmeta().custom_metadata_map[_STATISTICS])
        self._largest = [tap["outputs"]["max_abs"] for tap in found["taps"]]
        self.feeder = Feeder(self.session.get_inputs(), self.facts)
        self.largest: float | None = None
        self.sums: list[RowSums] = []

    def takes(self, ids: np.ndarray) -> int:
        """How many first tokens of `ids` [T] the model does not take."""
        size = len(self.prefix)
        return size if size and len(ids) > size and (ids[:size] == self.prefix).all() else 0

    def run(self, ids: np.ndarray) -> np.ndarray:
        """Logits [B, T, V] for ids [B, T]. Raises VerifyError, or AnalysisError without logits."""
        outputs = run_session(self.session, self.feeder.feed(Batch.of(ids)), self.path)
        for name in self._largest:
            size = float(np.max(np.asarray(outputs[name]), initial=0.0))
            self.largest = max(self.largest or 0.0, size)
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
        return np.asarray(outputs[names[0]])

    def score(self) -> ModelScore:
        """The estimates over all sequences."""
        counts = [one.tokens for one in self.sums]
        loss = ratio([one.loss for one in self.sums], counts)
        value = math.exp(loss.value) if loss.value < 700 else math.inf
        error = None if loss.error is None else value * loss.error
        return ModelScore(
            self.name,
            Estimate(value, error),
            loss,
            ratio([one.divergence for one in self.sums], counts),
            ratio([float(one.agreements) for one in self.sums], counts),
            self.largest,
        )


def evaluate(
    paths: Sequence[Path],
    data: Dataset,
    *,
    batch: int = 1,
    device: str = "cpu",
    progress: bool = False,
) -> Evaluation:
    """Score the models at `paths` on token sequences, each against the first model.

    At most `batch` sequences of one length run at a time. The first `data.context` tokens of a
    sequence are read and not scored. `progress` shows on stderr how far the run is. Raises
    AnalysisError, BasinError or VerifyError.
    """
    with tempfile.TemporaryDirectory(prefix="basin-") as name:
        subjects = []
        for index, path in enumerate(paths):
            folder = Path(name) / str(index)
            folder.mkdir()
            subjects.append(_Subject(path, folder, device))
        return _run(subjects, data, batch, progress)


def _run(subjects: list[_Subject], data: Dataset, batch: int, progress: bool) -> Evaluation:
    groups = list(_group(subjects, data, batch))
    if not groups:
        raise AnalysisError(
            f"{data.source}: no sequence has a token to score: each needs two, and those that a "
            "model does not take do not count"
        )
    for index in steps(len(groups), progress):
        members, skipped, cuts = groups[index]
        ids = np.stack([data.sequences[one] for one in members])
        first: np.ndarray | None = None
        for subject, cut in zip(subjects, cuts):
            logits = _align(subject.run(ids[:, cut:]), skipped - cut)
            if first is not None and first.shape != logits.shape:
                raise AnalysisError(
                    f"{subject.path}: expected logits of {first.shape[-1]} words, as the first "
                    f"model has, but got {logits.shape[-1]}"
                )
            for row, member in enumerate(members):
                start = max(skipped + 1, data.context_of(member))
                chosen = slice(start - skipped - 1, None)
                reference = None if first is None else first[row][chosen]
                subject.sums.append(score_rows(logits[row][chosen], reference, ids[row, start:]))
            first = logits if first is None else first
    scores = [subject.score() for subject in subjects]
    scores[0] = ModelScore(
        scores[0].name, scores[0].perplexity, scores[0].loss, None, None, scores[0].largest
    )
    sums = subjects[0].sums
    return Evaluation(
        scores, len(sums), sum(one.tokens for one in sums), [*data.notes, *_notes(subjects, data)]
    )


def _align(logits: np.ndarray, skipped: int) -> np.ndarray:
    """The rows that predict a token after the skipped ones: without the first and the last."""
    return logits[:, skipped:-1]


def _group(
    subjects: list[_Subject], data: Dataset, batch: int
) -> Iterator[tuple[list[int], int, tuple[int, ...]]]:
    """Sequences of one length that the models cut alike: their indices, the number of first tokens
    that some model does not take, and that of each model.
    """
    groups: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    for index, ids in enumerate(data.sequences):
        cuts = tuple(subject.takes(ids) for subject in subjects)
        if len(ids) > max(max(cuts) + 1, data.context_of(index)):
            groups[len(ids), cuts].append(index)
    sizes = {s.feeder.batch_size for s in subjects if s.feeder.batch_size is not None}
    size = min([batch, *sizes])
    for subject in subjects:
        subject.feeder.check_length(max((length for length, _ in groups), default=0))
    for (_, cuts), members in sorted(groups.items()):
        for start in range(0, len(members), size):
            yield members[start : start + size], max(cuts), cuts


def _notes(subjects: list[_Subject], data: Dataset) -> list[str]:
    notes = []
    for subject in subjects:
        size = len(subject.prefix)
        other = sum(not subject.takes(ids) for ids in data.sequences) if size else 0
        if other:
            notes.append(
                f"{subject.name}: {other} of {len(data.sequences)} sequences do not start with its "
                f"prefix {','.join(map(str, subject.prefix))}: it computes as if they stood "
                "behind it"
            )
    return notes


def as_json(result: Evaluation) -> dict[str, Any]:
    """The result as JSON: infinities are the string "inf"."""

    def number(value: float | None) -> float | str | None:
        return value if value is None or math.isfinite(value) else "inf"

    def estimate(one: Estimate | None) -> dict[str, Any] | None:
        return None if one is None else {"value": number(one.value), "error": number(one.error)}

    return {
        "sequences": result.sequences,
        "tokens": result.tokens,
        "notes": result.notes,
        "models": [
            {
                "name": one.name,
                "perplexity": estimate(one.perplexity),
                "loss": estimate(one.loss),
                "kl": estimate(one.divergence),
                "top1_agreement": estimate(one.agreement),
                "largest": number(one.largest),
            }
            for one in result.models
        ],
    }
