/* SPDX-License-Identifier: Apache-2.0
 *
 * Add first, look after: two threads can only be refused a little too early, never exceed the ceiling.
 */
#include "base/budget.h"

#include <stddef.h>

void budget_init(struct budget *b, int64_t max_bytes, struct budget *parent)
{
    atomic_init(&b->used_bytes, 0);
    b->max_bytes = max_bytes;
    b->parent = parent;
}

bool budget_take(struct budget *b, int64_t bytes)
{
    int64_t before;
    int64_t after;

    if (b == NULL) {
        return true;
    }
    before = atomic_fetch_add_explicit(&b->used_bytes, bytes, memory_order_relaxed);
    if (__builtin_add_overflow(before, bytes, &after) || after > b->max_bytes ||
        !budget_take(b->parent, bytes)) {
        atomic_fetch_sub_explicit(&b->used_bytes, bytes, memory_order_relaxed);
        return false;
    }
    return true;
}

void budget_give(struct budget *b, int64_t bytes)
{
    for (; b != NULL; b = b->parent) {
        atomic_fetch_sub_explicit(&b->used_bytes, bytes, memory_order_relaxed);
    }
}

int64_t budget_used(const struct budget *b)
{
    return atomic_load_explicit(&b->used_bytes, memory_order_relaxed);
}
