/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting series. Every source (head shard, part) translates its own pair numbers to rows once, so that a
 * series costs one hash look-up and an array step a label.
 */
#include "store/tsdb/cardinality.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/tsdb/tsdb_internal.h"

enum {
    LOOK_MAX = 1 << 20, /* series kept in the table of seen ones */
    SLICE = 512,        /* series of a shard looked at under one lock */
    IN_RANGE = 1,
    IN_BEFORE = 2,
    NO_ROW = UINT32_MAX,
};

static const size_t ARENA_MAX = (size_t)512 << 20;
static const int64_t HOUR_MS = 3600000;
static const int64_t FRESH_MS =
    300000; /* a series' rate counts when its newest sample is younger */

/** A label pair, or a job and instance. */
struct row {
    uint32_t name;     /* in names; of a source: row of the job */
    uint32_t series;   /* in the range */
    uint32_t before;   /* a day earlier */
    uint32_t instance; /* of a source: row of the instance */
    struct str value;  /* in the arena */
    double per_s;      /* samples */
};

struct seen {
    int64_t first_ms;
    uint8_t flags;
};

struct name {
    struct str text;
    uint64_t values;  /* distinct, as counted */
    uint64_t indexed; /* most any one index has: a floor when only a share was looked at */
    uint64_t series;
    uint64_t before;
};

typedef VEC(uint32_t) row_numbers;

struct count {
    struct tsdb *db;
    const struct tsdb_cardinality_query *q;
    struct arena arena;
    uint64_t mask;         /* a series is looked at when these bits of its id are zero */
    struct keymap seen_at; /* id -> seen */
    VEC(struct seen) seen;
    struct keymap row_at; /* hash of name and value -> row */
    VEC(struct row) rows;
    struct keymap source_at; /* rows of job and instance -> source */
    VEC(struct row) sources;
    VEC(struct name) names;
    row_numbers known; /* pair of the source at hand -> row */
    struct buf text;
    int64_t now_ms;
};

/** A series of one source. */
struct found {
    struct hash128 id;
    int64_t min_ms, max_ms;
    const uint32_t *rows;
    size_t rows_n;
    double per_s;
};

static int64_t floor_sub(int64_t a, int64_t b)
{
    return a < INT64_MIN + b ? INT64_MIN : a - b;
}

/* ---- rows ---- */

static int name_number(struct count *c, struct str text, uint32_t *ret)
{
    struct name n = {0};

    for (size_t i = 0; i < c->names.n; i++) { /* few hundred at most, asked once a pair */
        if (str_eq(c->names.v[i].text, text)) {
            *ret = (uint32_t)i;
            return 0;
        }
    }
    n.text = arena_str_dup(&c->arena, text);
    *ret = (uint32_t)c->names.n;
    return n.text.n == text.n && vec_push(&c->names, n) ? 0 : -ERR_NOMEM;
}

/** The row of a pair, made when new. */
static int row_number(struct count *c, struct str name, struct str value, uint32_t *ret)
{
    struct row r = {0};
    struct hash128 key;
    uint64_t at;
    int rc;

    buf_clear(&c->text);
    buf_add_str(&c->text, name);
    buf_add_byte(&c->text, '\0');
    buf_add_str(&c->text, value);
    if (c->text.failed || c->rows.n >= NO_ROW) {
        return -ERR_NOMEM;
    }
    key = hash128(c->text.data, c->text.n);
    if (keymap_get(&c->row_at, key, &at)) {
        *ret = (uint32_t)at;
        return 0;
    }
    rc = name_number(c, name, &r.name);
    r.value = arena_str_dup(&c->arena, value);
    if (rc < 0 || r.value.n != value.n || !vec_reserve(&c->rows, 1) ||
        keymap_put(&c->row_at, key, c->rows.n) < 0) {
        return -ERR_NOMEM;
    }
    *ret = (uint32_t)c->rows.n;
    c->rows.v[c->rows.n++] = r;
    return 0;
}

static int forget_known(struct count *c, size_t pairs_n)
{
    vec_clear(&c->known);
    if (!vec_reserve(&c->known, pairs_n + 1) || c->known.v == NULL) {
        return -ERR_NOMEM;
    }
    memset(c->known.v, 0xff, pairs_n * sizeof(*c->known.v));
    c->known.n = pairs_n;
    return 0;
}

static const char *const SOURCE_LABELS[2] = {"job", "instance"};

