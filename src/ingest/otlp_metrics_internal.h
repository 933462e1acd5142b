/* SPDX-License-Identifier: Apache-2.0
 *
 * One metrics request between its decoder (otlp_metrics.c, otlp_histograms.c) and the series side
 * (otlp_series.c). A data point becomes samples through series_emit(); labels are built only when the
 * store does not know the hash of resource, scope, metric, attributes and part.
 */
#ifndef INGEST_OTLP_METRICS_INTERNAL_H
#define INGEST_OTLP_METRICS_INTERNAL_H

#include "ingest/delta.h"
#include "ingest/delta_native.h"
#include "ingest/metric_name.h"
#include "ingest/otlp_internal.h"
#include "ingest/seen.h"
#include "store/tsdb/exemplars.h"

enum temporality { TEMPORALITY_UNSPECIFIED, TEMPORALITY_DELTA, TEMPORALITY_CUMULATIVE };

struct metric {
    struct str name, unit, help; /* raw */
    struct str data;             /* the Gauge, Sum, ... message */
    enum metric_kind kind;
    uint32_t data_field; /* 5 gauge, 7 sum, 9 histogram, 10 exponential histogram, 11 summary */
    enum temporality temporality;
    struct str family;     /* Prometheus name, built when first needed: p NULL before */
    struct hash128 base_h; /* resource, scope and metric */
};

/* Which sample of a data point: decides the name's suffix and the extra label. */
enum series_part { PART_VALUE, PART_BUCKET, PART_SUM, PART_COUNT, PART_QUANTILE, PART_NATIVE };

struct point {
    struct pb msg;     /* for its attributes, when labels must be built */
    uint32_t attr_tag; /* PB_TAG of them */
    size_t attrs_n;
    struct hash128 attrs_h;
    int64_t time_ns;
    uint64_t start_ns; /* as it came; 0: none */
    bool stale;        /* flag "no recorded value" */
};

struct metrics_request {
    struct otlp_ctx *c;
    struct work *w;
    bool intern_all; /* second try after the store forgot a series: do not trust its cache */
    struct delta_journal journal;
    struct delta_native_journal native_journal;
    struct native_histogram native; /* scratch: the point being read */
    struct native_histogram total;  /* scratch: its cumulative form */
    struct otlp_group group;
    struct hash128 resource_h;
    struct hash128 group_h; /* resource and scope */
    struct metric metric;
    const struct resource *resource; /* decoded when first needed, else NULL */
    const struct scope *scope;       /* decoded when first needed, else NULL */
    struct str job, instance, host;  /* of resource */
    int64_t resource_newest_ns;      /* INT64_MIN: no point yet */
    size_t points;                   /* of the request */
    size_t point_exemplars;          /* of the point being read */
    struct exemplar_batch exemplars;
    size_t exemplars_refused;
};

/**
 * One sample. `param`: upper bound of PART_BUCKET, quantile of PART_QUANTILE. Delta values of counters and
 * histograms are turned into totals here.
 * @return 0; 1 when it was refused (counted by the caller's point); -ERR_NOMEM and the store's errors
 */
NODISCARD int series_emit(struct metrics_request *m, const struct point *p, enum series_part part,
                          double param, double value, struct err *reterr);
/** m->native as one sample of a native histogram series; deltas are turned into totals.
 * @return as series_emit() */
NODISCARD int series_emit_native(struct metrics_request *m, const struct point *p,
                                 struct err *reterr);
/** Labels a sample of the point has, checked; in the work's arena. @return 0; 1 refused and counted; -ERR_NOMEM */
NODISCARD int series_labels(struct metrics_request *m, const struct point *p, enum series_part part,
                            double param, struct labels *ret, struct err *reterr);
/** Attributes (n fields `tag` of msg) as labels behind v[*ret_n], which has room. @return 0, -ERR_x */
NODISCARD int series_attr_labels(struct metrics_request *m, struct pb msg, uint32_t tag, size_t n,
                                 struct label *v, size_t *ret_n, struct err *reterr);

/** Where the exemplars of a point belong. */
struct exemplar_place {
    uint32_t tag; /* PB_TAG of them */
    enum series_part part;
    const uint64_t *bounds; /* bits of the upper bounds of PART_BUCKET, rising */
    size_t bounds_n;
};

/** Exemplars of a point that was stored. @return 0, -ERR_x */
NODISCARD int otlp_exemplars(struct metrics_request *m, const struct point *p,
                             const struct exemplar_place *at, struct err *reterr);

/** target_info of the current resource at its newest time; nothing when it has no other attributes. */
NODISCARD int series_target_info(struct metrics_request *m, struct err *reterr);
/** Type, unit and help of the current metric to the store, when not done recently. */
NODISCARD int series_metadata(struct metrics_request *m, struct err *reterr);

/** Points of one Histogram or ExponentialHistogram data message. */
NODISCARD int otlp_histogram_point(struct metrics_request *m, struct pb msg, struct err *reterr);
NODISCARD int otlp_exp_histogram_point(struct metrics_request *m, struct pb msg,
                                       struct err *reterr);
NODISCARD int otlp_summary_point(struct metrics_request *m, struct pb msg, struct err *reterr);

/* For the point decoders. */

/** Raw extent of a point's attribute fields, hashed without decoding. */
struct attr_range {
    const char *start; /* NULL: none yet */
    const char *end;
    bool split; /* other fields between them */
    size_t n;
};

static inline void attr_range_add(struct attr_range *r, const struct pb_field *f)
{
    r->split |= r->start != NULL && f->p != r->end;
    r->start = r->start == NULL ? f->p : r->start;
    r->end = f->s.p + f->s.n;
    r->n++;
}

/** Fill the rest of *p from what a point decoder gathered. @return 1; 0 refused and counted; -ERR_x */
NODISCARD int otlp_point_begin(struct metrics_request *m, struct point *p,
                               const struct attr_range *attrs, uint64_t time, uint64_t flags,
                               struct err *reterr);

#endif
