//===- SinkInterfaces.td -----------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_IR_SINKINTERFACES_TD
#define BASIN_DIALECT_SINK_IR_SINKINTERFACES_TD

include "mlir/IR/OpBase.td"

def Sink_DecomposableInterface : OpInterface<"DecomposableInterface"> {
  let cppNamespace = "::basin::sink";
  let description = [{
    An op whose meaning is a canonical sequence of onnx ops.
  }];
  let methods = [
    InterfaceMethod<[{
        Builds the op's meaning from onnx ops at `b`'s insertion point and
        returns the values of its results; ignores a form. Fails with a
        diagnostic where the operands' types do not say enough.
      }], "::llvm::FailureOr<::llvm::SmallVector<::mlir::Value>>", "decompose",
      (ins "::mlir::OpBuilder &":$b)>,
  ];
}

def Sink_RaisedInterface : OpInterface<"RaisedInterface",
    [Sink_DecomposableInterface]> {
  let cppNamespace = "::basin::sink";
  let description = [{
    An op that may carry, in its region `form`, the ops it was recognized in.
    The region's arguments stand for the op's first operands, its `sink.yield`
    gives the op's results; outer values are captured. An empty region means
    the canonical decomposition.

    Constraints:
    - (form_c1) a form is one block that ends in `sink.yield`
    - (form_c2) it has no more arguments than the op has operands, of types that
      do not contradict theirs
    - (form_c3) it yields a value for each result, of a type that does not
      contradict the result's
  }];
  let methods = [
    InterfaceMethod<"The region.", "::mlir::Region &", "getFormRegion">,
  ];
}

#endif // BASIN_DIALECT_SINK_IR_SINKINTERFACES_TD
