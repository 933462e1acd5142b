/* SPDX-License-Identifier: Apache-2.0
 *
 * A text file so that a person can read it. The last line is the CRC-32C of everything before it: a file
 * that was damaged is not believed in part.
 */
#include "agent/positions.h"

#include <inttypes.h>

#include "agent/text.h"
#include "base/err.h"
#include "base/hash.h"

static const char HEADING[] = "bongsu-positions 1\n";

/* Blanks, controls and '%' as %XX. */
static void add_path(struct buf *dst, const char *path)
{
    for (const char *c = path; *c != '\0'; c++) {
        unsigned char u = (unsigned char)*c;

        if (u <= ' ' || u == '%' || u == 0x7f) {
            buf_printf(dst, "%%%02x", u);
        } else {
            buf_add_byte(dst, *c);
        }
    }
}

void positions_encode(const positions *p, struct buf *dst)
{
    size_t start = dst->n;

    buf_add_cstr(dst, HEADING);
    for (size_t i = 0; i < p->n; i++) {
        const struct position *x = &p->v[i];

        buf_printf(dst, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %d %" PRIu32 " %" PRIu64 " ", x->dev,
                   x->ino, x->offset, x->skipping ? 1 : 0, x->fingerprint_n, x->fingerprint);
        add_path(dst, x->path);
        buf_add_byte(dst, '\n');
    }
    if (buf_status(dst) == 0) {
        buf_printf(dst, "crc32c %08" PRIx32 "\n", crc32c(0, dst->data + start, dst->n - start));
    }
}

static char *decode_path(struct str s)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 8192);
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];

        if (c == '%') {
            if (s.n - i < 3 || !hex_decode(str_of(s.p + i + 1, 2), &c, 1) || c == 0) {
                return NULL;
            }
            i += 2;
        }
        buf_add_byte(&b, (char)c);
    }
    return buf_status(&b) == 0 && b.n != 0 && b.data[0] == '/' ? str_dup(buf_str(&b)) : NULL;
}

static int decode_line(struct str line, positions *ret)
{
    struct position x = {0};
    uint64_t skipping;
    uint64_t n;
    struct str path;

    if (!text_u64(&line, &x.dev) || !text_u64(&line, &x.ino) || !text_u64(&line, &x.offset) ||
        !text_u64(&line, &skipping) || skipping > 1 || !text_u64(&line, &n) ||
        n > FINGERPRINT_BYTES || !text_u64(&line, &x.fingerprint) || !text_field(&line, &path) ||
        x.offset > INT64_MAX) {
        return -ERR_CORRUPT;
    }
    x.skipping = skipping != 0;
    x.fingerprint_n = (uint32_t)n;
    if (ret->n == POSITIONS_MAX) {
        return -ERR_LIMIT;
    }
    x.path = decode_path(path);
    if (x.path == NULL) {
        return -ERR_CORRUPT;
    }
    if (!vec_push(ret, x)) {
        mem_free(x.path);
        return -ERR_NOMEM;
    }
    return 0;
}

int positions_decode(struct str text, positions *ret)
{
    enum { TRAILER = 16 }; /* "crc32c 01234567\n" */

    uint8_t crc[4];
    struct str body;
    struct str line;
    int rc = 0;

    if (text.n < TRAILER || !str_starts(text, str_cstr(HEADING))) {
        return -ERR_CORRUPT;
    }
    body = str_take(text, text.n - TRAILER);
    line = str_drop(text, body.n);
    if (!str_starts(line, STR("crc32c ")) || line.p[TRAILER - 1] != '\n' ||
        !hex_decode(str_of(line.p + 7, 8), crc, sizeof(crc)) ||
        crc32c(0, body.p, body.n) !=
            ((uint32_t)crc[0] << 24 | (uint32_t)crc[1] << 16 | (uint32_t)crc[2] << 8 | crc[3])) {
        return -ERR_CORRUPT;
    }
    body = str_drop(body, strlen(HEADING));
    while (rc == 0 && body.n != 0 && text_line(&body, &line)) {
        rc = line.n != 0 ? decode_line(line, ret) : 0;
    }
    if (rc < 0) {
        positions_done(ret);
    }
    return rc;
}

void positions_done(positions *p)
{
    for (size_t i = 0; i < p->n; i++) {
        mem_free(p->v[i].path);
    }
    vec_done(p);
}
