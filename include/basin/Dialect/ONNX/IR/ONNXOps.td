//===- ONNXOps.td ------------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

include "basin/Dialect/ONNX/IR/ONNXStructureOps.td"
include "basin/Dialect/ONNX/IR/ONNXElementwiseOps.td"
include "basin/Dialect/ONNX/IR/ONNXMatMulOps.td"
include "basin/Dialect/ONNX/IR/ONNXReductionOps.td"
include "basin/Dialect/ONNX/IR/ONNXShapeOps.td"
include "basin/Dialect/ONNX/IR/ONNXNormalizationOps.td"
include "basin/Dialect/ONNX/IR/ONNXAttentionOps.td"
include "basin/Dialect/ONNX/IR/ONNXQuantizationOps.td"
include "basin/Dialect/ONNX/IR/ONNXControlFlowOps.td"
include "basin/Dialect/ONNX/IR/MicrosoftOps.td"
