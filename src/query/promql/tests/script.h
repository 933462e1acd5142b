/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs test scripts in the form of Prometheus' promqltest: load, eval, clear. See tests/README.md for the
 * commands.
 */
#ifndef QUERY_PROMQL_TESTS_SCRIPT_H
#define QUERY_PROMQL_TESTS_SCRIPT_H

#include "base/str.h"

/** Run one script; every mismatch is printed with file and line. @return failures */
int script_run(const char *path, int *ret_evals);

#endif
