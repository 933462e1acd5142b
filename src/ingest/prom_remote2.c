/* SPDX-License-Identifier: Apache-2.0
 *
 * Remote write 2.0 (io.prometheus.write.v2.Request): label names and values are references into a table of
 * strings of the request. Every string is hashed once; a series' key is the hash of its strings' hashes, so that it
 * does not depend on where in the table they stand. Source: Prometheus remote write specification 2.0.
 */
#include "ingest/prom_remote2.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "codec/compress.h"
#include "codec/pb.h"
#include "ingest/ha.h"
#include "ingest/ingest_internal.h"
#include "ingest/native_decode.h"
#include "ingest/push_forms.h"
#include "model/samples.h"

enum {
    TAG_SYMBOL = PB_TAG(4, PB_LEN),
    TAG_SERIES = PB_TAG(5, PB_LEN),
    REFS_MAX = 512, /* names and values of one series */
};

struct symbol {
    struct str s;
    struct hash128 hash;
};

struct request {
    struct sink *sink;
    struct str packed;
    struct push *p;
    bool unpacked;
    VEC(struct symbol) symbols;
    struct native_decoder native;
    size_t index; /* of the series being read */
};

/* One TimeSeries. */
struct series {
    struct request *r;
    struct pb msg;
    uint32_t refs[REFS_MAX];
    size_t refs_n;
    size_t samples_n;
    size_t histograms_n;
    size_t exemplars_n;
    int64_t created_ms; /* 0: none */
    struct push_series to;
    struct labels labels; /* once asked for */
    bool refused;
};

/* ---- references ---- */

static int add_ref(const struct request *r, uint32_t *refs, size_t *n, uint64_t ref,
                   struct err *reterr)
{
    if (ref >= r->symbols.n) {
        return err_set(reterr, ERR_INVALID, "series %zu: symbol %llu of %zu", r->index,
                       (unsigned long long)ref, r->symbols.n);
    }
    if (*n == REFS_MAX) {
        return err_set(reterr, ERR_INVALID, "series %zu: more than %d labels", r->index,
                       REFS_MAX / 2);
    }
    refs[(*n)++] = (uint32_t)ref;
    return 0;
}

/* labels_refs is field 1, packed or not. */
static int read_refs(const struct request *r, const struct pb_field *f, uint32_t *refs, size_t *n,
                     struct err *reterr)
{
    const uint8_t *p = (const uint8_t *)f->s.p;
    const uint8_t *end;

    if (f->tag == PB_TAG(1, PB_VARINT)) {
        return add_ref(r, refs, n, f->u, reterr);
    }
    if (f->tag != PB_TAG(1, PB_LEN)) {
        return 0;
    }
    end = p + f->s.n;
    while (p < end) {
        uint64_t ref = 0;
        int len = varint_get(p, end, &ref);
        int rc = len <= 0 ? err_set(reterr, ERR_TRUNCATED, "series %zu: label references end early",
                                    r->index)
                          : add_ref(r, refs, n, ref, reterr);

        if (rc < 0) {
            return rc;
        }
        p += len;
    }
    return 0;
}

static struct label *labels_of(struct request *r, const uint32_t *refs, size_t n)
{
    struct label *v = arena_array(push_arena(r->p), struct label, n / 2 + 1);

    for (size_t i = 0; v != NULL && i < n / 2; i++) {
        v[i] = (struct label){r->symbols.v[refs[2 * i]].s, r->symbols.v[refs[2 * i + 1]].s};
    }
    return v;
}

static void find(struct series *s)
{
    struct hash128 v[REFS_MAX];

    for (size_t i = 0; i < s->refs_n; i++) {
        v[i] = s->r->symbols.v[s->refs[i]].hash;
    }
    push_find(s->r->p, PUSH_FORM_WRITE2, v, s->refs_n * sizeof(*v), &s->to);
}

/* For push_histogram() too. @return 0, 1 refused, errors */
static int checked_labels(void *arg, struct labels *ret, struct err *reterr)
{
    struct series *s = arg;
    struct label *v;
    int rc;

    if (s->labels.n != 0) {
        *ret = s->labels;
        return 0;
    }
    v = labels_of(s->r, s->refs, s->refs_n);
    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for labels");
    }
    rc = push_labels(s->r->p, (struct labels){v, s->refs_n / 2}, &s->labels, reterr);
    s->refused |= rc == 1;
    *ret = s->labels;
    return rc;
}

/* ---- samples, histograms, exemplars ---- */

