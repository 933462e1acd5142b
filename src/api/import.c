/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/import and what is below it: samples pushed as exposition text, CSV or JSON lines, with VictoriaMetrics' paths and
 * parameters.
 */
#include "api/import.h"

#include "codec/base64.h"
#include "codec/compress.h"
#include "ingest/ha.h"
#include "ingest/push_csv.h"
#include "ingest/push_json.h"
#include "ingest/push_text.h"

/* ---- shared ---- */

int import_body(struct http_exchange *x, struct buf *plain, struct str *ret, struct err *reterr)
{
    struct str token = http_header(x, "Content-Encoding");
    enum compression c;
    int rc;

    if (!compression_parse(str_trim(token), &c)) {
        return err_set(reterr, ERR_UNSUPPORTED,
                       "Content-Encoding \"%.*s\": gzip, deflate, zstd and snappy are known",
                       STR_ARG(token));
    }
    if (c == COMPRESS_NONE) {
        *ret = http_body(x);
        return 0;
    }
    rc = decompress(c, http_body(x), plain, reterr);
    *ret = buf_str(plain);
    return rc;
}

int import_extra(struct import *im, struct str name, struct str value, struct err *reterr)
{
    if (im->opts.extra.n == EXTRA_LABELS_MAX) {
        return err_set(reterr, ERR_INVALID, "more than %d extra labels", EXTRA_LABELS_MAX);
    }
    if (name.n == 0 || value.n == 0 || !str_is_utf8(name) || !str_is_utf8(value)) {
        return err_set(reterr, ERR_INVALID, "an extra label without a name or value");
    }
    im->extra[im->opts.extra.n++] = (struct label){name, value};
    im->opts.extra.v = im->extra;
    return 0;
}

static int extra_labels(struct http_exchange *x, struct import *im, struct err *reterr)
{
    struct str text;
    int rc = 0;

    for (size_t i = 0; rc == 0 && http_param_at(x, "extra_label", i, &text); i++) {
        int64_t eq = str_find_byte(text, '=');

        rc = eq <= 0 ? err_set(reterr, ERR_INVALID,
                               "invalid parameter \"extra_label\": NAME=VALUE is expected")
                     : import_extra(im, str_take(text, (size_t)eq), str_drop(text, (size_t)eq + 1),
                                    reterr);
    }
    return rc;
}

int import_begin(struct http_exchange *x, const char *door, struct import *ret, struct err *reterr)
{
    struct str time = http_param(x, "timestamp");
    int rc;

    *ret = (struct import){.opts = {.door = door, .now_ms = clock_wall_ms()}};
    buf_init(&ret->plain, IMPORT_BODY_MAX);
    if (time.n != 0 && !str_to_i64(time, &ret->opts.now_ms)) {
        return err_set(reterr, ERR_INVALID,
                       "invalid parameter \"timestamp\": Unix milliseconds are expected");
    }
    rc = extra_labels(x, ret, reterr);
    rc = rc < 0 ? rc : import_body(x, &ret->plain, &ret->body, reterr);
    ret->opts.reserve = (int64_t)ret->plain.cap;
    return rc;
}

void import_done(struct import *im)
{
    buf_done(&im->plain);
}

int import_status(int rc)
{
    return rc == -ERR_NOSPACE || rc == -ERR_IO || rc == -ERR_NOMEM ? 503 : err_http_status(rc);
}

void import_answer(struct http_exchange *x, int rc, const struct push_result *r,
                   const struct err *e)
{
    struct err left = {0};

    if (rc < 0) {
        respond_err(x, rc, e);
    } else if (r->first != 0) {
        err_set(&left, (enum err_code)r->first, "%zu samples left out, the others are stored; %s",
                r->rejected, r->why);
        http_respond_error(x, &left);
    } else {
        http_respond(x, 204, "text/plain", STR(""));
    }
}

/* ---- exposition text ---- */

static void push_exposition(struct api *a, struct http_exchange *x, struct import *im, int rc,
                            struct err *e)
{
    enum expo_format format = EXPO_TEXT;
    struct push_result r = {.accepted = 0};

    ignore_result(expo_format_of(http_header(x, "Content-Type"), &format),
                  "clients of this door send any type: text unless another format is named");
    rc = rc < 0 ? rc : push_text(api_backend(a)->push, &im->opts, format, im->body, &r, e);
    import_answer(x, rc, &r, e);
}

static void import_text(void *arg, struct http_exchange *x)
{
    struct import im;
    struct err e = {0};
    int rc = import_begin(x, "prometheus_import", &im, &e);

    push_exposition(arg, x, &im, rc, &e);
    import_done(&im);
}

