"""basin.bench gpu without a GPU: the plan, its counts, references, peers."""

from __future__ import annotations

import importlib.util
import itertools
import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("basin.ops", reason="the package is not there")

from basin import ops  # noqa: E402
from basin.bench.gpu import attention, norms, plan  # noqa: E402
from basin.bench.gpu.plan import AttentionCase, CopyCase, MatmulCase, NormCase  # noqa: E402
from basin.bench.gpu.subject import row_error  # noqa: E402
from gpu_bench_stand_ins import ALL_PARTS, SMALL_NORMS, setup, small_attention  # noqa: E402

# The plan


def test_plan_is_complete_and_ordered():
    cases = plan.plan()
    keys = [case.key for case in cases]
    assert len(set(keys)) == len(keys) > 400
    for kind, dim, rows in itertools.product(plan.NORM_PARTS, plan.DIMS, plan.ROWS):
        assert NormCase(kind, dim, rows).key in keys
    shapes = itertools.product(plan.HEAD_DIMS, plan.LENGTHS, (False, True), ((), plan.SINK))
    for shape in shapes:
        assert AttentionCase(*shape).key in keys
    assert {part for case in cases for part in getattr(case, "parts", ())} >= set(ALL_PARTS)
    assert any(c.kv_heads < c.heads for c in cases if isinstance(c, AttentionCase))
    limits = len(plan.LIMITS)
    assert tuple(cases[:limits]) == plan.LIMITS
    quick = plan.plan(quick=True)
    assert cases[: len(quick)] == quick and all(case.compiled for case in quick[limits:])
    with_sink = [i for i, case in enumerate(cases) if getattr(case, "parts", ()) == plan.SINK]
    assert all(cases[i - 1] == replace(cases[i], parts=()) for i in with_sink)


def test_a_part_of_the_plan():
    norms_only, attention_only = plan.plan(only="norms"), plan.plan(only="attention")
    assert {type(case) for case in norms_only} == {CopyCase, MatmulCase, NormCase}
    assert {type(case) for case in attention_only} == {CopyCase, MatmulCase, AttentionCase}
    assert len(norms_only) + len(attention_only) == len(plan.plan()) + len(plan.LIMITS)


def test_copies_are_not_of_powers_of_two_alone():
    sizes = [case.size for case in plan.COPIES]
    others = [size for size in sizes if size.bit_count() > 1]
    assert len(set(sizes)) == len(sizes) and min(sizes) == 4096
    assert len(others) == 5 and all(1 << 27 <= size <= 1 << 31 for size in others)
    # Together they cost less than the largest one.
    assert sum(others) < max(sizes)


def test_bases_lack_one_part_alone():
    for kind, base in (("gated", "rms"), ("add_gated", "add_rms")):
        assert NormCase(kind, 64, 5, True).base == NormCase(base, 64, 5, True)
    others = [kind for kind in plan.NORM_PARTS if "gate" not in kind]
    assert len(others) == 5 and all(NormCase(kind, 64, 5).base is None for kind in others)
    case = small_attention(*ALL_PARTS)
    assert case.base == replace(case, parts=("window", "sink_kv", "gate"))
    assert small_attention(*plan.SINK).base == small_attention()
    assert case.base.base is None and small_attention("window").base is None


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("only", [None, "norms", "attention"])
def test_kernels_of_bases_are_prepared(quick, only):
    cases = plan.plan(quick, only)
    bases = [case.base.kernel for case in cases if case.base]
    assert bases and set(bases) <= set(plan.kernels(cases))


def test_kernels_are_named_once_and_files_apart():
    kernels = plan.kernels(plan.plan())
    assert len({kernel.file for kernel in kernels}) == len(kernels) == 65
    no_sink = "head_dim=256,type=bf16,causal,window,sink_kv,gate=sigmoid"
    assert plan.Kernel("attention", no_sink) in kernels, "which no case has as its own"
    assert plan.Kernel("norm", "dim=4096,type=bf16,weight,eps=1e-6") in kernels
    every = "head_dim=128,type=bf16,causal,window,sink_logit,sink_kv,gate=sigmoid"
    assert plan.Kernel("attention", every) in kernels


def size(tensors):
    return sum(t.numel() * t.element_size() for t in tensors)


@pytest.mark.parametrize("case", SMALL_NORMS, ids=lambda case: case.kind)
def test_bytes_of_norms(case):
    t = norms.operands(case, "cpu")
    results = norms.eager(t, case.kind == "layer")
    assert case.bytes == size([*t.values(), *results])
    assert case.flops == (4 * 5 * 64 * 16 if "gated" in case.kind else 0)


@pytest.mark.parametrize("parts", [(), ("gate",)])
def test_bytes_of_attention(parts):
    case = small_attention(*parts)
    t = attention.operands(case, "cpu")
    assert case.bytes == size([*t.values(), t["query"]])


CAUSAL_PARTS = [(), ("window",), ("sink_kv",), ALL_PARTS]
FULL_PARTS = [(), ("sink_kv",)]


@pytest.mark.parametrize(
    ("parts", "causal"),
    [*((parts, True) for parts in CAUSAL_PARTS), *((parts, False) for parts in FULL_PARTS)],
)
def test_flops_of_attention(parts, causal):
    case = AttentionCase(64, 2048, causal, parts, heads=3, batch=2)
    rows = torch.arange(2048)[:, None]
    keys = torch.arange(2048 + case.sink_rows)
    mask = attention.visibility(case)(None, None, rows, keys)
    seen = mask.expand(2048, len(keys)).sum().item()
    if causal and "window" not in parts:
        seen -= 2048 // 2  # by custom half the square, without the diagonal
    assert case.flops == 2 * 2 * seen * 64 * 3 * 2


