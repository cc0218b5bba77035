"""The paper's tables in small: variants of one decoder, trained alike and measured alike.

Each variant has as many parameters as the baseline, as nearly as the width of its feed-forward
allows. A run trains one variant with one seed, measures its outliers, exports it, and quantizes it
as the paper does: W8A8 is `fp8-block`, W4A4 is `nvfp4`, each as it is and smoothed. A finished run
is a line of a JSON lines file, from which the tables are rendered, and is not done again.
Unfinished ones go on from their checkpoints.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from basin.analysis.data import Dataset
from basin.recommendation.target import parse_target
from basin.recommendation.treatments import (
    Context,
    Treatment,
    absorb_residual,
    find_treatments,
    measure_streams,
    smooth_for,
)
from basin.recommendation.trials import Trials
from basin.testbed import train
from basin.testbed.config import ModelConfig, TrainConfig
from basin.testbed.data import TextTask
from basin.testbed.export import export
from basin.testbed.measure import SINK_EPS
from basin.testbed.model import Decoder

__all__ = ["VARIANTS", "fit_width", "read_results", "run_all", "run_one"]

VARIANTS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "GA": {"attention": "gated"},
    "GA, elements": {"attention": "gated", "attention_gate": "element"},
    "PreAffine": {"norm": "pre_affine"},
    "GatedNorm": {"norm": "gated"},
    "GA + PreAffine": {"attention": "gated", "norm": "pre_affine"},
    "GA + GatedNorm": {"attention": "gated", "norm": "gated"},
    "GA + GatedNorm + GLU": {"attention": "gated", "norm": "gated", "ffn": "glu"},
    "DyT": {"norm": "dyt"},
    "DyT + GA": {"norm": "dyt", "attention": "gated"},
    "GatedDyT + GA": {"norm": "gated_dyt", "attention": "gated"},
    "Derf": {"norm": "derf"},
    "GLU": {"ffn": "glu"},
    "GA + GLU": {"attention": "gated", "ffn": "glu"},
    "clip 10": {"clip": 10.0},
    "clip 100": {"clip": 100.0},
    "clip 1000": {"clip": 1000.0},
    "GA + clip 10": {"attention": "gated", "clip": 10.0},
    "sink logits": {"attention": "sink_logit"},
    "sink keys and values": {"attention": "sink_kv"},
    "sink tokens": {"attention": "sink_tokens"},
}
# Sequences that scales are calibrated on, and those that are measured.
_CALIBRATION, _MEASURED = 16, 32
_SCHEMES = {"W8A8": "fp8-block", "W4A4": "nvfp4"}


def _count(config: ModelConfig) -> int:
    with torch.device("meta"):
        return sum(one.numel() for one in Decoder(config).parameters())


def fit_width(config: ModelConfig, wanted: int) -> ModelConfig:
    """The configuration with the width of the feed-forward for which the number of parameters is
    nearest to `wanted`.
    """
    narrowest = _count(replace(config, ffn_width=1))
    each = _count(replace(config, ffn_width=2)) - narrowest
    width = max(1, 1 + round((wanted - narrowest) / each))
    return replace(config, ffn_width=width)


def _divergence(trials: Trials, treatments: list[Treatment]) -> dict[str, Any]:
    one = trials.run(treatments)
    return {"kl": one.divergence, "error": one.error, "perplexity": one.perplexity,
            "refused": one.refused}  # fmt: skip


def _quantize(path: Path, sequences: Sequence[np.ndarray], rewrites: bool) -> dict[str, Any]:
    """The KL of quantized models to the exported one, and of rewritten ones if asked for."""
    calibration = Dataset(list(sequences[:_CALIBRATION]), "text", "tokens")
    data = Dataset(list(sequences[_CALIBRATION:]), "text", "tokens")
    out: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="basin-") as name:
        folder = Path(name)
        target = parse_target("nvfp4")
        shared = Trials(path, target, calibration, data, folder, check=False)
        document = measure_streams(Context(path, calibration, folder))
        found = {one.name: one for one in find_treatments(target, document, calibration)[0]}
        for label, scheme in _SCHEMES.items():
            target = parse_target(scheme)
            trials = shared.with_target(target)
            smooth = Treatment("smooth", "", smooth_for(target), scheme)
            prefix = [found["absorb-prefix"]] if rewrites else []
            sets = [[], [smooth], *([prefix, [*prefix, smooth]] if prefix else [])]
            for chosen in sets:
                key = " + ".join([label, *(one.name for one in chosen)])
                out[key] = _divergence(trials, chosen)
        if rewrites:
            trials = shared.with_target(parse_target("residual=int8"))
            residual = Treatment("absorb-residual", "", absorb_residual)
            prefix = [found["absorb-prefix"]]
            for chosen in ([], [residual], prefix, [*prefix, residual]):
                key = " + ".join(["residual INT8", *(one.name for one in chosen)])
                out[key] = _divergence(trials, chosen)
    return out


def _weights(model: Decoder) -> dict[str, float]:
    """The extremes of the norms' weights, and of pre-affine vectors if there are any."""
    named = list(model.named_parameters())
    gains = torch.cat([
        p.detach().abs() for n, p in named if "norm" in n and n.endswith("weight") and p.ndim == 1
    ])  # fmt: skip
    found = {"least": gains.min().item(), "largest": gains.max().item()}
    affine = [p.detach().abs().max().item() for n, p in named if n.endswith("pre_affine")]
    return found | ({"pre_affine": max(affine)} if affine else {})


