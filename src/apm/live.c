/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting. A request takes its group's shard lock once and touches three rings: the group's, the instance's, the
 * operation's. Memory is taken when something is new or a tick's histogram meets a new bucket; rings are reused.
 */
#include "apm/live_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

static const int64_t TICK_NS = LIVE_TICK_MS * 1000000LL;
static const int64_t WRITE_MS = 10000;
static const int64_t DECAY_MS = 30000;
static const int64_t PURGE_MS = 60000;
static const struct str OTHER = {"(other)", 7};

/* One request, read. */
struct hit {
    const struct entry *e;
    int64_t wall_ms;
    int64_t tick, start_tick;
    uint16_t bucket;
    uint64_t change;
    int late_ticks; /* since its end */
};

enum stage { SATISFIED, TOLERATING, FRUSTRATED };

/* ---- tables ---- */

struct hash128 live_key(struct str a, struct str b)
{
    struct hash128 k[2] = {hash128(a.p, a.n), hash128(b.p, b.n)};

    return hash128(k, sizeof(k));
}

static struct hash128 key_of(const void *record)
{
    return *(const struct hash128 *)record;
}

static size_t slot_of(const struct live_table *t, struct hash128 key)
{
    size_t at = key.lo & (t->cap - 1);

    while (t->slots[at] != NULL) {
        struct hash128 k = key_of(t->slots[at]);

        if (k.lo == key.lo && k.hi == key.hi) {
            break;
        }
        at = (at + 1) & (t->cap - 1);
    }
    return at;
}

void *live_table_get(const struct live_table *t, struct hash128 key)
{
    return t->cap == 0 ? NULL : t->slots[slot_of(t, key)];
}

static bool table_put(struct live_table *t, void *record)
{
    if ((t->n + 1) * 2 > t->cap) {
        struct live_table bigger = {.cap = t->cap == 0 ? 64 : t->cap * 2, .n = t->n};

        bigger.slots = mem_try_calloc(bigger.cap, sizeof(*bigger.slots));
        if (bigger.slots == NULL) {
            return false;
        }
        for (size_t i = 0; i < t->cap; i++) {
            if (t->slots[i] != NULL) {
                bigger.slots[slot_of(&bigger, key_of(t->slots[i]))] = t->slots[i];
            }
        }
        mem_free(t->slots);
        *t = bigger;
    }
    t->slots[slot_of(t, key_of(record))] = record;
    t->n++;
    return true;
}

struct live_shard *live_shard_of(struct live *l, struct hash128 key)
{
    return &l->shards[key.hi & (LIVE_SHARDS - 1)];
}

struct live_grp *live_find_group(struct live_shard *s, struct str name)
{
    return live_table_get(&s->groups, live_key(name, STR("")));
}

struct live_inst *live_find_instance(struct live_shard *s, const struct live_grp *g,
                                     struct str instance)
{
    return live_table_get(&s->instances, live_key(g->name, instance));
}

/* Room for one more of a kind? Taken when there is. */
static bool take_one(_Atomic size_t *n, size_t max)
{
    if (atomic_fetch_add_explicit(n, 1, memory_order_relaxed) < max) {
        return true;
    }
    atomic_fetch_sub_explicit(n, 1, memory_order_relaxed);
    return false;
}

static struct str put_text(char **at, struct str s)
{
    struct str copy = str_of(*at, s.n);

    if (s.n != 0) {
        memcpy(*at, s.p, s.n);
    }
    *at += s.n;
    return copy;
}

/* ---- records ---- */

static struct live_grp *group_make(struct live_shard *s, struct hash128 key, struct str name)
{
    struct live_grp *g = mem_try_calloc(1, sizeof(*g) + name.n + 1);
    char *at = (char *)(g + 1);

