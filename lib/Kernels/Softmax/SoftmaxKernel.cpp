//===- SoftmaxKernel.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the row of a thread and the columns that it has and sees. A row is vectors of columns
// and a tail that is shorter than a vector:
//
//   thread t of a row has columns (step * threads + t) * vector + [0, vector), and column
//   `whole` + t of the tail
//
// Threads beyond the last head have a row without columns, so all threads meet at each barrier.
//
//===----------------------------------------------------------------------===//

#include "SoftmaxBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace basin::kernels;

static SmallVector<KernelArgument> argumentsOf(const SoftmaxSpec &spec) {
  MLIRContext *ctx = spec.type.getContext();
  Type f32 = Float32Type::get(ctx), i32 = IntegerType::get(ctx, 32);
  Type i64 = IntegerType::get(ctx, 64);
  SmallVector<KernelArgument> out;
  auto add = [&](bool has, StringRef name, KernelArgument::Kind kind, Type type) {
    if (has)
      out.push_back({name.str(), kind, type});
  };
  auto addStrided = [&](bool has, StringRef name, KernelArgument::Kind kind, Type type,
                        bool isAligned) {
    if (!has)
      return;
    int64_t alignment = isAligned ? 16 : type.getIntOrFloatBitWidth() / 8;
    out.push_back({name.str(), kind, type, alignment, /*isStrided=*/true});
  };
  bool hasMask = spec.mask != SoftmaxSpec::NoMask;
  addStrided(true, "scores", spec.isInPlace() ? KernelArgument::InOut : KernelArgument::In,
             spec.type, spec.aligned);
  addStrided(hasMask, "mask", KernelArgument::In, getMaskElement(spec), false);
  add(spec.keyLengths, "key_lengths", KernelArgument::In, i32);
  add(spec.sinkLogit, "sink_logit", KernelArgument::In, spec.getSinkType());
  addStrided(!spec.isInPlace(), "probabilities", KernelArgument::Out, spec.getResultType(),
             spec.aligned);
  add(spec.logSumExp, "log_sum_exp", KernelArgument::Out, f32);
  add(true, "row_stride", KernelArgument::Scalar, i32);
  add(hasMask, "mask_batch_stride", KernelArgument::Scalar, i64);
  add(hasMask, "mask_head_stride", KernelArgument::Scalar, i64);
  add(hasMask, "mask_row_stride", KernelArgument::Scalar, i32);
  for (StringRef name : {"heads", "batch", "queries", "keys"})
    add(true, name, KernelArgument::Scalar, i32);
  add(spec.prefix, "prefix", KernelArgument::Scalar, i32);
  add(spec.window, "window", KernelArgument::Scalar, i32);
  return out;
}

SoftmaxBody::SoftmaxBody(gpu::GPUModuleOp module, const SoftmaxSpec &spec,
                         const SoftmaxSchedule &schedule, StringRef name)
    : spec(spec), schedule(schedule),
      b(module, name, argumentsOf(spec), schedule.blockSize(), schedule.sharedBytes()) {}

static Value divU(KernelBuilder &b, Value x, Value y) { return arith::DivUIOp::create(b, x, y); }
static Value minS(KernelBuilder &b, Value x, Value y) { return arith::MinSIOp::create(b, x, y); }
static Value maxS(KernelBuilder &b, Value x, Value y) { return arith::MaxSIOp::create(b, x, y); }
static Value narrow(KernelBuilder &b, Value x) {
  return arith::TruncIOp::create(b, b.getI32Type(), x);
}

//===----------------------------------------------------------------------===//
// The row
//===----------------------------------------------------------------------===//

/// Finds the row. The rows of a block are one query in several heads: they see the same keys,
/// and usually have the same mask. Numbers of rows and offsets have 64 bits.
void SoftmaxBody::locate() {
  Value tid = b.threadX(), heads = b.arg("heads"), queries = b.arg("queries");
  thread = b.remU(tid, schedule.threadsPerRow);
  Value groups = b.add(b.divU(b.sub(heads, b.i32(1)), schedule.rowsPerBlock), b.i32(1));
  Value group = divU(b, b.blockX(), queries);
  query = b.sub(b.blockX(), b.mul(group, queries));
  batch = divU(b, group, groups);
  Value first = b.mul(b.sub(group, b.mul(batch, groups)), b.i32(schedule.rowsPerBlock));
  Value own = b.add(first, b.divU(tid, schedule.threadsPerRow));
  isRow = b.lessU(own, heads);
  head = b.select(isRow, own, b.i32(0));
  Value ofHead = b.add(b.mul(b.extend(batch), b.extend(heads)), b.extend(head));
  row = b.add(b.mul(ofHead, b.extend(queries)), b.extend(query));
  Value offset = b.mul(row, b.extend(b.arg("row_stride")));
  scores = b.at(b.arg("scores"), spec.type, offset);
  probabilities =
      spec.isInPlace() ? scores : b.at(b.arg("probabilities"), spec.getResultType(), offset);
}

