/* SPDX-License-Identifier: Apache-2.0
 *
 * A streaming JSON writer into a buffer (RFC 8259): commas and escapes are its business. Invalid UTF-8 is
 * written as U+FFFD so that the output is always valid.
 */
#ifndef CODEC_JSON_WRITE_H
#define CODEC_JSON_WRITE_H

#include "base/buf.h"

struct json_writer {
    struct buf *dst; /* borrowed */
    bool comma;      /* the next value or key needs one */
};

void json_init(struct json_writer *w, struct buf *dst);
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, const char *key); /* constant, needs no escape */
void json_key_str(struct json_writer *w, struct str key);
void json_str(struct json_writer *w, struct str s);
/** A key with a text: what labels are made of. */
void json_member(struct json_writer *w, struct str key, struct str value);
void json_cstr(struct json_writer *w, const char *s);
void json_i64(struct json_writer *w, int64_t v);
void json_u64(struct json_writer *w, uint64_t v);
/** NaN and infinities, which JSON lacks, are written as null. */
void json_f64(struct json_writer *w, double v);
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
/** Decimal in quotes, for 64-bit values beyond JSON's exact range. */
void json_i64_str(struct json_writer *w, int64_t v);
/** Bytes that already are one JSON value. */
void json_raw(struct json_writer *w, struct str json);

#endif
