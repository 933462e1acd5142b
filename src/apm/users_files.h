/* SPDX-License-Identifier: Apache-2.0
 *
 * Sketches of users on disk: files that are appended to, one per level and span of time. Several records of one slot
 * are united by who reads, so writing one twice, or a part of one later, is right by construction.
 */
#ifndef APM_USERS_FILES_H
#define APM_USERS_FILES_H

#include "base/cancel.h"
#include "base/str.h"

struct err;
struct users_files;
struct vfs;

/** Fine to coarse; the numbers are in files. */
enum users_level { USERS_2S, USERS_1M, USERS_5M, USERS_1H, USERS_1D, USERS_LEVELS };

int64_t users_level_s(enum users_level l);        /* seconds of a slot: 2, 60, 300, 3600, 86400 */
const char *users_level_name(enum users_level l); /* "2s", "1m", ... */

struct users_record {
    int64_t start_s; /* of the slot; Unix, a multiple of the level's length */
    struct str group;
    struct str sketch; /* hll_encode() */
    uint8_t level;     /* enum users_level */
    uint8_t identity;  /* enum users_identity */
};

struct users_files_opts {
    const char *dir; /* made when missing */
    const struct vfs *vfs;
    int64_t retention_s[USERS_LEVELS];
    uint64_t max_bytes; /* then the oldest file of the finest level goes first */
};

/** @return 0, -ERR_IO, -ERR_NOSPACE */
NODISCARD int users_files_open(const struct users_files_opts *o, struct users_files **ret,
                               struct err *reterr);
/** Writes what is buffered. NULL is fine. */
void users_files_close(struct users_files *f);

/* Writing: by one thread. */

/** Buffered up to users_files_flush(). `at_s` chooses the file. @return 0; -ERR_NOMEM; as users_files_flush() */
NODISCARD int users_files_put(struct users_files *f, int64_t at_s, const struct users_record *r,
                              struct err *reterr);
/** With the kernel when it returns; on the disk with `sync`. After a failure what is buffered is tried again with the
 * next call. @return 0, -ERR_IO, -ERR_NOSPACE */
NODISCARD int users_files_flush(struct users_files *f, bool sync, struct err *reterr);
/** Remove what is too old or too much. */
void users_files_trim(struct users_files *f, int64_t now_s);

/* Any thread. */

struct users_scan {
    enum users_level level;
    int64_t from_s, to_s; /* files that may hold slots of it */
    /** Is the file from..to needed? NULL: all are. */
    bool (*wanted)(void *arg, int64_t from_s, int64_t to_s);
    /** Its strings live during the call. @return 0; else the scan ends with it */
    int (*fn)(void *arg, const struct users_record *r);
    void *arg;
    struct cancel *cancel; /* may be NULL */
};

/** A damaged record ends its file, with a line in the log. @return 0, what fn returned, -ERR_CANCELED, -ERR_IO */
NODISCARD int users_files_scan(struct users_files *f, const struct users_scan *s,
                               struct err *reterr);
uint64_t users_files_bytes(const struct users_files *f);
/** Start of the oldest file of a level; INT64_MAX: none. */
int64_t users_files_oldest_s(const struct users_files *f, enum users_level l);
/** Start of the newest; INT64_MIN: none. */
int64_t users_files_newest_s(const struct users_files *f, enum users_level l);

/** The next record of bytes. @return its bytes; 0: they end within it; -ERR_CORRUPT */
NODISCARD int64_t users_record_decode(struct str bytes, struct users_record *ret);

#endif
