//===- FakeCublasLt.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A libcublasLt.so.13 for tests on machines without a GPU. It computes products in the memory of
// the host, from nothing but the descriptors that it is given, and refuses what the documentation
// of the real library does not allow. It logs its calls without allocating, so that tests can count
// the allocations of its caller.
//
//===----------------------------------------------------------------------===//

#include "FakeCublasLt.h"

#include "../../lib/Runtime/CublasLt.h"
#include "Half.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <string>

using namespace basin::rt::lt;
using basin::test::readNumber;
using basin::test::writeNumber;

// The types that the runtime's handles point to.
namespace basin::rt::lt {
struct HandleTag {};
struct OperationTag {
  int computeType, scaleType;
  int32_t transposeA = 0, transposeB = 0;
  uint32_t epilogue = 1;
  const void *bias = nullptr;
};
struct LayoutTag {
  int type;
  uint64_t rows, columns;
  int64_t leading;
  int32_t batch = 1;
  int64_t stride = 0;
};
struct PreferenceTag {
  uint64_t workspaceBytes = 0;
  uint32_t schemes = 7, alignments[4] = {256, 256, 256, 256};
};
} // namespace basin::rt::lt

namespace {
struct State {
  std::mutex mutex;
  char log[1 << 20] = "";
  size_t length = 0;
  std::string text, failing;
  int before = 0, result = 0, live = 0;
  size_t version = 130100;
  bool findsNothing = false;
};
} // namespace

static State &state() {
  static State *made = new State();
  return *made;
}

// From the documentation of cublasStatus_t.
constexpr Result kInvalidValue = 7, kNotSupported = 15;

/// Logs a call, and returns the status that a test has set.
[[gnu::format(printf, 2, 3)]] static Result called(const char *function, const char *format, ...) {
  State &s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  va_list arguments;
  va_start(arguments, format);
  char line[256];
  int size = std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  int written = std::snprintf(s.log + s.length, sizeof(s.log) - s.length, "%s%s%s\n", function,
                              size ? " " : "", line);
  s.length = std::min(s.length + static_cast<size_t>(written), sizeof(s.log) - 1);
  if (s.failing != function || s.before-- > 0)
    return kSuccess;
  s.failing.clear();
  return s.result;
}

template <typename T, typename... Parts>
static Result create(T **out, Result result, Parts... parts) {
  if (result != kSuccess)
    return result;
  *out = new T{parts...};
  std::lock_guard<std::mutex> lock(state().mutex);
  ++state().live;
  return kSuccess;
}

template <typename T> static Result destroy(T *object) {
  delete object;
  std::lock_guard<std::mutex> lock(state().mutex);
  --state().live;
  return kSuccess;
}

