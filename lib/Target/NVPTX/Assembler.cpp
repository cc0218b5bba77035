//===- Assembler.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the two assemblers. nvJitLink contains ptxas, so the logs of both have the same words.
// The functions and numbers of nvJitLink are those of nvJitLink.h of CUDA 12 and 13.
//
//===----------------------------------------------------------------------===//

#include "basin/Target/NVPTX/Assembler.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <dlfcn.h>

using namespace basin::nvptx;
using llvm::ArrayRef;
using llvm::SmallString;
using llvm::SmallVector;
using llvm::StringRef;

//===----------------------------------------------------------------------===//
// What it says
//===----------------------------------------------------------------------===//

/// Returns the number before `unit` in `line`, or 0 if `unit` is not there.
static unsigned numberBefore(StringRef line, StringRef unit) {
  StringRef head = line.split(unit).first;
  if (head.size() == line.size())
    return 0;
  unsigned number = 0;
  head.rtrim().rsplit(' ').second.getAsInteger(10, number);
  return number;
}

/// Reads the log of `-v`. For each kernel it has a line with the name, one with stack and
/// spills, and one with registers.
static void parseLog(StringRef log, Assembled &out) {
  SmallVector<StringRef> lines;
  log.split(lines, '\n');
  for (StringRef line : lines) {
    if (line.contains("Compiling entry function '")) {
      StringRef name = line.split("Compiling entry function '").second.split('\'').first;
      out.kernels.push_back({name.str()});
    } else if (line.contains("spill stores") && !out.kernels.empty()) {
      KernelResources &kernel = out.kernels.back();
      kernel.stackBytes = numberBefore(line, "bytes stack frame");
      kernel.spillBytes =
          numberBefore(line, "bytes spill stores") + numberBefore(line, "bytes spill loads");
    } else if (line.contains("Used ") && !out.kernels.empty()) {
      out.kernels.back().registers = numberBefore(line, "registers");
      out.kernels.back().staticSharedBytes = numberBefore(line, "bytes smem");
    } else if (line.contains("warning") || line.contains("Potential Performance Loss")) {
      out.warnings.push_back(line.trim().str());
    }
  }
}

static llvm::Error makeError(StringRef who, StringRef chip, const llvm::Twine &text) {
  return llvm::createStringError(who + " for " + chip + ": " + text);
}

llvm::Expected<Assembled> Assembler::assemble(StringRef ptx, StringRef chip) const {
  // For some names that are no chips, nvJitLink ends the process.
  StringRef number = chip;
  unsigned version;
  if (!number.consume_front("sm_") || number.consumeInteger(10, version) || version < 80)
    return llvm::createStringError("expected a chip from sm_80 on, but got '" + chip + "'");
  return run(ptx, chip);
}

//===----------------------------------------------------------------------===//
// The library
//===----------------------------------------------------------------------===//

namespace {
using Handle = void *;

/// Functions of nvJitLink. Each returns 0 if it succeeds.
struct NvJitLinkFunctions {
  int (*create)(Handle *, uint32_t options, const char **) = nullptr;
  int (*destroy)(Handle *) = nullptr;
  int (*addData)(Handle, int inputType, const void *, size_t, const char *name) = nullptr;
  int (*complete)(Handle) = nullptr;
  int (*getCubinSize)(Handle, size_t *) = nullptr;
  int (*getCubin)(Handle, void *) = nullptr;
  int (*getErrorLogSize)(Handle, size_t *) = nullptr;
  int (*getErrorLog)(Handle, char *) = nullptr;
  int (*getInfoLogSize)(Handle, size_t *) = nullptr;
  int (*getInfoLog)(Handle, char *) = nullptr;

  bool lookUp(void *library) {
    auto get = [&](auto &function, const char *name) {
      function =
          reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
      return function != nullptr;
    };
    return get(create, "nvJitLinkCreate") && get(destroy, "nvJitLinkDestroy") &&
           get(addData, "nvJitLinkAddData") && get(complete, "nvJitLinkComplete") &&
           get(getCubinSize, "nvJitLinkGetLinkedCubinSize") &&
           get(getCubin, "nvJitLinkGetLinkedCubin") &&
           get(getErrorLogSize, "nvJitLinkGetErrorLogSize") &&
           get(getErrorLog, "nvJitLinkGetErrorLog") &&
           get(getInfoLogSize, "nvJitLinkGetInfoLogSize") && get(getInfoLog, "nvJitLinkGetInfoLog");
  }
};

constexpr int kInputPTX = 2;

class NvJitLink : public Assembler {
public:
  /// Loads the first of the files that is such a library, which stays loaded. Returns null if
  /// none is.
  static std::unique_ptr<Assembler> load(ArrayRef<std::string> files) {
    for (const std::string &file : files) {
      void *library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
      NvJitLinkFunctions functions;
      if (library && functions.lookUp(library))
        return std::unique_ptr<Assembler>(new NvJitLink(file, functions));
    }
    return nullptr;
  }