    if (g == NULL) {
        return NULL;
    }
    g->key = key;
    g->name = put_text(&at, name);
    g->lag = 1;
    g->track.histogram = mem_try_calloc(LATENCY_BUCKETS, sizeof(*g->track.histogram));
    if (g->track.histogram == NULL || !vec_push(&s->list, g)) {
        mem_free(g->track.histogram);
        mem_free(g);
        return NULL;
    }
    if (!table_put(&s->groups, g)) {
        s->list.n--;
        mem_free(g->track.histogram);
        mem_free(g);
        return NULL;
    }
    return g;
}

static struct live_inst *instance_make(struct live *l, struct live_shard *s, struct live_grp *g,
                                       struct hash128 key, const struct entry *e)
{
    bool other = e == NULL;
    struct str id = other ? OTHER : e->instance;
    struct str name = other ? OTHER : e->instance_name;
    struct str service = other ? STR("") : e->service;
    struct str ns = other ? STR("") : e->ns;
    struct str version = other ? STR("") : str_take(e->version, 256);
    struct str host = other ? STR("") : str_take(e->host, 256);
    size_t text = id.n + name.n + service.n + ns.n + version.n + host.n;
    struct live_inst *v = mem_try_calloc(1, sizeof(*v) + text + 1);
    char *at = (char *)(v + 1);

    if (v == NULL || !vec_push(&g->instances, v)) {
        mem_free(v);
        return NULL;
    }
    v->key = key;
    v->group = g;
    v->instance = put_text(&at, id);
    v->name = put_text(&at, name);
    v->service = put_text(&at, service);
    v->ns = put_text(&at, ns);
    v->version = put_text(&at, version);
    v->host = put_text(&at, host);
    v->in_flight = -1;
    v->id = atomic_fetch_add_explicit(&l->next_id, 1, memory_order_relaxed) + 1;
    if (!table_put(&s->instances, v)) {
        g->instances.n--;
        mem_free(v);
        return NULL;
    }
    return v;
}

static struct live_op *operation_make(struct live_shard *s, struct live_grp *g, struct hash128 key,
                                      struct str name, enum entry_named named)
{
    struct live_op *o = mem_try_calloc(1, sizeof(*o) + name.n + 1);
    char *at = (char *)(o + 1);

    if (o == NULL || !vec_push(&g->operations, o)) {
        mem_free(o);
        return NULL;
    }
    o->key = key;
    o->group = g;
    o->name = put_text(&at, name);
    o->named = named;
    o->track.histogram = mem_try_calloc(LATENCY_BUCKETS, sizeof(*o->track.histogram));
    if (o->track.histogram == NULL || !table_put(&s->operations, o)) {
        g->operations.n--;
        mem_free(o->track.histogram);
        mem_free(o);
        return NULL;
    }
    return o;
}

/* The group and, locked, its shard: that of the group "(other)" when there are too many. NULL without memory. */
static struct live_grp *group_locked(struct live *l, struct str name, struct live_shard **ret)
{
    struct hash128 key = live_key(name, STR(""));
    struct live_shard *s = live_shard_of(l, key);
    struct live_grp *g;

    *ret = s;
    mutex_lock(&s->lock);
    g = live_table_get(&s->groups, key);
    if (g != NULL) {
        return g;
    }
    if (take_one(&l->groups_n, l->opts.max_groups)) {
        g = group_make(s, key, name);
        if (g == NULL) {
            atomic_fetch_sub_explicit(&l->groups_n, 1, memory_order_relaxed);
        }
        return g;
    }
    mutex_unlock(&s->lock);
    counter_add(l->overflow, 1);
    key = live_key(OTHER, STR(""));
    s = live_shard_of(l, key);
    *ret = s;
    mutex_lock(&s->lock);
    g = live_table_get(&s->groups, key);
    return g != NULL ? g : group_make(s, key, OTHER);
}

