//===- KernelObjectTest.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernel objects through the C API: what is read, what is refused, and the messages. None of this
// needs a driver.
//
//===----------------------------------------------------------------------===//

#include "KernelObjectWriter.h"
#include "basin/Runtime/basin_rt.h"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>

using namespace basin::test;

namespace {
struct Free {
  void operator()(basin_rt_object *object) const { basin_rt_object_free(object); }
};
using Object = std::unique_ptr<basin_rt_object, Free>;
} // namespace

static Object read(const std::string &bytes) {
  // The copy is exactly as large as the bytes, so the sanitizers see a read beyond them.
  std::unique_ptr<char[]> copy(new char[bytes.size()]);
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  basin_rt_object *object = nullptr;
  basin_rt_status status = basin_rt_object_create(copy.get(), bytes.size(), &object);
  EXPECT_EQ(status == BASIN_RT_OK, object != nullptr);
  if (status != BASIN_RT_OK) {
    EXPECT_EQ(status, BASIN_RT_INVALID_OBJECT);
  }
  return Object(object);
}

/// Returns the message with which `bytes` are refused.
static std::string refusal(const std::string &bytes) {
  return read(bytes) ? "(accepted)" : basin_rt_last_error();
}

static std::string replaced(std::string text, const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

/// Returns the message for a change of the kernel's JSON.
static std::string kernelRefusal(const std::string &from, const std::string &to) {
  return refusal(object({{"ptx", "sm_80", "text"}}, replaced(kNormKernel, from, to)));
}

#define EXPECT_SAYS(message, part)                                                                 \
  do {                                                                                             \
    std::string said = message;                                                                    \
    EXPECT_NE(said.find(part), std::string::npos) << said;                                         \
  } while (false)

TEST(KernelObject, IsListed) {
  Object good = read(goodObject());
  ASSERT_TRUE(good) << basin_rt_last_error();
  ASSERT_EQ(basin_rt_object_section_count(good.get()), 3u);
  basin_rt_section_info section;
  ASSERT_EQ(basin_rt_object_section(good.get(), 2, &section), BASIN_RT_OK);
  EXPECT_EQ(section.kind, BASIN_RT_PTX);
  EXPECT_STREQ(section.chip, "sm_80");
  EXPECT_EQ(section.size, std::strlen("ptx of sm_80"));
  ASSERT_EQ(basin_rt_object_kernel_count(good.get()), 2u);
  const basin_rt_kernel *kernel = nullptr;
  ASSERT_EQ(basin_rt_object_find_kernel(good.get(), "wide", &kernel), BASIN_RT_OK);
  basin_rt_kernel_info info;
  ASSERT_EQ(basin_rt_kernel_describe(kernel, &info), BASIN_RT_OK);
  EXPECT_STREQ(info.name, "wide");
  EXPECT_EQ(info.block[1], 4u);
  EXPECT_EQ(info.shared_bytes, 65536u);
  ASSERT_EQ(info.argument_count, 4u);
  basin_rt_argument_info argument;
  ASSERT_EQ(basin_rt_kernel_argument(kernel, 0, &argument), BASIN_RT_OK);
  EXPECT_STREQ(argument.name, "p");
  EXPECT_EQ(argument.kind, BASIN_RT_INOUT);
  EXPECT_EQ(argument.type, BASIN_RT_F32);
  EXPECT_EQ(argument.alignment, 4u);
  EXPECT_EQ(basin_rt_kernel_factor_count(kernel, 0), 2u);
  EXPECT_EQ(basin_rt_kernel_factor_count(kernel, 3), 0u);
  basin_rt_grid_factor factor;
  ASSERT_EQ(basin_rt_kernel_factor(kernel, 0, 1, &factor), BASIN_RT_OK);
  EXPECT_EQ(factor.argument, 2u);
  EXPECT_EQ(factor.per, 64);
}

TEST(KernelObject, SaysWhatAKernelWasMadeFrom) {
  Object good = read(goodObject());
  const basin_rt_kernel *kernel = nullptr;
  ASSERT_EQ(basin_rt_object_find_kernel(good.get(), "norm", &kernel), BASIN_RT_OK);
  basin_rt_kernel_info info;
  ASSERT_EQ(basin_rt_kernel_describe(kernel, &info), BASIN_RT_OK);
  EXPECT_STREQ(info.family, "norm");
  ASSERT_EQ(info.part_count, 4u);
  std::string text;
  for (size_t i = 0; i < info.part_count; ++i) {
    basin_rt_part_info part;
    ASSERT_EQ(basin_rt_kernel_part(kernel, i, &part), BASIN_RT_OK);
    text += std::string(part.name) + " " + std::to_string(part.kind) + " " +
            std::to_string(part.number * 1e6) + part.text + "\n";
  }
  EXPECT_EQ(text, "dim 1 64000000.000000\ntype 2 0.000000bf16\nweight 0 1000000.000000\n"
                  "eps 1 1.500000\n");
  basin_rt_part_info part;
  EXPECT_EQ(basin_rt_kernel_part(kernel, 4, &part), BASIN_RT_INVALID_ARGUMENT);
  EXPECT_STREQ(basin_rt_last_error(), "no part 4: there are 4");
  ASSERT_EQ(basin_rt_object_find_kernel(good.get(), "wide", &kernel), BASIN_RT_OK);
  ASSERT_EQ(basin_rt_kernel_describe(kernel, &info), BASIN_RT_OK);
  EXPECT_STREQ(info.family, "");
  EXPECT_EQ(info.part_count, 0u);
}

TEST(KernelObject, FunctionsAreChecked) {
  auto refused = [](const std::string &from, const std::string &to) {
    return refusal(functionObject(replaced(kFunction, from, to)));
  };
  EXPECT_EQ(refusal(functionObject()), "(accepted)");
  EXPECT_EQ(refused("\"name\": \"block\"", "\"note\": 1, \"name\": \"block\""), "(accepted)");
  EXPECT_SAYS(refused("\"kernel\": \"add\"", "\"kernel\": \"sub\""),
              "functions[0].steps[0].kernel: the object has no kernel 'sub'");
  EXPECT_SAYS(refused("\"value\": \"h\"}", "\"value\": \"g\"}"),
              "no input or earlier step provides 'g'");
  EXPECT_SAYS(refused("\"value\": \"h\", \"type\"", "\"value\": \"x\", \"type\""),
              "'x' is defined already");
  EXPECT_SAYS(refused("{\"value\": \"w\", \"type\"", "{\"value\": \"x\", \"type\""),
              "'x' is defined already");
  EXPECT_SAYS(refused("[\"sum\"]", "[\"x\"]"),
              "expected a result of a step that is not an output yet");
  EXPECT_SAYS(refused("[\"sum\"]", "[\"sum\", \"sum\"]"), "that is not an output yet");
  EXPECT_SAYS(refused("[\"sum\"]", "[\"s\"]"), "no input or earlier step provides 's'");
  EXPECT_SAYS(refused("\"argument\": \"a\"", "\"argument\": \"b\""),
              "expected a tensor of add that is not given yet, but got 'b'");
  EXPECT_SAYS(refused("\"argument\": \"a\"", "\"argument\": \"rows\""), "but got 'rows'");
  EXPECT_SAYS(refused("\"stride\": [", "\"strides\": ["), "but got 'strides'");
  EXPECT_SAYS(refused(", \"stride\": [{\"value\": \"h\", \"stride\": 0}]", ""),
              "steps[1]: expected the argument 'stride' of add");
  EXPECT_SAYS(
      refused("{\"value\": \"x\", \"type\": \"bf16\"}", "{\"value\": \"x\", \"type\": \"f16\"}"),
      "expected an input of the type of 'a'");
  EXPECT_SAYS(refused("\"h\", \"type\": \"bf16\"", "\"h\", \"type\": \"f32\""),
              "expected an output of the type of 'c'");
  EXPECT_SAYS(refused("\"size\": 0", "\"size\": 8"), "expected a number from 0 to 7");
  EXPECT_SAYS(refused("[[2, ", "[[-2, "), "expected a number from 0 to");
  EXPECT_SAYS(refusal(functionObject(std::string(kFunction) + ", " + kFunction)),
              "functions[1]: function 'block' is defined twice");
}

// Does the same as for whole objects, for the parts that only functions have.
TEST(KernelObject, ChangedBytesOfFunctionsAreHarmless) {
  std::string good = functionObject();
  for (size_t at = 0; at < good.size(); ++at)
    for (int bit : {1, 2, 16, 128}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ bit);
      EXPECT_FALSE(refusal(bytes).empty());
    }
}

