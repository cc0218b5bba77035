"""The cases in order of value, with the least bytes and operations that each of them needs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar

OWN = "basin"  # the contender that is ours
# Our kernel without one part, to find the part's price. Both must be contenders of one case,
# because only these run at the same clock.
NO_GATE, NO_SINK = "basin, no gate", "basin, no sink"
OURS = (OWN, NO_GATE, NO_SINK)
ELEMENT = 2  # bytes of bf16, the type of all cases
RANK = 16
WINDOW = 1024
SINK_ROWS = 4
TOKENS = 16384  # of all batches together, so that lengths cost the same but for the scores
HIDDEN = 2048  # heads * head_dim

DIMS = (1024, 2048, 4096, 8192, 16384)
ROWS = tuple(4**i for i in range(9))
HEAD_DIMS = (128, 64, 256)
LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)
MAIN_DIM, MAIN_ROWS, MAIN_LENGTH = 4096, 16384, 8192

# What basin-compile calls the parts of each kind of norm.
NORM_PARTS = {
    "rms": ("weight",),
    "add_rms": ("residual", "sum", "weight"),
    "add_pre_affine_rms": ("residual", "sum", "pre_affine", "weight"),
    "gated": ("weight", f"gate={RANK}"),
    "add_gated": ("residual", "sum", "weight", f"gate={RANK}"),
    "layer": ("layer", "weight", "bias"),
    "dyt": ("bias",),
}


@dataclass(frozen=True)
class Kernel:
    """What basin-compile makes from `--family parts`."""

    family: str
    parts: str

    @property
    def file(self) -> str:
        """Name of its object."""
        return re.sub(r"[^a-z0-9]+", "_", f"{self.family}_{self.parts}") + ".bko"


@dataclass(frozen=True)
class CopyCase:
    """Device memory to device memory: the bandwidth that all else is compared with."""

    size: int
    compiled: bool = False
    kernel: ClassVar[None] = None
    base: ClassVar[None] = None
    flops: ClassVar[int] = 0

    @property
    def key(self) -> str:
        return f"copy/{self.size}"

    @property
    def bytes(self) -> int:
        """Read and written."""
        return 2 * self.size


@dataclass(frozen=True)
class MatmulCase:
    """Square bf16 matrices: the matrix rate that all else is compared with."""

    size: int
    compiled: bool = False
    kernel: ClassVar[None] = None
    base: ClassVar[None] = None

    @property
    def key(self) -> str:
        return f"matmul/{self.size}"

    @property
    def bytes(self) -> int:
        return 3 * self.size**2 * ELEMENT

    @property
    def flops(self) -> int:
        return 2 * self.size**3


@dataclass(frozen=True)
class NormCase:
    """A row norm of `kind` (NORM_PARTS); `compiled`: with torch.compile among its peers."""

    kind: str
    dim: int
    rows: int
    compiled: bool = False

    @property
    def key(self) -> str:
        return f"norm/{self.kind}/d{self.dim}/r{self.rows}"

    @property
    def parts(self) -> tuple[str, ...]:
        return NORM_PARTS[self.kind]

    @property
    def gated(self) -> bool:
        return self.kind.endswith("gated")

    @property
    def base(self) -> NormCase | None:
        """The same without its gate, whose kernel takes part as NO_GATE."""
        return replace(self, kind=self.kind.replace("gated", "rms")) if self.gated else None

    @property
    def kernel(self) -> Kernel:
        family = "dyt" if self.kind == "dyt" else "norm"
        options = [f"dim={self.dim}", "type=bf16", *self.parts]
        return Kernel(family, ",".join(options + ["eps=1e-6"] * (family == "norm")))

    @property
    def tensors(self) -> int:
        """Those of all rows: x, y, residual, sum."""
        return 2 + ("residual" in self.parts) + ("sum" in self.parts)

    @property
    def bytes(self) -> int:
        """Each tensor once, the parameters too."""
        vectors = sum(part in self.parts for part in ("weight", "bias", "pre_affine"))
        parameters = self.dim * (vectors + 2 * RANK * self.gated)
        if self.kind == "dyt":
            parameters += self.dim + 1
        return ELEMENT * (self.rows * self.dim * self.tensors + parameters)

    @property
    def flops(self) -> int:
        """Those of the gate's products."""
        return 4 * self.rows * self.dim * RANK if self.gated else 0


