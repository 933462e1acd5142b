/* SPDX-License-Identifier: Apache-2.0
 *
 * Random spans, logs and filters for the tests of this folder: every field, every value type, odd strings.
 * All memory comes from the generator's arena; the same seed gives the same rows.
 */
#ifndef STORE_COLUMNS_TESTS_GEN_H
#define STORE_COLUMNS_TESTS_GEN_H

#include "base/arena.h"
#include "base/random.h"
#include "store/columns/columns.h"

struct gen {
    uint64_t state;
    struct arena a;
    int64_t base_ns; /* row times lie in [base, base + span_ns) */
    int64_t span_ns;
    uint64_t rare_every; /* one attribute name in so many is a rare one; default 30 */
    const struct resource *resources;
    size_t resources_n;
    const struct scope *scopes;
    size_t scopes_n;
    const struct matcher *regex[4];
    const struct search *search[4];
};

void gen_init(struct gen *g, uint64_t seed, int64_t base_ns, int64_t span_ns);
void gen_done(struct gen *g);
uint64_t gen_below(struct gen *g, uint64_t n);
void gen_span(struct gen *g, struct span *ret);
void gen_log(struct gen *g, struct log_record *ret);
const struct filter *gen_filter(struct gen *g, enum columns_kind kind, unsigned depth);

bool same_value(const struct value *a, const struct value *b);
bool same_resource(const struct resource *a, const struct resource *b);
bool same_span_row(const struct span *a, const struct span *b);
bool same_log_row(const struct log_record *a, const struct log_record *b);
/** Deep copy into an arena. */
struct span copy_span(struct arena *a, const struct span *s);
struct log_record copy_log(struct arena *a, const struct log_record *l);

/** A new empty directory below $TMPDIR or /tmp; remove with gen_rmdir(). */
char *gen_tmpdir(void);
void gen_rmdir(char *dir);

#endif
