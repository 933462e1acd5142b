/* SPDX-License-Identifier: Apache-2.0
 *
 * A request's spans are kept as the one encoded batch that also went to the log; a trace holds references to its rows
 * in such batches. A batch pins its segment of the log as long as a trace holds a row of it.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "ingest/process/sampler_internal.h"

/* ---- batches ---- */

struct held_batch *held_batch_new(void)
{
    struct held_batch *b = mem_try_calloc(1, sizeof(*b));

    if (b != NULL) {
        arena_init(&b->tables, ROWCODEC_MAX);
        buf_init(&b->payload, ROWCODEC_MAX);
    }
    return b;
}

void held_batch_free(struct held_batch *b)
{
    if (b != NULL) {
        arena_done(&b->tables);
        buf_done(&b->payload);
        mem_free(b);
    }
}

/* acq_rel: who frees it sees what the others did with it. */
static void batch_release(struct sampler *s, struct held_batch *b, uint32_t users)
{
    if (atomic_fetch_sub_explicit(&b->users, users, memory_order_acq_rel) == users) {
        count_sub(&s->counts.bytes, b->bytes);
        sampler_log_unpin(s, b->segment);
        held_batch_free(b);
    }
}

void pending_free(struct sampler *s, struct pending *p)
{
    for (size_t i = 0; i < p->rows.n; i++) {
        batch_release(s, p->rows.v[i].batch, 1);
    }
    count_sub(&s->counts.bytes, p->bytes);
    vec_done(&p->rows);
    mem_free(p);
}

/* ---- taking ---- */

/* A row on its way to its shard. */
struct row_at {
    struct str row;
    struct trace_id id;
    uint32_t shard;
};

typedef VEC(struct row_at) row_list;

static int read_rows(const struct held_batch *b, row_list *ret, uint32_t *ret_shards)
{
    uint32_t pos = rowcodec_first();
    struct row_at at;
    int64_t time_ns;
    int rc;

    *ret_shards = 0;
    while ((rc = rowcodec_next(&b->open, &pos, &at.row, &time_ns)) > 0) {
        rc = rowcodec_row_trace(at.row, COLUMNS_SPANS, &at.id);
        if (rc < 0) {
            return rc;
        }
        at.shard = (uint32_t)shard_number(&at.id);
        *ret_shards |= 1u << at.shard;
        if (!vec_push(ret, at)) {
            return -ERR_NOMEM;
        }
    }
    return rc;
}

/* Called with the shard's lock. */
static struct pending *find_or_make(struct sampler *s, struct sampler_shard *sh,
                                    const struct row_at *at, int64_t now_ns, uint64_t seq)
{
    struct pending *p = map_get(&sh->traces, trace_key(&at->id));

    if (p != NULL) {
        return p;
    }
    p = mem_try_calloc(1, sizeof(*p));
    if (p == NULL) {
        return NULL;
    }
    p->id = at->id;
    p->first_ns = now_ns;
    p->seq = seq;
    p->bytes = sizeof(*p) + 48; /* and its place in the map */
    if (map_put(&sh->traces, trace_key(&p->id), p) < 0) {
        mem_free(p);
        return NULL;
    }
    count_add(&s->counts.bytes, p->bytes);
    count_add(&s->counts.traces, 1);
    pending_push(&sh->waiting, p);
    return p;
}

static bool add_row(struct sampler *s, struct pending *p, struct held_batch *b, struct str row)
{
    size_t before = p->rows.cap;
    size_t more;

    if (!vec_push(&p->rows, (struct row_ref){b, row})) {
        return false;
    }
    more = (p->rows.cap - before) * sizeof(*p->rows.v);
    p->bytes += more;
    count_add(&s->counts.bytes, more);
    return true;
}

/* @return rows for which there was no memory */
static uint32_t insert_shard(struct sampler *s, size_t k, struct held_batch *b,
                             const row_list *rows, int64_t now_ns, uint64_t seq)
{
    struct sampler_shard *sh = &s->shards[k];
    uint32_t lost = 0;

    mutex_lock(&sh->lock);
    for (size_t i = 0; i < rows->n; i++) {
        const struct row_at *at = &rows->v[i];

        if (at->shard == k) {
            struct pending *p = find_or_make(s, sh, at, now_ns, seq + i);

            lost += p == NULL || !add_row(s, p, b, at->row);
        }
    }
    mutex_unlock(&sh->lock);
    return lost;
}

