/* SPDX-License-Identifier: Apache-2.0
 *
 * Labels of a record. A record has tens of labels, so they are a plain array searched by a hash of the name.
 */
#include "query/logql/row.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "codec/utf8.h"
#include "model/value_text.h"
#include "query/logql/logql.h"

#define SUFFIX "_extracted"

enum { FLATTEN_DEPTH = 8, TEXT_MAX = 64 << 20 };

static const struct str ERROR = {"__error__", 9};
static const struct str DETAILS = {"__error_details__", 17};
static const struct str UNKNOWN_SERVICE = {"unknown_service", 15};

/* ---- names ---- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

struct str logql_label_name(struct arena *a, struct str s)
{
    bool digit = s.n != 0 && s.p[0] >= '0' && s.p[0] <= '9';
    size_t i = 0;
    size_t n = digit;
    char *dst;

    while (i < s.n && is_name_char(s.p[i])) {
        i++;
    }
    if (i == s.n && !digit) {
        return s;
    }
    dst = arena_alloc(a, s.n + 1, 1);
    if (dst == NULL) {
        return str_of("", 0);
    }
    dst[0] = '_';
    for (i = 0; i < s.n;) {
        size_t step = utf8_sequence(s.p + i, s.n - i);

        dst[n++] = is_name_char(s.p[i]) ? s.p[i] : '_';
        i += step != 0 ? step : 1;
    }
    return str_of(dst, n);
}

const char *logql_level_name(uint8_t severity)
{
    /* 18 to 20 are what syslog calls critical and worse */
    return severity == 0    ? "unknown"
           : severity <= 4  ? "trace"
           : severity <= 8  ? "debug"
           : severity <= 12 ? "info"
           : severity <= 16 ? "warn"
           : severity == 17 ? "error"
           : severity <= 20 ? "critical"
                            : "fatal";
}

/* ---- streams ---- */

/* Attributes to labels: maps are flattened with '_', empty values left out. */
struct flatten {
    struct arena *a;
    struct buf text;
    void (*add)(void *arg, struct str name, struct str value);
    void *arg;
    bool failed;
};

static void flatten_attrs(struct flatten *f, struct str prefix, struct attrs as, int depth);

static void flatten_value(struct flatten *f, struct str name, const struct value *v, int depth)
{
    struct str text;

    if (v->type == VALUE_MAP && depth < FLATTEN_DEPTH) {
        flatten_attrs(f, name, (struct attrs){v->u.map.v, v->u.map.n}, depth + 1);
        return;
    }
    buf_clear(&f->text);
    text = value_text(v, &f->text);
    if (v->type != VALUE_STR) {
        text = arena_str_dup(f->a, text);
        f->failed = f->failed || text.p == NULL;
    }
    if (text.n != 0 && text.p != NULL) {
        f->add(f->arg, name, text);
    }
}

static void flatten_attrs(struct flatten *f, struct str prefix, struct attrs as, int depth)
{
    for (size_t i = 0; i < as.n; i++) {
        struct str name = logql_label_name(f->a, as.v[i].key);

        if (prefix.n != 0) {
            name = arena_printf(f->a, "%.*s_%.*s", STR_ARG(prefix), STR_ARG(as.v[i].key));
            name = name.p != NULL ? logql_label_name(f->a, name) : name;
        }
        if (name.n == 0) {
            continue;
        }
        flatten_value(f, name, &as.v[i].value, depth);
    }
}

void lq_streams_init(struct stream_table *t, size_t memory_bytes)
{
    *t = (struct stream_table){0};
    arena_init(&t->arena, memory_bytes);
}

void lq_streams_done(struct stream_table *t)
{
    mem_free(t->slots);
    arena_done(&t->arena);
}

static uint64_t value_key(const struct value *v, uint64_t seed)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str text;

    if (v->type == VALUE_STR) {
        return hash64_seed(v->u.s.p, v->u.s.n, seed);
    }
    buf_init(&b, TEXT_MAX);
    text = value_text(v, &b);
    return hash64_seed(text.p, text.n, seed + (uint64_t)v->type);
}

