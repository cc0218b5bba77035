"""One function over many pieces of work: here, one after the other, or on a pool of workers.

A worker first makes a state once, by `open`: a session, say. Then `run` makes a result of the state
and a piece. Results come in the order of the pieces, so that what is made of them depends neither
on the number of workers nor on which of them was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

State = TypeVar("State")
Piece = TypeVar("Piece")
Result = TypeVar("Result")
Item = TypeVar("Item")

# Pieces for each worker. More would even out workers of different speed better, and lose less with
# a lost worker; but each piece of an analysis returns statistics of its own.
_SHARE = 8


@dataclass(frozen=True)
class Site:
    """What a worker is given.

    `models` are the paths of the pool's models there, in their order. `threads` is the number of
    threads that a session should take, or None for as many as ONNX Runtime chooses.
    """

    models: list[Path] = field(default_factory=list)
    threads: int | None = None


class Pool(Protocol):
    """Workers that take pieces."""

    def map(
        self,
        open: Callable[[Site], State],
        run: Callable[[State, Piece], Result],
        pieces: Iterable[Piece],
    ) -> Generator[Result, None, None]:
        """The results of all pieces, in their order."""
        ...


def map_pieces(
    open: Callable[[Site], State],
    run: Callable[[State, Piece], Result],
    pieces: Iterable[Piece],
    pool: Pool | None = None,
) -> Generator[Result, None, None]:
    """Yield `run(open(site), piece)` for each piece, in order; `open` runs once a worker.

    Without a pool all of it runs in this process, each piece when its result is asked for. With
    one, functions, pieces and results are pickled. A piece may then run again on another worker, if
    the first is lost, so that `run` must change nothing that outlasts it.
    """
    if pool is not None:
        yield from pool.map(open, run, pieces)
        return
    state = open(Site())
    for piece in pieces:
        yield run(state, piece)


def split(items: Sequence[Item], workers: int) -> list[Sequence[Item]]:
    """Items in runs of neighbours, several for each of the workers."""
    size = max(1, -(-len(items) // (_SHARE * workers)))
    return [items[start : start + size] for start in range(0, len(items), size)]
