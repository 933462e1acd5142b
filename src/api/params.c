/* SPDX-License-Identifier: Apache-2.0
 *
 * Scalars: times, durations, integers, ranges, cursors.
 */
#include "api/params.h"

#include <math.h>

#include "base/clock.h"
#include "base/err.h"

static bool parse_prom_time(struct str s, int64_t *ret_ms)
{
    double seconds;
    int64_t ns;

    if (str_to_f64(s, &seconds)) {
        if (!isfinite(seconds) || fabs(seconds) > 9.2e12) {
            return false;
        }
        *ret_ms = (int64_t)llround(seconds * 1000);
        return true;
    }
    if (clock_parse_rfc3339(s.p, s.n, &ns) == 0) {
        *ret_ms = ns / 1000000;
        return true;
    }
    return false;
}

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
    double seconds;
    int64_t ms = 0;

    if (str_to_f64(s, &seconds) && isfinite(seconds) && fabs(seconds) < 9.2e12) {
        ms = (int64_t)llround(seconds * 1000);
    } else if (!str_to_duration_ms(s, &ms)) {
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

static const struct {
    struct str unit;
    double ns;
} UNITS[] = {
    {{"ns", 2}, 1},   {{"us", 2}, 1e3},   {{"ms", 2}, 1e6},    {{"s", 1}, 1e9},
    {{"m", 1}, 60e9}, {{"h", 1}, 3600e9}, {{"d", 1}, 86400e9},
};

static bool parse_duration_ns(struct str s, int64_t *ret_ns)
{
    size_t n = 0;
    double v;

    while (n < s.n && ((s.p[n] >= '0' && s.p[n] <= '9') || s.p[n] == '.')) {
        n++;
    }
    if (!str_to_f64(str_take(s, n), &v)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (str_eq(str_drop(s, n), UNITS[i].unit) && v * UNITS[i].ns < 9.2e18) {
            *ret_ns = (int64_t)llround(v * UNITS[i].ns);
            return true;
        }
    }
    return false;
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
    struct str rest = s;
    struct str time;

    *ret = (struct cursor){INT64_MAX, UINT64_MAX};
    if (s.n == 0) {
        return 0;
    }
    if (!str_split(&rest, '-', &time) || !str_to_i64(time, &ret->before_ns) ||
        !str_to_u64(rest, &ret->before_id)) {
        return err_set(reterr, ERR_INVALID, "cursor: not one that this server gave");
    }
    return 0;
}
