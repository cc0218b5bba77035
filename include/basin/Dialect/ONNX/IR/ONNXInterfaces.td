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
    An op whose result types follow from its operands, its attributes and what
    its regions yield.
  }];
  let methods = [
    InterfaceMethod<[{
        Types of the results from those of the operands; an entry stays null
        where nothing can be said. Fails, with a diagnostic, on operands that
        contradict each other.
      }], "::llvm::LogicalResult", "inferResultTypes",
      (ins "::llvm::SmallVectorImpl<::mlir::Type> &":$types)>,
    InterfaceMethod<[{
        Types of the first region's arguments from those of the operands, as
        above; they are set before the region's ops are visited. By default
        nothing is said.
      }], "void", "inferArgumentTypes",
      (ins "::llvm::SmallVectorImpl<::mlir::Type> &":$types), "", "types.clear();">,
  ];
}

def ONNX_NodeInterface : OpInterface<"NodeInterface"> {
  let cppNamespace = "::basin::onnx";
  let description = [{
    A NodeProto: a typed op or an `onnx.node`. Operands and results stand in
    ONNX's order and number; an absent one is an `onnx.absent`.
  }];
  let methods = [
    InterfaceMethod<"The operator's name.", "::llvm::StringRef", "getOpType">,
    InterfaceMethod<"The operator's domain, empty for ai.onnx.",
                    "::llvm::StringRef", "getOpDomain">,
    InterfaceMethod<"The function overload, empty if none.",
                    "::llvm::StringRef", "getOverload">,
    InterfaceMethod<"The node's ONNX attributes except its subgraphs.",
                    "::mlir::DictionaryAttr", "getNodeAttrs">,
    InterfaceMethod<"Attribute names of the regions, one each.",
                    "::llvm::SmallVector<::mlir::StringAttr>", "getRegionAttrNames">,
  ];
}

#endif // BASIN_DIALECT_ONNX_IR_ONNXINTERFACES_TD
