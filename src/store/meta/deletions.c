/* SPDX-License-Identifier: Apache-2.0
 *
 * What was deleted by filter, when and by whom. A row is there before the deletion begins and is closed when it is
 * done; one that a crash left open deleted nothing, and goes when the file is opened.
 */
#include "store/meta/meta_internal.h"

int meta_deletion_begin(struct meta *m, const struct meta_deletion *d, struct err *reterr)
{
    return meta_run(m,
                    "INSERT INTO deletions(id,signal,query,start_ms,end_ms,created_ms,actor)"
                    " VALUES(?,?,?,?,?,?,?)",
                    M_ARGS(M_TEXT(d->id), M_TEXT(d->signal), M_TEXT(d->query), M_I64(d->start_ms),
                           M_I64(d->end_ms), M_I64(d->created_ms), M_TEXT(d->actor)),
                    NULL, NULL, NULL, reterr);
}

int meta_deletion_end(struct meta *m, struct str id, uint64_t rows, struct err *reterr)
{
    return meta_change(m, "deletion", "UPDATE deletions SET done=1, rows=? WHERE id=?",
                       M_ARGS(M_I64((int64_t)rows), M_TEXT(id)), reterr);
}

int meta_deletion_forget(struct meta *m, struct str id, struct err *reterr)
{
    return meta_change(m, "deletion", "DELETE FROM deletions WHERE id=?", M_ARGS(M_TEXT(id)),
                       reterr);
}

static int read_deletion(void *arg, sqlite3_stmt *st)
{
    struct meta_rows *rows = arg;
    struct meta_deletion *d = meta_rows_add(rows);

    if (d == NULL) {
        return -ERR_NOMEM;
    }
    d->id = meta_column(st, 0, rows->a);
    d->signal = meta_column(st, 1, rows->a);
    d->query = meta_column(st, 2, rows->a);
    d->start_ms = sqlite3_column_int64(st, 3);
    d->end_ms = sqlite3_column_int64(st, 4);
    d->created_ms = sqlite3_column_int64(st, 5);
    d->actor = meta_column(st, 6, rows->a);
    d->rows = (uint64_t)sqlite3_column_int64(st, 7);
    d->done = sqlite3_column_int64(st, 8) != 0;
    return d->id.p != NULL && d->query.p != NULL && d->actor.p != NULL ? 0 : -ERR_NOMEM;
}

int meta_deletion_list(struct meta *m, struct str signal, struct arena *a,
                       struct meta_deletion **ret, size_t *ret_n, struct err *reterr)
{
    struct meta_rows rows = {.a = a, .size = sizeof(**ret)};
    int rc = meta_run(m,
                      "SELECT id,signal,query,start_ms,end_ms,created_ms,actor,rows,done FROM"
                      " (SELECT * FROM deletions WHERE ?1='' OR signal=?1"
                      " ORDER BY created_ms DESC, id LIMIT 1000) ORDER BY created_ms, id",
                      M_ARGS(M_TEXT(signal)), read_deletion, &rows, NULL, reterr);

    if (rc == 0) {
        *ret = (struct meta_deletion *)(void *)rows.v;
        *ret_n = rows.n;
    }
    return rc;
}
