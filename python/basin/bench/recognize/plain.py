"""Models in plain torch, in the forms that hand-written model code commonly has.

Some use torch's own layers. The decoders write attention out: with softmax or torch's scaled dot
product, rotary embeddings on real pairs, on complex numbers or on halves, and norms of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from basin.bench.recognize.catalog import (
    BATCH,
    FFN,
    HEAD_DIM,
    HEADS,
    HIDDEN,
    KV_HEADS,
    LAYERS,
    POSITIONS,
    SEQ,
    VOCAB,
)

Inputs = tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]


class Root(nn.Module):
    """Norm by the root mean square, in f32."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        """Return the norm times the weight."""
        wide = x.float()
        scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)
        return scaled.type_as(x) * self.weight


def frequencies(length: int) -> torch.Tensor:
    """Angles [length, head_dim / 2]."""
    base = 1.0 / 10000 ** (torch.arange(0, HEAD_DIM, 2).float() / HEAD_DIM)
    return torch.outer(torch.arange(length).float(), base)


def apply_rotary_complex(x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Rotate neighbours of [batch, seq, heads, dim] as complex numbers."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    turned = pairs * torch.polar(torch.ones_like(angles), angles)[None, :, None, :]
    return torch.view_as_real(turned).flatten(3).type_as(x)


def apply_rotary_pairs(x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Rotate neighbours of [batch, seq, heads, dim] as pairs of reals."""
    pairs = x.float().reshape(*x.shape[:-1], -1, 2)
    cos, sin = angles.cos()[None, :, None, :], angles.sin()[None, :, None, :]
    even = pairs[..., 0] * cos - pairs[..., 1] * sin
    odd = pairs[..., 1] * cos + pairs[..., 0] * sin
    return torch.stack((even, odd), -1).flatten(3).type_as(x)


