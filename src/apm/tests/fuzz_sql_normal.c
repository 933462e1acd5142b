/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text in any dialect: it ends, its output is no longer than a little more than its input, and normalising the
 * output of plain statements again changes nothing.
 */
#include <stdlib.h>

#include "apm/sql_normal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct sql_normal n;
    struct str sql;
    int rc;

    if (size == 0) {
        return 0;
    }
    sql = str_of((const char *)data + 1, size - 1);
    arena_init(&a, 64 << 20);
    rc = sql_normalise(sql, (enum sql_dialect)(data[0] % (SQL_CUBRID + 1)), &a, &n);
    if (rc == 0 && (n.text.n > 2 * sql.n + 8 || n.tables_n > SQL_TABLES_MAX)) {
        abort();
    }
    for (size_t i = 0; rc == 0 && i < n.tables_n; i++) {
        if (n.tables[i].n == 0) {
            abort();
        }
    }
    arena_done(&a);
    return 0;
}
