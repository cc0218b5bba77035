//===- ONNXAttrs.td ----------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXATTRS_TD
#define BASIN_DIALECT_ONNX_IR_ONNXATTRS_TD

include "basin/Dialect/ONNX/IR/ONNXDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"

class ONNX_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<ONNX_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def ONNX_DimsAttr : ONNX_Attr<"Dims", "dims"> {
  let summary = "names of symbolic dimensions, as a tensor's encoding";
  let description = [{
    One string for each dimension, which is empty if the dimension is static or has
    no name: `tensor<?x?x64xf32, #onnx.dims<"batch", "seq", "">>`. Dimensions of
    equal names in one graph have the same size at run time
    (`TensorShapeProto.dim_param`).
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$names);
  let assemblyFormat = "`<` $names `>`";
}

def ONNX_ExternalAttr : ONNX_Attr<"External", "external", [TypedAttrInterface]> {
  let summary = "tensor data in a file beside the model, not read";
  let description = [{
    `location` is relative to the model's folder (`onnx.base_dir` of the
    module) and stays inside it. `length` is in bytes, or -1 if the model does
    not state it. `extra` has further `external_data` entries, such as a checksum.
  }];
  let parameters = (ins
    AttributeSelfTypeParameter<"">:$type,
    StringRefParameter<>:$location,
    DefaultValuedParameter<"int64_t", "0">:$offset,
    DefaultValuedParameter<"int64_t", "-1">:$length,
    OptionalParameter<"::mlir::ArrayAttr">:$extra);
  let assemblyFormat = "`<` struct($location, $offset, $length, $extra) `>`";
}

def ONNX_StringsAttr : ONNX_Attr<"Strings", "strings", [TypedAttrInterface]> {
  let summary = "the elements of a string tensor";
  let parameters = (ins
    AttributeSelfTypeParameter<"">:$type,
    "::mlir::ArrayAttr":$values);
  let assemblyFormat = "`<` $values `>`";
}

def ONNX_TensorAttr : ONNX_Attr<"Tensor", "tensor"> {
  let summary = "a TensorProto with more than its elements";
  let description = [{
    The elements together with other parts of a TensorProto: `name`, `doc`, `meta`,
    `typed` (the elements were in a typed field and not in `raw_data`), `unknown`.
  }];
  let parameters = (ins "::mlir::Attribute":$elements,
                        "::mlir::DictionaryAttr":$info);
  let assemblyFormat = "`<` $elements `,` $info `>`";
}

def ONNX_SparseAttr : ONNX_Attr<"Sparse", "sparse"> {
  let summary = "a SparseTensorProto: values, indices, dense shape";
  let parameters = (ins "::mlir::Attribute":$values,
                        OptionalParameter<"::mlir::Attribute">:$indices,
                        "::mlir::DenseI64ArrayAttr":$dims);
  let assemblyFormat =
      "`<` $values (`,` `indices` `=` $indices^)? `,` `dims` `=` $dims `>`";
}

def ONNX_ListAttr : ONNX_Attr<"List", "list"> {
  let summary = "a list attribute of kind TENSORS, SPARSE_TENSORS or TYPE_PROTOS";
  let parameters = (ins StringRefParameter<>:$kind,
                        "::mlir::ArrayAttr":$elements);
  let assemblyFormat = "`<` $kind `,` $elements `>`";
}

def ONNX_RefAttr : ONNX_Attr<"Ref", "ref"> {
  let summary = "an attribute of the enclosing function (ref_attr_name)";
  let parameters = (ins StringRefParameter<>:$name, "int64_t":$kind);
  let assemblyFormat = "`<` $name `,` $kind `>`";
}

def ONNX_VerbatimAttr : ONNX_Attr<"Verbatim", "verbatim"> {
  let summary = "a protobuf message that is kept as its bytes, because nothing else "
                "here can represent it";
  let parameters = (ins StringRefParameter<>:$bytes);
  let assemblyFormat = "`<` $bytes `>`";
}

def ONNX_ValueInfoAttr : ONNX_Attr<"ValueInfo", "value"> {
  let summary = "a ValueInfoProto";
  let description = [{
    `info` has `doc`, `meta`, `unknown`, `verbatim` (the TypeProto's bytes if `type`
    does not say all of it), and `initializer` (for a graph input with a default
    value).
  }];
  let parameters = (ins "::mlir::StringAttr":$name, "::mlir::Type":$type,
                        "::mlir::DictionaryAttr":$info);
  let assemblyFormat = "`<` $name `,` $type `,` $info `>`";
}

def ONNX_GraphInfoAttr : ONNX_Attr<"GraphInfo", "graph_info"> {
  let summary = "the parts of a GraphProto other than its nodes";
  let description = [{
    `inputs`, `outputs` and `valueInfo` are `#onnx.value`s in the model's order.
    `info` holds `name`, `doc`, `meta`, `unknown`.
  }];
  let parameters = (ins "::mlir::ArrayAttr":$inputs, "::mlir::ArrayAttr":$outputs,
                        "::mlir::ArrayAttr":$valueInfo,
                        "::mlir::DictionaryAttr":$info);
  let assemblyFormat = "`<` struct(params) `>`";
}

#endif // BASIN_DIALECT_ONNX_IR_ONNXATTRS_TD
