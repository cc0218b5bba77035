"""basin.runtime on the fake driver of the unit tests: launches and refusals."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from kernel_objects import argument, kernel, norm_kernel, write

package = pytest.importorskip("basin")
pytest.importorskip("basin.tensors")
PACKAGE = Path(package.__file__).parent
FAKE = PACKAGE.parents[1] / "lib" / "fake-driver" / "libcuda.so.1"
if not (PACKAGE / "libbasin_rt.so.2").exists() or not FAKE.exists():
    pytest.skip("the runtime is not built", allow_module_level=True)

from basin import runtime  # noqa: E402
from basin.runtime import KernelError  # noqa: E402

SCALARS = [
    argument("p", "inout", "f32", align=4), argument("rows", "scalar", "i64"),
    argument("scale", "scalar", "f32"),
]  # fmt: skip


class Driver:
    """The fake driver, and the calls that it got since they were last asked for."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(str(FAKE))
        self.library.fake_log.restype = ctypes.c_char_p
        self.library.fake_reset()
        self.seen = 0

    def sizes(self, *sizes: int) -> None:
        self.library.fake_set_parameter_sizes((ctypes.c_int * len(sizes))(*sizes), len(sizes))

    def calls(self) -> list[str]:
        text = self.library.fake_log().decode()
        text, self.seen = text[self.seen :], len(text)
        return [line for line in text.splitlines() if not line.startswith("cuInit")]


@pytest.fixture
def driver():
    return Driver()


@pytest.fixture
def kernels(tmp_path, driver):
    made = {"family": "norm", "spec": {"dim": 8, "type": "bf16", "weight": True, "eps": 1.5e-6}}
    entries = [norm_kernel(**made), kernel("scalars", SCALARS)]
    with runtime.load(write(tmp_path / "a.bko", entries), driver=FAKE) as opened:
        yield opened


class Array:
    """A tensor of a library that knows `__cuda_array_interface__`."""

    def __init__(self, pointer=0x1000, typestr="<V2", shape=(4, 8), strides=None, read_only=False):
        self.__cuda_array_interface__ = {
            "data": (pointer, read_only), "typestr": typestr, "shape": shape, "strides": strides,
            "version": 3,
        }  # fmt: skip


def torch_like(pointer, dtype="torch.bfloat16", device="cuda", index=0, contiguous=True):
    return SimpleNamespace(
        data_ptr=lambda: pointer, shape=(4, 8), stride=lambda: (8, 1) if contiguous else (1, 4),
        dtype=dtype, device=SimpleNamespace(type=device, index=index),
    )  # fmt: skip


class DLPack:
    """A tensor that is only known by DLPack. It keeps alive what its capsule points to."""

    def __init__(self, pointer, code, bits, shape, strides=None, device=(2, 1), offset=0):
        self.device = device
        fields = [*device, len(shape), code, bits, 1]
        self.dims = (ctypes.c_int64 * len(shape))(*shape)
        self.strides = (ctypes.c_int64 * len(shape))(*strides) if strides else None
        self.raw = package.tensors._DLTensor(pointer, *fields, self.dims, self.strides, offset)

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, stream):
        assert stream == -1
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return new(ctypes.addressof(self.raw), b"dltensor", None)


def test_listing(kernels):
    assert list(kernels) == ["norm", "scalars"]
    norm = kernels["norm"]
    assert [a.name for a in norm.arguments] == ["x", "y", "rows"]
    assert norm.arguments[0] == runtime.Argument("x", "in", "bf16", 16)
    assert (norm.block, norm.shared_bytes) == ((128, 1, 1), 0)
    assert norm.grid_factors == ((("rows", 4),), (), ())
    assert kernels.kernels == (norm, kernels["scalars"])


def test_kernels_by_what_they_were_made_from(kernels):
    spec = {"dim": 8, "type": "bf16", "weight": True, "eps": 1.5e-6}
    norm = kernels["norm"]
    assert (norm.family, norm.spec) == ("norm", spec)
    assert (kernels["scalars"].family, kernels["scalars"].spec) == ("", {})
    assert kernels.find("norm", spec) is norm
    assert kernels.find("norm", dict(reversed(spec.items())) | {"dim": 8.0}) is norm
    assert kernels.find("dyt", spec) is None and kernels.find("", {}) is None
    assert kernels.find("norm", spec | {"bias": True}) is None


