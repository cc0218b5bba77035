//===- EmulatorWarpTest.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operations of several threads: shuffles, votes, reductions and barriers, and what happens if some
// threads do not come.
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"

#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::kernels;

namespace {
struct Warps : EmulatorTest {
  void buildY(int64_t threads, Body body) {
    build({{"y", KernelArgument::Out, i32()}}, threads, body);
  }
  Report runY(unsigned threads, size_t sharedBytes = 0, Order order = Order::Forward) {
    Launch launch;
    launch.threadOrder = order;
    launch.seed = 3;
    launch.block = {threads, 1, 1};
    launch.sharedBytes = sharedBytes;
    launch.arguments = {y.data()};
    launch.buffers = {buffer("y", y)};
    return run(launch);
  }
  std::vector<int32_t> y = std::vector<int32_t>(256, -1);
};

Value mask(KernelBuilder &b, uint32_t bits) { return b.i32(int32_t(bits)); }
void put(KernelBuilder &b, Value value) { b.store(value, b.arg("y"), b.getI32Type(), b.threadX()); }
} // namespace

//===----------------------------------------------------------------------===//
// Shuffles. The table gives each lane's source by hand, or -1 if it is out of range.
//===----------------------------------------------------------------------===//

TEST_F(Warps, ShuffleTakesTheLaneAndSaysIfThereIsOne) {
  struct Case {
    NVVM::ShflKind kind;
    int offset;
    uint32_t clamp;
    int (*source)(int lane); // -1 if out of range: it reads itself
  } cases[] = {
      {NVVM::ShflKind::bfly, 5, 0x1f, [](int l) { return l ^ 5; }},
      {NVVM::ShflKind::down, 4, 0x1f, [](int l) { return l + 4 < 32 ? l + 4 : -1; }},
      {NVVM::ShflKind::up, 3, 0, [](int l) { return l >= 3 ? l - 3 : -1; }},
      {NVVM::ShflKind::idx, 7, 0x1f, [](int l) { return 7; }},
      // For segments of 8 lanes, bits 3 and 4 of the lane are masked.
      {NVVM::ShflKind::down, 3, 0x181f, [](int l) { return l % 8 + 3 < 8 ? l + 3 : -1; }},
      {NVVM::ShflKind::up, 2, 0x1800, [](int l) { return l % 8 >= 2 ? l - 2 : -1; }},
      {NVVM::ShflKind::idx, 5, 0x181f, [](int l) { return l / 8 * 8 + 5; }},
      // A clamp at lane 20.
      {NVVM::ShflKind::bfly, 16, 20, [](int l) { return (l ^ 16) <= 20 ? l ^ 16 : -1; }},
  };
  for (const Case &c : cases) {
    buildY(32, [&](KernelBuilder &b) {
      auto pair = LLVM::LLVMStructType::getLiteral(b.getContext(), {b.getI32Type(), b.getI1Type()});
      Value both = NVVM::ShflOp::create(b, pair, mask(b, ~0u), b.threadX(), b.i32(c.offset),
                                        b.i32(c.clamp), c.kind, b.getUnitAttr());
      Value lane = LLVM::ExtractValueOp::create(b, both, ArrayRef<int64_t>{0});
      Value valid = LLVM::ExtractValueOp::create(b, both, ArrayRef<int64_t>{1});
      put(b, b.select(valid, lane, b.add(lane, b.i32(1000))));
    });
    Report report = runY(32);
    EXPECT_TRUE(report.clean()) << print(report);
    for (int lane = 0; lane < 32; ++lane) {
      int from = c.source(lane);
      EXPECT_EQ(y[lane], from < 0 ? lane + 1000 : from)
          << stringifyEnum(c.kind).str() << " " << c.offset << ", lane " << lane;
    }
  }
}

TEST_F(Warps, ShuffleOfALaneThatTakesNoPart) {
  auto shuffle = [&](int from) {
    buildY(32, [&](KernelBuilder &b) {
      b.ifThen(b.lessU(b.threadX(), b.i32(16)), [&] {
        Named name(b, "shuffle");
        put(b, NVVM::ShflOp::create(b, b.getI32Type(), mask(b, 0xffff), b.threadX(), b.i32(from),
                                    b.i32(0x1f), NVVM::ShflKind::idx, UnitAttr()));
      });
    });
    return runY(32);
  };
  expectOne(shuffle(16), FindingKind::InactiveLane, "shuffle");
  Report report = shuffle(15);
  EXPECT_TRUE(report.clean()) << print(report);
  EXPECT_EQ(y[3], 15);
}

