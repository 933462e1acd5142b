/* SPDX-License-Identifier: Apache-2.0
 *
 * One row, given as JSON, through the rules without being stored or counted, and what every rule did.
 */
#include "base/err.h"
#include "base/random.h"
#include "codec/json_read.h"
#include "codec/utf8.h"
#include "ingest/process/policy.h"
#include "ingest/process/process.h"
#include "ingest/process/row.h"

enum { DEPTH = 16, ATTRS_MAX = 200, ARENA = 64 << 20 };

struct sample {
    struct str signal, line, service, severity, span, status, kind, message, config;
    bool has_config;
    double duration_ms;
    struct attr attrs[ATTRS_MAX];
    size_t attrs_n;
    struct attr resource[ATTRS_MAX + 1];
    size_t resource_n;
};

struct watched {
    size_t *matches; /* by rule */
    const struct program *p;
    struct arena *a;
    const struct process_rule *dropped_by;
    struct str text; /* redacted */
    struct redact_note *notes;
    size_t notes_n;
};

/* ---- reading ---- */

static int read_text(struct json_reader *j, struct arena *a, struct str *ret, struct err *e)
{
    struct str s;
    int rc = json_read_str(j, &s, e);

    if (rc < 0) {
        return rc;
    }
    *ret = arena_str_dup(a, s);
    return ret->p != NULL ? 0 : -ERR_NOMEM;
}

static int read_value(struct json_reader *j, struct arena *a, struct value *ret, struct err *e)
{
    struct str text;
    int type = json_peek(j, e);
    int rc;

    switch (type) {
    case JSON_STRING:
        ret->type = VALUE_STR;
        return read_text(j, a, &ret->u.s, e);
    case JSON_BOOL:
        ret->type = VALUE_BOOL;
        return json_read_bool(j, &ret->u.b, e);
    case JSON_NUMBER:
        rc = json_read_number(j, &text, e);
        if (rc < 0) {
            return rc;
        }
        ret->type = VALUE_I64;
        if (!str_to_i64(text, &ret->u.i)) {
            ret->type = VALUE_F64;
            return str_to_f64(text, &ret->u.f) ? 0 : err_set(e, ERR_INVALID, "bad number");
        }
        return 0;
    default:
        return type < 0 ? type
                        : err_set(e, ERR_INVALID,
                                  "values of attributes must be texts, numbers or booleans");
    }
}

static int read_attrs(struct json_reader *j, struct arena *a, struct attr *v, size_t *n,
                      struct err *e)
{
    struct str key;
    int rc = json_peek(j, e);

    if (rc != JSON_OBJECT) {
        return rc < 0 ? rc : err_set(e, ERR_INVALID, "attributes must be an object");
    }
    rc = json_enter(j, e);
    while (rc >= 0 && (rc = json_next_member(j, &key, e)) > 0) {
        if (*n == ATTRS_MAX) {
            return err_set(e, ERR_LIMIT, "more than %d attributes", ATTRS_MAX);
        }
        v[*n].key = arena_str_dup(a, key);
        rc = read_value(j, a, &v[*n].value, e);
        *n += rc == 0;
    }
    return rc;
}

static int read_member(struct json_reader *j, struct arena *a, struct str key, struct sample *s,
                       struct err *e)
{
    const struct {
        const char *key;
        struct str *to;
    } TEXTS[] = {{"signal", &s->signal},     {"line", &s->line},       {"service", &s->service},
                 {"severity", &s->severity}, {"span", &s->span},       {"status", &s->status},
                 {"kind", &s->kind},         {"message", &s->message}, {"config", &s->config}};
    struct value v = {0};
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        if (str_eq(key, str_cstr(TEXTS[i].key))) {
            s->has_config |= TEXTS[i].to == &s->config;
            return read_text(j, a, TEXTS[i].to, e);
        }
    }
    if (str_eq(key, STR("attributes"))) {
        return read_attrs(j, a, s->attrs, &s->attrs_n, e);
    }
    if (str_eq(key, STR("resource"))) {
        return read_attrs(j, a, s->resource, &s->resource_n, e);
    }
    if (str_eq(key, STR("duration_ms"))) {
        rc = read_value(j, a, &v, e);
        if (rc == 0 && v.type != VALUE_I64 && v.type != VALUE_F64) {
            rc = err_set(e, ERR_INVALID, "duration_ms must be a number");
        }
        s->duration_ms = v.type == VALUE_I64 ? (double)v.u.i : v.type == VALUE_F64 ? v.u.f : 0;
        return rc;
    }
    return err_set(e, ERR_INVALID, "unknown member \"%.*s\"", STR_ARG(utf8_cut(key, 60)));
}

