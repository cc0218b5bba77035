#!/usr/bin/env python3
"""Checks the Markdown files: lines of at most 160 characters, links to files, plain words.

    tools/check_docs.py [FILE...]

Rows of tables and code may be longer. Phrases that make a reader stop ("of which", "whatever") are
refused in prose. Prints each fault on a line, and exits with status 1 if there is any.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

WIDTH = 160
RIDDLES = re.compile(r"\b(of which|what it is of|whatever)\b", re.IGNORECASE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`[^`]*`")


def faults(path: Path, text: str) -> Iterator[str]:
    """Yields what is wrong with a file, a line for each fault."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        if fenced:
            continue
        for target in LINK.findall(CODE.sub("", line)):
            if re.match(r"[a-z]+:|#", target):
                continue
            if not (path.parent / target.split("#")[0]).exists():
                yield f"{path}:{number}: no such file: {target}"
        if line.startswith("|"):
            continue
        if len(line) > WIDTH:
            yield f"{path}:{number}: expected at most {WIDTH} characters, but got {len(line)}"
        for found in RIDDLES.finditer(CODE.sub("", line)):
            yield f"{path}:{number}: '{found[0]}': say it plainly"


def main() -> None:
    paths = sys.argv[1:]
    if not paths:
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
        paths = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    found = [fault for name in paths for fault in faults(Path(name), Path(name).read_text("utf-8"))]
    print("\n".join(found), end="\n" if found else "")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
