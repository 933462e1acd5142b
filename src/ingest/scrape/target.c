/* SPDX-License-Identifier: Apache-2.0
 *
 * From a discovered group to a target, by upstream's rules: the job's defaults as labels, relabelling, then
 * address, interval and timeout out of the result.
 */
#include "ingest/scrape/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"

static const char META[] = "__meta_";

static struct str get(const struct labelset *s, const char *name)
{
    return labelset_get(s, str_cstr(name));
}

static void set_missing(struct labelset *s, const char *name, struct str value)
{
    if (get(s, name).n == 0) {
        labelset_set(s, str_cstr(name), value);
    }
}

/* The labels relabelling starts from. */
static void start_labels(const struct job_conf *job, const struct sd_group *g, size_t i,
                         struct labelset *s)
{
    labelset_from(s, s->a, g->targets[i]);
    for (size_t k = 0; k < g->labels.n; k++) {
        if (labelset_get(s, g->labels.v[k].name).n == 0) { /* the target's own label wins */
            labelset_set(s, g->labels.v[k].name, g->labels.v[k].value);
        }
    }
    set_missing(s, "job", job->name);
    set_missing(s, "__scrape_interval__", duration_text(s->a, job->interval_ms));
    set_missing(s, "__scrape_timeout__", duration_text(s->a, job->timeout_ms));
    set_missing(s, "__metrics_path__", job->metrics_path);
    set_missing(s, "__scheme__", job->scheme);
    for (size_t k = 0; k < job->params_n; k++) {
        const struct param_conf *p = &job->params[k];

        if (p->n != 0) {
            labelset_set(s, arena_printf(s->a, "__param_%.*s", STR_ARG(p->name)), p->values[0]);
        }
    }
}

static int check_times(const struct labelset *s, int64_t *interval_ms, int64_t *timeout_ms,
                       struct err *reterr)
{
    struct str interval = get(s, "__scrape_interval__");
    struct str timeout = get(s, "__scrape_timeout__");

    if (!str_to_duration_ms(interval, interval_ms)) {
        return err_set(reterr, ERR_INVALID,
                       "error parsing scrape interval: not a valid duration string: \"%.*s\"",
                       STR_ARG(interval));
    }
    if (*interval_ms == 0) {
        return err_set(reterr, ERR_INVALID, "scrape interval cannot be 0");
    }
    if (!str_to_duration_ms(timeout, timeout_ms)) {
        return err_set(reterr, ERR_INVALID,
                       "error parsing scrape timeout: not a valid duration string: \"%.*s\"",
                       STR_ARG(timeout));
    }
    if (*timeout_ms == 0) {
        return err_set(reterr, ERR_INVALID, "scrape timeout cannot be 0");
    }
    if (*timeout_ms > *interval_ms) {
        return err_set(
            reterr, ERR_INVALID,
            "scrape timeout cannot be greater than scrape interval (\"%.*s\" > \"%.*s\")",
            STR_ARG(timeout), STR_ARG(interval));
    }
    return 0;
}

/* ---- address ---- */

/* As Go's url.QueryEscape. */
#define QUERY_PLAIN URL_UNRESERVED " "
#define PATH_PLAIN  URL_UNRESERVED "/$&+,:;=@!'()*"

static void add_param(struct buf *b, struct str name, struct str value, bool *first)
{
    buf_add_byte(b, *first ? '?' : '&');
    *first = false;
    buf_add_percent(b, name, QUERY_PLAIN);
    buf_add_byte(b, '=');
    buf_add_percent(b, value, QUERY_PLAIN);
}

