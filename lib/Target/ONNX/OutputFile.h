//===- OutputFile.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file that appears under its name when all of it is written, or never.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_TARGET_ONNX_OUTPUTFILE_H
#define BASIN_LIB_TARGET_ONNX_OUTPUTFILE_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>
#include <string>
#include <system_error>

namespace basin::onnx {

/// Written without a name where the system can (O_TMPFILE), so that nothing is
/// left of it however the process ends, else under a short name of its own:
/// one made from a long name could be too long.
class OutputFile {
public:
  OutputFile();
  ~OutputFile();
  /// In folder `dir`; empty is the working directory.
  std::error_code open(llvm::StringRef dir);
  llvm::raw_ostream &os();
  /// The first error of writing, after all buffers are written.
  std::error_code finish();
  /// Gives it the name `path`, which no file may have.
  std::error_code publishNew(llvm::StringRef path);
  /// Gives it the name `path`, in place of the file that has it.
  std::error_code publishOver(llvm::StringRef path);

private:
  class Stream;

  std::error_code makeName(llvm::function_ref<int(const char *)> create);

  int descriptor = -1;
  std::string folder;
  std::string temporary; // its name, if it has one
  std::unique_ptr<Stream> stream;
};

} // namespace basin::onnx

#endif // BASIN_LIB_TARGET_ONNX_OUTPUTFILE_H
