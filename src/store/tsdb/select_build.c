/* SPDX-License-Identifier: Apache-2.0
 *
 * Building a selection. Each source numbers its pairs for itself; the pairs that selected series use become
 * symbols, the symbols are sorted once, and from then on series are sequences of small numbers.
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/tsdb/select_internal.h"

enum {
    WALK = 256, /* series numbers taken from a set at a time */
    AHEAD = 12, /* series fetched into the cache before they are looked at */
    CHAINS = 8, /* lists of chunks fetched at a time */
    NO_SYMBOL = UINT32_MAX,
    DIGIT_BITS = 11,
    RADIX_MIN = 200, /* fewer are sorted by insertion or merging */
};

struct symbol {
    struct label label;
    uint64_t start; /* of the value, as a number that sorts like the bytes */
    uint32_t name;  /* in names */
    uint32_t rank;
};

struct symbol_name {
    struct str text;
    uint32_t rank;
};

struct build {
    struct series_selection *s;
    const struct series_query *q;
    VEC(struct symbol) symbols;
    VEC(struct symbol_name) names;
    VEC(uint32_t) known; /* pair of the source at hand -> symbol */
    uint32_t last_name;  /* pairs of a name often come together */
};

/* ---- symbols ---- */

static int name_at(struct build *b, struct str text, bool copy, uint32_t *ret)
{
    struct symbol_name n = {text, 0};

    if (b->last_name < b->names.n && str_eq(b->names.v[b->last_name].text, text)) {
        *ret = b->last_name;
        return 0;
    }
    for (size_t i = 0; i < b->names.n; i++) { /* tens of them, asked once a pair */
        if (str_eq(b->names.v[i].text, text)) {
            *ret = b->last_name = (uint32_t)i;
            return 0;
        }
    }
    if (copy) {
        n.text = arena_str_dup(&b->s->arena, text);
        if (n.text.n != text.n) {
            return -ERR_NOMEM;
        }
    }
    *ret = b->last_name = (uint32_t)b->names.n;
    return vec_push(&b->names, n) ? 0 : -ERR_NOMEM;
}

/** `copy`: the strings live only as long as a lock is held. */
static int add_symbol(struct build *b, struct label l, bool copy, uint32_t *ret)
{
    struct symbol y = {.label = l};
    int rc = name_at(b, l.name, copy, &y.name);

    if (rc < 0 || b->symbols.n >= NO_SYMBOL - 1) {
        return -ERR_NOMEM;
    }
    y.label.name = b->names.v[y.name].text;
    if (copy) {
        y.label.value = arena_str_dup(&b->s->arena, l.value);
        if (y.label.value.n != l.value.n) {
            return -ERR_NOMEM;
        }
    }
    y.start = str_start(l.value);
    if (label_name_is_hidden(l.name)) {
        bool start = str_eq(l.value, STR(NATIVE_CODE_START));

        b->s->has_starts |= start;
        b->s->has_components |= !start;
    }
    *ret = (uint32_t)b->symbols.n;
    return vec_push(&b->symbols, y) ? 0 : -ERR_NOMEM;
}

static int forget_known(struct build *b, size_t pairs_n)
{
    vec_clear(&b->known);
    if (!vec_reserve(&b->known, pairs_n + 1) || b->known.v == NULL) {
        return -ERR_NOMEM;
    }
    memset(b->known.v, 0xff, pairs_n * sizeof(*b->known.v));
    b->known.n = pairs_n;
    return 0;
}

/** Room for one more piece of n labels. */
static int piece_room(struct series_selection *s, size_t n)
{
    return s->seqs.n > UINT32_MAX - n || s->pieces.n >= UINT32_MAX || !vec_reserve(&s->seqs, n) ||
                   !vec_reserve(&s->pieces, 1)
               ? -ERR_NOMEM
               : 0;
}

/* ---- the head ---- */

/** First chunk in arrival order that may have samples from `min_ms` on. Found from the newest: queries mostly
 * ask for the latest. */
