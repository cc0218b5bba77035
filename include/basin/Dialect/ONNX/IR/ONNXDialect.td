//===- ONNXDialect.td --------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXDIALECT_TD
#define BASIN_DIALECT_ONNX_IR_ONNXDIALECT_TD

include "mlir/IR/OpBase.td"

def ONNX_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::basin::onnx";
  let summary = "A lossless mirror of an ONNX ModelProto";
  let description = [{
    The main graph is an `onnx.graph`, and each model-local function an
    `onnx.function`. Nodes of operators that transformers use are typed ops under
    ONNX's own names (`onnx.MatMul`, `onnx.ms.GroupQueryAttention`), and every other
    node is an `onnx.node`. Import interprets nothing, so parts that no pass touches
    are exported as they came.

    Names and other parts of a NodeProto are discardable attributes of the op:

    | attribute | ONNX |
    |---|---|
    | `onnx.name`, `onnx.doc` | `NodeProto.name`, `doc_string` |
    | `onnx.outs` | names of the node's outputs, in order |
    | `onnx.domain` | the domain as written, if it is not the default form |
    | `onnx.meta` | `metadata_props`, a list of key and value pairs |
    | `onnx.subgraphs` | one `#onnx.graph_info` for each region |
    | `onnx.unknown` | protobuf fields this version does not interpret, verbatim |

    An operand that the model leaves out (an empty name) is an `onnx.absent`.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = [];
}

#endif // BASIN_DIALECT_ONNX_IR_ONNXDIALECT_TD
