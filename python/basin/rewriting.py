"""A rewrite from file to file that is kept only if it does what it promises."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from basin.model import BasinError, ExternalData, Model, load
from basin.prefix import PrefixRun
from basin.preparation import prepared_steps
from basin.registry import (
    GivenStep,
    Requests,
    as_requests,
    changes_hidden_rows,
    keeps_bits,
    keeps_function,
)
from basin.verification.distance import Distance, measure
from basin.verification.proof import DEFAULT_LIMIT, Proof, count_bytes, prove

__all__ = ["DEFAULT_LIMIT", "Proof", "prove_steps", "rewrite"]


def rewrite(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    steps: Iterable[GivenStep] = (),
    *,
    form: str = "original",
    cache: str = "copy",
    strict: bool = False,
    external_data: ExternalData = "auto",
    verify: bool = True,
    limit: int = DEFAULT_LIMIT,
    progress: bool = False,
) -> list[str]:
    """Apply steps to the model at `source`, as `Model.rewrite` does, and write it to `target`.

    With `verify` both models run on drawn inputs first. If an output has other bits, nothing is
    written, and a BasinError names the output, the difference and the case. If a model cannot be
    run or is too large, the rewrite is kept if `Model.find_scale_mismatch` proves it. If a step
    does not promise equal bits, or rounds weights, remarks state how far the outputs are from the
    original's. Forms of operators, which sum in another order, are compared except for rounding.
    `progress` shows on stderr how far the runs are that steps need. Returns warnings and remarks;
    one of them says what was not checked.

    If `target` ends in .npz, the only step is `absorb-prefix`, and the file gets the caches with
    which the model at `source` begins after the prefix.
    """
    requests = as_requests(steps)
    if Path(target).suffix == ".npz":
        return _write_past(requests, source, target, form)
    model = load(source)
    said = list(model.remarks)
    with prepared_steps(model, requests, progress=progress) as prepared:
        said += prepared.remarks
        given = [(name, dict(options)) for name, options in prepared.requests]
        said += model.rewrite(*given, form=form, cache=cache, strict=strict)
    prefix = prepared.run
    if verify and not keeps_function(requests):
        said += _measure(model, Path(source), Path(target), limit, prefix)
    elif verify:
        said += _check(model, Path(source), Path(target), limit, requests, form, prefix)
    model.save(target, external_data)
    return said


def prove_steps(
    source: Path,
    made: Path,
    requests: Requests,
    *,
    form: str = "original",
    prefix: PrefixRun | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Proof:
    """Run a model and what steps made of it, and compare them as the steps promise.

    `prefix` has the tokens that steps leave out. The steps keep the function (`keeps_function`).
    """
    rounds = _rounds(requests, form, prefix)
    hidden = changes_hidden_rows(requests)
    return prove(source, made, limit, rounds=rounds, prefix=prefix, only_kept=hidden)


def _rounds(requests: Requests, form: str, prefix: PrefixRun | None) -> bool:
    """Whether outputs may differ by rounding."""
    return form not in ("original", "functions") or prefix is not None or not keeps_bits(requests)


def _write_past(
    requests: Requests, source: str | os.PathLike[str], target: str | os.PathLike[str], form: str
) -> list[str]:
    from basin.initial_past import write_initial_past

    if [name for name, _ in requests] != ["absorb-prefix"] or form != "original":
        raise BasinError(
            f"{target}: an initial past is made by the step absorb-prefix alone, in the original "
            "form"
        )
    return write_initial_past(source, target, dict(requests[0][1]))


def _check(
    model: Model,
    source: Path,
    target: Path,
    limit: int,
    requests: Requests,
    form: str,
    prefix: PrefixRun | None,
) -> list[str]:
    """Check a rewrite by runs, or else by the static proof. Returns remarks; raises BasinError.

    If a step is exact in real arithmetic, a remark says how far the outputs are by rounding.
    """
    proof = _run_before_saving(
        model,
        source,
        target,
        limit,
        Proof,
        lambda made: prove_steps(source, made, requests, form=form, prefix=prefix, limit=limit),
    )
    if proof.broken:
        raise BasinError(f"the rewrite breaks its promise: {proof.broken}; nothing was written")
    if not proof.skipped:
        says = prefix is not None or not keeps_bits(requests)
        return [_describe(proof, prefix)] if says else []
    if _rounds(requests, form, prefix):
        raise BasinError(
            f"the promise could not be checked by runs ({proof.skipped}); nothing was written; "
            "--no-verify writes it unchecked"
        )
    why = model.find_scale_mismatch()
    if why is None:
        return [
            f"remark: bits were not compared ({proof.skipped}); the scales are proven to cancel"
        ]
    raise BasinError(
        f"the promise could be checked neither by runs ({proof.skipped}) nor by scales ({why}); "
        "nothing was written; --no-verify writes it unchecked"
    )


def _describe(proof: Proof, prefix: PrefixRun | None) -> str:
    """How equal the outputs are, after a prefix if there is one."""
    after = "" if prefix is None else f"after the prefix of {len(prefix.prefix)}, "
    after = f"remark: {after}in {proof.cases} drawn inputs, "
    if proof.differing == 0:
        return f"{after}no bit of {proof.total} elements differs"
    return (
        f"{after}{proof.differing} of {proof.total} elements differ, by at most {proof.largest:.2g}"
    )


def _measure(
    model: Model, source: Path, target: Path, limit: int, prefix: PrefixRun | None
) -> list[str]:
    """State how far the outputs are from the original's. Raises BasinError if nothing runs."""
    distance = _run_before_saving(
        model,
        source,
        target,
        limit,
        Distance,
        lambda made: measure(source, made, limit, prefix=prefix),
    )
    if distance.broken:
        raise BasinError(f"the rewrite breaks the model: {distance.broken}; nothing was written")
    if distance.skipped:
        return [f"remark: the distance to the original was not measured: {distance.skipped}"]
    return [f"remark: {line}" for line in distance.describe()]


Found = TypeVar("Found", Proof, Distance)


def _run_before_saving(
    model: Model,
    source: Path,
    target: Path,
    limit: int,
    kind: type[Found],
    run: Callable[[Path], Found],
) -> Found:
    """Run a copy of the result, in a folder beside the target that is always removed."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".basin-proof-", dir=target.parent)
    except OSError:
        # The target cannot be written either, and saving it will report that.
        return kind()
    with folder as name:
        size = count_bytes(source)
        if size > limit:
            return kind(skipped=f"the model has {size} bytes, the limit is {limit}")
        candidate = Path(name) / "rewritten.onnx"
        try:
            model.save(candidate)
        except BasinError as error:
            # If there is no room for the target either, saving it will report that.
            return kind(skipped=f"no copy could be written: {error}")
        return run(candidate)
