#!/bin/bash
# clang-tidy over C++ sources, by .clang-tidy and the build folder's compile commands:
#   tools/tidy.sh FILE...     these
#   tools/tidy.sh --changed   those that differ from main (or from the commit in BASIN_BASE)
#   tools/tidy.sh --all       all of them: see CONTRIBUTING.md for how long that takes
# Headers are checked with the sources that include them. The build folder is build/, or BASIN_BUILD.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

build=${BASIN_BUILD:-build}
sources() { git ls-files 'lib/*.cpp' 'tools/*.cpp' 'unittests/*.cpp'; }

case "${1:-}" in
"" | -*)
  case "${1:-}" in
  --all) mapfile -t files < <(sources) ;;
  --changed)
    mapfile -t files < <(comm -12 <(sources | sort) \
      <({ git diff --name-only "${BASIN_BASE:-main}"; git ls-files --others --exclude-standard; } | sort -u))
    ;;
  *) echo "usage: tools/tidy.sh FILE... | --changed | --all" >&2; exit 2 ;;
  esac
  ;;
*) files=("$@") ;;
esac
[ ${#files[@]} = 0 ] && { echo "no C++ source to check"; exit 0; }
[ -f "$build/compile_commands.json" ] || { echo "no $build/compile_commands.json: configure first" >&2; exit 1; }
printf '%s\n' "${files[@]}" |
  xargs -P "$(nproc)" -n 1 /usr/lib/llvm-22/bin/clang-tidy -p "$build" --quiet
