/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest is a small text file that names the live parts and the first row id that is not in any of
 * them. It is replaced atomically, so a flush or a merge happened wholly or not at all; parts it does not
 * name are leftovers of a crash and are removed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "io/quarantine.h"
#include "store/check_report.h"
#include "store/columns/columns_internal.h"
#include "store/columns/part.h"

enum { PATH_LEN = 4096, MANIFEST_MAX = 64 << 20 };

#define MANIFEST_HEAD "bongsu-columns 1 "

struct listed {
    uint32_t day;
    uint64_t seq;
    uint64_t mask; /* of deleted rows; 0: none */
};

struct manifest {
    uint64_t flushed_id;
    uint64_t next_id;
    uint64_t next_seq;
    VEC(struct listed) parts;
};

uint32_t day_of_ns(int64_t time_ns)
{
    const int64_t day_ns = 86400LL * 1000000000;
    int64_t days = time_ns / day_ns - (time_ns % day_ns < 0);
    /* days to civil date, Hinnant 2013, "chrono-Compatible Low-Level Date Algorithms" */
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t d = doy - (153 * mp + 2) / 5 + 1;
    int64_t m = mp < 10 ? mp + 3 : mp - 9;
    int64_t y = yoe + era * 400 + (m <= 2);

    return (uint32_t)(y * 10000 + m * 100 + d);
}

void part_path(const struct columns *c, uint32_t day, uint64_t seq, char *dst, size_t size)
{
    snprintf(dst, size, "%s/parts/%08u/%llu", c->opts.dir, day, (unsigned long long)seq);
}

static void manifest_path(const struct columns *c, char *dst)
{
    snprintf(dst, PATH_LEN, "%s/manifest", c->opts.dir);
}

static const char *kind_name(const struct columns *c)
{
    return c->opts.kind == COLUMNS_SPANS ? "traces" : "logs";
}

static bool take_u64(struct str *rest, uint64_t *ret)
{
    struct str word;

    return str_split(rest, ' ', &word) && str_to_u64(word, ret);
}

/* One line after the head. @return false when it makes no sense */
static bool manifest_line(struct manifest *m, struct str line)
{
    struct str word;
    uint64_t day;
    uint64_t seq;
    uint64_t mask = 0;

    if (!str_split(&line, ' ', &word)) {
        return false;
    }
    if (str_eq(word, STR("flushed_id"))) {
        return take_u64(&line, &m->flushed_id);
    }
    if (str_eq(word, STR("next_id"))) {
        return take_u64(&line, &m->next_id);
    }
    if (str_eq(word, STR("next_seq"))) {
        return take_u64(&line, &m->next_seq);
    }
    return str_eq(word, STR("part")) && take_u64(&line, &day) && take_u64(&line, &seq) &&
           (line.n == 0 || take_u64(&line, &mask)) && day <= 99999999 &&
           vec_push(&m->parts, (struct listed){(uint32_t)day, seq, mask});
}

/* Last line is "crc <8 hex>" over everything before it. */
static bool manifest_parse(const struct columns *c, struct str text, struct manifest *m)
{
    struct str body;
    struct str line;
    uint8_t crc[4];
    uint32_t want;
    char head[64];

    if (text.n < 13 || text.p[text.n - 1] != '\n') {
        return false;
    }
    body = str_take(text, text.n - 13);
    want = crc32c(0, body.p, body.n);
    if (!str_starts(str_drop(text, body.n), STR("crc ")) ||
        !hex_decode(str_of(text.p + body.n + 4, 8), crc, 4) ||
        want !=
            ((uint32_t)crc[0] << 24 | (uint32_t)crc[1] << 16 | (uint32_t)crc[2] << 8 | crc[3])) {
        return false;
    }
    snprintf(head, sizeof(head), MANIFEST_HEAD "%s", kind_name(c));
    if (!str_split(&body, '\n', &line) || !str_eq(line, str_cstr(head))) {
        return false;
    }
    while (str_split(&body, '\n', &line)) {
        if (line.n != 0 && !manifest_line(m, line)) {
            return false;
        }
    }
    return true;
}

