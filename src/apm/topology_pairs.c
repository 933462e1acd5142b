/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans that wait for their other half, found by trace id and span id. Shards with a lock each; in a shard a pool of
 * entries, chains from the hash, and one list in order of arrival, whose head is the next to expire: all wait equally
 * long. A caller stays for the whole time even when it was matched, since a request may have more than one server
 * span (a retry, subscribers of one message), and since the same span may be delivered twice.
 */
#include "apm/topology_internal.h"
#include "base/alloc.h"
#include "base/hash.h"

enum {
    SHARDS = 16,
    LINKS_MAX = 128,
    NIL = UINT32_MAX,
    FLAG_HAS_REMOTE = 0x100,
    FLAG_REMOTE = 0x200
};

enum role {
    CALLER, /* client or producer: becomes a request to its peer when nothing matches */
    PARENT, /* server or consumer: may have children in other services */
    CALLEE, /* server or consumer: waits for a caller of this id */
};

struct entry {
    uint8_t id[TRACE_ID_SIZE + SPAN_ID_SIZE];
    uint32_t older, younger; /* in order of arrival */
    uint32_t node, group, peer;
    uint32_t matched; /* group of the last callee; NODE_NONE: none */
    int64_t arrival_ms;
    int64_t duration_ns;
    uint8_t role, link;
    bool failed, receive, matched_receive;
};

/* Of the entry of the same number. Apart from them, so that a walk along a chain stays in the cache. */
struct chain {
    uint32_t next; /* or of the free ones */
    uint32_t tag;  /* of the hash */
};

struct shard {
    struct mutex lock;
    struct entry *pool; /* guarded by: lock; from here on all */
    struct chain *chains;
    size_t pool_n, pool_cap;
    uint32_t free;
    uint32_t *heads;
    size_t heads_n; /* a power of two; 0: nothing yet */
    uint32_t oldest, youngest;
    size_t n;
    uint64_t unpaired, early;
};

struct pairs {
    const struct topology_opts *opts;
    struct graph *graph;
    size_t shard_max;
    struct shard shards[SHARDS];
};

struct pairs *pairs_new(const struct topology_opts *opts, struct graph *graph)
{
    struct pairs *p = mem_xcalloc(1, sizeof(*p));

    p->opts = opts;
    p->graph = graph;
    p->shard_max = opts->max_waiting / SHARDS + 1;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &p->shards[i];

        mutex_init(&s->lock, LOCK_RANK_INGEST);
        s->free = s->oldest = s->youngest = NIL;
    }
    return p;
}

void pairs_free(struct pairs *p)
{
    for (size_t i = 0; p != NULL && i < SHARDS; i++) {
        mem_free(p->shards[i].pool);
        mem_free(p->shards[i].chains);
        mem_free(p->shards[i].heads);
        mutex_done(&p->shards[i].lock);
    }
    mem_free(p);
}

void pairs_counts(struct pairs *p, struct topology_counts *ret)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &p->shards[i];

        mutex_lock(&s->lock);
        ret->waiting += s->n;
        ret->unpaired += s->unpaired;
        ret->early += s->early;
        mutex_unlock(&s->lock);
    }
}

/* ---- the table ---- */

struct key {
    uint8_t id[TRACE_ID_SIZE + SPAN_ID_SIZE];
    uint64_t hash;
};

static struct key key_of(const struct trace_id *trace, const struct span_id *span)
{
    struct key k;

    memcpy(k.id, trace->b, TRACE_ID_SIZE);
    memcpy(k.id + TRACE_ID_SIZE, span->b, SPAN_ID_SIZE);
    k.hash = hash64(k.id, sizeof(k.id));
    return k;
}

/* All spans of a trace are in one shard, so that a span's work takes one lock. */
static struct shard *shard_of(struct pairs *p, const struct trace_id *trace)
{
    return &p->shards[hash64(trace->b, TRACE_ID_SIZE) % SHARDS];
}

static bool grow_locked(struct shard *s)
{
    size_t cap = s->pool_cap == 0 ? 64 : s->pool_cap * 2;
    struct entry *pool = mem_try_realloc(s->pool, cap * sizeof(*pool));
    struct chain *chains;
    uint32_t *heads;

    if (pool == NULL) {
        return false;
    }
    s->pool = pool;
    chains = mem_try_realloc(s->chains, cap * sizeof(*chains));
    if (chains == NULL) {
        return false;
    }
    s->chains = chains;
    heads = mem_try_alloc(cap * sizeof(*heads));
    if (heads == NULL) {
        return false;
    }
    memset(heads, 0xff, cap * sizeof(*heads));
    for (uint32_t i = s->oldest; i != NIL; i = pool[i].younger) {
        uint32_t *head = &heads[hash64(pool[i].id, sizeof(pool[i].id)) & (cap - 1)];

        chains[i].next = *head;
        *head = i;
    }
    mem_free(s->heads);
    s->heads = heads;
    s->heads_n = cap;
    s->pool_cap = cap;
    return true;
}

