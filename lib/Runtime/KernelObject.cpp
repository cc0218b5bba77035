//===- KernelObject.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The frame of a kernel object: magic, length, sections. A file is read and not mapped. If it
// shrank under a mapping, that would kill the process; if it changed, it would no longer be what
// was checked; and the driver copies the section anyway.
//
//===----------------------------------------------------------------------===//

#include "KernelObject.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace basin;
using namespace basin::rt;

static constexpr std::string_view kMagic = "BASINKO1";
static constexpr size_t kFrameBytes = 16;

static uint64_t readLittleEndian64(const char *at) {
  uint64_t out = 0;
  for (int i = 7; i >= 0; --i)
    out = out << 8 | static_cast<uint8_t>(at[i]);
  return out;
}

static Status invalid(std::string message) {
  return {BASIN_RT_INVALID_OBJECT, "kernel object: " + std::move(message)};
}

Status KernelObject::parse(std::string bytes, KernelObject &out) {
  if (bytes.size() > kMaxFileBytes)
    return invalid("expected at most " + std::to_string(kMaxFileBytes) + " bytes, but got " +
                   std::to_string(bytes.size()));
  std::string_view view = bytes;
  if (view.substr(0, 7) != kMagic.substr(0, 7))
    return invalid("expected a file that begins with BASINKO1");
  if (view.substr(0, 8) != kMagic)
    return invalid("expected version 1 of the file format");
  if (view.size() < kFrameBytes)
    return invalid("the file ends before the length of its JSON");
  uint64_t length = readLittleEndian64(view.data() + kMagic.size());
  if (length > kMaxJSONBytes || length > view.size() - kFrameBytes)
    return invalid("expected at most " +
                   std::to_string(std::min<uint64_t>(kMaxJSONBytes, view.size() - kFrameBytes)) +
                   " bytes of JSON, but got " + std::to_string(length));
  KernelObject made;
  WhyNot why = readHeader(view.substr(kFrameBytes, length), kFrameBytes + length, view.size(),
                          made.contents);
  if (why)
    return invalid(std::move(*why));
  made.bytes = std::move(bytes);
  for (size_t i = 0; i < made.contents.sections.size(); ++i) {
    const Section &section = made.contents.sections[i];
    std::string_view content = made.getBytes(section);
    if (section.kind == BASIN_RT_CUBIN)
      why = checkCubin(content);
    else if (section.kind != BASIN_RT_WEIGHTS &&
             content.find('\0') < content.find_last_not_of('\0'))
      why = "expected text, but got a zero byte";
    if (why)
      return invalid("sections[" + std::to_string(i) + "]: " + *why);
  }
  out = std::move(made);
  return {};
}

std::string_view KernelObject::getWeights() const {
  for (const Section &section : getSections())
    if (section.kind == BASIN_RT_WEIGHTS)
      return getBytes(section);
  return "";
}

namespace {
struct File {
  int descriptor = -1;
  ~File() {
    if (descriptor >= 0)
      ::close(descriptor);
  }
};
} // namespace

static Status ioError(const char *path, const std::string &what) {
  return {BASIN_RT_IO_ERROR, std::string(path) + ": " + what};
}

Status KernelObject::readFile(const char *path, KernelObject &out) {
  // Without O_NONBLOCK, opening a pipe of that name would wait for its writer.
  File file{::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info;
  if (file.descriptor < 0 || ::fstat(file.descriptor, &info) != 0)
    return ioError(path, std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    return ioError(path, "expected a regular file");
  if (static_cast<uint64_t>(info.st_size) > kMaxFileBytes)
    return ioError(path, "expected at most " + std::to_string(kMaxFileBytes) + " bytes, but got " +
                             std::to_string(info.st_size));
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  for (size_t done = 0; done < bytes.size();) {
    ssize_t got = ::read(file.descriptor, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return ioError(path, std::strerror(errno));
    if (got == 0)
      return ioError(path, "the file became shorter while it was read");
    done += static_cast<size_t>(got);
  }
  Status status = parse(std::move(bytes), out);
  return status.failed() ? Status(status.code(), std::string(path) + ": " + status.message())
                         : status;
}

/// Cubins come before PTX, which must be compiled. Among sections of one kind, the one for the
/// latest chip comes first; for one chip, the one with a suffix. Other sections are no code.
Status KernelObject::chooseSection(int major, int minor, size_t &index) const {
  int best = -1;
  bool found = false;
  std::string have;
  for (size_t i = 0; i < getSections().size(); ++i) {
    const Section &section = getSections()[i];
    if (!section.isCode())
      continue;
    const Chip &chip = section.chip;
    bool cubin = section.kind == BASIN_RT_CUBIN;
    have += (have.empty() ? "" : ", ") + std::string(cubin ? "cubin " : "PTX ") + section.chipName;
    if (cubin ? !chip.runsCubinOn(major, minor) : !chip.runsPTXOn(major, minor))
      continue;
    int specific = chip.suffix == 'a' ? 2 : chip.suffix == 'f' ? 1 : 0;
    int rank = (cubin ? 1 << 20 : 0) + (chip.major * 10 + chip.minor) * 4 + specific;
    if (rank <= best)
      continue;
    best = rank;
    index = i;
    found = true;
  }
  if (found)
    return {};
  return {BASIN_RT_UNSUPPORTED_DEVICE,
          "the device has compute capability " + std::to_string(major) + "." +
              std::to_string(minor) +
              ", but the sections of the object are for: " + (have.empty() ? "no GPU" : have)};
}
