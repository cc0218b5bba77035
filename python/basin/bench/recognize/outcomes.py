"""Compares what was found in each export with what its case computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from basin.bench.recognize.cases import Case
from basin.bench.recognize.matrix import Matrix
from basin.bench.recognize.peers import PEERS
from basin.bench.recognize.stages import KINDS

# How transformers says that a model has no such attention: no failure of anybody.
UNSUPPORTED = "does not support an attention implementation"
# Largest difference of results that still counts as the same, relative to the largest value.
TOLERANCE = {"f32": 1e-3, "f16": 2e-2, "bf16": 1e-1}


@dataclass
class Outcome:
    """One file: what it computes, what was found, and what stands in between."""

    subject: str
    case: Case
    expected: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    reasons: list[list[Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    # Why the operators were not compared with their meaning.
    unverified: str = ""
    # Why there is nothing to compare: the exporter's error, or Basin's.
    export_error: str = ""
    error: str = ""
    # What ONNX Runtime says where the export does not run, or computes something else than torch.
    broken: str = ""
    peers: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def missing(self) -> dict[str, int]:
        """How many of each kind were not found."""
        pairs = ((k, self.expected[k] - self.found.get(k, 0)) for k in self.expected)
        return {kind: number for kind, number in pairs if number > 0}

    @property
    def more(self) -> dict[str, int]:
        """How many more of each kind were found than there are."""
        pairs = ((k, self.found[k] - self.expected.get(k, 0)) for k in self.found)
        return {kind: number for kind, number in pairs if number > 0}

    @property
    def false(self) -> int:
        """Operators found that are not there, or that compute something else."""
        return sum(self.more.values()) + len(self.wrong)

    def matched(self, kinds: tuple[str, ...]) -> tuple[int, int]:
        """How many of some kinds were found, and how many there are."""
        found = sum(min(self.found.get(k, 0), self.expected[k]) for k in kinds)
        return found, sum(self.expected[k] for k in kinds)

    def peer_matched(self, peer: str, kinds: tuple[str, ...]) -> int:
        """How many of some kinds a peer fused; none if its result is another than the export's."""
        row = self.peers.get(peer, {})
        if "found" not in row or self.peer_fault(peer):
            return 0
        return sum(min(row["found"][k], self.expected[k]) for k in kinds)

    def peer_fault(self, peer: str) -> str:
        """What is wrong with a peer's result, if anything is."""
        row = self.peers.get(peer, {})
        if "error" in row:
            return f"error: {row['error']}"
        if "does_not_run" in row:
            return f"its result does not run: {row['does_not_run']}"
        if row.get("distance", 0.0) > TOLERANCE[self.case.dtype]:
            return f"its result differs by {row['distance']:.2g}"
        return ""


def outcome(matrix: Matrix, case: Case, tool: str = "") -> Outcome | None:
    """The outcome of a case, or of a tool's copy of it; None where it was not tried."""
    subject = f"{case.id}@{tool}" if tool else case.id
    exported = matrix.row("export", case.id)
    if exported is None:
        return None
    if "error" in exported:
        return None if tool else Outcome(subject, case, export_error=exported["error"])
    result = Outcome(subject, case, {kind: exported["expected"][kind] for kind in KINDS})
    result.broken = _broken(matrix, case)
    inspected = matrix.row("inspect", subject)
    if inspected is None:
        return None
    if "error" in inspected:
        result.error = inspected["error"]
    else:
        result.found, result.reasons = inspected["found"], inspected["reasons"]
    verified = matrix.row("verify", subject) or {}
    result.wrong = verified.get("wrong", [])
    result.unverified = verified.get("error", "" if verified else "it was not tried")
    if not tool:
        rows = {peer: matrix.row("peer", f"{subject}@{peer}") for peer in PEERS}
        result.peers = {peer: row for peer, row in rows.items() if row}
    return result


def _broken(matrix: Matrix, case: Case) -> str:
    """Why the export itself is none to judge by; bfloat16 has no kernels in the runtime."""
    row = matrix.row("run", case.id)
    if row is None or case.dtype == "bf16":
        return ""
    if "error" in row:
        return str(row["error"])
    if row["distance"] > TOLERANCE[case.dtype]:
        return f"in ONNX Runtime it computes something else than in torch, by {row['distance']:.2g}"
    return ""


def outcomes(matrix: Matrix, cases: list[Case], tool: str = "") -> list[Outcome]:
    """The outcomes of cases, or of a tool's copies of them."""
    return [one for case in cases if (one := outcome(matrix, case, tool))]
