//===- CublasLt.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the library and looks up its functions. Without a path of the user, the system is asked for
// version 13 and then for version 12. A process that has loaded one of them, as torch does, gets
// the same one.
//
//===----------------------------------------------------------------------===//

#include "CublasLt.h"

#include <dlfcn.h>
#include <mutex>
#include <vector>

using namespace basin::rt;
using namespace basin::rt::lt;

static constexpr const char *kDefaultPaths[] = {"libcublasLt.so.13", "libcublasLt.so.12"};
// A version is 10000 * major + 100 * minor + patch.
static constexpr size_t kFirstVersion = 120000, kVersionsEnd = 140000;

namespace {
/// The state lives until the process ends, because handles of the library do, too.
struct State {
  std::mutex mutex;
  std::string path; // empty: the default ones; else the one that was set or loaded
  bool ready = false;
  Library library = {};
};
} // namespace

static State &getState() {
  static State *state = new State();
  return *state;
}

Status Library::check(Result result, const char *call) const {
  if (result == kSuccess)
    return {};
  const char *name = getStatusName ? getStatusName(result) : nullptr;
  return {BASIN_RT_PRODUCT_LIBRARY_ERROR, std::string(call) + ": " +
                                              (name ? name : "unknown status") + " (" +
                                              std::to_string(result) + ")"};
}

/// Returns the name of a missing function, or null if all are there.
static const char *lookUpAll(void *handle, Library &library) {
  const char *missing = nullptr;
  auto get = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(handle, name));
    if (!function)
      missing = name;
    return function != nullptr;
  };
  (void)(get(library.getVersion, "cublasLtGetVersion") && get(library.create, "cublasLtCreate") &&
         get(library.operationCreate, "cublasLtMatmulDescCreate") &&
         get(library.operationDestroy, "cublasLtMatmulDescDestroy") &&
         get(library.operationSet, "cublasLtMatmulDescSetAttribute") &&
         get(library.layoutCreate, "cublasLtMatrixLayoutCreate") &&
         get(library.layoutDestroy, "cublasLtMatrixLayoutDestroy") &&
         get(library.layoutSet, "cublasLtMatrixLayoutSetAttribute") &&
         get(library.preferenceCreate, "cublasLtMatmulPreferenceCreate") &&
         get(library.preferenceDestroy, "cublasLtMatmulPreferenceDestroy") &&
         get(library.preferenceSet, "cublasLtMatmulPreferenceSetAttribute") &&
         get(library.findAlgorithms, "cublasLtMatmulAlgoGetHeuristic") &&
         get(library.multiply, "cublasLtMatmul"));
  if (missing)
    return missing;
  library.getStatusName =
      reinterpret_cast<const char *(*)(Result)>(::dlsym(handle, "cublasLtGetStatusName"));
  return nullptr;
}

/// Loads one file. Otherwise returns why it cannot be used.
static std::string loadFile(const std::string &path, Library &library) {
  void *handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *why = ::dlerror();
    return why ? why : path + ": unknown error";
  }
  std::string why;
  if (const char *missing = lookUpAll(handle, library))
    why = path + ": it has no function " + missing;
  else if (size_t version = library.getVersion();
           version < kFirstVersion || version >= kVersionsEnd)
    why = path + ": expected version 12 or 13, but got " + std::to_string(version);
  if (!why.empty())
    ::dlclose(handle);
  return why;
}

static Status load(State &state) {
  std::vector<std::string> paths(std::begin(kDefaultPaths), std::end(kDefaultPaths));
  if (!state.path.empty())
    paths = {state.path};
  std::string reasons;
  for (const std::string &path : paths) {
    std::string why = loadFile(path, state.library);
    if (why.empty()) {
      state.path = path;
      state.ready = true;
      return {};
    }
    reasons += (reasons.empty() ? "" : "; ") + why;
  }
  return {BASIN_RT_NO_PRODUCT_LIBRARY, "no cuBLASLt: " + reasons};
}

Status lt::getLibrary(const Library *&library) {
  State &state = getState();
  std::lock_guard<std::mutex> lock(state.mutex);
  if (!state.ready)
    if (Status status = load(state); status.failed())
      return status;
  library = &state.library;
  return {};
}

Status lt::useLibrary(const char *path) {
  State &state = getState();
  std::lock_guard<std::mutex> lock(state.mutex);
  if (*path == '\0')
    return {BASIN_RT_INVALID_ARGUMENT, "expected the path of a cuBLASLt, but got an empty text"};
  if (state.ready && state.path != path)
    return {BASIN_RT_INVALID_ARGUMENT, "the cuBLASLt " + state.path + " is already in use"};
  state.path = path;
  return {};
}
