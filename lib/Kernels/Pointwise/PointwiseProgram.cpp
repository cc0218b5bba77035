//===- PointwiseProgram.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads programs in two steps: the text becomes nested lists of words, and the lists become
// declarations (here) and expressions, whose types are found on the way. The first step bounds
// length and depth, so the second may recurse.
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/PointwiseProgram.h"

#include "PointwiseOperators.h"
#include "PointwiseParser.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace basin::kernels;
using llvm::StringRef;
using llvm::Twine;

static constexpr int64_t kMaxAxes = 6, kMaxTensorAxes = 8, kMaxCount = INT32_MAX;
static constexpr size_t kMaxTensors = 32, kMaxScalars = 32, kMaxName = 64;
static constexpr int64_t kMaxStride = int64_t(1) << 40, kMaxAlignment = 4096;

PointwiseType basin::kernels::getType(PointwiseElement element) {
  switch (element) {
  case PointwiseElement::F32:
  case PointwiseElement::F16:
  case PointwiseElement::BF16:
    return PointwiseType::Real;
  case PointwiseElement::Bool:
    return PointwiseType::Boolean;
  default:
    return PointwiseType::Integer;
  }
}

int64_t basin::kernels::getBytes(PointwiseElement element) {
  static constexpr int64_t kBytes[] = {4, 2, 2, 1, 4, 8, 1};
  return kBytes[static_cast<int>(element)];
}

static constexpr StringRef kElementNames[] = {"f32", "f16", "bf16", "i8", "i32", "i64", "bool"};

StringRef basin::kernels::getName(PointwiseElement element) {
  return kElementNames[static_cast<int>(element)];
}

static llvm::Error fail(const Twine &message) { return llvm::createStringError(message); }

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

