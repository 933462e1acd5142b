/* SPDX-License-Identifier: Apache-2.0
 *
 * The reading side. A selection pins what it will read: parts by reference, the head's chunks by
 * reference, its raw samples by copy; so it stays valid and complete whatever flushes and merges do.
 * The head is looked at before the parts: a flush publishes a part before it drops chunks, so whatever
 * the head no longer has is in a part seen afterwards; what both have is joined by time.
 */
#include <stdlib.h>

#include "base/err.h"
#include "codec/chunk.h"
#include "store/tsdb/native.h"
#include "store/tsdb/select.h"
#include "store/tsdb/tsdb_internal.h"

enum { CHECK_EVERY = 256 };

static const size_t SELECTION_MAX = (size_t)4 << 30;

/** What the head had of a series. */
struct head_data {
    struct chunk **chunks; /* pinned; in arrival order */
    size_t chunks_n;
    struct point *points; /* sorted */
    size_t points_n;
};

struct part_data {
    uint32_t part;   /* in selection->parts */
    uint32_t number; /* in the part */
    uint32_t next;   /* of the same series + 1; 0: last */
};

struct entry {
    struct labels labels;
    struct head_data *head; /* NULL: nothing there */
    uint32_t first, last;   /* in selection->part_data, + 1; 0: none */
};

struct series_selection {
    struct arena arena;
    struct budget *budget;
    int64_t taken; /* from the budget */
    int64_t min_ms, max_ms;
    size_t max_series;
    struct cancel *cancel;
    struct part **parts;
    size_t parts_n;
    VEC(struct entry) entries;
    VEC(struct part_data) part_data;
    VEC(struct chunk *) pinned;
    bool has_components; /* of native histograms, among the entries */
    struct native_group
        *groups; /* owned; what is seen from outside; NULL: the entries themselves */
    size_t groups_n;
    struct keymap by_id; /* series id -> entry, while building */
    struct buf scratch;
};

static void selection_free(struct series_selection *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->pinned.n; i++) {
        chunk_unref(s->pinned.v[i]);
    }
    vec_done(&s->pinned);
    vec_done(&s->entries);
    mem_free(s->groups);
    vec_done(&s->part_data);
    keymap_done(&s->by_id);
    buf_done(&s->scratch);
    parts_release(s->parts, s->parts_n);
    arena_done(&s->arena);
    if (s->taken != 0) {
        budget_give(s->budget, s->taken);
    }
    mem_free(s);
}

/* ---- the head's part of it ---- */

/** First chunk in arrival order that may have samples from `min_ms` on. Found from the newest: queries mostly
 * ask for the latest. */
static struct chunk *first_chunk(const struct series *se, int64_t min_ms)
{
    struct chunk *c = se->last;

    if (c == NULL || c->until_ms < min_ms) {
        return NULL;
    }
    while (c->prev != NULL && c->prev->until_ms >= min_ms) {
        c = c->prev;
    }
    return c;
}

static int pin_chunks(struct series_selection *s, const struct series *se, struct head_data *d)
{
    struct chunk *first = first_chunk(se, s->min_ms);
    size_t n = 0;

    for (struct chunk *c = first; c != NULL; c = c->next) {
        n += c->max_ms >= s->min_ms && c->min_ms <= s->max_ms ? 1 : 0;
    }
    if (n == 0) {
        return 0;
    }
    d->chunks = arena_array(&s->arena, struct chunk *, n);
    if (d->chunks == NULL || !vec_reserve(&s->pinned, n)) {
        return -ERR_NOMEM;
    }
    for (struct chunk *c = first; c != NULL; c = c->next) {
        if (c->max_ms >= s->min_ms && c->min_ms <= s->max_ms) {
            chunk_ref(c);
            s->pinned.v[s->pinned.n++] = c;
            d->chunks[d->chunks_n++] = c;
        }
    }
    return 0;
}

static int copy_points(struct series_selection *s, const struct series *se, struct head_data *d)
{
    size_t n = 0;

    for (size_t i = 0; i < se->raw_n; i++) {
        n += se->raw[i].t >= s->min_ms && se->raw[i].t <= s->max_ms ? 1 : 0;
    }
    if (n == 0) {
        return 0;
    }
    d->points = arena_array(&s->arena, struct point, n);
    if (d->points == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < se->raw_n; i++) {
        if (se->raw[i].t >= s->min_ms && se->raw[i].t <= s->max_ms) {
            d->points[d->points_n++] = se->raw[i];
        }
    }
    if (!se->raw_sorted) {
        d->points_n = points_sort(d->points, d->points_n);
    }
    return 0;
}

