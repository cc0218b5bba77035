"""Write seeds for basin-object-fuzzer: small kernel objects.

python test/fuzz/make_object_corpus.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from kernel_objects import argument, kernel, norm_kernel, write  # noqa: E402
from plan_objects import write_model  # noqa: E402


def main() -> None:
    """A norm, no kernels, every kind of argument and factor, a function, and whole models."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    types = ("f32", "f16", "bf16", "i8", "i32", "i64")
    arguments = [argument(f"p{t}", "inout", t, align=1) for t in types]
    arguments += [argument(t, "scalar", t) for t in ("i32", "i64", "f32")]
    grid = [[{"arg": "i32", "per": 3}, {"arg": "i64", "per": 1 << 40}], [{"arg": "i64", "per": 7}]]
    spec = {"dim": 64, "type": "bf16", "weight": True, "eps": 1.5e-6}
    full = kernel("full", arguments, grid=[*grid, []], family="norm", spec=spec)
    write(out / "norm", [norm_kernel()])
    write(out / "empty", [])
    write(out / "full", [norm_kernel("é"), full])
    write(out / "function", [norm_kernel()], functions=[two_norms()])
    for kind in ("ptx", "mlir"):
        write_model(out / f"model_{kind}", kind)


def two_norms() -> dict[str, Any]:
    """y = norm(norm(x transposed)), as an entry of "functions"."""

    def step(source: str, target: str, **more: Any) -> dict[str, Any]:
        rows, columns = ({"value": "x", "size": axis} for axis in (0, 1))
        made = {"argument": "y", "value": target, "type": "bf16", "shape": [[rows], [columns, 1]]}
        inputs = [{"argument": "x", "value": source} | more]
        return {
            "kernel": "norm",
            "inputs": inputs,
            "outputs": [made],
            "scalars": {"rows": [rows, {"value": "x", "stride": 1}]},
        }

    return {
        "name": "f",
        "inputs": [{"value": "x", "type": "bf16"}],
        "outputs": ["y"],
        "steps": [step("x", "h", transposed=True), step("h", "y")],
    }


if __name__ == "__main__":
    main()
