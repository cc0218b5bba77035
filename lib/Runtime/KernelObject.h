//===- KernelObject.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel object in memory. It is valid by construction: an object that parse() accepted needs
// no more checks. docs/kernels.md describes the file.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_KERNELOBJECT_H
#define BASIN_LIB_RUNTIME_KERNELOBJECT_H

#include "Function.h"
#include "Plan.h"
#include "Status.h"
#include "basin/Support/WhyNot.h"

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace basin::rt {

/// The chip that a section is for, like "sm_90a": compute capability 9.0, this one alone.
struct Chip {
  int major = 0, minor = 0;
  /// 0 for none, 'a' for this capability alone, or 'f' for its family: the same major version
  /// and no smaller minor one.
  char suffix = 0;

  static std::optional<Chip> parse(std::string_view text);
  bool runsCubinOn(int deviceMajor, int deviceMinor) const;
  bool runsPTXOn(int deviceMajor, int deviceMinor) const;
};

struct Section {
  basin_rt_section_kind kind;
  std::string chipName;
  Chip chip;
  uint64_t offset, size;

  bool isCode() const { return kind == BASIN_RT_CUBIN || kind == BASIN_RT_PTX; }
};

struct Argument {
  std::string name;
  basin_rt_kind kind;
  basin_rt_type type;
  uint32_t alignment; // of a pointer
  bool isStrided = false;
};

/// A part of the spec that a kernel was made from.
struct SpecPart {
  std::string name;
  basin_rt_part_kind kind;
  double number; // 1 or 0 for a flag
  std::string text;
};

struct Kernel {
  std::string name;
  std::array<uint32_t, 3> block = {};
  uint32_t sharedBytes = 0;
  bool isResident = false;
  std::array<std::vector<basin_rt_grid_factor>, 3> grid;
  std::vector<Argument> arguments;
  /// Empty if the object does not say what the kernel was made from.
  std::string family;
  std::vector<SpecPart> spec;
};

/// The driver's limits. A file beyond them is refused, so that no launch fails because of it.
constexpr uint32_t kMaxThreads = 1024;
constexpr std::array<uint32_t, 3> kMaxBlock = {1024, 1024, 64};
constexpr size_t kMaxParameterBytes = 4096;
/// An argument has at most eight bytes. Counting each as eight is exact enough: no real kernel has
/// that many.
constexpr size_t kMaxArguments = kMaxParameterBytes / 8;
/// These are far beyond any real object, and bound the time and memory of reading one.
constexpr uint64_t kMaxFileBytes = uint64_t(1) << 34;
constexpr uint64_t kMaxJSONBytes = uint64_t(1) << 23;
constexpr size_t kMaxNameBytes = 256;
constexpr size_t kMaxSpecParts = 64;
/// The longest program of a pointwise kernel.
constexpr size_t kMaxSpecTextBytes = 64 * 1024;

/// What the JSON of an object says.
struct Contents {
  std::vector<Section> sections;
  std::vector<Kernel> kernels;
  std::vector<Function> functions;
  std::optional<ModelPlan> plan;
};

class KernelObject {
public:
  static Status parse(std::string bytes, KernelObject &out);
  static Status readFile(const char *path, KernelObject &out);

  const std::vector<Section> &getSections() const { return contents.sections; }
  const std::vector<Kernel> &getKernels() const { return contents.kernels; }
  const std::vector<Function> &getFunctions() const { return contents.functions; }
  /// Returns null if the object has no plan.
  const ModelPlan *getPlan() const { return contents.plan ? &*contents.plan : nullptr; }
  /// Returns the content of the section of weights, which is empty if there is none.
  std::string_view getWeights() const;
  std::string_view getBytes(const Section &section) const {
    return std::string_view(bytes).substr(section.offset, section.size);
  }

  /// Finds the index of the section that a device of this compute capability gets.
  Status chooseSection(int major, int minor, size_t &index) const;

private:
  std::string bytes;
  Contents contents;
};

/// Reads the JSON of an object of `fileSize` bytes whose sections begin no earlier than
/// `headerSize`. Returns what is wrong with it, or nothing.
WhyNot readHeader(std::string_view text, uint64_t headerSize, uint64_t fileSize, Contents &out);

class Node;
basin_rt_type readType(const Node &node);
/// Reads the member "functions", and checks what each one launches against the kernels.
void readFunctions(const Node &node, const std::vector<Kernel> &kernels,
                   std::vector<Function> &functions);

/// Returns what is wrong with the bytes of a cubin, or nothing. It must be an ELF file for
/// a GPU, and none of its parts may reach beyond its end: the driver gets no length, and would
/// read on.
WhyNot checkCubin(std::string_view bytes);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_KERNELOBJECT_H
