/* SPDX-License-Identifier: Apache-2.0
 *
 * The protobuf exposition: MetricFamily messages, each behind its length. A message is read field by field,
 * nothing is built; a series' identity is its family's name, its label fields as they came, and which
 * part of the metric it is. Source: prometheus/client_model metrics.proto.
 */
#include <math.h>
#include <stdio.h>

#include "codec/pb.h"
#include "codec/utf8.h"
#include "ingest/expo_internal.h"
#include "ingest/expo_nhcb.h"
#include "ingest/native_decode.h"
#include "model/samples.h"

enum { LABELS_MAX = 1024 }; /* of one metric; more: error */

/* The parts of a metric that are series of their own. */
enum part { PART_PLAIN, PART_COUNT, PART_SUM, PART_BUCKET, PART_QUANTILE };

struct proto_series {
    struct pb metric;
    size_t labels_n;
    enum part part;
    double bound; /* of a bucket or quantile */
};

struct family_reader {
    struct expo *x;
    struct proto_series series;
    size_t identity_n; /* bytes of x->scratch before the part */
    size_t index;      /* of the family in the body */
    struct native_decoder native;
    struct classic classic;
    struct native_histogram custom; /* made of classic buckets */
};

static void family_reader_done(struct family_reader *r)
{
    native_decoder_done(&r->native);
    classic_done(&r->classic);
    native_done(&r->custom);
}

static double plain_nan(double v)
{
    const uint64_t bits = NORMAL_NAN_BITS;

    if (isnan(v)) {
        memcpy(&v, &bits, sizeof(v));
    }
    return v;
}

/* ---- labels ---- */

static int read_label(struct pb msg, struct label *ret, struct err *reterr)
{
    struct pb_field f;
    int rc;

    *ret = (struct label){str_of("", 0), str_of("", 0)};
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_LEN)) {
            ret->name = f.s;
        } else if (f.tag == PB_TAG(2, PB_LEN)) {
            ret->value = f.s;
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (ret->name.n == 0 || !str_is_utf8(ret->name) || !str_is_utf8(ret->value)) {
        return err_set(reterr, ERR_INVALID, "a label without a name or not valid UTF-8");
    }
    return 0;
}

/* Field `num` of msg as labels into v, which has room. */
static int read_labels(struct pb msg, uint32_t num, struct label *v, size_t *n, struct err *reterr)
{
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(num, PB_LEN)) {
            rc = read_label(pb_sub(&msg, f.s), &v[*n], reterr);
            if (rc < 0) {
                return rc;
            }
            (*n)++;
        }
    }
    return rc;
}

static struct str part_name(struct expo *x, enum part part)
{
    static const char *const SUFFIXES[] = {"", "_count", "_sum", "_bucket", ""};
    struct str base = x->family.name;

    if (SUFFIXES[part][0] == '\0') {
        return base;
    }
    return arena_printf(x->o->arena, "%.*s%s", STR_ARG(base), SUFFIXES[part]);
}

int expo_proto_labels(struct expo *x, struct labels *ret, struct err *reterr)
{
    const struct proto_series *s = x->proto;
    struct label *v = arena_array(x->o->arena, struct label, s->labels_n + 2);
    struct str name = part_name(x, s->part);
    char text[32];
    size_t n = 1;
    int rc;

    if (v == NULL || name.p == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for labels");
    }
    v[0] = (struct label){STR(LABEL_NAME), name};
    if (s->part == PART_BUCKET || s->part == PART_QUANTILE) {
        size_t len = expo_format_f64(s->bound, text);

        v[n++] = (struct label){s->part == PART_BUCKET ? STR("le") : STR("quantile"),
                                arena_str_dup(x->o->arena, str_of(text, len))};
        if (v[1].value.p == NULL) {
            return err_set(reterr, ERR_NOMEM, "no memory for labels");
        }
    }
    rc = read_labels(s->metric, 1, v, &n, reterr);
    if (rc < 0) {
        return rc;
    }
    if (!labels_normalize(v, &n)) {
        return err_set(reterr, ERR_INVALID, "metric %.*s: a label name occurs twice",
                       STR_ARG(utf8_cut(name, 100)));
    }
    *ret = (struct labels){v, n};
    return 0;
}

/* ---- samples ---- */

static int emit(struct family_reader *r, enum part part, double bound, double value,
                struct err *reterr)
{
    struct expo *x = r->x;
    uint64_t bits;

