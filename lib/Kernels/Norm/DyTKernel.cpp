//===- DyTKernel.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/DyTKernel.h"

#include "basin/Kernels/SpecParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace basin::kernels;

static constexpr int64_t kThreads = 128, kAccessBytes = 16;

std::string basin::kernels::getName(const DyTSpec &spec) {
  std::string name = "dyt_" + std::to_string(spec.dim) + "_" + getTypeName(spec.type);
  if (spec.resultType != spec.type)
    name += "_to_" + getTypeName(spec.resultType);
  if (spec.parameterType != spec.type)
    name += "_by_" + getTypeName(spec.parameterType);
  return name + (spec.bias ? "_bias" : "");
}

/// Computes tanh as 1 - 2 / (1 + exp(2x)). Its absolute error is that of f32. Where exp
/// overflows or underflows, it gives 1 or -1.
static Value exactTanh(KernelBuilder &b, Value x) {
  Value e = b.exp2(b.fmul(x, b.f32(2 * 1.4426950408889634)));
  Value quotient = b.fmul(b.f32(2), b.reciprocal(b.fadd(e, b.f32(1))));
  return b.fsub(b.f32(1), quotient);
}

gpu::GPUFuncOp basin::kernels::buildDyTKernel(gpu::GPUModuleOp module, const DyTSpec &spec) {
  SmallVector<KernelArgument> arguments{{"x", KernelArgument::In, spec.type},
                                        {"alpha", KernelArgument::In, spec.parameterType},
                                        {"gamma", KernelArgument::In, spec.parameterType}};
  if (spec.bias)
    arguments.push_back({"beta", KernelArgument::In, spec.parameterType});
  arguments.push_back({"y", KernelArgument::Out, spec.resultType});
  arguments.push_back(
      {"rows", KernelArgument::Scalar, IntegerType::get(spec.type.getContext(), 32)});
  KernelBuilder b(module, getName(spec), arguments, kThreads);
  int64_t vector = kAccessBytes * 8 / spec.type.getIntOrFloatBitWidth();
  while (vector > 1 && spec.dim % vector != 0)
    vector /= 2;
  bool isWide = spec.resultType.isF32();
  Value offset = arith::MulIOp::create(b, b.extend(b.blockX()), b.i64(spec.dim));
  Value x = b.at(b.arg("x"), spec.type, offset), y = b.at(b.arg("y"), spec.resultType, offset);
  Value alpha = b.toF32(b.load(b.arg("alpha"), spec.parameterType, b.i32(0)));
  auto parameter = [&](StringRef name, Value at) {
    return b.toF32(b.load(b.arg(name), spec.parameterType, at, vector));
  };
  b.ifThen(b.lessU(b.blockX(), b.arg("rows")), [&] {
    Value first = b.mul(b.threadX(), b.i32(vector));
    b.forLoop(first, b.i32(spec.dim), b.i32(kThreads * vector), {}, [&](Value at, ValueRange) {
      Value h = b.toF32(b.load(x, spec.type, at, vector));
      SmallVector<Value> parts;
      for (int64_t i = 0; i < vector; ++i) {
        Value scaled = b.fmul(alpha, vector == 1 ? h : b.extract(h, i));
        parts.push_back(isWide ? exactTanh(b, scaled) : b.tanh(scaled));
      }
      Value out = vector == 1 ? parts[0] : b.combine(parts);
      out = b.fmul(parameter("gamma", at), out);
      if (spec.bias)
        out = b.fadd(out, parameter("beta", at));
      b.store(b.fromF32(out, spec.resultType), y, spec.resultType, at);
      return SmallVector<Value>();
    });
  });
  b.finish();
  setGrid(b.getKernel(), {{"rows", 1}});
  return b.getKernel();
}
