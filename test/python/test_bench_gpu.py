"""basin.bench gpu without a GPU: the plan, references, peers, the loop, times, tables."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("basin.ops", reason="the package is not there")

from basin import ops  # noqa: E402
from basin.bench.gpu import attention, baselines, driver, norms, plan, report, timing  # noqa: E402
from basin.bench.gpu.plan import AttentionCase, CopyCase, MatmulCase, NormCase  # noqa: E402
from basin.bench.gpu.records import Records, RecordsError  # noqa: E402
from basin.bench.gpu.subject import row_error  # noqa: E402
from gpu_bench_stand_ins import Cuda, launcher, session, setup  # noqa: E402

ALL_PARTS = ("window", "sink_logit", "sink_kv", "gate")
SMALL_NORMS = [NormCase(kind, 64, 5, True) for kind in plan.NORM_PARTS]


def small_attention(*parts, causal=True, length=24):
    return AttentionCase(
        32, length, causal, parts, heads=4, kv_heads=2, batch=2, compiled=True
    )  # fmt: skip


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
    assert tuple(cases[:4]) == plan.LIMITS
    quick = plan.plan(quick=True)
    assert cases[: len(quick)] == quick and all(case.compiled for case in quick[4:])
    with_sink = [i for i, case in enumerate(cases) if getattr(case, "parts", ()) == plan.SINK]
    assert all(cases[i - 1] == replace(cases[i], parts=()) for i in with_sink)


def test_a_part_of_the_plan():
    norms_only, attention_only = plan.plan(only="norms"), plan.plan(only="attention")
    assert {type(case) for case in norms_only} == {CopyCase, MatmulCase, NormCase}
    assert {type(case) for case in attention_only} == {CopyCase, MatmulCase, AttentionCase}
    assert len(norms_only) + len(attention_only) == len(plan.plan()) + len(plan.LIMITS)


def test_kernels_are_named_once_and_files_apart():
    kernels = plan.kernels(plan.plan())
    assert len({kernel.file for kernel in kernels}) == len(kernels) == 62
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
        seen -= 2048 // 2  # the custom is half the square, of which the diagonal is cut
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
    """One query at a time, in Python's order."""
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
    """In f32 to 1e-5, so that the sink's factor and the masks are exact."""
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
    """In Triton's interpreter, which must be asked for before anything imports Triton."""
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
    # Twice what rounding costs: the interpreter cuts off where hardware rounds, in h and in y.
    assert float(done.stdout) <= 2 * norms.TOLERANCE


# The loop


SMALL = [
    CopyCase(4096),
    MatmulCase(64),
    *SMALL_NORMS,
    small_attention(),
    small_attention(causal=False),
    small_attention(*ALL_PARTS),
]


def test_every_family_runs(tmp_path):
    records, here = Records(tmp_path / "r.jsonl"), session()
    assert driver.run(SMALL, records, here) == 0
    assert list(records.results) == [case.key for case in SMALL]
    for case in SMALL:
        result = records.results[case.key]
        own = "torch" if isinstance(case, CopyCase | MatmulCase) else "basin"
        assert own in result["times"] and result["errors"][own] is not None, result
        # On a CPU, torch's attention has no CUDNN and no EFFICIENT.
        missing = {name for name in result["failed"] if "SDPA" in name}
        assert set(result["failed"]) == missing, result
    seen = {name for names in here.timer.names for name in names}
    assert {"torch", "torch composed", "torch.compile", "copy", "SDPA MATH", "FlexAttention"} < seen


def test_a_wrong_result_has_no_time(tmp_path):
    def wrong(kernel):
        right = launcher(kernel)

        def launch(arguments):
            right(arguments)
            arguments["y"][-1, -1] += 1

        return launch

    case = NormCase("rms", 64, 5)
    result = driver.measure(case, session(wrong))
    assert "basin" not in result["times"] and "wrong" in result["failed"]["basin"]
    assert "torch" in result["times"]
    nothing = driver.measure(case, session(lambda kernel: lambda arguments: None))
    assert nothing["errors"]["basin"] is None and "wrong" in nothing["failed"]["basin"]


def test_a_result_that_turns_wrong_loses_its_time():
    launches = []

    def tiring(kernel):
        right = launcher(kernel)

        def launch(arguments):
            launches.append(1)
            if len(launches) < 3:
                right(arguments)

        return launch

    result = driver.measure(NormCase("rms", 64, 5), session(tiring))
    assert "basin" not in result["times"] and "after many launches" in result["failed"]["basin"]


def test_a_failure_loses_its_contender_alone(tmp_path):
    def none(kernel):
        raise LookupError(f"no kernel {kernel.family}\nand more")

    records = Records(tmp_path / "r.jsonl")
    probes = []
    here = session(none, probe=lambda: probes.append(1))
    assert driver.run([NormCase("rms", 64, 5), NormCase("dyt", 64, 5)], records, here) == 0
    assert len(probes) == 2
    for result in records.results.values():
        assert "no kernel" in result["failed"]["basin"] and "more" not in result["failed"]["basin"]
        assert "torch" in result["times"]


