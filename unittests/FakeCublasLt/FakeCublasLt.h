/*===- FakeCublasLt.h ---------------------------------------------*- C -*-===*\
|*
|* Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
|* See LICENSE for license information.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* What tests say to the fake cuBLASLt, beside the library's own functions.
|*
\*===----------------------------------------------------------------------===*/

#ifndef BASIN_UNITTESTS_FAKECUBLASLT_H
#define BASIN_UNITTESTS_FAKECUBLASLT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Forgets all calls and settings, but not the objects that exist. */
void fake_lt_reset(void);
void fake_lt_set_version(size_t version);
/** The call of this function after `calls` others of it returns `result`. */
void fake_lt_fail(const char *function, int calls, int result);
/** The search for algorithms finds none. */
void fake_lt_find_nothing(void);
/** Number of descriptors, layouts and preferences that were not destroyed. */
int fake_lt_live(void);
/** The calls so far, one a line; the text lives until the next call of this. */
const char *fake_lt_log(void);

#ifdef __cplusplus
}
#endif

#endif /* BASIN_UNITTESTS_FAKECUBLASLT_H */
