/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables as text: --help, the documentation page and the effective settings as YAML. Invariant: no text
 * written here holds the value of a secret.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "conf/conf_internal.h"

static const char *placeholder_of(const struct conf_key *key)
{
    static const char *const NAMES[] = {
        [CONF_STRING] = "TEXT",
        [CONF_BOOL] = "",
        [CONF_INT] = "N",
        [CONF_BYTES] = "SIZE",
        [CONF_DURATION_MS] = "DURATION",
        [CONF_ENUM] = "WORD",
        [CONF_STRING_LIST] = "TEXT",
    };

    return key->placeholder != NULL ? key->placeholder : NAMES[key->type];
}

static void add_choices(const struct conf_key *key, const char *between, struct buf *dst)
{
    for (size_t i = 0; key->choices[i] != NULL; i++) {
        buf_add_cstr(dst, i > 0 ? between : "");
        buf_add_cstr(dst, key->choices[i]);
    }
}

static size_t add_flag(const struct conf_key *key, struct buf *dst)
{
    size_t before = dst->n;

    buf_printf(dst, "  --%s", key->flag);
    if (key->type == CONF_ENUM && key->placeholder == NULL) {
        buf_add_byte(dst, ' ');
        add_choices(key, "|", dst);
    } else if (placeholder_of(key)[0] != '\0') {
        buf_printf(dst, " %s", placeholder_of(key));
    }
    return dst->n - before;
}

static void pad(struct buf *dst, size_t n)
{
    while (n-- > 0) {
        buf_add_byte(dst, ' ');
    }
}

/* Words of `text` broken at CONF_HELP_WIDTH, later lines indented. `at` is the current column. */
static void add_wrapped(struct buf *dst, struct str text, size_t at, size_t indent)
{
    struct str word;
    bool first = true;

    while (str_split(&text, ' ', &word)) {
        if (!first && at + 1 + word.n > CONF_HELP_WIDTH) {
            buf_add_byte(dst, '\n');
            pad(dst, indent);
            at = indent;
        } else if (!first) {
            buf_add_byte(dst, ' ');
            at++;
        }
        buf_add_str(dst, word);
        at += word.n;
        first = false;
    }
    buf_add_byte(dst, '\n');
}

static size_t flag_width(const struct conf_spec *spec)
{
    struct buf b CLEANUP(buf_done) = {0};
    size_t width = 0;

    buf_init(&b, 1 << 16);
    for (size_t t = 0; t < spec->tables_n; t++) {
        for (size_t i = 0; i < spec->tables[t].n; i++) {
            if (spec->tables[t].keys[i].flag != NULL) {
                size_t w = add_flag(&spec->tables[t].keys[i], &b) + 2;

                buf_clear(&b);
                width = w > width && w <= CONF_HELP_FLAG_WIDTH ? w : width;
            }
        }
    }
    return width;
}

static void help_key(const struct conf_key *key, size_t width, struct buf *dst)
{
    struct buf text CLEANUP(buf_done) = {0};
    size_t at = add_flag(key, dst);

    if (at + 2 > width) {
        buf_add_byte(dst, '\n');
        at = 0;
    }
    pad(dst, width - at);
    buf_init(&text, 4096);
    buf_add_cstr(&text, key->help);
    if (key->type != CONF_BOOL && key->default_value != NULL && key->default_value[0] != '\0' &&
        !key->secret) {
        buf_printf(&text, " (default %s)", key->default_value);
    }
    if (key->type == CONF_STRING_LIST) {
        buf_add_cstr(&text, " (may be repeated)");
    }
    add_wrapped(dst, buf_str(&text), width, width);
}

void conf_help(const struct conf_spec *spec, struct buf *dst)
{
    size_t width = flag_width(spec);
    bool hidden = false;

    buf_printf(dst, "Usage: %s [flags]\n\n%s\n", spec->program, spec->summary);
    for (size_t t = 0; t < spec->tables_n; t++) {
        const struct conf_table *table = &spec->tables[t];
        bool heading = false;

        for (size_t i = 0; i < table->n; i++) {
            hidden = hidden || table->keys[i].flag == NULL;
            if (table->keys[i].flag == NULL) {
                continue;
            }
            if (!heading) {
                buf_printf(dst, "\n%s:\n", table->module);
                heading = true;
            }
            help_key(&table->keys[i], width, dst);
        }
    }
    buf_add_cstr(dst, "\n  --help, -h: this text\n\n");
    buf_printf(
        dst,
        "Every setting is also a key of the YAML file and an environment variable that starts\n"
        "with %s; a flag is stronger than the environment, the environment than the file.\n",
        spec->env_prefix);
    if (hidden) {
        buf_add_cstr(dst, "Settings without a flag are listed in docs/configuration.md.\n");
    }
}

static void markdown_cell(struct str s, struct buf *dst)
{
    for (size_t i = 0; i < s.n; i++) {
        buf_add_cstr(dst, s.p[i] == '|' ? "\\" : "");
        buf_add_byte(dst, s.p[i] == '\n' ? ' ' : s.p[i]);
    }
}

static void markdown_type(const struct conf_key *key, struct buf *dst)
{
    static const char *const NAMES[] = {
        [CONF_STRING] = "text", [CONF_BOOL] = "true/false",      [CONF_INT] = "number",
        [CONF_BYTES] = "size",  [CONF_DURATION_MS] = "duration", [CONF_STRING_LIST] = "list",
    };

    if (key->type == CONF_ENUM) {
        add_choices(key, " \\| ", dst);
    } else {
        buf_add_cstr(dst, NAMES[key->type]);
    }
}

