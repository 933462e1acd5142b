/* SPDX-License-Identifier: Apache-2.0
 *
 * The two forms, their union, and the estimator. Turning a list into registers loses nothing against having added to
 * registers from the start: the 25 bits of a position begin with the 14 of the register.
 */
#include "apm/hll.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/err.h"
#include "codec/varint.h"

enum {
    RANK_BITS = 6,
    RANK_MASK = (1 << RANK_BITS) - 1,
    EXTRA = HLL_SPARSE_BITS - HLL_BITS,         /* bits of a position below the register's */
    SPARSE_RANK_MAX = 64 - HLL_SPARSE_BITS + 1, /* 40 */
    FIRST_CAP = 8,
    SET_SLOTS = 4 * HLL_SPARSE_MAX,
    BEYOND = 15, /* packed: the value follows behind */
    VERSION = 1,
    HEAD = 2,
};

enum form { FORM_EMPTY, FORM_SPARSE, FORM_REGISTERS, FORM_PACKED };

/* ---- entries ---- */

static uint32_t entry_of(uint64_t hash)
{
    uint32_t position = (uint32_t)(hash >> (64 - HLL_SPARSE_BITS));
    uint64_t rest = hash << HLL_SPARSE_BITS;
    uint32_t rank = rest != 0 ? (uint32_t)__builtin_clzll(rest) + 1 : SPARSE_RANK_MAX;

    return position << RANK_BITS | rank;
}

static uint32_t register_of(uint32_t entry)
{
    return entry >> (RANK_BITS + EXTRA);
}

static uint8_t rank_of(uint32_t entry)
{
    uint32_t low = entry >> RANK_BITS & ((1u << EXTRA) - 1);

    if (low == 0) {
        return (uint8_t)(EXTRA + (entry & RANK_MASK));
    }
    return (uint8_t)((uint32_t)__builtin_clz(low) - (32 - EXTRA) + 1);
}

static void raise_to(uint8_t *registers, uint32_t entry)
{
    uint8_t rank = rank_of(entry);
    uint8_t *r = &registers[register_of(entry)];

    *r = *r > rank ? *r : rank;
}

