/* SPDX-License-Identifier: Apache-2.0
 *
 * The times of syslog messages: those of the RFCs and those devices really send. A time without a year is the last such
 * date that is not more than a day ahead; one without a zone is by the door's setting.
 */
#include "base/clock.h"
#include "ingest/syslog_text.h"
#include "ingest/time_zone.h"

static const int64_t S = 1000000000;
static const int64_t DAY_S = 86400;

struct moment {
    int64_t year; /* 0: not given */
    int64_t month, day, hour, minute, second, ns;
    bool has_offset;
    int64_t offset_s;
};

/* hh:mm:ss[.fraction] */
static bool take_clock(struct str *s, struct moment *m)
{
    size_t at = number_at(*s, 1, 2, &m->hour);
    int64_t scale = S / 10;
    size_t n;

    if (at == 0 || !at_byte(*s, at, ':') ||
        (n = number_at(str_drop(*s, at + 1), 2, 2, &m->minute)) == 0 ||
        !at_byte(*s, at + 1 + n, ':')) {
        return false;
    }
    at += 2 + n;
    n = number_at(str_drop(*s, at), 2, 2, &m->second);
    at += n;
    if (n == 0 || m->hour > 23 || m->minute > 59 || m->second > 60) {
        return false;
    }
    m->ns = 0;
    if ((at_byte(*s, at, '.') || at_byte(*s, at, ',')) && at + 1 < s->n && is_digit(s->p[at + 1])) {
        for (at++; at < s->n && is_digit(s->p[at]); at++) {
            m->ns += (s->p[at] - '0') * scale;
            scale /= 10;
        }
    }
    *s = str_drop(*s, at);
    return true;
}

/* Names that mean one zone in syslog practice; others stay unread, they may be host names. */
static const struct {
    struct str name;
    int64_t offset_min;
} ZONES[] = {
    {{"UTC", 3}, 0},    {{"GMT", 3}, 0},    {{"Z", 1}, 0},      {{"KST", 3}, 540},
    {{"JST", 3}, 540},  {{"CET", 3}, 60},   {{"CEST", 4}, 120}, {{"EET", 3}, 120},
    {{"EEST", 4}, 180}, {{"WET", 3}, 0},    {{"WEST", 4}, 60},  {{"BST", 3}, 60},
    {{"MSK", 3}, 180},  {{"EST", 3}, -300}, {{"EDT", 3}, -240}, {{"CST", 3}, -360},
    {{"CDT", 3}, -300}, {{"MST", 3}, -420}, {{"MDT", 3}, -360}, {{"PST", 3}, -480},
    {{"PDT", 3}, -420}, {{"AEST", 4}, 600}, {{"AEDT", 4}, 660}, {{"HKT", 3}, 480},
    {{"SGT", 3}, 480},
};

/* A zone right here: Z, +09:00, +0900, +09, KST; ended by a space, ':' or the end. */
static bool take_zone(struct str *s, struct moment *m)
{
    int64_t sign = at_byte(*s, 0, '-') ? -1 : 1;
    int64_t hours;
    int64_t minutes = 0;
    size_t at = 1;
    size_t n;

    if (at_byte(*s, 0, '+') || at_byte(*s, 0, '-')) {
        n = number_at(str_drop(*s, 1), 2, 2, &hours);
        at += n;
        at += at_byte(*s, at, ':') && at + 1 < s->n && is_digit(s->p[at + 1]);
        at += n != 0 ? number_at(str_drop(*s, at), 2, 2, &minutes) : 0;
        if (n == 0 || hours > 23 || minutes > 59) {
            return false;
        }
        m->offset_s = sign * (hours * 3600 + minutes * 60);
    } else {
        for (n = 0; n < s->n && n < 5 && is_letter(s->p[n]); n++) {
        }
        for (at = 0; at < ARRAY_LEN(ZONES) && !str_eq(str_take(*s, n), ZONES[at].name); at++) {
        }
        if (n == 0 || at == ARRAY_LEN(ZONES)) {
            return false;
        }
        m->offset_s = ZONES[at].offset_min * 60;
        at = n;
    }
    if (at < s->n && s->p[at] != ' ' && s->p[at] != ':') {
        return false;
    }
    m->has_offset = true;
    *s = str_drop(*s, at);
    return true;
}

/* 2003-10-11T22:14:15.003Z, 2003-10-11 22:14:15, 2003/10/11 ... */
static bool take_iso(struct str *s, struct moment *m)
{
    struct str r = *s;
    char dash = r.n > 4 ? r.p[4] : '\0';

    if (number_at(r, 4, 4, &m->year) == 0 || (dash != '-' && dash != '/') ||
        number_at(str_drop(r, 5), 2, 2, &m->month) == 0 || !at_byte(r, 7, dash) ||
        number_at(str_drop(r, 8), 2, 2, &m->day) == 0 ||
        !(at_byte(r, 10, 'T') || at_byte(r, 10, 't') || at_byte(r, 10, ' '))) {
        return false;
    }
    r = str_drop(r, 11);
    if (!take_clock(&r, m)) {
        return false;
    }
    ignore_result(take_zone(&r, m), "without one the setting decides");
    if (r.n != 0 && r.p[0] != ' ' && r.p[0] != ':') {
        return false;
    }
    *s = r;
    return true;
}

