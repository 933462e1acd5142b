/* SPDX-License-Identifier: Apache-2.0
 *
 * The brake on password guessing: counts of failures per address and per user in a fixed table. A slot that
 * two keys share counts both, which errs on the safe side.
 */
#include "auth/auth_internal.h"

#include "base/clock.h"
#include "base/hash.h"

static const int64_t WINDOW_NS = 60 * 1000000000LL;

enum { MAX_PER_ADDRESS = 5, MAX_PER_USER = 10 };

static struct brake_slot *slot_of(struct auth *a, struct str key, uint64_t seed)
{
    uint64_t h = hash64_seed(key.p, key.n, seed);

    return &a->brake[h % BRAKE_SLOTS];
}

static int64_t wait_s(const struct brake_slot *s, uint32_t max)
{
    int64_t age = clock_mono().ns - s->first_ns;

    if (s->failures < max || age >= WINDOW_NS) {
        return 0;
    }
    return (WINDOW_NS - age) / 1000000000 + 1;
}

static void count(struct brake_slot *s)
{
    int64_t now = clock_mono().ns;

    if (now - s->first_ns >= WINDOW_NS) {
        s->first_ns = now;
        s->failures = 0;
    }
    s->failures++;
}

int64_t brake_wait_s(struct auth *a, struct str ip, struct str user)
{
    int64_t by_address = wait_s(slot_of(a, ip, 1), MAX_PER_ADDRESS);
    int64_t by_user = wait_s(slot_of(a, user, 2), MAX_PER_USER);

    return by_address > by_user ? by_address : by_user;
}

void brake_failed(struct auth *a, struct str ip, struct str user)
{
    count(slot_of(a, ip, 1));
    count(slot_of(a, user, 2));
}

void brake_succeeded(struct auth *a, struct str ip, struct str user)
{
    slot_of(a, ip, 1)->failures = 0;
    slot_of(a, user, 2)->failures = 0;
}
