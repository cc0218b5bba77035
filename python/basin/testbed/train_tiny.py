"""Train a tiny byte-level language model and export it: something real to try the rewrites on.

    python -m basin.testbed.train_tiny TEXT --out models/NAME.onnx [--steps N] [--seed N]

The model is a small Llama: RMSNorm before each block, rotary position embedding, grouped-query
attention, SwiGLU, embedding and language head tied. The ONNX file (opset 17, primitive operators)
takes `input_ids` [batch, seq] (int64 bytes) and gives `logits` [batch, seq, 256]. Needs PyTorch.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from basin.testbed.attention import rotate
from basin.testbed.norms import RMSNorm

VOCAB = 256


@dataclass(frozen=True)
class Config:
    """Sizes of the model; `ffn` is the width of the SwiGLU."""

    hidden: int = 64
    layers: int = 3
    heads: int = 4
    kv_heads: int = 2
    ffn: int = 176
    eps: float = 1e-5
    theta: float = 10000.0

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.hidden // self.heads


class Attention(nn.Module):
    """Causal grouped-query attention."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        width = config.kv_heads * config.head_dim
        self.q = nn.Linear(config.hidden, config.hidden, bias=False)
        self.k = nn.Linear(config.hidden, width, bias=False)
        self.v = nn.Linear(config.hidden, width, bias=False)
        self.o = nn.Linear(config.hidden, config.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        """x [batch, seq, hidden], mask [seq, seq] added to the scores -> [batch, seq, hidden]."""
        c = self.config
        batch, seq, _ = x.shape
        q = self.q(x).view(batch, seq, c.heads, c.head_dim).transpose(1, 2)
        k = self.k(x).view(batch, seq, c.kv_heads, c.head_dim).transpose(1, 2)
        v = self.v(x).view(batch, seq, c.kv_heads, c.head_dim).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        groups = c.heads // c.kv_heads
        shape = (batch, c.kv_heads, groups, seq, c.head_dim)
        k, v = (
            t[:, :, None].expand(shape).reshape(batch, c.heads, seq, c.head_dim) for t in (k, v)
        )
        scores = q @ k.transpose(2, 3) * c.head_dim**-0.5 + mask
        mixed = torch.softmax(scores, dim=-1) @ v
        return self.o(mixed.transpose(1, 2).reshape(batch, seq, c.hidden))


class Block(nn.Module):
    """x + attention(norm x), then x + swiglu(norm x)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.norm1 = RMSNorm(config.hidden, config.eps)
        self.attention = Attention(config)
        self.norm2 = RMSNorm(config.hidden, config.eps)
        self.gate = nn.Linear(config.hidden, config.ffn, bias=False)
        self.up = nn.Linear(config.hidden, config.ffn, bias=False)
        self.down = nn.Linear(config.ffn, config.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        """[batch, seq, hidden] -> the same shape."""
        x = x + self.attention(self.norm1(x), cos, sin, mask)
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class TinyLM(nn.Module):
    """The whole model: bytes in, logits out."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCAB, config.hidden)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden, config.eps)
        steps = torch.arange(0, config.head_dim, 2).float() / config.head_dim
        self.register_buffer("frequency", config.theta**-steps, persistent=False)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.05)

    def forward(self, input_ids: Tensor) -> Tensor:
        """[batch, seq] int64 -> logits [batch, seq, VOCAB]."""
        position = torch.arange(input_ids.shape[1], device=input_ids.device)
        angle = position[:, None].float() * self.frequency
        angle = torch.cat((angle, angle), dim=-1)
        future = position[None, :] > position[:, None]
        lowest = torch.finfo(torch.float32).min
        mask = torch.where(future, torch.tensor(lowest), torch.tensor(0.0))
        x = self.embed(input_ids)
        for block in self.blocks:
            x = block(x, angle.cos(), angle.sin(), mask)
        return F.linear(self.norm(x), self.embed.weight)


def sample(data: Tensor, batch: int, seq: int, generator: torch.Generator) -> Tensor:
    """Return random windows of the text, [batch, seq + 1]."""
    starts = torch.randint(0, len(data) - seq - 1, (batch,), generator=generator)
    return torch.stack([data[start : start + seq + 1] for start in starts.tolist()])


def loss_of(model: TinyLM, window: Tensor) -> Tensor:
    """Mean cross entropy in nats per byte of the windows' next bytes."""
    logits = model(window[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())


@torch.no_grad()
def evaluate(model: TinyLM, data: Tensor, seq: int, batches: int = 20) -> float:
    """Loss in nats per byte over fixed windows that cover the text evenly."""
    starts = np.linspace(0, len(data) - seq - 1, batches * 16).astype(int)
    windows = torch.stack([data[start : start + seq + 1] for start in starts])
    return float(np.mean([loss_of(model, part).item() for part in windows.split(16)]))


def train(data: Tensor, config: Config, steps: int, seed: int, batch: int, seq: int) -> TinyLM:
    """Train on `data` (bytes as int64) and return the model; prints the loss now and then."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = TinyLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.95), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps, pct_start=0.05)
    began = time.perf_counter()
    for step in range(1, steps + 1):
        loss = loss_of(model, sample(data, batch, seq, generator))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 200 == 0 or step == steps:
            elapsed = time.perf_counter() - began
            print(f"step {step}: loss {loss.item():.4f}, {elapsed:.0f} s", flush=True)
    return model.eval()


def export(model: TinyLM, out: Path) -> None:
    """Write the model as ONNX, batch and length symbolic."""
    out.parent.mkdir(parents=True, exist_ok=True)
    axes = {0: "batch", 1: "seq"}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(2, 8, dtype=torch.int64),),
            str(out),
            dynamo=False,
            opset_version=17,
            input_names=["input_ids"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "logits": axes},
        )


def main() -> None:
    """Command line: train, report the loss on the last tenth of the text, export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path, help="text file, read as bytes")
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seq", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = torch.from_numpy(np.fromfile(options.text, np.uint8).astype(np.int64))
    split = len(data) * 9 // 10
    if len(data) - split < options.seq + 2:
        parser.error(f"{options.text}: too short for windows of {options.seq} bytes")
    config = Config()
    model = train(data[:split], config, options.steps, options.seed, options.batch, options.seq)
    count = sum(p.numel() for p in model.parameters())
    held_out = evaluate(model, data[split:], options.seq)
    print(f"{count} parameters, held-out loss {held_out:.4f} nats per byte")
    export(model, options.out)
    print(f"{options.out}: {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
