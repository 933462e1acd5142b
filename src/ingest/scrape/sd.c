/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of a provider, sets, and the two spellings of target groups. Invariant: a set is complete before it
 * is posted.
 */
#include "ingest/scrape/sd.h"

#include "base/alloc.h"
#include "base/log.h"
#include "codec/json_read.h"
#include "ingest/scrape/config_internal.h"

enum { JSON_DEPTH = 16, JSON_SCRATCH = 1 << 20 };

/* ---- sets ---- */

struct sd_set *sd_set_new(void)
{
    struct sd_set *s = mem_try_calloc(1, sizeof(*s));

    if (s != NULL) {
        atomic_init(&s->refs, 1);
        arena_init(&s->a, SD_SET_BYTES);
    }
    return s;
}

struct sd_set *sd_set_ref(struct sd_set *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void sd_set_unref(struct sd_set *s)
{
    if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        vec_done(&s->groups);
        arena_done(&s->a);
        mem_free(s);
    }
}

/* ---- providers ---- */

static struct sd_set *static_set(const struct sd_conf *c)
{
    struct sd_set *s = sd_set_new();

    for (size_t i = 0; s != NULL && i < c->groups_n; i++) {
        if (!vec_push(&s->groups, c->groups[i])) { /* strings live as long as the configuration */
            sd_set_unref(s);
            return NULL;
        }
    }
    return s;
}

struct sd *sd_start(const struct job_conf *job, const struct sd_conf *conf,
                    const struct sd_env *env)
{
    static void (*const RUN[SD_KIND_COUNT])(void *) = {[SD_FILE] = sd_file_run,
                                                       [SD_HTTP] = sd_http_run,
                                                       [SD_DNS] = sd_dns_run,
                                                       [SD_KUBERNETES] = sd_k8s_run};
    static const char *const NAMES[SD_KIND_COUNT] = {[SD_FILE] = "sd-file",
                                                     [SD_HTTP] = "sd-http",
                                                     [SD_DNS] = "sd-dns",
                                                     [SD_KUBERNETES] = "sd-k8s"};
    struct sd *sd = mem_xcalloc(1, sizeof(*sd));

    sd->env = *env;
    sd->conf = conf;
    sd->job = job->name;
    sd->owner = config_ref(job->owner);
    mutex_init(&sd->lock, LOCK_RANK_LEAF);
    cond_init(&sd->wake);
    if (conf->kind == SD_STATIC) {
        struct sd_set *s = static_set(conf);

        if (s != NULL) {
            sd_post(sd, s);
        }
    } else if (thread_start(&sd->thread, NAMES[conf->kind], RUN[conf->kind], sd) < 0) {
        sd_stop(sd);
        return NULL;
    }
    return sd;
}

void sd_stop(struct sd *sd)
{
    if (sd == NULL) {
        return;
    }
    mutex_lock(&sd->lock);
    atomic_store_explicit(&sd->stop, true, memory_order_relaxed);
    cond_broadcast(&sd->wake);
    mutex_unlock(&sd->lock);
    thread_join(&sd->thread);
    cond_done(&sd->wake);
    mutex_done(&sd->lock);
    config_unref(sd->owner);
    mem_free(sd);
}

bool sd_stopping(const struct sd *sd)
{
    return atomic_load_explicit(&sd->stop, memory_order_relaxed);
}

bool sd_sleep(struct sd *sd, int64_t ms)
{
    struct mono end = mono_add_ms(clock_mono(), ms);

    mutex_lock(&sd->lock);
    while (!sd_stopping(sd)) {
        int64_t left = (end.ns - clock_mono().ns) / 1000000;

        if (left <= 0 || !cond_wait_ms(&sd->wake, &sd->lock, left)) {
            break;
        }
    }
    mutex_unlock(&sd->lock);
    return !sd_stopping(sd);
}

void sd_post(struct sd *sd, struct sd_set *set)
{
    sd->env.post(sd->env.arg, set);
}