static void markdown_key(const struct conf_key *key, const char *env_prefix, struct buf *dst)
{
    bool has_default = key->default_value != NULL && key->default_value[0] != '\0';

    buf_printf(dst, "| `%s` | ", key->key);
    if (key->flag != NULL) {
        buf_printf(dst, "`--%s`", key->flag);
    }
    buf_printf(dst, " | `%s", env_prefix);
    for (const char *c = key->key; *c != '\0'; c++) {
        buf_add_byte(dst, *c == '.' || *c == '-'   ? '_'
                          : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A')
                                                   : *c);
    }
    buf_add_cstr(dst, "` | ");
    markdown_type(key, dst);
    buf_add_cstr(dst, has_default && !key->secret ? " | `" : " | ");
    if (has_default && !key->secret) {
        markdown_cell(str_cstr(key->default_value), dst);
        buf_add_byte(dst, '`');
    }
    buf_add_cstr(dst, key->reloadable ? " | yes | " : " | restart | ");
    markdown_cell(str_cstr(key->help), dst);
    buf_add_cstr(dst, " |\n");
}

void conf_markdown(const struct conf_spec *spec, struct buf *dst)
{
    buf_printf(dst, "# Settings of `%s`\n\n%s\n\n", spec->program, spec->summary);
    buf_printf(
        dst,
        "A flag is stronger than an environment variable, that than the YAML file, that than the\n"
        "default. A dotted key is nested in YAML: `a.b: 1` is written as `a:` with `b: 1` below it.\n"
        "In an environment variable a list is separated by commas; a flag of a list is repeated.\n"
        "\"Reload\" tells whether SIGHUP applies a change.\n");
    for (size_t t = 0; t < spec->tables_n; t++) {
        const struct conf_table *table = &spec->tables[t];

        buf_printf(dst,
                   "\n## %s\n\n"
                   "| Key | Flag | Environment | Type | Default | Reload | Meaning |\n"
                   "|---|---|---|---|---|---|---|\n",
                   table->module);
        for (size_t i = 0; i < table->n; i++) {
            markdown_key(&table->keys[i], spec->env_prefix, dst);
        }
    }
}

static void add_quoted(struct str s, struct buf *dst)
{
    buf_add_byte(dst, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\') {
            buf_add_byte(dst, '\\');
            buf_add_byte(dst, (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            buf_printf(dst, "\\x%02x", c);
        } else {
            buf_add_byte(dst, (char)c);
        }
    }
    buf_add_byte(dst, '"');
}

/* '.' sorts before everything, so that a group's keys stand together. */
static int by_path(const void *a, const void *b)
{
    const char *x = (*(const struct conf_value *const *)a)->key->key;
    const char *y = (*(const struct conf_value *const *)b)->key->key;

    while (*x != '\0' && *x == *y) {
        x++;
        y++;
    }
    return (*x == '.' ? 1 : (unsigned char)*x) - (*y == '.' ? 1 : (unsigned char)*y);
}

static void yaml_value(const struct conf_value *v, size_t indent, struct buf *dst)
{
    switch (v->key->type) {
    case CONF_STRING:
        buf_add_byte(dst, ' ');
        add_quoted(str_cstr(v->shown != NULL ? v->shown : v->text), dst);
        break;
    case CONF_STRING_LIST:
        if (v->list.n == 0) {
            buf_add_cstr(dst, " []");
        }
        for (size_t i = 0; i < v->list.n; i++) {
            buf_add_byte(dst, '\n');
            pad(dst, indent + 2);
            buf_add_cstr(dst, "- ");
            add_quoted(v->shown != NULL ? STR("***") : str_cstr(v->list.v[i]), dst);
        }
        break;
    case CONF_BOOL:
    case CONF_INT:
    case CONF_DURATION_MS:
    case CONF_BYTES:
    case CONF_ENUM:
        buf_printf(dst, " %s", v->shown != NULL ? "\"***\"" : v->text);
        break;
    }
    buf_add_byte(dst, '\n');
}

/* Bytes of the group part ("a.b." of "a.b.c") that both keys share. */
static size_t shared_groups(struct str a, struct str b)
{
    size_t shared = 0;

    for (size_t i = 0; i < a.n && i < b.n && a.p[i] == b.p[i]; i++) {
        if (a.p[i] == '.') {
            shared = i + 1;
        }
    }
    return shared;
}

void conf_yaml(const struct conf *c, struct buf *dst)
{
    const struct conf_value **sorted = mem_xcalloc(c->n + 1, sizeof(*sorted));
    struct str last = {0};

    for (size_t i = 0; i < c->n; i++) {
        sorted[i] = &c->values[i];
    }
    qsort(sorted, c->n, sizeof(*sorted), by_path);
    for (size_t i = 0; i < c->n; i++) {
        struct str key = str_cstr(sorted[i]->key->key);
        size_t shared = shared_groups(last, key);
        struct str rest = str_drop(key, shared);
        size_t indent = 0;
        int64_t dot;

        for (size_t k = 0; k < shared; k++) {
            indent += key.p[k] == '.' ? 2 : 0;
        }
        while ((dot = str_find_byte(rest, '.')) >= 0) {
            pad(dst, indent);
            buf_add_str(dst, str_take(rest, (size_t)dot));
            buf_add_cstr(dst, ":\n");
            rest = str_drop(rest, (size_t)dot + 1);
            indent += 2;
        }
        pad(dst, indent);
        buf_add_str(dst, rest);
        buf_add_byte(dst, ':');
        yaml_value(sorted[i], indent, dst);
        last = key;
    }
    mem_free(sorted);
}
