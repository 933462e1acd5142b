/* SPDX-License-Identifier: Apache-2.0
 *
 * Levels and the range before are counts by pattern with one more condition: the engine groups by one field at a time.
 */
#include "api/pattern_counts.h"

#include <stdlib.h>

#include "base/err.h"
#include "ingest/patterns/patterns.h"
#include "model/value_text.h"
#include "store/log_templates/log_templates.h"

enum { ALL_GROUPS = 1 << 20, SAMPLE_ROWS = 4096, ANY_IDS = 64 };

static const struct field BY_PATTERN = {FIELD_INTRINSIC, {"pattern_id", 10}};
static const struct field BY_SEVERITY = {FIELD_INTRINSIC, {"severity_number", 15}};

static int no_memory(struct err *reterr)
{
    return err_set(reterr, ERR_LIMIT, "too many patterns for one answer");
}

static uint64_t id_of(struct str hex)
{
    uint8_t raw[PATTERN_ID_SIZE];

    return hex_decode(hex, raw, sizeof(raw)) ? pattern_id_of(raw) : 0;
}

/* ---- the table ---- */

static struct str id_key(const uint64_t *id)
{
    return str_of((const char *)id, sizeof(*id));
}

static struct str text_of(const struct log_template *t, struct arena *a)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 8 * LOG_TEMPLATE_TEXT_MAX);
    patterns_text(t->text, &b);
    return arena_str_dup(a, buf_str(&b));
}

/* Room for one more is made at 0, 1, 3, 7, ... */
static bool make_room(struct arena *a, struct pattern_counts *c)
{
    struct pattern_count **v;

    if ((c->n & (c->n + 1)) != 0) {
        return true;
    }
    v = arena_array(a, struct pattern_count *, 2 * c->n + 1);
    if (v == NULL) {
        return false;
    }
    if (c->n != 0) {
        memcpy(v, c->v, c->n * sizeof(struct pattern_count *));
    }
    c->v = v;
    return true;
}

/* @return NULL without memory */
static struct pattern_count *make(const struct pattern_ask *ask, struct pattern_counts *c,
                                  uint64_t id, const struct log_template *t)
{
    struct pattern_count *p = arena_calloc(ask->a, 1, sizeof(*p));

    if (p == NULL || !make_room(ask->a, c)) {
        return NULL;
    }
    p->counts = arena_calloc(ask->a, ask->buckets, sizeof(*p->counts));
    *p = (struct pattern_count){
        .id = id, .counts = p->counts, .first_ns = INT64_MIN, .last_ns = INT64_MIN};
    if (t != NULL) {
        p->service = t->service;
        p->text = text_of(t, ask->a);
        p->first_ns = t->first_ns;
    }
    if (p->counts == NULL || map_put(&c->by_id, id_key(&p->id), p) < 0) {
        return NULL;
    }
    c->v[c->n++] = p;
    return p;
}

static bool add_id(const struct pattern_ask *ask, struct pattern_counts *c, struct pattern_count *p,
                   uint64_t id)
{
    uint64_t *ids = arena_array(ask->a, uint64_t, p->ids_n + 1);

    if (ids == NULL) {
        return false;
    }
    if (p->ids_n != 0) {
        memcpy(ids, p->ids, p->ids_n * sizeof(*ids));
    }
    ids[p->ids_n++] = id;
    p->ids = ids;
    return id == p->id || map_put(&c->by_id, id_key(&ids[p->ids_n - 1]), p) == 0;
}

/* The pattern an id stands for; `seen`: records of the range carry this id. @return NULL without memory, or when it was
 * not seen and is not there */
static struct pattern_count *find(const struct pattern_ask *ask, struct pattern_counts *c,
                                  uint64_t id, bool seen)
{
    struct pattern_count *p = map_get(&c->by_id, id_key(&id));
    struct log_template t;
    bool known;

    for (size_t i = 0; p != NULL && i < p->ids_n; i++) {
        if (p->ids[i] == id) {
            return p;
        }
    }
    known = id != 0 && log_templates_get(ask->templates, id, ask->a, &t) == 0;
    if (known && p == NULL) {
        p = map_get(&c->by_id, id_key(&t.id));
    }
    if (!seen) {
        return p;
    }
    p = p != NULL ? p : make(ask, c, known ? t.id : id, known ? &t : NULL);
    return p != NULL && add_id(ask, c, p, id) ? p : NULL;
}

