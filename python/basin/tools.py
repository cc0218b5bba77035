"""Where Basin's command-line tools are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import basin

__all__ = ["find_tool"]


def find_tool(name: str) -> str | None:
    """A tool on the path, or in the build folder that this package is of; None without one."""
    own = Path(basin.__file__)
    builds = (own.parents[2] / "bin", own.resolve().parents[2] / "build" / "bin")
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, builds)]))