int sampler_insert(struct sampler *s, struct held_batch *b, int64_t now_ns)
{
    row_list rows = {0};
    uint32_t shards = 0;
    uint32_t lost = 0;
    uint64_t seq;
    int rc = read_rows(b, &rows, &shards);

    b->bytes = sizeof(*b) + b->payload.cap + b->tables.used;
    count_add(&s->counts.bytes, b->bytes);
    if (rc < 0) {
        rows.n = 0;
    }
    seq = atomic_fetch_add_explicit(&s->seq, rows.n, memory_order_relaxed);
    atomic_store_explicit(&b->users, (uint32_t)rows.n + 1, memory_order_relaxed); /* and ours */
    for (size_t k = 0; rows.n != 0 && k < SAMPLER_SHARDS; k++) {
        if ((shards & (1u << k)) != 0) {
            lost += insert_shard(s, k, b, &rows, now_ns, seq);
        }
    }
    batch_release(s, b, 1 + lost);
    vec_done(&rows);
    return rc < 0 ? rc : lost != 0 ? -ERR_NOMEM : 0;
}

static int encode(const struct span *spans, size_t n, struct held_batch **ret, struct err *reterr)
{
    const struct row_limits all = {INT64_MIN, INT64_MAX};
    struct columns_commit done = {0};
    struct held_batch *b = held_batch_new();
    int rc;

    if (b == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory for spans that wait");
    }
    rc = rowcodec_encode_spans(spans, n, all, &b->payload, &done, reterr);
    rc = rc < 0 ? rc : rowcodec_open(buf_str(&b->payload), &b->tables, &b->open, reterr);
    if (rc < 0) {
        held_batch_free(b);
        return rc;
    }
    *ret = b;
    return 0;
}

/* Into the log, then to the traces. */
static int take(struct sampler *s, struct held_batch *b, int64_t now_ns, struct err *reterr)
{
    int rc = sampler_log_spans(s, b, reterr);

    if (rc < 0) {
        held_batch_free(b);
        return rc;
    }
    rc = sampler_insert(s, b, now_ns);
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "spans could not be kept waiting") : 0;
}

/* Decide the oldest before their time until there is room. */
static int make_room(struct sampler *s, const struct program *p, size_t need, int64_t now_ns,
                     struct err *reterr)
{
    const uint64_t max = p->sampling.memory_bytes;
    const uint64_t enough = need < max ? max - need : 0;

    while (count_get(&s->counts.bytes) > enough) {
        int64_t n = sampler_round(s, p, now_ns, INT64_MAX, enough);

        if (n < 0) {
            return err_set(
                reterr, ERR_OVERLOAD,
                "%llu bytes of spans wait for the decision on their traces and the store "
                "takes none",
                (unsigned long long)count_get(&s->counts.bytes));
        }
        if (n == 0) {
            return 0; /* nothing else waits: one request alone may be larger */
        }
        count_add(&s->counts.early, (uint64_t)n);
    }
    return 0;
}

/* ---- spans of traces decided before ---- */

struct parts {
    struct span *waiting;
    struct span *late; /* of traces that are kept */
    size_t waiting_n, late_n;
    size_t dropped; /* of traces that are not */
};

/* In the order of the request; one lock after the other. */
static int part(struct sampler *s, const struct span *spans, size_t n, struct parts *ret)
{
    uint8_t *shard CLEANUP(mem_free_ptr) = mem_try_alloc(n + 1);
    enum verdict *verdict CLEANUP(mem_free_ptr) = mem_try_calloc(n + 1, sizeof(*verdict));
    uint32_t shards = 0;

    if (shard == NULL || verdict == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        shard[i] = (uint8_t)shard_number(&spans[i].trace_id);
        shards |= 1u << shard[i];
    }
    for (size_t k = 0; k < SAMPLER_SHARDS; k++) {
        if ((shards & (1u << k)) == 0) {
            continue;
        }
        mutex_lock(&s->shards[k].lock);
        for (size_t i = 0; s->shards[k].decided != NULL && i < n; i++) {
            bool keep;

            if (shard[i] == k && decided_get(s->shards[k].decided, spans[i].trace_id, &keep)) {
                verdict[i] = keep ? VERDICT_KEEP : VERDICT_DROP;
            }
        }
        mutex_unlock(&s->shards[k].lock);
    }
    for (size_t i = 0; i < n; i++) {
        if (verdict[i] == VERDICT_OPEN) {
            ret->waiting[ret->waiting_n++] = spans[i];
        } else if (verdict[i] == VERDICT_KEEP) {
            ret->late[ret->late_n++] = spans[i];
        } else {
            ret->dropped++;
        }
    }
    return 0;
}

