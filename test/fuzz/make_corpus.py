"""Write seeds for the import fuzzer: small models of the standard's own tests and of test/models.

    python test/fuzz/make_corpus.py OUT [--max-bytes N]
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

import onnx

ROOT = Path(__file__).resolve().parents[2]


def backend_models() -> Iterator[bytes]:
    """The standard's tests that the onnx package carries as files."""
    data = Path(onnx.__file__).parent / "backend" / "test" / "data"
    for path in sorted(data.rglob("model.onnx")):
        yield path.read_bytes()


def own_models() -> Iterator[bytes]:
    """The exported models of this project's tests."""
    for path in sorted((ROOT / "test" / "models").rglob("*.onnx")):
        yield path.read_bytes()


def main() -> None:
    """Write each distinct model that is small enough, named by its hash."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--max-bytes", type=int, default=8192)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    written = 0
    for source in (backend_models(), own_models()):
        for data in source:
            if len(data) <= args.max_bytes:
                (args.out / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
                written += 1
    print(f"{written} seeds in {args.out}")


if __name__ == "__main__":
    main()
