/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines first, then lines to records. Blank lines between records are dropped, inside a record they stay.
 */
#include "agent/log_split.h"

struct splitter {
    const struct split_opts *o;
    struct str chunk;
    split_fn fn;
    void *ctx;
    size_t done;  /* consumed */
    size_t start; /* of the record being collected */
    size_t end;   /* of its lines so far; start == end: nothing yet */
    bool stopped;
};

static struct str without_newline(struct str s)
{
    while (s.n != 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r')) {
        s.n--;
    }
    return s;
}

/* The lines collected so far are a record. */
static void emit(struct splitter *s)
{
    struct str record = without_newline(str_of(s->chunk.p + s->start, s->end - s->start));
    bool cut = record.n > s->o->max_record;

    s->done = s->end;
    s->start = s->end;
    if (record.n != 0) {
        s->stopped = !s->fn(s->ctx, str_take(record, s->o->max_record), cut, s->done, false);
    }
}

static void take_line(struct splitter *s, size_t from, size_t to)
{
    struct str line = without_newline(str_of(s->chunk.p + from, to - from));
    struct str so_far = str_of(s->chunk.p + s->start, s->end - s->start);
    bool starts = s->o->source == NULL || log_source_starts_record(s->o->source, so_far, line);

    if (s->end > s->start && (starts || to - s->start > s->o->max_record)) {
        emit(s);
        if (s->stopped) {
            return;
        }
    }
    s->end = to;
    if (s->o->source == NULL || log_source_multiline(s->o->source) == LOG_LINES_NONE) {
        emit(s);
    }
}

/* What is left after the last whole line. */
static void take_rest(struct splitter *s, size_t from, bool *skipping)
{
    size_t n = s->chunk.n - from;

    if (*skipping) {
        s->done = s->chunk.n;
        *skipping = !s->o->flush_all;
        return;
    }
    if (n > s->o->max_record) {
        if (s->end > s->start) {
            emit(s);
            if (s->stopped) {
                return;
            }
        }
        *skipping = true;
        s->done = from + s->o->max_record;
        s->stopped =
            !s->fn(s->ctx, str_of(s->chunk.p + from, s->o->max_record), true, s->done, true);
        return;
    }
    if (s->o->flush_all && n != 0) {
        take_line(s, from, s->chunk.n);
        if (s->stopped) {
            return;
        }
    }
    if (s->end > s->start && (s->o->flush_lines || s->o->flush_all)) {
        emit(s);
    }
}

size_t log_split(struct str chunk, const struct split_opts *o, bool *skipping, split_fn fn,
                 void *ctx)
{
    struct splitter s = {.o = o, .chunk = chunk, .fn = fn, .ctx = ctx};
    size_t from = 0;

    while (!s.stopped && from < chunk.n) {
        const char *newline = memchr(chunk.p + from, '\n', chunk.n - from);
        size_t to;

        if (newline == NULL) {
            break;
        }
        to = (size_t)(newline - chunk.p) + 1;
        if (*skipping) {
            *skipping = false;
            s.done = s.start = s.end = to;
        } else {
            take_line(&s, from, to);
        }
        from = to;
    }
    if (!s.stopped) {
        take_rest(&s, from, skipping);
    }
    return s.done;
}
