/* SPDX-License-Identifier: Apache-2.0
 *
 * Life, rules, and what doors do: find the group, hash who it is, add it to the sketch of its tick.
 */
#include "apm/users.h"

#include <stdio.h>
#include <unistd.h>

#include "apm/users_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "io/vfs.h"
#include "store/meta/meta.h"

enum { DEFAULT_GROUPS = 1024, TOUCHES = 256 };

static const struct str DOC = {"apm-users", sizeof("apm-users") - 1};
static const int64_t DAY_S = 86400;

/* ---- groups ---- */

static void group_free(struct users_group *g)
{
    for (size_t i = 0; i < g->fresh.n; i++) {
        hll_done(&g->fresh.v[i].users);
    }
    vec_done(&g->fresh);
    for (size_t i = 0; i < RING; i++) {
        hll_done(&g->ring[i]);
    }
    hll_done(&g->window);
    while (g->slots != NULL) {
        struct users_slot *s = g->slots;

        g->slots = s->next;
        hll_done(&s->users);
        mem_free(s);
    }
    mutex_done(&g->lock);
    mem_free(g);
}

/* Under the write lock. */
static struct users_group *group_make(struct users *u, struct str name)
{
    struct users_group *g = map_get(&u->by_name, name);

    if (g != NULL || u->groups.n >= u->opts.max_groups || name.n >= sizeof(g->name)) {
        return g;
    }
    g = mem_try_calloc(1, sizeof(*g));
    if (g == NULL || !vec_reserve(&u->groups, 1)) {
        mem_free(g);
        return NULL;
    }
    memcpy(g->name, name.p, name.n);
    g->grain = 1;
    g->identity = users_settings_rule(u->settings, name)->identity;
    if (map_put(&u->by_name, str_cstr(g->name), g) < 0) {
        mem_free(g);
        return NULL;
    }
    mutex_init(&g->lock, LOCK_RANK_STORE);
    u->groups.v[u->groups.n++] = g;
    return g;
}

struct users_group *users_group_of(struct users *u, struct str name)
{
    struct users_group *g;

    rwlock_read(&u->lock);
    g = map_get(&u->by_name, name);
    rwlock_unlock(&u->lock);
    if (g == NULL) {
        rwlock_write(&u->lock);
        g = group_make(u, name);
        rwlock_unlock(&u->lock);
    }
    return g;
}

int users_groups(struct users *u, struct users_group ***ret, size_t *ret_n)
{
    struct users_group **v;
    size_t n;

    rwlock_read(&u->lock);
    n = u->groups.n;
    v = mem_try_alloc((n + 1) * sizeof(*v));
    if (v != NULL && n != 0) {
        memcpy(v, u->groups.v, n * sizeof(*v));
    }
    rwlock_unlock(&u->lock);
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    *ret = v;
    *ret_n = n;
    return 0;
}

/* ---- what doors do ---- */

/* Requests of one group out of a batch. */
struct touches {
    struct users_group *group;
    size_t n; /* with a user */
    uint32_t requests, unknown, bots;

    struct {
        uint64_t hash;
        int64_t at_s;
    } v[TOUCHES];
};

/* The tick a span counts for: when it ended, by its own clock, unless that is ahead of ours. INT64_MIN: too late. */
static int64_t tick_of(int64_t end_ns, int64_t wall_ms)
{
    int64_t now_s = wall_ms / 1000;
    int64_t at_s = end_ns / 1000000000;

    if (at_s > now_s || at_s <= 0) {
        at_s = now_s;
    }
    if (at_s < now_s - LATE_MAX_S) {
        return INT64_MIN;
    }
    return users_floor(at_s, at_s < now_s - USERS_WINDOW_S ? 60 : USERS_TICK_S);
}

static struct hll *fresh_of(struct users_group *g, int64_t at_s)
{
    for (size_t i = g->fresh.n; i-- > 0;) {
        if (g->fresh.v[i].at_s == at_s) {
            return &g->fresh.v[i].users;
        }
    }
    if (g->fresh.n == FRESH_MAX || !vec_push(&g->fresh, (struct users_fresh){.at_s = at_s})) {
        return NULL;
    }
    return &g->fresh.v[g->fresh.n - 1].users;
}

