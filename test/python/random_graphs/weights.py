"""Checks of the steps that move factors and rotations between weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import basin
import numpy as np
from basin.prefix import write_after, write_passed, write_tensors
from basin.smooth_model import SmoothModel
from basin.verification.proof import beyond_rounding
from basin.verify import VerifyError

if TYPE_CHECKING:
    from .checks import Subject

# Half of the drawn exponents are small, so that f16 takes some.
_MOST = (2, 8)


def check_smoothing(subject: Subject) -> None:
    """Random powers of two in all groups, folded or as products, keep the model's bits."""
    plain, made = subject.folder / "plain.onnx", subject.folder / "groups.onnx"
    rng, fit = subject.rng, subject.folder / "factors.onnx"
    explicit = str(bool(rng.random() < 0.3)).lower()
    try:
        write_after(basin.load(subject.path), [], plain)
        write_passed(plain, f"sink-instrument-smoothing{{explicit={explicit}}}", made)
    except basin.BasinError as error:
        subject.fail("smooth invalid", str(error)[:300])
        return
    groups = SmoothModel(made).groups
    subject.outcome.counts[f"smooth of {min(len(groups), 4)} groups"] += 1
    most = int(rng.choice(_MOST))
    factors = {
        one.name: np.exp2(rng.integers(-most, most + 1, one.channels))[one.ties].astype(np.float32)
        for one in groups
    }
    write_tensors(factors, fit)
    passes = f"sink-smooth{{fit={fit} explicit={explicit}}}"
    subject.compare("smooth", f"basin-raise,{passes},convert-sink-to-onnx", refusable=False,
                    what=f"explicit={explicit} most={most}")  # fmt: skip


def check_rotation(subject: Subject) -> None:
    """A rotated model gives the same outputs except for rounding."""
    target = subject.folder / "rotated.onnx"
    try:
        model = basin.load(subject.path)
        model.rewrite(("rotate", {"kind": "orthogonal", "seed": int(subject.rng.integers(100))}))
        model.save(target)
        results = subject.run(target)
    except basin.BasinError as error:
        from .checks import shorten

        subject.outcome.counts[f"rotate refused: {shorten(str(error))}"] += 1
        return
    except VerifyError as error:
        if not (subject.narrow and "NOT_IMPLEMENTED" in str(error)):
            subject.fail("rotate invalid", str(error)[:300])
        return
    subject.outcome.counts["rotate kept"] += 1
    for number, (left, right) in enumerate(zip(subject.results, results)):
        for name in subject.names:
            x, y = np.asarray(left[name]), np.asarray(right[name])
            same = x.dtype == y.dtype and x.shape == y.shape
            why = beyond_rounding(x, y) if same else "has another type or shape"
            if why and same and (subject.narrow or subject.is_sensitive(number, name, x, y)):
                subject.outcome.counts["rotate differs as small changes of the inputs do"] += 1
            elif why:
                subject.fail("rotate differs", f"{name} {why} in case {number}")
                return
