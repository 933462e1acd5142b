/* SPDX-License-Identifier: Apache-2.0
 *
 * One record on its way through a pipeline: its line, and its labels in three categories (stream, structured
 * metadata, parsed), where a later category hides an earlier one of the same name. Metadata is only looked at when a
 * stage asks. Invariant: strings live until the next lq_row_begin(), in the record or in the row's arena.
 */
#ifndef QUERY_LOGQL_ROW_H
#define QUERY_LOGQL_ROW_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/otel.h"

enum label_category { LABEL_STREAM, LABEL_META, LABEL_PARSED };

struct row_label {
    struct str name;
    struct str value;
    uint32_t hash; /* of the name */
    enum label_category category;
};

/* Streams seen by a query, found by their resource. */
struct stream {
    struct labels labels; /* sorted, in the table's arena */
    uint64_t key;
    bool selected; /* the selector takes it */
};

struct stream_table {
    struct arena arena;
    struct stream **slots; /* power of two */
    size_t cap, n;
};

void lq_streams_init(struct stream_table *t, size_t memory_bytes);
void lq_streams_done(struct stream_table *t);
/** @param ret_new  it was not known before: the caller sets `selected`
 * @return NULL: out of memory */
const struct stream *lq_streams_find(struct stream_table *t, const struct resource *r,
                                     bool *ret_new);

enum { ROW_LABELS_MAX = 10000 };

struct row {
    struct arena arena;
    VEC(struct row_label) labels;
    VEC(struct label) sorted; /* lq_row_labels() */
    struct buf text;          /* scratch of one stage */
    struct buf text2;
    struct str line;
    int64_t t_ns;
    const struct log_record *record;
    const struct stream *stream;
    struct stream_table *table;
    bool meta_loaded;
    bool no_memory;
    bool parser_failed; /* there was an error of a parser */
    struct str error;
    struct str details;
    double value; /* unwrap */
    /* only these parsed labels are needed; NULL: all */
    const struct str *need;
    size_t need_n;
    bool need_none;       /* no parsed label at all */
    VEC(struct str) gone; /* parsed labels that a stage took away: not to be parsed again */
};

struct row *lq_row_new(size_t memory_bytes);
void lq_row_free(struct row *r); /* NULL is fine */
/** A new record; `s` from the row's or another table. */
void lq_row_begin(struct row *r, const struct log_record *record, const struct stream *s);
/** The line of a record, in the row's memory when it is no string. */
struct str lq_row_line(struct row *r, const struct log_record *record);

/** Value of a label, "" and false when there is none; __error__ and __error_details__ too. */
bool lq_row_get(struct row *r, struct str name, struct str *ret, enum label_category *ret_category);
void lq_row_set(struct row *r, enum label_category c, struct str name, struct str value);
void lq_row_delete(struct row *r, struct str name);
/** A label that a parser found: renamed when the stream or the metadata has one of its name, ignored when it was
 * found before or nobody needs it. Name and value must live as long as the row.
 * @return nothing more need be parsed */
bool lq_row_set_parsed(struct row *r, struct str name, struct str value);
/** The same for a label that a parser was asked for: replaces what was found before. */
void lq_row_set_extracted(struct row *r, struct str name, struct str value);
/** Forget labels that were parsed since there were `n`. */
void lq_row_unparse(struct row *r, size_t n);
/** Only the labels that `keep` says. */
void lq_row_keep(struct row *r, bool (*keep)(const void *arg, const struct row_label *l),
                 const void *arg);
/** Were all labels found that anybody needs? Then nothing more is parsed. */
bool lq_row_satisfied(const struct row *r);
/** Has the stream or the metadata a label of this name? */
bool lq_row_has_own(struct row *r, struct str name);
/** Would lq_row_set_parsed() keep it? */
bool lq_row_needs(const struct row *r, struct str name);
/** `fmt` NULL: no details. */
void lq_row_set_error(struct row *r, const char *error, const char *fmt, ...) PRINTF_LIKE(3, 4);
/** Labels of the categories (bits), sorted by name; until the next call. */
struct labels lq_row_labels(struct row *r, unsigned categories);

enum {
    ROW_ALL = 7,
    ROW_STREAM = 1 << LABEL_STREAM,
    ROW_META = 1 << LABEL_META,
    ROW_PARSED = 1 << LABEL_PARSED
};

/** Copy into the row's arena. */
struct str lq_row_dup(struct row *r, struct str s);

struct pipeline;
struct stage;
struct line_filter;
struct label_filter;
struct template;

/** Run all stages. @return false when the record is dropped */
bool lq_pipeline_run(const struct pipeline *p, struct row *r);
/* stages.c */
bool lq_line_filter_run(const struct line_filter *f, struct row *r);
bool lq_label_filter_run(const struct label_filter *f, struct row *r);
bool lq_unwrap_run(const struct stage *s, struct row *r);
void lq_decolorize_run(struct row *r);
/* parsers.c */
void lq_json_run(const struct stage *s, struct row *r);
void lq_unpack_run(struct row *r);
void lq_regexp_run(const struct stage *s, struct row *r);
void lq_pattern_run(const struct stage *s, struct row *r);
/* logfmt.c */
void lq_logfmt_run(const struct stage *s, struct row *r);

#endif
