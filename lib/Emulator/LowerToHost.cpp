//===- LowerToHost.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pass lower-nvvm-to-emulator, the helpers that its parts share, and the check of ops
// that stay as they are. An op may stay only if it means the same on the host: it belongs to
// the llvm dialect, does not access memory through a pointer, is no inline assembly, and
// calls nothing outside the module.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

#include "basin/Emulator/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace basin::emulator {
#define GEN_PASS_DEF_LOWERNVVMTOEMULATORPASS
#include "basin/Emulator/Passes.h.inc"
} // namespace basin::emulator

using namespace mlir;
using namespace basin::emulator;

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

Value HostLowering::i32(int64_t value) {
  return LLVM::ConstantOp::create(b, b.getI32Type(), b.getI32IntegerAttr(value));
}

Value HostLowering::toI32(Value value) {
  if (value.getType().isInteger(32))
    return value;
  if (value.getType().isInteger(1))
    return LLVM::ZExtOp::create(b, b.getI32Type(), value);
  return LLVM::BitcastOp::create(b, b.getI32Type(), value);
}

Value HostLowering::fromI32(Value value, Type type) {
  if (type.isInteger(32))
    return value;
  if (type.isInteger(1))
    return LLVM::ICmpOp::create(b, LLVM::ICmpPredicate::ne, value, i32(0));
  return LLVM::BitcastOp::create(b, type, value);
}

Value HostLowering::toPointer(Value value) {
  auto type = LLVM::LLVMPointerType::get(b.getContext());
  return value.getType() == type ? value : Value(LLVM::AddrSpaceCastOp::create(b, type, value));
}

Value HostLowering::call(StringRef name, Type result, ValueRange operands) {
  auto callee = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
  if (!callee) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(module.getBody());
    auto type =
        LLVM::LLVMFunctionType::get(result ? result : LLVM::LLVMVoidType::get(b.getContext()),
                                    llvm::to_vector(operands.getTypes()));
    callee = LLVM::LLVMFuncOp::create(b, name, type);
  }
  auto op = LLVM::CallOp::create(b, callee, operands);
  return result ? op.getResult() : Value();
}

Value HostLowering::site(Operation *op, AccessKind kind, Space space, uint32_t bytes,
                         uint32_t align) {
  std::string name = op->getName().getStringRef().str();
  name += " #" + std::to_string(ordinals[name]++);
  Site site{name, describe(op->getLoc()), kind, space, bytes, align};
  sites.push_back(toAttribute(b.getContext(), site));
  return i32(sites.size() - 1);
}

void HostLowering::replace(Operation *op, Value value) {
  if (value)
    op->getResult(0).replaceAllUsesWith(value);
  op->erase();
}

//===----------------------------------------------------------------------===//
// Ops that stay
//===----------------------------------------------------------------------===//

static bool touchesMemory(Operation *op) {
  if (isa<LLVM::LifetimeStartOp, LLVM::LifetimeEndOp, LLVM::AssumeOp, LLVM::Prefetch>(op))
    return false;
  return op->getName().getStringRef().starts_with("llvm.intr.") &&
         llvm::any_of(op->getOperandTypes(), [](Type type) {
           auto vector = dyn_cast<VectorType>(type);
           return isa<LLVM::LLVMPointerType>(vector ? vector.getElementType() : type);
         });
}

LogicalResult HostLowering::checkHostOp(Operation *op) {
  if (op->getName().getDialectNamespace() != LLVM::LLVMDialect::getDialectNamespace())
    return op->emitError("the emulator does not run this op: expected one of llvm or nvvm that "
                         "it knows, but got '")
           << op->getName().getStringRef() << "'";
  if (isa<LLVM::InlineAsmOp>(op) || touchesMemory(op))
    return op->emitError("the emulator does not run '") << op->getName().getStringRef() << "'";
  if (auto call = dyn_cast<LLVM::CallOp>(op)) {
    auto name = call.getCallee();
    auto callee = name ? module.lookupSymbol<LLVM::LLVMFuncOp>(*name) : LLVM::LLVMFuncOp();
    if (!callee || callee.isExternal())
      return op->emitError("the emulator does not call outside the kernels' module: '")
             << name.value_or("a pointer") << "'";
  }
  return success();
}

LogicalResult HostLowering::lower(Operation *op) {
  b.setLoc(op->getLoc());
  b.setInsertionPoint(op);
  using Part = FailureOr<bool> (HostLowering::*)(Operation *);
  for (Part part :
       {&HostLowering::lowerMemory, &HostLowering::lowerThreads, &HostLowering::lowerBarriers,
        &HostLowering::lowerMatrix, &HostLowering::lowerAsync, &HostLowering::lowerFunctions}) {
    FailureOr<bool> done = (this->*part)(op);
    if (failed(done))
      return failure();
    if (*done)
      return success();
  }
  return checkHostOp(op);
}

LogicalResult HostLowering::lowerFunction(LLVM::LLVMFuncOp function) {
  ordinals.clear();
  scratchOfFunction = {};
  SmallVector<Operation *> ops;
  function.getBody().walk([&](Operation *op) { ops.push_back(op); });
  for (Operation *op : ops)
    if (failed(lower(op)))
      return failure();
  // What the argument attributes promise, such as noalias, no longer holds, because the
  // checks return other addresses than they are given. The other attributes concern the GPU.
  function.removeArgAttrsAttr();
  SmallVector<StringAttr> drop;
  for (NamedAttribute attribute : function->getDiscardableAttrs())
    drop.push_back(attribute.getName());
  for (StringAttr name : drop)
    function->removeDiscardableAttr(name);
  return success();
}

void HostLowering::finish() { module->setAttr(kSitesAttr, b.getArrayAttr(sites)); }

//===----------------------------------------------------------------------===//
// Pass
//===----------------------------------------------------------------------===//

static LogicalResult checkGlobals(gpu::GPUModuleOp kernels) {
  for (Operation &op : *kernels.getBody()) {
    if (isa<LLVM::LLVMFuncOp>(op))
      continue;
    auto global = dyn_cast<LLVM::GlobalOp>(op);
    if (!global || global.getSymName() != kSharedName)
      return op.emitError("the emulator expects functions and the shared memory '")
             << kSharedName << "' in a gpu.module, but got '" << op.getName().getStringRef() << "'";
  }
  return success();
}

namespace {
struct LowerNVVMToEmulatorPass
    : basin::emulator::impl::LowerNVVMToEmulatorPassBase<LowerNVVMToEmulatorPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<gpu::GPUModuleOp> all(module.getOps<gpu::GPUModuleOp>());
    if (all.size() != 1) {
      module.emitError("expected one gpu.module, but got ") << all.size();
      return signalPassFailure();
    }
    gpu::GPUModuleOp kernels = all.front();
    if (failed(checkGlobals(kernels)))
      return signalPassFailure();
    SmallVector<LLVM::LLVMFuncOp> functions(kernels.getOps<LLVM::LLVMFuncOp>());
    for (LLVM::LLVMFuncOp function : functions)
      function->moveBefore(kernels);
    kernels->erase();
    HostLowering lowering(module);
    for (LLVM::LLVMFuncOp function : functions)
      if (failed(lowering.lowerFunction(function)))
        return signalPassFailure();
    lowering.finish();
    module->removeAttr(gpu::GPUDialect::getContainerModuleAttrName());
  }
};
} // namespace