    r->series.part = part;
    r->series.bound = bound;
    memcpy(&bits, &bound, sizeof(bits));
    x->scratch.n = r->identity_n;
    buf_add_byte(&x->scratch, (char)part);
    if (part == PART_BUCKET || part == PART_QUANTILE) {
        buf_add(&x->scratch, &bits, sizeof(bits));
    }
    if (x->scratch.failed) {
        return err_set(reterr, ERR_INVALID, "the labels of a metric are too large");
    }
    x->sample.series = buf_str(&x->scratch);
    x->sample.value = plain_nan(value);
    x->sample.family = &x->family;
    x->proto = &r->series;
    int rc = expo_emit(x, reterr);

    x->sample.exemplars = NULL;
    x->sample.exemplars_n = 0;
    return rc;
}

/* google.protobuf.Timestamp to ms. */
static int read_time(struct pb msg, int64_t *ret, struct err *reterr)
{
    struct pb_field f;
    int64_t seconds = 0;
    int64_t nanos = 0;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_VARINT)) {
            seconds = (int64_t)f.u;
        } else if (f.tag == PB_TAG(2, PB_VARINT)) {
            nanos = (int32_t)f.u;
        }
    }
    if (rc == 0 && seconds > -(INT64_C(1) << 50) && seconds < INT64_C(1) << 50) {
        *ret = seconds * 1000 + nanos / 1000000;
        return 0;
    }
    return rc < 0 ? rc : err_set(reterr, ERR_INVALID, "a timestamp is out of range");
}

/* Exemplar: labels = 1, value = 2, timestamp = 3. Added to the sample's. */
static int read_exemplar(struct expo *x, struct pb msg, struct err *reterr)
{
    struct exemplar *e = &x->exemplars[x->sample.exemplars_n];
    struct label *v;
    struct pb_field f;
    struct pb rest = msg;
    size_t n = 0;
    int rc;

    if (x->sample.exemplars_n == EXPO_EXEMPLARS_MAX) {
        return 0;
    }
    *e = (struct exemplar){.value = 0};
    while ((rc = pb_next(&rest, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(2, PB_FIXED64)) {
            e->value = plain_nan(pb_f64(f.u));
        } else if (f.tag == PB_TAG(3, PB_LEN)) {
            rc = read_time(pb_sub(&rest, f.s), &e->t_ms, reterr);
            if (rc < 0) {
                return rc;
            }
            e->has_time = true;
        }
        n += f.tag == PB_TAG(1, PB_LEN);
    }
    if (rc < 0 || n > LABELS_MAX) {
        return rc < 0 ? rc : err_set(reterr, ERR_INVALID, "an exemplar with %zu labels", n);
    }
    x->arena_used = true;
    v = arena_array(x->o->arena, struct label, n + 1);
    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for exemplars");
    }
    n = 0;
    rc = read_labels(msg, 1, v, &n, reterr);
    if (rc < 0) {
        return rc;
    }
    if (!labels_normalize(v, &n)) {
        return err_set(reterr, ERR_INVALID, "an exemplar has a label name twice");
    }
    e->labels = (struct labels){v, n};
    x->sample.exemplars = x->exemplars;
    x->sample.exemplars_n++;
    return 0;
}

/* Counter {value = 1, exemplar = 2, created = 3}, Gauge and Untyped {value = 1}. */
static int plain_metric(struct family_reader *r, struct pb msg, struct err *reterr)
{
    struct expo *x = r->x;
    struct pb_field f;
    double value = 0;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_FIXED64)) {
            value = pb_f64(f.u);
        } else if (f.tag == PB_TAG(2, PB_LEN)) {
            rc = read_exemplar(x, pb_sub(&msg, f.s), reterr);
        } else if (f.tag == PB_TAG(3, PB_LEN)) {
            rc = read_time(pb_sub(&msg, f.s), &x->sample.created_ms, reterr);
            x->sample.has_created = true;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return rc < 0 ? rc : emit(r, PART_PLAIN, 0, value, reterr);
}

/* Quantile and Bucket: two numbers and, for buckets, an exemplar. */
struct bound {
    double bound;
    double value;
    bool has_float;
};

static int read_bucket(struct expo *x, struct pb msg, struct bound *ret, struct err *reterr)
{
    struct bound b = {0, 0, false};
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) {
        case PB_TAG(1, PB_VARINT):
            b.value = b.has_float ? b.value : (double)f.u;
            break;
        case PB_TAG(4, PB_FIXED64):
            b.value = pb_f64(f.u);
            b.has_float = true;
            break;
        case PB_TAG(2, PB_FIXED64):
            b.bound = pb_f64(f.u);
            break;
        case PB_TAG(3, PB_LEN):
            rc = read_exemplar(x, pb_sub(&msg, f.s), reterr);
            break;
        default:
            break;
        }
        if (rc < 0) {
            return rc;
        }
    }
    *ret = b;
    return rc;
}

