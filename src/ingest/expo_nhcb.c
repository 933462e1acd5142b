/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines are told apart by their raw labels without `le`, put in order; the histogram's series is a text made of them, so
 * a consumer that knows its bytes parses nothing. Invariant: between two lines of one histogram nothing is handed on but
 * those lines themselves.
 */
#include "ingest/expo_nhcb.h"

#include <stdlib.h>

#include "ingest/expo_internal.h"

enum {
    SERIES_BYTES = 1 << 20,
    EXEMPLAR_BYTES = 1 << 20,
};

/* ---- one histogram ---- */

void classic_done(struct classic *c)
{
    vec_done(&c->buckets);
}

void classic_clear(struct classic *c)
{
    vec_clear(&c->buckets);
    c->count = c->sum = 0;
    c->has_count = false;
}

int classic_add(struct classic *c, double le, double count)
{
    const struct classic_bucket b = {le, count, (uint32_t)c->buckets.n};

    return vec_push(&c->buckets, b) ? 0 : -ERR_NOMEM;
}

static int by_bound(const void *pa, const void *pb)
{
    const struct classic_bucket *a = pa;
    const struct classic_bucket *b = pb;

    if (a->le != b->le) {
        return a->le < b->le ? -1 : 1;
    }
    return (a->at > b->at) - (a->at < b->at);
}

/* In order, each bound once, the last one infinite. */
static int settle(struct classic *c)
{
    size_t n = 0;

    if (c->buckets.n > 1) {
        qsort(c->buckets.v, c->buckets.n, sizeof(*c->buckets.v), by_bound);
    }
    for (size_t i = 0; i < c->buckets.n; i++) {
        if (n == 0 || c->buckets.v[n - 1].le != c->buckets.v[i].le) {
            c->buckets.v[n++] = c->buckets.v[i];
        }
    }
    c->buckets.n = n;
    if (!c->has_count) {
        c->count = n != 0 ? c->buckets.v[n - 1].count : 0;
    }
    return n == 0 || !(isinf(c->buckets.v[n - 1].le) && c->buckets.v[n - 1].le > 0)
               ? classic_add(c, INFINITY, c->count)
               : 0;
}

int classic_to_native(struct classic *c, struct native_histogram *ret)
{
    double before = 0;
    int rc;

    native_clear(ret);
    ret->schema = NATIVE_SCHEMA_CUSTOM;
    rc = settle(c);
    ret->count = c->count;
    ret->sum = c->sum;
    for (size_t i = 0; rc == 0 && i < c->buckets.n; i++) {
        const struct classic_bucket *b = &c->buckets.v[i];

        if (!(b->count >= before) || (isinf(b->le) && b->le < 0)) {
            return 1;
        }
        if (i + 1 < c->buckets.n) {
            rc = native_push_bound(ret, b->le);
        }
        if (rc == 0 && b->count != before) {
            rc = native_push(&ret->positive, (int32_t)i, b->count - before);
        }
        before = b->count;
    }
    if (rc == 0 && c->count == before && native_validate(ret, false, NULL) == 0) {
        return 0;
    }
    return rc == -ERR_NOMEM ? rc : 1;
}

/* ---- lines ---- */

struct expo_nhcb {
    bool open; /* something is gathered */
    struct classic classic;
    struct native_histogram h;
    struct buf series;         /* {"NAME",label="value",...} of what is gathered */
    struct buf next;           /* the same of the line at hand */
    VEC(struct str) items;     /* raw labels of the line at hand */
    struct buf name;           /* of its family, which may have ended */
    struct expo_family family; /* without a help text */
    struct expo_sample head;   /* time and start of what is gathered */
    struct arena exemplars_a;
    struct exemplar exemplars[EXPO_EXEMPLARS_MAX];
    size_t exemplars_n;
};

static struct expo_nhcb *nhcb_new(void)
{
    struct expo_nhcb *n = mem_try_calloc(1, sizeof(*n));

    if (n != NULL) {
        buf_init(&n->series, SERIES_BYTES);
        buf_init(&n->next, SERIES_BYTES);
        buf_init(&n->name, SERIES_BYTES);
        arena_init(&n->exemplars_a, EXEMPLAR_BYTES);
    }
    return n;
}

