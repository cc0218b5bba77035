//===- ProductPlan.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes plans of products, and keeps them. Objects that a failed call leaves behind are destroyed
// with the unfinished plan.
//
//===----------------------------------------------------------------------===//

#include "ProductPlan.h"

#include <algorithm>

using namespace basin::rt;
using lt::Library;

//===----------------------------------------------------------------------===//
// Making a plan
//===----------------------------------------------------------------------===//

static lt::DataType dataTypeOf(basin_rt_type type) {
  return type == BASIN_RT_F32 ? lt::kF32 : type == BASIN_RT_F16 ? lt::kF16 : lt::kBF16;
}

static lt::ComputeType computeTypeOf(const basin_rt_product &product) {
  return product.type == BASIN_RT_F32 && product.allow_tf32 ? lt::kComputeTF32 : lt::kComputeF32;
}

/// Returns the alignment of the bias, or 0 if there is none.
static uint32_t alignmentOfBias(const basin_rt_product &product) {
  auto address = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(product.bias));
  return product.bias ? alignmentOf(address) : 0;
}

static Status makeOperation(const Library &library, const basin_rt_product &product,
                            const BlasProduct &blas, Owned<lt::Operation> &out) {
  lt::Operation operation = nullptr;
  Status status =
      library.check(library.operationCreate(&operation, computeTypeOf(product), lt::kF32),
                    "cublasLtMatmulDescCreate");
  if (status.failed())
    return status;
  out = Owned<lt::Operation>(operation, library.operationDestroy);
  auto set = [&](lt::OperationAttribute attribute, const auto &value) {
    if (!status.failed())
      status = library.check(library.operationSet(operation, attribute,
                                                  static_cast<const void *>(&value), sizeof(value)),
                             "cublasLtMatmulDescSetAttribute");
  };
  set(lt::kTransposeA, blas.a.isTransposed ? lt::kTransposed : lt::kAsItIs);
  set(lt::kTransposeB, blas.b.isTransposed ? lt::kTransposed : lt::kAsItIs);
  if (product.bias) {
    // The search does not follow the pointer, but expects later ones to be aligned as it is. This
    // one is aligned as the plan says, and no better.
    const void *aligned = reinterpret_cast<const void *>(uintptr_t(alignmentOfBias(product)));
    set(lt::kEpilogue, lt::kAddBias);
    set(lt::kBiasPointer, aligned);
  }
  return status;
}

static Status makeLayout(const Library &library, const BlasMatrix &matrix, int64_t batch,
                         basin_rt_type type, Owned<lt::Layout> &out) {
  lt::Layout layout = nullptr;
  Status status = library.check(
      library.layoutCreate(&layout, dataTypeOf(type), static_cast<uint64_t>(matrix.rows),
                           static_cast<uint64_t>(matrix.columns), matrix.leading),
      "cublasLtMatrixLayoutCreate");
  if (status.failed())
    return status;
  out = Owned<lt::Layout>(layout, library.layoutDestroy);
  if (batch == 1)
    return {};
  auto count = static_cast<int32_t>(batch);
  const char *call = "cublasLtMatrixLayoutSetAttribute";
  status = library.check(library.layoutSet(layout, lt::kBatchCount, &count, sizeof(count)), call);
  return status.failed()
             ? status
             : library.check(library.layoutSet(layout, lt::kBatchStride, &matrix.batchStride,
                                               sizeof(matrix.batchStride)),
                             call);
}

