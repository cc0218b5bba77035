//===- Kernel.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Kernel/IR/Kernel.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin::kernels;

#include "basin/Dialect/Kernel/IR/KernelDialect.cpp.inc"
#include "basin/Dialect/Kernel/IR/KernelEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "basin/Dialect/Kernel/IR/KernelAttrs.cpp.inc"

static constexpr int64_t kDefaultAlignment = 16, kMaxAlignment = 4096;

void KernelDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "basin/Dialect/Kernel/IR/KernelAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Parts of a contract
//===----------------------------------------------------------------------===//

ArgumentAttr ContractAttr::find(StringRef name) const {
  for (ArgumentAttr argument : getArguments())
    if (argument.getName().getValue() == name)
      return argument;
  return {};
}

ContractAttr ContractAttr::withGrid(AxisAttr x, AxisAttr y, AxisAttr z) const {
  return get(getContext(), getArguments(), x, y, z, getSharedBytes(), getIsResident(), getFamily(),
             getSpec());
}

ContractAttr ContractAttr::withResidentBlocks() const {
  return get(getContext(), getArguments(), getX(), getY(), getZ(), getSharedBytes(),
             /*isResident=*/true, getFamily(), getSpec());
}

ContractAttr ContractAttr::withSpec(StringRef family, DictionaryAttr spec) const {
  return get(getContext(), getArguments(), getX(), getY(), getZ(), getSharedBytes(),
             getIsResident(), StringAttr::get(getContext(), family), spec);
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

// A part is printed in angle brackets where it stands alone, and without them in a contract.

static void printPart(AsmPrinter &os, ArgumentAttr argument) {
  os << stringifyArgumentKind(argument.getKind()) << " " << argument.getName() << " : "
     << argument.getType();
  if (argument.getAlignment() != kDefaultAlignment)
    os << " align " << argument.getAlignment();
  if (argument.getIsStrided())
    os << " strided";
}

/// Parses a string. Parsed as an attribute, it could have a type after a colon.
static ParseResult parseText(AsmParser &parser, StringAttr &out) {
  std::string text;
  if (parser.parseString(&text))
    return failure();
  out = StringAttr::get(parser.getContext(), text);
  return success();
}

static FailureOr<ArgumentAttr> parseArgument(AsmParser &parser) {
  StringRef keyword;
  StringAttr name;
  Type type;
  SMLoc where = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<ArgumentKind> kind = symbolizeArgumentKind(keyword);
  if (!kind)
    return parser.emitError(where, "expected in, out, inout or scalar, but got ") << keyword;
  int64_t alignment = kDefaultAlignment;
  if (parseText(parser, name) || parser.parseColonType(type) ||
      (succeeded(parser.parseOptionalKeyword("align")) && parser.parseInteger(alignment)))
    return failure();
  bool isStrided = succeeded(parser.parseOptionalKeyword("strided"));
  return ArgumentAttr::get(parser.getContext(), name, *kind, type, alignment, isStrided);
}

static void printPart(AsmPrinter &os, GridFactorAttr factor) {
  os << factor.getArgument();
  if (factor.getPer() != 1)
    os << " per " << factor.getPer();
}

static FailureOr<GridFactorAttr> parseFactor(AsmParser &parser) {
  StringAttr name;
  int64_t per = 1;
  if (parseText(parser, name) ||
      (succeeded(parser.parseOptionalKeyword("per")) && parser.parseInteger(per)))
    return failure();
  return GridFactorAttr::get(parser.getContext(), name, per);
}

static void printPart(AsmPrinter &os, AxisAttr axis) {
  os << "[";
  llvm::interleaveComma(axis.getFactors(), os,
                        [&](GridFactorAttr factor) { printPart(os, factor); });
  os << "]";
}

static FailureOr<AxisAttr> parseAxis(AsmParser &parser) {
  SmallVector<GridFactorAttr> factors;
  auto parseOne = [&]() -> ParseResult {
    FailureOr<GridFactorAttr> factor = parseFactor(parser);
    if (succeeded(factor))
      factors.push_back(*factor);
    return LogicalResult(factor);
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseOne))
    return failure();
  return AxisAttr::get(parser.getContext(), factors);
}

