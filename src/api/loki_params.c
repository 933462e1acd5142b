/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters and errors of the Loki API.
 */
#include "api/loki.h"

#include <math.h>

#include "base/clock.h"

static const int64_t SECOND = 1000000000;

static int status_of(int rc)
{
    switch (-rc) {
    case ERR_INVALID:
    case ERR_LIMIT:
    case ERR_EXEC:
    case ERR_OUT_OF_RANGE:
    case ERR_TRUNCATED:
        return 400;
    case ERR_TIMEOUT:
        return 504;
    case ERR_CANCELED:
        return 499;
    case ERR_NOSPACE:
    case ERR_IO:
    case ERR_NOMEM:
        return 503; /* passes: the client should come back */
    default:
        return err_http_status(rc);
    }
}

void loki_fail(struct http_exchange *x, int rc, const struct err *e)
{
    struct str text = str_cstr(e->msg[0] != '\0' ? e->msg : err_text(rc));
    struct buf b;

    buf_init(&b, 4096);
    buf_add_str(&b, text);
    buf_add_byte(&b, '\n');
    if (status_of(rc) == 429 || status_of(rc) == 503) {
        http_set_header(x, "Retry-After", "1");
    }
    http_respond_take(x, status_of(rc), "text/plain; charset=utf-8", &b);
    buf_done(&b);
}

void loki_ask(struct api *a, struct http_exchange *x, struct logql_ask *ret)
{
    *ret = (struct logql_ask){.logs = store_logs(api_backend(a)->store), .cancel = http_cancel(x)};
    logql_limits_default(&ret->limits);
    ret->budget = api_backend(a)->query_budget;
    http_cancel(x)->deadline = mono_add_ms(clock_mono(), a->opts.query_timeout_ms);
}

bool loki_time(struct str s, int64_t *ret_ns)
{
    double seconds;
    int64_t v;

    if (str_to_i64(s, &v)) {
        if (s.n <= 10) {
            return !__builtin_mul_overflow(v, SECOND, ret_ns);
        }
        *ret_ns = v;
        return true;
    }
    if (str_find_byte(s, 'T') < 0 && str_to_f64(s, &seconds) && fabs(seconds) < 9e9) {
        double whole = floor(seconds);

        *ret_ns = (int64_t)whole * SECOND + (int64_t)round((seconds - whole) * 1e9);
        return true;
    }
    return s.n != 0 && clock_parse_rfc3339(s.p, s.n, ret_ns) == 0;
}

bool loki_duration(struct str s, int64_t *ret_ns)
{
    double seconds;
    int64_t ms;

    if (str_to_f64(s, &seconds)) {
        if (!(fabs(seconds) < 9e9)) {
            return false;
        }
        *ret_ns = (int64_t)(seconds * 1e9);
        return true;
    }
    return str_to_duration_ms(s, &ms) && !__builtin_mul_overflow(ms, 1000000, ret_ns);
}

static int time_param(const struct http_exchange *x, const char *name, int64_t *ret_ns,
                      struct err *reterr)
{
    struct str s = http_param(x, name);

    if (s.n != 0 && !loki_time(s, ret_ns)) {
        return err_set(reterr, ERR_INVALID,
                       "could not parse '%s' parameter: cannot parse \"%.*s\" to a valid timestamp",
                       name, STR_ARG(str_take(s, 80)));
    }
    return 0;
}

int loki_range(const struct http_exchange *x, int64_t back_ns, struct loki_range *ret,
               struct err *reterr)
{
    int64_t now = clock_wall_ns();
    struct str since = http_param(x, "since");
    int rc;

    ret->end_ns = now;
    rc = time_param(x, "end", &ret->end_ns, reterr);
    if (rc == 0 && since.n != 0 && !loki_duration(since, &back_ns)) {
        return err_set(reterr, ERR_INVALID,
                       "could not parse 'since' parameter: not a valid duration string: \"%.*s\"",
                       STR_ARG(str_take(since, 80)));
    }
    ret->start_ns = (ret->end_ns < now ? ret->end_ns : now) - back_ns;
    rc = rc < 0 ? rc : time_param(x, "start", &ret->start_ns, reterr);
    if (rc == 0 && ret->end_ns < ret->start_ns) {
        return err_set(reterr, ERR_INVALID,
                       "end timestamp must not be before or equal to start time");
    }
    return rc;
}

int loki_limit(const struct http_exchange *x, int64_t fallback, int64_t *ret, struct err *reterr)
{
    struct str s = http_param(x, "limit");

    *ret = fallback;
    if (s.n == 0) {
        return 0;
    }
    if (!str_to_i64(s, ret)) {
        return err_set(reterr, ERR_INVALID, "strconv.Atoi: parsing \"%.*s\": invalid syntax",
                       STR_ARG(str_take(s, 60)));
    }
    if (*ret <= 0) {
        return err_set(reterr, ERR_INVALID, "limit must be a positive value");
    }
    if (*ret > LOKI_LIMIT_MAX) {
        return err_set(reterr, ERR_INVALID,
                       "max entries limit per query exceeded, limit > max_entries_limit_per_query "
                       "(%lld > %d)",
                       (long long)*ret, LOKI_LIMIT_MAX);
    }
    return 0;
}

int loki_step(const struct http_exchange *x, const struct loki_range *r, int64_t *ret_ns,
              struct err *reterr)
{
    struct str s = http_param(x, "step");
    int64_t seconds = (r->end_ns - r->start_ns) / SECOND / 250;

    *ret_ns = (seconds > 1 ? seconds : 1) * SECOND;
    if (s.n != 0 && !loki_duration(s, ret_ns)) {
        return err_set(reterr, ERR_INVALID, "cannot parse \"%.*s\" to a valid duration",
                       STR_ARG(str_take(s, 60)));
    }
    if (*ret_ns <= 0) {
        return err_set(reterr, ERR_INVALID,
                       "zero or negative query resolution step widths are not accepted. Try a "
                       "positive integer");
    }
    return 0;
}
