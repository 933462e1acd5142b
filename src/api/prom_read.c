/* SPDX-License-Identifier: Apache-2.0
 *
 * What another Prometheus reads: /api/v1/read (remote read), always answered as SAMPLES, the response type every client
 * must take. Sources: Prometheus documentation, remote read API; prompb/remote.proto.
 */
#include "api/api_internal.h"

#include "api/native_encode.h"
#include "api/selectors.h"
#include "codec/compress.h"
#include "codec/pb.h"

enum {
    READ_BODY_MAX = 4 << 20,
    READ_ANSWER_MAX = 256 << 20,
    READ_MATCHERS_MAX = 256,
    READ_SERIES_MAX = 1000000,
};

static struct series_source metrics(const struct api *a)
{
    return tsdb_source(store_metrics(api_backend((struct api *)(uintptr_t)a)->store));
}

struct read_query {
    int64_t start_ms;
    int64_t end_ms;
    struct matcher *m[READ_MATCHERS_MAX];
    size_t n;
};

static void read_query_done(struct read_query *q)
{
    for (size_t i = 0; i < q->n; i++) {
        matcher_free(q->m[i]);
    }
    q->n = 0;
}

static int read_matcher(struct pb msg, struct read_query *q, struct err *e)
{
    static const enum match_op ops[] = {MATCH_EQ, MATCH_NEQ, MATCH_RE, MATCH_NRE};
    struct str name = STR("");
    struct str value = STR("");
    struct pb_field f;
    uint64_t op = 0;
    int rc;

    while ((rc = pb_next(&msg, &f, e)) > 0) {
        if (f.tag == PB_TAG(1, PB_VARINT)) {
            op = f.u;
        } else if (f.tag == PB_TAG(2, PB_LEN)) {
            name = f.s;
        } else if (f.tag == PB_TAG(3, PB_LEN)) {
            value = f.s;
        }
    }
    if (rc == 0 && (op >= ARRAY_LEN(ops) || q->n == READ_MATCHERS_MAX)) {
        rc = err_set(e, ERR_INVALID, "unknown kind of matcher, or more than %d", READ_MATCHERS_MAX);
    }
    rc = rc != 0 ? rc : matcher_new(ops[op], name, value, &q->m[q->n], e);
    q->n += rc == 0;
    return rc;
}

static int read_one_query(struct pb msg, struct read_query *q, struct err *e)
{
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, e)) > 0) {
        if (f.tag == PB_TAG(1, PB_VARINT)) {
            q->start_ms = (int64_t)f.u;
        } else if (f.tag == PB_TAG(2, PB_VARINT)) {
            q->end_ms = (int64_t)f.u;
        } else if (f.tag == PB_TAG(3, PB_LEN)) {
            rc = read_matcher(pb_sub(&msg, f.s), q, e);
            if (rc != 0) {
                return rc;
            }
        }
    }
    return rc == 0 && q->n == 0 ? err_set(e, ERR_INVALID, "a query without matchers") : rc;
}

/** A series with both kinds of samples. */
struct both {
    struct samples floats;
    struct native_samples natives;
};

static void both_done(struct both *b)
{
    samples_done(&b->floats);
    native_samples_done(&b->natives);
}

static int read_both(const struct series_source *src, struct series_selection *sel, size_t i,
                     struct both *b, struct err *e)
{
    int rc = src->ops->read(sel, i, &b->floats, e);

    b->natives.n = 0;
    if (rc == 0 && src->ops->has_histograms != NULL && src->ops->has_histograms(sel, i)) {
        rc = src->ops->read_histograms(sel, i, &b->natives, e);
    }
    return rc;
}

