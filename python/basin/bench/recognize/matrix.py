"""Runs the matrix: exports each case, inspects and verifies the file, and keeps the rows."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from basin.bench.recognize import mangling, peers, stages
from basin.bench.recognize.cases import Case
from basin.bench.recognize.isolation import Result, Task, run_all
from basin.bench.recognize.records import Records, Row

# Cases that go through all stages before the next ones begin.
AT_ONCE = 24
MEMORY = 6 * 10**9
SECONDS = {
    "export": 240.0, "run": 60.0, "inspect": 30.0, "verify": 120.0, "mangle": 60.0, "peer": 120.0,
}  # fmt: skip


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass
class Matrix:
    """A folder of exports and the rows about them."""

    folder: Path
    verify: bool = True
    mangle: bool = False
    peers: bool = False
    say: Callable[[str], None] = field(default=_print)

    def __post_init__(self) -> None:
        self.models.mkdir(parents=True, exist_ok=True)
        self.records = Records(self.folder / "rows.jsonl")

    @property
    def models(self) -> Path:
        """Where the exports are."""
        return self.folder / "models"

    def path(self, subject: str) -> Path:
        """The file of a case, or of a case and what was done with it."""
        return self.models / f"{subject}.onnx"

    def run(self, cases: list[Case], jobs: int) -> None:
        """Run what is not there yet, all stages of some cases after the other."""
        preload()
        if sum("dynamo" in task.name for task in self._exports(cases)) > 2:
            warm_up()
        for begin in range(0, len(cases), AT_ONCE):
            self._run_some(cases[begin : begin + AT_ONCE], jobs)

    def _run_some(self, cases: list[Case], jobs: int) -> None:
        run_all(self._exports(cases), jobs, MEMORY)
        done = [case for case in cases if self._exported(case)]
        subjects = [case.id for case in done]
        run_all(self._checks("run", subjects, stages.run), jobs, MEMORY)
        if self.mangle:
            run_all(self._copies(done), jobs, MEMORY)
            subjects += [f"{s}@{t}" for s in list(subjects) for t in mangling.TOOLS]
            subjects = [subject for subject in subjects if self.path(subject).exists()]
        run_all(self._checks("inspect", subjects, stages.inspect), jobs, MEMORY)
        if self.verify:
            run_all(self._checks("verify", subjects, stages.verify), jobs, MEMORY)
        if self.peers:
            run_all(self._peers(done), jobs, MEMORY)

    def _keep(self, stage: str, subject: str, key: str) -> Callable[[Result], None]:
        def done(result: Result) -> None:
            row = self.records.add(stage, subject, key, result)
            outcome = row.get("error") or row.get("found") or row.get("expected") or "done"
            self.say(f"{stage} {subject}: {outcome}")

        return done

    def _task(self, stage: str, subject: str, key: str, function: Callable[[], Result]) -> Task:
        return Task(subject, function, self._keep(stage, subject, key), SECONDS[stage])

    def _exported(self, case: Case) -> bool:
        row = self.records.get("export", case.id, stages.export_key(case))
        return row is not None and "error" not in row and self.path(case.id).exists()

    def _exports(self, cases: list[Case]) -> Iterator[Task]:
        for case in cases:
            key, target = stages.export_key(case), self.path(case.id)
            row = self.records.get("export", case.id, key)
            if row and ("error" in row or target.exists()):
                continue
            yield self._task("export", case.id, key, _bind(stages.export, case, target))

    def _checks(
        self, stage: str, subjects: list[str], function: Callable[[Path], Result]
    ) -> Iterator[Task]:
        for subject in subjects:
            key = self.check_key(stage, subject)
            if not self.records.get(stage, subject, key):
                yield self._task(stage, subject, key, _bind(function, self.path(subject)))

    def _copies(self, cases: list[Case]) -> Iterator[Task]:
        for case in cases:
            for tool, (package, _) in mangling.TOOLS.items():
                subject = f"{case.id}@{tool}"
                key = f"{self.file_key(case.id)}; {stages.versions(package)}"
                if self.records.get("mangle", subject, key):
                    continue
                source, target = self.path(case.id), self.path(subject)
                target.unlink(missing_ok=True)
                function = _bind(mangling.mangle, tool, source, target)
                yield self._task("mangle", subject, key, function)

    def _peers(self, cases: list[Case]) -> Iterator[Task]:
        for case in cases:
            for peer in peers.PEERS:
                subject = f"{case.id}@{peer}"
                packages = stages.versions("onnxruntime", "onnxscript")
                key = f"{self.file_key(case.id)}; {packages}"
                if not self.records.get("peer", subject, key):
                    function = _bind(_with_peer, peer, case.arch, self.path(case.id))
                    yield self._task("peer", subject, key, function)

    def file_key(self, subject: str) -> str:
        """Names a file as it is."""
        status = self.path(subject).stat()
        return f"{status.st_size} {status.st_mtime_ns}"

    def check_key(self, stage: str, subject: str) -> str:
        """What a check depends on: the file, and the version of what checks it."""
        if stage == "run":
            return f"{self.file_key(subject)}; {stages.versions('onnxruntime')}"
        return f"{self.file_key(subject)}; basin {stages.basin_digest()}"

    def row(self, stage: str, subject: str) -> Row | None:
        """The last row of a stage and a subject."""
        return self.records.get(stage, subject)


def _bind(function: Callable[..., Result], *args: Any) -> Callable[[], Result]:
    return lambda: function(*args)


def _with_peer(peer: str, arch: str, source: Path) -> Result:
    with tempfile.TemporaryDirectory(prefix="basin-peer-") as folder:
        return peers.recognize(peer, arch, source, Path(folder) / "fused.onnx")


def preload() -> None:
    """Import what all processes need, so that each fork has it."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import onnxruntime  # noqa: F401
    import onnxscript  # noqa: F401
    import torch
    import torch._dynamo  # noqa: F401
    import torch.onnx._internal.exporter._core  # noqa: F401
    import transformers

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for name in ("auto.modeling_auto", "llama.modeling_llama", "bart.modeling_bart"):
        __import__(f"transformers.models.{name}")


def warm_up() -> None:
    """Export a small model by the dynamo exporter, which halves the time of each one after it."""
    from basin.bench.recognize import exporting

    with tempfile.TemporaryDirectory() as folder:
        case = Case("torch-nanogpt-sdpa", "sdpa", "dynamo", 18)
        exporting.export(case, Path(folder) / "warm.onnx")
