/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters column by column: bloom filter and min/max first, then once per dictionary entry, per resource or
 * per value. Must agree with filter_matches_row(), the reference; a property test compares them.
 */
#include "base/err.h"
#include "base/hash.h"
#include "store/columns/block_filter_internal.h"
#include "store/columns/bloom.h"
#include "store/columns/rowcodec.h"

static void bit_set(uint64_t *bits, uint32_t row)
{
    bits[row / 64] |= (uint64_t)1 << (row % 64);
}

static void bits_none(const struct block *b, uint64_t *bits)
{
    memset(bits, 0, block_words(b) * sizeof(*bits));
}

static void bits_all(const struct block *b, uint64_t *bits)
{
    uint32_t n = block_rows_n(b);

    memset(bits, 0xff, block_words(b) * sizeof(*bits));
    if (n % 64 != 0) {
        bits[n / 64] = ((uint64_t)1 << (n % 64)) - 1;
    }
}

static bool bits_any(const struct block *b, const uint64_t *bits)
{
    uint64_t any = 0;

    for (size_t i = 0; i < block_words(b); i++) {
        any |= bits[i];
    }
    return any != 0;
}

static void bits_invert(const struct block *b, uint64_t *bits)
{
    uint32_t n = block_rows_n(b);

    for (size_t i = 0; i < block_words(b); i++) {
        bits[i] = ~bits[i];
    }
    if (n % 64 != 0) {
        bits[n / 64] &= ((uint64_t)1 << (n % 64)) - 1;
    }
}

uint64_t block_count(const struct block *b, const uint64_t *bits)
{
    uint64_t n = 0;

    for (size_t i = 0; i < block_words(b); i++) {
        n += (uint64_t)__builtin_popcountll(bits[i]);
    }
    return n;
}

static void hits_to_bits(const struct block *b, const uint8_t *hit, const uint32_t *rank,
                         uint64_t *bits)
{
    uint32_t n = block_rows_n(b);

    bits_none(b, bits);
    for (uint32_t row = 0; row < n; row++) {
        uint32_t at = rank != NULL ? rank[row] : row;

        if (at != UINT32_MAX) {
            bits[row / 64] |= (uint64_t)hit[at] << (row % 64);
        }
    }
}

static void rank_to_bits(const struct block *b, const uint32_t *rank, uint64_t *bits)
{
    if (rank == NULL) {
        bits_all(b, bits);
        return;
    }
    bits_none(b, bits);
    for (uint32_t row = 0; row < block_rows_n(b); row++) {
        if (rank[row] != UINT32_MAX) {
            bit_set(bits, row);
        }
    }
}

/* An attribute that has a column. */
static int attr_column_bits(struct block *b, struct block_col *c, const struct filter *f,
                            uint64_t *bits, uint64_t *present)
{
    const struct column *col;
    const uint32_t *rank = NULL;
    enum verdict verdict;
    uint32_t number = 0;
    uint8_t *hit;
    int rc = block_col_verdict(b, c, f, &verdict);

    while (b->attrs[number] != c) {
        number++;
    }
    if (rc == 0 && (verdict == VERDICT_SOME || present != NULL)) {
        rc = block_rank(b, number, &rank);
    }
    if (rc < 0) {
        return rc;
    }
    if (present != NULL) {
        rank_to_bits(b, rank, present);
    }
    if (verdict == VERDICT_NONE) {
        bits_none(b, bits);
        return 0;
    }
    if (f->op == PRED_EXISTS) {
        rank_to_bits(b, rank, bits);
        return 0;
    }
    rc = block_column(b, c, &col);
    if (rc < 0) {
        return rc;
    }
    hit = arena_alloc(b->a, col->n + 1, 1);
    if (hit == NULL) {
        return block_no_memory(b);
    }
    rc = block_column_hits(b, f, col, rank == NULL ? b->only : NULL, hit);
    hits_to_bits(b, hit, rank, bits);
    return rc;
}

