//===- basin-plugin.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything that Basin registers, as one shared object for an mlir-opt that links libMLIR.so:
//   mlir-opt-22 --load-dialect-plugin=BasinPlugin.so
//   --load-pass-plugin=BasinPlugin.so
//
//===----------------------------------------------------------------------===//

#include "basin/InitAll.h"

#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Config/llvm-config.h"

static void registerPasses() {
  basin::registerAllPasses();
  basin::registerAllPipelines();
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::DialectPluginLibraryInfo mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Basin", LLVM_VERSION_STRING,
          [](mlir::DialectRegistry *registry) { basin::registerAllDialects(*registry); }};
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Basin", LLVM_VERSION_STRING, registerPasses};
}
