"""basin.bench gpu without a GPU: the loop over cases, results on disk, times, tables."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("basin.ops", reason="the package is not there")

from basin.bench.gpu import baselines, driver, plan, report, timing  # noqa: E402
from basin.bench.gpu.plan import AttentionCase, CopyCase, MatmulCase, NormCase  # noqa: E402
from basin.bench.gpu.records import Records, RecordsError  # noqa: E402
from gpu_bench_stand_ins import (  # noqa: E402
    ALL_PARTS,
    SMALL_NORMS,
    Cuda,
    Timer,
    launcher,
    session,
    setup,
    small_attention,
)

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
    together = {
        case.key: {plan.NO_GATE, plan.NO_SINK} & set(names)
        for case, names in zip(SMALL, here.timer.names)
    }
    wanted = {"norm/gated": {plan.NO_GATE}, "norm/add_gated": {plan.NO_GATE}}
    wanted[f"attention/{'+'.join(ALL_PARTS)}"] = {plan.NO_SINK}
    assert together == {k: wanted.get("/".join(k.split("/")[:2]), set()) for k in together}


# Each case, its own kernel without the part in question, and the word that names the part.
PRICED = [
    (NormCase("gated", 64, 5), plan.NO_GATE, "gate="),
    (NormCase("add_gated", 64, 5), plan.NO_GATE, "gate="),
    (small_attention(*plan.SINK), plan.NO_SINK, "sink_logit"),
    (small_attention(*ALL_PARTS), plan.NO_SINK, "sink_logit"),
]


@pytest.mark.parametrize(("case", "base", "word"), PRICED, ids=str)
def test_neither_kernel_vouches_for_the_other(case, base, word):
    """If one kernel does nothing, only that one is wrong: results and references are separate."""
    tolerance = driver.SUBJECTS[type(case)](case, setup()).tolerance
    assert tolerance(base) <= tolerance(plan.OWN) < tolerance("torch")
    for lazy, other in ((plan.OWN, base), (base, plan.OWN)):

        def launch(kernel, lazy=lazy):
            works = (word in kernel.parts) == (lazy == base)
            return launcher(kernel) if works else lambda arguments: None

        result = driver.measure(case, session(launch))
        assert lazy not in result["times"] and "wrong: nan" in result["failed"][lazy]
        assert other in result["times"] and result["errors"][other] <= tolerance(other)
        assert other not in result["failed"]


@pytest.mark.parametrize(("case", "base", "word"), PRICED, ids=str)
def test_a_base_is_compared_with_what_it_computes(case, base, word):
    """The base is not compared with the case's own reference, which has the part in question."""
    subject = driver.SUBJECTS[type(case)](case, setup())
    # Both run before the checks, so neither may write to the results of the other.
    own, without = (subject.makers[name]()() for name in (plan.OWN, base))
    assert subject.error(own) <= subject.tolerance(plan.OWN)
    assert subject.others[base](without) <= subject.tolerance(base)
    assert subject.error(without) > 0.1 and subject.others[base](own) > 0.1


def test_a_base_that_turns_wrong_loses_its_time():
    launches = []

    def tiring(kernel):
        right = launcher(kernel)

        def launch(arguments):
            launches.append(1)
            if "gate_down" in arguments or len(launches) < 5:
                right(arguments)

        return launch

    # Two launches are checks, two are timed, and the fifth and sixth are checks again.
    result = driver.measure(NormCase("gated", 64, 5), session(tiring))
    assert "basin" in result["times"] and plan.NO_GATE not in result["times"]
    assert len(launches) == 6 and "after many launches" in result["failed"][plan.NO_GATE]


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


def test_contenders_that_have_no_room_together_do_not_lose_ours():
    class Narrow(Timer):
        def time(self, calls):
            if len(calls) > 1:
                raise torch.OutOfMemoryError("too large")
            return super().time(calls)

    here = session()
    here.timer = Narrow()
    result = driver.measure(NormCase("rms", 64, 5), here)
    assert list(result["times"]) == ["basin"]
    assert result["failed"] == {"together": "OutOfMemoryError: too large"}


def test_our_kernels_stay_together_without_room_for_peers():
    class Narrow(Timer):
        def time(self, calls):
            if len(calls) > 2:
                raise torch.OutOfMemoryError("too large")
            return super().time(calls)

    here = session()
    here.timer = Narrow()
    result = driver.measure(NormCase("gated", 64, 5), here)
    assert list(result["times"]) == ["basin", plan.NO_GATE]
    assert result["failed"] == {"together": "OutOfMemoryError: too large"}


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

    class Stopping(Timer):
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
    # The clock starts at 0. The case begins at 10 and ends at 20. At 30 another 10 would end at 40.
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
    names |= {"no_gate": plan.NO_GATE, "no_sink": plan.NO_SINK}
    times = {
        names.get(name, name): {"seconds": t / 1e6, "warm": t / 2e6, "call": None}
        for name, t in microseconds.items()
    }
    errors = {name: t / 1e5 for name, t in microseconds.items()}
    return {"times": times, "errors": errors, "failed": {}, "clock": 1800}


