/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening parts, and their end. The index is checked once at open and then read in place; every access still
 * stays inside its section, so that a part written wrong is an error and never a crash.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "codec/bits.h"
#include "store/tsdb/part_internal.h"
#include "store/tsdb/tsdb_internal.h"

int part_bad(const struct part *p, const char *what, struct err *reterr)
{
    (void)err_set(reterr, ERR_CORRUPT, "%s: %s", p->dir, what);
    return -ERR_CORRUPT;
}

/** The version of a file with a magic. @return 0: it is none of ours */
static unsigned version_of(struct mapping m, const char *magic)
{
    return m.n >= PART_MAGIC_SIZE && memcmp(m.p, magic, PART_MAGIC_SIZE - 1) == 0
               ? m.p[PART_MAGIC_SIZE - 1]
               : 0;
}

/** The form of another program version. */
static bool other_version(const struct part *p)
{
    unsigned version = version_of(p->index, PART_INDEX_MAGIC);

    return version != 0 && (version < PART_VERSION_OLDEST || version > PART_VERSION);
}

static bool take_footer(struct part *p)
{
    uint64_t body;

    if (p->index.n < PART_MAGIC_SIZE + sizeof(p->f) ||
        version_of(p->index, PART_INDEX_MAGIC) == 0) {
        return false;
    }
    body = p->index.n - sizeof(p->f);
    memcpy(&p->f, p->index.p + body, sizeof(p->f));
    for (int i = 0; i < SECTION_COUNT; i++) {
        if (p->f.at[i] > body || p->f.size[i] > body - p->f.at[i] || p->f.at[i] % 8 != 0) {
            return false;
        }
        p->section[i] = p->index.p + p->f.at[i];
    }
    return p->f.version == p->index.p[PART_MAGIC_SIZE - 1] &&
           p->f.size[SECTION_PAIR_GROUPS] ==
               ((uint64_t)p->f.pairs_n + PART_GROUP - 1) / PART_GROUP * 4 &&
           p->f.size[SECTION_SERIES_GROUPS] == ((uint64_t)p->f.series_n + PART_GROUP - 1) /
                                                   PART_GROUP * sizeof(struct part_group) &&
           p->f.size[SECTION_BLOCKS] == ((uint64_t)p->f.blocks_n + 1) * 8 &&
           p->f.size[SECTION_TIMES_AT] == ((uint64_t)p->f.times_n + 1) * 4;
}

static bool take_names(struct part *p)
{
    struct bits_reader r = bits_reader_of(p->section[SECTION_NAMES], p->f.size[SECTION_NAMES]);
    uint64_t next = 0;

    if (p->f.names_n > p->f.size[SECTION_NAMES]) {
        return false;
    }
    p->names = mem_try_calloc(p->f.names_n, sizeof(*p->names));
    if (p->names == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < p->f.names_n; i++) {
        struct name_range *n = &p->names[i];
        uint64_t first;
        uint64_t count;

        n->name = bits_read_str(&r);
        first = bits_read_varint(&r);
        count = bits_read_varint(&r);
        if (r.bad || n->name.p == NULL || first != next || count == 0 ||
            count > p->f.pairs_n - first ||
            (i > 0 && str_cmp(p->names[i - 1].name, n->name) >= 0)) {
            return false;
        }
        n->first = (uint32_t)first;
        n->n = (uint32_t)count;
        next = first + count;
    }
    return next == p->f.pairs_n;
}

static bool take_data(const struct part *p)
{
    return p->data.n == p->f.data_bytes && p->data.n >= PART_MAGIC_SIZE &&
           version_of(p->data, PART_DATA_MAGIC) == p->f.version;
}

int part_parse(struct mapping index, struct mapping data, bool check_crc, struct part **ret,
               struct err *reterr)
{
    struct part *p = mem_xcalloc(1, sizeof(*p));
    const char *wrong = NULL;
    enum err_code code = ERR_CORRUPT;

