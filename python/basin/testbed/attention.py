"""Causal grouped-query attention with rotary, and variants that make sinks unnecessary."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from basin.testbed.config import ModelConfig


class Tap(nn.Identity):
    """An identity to hang a forward hook on."""


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding in halves (arXiv 2104.09864): x [batch, heads, seq, dim], tables [seq, dim].

    result = x * cos + (-x2, x1) * sin with x = (x1, x2).
    """
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    """o = W_o concat_h(p_h v), p = softmax(q k^T / sqrt(head_dim) + mask), and its variants:

    gated       o = W_o (g * concat_h(p_h v)), g = sigmoid(W_g x), x the normed input; W_g gives one
                score a head, or one for each element (arXiv 2505.06708)
    sink_logit  p_j = exp(s_j) / (exp(b_h) + sum_k exp(s_k)), b_h learnable (gpt-oss), at first 0
    sink_kv     n learnable key and value rows a layer stand before the keys and values: explicit
                attention bias (arXiv 2402.17762, 2410.10781); not rotated, seen by every query
    sink_tokens nothing here: the tokens are part of the sequence (`model.Decoder`)
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.kv_heads * config.head_dim
        self.q = nn.Linear(config.hidden, config.hidden, bias=False)
        self.k = nn.Linear(config.hidden, width, bias=False)
        self.v = nn.Linear(config.hidden, width, bias=False)
        self.o = nn.Linear(config.hidden, config.hidden, bias=False)
        if config.attention == "gated":
            scores = config.heads if config.attention_gate == "head" else config.hidden
            self.gate = nn.Linear(config.hidden, scores, bias=False)
        if config.attention == "sink_logit":
            self.sink_logit = nn.Parameter(torch.zeros(config.heads))
        if config.attention == "sink_kv":
            shape = (config.kv_heads, config.sinks, config.head_dim)
            self.sink_key = nn.Parameter(torch.empty(shape))
            self.sink_value = nn.Parameter(torch.empty(shape))
        self.probabilities, self.values = Tap(), Tap()

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        """x [batch, seq, hidden], mask [seq, seq] added to the scores -> shape of x."""
        c = self.config
        batch, seq, _ = x.shape
        q = self.q(x).view(batch, seq, c.heads, c.head_dim).transpose(1, 2)
        k = self.k(x).view(batch, seq, c.kv_heads, c.head_dim).transpose(1, 2)
        v = self.values(self.v(x).view(batch, seq, c.kv_heads, c.head_dim).transpose(1, 2))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if c.attention == "sink_kv":
            k = torch.cat((self.sink_key.expand(batch, -1, -1, -1), k), dim=2)
            v = torch.cat((self.sink_value.expand(batch, -1, -1, -1), v), dim=2)
            mask = torch.cat((mask.new_zeros(seq, c.sinks), mask), dim=1)
        scores = q @ self.repeated(k).transpose(2, 3) * c.head_dim**-0.5 + mask
        mixed = self.probabilities(self.softmax(scores)) @ self.repeated(v)
        mixed = mixed.transpose(1, 2)
        if c.attention == "gated":
            mixed = mixed * torch.sigmoid(self.gate(x)).view(batch, seq, c.heads, -1)
        return self.o(mixed.reshape(batch, seq, c.hidden))

    def repeated(self, x: Tensor) -> Tensor:
        """[batch, kv_heads, length, dim] -> [batch, heads, length, dim], each head repeated."""
        c = self.config
        if c.kv_heads == c.heads:
            return x
        batch, _, length, dim = x.shape
        shape = (batch, c.kv_heads, c.heads // c.kv_heads, length, dim)
        return x[:, :, None].expand(shape).reshape(batch, c.heads, length, dim)

    def softmax(self, scores: Tensor) -> Tensor:
        """Probabilities [batch, heads, queries, keys]; with a sink logit their sum is below one."""
        if self.config.attention != "sink_logit":
            return torch.softmax(scores, dim=-1)
        batch, heads, queries, _ = scores.shape
        logit = self.sink_logit.view(1, heads, 1, 1).expand(batch, heads, queries, 1)
        return torch.softmax(torch.cat((scores, logit), dim=-1), dim=-1)[..., :-1]
