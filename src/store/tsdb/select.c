/* SPDX-License-Identifier: Apache-2.0
 *
 * The reading side. A selection pins what it will read: parts by reference, the head's chunks by
 * reference, its raw samples by copy; so it stays valid and complete whatever flushes and merges do.
 * The head is looked at before the parts: a flush publishes a part before it drops chunks, so whatever
 * the head no longer has is in a part seen afterwards; what both have is joined by time.
 */
#include "base/err.h"
#include "codec/chunk.h"
#include "store/tsdb/select_internal.h"

static const size_t SELECTION_MAX = (size_t)4 << 30;

enum { AHEAD = 8 /* chunks fetched into the cache before they are needed */ };

static void selection_free(struct series_selection *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->pinned.n; i++) {
        if (i + AHEAD < s->pinned.n) {
            PREFETCH(s->pinned.v[i + AHEAD]);
        }
        chunk_unref(s->pinned.v[i]);
    }
    vec_done(&s->pinned);
    vec_done(&s->entries);
    vec_done(&s->pieces);
    vec_done(&s->heads);
    vec_done(&s->places);
    mem_free(s->groups);
    parts_release(s->parts, s->parts_n);
    rollup_plan_free(s->plan);
    arena_done(&s->arena);
    if (s->taken != 0) {
        budget_give(s->budget, s->taken);
    }
    mem_free(s);
}

