/* SPDX-License-Identifier: Apache-2.0
 *
 * ExportMetricsServiceRequest (metrics/v1) into samples: the walk over metrics, number points, and the
 * commit. A request is decoded straight into the batch; nothing is kept per point.
 */
#include "model/samples.h"

#include "ingest/otlp_metrics_internal.h"

enum { FLAG_NO_RECORDED_VALUE = 1 }; /* DataPointFlags */

static int hash_split_attrs(struct metrics_request *m, struct point *p, struct err *reterr)
{
    struct pb msg = p->msg;
    struct pb_field f;
    int rc;

    buf_clear(&m->w->scratch);
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == p->attr_tag) {
            buf_add(&m->w->scratch, f.p, (size_t)(f.s.p + f.s.n - f.p));
        }
    }
    if (rc == 0 && m->w->scratch.failed) {
        return err_set(reterr, ERR_NOMEM, "too many attribute bytes in one data point");
    }
    p->attrs_h = hash128(m->w->scratch.data, m->w->scratch.n);
    return rc;
}

int otlp_point_begin(struct metrics_request *m, struct point *p, const struct attr_range *attrs,
                     uint64_t time, uint64_t flags, struct err *reterr)
{
    int rc = 0;

    if (time == 0 || !otlp_time(time, &p->time_ns)) {
        otlp_reject(m->c, REJECT_TIME, 1,
                    time == 0 ? "time_unix_nano is 0" : "time is beyond the year 2262");
        return 0;
    }
    p->stale = (flags & FLAG_NO_RECORDED_VALUE) != 0;
    p->attrs_n = attrs->n;
    if (attrs->n == 0) {
        p->attrs_h = (struct hash128){0, 0};
    } else if (!attrs->split) {
        p->attrs_h = hash128(attrs->start, (size_t)(attrs->end - attrs->start));
    } else {
        rc = hash_split_attrs(m, p, reterr);
    }
    if (p->time_ns > m->resource_newest_ns) {
        m->resource_newest_ns = p->time_ns;
    }
    m->c->newest_ns = p->time_ns > m->c->newest_ns ? p->time_ns : m->c->newest_ns;
    return rc < 0 ? rc : 1;
}

static int number_point(struct metrics_request *m, struct pb msg, struct err *reterr)
{
    struct point p = {.msg = msg, .attr_tag = PB_TAG(7, PB_LEN)};
    struct attr_range attrs = {0};
    struct pb_field f;
    uint64_t time = 0;
    uint64_t flags = 0;
    double value = 0;
    int rc;

    m->point_exemplars = 0;
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) { /* NumberDataPoint */
        case PB_TAG(2, PB_FIXED64):
            p.start_ns = f.u;
            break;
        case PB_TAG(3, PB_FIXED64):
            time = f.u;
            break;
        case PB_TAG(4, PB_FIXED64):
            value = pb_f64(f.u);
            break;
        case PB_TAG(5, PB_LEN):
            m->point_exemplars++;
            break;
        case PB_TAG(6, PB_FIXED64):
            value = (double)(int64_t)f.u;
            break;
        case PB_TAG(7, PB_LEN):
            attr_range_add(&attrs, &f);
            break;
        case PB_TAG(8, PB_VARINT):
            flags = f.u;
            break;
        default:
            break;
        }
    }
    rc = rc < 0 ? rc : otlp_point_begin(m, &p, &attrs, time, flags, reterr);
    rc = rc <= 0 ? rc : series_emit(m, &p, PART_VALUE, 0, value, reterr);
    if (rc == 0 && m->point_exemplars != 0) {
        const struct exemplar_place at = {.tag = PB_TAG(5, PB_LEN), .part = PART_VALUE};

        rc = otlp_exemplars(m, &p, &at, reterr);
    }
    return rc;
}

/* The Gauge, Sum, ... message: temporality first, wherever it stands, then the points. */
static int scan_data(struct metrics_request *m, struct pb msg, size_t *ret_points,
                     struct err *reterr)
{
    struct metric *mt = &m->metric;
    bool monotonic = false;
    struct pb_field f;
    int rc;

