/* SPDX-License-Identifier: Apache-2.0
 *
 * The document is read member by member; the place in it is kept as text, so that every refusal names it.
 */
#include "apm/settings.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/vec.h"
#include "codec/json_read.h"
#include "codec/json_write.h"
#include "ingest/process/glob.h"

enum { DEPTH_MAX = 8, TEXT_MAX = 512, PLACE_MAX = 160 };

static const int64_t T_MS_DEFAULT = 1000;

struct walk {
    struct json_reader r;
    struct apm_settings *s;
    struct err *err;
    char place[PLACE_MAX];
    size_t place_n;
};

/* ---- the place ---- */

static size_t push_key(struct walk *w, struct str key)
{
    size_t before = w->place_n;
    int n = snprintf(w->place + before, PLACE_MAX - before, "%s%.*s", before != 0 ? "." : "",
                     (int)(key.n < 64 ? key.n : 64), key.n != 0 ? key.p : "");

    w->place_n = n > 0 && before + (size_t)n < PLACE_MAX ? before + (size_t)n : before;
    return before;
}

static size_t push_index(struct walk *w, size_t i)
{
    size_t before = w->place_n;
    int n = snprintf(w->place + before, PLACE_MAX - before, "[%zu]", i);

    w->place_n = n > 0 && before + (size_t)n < PLACE_MAX ? before + (size_t)n : before;
    return before;
}

static void pop(struct walk *w, size_t before)
{
    w->place_n = before;
    w->place[before] = '\0';
}

static int refuse(struct walk *w, enum err_code code, const char *what)
{
    return w->place_n != 0 ? err_set(w->err, code, "%s: %s", w->place, what)
                           : err_set(w->err, code, "%s", what);
}

/* ---- values ---- */

static int expect(struct walk *w, enum json_type type, const char *what)
{
    int rc = json_peek(&w->r, w->err);

    return rc < 0 ? rc : rc != (int)type ? refuse(w, ERR_INVALID, what) : 0;
}

static int read_text(struct walk *w, struct str *ret)
{
    struct str s;
    int rc = expect(w, JSON_STRING, "must be a text");

    rc = rc < 0 ? rc : json_read_str(&w->r, &s, w->err);
    if (rc < 0) {
        return rc;
    }
    if (s.n > TEXT_MAX) {
        return refuse(w, ERR_INVALID, "is longer than 512 bytes");
    }
    if (!str_is_utf8(s)) {
        return refuse(w, ERR_INVALID, "is not UTF-8");
    }
    *ret = s.n != 0 ? arena_str_dup(&w->s->a, s) : STR("");
    return ret->p != NULL ? 0 : err_set(w->err, ERR_NOMEM, "out of memory");
}

static int read_i64(struct walk *w, int64_t min, int64_t max, int64_t *ret)
{
    struct str s;
    int64_t v;
    char what[80];
    int rc = expect(w, JSON_NUMBER, "must be a number");

    rc = rc < 0 ? rc : json_read_number(&w->r, &s, w->err);
    if (rc < 0) {
        return rc;
    }
    if (!str_to_i64(s, &v) || v < min || v > max) {
        snprintf(what, sizeof(what), "must be a whole number from %lld to %lld", (long long)min,
                 (long long)max);
        return refuse(w, ERR_INVALID, what);
    }
    *ret = v;
    return 0;
}

static int read_flag(struct walk *w, bool *ret)
{
    int rc = expect(w, JSON_BOOL, "must be true or false");

    return rc < 0 ? rc : json_read_bool(&w->r, ret, w->err);
}

/* Members of an object, each given to `member`, which answers -ERR_NOT_FOUND for a key it does not know. */
static int read_object(struct walk *w, int (*member)(struct walk *w, void *dst, struct str key),
                       void *dst)
{
    struct str key;
    int rc = expect(w, JSON_OBJECT, "must be an object");

    rc = rc < 0 ? rc : json_enter(&w->r, w->err);
    while (rc == 0) {
        char name[64];
        size_t before;

        rc = json_next_member(&w->r, &key, w->err);
        if (rc <= 0) {
            break;
        }
        before = push_key(w, key);
        key = str_take(key, sizeof(name)); /* known keys are shorter; the reader's own text goes */
        memcpy(name, key.n != 0 ? key.p : "", key.n);
        rc = member(w, dst, str_of(name, key.n));
        if (rc == -ERR_NOT_FOUND) {
            rc = refuse(w, ERR_INVALID, "is no known member");
        }
        pop(w, before);
    }
    return rc;
}

