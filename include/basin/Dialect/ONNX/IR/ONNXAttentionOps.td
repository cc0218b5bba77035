//===- ONNXAttentionOps.td ---------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXATTENTIONOPS_TD
#define BASIN_DIALECT_ONNX_IR_ONNXATTENTIONOPS_TD

include "basin/Dialect/ONNX/IR/ONNXOpBase.td"

def ONNX_AttentionOp : ONNX_Node<"Attention", ["Q", "K", "V", "attnMask?", "pastKey?", "pastValue?", "nonpadKvSeqlen?"], ["Y", "presentKey?", "presentValue?", "qkMatmulOutput?"],
  (ins ONNX_Int:$is_causal, ONNX_Int:$kv_num_heads,
       ONNX_Int:$left_window_size, ONNX_Int:$q_num_heads,
       ONNX_Int:$qk_matmul_output_mode, ONNX_Int:$right_window_size,
       ONNX_Float:$scale, ONNX_Float:$softcap, ONNX_Int:$softmax_precision), "attention">;
def ONNX_RotaryEmbeddingOp : ONNX_Node<"RotaryEmbedding", ["X", "cosCache", "sinCache", "positionIds?"], ["Y"],
  (ins ONNX_Int:$interleaved, ONNX_Int:$num_heads,
       ONNX_Int:$rotary_embedding_dim), "sameAsFirst">;
def ONNX_LinearAttentionOp : ONNX_Node<"LinearAttention",
  ["query", "key", "value", "pastState?", "decay?", "beta?"], ["Y", "presentState"],
  (ins ONNX_Int:$chunk_size, ONNX_Int:$kv_num_heads, ONNX_Int:$q_num_heads,
       ONNX_Float:$scale, ONNX_String:$update_rule), "linearAttention">;

#endif // BASIN_DIALECT_ONNX_IR_ONNXATTENTIONOPS_TD