/* ---- by the store ---- */

static struct columns_query query_of(const struct pattern_ask *ask, const struct filter *f,
                                     int64_t min_ns, int64_t max_ns)
{
    return (struct columns_query){.min_ns = min_ns,
                                  .max_ns = max_ns,
                                  .filter = f,
                                  .cancel = ask->range.cancel,
                                  .budget = ask->range.budget};
}

static int count_by_store(const struct pattern_ask *ask, struct pattern_counts *c,
                          struct err *reterr)
{
    const struct columns_query q =
        query_of(ask, ask->filter, ask->range.start_ns, ask->range.end_ns);
    const struct columns_buckets over = {
        .step_ns = ask->step_ns, .n = ask->buckets, .by = &BY_PATTERN};
    struct columns_groups groups;
    int rc = columns_histogram(ask->range.logs, &q, &over, ask->a, &groups, reterr);

    for (size_t i = 0; rc == 0 && i < groups.n; i++) {
        const struct columns_group *g = &groups.v[i];
        struct pattern_count *p = find(ask, c, id_of(g->value), true);

        if (p == NULL) {
            return no_memory(reterr);
        }
        for (size_t k = 0; k < ask->buckets; k++) {
            p->counts[k] += g->counts[k];
        }
        p->total += g->total;
        c->total += g->total;
    }
    if (rc == 0) {
        c->stats = groups.stats;
    }
    return rc;
}

/* Distinct values with counts, absent ones not among them. */
static int values(const struct pattern_ask *ask, const struct filter *also, int64_t min_ns,
                  int64_t max_ns, struct field by, struct columns_groups *ret, struct err *reterr)
{
    const struct filter *both[] = {ask->filter, also};
    const struct filter *f = ask->filter == NULL ? also
                             : also == NULL      ? ask->filter
                                                 : filter_and(ask->a, both, 2);
    struct columns_query q = query_of(ask, f, min_ns, max_ns);

    if (f == NULL && (ask->filter != NULL || also != NULL)) {
        return no_memory(reterr);
    }
    return columns_values(ask->range.logs, &q, by, ALL_GROUPS, ask->a, ret, reterr);
}

static const struct filter *level_filter(struct arena *a, int level)
{
    const int64_t low = level == SEVERITY_UNSET ? 0 : level * 4 - 3;
    const struct filter *range[] = {
        filter_pred(a, BY_SEVERITY, PRED_GE, (struct value){.type = VALUE_I64, .u.i = low}),
        filter_pred(a, BY_SEVERITY, PRED_LE, (struct value){.type = VALUE_I64, .u.i = level * 4}),
    };

    return filter_and(a, range, 2);
}

static int levels_by_store(const struct pattern_ask *ask, struct pattern_counts *c,
                           struct err *reterr)
{
    bool there[PATTERN_LEVELS] = {false};
    struct columns_groups groups;
    int rc =
        values(ask, NULL, ask->range.start_ns, ask->range.end_ns, BY_SEVERITY, &groups, reterr);

    for (size_t i = 0; rc == 0 && i < groups.n; i++) {
        uint64_t n = 0;

        if (str_to_u64(groups.v[i].value, &n)) {
            there[severity_level_of((uint8_t)n)] = true;
        }
    }
    for (int level = 0; rc == 0 && level < PATTERN_LEVELS; level++) {
        const struct filter *f = there[level] ? level_filter(ask->a, level) : NULL;

        if (!there[level]) {
            continue;
        }
        if (f == NULL) {
            return no_memory(reterr);
        }
        rc = values(ask, f, ask->range.start_ns, ask->range.end_ns, BY_PATTERN, &groups, reterr);
        for (size_t i = 0; rc == 0 && i < groups.n; i++) {
            struct pattern_count *p = find(ask, c, id_of(groups.v[i].value), false);

            if (p != NULL) {
                p->levels[level] += groups.v[i].total;
            }
        }
    }
    return rc;
}

