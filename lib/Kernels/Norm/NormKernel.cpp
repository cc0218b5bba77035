//===- NormKernel.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// load -> (add) -> reduce -> normalize -> store, with a row in registers:
//
//   thread t of a row holds elements (step * threads + t) * vector + [0, vector)
//
// A step beyond the row's end reads the last elements again and counts them as zeros, so no
// load needs a branch. Threads beyond the last row compute that row once more and do not
// store it, so all threads meet at each barrier.
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/NormKernel.h"
#include "../Common/RowReduction.h"

#include "basin/Kernels/KernelBuilder.h"
#include "basin/Kernels/SpecParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace basin::kernels;

std::string basin::kernels::getName(const NormSpec &spec) {
  std::string name = spec.layer ? "layer_norm_" : "rms_norm_";
  name += std::to_string(spec.dim) + "_" + getTypeName(spec.type);
  if (spec.resultType != spec.type)
    name += "_to_" + getTypeName(spec.resultType);
  if (spec.parameterType != spec.type)
    name += "_by_" + getTypeName(spec.parameterType);
  for (auto [has, part] :
       std::initializer_list<std::pair<bool, const char *>>{{spec.residual, "_residual"},
                                                            {spec.residualBias, "_residualbias"},
                                                            {spec.sum, "_sum"},
                                                            {spec.preAffine, "_preaffine"},
                                                            {spec.weight, "_weight"},
                                                            {spec.bias, "_bias"}})
    if (has)
      name += part;
  static constexpr const char *kActivations[] = {"sigmoid", "tanh", "silu", "identity"};
  if (spec.gateRank != 0)
    name += "_gate" + std::to_string(spec.gateRank) + (spec.tensorwise ? "t" : "") + "_" +
            kActivations[static_cast<int>(spec.activation)];
  // A name in PTX has no point and no sign, so epsilon is written as the bits of an f32.
  uint32_t bits = llvm::bit_cast<uint32_t>(static_cast<float>(spec.epsilon));
  return name + "_eps" + llvm::utohexstr(bits, /*LowerCase=*/true);
}

SmallVector<KernelArgument> basin::kernels::getArguments(const NormSpec &spec) {
  SmallVector<KernelArgument> out;
  auto add = [&](bool has, StringRef name, KernelArgument::Kind kind, Type type) {
    if (has)
      out.push_back({name.str(), kind, type});
  };
  add(true, "x", KernelArgument::In, spec.type);
  add(spec.residual, "residual", KernelArgument::In, spec.type);
  add(spec.residualBias, "residual_bias", KernelArgument::In, spec.parameterType);
  add(spec.preAffine, "pre_affine", KernelArgument::In, spec.parameterType);
  add(spec.weight, "weight", KernelArgument::In, spec.parameterType);
  add(spec.bias, "bias", KernelArgument::In, spec.parameterType);
  add(spec.gateRank != 0, "gate_down", KernelArgument::In, spec.type);
  add(spec.gateRank != 0, "gate_up", KernelArgument::In, spec.type);
  add(true, "y", KernelArgument::Out, spec.resultType);
  add(spec.sum, "sum", KernelArgument::Out, spec.type);
  add(true, "rows", KernelArgument::Scalar, IntegerType::get(spec.type.getContext(), 32));
  return out;
}

namespace {
class NormKernel {
public:
  NormKernel(gpu::GPUModuleOp module, const NormSpec &spec, const NormSchedule &schedule,
             StringRef name)
      : spec(spec), schedule(schedule),
        b(module, name, getArguments(spec), schedule.blockSize(), schedule.sharedBytes()) {}

  gpu::GPUFuncOp build();

private:
  void locate();
  Value guard(Value x, int64_t step);
  Value rowOf(StringRef name, Type type);
  Value vectorOf(StringRef name, int64_t step);
  void loadRow();
  void addResidual();
  void applyPreAffine();
  Value reduce(Value mine, int64_t slot);
  void normalize();
  void storeResult();

  const NormSpec &spec;
  const NormSchedule &schedule;
  KernelBuilder b;
  /// The thread's number within its row, the row that it computes, whether that row is its own
  /// and is stored, and the offset of the row's first element.
  Value thread, row, isRow, offset;
  /// For each step, the index of its first element in the row, and whether the step is inside
  /// the row (null if it always is).
  SmallVector<Value> index, inside;
  /// The row in f32, a vector for each step: h, then what the following stages make of it.
  SmallVector<Value> values;
};
} // namespace

void NormKernel::locate() {
  Value tid = b.threadX();
  thread = b.remU(tid, schedule.threadsPerRow);
  Value number =
      b.add(b.mul(b.blockX(), b.i32(schedule.rowsPerBlock)), b.divU(tid, schedule.threadsPerRow));
  isRow = b.lessU(number, b.arg("rows"));
  row = b.select(isRow, number, b.sub(b.arg("rows"), b.i32(1)));
  offset = arith::MulIOp::create(b, b.extend(row), b.i64(spec.dim));
  int64_t steps = schedule.steps(spec.dim);
  for (int64_t step = 0; step < steps; ++step) {
    Value first =
        b.mul(b.add(thread, b.i32(step * schedule.threadsPerRow)), b.i32(schedule.vector));
    bool isWhole = (step + 1) * schedule.threadsPerRow * schedule.vector <= spec.dim;
    Value holds = isWhole ? Value() : b.lessU(first, b.i32(spec.dim));
    index.push_back(holds ? b.select(holds, first, b.i32(spec.dim - schedule.vector)) : first);
    inside.push_back(holds);
  }
}

