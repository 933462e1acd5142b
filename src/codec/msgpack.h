/* SPDX-License-Identifier: Apache-2.0
 *
 * MessagePack (github.com/msgpack/msgpack, spec.md): a pull reader that builds nothing, a scan that finds the end of a
 * value in a stream piece by piece, and a writer for small answers. Depth is limited; no length is believed before the
 * bytes are there.
 */
#ifndef CODEC_MSGPACK_H
#define CODEC_MSGPACK_H

#include "base/buf.h"

struct err;

enum { MSGPACK_DEPTH = 32 };

enum msgpack_type {
    MSGPACK_NIL,
    MSGPACK_BOOL,
    MSGPACK_INT,  /* i */
    MSGPACK_UINT, /* u: above INT64_MAX */
    MSGPACK_F64,
    MSGPACK_STR,   /* s: any bytes */
    MSGPACK_BIN,   /* s */
    MSGPACK_EXT,   /* s and ext */
    MSGPACK_ARRAY, /* n values follow */
    MSGPACK_MAP,   /* n pairs of values follow */
};

struct msgpack_item {
    enum msgpack_type type;
    int8_t ext;
    uint32_t n;

    union {
        bool b;
        int64_t i;
        uint64_t u;
        double f;
        struct str s; /* in the input */
    } u;
};

struct msgpack {
    const char *p;
    const char *end;
};

static inline struct msgpack msgpack_init(struct str s)
{
    return (struct msgpack){s.n != 0 ? s.p : "", s.n != 0 ? s.p + s.n : ""};
}

/** The next value; of an array or map only its head. @return 1; 0 at the end; -ERR_TRUNCATED, -ERR_INVALID */
NODISCARD int msgpack_next(struct msgpack *m, struct msgpack_item *ret, struct err *reterr);
/** What follows the head of a value (nothing for a scalar). @return 0, -ERR_TRUNCATED, -ERR_INVALID, -ERR_LIMIT */
NODISCARD int msgpack_skip(struct msgpack *m, const struct msgpack_item *head, struct err *reterr);

/** How far a value at the start of a stream was looked at. Zeroed at the start of each. */
struct msgpack_scan {
    size_t at; /* bytes of it known to be right; all of it when msgpack_scan() answers 1 */
    unsigned depth;
    uint64_t left[MSGPACK_DEPTH]; /* values to come, by depth */
};

/** Look on. `data` starts where it did before and has grown. @return 1: the value is whole; 0: more is needed;
 * -ERR_INVALID, -ERR_LIMIT (depth) */
NODISCARD int msgpack_scan(struct msgpack_scan *s, struct str data);

void msgpack_put_nil(struct buf *b);
void msgpack_put_bool(struct buf *b, bool v);
void msgpack_put_str(struct buf *b, struct str s);
void msgpack_put_bin(struct buf *b, struct str s);
void msgpack_put_array(struct buf *b, uint16_t n);
void msgpack_put_map(struct buf *b, uint16_t n);

#endif
