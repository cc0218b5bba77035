#!/usr/bin/env python3
"""Makes the files of a new pass: its definition, a source file and three lit tests that pass.

    tools/new_pass.py sink-absorb-prefix "fixed first tokens become keys and values"

With --step, the pass is a step, which `basin rewrite` applies by its name without the dialect.
The name is the dialect (onnx or sink), a verb and an object. The made pass marks an operator and
refuses one; replace that, and its tests, by what the pass is for. An existing name is refused, and
nothing is written then.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from check_headers import expected

ROOT = Path(__file__).resolve().parents[1]
CLANG_FORMAT = Path("/usr/lib/llvm-22/bin/clang-format")


@dataclass(frozen=True)
class Dialect:
    """What differs between the dialects: names, and the operator in the example."""

    folder: str
    namespace: str
    operation: str
    example: str
    printed: str


DIALECTS = {
    "onnx": Dialect(
        "ONNX",
        "onnx",
        "MatMulOp",
        "onnx.MatMul(%x, %x) : ({0}, {0}) -> {0}",
        "onnx.MatMul(%{{.*}}, %{{.*}})",
    ),
    "sink": Dialect(
        "Sink",
        "sink",
        "RMSNormOp",
        "sink.rms_norm %x {{epsilon = 1.0e-5}} : ({0}) -> {0}",
        "sink.rms_norm %{{.*}}",
    ),
}


@dataclass(frozen=True)
class NewPass:
    """The names of a pass in all spellings."""

    argument: str
    summary: str
    dialect: Dialect
    is_step: bool = False

    @property
    def stem(self) -> str:
        """The name without its dialect, as in the names of test files."""
        return self.argument.split("-", 1)[1]

    @property
    def name(self) -> str:
        """The name as C++ spells it."""
        return "".join(word.capitalize() for word in self.stem.split("-"))


class Refused(Exception):
    """Says in one line why there cannot be such a pass."""


DEFINITION = """
def @NAME@Pass : @CLASS@"@ARGUMENT@", "::mlir::ModuleOp"> {
  let summary = "@SUMMARY@";
  let description = [{
    TODO: what changes, with the IR before and after, and why that is right.

    Does nothing when TODO. Refuses TODO.

    Promise: TODO (bit-exact, exact in reals, or a measured distance).
  }];
@FIELDS@  let statistics = [Statistic<"numChanged", "changed", "TODO: what is counted">];
  let dependentDialects = ["::basin::@NAMESPACE@::@FOLDER@Dialect"];
}
"""

# What StepBase.td asks of a step. The made pass promises equal bits, as it only marks operators.
FIELDS = """  let promiseKind = "bit-exact";
  let promise = "TODO: when it holds";
  let goodFor = "TODO";
  let notFor = "TODO";
  let example = "";
  let smallExample = "";
"""

SOURCE = """//
// TODO: what the pass does, by which algorithm, and what it refuses.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/@FOLDER@/Transforms/Passes.h"

using namespace mlir;
using namespace basin;

namespace basin::@NAMESPACE@ {
#define GEN_PASS_DEF_@UPPER@PASS
#include "basin/Dialect/@FOLDER@/Transforms/Passes.h.inc"
} // namespace basin::@NAMESPACE@

namespace {
class @NAME@Pass : public basin::@NAMESPACE@::impl::@NAME@PassBase<@NAME@Pass> {
  void runOnOperation() override;
};
} // namespace

/// Whether the pass changes `op`. Reads the IR only.
static bool isCandidate(@NAMESPACE@::@OPERATION@ op) {
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  return type && type.getRank() > 0 && !type.isDynamicDim(type.getRank() - 1);
}

