/* SPDX-License-Identifier: Apache-2.0
 *
 * One table of formats: the first byte tells kind and how many bytes of length follow.
 */
#include "codec/msgpack.h"

#include "base/err.h"

static uint64_t big_endian(const char *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        v = v << 8 | (uint8_t)p[i];
    }
    return v;
}

static int truncated(struct err *reterr)
{
    return err_set(reterr, ERR_TRUNCATED, "msgpack ends within a value");
}

/* Bytes of a string or the like after its head. @return 1, -ERR_TRUNCATED */
static int bytes_of(struct msgpack *m, const char *from, uint64_t n, struct msgpack_item *it,
                    struct err *reterr)
{
    if ((uint64_t)(m->end - from) < n) {
        return truncated(reterr);
    }
    it->u.s = str_of(from, (size_t)n);
    m->p = from + n;
    return 1;
}

static int fixed(struct msgpack *m, uint8_t c, struct msgpack_item *it, struct err *reterr)
{
    if (c <= 0x7f) {
        it->type = MSGPACK_INT;
        it->u.i = c;
    } else if (c >= 0xe0) {
        it->type = MSGPACK_INT;
        it->u.i = (int64_t)c - 256;
    } else if (c <= 0x8f) {
        it->type = MSGPACK_MAP;
        it->n = c & 0x0f;
    } else if (c <= 0x9f) {
        it->type = MSGPACK_ARRAY;
        it->n = c & 0x0f;
    } else {
        it->type = MSGPACK_STR;
        return bytes_of(m, m->p + 1, c & 0x1f, it, reterr);
    }
    m->p++;
    return 1;
}

static void number(uint8_t c, uint64_t v, struct msgpack_item *it)
{
    if (c == 0xca) {
        uint32_t bits = (uint32_t)v;
        float f;

        memcpy(&f, &bits, sizeof(f));
        it->type = MSGPACK_F64;
        it->u.f = (double)f;
    } else if (c == 0xcb) {
        it->type = MSGPACK_F64;
        memcpy(&it->u.f, &v, sizeof(v));
    } else if (c == 0xcf && v > INT64_MAX) {
        it->type = MSGPACK_UINT;
        it->u.u = v;
    } else {
        it->type = MSGPACK_INT;
        it->u.i = c == 0xd0   ? (int8_t)v
                  : c == 0xd1 ? (int16_t)v
                  : c == 0xd2 ? (int32_t)v
                              : (int64_t)v;
    }
}

/* By first byte from 0xc0 on: bytes of the length or the number after it, and what it is. */
static const struct {
    uint8_t size;
    char
        kind; /* n nil, b bool, # number, s str, i bin, e ext, x ext of fixed size, a array, m map, ! never used */
} FORMATS[32] = {
    {0, 'n'},  {0, '!'}, {0, 'b'}, {0, 'b'}, {1, 'i'}, {2, 'i'}, {4, 'i'}, {1, 'e'},
    {2, 'e'},  {4, 'e'}, {4, '#'}, {8, '#'}, {1, '#'}, {2, '#'}, {4, '#'}, {8, '#'},
    {1, '#'},  {2, '#'}, {4, '#'}, {8, '#'}, {1, 'x'}, {2, 'x'}, {4, 'x'}, {8, 'x'},
    {16, 'x'}, {1, 's'}, {2, 's'}, {4, 's'}, {2, 'a'}, {4, 'a'}, {2, 'm'}, {4, 'm'},
};

