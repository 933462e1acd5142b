/* SPDX-License-Identifier: Apache-2.0
 *
 * Huffman codes of at most 10 bits (Huffman, 1952; canonical as in RFC 1951, 3.2.2, with the bits of a code
 * reversed so that a table of 1024 entries is indexed by the next bits). A table that is not complete is
 * refused, so every look-up gives a symbol.
 */
#include "codec/chunk_huff.h"

#include "base/err.h"

enum {
    TABLE = 1 << HUFF_MAX_BITS,
    FEW = 48,     /* symbols read without a table */
    PER_LOAD = 5, /* codes that surely lie in the 57 bits of one unaligned load */
};

/* ---- code lengths ---- */

struct node {
    uint32_t count;
    uint16_t parent;
};

/** Sort used symbols by count, rising; insertion sort: there are few and they are nearly bell-shaped. */
static unsigned sort_used(const uint32_t *count, unsigned symbols, uint16_t *order)
{
    unsigned n = 0;

    for (unsigned s = 0; s < symbols; s++) {
        unsigned k = n;

        if (count[s] == 0) {
            continue;
        }
        while (k > 0 && count[order[k - 1]] > count[s]) {
            order[k] = order[k - 1];
            k--;
        }
        order[k] = (uint16_t)s;
        n++;
    }
    return n;
}

/** Bring lengths above the maximum down and make the code complete again (Kraft sum exactly 1). */
static void limit_lengths(const uint16_t *order, unsigned n, uint8_t *len)
{
    uint32_t kraft = 0;

    for (unsigned i = 0; i < n; i++) {
        if (len[order[i]] > HUFF_MAX_BITS) {
            len[order[i]] = HUFF_MAX_BITS;
        }
        kraft += (uint32_t)TABLE >> len[order[i]];
    }
    while (kraft > TABLE) { /* lengthen the rarest code that can be */
        unsigned i = 0;

        while (len[order[i]] >= HUFF_MAX_BITS) {
            i++;
        }
        kraft -= (uint32_t)TABLE >> (len[order[i]] + 1);
        len[order[i]]++;
    }
    for (unsigned i = n; kraft < TABLE && i > 0;) { /* shorten the most frequent that may be */
        uint8_t *l = &len[order[i - 1]];
        uint32_t gain = (uint32_t)TABLE >> *l;

        if (*l > 1 && kraft + gain <= TABLE) {
            kraft += gain;
            (*l)--;
        } else {
            i--;
        }
    }
}

uint64_t huff_lengths(const uint32_t *count, unsigned symbols, uint8_t *ret_len)
{
    uint16_t order[HUFF_SYMBOLS];
    struct node node[2 * HUFF_SYMBOLS];
    unsigned n = sort_used(count, symbols, order);
    unsigned leaf = 0;
    unsigned inner;
    unsigned end = n;
    uint64_t bits = 0;

    memset(ret_len, 0, symbols);
    if (n < 2) {
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        node[i].count = count[order[i]];
    }
    inner = n;
    for (; end < 2 * n - 1;
         end++) { /* two queues: leaves by count, inner nodes in order of making */
        unsigned two[2];

        for (unsigned k = 0; k < 2; k++) {
            bool take_leaf = leaf < n && (inner == end || node[leaf].count <= node[inner].count);

            two[k] = take_leaf ? leaf++ : inner++;
            node[two[k]].parent = (uint16_t)end;
        }
        node[end].count = node[two[0]].count + node[two[1]].count;
    }
    node[end - 1].count = 0; /* from here on: depth */
    for (unsigned i = end - 1; i > 0; i--) {
        node[i - 1].count = node[node[i - 1].parent].count + 1;
    }
    for (unsigned i = 0; i < n; i++) {
        ret_len[order[i]] = (uint8_t)node[i].count;
    }
    limit_lengths(order, n, ret_len);
    for (unsigned i = 0; i < n; i++) {
        bits += (uint64_t)count[order[i]] * ret_len[order[i]];
    }
    return bits;
}

