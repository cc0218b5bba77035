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
    Visits each node once, operands first, subgraphs before the node that holds
    them; ops of the sink dialect likewise. Its results get the types that the node's rule infers, joined with
    the types that the model states; of each dim the more precise statement
    stays, symbolic names included. Sizes that a graph computes (Shape, Gather,
    Concat and the like before a Reshape) are followed symbolically.

    ```mlir
    %t = onnx.Transpose(%x) {perm = [1, 0]} : (tensor<?x64xf32, #onnx.dims<"n", "">>) -> !onnx.unknown
    // becomes
    %t = onnx.Transpose(%x) {perm = [1, 0]} : (tensor<?x64xf32, #onnx.dims<"n", "">>) -> tensor<64x?xf32, #onnx.dims<"", "n">>
    ```

    Operands that do not fit each other are errors; inside a subgraph, which may
    be a branch never taken, they leave the types as they are. A shape that the
    model states and that is not what its node gives is warned of and dropped: it
    is left over from before some tool changed the model. With `strict` it is an
    error; an element type that is not the node's is one always.

    A call of a model-local function has the result types of the function's
    body with the call's operand types; the body's own values get what holds in
    every call. A dynamic dim that nothing names gets a name "?N" of its own, so
    that values which inherit it are known to have one size.

    A value that a Loop or Scan carries from one iteration to the next keeps of
    its first type what the body's output has as well.

    Only types change: an exported model stays as it was. Does nothing where
    types are as precise as can be told, and for nodes without a typed op.
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
    What a rewrite ties together must stand in one graph: a residual stream may
    run through the functions that hold a model's layers. Each call becomes the
    function's nodes, with the call's attributes in place of references to them;
    their names get the call's name before them. Functions that are then called
    nowhere are erased.

    A function that imports another version of an operator set than the model
    stays, and so does its call; so do functions that call themselves, which
    ONNX forbids.

    Promise: bit-exact. Does nothing when there are no functions.
  }];
  let dependentDialects = ["::basin::onnx::ONNXDialect"];
  let statistics = [Statistic<"numInlined", "inlined", "Calls replaced">];
}

#endif // BASIN_DIALECT_ONNX_TRANSFORMS_PASSES_TD
