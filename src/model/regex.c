/* SPDX-License-Identifier: Apache-2.0
 *
 * PCRE2 with groups and Go's expansion of replacements. One spare match data is kept per expression and
 * swapped atomically, so that a thread alone never allocates.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/err.h"
#include "model/regex.h"

enum {
    MATCH_LIMIT = 1000000, /* PCRE2 steps for one value; about 10 ms */
    DEPTH_LIMIT = 10000,
    HEAP_LIMIT_KIB = 4096,
};

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits;       /* only read after regex_new() */
    _Atomic(pcre2_match_data *) spare; /* acquire/release: its content moves with it */
    bool any;                          /* "(.*)": no need to run anything */
};

static int compile(struct regex *r, struct str p, struct err *reterr)
{
    const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL |
                             PCRE2_DOLLAR_ENDONLY | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
                             PCRE2_NEVER_BACKSLASH_C;
    int64_t foreign = regex_foreign_syntax(p);
    PCRE2_SIZE at = 0;
    int code = 0;

    if (foreign >= 0) {
        return err_set(reterr, ERR_INVALID,
                       "regular expression: syntax that RE2 does not have, at byte %lld",
                       (long long)foreign);
    }
    r->code = pcre2_compile((PCRE2_SPTR)(p.p != NULL ? p.p : ""), p.n, options, &code, &at, NULL);
    if (r->code == NULL) {
        PCRE2_UCHAR text[160];

        if (pcre2_get_error_message(code, text, sizeof(text)) < 0) {
            text[0] = '\0';
        }
        return err_set(reterr, ERR_INVALID, "regular expression: %s, at byte %zu", (char *)text,
                       (size_t)at);
    }
    r->limits = pcre2_match_context_create(NULL);
    if (r->limits == NULL) {
        return err_set(reterr, ERR_NOMEM, "regular expression");
    }
    pcre2_set_match_limit(r->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(r->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(r->limits, HEAP_LIMIT_KIB);
    ignore_result(pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE),
                  "without JIT the interpreter is used");
    return 0;
}

int regex_new(struct str pattern, struct regex **ret, struct err *reterr)
{
    struct regex *r = mem_xcalloc(1, sizeof(*r));
    int rc = compile(r, pattern, reterr);

    if (rc < 0) {
        regex_free(r);
        return rc;
    }
    r->any = str_eq(pattern, STR("(.*)")) || str_eq(pattern, STR(".*"));
    *ret = r;
    return 0;
}

void regex_free(struct regex *r)
{
    if (r != NULL) {
        pcre2_match_data_free(atomic_load_explicit(&r->spare, memory_order_acquire));
        pcre2_match_context_free(r->limits);
        pcre2_code_free(r->code);
        mem_free(r);
    }
}

static pcre2_match_data *data_take(const struct regex *r)
{
    struct regex *cache = (struct regex *)(uintptr_t)r; /* only `spare` is touched */
    pcre2_match_data *data = atomic_exchange_explicit(&cache->spare, NULL, memory_order_acq_rel);

    return data != NULL ? data : pcre2_match_data_create_from_pattern(r->code, NULL);
}

static void data_give(const struct regex *r, pcre2_match_data *data)
{
    struct regex *cache = (struct regex *)(uintptr_t)r; /* only `spare` is touched */

    data = atomic_exchange_explicit(&cache->spare, data, memory_order_acq_rel);
    if (data != NULL) {
        pcre2_match_data_free(data);
    }
}

static bool run(const struct regex *r, struct str value, pcre2_match_data *data)
{
    PCRE2_SPTR p = (PCRE2_SPTR)(value.p != NULL ? value.p : "");
    int rc = pcre2_match(r->code, p, value.n, 0, 0, data, r->limits);

    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(r->code, p, value.n, 0, PCRE2_NO_JIT, data, r->limits);
    }
    return rc >= 0;
}

bool regex_matches(const struct regex *r, struct str value)
{
    pcre2_match_data *data;
    bool ok;

    if (r->any) {
        return true;
    }
    data = data_take(r);
    if (data == NULL) {
        return false;
    }
    ok = run(r, value, data);
    data_give(r, data);
    return ok;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Name of the group that starts at s (behind the dollar); *ret_n is how many bytes it takes, 0: none. */
static struct str group_name(struct str s, size_t *ret_n)
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

static void add_group(const struct regex *r, struct str name, struct str value,
                      pcre2_match_data *data, struct buf *dst)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);
    uint32_t count = pcre2_get_ovector_count(data);
    uint64_t i = 0;

    if (!str_to_u64(name, &i)) {
        char text[64];
        int n;

        if (name.n >= sizeof(text)) {
            return;
        }
        memcpy(text, name.p, name.n);
        text[name.n] = '\0';
        n = pcre2_substring_number_from_name(r->code, (PCRE2_SPTR)text);
        if (n < 0) {
            return;
        }
        i = (uint64_t)n;
    }
    if (i < count && at[2 * i] != PCRE2_UNSET) {
        buf_add(dst, value.p + at[2 * i], at[2 * i + 1] - at[2 * i]);
    }
}

bool regex_expand(const struct regex *r, struct str value, struct str replacement, struct buf *dst)
{
    pcre2_match_data *data = data_take(r);

    if (data == NULL || !run(r, value, data)) {
        if (data != NULL) {
            data_give(r, data);
        }
        return false;
    }
    while (replacement.n != 0) {
        int64_t dollar = str_find_byte(replacement, '$');
        struct str name;
        size_t n = 0;

        buf_add_str(dst, dollar < 0 ? replacement : str_take(replacement, (size_t)dollar));
        if (dollar < 0) {
            break;
        }
        replacement = str_drop(replacement, (size_t)dollar + 1);
        if (replacement.n != 0 && replacement.p[0] == '$') {
            buf_add_byte(dst, '$');
            replacement = str_drop(replacement, 1);
            continue;
        }
        name = group_name(replacement, &n);
        if (n == 0) {
            buf_add_byte(dst, '$'); /* Go: a malformed group is a plain dollar */
            continue;
        }
        add_group(r, name, value, data, dst);
        replacement = str_drop(replacement, n);
    }
    data_give(r, data);
    return true;
}
