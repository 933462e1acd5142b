/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of a field for many rows as small numbers: once per dictionary entry, resource or scope where
 * the column allows it, and no row is made.
 */
#include "base/err.h"
#include "base/hash.h"
#include "store/columns/block.h"
#include "store/columns/groups.h"
#include "store/columns/rowcodec.h"

/* Numbers handed out so far. */
struct grouper {
    struct block *b;
    struct groups groups; /* counts unused */
    uint32_t *group;
};

static int intern(struct grouper *g, struct str text, uint32_t *ret)
{
    return groups_find(&g->groups, text, ret) < 0 ? block_no_memory(g->b) : 0;
}

static int intern_value(struct grouper *g, const struct value *v, uint32_t *ret)
{
    struct str text = value_text(v, g->b->text);

    return g->b->text->failed ? block_no_memory(g->b) : intern(g, text, ret);
}

static bool wanted(const uint64_t *bits, uint32_t row)
{
    return (bits[row / 64] >> (row % 64) & 1) != 0;
}

/* A string column's entry as a value. @return 1; 0 when it counts as absent */
static int entry_value(struct grouper *g, const struct column *col, struct str s, size_t hex_size,
                       bool skip_empty, char hex[PRED_HEX_SIZE], struct value *ret)
{
    *ret = (struct value){.type = VALUE_STR, .u.s = s};
    if (col->type == COLTYPE_MIXED) {
        struct rd r = rd_of(s);
        int rc = value_decode(&r, g->b->a, ret);

        if (rc < 0) {
            return rc == -ERR_NOMEM ? block_no_memory(g->b) : block_corrupt(g->b, "a value");
        }
        return ret->type != VALUE_NONE || !skip_empty;
    }
    if (skip_empty && s.n == 0) {
        return 0;
    }
    if (hex_size != 0) {
        if (s.n != hex_size) {
            return block_corrupt(g->b, "an id");
        }
        hex_encode((const uint8_t *)s.p, hex_size, hex);
        ret->u.s = str_of(hex, 2 * hex_size);
    }
    return 1;
}

/* Strings: dictionary entries are interned once, when a wanted row has them. */
static int group_strings(struct grouper *g, const struct column *col, const uint32_t *rank,
                         size_t hex_size, bool skip_empty, const uint64_t *bits)
{
    const struct strs *s = &col->strs;
    size_t memo_n = strs_is_plain(s) ? 0 : s->dict_n;
    uint32_t *memo = arena_calloc(g->b->a, memo_n + 1, sizeof(*memo)); /* number + 2; 1: absent */
    char hex[PRED_HEX_SIZE];

    if (memo == NULL) {
        return block_no_memory(g->b);
    }
    for (uint32_t row = 0; row < block_rows_n(g->b); row++) {
        uint32_t at = rank != NULL ? rank[row] : row;
        uint32_t *known = NULL;
        struct value v;
        uint32_t number = 0;
        int rc;

        if (!wanted(bits, row) || at == UINT32_MAX) {
            continue;
        }
        if (memo_n != 0) {
            known = &memo[s->form == STRS_DICT ? s->codes[at] : 0];
        }
        if (known != NULL && *known != 0) {
            g->group[row] = *known == 1 ? UINT32_MAX : *known - 2;
            continue;
        }
        rc = entry_value(g, col, strs_at(s, at), hex_size, skip_empty, hex, &v);
        if (rc == 1) {
            rc = intern_value(g, &v, &number);
            g->group[row] = rc == 0 ? number : UINT32_MAX;
        }
        if (rc < 0) {
            return rc;
        }
        if (known != NULL) {
            *known = g->group[row] == UINT32_MAX ? 1 : g->group[row] + 2;
        }
    }
    return 0;
}

/* Numbers seen a moment ago and their groups, by hash. */
struct number_memo {
    int64_t v[64];
    uint32_t group[64]; /* + 1; 0: empty */
};

