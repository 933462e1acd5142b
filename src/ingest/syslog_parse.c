/* SPDX-License-Identifier: Apache-2.0
 *
 * A cursor moves over the text; each take_*() moves it only when it found what it looks for.
 */
#include "ingest/syslog_text.h"

enum { PRI_MAX = 191, APP_MAX = 128, COUNT_DIGITS = 9 };

/* ---- small things ---- */

static struct str nil(struct str s)
{
    return str_eq(s, STR("-")) ? str_of("", 0) : s;
}

/* Time since the device started, as Cisco has it without a clock: "5d12h:", "00:00:46:". */
static bool take_uptime(struct str *s)
{
    struct str w = word_of(*s);
    size_t units = 0;
    size_t i = 0;

    if (w.n < 3 || w.p[w.n - 1] != ':' || !is_digit(w.p[0])) {
        return false;
    }
    for (; i + 1 < w.n; i++) {
        bool unit = memchr("ywdhms:", w.p[i], 7) != NULL;

        if (!unit && !is_digit(w.p[i])) {
            return false;
        }
        units += unit;
    }
    if (units == 0) {
        return false;
    }
    take_word(s);
    return true;
}

/* ---- RFC 5424 ---- */

/* One [id name="value" ...] from its bracket on. @return its length, 0: not one */
static size_t element_at(struct str s)
{
    size_t at = 1;

    if (!at_byte(s, 0, '[') || at >= s.n || s.p[1] == ' ' || s.p[1] == ']' || s.p[1] == '=') {
        return 0;
    }
    while (at < s.n && s.p[at] != ' ' && s.p[at] != ']' && s.p[at] != '"' && s.p[at] != '=') {
        at++;
    }
    for (;;) {
        size_t name;

        while (at_byte(s, at, ' ')) {
            at++;
        }
        if (at_byte(s, at, ']')) {
            return at + 1;
        }
        for (name = at; at < s.n && memchr("= ]\"", s.p[at], 4) == NULL; at++) {
        }
        if (at == name || !at_byte(s, at, '=') || !at_byte(s, at + 1, '"')) {
            return 0;
        }
        for (at += 2; at < s.n && s.p[at] != '"'; at++) {
            at += s.p[at] == '\\';
        }
        if (at >= s.n) {
            return 0;
        }
        at++;
    }
}

bool syslog_next_param(struct str *at, struct syslog_param *p)
{
    struct str s = *at;
    size_t n = 0;
    bool first = at_byte(s, 0, '[');

    if (s.n == 0) {
        return false;
    }
    if (first) {
        for (n = 1; n < s.n && s.p[n] != ' ' && s.p[n] != ']'; n++) {
        }
        p->id = str_of(s.p + 1, n - 1);
        s = str_drop(s, n);
    }
    skip_spaces(&s);
    if (at_byte(s, 0, ']')) {
        *at = str_drop(s, 1);
        p->name = p->value = str_of("", 0);
        return first || syslog_next_param(at, p);
    }
    for (n = 0; n < s.n && s.p[n] != '='; n++) {
    }
    p->name = str_take(s, n);
    s = str_drop(s, n + 2);
    for (n = 0; n < s.n && s.p[n] != '"'; n++) {
        n += s.p[n] == '\\';
    }
    p->value = str_take(s, n);
    *at = str_drop(s, n + 1);
    return p->name.n != 0;
}

/* Without the byte order mark, or without the one space that rsyslog puts before every text. */
static struct str text_of(struct str s)
{
    return str_starts(s, STR("\xEF\xBB\xBF")) ? str_drop(s, 3) : str_drop(s, at_byte(s, 0, ' '));
}

static void parse_structured(struct str r, struct syslog_message *m)
{
    size_t at = 0;
    size_t n;

    if (at_byte(r, 0, '-') && (r.n == 1 || r.p[1] == ' ')) {
        m->msg = text_of(str_drop(r, 2));
        return;
    }
    while ((n = element_at(str_drop(r, at))) != 0) {
        at += n;
    }
    if (at != 0 && (at == r.n || r.p[at] == ' ')) {
        m->structured = str_take(r, at);
        m->msg = text_of(str_drop(r, at + 1));
        return;
    }
    m->broken = r.n != 0;
    m->msg = text_of(r);
}

