/* SPDX-License-Identifier: Apache-2.0
 *
 * Remote write 1.0 (prometheus.WriteRequest). Per series on the hit path: one scan of its bytes, one hash,
 * one look-up, one append per sample. A series is parsed only when the store does not know its hash.
 */
#include "ingest/prom_remote.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "codec/compress.h"
#include "codec/pb.h"
#include "codec/utf8.h"
#include "ingest/ha.h"
#include "ingest/ingest_internal.h"
#include "ingest/native_decode.h"
#include "ingest/prom_remote2.h"
#include "ingest/seen.h"
#include "store/tsdb/exemplars.h"
#include "store/tsdb/native.h"

struct prom_remote {
    struct sink *sink;
    struct work_pool *works;
    struct seen_set *metadata_seen;
    struct push_door *push; /* for 2.0 */
};

struct prom_remote *prom_remote_new(struct sink *sink)
{
    struct prom_remote *p = mem_xcalloc(1, sizeof(*p));

    p->sink = sink;
    p->works = work_pool_new(sink->metrics, sink->limits.max_decompressed_bytes);
    p->metadata_seen = mem_xcalloc(1, sizeof(*p->metadata_seen));
    p->push = push_door_new(sink);
    return p;
}

void prom_remote_free(struct prom_remote *p)
{
    if (p != NULL) {
        work_pool_free(p->works);
        mem_free(p->metadata_seen);
        push_door_free(p->push);
        mem_free(p);
    }
}

struct request {
    struct prom_remote *p;
    struct work *w;
    bool intern_all; /* second try after the store forgot a series */
    size_t index;    /* of the series being read */
    int64_t newest_ms;
    struct native_decoder native;
    struct exemplar_batch exemplars;
    size_t exemplars_stored;
    bool deduplicated;
    struct str drop; /* replica label; empty: none */
    size_t rejected[REJECT_COUNT];
    struct err first; /* of the first refused series; code 0: none */
};

/* Encoded labels and samples of one TimeSeries. */
struct series {
    struct pb msg;
    const char *labels; /* first label field; NULL: none */
    const char *labels_end;
    bool split;             /* other fields between the labels */
    const uint8_t *samples; /* first sample field; NULL: none */
    size_t samples_n;
    size_t histograms_n;
    size_t exemplars_n;
    size_t labels_n;
};

enum {
    MESSAGE_TEXT_MAX = 1 << 16,
    MESSAGE_SERIES_MAX = 120, /* bytes of a series in an error message */
};

enum {
    TAG_LABEL = PB_TAG(1, PB_LEN),
    TAG_SAMPLE = PB_TAG(2, PB_LEN),
    TAG_EXEMPLAR = PB_TAG(3, PB_LEN),
    TAG_HISTOGRAM = PB_TAG(4, PB_LEN),
};

/* Field 1 of TimeSeries is labels, 2 samples, 3 exemplars, 4 native histograms. */
static int scan_series(struct series *s, struct err *reterr)
{
    struct pb msg = s->msg;
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) {
        case TAG_LABEL:
            s->split |= s->labels != NULL && f.p != s->labels_end;
            s->labels = s->labels == NULL ? f.p : s->labels;
            s->labels_end = f.s.p + f.s.n;
            s->labels_n++;
            break;
        case TAG_SAMPLE:
            s->samples = s->samples == NULL ? (const uint8_t *)f.p : s->samples;
            s->samples_n++;
            break;
        case TAG_EXEMPLAR:
            s->exemplars_n++;
            break;
        case TAG_HISTOGRAM:
            s->histograms_n++;
            break;
        default:
            break;
        }
    }
    return rc;
}

static struct hash128 hash_labels(struct request *r, const struct series *s)
{
    struct pb msg = s->msg;
    struct pb_field f;

    if (!s->split) {
        return hash128(s->labels, (size_t)(s->labels_end - s->labels));
    }
    buf_clear(&r->w->scratch);
    while (pb_next(&msg, &f, NULL) > 0) {
        if (f.tag == TAG_LABEL) {
            buf_add(&r->w->scratch, f.p, (size_t)(f.s.p + f.s.n - f.p));
        }
    }
    return hash128(r->w->scratch.data, r->w->scratch.n);
}

/* A series as text for a message: short, valid UTF-8. */
static struct str series_text(struct request *r, struct labels ls, struct buf *scratch)
{
    struct str text = {0};

