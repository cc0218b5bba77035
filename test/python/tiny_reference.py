"""models/tiny-shakespeare.onnx in numpy and f64, with its parts exchangeable.

Weights are read in the order in which the nodes use them. What a step should make of the model is
then the same forward pass with another norm, clamp or activation, written without the step.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

TINY = Path(__file__).resolve().parents[2] / "models" / "tiny-shakespeare.onnx"
HEADS, GROUPS, HEAD_DIM, LAYERS, EPS, THETA = 4, 2, 16, 3, 1e-5, 10000.0
IDS = np.random.default_rng(0).integers(0, 256, (2, 24))

Norm = Callable[[np.ndarray, np.ndarray], np.ndarray]
Map = Callable[[np.ndarray], np.ndarray]


def run(path: Path, ids: np.ndarray = IDS) -> np.ndarray:
    """The logits of a model in ONNX Runtime, optimizations off."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"input_ids": ids})[0]


def rms_norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return weight * x / np.sqrt((x**2).mean(-1, keepdims=True) + EPS)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def swish(x: np.ndarray) -> np.ndarray:
    return x * sigmoid(x)


def _rotate(x: np.ndarray) -> np.ndarray:
    steps = THETA ** -(np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    angle = np.arange(x.shape[-2])[:, None] * np.concatenate([steps, steps])
    first, second = np.split(x, 2, axis=-1)
    return x * np.cos(angle) + np.concatenate([-second, first], -1) * np.sin(angle)


def _attend(x: np.ndarray, matrices: list[np.ndarray]) -> np.ndarray:
    batch, seq, _ = x.shape
    heads = [(x @ w).reshape(batch, seq, -1, HEAD_DIM).swapaxes(1, 2) for w in matrices[:3]]
    q, k, v = _rotate(heads[0]), _rotate(heads[1]), heads[2]
    k, v = (np.repeat(part, HEADS // GROUPS, axis=1) for part in (k, v))
    scores = q @ k.swapaxes(2, 3) / np.sqrt(HEAD_DIM)
    scores += np.where(np.arange(seq)[None] > np.arange(seq)[:, None], -np.inf, 0)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = shares / shares.sum(-1, keepdims=True) @ v
    return mixed.swapaxes(1, 2).reshape(batch, seq, -1) @ matrices[3]


def forward(
    ids: np.ndarray = IDS,
    norm: Norm = rms_norm,
    clamp: Map = lambda x: x,
    activation: Map = swish,
    after: Map = lambda y: y,
) -> np.ndarray:
    """The logits. `norm` takes the stream and a weight, `after` the result of each norm."""
    model = onnx.load(TINY)
    weights = {w.name: numpy_helper.to_array(w).astype(float) for w in model.graph.initializer}
    matrices = [
        weights[node.input[1]]
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in weights
    ]
    x = clamp(weights["embed.weight"][ids])
    for layer in range(LAYERS):
        mine = matrices[7 * layer :]
        y = after(norm(x, weights[f"blocks.{layer}.norm1.weight"]))
        x = clamp(x + _attend(y, mine[:4]))
        y = after(norm(x, weights[f"blocks.{layer}.norm2.weight"]))
        x = clamp(x + activation(y @ mine[4]) * (y @ mine[5]) @ mine[6])
    return after(norm(x, weights["norm.weight"])) @ matrices[-1]
