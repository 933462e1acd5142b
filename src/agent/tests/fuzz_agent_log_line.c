/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines, cutting into records (checked: what is cut in two rounds is what is cut in one), log entries.
 */
#include <stdlib.h>

#include "agent/log_join.h"
#include "agent/log_line.h"
#include "agent/log_source.h"
#include "agent/log_split.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    size_t bytes;
    size_t records;
    size_t end;
};

static bool add(void *ctx, struct str record, bool cut, size_t end, bool skipping)
{
    struct sum *s = ctx;

    (void)skipping;
    if (record.n == 0 || end < s->end || (cut && record.n != 64)) {
        abort();
    }
    s->bytes += record.n;
    s->records++;
    s->end = end;
    return true;
}

static void split(struct str text)
{
    const struct split_opts part = {.max_record = 64};
    const struct split_opts last = {.max_record = 64, .flush_lines = true, .flush_all = true};
    struct sum once = {0};
    struct sum twice = {0};
    bool skipping = false;
    size_t used;

    used = log_split(text, &last, &skipping, add, &once);
    if (used > text.n || once.end > used) {
        abort();
    }
    skipping = false;
    used = log_split(text, &part, &skipping, add, &twice);
    if (used > text.n) {
        abort();
    }
    twice.end = 0;
    used += log_split(str_drop(text, used), &last, &skipping, add, &twice);
    if (used > text.n || once.bytes != twice.bytes || once.records != twice.records) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct log_line_opts opts = {.with_time = true, .utc_offset_s = 9 * 3600};
    struct str text = str_of((const char *)data, size);
    struct log_source *source = NULL;
    struct log_meta meta;

    log_line_inspect(text, &opts, &meta);
    if (meta.severity > 24 || (meta.severity_text.n != 0 &&
                               (meta.severity_text.p < text.p ||
                                meta.severity_text.p + meta.severity_text.n > text.p + text.n))) {
        abort();
    }
    split(text);
    ignore_result((int)log_joins(str_take(text, size / 2), str_drop(text, size / 2)), "the walk");
    if (log_source_parse(text, &source, NULL) == 0) {
        ignore_result(log_source_starts_record(source, str_take(text, text.n / 2),
                                               str_drop(text, text.n / 2)),
                      "only the walk matters");
        log_source_free(source);
    }
    return 0;
}
