"""The largest magnitude of a model's residual stream, seen while it runs in torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from basin.model import load as load_model
from basin.torch import Module
from basin.torch.graph import Call
from basin.torch.node import Function, Node

__all__ = ["Watch", "watch_stream"]


class Watch:
    """Looks at sums of the stream inside of a `with`. `largest` is None if there are none."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = calls
        self._functions: list[Function] = []
        self.largest: float | None = None

    def __enter__(self) -> Watch:
        self.largest = 0.0 if self._calls else None
        self._functions = [call.function for call in self._calls]
        for call in self._calls:
            call.function = self._seeing(call.function)
        return self

    def __exit__(self, *_: object) -> None:
        for call, function in zip(self._calls, self._functions):
            call.function = function

    def _seeing(self, function: Function) -> Function:
        def run(node: Node, inputs: Sequence[Any], device: torch.device) -> Any:
            result = function(node, inputs, device)
            if isinstance(result, torch.Tensor) and result.numel():
                self.largest = max(self.largest or 0.0, result.detach().abs().max().item())
            return result

        return run


def watch_stream(module: Module, path: Path) -> Watch:
    """A watch for the module of the model at `path`: the additions to its residual streams."""
    members: set[str] = set()
    for stream in load_model(path).inspect()["residual_streams"]:
        members |= {one["value"] for one in stream["writers"]}
    calls = []
    for call in module._graph.calls:
        if call.node.op in ("Add", "Sum") and members & set(call.node.inputs):
            members |= set(call.node.outputs)
            calls.append(call)
    return Watch(calls)
