//===- PointwiseKernel.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thread takes every (threads * blocks)-th vector of elements, finds the vector's indices, and
// evaluates the outputs one after the other:
//
//   vector n  ->  indices (.., i, j), .., (.., i, j + vector - 1)  ->  lanes of each expression  ->
//   store
//
// An expression has a value for each lane, or one for all if it is uniform. Where an `if` whose
// branches read memory is uniform, one branch is taken for all lanes and may read vectors. Else
// each lane takes its own.
//
//===----------------------------------------------------------------------===//

#include "PointwiseLanes.h"

#include "PointwiseEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace basin::kernels;
using Operator = PointwiseOperator;

/// Returns whether a launch may give any strides for which the rows' elements lie side by side.
static bool isStrided(const PointwiseTensor &tensor) {
  return tensor.strides.size() > 1 && tensor.strides.back() == 1 &&
         llvm::none_of(ArrayRef(tensor.strides).drop_back(),
                       [](PointwiseSize stride) { return stride.has_value(); });
}

SmallVector<KernelArgument> basin::kernels::getArguments(const PointwiseSpec &spec) {
  MLIRContext *context = spec.type.getContext();
  const PointwiseProgram &program = spec.parsed;
  SmallVector<KernelArgument> out;
  for (const PointwiseTensor &tensor : program.tensors)
    out.push_back({tensor.name, tensor.stored ? KernelArgument::Out : KernelArgument::In,
                   getMLIRType(context, tensor.element), tensor.alignment, isStrided(tensor)});
  for (const PointwiseScalar &scalar : program.scalars)
    out.push_back({scalar.name, KernelArgument::Scalar, getMLIRType(context, scalar.type)});
  for (auto [axis, size] : llvm::enumerate(program.sizes))
    if (!size)
      out.push_back({"size" + std::to_string(axis), KernelArgument::Scalar, spec.type});
  for (const PointwiseTensor &tensor : program.tensors)
    for (auto [axis, stride] : llvm::enumerate(tensor.strides))
      if (!stride)
        out.push_back({tensor.name + "_stride" + std::to_string(axis), KernelArgument::Scalar,
                       IntegerType::get(context, 64)});
  out.push_back({"count", KernelArgument::Scalar, spec.type});
  return out;
}

namespace {
/// The values of an expression: one for each lane, or one for all.
using Lanes = SmallVector<Value, 8>;

class PointwiseKernel {
public:
  PointwiseKernel(gpu::GPUModuleOp module, const PointwiseSpec &spec,
                  const PointwiseSchedule &schedule)
      : program(spec.parsed), schedule(schedule), lanes(spec.parsed, schedule.vector),
        b(module, getName(spec), getArguments(spec), schedule.threads) {}

  gpu::GPUFuncOp build();

private:
  void locate(Value first);
  Value sizeOf(unsigned axis);
  Value offsetBy(Value offset, Value index, const PointwiseTensor &tensor, unsigned axis);
  Value getOffset(const PointwiseTensor &tensor);
  Lanes loadRun(const PointwiseTensor &tensor, Value offset, int64_t width);
  void store(const PointwiseTensor &tensor);

  Lanes evaluate(unsigned number);
  Lanes compute(const PointwiseExpression &expression, bool isUniform);
  Lanes getIndex(unsigned axis);
  Lanes read(const PointwiseTensor &tensor);
  Lanes gather(const PointwiseExpression &expression);
  Lanes choose(const PointwiseExpression &expression, bool isUniform);
  Lanes branch(Value condition, const PointwiseExpression &expression, size_t count);
  Lanes evaluateBranch(unsigned number, size_t count);
  Lanes reduce(const PointwiseExpression &expression, bool isUniform);

  /// Returns how many lanes are computed: all, or one in a branch that only one lane takes.
  int64_t width() const { return onlyLane ? 1 : schedule.vector; }

