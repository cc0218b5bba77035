//===- MappedFile.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Mappings are in a list that only grows, so the signal handler can walk it without a lock. The
// slot of a mapping that is gone is used again. The handler calls nothing but sysconf and mmap, and
// stores to atomics.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/MappedFile.h"
#include "basin/Dialect/ONNX/IR/QuoteName.h"

#include "llvm/Support/Errno.h"
#include "llvm/Support/Process.h"

#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace basin::onnx;
using llvm::StringRef;

//===----------------------------------------------------------------------===//
// Mappings and the signal
//===----------------------------------------------------------------------===//

namespace {
struct Mapping {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0}; // 0 if the slot is free
  std::atomic<bool> hasLost{false};
  std::string path; // guarded by `lock`
  Mapping *next = nullptr;
};
} // namespace

static std::mutex lock;
static std::atomic<Mapping *> mappings{nullptr};
static std::atomic<unsigned> numLost{0};
static std::string *lastLost = nullptr; // guarded by `lock`
static struct sigaction previous;

/// Does what would have happened without this file.
static void passOn(int signal, siginfo_t *info, void *context) {
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    // The access is repeated when the handler returns, and then ends the process.
    ::signal(signal, SIG_DFL);
  }
}

static void onBusError(int signal, siginfo_t *info, void *context) {
  int savedErrno = errno;
  auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Mapping *m = mappings.load(); m; m = m->next) {
    if (address < m->begin.load() || address >= m->end.load())
      continue;
    auto size = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    void *page = reinterpret_cast<void *>(address & ~(size - 1));
    if (::mmap(page, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
      break;
    m->hasLost.store(true);
    numLost.fetch_add(1);
    errno = savedErrno;
    return;
  }
  passOn(signal, info, context);
}

static void installHandler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = onBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &previous);
  });
}

static Mapping *enter(uintptr_t begin, uintptr_t end, StringRef path) {
  std::lock_guard<std::mutex> guard(lock);
  Mapping *slot = mappings.load();
  while (slot && slot->end.load() != 0)
    slot = slot->next;
  bool isNew = !slot;
  if (isNew)
    slot = new Mapping;
  slot->path = path.str();
  slot->hasLost.store(false);
  slot->begin.store(begin);
  slot->end.store(end);
  if (isNew) {
    slot->next = mappings.load();
    mappings.store(slot);
  }
  return slot;
}

static void leave(Mapping *slot) {
  std::lock_guard<std::mutex> guard(lock);
  if (slot->hasLost.load()) {
    if (!lastLost)
      lastLost = new std::string;
    *lastLost = slot->path;
  }
  slot->end.store(0);
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

namespace {
/// A part of a file. A mapping must begin at a page, so it has `skip` bytes before the part.
class MappedBuffer : public llvm::MemoryBuffer {
public:
  MappedBuffer(void *base, size_t skip, size_t length, StringRef path)
      : base(base), size(skip + length), name(path.str()) {
    auto begin = reinterpret_cast<uintptr_t>(base);
    slot = enter(begin, begin + size, path);
    auto *data = static_cast<const char *>(base) + skip;
    init(data, data + length, /*RequiresNullTerminator=*/false);
  }
  ~MappedBuffer() override {
    leave(slot);
    ::munmap(base, size);
  }
  BufferKind getBufferKind() const override { return MemoryBuffer_MMap; }
  StringRef getBufferIdentifier() const override { return name; }

private:
  void *base;
  size_t size;
  std::string name;
  Mapping *slot;
};

struct Descriptor {
  explicit Descriptor(int number) : number(number) {}
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  ~Descriptor() {
    if (number >= 0)
      ::close(number);
  }
  int number;
};
} // namespace

using Buffer = llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>>;

static std::error_code lastError() { return {errno, std::generic_category()}; }

static Buffer readPiece(int file, StringRef path, uint64_t offset, size_t length) {
  auto buffer = llvm::WritableMemoryBuffer::getNewUninitMemBuffer(length, path);
  if (!buffer)
    return std::make_error_code(std::errc::not_enough_memory);
  for (size_t done = 0; done < length;) {
    ssize_t got = llvm::sys::RetryAfterSignal(-1, ::pread, file, buffer->getBufferStart() + done,
                                              length - done, static_cast<off_t>(offset + done));
    if (got < 0)
      return lastError();
    if (got == 0)
      return std::make_error_code(std::errc::io_error);
    done += static_cast<size_t>(got);
  }
  return std::unique_ptr<llvm::MemoryBuffer>(std::move(buffer));
}

Buffer basin::onnx::mapFile(StringRef path, uint64_t offset, std::optional<uint64_t> length) {
  constexpr uint64_t kSmall = 1 << 16;
  std::string name = path.str();
  // O_NONBLOCK keeps open from waiting for the writer of a pipe. Pipes are refused below.
  Descriptor file(llvm::sys::RetryAfterSignal(-1, ::open, name.c_str(),
                                              O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status;
  if (file.number < 0 || ::fstat(file.number, &status) != 0)
    return lastError();
  if (S_ISDIR(status.st_mode))
    return std::make_error_code(std::errc::is_a_directory);
  if (!S_ISREG(status.st_mode))
    return std::make_error_code(std::errc::invalid_argument);
  auto size = static_cast<uint64_t>(status.st_size);
  if (offset > size || (length && *length > size - offset))
    return std::make_error_code(std::errc::io_error);
  uint64_t wanted = length.value_or(size - offset);
  if (wanted < kSmall)
    return readPiece(file.number, path, offset, wanted);
  installHandler();
  uint64_t skip = offset % llvm::sys::Process::getPageSizeEstimate();
  void *base = ::mmap(nullptr, skip + wanted, PROT_READ, MAP_PRIVATE, file.number,
                      static_cast<off_t>(offset - skip));
  if (base == MAP_FAILED)
    return lastError();
  return std::make_unique<MappedBuffer>(base, skip, wanted, path);
}

//===----------------------------------------------------------------------===//
// The check
//===----------------------------------------------------------------------===//

MappedFileCheck::MappedFileCheck() : lostBefore(numLost.load()) {}

llvm::Error MappedFileCheck::check() const {
  std::lock_guard<std::mutex> guard(lock);
  const std::string *lost = numLost.load() != lostBefore ? lastLost : nullptr;
  for (Mapping *m = mappings.load(); m; m = m->next)
    if (m->end.load() != 0 && m->hasLost.load())
      lost = &m->path;
  if (!lost)
    return llvm::Error::success();
  return llvm::createStringError("file " + quoteName(*lost) + " shrank while it was read");
}
