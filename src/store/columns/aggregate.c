/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts over time and distinct values: rows are never made for parts, only the columns of the filter and
 * of the field are read.
 */
#include "base/err.h"
#include "store/columns/block.h"
#include "store/columns/groups.h"
#include "store/columns/scan_internal.h"

#include <stdlib.h>

enum { CHECK_EVERY = 256, BUCKETS_MAX = 100000 };

struct aggregate {
    struct query *qu;
    struct groups groups;
    const struct field *by; /* NULL: one group */
    bool skip_absent;
    int64_t step_ns; /* 0: one bucket */
    size_t buckets;
    size_t top; /* 0: all groups */
    size_t seen;
    struct err *reterr;
};

/* Index of the time's bucket; the last one may be cut by max_ns. */
static size_t bucket_of(const struct aggregate *g, int64_t time_ns)
{
    uint64_t since = (uint64_t)time_ns - (uint64_t)g->qu->q->min_ns;

    return g->step_ns != 0 ? (size_t)(since / (uint64_t)g->step_ns) : 0;
}

static int count_row(struct aggregate *g, const struct row_ref *row, int64_t time_ns)
{
    struct str text = STR("");
    uint32_t index;
    size_t bucket = bucket_of(g, time_ns);
    char hex[PRED_HEX_SIZE];
    struct value v;
    int rc;

    if (bucket >= g->buckets) {
        return 0;
    }
    if (g->by != NULL) {
        bool there = row_field(row, g->by, &v, hex);

        if (!there && g->skip_absent) {
            return 0;
        }
        text = there ? value_text(&v, &g->qu->tools.text) : text;
        if (g->qu->tools.text.failed) {
            return -ERR_NOMEM;
        }
    }
    g->groups.at = g->qu->at;
    rc = groups_find(&g->groups, text, &index);
    if (rc == 0) {
        groups_add(&g->groups, index, bucket, 1);
    }
    return rc;
}

static int count_chunk_row(void *arg, const struct batch *b, struct str row, uint32_t at,
                           int64_t time_ns, uint64_t id)
{
    struct aggregate *g = arg;
    struct any_row any = {0};
    struct row_ref ref = any_row_ref(&any, g->qu->kind);
    int rc = 0;

    (void)at;
    (void)id;
    g->qu->stats.rows_scanned++;
    if (++g->seen % CHECK_EVERY == 0) {
        rc = cancel_check(g->qu->q->cancel);
    }
    if (rc == 0 && (g->by != NULL || g->qu->q->filter != NULL)) {
        arena_reset(&g->qu->row);
        rc = mem_row_decode(b, row, g->qu->kind, &g->qu->row, &any);
        if (rc == 0 && !filter_matches_row(g->qu->q->filter, &ref, &g->qu->tools.text)) {
            return 0;
        }
    }
    return rc == 0 ? count_row(g, &ref, time_ns) : rc;
}

/* All rows of the block count, in one bucket and one group: nothing has to be read. */
static bool count_whole(void *arg, const struct source *src, int *ret_rc)
{
    struct aggregate *g = arg;
    size_t first = bucket_of(g, src->min_ns);
    uint32_t index;

    if (g->by != NULL || part_deleted(src->part, src->block) != NULL ||
        src->min_ns < g->qu->q->min_ns || src->max_ns >= g->qu->q->max_ns ||
        bucket_of(g, src->max_ns) != first) {
        return false;
    }
    g->qu->stats.blocks_pruned++;
    if (first >= g->buckets) {
        *ret_rc = 0;
        return true;
    }
    *ret_rc = groups_find(&g->groups, STR(""), &index);
    if (*ret_rc == 0) {
        groups_add(&g->groups, index, first, part_block(src->part, src->block)->rows_n);
    }
    return true;
}

/* Numbers of the block's groups to those of the query. */
static int map_groups(struct aggregate *g, struct block *b, const uint64_t *bits,
                      struct block_groups *ret, uint32_t **ret_map)
{
    uint32_t *map;
    int rc = 0;

    if (g->by != NULL) {
        rc = block_group(b, g->by, bits, ret);
        if (rc < 0) {
            return rc;
        }
    }
    map = arena_array(b->a, uint32_t, ret->texts_n + 1);
    if (map == NULL) {
        return block_no_memory(b);
    }
    for (size_t i = 0; i < ret->texts_n && rc == 0; i++) {
        rc = groups_find(&g->groups, ret->texts[i], &map[i]);
    }
    map[ret->texts_n] = UINT32_MAX; /* absent: found when first needed */
    *ret_map = map;
    return rc;
}

