# Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Types that `onnx-infer-shapes` finds, compared with those of `onnx.shape_inference`.

Statements of models about inner values are removed first, so that both must infer them. A
contradiction in element type, rank or a static dim fails. The share of values that are at least as
precise is reported and has a lower limit.
"""

import collections
import os
import pathlib
import re
import subprocess

import pytest

onnx = pytest.importorskip("onnx")

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BASIN_BIN_DIR", ROOT / "build" / "bin"))
# The share of a model's values that Basin must know at least as well as `onnx` does.
FLOOR = 0.97

MODELS = sorted((ROOT / "test" / "models" / "exported").glob("*.onnx"))
MODELS += [path for path in [ROOT.parent / "shared/models/stories260K.onnx"] if path.exists()]

ELEMENTS = {
    "f32": 1, "ui8": 2, "i8": 3, "ui16": 4, "i16": 5, "i32": 6, "i64": 7,
    "!onnx.string": 8, "i1": 9, "f16": 10, "f64": 11, "ui32": 12, "ui64": 13,
    "bf16": 16, "f8E4M3FN": 17, "f8E4M3FNUZ": 18, "f8E5M2": 19, "f8E5M2FNUZ": 20, "ui4": 21,
    "i4": 22, "f4E2M1FN": 23, "f8E8M0FNU": 24, "ui2": 25, "i2": 26, "f6E2M3FN": 27,
    "f6E3M2FN": 28, "complex<f32>": 14, "complex<f64>": 15,
}  # fmt: skip

# dims is None where the rank is unknown; a dim is an int, a name or None.
TensorType = collections.namedtuple("TensorType", ["element", "dims"])


def parse_type(text):
    """`tensor<?x64xf32, #onnx.dims<"N", "">>`; None if it is no tensor."""
    match = re.fullmatch(r"tensor<([^,]*?)(?:, #onnx\.dims<(.*)>)?>", text)
    if not match:
        return None
    shape, names = match.groups()
    if shape.startswith("*x"):
        return TensorType(ELEMENTS[shape[2:]], None)
    dims = []
    while found := re.match(r"(\?|\d+)x", shape):
        dims.append(None if found[1] == "?" else int(found[1]))
        shape = shape[found.end() :]
    if names:
        for i, name in enumerate(re.findall(r'"((?:[^"\\]|\\.)*)"', names)):
            dims[i] = name if dims[i] is None and name else dims[i]
    return TensorType(ELEMENTS[shape], dims)


def split_types(text):
    """`(a, b)` or `a` at the outermost level, brackets closed."""
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char in "<(") - (char in ">)" and text[i - 1] != "-")
        if char == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return parts + [text[start:].strip()]


def types_of_ir(text):
    """Types of named node outputs; a name that has two types is left out."""
    types = {}
    for line in text.splitlines():
        outs = re.search(r"onnx\.outs = \[([^\]]*)\]", line)
        if not outs or ") -> " not in line:
            continue
        names = re.findall(r'"((?:[^"\\]|\\.)*)"', outs[1])
        results = split_types(line.rsplit(") -> ", 1)[1].removesuffix(" {"))
        assert len(names) == len(results), line[:400]
        for name, result in zip(names, results):
            if name and types.setdefault(name, result) != result:
                types[name] = "?"
    return {name: parse_type(text) for name, text in types.items()}


def types_of_onnx(graph):
    types = {}
    for info in [*graph.value_info, *graph.output]:
        tensor = info.type.tensor_type
        if not info.type.HasField("tensor_type") or tensor.elem_type == 0:
            continue
        dims = None
        if tensor.HasField("shape"):
            dims = [
                dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
                for dim in tensor.shape.dim
            ]
        types[info.name] = TensorType(tensor.elem_type, dims)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                types.update(types_of_onnx(attribute.g))
    return types


def drop_statements(graph):
    del graph.value_info[:]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                drop_statements(attribute.g)


def contradicts(ours, theirs):
    if ours.element != theirs.element:
        return True
    if ours.dims is None or theirs.dims is None:
        return False
    if len(ours.dims) != len(theirs.dims):
        return True
    return any(
        isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(ours.dims, theirs.dims)
    )


def at_least_as_precise(ours, theirs):
    """Whether ours says as much. A name invented by the peer (`unk__3`) says no more than none."""
    if ours is None:
        return False
    if theirs.dims is None:
        return True
    if ours.dims is None:
        return False

    def covers(a, b):
        if isinstance(b, int):
            return isinstance(a, int)
        return b is None or b.startswith("unk__") or a is not None

    return all(covers(a, b) for a, b in zip(ours.dims, theirs.dims))


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stderr[:2000]}"
    return done.stdout


def infer_both(model, tmp_path):
    """Types by value name, of Basin and of `onnx`, for the values that Basin has."""
    bare = tmp_path / "bare.onnx"
    onnx.save(model, bare)
    imported, inferred = tmp_path / "bare.mlir", tmp_path / "inferred.mlir"
    run(BIN / "basin-translate", "--onnx-to-mlir", bare, "-o", imported)
    run(BIN / "basin-opt", "--onnx-infer-shapes", imported, "-o", inferred,
        "--mlir-elide-resource-strings-if-larger=16")  # fmt: skip
    ours = types_of_ir(inferred.read_text())
    peer = onnx.shape_inference.infer_shapes(model, data_prop=True)
    theirs = {name: info for name, info in types_of_onnx(peer.graph).items() if name in ours}
    return ours, theirs


@pytest.mark.skipif(not (BIN / "basin-opt").exists(), reason="basin-opt is not built")
@pytest.mark.skipif(not (BIN / "basin-translate").exists(), reason="basin-translate is not built")
@pytest.mark.parametrize("path", MODELS, ids=[path.stem for path in MODELS])
def test_agrees_with_onnx(path, tmp_path, record_property):
    model = onnx.load(path)
    drop_statements(model.graph)
    ours, theirs = infer_both(model, tmp_path)
    assert theirs, "expected values that both know"

    wrong = [name for name in theirs if ours[name] and contradicts(ours[name], theirs[name])]
    assert not wrong, [(name, ours[name], theirs[name]) for name in wrong[:5]]
    less = [name for name in theirs if not at_least_as_precise(ours[name], theirs[name])]
    known = sum(bool(kind) and kind.dims is not None for kind in ours.values())
    share = 1 - len(less) / len(theirs)
    record_property("at_least_as_precise", share)
    record_property("ranked", known / len(ours))
    print(f"{path.stem}: {share:.1%} of {len(theirs)} values at least as precise as onnx,")
    print(f"  {known} of {len(ours)} values ranked", [(n, ours[n], theirs[n]) for n in less[:4]])
    # Basin does not follow calls of model-local functions; the peer does.
    assert share >= FLOOR or model.functions


def node_case(op, *shapes, **attributes):
    """A node of f32 inputs. Its output goes through an Identity and has no declared type."""
    inputs = [
        onnx.helper.make_tensor_value_info(f"x{i}", onnx.TensorProto.FLOAT, shape)
        for i, shape in enumerate(shapes)
    ]
    nodes = [
        onnx.helper.make_node(op, [value.name for value in inputs], ["y"], **attributes),
        onnx.helper.make_node("Identity", ["y"], ["z"]),
    ]
    output = onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph(nodes, "g", inputs, [output])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)])


# Contractions other than MatMul and Gemm.
NODES = {
    "einsum_scores": node_case(
        "Einsum", ["B", 4, "S", 8], ["B", 4, "L", 8], equation="bhid,bhjd->bhij"
    ),
    "einsum_implicit": node_case("Einsum", ["N", 3], [3, 5], equation="ij,jk"),
    "einsum_ellipsis": node_case("Einsum", [2, 4, 3], [2, 3, 5], equation="...ij,...jk->...ik"),
    "conv_1d": node_case("Conv", ["N", 4, 10], [8, 4, 3], dilations=[2], pads=[1, 2]),
    "conv_patches": node_case("Conv", ["N", 3, 224, 224], [768, 3, 16, 16], strides=[16, 16]),
    "conv_groups": node_case("Conv", ["N", 6, 9, 10, 11], [6, 2, 3, 3, 3], group=3),
    "conv_same": node_case("Conv", ["N", 4, 10], [8, 4, 3], auto_pad="SAME_UPPER", strides=[3]),
    "conv_valid": node_case("Conv", ["N", 4, 10], [8, 4, 3], auto_pad="VALID", strides=[3]),
}


@pytest.mark.skipif(not (BIN / "basin-opt").exists(), reason="basin-opt is not built")
@pytest.mark.skipif(not (BIN / "basin-translate").exists(), reason="basin-translate is not built")
@pytest.mark.parametrize("name", NODES)
def test_node_agrees_with_onnx(name, tmp_path):
    ours, theirs = infer_both(NODES[name], tmp_path)
    assert ours["z"] == theirs["z"]
    assert None not in ours["z"].dims


@pytest.mark.skipif(not (BIN / "basin-opt").exists(), reason="basin-opt is not built")
@pytest.mark.parametrize("kind", ["node", "pytorch-operator", "pytorch-converted"])
def test_agrees_on_the_standards_own_models(kind, tmp_path, capsys):
    """Operators without a typed op are included: no contradiction, and few types say less."""
    basin = pytest.importorskip("basin")
    from conformance import load_cases

    less, total = collections.Counter(), 0
    for case in load_cases(kind):
        model = onnx.ModelProto.FromString(case.model.SerializeToString())
        drop_statements(model.graph)
        for output in model.graph.output:
            output.ClearField("type")
        path = tmp_path / "m.onnx"
        path.write_bytes(model.SerializeToString())
        try:
            peer = onnx.shape_inference.infer_shapes(model, data_prop=True)
            loaded = basin.load(path)
            loaded.run("onnx-infer-shapes")
        except (onnx.shape_inference.InferenceError, basin.BasinError):
            continue
        ours = types_of_ir(loaded.text())
        theirs = {name: one for name, one in types_of_onnx(peer.graph).items() if name in ours}
        wrong = [name for name in theirs if ours[name] and contradicts(ours[name], theirs[name])]
        assert not wrong, (case.name, [(name, ours[name], theirs[name]) for name in wrong])
        total += len(theirs)
        for name in theirs:
            if not at_least_as_precise(ours[name], theirs[name]):
                (node,) = [n for n in model.graph.node if name in n.output][:1] or [None]
                less[node.op_type if node else "?"] += 1
    with capsys.disabled():
        print(f"\n{kind}: {sum(less.values())} of {total} values less precise:", dict(less))
    assert total > 10
    # The few in pytorch-operator are Gemms and Adds of old opsets, with `broadcast`.
    assert sum(less.values()) <= max(10, 0.1 * total)
