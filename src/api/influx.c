/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of InfluxDB's HTTP API that writers need: /write (1.x), /api/v2/write (2.x), /ping, and of /query
 * the statements clients send before they write. Errors in each version's own form.
 */
#include "api/import.h"

#include "ingest/influx.h"

static const char VERSION_1[] = "1.8.10"; /* what clients are told they talk to */

static void versions(struct http_exchange *x)
{
    http_set_header(x, "X-Influxdb-Version", VERSION_1);
    http_set_header(x, "X-Influxdb-Build", "OSS");
}

static const char *code_of(int status)
{
    switch (status) {
    case 400:
        return "invalid";
    case 413:
        return "request too large";
    case 422:
        return "unprocessable entity";
    case 429:
        return "too many requests";
    case 503:
        return "unavailable";
    default:
        return "internal error";
    }
}

/* 1.x: {"error":"..."}, 2.x: {"code":"invalid","message":"...","line":N}. */
static void fail(struct http_exchange *x, bool v2, int status, struct str message, int64_t line)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, 1 << 16);
    json_init(&w, &b);
    json_object_begin(&w);
    if (v2) {
        json_key(&w, "code");
        json_cstr(&w, code_of(status));
        json_key(&w, "message");
        json_str(&w, message);
        if (line > 0) {
            json_key(&w, "line");
            json_i64(&w, line);
        }
    } else {
        json_key(&w, "error");
        json_str(&w, message);
    }
    json_object_end(&w);
    if (status == 429 || status == 503) {
        http_set_header(x, "Retry-After", "1");
    }
    respond_json(x, status, &b);
}

/* "line 7: text" gives 7; 0 when it has another form. */
static int64_t line_of(struct str why)
{
    struct str rest = str_drop(why, 5);
    int64_t colon = str_find_byte(rest, ':');
    int64_t n = 0;

    return str_starts(why, STR("line ")) && colon > 0 &&
                   str_to_i64(str_take(rest, (size_t)colon), &n)
               ? n
               : 0;
}

static void write_answer(struct http_exchange *x, bool v2, int rc, const struct push_result *r,
                         const struct err *e)
{
    struct buf text CLEANUP(buf_done);

    buf_init(&text, 4096);
    versions(x);
    if (rc < 0) {
        buf_add_cstr(&text, e->code != 0 ? e->msg : err_text(rc));
        fail(x, v2, import_status(rc), buf_str(&text), 0);
    } else if (r->first != 0) {
        /* Clients look for these words: what is named is lost, the rest is stored, no retry. */
        buf_printf(&text, "partial write: %s dropped=%zu", r->why, r->rejected);
        fail(x, v2, r->first == ERR_LIMIT ? 422 : 400, buf_str(&text), line_of(str_cstr(r->why)));
    } else {
        http_respond(x, 204, "text/plain", STR(""));
    }
}

static void write_points(struct api *a, struct http_exchange *x, bool v2)
{
    struct influx_opts io = {.db = http_param(x, "db"), .db_label = STR("db")};
    struct str label = http_param(x, "db_label");
    struct push_result r = {.accepted = 0};
    struct import im;
    struct err e = {0};
    int rc = import_begin(x, "influx", &im, &e);

    if (io.db.n == 0) {
        io.db = http_param(x, "bucket");
    }
    if (http_has_param(x, "db_label")) {
        io.db_label = label;
        io.db = label.n == 0 ? label : io.db;
    }
    if (rc == 0 && !influx_precision(http_param(x, "precision"), &io.unit_ns)) {
        rc = err_set(&e, ERR_INVALID, "invalid precision \"%.*s\" (use ns, us, ms, s, m or h)",
                     STR_ARG(http_param(x, "precision")));
    }
    rc = rc < 0 ? rc : influx_write(api_backend(a)->push, &im.opts, &io, im.body, &r, &e);
    write_answer(x, v2, rc, &r, &e);
    import_done(&im);
}

static void write_v1(void *arg, struct http_exchange *x)
{
    write_points(arg, x, false);
}

static void write_v2(void *arg, struct http_exchange *x)
{
    write_points(arg, x, true);
}

static void ping(void *arg, struct http_exchange *x)
{
    (void)arg;
    versions(x);
    http_respond(x, 204, "text/plain", STR(""));
}

static void health(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_respond(
        x, 200, "application/json",
        STR("{\"name\":\"influxdb\",\"message\":\"ready for writes\",\"status\":\"pass\",\"checks\":[]}"));
}

/* Databases need not be made: CREATE DATABASE succeeds, SHOW DATABASES names none of its own. */
static void query(void *arg, struct http_exchange *x)
{
    struct str q = str_trim(http_param(x, "q"));

    (void)arg;
    versions(x);
    if (str_eq_nocase(str_take(q, 14), STR("SHOW DATABASES"))) {
        http_respond(x, 200, "application/json",
                     STR("{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"databases\","
                         "\"columns\":[\"name\"],\"values\":[[\"bongsu\"]]}]}]}"));
        return;
    }
    if (str_eq_nocase(str_take(q, 15), STR("CREATE DATABASE"))) {
        http_respond(x, 200, "application/json", STR("{\"results\":[{\"statement_id\":0}]}"));
        return;
    }
    fail(
        x, false, 400,
        STR("only CREATE DATABASE and SHOW DATABASES are answered here; query with PromQL at /api/v1/query"),
        0);
}

void influx_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_INGEST | NEED_BACKEND;
    const struct http_route routes[] = {
        {"POST", "/write", write_v1, a, HTTP_WORKER, IMPORT_WIRE_MAX, need},
        {"POST", "/api/v2/write", write_v2, a, HTTP_WORKER, IMPORT_WIRE_MAX, need},
        {"GET", "/ping", ping, a, HTTP_INLINE, 0, NEED_NOTHING},
        {"GET", "/health", health, a, HTTP_INLINE, 0, NEED_NOTHING},
        {"GET", "/query", query, a, HTTP_INLINE, 0, NEED_INGEST},
        {"POST", "/query", query, a, HTTP_INLINE, 1 << 16, NEED_INGEST},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
