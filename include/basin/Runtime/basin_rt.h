/*===- basin_rt.h -------------------------------------------------*- C -*-===*\
|*
|* Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
|* See LICENSE for license information.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* The C API of libbasin_rt, for C11 and C++. It reads kernel objects
|* (docs/kernels.md), launches their kernels on NVIDIA GPUs, runs whole models, and
|* has matrix products computed by cuBLASLt. docs/runtime.md has the rules of ownership and
|* threads, and an example.
|*
|* Every function that can fail returns a status. It writes its results through
|* its last parameters, and only if it succeeds.
|*
\*===----------------------------------------------------------------------===*/

#ifndef BASIN_RUNTIME_BASIN_RT_H
#define BASIN_RUNTIME_BASIN_RT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BASIN_RT_API __attribute__((visibility("default")))
#else
#define BASIN_RT_API
#endif

/** Goes up with each change that breaks a program that was compiled before. */
#define BASIN_RT_ABI_VERSION 2

typedef enum basin_rt_status {
  BASIN_RT_OK = 0,
  BASIN_RT_INVALID_ARGUMENT = 1,   /**< the call is wrong */
  BASIN_RT_IO_ERROR = 2,           /**< the file cannot be read */
  BASIN_RT_INVALID_OBJECT = 3,     /**< the bytes are no kernel object */
  BASIN_RT_NOT_FOUND = 4,          /**< no kernel or function of that name */
  BASIN_RT_NO_DRIVER = 5,          /**< no CUDA driver, or one that is too old */
  BASIN_RT_UNSUPPORTED_DEVICE = 6, /**< the object has nothing that the device runs */
  BASIN_RT_DRIVER_ERROR = 7,       /**< the driver refused; its error is in the text */
  BASIN_RT_OUT_OF_MEMORY = 8,
  BASIN_RT_INTERNAL_ERROR = 9,
  BASIN_RT_NO_PRODUCT_LIBRARY = 10,   /**< no cuBLASLt, or one of another major version */
  BASIN_RT_PRODUCT_LIBRARY_ERROR = 11 /**< cuBLASLt refused; its status is in the text */
} basin_rt_status;

typedef enum basin_rt_kind {
  BASIN_RT_IN = 0, /**< a pointer to global memory that the kernel reads */
  BASIN_RT_OUT = 1,
  BASIN_RT_INOUT = 2,
  BASIN_RT_SCALAR = 3
} basin_rt_kind;

typedef enum basin_rt_type {
  BASIN_RT_F32 = 0,
  BASIN_RT_F16 = 1,
  BASIN_RT_BF16 = 2,
  BASIN_RT_I8 = 3,
  BASIN_RT_I32 = 4,
  BASIN_RT_I64 = 5,
  BASIN_RT_BOOL = 6 /**< a byte that is 0 or 1; inputs and outputs of a plan may have it */
} basin_rt_type;

typedef enum basin_rt_section_kind {
  BASIN_RT_CUBIN = 0,
  BASIN_RT_PTX = 1,
  BASIN_RT_MLIR = 2,   /**< kernels for the emulator */
  BASIN_RT_WEIGHTS = 3 /**< constants of the plan */
} basin_rt_section_kind;

typedef enum basin_rt_part_kind {
  BASIN_RT_FLAG = 0,
  BASIN_RT_NUMBER = 1,
  BASIN_RT_TEXT = 2
} basin_rt_part_kind;

typedef struct basin_rt_object basin_rt_object;
/** A kernel belongs to its object. */
typedef struct basin_rt_kernel basin_rt_kernel;
/** Several launches that an object has under one name. It belongs to its object. */
typedef struct basin_rt_function basin_rt_function;
/** A whole model. It belongs to its object. */
typedef struct basin_rt_plan basin_rt_plan;

/** The texts in this and the following structs belong to the object. */
typedef struct basin_rt_section_info {
  basin_rt_section_kind kind;
  const char *chip; /**< "sm_90a" */
  uint64_t offset, size;
} basin_rt_section_info;

typedef struct basin_rt_kernel_info {
  const char *name;
  uint32_t block[3];
  uint32_t shared_bytes; /**< of dynamic shared memory */
  size_t argument_count;
  int32_t is_resident; /**< any number of blocks can divide the work of the x axis: a launch has
                            at most as many as the device runs at once */
  const char *family;  /**< "norm"; "" if the object does not say what the kernel computes */
  size_t part_count;   /**< number of parts of the spec that the kernel was made from */
} basin_rt_kernel_info;

