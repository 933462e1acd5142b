/* SPDX-License-Identifier: Apache-2.0
 *
 * Gathering settings: defaults, then the file, the environment and the flags, each overwriting the one
 * before. Invariant: every source is checked in full, so a wrong value is found even where a stronger
 * source overrides it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "conf/conf_internal.h"

int64_t conf_find(const struct conf *c, struct str path)
{
    for (size_t i = 0; i < c->n; i++) {
        if (str_eq(str_cstr(c->values[i].key->key), path)) {
            return (int64_t)i;
        }
    }
    return -1;
}

static bool below(struct str key, struct str group)
{
    return key.n > group.n && key.p[group.n] == '.' && str_starts(key, group);
}

bool conf_is_group(const struct conf *c, struct str path)
{
    for (size_t i = 0; i < c->n; i++) {
        if (path.n != 0 && below(str_cstr(c->values[i].key->key), path)) {
            return true;
        }
    }
    return false;
}

/* Edit distance of two short texts, by rows (Wagner and Fischer 1974). */
static size_t distance(struct str a, struct str b)
{
    enum { MAX = 63 };

    size_t row[MAX + 1];

    if (a.n > MAX || b.n > MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b.n; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < a.n; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < b.n; j++) {
            size_t best = diagonal + (a.p[i] != b.p[j]);

            diagonal = row[j + 1];
            best = diagonal + 1 < best ? diagonal + 1 : best;
            row[j + 1] = row[j] + 1 < best ? row[j] + 1 : best;
        }
    }
    return row[b.n];
}

struct nearest {
    struct str name;
    size_t distance;
};

static void consider(struct nearest *best, struct str wanted, struct str name)
{
    size_t d = distance(wanted, name);
    size_t limit = wanted.n / 3 > 2 ? wanted.n / 3 : 2;

    if (d <= limit && d < name.n && d < best->distance) {
        *best = (struct nearest){name, d};
    }
}

static void suggest(const struct nearest *best, const char *dashes, struct buf *dst)
{
    if (best->distance != SIZE_MAX) {
        buf_printf(dst, " (did you mean '%s%.*s'?)", dashes, STR_ARG(best->name));
    }
}

void conf_suggest_key(const struct conf *c, struct str path, struct buf *dst)
{
    struct nearest best = {.distance = SIZE_MAX};

    for (size_t i = 0; i < c->n; i++) {
        struct str key = str_cstr(c->values[i].key->key);

        consider(&best, path, key);
        for (size_t k = 0; k < key.n; k++) {
            if (key.p[k] == '.') {
                consider(&best, path, str_take(key, k));
            }
        }
    }
    suggest(&best, "", dst);
}

void conf_suggest_flag(const struct conf *c, struct str flag, struct buf *dst)
{
    struct nearest best = {.distance = SIZE_MAX};

    for (size_t i = 0; i < c->n; i++) {
        if (c->values[i].key->flag != NULL) {
            consider(&best, flag, str_cstr(c->values[i].key->flag));
        }
    }
    suggest(&best, "--", dst);
}

static char *env_name(const char *prefix, const char *key)
{
    size_t prefix_n = strlen(prefix);
    size_t n = strlen(key);
    char *name = mem_xcalloc(prefix_n + n + 1, 1);

    memcpy(name, prefix, prefix_n);
    for (size_t i = 0; i < n; i++) {
        char ch = key[i];

        name[prefix_n + i] = ch == '.' || ch == '-'   ? '_'
                             : ch >= 'a' && ch <= 'z' ? (char)(ch - 'a' + 'A')
                                                      : ch;
    }
    return name;
}

/* A key twice, or a key that is also a group, is a mistake in the program's tables. */
static int check_tables(const struct conf *c, struct err *reterr)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct conf_key *a = c->values[i].key;

        for (size_t k = 0; k < i; k++) {
            const struct conf_key *b = c->values[k].key;

            if (strcmp(a->key, b->key) == 0 || below(str_cstr(a->key), str_cstr(b->key)) ||
                below(str_cstr(b->key), str_cstr(a->key)) ||
                (a->flag != NULL && b->flag != NULL && strcmp(a->flag, b->flag) == 0)) {
                return err_set(reterr, ERR_INTERNAL, "settings %s and %s clash", a->key, b->key);
            }
        }
    }
    return 0;
}

