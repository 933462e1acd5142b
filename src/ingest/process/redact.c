/* SPDX-License-Identifier: Apache-2.0
 *
 * Find, merge what overlaps, write. A replacement may let a number stand free that was part of a longer one, so the
 * text is looked at again until nothing is found.
 */
#include "ingest/process/redact.h"

#include <gnutls/crypto.h>
#include <stdlib.h>

#include "base/err.h"
#include "ingest/process/detect_internal.h"

enum {
    PASSES_MAX = 8,
    HITS_MAX = 100000, /* of one text; what has more is not text */
};

void redactor_done(struct redactor *r)
{
    vec_done(&r->found);
    vec_done(&r->done);
    vec_done(&r->next);
    if (r->ready) {
        buf_done(&r->out[0]);
        buf_done(&r->out[1]);
    }
    budget_give(r->budget, r->charged);
    r->charged = 0;
}

/* A text with hits is copied twice, and of each hit is noted where it went. */
static bool reserve(struct redactor *r, size_t n)
{
    int64_t need =
        (int64_t)(2 * n + r->found.n * (sizeof(struct hit) + 2 * sizeof(struct redact_note)));

    if (need > r->charged) {
        if (!budget_take(r->budget, need - r->charged)) {
            return false;
        }
        r->charged = need;
    }
    return true;
}

/* ---- replacements ---- */

void redact_hash(const uint8_t key[REDACT_KEY_SIZE], struct str text, struct buf *dst)
{
    uint8_t mac[32] = {0};

    /* Phones and resident numbers are few: a hash without a secret key would be a table look-up. */
    if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, REDACT_KEY_SIZE, text.p != NULL ? text.p : "",
                         text.n, mac) < 0) {
        buf_add_cstr(dst, "hash:failed");
        return;
    }
    buf_add_cstr(dst, "hash:");
    for (size_t i = 0; i < 8; i++) { /* letters only: no detector takes them for a number */
        buf_add_byte(dst, (char)('a' + (mac[i] >> 4)));
        buf_add_byte(dst, (char)('a' + (mac[i] & 15)));
    }
}

static size_t count_digits(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        n += is_digit(s.p[i]);
    }
    return n;
}

/* Digits number [from, to) become stars. */
static void star_digits(struct str s, size_t from, size_t to, struct buf *dst)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (is_digit(s.p[i])) {
            buf_add_byte(dst, n >= from && n < to ? '*' : s.p[i]);
            n++;
        } else {
            buf_add_byte(dst, s.p[i]);
        }
    }
}

/* A star for every letter and digit, whatever the script; signs and blanks stay. */
static void star_all(struct str s, struct buf *dst)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c >= 0x80) {
            if ((c & 0xc0) != 0x80) {
                buf_add_byte(dst, '*');
            }
        } else {
            buf_add_byte(dst, is_alnum((char)c) ? '*' : (char)c);
        }
    }
}

static void mask_phone(struct str s, struct buf *dst)
{
    size_t digits = count_digits(s);
    size_t after = 0; /* digits behind */
    size_t run = 0;

    for (size_t i = s.n; i > 0 && run < 4; i--) {
        if (is_digit(s.p[i - 1])) {
            run += after >= 4;
            after++;
        } else if (run != 0) {
            break;
        }
    }
    star_digits(s, digits > 4 + run ? digits - 4 - run : 0, digits > 4 ? digits - 4 : digits, dst);
}

static void mask_email(struct str s, struct buf *dst)
{
    size_t at = s.n; /* the last '@': overlapping addresses are one */

    while (at > 0 && s.p[at - 1] != '@') {
        at--;
    }
    if (at > 2) {
        buf_add_byte(dst, s.p[0]);
    }
    buf_add_cstr(dst, "***");
    buf_add_str(dst, at == 0 ? str_of("", 0) : str_drop(s, at - 1));
}

