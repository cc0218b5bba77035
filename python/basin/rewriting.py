"""A rewrite from file to file that is kept only if it does what it promises."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from basin import _basin
from basin.model import BasinError, ExternalData, Model, load
from basin.registry import GivenStep, as_requests
from basin.verification.proof import DEFAULT_LIMIT, Proof, count_bytes, prove

__all__ = ["DEFAULT_LIMIT", "Proof", "rewrite"]


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
) -> list[str]:
    """Apply steps to the model at `source`, as `Model.rewrite` does, and write it to `target`.

    With `verify` both models run on drawn inputs first. If an output has other bits, nothing is
    written, and a BasinError names the output, the difference and the case. If a model cannot be
    run or is too large, the rewrite is kept if `Model.find_scale_mismatch` proves it. Steps that
    do not promise equal bits, or that round weights, are not compared. Forms of operators, which
    sum in another order, are compared except for rounding. Returns warnings and remarks; one of
    them says what was not checked.
    """
    requests = as_requests(steps)
    model = load(source)
    given = [(name, dict(options)) for name, options in requests]
    said = [*model.remarks, *model.rewrite(*given, form=form, cache=cache, strict=strict)]
    if verify and not _basin.promise_equal_bits(requests):
        said.append("remark: the outputs were not compared: the steps do not promise equal bits")
    elif verify:
        rounds = form.startswith("operators:")
        said += _check(model, Path(source), Path(target), limit, rounds)
    model.save(target, external_data)
    return said


def _check(model: Model, source: Path, target: Path, limit: int, rounds: bool) -> list[str]:
    """Check a rewrite by runs, or else by the static proof. Returns remarks; raises BasinError."""
    proof = _prove_before_saving(model, source, target, limit, rounds)
    if proof.broken:
        raise BasinError(f"the rewrite breaks its promise: {proof.broken}; nothing was written")
    if not proof.skipped:
        return []
    if rounds:
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


def _prove_before_saving(
    model: Model, source: Path, target: Path, limit: int, rounds: bool
) -> Proof:
    """Prove it with a copy of the result, in a folder beside the target that is always removed."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".basin-proof-", dir=target.parent)
    except OSError:
        # The target cannot be written either, and saving it will report that.
        return Proof()
    with folder as name:
        size = count_bytes(source)
        if size > limit:
            return Proof(skipped=f"the model has {size} bytes, the limit is {limit}")
        candidate = Path(name) / "rewritten.onnx"
        try:
            model.save(candidate)
        except BasinError as error:
            # If there is no room for the target either, saving it will report that.
            return Proof(skipped=f"no copy could be written: {error}")
        return prove(source, candidate, limit, rounds=rounds)
