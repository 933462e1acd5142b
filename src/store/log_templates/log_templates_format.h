/* SPDX-License-Identifier: Apache-2.0
 *
 * The file: magic and version, then records. A record is u32 length, u32 crc32c of what follows: u64 id, u64 alias,
 * i64 first, i64 used, u16 bytes of the service, the service, the text. Little-endian; the last record of an id counts.
 */
#ifndef STORE_LOG_TEMPLATES_LOG_TEMPLATES_FORMAT_H
#define STORE_LOG_TEMPLATES_LOG_TEMPLATES_FORMAT_H

#include "base/buf.h"
#include "store/log_templates/log_templates.h"

#define LOG_TEMPLATES_MAGIC "BGTM\1\0\0\0" /* with the version */

enum {
    LOG_TEMPLATES_HEAD = 8,
    LOG_TEMPLATE_FIXED = 34, /* before the service */
    LOG_TEMPLATE_RECORD_MAX = LOG_TEMPLATE_FIXED + LOG_TEMPLATE_SERVICE_MAX + LOG_TEMPLATE_TEXT_MAX,
};

void log_template_encode(const struct log_template *t, struct buf *dst);
/** @return bytes of the record, its strings in `bytes`; 0: it goes beyond the end; -ERR_CORRUPT */
NODISCARD int64_t log_template_decode(struct str bytes, struct log_template *ret);

#endif
