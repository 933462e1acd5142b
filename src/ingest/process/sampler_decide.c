/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounds of decisions. What is due is taken out of the shards under their locks, trace by trace in the order they
 * began; it is judged and stored without any but decide_lock. A span that comes meanwhile begins its trace anew, and
 * that follows the decision when its turn comes.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "ingest/process/sampler_internal.h"

enum {
    DEFAULT_REMEMBER = 100000,
    ROW_ARENA = 1 << 30,
};

/* What a round works on. */
struct round {
    struct pending *v[SAMPLER_ROUND]; /* the first n are decided */
    size_t n;
    struct arena a;
    VEC(struct span) keep;
    size_t dropped_spans, kept_traces;
};

void shard_ready_decided(struct sampler_shard *sh, const struct program *prog)
{
    uint64_t all = prog != NULL ? prog->sampling.remember : DEFAULT_REMEMBER;
    size_t room = (size_t)((all + SAMPLER_SHARDS - 1) / SAMPLER_SHARDS);

    if (sh->decided == NULL ||
        (prog != NULL && prog->sampling.on && decided_room(sh->decided) != room)) {
        decided_free(sh->decided);
        sh->decided = decided_new(room);
    }
}

/* ---- out of the shards and back ---- */

/* @return the place in time of the shard's next trace, UINT64_MAX: none is due. Called with its lock. */
static uint64_t next_locked(const struct sampler_shard *sh, int64_t due_ns)
{
    const struct pending *p = sh->waiting.first;

    return p != NULL && p->first_ns <= due_ns ? p->seq : UINT64_MAX;
}

static struct pending *pop_one(struct sampler *s, struct sampler_shard *sh, int64_t due_ns,
                               uint64_t *ret_next)
{
    struct pending *p = NULL;
    bool keep;

    mutex_lock(&sh->lock);
    if (next_locked(sh, due_ns) != UINT64_MAX) {
        p = pending_pop(&sh->waiting);
        if (map_get(&sh->traces, trace_key(&p->id)) == p) {
            ignore_result(map_del(&sh->traces, trace_key(&p->id)) != NULL, "it is there");
        }
        p->verdict = VERDICT_OPEN;
        if (sh->decided != NULL && decided_get(sh->decided, p->id, &keep)) {
            p->verdict = keep ? VERDICT_KEEP : VERDICT_DROP;
        }
        count_sub(&s->counts.traces, 1);
    }
    *ret_next = next_locked(sh, due_ns);
    mutex_unlock(&sh->lock);
    return p;
}

/* The oldest of all shards. @return how many */
static size_t pop_due(struct sampler *s, const struct program *prog, struct pending **v,
                      int64_t due_ns)
{
    uint64_t next[SAMPLER_SHARDS];
    size_t n = 0;

    for (size_t i = 0; i < SAMPLER_SHARDS; i++) {
        mutex_lock(&s->shards[i].lock);
        shard_ready_decided(&s->shards[i], prog);
        next[i] = next_locked(&s->shards[i], due_ns);
        mutex_unlock(&s->shards[i].lock);
    }
    while (n < SAMPLER_ROUND) {
        size_t first = 0;

        for (size_t i = 1; i < SAMPLER_SHARDS; i++) {
            first = next[i] < next[first] ? i : first;
        }
        if (next[first] == UINT64_MAX) {
            break;
        }
        v[n] = pop_one(s, &s->shards[first], due_ns, &next[first]);
        n += v[n] != NULL;
    }
    return n;
}

/* Not decided after all: to the front again, the last first. */
static void put_back(struct sampler *s, struct pending *p)
{
    struct sampler_shard *sh = shard_of(s, &p->id);

    mutex_lock(&sh->lock);
    pending_push_front(&sh->waiting, p);
    if (map_get(&sh->traces, trace_key(&p->id)) == NULL) {
        ignore_result(map_put(&sh->traces, trace_key(&p->id), p) == 0,
                      "else its later spans wait by themselves");
    }
    count_add(&s->counts.traces, 1);
    mutex_unlock(&sh->lock);
}

/* ---- judging ---- */

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
    const uint64_t random = by != NULL && by->kind == POLICY_SHARE ? policy_randomness(v, n) : 0;

    if (!vec_reserve(&r->keep, n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (by != NULL && by->kind == POLICY_SHARE) {
            v[i].trace_state = policy_trace_state(&r->a, v[i].trace_state, by->threshold, random);
        }
        r->keep.v[r->keep.n++] = v[i];
    }
    return true;
}

