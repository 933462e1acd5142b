/* SPDX-License-Identifier: Apache-2.0
 *
 * One walk over an object hands every leaf to the map under its path. Arrays stay values; objects in arrays become maps.
 */
#include "ingest/log_json.h"

#include <math.h>
#include <stdio.h>

#include "base/err.h"
#include "codec/json_read.h"
#include "codec/utf8.h"
#include "ingest/log_map.h"

enum { DEPTH = 32, ARRAY_FIRST = 8 };

struct walk {
    struct log_map *m;
    struct json_reader j;
    struct str text;
    struct err *reterr;
    char path[LOG_MAP_PATH];
};

/* A string of the reader for good: those with escapes are in the reader's scratch. */
static int stable(struct walk *w, struct str s, struct str *ret)
{
    *ret = s;
    if (s.n == 0 || (s.p >= w->text.p && s.p < w->text.p + w->text.n)) {
        return 0;
    }
    *ret = arena_str_dup(w->m->in->arena, s);
    return ret->p == NULL ? -ERR_NOMEM : 0;
}

static int read_number(struct walk *w, struct value *v)
{
    struct str s;
    int rc = json_read_number(&w->j, &s, w->reterr);

    if (rc < 0) {
        return rc;
    }
    v->type = VALUE_I64;
    if (!str_to_i64(s, &v->u.i)) {
        v->type = VALUE_F64;
        if (!str_to_f64(s, &v->u.f) || !isfinite(v->u.f)) {
            *v = (struct value){.type = VALUE_STR, .u.s = s}; /* beyond doubles: as it stands */
        }
    }
    return 0;
}

static int read_value(struct walk *w, struct value *v);

static int read_text(struct walk *w, struct str *ret)
{
    int rc = json_read_str(&w->j, ret, w->reterr);

    rc = rc < 0 ? rc : stable(w, *ret, ret);
    return rc < 0 ? rc
                  : log_input_text(w->m->in, *ret, w->m->in->sink->limits.max_attr_value_bytes,
                                   ALTER_VALUE_CUT, ret);
}

static int read_array(struct walk *w, struct value *ret)
{
    struct arena *a = w->m->in->arena;
    struct value *v = NULL;
    size_t cap = 0;
    size_t n = 0;
    int rc = json_enter(&w->j, w->reterr);

    while (rc >= 0 && (rc = json_next_element(&w->j, w->reterr)) > 0) {
        if (n == cap) {
            struct value *more = arena_array(a, struct value, cap != 0 ? 2 * cap : ARRAY_FIRST);

            if (more == NULL) {
                return -ERR_NOMEM;
            }
            if (n != 0) {
                memcpy(more, v, n * sizeof(*v));
            }
            cap = cap != 0 ? 2 * cap : ARRAY_FIRST;
            v = more;
        }
        rc = read_value(w, &v[n++]);
    }
    *ret = (struct value){.type = VALUE_ARRAY, .u.array = {v, n}};
    return rc;
}

static int read_map(struct walk *w, struct value *ret)
{
    struct arena *a = w->m->in->arena;
    struct attr *v = NULL;
    struct str key;
    size_t cap = 0;
    size_t n = 0;
    int rc = json_enter(&w->j, w->reterr);

    while (rc >= 0 && (rc = json_next_member(&w->j, &key, w->reterr)) > 0) {
        if (n == cap) {
            struct attr *more = arena_array(a, struct attr, cap != 0 ? 2 * cap : ARRAY_FIRST);

            if (more == NULL) {
                return -ERR_NOMEM;
            }
            if (n != 0) {
                memcpy(more, v, n * sizeof(*v));
            }
            cap = cap != 0 ? 2 * cap : ARRAY_FIRST;
            v = more;
        }
        rc = stable(w, key, &key);
        rc = rc < 0 ? rc
                    : log_input_text(w->m->in, key, w->m->in->sink->limits.max_attr_key_bytes,
                                     ALTER_VALUE_CUT, &v[n].key);
        rc = rc < 0 ? rc : read_value(w, &v[n].value);
        n += rc >= 0;
    }
    *ret = (struct value){.type = VALUE_MAP, .u.map = {v, n}};
    return rc;
}

static int read_value(struct walk *w, struct value *v)
{
    int type = json_peek(&w->j, w->reterr);

    *v = (struct value){.type = VALUE_NONE};
    switch (type) {
    case JSON_STRING:
        v->type = VALUE_STR;
        return read_text(w, &v->u.s);
    case JSON_NUMBER:
        return read_number(w, v);
    case JSON_BOOL:
        v->type = VALUE_BOOL;
        return json_read_bool(&w->j, &v->u.b, w->reterr);
    case JSON_ARRAY:
        return read_array(w, v);
    case JSON_OBJECT:
        return read_map(w, v);
    default:
        return type < 0 ? type : json_skip(&w->j, w->reterr);
    }
}

static int leaf(struct walk *w, struct str path)
{
    struct value v = {.type = VALUE_NONE};
    int type = json_peek(&w->j, w->reterr);
    int rc;

    if (type == JSON_STRING) { /* the map cuts it, texts have another limit than attributes */
        v.type = VALUE_STR;
        rc = json_read_str(&w->j, &v.u.s, w->reterr);
        rc = rc < 0 ? rc : stable(w, v.u.s, &v.u.s);
    } else {
        rc = type < 0 ? type : read_value(w, &v);
    }
    return rc < 0 ? rc : log_map_field(w->m, path, v);
}