static const struct param_conf *param_find(const struct job_conf *job, struct str name)
{
    for (size_t i = 0; i < job->params_n; i++) {
        if (str_eq(job->params[i].name, name)) {
            return &job->params[i];
        }
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Parameters sorted by name; a __param_ label takes the place of the first value. */
static void add_params(const struct job_conf *job, const struct labelset *s, struct buf *b)
{
    static const char PARAM[] = "__param_";
    struct label *v = arena_array(s->a, struct label, s->n + job->params_n + 1);
    bool first = true;
    size_t n = 0;

    if (v == NULL) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (str_starts(s->v[i].name, STR(PARAM))) {
            v[n++] = (struct label){str_drop(s->v[i].name, sizeof(PARAM) - 1), s->v[i].value};
        }
    }
    for (size_t i = 0; i < job->params_n; i++) {
        bool have = job->params[i].n == 0;

        for (size_t k = 0; k < n; k++) {
            have |= str_eq(v[k].name, job->params[i].name);
        }
        if (!have) { /* the label was taken away: the configured values stand */
            v[n++] = (struct label){job->params[i].name, job->params[i].values[0]};
        }
    }
    qsort(v, n, sizeof(*v), by_name);
    for (size_t i = 0; i < n; i++) {
        const struct param_conf *p = param_find(job, v[i].name);

        add_param(b, v[i].name, v[i].value, &first);
        for (size_t k = 1; p != NULL && k < p->n; k++) {
            add_param(b, v[i].name, p->values[k], &first);
        }
    }
}

static bool is_local(struct str host)
{
    return str_eq(host, STR("localhost")) || str_eq(host, STR("127.0.0.1")) ||
           str_eq(host, STR("[::1]"));
}

static int make_urls(struct target *t, const struct labelset *s, struct err *reterr)
{
    struct str address = get(s, "__address__");
    struct str scheme = get(s, "__scheme__");
    struct str path = get(s, "__metrics_path__");
    struct str host = address;
    char name[256] = "";
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 1 << 16);
    if (!str_eq(scheme, STR("http")) && !str_eq(scheme, STR("https"))) {
        return err_set(reterr, ERR_INVALID, "invalid scheme \"%.*s\"", STR_ARG(scheme));
    }
    if (path.n == 0 || path.p[0] != '/') {
        buf_add_byte(&b, '/');
    }
    buf_add_percent(&b, path, PATH_PLAIN);
    add_params(t->job, s, &b);
    if (buf_status(&b) < 0) {
        return err_set(reterr, ERR_INVALID, "the target's URL is too long");
    }
    t->url = arena_printf(&t->a, "%.*s://%.*s%.*s", STR_ARG(scheme), STR_ARG(address),
                          STR_ARG(buf_str(&b)));
    for (size_t i = address.n; i > 0 && address.p[i - 1] != ']'; i--) {
        if (address.p[i - 1] == ':') {
            host = str_take(address, i - 1);
            break;
        }
    }
    if (is_local(host) && gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0') {
        t->global_url = arena_printf(&t->a, "%.*s://%s%.*s%.*s", STR_ARG(scheme), name,
                                     STR_ARG(str_drop(address, host.n)), STR_ARG(buf_str(&b)));
    } else {
        t->global_url = t->url;
    }
    return t->url.p != NULL && t->global_url.p != NULL
               ? 0
               : err_set(reterr, ERR_NOMEM, "no memory for a target");
}

/* ---- making ---- */

static int check_address(const struct labelset *s, struct err *reterr)
{
    struct str address = get(s, "__address__");

    if (address.n == 0) {
        return err_set(reterr, ERR_INVALID, "no address");
    }
    if (str_find_byte(address, '/') >= 0) {
        return err_set(reterr, ERR_INVALID, "\"%.*s\" is not a valid hostname", STR_ARG(address));
    }
    for (size_t i = 0; i < address.n; i++) {
        if ((unsigned char)address.p[i] <= ' ' || strchr("?#@\\", address.p[i]) != NULL) {
            return err_set(reterr, ERR_INVALID, "\"%.*s\" is not a valid hostname",
                           STR_ARG(address));
        }
    }
    return 0;
}

/* Labels of samples: everything that does not start with "__", the instance among them. */
static int final_labels(struct target *t, struct labelset *s, struct err *reterr)
{
    struct labelset out;

    set_missing(s, "instance", get(s, "__address__"));
    labelset_from(&out, s->a, (struct labels){NULL, 0});
    for (size_t i = 0; i < s->n; i++) {
        if (str_starts(s->v[i].name, STR("__"))) {
            continue;
        }
        if (!str_is_utf8(s->v[i].value)) {
            return err_set(reterr, ERR_INVALID, "invalid label value for \"%.*s\"",
                           STR_ARG(s->v[i].name));
        }
        labelset_set(&out, s->v[i].name, s->v[i].value);
    }
    return out.failed || s->failed || labels_dup(labelset_sort(&out), &t->a, &t->labels) < 0
               ? err_set(reterr, ERR_NOMEM, "no memory for a target")
               : 0;
}

