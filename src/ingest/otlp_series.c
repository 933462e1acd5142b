/* SPDX-License-Identifier: Apache-2.0
 *
 * From a data point's identity to a series of the store. The usual case is one hash and one look-up; the
 * rest of the file runs once per series.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "ingest/otlp_metrics_internal.h"
#include "ingest/starts.h"
#include "model/value_text.h"
#include "store/tsdb/native.h"

enum { VALUE_TEXT_MAX = 1 << 20 };

/* A label value for any attribute value. */
static int label_text(struct arena *a, const struct value *v, struct str *ret, struct err *reterr)
{
    struct buf b CLEANUP(buf_done) = {0};

    if (v->type == VALUE_STR) {
        *ret = v->u.s;
        return 0;
    }
    buf_init(&b, VALUE_TEXT_MAX);
    *ret = arena_str_dup(a, value_text(v, &b));
    return b.failed || ret->p == NULL ? otlp_no_memory(reterr) : 0;
}

/* Labels of one series being put together. */
struct building {
    struct label *v;
    size_t n;
    size_t cap;
};

static bool has_label(const struct building *l, struct str name)
{
    for (size_t i = 0; i < l->n; i++) {
        if (str_eq(l->v[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* First come, first kept: the labels that identify are added before the attributes. */
static void add_label(struct building *l, struct str name, struct str value)
{
    if (value.n != 0 && l->n < l->cap && !has_label(l, name)) {
        l->v[l->n++] = (struct label){name, value};
    }
}

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct attr *)a)->key, ((const struct attr *)b)->key);
}

static int label_name_of(struct arena *a, struct str prefix, struct str key, struct str *ret,
                         struct err *reterr)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, VALUE_TEXT_MAX);
    if (prefix.n != 0) {
        buf_add_str(&b, prefix);
        buf_add_str(&b, key);
        key = arena_str_dup(a, buf_str(&b));
        buf_clear(&b);
    }
    label_name_build(key, &b);
    *ret = arena_str_dup(a, buf_str(&b));
    return b.failed || ret->p == NULL ? otlp_no_memory(reterr) : 0;
}

/* Attributes as labels; different keys that give one name have their values joined with ';' in the order
 * of the keys (compatibility specification). `own` is where this set's labels begin. */
static int add_attrs(struct building *l, struct arena *a, struct str prefix, struct attrs as,
                     struct err *reterr)
{
    struct attr *sorted = arena_array(a, struct attr, as.n);
    size_t own = l->n;

    if (sorted == NULL) {
        return otlp_no_memory(reterr);
    }
    if (as.n != 0) {
        memcpy(sorted, as.v, as.n * sizeof(*sorted));
        qsort(sorted, as.n, sizeof(*sorted), by_key);
    }
    for (size_t i = 0; i < as.n; i++) {
        struct str name;
        struct str text;
        size_t same = own;
        int rc = label_name_of(a, prefix, sorted[i].key, &name, reterr);

        rc = rc < 0 ? rc : label_text(a, &sorted[i].value, &text, reterr);
        if (rc < 0) {
            return rc;
        }
        while (same < l->n && !str_eq(l->v[same].name, name)) {
            same++;
        }
        if (same == l->n) {
            if (name.n != 0) {
                add_label(l, name, text);
            }
        } else {
            l->v[same].value =
                arena_printf(a, "%.*s;%.*s", STR_ARG(l->v[same].value), STR_ARG(text));
            if (l->v[same].value.p == NULL) {
                return otlp_no_memory(reterr);
            }
        }
    }
    return 0;
}

static int need_resource(struct metrics_request *m, struct err *reterr)
{
    const struct resource *r = NULL;
    const struct value *id;
    struct str text = {0};
    struct str name;
    struct str ns;
    int rc;

    if (m->resource != NULL) {
        return 0;
    }
    rc = otlp_resource(m->c, &m->group, &r, reterr);
    if (rc < 0 || r == NULL) {
        return rc < 0 ? rc : otlp_no_memory(reterr);
    }
    ns = attrs_get_str(r->attrs, STR("service.namespace"));
    name = attrs_get_str(r->attrs, STR("service.name"));
    if (ns.n != 0 && name.n != 0) {
        name = arena_printf(m->c->arena, "%.*s/%.*s", STR_ARG(ns), STR_ARG(name));
        if (name.p == NULL) {
            return otlp_no_memory(reterr);
        }
    }
    id = attrs_get(r->attrs, STR("service.instance.id"));
    rc = id != NULL ? label_text(m->c->arena, id, &text, reterr) : 0;
    if (rc < 0) {
        return rc;
    }
    m->job = name;
    m->instance = text;
    m->host = attrs_get_str(r->attrs, STR("host.name"));
    m->resource = r;
    return 0;
}

