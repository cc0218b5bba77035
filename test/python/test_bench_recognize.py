"""basin.bench recognize: what is counted, how rows are kept, and what the tables say."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnxscript")
basin = pytest.importorskip("basin")
from basin.bench.__main__ import main  # noqa: E402
from basin.bench.recognize import expectations, graphs, mangling, peers, plain, stages  # noqa: E402
from basin.bench.recognize import table as tables  # noqa: E402
from basin.bench.recognize.cases import Case, all_cases, select  # noqa: E402
from basin.bench.recognize.catalog import ARCHS  # noqa: E402
from basin.bench.recognize.counting import count, norm_kind  # noqa: E402
from basin.bench.recognize.isolation import Task, run_all  # noqa: E402
from basin.bench.recognize.matrix import Matrix  # noqa: E402
from basin.bench.recognize.outcomes import Outcome, outcome, outcomes  # noqa: E402
from basin.bench.recognize.records import Records  # noqa: E402


@pytest.mark.parametrize("name", graphs.HAND)
def test_written_graphs(name: str, tmp_path: Path) -> None:
    """They compute what onnx's evaluator says, and are recognized."""
    target = tmp_path / "m.onnx"
    expected = graphs.export(name, target)
    assert expected["attention"] == 2 and expected["layer_norms"] + expected["rms_norms"] == 5
    assert stages.run(target)["distance"] < 1e-5
    inspected = stages.inspect(target)
    for kind, wanted in expected.items():
        assert inspected["found"][kind] == wanted, kind
    assert stages.verify(target)["wrong"] == []


def test_counts_of_plain_models() -> None:
    """Two blocks: the figures follow from how the modules are written."""

    def counted(name: str) -> dict[str, int]:
        model, (values, _) = plain.build(name)
        return count(model.eval(), tuple(values.values())).dict()

    norms = dict(layer_norms=0, rms_norms=5)
    assert counted("torch-llama-complex") == dict(attention=2, rotary=4, **norms)
    assert counted("torch-gpt-fast") == dict(attention=2, rotary=4, **norms)
    assert counted("torch-qk-norm") == dict(attention=2, rotary=4, layer_norms=0, rms_norms=9)
    gpt = dict(attention=2, rotary=0, layer_norms=5, rms_norms=0)
    assert counted("torch-nanogpt-buffer") == counted("torch-nanogpt-sdpa") == gpt
    # Three norms in a decoder's layer, two in an encoder's, and one after each stack.
    assert counted("torch-transformer") == dict(attention=6, rotary=0, layer_norms=12, rms_norms=0)


class Unused(torch.nn.Module):
    """Computes a norm that nothing reads, and a router's softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = torch.nn.LayerNorm(8), torch.nn.RMSNorm(8)

    def forward(self, x):
        self.unused(x)
        return self.used(x) * torch.softmax(x, -1)


def test_only_what_the_outputs_need_counts() -> None:
    counted = count(Unused(), (torch.randn(2, 3, 8),)).dict()
    assert counted == dict(attention=0, layer_norms=1, rms_norms=0, rotary=0)


class Gated(torch.nn.Module):
    """A norm times a gate, as in mixers of another kind."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(8))

    def forward(self, x, gate=None):
        root = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        return self.weight * root * torch.sigmoid(gate)


