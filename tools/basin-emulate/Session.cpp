//===- Session.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Session.h"
#include "Tensors.h"

#include "basin/Target/NVPTX/Compile.h"
#include "basin/Target/NVPTX/KernelObject.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace basin;

/// A resident kernel divides its tiles among any number of blocks, and gets at most these.
static constexpr unsigned kResidentBlocks = 2;

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

Session::Session(gpu::GPUModuleOp module, llvm::json::Array described)
    : module(module), described(std::move(described)) {}

Session::~Session() { basin_rt_object_free(object); }

llvm::FailureOr<std::unique_ptr<Session>> Session::create(gpu::GPUModuleOp module) {
  FailureOr<llvm::json::Array> described = nvptx::describeKernels(module);
  if (failed(described))
    return failure();
  std::unique_ptr<Session> session(new Session(module, std::move(*described)));
  // A kernel object must have a section of code. This one is a placeholder, never loaded.
  const std::string &bytes = session->bytes =
      nvptx::makeObject(session->described, {{"ptx", "sm_80", "none"}});
  if (basin_rt_object_create(bytes.data(), bytes.size(), &session->object) != BASIN_RT_OK) {
    module.emitError(basin_rt_last_error());
    return failure();
  }
  return session;
}

/// Returns a new module with the kernel `name` and everything else that is no kernel.
static OwningOpRef<ModuleOp> isolate(gpu::GPUModuleOp module, StringRef name) {
  OwningOpRef<ModuleOp> holder = ModuleOp::create(module.getLoc());
  OpBuilder builder = OpBuilder::atBlockEnd(holder->getBody());
  auto copy = cast<gpu::GPUModuleOp>(builder.clone(*module));
  for (auto function : llvm::make_early_inc_range(copy.getOps<gpu::GPUFuncOp>()))
    if (function.isKernel() && function.getName() != name)
      function.erase();
  return holder;
}

llvm::Expected<emulator::Emulator *> Session::compile(StringRef kernel) {
  auto found = emulators.find(kernel);
  if (found != emulators.end())
    return &found->second;
  std::string problem;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    if (problem.empty())
      llvm::raw_string_ostream(problem) << diagnostic.getLocation() << ": " << diagnostic;
  });
  OwningOpRef<ModuleOp> holder = isolate(module, kernel);
  PassManager pm(module.getContext());
  nvptx::buildLowerKernelsPipeline(pm);
  if (failed(pm.run(*holder)))
    return llvm::createStringError("kernel '" + kernel + "' cannot be lowered: " + problem);
  llvm::Expected<emulator::Emulator> made = emulator::Emulator::create(*holder);
  if (made)
    return &emulators.try_emplace(kernel, std::move(*made)).first->second;
  std::string error = llvm::toString(made.takeError());
  return llvm::createStringError(error + (problem.empty() ? "" : ": ") + problem);
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

static llvm::Error lastError() { return llvm::createStringError(basin_rt_last_error()); }

static llvm::Expected<basin_rt_argument> readScalar(const basin_rt_argument_info &argument,
                                                    const llvm::json::Value &value) {
  std::optional<int64_t> integer = value.getAsInteger();
  std::optional<double> number = value.getAsNumber();
  if (argument.type == BASIN_RT_F32 && number)
    return basin_rt_f32(static_cast<float>(*number));
  if (argument.type == BASIN_RT_I64 && integer)
    return basin_rt_i64(*integer);
  if (argument.type == BASIN_RT_I32 && integer && llvm::isInt<32>(*integer))
    return basin_rt_i32(static_cast<int32_t>(*integer));
  static constexpr const char *kNames[] = {"an f32", "", "", "", "an i32", "an i64"};
  return llvm::createStringError("argument '" + llvm::StringRef(argument.name) + "': expected " +
                                 kNames[argument.type]);
}

static emulator::Argument toLaunch(const basin_rt_argument &argument) {
  if (!argument.is_scalar)
    return const_cast<void *>(argument.value.pointer);
  if (argument.type == BASIN_RT_F32)
    return argument.value.f32;
  if (argument.type == BASIN_RT_I64)
    return argument.value.i64;
  return argument.value.i32;
}

/// Puts the values into `out`, in the kernel's order. Adds the tensors to `tensors` and reads
/// their files.
static llvm::Error readArguments(const basin_rt_kernel *kernel, const llvm::json::Object &given,
                                 Tensors &tensors, std::vector<basin_rt_argument> &out) {
  std::vector<basin_rt_argument_info> infos;
  basin_rt_argument_info info;
  while (basin_rt_kernel_argument(kernel, infos.size(), &info) == BASIN_RT_OK)
    infos.push_back(info);
  for (const auto &[key, value] : given)
    if (llvm::none_of(infos, [&](auto &info) { return llvm::StringRef(key) == info.name; }))
      return llvm::createStringError("unknown argument '" + llvm::StringRef(key) + "'");
  for (const basin_rt_argument_info &info : infos) {
    const llvm::json::Value *value = given.get(info.name);
    if (!value)
      return llvm::createStringError("expected an argument '" + llvm::StringRef(info.name) + "'");
    if (info.kind != BASIN_RT_SCALAR) {
      if (llvm::Error error = tensors.add(info, *value))
        return error;
      out.push_back(basin_rt_pointer(info.type, nullptr));
      continue;
    }
    llvm::Expected<basin_rt_argument> scalar = readScalar(info, *value);
    if (!scalar)
      return scalar.takeError();
    out.push_back(*scalar);
  }
  if (llvm::Error error = tensors.read())
    return error;
  for (auto [info, argument] : llvm::zip_equal(infos, out))
    if (!argument.is_scalar)
      argument.value.pointer = tensors.pointer(info.name);
  return llvm::Error::success();
}

llvm::Expected<Outcome> Session::run(const Request &request) {
  const basin_rt_kernel *kernel = nullptr;
  if (basin_rt_object_find_kernel(object, request.kernel.c_str(), &kernel) != BASIN_RT_OK)
    return llvm::createStringError("unknown kernel '" + request.kernel + "'");
  Tensors tensors(request.seed);
  std::vector<basin_rt_argument> arguments;
  if (llvm::Error error = readArguments(kernel, request.arguments, tensors, arguments))
    return error;
  basin_rt_kernel_info info;
  emulator::Launch launch;
  if (basin_rt_kernel_describe(kernel, &info) != BASIN_RT_OK ||
      basin_rt_kernel_grid(kernel, arguments.data(), arguments.size(), launch.grid.data()) !=
          BASIN_RT_OK)
    return lastError();
  if (launch.grid[0] == 0)
    return Outcome{launch.grid, {}};
  // With few blocks, each one runs several tiles if there are several.
  if (info.is_resident)
    launch.grid[0] = std::min(launch.grid[0], kResidentBlocks);
  std::copy(std::begin(info.block), std::end(info.block), launch.block.begin());
  launch.sharedBytes = info.shared_bytes;
  llvm::append_range(launch.arguments, llvm::map_range(arguments, toLaunch));
  launch.buffers = tensors.buffers(request.leastAlignment);
  launch.blockOrder = request.blocks;
  launch.threadOrder = request.threads;
  launch.seed = request.seed;
  launch.maxFindings = request.maxFindings;
  llvm::Expected<emulator::Emulator *> emulator = compile(request.kernel);
  if (!emulator)
    return emulator.takeError();
  llvm::Expected<emulator::Report> report = (*emulator)->launch(request.kernel, launch);
  if (!report)
    return report.takeError();
  if (llvm::Error error = tensors.write())
    return error;
  return Outcome{launch.grid, std::move(*report)};
}
