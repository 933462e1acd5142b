/* SPDX-License-Identifier: Apache-2.0
 *
 * Two clocks that cannot be mixed up: wall time is an int64 since the Unix epoch with its unit in the
 * name, monotonic time is a struct.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#include "base/compiler.h"

/** A reading of CLOCK_MONOTONIC. */
struct mono {
    int64_t ns;
};

int64_t clock_wall_ns(void);
int64_t clock_wall_ms(void);
struct mono clock_mono(void);
/** CPU time of the calling thread, ns. */
int64_t clock_thread_cpu_ns(void);

static inline int64_t mono_since_ns(struct mono start)
{
    return clock_mono().ns - start.ns;
}

static inline struct mono mono_add_ms(struct mono t, int64_t ms)
{
    return (struct mono){t.ns + ms * 1000000};
}

/** Sleep; returns early only on a signal. */
void clock_sleep_ms(int64_t ms);

/** RFC 3339 in UTC with milliseconds, "2026-01-02T03:04:05.678Z" (25 bytes with NUL). */
enum { CLOCK_RFC3339_SIZE = 32 };

void clock_format_rfc3339(int64_t wall_ms, char dst[CLOCK_RFC3339_SIZE]);
/** Parse RFC 3339 with any fraction and offset. @return 0, -ERR_INVALID. */
NODISCARD int clock_parse_rfc3339(const char *p, size_t n, int64_t *ret_wall_ns);

/** Days from 1970-01-01 to a date of the Gregorian calendar; month 1-12, day 1-31. */
int64_t clock_days_of(int64_t year, int64_t month, int64_t day);
/** And back. */
void clock_date_of(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day);
int64_t clock_days_in_month(int64_t year, int64_t month);

#endif
