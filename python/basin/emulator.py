"""Kernels on the CPU, with the interface of `basin.runtime`.

    kernels = basin.emulator.load("norm.mlir")     # basin-compile --emit mlir
    kernels["rms_norm_64_bf16_eps3727c5ac"](x=x, y=y, rows=10)

Tensors are NumPy's (bf16 by ml_dtypes) or torch's on the CPU. If a kernel does something wrong, the
call raises `Findings`. The kernel's `report` says what it did. Each object runs the tool
`basin-emulate` in a process of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from basin import runtime
from basin.runtime import KernelError
from basin.tensors import TensorError
from basin.tools import find_tool

__all__ = ["EmulatorError", "Finding", "Findings", "Kernel", "Object", "Report", "load", "product"]

_OPTIONS = ("blocks", "threads", "seed", "alignment", "max_findings")


class EmulatorError(KernelError):
    """The emulator cannot run something; the message says what."""


@dataclass(frozen=True)
class Finding:
    """Something that a kernel did wrong, and where. docs/emulator.md explains the kinds."""

    kind: str
    op: str
    location: str
    block: tuple[int, int, int]
    thread: tuple[int, int, int]
    address: int
    message: str
    count: int
    other: tuple[str, str] | None = None

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        other = f"; the other: {' at '.join(filter(None, self.other))}" if self.other else ""
        where = f"{self.op} at {self.location}, block {self.block}, thread {self.thread}"
        return f"{self.kind}: {where}: {self.message}{times}{other}"


@dataclass(frozen=True)
class Access:
    """The accesses of one op in all blocks. `memory` is global or shared, `kind` load or store."""

    op: str
    location: str
    memory: str
    kind: str
    counters: Mapping[str, int]


@dataclass(frozen=True)
class Report:
    """The report of one launch. `counters` has numbers, and objects like "global_loads", whose
    numbers are the sums over `accesses`. These are in the order of the kernel."""

    grid: tuple[int, int, int]
    findings: tuple[Finding, ...]
    total_findings: int
    abandoned_blocks: int
    counters: Mapping[str, Any]
    accesses: tuple[Access, ...]


class Findings(Exception):
    """A launch did something wrong. Its results were written nevertheless."""

    def __init__(self, kernel: str, report: Report) -> None:
        lines = [f"{kernel}: {report.total_findings} findings", *map(str, report.findings)]
        super().__init__("\n  ".join(lines))
        self.report = report


# ------------------------------------------------------------------------------------------------
# Tensors
# ------------------------------------------------------------------------------------------------

_TYPES = {
    "float32": "f32", "float16": "f16", "bfloat16": "bf16", "int8": "i8", "int32": "i32",
    "int64": "i64",
}  # fmt: skip


class _HostView:
    """A tensor as `runtime.Kernel` sees it. `array` has its memory, in any type."""

    device = None

    def __init__(self, array: np.ndarray, dtype: str) -> None:
        self.array = array
        self.type = _TYPES.get(dtype, dtype)
        self.pointer: int = array.ctypes.data
        self.shape = array.shape
        self.strides = tuple(stride // array.itemsize for stride in array.strides)
        self.contiguous: bool = array.flags.c_contiguous
        self.read_only = not array.flags.writeable

    @property
    def extent(self) -> tuple[int, int]:
        """The addresses of its first byte and of the byte behind its last one."""
        return (
            np.lib.array_utils.byte_bounds(self.array) if self.array.size else (self.pointer,) * 2
        )


def _view(tensor: Any) -> _HostView:
    if isinstance(tensor, np.ndarray):
        return _HostView(tensor, tensor.dtype.name)
    if type(tensor).__module__.split(".")[0] != "torch" or not hasattr(tensor, "data_ptr"):
        raise TensorError(f"expected a tensor of NumPy or torch, but got {type(tensor).__name__}")
    if tensor.device.type != "cpu":
        raise TensorError(f"expected a CPU tensor, but got one on {tensor.device}")
    import torch

    # torch cannot convert bf16 to NumPy, so its bits are passed as i16.
    same = torch.int16 if tensor.dtype == torch.bfloat16 else tensor.dtype
    return _HostView(tensor.detach().view(same).numpy(), str(tensor.dtype).removeprefix("torch."))


@dataclass
class _Region:
    """Memory of tensors that overlap, and its place in the file."""

    begin: int
    end: int
    written: bool
    offset: int = 0

    def bytes(self) -> memoryview:
        size = self.end - self.begin
        return memoryview((ctypes.c_char * size).from_address(self.begin)).cast("B")


def _regions(extents: list[tuple[int, int, bool]]) -> list[_Region]:
    """Joins extents (begin, end, whether it is written) that overlap, and places them in a file."""
    regions: list[_Region] = []
    for begin, end, written in sorted(extents):
        if regions and begin < regions[-1].end:
            last = regions[-1]
            last.end, last.written = max(last.end, end), last.written or written
        elif begin < end:
            regions.append(_Region(begin, end, written))
    offset = 0
    for region in regions:
        region.offset = offset
        offset += region.end - region.begin
    return regions


# ------------------------------------------------------------------------------------------------
# Kernels
# ------------------------------------------------------------------------------------------------


class Kernel(runtime.Kernel):
    """A kernel that is called like `runtime.Kernel`. It has run when the call returns."""

    report: Report | None = None  # of its last launch
    _look_at = staticmethod(_view)

    def load(self, device: int) -> None:
        """Do nothing, because no preparation is needed."""

    def launch(self, arguments: Mapping[str, Any], stream: Any = None) -> None:
        """Run the kernel. `stream` is ignored."""
        _, views = self._bind(arguments)
        self._use()
        scalars = {a.name: arguments[a.name] for a in self.arguments if a.kind == "scalar"}
        if any(self.grid(**scalars)):
            self._check_pointers(views)
        report = self._owner._run(self, arguments, views)
        self.report = report
        if report.total_findings:
            raise Findings(self.name, report)

    def _check_pointers(self, views: Mapping[str, _HostView]) -> None:
        """Refuse the pointers that a launch on a GPU refuses."""
        for argument in self.arguments:
            if argument.name not in views:
                continue
            pointer, where = views[argument.name].pointer, f"argument '{argument.name}'"
            if pointer == 0:
                raise KernelError(f"{self.name}: {where} is null")
            if pointer % argument.alignment:
                expected = f"expected a pointer aligned to {argument.alignment} bytes"
                raise KernelError(f"{self.name}: {where}: {expected}")


class Object(runtime.Object):
    """The kernels of a file of `basin-compile --emit mlir`, by name.

    `options` apply to all later launches. "blocks" and "threads" are orders: "forward", "reverse"
    or "random", with "seed". "alignment" is "page", or "least" for no more than the kernel asks
    for. "max_findings" is the number of findings to list.
    """

    _kernel_class = Kernel

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        for name in options:
            if name not in _OPTIONS:
                raise ValueError(f"expected one of {', '.join(_OPTIONS)}, but got '{name}'")
        self.options = options
        tool = find_tool("basin-emulate")
        if tool is None:
            raise EmulatorError("basin-emulate is not built, or not on the path")
        shared = Path("/dev/shm")
        folder = tempfile.mkdtemp(prefix="basin-", dir=shared if shared.is_dir() else None)
        self._folder = Path(folder)
        self._stop_folder = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        described = self._folder / "kernels.bko"
        _check(subprocess.run([tool, os.fspath(path), "--object", described], **_TEXT))
        super().__init__(described)
        self.path = os.fspath(path)
        self._lock = threading.Lock()
        with open(self._folder / "stderr", "w") as log:
            self._process = subprocess.Popen(
                [tool, self.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._stop_process = weakref.finalize(self, _stop, self._process)
        self._read()  # the kernels' description

    def close(self) -> None:
        """End the process. The kernels cannot be launched any more."""
        super().close()
        self._stop_process()
        self._stop_folder()

    def _run(
        self, kernel: Kernel, arguments: Mapping[str, Any], views: Mapping[str, _HostView]
    ) -> Report:
        kinds = {argument.name: argument.kind for argument in kernel.arguments}
        extents = {name: view.extent for name, view in views.items()}
        regions = _regions([(*extents[name], kinds[name] != "in") for name in views])
        path = self._folder / "tensors"
        given: dict[str, Any] = {
            argument.name: (float if argument.type == "f32" else int)(arguments[argument.name])
            for argument in kernel.arguments
            if argument.kind == "scalar"
        }
        for name, (begin, end) in extents.items():
            where = (r.offset + begin - r.begin for r in regions if r.begin <= begin < r.end)
            place = {"offset": next(where, 0), "bytes": end - begin}
            given[name] = {"file": str(path)} | place
        with self._lock:
            with open(path, "wb") as file:
                for region in regions:
                    file.write(region.bytes())
            answer = self._ask({"kernel": kernel.name, "arguments": given, **self.options})
            if "error" in answer:
                raise EmulatorError(answer["error"])
            with open(path, "rb") as file:
                for region in (r for r in regions if r.written):
                    file.seek(region.offset)
                    file.readinto(region.bytes())
        return _read_report(answer)

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended: what it said is read now
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        said = (self._folder / "stderr").read_text().strip()
        raise EmulatorError(f"basin-emulate ended with {self._process.wait()}: {said}")


_TEXT = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL}


def _check(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise EmulatorError(done.stderr.strip() or f"basin-emulate ended with {done.returncode}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    with contextlib.suppress(BrokenPipeError):  # of a request that it did not read
        process.stdin.close()
    process.stdout.close()


def _read_report(answer: Mapping[str, Any]) -> Report:
    findings = []
    for entry in answer["findings"]:
        other = entry.pop("other", None)
        entry["block"], entry["thread"] = tuple(entry["block"]), tuple(entry["thread"])
        pair = (other["op"], other["location"]) if other else None
        findings.append(Finding(**entry, other=pair))
    return Report(
        tuple(answer["grid"]),
        tuple(findings),
        answer["total_findings"],
        answer["abandoned_blocks"],
        answer["counters"],
        tuple(Access(**access) for access in answer["accesses"]),
    )


def load(path: str | os.PathLike[str], **options: Any) -> Object:
    """Read the kernels at `path`, a module in MLIR; `options` are those of `Object`."""
    return Object(path, **options)


# ------------------------------------------------------------------------------------------------
# Matrix products
# ------------------------------------------------------------------------------------------------


def _numbers(view: _HostView) -> np.ndarray:
    """The view's array. Numbers of bf16 that torch passed as i16 get their type."""
    if view.type == "bf16" and view.array.dtype == np.int16:
        import ml_dtypes

        return view.array.view(ml_dtypes.bfloat16)
    return view.array


def _product_view(tensor: Any) -> _HostView:
    view = _view(tensor)
    if any(stride % view.array.itemsize for stride in view.array.strides):
        raise TensorError("expected strides of whole elements")
    return view


def product(
    a: Any,
    b: Any,
    out: Any,
    bias: Any = None,
    alpha: float = 1.0,
    stream: Any = None,
    allow_tf32: bool = False,
) -> None:
    """Do what `basin.runtime.product` does, with tensors of NumPy or of torch on the CPU.

    Sums are f32, and results are rounded once. `stream` and `allow_tf32` make no difference.
    """
    tensors = {"a": a, "b": b, "c": out, "bias": bias}
    _, views = runtime.check_product(_product_view, tensors, alpha, allow_tf32)
    first, second = (_numbers(views[name]).astype(np.float32) for name in "ab")
    result = _numbers(views["c"])
    # A sum that the type does not hold is infinite, as on a GPU.
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = np.float32(alpha) * np.matmul(first, second)
        if bias is not None:
            numbers += _numbers(views["bias"]).astype(np.float32)
        result[...] = numbers.astype(result.dtype)