static struct chunk *first_chunk(const struct series *se, int64_t min_ms)
{
    struct chunk *c = se->last;

    if (c == NULL || c->until_ms < min_ms) {
        return NULL;
    }
    while (c->prev != NULL && c->prev->until_ms >= min_ms) {
        c = c->prev;
    }
    return c;
}

static bool overlaps(const struct series_selection *s, const struct chunk *c)
{
    return c->max_ms >= s->min_ms && c->min_ms <= s->max_ms;
}

static int pin_chunks(struct series_selection *s, const struct series *se, struct head_data *d)
{
    struct chunk *first = first_chunk(se, s->min_ms);
    uint32_t n = 0;

    for (struct chunk *c = first; c != NULL; c = c->next) {
        n += overlaps(s, c) ? 1 : 0;
    }
    if (n == 0) {
        return 0;
    }
    d->chunks = arena_array(&s->arena, struct chunk *, n);
    if (d->chunks == NULL || !vec_reserve(&s->pinned, n)) {
        return -ERR_NOMEM;
    }
    for (struct chunk *c = first; c != NULL; c = c->next) {
        if (overlaps(s, c)) {
            chunk_ref(c);
            s->pinned.v[s->pinned.n++] = c;
            d->chunks[d->chunks_n++] = c;
        }
    }
    return 0;
}

/** Of a buffer in order, found from the newest on: what is too old is not even looked at. */
static int copy_run(struct series_selection *s, const struct series *se, struct head_data *d)
{
    uint32_t end = se->raw_n;
    uint32_t first;

    while (end > 0 && se->raw[end - 1].t > s->max_ms) {
        end--;
    }
    first = end;
    while (first > 0 && se->raw[first - 1].t >= s->min_ms) {
        first--;
    }
    if (first == end) {
        return 0;
    }
    d->points = arena_array(&s->arena, struct point, end - first);
    if (d->points == NULL) {
        return -ERR_NOMEM;
    }
    memcpy(d->points, se->raw + first, (end - first) * sizeof(*d->points));
    d->points_n = end - first;
    return 0;
}

static int copy_points(struct series_selection *s, const struct series *se, struct head_data *d)
{
    size_t n = 0;

    if (se->raw_sorted) {
        return copy_run(s, se, d);
    }
    for (size_t i = 0; i < se->raw_n; i++) {
        n += se->raw[i].t >= s->min_ms && se->raw[i].t <= s->max_ms ? 1 : 0;
    }
    if (n == 0) {
        return 0;
    }
    d->points = arena_array(&s->arena, struct point, n);
    if (d->points == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < se->raw_n; i++) {
        if (se->raw[i].t >= s->min_ms && se->raw[i].t <= s->max_ms) {
            d->points[d->points_n++] = se->raw[i];
        }
    }
    d->points_n = (uint32_t)points_sort(d->points, d->points_n);
    return 0;
}

/** The newest sample in range alone, when the buffer has it and nothing else can be newer.
 * @return 1, 0 when one has to look further, -ERR_NOMEM */
static int copy_last(struct series_selection *s, const struct series *se, struct head_data *d)
{
    size_t i = se->raw_n;

    if (!se->raw_sorted) {
        return 0;
    }
    while (i > 0 && se->raw[i - 1].t > s->max_ms) {
        i--;
    }
    if (i == 0 || se->raw[i - 1].t < s->min_ms ||
        (se->last != NULL && se->last->until_ms > se->raw[i - 1].t)) {
        return 0;
    }
    d->points = arena_new(&s->arena, struct point);
    if (d->points == NULL) {
        return -ERR_NOMEM;
    }
    *d->points = se->raw[i - 1];
    d->points_n = 1;
    return 1;
}

bool head_has_samples(const struct series *se, int64_t min_ms, int64_t max_ms)
{
    for (size_t i = se->raw_n; i > 0; i--) {
        if (se->raw[i - 1].t >= min_ms && se->raw[i - 1].t <= max_ms) {
            return true;
        }
    }
    for (const struct chunk *c = first_chunk(se, min_ms); c != NULL; c = c->next) {
        if (c->max_ms >= min_ms && c->min_ms <= max_ms) {
            return true;
        }
    }
    return false;
}

