/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines: "bongsu-backup 1", "time <ms>", per file "f <hash> <size> <mtime ns> <path>", last "crc <8 hex>" over
 * everything before it. A path stands at the end of its line and may have blanks, but no line breaks.
 */
#include "store/backup/list.h"

#include "base/alloc.h"
#include "base/err.h"

static const char HEAD[] = "bongsu-backup 1\n";

enum { CRC_LINE = 13 };

void list_hash_hex(struct hash128 h, char dst[33])
{
    uint8_t bytes[16];

    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(h.hi >> (56 - 8 * i));
        bytes[8 + i] = (uint8_t)(h.lo >> (56 - 8 * i));
    }
    hex_encode(bytes, sizeof(bytes), dst);
    dst[32] = '\0';
}

static struct hash128 hash_of_bytes(const uint8_t src[16])
{
    struct hash128 h = {0};

    for (int i = 0; i < 8; i++) {
        h.hi = h.hi << 8 | src[i];
        h.lo = h.lo << 8 | src[8 + i];
    }
    return h;
}

void list_write(const struct list *l, struct buf *dst)
{
    size_t start = dst->n;

    buf_add_cstr(dst, HEAD);
    buf_printf(dst, "time %lld\n", (long long)l->time_ms);
    for (size_t i = 0; i < l->n; i++) {
        const struct list_file *f = &l->files[i];
        char hex[33];

        list_hash_hex(f->hash, hex);
        buf_printf(dst, "f %s %llu %lld ", hex, (unsigned long long)f->size,
                   (long long)f->mtime_ns);
        buf_add_str(dst, f->path);
        buf_add_byte(dst, '\n');
    }
    if (!dst->failed) {
        buf_printf(dst, "crc %08x\n", crc32c(0, dst->data + start, dst->n - start));
    }
}

bool list_path_ok(struct str path)
{
    struct str name;

    if (path.n == 0 || path.n > 4096 || path.p[0] == '/' || path.p[path.n - 1] == '/') {
        return false;
    }
    for (size_t i = 0; i < path.n; i++) {
        if ((unsigned char)path.p[i] < 0x20) {
            return false;
        }
    }
    while (str_split(&path, '/', &name)) {
        if (name.n == 0 || str_eq(name, STR(".")) || str_eq(name, STR(".."))) {
            return false;
        }
    }
    return true;
}

static bool parse_file(struct str line, struct list_file *ret)
{
    struct str word;
    uint8_t hash[16];

    if (!str_split(&line, ' ', &word) || !str_eq(word, STR("f")) || !str_split(&line, ' ', &word) ||
        word.n != 32 || !hex_decode(word, hash, sizeof(hash)) || !str_split(&line, ' ', &word) ||
        !str_to_u64(word, &ret->size) || !str_split(&line, ' ', &word) ||
        !str_to_i64(word, &ret->mtime_ns)) {
        return false;
    }
    ret->hash = hash_of_bytes(hash);
    ret->path = line;
    return list_path_ok(line);
}

/** Everything before the checksum's line, when that is right. */
static bool checked_body(struct str text, struct str *ret)
{
    uint8_t crc[4];
    struct str body;

    if (text.n < CRC_LINE || text.p[text.n - 1] != '\n') {
        return false;
    }
    body = str_take(text, text.n - CRC_LINE);
    if (!str_starts(str_drop(text, body.n), STR("crc ")) ||
        !hex_decode(str_of(text.p + body.n + 4, 8), crc, 4) ||
        crc32c(0, body.p, body.n) !=
            ((uint32_t)crc[0] << 24 | (uint32_t)crc[1] << 16 | (uint32_t)crc[2] << 8 | crc[3])) {
        return false;
    }
    *ret = body;
    return true;
}

static int bad_line(size_t line, struct err *reterr)
{
    return err_set(reterr, ERR_CORRUPT, "list of a backup: line %zu makes no sense", line);
}

int list_parse(struct str text, struct arena *a, struct list *ret, struct err *reterr)
{
    struct list l = {0};
    struct str body;
    struct str line;
    size_t lines = 0;

    if (!checked_body(text, &body)) {
        return err_set(reterr, ERR_CORRUPT, "list of a backup: its checksum does not fit");
    }
    if (!str_starts(body, str_cstr(HEAD))) {
        return bad_line(1, reterr);
    }
    body = str_drop(body, sizeof(HEAD) - 1);
    if (!str_split(&body, '\n', &line) || !str_starts(line, STR("time ")) ||
        !str_to_i64(str_drop(line, 5), &l.time_ms)) {
        return bad_line(2, reterr);
    }
    for (size_t i = 0; i < body.n; i++) {
        lines += body.p[i] == '\n';
    }
    l.files = arena_array(a, struct list_file, lines + 1);
    if (l.files == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the list of a backup");
    }
    while (body.n != 0) {
        if (!str_split(&body, '\n', &line) || l.n == lines || !parse_file(line, &l.files[l.n])) {
            return bad_line(l.n + 3, reterr);
        }
        if (l.n != 0 && str_eq(l.files[l.n - 1].path, l.files[l.n].path)) {
            return bad_line(l.n + 3, reterr);
        }
        l.n++;
    }
    *ret = l;
    return 0;
}
