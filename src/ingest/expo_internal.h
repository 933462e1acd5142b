/* SPDX-License-Identifier: Apache-2.0
 *
 * What the exposition parsers share: the walk's state, numbers, names, label sets in braces, errors with
 * their place. Invariant: base <= line <= p <= end, and a handed-on sample's raw series lies in [line, p).
 */
#ifndef INGEST_EXPO_INTERNAL_H
#define INGEST_EXPO_INTERNAL_H

#include "base/buf.h"
#include "ingest/expo.h"

struct expo_nhcb; /* expo_nhcb.h */

enum { EXPO_EXEMPLARS_MAX = 64 }; /* of one protobuf histogram; more are left out */

struct expo {
    const struct expo_opts *o;
    const struct expo_handler *h;
    const char *base;
    const char *end;
    const char *p;
    const char *line; /* start of the line being read */
    struct expo_family family;
    bool family_pending;       /* gathered, not handed on yet */
    bool arena_used;           /* something lies in the arena: reset before the next sample */
    struct buf family_name;    /* unescaped name, when it had escapes */
    struct buf family_help;    /* unescaped help */
    struct buf scratch;        /* protobuf: identity bytes; OpenMetrics: group of created_ms */
    struct expo_sample sample; /* being handed on */
    struct exemplar exemplars[EXPO_EXEMPLARS_MAX];
    /* OpenMetrics: created_ms of the group whose labels are in `scratch` */
    bool created_known;
    bool created_found;
    int64_t created_ms;
    const struct proto_series *proto; /* expo_proto.c: the sample's labels */
    struct expo_nhcb *nhcb;           /* owned; classic histograms being gathered; NULL: none yet */
};

/** Fill reterr with "line L:C: WHAT, got "x" while parsing: "line"" at `at`. @return -ERR_INVALID */
int expo_fail(struct expo *x, const char *at, const char *what, struct err *reterr);
/** The same without what was found: "line L:C: WHAT". */
int expo_fail_plain(struct expo *x, const char *at, struct err *reterr, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/** Number as the formats write it (Go's ParseFloat without hexadecimal and underscores). NaN becomes
 * NORMAL_NAN_BITS. */
NODISCARD bool expo_f64(struct str s, double *ret);
/** As OpenMetrics writes a float in `le` and `quantile`: "1.0", "0.005", "1e+06", "+Inf". Into dst[32].
 * @return bytes */
size_t expo_format_f64(double v, char dst[32]);

/** End of a metric name without quotes; `p` when there is none. */
const char *expo_name_end(const char *p, const char *end);
/** End of the raw series that begins at p: name, labels in braces, or both. NULL when it does not end on its
 * line; *ret_at then says where. */
const char *expo_series_end(const char *p, const char *end, const char **ret_at);
/** Behind the closing quote of the string that begins at p; NULL when the line or the input ends first. */
const char *expo_string_end(const char *p, const char *end);
/** Labels of a raw series. `normalize`: spell the numbers of this label ("le", "quantile") as OpenMetrics
 * does; empty: none. The name may be missing when `nameless` (exemplars). */
NODISCARD int expo_series_labels(struct expo *x, struct str series, struct str normalize,
                                 bool nameless, struct labels *ret, struct err *reterr);
/** Escapes of label values (\\ \" \n) or, without `quote`, of help texts in 0.0.4 (\\ \n). Others stay as they
 * are. Appends. */
void expo_unescape(struct str s, bool quote, struct buf *dst);

/** Metric name of a raw series as it stands there, quoted or not; empty when it needs unescaping. */
struct str expo_series_name(struct str series);
/** Does a sample of this name belong to the current family? */
bool expo_in_family(const struct expo *x, struct str name);

enum expo_meta { EXPO_META_TYPE, EXPO_META_HELP, EXPO_META_UNIT };

/** A metadata line, `p` behind its keyword: name, blank, text up to `eol`. */
NODISCARD int expo_meta_line(struct expo *x, enum expo_meta what, const char *eol,
                             struct err *reterr);
/** Hand on the family gathered, if any. */
NODISCARD int expo_flush_family(struct expo *x, struct err *reterr);
/** Hand on x->sample. */
NODISCARD int expo_emit(struct expo *x, struct err *reterr);

NODISCARD int expo_walk_text(struct expo *x, struct err *reterr);        /* expo_text.c */
NODISCARD int expo_walk_openmetrics(struct expo *x, struct err *reterr); /* expo_openmetrics.c */
NODISCARD int expo_walk_proto(struct expo *x, struct err *reterr);       /* expo_proto.c */
NODISCARD int expo_proto_labels(struct expo *x, struct labels *ret, struct err *reterr);

#endif
