"""The decoder: RMSNorm before each block, rotary, grouped-query attention, gated feed-forward.

    x = embed(ids);  each layer:  x += attention(norm x);  x += feed_forward(norm x)
    logits = head(norm x)

`ids` [batch, seq] start with BOS: the caller puts it there. With learnable sink tokens
(`attention = sink_tokens`, meta or register tokens) n rows stand before the embedded sequence, take
the first n positions and are dropped before the head. With `clip = t` the stream is clamped at +-t
after the embedding and after every addition (arXiv 2601.22966). Inner values pass through `Tap`s,
identities that `measure.record` listens to; they leave nothing in an exported graph.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from basin.testbed.attention import Attention, Tap
from basin.testbed.config import ModelConfig
from basin.testbed.norms import make_norm


class FeedForward(nn.Module):
    """W_down (W_up x * act(W_gate x)).

    SwiGLU has act = swish (arXiv 2002.05202), `glu` act = sigmoid; arXiv 2601.22966 finds larger
    outliers with the former.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.hidden, config.ffn_width, bias=False)
        self.up = nn.Linear(config.hidden, config.ffn_width, bias=False)
        self.down = nn.Linear(config.ffn_width, config.hidden, bias=False)
        self.swish = config.ffn == "swiglu"

    def forward(self, x: Tensor) -> Tensor:
        """[..., hidden] -> the same shape."""
        gate = self.gate(x)
        active = torch.sigmoid(gate)
        if self.swish:
            active = gate * active
        return self.down(active * self.up(x))


class Block(nn.Module):
    """x + attention(norm x), then x + feed_forward(norm x), each clamped where asked."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm1 = make_norm(config)
        self.attention = Attention(config)
        self.norm2 = make_norm(config)
        self.feed_forward = FeedForward(config)
        self.clip = config.clip
        self.middle, self.out = Tap(), Tap()

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        """x [batch, seq, hidden]; cos, sin [seq, head_dim]; mask [seq, seq] -> shape of x."""
        x = self.middle(clamp(x + self.attention(self.norm1(x), cos, sin, mask), self.clip))
        return self.out(clamp(x + self.feed_forward(self.norm2(x)), self.clip))


def clamp(x: Tensor, limit: float | None) -> Tensor:
    """x limited to [-limit, limit], or x."""
    return x if limit is None else torch.clamp(x, -limit, limit)


class Decoder(nn.Module):
    """The whole model."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab, config.hidden)
        if config.prefix:
            self.sink_tokens = nn.Parameter(torch.empty(config.prefix, config.hidden))
        if config.is_pointwise:
            # Without a norm nothing brings small embeddings to the scale at which tanh bends:
            # DyT's language models scale them by a learnable factor, sqrt(d) at the start.
            self.embed_scale = nn.Parameter(torch.tensor(config.hidden**0.5))
        self.start = Tap()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = make_norm(config)
        if not config.tied:
            self.head = nn.Linear(config.hidden, config.vocab, bias=False)
        steps = torch.arange(0, config.head_dim, 2).float() / config.head_dim
        self.register_buffer("frequency", config.theta**-steps, persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim >= 2 or "sink_tokens" in name:
                nn.init.normal_(parameter, std=config.init_std)

    def embedded(self, input_ids: Tensor) -> Tensor:
        """[batch, seq] -> the stream before the first block, [batch, prefix + seq, hidden]."""
        x = self.embed(input_ids)
        if self.config.prefix:
            shape = (input_ids.shape[0], self.config.prefix, self.config.hidden)
            x = torch.cat((self.sink_tokens.expand(shape), x), dim=1)
        if self.config.is_pointwise:
            x = x * self.embed_scale
        return self.start(clamp(x, self.config.clip))

    def forward(self, input_ids: Tensor) -> Tensor:
        """[batch, seq] int64 -> logits [batch, seq, vocab]."""
        x = self.embedded(input_ids)
        length = input_ids.shape[1] + self.config.prefix
        position = torch.arange(length, device=input_ids.device)
        angle = position[:, None].float() * self.frequency
        angle = torch.cat((angle, angle), dim=-1)
        future = position[None, :] > position[:, None]
        lowest = torch.full((), torch.finfo(torch.float32).min, device=input_ids.device)
        mask = torch.where(future, lowest, torch.zeros_like(lowest))
        for block in self.blocks:
            x = block(x, angle.cos(), angle.sin(), mask)
        x = self.norm(x)[:, self.config.prefix :] if self.config.prefix else self.norm(x)
        return x @ self.embed.weight.T if self.config.tied else self.head(x)
