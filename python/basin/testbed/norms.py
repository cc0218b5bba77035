"""What stands before each block: RMSNorm, and the paper's variants of it (arXiv 2601.22966)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from basin.testbed.config import ModelConfig


class RMSNorm(nn.Module):
    """RMSNorm(x) = weight * x / sqrt(mean(x^2) + eps) over the last axis (arXiv 1910.07467)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., size] -> the same shape."""
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class PreAffineRMSNorm(RMSNorm):
    """RMSNorm(lambda1 * x), lambda1 [size] initially 1 (arXiv 2601.22966, section 3.3)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__(size, eps)
        self.pre_affine = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """[..., size] -> the same shape."""
        return super().forward(self.pre_affine * x)


class DyT(nn.Module):
    """DyT(x) = weight * tanh(alpha * x) + bias, alpha one number (arXiv 2503.10622)."""

    def __init__(self, size: int, alpha: float) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((1,), alpha))
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        """[..., size] -> the same shape."""
        return self.weight * torch.tanh(self.alpha * x) + self.bias


class Derf(nn.Module):
    """Derf(x) = weight * erf(alpha * x + shift) + bias, two numbers (arXiv 2512.10938)."""

    def __init__(self, size: int, alpha: float) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((1,), alpha))
        self.shift = nn.Parameter(torch.zeros(1))
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        """[..., size] -> the same shape."""
        return self.weight * torch.erf(self.alpha * x + self.shift) + self.bias


_ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": nn.functional.silu,
    "identity": lambda x: x,
}


class SelfGated(nn.Module):
    """y' = act(W_up swish(W_down y)) * y with y = inner(x) (arXiv 2601.22966, section 3.4).

    W_down: d -> r; W_up: r -> d (elementwise) or r -> 1 (tensorwise). Around RMSNorm it is
    GatedNorm, around DyT it is GatedDyT.
    """

    def __init__(self, inner: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        width = config.hidden if config.gate_granularity == "elementwise" else 1
        self.inner = inner
        self.down = nn.Linear(config.hidden, config.gate_rank, bias=False)
        self.up = nn.Linear(config.gate_rank, width, bias=False)
        self.activation = _ACTIVATIONS[config.gate_activation]

    def forward(self, x: Tensor) -> Tensor:
        """[..., hidden] -> the same shape."""
        y = self.inner(x)
        down = self.down(y)
        return self.activation(self.up(down * torch.sigmoid(down))) * y


def make_norm(config: ModelConfig) -> nn.Module:
    """The norm of `config`, or the layer that takes its place."""
    if "dyt" in config.norm:
        norm: nn.Module = DyT(config.hidden, config.dyt_alpha)
    elif config.norm == "derf":
        norm = Derf(config.hidden, config.dyt_alpha)
    elif config.norm == "pre_affine":
        norm = PreAffineRMSNorm(config.hidden, config.eps)
    else:
        norm = RMSNorm(config.hidden, config.eps)
    return SelfGated(norm, config) if "gated" in config.norm else norm