static int need_scope(struct metrics_request *m, struct err *reterr)
{
    return m->scope != NULL ? 0 : otlp_scope(m->c, &m->group, &m->scope, reterr);
}

/* The family name of the current metric. @return 0, 1 when the name has no usable character, -ERR_x */
static int need_family(struct metrics_request *m, struct err *reterr)
{
    struct buf b CLEANUP(buf_done) = {0};

    if (m->metric.family.p == NULL) {
        buf_init(&b, VALUE_TEXT_MAX);
        metric_name_build(m->metric.name, m->metric.unit, m->metric.kind, &b);
        m->metric.family = arena_str_dup(m->c->arena, buf_str(&b));
        if (b.failed || m->metric.family.p == NULL) {
            return otlp_no_memory(reterr);
        }
    }
    return m->metric.family.n == 0;
}

static int add_name(struct metrics_request *m, struct building *l, enum series_part part,
                    double param, struct err *reterr)
{
    static const char *const SUFFIX[] = {"", "_bucket", "_sum", "_count", "", ""};
    struct arena *a = &m->w->arena;
    struct str name = arena_printf(a, "%.*s%s", STR_ARG(m->metric.family), SUFFIX[part]);
    struct buf b CLEANUP(buf_done) = {0};

    if (name.p == NULL) {
        return otlp_no_memory(reterr);
    }
    add_label(l, STR(LABEL_NAME), name);
    if (part == PART_BUCKET || part == PART_QUANTILE) {
        struct str text;

        buf_init(&b, 64);
        buf_add_f64(&b, param);
        text = arena_str_dup(a, buf_str(&b));
        if (text.p == NULL) {
            return otlp_no_memory(reterr);
        }
        add_label(l, part == PART_BUCKET ? STR("le") : STR("quantile"), text);
    }
    return 0;
}

/* @return 0; 1 refused and counted; -ERR_NOMEM */
static int check_labels(struct metrics_request *m, struct building *l)
{
    const struct ingest_limits *lim = m->c->limits;

    if (!labels_normalize(l->v, &l->n) || l->n > lim->max_labels) {
        otlp_reject(m->c, REJECT_LABELS, 1, "series has %zu labels, at most %zu are allowed", l->n,
                    lim->max_labels);
        return 1;
    }
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].name.n > lim->max_label_name_bytes) {
            otlp_reject(m->c, REJECT_LABELS, 1, "label name of %zu bytes, at most %zu are allowed",
                        l->v[i].name.n, lim->max_label_name_bytes);
            return 1;
        }
        if (l->v[i].value.n > lim->max_label_value_bytes) {
            otlp_reject(m->c, REJECT_LABELS, 1,
                        "value of label %.*s has %zu bytes, at most %zu are allowed",
                        STR_ARG(l->v[i].name), l->v[i].value.n, lim->max_label_value_bytes);
            return 1;
        }
    }
    return 0;
}

static int intern(struct metrics_request *m, struct building *l, const struct hash128 *key,
                  struct series_ref *ret, struct err *reterr)
{
    struct err e = {0};
    int rc = check_labels(m, l);

    if (rc != 0) {
        return rc;
    }
    rc = tsdb_intern(m->c->o->sink->metrics, (struct labels){l->v, l->n}, key, ret, &e);
    if (rc == -ERR_LIMIT) {
        otlp_reject(m->c, REJECT_SERIES_LIMIT, 1, "%s", e.msg);
        return 1;
    }
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s", e.msg) : 0;
}

static int building_init(struct building *l, struct arena *a, size_t cap, struct err *reterr)
{
    l->v = arena_array(a, struct label, cap);
    l->n = 0;
    l->cap = cap;
    return l->v != NULL ? 0 : otlp_no_memory(reterr);
}

static void add_resource_labels(const struct metrics_request *m, struct building *l)
{
    add_label(l, STR("job"), m->job);
    add_label(l, STR("instance"), m->instance);
}