/// Finds the columns that the row sees. Sums of two sizes or of a size and a window have 64 bits.
void SoftmaxBody::findColumns() {
  Value keys = b.arg("keys"), zero = b.i32(0);
  columns = b.select(isRow, keys, zero);
  whole = arith::AndIOp::create(b, columns, b.i32(-schedule.vector));
  if (spec.prefix)
    prefix = maxS(b, minS(b, b.arg("prefix"), keys), zero);
  Value count = prefix ? b.sub(keys, prefix) : keys;
  auto toColumn = [&](Value key) { return prefix ? b.add(prefix, key) : key; };
  Value place = b.extend(query);
  if (!spec.topLeft)
    place = b.add(place, b.sub(b.extend(count), b.extend(b.arg("queries"))));
  Value next = b.add(place, b.i64(1));
  Value last = count;
  if (spec.keyLengths)
    last = maxS(b, minS(b, b.load(b.arg("key_lengths"), b.getI32Type(), batch), count), zero);
  if (spec.causal)
    last = narrow(b, maxS(b, minS(b, next, b.extend(last)), b.i64(0)));
  end = toColumn(last);
  if (!spec.window)
    return;
  Value start = b.sub(next, b.extend(b.arg("window")));
  begin = toColumn(narrow(b, maxS(b, minS(b, start, b.extend(count)), b.i64(0))));
}

/// Points to the mask's row. Its first column is the one behind the prefix.
void SoftmaxBody::findMask() {
  if (spec.mask == SoftmaxSpec::NoMask)
    return;
  Value ofBatch = b.mul(b.extend(batch), b.arg("mask_batch_stride"));
  Value ofHead = b.mul(b.extend(head), b.arg("mask_head_stride"));
  Value ofRow = b.mul(b.extend(query), b.extend(b.arg("mask_row_stride")));
  mask = b.at(b.arg("mask"), getMaskElement(spec), b.add(b.add(ofBatch, ofHead), ofRow));
}

/// Returns the thread's vector of a step. Columns are compared without sign, because those
/// beyond a row's end may be above the largest number of 31 bits.
SoftmaxBody::Chunk SoftmaxBody::chunkOf(Value step) {
  Value vector = b.add(b.mul(step, b.i32(schedule.threadsPerRow)), thread);
  Value first = b.mul(vector, b.i32(schedule.vector));
  return {first, b.lessU(first, whole), schedule.vector};
}

/// Returns the thread's column of the tail.
SoftmaxBody::Chunk SoftmaxBody::tailChunk() {
  return {b.add(whole, thread), b.lessU(thread, b.sub(columns, whole)), 1};
}

/// Returns how many steps have columns before column `to`.
Value SoftmaxBody::countSteps(Value to) {
  int64_t step = schedule.columnsPerStep();
  return b.divU(b.add(to, b.i32(step - 1)), step);
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

gpu::GPUFuncOp SoftmaxBody::build() {
  locate();
  findColumns();
  findMask();
  if (schedule.inRegisters)
    readOnce();
  else
    readTwice();
  b.finish();
  setGrid(b.getKernel(), {{"queries", 1}, {"heads", schedule.rowsPerBlock}, {"batch", 1}});
  return b.getKernel();
}

gpu::GPUFuncOp basin::kernels::buildSoftmaxKernel(gpu::GPUModuleOp module, const SoftmaxSpec &spec,
                                                  const SoftmaxSchedule &schedule, StringRef name) {
  assert(!check(spec) && !schedule.check(spec) && "a spec or schedule that cannot be");
  std::string own = name.empty() ? getName(spec) : name.str();
  return SoftmaxBody(module, spec, schedule, own).build();
}