def test_grid(kernels):
    norm = kernels["norm"]
    assert norm.grid(rows=4097) == (1025, 1, 1)
    assert norm.grid(rows=0) == (0, 0, 0)
    with pytest.raises(KernelError, match="expected a size, but got -1"):
        norm.grid(rows=-1)
    with pytest.raises(KernelError, match="expected the scalar 'rows'"):
        norm.grid()
    with pytest.raises(KernelError, match="unknown scalar 'x'"):
        norm.grid(rows=1, x=2)
    with pytest.raises(KernelError, match="axis 0 of the grid has more than 2147483647"):
        kernels["scalars"].grid(rows=1 << 40)


def test_example(tmp_path, driver):
    # [example]
    def run_norm(path, x, y):
        kernels = runtime.load(path)
        kernels["norm"](x=x, y=y, rows=x.shape[0])

    # [example]
    x, y = torch_like(0x10), torch_like(0x200)
    x.shape = (5, 8)
    runtime.load(write(tmp_path / "a.bko", [norm_kernel()]), driver=FAKE)
    run_norm(tmp_path / "a.bko", x, y)
    assert driver.calls()[-1].startswith("launch norm on 0 grid 2 1 1 block 128 1 1 shared 0")


def test_each_kind_of_tensor_arrives(kernels, driver):
    driver.sizes(8, 8, 4)
    driver.library.fake_set_pointer_device(1)
    y = DLPack(0x2000, 4, 16, (4, 8), offset=0x30)
    kernels["norm"](x=Array(0xABC0), y=y, rows=9, stream=SimpleNamespace(cuda_stream=5))
    assert driver.calls() == [
        "retain 1", "load 1 text for sm_80", "function norm",
        "launch norm on 1 grid 3 1 1 block 128 1 1 shared 0 stream 5 "
        "000000000000abc0,0000000000002030,00000009",
    ]  # fmt: skip
    kernels["norm"](x=torch_like(0x10, index=1), y=torch_like(0x200, index=1), rows=1, stream=7)
    assert driver.calls() == [
        "launch norm on 1 grid 1 1 1 block 128 1 1 shared 0 stream 7 "
        "0000000000000010,0000000000000200,00000001"
    ]


def test_scalars_arrive(kernels, driver):
    driver.sizes(8, 8, 4)
    kernels["scalars"].launch({"scale": -2, "rows": 5, "p": Array(0x1004, "<f4")})
    assert driver.calls()[-1].endswith("grid 2 1 1 block 128 1 1 shared 0 stream 0 "
                                       "0000000000001004,0000000000000005,c0000000")  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros(8, np.float16)}, "argument 'x': expected a CUDA tensor, but got a CPU"),
        ({"x": torch_like(16, device="cpu")}, "expected a CUDA tensor, but got a CPU tensor"),
        ({"x": 4096}, "expected a CUDA tensor, but got int"),
        ({"x": Array(typestr="<f2")}, "expected a tensor of bf16, but got f16"),
        ({"x": torch_like(16, "torch.float64")}, "of bf16, but got torch.float64"),
        ({"x": DLPack(16, 2, 64, (4,))}, r"of bf16, but got DLPack type \(2, 64\)"),
        ({"x": torch_like(16, contiguous=False)}, "expected a contiguous tensor"),
        ({"x": Array(strides=(32, 2))}, "expected a contiguous tensor"),
        ({"x": DLPack(16, 4, 16, (4, 8), (1, 4))}, "expected a contiguous tensor"),
        ({"y": Array(read_only=True)}, "'y': the kernel writes it, but it is read-only"),
        ({"y": torch_like(0x200, index=1)}, "'y' is on device 1, but 'x' on device 0"),
        ({"x": torch_like(0x11)}, "argument 'x': expected a pointer aligned to 16 bytes"),
        ({"x": torch_like(0)}, "argument 'x' is null"),
        ({"x": torch_like(0x200)}, "argument 'y' is written, but shares memory with 'x'"),
        ({"x": torch_like(0x230)}, "argument 'y' is written, but shares memory with 'x'"),
        ({"rows": 1 << 31}, "argument 'rows': 2147483648 does not fit i32"),
        ({"rows": 1.5}, r"expected a number \(i32\), but got 1.5"),
        ({"rows": -1}, "expected a size, but got -1"),
        ({"z": 1}, "unknown argument 'z'; expected x, y, rows"),
        ({"x": None}, "expected a CUDA tensor, but got NoneType"),
        ({"stream": "s"}, "expected a CUDA stream, but got 's'"),
    ],
)
def test_refused(kernels, driver, changes, message):
    arguments = {"x": torch_like(0x10), "y": torch_like(0x200), "rows": 4}
    with pytest.raises(KernelError, match=message):
        kernels["norm"](**arguments | changes)
    assert not driver.calls()


