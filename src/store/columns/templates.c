/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts put together again, row by row as they are asked for. The heads are read at once, so that a search can
 * tell from the templates alone; the columns of a template are decoded when the first of its rows is wanted.
 */
#include "store/columns/templates.h"

#include <stdlib.h>

#include "base/err.h"
#include "store/columns/block_format.h"
#include "store/columns/ints.h"
#include "store/columns/strs.h"
#include "store/columns/templates_internal.h"
#include "store/columns/text.h"

struct slot {
    uint8_t kind;
    uint8_t width;
    const int64_t *ints;  /* NUMBER, PADDED; DICT: codes */
    const uint8_t *bytes; /* HEX */
    const struct str *v;  /* DICT: entries; TEXT: values */
};

struct template_view {
    struct str *pieces; /* slots_n + 1: the text between places */
    struct slot *slots;
    uint32_t slots_n;
    uint32_t rows_n;
    struct str nums;
    struct str strings;
    bool ready; /* the slots' values are decoded */
    const uint32_t
        *at; /* these of its rows only, rising, and values by number among them; NULL: all */
    uint32_t at_n;
};

struct templates {
    size_t n;
    size_t list_n;
    struct template_view *list;
    const uint32_t *codes;
    uint32_t *rank;   /* of a row among those of its template */
    struct str *made; /* texts, where they were made: p not NULL */
    char *at;         /* room for texts */
    char *end;
    struct arena *a;
    int rc;
};

/* ---- heads ---- */

static int read_pieces(struct templates *t, struct str text, struct template_view *v)
{
    uint32_t n = 0;
    struct str rest = text;

    for (size_t i = 0; i < text.n; i++) {
        n += text.p[i] == SLOT_MARK;
    }
    v->slots_n = n;
    v->pieces = arena_array(t->a, struct str, (size_t)n + 1);
    v->slots = arena_calloc(t->a, (size_t)n + 1, sizeof(*v->slots));
    if (v->pieces == NULL || v->slots == NULL) {
        return -ERR_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        const char *mark = memchr(rest.p, SLOT_MARK, rest.n);

        v->pieces[i] = str_of(rest.p, (size_t)(mark - rest.p));
        rest = str_drop(rest, v->pieces[i].n + 1);
    }
    v->pieces[n] = rest;
    return 0;
}

static int read_template(struct templates *t, struct rd *head, struct rd *nums,
                         struct template_view *v)
{
    int rc = read_pieces(t, rd_str(head), v);
    size_t n;

    for (uint32_t i = 0; i < v->slots_n && rc == 0; i++) {
        struct slot *s = &v->slots[i];

        s->kind = rd_u8(head);
        if (s->kind == SLOT_PADDED || s->kind == SLOT_HEX) {
            s->width = rd_u8(head);
            if (s->width == 0 ||
                s->width > (s->kind == SLOT_HEX ? SLOT_HEX_MAX : SLOT_DIGITS_MAX)) {
                return -ERR_CORRUPT;
            }
        }
        if (s->kind >= SLOT_KINDS) {
            return -ERR_CORRUPT;
        }
    }
    if (rc < 0) {
        return rc;
    }
    n = (size_t)rd_varint(head);
    v->strings = rd_str(head);
    if (head->bad || n > rd_left(nums)) {
        return -ERR_CORRUPT;
    }
    v->nums = str_of((const char *)nums->p, rd_left(nums)); /* what follows is padding for it */
    nums->p += n;
    return 0;
}

/* Codes of rows, and each row's place among those of its template. */
static int read_codes(struct templates *t, struct rd *nums)
{
    int64_t *codes = arena_array(t->a, int64_t, t->n + 1);
    uint32_t *narrow = arena_array(t->a, uint32_t, t->n + 1);

    t->rank = arena_array(t->a, uint32_t, t->n + 1);
    t->made = arena_calloc(t->a, t->n + 1, sizeof(*t->made));
    if (codes == NULL || narrow == NULL || t->rank == NULL || t->made == NULL) {
        return -ERR_NOMEM;
    }
    if (!ints_get(nums, t->n, codes)) {
        return -ERR_CORRUPT;
    }
    for (size_t i = 0; i < t->n; i++) {
        if ((uint64_t)codes[i] >= t->list_n) {
            return -ERR_CORRUPT;
        }
        narrow[i] = (uint32_t)codes[i];
        t->rank[i] = t->list[codes[i]].rows_n++;
    }
    t->codes = narrow;
    return 0;
}

