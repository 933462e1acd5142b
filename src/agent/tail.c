/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading followed files. Invariant: safe <= flushed <= offset for every file, and what is not consumed as
 * whole records is read again with the next look, so no unfinished line is held in memory.
 */
#include "agent/tail.h"

#include <errno.h>
#include <unistd.h>

#include "agent/log_split.h"
#include "agent/tail_internal.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"

enum {
    CHUNK = 64 * 1024,
    POSITIONS_FILE_MAX = 32 << 20,
    READ_PER_FILE =
        4 << 20, /* bytes in one look, so that one busy file does not starve the others */
    JOIN_WAIT_NS = 250000000,
};

int tail_new(const struct tail_opts *opts, struct tail **ret, struct err *reterr)
{
    struct tail *t = mem_xcalloc(1, sizeof(*t));
    char *text = NULL;
    size_t n = 0;
    int rc;

    t->opts = *opts;
    t->opts.positions_path = mem_xstrdup(opts->positions_path);
    t->opts.root = mem_xstrdup(opts->root);
    buf_init(&t->chunk, opts->max_record + 2 * (size_t)CHUNK);
    t->refilled_at = clock_mono();
    rc = vfs_read_file(opts->vfs, t->opts.positions_path, POSITIONS_FILE_MAX, &text, &n, reterr);
    if (rc == 0) {
        rc = positions_decode(str_of(text, n), &t->known);
        t->had_positions = rc == 0;
        mem_free(text);
        if (rc == -ERR_CORRUPT || rc == -ERR_LIMIT) {
            log_error("tail", "the file of log positions is damaged; starting without it",
                      L_CSTR("file", t->opts.positions_path));
            t->stats.errors++;
            rc = 0;
        }
    } else if (rc == -ERR_NOT_FOUND) {
        rc = 0;
    }
    if (rc < 0) {
        tail_free(t);
        return rc;
    }
    *ret = t;
    return 0;
}

static void free_sources(struct tail *t)
{
    for (size_t i = 0; i < t->sources_n; i++) {
        log_source_free(t->sources[i]);
    }
    t->sources_n = 0;
}

void tail_free(struct tail *t)
{
    if (t == NULL) {
        return;
    }
    while (t->files.n != 0) {
        tail_drop(t, t->files.n - 1);
    }
    vec_done(&t->files);
    positions_done(&t->known);
    free_sources(t);
    buf_done(&t->chunk);
    mem_free((void *)(uintptr_t)t->opts.positions_path); /* our copies */
    mem_free((void *)(uintptr_t)t->opts.root);
    mem_free(t);
}

void tail_configure(struct tail *t, const char *const *entries, size_t n, int64_t max_lines_per_s)
{
    free_sources(t);
    for (size_t i = 0; i < n && t->sources_n < TAIL_SOURCES_MAX; i++) {
        struct err e = {0};

        if (log_source_parse(str_cstr(entries[i]), &t->sources[t->sources_n], &e) == 0) {
            t->sources_n++;
        } else {
            log_error("tail", "log entry ignored", L_CSTR("error", e.msg));
        }
    }
    if (n > TAIL_SOURCES_MAX) {
        log_error("tail", "too many log entries; the rest is ignored",
                  L_INT("limit", TAIL_SOURCES_MAX));
    }
    for (size_t i = 0; i < t->files.n; i++) {
        t->files.v[i]->source = tail_source_of(t, t->files.v[i]->path);
    }
    t->max_lines_per_s = max_lines_per_s;
    t->tokens = max_lines_per_s;
}

/* Only blank lines since the last batch: safe as soon as nothing before them is under way. */
static void flush_blanks(struct tail *t)
{
    for (size_t i = 0; i < t->files.n; i++) {
        struct tail_file *f = t->files.v[i];

        if (f->offset != f->flushed && f->safe == f->flushed) {
            f->flushed = f->safe = f->offset;
            f->flushed_skipping = f->safe_skipping = f->skipping;
            t->dirty = true;
        }
    }
}

/* Everything read so far goes on as one batch. @return false when it was not taken */
static bool flush(struct tail *t)
{
    log_marks marks = {0};
    bool ok = true;

    if (t->unflushed == 0) {
        flush_blanks(t);
        return true;
    }
    for (size_t i = 0; i < t->files.n && ok; i++) {
        struct tail_file *f = t->files.v[i];

        if (f->offset != f->flushed) {
            ok = vec_push(&marks, (struct log_mark){f->id, f->offset, f->generation, f->skipping});
        }
    }
    ok = ok && t->opts.sink.flush(t->opts.sink.ctx, &marks);
    vec_done(&marks);
    t->unflushed = 0;
    for (size_t i = 0; i < t->files.n; i++) {
        struct tail_file *f = t->files.v[i];

        if (ok) {
            f->flushed = f->offset;
            f->flushed_skipping = f->skipping;
        } else {
            f->offset = f->flushed;
            f->skipping = f->flushed_skipping;
        }
    }
    return ok;
}