TEST(KernelObject, WhatIsNotThereIsSaid) {
  Object good = read(goodObject());
  const basin_rt_kernel *kernel = nullptr;
  EXPECT_EQ(basin_rt_object_find_kernel(good.get(), "nor", &kernel), BASIN_RT_NOT_FOUND);
  EXPECT_STREQ(basin_rt_last_error(), "the object has no kernel 'nor'");
  EXPECT_EQ(basin_rt_object_kernel(good.get(), 2, &kernel), BASIN_RT_INVALID_ARGUMENT);
  EXPECT_EQ(basin_rt_object_find_kernel(nullptr, "norm", &kernel), BASIN_RT_INVALID_ARGUMENT);
  EXPECT_EQ(kernel, nullptr);
  basin_rt_object *object = nullptr;
  EXPECT_EQ(basin_rt_object_open("/no/such/file", &object), BASIN_RT_IO_ERROR);
  EXPECT_STREQ(basin_rt_last_error(), "/no/such/file: No such file or directory");
  EXPECT_EQ(basin_rt_object_open("/", &object), BASIN_RT_IO_ERROR);
  EXPECT_STREQ(basin_rt_last_error(), "/: expected a regular file");
  EXPECT_EQ(object, nullptr);
}

TEST(KernelObject, EveryTruncationIsRefused) {
  std::string good = goodObject();
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_NE(refusal(good.substr(0, size)), "(accepted)") << size;
}

