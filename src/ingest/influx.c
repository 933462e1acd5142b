/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over a line: the measurement and its tags as they stand are the identity of all its fields, so that
 * a known series costs a hash of its field's name. Escapes are undone only for a series seen first.
 */
#include "ingest/influx.h"

#include <math.h>

#include "base/err.h"
#include "codec/utf8.h"
#include "ingest/expo_internal.h"
#include "ingest/push_forms.h"

enum {
    SHOWN_MAX = 80, /* bytes of a line in an error */
    TAGS_MAX = 1024,
};

struct request {
    const struct influx_opts *io;
    struct str body;
    struct push *p;
};

struct line {
    struct request *r;
    const char *p;
    const char *end;
    struct str key; /* measurement and tags, raw */
    struct str measurement;
    struct hash128 key_hash;
    int64_t t_ms;
};

bool influx_precision(struct str s, int64_t *ret_unit_ns)
{
    static const struct {
        struct str name;
        int64_t ns;
    } UNITS[] = {
        {{"", 0}, 1},
        {{"ns", 2}, 1},
        {{"n", 1}, 1},
        {{"us", 2}, 1000},
        {{"u", 1}, 1000},
        {{"\xc2\xb5", 2}, 1000},
        {{"ms", 2}, 1000000},
        {{"s", 1}, 1000000000},
        {{"m", 1}, INT64_C(60000000000)},
        {{"h", 1}, INT64_C(3600000000000)},
    };

    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (str_eq(s, UNITS[i].name)) {
            *ret_unit_ns = UNITS[i].ns;
            return true;
        }
    }
    return false;
}

/* End of a name or tag value: the first byte of `stops` that has no backslash before it. */
static const char *token_end(const char *p, const char *end, const char *stops)
{
    for (; p < end; p++) {
        if (*p == '\\' && p + 1 < end) {
            p++;
        } else if (strchr(stops, *p) != NULL && *p != '\0') {
            return p;
        }
    }
    return end;
}

/* Backslash before a comma, an equals sign or a space goes; before anything else it stays. */
static struct str unescape(struct str s, struct arena *a)
{
    size_t n = 0;
    char *dst;

    if (s.n == 0 || memchr(s.p, '\\', s.n) == NULL) {
        return s;
    }
    dst = arena_alloc(a, s.n, 1);
    for (size_t i = 0; dst != NULL && i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n && strchr(",= ", s.p[i + 1]) != NULL &&
            s.p[i + 1] != '\0') {
            i++;
        }
        dst[n++] = s.p[i];
    }
    return str_of(dst, n);
}

/* ---- labels of a new series ---- */

static bool add_tags(struct line *l, struct label *v, size_t *n, struct arena *a)
{
    const char *p = l->measurement.p + l->measurement.n;
    const char *end = l->key.p + l->key.n;

    while (p < end) { /* at a comma */
        const char *name = p + 1;
        const char *eq = token_end(name, end, "=,");
        const char *value = eq + 1;

        p = token_end(value, end, ",");
        v[*n].name = unescape(str_of(name, (size_t)(eq - name)), a);
        v[*n].value = unescape(str_of(value, (size_t)(p - value)), a);
        if (v[*n].name.p == NULL || v[*n].value.p == NULL) {
            return false;
        }
        (*n)++;
    }
    return true;
}

static bool has_label(const struct label *v, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(v[i].name, name)) {
            return true;
        }
    }
    return false;
}

static int labels_of(struct line *l, struct str field, struct labels *ret, struct err *reterr)
{
    const struct influx_opts *io = l->r->io;
    struct arena *a = push_arena(l->r->p);
    struct label *v;
    size_t tags = 0;
    size_t n = 1;

    for (size_t i = 0; i < l->key.n; i++) {
        tags += l->key.p[i] == ',';
    }
    v = arena_array(a, struct label, tags + 2);
    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for labels");
    }
    struct str measurement = unescape(l->measurement, a);

    field = unescape(field, a);
    v[0].name = STR(LABEL_NAME);
    v[0].value = arena_printf(a, "%.*s_%.*s", STR_ARG(measurement), STR_ARG(field));
    if (v[0].value.p == NULL || !add_tags(l, v, &n, a)) {
        return err_set(reterr, ERR_NOMEM, "no memory for labels");
    }
    if (io->db.n != 0 && !has_label(v, n, io->db_label)) {
        v[n++] = (struct label){io->db_label, io->db};
    }
    return push_labels(l->r->p, (struct labels){v, n}, ret, reterr);
}

/* ---- fields ---- */

