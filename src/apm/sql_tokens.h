/* SPDX-License-Identifier: Apache-2.0
 *
 * The tokens of SQL as six dialects write them. For sql_normal.c.
 */
#ifndef APM_SQL_TOKENS_H
#define APM_SQL_TOKENS_H

#include "apm/sql_normal.h"

enum sql_type {
    SQL_END,
    SQL_WORD,    /* unquoted name or keyword */
    SQL_QUOTED,  /* quoted name, with its quotes */
    SQL_LITERAL, /* text, number, bytes */
    SQL_BIND,
    SQL_HINT, /* a comment that begins with + */
    SQL_PUNCT,
};

struct sql_token {
    struct str text; /* in the input */
    uint8_t type;
};

struct sql_scanner {
    struct str rest;
    enum sql_dialect dialect;
    bool value_before; /* the last token ends a value: a minus is an operator, [ a subscript */
    bool cut;
};

/** @return false at the end. Comments and space are passed over. */
bool sql_next(struct sql_scanner *s, struct sql_token *ret);
bool sql_is_keyword(struct str word);

#endif