static uint64_t resource_key(const struct resource *r)
{
    uint64_t key = r->attrs.n;

    for (size_t i = 0; i < r->attrs.n; i++) {
        key = hash64_seed(r->attrs.v[i].key.p, r->attrs.v[i].key.n, key);
        key = value_key(&r->attrs.v[i].value, key);
    }
    return key;
}

static bool table_grow(struct stream_table *t)
{
    size_t cap = t->cap != 0 ? t->cap * 2 : 256;
    struct stream **slots = mem_try_calloc(cap, sizeof(struct stream *));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < t->cap; i++) {
        if (t->slots[i] != NULL) {
            size_t at = t->slots[i]->key & (cap - 1);

            while (slots[at] != NULL) {
                at = (at + 1) & (cap - 1);
            }
            slots[at] = t->slots[i];
        }
    }
    mem_free(t->slots);
    t->slots = slots;
    t->cap = cap;
    return true;
}

struct gather {
    struct arena *a;
    struct label *v;
    size_t n, cap;
    bool failed;
};

static void gather_label(void *arg, struct str name, struct str value)
{
    struct gather *g = arg;

    for (size_t i = 0; i < g->n; i++) {
        if (str_eq(g->v[i].name, name)) {
            return; /* the first one wins */
        }
    }
    if (g->n == g->cap) {
        size_t cap = g->cap != 0 ? g->cap * 2 : 16;
        struct label *v = arena_array(g->a, struct label, cap);

        if (v == NULL) {
            g->failed = true;
            return;
        }
        if (g->n != 0) {
            memcpy(v, g->v, g->n * sizeof(*v));
        }
        g->v = v;
        g->cap = cap;
    }
    name = arena_str_dup(g->a, name);
    value = arena_str_dup(g->a, value);
    g->failed = g->failed || name.p == NULL || value.p == NULL;
    g->v[g->n++] = (struct label){name, value};
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static struct stream *stream_new(struct stream_table *t, const struct resource *r, uint64_t key)
{
    struct stream *s = arena_calloc(&t->arena, 1, sizeof(*s));
    struct gather g = {.a = &t->arena};
    struct flatten f = {.a = &t->arena, .add = gather_label, .arg = &g};

    buf_init(&f.text, TEXT_MAX);
    flatten_attrs(&f, STR(""), r->attrs, 0);
    buf_done(&f.text);
    if (!g.failed && labels_get((struct labels){g.v, g.n}, STR("service_name")).n == 0) {
        gather_label(&g, STR("service_name"), UNKNOWN_SERVICE);
    }
    if (s == NULL || g.failed || f.failed) {
        return NULL;
    }
    qsort(g.v, g.n, sizeof(*g.v), by_name);
    s->labels = (struct labels){g.v, g.n};
    s->key = key;
    return s;
}

const struct stream *lq_streams_find(struct stream_table *t, const struct resource *r,
                                     bool *ret_new)
{
    uint64_t key = resource_key(r);
    struct stream *s;
    size_t at;

    *ret_new = false;
    if (t->n * 2 >= t->cap && !table_grow(t)) {
        return NULL;
    }
    at = key & (t->cap - 1);
    while (t->slots[at] != NULL) {
        if (t->slots[at]->key == key) {
            return t->slots[at];
        }
        at = (at + 1) & (t->cap - 1);
    }
    s = stream_new(t, r, key);
    if (s != NULL) {
        t->slots[at] = s;
        t->n++;
        *ret_new = true;
    }
    return s;
}

/* ---- rows ---- */

struct row *lq_row_new(size_t memory_bytes)
{
    struct row *r = mem_xcalloc(1, sizeof(*r));

    arena_init(&r->arena, memory_bytes);
    buf_init(&r->text, memory_bytes);
    buf_init(&r->text2, memory_bytes);
    return r;
}

void lq_row_free(struct row *r)
{
    if (r != NULL) {
        vec_done(&r->labels);
        vec_done(&r->sorted);
        vec_done(&r->gone);
        buf_done(&r->text);
        buf_done(&r->text2);
        arena_done(&r->arena);
        if (r->table != NULL) {
            lq_streams_done(r->table);
            mem_free(r->table);
        }
        mem_free(r);
    }
}

struct str lq_row_dup(struct row *r, struct str s)
{
    struct str copy = arena_str_dup(&r->arena, s);

    if (copy.p == NULL && s.n != 0) {
        r->no_memory = true;
        return str_of("", 0);
    }
    return copy;
}

struct str lq_row_line(struct row *r, const struct log_record *record)
{
    if (record->body.type == VALUE_STR) {
        return record->body.u.s;
    }
    buf_clear(&r->text);
    return lq_row_dup(r, value_text(&record->body, &r->text));
}

static uint32_t name_hash(struct str name)
{
    return (uint32_t)hash64(name.p, name.n);
}

static void push(struct row *r, enum label_category c, struct str name, struct str value)
{
    if (r->labels.n < ROW_LABELS_MAX &&
        !vec_push(&r->labels, (struct row_label){name, value, name_hash(name), c})) {
        r->no_memory = true;
    }
}

void lq_row_begin(struct row *r, const struct log_record *record, const struct stream *s)
{
    arena_reset(&r->arena);
    vec_clear(&r->labels);
    vec_clear(&r->gone);
    r->record = record;
    r->stream = s;
    r->t_ns = record->time_ns;
    r->meta_loaded = false;
    r->no_memory = false;
    r->parser_failed = false;
    r->error = r->details = str_of("", 0);
    r->value = 0;
    r->line = lq_row_line(r, record);
    for (size_t i = 0; i < s->labels.n; i++) {
        push(r, LABEL_STREAM, s->labels.v[i].name, s->labels.v[i].value);
    }
}

static struct row_label *find(const struct row *r, struct str name)
{
    uint32_t hash = name_hash(name);

    for (size_t i = 0; i < r->labels.n; i++) {
        if (r->labels.v[i].hash == hash && str_eq(r->labels.v[i].name, name)) {
            return &r->labels.v[i];
        }
    }
    return NULL;
}

static struct str extracted(struct row *r, struct str name)
{
    name = arena_printf(&r->arena, "%.*s" SUFFIX, STR_ARG(name));
    r->no_memory = r->no_memory || name.p == NULL;
    return name;
}

static void put(struct row *r, enum label_category c, struct str name, struct str value)
{
    struct row_label *l = find(r, name);

    if (l != NULL) {
        l->value = value;
        l->category = c;
    } else {
        push(r, c, name, value);
    }
}

/* A name that the stream has too gets a suffix. */
static struct str beside_stream(struct row *r, struct str name)
{
    for (size_t i = 0; i < r->stream->labels.n; i++) {
        if (str_eq(r->stream->labels.v[i].name, name)) {
            return extracted(r, name);
        }
    }
    return name;
}

static void add_meta(void *arg, struct str name, struct str value)
{
    struct row *r = arg;

    name = beside_stream(r, name);
    if (find(r, name) == NULL) {
        put(r, LABEL_META, name, value);
    }
}

static void add_id(struct row *r, struct str name, const uint8_t *id, size_t n)
{
    char hex[2 * TRACE_ID_SIZE + 1];

    hex_encode(id, n, hex);
    add_meta(r, name, lq_row_dup(r, str_of(hex, 2 * n)));
}

static void load_meta(struct row *r)
{
    const struct log_record *rec = r->record;
    struct flatten f = {.a = &r->arena, .add = add_meta, .arg = r};

    if (r->meta_loaded) {
        return;
    }
    r->meta_loaded = true;
    f.text = r->text;
    buf_clear(&f.text);
    flatten_attrs(&f, STR(""), rec->attrs, 0);
    r->text = f.text;
    r->no_memory = r->no_memory || f.failed;
    if (!trace_id_is_zero(rec->trace_id)) {
        add_id(r, STR("trace_id"), rec->trace_id.b, TRACE_ID_SIZE);
    }
    if (!span_id_is_zero(rec->span_id)) {
        add_id(r, STR("span_id"), rec->span_id.b, SPAN_ID_SIZE);
    }
    if (rec->severity_text.n != 0) {
        add_meta(r, STR("severity_text"), rec->severity_text);
    }
    if (rec->event_name.n != 0) {
        add_meta(r, STR("event_name"), rec->event_name);
    }
    if (rec->scope->name.n != 0) {
        add_meta(r, STR("scope_name"), rec->scope->name);
    }
    add_meta(r, STR(LOGQL_LEVEL), str_cstr(logql_level_name(rec->severity)));
}

/* It is there for filters and groupings that name it, and not among the labels of a row: Loki's clients show all of
 * those. */
static struct str pattern_text(struct row *r)
{
    uint8_t raw[PATTERN_ID_SIZE];
    char hex[2 * PATTERN_ID_SIZE + 1];

    pattern_id_bytes(r->record->pattern, raw);
    hex_encode(raw, sizeof(raw), hex);
    return lq_row_dup(r, str_of(hex, sizeof(hex) - 1));
}

bool lq_row_get(struct row *r, struct str name, struct str *ret, enum label_category *ret_category)
{
    const struct row_label *l;

    *ret = str_of("", 0);
    if (r->error.n != 0 && str_eq(name, ERROR)) {
        *ret = r->error;
        *ret_category = LABEL_PARSED;
        return true;
    }
    if (r->details.n != 0 && str_eq(name, DETAILS)) {
        *ret = r->details;
        *ret_category = LABEL_PARSED;
        return true;
    }
    load_meta(r);
    l = find(r, name);
    if (l != NULL) {
        *ret = l->value;
        *ret_category = l->category;
        return true;
    }
    if (r->record->pattern != 0 && str_eq(name, STR(LOGQL_PATTERN))) {
        *ret = pattern_text(r);
        *ret_category = LABEL_META;
        return true;
    }
    return false;
}

void lq_row_set(struct row *r, enum label_category c, struct str name, struct str value)
{
    load_meta(r);
    put(r, c, name, value);
}

static void forget(struct row *r, const struct row_label *l)
{
    if (l->category == LABEL_PARSED && !vec_push(&r->gone, l->name)) {
        r->no_memory = true;
    }
}

static bool is_gone(const struct row *r, struct str name)
{
    for (size_t i = 0; i < r->gone.n; i++) {
        if (str_eq(r->gone.v[i], name)) {
            return true;
        }
    }
    return false;
}

void lq_row_delete(struct row *r, struct str name)
{
    struct row_label *l;

    if (str_eq(name, ERROR)) {
        r->error = str_of("", 0);
        return;
    }
    if (str_eq(name, DETAILS)) {
        r->details = str_of("", 0);
        return;
    }
    load_meta(r);
    l = find(r, name);
    if (l != NULL) {
        forget(r, l);
        *l = r->labels.v[--r->labels.n];
    }
}

void lq_row_unparse(struct row *r, size_t n)
{
    size_t kept = n;

    for (size_t i = n; i < r->labels.n; i++) {
        if (r->labels.v[i].category != LABEL_PARSED) {
            r->labels.v[kept++] = r->labels.v[i]; /* metadata that was loaded meanwhile */
        }
    }
    r->labels.n = kept;
}

void lq_row_keep(struct row *r, bool (*keep)(const void *arg, const struct row_label *l),
                 const void *arg)
{
    size_t kept = 0;

    load_meta(r);
    for (size_t i = 0; i < r->labels.n; i++) {
        if (keep(arg, &r->labels.v[i])) {
            r->labels.v[kept++] = r->labels.v[i];
        } else {
            forget(r, &r->labels.v[i]);
        }
    }
    r->labels.n = kept;
}

bool lq_row_needs(const struct row *r, struct str name)
{
    if (r->need_none) {
        return false;
    }
    if (r->need == NULL) {
        return true;
    }
    for (size_t i = 0; i < r->need_n; i++) {
        if (str_eq(r->need[i], name)) {
            return true;
        }
    }
    return false;
}

bool lq_row_has_own(struct row *r, struct str name)
{
    const struct row_label *l;

    if (labels_get(r->stream->labels, name).n != 0) {
        return true;
    }
    load_meta(r);
    l = find(r, name);
    return l != NULL && l->category == LABEL_META;
}

bool lq_row_satisfied(const struct row *r)
{
    if (r->need_none) {
        return true;
    }
    for (size_t i = 0; i < r->need_n; i++) {
        const struct row_label *l = find(r, r->need[i]);

        if ((l == NULL || l->category != LABEL_PARSED) && !is_gone(r, r->need[i])) {
            return false;
        }
    }
    return r->need_n != 0;
}

/* With or without the suffix that it may get. */
static bool may_need(const struct row *r, struct str name)
{
    for (size_t i = 0; i < r->need_n; i++) {
        if (str_starts(r->need[i], name) &&
            (r->need[i].n == name.n || str_eq(str_drop(r->need[i], name.n), STR(SUFFIX)))) {
            return true;
        }
    }
    return r->need == NULL;
}

static bool set_parsed(struct row *r, struct str name, struct str value, bool replace)
{
    const struct row_label *old;

    if (r->need_none || !may_need(r, name)) {
        return r->need_none;
    }
    load_meta(r);
    old = find(r, name);
    if (old != NULL && old->category == LABEL_META) {
        name = extracted(r, name);
    } else {
        name = beside_stream(r, name);
    }
    if (name.p == NULL || !lq_row_needs(r, name)) {
        return false;
    }
    old = find(r, name);
    if (replace || ((old == NULL || old->category != LABEL_PARSED) && !is_gone(r, name))) {
        put(r, LABEL_PARSED, name, value);
    }
    return lq_row_satisfied(r);
}

bool lq_row_set_parsed(struct row *r, struct str name, struct str value)
{
    return set_parsed(r, name, value, false);
}

void lq_row_set_extracted(struct row *r, struct str name, struct str value)
{
    set_parsed(r, name, value, true);
}

void lq_row_set_error(struct row *r, const char *error, const char *fmt, ...)
{
    char text[256];
    va_list args;

    r->error = str_cstr(error);
    r->parser_failed = r->parser_failed || str_ends(r->error, STR("ParserErr"));
    if (fmt == NULL) {
        return;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    r->details = lq_row_dup(r, str_cstr(text));
}

struct labels lq_row_labels(struct row *r, unsigned categories)
{
    load_meta(r);
    vec_clear(&r->sorted);
    for (size_t i = 0; i < r->labels.n; i++) {
        const struct row_label *l = &r->labels.v[i];

        if ((categories >> l->category & 1) != 0 &&
            !vec_push(&r->sorted, (struct label){l->name, l->value})) {
            r->no_memory = true;
        }
    }
    if ((categories & ROW_PARSED) != 0 && r->error.n != 0 &&
        !vec_push(&r->sorted, (struct label){ERROR, r->error})) {
        r->no_memory = true;
    }
    if ((categories & ROW_PARSED) != 0 && r->details.n != 0 &&
        !vec_push(&r->sorted, (struct label){DETAILS, r->details})) {
        r->no_memory = true;
    }
    if (r->sorted.n > 1) {
        qsort(r->sorted.v, r->sorted.n, sizeof(*r->sorted.v), by_name);
    }
    return (struct labels){r->sorted.v, r->sorted.n};
}
