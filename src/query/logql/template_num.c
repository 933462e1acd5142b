/* SPDX-License-Identifier: Apache-2.0
 *
 * Template functions on numbers and times, and the search for a function by its name.
 */
#include <math.h>

#include "base/clock.h"
#include "query/logql/template_internal.h"
#include "query/logql/units.h"

static int give_int(int64_t i, struct tval *ret)
{
    *ret = (struct tval){.type = TV_INT, .u.i = i};
    return 0;
}

static int give_float(double f, struct tval *ret)
{
    *ret = (struct tval){.type = TV_FLOAT, .u.f = f};
    return 0;
}

/* ---- arithmetic; integers wrap as Go's do ---- */

static int64_t wrap_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t wrap_sub(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t wrap_mul(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static int64_t min_int(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_int(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#define FOLD_INT(name, op)                                                                     \
    static int fn_##name(struct texec *x, const struct tval *args, size_t n, struct tval *ret) \
    {                                                                                          \
        int64_t v = tval_int(&args[0]);                                                        \
                                                                                               \
        (void)x;                                                                               \
        for (size_t i = 1; i < n; i++) {                                                       \
            v = op(v, tval_int(&args[i]));                                                     \
        }                                                                                      \
        return give_int(v, ret);                                                               \
    }
FOLD_INT(add, wrap_add)
FOLD_INT(sub, wrap_sub)
FOLD_INT(mul, wrap_mul)
FOLD_INT(min, min_int)
FOLD_INT(max, max_int)
#undef FOLD_INT

#define FOLD_FLOAT(name, expr)                                                                 \
    static int fn_##name(struct texec *x, const struct tval *args, size_t n, struct tval *ret) \
    {                                                                                          \
        double v = tval_float(&args[0]);                                                       \
                                                                                               \
        (void)x;                                                                               \
        for (size_t i = 1; i < n; i++) {                                                       \
            double o = tval_float(&args[i]);                                                   \
                                                                                               \
            v = (expr);                                                                        \
        }                                                                                      \
        return give_float(v, ret);                                                             \
    }
FOLD_FLOAT(addf, v + o)
FOLD_FLOAT(subf, v - o)
FOLD_FLOAT(mulf, v *o)
FOLD_FLOAT(divf, v / o)
FOLD_FLOAT(minf, fmin(v, o))
FOLD_FLOAT(maxf, fmax(v, o))
#undef FOLD_FLOAT

static int divide(struct texec *x, const struct tval *args, bool rest, struct tval *ret)
{
    int64_t a = tval_int(&args[0]);
    int64_t b = tval_int(&args[1]);

    if (b == 0) {
        return tfail(x, "error calling %s: integer divide by zero", rest ? "mod" : "div");
    }
    if (b == -1) {
        return give_int(rest ? 0 : wrap_sub(0, a), ret);
    }
    return give_int(rest ? a % b : a / b, ret);
}

static int fn_div(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return divide(x, args, false, ret);
}

static int fn_mod(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return divide(x, args, true, ret);
}

static int fn_ceil(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)x;
    (void)n;
    return give_float(ceil(tval_float(&args[0])), ret);
}

static int fn_floor(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)x;
    (void)n;
    return give_float(floor(tval_float(&args[0])), ret);
}

/* round value digits [from where up] */
static int fn_round(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    double up = n > 2 ? tval_float(&args[2]) : 0.5;
    double scale = pow(10, (double)tval_int(&args[1]));
    double scaled = tval_float(&args[0]) * scale;
    double whole;
    double frac = modf(scaled, &whole);

    (void)x;
    if (!isfinite(scaled)) {
        return give_float(tval_float(&args[0]), ret);
    }
    return give_float((fabs(frac) >= up ? whole + (scaled < 0 ? -1 : 1) : whole) / scale, ret);
}

static int fn_int(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)x;
    (void)n;
    return give_int(tval_int(&args[0]), ret);
}

static int fn_float(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)x;
    (void)n;
    return give_float(tval_float(&args[0]), ret);
}

static int fn_duration(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct str s = tval_text(x, &args[0]);
    int64_t ns;

    (void)n;
    return lq_units_go_duration(s, &ns)
               ? give_float((double)ns / 1e9, ret)
               : tfail(x, "error calling duration: invalid duration \"%.*s\"",
                       STR_ARG(str_take(s, 60)));
}

static int fn_bytes(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct str s = tval_text(x, &args[0]);
    uint64_t v;

    (void)n;
    return lq_units_bytes(s, &v) ? give_float((double)v, ret)
                                 : tfail(x, "error calling bytes: unhandled size name: \"%.*s\"",
                                         STR_ARG(str_take(s, 60)));
}

/* ---- times ---- */

static int give_time(int64_t ns, int32_t offset_s, struct tval *ret)
{
    *ret = (struct tval){.type = TV_TIME, .u.t = {ns, offset_s}};
    return 0;
}

static int fn_now(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)x;
    (void)args;
    (void)n;
    return give_time(clock_wall_ns(), 0, ret);
}