/* ---- codes ---- */

static unsigned reverse(unsigned code, unsigned n)
{
    unsigned r = 0;

    for (; n > 0; n--) {
        r = r << 1 | (code & 1);
        code >>= 1;
    }
    return r;
}

/** First canonical code of every length. */
static void first_codes(const uint8_t *len, unsigned symbols, unsigned *next)
{
    unsigned count[HUFF_MAX_BITS + 1] = {0};
    unsigned code = 0;

    for (unsigned s = 0; s < symbols; s++) {
        count[len[s]]++;
    }
    count[0] = 0;
    for (unsigned l = 1; l <= HUFF_MAX_BITS; l++) {
        code = (code + count[l - 1]) << 1;
        next[l] = code;
    }
}

/* ---- writing ---- */

enum {
    LAST_START = 8, /* the length the first one is told from */
    CODE_SAME = 1,  /* bits a length costs: as the one before, */
    CODE_ONE = 3,   /* one more or less, */
    CODE_TWO = 4,   /* two more or less, */
    CODE_OTHER = 8, /* another, or a run of symbols not used */
    OTHER_LENGTH = 16,
    RUN_MAX = 16,
};

/** Bits for the table, least significant first. */
struct table_writer {
    uint8_t out[HUFF_SYMBOLS + 2];
    unsigned bit;
};

static void put_table_bits(struct table_writer *w, unsigned v, unsigned n)
{
    for (unsigned i = 0; i < n; i++, w->bit++) {
        w->out[w->bit / 8] |= (uint8_t)((v >> i & 1) << (w->bit % 8));
    }
}

/** Unused symbols from s on that one code tells. */
static unsigned zero_run(const uint8_t *len, unsigned symbols, unsigned s)
{
    unsigned run = 0;

    while (run < RUN_MAX && s + run < symbols && len[s + run] == 0) {
        run++;
    }
    return run;
}

static unsigned distance(unsigned a, unsigned b)
{
    return a > b ? a - b : b - a;
}

unsigned huff_table_bits(const uint8_t *len, unsigned symbols)
{
    unsigned last = LAST_START;
    unsigned bits = 8;

    for (unsigned s = 0; s < symbols; s++) {
        unsigned d = distance(len[s], last);

        if (len[s] == 0) {
            bits += CODE_OTHER;
            s += zero_run(len, symbols, s) - 1;
            continue;
        }
        bits += d == 0 ? CODE_SAME : d == 1 ? CODE_ONE : d == 2 ? CODE_TWO : CODE_OTHER;
        last = len[s];
    }
    return bits;
}

/** Lengths as differences: those of neighbours are close. */
static void put_table(const uint8_t *len, unsigned symbols, struct buf *dst)
{
    struct table_writer w = {0};
    unsigned last = LAST_START;

    for (unsigned s = 0; s < symbols; s++) {
        unsigned d = distance(len[s], last);
        unsigned less = len[s] < last ? 1 : 0;

        if (len[s] == 0) {
            unsigned run = zero_run(len, symbols, s);

            put_table_bits(&w, 7 | (run - 1) << 3, CODE_OTHER);
            s += run - 1;
            continue;
        }
        if (d == 0) {
            put_table_bits(&w, 0, CODE_SAME);
        } else if (d == 1) {
            put_table_bits(&w, 1 | less << 2, CODE_ONE);
        } else if (d == 2) {
            put_table_bits(&w, 3 | less << 3, CODE_TWO);
        } else {
            put_table_bits(&w, 7 | (OTHER_LENGTH + len[s] - 1u) << 3, CODE_OTHER);
        }
        last = len[s];
    }
    buf_add_byte(dst, (char)(symbols - 1));
    buf_add(dst, w.out, (w.bit + 7) / 8);
}