struct reading {
    struct tail *t;
    struct tail_file *f;
    uint64_t base; /* offset of the chunk */
    struct str name;
    struct str service;
    bool stop;
    bool refused; /* a batch was not taken: offsets were set back */
};

static bool on_record(void *ctx, struct str text, bool cut, size_t end, bool skipping)
{
    struct reading *r = ctx;
    struct tail *t = r->t;
    const struct tail_record record = {
        r->f->source, r->f->path + strlen(t->opts.root), r->name, r->service, text, cut};
    bool full = t->opts.sink.record(t->opts.sink.ctx, &record);

    r->f->offset = r->base + end;
    r->f->skipping = skipping;
    t->unflushed++;
    t->stats.records++;
    t->stats.cut += cut ? 1 : 0;
    t->tokens--;
    if (full) {
        r->refused = !flush(t);
        r->stop = r->refused || t->opts.sink.full(t->opts.sink.ctx);
    }
    r->stop = r->stop || (t->max_lines_per_s != 0 && t->tokens <= 0);
    return !r->stop;
}

static void truncated(struct tail *t, struct tail_file *f)
{
    f->old_print = f->print;
    f->old_offset = f->offset;
    f->print = (struct fingerprint){0};
    f->generation++;
    f->offset = f->flushed = f->safe = 0;
    f->skipping = f->flushed_skipping = f->safe_skipping = false;
    t->dirty = true;
}

/* Up to one full chunk at f->offset; the buffer grows only when one record needs it. */
static ssize_t read_chunk(struct tail *t, struct tail_file *f, size_t want)
{
    ssize_t n;

    buf_clear(&t->chunk);
    if (buf_reserve(&t->chunk, want) == NULL) {
        return -1;
    }
    n = pread(f->fd, t->chunk.data, want, (off_t)f->offset);
    t->chunk.n = n > 0 ? (size_t)n : 0;
    return n;
}

/* Cut the chunk into records. @return true when it was of any use */
static bool consume(struct tail_file *f, const struct split_opts *o, struct str chunk,
                    struct reading *r)
{
    bool skipping = f->skipping;
    size_t used;

    r->base = f->offset;
    used = log_split(chunk, o, &skipping, on_record, r);
    if (!r->refused) { /* also what was dropped after the last record: blank lines, a cut line's rest */
        f->offset = r->base + used;
        f->skipping = skipping;
    }
    return used != 0;
}

static void describe(struct reading *r)
{
    const char *service = log_source_service(r->f->source);
    const char *slash = strrchr(r->f->path, '/');
    int64_t dot;

    r->name = str_cstr(slash != NULL ? slash + 1 : r->f->path);
    dot = str_find_byte(r->name, '.');
    r->service =
        service != NULL ? str_cstr(service) : str_take(r->name, dot > 0 ? (size_t)dot : r->name.n);
}

/* A file that lost its name and was read to its end. */
static bool is_final(const struct tail *t, const struct tail_file *f)
{
    return !f->named && mono_since_ns(f->unnamed_at) > t->opts.rotated_ms * 1000000 &&
           mono_since_ns(f->changed_at) > t->opts.rotated_ms * 1000000;
}

/* Nothing was written for as long as lines of one record may be apart. A stack trace is written in one go: the time of
 * the file tells without waiting for the next look. */
static bool is_quiet(const struct tail *t, const struct tail_file *f)
{
    int64_t wait_ns = t->opts.record_wait_ms * 1000000;
    int64_t written_ns = f->written_at.tv_sec * INT64_C(1000000000) + f->written_at.tv_nsec;

    if (log_source_multiline(f->source) == LOG_LINES_AUTO) {
        wait_ns = wait_ns < JOIN_WAIT_NS ? wait_ns : JOIN_WAIT_NS;
        if (clock_wall_ns() - written_ns > wait_ns) {
            return true;
        }
    }
    return mono_since_ns(f->changed_at) > wait_ns;
}

static void read_file(struct tail *t, struct tail_file *f, uint64_t size)
{
    struct reading r = {.t = t, .f = f};
    struct split_opts o = {.source = f->source, .max_record = t->opts.max_record};
    size_t want = CHUNK;
    uint64_t total = 0;

    describe(&r);
    while (!r.stop && f->offset < size && total < READ_PER_FILE) {
        ssize_t n = read_chunk(t, f, want);
        bool last;

        if (n <= 0) {
            t->stats.errors += n < 0 ? 1 : 0;
            return;
        }
        total += (uint64_t)n;
        last = f->offset + (uint64_t)n >= size;
        o.flush_all = last && is_final(t, f);
        o.flush_lines = (last && is_quiet(t, f)) ||
                        want == t->chunk.max; /* a record of many lines that does not end */
        if (consume(f, &o, buf_str(&t->chunk), &r)) {
            want = CHUNK;
        } else if ((size_t)n < want || want == t->chunk.max) {
            return; /* an unfinished line at the end */
        } else {
            want = want * 4 < t->chunk.max ? want * 4 : t->chunk.max;
        }
    }
}

