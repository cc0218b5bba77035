"""Runs kernels on the emulator or on a GPU. As a command it runs on machines without LLVM:

    python test/python/kernel_backends.py build DIR [--target sm_90a]     where the compiler is
    PYTHONPATH=DIR/python python DIR/kernel_backends.py run DIR [--cases 20]

The second needs DIR, a GPU with its driver, torch and NumPy.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import basin
import torch
from basin import emulator, runtime
from basin.tools import find_tool
from kernel_cases import check, draw_case
from kernel_specs import Spec, all_specs


def failures(specs: list[Spec], number: int, backend: Any) -> Iterator[str]:
    """The faults in the first cases of each kernel, at most one for each kernel."""
    for spec in specs:
        try:
            for i in range(number):
                check(draw_case(spec, i, backend.device, backend.large), backend)
        except (AssertionError, backend.Error) as error:
            yield str(error)


class BackendError(Exception):
    """Says why there is no kernel."""


def compile_spec(spec: Spec, path: Path, *more: str) -> None:
    tool = find_tool("basin-compile")
    if tool is None:
        raise BackendError("basin-compile is not built")
    command = [tool, f"--{spec.family}", spec.text, *more, "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BackendError(f"{spec}: {done.stderr.strip()}")


def why_no_gpu() -> str | None:
    """Why there is no GPU, or None if there is one."""
    try:
        count = runtime.device_count()
    except runtime.KernelError as error:
        return f"no GPU: {error}"
    if not count:
        return "no GPU"
    return None if torch.cuda.is_available() else "no GPU for torch"


class Backend:
    """Kernels in a folder, each opened when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: dict[Spec, Any] = {}

    def kernel(self, spec: Spec) -> Any:
        if spec not in self.opened:
            self.opened[spec] = self.open(spec)
        return self.opened[spec].kernels[0]

    def close(self) -> None:
        for kernels in self.opened.values():
            kernels.close()


class Emulator(Backend):
    """The emulator, with threads and blocks in random order and tensors of the least alignment."""

    device, large, Error = "cpu", False, emulator.Findings

    def compile(self, spec: Spec) -> Path:
        path = self.folder / f"{spec.stem}.mlir"
        compile_spec(spec, path, "--emit", "mlir")
        return path

    def open(self, spec: Spec) -> Any:
        return emulator.load(
            self.compile(spec), alignment="least", threads="random", blocks="random"
        )

    def wait(self) -> None:
        """Do nothing, because launches have run when they return."""


class GPU(Backend):
    """A GPU, with objects of a folder. Missing ones are compiled if there is a compiler."""

    device, large, Error = "cuda", True, runtime.KernelError

    def open(self, spec: Spec) -> Any:
        path = self.folder / f"{spec.stem}.bko"
        if not path.exists():
            major, minor = runtime.device_capability(0)
            target = "sm_90a" if major >= 9 else f"sm_{major}{minor}"
            compile_spec(spec, path, "--target", target)
        return runtime.load(path)

    def wait(self) -> None:
        torch.cuda.synchronize()


# ------------------------------------------------------------------------------------------------
# The command
# ------------------------------------------------------------------------------------------------


def build(folder: Path, target: str) -> None:
    """Write all objects, the package with the runtime, and these tests into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / "python" / "basin"
    shutil.rmtree(package, ignore_errors=True)
    skip = shutil.ignore_patterns("__pycache__", "_basin*")
    shutil.copytree(Path(basin.__file__).parent, package, ignore=skip)
    for file in Path(__file__).parent.glob("*kernel*s.py"):
        shutil.copy(file, folder)
    specs = all_specs(large=True)
    with ThreadPoolExecutor() as pool:
        work = [
            pool.submit(compile_spec, spec, folder / f"{spec.stem}.bko", "--target", target)
            for spec in specs
        ]
        for task in work:
            task.result()
    print(f"{len(specs)} kernels for {target} in {folder}")


def run_all(folder: Path, cases: int) -> int:
    """Run the tests without pytest. Returns how many failed."""
    if reason := why_no_gpu():
        raise BackendError(reason)
    backend, failed = GPU(folder), 0
    specs = all_specs(large=True)
    for failure in failures(specs, cases, backend):
        failed += 1
        print(f"FAILED: {failure}", flush=True)
    print(
        f"{len(specs) - failed} kernels passed, {failed} failed on {torch.cuda.get_device_name()}"
    )
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("build", "run"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", default="sm_90a")
    parser.add_argument("--cases", type=int, default=20, help="launches of each kernel")
    given = parser.parse_args()
    try:
        if given.what == "run":
            return min(run_all(given.folder, given.cases), 1)
        build(given.folder, given.target)
    except BackendError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
