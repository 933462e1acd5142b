/* SPDX-License-Identifier: Apache-2.0
 *
 * Detectors that begin at a run of digits: the groups of digits that follow are read once, then every kind is tried
 * on them. A number that is part of a longer one (or of a word) is never a hit.
 */
#include "ingest/process/detect_internal.h"

enum { GROUPS_MAX = 6, RUN_MAX = 20 };

struct group {
    size_t at;
    size_t n;
    char sep; /* behind it: '-', '.', ' ', ')'; 0: nothing that joins */
};

struct number {
    struct group g[GROUPS_MAX];
    size_t n;
    size_t digits;
};

/* What joins the group that ends at `i` to the next digit; *ret_next is where that is. */
static char joint(const struct detect_ctx *c, size_t i, size_t *ret_next)
{
    char sep = i < c->n ? c->p[i] : 0;

    switch (sep) {
    case ' ':
        if (i + 3 < c->n && c->p[i + 1] == '-' && c->p[i + 2] == ' ') {
            sep = '-';
            i += 2;
        }
        break;
    case ')':
        if (i + 1 < c->n && (c->p[i + 1] == ' ' || c->p[i + 1] == '-')) {
            i++;
        }
        break;
    case '-':
    case '.':
        break;
    default:
        return 0;
    }
    *ret_next = i + 1;
    return i + 1 < c->n && is_digit(c->p[i + 1]) ? sep : 0;
}

static void read_number(const struct detect_ctx *c, size_t i, struct number *ret)
{
    ret->n = 0;
    ret->digits = 0;
    while (ret->n < GROUPS_MAX) {
        struct group *g = &ret->g[ret->n++];

        g->at = i;
        while (i < c->n && is_digit(c->p[i])) {
            i++;
        }
        g->n = i - g->at;
        ret->digits += g->n;
        g->sep = g->n <= RUN_MAX ? joint(c, i, &i) : 0;
        if (g->sep == 0) {
            return;
        }
    }
}

static bool left_ok(const struct detect_ctx *c, size_t i)
{
    char before = i != 0 ? c->p[i - 1] : ' ';

    if (is_alnum(before) || before == '_') {
        return false;
    }
    return !((before == '-' || before == '.') && i >= 2 && is_digit(c->p[i - 2]));
}

static bool right_ok(const struct detect_ctx *c, size_t end)
{
    char next = end < c->n ? c->p[end] : ' ';

    if (is_alnum(next) || next == '_') {
        return false;
    }
    return !((next == '-' || next == '.') && end + 1 < c->n && is_digit(c->p[end + 1]));
}

static size_t end_of(const struct number *v, size_t last)
{
    return v->g[last].at + v->g[last].n;
}

/* Do the first groups have these lengths, joined by `sep` (0: anything)? */
static bool shaped(const struct number *v, const uint8_t *lengths, size_t n, char sep)
{
    if (v->n < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (v->g[i].n != lengths[i] || (i + 1 < n && sep != 0 && v->g[i].sep != sep)) {
            return false;
        }
    }
    return true;
}

static unsigned digit(char c)
{
    return (unsigned)(c - '0');
}

static unsigned two(const char *p)
{
    return digit(p[0]) * 10 + digit(p[1]);
}

/* ---- resident and foreigner registration numbers ---- */

static bool day_exists(unsigned year, unsigned month, unsigned day)
{
    static const uint8_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month >= 1 && month <= 12 && day >= 1 &&
           day <= DAYS[month - 1] + (month == 2 && leap ? 1u : 0u);
}

static bool checksum_ok(const char *d, bool foreigner)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < 12; i++) {
        sum += digit(d[i]) * (2 + i % 8);
    }
    return ((foreigner ? 13u : 11u) - sum % 11) % 10 == digit(d[12]);
}

/* Numbers given out since October 2020 have random digits at the end, so that the checksum says nothing about who
 * was born after that. Without a hyphen 13 digits may be anything: whoever was born before must have it right. */