static Status makePreference(const Library &library, const BlasProduct &blas,
                             uint64_t workspaceBytes, Owned<lt::Preference> &out) {
  lt::Preference preference = nullptr;
  Status status =
      library.check(library.preferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
  if (status.failed())
    return status;
  out = Owned<lt::Preference>(preference, library.preferenceDestroy);
  auto set = [&](lt::PreferenceAttribute attribute, const auto &value) {
    if (!status.failed())
      status = library.check(library.preferenceSet(preference, attribute, &value, sizeof(value)),
                             "cublasLtMatmulPreferenceSetAttribute");
  };
  set(lt::kMaxWorkspaceBytes, workspaceBytes);
  set(lt::kReductionSchemes, lt::kReduceInComputeType);
  set(lt::kMinAlignmentA, blas.a.alignment);
  set(lt::kMinAlignmentB, blas.b.alignment);
  set(lt::kMinAlignmentC, blas.d.alignment);
  set(lt::kMinAlignmentD, blas.d.alignment);
  return status;
}

Status basin::rt::makePlan(const Library &library, lt::Handle handle,
                           const basin_rt_product &product, const BlasProduct &blas,
                           uint64_t workspaceBytes, ProductPlan &plan) {
  Owned<lt::Preference> preference;
  Status status = makeOperation(library, product, blas, plan.operation);
  if (!status.failed())
    status = makeLayout(library, blas.a, blas.batch, product.type, plan.a);
  if (!status.failed())
    status = makeLayout(library, blas.b, blas.batch, product.type, plan.b);
  if (!status.failed())
    status = makeLayout(library, blas.d, blas.batch, product.result_type, plan.d);
  if (!status.failed())
    status = makePreference(library, blas, workspaceBytes, preference);
  if (status.failed())
    return status;
  lt::Found found = {};
  int count = 0;
  const char *call = "cublasLtMatmulAlgoGetHeuristic";
  status = library.check(library.findAlgorithms(handle, plan.operation.get(), plan.a.get(),
                                                plan.b.get(), plan.d.get(), plan.d.get(),
                                                preference.get(), 1, &found, &count),
                         call);
  if (!status.failed() && count > 0)
    status = library.check(found.state, call);
  if (status.failed())
    return status;
  if (count < 1 || found.workspaceBytes > workspaceBytes)
    return {BASIN_RT_PRODUCT_LIBRARY_ERROR,
            std::string(call) + ": no algorithm for the product with a workspace of " +
                std::to_string(workspaceBytes) + " bytes"};
  plan.algorithm = found.algorithm;
  plan.workspaceBytes = found.workspaceBytes;
  return {};
}

//===----------------------------------------------------------------------===//
// Keeping plans
//===----------------------------------------------------------------------===//

PlanKey basin::rt::keyOf(const basin_rt_product &product, const BlasProduct &blas,
                         uint64_t workspaceBytes) {
  PlanKey key = {{product.type, product.result_type, computeTypeOf(product),
                  alignmentOfBias(product), blas.batch, static_cast<int64_t>(workspaceBytes)}};
  size_t next = 6;
  for (const BlasMatrix *matrix : {&blas.a, &blas.b, &blas.d})
    for (int64_t part : {int64_t(matrix->isTransposed), matrix->rows, matrix->columns,
                         matrix->leading, matrix->batchStride, int64_t(matrix->alignment)})
      key.parts[next++] = part;
  return key;
}

size_t PlanKeyHash::operator()(const PlanKey &key) const {
  uint64_t hash = 0;
  for (int64_t part : key.parts) {
    hash = (hash ^ static_cast<uint64_t>(part)) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 29;
  }
  return static_cast<size_t>(hash);
}

ProductPlan *ProductPlans::find(const PlanKey &key) {
  auto found = plans.find(key);
  if (found == plans.end())
    return nullptr;
  found->second.lastUse = ++uses;
  return &found->second;
}

ProductPlan *ProductPlans::insert(const PlanKey &key, ProductPlan plan) {
  if (plans.size() >= kMaxPlans)
    plans.erase(std::min_element(plans.begin(), plans.end(), [](const auto &x, const auto &y) {
      return x.second.lastUse < y.second.lastUse;
    }));
  plan.lastUse = ++uses;
  return &plans.insert_or_assign(key, std::move(plan)).first->second;
}
