//===- KernelBuilder.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace basin::kernels;

static constexpr llvm::StringLiteral kSharedName = "basin_shared";

gpu::GPUModuleOp basin::kernels::createKernelModule(ModuleOp module, StringRef name) {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  module.getContext()->getOrLoadDialect<KernelDialect>();
  module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(), b.getUnitAttr());
  auto kernels = gpu::GPUModuleOp::create(b, module.getLoc(), name);
  b.setInsertionPointToStart(kernels.getBody());
  auto bytes = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
  LLVM::GlobalOp::create(b, module.getLoc(), bytes, /*isConstant=*/false, LLVM::Linkage::External,
                         kSharedName, Attribute(), /*alignment=*/128, /*addrSpace=*/3);
  return kernels;
}

static AxisAttr toAttribute(MLIRContext *context, const GridAxis &axis) {
  return AxisAttr::get(context, llvm::map_to_vector(axis, [&](const GridFactor &factor) {
                         auto name = StringAttr::get(context, factor.argument);
                         return GridFactorAttr::get(context, name, factor.per);
                       }));
}

void basin::kernels::setGrid(gpu::GPUFuncOp kernel, GridAxis x, GridAxis y, GridAxis z) {
  MLIRContext *context = kernel.getContext();
  ContractAttr::of(kernel)
      .withGrid(toAttribute(context, x), toAttribute(context, y), toAttribute(context, z))
      .setOn(kernel);
}

int64_t basin::kernels::getSharedMemoryLimit(StringRef chip) {
  StringRef number = chip.drop_while([](char c) { return !isdigit(c); }).take_while([](char c) {
    return isdigit(c);
  });
  unsigned version = 0;
  number.getAsInteger(10, version);
  // The kilobytes that one block may have, by compute capability.
  int64_t kilobytes = version == 80 || version == 87   ? 163
                      : version >= 90 && version < 120 ? 227
                                                       : 99;
  return kilobytes * 1024;
}

void basin::kernels::setResident(gpu::GPUFuncOp kernel) {
  ContractAttr::of(kernel).withResidentBlocks().setOn(kernel);
}

KernelBuilder::KernelBuilder(gpu::GPUModuleOp module, StringRef name,
                             ArrayRef<KernelArgument> arguments, int64_t blockSize,
                             int64_t sharedBytes)
    : ImplicitLocOpBuilder(NameLoc::get(StringAttr::get(module.getContext(), name)),
                           OpBuilder::atBlockEnd(module.getBody())) {
  auto global = LLVM::LLVMPointerType::get(getContext(), 1);
  SmallVector<Type> types;
  SmallVector<ArgumentAttr> contract;
  for (const KernelArgument &argument : arguments) {
    types.push_back(argument.kind == KernelArgument::Scalar ? argument.type : global);
    names.push_back(argument.name);
    contract.push_back(ArgumentAttr::get(getContext(), getStringAttr(argument.name), argument.kind,
                                         argument.type, argument.alignment, argument.isStrided));
  }
  kernel = gpu::GPUFuncOp::create(*this, name, getFunctionType(types, {}));
  kernel->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), getUnitAttr());
  kernel->setAttr("known_block_size",
                  getDenseI32ArrayAttr({static_cast<int32_t>(blockSize), 1, 1}));
  auto one = AxisAttr::get(getContext(), {});
  ContractAttr::get(getContext(), contract, one, one, one, sharedBytes, /*isResident=*/false,
                    StringAttr(), DictionaryAttr())
      .setOn(kernel);
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    if (argument.kind == KernelArgument::Scalar)
      continue;
    kernel.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), getUnitAttr());
    if (argument.kind == KernelArgument::In)
      kernel.setArgAttr(i, LLVM::LLVMDialect::getReadonlyAttrName(), getUnitAttr());
  }
  setInsertionPointToStart(&kernel.getBody().front());
}

void KernelBuilder::wantRegisters() {
  kernel->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), getI32IntegerAttr(1));
}

void KernelBuilder::finish() { gpu::ReturnOp::create(*this); }

Value KernelBuilder::arg(StringRef name) {
  auto it = llvm::find(names, name);
  return it == names.end() ? Value() : kernel.getBody().getArgument(it - names.begin());
}

//===----------------------------------------------------------------------===//
// Constants and integers
//===----------------------------------------------------------------------===//

Value KernelBuilder::i32(int64_t value) {
  return arith::ConstantOp::create(*this, getI32IntegerAttr(value));
}

Value KernelBuilder::i64(int64_t value) {
  return arith::ConstantOp::create(*this, getI64IntegerAttr(value));
}

Value KernelBuilder::f32(double value) {
  return arith::ConstantOp::create(*this, getF32FloatAttr(value));
}

