"""Launches of kernels: drawn tensors, their places in memory, and the checks of their results."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import kernel_references as references
import torch
from kernel_specs import Spec, choice, coin
from numpy.random import Generator, default_rng

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
GUARD = 64  # elements around each tensor that a kernel writes


@dataclass
class Case:
    """The tensors for the reference, the launch's arguments, and memory that must stay."""

    spec: Spec
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    scalars: dict[str, int] = field(default_factory=dict)
    guards: list[tuple[str, torch.Tensor, torch.Tensor]] = field(default_factory=list)

    def expect_guards(self) -> None:
        """Check that nothing but the elements of results was written."""
        for name, storage, ours in self.guards:
            assert storage[~ours].isnan().all(), f"{self.spec}: written beside '{name}'"


class Maker:
    """Draws the tensors of a case on a device."""

    def __init__(self, spec: Spec, device: str, seed: int) -> None:
        self.case, self.parts, self.device = Case(spec), spec.parts, device
        self.generator = torch.Generator().manual_seed(seed)

    def draw(
        self, shape: tuple[int, ...], dtype: torch.dtype, scale: float = 1, mean: float = 0
    ) -> torch.Tensor:
        drawn = torch.randn(shape, generator=self.generator, dtype=torch.float64) * scale + mean
        return drawn.to(dtype).to(self.device)

    def storage(self, count: int, dtype: torch.dtype) -> torch.Tensor:
        """Memory filled with NaN, with a guard on both sides."""
        return torch.full((count + 2 * GUARD,), torch.nan, dtype=dtype, device=self.device)

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Add a contiguous input. One without elements still has an address."""
        self.case.tensors[name] = tensor
        spare = tensor.new_zeros(8)
        self.case.arguments[name] = tensor.contiguous() if tensor.numel() else spare

    def add_output(
        self, name: str, shape: tuple[int, ...], dtype: torch.dtype, place: Any = None
    ) -> None:
        """Add an output. `place` makes the view of that shape from consecutive elements."""
        count = torch.Size(shape).numel() if place is None else place.count
        storage = self.storage(count, dtype)
        inside = storage[GUARD : GUARD + count]
        ours = torch.zeros_like(storage, dtype=torch.bool)
        mine = ours[GUARD : GUARD + count]
        self.case.tensors[name] = inside.view(shape) if place is None else place.view(inside)
        (mine.view(shape) if place is None else place.view(mine)).fill_(True)
        self.case.arguments[name] = inside if count else storage[:8]
        self.case.guards.append((name, storage, ours))

    def scalar(self, **values: int) -> None:
        self.case.scalars.update(values)
        self.case.arguments.update(values)


def norm_case(spec: Spec, rows: int, device: str, seed: int = 1) -> Case:
    """Rows with a residual sink, a dimension that is large. In the first row epsilon matters."""
    make, parts = Maker(spec, device, seed), spec.parts
    dim, dtype = parts["dim"], DTYPES[parts["type"]]
    parameters = DTYPES[parts.get("parameters", parts["type"])]
    x = make.draw((rows, dim), dtype)
    x[:, dim // 2] = 60
    x[:1] *= 2**-10
    make.add("x", x)
    if "residual" in parts:
        residual = make.draw((rows, dim), dtype)
        residual[:1] *= 2**-10
        make.add("residual", residual)
    for name in ("residual_bias", "pre_affine", "weight", "bias"):
        if name in parts:
            mean, scale = (1, 0.3) if name == "weight" else (0, 1)
            make.add(name, make.draw((dim,), parameters, scale, mean))
    if "gate" in parts:
        make.add("gate_down", make.draw((parts["gate"], dim), dtype, dim**-0.5))
        shape = (1 if "tensorwise" in parts else dim, parts["gate"])
        make.add("gate_up", make.draw(shape, dtype, 0.5))
    make.add_output("y", (rows, dim), DTYPES[parts.get("result", parts["type"])])
    if "sum" in parts:
        make.add_output("sum", (rows, dim), dtype)
    make.scalar(rows=rows)
    return make.case


def dyt_case(spec: Spec, rows: int, device: str, seed: int = 1) -> Case:
    make, parts = Maker(spec, device, seed), spec.parts
    dim, dtype = parts["dim"], DTYPES[parts["type"]]
    parameters = DTYPES[parts.get("parameters", parts["type"])]
    x = make.draw((rows, dim), dtype, 3)
    x[0, 0] = 3e4  # must saturate
    make.add("x", x)
    make.add("alpha", torch.full((1,), 0.5, dtype=parameters, device=device))
    make.add("gamma", make.draw((dim,), parameters))
    if "bias" in parts:
        make.add("beta", make.draw((dim,), parameters))
    make.add_output("y", (rows, dim), DTYPES[parts.get("result", parts["type"])])
    make.scalar(rows=rows)
    return make.case


@dataclass(frozen=True)
class Layout:
    """A layout of [batch, heads, rows, columns]: heads or rows come first, rows are padded."""

    shape: tuple[int, int, int, int]
    rows_first: bool = False
    padding: int = 0

    @property
    def strides(self) -> tuple[int, int, int, int]:
        _, heads, rows, columns = self.shape
        width = columns + self.padding
        between = (width, heads * width) if self.rows_first else (rows * width, width)
        return (heads * rows * width, *between, 1)

    @property
    def count(self) -> int:
        return self.shape[0] * self.strides[0]

    def view(self, storage: torch.Tensor) -> torch.Tensor:
        return storage.as_strided(self.shape, self.strides, storage.storage_offset())


@dataclass(frozen=True)
class Sizes:
    """The sizes of one attention."""

    queries: int
    keys: int
    heads: int = 3
    kv_heads: int = 1
    batch: int = 1
    sink_rows: int = 4
    window: int = 20
    rows_first: bool = False
    padding: int = 0
    spread: float = 1  # the standard deviation of the elements of query and key


def attention_case(spec: Spec, sizes: Sizes, device: str, seed: int = 1) -> Case:
    """A case where every fifth row of a mask sees nothing and keys beyond the lengths are NaN."""
    make, parts = Maker(spec, device, seed), spec.parts
    dim, dtype = parts["head_dim"], DTYPES[parts["type"]]
    value_dim = parts.get("value_dim", dim)
    s = sizes

    def add_strides(name: str, strides: tuple[int, ...]) -> None:
        for axis, stride in zip(("batch", "head", "row"), strides):
            make.scalar(**{f"{name}_{axis}_stride": stride})

    def add(name: str, heads: int, rows: int, columns: int, scale: float) -> None:
        layout = Layout((s.batch, heads, rows, columns), s.rows_first, s.padding)
        storage = torch.full((layout.count or 8,), torch.nan, dtype=dtype, device=device)
        layout.view(storage).copy_(make.draw(layout.shape, dtype, scale))
        make.case.tensors[name] = layout.view(storage)
        make.case.arguments[name] = storage
        add_strides(name, layout.strides)

    add("query", s.heads, s.queries, dim, s.spread)
    add("key", s.kv_heads, s.keys, dim, s.spread)
    add("value", s.kv_heads, s.keys, value_dim, 1)
    if "mask" in parts:
        _add_mask(make, s, parts)
        add_strides("mask", make.case.tensors["mask"].expand(s.batch, s.heads, -1, -1).stride())
    if "key_lengths" in parts:
        lengths = torch.tensor(
            [(s.keys, 0, s.keys // 2, s.keys + 9, -1)[i % 5] for i in range(s.batch)]
        )
        make.add("key_lengths", lengths.to(torch.int32).to(device))
        for i, length in enumerate(lengths.clamp(min=0).tolist()):
            for name in ("key", "value"):
                make.case.tensors[name][i, :, length:] = torch.nan
    if "sink_logit" in parts:
        logits = torch.tensor([(0.7, 20, -20)[i % 3] for i in range(s.heads)])
        make.add("sink_logit", logits.to(DTYPES[parts.get("sink_type", "f32")]).to(device))
    if "sink_kv" in parts:
        make.add("sink_key", make.draw((s.kv_heads, s.sink_rows, dim), dtype, s.spread))
        make.add("sink_value", make.draw((s.kv_heads, s.sink_rows, value_dim), dtype))
        make.scalar(sink_rows=s.sink_rows)
    if "gate" in parts:
        add("gate", s.heads, s.queries, 1 if "gate_per_head" in parts else value_dim, 2)
    layout = Layout((s.batch, s.heads, s.queries, value_dim), s.rows_first, s.padding)
    make.add_output("result", layout.shape, dtype, layout)
    add_strides("result", layout.strides)
    if "log_sum_exp" in parts:
        make.add_output("log_sum_exp", (s.batch, s.heads, s.queries), torch.float32)
    if "window" in parts:
        make.scalar(window=s.window)
    make.scalar(heads=s.heads, kv_heads=s.kv_heads, batch=s.batch, queries=s.queries, keys=s.keys)
    return make.case


def _add_mask(make: Maker, s: Sizes, parts: Mapping[str, Any]) -> None:
    """Add a mask: one for all heads, and also for all batches if rows come first."""
    shape = (1 if s.rows_first else s.batch, 1, s.queries, s.keys)
    hidden = torch.rand(shape, generator=make.generator) < 0.3
    hidden[:, :, 4::5] = True
    hidden = hidden.to(make.device)
    if parts["mask"] == "keep":
        make.add("mask", (~hidden).to(torch.int8))
    else:
        bias = make.draw(
            shape, DTYPES[parts["mask_type"] if "mask_type" in parts else parts["type"]]
        )
        make.add("mask", torch.where(hidden, -torch.inf, bias))


def softmax_case(spec: Spec, sizes: Sizes, device: str, seed: int = 1) -> Case:
    """Scores in rows with NaN between them. `sink_rows` are the columns of the prefix."""
    make, parts, s = Maker(spec, device, seed), spec.parts, sizes
    prefix = min(s.sink_rows, s.keys) if "prefix" in parts else 0
    dtype = DTYPES[parts["type"]]
    result = DTYPES[parts.get("result", parts["type"])]
    layout = Layout((s.batch, s.heads, s.queries, s.keys), padding=s.padding)
    before = make.draw(layout.shape, dtype, s.spread / parts.get("scale", 1))
    make.add_output("scores", layout.shape, dtype, layout)
    make.case.tensors["scores"].copy_(before)
    make.case.tensors["before"] = before
    if result == dtype and "separate" not in parts:
        make.case.tensors["probabilities"] = make.case.tensors["scores"]
    else:
        make.add_output("probabilities", layout.shape, result, layout)
    if "mask" in parts:
        _add_mask(make, replace(s, keys=s.keys - prefix), parts)
        mask = make.case.tensors["mask"].expand(s.batch, s.heads, -1, -1)
        for axis, stride in zip(("batch", "head", "row"), mask.stride()):
            make.scalar(**{f"mask_{axis}_stride": stride})
    if "key_lengths" in parts:
        lengths = [(s.keys, 0, s.keys // 2, s.keys + 9, -1)[i % 5] for i in range(s.batch)]
        make.add("key_lengths", torch.tensor(lengths, dtype=torch.int32, device=device))
    if "sink_logit" in parts:
        logits = torch.tensor([(0.7, 20, -20)[i % 3] for i in range(s.heads)])
        make.add("sink_logit", logits.to(DTYPES[parts.get("sink_type", "f32")]).to(device))
    if "log_sum_exp" in parts:
        make.add_output("log_sum_exp", (s.batch, s.heads, s.queries), torch.float32)
    if "prefix" in parts:
        make.scalar(prefix=prefix)
    if "window" in parts:
        make.scalar(window=s.window)
    make.scalar(row_stride=s.keys + s.padding, heads=s.heads, batch=s.batch)
    make.scalar(queries=s.queries, keys=s.keys)
    return make.case


# ------------------------------------------------------------------------------------------------
# Running
# ------------------------------------------------------------------------------------------------


def expect_close(case: Case, name: str, want: torch.Tensor, bound: Any) -> None:
    """Check that NaN and infinities are where they are expected, and the rest within the bound."""
    got = case.tensors[name].double()
    same = (got == want) | (got.isnan() & want.isnan())
    near = (got - want).abs() <= torch.as_tensor(bound, dtype=torch.float64, device=want.device)
    wrong = ~(same | (near & want.isfinite()))
    if wrong.any():
        place = tuple(wrong.nonzero()[0].tolist())
        allowed = torch.as_tensor(bound, device=want.device).expand(want.shape)[place]
        raise AssertionError(
            f"{case.spec}, {case.scalars}: {name}{list(place)} is {got[place]}, expected "
            f"{want[place]} +- {allowed}; {int(wrong.sum())} of {wrong.numel()} are wrong"
        )


def check_norm(case: Case) -> None:
    expect_close(case, "y", *references.norm(case.spec.parts, case.tensors))
    if "sum" in case.tensors:
        expect_close(case, "sum", references.norm_sum(case.tensors).double(), 0)
    case.expect_guards()


def check_dyt(case: Case) -> None:
    expect_close(case, "y", *references.dynamic_tanh(case.tensors))
    case.expect_guards()


def check_attention(case: Case) -> None:
    window = case.scalars.get("window", 0)
    result, bound, log = references.attention(case.spec.parts, case.tensors, window)
    expect_close(case, "result", result, bound)
    if "log_sum_exp" in case.tensors:
        limit = references.LOG_ABSOLUTE + references.LOG_RELATIVE * log.abs()
        expect_close(case, "log_sum_exp", log, limit.nan_to_num(0, 0, 0))
    case.expect_guards()


def check_softmax(case: Case) -> None:
    scalars = case.scalars
    result, bound, log, log_bound = references.softmax(
        case.spec.parts, case.tensors, scalars.get("prefix", 0), scalars.get("window", 0)
    )
    expect_close(case, "probabilities", result, bound)
    if "log_sum_exp" in case.tensors:
        expect_close(case, "log_sum_exp", log, log_bound)
    case.expect_guards()


CHECKS: dict[str, Callable[[Case], None]] = {
    "norm": check_norm, "dyt": check_dyt, "attention": check_attention,
    "softmax": check_softmax,
}  # fmt: skip


def run(case: Case, backend: Any) -> Case:
    """Launch the kernel. Returns the case, whose tensors have the results."""
    backend.kernel(case.spec).launch(case.arguments)
    backend.wait()
    return case


def check(case: Case, backend: Any) -> Case:
    CHECKS[case.spec.family](run(case, backend))
    return case


# Sizes at the edges of a matrix instruction's 16 rows, of a warp's rows, and of tiles.
EDGES = (1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 130)
GROUPS = ((1, 1), (3, 1), (6, 2), (5, 5), (7, 1), (4, 2), (10, 2))


def draw_case(spec: Spec, number: int, device: str, large: bool) -> Case:
    """The case of that number of a kernel, the same each time."""
    seed = zlib.crc32(spec.text.encode()) + number
    rng = default_rng(seed)
    if spec.family == "softmax":
        return _draw_softmax_case(spec, rng, device, seed, large)
    if spec.family != "attention":
        rows = int(
            choice(rng, 1, 2, 3, 4, 5, 15, 16, 17) if not large or coin(rng) else rng.integers(2000)
        )
        rows = min(rows, 1 + (1 << 23 if large else 1 << 14) // spec.parts["dim"])
        return (norm_case if spec.family == "norm" else dyt_case)(spec, rows, device, seed)
    heads, kv_heads = choice(rng, *GROUPS) if large else choice(rng, *GROUPS[:4])
    more = (257, 512, 700) if large else ()
    lengths = (*EDGES, *more, *rng.integers(1, 140, size=8).tolist())
    sizes = Sizes(
        queries=int(choice(rng, *lengths)), keys=int(choice(rng, *lengths)), heads=heads,
        kv_heads=kv_heads, batch=int(choice(rng, 1, 2, 5) if large else choice(rng, 1, 2)),
        sink_rows=int(choice(rng, 0, 1, 4, 37)), window=int(choice(rng, 1, 20, 64, 1000)),
        rows_first=coin(rng), padding=int(choice(rng, 0, 8)),
    )  # fmt: skip
    return attention_case(spec, sizes, device, seed)


def _draw_softmax_case(spec: Spec, rng: Generator, device: str, seed: int, large: bool) -> Case:
    """Keys up to the bound of the spec. Rows are as far apart as the option aligned asks."""
    bound = spec.parts.get("max_keys", 5000 if large else 1500)
    keys = min(int(choice(rng, 1, 7, 8, 33, 256, 300, 1025, *rng.integers(1, 700, 4))), bound)
    if large and coin(rng):
        keys = bound
    padding = -keys % 8 if "aligned" in spec.parts else int(choice(rng, 0, 3))
    sizes = Sizes(
        queries=int(choice(rng, 1, 2, 5, keys % 40 + 2)), keys=keys,
        heads=int(choice(rng, 1, 3, 4, 5)), batch=int(choice(rng, 1, 2, 3)),
        sink_rows=int(choice(rng, 0, 1, 4, 37)), window=int(choice(rng, 1, 20, 64, 1000)),
        padding=padding, spread=3,
    )  # fmt: skip
    return softmax_case(spec, sizes, device, seed)
