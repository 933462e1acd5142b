/* SPDX-License-Identifier: Apache-2.0
 *
 * Native histograms as text: the HTTP API's JSON, and the form count_values() makes labels of.
 */
#include "base/decimal.h"
#include "query/promql/gotext.h"
#include "query/promql/hist.h"

static void add_number(double v, struct buf *dst)
{
    char text[DECIMAL_TEXT_MAX];

    buf_add_byte(dst, '"');
    buf_add(dst, text, go_f64_json(v, text));
    buf_add_byte(dst, '"');
}

void hist_add_json(const struct native_histogram *h, struct buf *dst)
{
    struct native_iter it = native_iter(h, false);
    struct native_range r;
    bool first = true;

    buf_add_cstr(dst, "{\"count\":");
    add_number(h->count, dst);
    buf_add_cstr(dst, ",\"sum\":");
    add_number(h->sum, dst);
    while (native_next(&it, &r)) {
        if (r.count == 0) {
            continue;
        }
        buf_add_cstr(dst, first ? ",\"buckets\":[[" : ",[");
        first = false;
        buf_add_u64(dst, (uint64_t)r.ends);
        buf_add_byte(dst, ',');
        add_number(r.lower, dst);
        buf_add_byte(dst, ',');
        add_number(r.upper, dst);
        buf_add_byte(dst, ',');
        add_number(r.count, dst);
        buf_add_byte(dst, ']');
    }
    buf_add_cstr(dst, first ? "}" : "]}");
}

void hist_add_text(const struct native_histogram *h, struct buf *dst)
{
    struct native_iter it = {.h = h, .raw = true};
    struct native_range r;

    buf_add_cstr(dst, "{count:");
    go_add_f64_v(dst, h->count);
    buf_add_cstr(dst, ", sum:");
    go_add_f64_v(dst, h->sum);
    while (native_next(&it, &r)) {
        if (r.count == 0) {
            continue;
        }
        buf_add_cstr(dst, r.ends == NATIVE_LOWER || r.ends == NATIVE_BOTH ? ", [" : ", (");
        go_add_f64_v(dst, r.lower);
        buf_add_byte(dst, ',');
        go_add_f64_v(dst, r.upper);
        buf_add_cstr(dst, r.ends == NATIVE_UPPER || r.ends == NATIVE_BOTH ? "]:" : "):");
        go_add_f64_v(dst, r.count);
    }
    buf_add_byte(dst, '}');
}
