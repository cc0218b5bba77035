//===- KernelOptions.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelOptions.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace basin;
using kernels::AttentionSpec;
using kernels::DyTSpec;
using kernels::GateActivation;
using kernels::NormSpec;

static bool parseType(StringRef text, MLIRContext *context, Type &type) {
  type = llvm::StringSwitch<Type>(text)
             .Case("f32", Float32Type::get(context))
             .Case("f16", Float16Type::get(context))
             .Case("bf16", BFloat16Type::get(context))
             .Default(Type());
  return static_cast<bool>(type);
}

static bool parseDim(StringRef text, int64_t &dim) {
  return !text.getAsInteger(10, dim) && dim >= 1 && dim <= 65536;
}

template <typename T>
static bool parseOneOf(StringRef text, ArrayRef<std::pair<StringRef, T>> choices, T &out) {
  for (auto [name, choice] : choices)
    if (name == text) {
      out = choice;
      return true;
    }
  return false;
}

/// A part without a value: sets its flag.
static bool setFlag(StringRef key, StringRef value, ArrayRef<std::pair<StringRef, bool *>> flags) {
  bool *flag = nullptr;
  if (!parseOneOf(key, flags, flag))
    return false;
  *flag = true;
  return value.empty();
}

/// Calls `set` for each "key" or "key=value"; the error names the first that it
/// refuses.
static llvm::Error parseParts(StringRef text, StringRef what,
                              llvm::function_ref<bool(StringRef, StringRef)> set) {
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  for (StringRef part : parts) {
    auto [key, value] = part.split('=');
    if (!set(key.trim(), value.trim()))
      return llvm::createStringError("'" + part + "' says nothing of " + what);
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

static bool setNormPart(StringRef key, StringRef value, NormSpec &spec, MLIRContext *context) {
  if (setFlag(key, value,
              {{"layer", &spec.layer},
               {"residual", &spec.residual},
               {"residual_bias", &spec.residualBias},
               {"sum", &spec.sum},
               {"pre_affine", &spec.preAffine},
               {"weight", &spec.weight},
               {"bias", &spec.bias},
               {"tensorwise", &spec.tensorwise}}))
    return true;
  if (key == "dim")
    return parseDim(value, spec.dim);
  if (key == "gate")
    return !value.getAsInteger(10, spec.gateRank) && spec.gateRank >= 1;
  if (key == "eps")
    return !value.getAsDouble(spec.epsilon) && spec.epsilon >= 0;
  if (key == "activation")
    return parseOneOf<GateActivation>(value,
                                      {{"sigmoid", GateActivation::Sigmoid},
                                       {"tanh", GateActivation::Tanh},
                                       {"silu", GateActivation::Silu},
                                       {"identity", GateActivation::Identity}},
                                      spec.activation);
  if (key == "type")
    return parseType(value, context, spec.type);
  if (key == "result")
    return parseType(value, context, spec.resultType);
  return key == "parameters" && parseType(value, context, spec.parameterType);
}

llvm::Expected<NormSpec> basin::parseNorm(StringRef text, MLIRContext *context) {
  NormSpec spec;
  if (llvm::Error error = parseParts(text, "a norm", [&](StringRef key, StringRef value) {
        return setNormPart(key, value, spec, context);
      }))
    return error;
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

llvm::Expected<DyTSpec> basin::parseDyT(StringRef text, MLIRContext *context) {
  DyTSpec spec;
  auto set = [&](StringRef key, StringRef value) {
    if (key == "dim")
      return parseDim(value, spec.dim);
    if (key == "type")
      return parseType(value, context, spec.type);
    if (key == "result")
      return parseType(value, context, spec.resultType);
    if (key == "parameters")
      return parseType(value, context, spec.parameterType);
    return setFlag(key, value, {{"bias", &spec.bias}});
  };
  if (llvm::Error error = parseParts(text, "dynamic tanh", set))
    return error;
  if (spec.dim == 0 || !spec.type)
    return llvm::createStringError("expected dim and type");
  spec.resultType = spec.resultType ? spec.resultType : spec.type;
  spec.parameterType = spec.parameterType ? spec.parameterType : spec.type;
  return spec;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

static bool setAttentionPart(StringRef key, StringRef value, AttentionSpec &spec,
                             MLIRContext *context) {
  if (setFlag(key, value,
              {{"causal", &spec.causal},
               {"top_left", &spec.topLeft},
               {"window", &spec.window},
               {"key_lengths", &spec.keyLengths},
               {"sink_logit", &spec.sinkLogit},
               {"sink_kv", &spec.sinkKeyValue},
               {"gate_per_head", &spec.gatePerHead},
               {"nan_hidden_rows", &spec.nanHiddenRows},
               {"log_sum_exp", &spec.logSumExp}}))
    return true;
  if (key == "head_dim")
    return parseDim(value, spec.headDim);
  if (key == "value_dim")
    return parseDim(value, spec.valueDim);
  if (key == "type")
    return parseType(value, context, spec.type);
  if (key == "mask_type")
    return parseType(value, context, spec.maskType);
  if (key == "sink_type")
    return parseType(value, context, spec.sinkType);
  if (key == "scale")
    return !value.getAsDouble(spec.scale) && spec.scale > 0;
  if (key == "softcap")
    return !value.getAsDouble(spec.softcap) && spec.softcap > 0;
  if (key == "mask_fill")
    return !value.getAsDouble(spec.maskFill) && spec.maskFill < 0 && std::isfinite(spec.maskFill);
  if (key == "mask")
    return parseOneOf<AttentionSpec::Mask>(
        value, {{"bias", AttentionSpec::Bias}, {"keep", AttentionSpec::Keep}}, spec.mask);
  return key == "gate" &&
         parseOneOf<AttentionSpec::Gate>(
             value, {{"plain", AttentionSpec::Plain}, {"sigmoid", AttentionSpec::Sigmoid}},
             spec.gate);
}

llvm::Expected<AttentionSpec> basin::parseAttention(StringRef text, MLIRContext *context) {
  AttentionSpec spec;
  if (llvm::Error error = parseParts(text, "attention", [&](StringRef key, StringRef value) {
        return setAttentionPart(key, value, spec, context);
      }))
    return error;
  if (spec.headDim == 0 || !spec.type)
    return llvm::createStringError("expected head_dim and type");
  if (spec.maskType && spec.mask != AttentionSpec::Bias)
    return llvm::createStringError("mask_type belongs to mask=bias");
  if (spec.sinkType && !spec.sinkLogit)
    return llvm::createStringError("sink_type belongs to sink_logit");
  if (spec.gatePerHead && spec.gate == AttentionSpec::NoGate)
    return llvm::createStringError("gate_per_head belongs to gate");
  if (spec.topLeft && !spec.causal && !spec.window)
    return llvm::createStringError("top_left belongs to causal or window");
  if (spec.mask == AttentionSpec::Bias && !spec.maskType)
    spec.maskType = spec.type;
  return spec;
}
