/* SPDX-License-Identifier: Apache-2.0
 *
 * A running server is backed up through a snapshot, which is removed again; a stopped one by reading its data
 * directory under the lock a server would take.
 */
#include "backup.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "store/backup/backup.h"

struct backup_settings {
    char *server;
    char *token;
    char *data;
    int64_t keep;
};

static const struct conf_key KEYS[] = {
    REMOTE_SERVER_KEY(struct backup_settings,
                      "create: the running server on this machine to back up."),
    REMOTE_TOKEN_KEY(struct backup_settings, "create: API token with scope admin."),
    {.key = "data",
     .flag = "data",
     .type = CONF_STRING,
     .offset = offsetof(struct backup_settings, data),
     .default_value = "",
     .placeholder = "DIR",
     .help =
         "create: back up this directory of a stopped server instead; restore: the new directory."},
    {.key = "keep",
     .flag = "keep",
     .type = CONF_INT,
     .offset = offsetof(struct backup_settings, keep),
     .default_value = "7",
     .min = 1,
     .max = 100000,
     .placeholder = "N",
     .help = "prune: how many of the newest backups stay."},
};

static const struct conf_table TABLE = {"Backup", KEYS, ARRAY_LEN(KEYS)};

static const struct conf_spec SPEC = {
    .program = "bongsu backup create|list|verify|restore|prune REPOSITORY [NAME]",
    .summary = "Makes, checks, restores and thins out backups of everything stored.",
    .env_prefix = "BONGSU_",
    .tables = &TABLE,
    .tables_n = 1};

/* ---- progress ---- */

static void show(void *arg, const struct backup_progress *p)
{
    struct mono *last = arg;
    double part = p->bytes_n != 0 ? (double)p->bytes / (double)p->bytes_n : 1;
    int cells = (int)(part * 40);

    if (p->files != p->files_n && mono_since_ns(*last) < 100000000) {
        return;
    }
    *last = clock_mono();
    fprintf(stderr, "\r[%.*s%.*s] %3.0f %%  %llu of %llu files%s", cells,
            "########################################", 40 - cells,
            "                                        ", part * 100, (unsigned long long)p->files,
            (unsigned long long)p->files_n, p->files == p->files_n ? "\n" : "");
}

/** A bar when somebody looks. */
static struct backup_watch watch_of(struct mono *last)
{
    return isatty(STDERR_FILENO) ? (struct backup_watch){show, last} : (struct backup_watch){0};
}

static void print_bytes(uint64_t n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)n;
    size_t u = 0;

    while (v >= 1024 && u + 1 < ARRAY_LEN(units)) {
        v /= 1024;
        u++;
    }
    printf("%.*f %s", u == 0 ? 0 : 1, v, units[u]);
}

static void print_info(const char *what, const struct backup_info *i)
{
    printf("%s%s: %llu files, ", what, i->name, (unsigned long long)i->files_n);
    print_bytes(i->bytes);
    printf("\n");
}

/* ---- the commands ---- */

struct request {
    const struct backup_settings *s;
    const char *repo;
    const char *name; /* "" for the newest */
};

/** The "data" of a snapshot's answer: its name and directory, heap-allocated. */
static int parse_snapshot(const struct http_answer *a, char **ret_name, char **ret_path,
                          struct err *reterr)
{
    json_t *root = json_loadb(a->body.n != 0 ? a->body.data : "", a->body.n, 0, NULL);
    json_t *data = json_object_get(root, "data");
    const char *name = json_string_value(json_object_get(data, "name"));
    const char *path = json_string_value(json_object_get(data, "path"));
    int rc = 0;

    if (a->status != 200 || name == NULL || path == NULL) {
        remote_error(a, reterr);
        rc = -ERR_UNAVAILABLE;
    } else {
        *ret_name = mem_xstrdup(name);
        *ret_path = mem_xstrdup(path);
    }
    json_decref(root);
    return rc;
}

static void delete_snapshot(const struct remote *r, const char *name)
{
    struct http_answer a = {0};
    struct err e = {0};
    char path[128];

    snprintf(path, sizeof(path), "/api/v1/admin/snapshots/%s", name);
    if (remote_call(r, "DELETE", path, &a, &e) < 0 || a.status != 204) {
        fprintf(stderr, "bongsu backup: the snapshot %s could not be removed from the server\n",
                name);
    }
    buf_done(&a.body);
}

static int create_from_server(const struct request *q, struct backup_watch watch,
                              struct backup_info *ret, struct err *reterr)
{
    const struct remote r = {q->s->server, q->s->token};
    struct http_answer a = {0};
    char *name CLEANUP(mem_free_ptr) = NULL;
    char *path CLEANUP(mem_free_ptr) = NULL;
    int rc = remote_call(&r, "POST", "/api/v1/admin/tsdb/snapshot", &a, reterr);

    rc = rc < 0 ? rc : parse_snapshot(&a, &name, &path, reterr);
    buf_done(&a.body);
    if (rc < 0) {
        return rc;
    }
    if (access(path, R_OK | X_OK) != 0) {
        rc = err_set(reterr, ERR_UNAVAILABLE,
                     "cannot read the snapshot %s: run this on the server's machine, as its user",
                     path);
    } else {
        rc = backup_create(q->repo, path, clock_wall_ms(), watch, ret, reterr);
    }
    delete_snapshot(&r, name);
    return rc;
}