static struct live_inst *instance_of(struct live *l, struct live_shard *s, struct live_grp *g,
                                     const struct entry *e)
{
    struct hash128 key = live_key(g->name, e->instance);
    struct live_inst *v = live_table_get(&s->instances, key);

    if (v != NULL) {
        return v;
    }
    if (!take_one(&l->instances_n, l->opts.max_instances)) {
        counter_add(l->overflow, 1);
        key = live_key(g->name, OTHER);
        v = live_table_get(&s->instances, key);
        return v != NULL ? v : instance_make(l, s, g, key, NULL);
    }
    v = instance_make(l, s, g, key, e);
    if (v == NULL) {
        atomic_fetch_sub_explicit(&l->instances_n, 1, memory_order_relaxed);
    }
    return v;
}

static struct live_op *operation_of(struct live *l, struct live_shard *s, struct live_grp *g,
                                    const struct entry *e)
{
    struct hash128 key = live_key(g->name, e->operation);
    struct live_op *o = live_table_get(&s->operations, key);

    if (o != NULL) {
        return o;
    }
    if (!take_one(&l->operations_n, l->opts.max_operations)) {
        counter_add(l->overflow, 1);
        key = live_key(g->name, OTHER);
        o = live_table_get(&s->operations, key);
        return o != NULL ? o : operation_make(s, g, key, OTHER, ENTRY_BY_SPAN_NAME);
    }
    o = operation_make(s, g, key, e->operation, e->named);
    if (o == NULL) {
        atomic_fetch_sub_explicit(&l->operations_n, 1, memory_order_relaxed);
    }
    return o;
}

/* ---- ticks ---- */

struct tick *live_tick_at(struct live *l, struct track *t, int64_t no, bool make)
{
    size_t at = no > 0 ? (size_t)(no % LIVE_TICKS) : 0;
    struct tick_block **b = &t->blocks[at / BLOCK_TICKS];
    struct tick *k;

    if (no <= 0) {
        return NULL;
    }
    if (*b == NULL) {
        int64_t size = sizeof(**b);

        if (!make) {
            return NULL;
        }
        if (atomic_fetch_sub_explicit(&l->bytes_left, size, memory_order_relaxed) >= size) {
            *b = mem_try_calloc(1, (size_t)size);
        }
        if (*b == NULL) {
            atomic_fetch_add_explicit(&l->bytes_left, size, memory_order_relaxed);
            return NULL;
        }
    }
    k = &(*b)->v[at % BLOCK_TICKS];
    if (k->no == no) {
        return k;
    }
    if (!make || k->no > no) {
        return NULL;
    }
    latency_sparse_clear(&k->latency);
    *k = (struct tick){.no = no, .latency = k->latency};
    return k;
}

static bool tick_latency(struct live *l, struct tick *k, uint16_t bucket)
{
    int64_t left = atomic_load_explicit(&l->bytes_left, memory_order_relaxed);
    int64_t before = left;
    bool ok = latency_sparse_add(&k->latency, bucket, &left);

    if (left != before) {
        atomic_fetch_sub_explicit(&l->bytes_left, before - left, memory_order_relaxed);
    }
    return ok;
}

static void counts_add(struct live_counts *c, const struct entry *e, enum stage stage)
{
    c->done++;
    c->satisfied += stage == SATISFIED;
    c->tolerating += stage == TOLERATING;
    c->frustrated += stage == FRUSTRATED;
    c->err4 += e->outcome == ENTRY_4XX;
    c->err5 += e->outcome == ENTRY_5XX;
    c->sum_ns += (uint64_t)e->duration_ns;
}

