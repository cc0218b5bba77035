#!/usr/bin/env python3
"""Checks that each C, C++ and TableGen file begins with the licence header, 80 columns wide.

    tools/check_headers.py [--fix]

Prints the files whose header is missing or mangled and exits with status 1 if there are any. With
--fix, a header whose lines were broken by a formatter is written anew; a missing one is added.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

LICENCE = """//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
"""
C_LICENCE = """|*
|* Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
|* See LICENSE for license information.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
"""
LANGUAGES = {".h": "C++", ".cpp": "C++", ".def": "C++", ".td": "tablegen", ".c": "C"}
WIDTH = 80
# Matches from the first line to the rule that ends the licence, even if a formatter broke lines.
MANGLED = re.compile(
    r"\A(//===-.*?Part of the Basin project.*?LLVM-exception\n//\n//===-+===//\n)", re.S
)


def expected(path: Path, text: str) -> str:
    """Returns the header that the file should have. Its text tells C from C++."""
    if text.startswith("/*"):
        name, ends, licence = f"/*===- {path.name} ", "*- C -*-===*\\", C_LICENCE
    else:
        name, licence = f"//===- {path.name} ", LICENCE
        ends = f"*- {LANGUAGES[path.suffix]} -*-===//"
    return name + "-" * (WIDTH - len(name) - len(ends)) + ends + "\n" + licence


def fixed(path: Path, text: str) -> str:
    """Returns the text with the right header."""
    header = expected(path, text)
    found = MANGLED.match(text)
    return header + (text[found.end() :] if found else "\n" + text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fix", action="store_true", help="write the headers that are wrong")
    fix = parser.parse_args().fix
    listed = subprocess.run(
        ["git", "ls-files", *(f"*{suffix}" for suffix in LANGUAGES)],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    wrong = 0
    for path in map(Path, listed):
        text = path.read_text("utf-8")
        if text.startswith(expected(path, text)):
            continue
        wrong += 1
        if fix and not text.startswith("/*"):
            path.write_text(fixed(path, text), "utf-8")
        else:
            print(f"{path}: the licence header is missing or mangled")
    sys.exit(bool(wrong) and not fix)


if __name__ == "__main__":
    main()
