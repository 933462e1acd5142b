/* SPDX-License-Identifier: Apache-2.0
 *
 * SQL text to the statement it is an instance of: literals and binds become "?", lists of them one, comments go, hints
 * stay. A tokenizer, not a parser: it never fails, whatever it is given, and nothing that may be data is in its output.
 */
#ifndef APM_SQL_NORMAL_H
#define APM_SQL_NORMAL_H

#include "base/arena.h"

enum { SQL_INPUT_MAX = 256 << 10, SQL_TABLES_MAX = 16 };

/** What decides how quotes are read. */
enum sql_dialect {
    SQL_ANY, /* "x" is a name, [x] a name where no subscript can stand, \' does not escape */
    SQL_POSTGRESQL,
    SQL_MYSQL,  /* and MariaDB: "x" is a text, \' escapes, # begins a comment */
    SQL_ORACLE, /* and Tibero */
    SQL_MSSQL,
    SQL_CUBRID,
};

/** From db.system.name or db.system; SQL_ANY when it says nothing. */
enum sql_dialect sql_dialect_of(struct str db_system);

struct sql_normal {
    struct str text; /* keywords in upper case, one space between tokens */
    uint64_t hash;   /* of the text; the case of unquoted names does not count */
    struct str
        verb; /* "SELECT", "INSERT", "CALL", ...; of a WITH the statement's own; "" when empty */
    const struct str *tables; /* as written, each once, without those a WITH names */
    size_t tables_n;
    uint32_t literals; /* replaced */
    uint32_t binds;
    bool cut; /* more than SQL_INPUT_MAX bytes, or a text or comment that never ends */
};

/** In `a`, which needs about 20 times the bytes of the text. @return 0, -ERR_NOMEM */
NODISCARD int sql_normalise(struct str sql, enum sql_dialect dialect, struct arena *a,
                            struct sql_normal *ret);

#endif
