/* SPDX-License-Identifier: Apache-2.0
 *
 * Readers and writers of the machine's metrics, one pair of steps per file of /proc. Text of a file is
 * borrowed from host_files, so each file is used up before the next one is read.
 */
#include "agent/host.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/metrics.h"
#include "agent/proc.h"
#include "agent/processes.h"
#include "base/alloc.h"
#include "base/err.h"

enum { MOUNT_ARENA_MAX = 1 << 20, SOCKET_CHUNK = 32 * 1024, SECTOR_BYTES = 512 };

struct host {
    struct host_files *files;
    struct processes *processes;
    struct proc_stat stat;
    struct cpu_ticks before;
    bool has_before;
    disk_stats disks;
    nic_stats nics;
    mounts mounts;
    struct arena arena; /* of one mount table */
    double ticks_per_s;
    /* of the reading under way */
    const struct host_opts *opts;
    struct otlp_writer *w;
    struct metric_time since_boot;
    struct metric_time now;
};

struct host *host_new(struct host_files *files)
{
    struct host *h = mem_xcalloc(1, sizeof(*h));
    long ticks = sysconf(_SC_CLK_TCK);

    h->files = files;
    h->processes = processes_new();
    h->ticks_per_s = ticks > 0 ? (double)ticks : 100.0;
    arena_init(&h->arena, MOUNT_ARENA_MAX);
    return h;
}

void host_free(struct host *h)
{
    if (h == NULL) {
        return;
    }
    processes_free(h->processes);
    proc_stat_done(&h->stat);
    vec_done(&h->disks);
    vec_done(&h->nics);
    vec_done(&h->mounts);
    arena_done(&h->arena);
    mem_free(h);
}

static void begin(struct host *h, enum metric_id id)
{
    otlp_metric_begin(h->w, metric_def(id));
}

static void end(struct host *h)
{
    otlp_metric_end(h->w);
}

static struct metric_time time_of(const struct host *h, enum metric_id id)
{
    return metric_def(id)->kind == METRIC_GAUGE ? h->now : h->since_boot;
}

static int64_t clamp_i64(uint64_t v)
{
    return v < INT64_MAX ? (int64_t)v : INT64_MAX;
}

static void single_f64(struct host *h, enum metric_id id, double v)
{
    begin(h, id);
    otlp_point_f64(h->w, time_of(h, id), NULL, 0, v);
    end(h);
}

static void single_u64(struct host *h, enum metric_id id, uint64_t v)
{
    begin(h, id);
    otlp_point_i64(h->w, time_of(h, id), NULL, 0, clamp_i64(v));
    end(h);
}

static bool excluded(const char *const *patterns, size_t n, struct str name)
{
    char text[256];

    if (name.n >= sizeof(text)) {
        return true;
    }
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (fnmatch(patterns[i], text, 0) == 0) {
            return true;
        }
    }
    return false;
}

static const char *cpu_mode_name(size_t mode)
{
    static const char *const NAMES[CPU_MODE_COUNT] = {
        [CPU_USER] = "user",   [CPU_NICE] = "nice",     [CPU_SYSTEM] = "system",
        [CPU_IDLE] = "idle",   [CPU_IOWAIT] = "iowait", [CPU_INTERRUPT] = "interrupt",
        [CPU_STEAL] = "steal",
    };

    return NAMES[mode];
}

static void write_cpu_time(struct host *h, const struct cpu_ticks *t, int64_t number)
{
    for (size_t m = 0; m < CPU_MODE_COUNT; m++) {
        const struct attr attrs[] = {attr_cstr("cpu.mode", cpu_mode_name(m)),
                                     attr_i64("cpu.logical_number", number)};

        otlp_point_f64(h->w, h->since_boot, attrs, number >= 0 ? 2 : 1,
                       (double)t->mode[m] / h->ticks_per_s);
    }
}

