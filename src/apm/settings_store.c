/* SPDX-License-Identifier: Apache-2.0
 *
 * One change at a time, under the lock; the metadata's own lock ranks above it.
 */
#include "apm/settings_store.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/lock.h"
#include "codec/json_write.h"

#define DOC "apm"

struct settings_store {
    struct meta *meta;
    struct naming *naming;
    struct live *live;
    struct mutex lock;
    struct apm_settings *current; /* guarded by: lock */
};

static int apply(struct settings_store *s, const struct apm_settings *v, struct err *reterr)
{
    int rc = naming_set(s->naming, v, reterr);

    return rc < 0 ? rc : live_set_settings(s->live, v, reterr);
}

static int load(struct settings_store *s, struct err *reterr)
{
    struct arena a CLEANUP(arena_done);
    struct str text = {0};
    int rc;

    arena_init(&a, 4 * (size_t)APM_DOC_MAX);
    rc = meta_doc_get(s->meta, STR(DOC), &a, &text, reterr);
    if (rc == -ERR_NOT_FOUND) {
        s->current = apm_settings_default();
        return s->current != NULL ? 0 : err_set(reterr, ERR_NOMEM, "out of memory");
    }
    rc = rc < 0 ? rc : apm_settings_parse(text, &s->current, reterr);
    if (rc < 0) {
        return err_prefix(reterr, "settings of application monitoring"), rc;
    }
    return apply(s, s->current, reterr);
}

int settings_store_open(struct meta *meta, struct naming *naming, struct live *live,
                        struct settings_store **ret, struct err *reterr)
{
    struct settings_store *s = mem_xcalloc(1, sizeof(*s));
    int rc;

    s->meta = meta;
    s->naming = naming;
    s->live = live;
    mutex_init(&s->lock, LOCK_RANK_AUTH);
    rc = load(s, reterr);
    if (rc < 0) {
        settings_store_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void settings_store_close(struct settings_store *s)
{
    if (s != NULL) {
        apm_settings_free(s->current);
        mutex_done(&s->lock);
        mem_free(s);
    }
}

int settings_store_get(struct settings_store *s, struct apm_settings **ret, struct err *reterr)
{
    int rc;

    mutex_lock(&s->lock);
    rc = apm_settings_copy(s->current, ret, reterr);
    mutex_unlock(&s->lock);
    return rc;
}

/* The lock is held; `v` is kept or freed. */
static int install_locked(struct settings_store *s, struct apm_settings *v, int64_t now_ms,
                          struct err *reterr)
{
    struct buf text CLEANUP(buf_done);
    struct json_writer w;
    int rc;

    buf_init(&text, APM_DOC_MAX);
    if (v == NULL) {
        return err_set(reterr, ERR_INVALID, "no settings");
    }
    v->revision = s->current->revision + 1;
    json_init(&w, &text);
    apm_settings_write(v, &w);
    rc = buf_status(&text);
    if (rc < 0) {
        err_set(reterr, rc == -ERR_NOMEM ? ERR_NOMEM : ERR_TOO_LARGE,
                rc == -ERR_NOMEM ? "out of memory" : "the settings are larger than 1 MiB");
    }
    rc = rc < 0 ? rc : meta_doc_put(s->meta, STR(DOC), buf_str(&text), now_ms, reterr);
    rc = rc < 0 ? rc : apply(s, v, reterr);
    if (rc < 0) {
        apm_settings_free(v);
        return rc;
    }
    apm_settings_free(s->current);
    s->current = v;
    return 0;
}

int settings_store_put(struct settings_store *s, struct str json, int64_t now_ms,
                       struct err *reterr)
{
    struct apm_settings *v = NULL;
    int rc = apm_settings_parse(json, &v, reterr);

    if (rc < 0) {
        return rc;
    }
    mutex_lock(&s->lock);
    if (v->revision != s->current->revision) {
        rc = err_set(reterr, ERR_EXISTS,
                     "the settings were changed meanwhile: revision %lld is in force, not %lld",
                     (long long)s->current->revision, (long long)v->revision);
        apm_settings_free(v);
    } else {
        rc = install_locked(s, v, now_ms, reterr);
    }
    mutex_unlock(&s->lock);
    return rc;
}

/* Texts in `g` are borrowed: the copy made of `v` by writing it has its own. */
static int with_group_locked(struct settings_store *s, struct str group,
                             const struct apm_group_settings *g, struct apm_settings **ret,
                             struct err *reterr)
{
    struct apm_settings view = *s->current;
    struct apm_group_settings *groups = mem_try_calloc(view.groups_n + 1, sizeof(*groups));
    size_t n = 0;
    bool found = false;
    int rc;

    if (groups == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    if (g != NULL) {
        groups[n++] = *g; /* before patterns that match it as well */
    }
    for (size_t i = 0; i < view.groups_n; i++) {
        if (str_eq(view.groups[i].group, group)) {
            found = true;
        } else {
            groups[n++] = view.groups[i];
        }
    }
    view.groups = groups;
    view.groups_n = n;
    rc = g == NULL && !found ? err_set(reterr, ERR_NOT_FOUND, "nothing is set for the group")
                             : apm_settings_copy(&view, ret, reterr);
    mem_free(groups);
    return rc;
}

static int change_group(struct settings_store *s, struct str group,
                        const struct apm_group_settings *g, int64_t now_ms, struct err *reterr)
{
    struct apm_settings *v = NULL;
    int rc;

    mutex_lock(&s->lock);
    rc = with_group_locked(s, group, g, &v, reterr);
    rc = rc < 0 ? rc : install_locked(s, v, now_ms, reterr);
    mutex_unlock(&s->lock);
    return rc;
}

int settings_store_put_group(struct settings_store *s, const struct apm_group_settings *g,
                             int64_t now_ms, struct err *reterr)
{
    return change_group(s, g->group, g, now_ms, reterr);
}

int settings_store_delete_group(struct settings_store *s, struct str group, int64_t now_ms,
                                struct err *reterr)
{
    return change_group(s, group, NULL, now_ms, reterr);
}
