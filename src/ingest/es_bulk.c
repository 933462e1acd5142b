/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines come in pairs: an action, then its document. All documents are decoded first, stored at once, and then the items
 * are answered, so that a created document is in the write-ahead log.
 */
#include "ingest/es_bulk.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "codec/json_read.h"
#include "codec/json_write.h"
#include "codec/utf8.h"
#include "ingest/log_json.h"
#include "ingest/log_map.h"

enum { ACTION_DEPTH = 8, NOT_STORED = -1 };

enum action { ACTION_CREATE, ACTION_INDEX, ACTION_UPDATE, ACTION_DELETE, ACTION_COUNT };

static const struct str ACTIONS[ACTION_COUNT] = {
    {"create", 6}, {"index", 5}, {"update", 6}, {"delete", 6}};

struct item {
    enum action action;
    struct str index;
    struct str id;     /* empty: made up */
    int64_t record;    /* among those of the batch; NOT_STORED */
    const char *type;  /* of the error; NULL: none */
    struct str reason; /* in the arena */
};

struct bulk {
    const struct es_bulk_request *req;
    struct log_input in;
    struct log_map *map;
    struct buf scratch;
    VEC(struct item) items;
    struct err *reterr;
};

static int no_memory(struct bulk *b)
{
    return err_set(b->reterr, ERR_NOMEM, "the request needs more memory than one may use");
}

/* ---- reading ---- */

static int read_meta(struct bulk *b, struct json_reader *j, struct item *it, struct err *e)
{
    struct str key;
    int rc = json_enter(j, e);

    while (rc >= 0 && (rc = json_next_member(j, &key, e)) > 0) {
        struct str *dst = str_eq(key, STR("_index")) ? &it->index
                          : str_eq(key, STR("_id"))  ? &it->id
                                                     : NULL;
        int type = json_peek(j, e);
        struct str text;

        if (dst == NULL || type != JSON_STRING) {
            rc = type < 0 ? type : json_skip(j, e);
            continue;
        }
        rc = json_read_str(j, &text, e);
        if (rc == 0) {
            *dst = arena_str_dup(b->in.arena, text);
            rc = dst->p == NULL ? -ERR_NOMEM : 0;
        }
    }
    return rc;
}

/* {"create": {"_index": "logs", "_id": "1"}} */
static int read_action(struct bulk *b, struct str text, struct item *it, struct err *e)
{
    struct json_reader j;
    struct str key;
    int rc;

    *it = (struct item){.action = ACTION_COUNT, .index = b->req->index, .record = NOT_STORED};
    buf_clear(&b->scratch);
    json_read_init(&j, text, ACTION_DEPTH, &b->scratch);
    rc = json_peek(&j, e);
    if (rc >= 0 && rc != JSON_OBJECT) {
        return err_set(e, ERR_INVALID, "expected START_OBJECT");
    }
    rc = rc < 0 ? rc : json_enter(&j, e);
    while (rc >= 0 && (rc = json_next_member(&j, &key, e)) > 0) {
        int type;

        for (size_t i = 0; i < ACTION_COUNT; i++) {
            it->action = str_eq(key, ACTIONS[i]) ? (enum action)i : it->action;
        }
        if (it->action == ACTION_COUNT) {
            return err_set(e, ERR_INVALID,
                           "expected field [create], [delete], [index] or [update]");
        }
        type = json_peek(&j, e);
        rc = type < 0 ? type : type == JSON_OBJECT ? read_meta(b, &j, it, e) : json_skip(&j, e);
    }
    rc = rc < 0 ? rc : json_read_end(&j, e);
    return rc < 0 || it->action != ACTION_COUNT ? rc
                                                : err_set(e, ERR_INVALID, "an action is expected");
}

static int item_error(struct bulk *b, struct item *it, const char *type, const char *reason)
{
    it->type = type;
    it->reason = arena_str_dup(b->in.arena, str_cstr(reason));
    b->in.tally.rejected[REJECT_MALFORMED]++;
    return it->reason.p == NULL ? no_memory(b) : 0;
}