/* First entry whose position is not below that of `entry`. */
static size_t lower_bound(const uint32_t *v, size_t n, uint32_t entry)
{
    uint32_t least = entry & ~(uint32_t)RANK_MASK;
    size_t lo = 0;

    while (n > 0) {
        size_t half = n / 2;

        if (v[lo + half] < least) {
            lo += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return lo;
}

static bool same_position(uint32_t a, uint32_t b)
{
    return (a ^ b) <= RANK_MASK;
}

/* ---- life ---- */

void hll_done(struct hll *h)
{
    mem_free(h->registers);
    mem_free(h->sparse);
    *h = (struct hll){0};
}

void hll_clear(struct hll *h)
{
    mem_free(h->registers);
    h->registers = NULL;
    h->n = 0;
}

bool hll_empty(const struct hll *h)
{
    return h->registers == NULL && h->n == 0;
}

size_t hll_memory(const struct hll *h)
{
    return (h->registers != NULL ? HLL_REGISTERS : 0) + h->cap * sizeof(uint32_t);
}

/* @return 0, -ERR_NOMEM */
static int to_registers(struct hll *h)
{
    uint8_t *r = mem_try_calloc(1, HLL_REGISTERS);

    if (r == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < h->n; i++) {
        raise_to(r, h->sparse[i]);
    }
    mem_free(h->sparse);
    *h = (struct hll){.registers = r};
    return 0;
}

static int grow(struct hll *h, size_t need)
{
    size_t cap = h->cap != 0 ? h->cap : FIRST_CAP;
    uint32_t *v;

    if (need <= h->cap) {
        return 0;
    }
    while (cap < need) {
        cap *= 2;
    }
    v = mem_try_realloc(h->sparse, cap * sizeof(*v));
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    h->sparse = v;
    h->cap = (uint16_t)cap;
    return 0;
}

/* ---- adding ---- */

static int add_sparse(struct hll *h, uint32_t entry)
{
    size_t at = lower_bound(h->sparse, h->n, entry);

    if (at < h->n && same_position(h->sparse[at], entry)) {
        h->sparse[at] = h->sparse[at] > entry ? h->sparse[at] : entry;
        return 0;
    }
    if (h->n == HLL_SPARSE_MAX) {
        int rc = to_registers(h);

        if (rc == 0) {
            raise_to(h->registers, entry);
        }
        return rc;
    }
    if (grow(h, h->n + 1u) < 0) {
        return -ERR_NOMEM;
    }
    memmove(h->sparse + at + 1, h->sparse + at, (h->n - at) * sizeof(*h->sparse));
    h->sparse[at] = entry;
    h->n++;
    return 0;
}

int hll_add(struct hll *h, uint64_t hash)
{
    uint32_t entry = entry_of(hash);

    if (h->registers != NULL) {
        raise_to(h->registers, entry);
        return 0;
    }
    return add_sparse(h, entry);
}

/* ---- union ---- */

VECTORISED static void maximum(uint8_t *restrict dst, const uint8_t *restrict src)
{
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        dst[i] = dst[i] > src[i] ? dst[i] : src[i];
    }
}

/* Both lists become one. @return 0, -ERR_NOMEM */
static int merge_lists(struct hll *dst, const struct hll *src)
{
    uint32_t merged[2 * HLL_SPARSE_MAX];
    size_t n = 0;
    size_t i = 0;
    size_t k = 0;

    while (i < dst->n && k < src->n) {
        uint32_t a = dst->sparse[i];
        uint32_t b = src->sparse[k];

        if (same_position(a, b)) {
            merged[n++] = a > b ? a : b;
            i++;
            k++;
        } else if (a < b) {
            merged[n++] = a;
            i++;
        } else {
            merged[n++] = b;
            k++;
        }
    }
    memcpy(merged + n, dst->sparse + i, (dst->n - i) * sizeof(*merged));
    n += dst->n - i;
    memcpy(merged + n, src->sparse + k, (src->n - k) * sizeof(*merged));
    n += src->n - k;
    if (n > HLL_SPARSE_MAX) {
        int rc = to_registers(dst);

        for (i = 0; rc == 0 && i < src->n; i++) {
            raise_to(dst->registers, src->sparse[i]);
        }
        return rc;
    }
    if (grow(dst, n) < 0) {
        return -ERR_NOMEM;
    }
    memcpy(dst->sparse, merged, n * sizeof(*merged));
    dst->n = (uint16_t)n;
    return 0;
}

int hll_merge(struct hll *dst, const struct hll *src)
{
    if (hll_empty(src)) {
        return 0;
    }
    if (src->registers == NULL && dst->registers == NULL) {
        return dst->n == 0 && grow(dst, src->n) < 0 ? -ERR_NOMEM : merge_lists(dst, src);
    }
    if (dst->registers == NULL && to_registers(dst) < 0) {
        return -ERR_NOMEM;
    }
    if (src->registers != NULL) {
        maximum(dst->registers, src->registers);
    }
    for (size_t i = 0; i < src->n; i++) {
        raise_to(dst->registers, src->sparse[i]);
    }
    return 0;
}

/* A hash table of entries by position: a list while there are few. */
struct set {
    uint32_t v[SET_SLOTS]; /* 0: free, as no entry has rank 0 */
    size_t n;
};

/* @return false: more than a list may hold */
static bool set_add(struct set *s, uint32_t entry)
{
    size_t at = (size_t)(entry >> RANK_BITS) * 2654435761u >> 7 & (SET_SLOTS - 1);

    while (s->v[at] != 0 && !same_position(s->v[at], entry)) {
        at = (at + 1) & (SET_SLOTS - 1);
    }
    if (s->v[at] == 0) {
        if (s->n == HLL_SPARSE_MAX) {
            return false;
        }
        s->n++;
    }
    s->v[at] = s->v[at] > entry ? s->v[at] : entry;
    return true;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static int list_of_set(const struct set *s, struct hll *dst)
{
    if (grow(dst, s->n) < 0) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < SET_SLOTS; i++) {
        if (s->v[i] != 0) {
            dst->sparse[dst->n++] = s->v[i];
        }
    }
    if (dst->n > 1) {
        qsort(dst->sparse, dst->n, sizeof(*dst->sparse), by_value);
    }
    return 0;
}

static int union_registers(struct hll *dst, const struct hll *const *v, size_t n)
{
    int rc = to_registers(dst);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = hll_merge(dst, v[i]);
    }
    return rc;
}

