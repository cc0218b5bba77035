//===- MicrosoftOps.td -------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operators of ONNX Runtime's domain com.microsoft. Some have the name of an operator of ai.onnx
// but another meaning (Attention, RotaryEmbedding), so they are other ops here.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_MICROSOFTOPS_TD
#define BASIN_DIALECT_ONNX_IR_MICROSOFTOPS_TD

include "basin/Dialect/ONNX/IR/ONNXOpBase.td"

def ONNX_MSAttentionOp : ONNX_MSNode<"Attention",
  ["query", "weights", "bias?", "maskIndex?", "past?", "attentionBias?", "pastSequenceLength?"],
  ["Y", "present?"],
  (ins ONNX_Int:$do_rotary, ONNX_Float:$mask_filter_value, ONNX_Int:$num_heads,
       ONNX_Int:$past_present_share_buffer, ONNX_Ints:$qkv_hidden_sizes,
       ONNX_Int:$rotary_embedding_dim, ONNX_Float:$scale,
       ONNX_Int:$unidirectional), "msAttention">;

def ONNX_MSMultiHeadAttentionOp : ONNX_MSNode<"MultiHeadAttention",
  ["query", "key?", "value?", "bias?", "keyPaddingMask?", "attentionBias?",
   "pastKey?", "pastValue?", "pastSequenceLength?", "cacheIndirection?"],
  ["Y", "presentKey?", "presentValue?", "qk?"],
  (ins ONNX_Float:$mask_filter_value, ONNX_Int:$num_heads, ONNX_Float:$scale,
       ONNX_Int:$unidirectional), "msMultiHeadAttention">;

def ONNX_MSDecoderMaskedMultiHeadAttentionOp : ONNX_MSNode<"DecoderMaskedMultiHeadAttention",
  ["query", "key?", "value?", "maskIndex?", "attentionBias?", "pastKey?", "pastValue?",
   "pastSequenceLength?", "beamWidth?", "cacheIndirection?", "bias?"],
  ["Y", "presentKey?", "presentValue?", "qk?"],
  (ins ONNX_Float:$mask_filter_value, ONNX_Int:$num_heads, ONNX_Int:$output_qk,
       ONNX_Int:$past_present_share_buffer, ONNX_Float:$scale), "msDecoderAttention">;

def ONNX_MSGroupQueryAttentionOp : ONNX_MSNode<"GroupQueryAttention",
  ["query", "key?", "value?", "pastKey?", "pastValue?", "seqlensK?",
   "totalSequenceLength?", "cosCache?", "sinCache?", "positionIds?",
   "attentionBias?", "headSink?", "kScale?", "vScale?", "qNormWeight?", "kNormWeight?"],
  ["Y", "presentKey?", "presentValue?", "outputQk?"],
  (ins ONNX_Int:$causal, ONNX_Int:$do_rotary, ONNX_Int:$kv_cache_bit_width,
       ONNX_Int:$kv_num_heads, ONNX_String:$k_quant_type,
       ONNX_Int:$local_window_size, ONNX_Int:$num_heads, ONNX_Int:$qk_output,
       ONNX_Float:$qk_norm_epsilon, ONNX_Int:$rotary_interleaved,
       ONNX_Float:$scale, ONNX_Int:$sliding_window_cache,
       ONNX_Int:$smooth_softmax, ONNX_Float:$softcap,
       ONNX_String:$v_quant_type), "msGroupQueryAttention">;

def ONNX_MSSparseAttentionOp : ONNX_MSNode<"SparseAttention",
  ["query", "key?", "value?", "pastKey", "pastValue", "blockRowIndices", "blockColIndices",
   "totalSequenceLength", "keyTotalSequenceLengths", "cosCache?", "sinCache?"],
  ["Y", "presentKey", "presentValue"],
  (ins ONNX_Int:$do_rotary, ONNX_Int:$kv_num_heads, ONNX_Int:$num_heads,
       ONNX_Int:$rotary_interleaved, ONNX_Float:$scale,
       ONNX_Int:$sparse_block_size), "msSparseAttention">;

// It writes into its caches, so it is not pure.
def ONNX_MSPagedAttentionOp : ONNX_MSNode<"PagedAttention",
  ["query", "key?", "value?", "keyCache", "valueCache?", "cumulativeSequenceLength",
   "pastSeqlens", "blockTable", "cosCache?", "sinCache?", "slotMapping?", "headSink?",
   "qNormWeight?", "kNormWeight?", "kScale?", "vScale?", "attentionMetadata?"],
  ["Y", "keyCacheOut?", "valueCacheOut?"],
  (ins ONNX_Int:$do_rotary, ONNX_Int:$is_causal, ONNX_String:$k_cache_dtype,
       ONNX_String:$k_quant_type, ONNX_String:$kv_cache_layout, ONNX_Int:$kv_num_heads,
       ONNX_Int:$local_window_size, ONNX_Int:$num_heads, ONNX_Float:$qk_norm_epsilon,
       ONNX_Int:$rotary_interleaved, ONNX_Int:$rotary_offset, ONNX_Float:$scale,
       ONNX_Float:$softcap, ONNX_String:$v_cache_dtype, ONNX_Int:$v_head_size,
       ONNX_String:$v_quant_type), "msPagedAttention", []>;