static int read_document(struct bulk *b, struct str text, struct item *it)
{
    struct err e = {0};
    size_t before = b->in.records.n;
    int rc;

    if (it->action == ACTION_UPDATE) {
        return item_error(b, it, "illegal_argument_exception",
                          "[update] is not supported: log records do not change");
    }
    if (it->index.n == 0) {
        return item_error(b, it, "action_request_validation_exception",
                          "Validation Failed: 1: index is missing;");
    }
    log_map_begin(b->map);
    buf_clear(&b->scratch);
    rc = log_json_object(b->map, text, &b->scratch, &e);
    if (rc == -ERR_NOMEM) {
        return no_memory(b);
    }
    if (rc < 0) {
        return item_error(b, it, "document_parsing_exception", e.msg);
    }
    if (b->map->wrong_time.p != NULL) {
        return item_error(b, it, "document_parsing_exception",
                          "failed to parse field [@timestamp] of type [date]");
    }
    rc = log_map_resource(b->map, STR("elasticsearch.index"), it->index);
    rc = rc < 0 ? rc : log_map_end(b->map, text);
    if (rc < 0) {
        return no_memory(b);
    }
    it->record = b->in.records.n > before ? (int64_t)before : NOT_STORED;
    return 0;
}

static int read_all(struct bulk *b)
{
    struct str rest = b->req->body;
    struct str line;
    size_t number = 0;

    while (rest.n != 0 && str_split(&rest, '\n', &line)) {
        struct err e = {0};
        struct item it;
        int rc;

        number++;
        line = str_trim(line);
        if (line.n == 0) {
            continue;
        }
        rc = read_action(b, line, &it, &e);
        if (rc == -ERR_NOMEM) {
            return no_memory(b);
        }
        if (rc < 0) {
            return err_set(b->reterr, ERR_INVALID, "Malformed action/metadata line [%zu], %s",
                           number, e.msg);
        }
        if (it.action == ACTION_DELETE) {
            rc = item_error(b, &it, "illegal_argument_exception",
                            "[delete] is not supported: log records go with the retention");
        } else {
            if (rest.n == 0 || !str_split(&rest, '\n', &line)) {
                return err_set(b->reterr, ERR_INVALID,
                               "The bulk request must be terminated by a newline [\\n]");
            }
            number++;
            rc = read_document(b, str_trim(line), &it);
        }
        if (rc < 0) {
            return rc;
        }
        if (!vec_push(&b->items, it)) {
            return no_memory(b);
        }
    }
    return b->items.n != 0 ? 0 : err_set(b->reterr, ERR_INVALID, "request body is required");
}

/* ---- what the store refused ---- */

struct by_time {
    int64_t time_ns;
    size_t item;
};

static int compare_times(const void *a, const void *b)
{
    int64_t x = ((const struct by_time *)a)->time_ns;
    int64_t y = ((const struct by_time *)b)->time_ns;

    return (x > y) - (x < y);
}

/* The store tells how many it refused; they are the oldest and the newest. Times by item were kept before storing. */
static void name_refused(struct bulk *b, struct by_time *v, size_t n,
                         const struct columns_commit *done)
{
    size_t old = done->rejected[COLUMNS_REJECT_TOO_OLD];
    size_t new = done->rejected[COLUMNS_REJECT_TOO_NEW];

    if (old + new == 0 || old + new > n) {
        return;
    }
    qsort(v, n, sizeof(*v), compare_times);
    for (size_t i = 0; i < n; i++) {
        struct item *it = &b->items.v[v[i].item];

        if (i < old || i >= n - new) {
            it->type = "illegal_argument_exception";
            it->reason = i < old ? STR("the document is older than the retention")
                                 : STR("the document is too far in the future");
        }
    }
}

static int store(struct bulk *b)
{
    struct by_time *times = arena_array(b->in.arena, struct by_time, b->in.records.n + 1);
    struct columns_commit done;
    size_t n = 0;
    int rc;

    if (times == NULL) {
        return no_memory(b);
    }
    for (size_t i = 0; i < b->items.n; i++) {
        if (b->items.v[i].record != NOT_STORED) {
            times[n++] = (struct by_time){b->in.records.v[b->items.v[i].record].time_ns, i};
        }
    }
    rc = log_input_store(&b->in, &done, b->reterr);
    if (rc == 0) {
        name_refused(b, times, n, &done);
    }
    return rc;
}

