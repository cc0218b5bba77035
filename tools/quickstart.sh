#!/bin/bash
# Sets up, builds the Python extension, and does the main job on one model:
#   tools/quickstart.sh [MODEL.onnx [OUT.onnx]]
set -euo pipefail
source "$(dirname "$0")/setup.sh"

model=${1:-$BASIN_ROOT/models/tiny-shakespeare.onnx}
out=${2:-$BASIN_ROOT/build/$(basename "${model%.onnx}").rewritten.onnx}
[ -f "$model" ] || { echo "no such model: $model" >&2; exit 1; }

setup_packages "${BASIN_BUILD_PACKAGES[@]}"
setup_python requirements.txt
setup_configure build
# The extension is all that this needs: no tool, kernel, fuzzer or test.
setup_build build BasinPython

basin=$BASIN_ROOT/.venv/bin/basin
say "what the compiler sees in ${model##*/}"
"$basin" inspect "$model"
say "rewrite: powers of two out of the residual stream into a vector before each norm"
# Two scales as an example; those for a real use come from stats=FILE.
"$basin" rewrite "$model" "$out" absorb-residual scale-dims=3:1024,17:0.0625 insert-pre-affine
say "verify: both models on the same inputs"
"$basin" verify "$model" "$out"
say "written: $out"