    *ret_points = 0;
    mt->temporality = TEMPORALITY_CUMULATIVE;
    if (mt->data_field == 7 || mt->data_field == 9 || mt->data_field == 10) {
        mt->temporality = TEMPORALITY_UNSPECIFIED;
    }
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_LEN)) {
            (*ret_points)++;
        } else if (f.tag == PB_TAG(2, PB_VARINT)) {
            mt->temporality =
                f.u <= TEMPORALITY_CUMULATIVE ? (enum temporality)f.u : TEMPORALITY_UNSPECIFIED;
        } else if (f.tag == PB_TAG(3, PB_VARINT)) {
            monotonic = f.u != 0;
        }
    }
    switch (mt->data_field) {
    case 7:
        mt->kind = monotonic ? METRIC_COUNTER : METRIC_UPDOWN;
        break;
    case 9:
    case 10:
        mt->kind = METRIC_HISTOGRAM;
        break;
    case 11:
        mt->kind = METRIC_SUMMARY;
        break;
    default:
        mt->kind = METRIC_GAUGE;
        break;
    }
    return rc;
}

static int one_point(struct metrics_request *m, struct pb msg, struct err *reterr)
{
    switch (m->metric.data_field) {
    case 9:
        return otlp_histogram_point(m, msg, reterr);
    case 10:
        return otlp_exp_histogram_point(m, msg, reterr);
    case 11:
        return otlp_summary_point(m, msg, reterr);
    default:
        return number_point(m, msg, reterr);
    }
}

/* Scalars and the data message of a Metric. */
static int scan_metric(struct pb msg, struct metric *ret, struct err *reterr)
{
    struct pb_field f;
    int rc;

    *ret = (struct metric){.name = str_of("", 0), .unit = str_of("", 0), .help = str_of("", 0)};
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) {
        case PB_TAG(1, PB_LEN):
            ret->name = f.s;
            break;
        case PB_TAG(2, PB_LEN):
            ret->help = f.s;
            break;
        case PB_TAG(3, PB_LEN):
            ret->unit = f.s;
            break;
        case PB_TAG(5, PB_LEN):
        case PB_TAG(7, PB_LEN):
        case PB_TAG(9, PB_LEN):
        case PB_TAG(10, PB_LEN):
        case PB_TAG(11, PB_LEN):
            ret->data = f.s;
            ret->data_field = f.tag >> 3;
            break;
        default:
            break;
        }
    }
    return rc;
}

static void hash_metric(struct metrics_request *m)
{
    struct metric *mt = &m->metric;

    const struct {
        struct hash128 group, name;
        uint64_t unit, kind;
    } k = {m->group_h, hash128(mt->name.p, mt->name.n), hash64(mt->unit.p, mt->unit.n),
           (uint64_t)mt->kind << 8 | (uint64_t)mt->temporality};

    mt->base_h = hash128(&k, sizeof(k));
}

static int one_metric(struct metrics_request *m, struct pb msg, struct err *reterr)
{
    struct pb_field f;
    struct pb data;
    size_t n;
    int rc = scan_metric(msg, &m->metric, reterr);

    if (rc < 0 || m->metric.data_field == 0) {
        return rc;
    }
    data = pb_sub(&msg, m->metric.data);
    rc = scan_data(m, data, &n, reterr);
    if (rc < 0 || n == 0) {
        return rc;
    }
    m->points += n;
    if (m->metric.temporality == TEMPORALITY_UNSPECIFIED) {
        otlp_reject(m->c, REJECT_POINT, n, "aggregation temporality is unspecified");
        return 0;
    }
    hash_metric(m);
    rc = series_metadata(m, reterr);
    if (rc < 0) {
        return rc;
    }
    m->c->path.point = 0;
    while ((rc = pb_next(&data, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_LEN)) {
            rc = one_point(m, pb_sub(&data, f.s), reterr);
            if (rc < 0) {
                return rc;
            }
            m->c->path.point++;
        }
    }
    m->c->path.point = SIZE_MAX;
    return rc;
}

static int one_group(struct otlp_ctx *c, void *arg, const struct otlp_group *g, struct err *reterr)
{
    struct metrics_request *m = arg;
    struct pb msg = g->items;
    struct pb_field f;
    int rc = 0;

    if (g->new_resource) {
        rc = series_target_info(m, reterr);
        if (rc < 0) {
            return rc;
        }
        m->resource = NULL;
        m->resource_newest_ns = INT64_MIN;
        m->resource_h = hash128(g->resource.p, g->resource.n);
    }
    m->group = *g;
    m->scope = NULL;
    {
        const struct hash128 both[2] = {m->resource_h, hash128(g->scope.p, g->scope.n)};

        m->group_h = hash128(both, sizeof(both));
    }
    c->path.item = 0;
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == OTLP_ITEM_TAG) {
            rc = one_metric(m, pb_sub(&msg, f.s), reterr);
            if (rc < 0) {
                return rc;
            }
            c->path.item++;
        }
    }
    return rc;
}