void @NAME@Pass::runOnOperation() {
  WalkResult result = getOperation().walk([&](@NAMESPACE@::@OPERATION@ op) {
    Type type = op->getResult(0).getType();
    if (!isa<RankedTensorType>(type)) {
      op->emitError("expected a result of known rank, but got ") << type;
      return WalkResult::interrupt();
    }
    if (!isCandidate(op))
      return WalkResult::advance();
    op->setDiscardableAttr("basin.todo", UnitAttr::get(&getContext()));
    ++numChanged;
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    signalPassFailure();
}
"""

FUNCTION = """func.func @@LABEL@(%x: @TYPE@) -> @TYPE@ {
  @CHECK@
  %0 = @EXAMPLE@
  return %0 : @TYPE@
}
"""

CHANGED = """// RUN: basin-opt %s --@ARGUMENT@ | FileCheck %s

// TODO: why this is changed.
// CHECK-LABEL: func.func @@LABEL@
"""

NO_MATCH = """// RUN: basin-opt %s --@ARGUMENT@ | FileCheck %s

// TODO: a near miss for each condition, and why it is none.
// CHECK-LABEL: func.func @@LABEL@
"""

ERRORS = """// RUN: basin-opt %s --@ARGUMENT@ --split-input-file --verify-diagnostics

// TODO: why this is refused.
"""


def parse(argument: str, summary: str, is_step: bool) -> NewPass:
    """Returns the pass of that name. Raises Refused."""
    dialect, _, rest = argument.partition("-")
    if dialect not in DIALECTS:
        raise Refused(
            f"'{argument}': expected a name that begins with onnx- or sink-; a pass between "
            "dialects is written by hand, in a folder of lib/Conversion"
        )
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", rest):
        raise Refused(f"'{argument}': expected a verb and an object, as in sink-insert-gate")
    if not summary or '"' in summary or "\\" in summary or len(summary) > 80:
        raise Refused("the summary: expected one phrase of at most 80 characters, without quotes")
    if is_step and dialect != "sink":
        raise Refused(f"'{argument}': a step is a pass of the sink dialect")
    return NewPass(argument, summary, DIALECTS[dialect], is_step)


def fill(text: str, made: NewPass, label: str = "", **more: str) -> str:
    """Returns the template with the names filled in."""
    names = {
        "ARGUMENT": made.argument,
        "CLASS": f'Step<"{made.stem}", ' if made.is_step else "Pass<",
        "FIELDS": FIELDS if made.is_step else "",
        "FOLDER": made.dialect.folder,
        "LABEL": label,
        "NAME": made.name,
        "NAMESPACE": made.dialect.namespace,
        "OPERATION": made.dialect.operation,
        "SUMMARY": made.summary,
        "UPPER": made.name.upper(),
    } | more
    return re.sub(r"@([A-Z]+)@", lambda found: names[found[1]], text)


def test(made: NewPass, head: str, label: str, type_: str, check: str) -> str:
    """Returns a lit test of one function."""
    example = made.dialect.example.format(type_)
    return fill(head + FUNCTION, made, label, TYPE=type_, CHECK=check, EXAMPLE=example)


def new_files(made: NewPass) -> dict[str, str]:
    """Returns the files to make, by their paths."""
    source = f"lib/Dialect/{made.dialect.folder}/Transforms/{made.name}.cpp"
    tests = f"test/Dialect/{made.dialect.folder}/Transforms/{made.stem}"
    body = fill(SOURCE, made)
    printed = made.dialect.printed
    error = "expected a result of known rank, but got 'tensor<*xf32>'"
    return {
        source: expected(Path(source), body) + body,
        f"{tests}.mlir": test(
            made, CHANGED, "changed", "tensor<8x8xf32>", f"// CHECK: {printed} {{basin.todo"
        ),
        f"{tests}-no-match.mlir": test(
            made,
            NO_MATCH,
            "no_match_dynamic_last_axis",
            "tensor<?x?xf32>",
            f"// CHECK: {printed}\n  // CHECK-NOT: basin.todo",
        ),
        f"{tests}-errors.mlir": test(
            made,
            ERRORS,
            "unknown_rank",
            "tensor<*xf32>",
            f"// expected-error @below {{{{{error}}}}}",
        ),
    }


def define(text: str, made: NewPass) -> str:
    """Returns Passes.td with the definition at its end."""
    head, guard, tail = text.rpartition("\n#endif")
    if not guard:
        raise Refused("Passes.td: expected an #endif, before which definitions stand")
    return head + fill(DEFINITION, made) + guard + tail


def enlist(text: str, made: NewPass) -> str:
    """Returns CMakeLists.txt with the source file added to the sorted list of sources."""
    lines = text.splitlines(keepends=True)
    sources = [i for i, line in enumerate(lines) if re.fullmatch(r"  \w+\.cpp\n", line)]
    if not sources:
        raise Refused("CMakeLists.txt: expected a list of sources, a line each")
    new = f"  {made.name}.cpp\n"
    at = next((i for i in sources if lines[i] > new), sources[-1] + 1)
    return "".join([*lines[:at], new, *lines[at:]])


def make(root: Path, argument: str, summary: str, is_step: bool = False) -> list[str]:
    """Writes the files of a pass below `root` and returns their paths. Raises Refused."""
    made = parse(argument, summary, is_step)
    for path in sorted((root / "include").rglob("Passes.td")):
        text = path.read_text("utf-8")
        if f'"{argument}"' in text or re.search(rf"\bdef {made.name}Pass\b", text):
            raise Refused(f"'{argument}': there is such a pass in {path.relative_to(root)}")
    files = new_files(made)
    for name in files:
        if (root / name).exists():
            raise Refused(f"'{argument}': there is such a file: {name}")
    passes = f"include/basin/Dialect/{made.dialect.folder}/Transforms/Passes.td"
    listing = f"lib/Dialect/{made.dialect.folder}/Transforms/CMakeLists.txt"
    files[passes] = define((root / passes).read_text("utf-8"), made)
    files[listing] = enlist((root / listing).read_text("utf-8"), made)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
        # clang-format is needed because a long name moves line breaks.
        if name.endswith(".cpp") and CLANG_FORMAT.exists():
            style = f"--style=file:{ROOT / '.clang-format'}"
            subprocess.run([CLANG_FORMAT, "-i", style, root / name], check=True)
    return sorted(files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="dialect, verb and object: sink-absorb-prefix")
    parser.add_argument("summary", help="what it does, as one phrase")
    parser.add_argument("--step", action="store_true", help="make a step of basin rewrite")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to write to")
    options = parser.parse_args()
    try:
        paths = make(options.root, options.name, options.summary, options.step)
    except (OSError, Refused) as error:
        sys.exit(f"new_pass.py: error: {error}")
    print("\n".join(paths))
    print("Now replace every TODO, and hold the pass to its promise: see CONTRIBUTING.md.")


if __name__ == "__main__":
    main()