llvm::Expected<llvm::SmallVector<PointwiseSize, 6>>
basin::kernels::parsePointwiseSizes(StringRef text) {
  llvm::SmallVector<StringRef> parts;
  text.split(parts, 'x');
  if (parts.size() > kMaxAxes)
    return fail("sizes: expected 1 to 6 axes, but got " + Twine(parts.size()));
  llvm::SmallVector<PointwiseSize, 6> out;
  int64_t count = 1;
  for (StringRef part : parts) {
    int64_t size = 1;
    if (part != "?" && (part.getAsInteger(10, size) || size < 1 || size > kMaxCount))
      return fail("sizes: expected ? or a number from 1 to " + Twine(kMaxCount) + ", but got '" +
                  part.take_front(kMaxName) + "'");
    // Both factors are below 2^31, so the product does not overflow.
    count *= size;
    if (count > kMaxCount)
      return fail("sizes: expected at most " + Twine(kMaxCount) + " elements, but got " +
                  Twine(count));
    out.push_back(part == "?" ? PointwiseSize() : PointwiseSize(size));
  }
  return out;
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

llvm::Error PointwiseParser::parse(llvm::ArrayRef<Form> forms) {
  for (const Form &form : forms) {
    if (!form.isList || form.parts.empty() || form.parts[0].isList)
      return failAt(form, "expected (in ..), (scalar ..) or (out ..)");
    StringRef head = form.parts[0].word;
    if (head != "in" && head != "out" && head != "scalar")
      return failAt(form,
                    "expected in, scalar or out, but got '" + head.take_front(kMaxName) + "'");
    if (llvm::Error error = head == "scalar" ? parseScalar(form) : parseTensor(form, head == "out"))
      return error;
  }
  if (llvm::none_of(out.tensors, [](const PointwiseTensor &t) { return t.stored; }))
    return fail("expected a tensor that is written, (out ..)");
  return checkArguments();
}

//===----------------------------------------------------------------------===//
// Declarations
//===----------------------------------------------------------------------===//

bool basin::kernels::isPointwiseName(StringRef text) {
  return text.size() <= kMaxName && !text.empty() && !llvm::isDigit(text[0]) &&
         llvm::all_of(text, [](char c) { return llvm::isAlnum(c) || c == '_'; }) &&
         !llvm::is_contained({"inf", "nan", "true", "false"}, text);
}

llvm::Error PointwiseParser::checkName(const Form &form) {
  if (form.isList || !isPointwiseName(form.word))
    return failAt(form, "expected a name of up to " + Twine(kMaxName) +
                            " letters, digits and underscores");
  if (findTensor(form.word) || findScalar(form.word) || bound.contains(form.word))
    return failAt(form, "expected a name that nothing has, but got one that is in use");
  return llvm::Error::success();
}

llvm::Error PointwiseParser::parseScalar(const Form &form) {
  if (form.parts.size() != 3)
    return failAt(form, "expected (scalar NAME i64) or (scalar NAME f32)");
  if (llvm::Error error = checkName(form.parts[1]))
    return error;
  bool isInteger = isWord(form.parts[2], "i64");
  if (!isInteger && !isWord(form.parts[2], "f32"))
    return failAt(form, "expected a scalar of i64 or f32, but got '" + show(form.parts[2]) + "'");
  if (out.scalars.size() == kMaxScalars)
    return failAt(form, "expected at most " + Twine(kMaxScalars) + " scalars");
  out.scalars.push_back(
      {form.parts[1].word.str(), isInteger ? PointwiseType::Integer : PointwiseType::Real});
  return llvm::Error::success();
}

llvm::Error PointwiseParser::parseStrides(const Form &form, PointwiseTensor &tensor) {
  if (!form.isList || form.parts.size() > kMaxTensorAxes)
    return failAt(form, "expected up to " + Twine(kMaxTensorAxes) + " strides, like (64 1)");
  for (const Form &part : form.parts) {
    int64_t stride = 0;
    if (!isWord(part, "?") &&
        (part.isList || part.word.getAsInteger(10, stride) || stride < 0 || stride > kMaxStride))
      return failAt(form, "expected ? or a number from 0 to " + Twine(kMaxStride) +
                              " as a stride, but got '" + show(part) + "'");
    tensor.strides.push_back(isWord(part, "?") ? PointwiseSize() : PointwiseSize(stride));
  }
  return llvm::Error::success();
}

llvm::Error PointwiseParser::parseAlignment(const Form &form, PointwiseTensor &tensor) {
  if (form.isList || form.word.getAsInteger(10, tensor.alignment) ||
      tensor.alignment < getBytes(tensor.element) || tensor.alignment > kMaxAlignment ||
      !llvm::isPowerOf2_64(tensor.alignment))
    return failAt(form, "expected a power of two from " + Twine(getBytes(tensor.element)) + " to " +
                            Twine(kMaxAlignment) + " as the alignment of '" + tensor.name + "'");
  return llvm::Error::success();
}

llvm::Error PointwiseParser::parseTensor(const Form &form, bool isOut) {
  size_t count = form.parts.size(), plain = isOut ? 5 : 4;
  if (count != plain && (count != plain + 2 || !isWord(form.parts[4], "align")))
    return failAt(form, isOut ? "expected (out NAME TYPE (STRIDES) [align N] EXPRESSION)"
                              : "expected (in NAME TYPE (STRIDES) [align N])");
  if (llvm::Error error = checkName(form.parts[1]))
    return error;
  PointwiseTensor tensor{form.parts[1].word.str(), PointwiseElement::F32, {}, 0, std::nullopt};
  const StringRef *found = llvm::find(kElementNames, form.parts[2].word);
  if (found == std::end(kElementNames))
    return failAt(form.parts[2],
                  "expected a type: " + llvm::join(llvm::ArrayRef(kElementNames), ", "));
  tensor.element = static_cast<PointwiseElement>(found - kElementNames);
  tensor.alignment = getBytes(tensor.element);
  if (llvm::Error error = parseStrides(form.parts[3], tensor))
    return error;
  if (count != plain)
    if (llvm::Error error = parseAlignment(form.parts[5], tensor))
      return error;
  if (out.tensors.size() == kMaxTensors)
    return failAt(form, "expected at most " + Twine(kMaxTensors) + " tensors");
  if (isOut) {
    if (tensor.strides.size() != out.rank())
      return failAt(form, "expected a stride for each of the " + Twine(out.rank()) +
                              " axes, but got " + Twine(tensor.strides.size()));
    for (auto [size, stride] : llvm::zip(out.sizes, tensor.strides))
      if (size != 1 && stride == 0)
        return failAt(form, "expected strides other than 0, because each element is written once");
    tensor.stored = 0; // no expression may read it, not even its own
  }
  out.tensors.push_back(std::move(tensor));
  return isOut ? parseStored(form) : llvm::Error::success();
}

llvm::Error PointwiseParser::parseStored(const Form &form) {
  PointwiseElement element = out.tensors.back().element;
  Number value = parseExpression(form.parts.back());
  if (!value)
    return value.takeError();
  if (typeOf(*value) != getType(element))
    return failAt(form, "expected " + describe(getType(element)) + " to store as " +
                            getName(element) + ", but got " + describe(typeOf(*value)));
  out.tensors.back().stored = *value;
  return llvm::Error::success();
}

/// Checks that no name is that of an argument which the kernel adds.
llvm::Error PointwiseParser::checkArguments() {
  llvm::StringMap<bool> added;
  added["count"] = true;
  for (unsigned axis = 0; axis < out.rank(); ++axis)
    if (!out.sizes[axis])
      added[("size" + Twine(axis)).str()] = true;
  for (const PointwiseTensor &tensor : out.tensors)
    for (auto [axis, stride] : llvm::enumerate(tensor.strides))
      if (!stride && !added.try_emplace((tensor.name + "_stride" + Twine(axis)).str()).second)
        return fail("expected names of which no two make the same argument, but got two '" +
                    tensor.name + "_stride" + Twine(axis) + "'");
  for (const PointwiseTensor &tensor : out.tensors)
    if (added.contains(tensor.name))
      return fail("'" + tensor.name + "': expected a name that nothing has, but got an argument's");
  for (const PointwiseScalar &scalar : out.scalars)
    if (added.contains(scalar.name))
      return fail("'" + scalar.name + "': expected a name that nothing has, but got an argument's");
  return llvm::Error::success();
}

llvm::Expected<PointwiseProgram>
basin::kernels::parsePointwiseProgram(StringRef text, llvm::ArrayRef<PointwiseSize> sizes) {
  llvm::Expected<std::vector<Form>> forms = readForms(text);
  if (!forms)
    return forms.takeError();
  PointwiseParser parser(sizes);
  if (llvm::Error error = parser.parse(*forms))
    return error;
  return std::move(parser.out);
}