/* An attribute that is in the rest column, if anywhere. */
static int attr_rest_bits(struct block *b, const struct filter *f, uint64_t *bits,
                          uint64_t *present)
{
    struct block_col *c = b->core[COL_REST];
    const struct column *col;
    struct str bloom;
    int rc;

    bits_none(b, bits);
    if (present != NULL) {
        bits_none(b, present);
    }
    if (c == NULL) {
        return 0;
    }
    rc = block_bloom(b, c, &bloom);
    if (rc < 0 || (bloom.n != 0 && !bloom_has(bloom, hash64(f->field.name.p, f->field.name.n)))) {
        return rc;
    }
    rc = block_column(b, c, &col);
    for (uint32_t row = 0; row < block_rows_n(b) && rc == 0; row++) {
        struct rd r = rd_of(strs_at(&col->strs, row));

        while (rd_left(&r) != 0) {
            struct str name = rd_str(&r);
            struct value v;

            rc = value_decode(&r, b->a, &v);
            if (rc < 0) {
                return rc == -ERR_NOMEM ? block_no_memory(b) : block_corrupt(b, "rest column");
            }
            if (str_eq(name, f->field.name)) {
                if (present != NULL) {
                    bit_set(present, row);
                }
                if (pred_value(f, &v, b->text)) {
                    bit_set(bits, row);
                }
                break;
            }
        }
    }
    return rc;
}

static int attr_bits(struct block *b, const struct filter *f, uint64_t *bits, uint64_t *present)
{
    struct block_col *c = block_attr(b, f->field.name);

    return c != NULL ? attr_column_bits(b, c, f, bits, present)
                     : attr_rest_bits(b, f, bits, present);
}

/* What a resource or scope says: 2 yes, 1 no. */
static int resource_hit(struct block *b, const struct filter *f, struct str name, uint32_t i,
                        uint8_t *ret)
{
    struct rd r = rd_of(part_resource_bytes(b->part, i));
    struct resource res = {0};
    struct value v;
    int rc = resource_decode(&r, b->a, &res);

    if (rc < 0) {
        return rc == -ERR_NOMEM ? block_no_memory(b) : block_corrupt(b, "resource");
    }
    *ret = attrs_field(res.attrs, name, &v) && pred_value(f, &v, b->text) ? 2 : 1;
    return 0;
}

static int resource_bits(struct block *b, const struct filter *f, struct str name, uint64_t *bits)
{
    uint32_t first = b->entry->resource_min;
    uint32_t n = b->entry->resource_max - first + 1;
    uint8_t *memo = arena_calloc(b->a, n, 1);
    const int64_t *index;
    int rc;

    if (memo == NULL) {
        return block_no_memory(b);
    }
    bits_none(b, bits);
    if (n == 1) {
        rc = resource_hit(b, f, name, first, &memo[0]);
        if (rc == 0 && memo[0] == 2) {
            bits_all(b, bits);
        }
        return rc;
    }
    rc = block_ints(b, COL_RESOURCE, &index);
    for (uint32_t row = 0; row < block_rows_n(b) && rc == 0; row++) {
        uint64_t at = (uint64_t)index[row] - first;

        if (at >= n) {
            return block_corrupt(b, "resource of a row");
        }
        if (memo[at] == 0) {
            rc = resource_hit(b, f, name, first + (uint32_t)at, &memo[at]);
        }
        bits[row / 64] |= (uint64_t)(memo[at] == 2) << (row % 64);
    }
    return rc;
}

static int scope_hit(struct block *b, const struct filter *f, uint32_t i, uint8_t *ret)
{
    struct rd r = rd_of(part_scope_bytes(b->part, i));
    struct scope scope = {0};
    struct value v;
    bool there;
    int rc = scope_decode(&r, b->a, &scope);

    if (rc < 0) {
        return rc == -ERR_NOMEM ? block_no_memory(b) : block_corrupt(b, "scope");
    }
    if (f->field.scope == FIELD_SCOPE) {
        there = attrs_field(scope.attrs, f->field.name, &v);
    } else {
        v = (struct value){.type = VALUE_STR, .u.s = scope.name};
        there = scope.name.n != 0;
    }
    *ret = there && pred_value(f, &v, b->text) ? 2 : 1;
    return 0;
}

static int scope_bits(struct block *b, const struct filter *f, uint64_t *bits)
{
    uint32_t n = part_scopes(b->part);
    uint8_t *memo = arena_calloc(b->a, (size_t)n + 1, 1);
    const int64_t *index;
    int rc;

    if (memo == NULL) {
        return block_no_memory(b);
    }
    bits_none(b, bits);
    rc = block_ints(b, COL_SCOPE, &index);
    for (uint32_t row = 0; row < block_rows_n(b) && rc == 0; row++) {
        uint64_t at = (uint64_t)index[row];

        if (at >= n) {
            return block_corrupt(b, "scope of a row");
        }
        if (memo[at] == 0) {
            rc = scope_hit(b, f, (uint32_t)at, &memo[at]);
        }
        bits[row / 64] |= (uint64_t)(memo[at] == 2) << (row % 64);
    }
    return rc;
}

