/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/export and /api/v1/export/csv: raw samples as JSON lines, exposition text or CSV, made series by series
 * while they are sent. A large series becomes several lines. Native histograms are in JSON lines only, on lines of
 * their own after the floats of their series.
 */
#include <math.h>
#include <stdlib.h>

#include "api/api_internal.h"
#include "api/params.h"
#include "api/selectors.h"
#include "base/alloc.h"
#include "base/clock.h"

enum {
    PIECE_BYTES = 64 << 10,
    ROWS_PER_LINE = 10000,
    NATIVE_ROWS_PER_LINE = 500,
    CSV_FIELDS_MAX = 64,
    FORMAT_MAX = 4096,
};

enum form { FORM_JSON, FORM_TEXT, FORM_CSV };

enum csv_field { FIELD_LABEL, FIELD_VALUE, FIELD_S, FIELD_MS, FIELD_NS, FIELD_RFC3339 };

struct column {
    enum csv_field field;
    struct str label; /* in `format` */
};

/* An export under way; owned by the response. */
struct export
{
    struct series_source src;
    struct series_selection *sel;
    struct selectors selectors;
    struct samples samples;
    struct native_samples natives;
    enum form form;
    int64_t min_ms, max_ms;
    size_t rows_per_line;
    size_t selector; /* that is read */
    size_t series;   /* of the selection, read next */
    size_t row;      /* of the samples, written next */
    size_t native;   /* of the histograms, written next */
    bool loaded;     /* samples of series - 1 */
    struct column columns[CSV_FIELDS_MAX];
    size_t columns_n;
    char format[FORMAT_MAX];
};

static void export_free(void *arg)
{
    struct export *x = arg;

    if (x != NULL) {
        x->src.ops->free(x->sel);
        selectors_done(&x->selectors);
        samples_done(&x->samples);
        native_samples_done(&x->natives);
        mem_free(x);
    }
}

/* ---- samples in their forms ---- */

