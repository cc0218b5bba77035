//===- Statistics.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the parts of a statistics file that rewrites need:
//
// {"version": 1, "residual_streams": [{"dim": 64, "max_abs": [64 numbers]}],
//  "attentions": [{"name": "/layers.0/attn/MatMul_1_output_0", "score_bound": 31.5}]}
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_STATISTICS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_STATISTICS_H

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <vector>

namespace basin::sink {

/// The largest |x_j| of each dimension j. The residual streams are in the order in which
/// inspection lists them.
struct ResidualStatistics {
  std::vector<std::vector<double>> maxAbs;
};

/// Returns the path that an option of a pass means. It may be a URI like "file:///a%20b", because
/// some characters cannot be written in a pipeline's text.
std::string decodePath(llvm::StringRef path);

/// Reads a statistics file. `path` may be a URI, file:///..., with percent-encoded characters.
llvm::Expected<ResidualStatistics> readResidualStatistics(llvm::StringRef path);

/// Reads the largest |score| of each attention by its name. Attentions without a bound are left
/// out. `path` is as above.
llvm::Expected<llvm::StringMap<double>> readScoreBounds(llvm::StringRef path);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_STATISTICS_H
