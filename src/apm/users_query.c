/* SPDX-License-Identifier: Apache-2.0
 *
 * Distinct users of any time: each step's window is covered by the coarsest slots that lie in it, finer ones at its
 * edges only, so a month costs thirty records and not forty thousand. What is not written yet is taken from memory; that
 * it may be written meanwhile does no harm.
 */
#include <stdlib.h>

#include "apm/users_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

enum { CHUNK = 512 };

struct wanted_group {
    struct str name;
    int identity;
};

/* Steps k = 1 .. n; step k's window ends at from_s + k * step_s. */
struct run {
    struct users *u;
    int64_t from_s, step_s, window_s;
    int64_t n;
    enum users_level level;      /* of the scan */
    struct wanted_group *groups; /* by name */
    size_t groups_n;
    struct hll *steps; /* n */
    unsigned identities;
    size_t damaged;
};

struct span_of_steps {
    int64_t first, last; /* none when first > last */
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The steps whose window holds all of a slot. */
static struct span_of_steps holding(const struct run *r, int64_t start_s, int64_t slot_s)
{
    struct span_of_steps k = {
        .first = floor_div(start_s + slot_s - r->from_s + r->step_s - 1, r->step_s),
        .last = floor_div(start_s - r->from_s + r->window_s, r->step_s)};

    k.first = k.first > 1 ? k.first : 1;
    k.last = k.last < r->n ? k.last : r->n;
    return k;
}

/* Steps that take a slot: they hold it, but not the slot around it. */
struct taking {
    struct span_of_steps hold, covered;
};

static struct taking taking(const struct run *r, int64_t start_s, enum users_level l)
{
    struct taking t = {holding(r, start_s, users_level_s(l)), {1, 0}};

    if (l < USERS_1D) {
        int64_t around_s = users_level_s((enum users_level)(l + 1));

        t.covered = holding(r, users_floor(start_s, around_s), around_s);
    }
    return t;
}

static int64_t steps_in(struct span_of_steps s)
{
    return s.last >= s.first ? s.last - s.first + 1 : 0;
}

static bool anybody_takes(const struct taking *t)
{
    return steps_in(t->hold) > steps_in(t->covered); /* who holds the slot around it holds it */
}

static int merge_into(struct run *r, const struct taking *t, const struct hll *h)
{
    int rc = 0;

    for (int64_t k = t->hold.first; k <= t->hold.last && rc == 0; k++) {
        if (k < t->covered.first || k > t->covered.last) {
            rc = hll_merge(&r->steps[k - 1], h);
        }
    }
    return rc;
}

static bool file_wanted(void *arg, int64_t from_s, int64_t to_s)
{
    struct run *r = arg;

    for (int64_t at = from_s; at < to_s; at += users_level_s(r->level)) {
        struct taking t = taking(r, at, r->level);

        if (anybody_takes(&t)) {
            return true;
        }
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct wanted_group *)a)->name, ((const struct wanted_group *)b)->name);
}

static int take_record(void *arg, const struct users_record *rec)
{
    struct run *r = arg;
    const struct wanted_group key = {.name = rec->group};
    const struct wanted_group *g;
    struct taking t = taking(r, rec->start_s, r->level);
    struct hll h CLEANUP(hll_done) = {0};
    int rc;

    if (steps_in(t.hold) == 0 || rec->level != r->level || rec->identity >= USERS_IDENTITIES) {
        return 0;
    }
    g = bsearch(&key, r->groups, r->groups_n, sizeof(*r->groups), by_name);
    if (g == NULL) {
        return 0;
    }
    r->identities |= 1u << rec->identity;
    if (g->identity != rec->identity || !anybody_takes(&t)) {
        return 0;
    }
    rc = hll_decode_into(&h, rec->sketch, NULL);
    if (rc < 0) {
        r->damaged++;
        return rc == -ERR_NOMEM ? rc : 0;
    }
    return merge_into(r, &t, &h);
}

/* ---- what only memory knows ---- */

