/* SPDX-License-Identifier: Apache-2.0
 *
 * A request's spans are kept as the one encoded batch that also went to the log; a trace holds references to its rows
 * in such batches. Traces wait in the order they began, so the first is the next to be decided and pins the oldest
 * segment of the log.
 *
 * decide_lock: one decision round at a time, held while storing. lock: everything else, never while storing.
 */
#include "ingest/process/sampler.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "ingest/process/decided.h"
#include "ingest/process/policy.h"
#include "store/columns/rowcodec.h"

enum {
    RECORD_SPANS = 1,
    RECORD_DECISIONS = 2, /* per trace: id, 1 byte: kept */
    DECISION_SIZE = TRACE_ID_SIZE + 1,
    ROUND_TRACES = 64, /* decided under one lock */
    DEFAULT_REMEMBER = 100000,
    ROW_ARENA = 1 << 30,
};

/* One request's spans, encoded. */
struct held_batch {
    struct batch open;
    struct arena tables;
    struct buf payload;
    size_t bytes; /* as counted */
    uint32_t users;
};

struct row_ref {
    struct held_batch *batch;
    struct str row;
};

struct pending {
    struct trace_id id;
    int64_t first_ns; /* monotonic */
    uint64_t segment; /* of its first span in the log */
    VEC(struct row_ref) rows;
    struct pending *next; /* began later */
    size_t bytes;
    bool keep; /* once decided */
};

struct list {
    struct pending *first, *last;
};

struct sampler {
    struct sampler_opts opts;
    struct mutex decide_lock;
    struct mutex lock;
    struct wal *wal;           /* NULL: nothing was ever taken; guarded by: lock */
    struct map traces;         /* waiting, by id; guarded by: lock */
    struct list waiting;       /* guarded by: lock */
    struct list unsaved;       /* to be kept, but the store failed; guarded by: lock */
    struct decided *decided;   /* guarded by: lock */
    uint64_t bytes;            /* guarded by: lock */
    uint64_t flying_segment;   /* pinned by the round at work, UINT64_MAX: none; guarded by: lock */
    bool appended;             /* to the log since it was rotated; guarded by: lock */
    int64_t rotated_ns;        /* guarded by: lock */
    struct rates_state *rates; /* guarded by: decide_lock */
    struct sampler_status counts; /* guarded by: lock */
    char *dir;
};

static void push(struct list *l, struct pending *p)
{
    p->next = NULL;
    if (l->last != NULL) {
        l->last->next = p;
    } else {
        l->first = p;
    }
    l->last = p;
}

static struct pending *pop(struct list *l)
{
    struct pending *p = l->first;

    if (p != NULL) {
        l->first = p->next;
        if (l->first == NULL) {
            l->last = NULL;
        }
    }
    return p;
}

static void batch_release(struct sampler *s, struct held_batch *b, uint32_t users)
{
    b->users -= users;
    if (b->users == 0) {
        s->bytes -= b->bytes;
        arena_done(&b->tables);
        buf_done(&b->payload);
        mem_free(b);
    }
}

static void pending_free(struct sampler *s, struct pending *p)
{
    for (size_t i = 0; i < p->rows.n; i++) {
        batch_release(s, p->rows.v[i].batch, 1);
    }
    s->bytes -= p->bytes;
    vec_done(&p->rows);
    mem_free(p);
}

/* ---- taking ---- */

static struct pending *find_or_make(struct sampler *s, struct trace_id id, int64_t now_ns,
                                    uint64_t segment)
{
    struct pending *p = map_get(&s->traces, str_of((const char *)id.b, sizeof(id.b)));

    if (p != NULL) {
        return p;
    }
    p = mem_try_calloc(1, sizeof(*p));
    if (p == NULL) {
        return NULL;
    }
    p->id = id;
    p->first_ns = now_ns;
    p->segment = segment;
    p->bytes = sizeof(*p) + 48; /* and its place in the map */
    if (map_put(&s->traces, str_of((const char *)p->id.b, sizeof(p->id.b)), p) < 0) {
        mem_free(p);
        return NULL;
    }
    s->bytes += p->bytes;
    push(&s->waiting, p);
    return p;
}

