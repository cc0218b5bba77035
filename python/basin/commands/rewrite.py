"""`basin rewrite`: a pipeline of passes made of the options, run from file to file."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from basin.commands.reporting import fail, print_remarks
from basin.output.files import find_clash


class Absorb(str, Enum):
    """What `--absorb` moves."""

    residual = "residual"


class Insert(str, Enum):
    """What `--insert` adds."""

    pre_affine = "pre-affine"


class Form(str, Enum):
    """How raised ops are written."""

    original = "original"
    functions = "functions"
    operators_opset23 = "operators:opset23"
    operators_ort = "operators:ort"

    @property
    def rounds(self) -> bool:
        """Whether fused operators compute in another order than the exporter's nodes."""
        return self.value.startswith("operators:")


class Cache(str, Enum):
    """How a cache gets the new keys and values."""

    copy = "copy"
    in_place = "in-place"


class ExternalDataMode(str, Enum):
    """Where tensors go that the input keeps in files of their own."""

    auto = "auto"
    share = "share"
    copy = "copy"
    embed = "embed"


def quoted(value: str) -> str:
    """The path `value` as an option in a textual pipeline: a URI if it has special characters."""
    if re.fullmatch(r"[A-Za-z0-9_./+-]+", value):
        return value
    return Path(value).absolute().as_uri()


def rewrite_pipeline(
    absorb: Absorb | None = None,
    rescale: str | None = None,
    stats: Path | None = None,
    scale_dims: str | None = None,
    insert: Insert | None = None,
    form: Form = Form.original,
    bound: float | None = None,
    strict: bool = False,
    inexact: float | None = None,
    cache: Cache = Cache.copy,
) -> str:
    """The textual pipeline of a rewrite: raise, rewrite, lower."""
    # A residual stream may run through a model's functions: a rewrite needs them inlined.
    rewrites = rescale is not None or absorb is not None or insert is not None
    raising = f"inline-functions={str(rewrites).lower()} strict={str(strict).lower()}"
    passes = [f"basin-raise{{{raising}}}"]
    rounding = f" inexact={inexact!r}" if inexact is not None else ""
    if rescale is not None:
        options = f"k={rescale}"
        if rescale == "auto" and stats is not None:
            options += f" stats={quoted(str(stats))}"
        elif rescale == "auto" and bound is not None:
            options += f" bound={bound}"
        passes.append(f"sink-rescale-residual{{{options}{rounding}}}")
    if absorb is not None:
        options = ""
        if stats is not None:
            options = f"stats={quoted(str(stats))}"
        elif scale_dims is not None:
            options = f"scale-dims={scale_dims}"
        passes.append(f"sink-absorb-residual-sinks{{{(options + rounding).strip()}}}")
    if insert is not None:
        passes.append("sink-insert-pre-affine")
    in_place = " cache=in-place" if cache is Cache.in_place else ""
    passes.append(f"convert-sink-to-onnx{{form={form.value}{in_place}}}")
    return f"builtin.module({','.join(passes)})"


def check_rewrite_options(
    absorb: Absorb | None,
    rescale: str | None,
    stats: Path | None,
    scale_dims: str | None,
    bound: float | None,
    inexact: float | None,
) -> None:
    """Refuse options that the pipeline's own parser would also refuse, but with a worse message."""
    if rescale is not None and not re.fullmatch(r"auto|-?\d{1,3}", rescale):
        fail(f"--rescale-residual: expected a whole number or auto, but got '{rescale}'")
    if stats is not None and scale_dims is not None:
        fail("--stats and --scale-dims both choose the scales: give only one of them")
    if absorb is None and scale_dims is not None:
        fail("--scale-dims needs --absorb residual")
    if absorb is None and rescale != "auto" and stats is not None:
        fail("--stats needs --absorb residual or --rescale-residual auto")
    if bound is not None and rescale != "auto":
        fail("--bound needs --rescale-residual auto")
    if bound is not None and not 0 < bound < float("inf"):
        fail(f"--bound: expected a positive number, but got {bound}")
    if inexact is not None and absorb is None and rescale is None:
        fail("--inexact needs --absorb residual or --rescale-residual")
    if inexact is not None and not 0 < inexact < 1:
        fail(f"--inexact: expected an error between 0 and 1, but got {inexact}")
    if rescale == "auto" and stats is None and bound is None:
        fail("--rescale-residual auto needs --bound or --stats")
    if stats is not None and not stats.is_file():
        fail(f"--stats: no such file: {stats}")
    if scale_dims is not None and not re.fullmatch(r"\d+:[\d.eE+-]+(,\d+:[\d.eE+-]+)*", scale_dims):
        fail(f"--scale-dims: expected DIM:SCALE,..., but got '{scale_dims}'")


def rewrite(
    source: Annotated[Path, typer.Argument(metavar="IN", show_default=False)],
    target: Annotated[Path, typer.Argument(metavar="OUT", show_default=False)],
    absorb: Annotated[
        Absorb | None,
        typer.Option(help="Move residual sinks into a vector before each norm."),
    ] = None,
    rescale: Annotated[
        str | None,
        typer.Option(
            "--rescale-residual", metavar="K|auto", help="Divide the residual stream by 2^K."
        ),
    ] = None,
    stats: Annotated[
        Path | None,
        typer.Option(help="Statistics of basin analyze, which choose the scales."),
    ] = None,
    scale_dims: Annotated[
        str | None,
        typer.Option(metavar="D:S,...", help="Scales by dimension, each a power of two."),
    ] = None,
    insert: Annotated[
        Insert | None,
        typer.Option(help="Add learnable parameters that start as the identity."),
    ] = None,
    bound: Annotated[
        float | None,
        typer.Option(help="Largest |x| of the residual stream, for --rescale-residual auto."),
    ] = None,
    form: Annotated[Form, typer.Option(help="How recognized ops are written.")] = Form.original,
    cache: Annotated[
        Cache,
        typer.Option(
            help="In place, past and present keys are one buffer, for one query or one sequence."
        ),
    ] = Cache.copy,
    external_data: Annotated[
        ExternalDataMode, typer.Option(help="Where weights outside the model file go.")
    ] = ExternalDataMode.auto,
    inexact: Annotated[
        float | None,
        typer.Option(
            metavar="E", help="Let weights be rounded, by at most E, if a scale is not exact."
        ),
    ] = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Keep the result without running both models.")
    ] = False,
    verify_limit: Annotated[
        float, typer.Option(metavar="GB", help="Models above this size are not run for the proof.")
    ] = 2.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a model that states wrong shapes.")
    ] = False,
) -> None:
    """Rewrite the model IN and write it to OUT, if both give the same bits on drawn inputs."""
    from basin.rewriting import rewrite as run_rewrite

    check_rewrite_options(absorb, rescale, stats, scale_dims, bound, inexact)
    if cache is Cache.in_place and form is not Form.operators_ort:
        fail("--cache in-place needs --form operators:ort")
    clash = find_clash({"OUT": target}, [one for one in (source, stats) if one is not None])
    if clash is not None:
        fail(clash)
    pipeline = rewrite_pipeline(
        absorb, rescale, stats, scale_dims, insert, form, bound, strict, inexact, cache
    )
    limit = int(verify_limit * 2**30)
    print_remarks(
        run_rewrite(
            source,
            target,
            pipeline,
            external_data.value,
            not no_verify,
            limit,
            exact=inexact is None,
            rounds=form.rounds,
        )
    )