// Most changes of one byte make it another valid object or an invalid one. None may do worse, and
// every refusal has a message.
TEST(KernelObject, ChangedBytesAreHarmless) {
  std::string good = goodObject();
  unsigned refused = 0;
  for (size_t at = 0; at < good.size(); ++at)
    for (int bit : {1, 2, 16, 128}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ bit);
      std::string message = refusal(bytes);
      EXPECT_FALSE(message.empty());
      refused += message != "(accepted)";
    }
  EXPECT_GT(refused, good.size());
}

TEST(KernelObject, FrameIsChecked) {
  EXPECT_SAYS(refusal(""), "begins with BASINKO1");
  EXPECT_SAYS(refusal("BASINKO2" + littleEndian64(2) + "{}"), "version 1 of the file format");
  EXPECT_SAYS(refusal("BASINKO1" + littleEndian64(~uint64_t(0)) + "{}"),
              "expected at most 2 bytes of JSON, but got 18446744073709551615");
  EXPECT_SAYS(refusal(frame("{\"version\": 3}")), "version: expected 1 or 2, but got 3");
  EXPECT_SAYS(refusal(frame("[]")), "expected an object, but got an array");
  EXPECT_SAYS(refusal(frame("{\"version\": 1, \"sections\": [], \"kernels\": []}")),
              "sections: expected at least one section");
}

TEST(KernelObject, JSONIsStrict) {
  EXPECT_SAYS(refusal(frame("{\"version\": \"\xff\"}")), "invalid UTF-8 at byte 13");
  EXPECT_SAYS(refusal(frame("{\"a\": 1, \"a\": 2}")), "key 'a' twice");
  EXPECT_SAYS(refusal(frame("{\"a\": 1,}")), "expected a key");
  EXPECT_SAYS(refusal(frame("{\"a\": 01}")), "begins with 0");
  EXPECT_SAYS(refusal(frame("{\"a\": 1e999}")), "out of range");
  EXPECT_SAYS(refusal(frame("{\"a\": \"\\ud800\"}")), "surrogate");
  EXPECT_SAYS(refusal(frame("{\"a\": \"\\u12g4\"}")), "hexadecimal");
  EXPECT_SAYS(refusal(frame("{} x")), "expected the end");
  EXPECT_SAYS(refusal(frame(std::string(100000, '['))), "nested more than 32 deep");
  EXPECT_SAYS(refusal(frame("{\"a\": \"\xed\xa0\x80\"}")), "invalid UTF-8");
}