int hll_union(struct hll *dst, const struct hll *const *v, size_t n)
{
    struct set *s;
    bool few = true;
    int rc;

    for (size_t i = 0; i < n; i++) {
        few = few && v[i]->registers == NULL;
    }
    if (!few) {
        return union_registers(dst, v, n);
    }
    s = mem_try_calloc(1, sizeof(*s));
    if (s == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; few && i < n; i++) {
        for (size_t k = 0; few && k < v[i]->n; k++) {
            few = set_add(s, v[i]->sparse[k]);
        }
    }
    rc = few ? list_of_set(s, dst) : union_registers(dst, v, n);
    mem_free(s);
    return rc;
}

static bool covers_entry(const struct hll *dst, uint32_t entry)
{
    size_t at;

    if (dst->registers != NULL) {
        return dst->registers[register_of(entry)] >= rank_of(entry);
    }
    at = lower_bound(dst->sparse, dst->n, entry);
    return at < dst->n && same_position(dst->sparse[at], entry) && dst->sparse[at] >= entry;
}

bool hll_covers(const struct hll *dst, const struct hll *src)
{
    bool yes = src->registers == NULL || dst->registers != NULL;

    for (size_t i = 0; yes && src->registers != NULL && i < HLL_REGISTERS; i++) {
        yes = dst->registers[i] >= src->registers[i];
    }
    for (size_t i = 0; yes && i < src->n; i++) {
        yes = covers_entry(dst, src->sparse[i]);
    }
    return yes;
}

/* ---- estimate ---- */

/* Ertl 2017, equation (8): x + sum of x^(2^k) 2^(k-1). */
static double sigma(double x)
{
    double y = 1;
    double z = x;
    double before;

    if (x >= 1) {
        return INFINITY;
    }
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z > before);
    return z;
}

/* Ertl 2017, equation (16): (1 - x - sum of (1 - x^(2^-k))^2 2^-k) / 3. */
static double tau(double x)
{
    double y = 1;
    double z = 1 - x;
    double before;

    if (x <= 0 || x >= 1) {
        return 0;
    }
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z < before);
    return z / 3;
}

/* Algorithm 6 of the paper. */
double hll_estimate_counts(const uint32_t c[HLL_RANKS])
{
    const double m = HLL_REGISTERS;
    double z = m * tau(1 - c[HLL_RANKS - 1] / m);

    for (int k = HLL_RANKS - 2; k >= 1; k--) {
        z = 0.5 * (z + c[k]);
    }
    z += m * sigma(c[0] / m);
    return m * m / (2 * M_LN2) / z;
}

double hll_estimate(const struct hll *h)
{
    if (h->registers == NULL) {
        const double m = 1 << HLL_SPARSE_BITS;

        return h->n == 0 ? 0
                         : -m * log1p(-(double)h->n / m); /* linear counting, Whang et al. 1990 */
    } else {
        uint32_t c[4][HLL_RANKS] = {
            0}; /* four, so that equal neighbours do not wait for each other */

        for (size_t i = 0; i < HLL_REGISTERS; i += 4) {
            c[0][h->registers[i]]++;
            c[1][h->registers[i + 1]]++;
            c[2][h->registers[i + 2]]++;
            c[3][h->registers[i + 3]]++;
        }
        for (size_t k = 0; k < HLL_RANKS; k++) {
            c[0][k] += c[1][k] + c[2][k] + c[3][k];
        }
        return hll_estimate_counts(c[0]);
    }
}

