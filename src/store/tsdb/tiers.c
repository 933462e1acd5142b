/* SPDX-License-Identifier: Apache-2.0
 *
 * What each tier holds and costs, by day and by label value. Footers and indexes only: asking costs no
 * read of samples, and never waits for a flush or a merge.
 */
#include "store/tsdb/tiers.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "store/tsdb/rollup_internal.h"

enum { CHECK_EVERY = 1024 };

static const struct {
    const char *name;
    int64_t resolution_ms;
} TIERS[TSDB_TIERS] = {{"raw", 0}, {"1m", 60000}, {"5m", 300000}, {"1h", 3600000}};

static void count_part(struct tsdb_tier *t, const struct part_info *p)
{
    t->bytes += p->bytes;
    t->points += p->samples_n;
    t->parts++;
    t->oldest_ms = p->min_ms < t->oldest_ms ? p->min_ms : t->oldest_ms;
    t->newest_ms = p->max_ms > t->newest_ms ? p->max_ms : t->newest_ms;
}

void tsdb_tiers(struct tsdb *db, struct tsdb_tier dst[TSDB_TIERS])
{
    for (int i = 0; i < TSDB_TIERS; i++) {
        dst[i] = (struct tsdb_tier){.name = TIERS[i].name,
                                    .resolution_ms = TIERS[i].resolution_ms,
                                    .oldest_ms = INT64_MAX,
                                    .newest_ms = INT64_MIN};
    }
    dst[TSDB_RAW].retention_ms = db->retention_ms;
    dst[TSDB_RAW].points = atomic_load_explicit(&db->head.samples_n, memory_order_relaxed);
    rwlock_read(&db->parts_lock);
    for (size_t i = 0; i < db->parts.n; i++) {
        count_part(&dst[TSDB_RAW], part_info(db->parts.v[i]));
    }
    for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
        const struct tier *t = &db->rollups->tiers[k];

        dst[k].retention_ms = t->retention_ms;
        for (size_t i = 0; i < t->parts.n; i++) {
            count_part(&dst[k], part_info(t->parts.v[i]));
        }
    }
    rwlock_unlock(&db->parts_lock);
}

/* ---- by day ---- */

typedef VEC(struct tsdb_day) day_list;

/** Add one part; parts come in order of their days within a tier. */
static bool add_day(day_list *days, const struct part_info *p, int tier)
{
    size_t at = days->n;

    while (at > 0 && days->v[at - 1].day > p->day) {
        at--;
    }
    if (at == 0 || days->v[at - 1].day != p->day) {
        if (!vec_reserve(days, 1)) {
            return false;
        }
        memmove(&days->v[at + 1], &days->v[at], (days->n - at) * sizeof(*days->v));
        days->v[at] = (struct tsdb_day){.day = p->day};
        days->n++;
        at++;
    }
    days->v[at - 1].bytes[tier] += p->bytes;
    days->v[at - 1].points[tier] += p->samples_n;
    return true;
}

int tsdb_days(struct tsdb *db, int64_t from_day, struct arena *a, struct tsdb_day **ret,
              size_t *ret_n)
{
    day_list days = {0};
    struct tsdb_day *v = NULL;
    bool ok = true;

    rwlock_read(&db->parts_lock);
    for (size_t i = 0; ok && i < db->parts.n; i++) {
        const struct part_info *p = part_info(db->parts.v[i]);

        ok = p->day < from_day || add_day(&days, p, TSDB_RAW);
    }
    for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
        const part_list *l = &db->rollups->tiers[k].parts;

        for (size_t i = 0; ok && i < l->n; i++) {
            ok = part_info(l->v[i])->day < from_day || add_day(&days, part_info(l->v[i]), k);
        }
    }
    rwlock_unlock(&db->parts_lock);
    if (ok) {
        v = arena_array(a, struct tsdb_day, days.n != 0 ? days.n : 1);
    }
    if (v != NULL && days.n != 0) {
        memcpy(v, days.v, days.n * sizeof(*v));
    }
    *ret_n = days.n;
    vec_done(&days);
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    *ret = v;
    return 0;
}

/* ---- by label value ---- */

struct sources {
    struct str label;
    struct cancel *cancel;
    struct arena *a;
    struct arena scratch; /* labels of the series at hand */
    struct map by_name;   /* value -> index + 1 */
    VEC(struct tsdb_source_bytes) rows;
    uint64_t bytes;
};

