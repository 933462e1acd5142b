/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the body of a row of cells: refused, or keys within bounds that rise, which encode to what decodes to
 * the same.
 */
#include <stdlib.h>

#include "apm/tmap_table.h"
#include "base/err.h"

enum { MAX = TMAP_BUCKETS * TMAP_CLASSES };

struct seen {
    struct tmap_slot v[MAX];
    size_t n;
};

static void on_cell(void *arg, uint64_t key, uint64_t n)
{
    struct seen *s = arg;

    if (s->n == MAX || tmap_key_bucket(key) >= TMAP_BUCKETS ||
        tmap_key_class(key) >= TMAP_CLASSES || (s->n != 0 && key < s->v[s->n - 1].key)) {
        abort();
    }
    s->v[s->n++] = (struct tmap_slot){key, n};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct seen first;
    static struct seen second;
    struct buf b CLEANUP(buf_done);

    first.n = 0;
    second.n = 0;
    buf_init(&b, 1 << 20);
    if (tmap_row_decode(str_of((const char *)data, size), on_cell, &first) < 0) {
        return 0;
    }
    tmap_row_encode(first.v, first.n, &b);
    if (b.failed || tmap_row_decode(buf_str(&b), on_cell, &second) < 0 || first.n != second.n ||
        (first.n != 0 && memcmp(first.v, second.v, first.n * sizeof(first.v[0])) != 0)) {
        abort();
    }
    return 0;
}
