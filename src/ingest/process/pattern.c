/* SPDX-License-Identifier: Apache-2.0
 *
 * Searches with groups, and what replaces.
 */
#include "ingest/process/pattern.h"

#include "base/alloc.h"
#include "base/err.h"
#include "model/pcre.h"

/* Steps: about 2 ms. */
static const struct pcre_limits LIMITS = {200000, 5000, 2048};

struct pattern {
    struct pcre re;
    size_t groups_n;
    struct str names[PATTERN_GROUPS_MAX]; /* in `re` */
};

/* The table of names: entries of two bytes for the number, then the name. */
static int read_names(struct pattern *p, struct err *reterr)
{
    uint32_t captures = 0;
    uint32_t count = 0;
    uint32_t size = 0;
    PCRE2_SPTR table = NULL;

    pcre2_pattern_info(p->re.code, PCRE2_INFO_CAPTURECOUNT, &captures);
    pcre2_pattern_info(p->re.code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(p->re.code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(p->re.code, PCRE2_INFO_NAMETABLE, &table);
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
    const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    struct pattern *p = mem_xcalloc(1, sizeof(*p));
    int rc = pcre_compile(&p->re, text, options, &LIMITS, reterr);

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
        pcre_done(&p->re);
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
    pcre2_match_data *data = pcre_take(&p->re);
    int rc;

    if (data == NULL) {
        return -ERR_LIMIT;
    }
    rc = pcre_run(&p->re, text, from, data);
    if (rc >= 0) {
        take_spans(p, data, dst);
    }
    pcre_give(&p->re, data);
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
        name = pcre_reference(replacement, &n);
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
