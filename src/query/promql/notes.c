/* SPDX-License-Identifier: Apache-2.0
 *
 * Annotations of a query: warnings and infos, each distinct text once, however many series or steps say it.
 * Texts and positions are upstream's. Any thread of a query may add one.
 */
#include <stdarg.h>
#include <stdio.h>

#include "query/promql/eval.h"
#include "query/promql/gotext.h"

enum {
    NOTES_MAX = 1000, /* distinct ones remembered */
    NOTES_SHOWN = 10, /* of each level in an answer, as upstream's API */
    NOTE_MAX_BYTES = 8192,
};

void notes_init(struct notes *n)
{
    *n = (struct notes){0};
    pthread_mutex_init(&n->lock, NULL);
}

void notes_done(struct notes *n)
{
    for (size_t i = 0; i < n->list.n; i++) {
        buf_done(&n->list.v[i].text);
    }
    vec_done(&n->list);
    pthread_mutex_destroy(&n->lock);
}

/** " (line:col)" of a byte of the query. */
static void add_position(struct str query, uint32_t at, struct buf *dst)
{
    unsigned line = 1;
    uint32_t line_start = 0;

    for (uint32_t i = 0; i < at && i < query.n; i++) {
        if (query.p[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    buf_printf(dst, " (%u:%u)", line, at - line_start + 1);
}

/** Takes what `text` holds. */
static void note_take(struct notes *n, enum note_level level, struct buf *text)
{
    bool known = false;

    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; !known && i < n->list.n; i++) {
        known = n->list.v[i].level == level && str_eq(buf_str(&n->list.v[i].text), buf_str(text));
    }
    if (!known && !text->failed && n->list.n < NOTES_MAX &&
        vec_push(&n->list, (struct note){level, *text})) {
        *text = (struct buf){0};
    }
    pthread_mutex_unlock(&n->lock);
    buf_done(text);
}

void eval_note(struct eval *ev, enum note_level level, const struct node *at, const char *fmt, ...)
{
    char text[NOTE_MAX_BYTES / 2];
    struct buf b;
    va_list ap;

    buf_init(&b, NOTE_MAX_BYTES);
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    buf_printf(&b, "PromQL %s: %s", level == NOTE_WARNING ? "warning" : "info", text);
    add_position(ev->query, at->start, &b);
    note_take(&ev->notes, level, &b);
}

void eval_note_name(struct eval *ev, enum note_level level, const struct node *at, const char *text,
                    struct str name)
{
    struct buf quoted CLEANUP(buf_done) = {0};

    buf_init(&quoted, NOTE_MAX_BYTES / 2);
    go_quote(str_take(name, 500), &quoted);
    eval_note(ev, level, at, "%s %.*s", text, STR_ARG(buf_str(&quoted)));
}

void eval_note_maybe_name(struct eval *ev, enum note_level level, const struct node *at,
                          const char *text, struct str name)
{
    struct buf quoted CLEANUP(buf_done) = {0};

    if (name.n == 0) {
        eval_note(ev, level, at, "%s", text);
        return;
    }
    buf_init(&quoted, NOTE_MAX_BYTES / 2);
    go_quote(str_take(name, 500), &quoted);
    eval_note(ev, level, at, "%s for metric name %.*s", text, STR_ARG(buf_str(&quoted)));
}

void eval_note_quantile(struct eval *ev, const struct node *at, double q)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 512);
    go_add_f64_v(&b, q);
    eval_note(ev, NOTE_WARNING, at, "quantile value should be between 0 and 1, got %.*s",
              STR_ARG(buf_str(&b)));
}

bool notes_copy(const struct notes *n, enum note_level level, struct arena *a, struct str **ret,
                size_t *ret_n)
{
    size_t total = 0;
    size_t shown = 0;
    struct str *v = arena_array(a, struct str, NOTES_SHOWN + 1);

    for (size_t i = 0; v != NULL && i < n->list.n; i++) {
        if (n->list.v[i].level != level) {
            continue;
        }
        if (total++ < NOTES_SHOWN) {
            v[shown++] = arena_str_dup(a, buf_str(&n->list.v[i].text));
            if (v[shown - 1].p == NULL) {
                return false;
            }
        }
    }
    if (v != NULL && total > shown) {
        v[shown] = arena_printf(a, "%zu more %s annotations omitted", total - shown,
                                level == NOTE_WARNING ? "warning" : "info");
        if (v[shown++].p == NULL) {
            return false;
        }
    }
    *ret = v;
    *ret_n = shown;
    return v != NULL;
}