static struct conf *conf_new(const struct conf_spec *spec, int argc, char *const *argv,
                             const char *file_key)
{
    struct conf *c = mem_xcalloc(1, sizeof(*c));
    size_t n = 0;

    c->spec = *spec;
    c->lock = mem_xcalloc(1, sizeof(*c->lock));
    mutex_init(c->lock, LOCK_RANK_LEAF);
    for (size_t t = 0; t < spec->tables_n; t++) {
        n += spec->tables[t].n;
    }
    c->values = mem_xcalloc(n + 1, sizeof(*c->values));
    for (size_t t = 0; t < spec->tables_n; t++) {
        for (size_t i = 0; i < spec->tables[t].n; i++) {
            struct conf_value *v = &c->values[c->n++];

            v->key = &spec->tables[t].keys[i];
            v->env = env_name(spec->env_prefix, v->key->key);
        }
    }
    c->argc = argc;
    c->argv = mem_xcalloc((size_t)argc + 1, sizeof(*c->argv));
    for (int i = 0; i < argc; i++) {
        c->argv[i] = mem_xstrdup(argv[i]);
    }
    c->file_key = file_key != NULL ? mem_xstrdup(file_key) : NULL;
    return c;
}

static int load_defaults(struct conf *c, void *settings, struct err *reterr)
{
    static const char *const EMPTY[] = {
        [CONF_STRING] = "",       [CONF_BOOL] = "false", [CONF_INT] = "0",
        [CONF_DURATION_MS] = "0", [CONF_BYTES] = "0",
    };

    for (size_t i = 0; i < c->n; i++) {
        const struct conf_key *key = c->values[i].key;
        const char *text = key->default_value;
        struct str s;
        int rc;

        if (text == NULL) {
            text = key->type == CONF_ENUM          ? key->choices[0]
                   : key->type == CONF_STRING_LIST ? ""
                                                   : EMPTY[key->type];
        }
        s = str_cstr(text);
        rc = conf_value_set(
            key, (struct conf_texts){&s, key->type == CONF_STRING_LIST && s.n == 0 ? 0 : 1},
            settings, reterr);
        if (rc < 0) {
            ignore_result(err_prefix(reterr, "default of %s", key->key), "rc is returned");
            return rc;
        }
        c->values[i].origin = CONF_FROM_DEFAULT;
    }
    return 0;
}

/* One use of a flag on the command line. */
struct use {
    size_t i;
    struct str value;
};

static int bad_argument(const struct conf *c, const char *arg, struct str name, struct err *reterr)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 1024);
    if (!str_starts(str_cstr(arg), STR("--"))) {
        buf_add_cstr(&b, "unexpected argument '");
        conf_show(str_cstr(arg), &b);
        buf_add_cstr(&b, "'");
    } else {
        buf_add_cstr(&b, "unknown flag '--");
        conf_show(name, &b);
        buf_add_cstr(&b, "'");
        conf_suggest_flag(c, name, &b);
    }
    return err_set(reterr, ERR_INVALID, "%.*s", STR_ARG(buf_str(&b)));
}

static int64_t find_flag(const struct conf *c, struct str name)
{
    for (size_t i = 0; i < c->n; i++) {
        const char *flag = c->values[i].key->flag;

        if (flag != NULL && str_eq(str_cstr(flag), name)) {
            return (int64_t)i;
        }
    }
    return -1;
}

/* @return 1 for --help. `uses` has room for every argument. */
static int read_flags(const struct conf *c, struct use *uses, size_t *ret_n, struct err *reterr)
{
    size_t n = 0;

    for (int a = 0; a < c->argc; a++) {
        struct str arg = str_cstr(c->argv[a]);
        struct str name = str_starts(arg, STR("--")) ? str_drop(arg, 2) : (struct str){0};
        int64_t eq = str_find_byte(name, '=');
        int64_t i;

        if (str_eq(arg, STR("--help")) || str_eq(arg, STR("-h"))) {
            return 1;
        }
        name = eq >= 0 ? str_take(name, (size_t)eq) : name;
        i = name.n != 0 ? find_flag(c, name) : -1;
        if (i < 0) {
            return bad_argument(c, c->argv[a], name, reterr);
        }
        uses[n].i = (size_t)i;
        if (eq >= 0) {
            uses[n].value = str_drop(arg, 2 + (size_t)eq + 1);
        } else if (c->values[i].key->type == CONF_BOOL) {
            uses[n].value = STR("true");
        } else if (a + 1 < c->argc) {
            uses[n].value = str_cstr(c->argv[++a]);
        } else {
            return err_set(reterr, ERR_INVALID, "--%.*s needs a value", STR_ARG(name));
        }
        n++;
    }
    *ret_n = n;
    return 0;
}

