/* SPDX-License-Identifier: Apache-2.0
 *
 * The pass over the text: bit masks of 64 bytes at a time say where a detector has to look.
 */
#include "ingest/process/detect.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

#include "ingest/process/detect_internal.h"

static const char *const NAMES[DETECTOR_COUNT] = {
#define DETECTOR_TEXT(name, text) [name] = (text),
    DETECTOR_TABLE(DETECTOR_TEXT)
#undef DETECTOR_TEXT
};

const char *detector_name(enum detector d)
{
    return d < DETECTOR_COUNT ? NAMES[d] : "";
}

bool detector_parse(struct str name, enum detector *ret)
{
    for (unsigned i = 0; i < DETECTOR_COUNT; i++) {
        if (str_eq(name, str_cstr(NAMES[i]))) {
            *ret = (enum detector)i;
            return true;
        }
    }
    return false;
}

void detect_add(struct detect_ctx *c, enum detector d, size_t start, size_t end)
{
    if (end > start && !vec_push(c->dst, (struct hit){(uint32_t)start, (uint32_t)end, d, false})) {
        c->failed = true;
    }
}

/* What a class of trigger is needed for. */
enum {
    NEEDS_DIGITS = DETECTOR_BIT(DETECT_KR_RESIDENT) | DETECTOR_BIT(DETECT_KR_FOREIGNER) |
                   DETECTOR_BIT(DETECT_CARD) | DETECTOR_BIT(DETECT_KR_DRIVER) |
                   DETECTOR_BIT(DETECT_KR_PASSPORT) | DETECTOR_BIT(DETECT_ACCOUNT) |
                   DETECTOR_BIT(DETECT_KR_PHONE) | DETECTOR_BIT(DETECT_IPV4),
    NEEDS_AT = DETECTOR_BIT(DETECT_EMAIL) | DETECTOR_BIT(DETECT_SECRET),
    NEEDS_SEPARATOR =
        DETECTOR_BIT(DETECT_SECRET) | DETECTOR_BIT(DETECT_NAME) | DETECTOR_BIT(DETECT_IPV6),
    NEEDS_TITLE = DETECTOR_BIT(DETECT_NAME),
    NEEDS_TOKEN = DETECTOR_BIT(DETECT_TOKEN),
};

/* Bits of one block; what lies before the block is carried. */
struct block {
    uint64_t digits, at, separator, blank, high, dot, rs, e, y, b;
};

enum { BLOCK = 64 };

#ifdef __SSE2__
static ALWAYS_INLINE uint64_t bits_of(__m128i v, size_t lane)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(v) << (16 * lane);
}

static ALWAYS_INLINE __m128i is_byte(__m128i v, char c)
{
    return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

static ALWAYS_INLINE void read_block(const char *p, bool title, bool token, struct block *m)
{
    *m = (struct block){0};
    for (size_t i = 0; i < BLOCK / 16; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        /* '0'..'9' and nothing else ends up below -118 after the shift into signed range */
        __m128i d = _mm_cmplt_epi8(_mm_add_epi8(v, _mm_set1_epi8((char)(-'0' - 128))),
                                   _mm_set1_epi8(-128 + 10));
        __m128i fold = _mm_or_si128(v, _mm_set1_epi8(0x20));

        m->digits |= bits_of(d, i);
        m->at |= bits_of(is_byte(v, '@'), i);
        m->separator |= bits_of(_mm_or_si128(is_byte(v, ':'), is_byte(v, '=')), i);
        m->blank |= bits_of(is_byte(v, ' '), i);
        m->high |= bits_of(v, i);
        if (title) {
            m->dot |= bits_of(is_byte(v, '.'), i);
            m->rs |= bits_of(_mm_or_si128(is_byte(v, 'r'), is_byte(v, 's')), i);
        }
        if (token) {
            m->e |= bits_of(is_byte(fold, 'e'), i);
            m->y |= bits_of(is_byte(v, 'y'), i);
            m->b |= bits_of(is_byte(fold, 'b'), i);
        }
    }
}
#else
static void read_block(const char *p, bool title, bool token, struct block *m)
{
    (void)title;
    (void)token;
    *m = (struct block){0};
    for (size_t i = 0; i < BLOCK; i++) {
        uint64_t bit = 1ull << i;
        char fold = (char)(p[i] | 0x20);

        m->digits |= is_digit(p[i]) ? bit : 0;
        m->at |= p[i] == '@' ? bit : 0;
        m->separator |= p[i] == ':' || p[i] == '=' ? bit : 0;
        m->blank |= p[i] == ' ' ? bit : 0;
        m->high |= (p[i] & 0x80) != 0 ? bit : 0;
        m->dot |= p[i] == '.' ? bit : 0;
        m->rs |= p[i] == 'r' || p[i] == 's' ? bit : 0;
        m->e |= fold == 'e' ? bit : 0;
        m->y |= p[i] == 'y' ? bit : 0;
        m->b |= fold == 'b' ? bit : 0;
    }
}
#endif

static ALWAYS_INLINE void each(struct detect_ctx *c, uint64_t bits, size_t base,
                               void (*fn)(struct detect_ctx *c, size_t i))
{
    while (bits != 0) {
        fn(c, base + (size_t)__builtin_ctzll(bits));
        bits &= bits - 1;
    }
}

static void look(struct detect_ctx *c, const struct block *m, const struct block *before,
                 size_t base)
{
    const uint64_t top = 1ull << 63;

    if ((c->wanted & NEEDS_DIGITS) != 0) {
        each(c, m->digits & ~(m->digits << 1 | before->digits >> 63), base, detect_digits);
    }
    if ((c->wanted & NEEDS_AT) != 0) {
        each(c, m->at, base, detect_at);
    }
    if ((c->wanted & NEEDS_SEPARATOR) != 0) {
        uint64_t bits = m->separator;

        if (wants(c, DETECT_NAME)) {
            bits |= m->blank & (m->high << 1 | before->high >> 63);
        }
        each(c, bits, base, detect_separator);
    }
    if ((c->wanted & NEEDS_TITLE) != 0) {
        each(c, m->dot & (m->rs << 1 | before->rs >> 63), base, detect_title);
    }
    if ((c->wanted & NEEDS_TOKEN) != 0) {
        each(c, m->e & (m->y >> 1 | top), base, detect_jwt);
        each(c, m->b & (m->e >> 1 | top), base, detect_bearer);
    }
}

bool detect(struct str text, struct str key, uint32_t wanted, hits *dst)
{
    struct detect_ctx c = {.p = text.p, .n = text.n, .key = key, .wanted = wanted, .dst = dst};
    const bool title = (wanted & NEEDS_TITLE) != 0;
    const bool token = (wanted & NEEDS_TOKEN) != 0;
    struct block before = {0};
    struct block m;

    if (key.n != 0) {
        detect_by_key(&c);
    }
    for (size_t base = 0; base < text.n; base += BLOCK) {
        size_t left = text.n - base;

        if (left >= BLOCK) {
            read_block(text.p + base, title, token, &m);
        } else {
            char last[BLOCK] = {0};

            memcpy(last, text.p + base, left);
            read_block(last, title, token, &m);
        }
        look(&c, &m, &before, base);
        before = m;
    }
    return !c.failed;
}
