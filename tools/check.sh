#!/bin/bash
# Everything that must hold, as one command; its last line is the count.
#   tools/check.sh              set up, format, lint, build, all tests, docs, install, fuzz
#   tools/check.sh --tidy       the same, with clang-tidy over all sources instead of a few
#   tools/check.sh --sanitize   the tests of Basin's own code under ASan and UBSan
# Environment: BASIN_FUZZ_SECONDS (30): half of it for each fuzzer.
set -uo pipefail
source "$(dirname "$0")/setup.sh"
cd "$BASIN_ROOT"

sanitize=0
# One source of each kind of library, with the headers that it includes.
tidy=(lib/API/Model.cpp lib/Target/ONNX/Decode.cpp)
case "${1:-}" in
"") ;;
--tidy) tidy=(--all) ;;
--sanitize) sanitize=1 ;;
*) echo "usage: tools/check.sh [--tidy | --sanitize]" >&2; exit 2 ;;
esac

passed=0 failed=0 skipped=0 failures=()
build=build
[ $sanitize = 1 ] && build=build-sanitize
results=$BASIN_ROOT/$build/results
python=$BASIN_ROOT/.venv/bin/python

finish() {
  local name
  for name in ${failures[@]+"${failures[@]}"}; do echo "FAILED: $name"; done
  echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
  exit $((failed != 0))
}

# check NAME COMMAND...: one check, its output shown only where it fails.
check() {
  local name=$1 log start=$SECONDS
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    say "$name: ok ($((SECONDS - start)) s)"
    rm -f "$log"
    return 0
  fi
  failed=$((failed + 1))
  failures+=("$name")
  say "$name: FAILED ($((SECONDS - start)) s)"
  tail -n 100 "$log"
  rm -f "$log"
  return 1
}

# suite NAME XML COMMAND...: a test suite that writes its results as JUnit XML.
suite() {
  local name=$1 xml=$results/$2 start=$SECONDS status counts
  shift 2
  rm -f "$xml"
  "$@"
  status=$?
  if counts=$("$python" tools/count_tests.py "$xml"); then
    read -r p f s <<<"$counts"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    say "$name: $p passed, $f failed, $s skipped ($((SECONDS - start)) s)"
    [ "$f" = 0 ] || failures+=("$name ($f)")
  fi
  # A crash of the suite itself, or an error that no test stands for.
  if [ -z "${counts:-}" ] || { [ $status != 0 ] && [ "${f:-0}" = 0 ]; }; then
    failed=$((failed + 1))
    failures+=("$name (exit status $status)")
  fi
}

check_format() {
  git ls-files -z 'include/*.h' 'lib/*.h' 'lib/*.cpp' 'tools/*.cpp' 'unittests/*.[ch]' 'unittests/*.cpp' 'test/*.cpp' |
    xargs -0 $BASIN_LLVM/bin/clang-format --dry-run -Werror
}

check_build() { setup_configure $build "${configure[@]}" && setup_build $build all basin-test-depends; }

# Install, then build and run a project that knows only the install.
check_install() {
  local dir
  dir=$(mktemp -d)
  trap "rm -rf '$dir'" RETURN
  cmake --install $build --prefix "$dir/prefix" >/dev/null &&
    cmake -G Ninja -S test/consumer -B "$dir/build" -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_CXX_COMPILER=clang++-22 -DCMAKE_C_COMPILER=clang-22 \
      -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_PREFIX_PATH="$dir/prefix" &&
    ninja -C "$dir/build" && "$dir/build/consumer" &&
    cmake -G Ninja -S test/consumer/runtime -B "$dir/runtime" -DCMAKE_C_COMPILER=clang-22 \
      -DCMAKE_PREFIX_PATH="$dir/prefix" && ninja -C "$dir/runtime" && "$dir/runtime/runtime-consumer"
}

# The package as pip builds it, installed and used on its own. The build folder is
# the one at hand, so that this takes seconds; from nothing, `pip install .` takes
# as long as a build does.
check_wheel() {
  local dir
  dir=$(mktemp -d)
  trap "rm -rf '$dir'" RETURN
  CC=clang-22 CXX=clang++-22 "$python" -m pip install -q --disable-pip-version-check --no-deps \
    --no-build-isolation --target "$dir" --config-settings=build-dir="$BASIN_ROOT/$build" . &&
    (cd "$dir" && PYTHONPATH=$dir "$python" -c "import basin; assert basin.__file__.startswith('$dir')
import basin.runtime; basin.runtime._library()" &&
      PYTHONPATH=$dir "$python" -m basin inspect "$BASIN_ROOT/models/tiny-shakespeare.onnx" --json)
}

