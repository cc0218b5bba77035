//===- DataFiles.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds out which models mention a data file. The old model mentions it if the model's bytes have
// the entry ("location", name). For other models the bytes of the name are enough, so a name that
// only looks used is kept. A model that cannot be read counts as mentioning every file.
//
//===----------------------------------------------------------------------===//

#include "DataFiles.h"

#include "basin/Dialect/ONNX/IR/MappedFile.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

#include <string_view>

using namespace basin::onnx;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace paths = llvm::sys::path;

/// Linux limits names of files to this many bytes.
static constexpr size_t kMaxName = 255;

/// Returns `file`.data, or `file`.`number`.data. A long name is cut, and gets a hash that tells it
/// apart from others.
static std::string makeName(StringRef file, uint64_t number) {
  std::string end = number == 0 ? ".data" : "." + std::to_string(number) + ".data";
  if (file.size() + end.size() <= kMaxName)
    return file.str() + end;
  std::string hash = "~" + llvm::utohexstr(llvm::xxh3_64bits(file), /*LowerCase=*/true, 16);
  size_t kept = kMaxName - end.size() - hash.size();
  // The name must not be cut in the middle of a character.
  while (kept > 0 && (static_cast<uint8_t>(file[kept]) & 0xc0) == 0x80)
    --kept;
  return file.take_front(kept).str() + hash + end;
}

/// Returns whether makeName gives `name` for some number.
static bool isOwnName(StringRef file, StringRef name) {
  if (name == makeName(file, 0))
    return true;
  StringRef rest = name;
  uint64_t number;
  return rest.consume_back(".data") && !rest.rsplit('.').second.getAsInteger(10, number) &&
         number > 0 && name == makeName(file, number);
}

static std::string beside(StringRef path, StringRef name) {
  llvm::SmallString<128> out(paths::parent_path(path));
  paths::append(out, name);
  return std::string(out);
}

/// Returns whether a file has this name, or a link, even a dangling one.
static bool isThere(StringRef path) {
  fs::file_status status;
  std::error_code error = fs::status(path, status, /*follow=*/false);
  return !error || error != std::errc::no_such_file_or_directory;
}

std::string basin::onnx::chooseDataName(StringRef path,
                                        llvm::function_ref<bool(StringRef)> isTaken) {
  for (uint64_t number = 0;; ++number) {
    std::string name = makeName(paths::filename(path), number);
    if (!isTaken(name) && !isThere(beside(path, name)))
      return name;
  }
}

/// Returns whether the file at `path` contains `bytes`, or `otherwise` if it cannot be read.
static bool holds(StringRef path, StringRef bytes, bool otherwise) {
  MappedFileCheck intact;
  auto buffer = mapFile(path);
  if (!buffer)
    return otherwise;
  std::string_view content((*buffer)->getBuffer());
  bool found = content.find(std::string_view(bytes)) != std::string_view::npos;
  if (llvm::Error error = intact.check()) {
    llvm::consumeError(std::move(error));
    return otherwise;
  }
  return found;
}

/// Returns the bytes of a StringStringEntryProto that names the file `name`, as a model has them.
static std::string encodeLocation(StringRef name) {
  std::string out = "\x0a\x08location\x12";
  size_t size = name.size();
  for (; size >= 128; size >>= 7)
    out += static_cast<char>(size | 128);
  out += static_cast<char>(size);
  return out + name.str();
}

std::vector<std::string> basin::onnx::findOwnDataFiles(StringRef path) {
  std::vector<std::string> own, models;
  std::error_code error;
  StringRef folder = paths::parent_path(path), file = paths::filename(path);
  for (fs::directory_iterator it(folder.empty() ? "." : folder, error), end; it != end && !error;
       it.increment(error)) {
    StringRef name = paths::filename(it->path());
    if (isOwnName(file, name) && holds(path, encodeLocation(name), /*otherwise=*/false))
      own.push_back(name.str());
    else if (name.ends_with(".onnx") && name != file)
      models.push_back(it->path());
  }
  if (error)
    return {};
  llvm::erase_if(own, [&](StringRef name) {
    return llvm::any_of(models,
                        [&](StringRef model) { return holds(model, name, /*otherwise=*/true); });
  });
  return own;
}