static void give(struct users *u, struct touches *t)
{
    struct users_group *g = t->group;
    struct hll *h = NULL;
    int64_t at_s = INT64_MIN;
    uint64_t failed = 0;

    if (g == NULL) {
        counter_add(u->stats.no_group, t->requests);
    } else {
        mutex_lock(&g->lock);
        for (size_t i = 0; i < t->n; i++) {
            if (h == NULL || t->v[i].at_s != at_s) {
                at_s = t->v[i].at_s;
                h = fresh_of(g, at_s);
            }
            failed += h == NULL || hll_add(h, t->v[i].hash) < 0;
        }
        g->requests += t->requests;
        g->counted += t->n;
        g->unknown += t->unknown;
        g->bots += t->bots;
        mutex_unlock(&g->lock);
    }
    counter_add(u->stats.counted, t->n);
    counter_add(u->stats.unknown, t->unknown);
    counter_add(u->stats.bots, t->bots);
    counter_add(u->stats.no_memory, failed);
    t->n = 0;
    t->requests = t->unknown = t->bots = 0;
}

/* Under the read lock. */
static void touch(struct users *u, struct touches *t, const struct users_rule *rule,
                  const struct entry *e, int64_t wall_ms)
{
    int64_t at_s = tick_of(e->end_ns, wall_ms);
    uint64_t hash = 0;

    if (at_s == INT64_MIN) {
        counter_add(u->stats.late, 1);
        return;
    }
    t->requests++;
    switch (users_identify(u->settings, rule, &u->key, e, &hash)) {
    case USERS_COUNTED:
        t->v[t->n].hash = hash;
        t->v[t->n++].at_s = at_s;
        break;
    case USERS_UNKNOWN:
        t->unknown += e->span->kind == SPAN_SERVER;
        break;
    case USERS_BOT:
        t->bots++;
        break;
    }
}

/* The group may be new: then the lock is let go and taken again. */
static struct users_group *find_group(struct users *u, struct str name)
{
    struct users_group *g = map_get(&u->by_name, name);

    if (g == NULL) {
        rwlock_unlock(&u->lock);
        g = users_group_of(u, name);
        rwlock_read(&u->lock);
    }
    return g;
}

void users_seen(void *arg, const struct span *spans, size_t n, int64_t wall_ms)
{
    struct users *u = arg;
    const struct users_rule *rule = NULL;
    struct touches t = {.group = NULL};
    struct entry e;
    bool any = false;

    rwlock_read(&u->lock);
    for (size_t i = 0; i < n; i++) {
        if (!entry_of(&spans[i], &e)) {
            continue;
        }
        if (!any || t.group == NULL || !str_eq(str_cstr(t.group->name), e.group)) {
            if (any) {
                give(u, &t);
            }
            any = true;
            t.group = find_group(u, e.group);
            rule = users_settings_rule(u->settings, e.group); /* behind what may let the lock go */
        } else if (t.n == TOUCHES) {
            give(u, &t);
        }
        touch(u, &t, rule, &e, wall_ms);
    }
    if (any) {
        give(u, &t);
    }
    rwlock_unlock(&u->lock);
}

/* ---- rules ---- */

void users_settings_text(struct users *u, struct buf *dst)
{
    rwlock_read(&u->lock);
    users_settings_write(u->settings, dst);
    rwlock_unlock(&u->lock);
}

static void put_in_force(struct users *u, struct users_settings *s)
{
    struct users_settings *old;

    rwlock_write(&u->lock);
    old = u->settings;
    u->settings = s;
    rwlock_unlock(&u->lock);
    users_settings_free(old);
}

int users_settings_put(struct users *u, struct str json, struct err *reterr)
{
    struct users_settings *s = NULL;
    struct buf text CLEANUP(buf_done) = {0};
    int rc = users_settings_parse(json, &s, reterr);

    if (rc < 0) {
        return rc;
    }
    buf_init(&text, 2 * USERS_SETTINGS_MAX);
    users_settings_write(s, &text);
    mutex_lock(&u->settings_lock);
    rc = buf_status(&text);
    rc = rc < 0 ? err_set(reterr, ERR_TOO_LARGE, "the rules are too large")
         : u->opts.meta != NULL
             ? meta_doc_put(u->opts.meta, DOC, buf_str(&text), clock_wall_ms(), reterr)
             : 0;
    if (rc < 0) {
        users_settings_free(s);
    } else {
        put_in_force(u, s);
    }
    mutex_unlock(&u->settings_lock);
    return rc;
}

