/* SPDX-License-Identifier: Apache-2.0
 *
 * Small readers the files of syslog share; each moves the cursor only when it found what it looks for. Internal.
 */
#ifndef INGEST_SYSLOG_TEXT_H
#define INGEST_SYSLOG_TEXT_H

#include "ingest/syslog_parse.h"

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool at_byte(struct str s, size_t i, char c)
{
    return i < s.n && s.p[i] == c;
}

static inline void skip_spaces(struct str *s)
{
    size_t n = 0;

    while (n < s->n && (s->p[n] == ' ' || s->p[n] == '\t')) {
        n++;
    }
    *s = str_drop(*s, n);
}

/* Up to the next space, which is not part of it. */
static inline struct str word_of(struct str s)
{
    int64_t n = str_find_byte(s, ' ');

    return n < 0 ? s : str_take(s, (size_t)n);
}

static inline struct str take_word(struct str *s)
{
    struct str w = word_of(*s);

    *s = str_drop(*s, w.n + (w.n < s->n));
    return w;
}

/* `min` to `max` digits. @return how many; 0: not so */
static inline size_t number_at(struct str s, size_t min, size_t max, int64_t *ret)
{
    size_t n = 0;
    int64_t v = 0;

    while (n < s.n && n < max && is_digit(s.p[n])) {
        v = v * 10 + (s.p[n++] - '0');
    }
    *ret = v;
    return n >= min ? n : 0;
}

/* syslog_time.c */

/** A time of any form, with what stands around it: a star before it (Cisco), a colon and spaces after it.
 * @param ret_known  false: it was a time, but not one of the calendar
 * @return false when there is none */
bool syslog_take_time(struct str *s, const struct syslog_clock *clock, bool *ret_known,
                      int64_t *ret_ns);
/** All of `word` as RFC 5424 has it; the zone may be missing. */
bool syslog_iso_time(struct str word, const struct syslog_clock *clock, bool *ret_known,
                     int64_t *ret_ns);

#endif
