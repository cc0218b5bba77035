"""Testbeds: small models in which sinks and outliers grow, or are planted exactly.

    python -m basin.testbed --help

Training and export need PyTorch (`requirements-torch.txt`); `measure`, `plant`, `quantize` and the
task of `bigram` need numpy and onnx only. docs/testbeds.md has the variants and what they showed.
"""

from __future__ import annotations


class TestbedError(Exception):
    """Something the user can mend: a missing package, text, checkpoint or model form."""

    __test__ = False  # pytest takes classes named Test* for tests


def require_torch() -> None:
    """Raise TestbedError, in one line, where PyTorch is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        reason = "this needs PyTorch: pip install -r requirements-torch.txt"
        raise TestbedError(f"{reason} ({error})") from error
