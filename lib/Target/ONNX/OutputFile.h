//===- OutputFile.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file that appears under its name only after all of it was written.
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

/// The file is written without a name if the system can do that (O_TMPFILE). Then nothing is left
/// of it, however the process ends. Otherwise it is written under a short name of its own,
/// because a name made from the final one could be too long.
class OutputFile {
public:
  OutputFile();
  ~OutputFile();
  /// Makes the file in folder `dir`. An empty text is the working directory.
  std::error_code open(llvm::StringRef dir);
  llvm::raw_ostream &os();
  /// Writes all buffers, and returns the first error of all writing.
  std::error_code finish();
  /// Gives the file the name `path`. Fails if another file has it.
  std::error_code publishNew(llvm::StringRef path);
  /// Gives the file the name `path`, and replaces the file that has it.
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