static int take_memory(struct run *r)
{
    int rc = 0;

    for (size_t i = 0; i < r->groups_n && rc == 0; i++) {
        struct users_group *g = users_group_of(r->u, r->groups[i].name);

        if (g == NULL) {
            continue;
        }
        mutex_lock(&g->lock);
        for (const struct users_slot *s = g->slots; s != NULL && rc == 0; s = s->next) {
            struct taking t = {holding(r, s->start_s, users_level_s((enum users_level)s->level)),
                               {1, 0}};

            if (steps_in(t.hold) != 0) {
                r->identities |= 1u << s->identity;
            }
            if (s->identity == r->groups[i].identity) {
                rc = merge_into(r, &t, &s->users);
            }
        }
        mutex_unlock(&g->lock);
    }
    return rc;
}

static int run_steps(struct run *r, struct cancel *cancel, struct err *reterr)
{
    int rc = take_memory(r);

    for (int l = USERS_1M; l < USERS_LEVELS && rc == 0; l++) {
        const struct users_scan s = {.level = (enum users_level)l,
                                     .from_s = r->from_s + r->step_s - r->window_s,
                                     .to_s = r->from_s + r->n * r->step_s,
                                     .wanted = file_wanted,
                                     .fn = take_record,
                                     .arg = r,
                                     .cancel = cancel};

        r->level = (enum users_level)l;
        rc = users_files_scan(r->u->files, &s, reterr);
    }
    return rc == -ERR_NOMEM ? err_set(reterr, ERR_NOMEM, "no memory to unite users") : rc;
}

/* ---- what is asked for ---- */

static int resolve_groups(struct users *u, const struct users_query *q, struct arena *a,
                          struct run *r, struct err *reterr)
{
    struct users_group **v CLEANUP(mem_free_ptr) = NULL;
    size_t n = 0;
    size_t kept = 0;

    if (users_groups(u, &v, &n) < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for the groups");
    }
    r->groups = arena_array(a, struct wanted_group, n + 1);
    if (r->groups == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the groups");
    }
    for (size_t i = 0; i < n; i++) {
        struct str name = str_cstr(v[i]->name);
        bool asked = q->groups_n == 0;

        for (size_t k = 0; k < q->groups_n && !asked; k++) {
            asked = str_eq(q->groups[k], name);
        }
        if (asked) {
            int identity = q->identity;

            if (identity < 0) {
                mutex_lock(&v[i]->lock);
                identity = (int)v[i]->identity;
                mutex_unlock(&v[i]->lock);
            }
            r->groups[kept++] = (struct wanted_group){name, identity};
        }
    }
    r->groups_n = kept;
    if (kept > 1) {
        qsort(r->groups, kept, sizeof(*r->groups), by_name);
    }
    for (size_t k = 0; k < q->groups_n; k++) {
        const struct wanted_group key = {.name = q->groups[k]};

        if (bsearch(&key, r->groups, kept, sizeof(*r->groups), by_name) == NULL) {
            return err_set(reterr, ERR_NOT_FOUND, "no group \"%.*s\" has had users",
                           STR_ARG(str_take(q->groups[k], 100)));
        }
    }
    return 0;
}

static int64_t now_s(const struct users *u)
{
    return u->opts.manual_s != 0 ? atomic_load_explicit(&u->tick_s, memory_order_relaxed)
                                 : clock_wall_ms() / 1000;
}

/* The finest slots still kept of a time. */
static int64_t grain_at(const struct users *u, int64_t at_s)
{
    int64_t now = now_s(u);

    for (int l = USERS_1M; l < USERS_1H; l++) {
        int64_t oldest = users_files_oldest_s(u->files, (enum users_level)l);
        bool cut = users_files_oldest_s(u->files, (enum users_level)(l + 1)) < oldest;

        if (at_s >= now - u->opts.retention_s[l] && (!cut || at_s >= oldest)) {
            return users_level_s((enum users_level)l);
        }
    }
    return users_level_s(USERS_1H);
}

static int64_t round_up(int64_t t, int64_t step)
{
    return users_floor(t + step - 1, step);
}