/** @return 1 with something in range, 0, error */
static int take_head(struct series_selection *s, const struct series *se, struct head_data *d)
{
    int rc;

    if (s->want == SERIES_LABELS) {
        return head_has_samples(se, s->min_ms, s->max_ms);
    }
    rc = s->want == SERIES_LAST ? copy_last(s, se, d) : 0;
    if (rc != 0) {
        return rc;
    }
    rc = pin_chunks(s, se, d);
    rc = rc == 0 ? copy_points(s, se, d) : rc;
    return rc < 0 ? rc : d->chunks_n != 0 || d->points_n != 0;
}

/** @return 1, 0 when it has nothing in range, error */
static int add_head_series(struct build *b, const struct shard *sh, const struct series *se)
{
    struct series_selection *s = b->s;
    struct head_data d = {0};
    struct piece p = {.seq = (uint32_t)s->seqs.n, .seq_n = se->pairs_n};
    int rc = take_head(s, se, &d);

    if (rc <= 0) {
        return rc;
    }
    rc = piece_room(s, se->pairs_n);
    for (size_t i = 0; rc == 0 && i < se->pairs_n; i++) {
        uint32_t pair = se->pairs[i];

        if (b->known.v[pair] == NO_SYMBOL) {
            const struct head_pair *of = sh->pairs.v[pair];

            rc = add_symbol(b, (struct label){of->name, of->value}, true, &b->known.v[pair]);
        }
        s->seqs.v[s->seqs.n + i] = b->known.v[pair];
    }
    p.at = (uint32_t)s->heads.n;
    if (rc < 0 || !vec_push(&s->heads, d)) {
        return -ERR_NOMEM;
    }
    s->seqs.n += se->pairs_n;
    s->pieces.v[s->pieces.n++] = p;
    return 1;
}

static void fetch(const struct shard *sh, uint32_t number)
{
    const struct series *se = head_series_locked(sh, number);

    if (se != NULL) {
        PREFETCH(se);
        PREFETCH((const char *)se + 64);
        PREFETCH((const char *)se + 128);
    }
}

static void fetch_raw(const struct shard *sh, uint32_t number)
{
    const struct series *se = head_series_locked(sh, number);

    if (se != NULL && se->raw_n != 0) {
        PREFETCH(&se->raw[se->raw_n - 1]);
    }
}

/** The chunks in range of some series, which lie all over memory: following one list waits for each chunk, following
 * several side by side waits for all of them at once. */
static void fetch_chunks(const struct shard *sh, const uint32_t *v, uint32_t n, int64_t min_ms)
{
    const struct chunk *at[CHAINS];
    uint32_t left = 0;

    for (uint32_t i = 0; i < n && i < CHAINS; i++) {
        const struct series *se = head_series_locked(sh, v[i]);

        if (se != NULL && se->last != NULL) {
            PREFETCH(se->last);
            at[left++] = se->last;
        }
    }
    while (left > 0) {
        for (uint32_t i = 0; i < left;) {
            const struct chunk *before = at[i]->prev;

            if (before == NULL || at[i]->until_ms < min_ms) {
                at[i] = at[--left];
            } else {
                PREFETCH(before);
                at[i++] = before;
            }
        }
    }
}

/** Leave out series of pages that have nothing as new as the range. @return how many stay */
static uint32_t skip_old(const struct build *b, const struct shard *sh, uint32_t *v, uint32_t n)
{
    size_t page = SIZE_MAX;
    uint32_t kept = 0;
    bool old = false;

    for (uint32_t i = 0; i < n; i++) {
        if (v[i] / HEAD_PAGE != page) {
            page = v[i] / HEAD_PAGE;
            old = head_page_until(sh, page) < b->s->min_ms;
        }
        v[kept] = v[i];
        kept += old ? 0 : 1;
    }
    return kept;
}