static void note_component(struct series_selection *s, struct labels ls)
{
    s->has_components |= ls.n != 0 && label_name_is_hidden(ls.v[ls.n - 1].name);
}

static int add_head_series(struct series_selection *s, const struct shard *sh,
                           const struct series *se)
{
    struct head_data d = {0};
    struct entry e = {0};
    struct label *v;
    int rc = pin_chunks(s, se, &d);

    rc = rc == 0 ? copy_points(s, se, &d) : rc;
    if (rc < 0 || (d.chunks_n == 0 && d.points_n == 0)) {
        return rc;
    }
    v = arena_array(&s->arena, struct label, se->pairs_n != 0 ? se->pairs_n : 1);
    e.head = arena_new(&s->arena, struct head_data);
    if (v == NULL || e.head == NULL ||
        labels_dup(head_labels_locked(sh, se, v), &s->arena, &e.labels) < 0) {
        return -ERR_NOMEM;
    }
    *e.head = d;
    if (s->max_series != 0 && s->entries.n >= s->max_series) {
        return -ERR_LIMIT;
    }
    note_component(s, e.labels);
    return keymap_put(&s->by_id, se->id, s->entries.n) < 0 || !vec_push(&s->entries, e) ? -ERR_NOMEM
                                                                                        : 0;
}

/** Run fn over the series of one set of numbers. */
static int each_number(const roaring_bitmap_t *set, struct cancel *cancel,
                       int (*fn)(void *arg, uint32_t number), void *arg)
{
    roaring_uint32_iterator_t it;
    unsigned seen = 0;
    int rc = 0;

    roaring_init_iterator(set, &it);
    for (; rc == 0 && it.has_value; roaring_advance_uint32_iterator(&it)) {
        if (++seen % CHECK_EVERY == 0) {
            rc = cancel_check(cancel);
        }
        rc = rc == 0 ? fn(arg, it.current_value) : rc;
    }
    return rc;
}

struct head_walk {
    struct series_selection *s;
    const struct shard *shard;
};

static int head_walk_one(void *arg, uint32_t number)
{
    const struct head_walk *w = arg;
    const struct series *se = head_series_locked(w->shard, number);

    return se != NULL ? add_head_series(w->s, w->shard, se) : 0;
}

static int select_head(struct tsdb *db, struct series_selection *s, const struct series_query *q)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < HEAD_SHARDS; i++) {
        struct shard *sh = &db->head.shards[i];
        struct head_walk w = {s, sh};
        roaring_bitmap_t *set = NULL;

        rwlock_read(&sh->lock);
        rc = index_resolve(head_index(sh), q->matchers, q->matchers_n, q->cancel, &set);
        if (rc == 0) {
            rc = each_number(set, q->cancel, head_walk_one, &w);
            roaring_bitmap_free(set);
        }
        rwlock_unlock(&sh->lock);
    }
    return rc;
}

/* ---- parts ---- */

struct part_walk {
    struct series_selection *s;
    uint32_t part;
    struct part_cursor at;
};

static int part_walk_one(void *arg, uint32_t number)
{
    struct part_walk *w = arg;
    struct series_selection *s = w->s;
    struct part_data d = {.part = w->part, .number = number};
    struct entry *e;
    struct labels labels;
    uint64_t at = 0;
    int rc = part_seek(&w->at, number);

    if (rc < 0 || w->at.max_ms < s->min_ms || w->at.min_ms > s->max_ms) {
        return rc;
    }
    rc = part_labels(&w->at, &s->arena, &labels);
    if (rc < 0) {
        return rc;
    }
    buf_clear(&s->scratch);
    labels_encode(labels, &s->scratch);
    if (s->scratch.failed) {
        return -ERR_NOMEM;
    }
    {
        struct hash128 id = hash128(s->scratch.data, s->scratch.n);

        if (!keymap_get(&s->by_id, id, &at)) {
            at = s->entries.n;
            if (s->max_series != 0 && at >= s->max_series) {
                return -ERR_LIMIT;
            }
            note_component(s, labels);
            if (keymap_put(&s->by_id, id, at) < 0 ||
                !vec_push(&s->entries, (struct entry){.labels = labels})) {
                return -ERR_NOMEM;
            }
        }
    }
    if (s->part_data.n >= UINT32_MAX - 1 || !vec_push(&s->part_data, d)) {
        return -ERR_NOMEM;
    }
    e = &s->entries.v[at];
    if (e->first == 0) {
        e->first = (uint32_t)s->part_data.n;
    } else {
        s->part_data.v[e->last - 1].next = (uint32_t)s->part_data.n;
    }
    e->last = (uint32_t)s->part_data.n;
    return 0;
}