static int add_scope_labels(struct metrics_request *m, struct building *l, struct err *reterr)
{
    if (m->scope->name.n == 0) {
        return 0;
    }
    add_label(l, STR("otel_scope_name"), m->scope->name);
    add_label(l, STR("otel_scope_version"), m->scope->version);
    return add_attrs(l, &m->w->arena, STR("otel_scope_"), m->scope->attrs, reterr);
}

/* Labels of a sample, not yet checked. @return 0; 1 refused and counted; errors */
static int build_labels(struct metrics_request *m, const struct point *p, enum series_part part,
                        double param, struct building *l, struct err *reterr)
{
    struct attrs as;
    uint32_t dropped = 0;
    int rc = need_family(m, reterr);

    if (rc > 0) {
        otlp_reject(m->c, REJECT_NAME, 1, "metric name \"%.*s\" has no letter, digit or colon",
                    STR_ARG(str_take(m->metric.name, 80)));
        return 1;
    }
    rc = rc < 0 ? rc : need_resource(m, reterr);
    rc = rc < 0 ? rc : need_scope(m, reterr);
    if (rc < 0) {
        return rc;
    }
    if (p->attrs_n > m->c->limits->max_labels) {
        otlp_reject(m->c, REJECT_LABELS, 1, "%zu attributes, at most %zu labels are allowed",
                    p->attrs_n, m->c->limits->max_labels);
        return 1;
    }
    arena_reset(&m->w->arena);
    rc = otlp_attrs(m->c, p->msg, p->attr_tag, p->attrs_n, &as, &dropped, reterr);
    rc = rc < 0 ? rc : building_init(l, &m->w->arena, as.n + m->scope->attrs.n + 8, reterr);
    rc = rc < 0 ? rc : add_name(m, l, part, param, reterr);
    if (rc < 0) {
        return rc;
    }
    add_resource_labels(m, l);
    rc = add_scope_labels(m, l, reterr);
    rc = rc < 0 ? rc : add_attrs(l, &m->w->arena, str_of("", 0), as, reterr);
    if (rc < 0) {
        return rc;
    }
    add_label(l, STR("host_name"), m->host);
    return 0;
}

int series_labels(struct metrics_request *m, const struct point *p, enum series_part part,
                  double param, struct labels *ret, struct err *reterr)
{
    struct building l;
    int rc = build_labels(m, p, part, param, &l, reterr);

    rc = rc != 0 ? rc : check_labels(m, &l);
    if (rc == 0) {
        *ret = (struct labels){l.v, l.n};
    }
    return rc;
}

int series_attr_labels(struct metrics_request *m, struct pb msg, uint32_t tag, size_t n,
                       struct label *v, size_t *ret_n, struct err *reterr)
{
    struct building l = {.v = v, .n = *ret_n, .cap = *ret_n + n};
    uint32_t dropped = 0;
    struct attrs as;
    int rc = otlp_attrs(m->c, msg, tag, n, &as, &dropped, reterr);

    rc = rc < 0 ? rc : add_attrs(&l, m->c->arena, str_of("", 0), as, reterr);
    if (rc == 0) {
        *ret_n = l.n;
    }
    return rc;
}

static int make_series(struct metrics_request *m, const struct point *p, enum series_part part,
                       double param, const struct hash128 *key, struct series_ref *ret,
                       struct err *reterr)
{
    struct building l;
    int rc = build_labels(m, p, part, param, &l, reterr);

    return rc != 0 ? rc : intern(m, &l, key, ret, reterr);
}

/* Everything that tells one series from another, hashed without decoding it. */
struct series_key {
    struct hash128 base;  /* resource, scope, metric */
    struct hash128 attrs; /* of the point */
    uint64_t part;
    double param;
};

static bool is_total(const struct metrics_request *m, enum series_part part)
{
    return m->metric.temporality == TEMPORALITY_DELTA && part != PART_QUANTILE;
}

/** What adding to a total gave. @return 0, 1 (refused and counted), -ERR_NOMEM */
static int delta_answer(struct metrics_request *m, int rc, struct err *reterr)
{
    if (rc == -ERR_OUT_OF_RANGE) {
        otlp_reject(m->c, REJECT_DELTA_ORDER, 1,
                    "delta point is older than the last one of its series");
        return 1;
    }
    if (rc == -ERR_LIMIT) {
        otlp_reject(m->c, REJECT_DELTA_FULL, 1, "too many series with delta temporality");
        return 1;
    }
    return rc < 0 ? otlp_no_memory(reterr) : 0;
}

