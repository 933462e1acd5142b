/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over the bytes. A value is written as one byte and swallows the values right beside it that only
 * connectors part (dates, addresses, UUIDs, lists), so that their inner form does not matter.
 */
#include "ingest/patterns/mask.h"

#include "ingest/patterns/ansi.h"
#include "ingest/patterns/trace.h"

enum {
    LETTER = 1 << 0, /* and every byte of a character beyond ASCII */
    DIGIT = 1 << 1,
    HEX = 1 << 2,
    JOIN = 1 << 3,  /* between two values: they become one */
    BLANK = 1 << 4, /* controls too */
    STOP = 1 << 5,  /* ends the value of key=value */
    LOWER = 1 << 6,
    WIDE = 1 << 7, /* of a character beyond ASCII */
};

#define R4(x)  x, x, x, x
#define R16(x) R4(x), R4(x), R4(x), R4(x)
#define R32(x) R16(x), R16(x)
#define L      LETTER
#define H      (LETTER | HEX)
#define W      (LETTER | WIDE)
#define l      (LETTER | LOWER)
#define h      (LETTER | LOWER | HEX)
#define D      (DIGIT | HEX)
#define J      JOIN
#define S      STOP
#define B      (BLANK | STOP)

/* clang-format off */
static const uint8_t CLASS[256] = {
    R32(B),
    /*   ! " # $ % & ' ( ) * + , - . / */
    B, 0, S, 0, 0, 0, S, 0, S, S, 0, J, J | S, J, J, J,
    /* 0-9 : ; < = > ? */
    D, D, D, D, D, D, D, D, D, D, J, S, S, 0, S, 0,
    /* @ A-O */
    0, H, H, H, H, H, H, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, S, 0, S, 0, J,
    0, h, h, h, h, h, h, l, l, l, l, l, l, l, l, l,
    l, l, l, l, l, l, l, l, l, l, l, S, S, S, J, B,
    R32(W), R32(W), R32(W), R32(W),
};
/* clang-format on */

#undef L
#undef H
#undef W
#undef l
#undef h
#undef D
#undef J
#undef S
#undef B

enum { QUOTE_MAX = 256, NONE = -1 };

struct masker {
    const uint8_t *p; /* next byte */
    const uint8_t *end;
    char *out;
    int64_t n;    /* written */
    int64_t last; /* where the last value ends; NONE: more than connectors came since */
    int dashes;   /* joins of that value by - and /: a date when two */
    int colons;
    int spaces; /* that may still join: between a date and its time */
};

static unsigned class_at(const struct masker *m, const uint8_t *p)
{
    return p < m->end ? CLASS[*p] : BLANK | STOP;
}

static void put_byte(struct masker *m, char c)
{
    m->out[m->n++] = c;
}

static void put_text(struct masker *m, const uint8_t *p, const uint8_t *end)
{
    memcpy(m->out + m->n, p, (size_t)(end - p));
    m->n += end - p;
    m->last = NONE;
}

/* Before a sign that belongs to a number there is nothing of a word. */
static bool is_edge(char c)
{
    return c == ' ' || (CLASS[(uint8_t)c] & STOP) != 0 || c == '=' || c == ':';
}

static void put_value(struct masker *m)
{
    if (m->last != NONE) {
        for (int64_t i = m->last; i < m->n; i++) {
            m->dashes += m->out[i] == '-' || m->out[i] == '/';
            m->colons += m->out[i] == ':';
        }
        m->n = m->last;
        if (m->dashes >= 2 && m->spaces == 0) {
            m->spaces = 1;
            m->dashes = -MASK_INPUT_MAX; /* once */
        }
        return;
    }
    if (m->n != 0 && (m->out[m->n - 1] == '-' || m->out[m->n - 1] == '+') &&
        (m->n == 1 || is_edge(m->out[m->n - 2]))) {
        m->n--;
    }
    put_byte(m, MASK_VALUE);
    m->last = m->n;
    m->dashes = m->colons = m->spaces = 0;
}

static bool digits4(const struct masker *m, const uint8_t *p)
{
    return m->end - p >= 4 && (CLASS[p[0]] & CLASS[p[1]] & CLASS[p[2]] & CLASS[p[3]] & DIGIT) != 0;
}