/* @return false when the tick is not kept (any more): only the totals have the request */
static bool track_add(struct live *l, struct track *t, const struct hit *h, enum stage stage)
{
    const struct entry *e = h->e;
    struct tick *k = live_tick_at(l, t, h->tick, true);
    struct tick *start;

    t->first_ms = t->first_ms != 0 ? t->first_ms : h->wall_ms;
    t->last_ms = h->wall_ms > t->last_ms ? h->wall_ms : t->last_ms;
    counts_add(&t->total, e, stage);
    if (t->histogram != NULL) {
        t->histogram[h->bucket]++;
    }
    if (k == NULL || !tick_latency(l, k, h->bucket)) {
        return false;
    }
    k->done++;
    k->satisfied += stage == SATISFIED;
    k->tolerating += stage == TOLERATING;
    k->frustrated += stage == FRUSTRATED;
    k->err4 += e->outcome == ENTRY_4XX;
    k->err5 += e->outcome == ENTRY_5XX;
    k->sum_ns += (uint64_t)e->duration_ns;
    k->max_ns = (uint64_t)e->duration_ns > k->max_ns ? (uint64_t)e->duration_ns : k->max_ns;
    k->change = h->change;
    start = h->start_tick == h->tick ? k : live_tick_at(l, t, h->start_tick, true);
    if (start != NULL) {
        start->started++;
        start->change = h->change;
    }
    return true;
}

/* ---- the way of a request ---- */

/* The shard's lock is held; the settings' is a leaf. */
static const struct apm_threshold *limit_of(struct live *l, struct live_op *o)
{
    uint64_t number = atomic_load_explicit(&l->settings_number, memory_order_acquire);

    if (o->settings != number) {
        rwlock_read(&l->settings_lock);
        o->limit = apm_settings_threshold(l->settings, o->group->name, o->name);
        o->settings = number;
        rwlock_unlock(&l->settings_lock);
    }
    return &o->limit;
}

static enum stage stage_of(const struct apm_threshold *t, const struct entry *e)
{
    int64_t t_ns = t->t_ms * 1000000;

    if (e->error || (t->frustrated_4xx && e->outcome == ENTRY_4XX)) {
        return FRUSTRATED;
    }
    return e->duration_ns <= t_ns       ? SATISFIED
           : e->duration_ns <= 4 * t_ns ? TOLERATING
                                        : FRUSTRATED;
}

static void note_delay(struct live_grp *g, int ticks)
{
    int at = ticks < 0 ? 0 : ticks > LIVE_LAG_MAX ? LIVE_LAG_MAX : ticks;

    g->delays[at] += g->delays[at] != UINT32_MAX;
}

static void count(struct live *l, const struct hit *h)
{
    struct live_shard *s;
    struct live_grp *g = group_locked(l, h->e->group, &s);
    struct live_inst *i;
    struct live_op *o;
    bool kept = true;

    i = g != NULL ? instance_of(l, s, g, h->e) : NULL;
    o = g != NULL ? operation_of(l, s, g, h->e) : NULL;
    if (i != NULL && o != NULL) {
        enum stage stage = stage_of(limit_of(l, o), h->e);

        kept = track_add(l, &g->track, h, stage);
        kept = track_add(l, &i->track, h, stage) && kept;
        kept = track_add(l, &o->track, h, stage) && kept;
        i->heard_ms = h->wall_ms > i->heard_ms ? h->wall_ms : i->heard_ms;
        note_delay(g, h->late_ticks);
    }
    mutex_unlock(&s->lock);
    counter_add(l->requests, 1);
    if (i == NULL || o == NULL || (!kept && h->tick != 0)) {
        counter_add(l->unrecorded, 1);
    }
}

void live_seen(void *live, const struct span *spans, size_t n, int64_t wall_ms)
{
    struct live *l = live;
    int64_t now = live_tick_of(wall_ms);
    uint64_t change = atomic_load_explicit(&l->changes, memory_order_relaxed);

    for (size_t i = 0; i < n; i++) {
        struct entry e;
        struct hit h = {.e = &e, .wall_ms = wall_ms, .change = change};

        if (!naming_entry(l->opts.naming, &spans[i], &e)) {
            continue;
        }
        h.tick = e.end_ns / TICK_NS;
        h.start_tick = e.start_ns / TICK_NS;
        if (h.tick > now) { /* a clock ahead of ours: it ended now */
            counter_add(l->skewed, (uint64_t)(h.tick > now + 1));
            h.start_tick -= h.tick - now;
            h.tick = now;
        }
        h.late_ticks = (int)(now - h.tick < LIVE_TICKS ? now - h.tick : LIVE_TICKS);
        if (h.late_ticks == LIVE_TICKS) {
            counter_add(l->late, 1);
            h.tick = 0; /* no ring has it; the totals count it */
        }
        h.start_tick = h.start_tick > now - LIVE_TICKS ? h.start_tick : 0;
        h.bucket = latency_bucket(e.duration_ns);
        count(l, &h);
    }
}