def test_missing_argument(kernels):
    with pytest.raises(KernelError, match="expected an argument 'y'"):
        kernels["norm"](x=torch_like(0x10), rows=4)


def test_real_cpu_tensor(kernels):
    torch = pytest.importorskip("torch")
    x = torch.zeros(4, 8, dtype=torch.bfloat16)
    with pytest.raises(KernelError, match="expected a CUDA tensor, but got a CPU tensor"):
        kernels["norm"](x=x, y=x, rows=4)


def view_of(shape, strides):
    return package.tensors.TensorView(0, "f16", 0, shape, strides)


def test_strides_of_what_has_no_order():
    assert view_of((4, 1, 8), (8, 99, 1)).contiguous and view_of((), ()).contiguous
    assert view_of((0, 3), (1, 7)).contiguous
    assert not view_of((4, 8), (9, 1)).contiguous


@pytest.mark.parametrize(
    "shape, strides, message",
    [
        ((2, 3, 64), (999, 64, 1), "expected strides in multiples of 16 bytes, but got 1998"),
        ((2, 3, 64), (192, 1, 3), "expected elements of the last axis side by side"),
        ((2, 3, 64), (1024, 136, 1), None),
        ((1, 3, 64), (5, 64, 1), None),
        ((2, 3, 64), (0, 64, 1), None),
        ((2, 0, 64), (5, 5, 5), None),
        ((2, 3, 1), (24, 4, 7), "expected strides in multiples of 16 bytes, but got 8"),
    ],
)
def test_strided_rows(shape, strides, message):
    rows = runtime.Argument("x", "in", "f16", 16, strided=True)
    if message is None:
        runtime.check_strides(rows, "x", view_of(shape, strides))
        return
    with pytest.raises(KernelError, match=message):
        runtime.check_strides(rows, "x", view_of(shape, strides))


@pytest.mark.parametrize(
    "a, b, shared",
    [
        ((0, (4, 8), (8, 1)), (62, (4, 8), (8, 1)), True),
        ((0, (4, 8), (8, 1)), (64, (4, 8), (8, 1)), False),
        ((0, (4, 8), (8, 1)), (62, (0, 8), (8, 1)), False),
        # Columns 0 to 7 and 8 to 15 of a matrix of 24, and 7 to 14.
        ((0, (4, 8), (24, 1)), (16, (4, 8), (24, 1)), False),
        ((0, (4, 8), (24, 1)), (14, (4, 8), (24, 1)), True),
        ((32, (4, 8), (24, 1)), (0, (4, 8), (24, 1)), False),
        # Rows of two heads, seen with heads first. The last of three tensors wraps around.
        ((0, (2, 4, 8), (8, 48, 1)), (32, (2, 4, 8), (8, 48, 1)), False),
        ((0, (2, 4, 8), (8, 48, 1)), (80, (2, 4, 8), (8, 48, 1)), True),
        # Rows of another length overlap. A single element fits between them.
        ((0, (4, 8), (24, 1)), (16, (4, 8), (16, 1)), True),
        ((0, (4, 8), (24, 1)), (16, (1, 1), (1, 1)), False),
        # One tensor is broadcast, and others go backwards from the last row.
        ((0, (4, 8), (0, 1)), (16, (4, 8), (8, 1)), False),
        ((144, (4, 8), (-24, 1)), (100, (1, 4), (4, 1)), True),
        ((144, (4, 8), (-24, 1)), (112, (1, 4), (4, 1)), False),
    ],
)
def test_overlap(a, b, shared):
    """Elements have two bytes. The answer must be that of comparing all addresses."""
    first, second = (package.tensors.TensorView(0x1000 + p, "f16", 0, *rest) for p, *rest in (a, b))
    assert runtime.overlap(first, second) == runtime.overlap(second, first) == shared

    def addresses(view):
        places = {view.pointer + i for i in range(2)} if 0 not in view.shape else set()
        for size, stride in zip(view.shape, view.strides):
            places = {place + 2 * stride * i for place in places for i in range(size)}
        return places

    assert bool(addresses(first) & addresses(second)) == shared


def test_strided_argument_of_an_object(tmp_path):
    arguments = [
        argument("x", "in", "bf16", strided=True), argument("m", "in", "i8", align=1),
        argument("rows", "scalar", "i32"),
    ]  # fmt: skip
    loaded = runtime.load(write(tmp_path / "strided.bko", [kernel("k", arguments)]))
    assert [a.strided for a in loaded["k"].arguments] == [True, False, False]
    assert [a.alignment for a in loaded["k"].arguments][:2] == [16, 1]
    arguments[0]["strided"] = 1
    with pytest.raises(KernelError, match="strided: expected true or false, but got"):
        runtime.load(write(tmp_path / "wrong.bko", [kernel("k", arguments)]))