/* Sample: value = 1, timestamp = 2, start_timestamp = 3. */
static int one_sample(struct series *s, struct pb msg, struct err *reterr)
{
    struct pb_field f;
    double value = 0;
    int64_t t_ms = 0;
    int64_t start_ms = s->created_ms;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_FIXED64)) {
            value = pb_f64(f.u);
        } else if (f.tag == PB_TAG(2, PB_VARINT)) {
            t_ms = (int64_t)f.u;
        } else if (f.tag == PB_TAG(3, PB_VARINT)) {
            start_ms = (int64_t)f.u;
        }
    }
    if (rc == 0 && start_ms != 0) {
        rc = push_created(s->r->p, &s->to, start_ms, t_ms, reterr);
        rc = rc < 0 ? rc : push_start(s->r->p, &s->to, start_ms, t_ms, checked_labels, s, reterr);
    }
    return rc != 0 ? (rc < 0 ? rc : 0) : push_sample(s->r->p, &s->to, t_ms, value, reterr);
}

/* start_timestamp = 17 of a histogram that was decoded. */
static int64_t histogram_start(const struct series *s, struct pb msg)
{
    int64_t start_ms = s->created_ms;
    struct pb_field f;

    while (pb_next(&msg, &f, NULL) > 0) {
        start_ms = f.tag == PB_TAG(17, PB_VARINT) ? (int64_t)f.u : start_ms;
    }
    return start_ms;
}

static int one_histogram(struct series *s, struct pb msg, struct err *reterr)
{
    struct request *r = s->r;
    struct err why = {0};
    struct labels ls = {NULL, 0};
    int rc = native_decode(&r->native, msg, &why);

    if (rc > 0) {
        rc = checked_labels(s, &ls, reterr);
        if (rc == 0) {
            push_refuse(r->p, 1, &why, ls);
        }
        return rc < 0 ? rc : 0;
    }
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "%s", why.msg);
    }
    rc = push_start(r->p, &s->to, histogram_start(s, msg), r->native.t_ms, checked_labels, s,
                    reterr);
    rc = rc != 0 ? rc
                 : push_histogram(r->p, &s->to, r->native.t_ms, &r->native.h, checked_labels, s,
                                  reterr);
    return rc < 0 ? rc : 0;
}

/* Exemplar: labels_refs = 1, value = 2, timestamp = 3. */
static int one_exemplar(struct series *s, struct pb msg, struct err *reterr)
{
    struct request *r = s->r;
    struct exemplar e = {.has_time = true};
    uint32_t refs[REFS_MAX];
    struct label *v;
    struct labels ls = {NULL, 0};
    struct pb_field f;
    size_t n = 0;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(2, PB_FIXED64)) {
            e.value = pb_f64(f.u);
        } else if (f.tag == PB_TAG(3, PB_VARINT)) {
            e.t_ms = (int64_t)f.u;
        } else {
            rc = read_refs(r, &f, refs, &n, reterr);
        }
        if (rc < 0) {
            return rc;
        }
    }
    rc = rc < 0 ? rc : checked_labels(s, &ls, reterr);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    v = labels_of(r, refs, n);
    n /= 2;
    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for exemplars");
    }
    if (!labels_normalize(v, &n)) {
        return 0; /* a courtesy: what is unusable is left out */
    }
    e.labels = (struct labels){v, n};
    return push_exemplar(r->p, ls, &e, reterr);
}

/* Metadata: type = 1, help_ref = 3, unit_ref = 4. Kept by family: without what histograms and summaries append. */
static int one_metadata(struct series *s, struct pb msg, struct err *reterr)
{
    static const char *const TYPES[] = {"unknown",        "counter", "gauge", "histogram",
                                        "gaugehistogram", "summary", "info",  "stateset"};
    static const struct str SUFFIXES[] = {{"_bucket", 7}, {"_count", 6}, {"_sum", 4}};
    const struct symbol *symbols = s->r->symbols.v;
    struct str name = {0};
    uint64_t v[5] = {0};
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if ((f.tag & 7) == PB_VARINT && f.tag >> 3 < ARRAY_LEN(v)) {
            v[f.tag >> 3] = f.u;
        }
    }
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i + 1 < s->refs_n; i += 2) {
        if (str_eq(symbols[s->refs[i]].s, STR(LABEL_NAME))) {
            name = symbols[s->refs[i + 1]].s;
        }
    }
    if (name.n == 0 || v[1] >= ARRAY_LEN(TYPES) || v[3] >= s->r->symbols.n ||
        v[4] >= s->r->symbols.n || (v[1] == 0 && v[3] == 0 && v[4] == 0) || !str_is_utf8(name) ||
        !str_is_utf8(symbols[v[3]].s) || !str_is_utf8(symbols[v[4]].s)) {
        return 0;
    }
    for (size_t i = 0; v[1] >= 3 && v[1] <= 5 && i < ARRAY_LEN(SUFFIXES); i++) {
        if (str_ends(name, SUFFIXES[i]) && name.n > SUFFIXES[i].n) {
            name.n -= SUFFIXES[i].n;
            break;
        }
    }
    push_metadata(s->r->p, name, str_cstr(TYPES[v[1]]), symbols[v[4]].s, symbols[v[3]].s);
    return 0;
}