int templates_decode(struct rd *src, size_t n, struct arena *a, struct templates **ret)
{
    uint64_t total = rd_varint(src);
    struct rd head = rd_of(rd_str(src));
    struct rd nums = *src;
    struct templates *t = arena_calloc(a, 1, sizeof(*t));
    int rc;

    if (t == NULL) {
        return -ERR_NOMEM;
    }
    *t = (struct templates){.n = n, .a = a, .list_n = rd_count(&head, 4)};
    if (src->bad || head.bad || t->list_n == 0 || total > BLOCK_RAW_LIMIT ||
        rd_left(&nums) < INTS_PAD) {
        return -ERR_CORRUPT;
    }
    t->list = arena_calloc(a, t->list_n, sizeof(*t->list));
    t->at = arena_alloc(a, (size_t)total + 1, 1);
    if (t->list == NULL || t->at == NULL) {
        return -ERR_NOMEM;
    }
    t->end = t->at + total;
    rc = read_codes(t, &nums);
    for (size_t i = 0; i < t->list_n && rc == 0; i++) {
        rc = read_template(t, &head, &nums, &t->list[i]);
    }
    if (rc == 0 && (rd_left(&head) != 0 || rd_left(&nums) != INTS_PAD)) {
        rc = -ERR_CORRUPT;
    }
    if (rc == 0) {
        *ret = t;
    }
    return rc;
}

/* ---- values ---- */

static int64_t power_of_ten(unsigned n)
{
    int64_t v = 1;

    while (n-- != 0) {
        v *= 10;
    }
    return v;
}

/* Numbers of the rows of a template, or of those that are wanted. */
static int read_ints(struct templates *t, struct rd *nums, const struct template_view *v,
                     int64_t below, const int64_t **ret)
{
    const size_t n = v->at != NULL ? v->at_n : v->rows_n;
    int64_t *ints = arena_array(t->a, int64_t, n + 1);

    if (ints == NULL) {
        return -ERR_NOMEM;
    }
    if (v->at != NULL ? !ints_get_some(nums, v->rows_n, v->at, n, ints)
                      : !ints_get(nums, n, ints)) {
        return -ERR_CORRUPT;
    }
    for (size_t i = 0; i < n; i++) {
        if (ints[i] < 0 || ints[i] >= below) {
            return -ERR_CORRUPT;
        }
    }
    *ret = ints;
    return 0;
}

static int read_hex(struct templates *t, struct rd *nums, const struct template_view *v,
                    struct slot *s)
{
    const size_t each = (s->width + 1u) / 2;
    const uint8_t *all = rd_bytes(nums, v->rows_n * each);
    uint8_t *some;

    s->bytes = all;
    if (nums->bad || v->at == NULL) {
        return nums->bad ? -ERR_CORRUPT : 0;
    }
    some = arena_array(t->a, uint8_t, v->at_n * each + 1);
    if (some == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < v->at_n; i++) {
        memcpy(some + i * each, all + v->at[i] * each, each);
    }
    s->bytes = some;
    return 0;
}

static int read_dict(struct templates *t, struct rd *nums, struct rd *strings,
                     const struct template_view *view, struct slot *s)
{
    size_t k = rd_count(strings, 1);
    struct str *v = arena_array(t->a, struct str, k + 1);

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < k; i++) {
        v[i] = rd_str(strings);
    }
    s->v = v;
    return strings->bad ? -ERR_CORRUPT : read_ints(t, nums, view, (int64_t)k, &s->ints);
}

