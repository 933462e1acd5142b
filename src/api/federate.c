/* SPDX-License-Identifier: Apache-2.0
 *
 * /federate: the newest sample of every matching series as an exposition, text or, for those who prefer it, protobuf.
 * Only the latter has native histograms, and those with custom bounds in neither. Sources: Prometheus documentation,
 * federation; io/prometheus/client/metrics.proto.
 */
#include <stdlib.h>

#include "api/api_internal.h"

#include "api/native_encode.h"
#include "api/selectors.h"
#include "codec/pb.h"

enum {
    ANSWER_MAX = 256 << 20,
    ENTRY_MAX = 4 << 20,
    LOOKBACK_MS = 300000,
    SERIES_MAX = 1000000,
};

/** Numbers as in io.prometheus.client.MetricType. */
enum family_type { TYPE_UNTYPED = 3, TYPE_HISTOGRAM = 4, TYPE_GAUGE_HISTOGRAM = 5 };

struct entry {
    struct str text;   /* owned: the line, or a Metric message */
    struct str family; /* owned: the metric's name; in text quoted when it must be */
    enum family_type type;
};

struct exposition {
    VEC(struct entry) entries;
    size_t bytes; /* of them */
    bool protobuf;
};

/** The newest sample of a series. */
struct newest {
    int64_t t_ms;
    double v;
    const struct native_histogram *h; /* NULL: it is a float */
};

static void exposition_done(struct exposition *x)
{
    for (size_t i = 0; i < x->entries.n; i++) {
        mem_free((char *)(uintptr_t)x->entries.v[i].text.p);
        mem_free((char *)(uintptr_t)x->entries.v[i].family.p);
    }
    vec_done(&x->entries);
}

static void put_text(struct labels ls, const struct newest *s, struct buf *dst, struct buf *family)
{
    const struct label only = {STR(LABEL_NAME), labels_get(ls, STR(LABEL_NAME))};

    labels_format(ls, dst);
    buf_add_byte(dst, ' ');
    buf_add_f64(dst, s->v);
    buf_printf(dst, " %lld\n", (long long)s->t_ms);
    labels_format((struct labels){&only, 1}, family);
}

/** Metric: label = 1, untyped = 5, timestamp_ms = 6, histogram = 7. */
static void put_message(struct labels ls, const struct newest *s, struct buf *dst,
                        struct buf *family)
{
    size_t value;

    for (size_t i = 0; i < ls.n; i++) {
        if (!str_eq(ls.v[i].name, STR(LABEL_NAME))) {
            size_t label = pb_begin(dst, 1);

            pb_put_str(dst, 1, ls.v[i].name);
            pb_put_str(dst, 2, ls.v[i].value);
            pb_end(dst, label);
        }
    }
    if (s->h != NULL) {
        value = pb_begin(dst, 7);
        native_encode(NATIVE_EXPOSITION, s->h, dst);
    } else {
        value = pb_begin(dst, 5);
        pb_put_f64(dst, 1, s->v);
    }
    pb_end(dst, value);
    pb_put_varint(dst, 6, (uint64_t)s->t_ms);
    buf_add_str(family, labels_get(ls, STR(LABEL_NAME)));
}

static int add_entry(struct exposition *x, struct labels ls, const struct newest *s, struct err *e)
{
    struct buf text CLEANUP(buf_done) = {0};
    struct buf family CLEANUP(buf_done) = {0};
    struct entry new = {.type = s->h == NULL                 ? TYPE_UNTYPED
                                : s->h->hint == NATIVE_GAUGE ? TYPE_GAUGE_HISTOGRAM
                                                             : TYPE_HISTOGRAM};

    buf_init(&text, ENTRY_MAX);
    buf_init(&family, ENTRY_MAX);
    (x->protobuf ? put_message : put_text)(ls, s, &text, &family);
    x->bytes += text.n + family.n;
    if (x->bytes > ANSWER_MAX) {
        return err_set(e, ERR_LIMIT, "more than %d bytes of series match", ANSWER_MAX);
    }
    new.text.n = text.n;
    new.family.n = family.n;
    new.text.p = buf_take(&text);
    new.family.p = buf_take(&family);
    if (new.text.p == NULL || new.family.p == NULL || !vec_push(&x->entries, new)) {
        mem_free((char *)(uintptr_t) new.text.p);
        mem_free((char *)(uintptr_t) new.family.p);
        return err_set(e, ERR_NOMEM, "no memory for a series of %zu bytes", new.text.n);
    }
    return 0;
}

