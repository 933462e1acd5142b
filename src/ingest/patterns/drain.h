/* SPDX-License-Identifier: Apache-2.0
 *
 * The clusters of one miner: which template a masked line follows, after Drain (He, Zhu, Zheng, Lyu: "Drain: An
 * Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017). The tree is fixed: service, then the frame of
 * the line (length, punctuation, names), then its first word. Not thread-safe: patterns.c locks.
 */
#ifndef INGEST_PATTERNS_DRAIN_H
#define INGEST_PATTERNS_DRAIN_H

#include "base/map.h"
#include "base/vec.h"
#include "ingest/patterns/tokens.h"

struct drain_limits {
    size_t services;         /* [512] */
    size_t service_clusters; /* of one service [1000] */
    size_t clusters;         /* of all [20000] */
    int64_t idle_ns;         /* only clusters unused for so long make room for others [1 h] */
};

struct cluster {
    uint64_t id;
    struct service *service;
    struct frame *frame;
    char *text; /* template: masked, MASK_WILD where words differ; owned */
    size_t text_n;
    struct token *tokens; /* of text; owned */
    size_t tokens_n;
    int64_t used_ns;
    struct cluster *newer, *older; /* in the service's list by use */
    struct cluster *next;          /* of the list given back by drain_match() */
};

struct frame {
    uint64_t key;
    struct service *service;
    VEC(struct cluster *) clusters;
};

struct service {
    char *name; /* owned */
    size_t name_n;
    struct map frames; /* key -> struct frame */
    size_t clusters_n;
    struct cluster *newest, *oldest;
    int64_t used_ns;
};

struct drain {
    struct drain_limits limits;
    struct map services;
    size_t clusters_n;
};

void drain_init(struct drain *d, const struct drain_limits *limits);
void drain_done(struct drain *d);

/** What drain_match() did. */
struct drain_result {
    uint64_t id; /* 0: no room for another template */
    bool created;
    bool changed; /* the template has become more general */
    struct cluster *
        merged; /* clusters it now covers, linked by next: no longer in the tree; drain_free() them */
    struct cluster *cluster;
};

/** Find the template of a masked line, or make one. `now_ns` rises. */
void drain_match(struct drain *d, struct str service, struct str masked, int64_t now_ns,
                 struct drain_result *ret);
/** A template known from before. @return false: no room */
bool drain_restore(struct drain *d, struct str service, uint64_t id, struct str text,
                   int64_t used_ns);
/** Give a cluster just made the id and the template it had before it was forgotten. @return false: it is another */
bool drain_adopt(struct cluster *c, uint64_t id, struct str text);
void drain_free(struct cluster *c);

/** The id of a template when it is made. Never 0. */
uint64_t drain_id(struct str service, struct str text);

#endif
