"""basin.launches: the arguments of a function's launches, and objects that are not valid."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from kernel_objects import basin_compile, compile_object, norm_kernel, write

torch = pytest.importorskip("torch")
pytest.importorskip("basin.launches", reason="the package is not there")

import attention_reference  # noqa: E402
from basin import emulator, launches, ops, runtime  # noqa: E402
from basin.launches import LaunchError  # noqa: E402


class Recorder(dict):
    """Kernels that record their arguments and fill their results with a number."""

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


class OnCuda(torch.Tensor):
    """A CPU tensor that claims to be on a GPU."""

    is_cuda = True


class Streams:
    """Replaces torch.cuda and records which stream is current when torch creates a tensor."""

    def __init__(self, monkeypatch):
        self.current, self.made, self.waited = None, [], 0
        for name, patch in {
            "stream": self.enter, "ExternalStream": lambda handle, device: handle,
            "default_stream": lambda device: "default", "current_stream": lambda device: self,
        }.items():  # fmt: skip
            monkeypatch.setattr(torch.cuda, name, patch)
        for owner, name in ((torch, "empty"), (launches, "_transpose")):
            monkeypatch.setattr(owner, name, self.noting(getattr(owner, name)))

    @contextlib.contextmanager
    def enter(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before

    def noting(self, make):
        def made(*arguments, **options):
            self.made.append(self.current)
            return make(*arguments, **options)

        return made

    def synchronize(self):
        self.waited += 1


def block_inputs():
    shapes = ((2, 5, 64), (2, 5, 64), (2, 1, 1, 7), (2, 7, 2, 32), (64, 8), (8, 64))
    x, r, mask, kv, down, up = (torch.zeros(shape).half() for shape in shapes)
    return x, r, mask.bool(), kv, down, up


@pytest.mark.parametrize(
    ("stream", "current"),
    [(3, 3), (0, "default"), (SimpleNamespace(cuda_stream=7), 7), (None, None)],
)
def test_all_is_made_on_the_stream_of_the_launches(block, monkeypatch, stream, current):
    (function,) = launches.read_functions(block, Recorder()).values()
    inputs = [tensor.as_subclass(OnCuda) for tensor in block_inputs()]
    streams = Streams(monkeypatch)
    function(*inputs, stream=stream)
    # These are y, sum, the attention's result, and the gate's two matrices.
    assert streams.made == [current] * 5 and streams.current is None


def test_bound_matrices_are_transposed_once(block, monkeypatch):
    kernels = Recorder()
    (function,) = launches.read_functions(block, kernels).values()
    *rest, down, up = (tensor.as_subclass(OnCuda) for tensor in block_inputs())
    names = [value for value, _ in function.inputs]
    streams = Streams(monkeypatch)
    bound = function.bind({names[4]: down, names[5]: up})
    assert bound.inputs == function.inputs[:4] and len(streams.made) == 2 and streams.waited == 1
    for _ in range(2):
        bound(*rest, stream=3)
    assert streams.made[2:] == [3] * 6  # only results
    norm = next(iter(kernels.values()))
    (first, _), (second, _) = norm.calls
    assert first["gate_down"] is second["gate_down"] and first["gate_down"].shape == (8, 64)
    function(*rest, down, up)
    assert len(streams.made) == 2 + 6 + 5
    with pytest.raises(LaunchError, match="block: unknown input 'weight'"):
        function.bind({"weight": up})
    with pytest.raises(LaunchError, match=f"block: unknown input '{names[4]}'"):
        bound.bind({names[4]: down})


def test_a_transposed_matrix_is_not_copied(block):
    kernels = Recorder()
    (function,) = launches.read_functions(block, kernels).values()
    *rest, down, up = block_inputs()
    function(*rest, down.mT.contiguous().mT, up)
    (given, _) = next(iter(kernels.values())).calls[0]
    assert given["gate_down"].is_contiguous()
    stored = down.mT.contiguous()
    function(*rest, stored.mT, up)
    (given, _) = next(iter(kernels.values())).calls[1]
    assert given["gate_down"].data_ptr() == stored.data_ptr()


@pytest.mark.parametrize(("batch", "queries", "keys"), [(2, 5, 7), (1, 130, 67), (1, 1, 0)])
def test_on_the_emulator(block, batch, queries, keys):
    """Compiled kernels with the arguments that the function gives them, against the formulas."""
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
    with pytest.raises(
        LaunchError, match="block: the object has no kernel rms_norm_64_f16_residual"
    ):
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
        ({"outputs": ["z"]}, "f: no input or step provides the output 'z'"),
        ({"inputs": []}, "f: norm reads 'x', which no input or step provides"),
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
    with pytest.raises(LaunchError, match="text is not a kernel object"):
        launches.read_functions(tmp_path / "text", {})
    path = write(tmp_path / "f.bko", [norm_kernel()])
    assert launches.load(path) == {}
    path.write_bytes(path.read_bytes().replace(b'{"version"', b'x"version" '))
    with pytest.raises(LaunchError, match="its JSON is not valid"):
        launches.read_functions(path, {})
