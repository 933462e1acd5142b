/* SPDX-License-Identifier: Apache-2.0
 *
 * Records are drawn in order of time, then sorted by stream; the dice depend on the seed and the request only.
 */
#include "model.h"

#include <stdlib.h>

#include "base/hash.h"
#include "lib/otlp.h"
#include "streams.h"

static void make_record(struct dice *d, struct arena *a, const struct stream *s,
                        struct log_record *ret)
{
    struct line l = {.dice = d, .arena = a, .record = ret, .stream = s->number};
    time_t seconds = (time_t)(ret->time_ns / 1000000000);

    l.attrs = arena_array(a, struct attr, LINE_ATTRS_MAX);
    l.us = ret->time_ns % 1000000000 / 1000;
    (void)gmtime_r(&seconds, &l.tm);
    s->line(&l);
    ret->attrs = (struct attrs){l.attrs, l.attrs_n};
}

static uint64_t text_bytes(const struct log_record *r)
{
    uint64_t n = r->body.u.s.n;

    for (size_t i = 0; i < r->attrs.n; i++)
        n += r->attrs.v[i].key.n +
             (r->attrs.v[i].value.type == VALUE_STR ? r->attrs.v[i].value.u.s.n : 4);
    return n;
}

static int by_stream(const void *a, const void *b)
{
    const struct log_record *x = *(const struct log_record *const *)a;
    const struct log_record *y = *(const struct log_record *const *)b;

    if (x->resource != y->resource)
        return x->resource < y->resource ? -1 : 1;
    return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

void logs_make(const void *state, const struct load_opts *o, uint64_t r, struct arena *a,
               struct buf *dst, struct load_made *ret)
{
    const struct streams *streams = state;
    struct dice d = {hash_u64(o->seed * 1000003 + r + 1)};
    uint64_t first = r * o->batch;
    size_t n = (size_t)(o->items - first < o->batch ? o->items - first : o->batch);
    struct log_record *records = arena_calloc(a, n, sizeof *records);
    const struct log_record **order = arena_array(a, const struct log_record *, n);
    double step = o->range * 1e9 / (double)o->items;

    for (size_t i = 0; i < n; i++) {
        const struct stream *s = streams_pick(streams, &d);
        double at = (double)(first + i) * step;

        records[i].time_ns =
            o->start_ns + (int64_t)at + (int64_t)dice_below(&d, (uint64_t)step + 1);
        records[i].observed_ns = records[i].time_ns + 1000000 * (int64_t)(1 + dice_below(&d, 900));
        records[i].resource = &s->resource;
        records[i].scope = &s->scope;
        make_record(&d, a, s, &records[i]);
        ret->text_bytes += text_bytes(&records[i]);
        order[i] = &records[i];
    }
    qsort(order, n, sizeof *order, by_stream);
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;

        while (end < n && order[end]->resource == order[i]->resource)
            end++;
        otlp_put_logs(dst, order + i, end - i);
        i = end;
    }
    ret->items += n;
}
