/* SPDX-License-Identifier: Apache-2.0
 *
 * Tree and values of templates. Values are immutable; strings, lists and maps live in the row's arena or in the
 * template's.
 */
#ifndef QUERY_LOGQL_TEMPLATE_INTERNAL_H
#define QUERY_LOGQL_TEMPLATE_INTERNAL_H

#include "base/err.h"
#include "query/logql/finder.h"
#include "query/logql/row.h"
#include "query/logql/template.h"

enum { TEMPLATE_RESULT_MAX = 16 << 20 }; /* bytes of what one function makes */

enum tval_type { TV_NIL, TV_STR, TV_INT, TV_FLOAT, TV_BOOL, TV_TIME, TV_LIST, TV_MAP, TV_LABELS };

struct tval {
    enum tval_type type;

    union {
        struct str s;
        int64_t i;
        double f;
        bool b;

        struct {
            int64_t ns;
            int32_t offset_s; /* east of UTC */
        } t;

        struct {
            const struct tval *v;
            const struct str *keys; /* MAP: sorted */
            size_t n;
        } list;
    } u;
};

struct texec {
    struct row *row;
    struct arena *a;
    struct buf *dst;
    struct err *reterr;

    struct {
        struct str name;
        struct tval v;
    } vars[64];

    size_t vars_n;
    struct finder *re; /* of the command being run */
    unsigned steps;    /* guards loops over lists of lists */
};

typedef int (*tfn)(struct texec *x, const struct tval *args, size_t n, struct tval *ret);

struct tfunction {
    const char *name;
    tfn fn;
    int min_args;
    int max_args; /* -1: any */
};

const struct tfunction *tfunction_find(struct str name);

enum targ_type { TARG_CONST, TARG_DOT, TARG_FIELD, TARG_VAR, TARG_PAREN, TARG_FUNC };

struct tpipe;

struct targ {
    enum targ_type type;
    struct tval value;  /* CONST */
    struct str name;    /* VAR */
    struct str *fields; /* FIELD, VAR, PAREN: .a.b behind it */
    size_t fields_n;
    struct tpipe *pipe;         /* PAREN */
    const struct tfunction *fn; /* FUNC */
};

struct tcommand {
    struct targ *args; /* the first may be FUNC */
    size_t n;
    struct finder *re; /* of a constant pattern */
};

struct tpipe {
    struct str var; /* $name := or = */
    struct str var2;
    bool declares;
    struct tcommand *v;
    size_t n;
};

enum tnode_type { TNODE_TEXT, TNODE_ACTION, TNODE_IF, TNODE_RANGE, TNODE_WITH };

struct tnode {
    enum tnode_type type;
    struct str text;
    struct tpipe *pipe;
    struct tnode *body, *other; /* first of the lists */
    struct tnode *next;
};

struct template
{
    struct tnode *root;
};

/** Fails with -ERR_EXEC and the text. */
int tfail(struct texec *x, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct str tval_text(struct texec *x, const struct tval *v);
bool tval_truth(const struct tval *v);
int64_t tval_int(const struct tval *v);
double tval_float(const struct tval *v);

static inline struct tval tval_str(struct str s)
{
    return (struct tval){.type = TV_STR, .u.s = s};
}

/** What print would write. */
void tval_print(struct buf *dst, const struct tval *v);
/** fmt.Sprintf. */
void go_printf(struct buf *dst, struct str format, const struct tval *args, size_t n);
/** Copy into the row's memory. */
int tval_of_buf(struct texec *x, struct buf *b, struct tval *ret);

static inline int tval_of_bool(bool b, struct tval *ret)
{
    *ret = (struct tval){.type = TV_BOOL, .u.b = b};
    return 0;
}

/* template_fn.c, template_str.c, template_enc.c, template_regex.c, template_num.c; end with a NULL name */
extern const struct tfunction LQ_TEMPLATE_BUILTINS[];
extern const struct tfunction LQ_TEMPLATE_STRINGS[];
extern const struct tfunction LQ_TEMPLATE_ENCODINGS[];
extern const struct tfunction LQ_TEMPLATE_REGEXES[];
extern const struct tfunction LQ_TEMPLATE_NUMBERS[];
/** Regular expression of the command at hand when its pattern is constant. */
int template_regex(struct texec *x, struct str pattern, struct finder **ret, bool *ret_mine);

/* gotime.c */
/** Go's layout. */
void go_time_format(struct buf *dst, struct str layout, int64_t ns, int32_t offset_s);
/** @return false when the text does not fit the layout */
bool go_time_parse(struct str layout, struct str text, int32_t zone_s, int64_t *ret_ns,
                   int32_t *ret_offset_s);
/** Offset of a zone of the IANA database at a time; false: unknown. */
bool go_zone_offset(struct str name, int64_t unix_s, int32_t *ret_offset_s);

#endif