static int to_total(struct metrics_request *m, const struct delta_point *d, double *ret,
                    struct err *reterr)
{
    int rc = delta_add(m->c->o->deltas, d, m->c->arena, &m->journal, ret);

    return delta_answer(m, rc, reterr);
}

/* What native_append() asks for. */
struct native_ask {
    struct metrics_request *m;
    const struct point *p;
    enum series_part part;
    double param;
    struct building l;
};

static int native_labels(void *arg, struct labels *ret, struct err *reterr)
{
    struct native_ask *k = arg;
    int rc = build_labels(k->m, k->p, k->part, k->param, &k->l, reterr);

    rc = rc != 0 ? rc : check_labels(k->m, &k->l);
    *ret = (struct labels){k->l.v, k->l.n};
    return rc;
}

/* When the counter of the sample that comes next began. A total of deltas has no start of its own.
 * @return 0; 1 refused; errors */
static int emit_start(struct native_ask *ask, struct hash128 key, struct err *reterr)
{
    struct metrics_request *m = ask->m;
    struct sink *sink = m->c->o->sink;
    const struct native_series to = {
        .door_key = &key, .fresh = m->intern_all, .labels = native_labels, .arg = ask};
    int64_t start_ms = (int64_t)(ask->p->start_ns / 1000000);
    int64_t t_ms = ask->p->time_ns / 1000000;
    struct err e = {0};
    int rc;

    if (sink->starts == NULL || m->metric.kind == METRIC_GAUGE || ask->p->stale ||
        m->metric.temporality == TEMPORALITY_DELTA ||
        !starts_wants(sink->starts, key, start_ms, t_ms, m->intern_all)) {
        return 0;
    }
    rc = native_append_start(sink->metrics, m->w->batch, &to, t_ms, start_ms, &e);
    if (rc == -ERR_LIMIT) {
        return 0; /* a courtesy: the sample itself says so when it is too much */
    }
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s", e.msg) : rc;
}

int series_emit(struct metrics_request *m, const struct point *p, enum series_part part,
                double param, double value, struct err *reterr)
{
    const struct series_key k = {m->metric.base_h, p->attrs_h, (uint64_t)part, param};
    struct hash128 key = hash128(&k, sizeof(k));
    struct series_ref ref = {0};
    int rc = 0;

    if (m->intern_all || !tsdb_lookup(m->c->o->sink->metrics, key, &ref)) {
        rc = make_series(m, p, part, param, &key, &ref, reterr);
    }
    if (rc != 0) {
        return rc;
    }
    if (p->stale) {
        value = sample_stale();
    } else if (is_total(m, part)) {
        const struct delta_point d = {key, p->time_ns, value};

        rc = to_total(m, &d, &value, reterr);
    }
    if (rc == 0 && m->c->o->sink->starts != NULL) {
        struct native_ask ask = {.m = m, .p = p, .part = part, .param = param};

        rc = emit_start(&ask, key, reterr);
    }
    if (rc == 0) {
        rc = tsdb_batch_add(m->w->batch, ref, p->time_ns / 1000000, value);
        if (rc < 0) {
            return err_set(reterr, (enum err_code) - rc, "too many samples in one request");
        }
    }
    return rc;
}

static int native_total(struct metrics_request *m, struct hash128 key, const struct point *p,
                        struct err *reterr)
{
    const struct delta_native_point d = {key, p->time_ns, &m->native};
    int rc =
        delta_native_add(m->c->o->native_deltas, &d, m->c->arena, &m->native_journal, &m->total);

    return delta_answer(m, rc, reterr);
}

int series_emit_native(struct metrics_request *m, const struct point *p, struct err *reterr)
{
    const struct series_key k = {m->metric.base_h, p->attrs_h, PART_NATIVE, 0};
    struct hash128 key = hash128(&k, sizeof(k));
    struct native_ask ask = {.m = m, .p = p, .part = PART_NATIVE};
    const struct native_series to = {
        .door_key = &key, .fresh = m->intern_all, .labels = native_labels, .arg = &ask};
    const struct native_histogram *h = &m->native;
    struct err e = {0};
    int rc = 0;

    if (p->stale) {
        m->native.sum = sample_stale();
    } else if (m->metric.temporality == TEMPORALITY_DELTA) {
        rc = native_total(m, key, p, reterr);
        h = &m->total;
    }
    if (rc != 0) {
        return rc;
    }
    rc = emit_start(&ask, key, reterr);
    if (rc != 0) {
        return rc;
    }
    rc = native_append(m->c->o->sink->metrics, m->w->batch, &to, p->time_ns / 1000000, h, &e);
    if (rc == -ERR_LIMIT) {
        otlp_reject(m->c, REJECT_SERIES_LIMIT, 1, "%s", e.msg);
        return 1;
    }
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s", e.msg) : rc;
}