/* Shares since the last reading; a mode that ran backwards (iowait may) counts as 0. */
static void write_cpu_utilization(struct host *h)
{
    uint64_t delta[CPU_MODE_COUNT];
    uint64_t sum = 0;

    for (size_t m = 0; m < CPU_MODE_COUNT; m++) {
        uint64_t a = h->before.mode[m];
        uint64_t b = h->stat.all.mode[m];

        delta[m] = b > a ? b - a : 0;
        sum += delta[m];
    }
    if (!h->has_before || sum == 0) {
        return;
    }
    begin(h, M_CPU_UTILIZATION);
    for (size_t m = 0; m < CPU_MODE_COUNT; m++) {
        const struct attr a = attr_cstr("cpu.mode", cpu_mode_name(m));

        otlp_point_f64(h->w, h->now, &a, 1, (double)delta[m] / (double)sum);
    }
    end(h);
}

static void collect_cpu(struct host *h)
{
    struct str text;

    if (host_read(h->files, "/proc/stat", &text) < 0) {
        return;
    }
    if (proc_stat_parse(text, &h->stat) < 0) {
        h->files->errors++;
        return;
    }
    if (h->stat.boot_time_s < UINT64_MAX / 1000000000) {
        h->since_boot.start_ns = h->stat.boot_time_s * 1000000000;
    }
    begin(h, M_CPU_TIME);
    if (h->opts->per_cpu && h->stat.cpus.n != 0) {
        for (size_t i = 0; i < h->stat.cpus.n; i++) {
            write_cpu_time(h, &h->stat.cpus.v[i].ticks, h->stat.cpus.v[i].number);
        }
    } else {
        write_cpu_time(h, &h->stat.all, -1);
    }
    end(h);
    write_cpu_utilization(h);
    h->before = h->stat.all;
    h->has_before = true;
    if (h->stat.cpus.n != 0) {
        single_u64(h, M_CPU_COUNT, h->stat.cpus.n);
    }
    single_u64(h, M_PROCESS_CREATED, h->stat.processes);
}

static void collect_load(struct host *h)
{
    struct str text;
    double load[3];
    double uptime;

    if (host_read(h->files, "/proc/loadavg", &text) == 0) {
        if (proc_loadavg_parse(text, load) == 0) {
            single_f64(h, M_LOAD_1M, load[0]);
            single_f64(h, M_LOAD_5M, load[1]);
            single_f64(h, M_LOAD_15M, load[2]);
        } else {
            h->files->errors++;
        }
    }
    if (host_read(h->files, "/proc/uptime", &text) == 0) {
        if (proc_uptime_parse(text, &uptime) == 0) {
            single_f64(h, M_UPTIME, uptime);
        } else {
            h->files->errors++;
        }
    }
}

static void write_states(struct host *h, enum metric_id id, const char *key,
                         const char *const *names, const uint64_t *values, size_t n)
{
    begin(h, id);
    for (size_t i = 0; i < n; i++) {
        const struct attr a = attr_cstr(key, names[i]);

        otlp_point_i64(h->w, time_of(h, id), &a, 1, clamp_i64(values[i]));
    }
    end(h);
}

static void write_memory(struct host *h, const struct proc_meminfo *m)
{
    static const char *const NAMES[] = {"used", "free", "cached", "buffers", "slab"};

    uint64_t v[5] = {0, m->free, m->cached, m->buffers, m->slab};
    uint64_t left = m->total;

    for (size_t i = 1; i < ARRAY_LEN(v); i++) {
        v[i] = v[i] < left ? v[i] : left;
        left -= v[i];
    }
    v[0] = left;
    write_states(h, M_MEMORY_USAGE, "system.memory.state", NAMES, v, ARRAY_LEN(v));
    single_u64(h, M_MEMORY_LIMIT, m->total);
    single_u64(h, M_MEMORY_AVAILABLE, m->available);
    single_f64(h, M_MEMORY_UTILIZATION, (double)(m->total - m->available) / (double)m->total);
}