/* @return false when nothing has to be read */
static bool look(struct tail *t, struct tail_file *f, uint64_t *ret_size)
{
    struct stat st;
    uint64_t size;
    bool written;

    if (fstat(f->fd, &st) != 0) {
        t->stats.errors++;
        return false;
    }
    size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    written = size != f->size || st.st_mtim.tv_sec != f->written_at.tv_sec ||
              st.st_mtim.tv_nsec != f->written_at.tv_nsec;
    /* by chance the new content may be as long as the old one */
    if (size < f->offset || (written && !fingerprint_matches(f->fd, &f->print))) {
        truncated(t, f);
    }
    f->written_at = st.st_mtim;
    if (size != f->size) {
        f->size = size;
        f->changed_at = clock_mono();
    }
    if (f->print.n < FINGERPRINT_BYTES && size > f->print.n) {
        ignore_result(fingerprint_read(f->fd, FINGERPRINT_BYTES, &f->print), "0 bytes match all");
        t->dirty = true;
    }
    *ret_size = size;
    return size > f->offset;
}

static void refill(struct tail *t)
{
    int64_t elapsed_ms = mono_since_ns(t->refilled_at) / 1000000;
    int64_t burst = t->max_lines_per_s;
    int64_t more;

    if (elapsed_ms <= 0) {
        return;
    }
    elapsed_ms = elapsed_ms < 1000 ? elapsed_ms : 1000;
    more = t->max_lines_per_s * elapsed_ms / 1000;
    t->tokens = t->tokens + more < burst ? t->tokens + more : burst;
    t->refilled_at = clock_mono();
}

static void retire(struct tail *t)
{
    for (size_t i = t->files.n; i-- > 0;) {
        const struct tail_file *f = t->files.v[i];
        bool settled = f->safe == f->flushed && f->flushed == f->offset;

        if ((f->source == NULL || (is_final(t, f) && f->offset >= f->size)) && settled) {
            tail_drop(t, i);
        }
    }
}

void tail_poll(struct tail *t, bool search)
{
    const struct tail_sink *sink = &t->opts.sink;

    refill(t);
    tail_check_names(t);
    if (search || !t->searched) {
        tail_search(t);
    }
    for (size_t i = 0; i < t->files.n; i++) {
        struct tail_file *f = t->files.v[i];
        uint64_t size;

        if (f->source == NULL || !look(t, f, &size)) {
            continue;
        }
        if (sink->full(sink->ctx)) {
            break;
        }
        if (t->max_lines_per_s != 0 && t->tokens <= 0) {
            t->stats.throttled++;
            break;
        }
        read_file(t, f, size);
    }
    ignore_result((int)flush(t), "not taken: read again with the next look");
    retire(t);
    if (t->chunk.cap > CHUNK) {
        buf_done(&t->chunk);
        buf_init(&t->chunk, t->opts.max_record + 2 * (size_t)CHUNK);
    }
    t->stats.files = t->files.n;
}

void tail_ack(struct tail *t, const log_marks *marks)
{
    for (size_t k = 0; k < marks->n; k++) {
        const struct log_mark *m = &marks->v[k];

        for (size_t i = 0; i < t->files.n; i++) {
            struct tail_file *f = t->files.v[i];

            if (f->id == m->file_id && f->generation == m->generation && m->offset > f->safe) {
                f->safe = m->offset;
                f->safe_skipping = m->skipping;
                t->dirty = true;
            }
        }
    }
}

bool tail_dirty(const struct tail *t)
{
    return t->dirty;
}

int tail_save(struct tail *t, struct err *reterr)
{
    struct buf text CLEANUP(buf_done);
    positions list = {0};
    int rc;

    buf_init(&text, POSITIONS_FILE_MAX);
    if (!t->dirty || (!t->searched && t->had_positions)) {
        return 0; /* nothing new, or what is known was not looked at yet */
    }
    for (size_t i = 0; i < t->files.n; i++) {
        const struct tail_file *f = t->files.v[i];

        if (!vec_push(&list, (struct position){f->dev, f->ino, f->safe, f->print.hash, f->print.n,
                                               f->safe_skipping, f->path})) {
            vec_done(&list);
            return err_set(reterr, ERR_NOMEM, "no memory to save the log positions");
        }
    }
    positions_encode(&list, &text);
    vec_done(&list); /* the paths belong to the files */
    rc = buf_status(&text);
    if (rc == 0) {
        rc = vfs_write_atomic(t->opts.vfs, t->opts.positions_path, buf_str(&text), reterr);
    }
    t->dirty = t->dirty && rc < 0;
    return rc;
}

struct tail_stats tail_stats_of(const struct tail *t)
{
    return t->stats;
}