static int select_parts(struct series_selection *s, const struct series_query *q)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < s->parts_n; i++) {
        struct part_walk w;
        roaring_bitmap_t *set = NULL;

        w.s = s;
        w.part = (uint32_t)i;
        part_cursor_init(&w.at, s->parts[i]);
        rc = index_resolve(part_index(s->parts[i]), q->matchers, q->matchers_n, q->cancel, &set);
        if (rc == 0) {
            rc = each_number(set, q->cancel, part_walk_one, &w);
            roaring_bitmap_free(set);
        }
    }
    return rc;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct entry *)a)->labels, ((const struct entry *)b)->labels);
}

/** Put components of native histograms under their series. */
static int group_entries(struct series_selection *s)
{
    struct labels *labels;

    if (!s->has_components) {
        return 0;
    }
    labels = mem_try_calloc(s->entries.n, sizeof(*labels));
    for (size_t i = 0; labels != NULL && i < s->entries.n; i++) {
        labels[i] = s->entries.v[i].labels;
    }
    s->groups = labels != NULL ? native_groups(labels, s->entries.n, &s->groups_n) : NULL;
    mem_free(labels);
    return s->groups == NULL ? -ERR_NOMEM : 0;
}

static int explain(int rc, const struct series_query *q, struct err *reterr)
{
    switch (rc) {
    case -ERR_LIMIT:
        return err_set(reterr, ERR_LIMIT, "query selects more than %zu series", q->max_series);
    case -ERR_NOMEM:
        return err_set(reterr, ERR_NOMEM, "query over its memory while selecting series");
    case -ERR_CORRUPT:
        return err_set(reterr, ERR_CORRUPT, "damaged index of a part");
    default:
        return err_set(reterr, (enum err_code) - rc, "%s", err_text(rc));
    }
}

static size_t allowed(const struct budget *b)
{
    int64_t left = b != NULL ? b->max_bytes - budget_used(b) : INT64_MAX;

    left = left < 0 ? 0 : left;
    return (uint64_t)left < SELECTION_MAX ? (size_t)left : SELECTION_MAX;
}

static int tsdb_select(void *impl, const struct series_query *q, struct series_selection **ret,
                       struct err *reterr)
{
    struct tsdb *db = impl;
    struct series_selection *s = mem_try_calloc(1, sizeof(*s));
    int64_t bytes;
    int rc;

    if (s == NULL) {
        return explain(-ERR_NOMEM, q, reterr);
    }
    arena_init(&s->arena, allowed(q->budget));
    buf_init(&s->scratch, 2 << 20);
    s->budget = q->budget;
    s->min_ms = q->min_ms;
    s->max_ms = q->max_ms;
    s->max_series = q->max_series;
    s->cancel = q->cancel;
    rc = select_head(db, s, q);
    rc = rc == 0 ? parts_snapshot(db, q->min_ms, q->max_ms, &s->parts, &s->parts_n) : rc;
    rc = rc == 0 ? select_parts(s, q) : rc;
    keymap_done(&s->by_id);
    buf_done(&s->scratch);
    if (rc == 0 && s->entries.n > 1) {
        qsort(s->entries.v, s->entries.n, sizeof(*s->entries.v), by_labels);
    }
    rc = rc == 0 ? group_entries(s) : rc;
    if (rc == 0) {
        bytes = (int64_t)(s->arena.used + s->entries.cap * sizeof(*s->entries.v) +
                          s->part_data.cap * sizeof(*s->part_data.v) +
                          s->groups_n * sizeof(*s->groups));
        if (budget_take(q->budget, bytes)) {
            s->taken = q->budget != NULL ? bytes : 0;
        } else {
            rc = -ERR_NOMEM;
        }
    }
    if (rc < 0) {
        selection_free(s);
        return explain(rc, q, reterr);
    }
    *ret = s;
    return 0;
}

