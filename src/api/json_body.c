/* SPDX-License-Identifier: Apache-2.0
 *
 * jansson behind the few accessors the handlers need.
 */
#include "api/json_body.h"

#include <jansson.h>

int json_body_parse(struct http_exchange *x, struct json_body *ret, struct err *reterr)
{
    struct str body = http_body(x);
    json_error_t where;

    ret->root = json_loadb(body.n != 0 ? body.p : "", body.n, JSON_REJECT_DUPLICATES, &where);
    if (ret->root == NULL) {
        return err_set(reterr, ERR_INVALID, "body: line %d, column %d: %s", where.line,
                       where.column, where.text);
    }
    if (!json_is_object(ret->root)) {
        return err_set(reterr, ERR_INVALID, "body: expected a JSON object");
    }
    return 0;
}

void json_body_done(struct json_body *b)
{
    json_decref(b->root);
    b->root = NULL;
}

int json_body_str(const struct json_body *b, const char *key, bool required, struct str *ret,
                  struct err *reterr)
{
    const json_t *v = json_object_get(b->root, key);

    *ret = STR("");
    if (v == NULL || json_is_null(v)) {
        return required ? err_set(reterr, ERR_INVALID, "body: \"%s\" is missing", key) : 0;
    }
    if (!json_is_string(v)) {
        return err_set(reterr, ERR_INVALID, "body: \"%s\" must be a string", key);
    }
    *ret = str_of(json_string_value(v), json_string_length(v));
    return 0;
}

int json_body_i64(const struct json_body *b, const char *key, int64_t *ret, struct err *reterr)
{
    const json_t *v = json_object_get(b->root, key);

    if (v == NULL || json_is_null(v)) {
        return 0;
    }
    if (!json_is_integer(v)) {
        return err_set(reterr, ERR_INVALID, "body: \"%s\" must be an integer", key);
    }
    *ret = json_integer_value(v);
    return 0;
}

int json_body_str_at(const struct json_body *b, const char *key, size_t i, struct str *ret,
                     bool *ret_given, struct err *reterr)
{
    const json_t *list = json_object_get(b->root, key);
    const json_t *v;

    *ret_given = false;
    if (list != NULL && !json_is_array(list)) {
        return err_set(reterr, ERR_INVALID, "body: \"%s\" must be an array of strings", key);
    }
    v = json_array_get(list, i);
    if (v == NULL) {
        return 0;
    }
    if (!json_is_string(v)) {
        return err_set(reterr, ERR_INVALID, "body: \"%s[%zu]\" must be a string", key, i);
    }
    *ret = str_of(json_string_value(v), json_string_length(v));
    *ret_given = true;
    return 0;
}