static void write_series(struct labels ls, const struct both *b, struct buf *dst)
{
    size_t series = pb_begin(dst, 1);

    for (size_t i = 0; i < ls.n; i++) {
        size_t label = pb_begin(dst, 1);

        pb_put_str(dst, 1, ls.v[i].name);
        pb_put_str(dst, 2, ls.v[i].value);
        pb_end(dst, label);
    }
    for (size_t i = 0; i < b->floats.n; i++) {
        size_t sample = pb_begin(dst, 2);

        pb_put_f64(dst, 1, b->floats.v[i]);
        pb_put_varint(dst, 2, (uint64_t)b->floats.t_ms[i]);
        pb_end(dst, sample);
    }
    for (size_t i = 0; i < b->natives.n; i++) {
        size_t histogram = pb_begin(dst, 4);

        native_encode(NATIVE_WRITE, &b->natives.v[i], dst);
        pb_put_varint(dst, 15, (uint64_t)b->natives.t_ms[i]);
        pb_end(dst, histogram);
    }
    pb_end(dst, series);
}

static int answer_query(struct api *a, struct http_exchange *x, const struct read_query *q,
                        struct buf *dst, struct err *e)
{
    const struct series_source src = metrics(a);
    const struct series_query sq = {.matchers = (const struct matcher *const *)q->m,
                                    .matchers_n = q->n,
                                    .min_ms = q->start_ms,
                                    .max_ms = q->end_ms,
                                    .max_series = READ_SERIES_MAX,
                                    .want = SERIES_ALL,
                                    .cancel = http_cancel(x)};
    struct series_selection *sel = NULL;
    struct both b CLEANUP(both_done) = {0};
    size_t result = pb_begin(dst, 1);
    int rc = src.ops->select(src.impl, &sq, &sel, e);

    for (size_t i = 0; rc == 0 && i < src.ops->count(sel); i++) {
        rc = read_both(&src, sel, i, &b, e);
        if (rc == 0 && (b.floats.n != 0 || b.natives.n != 0)) {
            write_series(src.ops->labels(sel, i), &b, dst);
        }
        if (rc == 0 && dst->failed) {
            rc = err_set(e, ERR_LIMIT, "the answer is larger than %d bytes", READ_ANSWER_MAX);
        }
    }
    pb_end(dst, result);
    src.ops->free(sel);
    return rc;
}

static int answer_read(struct api *a, struct http_exchange *x, struct buf *dst, struct err *e)
{
    struct buf body CLEANUP(buf_done) = {0};
    struct pb msg;
    struct pb_field f;
    int rc;

    buf_init(&body, READ_BODY_MAX);
    rc = decompress(COMPRESS_SNAPPY, http_body(x), &body, e);
    if (rc != 0) {
        return rc;
    }
    msg = pb_init(buf_str(&body));
    while ((rc = pb_next(&msg, &f, e)) > 0) {
        struct read_query q CLEANUP(read_query_done) = {0};

        if (f.tag != PB_TAG(1, PB_LEN)) {
            continue; /* whatever answers are accepted, samples always are */
        }
        rc = read_one_query(pb_sub(&msg, f.s), &q, e);
        rc = rc != 0 ? rc : answer_query(a, x, &q, dst, e);
        if (rc != 0) {
            return rc;
        }
    }
    return rc;
}

static void remote_read(void *arg, struct http_exchange *x)
{
    struct buf plain CLEANUP(buf_done) = {0};
    struct err e = {0};
    struct buf packed;
    int rc;

    buf_init(&plain, READ_ANSWER_MAX);
    buf_init(&packed, READ_ANSWER_MAX);
    rc = answer_read(arg, x, &plain, &e);
    rc = rc != 0 ? rc : compress_to(COMPRESS_SNAPPY, buf_str(&plain), 0, &packed, &e);
    if (rc < 0) {
        buf_done(&packed);
        respond_err(x, rc, &e);
        return;
    }
    http_set_header(x, "Content-Encoding", "snappy");
    http_respond_take(x, 200, "application/x-protobuf", &packed);
}

void prom_read_routes(struct api *a, struct http_server *s)
{
    const struct http_route routes[] = {
        {"POST", "/api/v1/read", remote_read, a, HTTP_WORKER, READ_BODY_MAX,
         NEED_READ | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