static int manifest_write(struct columns *c, const struct manifest *m, struct err *reterr)
{
    char path[PATH_LEN];
    struct buf b;
    int rc;

    manifest_path(c, path);
    buf_init(&b, MANIFEST_MAX);
    buf_printf(&b, MANIFEST_HEAD "%s\nflushed_id %llu\nnext_id %llu\nnext_seq %llu\n", kind_name(c),
               (unsigned long long)m->flushed_id, (unsigned long long)m->next_id,
               (unsigned long long)m->next_seq);
    for (size_t i = 0; i < m->parts.n; i++) {
        const struct listed *l = &m->parts.v[i];

        buf_printf(&b, "part %u %llu", l->day, (unsigned long long)l->seq);
        if (l->mask != 0) {
            buf_printf(&b, " %llu", (unsigned long long)l->mask);
        }
        buf_add_byte(&b, '\n');
    }
    buf_printf(&b, "crc %08x\n", crc32c(0, b.data, b.n));
    rc = buf_status(&b);
    if (rc < 0) {
        rc = err_set(reterr, ERR_NOMEM, "no memory for %s", path);
    } else {
        rc = vfs_write_atomic(c->opts.vfs, path, buf_str(&b), reterr);
        if (rc < 0) {
            err_prefix(reterr, "%s", path);
        }
    }
    buf_done(&b);
    return rc;
}

static int manifest_read(struct columns *c, struct manifest *m, struct err *reterr)
{
    char path[PATH_LEN];
    char parts[PATH_LEN + 8];
    char *text;
    size_t n;
    int rc;

    manifest_path(c, path);
    rc = vfs_read_file(c->opts.vfs, path, MANIFEST_MAX, &text, &n, reterr);
    if (rc == -ERR_NOT_FOUND) {
        *m = (struct manifest){.flushed_id = 1, .next_id = 1, .next_seq = 1};
        snprintf(parts, sizeof(parts), "%s/parts", c->opts.dir);
        if (vfs_tree_bytes(parts) != 0) {
            return err_set(reterr, ERR_CORRUPT,
                           "%s is missing but there are parts: restore it, or move %s away", path,
                           parts);
        }
        return manifest_write(c, m, reterr); /* so that from now on a missing one is an error */
    }
    if (rc < 0) {
        return rc;
    }
    if (!manifest_parse(c, str_of(text, n), m)) {
        rc = err_set(reterr, ERR_CORRUPT, "%s is damaged or not of a store of %s", path,
                     kind_name(c));
    }
    mem_free(text);
    return rc;
}

bool manifest_is_whole(enum columns_kind kind, struct str text, size_t *ret_parts)
{
    const struct columns c = {.opts = {.kind = kind}};
    struct manifest m = {0};
    bool whole = manifest_parse(&c, text, &m);

    *ret_parts = m.parts.n;
    vec_done(&m.parts);
    return whole;
}

int manifest_check(const char *dir, enum columns_kind kind, const struct check_report *report,
                   struct err *reterr)
{
    const struct columns c = {.opts = {.dir = dir, .kind = kind}};
    size_t parts = 0;
    char path[PATH_LEN];
    char *text = NULL;
    size_t n = 0;
    struct err e = {0};
    int rc;

    manifest_path(&c, path);
    rc = vfs_read_file(vfs_real(), path, MANIFEST_MAX, &text, &n, &e);
    if (rc < 0 && rc != -ERR_NOT_FOUND) {
        if (reterr != NULL) {
            *reterr = e;
        }
        return rc;
    }
    if (rc == 0) {
        bool whole = manifest_is_whole(kind, str_of(text, n), &parts);

        check_say(report, whole ? CHECK_WHOLE : CHECK_DAMAGED, path,
                  whole ? "" : "not the list of parts of this store; restore it from a backup", n,
                  parts);
    }
    mem_free(text);
    return 0;
}

