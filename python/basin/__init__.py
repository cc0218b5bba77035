"""Rewrites transformers' outliers into parameters, ONNX in and ONNX out.

model = basin.load("model.onnx")
model.rewrite(("rescale-residual", {"k": 3}), "insert-pre-affine")
model.save("out.onnx")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from basin.compiling import compile
    from basin.model import BasinError, Model, load, roundtrip
    from basin.registry import steps
    from basin.rewriting import rewrite

__all__ = ["BasinError", "Model", "compile", "load", "rewrite", "roundtrip", "steps"]


def __getattr__(name: str) -> Any:
    """Load the extension on first use: `basin.verify` and the scripts need none."""
    if name == "rewrite":
        from basin import rewriting

        return rewriting.rewrite
    if name == "compile":
        from basin import compiling

        return compiling.compile
    if name == "steps":
        from basin import registry

        return registry.steps
    if name in __all__:
        from basin import model

        return getattr(model, name)
    raise AttributeError(f"module 'basin' has no attribute '{name}'")
