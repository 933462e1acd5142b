/* SPDX-License-Identifier: Apache-2.0
 *
 * A request run to its end on the calling thread.
 */
#include "ingest/scrape/fetch.h"

enum { STOP_CHECK_MS = 200 };

struct run {
    const struct fetch *f;
    struct buf *answer;
    struct err err;
    int rc;
    int status;
    bool done;
};

static void on_done(void *arg, const struct http_multi_result *r)
{
    struct run *run = arg;

    run->done = true;
    run->rc = r->rc;
    run->status = r->status;
    if (r->rc < 0) {
        run->err = *r->err;
    } else if (run->answer != NULL) {
        buf_add_str(run->answer, buf_str(r->body));
        if (buf_status(run->answer) < 0) {
            run->rc = err_set(&run->err, ERR_TOO_LARGE, "the answer is larger than %zu bytes",
                              run->answer->max);
        }
    }
}

static bool on_data(void *arg, int status, struct str piece)
{
    struct run *run = arg;

    return run->f->data(run->f->arg, status, piece);
}

static bool stopped(const struct fetch *f)
{
    return f->stop != NULL && atomic_load_explicit(f->stop, memory_order_relaxed);
}

int fetch(const struct fetch *f, int *ret_status, struct buf *answer, struct err *reterr)
{
    const struct http_multi_opts o = {.max_connections = 4};
    struct http_multi *m = f->multi != NULL ? f->multi : http_multi_new(&o);
    struct run run = {.f = f, .answer = answer};
    const struct http_multi_request r = {.profile = f->profile,
                                         .url = f->url,
                                         .headers = f->headers,
                                         .body = f->body,
                                         .timeout_ms = f->timeout_ms,
                                         .stall_ms = f->stall_ms,
                                         .max_response = f->max_response,
                                         .data = f->data != NULL ? on_data : NULL,
                                         .done = on_done,
                                         .arg = &run};
    struct http_transfer *t = NULL;
    int rc = m != NULL ? http_multi_start(m, &r, &t, reterr)
                       : err_set(reterr, ERR_NOMEM, "no memory for an HTTP client");

    while (rc == 0 && !run.done && !stopped(f)) {
        http_multi_run(m, STOP_CHECK_MS);
    }
    if (rc == 0 && !run.done) {
        http_multi_cancel(m, t);
        rc = err_set(reterr, ERR_CANCELED, "stopped");
    } else if (rc == 0) {
        rc = run.rc;
        if (rc < 0 && reterr != NULL) {
            *reterr = run.err;
        }
        *ret_status = run.status;
    }
    if (f->multi == NULL) {
        http_multi_free(m);
    }
    return rc;
}
