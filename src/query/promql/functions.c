/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of functions and the drivers of the simple kinds. Source of names, signatures and meaning:
 * Prometheus 2.x documentation, querying/functions.
 */
#include <stdlib.h>

#include "query/promql/eval.h"
#include "query/promql/gotext.h"
#include "query/promql/special.h"
#include "query/promql/window.h"

const char *value_type_text(enum value_type t)
{
    static const char *const text[] = {"none", "scalar", "instant vector", "range vector",
                                       "string"};

    return text[t];
}

/* --- Value to value --- */

static double map_sgn(double v)
{
    return v < 0 ? -1 : v > 0 ? 1 : v;
}

static double map_deg(double v)
{
    return v * 180 / M_PI;
}

static double map_rad(double v)
{
    return v * M_PI / 180;
}

static double map_abs(double v)
{
    return fabs(v);
}

/* --- Dates: of a Unix time in seconds, in UTC --- */

struct civil {
    int64_t year;
    unsigned month; /* 1..12 */
    unsigned day;   /* 1..31 */
    int64_t days;   /* since 1970-01-01 */
};

enum { DAY_S = 86400 };

/** 1970-01-01 counted from Go's absolute zero, January 1st of the year -292277022399. */
#define UNIX_TO_ABSOLUTE_S 9223372028715321600u

/** Seconds since Go's absolute zero. What does not fit an int64 becomes INT64_MIN, as on amd64. */
static uint64_t absolute_seconds(double v)
{
    int64_t s = v >= -9223372036854775808.0 && v < 9223372036854775808.0 ? (int64_t)v : INT64_MIN;

    return (uint64_t)s + UNIX_TO_ABSOLUTE_S;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/** Days to a Gregorian date, eras of 400 years counted from March 1st (Hinnant 2013, civil_from_days). */
static struct civil civil_of(double v)
{
    int64_t days = (int64_t)(absolute_seconds(v) / DAY_S) - (int64_t)(UNIX_TO_ABSOLUTE_S / DAY_S);
    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    unsigned month = mp < 10 ? mp + 3 : mp - 9;

    return (struct civil){.year = era * 400 + yoe + (month <= 2),
                          .month = month,
                          .day = doy - (153 * mp + 2) / 5 + 1,
                          .days = days};
}

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static double date_year(double v)
{
    return (double)civil_of(v).year;
}

static double date_month(double v)
{
    return civil_of(v).month;
}

static double date_day_of_month(double v)
{
    return civil_of(v).day;
}

static double date_day_of_week(double v)
{
    return (double)(civil_of(v).days - floor_div(civil_of(v).days + 4, 7) * 7 + 4);
}

static double date_day_of_year(double v)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    struct civil c = civil_of(v);

    return before[c.month - 1] + (int)c.day + (c.month > 2 && is_leap(c.year));
}

static double date_days_in_month(double v)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct civil c = civil_of(v);

    return days[c.month - 1] + (c.month == 2 && is_leap(c.year));
}

static double date_hour(double v)
{
    uint64_t hour = absolute_seconds(v) % DAY_S / 3600;

    return (double)hour;
}

static double date_minute(double v)
{
    uint64_t minute = absolute_seconds(v) % 3600 / 60;

    return (double)minute;
}

/* --- The table, sorted by name --- */

#define MAP(fn_name, fn)                                                                         \
    {                                                                                            \
        .name = fn_name, .args = {TYPE_VECTOR}, .args_n = 1, .ret = TYPE_VECTOR, .kind = FN_MAP, \
        .map = fn                                                                                \
    }
#define DATE(fn_name, fn)                                                                       \
    {                                                                                           \
        .name = fn_name, .args = {TYPE_VECTOR}, .args_n = 1, .variadic = 1, .ret = TYPE_VECTOR, \
        .kind = FN_DATE, .time_dependent = true, .map = fn                                      \
    }
#define COUNTER(fn_name, fn)                                                     \
    {                                                                            \
        .name = fn_name, .args = {TYPE_MATRIX}, .args_n = 1, .ret = TYPE_VECTOR, \
        .kind = FN_WINDOW, .counter = true, .window = fn                         \
    }
#define REDUCED(fn_name, fn, reduce_fn)                                          \
    {                                                                            \
        .name = fn_name, .args = {TYPE_MATRIX}, .args_n = 1, .ret = TYPE_VECTOR, \
        .kind = FN_WINDOW, .window = fn, .reduce = reduce_fn                     \
    }
