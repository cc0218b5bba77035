//===- TensorData.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Small tensors become `dense` attributes, which are easy to read. All others are resources over
// memory that an owner keeps alive, such as the mapped model or a part of a file.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/TensorData.h"

#include "basin/Dialect/ONNX/IR/ExternalData.h"
#include "basin/Dialect/ONNX/IR/MappedFile.h"
#include "basin/Dialect/ONNX/IR/QuoteName.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace basin::onnx;

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

Type basin::onnx::getElementType(MLIRContext *ctx, int32_t code) {
  auto integer = [&](unsigned width, bool isUnsigned = false) -> Type {
    return IntegerType::get(ctx, width, isUnsigned ? IntegerType::Unsigned : IntegerType::Signless);
  };
  switch (code) {
  case 1:
    return Float32Type::get(ctx);
  case 2:
    return integer(8, true);
  case 3:
    return integer(8);
  case 4:
    return integer(16, true);
  case 5:
    return integer(16);
  case 6:
    return integer(32);
  case 7:
    return integer(64);
  case 8:
    return StringType::get(ctx);
  case 9:
    return integer(1);
  case 10:
    return Float16Type::get(ctx);
  case 11:
    return Float64Type::get(ctx);
  case 12:
    return integer(32, true);
  case 13:
    return integer(64, true);
  case 14:
    return ComplexType::get(Float32Type::get(ctx));
  case 15:
    return ComplexType::get(Float64Type::get(ctx));
  case 16:
    return BFloat16Type::get(ctx);
  case 17:
    return Float8E4M3FNType::get(ctx);
  case 18:
    return Float8E4M3FNUZType::get(ctx);
  case 19:
    return Float8E5M2Type::get(ctx);
  case 20:
    return Float8E5M2FNUZType::get(ctx);
  case 21:
    return integer(4, true);
  case 22:
    return integer(4);
  case 23:
    return Float4E2M1FNType::get(ctx);
  case 24:
    return Float8E8M0FNUType::get(ctx);
  case 25:
    return integer(2, true);
  case 26:
    return integer(2);
  case 27:
    return Float6E2M3FNType::get(ctx);
  case 28:
    return Float6E3M2FNType::get(ctx);
  default:
    return {};
  }
}

int32_t basin::onnx::getElementTypeCode(Type type) {
  for (int32_t code = 1; code <= 28; ++code)
    if (getElementType(type.getContext(), code) == type)
      return code;
  return 0;
}

unsigned basin::onnx::getElementBits(Type elementType) {
  if (isa<StringType>(elementType))
    return 0;
  if (auto complex = dyn_cast<ComplexType>(elementType))
    return 2 * complex.getElementType().getIntOrFloatBitWidth();
  if (elementType.isInteger(1))
    return 8;
  return elementType.isIntOrFloat() ? elementType.getIntOrFloatBitWidth() : 0;
}