/** Series lie all over memory: what comes is fetched while this one is worked on. */
static int walk_some(struct build *b, struct shard *sh, const uint32_t *v, uint32_t n)
{
    size_t page = SIZE_MAX;
    bool found = true; /* something new in the page */
    int rc = 0;

    for (uint32_t i = 0; i < n && i < AHEAD; i++) {
        fetch(sh, v[i]);
    }
    for (uint32_t i = 0; rc >= 0 && i < n; i++) {
        const struct series *se = head_series_locked(sh, v[i]);

        if (v[i] / HEAD_PAGE != page) {
            if (!found) {
                head_mark_page(sh, page);
            }
            page = v[i] / HEAD_PAGE;
            found = false;
        }
        if (i + AHEAD < n) {
            fetch(sh, v[i + AHEAD]);
        }
        if (b->s->want == SERIES_ALL && i % CHAINS == 0) {
            fetch_chunks(sh, v + i, n - i, b->s->min_ms);
        }
        if (i + AHEAD / 2 < n) {
            fetch_raw(sh, v[i + AHEAD / 2]);
        }
        rc = se != NULL ? add_head_series(b, sh, se) : 0;
        found = found || rc > 0;
    }
    if (!found) {
        head_mark_page(sh, page);
    }
    return rc < 0 ? rc : 0;
}

static int walk_shard(struct build *b, struct shard *sh, const roaring_bitmap_t *set)
{
    roaring_uint32_iterator_t it;
    uint32_t v[WALK];
    uint32_t n;
    int rc = 0;

    roaring_init_iterator(set, &it);
    while (rc == 0 && (n = roaring_read_uint32_iterator(&it, v, WALK)) > 0) {
        rc = cancel_check(b->q->cancel);
        n = skip_old(b, sh, v, n);
        rc = rc == 0 ? walk_some(b, sh, v, n) : rc;
        if (rc == 0 && b->s->max_series != 0 && b->s->pieces.n > b->s->max_series) {
            rc = -ERR_LIMIT; /* the head has each series once */
        }
    }
    return rc;
}

static int build_head(struct build *b, struct tsdb *db)
{
    const struct series_query *q = b->q;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < HEAD_SHARDS; i++) {
        struct shard *sh = &db->head.shards[i];
        roaring_bitmap_t *set = NULL;
        struct verdicts verdicts;

        rc = verdicts_prepare(sh, q, &verdicts);
        if (rc < 0) {
            return rc;
        }
        rwlock_read(&sh->lock);
        rc = verdicts_resolve(sh, q, &verdicts, &set);
        if (rc == 0) {
            if (!roaring_bitmap_is_empty(set)) {
                rc = forget_known(b, sh->pairs.n);
                rc = rc == 0 ? walk_shard(b, sh, set) : rc;
            }
            roaring_bitmap_free(set);
        }
        rwlock_unlock(&sh->lock);
        verdicts_done(&verdicts);
    }
    return rc;
}

/* ---- parts ---- */

static int add_part_series(struct build *b, struct part_cursor *at, uint32_t number, uint16_t part)
{
    struct series_selection *s = b->s;
    struct piece p = {.seq = (uint32_t)s->seqs.n, .source = part, .at = (uint32_t)s->places.n};
    int rc = part_seek(at, number);

    if (rc < 0 || at->max_ms < s->min_ms || at->min_ms > s->max_ms || part_hides_series(at)) {
        return rc;
    }
    rc = piece_room(s, at->pairs_n);
    for (uint32_t i = 0; rc == 0 && i < at->pairs_n; i++) {
        uint32_t *known = &b->known.v[at->pairs[i]];

        if (*known == NO_SYMBOL) {
            struct label l;

            rc = part_pair(at->part, at->pairs[i], &l);
            rc = rc == 0 ? add_symbol(b, l, false, known) : rc;
        }
        s->seqs.v[s->seqs.n + i] = *known;
    }
    if (rc == 0 && s->want != SERIES_LABELS && !vec_push(&s->places, part_place_of(at))) {
        rc = -ERR_NOMEM;
    }
    if (rc < 0) {
        return rc;
    }
    p.seq_n = (uint16_t)at->pairs_n;
    s->seqs.n += at->pairs_n;
    s->pieces.v[s->pieces.n++] = p;
    return 0;
}

