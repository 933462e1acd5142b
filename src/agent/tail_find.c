/* SPDX-License-Identifier: Apache-2.0
 *
 * Which files to follow and where to start in each. Invariant: a file is taken up once, by device and inode;
 * a copy of a followed file (copytruncate) continues where the original was read to.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/tail_internal.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"

/* Fewer equal bytes are no proof that one file is a copy of another. */
enum { COPY_PROOF_BYTES = 16 };

int64_t fingerprint_read(int fd, uint32_t n, struct fingerprint *ret)
{
    char text[FINGERPRINT_BYTES];
    ssize_t got = pread(fd, text, n < sizeof(text) ? n : sizeof(text), 0);

    if (got < 0) {
        return -1;
    }
    *ret = (struct fingerprint){hash64(text, (size_t)got), (uint32_t)got};
    return got;
}

bool fingerprint_matches(int fd, const struct fingerprint *p)
{
    struct fingerprint now;

    return p->n == 0 || (fingerprint_read(fd, p->n, &now) == (int64_t)p->n && now.hash == p->hash);
}

void tail_drop(struct tail *t, size_t i)
{
    struct tail_file *f = t->files.v[i];

    close(f->fd);
    mem_free(f->path);
    mem_free(f);
    t->files.v[i] = t->files.v[--t->files.n];
    t->dirty = true;
}

static struct tail_file *by_inode(struct tail *t, const struct stat *st)
{
    for (size_t i = 0; i < t->files.n; i++) {
        if (t->files.v[i]->ino == (uint64_t)st->st_ino &&
            t->files.v[i]->dev == (uint64_t)st->st_dev) {
            return t->files.v[i];
        }
    }
    return NULL;
}

/* "/var/log/app.log.1" and "/var/log/app.log-2026" belong to "/var/log/app.log". */
static bool is_rotation_of(const char *path, const char *base)
{
    struct str p = str_cstr(path);
    struct str b = str_cstr(base);

    return p.n > b.n && str_starts(p, b) && memchr(p.p + b.n, '/', p.n - b.n) == NULL;
}

static bool is_packed(const char *path)
{
    static const char *const SUFFIXES[] = {".gz", ".xz", ".zst", ".bz2", ".zip", ".lz4"};

    for (size_t i = 0; i < ARRAY_LEN(SUFFIXES); i++) {
        if (str_ends(str_cstr(path), str_cstr(SUFFIXES[i]))) {
            return true;
        }
    }
    return false;
}

enum copy { COPY_NO, COPY_FROM, COPY_NOT_YET };

/**
 * Is `fd` a copy of a followed file, or of one followed in an earlier run? A copy of a file that was not
 * truncated has nothing new in it; a shorter one than we read is not finished.
 */
static enum copy copied_from(struct tail *t, const char *path, int fd, uint64_t size, uint64_t *ret)
{
    for (size_t i = 0; i < t->files.n; i++) {
        const struct tail_file *f = t->files.v[i];

        if (!is_rotation_of(path, f->path)) {
            continue;
        }
        if (f->old_print.n >= COPY_PROOF_BYTES && fingerprint_matches(fd, &f->old_print)) {
            *ret = f->old_offset;
            return f->old_offset <= size ? COPY_FROM : COPY_NOT_YET;
        }
        if (f->print.n >= COPY_PROOF_BYTES && fingerprint_matches(fd, &f->print)) {
            return COPY_NOT_YET;
        }
    }
    for (size_t i = 0; i < t->known.n; i++) {
        const struct position *p = &t->known.v[i];
        struct fingerprint print = {p->fingerprint, p->fingerprint_n};

        if (is_rotation_of(path, p->path) && print.n >= COPY_PROOF_BYTES &&
            fingerprint_matches(fd, &print)) {
            *ret = p->offset;
            return p->offset <= size ? COPY_FROM : COPY_NOT_YET;
        }
    }
    return COPY_NO;
}

