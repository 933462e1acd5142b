/* SPDX-License-Identifier: Apache-2.0
 *
 * Commits. A batch is sorted by shard while it is filled, so that a commit takes each lock twice at most:
 * once to look (what is acceptable, what must the log define), once to apply. Both looks decide alike.
 */
#include "base/clock.h"
#include "base/err.h"
#include "codec/bits.h"
#include "store/tsdb/tsdb_internal.h"

enum {
    MAX_SAMPLES = 10000000,
    RECORD_BYTES = 16 << 20, /* a larger commit becomes several records */
    FIRST_LABELS = 64,
};

struct entry {
    uint32_t number;
    int64_t t;
    double v;
};

struct tsdb_batch {
    struct tsdb *db;
    VEC(struct entry) shards[HEAD_SHARDS];
    size_t n;
    struct record record;
    struct buf scratch;
    struct label *labels; /* owned, labels_cap */
    size_t labels_cap;
};

struct window {
    int64_t min_ms, max_ms; /* acceptable times, inclusive */
    uint32_t epoch;
};

struct tsdb_batch *tsdb_batch_new(struct tsdb *db)
{
    struct tsdb_batch *b = mem_xcalloc(1, sizeof(*b));

    b->db = db;
    record_init(&b->record);
    buf_init(&b->scratch, 2 << 20);
    return b;
}

void tsdb_batch_free(struct tsdb_batch *b)
{
    if (b == NULL) {
        return;
    }
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        vec_done(&b->shards[i]);
    }
    record_done(&b->record);
    buf_done(&b->scratch);
    mem_free(b->labels);
    mem_free(b);
}

void tsdb_batch_clear(struct tsdb_batch *b)
{
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        vec_clear(&b->shards[i]);
    }
    b->n = 0;
}

int tsdb_batch_add(struct tsdb_batch *b, struct series_ref ref, int64_t t_ms, double v)
{
    if (UNLIKELY(b->n >= MAX_SAMPLES)) {
        return -ERR_LIMIT;
    }
    if (UNLIKELY(!vec_push(&b->shards[head_ref_shard(ref)],
                           (struct entry){head_ref_number(ref), t_ms, v}))) {
        return -ERR_NOMEM;
    }
    b->n++;
    return 0;
}

/** NULL when the sample is refused; then *ret_why says so. */
static struct series *judge(const struct shard *s, const struct entry *e, const struct window *w,
                            enum tsdb_reject *ret_why)
{
    struct series *se;

    if (UNLIKELY(e->t < w->min_ms || e->t > w->max_ms)) {
        *ret_why = e->t < w->min_ms ? TSDB_REJECT_TOO_OLD : TSDB_REJECT_TOO_NEW;
        return NULL;
    }
    se = head_series_locked(s, e->number);
    if (UNLIKELY(se == NULL)) {
        *ret_why = TSDB_REJECT_GONE;
    }
    return se;
}

enum { AHEAD = 16 };

/** Series of a commit lie all over memory: fetch those to come while this one is worked on. */
static ALWAYS_INLINE void fetch_ahead(const struct shard *s, const struct entry *v, size_t n,
                                      size_t i, bool raw)
{
    const struct series *se;

    if (i + AHEAD < n) {
        se = head_series_locked(s, v[i + AHEAD].number);
        if (se != NULL) {
            PREFETCH(se);
            PREFETCH((const char *)se + 32); /* where it may lie on two lines */
        }
    }
    if (raw && i + AHEAD / 2 < n) {
        se = head_series_locked(s, v[i + AHEAD / 2].number);
        if (se != NULL && se->raw != NULL) {
            PREFETCH_WRITE(&se->raw[se->raw_n]);
        }
    }
}

static void reject(struct tsdb_commit *c, enum tsdb_reject why, struct series_ref ref, int64_t t)
{
    bool first = true;

    for (int i = 0; i < TSDB_REJECT_COUNT; i++) {
        first = first && c->rejected[i] == 0;
    }
    if (first) {
        c->first_rejected = ref;
        c->first_rejected_t_ms = t;
        c->first_reason = why;
    }
    c->rejected[why]++;
}

static int define(struct tsdb_batch *b, const struct shard *s, const struct series *se,
                  struct series_ref ref)
{
    if (se->pairs_n > b->labels_cap) {
        struct label *v = mem_try_realloc(b->labels, se->pairs_n * sizeof(*v));

        if (v == NULL) {
            return -ERR_NOMEM;
        }
        b->labels = v;
        b->labels_cap = se->pairs_n;
    }
    record_add_series(&b->record, ref.v, head_labels_locked(s, se, b->labels), &b->scratch);
    return 0;
}

/** Write what was gathered as one record. */
static int write_record(struct tsdb_batch *b, size_t series_n, size_t samples_n, struct err *reterr)
{
    uint8_t head[20];
    uint8_t mid[20];
    const struct record *r = &b->record;
    struct str parts[4];

    if (r->series.failed || r->samples.failed) {
        return err_set(reterr, ERR_NOMEM, "record of the log");
    }
    if (samples_n == 0) {
        return 0;
    }
    parts[0] = str_of((char *)head, bits_put_varint(head, series_n));
    parts[1] = buf_str(&r->series);
    parts[2] = str_of((char *)mid, bits_put_varint(mid, samples_n));
    parts[3] = buf_str(&r->samples);
    return wal_append(b->db->wal, RECORD_SAMPLES, parts, ARRAY_LEN(parts), NULL, reterr);
}

/** What has gone into the record being built. */
struct pending {
    size_t series_n;
    size_t samples_n;
    size_t total;
};

