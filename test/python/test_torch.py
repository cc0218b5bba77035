"""basin.torch: models as torch modules, against ONNX Runtime and the reference evaluator."""

from __future__ import annotations

import copy
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
torch = pytest.importorskip("torch")
import basin.torch as bt  # noqa: E402
from basin.torch.roles import FIXED, LEARNABLE  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
EXPORTED = sorted((ROOT / "test" / "models" / "exported").glob("*.onnx"))
# Packed projections that no decomposition is known for.
REFUSED = {"hand-ms-attention", "hand-ms-attention-encoder", "hand-ms-grouped"}
TAKEN = [path for path in EXPORTED if path.stem not in REFUSED]
# Relative to the largest element: sums in another order, and roundings of 11 and 8 bits.
TOLERANCE = {"f32": 1e-4, "f16": 1e-2, "bf16": 5e-2}


def kind_of(path: Path) -> str:
    types = {one.data_type for one in onnx.load(path).graph.initializer}
    if TensorProto.BFLOAT16 in types:
        return "bf16"
    return "f16" if TensorProto.FLOAT16 in types else "f32"


def inputs_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path.with_suffix("").with_suffix(".inputs.npz")) as archive:
        return {key: archive[key] for key in archive.files}


def run_onnx(path: Path, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs in f64, by ONNX Runtime, or by the reference where that has no kernel."""
    names = [one.name for one in onnx.load(path, load_external_data=False).graph.output]
    if kind_of(path) == "bf16":
        found = ReferenceEvaluator(onnx.load(path)).run(None, values)
    else:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        found = ort.InferenceSession(path, options).run(None, values)
    return {name: np.asarray(one).astype(np.float64) for name, one in zip(names, found)}


def run_torch(module: bt.Module, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    with torch.no_grad():
        found = module(**{name: torch.from_numpy(value) for name, value in values.items()})
    return {name: value.double().numpy() for name, value in found.items()}


def distance(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    if not a.size:
        return 0.0
    finite = np.isfinite(a)
    assert np.array_equal(finite, np.isfinite(b))
    return float(np.abs(a - b)[finite].max() / max(np.abs(a[finite]).max(), 1e-30))


def rewritten(path: Path, *steps: Any) -> Path:
    model = basin.load(TINY)
    model.rewrite(*steps)
    model.save(path)
    return path


# Reading


@pytest.mark.parametrize("path", TAKEN, ids=lambda p: p.stem)
def test_exported_models_compute_the_same(path: Path, tmp_path: Path) -> None:
    """Outputs as ONNX has them, and a file that is saved at once has the same bytes."""
    module = bt.load(path)
    values = inputs_of(path)
    expected, found = run_onnx(path, values), run_torch(module, values)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert distance(value, found[name]) < TOLERANCE[kind_of(path)], name
    bt.save(module, tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_operators_without_a_function_are_named(name: str) -> None:
    path = next(one for one in EXPORTED if one.stem == name)
    with pytest.raises(basin.BasinError, match=r"has no function for com\.microsoft\.\w+ \(node '"):
        bt.load(path)


@pytest.mark.parametrize("length", [1, 7, 40])
def test_sizes_are_dynamic(length: int) -> None:
    ids = np.random.default_rng(length).integers(0, 65, (3, length))
    expected = run_onnx(TINY, {"input_ids": ids})["logits"]
    assert distance(expected, run_torch(bt.load(TINY), {"input_ids": ids})["logits"]) < 1e-5


def test_parameters_are_the_initializers() -> None:
    module = bt.load(TINY)
    tensors = {one.name: numpy_helper.to_array(one) for one in onnx.load(TINY).graph.initializer}
    parameters = dict(module.named_parameters())
    floats = {name for name, value in tensors.items() if value.dtype == np.float32}
    assert {module.names[name] for name in parameters} == floats
    # Names of the file, where dots lead to children.
    assert set(parameters) == floats
    for name, parameter in parameters.items():
        assert np.array_equal(parameter.detach().numpy(), tensors[name])
        assert parameter.requires_grad == (module.roles[name] not in FIXED)
    assert not list(module.learnable_parameters())


def test_names_that_modules_have_already(tmp_path: Path) -> None:
    """Initializers called as attributes of a module, as a folder of another one, or oddly."""
    names = ["forward", "a", "a.b", "training.weight", "x..y", "names", "_parameters", "roles"]
    nodes, last = [], "x"
    for i, name in enumerate(names):
        nodes.append(helper.make_node("Add", [last, name], [f"y{i}"]))
        last = f"y{i}"
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 3]) for n in ("x", last)]
    weights = [numpy_helper.from_array(np.full(3, 2.0**i, np.float32), n)
               for i, n in enumerate(names)]  # fmt: skip
    graph = helper.make_graph(nodes, "g", value[:1], value[1:], weights)
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    module = bt.load(path)
    assert sorted(module.names.values()) == sorted(names)
    assert module(torch.zeros(2, 3))[last].tolist() == [[2.0 ** len(names) - 1] * 3] * 2
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            parameter += len(module.names[key])
    bt.save(module, tmp_path / "out.onnx")
    for i, tensor in enumerate(onnx.load(tmp_path / "out.onnx").graph.initializer):
        assert numpy_helper.to_array(tensor).tolist() == [2.0**i + len(names[i])] * 3


def test_wrong_inputs_and_files(tmp_path: Path) -> None:
    module = bt.load(TINY)
    ids = torch.zeros(1, 3, dtype=torch.int64)
    for args, given in [((), {}), ((ids, ids), {}), ((ids,), {"other": ids})]:
        with pytest.raises(TypeError, match="expected the inputs input_ids, but got"):
            module(*args, **given)
    with pytest.raises(RuntimeError, match=r"node '/embed/Gather' \(Gather\)"):
        module(ids + 1000)
    with pytest.raises(basin.BasinError, match="No such file"):
        bt.load(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(basin.BasinError, match="bad.onnx"):
        bt.load(tmp_path / "bad.onnx")


def single(path: Path, op: str, opset: int, given: list[np.ndarray], kind: int, **attributes: Any):
    """A model of one node, whose second operand, if there is one, is an initializer."""
    names = ["x", "w"][: len(given)]
    node = helper.make_node(op, names, ["y"], **attributes)
    types = [helper.np_dtype_to_tensor_dtype(one.dtype) for one in given]
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", types[0], given[0].shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(one, "w") for one in given[1:]],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), path)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E5M2])
def test_casts_to_8_bits_saturate(kind: int, tmp_path: Path) -> None:
    """As ONNX has it, where torch makes an infinity; other casts are refused."""
    x = np.array([1e3, -1e3, np.inf, 1e6, 447.0, 0.3, np.nan], np.float32)
    single(tmp_path / "m", "Cast", 19, [x], kind, to=kind)
    found = bt.load(tmp_path / "m")(torch.from_numpy(x))["y"].float().numpy()
    (expected,) = ReferenceEvaluator(onnx.load(tmp_path / "m")).run(None, {"x": x})
    assert np.array_equal(found, np.asarray(expected).astype(np.float32), equal_nan=True)
    single(tmp_path / "m", "Cast", 19, [x], kind, to=kind, saturate=0)
    with pytest.raises(RuntimeError, match="a Cast without saturation"):
        bt.load(tmp_path / "m")(torch.from_numpy(x))


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (TensorProto.INT8, 300),
        (TensorProto.UINT8, -1),
        (TensorProto.INT32, 2**63 - 1),
        (TensorProto.INT32, 7),
        (TensorProto.BOOL, 2),
        (TensorProto.FLOAT16, 3),
    ],
)
def test_casts_of_constants_are_those_of_onnx(kind: int, number: int, tmp_path: Path) -> None:
    """Constants of sizes are on the host, where integers have no end."""
    constant = numpy_helper.from_array(np.array([number, 1]), "c")
    nodes = [
        helper.make_node("Cast", ["c"], ["narrow"], to=kind),
        helper.make_node("Cast", ["narrow"], ["y"], to=TensorProto.INT64),
    ]
    graph = helper.make_graph(
        nodes, "g", [], [helper.make_tensor_value_info("y", TensorProto.INT64, [2])], [constant]
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "m")
    assert bt.load(tmp_path / "m")()["y"].tolist() == run_onnx(tmp_path / "m", {})["y"].tolist()


def test_powers_of_integers_have_any_exponent(tmp_path: Path) -> None:
    x = np.array([3, 5, 9], np.int64)
    single(tmp_path / "m", "Pow", 17, [x, np.array(1.5, np.float32)], TensorProto.INT64)
    found = bt.load(tmp_path / "m")(torch.from_numpy(x))["y"]
    assert found.tolist() == run_onnx(tmp_path / "m", {"x": x})["y"].tolist() == [5, 11, 27]


def test_dropout_of_a_training_is_refused(tmp_path: Path) -> None:
    x = np.ones((2, 3), np.float32)
    for training in (False, True):
        node = helper.make_node("Dropout", ["x", "", "t"], ["y"])
        value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2, 3]) for n in "xy"]
        flag = numpy_helper.from_array(np.array(training), "t")
        graph = helper.make_graph([node], "g", value[:1], value[1:], [flag])
        opsets = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "m")
        module = bt.load(tmp_path / "m")
        if training:
            with pytest.raises(RuntimeError, match="Dropout of a training"):
                module(torch.from_numpy(x))
        else:
            assert module(torch.from_numpy(x))["y"].tolist() == x.tolist()


@pytest.mark.parametrize("path", [TINY, *TAKEN[::9]], ids=lambda p: p.stem)
def test_all_tensors_are_where_the_module_is(path: Path) -> None:
    """A device without numbers tells whether one was left on another device."""
    values = inputs_of(path) if path != TINY else {"input_ids": np.zeros((2, 5), np.int64)}
    module = bt.load(path).to("meta")
    try:
        found = module(**{k: torch.from_numpy(v).to("meta") for k, v in values.items()})
    except RuntimeError as error:
        # Sizes that depend on data cannot be read there.
        assert "meta tensor" in str(error) and "Expected all tensors" not in str(error)
        return
    assert all(one.device.type == "meta" for one in found.values())


# Writing


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    module = bt.load(TINY)
    with torch.no_grad():
        module.get_parameter("blocks.0.norm1.weight").mul_(3)
    bt.save(module, tmp_path / "out.onnx")
    before, after = TINY.read_bytes(), (tmp_path / "out.onnx").read_bytes()
    assert len(before) == len(after)
    different = [i for i, (a, b) in enumerate(zip(before, after)) if a != b]
    assert 0 < len(different) <= 64 * 4 and different[-1] - different[0] < 64 * 4
    one, two = onnx.load(TINY), onnx.load(tmp_path / "out.onnx")
    for a, b in zip(one.graph.initializer, two.graph.initializer):
        factor = 3 if a.name == "blocks.0.norm1.weight" else 1
        assert np.array_equal(numpy_helper.to_array(a) * np.float32(factor)
                              if factor == 3 else numpy_helper.to_array(a),
                              numpy_helper.to_array(b))  # fmt: skip
    ids = np.arange(10)[None]
    expected = run_torch(module, {"input_ids": ids})["logits"]
    assert distance(expected, run_onnx(tmp_path / "out.onnx", {"input_ids": ids})["logits"]) < 1e-5


def test_external_data_are_written_beside(tmp_path: Path) -> None:
    source = tmp_path / "in" / "m.onnx"
    source.parent.mkdir()
    onnx.save(onnx.load(TINY), source, save_as_external_data=True, location="w.bin",
              size_threshold=1024)  # fmt: skip
    module = bt.load(source)
    (tmp_path / "out").mkdir()
    bt.save(module, tmp_path / "out" / "m.onnx")
    for name in ("m.onnx", "w.bin"):
        assert (tmp_path / "in" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    with torch.no_grad():
        module.get_parameter("embed.weight").add_(1)
    (tmp_path / "more").mkdir()
    bt.save(module, tmp_path / "more" / "m.onnx")
    assert (tmp_path / "in" / "m.onnx").read_bytes() == (tmp_path / "more/m.onnx").read_bytes()
    (one,) = (x for x in onnx.load(tmp_path / "more/m.onnx").graph.initializer
              if x.name == "embed.weight")  # fmt: skip
    assert np.array_equal(
        numpy_helper.to_array(one), module.get_parameter("embed.weight").detach().numpy()
    )
    # Another file of that name is nobody's to replace.
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "w.bin").write_bytes(b"mine")
    with pytest.raises(basin.BasinError, match="w.bin: external data of this name exist"):
        bt.save(module, tmp_path / "taken" / "m.onnx")
    assert (tmp_path / "taken" / "w.bin").read_bytes() == b"mine"
    assert not (tmp_path / "taken" / "m.onnx").exists()
    # The model may be written over itself.
    shutil.copytree(tmp_path / "in", tmp_path / "same")
    again = bt.load(tmp_path / "same" / "m.onnx")
    with torch.no_grad():
        again.get_parameter("embed.weight").add_(1)
    bt.save(again, tmp_path / "same" / "m.onnx")
    assert (tmp_path / "same/w.bin").read_bytes() == (tmp_path / "more/w.bin").read_bytes()


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_numbers_that_are_stored_as_lists(kind: int, tmp_path: Path) -> None:
    numbers = [1.0, -2.5, 0.25]
    weight = helper.make_tensor("w", kind, [3], numbers)
    assert not weight.raw_data
    value = [helper.make_tensor_value_info(name, kind, ["n", 3]) for name in "xy"]
    node = helper.make_node("Mul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", value[:1], value[1:], [weight])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    module = bt.load(path)
    bt.save(module, tmp_path / "same.onnx")
    assert (tmp_path / "same.onnx").read_bytes() == path.read_bytes()
    with torch.no_grad():
        module.get_parameter("w").mul_(2)
    bt.save(module, tmp_path / "out.onnx")
    (found,) = onnx.load(tmp_path / "out.onnx").graph.initializer
    assert numpy_helper.to_array(found).tolist() == [2.0, -5.0, 0.5]


# Learning

LEARN = {
    "pre_affine": ["insert-pre-affine"],
    "gate": [("insert-gated-norm", {"rank": 4})],
    "attention_gate": ["insert-gated-attention"],
    "sink_logit": [("insert-sink-logits", {"init": 0.5})],
    "sink_key": [("insert-sink-kv", {"init": "normal"})],
    "sink_value": [("insert-sink-kv", {"init": "normal"})],
    "sink_tokens": [("insert-sink-tokens", {"ids": "0"})],
    "prefix_key": [("absorb-prefix", {"ids": "0"})],
    "prefix_value": [("absorb-prefix", {"ids": "0"})],
    "alpha": ["replace-norm-with-dyt"],
}


def test_every_learnable_role_is_tried() -> None:
    assert set(LEARN) == set(LEARNABLE)


@pytest.mark.parametrize("role", LEARN)
def test_gradients_of_learnable_parameters(role: str, tmp_path: Path) -> None:
    """Against central differences in f64, along a drawn direction."""
    module = bt.load(rewritten(tmp_path / "m.onnx", *LEARN[role]))
    parameters = [p for name, p in module.learnable_parameters() if module.roles[name] == role]
    assert parameters and all(one.requires_grad for one in parameters)
    generator = torch.Generator().manual_seed(0)
    module = _as_double(module)
    parameters = [p for name, p in module.learnable_parameters() if module.roles[name] == role]
    ids = torch.randint(1, 65, (2, 9), generator=generator)
    targets = torch.randint(0, 65, (2, 9), generator=generator)

    def loss() -> torch.Tensor:
        logits = module(ids)["logits"]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    # Gates start with zeros behind their first matrix, which has no gradient there.
    with torch.no_grad():
        for one in parameters:
            one.add_(0.05 * torch.randn(one.shape, generator=generator, dtype=one.dtype))
    directions = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    gradients = torch.autograd.grad(loss(), parameters)
    slope = float(sum((g * d).sum() for g, d in zip(gradients, directions)))
    step = 1e-5
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            for one, direction in zip(parameters, directions):
                one.add_(sign * step * direction)
            values.append(float(loss()))
            for one, direction in zip(parameters, directions):
                one.sub_(sign * step * direction)
    assert abs(slope) > 1e-6
    assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4)


def _as_double(module: bt.Module) -> bt.Module:
    """The module in f64: its parameters, constants, and casts to f32."""
    made = copy.deepcopy(module).double()
    for call in made._graph.calls:
        if call.node.attributes.get("to") == TensorProto.FLOAT:
            call.node.attributes["to"] = TensorProto.DOUBLE
    for name, value in made._graph.constants.items():
        if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
            made._graph.constants[name] = value.double()
    return made


def test_a_training_step_lowers_the_loss_and_is_written(tmp_path: Path) -> None:
    module = bt.load(rewritten(tmp_path / "m.onnx", *LEARN["gate"]))
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 65, (4, 16), generator=generator)
    chosen = [one for _, one in module.learnable_parameters()]
    optimizer = torch.optim.Adam(chosen, lr=1e-2)
    losses = []
    for _ in range(5):
        logits = module(ids[:, :-1])["logits"]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    bt.save(module, tmp_path / "out.onnx")
    values = {"input_ids": ids.numpy()}
    expected = run_torch(module, values)["logits"]
    assert distance(expected, run_onnx(tmp_path / "out.onnx", values)["logits"]) < 1e-4
    assert distance(expected, run_onnx(tmp_path / "m.onnx", values)["logits"]) > 1e-3


# Operators of basin.ops


def count_operators(module: bt.Module) -> dict[str, int]:
    graph = module._with_operators
    assert graph is not None
    names = [call.node.op for call in graph.calls if call.node.op.startswith("basin.ops.")]
    return {name.removeprefix("basin.ops."): names.count(name) for name in names}


@pytest.mark.parametrize("path", TAKEN, ids=lambda p: p.stem)
def test_operators_compute_the_same(path: Path) -> None:
    """Where torch records no gradients, with the operators that `inspect` names."""
    module = bt.load(path)
    values = inputs_of(path)
    expected = run_onnx(path, values)
    module.use_kernels = True
    found = run_torch(module, values)
    assert len(module._operators) == sum(count_operators(module).values())
    for name, value in expected.items():
        assert distance(value, found[name]) < 4 * TOLERANCE[kind_of(path)], name


def test_operators_of_a_model() -> None:
    module = bt.load(TINY)
    module.use_kernels = True
    ids = torch.arange(24).reshape(2, 12)
    with torch.no_grad():
        module(ids)
    assert count_operators(module) == {"rms_norm": 7, "attention": 3}
    used = {call.node.op for call in module._with_operators.calls}
    assert not used & {"Softmax", "ReduceMean"}
    # A gradient needs the nodes.
    module._with_operators = None
    module(ids)["logits"].sum().backward()
    assert module._with_operators is None and next(module.parameters()).grad is not None


def test_operators_with_gates_and_sinks(tmp_path: Path) -> None:
    """Parameters that are not at their start, so that each of them matters."""
    steps = ["insert-pre-affine", "insert-gated-norm", "insert-gated-attention"]
    module = bt.load(rewritten(tmp_path / "m.onnx", *steps, "insert-sink-logits"))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, parameter in module.learnable_parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        ids = torch.arange(24).reshape(2, 12)
        expected = module(ids)["logits"].double().numpy()
        module.use_kernels = True
        found = module(ids)["logits"].double().numpy()
    assert count_operators(module) == {"gated_rms_norm": 7, "attention": 3}
    assert distance(expected, found) < 1e-5


def test_nodes_compute_what_no_kernel_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from basin import ops

    def missing(*args: Any, **options: Any) -> Any:
        raise ops.MissingKernel("no kernel")

    monkeypatch.setattr(ops, "attention", missing)
    module = bt.load(TINY)
    ids = torch.arange(24).reshape(2, 12)
    with torch.no_grad():
        expected = module(ids)["logits"].numpy()
        module.use_kernels = True
        found = module(ids)["logits"].numpy()
    assert count_operators(module) == {"rms_norm": 7}
    assert distance(expected, found) < 1e-5


# Torch's own tools


def test_a_compiler_sees_one_graph() -> None:
    graphs = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    module = bt.load(TINY)
    compiled = torch.compile(module, backend=backend, fullgraph=True, dynamic=True)
    for shape in ((2, 9), (3, 17)):
        ids = torch.randint(0, 65, shape)
        found, expected = compiled(ids)["logits"], module(ids)["logits"]
        assert distance(expected.detach().numpy(), found.detach().numpy()) < 1e-5
        found.sum().backward()
    assert len(graphs) == 1


def test_autocast_runs_products_in_bf16() -> None:
    module = bt.load(TINY)
    ids = torch.randint(0, 65, (2, 9))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = module(ids)["logits"]
    assert found.dtype == torch.bfloat16
    expected = module(ids)["logits"].detach().numpy()
    assert 1e-6 < distance(expected, found.float().detach().numpy()) < 0.05
    found.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in module.parameters())


def _train_in_two(rank: int, port: int, path: str, folder: str) -> None:
    """One of two processes: half of the batch each."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    module = torch.nn.parallel.DistributedDataParallel(bt.load(path))
    ids = torch.arange(64).reshape(4, 16)[2 * rank : 2 * rank + 2]
    _step(module, ids)
    torch.save(module.module.state_dict(), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def _step(module: torch.nn.Module, ids: torch.Tensor) -> None:
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    logits = module(ids[:, :-1])["logits"]
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()
    optimizer.step()


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(_train_in_two, (port, str(TINY), str(tmp_path)), nprocs=2)
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    module = bt.load(TINY)
    _step(module, torch.arange(64).reshape(4, 16))
    for name, value in module.state_dict().items():
        assert torch.equal(one[name], two[name])
        assert torch.allclose(value, one[name], rtol=1e-4, atol=1e-6), name
