"""The Bigram-Backcopy task of "Active-Dormant Attention Heads" (arXiv 2410.13835, section 2).

Written from its description. A few tokens are triggers. After a trigger the next token is a copy of
the one *before* the trigger; after any other token it is drawn from that token's row of a Markov
chain. A head that copies has nothing to do at all other tokens, and parks its attention on BOS.

    x_{n+1} = x_{n-1}           if x_n is a trigger
    x_{n+1} ~ P[x_n]            otherwise;   x_0 = BOS,  x_1 uniform over the tokens but triggers

A token before a trigger is never a trigger itself (x_1 is none, and a copy is none), so copying
cannot loop. Unlike the paper's, P is not counted from a text: rows are drawn from a Dirichlet
distribution around Zipf frequencies, so that no data are needed, and the most frequent tokens are
the triggers, as in the paper.
"""

from __future__ import annotations

import numpy as np

from basin.testbed.data import with_bos


class BigramTask:
    """Ids 0 .. tokens - 1, triggers first; BOS is the id `tokens`."""

    def __init__(
        self, batch: int, seq: int, seed: int, tokens: int = 64, triggers: int = 3, held: int = 64
    ) -> None:
        self.size, self.seq, self.seed = batch, seq, seed
        self.triggers, self.bos, self.vocab = triggers, tokens, tokens + 1
        rng = np.random.default_rng((seed, 1 << 40))
        frequency = 1 / np.arange(1, tokens + 1)
        frequency /= frequency.sum()
        # Concentration 8: rows differ a lot, so that a bigram is worth learning.
        self.chain = rng.dirichlet(8 * frequency, size=tokens)
        self._cumulative = np.cumsum(self.chain, axis=1)
        self._held = with_bos(self.sample(rng, held), self.bos)

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return `count` sequences without BOS, [count, seq] int64."""
        tokens = np.empty((count, self.seq), np.int64)
        tokens[:, 0] = rng.integers(self.triggers, self.bos, count)
        for n in range(1, self.seq):
            last = tokens[:, n - 1]
            drawn = (rng.random((count, 1)) > self._cumulative[last]).sum(axis=1)
            drawn = np.minimum(drawn, self.bos - 1)
            copied = tokens[:, n - 2] if n > 1 else drawn
            tokens[:, n] = np.where(last < self.triggers, copied, drawn)
        return tokens

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Fresh sequences."""
        return with_bos(self.sample(np.random.default_rng((self.seed, step)), self.size), self.bos)

    def held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Sequences from another stream of random numbers than the batches."""
        return self._held

    def is_copied(self, ids: np.ndarray) -> np.ndarray:
        """True where the target is certain: the id is a trigger."""
        return ids < self.triggers

    def entropy(self, ids: np.ndarray) -> np.ndarray:
        """The least possible loss at each id, in nats: that of the chain, of x_1, or zero."""
        rows = -np.sum(self.chain * np.log(np.maximum(self.chain, 1e-300)), axis=1)
        rows[: self.triggers] = 0
        return np.append(rows, np.log(self.bos - self.triggers))[ids]