def test_a_case_that_cannot_be_made_does_not_lose_the_rest(tmp_path, monkeypatch):
    def out_of_memory(case, given):
        raise torch.OutOfMemoryError("too large")

    monkeypatch.setitem(driver.SUBJECTS, CopyCase, out_of_memory)
    records = Records(tmp_path / "r.jsonl")
    driver.run([CopyCase(4096), MatmulCase(64)], records, session())
    copy, matmul = records.results.values()
    assert copy["failed"] == {"case": "OutOfMemoryError: too large"} and not copy["times"]
    assert matmul["times"] and not matmul["failed"]


def test_a_lost_device_ends_the_process_after_its_record(tmp_path):
    def lost():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    records = Records(tmp_path / "r.jsonl")
    here = session(lambda kernel: lambda arguments: 1 / 0, probe=lost)
    with pytest.raises(driver.BrokenDevice, match="illegal memory access"):
        driver.run(SMALL_NORMS, records, here)
    again = Records(tmp_path / "r.jsonl")
    assert list(again.results) == [SMALL_NORMS[0].key] and again.begun is None


def test_an_interrupted_run_goes_on(tmp_path):
    path = tmp_path / "r.jsonl"

    class Stopping(type(session().timer)):
        def time(self, calls):
            if len(self.names) == 2:
                raise KeyboardInterrupt
            return super().time(calls)

    here = session()
    here.timer = Stopping()
    with pytest.raises(KeyboardInterrupt):
        driver.run(SMALL_NORMS, Records(path), here)
    records = Records(path)
    assert len(records.results) == 2 and records.begun == SMALL_NORMS[2].key
    path.write_text(path.read_text() + '{"kind": "resu')
    records, here = Records(path), session()
    driver.run(SMALL_NORMS, records, here)
    assert len(here.timer.names) == len(SMALL_NORMS) - 2
    assert list(Records(path).results) == [case.key for case in SMALL_NORMS]


def test_the_budget(tmp_path):
    ticks = iter(range(0, 1000, 10))
    cases = [NormCase("rms", 64, rows) for rows in (1, 2, 3, 4, 5)]
    records = Records(tmp_path / "r.jsonl")
    left = driver.run(cases, records, session(), budget=35, clock=lambda: next(ticks))
    # The clock: start 0; begun at 10, ended at 20; at 30 another 10 would end at 40.
    assert left == 4 and list(records.results) == [cases[0].key]


def test_records_of_another_machine_or_file(tmp_path):
    path = tmp_path / "r.jsonl"
    Records(path).start({"gpu": "A", "objects": "1", "clocks": "x"})
    Records(path).start({"gpu": "A", "objects": "1", "clocks": "y"})
    assert len(path.read_text().splitlines()) == 1
    with pytest.raises(RecordsError, match="results of gpu A, but this is B"):
        Records(path).start({"gpu": "B", "objects": "1"})
    with pytest.raises(RecordsError, match="results of objects 1, but this is 2"):
        Records(path).start({"gpu": "A", "objects": "2"})
    path.write_text('{"a": 1}\n{"kind": "begin", "key": "x"}\n')
    with pytest.raises(RecordsError, match=r"r.jsonl:1: not a result"):
        Records(path)


# Times


def test_rounds():
    assert timing.rounds_for(1) == timing.LEAST
    assert timing.rounds_for(0) == timing.rounds_for(1e-9) == timing.MOST
    assert timing.rounds_for(timing.SECONDS / 20) in (19, 20)
    sample = timing.summarize([3.0, 1.0, 2.0], True)
    assert (sample.low, sample.seconds, sample.high, sample.rounds) == (1.5, 2.0, 2.5, 3)