static void blanks(struct masker *m)
{
    while (m->p < m->end && (CLASS[*m->p] & BLANK) != 0) {
        m->p++;
    }
    if (m->p == m->end || m->n == 0) {
        return;
    }
    if (m->last != NONE && m->out[m->n - 1] != ',') {
        bool zone = m->colons >= 2 && (*m->p == '+' || *m->p == '-') && digits4(m, m->p + 1);

        if (m->last != m->n || (m->spaces == 0 && !zone)) {
            m->last = NONE;
        } else if (m->spaces != 0) {
            m->spaces--;
        }
    }
    put_byte(m, ' ');
}

static bool has3(const uint8_t *p, const char *names)
{
    for (; *names != 0; names += 3) {
        if (memcmp(p, names, 3) == 0) {
            return true;
        }
    }
    return false;
}

static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char WEEKDAYS[] = "MonTueWedThuFriSatSun";

/* The next thing after blanks and the separators of dates is a digit (or, for weekdays, a month). */
static bool date_goes_on(const struct masker *m, const uint8_t *p, bool month_too)
{
    const uint8_t *from = p;

    while (p < m->end && p - from < 3 && (*p == ' ' || *p == '/' || *p == '-' || *p == ',')) {
        p++;
    }
    if (p == from || p == m->end) {
        return false;
    }
    return (CLASS[*p] & DIGIT) != 0 || (month_too && m->end - p >= 3 && has3(p, MONTHS));
}

/* "Jan" of "Jan  2", "02/Jan/2024" and "Mon, 02 Jan". */
static bool date_word(struct masker *m, const uint8_t *word)
{
    bool month = has3(word, MONTHS);

    if (!month && !has3(word, WEEKDAYS)) {
        return false;
    }
    if (!date_goes_on(m, m->p, !month)) {
        return false;
    }
    put_value(m);
    m->spaces = month ? 2 : 3;
    if (!month && m->p < m->end && *m->p == ',') {
        m->p++;
    }
    return true;
}

/* Words without digits inside an id: groups of a UUID, the end of a pod's name. */
static bool letters_of_id(const struct masker *m, const uint8_t *word, size_t n, unsigned all)
{
    char before = m->n != 0 ? m->out[m->n - 1] : ' ';

    if (m->last == NONE || m->n == m->last) {
        return false;
    }
    if ((all & HEX) != 0 && ((before == '-' && (n == 4 || n == 12)) || (before == ':' && n == 2))) {
        return true;
    }
    if (before != '-' || n != 5 || (all & LOWER) == 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) { /* Kubernetes' names draw from letters without vowels */
        if (strchr("aeiou", word[i]) != NULL) {
            return false;
        }
    }
    return true;
}

/* The first group of a UUID happens to be letters. */
static bool starts_uuid(const struct masker *m, const uint8_t *p)
{
    if (m->end - p < 36) {
        return false;
    }
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? p[i] != '-' : (CLASS[p[i]] & HEX) == 0) {
            return false;
        }
    }
    return true;
}

/* Characters beyond ASCII beside digits: only the digits are a value ("주문123번"). */
static void mixed_wide(struct masker *m, const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        const uint8_t *from = p;

        while (p < end && (CLASS[*p] & DIGIT) == 0) {
            p++;
        }
        if (p != from) {
            put_text(m, from, p);
        }
        from = p;
        while (p < end && (CLASS[*p] & DIGIT) != 0) {
            p++;
        }
        if (p != from) {
            put_value(m);
        }
    }
}

/* Hex, or the end of a pod's name: drawn at random whatever else it looks like. */
static bool is_drawn(const struct masker *m, size_t n, unsigned all)
{
    return ((all & HEX) != 0 && (m->last != NONE || n >= 8)) ||
           (n == 5 && m->last != NONE && m->n != m->last && m->out[m->n - 1] == '-');
}

/* A run that begins with a letter and holds digits: a name with a number, or drawn at random? */
static void mixed(struct masker *m, const uint8_t *p, const uint8_t *end, unsigned all,
                  unsigned any)
{
    size_t n = (size_t)(end - p);
    size_t digits = 0;
    size_t changes = 0;
    size_t first = n;

    if ((any & WIDE) != 0) {
        mixed_wide(m, p, end);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        bool digit = (CLASS[p[i]] & DIGIT) != 0;

        digits += digit;
        changes += i != 0 && digit != ((CLASS[p[i - 1]] & DIGIT) != 0);
        first = digit && first == n ? i : first;
    }
    if (!is_drawn(m, n, all) &&
        (n <= 4 || (digits == 1 && n <= 6) || (changes == 2 && n - digits >= 3 * digits))) {
        put_text(m, p, end); /* v1, eth0, log4j, x86; Http11NioProtocol */
        return;
    }
    if (changes == 1 && !is_drawn(m, n, all)) {
        put_text(m, p, p + first); /* node12, I0115 */
    }
    put_value(m);
}

