/* SPDX-License-Identifier: Apache-2.0
 *
 * Look-ups and names for the OpenTelemetry model.
 */
#include "model/otel.h"

static const char *const LEVELS[SEVERITY_LEVEL_COUNT] = {"unset", "trace", "debug", "info",
                                                         "warn",  "error", "fatal"};
static const char *const KINDS[SPAN_KIND_COUNT] = {"unspecified", "internal", "server",
                                                   "client",      "producer", "consumer"};
static const char *const STATUSES[SPAN_STATUS_COUNT] = {"unset", "ok", "error"};

const struct value *attrs_get(struct attrs as, struct str key)
{
    for (size_t i = 0; i < as.n; i++) {
        if (str_eq(as.v[i].key, key)) {
            return &as.v[i].value;
        }
    }
    return NULL;
}

struct str attrs_get_str(struct attrs as, struct str key)
{
    const struct value *v = attrs_get(as, key);

    return v != NULL && v->type == VALUE_STR ? v->u.s : str_of(NULL, 0);
}

static bool all_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++) {
        any |= p[i];
    }
    return any == 0;
}

bool trace_id_is_zero(struct trace_id id)
{
    return all_zero(id.b, sizeof(id.b));
}

bool span_id_is_zero(struct span_id id)
{
    return all_zero(id.b, sizeof(id.b));
}

static bool name_parse(struct str name, const char *const *names, size_t n, size_t *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(name, str_cstr(names[i]))) {
            *ret = i;
            return true;
        }
    }
    return false;
}

enum severity_level severity_level_of(uint8_t severity_number)
{
    if (severity_number == 0 || severity_number > 24) {
        return SEVERITY_UNSET;
    }
    return (enum severity_level)((severity_number + 3) / 4);
}

const char *severity_level_name(enum severity_level level)
{
    return (unsigned)level < SEVERITY_LEVEL_COUNT ? LEVELS[level] : LEVELS[0];
}

bool severity_level_parse(struct str name, enum severity_level *ret)
{
    size_t i;

    if (!name_parse(name, LEVELS, SEVERITY_LEVEL_COUNT, &i)) {
        return false;
    }
    *ret = (enum severity_level)i;
    return true;
}

const char *span_kind_name(uint8_t kind)
{
    return kind < SPAN_KIND_COUNT ? KINDS[kind] : KINDS[0];
}

bool span_kind_parse(struct str name, uint8_t *ret)
{
    size_t i;

    if (!name_parse(name, KINDS, SPAN_KIND_COUNT, &i)) {
        return false;
    }
    *ret = (uint8_t)i;
    return true;
}

const char *span_status_name(uint8_t status)
{
    return status < SPAN_STATUS_COUNT ? STATUSES[status] : STATUSES[0];
}

bool span_status_parse(struct str name, uint8_t *ret)
{
    size_t i;

    if (!name_parse(name, STATUSES, SPAN_STATUS_COUNT, &i)) {
        return false;
    }
    *ret = (uint8_t)i;
    return true;
}
