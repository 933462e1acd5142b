/* SPDX-License-Identifier: Apache-2.0
 *
 * Clock readings and RFC 3339; civil-date arithmetic after Howard Hinnant's "chrono-compatible low-level
 * date algorithms" (public description), proleptic Gregorian.
 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/err.h"
#include "base/str.h"

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}

struct mono clock_mono(void)
{
    return (struct mono){read_ns(CLOCK_MONOTONIC)};
}

int64_t clock_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void clock_sleep_ms(int64_t ms)
{
    struct timespec ts = {ms / 1000, (ms % 1000) * 1000000};

    nanosleep(&ts, NULL);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

int64_t clock_days_of(int64_t y, int64_t m, int64_t d)
{
    int64_t era;
    int64_t yoe;
    int64_t doy;

    y -= m <= 2 ? 1 : 0;
    era = floor_div(y, 400);
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void clock_date_of(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day)
{
    int64_t z = days + 719468;
    int64_t era;
    int64_t doe;
    int64_t yoe;
    int64_t doy;
    int64_t mp;

    era = floor_div(z, 146097);
    doe = z - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    *ret_day = doy - (153 * mp + 2) / 5 + 1;
    *ret_month = mp < 10 ? mp + 3 : mp - 9;
    *ret_year = yoe + era * 400 + (*ret_month <= 2 ? 1 : 0);
}

void clock_format_rfc3339(int64_t wall_ms, char dst[CLOCK_RFC3339_SIZE])
{
    int64_t days = floor_div(wall_ms, 86400000);
    int64_t ms = wall_ms - days * 86400000;
    int64_t y;
    int64_t m;
    int64_t d;

    clock_date_of(days, &y, &m, &d);
    snprintf(dst, CLOCK_RFC3339_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)(y % 10000),
             (int)m, (int)d, (int)(ms / 3600000), (int)(ms / 60000 % 60), (int)(ms / 1000 % 60),
             (int)(ms % 1000));
}

/* Exactly `count` digits at *p; moves on. */
static bool take_digits(struct str *s, size_t count, int64_t *ret)
{
    int64_t v = 0;

    if (s->n < count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (s->p[i] < '0' || s->p[i] > '9') {
            return false;
        }
        v = v * 10 + (s->p[i] - '0');
    }
    *s = str_drop(*s, count);
    *ret = v;
    return true;
}

static bool take_byte(struct str *s, char a, char b)
{
    if (s->n == 0 || (s->p[0] != a && s->p[0] != b)) {
        return false;
    }
    *s = str_drop(*s, 1);
    return true;
}

/* Optional; a point needs at least one digit after it. Digits beyond ns are dropped. */
static bool take_fraction_ns(struct str *s, int64_t *ret)
{
    int64_t ns = 0;
    int64_t scale = 100000000;

    *ret = 0;
    if (!take_byte(s, '.', ',')) {
        return true;
    }
    if (s->n == 0 || s->p[0] < '0' || s->p[0] > '9') {
        return false;
    }
    while (s->n != 0 && s->p[0] >= '0' && s->p[0] <= '9') {
        ns += (s->p[0] - '0') * scale;
        scale /= 10;
        *s = str_drop(*s, 1);
    }
    *ret = ns;
    return true;
}

int64_t clock_days_in_month(int64_t y, int64_t m)
{
    static const int8_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    return m == 2 && leap ? 29 : DAYS[m - 1];
}

static bool take_offset_s(struct str *s, int64_t *ret)
{
    int64_t sign;
    int64_t h;
    int64_t m;

    if (take_byte(s, 'Z', 'z')) {
        *ret = 0;
        return true;
    }
    if (s->n == 0) {
        return false;
    }
    sign = s->p[0] == '-' ? -1 : 1;
    if (!take_byte(s, '+', '-') || !take_digits(s, 2, &h) || !take_byte(s, ':', ':') ||
        !take_digits(s, 2, &m) || h > 23 || m > 59) {
        return false;
    }
    *ret = sign * (h * 3600 + m * 60);
    return true;
}

int clock_parse_rfc3339(const char *p, size_t n, int64_t *ret_wall_ns)
{
    struct str s = str_of(p, n);
    int64_t f[6];
    int64_t fraction;
    int64_t offset;

    if (!take_digits(&s, 4, &f[0]) || !take_byte(&s, '-', '-') || !take_digits(&s, 2, &f[1]) ||
        !take_byte(&s, '-', '-') || !take_digits(&s, 2, &f[2]) ||
        !(take_byte(&s, 'T', 't') || take_byte(&s, ' ', ' ')) || !take_digits(&s, 2, &f[3]) ||
        !take_byte(&s, ':', ':') || !take_digits(&s, 2, &f[4]) || !take_byte(&s, ':', ':') ||
        !take_digits(&s, 2, &f[5])) {
        return -ERR_INVALID;
    }
    if (!take_fraction_ns(&s, &fraction) || !take_offset_s(&s, &offset) || s.n != 0 || f[1] < 1 ||
        f[1] > 12 || f[2] < 1 || f[2] > clock_days_in_month(f[0], f[1]) || f[3] > 23 || f[4] > 59 ||
        f[5] > 60 || f[0] < 1678 || f[0] > 2261) {
        return -ERR_INVALID; /* the years an int64 of nanoseconds can hold */
    }
    *ret_wall_ns =
        (clock_days_of(f[0], f[1], f[2]) * 86400 + f[3] * 3600 + f[4] * 60 + f[5] - offset) *
            1000000000 +
        fraction;
    return 0;
}
