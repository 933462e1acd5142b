/* SPDX-License-Identifier: Apache-2.0
 *
 * What one segment of a URL path looks like: a word that belongs to the application, or a value (number, UUID, hash,
 * date, e-mail ...) that belongs to one request. Knows single paths only; what many paths teach is url_template.h's.
 */
#ifndef APM_URL_SEGMENTS_H
#define APM_URL_SEGMENTS_H

#include "base/str.h"

enum segment_kind {
    SEGMENT_WORD,
    SEGMENT_NUMBER, /* "42", "-1", "3.14", "12,13" */
    SEGMENT_UUID,
    SEGMENT_HASH, /* 8 or more hex digits with a digit among them */
    SEGMENT_DATE, /* "2026-01-31", "2026-01-31T10:00:00Z", "20260131" */
    SEGMENT_EMAIL,
    SEGMENT_IP,
    SEGMENT_TOKEN, /* base64-like or otherwise random: long, letters and digits mixed */
    SEGMENT_KIND_COUNT,
};

enum segment_kind url_segment_kind(struct str segment);
/** "{id}", "{uuid}", "{hash}", "{date}", "{email}", "{ip}", "{token}"; "" for a word. */
struct str url_segment_placeholder(enum segment_kind kind);

/** The path with its values replaced, cut at `cap`; segments beyond URL_SEGMENTS_MAX become one "*".
 * ";jsessionid=..." and other path parameters are dropped, doubled and trailing slashes too.
 * @return bytes written, no terminator */
size_t url_segments_template(struct str path, char *dst, size_t cap);

enum { URL_SEGMENTS_MAX = 12, URL_SEGMENT_BYTES_MAX = 64 };

/** Next segment of a path, without ";parameters"; empty ones are skipped. @return false at the end */
bool url_segments_next(struct str *rest, struct str *ret);

#endif
