/* SPDX-License-Identifier: Apache-2.0
 *
 * `bongsu export`: raw samples from a server over HTTP into a file, written as they come.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "remote.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "net/http_client.h"

enum { PROGRESS_MS = 200, CALL_MAX_MS = 24 * 3600 * 1000 };

struct settings_export {
    char *server, *token, *form, *csv, *start, *end, *output;
};

#define EXPORT_STRING(name, placeholder_, default_, help_)                             \
    {                                                                                  \
        .key = #name, .flag = #name, .type = CONF_STRING,                              \
        .offset = offsetof(struct settings_export, name), .default_value = (default_), \
        .placeholder = (placeholder_), .help = (help_)                                 \
    }

static const struct conf_key EXPORT_KEYS[] = {
    REMOTE_SERVER_KEY(struct settings_export, "The server's main door."),
    REMOTE_TOKEN_KEY(struct settings_export, "API token with scope read."),
    {.key = "format",
     .flag = "format",
     .type = CONF_STRING,
     .offset = offsetof(struct settings_export, form),
     .default_value = "json",
     .placeholder = "FORM",
     .help = "json (JSON lines), text or csv."},
    {.key = "columns",
     .flag = "columns",
     .type = CONF_STRING,
     .offset = offsetof(struct settings_export, csv),
     .default_value = "__name__,__value__,__timestamp__:unix_s",
     .placeholder = "FORMAT",
     .help = "Columns of CSV: labels, __name__, __value__, __timestamp__:unix_s."},
    EXPORT_STRING(start, "TIME", "", "Unix seconds or RFC 3339; default the oldest."),
    EXPORT_STRING(end, "TIME", "", "Unix seconds or RFC 3339; default the newest."),
    EXPORT_STRING(output, "FILE", "-", "Where to write; - is standard output."),
};

static const struct conf_table EXPORT_TABLE = {"Export", EXPORT_KEYS, ARRAY_LEN(EXPORT_KEYS)};

static const struct conf_spec EXPORT_SPEC = {
    .program = "bongsu export SELECTOR",
    .summary = "Writes raw samples of the series a selector matches, e.g. '{job=\"api\"}'.",
    .env_prefix = "BONGSU_",
    .tables = &EXPORT_TABLE,
    .tables_n = 1};

struct export
{
    const struct settings_export *s;
    FILE *out;
    int64_t bytes;
    bool tty;
    struct mono last_progress;
};

static void add_param(struct buf *b, const char *name, const char *value)
{
    if (value[0] != '\0') {
        buf_printf(b, "&%s=", name);
        buf_add_percent(b, str_cstr(value), URL_UNRESERVED);
    }
}

static int take(void *arg, struct str piece)
{
    struct export *x = arg;

    if (fwrite(piece.p, 1, piece.n, x->out) != piece.n) {
        return -1;
    }
    x->bytes += (int64_t)piece.n;
    if (x->tty && mono_since_ns(x->last_progress) > PROGRESS_MS * 1000000ll) {
        x->last_progress = clock_mono();
        fprintf(stderr, "\r%.1f MB ", (double)x->bytes / 1e6);
    }
    return 0;
}

static int call(struct export *x, const char *url, const char *bearer)
{
    struct http_client *client = http_client_new(&(struct http_client_opts){0});
    const char *headers[2] = {bearer, NULL};
    struct http_answer answer = {0};
    struct err e = {0};
    int code = 0;

    errno = 0;
    if (http_client_call(client,
                         &(struct http_call){.method = "GET",
                                             .url = url,
                                             .headers = headers,
                                             .timeout_ms = CALL_MAX_MS,
                                             .max_response = 1 << 20,
                                             .take = take,
                                             .take_arg = x},
                         &answer, &e) < 0) {
        if (e.code == ERR_CANCELED && errno != 0) {
            err_set_errno(&e, errno, "%s", x->s->output);
        }
        fprintf(stderr, "bongsu export: %s\n", e.msg);
        code = 1;
    } else if (answer.status != 200) {
        fprintf(stderr, "bongsu export: the server answered %d: %.*s\n", answer.status,
                STR_ARG(buf_str(&answer.body)));
        code = 1;
    }
    if (x->tty) {
        fprintf(stderr, "\r%.1f MB \n", (double)x->bytes / 1e6);
    }
    buf_done(&answer.body);
    http_client_free(client);
    return code;
}

static int cannot_write(const struct settings_export *s)
{
    struct err e = {0};

    err_set_errno(&e, errno, "%s", s->output);
    fprintf(stderr, "bongsu export: %s\n", e.msg);
    return 1;
}

static int run_export(const struct settings_export *s, const char *selector)
{
    bool to_stdout = strcmp(s->output, "-") == 0;
    bool csv = strcmp(s->form, "csv") == 0;
    struct export x = {.s = s, .tty = isatty(STDERR_FILENO) && !to_stdout};
    struct buf url CLEANUP(buf_done);
    struct buf bearer CLEANUP(buf_done);
    int code;

    buf_init(&url, 1 << 20);
    buf_init(&bearer, 4096);
    if (!csv && strcmp(s->form, "json") != 0 && strcmp(s->form, "text") != 0) {
        fprintf(stderr, "bongsu export: --format is json, text or csv\n");
        return 2;
    }
    buf_printf(&url, "%s/api/v1/export%s?", s->server, csv ? "/csv" : "");
    add_param(&url, "match[]", selector);
    add_param(&url, "start", s->start);
    add_param(&url, "end", s->end);
    add_param(&url, "format", csv ? s->csv : strcmp(s->form, "text") == 0 ? "prometheus" : "");
    buf_add_byte(&url, '\0');
    if (s->token[0] != '\0') {
        buf_printf(&bearer, "Authorization: Bearer %s", s->token);
        buf_add_byte(&bearer, '\0');
    }
    x.out = to_stdout ? stdout : fopen(s->output, "wbe");
    if (x.out == NULL || url.failed || bearer.failed) {
        return cannot_write(s);
    }
    code = call(&x, url.data, bearer.n != 0 ? bearer.data : NULL);
    if ((to_stdout ? fflush(x.out) : fclose(x.out)) != 0) {
        code = cannot_write(s);
    }
    return code;
}

static int show_help(void)
{
    struct buf help CLEANUP(buf_done);

    buf_init(&help, 1 << 16);
    conf_help(&EXPORT_SPEC, &help);
    fwrite(help.data, 1, help.n, stdout);
    return 0;
}

int client_export_main(int argc, char **argv)
{
    struct settings_export s = {0};
    struct conf *conf = NULL;
    struct err e = {0};
    const char *selector = argc > 0 ? argv[argc - 1] : "--help";
    int code;
    int rc;

    if (strcmp(selector, "--help") == 0) {
        return show_help();
    }
    rc = conf_load(&EXPORT_SPEC, argc - 1, argv, NULL, &s, &conf, &e);
    if (rc < 0) {
        fprintf(stderr, "bongsu export: %s\n", e.msg);
    }
    code = rc < 0 ? 2 : rc == 1 ? show_help() : run_export(&s, selector);
    conf_free(conf, &s);
    return code;
}
