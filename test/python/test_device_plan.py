"""Plans of whole models: both readers refuse the same, and runs on the fake driver and cuBLASLt."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernel_objects import compile_object, write
from plan_objects import hide_kernel, model, size, weights, write_model

package = pytest.importorskip("basin")
torch = pytest.importorskip("torch")
PACKAGE = Path(package.__file__).parent
DRIVER = PACKAGE.parents[1] / "lib" / "fake-driver" / "libcuda.so.1"
CUBLASLT = PACKAGE.parents[1] / "lib" / "fake-cublaslt" / "libcublasLt.so.13"
if not (PACKAGE / "libbasin_rt.so.2").exists() or not CUBLASLT.exists():
    pytest.skip("the runtime is not built", allow_module_level=True)

from basin import plan, runtime  # noqa: E402
from basin.device_plan import DevicePlan  # noqa: E402
from basin.errors import PlanError  # noqa: E402
from basin.tensors import TensorView  # noqa: E402

# ------------------------------------------------------------------------------------------------
# Readers
# ------------------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], Any]


def buffer(entry: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in entry["buffers"] if one["name"] == name)


def product(entry: dict[str, Any]) -> dict[str, Any]:
    return entry["steps"][2]["product"]


GOOD: dict[str, Change] = {
    "nothing": lambda p: None,
    "an unknown member": lambda p: p.update(author="me"),
    "no checks": lambda p: p.pop("checks"),
    "a step after the one of the output": lambda p: p["steps"].append(copy.deepcopy(p["steps"][1])),
    "a constant as a factor": lambda p: product(p)["a"].update(buffer="w"),
    "a temporary that nobody uses": lambda p: p["buffers"].append(buffer(p, "h") | {"name": "i"}),
    "an offset": lambda p: product(p)["a"].update(offset=size((1, "seq"))),
    "an alpha of a fraction": lambda p: product(p).update(alpha=0.125),
}
BAD: dict[str, Change] = {
    "no name": lambda p: p.pop("name"),
    "no buffers": lambda p: p.pop("buffers"),
    "no outputs": lambda p: p.pop("outputs"),
    "a buffer twice": lambda p: p["buffers"].append(buffer(p, "h")),
    "an unknown type": lambda p: buffer(p, "h").update(type="f64"),
    "nine axes": lambda p: buffer(p, "h").update(shape=[1] * 9),
    "a real size": lambda p: buffer(p, "h").update(shape=[1.5]),
    "a symbol without a value": lambda p: buffer(p, "h").update(shape=[size((1, "past"))]),
    "a sum of a symbol alone": lambda p: buffer(p, "h").update(shape=[{"sum": [["seq"]]}]),
    "a product without a factor": lambda p: buffer(p, "h").update(shape=[{"sum": [[]]}]),
    "a constant of symbols": lambda p: buffer(p, "w").update(shape=[size((1, "seq"))]),
    "a constant of another size": lambda p: buffer(p, "w").update(shape=[8, 15]),
    "a constant outside": lambda p: buffer(p, "w").update(offset=528),
    "a constant before": lambda p: buffer(p, "w").update(offset=-16),
    "a missing input": lambda p: p.update(inputs=["x"]),
    "an input twice": lambda p: p.update(inputs=["x", "mask", "x"]),
    "a constant as an input": lambda p: p.update(inputs=["x", "mask", "w"]),
    "an input as an output": lambda p: p["outputs"][0].update(buffer="x"),
    "two outputs of one buffer": lambda p: p["outputs"].append({"name": "o", "buffer": "y"}),
    "two outputs of one name": lambda p: p["outputs"].append({"name": "out", "buffer": "h"}),
    "an output that is not written": lambda p: p["steps"].pop(),
    "an unknown kernel": lambda p: p["steps"][1].update(kernel="seek"),
    "a missing tensor": lambda p: p["steps"][1]["tensors"].pop("flags"),
    "a missing scalar": lambda p: p["steps"][1]["scalars"].pop("eps"),
    "an unknown scalar": lambda p: p["steps"][1]["scalars"].update(x=1),
    "a tensor of another type": lambda p: p["steps"][1]["tensors"]["flags"].update(buffer="w"),
    "a step before its input": lambda p: p["steps"].reverse(),
    "a written constant": lambda p: product(p)["c"].update(buffer="v"),
    "a written input": lambda p: p["steps"][1]["tensors"]["x"].update(buffer="x"),
    "an unknown buffer": lambda p: product(p)["a"].update(buffer="z"),
    "an integer as a factor": lambda p: product(p)["a"].update(buffer="mask"),
    "a bias of another type": lambda p: product(p)["bias"].update(buffer="mask"),
    "strides without a batch": lambda p: product(p)["a"].update(batch_strides=[0]),
    "no strides of a batch": lambda p: product(p).update(batch=[1]),
    "no alpha": lambda p: product(p).pop("alpha"),
    "an alpha beyond f32": lambda p: product(p).update(alpha=1e39),
    "a check without a limit": lambda p: p["checks"][0].pop("at_most"),
}


def changed(path: Path, change: Change) -> Path:
    entry = model()
    change(entry)
    return write_model(path / "model.bko", plan=entry)


@pytest.mark.parametrize("name", GOOD)
def test_both_readers_accept(tmp_path, name):
    path = changed(tmp_path, GOOD[name])
    assert plan.load(path).outputs == ("out",)
    assert [one.name for one in runtime.load(path).kernels] == ["hide"]


@pytest.mark.parametrize("name", BAD)
def test_both_readers_refuse(tmp_path, name):
    path = changed(tmp_path, BAD[name])
    with pytest.raises(PlanError, match="its plan is not valid"):
        plan.load(path)
    with pytest.raises(runtime.KernelError, match="kernel object: plan"):
        runtime.load(path)


# ------------------------------------------------------------------------------------------------
# Runs
# ------------------------------------------------------------------------------------------------


def host_view(tensor: Any) -> TensorView:
    """The view of a tensor on the CPU, which poses as one on device 0."""
    type_ = {"torch.float32": "f32", "torch.bool": "bool"}.get(str(tensor.dtype), str(tensor.dtype))
    return TensorView(tensor.data_ptr(), type_, 0, tuple(tensor.shape), tuple(tensor.stride()))


def aligned(shape: tuple[int, ...], type_: str) -> Any:
    """Memory as a GPU's allocator gives it."""
    dtype = {"f32": np.float32, "i8": np.int8}[type_]
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.full(count + 256, 0xFF, np.uint8)
    begin = -raw.ctypes.data % 256
    return torch.from_numpy(raw[begin : begin + count].view(dtype).reshape(shape))


