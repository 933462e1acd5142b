/* SPDX-License-Identifier: Apache-2.0
 *
 * A masked line as tokens: punctuation, words, values, and names that tell statements apart by themselves (levels,
 * loggers, source files, exception types). The same cut is made of lines and of templates.
 */
#ifndef INGEST_PATTERNS_TOKENS_H
#define INGEST_PATTERNS_TOKENS_H

#include "base/str.h"

enum {
    TOKENS_MAX = 128,  /* of a line; what follows is not looked at */
    TOKENS_FRONT = 16, /* levels and loggers stand among so many */
};

enum token_kind {
    TOKEN_PUNCT,
    TOKEN_NAME,  /* equal in all lines of a template */
    TOKEN_WORD,  /* may come to differ */
    TOKEN_VALUE, /* MASK_VALUE */
    TOKEN_WILD,  /* MASK_WILD: of templates only */
};

struct token {
    uint64_t hash; /* of the text; PUNCT: the byte */
    uint16_t at;   /* in the text */
    uint16_t n;
    uint8_t kind;
    bool space; /* before it */
};

/** @return how many */
size_t tokens_cut(struct str masked, struct token ret[TOKENS_MAX]);
/** Hash of what no line of a template may differ in: number of tokens, punctuation and names, where they are. */
uint64_t tokens_frame(const struct token *v, size_t n);
/** Where the message begins, about: behind the level and the logger of a line that begins with a time or a name. What
 * comes before (thread, host) says little of the statement. */
size_t tokens_header(const struct token *v, size_t n);

#endif
