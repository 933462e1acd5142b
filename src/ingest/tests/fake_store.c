/* SPDX-License-Identifier: Apache-2.0
 *
 * The store's functions that doors call, recording; see fake_store.h.
 */
#include "fake_store.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/err.h"
#include "codec/base64.h"
#include "codec/json_write.h"
#include "model/samples.h"
#include "store/tsdb/exemplars.h"

void fake_store_init(struct fake_store *f)
{
    memset(f, 0, sizeof(*f));
    arena_init(&f->arena, 64 << 20);
    buf_init(&f->samples, 64 << 20);
    buf_init(&f->metadata, 1 << 20);
    buf_init(&f->rows, 64 << 20);
    f->min_ms = INT64_MIN;
}

void fake_store_done(struct fake_store *f)
{
    arena_done(&f->arena);
    buf_done(&f->samples);
    buf_done(&f->metadata);
    buf_done(&f->rows);
}

void fake_store_clear(struct fake_store *f)
{
    buf_clear(&f->samples);
    buf_clear(&f->metadata);
    buf_clear(&f->rows);
    f->samples_n = f->rows_n = 0;
}

bool tsdb_lookup(struct tsdb *db, struct hash128 key, struct series_ref *ret)
{
    struct fake_store *f = (struct fake_store *)(void *)db;

    for (size_t i = 0; i < f->series_n; i++) {
        size_t at = (key.lo + i) % FAKE_SERIES_MAX; /* the hash table of intern below */

        if (f->keys[at].lo == key.lo && f->keys[at].hi == key.hi) {
            ret->v = at;
            return true;
        }
        if (f->keys[at].lo == 0) {
            return false;
        }
    }
    return false;
}

void tsdb_lookup_batch(struct tsdb *db, const struct hash128 *keys, size_t n,
                       struct series_ref *refs_out)
{
    for (size_t i = 0; i < n; i++) {
        refs_out[i].v = TSDB_NO_SERIES;
        (void)tsdb_lookup(db, keys[i], &refs_out[i]);
    }
}

int tsdb_intern(struct tsdb *db, struct labels ls, const struct hash128 *door_key,
                struct series_ref *ret, struct err *reterr)
{
    struct fake_store *f = (struct fake_store *)(void *)db;
    struct buf text CLEANUP(buf_done) = {0};
    size_t at;

    f->interns++;
    for (size_t i = 0; i < ls.n; i++) { /* what a caller promises */
        if (ls.v[i].value.n == 0 || (i > 0 && str_cmp(ls.v[i - 1].name, ls.v[i].name) >= 0) ||
            !((ls.v[i].name.n != 0 && str_is_utf8(ls.v[i].name)) ||
              (label_name_is_hidden(ls.v[i].name) && i == ls.n - 1)) ||
            !str_is_utf8(ls.v[i].value)) {
            abort();
        }
    }
    if (labels_get(ls, STR(LABEL_NAME)).n == 0) {
        abort();
    }
    buf_init(&text, 1 << 20);
    if (ls.n != 0 && label_name_is_hidden(ls.v[ls.n - 1].name)) { /* as "series #code" */
        labels_format((struct labels){ls.v, ls.n - 1}, &text);
        buf_printf(&text, " #%.*s", STR_ARG(ls.v[ls.n - 1].value));
    } else {
        labels_format(ls, &text);
    }
    at = door_key->lo % FAKE_SERIES_MAX;
    while (f->keys[at].lo != 0 && f->keys[at].lo != door_key->lo) {
        at = (at + 1) % FAKE_SERIES_MAX;
    }
    if (f->keys[at].lo == 0) {
        if (f->series_n == FAKE_SERIES_MAX - 1 ||
            (f->max_series != 0 && f->series_n == f->max_series)) {
            return err_set(reterr, ERR_LIMIT, "too many series, metric %.*s",
                           STR_ARG(labels_get(ls, STR(LABEL_NAME))));
        }
        f->series_n++;
    }
    f->keys[at] = *door_key;
    f->gone[at] = false;
    f->series[at] = arena_str_dup(&f->arena, buf_str(&text));
    ret->v = at;
    return f->series[at].p != NULL ? 0 : err_set(reterr, ERR_NOMEM, "fake store is full");
}

