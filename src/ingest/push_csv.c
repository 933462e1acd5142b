/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV after RFC 4180 (quoted fields may hold commas, quotes and line feeds). The values of a row's label columns
 * are the identity of its series.
 */
#include "ingest/push_csv.h"

#include <math.h>

#include "base/clock.h"
#include "base/err.h"
#include "ingest/expo_internal.h"
#include "ingest/push_forms.h"

struct request {
    const struct csv_format *f;
    struct str body;
    struct push *p;
    uint64_t form; /* hash of what the format says of labels and metrics */
    struct str fields[CSV_COLUMNS_MAX];
    size_t fields_n;
};

/* ---- the format ---- */

static int column(struct str text, struct csv_format *f, struct err *reterr)
{
    static const struct {
        struct str name;
        enum csv_time time;
    } TIMES[] = {{{"unix_s", 6}, CSV_UNIX_S},
                 {{"unix_ms", 7}, CSV_UNIX_MS},
                 {{"unix_ns", 7}, CSV_UNIX_NS},
                 {{"rfc3339", 7}, CSV_RFC3339}};
    struct str context = text;
    struct str position = {0};
    struct str type = {0};
    struct csv_column c = {.kind = CSV_SKIP};
    int64_t i;

    if (!str_split(&context, ':', &position) || !str_split(&context, ':', &type) ||
        context.n == 0) {
        return err_set(reterr, ERR_INVALID, "\"%.*s\": COLUMN:TYPE:NAME is expected",
                       STR_ARG(text));
    }
    if (!str_to_i64(position, &i) || i < 1 || i > CSV_COLUMNS_MAX) {
        return err_set(reterr, ERR_INVALID, "\"%.*s\": the column is a number from 1 to %d",
                       STR_ARG(text), CSV_COLUMNS_MAX);
    }
    if (str_eq(type, STR("metric")) || str_eq(type, STR("label"))) {
        c.kind = str_eq(type, STR("metric")) ? CSV_METRIC : CSV_LABEL;
        c.name = context;
        f->metrics += c.kind == CSV_METRIC;
    } else if (str_eq(type, STR("time"))) {
        for (size_t k = 0; k < ARRAY_LEN(TIMES); k++) {
            if (str_eq(context, TIMES[k].name)) {
                c.kind = CSV_TIME;
                c.time = TIMES[k].time;
            }
        }
    }
    if (c.kind == CSV_SKIP) {
        return err_set(reterr, ERR_INVALID,
                       "\"%.*s\": metric:NAME, label:NAME or time:unix_s, unix_ms, unix_ns, "
                       "rfc3339 are known",
                       STR_ARG(text));
    }
    f->v[i - 1] = c;
    f->n = (size_t)i > f->n ? (size_t)i : f->n;
    return 0;
}

int csv_format_parse(struct str text, struct csv_format *ret, struct err *reterr)
{
    struct str rest = text;
    struct str part;
    int rc = 0;

    memset(ret, 0, sizeof(*ret));
    while (rc == 0 && str_split(&rest, ',', &part)) {
        rc = column(str_trim(part), ret, reterr);
    }
    if (rc == 0 && ret->metrics == 0) {
        return err_set(reterr, ERR_INVALID, "no column is a metric");
    }
    return rc;
}

/* ---- rows ---- */

/* A quoted field: its text without quotes, in the arena when it has doubled ones. *p goes behind it. */
static const char *quoted(struct request *r, const char **p, const char *end, struct str *ret)
{
    const char *start = *p + 1;
    const char *q = start;
    size_t doubled = 0;

    for (; q < end; q++) {
        if (*q == '"' && (q + 1 == end || q[1] != '"')) {
            break;
        }
        if (*q == '"') {
            doubled++;
            q++;
        }
    }
    if (q >= end) {
        return "a quoted field does not end";
    }
    *ret = str_of(start, (size_t)(q - start));
    *p = q + 1;
    if (doubled != 0) {
        char *dst = arena_alloc(push_arena(r->p), ret->n, 1);
        size_t n = 0;

        for (size_t i = 0; dst != NULL && i < ret->n; i++) {
            dst[n++] = ret->p[i];
            i += ret->p[i] == '"';
        }
        *ret = str_of(dst, dst != NULL ? n : 0);
    }
    return NULL;
}

/* Fields of the row at *p, which goes behind its line feed. @return NULL, or what is wrong */
static const char *read_row(struct request *r, const char **p, const char *end)
{
    r->fields_n = 0;
    for (;;) {
        struct str field;
        const char *q = *p;

        if (q < end && *q == '"') {
            const char *why = quoted(r, p, end, &field);

            if (why != NULL) {
                return why;
            }
            q = *p;
        } else {
            while (q < end && *q != ',' && *q != '\n') {
                q++;
            }
            field = str_of(*p, (size_t)(q - *p));
            if (field.n != 0 && field.p[field.n - 1] == '\r' && (q == end || *q == '\n')) {
                field.n--;
            }
        }
        if (r->fields_n < r->f->n) {
            r->fields[r->fields_n++] = field;
        }
        q += q < end && *q == '\r' && q + 1 < end && q[1] == '\n';
        *p = q + (q < end);
        if (q == end || *q == '\n') {
            return NULL;
        }
        if (*q != ',') {
            return "text behind a quoted field";
        }
    }
}

