"""Sink and outlier metrics, straight from activations, in numpy: the reference for other tools.

Shapes: N sequences of T tokens (position 0 is BOS), L layers, H query heads, K key heads, width d.
Probabilities A [N, H, T, T] have rows i (queries) and columns j (keys); where a model has learnable
sinks their columns are left out, so rows may sum to less than one. `hidden` is the residual stream
after the embedding and after every block, L + 1 arrays [N, T, d]. All sums are in float64.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

# Gu et al., arXiv 2410.10781, section 3.2: sequences of 64 tokens, threshold 0.3.
SINK_LENGTH, SINK_EPS = 64, 0.3
# Sun et al., arXiv 2402.17762, section 2: "surpasses 100 and ... around 1,000 times ... median".
MASSIVE_ABS, MASSIVE_RATIO = 100.0, 1000.0


@dataclass
class Activations:
    """The activations of a forward pass, as arrays. The file's header has their shapes."""

    probabilities: list[np.ndarray]
    values: list[np.ndarray]
    hidden: list[np.ndarray]
    norm_weights: dict[str, np.ndarray]


def sink_importance(probabilities: np.ndarray) -> np.ndarray:
    """alpha_k = (1 / (T - k + 1)) sum_{i >= k} A_ik, k from 1: A [N, H, T, T] -> [N, H, T].

    The mean attention that token k gets from the queries that see it (arXiv 2410.10781, eq. 2).
    """
    length = probabilities.shape[-1]
    total = np.tril(probabilities.astype(np.float64)).sum(axis=-2)
    return total / (length - np.arange(length))


def sink_rate(alpha: np.ndarray, eps: float = SINK_EPS) -> float:
    """sink_k^eps in percent: alpha_k of all sequences, layers, heads -> share above eps."""
    return float(100 * (alpha > eps).mean())


def first_token_mass(probabilities: np.ndarray) -> float:
    """Mean of A_i0 over sequences, heads and queries i >= 1; query 0 sees nothing else.

    The quantity of arXiv 2505.06708 ("first token attention"); A [N, H, T, T].
    """
    return float(probabilities[:, :, 1:, 0].mean(dtype=np.float64))


@dataclass
class Massive:
    """The largest |x| of the stream, against the median |x| of the same [T, d] hidden state."""

    largest: float
    median: float
    layer: int
    position: int
    dim: int
    is_massive: bool

    @property
    def ratio(self) -> float:
        """largest / median."""
        return self.largest / self.median


def massive_activation(hidden: list[np.ndarray]) -> Massive:
    """Largest of |h| over `hidden`; massive as arXiv 2402.17762 has it: > 100, >= 1000 medians.

    `layer` 0 is the embedding. The median is that of the sequence and layer of the largest, over
    tokens and dimensions. `is_massive` is true if any sequence and layer meets the criterion.
    """
    peaks = np.array([np.abs(h).max(axis=(1, 2)) for h in hidden])
    medians = np.array([np.median(np.abs(h), axis=(1, 2)) for h in hidden])
    layer, row = np.unravel_index(peaks.argmax(), peaks.shape)
    one = np.abs(hidden[layer][row])
    position, dim = np.unravel_index(one.argmax(), one.shape)
    massive = (peaks > MASSIVE_ABS) & (peaks >= MASSIVE_RATIO * medians)
    return Massive(
        float(peaks[layer, row]),
        float(medians[layer, row]),
        int(layer),
        int(position),
        int(dim),
        bool(massive.any()),
    )


def mean_magnitudes(hidden: list[np.ndarray], skip: int = 0) -> np.ndarray:
    """Havg_j = mean over layers, tokens, inputs of |h_j| (arXiv 2601.22966) -> [d].

    With `skip` = 1 the first token is left out: a residual sink is large on most tokens, a massive
    activation on few, and the mean over all does not tell them apart.
    """
    return np.mean([np.abs(h[:, skip:]).mean(axis=(0, 1), dtype=np.float64) for h in hidden], 0)