  const PointwiseProgram &program;
  const PointwiseSchedule &schedule;
  PointwiseLanes lanes;
  KernelBuilder b;
  /// The indices of the vector's first element, i32.
  SmallVector<Value> indices;
  std::optional<int64_t> onlyLane;
  /// The values that are known where the builder inserts, by expression, and those of reads by
  /// tensor. `order` lists the keys, so that a branch's values are forgotten at its end.
  llvm::DenseMap<int64_t, Lanes> known;
  SmallVector<int64_t> order;
};
} // namespace

//===----------------------------------------------------------------------===//
// Indices and memory
//===----------------------------------------------------------------------===//

Value PointwiseKernel::sizeOf(unsigned axis) {
  PointwiseSize size = program.sizes[axis];
  return size ? b.i32(*size) : b.arg("size" + std::to_string(axis));
}

/// Divides the number of the vector's first element into indices. There are fewer than 2^31
/// elements, so 32 bits suffice.
void PointwiseKernel::locate(Value first) {
  Value rest = arith::TruncIOp::create(b, b.getI32Type(), first);
  indices.assign(program.rank(), Value());
  for (unsigned axis = program.rank() - 1; axis > 0; --axis) {
    Value size = sizeOf(axis);
    indices[axis] = arith::RemUIOp::create(b, rest, size);
    rest = arith::DivUIOp::create(b, rest, size);
  }
  indices[0] = rest;
}

/// Adds the offset of an i64 index.
Value PointwiseKernel::offsetBy(Value offset, Value index, const PointwiseTensor &tensor,
                                unsigned axis) {
  PointwiseSize stride = tensor.strides[axis];
  if (stride && *stride == 0)
    return offset;
  Value by = stride ? b.i64(*stride) : b.arg(tensor.name + "_stride" + std::to_string(axis));
  return b.add(offset, b.mul(index, by));
}

/// Returns the offset of the element at the vector's first indices, or at those of the only lane.
Value PointwiseKernel::getOffset(const PointwiseTensor &tensor) {
  Value offset = b.i64(0);
  for (unsigned axis = 0; axis < program.rank(); ++axis)
    offset = offsetBy(offset, getIndex(axis).front(), tensor, axis);
  return offset;
}

/// Loads the elements of all lanes, which lie side by side, `width` at a time.
Lanes PointwiseKernel::loadRun(const PointwiseTensor &tensor, Value offset, int64_t width) {
  Type element = getMLIRType(b.getContext(), tensor.element);
  Lanes out;
  for (int64_t lane = 0; lane < schedule.vector; lane += width) {
    Value loaded = b.load(b.arg(tensor.name), element, b.add(offset, b.i64(lane)), width);
    if (width > 1 && getType(tensor.element) == PointwiseType::Real)
      loaded = b.toF32(loaded); // pairs of bf16 at once
    for (int64_t i = 0; i < width; ++i)
      out.push_back(emitFromElement(b, width == 1 ? loaded : b.extract(loaded, i), tensor.element));
  }
  return out;
}