static int log_shard(struct tsdb_batch *b, unsigned n, const struct window *w, struct pending *p,
                     struct tsdb_commit *c, struct err *reterr)
{
    struct shard *s = &b->db->head.shards[n];
    uint32_t last_defined = UINT32_MAX;
    int rc = 0;

    rwlock_read(&s->lock);
    for (size_t i = 0; rc == 0 && i < b->shards[n].n; i++) {
        const struct entry *e = &b->shards[n].v[i];
        struct series_ref ref = head_ref(n, e->number);
        enum tsdb_reject why = TSDB_REJECT_GONE;
        struct series *se;

        fetch_ahead(s, b->shards[n].v, b->shards[n].n, i, false);
        se = judge(s, e, w, &why);
        if (se == NULL) {
            reject(c, why, ref, e->t);
            continue;
        }
        atomic_store_explicit(&se->seen_epoch, w->epoch, memory_order_relaxed);
        if (se->wal_epoch != w->epoch && e->number != last_defined) {
            last_defined = e->number;
            rc = define(b, s, se, ref);
            p->series_n++;
        }
        record_add_sample(&b->record, ref.v, e->t, e->v);
        p->samples_n++;
        p->total++;
        if (b->record.samples.n + b->record.series.n > RECORD_BYTES) {
            rwlock_unlock(&s->lock); /* series stay: they were seen in this epoch */
            rc = rc == 0 ? write_record(b, p->series_n, p->samples_n, reterr) : rc;
            record_clear(&b->record);
            p->series_n = p->samples_n = 0;
            last_defined = UINT32_MAX;
            rwlock_read(&s->lock);
        }
    }
    rwlock_unlock(&s->lock);
    return rc;
}

static int apply_shard(struct tsdb_batch *b, unsigned n, const struct window *w)
{
    struct head *h = &b->db->head;
    struct shard *s = &h->shards[n];
    size_t added = 0;
    int rc = 0;

    if (b->shards[n].n == 0) {
        return 0;
    }
    rwlock_write(&s->lock);
    for (size_t i = 0; i < b->shards[n].n; i++) {
        const struct entry *e = &b->shards[n].v[i];
        enum tsdb_reject why;
        struct series *se;
        int r;

        fetch_ahead(s, b->shards[n].v, b->shards[n].n, i, true);
        se = judge(s, e, w, &why);
        if (se == NULL) {
            continue;
        }
        se->wal_epoch = w->epoch;
        r = head_append_locked(h, s, se, e->t, e->v);
        added += r == 0 ? 1 : 0;
        rc = rc == 0 ? r : rc;
    }
    rwlock_unlock(&s->lock);
    atomic_fetch_add_explicit(&h->samples_n, added, memory_order_relaxed);
    return rc;
}

static int commit_in_epoch(struct tsdb_batch *b, struct tsdb_commit *c, struct err *reterr)
{
    struct tsdb *db = b->db;
    int64_t now = clock_wall_ms();
    const struct window w = {
        .min_ms = db->admit_ms > 0 ? now - db->admit_ms : INT64_MIN,
        .max_ms = now + db->future_ms,
        .epoch = atomic_load_explicit(&db->epoch, memory_order_relaxed),
    };
    struct pending p = {0};
    int rc = 0;

    record_clear(&b->record);
    for (unsigned i = 0; rc == 0 && i < HEAD_SHARDS; i++) {
        rc = b->shards[i].n != 0 ? log_shard(b, i, &w, &p, c, reterr) : 0;
    }
    rc = rc == 0 ? write_record(b, p.series_n, p.samples_n, reterr) : rc;
    if (rc < 0) {
        return rc;
    }
    c->accepted = p.total;
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        int r = apply_shard(b, i, &w);

        rc = rc == 0 ? r : rc;
    }
    return rc < 0 ? err_set(reterr, ERR_NOMEM, "samples are in the log, but not in memory") : 0;
}

static void ask_for_flush(struct tsdb *db)
{
    mutex_lock(&db->bg_lock);
    db->want_flush = true;
    cond_signal(&db->bg_wake);
    mutex_unlock(&db->bg_lock);
}

void epoch_enter(struct tsdb *db)
{
    if (UNLIKELY(atomic_load_explicit(&db->epoch_wanted, memory_order_relaxed))) {
        mutex_lock(&db->epoch_gate);
        mutex_unlock(&db->epoch_gate);
    }
    rwlock_read(&db->epoch_lock);
}

int tsdb_batch_commit(struct tsdb_batch *b, struct tsdb_commit *ret, struct err *reterr)
{
    struct tsdb *db = b->db;
    uint64_t before = atomic_load_explicit(&db->head.sample_bytes, memory_order_relaxed);
    uint64_t limit = head_limit(db);
    struct tsdb_commit c = {0};
    int rc;

    /* Memory has a hard ceiling well above the point at which a flush starts. */
    if (before > limit * 4 || atomic_load_explicit(&db->over_budget, memory_order_relaxed)) {
        ask_for_flush(db);
        return err_set(reterr, ERR_OVERLOAD, "head over its memory, a flush is on its way");
    }
    epoch_enter(db);
    rc = commit_in_epoch(b, &c, reterr);
    rwlock_unlock(&db->epoch_lock);
    if (rc < 0) {
        return rc;
    }
    if (atomic_load_explicit(&db->head.sample_bytes, memory_order_relaxed) > limit &&
        before <= limit) {
        ask_for_flush(db);
    }
    if (db->budget != NULL) {
        head_account(db);
    }
    counter_add(db->stats.samples, c.accepted);
    for (int i = 0; i < TSDB_REJECT_COUNT; i++) {
        if (c.rejected[i] != 0) {
            counter_add(db->stats.rejected[i], c.rejected[i]);
        }
    }
    tsdb_batch_clear(b);
    if (ret != NULL) {
        *ret = c;
    }
    return 0;
}