static void write_swap(struct host *h, const struct proc_meminfo *m)
{
    static const char *const NAMES[] = {"used", "free"};

    uint64_t free = m->swap_free < m->swap_total ? m->swap_free : m->swap_total;
    uint64_t v[2] = {m->swap_total - free, free};
    const struct attr used = attr_cstr("system.paging.state", "used");

    write_states(h, M_PAGING_USAGE, "system.paging.state", NAMES, v, 2);
    begin(h, M_PAGING_UTILIZATION);
    otlp_point_f64(h->w, h->now, &used, 1,
                   m->swap_total != 0 ? (double)v[0] / (double)m->swap_total : 0.0);
    end(h);
}

static void collect_memory(struct host *h)
{
    static const char *const DIRECTIONS[] = {"in", "out"};
    static const char *const FAULTS[] = {"major", "minor"};

    struct proc_meminfo m;
    struct proc_vmstat vm;
    struct str text;

    if (host_read(h->files, "/proc/meminfo", &text) == 0) {
        if (proc_meminfo_parse(text, &m) == 0) {
            write_memory(h, &m);
            write_swap(h, &m);
        } else {
            h->files->errors++;
        }
    }
    if (host_read(h->files, "/proc/vmstat", &text) == 0) {
        uint64_t pages[2];
        uint64_t faults[2];

        proc_vmstat_parse(text, &vm);
        pages[0] = vm.swap_in;
        pages[1] = vm.swap_out;
        faults[0] = vm.major_faults;
        faults[1] = vm.faults > vm.major_faults ? vm.faults - vm.major_faults : 0;
        write_states(h, M_PAGING_OPERATIONS, "system.paging.direction", DIRECTIONS, pages, 2);
        write_states(h, M_PAGING_FAULTS, "system.paging.fault.type", FAULTS, faults, 2);
    }
}

/* Partitions repeat what their disk shows; disks that never did anything (spare loop devices) say nothing. */
static bool disk_wanted(struct host *h, const struct disk_stat *d)
{
    char path[320];

    if (d->ops[0] + d->ops[1] == 0 ||
        excluded(h->opts->disk_exclude, h->opts->disk_exclude_n, d->name)) {
        return false;
    }
    snprintf(path, sizeof(path), "/sys/class/block/%.*s/partition", STR_ARG(d->name));
    return access(host_path(h->files, path), F_OK) != 0;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    return a < UINT64_MAX / b ? a * b : UINT64_MAX;
}

static void write_disk_pair(struct host *h, enum metric_id id, size_t offset, uint64_t factor)
{
    static const char *const DIRECTIONS[] = {"read", "write"};

    begin(h, id);
    for (size_t i = 0; i < h->disks.n; i++) {
        uint64_t v[2];

        memcpy(v, (const char *)&h->disks.v[i] + offset, sizeof(v));
        for (size_t w = 0; w < 2; w++) {
            const struct attr a[] = {attr_str("system.device", h->disks.v[i].name),
                                     attr_cstr("disk.io.direction", DIRECTIONS[w])};

            if (factor != 0) {
                otlp_point_i64(h->w, h->since_boot, a, 2, clamp_i64(times(v[w], factor)));
            } else { /* milliseconds as seconds */
                otlp_point_f64(h->w, h->since_boot, a, 2, (double)v[w] / 1e3);
            }
        }
    }
    end(h);
}

static void collect_disks(struct host *h)
{
    struct str text;
    size_t kept = 0;

    vec_clear(&h->disks);
    if (host_read_optional(h->files, "/proc/diskstats", &text) < 0) {
        return;
    }
    if (proc_diskstats_parse(text, &h->disks) < 0) {
        h->files->errors++;
    }
    for (size_t i = 0; i < h->disks.n; i++) {
        if (disk_wanted(h, &h->disks.v[i])) {
            h->disks.v[kept++] = h->disks.v[i];
        }
    }
    h->disks.n = kept;
    if (kept == 0) {
        return;
    }
    write_disk_pair(h, M_DISK_IO, offsetof(struct disk_stat, sectors), SECTOR_BYTES);
    write_disk_pair(h, M_DISK_OPERATIONS, offsetof(struct disk_stat, ops), 1);
    write_disk_pair(h, M_DISK_MERGED, offsetof(struct disk_stat, merged), 1);
    write_disk_pair(h, M_DISK_OPERATION_TIME, offsetof(struct disk_stat, time_ms), 0);
    begin(h, M_DISK_IO_TIME);
    for (size_t i = 0; i < kept; i++) {
        const struct attr a = attr_str("system.device", h->disks.v[i].name);

        otlp_point_f64(h->w, h->since_boot, &a, 1, (double)h->disks.v[i].busy_ms / 1e3);
    }
    end(h);
}

