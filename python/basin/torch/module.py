"""A model as a torch module whose parameters are the initializers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch

from basin._basin import BasinError
from basin.model import load as load_model
from basin.torch.graph import (
    Call,
    Graph,
    constant_of,
    list_missing,
    read_graph,
    run_graph,
    to_torch,
)
from basin.torch.host import Host, Value
from basin.torch.operators import MissingKernel, find_operators, with_operators
from basin.torch.roles import FIXED, LEARNABLE, roles_of

__all__ = ["Module", "load"]

# What makes operators out of others: functions of the model itself, and those that Basin writes for
# what it has recognized.
_INLINE = "onnx-inline-functions"
_DECOMPOSE = f"{_INLINE},basin-raise,convert-sink-to-onnx{{form=nodes}}"


class Module(torch.nn.Module):
    """A model that runs in torch, operator by operator.

    Initializers of floats are parameters under their own names, where a dot leads to a child
    module. Those that `roles` calls a weight or learnable have gradients, others, such as tables of
    angles, have none. Integers and flags are buffers. `names` has each tensor's name in the file.
    """

    # Whether norms and attention are computed by the kernels of basin.ops where torch records no
    # gradients. None: on CUDA, as far as an object given to `basin.ops.use` has the kernels. True:
    # everywhere; on the CPU basin.ops computes its formulas. False: never.
    use_kernels: bool | None = None

    def __init__(
        self,
        model: onnx.ModelProto,
        roles: Mapping[str, str],
        source: Path,
        operators: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__()
        self.source = source
        self.names: dict[str, str] = {}
        self.roles: dict[str, str] = {}
        self._places: list[tuple[str, torch.nn.Module, str]] = []
        self._hosts: dict[str, Value] = {}
        for tensor in model.graph.initializer:
            self._add(tensor, roles)
        given = {one.name for one in model.graph.initializer}
        self.inputs = [one.name for one in model.graph.input if one.name not in given]
        self.outputs = [one.name for one in model.graph.output]
        versions = {one.domain: one.version for one in model.opset_import}
        self._graph = read_graph(model.graph, versions)
        self._operators = list(operators)
        self._with_operators: Graph | None = None
        self.register_buffer("_anchor", torch.zeros(()), persistent=False)

    def _add(self, tensor: onnx.TensorProto, roles: Mapping[str, str]) -> None:
        """Register an initializer."""
        value = to_torch(tensor)
        if not value.dtype.is_floating_point:
            host = constant_of(tensor)
            if isinstance(host, Host):
                self._hosts[tensor.name] = host
                return
        parent, leaf, path = self._find_place(tensor.name)
        self.names[path] = tensor.name
        if value.dtype.is_floating_point:
            role = roles.get(tensor.name, "constant")
            self.roles[path] = role
            parent.register_parameter(leaf, torch.nn.Parameter(value, role not in FIXED))
        else:
            parent.register_buffer(leaf, value)
        self._places.append((tensor.name, parent, leaf))

    def _find_place(self, name: str) -> tuple[torch.nn.Module, str, str]:
        """The module and the attribute for a tensor, and both as torch writes them.

        A name that cannot be an attribute, as it is one already, gets underscores.
        """
        *parts, leaf = [part or "_" for part in name.split(".")]
        parent: torch.nn.Module = self
        path = []
        for part in parts:
            while hasattr(parent, part) and not isinstance(parent._modules.get(part), _Scope):
                part += "_"
            if part not in parent._modules:
                parent.add_module(part, _Scope())
            child = parent._modules[part]
            assert child is not None
            parent = child
            path.append(part)
        while hasattr(parent, leaf):
            leaf += "_"
        return parent, leaf, ".".join([*path, leaf])

    def remove(self, name: str) -> None:
        """Forget the tensor that the file calls `name`, which nothing may read any more."""
        for place in self._places:
            if place[0] == name:
                delattr(place[1], place[2])
        self._places = [place for place in self._places if place[0] != name]
        for path in [path for path, own in self.names.items() if own == name]:
            del self.names[path]
            self.roles.pop(path, None)

    def learnable_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """The parameters that Basin's steps insert: gates, sinks, pre-affine vectors."""
        for name, parameter in self.named_parameters():
            if self.roles[name] in LEARNABLE:
                yield name, parameter

    def forward(self, *args: torch.Tensor, **given: torch.Tensor) -> dict[str, torch.Tensor]:
        """The outputs by name. Inputs are in the model's order, or by name."""
        values: dict[str, Value] = dict(zip(self.inputs, args))
        values.update(given)
        missing = [name for name in self.inputs if name not in values]
        unknown = [name for name in given if name not in self.inputs]
        if missing or unknown or len(args) > len(self.inputs):
            raise TypeError(
                f"expected the inputs {', '.join(self.inputs)}, but got {len(args)} by place"
                f"{''.join(', ' + name for name in given)}"
            )
        values.update(self._hosts)
        for name, parent, leaf in self._places:
            values[name] = getattr(parent, leaf)
        assert isinstance(self._anchor, torch.Tensor)
        results = self._run(values, self._anchor.device)
        out: dict[str, torch.Tensor] = {}
        for name, result in zip(self.outputs, results):
            assert isinstance(result, torch.Tensor)
            out[name] = result
        return out

    def _run(self, values: dict[str, Value], device: torch.device) -> list[Value]:
        """Run the graph, or that with operators in place of nodes if it may be used."""
        wanted = device.type == "cuda" if self.use_kernels is None else self.use_kernels
        if not wanted or torch.is_grad_enabled() or torch.is_autocast_enabled(device.type):
            return run_graph(self._graph, values, device, self._explain)
        while True:
            if self._with_operators is None:
                self._with_operators = with_operators(self._graph, self._operators)
            try:
                return run_graph(self._with_operators, dict(values), device, self._explain)
            except _Missing as missing:
                # The nodes compute what no kernel does.
                self._operators = [
                    one for one in self._operators if one["result"] != missing.result
                ]
                self._with_operators = None

    def _explain(self, call: Call, error: Exception) -> Exception:
        node = call.node
        if isinstance(error, MissingKernel):
            return _Missing(node.name)
        return RuntimeError(f"{self.source}: node '{node.name}' ({node.op}): {error}")


