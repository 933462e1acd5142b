/* SPDX-License-Identifier: Apache-2.0
 *
 * Range aggregations: rows are read once, oldest first, and become points of series. What only adds up is gathered in
 * buckets as wide as the steps and windows allow, so memory does not grow with the number of rows; and when the store
 * can count such buckets itself, no row is read.
 */
#include "base/alloc.h"
#include "query/logql/eval.h"

enum { STORE_BUCKETS_MAX = 100000, CHECK_EVERY = 256 };

struct points {
    struct point *v; /* owned; rising */
    size_t n, cap;
};

struct collect {
    struct eval *e;
    const struct expr *x;
    const struct pipeline *pipe; /* of x, without what changes nothing */
    const struct grouping *by;   /* NULL: all labels */
    bool outer;                  /* it is that of the aggregation around: no empty labels */
    struct plan plan;
    struct row *row;
    struct matrix *out;
    struct points *points; /* per series of `out` */
    size_t points_cap;
    size_t bytes;
    int64_t base_ns;   /* left end of the first window */
    int64_t bucket_ns; /* 0: points keep their times */
    struct str unwrap; /* label, empty: none */
    struct str *names; /* labels needed */
    size_t names_n;
    size_t top; /* series that matter; 0: all */
    bool needs_all;
    bool counts_errors; /* the query asks for lines that no parser could read */
    struct err *reterr;
};

/* ---- what labels matter ---- */

static int need_name(struct collect *c, struct str name)
{
    const struct str suffix = STR("_extracted");
    struct str *v;

    if (str_ends(name, suffix)) { /* it depends on the name without */
        int rc = need_name(c, str_take(name, name.n - suffix.n));

        if (rc < 0) {
            return rc;
        }
    }

    if ((c->names_n & (c->names_n - 1)) == 0) {
        v = arena_array(c->e->a, struct str, c->names_n != 0 ? 2 * c->names_n : 1);
        if (v == NULL) {
            return lq_eval_no_memory(c->e);
        }
        if (c->names_n != 0) {
            memcpy(v, c->names, c->names_n * sizeof(*v));
        }
        c->names = v;
    }
    c->names[c->names_n++] = name;
    return 0;
}

static int need_filter(struct collect *c, const struct label_filter *f)
{
    c->counts_errors =
        c->counts_errors || (c->outer && !c->by->without && str_eq(f->name, STR("__error__")));
    if (f->test == TEST_AND || f->test == TEST_OR) {
        int rc = need_filter(c, f->left);

        return rc < 0 ? rc : need_filter(c, f->right);
    }
    return need_name(c, f->name);
}

static bool looks_at_line(enum stage_type t)
{
    return t != STAGE_LABEL && t != STAGE_DROP && t != STAGE_KEEP && t != STAGE_UNWRAP &&
           t != STAGE_LINE_FORMAT;
}

/* Lines that nobody looks at afterwards are not formatted. */
static int prune(struct collect *c)
{
    const struct pipeline *from = c->x->pipe;
    struct pipeline *to = arena_calloc(c->e->a, 1, sizeof(*to));
    bool needed = c->x->range_op == RANGE_BYTES || c->x->range_op == RANGE_BYTES_RATE;
    size_t at = from->n;

    if (to == NULL || (to->stages = arena_array(c->e->a, struct stage, from->n + 1)) == NULL) {
        return lq_eval_no_memory(c->e);
    }
    for (size_t i = from->n; i-- > 0;) {
        enum stage_type t = from->stages[i].type;

        if (t != STAGE_LINE_FORMAT || needed) {
            to->stages[--at] = from->stages[i];
        }
        needed = needed || looks_at_line(t);
    }
    to->stages += at;
    to->n = from->n - at;
    to->matchers = from->matchers;
    to->matchers_n = from->matchers_n;
    to->unwraps = from->unwraps;
    c->pipe = to;
    return 0;
}

