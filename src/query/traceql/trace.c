/* SPDX-License-Identifier: Apache-2.0
 *
 * Linking a trace. Nothing here recurses over spans: a trace may be one chain.
 */
#include "query/traceql/trace.h"

#include "base/hash.h"

void tql_trace_init(struct tql_trace *t, size_t budget)
{
    *t = (struct tql_trace){0};
    arena_init(&t->arena, budget);
}

void tql_trace_done(struct tql_trace *t)
{
    arena_done(&t->arena);
}

/* Span ids to numbers: open addressing, slots hold index + 1. */
struct ids {
    uint32_t *slots;
    size_t mask;
};

static uint64_t id_hash(struct span_id id)
{
    uint64_t u;

    memcpy(&u, id.b, sizeof(u));
    return hash_u64(u);
}

static bool ids_init(struct ids *ids, struct arena *a, size_t n)
{
    size_t cap = 16;

    while (cap < 2 * n) {
        cap *= 2;
    }
    ids->mask = cap - 1;
    ids->slots = arena_calloc(a, cap, sizeof(*ids->slots));
    return ids->slots != NULL;
}

static uint32_t ids_find(const struct ids *ids, const struct span *spans, struct span_id id,
                         bool by_parent, size_t *ret_slot)
{
    size_t at = id_hash(id) & ids->mask;

    for (; ids->slots[at] != 0; at = (at + 1) & ids->mask) {
        const struct span *s = &spans[ids->slots[at] - 1];

        if (memcmp(by_parent ? s->parent_id.b : s->span_id.b, id.b, SPAN_ID_SIZE) == 0) {
            break;
        }
    }
    *ret_slot = at;
    return ids->slots[at] == 0 ? TQL_NONE : ids->slots[at] - 1;
}

/* Spans whose parent is missing are siblings when they name the same one. */
static int group_orphans(struct tql_trace *t)
{
    struct ids missing;
    size_t slot;

    if (!ids_init(&missing, &t->arena, t->n)) {
        return -ERR_LIMIT;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        struct tql_node *d = &t->nodes[i];
        uint32_t first;

        if (d->parent != TQL_NONE) {
            d->siblings = d->parent;
        } else if (!tql_is_root(&t->spans[i])) {
            first = ids_find(&missing, t->spans, t->spans[i].parent_id, true, &slot);
            if (first == TQL_NONE) {
                missing.slots[slot] = i + 1;
                d->siblings = t->groups++;
            } else {
                d->siblings = t->nodes[first].siblings;
            }
        }
    }
    return 0;
}

/* Follow parents from every span, marking with its number: meeting the own mark again is a circle. */
static int cut_circles(struct tql_trace *t)
{
    uint32_t *mark = arena_calloc(&t->arena, t->n, sizeof(*mark));

    if (mark == NULL) {
        return -ERR_LIMIT;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        for (uint32_t at = i; at != TQL_NONE; at = t->nodes[at].parent) {
            if (mark[at] == i + 1) {
                uint32_t first = at;

                for (uint32_t k = t->nodes[at].parent; k != at; k = t->nodes[k].parent) {
                    first = k < first ? k : first;
                }
                t->nodes[first].parent = TQL_NONE;
                break;
            }
            if (mark[at] != 0) {
                break;
            }
            mark[at] = i + 1;
        }
    }
    return 0;
}

static int find_parents(struct tql_trace *t)
{
    struct ids ids;
    size_t slot;

    if (!ids_init(&ids, &t->arena, t->n)) {
        return -ERR_LIMIT;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        if (ids_find(&ids, t->spans, t->spans[i].span_id, false, &slot) == TQL_NONE) {
            ids.slots[slot] = i + 1;
        }
    }
    for (uint32_t i = 0; i < t->n; i++) {
        struct tql_node *d = &t->nodes[i];

        *d = (struct tql_node){
            .parent = TQL_NONE, .first_child = TQL_NONE, .next = TQL_NONE, .siblings = TQL_NONE};
        if (tql_is_root(&t->spans[i])) {
            t->root = t->root == TQL_NONE ? i : t->root;
        } else {
            d->parent = ids_find(&ids, t->spans, t->spans[i].parent_id, false, &slot);
            d->parent = d->parent == i ? TQL_NONE : d->parent;
        }
    }
    return cut_circles(t);
}

/* Pre-order with numbers going in and out, upwards through parents instead of a stack. */
static void number(struct tql_trace *t)
{
    uint32_t next = 1;
    size_t n = 0;

    for (uint32_t top = 0; top < t->n; top++) {
        uint32_t at = top;

        if (t->nodes[top].parent != TQL_NONE) {
            continue;
        }
        for (;;) {
            t->nodes[at].left = next++;
            t->order[n++] = at;
            if (t->nodes[at].first_child != TQL_NONE) {
                at = t->nodes[at].first_child;
                continue;
            }
            for (;;) {
                t->nodes[at].right = next++;
                if (at == top || t->nodes[at].next != TQL_NONE) {
                    break;
                }
                at = t->nodes[at].parent;
            }
            if (at == top) {
                break;
            }
            at = t->nodes[at].next;
        }
    }
}

static void measure(struct tql_trace *t)
{
    t->start_ns = INT64_MAX;
    t->end_ns = INT64_MIN;
    for (size_t i = 0; i < t->n; i++) {
        const struct span *s = &t->spans[i];

        t->start_ns = s->start_ns < t->start_ns ? s->start_ns : t->start_ns;
        t->end_ns = s->end_ns > t->end_ns ? s->end_ns : t->end_ns;
    }
}

int tql_trace_take(struct tql_trace *t, const struct span *spans, size_t n)
{
    int rc;

    arena_reset(&t->arena);
    t->spans = spans;
    t->cut = n > TQL_TRACE_SPANS_MAX;
    t->n = t->cut ? TQL_TRACE_SPANS_MAX : n;
    t->root = TQL_NONE;
    measure(t);
    t->nodes = arena_array(&t->arena, struct tql_node, t->n + 1);
    t->order = arena_array(&t->arena, uint32_t, t->n + 1);
    if (t->nodes == NULL || t->order == NULL) {
        return -ERR_LIMIT;
    }
    t->groups = (uint32_t)t->n;
    rc = find_parents(t);
    rc = rc < 0 ? rc : group_orphans(t);
    if (rc < 0) {
        return rc;
    }
    for (uint32_t i = (uint32_t)t->n; i-- > 0;) { /* backwards: lists come out by start time */
        uint32_t parent = t->nodes[i].parent;

        if (parent != TQL_NONE) {
            t->nodes[i].next = t->nodes[parent].first_child;
            t->nodes[parent].first_child = i;
            t->nodes[parent].children++;
        }
    }
    number(t);
    return 0;
}
