"""Write seeds for basin-object-fuzzer: small kernel objects.

python test/fuzz/make_object_corpus.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from kernel_objects import argument, kernel, norm_kernel, write  # noqa: E402


def main() -> None:
    """A norm, an object without kernels, and one with every kind of argument and factor."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    types = ("f32", "f16", "bf16", "i8", "i32", "i64")
    arguments = [argument(f"p{t}", "inout", t, align=1) for t in types]
    arguments += [argument(t, "scalar", t) for t in ("i32", "i64", "f32")]
    grid = [[{"arg": "i32", "per": 3}, {"arg": "i64", "per": 1 << 40}], [{"arg": "i64", "per": 7}]]
    full = kernel("full", arguments, grid=[*grid, []], constants={"a": 1, "b": -2.5e-3})
    write(out / "norm", [norm_kernel()])
    write(out / "empty", [])
    write(out / "full", [norm_kernel("é"), full])


if __name__ == "__main__":
    main()
