/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text through all detectors in the modes mask, label and hash: the result stays within its limit, is UTF-8 when
 * the text was, and redacting it again changes nothing.
 */
#include <stdlib.h>

#include "base/err.h"
#include "ingest/process/redact.h"

static struct program *make(const char *mode)
{
    struct program *p = NULL;
    struct buf yaml CLEANUP(buf_done) = {0};

    buf_init(&yaml, 1 << 16);
    buf_add_cstr(&yaml, "redaction:\n");
    for (unsigned i = 0; i < DETECTOR_COUNT; i++) {
        buf_printf(&yaml, "  - {detector: %s, mode: %s}\n", detector_name((enum detector)i), mode);
    }
    if (program_parse("f", buf_str(&yaml), NULL, &p, NULL) < 0) {
        abort();
    }
    return p;
}

static void one(const char *mode, struct str key, struct str text)
{
    static const uint8_t KEY[REDACT_KEY_SIZE] = {7};
    struct program *p = make(mode);
    struct redactor r = {.program = p, .key = KEY};
    struct redactor again = {.program = p, .key = KEY};
    struct redact_plan plan;
    struct str out = {0};
    struct str twice = {0};
    int rc;

    redact_plan_make(p, SIGNAL_LOGS, REDACT_ATTRS, key, &plan);
    rc = redact_text(&r, &plan, key, text, &out);
    if (rc < 0 || out.n > REDACT_OUT_MAX || (str_is_utf8(text) && !str_is_utf8(out)) ||
        (rc == REDACT_SAME && !str_eq(text, out))) {
        abort();
    }
    for (size_t i = 0; i < r.done.n; i++) {
        if (r.done.v[i].end > out.n || r.done.v[i].start > r.done.v[i].end) {
            abort();
        }
    }
    if (redact_text(&again, &plan, key, out, &twice) < 0 || !str_eq(out, twice)) {
        abort();
    }
    redactor_done(&r);
    redactor_done(&again);
    program_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const KEYS[] = {"", "password", "customer_name", "account_no"};
    struct str key = STR("");
    struct str text = str_of((const char *)data, size);

    if (size > 4096) {
        return 0;
    }
    if (size != 0) {
        key = str_cstr(KEYS[data[0] % ARRAY_LEN(KEYS)]);
        text = str_drop(text, 1);
    }
    one("mask", key, text);
    one("label", key, text);
    one("hash", key, text);
    return 0;
}
