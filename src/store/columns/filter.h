/* SPDX-License-Identifier: Apache-2.0
 *
 * What a query asks of rows: a tree of predicates on fields. The engine prunes blocks with it (min/max,
 * dictionaries, bloom filters) and evaluates it column by column into bitmaps.
 */
#ifndef STORE_COLUMNS_FILTER_H
#define STORE_COLUMNS_FILTER_H

#include "base/arena.h"
#include "model/matcher.h"
#include "model/otel.h"
#include "model/search.h"

/** Where a field lives. ANY looks in attributes first, then in the resource. */
enum field_scope { FIELD_INTRINSIC, FIELD_ATTR, FIELD_RESOURCE, FIELD_SCOPE, FIELD_ANY };

/** Intrinsic names, spans: name service status kind duration_ns status_message trace_id span_id parent_id
 * trace_state scope_name; logs: body severity_number severity_text service trace_id span_id event_name
 * scope_name pattern_id. `service` is resource service.name. Types: duration_ns and severity_number are integers and
 * always there, body is any value, all others are text: ids lower-case hex, status and kind their names
 * ("error", "server"). Empty text and all-zero ids count as absent. SCOPE: attributes of the
 * instrumentation scope. An unknown intrinsic is absent from every row. */
struct field {
    enum field_scope scope;
    struct str name;
};

enum pred_op {
    PRED_EQ,
    PRED_NE, /* also true when the field is absent */
    PRED_LT,
    PRED_LE,
    PRED_GT,
    PRED_GE,  /* numbers compare as numbers, int and double alike; other types: false */
    PRED_RE,  /* anchored regex over the value's text */
    PRED_NRE, /* also true when absent */
    PRED_EXISTS,
    PRED_CONTAINS, /* substring, ASCII case-insensitive */
    PRED_WORD, /* a whole token, ASCII case-insensitive: [A-Za-z0-9_] and all bytes >= 0x80 make tokens;
                * a text of several tokens is a phrase: its ends must be ends of tokens */
    PRED_CONTAINS_CS, /* substring, byte for byte */
    PRED_SEARCH_RE,   /* regex found anywhere in the value's text */
    PRED_IS_ARRAY,    /* the value is an array; costs nothing where a block has none */
};

/* Text of a value (EQ against a string, RE, CONTAINS, WORD, CONTAINS_CS, SEARCH_RE, groups of a histogram): strings as they are,
 * numbers as JSON, true/false, bytes as base64, arrays and maps as JSON, an empty value as "". */

enum filter_type { FILTER_TRUE, FILTER_AND, FILTER_OR, FILTER_NOT, FILTER_PRED };

struct filter {
    enum filter_type type;
    const struct filter *const *kids; /* AND, OR: n >= 1; NOT: 1 */
    size_t kids_n;
    /* PRED */
    struct field field;
    enum pred_op op;
    struct value
        value; /* EQ..GE (a string equals a number of the same text), CONTAINS, WORD, CONTAINS_CS */
    const struct matcher *regex; /* RE, NRE; made with MATCH_RE */
    const struct search *search; /* SEARCH_RE */
};

/** Builders; everything in the arena; NULL when it is out of budget (and NULL kids give NULL). */
const struct filter *filter_and(struct arena *a, const struct filter *const *kids, size_t n);
const struct filter *filter_or(struct arena *a, const struct filter *const *kids, size_t n);
const struct filter *filter_not(struct arena *a, const struct filter *kid);
const struct filter *filter_pred(struct arena *a, struct field f, enum pred_op op, struct value v);
const struct filter *filter_regex(struct arena *a, struct field f, bool negate,
                                  const struct matcher *regex);
/** `search` is borrowed and must outlive the filter. */
const struct filter *filter_search(struct arena *a, struct field f, const struct search *search);

/** Does one row pass? The reference the column-wise evaluation must agree with; for live tail and tests.
 * NULL passes everything. A value whose text does not fit in memory passes nothing. */
bool filter_matches_span(const struct filter *f, const struct span *row);
bool filter_matches_log(const struct filter *f, const struct log_record *row);

#endif
