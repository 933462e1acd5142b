/* SPDX-License-Identifier: Apache-2.0
 *
 * What a block's column directory can name. Numbers are on disk: never renumber, only add.
 */
#ifndef STORE_COLUMNS_BLOCK_FORMAT_H
#define STORE_COLUMNS_BLOCK_FORMAT_H

enum col_id {
    /* integers; a column of zeros is left out */
    COL_TIME = 0,
    COL_ID = 1,
    COL_ARRIVAL = 2,  /* minus time */
    COL_RESOURCE = 3, /* index into the part's table */
    COL_SCOPE = 4,
    COL_DURATION = 5, /* end minus start */
    COL_KIND = 6,
    COL_STATUS = 7,
    COL_FLAGS = 8,
    COL_DROPPED_ATTRS = 9,
    COL_DROPPED_EVENTS = 10,
    COL_DROPPED_LINKS = 11,
    COL_SEVERITY = 12,
    COL_OBSERVED = 13, /* minus time; INT64_MIN: not given */
    COL_SHAPE = 14,    /* index into the block's shapes */
    COL_ARRIVED = 15,  /* arrival as it is; stands for COL_ARRIVAL where that is shorter */
    COL_INTS_END = 16,
    /* strings; a column of empty ones is left out */
    COL_TRACE_ID = 16, /* empty: all zero */
    COL_SPAN_ID = 17,
    COL_PARENT_ID = 18,
    COL_NAME = 19,
    COL_STATUS_MESSAGE = 20,
    COL_TRACE_STATE = 21,
    COL_SEVERITY_TEXT = 22,
    COL_EVENT_NAME = 23,
    COL_EVENTS = 24, /* events_encode(); empty: none */
    COL_LINKS = 25,
    COL_REST = 26,    /* attributes without a column of their own: (name, value)* per row */
    COL_PATTERN = 27, /* 8 bytes, big-endian; empty: none */
    COL_STRS_END = 28,
    COL_SHAPES = 28, /* one blob: the shapes themselves */
    COL_BODY = 29,   /* a value per row */
    COL_ATTR = 32,   /* a name follows; values of the rows that have it */
};

enum col_type {
    COLTYPE_I64,
    COLTYPE_STR,
    COLTYPE_F64,
    COLTYPE_BOOL,
    COLTYPE_MIXED, /* strings of value_encode() */
};

/* How doubles lie. */
enum f64_encoding { F64_INTS, F64_PLANES };

enum {
    BLOCK_ROWS = 4096,         /* cut above */
    BLOCK_ROWS_SPLIT = 1024,   /* and at a new stream when there are as many */
    BLOCK_BYTES = 2 << 20,     /* of row data, about */
    BLOCK_ROWS_LIMIT = 65536,  /* readers refuse more */
    BLOCK_RAW_LIMIT = 1 << 30, /* and columns larger than this when decompressed */
    BLOCK_COLUMNS = 2048,      /* attributes with a column of their own */
    BLOCK_COLUMNS_FREE = 128,  /* as many always get one */
    BLOCK_COLUMN_RATIO = 32,   /* more only when at least every 32nd row has it */
    SHAPE_REST = 0,            /* in a shape: the next attribute of the rest column */
};

#endif