static int read_sample(struct str body, struct arena *a, struct sample *ret, struct err *e)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    struct json_reader j;
    struct str key;
    int rc;

    buf_init(&scratch, 4 << 20);
    json_read_init(&j, body, DEPTH, &scratch);
    rc = json_peek(&j, e);
    if (rc != JSON_OBJECT) {
        return rc < 0 ? rc : err_set(e, ERR_INVALID, "the body must be an object");
    }
    rc = json_enter(&j, e);
    while (rc >= 0 && (rc = json_next_member(&j, &key, e)) > 0) {
        struct str own = arena_str_dup(a, key);

        rc = own.p != NULL ? read_member(&j, a, own, ret, e) : -ERR_NOMEM;
    }
    rc = rc < 0 ? rc : json_read_end(&j, e);
    if (rc == 0 && ret->service.n != 0) {
        ret->resource[ret->resource_n++] =
            (struct attr){STR("service.name"), {.type = VALUE_STR, .u.s = ret->service}};
    }
    return rc;
}

/* ---- running ---- */

static void matched(void *arg, const struct process_rule *rule, size_t n)
{
    struct watched *w = arg;

    w->matches[rule - w->p->rules] += n;
    if (rule->section == SECTION_DROP) {
        w->dropped_by = rule;
    }
}

static void redacted(void *arg, struct str text, const struct redact_note *notes, size_t n)
{
    struct watched *w = arg;

    w->notes = arena_array(w->a, struct redact_note, n + 1);
    if (w->notes != NULL && n != 0) {
        memcpy(w->notes, notes, n * sizeof(*notes));
        w->notes_n = n;
        w->text = text;
    }
}

/* ---- the answer ---- */

static void write_segment(struct json_writer *w, struct str text, struct str rule)
{
    if (text.n != 0 || rule.n != 0) {
        json_object_begin(w);
        json_key(w, "text");
        json_str(w, text);
        json_key(w, "rule");
        json_str(w, rule);
        json_object_end(w);
    }
}

static void write_text(struct json_writer *w, const struct watched *d, struct str text)
{
    size_t at = 0;

    json_key(w, "text");
    json_str(w, text);
    json_key(w, "segments");
    json_array_begin(w);
    for (size_t i = 0; i < d->notes_n && d->text.p == text.p; i++) {
        const struct redact_note *n = &d->notes[i];

        write_segment(w, str_of(text.p + at, n->start - at), STR(""));
        write_segment(w, str_of(text.p + n->start, n->end - n->start), d->p->rules[n->rule].name);
        at = n->end;
    }
    write_segment(w, str_drop(text, at), STR(""));
    json_array_end(w);
}

static void write_attrs(struct json_writer *w, const char *key, struct attrs as)
{
    json_key(w, key);
    json_object_begin(w);
    for (size_t i = 0; i < as.n; i++) {
        const struct value *v = &as.v[i].value;

        json_key_str(w, as.v[i].key);
        switch (v->type) {
        case VALUE_STR:
            json_str(w, v->u.s);
            break;
        case VALUE_I64:
            json_i64(w, v->u.i);
            break;
        case VALUE_F64:
            json_f64(w, v->u.f);
            break;
        case VALUE_BOOL:
            json_bool(w, v->u.b);
            break;
        default:
            json_null(w);
            break;
        }
    }
    json_object_end(w);
}

static void write_rules(struct json_writer *w, const struct watched *d)
{
    json_key(w, "dropped_by");
    json_str(w, d->dropped_by != NULL ? d->dropped_by->name : STR(""));
    json_key(w, "rules");
    json_array_begin(w);
    for (size_t i = 0; i < d->p->rules_n; i++) {
        if (d->matches[i] != 0) {
            json_object_begin(w);
            json_key(w, "section");
            json_cstr(w, process_section_name(d->p->rules[i].section));
            json_key(w, "name");
            json_str(w, d->p->rules[i].name);
            json_key(w, "matches");
            json_u64(w, d->matches[i]);
            json_object_end(w);
        }
    }
    json_array_end(w);
}

static void write_id(struct json_writer *w, const char *key, const uint8_t *id, size_t n)
{
    char hex[2 * TRACE_ID_SIZE + 1] = "";
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++) {
        any |= id[i];
    }
    if (any != 0) {
        hex_encode(id, n, hex);
    }
    json_key(w, key);
    json_cstr(w, hex);
}

static int dry_log(struct run *r, const struct sample *s, struct watched *d, struct json_writer *w,
                   struct err *e)
{
    const struct resource resource = {.attrs = {s->resource, s->resource_n}};
    const struct scope scope = {0};
    struct log_record l = {.body = {.type = VALUE_STR, .u.s = s->line},
                           .attrs = {s->attrs, s->attrs_n},
                           .resource = &resource,
                           .scope = &scope};
    enum severity_level level;
    int rc;

