"""The user's data as inputs of a model, for steps that run it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from basin.analysis.data import load as load_tokens
from basin.analysis.feed import vocabulary
from basin.analysis.runs import Arrays, Source
from basin.errors import AnalysisError, VerifyError
from basin.inputs.drawn_inputs import FEW, draw_cases
from basin.inputs.signature import read_facts
from basin.prefix import PrefixRun

__all__ = ["Feeds", "count_tokens", "draw_feeds", "read_feeds"]

# The inputs of each run, and for each which tokens are real, [B, T], or None if all are.
Feeds = Sequence[tuple[dict[str, np.ndarray], "np.ndarray | None"]]

# Sequences in one run.
_BATCH = 8


def read_feeds(
    step: str, data: Path, signature: Sequence[Any], path: Path, prefix: PrefixRun | None
) -> tuple[Feeds, list[str]]:
    """The runs of the data of a `step` for the model at `path`, and remarks.

    `signature` are the inputs of its session, and `prefix` is what the model's sequences lack.
    Raises AnalysisError, which names the step.
    """
    facts = read_facts(path)
    names = [item.name for item in signature]
    settings: dict[str, Any] = {"token_ids": None, "token_mask": None, "taps": []}
    for key, name in (("token_ids", "input_ids"), ("token_mask", "attention_mask")):
        settings[key] = name if name in names else None
    try:
        if _has_arrays(data, names):
            source: Source = Arrays.load([data])
        else:
            tokens = load_tokens(data, vocabulary=vocabulary(facts))
            # They say what was taken for BOS, which does not matter here.
            tokens.notes.clear()
            source = tokens
            # Sequences of one length run together, so that nothing is padded.
            settings["token_mask"] = None
        runs = source.runs(list(signature), facts, settings, _BATCH)
        made = [runs.make(index) for index in range(runs.total)]
    except AnalysisError as error:
        # What options of `basin analyze` would help with is not offered here.
        reason = re.sub(r"^--(data|inputs): |: give --.*$", "", str(error))
        reason = reason.replace("text needs --tokenizer", "expected ids of tokens, but got text")
        raise AnalysisError(f"step '{step}': option 'data': {reason}") from None
    feeds = [
        (feed, None if batch is None or batch.mask.all() else batch.mask) for feed, batch in made
    ]
    notes = [f"remark: {step}: {data.name}: {note}" for note in runs.notes]
    if prefix is not None and _all_start_with(feeds, prefix):
        first = ",".join(map(str, prefix.prefix))
        notes.append(
            f"warning: {step}: {data.name}: all sequences start with {first}, the prefix that the "
            "model already has: leave it out"
        )
    return feeds, notes


def _has_arrays(data: Path, names: Sequence[str]) -> bool:
    """Whether the file has an array for each input of the model, and not tokens alone."""
    if data.suffix.lower() != ".npz" or set(names) <= {"input_ids", "attention_mask"}:
        return False
    try:
        with np.load(data, allow_pickle=False) as archive:
            return not isinstance(archive, np.ndarray) and set(names) <= set(archive.files)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return False  # Reading it as tokens says what is wrong.


def _all_start_with(feeds: Feeds, prefix: PrefixRun) -> bool:
    size = len(prefix.prefix)
    starts = [feed[prefix.ids][..., :size] for feed, _ in feeds if prefix.ids in feed]
    return bool(starts) and all(
        one.shape[-1] == size and (one == np.array(prefix.prefix)).all() for one in starts
    )


def count_tokens(feeds: Feeds) -> int:
    """The real tokens, or the elements of the largest input of integers where none are known."""
    total = 0
    for feed, mask in feeds:
        sizes = [value.size for value in feed.values() if value.dtype.kind in "iu"]
        total += int(mask.sum()) if mask is not None else max(sizes, default=0)
    return total


def draw_feeds(path: Path, session: ort.InferenceSession) -> Feeds:
    """Drawn inputs, as proofs have them, where a user gives no data. Raises VerifyError."""
    feeds: list[tuple[dict[str, np.ndarray], np.ndarray | None]] = []
    for case in draw_cases(path, session, FEW):
        if case.large or case.scaled:
            continue
        feeds.append((case.values, None))
    if not feeds:
        raise VerifyError("no inputs could be drawn for the model")
    return feeds