static int find_needs(struct collect *c)
{
    int rc = 0;

    c->needs_all = c->by == NULL || c->by->without;
    for (size_t i = 0; rc == 0 && !c->needs_all && i < c->by->n; i++) {
        rc = need_name(c, c->by->names[i]);
    }
    for (size_t i = 0; rc == 0 && c->pipe != NULL && i < c->pipe->n; i++) {
        const struct stage *s = &c->pipe->stages[i];

        switch (s->type) {
        case STAGE_LABEL:
            rc = need_filter(c, s->label);
            break;
        case STAGE_LINE_FORMAT:
        case STAGE_LABEL_FORMAT:
            c->needs_all = true; /* templates may name any */
            break;
        case STAGE_UNWRAP:
            c->unwrap = s->text;
            rc = need_name(c, s->text);
            break;
        default:
            break;
        }
    }
    return rc;
}

/* ---- points ---- */

static bool only_adds(const struct expr *x)
{
    switch (x->range_op) {
    case RANGE_RATE:
    case RANGE_COUNT:
    case RANGE_BYTES_RATE:
    case RANGE_BYTES:
    case RANGE_SUM:
    case RANGE_ABSENT:
        return true;
    default:
        return false;
    }
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static struct points *points_of(struct collect *c, size_t index)
{
    if (index >= c->points_cap) {
        size_t cap = c->points_cap != 0 ? 2 * c->points_cap : 64;
        struct points *v;

        cap = cap > index ? cap : index + 1;
        v = mem_try_realloc(c->points, cap * sizeof(*v));
        if (v == NULL) {
            return NULL;
        }
        memset(v + c->points_cap, 0, (cap - c->points_cap) * sizeof(*v));
        c->points = v;
        c->points_cap = cap;
    }
    return &c->points[index];
}

static int add_point(struct collect *c, size_t series, int64_t t_ns, double v)
{
    struct points *p = points_of(c, series);

    if (p == NULL) {
        return lq_eval_no_memory(c->e);
    }
    if (c->bucket_ns != 0) {
        /* the bucket's right end, which belongs to it */
        int64_t k = (t_ns - c->base_ns + c->bucket_ns - 1) / c->bucket_ns;

        t_ns = c->base_ns + k * c->bucket_ns;
        if (p->n != 0 && p->v[p->n - 1].t_ns == t_ns) {
            p->v[p->n - 1].v += v;
            return 0;
        }
    }
    if (p->n == p->cap) {
        size_t cap = p->cap != 0 ? 2 * p->cap : 8;
        size_t more = (cap - p->cap) * sizeof(*p->v);
        struct point *grown;
        int rc = lq_eval_charge(c->e, more);

        if (rc < 0) {
            return rc;
        }
        c->bytes += more;
        grown = mem_try_realloc(p->v, cap * sizeof(*p->v));
        if (grown == NULL) {
            return lq_eval_no_memory(c->e);
        }
        p->v = grown;
        p->cap = cap;
    }
    p->v[p->n++] = (struct point){t_ns, v};
    return 0;
}

/* ---- rows ---- */

static double row_value(const struct collect *c)
{
    if (c->unwrap.n != 0) {
        return c->row->value;
    }
    return c->x->range_op == RANGE_BYTES || c->x->range_op == RANGE_BYTES_RATE
               ? (double)c->row->line.n
               : 1;
}

/* The labels of a `by`, sorted; one that is there stays although it is empty. */
static int row_group(struct collect *c, struct labels *ret)
{
    struct row *r = c->row;

    vec_clear(&r->sorted);
    for (size_t i = 0; i < c->by->n; i++) {
        struct label l = {.name = c->by->names[i]};
        enum label_category category;
        size_t at = r->sorted.n;

        if (!lq_row_get(r, l.name, &l.value, &category)) {
            continue;
        }
        if (!vec_push(&r->sorted, l)) {
            return lq_eval_no_memory(c->e);
        }
        for (; at > 0 && str_cmp(r->sorted.v[at - 1].name, l.name) > 0; at--) {
            r->sorted.v[at] = r->sorted.v[at - 1];
        }
        if (at > 0 && str_eq(r->sorted.v[at - 1].name, l.name)) {
            return err_set(c->reterr, ERR_INVALID, "a label is named twice in the grouping");
        }
        r->sorted.v[at] = l;
    }
    *ret = (struct labels){r->sorted.v, r->sorted.n};
    return 0;
}

/* Labels of the row's series; the strings live as long as the row. */
static int row_series(struct collect *c, struct labels *ret)
{
    struct row *r = c->row;
    size_t kept = 0;

    if (c->by != NULL && !c->by->without) {
        return row_group(c, ret);
    }
    *ret = lq_row_labels(r, ROW_ALL);
    if (c->by == NULL && c->unwrap.n == 0) {
        return 0; /* with the empty ones */
    }
    for (size_t i = 0; i < r->sorted.n; i++) {
        bool drop =
            str_eq(r->sorted.v[i].name, c->unwrap) || (c->outer && r->sorted.v[i].value.n == 0);

        for (size_t k = 0; c->by != NULL && k < c->by->n; k++) {
            drop = drop || str_eq(r->sorted.v[i].name, c->by->names[k]);
        }
        if (!drop) {
            r->sorted.v[kept++] = r->sorted.v[i];
        }
    }
    *ret = (struct labels){r->sorted.v, kept};
    return 0;
}

int lq_pipeline_failed(struct row *r, struct err *reterr)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 4096);
    labels_format((struct labels){r->sorted.v, r->sorted.n}, &b);
    return err_set(reterr, ERR_INVALID,
                   "pipeline error: '%.*s' for series: '%.*s'.\n"
                   "Use a label filter to intentionally skip this error. (e.g | "
                   "__error__!=\"%.*s\").\nTo skip all potential errors you can match empty "
                   "errors.(e.g __error__=\"\")",
                   STR_ARG(r->error), (int)(b.n < 60 ? b.n : 60), b.n != 0 ? b.data : "",
                   STR_ARG(r->error));
}