static bool is_listed(const struct manifest *m, struct str day, struct str seq)
{
    uint64_t d;
    uint64_t s;

    if (!str_to_u64(day, &d) || !str_to_u64(seq, &s)) {
        return false;
    }
    for (size_t i = 0; i < m->parts.n; i++) {
        if (m->parts.v[i].day == d && m->parts.v[i].seq == s) {
            return true;
        }
    }
    return false;
}

/* Remove what a crash left behind in one day. */
static void clean_day(struct columns *c, const struct manifest *m, const char *root,
                      const char *day)
{
    char path[PATH_LEN];
    char **names;
    size_t n;
    size_t kept = 0;

    snprintf(path, sizeof(path), "%.2000s/%.200s", root, day);
    if (vfs_list(path, &names, &n, NULL) < 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char part[PATH_LEN];

        if (is_listed(m, str_cstr(day), str_cstr(names[i]))) {
            kept++;
            continue;
        }
        snprintf(part, sizeof(part), "%.3000s/%.200s", path, names[i]);
        log_info("columns", "removing an unfinished part", L_CSTR("path", part));
        ignore_result(vfs_remove_tree(c->opts.vfs, part, NULL), "tried again at the next start");
    }
    vfs_list_free(names, n);
    if (kept == 0) {
        ignore_result(vfs_remove_tree(c->opts.vfs, path, NULL), "an empty directory does no harm");
    }
}

static void clean_leftovers(struct columns *c, const struct manifest *m)
{
    char root[PATH_LEN];
    char **days;
    size_t n;

    snprintf(root, sizeof(root), "%s/parts", c->opts.dir);
    if (vfs_list(root, &days, &n, NULL) < 0) {
        return; /* no part was ever written */
    }
    for (size_t i = 0; i < n; i++) {
        clean_day(c, m, root, days[i]);
    }
    vfs_list_free(days, n);
}

static int part_order(const void *pa, const void *pb)
{
    const struct part *a = *(struct part *const *)pa;
    const struct part *b = *(struct part *const *)pb;

    if (part_day(a) != part_day(b)) {
        return part_day(a) < part_day(b) ? -1 : 1;
    }
    return (part_seq(a) > part_seq(b)) - (part_seq(a) < part_seq(b));
}

/* Sort and count again; with `lock` held or before threads. */
static void parts_changed(struct columns *c)
{
    uint64_t bytes = 0;

    if (c->parts.n != 0) {
        qsort(c->parts.v, c->parts.n, sizeof(*c->parts.v), part_order);
    }
    for (size_t i = 0; i < c->parts.n; i++) {
        bytes += part_bytes(c->parts.v[i]);
    }
    gauge_set(c->stats.disk_bytes, (int64_t)bytes);
    gauge_set(c->stats.parts, (int64_t)c->parts.n);
}

static int open_listed(struct columns *c, const struct listed *l, struct err *reterr)
{
    char path[PATH_LEN];
    struct part *p;
    int rc;

    part_path(c, l->day, l->seq, path, sizeof(path));
    rc = columns_part_open(path, l->day, l->seq, l->mask, &p, reterr);
    if (rc == -ERR_NOT_FOUND) { /* moved away by hand */
        log_error("columns", "a part is missing, going on without it", L_CSTR("path", path));
        return 0;
    }
    if (rc == -ERR_CORRUPT) { /* the manifest forgets it with its next change */
        log_error("columns", "damaged part put aside, going on without it", L_CSTR("path", path),
                  L_CSTR("error", reterr != NULL ? reterr->msg : ""));
        return quarantine_move(c->opts.vfs, c->opts.dir, path, reterr);
    }
    if (rc < 0) {
        return rc;
    }
    part_charge_mask(p, c->opts.budget);
    if (part_kind(p) != c->opts.kind || !vec_push(&c->parts, p)) {
        rc = part_kind(p) != c->opts.kind
                 ? err_set(reterr, ERR_CORRUPT, "%s is a part of another kind of store", path)
                 : err_set(reterr, ERR_NOMEM, "no memory for the list of parts");
        columns_part_unref(p);
    }
    return rc;
}