/* A core column's rows that are there and match. */
static int present_bits(struct block *b, enum col_id id,
                        bool (*present)(const struct column *col, uint32_t row),
                        const struct filter *f, uint64_t *bits)
{
    struct block_col *c = b->core[id];
    const struct column *col;
    enum verdict verdict;
    uint8_t *hit;
    int rc;

    bits_none(b, bits);
    if (c == NULL) {
        return 0;
    }
    rc = block_col_verdict(b, c, f, &verdict);
    if (rc < 0 || verdict == VERDICT_NONE) {
        return rc;
    }
    rc = block_column(b, c, &col);
    hit = arena_alloc(b->a, block_rows_n(b), 1);
    if (rc < 0 || hit == NULL) {
        return rc < 0 ? rc : block_no_memory(b);
    }
    rc = block_column_hits(b, f, col, b->only, hit);
    for (uint32_t row = 0; row < block_rows_n(b) && rc == 0; row++) {
        hit[row] = hit[row] && present(col, row);
    }
    hits_to_bits(b, hit, NULL, bits);
    return rc;
}

/* Text: empty counts as absent. */
static bool text_present(const struct column *col, uint32_t row)
{
    return strs_at(&col->strs, row).n != 0;
}

static int text_bits(struct block *b, enum col_id id, const struct filter *f, uint64_t *bits)
{
    return present_bits(b, id, text_present, f, bits);
}

/* Ids: their text is lower-case hex. */
static int id_bits(struct block *b, enum col_id id, const struct filter *f, uint64_t *bits)
{
    struct block_col *c = b->core[id];
    const struct column *col;
    uint8_t raw[TRACE_ID_SIZE];
    char hex[PRED_HEX_SIZE];
    size_t size = id == COL_TRACE_ID ? TRACE_ID_SIZE : SPAN_ID_SIZE;
    struct str want = f->value.type == VALUE_STR ? f->value.u.s : str_of(NULL, 0);
    bool exact = false;
    int rc;

    bits_none(b, bits);
    if (c == NULL) {
        return 0;
    }
    if (pred_positive(f->op) == PRED_EQ && f->value.type == VALUE_STR) {
        if (!hex_decode(want, raw, size)) {
            return 0;
        }
        hex_encode(raw, size, hex);
        if (!str_eq(want, str_of(hex, 2 * size))) {
            return 0; /* upper case: never the text of an id */
        }
        exact = true;
    }
    rc = block_column(b, c, &col);
    for (uint32_t row = 0; row < block_rows_n(b) && rc == 0; row++) {
        struct str s = strs_at(&col->strs, row);
        struct value v = {.type = VALUE_STR};
        bool hit;

        if (s.n == 0) {
            continue;
        }
        if (s.n != size) {
            return block_corrupt(b, "an id");
        }
        if (exact) {
            hit = memcmp(s.p, raw, size) == 0;
        } else {
            hex_encode((const uint8_t *)s.p, size, hex);
            v.u.s = str_of(hex, 2 * size);
            hit = pred_value(f, &v, b->text);
        }
        bits[row / 64] |= (uint64_t)hit << (row % 64);
    }
    return rc;
}

/* Kinds and statuses: one test per number. */
static int named_bits(struct block *b, enum col_id id, const char *(*name)(uint8_t),
                      const struct filter *f, uint64_t *bits)
{
    uint8_t memo[256] = {0};
    const int64_t *v;
    int rc = block_ints(b, id, &v);

    bits_none(b, bits);
    for (uint32_t row = 0; row < block_rows_n(b) && rc == 0; row++) {
        uint8_t n = (uint8_t)v[row];

        if (memo[n] == 0) {
            struct value text = {.type = VALUE_STR, .u.s = str_cstr(name(n))};

            memo[n] = text.u.s.n != 0 && pred_value(f, &text, b->text) ? 2 : 1;
        }
        bits[row / 64] |= (uint64_t)(memo[n] == 2) << (row % 64);
    }
    return rc;
}

