/* SPDX-License-Identifier: Apache-2.0
 *
 * A pull reader for JSON (RFC 8259): the caller walks the text member by member and nothing is built. Depth
 * is limited, duplicate keys are the caller's business, errors name the byte offset. Invalid UTF-8 inside
 * strings is handed on as it is.
 */
#ifndef CODEC_JSON_READ_H
#define CODEC_JSON_READ_H

#include "base/buf.h"

struct err;

enum json_type {
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_BOOL,
    JSON_NULL,
};

struct json_reader {
    const char *p;
    const char *end;
    const char *base;
    struct buf *scratch; /* borrowed: strings with escapes are put together here */
    unsigned depth;
    unsigned max_depth;
    bool first; /* inside a container just entered */
};

void json_read_init(struct json_reader *r, struct str text, unsigned max_depth,
                    struct buf *scratch);
/** Type of the next value, nothing consumed. @return enum json_type; -ERR_INVALID, -ERR_TRUNCATED */
NODISCARD int json_peek(struct json_reader *r, struct err *reterr);
/** Step into the object or array that json_peek() announced. @return 0, -ERR_LIMIT (depth) */
NODISCARD int json_enter(struct json_reader *r, struct err *reterr);
/** Next key of the object; its value must be read or skipped before the next call. The key is valid until
 * the next string is read. @return 1; 0 after the closing brace; -ERR_INVALID, -ERR_TRUNCATED, -ERR_NOMEM */
NODISCARD int json_next_member(struct json_reader *r, struct str *ret_key, struct err *reterr);
/** The same for arrays. */
NODISCARD int json_next_element(struct json_reader *r, struct err *reterr);
/** A string, unescaped; valid until the next string is read. Lone surrogates become U+FFFD. */
NODISCARD int json_read_str(struct json_reader *r, struct str *ret, struct err *reterr);
/** A number as its text, checked against the grammar. */
NODISCARD int json_read_number(struct json_reader *r, struct str *ret, struct err *reterr);
NODISCARD int json_read_bool(struct json_reader *r, bool *ret, struct err *reterr);
/** Any value. */
NODISCARD int json_skip(struct json_reader *r, struct err *reterr);
/** 0 when only white space is left. */
NODISCARD int json_read_end(struct json_reader *r, struct err *reterr);

#endif
