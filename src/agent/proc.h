/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsers of the kernel's text files (proc(5), Documentation/admin-guide/iostats.rst). Pure functions:
 * results borrow from the text, fields a kernel does not have stay 0, lines that make no sense are
 * skipped. Values are raw; callers turn ticks, sectors and pages into units.
 */
#ifndef AGENT_PROC_H
#define AGENT_PROC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/vec.h"

/** cpu.mode of the semantic conventions; interrupt is irq + softirq. Guest time is inside user and nice. */
enum cpu_mode {
    CPU_USER,
    CPU_NICE,
    CPU_SYSTEM,
    CPU_IDLE,
    CPU_IOWAIT,
    CPU_INTERRUPT,
    CPU_STEAL,
    CPU_MODE_COUNT,
};

struct cpu_ticks {
    uint64_t mode[CPU_MODE_COUNT]; /* clock ticks, sysconf(_SC_CLK_TCK) a second */
};

struct cpu_line {
    uint32_t number;
    struct cpu_ticks ticks;
};

enum { PROC_CPUS_MAX = 4096, PROC_DISKS_MAX = 1024, PROC_NICS_MAX = 1024, PROC_MOUNTS_MAX = 4096 };

struct proc_stat {
    struct cpu_ticks all;
    VEC(struct cpu_line) cpus; /* owned: proc_stat_done(); online CPUs only */
    uint64_t boot_time_s;      /* Unix seconds; 0 when the line is missing */
    uint64_t processes;        /* forks since boot */
};

/** /proc/stat into a zeroed or used struct. @return 0; -ERR_INVALID without a "cpu" line; -ERR_NOMEM */
NODISCARD int proc_stat_parse(struct str text, struct proc_stat *ret);
void proc_stat_done(struct proc_stat *s);

/** /proc/meminfo, bytes. */
struct proc_meminfo {
    uint64_t total;
    uint64_t free;
    uint64_t
        available; /* total - used estimate when the kernel (before 3.14) has no MemAvailable */
    uint64_t buffers;
    uint64_t cached;
    uint64_t slab;
    uint64_t slab_reclaimable;
    uint64_t swap_total;
    uint64_t swap_free;
};

/** @return 0; -ERR_INVALID without MemTotal */
NODISCARD int proc_meminfo_parse(struct str text, struct proc_meminfo *ret);

/** /proc/vmstat since boot. */
struct proc_vmstat {
    uint64_t swap_in;  /* pages */
    uint64_t swap_out; /* pages */
    uint64_t faults;   /* minor and major */
    uint64_t major_faults;
};

void proc_vmstat_parse(struct str text, struct proc_vmstat *ret);

struct disk_stat {
    struct str name;
    uint64_t ops[2];     /* read, write */
    uint64_t merged[2];  /* read, write */
    uint64_t sectors[2]; /* of 512 bytes whatever the disk's own size is */
    uint64_t time_ms[2]; /* sum over requests */
    uint64_t busy_ms;    /* time with at least one request in flight */
};

typedef VEC(struct disk_stat) disk_stats;

/** /proc/diskstats, appended. @return 0, -ERR_NOMEM, -ERR_LIMIT */
NODISCARD int proc_diskstats_parse(struct str text, disk_stats *ret);

struct mount {
    uint32_t major;
    uint32_t minor;
    struct str root;   /* what of the file system is mounted, "/" for all of it */
    struct str point;  /* where, unescaped */
    struct str type;   /* "ext4" */
    struct str source; /* "/dev/vda1", unescaped */
    bool read_only;
};

typedef VEC(struct mount) mounts;

/** /proc/self/mountinfo, appended; unescaped text is put in the arena. @return 0, -ERR_NOMEM, -ERR_LIMIT */
NODISCARD int proc_mountinfo_parse(struct str text, struct arena *a, mounts *ret);
/**
 * Keep the mounts worth reporting, in place: types on local disks plus `extra` types, one per device (the
 * one that shows the whole file system, then the shortest path: that drops bind mounts), "/" whatever it is
 * (overlay in a container).
 */
void mounts_select(mounts *m, const struct str *extra, size_t extra_n);

struct nic_stat {
    struct str name;
    uint64_t bytes[2];   /* receive, transmit */
    uint64_t packets[2]; /* receive, transmit */
    uint64_t errors[2];
    uint64_t dropped[2];
};

typedef VEC(struct nic_stat) nic_stats;

/** /proc/net/dev, appended. @return 0, -ERR_NOMEM, -ERR_LIMIT */
NODISCARD int proc_net_dev_parse(struct str text, nic_stats *ret);

/** Index = the kernel's TCP state number (include/net/tcp_states.h). */
enum { TCP_STATE_COUNT = 13 };

/** Name in the semantic conventions, NULL for number 0 and beyond. */
const char *tcp_state_name(size_t state);
/** Count the sockets of whole lines of /proc/net/tcp or tcp6 by state; the heading line does not count. */
void proc_net_tcp_count(struct str lines, uint64_t counts[TCP_STATE_COUNT]);

/** /proc/net/sockstat and sockstat6: added to *ret so that both can be read into one. */
struct proc_sockstat {
    uint64_t tcp_in_use;
    uint64_t tcp_time_wait;
    uint64_t udp_in_use;
};

void proc_sockstat_add(struct str text, struct proc_sockstat *ret);

/** /proc/loadavg. @return 0, -ERR_INVALID */
NODISCARD int proc_loadavg_parse(struct str text, double ret[3]);
/** /proc/uptime, seconds. @return 0, -ERR_INVALID */
NODISCARD int proc_uptime_parse(struct str text, double *ret_s);

struct pid_stat {
    uint32_t pid;
    struct str name; /* comm, at most 15 bytes; may hold any byte */
    char state;
    uint64_t cpu_ticks; /* user + system */
    uint64_t threads;
    uint64_t start_ticks; /* after boot: tells a reused pid */
    uint64_t rss_pages;
};

/** /proc/PID/stat. @return 0, -ERR_INVALID */
NODISCARD int proc_pid_stat_parse(struct str text, struct pid_stat *ret);

enum process_state { PS_RUNNING, PS_SLEEPING, PS_BLOCKED, PS_STOPPED, PS_DEFUNCT, PS_COUNT };

/** process.state; "blocked" (uninterruptible) is ours. */
const char *process_state_name(enum process_state s);
enum process_state process_state_of(char letter);
/** Arguments separated by NUL into one line: blanks between, control bytes as '?'; cut at dst->max. */
void proc_cmdline_join(struct str text, struct buf *dst);
/** Name of a user id in passwd(5) text; an empty slice when it has none. */
struct str passwd_name(struct str text, uint32_t uid);

#endif