/* The first and, of three and more, the last syllable stay; of English words the first letter. */
static void mask_name(struct str s, struct buf *dst)
{
    bool inside = false;
    size_t n = s.n / 3;

    if (s.n != 0 && (s.p[0] & 0x80) != 0 && s.n % 3 == 0) {
        buf_add_str(dst, str_take(s, 3));
        for (size_t i = 1; i < n; i++) {
            if (i + 1 == n && n > 2) {
                buf_add_str(dst, str_drop(s, s.n - 3));
            } else {
                buf_add_byte(dst, '*');
            }
        }
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ' ') {
            inside = false;
            buf_add_byte(dst, ' ');
        } else if (!inside) {
            inside = true;
            buf_add_byte(dst, s.p[i]);
            buf_add_cstr(dst, "***");
        }
    }
}

static void mask_ipv4(struct str s, struct buf *dst)
{
    size_t dots = 0;

    for (size_t i = 0; i < s.n; i++) {
        dots += s.p[i] == '.';
        if (dots < 2 || s.p[i] == '.') {
            buf_add_byte(dst, s.p[i]);
        } else if (s.p[i - 1] == '.') {
            buf_add_byte(dst, '*');
        }
    }
}

static void mask_ipv6(struct str s, struct buf *dst)
{
    int64_t colon = str_find_byte(s, ':');

    buf_add_str(dst, str_take(s, colon > 0 ? (size_t)colon + 1 : 0));
    buf_add_cstr(dst, "***");
}

static void mask(enum detector d, struct str s, struct buf *dst)
{
    switch (d) {
    case DETECT_KR_RESIDENT:
    case DETECT_KR_FOREIGNER:
        star_digits(s, 6, SIZE_MAX, dst);
        return;
    case DETECT_CARD:
        star_digits(s, 0, count_digits(s) > 4 ? count_digits(s) - 4 : SIZE_MAX, dst);
        return;
    case DETECT_KR_DRIVER:
        star_digits(s, 4, SIZE_MAX, dst);
        return;
    case DETECT_KR_PASSPORT:
        buf_add_str(dst, str_take(s, 1));
        star_all(str_drop(s, 1), dst);
        return;
    case DETECT_ACCOUNT:
        star_digits(s, 3, SIZE_MAX, dst);
        return;
    case DETECT_KR_PHONE:
        mask_phone(s, dst);
        return;
    case DETECT_EMAIL:
        mask_email(s, dst);
        return;
    case DETECT_NAME:
        mask_name(s, dst);
        return;
    case DETECT_IPV4:
        mask_ipv4(s, dst);
        return;
    case DETECT_IPV6:
        mask_ipv6(s, dst);
        return;
    default:
        buf_add_cstr(dst, "***");
        return;
    }
}

/* The same number however it was written gives the same hash. */
static void hash_of(struct redactor *r, const struct redact_rule *rule, struct str s,
                    struct buf *dst)
{
    char flat[64];
    size_t n = 0;

    if (rule->custom || s.n > sizeof(flat) || rule->detector <= DETECT_TOKEN ||
        rule->detector == DETECT_NAME || rule->detector >= DETECT_IPV6) {
        redact_hash(r->key, s, dst);
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (rule->detector == DETECT_EMAIL || is_alnum(s.p[i])) {
            flat[n++] = lower_of(s.p[i]);
        }
    }
    redact_hash(r->key, str_of(flat, n), dst);
}

/* Groups that are kept stay as they are, the rest of the match becomes stars. */
static void mask_custom(const struct redact_rule *rule, struct str text,
                        const struct pattern_span *spans, struct buf *dst)
{
    size_t at = spans[0].start;

    while (at < spans[0].end) {
        size_t next = spans[0].end; /* start of the next kept group */
        size_t next_end = spans[0].end;

        for (size_t g = 1; g < pattern_groups(rule->pattern); g++) {
            if ((rule->keep & 1u << g) != 0 && spans[g].start != SIZE_MAX && spans[g].end > at &&
                spans[g].start < next) {
                next = spans[g].start > at ? spans[g].start : at;
                next_end = spans[g].end < spans[0].end ? spans[g].end : spans[0].end;
            }
        }
        star_all(str_of(text.p + at, next - at), dst);
        buf_add(dst, text.p + next, next_end - next);
        at = next_end;
    }
}