static bool is_identity(struct str key)
{
    return str_eq(key, STR("service.name")) || str_eq(key, STR("service.namespace")) ||
           str_eq(key, STR("service.instance.id"));
}

/* The attributes of target_info: all but those that are its identity. */
static int other_attrs(struct metrics_request *m, struct attrs *ret, struct err *reterr)
{
    struct attrs all = m->resource->attrs;
    struct attr *v = arena_array(&m->w->arena, struct attr, all.n);
    size_t n = 0;

    if (v == NULL) {
        return otlp_no_memory(reterr);
    }
    for (size_t i = 0; i < all.n; i++) {
        if (!is_identity(all.v[i].key)) {
            v[n++] = all.v[i];
        }
    }
    *ret = (struct attrs){v, n};
    return 0;
}

static int make_target_info(struct metrics_request *m, const struct hash128 *key,
                            struct series_ref *ret, struct err *reterr)
{
    struct building l;
    struct attrs others = {0};
    int rc = need_resource(m, reterr);

    if (rc < 0) {
        return rc;
    }
    arena_reset(&m->w->arena);
    rc = other_attrs(m, &others, reterr);
    if (rc < 0) {
        return rc;
    }
    if (others.n == 0 || (m->job.n == 0 && m->instance.n == 0)) {
        return 1;
    }
    rc = building_init(&l, &m->w->arena, others.n + 3, reterr);
    if (rc < 0) {
        return rc;
    }
    add_label(&l, STR(LABEL_NAME), STR("target_info"));
    add_resource_labels(m, &l);
    rc = add_attrs(&l, &m->w->arena, str_of("", 0), others, reterr);
    return rc < 0 ? rc : intern(m, &l, key, ret, reterr);
}

int series_target_info(struct metrics_request *m, struct err *reterr)
{
    const struct series_key k = {.base = m->resource_h, .part = UINT64_MAX};
    struct hash128 key = hash128(&k, sizeof(k));
    struct series_ref ref = {0};
    int rc = 0;

    if (m->resource_newest_ns == INT64_MIN) {
        return 0;
    }
    if (m->intern_all || !tsdb_lookup(m->c->o->sink->metrics, key, &ref)) {
        rc = make_target_info(m, &key, &ref, reterr);
    }
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    rc = tsdb_batch_add(m->w->batch, ref, m->resource_newest_ns / 1000000, 1);
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "too many samples in one request") : 0;
}

int series_metadata(struct metrics_request *m, struct err *reterr)
{
    static const char *const TYPES[] = {"gauge", "counter", "gauge", "histogram", "summary"};
    const struct metric *mt = &m->metric;
    uint64_t hash = hash64_seed(mt->help.p, mt->help.n, hash64(mt->name.p, mt->name.n)) ^
                    hash64_seed(mt->unit.p, mt->unit.n, (uint64_t)mt->kind);
    struct buf unit CLEANUP(buf_done) = {0};
    int rc;

    if (seen_has(m->c->o->metadata_seen, hash)) {
        return 0;
    }
    rc = need_family(m, reterr);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    buf_init(&unit, VALUE_TEXT_MAX);
    metric_unit_build(mt->unit, &unit);
    if (!str_is_utf8(mt->help)) {
        struct str clean;

        rc = otlp_text(m->c, mt->help, &clean, reterr);
        m->metric.help = rc == 0 ? clean : mt->help;
    }
    if (rc < 0) {
        return rc;
    }
    rc = tsdb_set_metadata(m->c->o->sink->metrics, mt->family, str_cstr(TYPES[mt->kind]),
                           buf_str(&unit), mt->help, NULL);
    if (rc < 0) { /* samples do not wait for a help text */
        ingest_count_rejected(m->c->o->sink->stats, INGEST_METRICS, REJECT_METADATA, 1);
    }
    if (rc == 0 || rc == -ERR_LIMIT || rc == -ERR_INVALID) {
        seen_put(m->c->o->metadata_seen, hash);
    }
    return 0;
}
