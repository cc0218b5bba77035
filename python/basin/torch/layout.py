"""Operators that move elements: views, slices, joins, gathers, and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from basin.torch.host import MOST, Host, Value, as_host, as_tensor, multiply
from basin.torch.node import Node, operator

__all__: list[str] = []

_LONG = torch.int64


def _positive(axis: int, rank: int) -> int:
    return axis + rank if axis < 0 else axis


def _sizes(value: Value) -> list[Any]:
    return list(as_host(value).data)


@operator("Shape")
def _shape(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    sizes = tuple(inputs[0].shape)[node.get("start", 0) : node.get("end")]
    return Host(sizes, (len(sizes),), _LONG)


@operator("Size")
def _size(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    return Host((multiply(inputs[0].shape),), (), _LONG)


@operator("Reshape")
def _reshape(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x = inputs[0]
    sizes = list(node.get("shape")) if "shape" in node.attributes else _sizes(inputs[1])
    if not node.get("allowzero", 0):
        sizes = [
            x.shape[i] if isinstance(size, int) and size == 0 else size
            for i, size in enumerate(sizes)
        ]
    if isinstance(x, Host):
        return x.reshaped(sizes)
    if -1 in [size for size in sizes if isinstance(size, int)] and x.numel() == 0:
        # Torch does not infer a size where there are no elements.
        rest = multiply([size for size in sizes if size != -1])
        sizes[sizes.index(-1)] = 0 if rest == 0 else x.numel() // rest
    return x.reshape(sizes)


@operator("Flatten")
def _flatten(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x = as_tensor(inputs[0], device)
    axis = _positive(node.get("axis", 1), x.dim())
    return x.reshape(multiply(x.shape[:axis]), multiply(x.shape[axis:]))


@operator("Transpose")
def _transpose(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x = as_tensor(inputs[0], device)
    return x.permute(node.get("perm", list(range(x.dim() - 1, -1, -1))))


@operator("Unsqueeze")
def _unsqueeze(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x = inputs[0]
    axes = node.axes(inputs) or []
    rank = len(x.shape) + len(axes)
    places = {_positive(axis, rank) for axis in axes}
    rest = iter(x.shape)
    sizes = [1 if i in places else next(rest) for i in range(rank)]
    return x.reshaped(sizes) if isinstance(x, Host) else x.reshape(sizes)


@operator("Squeeze")
def _squeeze(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x = inputs[0]
    axes = node.axes(inputs)
    rank = len(x.shape)
    if axes is None:
        axes = [i for i, size in enumerate(x.shape) if size == 1]
    places = {_positive(axis, rank) for axis in axes}
    sizes = [size for i, size in enumerate(x.shape) if i not in places]
    return x.reshaped(sizes) if isinstance(x, Host) else x.reshape(sizes)


@operator("Concat")
def _concat(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    axis = node.get("axis")
    hosts = [one for one in inputs if isinstance(one, Host)]
    if len(hosts) == len(inputs) and all(len(one.shape) == 1 for one in hosts):
        data = tuple(one for host in hosts for one in host.data)
        return Host(data, (len(data),), hosts[0].dtype)
    return torch.cat([as_tensor(one, device) for one in inputs], dim=axis)


@operator("Split")
def _split(node: Node, inputs: Sequence[Value | None], device: torch.device) -> tuple[Value, ...]:
    x = inputs[0]
    assert x is not None
    count = len(node.outputs)
    axis = _positive(node.get("axis", 0), len(x.shape))
    given = inputs[1] if len(inputs) > 1 else None
    if "split" in node.attributes:
        sizes = list(node.attributes["split"])
    elif given is not None:
        sizes = _sizes(given)
    else:
        each = -(-x.shape[axis] // count)
        sizes = [each] * (count - 1)
        sizes.append(x.shape[axis] - each * (count - 1))
    if isinstance(x, Host) and len(x.shape) == 1:
        ends = [sum(sizes[: i + 1]) for i in range(count)]
        return tuple(
            Host(x.data[end - size : end], (size,), x.dtype) for end, size in zip(ends, sizes)
        )
    return torch.split(as_tensor(x, device), sizes, dim=axis)


@operator("Slice")
def _slice(node: Node, inputs: Sequence[Value | None], device: torch.device) -> Value:
    x = inputs[0]
    assert x is not None
    if "starts" in node.attributes:
        starts, ends = list(node.attributes["starts"]), list(node.attributes["ends"])
        axes = list(node.get("axes", range(len(starts))))
        steps = [1] * len(starts)
    else:
        given = list(inputs[1:]) + [None] * (5 - len(inputs))
        starts, ends = (_sizes(one) for one in given[:2] if one is not None)
        axes = list(range(len(starts))) if given[2] is None else _sizes(given[2])
        steps = [1] * len(starts) if given[3] is None else _sizes(given[3])
    rank = len(x.shape)
    index = [slice(None)] * rank
    turned = []
    for start, end, axis, step in zip(starts, ends, axes, steps):
        place = _positive(axis, rank)
        if step < 0:
            turned.append((place, start, end, step))
        else:
            index[place] = slice(start, end, step)
    if isinstance(x, Host) and rank == 1 and not turned:
        data = x.data[index[0]]
        return Host(data, (len(data),), x.dtype)
    out = as_tensor(x, device)[tuple(index)]
    for place, start, end, step in turned:
        places = list(range(out.shape[place]))[_backwards(start, end, step, out.shape[place])]
        out = out.index_select(place, torch.tensor(places, dtype=_LONG, device=device))
    return out


def _backwards(start: Any, end: Any, step: int, size: Any) -> slice:
    """A slice with a negative step. An end below every index is no end in Python."""
    return slice(start, None if end < -size else end, step)


@operator("Gather")
def _gather(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x, index = inputs
    axis = _positive(node.get("axis", 0), len(x.shape))
    if isinstance(x, Host) and isinstance(index, Host) and len(x.shape) == 1:
        return Host(tuple(x.data[i] for i in index.data), index.shape, x.dtype)
    x = as_tensor(x, device)
    if isinstance(index, Host) and not index.shape:
        return x.select(axis, index.one())
    index = as_tensor(index, device)
    size = x.shape[axis]
    wrapped = torch.where(index < 0, index + size, index).to(_LONG)
    if axis == 0 and x.dim() == 2 and x.dtype.is_floating_point:
        return torch.nn.functional.embedding(wrapped, x)
    out = x.index_select(axis, wrapped.reshape(-1))
    return out.reshape([*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]])


@operator("GatherElements")
def _gather_elements(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x, index = (as_tensor(one, device) for one in inputs)
    axis = _positive(node.get("axis", 0), x.dim())
    return torch.gather(x, axis, torch.where(index < 0, index + x.shape[axis], index).to(_LONG))


@operator("GatherND")
def _gather_nd(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x, index = (as_tensor(one, device) for one in inputs)
    batch, depth = node.get("batch_dims", 0), index.shape[-1]
    leading = index.shape[:-1]
    places: list[torch.Tensor] = []
    for i in range(batch):
        sizes = [1] * len(leading)
        sizes[i] = leading[i]
        places.append(torch.arange(leading[i], device=device).reshape(sizes))
    places += [index[..., i].to(_LONG) for i in range(depth)]
    return x[tuple(places)]


@operator("ScatterND")
def _scatter_nd(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x, index, updates = (as_tensor(one, device) for one in inputs)
    places = tuple(index[..., i].to(_LONG) for i in range(index.shape[-1]))
    if node.get("reduction", "none") not in ("none", "add"):
        raise NotImplementedError(f"ScatterND with reduction {node.get('reduction')}")
    return x.index_put(places, updates, accumulate=node.get("reduction", "none") == "add")


@operator("ScatterElements")
def _scatter_elements(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x, index, updates = (as_tensor(one, device) for one in inputs)
    axis = _positive(node.get("axis", 0), x.dim())
    index = torch.where(index < 0, index + x.shape[axis], index).to(_LONG)
    reduction = node.get("reduction", "none")
    if reduction == "none":
        return x.scatter(axis, index, updates)
    if reduction == "add":
        return x.scatter_add(axis, index, updates)
    raise NotImplementedError(f"ScatterElements with reduction {reduction}")


@operator("Expand")
def _expand(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x, sizes = as_tensor(inputs[0], device), _sizes(inputs[1])
    rank = max(x.dim(), len(sizes))
    sizes = [1] * (rank - len(sizes)) + sizes
    own = [1] * (rank - x.dim()) + list(x.shape)
    # A size of 1 keeps the axis's own.
    return x.reshape(own).expand(
        [mine if isinstance(size, int) and size == 1 else size for mine, size in zip(own, sizes)]
    )


@operator("Tile")
def _tile(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    return as_tensor(inputs[0], device).repeat(_sizes(inputs[1]))


@operator("ConstantOfShape")
def _constant_of_shape(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    # The number was read when the model was, since a compiler would not know it here.
    value, dtype = node.get("value", (0.0, torch.float32))
    sizes = _sizes(inputs[0])
    # Lists of sizes start as constants of one axis.
    is_list = len(sizes) == 1 and isinstance(sizes[0], int) and sizes[0] <= MOST
    if is_list and not dtype.is_floating_point and isinstance(inputs[0], Host):
        return Host((value,) * sizes[0], (sizes[0],), dtype)
    return torch.full(sizes, value, dtype=dtype, device=device)


@operator("Range")
def _range(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    start, limit, delta = (as_host(one).one() for one in inputs)
    return torch.arange(start, limit, delta, dtype=inputs[0].dtype, device=device)


@operator("Trilu")
def _trilu(node: Node, inputs: Sequence[Value | None], device: torch.device) -> Value:
    assert inputs[0] is not None
    x = as_tensor(inputs[0], device)
    k = as_host(inputs[1]).one() if len(inputs) > 1 and inputs[1] is not None else 0
    return torch.triu(x, k) if node.get("upper", 1) else torch.tril(x, k)


@operator("Pad")
def _pad(node: Node, inputs: Sequence[Value | None], device: torch.device) -> Value:
    assert inputs[0] is not None
    x = as_tensor(inputs[0], device)
    given = list(inputs[1:]) + [None] * (4 - len(inputs))
    pads = list(node.attributes["pads"]) if given[0] is None else _sizes(given[0])
    value = node.get("value", 0.0) if given[1] is None else as_tensor(given[1], device).item()
    axes = list(range(x.dim())) if given[2] is None else _sizes(given[2])
    if node.get("mode", "constant") != "constant":
        raise NotImplementedError(f"Pad with mode {node.get('mode')}")
    both = {_positive(axis, x.dim()): (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    flat = [one for axis in reversed(range(x.dim())) for one in both.get(axis, (0, 0))]
    return torch.nn.functional.pad(x, flat, value=value)


@operator("NonZero")
def _non_zero(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    return torch.nonzero(as_tensor(inputs[0], device)).transpose(0, 1)


@operator("OneHot")
def _one_hot(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    index = as_tensor(inputs[0], device).to(_LONG)
    depth = int(as_host(inputs[1]).one())
    off, on = as_tensor(inputs[2], device)
    axis = _positive(node.get("axis", -1), index.dim() + 1)
    wrapped = torch.where(index < 0, index + depth, index).unsqueeze(axis)
    sizes = [1] * (index.dim() + 1)
    sizes[axis] = depth
    hot = wrapped == torch.arange(depth, device=device).reshape(sizes)
    return torch.where(hot, on, off)
