/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading one block of a part: its directory, single columns decoded on demand, a filter evaluated into a
 * bitmap, chosen rows made. Everything lives in the arena given at open. Not thread-safe; the part is.
 */
#ifndef STORE_COLUMNS_BLOCK_H
#define STORE_COLUMNS_BLOCK_H

#include "store/columns/block_format.h"
#include "store/columns/part.h"
#include "store/columns/pred.h"
#include "store/columns/strs.h"

/** A decoded column of n values. */
struct column {
    enum col_type type;
    size_t n;
    const int64_t *ints;   /* I64, BOOL */
    const double *doubles; /* F64 */
    struct strs strs;      /* STR, MIXED */
};

/** One entry of the directory. */
struct block_col {
    enum col_id id;
    enum col_type type;
    struct str name; /* COL_ATTR */
    uint32_t n;
    uint32_t raw_bytes;
    struct str stored;
    uint32_t crc;
    struct str head;  /* its bytes in the directory */
    struct str bloom; /* empty: none */
    uint32_t bloom_crc;
    unsigned bloom_reach; /* bloom_reach() */
    int64_t min;          /* I64; of F64 the bits */
    int64_t max;
    struct str raw;              /* the payload, once checked and decompressed */
    const struct column *column; /* once decoded */
};

struct block_shape {
    const uint32_t *items; /* column number among attributes + 1, or SHAPE_REST */
    uint32_t n;
};

/** What reading needs beside memory; reused from block to block, one thread at a time. */
struct block_tools {
    struct buf text;          /* scratch for texts of values */
    struct ZSTD_DCtx_s *zstd; /* made when first needed */
};

void block_tools_init(struct block_tools *t);
void block_tools_done(struct block_tools *t);

struct block {
    const struct part *part;
    const struct block_entry *entry;
    struct arena *a;
    struct block_tools *tools;
    struct buf *text; /* of the tools */
    struct block_col *cols;
    struct block_col *core[COL_ATTR]; /* by id; NULL: left out */
    struct block_col **attrs;         /* in the order of the directory */
    const struct block_shape *shapes; /* once decoded */
    const int64_t *shape_of;          /* per row; NULL: all rows have shape 0 */
    const uint64_t *deleted;          /* bits of rows that are gone; NULL: none */
    const uint64_t *only;             /* while filtering: other rows do not matter; NULL: all do */
    uint64_t read_bytes;              /* of the columns decoded so far, as stored */
    uint32_t decoded_n;               /* columns decoded so far */
    uint32_t index;
    uint32_t cols_n;
    uint32_t attrs_n;
    uint32_t shapes_n;
    bool shapes_ready;
    bool unchecked; /* checksums are not looked at: only for the fuzzer, which never finds them */
    struct err *reterr;
};

NODISCARD int block_open(const struct part *p, uint32_t index, struct arena *a,
                         struct block_tools *tools, struct block *ret, struct err *reterr);
/** The same from any bytes, with checksums ignored: for the fuzzer. */
NODISCARD int block_open_unchecked(const struct part *p, const struct block_entry *entry,
                                   struct str bytes, struct arena *a, struct block_tools *tools,
                                   struct block *ret, struct err *reterr);
/** Decode a column (once). */
NODISCARD int block_column(struct block *b, struct block_col *c, const struct column **ret);
/** A column's payload as it was before compression. */
NODISCARD int block_payload(struct block *b, struct block_col *c, struct str *ret);
/** Integers of a core column; zeros when it was left out. */
NODISCARD int block_ints(struct block *b, enum col_id id, const int64_t **ret);
/** An attribute's column, or NULL. */
struct block_col *block_attr(struct block *b, struct str name);
/** Checked bloom filter; empty when there is none. */
NODISCARD int block_bloom(struct block *b, struct block_col *c, struct str *ret);
NODISCARD int block_shapes(struct block *b);
/** rank[row] = index of the row's value in an attribute's column, UINT32_MAX when the row has none.
 * NULL in *ret: every row has a value, at its own index. `number`: of the column, from 0. */
NODISCARD int block_rank(struct block *b, uint32_t number, const uint32_t **ret);
/** Value i of a column as a value; MIXED ones are decoded into `a`. */
NODISCARD int column_value(const struct column *c, size_t i, struct arena *a, struct value *ret);
/** To be asked after texts of columns were looked at, which may be made only then. */
NODISCARD int block_check(struct block *b);
/** -ERR_CORRUPT naming the file. */
int block_corrupt(struct block *b, const char *what);
int block_no_memory(struct block *b);

static inline uint32_t block_rows_n(const struct block *b)
{
    return b->entry->rows_n;
}

static inline size_t block_words(const struct block *b)
{
    return ((size_t)b->entry->rows_n + 63) / 64;
}

/* block_filter.c */

/** Rows that pass and are not deleted, as bits; NULL filter: all. @return 1 when rows may pass, 0 when surely none does */
NODISCARD int block_filter(struct block *b, const struct filter *f, uint64_t *bits);
/** Clear the bits of rows outside [min_ns, max_ns). */
NODISCARD int block_filter_time(struct block *b, int64_t min_ns, int64_t max_ns, uint64_t *bits);
uint64_t block_count(const struct block *b, const uint64_t *bits);

/* block_group.c */

/** Text of a field per row as group numbers: for each row with its bit set, `group[row]` indexes
 * `texts`; UINT32_MAX: absent. Texts are distinct. */
struct block_groups {
    uint32_t *group;
    const struct str *texts;
    size_t texts_n;
};

/** Texts of an attribute whose column has one text per row, with few that are equal: not worth grouping within the
 * block. texts[row] for each row with its bit set; p NULL: absent. *ret is NULL when the field is something else. */
NODISCARD int block_texts(struct block *b, const struct field *f, const uint64_t *bits,
                          const struct str **ret);
NODISCARD int block_group(struct block *b, const struct field *f, const uint64_t *bits,
                          struct block_groups *ret);

/* block_pick.c */

/** The values of a column at the rising places `at`, as a column of n values, without decoding it whole. */
NODISCARD int block_pick(struct block *b, struct block_col *c, const uint32_t *at, size_t n,
                         const struct column **ret);
/** Integers of a core column at rising rows; zeros when it was left out. */
NODISCARD int block_pick_ints(struct block *b, enum col_id id, const uint32_t *at, size_t n,
                              const int64_t **ret);

/* block_rows.c */

/** What of a row to make. */
struct rows_need {
    unsigned fields;         /* enum columns_need */
    const struct str *attrs; /* NULL: all */
    size_t attrs_n;
};

#define ROWS_NEED_ALL ((struct rows_need){.fields = ~0u})

/** Make rows in `out`'s memory, which must not be the block's arena. */
struct any_row;
NODISCARD int block_make_rows(struct block *b, const uint32_t *rows, size_t n, struct arena *out,
                              struct rows_need need, struct any_row *const *dst);

#endif
