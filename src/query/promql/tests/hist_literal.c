/* SPDX-License-Identifier: Apache-2.0
 *
 * See hist_literal.h.
 */
#include "query/promql/tests/hist_literal.h"

#include "base/alloc.h"
#include "base/err.h"

/** Numbers between brackets, appended one by one. */
static bool each_number(struct str text, struct native_histogram *h, char what, int32_t *index)
{
    struct str item;

    if (!str_starts(text, STR("[")) || !str_ends(text, STR("]"))) {
        return false;
    }
    text = str_take(str_drop(text, 1), text.n - 2);
    while (str_split(&text, ' ', &item)) {
        double v;
        int rc;

        if (item.n == 0) {
            continue;
        }
        if (!str_to_f64(item, &v)) {
            return false;
        }
        rc = what == 'b'   ? native_push_bound(h, v)
             : what == 'p' ? native_push(&h->positive, (*index)++, v)
                           : native_push(&h->negative, (*index)++, v);
        if (rc != 0) {
            return false;
        }
    }
    return true;
}

static bool set_hint(struct native_histogram *h, struct str value)
{
    static const char *const NAMES[] = {"unknown", "reset", "not_reset", "gauge"};

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (str_eq(value, str_cstr(NAMES[i]))) {
            h->hint = (uint8_t)i;
            return true;
        }
    }
    return false;
}

/** Lists wait until the offsets are known. */
struct lists {
    struct str positive, negative;
    double offset, n_offset;
};

static bool set(struct native_histogram *h, struct lists *l, struct str key, struct str value)
{
    double schema = h->schema;
    bool ok;

    struct {
        const char *name;
        double *to;
    } const NUMBERS[] = {{"schema", &schema},
                         {"count", &h->count},
                         {"sum", &h->sum},
                         {"z_bucket", &h->zero_count},
                         {"z_bucket_w", &h->zero_threshold},
                         {"offset", &l->offset},
                         {"n_offset", &l->n_offset}};

    for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++) {
        if (str_eq(key, str_cstr(NUMBERS[i].name))) {
            ok = str_to_f64(value, NUMBERS[i].to);
            h->schema = (int32_t)schema;
            return ok;
        }
    }
    if (str_eq(key, STR("buckets"))) {
        l->positive = value;
        return true;
    }
    if (str_eq(key, STR("n_buckets"))) {
        l->negative = value;
        return true;
    }
    if (str_eq(key, STR("custom_values"))) {
        return each_number(value, h, 'b', NULL);
    }
    return str_eq(key, STR("counter_reset_hint")) && set_hint(h, value);
}

/** The next `key:value`, whose value may be a list with blanks. */
static bool next_pair(struct str *text, struct str *ret_key, struct str *ret_value)
{
    int64_t colon;
    size_t n = 0;
    bool in_list = false;

    *text = str_trim(*text);
    colon = str_find_byte(*text, ':');
    if (colon < 0) {
        return false;
    }
    *ret_key = str_take(*text, (size_t)colon);
    *text = str_drop(*text, (size_t)colon + 1);
    while (n < text->n && (in_list || text->p[n] != ' ')) {
        in_list = text->p[n] == '[' || (in_list && text->p[n] != ']');
        n++;
    }
    *ret_value = str_take(*text, n);
    *text = str_drop(*text, n);
    return true;
}

const struct native_histogram *hist_literal(struct str text, struct arena *a)
{
    struct native_histogram h CLEANUP(native_done) = {0};
    struct lists l = {0};
    struct str key;
    struct str value;
    int32_t index;

    if (!str_starts(text, STR("{{")) || !str_ends(text, STR("}}"))) {
        return NULL;
    }
    text = str_take(str_drop(text, 2), text.n - 4);
    while (next_pair(&text, &key, &value)) {
        if (!set(&h, &l, key, value)) {
            return NULL;
        }
    }
    index = (int32_t)l.offset;
    if (str_trim(text).n != 0 || (l.positive.n != 0 && !each_number(l.positive, &h, 'p', &index))) {
        return NULL;
    }
    index = (int32_t)l.n_offset;
    if (l.negative.n != 0 && !each_number(l.negative, &h, 'n', &index)) {
        return NULL;
    }
    native_compact(&h);
    return native_dup(&h, a);
}

static bool near(double a, double b)
{
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b));
}

static bool near_buckets(const struct native_buckets *a, const struct native_buckets *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (a->v[i].index != b->v[i].index || !near(a->v[i].count, b->v[i].count)) {
            return false;
        }
    }
    return true;
}

bool hist_same(const struct native_histogram *want, const struct native_histogram *got)
{
    bool ok = want->schema == got->schema && want->bounds_n == got->bounds_n &&
              near(want->count, got->count) && near(want->sum, got->sum) &&
              near(want->zero_count, got->zero_count) &&
              want->zero_threshold == got->zero_threshold &&
              near_buckets(&want->positive, &got->positive) &&
              near_buckets(&want->negative, &got->negative);

    for (size_t i = 0; ok && i < want->bounds_n; i++) {
        ok = want->bounds[i] == got->bounds[i];
    }
    return ok;
}
