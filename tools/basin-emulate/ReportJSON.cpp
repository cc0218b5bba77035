//===- ReportJSON.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReportJSON.h"

using namespace basin::emulator;
namespace json = llvm::json;

static json::Object toJSON(const Finding &finding) {
  json::Object out{{"kind", toString(finding.kind)},
                   {"op", finding.op},
                   {"location", finding.location},
                   {"block", json::Array(finding.block)},
                   {"thread", json::Array(finding.thread)},
                   {"address", finding.address},
                   {"message", finding.message},
                   {"count", finding.count}};
  if (!finding.otherOp.empty())
    out["other"] = json::Object{{"op", finding.otherOp}, {"location", finding.otherLocation}};
  return out;
}

static json::Object toJSON(const MemoryCounters &memory, bool isGlobal) {
  json::Object out{{"instructions", memory.instructions}, {"bytes", memory.bytes}};
  if (isGlobal) {
    out["sectors"] = memory.sectors;
    out["distinct_bytes"] = memory.distinctBytes;
  } else {
    out["extra_wavefronts"] = memory.extraWavefronts;
  }
  return out;
}

json::Object basin::toJSON(const Report &report) {
  json::Array findings;
  for (const Finding &finding : report.findings)
    findings.push_back(::toJSON(finding));
  json::Array accesses;
  for (const AccessCounters &access : report.accesses)
    accesses.push_back(json::Object{{"op", access.op},
                                    {"location", access.location},
                                    {"memory", access.shared ? "shared" : "global"},
                                    {"kind", access.store ? "store" : "load"},
                                    {"counters", ::toJSON(access.memory, !access.shared)}});
  const Counters &counters = report.counters;
  return json::Object{
      {"findings", std::move(findings)},
      {"total_findings", report.totalFindings},
      {"abandoned_blocks", report.abandonedBlocks},
      {"accesses", std::move(accesses)},
      {"counters", json::Object{{"global_loads", ::toJSON(counters.globalLoads, true)},
                                {"global_stores", ::toJSON(counters.globalStores, true)},
                                {"shared_loads", ::toJSON(counters.sharedLoads, false)},
                                {"shared_stores", ::toJSON(counters.sharedStores, false)},
                                {"barriers", counters.barriers},
                                {"warp_collectives", counters.warpCollectives},
                                {"mma", counters.mma},
                                {"async_copies", counters.asyncCopies}}}};
}
