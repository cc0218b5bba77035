"""What quantization does to a model, and what rewrites before it change.

python -m basin.bench quantize MODEL --data FILE [--same-data] [--sequences N] [--json FILE]
       [--parts schemes residual planted rotated peers] [--schemes NAME...] [--no-smooth]

Each row is a target, and each column treatments of the model before it: the mean KL to the original
in nats, with its standard error over sequences. Scales are calibrated on the first half of the
sequences and figures are of the other half; with --same-data all sequences serve for both, as in
many published tables. `planted` multiplies one channel of each norm by 64 and divides the readers
by it, which computes the same. `rotated` multiplies the stream by a Hadamard matrix. `peers` are
ONNX Runtime's own quantizers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from basin import _basin
from basin.analysis.data import Dataset, load
from basin.analysis.feed import vocabulary
from basin.analysis.run import analyze
from basin.bench.rewrite import machine
from basin.errors import AnalysisError
from basin.evaluation import evaluate
from basin.inputs.signature import read_facts
from basin.recommendation.recommend import split
from basin.recommendation.target import Target, parse_target
from basin.recommendation.treatments import (
    Treatment,
    absorb_residual,
    cut_prefix,
    find_treatments,
    smooth_for,
)
from basin.recommendation.trials import Trials

SCHEMES = (
    "int8-static",
    "int8-static-asymmetric",
    "int8-dynamic",
    "int8-token",
    "fp8-static",
    "fp8-block",
    "nvfp4",
    "nvfp4-static",
    "mxfp4",
    "int4-weights",
    "int4-weights-full",
)
RESIDUAL = ("residual=int8", "residual=int8 residual-scale=token", "residual=int16", "residual=fp8")
PLANTED = ("int8-static", "nvfp4")
ROTATED = (
    "int8-static",
    "int8-token",
    "fp8-block",
    "nvfp4",
    "mxfp4",
    "residual=int8",
    "residual=int8 residual-scale=token",
)
PARTS = ("schemes", "residual", "planted", "rotated", "peers")
# The channel that is planted, and the exponent.
_CHANNEL, _EXPONENT = 5, 6


@dataclass(frozen=True)
class Row:
    """One measurement. `error` is the standard error of the mean KL over sequences."""

    part: str
    target: str
    treatments: str
    divergence: float | None
    error: float | None
    agreement: float | None
    largest: float | None
    refused: str = ""


@dataclass(frozen=True)
class Setup:
    """A model, the tokens that calibrate and those that measure, and a folder for files."""

    model: Path
    calibration: Dataset
    data: Dataset
    folder: Path
    schemes: tuple[str, ...] = SCHEMES
    smooths: bool = True


def _sets(
    setup: Setup, part: str, target: Target, found: dict[str, Treatment]
) -> list[list[Treatment]]:
    """The treatments that are tried for a target."""
    prefix = [found["absorb-prefix"]] if "absorb-prefix" in found else []
    if part == "rotated":
        return [[], [Treatment("rotate", "", lambda _: [("rotate", {})])]]
    if part == "residual":
        residual = Treatment("absorb-residual", "", absorb_residual)
        return [[], [residual], *([prefix, [*prefix, residual]] if prefix else [])]
    smooth = []
    if target.quantizes_inputs and setup.smooths:
        smooth = [Treatment("smooth", "", smooth_for(target), target.text)]
    return [[], *([prefix] if prefix else []), *([smooth, [*prefix, *smooth]] if smooth else [])]


def _trials(setup: Setup, part: str, targets: Sequence[str]) -> Iterator[Row]:
    document = analyze(setup.model, setup.calibration, taps=["residual"], batch=1).document()
    treatments, _ = find_treatments(parse_target(RESIDUAL[0]), document, setup.calibration)
    found = {one.name: one for one in treatments}
    shared = Trials(
        setup.model,
        parse_target(targets[0]),
        setup.calibration,
        setup.data,
        setup.folder,
        check=False,
    )
    for text in targets:
        target = parse_target(text)
        trials = shared.with_target(target)
        for chosen in _sets(setup, part, target, found):
            one = trials.run(chosen)
            yield Row(
                part, text, one.name, one.divergence, one.error, one.agreement, one.largest,
                one.refused,
            )  # fmt: skip


def _planted(setup: Setup) -> Iterator[Row]:
    """An outlier in one channel of each norm, and what smoothing does to it."""
    from basin.testbed.plant import plant_file

    planted = setup.folder / "planted.onnx"
    plant_file(setup.model, planted, _CHANNEL, _EXPONENT)
    for name, model in (("clean", setup.model), ("planted 2^6", planted)):
        other = replace(setup, model=model)
        for row in _trials(other, "planted", PLANTED):
            if "prefix" not in row.treatments:
                yield Row(**(asdict(row) | {"treatments": f"{name}, {row.treatments}"}))


def _peers(setup: Setup) -> Iterator[Row]:
    """ONNX Runtime's quantizers on the original, and on the model whose prefix was absorbed."""
    from basin.bench.quantize_peers import PEERS
    from basin.model import load as load_model

    document = analyze(setup.model, setup.calibration, taps=["residual"], batch=1).document()
    treatments, _ = find_treatments(parse_target(RESIDUAL[0]), document, setup.calibration)
    models = {"none": setup.model}
    for treatment in treatments:
        if treatment.name == "absorb-prefix":
            from basin.recommendation.treatments import Context

            made = treatment.make(Context(setup.model, setup.calibration, setup.folder))
            model = load_model(setup.model)
            assert not isinstance(made, str)
            model.rewrite(*made)
            models[treatment.name] = setup.folder / "absorbed.onnx"
            model.save(models[treatment.name], "copy")
    for name, quantize in PEERS.items():
        for treated, path in models.items():
            yield _peer(setup, name, quantize, treated, path)


