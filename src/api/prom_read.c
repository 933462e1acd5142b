/* SPDX-License-Identifier: Apache-2.0
 *
 * What another Prometheus reads: /api/v1/read (remote read), answered as SAMPLES or as a stream of chunks, whichever the
 * client names first. Sources: Prometheus documentation, remote read API; prompb/remote.proto.
 */
#include "api/api_internal.h"

#include "api/native_encode.h"
#include "api/prom_read.h"
#include "api/selectors.h"
#include "codec/compress.h"
#include "codec/pb.h"

enum {
    READ_BODY_MAX = 4 << 20,
    READ_ANSWER_MAX = 256 << 20,
    READ_SAMPLES = 0, /* response types */
    READ_STREAMED_XOR_CHUNKS = 1,
};

static struct series_source metrics(const struct api *a)
{
    return tsdb_source(store_metrics(api_backend((struct api *)(uintptr_t)a)->store));
}

void read_request_done(struct read_request *r)
{
    for (size_t i = 0; i < r->queries.n; i++) {
        struct read_query *q = r->queries.v[i];

        for (size_t k = 0; k < q->n; k++) {
            matcher_free(q->m[k]);
        }
        mem_free(q);
    }
    vec_done(&r->queries);
}

struct series_query read_series_query(const struct read_query *q)
{
    return (struct series_query){.matchers = (const struct matcher *const *)q->m,
                                 .matchers_n = q->n,
                                 .min_ms = q->start_ms,
                                 .max_ms = q->end_ms,
                                 .max_series = READ_SERIES_MAX,
                                 .want = SERIES_ALL};
}

void read_put_labels(struct labels ls, struct buf *dst)
{
    for (size_t i = 0; i < ls.n; i++) {
        size_t label = pb_begin(dst, 1);

        pb_put_str(dst, 1, ls.v[i].name);
        pb_put_str(dst, 2, ls.v[i].value);
        pb_end(dst, label);
    }
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

    read_put_labels(ls, dst);
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
    struct series_query sq = read_series_query(q);
    struct series_selection *sel = NULL;
    struct both b CLEANUP(both_done) = {0};
    size_t result = pb_begin(dst, 1);
    int rc;

    sq.cancel = http_cancel(x);
    rc = src.ops->select(src.impl, &sq, &sel, e);

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

static int add_query(struct pb msg, struct read_request *r, struct err *e)
{
    struct read_query *q = mem_try_calloc(1, sizeof(*q));

    if (r->queries.n == READ_QUERIES_MAX) {
        mem_free(q);
        return err_set(e, ERR_INVALID, "more than %d queries", READ_QUERIES_MAX);
    }
    if (q == NULL || !vec_push(&r->queries, q)) {
        mem_free(q);
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    return read_one_query(msg, q, e);
}

/** The first response type that is known counts. */
static void note_type(uint64_t type, struct read_request *r, bool *given, bool *chosen)
{
    *given = true;
    if (!*chosen && (type == READ_SAMPLES || type == READ_STREAMED_XOR_CHUNKS)) {
        *chosen = true;
        r->streamed = type == READ_STREAMED_XOR_CHUNKS;
    }
}

static int parse_request(struct str packed, struct read_request *r, struct err *e)
{
    struct buf body CLEANUP(buf_done) = {0};
    bool given = false;
    bool chosen = false;
    struct pb_field f;
    struct pb msg;
    int rc;

    buf_init(&body, READ_BODY_MAX);
    rc = decompress(COMPRESS_SNAPPY, packed, &body, e);
    if (rc != 0) {
        return rc;
    }
    msg = pb_init(buf_str(&body));
    while ((rc = pb_next(&msg, &f, e)) > 0) {
        if (f.tag == PB_TAG(1, PB_LEN)) {
            rc = add_query(pb_sub(&msg, f.s), r, e);
            if (rc != 0) {
                return rc;
            }
        } else if (f.tag == PB_TAG(2, PB_VARINT)) {
            note_type(f.u, r, &given, &chosen);
        } else if (f.tag == PB_TAG(2, PB_LEN)) {
            for (size_t i = 0; i < f.s.n; i++) { /* packed; the known ones are one byte long */
                note_type((uint8_t)f.s.p[i], r, &given, &chosen);
            }
        }
    }
    if (rc == 0 && given && !chosen) {
        rc = err_set(e, ERR_INVALID, "none of the accepted response types is known");
    }
    return rc;
}

static void remote_read(void *arg, struct http_exchange *x)
{
    struct read_request r CLEANUP(read_request_done) = {0};
    struct buf plain CLEANUP(buf_done) = {0};
    struct err e = {0};
    struct buf packed;
    int rc = parse_request(http_body(x), &r, &e);

    if (rc == 0 && r.streamed) {
        read_stream(x, metrics(arg), &r);
        return;
    }
    buf_init(&plain, READ_ANSWER_MAX);
    buf_init(&packed, READ_ANSWER_MAX);
    for (size_t i = 0; rc == 0 && i < r.queries.n; i++) {
        rc = answer_query(arg, x, r.queries.v[i], &plain, &e);
    }
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
