"""The search for the alphas of the step `smooth` under a quantization scheme.

A group's error is the sum over its products of ||Q(X / s) Q(s W) - X W||^2 on sampled rows X. The
whole model is then compared with and without the factors, with the products of all groups
quantized, by onnx's reference evaluator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from basin import _basin
from basin._basin import BasinError
from basin.analysis.progress import steps
from basin.inputs.signature import read_facts
from basin.smooth_model import Group, Observed, SmoothModel
from basin.smoothing import choose_factors
from basin.step_data import Feeds
from basin.verification.distance import are_logits, sum_divergences

__all__ = ["Trial", "fake_quantize", "find_best", "search"]

_STEP = "smooth"
_ALPHAS = tuple(i / 10 for i in range(11))
_DOMAIN = "basin.smoothing"

# Writes the model smoothed by factors, and returns its path.
Apply = Callable[[Mapping[str, np.ndarray]], Path]


def fake_quantize(x: np.ndarray, scheme: str, part: str) -> np.ndarray:
    """Rows [n, K] as the scheme stores them, for the part "weights" or "activations"."""
    quantize = getattr(_basin, "fake_quantize", None)
    if quantize is None:
        raise BasinError(f"step '{_STEP}': option 'scheme': this build has no quantizers")
    found: np.ndarray = quantize(np.ascontiguousarray(x, dtype=np.float32), scheme, part)
    return found


# Groups


@dataclass(frozen=True)
class Trial:
    """The factors that are best for a group, their alpha (None for no factors), and errors."""

    group: Group
    factors: np.ndarray
    alpha: float | None
    error: float
    plain: float

    @property
    def gain(self) -> float:
        """How many times smaller the error becomes."""
        return self.plain / self.error if self.error > 0 else np.inf


def find_best(
    group: Group, observed: Observed, matrices: Sequence[np.ndarray], scheme: str, is_real: bool
) -> Trial:
    """Try no factors and those of each alpha. Matrices are [columns, channels]."""
    x = observed.sample()
    weights = np.max([np.abs(matrix).max(axis=0) for matrix in matrices], axis=0)
    exact = [x @ matrix.T for matrix in matrices]

    def measure(factors: np.ndarray) -> float:
        s = factors.astype(np.float32)
        rows = fake_quantize(x / s, scheme, "activations")
        total = 0.0
        for matrix, want in zip(matrices, exact):
            got = rows @ fake_quantize(matrix * s, scheme, "weights").T
            total += float(np.square((got - want).astype(np.float64)).sum())
        return total if np.isfinite(total) else np.inf

    none = np.ones(group.channels)
    plain = measure(none)
    best = Trial(group, none, None, plain, plain)
    tried = [none]
    for alpha in _ALPHAS:
        factors = choose_factors(group, observed.max_abs, weights, alpha, is_real)
        if any(np.array_equal(factors, one) for one in tried):
            continue
        tried.append(factors)
        error = measure(factors)
        if error < best.error:
            best = Trial(group, factors, alpha, error, plain)
    return best


def search(
    smooth: SmoothModel,
    feeds: Feeds,
    observed: Mapping[str, Observed],
    scheme: str,
    apply: Apply,
    *,
    is_real: bool,
    progress: bool = False,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The factors of each group, and remarks. Factors that do not lower the whole model's KL to the
    original on the data are left out. `apply` writes the smoothed model.
    """
    trials = []
    for at in steps(len(smooth.groups), progress, "groups"):
        group = smooth.groups[at]
        matrices = [smooth.matrix(product) for product in group.products]
        trials.append(find_best(group, observed[group.name], matrices, scheme, is_real))
    chosen = sorted((one for one in trials if one.alpha is not None), key=lambda one: -one.gain)
    chosen, lines = _confirm(smooth, feeds, chosen, scheme, apply)
    lines += [_describe(one, one in chosen) for one in trials]
    factors = {one.group.name: one.factors for one in chosen}
    return factors, [f"remark: {_STEP}: {line}" for line in lines]


def _describe(trial: Trial, is_kept: bool) -> str:
    name = trial.group.name
    if trial.alpha is None:
        return f"'{name}': no factors; each alpha has a larger error"
    change = f"alpha {trial.alpha:g} divides the squared error by {trial.gain:.3g}"
    return f"'{name}': {change}" if is_kept else f"'{name}': no factors, though {change}"


# The whole model


