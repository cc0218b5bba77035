"""tools/new_pass.py: it makes all files of a pass, edits the lists, and refuses what exists.

That its output compiles and that its lit tests pass takes a build, and is not tried here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = "sink-absorb-example-prefix"
STEP_BASE = "include/basin/Dialect/Sink/Transforms/StepBase.td"
TABLEGEN = Path("/usr/lib/llvm-22/bin/llvm-tblgen")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The definitions and lists of this checkout, and nothing else."""
    listed = subprocess.run(
        ["git", "ls-files", "*Passes.td", "lib/Dialect/*CMakeLists.txt"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    if not listed:
        pytest.skip("not a checkout of git")
    for name in listed:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "new_pass.py"), *arguments]
    command += ["--root", str(checkout)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("name", "dialect"), [(NAME, "Sink"), ("onnx-fold-example-constants", "ONNX")]
)
def test_makes_all_files(checkout: Path, name: str, dialect: str) -> None:
    before = contents(checkout)
    done = run(checkout, name, "an example")
    assert done.returncode == 0, done.stderr
    after = contents(checkout)
    stem = name.split("-", 1)[1]
    camel = "".join(word.capitalize() for word in stem.split("-"))
    passes = f"include/basin/Dialect/{dialect}/Transforms/Passes.td"
    listing = f"lib/Dialect/{dialect}/Transforms/CMakeLists.txt"
    source = f"lib/Dialect/{dialect}/Transforms/{camel}.cpp"
    tests = [
        f"test/Dialect/{dialect}/Transforms/{stem}{end}.mlir"
        for end in ("", "-no-match", "-errors")
    ]
    assert set(after) - set(before) == {source, *tests}
    assert {path for path in before if before[path] != after[path]} == {passes, listing}
    # The definition stands inside the guard, the source in its sorted place.
    assert re.search(rf'\ndef {camel}Pass : Pass<"{name}", .*\n#endif', after[passes], re.S)
    was = re.findall(r"^  \w+\.cpp$", before[listing], re.M)
    now = re.findall(r"^  \w+\.cpp$", after[listing], re.M)
    assert now == sorted([*was, f"  {camel}.cpp"])
    assert f"GEN_PASS_DEF_{camel.upper()}PASS" in after[source]
    for test in tests:
        assert after[test].startswith(f"// RUN: basin-opt %s --{name} ")
    assert not re.search(r"@[A-Z]+@", "".join(after[path] for path in (source, *tests)))
    for path in (source, *tests):
        assert path in done.stdout


def test_makes_a_step(checkout: Path) -> None:
    """Its definition has all fields of a step, and the build's script takes it into the table."""
    shutil.copyfile(ROOT / STEP_BASE, checkout / STEP_BASE)
    assert run(checkout, NAME, "an example", "--step").returncode == 0
    passes = checkout / "include/basin/Dialect/Sink/Transforms/Passes.td"
    definition = passes.read_text().split("def AbsorbExamplePrefixPass : ")[1]
    assert definition.startswith(f'Step<"absorb-example-prefix", "{NAME}", ')
    if not TABLEGEN.exists():
        pytest.skip("llvm-tblgen is not installed")
    table = checkout / "Steps.inc"
    script = [sys.executable, str(ROOT / "cmake" / "make_steps.py"), str(TABLEGEN), str(passes)]
    script += [str(table), str(checkout / "include"), "/usr/lib/llvm-22/include"]
    subprocess.run(script, check=True)
    assert f'{{"absorb-example-prefix", "{NAME}", "an example", "bit-exact", ' in table.read_text()
    # A field that is left out stops the build.
    passes.write_text(passes.read_text().replace('  let goodFor = "TODO";\n', ""))
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr == (
        "step 'absorb-example-prefix': expected a text as its goodFor\n"
    )


def test_a_step_is_a_pass_of_the_sink_dialect(checkout: Path) -> None:
    before = contents(checkout)
    done = run(checkout, "onnx-fold-example-constants", "an example", "--step")
    assert done.returncode == 1 and "a step is a pass of the sink dialect" in done.stderr
    assert contents(checkout) == before


def test_made_files_have_the_licence_header(checkout: Path) -> None:
    assert run(checkout, NAME, "an example").returncode == 0
    subprocess.run(["git", "init", "-q", "."], cwd=checkout, check=True)
    subprocess.run(["git", "add", "."], cwd=checkout, check=True)
    check = [sys.executable, str(ROOT / "tools" / "check_headers.py")]
    done = subprocess.run(check, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


CLANG_FORMAT = Path("/usr/lib/llvm-22/bin/clang-format")


@pytest.mark.skipif(not CLANG_FORMAT.exists(), reason="clang-format-22 is not installed")
@pytest.mark.parametrize("name", [NAME, "onnx-drop-dead", "sink-" + "a-rather-long-" * 3 + "name"])
def test_made_source_is_formatted(checkout: Path, name: str) -> None:
    assert run(checkout, name, "an example").returncode == 0
    (source,) = (checkout / "lib").rglob("*.cpp")
    shutil.copyfile(ROOT / ".clang-format", checkout / ".clang-format")
    check = [str(CLANG_FORMAT), "--dry-run", "-Werror", str(source)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sink-absorb-residual-sinks", "there is such a pass"),
        ("onnx-prove-scales", "there is such a pass"),
        ("convert-sink-to-onnx", "begins with onnx- or sink-"),
        ("sink-absorb", "a verb and an object"),
        ("sink-Absorb-prefix", "a verb and an object"),
        ("sink-../x-y", "a verb and an object"),
    ],
)
def test_refuses_names(checkout: Path, name: str, reason: str) -> None:
    before = contents(checkout)
    done = run(checkout, name, "an example")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and reason in done.stderr
    assert contents(checkout) == before


def test_refuses_to_write_over_a_file(checkout: Path) -> None:
    test = checkout / "test/Dialect/Sink/Transforms/absorb-example-prefix.mlir"
    test.parent.mkdir(parents=True)
    test.write_text("kept")
    before = contents(checkout)
    done = run(checkout, NAME, "an example")
    assert done.returncode == 1 and "there is such a file" in done.stderr
    assert contents(checkout) == before
