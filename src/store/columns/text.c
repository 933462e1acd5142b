/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens and substrings. Search folds ASCII case only, so that it never depends on a locale.
 */
#include "store/columns/text.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

#define IS_TOKEN(c)                                                                            \
    (((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z') || ((c) >= '0' && (c) <= '9') || \
     (c) == '_' || (c) >= 0x80)
#define TO_LOWER(c) ((uint8_t)((c) + ((c) >= 'A' && (c) <= 'Z') * 32))
#define ROW(hi, f)                                                                           \
    f((hi)*16 + 0), f((hi)*16 + 1), f((hi)*16 + 2), f((hi)*16 + 3), f((hi)*16 + 4),          \
        f((hi)*16 + 5), f((hi)*16 + 6), f((hi)*16 + 7), f((hi)*16 + 8), f((hi)*16 + 9),      \
        f((hi)*16 + 10), f((hi)*16 + 11), f((hi)*16 + 12), f((hi)*16 + 13), f((hi)*16 + 14), \
        f((hi)*16 + 15)
#define TABLE(f)                                                                            \
    ROW(0, f), ROW(1, f), ROW(2, f), ROW(3, f), ROW(4, f), ROW(5, f), ROW(6, f), ROW(7, f), \
        ROW(8, f), ROW(9, f), ROW(10, f), ROW(11, f), ROW(12, f), ROW(13, f), ROW(14, f),   \
        ROW(15, f)

const uint8_t TOKEN_CHAR[256] = {TABLE(IS_TOKEN)};
const uint8_t LOWER_CHAR[256] = {TABLE(TO_LOWER)};

bool text_next_token(struct str *rest, struct str *ret_token)
{
    const uint8_t *p = (const uint8_t *)rest->p;
    size_t start = 0;
    size_t end;

    while (start < rest->n && TOKEN_CHAR[p[start]] == 0) {
        start++;
    }
    end = start;
    while (end < rest->n && TOKEN_CHAR[p[end]] != 0) {
        end++;
    }
    if (start == end) {
        *rest = str_of(NULL, 0);
        return false;
    }
    *ret_token = str_of(rest->p + start, end - start);
    *rest = str_drop(*rest, end);
    return true;
}

/* Multiply and fold to 64 bits. */
static ALWAYS_INLINE uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide r = (wide)a * b;

    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

/* Upper-case ASCII letters of eight bytes to lower case. */
static ALWAYS_INLINE uint64_t lower8(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t heptets = x & (0x7f * ones);
    uint64_t above = heptets + (0x7f - 'Z') * ones; /* bit 7: > 'Z' */
    uint64_t from = heptets + (0x80 - 'A') * ones;  /* bit 7: >= 'A' */
    uint64_t upper = from & ~above & ~x & (0x80 * ones);

    return x | upper >> 2;
}

/* Up to 16 bytes, zero-filled, into the hash. */
static ALWAYS_INLINE uint64_t hash16(uint64_t h, uint64_t a, uint64_t b)
{
    return mix(lower8(a) ^ h ^ 0x2d358dccaa6c78a5u, lower8(b) ^ 0x8bb84b93962eacc9u);
}

/* The n low bytes. */
static ALWAYS_INLINE uint64_t low_bytes(uint64_t x, size_t n)
{
    return n >= 8 ? x : x & (((uint64_t)1 << (n * 8)) - 1);
}

static uint64_t hash_tail(uint64_t h, const char *p, size_t n)
{
    uint64_t w[2] = {0, 0};

    memcpy(w, p, n);
    return hash16(h, w[0], w[1]);
}

/* `room`: bytes that may be read from the token's start, at least its length. */
static ALWAYS_INLINE uint64_t token_hash(struct str token, size_t room)
{
    uint64_t h = token.n * 0x9e3779b97f4a7c15u;
    uint64_t w[2];

    while (token.n > 16) {
        memcpy(w, token.p, 16);
        h = hash16(h, w[0], w[1]);
        token = str_drop(token, 16);
        room -= 16;
    }
    if (room < 16) {
        h = hash_tail(h, token.p, token.n);
    } else {
        memcpy(w, token.p, 16);
        h = hash16(h, low_bytes(w[0], token.n), token.n > 8 ? low_bytes(w[1], token.n - 8) : 0);
    }
    return mix(h ^ 0x4b33a62ed433d4a3u, 0x4d5a2da51de1aa47u);
}

uint64_t text_token_hash(struct str token)
{
    return token_hash(token, token.n);
}

uint64_t text_trigram_hash(const char *p)
{
    uint64_t three = (uint64_t)LOWER_CHAR[(uint8_t)p[0]] |
                     (uint64_t)LOWER_CHAR[(uint8_t)p[1]] << 8 |
                     (uint64_t)LOWER_CHAR[(uint8_t)p[2]] << 16;

    return mix(three ^ 0x9fb21c651e98df25u, 0xd6e8feb86659fd93u);
}

struct masks {
    uint64_t token;
    uint64_t digit;
    uint64_t hex; /* letters a to f, of either case */
};

#ifdef __SSE2__

static ALWAYS_INLINE uint64_t bits16(__m128i v)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(v);
}

static ALWAYS_INLINE __m128i between(__m128i v, char first, char last)
{
    return _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)(first - 1))),
                         _mm_cmplt_epi8(v, _mm_set1_epi8((char)(last + 1))));
}

