/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations and sizes. Results beyond the range of the type are refused, not wrapped.
 */
#include "query/logql/units.h"

#include <math.h>

static const int64_t MS = 1000000;
static const int64_t SECOND = 1000000000;

bool lq_units_prom_duration(struct str s, int64_t *ret_ns)
{
    int64_t ms;
    uint64_t plain;

    if (str_to_u64(s, &plain) && plain != 0) {
        return false;
    }
    return str_to_duration_ms(s, &ms) && !__builtin_mul_overflow(ms, MS, ret_ns);
}

static size_t digits(struct str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9') {
        n++;
    }
    return n;
}

/* Nanoseconds of the unit at the front; 0: none. */
static int64_t unit_ns(struct str s, size_t *ret_n)
{
    static const struct {
        struct str name;
        int64_t ns;
    } UNITS[] = {{{"ns", 2}, 1},           {{"us", 2}, 1000},        {{"\xc2\xb5s", 3}, 1000},
                 {{"\xce\xbcs", 3}, 1000}, {{"ms", 2}, 1000000},     {{"s", 1}, 1000000000},
                 {{"m", 1}, 60000000000},  {{"h", 1}, 3600000000000}};

    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (str_starts(s, UNITS[i].name)) {
            *ret_n = UNITS[i].name.n;
            return UNITS[i].ns;
        }
    }
    return 0;
}

bool lq_units_go_duration(struct str s, int64_t *ret_ns)
{
    bool negative = s.n != 0 && s.p[0] == '-';
    int64_t total = 0;

    if (s.n != 0 && (s.p[0] == '-' || s.p[0] == '+')) {
        s = str_drop(s, 1);
    }
    if (str_eq(s, STR("0"))) {
        *ret_ns = 0;
        return true;
    }
    if (s.n == 0) {
        return false;
    }
    while (s.n != 0) {
        size_t whole = digits(s);
        struct str frac = str_drop(s, whole);
        size_t frac_n = 0;
        size_t unit_n = 0;
        double part = 0;
        double scale = 1;
        uint64_t v = 0;
        int64_t unit;

        if (frac.n != 0 && frac.p[0] == '.') {
            frac = str_drop(frac, 1);
            frac_n = digits(frac);
            if (whole == 0 && frac_n == 0) {
                return false;
            }
        } else if (whole == 0) {
            return false;
        }
        unit = unit_ns(str_drop(frac, frac_n), &unit_n);
        if (unit == 0 || (whole != 0 && !str_to_u64(str_take(s, whole), &v)) ||
            v > (uint64_t)(INT64_MAX / unit)) {
            return false;
        }
        for (size_t i = 0; i < frac_n; i++) {
            scale /= 10;
            part += (frac.p[i] - '0') * scale;
        }
        if (__builtin_add_overflow(total, (int64_t)v * unit, &total) ||
            __builtin_add_overflow(total, (int64_t)llround(part * (double)unit), &total)) {
            return false;
        }
        s = str_drop(frac, frac_n + unit_n);
    }
    *ret_ns = negative ? -total : total;
    return true;
}

bool lq_units_duration(struct str s, int64_t *ret_ns)
{
    return lq_units_prom_duration(s, ret_ns) || lq_units_go_duration(s, ret_ns);
}

bool lq_units_bytes(struct str s, uint64_t *ret)
{
    static const char LETTERS[] = "kmgtpe";
    char number[64];
    size_t n = 0;
    size_t at = 0;
    double v;
    double factor = 1;
    struct str unit;

    while (at < s.n && ((s.p[at] >= '0' && s.p[at] <= '9') || s.p[at] == '.' || s.p[at] == ',')) {
        if (s.p[at] != ',') {
            if (n == sizeof(number)) {
                return false;
            }
            number[n++] = s.p[at];
        }
        at++;
    }
    unit = str_trim(str_drop(s, at));
    if (n == 0 || !str_to_f64(str_of(number, n), &v)) {
        return false;
    }
    if (unit.n != 0 && !str_eq_nocase(unit, STR("b"))) {
        char low = (char)(unit.p[0] | 0x20);
        const char *letter = strchr(LETTERS, low);
        struct str rest = str_drop(unit, 1);
        bool binary = rest.n != 0 && (rest.p[0] | 0x20) == 'i';

        rest = binary ? str_drop(rest, 1) : rest;
        if (letter == NULL || low == '\0' || (rest.n != 0 && !str_eq_nocase(rest, STR("b")))) {
            return false;
        }
        factor = pow(binary ? 1024 : 1000, (double)(letter - LETTERS + 1));
    }
    v *= factor;
    if (!(v < 18446744073709551616.0)) {
        return false;
    }
    *ret = (uint64_t)v;
    return true;
}