    if (s->severity.n != 0) {
        if (!severity_level_parse(s->severity, &level) || level == SEVERITY_UNSET) {
            return err_set(e, ERR_INVALID,
                           "severity must be trace, debug, info, warn, error or fatal");
        }
        l.severity = (uint8_t)((level - 1) * 4 + 1);
    }
    rc = run_log(r, &l);
    if (rc < 0) {
        return rc;
    }
    json_object_begin(w);
    write_text(w, d, l.body.type == VALUE_STR ? l.body.u.s : STR(""));
    write_attrs(w, "attributes", l.attrs);
    write_attrs(w, "resource", l.resource->attrs);
    write_id(w, "trace_id", l.trace_id.b, sizeof(l.trace_id.b));
    write_id(w, "span_id", l.span_id.b, sizeof(l.span_id.b));
    json_key(w, "severity");
    json_cstr(w, l.severity != 0 ? severity_level_name(severity_level_of(l.severity)) : "");
    write_rules(w, d);
    json_object_end(w);
    return 0;
}

static int dry_span(struct run *r, const struct sample *s, struct watched *d, struct json_writer *w,
                    struct err *e)
{
    const struct resource resource = {.attrs = {s->resource, s->resource_n}};
    const struct scope scope = {0};
    struct span v = {.name = s->span,
                     .status_message = s->message,
                     .attrs = {s->attrs, s->attrs_n},
                     .end_ns = (int64_t)((s->duration_ms < 0     ? 0
                                          : s->duration_ms > 1e9 ? 1e9
                                                                 : s->duration_ms) *
                                         1e6),
                     .resource = &resource,
                     .scope = &scope};
    const struct sampling *sampling = &r->p->sampling;
    int rc;

    if ((s->status.n != 0 && !span_status_parse(s->status, &v.status)) ||
        (s->kind.n != 0 && !span_kind_parse(s->kind, &v.kind))) {
        return err_set(e, ERR_INVALID, "status or kind of the span is unknown");
    }
    random_bytes(v.trace_id.b, sizeof(v.trace_id.b));
    rc = run_span(r, &v);
    if (rc < 0) {
        return rc;
    }
    json_object_begin(w);
    write_text(w, d, v.status_message);
    write_attrs(w, "attributes", v.attrs);
    write_attrs(w, "resource", v.resource->attrs);
    if (sampling->on && d->dropped_by == NULL) {
        struct rates_state *rates = rates_state_new();
        const struct policy *by = policy_decide(sampling, &v, 1, rates, 1);

        json_key(w, "kept_by");
        json_str(w, by != NULL ? r->p->rules[by->id].name : STR(""));
        rates_state_free(rates);
    }
    write_rules(w, d);
    json_object_end(w);
    return 0;
}

static int dry_run(const struct program *p, const uint8_t *hash_key, const struct sample *s,
                   struct arena *a, struct json_writer *w, struct err *e)
{
    const bool traces = str_eq(s->signal, STR("traces"));
    struct watched d = {.p = p, .a = a};
    const struct run_watch watch = {&d, matched, redacted};
    struct run r;
    int rc;

    if (!traces && s->signal.n != 0 && !str_eq(s->signal, STR("logs"))) {
        return err_set(e, ERR_INVALID, "signal must be logs or traces");
    }
    d.matches = arena_calloc(a, p->rules_n + 1, sizeof(*d.matches));
    if (d.matches == NULL) {
        return -ERR_NOMEM;
    }
    rc = run_init(&r, p, traces ? SIGNAL_TRACES : SIGNAL_LOGS, a, hash_key, NULL);
    r.watch = &watch;
    if (rc == 0) {
        rc = traces ? dry_span(&r, s, &d, w, e) : dry_log(&r, s, &d, w, e);
    }
    run_done(&r);
    return rc;
}

int process_test(struct process *p, struct str body, struct json_writer *w, struct err *reterr)
{
    struct sample *s;
    struct program *tried = NULL;
    struct arena a;
    struct err e = {0};
    int rc;

    arena_init(&a, ARENA);
    s = arena_calloc(&a, 1, sizeof(*s));
    rc = s != NULL ? read_sample(body, &a, s, &e) : -ERR_NOMEM;
    if (rc == 0 && s->has_config) {
        rc = program_parse("config", s->config, NULL, &tried, &e);
    }
    if (rc == 0) {
        const struct program *now = process_take(p);

        rc = dry_run(tried != NULL ? tried : now, process_hash_key(p), s, &a, w, &e);
        process_give(p, now);
    }
    program_free(tried);
    arena_done(&a);
    if (rc < 0) {
        if (e.code == 0) {
            err_set(&e, (enum err_code) - rc, "out of memory");
        }
        if (reterr != NULL) {
            *reterr = e;
        }
    }
    return rc;
}