std::optional<uint64_t> basin::onnx::getRawByteSize(ArrayRef<int64_t> shape, Type elementType) {
  uint64_t bits = getElementBits(elementType);
  if (bits == 0)
    return std::nullopt;
  uint64_t count = 1;
  bool overflow = false;
  // A zero anywhere makes the tensor empty, even if the other dims overflow.
  if (!llvm::is_contained(shape, 0))
    for (int64_t dim : shape) {
      if (dim < 0)
        return std::nullopt;
      count = llvm::SaturatingMultiply(count, static_cast<uint64_t>(dim), &overflow);
      if (overflow)
        return std::nullopt;
    }
  else
    count = 0;
  uint64_t total = llvm::SaturatingMultiply(count, bits, &overflow);
  if (overflow)
    return std::nullopt;
  return llvm::divideCeil(total, 8);
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

static llvm::Error refuseExternal(StringRef location, const Twine &why) {
  return llvm::createStringError("external data " + quoteName(location) + " " + why);
}

llvm::Error basin::onnx::checkExternalName(StringRef location) {
  namespace paths = llvm::sys::path;
  if (location.empty() || location.contains('\0'))
    return refuseExternal(location, "is not a file name");
  if (paths::is_absolute(location))
    return refuseExternal(location, "is an absolute path; expected one inside the model's folder");
  for (auto it = paths::begin(location), end = paths::end(location); it != end; ++it)
    if (*it == "..")
      return refuseExternal(location, "leaves the model's folder");
  return llvm::Error::success();
}

llvm::Error basin::onnx::resolveExternalFile(StringRef baseDir, StringRef location,
                                             std::string &path, uint64_t &size) {
  namespace fs = llvm::sys::fs;
  namespace paths = llvm::sys::path;
  auto refuse = [&](const Twine &why) { return refuseExternal(location, why); };
  if (llvm::Error error = checkExternalName(location))
    return error;
  SmallString<256> joined(baseDir.empty() ? "." : baseDir), real, realBase;
  paths::append(joined, location);
  if (std::error_code error = fs::real_path(joined, real))
    return refuse("cannot be found: " + error.message());
  if (std::error_code error = fs::real_path(baseDir.empty() ? "." : baseDir, realBase))
    return refuse("cannot be found: " + error.message());
  StringRef inside(real);
  if (realBase != "/" && (!inside.consume_front(realBase) || !inside.starts_with("/")))
    return refuse("is a link that leaves the model's folder");
  fs::file_status status;
  if (std::error_code error = fs::status(real, status))
    return refuse("cannot be read: " + error.message());
  if (status.type() != fs::file_type::regular_file)
    return refuse("is not a regular file");
  path = std::string(real);
  size = status.getSize();
  return llvm::Error::success();
}

static FailureOr<TensorBytes> mapExternal(ExternalAttr value, Operation *from) {
  StringRef baseDir;
  for (Operation *op = from; op; op = op->getParentOp())
    if (auto dir = op->getAttrOfType<StringAttr>(kBaseDirAttr))
      baseDir = dir.getValue();
  auto type = cast<ShapedType>(value.getType());
  std::optional<uint64_t> length = getRawByteSize(type.getShape(), type.getElementType());
  std::string path;
  uint64_t size = 0;
  if (llvm::Error error = resolveExternalFile(baseDir, value.getLocation(), path, size))
    return from->emitError(llvm::toString(std::move(error)));
  auto offset = static_cast<uint64_t>(value.getOffset());
  if (!length || value.getOffset() < 0 || offset > size || *length > size - offset)
    return from->emitError("external data ")
           << quoteName(value.getLocation()) << " has " << size << " bytes, but offset " << offset
           << " and type " << type << " need more";
  auto buffer = mapFile(path, offset, length);
  if (!buffer)
    return from->emitError("external data ")
           << quoteName(value.getLocation()) << " cannot be read: " << buffer.getError().message();
  std::shared_ptr<llvm::MemoryBuffer> owner = std::move(*buffer);
  ArrayRef<char> bytes(owner->getBufferStart(), owner->getBufferSize());
  return TensorBytes{bytes, std::move(owner)};
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

Attribute basin::onnx::stripTensorInfo(Attribute value) {
  if (auto tensor = dyn_cast_or_null<TensorAttr>(value))
    return tensor.getElements();
  return value;
}

/// Spreads a `dense` out, because it keeps only one element of a splat and packs booleans.
static TensorBytes spreadDense(DenseElementsAttr dense) {
  auto owner = std::make_shared<std::vector<char>>();
  if (dense.getElementType().isInteger(1)) {
    owner->reserve(dense.getNumElements());
    for (bool value : dense.getValues<bool>())
      owner->push_back(value);
  } else {
    ArrayRef<char> one = dense.getRawData();
    for (int64_t i = 0, e = dense.getNumElements(); i < e; ++i)
      owner->insert(owner->end(), one.begin(), one.end());
  }
  return {ArrayRef<char>(*owner), owner};
}

FailureOr<TensorBytes> basin::onnx::getTensorBytes(Attribute value, Operation *from) {
  value = stripTensorInfo(value);
  if (auto external = dyn_cast_or_null<ExternalAttr>(value))
    return mapExternal(external, from);
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(value)) {
    if (!dense.getElementType().isIntOrFloat())
      return failure();
    if (dense.getElementType().isInteger(1) || (dense.isSplat() && dense.getNumElements() != 1))
      return spreadDense(dense);
    return TensorBytes{dense.getRawData(), nullptr};
  }
  if (auto resource = dyn_cast_or_null<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return from->emitError("resource '") << resource.getRawHandle().getKey() << "' has no data";
    return TensorBytes{blob->getData(), nullptr};
  }
  return failure();
}

/// Returns whether `dense` stores the type as `raw_data` does (after booleans are converted) and
/// prints it as numbers.
static bool isDenseElementType(Type type) {
  if (type.isInteger(1) || type.isF32() || type.isF64() || type.isF16() || type.isBF16())
    return true;
  auto integer = dyn_cast<IntegerType>(type);
  return integer && integer.getWidth() >= 8;
}

TypedAttr basin::onnx::makeElements(RankedTensorType type, ArrayRef<char> bytes,
                                    std::shared_ptr<void> owner, StringRef name) {
  constexpr int64_t kInline = 16;
  Type elementType = type.getElementType();
  if (type.getNumElements() <= kInline && isDenseElementType(elementType)) {
    // A boolean in `dense` cannot be a byte other than 0 and 1.
    bool canonical =
        !elementType.isInteger(1) || llvm::all_of(bytes, [](char c) { return c == 0 || c == 1; });
    if (canonical && elementType.isInteger(1)) {
      SmallVector<bool> values(bytes.begin(), bytes.end());
      return DenseElementsAttr::get(type, values);
    }
    if (canonical)
      return DenseElementsAttr::getFromRawBuffer(type, bytes);
  }
  AsmResourceBlob blob = UnmanagedAsmResourceBlob::allocateWithAlign(
      bytes, /*align=*/1, [owner = std::move(owner)](void *, size_t, size_t) {},
      /*dataIsMutable=*/false);
  return DenseResourceElementsAttr::get(type, name.empty() ? "tensor" : name, std::move(blob));
}
