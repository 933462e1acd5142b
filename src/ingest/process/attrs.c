/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules on attributes. Resources and scopes are shared by many rows: which rules pass decides what becomes of one,
 * so the last result is kept under that.
 */
#include "base/err.h"
#include "codec/utf8.h"
#include "ingest/process/row.h"

struct attr *attrs_copy(struct arena *a, struct attrs as, size_t more)
{
    struct attr *v = arena_array(a, struct attr, as.n + more + 1);

    if (v != NULL && as.n != 0) {
        memcpy(v, as.v, as.n * sizeof(*v));
    }
    return v;
}

static size_t index_of(const struct attr *v, size_t n, struct str key)
{
    size_t i = 0;

    while (i < n && !str_eq(v[i].key, key)) {
        i++;
    }
    return i;
}

static size_t remove_at(struct attr *v, size_t n, size_t i)
{
    memmove(&v[i], &v[i + 1], (n - i - 1) * sizeof(*v));
    return n - 1;
}

/* DROP and KEEP_ONLY. @return how many went */
static int64_t filter(struct run *r, const struct attr_rule *rule, struct attrs *as)
{
    const bool keep = rule->op == ATTR_KEEP_ONLY;
    struct attr *v = NULL;
    size_t n = 0;
    int64_t gone = 0;

    for (size_t i = 0; i < as->n; i++) {
        if (globs_match(rule->keys, as->v[i].key) != keep) {
            if (v == NULL) {
                v = attrs_copy(r->arena, *as, 0);
                if (v == NULL) {
                    return -ERR_NOMEM;
                }
                n = i;
            }
            gone++;
        } else if (v != NULL) {
            v[n++] = as->v[i];
        }
    }
    if (v != NULL) {
        *as = (struct attrs){v, n};
    }
    return gone;
}

static int64_t rename_keys(struct run *r, const struct attr_rule *rule, struct attrs *as)
{
    struct attr *v = NULL;
    size_t n = as->n;
    int64_t changed = 0;

    for (size_t k = 0; k < rule->pairs_n; k++) {
        struct str to = rule->pairs[k].value.u.s;
        size_t i = index_of(v != NULL ? v : as->v, n, rule->pairs[k].key);

        if (i == n || str_eq(rule->pairs[k].key, to)) {
            continue;
        }
        if (v == NULL) {
            v = attrs_copy(r->arena, *as, 0);
            if (v == NULL) {
                return -ERR_NOMEM;
            }
        }
        v[i].key = to;
        for (size_t j = 0; j < n; j++) { /* keys stay unique: what had the name goes */
            if (j != i && str_eq(v[j].key, to)) {
                n = remove_at(v, n, j);
                break;
            }
        }
        changed++;
    }
    if (v != NULL) {
        *as = (struct attrs){v, n};
    }
    return changed;
}

static bool same_value(const struct value *a, const struct value *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case VALUE_STR:
        return str_eq(a->u.s, b->u.s);
    case VALUE_I64:
        return a->u.i == b->u.i;
    case VALUE_BOOL:
        return a->u.b == b->u.b;
    default:
        return false;
    }
}

/* SET and ADD */
static int64_t put_values(struct run *r, const struct attr_rule *rule, struct attrs *as)
{
    struct attr *v = attrs_copy(r->arena, *as, rule->pairs_n);
    size_t n = as->n;
    int64_t changed = 0;

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t k = 0; k < rule->pairs_n; k++) {
        size_t i = index_of(v, n, rule->pairs[k].key);

        if (i == n) {
            v[n++] = rule->pairs[k];
            changed++;
        } else if (rule->op == ATTR_SET && !same_value(&v[i].value, &rule->pairs[k].value)) {
            v[i].value = rule->pairs[k].value;
            changed++;
        }
    }
    if (changed != 0) {
        *as = (struct attrs){v, n};
    }
    return changed;
}

/* The new value of one attribute. @return 1 when it changed, 0, -ERR_NOMEM */
static int alter(struct run *r, const struct attr_rule *rule, struct value *v)
{
    char space[32];
    struct buf b CLEANUP(buf_done) = {0};
    struct str text;

    if (rule->op == ATTR_TRUNCATE) {
        if (v->type != VALUE_STR || v->u.s.n <= rule->max_bytes) {
            return 0;
        }
        v->u.s = utf8_cut(v->u.s, rule->max_bytes);
        return 1;
    }
    text = value_as_text(v, space);
    if (text.n == 0 || (v->type == VALUE_STR && text.n == 21 && str_starts(text, STR("hash:")))) {
        return 0;
    }
    buf_init(&b, 64);
    redact_hash(r->red.key, text, &b);
    v->type = VALUE_STR;
    v->u.s = arena_str_dup(r->arena, buf_str(&b));
    return v->u.s.p != NULL ? 1 : -ERR_NOMEM;
}

