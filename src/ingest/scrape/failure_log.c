/* SPDX-License-Identifier: Apache-2.0
 *
 * Each line is one write() to a file opened for appending, so lines of several processes do not mix.
 */
#include "ingest/scrape/failure_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/vec.h"
#include "codec/json_write.h"

enum { LINE_BYTES = 64 << 10 };

struct log_file {
    char *path; /* owned */
    int fd;     /* -1: could not be opened */
};

struct failure_logs {
    struct mutex lock;
    VEC(struct log_file) files; /* guarded by: lock */
};

struct failure_logs *failure_logs_new(void)
{
    struct failure_logs *l = mem_xcalloc(1, sizeof(*l));

    mutex_init(&l->lock, LOCK_RANK_LEAF);
    return l;
}

void failure_logs_reopen(struct failure_logs *l)
{
    mutex_lock(&l->lock);
    for (size_t i = 0; i < l->files.n; i++) {
        if (l->files.v[i].fd >= 0) {
            close(l->files.v[i].fd);
        }
        mem_free(l->files.v[i].path);
    }
    vec_clear(&l->files);
    mutex_unlock(&l->lock);
}

void failure_logs_free(struct failure_logs *l)
{
    if (l != NULL) {
        failure_logs_reopen(l);
        vec_done(&l->files);
        mutex_done(&l->lock);
        mem_free(l);
    }
}

/* Lock held. */
static int fd_of(struct failure_logs *l, struct str path)
{
    struct err e = {0};
    struct log_file f;

    for (size_t i = 0; i < l->files.n; i++) {
        if (str_eq(str_cstr(l->files.v[i].path), path)) {
            return l->files.v[i].fd;
        }
    }
    f.path = str_dup(path);
    f.fd = open(f.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (f.fd < 0) {
        ignore_result(err_set_errno(&e, errno, "open"), "for the log only");
        log_warn("scrape", "the log of failures cannot be opened", L_CSTR("file", f.path),
                 L_CSTR("error", e.msg));
    }
    if (!vec_push(&l->files, f)) {
        if (f.fd >= 0) {
            close(f.fd);
        }
        mem_free(f.path);
        return -1;
    }
    return f.fd;
}

static void write_pair(struct json_writer *w, const char *key, struct str s)
{
    json_key(w, key);
    json_str(w, s);
}

void failure_logs_write(struct failure_logs *l, struct str path, const struct scrape_failure *f)
{
    struct buf b CLEANUP(buf_done) = {0};
    char whole[CLOCK_RFC3339_SIZE];
    char time[CLOCK_RFC3339_SIZE + 16];
    int64_t now_ns = clock_wall_ns();
    struct json_writer w;
    int fd;

    clock_format_rfc3339(now_ns / 1000000, whole);
    snprintf(time, sizeof(time), "%.19s.%09lldZ", whole, (long long)(now_ns % 1000000000));
    buf_init(&b, LINE_BYTES);
    json_init(&w, &b);
    json_object_begin(&w);
    write_pair(&w, "time", str_cstr(time));
    write_pair(&w, "level", STR("ERROR"));
    write_pair(&w, "source", STR("scrape"));
    write_pair(&w, "msg", f->message);
    write_pair(&w, "job_name", f->job);
    write_pair(&w, "target", f->url);
    json_object_end(&w);
    buf_add_byte(&b, '\n');
    if (buf_status(&b) < 0) {
        return;
    }
    mutex_lock(&l->lock);
    fd = fd_of(l, path);
    if (fd >= 0 && write(fd, b.data, b.n) < 0) {
        struct err e = {0};

        ignore_result(err_set_errno(&e, errno, "write"), "for the log only");
        log_debug("scrape", "a failure could not be logged", L_CSTR("error", e.msg));
    }
    mutex_unlock(&l->lock);
}
