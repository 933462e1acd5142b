/* SPDX-License-Identifier: Apache-2.0
 *
 * Every metric the agent sends, in one table; README.md shows the same names with their labels and a test
 * keeps the two in step.
 */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include "agent/otlp_encode.h"

/* X(id, name, unit, kind, help); names: OpenTelemetry semantic conventions, see README.md. */
#define METRIC_TABLE(X)                                                                            \
    X(CPU_TIME, "system.cpu.time", "s", COUNTER, "Seconds each logical CPU spent on each mode")    \
    X(CPU_UTILIZATION, "system.cpu.utilization", "1", GAUGE,                                       \
      "Share of all CPU time spent on each mode since the last reading")                           \
    X(CPU_COUNT, "system.cpu.logical.count", "{cpu}", UPDOWN, "Logical CPUs online")               \
    X(LOAD_1M, "system.cpu.load_average.1m", "{thread}", GAUGE, "Average CPU load over 1 minute")  \
    X(LOAD_5M, "system.cpu.load_average.5m", "{thread}", GAUGE, "Average CPU load over 5 minutes") \
    X(LOAD_15M, "system.cpu.load_average.15m", "{thread}", GAUGE,                                  \
      "Average CPU load over 15 minutes")                                                          \
    X(MEMORY_USAGE, "system.memory.usage", "By", UPDOWN, "Memory by state")                        \
    X(MEMORY_LIMIT, "system.memory.limit", "By", UPDOWN, "Memory of the machine")                  \
    X(MEMORY_UTILIZATION, "system.memory.utilization", "1", GAUGE,                                 \
      "Share of memory that is not available to new programs")                                     \
    X(MEMORY_AVAILABLE, "system.memory.linux.available", "By", UPDOWN,                             \
      "Memory available to new programs without swapping")                                         \
    X(PAGING_USAGE, "system.paging.usage", "By", UPDOWN, "Swap space by state")                    \
    X(PAGING_UTILIZATION, "system.paging.utilization", "1", GAUGE, "Share of swap space in use")   \
    X(PAGING_OPERATIONS, "system.paging.operations", "{operation}", COUNTER,                       \
      "Pages swapped in and out")                                                                  \
    X(PAGING_FAULTS, "system.paging.faults", "{fault}", COUNTER, "Page faults")                    \
    X(DISK_IO, "system.disk.io", "By", COUNTER, "Bytes read and written")                          \
    X(DISK_OPERATIONS, "system.disk.operations", "{operation}", COUNTER, "Reads and writes")       \
    X(DISK_MERGED, "system.disk.merged", "{operation}", COUNTER,                                   \
      "Reads and writes merged into others before they reached the disk")                          \
    X(DISK_IO_TIME, "system.disk.io_time", "s", COUNTER,                                           \
      "Time with at least one request in flight")                                                  \
    X(DISK_OPERATION_TIME, "system.disk.operation_time", "s", COUNTER,                             \
      "Sum of the times all requests took")                                                        \
    X(FS_USAGE, "system.filesystem.usage", "By", UPDOWN, "File system space by state")             \
    X(FS_UTILIZATION, "system.filesystem.utilization", "1", GAUGE,                                 \
      "Share of the space open to users that is used")                                             \
    X(FS_LIMIT, "system.filesystem.limit", "By", UPDOWN, "Size of the file system")                \
    X(NET_IO, "system.network.io", "By", COUNTER, "Bytes received and transmitted")                \
    X(NET_PACKETS, "system.network.packet.count", "{packet}", COUNTER,                             \
      "Packets received and transmitted")                                                          \
    X(NET_ERRORS, "system.network.errors", "{error}", COUNTER, "Network errors")                   \
    X(NET_DROPPED, "system.network.packet.dropped", "{packet}", COUNTER,                           \
      "Packets dropped though there was no error")                                                 \
    X(NET_CONNECTIONS, "system.network.connection.count", "{connection}", UPDOWN,                  \
      "Sockets by state")                                                                          \
    X(PROCESS_COUNT, "system.process.count", "{process}", UPDOWN, "Processes by state")            \
    X(PROCESS_CREATED, "system.process.created", "{process}", COUNTER,                             \
      "Processes and threads created since boot")                                                  \
    X(UPTIME, "system.uptime", "s", GAUGE, "Time since boot")                                      \
    X(PROC_CPU, "process.cpu.utilization", "1", GAUGE,                                             \
      "CPU time of the process since the last reading / elapsed time / number of CPUs")            \
    X(PROC_MEMORY, "process.memory.usage", "By", UPDOWN, "Resident memory of the process")         \
    X(PROC_THREADS, "process.thread.count", "{thread}", UPDOWN, "Threads of the process")          \
    X(PROC_FDS, "process.unix.file_descriptor.count", "{file_descriptor}", UPDOWN,                 \
      "Open file descriptors of the process")                                                      \
    X(AGENT_CPU, "bongsu.agent.cpu.time", "s", COUNTER, "CPU time of the agent")                   \
    X(AGENT_MEMORY, "bongsu.agent.memory.usage", "By", UPDOWN, "Resident memory of the agent")     \
    X(AGENT_QUEUE, "bongsu.agent.queue.usage", "By", UPDOWN,                                       \
      "Compressed bytes waiting to be sent, in memory and on disk")                                \
    X(AGENT_BATCHES, "bongsu.agent.export.batches", "{batch}", COUNTER, "Batches delivered")       \
    X(AGENT_FAILURES, "bongsu.agent.export.failures", "{failure}", COUNTER,                        \
      "Attempts to deliver that failed")                                                           \
    X(AGENT_DROPPED, "bongsu.agent.dropped", "{batch}", COUNTER, "Batches lost, by reason")        \
    X(AGENT_COLLECT_ERRORS, "bongsu.agent.collect.errors", "{error}", COUNTER,                     \
      "Files that could not be read or understood")                                                \
    X(AGENT_COLLECT_TIME, "bongsu.agent.collect.duration", "s", GAUGE,                             \
      "Time the last reading of the machine took")                                                 \
    X(AGENT_LOG_LINES, "bongsu.agent.log.lines", "{line}", COUNTER, "Log records read")            \
    X(AGENT_LOG_CUT, "bongsu.agent.log.lines_cut", "{line}", COUNTER,                              \
      "Log records cut at the length limit")                                                       \
    X(AGENT_LOG_THROTTLED, "bongsu.agent.log.throttled", "{event}", COUNTER,                       \
      "Times reading logs paused because of the rate limit")

enum metric_id {

#define METRIC_ID(id, name, unit, kind, help) M_##id,
    METRIC_TABLE(METRIC_ID)
#undef METRIC_ID
        METRIC_COUNT,
};

/** The definition; never NULL. */
const struct metric_def *metric_def(enum metric_id id);

#endif
