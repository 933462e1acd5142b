/* SPDX-License-Identifier: Apache-2.0
 *
 * An expression of PCRE2 as everything here runs it: compiled with JIT, within limits, one idle match block kept and
 * swapped atomically, so that a thread alone never allocates. For those who give expressions a meaning (matcher.h,
 * search.h, regex.h, ingest/process).
 */
#ifndef MODEL_PCRE_H
#define MODEL_PCRE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdatomic.h>

#include "base/str.h"

struct err;

/** Of one run; beyond one of them it finds nothing. */
struct pcre_limits {
    uint32_t match; /* PCRE2 steps, about 10 ns each */
    uint32_t depth;
    uint32_t heap_kib;
};

struct pcre {
    pcre2_code *code;
    pcre2_match_context *limits;       /* only read after pcre_compile() */
    _Atomic(pcre2_match_data *) spare; /* acq_rel: taken and put back by exchange */
    bool no_groups;                    /* nobody asks for groups: smaller match blocks */
};

/** @param p  zeroed (but for no_groups); pcre_done() in either case
 * @return 0; -ERR_INVALID with the error and its position, also as a span; -ERR_NOMEM */
NODISCARD int pcre_compile(struct pcre *p, struct str text, uint32_t options,
                           const struct pcre_limits *limits, struct err *reterr);
void pcre_done(struct pcre *p);
/** -ERR_INVALID with "regular expression: WHAT, at byte AT" and the span. */
int pcre_refuse(struct err *reterr, size_t at, const char *what);

/** A match block to be given back. NULL: no memory. Thread-safe. */
pcre2_match_data *pcre_take(const struct pcre *p);
void pcre_give(const struct pcre *p, pcre2_match_data *data); /* NULL is fine */
/** @return as pcre2_match() */
int pcre_run(const struct pcre *p, struct str text, size_t from, pcre2_match_data *data);
/** Does it match? Without memory it does not. */
bool pcre_matches(const struct pcre *p, struct str text);

/** Name of the group that is meant by what stands behind a dollar ("1", "{name}", "name"), as Go's regexp.Expand takes
 * it; *ret_n is how many bytes that takes, 0: none is. */
struct str pcre_reference(struct str s, size_t *ret_n);

#endif