/** A part of a kernel's spec, under its name in the options of basin-compile. Parts that have
    their default are absent. */
typedef struct basin_rt_part_info {
  const char *name;
  basin_rt_part_kind kind;
  double number;    /**< the value of a number; 1 or 0 for a flag */
  const char *text; /**< the value of a text, "" otherwise */
} basin_rt_part_info;

typedef struct basin_rt_argument_info {
  const char *name;
  basin_rt_kind kind;
  basin_rt_type type; /**< of the scalar, or of the elements that the pointer points to */
  uint32_t alignment; /**< of a pointer, in bytes */
  int32_t is_strided; /**< the kernel gets the strides, which are multiples of the alignment,
                           except the last, which is 1; other tensors are contiguous */
} basin_rt_argument_info;

/** One factor of an axis of the grid: ceil(argument / per). */
typedef struct basin_rt_grid_factor {
  size_t argument; /**< index of a scalar of type i32 or i64 */
  int64_t per;
} basin_rt_grid_factor;

/** One argument of a launch. Make them with the functions below. */
typedef struct basin_rt_argument {
  int32_t is_scalar;
  basin_rt_type type;
  union {
    const void *pointer; /**< in global memory of the device */
    int32_t i32;
    int64_t i64;
    float f32;
  } value;
} basin_rt_argument;

static inline basin_rt_argument basin_rt_pointer(basin_rt_type type, const void *pointer) {
  basin_rt_argument out;
  out.is_scalar = 0;
  out.type = type;
  out.value.i64 = 0;
  out.value.pointer = pointer;
  return out;
}

static inline basin_rt_argument basin_rt_i32(int32_t value) {
  basin_rt_argument out;
  out.is_scalar = 1;
  out.type = BASIN_RT_I32;
  out.value.i64 = 0;
  out.value.i32 = value;
  return out;
}

static inline basin_rt_argument basin_rt_i64(int64_t value) {
  basin_rt_argument out;
  out.is_scalar = 1;
  out.type = BASIN_RT_I64;
  out.value.i64 = value;
  return out;
}

static inline basin_rt_argument basin_rt_f32(float value) {
  basin_rt_argument out;
  out.is_scalar = 1;
  out.type = BASIN_RT_F32;
  out.value.i64 = 0;
  out.value.f32 = value;
  return out;
}

#define BASIN_RT_MAX_RANK 8

/** A tensor of a function. Strides count elements. */
typedef struct basin_rt_tensor {
  basin_rt_type type;
  uint32_t rank;
  const void *pointer; /**< in global memory of the device */
  int64_t sizes[BASIN_RT_MAX_RANK];
  int64_t strides[BASIN_RT_MAX_RANK];
} basin_rt_tensor;

typedef struct basin_rt_function_info {
  const char *name;
  size_t input_count, output_count, step_count;
} basin_rt_function_info;

typedef struct basin_rt_value_info {
  const char *name;
  basin_rt_type type;
  int32_t is_transposed; /**< a kernel takes this input with its last two axes exchanged, and
                              it must be contiguous in that form. Bring a weight into that form
                              once. Sizes and strides remain those of the input itself */
} basin_rt_value_info;

typedef struct basin_rt_plan_info {
  const char *name;
  size_t input_count, output_count;
  size_t launch_count, product_count; /**< numbers of steps */
  uint64_t weight_bytes;              /**< of memory that the weights take on each device */
} basin_rt_plan_info;

typedef struct basin_rt_plan_value_info {
  const char *name;
  basin_rt_type type;
  uint32_t rank;
} basin_rt_plan_value_info;

/** Describes a contiguous tensor. `rank` is at most BASIN_RT_MAX_RANK. */
static inline basin_rt_tensor basin_rt_contiguous(basin_rt_type type, const void *pointer,
                                                  uint32_t rank, const int64_t *sizes) {
  basin_rt_tensor out;
  uint64_t count = 1;
  uint32_t axis;
  out.type = type;
  out.rank = rank;
  out.pointer = pointer;
  for (axis = BASIN_RT_MAX_RANK; axis-- > 0;) {
    out.sizes[axis] = axis < rank ? sizes[axis] : 1;
    out.strides[axis] = (int64_t)count;
    count *= out.sizes[axis] > 1 ? (uint64_t)out.sizes[axis] : 1;
  }
  return out;
}

/** Returns the library's BASIN_RT_ABI_VERSION. Compare it with the header's. */
BASIN_RT_API int32_t basin_rt_abi_version(void);

/** Returns why this thread's last failed call failed. The text is never null, and is valid until
    this thread's next call that fails. */
