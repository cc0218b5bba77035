"""The cases of the matrix: which architecture, exporter, opset, attention, type and cache."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch

from basin.bench.recognize.catalog import ARCHS, EAGER_ONLY

# The dynamo exporter starts at opset 18, and the TorchScript exporter ends at 20.
FORMS = (("script", 17), ("dynamo", 18))
OTHER_FORMS = (("script", 20), ("dynamo", 20), ("dynamo", 23), ("dynamo", 24))
# Architectures that stand for their kind in further opsets, types and with a cache.
BROAD = ("llama", "qwen3", "gpt2", "gemma2", "phi3", "bert", "t5", "vit", "gpt_oss", "deepseek_v3")
CACHED = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "phi3", "gpt2", "gpt_neox", "bloom",
          "opt", "falcon", "gpt_oss", "mixtral", "olmo2", "cohere", "smollm3")  # fmt: skip
TYPED = ("llama", "qwen3", "gemma2", "gpt2", "bert", "t5", "gpt_oss", "phi3", "vit")
EXPERTS = ("mixtral", "qwen3_moe", "gpt_oss", "deepseek_v3")
MIXTURES = (
    "mixtral", "qwen2_moe", "qwen3_moe", "gpt_oss", "olmoe", "granitemoe", "phimoe", "dots1",
    "glm4_moe", "minimax_m2", "flex_olmo", "ernie4_5_moe", "qwen3_next", "jamba", "deepseek_v2",
    "deepseek_v3", "llama4",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One export. `experts` is the implementation of a mixture of experts."""

    arch: str
    attention: str = "eager"
    exporter: str = "script"
    opset: int = 17
    dtype: str = "f32"
    cache: bool = False
    experts: str = ""

    @property
    def id(self) -> str:
        """The case's name: it is a file's stem, too."""
        parts = [self.arch, self.attention, f"{self.exporter}{self.opset}", self.dtype]
        parts += ["cache"] * self.cache + [self.experts] * bool(self.experts)
        return ",".join(parts)


def _experts(arch: str) -> str:
    return "batched_mm" if arch in MIXTURES else ""


def _attentions(arch: str) -> tuple[str, ...]:
    """The forms of attention that an architecture has; plain torch is as it is written."""
    if arch in EAGER_ONLY:
        return ("eager",)
    return ("eager", "sdpa") if arch in ARCHS else ("sdpa",)


def _for_exporter(arch: str, exporter: str, few: bool = True) -> tuple[str, ...]:
    """The last form only for the dynamo exporter, which takes ten times as long as the other."""
    every = _attentions(arch)
    return every[-1:] if few and exporter == "dynamo" else every


def all_cases() -> list[Case]:
    """Every case, the quickest and broadest first."""
    from basin.bench.recognize.graphs import HAND
    from basin.bench.recognize.plain import PLAIN  # It needs torch, which a table does not.

    cases = [Case(name, "written", "hand", recipe.opset) for name, recipe in HAND.items()]
    for arch in (*ARCHS, *PLAIN):
        forms = [("script", 17, attention) for attention in _attentions(arch)]
        few = arch not in BROAD
        forms += [("dynamo", 18, attention) for attention in _for_exporter(arch, "dynamo", few)]
        cases += [
            Case(arch, attention, exporter, opset, experts=_experts(arch))
            for exporter, opset, attention in forms
        ]
    for arch in CACHED:
        cases += [
            Case(arch, attention, exporter, opset, cache=True, experts=_experts(arch))
            for exporter, opset in (*FORMS, ("dynamo", 23))
            for attention in _for_exporter(arch, exporter)
        ]
    for arch in TYPED:
        cases += [
            Case(arch, attention, exporter, opset, dtype, experts=_experts(arch))
            for dtype in ("f16", "bf16")
            for exporter, opset in FORMS
            for attention in _for_exporter(arch, exporter)
        ]
    for arch in BROAD:
        cases += [
            Case(arch, attention, exporter, opset, experts=_experts(arch))
            for exporter, opset in OTHER_FORMS
            for attention in _for_exporter(arch, exporter)
        ]
    for arch in EXPERTS:
        cases += [
            Case(arch, "eager", exporter, opset, experts="eager") for exporter, opset in FORMS
        ]
    return list(dict.fromkeys(cases))


def select(pattern: str | None) -> list[Case]:
    """The case of this name, or those whose name has the pattern (`*` stands for any text)."""
    cases = all_cases()
    if pattern is None:
        return cases
    exact = [case for case in cases if case.id == pattern]
    return exact or [case for case in cases if fnmatch(case.id, f"*{pattern}*")]