@pytest.mark.parametrize("milliseconds", [0.01, 1.0])
def test_cuda_timer(monkeypatch, milliseconds):
    cuda, calls = Cuda(milliseconds), []
    monkeypatch.setattr(timing, "cuda", cuda)
    timer = timing.CudaTimer(device="cpu")
    assert timer._flushed.numel() == 2048
    samples = timer.time({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")})
    short = milliseconds < 0.05
    for sample in samples.values():
        assert sample.captured and sample.seconds == pytest.approx(milliseconds / 1e3)
        assert (sample.warm is not None) == (sample.call is not None) == short
    assert cuda.replayed == 2 * (3 + samples["a"].rounds + 7 * short)
    if short:
        assert samples["a"].warm == pytest.approx(milliseconds / 1e3 / timing.MANY)


def test_cuda_timer_without_graphs(monkeypatch):
    cuda = Cuda(capturable=False)
    monkeypatch.setattr(timing, "cuda", cuda)

    def call():
        cuda.now += 0.02

    for timer in (
        timing.CudaTimer(device="cpu"),
        timing.CudaTimer(flush=False, graphs=False, device="cpu"),
    ):
        (sample,) = timer.time({"a": call}).values()
        assert not sample.captured and sample.warm is None and sample.call is not None
        assert sample.seconds == pytest.approx(2e-5) and cuda.replayed == 0
    assert timing.CudaTimer(device="cpu").time({}) == {}


# Tables


def result(**microseconds):
    names = {"compile": "torch.compile", "flash": "SDPA FLASH", "cudnn": "SDPA CUDNN"}
    times = {
        names.get(name, name): {"seconds": t / 1e6, "warm": t / 2e6, "call": None}
        for name, t in microseconds.items()
    }
    errors = {name: t / 1e5 for name, t in microseconds.items()}
    return {"times": times, "errors": errors, "failed": {}}


def measured():
    """Copy at 4 TB/s, matmul at 800 TFLOP/s, and the main cases."""
    large, *_, matmul = plan.LIMITS
    rms, gated = (NormCase(kind, plan.MAIN_DIM, plan.MAIN_ROWS) for kind in ("rms", "gated"))
    plain = AttentionCase(128, plan.MAIN_LENGTH, False)
    sink = replace(plain, parts=plan.SINK)
    failed = result() | {"failed": {"basin": "wrong: 1 > 0.01"}}
    return {
        large.key: result(torch=large.bytes / 4e6),
        matmul.key: result(torch=matmul.flops / 800e6),
        rms.key: result(basin=rms.bytes / 3.8e6, torch=100, compile=120, copy=60),
        gated.key: result(basin=90, compile=180),
        plain.key: result(basin=plain.flops / 400e6, cudnn=plain.flops / 600e6, flash=9e4),
        sink.key: result(basin=plain.flops / 398e6, FlexAttention=plain.flops / 200e6),
        NormCase("dyt", 1024, plan.MAIN_ROWS).key: failed,
    }


def row(text, start):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_tables():
    text = report.markdown(measured(), {"kind": "machine", "gpu": "G", "torch": "2"})
    assert text.startswith("gpu G; torch 2\n")
    assert row(text, "copy of 4294967296")[2].startswith("4000 GB/s")
    assert row(text, "matmul of 8192")[2] == "800 TFLOP/s"
    assert row(text, "RMSNorm at 0.9 of copy bandwidth")[1:] == ["0.95", "pass"]
    cost = 90 / (NormCase("rms", 4096, 16384).bytes / 3.8e6)
    label = "GatedNorm in at most 1.25 times the plain norm's time"
    assert row(text, label)[1:] == [f"{cost:.3g}", "fail"]
    assert row(text, "GatedNorm 3 times as fast as torch.compile")[1:] == ["2", "fail"]
    assert row(text, "attention at 350 TFLOP/s, head dim 128")[1:] == ["400 TFLOP/s", "pass"]
    assert row(text, "attention at 350 TFLOP/s, head dim 128, causal")[1:] == ["not measured", ""]
    assert row(text, "a sink logit in less than 1.01 times the time")[2] == "pass"
    rms = row(text, "rms, 4096")
    assert rms[3:5] == ["3800", "95.0 %"] and rms[-4:-2] != ["-", "-"] and rms[-2] == "-"
    plain = row(text, "128, 8192")
    assert plain[1:5] == ["400", "50.0 %", "600 (CUDNN)", "0.67"] and plain[-1] == "1.01"
    assert row(text, "128: sink_logit")[5:] == ["200", "1.99"]
    assert row(text, "dyt, 1024")[1] == "failed: wrong: 1 > 0.01"
    assert row(text, "norm/gated")[1:] == ["1", "0.0009"]
    assert row(text, "layer, 1024")[1] == "not measured"
    assert "- norm/dyt/d1024/r16384: basin: wrong: 1 > 0.01" in text


def test_tables_are_tables():
    for results in ({}, measured()):
        text, widths = report.markdown(results), []
        for line in text.splitlines():
            if line.startswith("|"):
                widths.append(line.count("|"))
            else:
                assert len(set(widths)) <= 1
                widths = []


def test_nothing_measured():
    text = report.markdown({})
    assert "pass" not in text.replace("passes", "") and "fail" not in text
    assert row(text, "all 35")[1] == report.NOTHING


def test_baselines_can_be_wrong():
    subject = baselines.copy(CopyCase(4096), setup())
    (make,) = subject.makers.values()
    (target,) = make()()
    assert subject.error((target,)) == 0
    target[5] += 1
    assert not subject.error((target,)) <= subject.tolerance("torch")
    subject = baselines.matmul(MatmulCase(64), setup())
    ((product,),) = [make()() for make in subject.makers.values()]
    assert subject.error((product,)) <= subject.tolerance("torch")
    product[3, 3] += 40
    assert subject.error((product,)) > subject.tolerance("torch")


def test_results_are_json(tmp_path):
    records = Records(tmp_path / "r.jsonl")
    driver.run([NormCase("rms", 64, 5)], records, session(lambda kernel: lambda arguments: None))
    for line in (tmp_path / "r.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
