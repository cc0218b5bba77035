"""basin.launches: what a function's launches are given, and objects that are not valid."""

from __future__ import annotations

from pathlib import Path

import pytest
from kernel_objects import basin_compile, compile_object, norm_kernel, write

torch = pytest.importorskip("torch")
pytest.importorskip("basin.launches", reason="the package is not there")

import attention_reference  # noqa: E402
from basin import emulator, launches, ops, runtime  # noqa: E402
from basin.launches import LaunchError  # noqa: E402


class Recorder(dict):
    """Kernels that note what they are given and fill their results with a number."""

    def __missing__(self, name):
        self[name] = Note(name)
        return self[name]

    def __contains__(self, name):
        return True


class Note:
    def __init__(self, name):
        self.name, self.calls = name, []

    def launch(self, arguments, stream=None):
        self.calls.append((arguments, stream))


BLOCK = Path(__file__).with_name("block.mlir")


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    folder = tmp_path_factory.mktemp("block")
    return compile_object(BLOCK, folder / "block.bko")


@pytest.mark.parametrize("assembler", ["ptxas", "nvjitlink"])
def test_runtime_reads_what_each_assembler_makes(tmp_path, assembler):
    path = compile_object(BLOCK, tmp_path / "block.bko", "--assembler", assembler)
    listed = [kernel.name for kernel in runtime.load(path).kernels]
    text = basin_compile(BLOCK, "--target", "sm_80", "--emit=mlir", "-o", "-")
    assert len(listed) == 2 and all(f"gpu.func @{name}(" in text for name in listed)


def test_launches(block):
    kernels = Recorder()
    (function,) = launches.read_functions(block, kernels).values()
    assert function.name == "block"
    types = [type_ for _, type_ in function.inputs]
    assert types == ["f16", "f16", "i8", "f16", "f16", "f16"]
    x, r = torch.zeros(2, 5, 64).half(), torch.ones(2, 5, 64).half()
    kv, mask = torch.zeros(2, 7, 2, 32).half(), torch.ones(2, 1, 1, 7, dtype=torch.bool)
    down, up = torch.zeros(64, 8).half(), torch.ones(8, 64).half()
    a, s, y = function(x, r, mask, kv, down, up, stream=3)
    norm, attention = kernels.values()
    (given, stream), (then, _) = norm.calls[0], attention.calls[0]
    assert stream == 3 and given["rows"] == 10 and given["x"] is x and given["residual"] is r
    assert given["gate_down"].shape == (8, 64) and given["gate_down"].is_contiguous()
    assert given["gate_up"].shape == (64, 8)
    assert given["y"] is y and given["sum"] is s and s.shape == (2, 5, 64)
    assert then["query"] is y and then["result"] is a and a.dtype == torch.float16
    assert then["mask"].dtype == torch.int8 and a.shape == (2, 5, 64)
    sizes = {name: then[name] for name in ("batch", "heads", "kv_heads", "queries", "keys")}
    assert sizes == {"batch": 2, "heads": 2, "kv_heads": 2, "queries": 5, "keys": 7}
    strides = {name: then[name] for name in then if name.endswith("stride")}
    assert strides == {
        "query_batch_stride": 320, "query_head_stride": 32, "query_row_stride": 64,
        "key_batch_stride": 448, "key_head_stride": 32, "key_row_stride": 64,
        "value_batch_stride": 448, "value_head_stride": 32, "value_row_stride": 64,
        "mask_batch_stride": 7, "mask_head_stride": 0, "mask_row_stride": 0,
        "result_batch_stride": 320, "result_head_stride": 32, "result_row_stride": 64,
    }  # fmt: skip


