"""Matrix products: the emulator's against f64, basin.runtime's on the fake libraries, refusals."""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

package = pytest.importorskip("basin")
PACKAGE = Path(package.__file__).parent
DRIVER = PACKAGE.parents[1] / "lib" / "fake-driver" / "libcuda.so.1"
CUBLASLT = PACKAGE.parents[1] / "lib" / "fake-cublaslt" / "libcublasLt.so.13"
if not (PACKAGE / "libbasin_rt.so.2").exists() or not CUBLASLT.exists():
    pytest.skip("the runtime is not built", allow_module_level=True)

from basin import emulator, runtime  # noqa: E402
from basin.runtime import KernelError  # noqa: E402

TYPES = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}
# Half the distance between neighbours, relative to the larger: the one rounding of a result.
ROUNDING = {"f32": 2.0**-24, "f16": 2.0**-11, "bf16": 2.0**-8}


class DeviceArray:
    """An array of NumPy that poses as a tensor on a device: the fake cuBLASLt reads the host."""

    def __init__(self, array: np.ndarray) -> None:
        name = {"bfloat16": "<V2"}.get(array.dtype.name, array.dtype.str)
        self.__cuda_array_interface__ = {
            "data": (array.ctypes.data, not array.flags.writeable), "typestr": name,
            "shape": array.shape, "strides": array.strides, "version": 3,
        }  # fmt: skip


@pytest.fixture(scope="module")
def libraries():
    """The fake libraries, which the process keeps. The runtime's tests use the same driver."""
    runtime._call("use_driver", os.fsencode(DRIVER))
    runtime.use_cublaslt(CUBLASLT)
    return SimpleNamespace(driver=ctypes.CDLL(str(DRIVER)), cublaslt=ctypes.CDLL(str(CUBLASLT)))


def on_device(a, b, out, bias=None, **options):
    tensors = [None if t is None else DeviceArray(t) for t in (a, b, out, bias)]
    runtime.product(*tensors, **options)


@pytest.fixture(params=["emulator", "runtime"])
def product(request, libraries):
    libraries.driver.fake_reset()
    return emulator.product if request.param == "emulator" else on_device


