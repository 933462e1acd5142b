/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes through the JSON reader. What it accepts is written again by the writer: the copy must be
 * accepted and be written the same.
 */
#include <stdlib.h>

#include "base/err.h"
#include "codec/base64.h"
#include "codec/json_read.h"
#include "codec/json_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int copy_value(struct json_reader *r, struct json_writer *w, struct err *e);

static int copy_container(struct json_reader *r, struct json_writer *w, int type, struct err *e)
{
    struct str key;
    int rc = json_enter(r, e);

    if (rc < 0) {
        return rc;
    }
    if (type == JSON_OBJECT) {
        json_object_begin(w);
        while ((rc = json_next_member(r, &key, e)) > 0) {
            json_key_str(w, key);
            rc = copy_value(r, w, e);
            if (rc < 0) {
                return rc;
            }
        }
        json_object_end(w);
    } else {
        json_array_begin(w);
        while ((rc = json_next_element(r, e)) > 0) {
            rc = copy_value(r, w, e);
            if (rc < 0) {
                return rc;
            }
        }
        json_array_end(w);
    }
    return rc;
}

static int copy_value(struct json_reader *r, struct json_writer *w, struct err *e)
{
    int type = json_peek(r, e);
    bool b = false;
    struct str s;
    int rc;

    switch (type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return copy_container(r, w, type, e);
    case JSON_STRING:
        rc = json_read_str(r, &s, e);
        if (rc == 0) {
            json_str(w, s);
        }
        return rc;
    case JSON_NUMBER:
        rc = json_read_number(r, &s, e);
        if (rc == 0) {
            json_raw(w, s);
        }
        return rc;
    case JSON_BOOL:
        rc = json_read_bool(r, &b, e);
        json_bool(w, b);
        return rc;
    case JSON_NULL:
        json_null(w);
        return json_skip(r, e);
    default:
        return type;
    }
}

static int copy(struct str text, struct buf *dst, struct err *e)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    struct json_reader r;
    struct json_writer w;
    int rc;

    buf_init(&scratch, 1 << 22);
    json_init(&w, dst);
    json_read_init(&r, text, 64, &scratch);
    rc = copy_value(&r, &w, e);
    return rc < 0 ? rc : json_read_end(&r, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data, size);
    struct buf one CLEANUP(buf_done) = {0};
    struct buf two CLEANUP(buf_done) = {0};
    struct err e = {0};

    buf_init(&one, 1 << 22);
    buf_init(&two, 1 << 22);
    if (copy(text, &one, &e) < 0) {
        if (e.msg[0] == '\0') {
            abort();
        }
    } else if (!str_is_utf8(buf_str(&one)) || copy(buf_str(&one), &two, &e) < 0 ||
               !str_eq(buf_str(&one), buf_str(&two))) {
        abort();
    }
    buf_clear(&one);
    buf_clear(&two);
    if (base64_decode(text, &one)) {
        base64_encode(buf_str(&one), &two);
        buf_clear(&one);
        if (!base64_decode(buf_str(&two), &one)) {
            abort();
        }
    }
    return 0;
}
