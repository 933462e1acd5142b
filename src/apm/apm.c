/* SPDX-License-Identifier: Apache-2.0
 *
 * The engines in the order they are made; they end in the opposite one.
 */
#include "apm/apm.h"

#include "base/alloc.h"

struct apm {
    struct apm_opts opts;
    struct topology *topology;
    struct span_watch watches[APM_WATCHES];
    size_t watches_n;
};

static void watch(struct apm *a,
                  void (*seen)(void *arg, const struct span *spans, size_t n, int64_t wall_ms),
                  void *arg)
{
    a->watches[a->watches_n++] = (struct span_watch){.arg = arg, .seen = seen};
}

int apm_open(const struct apm_opts *opts, struct apm **ret, struct err *reterr)
{
    struct apm *a = mem_xcalloc(1, sizeof(*a));
    const struct topology_opts topology = {.db = store_metrics(opts->store), .stats = opts->stats};
    int rc;

    a->opts = *opts;
    rc = topology_new(&topology, &a->topology, reterr);
    if (rc < 0) {
        apm_close(a);
        return rc;
    }
    watch(a, topology_seen, a->topology);
    *ret = a;
    return 0;
}

void apm_close(struct apm *a)
{
    if (a != NULL) {
        topology_free(a->topology);
    }
    mem_free(a);
}

struct topology *apm_topology(struct apm *a)
{
    return a->topology;
}

size_t apm_watches(struct apm *a, const struct span_watch **ret)
{
    *ret = a->watches;
    return a->watches_n;
}