/* @return 0; -ERR_NOMEM: not decided. Nothing else can be wrong with what we wrote ourselves */
static int judge(struct sampler *s, const struct program *prog, struct round *r, struct pending *p,
                 int64_t now_ns)
{
    const struct policy *by = NULL;
    enum verdict verdict = p->verdict;
    struct span *v = NULL;
    int rc = decode(r, p, &v);

    if (rc < 0 || p->rows.n == 0) {
        p->verdict = VERDICT_DROP;
        return rc == -ERR_NOMEM ? rc : 0;
    }
    if (prog == NULL || !prog->sampling.on) {
        verdict = VERDICT_KEEP;
    } else if (verdict == VERDICT_OPEN) {
        by = policy_decide(&prog->sampling, v, p->rows.n, s->rates, now_ns);
        verdict = by != NULL ? VERDICT_KEEP : VERDICT_DROP;
    }
    if (verdict == VERDICT_KEEP && !keep_rows(r, v, p->rows.n, by)) {
        return -ERR_NOMEM;
    }
    p->verdict = verdict;
    if (by != NULL) {
        counter_add(prog->rules[by->id].matches, 1);
        counter_add(prog->rules[by->id].rows, p->rows.n);
    }
    return 0;
}

static void decide_next(struct sampler *s, const struct program *prog, struct round *r,
                        int64_t now_ns, int64_t due_ns)
{
    size_t popped = pop_due(s, prog, r->v, due_ns);

    while (r->n < popped && judge(s, prog, r, r->v[r->n], now_ns) == 0) {
        const struct pending *p = r->v[r->n++];

        r->kept_traces += p->verdict == VERDICT_KEEP;
        r->dropped_spans += p->verdict == VERDICT_KEEP ? 0 : p->rows.n;
    }
    for (size_t i = popped; i > r->n; i--) {
        put_back(s, r->v[i - 1]); /* what was decided is stored and freed first */
    }
    for (size_t i = 0; i < r->n; i++) {
        struct sampler_shard *sh = shard_of(s, &r->v[i]->id);

        mutex_lock(&sh->lock);
        if (sh->decided != NULL) {
            decided_put(sh->decided, r->v[i]->id, r->v[i]->verdict == VERDICT_KEEP);
        }
        mutex_unlock(&sh->lock);
    }
}

/* Those decided before that could not be stored. */
static void decide_unsaved(struct sampler *s, struct round *r)
{
    while (r->n < SAMPLER_ROUND && s->unsaved.first != NULL) {
        struct pending *p = s->unsaved.first;
        struct span *v = NULL;

        if (decode(r, p, &v) < 0 || !keep_rows(r, v, p->rows.n, NULL)) {
            break;
        }
        r->v[r->n++] = pending_pop(&s->unsaved);
        r->kept_traces++;
    }
}

/* ---- rounds ---- */

static int store_round(struct sampler *s, struct round *r)
{
    static struct log_limit limit;
    int64_t suppressed;
    struct err e = {0};
    int rc = r->keep.n != 0 ? s->opts.store(s->opts.store_arg, r->keep.v, r->keep.n, &e) : 0;

    if (rc < 0) {
        if (log_limit_pass(&limit, &suppressed)) {
            log_warn("sampling", "traces that are kept could not be stored yet",
                     L_CSTR("error", e.msg), L_INT("suppressed", suppressed));
        }
        return rc;
    }
    if (sampler_log_decisions(s, r->v, r->n, &e) < 0) {
        log_warn("sampling", "decisions were not noted; after a crash they are made again",
                 L_CSTR("error", e.msg));
    }
    return 0;
}

/* Free what is done, put aside what could not be stored. */
static void finish_round(struct sampler *s, struct round *r, int rc)
{
    for (size_t i = 0; i < r->n; i++) {
        if (rc < 0 && r->v[i]->verdict == VERDICT_KEEP) {
            pending_push(&s->unsaved, r->v[i]);
        } else {
            pending_free(s, r->v[i]);
        }
    }
    count_add(&s->counts.dropped_traces, r->n - r->kept_traces);
    count_add(&s->counts.dropped_spans, r->dropped_spans);
    if (rc == 0) {
        count_add(&s->counts.kept_traces, r->kept_traces);
        count_add(&s->counts.kept_spans, r->keep.n);
    }
}

int64_t sampler_round(struct sampler *s, const struct program *prog, int64_t now_ns, int64_t due_ns,
                      uint64_t enough)
{
    struct round r = {0};
    int rc = 0;

    arena_init(&r.a, ROW_ARENA);
    mutex_lock(&s->decide_lock);
    if (s->unsaved.first != NULL) {
        decide_unsaved(s, &r);
    } else if (count_get(&s->counts.bytes) > enough) { /* nobody made room meanwhile */
        decide_next(s, prog, &r, now_ns, due_ns);
    }
    if (r.n != 0) {
        rc = store_round(s, &r);
        finish_round(s, &r, rc);
    }
    mutex_unlock(&s->decide_lock);
    vec_done(&r.keep);
    arena_done(&r.a);
    return rc < 0 ? rc : (int64_t)r.n;
}
