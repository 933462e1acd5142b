/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks up the embedded files of the console. The table and the one blob behind it are generated into
 * the build folder (embed.mjs, or CMakeLists.txt when the console is left out); the table is sorted by
 * path in byte order.
 */
#include "web/web_assets.h"

/* One .incbin instead of C arrays: the compiler never sees the megabyte of data. */
__asm__(".section .rodata\n"
        ".balign 16\n"
        ".global web_assets_blob\n"
        ".hidden web_assets_blob\n"
        "web_assets_blob:\n"
        ".incbin \"" WEB_ASSETS_BIN "\"\n"
        ".byte 0\n"
        ".previous\n");

extern const unsigned char web_assets_blob[];

#define ASSET(path, type, etag, offset, size, immutable)              \
    {                                                                 \
        path, type, etag, web_assets_blob + (offset), size, immutable \
    }

static const struct web_asset assets[] = {
#include "web_assets_table.inc"
};

const struct web_asset *web_asset_find(struct str path)
{
    struct str wanted = str_eq(path, STR("/")) ? STR("/index.html") : path;
    size_t lo = 0;
    size_t hi = sizeof(assets) / sizeof(assets[0]);

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(wanted, str_cstr(assets[mid].path));

        if (c == 0) {
            return &assets[mid];
        }
        if (c < 0) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return NULL;
}