struct space {
    uint64_t used;
    uint64_t free; /* for users */
    uint64_t reserved;
};

static bool read_space(struct host *h, const struct mount *m, struct space *ret)
{
    struct statvfs s;
    char point[4096];
    uint64_t unit;

    if (m->point.n >= sizeof(point)) {
        return false;
    }
    memcpy(point, m->point.p, m->point.n);
    point[m->point.n] = '\0';
    if (statvfs(host_path(h->files, point), &s) != 0 || s.f_blocks == 0) {
        return false;
    }
    unit = s.f_frsize != 0 ? s.f_frsize : s.f_bsize;
    ret->used = times(s.f_blocks > s.f_bfree ? s.f_blocks - s.f_bfree : 0, unit);
    ret->free = times(s.f_bavail < s.f_bfree ? s.f_bavail : s.f_bfree, unit);
    ret->reserved = times(s.f_bfree, unit) - ret->free;
    return true;
}

static void write_filesystem(struct host *h, enum metric_id id, const struct mount *m,
                             const struct space *s)
{
    struct attr a[] = {attr_str("system.device", m->source),
                       attr_str("system.filesystem.mountpoint", m->point),
                       attr_str("system.filesystem.type", m->type),
                       attr_cstr("system.filesystem.mode", m->read_only ? "ro" : "rw"),
                       attr_cstr("system.filesystem.state", "used")};
    uint64_t open = s->used + s->free;

    if (id == M_FS_LIMIT) {
        otlp_point_i64(h->w, h->since_boot, a, 4, clamp_i64(open + s->reserved));
    } else if (id == M_FS_UTILIZATION) {
        otlp_point_f64(h->w, h->now, a, 4, open != 0 ? (double)s->used / (double)open : 0.0);
    } else {
        otlp_point_i64(h->w, h->since_boot, a, 5, clamp_i64(s->used));
        a[4] = attr_cstr("system.filesystem.state", "free");
        otlp_point_i64(h->w, h->since_boot, a, 5, clamp_i64(s->free));
        a[4] = attr_cstr("system.filesystem.state", "reserved");
        otlp_point_i64(h->w, h->since_boot, a, 5, clamp_i64(s->reserved));
    }
}

static void write_filesystems(struct host *h)
{
    static const enum metric_id IDS[] = {M_FS_USAGE, M_FS_UTILIZATION, M_FS_LIMIT};

    struct space *spaces = mem_try_calloc(h->mounts.n, sizeof(*spaces));
    size_t n = 0;

    if (spaces == NULL) {
        h->files->errors++;
        return;
    }
    for (size_t i = 0; i < h->mounts.n; i++) {
        if (read_space(h, &h->mounts.v[i], &spaces[n])) {
            h->mounts.v[n++] = h->mounts.v[i];
        }
    }
    for (size_t k = 0; k < ARRAY_LEN(IDS) && n != 0; k++) {
        begin(h, IDS[k]);
        for (size_t i = 0; i < n; i++) {
            write_filesystem(h, IDS[k], &h->mounts.v[i], &spaces[i]);
        }
        end(h);
    }
    mem_free(spaces);
}

/* Below a root prefix the mounts of the host are those of its first process. */
static const char *view(const struct host *h, const char *own, const char *first)
{
    return h->files->root[0] != '\0' ? first : own;
}

