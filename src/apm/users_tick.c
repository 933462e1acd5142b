/* SPDX-License-Identifier: Apache-2.0
 *
 * Every 2 s: what doors added is written as a tick, taken into the live window and into its minute; slots that have
 * ended are written and taken into the next coarser slot. A late span makes a slot anew, with what it adds.
 */
#include <math.h>

#include "apm/users_internal.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "model/labels.h"
#include "store/tsdb/tsdb.h"

enum { METRIC_EVERY_S = 10, TRIM_EVERY_S = 600, RETRY_S = 10 };

/* ---- the live window ---- */

static void ring_drop(struct users_group *g, size_t i)
{
    hll_done(&g->ring[i]);
    g->ring_s[i] = 0;
}

void users_ring_add(struct users *u, struct users_group *g, int64_t at_s, const struct hll *h)
{
    size_t i;

    at_s = users_floor(at_s, (int64_t)g->grain * USERS_TICK_S);
    i = (size_t)(at_s / USERS_TICK_S) % RING;
    if (g->ring_s[i] > at_s) {
        return; /* older than the window */
    }
    if (g->ring_s[i] != at_s) {
        ring_drop(g, i);
        g->ring_s[i] = at_s;
    }
    g->in_window = true;
    if (hll_merge(&g->ring[i], h) < 0) {
        counter_add(u->stats.no_memory, 1);
    }
}

static void ring_clear(struct users_group *g)
{
    for (size_t i = 0; i < RING; i++) {
        ring_drop(g, i);
    }
}

/* Steps of 10 s instead of 2: a fifth of the memory. */
static void make_coarse(struct users *u, struct users_group *g)
{
    struct hll old[RING];
    int64_t old_s[RING];

    memcpy(old, g->ring, sizeof(old));
    memcpy(old_s, g->ring_s, sizeof(old_s));
    memset(g->ring, 0, sizeof(g->ring));
    memset(g->ring_s, 0, sizeof(g->ring_s));
    g->grain = COARSE_TICKS;
    for (size_t i = 0; i < RING; i++) {
        if (!hll_empty(&old[i])) {
            users_ring_add(u, g, old_s[i], &old[i]);
        }
        hll_done(&old[i]);
    }
}

static size_t ring_memory(const struct users_group *g)
{
    size_t n = 0;

    for (size_t i = 0; i < RING; i++) {
        n += hll_memory(&g->ring[i]);
    }
    return n;
}

static void look_at_window(struct users *u, struct users_group *g, int64_t now_s)
{
    const struct hll *v[RING];
    size_t n = 0;

    for (size_t i = 0; i < RING; i++) {
        int64_t last = g->ring_s[i] + (int64_t)(g->grain - 1) * USERS_TICK_S;

        if (g->ring_s[i] != 0 && last <= now_s - USERS_WINDOW_S) {
            ring_drop(g, i);
        } else if (!hll_empty(&g->ring[i])) {
            v[n++] = &g->ring[i];
        }
    }
    hll_done(&g->window);
    g->in_window = n != 0;
    if (hll_union(&g->window, v, n) < 0) {
        counter_add(u->stats.no_memory, 1);
    }
    g->users = hll_estimate(&g->window);
}

static void write_history(struct users_group *g, int64_t tick_s)
{
    if (g->history_end_s == 0 || tick_s - g->history_end_s > USERS_HISTORY_S) {
        g->history_n = 0;
        g->history_end_s = tick_s - USERS_TICK_S;
    }
    while (g->history_end_s < tick_s) { /* ticks that were missed have the number of this one */
        size_t i;

        g->history_end_s += USERS_TICK_S;
        i = (size_t)(g->history_end_s / USERS_TICK_S) % HISTORY;
        g->history[i] = (float)g->users;
        g->history_requests[i] = g->history_end_s == tick_s ? (float)g->requests : 0;
        g->history_n += g->history_n < HISTORY;
    }
}

/* ---- slots ---- */

static struct users_slot *slot_find(struct users_group *g, enum users_level l, int64_t start_s,
                                    enum users_identity identity)
{
    struct users_slot *s = g->slots;

    while (s != NULL && !(s->level == l && s->start_s == start_s && s->identity == identity)) {
        s = s->next;
    }
    return s;
}