    labels_format(ls, scratch);
    if (utf8_clean(buf_str(scratch), &r->w->arena, &text, NULL) < 0) {
        return str_of("", 0);
    }
    return utf8_cut(text, MESSAGE_SERIES_MAX);
}

/* Count the series' samples as refused; the first message of a request is its answer. */
static int refuse(struct request *r, const struct series *s, enum ingest_reject reason,
                  const struct err *why, struct labels ls)
{
    r->rejected[reason] += s->samples_n + s->histograms_n;
    if (r->first.code == 0) {
        struct buf scratch CLEANUP(buf_done) = {0};
        struct str text;

        buf_init(&scratch, MESSAGE_TEXT_MAX);
        text = series_text(r, ls, &scratch);
        err_set(&r->first, (enum err_code)why->code, "series %zu %.*s: %s", r->index, STR_ARG(text),
                why->msg);
    }
    return 1;
}

static int parse_label(struct pb msg, struct label *ret, struct err *reterr)
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
    return rc;
}

static void drop_label(struct label *v, size_t *n, struct str name)
{
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++) {
        if (!str_eq(v[i].name, name)) {
            v[kept++] = v[i];
        }
    }
    *n = kept;
}

/* Parsed and checked labels, in the work's arena. @return 0; 1 refused and counted; -ERR_TRUNCATED, -ERR_INVALID,
 * -ERR_NOMEM */
static int parse_labels(struct request *r, const struct series *s, struct labels *ret,
                        struct err *reterr)
{
    const struct ingest_limits *lim = &r->p->sink->limits;
    struct pb msg = s->msg;
    struct err why = {0};
    struct label *v;
    struct pb_field f;
    size_t n = 0;
    int rc;

    if (s->labels_n > lim->max_labels) {
        err_set(&why, ERR_INVALID, "%zu labels, at most %zu are allowed", s->labels_n,
                lim->max_labels);
        return refuse(r, s, REJECT_LABELS, &why, (struct labels){NULL, 0});
    }
    arena_reset(&r->w->arena);
    v = arena_array(&r->w->arena, struct label, s->labels_n + 1);
    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for labels");
    }
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == TAG_LABEL) {
            rc = parse_label(pb_sub(&msg, f.s), &v[n++], reterr);
            if (rc < 0) {
                return rc;
            }
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (r->drop.n != 0) {
        drop_label(v, &n, r->drop);
    }
    *ret = (struct labels){v, n};
    if (ingest_check_labels(lim, v, &n, &why) < 0) {
        return refuse(r, s, REJECT_LABELS, &why, *ret);
    }
    ret->n = n;
    return 0;
}

/* @return 0; 1 refused and counted; what parse_labels() returns, the store's errors */
static int intern_series(struct request *r, const struct series *s, const struct hash128 *key,
                         struct series_ref *ret, struct err *reterr)
{
    struct labels ls = {NULL, 0};
    struct err why = {0};
    int rc = parse_labels(r, s, &ls, reterr);

    if (rc != 0) {
        return rc;
    }
    rc = tsdb_intern(r->p->sink->metrics, ls, key, ret, &why);
    if (rc == -ERR_LIMIT) {
        return refuse(r, s, REJECT_SERIES_LIMIT, &why, ls);
    }
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s", why.msg) : 0;
}

static int add_sample(struct request *r, struct series_ref ref, struct pb msg, struct err *reterr)
{
    struct pb_field f;
    double value = 0;
    int64_t t_ms = 0;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_FIXED64)) {
            value = pb_f64(f.u);
        } else if (f.tag == PB_TAG(2, PB_VARINT)) {
            t_ms = (int64_t)f.u;
        }
    }
    if (rc < 0) {
        return rc;
    }
    r->newest_ms = t_ms > r->newest_ms ? t_ms : r->newest_ms;
    rc = tsdb_batch_add(r->w->batch, ref, t_ms, value);
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "too many samples in one request") : 0;
}

/* One TimeSeries, for native_append() to ask for its labels. */
struct native_labels {
    struct request *r;
    const struct series *s;
    struct labels ls;
};

static int native_labels(void *arg, struct labels *ret, struct err *reterr)
{
    struct native_labels *n = arg;
    int rc = parse_labels(n->r, n->s, &n->ls, reterr);

    *ret = n->ls;
    return rc;
}