# check_fuzz NAME SEEDS [ARG...]: a short run from the seeds and what earlier runs kept.
check_fuzz() {
  local dir=$build/fuzz/$1 name=$1 seeds=$2
  shift 2
  mkdir -p "$dir/found" &&
    $build/bin/basin-$name-fuzzer "$@" -max_total_time=$((${BASIN_FUZZ_SECONDS:-30} / 2)) \
      -max_len=65536 -rss_limit_mb=2048 -timeout=20 -artifact_prefix="$dir/" \
      -print_final_stats=1 "$dir/found" "$seeds"
}

# The Python tests of Basin's own code, with the sanitized extension and tools.
# The runtime comes first in the process, as the interpreter has none.
sanitized_pytest() {
  env PYTHONPATH="$BASIN_ROOT/$build/python" \
    LD_PRELOAD="$($BASIN_LLVM/bin/clang++ -print-file-name=libclang_rt.asan-x86_64.so)" \
    "$python" -m pytest -q -rs --no-header -p no:cacheprovider --junitxml "$results/pytest.xml" \
    test/python/test_{cli,fuzz_regressions,recognition,rewrites,runtime,untrusted}.py
}

setup_packages "${BASIN_BUILD_PACKAGES[@]}" "${BASIN_CHECK_PACKAGES[@]}"
setup_python requirements.txt requirements-test.txt
if [ $sanitize = 1 ]; then
  configure=("-DBASIN_SANITIZE=address;undefined")
  # libMLIR.so is not instrumented: its containers carry no annotations, it takes
  # memory from allocators that our code had poisoned, and what it (or the
  # interpreter) keeps to the end is not ours to report.
  export ASAN_OPTIONS=detect_leaks=0:detect_container_overflow=0:allow_user_poisoning=0
  export UBSAN_OPTIONS=print_stacktrace=1
else
  configure=(-DBASIN_ENABLE_FUZZERS=ON -DCMAKE_COMPILE_WARNING_AS_ERROR=ON)
  setup_torch
  setup_ray
  setup_models
  setup_assemblers
fi

if [ $sanitize = 0 ]; then
  check "clang-format" check_format
  check "ruff" "$python" -m ruff check -q .
  check "ruff format" "$python" -m ruff format -q --check python test tools
  check "mypy" "$python" -m mypy
  check "licence headers" "$python" tools/check_headers.py
  check "lines and links of docs" "$python" tools/check_docs.py
fi
check "build" check_build || finish
[ $sanitize = 1 ] || check "clang-tidy" tools/tidy.sh "${tidy[@]}"
mkdir -p "$results"
suite "lit" lit.xml $BASIN_LLVM/bin/lit -s --xunit-xml-output "$results/lit.xml" $build/test
if [ -x $build/bin/basin-unittests ]; then
  suite "unit tests" unit.xml $build/bin/basin-unittests --gtest_brief=1 \
    "--gtest_output=xml:$results/unit.xml"
  suite "unit tests of the runtime" unit-runtime.xml $build/bin/basin-runtime-unittests \
    --gtest_brief=1 "--gtest_output=xml:$results/unit-runtime.xml"
fi
if [ $sanitize = 0 ]; then
  # A process for each core, up to four: a test of SmolLM2 takes several GiB. A file's tests run in
  # one process, because many share a fixture.
  suite "pytest" pytest.xml env OMP_NUM_THREADS=1 "$python" -m pytest -q -rs --no-header \
    -p no:cacheprovider -n auto --maxprocesses 4 --dist loadfile --junitxml "$results/pytest.xml"
  check "recognition of exports" "$python" -m basin.bench recognize --check --out $build/recognize
  check "documentation" ninja -C $build --quiet basin-doc
  check "find_package(Basin)" check_install
  check "pip install" check_wheel
  # Always under the sanitizers, by its own flags.
  check "seeds for the fuzzers" "$python" test/fuzz/make_corpus.py $build/fuzz/seeds &&
    for name in import pipeline; do
      check "$name fuzzer" check_fuzz $name $build/fuzz/seeds
    done
  check "seeds for the object fuzzer" "$python" test/fuzz/make_object_corpus.py $build/fuzz/objects &&
    check "object fuzzer" check_fuzz object $build/fuzz/objects -dict=test/fuzz/object.dict
else
  suite "pytest, sanitized" pytest.xml sanitized_pytest
fi
finish
