/* SPDX-License-Identifier: Apache-2.0
 *
 * Members may come in any order and may be left out; unknown ones are skipped.
 */
#include "ingest/push_json_native.h"

#include <math.h>

#include "base/err.h"
#include "model/samples.h"

static int no_room(int rc, struct err *why)
{
    return rc == -ERR_LIMIT
               ? err_set(why, ERR_LIMIT, "more than %d buckets or bounds", (int)NATIVE_BUCKETS_MAX)
               : err_set(why, ERR_NOMEM, "no memory for a histogram");
}

static int read_int(struct json_reader *r, int32_t *ret, struct err *why)
{
    struct str text;
    int64_t v = 0;
    int type = json_peek(r, why);
    int rc = type == JSON_NUMBER ? json_read_number(r, &text, why) : type;

    if (rc < 0) {
        return rc;
    }
    if (type != JSON_NUMBER || !str_to_i64(text, &v) || v < INT32_MIN || v > INT32_MAX) {
        return err_set(why, ERR_INVALID, "a schema, hint or bucket index is no integer");
    }
    *ret = (int32_t)v;
    return 0;
}

/** A staleness marker is a whole histogram, no number in it. */
static int read_number(struct json_reader *r, double *ret, struct err *why)
{
    int rc = push_json_value(r, ret, why);

    return rc == 0 && sample_is_stale(*ret)
               ? err_set(why, ERR_INVALID, "null inside of a histogram")
               : rc;
}

static int enter_list(struct json_reader *r, struct err *why)
{
    int type = json_peek(r, why);

    if (type >= 0 && type != JSON_ARRAY) {
        return err_set(why, ERR_INVALID, "buckets or bounds are not an array");
    }
    return type < 0 ? type : json_enter(r, why);
}

/** [index, count, index, count, ...] */
static int read_buckets(struct json_reader *r, struct native_buckets *dst, struct err *why)
{
    int rc = enter_list(r, why);

    dst->n = 0;
    while (rc >= 0 && (rc = json_next_element(r, why)) > 0) {
        int32_t index = 0;
        double count = 0;

        rc = read_int(r, &index, why);
        rc = rc < 0 ? rc : json_next_element(r, why);
        if (rc == 0 || (rc > 0 && dst->n != 0 && index <= dst->v[dst->n - 1].index)) {
            return err_set(why, ERR_INVALID,
                           "buckets are not pairs of an index and a count with rising indexes");
        }
        rc = rc < 0 ? rc : read_number(r, &count, why);
        if (rc >= 0) {
            rc = native_push(dst, index, count);
            rc = rc < 0 ? no_room(rc, why) : 0;
        }
    }
    return rc;
}

static int read_bounds(struct json_reader *r, struct native_histogram *h, struct err *why)
{
    int rc = enter_list(r, why);

    h->bounds_n = 0;
    while (rc >= 0 && (rc = json_next_element(r, why)) > 0) {
        double bound = 0;

        rc = read_number(r, &bound, why);
        if (rc >= 0) {
            rc = native_push_bound(h, bound);
            rc = rc < 0 ? no_room(rc, why) : 0;
        }
    }
    return rc;
}

static int read_member(struct json_reader *r, struct str key, struct native_histogram *h,
                       struct err *why)
{
    const struct {
        struct str name;
        double *value;
    } NUMBERS[] = {
        {STR("count"), &h->count},
        {STR("sum"), &h->sum},
        {STR("zero_count"), &h->zero_count},
        {STR("zero_threshold"), &h->zero_threshold},
    };

    int32_t hint = 0;
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++) {
        if (str_eq(key, NUMBERS[i].name)) {
            return read_number(r, NUMBERS[i].value, why);
        }
    }
    if (str_eq(key, STR("positive"))) {
        return read_buckets(r, &h->positive, why);
    }
    if (str_eq(key, STR("negative"))) {
        return read_buckets(r, &h->negative, why);
    }
    if (str_eq(key, STR("bounds"))) {
        return read_bounds(r, h, why);
    }
    if (str_eq(key, STR("schema"))) {
        return read_int(r, &h->schema, why);
    }
    if (!str_eq(key, STR("hint"))) {
        rc = json_peek(r, why);
        return rc < 0 ? rc : json_skip(r, why);
    }
    rc = read_int(r, &hint, why);
    h->hint = hint > NATIVE_UNKNOWN && hint <= NATIVE_GAUGE ? (uint8_t)hint : NATIVE_UNKNOWN;
    return rc;
}

int push_json_native(struct json_reader *r, struct native_histogram *h, struct err *why)
{
    struct str key;
    int type = json_peek(r, why);
    int rc;

    native_clear(h);
    if (type == JSON_NULL) {
        h->sum = sample_stale();
        return json_skip(r, why);
    }
    if (type >= 0 && type != JSON_OBJECT) {
        return err_set(why, ERR_INVALID, "a histogram is not an object");
    }
    rc = type < 0 ? type : json_enter(r, why);
    while (rc >= 0 && (rc = json_next_member(r, &key, why)) > 0) {
        rc = json_peek(r, why); /* past the colon */
        rc = rc < 0 ? rc : read_member(r, key, h, why);
    }
    rc = rc < 0 ? rc : native_validate(h, false, why);
    if (rc == 0 && isnan(h->zero_threshold)) {
        rc = err_set(why, ERR_INVALID, "zero threshold is NaN");
    }
    native_compact(h);
    return rc;
}