/* ---- reading ---- */

static int append_chunk(const struct chunk *c, struct samples *dst)
{
    size_t split = dst->n;
    int n;

    if (samples_room(dst, c->n) < 0) {
        return -ERR_NOMEM;
    }
    n = chunk_decode(str_of(c->data, c->bytes), dst->t_ms + split, dst->v + split, c->n);
    if (n < 0) {
        return n;
    }
    dst->n += (size_t)n;
    return samples_join(dst, split);
}

static int append_head(const struct head_data *d, struct samples *dst)
{
    size_t split;

    for (size_t i = 0; i < d->chunks_n; i++) {
        int rc = append_chunk(d->chunks[i], dst);

        if (rc < 0) {
            return rc;
        }
    }
    split = dst->n;
    if (samples_room(dst, d->points_n) < 0) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < d->points_n; i++) {
        dst->t_ms[dst->n] = d->points[i].t;
        dst->v[dst->n++] = d->points[i].v;
    }
    return samples_join(dst, split);
}

static int read_entry(struct series_selection *s, const struct entry *e, struct samples *dst,
                      struct err *reterr)
{
    int rc = cancel_check(s->cancel);

    dst->n = 0;
    for (uint32_t at = e->first; rc == 0 && at != 0; at = s->part_data.v[at - 1].next) {
        const struct part_data *d = &s->part_data.v[at - 1];
        size_t split = dst->n;
        struct part_cursor c;

        part_cursor_init(&c, s->parts[d->part]);
        rc = part_seek(&c, d->number);
        if (rc == 0) {
            rc = part_read(&c, s->min_ms, s->max_ms, dst, reterr);
            if (rc < 0) {
                return rc;
            }
            rc = samples_join(dst, split);
        }
    }
    if (rc == 0 && e->head != NULL) {
        rc = append_head(e->head, dst);
    }
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "reading a series: %s", err_text(rc));
    }
    samples_clip(dst, s->min_ms, s->max_ms);
    return 0;
}

static int selection_read(struct series_selection *s, size_t i, struct samples *dst,
                          struct err *reterr)
{
    if (s->groups == NULL) {
        return read_entry(s, &s->entries.v[i], dst, reterr);
    }
    dst->n = 0;
    return s->groups[i].floats != 0
               ? read_entry(s, &s->entries.v[s->groups[i].floats - 1], dst, reterr)
               : 0;
}

static bool selection_has_histograms(const struct series_selection *s, size_t i)
{
    return s->groups != NULL && s->groups[i].n != 0;
}

static int selection_read_histograms(struct series_selection *s, size_t i,
                                     struct native_samples *dst, struct err *reterr)
{
    const struct native_group *g = s->groups != NULL ? &s->groups[i] : NULL;
    struct native_component *v;
    int rc = 0;

    native_samples_done(dst);
    if (g == NULL || g->n == 0) {
        return 0;
    }
    v = mem_try_calloc(g->n, sizeof(*v));
    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "reading a native histogram: out of memory");
    }
    for (uint32_t k = 0; rc == 0 && k < g->n; k++) {
        const struct entry *e = &s->entries.v[g->first + k];

        v[k].code = e->labels.v[e->labels.n - 1].value;
        rc = read_entry(s, e, &v[k].samples, reterr);
    }
    if (rc == 0) {
        rc = native_assemble(v, g->n, dst);
        if (rc < 0) {
            err_set(reterr, (enum err_code) - rc, "reading a native histogram: %s", err_text(rc));
        }
    }
    for (uint32_t k = 0; k < g->n; k++) {
        samples_done(&v[k].samples);
    }
    mem_free(v);
    return rc;
}

static size_t selection_count(const struct series_selection *s)
{
    return s->groups != NULL ? s->groups_n : s->entries.n;
}

static struct labels selection_labels(const struct series_selection *s, size_t i)
{
    return s->groups != NULL ? s->groups[i].labels : s->entries.v[i].labels;
}

struct series_source tsdb_source(struct tsdb *db)
{
    static const struct series_source_ops ops = {
        .select = tsdb_select,
        .count = selection_count,
        .labels = selection_labels,
        .read = selection_read,
        .has_histograms = selection_has_histograms,
        .read_histograms = selection_read_histograms,
        .free = selection_free,
        .label_names = select_label_names,
        .label_values = select_label_values,
    };

    return (struct series_source){&ops, db};
}
