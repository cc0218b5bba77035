"""python test/python/random_graphs --count N --seed S [--out DIR]: draw and check random graphs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "random_graphs"

from random_graphs import campaign


def check_stdin() -> None:
    """Check the model on stdin in this process, so that a crash only ends this one."""
    import onnx

    from random_graphs.checks import check_model

    outcome = check_model(onnx.load_model_from_string(sys.stdin.buffer.read()), 0, rewrites=99)
    print(outcome)


def main() -> int:
    """Run the command. Returns exit status 1 if a graph failed."""
    parser = argparse.ArgumentParser(description="Draw random graphs and check Basin on them.")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for shrunk models and failures.json")
    parser.add_argument("--shrink", type=int, default=3, help="models kept of each kind of failure")
    parser.add_argument("--worker", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--check", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        campaign.work(*options.worker)
        return 0
    if options.check:
        check_stdin()
        return 0
    result = campaign.run(options.seed, options.count, progress=1000)
    print(campaign.describe(result), flush=True)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        campaign.save_shrunk(result, options.out, options.shrink)
        (options.out / "failures.json").write_text(json.dumps(result.found, indent=1))
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