static uint32_t first_locked(const struct shard *s, const struct key *k)
{
    return s->heads_n == 0 ? NIL : s->heads[k->hash & (s->heads_n - 1)];
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static bool is_key(const struct shard *s, uint32_t i, const struct key *k)
{
    return s->chains[i].tag == tag_of(k->hash) && memcmp(s->pool[i].id, k->id, sizeof(k->id)) == 0;
}

/** Caller or parent of this id. */
static struct entry *find_locked(struct shard *s, const struct key *k)
{
    for (uint32_t i = first_locked(s, k); i != NIL; i = s->chains[i].next) {
        if (is_key(s, i, k) && s->pool[i].role != CALLEE) {
            return &s->pool[i];
        }
    }
    return NULL;
}

static void remove_locked(struct shard *s, uint32_t i)
{
    struct entry *e = &s->pool[i];
    uint32_t *at = &s->heads[hash64(e->id, sizeof(e->id)) & (s->heads_n - 1)];

    while (*at != i) {
        at = &s->chains[*at].next;
    }
    *at = s->chains[i].next;
    *(e->older == NIL ? &s->oldest : &s->pool[e->older].younger) = e->younger;
    *(e->younger == NIL ? &s->youngest : &s->pool[e->younger].older) = e->older;
    s->chains[i].next = s->free;
    s->free = i;
    s->n--;
}

static void expire_locked(struct shard *s, struct crossings *out);

/** @return NULL when there is no memory: the span is not counted */
static struct entry *insert_locked(struct pairs *p, struct shard *s, const struct key *k,
                                   struct crossings *out)
{
    struct entry *e;
    uint32_t *head;
    uint32_t i;

    if (s->n >= p->shard_max) {
        s->early++;
        expire_locked(s, out);
    }
    if (s->free != NIL) {
        i = s->free;
        s->free = s->chains[i].next;
    } else if (s->pool_n < s->pool_cap || grow_locked(s)) {
        i = (uint32_t)s->pool_n++;
    } else {
        s->early++;
        return NULL;
    }
    e = &s->pool[i];
    *e = (struct entry){.older = s->youngest, .younger = NIL, .matched = NODE_NONE};
    memcpy(e->id, k->id, sizeof(e->id));
    head = &s->heads[k->hash & (s->heads_n - 1)];
    s->chains[i] = (struct chain){*head, tag_of(k->hash)};
    *head = i;
    *(s->youngest == NIL ? &s->oldest : &s->pool[s->youngest].younger) = i;
    s->youngest = i;
    s->n++;
    e->arrival_ms = out->wall_ms;
    return e;
}

/* ---- matching ---- */

static void emit(struct crossings *out, const struct crossing *c)
{
    if (out->n == ARRAY_LEN(out->v)) {
        crossings_flush(out);
    }
    out->v[out->n++] = *c;
}

void crossings_flush(struct crossings *c)
{
    if (c->n != 0) {
        graph_count(c->graph, c->v, c->n, c->wall_ms);
        c->n = 0;
    }
}

static int64_t duration_of(const struct span *s)
{
    return s->end_ns > s->start_ns ? s->end_ns - s->start_ns : 0;
}

static void fill(struct entry *e, const struct pair_span *s, enum role role)
{
    e->role = (uint8_t)role;
    e->node = s->node;
    e->group = s->group;
    e->peer = s->peer;
    e->link = (uint8_t)s->link;
    e->receive = s->receive;
    e->failed = s->span->status == SPAN_STATUS_ERROR;
    e->duration_ns = duration_of(s->span);
}

/** One half's view of the other, `callee` being the server's side. */
static void meet(struct entry *from, const struct entry *callee, struct crossings *out)
{
    struct crossing c = {.client = from->node,
                         .server = callee->node,
                         .failed = from->failed || callee->failed,
                         .client_ns = from->duration_ns,
                         .server_ns = callee->duration_ns};

    if (from->role == PARENT) {
        if (from->group == callee->group) {
            return; /* inside one service: no request */
        }
        c.client_ns = -1;
        c.failed = callee->failed;
    }
    if (from->matched == callee->group && from->matched_receive != callee->receive) {
        return; /* a message that was taken and then worked on: once */
    }
    from->matched = callee->group;
    from->matched_receive = callee->receive;
    c.link = callee->link == TOPOLOGY_MESSAGING || from->link == TOPOLOGY_MESSAGING
                 ? TOPOLOGY_MESSAGING
                 : TOPOLOGY_DIRECT;
    emit(out, &c);
}

/** A caller came: those that waited for it. */
static void add_caller_locked(struct pairs *p, struct shard *sh, const struct pair_span *s,
                              enum role role, struct crossings *out)
{
    struct key k = key_of(&s->span->trace_id, &s->span->span_id);
    struct entry *e;
    uint32_t next;

    if (find_locked(sh, &k) != NULL) {
        return; /* delivered twice */
    }
    e = insert_locked(p, sh, &k, out);
    if (e == NULL) {
        return;
    }
    fill(e, s, role);
    for (uint32_t i = first_locked(sh, &k); i != NIL; i = next) {
        next = sh->chains[i].next;
        if (is_key(sh, i, &k) && sh->pool[i].role == CALLEE) {
            meet(e, &sh->pool[i], out);
            remove_locked(sh, i);
        }
    }
}

/** A callee whose caller, if there is one, has this id. */
static void add_callee_locked(struct pairs *p, struct shard *sh, const struct pair_span *s,
                              const struct trace_id *trace, const struct span_id *caller,
                              struct crossings *out)
{
    struct key k = key_of(trace, caller);
    struct entry *from = find_locked(sh, &k);
    struct entry waits = {0};
    struct entry *e;

    fill(&waits, s, CALLEE);
    if (from != NULL) {
        meet(from, &waits, out);
        return;
    }
    e = insert_locked(p, sh, &k, out);
    if (e != NULL) {
        fill(e, s, CALLEE);
    }
}

/** A request that begins here: from users, or from a queue whose senders are not seen. */
static void begin(uint32_t node, uint32_t peer, enum topology_link link, bool failed, int64_t ns,
                  struct crossings *out)
{
    emit(out, &(struct crossing){.client = peer == NODE_NONE ? NODE_USER : peer,
                                 .server = node,
                                 .link = peer == NODE_NONE ? TOPOLOGY_VIRTUAL : link,
                                 .failed = failed,
                                 .client_ns = -1,
                                 .server_ns = ns});
}

static void add_links(struct pairs *p, const struct pair_span *s, struct crossings *out)
{
    size_t n = s->span->links_n < LINKS_MAX ? s->span->links_n : LINKS_MAX;

    for (size_t i = 0; i < n; i++) {
        const struct span_link *l = &s->span->links[i];
        struct shard *sh = shard_of(p, &l->trace_id);

        mutex_lock(&sh->lock);
        add_callee_locked(p, sh, s, &l->trace_id, &l->span_id, out);
        mutex_unlock(&sh->lock);
    }
}

/** @return false: the span came before */
static bool add_parent(struct pairs *p, struct shard *sh, const struct pair_span *s,
                       struct crossings *out)
{
    struct key k = key_of(&s->span->trace_id, &s->span->span_id);
    bool is_new;

    mutex_lock(&sh->lock);
    is_new = find_locked(sh, &k) == NULL;
    if (is_new) {
        add_caller_locked(p, sh, s, PARENT, out);
    }
    mutex_unlock(&sh->lock);
    return is_new;
}

void pairs_add(struct pairs *p, const struct pair_span *s, struct crossings *out)
{
    const struct span *span = s->span;
    struct shard *sh = shard_of(p, &span->trace_id);
    bool local = (span->flags & FLAG_HAS_REMOTE) != 0 && (span->flags & FLAG_REMOTE) == 0;

    if (span->kind == SPAN_CLIENT || span->kind == SPAN_PRODUCER) {
        mutex_lock(&sh->lock);
        add_caller_locked(p, sh, s, CALLER, out);
        mutex_unlock(&sh->lock);
        return;
    }
    if (!add_parent(p, sh, s, out)) {
        return;
    }
    if (span->kind == SPAN_CONSUMER && span->links_n != 0) {
        add_links(p, s, out);
    } else if (span_id_is_zero(span->parent_id)) {
        begin(s->node, s->peer, s->link, span->status == SPAN_STATUS_ERROR, duration_of(span), out);
    } else if (!local) {
        mutex_lock(&sh->lock);
        add_callee_locked(p, sh, s, &span->trace_id, &span->parent_id, out);
        mutex_unlock(&sh->lock);
    }
}

/** The oldest has waited enough. */
static void expire_locked(struct shard *s, struct crossings *out)
{
    uint32_t i = s->oldest;
    const struct entry *e = &s->pool[i];

    if (e->role == CALLEE) {
        begin(e->node, e->peer, (enum topology_link)e->link, e->failed, e->duration_ns, out);
    } else if (e->role == CALLER && e->matched == NODE_NONE) {
        if (e->peer == NODE_NONE) {
            s->unpaired++;
        } else {
            emit(out, &(struct crossing){.client = e->node,
                                         .server = e->peer,
                                         .link = (enum topology_link)e->link,
                                         .failed = e->failed,
                                         .client_ns = e->duration_ns,
                                         .server_ns = -1});
        }
    }
    remove_locked(s, i);
}

void pairs_expire(struct pairs *p, int64_t wall_ms, struct crossings *out)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &p->shards[i];

        mutex_lock(&s->lock);
        while (s->oldest != NIL && wall_ms - s->pool[s->oldest].arrival_ms >= p->opts->wait_ms) {
            expire_locked(s, out);
        }
        mutex_unlock(&s->lock);
    }
}
