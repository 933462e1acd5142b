/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding the message inside a line that is a JSON object, without making a tree of it. Anything unexpected gives
 * the line itself.
 */
#include "ingest/patterns/mask.h"

enum { LOOK_MAX = 8192 };

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) {
        p++;
    }
    return p;
}

/* p is behind an opening quote. @return at the closing one, or NULL */
static const char *string_end(const char *p, const char *end)
{
    while (p < end && *p != '"') {
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    }
    return p < end ? p : NULL;
}

/* @return behind a value that is not a string, or NULL */
static const char *skip_value(const char *p, const char *end)
{
    int depth = 0;

    for (; p < end; p++) {
        if (*p == '"') {
            p = string_end(p + 1, end);
            if (p == NULL) {
                return NULL;
            }
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if ((*p == '}' || *p == ']' || *p == ',') && depth == 0) {
            return p;
        } else if (*p == '}' || *p == ']') {
            depth--;
        }
    }
    return NULL;
}

static bool is_message_key(const char *p, size_t n)
{
    static const char *const KEYS[] = {"msg",     "message",       "log", "event",
                                       "MESSAGE", "short_message", "_msg"};

    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        if (strlen(KEYS[i]) == n && memcmp(KEYS[i], p, n) == 0) {
            return true;
        }
    }
    return false;
}

/* A line feed that is written \n ends the first line all the same. */
static struct str first_line(const char *p, size_t n)
{
    int64_t at = str_find(str_of(p, n), STR("\\n"));

    return str_of(p, at > 0 ? (size_t)at : n);
}

struct str mask_message(struct str line)
{
    const char *p = line.p;
    const char *end = line.p + (line.n < LOOK_MAX ? line.n : LOOK_MAX);

    if (line.n < 2 || *p != '{') {
        return line;
    }
    p = skip_blanks(p + 1, end);
    while (p < end && *p == '"') {
        const char *key = p + 1;
        const char *key_end = string_end(key, end);
        bool wanted;

        if (key_end == NULL) {
            return line;
        }
        p = skip_blanks(key_end + 1, end);
        if (p == end || *p != ':') {
            return line;
        }
        p = skip_blanks(p + 1, end);
        wanted = is_message_key(key, (size_t)(key_end - key));
        if (wanted && p < end && *p == '"') {
            const char *stop = string_end(p + 1, end);

            stop = stop != NULL ? stop : end;
            return stop > p + 1 ? first_line(p + 1, (size_t)(stop - p) - 1) : line;
        }
        p = skip_value(p, end);
        if (p == NULL || *p != ',') {
            return line;
        }
        p = skip_blanks(p + 1, end);
    }
    return line;
}