template <typename Part> static void printAlone(AsmPrinter &os, Part part) {
  os << "<";
  printPart(os, part);
  os << ">";
}

template <typename Part>
static Attribute parseAlone(AsmParser &parser, FailureOr<Part> (*parse)(AsmParser &)) {
  if (parser.parseLess())
    return {};
  FailureOr<Part> part = parse(parser);
  return failed(part) || parser.parseGreater() ? Attribute() : Attribute(*part);
}

void ArgumentAttr::print(AsmPrinter &os) const { printAlone(os, *this); }
void GridFactorAttr::print(AsmPrinter &os) const { printAlone(os, *this); }
void AxisAttr::print(AsmPrinter &os) const { printAlone(os, *this); }

Attribute ArgumentAttr::parse(AsmParser &parser, Type) { return parseAlone(parser, parseArgument); }
Attribute GridFactorAttr::parse(AsmParser &parser, Type) { return parseAlone(parser, parseFactor); }
Attribute AxisAttr::parse(AsmParser &parser, Type) { return parseAlone(parser, parseAxis); }

void ContractAttr::print(AsmPrinter &os) const {
  os << "<(";
  llvm::interleaveComma(getArguments(), os,
                        [&](ArgumentAttr argument) { printPart(os, argument); });
  os << ") grid ";
  llvm::interleaveComma(getGrid(), os, [&](AxisAttr axis) { printPart(os, axis); });
  os << " shared " << getSharedBytes();
  if (getIsResident())
    os << " resident";
  if (getFamily())
    os << " family " << getFamily() << " " << getSpec();
  os << ">";
}

Attribute ContractAttr::parse(AsmParser &parser, Type) {
  SMLoc where = parser.getCurrentLocation();
  SmallVector<ArgumentAttr> arguments;
  auto parseOne = [&]() -> ParseResult {
    FailureOr<ArgumentAttr> argument = parseArgument(parser);
    if (succeeded(argument))
      arguments.push_back(*argument);
    return LogicalResult(argument);
  };
  if (parser.parseLess() || parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseOne) ||
      parser.parseKeyword("grid"))
    return {};
  SmallVector<AxisAttr, 3> axes;
  for (int64_t i = 0; i < 3; ++i) {
    if (i != 0 && parser.parseComma())
      return {};
    FailureOr<AxisAttr> axis = parseAxis(parser);
    if (failed(axis))
      return {};
    axes.push_back(*axis);
  }
  int64_t shared = 0;
  if (parser.parseKeyword("shared") || parser.parseInteger(shared))
    return {};
  bool isResident = succeeded(parser.parseOptionalKeyword("resident"));
  StringAttr family;
  DictionaryAttr spec;
  if (succeeded(parser.parseOptionalKeyword("family")) &&
      (parseText(parser, family) || parser.parseAttribute(spec)))
    return {};
  if (parser.parseGreater())
    return {};
  return parser.getChecked<ContractAttr>(where, parser.getContext(), arguments, axes[0], axes[1],
                                         axes[2], shared, isResident, family, spec);
}

//===----------------------------------------------------------------------===//
// Verification
//===----------------------------------------------------------------------===//

using EmitError = llvm::function_ref<InFlightDiagnostic()>;

static bool isScalarType(Type type) {
  return type.isF32() || type.isInteger(32) || type.isInteger(64);
}

static bool isElementType(Type type) {
  return isScalarType(type) || type.isF16() || type.isBF16() || type.isInteger(8);
}

static LogicalResult checkArgument(EmitError emitError, ArgumentAttr argument) {
  StringRef name = argument.getName().getValue();
  int64_t alignment = argument.getAlignment();
  if (argument.isScalar()) {
    if (!isScalarType(argument.getType()))
      return emitError() << "argument '" << name << "': expected a scalar of i32, i64 or f32, "
                         << "but got " << argument.getType();
    if (alignment != kDefaultAlignment || argument.getIsStrided())
      return emitError() << "argument '" << name << "': expected no align and no strided on a "
                         << "scalar";
    return success();
  }
  if (!isElementType(argument.getType()))
    return emitError() << "argument '" << name << "': expected elements of f32, f16, bf16, i8, "
                       << "i32 or i64, but got " << argument.getType();
  if (alignment < 1 || alignment > kMaxAlignment || !llvm::isPowerOf2_64(alignment))
    return emitError() << "argument '" << name << "': expected a power of two up to "
                       << kMaxAlignment << " as align, but got " << alignment;
  return success();
}

