/* SPDX-License-Identifier: Apache-2.0
 *
 * The small texts inside parameters (times, durations, cursors, conditions, search terms) to values. Pure
 * functions over slices; params.c and filters.c give them their place and their error messages.
 */
#ifndef API_PARSE_H
#define API_PARSE_H

#include "store/columns/filter.h"

/** Unix seconds with fraction, or RFC 3339; result in ms, halves away from zero. */
NODISCARD bool parse_prom_time(struct str s, int64_t *ret_ms);
/** Seconds with fraction, or a Prometheus duration ("1h30m"). */
NODISCARD bool parse_prom_duration(struct str s, int64_t *ret_ms);
/** One number and one unit from ns to d: "250us", "1.5s". Not negative. */
NODISCARD bool parse_duration_ns(struct str s, int64_t *ret_ns);

/** A row's place in a newest-first scan, "TIME_NS-ID". */
struct cursor {
    int64_t before_ns;
    uint64_t before_id;
};

NODISCARD bool parse_cursor(struct str s, struct cursor *ret);

/** key=value, key!=value, key=~regex, key!~regex, key>n, key>=n, key<n, key<=n, or key alone. The key's
 * prefix resource., scope. or attr. names one place; without it attributes, then resource. */
struct condition {
    struct field field;
    enum pred_op op; /* PRED_EXISTS for a key alone */
    struct str value;
};

NODISCARD bool parse_condition(struct str s, struct condition *ret);

/** Cut the next term of a text search off *rest: word, "quoted phrase", either after '-' (must not occur).
 * @return false at the end; empty terms are skipped */
NODISCARD bool parse_next_term(struct str *rest, struct str *ret_term, bool *ret_negate);

#endif
