/* SPDX-License-Identifier: Apache-2.0
 *
 * A line is walked once to find its three members, then both arrays side by side: nothing but the histogram at hand is
 * built. The bytes of "metric" are the identity of the series.
 */
#include "ingest/push_json.h"

#include <math.h>

#include "base/err.h"
#include "codec/json_read.h"
#include "ingest/expo_internal.h"
#include "ingest/push_forms.h"
#include "ingest/push_json_native.h"
#include "model/samples.h"

enum { DEPTH_MAX = 8, LABELS_FIRST = 32 };

struct request {
    struct str body;
    struct push *p;
    struct native_histogram h; /* reused */
};

struct line {
    struct str metric; /* raw values of the members */
    struct str values; /* or */
    struct str histograms;
    struct str times;
};

static int read_members(struct push *p, struct str text, struct line *ret, struct err *why)
{
    struct json_reader r;
    struct str key;
    int rc;

    json_read_init(&r, text, DEPTH_MAX, push_scratch(p));
    buf_clear(push_scratch(p));
    rc = json_peek(&r, why);
    if (rc >= 0 && rc != JSON_OBJECT) {
        return err_set(why, ERR_INVALID, "an object is expected");
    }
    rc = rc < 0 ? rc : json_enter(&r, why);
    while (rc >= 0 && (rc = json_next_member(&r, &key, why)) > 0) {
        struct str *dst = str_eq(key, STR("metric"))       ? &ret->metric
                          : str_eq(key, STR("values"))     ? &ret->values
                          : str_eq(key, STR("histograms")) ? &ret->histograms
                          : str_eq(key, STR("timestamps")) ? &ret->times
                                                           : NULL;
        const char *from;

        rc = json_peek(&r, why); /* stands at the value now */
        from = r.p;
        rc = rc < 0 ? rc : json_skip(&r, why);
        if (rc >= 0 && dst != NULL) {
            *dst = str_of(from, (size_t)(r.p - from));
        }
    }
    rc = rc < 0 ? rc : json_read_end(&r, why);
    if (rc == 0 && (ret->metric.p == NULL || ret->times.p == NULL ||
                    (ret->values.p == NULL && ret->histograms.p == NULL))) {
        return err_set(why, ERR_INVALID, "\"metric\", \"values\" and \"timestamps\" are needed");
    }
    if (rc == 0 && ret->values.p != NULL && ret->histograms.p != NULL) {
        return err_set(why, ERR_INVALID, "\"values\" and \"histograms\" go on lines of their own");
    }
    return rc;
}

/* The labels, in the request's arena. */
static int read_metric(struct push *p, struct str text, struct labels *ret, struct err *why)
{
    struct arena *a = push_arena(p);
    struct label *v = arena_array(a, struct label, LABELS_FIRST);
    size_t cap = LABELS_FIRST;
    struct json_reader r;
    struct str key;
    struct str value;
    size_t n = 0;
    int rc;

    json_read_init(&r, text, DEPTH_MAX, push_scratch(p));
    rc = json_peek(&r, why);
    if (rc >= 0 && rc != JSON_OBJECT) {
        return err_set(why, ERR_INVALID, "\"metric\" is not an object");
    }
    rc = rc < 0 ? rc : json_enter(&r, why);
    while (v != NULL && rc >= 0 && (rc = json_next_member(&r, &key, why)) > 0) {
        if (n == cap) {
            struct label *more = arena_array(a, struct label, 2 * cap);

            if (more != NULL) {
                memcpy(more, v, n * sizeof(*v));
            }
            v = more;
            cap *= 2;
        }
        if (v == NULL) {
            break;
        }
        v[n].name = arena_str_dup(a, key);
        rc = json_peek(&r, why);
        if (rc >= 0 && rc != JSON_STRING) {
            return err_set(why, ERR_INVALID, "a label in \"metric\" is not a string");
        }
        rc = rc < 0 ? rc : json_read_str(&r, &value, why);
        if (rc >= 0) {
            v[n].value = arena_str_dup(a, value);
            n++;
        }
    }
    if (v == NULL) {
        return err_set(why, ERR_NOMEM, "no memory for labels");
    }
    *ret = (struct labels){v, n};
    return rc;
}

