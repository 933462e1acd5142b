/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of the kinds of programs whose logs a bench should see. A kind fills in the body, level and attributes of a
 * record whose time and resource are set; everything comes from the dice, the arena and the stream.
 */
#ifndef BENCH_LOGS_LINES_H
#define BENCH_LOGS_LINES_H

#include <time.h>

#include "base/arena.h"
#include "lib/dice.h"
#include "model/otel.h"

enum { LINE_ATTRS_MAX = 8 };

enum level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };

struct line {
    struct dice *dice;
    struct arena *arena;
    struct log_record *record;
    struct attr *attrs; /* room for LINE_ATTRS_MAX */
    size_t attrs_n;
    int stream; /* number within its kind */
    struct tm tm;
    int64_t us; /* within the second */
};

void line_body(struct line *l, struct str s);
void line_level(struct line *l, enum level level);
void line_attr(struct line *l, const char *key, struct str value);
void line_attr_int(struct line *l, const char *key, int64_t value);
/** In `of` of a hundred records. */
void line_trace(struct line *l, unsigned of);
/** "203.0.113.7": one of 40,000 clients, few of which come often. */
struct str line_client(struct line *l);
const char *line_level_name(const struct line *l); /* "INFO" */

void line_nginx(struct line *l);
void line_tomcat(struct line *l);
void line_spring(struct line *l);
void line_korean(struct line *l);
void line_json(struct line *l);
void line_klog(struct line *l);
void line_postgres(struct line *l);
void line_sshd(struct line *l);

#define LINE_PICK(l, list)      ((list)[dice_below((l)->dice, ARRAY_LEN(list))])
#define LINE_PICK_ZIPF(l, list) ((list)[dice_zipf((l)->dice, ARRAY_LEN(list))])

#endif