static int number_bits(struct block *b, enum col_id id, const struct filter *f, uint64_t *bits)
{
    struct block_col zero = {.id = id, .type = COLTYPE_I64};
    struct block_col *c = b->core[id] != NULL ? b->core[id] : &zero;
    struct column col = {.type = COLTYPE_I64, .n = block_rows_n(b)};
    uint8_t *hit;
    int rc;

    bits_none(b, bits);
    if (block_range_verdict(c, f) == VERDICT_NONE) {
        return 0;
    }
    rc = block_ints(b, id, &col.ints);
    hit = arena_alloc(b->a, block_rows_n(b), 1);
    if (rc < 0 || hit == NULL) {
        return rc < 0 ? rc : block_no_memory(b);
    }
    rc = block_column_hits(b, f, &col, NULL, hit);
    hits_to_bits(b, hit, NULL, bits);
    return rc;
}

/* Bodies: an empty value counts as absent. */
static bool body_present(const struct column *col, uint32_t row)
{
    struct str s = col->type == COLTYPE_MIXED ? strs_at(&col->strs, row) : str_of(NULL, 0);

    return !(s.n == 1 && s.p[0] == 0); /* the encoding of VALUE_NONE */
}

static int intrinsic_bits(struct block *b, const struct filter *f, uint64_t *bits)
{
    switch (intrinsic_of(part_kind(b->part), f->field.name)) {
    case INTRINSIC_NONE:
        bits_none(b, bits);
        return 0;
    case INTRINSIC_NAME:
        return text_bits(b, COL_NAME, f, bits);
    case INTRINSIC_SERVICE:
        return resource_bits(b, f, STR("service.name"), bits);
    case INTRINSIC_STATUS:
        return named_bits(b, COL_STATUS, span_status_name, f, bits);
    case INTRINSIC_KIND:
        return named_bits(b, COL_KIND, span_kind_name, f, bits);
    case INTRINSIC_DURATION:
        return number_bits(b, COL_DURATION, f, bits);
    case INTRINSIC_STATUS_MESSAGE:
        return text_bits(b, COL_STATUS_MESSAGE, f, bits);
    case INTRINSIC_TRACE_ID:
        return id_bits(b, COL_TRACE_ID, f, bits);
    case INTRINSIC_SPAN_ID:
        return id_bits(b, COL_SPAN_ID, f, bits);
    case INTRINSIC_PARENT_ID:
        return id_bits(b, COL_PARENT_ID, f, bits);
    case INTRINSIC_TRACE_STATE:
        return text_bits(b, COL_TRACE_STATE, f, bits);
    case INTRINSIC_SCOPE_NAME:
        return scope_bits(b, f, bits);
    case INTRINSIC_BODY:
        return present_bits(b, COL_BODY, body_present, f, bits);
    case INTRINSIC_SEVERITY_NUMBER:
        return number_bits(b, COL_SEVERITY, f, bits);
    case INTRINSIC_SEVERITY_TEXT:
        return text_bits(b, COL_SEVERITY_TEXT, f, bits);
    case INTRINSIC_EVENT_NAME:
        return text_bits(b, COL_EVENT_NAME, f, bits);
    case INTRINSIC_PATTERN:
        return id_bits(b, COL_PATTERN, f, bits);
    }
    return -ERR_INTERNAL;
}

static int any_bits(struct block *b, const struct filter *f, uint64_t *bits)
{
    uint64_t *present = arena_array(b->a, uint64_t, block_words(b));
    uint64_t *outer = arena_array(b->a, uint64_t, block_words(b));
    int rc;

    if (present == NULL || outer == NULL) {
        return block_no_memory(b);
    }
    rc = attr_bits(b, f, bits, present);
    rc = rc < 0 ? rc : resource_bits(b, f, f->field.name, outer);
    for (size_t i = 0; i < block_words(b) && rc == 0; i++) {
        bits[i] |= outer[i] & ~present[i];
    }
    return rc;
}

static int pred_bits(struct block *b, const struct filter *f, uint64_t *bits)
{
    int rc = 0;

    switch (f->field.scope) {
    case FIELD_ATTR:
        rc = attr_bits(b, f, bits, NULL);
        break;
    case FIELD_RESOURCE:
        rc = resource_bits(b, f, f->field.name, bits);
        break;
    case FIELD_SCOPE:
        rc = scope_bits(b, f, bits);
        break;
    case FIELD_ANY:
        rc = any_bits(b, f, bits);
        break;
    case FIELD_INTRINSIC:
        rc = intrinsic_bits(b, f, bits);
        break;
    }
    if (rc == 0 && pred_is_negative(f->op)) {
        bits_invert(b, bits);
    }
    return rc;
}

static int filter_bits(struct block *b, const struct filter *f, uint64_t *bits);

