//===- OutputFile.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM's TempFile and raw_fd_ostream are not used. TempFile takes over the signals of a host
// program, also Python's interrupt. raw_fd_ostream ends the process if its last bytes do not fit
// on the disk.
//
//===----------------------------------------------------------------------===//

#include "OutputFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/Path.h"

#include <fcntl.h>
#include <random>
#include <unistd.h>

using namespace basin::onnx;
using llvm::StringRef;

static std::error_code lastError() { return {errno, std::generic_category()}; }

/// Writes bytes to a descriptor. After the first error, which it keeps, it writes nothing more.
class OutputFile::Stream : public llvm::raw_ostream {
public:
  explicit Stream(int descriptor) : descriptor(descriptor) { SetBufferSize(1 << 20); }
  ~Stream() override { flush(); }
  std::error_code error;

private:
  void write_impl(const char *data, size_t size) override {
    constexpr size_t kMost = size_t(1) << 30;
    position += size;
    while (size > 0 && !error) {
      ssize_t written =
          llvm::sys::RetryAfterSignal(-1, ::write, descriptor, data, std::min(size, kMost));
      if (written < 0) {
        error = lastError();
        return;
      }
      data += written;
      size -= static_cast<size_t>(written);
    }
  }
  uint64_t current_pos() const override { return position; }

  int descriptor;
  uint64_t position = 0;
};

OutputFile::OutputFile() = default;

OutputFile::~OutputFile() {
  stream.reset();
  if (descriptor >= 0)
    ::close(descriptor);
  if (!temporary.empty())
    ::unlink(temporary.c_str());
}

/// Calls `create` with new names in the folder until it makes a file.
std::error_code OutputFile::makeName(llvm::function_ref<int(const char *)> create) {
  std::random_device random;
  for (unsigned tries = 0; tries < 100; ++tries) {
    llvm::SmallString<128> name(folder);
    llvm::sys::path::append(name, ".basin-" + llvm::Twine(random()) + ".tmp");
    if (create(name.c_str()) >= 0) {
      temporary = std::string(name);
      return {};
    }
    if (errno != EEXIST)
      return lastError();
  }
  return std::make_error_code(std::errc::file_exists);
}

std::error_code OutputFile::open(StringRef dir) {
  folder = dir.empty() ? "." : dir.str();
#ifdef O_TMPFILE
  // Giving the file a name later needs /proc.
  if (::access("/proc/self/fd", X_OK) == 0)
    descriptor = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
#endif
  if (descriptor < 0)
    if (std::error_code error = makeName([&](const char *name) {
          return descriptor = ::open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
        }))
      return error;
  stream = std::make_unique<Stream>(descriptor);
  return {};
}

llvm::raw_ostream &OutputFile::os() { return *stream; }

std::error_code OutputFile::finish() {
  stream->flush();
  return stream->error;
}

static int linkDescriptor(int descriptor, const char *name) {
  std::string source = "/proc/self/fd/" + std::to_string(descriptor);
  return ::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

std::error_code OutputFile::publishNew(StringRef path) {
  std::string name = path.str();
  if (temporary.empty())
    return linkDescriptor(descriptor, name.c_str()) == 0 ? std::error_code() : lastError();
  if (::link(temporary.c_str(), name.c_str()) == 0) {
    ::unlink(temporary.c_str());
  } else {
    // The file system may have no links. Then a rename must do; the name was free a moment ago.
    if (errno == EEXIST || ::access(name.c_str(), F_OK) == 0)
      return std::make_error_code(std::errc::file_exists);
    if (::rename(temporary.c_str(), name.c_str()) != 0)
      return lastError();
  }
  temporary.clear();
  return {};
}

std::error_code OutputFile::publishOver(StringRef path) {
  if (temporary.empty())
    if (std::error_code error =
            makeName([&](const char *name) { return linkDescriptor(descriptor, name); }))
      return error;
  if (::rename(temporary.c_str(), path.str().c_str()) != 0)
    return lastError();
  temporary.clear();
  return {};
}