/** @return false: there is none, it is a stale marker, or the form cannot carry it */
static bool find_newest(const struct samples *s, const struct native_samples *natives,
                        bool protobuf, struct newest *ret)
{
    const struct native_histogram *h = natives->n != 0 ? &natives->v[natives->n - 1] : NULL;

    if (h != NULL && (s->n == 0 || natives->t_ms[natives->n - 1] > s->t_ms[s->n - 1])) {
        *ret = (struct newest){.t_ms = natives->t_ms[natives->n - 1], .h = h};
        return protobuf && !sample_is_stale(h->sum) && !native_is_custom(h);
    }
    if (s->n == 0) {
        return false;
    }
    *ret = (struct newest){.t_ms = s->t_ms[s->n - 1], .v = s->v[s->n - 1]};
    return !sample_is_stale(ret->v);
}

static int add_matching(struct series_source src, const struct series_query *q,
                        struct exposition *dst, struct err *e)
{
    struct series_selection *sel = NULL;
    struct native_samples natives = {0};
    struct samples s = {0};
    int rc = src.ops->select(src.impl, q, &sel, e);

    for (size_t i = 0; rc == 0 && i < src.ops->count(sel); i++) {
        struct labels ls = src.ops->labels(sel, i);
        struct newest newest;

        if (labels_get(ls, STR(LABEL_NAME)).n == 0) {
            continue;
        }
        natives.n = 0;
        rc = src.ops->read(sel, i, &s, e);
        if (rc == 0 && src.ops->has_histograms != NULL && src.ops->has_histograms(sel, i)) {
            rc = src.ops->read_histograms(sel, i, &natives, e);
        }
        if (rc == 0 && find_newest(&s, &natives, dst->protobuf, &newest)) {
            rc = add_entry(dst, ls, &newest, e);
        }
    }
    native_samples_done(&natives);
    samples_done(&s);
    src.ops->free(sel);
    return rc;
}

static bool same_family(const struct entry *a, const struct entry *b)
{
    return str_eq(a->family, b->family) && a->type == b->type;
}

/* By family, so that each has its type once, then by text, so that equal ones meet. */
static int by_family(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    int c = str_cmp(x->family, y->family);

    c = c != 0 ? c : (int)x->type - (int)y->type;
    return c != 0 ? c : str_cmp(x->text, y->text);
}

/** One family, from entry `i` to the one before `end`, sorted. */
static void write_text(const struct entry *v, size_t i, size_t end, struct buf *dst)
{
    struct str name = v[i].family;

    if (str_starts(name, STR("{"))) { /* {"a.b"}: the name alone is in quotes there */
        name = str_of(name.p + 1, name.n - 2);
    }
    buf_printf(dst, "# TYPE %.*s untyped\n", STR_ARG(name));
    for (size_t k = i; k < end; k++) {
        if (k == i || !str_eq(v[k].text, v[k - 1].text)) { /* two selectors found it */
            buf_add_str(dst, v[k].text);
        }
    }
}

/** MetricFamily after its length: name = 1, type = 3, metric = 4. */
static void write_message(const struct entry *v, size_t i, size_t end, struct buf *dst)
{
    struct buf family CLEANUP(buf_done) = {0};
    uint8_t length[VARINT_MAX];

    buf_init(&family, ANSWER_MAX);
    pb_put_str(&family, 1, v[i].family);
    pb_put_varint(&family, 3, v[i].type);
    for (size_t k = i; k < end; k++) {
        if (k == i || !str_eq(v[k].text, v[k - 1].text)) {
            pb_put_str(&family, 4, v[k].text);
        }
    }
    buf_add(dst, length, varint_put(length, family.n));
    buf_add_str(dst, buf_str(&family));
    dst->failed |= family.failed;
}

