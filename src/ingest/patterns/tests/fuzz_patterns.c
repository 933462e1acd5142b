/* SPDX-License-Identifier: Apache-2.0
 *
 * Any lines, one miner: ids are given within the limits, the same line twice in a row has one id once its template
 * is known, and a template taken back from its text fits its frame.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "ingest/patterns/drain.h"
#include "ingest/patterns/mask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void match(struct drain *d, struct str masked, int64_t now, struct drain_result *r)
{
    drain_match(d, STR("s"), masked, now, r);
    while (r->merged != NULL) {
        struct cluster *c = r->merged;

        r->merged = c->next;
        drain_free(c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct drain_limits limits = {
        .services = 2, .service_clusters = 8, .clusters = 100, .idle_ns = 3};
    struct str rest = str_of((const char *)data, size);
    struct str body;
    struct drain d;
    int64_t now = 0;

    drain_init(&d, &limits);
    while (str_split(&rest, 0x1e, &body)) {
        char out[MASK_OUT_MAX];
        struct drain_result a;
        struct drain_result b;
        size_t n = mask_body(mask_message(body), out);

        if (n > sizeof(out)) {
            abort();
        }
        match(&d, str_of(out, n), ++now, &a);
        match(&d, str_of(out, n), now, &b);
        if (a.id != b.id || b.changed || d.clusters_n > limits.service_clusters) {
            abort();
        }
        if (b.cluster != NULL &&
            !drain_adopt(b.cluster, b.id, str_of(b.cluster->text, b.cluster->text_n))) {
            abort();
        }
    }
    drain_done(&d);
    return 0;
}