static bool add_row(struct sampler *s, struct pending *p, struct held_batch *b, struct str row)
{
    size_t before = p->rows.cap;

    if (!vec_push(&p->rows, (struct row_ref){b, row})) {
        return false;
    }
    p->bytes += (p->rows.cap - before) * sizeof(*p->rows.v);
    s->bytes += (p->rows.cap - before) * sizeof(*p->rows.v);
    b->users++;
    return true;
}

/* The rows of a batch to their traces. Owns the batch. */
static int insert(struct sampler *s, struct held_batch *b, int64_t now_ns, uint64_t segment)
{
    uint32_t pos = rowcodec_first();
    struct str row;
    int64_t time_ns;
    int rc;

    b->bytes = sizeof(*b) + b->payload.cap + b->tables.used;
    s->bytes += b->bytes;
    b->users = 1; /* ours, until all rows are in */
    while ((rc = rowcodec_next(&b->open, &pos, &row, &time_ns)) > 0) {
        struct trace_id id;
        struct pending *p;

        rc = rowcodec_row_trace(row, COLUMNS_SPANS, &id);
        if (rc < 0) {
            break;
        }
        p = find_or_make(s, id, now_ns, segment);
        if (p == NULL || !add_row(s, p, b, row)) {
            rc = -ERR_NOMEM;
            break;
        }
    }
    batch_release(s, b, 1);
    return rc;
}

static struct held_batch *batch_new(void)
{
    struct held_batch *b = mem_try_calloc(1, sizeof(*b));

    if (b != NULL) {
        arena_init(&b->tables, ROWCODEC_MAX);
        buf_init(&b->payload, ROWCODEC_MAX);
    }
    return b;
}

static void batch_free(struct held_batch *b)
{
    if (b != NULL) {
        arena_done(&b->tables);
        buf_done(&b->payload);
        mem_free(b);
    }
}

static int encode(const struct span *spans, size_t n, struct held_batch **ret, struct err *reterr)
{
    const struct row_limits all = {INT64_MIN, INT64_MAX};
    struct columns_commit done = {0};
    struct held_batch *b = batch_new();
    int rc;

    if (b == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory for spans that wait");
    }
    rc = rowcodec_encode_spans(spans, n, all, &b->payload, &done, reterr);
    rc = rc < 0 ? rc : rowcodec_open(buf_str(&b->payload), &b->tables, &b->open, reterr);
    if (rc < 0) {
        batch_free(b);
        return rc;
    }
    *ret = b;
    return 0;
}

static int open_wal(struct sampler *s, struct err *reterr,
                    int (*replay)(void *arg, uint8_t type, struct str payload, struct wal_pos pos),
                    void *arg)
{
    const struct wal_opts o = {.dir = s->dir,
                               .name = "sampling",
                               .sync = s->opts.wal_sync,
                               .segment_bytes = 16 << 20,
                               .vfs = s->opts.vfs,
                               .stats = s->opts.stats};

    return wal_open(&o, replay, arg, &s->wal, reterr);
}

/* Into the log, then to the traces. */
static int take(struct sampler *s, struct held_batch *b, int64_t now_ns, struct err *reterr)
{
    const struct str parts[1] = {buf_str(&b->payload)};
    struct wal_pos pos = {0};
    int rc = 0;

    mutex_lock(&s->lock);
    if (s->wal == NULL) {
        rc = open_wal(s, reterr, NULL, NULL);
    }
    rc = rc < 0 ? rc : wal_append(s->wal, RECORD_SPANS, parts, 1, &pos, reterr);
    if (rc < 0) {
        mutex_unlock(&s->lock);
        batch_free(b);
        return rc;
    }
    s->appended = true;
    rc = insert(s, b, now_ns, pos.segment);
    mutex_unlock(&s->lock);
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "spans could not be kept waiting") : 0;
}

