//===- Fields.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The field numbers of onnx.proto. Each message is an enum, and the fields have the names that
// they have there. Reading and writing use no other numbers.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_TARGET_ONNX_FIELDS_H
#define BASIN_LIB_TARGET_ONNX_FIELDS_H

#include <cstdint>

namespace basin::onnx::wire::field {

/// StringStringEntryProto.
namespace Entry {
enum : uint32_t {
  key = 1,
  value = 2,
};
} // namespace Entry

/// TensorProto.
namespace Tensor {
enum : uint32_t {
  dims = 1,
  data_type = 2,
  float_data = 4,
  int32_data = 5,
  string_data = 6,
  int64_data = 7,
  name = 8,
  raw_data = 9,
  double_data = 10,
  uint64_data = 11,
  doc_string = 12,
  external_data = 13,
  data_location = 14,
  metadata_props = 16,
};
} // namespace Tensor

/// SparseTensorProto.
namespace SparseTensor {
enum : uint32_t {
  values = 1,
  indices = 2,
  dims = 3,
};
} // namespace SparseTensor

/// TensorShapeProto.
namespace TensorShape {
enum : uint32_t {
  dim = 1,
};
} // namespace TensorShape

/// TensorShapeProto.Dimension.
namespace Dimension {
enum : uint32_t {
  dim_value = 1,
  dim_param = 2,
};
} // namespace Dimension

/// TypeProto.Tensor and TypeProto.SparseTensor.
namespace TensorType {
enum : uint32_t {
  elem_type = 1,
  shape = 2,
};
} // namespace TensorType

/// TypeProto.Sequence and TypeProto.Optional.
namespace ListType {
enum : uint32_t {
  elem_type = 1,
};
} // namespace ListType

/// TypeProto.Map.
namespace MapType {
enum : uint32_t {
  key_type = 1,
  value_type = 2,
};
} // namespace MapType

/// TypeProto.Opaque.
namespace OpaqueType {
enum : uint32_t {
  domain = 1,
  name = 2,
};
} // namespace OpaqueType

/// TypeProto.
namespace Type {
enum : uint32_t {
  tensor_type = 1,
  sequence_type = 4,
  map_type = 5,
  opaque_type = 7,
  sparse_tensor_type = 8,
  optional_type = 9,
};
} // namespace Type

/// ValueInfoProto.
namespace ValueInfo {
enum : uint32_t {
  name = 1,
  type = 2,
  doc_string = 3,
  metadata_props = 4,
};
} // namespace ValueInfo

/// AttributeProto.
namespace Attribute {
enum : uint32_t {
  name = 1,
  f = 2,
  i = 3,
  s = 4,
  t = 5,
  g = 6,
  floats = 7,
  ints = 8,
  strings = 9,
  tensors = 10,
  graphs = 11,
  doc_string = 13,
  tp = 14,
  type_protos = 15,
  type = 20,
  ref_attr_name = 21,
  sparse_tensor = 22,
  sparse_tensors = 23,
};
} // namespace Attribute

/// NodeProto.
namespace Node {
enum : uint32_t {
  input = 1,
  output = 2,
  name = 3,
  op_type = 4,
  attribute = 5,
  doc_string = 6,
  domain = 7,
  overload = 8,
  metadata_props = 9,
};
} // namespace Node

/// GraphProto.
namespace Graph {
enum : uint32_t {
  node = 1,
  name = 2,
  initializer = 5,
  doc_string = 10,
  input = 11,
  output = 12,
  value_info = 13,
  sparse_initializer = 15,
  metadata_props = 16,
};
} // namespace Graph

/// OperatorSetIdProto.
namespace OperatorSetId {
enum : uint32_t {
  domain = 1,
  version = 2,
};
} // namespace OperatorSetId

/// FunctionProto.
namespace Function {
enum : uint32_t {
  name = 1,
  input = 4,
  output = 5,
  attribute = 6,
  node = 7,
  doc_string = 8,
  opset_import = 9,
  domain = 10,
  attribute_proto = 11,
  value_info = 12,
  overload = 13,
  metadata_props = 14,
};
} // namespace Function

/// ModelProto.
namespace Model {
enum : uint32_t {
  ir_version = 1,
  producer_name = 2,
  producer_version = 3,
  domain = 4,
  model_version = 5,
  doc_string = 6,
  graph = 7,
  opset_import = 8,
  metadata_props = 14,
  functions = 25,
};
} // namespace Model

/// TensorProto.DataLocation.
namespace DataLocation {
enum : int32_t { DEFAULT = 0, EXTERNAL = 1 };
} // namespace DataLocation

/// AttributeProto.AttributeType.
namespace AttributeType {
enum : int32_t {
  FLOAT = 1,
  INT = 2,
  STRING = 3,
  TENSOR = 4,
  GRAPH = 5,
  FLOATS = 6,
  INTS = 7,
  STRINGS = 8,
  TENSORS = 9,
  GRAPHS = 10,
  SPARSE_TENSOR = 11,
  SPARSE_TENSORS = 12,
  TYPE_PROTO = 13,
  TYPE_PROTOS = 14,
};
} // namespace AttributeType

} // namespace basin::onnx::wire::field

#endif // BASIN_LIB_TARGET_ONNX_FIELDS_H