#define WINDOW(fn_name, fn)                                                      \
    {                                                                            \
        .name = fn_name, .args = {TYPE_MATRIX}, .args_n = 1, .ret = TYPE_VECTOR, \
        .kind = FN_WINDOW, .window = fn                                          \
    }

static const struct function table[] = {
    MAP("abs", map_abs),
    {.name = "absent",
     .args = {TYPE_VECTOR},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_absent},
    {.name = "absent_over_time",
     .args = {TYPE_MATRIX},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_absent_over_time},
    MAP("acos", acos),
    MAP("acosh", acosh),
    MAP("asin", asin),
    MAP("asinh", asinh),
    MAP("atan", atan),
    MAP("atanh", atanh),
    WINDOW("avg_over_time", window_avg),
    MAP("ceil", ceil),
    WINDOW("changes", window_changes),
    {.name = "clamp",
     .args = {TYPE_VECTOR, TYPE_SCALAR, TYPE_SCALAR},
     .args_n = 3,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_clamp},
    {.name = "clamp_max",
     .args = {TYPE_VECTOR, TYPE_SCALAR},
     .args_n = 2,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_clamp_max},
    {.name = "clamp_min",
     .args = {TYPE_VECTOR, TYPE_SCALAR},
     .args_n = 2,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_clamp_min},
    MAP("cos", cos),
    MAP("cosh", cosh),
    WINDOW("count_over_time", window_count),
    DATE("day_of_month", date_day_of_month),
    DATE("day_of_week", date_day_of_week),
    DATE("day_of_year", date_day_of_year),
    DATE("days_in_month", date_days_in_month),
    MAP("deg", map_deg),
    WINDOW("delta", window_delta),
    WINDOW("deriv", window_deriv),
    {.name = "double_exponential_smoothing",
     .experimental = true,
     .args = {TYPE_MATRIX, TYPE_SCALAR, TYPE_SCALAR},
     .args_n = 3,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .window = window_holt_winters},
    {.name = "end",
     .args_n = 0,
     .ret = TYPE_SCALAR,
     .kind = FN_SPECIAL,
     .experimental = true,
     .constant = TOK_END,
     .special = special_pi},
    MAP("exp", exp),
    {.name = "first_over_time",
     .args = {TYPE_MATRIX},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .keep_name = true,
     .window = window_first},
    MAP("floor", floor),
    {.name = "histogram_avg",
     .args = {TYPE_VECTOR},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_histogram_avg},
    {.name = "histogram_count",
     .args = {TYPE_VECTOR},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_histogram_count},
    {.name = "histogram_fraction",
     .args = {TYPE_SCALAR, TYPE_SCALAR, TYPE_VECTOR},
     .args_n = 3,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_histogram_fraction},
    {.name = "histogram_quantile",
     .args = {TYPE_SCALAR, TYPE_VECTOR},
     .args_n = 2,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_histogram_quantile},
    {.name = "histogram_quantiles",
     .args = {TYPE_VECTOR, TYPE_STRING, TYPE_SCALAR, TYPE_SCALAR},
     .args_n = 4,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .variadic = 9,
     .experimental = true,
     .special = special_histogram_quantiles},
    {.name = "histogram_stddev",
     .args = {TYPE_VECTOR},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_histogram_stddev},
    {.name = "histogram_stdvar",
     .args = {TYPE_VECTOR},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_histogram_stdvar},
    {.name = "histogram_sum",
     .args = {TYPE_VECTOR},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_histogram_sum},
    {.name = "holt_winters",
     .only_2x = true,
     .args = {TYPE_MATRIX, TYPE_SCALAR, TYPE_SCALAR},
     .args_n = 3,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .window = window_holt_winters},
    DATE("hour", date_hour),
    WINDOW("idelta", window_idelta),
    {.name = "increase",
     .args = {TYPE_MATRIX},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .counter = true,
     .counter_name = true,
     .window = window_increase},
    {.name = "info",
     .args = {TYPE_VECTOR, TYPE_VECTOR},
     .args_n = 2,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .variadic = 1,
     .time_dependent = true,
     .info = true,
     .experimental = true,
     .special = eval_info},
    {.name = "integral",
     .args = {TYPE_MATRIX, TYPE_SCALAR},
     .args_n = 2,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .variadic = 1,
     .experimental = true,
     .default_arg = 2,
     .window = window_integral},
    WINDOW("irate", window_irate),
    {.name = "label_join",
     .args = {TYPE_VECTOR, TYPE_STRING, TYPE_STRING, TYPE_STRING},
     .args_n = 4,
     .variadic = -1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_label_join},
    {.name = "label_replace",
     .args = {TYPE_VECTOR, TYPE_STRING, TYPE_STRING, TYPE_STRING, TYPE_STRING},
     .args_n = 5,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_label_replace},
    {.name = "last_over_time",
     .args = {TYPE_MATRIX},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .keep_name = true,
     .window = window_last},
    MAP("ln", log),
    MAP("log10", log10),
    MAP("log2", log2),
    {.name = "mad_over_time",
     .args = {TYPE_MATRIX},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .experimental = true,
     .window = window_mad},
    {.name = "max_of",
     .args = {TYPE_SCALAR, TYPE_SCALAR},
     .args_n = 2,
     .ret = TYPE_SCALAR,
     .kind = FN_SPECIAL,
     .experimental = true,
     .special = special_max_of},
    REDUCED("max_over_time", window_max, extreme_max),
    {.name = "min_of",
     .args = {TYPE_SCALAR, TYPE_SCALAR},
     .args_n = 2,
     .ret = TYPE_SCALAR,
     .kind = FN_SPECIAL,
     .experimental = true,
     .special = special_min_of},
    REDUCED("min_over_time", window_min, extreme_min),
    DATE("minute", date_minute),
    DATE("month", date_month),
    {.name = "pi", .ret = TYPE_SCALAR, .kind = FN_SPECIAL, .special = special_pi},
    {.name = "predict_linear",
     .args = {TYPE_MATRIX, TYPE_SCALAR},
     .args_n = 2,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .time_dependent = true,
     .window = window_predict_linear},
    WINDOW("present_over_time", window_present),
    {.name = "quantile_over_time",
     .args = {TYPE_SCALAR, TYPE_MATRIX},
     .args_n = 2,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .window = window_quantile},
    MAP("rad", map_rad),
    {.name = "range",
     .args_n = 0,
     .ret = TYPE_SCALAR,
     .kind = FN_SPECIAL,
     .experimental = true,
     .constant = TOK_RANGE,
     .special = special_pi},
    {.name = "rate",
     .args = {TYPE_MATRIX},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .counter = true,
     .counter_name = true,
     .window = window_rate},
    COUNTER("resets", window_resets),
    {.name = "round",
     .args = {TYPE_VECTOR, TYPE_SCALAR},
     .args_n = 2,
     .variadic = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_round},
    {.name = "scalar",
     .args = {TYPE_VECTOR},
     .args_n = 1,
     .ret = TYPE_SCALAR,
     .kind = FN_SPECIAL,
     .special = special_scalar},
    MAP("sgn", map_sgn),
    MAP("sin", sin),
    MAP("sinh", sinh),
    {.name = "sort",
     .args = {TYPE_VECTOR},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .orders = true,
     .special = special_sort},
    {.name = "sort_by_label",
     .args = {TYPE_VECTOR, TYPE_STRING},
     .args_n = 2,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .variadic = -1,
     .experimental = true,
     .orders = true,
     .special = special_sort_by_label},
    {.name = "sort_by_label_desc",
     .args = {TYPE_VECTOR, TYPE_STRING},
     .args_n = 2,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .variadic = -1,
     .experimental = true,
     .orders = true,
     .special = special_sort_by_label_desc},
    {.name = "sort_desc",
     .args = {TYPE_VECTOR},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .orders = true,
     .special = special_sort_desc},
    MAP("sqrt", sqrt),
    {.name = "start",
     .args_n = 0,
     .ret = TYPE_SCALAR,
     .kind = FN_SPECIAL,
     .experimental = true,
     .constant = TOK_START,
     .special = special_pi},
    {.name = "start_timestamp",
     .args = {TYPE_VECTOR},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .experimental = true,
     .time_dependent = true,
     .special = special_start_timestamp},
    WINDOW("stddev_over_time", window_stddev),
    WINDOW("stdvar_over_time", window_stdvar),
    {.name = "step",
     .args_n = 0,
     .ret = TYPE_SCALAR,
     .kind = FN_SPECIAL,
     .experimental = true,
     .constant = TOK_STEP,
     .special = special_pi},
    WINDOW("sum_over_time", window_sum),
    MAP("tan", tan),
    MAP("tanh", tanh),
    {.name = "time",
     .ret = TYPE_SCALAR,
     .kind = FN_SPECIAL,
     .time_dependent = true,
     .special = special_time},
    {.name = "timestamp",
     .args = {TYPE_VECTOR},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .time_dependent = true,
     .special = special_timestamp},
    {.name = "ts_of_first_over_time",
     .args = {TYPE_MATRIX},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .experimental = true,
     .window = window_ts_first},
    {.name = "ts_of_last_over_time",
     .args = {TYPE_MATRIX},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .experimental = true,
     .window = window_ts_last},
    {.name = "ts_of_max_over_time",
     .args = {TYPE_MATRIX},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .experimental = true,
     .window = window_ts_max},
    {.name = "ts_of_min_over_time",
     .args = {TYPE_MATRIX},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_WINDOW,
     .experimental = true,
     .window = window_ts_min},
    {.name = "vector",
     .args = {TYPE_SCALAR},
     .args_n = 1,
     .ret = TYPE_VECTOR,
     .kind = FN_SPECIAL,
     .special = special_vector},
    DATE("year", date_year),
};

