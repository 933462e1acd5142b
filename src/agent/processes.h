/* SPDX-License-Identifier: Apache-2.0
 *
 * The process table: counts by state and the top processes by CPU and by memory since the last reading.
 * A process is its pid, start time and program, so a reused pid is a new process.
 */
#ifndef AGENT_PROCESSES_H
#define AGENT_PROCESSES_H

#include "agent/host_files.h"
#include "agent/proc.h"

enum {
    PROCESSES_MAX = 131072,
    PROCESS_TOP_MAX = 100,
    COMMAND_LINE_MAX = 512,
    PROCESS_NAME_MAX = 64
};

/** One of the top processes. Strings are NUL-terminated. */
struct top_process {
    uint32_t pid;
    uint64_t start_ticks;
    char comm[16]; /* as the kernel says; changes when the process runs another program */
    char name[PROCESS_NAME_MAX]; /* file name of the executable */
    char owner[PROCESS_NAME_MAX];
    char command_line[COMMAND_LINE_MAX + 1]; /* masked; "[name]" for kernel threads */
    double cpu;                              /* share of all CPUs, 0..1 */
    uint64_t rss_bytes;
    uint64_t threads;
    int64_t fds; /* -1: not readable */
};

struct processes;

struct processes *processes_new(void);
void processes_free(struct processes *p);
/**
 * Read the table. The first reading has no CPU shares (all 0).
 * @param top  how many by CPU and how many by memory
 * @return 0; -ERR_IO when /proc cannot be listed; -ERR_NOMEM
 */
NODISCARD int processes_read(struct processes *p, struct host_files *h, size_t top, size_t cpus);
const uint64_t *processes_counts(const struct processes *p); /* [PS_COUNT] */
/** The current top set, and those of the set before that are no longer in it. */
const struct top_process *processes_top(const struct processes *p, size_t *ret_n);
const struct top_process *processes_gone(const struct processes *p, size_t *ret_n);

#endif
