/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place that knows how PCRE2 is kept from taking too long.
 */
#include "model/pcre.h"

#include "base/err.h"

int pcre_refuse(struct err *reterr, size_t at, const char *what)
{
    int rc = err_set(reterr, ERR_INVALID, "regular expression: %s, at byte %zu", what, at);

    if (reterr != NULL) {
        reterr->span = (struct err_span){(uint32_t)at, (uint32_t)at + 1};
    }
    return rc;
}

int pcre_compile(struct pcre *p, struct str text, uint32_t options,
                 const struct pcre_limits *limits, struct err *reterr)
{
    PCRE2_SIZE at = 0;
    int code = 0;

    p->code = pcre2_compile((PCRE2_SPTR)(text.p != NULL ? text.p : ""), text.n, options, &code, &at,
                            NULL);
    if (p->code == NULL) {
        PCRE2_UCHAR why[160];

        if (pcre2_get_error_message(code, why, sizeof(why)) < 0) {
            why[0] = '\0';
        }
        return pcre_refuse(reterr, at, (const char *)why);
    }
    p->limits = pcre2_match_context_create(NULL);
    if (p->limits == NULL) {
        return err_set(reterr, ERR_NOMEM, "regular expression");
    }
    pcre2_set_match_limit(p->limits, limits->match);
    pcre2_set_depth_limit(p->limits, limits->depth);
    pcre2_set_heap_limit(p->limits, limits->heap_kib);
    ignore_result(pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE),
                  "without JIT the interpreter is used");
    return 0;
}

void pcre_done(struct pcre *p)
{
    pcre2_match_data_free(atomic_load_explicit(&p->spare, memory_order_acquire));
    pcre2_match_context_free(p->limits);
    pcre2_code_free(p->code);
}

pcre2_match_data *pcre_take(const struct pcre *p)
{
    struct pcre *cache = (struct pcre *)(uintptr_t)p; /* only `spare` is touched */
    pcre2_match_data *data = atomic_exchange_explicit(&cache->spare, NULL, memory_order_acq_rel);

    if (data != NULL) {
        return data;
    }
    return p->no_groups ? pcre2_match_data_create(1, NULL)
                        : pcre2_match_data_create_from_pattern(p->code, NULL);
}

void pcre_give(const struct pcre *p, pcre2_match_data *data)
{
    struct pcre *cache = (struct pcre *)(uintptr_t)p; /* only `spare` is touched */

    if (data != NULL) {
        pcre2_match_data_free(atomic_exchange_explicit(&cache->spare, data, memory_order_acq_rel));
    }
}

int pcre_run(const struct pcre *p, struct str text, size_t from, pcre2_match_data *data)
{
    PCRE2_SPTR s = (PCRE2_SPTR)(text.p != NULL ? text.p : "");
    int rc = pcre2_match(p->code, s, text.n, from, 0, data, p->limits);

    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(p->code, s, text.n, from, PCRE2_NO_JIT, data, p->limits);
    }
    return rc;
}

bool pcre_matches(const struct pcre *p, struct str text)
{
    pcre2_match_data *data = pcre_take(p);
    bool found = data != NULL && pcre_run(p, text, 0, data) >= 0;

    pcre_give(p, data);
    return found;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

struct str pcre_reference(struct str s, size_t *ret_n)
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
