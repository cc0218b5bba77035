"""Several models on the same text: each is compared with the first one at the same tokens.

A model whose prefix was absorbed, or taken over by learnable tokens, takes sequences without it.
Where a sequence starts with the prefix, the model gets what follows; elsewhere it gets the whole
sequence, and computes as if that stood behind the prefix. All models are scored on the tokens that
all of them predict.
"""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from basin.analysis.data import Dataset
from basin.analysis.feed import Feeder
from basin.analysis.instrumented import instrument, open_instrumented
from basin.analysis.progress import steps
from basin.distribution import Pool, map_pieces, split
from basin.errors import AnalysisError
from basin.evaluation.scores import Estimate, RowSums, ratio
from basin.evaluation.subjects import (
    Group,
    Scores,
    Subject,
    larger,
    open_subjects,
    score_groups,
)
from basin.inputs.signature import list_inputs, read_facts
from basin.model import load

if TYPE_CHECKING:
    from basin.distribution.cluster import Cluster

__all__ = ["Evaluation", "ModelScore", "evaluate"]


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


class _Entrant:
    """A model with the tokens that its sequences lack, and its scores so far."""

    def __init__(self, path: Path, folder: Path, device: str) -> None:
        self.path, self.name = path, path.name
        self.facts = read_facts(path)
        self.prefix = np.array(load(path).inspect()["prefix"], np.int64)
        self.target, _ = instrument(path, folder, "taps=residual sink-length=1", device)
        session = open_instrumented(self.target, path, device)
        self.subject: Subject | None = Subject(path, self.facts, session)
        self.feeder = Feeder(list_inputs(session), self.facts)
        self.largest: float | None = None
        self.sums: list[RowSums] = []

    def takes(self, ids: np.ndarray) -> int:
        """How many first tokens of `ids` [T] the model does not take."""
        size = len(self.prefix)
        return size if size and len(ids) > size and (ids[:size] == self.prefix).all() else 0

    def add(self, scores: Scores) -> None:
        """Take in the scores of a group."""
        self.sums += scores.rows
        self.largest = larger(self.largest, scores.largest)

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
    cluster: Cluster | None = None,
) -> Evaluation:
    """Score the models at `paths` on token sequences, each against the first model.

    At most `batch` sequences of one length run at a time. The first `data.context` tokens of a
    sequence are read and not scored. `progress` shows on stderr how far the run is. With a
    `cluster` the sequences run there, with the same result. Raises AnalysisError, BasinError,
    ClusterError or VerifyError.
    """
    with tempfile.TemporaryDirectory(prefix="basin-") as name:
        entrants = []
        for index, path in enumerate(paths):
            folder = Path(name) / str(index)
            folder.mkdir()
            entrants.append(_Entrant(path, folder, device))
        groups = list(_group(entrants, data, batch))
        if not groups:
            raise AnalysisError(
                f"{data.source}: no sequence has a token to score: each needs two, and those that "
                "a model does not take do not count"
            )
        _score_all(entrants, groups, data, device, progress, cluster)
    scores = [one.score() for one in entrants]
    scores[0] = replace(scores[0], divergence=None, agreement=None)
    sums = entrants[0].sums
    return Evaluation(
        scores, len(sums), sum(one.tokens for one in sums), [*data.notes, *_notes(entrants, data)]
    )


def _score_all(
    entrants: list[_Entrant],
    groups: list[_Members],
    data: Dataset,
    device: str,
    progress: bool,
    cluster: Cluster | None,
) -> None:
    """Give every model its scores for all groups, in their order."""
    pool: Pool | None = None
    if cluster is None:
        subjects = [one.subject for one in entrants if one.subject is not None]
        parts: Sequence[Sequence[_Members]] = [[group] for group in groups]
        opens, what = (lambda site: subjects), "batches"
    else:
        # The workers open them anew, and the memory of this machine may be theirs.
        for one in entrants:
            one.subject = None
        files = [(one.target, read_facts(one.target).files) for one in entrants]
        pool = cluster.pool(files, gpu=device == "cuda")
        parts, what = split(groups, pool.workers), "pieces"
        opens = partial(open_subjects, [(one.path, one.facts) for one in entrants], device)
    pieces = ([group.make(data) for group in part] for part in parts)
    with closing(map_pieces(opens, score_groups, pieces, pool)) as results:
        for _ in steps(len(parts), progress, what):
            for scores in next(results):
                for entrant, score in zip(entrants, scores):
                    entrant.add(score)


@dataclass(frozen=True)
class _Members:
    """A group that is not made yet: indices of its sequences, and the members of Group."""

    members: list[int]
    skipped: int
    cuts: tuple[int, ...]

    def make(self, data: Dataset) -> Group:
        ids = np.stack([data.sequences[one] for one in self.members])
        starts = [max(self.skipped + 1, data.context_of(one)) for one in self.members]
        return Group(ids, self.skipped, self.cuts, starts)


def _group(entrants: list[_Entrant], data: Dataset, batch: int) -> Iterator[_Members]:
    """Sequences of one length that the models cut alike, at most `batch` of them at a time."""
    groups: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    for index, ids in enumerate(data.sequences):
        cuts = tuple(one.takes(ids) for one in entrants)
        if len(ids) > max(max(cuts) + 1, data.context_of(index)):
            groups[len(ids), cuts].append(index)
    sizes = {s.feeder.batch_size for s in entrants if s.feeder.batch_size is not None}
    size = min([batch, *sizes])
    for one in entrants:
        one.feeder.check_length(max((length for length, _ in groups), default=0))
    for (_, cuts), members in sorted(groups.items()):
        for start in range(0, len(members), size):
            yield _Members(members[start : start + size], max(cuts), cuts)


def _notes(entrants: list[_Entrant], data: Dataset) -> list[str]:
    notes = []
    for one in entrants:
        size = len(one.prefix)
        other = sum(not one.takes(ids) for ids in data.sequences) if size else 0
        if other:
            notes.append(
                f"{one.name}: {other} of {len(data.sequences)} sequences do not start with its "
                f"prefix {','.join(map(str, one.prefix))}: it computes as if they stood "
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