/* @return 0; 1 the series was refused and counted; errors */
static int one_histogram(struct request *r, const struct series *s, const struct hash128 *key,
                         struct pb msg, struct err *reterr)
{
    struct native_labels ask = {.r = r, .s = s};
    const struct native_series to = {
        .door_key = s->labels != NULL ? key : NULL,
        .fresh = r->intern_all,
        .labels = native_labels,
        .arg = &ask,
    };
    struct err why = {0};
    int rc = native_decode(&r->native, msg, &why);

    if (rc > 0) {
        const struct series one = {.histograms_n = 1};

        rc = parse_labels(r, s, &ask.ls, reterr);
        return rc != 0 ? rc : refuse(r, &one, REJECT_NATIVE_HISTOGRAM, &why, ask.ls) - 1;
    }
    if (rc == 0) {
        r->newest_ms = r->native.t_ms > r->newest_ms ? r->native.t_ms : r->newest_ms;
        rc = native_append(r->p->sink->metrics, r->w->batch, &to, r->native.t_ms, &r->native.h,
                           &why);
        if (rc == -ERR_LIMIT && ask.ls.n != 0) {
            return refuse(r, s, REJECT_SERIES_LIMIT, &why, ask.ls);
        }
    }
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s", why.msg) : rc;
}

static int each_value(struct request *r, const struct series *s, struct series_ref ref,
                      const struct hash128 *key, struct err *reterr)
{
    struct pb msg = s->msg;
    struct pb_field f;
    int rc;

    if (s->histograms_n == 0) {
        msg.p = s->samples;
    }
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == TAG_SAMPLE) {
            rc = add_sample(r, ref, pb_sub(&msg, f.s), reterr);
        } else if (f.tag == TAG_HISTOGRAM) {
            rc = one_histogram(r, s, key, pb_sub(&msg, f.s), reterr);
            if (rc > 0) {
                return 0;
            }
        }
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

/* Exemplar: labels = 1, value = 2, timestamp = 3. Labels go into the arena behind those of the series. */
static int parse_exemplar(struct request *r, struct pb msg, struct exemplar *ret,
                          struct err *reterr)
{
    struct pb rest = msg;
    struct label *v;
    struct pb_field f;
    size_t n = 0;
    int rc;

    *ret = (struct exemplar){.has_time = true};
    while ((rc = pb_next(&rest, &f, reterr)) > 0) {
        n += f.tag == TAG_LABEL;
        if (f.tag == PB_TAG(2, PB_FIXED64)) {
            ret->value = pb_f64(f.u);
        } else if (f.tag == PB_TAG(3, PB_VARINT)) {
            ret->t_ms = (int64_t)f.u;
        }
    }
    v = rc < 0 ? NULL : arena_array(&r->w->arena, struct label, n + 1);
    if (v == NULL) {
        return rc < 0 ? rc : err_set(reterr, ERR_NOMEM, "no memory for exemplars");
    }
    n = 0;
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == TAG_LABEL && (rc = parse_label(pb_sub(&msg, f.s), &v[n++], reterr)) < 0) {
            return rc;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!str_is_utf8(v[i].name) || !str_is_utf8(v[i].value)) {
            return 1;
        }
    }
    if (!labels_normalize(v, &n)) {
        return 1;
    }
    ret->labels = (struct labels){v, n};
    return rc;
}

static int each_exemplar(struct request *r, const struct series *s, struct err *reterr)
{
    struct labels ls = {NULL, 0};
    struct pb msg = s->msg;
    struct exemplar e;
    struct pb_field f;
    int rc = parse_labels(r, s, &ls, reterr);

    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag != TAG_EXEMPLAR) {
            continue;
        }
        rc = parse_exemplar(r, pb_sub(&msg, f.s), &e, reterr);
        if (rc < 0) {
            return rc;
        }
        if (rc > 0 || exemplar_batch_add(&r->exemplars, ls, &e) != EXEMPLAR_OK) {
            r->rejected[REJECT_EXEMPLAR]++;
        }
    }
    return rc;
}

/* Series of a request wait here so that they are looked up together. */
struct waiting {
    struct series series[TSDB_LOOKUP_MAX];
    struct hash128 keys[TSDB_LOOKUP_MAX];
    size_t n;
};

