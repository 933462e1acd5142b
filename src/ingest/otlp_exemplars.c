/* SPDX-License-Identifier: Apache-2.0
 *
 * Exemplars of OTLP points to those of series: trace_id and span_id in hex, then the filtered attributes when they
 * all fit. Those of an explicit-bucket histogram belong to the bucket their value falls into.
 */
#include <math.h>

#include "codec/pb.h"
#include "ingest/otlp_metrics_internal.h"
#include "model/samples.h"

enum { TRACE_ID_BYTES = 16, SPAN_ID_BYTES = 8 };

/* Exemplar: time = 2, as_double = 3, span_id = 4, trace_id = 5, as_int = 6, filtered_attributes = 7. */
struct raw {
    struct pb msg;
    uint64_t time_ns;
    struct str trace, span;
    double value;
    size_t attrs_n;
};

static int read_raw(struct raw *r, struct err *reterr)
{
    struct pb msg = r->msg;
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) {
        case PB_TAG(2, PB_FIXED64):
            r->time_ns = f.u;
            break;
        case PB_TAG(3, PB_FIXED64):
            r->value = pb_f64(f.u);
            break;
        case PB_TAG(4, PB_LEN):
            r->span = f.s;
            break;
        case PB_TAG(5, PB_LEN):
            r->trace = f.s;
            break;
        case PB_TAG(6, PB_FIXED64):
            r->value = (double)(int64_t)f.u;
            break;
        case PB_TAG(7, PB_LEN):
            r->attrs_n++;
            break;
        default:
            break;
        }
    }
    return rc;
}

static bool add_id(struct metrics_request *m, struct str name, struct str id, size_t bytes,
                   struct label *v, size_t *n)
{
    char *text;

    if (id.n != bytes) {
        return true; /* absent, or none */
    }
    text = arena_alloc(m->c->arena, 2 * bytes + 1, 1);
    if (text == NULL) {
        return false;
    }
    hex_encode((const uint8_t *)id.p, bytes, text);
    v[(*n)++] = (struct label){name, str_of(text, 2 * bytes)};
    return true;
}

static int labels_of(struct metrics_request *m, const struct raw *r, struct labels *ret,
                     struct err *reterr)
{
    struct label *v = arena_array(m->c->arena, struct label, r->attrs_n + 2);
    size_t ids = 0;
    size_t chars = 0;
    size_t n;
    int rc = 0;

    if (v == NULL || !add_id(m, STR("trace_id"), r->trace, TRACE_ID_BYTES, v, &ids) ||
        !add_id(m, STR("span_id"), r->span, SPAN_ID_BYTES, v, &ids)) {
        return err_set(reterr, ERR_NOMEM, "no memory for exemplars");
    }
    n = ids;
    if (r->attrs_n != 0 && r->attrs_n <= m->c->limits->max_labels) {
        rc = series_attr_labels(m, r->msg, PB_TAG(7, PB_LEN), r->attrs_n, v, &n, reterr);
    }
    for (size_t i = 0; i < n; i++) {
        chars += v[i].name.n + v[i].value.n;
    }
    if (chars > EXEMPLAR_LABELS_MAX_CHARS) {
        n = ids;
    }
    if (rc == 0 && !labels_normalize(v, &n)) {
        n = 0;
    }
    *ret = (struct labels){v, n};
    return rc;
}

static double bucket_of(const struct exemplar_place *at, double value)
{
    for (size_t i = 0; i < at->bounds_n; i++) {
        if (value <= pb_f64(at->bounds[i])) {
            return pb_f64(at->bounds[i]);
        }
    }
    return (double)INFINITY;
}

static int one(struct metrics_request *m, const struct point *p, const struct exemplar_place *at,
               struct pb msg, struct err *reterr)
{
    struct raw r = {.msg = msg};
    struct exemplar e = {.has_time = true};
    struct labels series = {NULL, 0};
    int rc = read_raw(&r, reterr);

    if (rc < 0) {
        return rc;
    }
    e.value = r.value;
    e.t_ms = r.time_ns != 0 && r.time_ns <= INT64_MAX ? (int64_t)r.time_ns / 1000000
                                                      : p->time_ns / 1000000;
    rc = labels_of(m, &r, &e.labels, reterr);
    rc = rc < 0
             ? rc
             : series_labels(m, p, at->part, at->part == PART_BUCKET ? bucket_of(at, r.value) : 0,
                             &series, reterr);
    if (rc != 0) {
        return rc < 0 ? rc : 0; /* the point's series was refused: told already */
    }
    if (exemplar_batch_add(&m->exemplars, series, &e) != EXEMPLAR_OK) {
        m->exemplars_refused++;
    }
    return 0;
}

int otlp_exemplars(struct metrics_request *m, const struct point *p,
                   const struct exemplar_place *at, struct err *reterr)
{
    struct pb msg = p->msg;
    struct pb_field f = {.tag = 0};
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == at->tag && (rc = one(m, p, at, pb_sub(&msg, f.s), reterr)) < 0) {
            return rc;
        }
    }
    return rc;
}
