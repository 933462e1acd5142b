/* SPDX-License-Identifier: Apache-2.0
 *
 * The engines in the order they are made; they end in the opposite one.
 */
#include "apm/apm.h"

#include "apm/live.h"
#include "apm/naming.h"
#include "apm/settings_store.h"
#include "apm/users.h"

#include "base/alloc.h"
#include "base/err.h"
#include "io/vfs.h"

struct apm {
    struct apm_opts opts;
    struct topology *topology;
    struct tmap *tmap;
    struct transactions *transactions;
    struct naming *naming;
    struct live *live;
    struct settings_store *settings;
    struct users *users;
    struct span_watch watches[APM_WATCHES];
    size_t watches_n;
};

static void watch(struct apm *a,
                  void (*seen)(void *arg, const struct span *spans, size_t n, int64_t wall_ms),
                  void *arg)
{
    a->watches[a->watches_n++] = (struct span_watch){.arg = arg, .seen = seen};
}

static int open_live(struct apm *a, struct err *reterr)
{
    struct live_opts o = {.metrics = store_metrics(a->opts.store), .stats = a->opts.stats};
    int rc;

    a->naming = naming_new();
    o.naming = a->naming;
    a->live = live_new(&o);
    if (a->naming == NULL || a->live == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    rc = settings_store_open(store_meta(a->opts.store), a->naming, a->live, &a->settings, reterr);
    rc = rc < 0 ? rc : live_start(a->live, reterr);
    if (rc == 0) {
        watch(a, live_seen, a->live);
    }
    return rc;
}

static int open_users(struct apm *a, struct err *reterr)
{
    char *dir CLEANUP(mem_free_ptr) = vfs_join(a->opts.data, "users");
    const struct users_opts o = {.dir = dir,
                                 .meta = store_meta(a->opts.store),
                                 .metrics = store_metrics(a->opts.store),
                                 .stats = a->opts.stats};

    return users_open(&o, &a->users, reterr);
}

static int open_transactions(struct apm *a, struct err *reterr)
{
    const struct tmap_opts to = {.cells = store_tmap(a->opts.store),
                                 .transactions = store_transactions(a->opts.store),
                                 .stats = a->opts.stats};
    struct transactions_opts o = {.rows = store_transactions(a->opts.store),
                                  .naming = a->naming,
                                  .users = a->opts.transaction_users,
                                  .stats = a->opts.stats};
    struct store_usage usage;
    int rc = tmap_open(&to, &a->tmap, reterr);

    store_usage(a->opts.store, &usage);
    o.retention_ms = usage.signals[STORE_TRANSACTIONS].retention_ms;
    o.tmap = a->tmap;
    rc = rc < 0 ? rc : transactions_new(&o, &a->transactions, reterr);
    if (rc == 0) {
        watch(a, transactions_seen, a->transactions);
    }
    return rc;
}

int apm_open(const struct apm_opts *opts, struct apm **ret, struct err *reterr)
{
    struct apm *a = mem_xcalloc(1, sizeof(*a));
    const struct topology_opts topology = {.db = store_metrics(opts->store), .stats = opts->stats};
    int rc;

    a->opts = *opts;
    rc = open_live(a, reterr);
    rc = rc < 0 ? rc : topology_new(&topology, &a->topology, reterr);
    rc = rc < 0 ? rc : open_users(a, reterr);
    rc = rc < 0 ? rc : open_transactions(a, reterr);
    if (rc < 0) {
        apm_close(a);
        return rc;
    }
    watch(a, topology_seen, a->topology);
    watch(a, users_seen, a->users);
    *ret = a;
    return 0;
}

void apm_close(struct apm *a)
{
    if (a == NULL) {
        return;
    }
    users_close(a->users);
    transactions_free(a->transactions);
    tmap_close(a->tmap);
    topology_free(a->topology);
    live_free(a->live);
    settings_store_close(a->settings);
    naming_free(a->naming);
    mem_free(a);
}

struct tmap *apm_tmap(struct apm *a)
{
    return a->tmap;
}

struct topology *apm_topology(struct apm *a)
{
    return a->topology;
}

struct users *apm_users(struct apm *a)
{
    return a->users;
}

size_t apm_watches(struct apm *a, const struct span_watch **ret)
{
    *ret = a->watches;
    return a->watches_n;
}

struct naming *apm_naming(struct apm *a)
{
    return a->naming;
}

struct live *apm_live(struct apm *a)
{
    return a->live;
}

struct settings_store *apm_settings(struct apm *a)
{
    return a->settings;
}