static int read_texts(struct templates *t, struct rd *nums, struct rd *strings,
                      const struct template_view *view, struct slot *s)
{
    const struct template_view whole = {.rows_n = view->rows_n};
    const size_t n = view->at != NULL ? view->at_n : view->rows_n;
    struct str *v = arena_array(t->a, struct str, n + 1);
    const int64_t *lens = NULL;
    size_t k = 0;
    int rc = v != NULL ? read_ints(t, nums, &whole, INT64_MAX, &lens) : -ERR_NOMEM;

    for (size_t i = 0; i < view->rows_n && rc == 0; i++) {
        const uint8_t *p = rd_bytes(strings, (size_t)lens[i]);

        if (view->at == NULL || (k < n && view->at[k] == i)) {
            v[k++] = str_of((const char *)p, (size_t)lens[i]);
        }
        rc = strings->bad ? -ERR_CORRUPT : 0;
    }
    s->v = v;
    return rc;
}

static int read_slots(struct templates *t, struct template_view *v)
{
    struct rd nums = rd_of(v->nums);
    struct rd strings = rd_of(v->strings);
    int rc = 0;

    for (uint32_t i = 0; i < v->slots_n && rc == 0; i++) {
        struct slot *s = &v->slots[i];

        switch (s->kind) {
        case SLOT_NUMBER:
            rc = read_ints(t, &nums, v, power_of_ten(SLOT_DIGITS_MAX), &s->ints);
            break;
        case SLOT_PADDED:
            rc = read_ints(t, &nums, v, power_of_ten(s->width), &s->ints);
            break;
        case SLOT_HEX:
            rc = read_hex(t, &nums, v, s);
            break;
        case SLOT_DICT:
            rc = read_dict(t, &nums, &strings, v, s);
            break;
        default:
            rc = read_texts(t, &nums, &strings, v, s);
        }
    }
    v->ready = rc == 0;
    return rc;
}

static char *put_number(char *p, uint64_t v)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    while (n != 0) {
        *p++ = digits[--n];
    }
    return p;
}

