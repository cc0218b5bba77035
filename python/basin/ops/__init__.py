"""Fused norms and attention as torch operators, on kernels that were compiled before.

    basin.ops.use("kernels.bko")
    y = basin.ops.rms_norm(x, weight, eps=1e-6)
    y, stream = basin.ops.add_rms_norm(x, residual, weight)
    y = basin.ops.gated_rms_norm(x, gate_down, gate_up, weight)
    o = basin.ops.attention(q, k, v, causal=True, sink_logit=logits, gate=g)

On the CPU torch itself computes this. On CUDA a kernel of an object that was given to `use` does.
They are for inference: there is no backward pass.
"""

from basin.ops.attention_ops import attention, attention_with_lse
from basin.ops.kernels import MissingKernel, use
from basin.ops.norms import add_rms_norm, gated_rms_norm, rms_norm

__all__ = [
    "MissingKernel",
    "add_rms_norm",
    "attention",
    "attention_with_lse",
    "gated_rms_norm",
    "rms_norm",
    "use",
]