static int previous_by_store(const struct pattern_ask *ask, struct pattern_counts *c,
                             struct err *reterr)
{
    const int64_t back = ask->range.end_ns - ask->range.start_ns;
    struct columns_groups groups;
    int rc = values(ask, NULL, ask->range.start_ns - back, ask->range.start_ns, BY_PATTERN, &groups,
                    reterr);

    for (size_t i = 0; rc == 0 && i < groups.n; i++) {
        struct pattern_count *p = find(ask, c, id_of(groups.v[i].value), false);

        if (p != NULL) {
            p->previous += groups.v[i].total;
        }
    }
    return rc;
}

/* ---- by reading records ---- */

struct reading {
    const struct pattern_ask *ask;
    struct pattern_counts *c;
    bool before; /* records of the range before */
    bool failed;
};

static struct str sample_of(const struct log_record *r, struct arena *a)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str text;

    if (r->body.type == VALUE_STR) {
        return arena_str_dup(a, str_take(r->body.u.s, PATTERN_SAMPLE_MAX));
    }
    buf_init(&b, 1 << 20);
    text = value_text(&r->body, &b);
    return arena_str_dup(a, str_take(text, PATTERN_SAMPLE_MAX));
}

static void note_newest(const struct pattern_ask *ask, struct pattern_count *p,
                        const struct log_record *r)
{
    struct buf b CLEANUP(buf_done) = {0};

    if (r->time_ns <= p->last_ns) {
        return;
    }
    p->last_ns = r->time_ns;
    p->sample = sample_of(r, ask->a);
    if (p->text.n == 0 && p->id != 0) { /* forgotten: what the line alone tells */
        buf_init(&b, 1 << 16);
        patterns_of_line(p->sample, &b);
        p->text = arena_str_dup(ask->a, buf_str(&b));
        p->service = arena_str_dup(ask->a, patterns_service(r->resource));
    }
}

static int read_one(void *arg, const struct logql_hit *hit)
{
    struct reading *rd = arg;
    const struct pattern_ask *ask = rd->ask;
    const struct log_record *r = hit->record;
    struct pattern_count *p = find(ask, rd->c, r->pattern, !rd->before);
    size_t bucket = (size_t)((r->time_ns - ask->range.start_ns) / ask->step_ns);

    if (rd->before) {
        if (p != NULL) {
            p->previous++;
        }
        return 0;
    }
    if (p == NULL) {
        return -ERR_LIMIT;
    }
    if (bucket < ask->buckets) {
        p->counts[bucket]++;
    }
    p->total++;
    p->levels[severity_level_of(r->severity)]++;
    rd->c->total++;
    note_newest(ask, p, r);
    return 0;
}

static int read_range(const struct pattern_ask *ask, struct pattern_counts *c, bool before,
                      struct err *reterr)
{
    struct reading rd = {.ask = ask, .c = c, .before = before};
    struct logql_ask range = ask->range;
    int rc;

    if (before) {
        range.start_ns -= range.end_ns - range.start_ns;
        range.end_ns = ask->range.start_ns;
    }
    rc = logql_scan(ask->query, &range, INT64_MAX, 0, read_one, &rd, &c->stats, reterr);
    return rc == -ERR_LIMIT && (reterr == NULL || reterr->code == 0) ? no_memory(reterr) : rc;
}

/* ---- the whole ---- */

static int by_total(const void *a, const void *b)
{
    const struct pattern_count *x = *(struct pattern_count *const *)a;
    const struct pattern_count *y = *(struct pattern_count *const *)b;

    return x->total != y->total ? (x->total < y->total) - (x->total > y->total)
                                : (x->id > y->id) - (x->id < y->id);
}

int pattern_counts(const struct pattern_ask *ask, struct pattern_counts *ret, struct err *reterr)
{
    int rc;

    *ret = (struct pattern_counts){0};
    rc =
        ask->query != NULL ? read_range(ask, ret, false, reterr) : count_by_store(ask, ret, reterr);
    if (rc == 0 && ret->n > 1) {
        qsort(ret->v, ret->n, sizeof(struct pattern_count *), by_total);
    }
    return rc;
}