struct fake_sample {
    struct series_ref ref;
    int64_t t_ms;
    double v;
};

struct tsdb_batch {
    struct fake_store *f;
    VEC(struct fake_sample) samples;
};

struct tsdb_batch *tsdb_batch_new(struct tsdb *db)
{
    struct tsdb_batch *b = mem_try_calloc(1, sizeof(*b));

    if (b != NULL) {
        b->f = (struct fake_store *)(void *)db;
    }
    return b;
}

void tsdb_batch_free(struct tsdb_batch *b)
{
    if (b != NULL) {
        vec_done(&b->samples);
        mem_free(b);
    }
}

void tsdb_batch_clear(struct tsdb_batch *b)
{
    vec_clear(&b->samples);
}

int tsdb_batch_add(struct tsdb_batch *b, struct series_ref ref, int64_t t_ms, double v)
{
    return vec_push(&b->samples, (struct fake_sample){ref, t_ms, v}) ? 0 : -ERR_NOMEM;
}

static void reject(struct tsdb_commit *c, const struct fake_sample *s, enum tsdb_reject why)
{
    if (c->rejected[0] + c->rejected[1] + c->rejected[2] == 0) {
        c->first_rejected = s->ref;
        c->first_rejected_t_ms = s->t_ms;
        c->first_reason = why;
    }
    c->rejected[why]++;
}

int tsdb_batch_commit(struct tsdb_batch *b, struct tsdb_commit *ret, struct err *reterr)
{
    struct fake_store *f = b->f;
    struct tsdb_commit done = {0};

    if (f->fail_commit != 0) {
        return err_set(reterr, (enum err_code)f->fail_commit, "fake failure");
    }
    for (size_t i = 0; i < b->samples.n; i++) {
        const struct fake_sample *s = &b->samples.v[i];

        if (f->gone[s->ref.v]) {
            reject(&done, s, TSDB_REJECT_GONE);
        } else if (s->t_ms < f->min_ms) {
            reject(&done, s, TSDB_REJECT_TOO_OLD);
        } else {
            done.accepted++;
            if (!f->quiet) {
                buf_printf(&f->samples, "%.*s %lld ", STR_ARG(f->series[s->ref.v]),
                           (long long)s->t_ms);
                if (sample_is_stale(s->v)) {
                    buf_add_cstr(&f->samples, "stale");
                } else {
                    buf_add_f64(&f->samples, s->v);
                }
                buf_add_byte(&f->samples, '\n');
            }
        }
    }
    f->samples_n += done.accepted;
    f->commits++;
    vec_clear(&b->samples);
    *ret = done;
    return 0;
}

bool tsdb_series_labels(struct tsdb *db, struct series_ref ref, struct arena *a, struct labels *ret)
{
    struct fake_store *f = (struct fake_store *)(void *)db;
    struct label *l = arena_new(a, struct label);

    if (l == NULL) {
        return false;
    }
    *l = (struct label){STR(LABEL_NAME), f->series[ref.v]};
    *ret = (struct labels){l, 1};
    return true;
}

int tsdb_set_metadata(struct tsdb *db, struct str metric, struct str type, struct str unit,
                      struct str help, struct err *reterr)
{
    struct fake_store *f = (struct fake_store *)(void *)db;

    if (f->fail_metadata != 0) {
        return err_set(reterr, (enum err_code)f->fail_metadata, "fake failure");
    }
    buf_printf(&f->metadata, "%.*s|%.*s|%.*s|%.*s\n", STR_ARG(metric), STR_ARG(type), STR_ARG(unit),
               STR_ARG(help));
    return 0;
}

static void write_attrs(struct json_writer *w, const char *key, const struct attr *v, size_t n);

