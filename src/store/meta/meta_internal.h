/* SPDX-License-Identifier: Apache-2.0
 *
 * Statement helpers shared by the files of this folder: bind by position, read text into an arena.
 */
#ifndef STORE_META_META_INTERNAL_H
#define STORE_META_META_INTERNAL_H

#include <sqlite3.h>

#include "base/err.h"
#include "base/lock.h"
#include "store/meta/meta.h"

struct meta {
    sqlite3 *db; /* guarded by: lock */
    struct mutex lock;
};

/** One value to bind. */
struct meta_arg {
    enum { ARG_I64, ARG_TEXT, ARG_BLOB } kind;

    int64_t i;
    struct str s;
};

#define M_I64(x)       ((struct meta_arg){.kind = ARG_I64, .i = (x)})
#define M_TEXT(x)      ((struct meta_arg){.kind = ARG_TEXT, .s = (x)})
#define M_BLOB(p, len) ((struct meta_arg){.kind = ARG_BLOB, .s = str_of((const char *)(p), (len))})

/** The values of a statement, in its order. */
struct meta_args {
    const struct meta_arg *v;
    size_t n;
};

#define M_ARGS(...)                                             \
    ((struct meta_args){(const struct meta_arg[]){__VA_ARGS__}, \
                        sizeof((const struct meta_arg[]){__VA_ARGS__}) / sizeof(struct meta_arg)})
#define M_NONE ((struct meta_args){NULL, 0})

/** Read one row. @return 0 to go on, negative to stop */
typedef int (*meta_row_fn)(void *arg, sqlite3_stmt *st);

/** Run one statement under the lock; `row` may be NULL. *ret_changes may be NULL. */
NODISCARD int meta_run(struct meta *m, const char *sql, struct meta_args args, meta_row_fn row,
                       void *arg, int64_t *ret_changes, struct err *reterr);
/** As meta_run(), with -ERR_NOT_FOUND ("no such <what>") when nothing was changed. */
NODISCARD int meta_change(struct meta *m, const char *what, const char *sql, struct meta_args args,
                          struct err *reterr);
/** Column text copied into the arena; p is NULL when it is out of memory. */
struct str meta_column(sqlite3_stmt *st, int column, struct arena *a);

/** Rows gathered into an array of fixed-size elements. */
struct meta_rows {
    struct arena *a;
    char *v; /* grown by doubling inside the arena */
    size_t n;
    size_t cap;
    size_t size; /* of one element */
};

/** A zeroed new last element, or NULL. */
void *meta_rows_add(struct meta_rows *r);

#endif
