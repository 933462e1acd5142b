/* SPDX-License-Identifier: Apache-2.0
 *
 * The sampler's log. Nobody holds a lock while it is written, so requests share its writes, and a decision may come
 * to stand behind rows it knows nothing of. Invariant: a decision says how many rows it is about; replay takes a trace
 * out when decisions cover all of its rows, and lets it wait again otherwise (then it follows what was decided).
 */
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "ingest/process/sampler_internal.h"

enum {
    RECORD_SPANS = 1,
    RECORD_DECISIONS_OLD = 2, /* per trace: id, 1 byte: kept; about all rows before it */
    RECORD_DECISIONS = 3,     /* per trace: id, 1 byte: kept, u32 rows (little endian) */
    OLD_SIZE = TRACE_ID_SIZE + 1,
    DECISION_SIZE = OLD_SIZE + 4,
    SEGMENT_BYTES = 16 << 20,
};

/* ---- pins ---- */

/* Called with the lock. @return false without memory */
static bool pin_locked(struct sampler *s, uint64_t segment)
{
    for (size_t i = s->pins.n; i > 0; i--) {
        if (s->pins.v[i - 1].segment == segment) {
            s->pins.v[i - 1].users++;
            return true;
        }
    }
    return vec_push(&s->pins, (struct segment_pin){segment, 1});
}

static void unpin_locked(struct sampler *s, uint64_t segment)
{
    for (size_t i = 0; i < s->pins.n; i++) {
        if (s->pins.v[i].segment == segment) {
            if (--s->pins.v[i].users == 0) {
                s->pins.v[i] = s->pins.v[--s->pins.n];
            }
            return;
        }
    }
}

void sampler_log_unpin(struct sampler *s, uint64_t segment)
{
    mutex_lock(&s->log_lock);
    unpin_locked(s, segment);
    mutex_unlock(&s->log_lock);
}

/* ---- writing ---- */

static int open_wal(struct sampler *s, struct err *reterr,
                    int (*replay)(void *arg, uint8_t type, struct str payload, struct wal_pos pos),
                    void *arg)
{
    const struct wal_opts o = {.dir = s->dir,
                               .name = "sampling",
                               .sync = s->opts.wal_sync,
                               .segment_bytes = SEGMENT_BYTES,
                               .vfs = s->opts.vfs,
                               .stats = s->opts.stats};

    return wal_open(&o, replay, arg, &s->wal, reterr);
}

/* Where a record may come to lie is pinned before it is written: nobody knows of it yet. */
static int begin_append(struct sampler *s, struct wal **ret, uint64_t *ret_pin, struct err *reterr)
{
    int rc;

    mutex_lock(&s->log_lock);
    rc = s->wal == NULL ? open_wal(s, reterr, NULL, NULL) : 0;
    if (rc == 0 && !pin_locked(s, s->newest_segment)) {
        rc = err_set(reterr, ERR_NOMEM, "out of memory for spans that wait");
    }
    if (rc == 0) {
        s->appended = true;
        *ret = s->wal;
        *ret_pin = s->newest_segment;
    }
    mutex_unlock(&s->log_lock);
    return rc;
}

int sampler_log_spans(struct sampler *s, struct held_batch *b, struct err *reterr)
{
    const struct str parts[1] = {buf_str(&b->payload)};
    struct wal_pos pos = {0};
    struct wal *w = NULL;
    uint64_t pin = 0;
    int rc = begin_append(s, &w, &pin, reterr);

    if (rc < 0) {
        return rc;
    }
    rc = wal_append(w, RECORD_SPANS, parts, 1, &pos, reterr);
    mutex_lock(&s->log_lock);
    b->segment = pin;
    if (rc < 0) {
        unpin_locked(s, pin);
    } else if (pos.segment != pin && pin_locked(s, pos.segment)) { /* else the older one will do */
        unpin_locked(s, pin);
        b->segment = pos.segment;
    }
    if (rc == 0 && pos.segment > s->newest_segment) {
        s->newest_segment = pos.segment;
    }
    mutex_unlock(&s->log_lock);
    return rc;
}

int sampler_log_decisions(struct sampler *s, struct pending *const *v, size_t n, struct err *reterr)
{
    uint8_t record[SAMPLER_ROUND * DECISION_SIZE];
    uint8_t *p = record;
    struct str parts[1];
    struct wal *w;

    for (size_t i = 0; i < n; i++, p += DECISION_SIZE) {
        uint32_t rows = (uint32_t)v[i]->rows.n;

        memcpy(p, v[i]->id.b, TRACE_ID_SIZE);
        p[TRACE_ID_SIZE] = v[i]->verdict == VERDICT_KEEP;
        for (size_t k = 0; k < 4; k++) {
            p[OLD_SIZE + k] = (uint8_t)(rows >> (8 * k));
        }
    }
    parts[0] = str_of((const char *)record, (size_t)(p - record));
    mutex_lock(&s->log_lock);
    w = s->wal; /* what waits came through it */
    s->appended = true;
    mutex_unlock(&s->log_lock);
    return wal_append(w, RECORD_DECISIONS, parts, 1, NULL, reterr);
}

