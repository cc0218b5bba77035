//===- ONNXOpBase.td ---------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The base class of typed nodes. The definition of a typed op has its name, the names of its
// operands and results in ONNX's order, its attributes, and its shape rule:
//
//   def ONNX_FlattenOp : ONNX_Node<"Flatten", ["input"], ["output"],
//     (ins OptionalAttr<I64Attr>:$axis), "flatten">;
//
// An operand or result whose name ends in "?" may be absent. The last name may end in "*" and then
// takes all that remain. The attributes of all opset versions are defined together, and all are
// optional: an op keeps exactly those that its version has.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXOPBASE_TD
#define BASIN_DIALECT_ONNX_IR_ONNXOPBASE_TD

include "basin/Dialect/ONNX/IR/ONNXDialect.td"
include "basin/Dialect/ONNX/IR/ONNXInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def ONNX_Value : AnyTypeOf<[AnyType], "an ONNX value">;
def ONNX_Ints : OptionalAttr<DenseI64ArrayAttr>;
def ONNX_Floats : OptionalAttr<DenseF32ArrayAttr>;
def ONNX_Int : OptionalAttr<I64Attr>;
def ONNX_Float : OptionalAttr<F32Attr>;
def ONNX_String : OptionalAttr<StrAttr>;
def ONNX_Strings : OptionalAttr<ArrayAttr>;
def ONNX_TensorValue : OptionalAttr<AnyAttr>;

// "attnMask?" -> "attnMask"
class ONNX_BareName<string n> {
  defvar tail = !substr(n, !sub(!size(n), 1), 1);
  string ret = !if(!or(!eq(tail, "?"), !eq(tail, "*")),
                   !substr(n, 0, !sub(!size(n), 1)), n);
  bit variadic = !eq(tail, "*");
}

// Accessors by name: `getX()` returns null if the operand is absent.
class ONNX_Accessors<list<string> names, string getter> {
  string ret = !interleave(!foreach(i, !range(!size(names)),
      !if(ONNX_BareName<names[i]>.variadic, "",
          "::mlir::Value get" # !toupper(!substr(ONNX_BareName<names[i]>.ret, 0, 1))
          # !substr(ONNX_BareName<names[i]>.ret, 1) # "() { return "
          # getter # "(getOperation(), " # i # "); }")), "\n");
}

class ONNX_Node<string opType, list<string> inputNames, list<string> outputNames,
                dag attributes = (ins), string rule = "unknown",
                list<Trait> traits = [Pure], string opDomain = "",
                string prefix = "", list<string> regionNames = [],
                list<string> overridden = []>
    : Op<ONNX_Dialect, prefix # opType,
         !listconcat(traits, [
           DeclareOpInterfaceMethods<ONNX_NodeInterface>,
           DeclareOpInterfaceMethods<ONNX_InferTypesInterface, overridden>])> {
  let arguments = !con((ins Variadic<ONNX_Value>:$inputs), attributes);
  let results = !if(!ne(!size(outputNames), 1), (outs Variadic<ONNX_Value>:$outputs),
                !if(ONNX_BareName<!head(outputNames)>.variadic,
                    (outs Variadic<ONNX_Value>:$outputs), (outs ONNX_Value:$result)));
  let regions = !if(!empty(regionNames), (region),
                    (region VariadicRegion<AnyRegion>:$subgraphs));
  let assemblyFormat = "`(` operands `)`" #
      !if(!empty(regionNames), " attr-dict", " $subgraphs attr-dict-with-keyword") #
      " `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let summary = !if(!empty(opDomain), "ai.onnx", opDomain) # " " # opType;
  let description = "Operands: " # !interleave(inputNames, ", ") #
      ". Results: " # !interleave(outputNames, ", ") # ".";
  let extraClassDeclaration =
      "static const ::basin::onnx::NodeSchema &getSchema();\n" #
      ONNX_Accessors<inputNames, "::basin::onnx::getInputOrNull">.ret # "\n" #
      ONNX_Accessors<outputNames, "::basin::onnx::getOutputOrNull">.ret;
  let extraClassDefinition = [{
    const ::basin::onnx::NodeSchema &$cppClass::getSchema() {
      static const ::basin::onnx::NodeSchema schema(
          "}] # opType # [{", "}] # opDomain # [{",
          {}] # !interleave(!foreach(n, inputNames, "\"" # n # "\""), ", ") # [{},
          {}] # !interleave(!foreach(n, outputNames, "\"" # n # "\""), ", ") # [{},
          {}] # !interleave(!foreach(n, regionNames, "\"" # n # "\""), ", ") # [{});
      return schema;
    }
    ::llvm::StringRef $cppClass::getOpType() { return "}] # opType # [{"; }
    ::llvm::StringRef $cppClass::getOpDomain() { return "}] # opDomain # [{"; }
    ::llvm::StringRef $cppClass::getOverload() { return ""; }
    ::mlir::DictionaryAttr $cppClass::getNodeAttrs() {
      return ::basin::onnx::getInherentNodeAttrs(getOperation());
    }
    ::llvm::SmallVector<::mlir::StringAttr> $cppClass::getRegionAttrNames() {
      return ::basin::onnx::getSchemaRegionNames(getOperation(), getSchema());
    }
    ::llvm::LogicalResult $cppClass::inferResultTypes(
        ::llvm::SmallVectorImpl<::mlir::Type> &types) {
      return ::basin::onnx::infer::}] # rule # [{(getOperation(), types);
    }
    ::llvm::LogicalResult $cppClass::verify() {
      return ::basin::onnx::verifyNode(getOperation(), getSchema());
    }
  }];
}

// A node of com.microsoft, under `onnx.ms.`.
class ONNX_MSNode<string opType, list<string> inputNames, list<string> outputNames,
                  dag attributes = (ins), string rule = "unknown",
                  list<Trait> traits = [Pure]>
    : ONNX_Node<opType, inputNames, outputNames, attributes, rule, traits,
                "com.microsoft", "ms.">;

#endif // BASIN_DIALECT_ONNX_IR_ONNXOPBASE_TD