/* After PRI. @return false when this is not RFC 5424 */
static bool parse_5424(struct str r, const struct syslog_clock *clock, struct syslog_message *m)
{
    struct str *const fields[] = {&m->host, &m->app, &m->proc, &m->msgid};
    struct str stamp;
    int64_t version;
    size_t n = number_at(r, 1, 3, &version);

    if (n == 0 || version == 0 || r.p[0] == '0' || !at_byte(r, n, ' ')) {
        return false;
    }
    r = str_drop(r, n + 1);
    stamp = word_of(r);
    if (!str_eq(stamp, STR("-")) && !syslog_iso_time(stamp, clock, &m->has_time, &m->time_ns)) {
        return false;
    }
    take_word(&r);
    m->rfc5424 = true;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        *fields[i] = nil(take_word(&r));
    }
    parse_structured(r, m);
    return true;
}

/* ---- RFC 3164 ---- */

static bool is_tag_byte(char c)
{
    return is_letter(c) || is_digit(c) || memchr("_-./@()+#~\\", c, 11) != NULL;
}

/* "name[pid]: " or "name: " or "name[pid] "; with `glued` also "name:text". */
static bool take_tag(struct str *s, bool glued, struct syslog_message *m)
{
    struct str proc = {0};
    size_t at = 0;
    size_t name;

    while (at < s->n && at < APP_MAX && is_tag_byte(s->p[at])) {
        at++;
    }
    name = at;
    if (name == 0) {
        return false;
    }
    if (at_byte(*s, at, '[')) {
        int64_t end = str_find_byte(str_drop(*s, at), ']');

        if (end < 2 || end > APP_MAX) {
            return false;
        }
        proc = str_of(s->p + at + 1, (size_t)end - 1);
        at += (size_t)end + 1;
    }
    if (at_byte(*s, at, ':')) {
        at++;
    } else if (proc.n == 0 || (at < s->n && s->p[at] != ' ')) {
        return false;
    }
    if (at < s->n && s->p[at] != ' ' && proc.n == 0 &&
        (!glued || is_digit(s->p[at]) || memchr("/:\\", s->p[at], 3) != NULL)) {
        return false; /* "http://...", "10:20", "::1" */
    }
    m->app = str_take(*s, name);
    m->proc = proc;
    *s = str_drop(*s, at);
    if (at_byte(*s, 0, ' ')) {
        *s = str_drop(*s, 1);
    }
    return true;
}

/* "%SYS-5-CONFIG_I: Configured ...": the mnemonic is told and stays in the text. */
static bool note_mnemonic(struct str s, struct syslog_message *m)
{
    struct str w = word_of(s);

    if (w.n < 4 || w.p[0] != '%' || w.p[w.n - 1] != ':' || str_find_byte(w, '-') < 0) {
        return false;
    }
    m->msgid = str_of(w.p + 1, w.n - 2);
    return true;
}

/* A host's name or address; not a word that is plainly something else. */
static bool is_host(struct str w)
{
    for (size_t i = 0; i < w.n; i++) {
        if (!is_letter(w.p[i]) && !is_digit(w.p[i]) && memchr("-._:%@/[]", w.p[i], 9) == NULL &&
            (uint8_t)w.p[i] < 0x80) {
            return false;
        }
    }
    return w.n != 0 && w.n <= 255;
}

/* Up to two numbers and a host that Cisco puts before the time: "45: router1: *Mar  1 ...". */
static void take_cisco_start(struct str *s, const struct syslog_clock *clock,
                             struct syslog_message *m)
{
    struct syslog_message scratch = {0};
    struct str r = at_byte(*s, 0, ':') ? str_drop(*s, 1) : *s;
    struct str w;

    skip_spaces(&r);
    for (int i = 0; i < 2; i++) {
        int64_t number;

        w = word_of(r);
        if (w.n < 2 || w.n > 19 || w.p[w.n - 1] != ':' || number_at(w, 1, 18, &number) != w.n - 1) {
            break;
        }
        m->sequence = str_take(w, w.n - 1);
        r = str_drop(r, w.n);
        skip_spaces(&r);
    }
    w = word_of(r);
    if (w.n > 1 && w.p[w.n - 1] == ':' && is_host(str_take(w, w.n - 1)) && !is_digit(w.p[0])) {
        struct str after = str_drop(r, w.n);

        skip_spaces(&after);
        if (syslog_take_time(&after, clock, &scratch.has_time, &scratch.time_ns)) {
            m->host = str_take(w, w.n - 1);
            r = str_drop(r, w.n);
            skip_spaces(&r);
        }
    }
    *s = r;
}

/* After the time: [HOST] [TAG] text. */
static void parse_header(struct str r, struct syslog_message *m)
{
    struct str after = r;
    struct str w;

    m->msg = r;
    if (note_mnemonic(r, m)) {
        return;
    }
    if (take_tag(&after, m->host.n != 0, m)) { /* no host */
        m->msg = after;
        return;
    }
    w = take_word(&after);
    if (m->host.n != 0 || !is_host(w) || w.n == r.n) {
        return;
    }
    m->host = w.p[w.n - 1] == ':' ? str_take(w, w.n - 1) : w;
    skip_spaces(&after);
    if (str_starts(after, STR(": "))) { /* "host : %ASA-6-302013: ..." */
        after = str_drop(after, 2);
    }
    if (!note_mnemonic(after, m)) {
        ignore_result(take_tag(&after, true, m), "not all messages have a tag");
    }
    m->msg = after;
}

