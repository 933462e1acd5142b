/* SPDX-License-Identifier: Apache-2.0
 *
 * Times by Go's layouts ("2006-01-02T15:04:05.999Z07:00") in the proleptic Gregorian calendar, and offsets of zones
 * from the system's IANA database (RFC 8536; only the table of transitions, which reaches to 2037).
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "query/logql/template_internal.h"

static const char *const MONTHS[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const DAYS[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

enum element {
    E_NONE,
    E_LONG_MONTH,
    E_MONTH,
    E_NUM_MONTH,
    E_ZERO_MONTH,
    E_LONG_DAY,
    E_WEEKDAY,
    E_DAY,
    E_SPACE_DAY,
    E_ZERO_DAY,
    E_YEAR_DAY,
    E_HOUR,
    E_HOUR12,
    E_ZERO_HOUR12,
    E_MINUTE,
    E_ZERO_MINUTE,
    E_SECOND,
    E_ZERO_SECOND,
    E_LONG_YEAR,
    E_YEAR,
    E_PM,
    E_PM_LOW,
    E_TZ,
    E_ISO_TZ,       /* Z0700 */
    E_ISO_COLON_TZ, /* Z07:00 */
    E_NUM_TZ,
    E_NUM_COLON_TZ,
    E_NUM_SHORT_TZ,
    E_FRACTION,      /* .000 */
    E_FRACTION_TRIM, /* .999 */
};

/* Longer texts first where one begins another. */
static const struct {
    struct str text;
    enum element e;
} ELEMENTS[] = {
    {{"January", 7}, E_LONG_MONTH},
    {{"Jan", 3}, E_MONTH},
    {{"Monday", 6}, E_LONG_DAY},
    {{"Mon", 3}, E_WEEKDAY},
    {{"MST", 3}, E_TZ},
    {{"2006", 4}, E_LONG_YEAR},
    {{"Z07:00", 6}, E_ISO_COLON_TZ},
    {{"Z0700", 5}, E_ISO_TZ},
    {{"-07:00", 6}, E_NUM_COLON_TZ},
    {{"-0700", 5}, E_NUM_TZ},
    {{"-07", 3}, E_NUM_SHORT_TZ},
    {{"002", 3}, E_YEAR_DAY},
    {{"01", 2}, E_ZERO_MONTH},
    {{"02", 2}, E_ZERO_DAY},
    {{"03", 2}, E_ZERO_HOUR12},
    {{"04", 2}, E_ZERO_MINUTE},
    {{"05", 2}, E_ZERO_SECOND},
    {{"06", 2}, E_YEAR},
    {{"15", 2}, E_HOUR},
    {{"PM", 2}, E_PM},
    {{"pm", 2}, E_PM_LOW},
    {{"_2", 2}, E_SPACE_DAY},
    {{"1", 1}, E_NUM_MONTH},
    {{"2", 1}, E_DAY},
    {{"3", 1}, E_HOUR12},
    {{"4", 1}, E_MINUTE},
    {{"5", 1}, E_SECOND},
};