/// Returns `x`, or zeros if the step is beyond the row's end.
Value NormKernel::guard(Value x, int64_t step) {
  if (!inside[step])
    return x;
  Value zero = schedule.vector == 1 ? b.f32(0) : b.f32(0, schedule.vector);
  return b.select(inside[step], x, zero);
}

/// Points to the thread's row of a tensor.
Value NormKernel::rowOf(StringRef name, Type type) { return b.at(b.arg(name), type, offset); }

/// Loads a parameter's elements for one step, as f32.
Value NormKernel::vectorOf(StringRef name, int64_t step) {
  return b.toF32(b.load(b.arg(name), spec.parameterType, index[step], schedule.vector));
}

void NormKernel::loadRow() {
  Value x = rowOf("x", spec.type);
  for (Value at : index)
    values.push_back(b.toF32(b.load(x, spec.type, at, schedule.vector)));
}

void NormKernel::addResidual() {
  if (!spec.residual)
    return;
  Value residual = rowOf("residual", spec.type);
  for (auto [step, value] : llvm::enumerate(values)) {
    Value other = b.toF32(b.load(residual, spec.type, index[step], schedule.vector));
    Value stored = b.fromF32(b.fadd(value, other), spec.type);
    if (spec.residualBias)
      stored = b.fromF32(b.fadd(b.toF32(stored), vectorOf("residual_bias", step)), spec.type);
    value = b.toF32(stored);
  }
  if (!spec.sum)
    return;
  Value sum = rowOf("sum", spec.type);
  for (auto [step, value] : llvm::enumerate(values)) {
    Value holds = inside[step] ? Value(arith::AndIOp::create(b, isRow, inside[step])) : isRow;
    b.ifThen(holds, [&, step = step, value = value] {
      b.store(b.fromF32(value, spec.type), sum, spec.type, index[step]);
    });
  }
}

void NormKernel::applyPreAffine() {
  for (auto [step, value] : llvm::enumerate(values)) {
    if (spec.preAffine)
      value = b.fmul(vectorOf("pre_affine", step), value);
    value = guard(value, step);
  }
}

/// Returns the sum of `mine` over the row's threads. The two reductions use different `slot`s
/// of shared memory, so the second need not wait until all threads have read the first.
Value NormKernel::reduce(Value mine, int64_t slot) {
  return reduceRow(b, Reduction::Sum, mine, schedule.threadsPerRow,
                   slot * (schedule.blockSize() / 32) * 4);
}

static Value sumOfAll(KernelBuilder &b, ArrayRef<Value> parts) {
  Value total = parts.front();
  for (Value part : parts.drop_front())
    total = b.fadd(total, part);
  return isa<VectorType>(total.getType()) ? b.sum(total) : total;
}

void NormKernel::normalize() {
  Value scale = b.f32(1.0 / spec.dim);
  auto spread = [&](Value x) { return schedule.vector == 1 ? x : b.splat(x, schedule.vector); };
  if (spec.layer) {
    Value mean = spread(b.fmul(reduce(sumOfAll(b, values), 0), scale));
    for (auto [step, value] : llvm::enumerate(values))
      value = guard(b.fsub(value, mean), step);
  }
  SmallVector<Value> squares =
      llvm::map_to_vector(values, [&](Value value) { return b.fmul(value, value); });
  Value variance = b.fmul(reduce(sumOfAll(b, squares), 1), scale);
  Value factor = spread(b.rsqrt(b.fadd(variance, b.f32(spec.epsilon))));
  for (Value &value : values)
    value = b.fmul(value, factor);
}

void NormKernel::storeResult() {
  Value y = rowOf("y", spec.resultType);
  for (auto [step, value] : llvm::enumerate(values)) {
    if (spec.weight)
      value = b.fmul(vectorOf("weight", step), value);
    if (spec.bias)
      value = b.fadd(value, vectorOf("bias", step));
    Value holds = inside[step] ? Value(arith::AndIOp::create(b, isRow, inside[step])) : isRow;
    b.ifThen(holds, [&, step = step, value = value] {
      b.store(b.fromF32(value, spec.resultType), y, spec.resultType, index[step]);
    });
  }
}

gpu::GPUFuncOp NormKernel::build() {
  locate();
  loadRow();
  addResidual();
  applyPreAffine();
  normalize();
  storeResult();
  b.finish();
  setGrid(b.getKernel(), {{"rows", schedule.rowsPerBlock}});
  return b.getKernel();
}

gpu::GPUFuncOp basin::kernels::buildNormKernel(gpu::GPUModuleOp module, const NormSpec &spec,
                                               const NormSchedule &schedule, StringRef name) {
  assert(!schedule.check(spec) && "a schedule that cannot do it");
  std::string own = name.empty() ? getName(spec) : name.str();
  return NormKernel(module, spec, schedule, own).build();
}