static int store_series(struct request *r, struct series *s, const struct hash128 *key,
                        struct series_ref ref, struct err *reterr)
{
    /* A series of histograms alone has no float series behind it. */
    if ((s->samples != NULL || s->histograms_n == 0) &&
        (r->intern_all || s->labels == NULL || ref.v == TSDB_NO_SERIES)) {
        int rc = intern_series(r, s, key, &ref, reterr);

        if (rc != 0) {
            return rc;
        }
    }
    int rc = s->samples != NULL || s->histograms_n != 0 ? each_value(r, s, ref, key, reterr) : 0;

    return rc < 0 || s->exemplars_n == 0 ? rc : each_exemplar(r, s, reterr);
}

static int store_waiting(struct request *r, struct waiting *w, struct err *reterr)
{
    struct series_ref refs[TSDB_LOOKUP_MAX];
    int rc = 0;

    tsdb_lookup_batch(r->p->sink->metrics, w->keys, w->n, refs);
    for (size_t i = 0; rc >= 0 && i < w->n; i++) {
        rc = store_series(r, &w->series[i], &w->keys[i], refs[i], reterr);
        r->index++;
    }
    w->n = 0;
    return rc;
}

static int one_series(struct request *r, struct pb msg, struct waiting *w, struct err *reterr)
{
    struct series *s = &w->series[w->n];
    int rc;

    *s = (struct series){.msg = msg};
    rc = scan_series(s, reterr);
    if (rc < 0) {
        return rc;
    }
    w->keys[w->n] = s->labels != NULL ? hash_labels(r, s) : (struct hash128){0, 0};
    return ++w->n == TSDB_LOOKUP_MAX ? store_waiting(r, w, reterr) : 0;
}

/* MetricMetadata: type = 1, metric_family_name = 2, help = 4, unit = 5. */
static int one_metadata(struct request *r, struct str raw, struct pb msg, struct err *reterr)
{
    static const char *const TYPES[] = {"unknown",        "counter", "gauge", "histogram",
                                        "gaugehistogram", "summary", "info",  "stateset"};
    uint64_t hash = hash64(raw.p, raw.n);
    struct str name = {0};
    struct str help = {0};
    struct str unit = {0};
    struct pb_field f;
    uint64_t type = 0;
    int rc;

    if (seen_has(r->p->metadata_seen, hash)) {
        return 0;
    }
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) {
        case PB_TAG(1, PB_VARINT):
            type = f.u;
            break;
        case PB_TAG(2, PB_LEN):
            name = f.s;
            break;
        case PB_TAG(4, PB_LEN):
            help = f.s;
            break;
        case PB_TAG(5, PB_LEN):
            unit = f.s;
            break;
        default:
            break;
        }
    }
    if (rc < 0 || name.n == 0 || !str_is_utf8(name) || !str_is_utf8(help) || !str_is_utf8(unit)) {
        return rc; /* metadata is a courtesy: what is unusable is left out */
    }
    rc = tsdb_set_metadata(r->p->sink->metrics, name,
                           str_cstr(type < ARRAY_LEN(TYPES) ? TYPES[type] : TYPES[0]), unit, help,
                           NULL);
    if (rc < 0) {
        r->rejected[REJECT_METADATA]++;
    }
    if (rc == 0 || rc == -ERR_LIMIT || rc == -ERR_INVALID) {
        seen_put(r->p->metadata_seen, hash);
    }
    return 0;
}

/* Is the replica that sends elected? By the first series, as Cortex does; counts what is thrown away. */
static bool is_elected(struct request *r)
{
    struct pb msg = pb_init(buf_str(&r->w->body));
    struct labels first = {NULL, 0};
    struct series s = {.samples_n = 0};
    struct label *v;
    struct pb_field f;
    size_t n = 0;

    if (r->p->sink->ha == NULL || pb_next(&msg, &f, NULL) <= 0 || f.tag != PB_TAG(1, PB_LEN)) {
        return true;
    }
    s.msg = pb_sub(&msg, f.s);
    if (scan_series(&s, NULL) < 0 ||
        (v = arena_array(&r->w->arena, struct label, s.labels_n + 1)) == NULL) {
        return true;
    }
    while (pb_next(&s.msg, &f, NULL) > 0) {
        if (f.tag == TAG_LABEL && parse_label(pb_sub(&s.msg, f.s), &v[n++], NULL) < 0) {
            return true;
        }
    }
    first = (struct labels){v, n};
    return prom_remote_elected(r->p->sink, first, &r->drop);
}