/* Decode and commit once. `ret` says what the store refused. */
static int commit_exemplars(struct metrics_request *m, struct err *reterr)
{
    struct exemplar_commit done;
    int rc = tsdb_exemplars_commit(m->c->o->sink->metrics, &m->exemplars, &done, reterr);

    if (rc == 0) {
        ingest_count_rejected(m->c->o->sink->stats, INGEST_METRICS, REJECT_EXEMPLAR_ORDER,
                              done.out_of_order);
    }
    return rc;
}

static int run(struct metrics_request *m, struct str body, struct tsdb_commit *ret,
               struct err *reterr)
{
    int rc;

    m->resource_newest_ns = INT64_MIN;
    rc = otlp_each_group(m->c, body, one_group, m, reterr);
    rc = rc < 0 ? rc : series_target_info(m, reterr);
    rc = rc < 0 ? rc : tsdb_batch_commit(m->w->batch, ret, reterr);
    if (rc == 0 && m->exemplars.n != 0 && ret->rejected[TSDB_REJECT_GONE] == 0) {
        rc = commit_exemplars(m, reterr);
    }
    if (rc < 0) {
        delta_rollback(m->c->o->deltas, &m->journal);
        delta_native_rollback(m->c->o->native_deltas, &m->native_journal);
    }
    return rc;
}

/* Samples refused by the store, as points: a histogram's samples share one time, so at most every point. */
static void reject_commit(struct metrics_request *m, const struct tsdb_commit *done)
{
    static const struct {
        enum ingest_reject reason;
        const char *text;
    } REASONS[TSDB_REJECT_COUNT] = {
        [TSDB_REJECT_TOO_OLD] = {REJECT_TOO_OLD, "older than the retention"},
        [TSDB_REJECT_TOO_NEW] = {REJECT_TOO_NEW, "too far in the future"},
        [TSDB_REJECT_GONE] = {REJECT_SERIES_GONE, "of series that were just removed"},
    };

    m->c->path.item = SIZE_MAX;
    for (size_t i = 0; i < TSDB_REJECT_COUNT; i++) {
        size_t n = done->rejected[i] < m->points ? done->rejected[i] : m->points;

        otlp_reject(m->c, REASONS[i].reason, n, "%zu samples are %s", done->rejected[i],
                    REASONS[i].text);
    }
}

int otlp_metrics(struct otlp_ctx *c, struct str body, struct err *reterr)
{
    struct metrics_request m = {.c = c};
    struct tsdb_commit done = {0};
    int rc;

    m.w = work_acquire(c->o->works);
    if (m.w == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the request");
    }
    exemplar_batch_init(&m.exemplars);
    rc = run(&m, body, &done, reterr);
    if (rc == 0 && done.rejected[TSDB_REJECT_GONE] != 0) {
        /* A series went idle between look-up and commit: the same again, labels first. Samples already
         * stored are stored again with the same value. */
        struct otlp_ctx clean = *c;

        delta_rollback(c->o->deltas, &m.journal);
        delta_native_rollback(c->o->native_deltas, &m.native_journal);
        memset(clean.rejected, 0, sizeof(clean.rejected));
        memset(clean.altered, 0, sizeof(clean.altered));
        clean.first[0] = '\0';
        *c = clean;
        exemplar_batch_clear(&m.exemplars);
        m = (struct metrics_request){.c = c,
                                     .w = m.w,
                                     .intern_all = true,
                                     .native = m.native,
                                     .total = m.total,
                                     .exemplars = m.exemplars};
        tsdb_batch_clear(m.w->batch);
        memset(&done, 0, sizeof(done));
        rc = run(&m, body, &done, reterr);
    }
    if (rc == 0) {
        c->accepted = done.accepted;
        reject_commit(&m, &done);
        ingest_count_rejected(c->o->sink->stats, INGEST_METRICS, REJECT_EXEMPLAR,
                              m.exemplars_refused);
    }
    exemplar_batch_done(&m.exemplars);
    native_done(&m.native);
    native_done(&m.total);
    work_release(c->o->works, m.w);
    return rc;
}
