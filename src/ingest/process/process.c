/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules in force are counted references: a request takes them once and keeps them to its end.
 */
#include "ingest/process/process.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "ingest/process/row.h"

struct held {
    struct program *program;
    size_t users; /* requests at work, and one for being in force; guarded by: process.lock */
};

struct process {
    struct stats *stats;
    struct budget *budget; /* may be NULL */
    uint8_t hash_key[PROCESS_KEY_SIZE];
    struct mutex lock;
    struct held *now;           /* guarded by: lock */
    VEC(struct held *) old;     /* replaced, still used; guarded by: lock */
    enum process_source source; /* guarded by: lock */
    int64_t loaded_ms;          /* guarded by: lock */
    char name[256];             /* guarded by: lock */
    char error[256];            /* of the last load, empty: none; guarded by: lock */
};

struct process *process_new(const struct process_opts *opts)
{
    struct process *p = mem_xcalloc(1, sizeof(*p));

    p->stats = opts->stats;
    p->budget = opts->budget;
    memcpy(p->hash_key, opts->hash_key, sizeof(p->hash_key));
    mutex_init(&p->lock, LOCK_RANK_LEAF);
    p->now = mem_xcalloc(1, sizeof(*p->now));
    p->now->users = 1;
    if (program_parse("", STR(""), p->stats, &p->now->program, NULL) < 0) {
        p->now->program = mem_xcalloc(1, sizeof(*p->now->program)); /* does nothing either */
    }
    return p;
}

static void held_free(struct held *h)
{
    program_free(h->program);
    mem_free(h);
}

void process_free(struct process *p)
{
    if (p == NULL) {
        return;
    }
    held_free(p->now);
    for (size_t i = 0; i < p->old.n; i++) {
        held_free(p->old.v[i]);
    }
    vec_done(&p->old);
    mutex_done(&p->lock);
    mem_free(p);
}

const struct program *process_take(struct process *p)
{
    const struct program *program;

    mutex_lock(&p->lock);
    p->now->users++;
    program = p->now->program;
    mutex_unlock(&p->lock);
    return program;
}

void process_give(struct process *p, const struct program *program)
{
    struct held *gone = NULL;

    mutex_lock(&p->lock);
    if (p->now->program == program) {
        p->now->users--;
    } else {
        for (size_t i = 0; i < p->old.n; i++) {
            if (p->old.v[i]->program == program && --p->old.v[i]->users == 0) {
                gone = p->old.v[i];
                p->old.v[i] = p->old.v[--p->old.n];
                break;
            }
        }
    }
    mutex_unlock(&p->lock);
    if (gone != NULL) {
        held_free(gone);
    }
}

void process_note_error(struct process *p, const struct err *e)
{
    mutex_lock(&p->lock);
    memcpy(p->error, e->msg, sizeof(p->error));
    mutex_unlock(&p->lock);
}

int process_load(struct process *p, enum process_source source, const char *name, struct str yaml,
                 struct err *reterr)
{
    struct program *program = NULL;
    struct held *fresh;
    struct held *gone = NULL;
    struct err e = {0};
    int rc = program_parse(name, yaml, p->stats, &program, &e);

    if (rc < 0) {
        process_note_error(p, &e);
        if (reterr != NULL) {
            *reterr = e;
        }
        return rc;
    }
    fresh = mem_xcalloc(1, sizeof(*fresh));
    *fresh = (struct held){program, 1};
    mutex_lock(&p->lock);
    if (--p->now->users == 0) {
        gone = p->now;
    } else if (!vec_push(&p->old, p->now)) {
        p->now->users++;
        mutex_unlock(&p->lock);
        held_free(fresh);
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    p->now = fresh;
    p->source = source;
    p->loaded_ms = clock_wall_ms();
    p->error[0] = '\0';
    memset(p->name, 0, sizeof(p->name));
    memcpy(p->name, name, strnlen(name, sizeof(p->name) - 1));
    mutex_unlock(&p->lock);
    if (gone != NULL) {
        held_free(gone);
    }
    return 0;
}

int process_check(const char *name, struct str yaml, struct buf *dst, struct err *reterr)
{
    struct stats *stats = stats_new();
    struct program *p = NULL;
    int rc = program_parse(name, yaml, stats, &p, reterr);

    if (rc == 0) {
        for (size_t i = 0; i < p->rules_n; i++) {
            buf_printf(dst, "%s %.*s: %.*s\n", process_section_name(p->rules[i].section),
                       STR_ARG(p->rules[i].name), STR_ARG(p->rules[i].what));
        }
    }
    program_free(p);
    stats_free(stats);
    return rc;
}

const uint8_t *process_hash_key(const struct process *p)
{
    return p->hash_key;
}

/* ---- batches ---- */

/* After the rows. @return rc with its message */
static int done(struct process *p, struct run *r, int rc, struct process_tally *ret,
                struct err *reterr)
{
    run_done(r);
    if (rc < 0) {
        budget_give(p->budget, r->charged);
        process_give(p, r->p);
        return rc == -ERR_OVERLOAD
                   ? err_set(reterr, ERR_OVERLOAD,
                             "the memory for requests is full: rules could not be applied")
                   : err_set(reterr, ERR_NOMEM, "out of memory while rules were applied");
    }
    *ret = (struct process_tally){r->p, r->matches, r->rows, r->charged};
    return 0;
}

int process_logs(struct process *p, struct log_record *rows, size_t *n, struct arena *arena,
                 struct process_tally *ret, struct err *reterr)
{
    const struct program *program = process_take(p);
    struct run r;
    size_t kept = 0;
    int rc;

