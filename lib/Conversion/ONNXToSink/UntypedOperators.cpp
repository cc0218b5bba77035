//===- UntypedOperators.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operators of attention, norms and rotary embedding that have no typed op:
// what they are and why nothing is made of them, so that none is passed over in
// silence. A node whose operator has a typed op does not fit it.
//
//===----------------------------------------------------------------------===//

#include "FusedOp.h"

using namespace mlir;
using namespace basin::onnx;

static constexpr StringLiteral kAttention = "attention", kNorm = "norm",
                               kRotary = "rotary embedding";

/// By domain and name, as ONNX and ONNX Runtime have them.
static StringRef getKind(StringRef domain, StringRef name) {
  struct Known {
    StringLiteral domain, name, kind;
  };
  static constexpr Known kKnown[] = {
      {"", "Attention", kAttention},
      {"", "LinearAttention", kAttention},
      {"ai.onnx.preview", "FlexAttention", kAttention},
      {"com.microsoft", "Attention", kAttention},
      {"com.microsoft", "DecoderAttention", kAttention},
      {"com.microsoft", "DecoderMaskedMultiHeadAttention", kAttention},
      {"com.microsoft", "DecoderMaskedSelfAttention", kAttention},
      {"com.microsoft", "GroupQueryAttention", kAttention},
      {"com.microsoft", "LinearAttention", kAttention},
      {"com.microsoft", "LongformerAttention", kAttention},
      {"com.microsoft", "MultiHeadAttention", kAttention},
      {"com.microsoft", "PackedAttention", kAttention},
      {"com.microsoft", "PackedMultiHeadAttention", kAttention},
      {"com.microsoft", "PagedAttention", kAttention},
      {"com.microsoft", "QAttention", kAttention},
      {"com.microsoft", "QOrderedAttention", kAttention},
      {"com.microsoft", "QOrderedLongformerAttention", kAttention},
      {"com.microsoft", "SparseAttention", kAttention},
      {"", "LayerNormalization", kNorm},
      {"", "RMSNormalization", kNorm},
      {"", "SimplifiedLayerNormalization", kNorm},
      {"com.microsoft", "EmbedLayerNormalization", kNorm},
      {"com.microsoft", "GatedRMSNorm", kNorm},
      {"com.microsoft", "QEmbedLayerNormalization", kNorm},
      {"com.microsoft", "QOrderedLayerNormalization", kNorm},
      {"com.microsoft", "SimplifiedLayerNormalization", kNorm},
      {"com.microsoft", "SkipLayerNormalization", kNorm},
      {"com.microsoft", "SkipSimplifiedLayerNormalization", kNorm},
      {"", "RotaryEmbedding", kRotary},
      {"com.microsoft", "GemmaRotaryEmbedding", kRotary},
      {"com.microsoft", "RotaryEmbedding", kRotary},
  };
  for (const Known &known : kKnown)
    if (known.domain == domain && known.name == name)
      return known.kind;
  return {};
}

/// What keeps a node from being the typed op of its name.
static std::string explainMisfit(NodeOp node, RegisteredOperationName typed) {
  if (node.getOverloadName())
    return "it calls an overload of its operator";
  for (NamedAttribute attr : node.getAttrs())
    if (!llvm::is_contained(typed.getAttributeNames(), attr.getName()))
      return ("its attribute '" + attr.getName().strref() + "' is none that its operator has")
          .str();
  return "it has other operands, results or kinds of attributes than its operator";
}

std::optional<FusedMatch> basin::onnx::explainUntypedOp(Operation *op) {
  auto node = dyn_cast<NodeOp>(op);
  if (!node)
    return std::nullopt;
  StringRef domain = node.getOpDomain() == "ai.onnx" ? StringRef() : node.getOpDomain();
  StringRef kind = getKind(domain, node.getOpType());
  if (kind.empty())
    return std::nullopt;
  // A function of the model is seen by what it is made of.
  bool isFunction = false;
  if (auto module = op->getParentOfType<ModuleOp>())
    for (FunctionOp function : module.getOps<FunctionOp>())
      isFunction |= function.getName() == node.getOpType() &&
                    function.getDomain().value_or("") == node.getOpDomain();
  if (isFunction)
    return std::nullopt;
  const NodeSchema *schema = nullptr;
  std::optional<RegisteredOperationName> typed =
      lookupTypedOp(op->getContext(), domain, node.getOpType(), schema);
  std::string reason = typed ? explainMisfit(node, *typed)
                             : ("the operator " + node.getOpType() + " has no counterpart").str();
  return FusedMatch{kind, nullptr, Miss{reason}};
}
