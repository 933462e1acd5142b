/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules a series' labels keep, whatever door they come through: names are any UTF-8 (Prometheus 3), sizes
 * have limits, a metric's name is there.
 */
#include "base/err.h"
#include "ingest/ingest_internal.h"

static int check_label(const struct ingest_limits *lim, const struct label *l, struct err *why)
{
    bool is_name = str_eq(l->name, STR(LABEL_NAME));

    if (l->name.n > lim->max_label_name_bytes) {
        return err_set(why, ERR_INVALID, "label name of %zu bytes, at most %zu are allowed",
                       l->name.n, lim->max_label_name_bytes);
    }
    if (l->name.n == 0 || !str_is_utf8(l->name)) {
        return err_set(why, ERR_INVALID, "invalid label name");
    }
    if (l->value.n > lim->max_label_value_bytes) {
        return err_set(why, ERR_INVALID,
                       "value of label %.*s has %zu bytes, at most %zu are allowed",
                       STR_ARG(l->name), l->value.n, lim->max_label_value_bytes);
    }
    if (!str_is_utf8(l->value)) {
        return is_name ? err_set(why, ERR_INVALID, "invalid metric name")
                       : err_set(why, ERR_INVALID, "value of label %.*s is not valid UTF-8",
                                 STR_ARG(l->name));
    }
    return 0;
}

int ingest_check_labels(const struct ingest_limits *lim, struct label *v, size_t *n,
                        struct err *why)
{
    if (*n > lim->max_labels) {
        return err_set(why, ERR_INVALID, "%zu labels, at most %zu are allowed", *n,
                       lim->max_labels);
    }
    for (size_t i = 0; i < *n; i++) {
        int rc = check_label(lim, &v[i], why);

        if (rc < 0) {
            return rc;
        }
    }
    if (!labels_normalize(v, n)) {
        return err_set(why, ERR_INVALID, "a label name occurs twice");
    }
    if (*n == 0) {
        return err_set(why, ERR_INVALID, "no labels");
    }
    if (labels_get((struct labels){v, *n}, STR(LABEL_NAME)).n == 0) {
        return err_set(why, ERR_INVALID, "no metric name");
    }
    return 0;
}