/* HASH and TRUNCATE */
static int64_t alter_values(struct run *r, const struct attr_rule *rule, struct attrs *as)
{
    struct attr *v = NULL;
    int64_t changed = 0;

    for (size_t i = 0; i < as->n; i++) {
        struct value value = as->v[i].value;
        int rc = globs_match(rule->keys, as->v[i].key) ? alter(r, rule, &value) : 0;

        if (rc < 0) {
            return rc;
        }
        if (rc == 0) {
            continue;
        }
        if (v == NULL) {
            v = attrs_copy(r->arena, *as, 0);
            if (v == NULL) {
                return -ERR_NOMEM;
            }
        }
        v[i].value = value;
        changed++;
    }
    if (v != NULL) {
        as->v = v;
    }
    return changed;
}

static int apply(struct run *r, const struct attr_rule *rule, struct attrs *as)
{
    int64_t n;

    switch (rule->op) {
    case ATTR_DROP:
    case ATTR_KEEP_ONLY:
        n = filter(r, rule, as);
        break;
    case ATTR_RENAME:
        n = rename_keys(r, rule, as);
        break;
    case ATTR_SET:
    case ATTR_ADD:
        n = put_values(r, rule, as);
        break;
    default:
        n = alter_values(r, rule, as);
        break;
    }
    if (n > 0) {
        run_count(r, rule->id, (size_t)n);
    }
    return n < 0 ? (int)n : 0;
}

/* The rules on `on` whose conditions the row passes. */
static uint64_t passing(const struct run *r, const struct row *row, enum attr_scope on)
{
    uint64_t set = 0;

    for (size_t i = 0; i < r->p->attrs_n; i++) {
        if (r->p->attrs[i].on == on && when_passes(&r->p->attrs[i].when, row)) {
            set |= 1ull << i;
        }
    }
    return set;
}

static int apply_shared(struct run *r, uint64_t set, enum redact_field field, struct attrs *as)
{
    for (size_t i = 0; i < r->p->attrs_n; i++) {
        if ((set & 1ull << i) != 0) {
            int rc = apply(r, &r->p->attrs[i], as);

            if (rc < 0) {
                return rc;
            }
        }
    }
    return run_redact_attrs(r, field, as);
}

static bool plan_empty(const struct redact_plan *p)
{
    return p->wanted == 0 && p->custom_n == 0 && !p->keyed;
}

static int shared_resource(struct run *r, struct row *row, uint64_t set)
{
    struct run_memo *memo = &r->resource;
    struct resource *copy;
    int rc;

    if (set == 0 && plan_empty(&r->p->plans[r->signal - 1][REDACT_RESOURCE])) {
        return 0;
    }
    if (memo->in != row->resource || memo->passing != set) {
        copy = arena_new(r->arena, struct resource);
        if (copy == NULL) {
            return -ERR_NOMEM;
        }
        *copy = *row->resource;
        rc = apply_shared(r, set, REDACT_RESOURCE, &copy->attrs);
        if (rc < 0) {
            return rc;
        }
        *memo = (struct run_memo){row->resource, copy, set};
    }
    row->resource = memo->out;
    return 0;
}

static int shared_scope(struct run *r, struct row *row, uint64_t set)
{
    struct run_memo *memo = &r->scope;
    struct scope *copy;
    int rc;

    if (set == 0 && plan_empty(&r->p->plans[r->signal - 1][REDACT_SCOPE])) {
        return 0;
    }
    if (memo->in != row->scope || memo->passing != set) {
        copy = arena_new(r->arena, struct scope);
        if (copy == NULL) {
            return -ERR_NOMEM;
        }
        *copy = *row->scope;
        rc = apply_shared(r, set, REDACT_SCOPE, &copy->attrs);
        if (rc < 0) {
            return rc;
        }
        *memo = (struct run_memo){row->scope, copy, set};
    }
    row->scope = memo->out;
    return 0;
}

int run_attrs(struct run *r, struct row *row)
{
    uint64_t on_resource = passing(r, row, ON_RESOURCE);
    uint64_t on_scope = passing(r, row, ON_SCOPE);
    int rc = shared_resource(r, row, on_resource);

    rc = rc < 0 ? rc : shared_scope(r, row, on_scope);
    for (size_t i = 0; rc == 0 && i < r->p->attrs_n; i++) {
        const struct attr_rule *rule = &r->p->attrs[i];

        if (rule->on == ON_RECORD && when_passes(&rule->when, row)) {
            rc = apply(r, rule, &row->attrs);
        }
    }
    return rc;
}
