/* SPDX-License-Identifier: Apache-2.0
 *
 * Between polls the reading position is behind the last entry that was given to a batch that was taken.
 */
#include "agent/journal.h"

#include <errno.h>

#include "agent/journal_file.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

enum {
    ENTRY_MAX = 8 << 20, /* bytes of all fields of one entry */
    POLL_MAX = 20000,
    CURSOR_MAX = 4096,
};

/* log_mark.file_id of the journal; files count up from 1. */
static const uint64_t JOURNAL_ID = UINT64_MAX;

struct flushed {
    uint64_t number; /* log_mark.offset */
    char *cursor;    /* owned; of the last entry of the batch */
};

struct journal {
    struct journal_opts opts;
    char *cursor_path;
    char *directory;
    struct journal_file *file; /* NULL: not open yet */
    struct log_batch batch;
    struct arena arena;
    struct journal_row row;
    struct journal_field fields[JOURNAL_FIELDS_MAX];
    char *handed_on; /* cursor of the last entry in a batch that was taken; NULL: none yet */
    char *safe;      /* delivered or spooled */
    uint64_t batches;
    VEC(struct flushed) waiting; /* taken, not safe yet; rising numbers */
    bool dirty;
    struct journal_stats stats;
};

bool journal_match_ok(const char *match)
{
    const char *c = match;

    while ((*c >= 'A' && *c <= 'Z') || *c == '_' || (c != match && *c >= '0' && *c <= '9')) {
        c++;
    }
    return c != match && *c == '=' && c[1] != '\0';
}

static char *read_cursor(const struct journal *j)
{
    char *text = NULL;
    char *cursor;
    size_t n = 0;

    if (vfs_read_file(j->opts.vfs, j->cursor_path, CURSOR_MAX, &text, &n, NULL) < 0) {
        return NULL;
    }
    cursor = str_dup(str_trim(str_of(text, n)));
    mem_free(text);
    return cursor;
}

static void log_once(struct journal *j, const char *what, int rc)
{
    static struct log_limit limit;
    int64_t suppressed;

    j->stats.errors++;
    if (log_limit_pass(&limit, &suppressed)) {
        log_warn("journal", what, L_CSTR("directory", j->directory), L_INT("errno", -rc),
                 L_INT("suppressed", suppressed));
    }
}

/* Where the last batch that was taken ended, or where the very first start begins. */
static int seek(struct journal *j)
{
    if (j->handed_on != NULL) {
        return journal_file_seek(j->file, j->handed_on);
    }
    return j->opts.start == LOG_START_BEGINNING ? journal_file_seek_begin(j->file)
                                                : journal_file_seek_end(j->file);
}

static int open_file(struct journal *j)
{
    int rc = journal_file_open(j->directory, j->opts.matches, j->opts.matches_n, &j->file);

    if (rc < 0) {
        return rc;
    }
    rc = seek(j);
    if (rc < 0) {
        journal_file_close(j->file);
        j->file = NULL;
        return rc;
    }
    if (j->handed_on == NULL && j->opts.start == LOG_START_END) {
        j->handed_on = journal_file_cursor(j->file); /* where a refused batch leads back to */
    }
    return 0;
}

int journal_new(const struct journal_opts *opts, struct journal **ret, struct err *reterr)
{
    struct journal *j;

    for (size_t i = 0; i < opts->matches_n; i++) {
        if (!journal_match_ok(opts->matches[i])) {
            return err_set(reterr, ERR_INVALID, "logs.journal_match: '%s' is not FIELD=VALUE",
                           opts->matches[i]);
        }
    }
    j = mem_xcalloc(1, sizeof(*j));
    j->opts = *opts;
    j->cursor_path = mem_xstrdup(opts->cursor_path);
    j->directory = mem_xstrdup(opts->directory);
    log_batch_init(&j->batch, &opts->batch);
    arena_init(&j->arena, ENTRY_MAX);
    j->handed_on = read_cursor(j);
    ignore_result(open_file(j), "tried again with every poll, which reports it");
    *ret = j;
    return 0;
}