static int walk_part(struct build *b, uint16_t part, const roaring_bitmap_t *set)
{
    struct part_cursor at;
    roaring_uint32_iterator_t it;
    size_t before = b->s->pieces.n;
    uint32_t v[WALK];
    uint32_t n;
    int rc = 0;

    part_cursor_init(&at, b->s->parts[part - 1]);
    roaring_init_iterator(set, &it);
    while (rc == 0 && (n = roaring_read_uint32_iterator(&it, v, WALK)) > 0) {
        rc = cancel_check(b->q->cancel);
        for (uint32_t i = 0; rc == 0 && i < n; i++) {
            rc = add_part_series(b, &at, v[i], part);
        }
        if (rc == 0 && b->s->max_series != 0 && b->s->pieces.n - before > b->s->max_series) {
            rc = -ERR_LIMIT;
        }
    }
    return rc;
}

static int build_parts(struct build *b)
{
    const struct series_query *q = b->q;
    int rc = b->s->parts_n >= UINT16_MAX ? -ERR_NOMEM : 0;

    for (size_t i = 0; rc == 0 && i < b->s->parts_n; i++) {
        const struct part *p = b->s->parts[i];
        roaring_bitmap_t *set = NULL;

        rc = index_resolve(part_index(p), q->matchers, q->matchers_n, q->cancel, &set);
        if (rc == 0) {
            if (!roaring_bitmap_is_empty(set)) {
                rc = forget_known(b, part_pairs_n(p));
                rc = rc == 0 ? walk_part(b, (uint16_t)(i + 1), set) : rc;
            }
            roaring_bitmap_free(set);
        }
    }
    return rc;
}

/* ---- ranks ---- */

static int by_text(const void *a, const void *b)
{
    const struct symbol_name *const *x = a;
    const struct symbol_name *const *y = b;

    return str_cmp((*x)->text, (*y)->text);
}

static int rank_names(struct build *b)
{
    struct symbol_name **v = mem_try_calloc(b->names.n + 1, sizeof(struct symbol_name *));

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < b->names.n; i++) {
        v[i] = &b->names.v[i];
    }
    qsort(v, b->names.n, sizeof(struct symbol_name *), by_text);
    for (size_t i = 0; i < b->names.n; i++) {
        v[i]->rank = (uint32_t)i;
    }
    mem_free(v);
    return 0;
}

/** While symbols are sorted, `name` is the rank of theirs. */
static int by_label(const void *a, const void *b)
{
    const struct symbol *const *p = a;
    const struct symbol *const *q = b;
    const struct symbol *x = *p;
    const struct symbol *y = *q;

    if (x->name != y->name) {
        return x->name < y->name ? -1 : 1;
    }
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return str_cmp(x->label.value, y->label.value);
}

/** Ranks from 0, the same for equal pairs of several sources. @return how many; 0 on failure */
static size_t rank_symbols(struct build *b, struct label **ret)
{
    size_t n = b->symbols.n;
    struct symbol **v = mem_try_calloc(n + 1, sizeof(struct symbol *));
    struct label *by_rank = mem_try_calloc(n + 1, sizeof(*by_rank));
    size_t ranks = 0;

    if (v == NULL || by_rank == NULL || rank_names(b) < 0) {
        mem_free(v);
        mem_free(by_rank);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        v[i] = &b->symbols.v[i];
        v[i]->name = b->names.v[v[i]->name].rank;
    }
    qsort(v, n, sizeof(struct symbol *), by_label);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || by_label(&v[i - 1], &v[i]) != 0) {
            by_rank[ranks++] = v[i]->label;
        }
        v[i]->rank = (uint32_t)(ranks - 1);
    }
    mem_free(v);
    *ret = by_rank;
    return ranks;
}