def _peer(setup: Setup, name: str, quantize: Callable[..., None], treated: str, path: Path) -> Row:
    prefix = load_prefix(path)
    target = setup.folder / "peer.onnx"
    try:
        quantize(path, target, cut_prefix(setup.calibration, prefix))
        _, score = evaluate([setup.model, target], setup.data).models
    except Exception as error:  # noqa: BLE001  A peer may fail in any way.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Row("peers", name, treated, None, None, None, None, reason[:200])
    assert score.divergence is not None and score.agreement is not None
    return Row(
        "peers", name, treated, score.divergence.value, score.divergence.error,
        score.agreement.value, score.largest,
    )  # fmt: skip


def load_prefix(path: Path) -> list[int]:
    """The tokens that the model at `path` no longer takes."""
    from basin.model import load as load_model

    found: list[int] = load_model(path).inspect()["prefix"]
    return found


def run(setup: Setup, parts: Sequence[str]) -> Iterator[Row]:
    """All rows of the parts."""
    if "schemes" in parts:
        yield from _trials(setup, "schemes", setup.schemes)
    if "residual" in parts:
        yield from _trials(setup, "residual", RESIDUAL)
    if "planted" in parts:
        yield from _planted(setup)
    if "rotated" in parts:
        yield from _trials(setup, "rotated", ROTATED)
    if "peers" in parts:
        yield from _peers(setup)


def show(row: Row) -> str:
    """One row as a line of the table."""
    if row.refused:
        return f"| {row.target} | {row.treatments} | refused: {row.refused} | | |"
    assert row.divergence is not None
    error = "" if row.error is None else f" ± {row.error:.2g}"
    agreement = "" if row.agreement is None else f"{row.agreement:.3f}"
    largest = "" if row.largest is None else f"{row.largest:.5g}"
    kl = f"{row.divergence:.3g}{error}"
    return f"| {row.target} | {row.treatments} | {kl} | {agreement} | {largest} |"


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m basin.bench quantize",
        description="measure what quantization does to a model, and what rewrites before it change",
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="token ids (.npz, .npy, .jsonl)")
    parser.add_argument("--sequences", type=int, help="how many sequences to read")
    parser.add_argument("--same-data", action="store_true", help="calibrate on what is measured")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--schemes", nargs="+", choices=_basin.list_schemes(), default=SCHEMES)
    parser.add_argument("--no-smooth", action="store_true", help="leave out the search of smooth")
    parser.add_argument("--json", type=Path, help="file to write the rows to, too")
    given = parser.parse_args(arguments)
    try:
        facts = read_facts(given.model)
        data = load(given.data, vocabulary=vocabulary(facts), limit=given.sequences)
        calibration, held_out = (data, data) if given.same_data else split(data)
    except AnalysisError as error:
        print(f"basin: error: {error}", file=sys.stderr)
        return 1
    tokens = sum(len(one) for one in held_out.sequences)
    calibrated = sum(len(one) for one in calibration.sequences)
    print(f"{given.model.name}: {tokens} tokens in {len(held_out.sequences)} sequences, ", end="")
    print("the same for calibration" if given.same_data else f"{calibrated} others to calibrate")
    print("| target | treatment | KL | same top-1 | largest abs(x) |\n|---|---|---|---|---|")
    rows = []
    with tempfile.TemporaryDirectory(prefix="basin-") as folder:
        setup = Setup(
            given.model,
            calibration,
            held_out,
            Path(folder),
            tuple(given.schemes),
            not given.no_smooth,
        )
        for row in run(setup, given.parts):
            rows.append(row)
            print(show(row), flush=True)
    if given.json is not None:
        document = {
            "machine": machine(),
            "model": given.model.name,
            "rows": [asdict(r) for r in rows],
        }
        given.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return 0


__all__ = ["Row", "Setup", "main", "run", "show"]
