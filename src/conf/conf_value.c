/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to field and back for every setting type. Invariant: conf_value_text() gives a text that
 * conf_value_set() reads back as the same value, so equal values have equal texts.
 */
#include <inttypes.h>

#include "base/alloc.h"
#include "conf/conf_internal.h"

static void *field_of(const struct conf_key *key, void *settings)
{
    return (char *)settings + key->offset;
}

static const void *field_in(const struct conf_key *key, const void *settings)
{
    return (const char *)settings + key->offset;
}

void conf_show(struct str s, struct buf *dst)
{
    size_t n = s.n < CONF_SHOWN_MAX ? s.n : CONF_SHOWN_MAX;

    while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80) {
        n--; /* not in the middle of a UTF-8 sequence */
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        buf_add_byte(dst, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
    buf_add_cstr(dst, n < s.n ? "..." : "");
}

/* "must be <what>, not 'x'"; a secret's value is never shown. */
static int wrong(const struct conf_key *key, const char *what, struct str got, struct err *reterr)
{
    struct buf b CLEANUP(buf_done) = {0};

    if (key->secret) {
        return err_set(reterr, ERR_INVALID, "must be %s", what);
    }
    buf_init(&b, 4 * CONF_SHOWN_MAX);
    conf_show(got, &b);
    return err_set(reterr, ERR_INVALID, "must be %s, not '%.*s'", what, STR_ARG(buf_str(&b)));
}

static void add_duration(struct buf *dst, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } UNITS[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};

    if (ms == 0) {
        buf_add_cstr(dst, "0s");
    }
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (ms >= UNITS[i].ms) {
            buf_add_i64(dst, ms / UNITS[i].ms);
            buf_add_cstr(dst, UNITS[i].unit);
            ms %= UNITS[i].ms;
        }
    }
}

/* The unit, binary or decimal, that leaves the smallest whole number. */
static void add_bytes(struct buf *dst, uint64_t bytes)
{
    static const struct {
        uint64_t factor;
        const char *unit;
    } UNITS[] = {
        {UINT64_C(1) << 40, "TiB"},   {UINT64_C(1000000000000), "TB"}, {UINT64_C(1) << 30, "GiB"},
        {UINT64_C(1000000000), "GB"}, {UINT64_C(1) << 20, "MiB"},      {UINT64_C(1000000), "MB"},
        {UINT64_C(1) << 10, "KiB"},   {UINT64_C(1000), "KB"},
    };

    uint64_t best = bytes;
    const char *unit = "";

    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (bytes != 0 && bytes % UNITS[i].factor == 0 && bytes / UNITS[i].factor < best) {
            best = bytes / UNITS[i].factor;
            unit = UNITS[i].unit;
        }
    }
    buf_add_u64(dst, best);
    buf_add_cstr(dst, unit);
}

static void add_number(const struct conf_key *key, struct buf *dst, int64_t v)
{
    if (key->type == CONF_DURATION_MS) {
        add_duration(dst, v);
    } else if (key->type == CONF_BYTES) {
        add_bytes(dst, (uint64_t)v);
    } else {
        buf_add_i64(dst, v);
    }
}

static int check_range(const struct conf_key *key, int64_t v, struct str got, struct err *reterr)
{
    struct buf b CLEANUP(buf_done) = {0};

    if ((key->min == 0 && key->max == 0) || (v >= key->min && v <= key->max)) {
        return 0;
    }
    buf_init(&b, 256);
    buf_add_cstr(&b, "between ");
    add_number(key, &b, key->min);
    buf_add_cstr(&b, " and ");
    add_number(key, &b, key->max);
    buf_add_byte(&b, '\0');
    return wrong(key, b.data, got, reterr);
}

static int parse_bool(const struct conf_key *key, struct str s, bool *ret, struct err *reterr)
{
    static const struct {
        const char *word;
        bool value;
    } WORDS[] = {{"true", true},   {"yes", true}, {"on", true},   {"1", true},
                 {"false", false}, {"no", false}, {"off", false}, {"0", false}};

    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (str_eq_nocase(s, str_cstr(WORDS[i].word))) {
            *ret = WORDS[i].value;
            return 0;
        }
    }
    return wrong(key, "true or false", s, reterr);
}

