/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting kernel text into lines, fields and numbers without copying. Everything borrows from the input.
 */
#ifndef AGENT_TEXT_H
#define AGENT_TEXT_H

#include "base/str.h"

/** Cut the next line off *rest, without its newline. @return false when nothing is left. */
static inline bool text_line(struct str *rest, struct str *ret)
{
    return str_split(rest, '\n', ret);
}

static inline bool text_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/** Cut the next blank-separated field off *line. @return false when none is left. */
static inline bool text_field(struct str *line, struct str *ret)
{
    size_t i = 0;
    size_t end;

    while (i < line->n && text_is_space(line->p[i])) {
        i++;
    }
    end = i;
    while (end < line->n && !text_is_space(line->p[end])) {
        end++;
    }
    if (end == i) {
        return false;
    }
    *ret = str_of(line->p + i, end - i);
    *line = str_drop(*line, end);
    return true;
}

/** The next field as a number. @return false when there is none or it is not one (the field is consumed). */
static inline bool text_u64(struct str *line, uint64_t *ret)
{
    struct str f;

    return text_field(line, &f) && str_to_u64(f, ret);
}

/** A row of a "name value" file: name, offset of a uint64_t in the result, bit in its `present` mask. */
struct text_row {
    const char *name;
    size_t offset;
};

/**
 * Read "name value" or "name: value kB" lines into a struct of uint64_t fields by table. Unknown names and
 * broken values are skipped: kernels differ.
 * @return bit i set when rows[i] was found
 */
uint64_t text_rows(struct str text, const struct text_row *rows, size_t n, void *dst);

#endif