class UsesGated(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = Gated()

    def forward(self, x):
        return self.norm(x, gate=x)


def test_a_norm_with_a_gate_counts() -> None:
    counted = count(UsesGated(), (torch.randn(2, 3, 8),)).dict()
    assert counted == dict(attention=0, layer_norms=0, rms_norms=1, rotary=0)


def test_norms_are_told_apart_by_what_they_do() -> None:
    x = torch.randn(2, 3, 8)
    assert norm_kind(plain.Root(8), x) == "rms_norms"
    assert norm_kind(torch.nn.LayerNorm(8), x) == "layer_norms"
    assert norm_kind(torch.nn.Identity(), x) is None
    assert norm_kind(torch.nn.Tanh(), x) is None
    assert norm_kind(torch.nn.Softmax(-1), x) is None
    assert norm_kind(torch.nn.GroupNorm(1, 3), x) is None, "its rows are not of the last axis"


def test_names_of_cases_are_their_own() -> None:
    cases = all_cases()
    assert len({case.id for case in cases}) == len(cases) > 600
    assert len(ARCHS) > 120
    assert [case.id for case in select("hand-paddle-l")] == ["hand-paddle-llama,written,hand15,f32"]
    small = expectations.subset(cases)
    assert 50 < len(small) < 80 and {case.arch for case in small} >= set(expectations.SCRIPT)


def test_processes_fail_alone() -> None:
    """A crash, an exception, a process that takes too long, and one that does well."""

    def crash() -> dict:
        os.abort()

    def fail() -> dict:
        raise ValueError("no such\nthing")

    def wait() -> dict:
        time.sleep(60)
        return {}

    def greedy() -> dict:
        return {"size": len(b"1" * 10**9)}

    results: dict[str, dict] = {}
    functions = dict(crash=crash, fail=fail, wait=wait, greedy=greedy, good=lambda: {"figure": 3})
    tasks = [
        Task(name, function, lambda result, name=name: results.update({name: result}), 1.0)
        for name, function in functions.items()
    ]
    began = time.monotonic()
    run_all(tasks, 2, 500 * 10**6)
    assert time.monotonic() - began < 20
    assert results["crash"]["error"] == "its process ended by SIGABRT"
    assert results["fail"]["error"] == "ValueError: no such thing"
    assert results["wait"]["error"] == "it took more than 1 s"
    assert results["greedy"]["error"] == "it ran out of the memory that a case may take"
    assert results["good"]["figure"] == 3


def test_rows_are_kept_and_a_torn_one_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    records = Records(path)
    records.add("export", "a", "key 1", {"bytes": 3})
    records.add("export", "a", "key 2", {"bytes": 4})
    with path.open("a") as file:
        file.write('{"stage": "export", "subj')
    again = Records(path)
    assert again.get("export", "a", "key 1") is None
    assert again.get("export", "a", "key 2")["bytes"] == again.get("export", "a")["bytes"] == 4


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases, said = select("hand-paddle-ernie"), []
    matrix = Matrix(tmp_path, mangle=True, peers=True, say=said.append)
    matrix.run(cases, 2)
    assert [text.split()[0] for text in said[:2]] == ["export", "run"]
    assert {text.split()[0] for text in said} == {
        "export", "run", "mangle", "inspect", "verify", "peer",
    }  # fmt: skip
    said.clear()
    again = Matrix(tmp_path, mangle=True, peers=True, say=said.append)
    again.run(cases, 2)
    assert said == []
    monkeypatch.setattr(stages, "basin_digest", lambda: "another build")
    again.run(cases, 2)
    assert {text.split()[0] for text in said} == {"inspect", "verify"}
    rows = outcomes(again, cases)
    assert "| hand-paddle-ernie | 1 | 2/2 | 5/5 |  |" in tables.by_architecture(rows)
    copies = tables.by_tool(again, cases)
    for tool, (package, _) in mangling.TOOLS.items():
        made = again.path(f"{cases[0].id}@{tool}").exists()
        assert made or f"1: {package} is not installed" in copies, tool
    assert "| ort2 | 1 | 1 of 1 | 2/2 | 5/5 |  |" in copies


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """A few quick exports, run by the command."""
    folder = tmp_path_factory.mktemp("matrix")
    for pattern in (
        "llama,eager,script17,f32",
        "torch-gated,sdpa,script17,f32",
        "bert,eager,script17,f32",
    ):
        assert main(["recognize", "--out", str(folder), "--only", pattern, "--no-verify"]) == 0
    return Matrix(folder)


@pytest.mark.parametrize(
    "name, counts",
    [
        ("llama,eager,script17,f32", dict(attention=2, layer_norms=0, rms_norms=5, rotary=4)),
        ("bert,eager,script17,f32", dict(attention=2, layer_norms=5, rms_norms=0, rotary=0)),
        ("torch-gated,sdpa,script17,f32",
         dict(attention=2, layer_norms=0, rms_norms=5, rotary=4)),
    ],
)  # fmt: skip
def test_exports_are_recognized(exported: Matrix, name: str, counts: dict) -> None:
    case = next(case for case in all_cases() if case.id == name)
    one = outcome(exported, case)
    assert one.expected == counts == one.found
    assert not one.broken and not one.false


def test_the_command_prints_tables(exported: Matrix, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recognize", "--out", str(exported.folder), "--table"]) == 0
    text = capsys.readouterr().out
    assert "| llama | 1 | 2/2 | 5/5 | 4/4 |  |  |" in text
    assert "| script 17, eager, f32 |" in text


def made(found: int, **changes) -> Outcome:
    """An outcome of a case with two attentions and five norms."""
    counts = dict(attention=2, layer_norms=0, rms_norms=5, rotary=4)
    values = dict(expected=counts, found=counts | dict(attention=found)) | changes
    return Outcome("llama", Case("llama"), **values)


def test_tables_say_why() -> None:
    miss = made(0, reasons=[["Softmax", "it has two | masks", 2]])
    text = tables.by_architecture([made(2), miss])
    assert "| llama | 2 | 2/4 | 10/10 | 8/8 |  | Softmax: it has two \\| masks |" in text
    assert "- Softmax: it has two | masks (1)\n    - llama: attention 0/2" in tables.misses([miss])
    more = made(3)
    assert more.false == 1 and "| 2/2 | 5/5 | 4/4 | 1 |" in tables.by_architecture([more])
    refused = Outcome("llama", Case("llama"), export_error="no such operator")
    assert "| llama | 0 |  |  |  |  | not exported: no such operator |" in tables.by_architecture(
        [refused]
    )
    broken = made(0, broken="it does not run", error="no types")
    assert "| llama | 1 + 1 broken | 2/2 | 5/5 | 4/4 |  |  |" in tables.by_architecture(
        [broken, made(2)]
    )
    assert "- llama: it does not run" in tables.misses([broken])


def test_a_peers_wrong_result_is_no_recognition() -> None:
    fused = dict(attention=2, layer_norms=0, rms_norms=5, rotary=0)
    rows = {"ort-transformers": dict(found=fused, distance=0.5),
            "onnxscript": dict(found=fused, distance=1e-6)}  # fmt: skip
    one = made(2, peers=rows)
    assert one.peer_matched("onnxscript", ("attention",)) == 2
    assert one.peer_matched("ort-transformers", ("attention",)) == 0
    text = tables.summary([one])
    assert "| ONNX Runtime | 1 | 0/2 | 0/5 | 0/4 | 0 | 1 | 0 |" in text
    assert "| onnxscript | 1 | 2/2 | 5/5 | 0/4 | 0 | 0 | 0 |" in text


def test_fused_operators_are_counted() -> None:
    ms = dict(domain="com.microsoft")
    nodes = [
        helper.make_node("GroupQueryAttention", ["a"], ["b"], do_rotary=1, **ms),
        helper.make_node("GroupQueryAttention", ["b"], ["c"], do_rotary=0, **ms),
        helper.make_node("RotaryEmbedding", ["c"], ["d"], **ms),
        helper.make_node("SkipLayerNormalization", ["d"], ["e"], **ms),
        helper.make_node("SimplifiedLayerNormalization", ["e"], ["f"]),
    ]
    counts = peers.fused_counts(helper.make_model(helper.make_graph(nodes, "g", [], [])))
    assert counts == dict(attention=2, layer_norms=1, rms_norms=1, rotary=3)
    assert peers.model_types("t5") == ["t5"] and peers.model_types("vit") == ["vit"]


def test_the_check_fails_below_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "expectations.json"
    expectations.record([made(2)], path)
    assert json.loads(path.read_text())["llama,eager,script17,f32"]["attention"] == 2
    assert expectations.below([made(2)], path) == []
    (fallen,) = expectations.below([made(1)], path)
    assert fallen.endswith("expected at least 2 attention, but got 1")
    (false,) = expectations.below([made(2, wrong=["attention a: differs"])], path)
    assert "expected at most 0 false, but got 1: attention a: differs" in false
    (gone,) = expectations.below([], path)
    assert gone.endswith("it was not run")
    (failed,) = expectations.below([made(2, error="it crashed")], path)
    assert failed.endswith("it crashed")


def test_recorded_expectations_are_of_the_check() -> None:
    names = {case.id for case in expectations.subset(all_cases())}
    recorded = json.loads(expectations.FILE.read_text())
    assert set(recorded) <= names and len(recorded) > 50
    assert list(recorded) == sorted(recorded)


def test_an_export_that_runs_otherwise_is_broken(tmp_path: Path) -> None:
    """A model whose recorded results are not its own is none to judge by."""
    target = tmp_path / "m.onnx"
    graphs.export("hand-paddle-vit", target)
    with np.load(target.with_suffix(".npz")) as file:
        stored = dict(file)
    np.savez(target.with_suffix(".npz"), **stored | {"out.0": stored["out.0"] + 1})
    assert stages.run(target)["distance"] > 0.1
