//===- ONNXControlFlowOps.td -------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXCONTROLFLOWOPS_TD
#define BASIN_DIALECT_ONNX_IR_ONNXCONTROLFLOWOPS_TD

include "basin/Dialect/ONNX/IR/ONNXOpBase.td"

// Subgraphs are single-block regions that capture outer values.

def ONNX_IfOp : ONNX_Node<"If", ["cond"], ["outputs*"], (ins), "subgraphs",
  [], "", "", ["then_branch", "else_branch"]>;
def ONNX_LoopOp : ONNX_Node<"Loop", ["M?", "cond?", "vInitial*"], ["outputs*"],
  (ins), "loop", [], "", "", ["body"], ["inferArgumentTypes"]>;
def ONNX_ScanOp : ONNX_Node<"Scan", ["initialStateAndScanInputs*"], ["outputs*"],
  (ins ONNX_Ints:$directions, ONNX_Int:$num_scan_inputs,
       ONNX_Ints:$scan_input_axes, ONNX_Ints:$scan_input_directions,
       ONNX_Ints:$scan_output_axes, ONNX_Ints:$scan_output_directions),
  "scan", [], "", "", ["body"], ["inferArgumentTypes"]>;

#endif // BASIN_DIALECT_ONNX_IR_ONNXCONTROLFLOWOPS_TD
