//===- ReportJSON.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TOOLS_BASIN_EMULATE_REPORTJSON_H
#define BASIN_TOOLS_BASIN_EMULATE_REPORTJSON_H

#include "basin/Emulator/Report.h"

#include "llvm/Support/JSON.h"

namespace basin {

/// Returns an object of `findings`, `total_findings`, `abandoned_blocks`, `counters` and
/// `accesses`.
llvm::json::Object toJSON(const emulator::Report &report);

} // namespace basin

#endif // BASIN_TOOLS_BASIN_EMULATE_REPORTJSON_H