TEST_F(Warps, Votes) {
  struct Case {
    NVVM::VoteSyncKind kind;
    unsigned below; // lanes below it vote true
    int32_t want;
  } cases[] = {
      {NVVM::VoteSyncKind::ballot, 5, 0x1f}, {NVVM::VoteSyncKind::ballot, 0, 0},
      {NVVM::VoteSyncKind::any, 1, 1},       {NVVM::VoteSyncKind::any, 0, 0},
      {NVVM::VoteSyncKind::all, 32, 1},      {NVVM::VoteSyncKind::all, 31, 0},
      {NVVM::VoteSyncKind::uni, 0, 1},       {NVVM::VoteSyncKind::uni, 32, 1},
      {NVVM::VoteSyncKind::uni, 31, 0},
  };
  for (const Case &c : cases) {
    buildY(32, [&](KernelBuilder &b) {
      bool ballot = c.kind == NVVM::VoteSyncKind::ballot;
      Value vote =
          NVVM::VoteSyncOp::create(b, ballot ? b.getI32Type() : b.getI1Type(), mask(b, ~0u),
                                   b.lessU(b.threadX(), b.i32(c.below)), c.kind);
      put(b, ballot ? vote : b.select(vote, b.i32(1), b.i32(0)));
    });
    Report report = runY(32);
    EXPECT_TRUE(report.clean()) << print(report);
    for (int lane = 0; lane < 32; ++lane)
      EXPECT_EQ(y[lane], c.want) << stringifyEnum(c.kind).str() << " below " << c.below;
  }
}

TEST_F(Warps, ReductionsOfPartsOfAWarp) {
  using Kind = NVVM::ReduxKind;
  struct Case {
    Kind kind;
    int32_t low, high; // of lane - 4 over lanes 0 to 7 and 8 to 31
  } cases[] = {
      {Kind::ADD, -4, 372}, {Kind::MAX, 3, 27}, {Kind::MIN, -4, 4}, {Kind::UMAX, -1, 27},
      {Kind::UMIN, 0, 4},   {Kind::AND, 0, 0},  {Kind::OR, -1, 31}, {Kind::XOR, 0, 4 ^ 5 ^ 6 ^ 7},
  };
  for (const Case &c : cases) {
    buildY(32, [&](KernelBuilder &b) {
      Value low = b.lessU(b.threadX(), b.i32(8));
      Value members = b.select(low, mask(b, 0xff), mask(b, 0xffffff00));
      Value value = b.sub(b.threadX(), b.i32(4));
      put(b, NVVM::ReduxOp::create(b, b.getI32Type(), value, c.kind, members));
    });
    Report report = runY(32);
    EXPECT_TRUE(report.clean()) << print(report);
    int32_t high = 0;
    if (c.kind == Kind::XOR)
      for (int lane = 8; lane < 32; ++lane)
        high ^= lane - 4;
    for (int lane = 0; lane < 32; ++lane)
      EXPECT_EQ(y[lane], lane < 8              ? c.low
                         : c.kind == Kind::XOR ? high
                                               : c.high)
          << stringifyEnum(c.kind).str() << ", lane " << lane;
  }
}

TEST_F(Warps, ElectsTheLowestLaneOfTheMask) {
  buildY(32, [&](KernelBuilder &b) {
    b.ifThen(b.lessU(b.i32(9), b.threadX()), [&] {
      Value is = NVVM::ElectSyncOp::create(b, b.getI1Type(), mask(b, 0xfffffc00));
      put(b, b.select(is, b.i32(1), b.i32(0)));
    });
  });
  Report report = runY(32);
  EXPECT_TRUE(report.clean()) << print(report);
  for (int lane = 0; lane < 32; ++lane)
    EXPECT_EQ(y[lane], lane < 10 ? -1 : lane == 10);
}

//===----------------------------------------------------------------------===//
// Barriers
//===----------------------------------------------------------------------===//

TEST_F(Warps, NamedBarriersOfSomeWarps) {
  // Warps 0 and 1 exchange through barrier 1, and warps 2 and 3 through barrier 2.
  auto exchange = [&](int64_t second, Order order = Order::Forward) {
    buildY(128, [&](KernelBuilder &b) {
      Value t = b.threadX(), pair = b.divU(t, 64);
      b.store(t, b.shared(), b.getI32Type(), t);
      NVVM::BarrierOp::create(b, TypeRange{}, b.add(b.i32(1), b.mul(pair, b.i32(second))),
                              b.i32(64), NVVM::BarrierReductionAttr(), Value());
      Value other = b.add(b.mul(pair, b.i32(128)), b.sub(b.i32(63), t));
      Named name(b, "read shared");
      put(b, b.load(b.shared(), b.getI32Type(), other));
    });
    return runY(128, 512, order);
  };
  Report report = exchange(1);
  EXPECT_TRUE(report.clean()) << print(report);
  for (int t = 0; t < 128; ++t)
    EXPECT_EQ(y[t], t / 64 * 128 + 63 - t);
  EXPECT_EQ(report.counters.barriers, 2u);
  // If all use one barrier, it opens for the first 64 threads to come. In some orders they are the
  // right ones, in others not.
  EXPECT_TRUE(exchange(0).clean());
  EXPECT_FALSE(exchange(0, Order::Random).clean());
  EXPECT_TRUE(exchange(1, Order::Random).clean());
}

