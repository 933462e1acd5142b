/* SPDX-License-Identifier: Apache-2.0
 *
 * TZif files (RFC 9636) and the POSIX rule in their last line ("CET-1CEST,M3.5.0,M10.5.0/3"). A file that is not as
 * the RFC says is refused as a whole.
 */
#include "ingest/time_zone.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

enum { FILE_MAX = 1 << 20, HEADER = 44, TIMES_MAX = 4096, TYPES_MAX = 256 };

static const int64_t DAY_S = 86400;

/* When one of the two halves of the year begins. */
struct rule {
    char
        kind; /* 'M': week `week` of `month`, weekday `day`; 'J': day 1-365 without February 29th; '0': day 0-365 */
    int64_t month, week, day;
    int64_t time_s; /* of the day, by the clock before the change */
};

struct time_zone {
    size_t n;
    int64_t *times;   /* rising; n of them */
    int64_t *offsets; /* from that time on */
    int64_t first_s;  /* before the first */
    bool has_rule;    /* from the last time on */
    bool has_dst;
    int64_t std_s, dst_s;
    struct rule to_dst, to_std;
};

static int broken(struct err *e, const char *what)
{
    return err_set(e, ERR_INVALID, "not a time zone file: %s", what);
}

/* ---- the rule ---- */

static bool rule_number(struct str *s, int64_t *ret)
{
    size_t n = 0;

    for (*ret = 0; n < s->n && n < 6 && s->p[n] >= '0' && s->p[n] <= '9'; n++) {
        *ret = *ret * 10 + (s->p[n] - '0');
    }
    *s = str_drop(*s, n);
    return n != 0;
}

static bool rule_byte(struct str *s, char c)
{
    bool is = s->n != 0 && s->p[0] == c;

    *s = str_drop(*s, is);
    return is;
}

/* [+-]h[:m[:s]] */
static bool rule_time(struct str *s, int64_t *ret)
{
    int64_t sign = rule_byte(s, '-') ? -1 : 1;
    int64_t part;

    ignore_result(sign < 0 || rule_byte(s, '+'), "a plus sign may stand there");
    if (!rule_number(s, ret)) {
        return false;
    }
    *ret *= 3600;
    for (int64_t unit = 60; unit >= 1 && rule_byte(s, ':'); unit /= 60) {
        if (!rule_number(s, &part)) {
            return false;
        }
        *ret += part * unit;
    }
    *ret *= sign;
    return true;
}

static bool rule_name(struct str *s)
{
    size_t n = 0;

    if (rule_byte(s, '<')) {
        int64_t end = str_find_byte(*s, '>');

        *s = str_drop(*s, (size_t)(end + 1));
        return end > 0;
    }
    while (n < s->n && ((s->p[n] | 0x20) >= 'a' && (s->p[n] | 0x20) <= 'z')) {
        n++;
    }
    *s = str_drop(*s, n);
    return n >= 3;
}

static bool rule_date(struct str *s, struct rule *r)
{
    *r = (struct rule){.kind = '0', .time_s = 7200};
    if (rule_byte(s, 'M')) {
        r->kind = 'M';
        if (!rule_number(s, &r->month) || !rule_byte(s, '.') || !rule_number(s, &r->week) ||
            !rule_byte(s, '.') || !rule_number(s, &r->day) || r->month < 1 || r->month > 12 ||
            r->week < 1 || r->week > 5 || r->day > 6) {
            return false;
        }
    } else {
        r->kind = rule_byte(s, 'J') ? 'J' : '0';
        if (!rule_number(s, &r->day) || r->day > 365) {
            return false;
        }
    }
    return !rule_byte(s, '/') || rule_time(s, &r->time_s);
}

static bool parse_rule(struct str s, struct time_zone *z)
{
    int64_t west;

    if (!rule_name(&s) || !rule_time(&s, &west)) {
        return false;
    }
    z->has_rule = true;
    z->std_s = -west;
    z->dst_s = z->std_s + 3600;
    if (s.n == 0) {
        return true;
    }
    z->has_dst = true;
    if (!rule_name(&s)) {
        return false;
    }
    if (s.n != 0 && s.p[0] != ',') {
        if (!rule_time(&s, &west)) {
            return false;
        }
        z->dst_s = -west;
    }
    return rule_byte(&s, ',') && rule_date(&s, &z->to_dst) && rule_byte(&s, ',') &&
           rule_date(&s, &z->to_std) && s.n == 0;
}