static int set_range(struct users *u, const struct users_query *q, struct run *r, int64_t *ret_to,
                     int64_t *ret_grain, struct err *reterr)
{
    int64_t window = q->window_s != 0 ? q->window_s : q->step_s;
    int64_t grain;
    int64_t to;

    if (q->from_s < 0 || q->to_s <= q->from_s || q->to_s > (int64_t)1 << 40) {
        return err_set(reterr, ERR_INVALID, "the time range is empty or not a time");
    }
    if (q->step_s < 0 || window < 0) {
        return err_set(reterr, ERR_INVALID, "step and window must be positive");
    }
    grain =
        grain_at(u, q->from_s - (q->step_s != 0 && window > q->step_s ? window - q->step_s : 0));
    if (q->step_s % grain != 0 || window % grain != 0) {
        return err_set(
            reterr, ERR_INVALID,
            "step and window must be multiples of %lld s: finer sketches of that time are "
            "not kept",
            (long long)grain);
    }
    r->from_s = users_floor(q->from_s, grain);
    if (q->step_s == 0) {
        to = round_up(q->to_s, grain_at(u, q->to_s));
        r->step_s = r->window_s = to - r->from_s;
        r->n = 1;
    } else {
        r->step_s = q->step_s;
        r->window_s = window;
        r->n = (q->to_s - r->from_s + q->step_s - 1) / q->step_s;
        to = r->from_s + r->n * r->step_s;
    }
    if (r->n > USERS_POINTS_MAX) {
        return err_set(reterr, ERR_LIMIT, "%lld steps; at most %d: take a longer step",
                       (long long)r->n, USERS_POINTS_MAX);
    }
    *ret_to = to;
    *ret_grain = grain;
    return 0;
}

static void take_counts(struct hll *steps, size_t n, struct users_count *v)
{
    for (size_t i = 0; i < n; i++) {
        v[i].users = hll_estimate(&steps[i]);
        v[i].error = hll_std_error(&steps[i], v[i].users);
        hll_done(&steps[i]);
    }
}

int users_query(struct users *u, const struct users_query *q, struct arena *a,
                struct users_series *ret, struct err *reterr)
{
    struct users_series s = {0};
    struct run all = {.u = u};
    struct hll *steps;
    int rc = set_range(u, q, &all, &s.to_s, &s.grain_s, reterr);

    rc = rc < 0 ? rc : resolve_groups(u, q, a, &all, reterr);
    if (rc < 0) {
        return rc;
    }
    s.from_s = all.from_s;
    s.step_s = all.step_s;
    s.n = (size_t)all.n;
    s.v = arena_array(a, struct users_count, s.n);
    steps = mem_try_calloc(CHUNK, sizeof(*steps));
    if (s.v == NULL || steps == NULL) {
        mem_free(steps);
        return err_set(reterr, ERR_NOMEM, "no memory for %zu steps", s.n);
    }
    for (size_t at = 0; at < s.n && rc == 0; at += CHUNK) {
        struct run r = all;

        r.from_s = all.from_s + (int64_t)at * all.step_s;
        r.n = (int64_t)(s.n - at < CHUNK ? s.n - at : CHUNK);
        r.steps = steps;
        rc = run_steps(&r, q->cancel, reterr);
        take_counts(steps, (size_t)r.n, s.v + at);
        s.identities |= r.identities;
    }
    mem_free(steps);
    if (rc == 0) {
        *ret = s;
    }
    return rc;
}

int users_sketch(struct users *u, const struct users_query *q, struct buf *dst, struct err *reterr)
{
    struct users_query one = *q;
    struct arena a CLEANUP(arena_done);
    struct hll h CLEANUP(hll_done) = {0};
    struct run r = {.u = u, .steps = &h};
    int64_t to = 0;
    int64_t grain = 0;
    int rc;

    one.step_s = one.window_s = 0;
    arena_init(&a, 1 << 20);
    rc = set_range(u, &one, &r, &to, &grain, reterr);
    rc = rc < 0 ? rc : resolve_groups(u, &one, &a, &r, reterr);
    rc = rc < 0 ? rc : run_steps(&r, q->cancel, reterr);
    if (rc == 0) {
        hll_encode(&h, dst);
        rc = buf_status(dst) < 0 ? err_set(reterr, ERR_NOMEM, "no memory for the sketch") : 0;
    }
    return rc;
}

/* ---- now ---- */

static int by_group(const void *a, const void *b)
{
    return str_cmp(((const struct users_live *)a)->group, ((const struct users_live *)b)->group);
}

static size_t take_history(const struct users_group *g, int64_t every, size_t points,
                           struct arena *a, struct users_live *l)
{
    int64_t have = (int64_t)g->history_n / every;
    int64_t n = have < (int64_t)points ? have : (int64_t)points;
    double *users = arena_array(a, double, (size_t)n + 1);
    double *rps = arena_array(a, double, (size_t)n + 1);
    int64_t end = users_floor(g->history_end_s, every * USERS_TICK_S);