static void write_value(struct json_writer *w, const struct value *v)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 1 << 20);
    switch (v->type) {
    case VALUE_NONE:
        json_null(w);
        break;
    case VALUE_STR:
        json_str(w, v->u.s);
        break;
    case VALUE_BOOL:
        json_bool(w, v->u.b);
        break;
    case VALUE_I64:
        json_i64(w, v->u.i);
        break;
    case VALUE_F64:
        json_object_begin(w);
        json_key(w, "double");
        buf_add_f64(&b, v->u.f);
        json_str(w, buf_str(&b));
        json_object_end(w);
        break;
    case VALUE_BYTES:
        json_object_begin(w);
        json_key(w, "bytes");
        base64_encode(v->u.s, &b);
        json_str(w, buf_str(&b));
        json_object_end(w);
        break;
    case VALUE_ARRAY:
        json_array_begin(w);
        for (size_t i = 0; i < v->u.array.n; i++) {
            write_value(w, &v->u.array.v[i]);
        }
        json_array_end(w);
        break;
    case VALUE_MAP:
        json_object_begin(w);
        write_attrs(w, "map", v->u.map.v, v->u.map.n);
        json_object_end(w);
        break;
    }
}

/* All writers below leave out what has its zero value. */
static void write_attrs(struct json_writer *w, const char *key, const struct attr *v, size_t n)
{
    if (n == 0) {
        return;
    }
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_array_begin(w);
        json_str(w, v[i].key);
        write_value(w, &v[i].value);
        json_array_end(w);
    }
    json_array_end(w);
}

static void write_str(struct json_writer *w, const char *key, struct str s)
{
    if (s.n != 0) {
        json_key(w, key);
        json_str(w, s);
    }
}

static void write_i64(struct json_writer *w, const char *key, int64_t v)
{
    if (v != 0) {
        json_key(w, key);
        json_i64(w, v);
    }
}

static void write_id(struct json_writer *w, const char *key, const uint8_t *id, size_t n)
{
    char hex[33];

    hex_encode(id, n, hex);
    if (strspn(hex, "0") != 2 * n) {
        write_str(w, key, str_cstr(hex));
    }
}

static void write_origin(struct json_writer *w, const struct resource *r, const struct scope *s)
{
    json_key(w, "resource");
    json_object_begin(w);
    write_attrs(w, "attrs", r->attrs.v, r->attrs.n);
    write_str(w, "url", r->schema_url);
    write_i64(w, "dropped", r->dropped_attrs);
    json_object_end(w);
    json_key(w, "scope");
    json_object_begin(w);
    write_str(w, "name", s->name);
    write_str(w, "version", s->version);
    write_attrs(w, "attrs", s->attrs.v, s->attrs.n);
    write_str(w, "url", s->schema_url);
    write_i64(w, "dropped", s->dropped_attrs);
    json_object_end(w);
}

