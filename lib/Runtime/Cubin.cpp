//===- Cubin.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Says which code runs on which chips, and whether a cubin is whole.
//
//===----------------------------------------------------------------------===//

#include "KernelObject.h"

#include <charconv>
#include <cstring>
#include <elf.h>

using namespace basin;
using namespace basin::rt;

/// Reads "sm_80", "sm_90a" or "sm_120f". The last digit is the minor version.
std::optional<Chip> Chip::parse(std::string_view text) {
  if (!text.starts_with("sm_"))
    return std::nullopt;
  text.remove_prefix(3);
  Chip out;
  if (text.ends_with('a') || text.ends_with('f')) {
    out.suffix = text.back();
    text.remove_suffix(1);
  }
  int number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end != text.data() + text.size() || number < 10 || number > 9999 ||
      text.front() == '0')
    return std::nullopt;
  out.major = number / 10;
  out.minor = number % 10;
  return out;
}

bool Chip::runsCubinOn(int deviceMajor, int deviceMinor) const {
  if (deviceMajor != major)
    return false;
  return suffix == 'a' ? deviceMinor == minor : deviceMinor >= minor;
}

/// PTX for a chip with a suffix uses features that later chips may lack.
bool Chip::runsPTXOn(int deviceMajor, int deviceMinor) const {
  if (suffix != 0)
    return runsCubinOn(deviceMajor, deviceMinor);
  return deviceMajor > major || (deviceMajor == major && deviceMinor >= minor);
}

/// Returns whether `count` entries of `size` bytes that begin at `offset` end within `total`.
static bool fits(uint64_t offset, uint64_t count, uint64_t size, uint64_t total) {
  if (offset > total)
    return false;
  return count == 0 || size <= (total - offset) / count;
}

template <typename T> static T readAt(std::string_view bytes, uint64_t offset) {
  T out;
  std::memcpy(&out, bytes.data() + offset, sizeof(T));
  return out;
}

/// Checks the tables of sections and segments, and the place of each one's content.
static WhyNot checkTables(std::string_view bytes, const Elf64_Ehdr &header) {
  uint64_t total = bytes.size();
  if (!fits(header.e_shoff, header.e_shnum, sizeof(Elf64_Shdr), total))
    return "the cubin ends before its table of sections does";
  if (!fits(header.e_phoff, header.e_phnum, sizeof(Elf64_Phdr), total))
    return "the cubin ends before its table of segments does";
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    auto part = readAt<Elf64_Shdr>(bytes, header.e_shoff + i * sizeof(Elf64_Shdr));
    if (part.sh_type != SHT_NOBITS && !fits(part.sh_offset, 1, part.sh_size, total))
      return "the cubin ends before its section " + std::to_string(i) + " does";
  }
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    auto part = readAt<Elf64_Phdr>(bytes, header.e_phoff + i * sizeof(Elf64_Phdr));
    if (!fits(part.p_offset, 1, part.p_filesz, total))
      return "the cubin ends before its segment " + std::to_string(i) + " does";
  }
  return std::nullopt;
}

WhyNot basin::rt::checkCubin(std::string_view bytes) {
  constexpr uint16_t kMachineCUDA = 190;
  if (bytes.size() < sizeof(Elf64_Ehdr) || bytes.substr(0, SELFMAG) != ELFMAG)
    return "expected a cubin, but got no ELF file";
  auto header = readAt<Elf64_Ehdr>(bytes, 0);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != kMachineCUDA)
    return "expected a cubin, but got an ELF file for another machine";
  if ((header.e_shnum != 0 && header.e_shentsize != sizeof(Elf64_Shdr)) ||
      (header.e_phnum != 0 && header.e_phentsize != sizeof(Elf64_Phdr)))
    return "the cubin's tables have entries of an unknown size";
  if (header.e_shnum != 0 && header.e_shstrndx >= header.e_shnum)
    return "the cubin has no section of names";
  return checkTables(bytes, header);
}