TEST(KernelObject, SectionsAreChecked) {
  auto section = [](const std::string &offset, const std::string &size, const std::string &more) {
    return refusal(frame("{\"version\": 1, \"sections\": [{\"kind\": \"ptx\", \"chip\": \"sm_80\", "
                         "\"offset\": " +
                             offset + ", \"size\": " + size + "}" + more + "], \"kernels\": []}",
                         std::string(512, 'x')));
  };
  EXPECT_EQ(section("256", "16", ""), "(accepted)");
  EXPECT_SAYS(section("264", "16", ""), "expected a multiple of 16, but got 264");
  EXPECT_SAYS(section("16", "16", ""), "expected a number from 1");
  EXPECT_SAYS(section("-16", "16", ""), "sections[0].offset");
  EXPECT_SAYS(section("256", "0", ""), "sections[0].size");
  EXPECT_SAYS(section("256", "9223372036854775807", ""), "sections[0].size");
  EXPECT_SAYS(section("256", "99999999999999999999", ""), "expected an integer");
  EXPECT_SAYS(section("1e3", "1", ""), "expected an integer, but got a real number");
  std::string other = ", {\"kind\": \"ptx\", \"chip\": \"sm_90\", \"offset\": 272, \"size\": 16}";
  EXPECT_EQ(section("256", "16", other), "(accepted)");
  EXPECT_SAYS(section("256", "17", other), "256 and 272 overlap");
  EXPECT_SAYS(section("256", "16", replaced(other, "sm_90", "sm_80")),
              "more than one of kind and chip");
  for (const char *chip : {"sm_", "sm_9", "sm_90b", "sm_090", "gfx90a", "sm_99999"})
    EXPECT_SAYS(section("256", "16", replaced(other, "sm_90", chip)), "expected a chip such as");
  EXPECT_SAYS(section("256", "16", replaced(other, "\"ptx\"", "\"spirv\"")),
              "expected one of cubin, ptx, mlir, weights, but got 'spirv'");
}

TEST(KernelObject, CubinsMustBeWhole) {
  auto with = [](auto change) {
    std::string bytes = cubin(std::string(64, 't'));
    Elf64_Ehdr header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    change(header);
    std::memcpy(bytes.data(), &header, sizeof(header));
    return refusal(object({{"cubin", "sm_80", bytes}}, kNormKernel));
  };
  EXPECT_EQ(with([](Elf64_Ehdr &) {}), "(accepted)");
  EXPECT_SAYS(with([](Elf64_Ehdr &h) { h.e_machine = EM_X86_64; }), "another machine");
  EXPECT_SAYS(with([](Elf64_Ehdr &h) { h.e_ident[1] = 'e'; }), "no ELF file");
  EXPECT_SAYS(with([](Elf64_Ehdr &h) {
                h.e_shoff = 64, h.e_shnum = 2, h.e_shentsize = sizeof(Elf64_Shdr);
              }),
              "before its table of sections");
  EXPECT_SAYS(with([](Elf64_Ehdr &h) {
                h.e_phoff = ~uint64_t(0), h.e_phnum = 1, h.e_phentsize = sizeof(Elf64_Phdr);
              }),
              "before its table of segments");
  // The section header consists of the 64 letters that follow, so its offset is far beyond the end.
  EXPECT_SAYS(with([](Elf64_Ehdr &h) {
                h.e_shoff = 64, h.e_shnum = 1, h.e_shentsize = sizeof(Elf64_Shdr);
              }),
              "before its section 0");
}

