/* SPDX-License-Identifier: Apache-2.0
 *
 * Line by line through the first lines of a body. A frame is "at X(" (Java, .NET, JavaScript), "File ..., in X"
 * (Python, innermost last) or the line after "goroutine" (Go).
 */
#include "ingest/patterns/trace.h"

enum { LINES_MAX = 60 };

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '$';
}

/* "java.lang.IllegalStateException: text" -> its type; empty: not one. */
static struct str exception_type(struct str line)
{
    static const struct str ENDS[] = {{"Exception", 9}, {"Error", 5}, {"Throwable", 9},
                                      {"Failure", 7},   {"Fault", 5}, {"Warning", 7}};
    size_t n = 0;

    while (n < line.n && is_name_byte(line.p[n])) {
        n++;
    }
    if (n == line.n || line.p[n] == ':') {
        for (size_t i = 0; i < ARRAY_LEN(ENDS); i++) {
            if (str_ends(str_take(line, n), ENDS[i])) {
                return str_take(line, n);
            }
        }
    }
    return str_of(NULL, 0);
}

static struct str until(struct str s, char c)
{
    int64_t at = str_find_byte(s, c);

    return at >= 0 ? str_take(s, (size_t)at) : s;
}

/* Innermost frames of Python come last: shift. */
static void keep_last(struct str *v, size_t *n, size_t from, struct str s)
{
    if (*n == TRACE_FRAMES) {
        memmove(v + from, v + from + 1, (TRACE_FRAMES - from - 1) * sizeof(*v));
        (*n)--;
    }
    v[(*n)++] = s;
}

struct scan {
    struct str *v;
    size_t n;
    bool typed; /* v[0] is the type */
    bool python;
    bool go;
};

/* @return false when enough is known */
static bool scan_line(struct scan *s, struct str line, bool first)
{
    bool indented = line.n != 0 && (line.p[0] == ' ' || line.p[0] == '\t');
    struct str text = str_trim(line);
    struct str type;

    if (str_starts(text, STR("at "))) {
        s->v[s->n++] = str_trim(until(str_drop(text, 3), '('));
        return s->n < TRACE_FRAMES;
    }
    if (str_starts(text, STR("File \"")) && str_find(text, STR(", in ")) >= 0) {
        s->python = true;
        keep_last(s->v, &s->n, 0, str_drop(text, (size_t)str_find(text, STR(", in ")) + 5));
        return true;
    }
    if (str_starts(text, STR("goroutine "))) {
        s->go = true;
        return true;
    }
    if (s->go && text.n != 0 && !indented) {
        int64_t paren = str_find_byte(text, '(');

        if (paren > 0) {
            s->v[s->n++] = str_take(text, (size_t)paren);
        }
        return s->n < TRACE_FRAMES;
    }
    if (first || indented || s->typed) {
        return true;
    }
    type = exception_type(str_starts(text, STR("Caused by: ")) ? str_drop(text, 11) : text);
    if (type.n == 0) {
        return true;
    }
    if (s->python) {
        keep_last(s->v, &s->n, 0, type);
        s->typed = true;
        return false;
    }
    if (s->n == 0) {
        s->v[s->n++] = type;
        s->typed = true;
    }
    return true;
}

size_t trace_frames(struct str body, struct str ret[TRACE_FRAMES])
{
    struct scan s = {.v = ret};
    struct str rest = str_take(body, TRACE_BYTES_MAX);
    struct str line;

    for (int i = 0; i < LINES_MAX && str_split(&rest, '\n', &line); i++) {
        if (!scan_line(&s, line, i == 0)) {
            break;
        }
    }
    if (s.n == 1 && s.typed && !s.python) {
        return 0; /* a word that looks like a type is no trace */
    }
    return s.n;
}