static void collect_filesystems(struct host *h)
{
    struct str extra[32];
    size_t extra_n =
        h->opts->fs_types_n < ARRAY_LEN(extra) ? h->opts->fs_types_n : ARRAY_LEN(extra);
    struct str text;

    vec_clear(&h->mounts);
    arena_reset(&h->arena);
    if (host_read(h->files, view(h, "/proc/self/mountinfo", "/proc/1/mountinfo"), &text) < 0) {
        return;
    }
    if (proc_mountinfo_parse(text, &h->arena, &h->mounts) < 0) {
        h->files->errors++;
    }
    for (size_t i = 0; i < extra_n; i++) {
        extra[i] = str_cstr(h->opts->fs_types[i]);
    }
    mounts_select(&h->mounts, extra, extra_n);
    write_filesystems(h);
}

static void write_nic_pair(struct host *h, enum metric_id id, size_t offset)
{
    static const char *const DIRECTIONS[] = {"receive", "transmit"};

    begin(h, id);
    for (size_t i = 0; i < h->nics.n; i++) {
        uint64_t v[2];

        memcpy(v, (const char *)&h->nics.v[i] + offset, sizeof(v));
        for (size_t w = 0; w < 2; w++) {
            const struct attr a[] = {attr_str("network.interface.name", h->nics.v[i].name),
                                     attr_cstr("network.io.direction", DIRECTIONS[w])};

            otlp_point_i64(h->w, h->since_boot, a, 2, clamp_i64(v[w]));
        }
    }
    end(h);
}

static void collect_nics(struct host *h)
{
    struct str text;
    size_t kept = 0;

    vec_clear(&h->nics);
    if (host_read(h->files, view(h, "/proc/net/dev", "/proc/1/net/dev"), &text) < 0) {
        return;
    }
    if (proc_net_dev_parse(text, &h->nics) < 0) {
        h->files->errors++;
    }
    for (size_t i = 0; i < h->nics.n; i++) {
        if (!excluded(h->opts->nic_exclude, h->opts->nic_exclude_n, h->nics.v[i].name)) {
            h->nics.v[kept++] = h->nics.v[i];
        }
    }
    h->nics.n = kept;
    if (kept == 0) {
        return;
    }
    write_nic_pair(h, M_NET_IO, offsetof(struct nic_stat, bytes));
    write_nic_pair(h, M_NET_PACKETS, offsetof(struct nic_stat, packets));
    write_nic_pair(h, M_NET_ERRORS, offsetof(struct nic_stat, errors));
    write_nic_pair(h, M_NET_DROPPED, offsetof(struct nic_stat, dropped));
}

/* Whole lines at a time, so that a hundred thousand sockets need no more memory than ten. */
static void count_sockets(struct host *h, const char *path, uint64_t counts[TCP_STATE_COUNT])
{
    int fd = open(host_path(h->files, path), O_RDONLY | O_CLOEXEC);
    char *chunk = fd >= 0 ? mem_try_alloc(SOCKET_CHUNK) : NULL;
    size_t have = 0;

    while (chunk != NULL) {
        ssize_t n = read(fd, chunk + have, SOCKET_CHUNK - have);
        size_t whole;

        if (n <= 0) {
            break;
        }
        have += (size_t)n;
        whole = have;
        while (whole > 0 && chunk[whole - 1] != '\n') {
            whole--;
        }
        proc_net_tcp_count(str_of(chunk, whole), counts);
        have = whole != 0 || have < SOCKET_CHUNK ? have - whole : 0;
        memmove(chunk, chunk + whole, have);
    }
    mem_free(chunk);
    if (fd >= 0) {
        close(fd);
    }
}

static void write_connections(struct host *h, const uint64_t counts[TCP_STATE_COUNT], uint64_t udp)
{
    const struct attr u = attr_cstr("network.transport", "udp");
    uint64_t merged[TCP_STATE_COUNT];

    memcpy(merged, counts, sizeof(merged));
    merged[3] += merged[12]; /* NEW_SYN_RECV is syn_received, too */
    begin(h, M_NET_CONNECTIONS);
    for (size_t i = 1; i < 12; i++) {
        const struct attr a[] = {attr_cstr("network.transport", "tcp"),
                                 attr_cstr("network.connection.state", tcp_state_name(i))};

        otlp_point_i64(h->w, h->since_boot, a, 2, clamp_i64(merged[i]));
    }
    otlp_point_i64(h->w, h->since_boot, &u, 1, clamp_i64(udp));
    end(h);
}

