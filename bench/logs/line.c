/* SPDX-License-Identifier: Apache-2.0
 *
 * What all kinds of lines use. Attributes beyond the room are a mistake of a kind and are left out.
 */
#include "lines.h"

static const struct {
    struct str text;
    uint8_t number;
} levels[] = {{STR("DEBUG"), 5}, {STR("INFO"), 9}, {STR("WARN"), 13}, {STR("ERROR"), 17}};

void line_body(struct line *l, struct str s)
{
    l->record->body = (struct value){.type = VALUE_STR, .u.s = s};
}

void line_level(struct line *l, enum level level)
{
    l->record->severity = levels[level].number;
    l->record->severity_text = levels[level].text;
}

const char *line_level_name(const struct line *l)
{
    return l->record->severity_text.p;
}

void line_attr(struct line *l, const char *key, struct str value)
{
    if (l->attrs_n < LINE_ATTRS_MAX)
        l->attrs[l->attrs_n++] = (struct attr){str_cstr(key), {.type = VALUE_STR, .u.s = value}};
}

void line_attr_int(struct line *l, const char *key, int64_t value)
{
    if (l->attrs_n < LINE_ATTRS_MAX)
        l->attrs[l->attrs_n++] = (struct attr){str_cstr(key), {.type = VALUE_I64, .u.i = value}};
}

void line_trace(struct line *l, unsigned of)
{
    uint64_t id[3];

    if (dice_below(l->dice, 100) >= of)
        return;
    for (size_t i = 0; i < ARRAY_LEN(id); i++)
        id[i] = random_next(&l->dice->state) | 1;
    memcpy(l->record->trace_id.b, id, TRACE_ID_SIZE);
    memcpy(l->record->span_id.b, id + 2, SPAN_ID_SIZE);
    l->record->flags = 1;
}

struct str line_client(struct line *l)
{
    uint64_t k = (dice_zipf(l->dice, 40000) + 1) * 2654435761u;

    return arena_printf(l->arena, "%u.%u.%u.%u", (unsigned)(k >> 24 & 127) + 60,
                        (unsigned)(k >> 16 & 255), (unsigned)(k >> 8 & 255), (unsigned)(k & 255));
}