def presence(hidden: list[np.ndarray], dim: int) -> list[float]:
    """For each layer, the value that |h_dim| / median_j |h_j| exceeds on 90 % of the later tokens.

    The first token is left out. A residual sink is large for nearly all tokens (arXiv 2601.22966,
    section 2), so its 10th percentile stays well above one. A dimension that only some tokens use
    falls below.
    """
    return [
        float(np.percentile(h[..., dim] / np.median(h, axis=-1), 10))
        for h in (np.abs(layer[:, 1:].astype(np.float64)) for layer in hidden)
    ]


def first_to_others(vectors: np.ndarray) -> np.ndarray:
    """||v_0||_2 / mean_{t >= 1} ||v_t||_2, mean over sequences: [N, ..., T, width] -> [...].

    For value vectors this is well below one if there is value-state drain. For the stream it is
    well above one if there is a residual-state peak (arXiv 2410.13835, section 1).
    """
    norms = np.linalg.norm(vectors.astype(np.float64), axis=-1)
    return (norms[..., 0] / norms[..., 1:].mean(axis=-1)).mean(axis=0)


def sink_weights(weights: dict[str, np.ndarray], dims: list[int]) -> dict[str, float]:
    """For each norm, the smallest |weight| at the dimensions `dims`, over the norm's median.

    A norm suppresses the contribution of a residual sink (arXiv 2601.22966, section 2). Then this
    is well below one.
    """
    return {
        name: float(np.abs(weight)[dims].min() / np.median(np.abs(weight)))
        for name, weight in weights.items()
    }


def measure(activations: Activations, top: int = 3) -> dict[str, Any]:
    """All metrics of one model as plain numbers and lists.

    Sink importance is taken over the first `SINK_LENGTH` tokens, which under a causal mask equals
    a run on those tokens alone.
    """
    short = [a[:, :, :SINK_LENGTH, :SINK_LENGTH] for a in activations.probabilities]
    alpha = np.stack([sink_importance(a) for a in short], axis=1)
    mass = [first_token_mass(a) for a in activations.probabilities]
    massive = massive_activation(activations.hidden)
    average, later = (mean_magnitudes(activations.hidden, skip) for skip in (0, 1))
    order = np.argsort(-later)[:top]
    drain = np.array([first_to_others(v) for v in activations.values])
    peak = np.array([first_to_others(h) for h in activations.hidden])
    return {
        "sequences": int(alpha.shape[0]),
        "sink_length": int(alpha.shape[-1]),
        "sink_rate": {f"{eps}": sink_rate(alpha[..., 0], eps) for eps in (0.1, 0.2, SINK_EPS)},
        "alpha_first": alpha[..., 0].mean(axis=0).round(4).tolist(),
        "strongest_sink": int(alpha.mean(axis=(0, 1, 2)).argmax()),
        "first_token_mass": float(np.mean(mass)),
        "first_token_mass_layers": np.round(mass, 4).tolist(),
        "massive": asdict(massive) | {"ratio": massive.ratio},
        "value_ratio": drain.round(4).tolist(),
        "residual_peak": peak.round(3).tolist(),
        "havg_top_to_median": float(average.max() / np.median(average)),
        "havg_later_top_to_median": float(later.max() / np.median(later)),
        "havg_later_dims": order.tolist(),
        "presence": np.round(presence(activations.hidden, int(order[0])), 3).tolist(),
        "sink_weights": sink_weights(activations.norm_weights, order.tolist()),
    }


def headline(report: dict[str, Any]) -> str:
    """The report of `measure` on one line."""
    massive, rate = report["massive"], report["sink_rate"][f"{SINK_EPS}"]
    where = f"layer {massive['layer']} token {massive['position']} dim {massive['dim']}"
    return (
        f"sink {rate:.1f} %, first {report['first_token_mass']:.3f}, "
        f"max|h| {massive['largest']:.1f} = {massive['ratio']:.0f} medians ({where}), "
        f"BOS peak {max(report['residual_peak']):.2f}, "
        f"value {np.min(report['value_ratio']):.3f}, "
        f"Havg {report['havg_later_top_to_median']:.2f}"
    )
