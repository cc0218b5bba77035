//===- ONNXInterfaces.td -----------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXINTERFACES_TD
#define BASIN_DIALECT_ONNX_IR_ONNXINTERFACES_TD

include "mlir/IR/OpBase.td"

def ONNX_InferTypesInterface : OpInterface<"InferTypesInterface"> {
  let cppNamespace = "::basin::onnx";
  let description = [{
    An op whose result types follow from its operands, its attributes and the
    values that its regions yield.
  }];
  let methods = [
    InterfaceMethod<[{
        Infers the types of the results from those of the operands. An entry stays
        null if nothing is known. Fails with a diagnostic if the operands contradict
        each other.
      }], "::llvm::LogicalResult", "inferResultTypes",
      (ins "::llvm::SmallVectorImpl<::mlir::Type> &":$types)>,
    InterfaceMethod<[{
        Infers the types of the first region's arguments in the same way. They are
        set before the region's ops are visited. By default nothing is known.
      }], "void", "inferArgumentTypes",
      (ins "::llvm::SmallVectorImpl<::mlir::Type> &":$types), "", "types.clear();">,
  ];
}

def ONNX_NodeInterface : OpInterface<"NodeInterface"> {
  let cppNamespace = "::basin::onnx";
  let description = [{
    A NodeProto, which is a typed op or an `onnx.node`. Operands and results have
    the order and number that they have in ONNX. An absent operand is an
    `onnx.absent`.
  }];
  let methods = [
    InterfaceMethod<"The operator's name.", "::llvm::StringRef", "getOpType">,
    InterfaceMethod<"The operator's domain, empty for ai.onnx.",
                    "::llvm::StringRef", "getOpDomain">,
    InterfaceMethod<"The function overload, empty if none.",
                    "::llvm::StringRef", "getOverload">,
    InterfaceMethod<"The node's ONNX attributes except its subgraphs.",
                    "::mlir::DictionaryAttr", "getNodeAttrs">,
    InterfaceMethod<"The attribute names of the regions, one for each.",
                    "::llvm::SmallVector<::mlir::StringAttr>", "getRegionAttrNames">,
  ];
}

#endif // BASIN_DIALECT_ONNX_IR_ONNXINTERFACES_TD