/* What it costs to ask, about: numbers and tables first, texts of rows last. */
static int cost_of(const struct block *b, const struct filter *f)
{
    int cost = 0;

    if (f->type != FILTER_PRED) {
        for (size_t i = 0; i < f->kids_n; i++) {
            int kid = cost_of(b, f->kids[i]);

            cost = kid > cost ? kid : cost;
        }
        return cost;
    }
    if (f->field.scope == FIELD_RESOURCE) {
        return 0;
    }
    if (f->field.scope != FIELD_INTRINSIC) {
        return f->op == PRED_SEARCH_RE || f->op == PRED_RE || f->op == PRED_NRE ? 3 : 2;
    }
    if (intrinsic_of(part_kind(b->part), f->field.name) == INTRINSIC_BODY) {
        return f->op == PRED_SEARCH_RE || f->op == PRED_RE || f->op == PRED_NRE ? 5 : 4;
    }
    return 1;
}

enum { COST_MAX = 5 };

static int and_bits(struct block *b, const struct filter *f, uint64_t *bits, uint64_t *kid)
{
    const uint64_t *outer = b->only;
    int rc = 0;

    bits_all(b, bits);
    for (int cost = 0; cost <= COST_MAX && rc == 0; cost++) {
        for (size_t i = 0; i < f->kids_n && rc == 0; i++) {
            if (cost_of(b, f->kids[i]) != cost) {
                continue;
            }
            b->only = bits;
            rc = filter_bits(b, f->kids[i], kid);
            b->only = outer;
            for (size_t w = 0; w < block_words(b) && rc == 0; w++) {
                bits[w] &= kid[w];
            }
            if (rc == 0 && !bits_any(b, bits)) {
                return 0;
            }
        }
    }
    return rc;
}

/* AND stops at nothing, OR at everything. */
static int list_bits(struct block *b, const struct filter *f, uint64_t *bits)
{
    uint64_t *kid = arena_array(b->a, uint64_t, block_words(b));
    int rc = kid == NULL             ? block_no_memory(b)
             : f->type == FILTER_AND ? and_bits(b, f, bits, kid)
                                     : filter_bits(b, f->kids[0], bits);

    if (rc < 0 || f->type == FILTER_AND) {
        return rc;
    }
    for (size_t i = 1; i < f->kids_n && rc == 0; i++) {
        if (block_count(b, bits) == block_rows_n(b)) {
            break;
        }
        rc = filter_bits(b, f->kids[i], kid);
        for (size_t w = 0; w < block_words(b) && rc == 0; w++) {
            bits[w] |= kid[w];
        }
    }
    return rc;
}

static int filter_bits(struct block *b, const struct filter *f, uint64_t *bits)
{
    int rc = 0;

    switch (f->type) {
    case FILTER_TRUE:
        bits_all(b, bits);
        break;
    case FILTER_AND:
    case FILTER_OR:
        rc = list_bits(b, f, bits);
        break;
    case FILTER_NOT:
        rc = filter_bits(b, f->kids[0], bits);
        if (rc == 0) {
            bits_invert(b, bits);
        }
        break;
    case FILTER_PRED:
        rc = pred_bits(b, f, bits);
        break;
    }
    return rc;
}

int block_filter(struct block *b, const struct filter *f, uint64_t *bits)
{
    static const struct filter ALL = {.type = FILTER_TRUE};
    int rc;

    if (f == NULL && b->deleted == NULL) {
        bits_all(b, bits);
        return 1;
    }
    rc = filter_bits(b, f != NULL ? f : &ALL, bits);
    for (size_t i = 0; i < block_words(b) && rc == 0 && b->deleted != NULL; i++) {
        bits[i] &= ~b->deleted[i];
    }
    rc = rc < 0 ? rc : block_check(b);
    return rc < 0 ? rc : bits_any(b, bits) ? 1 : 0;
}

int block_filter_time(struct block *b, int64_t min_ns, int64_t max_ns, uint64_t *bits)
{
    const int64_t *time;
    int rc;

    if (b->entry->min_ns >= min_ns && b->entry->max_ns < max_ns) {
        return 0;
    }
    rc = block_ints(b, COL_TIME, &time);
    for (uint32_t row = 0; row < block_rows_n(b) && rc == 0; row++) {
        if (time[row] < min_ns || time[row] >= max_ns) {
            bits[row / 64] &= ~((uint64_t)1 << (row % 64));
        }
    }
    return rc;
}
