//===- PrecompiledKernels.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The source that its header is precompiled for.
//
//===----------------------------------------------------------------------===//

#include "PrecompiledKernels.h"