/* The bucket at hand and its times: rows of a stream are in order of time. */
struct bucket_range {
    size_t bucket;
    int64_t from_ns;
    int64_t to_ns; /* exclusive */
};

static ALWAYS_INLINE size_t bucket_near(const struct aggregate *g, struct bucket_range *r,
                                        int64_t time_ns)
{
    if (UNLIKELY(time_ns < r->from_ns || time_ns >= r->to_ns)) {
        r->bucket = bucket_of(g, time_ns);
        /* times of the query's rows are not near the ends of what an int64_t holds */
        r->from_ns = (int64_t)((uint64_t)g->qu->q->min_ns + r->bucket * (uint64_t)g->step_ns);
        if (__builtin_add_overflow(r->from_ns, g->step_ns, &r->to_ns)) {
            r->to_ns = INT64_MAX;
        }
    }
    return r->bucket;
}

/* Times of the rows where their buckets differ; else *ret stays NULL and `near` has the one bucket. */
static int block_times(const struct aggregate *g, struct block *b, struct bucket_range *near,
                       const int64_t **ret)
{
    if (g->step_ns == 0) {
        return 0;
    }
    near->bucket = bucket_of(g, b->entry->min_ns);
    return near->bucket != bucket_of(g, b->entry->max_ns) ? block_ints(b, COL_TIME, ret) : 0;
}

enum { AHEAD = 12 }; /* rows whose groups are fetched while others are counted */

/* Hashes of the texts of the rows in `bits`, in order; rows in `ret_rows`. @return how many, or an error */
static int hash_texts(const struct aggregate *g, struct block *b, const uint64_t *bits,
                      const struct str *texts, uint32_t **ret_rows, uint64_t **ret_hashes)
{
    size_t n = block_count(b, bits);
    uint32_t *rows = arena_array(b->a, uint32_t, n + 1);
    uint64_t *hashes = arena_array(b->a, uint64_t, n + 1);

    if (rows == NULL || hashes == NULL) {
        return block_no_memory(b);
    }
    n = 0;
    for (size_t w = 0; w < block_words(b); w++) {
        for (uint64_t left = bits[w]; left != 0; left &= left - 1) {
            uint32_t row = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(left);

            if (texts[row].p != NULL || !g->skip_absent) {
                hashes[n] = groups_hash(texts[row].p != NULL ? texts[row] : STR(""));
                rows[n++] = row;
            }
        }
    }
    *ret_rows = rows;
    *ret_hashes = hashes;
    return (int)n;
}

/* Each row's text among the groups of the query. */
static int count_texts(struct aggregate *g, struct block *b, const uint64_t *bits,
                       const struct str *texts)
{
    struct bucket_range near = {0};
    const int64_t *time = NULL;
    uint64_t *hashes = NULL;
    uint32_t *rows = NULL;
    int rc = block_times(g, b, &near, &time);
    int n = rc < 0 ? rc : hash_texts(g, b, bits, texts, &rows, &hashes);

    for (int i = 0; i < n && rows != NULL && hashes != NULL; i++) {
        struct str text = texts[rows[i]].p != NULL ? texts[rows[i]] : STR("");
        size_t bucket = time != NULL ? bucket_near(g, &near, time[rows[i]]) : near.bucket;
        uint32_t index;

        if (i + 2 * AHEAD < n) {
            groups_expect(&g->groups, hashes[i + 2 * AHEAD]);
            groups_expect_soon(&g->groups, hashes[i + AHEAD]);
        }
        if (bucket >= g->buckets) {
            continue;
        }
        rc = groups_find_hashed(&g->groups, text, hashes[i], &index);
        if (rc < 0) {
            return rc;
        }
        groups_add(&g->groups, index, bucket, 1);
    }
    return n < 0 ? n : 0;
}