def apply_rotary_halves(x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Rotate the halves of [batch, seq, heads, dim] against each other."""
    first, second = x.chunk(2, -1)
    cos, sin = angles.cos()[None, :, None, :], angles.sin()[None, :, None, :]
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


def rotate(kind: str, x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Rotate in the form that `kind` names."""
    if kind == "complex":
        return apply_rotary_complex(x, angles)
    if kind == "pairs":
        return apply_rotary_pairs(x, angles)
    return apply_rotary_halves(x, angles)


class Attention(nn.Module):
    """Causal attention; `style` names how it is written."""

    def __init__(self, style: str, rotary: str, kv_heads: int) -> None:
        super().__init__()
        self.style, self.rotary, self.kv_heads = style, rotary, kv_heads
        self.qkv = nn.Linear(HIDDEN, HIDDEN + 2 * kv_heads * HEAD_DIM, bias=style == "buffer")
        self.out = nn.Linear(HIDDEN, HIDDEN, bias=False)
        self.gate = nn.Linear(HIDDEN, HIDDEN, bias=False) if style == "gated" else None
        self.norms = nn.ModuleList([Root(HEAD_DIM), Root(HEAD_DIM)]) if style == "qk_norm" else None
        self.register_buffer("visible", torch.tril(torch.ones(POSITIONS, POSITIONS)).bool())
        slopes = 2.0 ** -torch.arange(1, HEADS + 1).float()
        distance = -(torch.arange(POSITIONS)[:, None] - torch.arange(POSITIONS)[None, :]).float()
        self.register_buffer("bias", slopes[:, None, None] * distance)

    def forward(self, x, angles):
        """Return [batch, seq, hidden]."""
        batch, length, _ = x.shape
        wide = self.kv_heads * HEAD_DIM
        q, k, v = self.qkv(x).split([HIDDEN, wide, wide], -1)
        q = q.view(batch, length, HEADS, HEAD_DIM)
        k = k.view(batch, length, self.kv_heads, HEAD_DIM)
        v = v.view(batch, length, self.kv_heads, HEAD_DIM)
        if self.norms is not None:
            q, k = self.norms[0](q), self.norms[1](k)
        if self.rotary:
            q, k = rotate(self.rotary, q, angles), rotate(self.rotary, k, angles)
        y = self.attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), length)
        y = y.transpose(1, 2).reshape(batch, length, HIDDEN)
        if self.gate is not None:
            y = y * torch.sigmoid(self.gate(x))
        return self.out(y)

    def attend(self, q, k, v, length):
        """Attention of [batch, heads, seq, dim]."""
        if self.style == "gqa":
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        if self.kv_heads != HEADS:
            k = k.repeat_interleave(HEADS // self.kv_heads, 1)
            v = v.repeat_interleave(HEADS // self.kv_heads, 1)
        seen = self.visible[:length, :length]
        if self.style in ("sdpa", "gated", "qk_norm"):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        if self.style == "sdpa_mask":
            return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        if self.style == "einsum":
            scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * HEAD_DIM**-0.5
        else:
            scores = q @ k.transpose(-2, -1) / math.sqrt(HEAD_DIM)
        if self.style == "softcap":
            scores = 20 * torch.tanh(scores / 20)
        if self.style == "alibi":
            scores = scores + self.bias[:, :length, :length]
        if self.style == "additive":
            mask = torch.full((length, length), float("-inf"), device=q.device)
            scores = scores + torch.triu(mask, diagonal=1).type_as(scores)
        else:
            scores = scores.masked_fill(~seen, float("-inf"))
        weights = F.softmax(scores.float(), -1).type_as(q)
        if self.style == "einsum":
            return torch.einsum("bhqk,bhkd->bhqd", weights, v)
        return weights @ v


class Block(nn.Module):
    """Attention and a feed-forward, each after a norm."""

    def __init__(self, style: str, rotary: str, norm: type[nn.Module], kv_heads: int) -> None:
        super().__init__()
        self.attention = Attention(style, rotary, kv_heads)
        self.before, self.after = norm(HIDDEN), norm(HIDDEN)
        self.up, self.down = nn.Linear(HIDDEN, FFN), nn.Linear(FFN, HIDDEN)

    def forward(self, x, angles):
        """Return the stream after the block."""
        x = x + self.attention(self.before(x), angles)
        return x + self.down(F.gelu(self.up(self.after(x))))


class Decoder(nn.Module):
    """Ids to logits."""

    def __init__(
        self, style: str, rotary: str = "", norm: type[nn.Module] = Root, kv_heads: int = HEADS
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCAB, HIDDEN)
        self.places = None if rotary else nn.Embedding(POSITIONS, HIDDEN)
        self.blocks = nn.ModuleList(Block(style, rotary, norm, kv_heads) for _ in range(LAYERS))
        self.norm, self.head = norm(HIDDEN), nn.Linear(HIDDEN, VOCAB, bias=False)
        self.register_buffer("angles", frequencies(POSITIONS))

    def forward(self, input_ids):
        """Return logits [batch, seq, vocab]."""
        length = input_ids.shape[1]
        x = self.embed(input_ids)
        if self.places is not None:
            x = x + self.places(torch.arange(length, device=x.device))
        for block in self.blocks:
            x = block(x, self.angles[:length])
        return self.head(self.norm(x))


class Layers(nn.Module):
    """Torch's own layers on vectors; `style` names which."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self.style = style
        sizes = dict(d_model=HIDDEN, nhead=HEADS, dim_feedforward=FFN, batch_first=True)
        if style == "transformer":
            self.inner = nn.Transformer(
                num_encoder_layers=LAYERS, num_decoder_layers=LAYERS, dropout=0.0, **sizes
            )
        elif style == "decoder":
            self.inner = nn.TransformerDecoder(nn.TransformerDecoderLayer(**sizes), LAYERS)
        elif style.startswith("encoder"):
            layer = nn.TransformerEncoderLayer(norm_first=style == "encoder_pre", **sizes)
            self.inner = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        else:
            self.inner = nn.MultiheadAttention(HIDDEN, HEADS, batch_first=style != "mha_seq_first")

    def forward(self, x, memory):
        """Return the layers' result; `memory` is for cross-attention."""
        length = x.shape[1]
        if self.style in ("transformer", "decoder"):
            mask = torch.triu(torch.full((length, length), float("-inf")), diagonal=1).type_as(x)
            first, second = (memory, x) if self.style == "transformer" else (x, memory)
            # Said beforehand, as the exporter cannot look at the mask.
            return self.inner(first, second, tgt_mask=mask, tgt_is_causal=True)
        if self.style == "encoder_causal":
            mask = torch.triu(torch.ones(length, length, dtype=torch.bool), diagonal=1)
            return self.inner(x, mask=mask, is_causal=True) + 0 * memory.sum()
        if self.style.startswith("encoder"):
            return self.inner(x) + 0 * memory.sum()
        if self.style == "mha_cross":
            return self.inner(x, memory, memory, need_weights=False)[0]
        weighed = self.inner(x, x, x, need_weights=self.style == "mha_weights")
        return weighed[0] + 0 * memory.sum()


PLAIN: dict[str, Callable[[], nn.Module]] = {
    "torch-nanogpt-buffer": lambda: Decoder("buffer", norm=nn.LayerNorm),
    "torch-nanogpt-sdpa": lambda: Decoder("sdpa", norm=nn.LayerNorm),
    "torch-llama-complex": lambda: Decoder("additive", "complex", kv_heads=KV_HEADS),
    "torch-llama-pairs": lambda: Decoder("additive", "pairs", kv_heads=KV_HEADS),
    "torch-gpt-fast": lambda: Decoder("sdpa_mask", "pairs", kv_heads=KV_HEADS),
    "torch-halves": lambda: Decoder("sdpa", "halves", nn.RMSNorm),
    "torch-gqa": lambda: Decoder("gqa", "halves", nn.RMSNorm, KV_HEADS),
    "torch-einsum": lambda: Decoder("einsum", "halves"),
    "torch-softcap": lambda: Decoder("softcap", "halves"),
    "torch-alibi": lambda: Decoder("alibi", norm=nn.LayerNorm),
    "torch-gated": lambda: Decoder("gated", "halves"),
    "torch-qk-norm": lambda: Decoder("qk_norm", "halves"),
    "torch-transformer": lambda: Layers("transformer"),
    "torch-decoder": lambda: Layers("decoder"),
    "torch-encoder-post": lambda: Layers("encoder_post"),
    "torch-encoder-pre": lambda: Layers("encoder_pre"),
    "torch-encoder-causal": lambda: Layers("encoder_causal"),
    "torch-mha": lambda: Layers("mha"),
    "torch-mha-weights": lambda: Layers("mha_weights"),
    "torch-mha-seq-first": lambda: Layers("mha_seq_first"),
    "torch-mha-cross": lambda: Layers("mha_cross"),
}


def build(name: str) -> tuple[nn.Module, Inputs]:
    """A model, and its example inputs with their free dimensions."""
    model = PLAIN[name]()
    generator = torch.Generator().manual_seed(3)
    if isinstance(model, Decoder):
        ids = torch.randint(0, VOCAB, (BATCH, SEQ), generator=generator)
        return model, ({"input_ids": ids}, {"input_ids": {0: "batch", 1: "seq"}})
    values = {n: torch.randn(BATCH, SEQ, HIDDEN, generator=generator) for n in ("x", "memory")}
    return model, (values, {n: {0: "batch", 1: f"{n}_seq"} for n in values})