/* The position an earlier run left for this very file; it is used up. */
static bool claim(struct tail *t, const struct stat *st, int fd, struct position *ret)
{
    for (size_t i = 0; i < t->known.n; i++) {
        struct position *p = &t->known.v[i];
        struct fingerprint print = {p->fingerprint, p->fingerprint_n};

        if (p->ino != (uint64_t)st->st_ino || p->dev != (uint64_t)st->st_dev) {
            continue;
        }
        if (!fingerprint_matches(fd, &print)) {
            return false; /* the inode was reused, or the file truncated and written anew */
        }
        *ret = *p;
        ret->path = NULL;
        mem_free(p->path);
        t->known.v[i] = t->known.v[--t->known.n];
        return true;
    }
    return false;
}

/* @return false when the file is a copy that is not to be read (yet) */
static bool choose_start(struct tail *t, struct tail_file *f, const struct stat *st)
{
    uint64_t size = st->st_size > 0 ? (uint64_t)st->st_size : 0;
    struct position p;
    enum copy copy;

    if (claim(t, st, f->fd, &p)) {
        f->offset = p.offset <= size ? p.offset : 0;
        f->skipping = p.offset <= size && p.skipping;
    } else {
        copy = copied_from(t, f->path, f->fd, size, &f->offset);
        if (copy == COPY_NOT_YET) {
            return false;
        }
        if (copy == COPY_NO && !t->searched && !t->had_positions &&
            log_source_start(f->source) == LOG_START_END) {
            f->offset = size;
        }
    }
    f->flushed = f->safe = f->offset;
    f->flushed_skipping = f->safe_skipping = f->skipping;
    return true;
}

static struct tail_file *take_up(struct tail *t, const char *path, const struct log_source *source)
{
    struct tail_file *f;
    struct stat st;
    int fd;

