/* SPDX-License-Identifier: Apache-2.0
 *
 * Record layout and segment scanning, shared by the writer, the replay and the fuzz target of this folder.
 */
#ifndef STORE_WAL_WAL_INTERNAL_H
#define STORE_WAL_WAL_INTERNAL_H

#include "store/wal/wal.h"

enum {
    WAL_MAGIC_SIZE = 8,
    WAL_HEADER_SIZE = 9, /* u32 payload length, u32 crc32c(type, payload), u8 type; little endian */
    WAL_MAX_RECORD = 64 << 20,
    WAL_NAME_SIZE = 32,
    WAL_BEGIN_SIZE =
        16, /* payload of the first record, type WAL_RUN: u64 run (random, of one opening of the log),
                          * u64 end of the segment before; older segments have no such record */
    WAL_START_SIZE = WAL_MAGIC_SIZE + WAL_HEADER_SIZE + WAL_BEGIN_SIZE,
};

#define WAL_MAGIC "BNGSWAL\x01"

enum wal_tail {
    WAL_TAIL_CLEAN,   /* ends exactly after a record */
    WAL_TAIL_TORN,    /* the last record is incomplete or only zeros follow: a cut-off write */
    WAL_TAIL_CORRUPT, /* a complete record whose checksum does not fit, or a foreign file */
};

struct wal_scan {
    uint64_t records; /* valid ones, without WAL_RUN */
    uint64_t end;     /* offset after the last valid record */
    uint64_t lost;    /* CORRUPT: records that seem to follow `end`, counted by their lengths */
    enum wal_tail tail;
};

/** Walk the records of one segment held in memory. Never reads outside [p, p + n).
 * @return 0 or the non-zero result of `fn`, with which the walk stops */
int wal_scan_segment(struct str bytes, uint64_t segment,
                     int (*fn)(void *arg, uint8_t type, struct str payload, struct wal_pos pos),
                     void *arg, struct wal_scan *ret);

/** "%016llx.wal" */
void wal_segment_name(uint64_t segment, char dst[WAL_NAME_SIZE]);
/** @return false when it is not the name of a segment */
bool wal_segment_parse(const char *name, uint64_t *ret);

static inline uint32_t wal_get_u32(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;

    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline void wal_put_u32(uint8_t *b, uint32_t v)
{
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
    b[2] = (uint8_t)(v >> 16);
    b[3] = (uint8_t)(v >> 24);
}

#endif