/* ---- answering ---- */

static void write_error(struct json_writer *w, const char *type, struct str reason)
{
    json_object_begin(w);
    json_key(w, "type");
    json_cstr(w, type);
    json_key(w, "reason");
    json_str(w, reason);
    json_object_end(w);
}

static void write_created(struct json_writer *w)
{
    json_key(w, "_version");
    json_i64(w, 1);
    json_key(w, "result");
    json_cstr(w, "created");
    json_key(w, "_shards");
    json_raw(w, STR("{\"total\":1,\"successful\":1,\"failed\":0}"));
    json_key(w, "_seq_no");
    json_i64(w, 0);
    json_key(w, "_primary_term");
    json_i64(w, 1);
}

static void write_item(const struct bulk *b, struct json_writer *w, size_t i)
{
    const struct item *it = &b->items.v[i];
    char made[48];

    json_object_begin(w);
    json_key_str(w, ACTIONS[it->action]);
    json_object_begin(w);
    if (!b->req->brief) {
        snprintf(made, sizeof(made), "%016llx%06zx", (unsigned long long)b->req->arrival_ns, i);
        json_key(w, "_index");
        json_str(w, it->index);
        json_key(w, "_id");
        json_str(w, it->id.n != 0 ? it->id : str_cstr(made));
        if (it->type == NULL) {
            write_created(w);
        }
    }
    json_key(w, "status");
    json_i64(w, it->type == NULL ? 201 : 400);
    if (it->type != NULL) {
        json_key(w, "error");
        write_error(w, it->type, it->reason);
    }
    json_object_end(w);
    json_object_end(w);
}

static int write_answer(const struct bulk *b, struct buf *answer)
{
    struct json_writer w;
    bool errors = false;

    for (size_t i = 0; i < b->items.n; i++) {
        errors = errors || b->items.v[i].type != NULL;
    }
    json_init(&w, answer);
    json_object_begin(&w);
    json_key(&w, "took");
    json_i64(&w, (clock_wall_ns() - b->req->arrival_ns) / 1000000);
    json_key(&w, "errors");
    json_bool(&w, errors);
    json_key(&w, "items");
    json_array_begin(&w);
    for (size_t i = 0; i < b->items.n; i++) {
        write_item(b, &w, i);
    }
    json_array_end(&w);
    json_object_end(&w);
    return buf_status(answer);
}

void es_error(int status, const char *type, struct str reason, struct buf *dst)
{
    struct json_writer w;

    json_init(&w, dst);
    json_object_begin(&w);
    json_key(&w, "error");
    json_object_begin(&w);
    json_key(&w, "root_cause");
    json_array_begin(&w);
    write_error(&w, type, reason);
    json_array_end(&w);
    json_key(&w, "type");
    json_cstr(&w, type);
    json_key(&w, "reason");
    json_str(&w, reason);
    json_object_end(&w);
    json_key(&w, "status");
    json_i64(&w, status);
    json_object_end(&w);
}

int es_bulk(struct sink *sink, const struct es_bulk_request *req, struct arena *arena,
            struct buf *answer, struct err *reterr)
{
    struct bulk b = {.req = req, .reterr = reterr};
    int rc;

    if (!budget_take(sink->budget, (int64_t)req->body.n)) {
        return err_set(reterr, ERR_OVERLOAD, "too much data is being decoded, try again");
    }
    log_input_init(&b.in, sink, arena, "elasticsearch", req->arrival_ns);
    buf_init(&b.scratch, sink->limits.max_decompressed_bytes);
    b.map = log_map_new(&b.in, NULL);
    rc = b.map == NULL ? no_memory(&b) : read_all(&b);
    if (rc == 0) {
        rc = store(&b);
    } else {
        log_tally_count(sink->stats, "elasticsearch", &b.in.tally, rc);
    }
    rc = rc < 0 ? rc : write_answer(&b, answer);
    log_map_free(b.map);
    buf_done(&b.scratch);
    vec_done(&b.items);
    log_input_done(&b.in);
    budget_give(sink->budget, (int64_t)req->body.n);
    return rc;
}
