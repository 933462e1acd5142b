/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a settings file: an error or settings whose YAML dump is accepted again.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/err.h"
#include "conf/conf_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct settings {
    char *text;
    bool flag;
    int64_t number;
    int64_t wait_ms;
    uint64_t size;
    int word;
    struct conf_list list;
};

static const char *const WORDS[] = {"one", "two", NULL};

static const struct conf_key KEYS[] = {
    {.key = "text", .type = CONF_STRING, .offset = offsetof(struct settings, text), .help = ""},
    {.key = "flag", .type = CONF_BOOL, .offset = offsetof(struct settings, flag), .help = ""},
    {.key = "a.number", .type = CONF_INT, .offset = offsetof(struct settings, number), .help = ""},
    {.key = "a.wait",
     .type = CONF_DURATION_MS,
     .offset = offsetof(struct settings, wait_ms),
     .help = ""},
    {.key = "a.b.size", .type = CONF_BYTES, .offset = offsetof(struct settings, size), .help = ""},
    {.key = "a.b.word",
     .type = CONF_ENUM,
     .offset = offsetof(struct settings, word),
     .choices = WORDS,
     .help = ""},
    {.key = "list",
     .type = CONF_STRING_LIST,
     .offset = offsetof(struct settings, list),
     .help = ""},
};
static const struct conf_table TABLE = {"fuzz", KEYS, ARRAY_LEN(KEYS)};
static const struct conf_spec SPEC = {"fuzz", "", "BONGSUFUZZ_", &TABLE, 1};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings s = {0};
    struct err e = {0};
    struct conf *c;

    if (conf_load(&SPEC, 0, NULL, NULL, &s, &c, &e) != 0) {
        abort();
    }
    if (conf_yaml_load(c, "fuzz", str_of((const char *)data, size), &s, &e) == 0) {
        struct buf b;

        conf_remember(c, &s);
        buf_init(&b, 16 << 20);
        conf_yaml(c, &b);
        if (buf_status(&b) < 0 ||
            (b.n <= CONF_FILE_MAX && conf_yaml_load(c, "again", buf_str(&b), &s, &e) < 0)) {
            abort();
        }
        buf_done(&b);
    }
    conf_free(c, &s);
    return 0;
}
