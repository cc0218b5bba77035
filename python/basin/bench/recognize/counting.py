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

Only what the outputs depend on counts, by gradients: exporters leave the rest out of the graph.
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
    # Each operator's kind, and the tensors that it computed.
    events: list[tuple[str, list[torch.Tensor]]] = field(default_factory=list)
    stack: list[torch.nn.Module] = field(default_factory=list)
    # Rotations in each call of a rotary function that is still running.
    rotations: list[int] = field(default_factory=list)
    # The norms so far, at the entry of each module on the stack.
    norm_calls: list[int] = field(default_factory=list)
    kinds: dict[int, str | None] = field(default_factory=dict)
    probing: bool = False

    def add(self, kind: str, result: Any) -> None:
        """Note an operator that was just computed."""
        self.events.append((kind, _tensors(result)))

    def norms(self) -> int:
        """How many norms were computed so far."""
        return sum(kind.endswith("norms") for kind, _ in self.events)


def _tensors(result: Any) -> list[torch.Tensor]:
    parts = result if isinstance(result, tuple | list) else (result,)
    return [part for part in parts if isinstance(part, torch.Tensor)]


class _Calls(TorchFunctionMode):
    """Sees every call of a torch function."""

    def __init__(self, state: _State) -> None:
        super().__init__()
        self.state = state

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Count the call, and make it."""
        name = getattr(func, "__name__", "")
        result = func(*args, **(kwargs or {}))
        if not self.state.probing:
            if name in FUSED or (name == "softmax" and self._attends(args, kwargs or {})):
                self.state.add("attention", result)
            elif name in NORMS:
                self.state.add(NORMS[name], result)
        return result

    def _attends(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether an attention module takes the softmax over keys; a router's is not."""
        modules = [m for m in self.state.stack if not isinstance(m, torch.nn.Softmax)]
        if not modules or not ATTENTION.search(type(modules[-1]).__name__):
            return False
        scores = args[0] if args else kwargs["input"]
        axis = kwargs.get("dim", args[1] if len(args) > 1 else -1)
        return scores.ndim >= 3 and axis in (-1, scores.ndim - 1)


def norm_kind(module: torch.nn.Module, x: torch.Tensor, *others: Any, **named: Any) -> str | None:
    """Kind of norm over the last axis that `module` is, by how it treats scaled and moved rows.

    `others` and `named` are its other arguments, as a gate.
    """
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        drawn = 3 * torch.randn(x.shape, generator=generator)
        rows = (*x.shape[:-1], 1)
        factors = 0.5 + torch.rand(rows, generator=generator)
        moved = 3 * torch.randn(rows, generator=generator)
        try:
            base, scaled, shifted = (
                module(v.to(x.dtype), *others, **named).float()
                for v in (drawn, drawn * factors, drawn + moved)
            )
        except Exception:  # It does not take any tensor of this shape to a tensor.
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
            state.norm_calls.append(state.norms())

    return hook


def _leave(state: _State) -> Callable[..., None]:
    def hook(
        module: torch.nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any
    ) -> None:
        if state.probing:
            return
        state.stack.pop()
        if state.norm_calls.pop() != state.norms():
            return  # torch's function was counted
        kind = _kind_of(state, module, inputs, named)
        if kind:
            state.add(kind, output)

    return hook


def _kind_of(
    state: _State, module: torch.nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]
) -> str | None:
    if id(module) in state.kinds:
        return state.kinds[id(module)]
    x = inputs[0] if inputs else None
    kind = None
    own = not type(module).__module__.startswith("torch.nn")
    if own and not list(module.children()) and isinstance(x, torch.Tensor):
        if x.is_floating_point() and x.ndim >= 2 and x.shape[-1] > 1:
            state.probing = True
            kind = norm_kind(module, x, *inputs[1:], **named)
            state.probing = False
    state.kinds[id(module)] = kind
    return kind


def _wrapped(state: _State, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        state.rotations.append(0)
        result = function(*args, **kwargs)
        inner = state.rotations.pop()
        if inner == 0:  # It calls no other: each result is a rotation of its own.
            for part in _tensors(result):
                state.add("rotary", part)
                inner += 1
        if state.rotations:
            state.rotations[-1] += inner
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
        hooks.register_module_forward_hook(_leave(state), with_kwargs=True),
    ]
    try:
        with torch.enable_grad(), _rotary_functions(state, model), _Calls(state):
            outputs = _tensors(model(*args))
    finally:
        for handle in handles:
            handle.remove()
    return _used(state, outputs)


def _used(state: _State, outputs: list[torch.Tensor]) -> Counts:
    """Count the operators that an output depends on."""
    tracked = [t for _, tensors in state.events for t in tensors if t.requires_grad]
    total = sum(t.double().sum() for t in outputs if t.requires_grad)
    gradients = torch.autograd.grad(total, tracked, allow_unused=True) if tracked else ()
    used = {id(t) for t, gradient in zip(tracked, gradients) if gradient is not None}
    counts = Counts()
    for kind, tensors in state.events:
        if any(id(t) in used or not t.requires_grad for t in tensors):
            setattr(counts, kind, getattr(counts, kind) + 1)
    return counts