static void resident(struct detect_ctx *c, const struct number *v)
{
    static const uint8_t FORM[] = {6, 7};
    const bool hyphen = shaped(v, FORM, 2, '-');
    unsigned year;
    unsigned month;
    unsigned day;
    bool foreigner;
    char d[13];

    if (!hyphen && v->g[0].n != 13) {
        return;
    }
    memcpy(d, c->p + v->g[0].at, hyphen ? 6 : 13);
    if (hyphen) {
        memcpy(d + 6, c->p + v->g[1].at, 7);
    }
    if (d[6] < '1' || d[6] > '8' || !right_ok(c, end_of(v, hyphen ? 1 : 0))) {
        return;
    }
    foreigner = d[6] >= '5';
    year = ((d[6] - '1') % 4 < 2 ? 1900 : 2000) + two(d);
    month = two(d + 2);
    day = two(d + 4);
    if (!day_exists(year, month, day)) {
        return;
    }
    if (!hyphen && year * 10000 + month * 100 + day < 20201005 && !checksum_ok(d, foreigner)) {
        return;
    }
    if (wants(c, foreigner ? DETECT_KR_FOREIGNER : DETECT_KR_RESIDENT)) {
        detect_add(c, foreigner ? DETECT_KR_FOREIGNER : DETECT_KR_RESIDENT, v->g[0].at,
                   end_of(v, hyphen ? 1 : 0));
    }
}

/* ---- payment cards ---- */

static unsigned prefix_of(const char *d, size_t n)
{
    unsigned v = 0;

    for (size_t i = 0; i < n; i++) {
        v = v * 10 + digit(d[i]);
    }
    return v;
}

/* Issuer ranges and lengths of ISO/IEC 7812 as the networks publish them; 9: Korean domestic cards. */
static bool issuer_ok(const char *d, size_t n, bool grouped)
{
    static const struct {
        uint16_t low, high; /* of the first four digits */
        uint8_t min, max;
        bool grouped; /* only with separators: else too many other numbers look like it */
    } ISSUERS[] = {
        {4000, 4999, 16, 16, false}, {4000, 4999, 13, 13, true},  {4000, 4999, 19, 19, false},
        {5100, 5599, 16, 16, false}, {2221, 2720, 16, 16, false}, {3400, 3499, 15, 15, false},
        {3700, 3799, 15, 15, false}, {6011, 6011, 16, 19, false}, {6440, 6599, 16, 19, false},
        {3528, 3589, 16, 19, false}, {3000, 3059, 14, 14, false}, {3600, 3699, 14, 14, false},
        {3800, 3999, 14, 14, false}, {6200, 6299, 16, 19, false}, {5018, 5020, 16, 19, false},
        {6304, 6304, 16, 19, false}, {9000, 9999, 16, 16, true},
    };

    unsigned head = prefix_of(d, 4);

    for (size_t i = 0; i < ARRAY_LEN(ISSUERS); i++) {
        if (head >= ISSUERS[i].low && head <= ISSUERS[i].high && n >= ISSUERS[i].min &&
            n <= ISSUERS[i].max && (grouped || !ISSUERS[i].grouped)) {
            return true;
        }
    }
    return false;
}

static bool luhn_ok(const char *d, size_t n)
{
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned v = digit(d[n - 1 - i]);

        v = i % 2 == 1 ? v * 2 : v;
        sum += v > 9 ? v - 9 : v;
    }
    return sum % 10 == 0;
}

static void card_of(struct detect_ctx *c, const struct number *v, size_t groups)
{
    char d[24];
    size_t n = 0;

    for (size_t i = 0; i < groups; i++) {
        if (v->g[i].n > sizeof(d) - n) {
            return;
        }
        memcpy(d + n, c->p + v->g[i].at, v->g[i].n);
        n += v->g[i].n;
    }
    if (n >= 13 && n <= 19 && right_ok(c, end_of(v, groups - 1)) && issuer_ok(d, n, groups > 1) &&
        luhn_ok(d, n)) {
        detect_add(c, DETECT_CARD, v->g[0].at, end_of(v, groups - 1));
    }
}

