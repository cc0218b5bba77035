//===- Passes.td -------------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_TRANSFORMS_PASSES_TD
#define BASIN_DIALECT_ONNX_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def InferShapesPass : Pass<"onnx-infer-shapes"> {
  let summary = "refine the types of all values from their operands and the model's statements";
  let description = [{
    Visits each node and each op of the sink dialect once, operands first, and
    subgraphs before the node that holds them. The results get the types that the
    op's rule infers, merged with the types that the model states: for each dim the
    more precise statement stays, including its symbolic name. Sizes that a graph
    computes (by Shape, Gather, Concat and the like before a Reshape) are evaluated
    symbolically.

    ```mlir
    %t = onnx.Transpose(%x) {perm = [1, 0]} : (tensor<?x64xf32, #onnx.dims<"n", "">>) -> !onnx.unknown
    // becomes
    %t = onnx.Transpose(%x) {perm = [1, 0]} : (tensor<?x64xf32, #onnx.dims<"n", "">>) -> tensor<64x?xf32, #onnx.dims<"", "n">>
    ```

    Operands that do not fit each other are errors. A subgraph may be a branch that
    is never taken, so there they only leave the types as they are. If the model
    states another shape than its node gives, the statement is dropped with a
    warning: it is left over from before some tool changed the model. With `strict`
    it is an error. Another element type than the node's always is an error.

    A call of a model-local function has the result types of the function's
    body with the call's operand types. The values of the body itself get the types
    that hold in every call. A dynamic dim without a name gets a name "?N" of its
    own, so that values which inherit it are known to have the same size.

    A value that a Loop or Scan carries from one iteration to the next keeps those
    parts of its first type that the body's output has as well.

    Only types change, so an exported model stays as it was. Does nothing if types
    are as precise as can be told, or for nodes without a typed op or a rule by name.
  }];
  let dependentDialects = ["::basin::onnx::ONNXDialect"];
  let options = [
    Option<"onConflict", "on-conflict", "::basin::onnx::ConflictAction",
           /*default=*/"::basin::onnx::ConflictAction::Error",
           "What to do where the model contradicts itself",
           [{::llvm::cl::values(
             clEnumValN(::basin::onnx::ConflictAction::Error, "error", "Fail"),
             clEnumValN(::basin::onnx::ConflictAction::Warn, "warn",
                        "Warn and keep what the model states"))}]>,
    Option<"strict", "strict", "bool", /*default=*/"false",
           "Refuse shapes that the model states wrongly, rather than drop them">,
    Option<"nameUnknownDims", "name-unknown-dims", "bool", /*default=*/"true",
           "Give each dynamic dim without a name one of its own">,
  ];
  let statistics = [
    Statistic<"numRefined", "refined", "Values whose type became more precise">,
    Statistic<"numUnknown", "unknown", "Values whose rank is still unknown">,
  ];
}

def InlineFunctionsPass : Pass<"onnx-inline-functions", "::mlir::ModuleOp"> {
  let summary = "replace calls of model-local functions by their bodies";
  let description = [{
    A rewrite needs all the ops that it changes in one graph, but a residual stream
    may run through the functions that hold a model's layers. Each call becomes the
    function's nodes. References to attributes are replaced by the call's attributes,
    and the nodes' names get the call's name as a prefix. Functions that are then no
    longer called are erased.

    A function stays, and so do its calls, if it imports another version of an
    operator set than the model, or if it calls itself, which ONNX forbids.

    Promise: bit-exact. Does nothing when there are no functions.
  }];
  let dependentDialects = ["::basin::onnx::ONNXDialect"];
  let statistics = [Statistic<"numInlined", "inlined", "Calls replaced">];
}

#endif // BASIN_DIALECT_ONNX_TRANSFORMS_PASSES_TD