def measured():
    """Copies at 3 and 4 TB/s, matmul at 800 TFLOP/s at a lower clock, and the main cases."""
    large, matmul = plan.COPIES[0], plan.LIMITS[-1]
    other = plan.COPIES[4]
    rms, gated = (NormCase(kind, plan.MAIN_DIM, plan.MAIN_ROWS) for kind in ("rms", "gated"))
    plain = AttentionCase(128, plan.MAIN_LENGTH, False)
    sink = replace(plain, parts=plan.SINK)
    failed = result() | {"failed": {"basin": "wrong: 1 > 0.01"}}
    return {
        large.key: result(torch=large.bytes / 3e6),
        other.key: result(torch=other.bytes / 4e6),
        matmul.key: result(torch=matmul.flops / 800e6) | {"clock": 1470},
        rms.key: result(basin=rms.bytes / 3.8e6, torch=100, compile=120, copy=60),
        gated.key: result(basin=90, no_gate=75, compile=180),
        plain.key: result(basin=plain.flops / 400e6, cudnn=plain.flops / 600e6, flash=9e4),
        sink.key: result(
            basin=plain.flops / 380e6,
            no_sink=plain.flops / 384e6,
            FlexAttention=plain.flops / 190e6,
        ),
        NormCase("dyt", 1024, plan.MAIN_ROWS).key: failed,
    }


def row(text, start):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_tables():
    text = report.markdown(measured(), {"kind": "machine", "gpu": "G", "torch": "2"})
    assert text.startswith("gpu G; torch 2\n")
    assert row(text, "copy of 4294967296")[2].startswith("3000 GB/s")
    assert row(text, f"copy of {plan.COPIES[4].size}")[2].startswith("4000 GB/s")
    assert row(text, f"copy of {plan.COPIES[5].size}")[1] == report.NOTHING
    assert row(text, "matmul of 8192")[2:] == ["800 TFLOP/s", "1470"]
    assert row(text, "RMSNorm at 0.9 of copy bandwidth")[1:] == ["0.95", "pass"]
    # This is 90 to 75 within one case, although the plain norm took 71 by itself.
    assert row(text, GATE_AIM)[1:] == ["1.2", "pass"]
    assert row(text, "GatedNorm 3 times as fast as torch.compile")[1:] == ["2", "fail"]
    assert row(text, "attention at 350 TFLOP/s, head dim 128")[1:] == ["400 TFLOP/s", "pass"]
    assert row(text, "attention at 350 TFLOP/s, head dim 128, causal")[1:] == ["not measured", ""]
    # This is 384 to 380 within one case, although the plain case ran at 400 by itself.
    assert row(text, SINK_AIM)[1:] == ["1.01", "fail"]
    rms = row(text, "rms, 4096")
    assert rms[3:5] == ["3800", "95.0 %"] and rms[-5:-3] != ["-", "-"] and rms[-3] == "-"
    assert rms[-1] == "-" and row(text, "gated, 4096")[-1] == "0.83"
    plain = row(text, "128, 8192")
    assert plain[1:6] == ["400", "50.0 %", "1800", "600 (CUDNN)", "0.67"] and plain[-1] == "1.01"
    assert row(text, "128: sink_logit")[6:] == ["190", "2.00", "1.01"]
    assert row(text, "dyt, 1024")[1] == "failed: wrong: 1 > 0.01"
    assert row(text, "norm/gated")[1:] == ["1", "0.0009"]
    assert row(text, "layer, 1024")[1] == "not measured"
    assert "- norm/dyt/d1024/r16384: basin: wrong: 1 > 0.01" in text


GATE_AIM = "GatedNorm in at most 1.25 times the plain norm's time"
SINK_AIM = "a sink logit in less than 1.01 times the time"


def test_results_without_bases_and_clocks():
    """In results of an older file no ratio is made of two cases, and that is no failure either."""
    results = measured()
    for one in results.values():
        one["times"] = {k: t for k, t in one["times"].items() if "basin," not in k}
        del one["clock"]
    text = report.markdown(results)
    for label in (GATE_AIM, SINK_AIM):
        assert row(text, label)[1:] == [report.NOTHING, ""]
    assert row(text, "gated, 4096")[-1] == "-"
    assert row(text, "128, 8192")[3] == "-" and row(text, "128, 8192")[-1] == report.NOTHING
    assert row(text, "128: sink_logit")[-1] == report.NOTHING
    assert row(text, "matmul of 8192")[-1] == "-"


def test_why_a_ratio_is_missing():
    results = measured()
    gated, sink = (key for key in results if "norm/gated" in key or "sink_logit" in key)
    del results[gated]["times"]["torch.compile"]
    results[gated]["failed"]["torch.compile"] = "no"
    del results[sink]["times"][plan.NO_SINK]
    results[sink]["failed"][plan.NO_SINK] = "wrong: 1 > 0.01"
    text = report.markdown(results)
    # A peer that failed is no failure of ours.
    assert row(text, "GatedNorm 3 times as fast as torch.compile")[1:] == ["failed: no", ""]
    assert row(text, SINK_AIM)[1:] == ["failed: wrong: 1 > 0.01", "fail"]
    assert row(text, "128, 8192")[-1] == "failed: wrong: 1 > 0.01"


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