/** The source a series is of, NULL when it has no job. */
static int source_of(struct count *c, const struct found *f, struct row **ret)
{
    uint32_t of[2] = {NO_ROW, NO_ROW};
    struct hash128 key;
    uint64_t at;

    *ret = NULL;
    for (size_t i = 0; i < f->rows_n; i++) {
        struct str name = c->names.v[c->rows.v[f->rows[i]].name].text;

        for (int k = 0; k < 2; k++) {
            of[k] = str_eq(name, str_cstr(SOURCE_LABELS[k])) ? f->rows[i] : of[k];
        }
    }
    if (of[0] == NO_ROW) {
        return 0;
    }
    key = (struct hash128){hash_u64((uint64_t)of[0] << 32 | of[1]), (uint64_t)of[0] << 32 | of[1]};
    if (!keymap_get(&c->source_at, key, &at)) {
        struct row r = {.name = of[0], .instance = of[1]};

        at = c->sources.n;
        if (!vec_push(&c->sources, r) || keymap_put(&c->source_at, key, at) < 0) {
            return -ERR_NOMEM;
        }
    }
    *ret = &c->sources.v[at];
    return 0;
}

static void bump(struct row *r, unsigned flags)
{
    r->series += (flags & IN_RANGE) != 0 ? 1 : 0;
    r->before += (flags & IN_BEFORE) != 0 ? 1 : 0;
}

static bool looked_at(const struct count *c, struct hash128 id)
{
    return (id.hi >> 8 & c->mask) == 0; /* the low bits choose the shard */
}

/** Which ranges the samples span. */
static unsigned ranges_of(const struct count *c, int64_t min_ms, int64_t max_ms)
{
    const struct tsdb_cardinality_query *q = c->q;
    unsigned flags = max_ms >= q->min_ms && min_ms <= q->max_ms ? IN_RANGE : 0;

    return flags | (max_ms >= floor_sub(q->min_ms, PART_DAY_MS) &&
                            min_ms <= floor_sub(q->max_ms, PART_DAY_MS)
                        ? (unsigned)IN_BEFORE
                        : 0);
}

/** Note what a source knows of a series. @return flags that are new, or an error */
static int note(struct count *c, const struct found *f)
{
    unsigned flags = ranges_of(c, f->min_ms, f->max_ms);
    unsigned fresh = flags;
    uint64_t at;

    if (keymap_get(&c->seen_at, f->id, &at)) {
        struct seen *s = &c->seen.v[at];

        s->first_ms = f->min_ms < s->first_ms ? f->min_ms : s->first_ms;
        fresh = flags & ~(unsigned)s->flags;
        s->flags |= (uint8_t)flags;
        return (int)fresh;
    }
    at = c->seen.n;
    return vec_push(&c->seen, (struct seen){f->min_ms, (uint8_t)flags}) &&
                   keymap_put(&c->seen_at, f->id, at) == 0
               ? (int)fresh
               : -ERR_NOMEM;
}

static int count_series(struct count *c, const struct found *f, unsigned fresh)
{
    struct row *source;
    int rc = source_of(c, f, &source);

    for (size_t i = 0; rc == 0 && fresh != 0 && i < f->rows_n; i++) {
        bump(&c->rows.v[f->rows[i]], fresh);
    }
    if (rc == 0 && source != NULL) {
        bump(source, fresh);
        source->per_s += f->per_s;
        c->rows.v[source->name].per_s += f->per_s;
    }
    return rc;
}

/* ---- the head ---- */

/** Span of a series' samples in memory, and how fast they come. @return false when it has none */
static bool head_span(const struct series *se, int64_t now_ms, struct found *f)
{
    double n = 0;
    int64_t from = 0;
    int64_t to = 0;

    f->min_ms = INT64_MAX;
    f->max_ms = INT64_MIN;
    for (const struct chunk *c = se->first; c != NULL; c = c->next) {
        f->min_ms = c->min_ms < f->min_ms ? c->min_ms : f->min_ms;
        f->max_ms = c->max_ms > f->max_ms ? c->max_ms : f->max_ms;
        n = c->n;
        from = c->min_ms;
        to = c->max_ms;
    }
    for (size_t i = 0; i < se->raw_n; i++) {
        f->min_ms = se->raw[i].t < f->min_ms ? se->raw[i].t : f->min_ms;
        f->max_ms = se->raw[i].t > f->max_ms ? se->raw[i].t : f->max_ms;
    }
    if (se->raw_n > 1) {
        n = se->raw_n;
        from = se->raw[0].t;
        to = se->raw[se->raw_n - 1].t;
    }
    f->per_s = n > 1 && to > from && f->max_ms > now_ms - FRESH_MS
                   ? (n - 1) * 1000 / (double)(to - from)
                   : 0;
    return f->min_ms <= f->max_ms;
}