static int load_flags(struct conf *c, const struct use *uses, size_t n, void *settings,
                      struct err *reterr)
{
    struct str *texts = mem_xcalloc(n + 1, sizeof(*texts));
    int rc = 0;

    for (size_t u = 0; u < n && rc == 0; u++) {
        struct conf_value *v = &c->values[uses[u].i];
        size_t texts_n = 0;

        /* All uses of this flag up to here: a list grows, of anything else the last counts. */
        for (size_t k = 0; k <= u; k++) {
            if (uses[k].i == uses[u].i) {
                texts[texts_n++] = uses[k].value;
            }
        }
        rc = conf_value_set(v->key, (struct conf_texts){texts, texts_n}, settings, reterr);
        if (rc < 0) {
            ignore_result(err_prefix(reterr, "--%s", v->key->flag), "rc is returned");
        }
        v->origin = CONF_FROM_FLAG;
    }
    mem_free(texts);
    return rc;
}

static int load_env(struct conf *c, void *settings, struct err *reterr)
{
    for (size_t i = 0; i < c->n; i++) {
        struct conf_value *v = &c->values[i];
        const char *text = getenv(v->env);
        struct str one = str_cstr(text);
        struct str fields[CONF_LIST_MAX + 1];
        struct conf_texts texts = {&one, 1};
        int rc;

        if (text == NULL) {
            continue;
        }
        if (v->key->type == CONF_STRING_LIST) {
            struct str rest = one;

            texts = (struct conf_texts){fields, 0};
            while (one.n != 0 && texts.n < ARRAY_LEN(fields) &&
                   str_split(&rest, ',', &fields[texts.n])) {
                fields[texts.n] = str_trim(fields[texts.n]);
                texts.n++;
            }
        }
        rc = conf_value_set(v->key, texts, settings, reterr);
        if (rc < 0) {
            ignore_result(err_prefix(reterr, "%s", v->env), "rc is returned");
            return rc;
        }
        v->origin = CONF_FROM_ENV;
    }
    return 0;
}

static int read_file(const char *path, struct buf *dst, struct err *reterr)
{
    FILE *f = fopen(path, "rbe");
    size_t got = 1;

    if (f == NULL) {
        return err_set_errno(reterr, errno, "%s", path);
    }
    while (got != 0 && dst->n <= CONF_FILE_MAX) {
        char *to = buf_reserve(dst, 16384);

        if (to == NULL) {
            break;
        }
        got = fread(to, 1, 16384, f);
        dst->n += got;
    }
    if (ferror(f) != 0) {
        int e = errno;

        fclose(f);
        return err_set_errno(reterr, e, "%s", path);
    }
    fclose(f);
    if (buf_status(dst) < 0 || dst->n > CONF_FILE_MAX) {
        return err_set(reterr, ERR_INVALID, "%s: larger than %d bytes", path, CONF_FILE_MAX);
    }
    return 0;
}

/* The file named by a flag, the environment or the default; an empty name is no file. */
static int load_file(struct conf *c, const struct use *uses, size_t n, void *settings,
                     struct err *reterr)
{
    struct buf text CLEANUP(buf_done) = {0};
    int64_t i = c->file_key != NULL ? conf_find(c, str_cstr(c->file_key)) : -1;
    char *path;
    int rc;

