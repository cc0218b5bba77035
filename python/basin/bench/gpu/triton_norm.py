"""RMSNorm in Triton as its tutorials write it: a row a program, the row in registers."""

from __future__ import annotations

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _rms_norm(
    x, residual, pre_affine, weight, y, total, dim, epsilon,
    HAS_RESIDUAL: tl.constexpr, HAS_PRE_AFFINE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    columns = tl.arange(0, BLOCK)
    inside = columns < dim
    start = tl.program_id(0).to(tl.int64) * dim
    u = tl.load(x + start + columns, mask=inside, other=0.0).to(tl.float32)
    if HAS_RESIDUAL:
        u += tl.load(residual + start + columns, mask=inside, other=0.0).to(tl.float32)
        h = u.to(total.dtype.element_ty)
        tl.store(total + start + columns, h, mask=inside)
        u = h.to(tl.float32)
    if HAS_PRE_AFFINE:
        u = u * tl.load(pre_affine + columns, mask=inside, other=0.0).to(tl.float32)
    factor = tl.rsqrt(tl.sum(u * u, axis=0) / dim + epsilon)
    scale = tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + start + columns, (u * factor * scale).to(y.dtype.element_ty), mask=inside)


def prepare(t: dict[str, Tensor], epsilon: float) -> Callable[[], tuple[Tensor, ...]]:
    """A call on operands as norms.operands names them."""
    x = t["x"]
    rows, dim = x.shape
    y = torch.empty_like(x)
    has_residual, has_pre_affine = "residual" in t, "pre_affine" in t
    total = torch.empty_like(x) if has_residual else y
    block = triton.next_power_of_2(dim)
    warps = min(max(block // 512, 1), 16)

    def call() -> tuple[Tensor, ...]:
        _rms_norm[(rows,)](
            x, t.get("residual", x), t.get("pre_affine", x), t["weight"], y, total, dim, epsilon,
            HAS_RESIDUAL=has_residual, HAS_PRE_AFFINE=has_pre_affine, BLOCK=block, num_warps=warps,
        )  # fmt: skip
        return (y, total) if has_residual else (y,)

    return call
