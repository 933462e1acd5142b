/* SPDX-License-Identifier: Apache-2.0
 *
 * The file's sections and its jobs. Invariant: a configuration that was handed out is complete: defaults of
 * the global section are in every job, expressions are compiled, names are unique.
 */
#include "ingest/scrape/config.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "ingest/scrape/config_internal.h"
#include "io/vfs.h"

enum { ARENA_BYTES = 512 << 20, FILE_BYTES = 64 << 20, JOBS_MAX = 100000 };

/* ---- life ---- */

struct config *config_ref(const struct config *c)
{
    struct config *m = (struct config *)(uintptr_t)c;

    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void config_unref(struct config *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (size_t i = 0; i < c->regexes.n; i++) {
        regex_free(c->regexes.v[i]);
    }
    for (size_t i = 0; i < c->files.n; i++) {
        close(c->files.v[i]);
    }
    vec_done(&c->regexes);
    vec_done(&c->files);
    vec_done(&c->notices);
    arena_done(&c->a);
    mem_free(c);
}

static struct config *config_new(void)
{
    struct config *c = mem_xcalloc(1, sizeof(*c));

    atomic_init(&c->refs, 1);
    arena_init(&c->a, ARENA_BYTES);
    return c;
}

/* ---- sections ---- */

static int read_jobs(struct config_reader *r, const struct yaml_node *n, struct err *reterr)
{
    struct job_conf **v;

    if (yaml_is_null(n)) {
        return 0;
    }
    if (n->kind != YAML_SEQ) {
        return config_fail(r, n, reterr, "scrape_configs: a list is needed");
    }
    if (r->c->jobs_n + n->n > JOBS_MAX) {
        return config_fail(r, n, reterr, "more than %d jobs", JOBS_MAX);
    }
    v = arena_calloc(r->a, r->c->jobs_n + n->n + 1, sizeof(struct job_conf *));
    if (v == NULL) {
        return config_nomem(r, reterr);
    }
    if (r->c->jobs_n != 0) {
        memcpy(v, r->c->jobs, r->c->jobs_n * sizeof(struct job_conf *));
    }
    r->c->jobs = v;
    for (size_t i = 0; i < n->n; i++) {
        int rc = config_job(r, n->seq[i], reterr);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- files ---- */

static int read_file(const char *path, struct arena *a, struct str *ret, struct err *reterr)
{
    char *text = NULL;
    size_t n = 0;
    int rc = vfs_read_file(vfs_real(), path, FILE_BYTES, &text, &n, reterr);

    if (rc < 0) {
        return rc;
    }
    *ret = arena_str_dup(a, str_of(text, n));
    mem_free(text);
    return n != 0 && ret->p == NULL ? err_set(reterr, ERR_NOMEM, "%s: out of memory", path) : 0;
}

static struct str folder_of(struct str path)
{
    for (size_t i = path.n; i > 0; i--) {
        if (path.p[i - 1] == '/') {
            return str_take(path, i > 1 ? i - 1 : 1);
        }
    }
    return str_of("", 0);
}

static int one_scrape_file(struct config_reader *r, const char *path, struct err *reterr)
{
    struct config_reader sub = *r;
    struct str name = arena_printf(r->a, "%s", path);
    const struct yaml_node *root = NULL;
    struct str text;
    int rc;

    if (name.p == NULL) {
        return config_nomem(r, reterr);
    }
    sub.file = name.p;
    sub.dir = folder_of(name);
    rc = read_file(path, r->a, &text, reterr);
    rc = rc < 0 ? rc : yaml_tree_parse(name.p, text, r->a, &root, reterr);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; root->kind == YAML_MAP && i < root->n; i++) {
        if (!str_eq(root->map[i].key, STR("scrape_configs"))) {
            return err_set(reterr, ERR_INVALID,
                           "%s:%u: field %.*s not found in type config.ScrapeConfigs", path,
                           root->map[i].line, STR_ARG(root->map[i].key));
        }
    }
    return read_jobs(&sub, yaml_get(root, STR("scrape_configs")), reterr);
}

static int read_scrape_files(struct config_reader *r, const struct yaml_node *n, struct err *reterr)
{
    struct str *globs = NULL;
    size_t globs_n = 0;
    int rc = yaml_is_null(n) ? 0 : config_strs(r, n, true, &globs, &globs_n, reterr);

    for (size_t i = 0; rc == 0 && i < globs_n; i++) {
        glob_t g = {0};

        if (glob(globs[i].p, 0, NULL, &g) == 0) {
            for (size_t k = 0; rc == 0 && k < g.gl_pathc; k++) {
                rc = one_scrape_file(r, g.gl_pathv[k], reterr);
            }
        }
        globfree(&g);
    }
    return rc;
}

/* ---- the whole ---- */

static const struct config_field GLOBAL_FIELDS[] = {
    {"evaluation_interval", FIELD_IGNORE, 0, 0, NULL},
    {"rule_query_offset", FIELD_IGNORE, 0, 0, NULL},
    {"query_log_file", FIELD_IGNORE, 0, 0, NULL},
    {"query_max_series", FIELD_IGNORE, 0, 0, NULL},
    {"query_max_samples_read", FIELD_IGNORE, 0, 0, NULL},
    {"query_max_duration", FIELD_IGNORE, 0, 0, NULL},
    {"external_labels", FIELD_IGNORE, 0, 0, NULL},
};

static int read_global(struct config_reader *r, const struct yaml_node *n, struct job_conf *g,
                       struct err *reterr)
{
    const struct field_set sets[] = {{SHARED_FIELDS, SHARED_FIELDS_N, g},
                                     {GLOBAL_FIELDS, ARRAY_LEN(GLOBAL_FIELDS), g}};
    int rc;

    if (yaml_is_null(n)) {
        return 0;
    }
    rc = config_fields(r, n, "config.GlobalConfig", sets, ARRAY_LEN(sets), reterr);
    if (rc < 0) {
        return rc;
    }
    g->hash = config_hash(n, 1);
    return config_global_finish(r, n, g, reterr);
}

static int note(struct config_reader *r, const struct yaml_pair *p, struct err *reterr)
{
    struct str s =
        arena_printf(r->a, "%s:%u: section %.*s is not used", r->file, p->line, STR_ARG(p->key));

    return s.p != NULL && vec_push(&r->c->notices, s) ? 0 : config_nomem(r, reterr);
}

static int read_sections(struct config_reader *r, const struct yaml_node *root, struct err *reterr)
{
    static const char *const USED[] = {"global", "scrape_configs", "scrape_config_files"};
    static const char *const KNOWN[] = {"alerting", "rule_files", "remote_write", "remote_read",
                                        "storage",  "tracing",    "otlp",         "runtime"};

    if (!yaml_is_null(root) && root->kind != YAML_MAP) {
        return config_fail(r, root, reterr, "a Prometheus configuration is a mapping");
    }
    for (size_t i = 0; root->kind == YAML_MAP && i < root->n; i++) {
        const struct yaml_pair *p = &root->map[i];
        bool found = false;

        for (size_t k = 0; k < ARRAY_LEN(USED); k++) {
            found |= str_eq(p->key, str_cstr(USED[k]));
        }
        for (size_t k = 0; k < ARRAY_LEN(KNOWN); k++) {
            if (str_eq(p->key, str_cstr(KNOWN[k]))) {
                int rc = note(r, p, reterr);

                if (rc < 0) {
                    return rc;
                }
                found = true;
            }
        }
        if (!found) {
            return err_set(reterr, ERR_INVALID, "%s:%u: field %.*s not found in type config.plain",
                           r->file, p->line, STR_ARG(p->key));
        }
    }
    return 0;
}

static int read_all(struct config_reader *r, struct str text, struct err *reterr)
{
    struct job_conf global = job_conf_default();
    const struct yaml_node *root = NULL;
    int rc = yaml_tree_parse(r->file, text, r->a, &root, reterr);

    rc = rc < 0 ? rc : read_sections(r, root, reterr);
    rc = rc < 0 ? rc : read_global(r, yaml_get(root, STR("global")), &global, reterr);
    r->global = &global;
    rc = rc < 0 ? rc : read_jobs(r, yaml_get(root, STR("scrape_configs")), reterr);
    rc = rc < 0 ? rc : read_scrape_files(r, yaml_get(root, STR("scrape_config_files")), reterr);
    r->global = NULL; /* it ends here */
    return rc;
}

int config_parse(const char *path, struct str text, struct config **ret, struct err *reterr)
{
    struct config *c = config_new();
    struct config_reader r = {.c = c, .a = &c->a};
    struct str name = arena_printf(&c->a, "%s", path);
    int rc;

    if (name.p == NULL) {
        config_unref(c);
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    r.file = name.p;
    r.dir = folder_of(name);
    rc = read_all(&r, text, reterr);
    if (rc < 0) {
        config_unref(c);
        return rc;
    }
    *ret = c;
    return 0;
}

int config_load(const char *path, struct config **ret, struct err *reterr)
{
    struct arena a CLEANUP(arena_done);
    struct str text;
    int rc;

    arena_init(&a, ARENA_BYTES);
    rc = read_file(path, &a, &text, reterr);
    return rc < 0 ? rc : config_parse(path, text, ret, reterr);
}
