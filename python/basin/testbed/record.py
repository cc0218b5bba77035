"""Activations of a testbed model, for `measure`: forward hooks on its taps."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from basin.testbed.measure import Activations
from basin.testbed.model import Decoder
from basin.testbed.norms import DyT, RMSNorm


@torch.no_grad()
def record(model: Decoder, ids: Tensor) -> Activations:
    """Run `ids` [N, T] and return what passed through the taps, learnable sinks left out."""
    result = Activations([], [], [], norm_weights(model))

    def keep(into: list[np.ndarray], axes: tuple[int, ...]):
        def hook(_module: nn.Module, _inputs: tuple, output: Tensor) -> None:
            for axis in axes:
                # The last T rows or columns are the tokens of `ids`.
                output = output.narrow(axis, output.shape[axis] - ids.shape[1], ids.shape[1])
            into.append(output.float().cpu().numpy().copy())

        return hook

    handles = [model.start.register_forward_hook(keep(result.hidden, (1,)))]
    for block in model.blocks:
        attention = block.attention
        listen = attention.probabilities.register_forward_hook
        handles.append(listen(keep(result.probabilities, (2, 3))))
        handles.append(attention.values.register_forward_hook(keep(result.values, (2,))))
        handles.append(block.out.register_forward_hook(keep(result.hidden, (1,))))
    try:
        model(ids)
    finally:
        for handle in handles:
            handle.remove()
    return result


def norm_weights(model: Decoder) -> dict[str, np.ndarray]:
    """Weights [d] of all norms (or of DyT) by module name."""
    return {
        name: module.weight.detach().float().cpu().numpy().copy()
        for name, module in model.named_modules()
        if isinstance(module, RMSNorm | DyT)
    }