BASIN_RT_API const char *basin_rt_last_error(void);

/** Returns a status's name, like "invalid object". */
BASIN_RT_API const char *basin_rt_status_name(basin_rt_status status);

/*--- Objects: none of these needs a driver ----------------------------------*/

/** Reads a file, which is not needed afterwards. */
BASIN_RT_API basin_rt_status basin_rt_object_open(const char *path, basin_rt_object **object);

/** Makes an object from a copy of `size` bytes. */
BASIN_RT_API basin_rt_status basin_rt_object_create(const void *data, size_t size,
                                                    basin_rt_object **object);

/** Waits for each device that the object is loaded on, unloads it there, and frees it
    with its kernels. Does nothing if `object` is null. */
BASIN_RT_API void basin_rt_object_free(basin_rt_object *object);

BASIN_RT_API size_t basin_rt_object_section_count(const basin_rt_object *object);
BASIN_RT_API basin_rt_status basin_rt_object_section(const basin_rt_object *object, size_t index,
                                                     basin_rt_section_info *info);
/** Finds the section that a device of compute capability major.minor gets. */
BASIN_RT_API basin_rt_status basin_rt_object_choose_section(const basin_rt_object *object,
                                                            int32_t major, int32_t minor,
                                                            size_t *index);

BASIN_RT_API size_t basin_rt_object_kernel_count(const basin_rt_object *object);
BASIN_RT_API basin_rt_status basin_rt_object_kernel(const basin_rt_object *object, size_t index,
                                                    const basin_rt_kernel **kernel);
BASIN_RT_API basin_rt_status basin_rt_object_find_kernel(const basin_rt_object *object,
                                                         const char *name,
                                                         const basin_rt_kernel **kernel);

BASIN_RT_API basin_rt_status basin_rt_kernel_describe(const basin_rt_kernel *kernel,
                                                      basin_rt_kernel_info *info);
BASIN_RT_API basin_rt_status basin_rt_kernel_argument(const basin_rt_kernel *kernel, size_t index,
                                                      basin_rt_argument_info *info);
BASIN_RT_API basin_rt_status basin_rt_kernel_part(const basin_rt_kernel *kernel, size_t index,
                                                  basin_rt_part_info *info);
/** Returns the number of factors of an axis of the grid, and 0 if `axis` is not 0, 1 or 2. */
BASIN_RT_API size_t basin_rt_kernel_factor_count(const basin_rt_kernel *kernel, uint32_t axis);
BASIN_RT_API basin_rt_status basin_rt_kernel_factor(const basin_rt_kernel *kernel, uint32_t axis,
                                                    size_t index, basin_rt_grid_factor *factor);

/** Computes the grid of a launch with these arguments. It looks only at the values of scalars.
    The grid is all 0 if a size that it depends on is 0. */
BASIN_RT_API basin_rt_status basin_rt_kernel_grid(const basin_rt_kernel *kernel,
                                                  const basin_rt_argument *arguments, size_t count,
                                                  uint32_t grid[3]);

/*--- Devices ----------------------------------------------------------------*/

/** Stands for the device of the calling thread's current CUDA context. */
#define BASIN_RT_CURRENT_DEVICE (-1)

/** Uses the driver at `path` instead of libcuda.so.1. Call it before anything that needs a
    driver. It fails once another driver is in use. */
BASIN_RT_API basin_rt_status basin_rt_use_driver(const char *path);

BASIN_RT_API basin_rt_status basin_rt_device_count(int32_t *count);
BASIN_RT_API basin_rt_status basin_rt_device_capability(int32_t device, int32_t *major,
                                                        int32_t *minor);
/** Finds the device whose memory `pointer` points to. */
BASIN_RT_API basin_rt_status basin_rt_pointer_device(const void *pointer, int32_t *device);

/** Loads a kernel on a device. A launch does so, too. Call this before a stream is captured,
    because loading is not allowed during a capture. */
BASIN_RT_API basin_rt_status basin_rt_kernel_load(const basin_rt_kernel *kernel, int32_t device);

/** Launches in the device's primary context, the one that the CUDA runtime uses.
    `stream` is a CUstream or cudaStream_t, and null is the default stream. If the grid is
    empty, it succeeds and does nothing. */
BASIN_RT_API basin_rt_status basin_rt_launch(const basin_rt_kernel *kernel, int32_t device,
                                             void *stream, const basin_rt_argument *arguments,
                                             size_t count);

/*--- Functions --------------------------------------------------------------*/