/* Linear counting with m positions: sqrt(m (e^t - t - 1)) / n, t = n / m. */
static double linear_error(double n, double m)
{
    double t = n / m;

    return t < 1e-3 ? sqrt(1 / (2 * m)) : sqrt(m * (expm1(t) - t)) / n;
}

double hll_std_error_registers(double n)
{
    double large = sqrt((3 * M_LN2 - 1) / HLL_REGISTERS); /* 0.81 % */
    double small;

    if (n <= 0 || n > 5.0 * HLL_REGISTERS) {
        return n <= 0 ? 0 : large;
    }
    small = linear_error(n, HLL_REGISTERS);
    return small < large ? small : large;
}

double hll_std_error(const struct hll *h, double estimate)
{
    if (h->registers != NULL) {
        return hll_std_error_registers(estimate);
    }
    return estimate <= 0 ? 0 : linear_error(estimate, 1 << HLL_SPARSE_BITS);
}

/* ---- bytes ---- */

static void encode_list(const struct hll *h, struct buf *dst)
{
    uint8_t *at = (uint8_t *)buf_reserve(dst, HEAD + 2 + (size_t)h->n * VARINT_MAX);
    uint32_t before = 0;
    size_t n = HEAD + 2;

    if (at == NULL) {
        return;
    }
    at[0] = VERSION;
    at[1] = FORM_SPARSE;
    at[2] = (uint8_t)h->n;
    at[3] = (uint8_t)(h->n >> 8);
    for (size_t i = 0; i < h->n; i++) {
        n += varint_put(at + n, h->sparse[i] - before);
        before = h->sparse[i];
    }
    dst->n += n;
}

/* Registers of one set lie within 15 of the smallest, but for a handful: half a byte each. */
static void encode_registers(const struct hll *h, struct buf *dst)
{
    const uint8_t *r = h->registers;
    uint8_t *at = (uint8_t *)buf_reserve(dst, HEAD + 1 + (size_t)HLL_REGISTERS / 2 + HLL_REGISTERS);
    uint8_t least = r[0];
    size_t n = HEAD + 1 + HLL_REGISTERS / 2;

    if (at == NULL) {
        return;
    }
    for (size_t i = 1; i < HLL_REGISTERS; i++) {
        least = r[i] < least ? r[i] : least;
    }
    at[0] = VERSION;
    at[1] = FORM_PACKED;
    at[2] = least;
    memset(at + HEAD + 1, 0, HLL_REGISTERS / 2);
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        uint32_t v = (uint32_t)(r[i] - least);

        if (v >= BEYOND) {
            at[n++] = r[i];
            v = BEYOND;
        }
        at[HEAD + 1 + i / 2] = (uint8_t)(at[HEAD + 1 + i / 2] | v << (i % 2 * 4));
    }
    if (n > HEAD + HLL_REGISTERS) {
        at[1] = FORM_REGISTERS;
        memcpy(at + HEAD, r, HLL_REGISTERS);
        n = HEAD + HLL_REGISTERS;
    }
    dst->n += n;
}

void hll_encode(const struct hll *h, struct buf *dst)
{
    if (h->registers != NULL) {
        encode_registers(h, dst);
    } else if (h->n != 0) {
        encode_list(h, dst);
    } else {
        buf_add(dst, (const char[]){VERSION, FORM_EMPTY}, HEAD);
    }
}

static int corrupt(struct err *reterr, const char *what)
{
    return err_set(reterr, ERR_CORRUPT, "sketch: %s", what);
}

