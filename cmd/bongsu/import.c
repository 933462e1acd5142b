/* SPDX-License-Identifier: Apache-2.0
 *
 * `bongsu import`: a file of samples to a server over HTTP, cut into requests at ends of lines; on a failure it
 * says which byte to go on from.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "client.h"
#include "import_blocks.h"
#include "remote.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "net/http_client.h"

enum {
    CHUNK_BYTES = 4 << 20, /* of a request */
    READ_BYTES = 256 << 10,
    BUFFER_MAX = 64 << 20, /* a single line may be this long */
    PROGRESS_MS = 200,
    TRIES = 4,
};

struct settings_import {
    char *server, *token, *form, *csv;
    char *labels;
    int64_t from;
};

static const struct conf_key IMPORT_KEYS[] = {
    REMOTE_SERVER_KEY(struct settings_import, "The server's main door."),
    REMOTE_TOKEN_KEY(struct settings_import, "API token with scope ingest."),
    {.key = "format",
     .flag = "format",
     .type = CONF_STRING,
     .offset = offsetof(struct settings_import, form),
     .default_value = "",
     .placeholder = "FORM",
     .help =
         "json (JSON lines), csv, text, openmetrics or influx; default by the file's extension: "
         ".jsonl .json .csv .prom .txt .om .lp .influx, each also with .gz."},
    {.key = "columns",
     .flag = "columns",
     .type = CONF_STRING,
     .offset = offsetof(struct settings_import, csv),
     .default_value = "",
     .placeholder = "FORMAT",
     .help = "Columns of a CSV file: 1:label:host,2:metric:load,3:time:unix_s."},
    {.key = "labels",
     .flag = "labels",
     .type = CONF_STRING,
     .offset = offsetof(struct settings_import, labels),
     .default_value = "",
     .placeholder = "NAME=VALUE,...",
     .help = "Labels put on every series."},
    {.key = "from",
     .flag = "from",
     .type = CONF_INT,
     .offset = offsetof(struct settings_import, from),
     .default_value = "0",
     .placeholder = "BYTE",
     .min = 0,
     .max = INT64_MAX,
     .help = "Go on from this byte of the (unpacked) file, as an interrupted import said."},
};

static const struct conf_table IMPORT_TABLE = {"Import", IMPORT_KEYS, ARRAY_LEN(IMPORT_KEYS)};

static const struct conf_spec IMPORT_SPEC = {
    .program = "bongsu import FILE|DIR",
    .summary =
        "Sends a file of samples (\"-\" is standard input) or a Prometheus data directory to a server.",
    .env_prefix = "BONGSU_",
    .tables = &IMPORT_TABLE,
    .tables_n = 1};

struct form {
    struct str name;
    struct str extensions[3];
    const char *path;
    const char *content_type;
    bool whole; /* cannot be cut into requests */
};

static const struct form FORMS[] = {
    {{"json", 4},
     {{".jsonl", 6}, {".json", 5}},
     "/api/v1/import",
     "application/stream+json",
     false},
    {{"csv", 3}, {{".csv", 4}}, "/api/v1/import/csv", "text/csv", false},
    {{"text", 4}, {{".prom", 5}, {".txt", 4}}, "/api/v1/import/prometheus", "text/plain", false},
    {{"openmetrics", 11},
     {{".om", 3}},
     "/api/v1/import/prometheus",
     "application/openmetrics-text; version=1.0.0",
     true},
    {{"influx", 6}, {{".lp", 3}, {".influx", 7}}, "/write", "text/plain", false},
};

static const struct form *form_of(struct str option, struct str file)
{
    struct str name = str_ends(file, STR(".gz")) ? str_take(file, file.n - 3) : file;

    for (size_t i = 0; i < ARRAY_LEN(FORMS); i++) {
        if (option.n != 0 && str_eq(option, FORMS[i].name)) {
            return &FORMS[i];
        }
        for (size_t k = 0; option.n == 0 && k < ARRAY_LEN(FORMS[i].extensions); k++) {
            struct str ext = FORMS[i].extensions[k];

            if (ext.n != 0 && str_ends(name, ext)) {
                return &FORMS[i];
            }
        }
    }
    return NULL;
}

struct import {
    const struct settings_import *s;
    const struct form *form;
    struct http_client *client;
    gzFile in; /* reads plain files as they are */
    int fd;    /* of the file, for its size and place */
    int64_t size;
    struct buf url;
    struct buf bearer;
    struct buf data;
    int64_t sent;    /* bytes of the unpacked file that are stored */
    size_t left_out; /* requests of which something was left out */
    bool tty;
    struct mono last_progress;
};

