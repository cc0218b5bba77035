# lit's configuration. test/lit.site.cfg.py.in, filled in by CMake, says where
# the tools are; everything that a test may rely on is named here.
import os

import lit.formats

config.name = "basin"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["python", "models", "consumer", "fuzz", "Inputs", "lit.cfg.py"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.basin_build_dir, "test")

config.environment["PATH"] = os.pathsep.join(
    [
        os.path.join(config.basin_build_dir, "bin"),
        config.llvm_tools_dir,
        os.path.dirname(config.python),
        config.environment.get("PATH", ""),
    ]
)
config.environment["PYTHONPATH"] = os.path.join(config.basin_build_dir, "python")

config.substitutions += [
    ("%basin_src", config.basin_src_dir),
    ("%python", config.python),
    ("%mlir_opt", os.path.join(config.llvm_tools_dir, "mlir-opt")),
    ("%basin_plugin", os.path.join(config.basin_build_dir, "lib", "BasinPlugin.so")),
]

if config.basin_sanitize:
    # The plugin lives in a process whose main program has no sanitizer runtime.
    # Leaks: LLVM's managed statics are reachable, but libMLIR.so is not
    # instrumented, so leak reports would name its internals, and it takes memory
    # from allocators that our code had poisoned.
    config.environment["ASAN_OPTIONS"] = "detect_leaks=0:detect_container_overflow=0:allow_user_poisoning=0"
    config.available_features.add("sanitizer")
else:
    config.available_features.add("plugin")
if config.python:
    config.available_features.add("python")
if os.path.exists("/dev/nvidia0"):
    config.available_features.add("gpu")