static int by_name(const void *key, const void *entry)
{
    return str_cmp(*(const struct str *)key, str_cstr(((const struct function *)entry)->name));
}

const struct function *function_find(struct str name)
{
    return bsearch(&name, table, ARRAY_LEN(table), sizeof(*table), by_name);
}

/* --- Drivers --- */

static int call_map(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    int rc = c->n == 0 ? special_time(ev, c, g, ret) : eval_node(ev, c->args[0], g, ret);

    if (rc != 0) {
        return rc;
    }
    hist_drop(ev, ret);
    for (size_t r = 0; r < ret->n; r++) {
        const uint64_t *bits = mat_bits(ret, r);
        double *v = mat_row(ret, r);

        EACH_STEP(bits, ret->steps, { v[i] = c->fn->map(v[i]); })
    }
    rc = mat_drop_names(ev, ret, false);
    if (rc != 0) {
        mat_done(ev, ret);
    }
    return rc;
}

/** Smoothing factors must be inside (0, 1); upstream only looks when there are samples. */
static int check_factors(struct eval *ev, const struct call *c, const struct grid *g)
{
    static const char *const names[] = {"smoothing", "trend"};

    for (size_t k = 0; k < 2; k++) {
        struct mat m;
        int rc = eval_node(ev, c->args[k + 1], g, &m);

        for (size_t i = 0; rc == 0 && i < g->n; i++) {
            if (m.v[i] <= 0 || m.v[i] >= 1) {
                rc = err_set(ev->reterr, ERR_EXEC,
                             "invalid %s factor. Expected: 0 < %cf < 1, got: %f", names[k],
                             names[k][0], m.v[i]);
            }
        }
        mat_done(ev, &m);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/** Warn of quantiles that are none, or of strategies of integral() that are none. */
static int note_args(struct eval *ev, const struct node *arg, const struct grid *g, bool quantiles)
{
    struct mat m;
    int rc = eval_node(ev, arg, g, &m);

    for (size_t i = 0; rc == 0 && i < g->n; i++) {
        double v = m.v[i];

        if (quantiles && !(v >= 0 && v <= 1)) {
            eval_note_quantile(ev, arg, v);
        } else if (!quantiles && v != 0 && v != 1 && v != 2) {
            struct buf b CLEANUP(buf_done) = {0};

            buf_init(&b, 512);
            go_add_f64_v(&b, v);
            eval_note(ev, NOTE_WARNING, arg,
                      "strategy should be 0, 1, or 2 (default), using 2, got %.*s",
                      STR_ARG(buf_str(&b)));
        }
    }
    mat_done(ev, &m);
    return rc;
}

static int call_window(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    size_t arg = c->fn->args[0] == TYPE_MATRIX ? 0 : 1;
    bool quantiles = c->fn->window == window_quantile;
    int rc = eval_window_call(ev, c, arg, g, ret);

    if (rc == 0 && ret->n != 0 && (quantiles || (c->fn->window == window_integral && c->n == 2))) {
        rc = note_args(ev, c->args[quantiles ? 0 : 1], g, quantiles);
        if (rc != 0) {
            mat_done(ev, ret);
        }
    }
    if (rc == 0 && c->fn->window == window_holt_winters && ret->n != 0) {
        rc = check_factors(ev, c, g);
        if (rc != 0) {
            mat_done(ev, ret);
        }
    }
    return rc;
}

int eval_call(struct eval *ev, const struct node *n, const struct grid *g, struct mat *ret)
{
    const struct call *c = &n->call;

    switch (c->fn->kind) {
    case FN_MAP:
    case FN_DATE:
        return call_map(ev, c, g, ret);
    case FN_WINDOW:
        return call_window(ev, c, g, ret);
    case FN_SPECIAL:
        break;
    }
    if (c->fn->orders && g->n > 1) {
        eval_note(
            ev, NOTE_WARNING, n,
            "sort is ineffective for range queries since results are always ordered by labels");
    }
    return c->fn->special(ev, c, g, ret);
}