BASIN_RT_API size_t basin_rt_object_function_count(const basin_rt_object *object);
BASIN_RT_API basin_rt_status basin_rt_object_function(const basin_rt_object *object, size_t index,
                                                      const basin_rt_function **function);
BASIN_RT_API basin_rt_status basin_rt_object_find_function(const basin_rt_object *object,
                                                           const char *name,
                                                           const basin_rt_function **function);
BASIN_RT_API basin_rt_status basin_rt_function_describe(const basin_rt_function *function,
                                                        basin_rt_function_info *info);
BASIN_RT_API basin_rt_status basin_rt_function_input(const basin_rt_function *function,
                                                     size_t index, basin_rt_value_info *info);
BASIN_RT_API basin_rt_status basin_rt_function_output(const basin_rt_function *function,
                                                      size_t index, basin_rt_value_info *info);

/** Computes what a launch on these inputs needs. It fills in the type, rank, sizes and strides of
    each output, which is contiguous, leaves its pointer as it is, and writes the size of the
    workspace. It does not look at pointers of inputs, and needs no driver. */
BASIN_RT_API basin_rt_status basin_rt_function_plan(const basin_rt_function *function,
                                                    const basin_rt_tensor *inputs,
                                                    size_t input_count, basin_rt_tensor *outputs,
                                                    size_t output_count, uint64_t *workspace_bytes);

/** Loads all kernels of the function on a device, as basin_rt_kernel_load does. */
BASIN_RT_API basin_rt_status basin_rt_function_load(const basin_rt_function *function,
                                                    int32_t device);

/** Launches all steps of the function, in order, on one stream. Outputs are those of the plan,
    with pointers. They share no memory with inputs or with each other. The workspace is memory of
    the device, aligned to 256 bytes. Nothing else may use it until the stream has done the launch.
    Nothing is launched if an argument of any step is wrong. */
BASIN_RT_API basin_rt_status basin_rt_function_launch(
    const basin_rt_function *function, int32_t device, void *stream, const basin_rt_tensor *inputs,
    size_t input_count, const basin_rt_tensor *outputs, size_t output_count, void *workspace,
    uint64_t workspace_bytes);

/*--- Whole models -----------------------------------------------------------*/

/** Finds the plan of a model that basin-compile made. */
BASIN_RT_API basin_rt_status basin_rt_object_plan(const basin_rt_object *object,
                                                  const basin_rt_plan **plan);
BASIN_RT_API basin_rt_status basin_rt_plan_describe(const basin_rt_plan *plan,
                                                    basin_rt_plan_info *info);
BASIN_RT_API basin_rt_status basin_rt_plan_input(const basin_rt_plan *plan, size_t index,
                                                 basin_rt_plan_value_info *info);
BASIN_RT_API basin_rt_status basin_rt_plan_output(const basin_rt_plan *plan, size_t index,
                                                  basin_rt_plan_value_info *info);

/** Computes the outputs' types, ranks, sizes and strides for these inputs, which are contiguous.
    Outputs are contiguous, too, and their pointers stay as they are. Inputs whose sizes contradict
    each other, or that a step cannot compute with, are refused. This and the next function do not
    look at pointers, and need no driver. */
BASIN_RT_API basin_rt_status basin_rt_plan_shapes(const basin_rt_plan *plan,
                                                  const basin_rt_tensor *inputs, size_t input_count,
                                                  basin_rt_tensor *outputs, size_t output_count);

/** Writes the size of the workspace of a run on these inputs. It is enough on any device. */
BASIN_RT_API basin_rt_status basin_rt_plan_workspace(const basin_rt_plan *plan,
                                                     const basin_rt_tensor *inputs,
                                                     size_t input_count, uint64_t *workspace_bytes);

/** Loads the kernels, the library of products if there is a product, and the weights. The weights
    take memory of the device until the object is freed. Loading waits for the device. */
BASIN_RT_API basin_rt_status basin_rt_plan_load(const basin_rt_plan *plan, int32_t device);

/** Enqueues all steps, in order, on one stream. The plan must be loaded on the device. Outputs are
    those of basin_rt_plan_shapes, with pointers, and share no memory with inputs or each other. The
    workspace is memory of the device, aligned to 256 bytes and apart from all tensors. Nothing else
    may use it until the stream has done the run. Nothing is launched if an argument of any step is
    wrong. A run allocates no memory of the device and does not wait for it. After one run on inputs
    of the same sizes, it may be part of a CUDA graph. */
