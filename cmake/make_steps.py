#!/usr/bin/env python3
"""Makes the C++ table of steps from the records of a Passes.td.

    cmake/make_steps.py LLVM_TBLGEN TD OUT INCLUDE_FOLDER...

`lib/Steps/Registry.cpp` includes OUT. A step that leaves a field out, or whose option has a type
without a kind of value, is refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROMISES = ("bit-exact", "exact", "measured", "changed")
# Kinds of values by the option's class in StepBase.td, or else by its type.
CLASSES = {
    "FileOption": "File",
    "ComputedFileOption": "File",
    "IdsOption": "Ids",
    "IntegerOrAutoOption": "IntegerOrAuto",
    "ScalesOption": "Scales",
    "PatternOption": "Pattern",
    "RoundingOption": "Number",
}
TYPES = {"bool": "Boolean", "int64_t": "Integer", "double": "Number", "std::string": "Word"}

Record = dict[str, Any]


def literal(text: str) -> str:
    """The C++ string literal of `text`."""
    return json.dumps(text, ensure_ascii=True)


def default(option: Record) -> str:
    """The default as a user would write it, which TableGen has as a C++ expression."""
    text: str = option["defaultValue"]
    return str(json.loads(text)) if text.startswith('"') else text


def option_entry(step: str, option: Record) -> str:
    """One element of a step's table of options."""
    found = [CLASSES[name] for name in option["!superclasses"] if name in CLASSES]
    if not found and "ListOption" not in option["!superclasses"]:
        found = [TYPES[option["type"]]] if option["type"] in TYPES else []
    if not found:
        sys.exit(f"{step}: option '{option['argument']}': no kind of value for {option['type']}")
    rounds = "RoundingOption" in option["!superclasses"]
    texts = ", ".join(map(literal, (default(option), option["description"])))
    name = literal(option["argument"])
    computed = "ComputedFileOption" in option["!superclasses"]
    promises = "PromiseOption" in option["!superclasses"]
    flags = ", ".join(str(flag).lower() for flag in (rounds, computed, promises))
    return f"{{{name}, StepValue::{found[0]}, {texts}, {flags}}}"


def step_entry(records: Record, step: Record) -> tuple[str, str]:
    """The table of a step's options, which may be empty, and its own entry."""
    name = step["stepName"]
    fields = ("argument", "summary", "promiseKind", "promise", "goodFor", "notFor")
    for field in fields:
        if not step[field]:
            sys.exit(f"step '{name}': expected a text as its {field}")
    if step["example"] is None or step["smallExample"] is None:
        sys.exit(f"step '{name}': expected options as its example and smallExample")
    if step["promiseKind"] not in PROMISES:
        sys.exit(f"step '{name}': expected {', '.join(PROMISES)} as its promiseKind")
    options = [option_entry(name, records[one["def"]]) for one in step["options"]]
    table = f"k{step['!name']}Options"
    listed = ",\n    ".join(options)
    declared = f"constexpr StepOption {table}[] = {{\n    {listed}}};\n" if options else ""
    switches = [step[field] for field in ("takeOverOption", "hiddenRowsOption")]
    for switch in filter(None, switches):
        if switch not in [records[one["def"]]["argument"] for one in step["options"]]:
            sys.exit(f"step '{name}': expected one of its options, but got '{switch}'")
    examples = [step["example"], step["smallExample"]]
    texts = [name, *(step[field] for field in fields), *examples, *switches]
    needs_run = str(bool(step["examplesNeedRun"])).lower()
    listed = f"{', '.join(map(literal, texts))}, {needs_run}, {table if options else '{}'}"
    return declared, f"{{{listed}}}"


def main() -> None:
    tablegen, source, target, *includes = sys.argv[1:]
    command = [tablegen, "--dump-json", source, *(f"-I{folder}" for folder in includes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    records: Record = json.loads(done.stdout)
    steps = [records[name] for name in records["!instanceof"].get("Step", [])]
    made = [step_entry(records, one) for one in sorted(steps, key=lambda one: one["stepName"])]
    text = f"// Made from {Path(source).name} by {Path(__file__).name}.\n"
    text += "".join(options for options, _ in made)
    text += "constexpr StepInfo kSteps[] = {\n  " + ",\n  ".join(entry for _, entry in made)
    Path(target).write_text(text + "};\n", "utf-8")


if __name__ == "__main__":
    main()