int msgpack_next(struct msgpack *m, struct msgpack_item *ret, struct err *reterr)
{
    struct msgpack_item it = {.type = MSGPACK_NIL};
    const char *after;
    uint64_t v;
    size_t size;
    uint8_t c;
    char kind;
    int rc = 1;

    if (m->p == m->end) {
        return 0;
    }
    c = (uint8_t)m->p[0];
    if (c < 0xc0 || c >= 0xe0) {
        rc = fixed(m, c, &it, reterr);
        *ret = it;
        return rc;
    }
    kind = FORMATS[c - 0xc0].kind;
    size = FORMATS[c - 0xc0].size;
    if (kind == '!') {
        return err_set(reterr, ERR_INVALID, "msgpack: 0xc1 is no value");
    }
    if (kind != 'x' && (size_t)(m->end - m->p) < 1 + size) {
        return truncated(reterr);
    }
    v = kind == 'x' ? size : big_endian(m->p + 1, size);
    after = m->p + 1 + (kind == 'x' ? 0 : size);
    switch (kind) {
    case 'b':
        it = (struct msgpack_item){.type = MSGPACK_BOOL, .u.b = c == 0xc3};
        break;
    case '#':
        number(c, v, &it);
        break;
    case 's':
    case 'i':
        it.type = kind == 's' ? MSGPACK_STR : MSGPACK_BIN;
        rc = bytes_of(m, after, v, &it, reterr);
        after = m->p;
        break;
    case 'e':
    case 'x':
        it.type = MSGPACK_EXT;
        if (after == m->end) {
            return truncated(reterr);
        }
        it.ext = (int8_t)*after;
        rc = bytes_of(m, after + 1, v, &it, reterr);
        after = m->p;
        break;
    case 'a':
    case 'm':
        it.type = kind == 'a' ? MSGPACK_ARRAY : MSGPACK_MAP;
        it.n = (uint32_t)v;
        break;
    default:
        break;
    }
    m->p = after;
    *ret = it;
    return rc;
}

static uint64_t children(const struct msgpack_item *it)
{
    return it->type == MSGPACK_ARRAY ? it->n : it->type == MSGPACK_MAP ? 2 * (uint64_t)it->n : 0;
}

/* One head: count it off and go down or up. @return 1 when the outermost value is whole */
static int step(struct msgpack_scan *s, const struct msgpack_item *it)
{
    uint64_t n = children(it);

    if (n != 0) {
        if (s->depth == MSGPACK_DEPTH) {
            return -ERR_LIMIT;
        }
        s->left[s->depth++] = n;
        return 0;
    }
    while (s->depth != 0 && --s->left[s->depth - 1] == 0) {
        s->depth--;
    }
    return s->depth == 0;
}

int msgpack_scan(struct msgpack_scan *s, struct str data)
{
    struct msgpack m = msgpack_init(str_drop(data, s->at));
    const char *start = m.p;
    size_t before = s->at;
    int rc = 0;

    while (rc == 0) {
        struct msgpack_item it;

        rc = msgpack_next(&m, &it, NULL);
        if (rc == 0 || rc == -ERR_TRUNCATED) {
            return 0;
        }
        if (rc > 0) {
            s->at = before + (size_t)(m.p - start);
            rc = step(s, &it);
        }
    }
    return rc;
}

int msgpack_skip(struct msgpack *m, const struct msgpack_item *head, struct err *reterr)
{
    struct msgpack_scan s = {0};
    int rc = step(&s, head);

    while (rc == 0) {
        struct msgpack_item it;

        rc = msgpack_next(m, &it, reterr);
        if (rc == 0) {
            return truncated(reterr);
        }
        rc = rc < 0 ? rc : step(&s, &it);
    }
    return rc == -ERR_LIMIT
               ? err_set(reterr, ERR_LIMIT, "msgpack is nested deeper than %d", MSGPACK_DEPTH)
               : (rc < 0 ? rc : 0);
}

/* ---- writer ---- */

static void put_be(struct buf *b, uint8_t head, uint64_t v, size_t n)
{
    buf_add_byte(b, (char)head);
    while (n-- != 0) {
        buf_add_byte(b, (char)(v >> (8 * n)));
    }
}

void msgpack_put_nil(struct buf *b)
{
    put_be(b, 0xc0, 0, 0);
}

void msgpack_put_bool(struct buf *b, bool v)
{
    put_be(b, v ? 0xc3 : 0xc2, 0, 0);
}

void msgpack_put_str(struct buf *b, struct str s)
{
    if (s.n < 32) {
        put_be(b, (uint8_t)(0xa0 | s.n), 0, 0);
    } else {
        put_be(b, s.n < 256 ? 0xd9 : 0xdb, s.n, s.n < 256 ? 1 : 4);
    }
    buf_add_str(b, s);
}

void msgpack_put_bin(struct buf *b, struct str s)
{
    put_be(b, s.n < 256 ? 0xc4 : 0xc6, s.n, s.n < 256 ? 1 : 4);
    buf_add_str(b, s);
}

void msgpack_put_array(struct buf *b, uint16_t n)
{
    put_be(b, 0xdc, n, 2);
}

void msgpack_put_map(struct buf *b, uint16_t n)
{
    put_be(b, 0xde, n, 2);
}