@pytest.fixture
def driver(monkeypatch):
    """The fake libraries, and torch's functions of streams, which record the streams."""
    runtime._call("use_driver", os.fsencode(DRIVER))
    runtime.use_cublaslt(CUBLASLT)
    library = ctypes.CDLL(str(DRIVER))
    library.fake_reset()
    library.fake_log.restype = ctypes.c_char_p
    streams = []
    patches = {
        "current_device": lambda: 0, "current_stream": lambda _: SimpleNamespace(cuda_stream=5),
        "ExternalStream": lambda handle, device: handle,
        "stream": lambda stream: contextlib.nullcontext(streams.append(stream)),
    }  # fmt: skip
    for name, patch in patches.items():
        monkeypatch.setattr(torch.cuda, name, patch)
    monkeypatch.setattr(DevicePlan, "_look_at", staticmethod(host_view))
    monkeypatch.setattr(DevicePlan, "_empty", staticmethod(aligned))
    return SimpleNamespace(log=lambda: library.fake_log().decode(), streams=streams)


@pytest.fixture
def loaded(tmp_path, driver):
    with plan.load(write_model(tmp_path / "model.bko", "ptx"), device="cuda") as made:
        yield made


def draw(batch: int, seq: int) -> dict[str, Any]:
    x = aligned((batch, seq, 8), "f32")
    x[...] = torch.arange(x.numel()).reshape(x.shape) % 7
    return {"x": x, "mask": torch.ones(seq, dtype=torch.bool)}


def expected(x: Any) -> np.ndarray:
    """What the products compute. The fake driver runs no kernel."""
    numbers = np.frombuffer(weights(), np.float32).astype(np.float64)
    w, v, bias = numbers[:128].reshape(8, 16), numbers[128:192].reshape(16, 4), numbers[192:]
    return 2 * (x.numpy().astype(np.float64) @ w @ v) + bias


def test_run(loaded, driver):
    assert (loaded.name, loaded.inputs, loaded.outputs) == ("model", ("x", "mask"), ("out",))
    assert "allocate 784\ncopy 784\n" in driver.log()
    for batch, seq in ((2, 3), (1, 40), (2, 3), (0, 3)):
        inputs = draw(batch, seq)
        (out,) = loaded.run(inputs).values()
        assert out.shape == (batch, seq, 4)
        # All are sums of few small multiples of a 64th, which f32 has.
        np.testing.assert_array_equal(out.numpy(), expected(inputs["x"]))
    assert driver.log().count("launch hide on 0") == 3 and "stream 5" in driver.log()


