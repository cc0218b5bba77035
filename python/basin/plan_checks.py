"""What a plan of a whole model must obey, whoever runs it: the rules of docs/compile.md.

`libbasin_rt` checks the same when it reads an object. Sizes that depend on the inputs are checked
when a plan runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from basin.errors import PlanError

__all__ = ["check_names", "check_plan", "find_symbol"]

_FLOATS = ("f32", "f16", "bf16")
_MAX_F32 = 3.4028234663852886e38
_MAX_AXES, _MAX_BATCH = 8, 4


def check_plan(plan: Mapping[str, Any], kernels: Sequence[Mapping[str, Any]]) -> None:
    """Raise a ValueError that says what is wrong. What is missing raises KeyError or TypeError."""
    _PlanChecker(plan, kernels).check()


def _symbols(size: Any) -> Iterator[str]:
    """The symbols of a size, which must be an integer or a sum of products."""
    if isinstance(size, int) and not isinstance(size, bool):
        return
    for factor, *names in size["sum"]:
        if not isinstance(factor, int) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"expected a size, but got {size!r}")
        yield from names


def find_symbol(size: Any) -> str | None:
    """The name of a size that is one symbol."""
    if isinstance(size, int) or len(size["sum"]) != 1 or len(size["sum"][0]) != 2:
        return None
    factor, name = size["sum"][0]
    return str(name) if factor == 1 else None


def check_names(expected: tuple[str, ...], inputs: Mapping[str, Any]) -> None:
    """Refuse inputs of other names."""
    if set(inputs) != set(expected):
        given = ", ".join(sorted(inputs)) or "none"
        raise PlanError(f"expected the inputs {', '.join(expected)}, but got {given}")


class _PlanChecker:
    def __init__(self, plan: Mapping[str, Any], kernels: Sequence[Mapping[str, Any]]) -> None:
        self.plan = plan
        self.kernels = {kernel["name"]: kernel for kernel in kernels}
        self.buffers: dict[str, Mapping[str, Any]] = {}
        self.symbols: set[str] = set()
        self.written: set[str] = set()

    def check(self) -> None:
        for buffer in self.plan["buffers"]:
            if buffer["name"] in self.buffers:
                raise ValueError(f"buffer {buffer['name']!r} is defined twice")
            if len(buffer["shape"]) > _MAX_AXES:
                raise ValueError(f"buffer {buffer['name']!r} has more than {_MAX_AXES} axes")
            self.buffers[buffer["name"]] = buffer
            self._note(*buffer["shape"])
        for i, step in enumerate(self.plan["steps"]):
            try:
                self._check_step(step)
            except ValueError as error:
                raise ValueError(f"step {i}: {error}") from error
        self._check_ends()
        for check in self.plan.get("checks", ()):
            self._note(check["size"], check["at_most"])
        defined = {
            find_symbol(size)
            for name in self.plan["inputs"]
            for size in self.buffers[name]["shape"]
        }
        for symbol in sorted(self.symbols - defined):
            raise ValueError(f"no input has an axis of the size '{symbol}'")

    def _note(self, *sizes: Any) -> None:
        for size in sizes:
            self.symbols.update(_symbols(size))

    def _check_ends(self) -> None:
        """The inputs and outputs of the plan."""
        inputs = [name for name, one in self.buffers.items() if one["kind"] == "input"]
        if sorted(self.plan["inputs"]) != sorted(inputs):
            raise ValueError(f"expected the inputs {', '.join(inputs)}, once each")
        buffers = [output["buffer"] for output in self.plan["outputs"]]
        names = {output["name"] for output in self.plan["outputs"]}
        if len(names) != len(buffers) or len(set(buffers)) != len(buffers):
            raise ValueError("expected outputs of distinct names and buffers")
        for buffer in buffers:
            if buffer not in self.written:
                raise ValueError(f"output {buffer!r} is no temporary that a step writes")

    def _check_step(self, step: Mapping[str, Any]) -> None:
        if "product" in step:
            self._check_product(step["product"])
            return
        kernel = self.kernels.get(step["kernel"])
        if kernel is None:
            raise ValueError(f"the object has no kernel '{step['kernel']}'")
        tensors, scalars = step["tensors"], step["scalars"]
        kinds = {one["name"]: one["kind"] for one in kernel["arguments"]}
        types = {one["name"]: one["type"] for one in kernel["arguments"]}
        wanted = {name for name, kind in kinds.items() if kind != "scalar"}
        if set(tensors) != wanted or set(scalars) != set(kinds) - wanted:
            raise ValueError(f"expected the arguments of kernel '{kernel['name']}', once each")
        for name, size in scalars.items():
            if types[name] == "f32":
                raise ValueError(f"'{name}': expected an argument of type i32 or i64")
            self._note(size)
        for name, operand in tensors.items():
            type_ = self._find(operand)["type"]
            if types[name] != {"bool": "i8"}.get(type_, type_):
                raise ValueError(f"'{name}': expected a buffer of {types[name]}, but got {type_}")
        self._check_uses(kinds, tensors)

    def _check_uses(self, kinds: Mapping[str, str], tensors: Mapping[str, Any]) -> None:
        """Reads come before writes, and what is written is no other argument."""
        for name, operand in tensors.items():
            if kinds[name] != "out":
                self._read(operand["buffer"])
        given = [operand["buffer"] for operand in tensors.values()]
        for name, operand in tensors.items():
            if kinds[name] in ("out", "inout"):
                if given.count(operand["buffer"]) > 1:
                    raise ValueError(f"'{name}' is written, but has the buffer of another argument")
                self._write(operand["buffer"])

    def _check_product(self, product: Mapping[str, Any]) -> None:
        batch = product["batch"]
        self._note(*batch, *(product[name] for name in "mnk"))
        types = {}
        for name in "abc":
            matrix = product[name]
            types[name] = self._find(matrix)["type"]
            strides = matrix["batch_strides"]
            self._note(matrix["row_stride"], matrix["column_stride"], *strides)
            if len(batch) > _MAX_BATCH or len(strides) != len(batch):
                raise ValueError(f"'{name}': expected a stride for each of up to {_MAX_BATCH} axes")
        if types["a"] not in _FLOATS or types["b"] != types["a"]:
            raise ValueError("expected factors of f32, f16 or bf16 alike")
        if types["c"] not in (types["a"], "f32"):
            raise ValueError("'c': expected a buffer of f32 or of the type of the factors")
        if "bias" in product and self._find(product["bias"])["type"] != types["c"]:
            raise ValueError("'bias': expected a buffer of the type of 'c'")
        if not abs(product["alpha"]) <= _MAX_F32:
            raise ValueError("'alpha': expected a number that fits f32")
        for name in ("a", "b", "bias"):
            if name in product:
                self._read(product[name]["buffer"])
        self._write(product["c"]["buffer"])

    def _find(self, operand: Mapping[str, Any]) -> Mapping[str, Any]:
        self._note(operand.get("offset", 0))
        if operand["buffer"] not in self.buffers:
            raise ValueError(f"the plan has no buffer {operand['buffer']!r}")
        return self.buffers[operand["buffer"]]

    def _read(self, name: str) -> None:
        if self.buffers[name]["kind"] == "temporary" and name not in self.written:
            raise ValueError(f"{name!r} is read, but no earlier step writes it")

    def _write(self, name: str) -> None:
        if self.buffers[name]["kind"] != "temporary":
            raise ValueError(f"{name!r} is written, but is no temporary")
        self.written.add(name)
