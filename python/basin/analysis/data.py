"""Token sequences from a user's files, checked.

| file | what |
|---|---|
| `.npz` | `input_ids` [N, T], with `attention_mask` [N, T] or without, or the only array |
| `.npy` | [N, T], or [T]: one long stream |
| `.jsonl` | lines: a list of ids, `{"input_ids": [...]}` or, with a tokenizer, `{"text": "..."}` |
| any other | UTF-8 text, with a tokenizer: one long stream |

A stream is cut into windows of `length` tokens, BOS included. A rest is dropped, unless there is
nothing else. Sequences keep their first `length` tokens, and tokens that a mask hides are dropped.
BOS is put before windows of text if the tokenizer has one, and before every sequence that lacks it
if `--bos` says so. The text of a line is a whole text, and gets all special tokens that the
tokenizer puts around it. A window of a stream is only a part of a text, and gets BOS alone.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from basin.analysis.tokenizer import Tokenizer
from basin.errors import AnalysisError

if TYPE_CHECKING:
    import onnxruntime as ort

    from basin.analysis.runs import Runs
    from basin.inputs.signature import Facts

# The default lengths of windows and of random sequences.
WINDOW, RANDOM_LENGTH = 512, 128


@dataclass
class Dataset:
    """Sequences of token ids, [T] i64 each, and where they are from.

    `kind` is `tokens`, `text` or `random`. `bos` is the id that a sequence should begin with, or
    None if it is not known. `notes` say what had to be assumed.
    """

    sequences: list[np.ndarray]
    source: str
    kind: str
    length: int | None = None
    bos: int | None = None
    tokenizer: Tokenizer | None = None
    notes: list[str] = field(default_factory=list)
    # How many first tokens of each sequence the one before it has, too. Empty: none.
    context: list[int] = field(default_factory=list)

    def context_of(self, index: int) -> int:
        """How many first tokens of a sequence only serve the others."""
        return self.context[index] if self.context else 0

    def runs(
        self, signature: list[ort.NodeArg], facts: Facts, instrumentation: dict[str, Any], size: int
    ) -> Runs:
        """Runs of at most `size` sequences. Raises AnalysisError where none can be run."""
        from basin.analysis.runs import TokenRuns

        return TokenRuns(self, signature, facts, instrumentation, size)


@dataclass
class _Raw:
    """A file's content: sequences, or a `stream` that is to be cut. `is_text`: it was tokenized."""

    sequences: list[np.ndarray]
    stream: bool = False
    is_text: bool = False


def load(
    path: Path,
    *,
    vocabulary: int | None = None,
    tokenizer: Tokenizer | None = None,
    bos: int | None = None,
    model_bos: int | None = None,
    length: int | None = None,
    limit: int | None = None,
    stride: int | None = None,
) -> Dataset:
    """Read the sequences of `path`; options as in the file's header.

    `vocabulary` is the number of ids that the model has, `model_bos` what the model's metadata
    says, `limit` the number of sequences to keep. With a `stride` windows of a stream overlap: each
    begins that many tokens after the one before it. Raises AnalysisError.
    """
    if not path.is_file():
        raise AnalysisError(f"--data: no such file: {path}")
    readers: dict[str, Callable[[Path, Tokenizer | None], _Raw]] = {
        ".npz": _read_npz,
        ".npy": _read_npy,
        ".jsonl": _read_jsonl,
    }
    raw = readers.get(path.suffix.lower(), _read_text)(path, tokenizer)
    known = bos if bos is not None else (tokenizer.bos if tokenizer else None)
    put = bos if bos is not None else (known if raw.is_text else None)
    sequences = raw.sequences
    context: list[int] = []
    if raw.stream:
        sequences, context = _windows(sequences[0], length or WINDOW, put, stride)
    elif stride is not None:
        raise AnalysisError(f"{path}: --stride needs one long stream, but got sequences")
    sequences = [_begin(one, put)[:length] for one in sequences[:limit]]
    if not sequences or any(one.size == 0 for one in sequences):
        raise AnalysisError(f"{path}: expected tokens, but got no sequence or an empty one")
    _check_ids(path, sequences, vocabulary)
    out = Dataset(sequences, path.name, "text" if raw.is_text else "tokens")
    out.length, out.tokenizer = max(map(len, sequences)), tokenizer
    out.context = context[: len(sequences)]
    out.bos = known if known is not None else model_bos
    out.notes += tokenizer.notes if tokenizer and bos is None else []
    if out.bos is None and tokenizer is not None:
        out.bos = tokenizer.named_bos
    _guess_bos(out)
    return out


def random_tokens(
    count: int, vocabulary: int, length: int | None = None, bos: int | None = None
) -> Dataset:
    """`count` sequences of ids drawn evenly from the vocabulary, the same ones every time."""
    size = length or RANDOM_LENGTH
    if bos is not None and bos >= vocabulary:
        raise AnalysisError(
            f"--bos: expected an id below {vocabulary}, the rows of the model's table, "
            f"but got {bos}"
        )
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, vocabulary, (count, size))
    if bos is not None:
        drawn[:, 0] = bos
    return Dataset(list(drawn), f"{count} random sequences", "random", size, bos)