static void json_value(struct buf *dst, double v)
{
    if (sample_is_stale(v)) {
        buf_add_cstr(dst, "null");
    } else if (isnan(v)) {
        buf_add_cstr(dst, "\"NaN\"");
    } else if (isinf(v)) {
        buf_add_cstr(dst, v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else {
        buf_add_f64(dst, v);
    }
}

static void json_metric(struct labels ls, struct buf *dst)
{
    struct json_writer w;

    json_init(&w, dst);
    json_object_begin(&w);
    json_key(&w, "metric");
    json_object_begin(&w);
    for (size_t i = 0; i < ls.n; i++) {
        json_member(&w, ls.v[i].name, ls.v[i].value);
    }
    json_object_end(&w);
}

static void json_times(const int64_t *t_ms, size_t from, size_t to, struct buf *dst)
{
    buf_add_cstr(dst, "],\"timestamps\":[");
    for (size_t i = from; i < to; i++) {
        if (i != from) {
            buf_add_byte(dst, ',');
        }
        buf_add_i64(dst, t_ms[i]);
    }
    buf_add_cstr(dst, "]}\n");
}

static void json_line(const struct export *x, struct labels ls, size_t from, size_t to,
                      struct buf *dst)
{
    json_metric(ls, dst);
    buf_add_cstr(dst, ",\"values\":[");
    for (size_t i = from; i < to; i++) {
        if (i != from) {
            buf_add_byte(dst, ',');
        }
        json_value(dst, x->samples.v[i]);
    }
    json_times(x->samples.t_ms, from, to, dst);
}

static void json_number(struct buf *dst, const char *name, double v)
{
    buf_printf(dst, ",\"%s\":", name);
    json_value(dst, v);
}

static void json_buckets(struct buf *dst, const char *name, const struct native_buckets *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (i == 0) {
            buf_printf(dst, ",\"%s\":[", name);
        } else {
            buf_add_byte(dst, ',');
        }
        buf_printf(dst, "%d,", (int)b->v[i].index);
        json_value(dst, b->v[i].count);
    }
    buf_add_cstr(dst, b->n != 0 ? "]" : "");
}

/** The form that push_json.h describes. */
static void json_native(struct buf *dst, const struct native_histogram *h)
{
    if (sample_is_stale(h->sum)) {
        buf_add_cstr(dst, "null");
        return;
    }
    buf_printf(dst, "{\"schema\":%d,\"hint\":%d", (int)h->schema, (int)h->hint);
    json_number(dst, "count", h->count);
    json_number(dst, "sum", h->sum);
    json_number(dst, "zero_threshold", h->zero_threshold);
    json_number(dst, "zero_count", h->zero_count);
    json_buckets(dst, "positive", &h->positive);
    json_buckets(dst, "negative", &h->negative);
    for (size_t i = 0; i < h->bounds_n; i++) {
        buf_add_cstr(dst, i == 0 ? ",\"bounds\":[" : ",");
        json_value(dst, h->bounds[i]);
    }
    buf_add_cstr(dst, h->bounds_n != 0 ? "]}" : "}");
}

static void native_line(const struct export *x, struct labels ls, size_t from, size_t to,
                        struct buf *dst)
{
    json_metric(ls, dst);
    buf_add_cstr(dst, ",\"histograms\":[");
    for (size_t i = from; i < to; i++) {
        if (i != from) {
            buf_add_byte(dst, ',');
        }
        json_native(dst, &x->natives.v[i]);
    }
    json_times(x->natives.t_ms, from, to, dst);
}

static void text_lines(const struct export *x, struct labels ls, size_t from, size_t to,
                       struct buf *dst)
{
    for (size_t i = from; i < to; i++) {
        if (sample_is_stale(x->samples.v[i])) {
            continue; /* the format has none */
        }
        labels_format(ls, dst);
        buf_add_byte(dst, ' ');
        buf_add_f64(dst, x->samples.v[i]);
        buf_add_byte(dst, ' ');
        buf_add_i64(dst, x->samples.t_ms[i]);
        buf_add_byte(dst, '\n');
    }
}

static void csv_text(struct buf *dst, struct str s)
{
    bool plain = true;

    for (size_t i = 0; i < s.n; i++) {
        plain &= memchr(",\"\r\n", s.p[i], 4) == NULL;
    }
    if (plain) {
        buf_add_str(dst, s);
        return;
    }
    buf_add_byte(dst, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"') {
            buf_add_byte(dst, '"');
        }
        buf_add_byte(dst, s.p[i]);
    }
    buf_add_byte(dst, '"');
}

static void csv_cell(const struct column *c, struct labels ls, int64_t t_ms, double v,
                     struct buf *dst)
{
    char text[CLOCK_RFC3339_SIZE];

    switch (c->field) {
    case FIELD_LABEL:
        csv_text(dst, labels_get(ls, c->label));
        break;
    case FIELD_VALUE:
        buf_add_f64(dst, v);
        break;
    case FIELD_S:
        buf_add_i64(dst, t_ms / 1000);
        if (t_ms % 1000 != 0) {
            buf_printf(dst, ".%03d", (int)(llabs(t_ms) % 1000));
        }
        break;
    case FIELD_MS:
        buf_add_i64(dst, t_ms);
        break;
    case FIELD_NS:
        buf_add_i64(dst, t_ms);
        buf_add_cstr(dst, "000000");
        break;
    case FIELD_RFC3339:
        clock_format_rfc3339(t_ms, text);
        buf_add_cstr(dst, text);
        break;
    default:
        break;
    }
}

static void csv_lines(const struct export *x, struct labels ls, size_t from, size_t to,
                      struct buf *dst)
{
    for (size_t i = from; i < to; i++) {
        if (sample_is_stale(x->samples.v[i])) {
            continue;
        }
        for (size_t c = 0; c < x->columns_n; c++) {
            if (c != 0) {
                buf_add_byte(dst, ',');
            }
            csv_cell(&x->columns[c], ls, x->samples.t_ms[i], x->samples.v[i], dst);
        }
        buf_add_byte(dst, '\n');
    }
}

/* ---- series after series ---- */

