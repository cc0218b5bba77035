"""What a planted outlier costs each quantization scheme: NLL by scheme and outlier.

All linears but the language head are quantized, round to nearest. Weights are replaced in the
model; before a linear stands a FakeQuantize node, which onnx's reference evaluator runs in numpy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from basin.testbed import TestbedError
from basin.testbed.linears import Graph
from basin.testbed.plant import plant
from basin.testbed.quantize import SCHEMES, Quantizer, Scheme

DOMAIN = "basin.testbed"
_BY_NAME = {scheme.name: scheme for scheme in SCHEMES}


class FakeQuantize(OpRun):
    """x [..., K] through the activation quantizer of the scheme named by the attribute."""

    op_domain = DOMAIN

    def _run(self, x: np.ndarray, scheme: str | None = None) -> tuple[np.ndarray]:
        quantizer = _BY_NAME[scheme].activation
        return (rows(quantizer, x),)


def rows(quantizer: Quantizer, x: np.ndarray) -> np.ndarray:
    """Apply a quantizer of [rows, K] to x [..., K]."""
    return quantizer(x.reshape(-1, x.shape[-1])).reshape(x.shape).astype(np.float32)


def fake_quantized(model: onnx.ModelProto, scheme: Scheme) -> onnx.ModelProto:
    """A copy of `model` with all linears quantized, but for those that give an output."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = Graph(result)
    made: dict[str, str] = {}
    before: dict[int, onnx.NodeProto] = {}
    for linear in graph.linears():
        node = graph.nodes[linear.node]
        if node.output[0] in graph.outputs:
            continue
        name = linear.initializer
        if scheme.weight is not None and len(graph.readers[name]) == 1:
            weight = graph.weight(name)
            weight = weight if linear.rows_are_outputs else weight.T
            weight = scheme.weight(np.ascontiguousarray(weight)).astype(np.float32)
            weight = weight if linear.rows_are_outputs else weight.T
            graph.set_weight(name, np.ascontiguousarray(weight))
        if scheme.activation is not None:
            if linear.source not in made:
                made[linear.source] = f"{linear.source}__quantized"
                before[linear.node] = onnx.helper.make_node(
                    "FakeQuantize",
                    [linear.source],
                    [made[linear.source]],
                    domain=DOMAIN,
                    scheme=scheme.name,
                )
            node.input[0] = made[linear.source]
    nodes = [n for i, node in enumerate(graph.nodes) for n in (before.get(i), node) if n]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    result.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    return result


def nll(model: onnx.ModelProto, ids: np.ndarray) -> float:
    """Mean -log p(ids[t + 1] | ids[.. t]) in nats, by the reference evaluator."""
    with np.errstate(all="ignore"):
        evaluator = ReferenceEvaluator(model, new_ops=[FakeQuantize])
        logits = evaluator.run(None, {model.graph.input[0].name: ids})[0].astype(np.float64)
    logits = logits[:, :-1] - logits[:, :-1].max(axis=-1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return float(-np.take_along_axis(logs, ids[:, 1:, None], axis=-1).mean())


def measure(path: Path, ids: np.ndarray, dim: int, powers: list[int]) -> dict[str, list[float]]:
    """NLL of each scheme: clean, then with 2^power planted for each of `powers`."""
    models = []
    for power in (0, *powers):
        model = onnx.load(path)
        if power:
            plant(model, dim, power)
        models.append(model)
    return {s.name: [nll(fake_quantized(m, s), ids) for m in models] for s in SCHEMES}


def table(path: Path, ids_file: Path, dim: int, powers: list[int]) -> str:
    """The figures of `measure` as a Markdown table."""
    stored = np.load(ids_file)
    if "input_ids" not in stored:
        raise TestbedError(f"{ids_file}: expected an array 'input_ids'")
    figures = measure(path, stored["input_ids"].astype(np.int64), dim, powers)
    columns = ["clean", *(f"2^{power}" for power in powers)]
    lines = [f"| scheme | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for name, row in figures.items():
        lines.append(f"| {name} | {' | '.join(f'{value:.4f}' for value in row)} |")
    return "\n".join(lines)