static void collect_connections(struct host *h)
{
    enum { ESTABLISHED = 1, TIME_WAIT = 6 };

    struct proc_sockstat s = {0};
    uint64_t counts[TCP_STATE_COUNT] = {0};
    struct str text;

    if (host_read(h->files, view(h, "/proc/net/sockstat", "/proc/1/net/sockstat"), &text) < 0) {
        return;
    }
    proc_sockstat_add(text, &s);
    if (host_read_optional(h->files, view(h, "/proc/net/sockstat6", "/proc/1/net/sockstat6"),
                           &text) == 0) {
        proc_sockstat_add(text, &s);
    }
    if (s.tcp_in_use + s.tcp_time_wait <= h->opts->connections_max) {
        count_sockets(h, view(h, "/proc/net/tcp", "/proc/1/net/tcp"), counts);
        count_sockets(h, view(h, "/proc/net/tcp6", "/proc/1/net/tcp6"), counts);
    } else { /* in use includes the few that listen: close enough at this size */
        counts[ESTABLISHED] = s.tcp_in_use;
        counts[TIME_WAIT] = s.tcp_time_wait;
    }
    write_connections(h, counts, s.udp_in_use);
}

static void write_top(struct host *h, enum metric_id id, const struct top_process *v, size_t n,
                      bool gone)
{
    for (size_t i = 0; i < n; i++) {
        const struct attr a[] = {attr_i64("process.pid", v[i].pid),
                                 attr_cstr("process.executable.name", v[i].name),
                                 attr_cstr("process.command_line", v[i].command_line),
                                 attr_cstr("process.owner", v[i].owner)};
        int64_t value = id == M_PROC_MEMORY    ? clamp_i64(v[i].rss_bytes)
                        : id == M_PROC_THREADS ? clamp_i64(v[i].threads)
                                               : v[i].fds;

        if (id == M_PROC_FDS && v[i].fds < 0) {
            continue;
        }
        if (gone) {
            otlp_point_gone(h->w, h->now, a, ARRAY_LEN(a));
        } else if (id == M_PROC_CPU) {
            otlp_point_f64(h->w, h->now, a, ARRAY_LEN(a), v[i].cpu);
        } else {
            otlp_point_i64(h->w, h->now, a, ARRAY_LEN(a), value);
        }
    }
}

static void collect_processes(struct host *h)
{
    static const enum metric_id IDS[] = {M_PROC_CPU, M_PROC_MEMORY, M_PROC_THREADS, M_PROC_FDS};

    const char *names[PS_COUNT];
    const struct top_process *top;
    const struct top_process *gone;
    size_t top_n;
    size_t gone_n;

    if (processes_read(h->processes, h->files, h->opts->top_processes, h->stat.cpus.n) < 0) {
        h->files->errors++;
        return;
    }
    for (size_t i = 0; i < PS_COUNT; i++) {
        names[i] = process_state_name((enum process_state)i);
    }
    write_states(h, M_PROCESS_COUNT, "process.state", names, processes_counts(h->processes),
                 PS_COUNT);
    top = processes_top(h->processes, &top_n);
    gone = processes_gone(h->processes, &gone_n);
    for (size_t k = 0; k < ARRAY_LEN(IDS) && top_n + gone_n != 0; k++) {
        begin(h, IDS[k]);
        write_top(h, IDS[k], top, top_n, false);
        write_top(h, IDS[k], gone, gone_n, true);
        end(h);
    }
}

void host_collect(struct host *h, const struct host_opts *opts, int64_t now_ns,
                  struct otlp_writer *w)
{
    h->opts = opts;
    h->w = w;
    h->now = (struct metric_time){0, (uint64_t)now_ns};
    h->since_boot = h->now;
    collect_cpu(h);
    collect_load(h);
    collect_memory(h);
    collect_disks(h);
    collect_filesystems(h);
    collect_nics(h);
    collect_connections(h);
    collect_processes(h);
    h->opts = NULL;
    h->w = NULL;
}