enum field_kind { FIELD_NUMBER, FIELD_STRING, FIELD_BAD };

static enum field_kind field_value(struct str s, double *ret)
{
    static const struct {
        struct str text;
        double value;
    } WORDS[] = {
        {{"t", 1}, 1}, {{"T", 1}, 1}, {{"true", 4}, 1},  {{"True", 4}, 1},  {{"TRUE", 4}, 1},
        {{"f", 1}, 0}, {{"F", 1}, 0}, {{"false", 5}, 0}, {{"False", 5}, 0}, {{"FALSE", 5}, 0},
    };

    char last = s.n != 0 ? s.p[s.n - 1] : '\0';
    uint64_t u;
    int64_t i;

    if (s.n != 0 && s.p[0] == '"') {
        return FIELD_STRING;
    }
    for (size_t w = 0; w < ARRAY_LEN(WORDS); w++) {
        if (str_eq(s, WORDS[w].text)) {
            *ret = WORDS[w].value;
            return FIELD_NUMBER;
        }
    }
    if (last == 'i' && str_to_i64(str_take(s, s.n - 1), &i)) {
        *ret = (double)i;
        return FIELD_NUMBER;
    }
    if (last == 'u' && str_to_u64(str_take(s, s.n - 1), &u)) {
        *ret = (double)u;
        return FIELD_NUMBER;
    }
    return expo_f64(s, ret) && isfinite(*ret) ? FIELD_NUMBER : FIELD_BAD;
}

/* Behind the value that begins at p: strings hold anything, other values end at a comma or a space. */
static const char *value_end(const char *p, const char *end)
{
    if (p == end || *p != '"') {
        return token_end(p, end, ", ");
    }
    for (p++; p < end; p++) {
        if (*p == '\\' && p + 1 < end) {
            p++;
        } else if (*p == '"') {
            return p + 1;
        }
    }
    return NULL;
}

static int store(struct line *l, struct str field, double value, struct err *reterr)
{
    const uint64_t id[4] = {l->key_hash.lo, l->key_hash.hi, hash64(field.p, field.n),
                            hash64_seed(field.p, field.n, 1)};
    struct push_series s;
    struct labels ls = {NULL, 0};
    int rc = 0;

    push_find(l->r->p, PUSH_FORM_INFLUX, id, sizeof(id), &s);
    if (!s.known) {
        rc = labels_of(l, field, &ls, reterr);
        rc = rc != 0 ? rc : push_intern(l->r->p, ls, &s, reterr);
        push_reset(l->r->p);
    }
    rc = rc != 0 ? rc : push_sample(l->r->p, &s, l->t_ms, value, reterr);
    return rc < 0 ? rc : 0;
}

/* Walk over the fields at l->p. `store_them` false: only check. l->p goes behind them.
 * @return NULL, or what is wrong; *ret_rc is a failure of the store */
static const char *fields(struct line *l, bool store_them, int *ret_rc, struct err *reterr)
{
    for (;;) {
        const char *eq = token_end(l->p, l->end, "=, ");
        struct str name = str_of(l->p, (size_t)(eq - l->p));
        const char *end;
        enum field_kind kind;
        double value = 0;

        if (eq == l->end || *eq != '=' || name.n == 0) {
            return eq == l->p && name.n == 0 && eq == l->end ? "missing fields"
                   : name.n == 0                             ? "missing field key"
                                                             : "missing field value";
        }
        end = value_end(eq + 1, l->end);
        if (end == NULL) {
            return "unbalanced quotes";
        }
        kind = field_value(str_of(eq + 1, (size_t)(end - eq - 1)), &value);
        if (kind == FIELD_BAD) {
            return end == eq + 1 ? "missing field value" : "invalid field value";
        }
        if (store_them && kind == FIELD_STRING) {
            push_skip(l->r->p, 1);
        } else if (store_them && (*ret_rc = store(l, name, value, reterr)) < 0) {
            return NULL;
        }
        l->p = end;
        if (end == l->end || *end == ' ') {
            return NULL;
        }
        if (*end != ',') {
            return "invalid field format";
        }
        l->p++;
    }
}

/* ---- lines ---- */