def test_no_rows_is_no_launch(kernels, driver):
    kernels["norm"](x=torch_like(0), y=torch_like(0), rows=0)
    assert not driver.calls()


def test_error_of_the_driver(kernels, driver):
    driver.library.fake_fail(b"launch", 2)
    with pytest.raises(KernelError, match="CUDA_ERROR_OUT_OF_MEMORY") as caught:
        kernels["norm"](x=torch_like(0x10), y=torch_like(0x200), rows=4)
    assert caught.value.status == "driver error"


def test_close_unloads_and_collection_does_not(tmp_path, driver):
    path = write(tmp_path / "a.bko", [norm_kernel()])
    opened = runtime.load(path, driver=FAKE)
    opened["norm"].load(0)
    driver.calls()
    kernel_ = opened["norm"]
    opened.close()
    opened.close()
    assert driver.calls() == ["synchronize", "unload", "release 0"]
    for use in (lambda: kernel_.load(0), lambda: kernel_.grid(rows=1)):
        with pytest.raises(KernelError, match="norm: its object is closed"):
            use()
    opened = runtime.load(path)
    opened["norm"].load(0)
    driver.calls()
    del opened
    gc.collect()
    assert driver.calls() == []


def test_bad_file(tmp_path):
    path = tmp_path / "bad.bko"
    path.write_bytes(b"no kernels")
    with pytest.raises(KernelError, match="bad.bko: kernel object: expected a file that") as caught:
        runtime.load(path)
    assert caught.value.status == "invalid object"
    with pytest.raises(KernelError, match="No such file"):
        runtime.load(tmp_path / "none.bko")


NO_DRIVER = """
import sys
from types import SimpleNamespace
from basin import runtime
kernels = runtime.load(sys.argv[1], driver=sys.argv[2])
assert kernels["norm"].grid(rows=9) == (3, 1, 1)
try:
    kernels["norm"].load(0)
except runtime.KernelError as error:
    print(error.status, error, sep=": ")
"""


def test_without_a_driver(tmp_path):
    path = write(tmp_path / "a.bko", [norm_kernel()])
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}

    def say(driver):
        command = [sys.executable, "-c", NO_DRIVER, str(path), driver]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, check=True, timeout=60
        ).stdout.strip()

    missing = str(tmp_path / "libcuda.so.1")
    assert say(missing).startswith(f"no driver: no CUDA driver ({missing}): {missing}: cannot open")
    # This library is no driver.
    other = str(PACKAGE / "libbasin_rt.so.2")
    assert say(other) == f"no driver: no CUDA driver ({other}): it has no function cuInit"


def test_needs_no_llvm():
    """All libraries that it needs are part of any system."""
    text = subprocess.run(
        ["readelf", "-d", PACKAGE / "libbasin_rt.so.2"], capture_output=True, text=True, check=True
    ).stdout
    needed = [line.split("[")[1].split("]")[0] for line in text.splitlines() if "NEEDED" in line]
    system = "libstdc++ libm. libgcc_s libc. libpthread libdl ld-linux libclang_rt".split()
    assert needed and all(name.startswith(tuple(system)) for name in needed), needed


ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("source", "mark"),
    [
        ("unittests/RuntimeExample.c", "[example]"),
        ("unittests/RuntimeExample.c", "[function]"),
        ("unittests/RuntimeExample.c", "[model]"),
        ("unittests/RuntimeExample.c", "[product]"),
        ("test/python/test_runtime.py", "[example]"),
        ("test/python/test_products.py", "[example]"),
        ("test/python/test_device_plan.py", "[example]"),
    ],
)
def test_documentation_has_the_examples(source, mark):
    """docs/runtime.md shows code that tests compile and run."""
    text = (ROOT / source).read_text()
    lines = text.split(mark)[1].splitlines()[1:-1]
    example = textwrap.dedent("\n".join(lines)).strip()
    assert len(example) > 80 and example in (ROOT / "docs" / "runtime.md").read_text()


def test_documentation_names_kernels_that_there_are():
    """A norm's name ends in the bits of its epsilon."""
    pages = [*(ROOT / "docs").rglob("*.md"), *Path(package.__file__).parent.rglob("*.py")]
    named = {
        name
        for page in pages
        for name in re.findall(r"\b(?:rms|layer)_norm_\d+_\w+", page.read_text())
    }
    assert named and not [name for name in named if not re.search(r"_eps[0-9a-f]+$", name)]
