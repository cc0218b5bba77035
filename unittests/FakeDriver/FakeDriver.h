/*===- FakeDriver.h -----------------------------------------------*- C -*-===*\
|*
|* Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
|* See LICENSE for license information.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* What tests say to the fake driver, beside CUDA's own functions.
|*
\*===----------------------------------------------------------------------===*/

#ifndef BASIN_UNITTESTS_FAKEDRIVER_H
#define BASIN_UNITTESTS_FAKEDRIVER_H

#ifdef __cplusplus
extern "C" {
#endif

/** Forgets all calls and settings; `sizes` says how many bytes each parameter of the
    next launches has. */
void fake_reset(void);
void fake_set_capability(int device, int major, int minor);
void fake_set_parameter_sizes(const int *sizes, int count);
/** How long it takes to load a module, by default long enough for another thread to come along. */
void fake_set_load_time(int milliseconds);
/** Without a log, calls allocate nothing. */
void fake_set_logging(int on);
/** The next call of this function returns `result`. */
void fake_fail(const char *function, int result);
void fake_set_current_device(int device); /* -1: no context */
void fake_set_pointer_device(int device);
/** The calls so far, one a line; the text lives until the next call of this. */
const char *fake_log(void);

#ifdef __cplusplus
}
#endif

#endif /* BASIN_UNITTESTS_FAKEDRIVER_H */