/* Which of 16 bytes belong to tokens, and to which kind of them. What is not used costs nothing. */
static ALWAYS_INLINE struct masks masks16(const char *p)
{
    __m128i v = _mm_loadu_si128((const void *)p);
    __m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
    __m128i alpha = between(low, 'a', 'z');
    __m128i digit = between(v, '0', '9');
    __m128i other = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('_')), v); /* v: bit 7 */

    return (struct masks){bits16(_mm_or_si128(_mm_or_si128(alpha, digit), other)), bits16(digit),
                          bits16(between(low, 'a', 'f'))};
}

static ALWAYS_INLINE struct masks masks64(const char *p)
{
    struct masks a = masks16(p);
    struct masks b = masks16(p + 16);
    struct masks c = masks16(p + 32);
    struct masks d = masks16(p + 48);

    return (struct masks){a.token | b.token << 16 | c.token << 32 | d.token << 48,
                          a.digit | b.digit << 16 | c.digit << 32 | d.digit << 48,
                          a.hex | b.hex << 16 | c.hex << 32 | d.hex << 48};
}

#else

static ALWAYS_INLINE struct masks masks64(const char *p)
{
    struct masks m = {0};

    for (unsigned i = 0; i < 64; i++) {
        uint8_t c = (uint8_t)p[i];

        m.token |= (uint64_t)TOKEN_CHAR[c] << i;
        m.digit |= (uint64_t)(c >= '0' && c <= '9') << i;
        m.hex |= (uint64_t)(LOWER_CHAR[c] >= 'a' && LOWER_CHAR[c] <= 'f') << i;
    }
    return m;
}

#endif

/* Masks of up to 64 bytes; what lies beyond them belongs to no token. */
static ALWAYS_INLINE struct masks window(const char *p, size_t n)
{
    char tail[64];

    if (LIKELY(n == 64)) {
        return masks64(p);
    }
    memset(tail, ' ', sizeof(tail));
    memcpy(tail, p, n);
    return masks64(tail);
}

/* Called with constant functions only, which are then part of the loop. */
static ALWAYS_INLINE void each_token(struct str text,
                                     void (*fn)(void *arg, struct str token, size_t room),
                                     void *arg)
{
    uint64_t before = 0; /* was the last byte of the window before in a token */
    size_t start = 0;

    for (size_t base = 0; base < text.n; base += 64) {
        size_t n = text.n - base < 64 ? text.n - base : 64;
        uint64_t m = window(text.p + base, n).token;
        uint64_t edges = m ^ (m << 1 | before);

        for (; edges != 0; edges &= edges - 1) {
            size_t at = base + (unsigned)__builtin_ctzll(edges);

            if ((m >> (at - base) & 1) != 0) {
                start = at;
            } else {
                fn(arg, str_of(text.p + start, at - start), text.n - start);
            }
        }
        before = m >> 63;
        if (base + n == text.n && n == 64 && before != 0) {
            fn(arg, str_drop(text, start), text.n - start);
        }
    }
}

struct each {
    void (*fn)(void *arg, struct str token, uint64_t hash);
    void *arg;
};

static void give_token(void *arg, struct str token, size_t room)
{
    const struct each *e = arg;

    e->fn(e->arg, token, token_hash(token, room));
}

void text_each_token(struct str text, void (*fn)(void *arg, struct str token, uint64_t hash),
                     void *arg)
{
    struct each e = {fn, arg};

    each_token(text, give_token, &e);
}

static ALWAYS_INLINE void put_hash(void *arg, struct str token, size_t room)
{
    uint64_t **dst = arg;

    *(*dst)++ = token_hash(token, room);
}

size_t text_token_hashes(struct str text, uint64_t *dst)
{
    uint64_t *end = dst;

    each_token(text, put_hash, &end);
    return (size_t)(end - dst);
}

/* Of a token that is being read. */
struct token_kind {
    bool digit; /* has one */
    bool hex;   /* nothing but hexadecimal letters */
};

/* The token goes on with the bytes [from, to) of a window. */
static ALWAYS_INLINE void go_on(struct token_kind *k, const struct masks *m, unsigned from,
                                unsigned to)
{
    uint64_t bits = (to < 64 ? ((uint64_t)1 << to) - 1 : ~(uint64_t)0) & (~(uint64_t)0 << from);

    k->digit = k->digit || (m->digit & bits) != 0;
    k->hex = k->hex && (m->hex & bits) == bits;
}

static ALWAYS_INLINE bool is_variable(struct token_kind k, size_t n)
{
    return k.digit || (k.hex && n >= 4);
}