static size_t stream_bytes(const uint8_t *sym, size_t n, const uint8_t *len)
{
    size_t bits = 0;

    for (size_t i = 0; i < n; i++) {
        bits += len[sym[i]];
    }
    return (bits + 7) / 8;
}

static void put_stream(const uint8_t *sym, size_t n, const uint8_t *len, const uint16_t *code,
                       struct buf *dst)
{
    uint8_t *p = (uint8_t *)buf_reserve(dst, n * 2 + 8);
    uint8_t *start = p;
    uint64_t acc = 0;
    unsigned held = 0;

    if (p == NULL) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        acc |= (uint64_t)code[sym[i]] << held;
        held += len[sym[i]];
        if (held >= 32) {
            uint32_t word = (uint32_t)acc;

            memcpy(p, &word, sizeof(word));
            p += sizeof(word);
            acc >>= 32;
            held -= 32;
        }
    }
    for (; held > 0; held = held > 8 ? held - 8 : 0) {
        *p++ = (uint8_t)acc;
        acc >>= 8;
    }
    dst->n += (size_t)(p - start);
}

void huff_encode(const uint8_t *sym, size_t n, const uint8_t *len, unsigned symbols,
                 struct buf *dst)
{
    unsigned next[HUFF_MAX_BITS + 1] = {0};
    uint16_t code[HUFF_SYMBOLS];
    size_t half = (n + 1) / 2;

    first_codes(len, symbols, next);
    for (unsigned s = 0; s < symbols; s++) {
        code[s] = (uint16_t)(len[s] == 0 ? 0 : reverse(next[len[s]]++, len[s]));
    }
    put_table(len, symbols, dst);
    bits_add_varint(dst, stream_bytes(sym, half, len));
    bits_add_varint(dst, stream_bytes(sym + half, n - half, len));
    put_stream(sym, half, len, code, dst);
    put_stream(sym + half, n - half, len, code, dst);
}

/* ---- reading ---- */

/** Version 1: nibbles; 0 is followed by how many more zeros there are. */
static bool get_nibble_table(struct bits_reader *r, uint8_t *len, unsigned *ret_symbols)
{
    unsigned symbols = bits_read_u8(r) + 1u;
    uint32_t kraft = 0;
    unsigned held = 0; /* 1: the upper nibble of `byte` is next */
    unsigned byte = 0;
    bool zeros = false;

    for (unsigned s = 0; s < symbols || zeros;) {
        unsigned x;

        if (held == 0) {
            byte = bits_read_u8(r);
        }
        x = held != 0 ? byte >> 4 : byte & 15;
        held ^= 1;
        if (r->bad || x > 15) {
            return false;
        }
        if (zeros) {
            if (x > symbols - s) {
                return false;
            }
            memset(len + s, 0, x);
            s += x;
            zeros = false;
        } else if (x == 0) {
            len[s++] = 0;
            zeros = true;
        } else {
            if (x > HUFF_MAX_BITS) {
                return false;
            }
            kraft += (uint32_t)TABLE >> x;
            len[s++] = (uint8_t)x;
        }
    }
    *ret_symbols = symbols;
    return kraft == TABLE;
}

struct table_reader {
    struct bits_reader *r;
    unsigned byte, left;
};

static unsigned get_table_bits(struct table_reader *t, unsigned n)
{
    unsigned v = 0;

    for (unsigned i = 0; i < n; i++) {
        if (t->left == 0) {
            t->byte = bits_read_u8(t->r);
            t->left = 8;
        }
        v |= (t->byte & 1) << i;
        t->byte >>= 1;
        t->left--;
    }
    return v;
}