class _Missing(Exception):
    """No kernel computes `result`."""

    def __init__(self, result: str) -> None:
        super().__init__(result)
        self.result = result


class _Scope(torch.nn.Module):
    """Holds the tensors whose names begin alike."""


def load(source: str | os.PathLike[str]) -> Module:
    """Read a model as a torch module.

    Operators without a function are decomposed where Basin recognizes what they compute. Raises
    BasinError if there are others, and names them.
    """
    path = Path(source)
    if not path.is_file():
        raise BasinError(f"{path}: No such file or directory")
    inspected = load_model(path).inspect()
    roles = roles_of(inspected)
    operators = find_operators(inspected)
    model = _read(path)
    if model.functions or list_missing(model.graph):
        # The names of values are no longer those that were inspected.
        operators = []
        model = _decompose(path)
        _check_weights(model, roles, path)
    missing = list_missing(model.graph)
    if missing or model.functions:
        names = missing or [f"{one.domain}.{one.name}" for one in model.functions]
        raise BasinError(f"{path}: basin.torch has no function for {', '.join(names)}")
    try:
        return Module(model, roles, path, operators)
    except NotImplementedError as error:
        raise BasinError(f"{path}: {error}") from None


def _read(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BasinError(f"{path}: {reason}") from None
    if model.graph.sparse_initializer:
        raise BasinError(f"{path}: basin.torch does not take sparse initializers")
    return model


def _check_weights(model: onnx.ModelProto, roles: Mapping[str, str], path: Path) -> None:
    """Refuse a model that reads something else in place of a weight, which would not be trained."""
    names = {one.name for one in model.graph.initializer}
    for name, role in roles.items():
        if role not in FIXED and name not in names:
            raise BasinError(f"{path}: weight '{name}' is lost when its operators are written out")


def _decompose(path: Path) -> onnx.ModelProto:
    """The model of standard operators that computes the same."""
    with tempfile.TemporaryDirectory(prefix="basin-") as folder:
        made = Path(folder) / "decomposed.onnx"
        model = load_model(path)
        model.run(_INLINE)
        model.save(made)
        if list_missing(onnx.load(made, load_external_data=False).graph):
            model = load_model(path)
            model.run(_DECOMPOSE)
            model.save(made)
        return _read(made)
