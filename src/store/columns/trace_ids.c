/* SPDX-License-Identifier: Apache-2.0
 *
 * Distinct traces of the rows that pass: a scan that makes nothing but ids, and a set of those already given.
 */
#include "base/err.h"
#include "base/hash.h"
#include "base/vec.h"
#include "store/columns/scan_internal.h"

struct id_set {
    VEC(struct trace_id) ids;
    uint32_t *slots; /* index + 1 by hash; power of two */
    size_t slots_n;
};

struct lister {
    struct id_set seen;
    struct budget *budget;
    int64_t charged_bytes;
    columns_trace_id_fn fn;
    void *arg;
    struct err *reterr;
};

static bool set_grow(struct lister *l)
{
    struct id_set *s = &l->seen;
    size_t n = s->slots_n != 0 ? s->slots_n * 2 : 256;
    int64_t bytes = (int64_t)(n * (sizeof(*s->slots) + sizeof(struct trace_id) / 2));
    uint32_t *slots;

    if (!budget_take(l->budget, bytes - l->charged_bytes)) {
        return false;
    }
    l->charged_bytes = bytes;
    slots = mem_try_calloc(n, sizeof(*slots));
    if (slots == NULL || !vec_reserve(&s->ids, n / 2 - s->ids.n)) {
        mem_free(slots);
        return false;
    }
    for (size_t i = 0; i < s->ids.n; i++) {
        size_t at = hash64(s->ids.v[i].b, TRACE_ID_SIZE) & (n - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (n - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(s->slots);
    s->slots = slots;
    s->slots_n = n;
    return true;
}

static int give(struct lister *l, const struct trace_id *id, int64_t time_ns)
{
    struct id_set *s = &l->seen;
    size_t at;

    if (trace_id_is_zero(*id)) {
        return 0;
    }
    if ((s->ids.n + 1) * 2 > s->slots_n && !set_grow(l)) {
        return query_no_memory(l->reterr);
    }
    at = hash64(id->b, TRACE_ID_SIZE) & (s->slots_n - 1);
    for (; s->slots[at] != 0; at = (at + 1) & (s->slots_n - 1)) {
        if (memcmp(s->ids.v[s->slots[at] - 1].b, id->b, TRACE_ID_SIZE) == 0) {
            return 0;
        }
    }
    if (!vec_push(&s->ids, *id)) {
        return query_no_memory(l->reterr);
    }
    s->slots[at] = (uint32_t)s->ids.n;
    return l->fn(l->arg, id, time_ns);
}

static int on_span(void *arg, const struct span *row, uint64_t id)
{
    (void)id;
    return give(arg, &row->trace_id, row->start_ns);
}

static int on_log(void *arg, const struct log_record *row, uint64_t id)
{
    (void)id;
    return give(arg, &row->trace_id, row->time_ns);
}

int columns_trace_ids(struct columns *c, const struct columns_query *q, columns_trace_id_fn fn,
                      void *arg, struct scan_stats *ret_stats, struct err *reterr)
{
    struct lister l = {.budget = q->budget, .fn = fn, .arg = arg, .reterr = reterr};
    struct columns_query ids = *q;
    int64_t from = q->oldest_first ? INT64_MIN : INT64_MAX;
    int rc;

    ids.need = COLUMNS_NEED_IDS;
    rc = c->opts.kind == COLUMNS_SPANS
             ? columns_scan_spans(c, &ids, from, 0, on_span, &l, ret_stats, reterr)
             : columns_scan_logs(c, &ids, from, 0, on_log, &l, ret_stats, reterr);
    vec_done(&l.seen.ids);
    mem_free(l.seen.slots);
    budget_give(q->budget, l.charged_bytes);
    return rc;
}