TEST_F(Warps, BarrierReduces) {
  using Kind = NVVM::BarrierReduction;
  for (auto [kind, want] : {std::pair(Kind::POPC, 40), {Kind::AND, 0}, {Kind::OR, 1}}) {
    buildY(64, [&, kind = kind](KernelBuilder &b) {
      Value low = b.select(b.lessU(b.threadX(), b.i32(40)), b.i32(1), b.i32(0));
      put(b, NVVM::BarrierOp::create(b, b.getI32Type(), Value(), Value(),
                                     NVVM::BarrierReductionAttr::get(b.getContext(), kind), low)
                 .getRes());
    });
    Report report = runY(64);
    EXPECT_TRUE(report.clean()) << print(report);
    for (int t = 0; t < 64; ++t)
      EXPECT_EQ(y[t], want) << stringifyEnum(kind).str();
  }
}

TEST_F(Warps, ProducerThatDoesNotWait) {
  auto hand = [&](bool arrive) {
    buildY(64, [&](KernelBuilder &b) {
      Value t = b.threadX(), producer = b.lessU(t, b.i32(32));
      b.ifThen(producer, [&] {
        b.store(t, b.shared(), b.getI32Type(), t);
        if (arrive)
          NVVM::BarrierArriveOp::create(b, b.i32(3), b.i32(64));
      });
      b.ifThen(b.lessU(b.i32(31), t), [&] {
        if (arrive)
          NVVM::BarrierOp::create(b, TypeRange{}, b.i32(3), b.i32(64), NVVM::BarrierReductionAttr(),
                                  Value());
        Named name(b, "read shared");
        put(b, b.load(b.shared(), b.getI32Type(), b.sub(t, b.i32(32))));
      });
    });
    return runY(64, 128);
  };
  Report report = hand(true);
  EXPECT_TRUE(report.clean()) << print(report);
  EXPECT_EQ(y[63], 31);
  expectOne(hand(false), FindingKind::Race, "read shared");
}

TEST_F(Warps, BarrierThatDoesNotTakeItsOperands) {
  auto barrier = [&](int64_t id, int64_t threads) {
    buildY(64, [&](KernelBuilder &b) {
      Named name(b, "barrier");
      NVVM::BarrierOp::create(b, TypeRange{}, b.i32(id), b.i32(threads),
                              NVVM::BarrierReductionAttr(), Value());
    });
    return runY(64);
  };
  expectOne(barrier(0, 48), FindingKind::BadOperand, "barrier");
  expectOne(barrier(16, 64), FindingKind::BadOperand, "barrier");
  expectOne(barrier(0, 96), FindingKind::BadOperand, "barrier");
  Report report = barrier(15, 64);
  EXPECT_TRUE(report.clean()) << print(report);
}

//===----------------------------------------------------------------------===//
// Threads that do not come
//===----------------------------------------------------------------------===//

TEST_F(Warps, LanesAtDifferentShuffles) {
  auto shuffle = [&](bool apart) {
    buildY(32, [&](KernelBuilder &b) {
      auto one = [&](const char *place, uint32_t lanes, int64_t offset) {
        Named name(b, place);
        return Value(NVVM::ShflOp::create(b, b.getI32Type(), mask(b, lanes), b.threadX(),
                                          b.i32(offset), b.i32(0x1f), NVVM::ShflKind::bfly,
                                          UnitAttr()));
      };
      b.ifThen(b.lessU(b.threadX(), b.i32(16)),
               [&] { put(b, one("low lanes", apart ? 0xffff : ~0u, 1)); });
      b.ifThen(b.lessU(b.i32(15), b.threadX()),
               [&] { put(b, one("high lanes", apart ? 0xffff0000 : ~0u, 2)); });
    });
    return runY(32);
  };
  Report report = shuffle(false);
  expectOne(report, FindingKind::Divergence, "low lanes");
  EXPECT_EQ(first(report).otherLocation, "high lanes");
  EXPECT_EQ(report.abandonedBlocks, 1u);
  report = shuffle(true);
  EXPECT_TRUE(report.clean()) << print(report);
  EXPECT_EQ(y[5], 4);
  EXPECT_EQ(y[17], 19);
}