static int enter_array(struct json_reader *r, struct push *p, struct str text, const char *name,
                       struct err *why)
{
    int rc;

    json_read_init(r, text, DEPTH_MAX, push_scratch(p));
    rc = json_peek(r, why);
    if (rc >= 0 && rc != JSON_ARRAY) {
        return err_set(why, ERR_INVALID, "\"%s\" is not an array", name);
    }
    return rc < 0 ? rc : json_enter(r, why);
}

static bool is_word(struct str s, double *ret)
{
    static const struct {
        struct str text;
        double value;
    } WORDS[] = {
        {{"NaN", 3}, NAN},      {{"Infinity", 8}, INFINITY}, {{"-Infinity", 9}, -INFINITY},
        {{"Inf", 3}, INFINITY}, {{"+Inf", 4}, INFINITY},     {{"-Inf", 4}, -INFINITY},
    };

    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (str_eq(s, WORDS[i].text)) {
            *ret = WORDS[i].value;
            return true;
        }
    }
    return false;
}

int push_json_value(struct json_reader *r, double *ret, struct err *why)
{
    struct str text;
    int type = json_peek(r, why);
    int rc;

    if (type == JSON_NUMBER) {
        rc = json_read_number(r, &text, why);
        if (rc == 0 && !expo_f64(text, ret)) {
            return err_set(why, ERR_INVALID, "a value is beyond the range of numbers");
        }
        return rc;
    }
    if (type == JSON_NULL) {
        *ret = sample_stale();
        return json_skip(r, why);
    }
    if (type == JSON_STRING) {
        rc = json_read_str(r, &text, why);
        return rc < 0 || is_word(text, ret) ? rc : err_set(why, ERR_INVALID, "a value is a string");
    }
    return type < 0 ? type : err_set(why, ERR_INVALID, "a value is no number");
}

static int read_time(struct json_reader *r, int64_t *ret, struct err *why)
{
    struct str text;
    int type = json_peek(r, why);
    int rc;

    if (type != JSON_NUMBER) {
        return type < 0 ? type : err_set(why, ERR_INVALID, "a timestamp is no number");
    }
    rc = json_read_number(r, &text, why);
    return rc < 0 || str_to_i64(text, ret)
               ? rc
               : err_set(why, ERR_INVALID, "a timestamp is not whole milliseconds");
}

/* Both arrays side by side. `s` NULL: only look whether they are right, so that a line is stored whole or not.
 * @return 0; -ERR_INVALID in *why; a failure of the store in *ret_rc */
static int walk(struct push *p, const struct line *l, const struct push_series *s, int *ret_rc,
                struct err *why, struct err *reterr)
{
    struct json_reader v;
    struct json_reader t;
    int rc = enter_array(&v, p, l->values, "values", why);

    rc = rc < 0 ? rc : enter_array(&t, p, l->times, "timestamps", why);
    while (rc >= 0) {
        double value = 0;
        int64_t t_ms = 0;
        int more = json_next_element(&t, why);

        rc = json_next_element(&v, why);
        if (rc < 0 || more < 0) {
            return rc < 0 ? rc : more;
        }
        if (rc != more) {
            return err_set(why, ERR_INVALID, "\"values\" and \"timestamps\" differ in length");
        }
        if (rc == 0) {
            return 0;
        }
        rc = push_json_value(&v, &value, why);
        rc = rc < 0 ? rc : read_time(&t, &t_ms, why);
        if (rc >= 0 && s != NULL && (*ret_rc = push_sample(p, s, t_ms, value, reterr)) < 0) {
            return 0;
        }
    }
    return rc;
}

/* One line of histograms, for push_histogram() to ask for its labels. */
struct native_line {
    struct push *p;
    struct str metric;
    struct err *why;
};

static int native_labels(void *arg, struct labels *ret, struct err *reterr)
{
    struct native_line *n = arg;
    struct labels ls;
    int rc = read_metric(n->p, n->metric, &ls, n->why);

    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s", n->why->msg)
                  : push_labels(n->p, ls, ret, reterr);
}

