//===- NormOption.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NormOption.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace basin;
using kernels::GateActivation;
using kernels::NormSpec;

static Type parseType(StringRef text, MLIRContext *context) {
  return llvm::StringSwitch<Type>(text)
      .Case("f32", Float32Type::get(context))
      .Case("f16", Float16Type::get(context))
      .Case("bf16", BFloat16Type::get(context))
      .Default(Type());
}

static std::optional<GateActivation> parseActivation(StringRef text) {
  return llvm::StringSwitch<std::optional<GateActivation>>(text)
      .Case("sigmoid", GateActivation::Sigmoid)
      .Case("tanh", GateActivation::Tanh)
      .Case("silu", GateActivation::Silu)
      .Case("identity", GateActivation::Identity)
      .Default(std::nullopt);
}

/// Sets what "key" or "key=value" says; false where that is nothing.
static bool setPart(StringRef key, StringRef value, NormSpec &spec, MLIRContext *context) {
  bool *flag = llvm::StringSwitch<bool *>(key)
                   .Case("layer", &spec.layer)
                   .Case("residual", &spec.residual)
                   .Case("residual_bias", &spec.residualBias)
                   .Case("sum", &spec.sum)
                   .Case("pre_affine", &spec.preAffine)
                   .Case("weight", &spec.weight)
                   .Case("bias", &spec.bias)
                   .Case("tensorwise", &spec.tensorwise)
                   .Default(nullptr);
  if (flag) {
    *flag = true;
    return value.empty();
  }
  if (key == "dim")
    return !value.getAsInteger(10, spec.dim) && spec.dim >= 1 && spec.dim <= 65536;
  if (key == "gate")
    return !value.getAsInteger(10, spec.gateRank) && spec.gateRank >= 1;
  if (key == "eps")
    return !value.getAsDouble(spec.epsilon) && spec.epsilon >= 0;
  if (key == "activation") {
    std::optional<GateActivation> activation = parseActivation(value);
    spec.activation = activation.value_or(GateActivation::Sigmoid);
    return activation.has_value();
  }
  Type *type = llvm::StringSwitch<Type *>(key)
                   .Case("type", &spec.type)
                   .Case("result", &spec.resultType)
                   .Case("parameters", &spec.parameterType)
                   .Default(nullptr);
  if (!type)
    return false;
  *type = parseType(value, context);
  return static_cast<bool>(*type);
}

llvm::Expected<NormSpec> basin::parseNorm(StringRef text, MLIRContext *context) {
  NormSpec spec;
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  for (StringRef part : parts) {
    auto [key, value] = part.split('=');
    if (!setPart(key.trim(), value.trim(), spec, context))
      return llvm::createStringError("'" + part + "' says nothing of a norm");
  }
  if (spec.dim == 0 || !spec.type)
    return llvm::createStringError("expected dim and type");
  if ((spec.sum || spec.residualBias) && !spec.residual)
    return llvm::createStringError("sum and residual_bias belong to residual");
  if (spec.bias && !spec.layer)
    return llvm::createStringError("bias belongs to layer");
  if (spec.tensorwise && spec.gateRank == 0)
    return llvm::createStringError("tensorwise belongs to gate");
  spec.resultType = spec.resultType ? spec.resultType : spec.type;
  spec.parameterType = spec.parameterType ? spec.parameterType : spec.type;
  return spec;
}

std::string basin::buildNorm(gpu::GPUModuleOp kernels, const NormSpec &spec) {
  if (spec.gateRank != 0) {
    kernels::GatedNormSchedule schedule = kernels::chooseGatedNormSchedule(spec);
    if (std::string why = schedule.check(spec); !why.empty())
      return why;
    kernels::buildGatedNormKernel(kernels, spec, schedule);
    return {};
  }
  kernels::NormSchedule schedule = kernels::chooseNormSchedule(spec);
  if (std::string why = schedule.check(spec); !why.empty())
    return why;
  kernels::buildNormKernel(kernels, spec, schedule);
  return {};
}
