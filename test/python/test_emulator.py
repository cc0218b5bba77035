"""basin.emulator: kernels by name on tensors of the CPU, findings, what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("basin.runtime", reason="the package is not there")

from basin import emulator, runtime  # noqa: E402
from basin.tools import find_tool  # noqa: E402

ml_dtypes = pytest.importorskip("ml_dtypes")
NORM = "rms_norm_64_bf16_weight_eps3727c5ac"


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    if not find_tool("basin-emulate"):
        pytest.skip("basin-emulate is not built")
    out = tmp_path_factory.mktemp("emulator") / "norm.mlir"
    options = ["--norm", "dim=64,type=bf16,weight", "--dyt", "dim=8,type=f32", "--emit", "mlir"]
    subprocess.run([find_tool("basin-compile"), *options, "-o", out], check=True)
    return out


@pytest.fixture
def kernels(path):
    with emulator.load(path) as loaded:
        yield loaded


def tensors(rows: int = 10, dtype=ml_dtypes.bfloat16) -> dict:
    x = np.random.default_rng(1).standard_normal((rows, 64)).astype(dtype)
    return {"x": x, "weight": np.ones(64, dtype), "y": np.zeros_like(x), "rows": rows}


def expected(x):
    x = x.astype(np.float64)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)


def test_is_like_a_runtime_object(kernels, path):
    assert list(kernels) == [NORM, "dyt_8_f32"] and kernels.path == str(path)
    kernel = kernels[NORM]
    assert isinstance(kernel, runtime.Kernel) and kernels.kernels[0] is kernel
    assert [a.name for a in kernel.arguments] == ["x", "weight", "y", "rows"]
    assert kernel.grid(rows=10) == (3, 1, 1) and kernel.report is None
    assert not kernel.is_resident


def test_resident_blocks_share_out_the_rows(path, tmp_path):
    """Two blocks compute all rows, for any number of tiles of 16 rows."""
    gated = tmp_path / "gated.mlir"
    options = ["--norm", "dim=64,type=bf16,weight,gate=16", "--emit", "mlir"]
    subprocess.run([find_tool("basin-compile"), *options, "-o", gated], check=True)
    given = tensors(rows=70) | {
        "gate_down": np.zeros((16, 64), ml_dtypes.bfloat16),
        "gate_up": np.zeros((64, 16), ml_dtypes.bfloat16),
    }
    with emulator.load(gated) as loaded:
        (kernel,) = loaded.kernels
        assert kernel.is_resident and kernel.grid(rows=70) == (5, 1, 1)
        kernel(**given)
        assert kernel.report.grid == (2, 1, 1) and kernel.report.findings == ()
    half = expected(given["x"]) / 2
    np.testing.assert_allclose(given["y"].astype(float), half, rtol=1 / 200)


def test_runs_on_numpy(kernels):
    given = tensors()
    kernels[NORM](**given)
    np.testing.assert_allclose(given["y"].astype(float), expected(given["x"]), rtol=1 / 200)
    report = kernels[NORM].report
    assert report.grid == (3, 1, 1) and report.findings == ()
    assert report.counters["global_stores"]["bytes"] == 10 * 64 * 2
    (store,) = (a for a in report.accesses if (a.memory, a.kind) == ("global", "store"))
    assert store.counters == report.counters["global_stores"] and store.op == "llvm.store #0"


def test_runs_on_torch(kernels):
    torch = pytest.importorskip("torch")
    given = tensors(dtype=np.float32)
    on_torch = {
        name: torch.from_numpy(value).bfloat16() if name != "rows" else value
        for name, value in given.items()
    }
    kernels[NORM].launch(on_torch, stream=None)
    want = expected(on_torch["x"].float().numpy())
    np.testing.assert_allclose(on_torch["y"].float().numpy(), want, rtol=1 / 200)


def test_inputs_may_share_memory(tmp_path, kernels):
    """One tensor as two inputs: x + x."""
    source = tmp_path / "residual.mlir"
    options = ["--norm", "dim=64,type=bf16,residual", "--emit", "mlir"]
    subprocess.run([find_tool("basin-compile"), *options, "-o", source], check=True)
    given = tensors()
    with emulator.load(source) as loaded:
        (kernel,) = loaded.kernels
        kernel(x=given["x"], residual=given["x"], y=given["y"], rows=10)
    want = expected(given["x"] + given["x"])
    np.testing.assert_allclose(given["y"].astype(float), want, rtol=1 / 200)


@pytest.mark.parametrize("rows", [0, 9])
def test_what_is_written_is_no_other_argument(kernels, rows):
    """y is x, or begins in its last row."""
    both = np.zeros((20, 64), ml_dtypes.bfloat16)
    with pytest.raises(runtime.KernelError, match="'y' is written, but shares memory with 'x'"):
        kernels[NORM](**tensors() | {"x": both[:10], "y": both[rows : rows + 10]})


def test_attention_of_more_heads_than_an_axis_has(tmp_path):
    """All blocks are on the x axis."""
    source = tmp_path / "attention.mlir"
    options = ["--attention", "head_dim=64,type=bf16", "--emit", "mlir"]
    subprocess.run([find_tool("basin-compile"), *options, "-o", source], check=True)
    with emulator.load(source) as loaded:
        (kernel,) = loaded.kernels
        assert kernel.grid(queries=129, heads=70000, batch=3) == (2 * 70000 * 3, 1, 1)
        assert kernel.grid(queries=1, heads=1, batch=65536) == (65536, 1, 1)


def test_parts_of_one_array(kernels):
    """y is the second half of an array that begins with x. The rows between them stay."""
    both = np.full((24, 64), 7, ml_dtypes.bfloat16)
    given = tensors()
    both[:10] = given["x"]
    kernels[NORM](**given | {"x": both[:10], "y": both[14:]})
    np.testing.assert_allclose(both[14:].astype(float), expected(given["x"]), rtol=1 / 200)
    assert (both[10:14] == 7).all()


def test_what_is_wrong_is_raised(kernels):
    """y has one element less than the kernel was told. The other elements are written."""
    given = tensors()
    short = np.zeros(10 * 64 - 1, ml_dtypes.bfloat16)
    with pytest.raises(emulator.Findings, match="out of bounds: llvm.store #0 at .*'y'") as caught:
        kernels[NORM](**given | {"y": short})
    (finding,) = caught.value.report.findings
    assert finding.kind == "out of bounds" and finding.block == (2, 0, 0)
    np.testing.assert_allclose(
        short[:632].astype(float), expected(given["x"]).flat[:632], rtol=0.005
    )
    kernels[NORM](**given)  # the process still works
    assert kernels[NORM].report.total_findings == 0


@pytest.mark.parametrize("order", ["forward", "reverse", "random"])
def test_options(path, order):
    with emulator.load(path, threads=order, blocks=order, seed=3, alignment="least") as kernels:
        given = tensors()
        kernels[NORM](**given)
        np.testing.assert_allclose(given["y"].astype(float), expected(given["x"]), rtol=1 / 200)


def test_no_rows_is_no_launch(kernels):
    kernels[NORM](**tensors(rows=0))
    assert kernels[NORM].report.grid == (0, 0, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": 3}, "'x': expected a tensor of NumPy or torch, but got int"),
        ({"x": np.zeros((10, 64), np.float32)}, "'x': expected a tensor of bf16, but got f32"),
        ({"z": 1}, "unknown argument 'z'"),
        ({"rows": 2.5}, "'rows': expected a number"),
        ({"rows": -1}, "'rows': expected a size, but got -1"),
        ({"x": np.zeros((10, 128), ml_dtypes.bfloat16)[:, ::2]}, "'x': expected a contiguous"),
        ({"x": np.zeros(641, ml_dtypes.bfloat16)[1:]}, "'x': expected a pointer aligned to 16"),
    ],
)
def test_refused(kernels, change, message):
    with pytest.raises(runtime.KernelError, match=message):
        kernels[NORM](**tensors() | change)


def test_files_that_are_none(tmp_path, path):
    with pytest.raises(emulator.EmulatorError, match="cannot open input file"):
        emulator.load(tmp_path / "nowhere.mlir")
    bad = tmp_path / "bad.mlir"
    bad.write_text("gpu.module {")
    with pytest.raises(emulator.EmulatorError, match="bad.mlir:1:12: error"):
        emulator.load(bad)
    with pytest.raises(ValueError, match="expected one of blocks, .* but got 'order'"):
        emulator.load(path, order="random")


@pytest.mark.parametrize("waits", [False, True])
def test_a_process_that_ended(kernels, waits):
    """Closing it is no error either, even if the request went into its pipe."""
    kernels._process.kill()
    if waits:
        kernels._process.wait()
    with pytest.raises(emulator.EmulatorError, match="basin-emulate ended with -9"):
        kernels[NORM](**tensors())


def test_closed(path):
    kernels = emulator.load(path)
    kernel = kernels[NORM]
    kernels.close()
    assert kernels._process.poll() is not None and not kernels._folder.exists()
    with pytest.raises(runtime.KernelError, match="its object is closed"):
        kernel(**tensors())
