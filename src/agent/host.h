/* SPDX-License-Identifier: Apache-2.0
 *
 * One reading of the machine, written as OTLP metrics. What a kernel does not offer is left out and
 * counted, never fatal.
 */
#ifndef AGENT_HOST_H
#define AGENT_HOST_H

#include "agent/host_files.h"
#include "agent/otlp_encode.h"

struct host_opts {
    size_t top_processes;           /* by CPU and by memory each; 0: no process metrics */
    bool per_cpu;                   /* system.cpu.time per CPU; false: the sum alone */
    const char *const *nic_exclude; /* glob patterns of interface names */
    size_t nic_exclude_n;
    const char *const *disk_exclude; /* glob patterns of device names */
    size_t disk_exclude_n;
    const char *const *fs_types; /* file system types besides the local ones */
    size_t fs_types_n;
    uint64_t connections_max; /* above it sockets are not walked one by one */
};

struct host;

/** `files` is borrowed and outlives the host. */
struct host *host_new(struct host_files *files);
void host_free(struct host *h);
/** Read and write all metrics into the open scope of `w`. Options are only used during the call. */
void host_collect(struct host *h, const struct host_opts *opts, int64_t now_ns,
                  struct otlp_writer *w);

#endif
