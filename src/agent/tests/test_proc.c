/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsers of /proc over captured texts (Linux 6.x, 3.10, 2.6) and broken ones.
 */
#include "agent/proc.h"
#include "agent_test.h"

static void test_stat(void **state)
{
    static const struct {
        const char *text;
        int rc;
        struct cpu_ticks all;
        size_t cpus;
        uint64_t boot;
        uint64_t processes;
    } CASES[] = {
        {"cpu  6350 1 4679 423412 768 2 85 13 7 0\ncpu0 2522 0 1800 213251 25 0 19 2 0 0\n"
         "cpu1 3828 1 2878 210161 742 2 66 10 0 0\nintr 503076 0 0\nctxt 1365793\n"
         "btime 1795259223\nprocesses 10449\nprocs_running 2\n",
         0,
         {{6350, 1, 4679, 423412, 768, 87, 13}},
         2,
         1795259223,
         10449},
        /* 2.4: four columns; cpu0 offline: its line is missing */
        {"cpu  10 20 30 40\ncpu3 10 20 30 40\n", 0, {{10, 20, 30, 40, 0, 0, 0}}, 1, 0, 0},
        /* a value beyond 64 bits ends its line */
        {"cpu  10 99999999999999999999999 30 40\n", 0, {{10, 0, 0, 0, 0, 0, 0}}, 0, 0, 0},
        {"cpu  18446744073709551615 0 0 0 0 0 0 0\n", 0, {{UINT64_MAX, 0, 0, 0, 0, 0, 0}}, 0, 0, 0},
        {"", -ERR_INVALID, {{0}}, 0, 0, 0},
        {"cpu0 1 2 3 4\n", -ERR_INVALID, {{0}}, 1, 0, 0},
        {"cpu 1 2 3 4\ncpu99999 1 2 3 4\ncpux 1\n\n   \n", 0, {{1, 2, 3, 4, 0, 0, 0}}, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct proc_stat s = {0};

        assert_int_equal(proc_stat_parse(str_cstr(CASES[i].text), &s), CASES[i].rc);
        if (CASES[i].rc == 0) {
            assert_memory_equal(&s.all, &CASES[i].all, sizeof(s.all));
            assert_int_equal(s.boot_time_s, CASES[i].boot);
            assert_int_equal(s.processes, CASES[i].processes);
        }
        assert_int_equal(s.cpus.n, CASES[i].cpus);
        proc_stat_done(&s);
    }
}

static void test_meminfo(void **state)
{
    static const struct {
        const char *text;
        int rc;
        struct proc_meminfo want;
    } CASES[] = {
        {"MemTotal:       1000 kB\nMemFree:         300 kB\nMemAvailable:    600 kB\nBuffers: 10 kB\n"
         "Cached:          200 kB\nSwapCached:        5 kB\nSlab: 50 kB\nSReclaimable: 40 kB\n"
         "SwapTotal:       100 kB\nSwapFree:         25 kB\nHugePages_Total:       3\n",
         0,
         {1024000, 307200, 614400, 10240, 204800, 51200, 40960, 102400, 25600}},
        /* before 3.14: no MemAvailable */
        {"MemTotal: 1000 kB\nMemFree: 300 kB\nBuffers: 10 kB\nCached: 200 kB\nSReclaimable: 40 kB\n",
         0,
         {1024000, 307200, 563200, 10240, 204800, 0, 40960, 0, 0}},
        /* available above the total is cut */
        {"MemTotal: 10 kB\nMemAvailable: 99 kB\n", 0, {10240, 0, 10240, 0, 0, 0, 0, 0, 0}},
        /* a number that overflows when turned into bytes */
        {"MemTotal: 18446744073709551615 kB\n", 0, {UINT64_MAX, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"MemFree: 10 kB\n", -ERR_INVALID, {0}},
        {"MemTotal: 0 kB\n", -ERR_INVALID, {0}},
        {"MemTotal: x kB\n", -ERR_INVALID, {0}},
        {"", -ERR_INVALID, {0}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct proc_meminfo m = {0};

        assert_int_equal(proc_meminfo_parse(str_cstr(CASES[i].text), &m), CASES[i].rc);
        assert_memory_equal(&m, &CASES[i].want, sizeof(m));
    }
}

static void test_vmstat(void **state)
{
    struct proc_vmstat v;

    (void)state;
    proc_vmstat_parse(STR("nr_free_pages 1\npswpin 11\npswpout 12\npgfault 100\npgmajfault 7\n"),
                      &v);
    assert_int_equal(v.swap_in, 11);
    assert_int_equal(v.swap_out, 12);
    assert_int_equal(v.faults, 100);
    assert_int_equal(v.major_faults, 7);
    proc_vmstat_parse(STR("pswpin\npgfault -1\n"), &v);
    assert_int_equal(v.swap_in, 0);
    assert_int_equal(v.faults, 0);
}

static void test_diskstats(void **state)
{
    disk_stats d = {0};

    (void)state;
    assert_int_equal(
        proc_diskstats_parse(
            STR("   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
                " 254       0 vda 100713 30121 6280570 24370 24447 61435 4848360 11778 0 11284 36622 "
                "5172 19 788408 374 2906 99\n"
                "   8       1 sda1 1 2 3 4\n" /* 2.6.24 partition */
                "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n"
                "garbage\n 1 2\n"),
            &d),
        0);
    assert_int_equal(d.n, 3);
    assert_str(d.v[1].name, "vda");
    assert_int_equal(d.v[1].ops[0], 100713);
    assert_int_equal(d.v[1].merged[1], 61435);
    assert_int_equal(d.v[1].sectors[0], 6280570);
    assert_int_equal(d.v[1].sectors[1], 4848360);
    assert_int_equal(d.v[1].time_ms[1], 11778);
    assert_int_equal(d.v[1].busy_ms, 11284);
    assert_str(d.v[2].name, "sda");
    assert_int_equal(d.v[2].busy_ms, 10);
    vec_done(&d);
}

static void test_mounts(void **state)
{
    static const char TEXT[] =
        "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
        "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"
        "40 27 254:0 /var/x /bind rw - ext4 /dev/vda rw\n"
        "41 27 8:17 / /mnt/with\\040blank ro,nosuid shared:1 master:2 - xfs /dev/sdb1 rw\n"
        "42 27 8:17 / /a/much/longer/path rw - xfs /dev/sdb1 rw\n"
        "43 27 8:33 /sub /snapshot rw - btrfs /dev/sdc rw\n"
        "44 27 8:33 / /data/btrfs rw - btrfs /dev/sdc rw\n"
        "50 27 0:99 / /net rw - nfs4 server:/x rw\n"
        "51 27 0:50 / /ovl rw - overlay overlay rw\n"
        "52 27 0:60 / /tmp rw - tmpfs tmpfs rw\n"
        "broken line\n"
        "60 27 x:y / /z rw - ext4 /dev/z rw\n"
        "61 27 8:49 / /nodash rw shared:1 ext4 /dev/z rw\n";
    static const struct str EXTRA[] = {{"tmpfs", 5}};

    struct arena a;
    mounts m = {0};

    (void)state;
    arena_init(&a, 1 << 16);
    assert_int_equal(proc_mountinfo_parse(STR(TEXT), &a, &m), 0);
    assert_int_equal(m.n, 10);
    mounts_select(&m, EXTRA, 1);
    assert_int_equal(m.n, 4);
    assert_str(m.v[0].point, "/");
    assert_str(m.v[0].source, "/dev/vda");
    assert_false(m.v[0].read_only);
    assert_str(m.v[1].point, "/mnt/with blank");
    assert_true(m.v[1].read_only);
    assert_str(m.v[2].point, "/data/btrfs");
    assert_str(m.v[3].type, "tmpfs");
    vec_clear(&m);
    assert_int_equal(proc_mountinfo_parse(STR("1 0 0:50 / / rw - overlay overlay rw\n"), &a, &m),
                     0);
    mounts_select(&m, NULL, 0);
    assert_int_equal(m.n, 1); /* a container's root */
    vec_done(&m);
    arena_done(&a);
}

static void test_net_dev(void **state)
{
    nic_stats n = {0};

    (void)state;
    assert_int_equal(
        proc_net_dev_parse(
            STR("Inter-|   Receive                       |  Transmit\n"
                " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets "
                "errs drop fifo colls carrier compressed\n"
                "    lo:    3193      29    0    0    0     0          0         0     3193      29  "
                "  0    0    0     0       0          0\n"
                "eth0:670942980   16523    1    2    0     0          0         0   978335    9432    "
                "3    4    0     0       0          0\n"
                "eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12\n"
                "short: 1 2 3\n"),
            &n),
        0);
    assert_int_equal(n.n, 3);
    assert_str(n.v[1].name, "eth0");
    assert_int_equal(n.v[1].bytes[0], 670942980);
    assert_int_equal(n.v[1].packets[1], 9432);
    assert_int_equal(n.v[1].errors[0], 1);
    assert_int_equal(n.v[1].dropped[0], 2);
    assert_int_equal(n.v[1].errors[1], 3);
    assert_int_equal(n.v[1].dropped[1], 4);
    assert_str(n.v[2].name, "eth0:1");
    vec_done(&n);
}

static void test_sockets(void **state)
{
    uint64_t c[TCP_STATE_COUNT] = {0};
    struct proc_sockstat s = {0};

    (void)state;
    proc_net_tcp_count(
        STR("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
            "   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
            "   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0\n"
            "   2: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0\n"
            "   3: a b 06 x\n   4: a b 0C x\n   5: a b FF x\n   6: a b 00 x\n   7: a b 1 x\n   8: a\n"),
        c);
    assert_int_equal(c[0xa], 2);
    assert_int_equal(c[1], 1);
    assert_int_equal(c[6], 1);
    assert_int_equal(c[12], 1);
    assert_int_equal(c[0], 0);
    assert_string_equal(tcp_state_name(6), "time_wait");
    assert_null(tcp_state_name(0));
    assert_null(tcp_state_name(99));
    proc_sockstat_add(STR("sockets: used 17\nTCP: inuse 10 orphan 0 tw 3 alloc 1 mem 0\n"
                          "UDP: inuse 4 mem 0\nUDPLITE: inuse 9\nFRAG: inuse 0 memory 0\n"),
                      &s);
    proc_sockstat_add(STR("TCP6: inuse 5\nUDP6: inuse 1\nRAW6: inuse 7\nTCP6: inuse\n"), &s);
    assert_int_equal(s.tcp_in_use, 15);
    assert_int_equal(s.tcp_time_wait, 3);
    assert_int_equal(s.udp_in_use, 5);
}

static void test_load_uptime(void **state)
{
    double load[3] = {0};
    double up = 0;

    (void)state;
    assert_int_equal(proc_loadavg_parse(STR("0.02 0.11 12.07 1/94 10450\n"), load), 0);
    assert_true(load[0] == 0.02 && load[1] == 0.11 && load[2] == 12.07);
    assert_int_equal(proc_loadavg_parse(STR("0.02 0.11"), load), -ERR_INVALID);
    assert_int_equal(proc_loadavg_parse(STR("nan 0.11 1"), load), -ERR_INVALID);
    assert_int_equal(proc_loadavg_parse(STR("-1 0.11 1"), load), -ERR_INVALID);
    assert_int_equal(proc_uptime_parse(STR("2182.36 4234.12\n"), &up), 0);
    assert_true(up == 2182.36);
    assert_int_equal(proc_uptime_parse(STR("\n"), &up), -ERR_INVALID);
    assert_int_equal(proc_uptime_parse(STR("inf 1"), &up), -ERR_INVALID);
}

static void test_pid(void **state)
{
    static const struct {
        const char *text;
        int rc;
        uint32_t pid;
        const char *name;
        char letter;
        uint64_t cpu;
        uint64_t threads;
        uint64_t start;
        uint64_t rss;
    } CASES[] = {
        {"10830 (cat) R 10828 10828 9587 0 -1 4194304 118 0 0 0 5 7 0 0 20 0 3 0 220665 3133440 393 "
         "18446744073709551615 94499935162368\n",
         0, 10830, "cat", 'R', 12, 3, 220665, 393},
        {"7 (a ) R (b)) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 -5 1 0 9 1 4", 0, 7, "a ) R (b)", 'S', 3,
         1, 9, 4},
        {"7 () Z 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 9 1 4", 0, 7, "", 'Z', 3, 1, 9, 4},
        {"7 (x) S 1 1 1 0 -1", -ERR_INVALID, 0, NULL, 0, 0, 0, 0, 0},
        {"7 x S 1 1", -ERR_INVALID, 0, NULL, 0, 0, 0, 0, 0},
        {"0 (x) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 9 1 4", -ERR_INVALID, 0, NULL, 0, 0, 0, 0,
         0},
        {"7 )x( S", -ERR_INVALID, 0, NULL, 0, 0, 0, 0, 0},
        {"", -ERR_INVALID, 0, NULL, 0, 0, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct pid_stat s = {0};

        assert_int_equal(proc_pid_stat_parse(str_cstr(CASES[i].text), &s), CASES[i].rc);
        if (CASES[i].rc == 0) {
            assert_int_equal(s.pid, CASES[i].pid);
            assert_str(s.name, CASES[i].name);
            assert_int_equal(s.state, CASES[i].letter);
            assert_int_equal(s.cpu_ticks, CASES[i].cpu);
            assert_int_equal(s.threads, CASES[i].threads);
            assert_int_equal(s.start_ticks, CASES[i].start);
            assert_int_equal(s.rss_pages, CASES[i].rss);
        }
    }
    assert_int_equal(process_state_of('D'), PS_BLOCKED);
    assert_int_equal(process_state_of('I'), PS_SLEEPING);
    assert_int_equal(process_state_of('t'), PS_STOPPED);
    assert_string_equal(process_state_name(PS_DEFUNCT), "defunct");
}

static void test_passwd_cmdline(void **state)
{
    const struct str PASSWD = STR("root:x:0:0:root:/root:/bin/bash\nbad\n:x:5:\nweb:x:33:33::/:\n");
    struct buf b;

    (void)state;
    assert_str(passwd_name(PASSWD, 0), "root");
    assert_str(passwd_name(PASSWD, 33), "web");
    assert_str(passwd_name(PASSWD, 1), "");
    buf_init(&b, 12);
    proc_cmdline_join(str_of("java\0-x\ty\0\0", 11), &b);
    assert_str(buf_str(&b), "java -x?y");
    buf_clear(&b);
    proc_cmdline_join(STR("0123456789abcdef"), &b);
    assert_str(buf_str(&b), "0123456789ab");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stat),    cmocka_unit_test(test_meminfo),
        cmocka_unit_test(test_vmstat),  cmocka_unit_test(test_diskstats),
        cmocka_unit_test(test_mounts),  cmocka_unit_test(test_net_dev),
        cmocka_unit_test(test_sockets), cmocka_unit_test(test_load_uptime),
        cmocka_unit_test(test_pid),     cmocka_unit_test(test_passwd_cmdline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
