/* SPDX-License-Identifier: Apache-2.0
 *
 * Small JSON request bodies, read with jansson: an object whose members are asked for by name, with errors
 * that name the member.
 */
#ifndef API_JSON_BODY_H
#define API_JSON_BODY_H

#include "net/http_server.h"

struct json_t; /* jansson's; its header shares names with codec/json_write.h */

struct json_body {
    struct json_t *root; /* owned; NULL after a failed parse */
};

/** @return 0; -ERR_INVALID with line and column */
NODISCARD int json_body_parse(struct http_exchange *x, struct json_body *ret, struct err *reterr);
void json_body_done(struct json_body *b);

/** Members; strings live until json_body_done(). Missing and not required: empty / untouched. */
NODISCARD int json_body_str(const struct json_body *b, const char *key, bool required,
                            struct str *ret, struct err *reterr);
NODISCARD int json_body_i64(const struct json_body *b, const char *key, int64_t *ret,
                            struct err *reterr);
/** i-th string of an array member; false beyond its end. */
NODISCARD int json_body_str_at(const struct json_body *b, const char *key, size_t i,
                               struct str *ret, bool *ret_given, struct err *reterr);

#endif