static void make_url(struct import *im)
{
    struct str rest = str_cstr(im->s->labels);
    struct str label;
    char separator = '?';

    buf_printf(&im->url, "%s%s", im->s->server, im->form->path);
    if (str_eq(im->form->name, STR("csv"))) {
        buf_printf(&im->url, "%cformat=", separator);
        buf_add_percent(&im->url, str_cstr(im->s->csv), URL_UNRESERVED);
        separator = '&';
    }
    while (rest.n != 0 && str_split(&rest, ',', &label)) {
        buf_printf(&im->url, "%cextra_label=", separator);
        buf_add_percent(&im->url, label, URL_UNRESERVED);
        separator = '&';
    }
    buf_add_byte(&im->url, '\0');
    if (im->s->token[0] != '\0') {
        buf_printf(&im->bearer, "Authorization: Bearer %s", im->s->token);
        buf_add_byte(&im->bearer, '\0');
    }
}

static void progress(struct import *im, bool end)
{
    double done;
    int filled;

    if (!im->tty || (!end && mono_since_ns(im->last_progress) < PROGRESS_MS * 1000000ll)) {
        return;
    }
    im->last_progress = clock_mono();
    if (im->size <= 0) {
        fprintf(stderr, "\r%.1f MB sent ", (double)im->sent / 1e6);
    } else {
        off_t at = gzoffset(im->in);

        done = end ? 1 : (double)at / (double)im->size;
        done = done > 1 ? 1 : done;
        filled = (int)(done * 40);
        fprintf(stderr, "\r[%.*s%*s] %3.0f %%  %.1f MB ", filled,
                "########################################", 40 - filled, "", done * 100,
                (double)im->sent / 1e6);
    }
    if (end) {
        fputc('\n', stderr);
    }
}

/* The server's words out of {"error":"..."} or the text itself. */
static void show_answer(const struct http_answer *a)
{
    struct str body = buf_str(&a->body);
    int64_t at = str_find(body, STR("\"error\":\""));
    struct str text = at < 0 ? body : str_drop(body, (size_t)at + 9);
    int64_t close = at < 0 ? -1 : str_find(text, STR("\"}"));

    fprintf(stderr, "%s%.*s\n",
            "bongsu import: ", STR_ARG(close < 0 ? text : str_take(text, (size_t)close)));
}

/* @return 0; 1: something was left out; -1: not stored */
static int send_once(struct import *im, struct str part, bool *ret_again)
{
    const char *type = im->form->content_type;
    char header[128];
    const char *headers[3] = {header, im->bearer.n != 0 ? im->bearer.data : NULL, NULL};
    struct http_answer answer = {0};
    struct err e = {0};
    int code = 0;

    snprintf(header, sizeof(header), "Content-Type: %s", type);
    *ret_again = false;
    if (http_client_call(im->client,
                         &(struct http_call){.method = "POST",
                                             .url = im->url.data,
                                             .headers = headers,
                                             .body = part,
                                             .timeout_ms = 120000,
                                             .max_response = 1 << 20},
                         &answer, &e) < 0) {
        fprintf(stderr, "bongsu import: %s\n", e.msg);
        *ret_again = true;
        return -1;
    }
    if (answer.status == 429 || answer.status == 503) {
        *ret_again = true;
        code = -1;
    } else if (answer.status != 204 && answer.status != 200) {
        bool kept = answer.status == 400 && str_find(buf_str(&answer.body), STR("left out")) >= 0;

        kept |= str_find(buf_str(&answer.body), STR("partial write")) >= 0;
        show_answer(&answer);
        code = kept ? 1 : -1;
    }
    buf_done(&answer.body);
    return code;
}

static int send_part(struct import *im, struct str part)
{
    bool again = true;
    int rc = -1;

    for (int i = 0; again && i < TRIES; i++) {
        if (i != 0) {
            clock_sleep_ms(500ll << i);
        }
        rc = send_once(im, part, &again);
    }
    if (rc >= 0) {
        im->left_out += rc == 1;
        im->sent += (int64_t)part.n;
        progress(im, false);
    }
    return rc < 0 ? -1 : 0;
}

/* Bytes of `data` that end with a whole line. */
static size_t whole_lines(struct str data)
{
    const char *last = data.n != 0 ? memrchr(data.p, '\n', data.n) : NULL;

    return last != NULL ? (size_t)(last - data.p) + 1 : 0;
}

static int skip_to(struct import *im, int64_t from)
{
    while (im->sent < from) {
        int64_t left = from - im->sent;
        char *room;
        int n;

        buf_clear(&im->data);
        room = buf_reserve(&im->data, READ_BYTES);
        n = gzread(im->in, room, left < READ_BYTES ? (unsigned)left : READ_BYTES);
        if (n <= 0) {
            fprintf(stderr, "bongsu import: the file ends before byte %lld\n", (long long)from);
            return -1;
        }
        im->sent += n;
    }
    buf_clear(&im->data);
    return 0;
}