void users_slot_add(struct users *u, struct users_group *g, enum users_level l, int64_t start_s,
                    int64_t now_s, enum users_identity identity, const struct hll *h)
{
    struct users_slot *s = slot_find(g, l, start_s, identity);

    if (s == NULL && g->slots_n < SLOTS_MAX) {
        s = mem_try_calloc(1, sizeof(*s));
        if (s != NULL) {
            int64_t end_s = start_s + users_level_s(l);

            *s = (struct users_slot){.next = g->slots,
                                     .start_s = start_s,
                                     .due_s = (end_s > now_s ? end_s : now_s) + GRACE_S,
                                     .level = (uint8_t)l,
                                     .identity = (uint8_t)identity};
            if (end_s + GRACE_S <= now_s) {
                s->due_s = l == USERS_1M ? now_s + GRACE_S : now_s; /* late, and had its wait */
            }
            g->slots = s;
            g->slots_n++;
        }
    }
    if (s == NULL || hll_merge(&s->users, h) < 0) {
        counter_add(u->stats.no_memory, 1);
    }
}

static int put(struct users *u, const struct users_group *g, int64_t file_s, enum users_level l,
               int64_t start_s, enum users_identity identity, const struct hll *h)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct err e = {0};
    int rc;

    buf_init(&b, 2 * HLL_BYTES_MAX);
    hll_encode(h, &b);
    rc = buf_status(&b);
    if (rc == 0) {
        const struct users_record r = {.start_s = start_s,
                                       .group = str_cstr(g->name),
                                       .sketch = buf_str(&b),
                                       .level = (uint8_t)l,
                                       .identity = (uint8_t)identity};

        rc = users_files_put(u->files, file_s, &r, &e);
    }
    if (rc < 0) {
        counter_add(u->stats.write_failures, 1);
    }
    return rc;
}

/* Write the group's slots of a level that are due; each goes on into the next level. */
static bool write_slots(struct users *u, struct users_group *g, enum users_level l, int64_t now_s,
                        bool all)
{
    struct users_slot **at = &g->slots; /* changed by this thread only */
    bool any = false;

    while (*at != NULL) {
        struct users_slot *s = *at;

        if (s->level != l || (s->due_s > now_s && !all)) {
            at = &s->next;
            continue;
        }
        if (put(u, g, s->start_s, l, s->start_s, s->identity, &s->users) < 0) {
            s->due_s = now_s + RETRY_S;
            at = &s->next;
            continue;
        }
        any = true;
        mutex_lock(&g->lock);
        *at = s->next;
        g->slots_n--;
        if (l + 1 < USERS_LEVELS) {
            enum users_level next = (enum users_level)(l + 1);

            users_slot_add(u, g, next, users_floor(s->start_s, users_level_s(next)), now_s,
                           s->identity, &s->users);
        }
        mutex_unlock(&g->lock);
        hll_done(&s->users);
        mem_free(s);
    }
    return any;
}

static void say_failed(const struct err *e)
{
    static struct log_limit limit;
    int64_t more = 0;

    if (log_limit_pass(&limit, &more)) {
        log_error("users", "users cannot be written, tried again", L_CSTR("error", e->msg),
                  L_INT("suppressed", more));
    }
}

static void write_level_slots(struct users *u, struct users_group **v, size_t n, int64_t now_s,
                              bool all)
{
    struct err e = {0};
    bool any = false;

    for (int l = USERS_1M; l < USERS_LEVELS; l++) {
        for (size_t i = 0; i < n; i++) {
            any = write_slots(u, v[i], (enum users_level)l, now_s, all) || any;
        }
    }
    if (users_files_flush(u->files, any, &e) < 0) {
        counter_add(u->stats.write_failures, 1);
        say_failed(&e);
    }
}

/* ---- the round ---- */

/* What doors added to a group: written as ticks, then into window and minutes. */
static void take_fresh(struct users *u, struct users_group *g, int64_t now_s)
{
    users_fresh_list fresh;
    enum users_identity identity = g->identity;

    mutex_lock(&g->lock);
    fresh = g->fresh;
    g->fresh = (users_fresh_list){0};
    mutex_unlock(&g->lock);
    for (size_t i = 0; i < fresh.n; i++) {
        ignore_result(put(u, g, now_s, USERS_2S, fresh.v[i].at_s, identity, &fresh.v[i].users),
                      "counted; the minute is written all the same");
    }
    mutex_lock(&g->lock);
    for (size_t i = 0; i < fresh.n; i++) {
        const struct users_fresh *f = &fresh.v[i];

        if (f->at_s > now_s - USERS_WINDOW_S) {
            users_ring_add(u, g, f->at_s, &f->users);
        }
        users_slot_add(u, g, USERS_1M, users_floor(f->at_s, 60), now_s, identity, &f->users);
    }
    mutex_unlock(&g->lock);
    for (size_t i = 0; i < fresh.n; i++) {
        hll_done(&fresh.v[i].users);
    }
    vec_done(&fresh);
}