static int take_row(void *arg, const struct log_record *record, uint64_t id)
{
    struct collect *c = arg;
    struct logql_stats *stats = &c->e->result->stats;
    const struct stream *s = lq_plan_stream(&c->plan, record->resource);
    struct lq_matrix_series *series;
    struct labels ls = {0};
    int rc;

    (void)id;
    if (s == NULL) {
        return lq_eval_no_memory(c->e);
    }
    if (!lq_plan_selects(&c->plan, s, record)) {
        return 0;
    }
    lq_row_begin(c->row, record, s);
    stats->lines++;
    stats->bytes += c->row->line.n;
    if (!c->plan.exact && !lq_pipeline_run(c->pipe, c->row)) {
        return 0;
    }
    stats->after++;
    rc = row_series(c, &ls);
    if (rc == 0 && c->row->error.n != 0 && !(c->counts_errors && c->row->parser_failed)) {
        lq_row_labels(c->row, ROW_ALL);
        return lq_pipeline_failed(c->row, c->reterr);
    }
    if (rc == 0 && c->row->no_memory) {
        return lq_eval_no_memory(c->e);
    }
    series = rc < 0 ? NULL : lq_matrix_series(c->e, c->out, ls);
    return series == NULL
               ? (rc < 0 ? rc : -c->reterr->code)
               : add_point(c, (size_t)(series - c->out->v), record->time_ns, row_value(c));
}

static int scan_rows(struct collect *c, int64_t min_ns, int64_t max_ns)
{
    const struct plan_needs needs = {.all = c->needs_all,
                                     .line = c->x->range_op == RANGE_BYTES ||
                                             c->x->range_op == RANGE_BYTES_RATE,
                                     .names = c->names,
                                     .n = c->names_n};
    struct scan_stats scan = {0};
    struct columns_query q;
    int rc = lq_plan_query(&c->plan, &needs, c->e->ask, min_ns, max_ns, &q, c->reterr);

    if (rc < 0) {
        return rc;
    }
    q.oldest_first = true;
    q.to_end = true;
    c->row = lq_row_new(c->e->ask->limits.max_row_bytes);
    if (!c->needs_all) {
        c->row->need = c->names;
        c->row->need_n = c->names_n;
        c->row->need_none = c->names_n == 0;
    }
    rc = columns_scan_logs(c->e->ask->logs, &q, INT64_MIN, 0, take_row, c, &scan, c->reterr);
    lq_stats_add(&c->e->result->stats, &scan);
    lq_row_free(c->row);
    return rc;
}

/* ---- counts by the store ---- */

/* Can the store count? By nothing, or by one label that is one field. */
static bool store_counts(struct collect *c, struct field *ret_by, struct str *ret_missing,
                         int64_t min_ns, int64_t max_ns)
{
    if (!c->plan.exact || (c->x->range_op != RANGE_COUNT && c->x->range_op != RANGE_RATE) ||
        c->unwrap.n != 0 || c->by == NULL || c->by->without || c->by->n > 1 ||
        (max_ns - min_ns) / c->bucket_ns > STORE_BUCKETS_MAX) {
        return false;
    }
    return c->by->n == 0 || lq_plan_field(&c->plan, c->by->names[0], ret_by, ret_missing);
}