BASIN_RT_API basin_rt_status basin_rt_plan_run(const basin_rt_plan *plan, int32_t device,
                                               void *stream, const basin_rt_tensor *inputs,
                                               size_t input_count, const basin_rt_tensor *outputs,
                                               size_t output_count, void *workspace,
                                               uint64_t workspace_bytes);

/*--- Matrix products --------------------------------------------------------*/

#define BASIN_RT_MAX_BATCH 4

/** A matrix of a product, or a batch of them. Strides count elements: element (i, j) lies
    i * row_stride + j * column_stride behind the first one. One of the two strides is 1, unless
    the size along its axis is 1. The other is at least the size of the contiguous axis. */
typedef struct basin_rt_matrix {
  const void *pointer; /**< in global memory of the device */
  int64_t row_stride, column_stride;
  int64_t batch_strides[BASIN_RT_MAX_BATCH]; /**< 0 repeats an input along the axis */
} basin_rt_matrix;

/** Describes a matrix whose rows are contiguous and begin `stride` elements apart. It has no
    batch. */
static inline basin_rt_matrix basin_rt_rows(const void *pointer, int64_t stride) {
  basin_rt_matrix out = {pointer, stride, 1, {0, 0, 0, 0}};
  return out;
}

/** Does the same for a matrix whose columns are contiguous, such as a transpose. */
static inline basin_rt_matrix basin_rt_columns(const void *pointer, int64_t stride) {
  basin_rt_matrix out = {pointer, 1, stride, {0, 0, 0, 0}};
  return out;
}

/** c = alpha * a b + bias, for each element of the batch. Sums and alpha are f32, and a result is
    rounded once. a is [m, k], b is [k, n], c is [m, n], and the bias is added to each row. */
typedef struct basin_rt_product {
  basin_rt_type type;        /**< of a and b: f32, f16 or bf16 */
  basin_rt_type result_type; /**< of c and the bias: the type of a and b, or f32 */
  int64_t m, n, k;
  uint32_t batch_rank; /**< number of axes of the batch, at most BASIN_RT_MAX_BATCH */
  int32_t allow_tf32;  /**< allow the factors of an f32 product to be rounded to TF32 */
  int64_t batch[BASIN_RT_MAX_BATCH];
  basin_rt_matrix a, b, c;
  const void *bias; /**< [n], contiguous, or null; it needs a c whose rows are contiguous */
  float alpha;
} basin_rt_product;

/** Computes products in the place of cuBLASLt. */
typedef struct basin_rt_product_provider {
  void *context;
  /** Gets products that basin_rt_product_check accepts and that have results; k may be 0. It is
      called from any thread. A failure is reported with the provider's status. */
  basin_rt_status (*run)(void *context, const basin_rt_product *product, int32_t device,
                         void *stream, void *workspace, uint64_t workspace_bytes);
} basin_rt_product_provider;

/** Uses the cuBLASLt at `path`, of version 12 or 13, instead of libcublasLt.so.13 or
    libcublasLt.so.12. It fails once another one is in use. */
BASIN_RT_API basin_rt_status basin_rt_use_cublaslt(const char *path);

/** Lets `provider`, which is copied, compute all later products. Null gives cuBLASLt back. */
BASIN_RT_API basin_rt_status basin_rt_use_products(const basin_rt_product_provider *provider);

/** Checks a product as basin_rt_product_run does. It needs no driver. */
BASIN_RT_API basin_rt_status basin_rt_product_check(const basin_rt_product *product);

/** Loads cuBLASLt on a device. Running a product does so, too. Call this before a stream is
    captured. Does nothing if a provider is in use. */
BASIN_RT_API basin_rt_status basin_rt_product_load(int32_t device);

/** Writes the size of the workspace that NVIDIA advises for the device. Products run with any
    size; less memory leaves cuBLASLt fewer algorithms. The size is 0 if a provider is in use. */
BASIN_RT_API basin_rt_status basin_rt_product_workspace(int32_t device, uint64_t *bytes);

/** Runs a product on a stream, in the device's primary context. If m, n or the batch is 0, it
    succeeds and does nothing. c shares no memory with the other tensors. The workspace is memory
    of the device, aligned to 256 bytes, or null with 0 bytes. Nothing else may use it until the
    stream has done the product. The first run of a shape on a device asks cuBLASLt for an
    algorithm; later runs allocate nothing. No run waits for the device. */
BASIN_RT_API basin_rt_status basin_rt_product_run(const basin_rt_product *product, int32_t device,
                                                  void *stream, void *workspace,
                                                  uint64_t workspace_bytes);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BASIN_RUNTIME_BASIN_RT_H */