void sampler_log_shorten(struct sampler *s, int64_t now_ns, int64_t every_ns)
{
    uint64_t oldest = UINT64_MAX;
    struct err e = {0};
    struct wal *w;

    if (now_ns - s->rotated_ns < every_ns) {
        return;
    }
    mutex_lock(&s->log_lock);
    w = s->appended ? s->wal : NULL;
    s->appended = false;
    mutex_unlock(&s->log_lock);
    if (w == NULL) {
        return;
    }
    s->rotated_ns = now_ns;
    if (wal_rotate(w, &oldest, &e) < 0) {
        oldest = 0;
    }
    mutex_lock(&s->log_lock);
    /* Who begins from now on writes into the new segment or behind it. */
    s->newest_segment = oldest > s->newest_segment ? oldest : s->newest_segment;
    for (size_t i = 0; i < s->pins.n; i++) {
        oldest = s->pins.v[i].segment < oldest ? s->pins.v[i].segment : oldest;
    }
    s->appended |= s->pins.n != 0 || oldest == 0;
    mutex_unlock(&s->log_lock);
    ignore_result(wal_truncate(w, oldest, &e), "tried again at the next rotation");
}

/* ---- replay ---- */

struct replay {
    struct sampler *s;
    int64_t now_ns;
};

static int replay_spans(struct replay *r, struct str payload, struct wal_pos pos)
{
    struct held_batch *b = held_batch_new();
    struct err e = {0};
    bool pinned;

    if (b == NULL) {
        return -ERR_NOMEM;
    }
    buf_add_str(&b->payload, payload);
    if (b->payload.failed || rowcodec_open(buf_str(&b->payload), &b->tables, &b->open, &e) < 0) {
        bool nomem = b->payload.failed;

        log_warn("sampling", "a batch of waiting spans cannot be read and is left out",
                 L_CSTR("error", e.msg));
        held_batch_free(b);
        return nomem ? -ERR_NOMEM : 0;
    }
    b->segment = pos.segment;
    mutex_lock(&r->s->log_lock);
    pinned = pin_locked(r->s, pos.segment);
    mutex_unlock(&r->s->log_lock);
    if (!pinned) {
        held_batch_free(b);
        return -ERR_NOMEM;
    }
    return sampler_insert(r->s, b, r->now_ns);
}

/* Near the front: traces are decided in the order they began. */
static void unlink_waiting(struct sampler_shard *sh, struct pending *p)
{
    struct pending **at = &sh->waiting.first;
    struct pending *before = NULL;

    while (*at != p) {
        before = *at;
        at = &(*at)->next;
    }
    *at = p->next;
    if (sh->waiting.last == p) {
        sh->waiting.last = before;
    }
}

/* A decision about `rows` rows of a trace. */
static void cover(struct sampler *s, struct trace_id id, uint32_t rows, bool keep)
{
    struct sampler_shard *sh = shard_of(s, &id);
    struct pending *p;

    mutex_lock(&sh->lock);
    shard_ready_decided(sh, NULL);
    if (sh->decided != NULL) {
        decided_put(sh->decided, id, keep);
    }
    p = map_get(&sh->traces, trace_key(&id));
    if (p != NULL) {
        p->covered += rows < UINT32_MAX - p->covered ? rows : UINT32_MAX - p->covered;
        if (p->covered >= p->rows.n) {
            ignore_result(map_del(&sh->traces, trace_key(&id)) != NULL, "it was found");
            unlink_waiting(sh, p);
            count_sub(&s->counts.traces, 1);
        } else {
            p = NULL;
        }
    }
    mutex_unlock(&sh->lock);
    if (p != NULL) {
        pending_free(s, p);
    }
}

static void replay_decisions(struct sampler *s, struct str payload, size_t size)
{
    for (; payload.n >= size; payload = str_drop(payload, size)) {
        const uint8_t *p = (const uint8_t *)payload.p;
        uint32_t rows = UINT32_MAX;
        struct trace_id id;

        if (size == DECISION_SIZE) {
            p += OLD_SIZE;
            rows =
                (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        }
        memcpy(id.b, payload.p, sizeof(id.b));
        cover(s, id, rows, payload.p[TRACE_ID_SIZE] != 0);
    }
}

static int replay_record(void *arg, uint8_t type, struct str payload, struct wal_pos pos)
{
    struct replay *r = arg;

    if (pos.segment > r->s->newest_segment) {
        r->s->newest_segment = pos.segment;
    }
    switch (type) {
    case RECORD_SPANS:
        return replay_spans(r, payload, pos);
    case RECORD_DECISIONS_OLD:
        replay_decisions(r->s, payload, OLD_SIZE);
        return 0;
    case RECORD_DECISIONS:
        replay_decisions(r->s, payload, DECISION_SIZE);
        return 0;
    default:
        return 0;
    }
}

int sampler_log_open(struct sampler *s, int64_t now_ns, struct err *reterr)
{
    struct replay r = {s, now_ns};
    int rc;

    if (access(s->dir, F_OK) != 0) {
        return 0; /* made with the first span */
    }
    rc = open_wal(s, reterr, replay_record, &r);
    if (rc < 0) {
        s->wal = NULL;
    }
    s->appended = true;
    return rc;
}
