//===- Miss.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Says why recognition does not raise something, by a reason from one list (MissReasons.def) with
// its details. Every matcher returns a MatchResult. A step inside a matcher returns an optional
// Miss, which is nothing if the step succeeds.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_MISS_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_MISS_H

#include "mlir/IR/Operation.h"

#include "llvm/Support/raw_ostream.h"

#include <string>
#include <variant>

namespace basin::onnx {

enum class MissReason {
#define MISS(name, text) name,
#include "MissReasons.def"
};

/// Says why something that looks like an idiom is not raised.
struct Miss {
  /// Takes as many details as the reason's text has places. A detail is a number, a string, a
  /// type, or an op, which is shown by the name of its operator.
  template <typename... Details>
  explicit Miss(MissReason reason, const Details &...details)
      : Miss(reason, llvm::SmallVector<std::string, 2>{toText(details)...}) {}
  Miss(MissReason reason, llvm::SmallVector<std::string, 2> details);

  /// Returns the same miss at an op that is not the anchor.
  Miss at(mlir::Operation *where) const {
    Miss miss = *this;
    miss.op = where;
    return miss;
  }

  /// Returns the sentence that `sink.miss`, the remark and `basin inspect` show.
  std::string describe() const;

  MissReason reason;
  llvm::SmallVector<std::string, 2> details;
  mlir::Operation *op = nullptr;

private:
  template <typename Detail> static std::string toText(const Detail &detail) {
    std::string text;
    llvm::raw_string_ostream(text) << detail;
    return text;
  }
  static std::string toText(mlir::Operation *op);
};

/// Returns a text like "rank 5", or "an unknown rank".
std::string describeRank(std::optional<int64_t> rank);

/// A matcher returns this if its anchor does not belong to its idiom.
struct Unrelated {};

/// What a matcher finds at an anchor: nothing of its idiom, something like its idiom with a miss,
/// or a match.
template <typename Match> class MatchResult {
public:
  MatchResult(Unrelated unrelated) : state(unrelated) {}
  MatchResult(Miss miss) : state(std::move(miss)) {}
  MatchResult(Match match) : state(std::move(match)) {}

  bool isUnrelated() const { return std::holds_alternative<Unrelated>(state); }
  /// These return null if there is none.
  const Miss *getMiss() const { return std::get_if<Miss>(&state); }
  Match *getMatch() { return std::get_if<Match>(&state); }

private:
  std::variant<Unrelated, Miss, Match> state;
};

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_MISS_H