static int source_of(struct sources *s, struct str name, struct tsdb_source_bytes **ret)
{
    uintptr_t at = (uintptr_t)map_get(&s->by_name, name);
    struct str copy;

    if (at == 0) {
        copy = arena_str_dup(s->a, name);
        if (copy.n != name.n || !vec_push(&s->rows, (struct tsdb_source_bytes){.name = copy}) ||
            map_put(&s->by_name, copy, (void *)s->rows.n) < 0) {
            return -ERR_NOMEM;
        }
        at = s->rows.n;
    }
    *ret = &s->rows.v[at - 1];
    return 0;
}

static int add_series(struct sources *s, const struct part_cursor *c)
{
    struct tsdb_source_bytes *row = NULL;
    struct labels labels;
    struct str value = {NULL, 0};
    uint64_t bytes = part_series_bytes(c);
    int rc;

    arena_reset(&s->scratch);
    rc = part_labels(c, &s->scratch, &labels);
    for (size_t i = 0; rc == 0 && i < labels.n; i++) {
        value = str_eq(labels.v[i].name, s->label) ? labels.v[i].value : value;
    }
    rc = rc == 0 ? source_of(s, value, &row) : rc;
    if (rc == 0) {
        row->series++;
        row->bytes += bytes;
        s->bytes += bytes;
    }
    return rc;
}

static int add_part(struct sources *s, const struct part *p)
{
    uint32_t n = (uint32_t)part_info(p)->series_n;
    struct part_cursor c;
    int rc = 0;

    part_cursor_init(&c, p);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        if (i % CHECK_EVERY == 0) {
            rc = cancel_check(s->cancel);
        }
        rc = rc == 0 ? part_seek(&c, i) : rc;
        rc = rc == 0 ? add_series(s, &c) : rc;
    }
    return rc;
}

static int by_bytes(const void *a, const void *b)
{
    const struct tsdb_source_bytes *x = a;
    const struct tsdb_source_bytes *y = b;

    return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes)
                                : str_cmp(x->name, y->name);
}

/** The newest day whose end has passed; with none the newest. */
static int64_t day_to_look_at(struct part *const *v, size_t n)
{
    int64_t today = day_of(clock_wall_ms());

    for (size_t i = n; i > 0; i--) {
        if (part_info(v[i - 1])->day < today) {
            return part_info(v[i - 1])->day;
        }
    }
    return n != 0 ? part_info(v[n - 1])->day : INT64_MIN;
}

static int finish_sources(struct sources *s, size_t limit, struct tsdb_sources *ret)
{
    size_t n = s->rows.n < limit ? s->rows.n : limit;

    ret->top = arena_array(s->a, struct tsdb_source_bytes, n != 0 ? n : 1);
    if (ret->top == NULL) {
        return -ERR_NOMEM;
    }
    if (s->rows.n > 1) {
        qsort(s->rows.v, s->rows.n, sizeof(*s->rows.v), by_bytes);
    }
    if (n != 0) {
        memcpy(ret->top, s->rows.v, n * sizeof(*ret->top));
    }
    ret->top_n = n;
    ret->distinct = s->rows.n;
    ret->bytes = s->bytes;
    return 0;
}

int tsdb_sources(struct tsdb *db, struct str label, size_t limit, struct cancel *cancel,
                 struct arena *a, struct tsdb_sources *ret, struct err *reterr)
{
    struct sources s = {.label = label, .cancel = cancel, .a = a};
    struct tsdb_sources out = {0};
    struct part **v = NULL;
    size_t n = 0;
    int rc = parts_snapshot(db, INT64_MIN, INT64_MAX, &v, &n);

    arena_init(&s.scratch, 64 << 20);
    out.day = day_to_look_at(v, n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (part_info(v[i])->day == out.day) {
            rc = add_part(&s, v[i]);
            out.parts++;
        }
    }
    parts_release(v, n);
    rc = rc == 0 ? finish_sources(&s, limit, &out) : rc;
    map_done(&s.by_name);
    vec_done(&s.rows);
    arena_done(&s.scratch);
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "bytes by label value: %s", err_text(rc));
    }
    *ret = out;
    return 0;
}