static const char *read_time(const struct csv_column *c, struct str s, int64_t *ret)
{
    int64_t ns;
    double v;

    if (c->time == CSV_RFC3339) {
        if (clock_parse_rfc3339(s.p, s.n, &ns) < 0) {
            return "the time is not RFC 3339";
        }
        *ret = ns / 1000000;
        return NULL;
    }
    if (c->time != CSV_UNIX_S && !str_to_i64(s, &ns)) {
        return "the time is not a whole number";
    }
    if (c->time == CSV_UNIX_S) {
        if (!expo_f64(s, &v) || !(fabs(v) < 9e12)) {
            return "the time is not a number of seconds";
        }
        *ret = (int64_t)floor(v * 1000 + 0.5);
        return NULL;
    }
    *ret = c->time == CSV_UNIX_MS ? ns : ns / 1000000;
    return NULL;
}

static void identity(struct request *r, size_t metric, struct buf *dst)
{
    buf_clear(dst);
    for (size_t i = 0; i < r->f->n; i++) {
        if (i == metric || r->f->v[i].kind == CSV_LABEL) {
            struct str s = i == metric ? r->f->v[i].name : r->fields[i];

            buf_add(dst, &s.n, sizeof(s.n));
            buf_add_str(dst, s);
        }
    }
}

static int intern(struct request *r, size_t metric, struct push_series *s, struct err *reterr)
{
    struct label *v = arena_array(push_arena(r->p), struct label, r->f->n + 1);
    struct labels ls = {NULL, 0};
    size_t n = 0;
    int rc;

    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for labels");
    }
    v[n++] = (struct label){STR(LABEL_NAME), r->f->v[metric].name};
    for (size_t i = 0; i < r->f->n; i++) {
        if (r->f->v[i].kind == CSV_LABEL) {
            v[n++] = (struct label){r->f->v[i].name, r->fields[i]};
        }
    }
    rc = push_labels(r->p, (struct labels){v, n}, &ls, reterr);
    return rc != 0 ? rc : push_intern(r->p, ls, s, reterr);
}

/* @return NULL, or what is wrong with the row; *ret_rc is a failure of the store */
static const char *store_row(struct request *r, int *ret_rc, struct err *reterr)
{
    int64_t t_ms = push_now_ms(r->p);
    double values[CSV_COLUMNS_MAX];

    if (r->fields_n < r->f->n) {
        return "too few columns";
    }
    for (size_t i = 0; i < r->f->n; i++) {
        const struct csv_column *c = &r->f->v[i];
        const char *why = NULL;

        if (c->kind == CSV_TIME) {
            why = read_time(c, str_trim(r->fields[i]), &t_ms);
        } else if (c->kind == CSV_METRIC && r->fields[i].n != 0 &&
                   !expo_f64(str_trim(r->fields[i]), &values[i])) {
            why = "a metric's column is not a number";
        }
        if (why != NULL) {
            return why;
        }
    }
    for (size_t i = 0; i < r->f->n; i++) {
        struct push_series s;
        int rc;

        if (r->f->v[i].kind != CSV_METRIC || r->fields[i].n == 0) {
            continue;
        }
        identity(r, i, push_scratch(r->p));
        push_find(r->p, PUSH_FORM_CSV + (r->form << 16), push_scratch(r->p)->data,
                  push_scratch(r->p)->n, &s);
        rc = s.known ? 0 : intern(r, i, &s, reterr);
        rc = rc != 0 ? rc : push_sample(r->p, &s, t_ms, values[i], reterr);
        if (rc < 0) {
            *ret_rc = rc;
            return NULL;
        }
    }
    return NULL;
}

static uint64_t form_of(const struct csv_format *f)
{
    uint64_t h = f->n;

    for (size_t i = 0; i < f->n; i++) {
        h = hash64_seed(f->v[i].name.p, f->v[i].name.n, h + (uint64_t)f->v[i].kind);
    }
    return h;
}

static int decode(void *arg, struct push *p, struct err *reterr)
{
    struct request *r = arg;
    const char *at = r->body.n != 0 ? r->body.p : "";
    const char *end = at + r->body.n;
    int rc = 0;

    r->p = p;
    for (size_t number = 1; at < end && rc >= 0; number++) {
        const char *start = at;
        const char *why;

        if (*at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n')) {
            at += 1 + (*at == '\r');
            continue;
        }
        push_reset(p);
        why = read_row(r, &at, end);
        if (why != NULL && at == start) { /* a quote that does not end takes the rest */
            at = end;
        }
        if (number == 1 && r->f->header) {
            continue;
        }
        why = why != NULL ? why : store_row(r, &rc, reterr);
        if (why != NULL) {
            struct err e = {0};

            err_set(&e, ERR_INVALID, "line %zu: %s", number, why);
            push_refuse_text(p, &e);
        }
    }
    return rc < 0 ? rc : 0;
}

int push_csv(struct push_door *d, const struct push_opts *o, const struct csv_format *f,
             struct str body, struct push_result *ret, struct err *reterr)
{
    struct request r = {.f = f, .body = body, .form = form_of(f)};

    return push_run(d, o, decode, &r, ret, reterr);
}