void sd_failed(struct sd *sd, const struct err *e)
{
    if (sd_stopping(sd)) {
        return;
    }
    if (sd->env.failures != NULL) {
        counter_add(sd->env.failures, 1);
    }
    log_warn("scrape", "discovery failed, its targets stay as they were", L_STR("job", sd->job),
             L_CSTR("error", e->msg));
}

/* ---- groups ---- */

static int add_origin(struct sd_set *set, struct sd_group *g, struct str origin, const char *label,
                      size_t i, struct err *reterr)
{
    struct label *v = arena_array(&set->a, struct label, g->labels.n + 1);

    g->source = arena_printf(&set->a, "%.*s:%zu", STR_ARG(origin), i);
    if (v == NULL || g->source.p == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    if (g->labels.n != 0) {
        memcpy(v, g->labels.v, g->labels.n * sizeof(*v));
    }
    v[g->labels.n] = (struct label){str_cstr(label), arena_str_dup(&set->a, origin)};
    g->labels = (struct labels){v, g->labels.n + 1};
    return vec_push(&set->groups, *g) ? 0 : err_set(reterr, ERR_NOMEM, "out of memory");
}

int sd_read_yaml(struct sd_set *set, struct str yaml, struct str origin, const char *origin_label,
                 struct err *reterr)
{
    struct str name = arena_printf(&set->a, "%.*s", STR_ARG(origin));
    struct config_reader r = {.a = &set->a, .file = name.p};
    const struct yaml_node *root = NULL;
    int rc = name.p != NULL ? yaml_tree_parse(name.p, yaml, &set->a, &root, reterr)
                            : err_set(reterr, ERR_NOMEM, "out of memory");

    if (rc < 0 || root == NULL || yaml_is_null(root)) {
        return rc;
    }
    if (root->kind != YAML_SEQ) {
        return config_fail(&r, root, reterr, "a list of target groups is needed");
    }
    for (size_t i = 0; i < root->n; i++) {
        struct sd_group g = {0};

        if (yaml_is_null(root->seq[i])) {
            return config_fail(&r, root->seq[i], reterr, "nil target group item found (index %zu)",
                               i);
        }
        rc = config_group(&r, root->seq[i], &g, reterr);
        rc = rc < 0 ? rc : add_origin(set, &g, origin, origin_label, i, reterr);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- JSON ---- */

struct json_groups {
    struct json_reader r;
    struct sd_set *set;
    VEC(struct labels) targets; /* of the group being read */
    VEC(struct label) labels;
};

static int json_text(struct json_groups *j, struct str *ret, struct err *reterr)
{
    struct str s;
    int rc = json_peek(&j->r, reterr);

    if (rc >= 0 && rc != JSON_STRING) {
        return err_set(reterr, ERR_INVALID, "a text is needed");
    }
    rc = rc < 0 ? rc : json_read_str(&j->r, &s, reterr);
    if (rc < 0) {
        return rc;
    }
    *ret = arena_str_dup(&j->set->a, s);
    return s.n != 0 && ret->p == NULL ? err_set(reterr, ERR_NOMEM, "out of memory") : 0;
}

static int json_targets(struct json_groups *j, struct err *reterr)
{
    int rc = json_peek(&j->r, reterr);

    if (rc == JSON_NULL) {
        return json_skip(&j->r, reterr);
    }
    if (rc >= 0 && rc != JSON_ARRAY) {
        return err_set(reterr, ERR_INVALID, "targets: a list is needed");
    }
    rc = rc < 0 ? rc : json_enter(&j->r, reterr);
    while (rc == 0 && (rc = json_next_element(&j->r, reterr)) > 0) {
        struct label *l = arena_new(&j->set->a, struct label);

        if (l == NULL || !vec_push(&j->targets, (struct labels){l, 1})) {
            return err_set(reterr, ERR_NOMEM, "out of memory");
        }
        l->name = STR("__address__");
        l->value = str_of("", 0);
        rc = json_text(j, &l->value, reterr);
    }
    return rc;
}

static int json_labels(struct json_groups *j, struct err *reterr)
{
    struct str key;
    int rc = json_peek(&j->r, reterr);

    if (rc == JSON_NULL) {
        return json_skip(&j->r, reterr);
    }
    if (rc >= 0 && rc != JSON_OBJECT) {
        return err_set(reterr, ERR_INVALID, "labels: an object is needed");
    }
    rc = rc < 0 ? rc : json_enter(&j->r, reterr);
    while (rc == 0 && (rc = json_next_member(&j->r, &key, reterr)) > 0) {
        struct label l = {arena_str_dup(&j->set->a, key), str_of("", 0)};

        if (!scheme_label_ok(NAMES_UTF8, key)) {
            return err_set(reterr, ERR_INVALID, "\"%.*s\" is not a valid label name", STR_ARG(key));
        }
        rc = json_text(j, &l.value, reterr);
        if (rc == 0 && (l.name.p == NULL || !vec_push(&j->labels, l))) {
            return err_set(reterr, ERR_NOMEM, "out of memory");
        }
    }
    return rc;
}

static int json_group(struct json_groups *j, struct sd_group *ret, struct err *reterr)
{
    struct labels *targets;
    struct label *labels;
    struct str key;
    int rc = json_peek(&j->r, reterr);

    if (rc >= 0 && rc != JSON_OBJECT) {
        return err_set(reterr, ERR_INVALID, "a target group must be an object");
    }
    vec_clear(&j->targets);
    vec_clear(&j->labels);
    rc = rc < 0 ? rc : json_enter(&j->r, reterr);
    while (rc == 0 && (rc = json_next_member(&j->r, &key, reterr)) > 0) {
        if (str_eq(key, STR("targets"))) {
            rc = json_targets(j, reterr);
        } else if (str_eq(key, STR("labels"))) {
            rc = json_labels(j, reterr);
        } else {
            rc = err_set(reterr, ERR_INVALID, "unknown field \"%.*s\"", STR_ARG(key));
        }
    }
    if (rc < 0) {
        return rc;
    }
    targets = arena_array(&j->set->a, struct labels, j->targets.n + 1);
    labels = arena_array(&j->set->a, struct label, j->labels.n + 1);
    if (targets == NULL || labels == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    if (j->targets.n != 0) {
        memcpy(targets, j->targets.v, j->targets.n * sizeof(*targets));
    }
    if (j->labels.n != 0) {
        memcpy(labels, j->labels.v, j->labels.n * sizeof(*labels));
    }
    *ret =
        (struct sd_group){.targets = targets, .n = j->targets.n, .labels = {labels, j->labels.n}};
    return 0;
}

int sd_read_json(struct sd_set *set, struct str json, struct str origin, const char *origin_label,
                 struct err *reterr)
{
    struct buf scratch CLEANUP(buf_done);
    struct json_groups j = {.set = set};
    int rc;

    buf_init(&scratch, JSON_SCRATCH);
    json_read_init(&j.r, json, JSON_DEPTH, &scratch);
    rc = json_peek(&j.r, reterr);
    if (rc >= 0 && rc != JSON_ARRAY) {
        rc = err_set(reterr, ERR_INVALID, "a list of target groups is needed");
    }
    rc = rc < 0 ? rc : json_enter(&j.r, reterr);
    for (size_t i = 0; rc == 0 && (rc = json_next_element(&j.r, reterr)) > 0; i++) {
        struct sd_group g = {0};

        rc = json_group(&j, &g, reterr);
        rc = rc < 0 ? rc : add_origin(set, &g, origin, origin_label, i, reterr);
    }
    rc = rc < 0 ? rc : json_read_end(&j.r, reterr);
    vec_done(&j.targets);
    vec_done(&j.labels);
    return rc < 0 ? err_prefix(reterr, "%.120s", origin.p) : 0;
}
