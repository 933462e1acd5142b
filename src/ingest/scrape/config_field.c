/* SPDX-License-Identifier: Apache-2.0
 *
 * The one reader of mappings: looks each key up in the tables and converts its value. Invariant: an error
 * names file and line, and nothing after it is read.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "ingest/scrape/config_internal.h"

int config_fail(const struct config_reader *r, const struct yaml_node *n, struct err *reterr,
                const char *fmt, ...)
{
    char msg[220];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    return err_set(reterr, ERR_INVALID, "%s:%u: %s", r->file, n->line, msg);
}

int config_nomem(const struct config_reader *r, struct err *reterr)
{
    return err_set(reterr, ERR_NOMEM, "%s: out of memory", r->file);
}

static struct str dup_z(struct config_reader *r, struct str s)
{
    return arena_printf(r->a, "%.*s", STR_ARG(s));
}

int config_str(struct config_reader *r, const struct yaml_node *n, struct str *ret,
               struct err *reterr)
{
    struct str s;

    if (n->kind != YAML_SCALAR) {
        return config_fail(r, n, reterr, "a text is needed");
    }
    s = dup_z(r, yaml_is_null(n) ? str_of("", 0) : n->text);
    if (s.p == NULL) {
        return config_nomem(r, reterr);
    }
    *ret = s;
    return 0;
}

struct str config_join(const struct config_reader *r, struct str path)
{
    return path.n == 0 || path.p[0] == '/' || r->dir.n == 0
               ? path
               : arena_printf(r->a, "%.*s/%.*s", STR_ARG(r->dir), STR_ARG(path));
}

int config_strs(struct config_reader *r, const struct yaml_node *n, bool paths, struct str **ret,
                size_t *ret_n, struct err *reterr)
{
    struct str *v;

    if (yaml_is_null(n)) {
        *ret = NULL;
        *ret_n = 0;
        return 0;
    }
    if (n->kind != YAML_SEQ) {
        return config_fail(r, n, reterr, "a list is needed");
    }
    v = arena_array(r->a, struct str, n->n + 1);
    if (v == NULL) {
        return config_nomem(r, reterr);
    }
    for (size_t i = 0; i < n->n; i++) {
        int rc = config_str(r, n->seq[i], &v[i], reterr);

        if (rc < 0) {
            return rc;
        }
        if (paths) {
            v[i] = config_join(r, v[i]);
            if (v[i].p == NULL) {
                return config_nomem(r, reterr);
            }
        }
    }
    *ret = v;
    *ret_n = n->n;
    return 0;
}

void *config_items(struct config_reader *r, const struct yaml_node *n, enum yaml_kind kind,
                   const char *what, size_t size, struct err *reterr)
{
    void *v;

    if (n->kind != kind) {
        config_fail(r, n, reterr, "%s: a %s is needed", what,
                    kind == YAML_SEQ ? "list" : "mapping");
        return NULL;
    }
    v = arena_calloc(r->a, n->n + 1, size);
    if (v == NULL) {
        config_nomem(r, reterr);
    }
    return v;
}

int config_enum(struct config_reader *r, const struct yaml_node *n, const char *what,
                const char *const *texts, struct err *reterr)
{
    if (n->kind == YAML_SCALAR) {
        for (int i = 0; texts[i] != NULL; i++) {
            if (str_eq(n->text, str_cstr(texts[i]))) {
                return i;
            }
        }
    }
    return config_fail(r, n, reterr, "unknown %s \"%.*s\"", what,
                       STR_ARG(n->kind == YAML_SCALAR ? n->text : STR("")));
}

static int read_duration(struct config_reader *r, const struct yaml_node *n, int64_t *ret,
                         struct err *reterr)
{
    char last = n->kind == YAML_SCALAR && n->text.n != 0 ? n->text.p[n->text.n - 1] : '\0';

    if (n->kind != YAML_SCALAR || (last >= '0' && last <= '9' && !str_eq(n->text, STR("0"))) ||
        !str_to_duration_ms(n->text, ret)) {
        return config_fail(r, n, reterr, "not a valid duration string: \"%.*s\"",
                           STR_ARG(n->kind == YAML_SCALAR ? n->text : STR("")));
    }
    return 0;
}

/* upstream: "10MB" is 10 * 2^20. */
static int read_bytes(struct config_reader *r, const struct yaml_node *n, uint64_t *ret,
                      struct err *reterr)
{
    struct str s = n->kind == YAML_SCALAR ? n->text : str_of("", 0);
    char text[32];

