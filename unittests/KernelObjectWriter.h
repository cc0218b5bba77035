//===- KernelObjectWriter.h -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes valid and invalid kernel objects for tests, by the description of the file in
// docs/kernels.md.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_UNITTESTS_KERNELOBJECTWRITER_H
#define BASIN_UNITTESTS_KERNELOBJECTWRITER_H

#include <cstdint>
#include <elf.h>
#include <string>
#include <vector>

namespace basin::test {

inline std::string littleEndian64(uint64_t value) {
  std::string out;
  for (int i = 0; i < 8; ++i, value >>= 8)
    out.push_back(static_cast<char>(value & 255));
  return out;
}

/// Returns the smallest ELF file for a GPU, followed by `tag`, by which a test recognizes it.
inline std::string cubin(const std::string &tag) {
  Elf64_Ehdr header = {};
  std::string ident = std::string(ELFMAG) + "\x02\x01\x01";
  std::copy(ident.begin(), ident.end(), header.e_ident);
  header.e_machine = 190;
  header.e_ehsize = sizeof(header);
  return std::string(reinterpret_cast<const char *>(&header), sizeof(header)) + tag;
}

struct SectionText {
  std::string kind, chip, bytes;
};

/// Returns a file with any JSON.
inline std::string frame(const std::string &json, const std::string &rest = "") {
  return "BASINKO1" + littleEndian64(json.size()) + json + rest;
}

/// Returns a whole object. `kernels` is put into the brackets after "kernels", and `functions` into
/// those after "functions". `plan` is an object of JSON, which makes the version 2.
inline std::string object(const std::vector<SectionText> &sections, const std::string &kernels,
                          const std::string &functions = "", const std::string &plan = "") {
  auto align = [](uint64_t at) { return (at + 15) / 16 * 16; };
  // The offsets have a fixed width, so the length of the JSON is known before they are.
  std::string json, content;
  for (uint64_t base : {uint64_t(0), uint64_t(1)}) {
    base = base ? align(16 + json.size()) : 0;
    std::string list;
    content.clear();
    for (const SectionText &section : sections) {
      content.resize(align(content.size()));
      std::string offset = std::to_string(base + content.size());
      list += (list.empty() ? "" : ", ") + ("{\"kind\": \"" + section.kind) + "\", \"chip\": \"" +
              section.chip + "\", \"offset\": " + std::string(8 - offset.size(), ' ') + offset +
              ", \"size\": " + std::to_string(section.bytes.size()) + "}";
      content += section.bytes;
    }
    json = std::string("{\"version\": ") + (plan.empty() ? "1" : "2") + ", \"sections\": [" + list +
           "], \"kernels\": [" + kernels + "]" +
           (functions.empty() ? "" : ", \"functions\": [" + functions + "]") +
           (plan.empty() ? "" : ", \"plan\": " + plan) + "}";
  }
  std::string out = frame(json);
  out.resize(align(out.size()));
  return out + content;
}

inline const char *const kNormKernel = R"({"name": "norm", "block": [128, 1, 1], "shared_bytes": 0,
 "family": "norm", "spec": {"dim": 64, "type": "bf16", "weight": true, "eps": 1.5e-6},
 "grid": [[{"arg": "rows", "per": 4}], [], []],
 "arguments": [{"name": "x", "kind": "in", "type": "bf16"}, {"name": "y", "kind": "out", "type": "bf16"},
               {"name": "rows", "kind": "scalar", "type": "i32"}]})";

/// A function that launches a kernel twice: h = add(x, w), sum = add(h, w). It returns the second
/// result, and takes w transposed.
inline const char *const kAddKernel = R"({"name": "add", "block": [32, 1, 1], "shared_bytes": 0,
 "grid": [[{"arg": "rows", "per": 1}], [], []],
 "arguments": [{"name": "a", "kind": "in", "type": "bf16", "strided": true}, {"name": "b", "kind": "in", "type": "bf16"},
               {"name": "c", "kind": "out", "type": "bf16"}, {"name": "rows", "kind": "scalar", "type": "i32"},
               {"name": "stride", "kind": "scalar", "type": "i64"}]})";
inline const char *const kFunction =
    R"({"name": "block", "inputs": [{"value": "x", "type": "bf16"}, {"value": "w", "type": "bf16"}],
 "outputs": ["sum"],
 "steps": [{"kernel": "add", "inputs": [{"argument": "a", "value": "x"}, {"argument": "b", "value": "w", "transposed": true}],
            "outputs": [{"argument": "c", "value": "h", "type": "bf16", "shape": [[{"value": "x", "size": 0}], [{"value": "x", "size": 1}]]}],
            "scalars": {"rows": [{"value": "x", "size": 0}], "stride": [{"value": "x", "stride": 0}]}},
           {"kernel": "add", "inputs": [{"argument": "a", "value": "h"}, {"argument": "b", "value": "w", "transposed": true}],
            "outputs": [{"argument": "c", "value": "sum", "type": "bf16", "shape": [[2, {"value": "x", "size": 0}], [{"value": "w", "size": 1}]]}],
            "scalars": {"rows": [{"value": "x", "size": 0}, 2], "stride": [{"value": "h", "stride": 0}]}}]})";

/// A kernel that takes each kind of scalar, and has a grid of three axes and much shared memory.
inline const char *const kWideKernel =
    R"({"name": "wide", "block": [32, 4, 2], "shared_bytes": 65536,
 "grid": [[{"arg": "a", "per": 1}, {"arg": "b", "per": 64}], [{"arg": "b", "per": 1}], [{"arg": "a", "per": 2}]],
 "arguments": [{"name": "p", "kind": "inout", "type": "f32", "align": 4},
               {"name": "a", "kind": "scalar", "type": "i32"}, {"name": "b", "kind": "scalar", "type": "i64"},
               {"name": "c", "kind": "scalar", "type": "f32"}]})";

inline std::string goodObject() {
  return object({{"cubin", "sm_90a", cubin("for sm_90a")},
                 {"cubin", "sm_80", cubin("for sm_80")},
                 {"ptx", "sm_80", "ptx of sm_80"}},
                std::string(kNormKernel) + ", " + kWideKernel);
}

inline std::string functionObject(const std::string &function = kFunction) {
  return object({{"ptx", "sm_80", "ptx of sm_80"}}, kAddKernel, function);
}

} // namespace basin::test

#endif // BASIN_UNITTESTS_KERNELOBJECTWRITER_H
