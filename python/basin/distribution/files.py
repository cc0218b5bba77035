"""The files of a model at the nodes of a cluster.

A file that a node has under the same path, with the same content, is used where it is. Otherwise
the model and all files beside it are written to a temporary folder of the node, once: the first
worker there takes a lock, the others wait for it. The folder appears under its name only when it is
complete. All workers of a node map the same files, so that weights are in memory once.

Each worker holds a second lock, shared, for as long as it lives. So a later job can tell folders
that are in use from those that a killed job left, which it removes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from basin.errors import ClusterError

# A part of a file that is sent at a time.
CHUNK = 64 << 20
_PREFIX = "basin-node-"

# Yields the content of a file of the driver's, given its path and size.
Fetch = Callable[[Path, int], Iterator[bytes]]


@dataclass(frozen=True)
class SharedFile:
    """A file as the driver sees it.

    `identity` names it on this machine for as long as it does not change. `sha256` is None in a
    cluster of one machine, where the identity is enough.
    """

    path: Path
    size: int
    identity: tuple[object, ...]
    sha256: str | None


@dataclass(frozen=True)
class SharedModel:
    """A model and the files beside it, by their names in its folder; the model's own comes first.

    `key` is unique to the pool of workers that uses them.
    """

    key: str
    files: dict[str, SharedFile]

    @property
    def name(self) -> str:
        """The model's own name."""
        return next(iter(self.files))

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(one.size for one in self.files.values())


def share(key: str, model: Path, names: list[str], hashed: bool) -> SharedModel:
    """Describe a model, and the files `names` beside it, for workers elsewhere."""
    folder = model.absolute().parent
    return SharedModel(
        key, {name: _describe(folder / name, hashed) for name in (model.name, *names)}
    )


def _describe(path: Path, hashed: bool) -> SharedFile:
    digest = _hash(path) if hashed else None
    return SharedFile(path, path.stat().st_size, _identity(path), digest)


def _identity(path: Path) -> tuple[object, ...]:
    """The kernel that has a file open, and the file's number there: equal for the same file."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        # Without a name for the running kernel no two files are known to be the same.
        boot = os.urandom(16).hex()
    found = path.stat()
    return boot, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def find_model(model: SharedModel, fetch: Fetch) -> Path:
    """The model's path at this node, with the files beside it. Raises ClusterError or OSError."""
    files = model.files.values()
    own = model.files[model.name].path
    if all(_is_identical(one) for one in files):
        return own
    if any(one.sha256 is None for one in files):
        raise ClusterError(f"{own}: a node joined that does not have this file, or another one")
    folder = Path(tempfile.gettempdir()) / (_PREFIX + model.key)
    # Never closed: it says for as long as this process lives that the folder is in use.
    _lock(folder.with_suffix(".used"), fcntl.LOCK_SH)
    making = _lock(folder.with_suffix(".lock"), fcntl.LOCK_EX)
    try:
        # A mark, because reading a large file again only to compare it takes long.
        mark = folder.with_suffix(".same")
        if not folder.is_dir() and not mark.exists():
            _remove_unused()
            if all(_has_content(one) for one in files):
                mark.touch()
            else:
                _write(model, folder, fetch)
        return own if mark.exists() else folder / model.name
    finally:
        os.close(making)


def _is_identical(file: SharedFile) -> bool:
    try:
        return _identity(file.path) == file.identity
    except OSError:
        return False


def _has_content(file: SharedFile) -> bool:
    try:
        return file.path.stat().st_size == file.size and _hash(file.path) == file.sha256
    except OSError:
        return False


def _lock(path: Path, how: int) -> int:
    """A file at `path`, which is open and locked."""
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, how)
        # It may have been removed while this process waited, and then locks nothing.
        with suppress(OSError):
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        os.close(handle)


def _write(model: SharedModel, folder: Path, fetch: Fetch) -> None:
    """Fetch all files into a new folder."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)  # A worker may have been lost while it wrote.
    part.mkdir(0o700)
    try:
        for name, file in model.files.items():
            target = part / name
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            with open(target, "wb") as out:
                for block in fetch(file.path, file.size):
                    digest.update(block)
                    out.write(block)
            if digest.hexdigest() != file.sha256:
                raise ClusterError(f"{file.path}: the file changed while it was sent to a node")
        os.replace(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def remove(key: str) -> None:
    """Remove what `find_model` wrote at this node for a key, which no piece needs any more."""
    folder = Path(tempfile.gettempdir()) / (_PREFIX + key)
    for path in (folder, folder.with_suffix(".part")):
        shutil.rmtree(path, ignore_errors=True)
    for end in (".same", ".lock", ".used"):
        folder.with_suffix(end).unlink(missing_ok=True)


def _remove_unused() -> None:
    """Remove what jobs left that were killed: no process holds their lock."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*.used"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(path.stem.removeprefix(_PREFIX))
            finally:
                os.close(handle)
