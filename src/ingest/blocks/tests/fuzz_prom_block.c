/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as index, chunks and tombstones, with checksums left alone: samples come out in rising order.
 * Input: u16 length of the chunks, u16 of the tombstones, both, the rest is the index.
 */
#include <stdlib.h>

#include "base/err.h"
#include "ingest/blocks/block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int check(void *arg, struct labels labels, const struct samples *s, struct err *reterr)
{
    (void)arg;
    (void)labels;
    (void)reterr;
    for (size_t i = 1; i < s->n; i++) {
        if (s->t_ms[i - 1] >= s->t_ms[i]) {
            abort();
        }
    }
    return 0;
}

static int check_histogram(void *arg, struct labels labels, int64_t t_ms,
                           const struct native_histogram *h, struct err *reterr)
{
    (void)arg;
    (void)labels;
    (void)t_ms;
    (void)reterr;
    if (!sample_is_stale(h->sum) && native_validate(h, false, NULL) < 0) {
        abort();
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct prom_block_visitor v = {NULL, check, check_histogram};
    struct str rest = str_of((const char *)data, n);
    struct str chunks;
    struct str tombstones;
    struct prom_block *b = NULL;
    struct prom_block_counts counts;
    size_t chunks_n;
    size_t tombstones_n;

    if (n < 4) {
        return 0;
    }
    chunks_n = (size_t)data[0] << 8 | data[1];
    tombstones_n = (size_t)data[2] << 8 | data[3];
    rest = str_drop(rest, 4);
    chunks = str_take(rest, chunks_n < rest.n ? chunks_n : rest.n);
    rest = str_drop(rest, chunks.n);
    tombstones = str_take(rest, tombstones_n < rest.n ? tombstones_n : rest.n);
    rest = str_drop(rest, tombstones.n);
    if (prom_block_parse(rest, &chunks, 1, tombstones, true, &b, NULL) == 0) {
        ignore_result(prom_block_each(b, &v, &counts, NULL), "any end is fine");
        prom_block_close(b);
    }
    return 0;
}