static char *put_padded(char *p, uint64_t v, unsigned width)
{
    for (unsigned i = width; i-- != 0;) {
        p[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return p + width;
}

static char *put_hex(char *p, const uint8_t *bytes, unsigned width)
{
    static const char DIGITS[] = "0123456789abcdef";

    for (unsigned i = 0; i < width; i++) {
        p[i] = DIGITS[i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15];
    }
    return p + width;
}

/* Bytes that the value of a place may take at most. */
static size_t slot_bytes(const struct slot *s, size_t rank)
{
    switch (s->kind) {
    case SLOT_NUMBER:
        return SLOT_DIGITS_MAX;
    case SLOT_PADDED:
    case SLOT_HEX:
        return s->width;
    case SLOT_DICT:
        return s->v[s->ints[rank]].n;
    default:
        return s->v[rank].n;
    }
}

static char *put_slot(char *p, const struct slot *s, size_t rank)
{
    struct str text;

    switch (s->kind) {
    case SLOT_NUMBER:
        return put_number(p, (uint64_t)s->ints[rank]);
    case SLOT_PADDED:
        return put_padded(p, (uint64_t)s->ints[rank], s->width);
    case SLOT_HEX:
        return put_hex(p, s->bytes + rank * ((s->width + 1u) / 2), s->width);
    default:
        break;
    }
    text = s->kind == SLOT_DICT ? s->v[s->ints[rank]] : s->v[rank];
    if (text.n != 0) {
        memcpy(p, text.p, text.n);
    }
    return p + text.n;
}

static bool make_text(struct templates *t, const struct template_view *v, size_t rank,
                      struct str *ret)
{
    char *p = t->at;

    for (uint32_t i = 0; i <= v->slots_n; i++) {
        struct str piece = v->pieces[i];

        if (piece.n > (size_t)(t->end - p)) {
            return false;
        }
        if (piece.n != 0) {
            memcpy(p, piece.p, piece.n);
            p += piece.n;
        }
        if (i != v->slots_n) {
            char number[SLOT_DIGITS_MAX + 2];

            if (slot_bytes(&v->slots[i], rank) <= (size_t)(t->end - p)) {
                p = put_slot(p, &v->slots[i], rank);
                continue;
            }
            if (v->slots[i].kind != SLOT_NUMBER) {
                return false;
            }
            { /* shorter than it might be: perhaps it fits */
                size_t n = (size_t)(put_slot(number, &v->slots[i], rank) - number);

                if (n > (size_t)(t->end - p)) {
                    return false;
                }
                memcpy(p, number, n);
                p += n;
            }
        }
    }
    *ret = str_of(t->at, (size_t)(p - t->at));
    t->at = p;
    return true;
}

struct str templates_at(struct templates *t, size_t row)
{
    struct template_view *v = &t->list[t->codes[row]];

    if (t->made[row].p != NULL) {
        return t->made[row];
    }
    if (t->rc == 0 && !v->ready) {
        t->rc = read_slots(t, v);
    }
    if (t->rc == 0 && !make_text(t, v, t->rank[row], &t->made[row])) {
        t->rc = -ERR_CORRUPT;
    }
    return t->rc == 0 ? t->made[row] : str_of("", 0);
}

/* ---- single texts ---- */

/* Templates of all rows, how many rows each has, and the wanted rows' places among those of theirs. */
static int pick_codes(struct templates *t, struct rd *nums, const uint32_t *at, size_t at_n,
                      uint32_t *codes, uint32_t *ranks)
{
    int64_t *all = arena_array(t->a, int64_t, t->n + 1);
    size_t k = 0;

    if (all == NULL) {
        return -ERR_NOMEM;
    }
    if (!ints_get(nums, t->n, all)) {
        return -ERR_CORRUPT;
    }
    for (size_t i = 0; i < t->n; i++) {
        struct template_view *v;

        if ((uint64_t)all[i] >= t->list_n) {
            return -ERR_CORRUPT;
        }
        v = &t->list[all[i]];
        for (; k < at_n && at[k] == i; k++) {
            codes[k] = (uint32_t)all[i];
            ranks[k] = v->rows_n;
            v->at_n++;
        }
        v->rows_n++;
    }
    return k == at_n ? 0 : -ERR_CORRUPT;
}

/* The wanted rows of a template. */
static int pick_rows(struct templates *t, uint32_t template, const uint32_t *codes,
                     const uint32_t *ranks, size_t at_n)
{
    struct template_view *v = &t->list[template];
    uint32_t *mine = arena_array(t->a, uint32_t, (size_t)v->at_n + 1);
    size_t n = 0;

    if (mine == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t k = 0; k < at_n; k++) {
        if (codes[k] == template) {
            mine[n++] = ranks[k];
        }
    }
    v->at = mine;
    return 0;
}

/* The next wanted text of a template. */
static int pick_text(struct templates *t, struct template_view *v, uint64_t total, struct str *ret)
{
    size_t bytes = 1;

    for (uint32_t i = 0; i <= v->slots_n; i++) {
        bytes += v->pieces[i].n;
        bytes += i != v->slots_n ? slot_bytes(&v->slots[i], v->at_n) : 0;
    }
    if (bytes > total + 1 + SLOTS_MAX * SLOT_DIGITS_MAX) {
        return -ERR_CORRUPT;
    }
    t->at = arena_alloc(t->a, bytes, 1);
    if (t->at == NULL) {
        return -ERR_NOMEM;
    }
    t->end = t->at + bytes;
    return make_text(t, v, v->at_n++, ret) ? 0 : -ERR_CORRUPT;
}

int templates_pick(struct rd *src, size_t n, const uint32_t *at, size_t at_n, struct arena *a,
                   struct str *dst)
{
    uint64_t total = rd_varint(src);
    struct rd head = rd_of(rd_str(src));
    struct rd nums = *src;
    struct templates t = {.n = n, .a = a, .list_n = rd_count(&head, 4)};
    uint32_t *codes = arena_array(a, uint32_t, at_n + 1);
    uint32_t *ranks = arena_array(a, uint32_t, at_n + 1);
    int rc;

    if (src->bad || head.bad || t.list_n == 0 || total > BLOCK_RAW_LIMIT ||
        rd_left(&nums) < INTS_PAD) {
        return -ERR_CORRUPT;
    }
    t.list = arena_calloc(a, t.list_n, sizeof(*t.list));
    rc = t.list != NULL && codes != NULL && ranks != NULL
             ? pick_codes(&t, &nums, at, at_n, codes, ranks)
             : -ERR_NOMEM;
    for (size_t i = 0; i < t.list_n && rc == 0; i++) {
        rc = read_template(&t, &head, &nums, &t.list[i]);
    }
    for (size_t k = 0; k < at_n && rc == 0; k++) {
        struct template_view *v = &t.list[codes[k]];

        if (v->at == NULL) {
            rc = pick_rows(&t, codes[k], codes, ranks, at_n);
            rc = rc < 0 ? rc : read_slots(&t, v);
            v->at_n = 0; /* from here on: texts made */
        }
        rc = rc < 0 ? rc : pick_text(&t, v, total, &dst[k]);
    }
    return rc;
}

int templates_status(const struct templates *t)
{
    return t->rc;
}

size_t templates_count(const struct templates *t)
{
    return t->list_n;
}

const uint32_t *templates_codes(const struct templates *t)
{
    return t->codes;
}

bool templates_is_constant(const struct templates *t, size_t template)
{
    return t->list[template].slots_n == 0;
}

/* ---- search ---- */

static bool piece_has(struct str piece, struct str needle, enum templates_search how)
{
    switch (how) {
    case TEMPLATES_NOCASE:
        return text_contains(piece, needle);
    case TEMPLATES_CASE:
        return str_find(piece, needle) >= 0;
    default:
        return text_has_word(piece, needle);
    }
}

static bool all_in(struct str s, bool hex)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = (char)LOWER_CHAR[(uint8_t)s.p[i]];

        if (hex ? hex_digit(c) < 0 : c < '0' || c > '9') {
            return false;
        }
    }
    return true;
}