def _confirm(
    smooth: SmoothModel, feeds: Feeds, chosen: Sequence[Trial], scheme: str, apply: Apply
) -> tuple[list[Trial], list[str]]:
    """The trials that lower the mean KL of the quantized model, the best of them first."""
    kept = list(chosen)
    if not kept:
        return [], []
    try:
        model = _QuantizedModel(smooth, feeds, scheme, apply)
        plain = model.measure({})
        while kept:
            found = model.measure({one.group.name: one.factors for one in kept})
            if found < plain:
                break
            kept = kept[: len(kept) // 2]
    except BasinError:
        raise
    except Exception as error:  # noqa: BLE001  An operator may lack there, in any way.
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return kept, [f"the whole model was not measured with {scheme}: {why}"]
    if not kept:
        return [], [
            f"no factors: with {scheme} the mean KL of the logits is {plain:.3g} nats without, and "
            "not less with them"
        ]
    line = f"with {scheme} the mean KL of the logits falls from {plain:.3g} to {found:.3g} nats"
    dropped = len(chosen) - len(kept)
    return kept, [line + (f"; {dropped} groups with small gains were left out" if dropped else "")]


class _QuantizedModel:
    """The model with the products of all groups quantized, in onnx's reference evaluator."""

    def __init__(self, smooth: SmoothModel, feeds: Feeds, scheme: str, apply: Apply) -> None:
        """Runs the model without quantization, and holds its logits."""
        self._smooth, self._feeds, self._scheme, self._apply = smooth, feeds, scheme, apply
        path = apply({})
        facts = read_facts(path)
        model = onnx.load(path)
        self._outputs = [one.name for one in model.graph.output]
        self._logits: list[dict[str, np.ndarray]] = []
        plain = ReferenceEvaluator(model)
        for feed, _ in feeds:
            found = dict(zip(self._outputs, plain.run(self._outputs, feed)))
            self._logits.append(
                {name: value for name, value in found.items() if are_logits(name, value, facts)}
            )
        if not all(self._logits):
            raise ValueError("no output is known to be logits, by its name or its size")

    def measure(self, factors: Mapping[str, np.ndarray]) -> float:
        """The mean KL(original || quantized) in nats over the real tokens."""
        evaluator = self._make(factors)
        total, rows = 0.0, 0
        for (feed, mask), logits in zip(self._feeds, self._logits):
            with np.errstate(all="ignore"):
                found = dict(zip(logits, evaluator.run(list(logits), feed)))
            for name, before in logits.items():
                x, y = (_real(value, mask) for value in (before, found[name]))
                divergence, count = sum_divergences(x, y)
                if count < len(x):
                    return float("inf")
                total += divergence
                rows += count
        return total / rows if rows else float("inf")

    def _make(self, factors: Mapping[str, np.ndarray]) -> ReferenceEvaluator:
        """An evaluator of the smoothed model in which each product of a group is quantized."""
        made = onnx.load(self._apply(factors))
        tensors = {one.name: one for one in made.graph.initializer}
        # A product that gives an output is a head, which schemes leave as it is.
        products = {
            one.result: one
            for group in self._smooth.groups
            for one in group.products
            if one.matrix in tensors and one.result not in self._outputs
        }
        for one in {one.matrix: one for one in products.values()}.values():
            self._quantize(tensors[one.matrix], one.rows)
        nodes = list(_with_quantizers(made.graph.node, set(products)))
        del made.graph.node[:]
        made.graph.node.extend(nodes)
        made.opset_import.append(onnx.helper.make_opsetid(_DOMAIN, 1))
        return ReferenceEvaluator(made, new_ops=[_make_operator(self._scheme)])

    def _quantize(self, tensor: onnx.TensorProto, rows: int) -> None:
        value = numpy_helper.to_array(tensor)
        moved = np.moveaxis(value.astype(np.float32), rows, -1)
        flat = moved.reshape(-1, moved.shape[-1])
        stored = fake_quantize(flat, self._scheme, "weights").reshape(moved.shape)
        stored = np.ascontiguousarray(np.moveaxis(stored, -1, rows).astype(value.dtype))
        tensor.CopyFrom(numpy_helper.from_array(stored, tensor.name))


def _with_quantizers(
    nodes: Iterable[onnx.NodeProto], results: set[str]
) -> Iterator[onnx.NodeProto]:
    """Copies of nodes, with a quantizer before each product that gives one of the results."""
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if node.output and node.output[0] in results:
            copy.input[0] = f"{node.output[0]}.quantized"
            yield onnx.helper.make_node(
                "FakeQuantize", [node.input[0]], [copy.input[0]], domain=_DOMAIN
            )
        yield copy


def _make_operator(scheme: str) -> type[OpRun]:
    """The operator that rounds the rows of a value as the scheme does."""

    class FakeQuantize(OpRun):
        op_domain = _DOMAIN

        def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
            rows = x.reshape(-1, x.shape[-1])
            return (fake_quantize(rows, scheme, "activations").reshape(x.shape).astype(x.dtype),)

    return FakeQuantize


def _real(value: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Rows of the real tokens in f64."""
    if mask is not None and value.ndim == 3 and value.shape[:2] == mask.shape:
        return np.asarray(value[mask], np.float64)
    return value.reshape(-1, value.shape[-1]).astype(np.float64)