static int load_settings(struct users *u, struct err *reterr)
{
    struct arena a CLEANUP(arena_done);
    struct users_settings *s = NULL;
    struct str text = {0};
    struct err e = {0};
    int rc;

    arena_init(&a, 8 << 20);
    u->settings = users_settings_usual();
    if (u->opts.meta == NULL) {
        return 0;
    }
    rc = meta_doc_get(u->opts.meta, DOC, &a, &text, reterr);
    if (rc < 0) {
        return rc == -ERR_NOT_FOUND ? 0 : rc;
    }
    rc = users_settings_parse(text, &s, &e);
    if (rc < 0) { /* of a newer version: counting by address beats not starting */
        log_error("users", "the rules of identity cannot be read; the usual ones are in force",
                  L_CSTR("error", e.msg));
        return 0;
    }
    put_in_force(u, s);
    return 0;
}

/* ---- life ---- */

/* Kept beside the sketches: with another key the same user would be another. */
static int load_key(struct users *u, struct err *reterr)
{
    const struct vfs *v = u->opts.vfs != NULL ? u->opts.vfs : vfs_real();
    char *path CLEANUP(mem_free_ptr) = vfs_join(u->opts.dir, "key");
    char *bytes CLEANUP(mem_free_ptr) = NULL;
    size_t n = 0;
    int rc;

    if (access(path, F_OK) != 0) {
        random_bytes(&u->key, sizeof(u->key));
        return vfs_write_atomic(v, path, str_of((const char *)&u->key, sizeof(u->key)), reterr);
    }
    rc = vfs_read_file(v, path, 4096, &bytes, &n, reterr);
    if (rc < 0) {
        return rc;
    }
    if (n != sizeof(u->key)) {
        return err_set(reterr, ERR_CORRUPT, "%s: %zu bytes instead of %zu", path, n,
                       sizeof(u->key));
    }
    memcpy(&u->key, bytes, n);
    return 0;
}

static double groups_now(void *arg)
{
    struct users *u = arg;
    size_t n;

    rwlock_read(&u->lock);
    n = u->groups.n;
    rwlock_unlock(&u->lock);
    return (double)n;
}

static double memory_now(void *arg)
{
    return (double)atomic_load_explicit(&((struct users *)arg)->memory_bytes, memory_order_relaxed);
}

static double disk_now(void *arg)
{
    return (double)users_files_bytes(((struct users *)arg)->files);
}

static void make_stats(struct users *u)
{
    static const char REQUESTS[] = "bongsu_users_requests_total";
    static const char REQUESTS_HELP[] = "Requests looked at for their user, by result";
    static const char DROPPED[] = "bongsu_users_dropped_total";
    static const char DROPPED_HELP[] = "Requests whose user was not counted, by reason";
    struct stats *s = u->opts.stats;

    u->stats.counted = stats_counter(s, REQUESTS, "result=\"counted\"", REQUESTS_HELP);
    u->stats.unknown = stats_counter(s, REQUESTS, "result=\"unknown\"", REQUESTS_HELP);
    u->stats.bots = stats_counter(s, REQUESTS, "result=\"bot\"", REQUESTS_HELP);
    u->stats.late = stats_counter(s, DROPPED, "reason=\"late\"", DROPPED_HELP);
    u->stats.no_group = stats_counter(s, DROPPED, "reason=\"groups\"", DROPPED_HELP);
    u->stats.no_memory = stats_counter(s, DROPPED, "reason=\"memory\"", DROPPED_HELP);
    u->stats.write_failures = stats_counter(s, "bongsu_users_write_failures_total", "",
                                            "Times that sketches of users could not be written");
    stats_gauge_fn(s, "bongsu_users_groups", "", "Groups whose users are counted", groups_now, u);
    stats_gauge_fn(s, "bongsu_users_memory_bytes", "", "Memory of sketches of users", memory_now,
                   u);
    stats_gauge_fn(s, "bongsu_users_disk_bytes", "", "Disk taken by sketches of users", disk_now,
                   u);
}

