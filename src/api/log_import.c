/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /api/v1/logs/import, and VictoriaLogs' path for the same: log events as JSON, one a line, with parameters (or
 * VictoriaLogs' headers) that name the fields.
 */
#include "api/import.h"

#include <stdio.h>

#include "ingest/log_json.h"
#include "ingest/log_map.h"

enum { DECODE_ARENA = 512 << 20 };

/* "a,b" of a parameter or its header. */
static int read_names(struct http_exchange *x, const char *param, const char *header,
                      struct str *dst, size_t *n, struct err *e)
{
    struct str text = http_param(x, param);
    struct str name;

    text = text.n != 0 ? text : http_header(x, header);
    while (text.n != 0 && str_split(&text, ',', &name)) {
        name = str_trim(name);
        if (name.n == 0) {
            continue;
        }
        if (*n == LOG_MAP_NAMES) {
            return err_set(e, ERR_INVALID, "invalid parameter \"%s\": at most %d names", param,
                           LOG_MAP_NAMES);
        }
        dst[(*n)++] = name;
    }
    return 0;
}

static void write_result(struct http_exchange *x, const struct log_lines_result *r)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, 1 << 20);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "status");
    json_cstr(&w, r->rejected == 0 ? "success" : "error");
    if (r->rejected != 0) {
        char text[300];

        snprintf(text, sizeof(text), "%zu lines were refused, the others are stored%s%s",
                 r->rejected, r->errors_n != 0 ? ": " : "",
                 r->errors_n != 0 ? r->errors[0].text : "");
        json_key(&w, "errorType");
        json_cstr(&w, "bad_data");
        json_key(&w, "error");
        json_cstr(&w, text);
    }
    json_key(&w, "accepted");
    json_u64(&w, r->accepted);
    json_key(&w, "rejected");
    json_u64(&w, r->rejected);
    json_key(&w, "errors");
    json_array_begin(&w);
    for (size_t i = 0; i < r->errors_n; i++) {
        json_object_begin(&w);
        json_key(&w, "line");
        json_u64(&w, r->errors[i].line);
        json_key(&w, "error");
        json_cstr(&w, r->errors[i].text);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, r->rejected == 0 ? 200 : 400, &b);
}

static void import_lines(void *arg, struct http_exchange *x)
{
    struct log_map_names names = {.time_n = 0};
    struct log_lines_request req = {.names = &names, .arrival_ns = clock_wall_ns()};
    struct arena arena CLEANUP(arena_done) = {0};
    struct buf plain CLEANUP(buf_done) = {0};
    struct log_lines_result r;
    struct err e = {0};
    int rc;

    arena_init(&arena, DECODE_ARENA);
    buf_init(&plain, IMPORT_BODY_MAX);
    rc = read_names(x, "_time_field", "VL-Time-Field", names.time, &names.time_n, &e);
    rc = rc < 0 ? rc
                : read_names(x, "_msg_field", "VL-Msg-Field", names.message, &names.message_n, &e);
    rc = rc < 0 ? rc
                : read_names(x, "_level_field", "VL-Level-Field", names.level, &names.level_n, &e);
    rc = rc < 0 ? rc
                : read_names(x, "_stream_fields", "VL-Stream-Fields", names.stream, &names.stream_n,
                             &e);
    rc = rc < 0 ? rc : import_body(x, &plain, &req.body, &e);
    rc = rc < 0 ? rc : log_lines_store(api_backend(arg)->sink, &req, &arena, &r, &e);
    if (rc < 0) {
        if (import_status(rc) == 503) {
            http_set_header(x, "Retry-After", "1");
        }
        respond_err(x, rc, &e);
        return;
    }
    write_result(x, &r);
}

void log_import_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_INGEST | NEED_BACKEND;
    const struct http_route routes[] = {
        {"POST", "/api/v1/logs/import", import_lines, a, HTTP_WORKER, IMPORT_WIRE_MAX, need},
        {"POST", "/insert/jsonline", import_lines, a, HTTP_WORKER, IMPORT_WIRE_MAX, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
