/* SPDX-License-Identifier: Apache-2.0
 *
 * A file system that can lose power: files work as usual, and an image of what a disk would have kept can be made at
 * any moment. Kept for sure: content as of a file's last fdatasync, names as of a directory's last sync. What was not
 * synced may be kept in part: of a directory the names of the moment, of a file some more of its appended bytes;
 * which, a seed decides. Content is never newer than the moment, and never bytes that were not written.
 */
#ifndef IO_TESTS_POWERCUT_H
#define IO_TESTS_POWERCUT_H

#include <pthread.h>
#include <sys/types.h>

#include "base/vec.h"
#include "io/vfs.h"

struct pc_entry {
    char name[80];
    ino_t ino;
};

/** A file or directory, known by its inode, which is never given to another: a second link keeps it. */
struct pc_node {
    ino_t ino;
    bool dir;
    char grave[200]; /* the second link of a file */
    char *bytes;     /* file: durable content */
    size_t n;
    VEC(struct pc_entry) entries; /* directory: durable names */
};

struct powercut {
    struct vfs vfs; /* give this to the store */
    pthread_mutex_t lock;
    char graves[128];
    unsigned graves_n;
    VEC(struct pc_node *) nodes;
    uint64_t seed;
};

/** @param dir  an empty directory of the test: <dir>/disk is what the store gets, <dir>/graves is ours */
void powercut_init(struct powercut *pc, const char *dir, uint64_t seed);
void powercut_done(struct powercut *pc);
/** Wait until a power cut would lose nothing of `disk`: all its content and names are durable. Fails the test after a
 * minute: how soon a sync comes is the machine's business, that it comes is the store's. */
void powercut_settle(struct powercut *pc, const char *disk);
/** The disk after losing power now, as a new directory `dst`. Others may go on working on the real one. */
void powercut_image(struct powercut *pc, const char *disk, const char *dst);

#endif