static void drop_waiting(struct journal *j, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free(j->waiting.v[i].cursor);
    }
    for (size_t i = n; i < j->waiting.n; i++) {
        j->waiting.v[i - n] = j->waiting.v[i];
    }
    j->waiting.n -= n;
}

void journal_free(struct journal *j)
{
    if (j == NULL) {
        return;
    }
    journal_file_close(j->file);
    log_batch_done(&j->batch);
    arena_done(&j->arena);
    drop_waiting(j, j->waiting.n);
    vec_done(&j->waiting);
    mem_free(j->handed_on);
    mem_free(j->safe);
    mem_free(j->cursor_path);
    mem_free(j->directory);
    mem_free(j);
}

/* Hand on what was collected. @return false: not taken, reading goes on where the batch began */
static bool flush(struct journal *j)
{
    struct flushed f = {.number = j->batches + 1};
    log_marks marks = {0};
    bool ok;

    if (j->batch.records == 0) {
        return true;
    }
    f.cursor = journal_file_cursor(j->file);
    ok = f.cursor != NULL && vec_reserve(&j->waiting, 1) &&
         vec_push(&marks, (struct log_mark){.file_id = JOURNAL_ID, .offset = f.number}) &&
         log_batch_flush(&j->batch, &marks);
    vec_done(&marks);
    if (!ok) {
        log_batch_clear(&j->batch);
        mem_free(f.cursor);
        ignore_result(seek(j), "an error shows with the next entry");
        return false;
    }
    mem_free(j->handed_on);
    j->handed_on = mem_xstrdup(f.cursor);
    j->batches++;
    return vec_push(&j->waiting, f);
}

/* @return false to end this look */
static bool take_entry(struct journal *j, int64_t now_ns)
{
    struct journal_entry e;
    int rc;

    arena_reset(&j->arena);
    rc = journal_file_read(j->file, &j->arena, j->fields, &e, &j->stats.cut);
    if (rc < 0) {
        log_once(j, "an entry of the journal cannot be read", rc);
        return rc != -ENOMEM;
    }
    journal_map(&e, now_ns, &j->arena, &j->row);
    j->stats.records++;
    return !log_batch_add(&j->batch, j->row.service, &j->row.record) ||
           (flush(j) && !log_batch_blocked(&j->batch));
}

void journal_poll(struct journal *j, int64_t max_records)
{
    int64_t left = max_records > 0 ? max_records : POLL_MAX;
    int64_t now_ns = clock_wall_ns();
    int rc = j->file == NULL ? open_file(j) : journal_file_update(j->file);

    if (rc < 0) {
        log_once(j, "the journal cannot be opened", rc);
        return;
    }
    if (log_batch_blocked(&j->batch)) {
        return;
    }
    while (left-- > 0) {
        rc = journal_file_next(j->file);
        if (rc < 0) {
            log_once(j, "the journal cannot be read", rc);
        }
        if (rc <= 0 || !take_entry(j, now_ns)) {
            break;
        }
    }
    ignore_result((int)flush(j), "not taken: read again with the next look");
}

void journal_ack(struct journal *j, const log_marks *marks)
{
    for (size_t k = 0; k < marks->n; k++) {
        size_t n = 0;

        while (marks->v[k].file_id == JOURNAL_ID && n < j->waiting.n &&
               j->waiting.v[n].number <= marks->v[k].offset) {
            n++;
        }
        if (n != 0) {
            mem_free(j->safe);
            j->safe = mem_xstrdup(j->waiting.v[n - 1].cursor);
            j->dirty = true;
            drop_waiting(j, n);
        }
    }
}

bool journal_dirty(const struct journal *j)
{
    return j->dirty;
}

int journal_save(struct journal *j, struct err *reterr)
{
    int rc;

    if (!j->dirty) {
        return 0;
    }
    rc = vfs_write_atomic(j->opts.vfs, j->cursor_path, str_cstr(j->safe), reterr);
    j->dirty = rc < 0;
    return rc;
}

struct journal_stats journal_stats_of(const struct journal *j)
{
    return j->stats;
}