/* @param n  bytes of the path so far */
static int members(struct walk *w, size_t n)
{
    struct str key;
    int rc = json_enter(&w->j, w->reterr);

    while (rc >= 0 && (rc = json_next_member(&w->j, &key, w->reterr)) > 0) {
        struct str path = key;
        int type;

        if (n != 0 || key.p < w->text.p || key.p >= w->text.p + w->text.n) {
            size_t k = key.n < sizeof(w->path) - n - 2 ? key.n : sizeof(w->path) - n - 2;

            memcpy(w->path + n, key.p, k);
            path = str_of(w->path, n + k);
        }
        type = json_peek(&w->j, w->reterr);
        if (type == JSON_OBJECT && path.n + 2 < sizeof(w->path)) {
            if (path.p != w->path) {
                memcpy(w->path, path.p, path.n);
            }
            w->path[path.n] = '.';
            rc = members(w, path.n + 1);
            continue;
        }
        if (path.p == w->path) {
            path = arena_str_dup(w->m->in->arena, path);
        }
        rc = type < 0 ? type : path.p == NULL ? -ERR_NOMEM : leaf(w, path);
    }
    return rc;
}

int log_json_object(struct log_map *m, struct str text, struct buf *scratch, struct err *reterr)
{
    struct walk w = {.m = m, .text = text, .reterr = reterr};
    int rc;

    json_read_init(&w.j, text, DEPTH, scratch);
    rc = json_peek(&w.j, reterr);
    if (rc >= 0 && rc != JSON_OBJECT) {
        return err_set(reterr, ERR_INVALID, "a JSON object is expected");
    }
    rc = rc < 0 ? rc : members(&w, 0);
    rc = rc < 0 ? rc : json_read_end(&w.j, reterr);
    return rc == -ERR_NOMEM ? err_set(reterr, ERR_NOMEM, "no memory for the request") : rc;
}

/* ---- lines ---- */

struct lines {
    struct sink *sink;
    struct log_input in;
    struct log_map *m;
    struct buf scratch;
    struct log_lines_result *out;
};

static void refuse(struct lines *l, size_t line, const struct err *e)
{
    struct log_lines_result *r = l->out;

    r->rejected++;
    l->in.tally.rejected[REJECT_MALFORMED]++;
    if (r->errors_n < LOG_LINES_ERRORS) {
        struct str text = utf8_cut(str_cstr(e->msg), sizeof(r->errors[0].text) - 1);

        r->errors[r->errors_n].line = line;
        memcpy(r->errors[r->errors_n].text, text.p, text.n);
        r->errors[r->errors_n++].text[text.n] = '\0';
    }
}

static int add_line(struct lines *l, struct str text, size_t line, struct err *reterr)
{
    struct err e = {0};
    int rc;

    log_map_begin(l->m);
    buf_clear(&l->scratch);
    rc = log_json_object(l->m, text, &l->scratch, &e);
    if (rc == 0 && l->m->wrong_time.p != NULL) {
        rc = err_set(&e, ERR_INVALID, "\"%.*s\" is not a time",
                     STR_ARG(utf8_cut(l->m->wrong_time, 60)));
        rc = str_is_utf8(str_cstr(e.msg)) ? rc : err_set(&e, ERR_INVALID, "the time is none");
    }
    if (rc == -ERR_NOMEM) {
        return err_set(reterr, ERR_NOMEM, "the request needs more memory than one may use");
    }
    if (rc < 0) {
        refuse(l, line, &e);
        return 0;
    }
    rc = log_map_end(l->m, text);
    return rc < 0 ? err_set(reterr, ERR_NOMEM, "the request needs more memory than one may use")
                  : 0;
}

static int run_lines(struct lines *l, const struct log_lines_request *req, struct err *reterr)
{
    struct columns_commit done;
    struct str rest = req->body;
    struct str text;
    size_t line = 0;
    int rc = 0;

    while (rc == 0 && rest.n != 0 && str_split(&rest, '\n', &text)) {
        line++;
        text = str_trim(text);
        rc = text.n != 0 ? add_line(l, text, line, reterr) : 0;
    }
    rc = rc < 0 ? rc : log_input_store(&l->in, &done, reterr);
    if (rc == 0) {
        l->out->accepted = done.accepted;
        l->out->rejected +=
            done.rejected[COLUMNS_REJECT_TOO_OLD] + done.rejected[COLUMNS_REJECT_TOO_NEW];
    }
    return rc;
}

int log_lines_store(struct sink *sink, const struct log_lines_request *req, struct arena *arena,
                    struct log_lines_result *ret, struct err *reterr)
{
    struct lines l = {.sink = sink, .out = ret};
    int rc;

    *ret = (struct log_lines_result){0};
    if (!budget_take(sink->budget, (int64_t)req->body.n)) {
        return err_set(reterr, ERR_OVERLOAD, "too much data is being decoded, try again");
    }
    log_input_init(&l.in, sink, arena, "json_lines", req->arrival_ns);
    buf_init(&l.scratch, sink->limits.max_decompressed_bytes);
    l.m = log_map_new(&l.in, req->names);
    rc = l.m != NULL ? run_lines(&l, req, reterr)
                     : err_set(reterr, ERR_NOMEM, "no memory for the request");
    log_map_free(l.m);
    buf_done(&l.scratch);
    log_input_done(&l.in);
    budget_give(sink->budget, (int64_t)req->body.n);
    return rc;
}