int columns_load_parts(struct columns *c, struct err *reterr)
{
    struct manifest m = {0};
    int rc = manifest_read(c, &m, reterr);

    for (size_t i = 0; i < m.parts.n && rc == 0; i++) {
        rc = open_listed(c, &m.parts.v[i], reterr);
    }
    if (rc == 0) {
        clean_leftovers(c, &m);
        c->flushed_id = m.flushed_id;
        c->next_id = m.next_id;
        c->next_seq = m.next_seq;
        parts_changed(c);
    }
    vec_done(&m.parts);
    return rc;
}

static bool is_removed(const struct change *ch, const struct part *p)
{
    for (size_t i = 0; i < ch->remove_n; i++) {
        if (ch->remove[i] == p) {
            return true;
        }
    }
    return false;
}

static bool list_part(struct manifest *m, const struct part *p)
{
    return vec_push(&m->parts, (struct listed){part_day(p), part_seq(p), part_mask(p)});
}

/* Readers see the new set from here on. */
static void switch_over(struct columns *c, const struct change *ch)
{
    size_t kept = 0;

    mutex_lock(&c->lock);
    for (size_t i = 0; i < c->parts.n; i++) {
        struct part *p = c->parts.v[i];

        if (is_removed(ch, p)) {
            columns_part_unref(p);
        } else {
            c->parts.v[kept++] = p;
        }
    }
    c->parts.n = kept;
    for (size_t i = 0; i < ch->add_n; i++) {
        c->parts.v[c->parts.n++] = ch->add[i]; /* room was made before the manifest was written */
    }
    for (size_t i = 0; i < ch->flushed_gens; i++) {
        columns_memory_add(c, -(int64_t)c->sealed.v[i]->bytes);
        mem_gen_unref(c->sealed.v[i]);
    }
    for (size_t i = ch->flushed_gens; i < c->sealed.n; i++) {
        c->sealed.v[i - ch->flushed_gens] = c->sealed.v[i];
    }
    c->sealed.n -= ch->flushed_gens;
    parts_changed(c);
    mutex_unlock(&c->lock);
}

/* The mask a part had before it got a newer one. */
static void remove_mask(struct columns *c, const struct part *p)
{
    char path[PATH_LEN];

    if (part_mask(p) != 0) {
        snprintf(path, sizeof(path), "%.3900s/mask.%llu", columns_part_dir(p),
                 (unsigned long long)part_mask(p));
        ignore_result(c->opts.vfs->unlink(c->opts.vfs->ctx, path), "it goes with the part");
    }
}

int columns_publish(struct columns *c, const struct change *ch, struct err *reterr)
{
    struct manifest m = {.next_seq = c->next_seq,
                         .flushed_id = ch->flushed_id != 0 ? ch->flushed_id : c->flushed_id};
    struct part **removed = ch->remove;
    bool ok;
    int rc;

    mutex_lock(&c->lock);
    m.next_id = c->next_id;
    ok = vec_reserve(&c->parts, ch->add_n);
    for (size_t i = 0; i < c->parts.n && ok; i++) {
        ok = is_removed(ch, c->parts.v[i]) || list_part(&m, c->parts.v[i]);
    }
    mutex_unlock(&c->lock);
    for (size_t i = 0; i < ch->add_n && ok; i++) {
        ok = list_part(&m, ch->add[i]);
    }
    rc = ok ? manifest_write(c, &m, reterr)
            : err_set(reterr, ERR_NOMEM, "no memory for the manifest of %s", c->opts.dir);
    vec_done(&m.parts);
    if (rc < 0) {
        return rc;
    }
    c->flushed_id = ch->flushed_id != 0 ? ch->flushed_id : c->flushed_id;
    for (size_t i = 0; i < ch->remove_n; i++) {
        columns_part_ref(removed[i]); /* for its path below */
    }
    switch_over(c, ch);
    for (size_t i = 0; i < ch->remove_n; i++) {
        if (ch->keep_files) {
            remove_mask(c, removed[i]);
        } else {
            ignore_result(vfs_remove_tree(c->opts.vfs, columns_part_dir(removed[i]), NULL),
                          "not in the manifest: removed at the next start");
        }
        columns_part_unref(removed[i]);
    }
    return 0;
}