static void run(void *arg)
{
    struct users *u = arg;
    bool stopping;

    do {
        int64_t now_ms = clock_wall_ms();
        int64_t wait_ms = USERS_TICK_S * 1000 - now_ms % (USERS_TICK_S * 1000);

        mutex_lock(&u->wake_lock);
        if (!u->stopping) {
            cond_wait_ms(&u->wake, &u->wake_lock, wait_ms + 1);
        }
        stopping = u->stopping;
        mutex_unlock(&u->wake_lock);
        if (!stopping) {
            users_tick(u, clock_wall_ms());
        }
    } while (!stopping);
}

static void set_defaults(struct users_opts *o)
{
    static const int64_t DAYS[USERS_LEVELS] = {0, 7, 60, 400, 400};

    o->max_groups = o->max_groups != 0 ? o->max_groups : DEFAULT_GROUPS;
    o->max_bytes = o->max_bytes != 0 ? o->max_bytes : 1ull << 30;
    o->max_memory = o->max_memory != 0 ? o->max_memory : (size_t)256 << 20;
    for (int l = 0; l < USERS_LEVELS; l++) {
        if (o->retention_s[l] == 0) {
            o->retention_s[l] = l == USERS_2S ? 420 : DAYS[l] * DAY_S;
        }
    }
}

static int open_all(struct users *u, struct err *reterr)
{
    struct users_files_opts f = {
        .dir = u->opts.dir, .vfs = u->opts.vfs, .max_bytes = u->opts.max_bytes};
    int rc;

    memcpy(f.retention_s, u->opts.retention_s, sizeof(f.retention_s));
    rc = users_files_open(&f, &u->files, reterr);
    rc = rc < 0 ? rc : load_key(u, reterr);
    rc = rc < 0 ? rc : load_settings(u, reterr);
    if (rc < 0) {
        return rc;
    }
    make_stats(u);
    rc =
        users_restore(u, u->opts.manual_s != 0 ? u->opts.manual_s : clock_wall_ms() / 1000, reterr);
    if (rc < 0 || u->opts.manual_s != 0) {
        return rc;
    }
    return thread_start(&u->thread, "users", run, u) < 0
               ? err_set(reterr, ERR_UNAVAILABLE, "the thread of users could not be started")
               : 0;
}

int users_open(const struct users_opts *o, struct users **ret, struct err *reterr)
{
    struct users *u = mem_xcalloc(1, sizeof(*u));
    int rc;

    u->opts = *o;
    u->opts.dir = mem_xstrdup(o->dir);
    u->tick_s = o->manual_s;
    set_defaults(&u->opts);
    rwlock_init(&u->lock, LOCK_RANK_INGEST);
    mutex_init(&u->settings_lock, LOCK_RANK_API);
    mutex_init(&u->wake_lock, LOCK_RANK_API);
    cond_init(&u->wake);
    rc = open_all(u, reterr);
    if (rc < 0) {
        users_close(u);
        return rc;
    }
    *ret = u;
    return 0;
}

void users_close(struct users *u)
{
    if (u == NULL) {
        return;
    }
    mutex_lock(&u->wake_lock);
    u->stopping = true;
    cond_signal(&u->wake);
    mutex_unlock(&u->wake_lock);
    thread_join(&u->thread);
    if (u->files != NULL && u->groups.n != 0) {
        users_write_all(u, clock_wall_ms() / 1000);
    }
    users_files_close(u->files);
    for (size_t i = 0; i < u->groups.n; i++) {
        group_free(u->groups.v[i]);
    }
    vec_done(&u->groups);
    map_done(&u->by_name);
    users_settings_free(u->settings);
    cond_done(&u->wake);
    mutex_done(&u->wake_lock);
    mutex_done(&u->settings_lock);
    rwlock_done(&u->lock);
    mem_free((char *)(uintptr_t)u->opts.dir);
    mem_free(u);
}

void users_status(struct users *u, struct users_status *ret)
{
    int64_t oldest = INT64_MAX;

    for (int l = 0; l < USERS_LEVELS; l++) {
        int64_t o = users_files_oldest_s(u->files, (enum users_level)l);

        oldest = o < oldest ? o : oldest;
    }
    *ret = (struct users_status){.groups = (size_t)groups_now(u),
                                 .memory_bytes = (size_t)memory_now(u),
                                 .disk_bytes = users_files_bytes(u->files),
                                 .oldest_s = oldest == INT64_MAX ? 0 : oldest};
}
