/* SPDX-License-Identifier: Apache-2.0
 *
 * The storage report. Growth is what complete days of the last week cost; the forecast lets every tier grow
 * at that rate until its retention holds it, and finds the day the sum meets the limit.
 */
#include "store/storage.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

enum { COLUMN_DAYS = STORAGE_DAYS, FORECAST_DAYS = 3650 };

static const int64_t DAY_MS = 86400000;

/* Days since 1970 of YYYYMMDD. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
 * days_from_civil; for years from 1970 on. */
static int64_t civil_day(uint32_t yyyymmdd)
{
    int64_t y = yyyymmdd / 10000;
    int64_t m = yyyymmdd / 100 % 100;
    int64_t d = yyyymmdd % 100;
    int64_t era;
    int64_t yoe;
    int64_t doy;

    y -= m <= 2 ? 1 : 0;
    era = y / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* ---- days ---- */

static struct storage_day *day_at(struct storage_report *r, int64_t day)
{
    size_t at = r->days_n;

    while (at > 0 && r->days[at - 1].day > day) {
        at--;
    }
    if (at > 0 && r->days[at - 1].day == day) {
        return &r->days[at - 1];
    }
    if (r->days_n == STORAGE_DAYS) { /* the oldest makes room */
        if (at == 0) {
            return NULL;
        }
        memmove(&r->days[0], &r->days[1], (at - 1) * sizeof(r->days[0]));
        at--;
    } else {
        memmove(&r->days[at + 1], &r->days[at], (r->days_n - at) * sizeof(r->days[0]));
        r->days_n++;
    }
    r->days[at] = (struct storage_day){.day = day};
    return &r->days[at];
}

/** `at`: of its bytes in struct storage_day. */
static void add_columns(struct storage_report *r, struct columns *c, size_t at, int64_t from)
{
    struct columns_day v[COLUMN_DAYS];
    size_t n = columns_days(c, v, ARRAY_LEN(v));

    for (size_t i = 0; i < n; i++) {
        int64_t day = civil_day(v[i].day);
        struct storage_day *d = day >= from ? day_at(r, day) : NULL;

        if (d != NULL) {
            *(uint64_t *)(void *)((char *)d + at) += v[i].bytes;
        }
    }
}

static int gather_days(struct store *s, struct arena *a, struct storage_report *r)
{
    int64_t from = clock_wall_ms() / DAY_MS - STORAGE_DAYS + 1;
    struct tsdb_day *v = NULL;
    size_t n = 0;
    int rc = tsdb_days(store_metrics(s), from, a, &v, &n);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct storage_day *d = day_at(r, v[i].day);

        if (d != NULL) {
            memcpy(d->tiers, v[i].bytes, sizeof(d->tiers));
        }
    }
    add_columns(r, store_spans(s), offsetof(struct storage_day, spans), from);
    add_columns(r, store_logs(s), offsetof(struct storage_day, logs), from);
    add_columns(r, store_transactions(s), offsetof(struct storage_day, transactions), from);
    add_columns(r, store_tmap(s), offsetof(struct storage_day, transactions), from);
    return rc;
}

/* ---- growth ---- */

/** Average of the newest days whose value is not 0: a tier's newest days may not be made yet, and a day the
 * budget has already thinned must not count as cheap. */
static uint64_t per_day(const struct storage_report *r, size_t offset, int64_t today,
                        unsigned *ret_days)
{
    uint64_t sum = 0;
    unsigned n = 0;

    for (size_t i = r->days_n; i > 0 && n < STORAGE_MEASURED_DAYS; i--) {
        uint64_t bytes;

        memcpy(&bytes, (const char *)&r->days[i - 1] + offset, sizeof(bytes));
        if (r->days[i - 1].day < today && r->days[i - 1].day >= today - 2 * STORAGE_MEASURED_DAYS &&
            bytes != 0) {
            sum += bytes;
            n++;
        }
    }
    *ret_days = n > *ret_days ? n : *ret_days;
    return n != 0 ? sum / n : 0;
}