static enum element take_element(struct str s, size_t *ret_n)
{
    if (s.n > 1 && (s.p[0] == '.' || s.p[0] == ',') && (s.p[1] == '0' || s.p[1] == '9')) {
        size_t n = 1;

        while (n < s.n && s.p[n] == s.p[1]) {
            n++;
        }
        if (n >= s.n || s.p[n] < '0' || s.p[n] > '9') {
            *ret_n = n;
            return s.p[1] == '0' ? E_FRACTION : E_FRACTION_TRIM;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(ELEMENTS); i++) {
        if (str_starts(s, ELEMENTS[i].text)) {
            *ret_n = ELEMENTS[i].text.n;
            return ELEMENTS[i].e;
        }
    }
    *ret_n = 1;
    return E_NONE;
}

struct civil {
    int64_t year;
    int month, day, hour, minute, second, weekday, year_day;
    int64_t nano;
};

/* H. Hinnant, "chrono-compatible low-level date algorithms". */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    int64_t era;
    int64_t yoe;
    int64_t doy;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static struct civil civil_of(int64_t ns, int32_t offset_s)
{
    int64_t s = ns / 1000000000 - (ns % 1000000000 < 0) + offset_s;
    int64_t days = s / 86400 - (s % 86400 < 0);
    int64_t rest = s - days * 86400;
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    struct civil c = {.day = (int)(doy - (153 * mp + 2) / 5 + 1),
                      .month = (int)(mp < 10 ? mp + 3 : mp - 9),
                      .hour = (int)(rest / 3600),
                      .minute = (int)(rest / 60 % 60),
                      .second = (int)(rest % 60),
                      .nano = (ns % 1000000000 + 1000000000) % 1000000000};

    c.year = yoe + era * 400 + (c.month <= 2);
    c.weekday = (int)(((days + 4) % 7 + 7) % 7);
    c.year_day = (int)(days - days_from_civil(c.year, 1, 1)) + 1;
    return c;
}

static void add_offset(struct buf *b, int32_t offset_s, enum element e)
{
    int32_t minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;

    if (offset_s == 0 && (e == E_ISO_TZ || e == E_ISO_COLON_TZ)) {
        buf_add_byte(b, 'Z');
        return;
    }
    buf_printf(b, "%c%02d", offset_s < 0 ? '-' : '+', minutes / 60);
    if (e != E_NUM_SHORT_TZ) {
        buf_printf(b, e == E_NUM_COLON_TZ || e == E_ISO_COLON_TZ ? ":%02d" : "%02d", minutes % 60);
    }
}

static void add_fraction(struct buf *b, int64_t nano, size_t digits, bool trim)
{
    char text[16];

    snprintf(text, sizeof(text), "%09d", (int)nano);
    digits = digits > 9 ? 9 : digits;
    while (trim && digits > 0 && text[digits - 1] == '0') {
        digits--;
    }
    if (digits != 0) {
        buf_add_byte(b, '.');
        buf_add(b, text, digits);
    }
}

/* Elements that are a number: its value and how many digits it has at least. @return false: another one */
static bool number_of(enum element e, const struct civil *c, int *ret_value, int *ret_digits)
{
    const int hour12 = c->hour % 12 == 0 ? 12 : c->hour % 12;

    const struct {
        enum element e;
        int digits;
        int value;
    } numbers[] = {
        {E_NUM_MONTH, 1, c->month},
        {E_ZERO_MONTH, 2, c->month},
        {E_DAY, 1, c->day},
        {E_ZERO_DAY, 2, c->day},
        {E_YEAR_DAY, 3, c->year_day},
        {E_HOUR, 2, c->hour},
        {E_HOUR12, 1, hour12},
        {E_ZERO_HOUR12, 2, hour12},
        {E_MINUTE, 1, c->minute},
        {E_ZERO_MINUTE, 2, c->minute},
        {E_SECOND, 1, c->second},
        {E_ZERO_SECOND, 2, c->second},
        {E_LONG_YEAR, 4, (int)c->year},
        {E_YEAR, 2, (int)(c->year % 100)},
    };

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (numbers[i].e == e) {
            *ret_value = numbers[i].value;
            *ret_digits = numbers[i].digits;
            return true;
        }
    }
    return false;
}

static void add_element(struct buf *b, enum element e, struct str text, const struct civil *c,
                        int32_t offset_s)
{
    int value;
    int digits;

    if (number_of(e, c, &value, &digits)) {
        buf_printf(b, "%0*d", digits, value);
        return;
    }
    switch (e) {
    case E_NONE:
        buf_add_str(b, text);
        break;
    case E_LONG_MONTH:
    case E_MONTH:
        buf_add_str(b, str_take(str_cstr(MONTHS[c->month - 1]), e == E_MONTH ? 3 : 20));
        break;
    case E_LONG_DAY:
    case E_WEEKDAY:
        buf_add_str(b, str_take(str_cstr(DAYS[c->weekday]), e == E_WEEKDAY ? 3 : 20));
        break;
    case E_SPACE_DAY:
        buf_printf(b, "%2d", c->day);
        break;
    case E_PM:
        buf_add_cstr(b, c->hour >= 12 ? "PM" : "AM");
        break;
    case E_PM_LOW:
        buf_add_cstr(b, c->hour >= 12 ? "pm" : "am");
        break;
    case E_TZ:
        if (offset_s == 0) {
            buf_add_cstr(b, "UTC");
        } else {
            add_offset(b, offset_s, E_NUM_TZ);
        }
        break;
    case E_FRACTION:
    case E_FRACTION_TRIM:
        add_fraction(b, c->nano, text.n - 1, e == E_FRACTION_TRIM);
        break;
    default:
        add_offset(b, offset_s, e);
        break;
    }
}

void go_time_format(struct buf *dst, struct str layout, int64_t ns, int32_t offset_s)
{
    struct civil c = civil_of(ns, offset_s);

    while (layout.n != 0) {
        size_t n;
        enum element e = take_element(layout, &n);

        add_element(dst, e, str_take(layout, n), &c, offset_s);
        layout = str_drop(layout, n);
    }
}

/* ---- parsing ---- */

static bool take_digits(struct str *s, size_t least, size_t most, int *ret)
{
    size_t n = 0;
    int v = 0;

    while (n < s->n && n < most && s->p[n] >= '0' && s->p[n] <= '9') {
        v = v * 10 + (s->p[n] - '0');
        n++;
    }
    if (n < least) {
        return false;
    }
    *ret = v;
    *s = str_drop(*s, n);
    return true;
}

