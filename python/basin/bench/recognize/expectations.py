"""The quick check: a fixed part of the matrix, compared with counts that an earlier run recorded.

The file is written by `--record` from a run, never by hand. A case falls below it if fewer
operators are found, if more are false, or if it is no longer exported or inspected.
"""

from __future__ import annotations

import json
from pathlib import Path

from basin.bench.recognize.cases import Case
from basin.bench.recognize.outcomes import Outcome

FILE = Path(__file__).with_name("expectations.json")
SCRIPT = (
    "llama qwen3 gemma2 gemma3 phi phi3 gpt2 gptj gpt_neox bloom opt mpt olmo2 granite mixtral "
    "gpt_oss deepseek_v3 stablelm persimmon nemotron codegen bert roberta albert deberta "
    "deberta-v2 mpnet distilbert esm roformer modernbert xlnet t5 bart whisper vit swin swinv2 "
    "clip siglip dinov2 beit wav2vec2 wav2vec2-conformer mamba torch-nanogpt-buffer "
    "torch-llama-pairs torch-einsum torch-transformer torch-mha-weights"
).split()
DYNAMO = "llama gpt2 bert t5 torch-gpt-fast".split()


def subset(cases: list[Case]) -> list[Case]:
    """The cases of the check."""
    chosen = []
    for case in cases:
        plain = case.dtype == "f32" and not case.cache and case.experts != "eager"
        script = (case.exporter, case.opset) == ("script", 17) and case.arch in SCRIPT
        dynamo = (case.exporter, case.opset) == ("dynamo", 18) and case.arch in DYNAMO
        written = case.exporter == "hand"
        eager = case.attention == "eager" or case.arch.startswith("torch-")
        if plain and (written or (script and eager) or (dynamo and case.attention == "sdpa")):
            chosen.append(case)
    return chosen


def record(rows: list[Outcome], path: Path = FILE) -> None:
    """Write what was found; cases without an export are left out."""
    found = {
        one.case.id: {**one.found, "false": one.false}
        for one in rows
        if not one.export_error and not one.error
    }
    lines = [f" {json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def below(rows: list[Outcome], path: Path = FILE) -> list[str]:
    """What has become worse, a line for each."""
    wanted = json.loads(path.read_text())
    present = {one.case.id: one for one in rows}
    worse = []
    for name, counts in wanted.items():
        one = present.get(name)
        if one is None:
            worse.append(f"{name}: it was not run")
        elif one.export_error or one.error:
            worse.append(f"{name}: {one.export_error or one.error}")
        else:
            worse += _fallen(name, counts, one)
    return worse


def _fallen(name: str, counts: dict[str, int], one: Outcome) -> list[str]:
    worse = [
        f"{name}: expected at least {counts[kind]} {kind}, but got {one.found.get(kind, 0)}"
        for kind in one.expected
        if one.found.get(kind, 0) < counts[kind]
    ]
    if one.false > counts["false"]:
        what = "; ".join(one.wrong) or ", ".join(f"{n} more {k}" for k, n in one.more.items())
        worse.append(
            f"{name}: expected at most {counts['false']} false, but got {one.false}: {what}"
        )
    return worse
