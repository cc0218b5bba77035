"""Files that are written whole or not at all, and never onto one that the input needs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path` by a temporary file beside it, with the usual permissions.

    Raises an OSError that names `path`, not the temporary file.
    """
    try:
        _write_whole(path, data)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def _write_whole(path: Path, data: bytes) -> None:
    # The temporary name is short, because one made from the file's name could be too long.
    handle, name = tempfile.mkstemp(prefix=".basin-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def find_clash(targets: Mapping[str, Path | None], inputs: Iterable[Path]) -> str | None:
    """Why a target must not be written: it is an input, or another target. None if all may be.

    `targets` are named by their options. Files are compared themselves, not by name, so hard and
    symbolic links do not hide an input.
    """
    needed = list(inputs)
    given = [(option, path) for option, path in targets.items() if path is not None]
    for at, (option, path) in enumerate(given):
        for one in needed:
            if is_same_file(path, one):
                return f"{option}: {path} is the same file as an input: {one}"
        for other, earlier in given[:at]:
            if is_same_file(path, earlier):
                return f"{option} and {other} name the same file: {path}"
    return None


def is_same_file(a: Path, b: Path) -> bool:
    """Whether two paths lead to one file, which need not be there yet."""
    try:
        return os.path.samefile(a, b)
    except OSError:
        return os.path.realpath(a) == os.path.realpath(b)


def refers_to(model: Path, names: Iterable[str]) -> list[Path]:
    """The model and the files `names` beside it."""
    return [model, *(model.parent / name for name in names)]
