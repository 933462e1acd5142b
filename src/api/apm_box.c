/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters of a box; see apm_box.h.
 */
#include "api/apm_box.h"

#include "api/params.h"
#include "base/err.h"

int param_groups(struct http_exchange *x, const struct str **ret, size_t *ret_n, struct err *reterr)
{
    struct str *v = arena_array(http_arena(x), struct str, APM_GROUPS_MAX);
    struct str group;
    size_t n = 0;

    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; http_param_at(x, "group", i, &group); i++) {
        if (n == APM_GROUPS_MAX) {
            return err_set(reterr, ERR_INVALID, "group: at most %d of them", APM_GROUPS_MAX);
        }
        if (group.n != 0) {
            v[n++] = group;
        }
    }
    *ret = v;
    *ret_n = n;
    return 0;
}

int param_ms(const struct http_exchange *x, const char *name, int64_t fallback_ns, int64_t *ret_ns,
             struct err *reterr)
{
    struct str s = http_param(x, name);
    double ms;

    if (s.n == 0) {
        *ret_ns = fallback_ns;
        return 0;
    }
    if (!str_to_f64(s, &ms) || !(ms >= 0 && ms <= 1e12)) {
        return err_set(reterr, ERR_INVALID, "%s: \"%.*s\" is not a duration in milliseconds", name,
                       STR_ARG(s));
    }
    *ret_ns = (int64_t)(ms * 1e6);
    return 0;
}

static int param_classes(struct http_exchange *x, unsigned *ret, struct err *reterr)
{
    struct str text;

    *ret = 0;
    for (size_t i = 0; http_param_at(x, "status", i, &text); i++) {
        enum tmap_class class = txn_class_of(text);

        if (str_eq(text, STR("error"))) {
            *ret |= 1u << TMAP_4XX | 1u << TMAP_5XX;

        } else if (class < TMAP_CLASSES) {
            *ret |= 1u << class;
        } else if (text.n != 0) {

            return err_set(reterr, ERR_INVALID, "status: ok, 4xx, 5xx or error, not \"%.*s\"",
                           STR_ARG(text));
        }
    }
    return 0;
}

int param_txn_filter(struct http_exchange *x, int64_t timeout_ms, struct txn_filter *ret,
                     struct err *reterr)
{
    struct txn_filter f = {.instance = http_param(x, "instance"), .cancel = http_cancel(x)};
    struct time_range range;
    int rc = param_range(x, &range, reterr);

    rc = rc < 0 ? rc : param_groups(x, &f.groups, &f.groups_n, reterr);
    rc = rc < 0 ? rc : param_ms(x, "min_ms", 0, &f.min_took_ns, reterr);
    rc = rc < 0 ? rc : param_ms(x, "max_ms", INT64_MAX, &f.max_took_ns, reterr);
    rc = rc < 0 ? rc : param_classes(x, &f.classes, reterr);
    if (rc == 0 && f.max_took_ns <= f.min_took_ns) {
        return err_set(reterr, ERR_INVALID, "min_ms must be below max_ms");
    }
    if (rc == 0) {
        f.min_ns = range.start_ms * 1000000;
        f.max_ns = range.end_ms * 1000000;
        http_cancel(x)->deadline = mono_add_ms(clock_mono(), timeout_ms);
        *ret = f;
    }
    return rc;
}
