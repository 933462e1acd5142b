/* SPDX-License-Identifier: Apache-2.0
 *
 * file_sd_configs: files named by globs, looked at every second (a look is a stat) and read when one changed
 * or the refresh interval passed. A file that cannot be read keeps what it said last.
 */
#include <glob.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/map.h"
#include "ingest/scrape/sd.h"
#include "io/vfs.h"

enum { LOOK_MS = 1000, FILE_BYTES = 64 << 20 };

/* The last good content of a file. */
struct known {
    char *path; /* owned; the map's key */
    char *text; /* owned */
    size_t n;
};

struct files {
    struct sd *sd;
    struct map known;
};

static void known_free(struct known *k)
{
    mem_free(k->path);
    mem_free(k->text);
    mem_free(k);
}

/* Paths the globs give now; *ret_state changes when one of the files changes. */
static void look(const struct sd_conf *c, glob_t *g, uint64_t *ret_state)
{
    uint64_t h = 0;

    *g = (glob_t){0};
    for (size_t i = 0; i < c->names_n; i++) {
        ignore_result(glob(c->names[i].p, i > 0 && g->gl_pathv != NULL ? GLOB_APPEND : 0, NULL, g),
                      "no file is no target");
    }
    for (size_t i = 0; i < g->gl_pathc; i++) {
        struct stat st;

        h = hash64_seed(g->gl_pathv[i], strlen(g->gl_pathv[i]), h);
        if (stat(g->gl_pathv[i], &st) == 0) {
            h = hash_u64(h ^ (uint64_t)st.st_mtim.tv_sec * 1000000007u ^
                         (uint64_t)st.st_mtim.tv_nsec);
            h = hash_u64(h ^ (uint64_t)st.st_size ^ ((uint64_t)st.st_ino << 20));
        }
    }
    *ret_state = h;
}

static int parse_into(struct sd_set *set, const char *path, struct str text, struct err *reterr)
{
    struct str name = str_cstr(path);

    return str_ends(name, STR(".json")) ? sd_read_json(set, text, name, "__meta_filepath", reterr)
                                        : sd_read_yaml(set, text, name, "__meta_filepath", reterr);
}

/* Read and check a file; a good one replaces what was known of it. */
static void refresh_file(struct files *f, const char *path)
{
    struct known *k = map_get(&f->known, str_cstr(path));
    struct sd_set *trial = sd_set_new();
    struct err e = {0};
    char *text = NULL;
    size_t n = 0;
    int rc = trial != NULL ? vfs_read_file(vfs_real(), path, FILE_BYTES, &text, &n, &e)
                           : err_set(&e, ERR_NOMEM, "out of memory");

    rc = rc < 0 ? rc : parse_into(trial, path, str_of(text, n), &e);
    sd_set_unref(trial);
    if (rc < 0) {
        sd_failed(f->sd, &e);
        mem_free(text);
        return;
    }
    if (k == NULL) {
        k = mem_xcalloc(1, sizeof(*k));
        k->path = mem_xstrdup(path);
        if (map_put(&f->known, str_cstr(k->path), k) < 0) {
            known_free(k);
            mem_free(text);
            return;
        }
    }
    mem_free(k->text);
    k->text = text;
    k->n = n;
}

static bool listed(const glob_t *g, const char *path)
{
    for (size_t i = 0; i < g->gl_pathc; i++) {
        if (strcmp(g->gl_pathv[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static void refresh(struct files *f, const glob_t *g)
{
    struct sd_set *set = sd_set_new();
    struct str key;
    void *value;
    size_t pos = 0;

    for (size_t i = 0; i < g->gl_pathc; i++) {
        refresh_file(f, g->gl_pathv[i]);
    }
    while (set != NULL && map_next(&f->known, &pos, &key, &value)) {
        struct known *k = value;
        struct err e = {0};

        if (!listed(g, k->path)) {
            map_del(&f->known, key);
            known_free(k);
        } else if (parse_into(set, k->path, str_of(k->text, k->n), &e) < 0) {
            sd_failed(f->sd, &e);
        }
    }
    if (set != NULL) {
        sd_post(f->sd, set);
    }
}

void sd_file_run(void *arg)
{
    struct files f = {.sd = arg};
    struct mono last = {0};
    uint64_t state = 0;
    bool first = true;
    struct str key;
    void *value;
    size_t pos = 0;

    do {
        uint64_t now_state;
        glob_t g;

        look(f.sd->conf, &g, &now_state);
        if (first || now_state != state ||
            mono_since_ns(last) >= f.sd->conf->refresh_ms * 1000000) {
            refresh(&f, &g);
            last = clock_mono();
            state = now_state;
            first = false;
        }
        globfree(&g);
    } while (sd_sleep(f.sd, LOOK_MS));
    while (map_next(&f.known, &pos, &key, &value)) {
        known_free(value);
    }
    map_done(&f.known);
}
