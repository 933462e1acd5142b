/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache is two words per slot, written without a lock: a slot whose words do not belong together (key ^ id) is
 * a miss. Every 256th line goes to the tree although it was found, so that what is in use is known there.
 */
#include "ingest/patterns/patterns.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/lock.h"
#include "ingest/patterns/drain.h"
#include "ingest/patterns/mask.h"
#include "store/log_templates/log_templates.h"

enum { CACHE_SLOTS = 1 << 15, LOOK_EVERY = 256 };

struct cache_slot {
    _Atomic uint64_t key; /* relaxed: XOR of hash and id */
    _Atomic uint64_t id;
};

enum outcome { OUT_KNOWN, OUT_MATCHED, OUT_CREATED, OUT_FULL, OUT_NO_TEXT, OUT_COUNT };

_Static_assert((int)OUT_COUNT == PATTERNS_RESULTS, "a tally has them all");

struct patterns {
    struct log_templates *templates;
    struct cache_slot *cache; /* CACHE_SLOTS */
    struct counter *lines[OUT_COUNT];
    struct gauge *clusters;
    _Atomic uint64_t seen; /* lines; relaxed */
    struct mutex lock;
    struct drain drain; /* guarded by: lock */
};

static int restore(void *arg, const struct log_template *t)
{
    struct patterns *p = arg;

    if (t->alias_of == 0) {
        ignore_result(drain_restore(&p->drain, t->service, t->id, t->text, t->used_ns),
                      "beyond the limits it is found again when a line follows it");
    }
    return 0;
}

static size_t or_default(size_t v, size_t standard)
{
    return v != 0 ? v : standard;
}

int patterns_new(const struct patterns_opts *o, struct patterns **ret)
{
    static const char *const LABELS[OUT_COUNT] = {"result=\"known\"", "result=\"matched\"",
                                                  "result=\"created\"", "result=\"full\"",
                                                  "result=\"no_text\""};
    const struct drain_limits limits = {
        .services = or_default(o->services, 512),
        .service_clusters = or_default(o->service_clusters, 1000),
        .clusters = or_default(o->clusters, 20000),
        .idle_ns = o->idle_ns != 0 ? o->idle_ns : 3600000000000,
    };
    struct patterns *p = mem_try_calloc(1, sizeof(*p));

    if (p == NULL) {
        return -ERR_NOMEM;
    }
    p->cache = mem_try_calloc(CACHE_SLOTS, sizeof(*p->cache));
    if (p->cache == NULL) {
        mem_free(p);
        return -ERR_NOMEM;
    }
    p->templates = o->templates;
    mutex_init(&p->lock, LOCK_RANK_INGEST);
    drain_init(&p->drain, &limits);
    for (int i = 0; i < OUT_COUNT; i++) {
        p->lines[i] = stats_counter(o->stats, "bongsu_patterns_lines_total", LABELS[i],
                                    "Stored log lines by how their pattern was found.");
    }
    p->clusters = stats_gauge(o->stats, "bongsu_patterns_templates", "",
                              "Templates log lines are matched against.");
    if (p->templates != NULL) {
        ignore_result(log_templates_each(p->templates, restore, p), "restore() never fails");
    }
    gauge_set(p->clusters, (int64_t)p->drain.clusters_n);
    *ret = p;
    return 0;
}

void patterns_free(struct patterns *p)
{
    if (p != NULL) {
        drain_done(&p->drain);
        mutex_done(&p->lock);
        mem_free(p->cache);
        mem_free(p);
    }
}

/* ---- the slow path ---- */

/* The miner forgot this template, the store did not: go on with what it had become. */
static bool known_before(struct patterns *p, struct drain_result *r)
{
    char text[MASK_OUT_MAX];
    struct log_template t;

    if (!log_templates_find(p->templates, r->id, text, sizeof(text), &t)) {
        return false;
    }
    ignore_result(drain_adopt(r->cluster, t.id, t.text), "else it keeps its own text");
    r->id = r->cluster->id = t.id;
    return true;
}

static void keep(struct patterns *p, struct str service, struct drain_result *r, int64_t now_ns,
                 int64_t time_ns)
{
    struct log_template t = {.id = r->id,
                             .service = service,
                             .text = str_of(r->cluster->text, r->cluster->text_n),
                             .first_ns = time_ns,
                             .used_ns = now_ns};

    if (r->created ? !known_before(p, r) : r->changed) {
        log_templates_put(p->templates, &t);
    } else {
        log_templates_touch(p->templates, r->id, now_ns, time_ns);
    }
    for (const struct cluster *c = r->merged; c != NULL; c = c->next) {
        log_templates_alias(p->templates, c->id, r->id);
    }
}