static int count_head_series(struct count *c, const struct shard *s, const struct series *se,
                             uint32_t *rows)
{
    struct found f = {.id = se->id, .rows = rows, .rows_n = se->pairs_n};
    int fresh;

    if (!looked_at(c, se->id) || !head_span(se, c->now_ms, &f)) {
        return 0;
    }
    fresh = note(c, &f);
    if (fresh < 0 || (fresh == 0 && f.per_s == 0)) {
        return fresh;
    }
    for (size_t i = 0; i < se->pairs_n; i++) {
        uint32_t pair = se->pairs[i];
        int rc = 0;

        while (pair >= c->known.n) { /* made since the walk began */
            if (!vec_push(&c->known, NO_ROW)) {
                return -ERR_NOMEM;
            }
        }
        if (c->known.v[pair] == NO_ROW) {
            rc = row_number(c, s->pairs.v[pair]->name, s->pairs.v[pair]->value, &c->known.v[pair]);
        }
        if (rc < 0) {
            return rc;
        }
        rows[i] = c->known.v[pair];
    }
    return count_series(c, &f, (unsigned)fresh);
}

/** Walk a set of series, letting writers in between. Pair numbers may be reused when series were collected
 * meanwhile; then they are translated anew. */
static int walk_shard(struct count *c, struct shard *s, const roaring_bitmap_t *set)
{
    roaring_uint32_iterator_t it;
    uint32_t *rows = mem_try_calloc(PART_MAX_LABELS, sizeof(*rows));
    uint64_t freed = UINT64_MAX;
    int rc = rows == NULL ? -ERR_NOMEM : 0;

    roaring_init_iterator(set, &it);
    while (rc == 0 && it.has_value) {
        rc = cancel_check(c->q->cancel);
        rwlock_read(&s->lock);
        if (freed != s->pairs_freed) {
            freed = s->pairs_freed;
            rc = rc == 0 ? forget_known(c, s->pairs.n) : rc;
        }
        for (unsigned i = 0; rc == 0 && i < SLICE && it.has_value; i++) {
            const struct series *se = head_series_locked(s, it.current_value);

            rc = se != NULL ? count_head_series(c, s, se, rows) : 0;
            roaring_advance_uint32_iterator(&it);
        }
        rwlock_unlock(&s->lock);
    }
    mem_free(rows);
    return rc;
}

static int count_shard(struct count *c, struct shard *s, const struct tsdb_matchers *m)
{
    roaring_bitmap_t *set = NULL;
    int rc;

    rwlock_read(&s->lock);
    rc = index_resolve(head_index(s), m->v, m->n, c->q->cancel, &set);
    rwlock_unlock(&s->lock);
    if (rc == 0) {
        rc = walk_shard(c, s, set);
        roaring_bitmap_free(set);
    }
    return rc;
}

/* ---- parts ---- */

struct part_count {
    struct count *c;
    struct part_cursor at;
    struct arena labels;
    uint32_t rows[PART_MAX_LABELS];
};

static int count_part_series(struct part_count *p, uint32_t number)
{
    struct count *c = p->c;
    struct found f = {.rows = p->rows};
    struct labels ls;
    int fresh;
    int rc = part_seek(&p->at, number);

    arena_reset(&p->labels);
    rc = rc == 0 ? part_labels(&p->at, &p->labels, &ls) : rc;
    rc = rc == 0 ? labels_id(ls, &f.id) : rc;
    if (rc != 0 || !looked_at(c, f.id) || part_hides_series(&p->at)) {
        return rc;
    }
    f.min_ms = p->at.min_ms;
    f.max_ms = p->at.max_ms;
    f.rows_n = ls.n;
    fresh = note(c, &f);
    if (fresh <= 0) {
        return fresh;
    }
    for (size_t i = 0; rc == 0 && i < ls.n; i++) {
        uint32_t *known = &c->known.v[p->at.pairs[i]];

        rc = *known == NO_ROW ? row_number(c, ls.v[i].name, ls.v[i].value, known) : 0;
        p->rows[i] = *known;
    }
    return rc < 0 ? rc : count_series(c, &f, (unsigned)fresh);
}