/* May the token, or what of it lies at an end of the search text, be in a place? Words of dictionaries and texts lie
 * together with their lengths. */
static bool slots_may_hold(const struct template_view *v, struct str token)
{
    bool decimal = all_in(token, false);
    bool hex = decimal || all_in(token, true);
    bool strings = false;

    for (uint32_t i = 0; i < v->slots_n; i++) {
        const struct slot *s = &v->slots[i];

        switch (s->kind) {
        case SLOT_NUMBER:
            if (decimal && token.n <= SLOT_DIGITS_MAX) {
                return true;
            }
            break;
        case SLOT_PADDED:
        case SLOT_HEX:
            if ((s->kind == SLOT_HEX ? hex : decimal) && token.n <= s->width) {
                return true;
            }
            break;
        default:
            strings = true;
        }
    }
    return strings && text_contains(v->strings, token);
}

enum templates_hit templates_find(const struct templates *t, size_t template, struct str needle,
                                  enum templates_search how)
{
    const struct template_view *v = &t->list[template];
    struct str rest = needle;
    struct str token;
    bool any = false;

    if (v->rows_n == 0) {
        return TEMPLATES_NONE;
    }
    for (uint32_t i = 0; i <= v->slots_n; i++) {
        if (piece_has(v->pieces[i], needle, how)) {
            return TEMPLATES_ALL;
        }
    }
    if (template == 0 && v->slots_n == 1) { /* whole texts are no tokens */
        return text_contains(v->strings, needle) ? TEMPLATES_SOME : TEMPLATES_NONE;
    }
    while (text_next_token(&rest, &token)) { /* each lies in a place or between */
        bool there = slots_may_hold(v, token);

        any = any || there;
        for (uint32_t i = 0; i <= v->slots_n && !there; i++) {
            there = text_contains(v->pieces[i], token);
        }
        if (!there) {
            return TEMPLATES_NONE;
        }
    }
    return any ? TEMPLATES_SOME : TEMPLATES_NONE;
}