void PointwiseKernel::store(const PointwiseTensor &tensor) {
  Lanes values = evaluate(*tensor.stored);
  values.resize(schedule.vector, values.front());
  Type element = getMLIRType(b.getContext(), tensor.element);
  for (Value &value : values)
    value = emitToElement(b, value, tensor.element);
  Value offset = getOffset(tensor);
  int64_t width = getAccessWidth(tensor, schedule.vector);
  for (int64_t lane = 0; lane < schedule.vector; lane += width) {
    Value at = offsetBy(offset, b.i64(lane), tensor, program.rank() - 1);
    Value value = width == 1 ? values[lane] : b.combine(ArrayRef(values).slice(lane, width));
    b.store(value, b.arg(tensor.name), element, at);
  }
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

Lanes PointwiseKernel::evaluate(unsigned number) {
  const PointwiseExpression &expression = program[number];
  int64_t key = expression.op == Operator::Read ? -1 - expression.number : number;
  auto found = known.find(key);
  if (found == known.end()) {
    Lanes values = compute(expression, onlyLane || lanes.isUniform(number));
    order.push_back(key);
    known.try_emplace(key, values);
    return values;
  }
  if (onlyLane && found->second.size() > 1)
    return {found->second[*onlyLane]};
  return found->second;
}

Lanes PointwiseKernel::compute(const PointwiseExpression &expression, bool isUniform) {
  switch (expression.op) {
  case Operator::Literal:
    return {emitLiteral(b, expression)};
  case Operator::Index:
    return getIndex(expression.number);
  case Operator::Size:
    return {b.extend(sizeOf(expression.number))};
  case Operator::Argument:
    return {b.arg(program.scalars[expression.number].name)};
  case Operator::Read:
    return read(program.tensors[expression.number]);
  case Operator::Gather:
    return gather(expression);
  case Operator::Let:
    for (unsigned binding : ArrayRef(expression.operands).drop_back())
      evaluate(binding);
    return evaluate(expression.operands.back());
  case Operator::If:
    return choose(expression, isUniform);
  case Operator::Reduce:
    return reduce(expression, isUniform);
  default:
    break;
  }
  SmallVector<Lanes, 2> operands;
  for (unsigned operand : expression.operands)
    operands.push_back(evaluate(operand));
  Lanes out;
  for (int64_t lane = 0; lane < (isUniform ? 1 : schedule.vector); ++lane)
    out.push_back(emitOperation(b, expression, llvm::map_to_vector(operands, [&](Lanes &values) {
                                  return values[values.size() == 1 ? 0 : lane];
                                })));
  return out;
}

Lanes PointwiseKernel::getIndex(unsigned axis) {
  Value first = b.extend(indices[axis]);
  if (axis + 1 != program.rank())
    return {first};
  Lanes out;
  for (int64_t i = 0; i < width(); ++i)
    out.push_back(b.add(first, b.i64(onlyLane.value_or(i))));
  return out;
}

Lanes PointwiseKernel::read(const PointwiseTensor &tensor) {
  Value offset = getOffset(tensor);
  unsigned last = program.rank() - 1;
  if (!onlyLane && tensor.strides[last] == 1)
    return loadRun(tensor, offset, getAccessWidth(tensor, schedule.vector));
  Type element = getMLIRType(b.getContext(), tensor.element);
  Lanes out;
  for (int64_t i = 0; i < (tensor.strides[last] == 0 ? 1 : width()); ++i) {
    Value at = offsetBy(offset, b.i64(i), tensor, last);
    out.push_back(emitFromElement(b, b.load(b.arg(tensor.name), element, at), tensor.element));
  }
  return out;
}

Lanes PointwiseKernel::gather(const PointwiseExpression &expression) {
  const PointwiseTensor &tensor = program.tensors[expression.number];
  SmallVector<Lanes> coordinates;
  size_t count = 1;
  for (unsigned operand : expression.operands) {
    coordinates.push_back(evaluate(operand));
    count = std::max(count, coordinates.back().size());
  }
  auto offsetOf = [&](size_t lane) {
    Value offset = b.i64(0);
    for (auto [axis, values] : llvm::enumerate(coordinates))
      offset = offsetBy(offset, values[values.size() == 1 ? 0 : lane], tensor, axis);
    return offset;
  };
  if (int64_t run = lanes.getRun(expression); run > 1 && !onlyLane)
    return loadRun(tensor, offsetOf(0), run);
  Type element = getMLIRType(b.getContext(), tensor.element);
  Lanes out;
  for (size_t lane = 0; lane < count; ++lane)
    out.push_back(
        emitFromElement(b, b.load(b.arg(tensor.name), element, offsetOf(lane)), tensor.element));
  return out;
}

//===----------------------------------------------------------------------===//
// Branches
//===----------------------------------------------------------------------===//

/// Emits a branch's values, which nothing after the branch may use.
Lanes PointwiseKernel::evaluateBranch(unsigned number, size_t count) {
  size_t before = order.size();
  Lanes out = evaluate(number);
  out.resize(count, out.front());
  while (order.size() > before)
    known.erase(order.pop_back_val());
  return out;
}

Lanes PointwiseKernel::branch(Value condition, const PointwiseExpression &expression,
                              size_t count) {
  SmallVector<Type> types(count, getMLIRType(b.getContext(), expression.type));
  auto op = scf::IfOp::create(b, types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (auto [block, number] : {std::pair(op.thenBlock(), expression.operands[1]),
                               std::pair(op.elseBlock(), expression.operands[2])}) {
    b.setInsertionPointToStart(block);
    scf::YieldOp::create(b, evaluateBranch(number, count));
  }
  return Lanes(op.getResults());
}

Lanes PointwiseKernel::choose(const PointwiseExpression &expression, bool isUniform) {
  size_t count = isUniform ? 1 : schedule.vector;
  bool decidesForAll = onlyLane || lanes.isUniform(expression.operands[0]);
  Lanes condition = evaluate(expression.operands[0]);
  if (expression.number != 0 && decidesForAll)
    return branch(condition.front(), expression, count);
  Lanes out;
  if (expression.number == 0) {
    Lanes a = evaluate(expression.operands[1]), c = evaluate(expression.operands[2]);
    auto at = [](const Lanes &values, size_t i) { return values[values.size() == 1 ? 0 : i]; };
    for (size_t i = 0; i < count; ++i)
      out.push_back(b.select(at(condition, i), at(a, i), at(c, i)));
    return out;
  }
  for (int64_t lane = 0; lane < schedule.vector; ++lane) {
    onlyLane = lane;
    out.push_back(branch(condition[lane], expression, 1).front());
  }
  onlyLane.reset();
  return out;
}

/// Emits a loop for each lane's number of turns, or one for all if that is uniform.
Lanes PointwiseKernel::reduce(const PointwiseExpression &expression, bool isUniform) {
  unsigned counter = expression.operands[1], body = expression.operands[2];
  PointwiseExpression join{static_cast<Operator>(expression.number), expression.type, 0, {}};
  auto loop = [&](Value turns, size_t count) {
    SmallVector<Value> first(count, emitNeutral(b, join));
    return Lanes(b.forLoop(b.i64(0), turns, b.i64(1), first, [&](Value turn, ValueRange sums) {
      order.push_back(counter);
      known.insert_or_assign(counter, Lanes{turn});
      Lanes values = evaluateBranch(body, count);
      known.erase(order.pop_back_val());
      SmallVector<Value> next;
      for (auto [sum, value] : llvm::zip(sums, values))
        next.push_back(emitOperation(b, join, {sum, value}));
      return next;
    }));
  };
  Lanes turns = evaluate(expression.operands[0]);
  size_t count = isUniform ? 1 : schedule.vector;
  if (onlyLane || turns.size() == 1)
    return loop(turns.front(), count);
  Lanes out;
  for (int64_t lane = 0; lane < schedule.vector; ++lane) {
    onlyLane = lane;
    out.push_back(loop(turns[lane], 1).front());
  }
  onlyLane.reset();
  return out;
}

gpu::GPUFuncOp PointwiseKernel::build() {
  b.wantRegisters();
  Value threads = b.i64(schedule.threads), vector = b.i64(schedule.vector);
  Value thread = b.add(b.mul(b.extend(b.blockX()), threads), b.extend(b.threadX()));
  Value step = b.mul(b.mul(b.extend(b.gridX()), threads), vector);
  // In i64, because the last sum may be beyond 2^31.
  b.forLoop(b.mul(thread, vector), b.extend(b.arg("count")), step, {},
            [&](Value first, ValueRange) {
              locate(first);
              for (const PointwiseTensor &tensor : program.tensors)
                if (tensor.stored)
                  store(tensor);
              return SmallVector<Value>();
            });
  b.finish();
  setGrid(b.getKernel(), {{"count", schedule.threads * schedule.elements}});
  setResident(b.getKernel());
  return b.getKernel();
}

gpu::GPUFuncOp basin::kernels::buildPointwiseKernel(gpu::GPUModuleOp module,
                                                    const PointwiseSpec &spec,
                                                    const PointwiseSchedule &schedule) {
  assert(!schedule.check(spec) && "a schedule that cannot do it");
  return PointwiseKernel(module, spec, schedule).build();
}
