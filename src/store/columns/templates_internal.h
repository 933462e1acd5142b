/* SPDX-License-Identifier: Apache-2.0
 *
 * What both halves of templates agree on. Numbers are on disk: never renumber, only add.
 */
#ifndef STORE_COLUMNS_TEMPLATES_INTERNAL_H
#define STORE_COLUMNS_TEMPLATES_INTERNAL_H

#include "store/columns/templates.h"

/** How the values of a place lie. */
enum slot_kind {
    SLOT_NUMBER, /* decimal, no zeros in front */
    SLOT_PADDED, /* decimal, all of one width, which follows */
    SLOT_HEX,    /* lower-case hexadecimal, all of one width, which follows */
    SLOT_DICT,   /* distinct values and codes */
    SLOT_TEXT,   /* lengths and bytes */
    SLOT_KINDS,
};

enum {
    SLOT_MARK = 1, /* the byte that stands for a place in a template */
    SLOT_DIGITS_MAX = 18,
    SLOT_HEX_MAX = 64,
    SLOTS_MAX = 128, /* of a template */
};

/** Value of a lower-case hexadecimal digit, or -1. */
static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