/* Seconds since 1970 by the local clock at which the rule's change comes in a year. */
static int64_t rule_at(const struct rule *r, int64_t year)
{
    int64_t days = clock_days_of(year, 1, 1);

    if (r->kind == '0') {
        days += r->day;
    } else if (r->kind == 'J') {
        days += r->day - 1 + (r->day >= 60 && clock_days_in_month(year, 2) == 29);
    } else {
        int64_t first = clock_days_of(year, r->month, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
        int64_t day = (r->day - weekday + 7) % 7 + (r->week - 1) * 7;

        day -= day >= clock_days_in_month(year, r->month) ? 7 : 0;
        days = first + day;
    }
    return days * DAY_S + r->time_s;
}

static int64_t rule_offset(const struct time_zone *z, int64_t utc_s)
{
    int64_t local = utc_s + z->std_s;
    int64_t year;
    int64_t month;
    int64_t day;
    int64_t dst;
    int64_t std;

    if (!z->has_dst) {
        return z->std_s;
    }
    clock_date_of(local / DAY_S - (local % DAY_S < 0), &year, &month, &day);
    dst = rule_at(&z->to_dst, year) - z->std_s;
    std = rule_at(&z->to_std, year) - z->dst_s;
    if (dst < std) { /* north */
        return utc_s >= dst && utc_s < std ? z->dst_s : z->std_s;
    }
    return utc_s >= std && utc_s < dst ? z->std_s : z->dst_s;
}

/* ---- the table ---- */

static int64_t be(const char *p, size_t n)
{
    uint64_t v = (uint8_t)p[0] >= 0x80 ? UINT64_MAX : 0;

    for (size_t i = 0; i < n; i++) {
        v = v << 8 | (uint8_t)p[i];
    }
    return (int64_t)v;
}

struct counts {
    int64_t isut, isstd, leap, time, type, chars;
    size_t bytes; /* of the data after the header */
};

static bool read_header(struct str s, size_t time_size, struct counts *c)
{
    if (s.n < HEADER || !str_starts(s, STR("TZif"))) {
        return false;
    }
    *c = (struct counts){be(s.p + 20, 4),
                         be(s.p + 24, 4),
                         be(s.p + 28, 4),
                         be(s.p + 32, 4),
                         be(s.p + 36, 4),
                         be(s.p + 40, 4),
                         0};
    if (c->isut < 0 || c->isut > TYPES_MAX || c->isstd < 0 || c->isstd > TYPES_MAX || c->leap < 0 ||
        c->leap > TIMES_MAX || c->time < 0 || c->time > TIMES_MAX || c->type < 1 ||
        c->type > TYPES_MAX || c->chars < 0 || c->chars > TIMES_MAX) {
        return false;
    }
    c->bytes = (size_t)c->time * (time_size + 1) + (size_t)c->type * 6 + (size_t)c->chars +
               (size_t)c->leap * (time_size + 4) + (size_t)c->isstd + (size_t)c->isut;
    return s.n - HEADER >= c->bytes;
}

static int read_table(struct str s, const struct counts *c, struct time_zone *z, struct err *e)
{
    const char *types = s.p + HEADER + (size_t)c->time * 9;

    z->n = (size_t)c->time;
    z->times = mem_try_calloc(z->n + 1, sizeof(*z->times));
    z->offsets = mem_try_calloc(z->n + 1, sizeof(*z->offsets));
    if (z->times == NULL || z->offsets == NULL) {
        return err_set(e, ERR_NOMEM, "no memory for a time zone");
    }
    z->first_s = be(types, 4);
    for (size_t i = 0; i < z->n; i++) {
        size_t type = (uint8_t)s.p[HEADER + z->n * 8 + i];

        z->times[i] = be(s.p + HEADER + i * 8, 8);
        if (type >= (size_t)c->type || (i != 0 && z->times[i] <= z->times[i - 1])) {
            return broken(e, "its table");
        }
        z->offsets[i] = be(types + type * 6, 4);
        if (z->offsets[i] < -DAY_S || z->offsets[i] > DAY_S) {
            return broken(e, "an offset of more than a day");
        }
    }
    return 0;
}

static int parse_into(struct str file, struct time_zone *z, struct err *e)
{
    struct counts c;
    struct str rest;
    int64_t end;
    int rc;

    if (!read_header(file, 4, &c) || file.p[4] < '2') {
        return broken(e, "version 2 or later is needed");
    }
    file = str_drop(file, HEADER + c.bytes);
    if (!read_header(file, 8, &c)) {
        return broken(e, "its second part");
    }
    rc = read_table(file, &c, z, e);
    rest = str_drop(file, HEADER + c.bytes);
    if (rc < 0 || !rule_byte(&rest, '\n') || (end = str_find_byte(rest, '\n')) <= 0) {
        return rc; /* the rule may be missing: the last offset stays */
    }
    return parse_rule(str_take(rest, (size_t)end), z) ? 0 : broken(e, "its last line");
}

int time_zone_parse(struct str file, struct time_zone **ret, struct err *reterr)
{
    struct time_zone *z = mem_xcalloc(1, sizeof(*z));
    int rc = parse_into(file, z, reterr);

    if (rc < 0) {
        time_zone_free(z);
        return rc;
    }
    *ret = z;
    return 0;
}

void time_zone_free(struct time_zone *z)
{
    if (z != NULL) {
        mem_free(z->times);
        mem_free(z->offsets);
        mem_free(z);
    }
}

/* ---- names ---- */

static struct time_zone *fixed(int64_t offset_s)
{
    struct time_zone *z = mem_xcalloc(1, sizeof(*z));

    z->first_s = offset_s;
    return z;
}

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '+' || (c == '/' && i != 0))) {
            return false;
        }
    }
    return s.n != 0 && s.n < 100;
}

