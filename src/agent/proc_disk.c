/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/diskstats and /proc/PID/mountinfo. Text that ends early gives the fields it has.
 */
#include "agent/proc.h"
#include "agent/text.h"
#include "base/err.h"

int proc_diskstats_parse(struct str text, disk_stats *ret)
{
    struct str line;

    while (text_line(&text, &line)) {
        struct disk_stat d = {0};
        uint64_t skip;
        uint64_t v[10] = {0};
        size_t n = 0;

        if (!text_u64(&line, &skip) || !text_u64(&line, &skip) || !text_field(&line, &d.name)) {
            continue;
        }
        while (n < ARRAY_LEN(v) && text_u64(&line, &v[n])) {
            n++;
        }
        if (n < ARRAY_LEN(v)) {
            continue; /* partitions of kernels before 2.6.25 have four columns of another meaning */
        }
        for (size_t w = 0; w < 2; w++) {
            d.ops[w] = v[w * 4];
            d.merged[w] = v[w * 4 + 1];
            d.sectors[w] = v[w * 4 + 2];
            d.time_ms[w] = v[w * 4 + 3];
        }
        d.busy_ms = v[9];
        if (ret->n == PROC_DISKS_MAX) {
            return -ERR_LIMIT;
        }
        if (!vec_push(ret, d)) {
            return -ERR_NOMEM;
        }
    }
    return 0;
}

static bool octal(char c)
{
    return c >= '0' && c <= '7';
}

/* "\040" and its like, as the kernel's mangle_path() writes blank, tab, newline, backslash and '#'. */
static struct str unescape(struct str s, struct arena *a)
{
    struct str d;
    char *p;
    size_t n = 0;

    if (str_find_byte(s, '\\') < 0) {
        return s;
    }
    d = arena_str_dup(a, s);
    if (d.p == NULL) {
        return s;
    }
    p = (char *)(uintptr_t)d.p; /* ours: just copied */
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && s.n - i > 3 && octal(s.p[i + 1]) && octal(s.p[i + 2]) &&
            octal(s.p[i + 3])) {
            p[n++] =
                (char)(((s.p[i + 1] - '0') << 6 | (s.p[i + 2] - '0') << 3 | (s.p[i + 3] - '0')) &
                       0xff);
            i += 3;
        } else {
            p[n++] = s.p[i];
        }
    }
    return str_of(p, n);
}

static bool has_option(struct str options, struct str wanted)
{
    struct str o;

    while (str_split(&options, ',', &o)) {
        if (str_eq(o, wanted)) {
            return true;
        }
    }
    return false;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static bool parse_mount(struct str line, struct arena *a, struct mount *ret)
{
    struct mount m = {0};
    struct str device;
    struct str options;
    struct str f;
    struct str part;
    uint64_t major;
    uint64_t minor;

    if (!text_field(&line, &f) || !text_field(&line, &f) || !text_field(&line, &device) ||
        !text_field(&line, &m.root) || !text_field(&line, &m.point) ||
        !text_field(&line, &options)) {
        return false;
    }
    if (!str_split(&device, ':', &part) || !str_to_u64(part, &major) ||
        !str_to_u64(device, &minor) || major > UINT32_MAX || minor > UINT32_MAX) {
        return false;
    }
    do { /* optional fields up to the dash */
        if (!text_field(&line, &f)) {
            return false;
        }
    } while (!str_eq(f, STR("-")));
    if (!text_field(&line, &m.type) || !text_field(&line, &m.source)) {
        return false;
    }
    m.major = (uint32_t)major;
    m.minor = (uint32_t)minor;
    m.point = unescape(m.point, a);
    m.source = unescape(m.source, a);
    m.read_only = has_option(options, STR("ro"));
    *ret = m;
    return true;
}

int proc_mountinfo_parse(struct str text, struct arena *a, mounts *ret)
{
    struct str line;

    while (text_line(&text, &line)) {
        struct mount m;

        if (!parse_mount(line, a, &m)) {
            continue;
        }
        if (ret->n == PROC_MOUNTS_MAX) {
            return -ERR_LIMIT;
        }
        if (!vec_push(ret, m)) {
            return -ERR_NOMEM;
        }
    }
    return 0;
}

static bool is_local(struct str type)
{
    /* File systems on this machine's disks; asking them for space cannot hang on a network. squashfs and
     * iso9660 are left out: they are always full. */
    static const char *const TYPES[] = {
        "ext2", "ext3",     "ext4",    "xfs",  "btrfs", "zfs",  "f2fs",  "jfs",     "reiserfs",
        "vfat", "bcachefs", "msdos",   "ntfs", "ntfs3", "ufs",  "exfat", "nilfs2",  "hfsplus",
        "hfs",  "apfs",     "fuseblk", "udf",  "ocfs2", "gfs2", "ubifs", "stratis",
    };

    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++) {
        if (str_eq(type, str_cstr(TYPES[i]))) {
            return true;
        }
    }
    return false;
}

static bool wanted(const struct mount *m, const struct str *extra, size_t extra_n)
{
    for (size_t i = 0; i < extra_n; i++) {
        if (str_eq(m->type, extra[i])) {
            return true;
        }
    }
    return is_local(m->type) || (str_eq(m->type, STR("overlay")) && str_eq(m->point, STR("/")));
}

static bool better(const struct mount *a, const struct mount *b)
{
    bool whole_a = str_eq(a->root, STR("/"));
    bool whole_b = str_eq(b->root, STR("/"));

    if (whole_a != whole_b) {
        return whole_a;
    }
    return a->point.n < b->point.n;
}

void mounts_select(mounts *m, const struct str *extra, size_t extra_n)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->n; i++) {
        struct mount *x = &m->v[i];
        size_t k = 0;

        if (!wanted(x, extra, extra_n)) {
            continue;
        }
        while (k < kept && (m->v[k].major != x->major || m->v[k].minor != x->minor)) {
            k++;
        }
        if (k == kept) {
            m->v[kept++] = *x;
        } else if (better(x, &m->v[k])) {
            m->v[k] = *x;
        }
    }
    m->n = kept;
}