def _windows(
    stream: np.ndarray, length: int, bos: int | None, stride: int | None
) -> tuple[list[np.ndarray], list[int]]:
    """Windows of a stream [T] that are `length` long once BOS is put before them.

    Also, for each, how many of its first tokens, BOS among them, are there for the others alone.
    """
    own = bos is not None
    size = length - own
    if size < 1:
        raise AnalysisError(f"--length: expected more than {length} tokens in a window with BOS")
    step = size if stride is None else stride
    if not 1 <= step <= size:
        raise AnalysisError(
            f"--stride: expected from 1 to {size}, the tokens of a window, but got {step}"
        )
    starts = range(0, len(stream) - size + 1, step)
    windows = [stream[start : start + size] for start in starts] or [stream]
    return windows, [0 if i == 0 else size - step + own for i in range(len(windows))]


def _begin(sequence: np.ndarray, bos: int | None) -> np.ndarray:
    """The sequence with BOS before it, unless it begins with that; an empty one stays empty."""
    if bos is None or sequence.size == 0 or sequence[0] == bos:
        return sequence
    return np.concatenate((np.array([bos], np.int64), sequence))


def _check_ids(path: Path, sequences: list[np.ndarray], vocabulary: int | None) -> None:
    lowest = min(int(one.min()) for one in sequences)
    highest = max(int(one.max()) for one in sequences)
    if lowest < 0:
        raise AnalysisError(f"{path}: expected ids of at least 0, but got {lowest}")
    if vocabulary is not None and highest >= vocabulary:
        raise AnalysisError(
            f"{path}: id {highest}, but the model's table has {vocabulary} rows: "
            "is this data, or this tokenizer, another model's?"
        )


def _guess_bos(data: Dataset) -> None:
    """Guess BOS from the data if nothing else tells it."""
    first = {int(one[0]) for one in data.sequences}
    if data.bos is None and len(first) == 1 and len(data.sequences) > 1:
        data.bos = first.pop()
        data.notes.append(f"all sequences begin with id {data.bos}, so it is taken for BOS")


def _read_npz(path: Path, tokenizer: Tokenizer | None) -> _Raw:
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            if "input_ids" not in names and len(names) != 1:
                found = ", ".join(names) or "nothing"
                raise AnalysisError(f"{path}: expected an array 'input_ids', but got {found}")
            ids = archive["input_ids" if "input_ids" in names else names[0]]
            mask = archive["attention_mask"] if "attention_mask" in names else None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None
    if mask is not None and mask.shape != ids.shape:
        raise AnalysisError(
            f"{path}: input_ids has shape {list(ids.shape)}, but attention_mask {list(mask.shape)}"
        )
    return _of_array(path, ids, mask)


def _read_npy(path: Path, tokenizer: Tokenizer | None) -> _Raw:
    try:
        array = np.load(path, allow_pickle=False, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise _unreadable(path, error) from None
    return _of_array(path, array, None)


def _unreadable(path: Path, error: Exception) -> AnalysisError:
    """The error for an array file that numpy cannot read."""
    if "object" in str(error).lower():
        return AnalysisError(
            f"{path}: expected an array of numbers, but got one of objects: give sequences of "
            "different lengths as .jsonl"
        )
    return AnalysisError(f"{path}: {error}")


def _of_array(path: Path, ids: np.ndarray, mask: np.ndarray | None) -> _Raw:
    if ids.dtype.kind not in "iu":
        raise AnalysisError(f"{path}: expected whole numbers as ids, but got {ids.dtype}")
    if ids.ndim not in (1, 2):
        raise AnalysisError(f"{path}: expected shape [N, T] or [T], but got {list(ids.shape)}")
    if ids.dtype == np.uint64 and ids.size and ids.max() > np.iinfo(np.int64).max:
        raise AnalysisError(f"{path}: id {ids.max()} is beyond 64-bit integers")
    ids = ids.astype(np.int64)
    if ids.ndim == 1:
        return _Raw([ids if mask is None else ids[mask != 0]], stream=True)
    return _Raw(list(ids) if mask is None else [row[keep != 0] for row, keep in zip(ids, mask)])


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise AnalysisError(f"{path}: not UTF-8 at byte {error.start}") from None


def _read_text(path: Path, tokenizer: Tokenizer | None) -> _Raw:
    if tokenizer is None:
        raise AnalysisError(f"{path}: text needs --tokenizer")
    return _Raw([tokenizer.encode(_text_of(path))], stream=True, is_text=True)


def _read_jsonl(path: Path, tokenizer: Tokenizer | None) -> _Raw:
    out = _Raw([])
    kinds = set()
    for number, line in enumerate(_text_of(path).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise AnalysisError(f"{where}: not JSON: {getattr(error, 'msg', error)}") from None
        text = isinstance(value, dict) and "input_ids" not in value and "text" in value
        kinds.add(text)
        if len(kinds) > 1:
            raise AnalysisError(f"{where}: expected ids or text in all lines, but got both")
        out.sequences.append(_line_text(where, value, tokenizer) if text else _ids(where, value))
    out.is_text = True in kinds
    return out


def _line_text(where: str, value: dict[str, Any], tokenizer: Tokenizer | None) -> np.ndarray:
    if not isinstance(value["text"], str):
        raise AnalysisError(f"{where}: expected a string as 'text'")
    if tokenizer is None:
        raise AnalysisError(f"{where}: text needs --tokenizer")
    return tokenizer.encode(value["text"], whole=True)


def _ids(where: str, value: Any) -> np.ndarray:
    ids = value.get("input_ids") if isinstance(value, dict) else value
    if not isinstance(ids, list):
        raise AnalysisError(f"{where}: expected a list of ids, 'input_ids' or 'text'")
    if any(type(one) is not int or not -(2**63) <= one < 2**63 for one in ids):
        raise AnalysisError(f"{where}: expected whole numbers as ids, in one flat list")
    return np.array(ids, np.int64)