static bool is_severity(const struct field *by)
{
    return by->scope == FIELD_INTRINSIC && str_eq(by->name, STR("severity_number"));
}

static struct str group_value(const struct field *by, struct str value, struct str missing)
{
    uint64_t severity = 0;

    if (is_severity(by)) {
        bool ok = str_to_u64(value, &severity) && severity <= 24;

        return str_cstr(logql_level_name(ok ? (uint8_t)severity : 0));
    }
    return value.n == 0 ? missing : value;
}

/* Bucket i of the store is (base + i * width, base + (i + 1) * width]. */
static int add_group(struct collect *c, const struct columns_group *g, struct str value, size_t n)
{
    struct label label = {c->by->n != 0 ? c->by->names[0] : STR(""), value};
    const struct labels ls = {&label, value.n != 0};
    struct lq_matrix_series *s = lq_matrix_series(c->e, c->out, ls);
    struct points *p;
    struct points merged = {0};
    size_t at = 0;
    int rc = s == NULL ? -c->reterr->code : 0;

    if (rc < 0) {
        return rc;
    }
    p = points_of(c, (size_t)(s - c->out->v));
    if (p == NULL) {
        return lq_eval_no_memory(c->e);
    }
    merged.v = mem_try_calloc(n, sizeof(*merged.v));
    if (merged.v == NULL) {
        return lq_eval_no_memory(c->e);
    }
    for (size_t i = 0; i < n; i++) {
        int64_t t = c->base_ns + (int64_t)(i + 1) * c->bucket_ns;
        double v = (double)g->counts[i];

        if (at < p->n && p->v[at].t_ns == t) {
            v += p->v[at++].v;
        }
        if (v != 0) {
            merged.v[merged.n++] = (struct point){t, v};
        }
    }
    mem_free(p->v);
    merged.cap = n;
    *p = merged;
    return lq_eval_charge(c->e, n * sizeof(*merged.v));
}

/* How many groups are enough. Where several become one series all of them are needed. */
static size_t top_groups(const struct collect *c, const struct field *by, struct str missing)
{
    return c->by->n != 0 && !is_severity(by) && missing.n == 0 ? c->top : 0;
}

static int count_by_store(struct collect *c, const struct field *by, struct str missing,
                          int64_t min_ns, int64_t max_ns)
{
    const struct columns_query q = {.min_ns = min_ns,
                                    .max_ns = max_ns,
                                    .filter = c->plan.filter,
                                    .cancel = c->e->ask->cancel,
                                    .budget = c->e->ask->budget};
    const struct columns_buckets over = {.step_ns = c->bucket_ns,
                                         .n = (size_t)((max_ns - min_ns) / c->bucket_ns),
                                         .by = c->by->n != 0 ? by : NULL,
                                         .top = top_groups(c, by, missing)};
    struct columns_groups groups = {0};
    struct arena a;
    int rc;

    arena_init(&a, c->e->ask->limits.memory_bytes);
    rc = columns_histogram(c->e->ask->logs, &q, &over, &a, &groups, c->reterr);
    for (size_t i = 0; rc == 0 && i < groups.n; i++) {
        struct str value =
            c->by->n != 0 ? group_value(by, groups.v[i].value, missing) : str_of("", 0);

        if (groups.v[i].total != 0) {
            c->e->result->stats.lines += groups.v[i].total;
            c->e->result->stats.after += groups.v[i].total;
            rc = add_group(c, &groups.v[i], value, over.n);
        }
    }
    if (rc == 0) {
        lq_stats_add(&c->e->result->stats, &groups.stats);
    }
    arena_done(&a);
    return rc;
}

/* ---- windows ---- */