static void replace_custom(struct redactor *r, const struct redact_rule *rule, struct str text,
                           const struct hit *h, struct buf *dst)
{
    struct str s = str_of(text.p + h->start, h->end - h->start);
    struct pattern_span spans[PATTERN_GROUPS_MAX];
    /* Merged with another hit it is no longer what the expression matched. */
    bool exact = pattern_find(rule->pattern, text, h->start, spans) > 0 &&
                 spans[0].start == h->start && spans[0].end == h->end;

    switch (rule->mode) {
    case REDACT_LABEL:
        buf_add_str(dst, rule->label);
        return;
    case REDACT_HASH:
        redact_hash(r->key, s, dst);
        return;
    case REDACT_REPLACE:
        if (exact) {
            pattern_expand(rule->pattern, text, spans, rule->replacement, dst);
            return;
        }
        break;
    default:
        break;
    }
    if (exact && rule->keep != 0) {
        mask_custom(rule, text, spans, dst);
    } else {
        star_all(s, dst);
    }
}

static void replace(struct redactor *r, const struct redact_rule *rule, struct str text,
                    const struct hit *h, struct buf *dst)
{
    struct str s = str_of(text.p + h->start, h->end - h->start);

    if (rule->custom) {
        replace_custom(r, rule, text, h, dst);
    } else if (rule->mode == REDACT_LABEL) {
        buf_add_str(dst, rule->label);
    } else if (rule->mode == REDACT_HASH) {
        hash_of(r, rule, s, dst);
    } else if (h->merged && s.n != 0) {
        buf_add_cstr(dst, "***");
    } else {
        mask(rule->detector, s, dst);
    }
}

/* ---- hits ---- */