TEST_F(Warps, LanesThatHaveEnded) {
  auto shuffle = [&](uint32_t lanes) {
    buildY(32, [&](KernelBuilder &b) {
      b.ifThen(b.lessU(b.threadX(), b.i32(30)), [&] {
        Named name(b, "shuffle");
        put(b, NVVM::ShflOp::create(b, b.getI32Type(), mask(b, lanes), b.threadX(), b.i32(0),
                                    b.i32(0x1f), NVVM::ShflKind::idx, UnitAttr()));
      });
    });
    return runY(32);
  };
  Report report = shuffle(~0u);
  expectOne(report, FindingKind::Divergence, "shuffle");
  EXPECT_NE(first(report).message.find("thread (30,0,0) has ended"), std::string::npos)
      << print(report);
  report = shuffle(0x3fffffff);
  EXPECT_TRUE(report.clean()) << print(report);
  // A thread that executes an op must be in its mask.
  buildY(32, [&](KernelBuilder &b) {
    Named name(b, "shuffle");
    put(b, NVVM::ShflOp::create(b, b.getI32Type(), mask(b, 0x7fffffff), b.threadX(), b.i32(0),
                                b.i32(0x1f), NVVM::ShflKind::idx, UnitAttr()));
  });
  report = runY(32);
  expectOne(report, FindingKind::Divergence, "shuffle");
  EXPECT_EQ(first(report).thread[0], 31u);
}

TEST_F(Warps, PartOfAWarpAtABarrier) {
  auto barriers = [&](int64_t lanes) {
    buildY(64, [&](KernelBuilder &b) {
      Value low = b.lessU(b.threadX(), b.i32(lanes));
      b.ifThen(low, [&] {
        Named name(b, "one barrier");
        b.barrier();
      });
      b.ifThen(b.lessU(b.i32(lanes - 1), b.threadX()), [&] {
        Named name(b, "other barrier");
        b.barrier();
      });
    });
    return runY(64);
  };
  // Whole warps may come to one barrier at two places, but the lanes of one warp may not.
  Report report = barriers(32);
  EXPECT_TRUE(report.clean()) << print(report);
  report = barriers(40);
  expectOne(report, FindingKind::Divergence, "one barrier");
  EXPECT_EQ(first(report).otherLocation, "other barrier");
}

TEST_F(Warps, ThreadsThatEndBeforeABarrier) {
  auto barrier = [&](int64_t some) {
    buildY(64, [&](KernelBuilder &b) {
      b.ifThen(b.lessU(b.threadX(), b.i32(some)), [&] {
        Named name(b, "barrier");
        b.barrier();
      });
    });
    return runY(64);
  };
  Report report = barrier(32);
  expectOne(report, FindingKind::Deadlock, "barrier");
  EXPECT_NE(first(report).message.find("32 threads wait, 32 ended"), std::string::npos)
      << print(report);
  report = barrier(64);
  EXPECT_TRUE(report.clean()) << print(report);
}

TEST_F(Warps, BarriersThatWaitForEachOther) {
  buildY(64, [&](KernelBuilder &b) {
    auto at = [&](const char *place, int64_t id) {
      Named name(b, place);
      NVVM::BarrierOp::create(b, TypeRange{}, b.i32(id), Value(), NVVM::BarrierReductionAttr(),
                              Value());
    };
    b.ifThen(b.lessU(b.threadX(), b.i32(32)), [&] { at("first", 1); });
    b.ifThen(b.lessU(b.i32(31), b.threadX()), [&] { at("second", 2); });
  });
  Report report = runY(64);
  expectOne(report, FindingKind::Deadlock, "first");
  EXPECT_EQ(first(report).otherLocation, "second");
}

TEST_F(Warps, OpsOfAWholeWarpInAPartOfOne) {
  buildY(48, [&](KernelBuilder &b) {
    b.store(b.threadX(), b.shared(), b.getI32Type(), b.remU(b.threadX(), 48));
    b.barrier();
    Named name(b, "load matrix");
    put(b, NVVM::LdMatrixOp::create(b, b.getI32Type(), b.shared(), 1, NVVM::MMALayout::row,
                                    NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8),
                                    NVVM::LdStMatrixEltType::B16));
  });
  expectOne(runY(48, 192), FindingKind::Divergence, "load matrix");
}