/* ---- life ---- */

struct live *live_new(const struct live_opts *opts)
{
    struct live *l = mem_xcalloc(1, sizeof(*l));
    struct live_opts *o = &l->opts;

    *o = *opts;
    o->max_groups = o->max_groups != 0 ? o->max_groups : 1000;
    o->max_instances = o->max_instances != 0 ? o->max_instances : 10000;
    o->max_operations = o->max_operations != 0 ? o->max_operations : 10000;
    o->max_histogram_operations =
        o->max_histogram_operations != 0 ? o->max_histogram_operations : 300;
    o->max_bytes = o->max_bytes != 0 ? o->max_bytes : 512 << 20;
    o->up_ms = o->up_ms != 0 ? o->up_ms : 2 * 60000;
    o->keep_ms = o->keep_ms != 0 ? o->keep_ms : 24 * 3600000LL;
    atomic_init(&l->bytes_left, o->max_bytes);
    atomic_init(&l->changes, 1);
    atomic_init(&l->settings_number, 1);
    for (size_t i = 0; i < LIVE_SHARDS; i++) {
        mutex_init(&l->shards[i].lock, LOCK_RANK_SHARD);
    }
    rwlock_init(&l->settings_lock, LOCK_RANK_LEAF);
    mutex_init(&l->lock, LOCK_RANK_STORE);
    cond_init(&l->wake);
    l->settings = apm_settings_default();
    l->requests = stats_counter(o->stats, "bongsu_apm_requests_total", "", "Entry spans counted.");
    l->late = stats_counter(o->stats, "bongsu_apm_late_requests_total", "",
                            "Entry spans that ended before the kept ticks: in totals only.");
    l->skewed = stats_counter(o->stats, "bongsu_apm_skewed_requests_total", "",
                              "Entry spans that ended in the future: a sender's clock is wrong.");
    l->overflow = stats_counter(o->stats, "bongsu_apm_overflow_requests_total", "",
                                "Entry spans counted under (other) because a limit is reached.");
    l->unrecorded = stats_counter(o->stats, "bongsu_apm_unrecorded_requests_total", "",
                                  "Entry spans without a place in the live ticks.");
    if (l->settings == NULL) {
        live_free(l);
        return NULL;
    }
    return l;
}

static void close_thread(struct live *l)
{
    mutex_lock(&l->lock);
    l->closing = true;
    cond_broadcast(&l->wake);
    mutex_unlock(&l->lock);
    thread_join(&l->thread);
}

static void track_done(struct track *t)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t k = 0; t->blocks[i] != NULL && k < BLOCK_TICKS; k++) {
            latency_sparse_done(&t->blocks[i]->v[k].latency);
        }
        mem_free(t->blocks[i]);
    }
    mem_free(t->histogram);
}

static void group_free(struct live_grp *g)
{
    for (size_t i = 0; i < g->instances.n; i++) {
        track_done(&g->instances.v[i]->track);
        mem_free(g->instances.v[i]);
    }
    for (size_t i = 0; i < g->operations.n; i++) {
        track_done(&g->operations.v[i]->track);
        mem_free(g->operations.v[i]);
    }
    vec_done(&g->instances);
    vec_done(&g->operations);
    track_done(&g->track);
    mem_free(g);
}