static void write_families(struct exposition *x, struct buf *dst)
{
    const struct entry *v = x->entries.v;
    size_t end;

    if (x->entries.n > 1) {
        qsort(x->entries.v, x->entries.n, sizeof(*x->entries.v), by_family);
    }
    for (size_t i = 0; i < x->entries.n; i = end) {
        for (end = i + 1; end < x->entries.n && same_family(&v[i], &v[end]); end++) {
        }
        (x->protobuf ? write_message : write_text)(v, i, end, dst);
    }
}

/** A media range of an Accept header (RFC 9110 §12.5.1). */
struct media_range {
    struct str type;
    double weight;
    bool delimited; /* no other encoding or message is asked for */
};

static struct media_range parse_range(struct str text)
{
    struct media_range r = {.weight = 1, .delimited = true};
    struct str part;

    for (bool first = true; str_split(&text, ';', &part); first = false) {
        double weight;

        part = str_trim(part);
        if (first) {
            r.type = part;
        } else if (str_starts(part, STR("q="))) {
            r.weight = str_to_f64(str_drop(part, 2), &weight) ? weight : 0;
        } else if (str_starts(part, STR("encoding="))) {
            r.delimited &= str_eq(part, STR("encoding=delimited"));
        } else if (str_starts(part, STR("proto="))) {
            r.delimited &= str_eq(part, STR("proto=io.prometheus.client.MetricFamily"));
        }
    }
    return r;
}

/** Is protobuf named, with a greater weight than text? */
static bool prefers_protobuf(struct str accept)
{
    double protobuf = 0;
    double text = 0;
    struct str part;

    while (str_split(&accept, ',', &part)) {
        struct media_range r = parse_range(part);

        if (str_eq_nocase(r.type, STR("application/vnd.google.protobuf")) && r.delimited) {
            protobuf = r.weight > protobuf ? r.weight : protobuf;
        } else if (str_eq_nocase(r.type, STR("text/plain"))) {
            text = r.weight > text ? r.weight : text;
        }
    }
    return protobuf > text;
}

static void federate(void *arg, struct http_exchange *x)
{
    struct series_source src = tsdb_source(store_metrics(api_backend(arg)->store));
    struct selectors m CLEANUP(selectors_done) = {0};
    struct exposition found CLEANUP(exposition_done) = {
        .protobuf = prefers_protobuf(http_header(x, "Accept"))};
    int64_t now = clock_wall_ms();
    struct err e = {0};
    struct buf b;
    int rc = selectors_parse(x, &m, &e);

    for (size_t i = 0; rc == 0 && i < m.n; i++) {
        const struct series_query q = {.matchers = (const struct matcher *const *)m.m[i],
                                       .matchers_n = m.m_n[i],
                                       .min_ms = now - LOOKBACK_MS + 1,
                                       .max_ms = now,
                                       .max_series = SERIES_MAX,
                                       .want = SERIES_LAST,
                                       .cancel = http_cancel(x)};

        rc = add_matching(src, &q, &found, &e);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, ANSWER_MAX);
    write_families(&found, &b);
    if (b.failed) {
        buf_done(&b);
        http_respond_errorf(x, ERR_LIMIT, "more than %d bytes of series match", ANSWER_MAX);
        return;
    }
    http_respond_take(x, 200,
                      found.protobuf ? "application/vnd.google.protobuf; "
                                       "proto=io.prometheus.client.MetricFamily; encoding=delimited"
                                     : "text/plain; version=0.0.4; charset=utf-8",
                      &b);
}

void federate_routes(struct api *a, struct http_server *s)
{
    const struct http_route routes[] = {
        {"GET", "/federate", federate, a, HTTP_WORKER, 0, NEED_READ | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