/* Pushgateway's path: pairs LABEL/VALUE; LABEL@base64 has its value in base64url. */
static int path_labels(struct http_exchange *x, struct import *im, struct err *reterr)
{
    struct str rest = http_path_param(x, "labels");
    struct str name;
    struct str value;
    int rc = 0;

    while (rc == 0 && str_split(&rest, '/', &name)) {
        struct buf b CLEANUP(buf_done) = {0};

        if (!str_split(&rest, '/', &value) || name.n == 0) {
            return err_set(reterr, ERR_INVALID,
                           "the path has a label without a value: /metrics/job/JOB/LABEL/VALUE");
        }
        buf_init(&b, 1 << 16);
        if (str_ends(name, STR("@base64"))) {
            name = str_take(name, name.n - 7);
            if (!base64_decode(value, &b)) {
                return err_set(reterr, ERR_INVALID, "label %.*s is not base64", STR_ARG(name));
            }
            value = arena_str_dup(http_arena(x), buf_str(&b));
        }
        if (value.n != 0) {
            rc = import_extra(im, name, value, reterr);
        }
    }
    return rc;
}

static void import_pushgateway(void *arg, struct http_exchange *x)
{
    struct import im;
    struct err e = {0};
    int rc = import_begin(x, "prometheus_import", &im, &e);

    rc = rc < 0 ? rc : path_labels(x, &im, &e);
    push_exposition(arg, x, &im, rc, &e);
    import_done(&im);
}

/* ---- lines ---- */

static void import_json(void *arg, struct http_exchange *x)
{
    struct push_result r = {.accepted = 0};
    struct import im;
    struct err e = {0};
    int rc = import_begin(x, "json_import", &im, &e);

    rc = rc < 0 ? rc : push_json(api_backend(arg)->push, &im.opts, im.body, &r, &e);
    import_answer(x, rc, &r, &e);
    import_done(&im);
}

static void import_csv(void *arg, struct http_exchange *x)
{
    struct csv_format *f = arena_new(http_arena(x), struct csv_format);
    struct push_result r = {.accepted = 0};
    struct import im;
    struct err e = {0};
    int rc = import_begin(x, "csv_import", &im, &e);

    if (rc == 0 && f == NULL) {
        rc = err_set(&e, ERR_NOMEM, "no memory for the format");
    }
    if (rc == 0) {
        rc = csv_format_parse(http_param(x, "format"), f, &e);
        if (rc < 0) {
            err_prefix(&e, "invalid parameter \"format\"");
        } else {
            f->header = str_eq(http_param(x, "header"), STR("1"));
        }
    }
    rc = rc < 0 ? rc : push_csv(api_backend(arg)->push, &im.opts, f, im.body, &r, &e);
    import_answer(x, rc, &r, &e);
    import_done(&im);
}

/* ---- replicas ---- */

static void write_cluster(struct json_writer *w, const struct ha_cluster *c)
{
    json_object_begin(w);
    json_key(w, "cluster");
    json_str(w, c->cluster);
    json_key(w, "replica");
    json_str(w, c->replica);
    json_key(w, "elected_ms");
    json_i64(w, c->since_ms);
    json_key(w, "seen_ms");
    json_i64(w, c->seen_ms);
    json_key(w, "failovers");
    json_u64(w, c->failovers);
    json_key(w, "dropped_requests");
    json_u64(w, c->dropped);
    json_object_end(w);
}

static void replicas(void *arg, struct http_exchange *x)
{
    struct ha *ha = api_backend(arg)->ha;
    struct ha_cluster *v = NULL;
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    size_t n = 0;
    int rc = ha == NULL ? 0 : ha_list(ha, http_arena(x), &v, &n, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "enabled");
    json_bool(&w, ha != NULL);
    json_key(&w, "clusters");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        write_cluster(&w, &v[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

void import_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_INGEST | NEED_BACKEND;
    const struct http_route routes[] = {
        {"POST", "/api/v1/import/prometheus", import_text, a, HTTP_WORKER, IMPORT_WIRE_MAX, need},
        {"POST", "/api/v1/import/prometheus/metrics/{labels*}", import_pushgateway, a, HTTP_WORKER,
         IMPORT_WIRE_MAX, need},
        {"PUT", "/api/v1/import/prometheus/metrics/{labels*}", import_pushgateway, a, HTTP_WORKER,
         IMPORT_WIRE_MAX, need},
        {"POST", "/api/v1/import", import_json, a, HTTP_WORKER, IMPORT_WIRE_MAX, need},
        {"POST", "/api/v1/import/csv", import_csv, a, HTTP_WORKER, IMPORT_WIRE_MAX, need},
        {"GET", "/api/v1/ha", replicas, a, HTTP_WORKER, 0, NEED_READ | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
    influx_routes(a, s);
}
