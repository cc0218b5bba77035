/*===- RuntimeExample.c -------------------------------------------*- C -*-===*\
|*
|* Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
|* See LICENSE for license information.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* The examples of docs/runtime.md, which tests compile as C11 and run.
|*
\*===----------------------------------------------------------------------===*/

#include "basin/Runtime/basin_rt.h"

#include <stdio.h>

int run_norm(const char *path, int32_t device, void *stream, const void *x, void *y, int32_t rows);
int run_block(const basin_rt_object *object, int32_t device, void *stream,
              const basin_rt_tensor *inputs, size_t count, void *(*allocate)(uint64_t bytes),
              basin_rt_tensor *output);
int run_model(const basin_rt_object *object, int32_t device, void *stream,
              const basin_rt_tensor *inputs, size_t count, void *(*allocate)(uint64_t bytes),
              basin_rt_tensor *output);
int run_project(int32_t device, void *stream, const void *x, const void *weight, const void *bias,
                void *y, int64_t rows, void *(*allocate)(uint64_t bytes));

/* [example] */
int run_norm(const char *path, int32_t device, void *stream, const void *x, void *y, int32_t rows) {
  basin_rt_object *object = NULL;
  const basin_rt_kernel *kernel = NULL;
  basin_rt_argument arguments[3] = {basin_rt_pointer(BASIN_RT_BF16, x),
                                    basin_rt_pointer(BASIN_RT_BF16, y), basin_rt_i32(rows)};
  int good = basin_rt_object_open(path, &object) == BASIN_RT_OK &&
             basin_rt_object_find_kernel(object, "norm", &kernel) == BASIN_RT_OK &&
             basin_rt_launch(kernel, device, stream, arguments, 3) == BASIN_RT_OK;
  if (!good)
    fprintf(stderr, "%s\n", basin_rt_last_error());
  basin_rt_object_free(object); /* waits for the launch */
  return good;
}
/* [example] */

/* [function] */
int run_block(const basin_rt_object *object, int32_t device, void *stream,
              const basin_rt_tensor *inputs, size_t count, void *(*allocate)(uint64_t bytes),
              basin_rt_tensor *output) {
  const basin_rt_function *function = NULL;
  uint64_t size = 0;
  int good = basin_rt_object_find_function(object, "block", &function) == BASIN_RT_OK &&
             basin_rt_function_plan(function, inputs, count, output, 1, &size) == BASIN_RT_OK;
  if (good) {
    /* [rows, dim] of bf16 */
    output->pointer = allocate(2 * (uint64_t)(output->sizes[0] * output->sizes[1]));
    good = basin_rt_function_launch(function, device, stream, inputs, count, output, 1,
                                    allocate(size), size) == BASIN_RT_OK;
  }
  if (!good)
    fprintf(stderr, "%s\n", basin_rt_last_error());
  return good;
}
/* [function] */

/* [model] */
int run_model(const basin_rt_object *object, int32_t device, void *stream,
              const basin_rt_tensor *inputs, size_t count, void *(*allocate)(uint64_t bytes),
              basin_rt_tensor *output) {
  const basin_rt_plan *plan = NULL;
  uint64_t size = 0;
  int good = basin_rt_object_plan(object, &plan) == BASIN_RT_OK &&
             basin_rt_plan_load(plan, device) == BASIN_RT_OK &&
             basin_rt_plan_shapes(plan, inputs, count, output, 1) == BASIN_RT_OK &&
             basin_rt_plan_workspace(plan, inputs, count, &size) == BASIN_RT_OK;
  if (good) {
    /* [batch, tokens, vocabulary] of f32 */
    int64_t rows = output->sizes[0] * output->sizes[1];
    output->pointer = allocate(4 * (uint64_t)(rows * output->sizes[2]));
    good = basin_rt_plan_run(plan, device, stream, inputs, count, output, 1, allocate(size),
                             size) == BASIN_RT_OK;
  }
  if (!good)
    fprintf(stderr, "%s\n", basin_rt_last_error());
  return good;
}
/* [model] */

/* [product] */
int run_project(int32_t device, void *stream, const void *x, const void *weight, const void *bias,
                void *y, int64_t rows, void *(*allocate)(uint64_t bytes)) {
  /* y = x weight^T + bias: x is [rows, 64], the weight [16, 64], y [rows, 16], all of bf16. */
  basin_rt_product product = {.type = BASIN_RT_BF16,
                              .result_type = BASIN_RT_BF16,
                              .m = rows,
                              .n = 16,
                              .k = 64,
                              .a = basin_rt_rows(x, 64),
                              .b = basin_rt_columns(weight, 64),
                              .c = basin_rt_rows(y, 16),
                              .bias = bias,
                              .alpha = 1};
  uint64_t size = 0;
  int good = basin_rt_product_workspace(device, &size) == BASIN_RT_OK &&
             basin_rt_product_run(&product, device, stream, allocate(size), size) == BASIN_RT_OK;
  if (!good)
    fprintf(stderr, "%s\n", basin_rt_last_error());
  return good;
}
/* [product] */
