//===- UntypedOperators.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lists the operators that are attention, norms and rotary embeddings. Says why a node without a
// typed op is not raised, so that none is passed over in silence. If its operator has a typed op,
// the node does not fit that op.
//
//===----------------------------------------------------------------------===//

#include "FusedOp.h"

using namespace mlir;
using namespace basin::onnx;

static constexpr StringLiteral kAttention = "attention", kNorm = "norm",
                               kRotary = "rotary embedding";

/// Returns the domain. Both names of ONNX's own domain give an empty string.
static StringRef getDomain(NodeInterface node) {
  return node.getOpDomain() == "ai.onnx" ? StringRef() : node.getOpDomain();
}

/// Looks operators up by domain and name, as ONNX and ONNX Runtime have them.
StringRef basin::onnx::getFusedKind(NodeInterface node) {
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
      {"com.microsoft", "GatedDeltaNet", kAttention},
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
  StringRef domain = getDomain(node);
  for (const Known &known : kKnown)
    if (known.domain == domain && known.name == node.getOpType())
      return known.kind;
  return {};
}

/// Returns what keeps a node from being the typed op of its name.
static Miss explainMisfit(NodeOp node, RegisteredOperationName typed) {
  if (node.getOverloadName())
    return Miss(MissReason::OperatorOverload);
  for (NamedAttribute attr : node.getAttrs())
    if (!llvm::is_contained(typed.getAttributeNames(), attr.getName()))
      return Miss(MissReason::OperatorAttribute, attr.getName().strref());
  return Miss(MissReason::OperatorMisfit);
}

/// Returns whether the node calls a function of the model. Recognition looks at the function's
/// body instead.
static bool callsFunction(NodeOp node) {
  auto module = node->getParentOfType<ModuleOp>();
  return module && llvm::any_of(module.getOps<FunctionOp>(), [&](FunctionOp function) {
           return function.getName() == node.getOpType() &&
                  function.getDomain().value_or("") == node.getOpDomain();
         });
}

std::optional<Miss> basin::onnx::explainUntypedOp(NodeOp node) {
  if (getFusedKind(node).empty() || callsFunction(node))
    return std::nullopt;
  const NodeSchema *schema = nullptr;
  std::optional<RegisteredOperationName> typed =
      lookupTypedOp(node->getContext(), getDomain(node), node.getOpType(), schema);
  return typed ? explainMisfit(node, *typed) : Miss(MissReason::OperatorUnknown, node.getOpType());
}