static int read_quantile(struct pb msg, struct bound *ret, struct err *reterr)
{
    struct pb_field f;
    int rc;

    *ret = (struct bound){0, 0, false};
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_FIXED64)) {
            ret->bound = pb_f64(f.u);
        } else if (f.tag == PB_TAG(2, PB_FIXED64)) {
            ret->value = pb_f64(f.u);
        }
    }
    return rc;
}

/* What Summary and Histogram begin with. */
struct totals {
    double count;
    double sum;
    bool count_is_float;
};

static int count_and_sum(struct family_reader *r, const struct totals *t, struct err *reterr)
{
    int rc = emit(r, PART_COUNT, 0, t->count, reterr);

    return rc < 0 ? rc : emit(r, PART_SUM, 0, t->sum, reterr);
}

/* Summary: count = 1, sum = 2, quantile = 3, created = 4. */
static int summary(struct family_reader *r, struct pb msg, struct err *reterr)
{
    struct totals t = {0, 0, false};
    struct pb rest = msg;
    struct pb_field f;
    struct bound q;
    int rc;

    while ((rc = pb_next(&rest, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_VARINT)) {
            t.count = (double)f.u;
        } else if (f.tag == PB_TAG(2, PB_FIXED64)) {
            t.sum = pb_f64(f.u);
        } else if (f.tag == PB_TAG(4, PB_LEN)) {
            rc = read_time(pb_sub(&rest, f.s), &r->x->sample.created_ms, reterr);
            r->x->sample.has_created = true;
        }
        if (rc < 0) {
            return rc;
        }
    }
    rc = rc < 0 ? rc : count_and_sum(r, &t, reterr);
    if (rc < 0) {
        return rc;
    }
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(3, PB_LEN)) {
            rc = read_quantile(pb_sub(&msg, f.s), &q, reterr);
            rc = rc < 0 ? rc : emit(r, PART_QUANTILE, q.bound, q.value, reterr);
            if (rc < 0) {
                return rc;
            }
        }
    }
    return rc;
}

static int classic_buckets(struct family_reader *r, struct pb msg, const struct totals *t,
                           struct err *reterr)
{
    bool inf_seen = false;
    struct pb_field f;
    struct bound b;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(3, PB_LEN)) {
            rc = read_bucket(r->x, pb_sub(&msg, f.s), &b, reterr);
            if (rc < 0) {
                return rc;
            }
            inf_seen |= isinf(b.bound) && b.bound > 0;
            rc = emit(r, PART_BUCKET, b.bound, b.value, reterr);
            if (rc < 0) {
                return rc;
            }
        }
    }
    return rc < 0 || inf_seen ? rc : emit(r, PART_BUCKET, INFINITY, t->count, reterr);
}

/* Exemplars of the native form (16), or those of the buckets. */
static int native_exemplars(struct expo *x, struct pb msg, struct err *reterr)
{
    struct pb_field f;
    struct bound b;
    int rc;

    for (struct pb rest = msg; (rc = pb_next(&rest, &f, reterr)) > 0;) {
        if (f.tag == PB_TAG(16, PB_LEN) &&
            (rc = read_exemplar(x, pb_sub(&rest, f.s), reterr)) < 0) {
            return rc;
        }
    }
    if (rc < 0 || x->sample.exemplars_n != 0) {
        return rc;
    }
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(3, PB_LEN) &&
            (rc = read_bucket(x, pb_sub(&msg, f.s), &b, reterr)) < 0) {
            return rc;
        }
    }
    return rc;
}

/* The one decoded last. */
static int native_sample(struct family_reader *r, struct pb msg, double sum, struct err *reterr)
{
    struct expo *x = r->x;
    int rc = native_exemplars(x, msg, reterr);

    if (rc < 0) {
        return rc;
    }
    r->native.h.hint = x->family.type == EXPO_GAUGE_HISTOGRAM ? NATIVE_GAUGE : NATIVE_UNKNOWN;
    x->sample.histogram = &r->native.h;
    rc = emit(r, PART_PLAIN, 0, sum, reterr);
    x->sample.histogram = NULL;
    return rc;
}

/* The classic buckets as one histogram with custom bounds, when they can be one. */
static int custom_sample(struct family_reader *r, struct pb msg, const struct totals *t,
                         struct err *reterr)
{
    struct pb_field f;
    struct bound b;
    int rc;

