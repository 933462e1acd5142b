/* SPDX-License-Identifier: Apache-2.0
 *
 * Every process costs one open and one read of its stat file; names, owner, command line and descriptors
 * are asked only for the few that are reported.
 */
#include "agent/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/mask.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

struct seen {
    uint32_t pid;
    uint32_t threads;
    uint64_t start_ticks;
    uint64_t cpu_ticks;
    uint64_t delta_ticks;
    uint64_t rss_pages;
    char name[16];
    bool old; /* was there at the reading before */
};

typedef VEC(struct seen) seen_list;

struct processes {
    seen_list now;    /* by pid */
    seen_list before; /* by pid */
    struct mono read_at;
    double elapsed_s; /* between the two readings; 0 at the first */
    uint64_t counts[PS_COUNT];
    struct top_process *top; /* owned, 2 * PROCESS_TOP_MAX */
    size_t top_n;
    struct top_process *gone; /* owned, 2 * PROCESS_TOP_MAX */
    size_t gone_n;
    struct buf passwd; /* a copy of /etc/passwd */
    struct timespec passwd_mtime;
    double ticks_per_s;
    uint64_t page_bytes;
};

enum { STAT_MAX = 4096, PASSWD_MAX = 1 << 20 };

struct processes *processes_new(void)
{
    struct processes *p = mem_xcalloc(1, sizeof(*p));
    long ticks = sysconf(_SC_CLK_TCK);
    long page = sysconf(_SC_PAGESIZE);

    p->top = mem_xcalloc(2 * (size_t)PROCESS_TOP_MAX, sizeof(*p->top));
    p->gone = mem_xcalloc(2 * (size_t)PROCESS_TOP_MAX, sizeof(*p->gone));
    p->ticks_per_s = ticks > 0 ? (double)ticks : 100.0;
    p->page_bytes = page > 0 ? (uint64_t)page : 4096;
    buf_init(&p->passwd, PASSWD_MAX);
    return p;
}

void processes_free(struct processes *p)
{
    if (p == NULL) {
        return;
    }
    vec_done(&p->now);
    vec_done(&p->before);
    mem_free(p->top);
    mem_free(p->gone);
    buf_done(&p->passwd);
    mem_free(p);
}

static int by_pid(const void *a, const void *b)
{
    const struct seen *x = a;
    const struct seen *y = b;

    return (x->pid > y->pid) - (x->pid < y->pid);
}

static int add_process(struct processes *p, int proc_fd, const char *dir)
{
    char path[64];
    char text[STAT_MAX];
    struct pid_stat s;
    struct seen x = {0};
    const struct seen *old;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "%.20s/stat", dir);
    fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0; /* it ended meanwhile */
    }
    n = read(fd, text, sizeof(text));
    close(fd);
    if (n <= 0 || proc_pid_stat_parse(str_of(text, (size_t)n), &s) < 0) {
        return 0;
    }
    p->counts[process_state_of(s.state)]++;
    x.pid = s.pid;
    x.threads = s.threads < UINT32_MAX ? (uint32_t)s.threads : UINT32_MAX;
    x.start_ticks = s.start_ticks;
    x.cpu_ticks = s.cpu_ticks;
    x.rss_pages = s.rss_pages;
    memcpy(x.name, s.name.p, s.name.n < sizeof(x.name) - 1 ? s.name.n : sizeof(x.name) - 1);
    old = p->before.n != 0 ? bsearch(&x, p->before.v, p->before.n, sizeof(x), by_pid) : NULL;
    if (old != NULL && old->start_ticks == x.start_ticks && x.cpu_ticks >= old->cpu_ticks) {
        x.delta_ticks = x.cpu_ticks - old->cpu_ticks;
    }
    x.old = old != NULL && old->start_ticks == x.start_ticks;
    if (p->now.n == PROCESSES_MAX) {
        return 0; /* counted by state, but not a candidate for the top */
    }
    return vec_push(&p->now, x) ? 0 : -ERR_NOMEM;
}