static const char *read_key(struct line *l)
{
    const char *p = token_end(l->p, l->end, ", ");
    size_t tags = 0;

    l->measurement = str_of(l->p, (size_t)(p - l->p));
    if (l->measurement.n == 0) {
        return "missing measurement";
    }
    while (p < l->end && *p == ',') {
        const char *eq = token_end(p + 1, l->end, "=, ");

        if (eq == p + 1) {
            return "missing tag key";
        }
        if (eq == l->end || *eq != '=') {
            return "missing tag value";
        }
        p = token_end(eq + 1, l->end, ", =");
        if (p == eq + 1) {
            return "missing tag value";
        }
        if (p < l->end && *p == '=') {
            return "invalid tag format";
        }
        if (++tags > TAGS_MAX) {
            return "too many tags";
        }
    }
    l->key = str_of(l->p, (size_t)(p - l->p));
    l->p = p;
    return NULL;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static const char *read_time(struct line *l)
{
    int64_t unit = l->r->io->unit_ns;
    struct str text = str_trim(str_of(l->p, (size_t)(l->end - l->p)));
    int64_t t;

    if (text.n == 0) {
        l->t_ms = push_now_ms(l->r->p);
        return NULL;
    }
    if (!str_to_i64(text, &t)) {
        return "bad timestamp";
    }
    if (unit < 1000000) {
        l->t_ms = floor_div(t, 1000000 / unit);
        return NULL;
    }
    return __builtin_mul_overflow(t, unit / 1000000, &l->t_ms) ? "time outside range" : NULL;
}

static void skip_blanks(struct line *l)
{
    while (l->p < l->end && *l->p == ' ') {
        l->p++;
    }
}

/* First to the end for the time and for errors, then the fields once more into the store.
 * @return what is wrong, or NULL */
static const char *one_line(struct line *l, int *ret_rc, struct err *reterr)
{
    const struct influx_opts *io = l->r->io;
    const char *at;
    const char *why = read_key(l);

    if (why == NULL) {
        skip_blanks(l);
        at = l->p;
        why = at == l->end ? "missing fields" : fields(l, false, ret_rc, reterr);
    }
    if (why == NULL) {
        why = read_time(l);
    }
    if (why != NULL) {
        return why;
    }
    const uint64_t parts[5] = {hash64(l->key.p, l->key.n), hash64_seed(l->key.p, l->key.n, 1),
                               hash64(io->db.p, io->db.n), io->db.n, 0};

    l->key_hash = hash128(parts, sizeof(parts));
    l->p = at;
    return fields(l, true, ret_rc, reterr);
}

/* End of a line: quoted strings may hold line feeds. Quotes count only behind the tags. */
static const char *line_end(const char *p, const char *end)
{
    const char *eol = memchr(p, '\n', (size_t)(end - p));
    bool in_fields = false;
    bool quoted = false;

    eol = eol != NULL ? eol : end;
    if (memchr(p, '"', (size_t)(eol - p)) == NULL) {
        return eol;
    }
    for (; p < end; p++) {
        if (*p == '\\' && p + 1 < end) {
            p++;
        } else if (*p == '"' && in_fields) {
            quoted = !quoted;
        } else if (*p == ' ' && !quoted) {
            in_fields = true;
        } else if (*p == '\n' && !quoted) {
            return p;
        }
    }
    return quoted ? eol : end;
}

static void refuse_line(struct request *r, struct str line, size_t number, const char *why)
{
    struct str clean = {0};
    struct err e = {0};

    if (utf8_clean(str_take(line, SHOWN_MAX), push_arena(r->p), &clean, NULL) < 0) {
        clean = str_of("", 0);
    }
    err_set(&e, ERR_INVALID, "line %zu: unable to parse '%.*s': %s", number, STR_ARG(clean), why);
    push_refuse_text(r->p, &e);
    push_reset(r->p);
}

static int decode(void *arg, struct push *p, struct err *reterr)
{
    struct request *r = arg;
    const char *at = r->body.n != 0 ? r->body.p : "";
    const char *end = at + r->body.n;
    int rc = 0;

    r->p = p;
    for (size_t number = 1; at < end && rc >= 0; number++) {
        const char *eol = line_end(at, end);
        struct str text = str_trim(str_of(at, (size_t)(eol - at)));
        struct line l = {.r = r, .p = text.p, .end = text.p + text.n};
        const char *why;

        at = eol + (eol < end);
        if (text.n == 0 || text.p[0] == '#') {
            continue;
        }
        why = one_line(&l, &rc, reterr);
        if (why != NULL) {
            refuse_line(r, text, number, why);
        }
    }
    return rc < 0 ? rc : 0;
}

int influx_write(struct push_door *d, const struct push_opts *o, const struct influx_opts *io,
                 struct str body, struct push_result *ret, struct err *reterr)
{
    struct request r = {.io = io, .body = body};

    return push_run(d, o, decode, &r, ret, reterr);
}