static bool matches(const struct export *x, size_t selector, struct labels ls)
{
    for (size_t i = 0; i < x->selectors.m_n[selector]; i++) {
        const struct matcher *m = x->selectors.m[selector][i];

        if (!matcher_matches(m, labels_get(ls, matcher_name(m)))) {
            return false;
        }
    }
    return true;
}

/* Written already for a selector before this one? */
static bool is_repeated(const struct export *x, struct labels ls)
{
    for (size_t i = 0; i < x->selector; i++) {
        if (matches(x, i, ls)) {
            return true;
        }
    }
    return false;
}

static int select_next(struct export *x, struct err *reterr)
{
    const struct series_query q = {.matchers =
                                       (const struct matcher *const *)x->selectors.m[x->selector],
                                   .matchers_n = x->selectors.m_n[x->selector],
                                   .min_ms = x->min_ms,
                                   .max_ms = x->max_ms};

    x->series = 0;
    return x->src.ops->select(x->src.impl, &q, &x->sel, reterr);
}

/* Go to the next series with samples. @return 1; 0 at the end; -ERR_x */
static int load_next(struct export *x, struct err *reterr)
{
    for (;;) {
        int rc = 0;

        if (x->sel == NULL) {
            if (x->selector == x->selectors.n) {
                return 0;
            }
            rc = select_next(x, reterr);
        }
        if (rc < 0) {
            return rc;
        }
        while (x->series < x->src.ops->count(x->sel)) {
            size_t i = x->series++;

            if (is_repeated(x, x->src.ops->labels(x->sel, i))) {
                continue;
            }
            rc = x->src.ops->read(x->sel, i, &x->samples, reterr);
            x->natives.n = 0;
            if (rc >= 0 && x->form == FORM_JSON && x->src.ops->has_histograms != NULL &&
                x->src.ops->has_histograms(x->sel, i)) {
                rc = x->src.ops->read_histograms(x->sel, i, &x->natives, reterr);
            }
            if (rc < 0) {
                return rc;
            }
            if (x->samples.n != 0 || x->natives.n != 0) {
                x->row = x->native = 0;
                x->loaded = true;
                return 1;
            }
        }
        x->src.ops->free(x->sel);
        x->sel = NULL;
        x->selector++;
    }
}

/* The next lines of the series at hand: floats, then histograms. */
static void write_some(struct export *x, struct buf *dst)
{
    static void (*const WRITE[])(const struct export *x, struct labels ls, size_t from, size_t to,
                                 struct buf *dst) = {
        [FORM_JSON] = json_line, [FORM_TEXT] = text_lines, [FORM_CSV] = csv_lines};
    struct labels ls = x->src.ops->labels(x->sel, x->series - 1);
    size_t most = x->rows_per_line;
    size_t to;

    if (x->row < x->samples.n) {
        to = x->samples.n - x->row > most ? x->row + most : x->samples.n;
        WRITE[x->form](x, ls, x->row, to, dst);
        x->row = to;
    } else {
        most = most < NATIVE_ROWS_PER_LINE ? most : NATIVE_ROWS_PER_LINE;
        to = x->natives.n - x->native > most ? x->native + most : x->natives.n;
        native_line(x, ls, x->native, to, dst);
        x->native = to;
    }
    x->loaded = x->row < x->samples.n || x->native < x->natives.n;
}

static int export_next(void *arg, struct buf *dst)
{
    struct export *x = arg;
    size_t begin = dst->n;

    while (dst->n - begin < PIECE_BYTES) {
        if (!x->loaded) {
            int rc = load_next(x, NULL);

            if (rc <= 0) {
                return rc;
            }
        }
        write_some(x, dst);
    }
    return buf_status(dst);
}

/* ---- requests ---- */