/** Without a complete day: what is there, over the time it spans, at least an hour. */
static uint64_t per_day_rough(uint64_t bytes, int64_t oldest_ms, int64_t newest_ms)
{
    double span = newest_ms > oldest_ms ? (double)(newest_ms - oldest_ms) : 0;

    span = span < 3600e3 ? 3600e3 : span;
    return bytes == 0 ? 0 : (uint64_t)((double)bytes * (double)DAY_MS / span);
}

static void measure_growth(struct storage_report *r)
{
    struct storage_growth *g = &r->growth;
    int64_t today = clock_wall_ms() / DAY_MS;

    for (int i = 0; i < TSDB_TIERS; i++) {
        g->tiers[i] = per_day(r, offsetof(struct storage_day, tiers) + (size_t)i * sizeof(uint64_t),
                              today, &g->days);
    }
    g->spans = per_day(r, offsetof(struct storage_day, spans), today, &g->days);
    g->logs = per_day(r, offsetof(struct storage_day, logs), today, &g->days);
    g->transactions = per_day(r, offsetof(struct storage_day, transactions), today, &g->days);
    if (g->tiers[TSDB_RAW] == 0) {
        g->tiers[TSDB_RAW] = per_day_rough(r->tiers[TSDB_RAW].bytes, r->tiers[TSDB_RAW].oldest_ms,
                                           r->tiers[TSDB_RAW].newest_ms);
    }
    if (g->spans == 0) {
        g->spans = per_day_rough(r->spans.disk_bytes, r->spans.oldest_ns / 1000000,
                                 r->spans.newest_ns / 1000000);
    }
    if (g->logs == 0) {
        g->logs = per_day_rough(r->logs.disk_bytes, r->logs.oldest_ns / 1000000,
                                r->logs.newest_ns / 1000000);
    }
    if (g->transactions == 0) {
        g->transactions =
            per_day_rough(r->usage.transactions_bytes, r->transactions.oldest_ns / 1000000,
                          r->transactions.newest_ns / 1000000);
    }
    g->total = g->spans + g->logs + g->transactions;
    for (int i = 0; i < TSDB_TIERS; i++) {
        g->total += g->tiers[i];
    }
}

/* ---- forecast ---- */

/** Bytes after `days`, when `rate` a day comes in and what is older than `retention_ms` goes. */
static double size_after(double now, double rate, int64_t retention_ms, double days)
{
    double size = now + rate * days;

    if (retention_ms > 0) {
        double rest = rate * (double)retention_ms / (double)DAY_MS;

        rest = rest > now ? rest : now;
        size = size < rest ? size : rest;
    }
    return size;
}

static double total_after(const struct storage_report *r, double days)
{
    const struct store_usage *u = &r->usage;
    double sum = (double)u->wal_bytes + (double)u->meta_bytes;

    for (int i = 0; i < TSDB_TIERS; i++) {
        sum += size_after((double)r->tiers[i].bytes, (double)r->growth.tiers[i],
                          r->tiers[i].retention_ms, days);
    }
    sum += size_after((double)u->spans_bytes, (double)r->growth.spans,
                      u->signals[STORE_TRACES].retention_ms, days);
    sum += size_after((double)u->logs_bytes, (double)r->growth.logs,
                      u->signals[STORE_LOGS].retention_ms, days);
    return sum + size_after((double)u->transactions_bytes, (double)r->growth.transactions,
                            u->signals[STORE_TRANSACTIONS].retention_ms, days);
}

static void forecast(struct storage_report *r)
{
    const struct store_usage *u = &r->usage;
    double limit;
    double lo = 0;
    double hi = FORECAST_DAYS;
    uint64_t disk = u->total_bytes;

    disk += u->free_bytes > r->min_free_bytes ? u->free_bytes - r->min_free_bytes : 0;
    r->limited_by_disk = u->budget_bytes == 0 || disk < u->budget_bytes;
    r->limit_bytes = r->limited_by_disk ? disk : u->budget_bytes;
    limit = (double)r->limit_bytes;
    r->levels_at = (uint64_t)total_after(r, hi);
    r->days_left = INFINITY;
    if (total_after(r, hi) <= limit) {
        return;
    }
    for (int i = 0; i < 50; i++) { /* sizes only grow with time: bisection */
        double mid = (lo + hi) / 2;

        *(total_after(r, mid) > limit ? &hi : &lo) = mid;
    }
    r->days_left = hi;
}