/* Elements of an array: `add` makes room for one and reads it. */
static int read_array(struct walk *w, int (*add)(struct walk *w, void *dst), void *dst)
{
    int rc = expect(w, JSON_ARRAY, "must be a list");

    rc = rc < 0 ? rc : json_enter(&w->r, w->err);
    for (size_t i = 0; rc == 0; i++) {
        size_t before;

        rc = json_next_element(&w->r, w->err);
        if (rc <= 0) {
            break;
        }
        before = push_index(w, i);
        rc = i == APM_RULES_MAX ? refuse(w, ERR_LIMIT, "there are more than 1000") : add(w, dst);
        pop(w, before);
    }
    return rc;
}

/* What was gathered, in the arena. */
static int keep(struct walk *w, const void *v, size_t n, size_t size, void **ret)
{
    void *copy = arena_calloc(&w->s->a, n != 0 ? n : 1, size);

    if (copy == NULL) {
        return err_set(w->err, ERR_NOMEM, "out of memory");
    }
    if (n != 0) {
        memcpy(copy, v, n * size);
    }
    *ret = copy;
    return 0;
}

/* An array of Ts: read with `member` into a vector, checked with `check`, kept. */
#define LIST_OF(T, name)                                                                     \
    VEC_OF(T);                                                                               \
    static int name##_add(struct walk *w, void *dst)                                         \
    {                                                                                        \
        struct T##_list *list = dst;                                                         \
        struct T v = name##_empty();                                                         \
        int rc = read_object(w, name##_member, &v);                                          \
                                                                                             \
        rc = rc < 0 ? rc : name##_check(w, &v);                                              \
        return rc < 0 ? rc : vec_push(&list->items, v) ? 0 : refuse(w, ERR_NOMEM, "memory"); \
    }                                                                                        \
    static int name##_list(struct walk *w, struct T **ret, size_t *ret_n)                    \
    {                                                                                        \
        struct T##_list list = {{0}};                                                        \
        void *kept = NULL;                                                                   \
        int rc = read_array(w, name##_add, &list);                                           \
                                                                                             \
        rc = rc < 0 ? rc : keep(w, list.items.v, list.items.n, sizeof(struct T), &kept);     \
        if (rc == 0) {                                                                       \
            *ret = kept;                                                                     \
            *ret_n = list.items.n;                                                           \
        }                                                                                    \
        vec_done(&list.items);                                                               \
        return rc;                                                                           \
    }
#define VEC_OF(T)            \
    struct T##_list {        \
        VEC(struct T) items; \
    }

/* ---- APDEX ---- */

static struct apm_operation_t operation_empty(void)
{
    return (struct apm_operation_t){0};
}

static int operation_member(struct walk *w, void *dst, struct str key)
{
    struct apm_operation_t *o = dst;

    if (str_eq(key, STR("pattern"))) {
        return read_text(w, &o->pattern);
    }
    if (str_eq(key, STR("t_ms"))) {
        return read_i64(w, 1, APM_T_MS_MAX, &o->t_ms);
    }
    return -ERR_NOT_FOUND;
}

static int operation_check(struct walk *w, const struct apm_operation_t *o)
{
    return o->pattern.n == 0 ? refuse(w, ERR_INVALID, "needs a pattern")
           : o->t_ms == 0    ? refuse(w, ERR_INVALID, "needs t_ms")
                             : 0;
}

LIST_OF(apm_operation_t, operation)

static struct apm_group_settings group_empty(void)
{
    return (struct apm_group_settings){.frustrated_4xx = -1};
}

static int group_member(struct walk *w, void *dst, struct str key)
{
    struct apm_group_settings *g = dst;
    bool flag = false;
    int rc;

    if (str_eq(key, STR("group"))) {
        return read_text(w, &g->group);
    }
    if (str_eq(key, STR("t_ms"))) {
        return read_i64(w, 1, APM_T_MS_MAX, &g->t_ms);
    }
    if (str_eq(key, STR("frustrated_4xx"))) {
        rc = read_flag(w, &flag);
        g->frustrated_4xx = rc == 0 ? flag : -1;
        return rc;
    }
    if (str_eq(key, STR("operations"))) {
        return operation_list(w, &g->operations, &g->operations_n);
    }
    return -ERR_NOT_FOUND;
}

static int group_check(struct walk *w, const struct apm_group_settings *g)
{
    return g->group.n == 0 ? refuse(w, ERR_INVALID, "needs a group") : 0;
}

LIST_OF(apm_group_settings, group)

static int apdex_member(struct walk *w, void *dst, struct str key)
{
    struct apm_settings *s = dst;

    if (str_eq(key, STR("t_ms"))) {
        return read_i64(w, 1, APM_T_MS_MAX, &s->t_ms);
    }
    if (str_eq(key, STR("frustrated_4xx"))) {
        return read_flag(w, &s->frustrated_4xx);
    }
    return -ERR_NOT_FOUND;
}

/* ---- rules of groups ---- */

static struct apm_condition condition_empty(void)
{
    return (struct apm_condition){0};
}

static int condition_member(struct walk *w, void *dst, struct str key)
{
    struct apm_condition *c = dst;

    if (str_eq(key, STR("attribute"))) {
        return read_text(w, &c->attribute);
    }
    if (str_eq(key, STR("pattern"))) {
        return read_text(w, &c->pattern);
    }
    return -ERR_NOT_FOUND;
}

static int condition_check(struct walk *w, const struct apm_condition *c)
{
    return c->attribute.n == 0 ? refuse(w, ERR_INVALID, "needs an attribute")
           : c->pattern.n == 0 ? refuse(w, ERR_INVALID, "needs a pattern")
                               : 0;
}

LIST_OF(apm_condition, condition)

static struct apm_group_rule group_rule_empty(void)
{
    return (struct apm_group_rule){0};
}

static int group_rule_member(struct walk *w, void *dst, struct str key)
{
    struct apm_group_rule *g = dst;

    if (str_eq(key, STR("name"))) {
        return read_text(w, &g->name);
    }
    if (str_eq(key, STR("when"))) {
        return condition_list(w, &g->when, &g->when_n);
    }
    return -ERR_NOT_FOUND;
}

static int group_rule_check(struct walk *w, const struct apm_group_rule *g)
{
    return g->name.n == 0   ? refuse(w, ERR_INVALID, "needs a name")
           : g->when_n == 0 ? refuse(w, ERR_INVALID, "needs at least one condition in when")
                            : 0;
}

LIST_OF(apm_group_rule, group_rule)

/* ---- rules of URLs ---- */

static struct apm_url_rule url_rule_empty(void)
{
    return (struct apm_url_rule){.group = STR("")};
}

static int url_rule_member(struct walk *w, void *dst, struct str key)
{
    struct apm_url_rule *u = dst;

    if (str_eq(key, STR("group"))) {
        return read_text(w, &u->group);
    }
    if (str_eq(key, STR("pattern"))) {
        return read_text(w, &u->pattern);
    }
    if (str_eq(key, STR("template"))) {
        return read_text(w, &u->template);
    }
    return -ERR_NOT_FOUND;
}

static int url_rule_check(struct walk *w, const struct apm_url_rule *u)
{
    int64_t stars = str_find(u->pattern, STR("**"));

    if (u->pattern.n == 0 || u->pattern.p[0] != '/') {
        return refuse(w, ERR_INVALID, "needs a pattern that begins with /");
    }
    if (u->template.n == 0 || u->template.p[0] != '/') {
        return refuse(w, ERR_INVALID, "needs a template that begins with /");
    }
    if (stars >= 0 && (size_t)stars + 2 != u->pattern.n) {
        return refuse(w, ERR_INVALID, "** stands at the end of a pattern only");
    }
    return 0;
}

LIST_OF(apm_url_rule, url_rule)

/* ---- the whole ---- */

static int settings_member(struct walk *w, void *dst, struct str key)
{
    struct apm_settings *s = dst;

    if (str_eq(key, STR("revision"))) {
        return read_i64(w, 0, INT64_MAX, &s->revision);
    }
    if (str_eq(key, STR("apdex"))) {
        return read_object(w, apdex_member, s);
    }
    if (str_eq(key, STR("groups"))) {
        return group_list(w, &s->groups, &s->groups_n);
    }
    if (str_eq(key, STR("group_rules"))) {
        return group_rule_list(w, &s->group_rules, &s->group_rules_n);
    }
    if (str_eq(key, STR("url_rules"))) {
        return url_rule_list(w, &s->url_rules, &s->url_rules_n);
    }
    return -ERR_NOT_FOUND;
}

struct apm_settings *apm_settings_default(void)
{
    struct apm_settings *s = mem_try_calloc(1, sizeof(*s));

    if (s != NULL) {
        arena_init(&s->a, 8 * (size_t)APM_DOC_MAX);
        s->t_ms = T_MS_DEFAULT;
    }
    return s;
}

void apm_settings_free(struct apm_settings *s)
{
    if (s != NULL) {
        arena_done(&s->a);
        mem_free(s);
    }
}

int apm_settings_parse(struct str json, struct apm_settings **ret, struct err *reterr)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    struct walk w = {.err = reterr};
    int rc;

    if (json.n > APM_DOC_MAX) {
        return err_set(reterr, ERR_TOO_LARGE, "the settings are larger than 1 MiB");
    }
    w.s = apm_settings_default();
    if (w.s == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    buf_init(&scratch, APM_DOC_MAX);
    json_read_init(&w.r, json, DEPTH_MAX, &scratch);
    rc = read_object(&w, settings_member, w.s);
    rc = rc < 0 ? rc : json_read_end(&w.r, reterr);
    if (rc < 0) {
        apm_settings_free(w.s);
        return rc;
    }
    *ret = w.s;
    return 0;
}

static void member_str(struct json_writer *w, const char *key, struct str v)
{
    json_key(w, key);
    json_str(w, v);
}

static void member_i64(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_i64(w, v);
}

static void write_group(struct json_writer *w, const struct apm_group_settings *g)
{
    json_object_begin(w);
    member_str(w, "group", g->group);
    if (g->t_ms != 0) {
        member_i64(w, "t_ms", g->t_ms);
    }
    if (g->frustrated_4xx >= 0) {
        json_key(w, "frustrated_4xx");
        json_bool(w, g->frustrated_4xx != 0);
    }
    json_key(w, "operations");
    json_array_begin(w);
    for (size_t i = 0; i < g->operations_n; i++) {
        json_object_begin(w);
        member_str(w, "pattern", g->operations[i].pattern);
        member_i64(w, "t_ms", g->operations[i].t_ms);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void write_group_rule(struct json_writer *w, const struct apm_group_rule *g)
{
    json_object_begin(w);
    member_str(w, "name", g->name);
    json_key(w, "when");
    json_array_begin(w);
    for (size_t i = 0; i < g->when_n; i++) {
        json_object_begin(w);
        member_str(w, "attribute", g->when[i].attribute);
        member_str(w, "pattern", g->when[i].pattern);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

void apm_settings_write(const struct apm_settings *s, struct json_writer *w)
{
    json_object_begin(w);
    member_i64(w, "revision", s->revision);
    json_key(w, "apdex");
    json_object_begin(w);
    member_i64(w, "t_ms", s->t_ms);
    json_key(w, "frustrated_4xx");
    json_bool(w, s->frustrated_4xx);
    json_object_end(w);
    json_key(w, "groups");
    json_array_begin(w);
    for (size_t i = 0; i < s->groups_n; i++) {
        write_group(w, &s->groups[i]);
    }
    json_array_end(w);
    json_key(w, "group_rules");
    json_array_begin(w);
    for (size_t i = 0; i < s->group_rules_n; i++) {
        write_group_rule(w, &s->group_rules[i]);
    }
    json_array_end(w);
    json_key(w, "url_rules");
    json_array_begin(w);
    for (size_t i = 0; i < s->url_rules_n; i++) {
        json_object_begin(w);
        member_str(w, "group", s->url_rules[i].group);
        member_str(w, "pattern", s->url_rules[i].pattern);
        member_str(w, "template", s->url_rules[i].template);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

/* Settings are plain text: writing and parsing them is a deep copy. */
int apm_settings_copy(const struct apm_settings *s, struct apm_settings **ret, struct err *reterr)
{
    struct buf text CLEANUP(buf_done);
    struct json_writer w;
    int rc;

    buf_init(&text, 2 * (size_t)APM_DOC_MAX);
    json_init(&w, &text);
    apm_settings_write(s, &w);
    rc = buf_status(&text);
    return rc < 0 ? err_set(reterr, ERR_NOMEM, "out of memory")
                  : apm_settings_parse(buf_str(&text), ret, reterr);
}

struct apm_threshold apm_settings_threshold(const struct apm_settings *s, struct str group,
                                            struct str operation)
{
    struct apm_threshold t = {s->t_ms, s->frustrated_4xx};

    for (size_t i = 0; i < s->groups_n; i++) {
        const struct apm_group_settings *g = &s->groups[i];

        if (!glob_matches(g->group, group)) {
            continue;
        }
        t.t_ms = g->t_ms != 0 ? g->t_ms : t.t_ms;
        t.frustrated_4xx = g->frustrated_4xx >= 0 ? g->frustrated_4xx != 0 : t.frustrated_4xx;
        for (size_t k = 0; k < g->operations_n; k++) {
            if (glob_matches(g->operations[k].pattern, operation)) {
                t.t_ms = g->operations[k].t_ms;
                break;
            }
        }
        break; /* the first group that matches decides */
    }
    return t;
}