TEST(KernelObject, KernelsAreChecked) {
  EXPECT_SAYS(kernelRefusal("\"norm\"", "\"\""), "kernels[0].name: expected a name");
  EXPECT_SAYS(kernelRefusal("\"norm\"", "\"a\\u0000b\""), "without control characters");
  EXPECT_SAYS(kernelRefusal("\"norm\"", "\"" + std::string(257, 'n') + "\""), "1 to 256 bytes");
  EXPECT_SAYS(kernelRefusal("[128, 1, 1]", "[128, 1]"), "block: expected three numbers");
  EXPECT_SAYS(kernelRefusal("[128, 1, 1]", "[0, 1, 1]"), "block[0]: expected a number from 1");
  EXPECT_SAYS(kernelRefusal("[128, 1, 1]", "[128, 16, 1]"), "at most 1024 threads, but got 2048");
  EXPECT_SAYS(kernelRefusal("\"shared_bytes\": 0", "\"shared_bytes\": -1"), "shared_bytes");
  EXPECT_SAYS(kernelRefusal("\"shared_bytes\": 0,", ""), "expected a member 'shared_bytes'");
  EXPECT_SAYS(kernelRefusal("\"in\"", "\"input\""), "expected one of in, out, inout, scalar");
  EXPECT_SAYS(kernelRefusal("\"in\", \"type\": \"bf16\"", "\"in\", \"type\": \"fp8\""),
              "expected one of f32");
  EXPECT_SAYS(kernelRefusal("\"y\"", "\"x\""), "argument 'x' is defined twice");
  EXPECT_SAYS(kernelRefusal("\"i32\"", "\"bf16\""), "expected a scalar of type i32, i64 or f32");
  EXPECT_SAYS(kernelRefusal("\"i32\"", "\"f32\""), "expected a scalar argument of type i32 or i64");
  EXPECT_SAYS(kernelRefusal("\"arg\": \"rows\"", "\"arg\": \"x\""), "but got 'x'");
  EXPECT_SAYS(kernelRefusal("\"arg\": \"rows\"", "\"arg\": \"cols\""), "but got 'cols'");
  EXPECT_SAYS(kernelRefusal("\"per\": 4", "\"per\": 0"), "per: expected a number from 1");
  EXPECT_SAYS(kernelRefusal(", [], []]", ", []]"), "grid: expected three arrays");
  EXPECT_EQ(kernelRefusal("\"shared_bytes\"", "\"note\": [null], \"shared_bytes\""), "(accepted)");
  EXPECT_SAYS(kernelRefusal("\"family\": \"norm\"", "\"family\": 1"), "family: expected a string");
  EXPECT_SAYS(kernelRefusal("\"dim\": 64", "\"dim\": [64]"), "spec.dim: expected a number");
  EXPECT_SAYS(kernelRefusal("\"dim\": 64", "\"di\\u0000m\": 64"), "without control characters");
  EXPECT_SAYS(kernelRefusal("\"type\": \"bf16\", \"weight\"", "\"type\": \"\", \"weight\""),
              "spec.type: expected a name");
  std::string many;
  for (int i = 0; i < 65; ++i)
    many += "\"p" + std::to_string(i) + "\": 1, ";
  EXPECT_SAYS(kernelRefusal("\"dim\": 64", many + "\"dim\": 64"), "expected at most 64 members");
  EXPECT_SAYS(
      refusal(object({{"ptx", "sm_80", "text"}}, std::string(kNormKernel) + ", " + kNormKernel)),
      "kernel 'norm' is defined twice");
}

TEST(KernelObject, SectionIsChosenByCapability) {
  Object good = read(goodObject());
  auto choose = [&](int major, int minor) {
    size_t index = 99;
    return basin_rt_object_choose_section(good.get(), major, minor, &index) == BASIN_RT_OK
               ? int(index)
               : -1;
  };
  EXPECT_EQ(choose(9, 0), 0);
  EXPECT_EQ(choose(8, 0), 1);
  EXPECT_EQ(choose(8, 9), 1);
  EXPECT_EQ(choose(10, 0), 2); // sm_90a is only for 9.0
  EXPECT_EQ(choose(12, 1), 2);
  EXPECT_EQ(choose(7, 5), -1);
  EXPECT_SAYS(basin_rt_last_error(), "compute capability 7.5");
  good = read(object({{"ptx", "sm_75", "a"},
                      {"ptx", "sm_90", "b"},
                      {"ptx", "sm_90a", "c"},
                      {"cubin", "sm_86", cubin("d")},
                      {"cubin", "sm_100f", cubin("e")}},
                     kNormKernel));
  ASSERT_TRUE(good) << basin_rt_last_error();
  EXPECT_EQ(choose(8, 0), 0); // not the cubin, which is of a later minor version
  EXPECT_EQ(choose(8, 9), 3);
  EXPECT_EQ(choose(9, 0), 2);
  EXPECT_EQ(choose(10, 3), 4); // of the same family
  EXPECT_EQ(choose(12, 0), 1); // the newest of those that are not newer
}