int pattern_details(const struct pattern_ask *ask, struct pattern_counts *c, struct err *reterr)
{
    int rc;

    if (ask->query != NULL) {
        return read_range(ask, c, true, reterr);
    }
    rc = levels_by_store(ask, c, reterr);
    return rc < 0 ? rc : previous_by_store(ask, c, reterr);
}

void pattern_counts_done(struct pattern_counts *c)
{
    map_done(&c->by_id);
}

/* ---- samples ---- */

struct sampling {
    const struct pattern_ask *ask;
    struct pattern_counts *c;
    size_t rows;
};

static int take_sample(void *arg, const struct log_record *r, uint64_t id)
{
    struct sampling *s = arg;
    struct pattern_count *p = find(s->ask, s->c, r->pattern, false);

    (void)id;
    if (p != NULL && p->last_ns == INT64_MIN) {
        note_newest(s->ask, p, r);
    }
    return ++s->rows >= SAMPLE_ROWS;
}

static int take_one(void *arg, const struct log_record *r, uint64_t id)
{
    struct sampling *s = arg;
    struct pattern_count *p = find(s->ask, s->c, r->pattern, false);

    (void)id;
    if (p != NULL) {
        note_newest(s->ask, p, r);
    }
    return 1;
}

static int scan_samples(struct sampling *s, const struct filter *f, int64_t min_ns, int64_t max_ns,
                        columns_log_fn fn, struct err *reterr)
{
    struct columns_query q = query_of(s->ask, f, min_ns, max_ns);

    q.need = COLUMNS_NEED_BODY | COLUMNS_NEED_PATTERN | COLUMNS_NEED_RESOURCE;
    return columns_scan_logs(s->ask->range.logs, &q, INT64_MAX, 0, fn, s, NULL, reterr);
}

/* The newest record of one pattern: it lies in the last bucket that is not empty. */
static int sample_one(struct sampling *s, const struct pattern_count *p, struct err *reterr)
{
    const struct pattern_ask *ask = s->ask;
    const struct filter *any[ANY_IDS];
    const struct filter *f[2] = {NULL, ask->filter};
    size_t last = ask->buckets;
    size_t n = 0;
    int64_t from;
    int64_t to;

    while (last > 0 && p->counts[last - 1] == 0) {
        last--;
    }
    if (last == 0) {
        return 0;
    }
    for (; n < p->ids_n && n < ANY_IDS; n++) {
        struct str hex = arena_printf(ask->a, "%016llx", (unsigned long long)p->ids[n]);

        any[n] =
            filter_pred(ask->a, BY_PATTERN, PRED_EQ, (struct value){.type = VALUE_STR, .u.s = hex});
    }
    f[0] = filter_or(ask->a, any, n);
    f[0] = f[1] != NULL && f[0] != NULL ? filter_and(ask->a, f, 2) : f[0];
    if (f[0] == NULL) {
        return no_memory(reterr);
    }
    from = ask->range.start_ns + (int64_t)(last - 1) * ask->step_ns;
    to = from + ask->step_ns < ask->range.end_ns ? from + ask->step_ns : ask->range.end_ns;
    return scan_samples(s, f[0], from, to, take_one, reterr);
}

static bool wants_sample(const struct pattern_count *p, bool unknown_only)
{
    return p->id != 0 && p->last_ns == INT64_MIN && (!unknown_only || p->text.n == 0);
}

int pattern_samples(const struct pattern_ask *ask, struct pattern_counts *c, size_t n,
                    bool unknown_only, struct err *reterr)
{
    struct sampling s = {.ask = ask, .c = c};
    int rc = 0;

    if (ask->query != NULL) {
        return 0; /* seen while reading */
    }
    if (!unknown_only && c->n != 0) {
        rc = scan_samples(&s, ask->filter, ask->range.start_ns, ask->range.end_ns, take_sample,
                          reterr);
    }
    for (size_t i = 0; rc == 0 && i < c->n && i < n; i++) {
        if (wants_sample(c->v[i], unknown_only)) {
            rc = sample_one(&s, c->v[i], reterr);
        }
    }
    return rc;
}