static int count_part(struct count *c, const struct part *part, const struct tsdb_matchers *m)
{
    struct part_count *p = mem_try_calloc(1, sizeof(*p));
    roaring_uint32_iterator_t it;
    roaring_bitmap_t *set = NULL;
    unsigned done = 0;
    int rc;

    if (p == NULL) {
        return -ERR_NOMEM;
    }
    p->c = c;
    part_cursor_init(&p->at, part);
    arena_init(&p->labels, 4 << 20);
    rc = forget_known(c, part_pairs_n(part));
    rc = rc == 0 ? index_resolve(part_index(part), m->v, m->n, c->q->cancel, &set) : rc;
    if (rc == 0) {
        roaring_init_iterator(set, &it);
        for (; rc == 0 && it.has_value; roaring_advance_uint32_iterator(&it)) {
            rc = ++done % SLICE == 0 ? cancel_check(c->q->cancel) : 0;
            rc = rc == 0 ? count_part_series(p, it.current_value) : rc;
        }
        roaring_bitmap_free(set);
    }
    arena_done(&p->labels);
    mem_free(p);
    return rc;
}

/* ---- tables ---- */

/** The `limit` largest of what is offered: a heap with the smallest on top. */
struct top {
    struct top_item {
        uint64_t key;
        uint32_t at;
    } * v;

    size_t n, limit;
    uint64_t total;
};

static bool below(struct top_item a, struct top_item b)
{
    return a.key != b.key ? a.key < b.key : a.at > b.at;
}

static void sift_down(struct top *t)
{
    size_t i = 0;

    for (;;) {
        size_t k = 2 * i + 1;
        struct top_item x;

        if (k >= t->n) {
            return;
        }
        k += k + 1 < t->n && below(t->v[k + 1], t->v[k]) ? 1 : 0;
        if (!below(t->v[k], t->v[i])) {
            return;
        }
        x = t->v[i];
        t->v[i] = t->v[k];
        t->v[k] = x;
        i = k;
    }
}

static void top_offer(struct top *t, uint64_t key, uint32_t at)
{
    const struct top_item x = {key, at};

    t->total++;
    if (t->n < t->limit) {
        size_t i = t->n++;

        t->v[i] = x;
        while (i > 0 && below(t->v[i], t->v[(i - 1) / 2])) {
            struct top_item up = t->v[(i - 1) / 2];

            t->v[(i - 1) / 2] = t->v[i];
            t->v[i] = up;
            i = (i - 1) / 2;
        }
    } else if (t->n != 0 && below(t->v[0], x)) {
        t->v[0] = x;
        sift_down(t);
    }
}

static int top_init(struct top *t, struct arena *a, size_t limit)
{
    *t = (struct top){.v = arena_array(a, struct top_item, limit + 1), .limit = limit};
    return t->v != NULL ? 0 : -ERR_NOMEM;
}

/** Space for the rows of a table. */
static int top_finish(struct top *t, struct arena *a, struct tsdb_cardinality_table *ret)
{
    ret->v = arena_calloc(a, t->n + 1, sizeof(*ret->v));
    ret->n = t->n;
    ret->total = t->total;
    return ret->v != NULL ? 0 : -ERR_NOMEM;
}

static int falling(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

static int by_rank(const void *a, const void *b)
{
    const struct tsdb_cardinality_row *x = a;
    const struct tsdb_cardinality_row *y = b;
    int c = falling(x->values, y->values);

    c = c != 0 ? c : falling(x->series, y->series);
    c = c != 0 ? c : falling(x->before, y->before);
    c = c != 0 ? c : str_cmp(x->name, y->name);
    return c != 0 ? c : str_cmp(x->value, y->value);
}

static void sort_rows(const struct tsdb_cardinality_table *t)
{
    if (t->n > 1) {
        qsort(t->v, t->n, sizeof(*t->v), by_rank);
    }
}

static uint64_t scale(const struct count *c, uint64_t n)
{
    return n * (c->mask + 1);
}

static struct tsdb_cardinality_row row_out(const struct count *c, const struct row *r)
{
    return (struct tsdb_cardinality_row){.series = scale(c, r->series),
                                         .before = scale(c, r->before),
                                         .samples_per_s = r->per_s * (double)(c->mask + 1)};
}

/** Rows of one label (empty: of all), name and value as `pair` says. */
static int pair_table(const struct count *c, struct str label, bool pair, struct arena *a,
                      struct tsdb_cardinality_table *ret)
{
    struct top t;
    int rc = top_init(&t, a, c->q->limit);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < c->rows.n; i++) {
        const struct row *r = &c->rows.v[i];

        if ((r->series != 0 || r->before != 0) && !label_name_is_hidden(c->names.v[r->name].text) &&
            (label.n == 0 || str_eq(c->names.v[r->name].text, label))) {
            top_offer(&t, r->series, (uint32_t)i);
        }
    }
    rc = top_finish(&t, a, ret);
    for (size_t i = 0; rc == 0 && i < t.n; i++) {
        const struct row *r = &c->rows.v[t.v[i].at];

        ret->v[i] = row_out(c, r);
        ret->v[i].name = arena_str_dup(a, pair ? c->names.v[r->name].text : r->value);
        ret->v[i].value = pair ? arena_str_dup(a, r->value) : str_of(NULL, 0);
    }
    sort_rows(ret);
    return rc;
}