static int create_from_directory(const struct request *q, struct backup_watch watch,
                                 struct backup_info *ret, struct err *reterr)
{
    char lock[4096];
    int fd;
    int rc;

    snprintf(lock, sizeof(lock), "%s/lock", q->s->data);
    fd = open(lock, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return err_set_errno(reterr, errno, "%s is not a data directory", q->s->data);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        rc = err_set(reterr, ERR_EXISTS,
                     "a server uses %s: back it up without --data, through the server", q->s->data);
    } else {
        rc = backup_create(q->repo, q->s->data, clock_wall_ms(), watch, ret, reterr);
    }
    close(fd);
    return rc;
}

static int do_create(const struct request *q, struct err *reterr)
{
    struct mono last = {0};
    struct backup_info i = {0};
    int rc = q->s->data[0] != '\0' ? create_from_directory(q, watch_of(&last), &i, reterr)
                                   : create_from_server(q, watch_of(&last), &i, reterr);

    if (rc == 0) {
        print_info("backup ", &i);
        printf("new in the repository: ");
        print_bytes(i.bytes_new);
        printf("\n");
    }
    return rc;
}

static int do_list(const struct request *q, struct err *reterr)
{
    struct backup_info *v = NULL;
    struct arena a CLEANUP(arena_done);
    size_t n = 0;
    int rc;

    arena_init(&a, 64 << 20);
    rc = backup_list(q->repo, &a, &v, &n, reterr);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        print_info("", &v[i]);
    }
    return rc;
}

static int do_verify(const struct request *q, struct err *reterr)
{
    struct mono last = {0};
    struct backup_info i = {0};
    int rc = backup_verify(q->repo, q->name, watch_of(&last), &i, reterr);

    if (rc == 0) {
        print_info("whole and undamaged: ", &i);
    }
    return rc;
}

static int do_restore(const struct request *q, struct err *reterr)
{
    struct mono last = {0};
    struct backup_info i = {0};
    int rc = q->s->data[0] == '\0'
                 ? err_set(reterr, ERR_INVALID, "restore needs --data DIR, a new directory")
                 : backup_restore(q->repo, q->name, q->s->data, watch_of(&last), &i, reterr);

    if (rc == 0) {
        print_info("restored ", &i);
        printf("start it: bongsu server --data %s\n", q->s->data);
    }
    return rc;
}

static int do_prune(const struct request *q, struct err *reterr)
{
    struct backup_pruned p = {0};
    int rc = backup_prune(q->repo, (size_t)q->s->keep, &p, reterr);

    if (rc == 0) {
        printf("removed %llu backups, %llu objects, ", (unsigned long long)p.backups,
               (unsigned long long)p.objects);
        print_bytes(p.bytes);
        printf("\n");
    }
    return rc;
}

static const struct command {
    const char *name;
    bool named; /* takes the name of a backup */
    int (*run)(const struct request *q, struct err *reterr);
} COMMANDS[] = {
    {"create", false, do_create},  {"list", false, do_list},   {"verify", true, do_verify},
    {"restore", true, do_restore}, {"prune", false, do_prune},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(COMMANDS); i++) {
        if (strcmp(name, COMMANDS[i].name) == 0) {
            return &COMMANDS[i];
        }
    }
    return NULL;
}

static int usage(FILE *out)
{
    struct buf help CLEANUP(buf_done);

    buf_init(&help, 1 << 16);
    conf_help(&SPEC, &help);
    fwrite(help.data, 1, help.n, out);
    return out == stdout ? 0 : 2;
}

int backup_main(int argc, char **argv)
{
    const struct command *c = argc > 0 ? find_command(argv[0]) : NULL;
    struct backup_settings s = {0};
    struct request q = {.s = &s, .name = ""};
    struct conf *conf = NULL;
    struct err e = {0};
    int used = 2;
    int rc;

    umask(S_IRWXG | S_IRWXO); /* accounts and the key of redaction are in it */

    if (argc > 0 && strcmp(argv[0], "--help") == 0) {
        return usage(stdout);
    }
    if (c == NULL || argc < 2 || argv[1][0] == '-') {
        return usage(stderr);
    }
    q.repo = argv[1];
    if (c->named && argc > 2 && argv[2][0] != '-') {
        q.name = argv[2];
        used = 3;
    }
    rc = conf_load(&SPEC, argc - used, argv + used, NULL, &s, &conf, &e);
    if (rc < 0) {
        fprintf(stderr, "bongsu backup: %s\n", e.msg);
        conf_free(conf, &s);
        return 2;
    }
    rc = c->run(&q, &e);
    if (rc < 0) {
        fprintf(stderr, "bongsu backup %s: %s\n", c->name, e.msg[0] != '\0' ? e.msg : err_text(rc));
    }
    conf_free(conf, &s);
    return rc < 0 ? 1 : 0;
}