    if (users == NULL || rps == NULL) {
        return SIZE_MAX;
    }
    if ((g->history_end_s - end) / USERS_TICK_S + n * every > (int64_t)g->history_n && n > 0) {
        n--; /* the oldest is not whole */
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t at = end / USERS_TICK_S - (n - 1 - i) * every;
        double sum = 0;

        for (int64_t k = 0; k < every; k++) {
            sum += (double)g->history_requests[(size_t)(at - k) % HISTORY];
        }
        users[i] = (double)g->history[(size_t)at % HISTORY];
        rps[i] = sum / (double)(every * USERS_TICK_S);
    }
    l->history = users;
    l->history_rps = rps;
    l->history_n = (size_t)n;
    l->history_end_s = end;
    l->step_s = every * USERS_TICK_S;
    return (size_t)n;
}

static void take_peak_and_rate(const struct users_group *g, struct users_live *l)
{
    int64_t newest = g->history_end_s / USERS_TICK_S;
    double requests = 0;
    int64_t ticks = 0;

    for (int64_t i = 0; i < (int64_t)g->history_n; i++) {
        size_t at = (size_t)(newest - i) % HISTORY;

        if (i < 10 / USERS_TICK_S) {
            requests += (double)g->history_requests[at];
            ticks++;
        }
        if ((double)g->history[at] > l->peak) {
            l->peak = (double)g->history[at];
            l->peak_s = (newest - i) * USERS_TICK_S;
        }
    }
    l->requests_per_s = ticks != 0 ? requests / (double)(ticks * USERS_TICK_S) : 0;
}

int users_live(struct users *u, int64_t step_s, size_t points, struct arena *a,
               struct users_live **ret, size_t *ret_n, struct err *reterr)
{
    struct users_group **v CLEANUP(mem_free_ptr) = NULL;
    struct users_live *out;
    int64_t every = step_s / USERS_TICK_S > 0 ? step_s / USERS_TICK_S : 1;
    size_t n = 0;
    bool failed = false;

    if (users_groups(u, &v, &n) < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for the groups");
    }
    out = arena_calloc(a, n + 1, sizeof(*out));
    failed = out == NULL;
    for (size_t i = 0; i < n && !failed; i++) {
        struct users_group *g = v[i];

        mutex_lock(&g->lock);
        out[i] = (struct users_live){.group = str_cstr(g->name),
                                     .identity = g->identity,
                                     .users = g->users,
                                     .error = hll_std_error(&g->window, g->users),
                                     .counted = g->counted,
                                     .unknown = g->unknown,
                                     .bots = g->bots};
        take_peak_and_rate(g, &out[i]);
        failed = points != 0 && take_history(g, every, points, a, &out[i]) == SIZE_MAX;
        mutex_unlock(&g->lock);
    }
    if (failed) {
        return err_set(reterr, ERR_NOMEM, "no memory for the groups");
    }
    if (n > 1) {
        qsort(out, n, sizeof(*out), by_group);
    }
    *ret = out;
    *ret_n = n;
    return 0;
}

int users_live_union(struct users *u, struct users_count *ret, enum users_identity *ret_identity,
                     struct err *reterr)
{
    struct users_group **v CLEANUP(mem_free_ptr) = NULL;
    struct hll all CLEANUP(hll_done) = {0};
    size_t by_identity[USERS_IDENTITIES] = {0};
    enum users_identity most = USERS_BY_IP;
    size_t n = 0;
    int rc = users_groups(u, &v, &n);

    for (size_t i = 0; i < n; i++) {
        mutex_lock(&v[i]->lock);
        by_identity[v[i]->identity] += v[i]->users > 0;
        mutex_unlock(&v[i]->lock);
    }
    for (int i = 0; i < USERS_IDENTITIES; i++) {
        most = by_identity[i] > by_identity[most] ? (enum users_identity)i : most;
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        mutex_lock(&v[i]->lock);
        rc = v[i]->identity == most ? hll_merge(&all, &v[i]->window) : 0;
        mutex_unlock(&v[i]->lock);
    }
    if (rc < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory to unite users");
    }
    ret->users = hll_estimate(&all);
    ret->error = hll_std_error(&all, ret->users);
    *ret_identity = most;
    return 0;
}