    atomic_init(&p->refs, 1);
    p->dir = mem_xstrdup("part");
    p->index = index;
    p->data = data;
    mutex_init(&p->lock, LOCK_RANK_LEAF);
    if (other_version(p)) {
        wrong = "written in another version of the format, which this program does not read";
        code = ERR_UNSUPPORTED;
    } else if (!take_footer(p)) {
        wrong = "index is not one, or cut off";
    } else if (check_crc && crc32c(0, p->index.p, p->index.n - 8) != p->f.crc) {
        wrong = "checksum of the index is wrong";
    } else if (!take_names(p)) {
        wrong = "label names of the index are malformed";
    } else if (!take_data(p)) {
        wrong = "data file does not fit the index";
    } else {
        p->verified = mem_try_calloc(p->f.blocks_n, 1);
        wrong = p->verified == NULL ? "no memory to open it" : NULL;
        code = ERR_NOMEM;
    }
    if (wrong != NULL) {
        int rc = err_set(reterr, code, "%s: %s", p->dir, wrong);

        p->index = p->data = (struct mapping){0}; /* stay the caller's */
        part_unref(p);
        return rc;
    }
    p->info = (struct part_info){
        .day = p->f.day,
        .seq_lo = p->f.seq_lo,
        .seq_hi = p->f.seq_hi,
        .min_ms = p->f.min_ms,
        .max_ms = p->f.max_ms,
        .series_n = p->f.series_n,
        .samples_n = p->f.samples_n,
        .chunks_n = p->f.chunks_n,
        .bytes = p->index.n + p->data.n,
    };
    *ret = p;
    return 0;
}

static int map_file(const char *dir, const char *name, struct mapping *ret, struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, name);

    return vfs_map(path, ret, reterr);
}

int part_open(const char *dir, struct part **ret, struct err *reterr)
{
    struct mapping index = {0};
    struct mapping data = {0};
    struct part *p = NULL;
    int rc = map_file(dir, "index", &index, reterr);

    rc = rc == 0 ? map_file(dir, "data", &data, reterr) : rc;
    if (rc == 0) {
        rc = part_parse(index, data, true, &p, reterr);
        if (rc < 0 && reterr != NULL) {
            rc = err_prefix(reterr, "%s", dir);
        }
    }
    if (p == NULL) { /* given with 0 only */
        vfs_unmap(&index);
        vfs_unmap(&data);
        return rc;
    }
    mem_free(p->dir);
    p->dir = mem_xstrdup(dir);
    p->mapped = true;
    part_unload(p); /* all of the index was read to check it */
    *ret = p;
    return 0;
}

void part_unload(const struct part *p)
{
    if (p->mapped) {
        vfs_unload(&p->index);
        vfs_unload(&p->data);
    }
}

void part_forget_mappings(struct part *p)
{
    p->index = p->data = (struct mapping){0};
}

struct part *part_ref(struct part *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

int part_remove_dir(const struct vfs *vfs, const char *dir, struct err *reterr)
{
    size_t n = strlen(dir) + sizeof(PART_GONE_SUFFIX);
    char *gone = mem_xcalloc(1, n);
    int rc;

    snprintf(gone, n, "%s" PART_GONE_SUFFIX, dir);
    rc = vfs_remove_tree(vfs, gone, reterr);
    if (rc == 0) {
        int r = vfs->rename(vfs->ctx, dir, gone);

        rc = r == 0         ? vfs_remove_tree(vfs, gone, reterr)
             : r == -ENOENT ? 0
                            : err_set_errno(reterr, -r, "renaming %s", dir);
    }
    mem_free(gone);
    return rc;
}

void part_unref(struct part *p)
{
    if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    vfs_unmap(&p->index);
    vfs_unmap(&p->data);
    if (p->remove != NULL) {
        struct err e = {0};

        if (part_remove_dir(p->remove, p->dir, &e) < 0) {
            log_warn("tsdb", "cannot remove a part", L_CSTR("error", e.msg));
        }
    }
    part_hot_unref(p->hot);
    part_free_hidden(atomic_load_explicit(&p->hidden, memory_order_acquire));
    mutex_done(&p->lock);
    mem_free(p->names);
    mem_free((void *)p->verified);
    mem_free(p->dir);
    mem_free(p);
}

void part_remove_on_free(struct part *p, const struct vfs *vfs)
{
    p->remove = vfs;
}

const struct part_info *part_info(const struct part *p)
{
    return &p->info;
}

const char *part_dir(const struct part *p)
{
    return p->dir;
}