void lq_units_print_go_duration(struct buf *dst, int64_t ns)
{
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    const uint64_t hour = 3600 * (uint64_t)SECOND;
    const uint64_t minute = 60 * (uint64_t)SECOND;

    if (u == 0) {
        buf_add_cstr(dst, "0s");
        return;
    }
    if (ns < 0) {
        buf_add_byte(dst, '-');
    }
    if (u < (uint64_t)SECOND) {
        double unit = u < 1000 ? 1 : u < (uint64_t)MS ? 1000 : (double)MS;

        buf_add_f64_form(dst, (double)u / unit, -10, 21);
        buf_add_cstr(dst, u < 1000 ? "ns" : u < (uint64_t)MS ? "\xc2\xb5s" : "ms");
        return;
    }
    if (u >= hour) {
        buf_printf(dst, "%lluh", (unsigned long long)(u / hour));
    }
    if (u >= minute) {
        buf_printf(dst, "%llum", (unsigned long long)(u % hour / minute));
    }
    buf_add_u64(dst, u % minute / (uint64_t)SECOND);
    if (u % (uint64_t)SECOND != 0) {
        char frac[10];
        uint64_t rest = u % (uint64_t)SECOND;
        size_t n = 9;

        for (size_t i = 9; i > 0; i--, rest /= 10) {
            frac[i - 1] = (char)('0' + rest % 10);
        }
        while (frac[n - 1] == '0') {
            n--;
        }
        buf_add_byte(dst, '.');
        buf_add(dst, frac, n);
    }
    buf_add_byte(dst, 's');
}

void lq_units_print_duration(struct buf *dst, int64_t ns)
{
    static const struct {
        const char *name;
        uint64_t ms;
        bool exact; /* only when nothing is left over */
    } UNITS[] = {{"y", 365 * 86400000ull, true},
                 {"w", 7 * 86400000ull, true},
                 {"d", 86400000, false},
                 {"h", 3600000, false},
                 {"m", 60000, false},
                 {"s", 1000, false},
                 {"ms", 1, false}};

    uint64_t ms = (uint64_t)(ns < 0 ? -ns : ns) / (uint64_t)MS;

    if (ns == 0) {
        buf_add_cstr(dst, "0s");
        return;
    }
    if (ns % MS != 0) {
        lq_units_print_go_duration(dst, ns);
        return;
    }
    if (ns < 0) {
        buf_add_byte(dst, '-');
    }
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (ms >= UNITS[i].ms && (!UNITS[i].exact || ms % UNITS[i].ms == 0)) {
            buf_add_u64(dst, ms / UNITS[i].ms);
            buf_add_cstr(dst, UNITS[i].name);
            ms %= UNITS[i].ms;
        }
    }
}

void lq_units_print_bytes(struct buf *dst, uint64_t n)
{
    static const char *const NAMES[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)n;
    size_t i = 0;

    if (n < 10) {
        buf_printf(dst, "%llu B", (unsigned long long)n);
        return;
    }
    while (v >= 1000 && i + 1 < ARRAY_LEN(NAMES)) {
        v /= 1000;
        i++;
    }
    v = floor(v * 10 + 0.5) / 10;
    buf_printf(dst, v < 10 ? "%.1f %s" : "%.0f %s", v, NAMES[i]);
}
