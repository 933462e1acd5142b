/* SPDX-License-Identifier: Apache-2.0
 *
 * A copy of the rules behind a read-write lock; without rules of a kind its lock is not taken.
 */
#include "apm/naming.h"

#include <stdatomic.h>
#include <stdio.h>

#include "apm/url_segments.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/lock.h"
#include "ingest/process/glob.h"

struct naming {
    struct rwlock lock;
    struct apm_settings *rules; /* guarded by: lock */
    _Atomic bool group_rules;   /* are there any? relaxed: a hint */
    _Atomic bool url_rules;     /* the same */
};

struct naming *naming_new(void)
{
    struct naming *n = mem_try_calloc(1, sizeof(*n));

    if (n != NULL) {
        rwlock_init(&n->lock, LOCK_RANK_LEAF);
    }
    return n;
}

void naming_free(struct naming *n)
{
    if (n != NULL) {
        apm_settings_free(n->rules);
        rwlock_done(&n->lock);
        mem_free(n);
    }
}

int naming_set(struct naming *n, const struct apm_settings *s, struct err *reterr)
{
    struct apm_settings *copy;
    struct apm_settings *old;
    int rc = apm_settings_copy(s, &copy, reterr);

    if (rc < 0) {
        return rc;
    }
    rwlock_write(&n->lock);
    old = n->rules;
    n->rules = copy;
    atomic_store_explicit(&n->group_rules, copy->group_rules_n != 0, memory_order_relaxed);
    atomic_store_explicit(&n->url_rules, copy->url_rules_n != 0, memory_order_relaxed);
    rwlock_unlock(&n->lock);
    apm_settings_free(old);
    return 0;
}

/* Text of an attribute of the span or its resource; numbers and truth values are written into `scratch`. */
static struct str attribute(const struct span *s, struct str key, char scratch[32])
{
    const struct value *v = attrs_get(s->attrs, key);
    int n;

    v = v != NULL ? v : attrs_get(s->resource->attrs, key);
    if (v == NULL) {
        return STR("");
    }
    switch (v->type) {
    case VALUE_STR:
        return v->u.s;
    case VALUE_BOOL:
        return v->u.b ? STR("true") : STR("false");
    case VALUE_I64:
        n = snprintf(scratch, 32, "%lld", (long long)v->u.i);
        return str_of(scratch, (size_t)n);
    default:
        return STR("");
    }
}

static bool rule_matches(const struct apm_group_rule *r, const struct span *s)
{
    for (size_t i = 0; i < r->when_n; i++) {
        char scratch[32];
        struct str v = attribute(s, r->when[i].attribute, scratch);

        if (v.n == 0 || !glob_matches(r->when[i].pattern, v)) {
            return false;
        }
    }
    return true;
}

static size_t add(char *dst, size_t n, struct str s)
{
    size_t take = s.n < ENTRY_GROUP_MAX - n ? s.n : ENTRY_GROUP_MAX - n;

    if (take != 0) {
        memcpy(dst + n, s.p, take);
    }
    return n + take;
}

/* "pay ${k8s.namespace.name}" with the span's values. */
static void set_group(struct entry *e, struct str name)
{
    char text[ENTRY_GROUP_MAX];
    struct str rest = name;
    size_t n = 0;

    while (rest.n != 0) {
        char scratch[32];
        int64_t open = str_find(rest, STR("${"));
        int64_t close = open >= 0 ? str_find_byte(str_drop(rest, (size_t)open), '}') : -1;
        struct str key;

        if (close < 0) {
            n = add(text, n, rest);
            break;
        }
        n = add(text, n, str_take(rest, (size_t)open));
        key = str_take(str_drop(rest, (size_t)open + 2), (size_t)close - 2);
        n = add(text, n, attribute(e->span, key, scratch));
        rest = str_drop(rest, (size_t)(open + close) + 1);
    }
    while (n != 0 && n == ENTRY_GROUP_MAX && !str_is_utf8(str_of(text, n))) {
        n--; /* cut inside a character */
    }
    if (n != 0) {
        memcpy(e->group_text, text, n);
        e->group = str_of(e->group_text, n);
    }
}

/* Does the path follow the pattern? Both segment by segment. */
static bool path_matches(struct str pattern, struct str path)
{
    struct str want;
    struct str have;

    for (;;) {
        bool more = url_segments_next(&pattern, &want);
        bool any = url_segments_next(&path, &have);

        if (more && str_eq(want, STR("**"))) {
            return true;
        }
        if (!more || !any) {
            return more == any;
        }
        if (!str_eq(want, STR("*")) && !str_eq(want, have)) {
            return false;
        }
    }
}

/* The template, its "*" filled from the path; a last "**" has no place in one. */
static void set_path(struct entry *e, struct str template)
{
    char text[ENTRY_OPERATION_MAX];
    struct str path = e->path;
    struct str want;
    struct str have = STR("");
    size_t n = 0;

    while (url_segments_next(&template, &want)) {
        bool any = url_segments_next(&path, &have);
        struct str s = str_eq(want, STR("*")) && any ? have : want;

        if (n + 1 + s.n > sizeof(text)) {
            break;
        }
        text[n++] = '/';
        memcpy(text + n, s.p, s.n);
        n += s.n;
    }
    entry_set_path_operation(e, n != 0 ? str_of(text, n) : STR("/"));
}

/* Only where the path names the operation: a route is the application's own word. */
static void apply_url_rules(struct naming *n, struct entry *e)
{
    rwlock_read(&n->lock);
    for (size_t i = 0; i < n->rules->url_rules_n; i++) {
        const struct apm_url_rule *r = &n->rules->url_rules[i];

        if ((r->group.n == 0 || glob_matches(r->group, e->group)) &&
            path_matches(r->pattern, e->path)) {
            set_path(e, r->template);
            break;
        }
    }
    rwlock_unlock(&n->lock);
}

bool naming_entry(struct naming *n, const struct span *s, struct entry *ret)
{
    if (!entry_of(s, ret)) {
        return false;
    }
    if (n != NULL && atomic_load_explicit(&n->group_rules, memory_order_relaxed)) {
        rwlock_read(&n->lock);
        for (size_t i = 0; i < n->rules->group_rules_n; i++) {
            if (rule_matches(&n->rules->group_rules[i], s)) {
                set_group(ret, n->rules->group_rules[i].name);
                break;
            }
        }
        rwlock_unlock(&n->lock);
    }
    if (n != NULL && ret->named == ENTRY_BY_PATH &&
        atomic_load_explicit(&n->url_rules, memory_order_relaxed)) {
        apply_url_rules(n, ret);
    }
    return true;
}
