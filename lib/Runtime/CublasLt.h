//===- CublasLt.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NVIDIA's cuBLASLt, which is loaded when the first product needs it. The build needs nothing of
// CUDA: the few types and numbers of the library's public binary interface are declared here.
// They are the same in its versions 12 and 13: the headers of 12.4.5 and 13.1.0 have them.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_CUBLASLT_H
#define BASIN_LIB_RUNTIME_CUBLASLT_H

#include "Driver.h"

namespace basin::rt::lt {

using Result = int;
using Handle = struct HandleTag *;
using Operation = struct OperationTag *;
using Layout = struct LayoutTag *;
using Preference = struct PreferenceTag *;

constexpr Result kSuccess = 0;

enum DataType : int { kF32 = 0, kF16 = 2, kBF16 = 14 };
enum ComputeType : int { kComputeF32 = 68, kComputeTF32 = 77 };
enum Transpose : int32_t { kAsItIs = 0, kTransposed = 1 };
enum Epilogue : uint32_t { kAddBias = 4 };
/// How an algorithm that divides k adds the parts. The other schemes round parts to the type of
/// the result.
enum ReductionScheme : uint32_t { kReduceInComputeType = 2 };
enum OperationAttribute : int {
  kTransposeA = 3, // int32_t
  kTransposeB = 4, // int32_t
  kEpilogue = 7,   // uint32_t
  kBiasPointer = 8 // const void *, whose alignment matters to the search
};
enum LayoutAttribute : int {
  kBatchCount = 5, // int32_t
  kBatchStride = 6 // int64_t, in elements
};
enum PreferenceAttribute : int {
  kMaxWorkspaceBytes = 1, // uint64_t
  kReductionSchemes = 3,  // uint32_t, a mask
  kMinAlignmentA = 5,     // uint32_t, as are the next three
  kMinAlignmentB = 6,
  kMinAlignmentC = 7,
  kMinAlignmentD = 8
};

/// What the library knows of an algorithm.
struct Algorithm {
  uint64_t data[8];
};
/// An answer of the search for algorithms.
struct Found {
  Algorithm algorithm;
  size_t workspaceBytes;
  Result state;
  float wavesCount;
  int reserved[4];
};

/// A workspace must be aligned to this.
constexpr uint64_t kWorkspaceAlignment = 256;

struct Library {
  size_t (*getVersion)();
  Result (*create)(Handle *);
  Result (*operationCreate)(Operation *, int computeType, int scaleType);
  Result (*operationDestroy)(Operation);
  Result (*operationSet)(Operation, int attribute, const void *value, size_t bytes);
  Result (*layoutCreate)(Layout *, int type, uint64_t rows, uint64_t columns, int64_t leading);
  Result (*layoutDestroy)(Layout);
  Result (*layoutSet)(Layout, int attribute, const void *value, size_t bytes);
  Result (*preferenceCreate)(Preference *);
  Result (*preferenceDestroy)(Preference);
  Result (*preferenceSet)(Preference, int attribute, const void *value, size_t bytes);
  Result (*findAlgorithms)(Handle, Operation, Layout a, Layout b, Layout c, Layout d, Preference,
                           int wanted, Found *found, int *count);
  Result (*multiply)(Handle, Operation, const void *alpha, const void *a, Layout, const void *b,
                     Layout, const void *beta, const void *c, Layout, void *d, Layout,
                     const Algorithm *, void *workspace, size_t workspaceBytes, cuda::Stream);
  /// Null if the library has no names.
  const char *(*getStatusName)(Result);

  /// Returns ok, or a status with the call's name and the library's name of the error.
  Status check(Result result, const char *call) const;
};

/// Gets the library, which is loaded once. If that fails, the next call tries again.
Status getLibrary(const Library *&library);

/// Sets another file than the default ones. Fails once another library is loaded.
Status useLibrary(const char *path);

} // namespace basin::rt::lt

#endif // BASIN_LIB_RUNTIME_CUBLASLT_H