static int count_block(void *arg, const struct source *src, struct block *b, const uint64_t *bits)
{
    struct aggregate *g = arg;
    struct block_groups bg = {0};
    struct bucket_range near = {0};
    const struct str *texts = NULL;
    const int64_t *time = NULL;
    uint32_t *map = NULL;
    int rc = g->by != NULL ? block_texts(b, g->by, bits, &texts) : 0;

    (void)src;
    g->groups.at = g->qu->at;
    if (rc < 0 || texts != NULL) {
        return rc < 0 ? rc : count_texts(g, b, bits, texts);
    }
    rc = map_groups(g, b, bits, &bg, &map);
    rc = rc < 0 ? rc : block_times(g, b, &near, &time);
    for (size_t w = 0; map != NULL && w < block_words(b) && rc == 0; w++) {
        for (uint64_t left = bits[w]; left != 0 && rc == 0; left &= left - 1) {
            uint32_t row = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(left);
            uint32_t group = bg.group != NULL ? bg.group[row] : UINT32_MAX;
            size_t bucket = time != NULL ? bucket_near(g, &near, time[row]) : near.bucket;
            uint32_t *index = &map[group != UINT32_MAX ? group : bg.texts_n];

            if (bucket >= g->buckets || (group == UINT32_MAX && g->skip_absent)) {
                continue;
            }
            if (*index == UINT32_MAX) {
                rc = groups_find(&g->groups, STR(""), index);
            }
            if (rc == 0) {
                groups_add(&g->groups, *index, bucket, 1);
            }
        }
    }
    return rc;
}

/* One of several that count. */
struct forked {
    struct aggregate g;
    struct arena a;
};

static int join(void *arg, struct row_visitor *v, bool drop)
{
    struct aggregate *g = arg;
    struct forked *f = v->arg;
    int rc = drop ? 0 : groups_join(&g->groups, &f->g.groups);

    groups_done(&f->g.groups);
    arena_done(&f->a);
    mem_free(f);
    return rc;
}

static int fork_aggregate(void *arg, struct query *qu, struct row_visitor *ret, struct err *reterr)
{
    const struct aggregate *g = arg;
    struct forked *f = mem_try_calloc(1, sizeof(*f));

    *ret = (struct row_visitor){0};
    if (f == NULL) {
        return -ERR_NOMEM;
    }
    f->g = *g;
    f->g.qu = qu;
    f->g.reterr = reterr;
    f->g.seen = 0;
    arena_init(&f->a, g->groups.a->budget);
    groups_init(&f->g.groups, &f->a, g->buckets);
    *ret = (struct row_visitor){.arg = &f->g, /* its first member */
                                .row = count_chunk_row,
                                .block = count_block,
                                .answer = &f->a,
                                .what = "aggregation"};
    return 0;
}

static int aggregate_run(struct aggregate *g, struct columns *c, const struct columns_query *q,
                         struct arena *a, struct columns_groups *ret)
{
    struct columns_groups out = {0};
    struct query qu;
    int rc = query_begin(c, q, c->opts.kind, &qu, g->reterr);

    if (rc < 0) {
        return rc;
    }
    g->qu = &qu;
    groups_init(&g->groups, a, g->buckets);
    rc = query_visit(&qu,
                     &(struct row_visitor){.arg = g,
                                           .row = count_chunk_row,
                                           .block = count_block,
                                           .whole = count_whole,
                                           .fork = fork_aggregate,
                                           .join = join,
                                           .answer = a,
                                           .what = "aggregation"},
                     g->reterr);
    if (rc == 0) {
        rc = groups_take(&g->groups, g->top, &out.v, &out.n);
        rc = rc < 0 ? query_no_memory(g->reterr) : 0;
    }
    groups_done(&g->groups);
    query_end(&qu, &out.stats);
    if (rc == 0) {
        *ret = out;
    }
    return rc;
}

int columns_histogram(struct columns *c, const struct columns_query *q,
                      const struct columns_buckets *over, struct arena *a,
                      struct columns_groups *ret, struct err *reterr)
{
    struct aggregate g = {.by = over->by,
                          .step_ns = over->step_ns,
                          .buckets = over->n,
                          .top = over->top,
                          .reterr = reterr};

    if (over->step_ns <= 0 || over->n == 0 || over->n > BUCKETS_MAX) {
        return err_set(reterr, ERR_INVALID, "a histogram needs a step above 0 and 1 to %d buckets",
                       BUCKETS_MAX);
    }
    return aggregate_run(&g, c, q, a, ret);
}

static int by_total(const void *pa, const void *pb)
{
    const struct columns_group *a = pa;
    const struct columns_group *b = pb;

    if (a->total != b->total) {
        return a->total > b->total ? -1 : 1;
    }
    return str_cmp(a->value, b->value);
}

int columns_values(struct columns *c, const struct columns_query *q, struct field by, size_t limit,
                   struct arena *a, struct columns_groups *ret, struct err *reterr)
{
    struct aggregate g = {.by = &by, .skip_absent = true, .buckets = 1, .reterr = reterr};
    int rc = aggregate_run(&g, c, q, a, ret);

    if (rc == 0 && ret->n != 0) {
        qsort(ret->v, ret->n, sizeof(*ret->v), by_total);
        ret->n = ret->n < limit ? ret->n : limit;
    }
    return rc;
}
