/* SPDX-License-Identifier: Apache-2.0
 *
 * PCRE2 with groups and Go's expansion of replacements.
 */
#include "model/regex.h"

#include "base/alloc.h"
#include "base/err.h"
#include "model/pcre.h"

static const struct pcre_limits LIMITS = {1000000, 10000, 4096};

struct regex {
    struct pcre re;
    bool any; /* "(.*)": no need to run anything */
};

static int compile(struct regex *r, struct str p, struct err *reterr)
{
    const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL |
                             PCRE2_DOLLAR_ENDONLY | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
                             PCRE2_NEVER_BACKSLASH_C;
    int64_t foreign = regex_foreign_syntax(p);

    if (foreign >= 0) {
        return pcre_refuse(reterr, (size_t)foreign, "syntax that RE2 does not have");
    }
    return pcre_compile(&r->re, p, options, &LIMITS, reterr);
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
        pcre_done(&r->re);
        mem_free(r);
    }
}

bool regex_matches(const struct regex *r, struct str value)
{
    return r->any || pcre_matches(&r->re, value);
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
        n = pcre2_substring_number_from_name(r->re.code, (PCRE2_SPTR)text);
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
    pcre2_match_data *data = pcre_take(&r->re);

    if (data == NULL || pcre_run(&r->re, value, 0, data) < 0) {
        pcre_give(&r->re, data);
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
        name = pcre_reference(replacement, &n);
        if (n == 0) {
            buf_add_byte(dst, '$'); /* Go: a malformed group is a plain dollar */
            continue;
        }
        add_group(r, name, value, data, dst);
        replacement = str_drop(replacement, n);
    }
    pcre_give(&r->re, data);
    return true;
}
