"""Progress of a long run on stderr: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

# The time between two lines. A log of hours stays readable, and a short run prints none.
SECONDS = 10.0


def steps(total: int, shown: bool, what: str = "batches") -> Iterator[int]:
    """Indices of batches, or of `what`; each is done when the next one is asked for."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if shown and console.is_terminal:
        return iter(track(range(total), "measuring", console=console, transient=True))
    return _lines(total, what) if shown else iter(range(total))


def _lines(total: int, what: str) -> Iterator[int]:
    start = last = time.monotonic()
    for index in range(total):
        yield index
        now = time.monotonic()
        if now - last >= SECONDS and index + 1 < total:
            last = now
            left = (now - start) / (index + 1) * (total - index - 1)
            print(
                f"basin: measured {index + 1} of {total} {what}, about {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
