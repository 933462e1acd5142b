/* SPDX-License-Identifier: Apache-2.0
 *
 * Scalars: times, durations, integers, ranges, cursors.
 */
#include "api/params.h"

#include "base/clock.h"
#include "base/err.h"

int param_prom_time(const struct http_exchange *x, const char *name, int64_t fallback_ms,
                    int64_t *ret_ms, struct err *reterr)
{
    struct str s = http_param(x, name);

    if (s.n == 0) {
        *ret_ms = fallback_ms;
        return 0;
    }
    if (!parse_prom_time(s, ret_ms)) {
        return err_set(reterr, ERR_INVALID,
                       "invalid parameter \"%s\": cannot parse \"%.*s\" to a valid timestamp", name,
                       STR_ARG(s));
    }
    return 0;
}

int param_prom_step(const struct http_exchange *x, const char *name, int64_t *ret_ms,
                    struct err *reterr)
{
    struct str s = http_param(x, name);
    int64_t ms = 0;

    if (!parse_prom_duration(s, &ms)) {
        return err_set(reterr, ERR_INVALID,
                       "invalid parameter \"%s\": cannot parse \"%.*s\" to a valid duration", name,
                       STR_ARG(s));
    }
    if (ms <= 0) {
        return err_set(
            reterr, ERR_INVALID,
            "invalid parameter \"%s\": zero or negative query resolution step widths are "
            "not accepted. Try a positive integer",
            name);
    }
    *ret_ms = ms;
    return 0;
}

int param_i64(const struct http_exchange *x, const char *name, int64_t min, int64_t max,
              int64_t fallback, int64_t *ret, struct err *reterr)
{
    struct str s = http_param(x, name);
    int64_t v;

    if (s.n == 0) {
        *ret = fallback;
        return 0;
    }
    if (!str_to_i64(s, &v) || v < min || v > max) {
        return err_set(reterr, ERR_INVALID, "%s: \"%.*s\" is not an integer from %lld to %lld",
                       name, STR_ARG(s), (long long)min, (long long)max);
    }
    *ret = v;
    return 0;
}

int param_duration_ns(const struct http_exchange *x, const char *name, int64_t *ret_ns,
                      bool *ret_given, struct err *reterr)
{
    struct str s = http_param(x, name);

    *ret_given = s.n != 0;
    if (s.n != 0 && !parse_duration_ns(s, ret_ns)) {
        return err_set(reterr, ERR_INVALID,
                       "%s: \"%.*s\" is not a duration such as 250us, 100ms, 1.5s, 2m", name,
                       STR_ARG(s));
    }
    return 0;
}

int param_range(const struct http_exchange *x, struct time_range *ret, struct err *reterr)
{
    const int64_t limit = INT64_MAX / 1000000;
    int64_t now = clock_wall_ms();
    int rc = param_i64(x, "end_ms", 0, limit, now + 1, &ret->end_ms, reterr);

    rc = rc < 0 ? rc
                : param_i64(x, "start_ms", 0, limit, ret->end_ms - 3600000, &ret->start_ms, reterr);
    if (rc == 0 && ret->start_ms >= ret->end_ms) {
        return err_set(reterr, ERR_INVALID, "start_ms (%lld) must be before end_ms (%lld)",
                       (long long)ret->start_ms, (long long)ret->end_ms);
    }
    return rc;
}

int param_cursor(const struct http_exchange *x, struct cursor *ret, struct err *reterr)
{
    struct str s = http_param(x, "cursor");

    *ret = (struct cursor){INT64_MAX, UINT64_MAX};
    if (s.n != 0 && !parse_cursor(s, ret)) {
        return err_set(reterr, ERR_INVALID, "cursor: not one that this server gave");
    }
    return 0;
}
