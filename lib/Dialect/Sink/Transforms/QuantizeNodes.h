//===- QuantizeNodes.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes the nodes that quantize an activation and bring it back to floats.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZENODES_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZENODES_H

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Quantization/Scheme.h"
#include "basin/Support/WhyNot.h"

namespace basin::sink {

/// How quantization is written: by ONNX's own operators, whose types say what is stored, or by
/// arithmetic that computes the same bits and that runtimes execute which lack these types.
enum class QuantizedNodes { QDQ, Simulate };

/// The first version of ai.onnx that has the nodes.
int64_t getNeededOpset(const quantization::Quantizer &quantizer, QuantizedNodes nodes);

/// Returns why the activation cannot be quantized: its element type is no float, or a size is not
/// static that the quantizer needs.
WhyNot checkQuantizable(mlir::Value x, const quantization::Quantizer &quantizer);

/// Returns `x` after it was quantized and brought back, in its own type. Quantization itself is
/// computed in f32, as `Quantizer` defines it. A quantizer that is not dynamic needs a `range`.
mlir::Value addFakeQuantization(onnx::NodeBuilder &n, mlir::Value x,
                                const quantization::Quantizer &quantizer,
                                std::optional<quantization::CalibratedRange> range,
                                QuantizedNodes nodes);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZENODES_H