static void card(struct detect_ctx *c, const struct number *v)
{
    static const uint8_t USUAL[] = {4, 4, 4, 4};
    static const uint8_t LONG[] = {4, 4, 4, 4, 3};
    static const uint8_t AMEX[] = {4, 6, 5};
    static const uint8_t DINERS[] = {4, 6, 4};
    const char sep = v->g[0].sep;

    if (v->g[0].n >= 13) {
        card_of(c, v, 1);
    } else if (sep == '-' || sep == ' ' || sep == '.') {
        if (shaped(v, LONG, 5, sep)) {
            card_of(c, v, 5);
        }
        if (shaped(v, USUAL, 4, sep)) {
            card_of(c, v, 4);
        } else if (shaped(v, AMEX, 3, sep) || shaped(v, DINERS, 3, sep)) {
            card_of(c, v, 3);
        }
    }
}

/* ---- phones ---- */

/* An area code without its zero: 2, 31-33, 41-44, 51-55, 61-64. */
static bool is_area(const char *d, size_t n)
{
    return (n == 1 && d[0] == '2') ||
           (n == 2 && d[0] >= '3' && d[0] <= '6' && d[1] >= '1' && d[1] <= '5');
}

/* A mobile prefix without its zero (10, 11, 16-19), internet phones (70) and personal numbers (502-508). */
static bool is_carrier(const char *d, size_t n)
{
    if (n == 2) {
        return (d[0] == '1' && (d[1] <= '1' || d[1] >= '6')) || (d[0] == '7' && d[1] == '0');
    }
    return n == 3 && d[0] == '5' && d[1] == '0' && d[2] >= '2' && d[2] <= '8';
}

static bool is_trunk(const char *d, size_t n)
{
    return is_area(d, n) || is_carrier(d, n);
}

/* prefix, 3 or 4 digits, 4 digits, from group `first` on. */
static bool phone_tail(const struct detect_ctx *c, const struct number *v, size_t first)
{
    return v->n >= first + 2 && (v->g[first].n == 3 || v->g[first].n == 4) &&
           v->g[first + 1].n == 4 && right_ok(c, end_of(v, first + 1));
}

static void phone_abroad(struct detect_ctx *c, const struct number *v, size_t start)
{
    const char *p = c->p;
    const struct group *first = &v->g[0];
    size_t zero;

    /* +821012345678 */
    if (v->g[0].n == 12 && start < first->at && memcmp(p + first->at, "8210", 4) == 0 &&
        right_ok(c, end_of(v, 0))) {
        detect_add(c, DETECT_KR_PHONE, start, end_of(v, 0));
        return;
    }
    if (first->n != 2 || memcmp(p + first->at, "82", 2) != 0 || v->n < 3) {
        return;
    }
    /* +82 1012345678 is not written; +82-10-1234-5678, +82 (0)2 is left to the reader */
    zero = p[v->g[1].at] == '0' ? 1 : 0;
    if (v->g[1].n > zero && is_trunk(p + v->g[1].at + zero, v->g[1].n - zero) &&
        phone_tail(c, v, 2)) {
        detect_add(c, DETECT_KR_PHONE, start, end_of(v, 3));
    }
}

static void phone(struct detect_ctx *c, const struct number *v)
{
    const struct group *g = &v->g[0];
    const char *p = c->p + g->at;
    size_t start = g->at != 0 && p[-1] == '+' ? g->at - 1 : g->at;

    if (p[0] == '8') {
        phone_abroad(c, v, start);
        return;
    }
    if (p[0] != '0' || g->n < 2) {
        return;
    }
    if (g->n == 11 && p[1] == '1' && p[2] == '0' && right_ok(c, end_of(v, 0))) {
        detect_add(c, DETECT_KR_PHONE, start, end_of(v, 0));
        return;
    }
    if (g->n == 3 && p[1] == '1' && p[2] == '0' && v->n >= 2 && v->g[1].n == 8 &&
        right_ok(c, end_of(v, 1))) {
        detect_add(c, DETECT_KR_PHONE, start, end_of(v, 1));
        return;
    }
    if (is_trunk(p + 1, g->n - 1) && phone_tail(c, v, 1)) {
        detect_add(c, DETECT_KR_PHONE, start, end_of(v, 2));
    }
}