void expo_nhcb_free(struct expo_nhcb *n)
{
    if (n != NULL) {
        classic_done(&n->classic);
        native_done(&n->h);
        buf_done(&n->series);
        buf_done(&n->next);
        buf_done(&n->name);
        vec_done(&n->items);
        arena_done(&n->exemplars_a);
        mem_free(n);
    }
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == ',')) {
        p++;
    }
    return p;
}

static const char *until(const char *p, const char *end, const char *stops)
{
    const size_t n = strlen(stops); /* a zero byte of the input is none of them */

    while (p < end && memchr(stops, *p, n) == NULL) {
        p++;
    }
    return p;
}

/* Labels of a raw series into n->items, `le` into *ret_le instead. @return false: not as it should be, or no memory;
 * then the line is handed on and whoever parses it says why */
static bool split_items(struct expo_nhcb *n, struct str series, struct str *ret_le)
{
    const char *end = series.p + series.n;
    const char *p = until(expo_name_end(series.p, end), end, "{");

    vec_clear(&n->items);
    for (p = skip_blanks(p + (p < end), end); p < end && *p != '}'; p = skip_blanks(p, end)) {
        const char *start = p;
        const char *name_end = *p == '"' ? expo_string_end(p, end) : until(p, end, " \t=,}");
        struct str name;

        if (name_end == NULL || name_end == start) {
            return false;
        }
        name = str_of(start, (size_t)(name_end - start));
        p = skip_blanks(name_end, end);
        if (p == end || *p != '=') { /* the metric's name in quotes */
            continue;
        }
        start = skip_blanks(p + 1, end);
        p = start < end && *start == '"' ? expo_string_end(start, end) : NULL;
        if (p == NULL) {
            return false;
        }
        if (str_eq(name, STR("le")) || str_eq(name, STR("\"le\""))) {
            *ret_le = str_of(start + 1, (size_t)(p - start - 2));
        } else if (p - start > 2 && !vec_push(&n->items, str_of(name.p, (size_t)(p - name.p)))) {
            return false;
        }
    }
    return true;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Of one label: blanks around its '=' do not count. */
static void add_item(struct buf *b, struct str item)
{
    const char *end = item.p + item.n;
    const char *name_end =
        *item.p == '"' ? expo_string_end(item.p, end) : until(item.p, end, " \t=");
    const char *value = until(name_end, end, "\"");

    buf_add_byte(b, ',');
    buf_add(b, item.p, (size_t)(name_end - item.p));
    buf_add_byte(b, '=');
    buf_add(b, value, (size_t)(end - value));
}

/* Into n->next: what tells this line's histogram from others. */
static void make_series(struct expo_nhcb *n, struct str family)
{
    bool sorted = true;

    for (size_t i = 1; sorted && i < n->items.n; i++) {
        sorted = str_cmp(n->items.v[i - 1], n->items.v[i]) <= 0;
    }
    if (!sorted) {
        qsort(n->items.v, n->items.n, sizeof(*n->items.v), by_text);
    }
    buf_clear(&n->next);
    buf_add_cstr(&n->next, "{\"");
    buf_add_str(&n->next, family);
    buf_add_byte(&n->next, '"');
    for (size_t i = 0; i < n->items.n; i++) {
        add_item(&n->next, n->items.v[i]);
    }
    buf_add_byte(&n->next, '}');
}

static bool needs_escapes(struct str name)
{
    return memchr(name.p, '"', name.n) != NULL || memchr(name.p, '\\', name.n) != NULL ||
           memchr(name.p, '\n', name.n) != NULL;
}

enum line { LINE_OTHER, LINE_BUCKET, LINE_COUNT, LINE_SUM };

/* Which part of a histogram the sample is. */
static enum line line_of(const struct expo *x)
{
    static const struct str SUFFIXES[] = {
        [LINE_BUCKET] = {"_bucket", 7}, [LINE_COUNT] = {"_count", 6}, [LINE_SUM] = {"_sum", 4}};
    struct str name = expo_series_name(x->sample.series);

    if (x->family.type != EXPO_HISTOGRAM || !str_starts(name, x->family.name) ||
        needs_escapes(x->family.name)) {
        return LINE_OTHER;
    }
    name = str_drop(name, x->family.name.n);
    for (int i = LINE_BUCKET; i <= LINE_SUM; i++) {
        if (str_eq(name, SUFFIXES[i])) {
            return (enum line)i;
        }
    }
    return LINE_OTHER;
}

static int keep_exemplars(struct expo_nhcb *n, const struct expo_sample *s, struct err *reterr)
{
    for (size_t i = 0; i < s->exemplars_n && n->exemplars_n < EXPO_EXEMPLARS_MAX; i++) {
        struct exemplar *e = &n->exemplars[n->exemplars_n];

        *e = s->exemplars[i];
        if (labels_dup(s->exemplars[i].labels, &n->exemplars_a, &e->labels) < 0) {
            return err_set(reterr, ERR_NOMEM, "no memory for exemplars");
        }
        n->exemplars_n++;
    }
    return 0;
}

/* The sample begins another histogram. */
static int open_new(struct expo *x, struct err *reterr)
{
    struct expo_nhcb *n = x->nhcb;

    classic_clear(&n->classic);
    arena_reset(&n->exemplars_a);
    n->exemplars_n = 0;
    buf_clear(&n->series);
    buf_add_str(&n->series, buf_str(&n->next));
    buf_clear(&n->name);
    buf_add_str(&n->name, x->family.name);
    if (n->series.failed || n->next.failed || n->name.failed) {
        return err_set(reterr, ERR_INVALID, "the labels of a histogram are larger than %d bytes",
                       SERIES_BYTES);
    }
    n->family = (struct expo_family){.name = buf_str(&n->name),
                                     .type = EXPO_HISTOGRAM,
                                     .help = str_of("", 0),
                                     .unit = str_of("", 0),
                                     .has_type = true};
    n->head = x->sample;
    n->open = true;
    return 0;
}

int expo_nhcb_flush(struct expo *x, struct err *reterr)
{
    struct expo_nhcb *n = x->nhcb;
    struct expo_sample before = x->sample;
    const char *const base = x->base;
    const char *const line = x->line;
    const char *const end = x->end;
    int rc;

    if (n == NULL || !n->open) {
        return 0;
    }
    n->open = false;
    rc = classic_to_native(&n->classic, &n->h);
    if (rc != 0) {
        return rc == 1 ? 0 : err_set(reterr, ERR_NOMEM, "no memory for a histogram");
    }
    x->sample = n->head;
    x->sample.series = buf_str(&n->series);
    x->sample.family = &n->family;
    x->sample.value = n->h.sum;
    x->sample.histogram = &n->h;
    x->sample.exemplars = n->exemplars;
    x->sample.exemplars_n = n->exemplars_n;
    x->base = x->line = n->series.data; /* errors show the text that is parsed */
    x->end = n->series.data + n->series.n;
    rc = x->h->sample(x->h->arg, x, &x->sample, reterr);
    x->base = base;
    x->line = line;
    x->end = end;
    x->sample = before;
    return rc;
}

int expo_nhcb_take(struct expo *x, struct err *reterr)
{
    enum line line = line_of(x);
    struct str le = str_of("", 0);
    struct expo_nhcb *n;
    double bound = 0;
    int rc = 0;

    if (line == LINE_OTHER) {
        return expo_nhcb_flush(x, reterr);
    }
    if (x->nhcb == NULL && (x->nhcb = nhcb_new()) == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for histograms");
    }
    n = x->nhcb;
    if (!split_items(n, x->sample.series, &le) ||
        (line == LINE_BUCKET && (!expo_f64(le, &bound) || isnan(bound)))) {
        return expo_nhcb_flush(x, reterr);
    }
    make_series(n, x->family.name);
    if (n->open && !str_eq(buf_str(&n->series), buf_str(&n->next))) {
        rc = expo_nhcb_flush(x, reterr);
    }
    rc = rc < 0 || n->open ? rc : open_new(x, reterr);
    rc = rc < 0 ? rc : keep_exemplars(n, &x->sample, reterr);
    if (rc < 0) {
        return rc;
    }
    if (line == LINE_BUCKET && classic_add(&n->classic, bound, x->sample.value) < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for a histogram");
    }
    if (line == LINE_COUNT) {
        n->classic.count = x->sample.value;
        n->classic.has_count = true;
    } else if (line == LINE_SUM) {
        n->classic.sum = x->sample.value;
    }
    return x->o->always_classic ? 0 : 1;
}