/* ---- tiers ---- */

enum { SLOTS = TSDB_TIERS + 3, SPANS = TSDB_TIERS, LOGS, TRANSACTIONS };

/** Sizes as days go by. */
struct course {
    double now[SLOTS], rate[SLOTS];
    int64_t retention_ms[SLOTS];
    double fixed; /* logs before parts, settings */
    const struct store_signal_limits *limits;
};

static struct course course_of(const struct storage_report *r)
{
    const struct store_usage *u = &r->usage;
    struct course c = {.fixed = (double)u->wal_bytes + (double)u->meta_bytes};

    for (int i = 0; i < TSDB_TIERS; i++) {
        c.now[i] = (double)r->tiers[i].bytes;
        c.rate[i] = (double)r->growth.tiers[i];
        c.retention_ms[i] = r->tiers[i].retention_ms;
    }
    c.now[SPANS] = (double)u->spans_bytes;
    c.rate[SPANS] = (double)r->growth.spans;
    c.now[LOGS] = (double)u->logs_bytes;
    c.rate[LOGS] = (double)r->growth.logs;
    c.retention_ms[SPANS] = u->signals[STORE_TRACES].retention_ms;
    c.retention_ms[LOGS] = u->signals[STORE_LOGS].retention_ms;
    c.now[TRANSACTIONS] = (double)u->transactions_bytes;
    c.rate[TRANSACTIONS] = (double)r->growth.transactions;
    c.retention_ms[TRANSACTIONS] = u->signals[STORE_TRANSACTIONS].retention_ms;
    c.limits = u->signals;
    return c;
}

static double course_total(const struct course *c)
{
    double sum = c->fixed;

    for (int i = 0; i < SLOTS; i++) {
        sum += c->now[i];
    }
    return sum;
}

/** What the budget would take a day of. @return -1 nothing */
static int course_victim(const struct course *c)
{
    uint64_t tiers[TSDB_TIERS];
    uint64_t signals[STORE_SIGNALS] = {0, (uint64_t)c->now[SPANS], (uint64_t)c->now[LOGS],
                                       (uint64_t)c->now[TRANSACTIONS]};
    int which;

    for (int i = 0; i < TSDB_TIERS; i++) {
        tiers[i] = (uint64_t)c->now[i];
        signals[0] += tiers[i];
    }
    which = store_signal_to_give(signals, c->limits);
    return which == 0 ? tsdb_tier_to_shrink(tiers) : which < 0 ? -1 : SPANS + which - 1;
}

static void course_day(struct course *c)
{
    for (int i = 0; i < SLOTS; i++) {
        c->now[i] = size_after(c->now[i], c->rate[i], c->retention_ms[i], 1);
    }
}

static void lose(struct storage_outlook *o, double days, bool by_budget)
{
    if (days < o->days_left) {
        o->days_left = days;
        o->by_budget = by_budget;
    }
}

/** Day by day: what comes in, what retention holds, what the limit takes. */
static void look_out(struct storage_report *r)
{
    struct course c = course_of(r);
    double limit = (double)r->limit_bytes;
    bool met = false; /* the limit */

    for (int i = 0; i < TSDB_TIERS; i++) {
        const struct tsdb_tier *t = &r->tiers[i];

        r->outlook[i].days_left = INFINITY;
        if (t->retention_ms > 0 && t->oldest_ms <= t->newest_ms) { /* else it is empty */
            double kept =
                (double)(t->oldest_ms + t->retention_ms - clock_wall_ms()) / (double)DAY_MS;

            lose(&r->outlook[i], kept > 0 ? kept : 0, false);
        }
    }
    for (int day = 1; day <= FORECAST_DAYS; day++) {
        int left = 10 * SLOTS; /* takings a day, at most */

        course_day(&c);
        while (course_total(&c) > limit && left-- > 0) {
            int which = course_victim(&c);

            if (which < 0) {
                break;
            }
            met = true;
            c.now[which] -=
                c.rate[which] > 0 && c.rate[which] < c.now[which] ? c.rate[which] : c.now[which];
            if (which < TSDB_TIERS) {
                lose(&r->outlook[which], day, true);
            }
        }
    }
    for (int i = 0; i < TSDB_TIERS; i++) {
        double days = c.rate[i] > 0 ? c.now[i] / c.rate[i] : 0;

        r->outlook[i].reach_days = !met && c.retention_ms[i] <= 0 && days > 0 ? INFINITY : days;
    }
}

