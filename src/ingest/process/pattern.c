/* SPDX-License-Identifier: Apache-2.0
 *
 * PCRE2 with JIT. One spare match data is kept per expression and swapped atomically, so that a thread alone never
 * allocates.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/err.h"
#include "ingest/process/pattern.h"

enum {
    MATCH_LIMIT = 200000, /* PCRE2 steps of one search; about 2 ms */
    DEPTH_LIMIT = 5000,
    HEAP_LIMIT_KIB = 2048,
};

struct pattern {
    pcre2_code *code;
    pcre2_match_context *limits;       /* only read after pattern_new() */
    _Atomic(pcre2_match_data *) spare; /* acquire/release: its content moves with it */
    size_t groups_n;
    struct str names[PATTERN_GROUPS_MAX]; /* in `code` */
};

static int compile(struct pattern *p, struct str text, struct err *reterr)
{
    const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    PCRE2_SIZE at = 0;
    int code = 0;

    p->code = pcre2_compile((PCRE2_SPTR)(text.p != NULL ? text.p : ""), text.n, options, &code, &at,
                            NULL);
    if (p->code == NULL) {
        PCRE2_UCHAR why[160];

        if (pcre2_get_error_message(code, why, sizeof(why)) < 0) {
            why[0] = '\0';
        }
        return err_set(reterr, ERR_INVALID, "regular expression: %s, at byte %zu", (char *)why,
                       (size_t)at);
    }
    p->limits = pcre2_match_context_create(NULL);
    if (p->limits == NULL) {
        return err_set(reterr, ERR_NOMEM, "regular expression");
    }
    pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
    ignore_result(pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE),
                  "without JIT the interpreter is used");
    return 0;
}

/* The table of names: entries of two bytes for the number, then the name. */
static int read_names(struct pattern *p, struct err *reterr)
{
    uint32_t captures = 0;
    uint32_t count = 0;
    uint32_t size = 0;
    PCRE2_SPTR table = NULL;

    pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &captures);
    pcre2_pattern_info(p->code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(p->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(p->code, PCRE2_INFO_NAMETABLE, &table);
    if (captures >= PATTERN_GROUPS_MAX) {
        return err_set(reterr, ERR_LIMIT, "regular expression: more than %d groups",
                       PATTERN_GROUPS_MAX - 1);
    }
    p->groups_n = captures + 1;
    for (uint32_t i = 0; i < count; i++) {
        const unsigned char *e = table + (size_t)i * size;
        size_t group = (size_t)e[0] << 8 | e[1];

        if (group < PATTERN_GROUPS_MAX) {
            p->names[group] = str_cstr((const char *)e + 2);
        }
    }
    return 0;
}

int pattern_new(struct str text, struct pattern **ret, struct err *reterr)
{
    struct pattern *p = mem_xcalloc(1, sizeof(*p));
    int rc = compile(p, text, reterr);

    rc = rc < 0 ? rc : read_names(p, reterr);
    if (rc < 0) {
        pattern_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

void pattern_free(struct pattern *p)
{
    if (p != NULL) {
        pcre2_match_data_free(atomic_load_explicit(&p->spare, memory_order_acquire));
        pcre2_match_context_free(p->limits);
        pcre2_code_free(p->code);
        mem_free(p);
    }
}

static void take_spans(const struct pattern *p, pcre2_match_data *data,
                       struct pattern_span dst[PATTERN_GROUPS_MAX])
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);

    for (size_t i = 0; i < p->groups_n; i++) {
        dst[i].start = at[2 * i] == PCRE2_UNSET ? SIZE_MAX : at[2 * i];
        dst[i].end = at[2 * i + 1] == PCRE2_UNSET ? SIZE_MAX : at[2 * i + 1];
    }
    /* \K in a lookahead may put the start behind the end. */
    if (dst[0].end < dst[0].start) {
        dst[0].end = dst[0].start;
    }
}

int pattern_find(const struct pattern *p, struct str text, size_t from,
                 struct pattern_span dst[PATTERN_GROUPS_MAX])
{
    struct pattern *cache = (struct pattern *)(uintptr_t)p; /* only `spare` is touched */
    PCRE2_SPTR s = (PCRE2_SPTR)(text.p != NULL ? text.p : "");
    pcre2_match_data *data = atomic_exchange_explicit(&cache->spare, NULL, memory_order_acq_rel);
    int rc;

    if (data == NULL) {
        data = pcre2_match_data_create_from_pattern(p->code, NULL);
    }
    if (data == NULL) {
        return -ERR_LIMIT;
    }
    rc = pcre2_match(p->code, s, text.n, from, 0, data, p->limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(p->code, s, text.n, from, PCRE2_NO_JIT, data, p->limits);
    }
    if (rc >= 0) {
        take_spans(p, data, dst);
    }
    data = atomic_exchange_explicit(&cache->spare, data, memory_order_acq_rel);
    if (data != NULL) {
        pcre2_match_data_free(data);
    }
    if (rc >= 0) {
        return 1;
    }
    return rc == PCRE2_ERROR_NOMATCH ? 0 : -ERR_LIMIT;
}

size_t pattern_groups(const struct pattern *p)
{
    return p->groups_n;
}

struct str pattern_group_name(const struct pattern *p, size_t i)
{
    return i < p->groups_n ? p->names[i] : str_of("", 0);
}

int pattern_group_index(const struct pattern *p, struct str name)
{
    uint64_t number;

    if (str_to_u64(name, &number)) {
        return number < p->groups_n ? (int)number : -1;
    }
    for (size_t i = 1; i < p->groups_n; i++) {
        if (name.n != 0 && str_eq(p->names[i], name)) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Name behind a dollar; *ret_n is how many bytes it takes, 0: none. */
static struct str reference(struct str s, size_t *ret_n)
{
    bool brace = s.n != 0 && s.p[0] == '{';
    size_t from = brace ? 1 : 0;
    size_t n = from;

    while (n < s.n && is_word(s.p[n])) {
        n++;
    }
    if (n == from || (brace && (n >= s.n || s.p[n] != '}'))) {
        *ret_n = 0;
        return str_of("", 0);
    }
    *ret_n = n + (brace ? 1 : 0);
    return str_of(s.p + from, n - from);
}

void pattern_expand(const struct pattern *p, struct str text,
                    const struct pattern_span spans[PATTERN_GROUPS_MAX], struct str replacement,
                    struct buf *dst)
{
    while (replacement.n != 0) {
        int64_t dollar = str_find_byte(replacement, '$');
        struct str name;
        size_t n = 0;
        int group;

        buf_add_str(dst, dollar < 0 ? replacement : str_take(replacement, (size_t)dollar));
        if (dollar < 0) {
            return;
        }
        replacement = str_drop(replacement, (size_t)dollar + 1);
        if (replacement.n != 0 && replacement.p[0] == '$') {
            buf_add_byte(dst, '$');
            replacement = str_drop(replacement, 1);
            continue;
        }
        name = reference(replacement, &n);
        if (n == 0) {
            buf_add_byte(dst, '$');
            continue;
        }
        group = pattern_group_index(p, name);
        if (group >= 0 && spans[group].start != SIZE_MAX &&
            spans[group].end >= spans[group].start) {
            buf_add(dst, text.p + spans[group].start, spans[group].end - spans[group].start);
        }
        replacement = str_drop(replacement, n);
    }
}
