/* SPDX-License-Identifier: Apache-2.0
 *
 * How far each log file was delivered, kept across restarts. A file is its device, inode and fingerprint (a
 * hash of its first bytes), because inodes are reused and names change.
 */
#ifndef AGENT_POSITIONS_H
#define AGENT_POSITIONS_H

#include "base/buf.h"
#include "base/vec.h"

struct err;

enum { FINGERPRINT_BYTES = 256, POSITIONS_MAX = 4096 };

struct position {
    uint64_t dev;
    uint64_t ino;
    uint64_t offset;        /* bytes delivered */
    uint64_t fingerprint;   /* XXH3 of the first fingerprint_n bytes */
    uint32_t fingerprint_n; /* at most FINGERPRINT_BYTES; fewer when the file was shorter */
    bool skipping;          /* offset lies in a line that was cut */
    char *path;             /* owned; where it was seen last */
};

typedef VEC(struct position) positions;

/** Text form, one file a line, with a checksum at the end (see README.md). */
void positions_encode(const positions *p, struct buf *dst);
/** Append to an empty list. @return 0, -ERR_CORRUPT, -ERR_NOMEM, -ERR_LIMIT; the list is empty then */
NODISCARD int positions_decode(struct str text, positions *ret);
void positions_done(positions *p);

#endif