    if (t->files.n >= TAIL_FILES_MAX) {
        static struct log_limit limit;
        int64_t suppressed;

        if (log_limit_pass(&limit, &suppressed)) {
            log_warn("tail", "too many log files; the rest is not followed",
                     L_INT("limit", TAIL_FILES_MAX), L_CSTR("file", path));
        }
        return NULL;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        t->stats.errors += errno != ENOENT ? 1 : 0;
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    f = S_ISREG(st.st_mode) && by_inode(t, &st) == NULL ? mem_try_calloc(1, sizeof(*f)) : NULL;
    if (f == NULL || !vec_push(&t->files, f)) {
        mem_free(f);
        close(fd);
        return NULL;
    }
    f->id = ++t->next_id;
    f->dev = (uint64_t)st.st_dev;
    f->ino = (uint64_t)st.st_ino;
    f->path = mem_xstrdup(path);
    f->fd = fd;
    f->source = source;
    f->named = true;
    f->found = true;
    f->changed_at = clock_mono();
    if (!choose_start(t, f, &st)) {
        tail_drop(t, t->files.n - 1);
        return NULL;
    }
    ignore_result(fingerprint_read(fd, FINGERPRINT_BYTES, &f->print), "0 bytes match everything");
    f->size = f->offset;
    t->dirty = true;
    log_debug("tail", "following", L_CSTR("file", path), L_INT("offset", f->offset));
    return f;
}

static void rename_file(struct tail *t, struct tail_file *f, const char *path)
{
    if (strcmp(f->path, path) != 0) {
        mem_free(f->path);
        f->path = mem_xstrdup(path);
        t->dirty = true;
    }
    f->named = true;
}

static void found(struct tail *t, const char *path, const struct log_source *source)
{
    struct tail_file *f;
    struct stat st;

    if (is_packed(path) || log_source_excludes(source, path)) {
        return;
    }
    if (stat(path, &st) != 0) {
        t->stats.errors += errno != ENOENT ? 1 : 0;
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        return;
    }
    f = by_inode(t, &st);
    if (f == NULL) {
        ignore_result(take_up(t, path, source), "counted there");
    } else if (!f->found) { /* the first source that matches keeps it */
        f->found = true;
        f->source = source;
        rename_file(t, f, path);
    }
}

static void search_source(struct tail *t, const struct log_source *source)
{
    struct buf pattern CLEANUP(buf_done);
    glob_t g = {0};

    buf_init(&pattern, 16384);
    buf_add_cstr(&pattern, t->opts.root);
    buf_add_cstr(&pattern, log_source_pattern(source));
    buf_add_byte(&pattern, '\0');
    if (buf_status(&pattern) == 0 && glob(pattern.data, 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc; i++) {
            found(t, g.gl_pathv[i], source);
        }
    }
    globfree(&g);
}

const struct log_source *tail_source_of(struct tail *t, const char *path)
{
    struct str p = str_cstr(path);

    if (!str_starts(p, str_cstr(t->opts.root))) {
        return NULL;
    }
    for (size_t i = 0; i < t->sources_n; i++) {
        if (fnmatch(log_source_pattern(t->sources[i]), path + strlen(t->opts.root), FNM_PATHNAME) ==
            0) {
            return t->sources[i];
        }
    }
    return NULL;
}

static bool starts_as(const char *path, const struct position *p)
{
    const struct fingerprint print = {p->fingerprint, p->fingerprint_n};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool matches = fd >= 0 && fingerprint_matches(fd, &print);

    if (fd >= 0) {
        close(fd);
    }
    return matches;
}

/* @return true when it was the file, and taken up */
static bool try_renamed(struct tail *t, const struct position *p, const struct log_source *source,
                        const char *path)
{
    struct tail_file *f;
    struct stat st;

    if (is_packed(path) || stat(path, &st) != 0 || (uint64_t)st.st_ino != p->ino ||
        (uint64_t)st.st_dev != p->dev || by_inode(t, &st) != NULL || !starts_as(path, p)) {
        return false;
    }
    f = take_up(t, path, source);
    if (f == NULL) {
        return false;
    }
    f->named = false;
    f->unnamed_at = clock_mono();
    return true;
}

/* A file that was renamed while the agent was down lies beside its old name; read it to its end. */
static void find_renamed(struct tail *t, const struct position *p)
{
    const struct log_source *source = tail_source_of(t, p->path);
    const char *slash = strrchr(p->path, '/');
    struct buf path CLEANUP(buf_done);
    DIR *dir;
    struct dirent *e;
    bool done = false;

    buf_init(&path, 8192);
    if (source == NULL) {
        return;
    }
    buf_add(&path, p->path, (size_t)(slash - p->path) + 1);
    buf_add_byte(&path, '\0');
    dir = buf_status(&path) == 0 ? opendir(path.data) : NULL;
    while (dir != NULL && !done && (e = readdir(dir)) != NULL) {
        if (!str_starts(str_cstr(e->d_name), str_cstr(slash + 1))) {
            continue;
        }
        buf_clear(&path);
        buf_add(&path, p->path, (size_t)(slash - p->path) + 1);
        buf_add_cstr(&path, e->d_name);
        buf_add_byte(&path, '\0');
        /* `p` may be gone afterwards: it is claimed when the file is taken up */
        done = buf_status(&path) == 0 && try_renamed(t, p, source, path.data);
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

void tail_search(struct tail *t)
{
    for (size_t i = 0; i < t->files.n; i++) {
        t->files.v[i]->found = false;
    }
    for (size_t i = 0; i < t->sources_n; i++) {
        search_source(t, t->sources[i]);
    }
    for (size_t i = t->known.n; !t->searched && i-- > 0;) {
        if (i < t->known.n) {
            find_renamed(t, &t->known.v[i]);
        }
    }
    if (!t->searched && t->sources_n != 0) {
        t->searched = true;
        positions_done(&t->known); /* files that are gone for good */
    }
    for (size_t i = 0; i < t->files.n; i++) {
        struct tail_file *f = t->files.v[i];

        f->source = f->found || !f->named ? f->source : NULL;
    }
}

void tail_check_names(struct tail *t)
{
    size_t n = t->files.n; /* those taken up meanwhile are fresh */

    for (size_t i = 0; i < n; i++) {
        struct tail_file *f = t->files.v[i];
        struct stat st;
        bool there = f->named && stat(f->path, &st) == 0;
        bool same = there && (uint64_t)st.st_ino == f->ino && (uint64_t)st.st_dev == f->dev;

        if (!f->named || same) {
            continue;
        }
        f->named = false;
        f->unnamed_at = clock_mono();
        if (there && S_ISREG(st.st_mode) && by_inode(t, &st) == NULL && f->source != NULL) {
            ignore_result(take_up(t, f->path, f->source), "counted there");
        }
    }
}