size_t text_variables(struct str text, struct str *dst)
{
    struct token_kind kind = {false, true};
    uint64_t before = 0;
    size_t start = 0;
    size_t found = 0;

    for (size_t base = 0; base < text.n; base += 64) {
        size_t n = text.n - base < 64 ? text.n - base : 64;
        struct masks m = window(text.p + base, n);
        uint64_t edges = m.token ^ (m.token << 1 | before);
        unsigned from = 0; /* of the token at hand, in this window */

        for (; edges != 0; edges &= edges - 1) {
            unsigned at = (unsigned)__builtin_ctzll(edges);

            if ((m.token >> at & 1) != 0) {
                start = base + at;
                from = at;
                kind = (struct token_kind){false, true};
                continue;
            }
            go_on(&kind, &m, from, at);
            dst[found] = str_of(text.p + start, base + at - start);
            found += is_variable(kind, dst[found].n);
        }
        before = m.token >> 63;
        if (before != 0) {
            go_on(&kind, &m, from, 64);
        }
    }
    if (before != 0) {
        dst[found] = str_drop(text, start);
        found += is_variable(kind, dst[found].n);
    }
    return found;
}

bool text_is_short_number(struct str token)
{
    if (token.n > 4) {
        return false;
    }
    for (size_t i = 0; i < token.n; i++) {
        if (token.p[i] < '0' || token.p[i] > '9') {
            return false;
        }
    }
    return true;
}

static bool same_nocase(const uint8_t *a, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (LOWER_CHAR[a[i]] != LOWER_CHAR[b[i]]) {
            return false;
        }
    }
    return true;
}

/* Scalar search of positions [from, last]. */
static int64_t find_from(struct str text, struct str needle, size_t from, size_t last)
{
    const uint8_t *p = (const uint8_t *)text.p;
    const uint8_t *q = (const uint8_t *)needle.p;
    uint8_t lo = LOWER_CHAR[q[0]];

    for (size_t i = from; i <= last; i++) {
        if (LOWER_CHAR[p[i]] == lo && same_nocase(p + i, q, needle.n)) {
            return (int64_t)i;
        }
    }
    return -1;
}

#ifdef __SSE2__

/* Which of 16 bytes are the letter in either case. */
static __m128i either_case(__m128i bytes, __m128i lower, __m128i upper)
{
    return _mm_or_si128(_mm_cmpeq_epi8(bytes, lower), _mm_cmpeq_epi8(bytes, upper));
}

static char upper_of(uint8_t lower)
{
    return (char)(lower >= 'a' && lower <= 'z' ? lower - 32 : lower);
}

/* First match at or after `from`, or -1: 16 positions at once by the needle's first and last byte
 * (Mula 2016, "SIMD-friendly algorithms for substring searching"), candidates compared. */
static int64_t find_nocase(struct str text, struct str needle, size_t from)
{
    const uint8_t *p = (const uint8_t *)text.p;
    const uint8_t *q = (const uint8_t *)needle.p;
    __m128i first_lo;
    __m128i first_up;
    __m128i last_lo;
    __m128i last_up;
    size_t last;
    size_t i = from;

    if (needle.n > text.n || from > text.n - needle.n) {
        return -1;
    }
    last = text.n - needle.n;
    first_lo = _mm_set1_epi8((char)LOWER_CHAR[q[0]]);
    first_up = _mm_set1_epi8(upper_of(LOWER_CHAR[q[0]]));
    last_lo = _mm_set1_epi8((char)LOWER_CHAR[q[needle.n - 1]]);
    last_up = _mm_set1_epi8(upper_of(LOWER_CHAR[q[needle.n - 1]]));
    for (; i + 15 <= last; i += 16) {
        __m128i a = _mm_loadu_si128((const void *)(p + i));
        __m128i b = _mm_loadu_si128((const void *)(p + i + needle.n - 1));
        unsigned hits = (unsigned)_mm_movemask_epi8(
            _mm_and_si128(either_case(a, first_lo, first_up), either_case(b, last_lo, last_up)));

        for (; hits != 0; hits &= hits - 1) {
            size_t at = i + (unsigned)__builtin_ctz(hits);

            if (same_nocase(p + at, q, needle.n)) {
                return (int64_t)at;
            }
        }
    }
    return find_from(text, needle, i, last);
}

#else

static int64_t find_nocase(struct str text, struct str needle, size_t from)
{
    if (needle.n > text.n || from > text.n - needle.n) {
        return -1;
    }
    return find_from(text, needle, from, text.n - needle.n);
}

#endif

bool text_contains(struct str text, struct str needle)
{
    return needle.n == 0 || find_nocase(text, needle, 0) >= 0;
}

bool text_has_word(struct str text, struct str word)
{
    const uint8_t *p = (const uint8_t *)text.p;
    const uint8_t *w = (const uint8_t *)word.p;

    if (word.n == 0) {
        return false;
    }
    for (int64_t at = find_nocase(text, word, 0); at >= 0;
         at = find_nocase(text, word, (size_t)at + 1)) {
        size_t start = (size_t)at;
        size_t end = start + word.n;
        bool left = start == 0 || TOKEN_CHAR[p[start - 1]] == 0 || TOKEN_CHAR[w[0]] == 0;
        bool right = end == text.n || TOKEN_CHAR[p[end]] == 0 || TOKEN_CHAR[w[word.n - 1]] == 0;

        if (left && right) {
            return true;
        }
    }
    return false;
}
