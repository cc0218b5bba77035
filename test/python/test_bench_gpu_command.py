"""basin.bench gpu without a GPU: prepared objects, the command line, the processes that measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("basin.ops", reason="the package is not there")

from basin import runtime  # noqa: E402
from basin.bench.__main__ import main  # noqa: E402
from basin.bench.gpu import (  # noqa: E402
    attention,
    command,
    driver,
    norms,
    objects,
    plan,
    records,
    report,
    supervisor,
    timing,
    worker,
)  # fmt: skip
from basin.bench.gpu.subject import Setup  # noqa: E402
from conftest import ROOT  # noqa: E402
from gpu_bench_stand_ins import ALL_PARTS, Timer, launcher  # noqa: E402

try:
    COMPILER = objects.find_compiler()
except objects.ObjectsError:
    COMPILER = None
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="basin-compile is not built")

CASES = [
    *(plan.NormCase(kind, 64, 5) for kind in plan.NORM_PARTS),
    plan.AttentionCase(32, 24, False, heads=4, kv_heads=2, batch=2),
    plan.AttentionCase(32, 24, True, ALL_PARTS, heads=4, kv_heads=2, batch=2),
]
KERNELS = len(CASES) + 1  # that of the last case without its sink logit, which is no case


# Objects


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The objects of CASES."""
    if COMPILER is None:
        pytest.skip("basin-compile is not built")
    folder = tmp_path_factory.mktemp("objects")
    manifest = objects.prepare(plan.kernels(CASES), folder, "sm_90a", COMPILER, jobs=2)
    assert not [entry for entry in manifest["kernels"] if "error" in entry], manifest
    return folder


def test_manifest(prepared):
    manifest = objects.read_manifest(prepared)
    assert len(manifest["kernels"]) == KERNELS
    for entry in manifest["kernels"]:
        assert 16 <= entry["registers"] <= 255 and entry["threads"] % 32 == 0, entry
        assert entry["name"] in runtime.load(prepared / entry["file"])
    lines = objects.counters(manifest).splitlines()
    assert len(lines) == 2 + KERNELS and len({line.count("|") for line in lines}) == 1
    assert "| `--norm dim=64,type=bf16,weight,eps=1e-6` | 128 |" in lines[2]
    changed = json.loads(json.dumps(manifest))
    changed["kernels"][0]["sha256"] = "0"
    assert objects.digest(changed) != objects.digest(manifest)


NAMES = {torch.bfloat16: "bf16", torch.float32: "f32", int: "i64"}


LAUNCHED = [(case, plan.OWN) for case in CASES]
LAUNCHED += [(case, plan.NO_GATE) for case in CASES if getattr(case, "gated", False)]
LAUNCHED += [(CASES[-1], plan.NO_SINK)]


@pytest.mark.parametrize(("case", "name"), LAUNCHED, ids=str)
def test_kernels_take_what_they_are_given(prepared, case, name):
    """Names, types and grid of the launch are compared with the object's own description."""
    given = {}
    setup = Setup(lambda kernel: given.update, "cpu", None, False)
    if isinstance(case, plan.NormCase):
        norms.subject(case, setup).makers[name]()()
        scalars = {"rows": 5}
    else:
        attention.subject(case, setup).makers[name]()()
        scalars = {"queries": 24, "heads": 4, "batch": 2}
    launched = case if name == plan.OWN else case.base
    kernel = objects.Objects(prepared).kernel(launched.kernel)
    assert {a.name for a in kernel.arguments} == set(given)
    for argument in kernel.arguments:
        value = given[argument.name]
        if argument.kind == "scalar":
            assert type(value) is int and argument.type in ("i32", "i64"), argument
        else:
            assert value.is_contiguous() and NAMES[value.dtype] == argument.type, argument
    assert min(kernel.grid(**scalars)) >= 1


def test_the_folder_is_all_that_another_machine_needs(prepared):
    """The folder's own package lists its kernels, alone on the path and without onnx."""
    code = """
import sys
sys.modules["onnx"] = sys.modules["onnxruntime"] = None
from pathlib import Path
import basin
from basin.bench.gpu import command, driver, objects, plan, worker
from basin.bench.__main__ import main
print(Path(basin.__file__).parent)
print(sum(len(objects.Objects(Path(sys.argv[1])).kernel(plan.Kernel(e["family"], e["parts"])).name)
          > 0 for e in objects.read_manifest(Path(sys.argv[1]))["kernels"]))
sys.exit(main(["gpu", "--objects", sys.argv[1], "--counters"]))
"""
    environment = {**os.environ, "PYTHONPATH": str(prepared / "python")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(prepared)], env=environment, capture_output=True,
        text=True, cwd=prepared,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == [str(prepared / "python" / "basin"), str(KERNELS)]
    assert len(lines) == 4 + KERNELS
    assert not [path for path in (prepared / "python").rglob("*") if path.is_symlink()]