/* date layout time; numbers are seconds */
static int fn_date(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    const struct tval *t = &args[1];
    int64_t seconds = tval_int(t);

    (void)n;
    buf_init(&b, 1 << 16);
    if (t->type == TV_TIME) {
        go_time_format(&b, tval_text(x, &args[0]), t->u.t.ns, t->u.t.offset_s);
    } else {
        seconds = seconds > 9000000000 || seconds < -9000000000 ? 0 : seconds;
        go_time_format(&b, tval_text(x, &args[0]), seconds * 1000000000, 0);
    }
    return tval_of_buf(x, &b, ret);
}

static int to_date(struct texec *x, struct str layout, struct str zone, struct str text,
                   struct tval *ret)
{
    int32_t offset = 0;
    int64_t ns;

    if (!go_time_parse(layout, text, 0, &ns, &offset)) {
        return tfail(x, "cannot parse \"%.*s\" as a time", STR_ARG(str_take(text, 60)));
    }
    if (zone.n != 0 && go_zone_offset(zone, ns / 1000000000, &offset)) {
        (void)go_time_parse(layout, text, offset, &ns, &offset);
    }
    return give_time(ns, offset, ret);
}

static int fn_to_date(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return to_date(x, tval_text(x, &args[0]), STR(""), tval_text(x, &args[1]), ret);
}

static int fn_to_date_zone(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return to_date(x, tval_text(x, &args[0]), tval_text(x, &args[1]), tval_text(x, &args[2]), ret);
}

static int epoch(struct texec *x, const struct tval *args, int64_t unit, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    int64_t ns = args[0].type == TV_TIME ? args[0].u.t.ns : 0;
    int64_t v = ns / unit - (ns % unit < 0);

    buf_init(&b, 64);
    buf_add_i64(&b, v);
    return tval_of_buf(x, &b, ret);
}

static int fn_epoch(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return epoch(x, args, 1000000000, ret);
}

static int fn_epoch_ms(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return epoch(x, args, 1000000, ret);
}

static int fn_epoch_ns(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return epoch(x, args, 1, ret);
}

/* The number of digits tells the unit: days, seconds, milli-, micro-, nanoseconds. */
static int fn_unix_to_time(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct str s = tval_text(x, &args[0]);
    int64_t v;

    (void)n;
    if (!str_to_i64(s, &v)) {
        return tfail(x, "unable to parse time '%.*s'", STR_ARG(str_take(s, 60)));
    }
    switch (s.n) {
    case 5:
        return give_time(v * 86400 * 1000000000, 0, ret);
    case 10:
        return give_time(v * 1000000000, 0, ret);
    case 13:
        return give_time(v * 1000000, 0, ret);
    case 16:
        return give_time(v * 1000, 0, ret);
    case 19:
        return give_time(v, 0, ret);
    default:
        return tfail(x, "unable to parse time '%.*s'", STR_ARG(str_take(s, 60)));
    }
}

const struct tfunction LQ_TEMPLATE_NUMBERS[] = {
    {"add", fn_add, 1, -1},
    {"sub", fn_sub, 2, 2},
    {"mul", fn_mul, 1, -1},
    {"div", fn_div, 2, 2},
    {"mod", fn_mod, 2, 2},
    {"min", fn_min, 1, -1},
    {"max", fn_max, 1, -1},
    {"addf", fn_addf, 1, -1},
    {"subf", fn_subf, 1, -1},
    {"mulf", fn_mulf, 1, -1},
    {"divf", fn_divf, 1, -1},
    {"minf", fn_minf, 1, -1},
    {"maxf", fn_maxf, 1, -1},
    {"ceil", fn_ceil, 1, 1},
    {"floor", fn_floor, 1, 1},
    {"round", fn_round, 2, 3},
    {"int", fn_int, 1, 1},
    {"float64", fn_float, 1, 1},
    {"duration", fn_duration, 1, 1},
    {"duration_seconds", fn_duration, 1, 1},
    {"bytes", fn_bytes, 1, 1},
    {"now", fn_now, 0, 0},
    {"date", fn_date, 2, 2},
    {"toDate", fn_to_date, 2, 2},
    {"toDateInZone", fn_to_date_zone, 3, 3},
    {"unixEpoch", fn_epoch, 1, 1},
    {"unixEpochMillis", fn_epoch_ms, 1, 1},
    {"unixEpochNanos", fn_epoch_ns, 1, 1},
    {"unixToTime", fn_unix_to_time, 1, 1},
    {0},
};

const struct tfunction *tfunction_find(struct str name)
{
    const struct tfunction *const lists[] = {LQ_TEMPLATE_BUILTINS, LQ_TEMPLATE_STRINGS,
                                             LQ_TEMPLATE_ENCODINGS, LQ_TEMPLATE_REGEXES,
                                             LQ_TEMPLATE_NUMBERS};

    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        for (const struct tfunction *f = lists[l]; f->name != NULL; f++) {
            if (str_eq(name, str_cstr(f->name))) {
                return f;
            }
        }
    }
    return NULL;
}
