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
        returns the values of its results. Ignores a form. Fails with a
        diagnostic if the operands' types do not say enough.
      }], "::llvm::FailureOr<::llvm::SmallVector<::mlir::Value>>", "decompose",
      (ins "::mlir::OpBuilder &":$b)>,
  ];
}

def Sink_RaisedInterface : OpInterface<"RaisedInterface",
    [Sink_DecomposableInterface]> {
  let cppNamespace = "::basin::sink";
  let description = [{
    An op that may keep the ops from which it was recognized in its region `form`.
    The region's arguments stand for the op's first operands, and its `sink.yield`
    gives the op's results. Outer values are captured. An empty region means the
    canonical decomposition.

    Constraints:
    - (form_c1) a form is one block that ends in `sink.yield`
    - (form_c2) it has no more arguments than the op has operands, of types that
      do not contradict theirs
    - (form_c3) it yields a value for each result, of a type that does not
      contradict the result's
  }];
  let methods = [
    InterfaceMethod<"The region.", "::mlir::Region &", "getFormRegion">,
    InterfaceMethod<[{
        The operands with their names, in the order of the op's definition. An
        optional operand that is absent is null.
      }], "::basin::sink::NamedOperands", "getNamedOperands">,
  ];
}

def Sink_NormInterface : OpInterface<"NormInterface", [Sink_RaisedInterface]> {
  let cppNamespace = "::basin::sink";
  let description = [{
    The parts that RMSNorm and LayerNorm have in common. They normalize
    `h = (x + residual) + residual_bias`, multiplied by `pre_affine`, over the last
    axis. `sum` is `h` if it is a result. A part that is absent is null.
  }];
  let methods = [
    InterfaceMethod<"The normalized value, or its first summand.", "::mlir::Value", "getX">,
    InterfaceMethod<"The second summand.", "::mlir::Value", "getResidual">,
    InterfaceMethod<"The third summand, a vector.", "::mlir::Value", "getResidualBias">,
    InterfaceMethod<"The vector that multiplies the sum.", "::mlir::Value", "getPreAffine">,
    InterfaceMethod<"The vector that multiplies the normalized value.", "::mlir::Value",
                    "getWeight">,
    InterfaceMethod<"The vector that is added last. An RMSNorm has none.", "::mlir::Value",
                    "getBias">,
    InterfaceMethod<"The uses of the parts. The range of an absent part is empty.",
                    "::mlir::MutableOperandRange", "getResidualMutable">,
    InterfaceMethod<"", "::mlir::MutableOperandRange", "getResidualBiasMutable">,
    InterfaceMethod<"", "::mlir::MutableOperandRange", "getPreAffineMutable">,
    InterfaceMethod<"", "::mlir::MutableOperandRange", "getWeightMutable">,
    InterfaceMethod<"", "::mlir::MutableOperandRange", "getBiasMutable">,
    InterfaceMethod<"The number that is added to the mean of squares.", "::llvm::APFloat",
                    "getEpsilon">,
    InterfaceMethod<"", "void", "setEpsilon", (ins "::llvm::APFloat":$value)>,
    InterfaceMethod<"The normalized value.", "::mlir::Value", "getResult">,
    InterfaceMethod<"The result that is the sum, or null.", "::mlir::Value", "getSum">,
    InterfaceMethod<"Whether it subtracts the mean first, as a LayerNorm does.", "bool",
                    "isCentring">,
  ];
  let extraSharedClassDeclaration = [{
    /// Returns the summands of the normalized sum, in the order in which they are added.
    ::llvm::SmallVector<::mlir::Value, 3> getSummands() {
      ::llvm::SmallVector<::mlir::Value, 3> parts{$_op.getX()};
      for (::mlir::Value part : {$_op.getResidual(), $_op.getResidualBias()})
        if (part)
          parts.push_back(part);
      return parts;
    }
  }];
}

#endif // BASIN_DIALECT_SINK_IR_SINKINTERFACES_TD
