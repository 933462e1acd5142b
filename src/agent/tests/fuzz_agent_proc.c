/* SPDX-License-Identifier: Apache-2.0
 *
 * Every /proc parser; the first byte chooses which.
 */
#include "agent/identity.h"
#include "agent/proc.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mount_table(struct str text)
{
    const struct str extra[] = {STR("tmpfs")};
    struct arena a;
    mounts m = {0};

    arena_init(&a, 1 << 20);
    ignore_result(proc_mountinfo_parse(text, &a, &m), "any result is fine here");
    mounts_select(&m, extra, 1);
    vec_done(&m);
    arena_done(&a);
}

static void lists(struct str text)
{
    struct proc_stat stat = {0};
    disk_stats disks = {0};
    nic_stats nics = {0};

    ignore_result(proc_stat_parse(text, &stat), "any result is fine here");
    ignore_result(proc_diskstats_parse(text, &disks), "any result is fine here");
    ignore_result(proc_net_dev_parse(text, &nics), "any result is fine here");
    proc_stat_done(&stat);
    vec_done(&disks);
    vec_done(&nics);
}

static void singles(struct str text)
{
    struct proc_meminfo memory;
    struct proc_vmstat vm;
    struct proc_sockstat sock = {0};
    uint64_t counts[TCP_STATE_COUNT] = {0};
    double load[3];
    double uptime;

    ignore_result(proc_meminfo_parse(text, &memory), "any result is fine here");
    proc_vmstat_parse(text, &vm);
    proc_sockstat_add(text, &sock);
    proc_net_tcp_count(text, counts);
    ignore_result(proc_loadavg_parse(text, load), "any result is fine here");
    ignore_result(proc_uptime_parse(text, &uptime), "any result is fine here");
}

static void processes(struct str text)
{
    struct pid_stat s;
    struct buf b;

    ignore_result(proc_pid_stat_parse(text, &s), "any result is fine here");
    ignore_result(passwd_name(text, 0), "only the walk matters");
    ignore_result(container_id_find(text), "only the walk matters");
    buf_init(&b, 256);
    proc_cmdline_join(text, &b);
    ignore_result(os_release_get(text, STR("NAME"), &b), "only the walk matters");
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text;

    if (size == 0) {
        return 0;
    }
    text = str_of((const char *)data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        mount_table(text);
        break;
    case 1:
        lists(text);
        break;
    case 2:
        singles(text);
        break;
    default:
        processes(text);
        break;
    }
    return 0;
}
