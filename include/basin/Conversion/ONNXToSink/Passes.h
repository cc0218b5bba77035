//===- Passes.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_ONNXTOSINK_PASSES_H
#define BASIN_CONVERSION_ONNXTOSINK_PASSES_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace basin {

#define GEN_PASS_DECL
#include "basin/Conversion/ONNXToSink/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "basin/Conversion/ONNXToSink/Passes.h.inc"

} // namespace basin

#endif // BASIN_CONVERSION_ONNXTOSINK_PASSES_H