template <typename T> static Result set(T &member, const void *value, size_t bytes) {
  if (bytes != sizeof(T))
    return kInvalidValue;
  std::memcpy(static_cast<void *>(&member), value, bytes);
  return kSuccess;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Returns the sizes of a factor as the product takes it.
static std::pair<uint64_t, uint64_t> sizesOf(const LayoutTag &layout, bool isTransposed) {
  return isTransposed ? std::pair{layout.columns, layout.rows}
                      : std::pair{layout.rows, layout.columns};
}

static bool fits(const OperationTag &op, const LayoutTag &a, const LayoutTag &b,
                 const LayoutTag &d) {
  auto [m, k] = sizesOf(a, op.transposeA);
  auto [k2, n] = sizesOf(b, op.transposeB);
  auto isRight = [&](const LayoutTag &layout) {
    return layout.leading >= static_cast<int64_t>(layout.rows) && layout.batch == d.batch &&
           layout.rows > 0 && layout.columns > 0;
  };
  return k == k2 && d.rows == m && d.columns == n && isRight(a) && isRight(b) && isRight(d) &&
         op.scaleType == kF32 && a.type == b.type && (d.type == a.type || d.type == kF32) &&
         (op.epilogue == 1 || (op.epilogue == kAddBias && op.bias)) &&
         (op.computeType == kComputeF32 || (op.computeType == kComputeTF32 && a.type == kF32));
}

/// What an algorithm was found for. It is wrong to use it for anything else.
static uint64_t problemOf(const OperationTag &op, const LayoutTag &a, const LayoutTag &b,
                          const LayoutTag &d) {
  uint64_t hash = 0;
  auto add = [&](uint64_t part) { hash = (hash ^ part) * 0x100000001b3; };
  add(static_cast<uint64_t>(op.computeType)), add(op.epilogue);
  add(static_cast<uint64_t>(op.transposeA)), add(static_cast<uint64_t>(op.transposeB));
  for (const LayoutTag *layout : {&a, &b, &d}) {
    add(static_cast<uint64_t>(layout->type)), add(layout->rows), add(layout->columns);
    add(static_cast<uint64_t>(layout->leading)), add(static_cast<uint64_t>(layout->batch));
    add(static_cast<uint64_t>(layout->stride));
  }
  return hash;
}

static void compute(const OperationTag &op, float alpha, const void *a, const LayoutTag &ofA,
                    const void *b, const LayoutTag &ofB, void *d, const LayoutTag &ofD) {
  auto inner = static_cast<int64_t>(sizesOf(ofA, op.transposeA).second);
  for (int64_t batch = 0; batch < ofD.batch; ++batch)
    for (int64_t row = 0; row < static_cast<int64_t>(ofD.rows); ++row)
      for (int64_t column = 0; column < static_cast<int64_t>(ofD.columns); ++column) {
        double sum = 0;
        for (int64_t i = 0; i < inner; ++i) {
          int64_t atA = op.transposeA ? i + row * ofA.leading : row + i * ofA.leading;
          int64_t atB = op.transposeB ? column + i * ofB.leading : i + column * ofB.leading;
          sum += readNumber(a, ofA.type, batch * ofA.stride + atA) *
                 readNumber(b, ofB.type, batch * ofB.stride + atB);
        }
        float value = alpha * static_cast<float>(sum);
        if (op.epilogue == kAddBias)
          value += static_cast<float>(readNumber(op.bias, ofD.type, row));
        writeNumber(d, ofD.type, batch * ofD.stride + row + column * ofD.leading, value);
      }
}

static bool isAligned(const void *pointer, uint64_t alignment) {
  return reinterpret_cast<uintptr_t>(pointer) % alignment == 0;
}

/// Returns the largest power of two that divides the pointer, or 0 if there is none. The real
/// library takes the expected alignment from the pointer, too.
static uint64_t alignmentOfBias(const OperationTag &op) {
  auto address = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(op.bias));
  return address & (~address + 1);
}

