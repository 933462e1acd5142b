/* SPDX-License-Identifier: Apache-2.0
 *
 * Base64 both ways; see base64.h.
 */
#include "codec/base64.h"

void base64_encode(struct str src, struct buf *dst)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < src.n; i += 3) {
        size_t left = src.n - i;
        uint32_t v = (uint32_t)(uint8_t)src.p[i] << 16;
        char out[4];

        v |= left > 1 ? (uint32_t)(uint8_t)src.p[i + 1] << 8 : 0;
        v |= left > 2 ? (uint32_t)(uint8_t)src.p[i + 2] : 0;
        out[0] = DIGITS[v >> 18];
        out[1] = DIGITS[v >> 12 & 63];
        out[2] = '=';
        out[3] = '=';
        if (left > 1) {
            out[2] = DIGITS[v >> 6 & 63];
        }
        if (left > 2) {
            out[3] = DIGITS[v & 63];
        }
        buf_add(dst, out, sizeof(out));
    }
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(struct str src, struct buf *dst)
{
    size_t padding = 0;
    uint32_t v = 0;

    while (padding < 2 && src.n != 0 && src.p[src.n - 1] == '=') {
        src.n--;
        padding++;
    }
    if (src.n % 4 == 1 || (padding != 0 && (src.n + padding) % 4 != 0)) {
        return false;
    }
    for (size_t i = 0; i < src.n; i++) {
        int d = digit(src.p[i]);

        if (d < 0) {
            return false;
        }
        v = v << 6 | (uint32_t)d;
        if (i % 4 != 0) { /* digits 1, 2, 3 of a group complete a byte */
            buf_add_byte(dst, (char)(v >> (6 - 2 * (i % 4))));
        }
    }
    return true;
}