    if (s.n > 1 && s.n < sizeof(text) - 1 && (s.p[s.n - 1] == 'B' || s.p[s.n - 1] == 'b') &&
        s.p[s.n - 2] >= 'A') {
        memcpy(text, s.p, s.n);
        if (text[s.n - 2] != 'i') { /* KB is KiB here, as in Go's alecthomas/units base 2 */
            text[s.n - 1] = 'i';
            text[s.n] = 'B';
            s = str_of(text, s.n + 1);
        }
    }
    return str_to_bytes(s, ret) ? 0
                                : config_fail(r, n, reterr, "not a valid size: \"%.*s\"",
                                              STR_ARG(n->kind == YAML_SCALAR ? n->text : STR("")));
}

static int read_cstr(struct config_reader *r, const struct yaml_node *n, bool path,
                     const char **ret, struct err *reterr)
{
    struct str s = {0};
    int rc = config_str(r, n, &s, reterr);

    if (rc < 0) {
        return rc;
    }
    s = path ? config_join(r, s) : s;
    if (s.p == NULL) {
        return config_nomem(r, reterr);
    }
    *ret = s.n != 0 ? s.p : NULL;
    return 0;
}

static int read_number(struct config_reader *r, const struct yaml_node *n,
                       const struct config_field *f, void *at, struct err *reterr)
{
    struct str s = n->kind == YAML_SCALAR ? n->text : str_of("", 0);
    bool ok = f->type == FIELD_UINT  ? str_to_u64(s, at)
              : f->type == FIELD_F64 ? str_to_f64(s, at)
                                     : yaml_to_bool(n, at);

    if (ok) {
        return 0;
    }
    return config_fail(r, n, reterr, "%s: %s is needed, not \"%.*s\"", f->key,
                       f->type == FIELD_BOOL ? "true or false" : "a number", STR_ARG(s));
}

/* What a key may be set to, in the order of its C enum. */
static const struct {
    const char *what;
    const char *const *texts;
    bool may_be_blank; /* then the default stays */
} CHOICES[] = {
    [CHOICE_FALLBACK] = {"fallback_scrape_protocol", CONFIG_PROTOCOLS, false},
    [CHOICE_VALIDATION] = {"metric_name_validation_scheme",
                           (const char *const[]){"utf8", "legacy", NULL}, true},
    [CHOICE_ESCAPING] = {"metric_name_escaping_scheme", CONFIG_ESCAPINGS, true},
    [CHOICE_TLS] = {"TLS version",
                    (const char *const[]){"", "TLS10", "TLS11", "TLS12", "TLS13", NULL}, false},
    [CHOICE_DNS] = {"type of dns_sd_configs",
                    (const char *const[]){"SRV", "A", "AAAA", "MX", "NS", NULL}, false},
    [CHOICE_ROLE] = {"Kubernetes SD role",
                     (const char *const[]){"node", "pod", "service", "endpoints", "endpointslice",
                                           "ingress", NULL},
                     false},
};

static int read_choice(struct config_reader *r, const struct yaml_node *n, size_t choice, void *at,
                       struct err *reterr)
{
    int i;

    if (CHOICES[choice].may_be_blank && n->kind == YAML_SCALAR && n->text.n == 0) {
        return 0;
    }
    i = config_enum(r, n, CHOICES[choice].what, CHOICES[choice].texts, reterr);
    if (i >= 0) {
        memcpy(at, &i, sizeof(i)); /* an enum has the size of an int */
    }
    return i < 0 ? i : 0;
}