/** The next length told from `last`; 0: unused ones, *ret_run of them. */
static unsigned get_length(struct table_reader *t, unsigned last, unsigned *ret_run)
{
    unsigned x;

    if (get_table_bits(t, 1) == 0) {
        return last;
    }
    if (get_table_bits(t, 1) == 0) {
        return get_table_bits(t, 1) != 0 ? last - 1 : last + 1;
    }
    if (get_table_bits(t, 1) == 0) {
        return get_table_bits(t, 1) != 0 ? last - 2 : last + 2;
    }
    x = get_table_bits(t, 5);
    if (x < OTHER_LENGTH) {
        *ret_run = x + 1;
        return 0;
    }
    return x - OTHER_LENGTH + 1;
}

static bool get_table(struct bits_reader *r, uint8_t *len, unsigned *ret_symbols)
{
    unsigned symbols = bits_read_u8(r) + 1u;
    struct table_reader t = {.r = r};
    unsigned last = LAST_START;
    uint32_t kraft = 0;

    for (unsigned s = 0; s < symbols;) {
        unsigned run = 0;
        unsigned x = get_length(&t, last, &run);

        if (r->bad || run > symbols - s || x > HUFF_MAX_BITS || (x == 0 && run == 0)) {
            return false;
        }
        if (run != 0) {
            memset(len + s, 0, run);
            s += run;
            continue;
        }
        last = x;
        kraft += (uint32_t)TABLE >> x;
        len[s++] = (uint8_t)x;
    }
    *ret_symbols = symbols;
    return kraft == TABLE;
}

/** Entries: symbol << 4 | length. */
static void fill_table(const uint8_t *len, unsigned symbols, uint16_t *table)
{
    unsigned next[HUFF_MAX_BITS + 1] = {0};

    first_codes(len, symbols, next);
    for (unsigned s = 0; s < symbols; s++) {
        unsigned l = len[s];

        if (l == 0) {
            continue;
        }
        for (unsigned i = reverse(next[l]++, l); i < TABLE; i += 1u << l) {
            table[i] = (uint16_t)(s << 4 | l);
        }
    }
}

/** Symbols in order of their codes, for when a few are read: filling the table costs more than those. */
struct code_list {
    uint16_t count[HUFF_MAX_BITS + 1]; /* codes of every length */
    uint8_t symbols[HUFF_SYMBOLS];
};

static void fill_list(const uint8_t *len, unsigned symbols, struct code_list *ret)
{
    uint16_t at[HUFF_MAX_BITS + 1] = {0};

    memset(ret->count, 0, sizeof(ret->count));
    for (unsigned s = 0; s < symbols; s++) {
        ret->count[len[s]]++;
    }
    ret->count[0] = 0;
    for (unsigned l = 1; l <= HUFF_MAX_BITS; l++) {
        at[l] = (uint16_t)(at[l - 1] + ret->count[l - 1]);
    }
    for (unsigned s = 0; s < symbols; s++) {
        if (len[s] != 0) {
            ret->symbols[at[len[s]]++] = (uint8_t)s;
        }
    }
}

/** One stream: where its next code starts. */
struct stream {
    const uint8_t *p;
    size_t bit;
};

static inline uint64_t load(const struct stream *s)
{
    return bits_get_u64(s->p + s->bit / 8) >> (s->bit & 7);
}

/** Like load(), near the end of what may be read. */
static uint64_t load_careful(const struct stream *s, const uint8_t *end)
{
    const uint8_t *p = s->p + s->bit / 8;
    uint64_t x = 0;

    if (p < end) {
        memcpy(&x, p, (size_t)(end - p) < sizeof(x) ? (size_t)(end - p) : sizeof(x));
    }
    return x >> (s->bit & 7);
}

static inline unsigned next_symbol(struct stream *s, uint64_t *word, const uint16_t *table)
{
    unsigned e = table[*word & (TABLE - 1)];

    *word >>= e & 15;
    s->bit += e & 15;
    return e >> 4;
}

static void decode_tail(struct stream *s, const uint8_t *end, const uint16_t *table, uint8_t *sym,
                        size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t w = load_careful(s, end);

        sym[i] = (uint8_t)next_symbol(s, &w, table);
    }
}

