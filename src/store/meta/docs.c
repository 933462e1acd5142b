/* SPDX-License-Identifier: Apache-2.0
 *
 * Small documents by name, such as rules made in the console: one row each, replaced as a whole.
 */
#include "store/meta/meta_internal.h"

int meta_doc_put(struct meta *m, struct str name, struct str text, int64_t now_ms,
                 struct err *reterr)
{
    return meta_run(
        m,
        "INSERT INTO docs(name,text,updated_ms) VALUES(?,?,?) ON CONFLICT(name) DO UPDATE "
        "SET text=excluded.text, updated_ms=excluded.updated_ms",
        M_ARGS(M_TEXT(name), M_TEXT(text), M_I64(now_ms)), NULL, NULL, NULL, reterr);
}

struct found {
    struct arena *a;
    struct str text;
    bool any;
};

static int read_doc(void *arg, sqlite3_stmt *st)
{
    struct found *f = arg;

    f->text = meta_column(st, 0, f->a);
    f->any = true;
    return f->text.p != NULL ? 0 : -ERR_NOMEM;
}

int meta_doc_get(struct meta *m, struct str name, struct arena *a, struct str *ret,
                 struct err *reterr)
{
    struct found f = {.a = a};
    int rc = meta_run(m, "SELECT text FROM docs WHERE name=?", M_ARGS(M_TEXT(name)), read_doc, &f,
                      NULL, reterr);

    if (rc < 0) {
        return rc;
    }
    if (!f.any) {
        return err_set(reterr, ERR_NOT_FOUND, "no document \"%.*s\"", STR_ARG(name));
    }
    *ret = f.text;
    return 0;
}
