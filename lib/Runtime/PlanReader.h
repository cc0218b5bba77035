//===- PlanReader.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads a plan from the JSON of an object. Names become indices.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_PLANREADER_H
#define BASIN_LIB_RUNTIME_PLANREADER_H

#include "KernelObject.h"
#include "Node.h"

#include <unordered_map>

namespace basin::rt {

class PlanReader {
public:
  PlanReader(const std::vector<Kernel> &kernels, const Section *weights, ModelPlan &plan);

  void read(const Node &node);

private:
  using Names = std::unordered_map<std::string, size_t>;

  // PlanReader.cpp
  PlanSize readSize(const Node &node);
  std::vector<PlanSize> readSizes(const Node &node, size_t max);
  size_t findSymbol(const Node &node);
  size_t findBuffer(const Node &node);
  void readBuffer(const Node &node);
  void readConstant(const Node &node, PlanBuffer &buffer);
  void readInput(const Node &node);
  void readOutput(const Node &node);
  void readCheck(const Node &node);
  void checkDefinitions(const Node &node);

  // PlanStepReader.cpp
  void readStep(const Node &node);
  PlanLaunch readLaunch(const Node &node);
  void readTensors(const Node &node, const Kernel &kernel, PlanLaunch &launch);
  void readScalars(const Node &node, const Kernel &kernel, PlanLaunch &launch);
  PlanProduct readProduct(const Node &node);
  PlanMatrix readMatrix(const Node &node, size_t batchRank);
  PlanOperand readOperand(const Node &node);
  void checkProductTypes(const Node &node, const PlanProduct &product);
  void use(const Node &node, size_t buffer, bool isRead, bool writes);

  const std::vector<Kernel> &kernels;
  const Section *weights;
  ModelPlan &plan;
  Names kernelNames, symbolNames, bufferNames;
  std::vector<bool> isWritten; // for each buffer: whether an earlier step writes it
};

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_PLANREADER_H