def draw(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def check(product, a, b, out, bias=None, alpha=1.0):
    """Run it and compare with f64. Sums of f32 may be off by the rounding of each term."""
    product(a, b, out, bias, alpha=alpha)
    wide = [np.asarray(t, np.float64) for t in (a, b)]
    want, size = alpha * (wide[0] @ wide[1]), abs(alpha) * (abs(wide[0]) @ abs(wide[1]))
    if bias is not None:
        want, size = want + np.asarray(bias, np.float64), size + abs(np.asarray(bias, np.float64))
    name = next(name for name, dtype in TYPES.items() if out.dtype == dtype)
    bound = ROUNDING[name] * abs(want) + (a.shape[-1] + 3) * 2.0**-24 * size
    assert (abs(np.asarray(out, np.float64) - want) <= bound * 1.01).all()


@pytest.mark.parametrize(
    ("name", "result"), [(n, r) for n in TYPES for r in dict.fromkeys((n, "f32"))]
)
def test_types(product, name, result):
    rng = np.random.default_rng(1)
    a, b = (draw(rng, shape, TYPES[name]) for shape in ((9, 33), (33, 7)))
    bias, out = draw(rng, 7, TYPES[result]), np.zeros((9, 7), TYPES[result])
    check(product, a, b, out)
    check(product, a, b, out, bias, alpha=-0.75)


@pytest.mark.parametrize("transposed", list(itertools.product([False, True], repeat=3)))
def test_layouts(product, transposed):
    rng = np.random.default_rng(2)

    def make(rows, columns, is_transposed):
        whole = draw(
            rng, (columns + 1, rows + 3) if is_transposed else (rows + 1, columns + 3), "f"
        )
        return (whole.T if is_transposed else whole)[:rows, :columns]

    shapes = ((4, 6), (6, 5), (4, 5))
    a, b, out = (make(*shape, flag) for shape, flag in zip(shapes, transposed))
    whole = out.base
    before = whole.copy()
    check(product, a, b, out)
    # What lies between the rows of the result is as it was.
    out[...] = 0
    before[: out.shape[transposed[2]], : out.shape[not transposed[2]]] = 0
    assert (whole == before).all()


@pytest.mark.parametrize(
    ("first", "second"),
    [((3,), (3,)), ((2, 3), (3,)), ((), (2, 3)), ((2, 1), (1, 3)), ((1, 2, 1, 2), (3, 1, 2, 1))],
)
def test_batches_are_broadcast(product, first, second):
    rng = np.random.default_rng(3)
    a, b = draw(rng, (*first, 4, 6), np.float32), draw(rng, (*second, 6, 5), np.float32)
    out = np.zeros((*np.broadcast_shapes(first, second), 4, 5), np.float32)
    check(product, a, b, out, draw(rng, 5, np.float32))


def test_heads_of_a_projection(product):
    """Scores of heads that lie side by side in the rows, the keys' transposed."""
    rng = np.random.default_rng(4)
    q, k = (draw(rng, (2, 6, 3, 8), np.float16).transpose(0, 2, 1, 3) for _ in range(2))
    check(product, q, k.swapaxes(-1, -2), np.zeros((2, 3, 6, 6), np.float16), alpha=8**-0.5)


def test_example(libraries):
    # [example]
    def project(x, weight, bias, y):
        runtime.product(x, weight.T, y, bias=bias)  # y = x weight^T + bias

    # [example]
    x, weight, bias, y = np.ones((3, 8), "f"), np.ones((5, 8), "f"), np.ones(5, "f"), array(3, 5)
    transposable = SimpleNamespace(T=DeviceArray(weight.T))
    project(DeviceArray(x), transposable, DeviceArray(bias), DeviceArray(y))
    assert (y == 9).all()


def test_products_without_terms_or_results(product):
    out = np.full((2, 4, 5), np.nan, np.float32)
    product(np.zeros((2, 4, 0), "f"), np.zeros((2, 0, 5), "f"), out)
    assert (out == 0).all()
    product(np.zeros((0, 4), "f"), np.zeros((4, 5), "f"), np.zeros((0, 5), "f"))


def test_results_that_are_too_large_are_infinite():
    big = np.full((2, 2), 60000, np.float16)
    out = np.zeros((2, 2), np.float16)
    emulator.product(big, big, out)
    assert np.isinf(out).all()
    # The sum fits f32, and the factor brings it back.
    emulator.product(big, np.eye(2, dtype=np.float16) * 2, out, alpha=0.25)
    assert (out == 30000).all()


def test_tensors_of_torch():
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(5)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        a, b = (torch.randn(shape, generator=generator).to(dtype) for shape in ((3, 8), (5, 8)))
        out = torch.zeros(3, 5, dtype=dtype)
        emulator.product(a, b.T, out, torch.ones(5, dtype=dtype))
        want = a.double() @ b.double().T + 1
        assert ((out.double() - want).abs() <= 2.0**-7 * (want.abs() + 1)).all()


def array(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


READ_ONLY = array(4, 5)
READ_ONLY.flags.writeable = False
BOTH = array(4, 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": array(4, 6, dtype=np.int32)}, "'a': expected a tensor of f32, f16 or bf16, but got"),
        ({"b": array(6, 5, dtype=np.float16)}, "'b': expected a tensor of f32, as 'a' is, but"),
        ({"out": array(4, 5, dtype=np.float16)}, "'c': expected the type of the factors, f32, or"),
        ({"a": array(6)}, r"'a': expected at least 2 axes, but got \(6,\)"),
        ({"b": array(7, 5)}, "'b': expected 6 rows, but got 7"),
        ({"a": array(2, 4, 6), "b": array(3, 6, 5)}, r"expected batches that fit, but got \(2,\)"),
        ({"out": array(4, 6)}, r"'c': expected the shape \(4, 5\), but got \(4, 6\)"),
        ({"out": array(2, 4, 5)}, r"'c': expected the shape \(4, 5\), but got \(2, 4, 5\)"),
        ({"a": array(1, 1, 1, 1, 1, 4, 6)}, "expected at most 4 axes of the batch, but got 5"),
        ({"out": READ_ONLY}, "'c': the product writes it, but it is read-only"),
        ({"bias": array(4)}, r"'bias': expected a contiguous tensor of the shape \(5,\), but got"),
        ({"bias": array(10)[::2]}, "'bias': expected a contiguous tensor of the shape"),
        ({"bias": array(5, dtype=np.float16)}, "'bias': expected a tensor of f32, but got f16"),
        ({"out": array(5, 4).T, "bias": array(5)}, "'bias': expected a 'c' with contiguous rows"),
        ({"a": array(4, 0), "b": array(0, 5), "bias": array(5)}, "'bias': expected none if k is 0"),
        ({"alpha": "x"}, "'alpha': expected a number, but got 'x'"),
        ({"alpha": None}, "'alpha': expected a number, but got None"),
        ({"a": array(8, 12)[::2, ::2]}, "'a': expected rows or columns that are contiguous"),
        ({"b": array(6, 5)[::-1]}, "'b': expected strides that are not negative"),
        ({"b": np.broadcast_to(array(5), (6, 5))}, "'b': expected rows or columns that"),
        ({"a": BOTH, "out": BOTH[:, 1:]}, "'c' is written, but shares memory with 'a'"),
        ({"a": np.zeros((4, 6), [("x", "f4"), ("y", "i2")])["x"]}, "'a': expected strides of"),
    ],
)  # fmt: skip
def test_refused(product, change, message):
    given = {"a": array(4, 6), "b": array(6, 5), "out": array(4, 5)} | change
    with pytest.raises(KernelError, match=message) as caught:
        product(**given)
    assert str(caught.value).startswith("product: ") and caught.value.status == "invalid argument"


def test_tensors_of_other_devices_are_refused(libraries):
    with pytest.raises(KernelError, match="product: 'a': expected a CUDA tensor, but got"):
        runtime.product(array(4, 6), array(6, 5), array(4, 5))
    with pytest.raises(KernelError, match="'b': expected a tensor of NumPy or torch, but got list"):
        emulator.product(array(4, 6), [1], array(4, 5))


def test_tensors_of_two_devices_are_refused(libraries):
    def tensor(pointer, shape, device):
        return SimpleNamespace(
            data_ptr=lambda: pointer, shape=shape, stride=lambda: (shape[1], 1),
            dtype="torch.float16", device=SimpleNamespace(type="cuda", index=device),
        )  # fmt: skip

    tensors = tensor(0x1000, (4, 6), 0), tensor(0x2000, (6, 5), 1), tensor(0x3000, (4, 5), 0)
    with pytest.raises(KernelError, match="product: 'b' is on device 1, but 'a' on device 0"):
        runtime.product(*tensors, stream=0)


def test_torch_gives_the_workspace(libraries, monkeypatch):
    """A stand-in for torch's allocator: the stream and the size are those of the product."""
    libraries.driver.fake_reset()
    libraries.cublaslt.fake_lt_reset()
    libraries.cublaslt.fake_lt_log.restype = ctypes.c_char_p
    memory = np.zeros((32 << 20) + 256, np.uint8)
    begin = -memory.ctypes.data % 256
    asked = []

    class Stream:
        def __init__(self, stream):
            asked.append(stream)

        __enter__ = __exit__ = lambda *_: None

    def empty(size, dtype, device):
        asked.append((size, dtype, device))
        return SimpleNamespace(data_ptr=lambda: memory.ctypes.data + begin, numel=lambda: size)

    cuda = SimpleNamespace(
        current_stream=lambda device: SimpleNamespace(cuda_stream=7), stream=Stream,
        ExternalStream=lambda handle, device: ("external", handle, device),
    )  # fmt: skip
    stand_in = SimpleNamespace(cuda=cuda, empty=empty, uint8="u8")
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    tensor_class = type("Tensor", (DeviceArray,), {"__module__": "torch"})
    a, b, out = array(4, 6) + 1, array(6, 5) + 1, array(4, 5)
    tensors = [tensor_class(t) for t in (a, b, out)]
    runtime.product(*tensors)
    assert (out == 6).all() and asked == [None, (32 << 20, "u8", "cuda:0")]
    assert b"workspace 33554432 " in libraries.cublaslt.fake_lt_log()
    assert b"stream 7" in libraries.cublaslt.fake_lt_log()
    runtime.product(*tensors, stream=9)
    assert asked[2] == ("external", 9, 0) and b"stream 9" in libraries.cublaslt.fake_lt_log()


LOAD = """
import sys
import numpy as np
from basin import runtime
from test_products import DRIVER, DeviceArray
runtime._call("use_driver", str(DRIVER).encode())
if len(sys.argv) > 1:
    runtime.use_cublaslt(sys.argv[1])
out = np.zeros((1, 1), "f")
try:
    runtime.product(*(DeviceArray(array) for array in (out + 2, out + 3, out)))
    print(out[0, 0])
except runtime.KernelError as error:
    print(error.status, error, sep=": ")
"""


def load_in(folder, *arguments):
    """The answer of a process that looks for libraries in a folder first."""
    paths = os.pathsep.join(map(str, (PACKAGE.parent, Path(__file__).parent)))
    environment = os.environ | {"PYTHONPATH": paths, "LD_LIBRARY_PATH": str(folder)}
    command = [sys.executable, "-c", LOAD, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=True, timeout=120
    ).stdout.strip()


@pytest.mark.parametrize("version", [12, 13])
def test_the_system_finds_version(tmp_path, version):
    (tmp_path / f"libcublasLt.so.{version}").symlink_to(CUBLASLT)
    assert load_in(tmp_path) == "6.0"


def test_a_path_is_taken(tmp_path):
    (tmp_path / "mine.so").symlink_to(CUBLASLT)
    assert load_in(tmp_path, tmp_path / "mine.so") == "6.0"
    missing = load_in(tmp_path, tmp_path / "none.so")
    assert missing.startswith(f"no product library: no cuBLASLt: {tmp_path}/none.so: cannot open")


def test_without_a_library(tmp_path):
    """Files that are no libraries stand in the way of any that the machine has."""
    for version in (12, 13):
        (tmp_path / f"libcublasLt.so.{version}").write_text("none")
    answer = load_in(tmp_path)
    assert answer.startswith("no product library: no cuBLASLt: ")
    assert "libcublasLt.so.13" in answer and "; " in answer and "libcublasLt.so.12" in answer