@dataclass(frozen=True)
class AttentionCase:
    """Forward attention; `parts` of sink_logit, sink_kv, gate and window."""

    head_dim: int
    length: int
    causal: bool
    parts: tuple[str, ...] = ()
    heads: int = 0
    kv_heads: int = 0
    compiled: bool = False
    batch: int = 0

    def __post_init__(self) -> None:
        heads = self.heads or HIDDEN // self.head_dim
        object.__setattr__(self, "heads", heads)
        object.__setattr__(self, "kv_heads", self.kv_heads or heads)
        object.__setattr__(self, "batch", self.batch or TOKENS // self.length)

    @property
    def key(self) -> str:
        name = "+".join(self.parts) or "plain"
        mask = "causal" if self.causal else "full"
        heads = f"h{self.heads}k{self.kv_heads}"
        return f"attention/{name}/d{self.head_dim}/s{self.length}/{mask}/{heads}"

    @property
    def kernel(self) -> Kernel:
        words = {"gate": "gate=sigmoid"}
        parts = [f"head_dim={self.head_dim}", "type=bf16", *["causal"] * self.causal]
        return Kernel("attention", ",".join(parts + [words.get(p, p) for p in self.parts]))

    @property
    def sink_rows(self) -> int:
        return SINK_ROWS if "sink_kv" in self.parts else 0

    @property
    def base(self) -> AttentionCase | None:
        """The same without its sink logit, whose kernel takes part as NO_SINK."""
        if "sink_logit" not in self.parts:
            return None
        return replace(self, parts=tuple(part for part in self.parts if part != "sink_logit"))

    @property
    def pairs(self) -> int:
        """Of queries and keys of one head; half of them if causal, as is the custom."""
        square = self.length**2
        seen = square // 2 if self.causal else square
        if "window" in self.parts and self.length > WINDOW:
            seen = self.length * WINDOW - WINDOW * (WINDOW - 1) // 2
        return seen + self.length * self.sink_rows

    @property
    def flops(self) -> int:
        return 4 * self.batch * self.heads * self.pairs * self.head_dim

    @property
    def bytes(self) -> int:
        queries = self.heads * (2 + ("gate" in self.parts))
        keys = 2 * self.kv_heads
        return ELEMENT * self.batch * self.length * self.head_dim * (queries + keys)


Case = CopyCase | MatmulCase | NormCase | AttentionCase

# Where source and target come to lie counts: they may meet in the same channels of the memory, at
# distances that are powers of two above all, and run at two thirds of its rate. So there are primes
# of MiB, too, and the fastest copy is the limit. The smallest is the floor of what the timer sees.
COPY_SIZES = (1 << 32, 1 << 28, *(mib << 20 for mib in (1907, 1033, 541, 277, 149)), 1 << 12)
COPIES = tuple(CopyCase(size) for size in COPY_SIZES)
LIMITS = (*COPIES, MatmulCase(8192))
SINK = ("sink_logit",)
VARIANTS = (
    ("sink_kv",),
    ("gate",),
    ("window",),
    ("window", "sink_logit"),
    ("window", "sink_logit", "sink_kv", "gate"),
)


def _pair(head_dim: int, length: int, compiled: bool, **heads: int) -> list[Case]:
    """With and without a sink logit next to each other."""
    return [
        AttentionCase(head_dim, length, causal, parts, compiled=compiled, **heads)
        for causal in (False, True)
        for parts in ((), SINK)
    ]


def _headlines() -> list[Case]:
    norms = [NormCase(kind, MAIN_DIM, MAIN_ROWS, True) for kind in NORM_PARTS]
    return [*LIMITS, *norms, *_pair(128, MAIN_LENGTH, True)]


def plan(quick: bool = False, only: str | None = None) -> list[Case]:
    """All cases, the most telling first; `quick`: the first alone; `only`: norms or attention."""
    cases = _headlines()
    if not quick:
        cases += [NormCase(kind, dim, MAIN_ROWS, True) for kind in NORM_PARTS for dim in DIMS]
        for head_dim in (64, 256):
            cases += _pair(head_dim, MAIN_LENGTH, True)
        for parts in VARIANTS:
            cases.append(AttentionCase(128, MAIN_LENGTH, True, parts, compiled=True))
        cases += _pair(128, MAIN_LENGTH, True, heads=64, kv_heads=8)
        for length in LENGTHS:
            cases += _pair(128, length, False)
        cases += [NormCase(kind, MAIN_DIM, rows) for kind in NORM_PARTS for rows in ROWS]
        for head_dim in (64, 256):
            for length in LENGTHS:
                cases += _pair(head_dim, length, False)
            for parts in VARIANTS:
                cases.append(AttentionCase(head_dim, MAIN_LENGTH, True, parts, compiled=True))
        cases += [NormCase(kind, dim, rows) for kind in NORM_PARTS for dim in DIMS for rows in ROWS]
    first: dict[str, Case] = {}
    for case in cases:
        first.setdefault(case.key, case)
    wanted = {"norms": NormCase, "attention": AttentionCase}.get(only or "", Case)
    return [case for case in first.values() if isinstance(case, wanted) or case in LIMITS]


def kernels(cases: list[Case]) -> list[Kernel]:
    """Those that the cases and their bases launch, each once."""
    launched = [made for case in cases for made in (case, case.base) if made is not None]
    return list(dict.fromkeys(case.kernel for case in launched if case.kernel is not None))
