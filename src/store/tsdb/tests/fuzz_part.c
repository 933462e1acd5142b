/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a part (u32 length of the index, index, data), checksum of the index not looked at: every
 * way of reading stays inside and ends.
 */
#include "base/alloc.h"
#include "codec/bits.h"
#include "store/tsdb/part_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int add_pair(void *arg, struct str value, uint64_t pair)
{
    struct index_view *ix = arg;
    roaring_bitmap_t *set = roaring_bitmap_create();
    uint64_t again;

    (void)ix->ops->find(ix->impl, STR("__name__"), value, &again);
    if (set != NULL) {
        ignore_result(ix->ops->add(ix->impl, pair, set), "may be corrupt");
        roaring_bitmap_free(set);
    }
    return 0;
}

static int each_name(void *arg, struct str name)
{
    struct index_view *ix = arg;

    ignore_result(ix->ops->each(ix->impl, name, STR(""), add_pair, ix), "may be corrupt");
    ignore_result(ix->ops->each(ix->impl, name, STR("m"), add_pair, ix), "may be corrupt");
    return 0;
}

static void walk(const struct part *p)
{
    static struct part_cursor c;
    struct index_view ix = part_index(p);
    struct samples samples = {0};
    struct arena a;

    arena_init(&a, 1 << 22);
    part_each_name(p, each_name, &ix);
    part_cursor_init(&c, p);
    for (uint32_t i = 0; i < part_info(p)->series_n && i < 1000; i++) {
        struct labels labels;

        arena_reset(&a);
        if (part_seek(&c, i) < 0) {
            continue;
        }
        ignore_result(part_labels(&c, &a, &labels), "may be corrupt");
        samples.n = 0;
        ignore_result(part_read(&c, INT64_MIN, INT64_MAX, &samples, NULL), "may be corrupt");
        ignore_result(part_read_newest(&c, INT64_MIN, INT64_MAX, &samples, NULL), "may be corrupt");
        samples.n = 0;
        ignore_result(part_read(&c, c.max_ms / 2 + c.min_ms / 2, INT64_MAX, &samples, NULL),
                      "may be corrupt");
    }
    samples_done(&samples);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mapping index = {data + 4, 0};
    struct mapping body;
    struct part *p = NULL;
    uint32_t n;

    if (size < 4) {
        return 0;
    }
    n = bits_get_u32(data);
    if (n > size - 4) {
        n = (uint32_t)(size - 4);
    }
    index.n = n;
    body = (struct mapping){data + 4 + n, size - 4 - n};
    if (part_parse(index, body, false, &p, NULL) == 0) {
        walk(p);
        part_forget_mappings(p);
        part_unref(p);
    }
    return 0;
}