static int list(struct processes *p, struct host_files *h)
{
    DIR *dir = opendir(host_path(h, "/proc"));
    struct dirent *e;
    bool sorted = true;
    int rc = 0;

    if (dir == NULL) {
        h->errors++;
        return -ERR_IO;
    }
    while (rc == 0 && (e = readdir(dir)) != NULL) {
        if (e->d_name[0] >= '0' && e->d_name[0] <= '9') {
            rc = add_process(p, dirfd(dir), e->d_name);
            sorted =
                sorted && (p->now.n < 2 || p->now.v[p->now.n - 2].pid < p->now.v[p->now.n - 1].pid);
        }
    }
    closedir(dir);
    if (!sorted) {
        qsort(p->now.v, p->now.n, sizeof(*p->now.v), by_pid);
    }
    return rc;
}

static uint64_t weight(const struct seen *s, bool by_cpu)
{
    return by_cpu ? s->delta_ticks : s->rss_pages;
}

/* Insert into a descending list of at most `top` picks. */
static size_t pick(const struct seen **picks, size_t n, size_t top, const struct seen *s,
                   bool by_cpu)
{
    size_t i = n;

    if (weight(s, by_cpu) == 0 || top == 0) {
        return n;
    }
    while (i > 0 && weight(picks[i - 1], by_cpu) < weight(s, by_cpu)) {
        i--;
    }
    if (i == top) {
        return n;
    }
    n = n < top ? n + 1 : n;
    memmove(&picks[i + 1], &picks[i], (n - 1 - i) * sizeof(*picks));
    picks[i] = s;
    return n;
}

static void copy_text(char *dst, size_t size, struct str s)
{
    size_t n = s.n < size - 1 ? s.n : size - 1;

    memcpy(dst, s.p, n);
    dst[n] = '\0';
}

static void read_owner(struct processes *p, struct host_files *h, struct top_process *t)
{
    char path[64];
    struct stat st;
    struct stat pw;
    struct str name = {0};

    snprintf(path, sizeof(path), "/proc/%u", t->pid);
    if (stat(host_path(h, path), &st) != 0) {
        return;
    }
    if (stat(host_path(h, "/etc/passwd"), &pw) == 0 &&
        (pw.st_mtim.tv_sec != p->passwd_mtime.tv_sec ||
         pw.st_mtim.tv_nsec != p->passwd_mtime.tv_nsec || p->passwd.n == 0)) {
        struct str text;

        buf_clear(&p->passwd);
        if (host_read_optional(h, "/etc/passwd", &text) == 0) {
            buf_add_str(&p->passwd, text);
        }
        p->passwd_mtime = pw.st_mtim;
    }
    name = passwd_name(buf_str(&p->passwd), st.st_uid);
    if (name.n != 0) {
        copy_text(t->owner, sizeof(t->owner), name);
    } else {
        snprintf(t->owner, sizeof(t->owner), "%u", st.st_uid);
    }
}

static void read_command(struct host_files *h, struct top_process *t, const char *comm)
{
    char path[64];
    char target[4096];
    struct buf line CLEANUP(buf_done);
    struct buf masked CLEANUP(buf_done);
    struct str text;
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%u/exe", t->pid);
    n = readlink(host_path(h, path), target, sizeof(target));
    if (n > 0) {
        struct str exe = str_of(target, (size_t)n);

        if (str_ends(exe, STR(" (deleted)"))) {
            exe.n -= strlen(" (deleted)");
        }
        for (size_t i = exe.n; i-- > 0;) {
            if (exe.p[i] == '/') {
                exe = str_drop(exe, i + 1);
                break;
            }
        }
        copy_text(t->name, sizeof(t->name), exe);
    } else {
        copy_text(t->name, sizeof(t->name), str_cstr(comm));
    }
    buf_init(&line, (size_t)COMMAND_LINE_MAX * 4);
    buf_init(&masked, (size_t)COMMAND_LINE_MAX * 8);
    snprintf(path, sizeof(path), "/proc/%u/cmdline", t->pid);
    if (host_read_optional(h, path, &text) == 0) {
        proc_cmdline_join(text, &line);
    }
    mask_secrets(buf_str(&line), &masked);
    if (masked.n == 0) {
        snprintf(t->command_line, sizeof(t->command_line), "[%s]", comm);
    } else {
        copy_text(t->command_line, sizeof(t->command_line), buf_str(&masked));
    }
}

