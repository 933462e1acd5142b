/* SPDX-License-Identifier: Apache-2.0
 *
 * What a check of a data directory says, file by file, whichever engine the files belong to.
 */
#ifndef STORE_CHECK_REPORT_H
#define STORE_CHECK_REPORT_H

#include <stdbool.h>
#include <stdint.h>

enum check_state {
    CHECK_WHOLE,
    CHECK_DAMAGED,
    CHECK_REPAIRED, /* was damaged; what is left of it is whole now, or it was put aside */
};

/** One part, log or file. Strings live during the call. */
struct check_finding {
    enum check_state state;
    const char *path;
    const char *detail; /* of damage and repair; "" when whole */
    uint64_t bytes;
    uint64_t rows; /* samples, points, rows, records */
};

struct check_report {
    void (*fn)(void *arg, const struct check_finding *f);
    void *arg;
    bool repair; /* mend what can be mended; else nothing is written */
};

static inline void check_say(const struct check_report *r, enum check_state state, const char *path,
                             const char *detail, uint64_t bytes, uint64_t rows)
{
    r->fn(r->arg, &(struct check_finding){state, path, detail, bytes, rows});
}

#endif