/* What can be refused comes first: a request that comes again is counted and stored once. */
static int add_parts(struct sampler *s, const struct program *p, const struct parts *v,
                     int64_t now_ns, struct err *reterr)
{
    struct held_batch *b = NULL;
    int rc = v->waiting_n != 0 ? encode(v->waiting, v->waiting_n, &b, reterr) : 0;

    if (rc == 0 && b != NULL) {
        rc = make_room(s, p, b->payload.cap + b->tables.used + v->waiting_n * 256, now_ns, reterr);
    }
    if (rc == 0 && v->late_n != 0) {
        rc = s->opts.store(s->opts.store_arg, v->late, v->late_n, reterr);
    }
    if (rc < 0 || b == NULL) {
        held_batch_free(b);
        return rc;
    }
    return take(s, b, now_ns, reterr);
}

int sampler_add(struct sampler *s, const struct program *p, const struct span *spans, size_t n,
                int64_t now_ns, struct err *reterr)
{
    struct span *waiting CLEANUP(mem_free_ptr) = mem_try_alloc((n + 1) * sizeof(*spans));
    struct span *late CLEANUP(mem_free_ptr) = mem_try_alloc((n + 1) * sizeof(*spans));
    struct parts v = {.waiting = waiting, .late = late};
    int rc;

    if (waiting == NULL || late == NULL || part(s, spans, n, &v) < 0) {
        return err_set(reterr, ERR_NOMEM, "out of memory for spans that wait");
    }
    rc = add_parts(s, p, &v, now_ns, reterr);
    if (rc == 0) {
        count_add(&s->counts.late_spans, v.late_n + v.dropped);
        count_add(&s->counts.kept_spans, v.late_n);
        count_add(&s->counts.dropped_spans, v.dropped);
    }
    return rc;
}

void sampler_tick(struct sampler *s, const struct program *p, int64_t now_ns)
{
    const int64_t wait_ns = p->sampling.on ? p->sampling.wait_ms * 1000000 : 0;

    while (sampler_round(s, p, now_ns, now_ns - wait_ns, 0) == SAMPLER_ROUND) {
    }
    sampler_log_shorten(s, now_ns, wait_ns / 2 + 1000000000);
}

/* ---- start and end ---- */

int sampler_open(const struct sampler_opts *opts, int64_t now_ns, struct sampler **ret,
                 struct err *reterr)
{
    struct sampler *s = mem_xcalloc(1, sizeof(*s));
    int rc;

    s->opts = *opts;
    s->dir = mem_xstrdup(opts->dir);
    s->rotated_ns = now_ns;
    s->rates = rates_state_new();
    mutex_init(&s->decide_lock, LOCK_RANK_INGEST);
    mutex_init(&s->log_lock, LOCK_RANK_STORE);
    for (size_t i = 0; i < SAMPLER_SHARDS; i++) {
        mutex_init(&s->shards[i].lock, LOCK_RANK_SHARD);
    }
    rc = sampler_log_open(s, now_ns, reterr);
    if (rc < 0) {
        sampler_close(s, NULL, now_ns);
        return rc;
    }
    *ret = s;
    return 0;
}

static void free_list(struct sampler *s, struct pending_list *l)
{
    struct pending *p;

    while ((p = pending_pop(l)) != NULL) {
        pending_free(s, p);
    }
}

void sampler_close(struct sampler *s, const struct program *p, int64_t now_ns)
{
    if (s == NULL) {
        return;
    }
    if (s->wal != NULL) {
        while (sampler_round(s, p, now_ns, INT64_MAX, 0) > 0) {
        }
        s->rotated_ns = INT64_MIN / 2;
        sampler_log_shorten(s, now_ns, 0);
        wal_close(s->wal);
    }
    for (size_t i = 0; i < SAMPLER_SHARDS; i++) {
        struct sampler_shard *sh = &s->shards[i];

        free_list(s, &sh->waiting);
        map_done(&sh->traces);
        decided_free(sh->decided);
        mutex_done(&sh->lock);
    }
    free_list(s, &s->unsaved);
    vec_done(&s->pins);
    rates_state_free(s->rates);
    mutex_done(&s->log_lock);
    mutex_done(&s->decide_lock);
    mem_free(s->dir);
    mem_free(s);
}

void sampler_status(struct sampler *s, struct sampler_status *ret)
{
    const struct sampler_counts *c = &s->counts;

    *ret = (struct sampler_status){.traces = count_get(&c->traces),
                                   .bytes = count_get(&c->bytes),
                                   .kept_traces = count_get(&c->kept_traces),
                                   .dropped_traces = count_get(&c->dropped_traces),
                                   .kept_spans = count_get(&c->kept_spans),
                                   .dropped_spans = count_get(&c->dropped_spans),
                                   .late_spans = count_get(&c->late_spans),
                                   .early = count_get(&c->early)};
}