static int label_table(struct count *c, struct arena *a, struct tsdb_cardinality_table *ret)
{
    struct top t;
    int rc = top_init(&t, a, c->q->limit);

    for (size_t i = 0; i < c->rows.n; i++) {
        const struct row *r = &c->rows.v[i];
        struct name *n = &c->names.v[r->name];

        n->values += r->series != 0 ? 1 : 0;
        n->series += r->series;
        n->before += r->before;
    }
    for (size_t i = 0; rc == 0 && i < c->names.n; i++) {
        struct name *n = &c->names.v[i];

        n->values = n->indexed > n->values ? n->indexed : n->values;
        if (n->values != 0 && !label_name_is_hidden(n->text)) {
            top_offer(&t, n->values, (uint32_t)i);
        }
    }
    rc = rc == 0 ? top_finish(&t, a, ret) : rc;
    for (size_t i = 0; rc == 0 && i < t.n; i++) {
        const struct name *n = &c->names.v[t.v[i].at];

        ret->v[i] = (struct tsdb_cardinality_row){.name = arena_str_dup(a, n->text),
                                                  .values = n->values,
                                                  .series = scale(c, n->series),
                                                  .before = scale(c, n->before)};
    }
    sort_rows(ret);
    return rc;
}

static int instance_table(const struct count *c, struct arena *a,
                          struct tsdb_cardinality_table *ret)
{
    struct top t;
    int rc = top_init(&t, a, c->q->limit);

    for (size_t i = 0; rc == 0 && i < c->sources.n; i++) {
        if (c->sources.v[i].series != 0 || c->sources.v[i].before != 0) {
            top_offer(&t, c->sources.v[i].series, (uint32_t)i);
        }
    }
    rc = rc == 0 ? top_finish(&t, a, ret) : rc;
    for (size_t i = 0; rc == 0 && i < t.n; i++) {
        const struct row *r = &c->sources.v[t.v[i].at];

        ret->v[i] = row_out(c, r);
        ret->v[i].name = arena_str_dup(a, c->rows.v[r->name].value);
        ret->v[i].value = r->instance != NO_ROW ? arena_str_dup(a, c->rows.v[r->instance].value)
                                                : str_of(NULL, 0);
    }
    sort_rows(ret);
    return rc;
}

static int make_tables(struct count *c, struct arena *a, struct tsdb_cardinality *out)
{
    int rc;

    for (size_t i = 0; i < c->seen.n; i++) {
        const struct seen *s = &c->seen.v[i];
        bool in = (s->flags & IN_RANGE) != 0;

        out->series += in ? 1 : 0;
        out->before += (s->flags & IN_BEFORE) != 0 ? 1 : 0;
        out->created_hour += in && s->first_ms > floor_sub(c->q->max_ms, HOUR_MS) ? 1 : 0;
        out->created_day += in && s->first_ms > floor_sub(c->q->max_ms, PART_DAY_MS) ? 1 : 0;
    }
    out->series = scale(c, out->series);
    out->before = scale(c, out->before);
    out->created_hour = scale(c, out->created_hour);
    out->created_day = scale(c, out->created_day);
    out->looked_at = 1 / (double)(c->mask + 1);
    out->active = atomic_load_explicit(&c->db->head.series_n, memory_order_relaxed);
    rc = pair_table(c, STR(LABEL_NAME), false, a, &out->metrics);
    rc = rc == 0 ? pair_table(c, str_of(NULL, 0), true, a, &out->pairs) : rc;
    rc = rc == 0 ? pair_table(c, STR("job"), false, a, &out->jobs) : rc;
    rc = rc == 0 ? label_table(c, a, &out->labels) : rc;
    rc = rc == 0 ? instance_table(c, a, &out->instances) : rc;
    if (rc == 0 && c->q->focus.n != 0) {
        rc = pair_table(c, c->q->focus, false, a, &out->focus);
    }
    return rc;
}

