/* SPDX-License-Identifier: Apache-2.0
 *
 * What sketches of users cost: adding, the union of as many as a large estate has instances, the estimate, bytes.
 * Usage: users_bench [instances] [sets]; then the error over so many random sets from 10 to 10^8, in units of the
 * promised standard error 1.04 / sqrt(2^14).
 */
#include <stdio.h>
#include <stdlib.h>

#include "apm/hll.h"
#include "apm/tests/hll_sim.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "users_bench: %s\n", err_text(rc));
        exit(1);
    }
}

static void add_users(struct hll *h, uint64_t from, uint64_t n)
{
    for (uint64_t i = from; i < from + n; i++) {
        must(hll_add(h, hash64_seed(&i, sizeof(i), 42)));
    }
}

static double ms_since(struct mono t)
{
    return (double)mono_since_ns(t) / 1e6;
}

static void bench_union(size_t instances, uint64_t each)
{
    struct hll *v = mem_xcalloc(instances, sizeof(*v));
    const struct hll **p = mem_xcalloc(instances, sizeof(*p));
    double best = 1e9;
    double estimate = 0;
    struct mono t;

    for (size_t i = 0; i < instances; i++) { /* a quarter of the users roam to the next instance */
        add_users(&v[i], i * each * 3 / 4, each);
        p[i] = &v[i];
    }
    for (int round = 0; round < 20; round++) {
        struct hll all = {0};
        double ms;

        t = clock_mono();
        must(hll_union(&all, p, instances));
        estimate = hll_estimate(&all);
        ms = ms_since(t);
        best = ms < best ? ms : best;
        hll_done(&all);
    }
    printf("union of %zu sketches of %llu users: %.3f ms, %.0f users (%.0f added)\n", instances,
           (unsigned long long)each, best, estimate,
           (double)((instances - 1) * each * 3 / 4 + each));
    for (size_t i = 0; i < instances; i++) {
        hll_done(&v[i]);
    }
    mem_free(v);
    mem_free(p);
}

static void bench_one(uint64_t n)
{
    struct hll h = {0};
    struct hll back = {0};
    struct buf b;
    struct mono t = clock_mono();
    double add_ns;
    double encode_us;
    double decode_us;
    double estimate_us;
    double estimate = 0;

    add_users(&h, 0, n);
    add_ns = (double)mono_since_ns(t) / (double)n;
    buf_init(&b, 1 << 20);
    t = clock_mono();
    for (int i = 0; i < 100; i++) {
        buf_clear(&b);
        hll_encode(&h, &b);
    }
    encode_us = ms_since(t) * 10;
    t = clock_mono();
    for (int i = 0; i < 100; i++) {
        must(hll_decode_into(&back, buf_str(&b), NULL));
    }
    decode_us = ms_since(t) * 10;
    t = clock_mono();
    for (int i = 0; i < 100; i++) {
        estimate = hll_estimate(&h);
    }
    estimate_us = ms_since(t) * 10;
    printf("%9llu users: add %.1f ns, estimate %.0f in %.1f us, %zu bytes in memory, %zu encoded "
           "(%.0f us, back %.0f us)\n",
           (unsigned long long)n, add_ns, estimate, estimate_us, hll_memory(&h), b.n, encode_us,
           decode_us);
    buf_done(&b);
    hll_done(&h);
    hll_done(&back);
}

static void error(int sets)
{
    const double promised = 1.04 / sqrt(HLL_REGISTERS);
    uint64_t seed = 1;
    double sum = 0;
    double worst = 0;
    int within[4] = {0};

    for (int i = 0; i < sets; i++) {
        double n = floor(10 * pow(10, 7 * hll_sim_uniform(&seed)));
        double e = fabs(hll_sim_estimate(n, &seed) - n) / n / promised;

        sum += e * e;
        worst = e > worst ? e : worst;
        for (int k = 1; k <= 3; k++) {
            within[k] += e <= k;
        }
    }
    printf(
        "%d sets of 10 .. 10^8: rms %.3f standard errors, worst %.2f; within one %.1f %%, two %.1f %%, three "
        "%.2f %%\n",
        sets, sqrt(sum / sets), worst, 100.0 * within[1] / sets, 100.0 * within[2] / sets,
        100.0 * within[3] / sets);
}

int main(int argc, char **argv)
{
    size_t instances = argc > 1 ? strtoul(argv[1], NULL, 10) : 1228;
    int sets = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1000;

    for (uint64_t n = 10; n <= 10000000; n *= 10) {
        bench_one(n);
    }
    bench_union(instances, 10);
    bench_union(instances, 1000);
    bench_union(instances, 20000);
    error(sets);
    return 0;
}
