//===- KernelFamilyTest.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The table of kernel families: specs from texts, their names, their parts as attributes, and their
// errors.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Kernel/IR/Kernel.h"
#include "basin/Kernels/AddKernel.h"
#include "basin/Target/NVPTX/Compile.h"

#include <gtest/gtest.h>

#include <map>

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace {
struct KernelFamilies : testing::Test {
  KernelFamilies() {
    nvptx::registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  std::unique_ptr<AnySpec> parse(StringRef family, StringRef text) {
    llvm::Expected<std::unique_ptr<AnySpec>> spec = findKernelFamily(family)->parse(text, &context);
    if (spec)
      return std::move(*spec);
    ADD_FAILURE() << text.str() << ": " << llvm::toString(spec.takeError());
    return {};
  }
  std::string parts(StringRef family, StringRef text) {
    std::string out;
    if (std::unique_ptr<AnySpec> spec = parse(family, text))
      llvm::raw_string_ostream(out) << spec->getParts();
    return out;
  }
  std::string refusal(StringRef family, StringRef text) {
    llvm::Expected<std::unique_ptr<AnySpec>> spec = findKernelFamily(family)->parse(text, &context);
    return spec ? "(accepted)" : llvm::toString(spec.takeError());
  }

  DialectRegistry registry;
  MLIRContext context;
};

/// Texts of different specs, by family.
const std::map<std::string, std::vector<std::string>> kTexts = {
    {"norm",
     {"dim=64,type=bf16",
      "dim=65,type=bf16",
      "dim=64,type=f16",
      "dim=64,type=bf16,result=f32",
      "dim=64,type=bf16,parameters=f32",
      "dim=64,type=bf16,layer",
      "dim=64,type=bf16,layer,bias",
      "dim=64,type=bf16,residual",
      "dim=64,type=bf16,residual,sum",
      "dim=64,type=bf16,residual,residual_bias",
      "dim=64,type=bf16,pre_affine",
      "dim=64,type=bf16,weight",
      "dim=64,type=bf16,eps=0",
      "dim=64,type=bf16,eps=1e-6",
      "dim=64,type=bf16,gate=8",
      "dim=64,type=bf16,gate=16",
      "dim=64,type=bf16,gate=8,tensorwise",
      "dim=64,type=bf16,gate=8,activation=tanh",
      "dim=64,type=bf16,gate=8,activation=silu",
      "dim=64,type=bf16,gate=8,activation=identity"}},
    {"dyt",
     {"dim=64,type=bf16", "dim=8,type=bf16", "dim=64,type=f32", "dim=64,type=bf16,bias",
      "dim=64,type=bf16,result=f32", "dim=64,type=bf16,parameters=f32"}},
    {"attention",
     {"head_dim=64,type=bf16",
      "head_dim=64,type=f16",
      "head_dim=72,type=bf16",
      "head_dim=64,type=bf16,value_dim=32",
      "head_dim=64,type=bf16,causal",
      "head_dim=64,type=bf16,causal,top_left",
      "head_dim=64,type=bf16,window",
      "head_dim=64,type=bf16,window,top_left",
      "head_dim=64,type=bf16,mask=keep",
      "head_dim=64,type=bf16,mask=keep,mask_fill=-1e4",
      "head_dim=64,type=bf16,mask=bias",
      "head_dim=64,type=bf16,mask=bias,mask_type=f32",
      "head_dim=64,type=bf16,nan_hidden_rows",
      "head_dim=64,type=bf16,scale=0.125",
      "head_dim=64,type=bf16,scale=0.1",
      "head_dim=64,type=bf16,softcap=30",
      "head_dim=64,type=bf16,key_lengths",
      "head_dim=64,type=bf16,sink_logit",
      "head_dim=64,type=bf16,sink_logit,sink_type=bf16",
      "head_dim=64,type=bf16,sink_kv",
      "head_dim=64,type=bf16,gate=plain",
      "head_dim=64,type=bf16,gate=sigmoid",
      "head_dim=64,type=bf16,gate=plain,gate_per_head",
      "head_dim=64,type=bf16,log_sum_exp"}},
    {"pointwise",
     {"sizes=64,program=(out y i32 (1) (index 0))", "sizes=?,program=(out y i32 (1) (index 0))",
      "sizes=64,program=(out z i32 (1) (index 0))", "sizes=64,program=(out y i64 (1) (index 0))",
      "sizes=64,program=(out y i32 (2) (index 0))",
      "sizes=64,program=(out y i32 (1) align 16 (index 0))",
      "sizes=64,program=(out y i32 (1) (size 0))"}},
    {"softmax",
     {"type=f32",
      "type=f16",
      "type=f32,result=bf16",
      "type=f32,separate",
      "type=f32,scale=0.125",
      "type=f32,softcap=30",
      "type=f32,causal",
      "type=f32,causal,top_left",
      "type=f32,window",
      "type=f32,mask=keep",
      "type=f32,mask=keep,mask_fill=-1e4",
      "type=f32,mask=bias",
      "type=f32,mask=bias,mask_type=f16",
      "type=f32,nan_hidden_rows",
      "type=f32,key_lengths",
      "type=f32,sink_logit",
      "type=f32,sink_logit,sink_type=bf16",
      "type=f32,sink_logit,sink_type=f16",
      "type=f16,sink_logit",
      "type=f16,sink_logit,sink_type=f16",
      "type=f32,prefix",
      "type=f32,log_sum_exp",
      "type=f32,aligned",
      "type=f32,max_keys=512",
      "type=f32,max_keys=513"}},
};
} // namespace

TEST_F(KernelFamilies, AreListedInTheCompilersOrder) {
  std::string names;
  for (const KernelFamily *family : getKernelFamilies())
    names += family->getName().str() + " ";
  EXPECT_EQ(names, "norm dyt attention pointwise softmax ");
  EXPECT_EQ(findKernelFamily("attention"), getKernelFamilies()[2]);
  EXPECT_EQ(findKernelFamily("matmul"), nullptr);
  EXPECT_EQ(findKernelFamily("dyt")->getUsage(), "dim=N,type=T[,result=T][,parameters=T][,bias]");
}

TEST_F(KernelFamilies, TellSpecsApart) {
  for (const auto &[family, texts] : kTexts) {
    std::map<std::string, std::string> names;
    std::map<Attribute, std::string, bool (*)(Attribute, Attribute)> all(
        [](Attribute a, Attribute b) { return a.getAsOpaquePointer() < b.getAsOpaquePointer(); });
    for (const std::string &text : texts) {
      std::unique_ptr<AnySpec> spec = parse(family, text);
      ASSERT_TRUE(spec);
      EXPECT_TRUE(names.emplace(spec->getName(), text).second) << spec->getName();
      EXPECT_TRUE(all.emplace(spec->getParts(), text).second) << text;
      EXPECT_EQ(&spec->getFamily(), findKernelFamily(family));
    }
  }
}

TEST_F(KernelFamilies, LeaveOutWhatIsSoByDefault) {
  EXPECT_EQ(parts("norm", "dim=64,type=bf16,result=bf16,parameters=bf16"),
            parts("norm", "dim=64,type=bf16"));
  EXPECT_EQ(parts("norm", "dim=64,type=bf16,activation=tanh"), parts("norm", "dim=64,type=bf16"));
  EXPECT_EQ(parts("norm", "dim=64,type=bf16,eps=0"),
            "{dim = 64 : i64, eps = 0.000000e+00 : f64, type = \"bf16\"}");
  // eps is the number that the kernel has, in f32.
  EXPECT_EQ(parts("norm", "dim=64,type=bf16,eps=1e-5"),
            parts("norm", "dim=64,type=bf16,eps=9.9999997473787516e-6"));
  EXPECT_EQ(parts("attention", "head_dim=64,type=bf16,value_dim=64,sink_logit,sink_type=f32"),
            "{head_dim = 64 : i64, sink_logit, type = \"bf16\"}");
  // A program has one blank between its parts.
  EXPECT_EQ(parts("pointwise", "sizes=64,program=( out y i32 (1)  (add\n(index 0)3 ) )"),
            "{program = \"(out y i32 (1) (add (index 0) 3))\", sizes = \"64\"}");
  EXPECT_EQ(parts("attention", "head_dim=64,type=f16,mask=bias,mask_type=f16"),
            "{head_dim = 64 : i64, mask = \"bias\", type = \"f16\"}");
  EXPECT_EQ(parts("softmax", "type=f32,result=f32,scale=1,mask=bias,mask_type=f32,sink_logit,"
                             "sink_type=f32"),
            "{mask = \"bias\", sink_logit, type = \"f32\"}");
}

TEST_F(KernelFamilies, SayWhatIsWrongWithAText) {
  EXPECT_EQ(refusal("norm", "dim=64"), "expected the norm option type");
  EXPECT_EQ(refusal("norm", "weight"), "expected the norm option dim and type");
  EXPECT_EQ(refusal("norm", "dim=64,type=bf16,dims=3"), "unknown norm option 'dims'");
  EXPECT_EQ(refusal("norm", "dim=0,type=bf16"),
            "norm option 'dim': expected a number from 1 to 65536, but got '0'");
  EXPECT_EQ(refusal("norm", "dim=64,type=f64"),
            "norm option 'type': expected f32, f16 or bf16, but got 'f64'");
  EXPECT_EQ(refusal("norm", "dim=64,type=bf16,eps=-1"),
            "norm option 'eps': expected a number that is not negative, but got '-1'");
  EXPECT_EQ(refusal("norm", "dim=64,type=bf16,gate=8,activation=relu"),
            "norm option 'activation': expected sigmoid, tanh, silu or identity, but got 'relu'");
  EXPECT_EQ(refusal("norm", "dim=64,type=bf16,tensorwise"),
            "expected the option gate, which tensorwise needs");
  EXPECT_EQ(refusal("attention", "head_dim=64,type=bf16,scale=0"),
            "attention option 'scale': expected a positive number, but got '0'");
  EXPECT_EQ(refusal("pointwise", "sizes=64"), "expected the pointwise option program");
  EXPECT_EQ(refusal("pointwise", "sizes=,program=(out y i32 (1) 3)"),
            "pointwise option 'sizes': expected a text, but got ''");
  EXPECT_EQ(refusal("pointwise", "sizes=0,program=(out y i32 (1) 3)"),
            "sizes: expected ? or a number from 1 to 2147483647, but got '0'");
  EXPECT_EQ(refusal("attention", "head_dim=64,type=bf16,gate_per_head"),
            "expected the option gate, which gate_per_head needs");
  EXPECT_EQ(refusal("softmax", "causal"), "expected the softmax option type");
  EXPECT_EQ(refusal("softmax", "type=f32,head_dim=64"), "unknown softmax option 'head_dim'");
  EXPECT_EQ(refusal("softmax", "type=f32,mask=keep,mask_type=f32"),
            "expected the option mask=bias, which mask_type needs");
  EXPECT_EQ(refusal("softmax", "type=f32,sink_type=f32"),
            "expected the option sink_logit, which sink_type needs");
  EXPECT_EQ(refusal("softmax", "type=f32,top_left"),
            "expected the option causal or window, which top_left needs");
  EXPECT_EQ(refusal("softmax", "type=f32,max_keys=65537"),
            "softmax option 'max_keys': expected a number from 1 to 65536, but got '65537'");
}

TEST_F(KernelFamilies, BuildWhatTheContractSays) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  gpu::GPUModuleOp kernels = createKernelModule(*module, "kernels");
  std::vector<std::string> overrides = {"norm.rows_per_block=2"};
  llvm::Expected<ScheduleOverrides> parsed = ScheduleOverrides::parse(overrides);
  ASSERT_TRUE(bool(parsed));
  KernelTarget target{"sm_80", *parsed};
  std::unique_ptr<AnySpec> spec = parse("norm", "dim=64,type=bf16,weight");
  for (int i = 0; i < 2; ++i) { // the second call finds it in the module
    llvm::Expected<std::string> name = addKernel(kernels, *spec, target);
    ASSERT_TRUE(bool(name));
    EXPECT_EQ(*name, spec->getName());
  }
  ContractAttr contract = ContractAttr::of(kernels.lookupSymbol(spec->getName()));
  ASSERT_TRUE(contract);
  EXPECT_EQ(contract.getFamily().getValue(), "norm");
  EXPECT_EQ(contract.getSpec(), spec->getParts());
  EXPECT_EQ(contract.getX().getFactors()[0].getPer(), 2);
  std::vector<std::pair<std::string, int64_t>> schedule = spec->getSchedule(target);
  ASSERT_EQ(schedule.size(), 3u);
  EXPECT_EQ(schedule[1], std::pair(std::string("norm.rows_per_block"), int64_t(2)));
  spec = parse("pointwise", "sizes=?x64,program=(in x f32 (64 1)) (out y i32 (64 1) (int x))");
  ASSERT_TRUE(bool(addKernel(kernels, *spec, target)));
  contract = ContractAttr::of(kernels.lookupSymbol(spec->getName()));
  EXPECT_EQ(contract.getSpec(), spec->getParts());
  EXPECT_TRUE(contract.getIsResident());
  std::string arguments;
  for (ArgumentAttr argument : contract.getArguments())
    arguments += argument.getName().str() + " " + std::to_string(argument.getAlignment()) + ", ";
  EXPECT_EQ(arguments, "x 4, y 4, size0 16, count 16, ");
  // The first error is one of any schedule, the second is one of this schedule.
  llvm::Expected<std::string> wrong =
      addKernel(kernels, *parse("attention", "head_dim=36,type=bf16"), target);
  EXPECT_EQ(llvm::toString(wrong.takeError()),
            "expected head dims of 8 to 256 in steps of 8, but got 36");
  overrides = {"norm.vector=3"};
  parsed = ScheduleOverrides::parse(overrides);
  ASSERT_TRUE(bool(parsed));
  wrong = addKernel(kernels, *parse("norm", "dim=96,type=bf16"), {"sm_80", *parsed});
  EXPECT_EQ(llvm::toString(wrong.takeError()),
            "expected a power of two that divides 96 as the vector width, but got 3");
}
