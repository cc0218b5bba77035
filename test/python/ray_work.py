"""Functions that workers of test_distribution.py run; a module, so that they are found by name."""

from __future__ import annotations

import os
import signal
import time
import uuid
from pathlib import Path

from basin.distribution import Site
from basin.distribution.worker import Job, _site
from basin.errors import AnalysisError
from basin.model import BasinError


def mark(site: Site) -> str:
    """A state that no other call makes."""
    return uuid.uuid4().hex


def square(state: str, piece: int) -> tuple[str, int]:
    """The state, and the result; later pieces are faster."""
    time.sleep(0.02 if piece % 3 == 0 else 0)
    return state, piece * piece


def lose_once(folder: Path, piece: int) -> int:
    """Kills its process the first time that it gets piece 5."""
    seen = folder / "seen"
    if piece == 5 and not seen.exists():
        seen.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return piece


def lose(state: str, piece: int) -> int:
    """Kills its process at piece 2."""
    if piece == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return piece


def refuse(state: str, piece: str) -> None:
    """Raises the error that the piece names."""
    kinds = {"AnalysisError": AnalysisError, "BasinError": BasinError, "KeyError": KeyError}
    if piece == "OSError":
        Path("/no-such-folder/x").read_bytes()
    raise kinds[piece]("the reason")


def read_model(site: Site, piece: str) -> tuple[str, bytes]:
    """The path and the content of a file beside the model."""
    path = site.models[0].parent / piece
    return str(path), path.read_bytes()


def fixed(value: object, site: Site) -> object:
    """A state that is the value itself."""
    return value


def fetch_elsewhere(job: Job, name: str, folder: str) -> tuple[str, bytes]:
    """As `read_model`, at a node that has no file yet, and keeps temporary ones in `folder`."""
    import tempfile

    from basin.distribution import files

    files._is_identical = files._has_content = lambda file: False
    tempfile.tempdir = folder
    return read_model(_site(job), name)
