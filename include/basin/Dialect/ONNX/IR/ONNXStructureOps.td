//===- ONNXStructureOps.td ---------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The ops of a graph's structure: the graph, functions, initializers, the generic node, absent
// operands and the terminator.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXSTRUCTUREOPS_TD
#define BASIN_DIALECT_ONNX_IR_ONNXSTRUCTUREOPS_TD

include "basin/Dialect/ONNX/IR/ONNXOpBase.td"
include "basin/Dialect/ONNX/IR/ONNXAttrs.td"
include "basin/Dialect/ONNX/IR/ONNXTypes.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"

def ONNX_GraphOp : Op<ONNX_Dialect, "graph",
    [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "the model's main graph";
  let description = [{
    The block arguments are the graph's inputs, and the operands of `onnx.return` its
    outputs. `info` has their names, declared types and documentation.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ONNX_GraphInfoAttr:$info);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $info attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def ONNX_FunctionOp : Op<ONNX_Dialect, "function",
    [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "a model-local function";
  let description = [{
    `attr_names` are the names of attributes without a default. `attr_defaults` are
    those with one, as dictionaries `{name, value}` without `#onnx.value`. `opsets`
    are the function's own opset imports.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$name,
                       OptionalAttr<StrAttr>:$domain,
                       OptionalAttr<StrAttr>:$overload,
                       ArrayAttr:$attr_names, ArrayAttr:$attr_defaults,
                       ArrayAttr:$opsets, ONNX_GraphInfoAttr:$info);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $info attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def ONNX_ReturnOp : Op<ONNX_Dialect, "return",
    [Terminator, Pure]> {
  let summary = "the outputs of a graph, a function or a subgraph";
  let arguments = (ins Variadic<ONNX_Value>:$outputs);
  let assemblyFormat = "attr-dict ($outputs^ `:` type($outputs))?";
}

def ONNX_InitializerOp : Op<ONNX_Dialect, "initializer"> {
  let summary = "a named weight";
  let description = [{
    `value` is a `dense_resource` over the mapped model file, a `dense` for a
    few elements, `#onnx.external` for data in a file of its own,
    `#onnx.strings` or `#onnx.sparse`. Generic passes do not merge, fold or erase
    the op, because its name is its identity, as that of a symbol is. Subgraphs share
    a weight by capturing its result.
  }];
  let arguments = (ins StrAttr:$name, AnyAttr:$value, OptionalAttr<DictionaryAttr>:$info);
  let results = (outs ONNX_Value:$result);
  let assemblyFormat = "$name attr-dict `:` type($result) `=` $value";
  let hasVerifier = 1;
}

def ONNX_AbsentOp : Op<ONNX_Dialect, "absent", [Pure]> {
  let summary = "an operand left out (an empty name)";
  let results = (outs NoneType:$result);
  let assemblyFormat = "attr-dict";
}

def ONNX_NodeOp : Op<ONNX_Dialect, "node",
    [DeclareOpInterfaceMethods<ONNX_NodeInterface>,
     DeclareOpInterfaceMethods<ONNX_InferTypesInterface>]> {
  let summary = "any node that has no typed op";
  let description = [{
    A node of another domain, an operator without a typed op, a call of a model-local
    function, or a node that the schema of its typed op does not cover.
  }];
  let arguments = (ins Variadic<ONNX_Value>:$inputs, StrAttr:$type_name,
                       OptionalAttr<StrAttr>:$domain,
                       OptionalAttr<StrAttr>:$overload_name,
                       DictionaryAttr:$attrs, OptionalAttr<StrArrayAttr>:$region_names);
  let results = (outs Variadic<ONNX_Value>:$outputs);
  let regions = (region VariadicRegion<AnyRegion>:$subgraphs);
  let assemblyFormat = [{
    $type_name (`domain` $domain^)? (`overload` $overload_name^)?
    `(` $inputs `)` $attrs ($region_names^)? $subgraphs attr-dict-with-keyword
    `:` functional-type($inputs, $outputs)
  }];
  let hasVerifier = 1;
}

#endif // BASIN_DIALECT_ONNX_IR_ONNXSTRUCTUREOPS_TD
