/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions: everything that is asked must hold.
 */
#include <stdio.h>

#include "ingest/process/row.h"

struct str value_as_text(const struct value *v, char space[32])
{
    int n = 0;

    switch (v->type) {
    case VALUE_STR:
    case VALUE_BYTES:
        return v->u.s;
    case VALUE_BOOL:
        return v->u.b ? STR("true") : STR("false");
    case VALUE_I64:
        n = snprintf(space, 32, "%lld", (long long)v->u.i);
        break;
    case VALUE_F64:
        n = snprintf(space, 32, "%.17g", v->u.f);
        break;
    default:
        break;
    }
    return str_of(space, n > 0 ? (size_t)n : 0);
}

static const struct value *find_attr(const struct row *row, struct str key)
{
    const struct value *v = attrs_get(row->attrs, key);

    if (v == NULL && row->resource != NULL) {
        v = attrs_get(row->resource->attrs, key);
    }
    if (v == NULL && row->scope != NULL) {
        v = attrs_get(row->scope->attrs, key);
    }
    return v;
}

static bool found_in(const struct pattern *p, struct str text)
{
    struct pattern_span spans[PATTERN_GROUPS_MAX];

    return pattern_find(p, text, 0, spans) > 0;
}

static bool attr_passes(const struct when_attr *a, const struct row *row)
{
    const struct value *v = find_attr(row, a->key);
    char space[32];
    struct str text;

    if (v == NULL || a->exists_only) {
        return v != NULL;
    }
    text = value_as_text(v, space);
    return a->regex != NULL ? found_in(a->regex, text) : glob_matches(a->equals, text);
}

bool when_passes(const struct when *w, const struct row *row)
{
    if ((w->signals & row->signal) == 0) {
        return false;
    }
    if (!w->set) {
        return true;
    }
    if ((w->severity_min != 0 && row->severity < w->severity_min) ||
        (w->severity_max != 0 && (row->severity == 0 || row->severity > w->severity_max))) {
        return false;
    }
    if (w->services.n != 0 &&
        !globs_match(w->services, attrs_get_str(row->resource->attrs, STR("service.name")))) {
        return false;
    }
    if (w->spans.n != 0 &&
        (row->signal != SIGNAL_TRACES || !globs_match(w->spans, row->span_name))) {
        return false;
    }
    for (size_t i = 0; i < w->attrs_n; i++) {
        if (!attr_passes(&w->attrs[i], row)) {
            return false;
        }
    }
    return w->body == NULL ||
           (row->body != NULL && row->body->type == VALUE_STR && found_in(w->body, row->body->u.s));
}