@pytest.mark.parametrize(("batch", "queries", "keys"), [(2, 5, 7), (1, 130, 67), (1, 1, 0)])
def test_on_the_emulator(block, batch, queries, keys):
    """Compiled kernels, on what the function makes of them, against the formulas."""
    text = basin_compile(BLOCK, "--target", "sm_80", "--emit=mlir", "-o", "-")
    source = block.with_suffix(".mlir")
    source.write_text(text)
    (function,) = launches.read_functions(block, emulator.load(source)).values()
    draw = torch.Generator().manual_seed(keys)
    x, r, down, up = (
        torch.randn(*shape, generator=draw).half()
        for shape in ((batch, queries, 64), (batch, queries, 64), (64, 8), (8, 64))
    )
    # Rows of the keys are not side by side.
    kv = torch.randn(batch, keys, 3, 32, generator=draw).half()[:, :, :2]
    mask = torch.rand(batch, 1, 1, keys, generator=draw) > 0.3
    a, s, y = function(x, r, mask, kv, down, up)
    assert torch.equal(s, x + r)
    gated = ops.gated_rms_norm(x, down.T.contiguous(), up.T.contiguous(), None, r, eps=1e-5)
    torch.testing.assert_close(y, gated, rtol=4e-3, atol=4e-3)
    query = y.view(batch, queries, 2, 32).transpose(1, 2)
    heads = kv.transpose(1, 2)
    expected, _ = attention_reference.attention(query, heads, heads, mask=mask)
    result = a.view(batch, queries, 2, 32).transpose(1, 2)
    torch.testing.assert_close(result.double(), expected, rtol=2e-3, atol=2e-3)


def test_wrong_calls(block):
    (function,) = launches.read_functions(block, Recorder()).values()
    with pytest.raises(LaunchError, match="block: expected 6 tensors, but got 1"):
        function(torch.zeros(1))
    with pytest.raises(LaunchError, match="block: expected a tensor for '%arg0'"):
        function.run({})
    with pytest.raises(LaunchError, match="block: there is no kernel rms_norm_64_f16_residual"):
        launches.read_functions(block, {})


ROWS = {"value": "x", "size": 0}
STEP = {
    "kernel": "norm",
    "inputs": [{"argument": "x", "value": "x"}],
    "outputs": [{"argument": "y", "value": "y", "type": "bf16", "shape": [[ROWS]]}],
    "scalars": {"rows": [2, ROWS]},
}
GOOD = {"name": "f", "inputs": [{"value": "x", "type": "bf16"}], "outputs": ["y"], "steps": [STEP]}


def output(**changes):
    return {"steps": [STEP | {"outputs": [STEP["outputs"][0] | changes]}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": ["z"]}, "f: nothing makes 'z'"),
        ({"inputs": []}, "f: norm reads 'x', which nothing makes"),
        ({"steps": [STEP | {"scalars": {"rows": [{"value": "z", "size": 0}]}}]}, "reads 'z'"),
        ({"steps": [STEP | {"scalars": {"rows": [{"value": "x", "size": -1}]}}]}, "axis -1"),
        ({"steps": [STEP | {"scalars": {"rows": ["x"]}}]}, "not valid"),
        ({"steps": [{}]}, "not valid"),
        (output(type="f64"), "type 'f64'"),
        (output(shape=[[{"value": "x"}]]), "not valid"),
        ({"steps": 3}, "not valid"),
    ],
)
def test_functions_that_are_not_valid(tmp_path, changes, message):
    path = write(tmp_path / "f.bko", [norm_kernel()], functions=[GOOD | changes])
    with pytest.raises(LaunchError, match=message):
        launches.read_functions(path, Recorder())


def test_axis_that_a_tensor_lacks(tmp_path):
    changes = {"steps": [STEP | {"scalars": {"rows": [{"value": "x", "stride": 4}]}}]}
    path = write(tmp_path / "f.bko", [norm_kernel()], functions=[GOOD | changes])
    (function,) = launches.read_functions(path, Recorder()).values()
    with pytest.raises(LaunchError, match="norm: 'x' has no axis 4"):
        function(torch.zeros(3))


def test_files_that_are_no_objects(tmp_path):
    (tmp_path / "text").write_text("no object")
    with pytest.raises(LaunchError, match="text is no kernel object"):
        launches.read_functions(tmp_path / "text", {})
    path = write(tmp_path / "f.bko", [norm_kernel()])
    assert launches.load(path) == {}
    path.write_bytes(path.read_bytes().replace(b'{"version"', b'x"version" '))
    with pytest.raises(LaunchError, match="its JSON is not valid"):
        launches.read_functions(path, {})
