"""Write seeds for the fuzzers: the standard's own tests, test/models, and models made to harm.

python test/fuzz/make_corpus.py OUT [--max-bytes N]
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "python"))


def backend_models() -> Iterator[bytes]:
    """The standard's tests: stored ones, and of the operators' one for each set of operators."""
    from onnx.backend.test import loader

    data = Path(loader.__file__).parents[1] / "data"
    for path in sorted(data.rglob("*.onnx")):
        yield path.read_bytes()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        cases = loader.load_model_tests(kind="node")
    seen = set()
    for case in cases:
        operators = tuple(node.op_type for node in case.model.graph.node) if case.model else None
        if operators and operators not in seen:
            seen.add(operators)
            yield case.model.SerializeToString()


def own_models() -> Iterator[bytes]:
    """The exported models of this project's tests, and the findings of earlier runs."""
    for path in sorted((ROOT / "test" / "models").rglob("*.onnx")):
        yield path.read_bytes()
    for path in sorted((ROOT / "test" / "fuzz" / "regressions").glob("*.onnx")):
        yield path.read_bytes()


def hostile_models() -> Iterator[bytes]:
    """What test_untrusted.py refuses, and the small model with a bit of everything."""
    from hostile_graphs import rich
    from hostile_models import CASES

    yield rich()
    for case in CASES:
        with tempfile.TemporaryDirectory() as outer:
            folder = Path(outer) / "m"
            folder.mkdir()
            yield case.build(folder)


def main() -> None:
    """Write each distinct model that is small enough, named by its hash."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--max-bytes", type=int, default=49152)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for source in (backend_models(), own_models(), hostile_models()):
        for data in source:
            if len(data) <= args.max_bytes:
                (args.out / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    print(f"{len(list(args.out.iterdir()))} seeds in {args.out}")


if __name__ == "__main__":
    main()