static int csv_columns(struct export *x, struct str format, struct err *e)
{
    static const struct {
        struct str name;
        enum csv_field field;
    } FIELDS[] = {
        {{"__value__", 9}, FIELD_VALUE},           {{"__timestamp__", 13}, FIELD_MS},
        {{"__timestamp__:unix_s", 20}, FIELD_S},   {{"__timestamp__:unix_ms", 21}, FIELD_MS},
        {{"__timestamp__:unix_ns", 21}, FIELD_NS}, {{"__timestamp__:rfc3339", 21}, FIELD_RFC3339}};
    struct str rest;
    struct str part;

    if (format.n == 0 || format.n > FORMAT_MAX) {
        return err_set(e, ERR_INVALID,
                       "parameter \"format\" is needed, like __name__,job,__value__,"
                       "__timestamp__:unix_s");
    }
    memcpy(x->format, format.p, format.n);
    rest = str_of(x->format, format.n);
    while (str_split(&rest, ',', &part)) {
        struct column c = {FIELD_LABEL, part};

        if (x->columns_n == CSV_FIELDS_MAX || part.n == 0) {
            return err_set(e, ERR_INVALID, "invalid parameter \"format\": %s",
                           part.n == 0 ? "an empty field" : "too many fields");
        }
        for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
            c.field = str_eq(part, FIELDS[i].name) ? FIELDS[i].field : c.field;
        }
        if (c.field == FIELD_LABEL && str_starts(part, STR("__timestamp__:"))) {
            return err_set(e, ERR_INVALID,
                           "invalid parameter \"format\": unix_s, unix_ms, unix_ns and rfc3339 "
                           "are known");
        }
        x->columns[x->columns_n++] = c;
    }
    return 0;
}

static int parse(struct http_exchange *x, struct export *ex, enum form form, struct err *e)
{
    int64_t rows = ROWS_PER_LINE;
    int rc = selectors_parse(x, &ex->selectors, e);

    ex->form = form;
    rc = rc < 0 ? rc : param_prom_time(x, "start", INT64_MIN / 2, &ex->min_ms, e);
    rc = rc < 0 ? rc : param_prom_time(x, "end", INT64_MAX / 2, &ex->max_ms, e);
    rc = rc < 0 ? rc : param_i64(x, "max_rows_per_line", 1, 1000000, rows, &rows, e);
    ex->rows_per_line = (size_t)rows;
    if (rc == 0 && ex->selectors.n == 0) {
        return err_set(e, ERR_INVALID, "no match[] parameter provided");
    }
    if (rc == 0 && ex->max_ms < ex->min_ms) {
        return err_set(e, ERR_INVALID, "invalid parameter \"end\": it is before the start");
    }
    return rc < 0 || form != FORM_CSV ? rc : csv_columns(ex, http_param(x, "format"), e);
}

static void respond(struct api *a, struct http_exchange *x, enum form form, const char *type)
{
    struct export *ex = mem_try_calloc(1, sizeof(*ex));
    struct err e = {0};
    int rc;

    if (ex == NULL) {
        http_respond_errorf(x, ERR_NOMEM, "no memory for the export");
        return;
    }
    ex->src = tsdb_source(store_metrics(api_backend(a)->store));
    rc = parse(x, ex, form, &e);
    if (rc == 0) {
        rc = load_next(ex, &e); /* what fails at once is answered with its error */
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
        export_free(ex);
        return;
    }
    http_respond_source(x, 200, type, &(struct http_source){export_next, export_free, ex});
}

static void export_lines(void *arg, struct http_exchange *x)
{
    bool text = str_eq(http_param(x, "format"), STR("prometheus"));

    respond(arg, x, text ? FORM_TEXT : FORM_JSON,
            text ? "text/plain; charset=utf-8" : "application/stream+json");
}

static void export_csv(void *arg, struct http_exchange *x)
{
    respond(arg, x, FORM_CSV, "text/csv; charset=utf-8");
}

void export_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/export", export_lines, a, HTTP_WORKER, 0, need},
        {"POST", "/api/v1/export", export_lines, a, HTTP_WORKER, 1 << 20, need},
        {"GET", "/api/v1/export/csv", export_csv, a, HTTP_WORKER, 0, need},
        {"POST", "/api/v1/export/csv", export_csv, a, HTTP_WORKER, 1 << 20, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