extern "C" {

void fake_lt_reset(void) {
  State &s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  s.log[0] = '\0';
  s.length = 0;
  s.failing.clear();
  s.version = 130100;
  s.findsNothing = false;
}

void fake_lt_set_version(size_t version) { state().version = version; }

void fake_lt_fail(const char *function, int calls, int result) {
  state().failing = function;
  state().before = calls;
  state().result = result;
}

void fake_lt_find_nothing(void) { state().findsNothing = true; }

int fake_lt_live(void) {
  std::lock_guard<std::mutex> lock(state().mutex);
  return state().live;
}

const char *fake_lt_log(void) {
  std::lock_guard<std::mutex> lock(state().mutex);
  state().text = state().log;
  return state().text.c_str();
}

size_t cublasLtGetVersion(void) { return state().version; }

const char *cublasLtGetStatusName(Result result) {
  return result == 14 ? "CUBLAS_STATUS_INTERNAL_ERROR" : "CUBLAS_STATUS_NOT_SUPPORTED";
}

Result cublasLtCreate(Handle *handle) {
  Result result = called("create", "%s", "");
  if (result == kSuccess)
    *handle = new HandleTag();
  return result;
}

Result cublasLtMatmulDescCreate(Operation *out, int computeType, int scaleType) {
  return create(out, called("operation", "%d %d", computeType, scaleType), computeType, scaleType);
}

Result cublasLtMatmulDescDestroy(Operation operation) { return destroy(operation); }

Result cublasLtMatmulDescSetAttribute(Operation operation, int attribute, const void *value,
                                      size_t bytes) {
  if (Result result = called("operation-set", "%d", attribute))
    return result;
  switch (attribute) {
  case kTransposeA:
    return set(operation->transposeA, value, bytes);
  case kTransposeB:
    return set(operation->transposeB, value, bytes);
  case kEpilogue:
    return set(operation->epilogue, value, bytes);
  case kBiasPointer:
    return set(operation->bias, value, bytes);
  default:
    return kInvalidValue;
  }
}

Result cublasLtMatrixLayoutCreate(Layout *out, int type, uint64_t rows, uint64_t columns,
                                  int64_t leading) {
  return create(out,
                called("layout", "%d %llu x %llu, %lld", type,
                       static_cast<unsigned long long>(rows),
                       static_cast<unsigned long long>(columns), static_cast<long long>(leading)),
                type, rows, columns, leading);
}

Result cublasLtMatrixLayoutDestroy(Layout layout) { return destroy(layout); }

Result cublasLtMatrixLayoutSetAttribute(Layout layout, int attribute, const void *value,
                                        size_t bytes) {
  if (Result result = called("layout-set", "%d", attribute))
    return result;
  if (attribute == kBatchCount)
    return set(layout->batch, value, bytes);
  return attribute == kBatchStride ? set(layout->stride, value, bytes) : kInvalidValue;
}

Result cublasLtMatmulPreferenceCreate(Preference *out) {
  return create(out, called("preference", "%s", ""));
}

Result cublasLtMatmulPreferenceDestroy(Preference preference) { return destroy(preference); }

Result cublasLtMatmulPreferenceSetAttribute(Preference preference, int attribute, const void *value,
                                            size_t bytes) {
  if (Result result = called("preference-set", "%d", attribute))
    return result;
  if (attribute == kMaxWorkspaceBytes)
    return set(preference->workspaceBytes, value, bytes);
  if (attribute == kReductionSchemes)
    return set(preference->schemes, value, bytes);
  bool isAlignment = attribute >= kMinAlignmentA && attribute <= kMinAlignmentD;
  return isAlignment ? set(preference->alignments[attribute - kMinAlignmentA], value, bytes)
                     : kInvalidValue;
}

Result cublasLtMatmulAlgoGetHeuristic(Handle, Operation operation, Layout a, Layout b, Layout c,
                                      Layout d, Preference preference, int wanted, Found *found,
                                      int *count) {
  const uint32_t *alignments = preference->alignments;
  Result result = called(
      "find", "workspace %llu alignments %u %u %u %u bias %llu schemes %u batch %d",
      static_cast<unsigned long long>(preference->workspaceBytes), alignments[0], alignments[1],
      alignments[2], alignments[3], static_cast<unsigned long long>(alignmentOfBias(*operation)),
      preference->schemes, d->batch);
  *count = 0;
  if (result != kSuccess)
    return result;
  if (wanted != 1 || c != d || !fits(*operation, *a, *b, *d))
    return kNotSupported;
  if (state().findsNothing)
    return kSuccess;
  *count = 1;
  found->algorithm = {{problemOf(*operation, *a, *b, *d), alignments[0], alignments[1],
                       alignments[2], alignments[3]}};
  found->workspaceBytes = std::min<uint64_t>(preference->workspaceBytes, 4096);
  found->algorithm.data[5] = found->workspaceBytes;
  found->algorithm.data[6] = alignmentOfBias(*operation);
  found->state = kSuccess;
  return kSuccess;
}

Result cublasLtMatmul(Handle, Operation operation, const void *alpha, const void *a, Layout ofA,
                      const void *b, Layout ofB, const void *beta, const void *c, Layout ofC,
                      void *d, Layout ofD, const Algorithm *algorithm, void *workspace,
                      size_t workspaceBytes, basin::rt::cuda::Stream stream) {
  Result result = called(
      "multiply", "%c%c %llu x %llu x %llu batch %d stream %llu", operation->transposeA ? 'T' : 'N',
      operation->transposeB ? 'T' : 'N', static_cast<unsigned long long>(ofD->rows),
      static_cast<unsigned long long>(ofD->columns),
      static_cast<unsigned long long>(sizesOf(*ofA, operation->transposeA).second), ofD->batch,
      static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(stream)));
  if (result != kSuccess)
    return result;
  const uint64_t *promised = algorithm->data;
  if (promised[0] != problemOf(*operation, *ofA, *ofB, *ofD) || c != d || ofC != ofD ||
      !isAligned(a, promised[1]) || !isAligned(b, promised[2]) || !isAligned(c, promised[3]) ||
      !isAligned(d, promised[4]) || (operation->bias && !isAligned(operation->bias, promised[6])) ||
      workspaceBytes < promised[5] || !isAligned(workspace, 256) ||
      *static_cast<const float *>(beta) != 0)
    return kInvalidValue;
  if (workspaceBytes > 0)
    std::memset(workspace, 0xff, workspaceBytes);
  compute(*operation, *static_cast<const float *>(alpha), a, *ofA, b, *ofB, d, *ofD);
  return kSuccess;
}

} // extern "C"
