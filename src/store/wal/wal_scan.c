/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a segment back. What a crash can leave (an incomplete or zero-filled last record) is told apart
 * from damage, and neither is ever handed on as data.
 */
#include <stdio.h>

#include "base/hash.h"
#include "store/wal/wal_internal.h"

void wal_segment_name(uint64_t segment, char dst[WAL_NAME_SIZE])
{
    snprintf(dst, WAL_NAME_SIZE, "%016llx.wal", (unsigned long long)segment);
}

bool wal_segment_parse(const char *name, uint64_t *ret)
{
    uint64_t v = 0;

    if (strlen(name) != 20 || strcmp(name + 16, ".wal") != 0) {
        return false;
    }
    for (int i = 0; i < 16; i++) {
        char c = name[i];

        if (c >= '0' && c <= '9') {
            v = v << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *ret = v;
    return true;
}

static bool only_zeros(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != 0) {
            return false;
        }
    }
    return true;
}

/** Records that seem to lie in `rest`, walking by their lengths. */
static uint64_t count_lost(struct str rest)
{
    uint64_t n = 0;

    while (rest.n >= WAL_HEADER_SIZE) {
        uint64_t size = (uint64_t)WAL_HEADER_SIZE + wal_get_u32(rest.p);

        n++;
        if (size > rest.n) {
            break;
        }
        rest = str_drop(rest, size);
    }
    return n;
}

static enum wal_tail judge(struct str rest)
{
    uint32_t len;

    if (rest.n == 0) {
        return WAL_TAIL_CLEAN;
    }
    if (rest.n < WAL_HEADER_SIZE || only_zeros(rest)) {
        return WAL_TAIL_TORN;
    }
    len = wal_get_u32(rest.p);
    if (len > WAL_MAX_RECORD) {
        return WAL_TAIL_CORRUPT;
    }
    return len > rest.n - WAL_HEADER_SIZE ? WAL_TAIL_TORN : WAL_TAIL_CORRUPT;
}

int wal_scan_segment(struct str bytes, uint64_t segment,
                     int (*fn)(void *arg, uint8_t type, struct str payload, struct wal_pos pos),
                     void *arg, struct wal_scan *ret)
{
    struct wal_scan s = {0};
    struct str rest = bytes;

    if (bytes.n < WAL_MAGIC_SIZE) {
        s.tail = bytes.n == 0 ? WAL_TAIL_CLEAN : WAL_TAIL_TORN;
        *ret = s;
        return 0;
    }
    if (memcmp(bytes.p, WAL_MAGIC, WAL_MAGIC_SIZE) != 0) {
        s.tail = only_zeros(bytes) ? WAL_TAIL_TORN : WAL_TAIL_CORRUPT;
        s.lost = s.tail == WAL_TAIL_CORRUPT ? 1 : 0;
        *ret = s;
        return 0;
    }
    rest = str_drop(rest, WAL_MAGIC_SIZE);
    while (rest.n >= WAL_HEADER_SIZE) {
        uint32_t len = wal_get_u32(rest.p);
        struct wal_pos pos = {segment, bytes.n - rest.n};
        int rc;

        if (len > WAL_MAX_RECORD || len > rest.n - WAL_HEADER_SIZE ||
            crc32c(0, rest.p + 8, (size_t)len + 1) != wal_get_u32(rest.p + 4)) {
            break;
        }
        rc = fn(arg, (uint8_t)rest.p[8], str_of(rest.p + WAL_HEADER_SIZE, len), pos);
        if (rc != 0) {
            return rc;
        }
        s.records += (uint8_t)rest.p[8] != WAL_RUN ? 1 : 0;
        rest = str_drop(rest, WAL_HEADER_SIZE + (size_t)len);
    }
    s.end = bytes.n - rest.n;
    s.tail = judge(rest);
    s.lost = s.tail == WAL_TAIL_CORRUPT ? count_lost(rest) : 0;
    *ret = s;
    return 0;
}