static int group_number(struct grouper *g, const struct column *col, uint32_t at,
                        const char *(*name)(uint8_t), uint32_t *ret)
{
    struct value v;
    int rc = column_value(col, at, g->b->a, &v);

    if (name != NULL) {
        v = (struct value){.type = VALUE_STR, .u.s = str_cstr(name((uint8_t)col->ints[at]))};
    }
    return rc < 0 ? block_corrupt(g->b, "a value") : intern_value(g, &v, ret);
}

static int group_numbers(struct grouper *g, const struct column *col, const uint32_t *rank,
                         const char *(*name)(uint8_t), const uint64_t *bits)
{
    struct number_memo memo = {0};
    bool keep = col->type != COLTYPE_F64;

    for (uint32_t row = 0; row < block_rows_n(g->b); row++) {
        uint32_t at = rank != NULL ? rank[row] : row;
        size_t slot;
        int rc;

        if (!wanted(bits, row) || at == UINT32_MAX) {
            continue;
        }
        slot = keep ? hash_u64((uint64_t)col->ints[at]) % ARRAY_LEN(memo.v) : 0;
        if (keep && memo.group[slot] != 0 && memo.v[slot] == col->ints[at]) {
            g->group[row] = memo.group[slot] - 1;
            continue;
        }
        rc = group_number(g, col, at, name, &g->group[row]);
        if (rc < 0) {
            return rc;
        }
        if (keep) {
            memo.v[slot] = col->ints[at];
            memo.group[slot] = g->group[row] + 1;
        }
    }
    return 0;
}

static int group_column(struct grouper *g, struct block_col *c, const uint32_t *rank,
                        bool skip_empty, const uint64_t *bits)
{
    const struct column *col;
    int rc = block_column(g->b, c, &col);

    if (rc < 0) {
        return rc;
    }
    if (col->type == COLTYPE_STR || col->type == COLTYPE_MIXED) {
        return group_strings(g, col, rank, 0, skip_empty, bits);
    }
    return group_numbers(g, col, rank, NULL, bits);
}

static int group_rest(struct grouper *g, struct str name, const uint64_t *bits)
{
    const struct column *col;
    int rc;

    if (g->b->core[COL_REST] == NULL) {
        return 0;
    }
    rc = block_column(g->b, g->b->core[COL_REST], &col);
    for (uint32_t row = 0; row < block_rows_n(g->b) && rc == 0; row++) {
        struct rd r = rd_of(wanted(bits, row) ? strs_at(&col->strs, row) : str_of(NULL, 0));

        while (rd_left(&r) != 0 && rc == 0) {
            struct str key = rd_str(&r);
            struct value v;

            rc = value_decode(&r, g->b->a, &v);
            if (rc < 0) {
                return rc == -ERR_NOMEM ? block_no_memory(g->b)
                                        : block_corrupt(g->b, "rest column");
            }
            if (str_eq(key, name)) {
                rc = intern_value(g, &v, &g->group[row]);
                break;
            }
        }
    }
    return rc;
}

static int group_attr(struct grouper *g, struct str name, const uint64_t *bits)
{
    struct block_col *c = block_attr(g->b, name);
    const uint32_t *rank;
    uint32_t number = 0;
    int rc;

    if (c == NULL) {
        return group_rest(g, name, bits);
    }
    while (g->b->attrs[number] != c) {
        number++;
    }
    rc = block_rank(g->b, number, &rank);
    return rc < 0 ? rc : group_column(g, c, rank, false, bits);
}

/* The field of a resource or scope, for rows that have no number yet. */
static int table_field(struct grouper *g, const struct field *f, struct str name, bool scope,
                       uint32_t i, struct value *ret)
{
    struct resource res = {0};
    struct scope sc = {0};
    struct rd r;
    int rc;

    if (!scope) {
        if (i >= part_resources(g->b->part)) {
            return block_corrupt(g->b, "resource of a row");
        }
        r = rd_of(part_resource_bytes(g->b->part, i));
        rc = resource_decode(&r, g->b->a, &res);
    } else {
        if (i >= part_scopes(g->b->part)) {
            return block_corrupt(g->b, "scope of a row");
        }
        r = rd_of(part_scope_bytes(g->b->part, i));
        rc = scope_decode(&r, g->b->a, &sc);
    }
    if (rc < 0) {
        return rc == -ERR_NOMEM ? block_no_memory(g->b) : block_corrupt(g->b, "a table entry");
    }
    if (scope && f->scope == FIELD_INTRINSIC) {
        *ret = (struct value){.type = VALUE_STR, .u.s = sc.name};
        return sc.name.n != 0;
    }
    return attrs_field(scope ? sc.attrs : res.attrs, name, ret);
}