/* ---- services ---- */

struct services {
    struct map by_name; /* name -> index + 1 */
    VEC(struct storage_service) rows;
    double raw; /* bytes before encoding, of all */
};

static int by_bytes(const void *a, const void *b)
{
    const struct storage_service *x = a;
    const struct storage_service *y = b;

    return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes)
                                : str_cmp(x->name, y->name);
}

static int add_stream(struct services *s, const struct columns_stream *stream)
{
    struct str name = attrs_get_str(stream->resource->attrs, STR("service.name"));
    uintptr_t at = (uintptr_t)map_get(&s->by_name, name);

    if (at == 0) {
        if (!vec_push(&s->rows, (struct storage_service){.name = name}) ||
            map_put(&s->by_name, name, (void *)s->rows.n) < 0) {
            return -ERR_NOMEM;
        }
        at = s->rows.n;
    }
    s->rows.v[at - 1].rows += stream->rows;
    s->rows.v[at - 1].bytes += stream->bytes;
    s->raw += (double)stream->bytes;
    return 0;
}

/** Bytes before encoding to bytes on disk. */
static int share_out(struct services *s, uint64_t disk, size_t limit, struct arena *a,
                     struct storage_services *ret)
{
    struct storage_services out = {.distinct = s->rows.n, .bytes = s->rows.n != 0 ? disk : 0};

    for (size_t i = 0; i < s->rows.n; i++) {
        double share = s->raw > 0 ? (double)s->rows.v[i].bytes / s->raw : 0;

        s->rows.v[i].bytes = (uint64_t)(share * (double)disk);
    }
    if (s->rows.n > 1) {
        qsort(s->rows.v, s->rows.n, sizeof(*s->rows.v), by_bytes);
    }
    out.n = s->rows.n < limit ? s->rows.n : limit;
    out.v = arena_array(a, struct storage_service, out.n != 0 ? out.n : 1);
    if (out.v == NULL) {
        return -ERR_NOMEM;
    }
    if (out.n != 0) {
        memcpy(out.v, s->rows.v, out.n * sizeof(*out.v));
    }
    *ret = out;
    return 0;
}

int storage_services(struct store *s, bool spans, size_t limit, struct cancel *cancel,
                     struct arena *a, struct storage_services *ret, struct err *reterr)
{
    struct columns *c = spans ? store_spans(s) : store_logs(s);
    const struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX, .cancel = cancel};
    struct columns_streams streams;
    struct columns_status status;
    struct services all = {0};
    int rc = columns_streams(c, &q, a, &streams, reterr);

    if (rc < 0) {
        return rc;
    }
    columns_status(c, &status);
    for (size_t i = 0; rc == 0 && i < streams.n; i++) {
        rc = add_stream(&all, &streams.v[i]);
    }
    rc = rc == 0 ? share_out(&all, status.disk_bytes, limit, a, ret) : rc;
    map_done(&all.by_name);
    vec_done(&all.rows);
    return rc < 0 ? err_set(reterr, ERR_NOMEM, "bytes by service") : 0;
}

/* ---- all of it ---- */

int storage_report(struct store *s, struct arena *a, struct storage_report *ret, struct err *reterr)
{
    struct storage_report r = {0};
    int rc;

    store_usage(s, &r.usage);
    r.min_free_bytes = store_min_free(s);
    tsdb_tiers(store_metrics(s), r.tiers);
    columns_status(store_spans(s), &r.spans);
    columns_status(store_logs(s), &r.logs);
    columns_status(store_transactions(s), &r.transactions);
    rc = gather_days(s, a, &r);
    if (rc < 0) {
        return err_set(reterr, ERR_NOMEM, "storage report over its memory");
    }
    measure_growth(&r);
    forecast(&r);
    look_out(&r);
    store_next_victim(s, &r.next);
    *ret = r;
    return 0;
}