static void number(struct masker *m)
{
    do {
        m->p++;
    } while (m->p < m->end && (CLASS[*m->p] & (LETTER | DIGIT)) != 0 && *m->p < 0x80);
    put_value(m);
}

static void word(struct masker *m)
{
    const uint8_t *from = m->p;
    unsigned any = 0;
    unsigned all = 0xff;
    size_t n;

    do {
        unsigned k = CLASS[*m->p];

        any |= k;
        all &= k | ((k & DIGIT) != 0 ? LOWER : 0u);
        m->p++;
    } while (m->p < m->end && (CLASS[*m->p] & (LETTER | DIGIT)) != 0);
    n = (size_t)(m->p - from);
    if (UNLIKELY((any & DIGIT) != 0)) {
        mixed(m, from, m->p, all, any);
        return;
    }
    if (n == 3 && date_word(m, from)) {
        return;
    }
    if (n == 8 && (all & HEX) != 0 && starts_uuid(m, from)) {
        put_value(m);
        m->p = from + 36;
        return;
    }
    if (letters_of_id(m, from, n, all)) {
        put_value(m);
        return;
    }
    put_text(m, from, m->p);
}

/* Keys whose values are words of the statement. */
static bool is_kept_key(const char *p, size_t n)
{
    static const char *const KEYS[] = {
        "msg",       "level", "message", "lvl",    "severity", "event",  "logger",
        "component", "error", "err",     "module", "caller",   "method", "type",
    };

    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        if (strlen(KEYS[i]) == n && memcmp(KEYS[i], p, n) == 0) {
            return true;
        }
    }
    return false;
}

/* The key before the value to come: of key= or "key":. */
static bool after_kept_key(const struct masker *m)
{
    int64_t end = m->n;
    int64_t from;

    while (end > 0 && (m->out[end - 1] == '=' || m->out[end - 1] == ':' || m->out[end - 1] == '"' ||
                       m->out[end - 1] == ' ')) {
        end--;
    }
    from = end;
    while (from > 0 && (CLASS[(uint8_t)m->out[from - 1]] & LETTER) != 0) {
        from--;
    }
    return is_kept_key(m->out + from, (size_t)(end - from));
}

/* Browsers tell of themselves in a sentence that differs from one to the next. */
static const uint8_t *agent_end(const uint8_t *p, const uint8_t *max)
{
    if (max - p < 8 || memcmp(p, "Mozilla/", 8) != 0) {
        return NULL;
    }
    return memchr(p, '"', (size_t)(max - p));
}

/* A quoted text of one word is a value, unless it names something; a sentence is read on. */
static void double_quote(struct masker *m)
{
    const uint8_t *p = m->p + 1;
    const uint8_t *max = m->end - p > QUOTE_MAX ? p + QUOTE_MAX : m->end;
    const uint8_t *agent = agent_end(p, m->end);
    bool key;

    if (agent != NULL) {
        p = agent;
        max = m->end;
    }
    while (p < max && *p != '"' && (CLASS[*p] & BLANK) == 0) {
        p += *p == '\\' && p + 1 < max ? 2 : 1;
    }
    if (p >= max || *p != '"' || after_kept_key(m)) {
        put_byte(m, '"');
        m->p++;
        m->last = NONE;
        return;
    }
    key = p + 1 < m->end && p[1] == ':';
    put_byte(m, '"');
    m->last = NONE;
    if (key) {
        put_text(m, m->p + 1, p);
    } else {
        put_byte(m, MASK_VALUE);
    }
    put_byte(m, '"');
    m->p = p + 1;
}

static void single_quote(struct masker *m)
{
    const uint8_t *p = m->p + 1;
    const uint8_t *max = m->end - p > 64 ? p + 64 : m->end;

    put_byte(m, '\'');
    m->p++;
    m->last = NONE;
    if (m->n > 1 && !is_edge(m->out[m->n - 2])) {
        return; /* an apostrophe */
    }
    while (p < max && *p != '\'' && (CLASS[*p] & BLANK) == 0) {
        p++;
    }
    if (p < max && *p == '\'' && (class_at(m, p + 1) & (LETTER | DIGIT)) == 0) {
        put_byte(m, MASK_VALUE);
        put_byte(m, '\'');
        m->p = p + 1;
    }
}

