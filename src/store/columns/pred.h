/* SPDX-License-Identifier: Apache-2.0
 *
 * One predicate on one value, and where intrinsic fields live in a row. NE and NRE are the exact negations
 * of EQ and RE (absent fields included), so only positive operators are ever evaluated on values.
 */
#ifndef STORE_COLUMNS_PRED_H
#define STORE_COLUMNS_PRED_H

#include "base/buf.h"
#include "store/columns/columns.h"
#include "store/columns/text.h"

enum intrinsic {
    INTRINSIC_NONE, /* unknown name */
    INTRINSIC_NAME,
    INTRINSIC_SERVICE,
    INTRINSIC_STATUS,
    INTRINSIC_KIND,
    INTRINSIC_DURATION,
    INTRINSIC_STATUS_MESSAGE,
    INTRINSIC_TRACE_ID,
    INTRINSIC_SPAN_ID,
    INTRINSIC_PARENT_ID,
    INTRINSIC_TRACE_STATE,
    INTRINSIC_SCOPE_NAME,
    INTRINSIC_BODY,
    INTRINSIC_SEVERITY_NUMBER,
    INTRINSIC_SEVERITY_TEXT,
    INTRINSIC_EVENT_NAME,
    INTRINSIC_PATTERN,
};

enum intrinsic intrinsic_of(enum columns_kind kind, struct str name);

/** -1, 0, 1; 2 when not comparable (NaN, or not both numbers). Exact between int64 and double. */
int value_compare_numbers(const struct value *a, const struct value *b);

static inline bool value_is_number(const struct value *v)
{
    return v->type == VALUE_I64 || v->type == VALUE_F64;
}

/** NE gives EQ, NRE gives RE. */
static inline enum pred_op pred_positive(enum pred_op op)
{
    return op == PRED_NE ? PRED_EQ : op == PRED_NRE ? PRED_RE : op;
}

static inline bool pred_is_negative(enum pred_op op)
{
    return op == PRED_NE || op == PRED_NRE;
}

/** Positive form of the predicate on a value that is there. `scratch` is used for texts. */
bool pred_value(const struct filter *p, const struct value *v, struct buf *scratch);

/** A field of a row. @return false when absent. `hex` backs the text of ids. */
enum { PRED_HEX_SIZE = 2 * TRACE_ID_SIZE + 1 };

bool span_field(const struct span *s, const struct field *f, enum intrinsic in, struct value *ret,
                char hex[PRED_HEX_SIZE]);
bool log_field_value(const struct log_record *r, const struct field *f, enum intrinsic in,
                     struct value *ret, char hex[PRED_HEX_SIZE]);
/** The part of a field that a resource or scope decides. @return false when absent there. */
bool attrs_field(struct attrs as, struct str name, struct value *ret);

/** Row of either kind. */
struct row_ref {
    const struct span *span; /* one of the two */
    const struct log_record *log;
};

bool row_field(const struct row_ref *row, const struct field *f, struct value *ret,
               char hex[PRED_HEX_SIZE]);
/** filter_matches_*() with the caller's scratch buffer. */
bool filter_matches_row(const struct filter *f, const struct row_ref *row, struct buf *scratch);

#endif
