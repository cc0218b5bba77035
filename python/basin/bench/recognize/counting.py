"""What a module computes in a forward pass: softmax attentions, norms and rotary embeddings.

The counts come from the calls that torch sees, and from the modules and functions of the model's
own source, never from an export.

- An attention is a call of `scaled_dot_product_attention` or `multi_head_attention_forward`, or a
  softmax that a module of attention computes.
- A norm is a call of torch's layer_norm or rms_norm, or of a module without children whose result
  does not change if each row is multiplied by a positive factor. It is a layer norm if adding a
  number to each row changes nothing, too.
- A rotary embedding is a call of `rotate_half` or its like, or each result of an `apply_rotary`
  function that calls none.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

ATTENTION = re.compile(r"attn|atten", re.IGNORECASE)
ROTARY = re.compile(
    r"^(_?(vision_)?apply_.*(rotary|rope|rotation)\w*|rotate_(half|every_two|pairwise|queries)\w*)$"
)
FUSED = {"scaled_dot_product_attention", "multi_head_attention_forward"}
NORMS = {"layer_norm": "layer_norms", "rms_norm": "rms_norms"}


@dataclass
class Counts:
    """How many of each kind."""

    attention: int = 0
    layer_norms: int = 0
    rms_norms: int = 0
    rotary: int = 0

    def dict(self) -> dict[str, int]:
        """As JSON has it."""
        return asdict(self)


@dataclass
class _State:
    counts: Counts = field(default_factory=Counts)
    stack: list[torch.nn.Module] = field(default_factory=list)
    # Rotations in each call of a rotary function that is still running.
    rotations: list[int] = field(default_factory=list)
    # Norms that torch's functions stand for, counted at each module's entry.
    norm_calls: list[int] = field(default_factory=list)
    kinds: dict[int, str | None] = field(default_factory=dict)
    probing: bool = False


class _Calls(TorchFunctionMode):
    """Sees every call of a torch function."""

    def __init__(self, state: _State) -> None:
        super().__init__()
        self.state = state

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Count the call, and make it."""
        name = getattr(func, "__name__", "")
        if not self.state.probing:
            if name in FUSED or (name == "softmax" and self._attends(args, kwargs or {})):
                self.state.counts.attention += 1
            elif name in NORMS:
                kind = NORMS[name]
                setattr(self.state.counts, kind, getattr(self.state.counts, kind) + 1)
        return func(*args, **(kwargs or {}))

    def _attends(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether an attention module takes the softmax over keys; a router's is not."""
        modules = [m for m in self.state.stack if not isinstance(m, torch.nn.Softmax)]
        if not modules or not ATTENTION.search(type(modules[-1]).__name__):
            return False
        scores = args[0] if args else kwargs["input"]
        axis = kwargs.get("dim", args[1] if len(args) > 1 else -1)
        return scores.ndim >= 3 and axis in (-1, scores.ndim - 1)


def norm_kind(module: torch.nn.Module, x: torch.Tensor) -> str | None:
    """Kind of norm over the last axis that `module` is, by how it treats scaled and moved rows."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        drawn = 100 * torch.randn(x.shape, generator=generator)
        rows = (*x.shape[:-1], 1)
        factors = 0.5 + torch.rand(rows, generator=generator)
        moved = 100 * torch.randn(rows, generator=generator)
        try:
            base, scaled, shifted = (
                module(v.to(x.dtype)).float() for v in (drawn, drawn * factors, drawn + moved)
            )
        except Exception:  # It is not a function of one tensor.
            return None
    bound = 1e-3 if x.dtype == torch.float32 else 0.1
    if base.shape != x.shape or base.std() < 1e-3 or not torch.isfinite(base).all():
        return None
    if (base - scaled).abs().max() > bound:
        return None
    return "layer_norms" if (base - shifted).abs().max() <= bound else "rms_norms"


def _enter(state: _State) -> Callable[..., None]:
    def hook(module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        if not state.probing:
            state.stack.append(module)
            state.norm_calls.append(state.counts.layer_norms + state.counts.rms_norms)

    return hook


def _leave(state: _State) -> Callable[..., None]:
    def hook(module: torch.nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if state.probing:
            return
        state.stack.pop()
        before = state.norm_calls.pop()
        if before != state.counts.layer_norms + state.counts.rms_norms:
            return  # torch's function was counted
        kind = _kind_of(state, module, inputs)
        if kind:
            setattr(state.counts, kind, getattr(state.counts, kind) + 1)

    return hook


def _kind_of(state: _State, module: torch.nn.Module, inputs: tuple[Any, ...]) -> str | None:
    if id(module) in state.kinds:
        return state.kinds[id(module)]
    x = inputs[0] if inputs else None
    kind = None
    own = not type(module).__module__.startswith("torch.nn")
    if own and not list(module.children()) and isinstance(x, torch.Tensor):
        if x.is_floating_point() and x.ndim >= 2 and x.shape[-1] > 1:
            state.probing = True
            kind = norm_kind(module, x)
            state.probing = False
    state.kinds[id(module)] = kind
    return kind


def _wrapped(state: _State, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        state.rotations.append(0)
        result = function(*args, **kwargs)
        inner = state.rotations.pop()
        results = result if isinstance(result, tuple | list) else (result,)
        # A rotation of its own parts (as in `rotate_half`) is one.
        count = inner or sum(isinstance(r, torch.Tensor) for r in results)
        if state.rotations:
            state.rotations[-1] += count
        else:
            state.counts.rotary += count
        return result

    return call


@contextlib.contextmanager
def _rotary_functions(state: _State, model: torch.nn.Module) -> Iterator[None]:
    """Replace the rotary functions of the modules and classes that make up `model`."""
    classes = {type(part) for part in model.modules()}
    owners: list[Any] = [c for c in classes if not c.__module__.startswith("torch.")]
    names = {c.__module__ for c in classes if not c.__module__.startswith("torch.")}
    owners += [sys.modules[name] for name in names]
    saved = []
    for owner in owners:
        for name, value in list(vars(owner).items()):
            static = isinstance(value, staticmethod)
            function = value.__func__ if static else value
            if ROTARY.match(name) and callable(function):
                saved.append((owner, name, value))
                wrapper = _wrapped(state, function)
                setattr(owner, name, staticmethod(wrapper) if static else wrapper)
    try:
        yield
    finally:
        for owner, name, value in saved:
            setattr(owner, name, value)


def count(model: torch.nn.Module, args: tuple[Any, ...]) -> Counts:
    """Run `model` once and return what it computed."""
    state = _State()
    handles = [
        hooks.register_module_forward_pre_hook(_enter(state)),
        hooks.register_module_forward_hook(_leave(state)),
    ]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), _rotary_functions(state, model), _Calls(state):
            model(*args)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for handle in handles:
            handle.remove()
    return state.counts