static int fill_series(struct collect *c, size_t index)
{
    const struct points *p = &c->points[index];
    struct lq_matrix_series *s = &c->out->v[index];
    double span_s = (double)c->x->range_ns / 1e9;
    size_t low = 0;
    size_t high = 0;

    for (size_t i = 0; i < c->e->steps; i++) {
        int64_t left = c->base_ns + (int64_t)i * c->e->step_ns;
        int64_t right = left + c->x->range_ns;
        int rc;

        while (high < p->n && p->v[high].t_ns <= right) {
            high++;
        }
        while (low < high && p->v[low].t_ns <= left) {
            low++;
        }
        if (high > low) {
            s->has[i] = true;
            s->v[i] = lq_window_value(c->x, p->v + low, high - low, span_s);
        }
        rc = i % CHECK_EVERY == 0 ? cancel_check(c->e->ask->cancel) : 0;
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* 1 where no series has a point; its labels are what the selector says with "=". */
static int make_absent(struct collect *c)
{
    const struct pipeline *pipe = c->x->pipe;
    struct label *v = arena_array(c->e->a, struct label, pipe->matchers_n + 1);
    struct matrix out = {0};
    struct lq_matrix_series *s;
    size_t n = 0;

    if (v == NULL) {
        return lq_eval_no_memory(c->e);
    }
    for (size_t i = 0; i < pipe->matchers_n; i++) {
        struct str name = matcher_name(pipe->matchers[i]);
        size_t same = 0;

        for (size_t k = 0; k < pipe->matchers_n; k++) {
            same += str_eq(matcher_name(pipe->matchers[k]), name);
        }
        if (matcher_op(pipe->matchers[i]) == MATCH_EQ && same == 1) {
            v[n++] = (struct label){name, matcher_value(pipe->matchers[i])};
        }
    }
    ignore_result(labels_normalize(v, &n), "names differ");
    s = lq_matrix_series(c->e, &out, (struct labels){v, n});
    if (s == NULL) {
        return -c->reterr->code;
    }
    for (size_t i = 0; i < c->e->steps; i++) {
        bool any = false;

        for (size_t k = 0; !any && k < c->out->n; k++) {
            any = c->out->v[k].has[i];
        }
        s->has[i] = !any;
        s->v[i] = 1;
    }
    *c->out = out;
    return 0;
}

static int evaluate(struct collect *c)
{
    struct eval *e = c->e;
    int64_t last = e->start_ns + (int64_t)(e->steps - 1) * e->step_ns;
    int64_t min_ns;
    int64_t max_ns;
    struct field by = {0};
    struct str missing = {0};
    int rc = prune(c);

    rc = rc < 0 ? rc : find_needs(c);
    if (__builtin_sub_overflow(e->start_ns - c->x->range_ns, c->x->offset_ns, &c->base_ns) ||
        __builtin_sub_overflow(last + 1, c->x->offset_ns, &max_ns)) {
        return err_set(c->reterr, ERR_INVALID, "the range is beyond what can be stored");
    }
    min_ns = c->base_ns + 1;
    c->bucket_ns =
        only_adds(c->x) ? (e->steps > 1 ? gcd(c->x->range_ns, e->step_ns) : c->x->range_ns) : 0;
    rc = rc < 0 ? rc : lq_plan_make(&c->plan, c->pipe, e->ask, min_ns, max_ns, c->reterr);
    if (rc < 0 || c->plan.nothing) {
        return rc;
    }
    return store_counts(c, &by, &missing, min_ns, max_ns)
               ? count_by_store(c, &by, missing, min_ns, max_ns)
               : scan_rows(c, min_ns, max_ns);
}

int lq_eval_range(struct eval *e, const struct expr *x, const struct grouping *outer, size_t top,
                  struct matrix *ret)
{
    struct collect c = {.e = e,
                        .x = x,
                        .pipe = x->pipe,
                        .by = x->by.given ? &x->by : outer,
                        .outer = !x->by.given && outer != NULL,
                        .top = top,
                        .out = ret,
                        .reterr = e->reterr};
    int rc;

    *ret = (struct matrix){0};
    rc = evaluate(&c);
    for (size_t i = 0; rc == 0 && i < ret->n; i++) {
        rc = fill_series(&c, i);
    }
    if (rc == 0 && x->range_op == RANGE_ABSENT) {
        rc = make_absent(&c);
    }
    for (size_t i = 0; i < c.points_cap; i++) {
        mem_free(c.points[i].v);
    }
    mem_free(c.points);
    lq_eval_uncharge(e, c.bytes);
    lq_plan_done(&c.plan);
    return rc;
}