    buf_init(&text, CONF_FILE_MAX + 32768);
    if (i < 0) {
        return 0;
    }
    path =
        mem_xstrdup(c->values[i].key->default_value != NULL ? c->values[i].key->default_value : "");
    if (getenv(c->values[i].env) != NULL) {
        mem_free(path);
        path = mem_xstrdup(getenv(c->values[i].env));
    }
    for (size_t u = 0; u < n; u++) {
        if (uses[u].i == (size_t)i) {
            mem_free(path);
            path = str_dup(uses[u].value);
        }
    }
    rc = path[0] == '\0' ? 0 : read_file(path, &text, reterr);
    if (rc == 0 && path[0] != '\0') {
        rc = conf_yaml_load(c, path, buf_str(&text), settings, reterr);
    }
    mem_free(path);
    return rc;
}

void conf_remember(struct conf *c, const void *settings)
{
    for (size_t i = 0; i < c->n; i++) {
        struct conf_value *v = &c->values[i];
        struct buf b;

        buf_init(&b, (size_t)4 * CONF_FILE_MAX);
        conf_value_text(v->key, settings, &b);
        mem_free(v->text);
        v->text = buf_take(&b);
        if (v->text == NULL) {
            v->text = mem_xstrdup("");
        }
        buf_done(&b);
        if (v->key->type == CONF_STRING_LIST) {
            const void *field = (const char *)settings + v->key->offset;

            conf_list_done(&v->list);
            conf_list_copy(&v->list, field);
        }
        mem_free(v->shown);
        v->shown = v->key->secret && v->text[0] != '\0' ? mem_xstrdup("***") : NULL;
    }
}

int conf_load(const struct conf_spec *spec, int argc, char *const *argv, const char *file_key,
              void *settings, struct conf **ret, struct err *reterr)
{
    struct conf *c = conf_new(spec, argc, argv, file_key);
    struct use *uses = mem_xcalloc((size_t)argc + 1, sizeof(*uses));
    size_t n = 0;
    int rc = check_tables(c, reterr);

    rc = rc == 0 ? read_flags(c, uses, &n, reterr) : rc;
    rc = rc == 0 ? load_defaults(c, settings, reterr) : rc;
    rc = rc == 0 ? load_file(c, uses, n, settings, reterr) : rc;
    rc = rc == 0 ? load_env(c, settings, reterr) : rc;
    rc = rc == 0 ? load_flags(c, uses, n, settings, reterr) : rc;
    mem_free(uses);
    if (rc != 0) {
        conf_free(c, settings);
        return rc;
    }
    conf_remember(c, settings);
    *ret = c;
    return 0;
}

int conf_reload(const struct conf *c, void *settings, struct conf **ret, struct err *reterr)
{
    return conf_load(&c->spec, c->argc, c->argv, c->file_key, settings, ret, reterr);
}

void conf_apply_reloadable(struct conf *live, void *live_settings, const struct conf *fresh,
                           const void *fresh_settings, size_t *ret_ignored)
{
    size_t ignored = 0;

    mutex_lock(live->lock);
    for (size_t i = 0; i < live->n; i++) {
        struct conf_value *v = &live->values[i];

        if (conf_value_same(v->key, live_settings, fresh_settings)) {
            continue;
        }
        if (!v->key->reloadable) {
            ignored++;
            continue;
        }
        conf_value_copy(v->key, live_settings, fresh_settings);
        v->origin = fresh->values[i].origin;
    }
    conf_remember(live, live_settings);
    mutex_unlock(live->lock);
    *ret_ignored = ignored;
}

void conf_free(struct conf *c, void *settings)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        if (settings != NULL) {
            conf_value_done(c->values[i].key, settings);
        }
        conf_list_done(&c->values[i].list);
        mem_free(c->values[i].text);
        mem_free(c->values[i].shown);
        mem_free(c->values[i].env);
    }
    for (int i = 0; i < c->argc; i++) {
        mem_free(c->argv[i]);
    }
    mem_free(c->argv);
    mem_free(c->file_key);
    mem_free(c->values);
    mutex_done(c->lock);
    mem_free(c->lock);
    mem_free(c);
}

void conf_read_begin(const struct conf *c)
{
    mutex_lock(c->lock);
}

void conf_read_end(const struct conf *c)
{
    mutex_unlock(c->lock);
}

size_t conf_count(const struct conf *c)
{
    return c->n;
}

struct conf_entry conf_at(const struct conf *c, size_t i)
{
    const struct conf_value *v = &c->values[i];

    return (struct conf_entry){v->key, v->shown != NULL ? v->shown : v->text, v->origin, v->env};
}
