/*===- consumer.c -------------------------------------------------*- C -*-===*\
|*
|* Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
|* See LICENSE for license information.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* Links the installed runtime: its version is the header's, and it says why it
|* refuses what is no kernel object.
|*
\*===----------------------------------------------------------------------===*/

#include <basin/Runtime/basin_rt.h>

#include <string.h>

int main(void) {
  basin_rt_object *object = NULL;
  if (basin_rt_abi_version() != BASIN_RT_ABI_VERSION)
    return 1;
  if (basin_rt_object_create("no kernels", 10, &object) != BASIN_RT_INVALID_OBJECT)
    return 1;
  return strstr(basin_rt_last_error(), "BASINKO1") == NULL;
}