static int decode_list(struct hll *dst, struct str bytes, struct err *reterr)
{
    uint32_t list[HLL_SPARSE_MAX];
    const uint8_t *p = (const uint8_t *)bytes.p;
    const uint8_t *end = p + bytes.n;
    size_t n = bytes.n >= 2 ? (size_t)(p[0] | p[1] << 8) : 0;
    uint64_t entry = 0;

    if (n == 0 || n > HLL_SPARSE_MAX) {
        return corrupt(reterr, "number of entries");
    }
    p += 2;
    for (size_t i = 0; i < n; i++) {
        uint64_t d = 0;
        int used = varint_get(p, end, &d);
        uint64_t before = entry;

        if (used <= 0 || d > UINT32_MAX) {
            return corrupt(reterr, "ends within an entry");
        }
        p += used;
        entry += d;
        if (entry >> (HLL_SPARSE_BITS + RANK_BITS) != 0 || (entry & RANK_MASK) == 0 ||
            (entry & RANK_MASK) > SPARSE_RANK_MAX ||
            (i > 0 && same_position((uint32_t)before, (uint32_t)entry))) {
            return corrupt(reterr, "an entry that cannot be");
        }
        list[i] = (uint32_t)entry;
    }
    if (p != end) {
        return corrupt(reterr, "bytes behind the last entry");
    }
    return hll_merge(dst, &(struct hll){.sparse = list, .n = (uint16_t)n});
}

static int merge_registers(struct hll *dst, struct str bytes, struct err *reterr)
{
    struct hll src = {.registers = (uint8_t *)(uintptr_t)bytes.p};

    if (bytes.n != HLL_REGISTERS) {
        return corrupt(reterr, "not 16384 registers");
    }
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        if (src.registers[i] >= HLL_RANKS) {
            return corrupt(reterr, "a register that cannot be");
        }
    }
    return hll_merge(dst, &src);
}

static int decode_packed(struct hll *dst, struct str bytes, struct err *reterr)
{
    uint8_t plain[HLL_REGISTERS];
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t at = 1 + HLL_REGISTERS / 2;

    if (bytes.n < at || p[0] >= HLL_RANKS) {
        return corrupt(reterr, "too short");
    }
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        uint8_t v = p[1 + i / 2] >> (i % 2 * 4) & BEYOND;

        if (v < BEYOND) {
            plain[i] = (uint8_t)(p[0] + v);
        } else if (at < bytes.n) {
            plain[i] = p[at++];
        } else {
            return corrupt(reterr, "ends within the registers");
        }
    }
    return at != bytes.n ? corrupt(reterr, "bytes behind the registers")
                         : merge_registers(dst, str_of((const char *)plain, sizeof(plain)), reterr);
}

int hll_decode_into(struct hll *dst, struct str bytes, struct err *reterr)
{
    struct str rest = str_drop(bytes, HEAD);
    int rc;

    if (bytes.n < HEAD) {
        return corrupt(reterr, "too short");
    }
    if (bytes.p[0] != VERSION) {
        return err_set(reterr, ERR_UNSUPPORTED, "sketch: version %u is not known",
                       (unsigned)(uint8_t)bytes.p[0]);
    }
    switch ((uint8_t)bytes.p[1]) {
    case FORM_EMPTY:
        return rest.n == 0 ? 0 : corrupt(reterr, "an empty one with bytes");
    case FORM_SPARSE:
        rc = decode_list(dst, rest, reterr);
        break;
    case FORM_REGISTERS:
        rc = merge_registers(dst, rest, reterr);
        break;
    case FORM_PACKED:
        rc = decode_packed(dst, rest, reterr);
        break;
    default:
        return corrupt(reterr, "its form is not known");
    }
    return rc == -ERR_NOMEM ? err_set(reterr, ERR_NOMEM, "sketch: no memory") : rc;
}
