//===- ProductPlan.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What cuBLASLt needs for products of one shape: descriptors and an algorithm. Plans are kept, so
// that later runs create nothing and ask nothing.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_PRODUCTPLAN_H
#define BASIN_LIB_RUNTIME_PRODUCTPLAN_H

#include "CublasLt.h"
#include "ProductLayout.h"

#include <unordered_map>
#include <utility>

namespace basin::rt {

/// Owns an object of the library.
template <typename T> class Owned {
public:
  Owned() = default;
  Owned(T object, lt::Result (*destroy)(T)) : object(object), destroy(destroy) {}
  Owned(Owned &&other) noexcept
      : object(std::exchange(other.object, nullptr)), destroy(other.destroy) {}
  Owned &operator=(Owned &&other) noexcept {
    std::swap(object, other.object);
    std::swap(destroy, other.destroy);
    return *this;
  }
  ~Owned() {
    if (object)
      (void)destroy(object);
  }
  T get() const { return object; }

private:
  T object = nullptr;
  lt::Result (*destroy)(T) = nullptr;
};

/// All that the choice of an algorithm depends on. Pointers and alpha are no part of it.
struct PlanKey {
  std::array<int64_t, 24> parts;
  bool operator==(const PlanKey &) const = default;
};
struct PlanKeyHash {
  size_t operator()(const PlanKey &key) const;
};
PlanKey keyOf(const basin_rt_product &product, const BlasProduct &blas, uint64_t workspaceBytes);

struct ProductPlan {
  Owned<lt::Operation> operation;
  Owned<lt::Layout> a, b, d;
  lt::Algorithm algorithm = {};
  uint64_t workspaceBytes = 0;
  uint64_t lastUse = 0;
};

/// Creates the descriptors and asks the library for an algorithm. The device's context must be the
/// current one.
Status makePlan(const lt::Library &library, lt::Handle handle, const basin_rt_product &product,
                const BlasProduct &blas, uint64_t workspaceBytes, ProductPlan &plan);

/// The plans of one device. If there are too many, the one that was unused for longest goes.
class ProductPlans {
public:
  static constexpr size_t kMaxPlans = 256;

  /// Returns the plan, or null if there is none.
  ProductPlan *find(const PlanKey &key);
  ProductPlan *insert(const PlanKey &key, ProductPlan plan);

private:
  std::unordered_map<PlanKey, ProductPlan, PlanKeyHash> plans;
  uint64_t uses = 0;
};

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_PRODUCTPLAN_H