static int64_t month_of(struct str s)
{
    static const char NAMES[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (size_t i = 0; s.n >= 3 && i < 12; i++) {
        if (str_eq_nocase(str_take(s, 3), str_of(NAMES + 3 * i, 3))) {
            return (int64_t)i + 1;
        }
    }
    return 0;
}

static bool is_weekday(struct str s)
{
    static const char NAMES[] = "sunmontuewedthufrisat";

    for (size_t i = 0; s.n >= 4 && i < 7; i++) {
        if (str_eq_nocase(str_take(s, 3), str_of(NAMES + 3 * i, 3))) {
            return s.p[3] == ' ' || (s.p[3] == ',' && at_byte(s, 4, ' '));
        }
    }
    return false;
}

static bool take_year(struct str *s, struct moment *m)
{
    int64_t year;

    if (number_at(*s, 4, 4, &year) == 0 || year < 1970 || year > 2200 ||
        (s->n > 4 && s->p[4] != ' ' && !(s->p[4] == ':' && (s->n == 5 || s->p[5] == ' ')))) {
        return false;
    }
    m->year = year;
    *s = str_drop(*s, 4);
    return true;
}

/* [Fri] Oct 11 [2003] 22:14:15[.003] [2003] [UTC] */
static bool take_bsd(struct str *s, struct moment *m)
{
    struct str r = *s;
    struct str after;
    size_t n;

    if (is_weekday(r)) {
        take_word(&r);
    }
    m->month = month_of(r);
    if (m->month == 0 || !at_byte(r, 3, ' ')) {
        return false;
    }
    r = str_drop(r, 4);
    skip_spaces(&r);
    n = number_at(r, 1, 2, &m->day);
    if (n == 0 || !at_byte(r, n, ' ')) {
        return false;
    }
    r = str_drop(r, n + 1);
    skip_spaces(&r);
    if (take_year(&r, m)) {
        skip_spaces(&r);
    }
    if (!take_clock(&r, m) || (r.n != 0 && memchr(" :Z+-", r.p[0], 5) == NULL)) {
        return false;
    }
    for (int i = 0; i < 2; i++) { /* a year and a zone, in either order */
        after = r;
        skip_spaces(&after);
        if ((m->year == 0 && take_year(&after, m)) || (!m->has_offset && take_zone(&after, m))) {
            r = after;
        }
    }
    *s = r;
    return true;
}

/* 1563249630.774247467 */
static bool take_epoch(struct str *s, int64_t *ret_ns)
{
    int64_t seconds;
    int64_t scale = S / 10;
    size_t at = number_at(*s, 10, 10, &seconds);

    if (at == 0 || seconds > 7258118400) { /* the year 2200 */
        return false;
    }
    *ret_ns = seconds * S;
    if (at_byte(*s, at, '.') && at + 1 < s->n && is_digit(s->p[at + 1])) {
        for (at++; at < s->n && is_digit(s->p[at]); at++) {
            *ret_ns += (s->p[at] - '0') * scale;
            scale /= 10;
        }
    }
    if (!at_byte(*s, at, ' ')) {
        return false;
    }
    *s = str_drop(*s, at);
    return true;
}

/* Of a time without its year: the last such date that is not more than a day ahead of now. */
static bool guess_year(struct moment *m, const struct syslog_clock *clock)
{
    int64_t now_s = clock->now_ns / S;
    int64_t limit = now_s + time_zone_offset_s(clock->zone, now_s) + DAY_S;
    int64_t year;
    int64_t month;
    int64_t day;

    clock_date_of(limit / DAY_S, &year, &month, &day);
    for (int64_t y = year; y > year - 9; y--) { /* a leap day may be eight years ago */
        int64_t at = clock_days_of(y, m->month, m->day) * DAY_S + m->hour * 3600 + m->minute * 60 +
                     m->second;

        if (m->day <= clock_days_in_month(y, m->month) && at <= limit) {
            m->year = y;
            return true;
        }
    }
    return false;
}

static bool moment_ns(struct moment *m, const struct syslog_clock *clock, int64_t *ret)
{
    int64_t local;

    if (m->month < 1 || m->month > 12 || m->day < 1 || m->day > 31 ||
        (m->year == 0 && !guess_year(m, clock)) || m->year < 1970 || m->year > 2200 ||
        m->day > clock_days_in_month(m->year, m->month)) {
        return false;
    }
    local = clock_days_of(m->year, m->month, m->day) * DAY_S + m->hour * 3600 + m->minute * 60 +
            m->second;
    *ret =
        (m->has_offset ? local - m->offset_s : time_zone_to_utc_s(clock->zone, local)) * S + m->ns;
    return true;
}

bool syslog_iso_time(struct str word, const struct syslog_clock *clock, bool *ret_known,
                     int64_t *ret_ns)
{
    struct moment t = {0};

    if (!take_iso(&word, &t) || word.n != 0) {
        return false;
    }
    *ret_known = moment_ns(&t, clock, ret_ns);
    return true;
}

bool syslog_take_time(struct str *s, const struct syslog_clock *clock, bool *ret_known,
                      int64_t *ret_ns)
{
    struct str r = *s;
    struct moment t = {0};
    bool found;

    if (at_byte(r, 0, '*') || at_byte(r, 0, '.')) { /* Cisco: the clock is not synchronised */
        r = str_drop(r, 1);
    }
    found = take_iso(&r, &t);
    if (!found) {
        t = (struct moment){0};
        found = take_bsd(&r, &t);
    }
    if (found) {
        *ret_known = moment_ns(&t, clock, ret_ns);
    } else {
        found = *ret_known = take_epoch(&r, ret_ns);
    }
    if (found) {
        r = at_byte(r, 0, ':') ? str_drop(r, 1) : r;
        skip_spaces(&r);
        *s = r;
    }
    return found;
}