static int parse_number(const struct conf_key *key, struct str s, int64_t *ret, struct err *reterr)
{
    uint64_t bytes;
    int64_t v;

    switch (key->type) {
    case CONF_DURATION_MS:
        if (!str_to_duration_ms(s, &v)) {
            return wrong(key, "a duration like 30s, 5m or 15d", s, reterr);
        }
        break;
    case CONF_BYTES:
        if (!str_to_bytes(s, &bytes) || bytes > INT64_MAX) {
            return wrong(key, "a size like 512MiB or 20GB", s, reterr);
        }
        v = (int64_t)bytes;
        break;
    default:
        if (!str_to_i64(s, &v)) {
            return wrong(key, "a whole number", s, reterr);
        }
        break;
    }
    if (check_range(key, v, s, reterr) < 0) {
        return -ERR_INVALID;
    }
    *ret = v;
    return 0;
}

static int parse_enum(const struct conf_key *key, struct str s, int *ret, struct err *reterr)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 512);
    buf_add_cstr(&b, "one of ");
    for (int i = 0; key->choices[i] != NULL; i++) {
        if (str_eq(s, str_cstr(key->choices[i]))) {
            *ret = i;
            return 0;
        }
        buf_add_cstr(&b, i > 0 ? ", " : "");
        buf_add_cstr(&b, key->choices[i]);
    }
    buf_add_byte(&b, '\0');
    return wrong(key, buf_status(&b) == 0 ? b.data : "one of the known words", s, reterr);
}

void conf_list_done(struct conf_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        mem_free(l->v[i]);
    }
    mem_free(l->v);
    *l = (struct conf_list){0};
}

void conf_list_copy(struct conf_list *dst, const struct conf_list *src)
{
    *dst = (struct conf_list){mem_xcalloc(src->n + 1, sizeof(*dst->v)), src->n};
    for (size_t i = 0; i < src->n; i++) {
        dst->v[i] = mem_xstrdup(src->v[i]);
    }
}

static int check_text(struct str s, struct err *reterr)
{
    if (s.n != 0 && memchr(s.p, '\0', s.n) != NULL) {
        return err_set(reterr, ERR_INVALID, "contains a NUL byte");
    }
    if (!str_is_utf8(s)) {
        return err_set(reterr, ERR_INVALID, "is not valid UTF-8");
    }
    return 0;
}

static int set_list(struct conf_list *field, struct conf_texts texts, struct err *reterr)
{
    struct conf_list fresh = {0};

    if (texts.n > CONF_LIST_MAX) {
        return err_set(reterr, ERR_INVALID, "has %zu elements, more than %d", texts.n,
                       CONF_LIST_MAX);
    }
    for (size_t i = 0; i < texts.n; i++) {
        if (check_text(texts.v[i], reterr) < 0) {
            return -ERR_INVALID;
        }
    }
    fresh.v = mem_xcalloc(texts.n + 1, sizeof(*fresh.v));
    for (; fresh.n < texts.n; fresh.n++) {
        fresh.v[fresh.n] = str_dup(texts.v[fresh.n]);
    }
    conf_list_done(field);
    *field = fresh;
    return 0;
}

int conf_value_set(const struct conf_key *key, struct conf_texts texts, void *settings,
                   struct err *reterr)
{
    void *field = field_of(key, settings);
    struct str s = texts.n != 0 ? texts.v[texts.n - 1] : (struct str){0};
    int64_t number = 0;