static uint64_t samples_in(struct request *r)
{
    struct pb msg = pb_init(buf_str(&r->w->body));
    struct series s;
    struct pb_field f;
    uint64_t n = 0;

    while (pb_next(&msg, &f, NULL) > 0) {
        s = (struct series){.msg = pb_sub(&msg, f.s)};
        if (f.tag == PB_TAG(1, PB_LEN) && scan_series(&s, NULL) == 0) {
            n += s.samples_n + s.histograms_n;
        }
    }
    return n;
}

static int run(struct request *r, struct tsdb_commit *ret, struct err *reterr)
{
    struct pb msg = pb_init(buf_str(&r->w->body));
    struct exemplar_commit done;
    struct pb_field f;
    struct waiting waiting;
    int rc;

    waiting.n = 0;
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_LEN)) {
            rc = one_series(r, pb_sub(&msg, f.s), &waiting, reterr);
        } else if (f.tag == PB_TAG(3, PB_LEN)) {
            rc = one_metadata(r, f.s, pb_sub(&msg, f.s), reterr);
        }
        if (rc < 0) {
            return rc;
        }
    }
    rc = rc < 0 ? rc : store_waiting(r, &waiting, reterr);
    rc = rc < 0 ? rc : tsdb_batch_commit(r->w->batch, ret, reterr);
    if (rc == 0 && r->exemplars.n != 0) {
        rc = tsdb_exemplars_commit(r->p->sink->metrics, &r->exemplars, &done, reterr);
        r->exemplars_stored = done.stored;
        r->rejected[REJECT_EXEMPLAR_ORDER] += done.out_of_order;
    }
    return rc;
}

/* The first sample the store refused, named by its series, when no series was refused before. */
static void note_commit(struct request *r, const struct tsdb_commit *done)
{
    static const enum ingest_reject REASONS[TSDB_REJECT_COUNT] = {REJECT_TOO_OLD, REJECT_TOO_NEW,
                                                                  REJECT_SERIES_GONE};

    static const char *const TEXTS[TSDB_REJECT_COUNT] = {
        "is older than the retention", "is too far in the future", "is of a series just removed"};
    struct labels ls = {NULL, 0};
    size_t total = 0;

    for (size_t i = 0; i < TSDB_REJECT_COUNT; i++) {
        r->rejected[REASONS[i]] += done->rejected[i];
        total += done->rejected[i];
    }
    if (total != 0 && r->first.code == 0) {
        struct buf scratch CLEANUP(buf_done) = {0};
        struct str text;

        buf_init(&scratch, MESSAGE_TEXT_MAX);
        arena_reset(&r->w->arena);
        if (!tsdb_series_labels(r->p->sink->metrics, done->first_rejected, &r->w->arena, &ls)) {
            ls.n = 0;
        }
        text = series_text(r, ls, &scratch);
        err_set(&r->first, ERR_OUT_OF_RANGE, "%zu samples out of range, first: %.*s at %lld ms %s",
                total, STR_ARG(text), (long long)done->first_rejected_t_ms,
                TEXTS[done->first_reason]);
    }
}

static void count(const struct request *r, const struct tsdb_commit *done, int rc)
{
    struct ingest_stats *s = r->p->sink->stats;

    if (rc < 0) {
        bool malformed = rc == -ERR_INVALID || rc == -ERR_TRUNCATED || rc == -ERR_TOO_LARGE;

        ingest_count_rejected(s, INGEST_METRICS, malformed ? REJECT_MALFORMED : REJECT_STORE, 1);
        return;
    }
    ingest_count_accepted(s, INGEST_METRICS, "prometheus_remote_write", done->accepted);
    for (size_t i = 0; i < REJECT_COUNT; i++) {
        ingest_count_rejected(s, INGEST_METRICS, (enum ingest_reject)i, r->rejected[i]);
    }
    if (done->accepted != 0 && r->newest_ms > INT64_MIN / 1000000 &&
        r->newest_ms < INT64_MAX / 1000000) {
        ingest_note_newest(s, INGEST_METRICS, r->newest_ms * 1000000, clock_wall_ns());
    }
}