static int read_field(struct config_reader *r, const struct yaml_node *n,
                      const struct config_field *f, void *obj, struct err *reterr)
{
    char *at = (char *)obj + f->offset;
    int rc;

    switch (f->type) {
    case FIELD_STR:
        return config_str(r, n, (struct str *)(void *)at, reterr);
    case FIELD_PATH:
        rc = config_str(r, n, (struct str *)(void *)at, reterr);
        if (rc == 0) {
            *(struct str *)(void *)at = config_join(r, *(struct str *)(void *)at);
        }
        return rc;
    case FIELD_DURATION:
        return read_duration(r, n, (int64_t *)(void *)at, reterr);
    case FIELD_BYTES:
        return read_bytes(r, n, (uint64_t *)(void *)at, reterr);
    case FIELD_BOOL:
    case FIELD_UINT:
    case FIELD_F64:
        return read_number(r, n, f, at, reterr);
    case FIELD_STRS:
    case FIELD_PATHS:
        return config_strs(r, n, f->type == FIELD_PATHS, (struct str **)(void *)at,
                           (size_t *)(void *)((char *)obj + f->offset2), reterr);
    case FIELD_CSTR:
    case FIELD_CPATH:
        return read_cstr(r, n, f->type == FIELD_CPATH, (const char **)(void *)at, reterr);
    case FIELD_CHOICE:
        return read_choice(r, n, f->offset2, at, reterr);
    case FIELD_READ:
        return f->read(r, n, obj, reterr);
    case FIELD_UNSUPPORTED:
        return n->n == 0 && n->kind == YAML_SEQ
                   ? 0
                   : config_fail(r, n, reterr,
                                 "%s is not supported; static, file, http, dns and kubernetes are "
                                 "(http_sd_configs can ask an adapter)",
                                 f->key);
    default:
        return 0;
    }
}

static int unknown(struct config_reader *r, const struct yaml_pair *p, const char *type,
                   struct err *reterr)
{
    return err_set(reterr, ERR_INVALID, "%s:%u: field %.*s not found in type %s", r->file, p->line,
                   STR_ARG(p->key), type);
}

static int one_pair(struct config_reader *r, const struct yaml_pair *p, const char *type,
                    const struct field_set *sets, size_t sets_n, struct err *reterr)
{
    for (size_t s = 0; s < sets_n; s++) {
        for (size_t i = 0; i < sets[s].n; i++) {
            const struct config_field *f = &sets[s].v[i];

            if (str_eq(p->key, str_cstr(f->key))) {
                /* a key without a value keeps its default */
                return yaml_is_null(p->value) ? 0 : read_field(r, p->value, f, sets[s].obj, reterr);
            }
        }
    }
    return unknown(r, p, type, reterr);
}

int config_fields(struct config_reader *r, const struct yaml_node *n, const char *type,
                  const struct field_set *sets, size_t sets_n, struct err *reterr)
{
    if (yaml_is_null(n)) {
        return 0;
    }
    if (n->kind != YAML_MAP) {
        return config_fail(r, n, reterr, "a mapping is needed (%s)", type);
    }
    for (size_t i = 0; i < n->n; i++) {
        int rc = one_pair(r, &n->map[i], type, sets, sets_n, reterr);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

uint64_t config_hash(const struct yaml_node *n, uint64_t seed)
{
    seed = hash_u64(seed ^ (uint64_t)n->kind ^ ((uint64_t)n->n << 8));
    switch (n->kind) {
    case YAML_SCALAR:
        return hash64_seed(n->text.p, n->text.n, seed);
    case YAML_SEQ:
        for (size_t i = 0; i < n->n; i++) {
            seed = config_hash(n->seq[i], seed);
        }
        return seed;
    default:
        for (size_t i = 0; i < n->n; i++) {
            seed = hash64_seed(n->map[i].key.p, n->map[i].key.n, seed);
            seed = config_hash(n->map[i].value, seed);
        }
        return seed;
    }
}

struct str duration_text(struct arena *a, int64_t ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } UNITS[] = {{"y", 31536000000}, {"w", 604800000}, {"d", 86400000}, {"h", 3600000},
                 {"m", 60000},       {"s", 1000},      {"ms", 1}};

    char text[96] = "";
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        int64_t v = ms / UNITS[i].ms;

        /* years, weeks and days only when they fit exactly, as upstream */
        if (v != 0 && (i > 2 || ms % UNITS[i].ms == 0)) {
            n +=
                (size_t)snprintf(text + n, sizeof(text) - n, "%lld%s", (long long)v, UNITS[i].unit);
            ms -= v * UNITS[i].ms;
        }
    }
    return arena_printf(a, "%s", n != 0 ? text : "0s");
}