/* The rule may have changed: users told apart in another way are other users. */
static void follow_rule(struct users *u, struct users_group *g)
{
    enum users_identity identity;

    rwlock_read(&u->lock);
    identity = users_settings_rule(u->settings, str_cstr(g->name))->identity;
    rwlock_unlock(&u->lock);
    if (identity != g->identity) {
        mutex_lock(&g->lock);
        g->identity = identity;
        ring_clear(g);
        mutex_unlock(&g->lock);
    }
}

static void round_of_group(struct users *u, struct users_group *g, int64_t now_s)
{
    int64_t tick_s = users_floor(now_s, USERS_TICK_S);

    take_fresh(u, g, now_s);
    follow_rule(u, g);
    mutex_lock(&g->lock);
    if (g->in_window || g->users > 0) {
        look_at_window(u, g, now_s);
    }
    write_history(g, tick_s);
    g->requests = 0;
    mutex_unlock(&g->lock);
}

static void watch_memory(struct users *u, struct users_group **v, size_t n)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++) {
        size_t of_group = ring_memory(v[i]);

        total += sizeof(*v[i]) + of_group + hll_memory(&v[i]->window);
        for (const struct users_slot *s = v[i]->slots; s != NULL; s = s->next) {
            total += sizeof(*s) + hll_memory(&s->users);
        }
        if (total > u->opts.max_memory && of_group > COARSE_BYTES && v[i]->grain == 1) {
            mutex_lock(&v[i]->lock);
            make_coarse(u, v[i]);
            mutex_unlock(&v[i]->lock);
        }
    }
    atomic_store_explicit(&u->memory_bytes, total, memory_order_relaxed);
}

static void write_metrics(struct users *u, struct users_group **v, size_t n, int64_t now_s)
{
    struct tsdb_batch *b = tsdb_batch_new(u->opts.metrics);
    struct err e = {0};

    for (size_t i = 0; i < n; i++) {
        struct users_group *g = v[i];
        struct label l[] = {{STR("__name__"), STR("apm_active_users")},
                            {STR("group"), str_cstr(g->name)},
                            {STR("identity"), str_cstr(users_identity_name(g->identity))}};
        size_t labels_n = ARRAY_LEN(l);
        bool zero = !(g->users > 0);
        struct series_ref ref;

        if (zero && (g->metric_zero || g->metric_s == 0)) {
            continue; /* said once */
        }
        if (labels_normalize(l, &labels_n) &&
            tsdb_intern(u->opts.metrics, (struct labels){l, labels_n}, NULL, &ref, NULL) == 0 &&
            tsdb_batch_add(b, ref, now_s * 1000, round(g->users)) == 0) {
            g->metric_s = now_s;
            g->metric_zero = zero;
        }
    }
    if (tsdb_batch_commit(b, NULL, &e) < 0) {
        say_failed(&e);
    }
    tsdb_batch_free(b);
}

void users_tick(struct users *u, int64_t wall_ms)
{
    int64_t now_s = wall_ms / 1000;
    struct users_group **v = NULL;
    size_t n = 0;

    atomic_store_explicit(&u->tick_s, now_s, memory_order_relaxed);
    if (users_groups(u, &v, &n) < 0) {
        counter_add(u->stats.no_memory, 1);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        round_of_group(u, v[i], now_s);
    }
    write_level_slots(u, v, n, now_s, false);
    watch_memory(u, v, n);
    if (u->opts.metrics != NULL && users_floor(now_s, USERS_TICK_S) % METRIC_EVERY_S == 0) {
        write_metrics(u, v, n, now_s);
    }
    if (now_s - u->trimmed_s >= TRIM_EVERY_S || now_s < u->trimmed_s) {
        users_files_trim(u->files, now_s);
        u->trimmed_s = now_s;
    }
    mem_free(v);
}

void users_write_all(struct users *u, int64_t now_s)
{
    struct users_group **v = NULL;
    size_t n = 0;

    if (users_groups(u, &v, &n) < 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        take_fresh(u, v[i], now_s);
    }
    write_level_slots(u, v, n, now_s, true);
    mem_free(v);
}
