//===- Tensors.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tensors.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace basin;
namespace json = llvm::json;

/// A request to make up more bytes than this is taken for a typing error.
static constexpr uint64_t kMaxBytes = uint64_t(1) << 36;

static llvm::Error wrong(llvm::StringRef argument, const llvm::Twine &what) {
  return llvm::createStringError("argument '" + argument + "': " + what);
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

static const llvm::fltSemantics *semanticsOf(basin_rt_type type) {
  switch (type) {
  case BASIN_RT_F32:
    return &llvm::APFloat::IEEEsingle();
  case BASIN_RT_F16:
    return &llvm::APFloat::IEEEhalf();
  case BASIN_RT_BF16:
    return &llvm::APFloat::BFloat();
  default:
    return nullptr;
  }
}

static unsigned sizeOf(basin_rt_type type) {
  switch (type) {
  case BASIN_RT_I8:
    return 1;
  case BASIN_RT_F16:
  case BASIN_RT_BF16:
    return 2;
  case BASIN_RT_I64:
    return 8;
  default:
    return 4;
  }
}

static uint64_t bitsOf(double number, basin_rt_type type) {
  const llvm::fltSemantics *semantics = semanticsOf(type);
  if (!semantics)
    return static_cast<uint64_t>(static_cast<int64_t>(number));
  llvm::APFloat value(number);
  bool isInexact;
  value.convert(*semantics, llvm::APFloat::rmNearestTiesToEven, &isInexact);
  return value.bitcastToAPInt().getZExtValue();
}

llvm::Error Tensors::addElements(Part part, const json::Object &object, basin_rt_type type) {
  std::optional<int64_t> count = object.getInteger("elements");
  unsigned size = sizeOf(type);
  if (!count || *count < 0 || uint64_t(*count) > kMaxBytes / size)
    return wrong(part.argument,
                 "expected a number as 'elements', of at most " + llvm::Twine(kMaxBytes / size));
  std::optional<double> value = object.getNumber("value");
  if (object.get("value") && (!value || std::abs(*value) > 0x1p62))
    return wrong(part.argument, "expected a number as the value of its elements");
  part.bytes = uint64_t(*count) * size;
  part.data.assign(part.bytes, char(0xff));
  bool isDrawn = !value && !part.writable && semanticsOf(type);
  std::uniform_real_distribution<double> uniform(-1, 1);
  if (value || !part.writable)
    for (uint64_t at = 0; at < part.bytes; at += size) {
      uint64_t bits = bitsOf(isDrawn ? uniform(random) : value.value_or(0), type);
      std::memcpy(&part.data[at], &bits, size);
    }
  parts.push_back(std::move(part));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

llvm::Error Tensors::addFile(Part part, const json::Object &object) {
  part.file = object.getString("file").value_or("").str();
  uint64_t size = 0;
  if (std::error_code error = llvm::sys::fs::file_size(part.file, size))
    return wrong(part.argument, "'" + part.file + "': " + error.message());
  int64_t offset = object.getInteger("offset").value_or(object.get("offset") ? -1 : 0);
  if (offset < 0 || uint64_t(offset) > size)
    return wrong(part.argument, "expected an offset of 0 to " + llvm::Twine(size));
  int64_t rest = static_cast<int64_t>(size) - offset;
  int64_t bytes = object.getInteger("bytes").value_or(object.get("bytes") ? -1 : rest);
  if (bytes < 0 || bytes > rest)
    return wrong(part.argument, "expected 0 to " + llvm::Twine(rest) + " bytes");
  part.offset = static_cast<uint64_t>(offset);
  part.bytes = static_cast<uint64_t>(bytes);
  parts.push_back(std::move(part));
  return llvm::Error::success();
}

static bool saysSomething(llvm::StringRef key, bool ofFile) {
  if (ofFile)
    return key == "file" || key == "offset" || key == "bytes";
  return key == "elements" || key == "value";
}

llvm::Error Tensors::add(const basin_rt_argument_info &argument, const json::Value &value) {
  const json::Object *object = value.getAsObject();
  bool isFile = object && object->get("file"), isMade = object && object->get("elements");
  if (isFile == isMade)
    return wrong(argument.name, "expected a tensor, an object with 'file' or 'elements'");
  for (const auto &[key, member] : *object)
    if (!saysSomething(key, isFile))
      return wrong(argument.name, "unknown key '" + llvm::StringRef(key) + "' of a tensor");
  Part part{argument.name,
            "",
            0,
            0,
            argument.alignment,
            argument.kind != BASIN_RT_IN,
            argument.is_strided != 0,
            {}};
  return isFile ? addFile(std::move(part), *object)
                : addElements(std::move(part), *object, argument.type);
}

/// Gives each part a region of memory. Parts that overlap in a file share one.
llvm::Error Tensors::join() {
  std::vector<Part *> order;
  for (Part &part : parts)
    order.push_back(&part);
  llvm::sort(order, [](const Part *a, const Part *b) {
    return std::tie(a->file, a->offset, a) < std::tie(b->file, b->offset, b);
  });
  const Part *before = nullptr;
  for (Part *part : order) {
    Region *last = regions.empty() ? nullptr : &regions.back();
    uint64_t end = part->offset + part->bytes;
    if (last && !part->file.empty() && last->file == part->file && part->bytes != 0 &&
        part->offset < last->offset + last->bytes) {
      if ((last->writable || part->writable) && !(before->isStrided && part->isStrided))
        return wrong(part->argument,
                     "overlaps '" + before->argument + "', but the kernel writes one of them");
      last->name += ", " + part->argument;
      last->bytes = std::max(last->offset + last->bytes, end) - last->offset;
      last->writable |= part->writable;
      last->alignment = std::max(last->alignment, part->alignment);
    } else {
      regions.push_back({part->argument, part->file, part->offset, part->bytes, part->alignment,
                         part->writable, std::move(part->data)});
    }
    part->region = regions.size() - 1;
    before = part;
  }
  return llvm::Error::success();
}

llvm::Error Tensors::read() {
  if (llvm::Error error = join())
    return error;
  for (const Part &part : parts)
    if ((part.offset - regions[part.region].offset) % part.alignment != 0)
      return wrong(part.argument, "expected an offset that is a multiple of " +
                                      llvm::Twine(part.alignment) +
                                      " bytes from the tensor it overlaps");
  for (Region &region : regions) {
    // One byte more than needed gives regions of no bytes an address of their own.
    region.data.resize(region.bytes + 1);
    if (region.file.empty())
      continue;
    auto file = llvm::sys::fs::openNativeFileForRead(region.file);
    if (!file)
      return wrong(region.name, llvm::toString(file.takeError()));
    llvm::MutableArrayRef<char> rest(region.data.data(), region.bytes);
    llvm::Error error = llvm::Error::success();
    while (!rest.empty() && !error) {
      auto count = llvm::sys::fs::readNativeFileSlice(*file, rest,
                                                      region.offset + region.bytes - rest.size());
      if (count && *count != 0)
        rest = rest.drop_front(*count);
      else
        error = count ? llvm::createStringError("'" + region.file + "' ends before the tensor does")
                      : count.takeError();
    }
    llvm::sys::fs::closeFile(*file);
    if (error)
      return error;
  }
  return llvm::Error::success();
}

void *Tensors::pointer(llvm::StringRef argument) const {
  for (const Part &part : parts)
    if (part.argument == argument) {
      const Region &region = regions[part.region];
      return const_cast<char *>(region.data.data()) + (part.offset - region.offset);
    }
  llvm_unreachable("an argument that was not added");
}

std::vector<emulator::Buffer> Tensors::buffers(bool leastAlignment) {
  std::vector<emulator::Buffer> out;
  for (Region &region : regions)
    out.push_back({region.name, region.data.data(), region.bytes, region.writable,
                   leastAlignment ? region.alignment : 0});
  return out;
}

llvm::Error Tensors::write() const {
  for (const Region &region : regions) {
    if (region.file.empty() || !region.writable)
      continue;
    std::error_code error;
    llvm::raw_fd_ostream os(region.file, error, llvm::sys::fs::CD_OpenExisting,
                            llvm::sys::fs::FA_Write, llvm::sys::fs::OF_None);
    if (!error) {
      os.seek(region.offset);
      os.write(region.data.data(), region.bytes);
      os.close();
      error = os.error();
      os.clear_error();
    }
    if (error)
      return wrong(region.name, "'" + region.file + "': " + error.message());
  }
  return llvm::Error::success();
}