/* Ctrl-C waits until the part on its way is stored, so that the message names the right byte. */
static bool is_interrupted(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, SIGINT) == 1;
}

static void hold_interrupt(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int send_all(struct import *im)
{
    for (;;) {
        char *room = buf_reserve(&im->data, READ_BYTES);
        int n = room != NULL ? gzread(im->in, room, READ_BYTES) : -1;
        size_t ready;

        if (n < 0) {
            int number = 0;

            fprintf(stderr, "bongsu import: %s\n",
                    room == NULL ? "a line is larger than 64 MiB" : gzerror(im->in, &number));
            return -1;
        }
        im->data.n += (size_t)n;
        if (n != 0 && (im->form->whole || im->data.n < CHUNK_BYTES)) {
            continue;
        }
        ready = n == 0 ? im->data.n : whole_lines(buf_str(&im->data));
        if (ready != 0) {
            if (is_interrupted() || send_part(im, str_take(buf_str(&im->data), ready)) < 0) {
                return -1;
            }
            memmove(im->data.data, im->data.data + ready, im->data.n - ready);
            im->data.n -= ready;
        }
        if (n == 0) {
            return 0;
        }
    }
}

static int open_input(struct import *im, const char *file)
{
    struct err e = {0};
    struct stat st;

    im->fd = strcmp(file, "-") == 0 ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
    if (im->fd < 0 || fstat(im->fd, &st) < 0) {
        err_set_errno(&e, errno, "%s", file);
        fprintf(stderr, "bongsu import: %s\n", e.msg);
        return -1;
    }
    im->size = S_ISREG(st.st_mode) ? (int64_t)st.st_size : 0;
    im->in = gzdopen(im->fd, "rb");
    if (im->in == NULL) {
        close(im->fd);
        fprintf(stderr, "bongsu import: no memory\n");
        return -1;
    }
    return 0;
}

static int run_import(const struct settings_import *s, const char *file)
{
    struct import im = {
        .s = s, .form = form_of(str_cstr(s->form), str_cstr(file)), .tty = isatty(STDERR_FILENO)};
    int code = 1;

    if (s->form[0] == '\0' && is_prometheus_directory(file)) {
        return import_blocks(&(struct remote){s->server, s->token}, file);
    }
    if (im.form == NULL) {
        fprintf(stderr, "bongsu import: %s: say which form it has with --format\n", file);
        return 2;
    }
    if (str_eq(im.form->name, STR("csv")) && s->csv[0] == '\0') {
        fprintf(stderr, "bongsu import: --columns is needed for CSV\n");
        return 2;
    }
    if (open_input(&im, file) < 0) {
        return 1;
    }
    buf_init(&im.url, 1 << 16);
    buf_init(&im.bearer, 4096);
    buf_init(&im.data, BUFFER_MAX);
    hold_interrupt();
    im.client = http_client_new(&(struct http_client_opts){0});
    make_url(&im);
    if (skip_to(&im, s->from) == 0) {
        code = send_all(&im) < 0 ? 1 : 0;
        progress(&im, true);
        if (code != 0) {
            fprintf(stderr, "bongsu import: %lld bytes are stored; go on with --from %lld\n",
                    (long long)im.sent, (long long)im.sent);
        } else {
            printf("%lld bytes imported%s\n", (long long)im.sent,
                   im.left_out != 0 ? ", lines were left out (see above)" : "");
        }
    }
    http_client_free(im.client);
    buf_done(&im.url);
    buf_done(&im.bearer);
    buf_done(&im.data);
    gzclose(im.in);
    return code;
}

static int with_help(const struct conf_spec *spec)
{
    struct buf help CLEANUP(buf_done);

    buf_init(&help, 1 << 16);
    conf_help(spec, &help);
    fwrite(help.data, 1, help.n, stdout);
    return 0;
}

int client_import_main(int argc, char **argv)
{
    struct settings_import s = {0};
    struct conf *conf = NULL;
    struct err e = {0};
    const char *file = argc > 0 ? argv[argc - 1] : "--help";
    int code;
    int rc;

    if (strcmp(file, "--help") == 0) {
        return with_help(&IMPORT_SPEC);
    }
    rc = conf_load(&IMPORT_SPEC, argc - 1, argv, NULL, &s, &conf, &e);
    if (rc < 0) {
        fprintf(stderr, "bongsu import: %s\n", e.msg);
    }
    code = rc < 0 ? 2 : rc == 1 ? with_help(&IMPORT_SPEC) : run_import(&s, file);
    conf_free(conf, &s);
    return code;
}
