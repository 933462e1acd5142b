/* SPDX-License-Identifier: Apache-2.0
 *
 * A wrong join hides a line inside another record, a wrong cut tears a stack trace: lines that could begin a record of
 * their own are never joined.
 */
#include "agent/log_join.h"

#include "base/compiler.h"

enum { LOOK = 512, TAIL_LOOK = 64 << 10 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

/* A name with dots up to a colon or the end; *ret_dots counts the dots. Empty when something else follows. */
static struct str qualified_name(struct str line, size_t *ret_dots)
{
    size_t n = 0;

    *ret_dots = 0;
    while (n < line.n && (is_name(line.p[n]) || line.p[n] == '.')) {
        *ret_dots += line.p[n] == '.' ? 1 : 0;
        n++;
    }
    return n < line.n && line.p[n] != ':' ? str_take(line, 0) : str_take(line, n);
}

static bool is_java_exception(struct str line)
{
    static const char *const ENDS[] = {"Exception", "Error", "Throwable"};
    size_t dots;
    struct str name = qualified_name(line, &dots);

    for (size_t i = 0; dots != 0 && i < ARRAY_LEN(ENDS); i++) {
        if (str_ends(name, str_cstr(ENDS[i]))) {
            return true;
        }
    }
    return false;
}

static bool contains(struct str s, const char *what)
{
    return s.n != 0 && memmem(s.p, s.n, what, strlen(what)) != NULL;
}

/* The last line of the record is indented. */
static bool ends_indented(struct str so_far)
{
    const char *newline;

    while (so_far.n != 0 && (so_far.p[so_far.n - 1] == '\n' || so_far.p[so_far.n - 1] == '\r')) {
        so_far.n--;
    }
    newline = so_far.n != 0 ? memrchr(so_far.p, '\n', so_far.n) : NULL;
    return newline != NULL && (size_t)(newline - so_far.p) + 1 < so_far.n && is_blank(newline[1]);
}

static bool joins_traceback(struct str so_far, struct str line)
{
    size_t dots;

    if (str_starts(line, STR("Traceback (most recent call last):"))) {
        return true;
    }
    if (!contains(so_far, "Traceback (most recent call last):")) {
        return false;
    }
    return line.n == 0 || str_starts(line, STR("During handling of the above exception")) ||
           str_starts(line, STR("The above exception was the direct cause")) ||
           (ends_indented(so_far) && qualified_name(line, &dots).n != 0);
}

/* After "panic: ..." and "fatal error: ...": blank lines, "goroutine 7 [running]:", "main.f(0x1)", "exit status 2". */
static bool joins_panic(struct str so_far, struct str line)
{
    int64_t paren;

    if (!str_starts(so_far, STR("panic: ")) && !str_starts(so_far, STR("fatal error: ")) &&
        !contains(so_far, "\npanic: ") && !contains(so_far, "\ngoroutine ")) {
        return false;
    }
    if (line.n == 0 || str_starts(line, STR("goroutine ")) || str_starts(line, STR("[signal ")) ||
        str_starts(line, STR("exit status ")) || str_starts(line, STR("created by "))) {
        return true;
    }
    paren = str_find_byte(line, '(');
    for (int64_t i = 0; i < paren; i++) {
        if (is_blank(line.p[i])) {
            return false;
        }
    }
    return paren > 0 && str_ends(line, STR(")"));
}

bool log_joins(struct str so_far, struct str line)
{
    so_far = str_take(so_far, TAIL_LOOK);
    line = str_take(line, LOOK);
    if (line.n != 0 && is_blank(line.p[0])) {
        return true;
    }
    if (str_starts(line, STR("Caused by: ")) || str_starts(line, STR("Suppressed: ")) ||
        (str_starts(line, STR("... ")) && str_ends(line, STR(" more"))) ||
        is_java_exception(line)) {
        return true;
    }
    if (line.n != 0 && strchr("}])", line.p[0]) != NULL && line.n <= 2 && ends_indented(so_far)) {
        return true;
    }
    return joins_traceback(so_far, line) || joins_panic(so_far, line);
}