static int group_table(struct grouper *g, const struct field *f, struct str name, bool scope,
                       const uint64_t *bits)
{
    uint32_t n = scope ? part_scopes(g->b->part) : part_resources(g->b->part);
    const int64_t *index;
    int rc = block_ints(g->b, scope ? COL_SCOPE : COL_RESOURCE, &index);
    uint32_t base = scope ? 0 : g->b->entry->resource_min;
    uint32_t span = scope ? n : g->b->entry->resource_max - base + 1;
    uint32_t *memo = arena_calloc(g->b->a, (size_t)span + 1, sizeof(*memo));

    if (memo == NULL) {
        return block_no_memory(g->b);
    }
    for (uint32_t row = 0; row < block_rows_n(g->b) && rc == 0; row++) {
        uint64_t at;
        struct value v;

        if (!wanted(bits, row) || g->group[row] != UINT32_MAX) {
            continue;
        }
        at = (uint64_t)index[row] - base;
        if (at >= span) {
            return block_corrupt(g->b, "resource or scope of a row");
        }
        if (memo[at] == 0) {
            uint32_t number = 0;

            rc = table_field(g, f, name, scope, base + (uint32_t)at, &v);
            memo[at] = 1;
            if (rc == 1) {
                rc = intern_value(g, &v, &number);
                memo[at] = number + 2;
            }
        }
        g->group[row] = memo[at] == 1 ? UINT32_MAX : memo[at] - 2;
    }
    return rc;
}

static int group_core(struct grouper *g, enum col_id id, size_t hex_size,
                      const char *(*name)(uint8_t), const uint64_t *bits)
{
    struct column zeros = {.type = COLTYPE_I64, .n = block_rows_n(g->b)};
    const struct column *col = &zeros;
    int rc;

    if (id < COL_INTS_END) {
        rc = block_ints(g->b, id, &zeros.ints);
        return rc < 0 ? rc : group_numbers(g, col, NULL, name, bits);
    }
    if (g->b->core[id] == NULL) {
        return 0;
    }
    rc = block_column(g->b, g->b->core[id], &col);
    if (rc == 0 && (col->type == COLTYPE_STR || col->type == COLTYPE_MIXED)) {
        /* an empty body is there when it is a string; every other empty text is absent */
        return group_strings(g, col, NULL, hex_size, id != COL_BODY || col->type == COLTYPE_MIXED,
                             bits);
    }
    return rc < 0 ? rc : group_numbers(g, col, NULL, NULL, bits);
}

