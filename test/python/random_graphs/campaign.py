"""Draw graphs, check them in worker processes, shrink what fails, count.

A worker announces each seed before it works on it, so that the graph is known if the worker dies.
Graph number i of a campaign has seed `seed + i`, and is the same on every machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx

from . import attention, blocks, fused, gates, norms, rotary
from .builder import Builder

KINDS = {
    "attention": attention.graph,
    "blocks": blocks.graph,
    "norms": norms.graph,
    "rotary": rotary.graph,
    "fused": fused.graph,
    "gates": gates.graph,
}
# Blocks and attention come most often, because they vary most.
ORDER = ("attention", "blocks", "norms", "blocks", "attention", "rotary", "fused", "blocks",
         "attention", "norms", "gates", "blocks")  # fmt: skip
OPSETS = (13, 14, 17, 17, 18, 19, 21, 23)
TIMEOUT = 60


def kind_of(seed: int) -> str:
    """Which family a seed draws from."""
    return ORDER[seed % len(ORDER)]


def draw(seed: int) -> onnx.ModelProto:
    """The graph of a seed."""
    rng = np.random.default_rng(seed)
    b = Builder(rng, int(rng.choice(OPSETS)))
    KINDS[kind_of(seed)](b)
    return b.model()


@dataclass
class Campaign:
    """Counts of a run; `found` has a line for each failure."""

    drawn: Counter = field(default_factory=Counter)
    valid: Counter = field(default_factory=Counter)
    counts: Counter = field(default_factory=Counter)
    failures: Counter = field(default_factory=Counter)
    found: list[dict] = field(default_factory=list)
    seconds: float = 0.0


def work(first: int, stop: int) -> None:
    """A worker: check seeds and print a JSON line for each."""
    from .checks import check_model

    for seed in range(first, stop):
        print(json.dumps({"start": seed}), flush=True)
        outcome = check_model(draw(seed), seed)
        line = {
            "seed": seed,
            "valid": outcome.valid,
            "counts": outcome.counts,
            "failures": [[f.kind, f.detail] for f in outcome.failures],
        }
        print(json.dumps(line), flush=True)


HERE = Path(__file__).resolve().parents[1]


def _command(*arguments: str) -> dict:
    """Popen's arguments for this package as a process, with the path that this one has."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(HERE), *map(_absolute, sys.path)])
    }
    return {"args": [sys.executable, "-m", "random_graphs", *arguments], "env": environment}


def _absolute(path: str) -> str:
    return os.path.abspath(path)


def _start(first: int, stop: int) -> subprocess.Popen:
    command = _command("--worker", str(first), str(stop))
    return subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def run(seed: int, count: int, progress: int = 0) -> Campaign:
    """Check `count` graphs from `seed` on."""
    campaign, at, stop, begun = Campaign(), seed, seed + count, time.monotonic()
    while at < stop:
        worker = _start(at, stop)
        assert worker.stdout is not None
        current = None
        for text in worker.stdout:
            line = json.loads(text)
            if "start" in line:
                current = line["start"]
                continue
            _count(campaign, line)
            at, current = line["seed"] + 1, None
            if progress and (at - seed) % progress == 0:
                _report_progress(campaign, at - seed, time.monotonic() - begun)
        status = worker.wait()
        if current is not None:
            failure = ["crash", f"exit status {status}"]
            _count(campaign, {"seed": current, "valid": True, "counts": {}, "failures": [failure]})
            at = current + 1
        elif at < stop:
            raise RuntimeError(f"a worker ended with status {status} before it checked a graph")
    campaign.seconds = time.monotonic() - begun
    return campaign


def _report_progress(campaign: Campaign, done: int, seconds: float) -> None:
    failures = sum(campaign.failures.values())
    print(f"{done} graphs, {done / seconds:.0f}/s, {failures} failures", file=sys.stderr)


def _count(campaign: Campaign, line: dict) -> None:
    kind = kind_of(line["seed"])
    campaign.drawn[kind] += 1
    campaign.valid[kind] += bool(line["valid"])
    campaign.counts.update(line["counts"])
    for what, detail in line["failures"]:
        campaign.failures[what] += 1
        campaign.found.append({"seed": line["seed"], "graph": kind, "kind": what, "detail": detail})


def fails_like(kind: str, seed: int):
    """A function that says whether a model fails in that way. Crashes happen in a child."""
    from .checks import check_model

    def fails(model: onnx.ModelProto) -> bool:
        if kind == "crash":
            return _crashes(model)
        return any(f.kind == kind for f in check_model(model, seed, only=kind).failures)

    return fails


def _crashes(model: onnx.ModelProto) -> bool:
    done = subprocess.run(
        **_command("--check", "-"),
        input=model.SerializeToString(),
        capture_output=True,
        timeout=TIMEOUT,
    )
    return done.returncode < 0


def save_shrunk(campaign: Campaign, out: Path, each: int) -> None:
    """Write up to `each` shrunk models of each kind of failure below `out`."""
    from .shrink import shrink

    done: Counter = Counter()
    for entry in campaign.found:
        kind = entry["kind"]
        if done[kind] >= each:
            continue
        done[kind] += 1
        folder = out / kind.replace(" ", "-").replace(",", "")
        folder.mkdir(parents=True, exist_ok=True)
        model = draw(entry["seed"])
        small = shrink(model, fails_like(kind, entry["seed"]))
        onnx.save(small, folder / f"{entry['graph']}-{entry['seed']}.onnx")
        entry["shrunk"] = len(small.graph.node)


def describe(campaign: Campaign) -> str:
    """The counts as text."""
    lines = []
    for kind in KINDS:
        if campaign.drawn[kind]:
            lines.append(f"{kind}: {campaign.drawn[kind]} drawn, {campaign.valid[kind]} valid")
    lines.append(
        f"all: {sum(campaign.drawn.values())} drawn, {sum(campaign.valid.values())} valid, "
        f"{campaign.seconds:.0f} s"
    )
    lines += [f"  {n:6} {what}" for what, n in sorted(campaign.counts.items())]
    lines.append(f"failures: {sum(campaign.failures.values())}")
    lines += [f"  {n:6} {what}" for what, n in campaign.failures.most_common()]
    return "\n".join(lines)