/* ---- order ---- */

/** A piece to be sorted: the first ranks packed into one number. */
struct order {
    uint64_t key;
    uint32_t piece;
};

/** What pieces are compared by. */
struct sorter {
    const struct piece *pieces;
    const uint32_t *seqs;
    unsigned bits;   /* of a rank + 1 */
    unsigned packed; /* ranks in a key */
};

static uint64_t key_of(const struct sorter *o, const struct piece *p)
{
    const uint32_t *seq = o->seqs + p->seq;
    uint64_t key = 0;

    for (unsigned i = 0; i < o->packed; i++) {
        key = key << o->bits | (i < p->seq_n ? (uint64_t)seq[i] + 1 : 0);
    }
    return key;
}

/** What follows the packed ranks. */
static int cmp_rest(const struct sorter *o, uint32_t a, uint32_t b)
{
    const struct piece *x = &o->pieces[a];
    const struct piece *y = &o->pieces[b];
    unsigned n = x->seq_n < y->seq_n ? x->seq_n : y->seq_n;

    for (unsigned i = o->packed; i < n; i++) {
        uint32_t p = o->seqs[x->seq + i];
        uint32_t q = o->seqs[y->seq + i];

        if (p != q) {
            return p < q ? -1 : 1;
        }
    }
    return (x->seq_n > y->seq_n) - (x->seq_n < y->seq_n);
}

static bool after(const struct sorter *o, const struct order *x, const struct order *y)
{
    return x->key != y->key ? x->key > y->key : cmp_rest(o, x->piece, y->piece) > 0;
}

/** Stable. */
static void merge_sort(const struct sorter *o, struct order *v, struct order *tmp, size_t n)
{
    size_t half = n / 2;
    size_t a = 0;
    size_t b = half;
    size_t out = 0;

    if (n <= 12) {
        for (size_t i = 1; i < n; i++) {
            struct order x = v[i];
            size_t k = i;

            for (; k > 0 && after(o, &v[k - 1], &x); k--) {
                v[k] = v[k - 1];
            }
            v[k] = x;
        }
        return;
    }
    merge_sort(o, v, tmp, half);
    merge_sort(o, v + half, tmp, n - half);
    if (!after(o, &v[half - 1], &v[half])) {
        return;
    }
    memcpy(tmp, v, half * sizeof(*v));
    while (a < half && b < n) {
        v[out++] = after(o, &tmp[a], &v[b]) ? v[b++] : tmp[a++];
    }
    while (a < half) {
        v[out++] = tmp[a++];
    }
}

/** Stable, by the key alone. @return where the result is: v or tmp */
static struct order *radix_sort(struct order *v, struct order *tmp, size_t n, unsigned bits)
{
    enum { DIGITS = 1 << DIGIT_BITS };

    for (unsigned shift = 0; shift < bits; shift += DIGIT_BITS) {
        size_t at[DIGITS] = {0};
        size_t sum = 0;
        struct order *x = tmp;

        for (size_t i = 0; i < n; i++) {
            at[v[i].key >> shift & (DIGITS - 1)]++;
        }
        if (at[v[0].key >> shift & (DIGITS - 1)] == n) {
            continue;
        }
        for (size_t i = 0; i < DIGITS; i++) {
            size_t c = at[i];

            at[i] = sum;
            sum += c;
        }
        for (size_t i = 0; i < n; i++) {
            tmp[at[v[i].key >> shift & (DIGITS - 1)]++] = v[i];
        }
        tmp = v;
        v = x;
    }
    return v;
}

/** @return v or tmp */
static struct order *sort_pieces(const struct sorter *o, struct order *v, struct order *tmp,
                                 size_t n)
{
    struct order *out;

    for (size_t i = 1; i < n && !after(o, &v[i - 1], &v[i]); i++) {
        if (i + 1 == n) {
            return v; /* one part, or a small head */
        }
    }
    if (n < RADIX_MIN) {
        merge_sort(o, v, tmp, n);
        return v;
    }
    out = radix_sort(v, tmp, n, o->bits * o->packed);
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;

        while (end < n && out[end].key == out[i].key) {
            end++;
        }
        if (end - i > 1) {
            merge_sort(o, out + i, out == v ? tmp : v, end - i);
        }
        i = end;
    }
    return out;
}