static bool take_name(struct str *s, const char *const *names, int n, size_t len, int *ret)
{
    for (int i = 0; i < n; i++) {
        struct str name = str_take(str_cstr(names[i]), len);

        if (s->n >= name.n && str_eq_nocase(str_take(*s, name.n), name)) {
            *s = str_drop(*s, name.n);
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool take_offset(struct str *s, enum element e, int32_t *ret)
{
    int hours;
    int minutes = 0;
    bool negative;

    if ((e == E_ISO_TZ || e == E_ISO_COLON_TZ) && str_starts(*s, STR("Z"))) {
        *s = str_drop(*s, 1);
        *ret = 0;
        return true;
    }
    if (s->n == 0 || (s->p[0] != '+' && s->p[0] != '-')) {
        return false;
    }
    negative = s->p[0] == '-';
    *s = str_drop(*s, 1);
    if (!take_digits(s, 2, 2, &hours)) {
        return false;
    }
    if (e == E_NUM_COLON_TZ || e == E_ISO_COLON_TZ) {
        if (!str_starts(*s, STR(":"))) {
            return false;
        }
        *s = str_drop(*s, 1);
    }
    if (e != E_NUM_SHORT_TZ && !take_digits(s, 2, 2, &minutes)) {
        return false;
    }
    *ret = (hours * 3600 + minutes * 60) * (negative ? -1 : 1);
    return true;
}

static bool take_fraction(struct str *s, int64_t *ret)
{
    int64_t v = 0;
    size_t n = 1;

    if (s->n < 2 || (s->p[0] != '.' && s->p[0] != ',')) {
        return false;
    }
    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9') {
        if (n <= 9) {
            v = v * 10 + (s->p[n] - '0');
        }
        n++;
    }
    for (size_t i = n - 1; i < 9; i++) {
        v *= 10;
    }
    *ret = v;
    *s = str_drop(*s, n);
    return n > 1;
}

struct parsed {
    struct civil c;
    bool pm_given, pm, offset_given;
    int32_t offset_s;
};

static bool take_number(struct str *s, enum element e, struct parsed *p)
{
    struct civil *c = &p->c;
    int v = 0;

    switch (e) {
    case E_NUM_MONTH:
    case E_ZERO_MONTH:
        return take_digits(s, e == E_NUM_MONTH ? 1 : 2, 2, &c->month);
    case E_SPACE_DAY:
        if (str_starts(*s, STR(" "))) {
            *s = str_drop(*s, 1);
        }
        return take_digits(s, 1, 2, &c->day);
    case E_DAY:
    case E_ZERO_DAY:
        return take_digits(s, e == E_DAY ? 1 : 2, 2, &c->day);
    case E_YEAR_DAY:
        return take_digits(s, 3, 3, &c->year_day);
    case E_HOUR:
        return take_digits(s, 1, 2, &c->hour);
    case E_HOUR12:
    case E_ZERO_HOUR12:
        return take_digits(s, e == E_HOUR12 ? 1 : 2, 2, &c->hour);
    case E_MINUTE:
    case E_ZERO_MINUTE:
        return take_digits(s, e == E_MINUTE ? 1 : 2, 2, &c->minute);
    case E_LONG_YEAR:
    case E_YEAR:
        if (!take_digits(s, e == E_YEAR ? 2 : 4, e == E_YEAR ? 2 : 4, &v)) {
            return false;
        }
        c->year = e == E_LONG_YEAR ? v : v >= 69 ? v + 1900 : v + 2000;
        return true;
    default:
        return false;
    }
}

/* Seconds, and a fraction although the layout has none. */
static bool take_second(struct str *s, bool two, struct str layout, struct civil *c)
{
    bool fraction = layout.n != 0 && (layout.p[0] == '.' || layout.p[0] == ',');

    if (!take_digits(s, two ? 2 : 1, 2, &c->second)) {
        return false;
    }
    if (!fraction && s->n > 1 && s->p[0] == '.' && s->p[1] >= '0' && s->p[1] <= '9') {
        return take_fraction(s, &c->nano);
    }
    return true;
}

static bool take_month(struct str *s, size_t len, struct civil *c)
{
    bool ok = take_name(s, MONTHS, 12, len, &c->month);

    c->month += ok;
    return ok;
}

static bool take_value(struct str *s, enum element e, struct str layout, struct parsed *p)
{
    static const char *const HALVES[] = {"am", "pm"};
    int v = 0;

    switch (e) {
    case E_LONG_MONTH:
    case E_MONTH:
        return take_month(s, e == E_MONTH ? 3 : 20, &p->c);
    case E_LONG_DAY:
    case E_WEEKDAY:
        return take_name(s, DAYS, 7, e == E_WEEKDAY ? 3 : 20, &v);
    case E_SECOND:
    case E_ZERO_SECOND:
        return take_second(s, e == E_ZERO_SECOND, layout, &p->c);
    case E_PM:
    case E_PM_LOW:
        p->pm_given = take_name(s, HALVES, 2, 2, &v);
        p->pm = v == 1;
        return p->pm_given;
    case E_TZ:
        while (s->n != 0 && s->p[0] >= 'A' && s->p[0] <= 'Z') {
            *s = str_drop(*s, 1);
        }
        return true;
    case E_FRACTION:
        return take_fraction(s, &p->c.nano);
    case E_FRACTION_TRIM:
        return s->n == 0 || (s->p[0] != '.' && s->p[0] != ',') || take_fraction(s, &p->c.nano);
    case E_ISO_TZ:
    case E_ISO_COLON_TZ:
    case E_NUM_TZ:
    case E_NUM_COLON_TZ:
    case E_NUM_SHORT_TZ:
        p->offset_given = true;
        return take_offset(s, e, &p->offset_s);
    default:
        return take_number(s, e, p);
    }
}

static bool in_range(const struct civil *c)
{
    static const int LENGTH[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return c->month >= 1 && c->month <= 12 && c->day >= 1 && c->day <= LENGTH[c->month - 1] &&
           c->hour >= 0 && c->hour < 24 && c->minute < 60 && c->second < 60 && c->year >= 1678 &&
           c->year <= 2261;
}

bool go_time_parse(struct str layout, struct str text, int32_t zone_s, int64_t *ret_ns,
                   int32_t *ret_offset_s)
{
    struct parsed p = {.c = {.year = 1970, .month = 1, .day = 1}};
    int64_t s;

    while (layout.n != 0) {
        size_t n;
        enum element e = take_element(layout, &n);
        bool same = text.n != 0 && text.p[0] == layout.p[0];

        layout = str_drop(layout, n);
        if (e == E_NONE ? !same : !take_value(&text, e, layout, &p)) {
            return false;
        }
        text = e == E_NONE ? str_drop(text, 1) : text;
    }
    if (p.pm_given) {
        p.c.hour = p.c.hour % 12 + (p.pm ? 12 : 0);
    }
    if (text.n != 0 || !in_range(&p.c)) {
        return false;
    }
    *ret_offset_s = p.offset_given ? p.offset_s : zone_s;
    s = days_from_civil(p.c.year, p.c.month, p.c.day) * 86400 + p.c.hour * 3600 + p.c.minute * 60 +
        p.c.second - *ret_offset_s;
    *ret_ns = s * 1000000000 + p.c.nano;
    return true;
}

/* ---- zones ---- */

static int64_t big_endian(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        v = v << 8 | p[i];
    }
    return n == 4 ? (int32_t)(uint32_t)v : (int64_t)v;
}

/* The block of a TZif file with `size`-byte times at p. @return false: it is cut */
static bool look_up(const uint8_t *p, const uint8_t *end, size_t size, int64_t unix_s, int32_t *ret)
{
    size_t times;
    size_t types;
    size_t type = 0;
    const uint8_t *data = p + 44;

    if (end - p < 44) {
        return false;
    }
    times = (size_t)big_endian(p + 32, 4);
    types = (size_t)big_endian(p + 36, 4);
    if (times > 10000 || types == 0 || types > 256 ||
        (size_t)(end - data) < times * (size + 1) + types * 6) {
        return false;
    }
    for (size_t i = 0; i < times && big_endian(data + i * size, size) <= unix_s; i++) {
        type = data[times * size + i];
    }
    if (type >= types) {
        return false;
    }
    *ret = (int32_t)big_endian(data + times * (size + 1) + type * 6, 4);
    return true;
}

bool go_zone_offset(struct str name, int64_t unix_s, int32_t *ret_offset_s)
{
    uint8_t data[16384];
    char path[128];
    ssize_t n;
    int fd;

    if (name.n == 0 || str_eq(name, STR("UTC")) || str_eq(name, STR("Local"))) {
        *ret_offset_s = 0;
        return true;
    }
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (i != 0 && strchr("_+-/", c) != NULL && c != '\0'))) {
            return false;
        }
    }
    if (name.n > 64) {
        return false;
    }
    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s", STR_ARG(name));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    n = read(fd, data, sizeof(data));
    close(fd);
    if (n < 44 || memcmp(data, "TZif", 4) != 0) {
        return false;
    }
    return look_up(data, data + n, 4, unix_s, ret_offset_s);
}
