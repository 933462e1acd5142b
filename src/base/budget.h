/* SPDX-License-Identifier: Apache-2.0
 *
 * A byte counter with a ceiling shared by threads: what input and queries hold in memory is taken from a
 * budget and answered with an error when there is none left. Budgets nest: a child takes from its parent.
 */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct budget {
    _Atomic int64_t used_bytes; /* relaxed: a counter, it orders nothing */
    int64_t max_bytes;
    struct budget *parent; /* may be NULL; outlives this one */
};

void budget_init(struct budget *b, int64_t max_bytes, struct budget *parent);
/** @return false, having taken nothing, when this budget or a parent has no room. NULL budget: true. */
NODISCARD bool budget_take(struct budget *b, int64_t bytes);
void budget_give(struct budget *b, int64_t bytes);
int64_t budget_used(const struct budget *b);

#endif