Value KernelBuilder::f32(double value, int64_t width) {
  auto type = VectorType::get({width}, getF32Type());
  return arith::ConstantOp::create(*this, DenseElementsAttr::get(type, float(value)));
}

Value KernelBuilder::add(Value a, Value b) { return arith::AddIOp::create(*this, a, b); }
Value KernelBuilder::sub(Value a, Value b) { return arith::SubIOp::create(*this, a, b); }
Value KernelBuilder::mul(Value a, Value b) { return arith::MulIOp::create(*this, a, b); }

Value KernelBuilder::divU(Value a, int64_t b) { return arith::DivUIOp::create(*this, a, i32(b)); }
Value KernelBuilder::remU(Value a, int64_t b) { return arith::RemUIOp::create(*this, a, i32(b)); }

Value KernelBuilder::lessS(Value a, Value b) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::slt, a, b);
}

Value KernelBuilder::lessU(Value a, Value b) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, a, b);
}

Value KernelBuilder::extend(Value a) { return arith::ExtSIOp::create(*this, getI64Type(), a); }

static Value toI32(KernelBuilder &b, Value index) {
  return arith::IndexCastOp::create(b, b.getI32Type(), index);
}

Value KernelBuilder::threadX() {
  return toI32(*this, gpu::ThreadIdOp::create(*this, gpu::Dimension::x));
}
Value KernelBuilder::blockX() {
  return toI32(*this, gpu::BlockIdOp::create(*this, gpu::Dimension::x));
}
Value KernelBuilder::gridX() {
  return toI32(*this, gpu::GridDimOp::create(*this, gpu::Dimension::x));
}
Value KernelBuilder::blockY() {
  return toI32(*this, gpu::BlockIdOp::create(*this, gpu::Dimension::y));
}
Value KernelBuilder::blockZ() {
  return toI32(*this, gpu::BlockIdOp::create(*this, gpu::Dimension::z));
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value KernelBuilder::shared(int64_t byteOffset) {
  auto type = LLVM::LLVMPointerType::get(getContext(), 3);
  Value base = LLVM::AddressOfOp::create(*this, type, kSharedName);
  return byteOffset == 0 ? base : at(base, getI8Type(), i32(byteOffset));
}

Value KernelBuilder::at(Value base, Type element, Value index) {
  return LLVM::GEPOp::create(*this, base.getType(), element, base, ArrayRef<LLVM::GEPArg>{index});
}

static unsigned getBytes(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getNumElements() * vector.getElementTypeBitWidth() / 8;
  return type.getIntOrFloatBitWidth() / 8;
}

/// Returns the alignment of an access. Pointers promise 16 bytes; a wider access becomes
/// several.
static int64_t getAlignment(Type type) { return std::min<int64_t>(getBytes(type), 16); }

Value KernelBuilder::load(Value base, Type element, Value index, int64_t width) {
  Type type = width == 1 ? element : VectorType::get({width}, element);
  return LLVM::LoadOp::create(*this, type, at(base, element, index), getAlignment(type));
}

void KernelBuilder::store(Value value, Value base, Type element, Value index) {
  LLVM::StoreOp::create(*this, value, at(base, element, index), getAlignment(value.getType()));
}

//===----------------------------------------------------------------------===//
// Floating point
//===----------------------------------------------------------------------===//

/// Returns `element`, or a vector of it if `like` is a vector.
static Type withElement(Type like, Type element) {
  auto vector = dyn_cast<VectorType>(like);
  return vector ? Type(vector.clone(element)) : element;
}

/// Widens pairs of bf16, which share a register. A bf16 is the upper half of an f32, so each
/// element takes one instruction. The compiler would take two for the upper one.
static Value widenPairs(KernelBuilder &b, Value x, int64_t width) {
  Type i32 = b.getI32Type();
  Value pairs = LLVM::BitcastOp::create(b, VectorType::get({width / 2}, i32), x);
  SmallVector<Value> out;
  for (int64_t i = 0; i < width / 2; ++i) {
    Value pair = b.extract(pairs, i);
    Value low = arith::ShLIOp::create(b, pair, b.i32(16));
    Value high = arith::AndIOp::create(b, pair, b.i32(int32_t(0xFFFF0000)));
    for (Value bits : {low, high})
      out.push_back(arith::BitcastOp::create(b, b.getF32Type(), bits));
  }
  return b.combine(out);
}

Value KernelBuilder::toF32(Value x) {
  Type type = withElement(x.getType(), getF32Type());
  if (auto vector = dyn_cast<VectorType>(x.getType());
      vector && vector.getElementType().isBF16() && vector.getNumElements() % 2 == 0)
    return widenPairs(*this, x, vector.getNumElements());
  return x.getType() == type ? x : Value(arith::ExtFOp::create(*this, type, x));
}

Value KernelBuilder::fromF32(Value x, Type element) {
  Type type = withElement(x.getType(), element);
  return x.getType() == type ? x : Value(arith::TruncFOp::create(*this, type, x));
}

Value KernelBuilder::fadd(Value a, Value b) { return arith::AddFOp::create(*this, a, b); }
Value KernelBuilder::fsub(Value a, Value b) { return arith::SubFOp::create(*this, a, b); }
Value KernelBuilder::fmul(Value a, Value b) { return arith::MulFOp::create(*this, a, b); }
// This is not arith.maxnumf, because that would become a call of a library function.
Value KernelBuilder::fmax(Value a, Value b) { return LLVM::MaxNumOp::create(*this, a, b); }

Value KernelBuilder::fma(Value a, Value b, Value c) { return LLVM::FMAOp::create(*this, a, b, c); }

Value KernelBuilder::splat(Value x, int64_t width) {
  return vector::BroadcastOp::create(*this, VectorType::get({width}, x.getType()), x);
}

Value KernelBuilder::extract(Value vector, int64_t i) {
  return vector::ExtractOp::create(*this, vector, i);
}

Value KernelBuilder::combine(ValueRange elements) {
  auto type = VectorType::get({static_cast<int64_t>(elements.size())}, elements[0].getType());
  return vector::FromElementsOp::create(*this, type, elements);
}

Value KernelBuilder::sum(Value vector) {
  int64_t width = cast<VectorType>(vector.getType()).getNumElements();
  SmallVector<Value> parts;
  for (int64_t i = 0; i < width; ++i)
    parts.push_back(extract(vector, i));
  while (parts.size() > 1) {
    SmallVector<Value> next;
    for (size_t i = 0; i + 1 < parts.size(); i += 2)
      next.push_back(fadd(parts[i], parts[i + 1]));
    if (parts.size() % 2)
      next.push_back(parts.back());
    parts = std::move(next);
  }
  return parts.front();
}

Value KernelBuilder::select(Value condition, Value a, Value b) {
  return arith::SelectOp::create(*this, condition, a, b);
}

Value KernelBuilder::intrinsic(StringRef name, Type type, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(*this, type, getStringAttr(name), operands)->getResult(0);
}

Value KernelBuilder::exp2(Value x) {
  return intrinsic("llvm.nvvm.ex2.approx.ftz.f", getF32Type(), x);
}
Value KernelBuilder::rsqrt(Value x) {
  return intrinsic("llvm.nvvm.rsqrt.approx.ftz.f", getF32Type(), x);
}
Value KernelBuilder::reciprocal(Value x) {
  return intrinsic("llvm.nvvm.rcp.approx.ftz.f", getF32Type(), x);
}
Value KernelBuilder::tanh(Value x) {
  // LLVM has no intrinsic for the instruction. It selects it for a tanh that may be approximate.
  return LLVM::TanhOp::create(*this, x.getType(), x, LLVM::FastmathFlags::afn);
}

//===----------------------------------------------------------------------===//
// Threads and loops
//===----------------------------------------------------------------------===//

void KernelBuilder::barrier() { gpu::BarrierOp::create(*this); }

Value KernelBuilder::shuffleXor(Value x, int64_t offset) {
  return gpu::ShuffleOp::create(*this, x, i32(offset), i32(32), gpu::ShuffleMode::XOR)
      .getShuffleResult();
}

Value KernelBuilder::warpSum(Value x, int64_t width) {
  for (int64_t offset = width / 2; offset > 0; offset /= 2)
    x = fadd(x, shuffleXor(x, offset));
  return x;
}

Value KernelBuilder::warpMax(Value x, int64_t width) {
  for (int64_t offset = width / 2; offset > 0; offset /= 2)
    x = fmax(x, shuffleXor(x, offset));
  return x;
}

SmallVector<Value>
KernelBuilder::forLoop(Value begin, Value end, Value step, ValueRange carried,
                       llvm::function_ref<SmallVector<Value>(Value i, ValueRange)> body) {
  auto loop = scf::ForOp::create(*this, begin, end, step, carried);
  OpBuilder::InsertionGuard guard(*this);
  Block *block = loop.getBody();
  // If no values are carried, the body already has its terminator.
  if (!block->empty())
    block->getTerminator()->erase();
  setInsertionPointToEnd(block);
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(*this, next);
  return llvm::to_vector_of<Value>(loop.getResults());
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> body,
                           llvm::function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/bool(otherwise));
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  body();
  if (!otherwise)
    return;
  setInsertionPointToStart(branch.elseBlock());
  otherwise();
}