/** Pieces in order become series. */
static int make_entries(struct series_selection *s, const struct sorter *o, const struct order *v,
                        const struct label *by_rank)
{
    size_t n = s->pieces.n;
    struct piece *sorted = mem_try_calloc(n, sizeof(*sorted));
    struct label *at = NULL;
    size_t labels = 0;

    if (sorted == NULL || !vec_reserve(&s->entries, n)) {
        mem_free(sorted);
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = s->pieces.v[v[i].piece];
        if (i > 0 && v[i - 1].key == v[i].key && cmp_rest(o, v[i - 1].piece, v[i].piece) == 0) {
            s->entries.v[s->entries.n - 1].n++;
        } else {
            s->entries.v[s->entries.n++] = (struct entry){.first = (uint32_t)i, .n = 1};
            labels += sorted[i].seq_n;
        }
    }
    mem_free(s->pieces.v);
    s->pieces.v = sorted;
    s->pieces.cap = n;
    at = arena_array(&s->arena, struct label, labels + 1);
    if (at == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < s->entries.n; i++) {
        const struct piece *p = &s->pieces.v[s->entries.v[i].first];
        const uint32_t *seq = s->seqs.v + p->seq;

        for (size_t k = 0; k < p->seq_n; k++) {
            at[k] = by_rank[seq[k]];
        }
        s->entries.v[i].labels = (struct labels){at, p->seq_n};
        at += p->seq_n;
    }
    return 0;
}

static int order_pieces(struct build *b, const struct label *by_rank, size_t ranks)
{
    struct series_selection *s = b->s;
    size_t n = s->pieces.n;
    struct sorter o = {.bits = 64 - (unsigned)__builtin_clzll(ranks | 1)};
    struct order *v = mem_try_calloc(2 * n, sizeof(*v));
    int rc = -ERR_NOMEM;

    for (size_t i = 0; i < s->seqs.n; i++) {
        s->seqs.v[i] = b->symbols.v[s->seqs.v[i]].rank;
    }
    o.packed = 64 / o.bits;
    o.pieces = s->pieces.v;
    o.seqs = s->seqs.v;
    if (v != NULL) {
        for (size_t i = 0; i < n; i++) {
            v[i] = (struct order){key_of(&o, &s->pieces.v[i]), (uint32_t)i};
        }
        rc = make_entries(s, &o, sort_pieces(&o, v, v + n, n), by_rank);
    }
    mem_free(v);
    return rc;
}

static int order(struct build *b)
{
    struct label *by_rank = NULL;
    size_t ranks;
    int rc = 0;

    if (b->s->pieces.n == 0) {
        return 0;
    }
    ranks = rank_symbols(b, &by_rank);
    if (ranks == 0 && b->symbols.n != 0) {
        return -ERR_NOMEM;
    }
    rc = order_pieces(b, by_rank, ranks);
    mem_free(by_rank);
    if (rc == 0 && b->s->max_series != 0 && b->s->entries.n > b->s->max_series) {
        rc = -ERR_LIMIT;
    }
    return rc;
}

int selection_build(struct tsdb *db, struct series_selection *s, const struct series_query *q)
{
    struct build b = {.s = s, .q = q};
    int rc;

    s->min_ms = rollup_reach(db, q);
    rc = build_head(&b, db);
    rc = rc == 0 ? rollup_plan(db, q, &s->plan, &s->parts, &s->parts_n) : rc;
    rc = rc == 0 ? build_parts(&b) : rc;
    rc = rc == 0 ? order(&b) : rc;
    vec_done(&b.symbols);
    vec_done(&b.names);
    vec_done(&b.known);
    vec_done(&s->seqs);
    return rc;
}
