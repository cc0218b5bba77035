"""The plan's kernels in a folder that a machine with a GPU and torch, but no compiler, can measure.

DIR/manifest.json    kernels: object, name, registers, spills, shared memory; or why there is none
DIR/*.bko            their objects
DIR/python/basin     this package with libbasin_rt: PYTHONPATH=DIR/python
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import basin
from basin import runtime
from basin.bench.gpu.plan import Kernel
from basin.tools import find_tool

MANIFEST = "manifest.json"
VERSION = 1
_RESOURCES = re.compile(r"^(\S+): (\d+) registers, (\d+) bytes spilled$", re.MULTILINE)
_PACKAGE = Path(basin.__file__).parent


class ObjectsError(Exception):
    """There are no kernels to measure; the message says why."""


def find_compiler(given: str | None = None) -> str:
    """basin-compile: `given`, on the path, or in the build folder that this package is of."""
    found = shutil.which(given) if given else find_tool("basin-compile")
    if found is None:
        raise ObjectsError(f"{given or 'basin-compile'}: not found; name it with --compiler")
    return found


def _compile(compiler: str, target: str, kernel: Kernel, folder: Path) -> dict[str, Any]:
    path = folder / kernel.file
    command = [compiler, f"--{kernel.family}", kernel.parts, "--target", target, "--resources"]
    done = subprocess.run([*command, "-o", str(path)], capture_output=True, text=True)
    entry: dict[str, Any] = asdict(kernel)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return entry | {"error": lines[-1] if lines else f"exit status {done.returncode}"}
    with runtime.load(path) as made:
        (only,) = made.kernels
        entry |= {"name": only.name, "threads": only.block[0], "shared": only.shared_bytes}
    found = _RESOURCES.search(done.stderr)
    if found and found[1] == only.name:
        entry |= {"registers": int(found[2]), "spilled": int(found[3])}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return entry | {"file": kernel.file, "sha256": digest}


def _copy_package(folder: Path) -> None:
    """Copy the package without the extension, which needs MLIR."""
    library = _PACKAGE / "libbasin_rt.so.2"
    if not library.exists():
        raise ObjectsError(f"{library}: the runtime is not built")
    shutil.rmtree(folder, ignore_errors=True)
    skip = shutil.ignore_patterns("__pycache__", "_basin*")
    shutil.copytree(_PACKAGE, folder, ignore=skip)


def prepare(
    kernels: Sequence[Kernel], folder: Path, target: str, compiler: str, jobs: int | None = None
) -> dict[str, Any]:
    """Compile all into `folder`; returns the manifest. A kernel that fails is an entry, too."""
    folder.mkdir(parents=True, exist_ok=True)
    _copy_package(folder / "python" / "basin")
    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        work = [pool.submit(_compile, compiler, target, kernel, folder) for kernel in kernels]
        entries = [task.result() for task in work]
    manifest = {"version": VERSION, "target": target, "kernels": entries}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of `folder`. The parts that are used are checked."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        if manifest["version"] != VERSION:
            raise ObjectsError(
                f"{path}: expected version {VERSION}, but got {manifest['version']}; "
                "prepare it again"
            )
        for entry in manifest["kernels"]:
            Kernel(entry["family"], entry["parts"])
            if "error" not in entry and not (folder / entry["file"]).is_file():
                raise ObjectsError(
                    f"{path}: its kernel {entry['file']} is missing; prepare it again"
                )
    except OSError as error:
        raise ObjectsError(f"{path}: {error.strerror}; make it with --prepare") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ObjectsError(f"{path}: not a manifest ({error!r})") from error
    return manifest


def digest(manifest: dict[str, Any]) -> str:
    """Tells results of one set of objects from those of another."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]


class Objects:
    """Kernels of a prepared folder, loaded when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        self._entries = {(e["family"], e["parts"]): e for e in self.manifest["kernels"]}
        self._open: dict[Kernel, runtime.Object] = {}

    def kernel(self, kernel: Kernel) -> runtime.Kernel:
        """Returns the kernel from its object, loaded."""
        entry = self._entries.get((kernel.family, kernel.parts))
        if entry is None:
            raise ObjectsError(
                f"--{kernel.family} {kernel.parts}: the folder lacks this kernel; prepare it again"
            )
        if "error" in entry:
            raise ObjectsError(entry["error"])
        if kernel not in self._open:
            self._open[kernel] = runtime.load(self.folder / entry["file"])
        return self._open[kernel][entry["name"]]


def counters(manifest: dict[str, Any]) -> str:
    """What the assembler says of each kernel, as a Markdown table."""
    lines = [
        f"| kernel ({manifest['target']}) | threads | registers | spilled bytes | shared bytes |",
        "|---|---|---|---|---|",
    ]
    for entry in manifest["kernels"]:
        label = f"`--{entry['family']} {entry['parts']}`"
        if "error" in entry:
            lines.append(f"| {label} | failed: {entry['error']} | | | |")
            continue
        values = [entry.get(key, "?") for key in ("threads", "registers", "spilled", "shared")]
        lines.append(f"| {label} | " + " | ".join(map(str, values)) + " |")
    return "\n".join(lines)