static uint64_t look_up(struct patterns *p, struct str service, struct str masked, int64_t now_ns,
                        int64_t time_ns, enum outcome *ret)
{
    struct drain_result r;
    uint64_t id;

    mutex_lock(&p->lock);
    drain_match(&p->drain, service, masked, now_ns, &r);
    if (r.id != 0 && p->templates != NULL) {
        keep(p, service, &r, now_ns, time_ns);
    }
    while (r.merged != NULL) {
        struct cluster *c = r.merged;

        r.merged = c->next;
        drain_free(c);
    }
    id = r.id;
    gauge_set(p->clusters, (int64_t)p->drain.clusters_n);
    mutex_unlock(&p->lock);
    *ret = id == 0 ? OUT_FULL : r.created ? OUT_CREATED : OUT_MATCHED;
    return id;
}

/* ---- lines ---- */

struct str patterns_service(const struct resource *r)
{
    static const struct str NAMES[] = {
        {"service.name", 12}, {"service_name", 12}, {"app", 3}, {"container", 9}, {"job", 3}};

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        struct str s = attrs_get_str(r->attrs, NAMES[i]);

        if (s.n != 0) {
            return str_take(s, LOG_TEMPLATE_SERVICE_MAX);
        }
    }
    return STR("");
}

static struct str text_of(const struct value *body)
{
    static const struct str NAMES[] = {{"message", 7}, {"msg", 3}, {"log", 3}, {"event", 5}};

    if (body->type == VALUE_STR) {
        return mask_message(body->u.s);
    }
    for (size_t i = 0; body->type == VALUE_MAP && i < ARRAY_LEN(NAMES); i++) {
        struct attrs as = {body->u.map.v, body->u.map.n};
        struct str s = attrs_get_str(as, NAMES[i]);

        if (s.n != 0) {
            return s;
        }
    }
    return STR("");
}

struct run {
    const struct resource *resource; /* of the record before */
    struct str service;
    uint64_t seed;
    int64_t now_ns;
    uint64_t at; /* of the line among all */
    struct patterns_tally *tally;
};

static uint64_t mine_one(struct patterns *p, struct run *run, const struct log_record *l)
{
    char out[MASK_OUT_MAX];
    struct str text = text_of(&l->body);
    struct str masked = str_of(out, text.n != 0 ? mask_body(text, out) : 0);
    enum outcome what = OUT_KNOWN;
    struct cache_slot *slot;
    uint64_t key;
    uint64_t id;

    if (masked.n == 0) {
        run->tally->lines[OUT_NO_TEXT]++;
        return 0;
    }
    if (l->resource != run->resource) {
        run->resource = l->resource;
        run->service = patterns_service(l->resource);
        run->seed = hash64(run->service.p, run->service.n);
    }
    key = hash64_seed(masked.p, masked.n, run->seed);
    slot = &p->cache[key & (CACHE_SLOTS - 1)];
    id = atomic_load_explicit(&slot->id, memory_order_relaxed);
    if (UNLIKELY(id == 0 || (atomic_load_explicit(&slot->key, memory_order_relaxed) ^ id) != key ||
                 run->at % LOOK_EVERY == 0)) {
        id = look_up(p, run->service, masked, run->now_ns, l->time_ns, &what);
        if (id != 0) {
            atomic_store_explicit(&slot->key, key ^ id, memory_order_relaxed);
            atomic_store_explicit(&slot->id, id, memory_order_relaxed);
        }
    }
    run->tally->lines[what]++;
    return id;
}

void patterns_mine(struct patterns *p, struct log_record *v, size_t n, int64_t now_ns,
                   struct patterns_tally *ret)
{
    struct run run = {.now_ns = now_ns,
                      .at = atomic_fetch_add_explicit(&p->seen, n, memory_order_relaxed),
                      .tally = ret};

    *ret = (struct patterns_tally){0};
    for (size_t i = 0; i < n; i++, run.at++) {
        v[i].pattern = mine_one(p, &run, &v[i]);
    }
}

void patterns_count(struct patterns *p, const struct patterns_tally *t)
{
    for (int i = 0; i < OUT_COUNT; i++) {
        if (t->lines[i] != 0) {
            counter_add(p->lines[i], t->lines[i]);
        }
    }
}

void patterns_text(struct str text, struct buf *dst)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == MASK_VALUE || text.p[i] == MASK_WILD) {
            buf_add_str(dst, STR("<_>"));
        } else {
            buf_add_byte(dst, text.p[i]);
        }
    }
}

void patterns_of_line(struct str body, struct buf *dst)
{
    char out[MASK_OUT_MAX];

    patterns_text(str_of(out, mask_body(mask_message(body), out)), dst);
}