/* As walk(), with histograms. */
static int walk_native(struct request *r, const struct line *l, const struct push_series *s,
                       int *ret_rc, struct err *why, struct err *reterr)
{
    struct native_line line = {r->p, l->metric, why};
    struct json_reader v;
    struct json_reader t;
    int rc = enter_array(&v, r->p, l->histograms, "histograms", why);

    rc = rc < 0 ? rc : enter_array(&t, r->p, l->times, "timestamps", why);
    while (rc >= 0) {
        int64_t t_ms = 0;
        int more = json_next_element(&t, why);

        rc = json_next_element(&v, why);
        if (rc < 0 || more < 0) {
            return rc < 0 ? rc : more;
        }
        if (rc != more) {
            return err_set(why, ERR_INVALID, "\"histograms\" and \"timestamps\" differ in length");
        }
        if (rc == 0) {
            return 0;
        }
        rc = push_json_native(&v, &r->h, why);
        rc = rc < 0 ? rc : read_time(&t, &t_ms, why);
        if (rc >= 0 && s != NULL) {
            int stored = push_histogram(r->p, s, t_ms, &r->h, native_labels, &line, reterr);

            push_reset(r->p);
            if (stored != 0) {
                *ret_rc = stored < 0 ? stored : 0;
                return 0;
            }
        }
    }
    return rc;
}

static int native_line(struct request *r, const struct line *l, int *ret_rc, struct err *why,
                       struct err *reterr)
{
    struct push_series s;
    struct labels ls;
    int rc = walk_native(r, l, NULL, ret_rc, why, reterr);

    rc = rc < 0 ? rc : read_metric(r->p, l->metric, &ls, why); /* no error is left for later */
    if (rc < 0) {
        return rc;
    }
    push_reset(r->p);
    push_find(r->p, PUSH_FORM_JSON, l->metric.p, l->metric.n, &s);
    return walk_native(r, l, &s, ret_rc, why, reterr);
}

static int one_line(struct request *r, struct str text, int *ret_rc, struct err *why,
                    struct err *reterr)
{
    struct push *p = r->p;
    struct line l = {.metric = {0}};
    struct push_series s;
    struct labels ls = {NULL, 0};
    int rc = read_members(p, text, &l, why);

    if (rc >= 0 && l.histograms.p != NULL) {
        return native_line(r, &l, ret_rc, why, reterr);
    }
    rc = rc < 0 ? rc : walk(p, &l, NULL, ret_rc, why, reterr);
    if (rc < 0) {
        return rc;
    }
    push_find(p, PUSH_FORM_JSON, l.metric.p, l.metric.n, &s);
    if (!s.known) {
        rc = read_metric(p, l.metric, &ls, why);
        if (rc < 0) {
            return rc;
        }
        rc = push_labels(p, ls, &ls, reterr);
        rc = rc != 0 ? rc : push_intern(p, ls, &s, reterr);
        if (rc != 0) {
            *ret_rc = rc < 0 ? rc : 0;
            return 0;
        }
    }
    return walk(p, &l, &s, ret_rc, why, reterr);
}

static int decode(void *arg, struct push *p, struct err *reterr)
{
    struct request *r = arg;
    struct str rest = r->body;
    struct str text;
    int rc = 0;

    r->p = p;
    for (size_t number = 1; rc >= 0 && str_split(&rest, '\n', &text); number++) {
        struct err why = {0};

        text = str_trim(text);
        if (text.n == 0) {
            continue;
        }
        push_reset(p);
        if (one_line(r, text, &rc, &why, reterr) < 0) {
            err_prefix(&why, "line %zu", number);
            push_refuse_text(p, &why);
        }
    }
    return rc < 0 ? rc : 0;
}

int push_json(struct push_door *d, const struct push_opts *o, struct str body,
              struct push_result *ret, struct err *reterr)
{
    struct request r = {.body = body};
    int rc = push_run(d, o, decode, &r, ret, reterr);

    native_done(&r.h);
    return rc;
}