static int64_t count_fds(struct host_files *h, uint32_t pid)
{
    char path[64];
    int64_t n = 0;
    DIR *dir;
    struct dirent *e;

    snprintf(path, sizeof(path), "/proc/%u/fd", pid);
    dir = opendir(host_path(h, path));
    if (dir == NULL) {
        return -1;
    }
    while ((e = readdir(dir)) != NULL) {
        n += e->d_name[0] != '.' ? 1 : 0;
    }
    closedir(dir);
    return n;
}

static const struct top_process *find(const struct top_process *v, size_t n, uint32_t pid,
                                      uint64_t start_ticks, const char *comm)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i].pid == pid && v[i].start_ticks == start_ticks && strcmp(v[i].comm, comm) == 0) {
            return &v[i];
        }
    }
    return NULL;
}

static void describe(struct processes *p, struct host_files *h, const struct seen *s, size_t cpus)
{
    struct top_process *t = &p->top[p->top_n];
    /* the old top set lies in `gone` while the new one is made */
    const struct top_process *old = find(p->gone, p->gone_n, s->pid, s->start_ticks, s->name);

    if (old != NULL) {
        *t = *old; /* a title that keeps changing must not make a series each time */
    } else {
        *t = (struct top_process){.pid = s->pid, .start_ticks = s->start_ticks};
        copy_text(t->comm, sizeof(t->comm), str_cstr(s->name));
        read_command(h, t, s->name);
        read_owner(p, h, t);
    }
    t->cpu = p->elapsed_s > 0
                 ? (double)s->delta_ticks / p->ticks_per_s / p->elapsed_s / (double)cpus
                 : 0.0;
    t->cpu = t->cpu < 1.0 ? t->cpu : 1.0;
    t->rss_bytes = s->rss_pages < UINT64_MAX / p->page_bytes ? s->rss_pages * p->page_bytes : 0;
    t->threads = s->threads;
    t->fds = count_fds(h, s->pid);
    p->top_n++;
}

static void select_top(struct processes *p, struct host_files *h, size_t top, size_t cpus)
{
    const struct seen *picks[2][PROCESS_TOP_MAX];
    size_t n[2] = {0, 0};
    struct top_process *swap = p->top;
    size_t kept = 0;

    for (size_t i = 0; i < p->now.n; i++) {
        if (p->elapsed_s > 0 && !p->now.v[i].old) {
            continue; /* a compiler run of a second is not worth four series */
        }
        n[0] = pick(picks[0], n[0], top, &p->now.v[i], true);
        n[1] = pick(picks[1], n[1], top, &p->now.v[i], false);
    }
    p->top = p->gone;
    p->gone = swap;
    p->gone_n = p->top_n;
    p->top_n = 0;
    for (size_t list_i = 0; list_i < 2; list_i++) {
        for (size_t i = 0; i < n[list_i]; i++) {
            const struct seen *s = picks[list_i][i];

            if (find(p->top, p->top_n, s->pid, s->start_ticks, s->name) == NULL) {
                describe(p, h, s, cpus);
            }
        }
    }
    for (size_t i = 0; i < p->gone_n; i++) {
        if (find(p->top, p->top_n, p->gone[i].pid, p->gone[i].start_ticks, p->gone[i].comm) ==
            NULL) {
            p->gone[kept++] = p->gone[i];
        }
    }
    p->gone_n = kept;
}

int processes_read(struct processes *p, struct host_files *h, size_t top, size_t cpus)
{
    seen_list old = p->before;
    struct mono now = clock_mono();
    int rc;

    p->elapsed_s = p->read_at.ns != 0 ? (double)(now.ns - p->read_at.ns) / 1e9 : 0.0;
    p->read_at = now;
    p->before = p->now;
    p->now = old;
    vec_clear(&p->now);
    memset(p->counts, 0, sizeof(p->counts));
    rc = list(p, h);
    if (rc < 0) {
        return rc;
    }
    select_top(p, h, top < PROCESS_TOP_MAX ? top : PROCESS_TOP_MAX, cpus != 0 ? cpus : 1);
    return 0;
}

const uint64_t *processes_counts(const struct processes *p)
{
    return p->counts;
}

const struct top_process *processes_top(const struct processes *p, size_t *ret_n)
{
    *ret_n = p->top_n;
    return p->top;
}

const struct top_process *processes_gone(const struct processes *p, size_t *ret_n)
{
    *ret_n = p->gone_n;
    return p->gone;
}
