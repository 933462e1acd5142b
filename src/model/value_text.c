/* SPDX-License-Identifier: Apache-2.0
 *
 * Values as JSON and as text; see value_text.h.
 */
#include "model/value_text.h"

#include "codec/base64.h"
#include "codec/json_write.h"

static void add_text(struct buf *dst, struct str s)
{
    struct json_writer w;

    json_init(&w, dst);
    json_str(&w, s);
}

static void add_json(struct buf *dst, const struct value *v, unsigned depth)
{
    if (depth > VALUE_DEPTH_MAX) {
        dst->failed = true;
        return;
    }
    switch (v->type) {
    case VALUE_NONE:
        buf_add_cstr(dst, "null");
        break;
    case VALUE_STR:
        add_text(dst, v->u.s);
        break;
    case VALUE_BOOL:
        buf_add_cstr(dst, v->u.b ? "true" : "false");
        break;
    case VALUE_I64:
        buf_add_i64(dst, v->u.i);
        break;
    case VALUE_F64:
        if (v->u.f - v->u.f == 0) {
            buf_add_f64(dst, v->u.f);
        } else { /* JSON has no NaN and no Inf */
            buf_add_byte(dst, '"');
            buf_add_f64(dst, v->u.f);
            buf_add_byte(dst, '"');
        }
        break;
    case VALUE_BYTES:
        buf_add_byte(dst, '"');
        base64_encode(v->u.s, dst);
        buf_add_byte(dst, '"');
        break;
    case VALUE_ARRAY:
        buf_add_byte(dst, '[');
        for (size_t i = 0; i < v->u.array.n; i++) {
            if (i != 0) {
                buf_add_byte(dst, ',');
            }
            add_json(dst, &v->u.array.v[i], depth + 1);
        }
        buf_add_byte(dst, ']');
        break;
    case VALUE_MAP:
        buf_add_byte(dst, '{');
        for (size_t i = 0; i < v->u.map.n; i++) {
            if (i != 0) {
                buf_add_byte(dst, ',');
            }
            add_text(dst, v->u.map.v[i].key);
            buf_add_byte(dst, ':');
            add_json(dst, &v->u.map.v[i].value, depth + 1);
        }
        buf_add_byte(dst, '}');
        break;
    }
}

void value_json(struct buf *dst, const struct value *v)
{
    add_json(dst, v, 0);
}

struct str value_text(const struct value *v, struct buf *scratch)
{
    buf_clear(scratch);
    switch (v->type) {
    case VALUE_STR:
        return v->u.s;
    case VALUE_NONE:
        return STR("");
    case VALUE_BOOL:
        return v->u.b ? STR("true") : STR("false");
    case VALUE_BYTES:
        base64_encode(v->u.s, scratch);
        break;
    case VALUE_F64:
        buf_add_f64(scratch, v->u.f);
        break;
    case VALUE_I64:
    case VALUE_ARRAY:
    case VALUE_MAP:
        add_json(scratch, v, 0);
        break;
    }
    return buf_str(scratch);
}