    classic_clear(&r->classic);
    r->classic.count = t->count;
    r->classic.sum = t->sum;
    r->classic.has_count = true;
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag != PB_TAG(3, PB_LEN)) {
            continue;
        }
        rc = read_bucket(r->x, pb_sub(&msg, f.s), &b, reterr);
        if (rc < 0) {
            return rc;
        }
        if (!isnan(b.bound) && classic_add(&r->classic, b.bound, b.value) < 0) {
            return err_set(reterr, ERR_NOMEM, "no memory for a histogram");
        }
    }
    rc = rc < 0 ? rc : classic_to_native(&r->classic, &r->custom);
    if (rc == 0) {
        r->x->sample.histogram = &r->custom;
        rc = emit(r, PART_PLAIN, 0, t->sum, reterr);
        r->x->sample.histogram = NULL;
        return rc;
    }
    r->x->sample.exemplars_n = 0;
    return rc == 1            ? 0
           : rc == -ERR_NOMEM ? err_set(reterr, ERR_NOMEM, "no memory for a histogram")
                              : rc;
}

/* @return 1 when it has native buckets and was handed on; 0; -ERR_x */
static int native_part(struct family_reader *r, struct pb msg, const struct totals *t,
                       struct err *reterr)
{
    struct err why = {0};
    int rc;

    if (r->x->o->ignore_native) {
        return 0;
    }
    rc = native_decode(&r->native, msg, &why);
    if (rc != 0) {
        return err_set(reterr, rc < 0 ? (enum err_code) - rc : ERR_INVALID, "%s", why.msg);
    }
    if (!r->native.is_native) {
        return 0;
    }
    r->x->arena_used = true;
    rc = native_sample(r, msg, t->sum, reterr);
    return rc < 0 ? rc : 1;
}