/* ---- series ---- */

/* labels_refs = 1, samples = 2, histograms = 3, exemplars = 4, metadata = 5, created_timestamp = 6. */
static int scan(struct series *s, struct err *reterr)
{
    struct pb msg = s->msg;
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        s->samples_n += f.tag == PB_TAG(2, PB_LEN);
        s->histograms_n += f.tag == PB_TAG(3, PB_LEN);
        s->exemplars_n += f.tag == PB_TAG(4, PB_LEN);
        if (f.tag == PB_TAG(6, PB_VARINT)) {
            s->created_ms = (int64_t)f.u;
        }
        rc = read_refs(s->r, &f, s->refs, &s->refs_n, reterr);
        if (rc < 0) {
            return rc;
        }
    }
    if (rc == 0 && s->refs_n % 2 != 0) {
        return err_set(reterr, ERR_INVALID, "series %zu: a label name without a value",
                       s->r->index);
    }
    return rc;
}

static int each_field(struct series *s, struct err *reterr)
{
    struct pb msg = s->msg;
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) {
        case PB_TAG(2, PB_LEN):
            rc = one_sample(s, pb_sub(&msg, f.s), reterr);
            break;
        case PB_TAG(3, PB_LEN):
            rc = one_histogram(s, pb_sub(&msg, f.s), reterr);
            break;
        case PB_TAG(4, PB_LEN):
            rc = one_exemplar(s, pb_sub(&msg, f.s), reterr);
            break;
        case PB_TAG(5, PB_LEN):
            rc = one_metadata(s, pb_sub(&msg, f.s), reterr);
            break;
        default:
            break;
        }
        if (rc < 0 || s->refused) {
            return rc < 0 ? rc : 0;
        }
    }
    return rc;
}

static int one_series(struct request *r, struct pb msg, struct err *reterr)
{
    struct series s = {.r = r, .msg = msg};
    struct labels ls = {NULL, 0};
    int rc = scan(&s, reterr);

    if (rc < 0) {
        return rc;
    }
    find(&s);
    if (!s.to.known && s.samples_n != 0) {
        rc = checked_labels(&s, &ls, reterr);
        rc = rc != 0 ? rc : push_intern(r->p, ls, &s.to, reterr);
    } else if (s.samples_n + s.histograms_n == 0) {
        rc = checked_labels(&s, &ls, reterr); /* an error in the labels is told in any case */
    }
    if (rc == 1 && s.samples_n > 1) {
        push_count_refused(r->p, s.samples_n - 1);
    }
    if (rc == 0) {
        rc = each_field(&s, reterr);
    }
    push_reset(r->p);
    return rc < 0 ? rc : 0;
}

/* ---- the request ---- */

static int read_symbols(struct request *r, struct err *reterr)
{
    struct pb msg = pb_init(buf_str(push_body(r->p)));
    struct pb_field f;
    int rc;

    r->symbols.n = 0;
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == TAG_SYMBOL &&
            !vec_push(&r->symbols, (struct symbol){f.s, hash128(f.s.p, f.s.n)})) {
            return err_set(reterr, ERR_NOMEM, "no memory for %zu symbols", r->symbols.n);
        }
    }
    if (rc == 0 && r->symbols.n != 0 && r->symbols.v[0].s.n != 0) {
        return err_set(reterr, ERR_INVALID, "the first symbol is not empty");
    }
    return rc;
}

static int decode(void *arg, struct push *p, struct err *reterr)
{
    struct request *r = arg;
    struct pb msg;
    struct pb_field f;
    int rc = 0;

    r->p = p;
    r->index = 0;
    if (!r->unpacked) {
        rc = decompress(COMPRESS_SNAPPY, r->packed, push_body(p), reterr);
        r->unpacked = rc == 0;
    }
    rc = rc < 0 ? rc : read_symbols(r, reterr);
    msg = pb_init(buf_str(push_body(p)));
    while (rc >= 0 && (rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == TAG_SERIES) {
            rc = one_series(r, pb_sub(&msg, f.s), reterr);
            r->index++;
        }
    }
    return rc;
}