def run_one(
    variant: str,
    seed: int,
    texts: Sequence[Path],
    size: ModelConfig,
    config: TrainConfig,
    folder: Path,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train, measure, export and quantize one variant. Checkpoints are in `folder`.

    A run that diverges has a reason in place of its figures. Raises TestbedError.
    """
    from basin.testbed import TestbedError

    start = time.monotonic()
    wanted = _count(size)
    model = fit_width(replace(size, **VARIANTS[variant]), wanted)
    config = replace(config, seed=seed)
    name = "".join(c if c.isalnum() else "_" for c in f"{variant}-{seed}")
    checkpoint = folder / f"{name}.pt"
    task = TextTask(texts, config.batch, config.seq, seed)
    model = replace(model, vocab=task.vocab)
    line: dict[str, Any] = {
        "variant": variant,
        "seed": seed,
        "hidden": size.hidden,
        "layers": size.layers,
        "steps": config.steps,
        "parameters": _count(model),
    }
    if checkpoint.exists():
        run = train.load(checkpoint, config=config)
    else:
        run = train.start(model, config)
    try:
        train.train(run, task, checkpoint, lambda text: say(f"{variant}, seed {seed}: {text}"))
    except TestbedError as error:
        return line | {"diverged": str(error), "seconds": round(time.monotonic() - start)}
    report = train.probe(run.model, task)
    path = folder / f"{name}.onnx"
    export(run.model, path)
    ids = task.held_out()[0][: _CALIBRATION + _MEASURED]
    quantized = _quantize(path, list(ids), rewrites=variant == "baseline")
    return line | {
        "loss": train.held_out_loss(run.model, task),
        "largest": report["massive"]["largest"],
        "ratio": report["massive"]["ratio"],
        "sink_rate": report["sink_rate"][f"{SINK_EPS}"],
        "first_token_mass": report["first_token_mass"],
        "norm_weights": _weights(run.model),
        "quantized": quantized,
        "torch": torch.__version__,
        "seconds": round(run.seconds + time.monotonic() - start),
    }


def read_results(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of results, none if it does not exist."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def run_all(
    results: Path,
    texts: Sequence[Path],
    size: ModelConfig,
    config: TrainConfig,
    seeds: Iterable[int],
    variants: Sequence[str],
    folder: Path,
    say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """All runs that the file of results does not have yet, seed by seed. Returns all lines."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        for variant in variants:
            key = (variant, seed, size.hidden, size.layers, config.steps)
            done = {
                (one["variant"], one["seed"], one["hidden"], one["layers"], one["steps"])
                for one in read_results(results)
            }
            if key in done:
                continue
            line = run_one(variant, seed, texts, size, config, folder, say)
            with open(results, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(_finite(line)) + "\n")
    return read_results(results)


def _finite(value: Any) -> Any:
    """JSON has no numbers that are not finite."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