static int decode_and_store(struct request *r, struct str body, struct tsdb_commit *done,
                            struct err *reterr)
{
    int rc = decompress(COMPRESS_SNAPPY, body, &r->w->body, reterr);

    if (rc == 0 && !is_elected(r)) {
        ha_count_dropped(r->p->sink->ha, samples_in(r));
        r->deduplicated = true;
        return 0;
    }
    rc = rc < 0 ? rc : run(r, done, reterr);
    if (rc == 0 && done->rejected[TSDB_REJECT_GONE] != 0) {
        /* A series went idle between look-up and commit: the same again, labels first. Samples already
         * stored are stored again with the same value. */
        exemplar_batch_clear(&r->exemplars);
        *r = (struct request){.p = r->p,
                              .w = r->w,
                              .intern_all = true,
                              .newest_ms = r->newest_ms,
                              .native = r->native,
                              .drop = r->drop,
                              .exemplars = r->exemplars,
                              .exemplars_stored = r->exemplars_stored};
        tsdb_batch_clear(r->w->batch);
        memset(done, 0, sizeof(*done));
        rc = run(r, done, reterr);
    }
    if (rc == 0) {
        note_commit(r, done);
    }
    return rc;
}

/* Bytes the body will have decompressed: a snappy block begins with them. Broken ones fail later. */
static int64_t decoded_bytes(const struct prom_remote *p, struct str body)
{
    const uint8_t *b = (const uint8_t *)body.p;
    uint64_t n = 0;

    if (body.n == 0 || varint_get(b, b + body.n, &n) <= 0 ||
        n > p->sink->limits.max_decompressed_bytes) {
        return (int64_t)body.n;
    }
    return (int64_t)n;
}

static int receive1(struct prom_remote *p, struct str body, struct prom_remote_result *ret,
                    struct err *reterr)
{
    struct request r = {.p = p, .newest_ms = INT64_MIN};
    struct tsdb_commit done = {0};
    int64_t reserved = decoded_bytes(p, body);
    int rc;

    if (!budget_take(p->sink->budget, reserved)) {
        rc = err_set(reterr, ERR_OVERLOAD, "too much data is being decoded, try again");
        count(&r, &done, rc);
        return rc;
    }
    exemplar_batch_init(&r.exemplars);
    r.w = work_acquire(p->works);
    if (r.w == NULL) {
        rc = err_set(reterr, ERR_NOMEM, "no memory for the request");
    } else {
        rc = decode_and_store(&r, body, &done, reterr);
    }
    count(&r, &done, rc);
    native_decoder_done(&r.native);
    exemplar_batch_done(&r.exemplars);
    work_release(p->works, r.w);
    budget_give(p->sink->budget, reserved);
    ret->samples = done.accepted;
    ret->exemplars = r.exemplars_stored;
    ret->deduplicated = r.deduplicated;
    if (rc == 0 && r.first.code != 0) {
        return err_set(reterr, (enum err_code)r.first.code, "%s", r.first.msg);
    }
    return rc;
}

int prom_remote_receive(struct prom_remote *p, enum prom_remote_version version, struct str body,
                        struct prom_remote_result *ret, struct err *reterr)
{
    *ret = (struct prom_remote_result){.samples = 0};
    return version == PROM_REMOTE_2 ? prom_remote2_write(p->push, p->sink, body, ret, reterr)
                                    : receive1(p, body, ret, reterr);
}

bool prom_remote_version(struct str content_type, enum prom_remote_version *ret)
{
    struct str rest = content_type;
    struct str field;

    *ret = PROM_REMOTE_1;
    if (!str_split(&rest, ';', &field) || str_trim(field).n == 0) {
        return true;
    }
    if (!str_eq_nocase(str_trim(field), STR("application/x-protobuf"))) {
        return false;
    }
    while (str_split(&rest, ';', &field)) {
        struct str value = field;
        struct str key = {0};

        if (!str_split(&value, '=', &key) || !str_eq_nocase(str_trim(key), STR("proto"))) {
            continue;
        }
        if (str_eq(str_trim(value), STR("io.prometheus.write.v2.Request"))) {
            *ret = PROM_REMOTE_2;
            return true;
        }
        return str_eq(str_trim(value), STR("prometheus.WriteRequest"));
    }
    return true;
}