@needs_compiler
def test_a_kernel_that_does_not_compile_is_an_entry(tmp_path):
    kernels = [plan.Kernel("norm", "dim=0,type=bf16"), plan.Kernel("dyt", "dim=64,type=bf16")]
    manifest = objects.prepare(kernels, tmp_path, "sm_80", COMPILER)
    bad, good = manifest["kernels"]
    assert "error" in bad and "'dim': expected" in bad["error"] and "registers" in good
    assert "failed: " in objects.counters(manifest)
    made = objects.Objects(tmp_path)
    assert made.kernel(kernels[1]) is made.kernel(kernels[1])
    with pytest.raises(objects.ObjectsError, match="'dim': expected"):
        made.kernel(kernels[0])
    with pytest.raises(objects.ObjectsError, match="--norm dim=1: the folder lacks this kernel"):
        made.kernel(plan.Kernel("norm", "dim=1"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory; make it with --prepare"),
        ("nonsense", "not a manifest"),
        ('{"version": 1}', "not a manifest"),
        ('{"version": 2, "kernels": []}', "expected version 1"),
        (
            '{"version": 1, "target": "x", "kernels": '
            '[{"family": "a", "parts": "b", "file": "c.bko", "name": "d"}]}',
            "its kernel c.bko is missing; prepare it again",
        ),
    ],
)
def test_bad_folders(tmp_path, capsys, text, message):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    assert main(["gpu", "--objects", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1


# The command line


@needs_compiler
def test_prepare_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plan, "plan", lambda quick, only: CASES[:2])
    assert main(["gpu", "--prepare", str(tmp_path / "new"), "--target", "sm_80"]) == 0
    assert "2 kernels for sm_80" in capsys.readouterr().out
    assert objects.read_manifest(tmp_path / "new")["target"] == "sm_80"
    monkeypatch.setattr(plan, "plan", lambda quick, only: [plan.NormCase("gated", 65537, 1)])
    assert main(["gpu", "--prepare", str(tmp_path / "bad")]) == 1
    assert "--norm dim=65537" in capsys.readouterr().err


def test_no_compiler(tmp_path, capsys):
    assert main(["gpu", "--prepare", str(tmp_path), "--compiler", "no-such-compiler"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "basin.bench gpu: error: no-such-compiler: not found; name it with --compiler"
    ]


def test_without_a_device(prepared, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["gpu", "--objects", str(prepared)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == command.NO_DEVICE and out[0].startswith("| kernel (sm_90a) |")
    monkeypatch.setattr(plan, "plan", lambda quick, only: CASES[:1])
    assert main(["gpu"]) == 0, "without --objects, preparing is all there is to do"
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == command.NO_DEVICE and "1 kernels for sm_90a" in out[0]


def test_render(tmp_path, capsys):
    path = tmp_path / "r.jsonl"
    assert main(["gpu", "--render", "--json", str(path)]) == 1
    assert "expected a file of results by --json" in capsys.readouterr().err
    file = records.Records(path)
    file.start({"gpu": "G", "objects": "1"})
    sample = {"seconds": 1e-3, "warm": None, "call": None}
    key = plan.NormCase("rms", 1024, plan.MAIN_ROWS).key
    file.add(key, times={"basin": sample}, errors={}, failed={})
    text = tmp_path / "tables.md"
    assert main(["gpu", "--render", "--json", str(path), "--markdown", str(text)]) == 0
    assert "| rms, 1024 | 1000.0 |" in text.read_text()
    assert capsys.readouterr().out.strip() == text.read_text().strip()


# Processes


def run_worker(folder, monkeypatch, cases, *options):
    """The worker's own body, on the CPU with stand-ins for kernels and timer."""
    monkeypatch.setattr(plan, "plan", lambda quick, only: cases)
    monkeypatch.setattr(timing, "CudaTimer", lambda flush, graphs: Timer())
    monkeypatch.setattr(worker, "Setup", partial(Setup, device="cpu", triton=False))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a stand-in")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(
        objects.Objects, "kernel", lambda self, k: SimpleNamespace(launch=launcher(k))
    )
    path = folder / "out" / "r.jsonl"
    arguments = ["--worker", "--objects", str(folder), "--json", str(path), *options]
    return main(["gpu", *arguments]), path


def test_worker(prepared, monkeypatch, capsys):
    status, path = run_worker(prepared, monkeypatch, CASES, "--compile-mode", "none")
    assert status == 0, capsys.readouterr().err
    done = records.Records(path)
    assert done.machine["gpu"] == "a stand-in" and done.machine["torch"] == torch.__version__
    assert list(done.results) == [case.key for case in CASES]
    assert all("basin" in result["times"] for result in done.results.values())
    assert f"{len(CASES)} of {len(CASES)} cases measured; 0 left" in capsys.readouterr().out
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "another")
    assert main(["gpu", "--worker", "--objects", str(prepared), "--json", str(path)]) == 1
    assert "results of gpu a stand-in, but this is another" in capsys.readouterr().err


def test_worker_says_that_the_device_is_lost(prepared, monkeypatch, tmp_path):
    def lost(*arguments):
        raise driver.BrokenDevice("illegal")

    monkeypatch.setattr(driver, "run", lost)
    status, _ = run_worker(prepared, monkeypatch, CASES)
    assert status == supervisor.BROKEN


def test_the_workers_command_is_understood(tmp_path):
    options = command._parser().parse_args(
        ["--quick", "--only", "norms", "--no-flush", "--no-graphs", "--compile-mode", "default"]
    )
    line = command._worker(options, tmp_path, tmp_path / "r.jsonl", 12.5)
    assert line[1:4] == ["-m", "basin.bench", "gpu"]
    again = command._parser().parse_args(line[4:])
    for name in ("quick", "only", "no_flush", "no_graphs", "compile_mode"):
        assert getattr(again, name) == getattr(options, name)
    assert again.worker and again.budget == 12.5 and again.objects == tmp_path


WORKER = """
import os, sys, time
from pathlib import Path
from basin.bench.gpu.records import Records
records = Records(Path(sys.argv[1]))
for key in sys.argv[2].split(","):
    if key in records.results:
        continue
    if key == "unbegun":
        sys.exit(9)
    if key == "refused":
        sys.exit(1)
    records.begin(key)
    if key == "raise":
        1 / 0
    if key == "crash":
        os.abort()
    if key == "hang":
        time.sleep(100)
    records.add(key, times={}, errors={}, failed={})
    if key == "broken":
        sys.exit(3)
"""


def supervise(path, keys, **more):
    lefts = []

    def line(left):
        lefts.append(left)
        return [sys.executable, "-c", WORKER, str(path), keys]

    return supervisor.supervise(line, path, **more), lefts


def test_the_rest_goes_on_after_a_crash_a_hang_and_a_lost_device(tmp_path):
    path = tmp_path / "r.jsonl"
    keys = "a,crash,b,broken,hang,raise,c"
    status, lefts = supervise(path, keys, stall=4, budget=100)
    done = records.Records(path)
    assert status == 0 and ",".join(done.results) == keys
    assert done.results["crash"]["failed"] == {"case": "the process ended with status -6"}
    assert done.results["hang"]["failed"] == {"case": "no result after 4 s"}
    assert done.results["raise"]["failed"] == {"case": "the process ended with status 1"}
    assert not done.results["c"]["failed"] and len(lefts) == 5
    assert 100 >= lefts[0] > lefts[1] > lefts[2] > lefts[3] > lefts[4] > 0


def test_what_cannot_begin_is_given_up(tmp_path):
    path = tmp_path / "r.jsonl"
    records.Records(path).begin("left by an earlier run")
    with pytest.raises(records.RecordsError, match=r"before its first case \(status 9\)"):
        supervise(path, "unbegun")
    assert not records.Records(path).results
    assert supervise(tmp_path / "s.jsonl", "refused")[0] == 1


def test_the_budget_ends_a_worker_that_does_not_keep_it(tmp_path):
    path = tmp_path / "r.jsonl"
    status, lefts = supervise(path, "hang", budget=3, grace=0.5)
    assert status == 0 and len(lefts) == 1
    assert records.Records(path).begun == "hang", "it is no failure of the case, and tried again"


def test_documentation_has_the_tables_of_the_bench():
    lines = (ROOT / "docs" / "performance.md").read_text().splitlines()
    shown = report.markdown({}).splitlines()
    heads = [line for line, rule in zip(shown, shown[1:]) if rule.startswith("| ---")]
    assert len(heads) == 6
    for head in heads + [line for line in shown if line.startswith("### ")]:
        assert head in lines, "put the tables of `basin.bench gpu --render` there"