static int group_intrinsic(struct grouper *g, const struct field *f, const uint64_t *bits)
{
    switch (intrinsic_of(part_kind(g->b->part), f->name)) {
    case INTRINSIC_NAME:
        return group_core(g, COL_NAME, 0, NULL, bits);
    case INTRINSIC_SERVICE:
        return group_table(g, f, STR("service.name"), false, bits);
    case INTRINSIC_STATUS:
        return group_core(g, COL_STATUS, 0, span_status_name, bits);
    case INTRINSIC_KIND:
        return group_core(g, COL_KIND, 0, span_kind_name, bits);
    case INTRINSIC_DURATION:
        return group_core(g, COL_DURATION, 0, NULL, bits);
    case INTRINSIC_STATUS_MESSAGE:
        return group_core(g, COL_STATUS_MESSAGE, 0, NULL, bits);
    case INTRINSIC_TRACE_ID:
        return group_core(g, COL_TRACE_ID, TRACE_ID_SIZE, NULL, bits);
    case INTRINSIC_SPAN_ID:
        return group_core(g, COL_SPAN_ID, SPAN_ID_SIZE, NULL, bits);
    case INTRINSIC_PARENT_ID:
        return group_core(g, COL_PARENT_ID, SPAN_ID_SIZE, NULL, bits);
    case INTRINSIC_TRACE_STATE:
        return group_core(g, COL_TRACE_STATE, 0, NULL, bits);
    case INTRINSIC_SCOPE_NAME:
        return group_table(g, f, f->name, true, bits);
    case INTRINSIC_BODY:
        return group_core(g, COL_BODY, 0, NULL, bits);
    case INTRINSIC_SEVERITY_NUMBER:
        return group_core(g, COL_SEVERITY, 0, NULL, bits);
    case INTRINSIC_SEVERITY_TEXT:
        return group_core(g, COL_SEVERITY_TEXT, 0, NULL, bits);
    case INTRINSIC_EVENT_NAME:
        return group_core(g, COL_EVENT_NAME, 0, NULL, bits);
    case INTRINSIC_PATTERN:
        return group_core(g, COL_PATTERN, PATTERN_ID_SIZE, NULL, bits);
    case INTRINSIC_NONE:
        break;
    }
    return 0;
}

int block_texts(struct block *b, const struct field *f, const uint64_t *bits,
                const struct str **ret)
{
    struct block_col *c = f->scope == FIELD_ATTR ? block_attr(b, f->name) : NULL;
    const struct column *col;
    const uint32_t *rank;
    uint32_t number = 0;
    struct str *texts;
    int rc;

    *ret = NULL;
    if (c == NULL || c->type != COLTYPE_STR) {
        return 0;
    }
    rc = block_column(b, c, &col);
    if (rc < 0 || !strs_is_plain(&col->strs)) {
        return rc;
    }
    while (b->attrs[number] != c) {
        number++;
    }
    rc = block_rank(b, number, &rank);
    texts = arena_calloc(b->a, block_rows_n(b), sizeof(*texts));
    if (rc < 0 || texts == NULL) {
        return rc < 0 ? rc : block_no_memory(b);
    }
    for (uint32_t row = 0; row < block_rows_n(b); row++) {
        uint32_t at = rank != NULL ? rank[row] : row;

        if (wanted(bits, row) && at != UINT32_MAX) {
            struct str s = strs_at(&col->strs, at);

            texts[row] = s.n != 0 ? s : STR("");
        }
    }
    *ret = texts;
    return block_check(b);
}

int block_group(struct block *b, const struct field *f, const uint64_t *bits,
                struct block_groups *ret)
{
    const size_t rows_n = block_rows_n(b);
    struct grouper g = {.b = b};
    struct str *texts;
    int rc = 0;

    g.group = arena_array(b->a, uint32_t, rows_n);
    if (g.group == NULL) {
        return block_no_memory(b);
    }
    memset(g.group, 0xff, block_rows_n(b) * sizeof(*g.group));
    groups_init(&g.groups, b->a, 1);
    switch (f->scope) {
    case FIELD_ATTR:
        rc = group_attr(&g, f->name, bits);
        break;
    case FIELD_RESOURCE:
        rc = group_table(&g, f, f->name, false, bits);
        break;
    case FIELD_SCOPE:
        rc = group_table(&g, f, f->name, true, bits);
        break;
    case FIELD_ANY:
        rc = group_attr(&g, f->name, bits);
        rc = rc < 0 ? rc : group_table(&g, f, f->name, false, bits);
        break;
    case FIELD_INTRINSIC:
        rc = group_intrinsic(&g, f, bits);
        break;
    }
    rc = rc < 0 ? rc : block_check(b);
    texts = arena_array(b->a, struct str, g.groups.list.n + 1);
    rc = rc == 0 && texts == NULL ? block_no_memory(b) : rc;
    for (size_t i = 0; rc == 0 && i < g.groups.list.n; i++) {
        texts[i] = g.groups.list.v[i].value;
    }
    if (rc == 0) {
        *ret = (struct block_groups){g.group, texts, g.groups.list.n};
    }
    groups_done(&g.groups);
    return rc;
}
