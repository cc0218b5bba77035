//===- InitAll.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_INITALL_H
#define BASIN_INITALL_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace basin {

/// Adds the kernel, onnx and sink dialects.
void registerAllDialects(mlir::DialectRegistry &registry);
/// Registers Basin's passes with the global pass registry.
void registerAllPasses();
/// Registers the named pipelines, `basin-raise` and `basin-lower-kernels`; see
/// Pipelines.h and Target/NVPTX/Compile.h.
void registerAllPipelines();
/// Registers `--onnx-to-mlir` and `--mlir-to-onnx`.
void registerAllTranslations();

} // namespace basin

#endif // BASIN_INITALL_H
