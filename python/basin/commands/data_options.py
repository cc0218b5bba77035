"""Options of commands that run models on token ids or text."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from basin.analysis.data import Dataset
    from basin.inputs.signature import Facts

TOKENIZER = typer.Option(metavar="FILE|bytes", help="A tokenizer.json, or 'bytes': ids are bytes.")
BOS = typer.Option(min=0, help="Id to put before sequences that lack it.")
SEQUENCES = typer.Option(min=1, help="How many sequences to read.")
BATCH = typer.Option(min=1, help="How many sequences to run at a time.")
DEVICE = typer.Option(help="Where to run.")


class Device(str, Enum):
    """Where the model runs."""

    cpu = "cpu"
    cuda = "cuda"


def bos_of(metadata: dict[str, str]) -> int | None:
    """The id of BOS that a model's metadata tells."""
    found = next((metadata[key] for key in ("bos_token_id", "bos") if key in metadata), "")
    return int(found) if found.isdecimal() else None


def list_read(data: Path | None, tokenizer: str | None) -> list[Path]:
    """The files that are read for these options."""
    from basin.analysis.tokenizer import tokenizer_files

    read = [] if data is None else [data]
    if tokenizer is not None and tokenizer != "bytes":
        read += tokenizer_files(Path(tokenizer))
    return read


def read_dataset(
    facts: Facts,
    data: Path,
    *,
    tokenizer: str | None,
    bos: int | None,
    length: int | None,
    sequences: int | None,
    stride: int | None = None,
) -> Dataset:
    """The token sequences of a file for a model, by these options. Raises AnalysisError."""
    from basin.analysis.data import load
    from basin.analysis.feed import vocabulary
    from basin.analysis.tokenizer import make_tokenizer

    size = vocabulary(facts)
    return load(
        data,
        vocabulary=size,
        tokenizer=make_tokenizer(tokenizer, size),
        bos=bos,
        model_bos=bos_of(facts.metadata),
        length=length,
        limit=sequences,
        stride=stride,
    )