/** Put components of native histograms under their series. */
static int group_entries(struct series_selection *s)
{
    struct labels *labels;

    if (!s->has_components && !s->has_starts && !s->starts) {
        return 0;
    }
    labels = mem_try_calloc(s->entries.n + 1, sizeof(*labels));
    for (size_t i = 0; labels != NULL && i < s->entries.n; i++) {
        labels[i] = s->entries.v[i].labels;
    }
    s->groups =
        labels != NULL ? native_groups(labels, s->entries.n, s->starts, &s->groups_n) : NULL;
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

/** Roll-ups keep the last histogram of a bucket, not their least, largest or sum, nor each reset: for what needs those
 * the samples are read as long as there are any. */
static bool wants_samples(const struct series_selection *s)
{
    return s->has_components && s->plan != NULL && s->need != SERIES_NEED_SAMPLES &&
           s->need != SERIES_NEED_LAST;
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
    s->budget = q->budget;
    s->min_ms = q->min_ms;
    s->max_ms = q->max_ms;
    s->max_series = q->max_series;
    s->want = q->want;
    s->need = q->hint.need;
    s->starts = q->starts;
    s->cancel = q->cancel;
    rc = selection_build(db, s, q);
    if (rc == 0 && wants_samples(s)) {
        struct series_query again = *q;

        selection_free(s);
        again.hint.need = SERIES_NEED_SAMPLES;
        rc = tsdb_select(impl, &again, ret, reterr);
        if (rc == 0) { /* of floats, where their samples are gone, the column that was asked for */
            (*ret)->need = q->hint.need;
        }
        return rc;
    }
    rc = rc == 0 ? group_entries(s) : rc;
    if (rc == 0) {
        bytes =
            (int64_t)(s->arena.used + s->entries.cap * sizeof(*s->entries.v) +
                      s->pieces.cap * sizeof(*s->pieces.v) + s->heads.cap * sizeof(*s->heads.v) +
                      s->places.cap * sizeof(*s->places.v) + s->groups_n * sizeof(*s->groups));
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
        int rc;

        if (i + 2 < d->chunks_n) { /* they lie all over memory */
            PREFETCH(d->chunks[i + 2]);
            PREFETCH((const char *)d->chunks[i + 2] + 64);
        }
        rc = append_chunk(d->chunks[i], dst);

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

/** Append what a part has. */
static int append_part(struct series_selection *s, const struct piece *p, struct samples *dst,
                       struct err *reterr)
{
    const struct part *part = s->parts[p->source - 1];
    size_t split = dst->n;
    struct part_cursor c;
    int rc;

    part_resume(&c, part, &s->places.v[p->at]);
    rc = s->want == SERIES_LAST ? part_read_newest(&c, s->min_ms, s->max_ms, dst, reterr)
                                : part_read(&c, s->min_ms, s->max_ms, dst, reterr);
    if (rc < 0) {
        return rc;
    }
    rc = samples_join(dst, split);
    return rc < 0 ? err_set(reterr, ERR_NOMEM, "reading a series") : 0;
}

/** Is the newest sample wanted only, and has the head one that no part can be newer than? */
static bool head_is_enough(const struct series_selection *s, const struct piece *v, size_t n)
{
    const struct head_data *d = &s->heads.v[v[0].at];

    if (s->want != SERIES_LAST || d->points_n == 0) {
        return false;
    }
    for (size_t i = 1; i < n; i++) {
        if (part_info(s->parts[v[i].source - 1])->max_ms > d->points[d->points_n - 1].t) {
            return false;
        }
    }
    return true;
}

/** Along the plan: buckets where roll-ups serve, samples elsewhere.
 * @param keep  of a histogram's component: its count; else NULL */
static int read_planned(struct series_selection *s, const struct entry *e,
                        enum rollup_column column, const struct samples *keep, struct samples *dst,
                        struct err *reterr)
{
    const struct piece *v = s->pieces.v + e->first;
    struct samples head = {0};
    struct rollup_reader r;
    int rc = cancel_check(s->cancel);

    dst->n = 0;
    rollup_read_begin(&r, s->plan, column, e->labels, dst);
    r.keep = keep;
    if (rc == 0 && v[0].source == 0) {
        rc = append_head(&s->heads.v[v[0].at], &head);
        r.head = &head;
    }
    for (uint32_t i = v[0].source == 0 ? 1 : 0; rc == 0 && i < e->n; i++) {
        struct part_cursor c;
        int r1;

        part_resume(&c, s->parts[v[i].source - 1], &s->places.v[v[i].at]);
        r1 = rollup_read_part(&r, v[i].source - 1u, &c, reterr);
        if (r1 < 0) {
            ignore_result(rollup_read_end(&r, r1), "the first error counts");
            samples_done(&head);
            return r1;
        }
    }
    rc = rollup_read_end(&r, rc);
    samples_done(&head);
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "reading a series: %s", err_text(rc));
    }
    samples_clip(dst, s->min_ms, s->max_ms);
    return 0;
}

static int read_entry(struct series_selection *s, const struct entry *e, struct samples *dst,
                      struct err *reterr)
{
    const struct piece *v = s->pieces.v + e->first;
    bool head = v[0].source == 0;
    size_t i = head ? 1 : 0;
    int rc = cancel_check(s->cancel);

    if (s->plan != NULL) {
        return read_planned(s, e, rollup_column_of(s->need), NULL, dst, reterr);
    }
    dst->n = 0;
    if (head && head_is_enough(s, v, e->n)) {
        i = e->n;
    }
    for (; rc == 0 && i < e->n; i++) {
        int r = append_part(s, &v[i], dst, reterr);

        if (r < 0) {
            return r;
        }
    }
    if (rc == 0 && head) {
        rc = append_head(&s->heads.v[v[0].at], dst);
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
    const struct entry *e;

    if (s->groups == NULL) {
        return read_entry(s, &s->entries.v[i], dst, reterr);
    }
    dst->n = 0;
    if (s->groups[i].floats == 0) {
        return 0;
    }
    e = &s->entries.v[s->groups[i].floats - 1];
    return s->starts && s->plan != NULL ? read_planned(s, e, COLUMN_COMPONENT, NULL, dst, reterr)
                                        : read_entry(s, e, dst, reterr);
}

static bool selection_has_histograms(const struct series_selection *s, size_t i)
{
    return s->groups != NULL && s->groups[i].n != 0;
}

/** What component k of a group is. */
static struct str code_of(const struct series_selection *s, const struct native_group *g,
                          uint32_t k)
{
    const struct entry *e = &s->entries.v[g->first + k];

    return e->labels.v[e->labels.n - 1].value;
}

/** A bound at all times of the histogram from its first sample to its last: roll-ups keep it once a bucket. */
static int hold(struct samples *bound, const struct samples *count)
{
    struct samples held = {0};
    size_t k = 0;

    if (!samples_reserve(&held, count->n)) {
        samples_done(&held);
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < count->n; i++) {
        while (k < bound->n && bound->t_ms[k] < count->t_ms[i]) {
            k++;
        }
        if (k < bound->n && (k != 0 || bound->t_ms[k] == count->t_ms[i])) {
            held.t_ms[held.n] = count->t_ms[i];
            held.v[held.n++] = bound->v[k];
        }
    }
    samples_done(bound);
    *bound = held;
    return 0;
}

static int read_component(struct series_selection *s, const struct entry *e,
                          const struct samples *count, struct native_component *dst,
                          struct err *reterr)
{
    int rc;

    if (s->plan == NULL) {
        return read_entry(s, e, &dst->samples, reterr);
    }
    rc = read_planned(s, e, COLUMN_COMPONENT, count, &dst->samples, reterr);
    if (rc == 0 && count != NULL && str_starts(dst->code, STR("b"))) {
        rc = hold(&dst->samples, count);
        rc = rc < 0 ? err_set(reterr, ERR_NOMEM, "reading a native histogram") : 0;
    }
    return rc;
}

/** The count first: the others are kept in step with it. */
static int read_components(struct series_selection *s, const struct native_group *g,
                           struct native_component *v, struct err *reterr)
{
    const struct samples *count = NULL;
    int rc = 0;

    for (uint32_t k = 0; rc == 0 && k < g->n; k++) {
        const struct entry *e = &s->entries.v[g->first + k];

        v[k].code = code_of(s, g, k);
        if (str_eq(v[k].code, STR("c"))) {
            rc = read_component(s, e, NULL, &v[k], reterr);
            count = &v[k].samples;
        }
    }
    for (uint32_t k = 0; rc == 0 && k < g->n; k++) {
        if (!str_eq(v[k].code, STR("c"))) {
            rc = read_component(s, &s->entries.v[g->first + k], count, &v[k], reterr);
        }
    }
    return rc;
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
    rc = read_components(s, g, v, reterr);
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

static int selection_read_columns(struct series_selection *s, size_t i, struct native_columns *dst,
                                  struct err *reterr)
{
    const struct native_group *g = s->groups != NULL ? &s->groups[i] : NULL;
    struct samples one CLEANUP(samples_done) = {0};
    uint32_t count = 0;
    int rc;

    if (g == NULL || g->n == 0 || g->floats != 0 || s->plan != NULL) {
        return 0;
    }
    while (count < g->n && !str_eq(code_of(s, g, count), STR("c"))) {
        count++;
    }
    if (count == g->n) {
        return 0;
    }
    rc = read_entry(s, &s->entries.v[g->first + count], &one, reterr);
    if (rc < 0) {
        return rc;
    }
    rc = native_columns_start(dst, &one, g->n);
    for (uint32_t k = 0; rc > 0 && k < g->n; k++) {
        if (k == count) {
            continue;
        }
        rc = read_entry(s, &s->entries.v[g->first + k], &one, reterr);
        if (rc < 0) {
            return rc;
        }
        rc = native_columns_add(dst, code_of(s, g, k), &one);
    }
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "reading a native histogram: %s",
                       err_text(rc));
    }
    return rc > 0 ? native_columns_end(dst) : 0;
}

static int selection_read_counts(struct series_selection *s, size_t i, struct samples *dst,
                                 struct err *reterr)
{
    const struct entry *e = &s->entries.v[i];

    dst->n = 0;
    if (s->groups != NULL) {
        if (s->groups[i].floats == 0) {
            return 0;
        }
        e = &s->entries.v[s->groups[i].floats - 1];
    }
    return s->plan != NULL
               ? read_planned(s, e, COLUMN_COUNT, NULL, dst, reterr)
               : err_set(reterr, ERR_INVALID, "numbers of samples are of roll-ups only");
}

static size_t selection_resolutions(const struct series_selection *s,
                                    struct series_resolution dst[SERIES_RESOLUTIONS])
{
    return s->plan != NULL ? rollup_resolutions(s->plan, dst) : 0;
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
        .read_columns = selection_read_columns,
        .resolutions = selection_resolutions,
        .read_counts = selection_read_counts,
        .free = selection_free,
        .label_names = select_label_names,
        .label_values = select_label_values,
    };

    return (struct series_source){&ops, db};
}