/** Both streams side by side, as far as whole loads go. @return symbols of each */
static size_t decode_pairs(struct stream *a, struct stream *b, const uint8_t *end,
                           const uint16_t *table, uint8_t *sym_a, uint8_t *sym_b, size_t n)
{
    size_t i = 0;

    while (i + PER_LOAD <= n && b->p + b->bit / 8 + 8 <= end && a->p + a->bit / 8 + 8 <= end) {
        uint64_t x = load(a);
        uint64_t y = load(b);

        for (unsigned k = 0; k < PER_LOAD; k++, i++) {
            sym_a[i] = (uint8_t)next_symbol(a, &x, table);
            sym_b[i] = (uint8_t)next_symbol(b, &y, table);
        }
    }
    return i;
}

static void decode_one(struct stream *s, const uint8_t *end, const uint16_t *table, uint8_t *sym,
                       size_t n)
{
    size_t i = 0;

    while (i + PER_LOAD <= n && s->p + s->bit / 8 + 8 <= end) {
        uint64_t x = load(s);

        for (unsigned k = 0; k < PER_LOAD; k++, i++) {
            sym[i] = (uint8_t)next_symbol(s, &x, table);
        }
    }
    decode_tail(s, end, table, sym + i, n - i);
}

/** Bit by bit: a code of a length lies among the consecutive ones of that length, or is longer. */
static void decode_few(struct stream *s, const uint8_t *end, const struct code_list *list,
                       uint8_t *sym, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t word = load_careful(s, end);
        unsigned code = 0;
        unsigned first = 0;  /* code of this length */
        unsigned before = 0; /* symbols with shorter ones */

        for (unsigned l = 1; l <= HUFF_MAX_BITS; l++) {
            unsigned count = list->count[l];

            code = code << 1 | (unsigned)(word & 1);
            word >>= 1;
            first <<= 1;
            if (code - first < count) {
                sym[i] = list->symbols[before + code - first];
                s->bit += l;
                break;
            }
            first += count;
            before += count;
        }
    }
}

/** k of n symbols, the first half of the n from stream a. */
static void decode_both(struct stream *a, struct stream *b, const uint8_t *end,
                        const uint16_t *table, uint8_t *sym, size_t n, size_t k)
{
    size_t half = (n + 1) / 2;
    size_t first = k < half ? k : half;
    size_t i;

    i = decode_pairs(a, b, end, table, sym, sym + half, k - first);
    decode_one(a, end, table, sym + i, first - i);
    decode_one(b, end, table, sym + half + i, k - first - i);
}

int huff_decode(struct bits_reader *r, bool nibbles, uint8_t *sym, size_t n, size_t k)
{
    uint8_t len[HUFF_SYMBOLS];
    unsigned symbols = 0;
    size_t bytes[2];
    struct stream a;
    struct stream b;

    if (!(nibbles ? get_nibble_table(r, len, &symbols) : get_table(r, len, &symbols))) {
        return -ERR_CORRUPT;
    }
    bytes[0] = (size_t)bits_read_varint(r);
    bytes[1] = (size_t)bits_read_varint(r);
    a = (struct stream){bits_read_bytes(r, bytes[0]), 0};
    b = (struct stream){bits_read_bytes(r, bytes[1]), 0};
    if (a.p == NULL || b.p == NULL || r->bad) {
        return -ERR_CORRUPT;
    }
    if (k <= FEW && k < (n + 1) / 2) {
        struct code_list list;

        fill_list(len, symbols, &list);
        decode_few(&a, r->end, &list, sym, k);
        return 0;
    }
    {
        uint16_t table[TABLE] = {0};

        fill_table(len, symbols, table);
        decode_both(&a, &b, r->end, table, sym, n, k);
    }
    return k < n || ((a.bit + 7) / 8 == bytes[0] && (b.bit + 7) / 8 == bytes[1]) ? 0 : -ERR_CORRUPT;
}
