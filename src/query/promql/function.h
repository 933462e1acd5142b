/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of PromQL: their signatures, for the type checker, and what evaluates them.
 */
#ifndef QUERY_PROMQL_FUNCTION_H
#define QUERY_PROMQL_FUNCTION_H

#include "base/str.h"

enum value_type { TYPE_NONE, TYPE_SCALAR, TYPE_VECTOR, TYPE_MATRIX, TYPE_STRING };

/** "instant vector" and so on, as error messages say it. */
const char *value_type_text(enum value_type t);

struct window;
struct eval;
struct call;
struct grid;
struct mat;
struct err;

enum { FUNCTION_ARGS_MAX = 5 };

/** How a function works, which decides the code that drives it. */
enum function_kind {
    FN_MAP,     /* value -> value, element by element */
    FN_DATE,    /* like FN_MAP, over time() without an argument */
    FN_WINDOW,  /* samples of a range -> value, series by series */
    FN_SPECIAL, /* own code over whole matrices */
};

struct function {
    const char *name;
    enum value_type args[FUNCTION_ARGS_MAX];
    int args_n;
    int variadic; /* 0: exactly args_n; k > 0: the last may come 0..k times; -1: any number of times */
    enum value_type ret;
    enum function_kind kind;
    int constant; /* token of start(), end(), range(), step(): folded by promql_prepare() */
    /* FN_WINDOW: wants this of every WINDOW_BLOCK samples, so that long windows are not walked whole */
    double (*reduce)(const double *v, size_t n);
    double default_arg;  /* FN_WINDOW: the scalar that may be left out */
    bool time_dependent; /* sees the evaluation time, so never step-invariant */
    bool keep_name;      /* does not drop the metric's name */
    bool counter;        /* FN_WINDOW: wants the counter's resets */
    bool counter_name;   /* FN_WINDOW: tell when a metric is not named like a counter */
    bool experimental;   /* only with PROMQL_EXPERIMENTAL_FUNCTIONS */
    bool only_2x;        /* gone in 3.x */
    bool info;           /* info(): its second argument is only a list of matchers */
    bool orders;         /* sort() and its kin, which mean nothing over a range */

    union {
        double (*map)(double v);
        bool (*window)(const struct window *w, double *ret);
        int (*special)(struct eval *ev, const struct call *c, const struct grid *g,
                       struct mat *ret);
    };
};

const struct function *function_find(struct str name);

#endif