/* ---- deciding ---- */

/* What a round works on. */
struct round {
    struct list traces;
    struct arena a;
    VEC(struct span) keep;
    struct buf record; /* decisions */
    uint64_t segment;
    size_t dropped_spans, dropped_traces, kept_traces;
};

static int decode(struct round *r, const struct pending *p, struct span **ret)
{
    struct span *v = arena_array(&r->a, struct span, p->rows.n + 1);

    for (size_t i = 0; v != NULL && i < p->rows.n; i++) {
        int rc = rowcodec_span(&p->rows.v[i].batch->open, p->rows.v[i].row, &r->a, &v[i]);

        if (rc < 0) {
            return rc;
        }
    }
    *ret = v;
    return v != NULL ? 0 : -ERR_NOMEM;
}

static bool keep_rows(struct round *r, struct span *v, size_t n, const struct policy *by)
{
    if (!vec_reserve(&r->keep, n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (by != NULL && by->kind == POLICY_SHARE) {
            v[i].trace_state = policy_trace_state(&r->a, v[i].trace_state, by->threshold);
        }
        r->keep.v[r->keep.n++] = v[i];
    }
    return true;
}

/* @return 1 kept, 0 dropped, negative: out of memory, not decided */
static int judge(struct sampler *s, const struct program *prog, struct round *r, struct pending *p,
                 int64_t now_ns)
{
    const struct policy *by = NULL;
    struct span *v = NULL;
    bool keep = false;
    int rc = decode(r, p, &v);

    if (rc < 0 || p->rows.n == 0) {
        return rc == -ERR_NOMEM ? rc
                                : 0; /* nothing else can be wrong with what we wrote ourselves */
    }
    if (prog == NULL || !prog->sampling.on) {
        keep = true;
    } else if (s->decided == NULL || !decided_get(s->decided, p->id, &keep)) {
        by = policy_decide(&prog->sampling, v, p->rows.n, s->rates, now_ns);
        keep = by != NULL;
    }
    if (keep && !keep_rows(r, v, p->rows.n, by)) {
        return -ERR_NOMEM;
    }
    if (by != NULL) {
        counter_add(prog->rules[by->id].matches, 1);
        counter_add(prog->rules[by->id].rows, p->rows.n);
    }
    return keep ? 1 : 0;
}

static void ready_decided(struct sampler *s, const struct program *prog)
{
    size_t room = prog != NULL ? (size_t)prog->sampling.remember : DEFAULT_REMEMBER;

    if (s->decided == NULL ||
        (prog != NULL && prog->sampling.on && decided_room(s->decided) != room)) {
        decided_free(s->decided);
        s->decided = decided_new(room);
    }
}

static void note(struct round *r, const struct pending *p, bool keep)
{
    buf_add(&r->record, p->id.b, sizeof(p->id.b));
    buf_add_byte(&r->record, keep ? 1 : 0);
}

/* Take the next traces out and decide them. */
static void decide_next(struct sampler *s, const struct program *prog, struct round *r,
                        int64_t now_ns, int64_t due_ns)
{
    ready_decided(s, prog);
    for (size_t i = 0;
         i < ROUND_TRACES && s->waiting.first != NULL && s->waiting.first->first_ns <= due_ns;
         i++) {
        struct pending *p = s->waiting.first;
        int rc = judge(s, prog, r, p, now_ns);

        if (rc < 0) {
            break; /* what was decided is stored and freed first */
        }
        pop(&s->waiting);
        ignore_result(map_del(&s->traces, str_of((const char *)p->id.b, sizeof(p->id.b))) != NULL,
                      "it is there");
        if (s->decided != NULL) {
            decided_put(s->decided, p->id, rc == 1);
        }
        p->keep = rc == 1;
        note(r, p, p->keep);
        r->segment = p->segment < r->segment ? p->segment : r->segment;
        r->kept_traces += rc == 1;
        r->dropped_traces += rc == 0;
        r->dropped_spans += rc == 0 ? p->rows.n : 0;
        push(&r->traces, p);
    }
}

/* Those decided before that could not be stored. */
static void decide_unsaved(struct sampler *s, struct round *r)
{
    for (size_t i = 0; i < ROUND_TRACES && s->unsaved.first != NULL; i++) {
        struct pending *p = s->unsaved.first;
        struct span *v = NULL;

        if (decode(r, p, &v) < 0 || !keep_rows(r, v, p->rows.n, NULL)) {
            break;
        }
        pop(&s->unsaved);
        note(r, p, true);
        r->segment = p->segment < r->segment ? p->segment : r->segment;
        r->kept_traces++;
        push(&r->traces, p);
    }
}

static int store_round(struct sampler *s, struct round *r)
{
    static struct log_limit limit;
    int64_t suppressed;
    struct err e = {0};
    const struct str parts[1] = {buf_str(&r->record)};
    int rc = r->keep.n != 0 ? s->opts.store(s->opts.store_arg, r->keep.v, r->keep.n, &e) : 0;

    if (rc < 0) {
        if (log_limit_pass(&limit, &suppressed)) {
            log_warn("sampling", "traces that are kept could not be stored yet",
                     L_CSTR("error", e.msg), L_INT("suppressed", suppressed));
        }
        return rc;
    }
    if (r->record.failed || wal_append(s->wal, RECORD_DECISIONS, parts, 1, NULL, &e) < 0) {
        log_warn("sampling", "decisions were not noted; after a crash they are made again",
                 L_CSTR("error", e.msg));
    }
    return 0;
}

/* After the round: free what is done, put back what could not be stored. */
static void finish_round(struct sampler *s, struct round *r, int rc)
{
    struct pending *p;

    while ((p = pop(&r->traces)) != NULL) {
        if (rc < 0 && p->keep) {
            push(&s->unsaved, p);
        } else {
            pending_free(s, p);
        }
    }
    s->counts.dropped_traces += r->dropped_traces;
    s->counts.dropped_spans += r->dropped_spans;
    if (rc == 0) {
        s->counts.kept_traces += r->kept_traces;
        s->counts.kept_spans += r->keep.n;
    }
    s->flying_segment = UINT64_MAX;
    s->appended |= r->kept_traces + r->dropped_traces != 0;
}

/* One round. @return traces dealt with; negative: the store failed */
static int64_t round_once(struct sampler *s, const struct program *prog, int64_t now_ns,
                          int64_t due_ns)
{
    struct round r = {.segment = UINT64_MAX};
    int64_t n;
    int rc = 0;

    arena_init(&r.a, ROW_ARENA);
    buf_init(&r.record, 1 << 20);
    mutex_lock(&s->decide_lock);
    mutex_lock(&s->lock);
    if (s->unsaved.first != NULL) {
        decide_unsaved(s, &r);
    } else {
        decide_next(s, prog, &r, now_ns, due_ns);
    }
    s->flying_segment = r.segment;
    mutex_unlock(&s->lock);
    n = (int64_t)(r.kept_traces + r.dropped_traces);
    if (n != 0) {
        rc = store_round(s, &r);
    }
    mutex_lock(&s->lock);
    finish_round(s, &r, rc);
    mutex_unlock(&s->lock);
    mutex_unlock(&s->decide_lock);
    vec_done(&r.keep);
    buf_done(&r.record);
    arena_done(&r.a);
    return rc < 0 ? rc : n;
}

static uint64_t bytes_now(struct sampler *s)
{
    uint64_t bytes;

    mutex_lock(&s->lock);
    bytes = s->bytes;
    mutex_unlock(&s->lock);
    return bytes;
}

/* Decide the oldest before their time until there is room. */
static int make_room(struct sampler *s, const struct program *p, size_t need, int64_t now_ns,
                     struct err *reterr)
{
    while (bytes_now(s) + need > p->sampling.memory_bytes) {
        int64_t n = round_once(s, p, now_ns, INT64_MAX);

        if (n < 0) {
            return err_set(
                reterr, ERR_OVERLOAD,
                "%llu bytes of spans wait for the decision on their traces and the store "
                "takes none",
                (unsigned long long)bytes_now(s));
        }
        if (n == 0) {
            return 0; /* nothing else waits: one request alone may be larger */
        }
        mutex_lock(&s->lock);
        s->counts.early += (uint64_t)n;
        mutex_unlock(&s->lock);
    }
    return 0;
}

/* Spans of decided traces. @return how many are left, in front of `waiting` */
static size_t part(struct sampler *s, const struct span *spans, size_t n, struct span *waiting,
                   struct span *late, size_t *ret_late)
{
    size_t left = 0;
    size_t kept = 0;

    mutex_lock(&s->lock);
    for (size_t i = 0; i < n; i++) {
        bool keep;

        if (s->decided == NULL || !decided_get(s->decided, spans[i].trace_id, &keep)) {
            waiting[left++] = spans[i];
            continue;
        }
        s->counts.late_spans++;
        if (keep) {
            late[kept++] = spans[i];
        } else {
            s->counts.dropped_spans++;
        }
    }
    s->counts.kept_spans += kept;
    mutex_unlock(&s->lock);
    *ret_late = kept;
    return left;
}

int sampler_add(struct sampler *s, const struct program *p, const struct span *spans, size_t n,
                int64_t now_ns, struct err *reterr)
{
    struct span *waiting CLEANUP(mem_free_ptr) = mem_try_alloc((n + 1) * sizeof(*spans));
    struct span *late CLEANUP(mem_free_ptr) = mem_try_alloc((n + 1) * sizeof(*spans));
    struct held_batch *b = NULL;
    size_t late_n = 0;
    size_t left;
    int rc;

    if (waiting == NULL || late == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory for spans that wait");
    }
    left = part(s, spans, n, waiting, late, &late_n);
    if (late_n != 0) {
        rc = s->opts.store(s->opts.store_arg, late, late_n, reterr);
        if (rc < 0) {
            return rc;
        }
    }
    if (left == 0) {
        return 0;
    }
    rc = encode(waiting, left, &b, reterr);
    if (rc < 0 || b == NULL) {
        return rc;
    }
    rc = make_room(s, p, b->payload.cap + b->tables.used + left * 256, now_ns, reterr);
    if (rc < 0) {
        batch_free(b);
        return rc;
    }
    return take(s, b, now_ns, reterr);
}

/* Segments nothing waits in any more go. */
static void shorten_log(struct sampler *s, int64_t now_ns, int64_t every_ns)
{
    uint64_t oldest = UINT64_MAX;
    struct err e = {0};

    mutex_lock(&s->lock);
    if (s->wal != NULL && s->appended && now_ns - s->rotated_ns >= every_ns &&
        wal_rotate(s->wal, &oldest, &e) == 0) {
        if (s->waiting.first != NULL && s->waiting.first->segment < oldest) {
            oldest = s->waiting.first->segment;
        }
        for (const struct pending *p = s->unsaved.first; p != NULL; p = p->next) {
            oldest = p->segment < oldest ? p->segment : oldest;
        }
        oldest = s->flying_segment < oldest ? s->flying_segment : oldest;
        ignore_result(wal_truncate(s->wal, oldest, &e), "tried again at the next rotation");
        s->appended = s->waiting.first != NULL || s->unsaved.first != NULL;
        s->rotated_ns = now_ns;
    }
    mutex_unlock(&s->lock);
}

void sampler_tick(struct sampler *s, const struct program *p, int64_t now_ns)
{
    const int64_t wait_ns = p->sampling.on ? p->sampling.wait_ms * 1000000 : 0;

    while (round_once(s, p, now_ns, now_ns - wait_ns) == ROUND_TRACES) {
    }
    shorten_log(s, now_ns, wait_ns / 2 + 1000000000);
}

/* ---- start and end ---- */

struct replay {
    struct sampler *s;
    int64_t now_ns;
};

static int replay_spans(struct replay *r, struct str payload, struct wal_pos pos)
{
    struct held_batch *b = batch_new();
    struct err e = {0};

    if (b == NULL) {
        return -ERR_NOMEM;
    }
    buf_add_str(&b->payload, payload);
    if (b->payload.failed || rowcodec_open(buf_str(&b->payload), &b->tables, &b->open, &e) < 0) {
        bool nomem = b->payload.failed;

        log_warn("sampling", "a batch of waiting spans cannot be read and is left out",
                 L_CSTR("error", e.msg));
        batch_free(b);
        return nomem ? -ERR_NOMEM : 0;
    }
    return insert(r->s, b, r->now_ns, pos.segment);
}

static void forget(struct sampler *s, struct trace_id id)
{
    struct pending *p = map_del(&s->traces, str_of((const char *)id.b, sizeof(id.b)));
    struct pending **at = &s->waiting.first;
    struct pending *before = NULL;

    if (p == NULL) {
        return;
    }
    while (*at != p) { /* decided in the order they began: near the front */
        before = *at;
        at = &(*at)->next;
    }
    *at = p->next;
    if (s->waiting.last == p) {
        s->waiting.last = before;
    }
    pending_free(s, p);
}

static int replay_record(void *arg, uint8_t type, struct str payload, struct wal_pos pos)
{
    struct replay *r = arg;

    if (type == RECORD_SPANS) {
        return replay_spans(r, payload, pos);
    }
    for (; type == RECORD_DECISIONS && payload.n >= DECISION_SIZE;
         payload = str_drop(payload, DECISION_SIZE)) {
        struct trace_id id;

        memcpy(id.b, payload.p, sizeof(id.b));
        forget(r->s, id);
        ready_decided(r->s, NULL);
        if (r->s->decided != NULL) {
            decided_put(r->s->decided, id, payload.p[TRACE_ID_SIZE] != 0);
        }
    }
    return 0;
}

int sampler_open(const struct sampler_opts *opts, int64_t now_ns, struct sampler **ret,
                 struct err *reterr)
{
    struct sampler *s = mem_xcalloc(1, sizeof(*s));
    struct replay r = {s, now_ns};
    int rc = 0;

    s->opts = *opts;
    s->dir = mem_xstrdup(opts->dir);
    s->flying_segment = UINT64_MAX;
    s->rotated_ns = now_ns;
    s->rates = rates_state_new();
    mutex_init(&s->decide_lock, LOCK_RANK_INGEST);
    mutex_init(&s->lock, LOCK_RANK_STORE);
    if (access(s->dir, F_OK) == 0) {
        rc = open_wal(s, reterr, replay_record, &r);
        s->appended = true;
    }
    if (rc < 0) {
        s->wal = NULL;
        sampler_close(s, NULL, now_ns);
        return rc;
    }
    *ret = s;
    return 0;
}

static void free_list(struct sampler *s, struct list *l)
{
    struct pending *p;

    while ((p = pop(l)) != NULL) {
        pending_free(s, p);
    }
}

void sampler_close(struct sampler *s, const struct program *p, int64_t now_ns)
{
    if (s == NULL) {
        return;
    }
    if (s->wal != NULL) {
        while (round_once(s, p, now_ns, INT64_MAX) > 0) {
        }
        s->rotated_ns = INT64_MIN / 2;
        shorten_log(s, now_ns, 0);
        wal_close(s->wal);
    }
    free_list(s, &s->waiting);
    free_list(s, &s->unsaved);
    map_done(&s->traces);
    decided_free(s->decided);
    rates_state_free(s->rates);
    mutex_done(&s->lock);
    mutex_done(&s->decide_lock);
    mem_free(s->dir);
    mem_free(s);
}

void sampler_status(struct sampler *s, struct sampler_status *ret)
{
    mutex_lock(&s->lock);
    *ret = s->counts;
    ret->traces = s->traces.n;
    ret->bytes = s->bytes;
    mutex_unlock(&s->lock);
}