static void write_events(struct json_writer *w, const struct span *s)
{
    if (s->events_n == 0) {
        return;
    }
    json_key(w, "events");
    json_array_begin(w);
    for (size_t i = 0; i < s->events_n; i++) {
        json_object_begin(w);
        write_i64(w, "time", s->events[i].time_ns);
        write_str(w, "name", s->events[i].name);
        write_attrs(w, "attrs", s->events[i].attrs.v, s->events[i].attrs.n);
        write_i64(w, "dropped", s->events[i].dropped_attrs);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_links(struct json_writer *w, const struct span *s)
{
    if (s->links_n == 0) {
        return;
    }
    json_key(w, "links");
    json_array_begin(w);
    for (size_t i = 0; i < s->links_n; i++) {
        const struct span_link *l = &s->links[i];

        json_object_begin(w);
        write_id(w, "trace", l->trace_id.b, sizeof(l->trace_id.b));
        write_id(w, "span", l->span_id.b, sizeof(l->span_id.b));
        write_str(w, "state", l->trace_state);
        write_attrs(w, "attrs", l->attrs.v, l->attrs.n);
        write_i64(w, "dropped", l->dropped_attrs);
        write_i64(w, "flags", l->flags);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_span(struct json_writer *w, const struct span *s)
{
    json_object_begin(w);
    write_id(w, "trace", s->trace_id.b, sizeof(s->trace_id.b));
    write_id(w, "span", s->span_id.b, sizeof(s->span_id.b));
    write_id(w, "parent", s->parent_id.b, sizeof(s->parent_id.b));
    write_str(w, "state", s->trace_state);
    write_str(w, "name", s->name);
    write_i64(w, "start", s->start_ns);
    write_i64(w, "end", s->end_ns);
    write_i64(w, "arrival", s->arrival_ns);
    write_str(w, "message", s->status_message);
    write_attrs(w, "attrs", s->attrs.v, s->attrs.n);
    write_events(w, s);
    write_links(w, s);
    write_i64(w, "flags", s->flags);
    write_i64(w, "dropped_attrs", s->dropped_attrs);
    write_i64(w, "dropped_events", s->dropped_events);
    write_i64(w, "dropped_links", s->dropped_links);
    write_i64(w, "kind", s->kind);
    write_i64(w, "status", s->status);
    write_origin(w, s->resource, s->scope);
    json_object_end(w);
}

static void write_log(struct json_writer *w, const struct log_record *l)
{
    json_object_begin(w);
    write_i64(w, "time", l->time_ns);
    write_i64(w, "observed", l->observed_ns);
    write_i64(w, "arrival", l->arrival_ns);
    write_str(w, "severity_text", l->severity_text);
    write_i64(w, "severity", l->severity);
    if (l->body.type != VALUE_NONE) {
        json_key(w, "body");
        write_value(w, &l->body);
    }
    write_str(w, "event", l->event_name);
    write_attrs(w, "attrs", l->attrs.v, l->attrs.n);
    write_id(w, "trace", l->trace_id.b, sizeof(l->trace_id.b));
    write_id(w, "span", l->span_id.b, sizeof(l->span_id.b));
    write_i64(w, "flags", l->flags);
    write_i64(w, "dropped_attrs", l->dropped_attrs);
    write_origin(w, l->resource, l->scope);
    json_object_end(w);
}

static void begin_row(struct fake_store *f, struct json_writer *w)
{
    if (f->rows.n != 0) {
        buf_add_byte(&f->rows, ',');
    }
    json_init(w, &f->rows);
}

int columns_append_spans(struct columns *c, const struct span *spans, size_t n,
                         struct columns_commit *ret, struct err *reterr)
{
    struct fake_store *f = (struct fake_store *)(void *)c;
    struct columns_commit done = {0};

    if (f->fail_commit != 0) {
        return err_set(reterr, (enum err_code)f->fail_commit, "fake failure");
    }
    for (size_t i = 0; i < n; i++) {
        struct json_writer w;

        if (spans[i].start_ns / 1000000 < f->min_ms) {
            done.rejected[COLUMNS_REJECT_TOO_OLD]++;
            continue;
        }
        done.accepted++;
        if (!f->quiet) {
            begin_row(f, &w);
            write_span(&w, &spans[i]);
        }
    }
    f->rows_n += done.accepted;
    f->commits++;
    *ret = done;
    return 0;
}

int columns_append_logs(struct columns *c, const struct log_record *logs, size_t n,
                        struct columns_commit *ret, struct err *reterr)
{
    struct fake_store *f = (struct fake_store *)(void *)c;

    if (f->fail_commit != 0) {
        return err_set(reterr, (enum err_code)f->fail_commit, "fake failure");
    }
    for (size_t i = 0; i < n && !f->quiet; i++) {
        struct json_writer w;

        begin_row(f, &w);
        write_log(&w, &logs[i]);
    }
    f->rows_n += n;
    f->commits++;
    *ret = (struct columns_commit){.accepted = n};
    return 0;
}

int tsdb_exemplars_commit(struct tsdb *db, struct exemplar_batch *b, struct exemplar_commit *ret,
                          struct err *reterr)
{
    struct fake_store *f = (struct fake_store *)(void *)db;

    (void)reterr;
    f->exemplars_n += b->n;
    *ret = (struct exemplar_commit){.stored = b->n};
    exemplar_batch_clear(b);
    return 0;
}