bool prom_remote_elected(struct sink *sink, struct labels first, struct str *ret_drop)
{
    struct str replica;

    *ret_drop = str_of("", 0);
    if (sink->ha == NULL) {
        return true;
    }
    *ret_drop = ha_replica_label(sink->ha);
    replica = labels_get(first, *ret_drop);
    return ha_accept(sink->ha, labels_get(first, ha_cluster_label(sink->ha)), replica,
                     clock_wall_ms());
}

/* Only the first series is looked at, before anything is stored. */
static int first_labels(struct str packed, size_t max, struct buf *body, struct arena *a,
                        struct labels *ret, size_t *ret_samples, struct err *reterr)
{
    struct pb msg;
    struct pb_field f;
    VEC(struct str) symbols = {0};
    struct str series = {0};
    struct label *v;
    size_t n = 0;
    int rc;

    buf_init(body, max);
    rc = decompress(COMPRESS_SNAPPY, packed, body, reterr);
    msg = pb_init(buf_str(body));
    while (rc >= 0 && (rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == TAG_SERIES) {
            struct pb one = pb_sub(&msg, f.s);
            struct pb_field g;

            series = series.p == NULL ? f.s : series;
            while (pb_next(&one, &g, NULL) > 0) {
                *ret_samples += g.tag == PB_TAG(2, PB_LEN) || g.tag == PB_TAG(3, PB_LEN);
            }
        } else if (f.tag == TAG_SYMBOL && !vec_push(&symbols, f.s)) {
            rc = err_set(reterr, ERR_NOMEM, "no memory for symbols");
        }
    }
    v = arena_array(a, struct label, REFS_MAX / 2);
    msg = pb_init(series);
    while (rc == 0 && v != NULL && pb_next(&msg, &f, NULL) > 0) {
        const uint8_t *p = (const uint8_t *)f.s.p;
        uint64_t name;
        uint64_t value;
        int len;

        if (f.tag != PB_TAG(1, PB_LEN)) {
            continue;
        }
        for (const uint8_t *end = p + f.s.n; n < REFS_MAX / 2; n++) {
            len = varint_get(p, end, &name);
            p += len > 0 ? len : 0;
            if (len <= 0 || (len = varint_get(p, end, &value)) <= 0 || name >= symbols.n ||
                value >= symbols.n) {
                break;
            }
            p += len;
            v[n] = (struct label){symbols.v[name], symbols.v[value]};
        }
    }
    vec_done(&symbols);
    *ret = (struct labels){v, v != NULL ? n : 0};
    return rc;
}

static bool elected(struct request *r, struct str *ret_drop, size_t *ret_samples)
{
    struct buf body CLEANUP(buf_done) = {0};
    struct arena a CLEANUP(arena_done);
    struct labels first = {NULL, 0};

    *ret_drop = str_of("", 0);
    arena_init(&a, 1 << 20);
    if (r->sink->ha == NULL) {
        return true;
    }
    if (first_labels(r->packed, r->sink->limits.max_decompressed_bytes, &body, &a, &first,
                     ret_samples, NULL) < 0) {
        return true; /* the decoder says what is wrong */
    }
    return prom_remote_elected(r->sink, first, ret_drop);
}

/* Bytes the body will have decompressed: a snappy block begins with them. Broken ones fail later. */
static int64_t decoded_bytes(const struct sink *sink, struct str body)
{
    const uint8_t *b = (const uint8_t *)body.p;
    uint64_t n = 0;

    if (body.n == 0 || varint_get(b, b + body.n, &n) <= 0 ||
        n > sink->limits.max_decompressed_bytes) {
        return (int64_t)body.n;
    }
    return (int64_t)n;
}

int prom_remote2_write(struct push_door *d, struct sink *sink, struct str body,
                       struct prom_remote_result *ret, struct err *reterr)
{
    struct request r = {.sink = sink, .packed = body};
    struct push_opts o = {.door = "prometheus_remote_write",
                          .now_ms = clock_wall_ms(),
                          .reserve = decoded_bytes(sink, body)};
    struct push_result done = {.accepted = 0};
    size_t samples = 0;
    int rc;

    if (!elected(&r, &o.drop, &samples)) {
        ha_count_dropped(sink->ha, samples);
        ret->deduplicated = true;
        return 0;
    }
    rc = push_run(d, &o, decode, &r, &done, reterr);
    native_decoder_done(&r.native);
    vec_done(&r.symbols);
    ret->samples = done.accepted;
    ret->histograms = done.histograms;
    ret->exemplars = done.exemplars;
    if (rc == 0 && done.first != 0) {
        return err_set(reterr, (enum err_code)done.first, "%s", done.why);
    }
    return rc;
}