static int fill(struct target *t, struct labelset *s, struct err *reterr)
{
    int rc = check_address(s, reterr);

    rc = rc < 0 ? rc : check_times(s, &t->interval_ms, &t->timeout_ms, reterr);
    rc = rc < 0 ? rc : make_urls(t, s, reterr);
    rc = rc < 0 ? rc : final_labels(t, s, reterr);
    if (rc < 0) {
        return rc;
    }
    t->key = hash64_seed(t->job->name.p, t->job->name.n, 1);
    t->key = hash64_seed(t->url.p, t->url.n, t->key);
    for (size_t i = 0; i < t->labels.n; i++) {
        t->key = hash64_seed(t->labels.v[i].name.p, t->labels.v[i].name.n, t->key);
        t->key = hash64_seed(t->labels.v[i].value.p, t->labels.v[i].value.n, t->key);
    }
    t->key = hash_u64(t->key ^ (uint64_t)t->interval_ms ^ ((uint64_t)t->timeout_ms << 32));
    return 0;
}

static struct target *target_new(const struct job_conf *job)
{
    struct target *t = mem_try_calloc(1, sizeof(*t));

    if (t != NULL) {
        atomic_init(&t->refs, 1);
        t->job = job;
        t->conf = config_ref(job->owner);
        arena_init(&t->a, 1 << 20);
        arena_init(&t->discovered_a, 1 << 20);
        mutex_init(&t->lock, LOCK_RANK_LEAF);
    }
    return t;
}

struct target *target_ref(struct target *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void target_unref(struct target *t)
{
    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    vec_done(&t->families);
    headers_done(&t->headers);
    series_cache_done(&t->cache);
    series_cache_done(&t->untimed);
    mem_free(t->last_error);
    mutex_done(&t->lock);
    arena_done(&t->a);
    arena_done(&t->discovered_a);
    config_unref(t->conf);
    mem_free(t);
}

void target_set_discovered(struct target *t, struct labels ls)
{
    if (labels_eq(t->discovered, ls)) {
        return;
    }
    arena_done(&t->discovered_a);
    arena_init(&t->discovered_a, 1 << 20);
    if (labels_dup(ls, &t->discovered_a, &t->discovered) < 0) {
        t->discovered = (struct labels){NULL, 0};
    }
}

enum target_made target_make(const struct job_conf *job, const struct sd_group *g, size_t i,
                             struct arena *scratch, struct target **ret,
                             struct labels *ret_discovered, size_t *ret_rule, struct err *reterr)
{
    struct labelset s = {.a = scratch};
    struct labels before;
    struct target *t;
    bool kept;

    start_labels(job, g, i, &s);
    if (s.failed || labels_dup(labelset_sort(&s), scratch, &before) < 0) {
        err_set(reterr, ERR_NOMEM, "no memory for a target");
        return TARGET_BAD;
    }
    *ret_discovered = before;
    kept = relabel_apply(&job->relabel, &s, ret_rule);
    if (!kept && !s.failed) {
        return TARGET_DROPPED;
    }
    for (size_t k = 0; k < s.n;) { /* discovery's labels end here */
        if (str_starts(s.v[k].name, STR(META))) {
            s.v[k] = s.v[--s.n];
        } else {
            k++;
        }
    }
    t = s.failed ? NULL : target_new(job);
    if (t == NULL) {
        err_set(reterr, ERR_NOMEM, "no memory for a target");
        return TARGET_BAD;
    }
    if (fill(t, &s, reterr) < 0) {
        target_unref(t);
        return TARGET_BAD;
    }
    target_set_discovered(t, before);
    *ret = t;
    return TARGET_OK;
}