void live_free(struct live *l)
{
    if (l == NULL) {
        return;
    }
    close_thread(l);
    ignore_result(live_write_series(l, clock_wall_ms(), NULL), "the next start counts anew");
    for (size_t i = 0; i < LIVE_SHARDS; i++) {
        struct live_shard *s = &l->shards[i];

        for (size_t k = 0; k < s->list.n; k++) {
            group_free(s->list.v[k]);
        }
        vec_done(&s->list);
        mem_free(s->groups.slots);
        mem_free(s->instances.slots);
        mem_free(s->operations.slots);
        mutex_done(&s->lock);
    }
    apm_settings_free(l->settings);
    rwlock_done(&l->settings_lock);
    cond_done(&l->wake);
    mutex_done(&l->lock);
    mem_free(l);
}

int live_set_settings(struct live *l, const struct apm_settings *s, struct err *reterr)
{
    struct apm_settings *copy;
    struct apm_settings *old;
    int rc = apm_settings_copy(s, &copy, reterr);

    if (rc < 0) {
        return rc;
    }
    rwlock_write(&l->settings_lock);
    old = l->settings;
    l->settings = copy;
    atomic_fetch_add_explicit(&l->settings_number, 1, memory_order_release);
    rwlock_unlock(&l->settings_lock);
    apm_settings_free(old);
    return 0;
}

/* ---- the thread ---- */

/* Ticks within which 99 % of the requests come: what is older is taken to be whole. */
static int lag_of(const struct live_grp *g)
{
    uint64_t all = 0;
    uint64_t seen = 0;

    for (int i = 0; i <= LIVE_LAG_MAX; i++) {
        all += g->delays[i];
    }
    for (int i = 0; i <= LIVE_LAG_MAX; i++) {
        seen += g->delays[i];
        if (seen * 100 >= all * 99) {
            return i;
        }
    }
    return LIVE_LAG_MAX;
}

/* A longer lag is believed at once, a shorter one only when the counts are halved, so that screens do not jump. */
static void tend_lags(struct live *l, bool decay)
{
    for (size_t i = 0; i < LIVE_SHARDS; i++) {
        struct live_shard *s = &l->shards[i];

        mutex_lock(&s->lock);
        for (size_t k = 0; k < s->list.n; k++) {
            struct live_grp *g = s->list.v[k];
            int lag = lag_of(g);

            if (lag > g->lag || decay) {
                g->lag = lag;
            }
            for (size_t d = 0; decay && d < ARRAY_LEN(g->delays); d++) {
                g->delays[d] /= 2;
            }
        }
        mutex_unlock(&s->lock);
    }
}

void live_tick(struct live *l, int64_t now_ms)
{
    bool decay = now_ms - l->decayed_ms >= DECAY_MS;

    atomic_fetch_add_explicit(&l->changes, 1, memory_order_relaxed);
    tend_lags(l, decay);
    l->decayed_ms = decay ? now_ms : l->decayed_ms;
    live_read_in_flight(l, now_ms);
    if (now_ms - l->written_ms >= WRITE_MS) {
        struct err e = {0};
        static struct log_limit limit;
        int64_t suppressed;

        l->written_ms = now_ms;
        if (live_write_series(l, now_ms, &e) < 0 && log_limit_pass(&limit, &suppressed)) {
            log_warn("apm", "series of requests were not written", L_CSTR("error", e.msg),
                     L_INT("suppressed", suppressed));
        }
    }
    if (now_ms - l->purged_ms >= PURGE_MS) {
        l->purged_ms = now_ms;
        live_purge(l, now_ms);
    }
}

static void run(void *arg)
{
    struct live *l = arg;

    for (;;) {
        int64_t now = clock_wall_ms();
        bool closing;

        mutex_lock(&l->lock);
        if (!l->closing) {
            cond_wait_ms(&l->wake, &l->lock, LIVE_TICK_MS - now % LIVE_TICK_MS);
        }
        closing = l->closing;
        mutex_unlock(&l->lock);
        if (closing) {
            return;
        }
        live_tick(l, clock_wall_ms());
    }
}

int live_start(struct live *l, struct err *reterr)
{
    int rc = thread_start(&l->thread, "apm-live", run, l);

    return rc < 0 ? err_set(reterr, ERR_UNAVAILABLE, "no thread for live application figures") : 0;
}