    *ret = (struct process_tally){0};
    if (!program->touches[0]) {
        process_give(p, program);
        return 0;
    }
    rc = run_init(&r, program, SIGNAL_LOGS, arena, p->hash_key, p->budget);
    for (size_t i = 0; rc >= 0 && i < *n; i++) {
        struct log_record row = rows[i];

        rc = run_log(&r, &row);
        if (rc > 0) {
            rows[kept++] = row;
        }
    }
    *n = kept;
    return done(p, &r, rc, ret, reterr);
}

int process_spans(struct process *p, struct span *rows, size_t *n, struct arena *arena,
                  struct process_tally *ret, struct err *reterr)
{
    const struct program *program = process_take(p);
    struct run r;
    size_t kept = 0;
    int rc;

    *ret = (struct process_tally){0};
    if (!program->touches[1]) {
        process_give(p, program);
        return 0;
    }
    rc = run_init(&r, program, SIGNAL_TRACES, arena, p->hash_key, p->budget);
    for (size_t i = 0; rc >= 0 && i < *n; i++) {
        struct span row = rows[i];

        rc = run_span(&r, &row);
        if (rc > 0) {
            rows[kept++] = row;
        }
    }
    *n = kept;
    return done(p, &r, rc, ret, reterr);
}

void process_settle(struct process *p, const struct process_tally *t, bool stored)
{
    if (t->program == NULL) {
        return;
    }
    for (size_t i = 0; stored && i < t->program->rules_n; i++) {
        if (t->matches[i] != 0) {
            counter_add(t->program->rules[i].matches, t->matches[i]);
            counter_add(t->program->rules[i].rows, t->rows[i]);
        }
    }
    budget_give(p->budget, t->charged);
    process_give(p, t->program);
}

enum process_source process_source(struct process *p)
{
    enum process_source source;

    mutex_lock(&p->lock);
    source = p->source;
    mutex_unlock(&p->lock);
    return source;
}

/* ---- what is shown ---- */

static void write_rules(struct json_writer *w, const struct program *p)
{
    json_array_begin(w);
    for (size_t i = 0; i < p->rules_n; i++) {
        const struct process_rule *r = &p->rules[i];

        json_object_begin(w);
        json_key(w, "section");
        json_cstr(w, process_section_name(r->section));
        json_key(w, "name");
        json_str(w, r->name);
        json_key(w, "what");
        json_str(w, r->what);
        json_key(w, "line");
        json_u64(w, r->line);
        json_key(w, "matches");
        json_u64(w, counter_get(r->matches));
        json_key(w, "rows");
        json_u64(w, counter_get(r->rows));
        json_object_end(w);
    }
    json_array_end(w);
}

void process_status(struct process *p, struct json_writer *w)
{
    static const char *const SOURCES[] = {"none", "file", "console"};
    const struct program *program = process_take(p);
    enum process_source source;
    char name[sizeof(p->name)];
    char error[sizeof(p->error)];
    int64_t loaded_ms;

    mutex_lock(&p->lock);
    source = p->source;
    loaded_ms = p->loaded_ms;
    memcpy(name, p->name, sizeof(name));
    memcpy(error, p->error, sizeof(error));
    mutex_unlock(&p->lock);
    json_object_begin(w);
    json_key(w, "source");
    json_cstr(w, SOURCES[source]);
    json_key(w, "file");
    json_cstr(w, source == PROCESS_FILE ? name : "");
    json_key(w, "loaded_at_ms");
    json_i64(w, loaded_ms);
    json_key(w, "error");
    json_cstr(w, error);
    json_key(w, "config");
    json_str(w, program->text);
    json_key(w, "rules");
    write_rules(w, program);
    json_key(w, "sampling_enabled");
    json_bool(w, program->sampling.on);
    json_key(w, "span_metrics_enabled");
    json_bool(w, program->span_metrics.on);
    json_object_end(w);
    process_give(p, program);
}
