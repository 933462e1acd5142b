/* SPDX-License-Identifier: Apache-2.0
 *
 * Records to bytes and back. What was read is checked before it is believed.
 */
#include "store/log_templates/log_templates_format.h"

#include "base/err.h"
#include "base/hash.h"

void log_template_encode(const struct log_template *t, struct buf *dst)
{
    const uint16_t service_n = (uint16_t)t->service.n;
    const uint32_t n = (uint32_t)(LOG_TEMPLATE_FIXED + t->service.n + t->text.n);
    char fixed[LOG_TEMPLATE_FIXED];
    uint32_t crc;

    memcpy(fixed, &t->id, 8);
    memcpy(fixed + 8, &t->alias_of, 8);
    memcpy(fixed + 16, &t->first_ns, 8);
    memcpy(fixed + 24, &t->used_ns, 8);
    memcpy(fixed + 32, &service_n, 2);
    crc = crc32c(0, fixed, sizeof(fixed));
    crc = t->service.n != 0 ? crc32c(crc, t->service.p, t->service.n) : crc;
    crc = t->text.n != 0 ? crc32c(crc, t->text.p, t->text.n) : crc;
    buf_add(dst, &n, 4);
    buf_add(dst, &crc, 4);
    buf_add(dst, fixed, sizeof(fixed));
    buf_add_str(dst, t->service);
    buf_add_str(dst, t->text);
}

int64_t log_template_decode(struct str bytes, struct log_template *ret)
{
    const char *p = bytes.p;
    uint16_t service_n;
    uint32_t n;
    uint32_t crc;

    if (bytes.n < 8) {
        return 0;
    }
    memcpy(&n, p, 4);
    memcpy(&crc, p + 4, 4);
    if (n < LOG_TEMPLATE_FIXED || n > LOG_TEMPLATE_RECORD_MAX) {
        return -ERR_CORRUPT;
    }
    if (bytes.n - 8 < n) {
        return 0;
    }
    p += 8;
    memcpy(&service_n, p + 32, 2);
    if (crc32c(0, p, n) != crc || service_n > n - LOG_TEMPLATE_FIXED ||
        service_n > LOG_TEMPLATE_SERVICE_MAX ||
        n - LOG_TEMPLATE_FIXED - service_n > LOG_TEMPLATE_TEXT_MAX) {
        return -ERR_CORRUPT;
    }
    memcpy(&ret->id, p, 8);
    memcpy(&ret->alias_of, p + 8, 8);
    memcpy(&ret->first_ns, p + 16, 8);
    memcpy(&ret->used_ns, p + 24, 8);
    ret->service = str_of(p + LOG_TEMPLATE_FIXED, service_n);
    ret->text = str_of(p + LOG_TEMPLATE_FIXED + service_n, n - LOG_TEMPLATE_FIXED - service_n);
    return ret->id != 0 ? 8 + (int64_t)n : -ERR_CORRUPT;
}