static LogicalResult checkAxis(EmitError emitError, ArrayRef<ArgumentAttr> arguments,
                               AxisAttr axis) {
  for (GridFactorAttr factor : axis.getFactors()) {
    const auto *found = llvm::find_if(arguments, [&](ArgumentAttr argument) {
      return argument.getName() == factor.getArgument();
    });
    if (found == arguments.end() || !found->isScalar() || !isa<IntegerType>(found->getType()))
      return emitError() << "grid: expected a scalar argument of i32 or i64, but got "
                         << factor.getArgument();
    if (factor.getPer() < 1)
      return emitError() << "grid: expected a positive number after per, but got "
                         << factor.getPer();
  }
  return success();
}

LogicalResult ContractAttr::verify(EmitError emitError, ArrayRef<ArgumentAttr> arguments,
                                   AxisAttr x, AxisAttr y, AxisAttr z, int64_t sharedBytes,
                                   bool isResident, StringAttr family, DictionaryAttr spec) {
  llvm::StringSet<> names;
  for (ArgumentAttr argument : arguments) {
    if (failed(checkArgument(emitError, argument)))
      return failure();
    if (argument.getName().empty() || !names.insert(argument.getName().getValue()).second)
      return emitError() << "expected each argument to have a name that no other has, but got "
                         << argument.getName();
  }
  for (AxisAttr axis : {x, y, z})
    if (failed(checkAxis(emitError, arguments, axis)))
      return failure();
  if (sharedBytes < 0 || !llvm::isInt<32>(sharedBytes))
    return emitError() << "expected 0 to 2147483647 bytes of shared memory, but got "
                       << sharedBytes;
  if (!family != !spec)
    return emitError() << "expected a family and a spec, or neither";
  if (spec)
    for (NamedAttribute part : spec)
      if (!isa<IntegerAttr, FloatAttr, StringAttr, UnitAttr>(part.getValue()))
        return emitError() << "spec: expected an integer, a number, a text or a flag as "
                           << part.getName() << ", but got " << part.getValue();
  return success();
}

/// Checks the contract against its function, which may be lowered or not.
static LogicalResult checkFunction(FunctionOpInterface function, ContractAttr contract) {
  ArrayRef<Type> types = function.getArgumentTypes();
  if (types.size() != contract.getArguments().size())
    return function.emitOpError("has ")
           << types.size() << " arguments, but its contract has " << contract.getArguments().size();
  for (auto [argument, type] : llvm::zip(contract.getArguments(), types)) {
    auto pointer = dyn_cast<LLVM::LLVMPointerType>(type);
    bool isRight = argument.isScalar() ? type == argument.getType()
                                       : pointer && pointer.getAddressSpace() == 1;
    if (!isRight)
      return function.emitOpError("argument ")
             << argument.getName() << " is of type " << type << ", but its contract says "
             << (argument.isScalar() ? "a scalar " : "a pointer to ") << argument.getType();
  }
  auto kernel = dyn_cast<gpu::GPUFuncOp>(function.getOperation());
  if (kernel && (!kernel.isKernel() || !kernel->hasAttr("known_block_size")))
    return kernel.emitOpError("has a contract, so it must be a kernel with known_block_size");
  return success();
}

LogicalResult KernelDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() != ContractAttr::kName)
    return op->emitOpError("has an attribute ")
           << attribute.getName() << ", which the kernel dialect does not define";
  auto contract = dyn_cast<ContractAttr>(attribute.getValue());
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!contract || !function)
    return op->emitOpError("expected a #kernel.contract on a function as ") << attribute.getName();
  return checkFunction(function, contract);
}