/* What stands before the buckets, and whether there are finite ones. */
static int histogram_totals(struct expo *x, struct pb msg, struct totals *t, bool *ret_classic,
                            struct err *reterr)
{
    struct pb_field f;
    struct bound b;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_VARINT) && !t->count_is_float) {
            t->count = (double)f.u;
        } else if (f.tag == PB_TAG(4, PB_FIXED64) && pb_f64(f.u) != 0) {
            t->count = pb_f64(f.u);
            t->count_is_float = true;
        } else if (f.tag == PB_TAG(2, PB_FIXED64)) {
            t->sum = pb_f64(f.u);
        } else if (f.tag == PB_TAG(15, PB_LEN)) {
            rc = read_time(pb_sub(&msg, f.s), &x->sample.created_ms, reterr);
            x->sample.has_created = true;
        } else if (f.tag == PB_TAG(3, PB_LEN) && !*ret_classic && x->o->always_classic) {
            rc = read_bucket(x, pb_sub(&msg, f.s), &b, reterr);
            x->sample.exemplars_n = 0; /* they are read with the bucket's turn */
            *ret_classic = rc >= 0 && !(isinf(b.bound) && b.bound > 0);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

/* Histogram: count = 1 (float 4), sum = 2, bucket = 3, created = 15; the rest is the native form. */
static int histogram(struct family_reader *r, struct pb msg, struct err *reterr)
{
    struct expo *x = r->x;
    struct totals t = {0, 0, false};
    bool classic = false;
    int rc = histogram_totals(x, msg, &t, &classic, reterr);

    rc = rc < 0 ? rc : native_part(r, msg, &t, reterr);
    if (rc == 0 && x->o->nhcb && x->family.type == EXPO_HISTOGRAM) {
        rc = custom_sample(r, msg, &t, reterr);
        rc = rc < 0 || x->o->always_classic ? rc : 1;
    } else if (rc == 1) {
        rc = x->o->always_classic && classic ? 0 : 1;
    }
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    rc = count_and_sum(r, &t, reterr);
    return rc < 0 ? rc : classic_buckets(r, msg, &t, reterr);
}

/* ---- metrics and families ---- */

/* Metric: label = 1, gauge = 2, counter = 3, summary = 4, untyped = 5, timestamp_ms = 6, histogram = 7. */
static int metric(struct family_reader *r, struct pb msg, struct err *reterr)
{
    struct expo *x = r->x;
    struct pb value = msg;
    struct pb rest = msg;
    struct pb_field f;
    uint32_t kind = 0;
    int rc;

    x->sample = (struct expo_sample){.family = &x->family};
    r->series = (struct proto_series){.metric = msg};
    buf_clear(&x->scratch);
    buf_add_str(&x->scratch, x->family.name);
    buf_add_byte(&x->scratch, '\xff');
    while ((rc = pb_next(&rest, &f, reterr)) > 0) {
        switch (f.tag) {
        case PB_TAG(1, PB_LEN):
            r->series.labels_n++;
            buf_add(&x->scratch, f.p, (size_t)(f.s.p + f.s.n - f.p));
            break;
        case PB_TAG(6, PB_VARINT):
            x->sample.t_ms = (int64_t)f.u;
            x->sample.has_time = f.u != 0;
            break;
        case PB_TAG(2, PB_LEN):
        case PB_TAG(3, PB_LEN):
        case PB_TAG(4, PB_LEN):
        case PB_TAG(5, PB_LEN):
        case PB_TAG(7, PB_LEN):
            kind = f.tag;
            value = pb_sub(&rest, f.s);
            break;
        default:
            break;
        }
    }
    if (rc < 0 || r->series.labels_n > LABELS_MAX) {
        return rc < 0
                   ? rc
                   : err_set(reterr, ERR_INVALID, "a metric with %zu labels", r->series.labels_n);
    }
    r->identity_n = x->scratch.n;
    switch (kind) {
    case 0:
        return 0;
    case PB_TAG(4, PB_LEN):
        return summary(r, value, reterr);
    case PB_TAG(7, PB_LEN):
        return histogram(r, value, reterr);
    default:
        return plain_metric(r, value, reterr);
    }
}

/* name = 1, help = 2, type = 3, unit = 5. */
static int family_head(struct expo *x, struct pb msg, struct err *reterr)
{
    static const enum expo_type TYPES[] = {EXPO_COUNTER, EXPO_GAUGE,     EXPO_SUMMARY,
                                           EXPO_UNKNOWN, EXPO_HISTOGRAM, EXPO_GAUGE_HISTOGRAM};
    struct pb_field f;
    int rc;

    x->family = (struct expo_family){.name = str_of("", 0),
                                     .help = str_of("", 0),
                                     .unit = str_of("", 0),
                                     .type = EXPO_COUNTER,
                                     .has_type = true};
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) {
        case PB_TAG(1, PB_LEN):
            x->family.name = f.s;
            break;
        case PB_TAG(2, PB_LEN):
            x->family.help = f.s;
            x->family.has_help = true;
            break;
        case PB_TAG(3, PB_VARINT):
            if (f.u >= ARRAY_LEN(TYPES)) {
                return err_set(reterr, ERR_INVALID, "unknown metric type %llu",
                               (unsigned long long)f.u);
            }
            x->family.type = TYPES[f.u];
            break;
        case PB_TAG(5, PB_LEN):
            x->family.unit = f.s;
            x->family.has_unit = f.s.n != 0;
            break;
        default:
            break;
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (x->family.name.n == 0 || !str_is_utf8(x->family.name)) {
        return err_set(reterr, ERR_INVALID, "no valid metric name");
    }
    if (!str_is_utf8(x->family.help) || !str_is_utf8(x->family.unit)) {
        return err_set(reterr, ERR_INVALID, "help or unit is not valid UTF-8");
    }
    x->family_pending = true;
    return 0;
}

static int family(struct family_reader *r, struct pb msg, struct err *reterr)
{
    struct pb_field f;
    int rc = family_head(r->x, msg, reterr);

    if (rc < 0) {
        return rc;
    }
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(4, PB_LEN)) {
            rc = metric(r, pb_sub(&msg, f.s), reterr);
            if (rc < 0) {
                return rc;
            }
        }
    }
    return rc < 0 ? rc : expo_flush_family(r->x, reterr);
}

int expo_walk_proto(struct expo *x, struct err *reterr)
{
    struct family_reader r CLEANUP(family_reader_done) = {.x = x, .native.form = NATIVE_EXPOSITION};
    const uint8_t *p = (const uint8_t *)x->p;
    const uint8_t *end = (const uint8_t *)x->end;

    for (; p < end; r.index++) {
        uint64_t n;
        int len = varint_get(p, end, &n);
        struct pb msg = {p, end, (const uint8_t *)x->base};
        int rc;

        if (len <= 0 || n > (uint64_t)(end - p - len)) {
            return err_set(reterr, len < 0 ? ERR_INVALID : ERR_TRUNCATED,
                           "family %zu: the body ends inside it", r.index);
        }
        msg.p = p + len;
        msg.end = p = msg.p + n;
        x->arena_used = true;
        rc = family(&r, msg, reterr);
        if (rc < 0) {
            x->family.name = str_is_utf8(x->family.name) ? x->family.name : str_of("", 0);
            if (reterr != NULL) {
                err_prefix(reterr, "family %zu (%.*s)", r.index,
                           STR_ARG(utf8_cut(x->family.name, 80)));
            }
            return rc;
        }
    }
    return 0;
}
