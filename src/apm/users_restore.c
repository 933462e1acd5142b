/* SPDX-License-Identifier: Apache-2.0
 *
 * After a start: the groups there were, the live window from the ticks of the last minutes, and the slots that were
 * still open when the program ended, from the finer ones inside them. What was written already is written once more,
 * which changes nothing.
 */
#include "apm/users_internal.h"
#include "base/err.h"

static const int64_t NAMES_S = 40LL * 86400; /* groups not seen for so long are not listed */

struct restoring {
    struct users *u;
    int64_t now_s;
    int64_t newest_s; /* start of the newest minute there is */
    size_t damaged;
};

static struct users_group *group_of(struct restoring *r, const struct users_record *rec)
{
    return rec->identity < USERS_IDENTITIES ? users_group_of(r->u, rec->group) : NULL;
}

static int take_name(void *arg, const struct users_record *rec)
{
    struct restoring *r = arg;

    if (rec->level == USERS_1M && rec->start_s > r->newest_s) {
        r->newest_s = rec->start_s;
    }
    ignore_result(group_of(r, rec) != NULL, "of more groups than the limit some are not listed");
    return 0;
}

static bool sketch_of(struct restoring *r, const struct users_record *rec, struct hll *ret)
{
    bool good = hll_decode_into(ret, rec->sketch, NULL) == 0;

    r->damaged += !good;
    return good;
}

static int take_tick(void *arg, const struct users_record *rec)
{
    struct restoring *r = arg;
    struct users_group *g = group_of(r, rec);
    struct hll h CLEANUP(hll_done) = {0};

    if (g == NULL || !sketch_of(r, rec, &h)) {
        return 0;
    }
    mutex_lock(&g->lock);
    if (rec->identity == g->identity && rec->start_s > r->now_s - USERS_WINDOW_S &&
        rec->start_s <= r->now_s) {
        users_ring_add(r->u, g, rec->start_s, &h);
    }
    users_slot_add(r->u, g, USERS_1M, users_floor(rec->start_s, 60), r->now_s, rec->identity, &h);
    mutex_unlock(&g->lock);
    return 0;
}

/* The slots around the newest minute. */
static int take_slot(void *arg, const struct users_record *rec)
{
    struct restoring *r = arg;
    struct users_group *g;
    struct hll h CLEANUP(hll_done) = {0};
    int64_t hour = users_floor(r->newest_s, 3600);
    int64_t day = users_floor(r->newest_s, 86400);

    if (rec->start_s < (rec->level == USERS_1M ? hour : day)) {
        return 0;
    }
    g = group_of(r, rec);
    if (g == NULL || !sketch_of(r, rec, &h)) {
        return 0;
    }
    mutex_lock(&g->lock);
    if (rec->level == USERS_1M) {
        if (rec->start_s >= users_floor(r->newest_s, 300)) {
            users_slot_add(r->u, g, USERS_5M, users_floor(rec->start_s, 300), r->now_s,
                           rec->identity, &h);
        }
        users_slot_add(r->u, g, USERS_1H, users_floor(rec->start_s, 3600), r->now_s, rec->identity,
                       &h);
    }
    users_slot_add(r->u, g, USERS_1D, users_floor(rec->start_s, 86400), r->now_s, rec->identity,
                   &h);
    mutex_unlock(&g->lock);
    return 0;
}

static int scan(struct restoring *r, enum users_level l, int64_t from_s,
                int (*fn)(void *arg, const struct users_record *rec), struct err *reterr)
{
    const struct users_scan s = {
        .level = l, .from_s = from_s, .to_s = INT64_MAX, .fn = fn, .arg = r};

    return users_files_scan(r->u->files, &s, reterr);
}

int users_restore(struct users *u, int64_t now_s, struct err *reterr)
{
    struct restoring r = {.u = u, .now_s = now_s};
    int64_t newest = users_files_newest_s(u->files, USERS_1M);
    int rc = scan(&r, USERS_1D, now_s - NAMES_S, take_name, reterr);

    rc = rc < 0 ? rc : scan(&r, USERS_1M, newest > 0 ? newest : 0, take_name, reterr);
    if (rc == 0 && r.newest_s != 0) {
        rc = scan(&r, USERS_1M, r.newest_s, take_slot, reterr);
        rc = rc < 0 ? rc : scan(&r, USERS_1H, r.newest_s, take_slot, reterr);
    }
    return rc < 0 ? rc : scan(&r, USERS_2S, 0, take_tick, reterr);
}