    switch (key->type) {
    case CONF_STRING:
        if (check_text(s, reterr) < 0) {
            return -ERR_INVALID;
        }
        mem_free(*(char **)field);
        *(char **)field = str_dup(s);
        return 0;
    case CONF_STRING_LIST:
        return set_list(field, texts, reterr);
    case CONF_BOOL:
        return parse_bool(key, s, field, reterr);
    case CONF_ENUM:
        return parse_enum(key, s, field, reterr);
    case CONF_INT:
    case CONF_DURATION_MS:
    case CONF_BYTES:
        if (parse_number(key, s, &number, reterr) < 0) {
            return -ERR_INVALID;
        }
        if (key->type == CONF_BYTES) {
            *(uint64_t *)field = (uint64_t)number;
        } else {
            *(int64_t *)field = number;
        }
        return 0;
    }
    return err_set(reterr, ERR_INTERNAL, "has an unknown type");
}

void conf_value_text(const struct conf_key *key, const void *settings, struct buf *dst)
{
    const void *field = field_in(key, settings);
    const struct conf_list *list = field;

    switch (key->type) {
    case CONF_STRING:
        buf_add_cstr(dst, *(char *const *)field);
        break;
    case CONF_BOOL:
        buf_add_cstr(dst, *(const bool *)field ? "true" : "false");
        break;
    case CONF_ENUM:
        buf_add_cstr(dst, key->choices[*(const int *)field]);
        break;
    case CONF_INT:
    case CONF_DURATION_MS:
        add_number(key, dst, *(const int64_t *)field);
        break;
    case CONF_BYTES:
        add_bytes(dst, *(const uint64_t *)field);
        break;
    case CONF_STRING_LIST:
        for (size_t i = 0; i < list->n; i++) {
            buf_add_cstr(dst, i > 0 ? "," : "");
            buf_add_cstr(dst, list->v[i]);
        }
        break;
    }
}

bool conf_value_same(const struct conf_key *key, const void *a, const void *b)
{
    const void *fa = field_in(key, a);
    const void *fb = field_in(key, b);
    const struct conf_list *la = fa;
    const struct conf_list *lb = fb;

    switch (key->type) {
    case CONF_STRING:
        return strcmp(*(char *const *)fa, *(char *const *)fb) == 0;
    case CONF_BOOL:
        return *(const bool *)fa == *(const bool *)fb;
    case CONF_ENUM:
        return *(const int *)fa == *(const int *)fb;
    case CONF_INT:
    case CONF_DURATION_MS:
        return *(const int64_t *)fa == *(const int64_t *)fb;
    case CONF_BYTES:
        return *(const uint64_t *)fa == *(const uint64_t *)fb;
    case CONF_STRING_LIST:
        for (size_t i = 0; i < la->n && la->n == lb->n; i++) {
            if (strcmp(la->v[i], lb->v[i]) != 0) {
                return false;
            }
        }
        return la->n == lb->n;
    }
    return false;
}

void conf_value_done(const struct conf_key *key, void *settings)
{
    void *field = field_of(key, settings);

    if (key->type == CONF_STRING) {
        mem_free(*(char **)field);
        *(char **)field = NULL;
    } else if (key->type == CONF_STRING_LIST) {
        conf_list_done(field);
    }
}

void conf_value_copy(const struct conf_key *key, void *dst_settings, const void *src_settings)
{
    void *dst = field_of(key, dst_settings);
    const void *src = field_in(key, src_settings);
    struct conf_list fresh = {0};

    switch (key->type) {
    case CONF_STRING:
        mem_free(*(char **)dst);
        *(char **)dst = mem_xstrdup(*(char *const *)src);
        break;
    case CONF_STRING_LIST:
        conf_list_copy(&fresh, src);
        conf_list_done(dst);
        *(struct conf_list *)dst = fresh;
        break;
    case CONF_BOOL:
        *(bool *)dst = *(const bool *)src;
        break;
    case CONF_ENUM:
        *(int *)dst = *(const int *)src;
        break;
    case CONF_INT:
    case CONF_DURATION_MS:
        *(int64_t *)dst = *(const int64_t *)src;
        break;
    case CONF_BYTES:
        *(uint64_t *)dst = *(const uint64_t *)src;
        break;
    }
}