  llvm::Expected<Assembled> run(StringRef ptx, StringRef chip) const override {
    std::string arch = ("-arch=" + chip).str();
    const char *options[] = {arch.c_str(), "-O3", "-Xptxas=-v"};
    Handle handle = nullptr;
    if (int status = call.create(&handle, std::size(options), options))
      return makeError("nvJitLink", chip, "it refuses its options (" + llvm::Twine(status) + ")");
    llvm::scope_exit destroy([&] { call.destroy(&handle); });
    std::string text = ptx.str(); // with a terminator behind it
    int status = call.addData(handle, kInputPTX, text.data(), text.size(), "kernels");
    if (status == 0)
      status = call.complete(handle);
    if (status != 0) {
      std::string log = read(handle, call.getErrorLogSize, call.getErrorLog);
      if (log.empty())
        log = "error " + std::to_string(status);
      return makeError("nvJitLink", chip, log);
    }
    Assembled out;
    parseLog(read(handle, call.getInfoLogSize, call.getInfoLog), out);
    size_t size = 0;
    call.getCubinSize(handle, &size);
    out.cubin.resize(size);
    if (call.getCubin(handle, out.cubin.data()) != 0)
      return makeError("nvJitLink", chip, "it gave no machine code");
    return out;
  }

private:
  NvJitLink(std::string path, NvJitLinkFunctions call)
      : Assembler(Kind::NvJitLink, std::move(path)), call(call) {}

  /// Reads a log. Its size includes the terminator.
  static std::string read(Handle handle, int (*getSize)(Handle, size_t *),
                          int (*get)(Handle, char *)) {
    size_t size = 0;
    if (getSize(handle, &size) != 0 || size == 0)
      return {};
    std::string text(size, '\0');
    if (get(handle, text.data()) != 0)
      return {};
    return StringRef(text).split('\0').first.trim().str();
  }

  NvJitLinkFunctions call;
};

//===----------------------------------------------------------------------===//
// The program
//===----------------------------------------------------------------------===//

class Ptxas : public Assembler {
public:
  explicit Ptxas(std::string path) : Assembler(Kind::Ptxas, std::move(path)) {}

  llvm::Expected<Assembled> run(StringRef ptx, StringRef chip) const override;
};
} // namespace

static std::string readAll(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

llvm::Expected<Assembled> Ptxas::run(StringRef ptx, StringRef chip) const {
  SmallString<128> input, output, log;
  int fd;
  if (auto error = llvm::sys::fs::createTemporaryFile("kernels", "ptx", fd, input))
    return llvm::errorCodeToError(error);
  {
    llvm::raw_fd_ostream os(fd, /*shouldClose=*/true);
    os << ptx;
  }
  llvm::scope_exit clean([&] {
    for (StringRef path : {StringRef(input), StringRef(output), StringRef(log)})
      if (!path.empty())
        (void)llvm::sys::fs::remove(path);
  });
  if (auto error = llvm::sys::fs::createTemporaryFile("kernels", "cubin", output))
    return llvm::errorCodeToError(error);
  if (auto error = llvm::sys::fs::createTemporaryFile("kernels", "log", log))
    return llvm::errorCodeToError(error);
  std::string arch = ("-arch=" + chip).str();
  StringRef args[] = {getPath(), arch, "-v", "-O3", "-o", output, input};
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(log), StringRef(log)};
  std::string reason;
  int status = llvm::sys::ExecuteAndWait(getPath(), args, std::nullopt, redirects, 0, 0, &reason);
  std::string text = readAll(log);
  if (status != 0)
    return makeError("ptxas", chip, text.empty() ? reason : text);
  Assembled out;
  parseLog(text, out);
  out.cubin = readAll(output);
  return out;
}

//===----------------------------------------------------------------------===//
// Search
//===----------------------------------------------------------------------===//

/// Returns the files that may be the library: those in each folder's lib64 and lib, later
/// versions first. The folder "" stands for where the system looks.
static SmallVector<std::string> libraryFiles(ArrayRef<std::string> toolkits) {
  SmallVector<std::string> out;
  for (const std::string &toolkit : toolkits)
    for (StringRef name : {"libnvJitLink.so.13", "libnvJitLink.so.12"}) {
      if (toolkit.empty()) {
        out.push_back(name.str());
        continue;
      }
      for (StringRef folder : {"/lib64/", "/lib/"})
        out.push_back((toolkit + folder + name).str());
    }
  return out;
}

/// Returns the path of ptxas, or an empty text if there is none.
static std::string findProgram(ArrayRef<std::string> toolkits) {
  for (const std::string &toolkit : toolkits) {
    std::string bin = toolkit + "/bin";
    auto found = toolkit.empty() ? llvm::sys::findProgramByName("ptxas")
                                 : llvm::sys::findProgramByName("ptxas", {StringRef(bin)});
    if (found)
      return *found;
  }
  return {};
}

llvm::Expected<std::unique_ptr<Assembler>> Assembler::find(StringRef toolkit,
                                                           std::optional<Kind> kind) {
  SmallVector<std::string> toolkits;
  if (!toolkit.empty()) {
    toolkits.push_back(toolkit.str());
  } else {
    if (auto home = llvm::sys::Process::GetEnv("CUDA_HOME"); home && !home->empty())
      toolkits.push_back(*home);
    toolkits.insert(toolkits.end(), {"", "/usr/local/cuda"});
  }
  if (kind.value_or(Kind::Ptxas) == Kind::Ptxas)
    if (std::string program = findProgram(toolkits); !program.empty())
      return std::make_unique<Ptxas>(program);
  if (kind.value_or(Kind::NvJitLink) == Kind::NvJitLink)
    if (std::unique_ptr<Assembler> library = NvJitLink::load(libraryFiles(toolkits)))
      return library;
  StringRef what = !kind                      ? "neither ptxas nor libnvJitLink was"
                   : *kind == Kind::NvJitLink ? "no libnvJitLink was"
                                              : "no ptxas was";
  std::string where = toolkit.empty() ? " (CUDA_HOME may name the folder)" : " in " + toolkit.str();
  return llvm::createStringError(what + " found to assemble kernels with" + where);
}