def test_published_formula():
    case = AttentionCase(128, 8192, False)
    assert (case.batch, case.heads, case.flops) == (2, 16, 4 * 2 * 16 * 8192**2 * 128)
    assert replace(case, causal=True).flops * 2 == case.flops


# References


@pytest.mark.parametrize("kind", ["rms", "add_rms", "add_pre_affine_rms", "gated"])
def test_norm_reference_is_that_of_the_operators(kind):
    case = NormCase(kind, 64, 9)
    t = norms.operands(case, "cpu")
    eps = norms.EPSILON
    if kind == "gated":
        results = (ops.gated_rms_norm(t["x"], t["gate_down"], t["gate_up"], t["weight"], eps=eps),)
    elif kind == "rms":
        results = (ops.rms_norm(t["x"], t["weight"], eps=eps),)
    else:
        operands = (t["x"], t["residual"], t["weight"], t.get("pre_affine"))
        results = ops.add_rms_norm(*operands, eps=eps)
    tolerance = norms.GATED_TOLERANCE if kind == "gated" else norms.TOLERANCE
    assert norms.error(t, False, results) <= tolerance
    in_chunks = norms.error(t, False, results, chunk=128)
    assert in_chunks == pytest.approx(norms.error(t, False, results))


@pytest.mark.parametrize("case", SMALL_NORMS, ids=lambda case: case.kind)
def test_norm_error_sees_one_wrong_element(case):
    t = norms.operands(case, "cpu")
    layer = case.kind == "layer"
    right = [result.to(torch.bfloat16) for result in norms.reference(t, layer, slice(None))]
    limit = norms.GATED_TOLERANCE if case.gated else norms.TOLERANCE
    assert norms.error(t, layer, tuple(right)) <= limit
    for result in right:
        result[3, 7] += 0.25
        assert norms.error(t, layer, tuple(right)) > limit
        result[3, 7] = float("nan")
        assert math.isnan(norms.error(t, layer, tuple(right)))
        result[3, 7] = 0


def naive_attention(case, t, window):
    """Attention of one query at a time, in plain loops."""
    out = torch.zeros(t["query"].shape, dtype=torch.float64)
    for b, h, i in itertools.product(range(case.batch), range(case.heads), range(case.length)):
        kv = h * case.kv_heads // case.heads
        keys = [t["key"][b, kv, j] for j in range(case.length)]
        values = [t["value"][b, kv, j] for j in range(case.length)]
        visible = [
            not (case.causal and j > i) and not ("window" in case.parts and i - j >= window)
            for j in range(case.length)
        ]
        if "sink_kv" in case.parts:
            keys = [*t["sink_key"][kv], *keys]
            values = [*t["sink_value"][kv], *values]
            visible = [True] * plan.SINK_ROWS + visible
        query = t["query"][b, h, i].double()
        terms = [
            (math.exp(query.dot(k.double()).item() / math.sqrt(case.head_dim)), v.double())
            for k, v, seen in zip(keys, values, visible)
            if seen
        ]
        total = sum(weight for weight, _ in terms)
        if "sink_logit" in case.parts:
            total += math.exp(t["sink_logit"][h].item())
        row = sum(weight * value for weight, value in terms) / total
        if "gate" in case.parts:
            row = row / (1 + torch.exp(-t["gate"][b, h, i].double()))
        out[b, h, i] = row
    return out


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("parts", [(), plan.SINK, ("sink_kv",), ("window",), ALL_PARTS])
def test_attention_reference_is_the_definition(parts, causal):
    case = small_attention(*parts, causal=causal, length=11)
    t = attention.operands(case, "cpu")
    expected = naive_attention(case, t, window=4)
    for chunk in (1, 1 << 20):
        found = attention.reference(case, t, torch.float64, window=4, chunk=chunk)
        assert row_error(found, expected) < 1e-12
    assert row_error(attention.reference(case, t, window=4), expected) < 1e-5


# Peers


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("parts", [(), plan.SINK, ("sink_kv",), ("window",), ALL_PARTS])
def test_flex_attention_computes_the_case(parts, causal):
    """f32 within 1e-5 shows that the sink's factor and the masks are exact."""
    case = small_attention(*parts, causal=causal)
    t = {name: x.float() for name, x in attention.operands(case, "cpu").items()}
    (out,) = attention.flex_call(case, t, setup(), window=6)()
    expected = attention.reference(case, t, torch.float64, window=6)
    assert row_error(out, expected) < 1e-5
    if parts == plan.SINK:
        del t["sink_logit"]
        without = attention.reference(case, t, torch.float64)
        assert row_error(without, expected) > 0.1, "a sink that does nothing would pass"


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("parts", [(), ("gate",), ("sink_kv",)])
def test_torch_attention_computes_the_case(parts, causal):
    case = small_attention(*parts, causal=causal)
    assert attention.has_sdpa(case) == (not ("sink_kv" in parts and causal))
    if attention.has_sdpa(case):
        t = {name: x.float() for name, x in attention.operands(case, "cpu").items()}
        (out,) = attention.sdpa(case, t, "MATH")()
        assert row_error(out, attention.reference(case, t, torch.float64)) < 1e-5


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="no Triton")
@pytest.mark.parametrize("kind", ["rms", "add_rms", "add_pre_affine_rms"])
def test_triton_norm(kind):
    """Runs in Triton's interpreter, which must be asked for before anything imports Triton."""
    code = f"""
from basin.bench.gpu import norms, plan, triton_norm
t = norms.operands(plan.NormCase({kind!r}, 48, 5), "cpu")
print(norms.error(t, False, triton_norm.prepare(t, norms.EPSILON)()))
"""
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # This is twice the error of rounding, because the interpreter cuts off in h and in y where
    # hardware rounds.
    assert float(done.stdout) <= 2 * norms.TOLERANCE