static bool find_custom(struct redactor *r, const struct redact_plan *plan, struct str text)
{
    struct pattern_span spans[PATTERN_GROUPS_MAX];

    for (size_t i = 0; i < plan->custom_n; i++) {
        const struct redact_rule *rule = &r->program->redact[plan->custom[i]];
        size_t from = 0;

        while (from <= text.n && r->found.n < HITS_MAX &&
               pattern_find(rule->pattern, text, from, spans) > 0) {
            if (spans[0].end > spans[0].start) {
                struct hit h = {(uint32_t)spans[0].start, (uint32_t)spans[0].end,
                                DETECTOR_COUNT + plan->custom[i], false};

                if (!vec_push(&r->found, h)) {
                    return false;
                }
                from = spans[0].end;
            } else {
                from = spans[0].end + 1; /* an empty match hides nothing */
            }
        }
    }
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct hit *x = a;
    const struct hit *y = b;

    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Sorted; what lies in a replaced range is out, what goes beyond takes it along; what overlaps becomes one, of the
 * first kind. */
static void settle(struct redactor *r)
{
    hits *f = &r->found;
    size_t n = 0;
    size_t d = 0;

    if (f->n > 1) {
        qsort(f->v, f->n, sizeof(*f->v), by_start);
    }
    for (size_t i = 0; i < f->n; i++) {
        struct hit h = f->v[i];

        while (d < r->done.n && r->done.v[d].end <= h.start) {
            d++;
        }
        if (d < r->done.n && r->done.v[d].start <= h.start && r->done.v[d].end >= h.end) {
            continue;
        }
        for (size_t k = d; k < r->done.n && r->done.v[k].start < h.end; k++) {
            const struct redact_note *note = &r->done.v[k];

            h.start = note->start < h.start ? (uint32_t)note->start : h.start;
            h.end = note->end > h.end ? (uint32_t)note->end : h.end;
            h.merged = true;
        }
        if (n != 0 && h.start < f->v[n - 1].end) {
            struct hit *last = &f->v[n - 1];

            last->merged |= h.start != last->start || h.end != last->end;
            last->end = h.end > last->end ? h.end : last->end;
            last->rank = h.rank < last->rank ? h.rank : last->rank;
        } else {
            f->v[n++] = h;
        }
    }
    f->n = n;
}

static const struct redact_rule *rule_of(const struct redactor *r, const struct redact_plan *plan,
                                         const struct hit *h)
{
    return h->rank < DETECTOR_COUNT ? &r->program->redact[plan->by_detector[h->rank]]
                                    : &r->program->redact[h->rank - DETECTOR_COUNT];
}

/* What was replaced before and lies before `until` moves with the text. */
static bool carry_done(struct redactor *r, size_t *d, size_t until, size_t from, size_t to)
{
    for (; *d < r->done.n && r->done.v[*d].start < until; (*d)++) {
        struct redact_note note = r->done.v[*d];

        note.start = note.start - from + to;
        note.end = note.end - from + to;
        if (!vec_push(&r->next, note)) {
            return false;
        }
    }
    return true;
}

static bool write_out(struct redactor *r, const struct redact_plan *plan, struct str text,
                      struct buf *dst)
{
    size_t at = 0;
    size_t d = 0;

    vec_clear(&r->next);
    for (size_t i = 0; i < r->found.n; i++) {
        const struct hit *h = &r->found.v[i];
        const struct redact_rule *rule = rule_of(r, plan, h);
        struct redact_note note = {.rule = rule->id};

        if (!carry_done(r, &d, h->start, at, dst->n)) {
            return false;
        }
        buf_add(dst, text.p + at, h->start - at);
        note.start = dst->n;
        replace(r, rule, text, h, dst);
        note.end = dst->n;
        at = h->end;
        while (d < r->done.n && r->done.v[d].start < at) { /* taken along */
            d++;
        }
        if (!vec_push(&r->next, note)) {
            return false;
        }
    }
    if (!carry_done(r, &d, text.n + 1, at, dst->n)) {
        return false;
    }
    buf_add(dst, text.p + at, text.n - at);
    return true;
}

static void swap_done(struct redactor *r)
{
    struct redact_note *v = r->done.v;
    size_t cap = r->done.cap;

    r->done.v = r->next.v;
    r->done.n = r->next.n;
    r->done.cap = r->next.cap;
    r->next.v = v;
    r->next.cap = cap;
    r->next.n = 0;
}

/* @return 1: a rule wants the whole field gone */
static int find_drop(struct redactor *r, const struct redact_plan *plan)
{
    for (size_t i = 0; i < r->found.n; i++) {
        const struct redact_rule *rule = rule_of(r, plan, &r->found.v[i]);

        if (rule->mode == REDACT_DROP) {
            vec_clear(&r->done);
            return vec_push(&r->done, (struct redact_note){.rule = rule->id}) ? 1 : -ERR_NOMEM;
        }
    }
    return 0;
}

static int too_large(struct redactor *r, struct buf *dst, struct str *ret)
{
    if (dst->nomem) {
        return -ERR_NOMEM;
    }
    buf_clear(dst);
    buf_add_cstr(dst, "[too large after redaction]");
    if (r->next.n != 0) {
        r->next.v[0].start = 0;
        r->next.v[0].end = dst->n;
        r->next.n = 1;
        swap_done(r);
    }
    *ret = buf_str(dst);
    return REDACT_CHANGED;
}

int redact_text(struct redactor *r, const struct redact_plan *plan, struct str key, struct str text,
                struct str *ret)
{
    struct str now = text;
    int rc;

    vec_clear(&r->done);
    for (unsigned pass = 0; pass < PASSES_MAX; pass++) {
        struct buf *dst = &r->out[pass % 2];

        vec_clear(&r->found);
        if ((plan->wanted != 0 && !detect(now, key, plan->wanted, &r->found)) ||
            (pass == 0 && !find_custom(r, plan, now))) {
            return -ERR_NOMEM;
        }
        if (r->found.n == 0) {
            break;
        }
        settle(r);
        if (r->found.n == 0) {
            break;
        }
        if (!reserve(r, now.n)) {
            return -ERR_OVERLOAD;
        }
        rc = find_drop(r, plan);
        if (rc != 0) {
            return rc < 0 ? rc : REDACT_GONE;
        }
        if (!r->ready) {
            buf_init(&r->out[0], REDACT_OUT_MAX);
            buf_init(&r->out[1], REDACT_OUT_MAX);
            r->ready = true;
        }
        buf_clear(dst);
        if (!write_out(r, plan, now, dst)) {
            return -ERR_NOMEM;
        }
        if (dst->failed) {
            return too_large(r, dst, ret);
        }
        swap_done(r);
        now = buf_str(dst);
    }
    *ret = now;
    return r->done.n != 0 ? REDACT_CHANGED : REDACT_SAME;
}
