/* SPDX-License-Identifier: Apache-2.0
 *
 * One followed file and the list of them, shared by tail.c (reading) and tail_find.c (finding).
 */
#ifndef AGENT_TAIL_INTERNAL_H
#define AGENT_TAIL_INTERNAL_H

#include <sys/stat.h>

#include "agent/positions.h"
#include "agent/tail.h"
#include "base/clock.h"

enum { TAIL_FILES_MAX = 512, TAIL_SOURCES_MAX = 64 };

struct fingerprint {
    uint64_t hash;
    uint32_t n;
};

struct tail_file {
    uint64_t id;
    uint64_t dev;
    uint64_t ino;
    char *path; /* owned, with the root prefix */
    int fd;
    const struct log_source *source; /* NULL: no pattern matches any more */
    uint32_t generation;             /* rises with every truncation */
    struct fingerprint print;
    /* of the content before the last truncation: its copy (copytruncate) may still be found */
    struct fingerprint old_print;
    uint64_t old_offset;
    uint64_t offset;  /* everything before it was given to the sink or skipped */
    uint64_t flushed; /* ... is in a batch that was handed on */
    uint64_t safe;    /* ... is delivered or spooled */
    bool skipping;    /* at offset */
    bool flushed_skipping;
    bool safe_skipping;
    bool named;                 /* path still leads to this file */
    struct mono unnamed_at;     /* since when it does not */
    struct mono changed_at;     /* of the last growth */
    uint64_t size;              /* at the last look */
    struct timespec written_at; /* mtime at the last look */
    bool found;                 /* by the search under way */
};

struct tail {
    struct tail_opts opts;
    struct log_source *sources[TAIL_SOURCES_MAX];
    size_t sources_n;
    VEC(struct tail_file *) files;
    positions known; /* of the earlier run, until claimed */
    bool had_positions;
    bool searched; /* the first search was made */
    bool dirty;
    uint64_t next_id;
    struct buf chunk;
    int64_t max_lines_per_s;
    int64_t tokens;
    struct mono refilled_at;
    uint64_t unflushed; /* records given to the sink since the last flush */
    struct tail_stats stats;
};

/** Hash of the first bytes of an open file, at most `n` of them. @return how many bytes there were, or -1 */
int64_t fingerprint_read(int fd, uint32_t n, struct fingerprint *ret);
/** True when the file still starts as `p` says (p->n == 0 matches everything). */
bool fingerprint_matches(int fd, const struct fingerprint *p);
/** Patterns to files: new ones are opened at the right position, known ones get their current name. */
void tail_search(struct tail *t);
/** Check the name of every file; a new file at an old name is taken up at once. */
void tail_check_names(struct tail *t);
/** The first source whose pattern matches the path (with the root prefix), or NULL. */
const struct log_source *tail_source_of(struct tail *t, const char *path);
/** Close and forget. */
void tail_drop(struct tail *t, size_t i);

#endif
