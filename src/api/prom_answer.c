/* SPDX-License-Identifier: Apache-2.0
 *
 * Small answers are written whole; of a large one the result is kept and its text made piece by piece, since the
 * text of a matrix is twice its size in memory and a slow reader would hold both.
 */
#include "api/prom_answer.h"

#include "api/api_internal.h"
#include "codec/json_write.h"

enum { WHOLE_MAX = 1 << 20 };

struct answer {
    struct promql_result *result;
    struct promql_json json;
    struct buf begun; /* written before it was known to be large */
    bool ended;
    bool cut; /* not all series are shown */
};

static void write_texts(struct json_writer *w, const char *key, const struct str *v, size_t n)
{
    if (n != 0) {
        json_key(w, key);
        json_array_begin(w);
        for (size_t i = 0; i < n; i++) {
            json_str(w, v[i]);
        }
        json_array_end(w);
    }
}

static void write_warnings(struct json_writer *w, const struct promql_result *r, bool cut)
{
    if (r->warnings_n == 0 && !cut) {
        return;
    }
    json_key(w, "warnings");
    json_array_begin(w);
    if (cut) {
        json_cstr(w, "results truncated due to limit");
    }
    for (size_t i = 0; i < r->warnings_n; i++) {
        json_str(w, r->warnings[i]);
    }
    json_array_end(w);
}

static void write_end(const struct answer *a, struct buf *dst)
{
    const struct promql_result *r = a->result;
    struct json_writer w;

    json_init(&w, dst);
    w.comma = true; /* goes on after "data" */
    write_warnings(&w, r, a->cut);
    write_texts(&w, "infos", r->infos, r->infos_n);
    json_object_end(&w);
}

static int answer_next(void *arg, struct buf *dst)
{
    struct answer *a = arg;

    if (a->begun.n != 0) {
        buf_add_str(dst, buf_str(&a->begun));
        buf_done(&a->begun);
        buf_init(&a->begun, 0);
    } else if (!a->ended && !promql_json_next(&a->json, dst)) {
        write_end(a, dst);
        a->ended = true;
    }
    return buf_status(dst);
}

static void answer_free(void *arg)
{
    struct answer *a = arg;

    promql_result_free(a->result);
    buf_done(&a->begun);
    mem_free(a);
}

void prom_answer(struct http_exchange *x, struct promql_result *r, size_t limit)
{
    struct answer *a = mem_xcalloc(1, sizeof(*a));
    bool more = true;

    a->result = r;
    a->cut = limit != 0 && r->series_n > limit;
    r->series_n = a->cut ? limit : r->series_n;
    a->json = (struct promql_json){.result = r, .with_stats = http_param(x, "stats").n != 0};
    buf_init(&a->begun, RESPONSE_MAX);
    buf_add_cstr(&a->begun, "{\"status\":\"success\",\"data\":");
    while (more && a->begun.n < WHOLE_MAX && !a->begun.failed) {
        more = promql_json_next(&a->json, &a->begun);
    }
    if (more && !a->begun.failed) {
        http_respond_source(x, 200, "application/json",
                            &(struct http_source){answer_next, answer_free, a});
        return;
    }
    write_end(a, &a->begun);
    respond_json(x, 200, &a->begun);
    answer_free(a);
}