/* ---- licences, passports, accounts, addresses ---- */

static void driver(struct detect_ctx *c, const struct number *v)
{
    static const uint8_t FORM[] = {2, 2, 6, 2};
    unsigned region;

    if (shaped(v, FORM, 4, '-') && right_ok(c, end_of(v, 3))) {
        region = two(c->p + v->g[0].at);
        if (region >= 11 && region <= 28) {
            detect_add(c, DETECT_KR_DRIVER, v->g[0].at, end_of(v, 3));
        }
    }
}

/* M12345678, and since 2021 M123A4567: a letter right before the digits. */
static void passport(struct detect_ctx *c, size_t i)
{
    size_t n = 0;

    if (i == 0 || strchr("MSRODG", c->p[i - 1]) == NULL || c->p[i - 1] == '\0' ||
        (i >= 2 && (is_alnum(c->p[i - 2]) || c->p[i - 2] == '_' || c->p[i - 2] == '-'))) {
        return;
    }
    while (i + n < c->n && n < 9 && is_digit(c->p[i + n])) {
        n++;
    }
    if (n == 3 && i + 8 <= c->n && c->p[i + 3] >= 'A' && c->p[i + 3] <= 'Z') {
        n = 4;
        while (i + n < c->n && n < 9 && is_digit(c->p[i + n])) {
            n++;
        }
    }
    if (n == 8 && right_ok(c, i + n)) {
        detect_add(c, DETECT_KR_PASSPORT, i - 1, i + n);
    }
}

static void account(struct detect_ctx *c, const struct number *v)
{
    size_t last = 0;
    size_t digits = v->g[0].n;

    while (last + 1 < v->n && v->g[last].sep == '-') {
        digits += v->g[++last].n;
    }
    if (digits >= 9 && digits <= 16 && right_ok(c, end_of(v, last)) &&
        detect_account_before(c, v->g[0].at)) {
        detect_add(c, DETECT_ACCOUNT, v->g[0].at, end_of(v, last));
    }
}

static void ipv4(struct detect_ctx *c, const struct number *v)
{
    if (v->n < 4 || (v->n > 4 && v->g[3].sep == '.')) {
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        const char *p = c->p + v->g[i].at;

        if ((i < 3 && v->g[i].sep != '.') || v->g[i].n > 3 || prefix_of(p, v->g[i].n) > 255 ||
            (v->g[i].n > 1 && p[0] == '0')) {
            return;
        }
    }
    if (right_ok(c, end_of(v, 3))) {
        detect_add(c, DETECT_IPV4, v->g[0].at, end_of(v, 3));
    }
}

void detect_digits(struct detect_ctx *c, size_t i)
{
    struct number v;

    if (wants(c, DETECT_KR_PASSPORT)) {
        passport(c, i);
    }
    if (!left_ok(c, i)) {
        return;
    }
    read_number(c, i, &v);
    if (wants(c, DETECT_IPV4) && v.g[0].sep == '.') {
        ipv4(c, &v);
    }
    if (v.digits < 9) {
        return;
    }
    resident(c, &v);
    if (wants(c, DETECT_CARD)) {
        card(c, &v);
    }
    if (wants(c, DETECT_KR_PHONE)) {
        phone(c, &v);
    }
    if (wants(c, DETECT_KR_DRIVER)) {
        driver(c, &v);
    }
    if (wants(c, DETECT_ACCOUNT)) {
        account(c, &v);
    }
}