static int read_zone(const char *path, struct time_zone **ret, struct err *reterr)
{
    struct buf b CLEANUP(buf_done) = {0};
    FILE *f = fopen(path, "rbe");
    size_t got = 1;

    if (f == NULL) {
        return err_set(reterr, ERR_NOT_FOUND, "%s: %m", path);
    }
    buf_init(&b, FILE_MAX);
    while (got != 0) {
        char *to = buf_reserve(&b, 4096);

        got = to != NULL ? fread(to, 1, 4096, f) : 0;
        b.n += got;
    }
    fclose(f);
    return time_zone_parse(buf_str(&b), ret, reterr);
}

int time_zone_open(struct str name, struct time_zone **ret, struct err *reterr)
{
    struct str s = name;
    char path[160];
    int64_t offset;
    int rc;

    if (str_eq_nocase(name, STR("local"))) {
        rc = read_zone("/etc/localtime", ret, reterr);
        if (rc == -ERR_NOT_FOUND) {
            *ret = fixed(0);
            rc = 0;
        }
        return rc;
    }
    if (str_eq_nocase(name, STR("UTC")) || str_eq_nocase(name, STR("GMT")) ||
        str_eq(name, STR("Z"))) {
        *ret = fixed(0);
        return 0;
    }
    if (name.n != 0 && (name.p[0] == '+' || name.p[0] == '-')) {
        if (!rule_time(&s, &offset) || s.n != 0 || offset < -DAY_S || offset > DAY_S) {
            return err_set(reterr, ERR_INVALID, "'%.*s' is not an offset like +09:00",
                           STR_ARG(str_take(name, 60)));
        }
        *ret = fixed(offset);
        return 0;
    }
    if (!is_name(name)) {
        return err_set(reterr, ERR_INVALID,
                       "'%.*s' is not a time zone: local, UTC, +09:00 or a name like Asia/Seoul",
                       STR_ARG(str_take(name, 60)));
    }
    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s", STR_ARG(name));
    rc = read_zone(path, ret, reterr);
    return rc == -ERR_NOT_FOUND ? err_set(reterr, ERR_INVALID,
                                          "time zone '%.*s' is not among those of this machine "
                                          "(/usr/share/zoneinfo)",
                                          STR_ARG(name))
                                : rc;
}

/* ---- use ---- */

int64_t time_zone_offset_s(const struct time_zone *z, int64_t utc_s)
{
    size_t low = 0;
    size_t high;

    if (z == NULL) {
        return 0;
    }
    high = z->n;
    while (low < high) {
        size_t mid = (low + high) / 2;

        if (z->times[mid] <= utc_s) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == z->n && z->has_rule) {
        return rule_offset(z, utc_s);
    }
    return low == 0 ? z->first_s : z->offsets[low - 1];
}

int64_t time_zone_to_utc_s(const struct time_zone *z, int64_t local_s)
{
    /* the offset a day before and after: they differ only around a change */
    int64_t before = time_zone_offset_s(z, local_s - DAY_S);
    int64_t after = time_zone_offset_s(z, local_s + DAY_S);

    if (time_zone_offset_s(z, local_s - before) == before) {
        return local_s - before;
    }
    return time_zone_offset_s(z, local_s - after) == after ? local_s - after : local_s - before;
}
