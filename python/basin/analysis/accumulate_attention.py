"""The accumulator of attention. H heads, G key heads, K = `sink_length` first queries and keys.

alpha_k = (1 / n) sum of p_ik over the n queries i that see key k (Gu et al., arXiv 2410.10781,
section 3.2; there n = T - k + 1 under a causal mask and T = 64, which is why K is apart from T).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from basin.analysis.accumulate import Accumulator
from basin.analysis.batch import Batch
from basin.analysis.cells import Count, Maximum, Mean, Shared, Tally

# Thresholds of sink_k^eps. arXiv 2410.10781 settles on the last one.
SINK_EPS = (0.1, 0.2, 0.3)


def alphas(mass: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """alpha [B, H, K] from mass [B, H, K] and queries [B, K], and where it is defined, [B, K]."""
    seen = queries > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        alpha = mass.astype(np.float64) / queries[:, None, :]
    return np.where(seen[:, None, :], alpha, 0.0), seen


def often_seen(queries: np.ndarray) -> np.ndarray:
    """Which keys are seen by at least half as many queries as any key is; queries [..., K]."""
    often: np.ndarray = (queries > 0) & (2 * queries >= queries.max(axis=-1, keepdims=True))
    return often


class Attention(Accumulator):
    """Kind `attention`."""

    def __init__(self, tap: dict[str, Any], instrumentation: dict[str, Any]) -> None:
        super().__init__(tap, instrumentation)
        heads, groups = tap["heads"], tap["kv_heads"]
        window, side = instrumentation["sink_length"], instrumentation["map"]
        self.cells |= {
            "alpha": Mean((heads, window), (window,)),
            "alpha_queries": Count((window,)),
            "ids": Shared(window),
            "sinks": Count((len(SINK_EPS),)),
            "heaviest": Count((len(SINK_EPS),)),
            "tokens_seen": Tally(),
            "first_token_mass": Mean((heads,)),
            "max_logit": Maximum((heads,)),
            "entropy": Mean((heads,)),
            "value_ratio": Mean((groups,)),
            "key_ratio": Mean((groups,)),
            "map": Mean((side, side), (side, 1)),
        }
        if "learned" in tap["outputs"]:
            self.cells["learned"] = Mean((heads,))
        if "score_bound" in tap["outputs"]:
            self.cells["score_bound"] = Maximum((heads,))

    def _take(self, own: dict[str, np.ndarray], rows: Batch, tokens: Batch) -> None:
        size = own["mass"].shape
        if rows.ids.shape != (size[0], size[2]):
            # With a past, the keys are not only the tokens of this run.
            rows = Batch.unknown(size[0], size[2])
        ones = np.ones(size[0])
        self.max_logit.add(own["max_logit"])
        self.entropy.add(own["entropy"], ones)
        if "learned" in own:
            self.learned.add(own["learned"], ones)
        if "score_bound" in own:
            self.score_bound.add(own["score_bound"])
        self._take_all(own, rows, self._take_window(own, rows))
        self._take_norms(own, rows)
        self._take_map(own, rows)

    def _take_window(self, own: dict[str, np.ndarray], rows: Batch) -> np.ndarray:
        """The first K queries and keys: alpha, and how often one is above a threshold.

        Returns alpha [B, H, K], 0 for keys that few queries see.
        """
        queries = rows.aligned(np.rint(own["sink_queries"]).astype(np.int64), 1)
        alpha, seen = alphas(rows.aligned(own["sink_mass"], 2), queries)
        often = np.where(often_seen(queries)[:, None, :], alpha, 0.0)
        first, best = alpha[:, :, 0], often.max(axis=-1)
        self.sinks.add(np.array([[(first > eps).sum() for eps in SINK_EPS]]))
        self.heaviest.add(np.array([[(best > eps).sum() for eps in SINK_EPS]]))
        rest = self.instrumentation["sink_length"] - alpha.shape[-1]
        alpha = np.pad(alpha, ((0, 0), (0, 0), (0, rest)))
        queries, seen = (np.pad(x, ((0, 0), (0, rest))) for x in (queries, seen))
        # Rounded to f32, as the runtime's outputs are, so that exact sums have few parts.
        self.alpha.add(alpha.astype(np.float32), seen.astype(np.int64))
        self.alpha_queries.add(queries)
        ids = rows.aligned(rows.ids, 1)[:, : seen.shape[1]]
        missing = seen.shape[1] - ids.shape[1]
        self.ids.add(np.pad(ids, ((0, 0), (0, missing))), seen)
        return often

    def _take_all(self, own: dict[str, np.ndarray], rows: Batch, window: np.ndarray) -> None:
        """All queries and keys: the first token's share, and the tokens that are sinks.

        The heaviest key of each sequence and head is counted if it is above the threshold. It is
        looked for in `window`, and in the whole sequence if none there is above it.
        """
        queries = rows.aligned(np.rint(own["queries"]).astype(np.int64), 1)
        mass = rows.aligned(own["mass"], 2).astype(np.float64)
        alpha, _ = alphas(mass, queries)
        often = np.where(often_seen(queries)[:, None, :], alpha, 0.0)
        near, far = window.max(axis=-1) > SINK_EPS[-1], often.max(axis=-1) > SINK_EPS[-1]
        keys = np.where(near, window.argmax(axis=-1), often.argmax(axis=-1))
        positions, ids = (rows.aligned(x, 1) for x in (rows.positions, rows.ids))
        for row, head in np.argwhere(near | far).tolist():
            key = keys[row, head]
            self.tokens_seen.add(int(positions[row, key]), int(ids[row, key]))
        for row, length in enumerate(rows.lengths.tolist()):
            count, total = queries[row, 0], mass[row, :, 0]
            if self._first_query_is_one(queries[row], length):
                count, total = count - 1, total - 1.0
            if count > 0:
                self.first_token_mass.add((total / count)[None], np.ones(1))

    def _first_query_is_one(self, queries: np.ndarray, length: int) -> bool:
        """Whether the first query sees only the first key, so that its probability is one."""
        if self.tap["sinks"]:
            return False
        triangle = np.arange(length, 0, -1)
        return self.tap["causal"] or bool(np.array_equal(queries[:length], triangle))

    def _take_norms(self, own: dict[str, np.ndarray], rows: Batch) -> None:
        first, later = rows.is_first, rows.is_later
        for output, cell in (("value_norm", self.value_ratio), ("key_norm", self.key_ratio)):
            for row, norms in enumerate(own[output].astype(np.float64)):
                if not (first[row].any() and later[row].any()):
                    continue
                others = norms[:, later[row]].mean(axis=1)
                here = norms[:, first[row]].mean(axis=1)
                if (others > 0).all():
                    cell.add((here / others)[None], np.ones(1))

    def _take_map(self, own: dict[str, np.ndarray], rows: Batch) -> None:
        side = self.instrumentation["map"]
        # The map is for a picture, which shows no more than 2^-16, and exact sums stay short.
        maps = np.rint(rows.aligned(own["map"].astype(np.float64), 1, 2) * 65536) / 65536
        height, width = side - maps.shape[1], side - maps.shape[2]
        there = np.arange(side)[None, :] < np.minimum(rows.lengths, maps.shape[1])[:, None]
        maps = np.pad(maps, ((0, 0), (0, height), (0, width)))
        self.map.add(np.where(there[:, :, None], maps, 0.0), there[:, :, None].astype(np.int64))
