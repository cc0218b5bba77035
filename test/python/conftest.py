"""Makes the package importable from the checkout if it is not installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if importlib.util.find_spec("basin") is None:
    sys.path.insert(0, str(ROOT / "python"))


def pytest_addoption(parser):
    """Options of the tests in this folder."""
    parser.addoption(
        "--conformance-json",
        default=str(ROOT / "build" / "conformance.json"),
        help="file for the counts of test_conformance.py",
    )
    parser.addoption(
        "--kernel-cases",
        type=int,
        help="drawn launches of each kernel in test_kernels.py: 5 on the emulator, 20 on a GPU",
    )
