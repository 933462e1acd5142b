/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by traces.c and logs.c; see rows.h.
 */
#include "api/rows.h"

#include <stdio.h>

#include "base/cancel.h"

struct columns_query rows_query(struct http_exchange *x, struct time_range r,
                                const struct row_filter *f, int64_t timeout_ms)
{
    http_cancel(x)->deadline = mono_add_ms(clock_mono(), timeout_ms);
    return (struct columns_query){.min_ns = r.start_ms * 1000000,
                                  .max_ns = r.end_ms * 1000000,
                                  .filter = f->root,
                                  .cancel = http_cancel(x)};
}

void json_cursor(struct json_writer *w, struct cursor c)
{
    char text[48];

    snprintf(text, sizeof(text), "%lld-%llu", (long long)c.before_ns,
             (unsigned long long)c.before_id);
    json_key(w, "next_cursor");
    json_cstr(w, text);
}

void json_scan_stats(struct json_writer *w, const struct scan_stats *s, struct mono since)
{
    json_key(w, "stats");
    json_object_begin(w);
    json_key(w, "rows_scanned");
    json_u64(w, s->rows_scanned);
    json_key(w, "blocks_read");
    json_u64(w, s->blocks_read);
    json_key(w, "blocks_pruned");
    json_u64(w, s->blocks_pruned);
    json_key(w, "elapsed_ms");
    json_f64(w, (double)mono_since_ns(since) / 1e6);
    json_object_end(w);
}

int param_counts(const struct http_exchange *x, struct counts_request *ret, struct err *reterr)
{
    int rc = param_range(x, &ret->range, reterr);

    rc = rc < 0 ? rc : param_i64(x, "buckets", 1, 500, 60, &ret->buckets, reterr);
    if (rc == 0) {
        ret->step_ms = (ret->range.end_ms - ret->range.start_ms + ret->buckets - 1) / ret->buckets;
    }
    return rc;
}

void json_counts_begin(struct json_writer *w, const struct counts_request *r)
{
    json_object_begin(w);
    json_key(w, "start_ms");
    json_i64(w, r->range.start_ms);
    json_key(w, "step_ms");
    json_i64(w, r->step_ms);
    json_key(w, "series");
    json_array_begin(w);
}

void json_counts_series(struct json_writer *w, const char *name, const struct counts_request *r,
                        const struct columns_groups *groups,
                        bool (*belongs)(struct str group, int which), int which)
{
    json_object_begin(w);
    json_key(w, "name");
    json_cstr(w, name);
    json_key(w, "counts");
    json_array_begin(w);
    for (int64_t i = 0; i < r->buckets; i++) {
        uint64_t count = 0;

        for (size_t g = 0; g < groups->n; g++) {
            const struct columns_group *v = &groups->v[g];

            count += belongs(v->value, which) ? v->counts[i] : 0;
        }
        json_u64(w, count);
    }
    json_array_end(w);
    json_object_end(w);
}

void json_counts_end(struct json_writer *w)
{
    json_array_end(w);
    json_object_end(w);
}
