"""python -m basin.bench rewrite | instrument | operators | scale | synthetic | gpu | recognize |
quantize.

Each has --help.
"""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run a benchmark; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["recognize"]:
        from basin.bench.recognize import command as recognize

        return recognize.main(arguments[1:])
    if arguments[:1] == ["quantize"]:
        from basin.bench import quantize

        return quantize.main(arguments[1:])
    # Machines with GPUs may lack what the benchmarks of models need.
    if arguments[:1] == ["gpu"]:
        from basin.bench.gpu import command

        return command.main(arguments[1:])
    from basin.bench import models

    return models.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
