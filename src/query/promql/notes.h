/* SPDX-License-Identifier: Apache-2.0
 *
 * Annotations of a query: warnings and infos with the place in the query they are about.
 */
#ifndef QUERY_PROMQL_NOTES_H
#define QUERY_PROMQL_NOTES_H

#include <pthread.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/vec.h"

struct eval;
struct node;

enum note_level { NOTE_WARNING, NOTE_INFO };

struct note {
    enum note_level level;
    struct buf text;
};

/** Annotations: distinct texts in order of appearance. */
struct notes {
    pthread_mutex_t lock;
    VEC(struct note) list; /* guarded by: lock */
};

void notes_init(struct notes *n);
void notes_done(struct notes *n);
/** Add "PromQL warning: ... (line:col)" with the position where `at` starts; thread-safe. The text without
 * that prefix and position. */
PRINTF_LIKE(4, 5)
void eval_note(struct eval *ev, enum note_level level, const struct node *at, const char *fmt, ...);
/** The text, a space and the quoted name of a metric. */
void eval_note_name(struct eval *ev, enum note_level level, const struct node *at, const char *text,
                    struct str name);
/** The text, with " for metric name ..." when there is one. */
void eval_note_maybe_name(struct eval *ev, enum note_level level, const struct node *at,
                          const char *text, struct str name);
/** "quantile value should be between 0 and 1, got q". */
void eval_note_quantile(struct eval *ev, const struct node *at, double q);
/** What an answer shows of one level. @return false: no memory */
NODISCARD bool notes_copy(const struct notes *n, enum note_level level, struct arena *a,
                          struct str **ret, size_t *ret_n);

#endif