static void equals(struct masker *m)
{
    bool key = m->n != 0 && ((CLASS[(uint8_t)m->out[m->n - 1]] & LETTER) != 0 ||
                             m->out[m->n - 1] == '_' || m->out[m->n - 1] == MASK_VALUE);
    const uint8_t *p = m->p + 1;
    bool kept = key && after_kept_key(m);

    put_byte(m, '=');
    m->p = p;
    m->last = NONE;
    if (!key || kept || p == m->end || *p == '=' || *p == '>' || *p == '\'') {
        return;
    }
    while (p < m->end && (CLASS[*p] & STOP) == 0) {
        p++;
    }
    if (p != m->p) {
        put_byte(m, MASK_VALUE);
        m->last = NONE;
        m->p = p;
    }
}

/* name@example.com: back to where the name began, on to where the domain ends. */
static bool address(struct masker *m)
{
    const uint8_t *p = m->p + 1;
    bool dot = false;

    if (m->n == 0 || (class_at(m, p) & (LETTER | DIGIT)) == 0) {
        return false;
    }
    while (p < m->end && ((CLASS[*p] & (LETTER | DIGIT)) != 0 || *p == '-' || *p == '.')) {
        dot = dot || (*p == '.' && (class_at(m, p + 1) & LETTER) != 0);
        p++;
    }
    if (!dot || is_edge(m->out[m->n - 1])) {
        return false;
    }
    while (m->n > 0 && !is_edge(m->out[m->n - 1])) {
        m->n--;
    }
    m->last = NONE;
    put_value(m);
    m->p = p;
    return true;
}

static void other(struct masker *m)
{
    uint8_t c = *m->p;

    if (c == '@' && address(m)) {
        return;
    }
    if ((CLASS[c] & JOIN) == 0) {
        m->last = NONE;
    }
    put_byte(m, (char)c);
    m->p++;
}

/* @return bytes in out after it */
static int64_t mask(struct str line, char *out, int64_t n)
{
    struct masker m = {.p = (const uint8_t *)line.p, .last = NONE};

    m.end = m.p + line.n;
    m.out = &out[n];
    while (m.p < m.end) {
        unsigned k = CLASS[*m.p];

        if ((k & LETTER) != 0) {
            word(&m);
        } else if ((k & DIGIT) != 0) {
            number(&m);
        } else if ((k & BLANK) != 0) {
            blanks(&m);
        } else if (*m.p == '"') {
            double_quote(&m);
        } else if (*m.p == '\'') {
            single_quote(&m);
        } else if (*m.p == '=') {
            equals(&m);
        } else {
            other(&m);
        }
    }
    return n + m.n;
}

/* Cut between two words where that is near. */
static struct str cut(struct str line)
{
    size_t n = MASK_INPUT_MAX;

    while (n > MASK_INPUT_MAX - 64 && line.p[n] != ' ') {
        n--;
    }
    return str_take(line, line.p[n] == ' ' ? n : MASK_INPUT_MAX);
}

size_t mask_body(struct str body, char out[MASK_OUT_MAX])
{
    char plain[TRACE_BYTES_MAX];
    const char *nl;
    struct str line;
    int64_t n;

    body = ansi_strip(str_take(body, TRACE_BYTES_MAX), plain, sizeof(plain));
    while (body.n != 0 && (CLASS[(uint8_t)body.p[0]] & BLANK) != 0) {
        body = str_drop(body, 1);
    }
    nl = body.n != 0 ? memchr(body.p, '\n', body.n) : NULL;
    line = nl != NULL ? str_take(body, (size_t)(nl - body.p)) : body;
    if (line.n > MASK_INPUT_MAX) {
        n = mask(cut(line), out, 0);
        out[n++] = ' ';
        out[n++] = MASK_VALUE;
    } else {
        n = mask(line, out, 0);
    }
    if (nl != NULL) {
        struct str frames[TRACE_FRAMES];
        size_t k = trace_frames(body, frames);

        for (size_t i = 0; i < k; i++) {
            out[n++] = '\n';
            n = mask(str_take(frames[i], MASK_TRACE_MAX / TRACE_FRAMES / 2 - 1), out, n);
        }
    }
    return (size_t)n;
}