def ONNX_MSLinearAttentionOp : ONNX_MSNode<"LinearAttention",
  ["query", "key", "value", "pastState?", "decay?", "beta?"], ["Y", "presentState"],
  (ins ONNX_Int:$chunk_size, ONNX_Int:$kv_num_heads, ONNX_Int:$q_num_heads,
       ONNX_Float:$scale, ONNX_Int:$state_window,
       ONNX_String:$update_rule), "linearAttention">;

def ONNX_MSGatedDeltaNetOp : ONNX_MSNode<"GatedDeltaNet",
  ["query", "key?", "value?", "cuSeqlens?", "decay?", "beta?", "initialState?", "aLog?",
   "dtBias?", "captureCount?", "stateUpdateActive?"],
  ["Y", "finalState?", "stateUpdate?"],
  (ins ONNX_String:$beta_activation, ONNX_Int:$chunk_size, ONNX_String:$gate_activation,
       ONNX_Float:$gate_lower_bound, ONNX_Int:$qk_l2_norm, ONNX_Float:$scale,
       ONNX_Int:$state_update_capacity, ONNX_String:$update_rule), "msGatedDeltaNet">;

def ONNX_MSCausalConvWithStateOp : ONNX_MSNode<"CausalConvWithState",
  ["input", "weight", "bias?", "pastState?"], ["Y", "presentState", "stateUpdate?"],
  (ins ONNX_String:$activation, ONNX_Int:$channels_last, ONNX_Int:$dilation,
       ONNX_Int:$input_channel_offset, ONNX_Int:$input_channels, ONNX_Int:$ndim,
       ONNX_Int:$state_channels_last, ONNX_Int:$state_length,
       ONNX_Int:$state_update_capacity, ONNX_Int:$state_window), "msCausalConv">;

def ONNX_MSGatedRMSNormOp : ONNX_MSNode<"GatedRMSNorm", ["X", "scale", "gate"], ["Y"],
  (ins ONNX_String:$activation, ONNX_Float:$epsilon), "sameAsFirst">;

def ONNX_MSRotaryEmbeddingOp : ONNX_MSNode<"RotaryEmbedding",
  ["X", "positionIds", "cosCache", "sinCache"], ["Y"],
  (ins ONNX_Int:$interleaved, ONNX_Int:$is_packed_batching, ONNX_Int:$num_heads,
       ONNX_Int:$rotary_embedding_dim, ONNX_Float:$scale), "sameAsFirst">;

def ONNX_MSSimplifiedLayerNormalizationOp : ONNX_MSNode<"SimplifiedLayerNormalization",
  ["X", "scale"], ["Y", "InvStdDev?"],
  (ins ONNX_Int:$axis, ONNX_Float:$epsilon, ONNX_Int:$stash_type), "layerNorm">;

def ONNX_MSSkipLayerNormalizationOp : ONNX_MSNode<"SkipLayerNormalization",
  ["X", "skip", "gamma", "beta?", "bias?"],
  ["Y", "mean?", "InvStdVar?", "sum?"], (ins ONNX_Float:$epsilon), "skipLayerNorm">;

def ONNX_MSSkipSimplifiedLayerNormalizationOp : ONNX_MSNode<"SkipSimplifiedLayerNormalization",
  ["X", "skip", "gamma", "bias?"],
  ["Y", "mean?", "InvStdVar?", "sum?"], (ins ONNX_Float:$epsilon), "skipLayerNorm">;

def ONNX_MSEmbedLayerNormalizationOp : ONNX_MSNode<"EmbedLayerNormalization",
  ["inputIds", "segmentIds?", "wordEmbedding", "positionEmbedding",
   "segmentEmbedding?", "gamma", "beta", "mask?", "positionIds?"],
  ["Y", "maskIndex?", "embeddingSum?"],
  (ins ONNX_Float:$epsilon, ONNX_Int:$mask_index_type)>;

def ONNX_MSGeluOp : ONNX_MSNode<"Gelu", ["X"], ["Y"], (ins), "same">;
def ONNX_MSFastGeluOp : ONNX_MSNode<"FastGelu", ["X", "bias?"], ["Y"], (ins), "sameAsFirst">;
def ONNX_MSBiasGeluOp : ONNX_MSNode<"BiasGelu", ["A", "B"], ["C"], (ins), "sameAsFirst">;
def ONNX_MSQuickGeluOp : ONNX_MSNode<"QuickGelu", ["X"], ["Y"],
  (ins ONNX_Float:$alpha), "same">;

def ONNX_MSFusedMatMulOp : ONNX_MSNode<"FusedMatMul", ["A", "B"], ["Y"],
  (ins ONNX_Float:$alpha, ONNX_Int:$transA, ONNX_Int:$transB,
       ONNX_Int:$transBatchA, ONNX_Int:$transBatchB)>;

def ONNX_MSMatMulNBitsOp : ONNX_MSNode<"MatMulNBits",
  ["A", "B", "scales", "zeroPoints?", "gIdx?", "bias?"], ["Y"],
  (ins ONNX_Int:$K, ONNX_Int:$N, ONNX_Int:$accuracy_level, ONNX_Int:$bits,
       ONNX_Int:$block_size, ONNX_Int:$weight_prepacked), "matMulNBits">;

#endif // BASIN_DIALECT_ONNX_IR_MICROSOFTOPS_TD