/* ---- all of it ---- */

static int count_head(struct count *c, const struct tsdb_matchers *v, size_t n)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        for (unsigned k = 0; rc == 0 && k < HEAD_SHARDS; k++) {
            rc = count_shard(c, &c->db->head.shards[k], &v[i]);
        }
    }
    return rc;
}

static int count_parts(struct count *c, const struct tsdb_matchers *v, size_t n,
                       struct part *const *parts, size_t parts_n)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        for (size_t k = 0; rc == 0 && k < parts_n; k++) {
            rc = count_part(c, parts[k], &v[i]);
        }
    }
    return rc;
}

/** A part whose label names are noted. */
struct floor {
    struct count *c;
    const struct part *part;
};

static int floor_one(void *arg, struct str name)
{
    const struct floor *f = arg;
    uint64_t values = part_values_n(f->part, name);
    uint32_t at;
    int rc = name_number(f->c, name, &at);

    if (rc == 0 && values > f->c->names.v[at].indexed) {
        f->c->names.v[at].indexed = values;
    }
    return rc;
}

/** With a share of the series only, the indexes tell how many values there are at least. */
static int floor_values(struct count *c, struct part *const *parts, size_t parts_n)
{
    int rc = 0;

    if (c->mask == 0 || c->q->selectors_n != 0) {
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < parts_n; i++) {
        struct floor f = {c, parts[i]};

        if (part_info(parts[i])->max_ms >= c->q->min_ms) {
            rc = part_each_name(parts[i], floor_one, &f);
        }
    }
    return rc;
}

/** How many of the series can be kept: all, or one of a power of two. */
static void choose_share(struct count *c, int64_t min_ms)
{
    uint64_t all = atomic_load_explicit(&c->db->head.series_n, memory_order_relaxed);

    rwlock_read(&c->db->parts_lock);
    for (size_t i = 0; i < c->db->parts.n; i++) {
        const struct part_info *p = part_info(c->db->parts.v[i]);

        all += p->max_ms >= min_ms && p->min_ms <= c->q->max_ms ? p->series_n : 0;
    }
    rwlock_unlock(&c->db->parts_lock);
    for (c->mask = 0; all / (c->mask + 1) > LOOK_MAX; c->mask = c->mask * 2 + 1) {
    }
}

static void count_done(struct count *c)
{
    keymap_done(&c->seen_at);
    keymap_done(&c->row_at);
    keymap_done(&c->source_at);
    vec_done(&c->seen);
    vec_done(&c->rows);
    vec_done(&c->sources);
    vec_done(&c->names);
    vec_done(&c->known);
    buf_done(&c->text);
    arena_done(&c->arena);
}

int tsdb_cardinality(struct tsdb *db, const struct tsdb_cardinality_query *q, struct arena *a,
                     struct tsdb_cardinality *ret, struct err *reterr)
{
    static const struct tsdb_matchers EVERY = {NULL, 0};
    const struct tsdb_matchers *v = q->selectors_n != 0 ? q->selectors : &EVERY;
    size_t n = q->selectors_n != 0 ? q->selectors_n : 1;
    struct count c = {.db = db, .q = q, .now_ms = clock_wall_ms()};
    struct tsdb_cardinality out = {0};
    struct part **parts = NULL;
    size_t parts_n = 0;
    int64_t from = floor_sub(q->max_ms, 2 * (int64_t)PART_DAY_MS);
    int rc;

    from = floor_sub(q->min_ms, PART_DAY_MS) < from ? floor_sub(q->min_ms, PART_DAY_MS) : from;
    arena_init(&c.arena, ARENA_MAX);
    buf_init(&c.text, 2 << 20);
    choose_share(&c, from);
    /* The head before the parts, as in select.c: what a flush moves meanwhile is seen twice at most. */
    rc = count_head(&c, v, n);
    rc = rc == 0 ? parts_snapshot(db, from, q->max_ms, &parts, &parts_n) : rc;
    rc = rc == 0 ? count_parts(&c, v, n, parts, parts_n) : rc;
    rc = rc == 0 ? floor_values(&c, parts, parts_n) : rc;
    rc = rc == 0 ? make_tables(&c, a, &out) : rc;
    parts_release(parts, parts_n);
    count_done(&c);
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "counting series: %s", err_text(rc));
    }
    *ret = out;
    return 0;
}
