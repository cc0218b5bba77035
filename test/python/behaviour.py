"""Records what users see of Basin on models and kernels, and compares two records.

    PYTHONPATH=build/python python test/python/behaviour.py record OUT.json [FOLDER...]
    python test/python/behaviour.py compare BEFORE.json AFTER.json

A change of structure must not change any of this. For each model in the folders
(test/models/exported and test/models/failing by default), a record has what `inspect` finds, the
remarks of recognition, the checksum of the bytes after each rewrite and in each form (or why there
are none), and what the instrument pass adds. For each kernel of the tests, it has the PTX that
basin-compile makes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from rewrite_passes import SMALL_REWRITES

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT / "test" / "models" / name for name in ("exported", "failing")]
RAISE = "basin-raise"
PASSES = {"form": ""} | {name: f"{passes}," for name, passes in SMALL_REWRITES.items()}
PIPELINES = {
    f"{name}, {form}": f"{RAISE},{passes}convert-sink-to-onnx{{form={form}}}"
    for name, passes in PASSES.items()
    for form in ("original", "functions")
} | {
    "instrumented": f"{RAISE},sink-instrument-outliers,convert-sink-to-onnx",
    "compared forms": f"{RAISE},sink-compare-forms,convert-sink-to-onnx",
}


def _said(call: Callable[[], Any]) -> Any:
    """The call's result, or the error that it raises, as text."""
    from basin.model import BasinError

    try:
        return call()
    except BasinError as error:
        return f"error: {error}"


def _transformed(path: Path, pipeline: str) -> list[str]:
    """The messages of the pipeline, and the checksum of the file that it makes."""
    import basin

    def run() -> list[str]:
        model = basin.load(path)
        said = model.run(f"builtin.module({pipeline})")
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "out.onnx"
            model.save(target, "embed")
            said.append(hashlib.sha256(target.read_bytes()).hexdigest())
        return said

    return _said(run)


def record_model(path: Path) -> dict[str, Any]:
    """The record of one model."""
    import basin

    found = {"inspect": _said(lambda: basin.load(path).inspect())}
    explain = "builtin.module(basin-raise{inline-functions=false explain=true})"
    found["explain"] = _said(lambda: basin.load(path).run(explain))
    for name, pipeline in PIPELINES.items():
        found[name] = _transformed(path, pipeline)
    # The folder is removed from the texts, because it differs between two records.
    return json.loads(json.dumps(found).replace(json.dumps(str(path.parent))[1:-1], "."))


def record_kernel(tool: str, family: str, text: str, chip: str) -> str:
    """The checksum of the kernel's PTX, or the error that the compiler prints."""
    command = [tool, f"--{family}", text, "--target", chip, "--emit=ptx", "-o", "-"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return f"error: {done.stderr.strip()}"
    return hashlib.sha256(done.stdout.encode()).hexdigest()


def record(folders: list[Path]) -> dict[str, Any]:
    """The whole record, by model and kernel."""
    from basin.tools import find_tool
    from kernel_specs import all_specs

    models = sorted(path for folder in folders for path in folder.rglob("*.onnx"))
    tool = find_tool("basin-compile")
    if tool is None:
        sys.exit("basin-compile is not built")
    kernels = [
        (spec.family, spec.text, chip) for spec in all_specs(True) for chip in ("sm_80", "sm_90a")
    ]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        of_models = list(pool.map(record_model, models, chunksize=4))
        of_kernels = list(
            pool.map(record_kernel, *zip(*((tool, *one) for one in kernels)), chunksize=4)
        )
    return {
        "models": {f"{p.parent.name}/{p.stem}": one for p, one in zip(models, of_models)},
        "kernels": {" ".join(names): one for names, one in zip(kernels, of_kernels)},
    }


def differences(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """A line for each place in which two records differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            yield from differences(before.get(key), after.get(key), f"{where} > {key}")
    elif before != after:
        yield f"{where.removeprefix(' > ')}: {before} became {after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("record")
    one.add_argument("out", type=Path)
    one.add_argument("folders", type=Path, nargs="*", default=FOLDERS)
    two = commands.add_parser("compare")
    two.add_argument("before", type=Path)
    two.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.command == "record":
        options.out.write_text(json.dumps(record(options.folders), indent=1, sort_keys=True))
        return
    before, after = (json.loads(p.read_text()) for p in (options.before, options.after))
    found = sorted(differences(before, after))
    print(*found, f"{len(found)} differences", sep="\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