static void parse_3164(struct str r, const struct syslog_clock *clock, struct syslog_message *m)
{
    struct str whole = r;

    if (m->pri >= 0) {
        take_cisco_start(&r, clock, m);
        ignore_result(take_uptime(&r), "some devices only know how long they run");
    }
    if (syslog_take_time(&r, clock, &m->has_time, &m->time_ns)) {
        parse_header(r, m);
        return;
    }
    if (m->pri >= 0 && m->sequence.n == 0 && number_at(r, 1, 1, &(int64_t){0}) == 1 &&
        at_byte(r, 1, ' ')) {
        struct str after = str_drop(r, 2); /* a version, then Unix seconds (Meraki) */

        if (syslog_take_time(&after, clock, &m->has_time, &m->time_ns)) {
            parse_header(after, m);
            return;
        }
    }
    m->msg = m->pri >= 0 ? r : whole;
    if (m->pri >= 0 && !note_mnemonic(r, m) && take_tag(&r, false, m)) {
        m->msg = r;
    }
}

void syslog_parse(struct str text, const struct syslog_clock *clock, struct syslog_message *ret)
{
    struct syslog_message *m = ret;
    int64_t pri;
    size_t n;

    *m = (struct syslog_message){.pri = -1};
    while (text.n != 0 && memchr("\r\n", text.p[text.n - 1], 3) != NULL) { /* with the NUL */
        text.n--;
    }
    skip_spaces(&text);
    n = at_byte(text, 0, '<') ? number_at(str_drop(text, 1), 1, 3, &pri) : 0;
    if (n != 0 && at_byte(text, n + 1, '>') && pri <= PRI_MAX) {
        m->pri = (int)pri;
        text = str_drop(text, n + 2);
        if (parse_5424(text, clock, m)) {
            return;
        }
        skip_spaces(&text);
    }
    parse_3164(text, clock, m);
}

/* ---- streams ---- */

static bool is_separator(char c)
{
    return c == '\n' || c == '\r' || c == '\0';
}

static size_t line_frame(struct syslog_framing *f, struct str data, bool end, size_t max,
                         struct syslog_frame *ret)
{
    int64_t lf = str_find_byte(data, '\n');
    size_t n = lf >= 0 ? (size_t)lf : data.n;

    if (lf < 0 && n <= max && !end) {
        return 0;
    }
    ret->cut = n > max;
    ret->text = str_take(data, ret->cut ? max : n);
    f->skip_line = lf < 0 && ret->cut;
    return n + (lf >= 0);
}

/* @param header  bytes of the number and its space */
static size_t counted_frame(struct syslog_framing *f, struct str data, size_t header, size_t length,
                            size_t max, struct syslog_frame *ret)
{
    size_t have = data.n - header < length ? data.n - header : length;

    ret->text = str_of(data.p + header, have < max ? have : max);
    ret->cut = ret->text.n < length;
    f->skip = length - have;
    return header + have;
}

size_t syslog_next_frame(struct syslog_framing *f, struct str data, bool end, size_t max,
                         struct syslog_frame *ret)
{
    int64_t length = 0;
    size_t n = 0;

    *ret = (struct syslog_frame){0};
    if (f->skip != 0) {
        n = f->skip < data.n ? f->skip : data.n;
        f->skip -= n;
        return n;
    }
    if (f->skip_line) {
        int64_t lf = str_find_byte(data, '\n');

        f->skip_line = lf < 0;
        return lf < 0 ? data.n : (size_t)lf + 1;
    }
    while (n < data.n && is_separator(data.p[n])) {
        n++;
    }
    if (n != 0 || data.n == 0) {
        return n;
    }
    n = number_at(data, 1, COUNT_DIGITS, &length);
    if (n != 0 && data.p[0] != '0') {
        if (!end && (n == data.n || (at_byte(data, n, ' ') && n + 1 == data.n))) {
            return 0; /* may still become "<" */
        }
        if (at_byte(data, n, ' ') && at_byte(data, n + 1, '<')) {
            size_t want = (size_t)length < max ? (size_t)length : max;

            if (data.n - n - 1 < want && !end) {
                return 0;
            }
            return counted_frame(f, data, n + 1, (size_t)length, max, ret);
        }
    }
    return line_frame(f, data, end, max, ret);
}