def test_example(tmp_path, driver):
    # [example]
    def run_model(path, inputs):
        with plan.load(path, device="cuda") as model:
            return model.run(inputs)["out"].cpu()

    # [example]
    inputs = draw(2, 3)
    out = run_model(write_model(tmp_path / "model.bko", "ptx"), inputs)
    np.testing.assert_array_equal(out.numpy(), expected(inputs["x"]))


def test_compiled_model(tmp_path, driver):
    """What basin-compile writes: y = x w + b is one product, and relu(y) a launch."""
    from onnx import TensorProto, helper, numpy_helper

    w, b = (np.arange(32).reshape(8, 4) % 5).astype("f"), np.arange(4).astype("f")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["t"]),
        helper.make_node("Add", ["t", "b"], ["y"]),
        helper.make_node("Relu", ["y"], ["z"]),
    ]

    def values(names: str, columns: int) -> list[Any]:
        shape = ["batch", "seq", columns]
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in names]

    constants = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")]
    graph = helper.make_graph(nodes, "main", values("x", 8), values("yz", 4), constants)
    opset = [helper.make_opsetid("", 17)]
    source = tmp_path / "model.onnx"
    source.write_bytes(helper.make_model(graph, opset_imports=opset).SerializeToString())
    x = draw(3, 5)["x"]
    with plan.load(compile_object(source, tmp_path / "model.bko"), device="cuda") as compiled:
        out = compiled.run({"x": x})
    np.testing.assert_array_equal(out["y"].numpy(), x.numpy() @ w + b)
    assert out["z"].shape == (3, 5, 4)
    (launch,) = [line for line in driver.log().splitlines() if line.startswith("launch")]
    assert launch.startswith("launch pointwise_")


def test_stream_and_workspace(loaded, driver):
    loaded.run(draw(1, 500))
    (first,) = loaded._workspaces.values()
    loaded.run(draw(1, 2))
    loaded.run(draw(1, 2), stream=9)
    assert list(loaded._workspaces) == [5, 9] and loaded._workspaces[5] is first
    assert driver.streams == [None, None, 9] and "stream 9" in driver.log()
    loaded.run(draw(2, 500))
    assert loaded._workspaces[5].numel() > first.numel()


def test_threads(loaded):
    wrong = []

    def work(batch: int) -> None:
        for seq in range(1, 20):
            inputs = draw(batch, seq)
            out = loaded.run(inputs)["out"].numpy()
            wrong.extend([seq] * (not np.array_equal(out, expected(inputs["x"]))))

    threads = [threading.Thread(target=work, args=(batch,)) for batch in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_refusals(loaded, tmp_path):
    good = draw(2, 3)
    cases = {
        "expected the inputs x, mask, but got x": {"x": good["x"]},
        "'x': expected f32, but got torch.float64": good | {"x": good["x"].double()},
        "'x': expected 3 axes, but got 2": good | {"x": good["x"][0]},
        "'x': expected a contiguous tensor": good | {"x": good["x"].transpose(0, 1)},
        r"model: 'mask': expected the shape \[3\], but got \[4\]": good
        | {"mask": draw(1, 4)["mask"]},
        "model: node 'positions': expected a size of at most 512, but got 513": draw(1, 513),
    }
    for message, inputs in cases.items():
        with pytest.raises(PlanError, match=message):
            loaded.run(inputs)
    for device in ("cpu", "gpu", 1.5):
        with pytest.raises(PlanError, match="device: expected 'emulator' or 'cuda', but got"):
            plan.load(loaded._object.path, device=device)
    with pytest.raises(PlanError, match="unknown option 'seed' for device 'cuda'"):
        plan.load(loaded._object.path, device="cuda", seed=1)
    with pytest.raises(PlanError, match="No such file"):
        plan.load(tmp_path / "none.bko", device="cuda:0")
    loaded.close()
    with pytest.raises(PlanError, match="model: the plan is closed"):
        loaded.run(good)


def test_inputs_on_another_device_are_refused(loaded, monkeypatch):
    elsewhere = lambda tensor: TensorView(**(vars(host_view(tensor)) | {"device": 1}))  # noqa: E731
    monkeypatch.setattr(DevicePlan, "_look_at", staticmethod(elsewhere))
    with pytest.raises(PlanError, match="model: expected inputs on device 0, but got device 1"):
        loaded.run(draw(2, 3))


def test_objects_without_a_plan_are_refused(tmp_path, driver):
    path = write(tmp_path / "kernels.bko", [hide_kernel()])
    with pytest.raises(PlanError, match="the object has no plan of a whole model"):
        plan.load(path, device="cuda")
