/* SPDX-License-Identifier: Apache-2.0
 *
 * One message at a time: [tag, time, record], [tag, [[time, record], ...]], [tag, packed entries], each with options.
 * What can be read of a message is stored together; then it is acknowledged. A packed chunk that breaks in the middle is
 * kept up to there and counted: refusing it would make the sender send it for ever.
 */
#include "ingest/fluent.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "codec/compress.h"
#include "codec/json_write.h"
#include "codec/msgpack.h"
#include "ingest/log_map.h"

enum {
    NONCE_SIZE = 16,
    DIGEST_HEX = 128, /* SHA-512 */
    HANDSHAKE_MAX = 4096,
    ARENA_MAX = 512 << 20,
    EVENT_TIME = 0, /* extension type */
};

static const char SERVER_NAME[] = "bongsu"; /* clients refuse a server of their own name */

struct fluent_door {
    struct fluent_opts opts;
    struct arena arena;
    struct log_input in;
    struct log_map_names names;
    struct log_map *map;
    struct buf plain; /* decompressed entries */
    struct buf whole; /* a record without a text, as JSON */
    struct counter *messages;
    struct counter *malformed;
    struct counter *denied;
};

struct fluent_conn {
    struct fluent_door *d;
    struct msgpack_scan scan; /* of the message that comes */
    bool let_in;
    char nonce[NONCE_SIZE];
    char auth_salt[NONCE_SIZE]; /* of passwords */
};

struct fluent_door *fluent_door_new(const struct fluent_opts *opts)
{
    struct fluent_door *d = mem_xcalloc(1, sizeof(*d));
    char labels[128];

    d->opts = *opts;
    d->names.no_time = true;
    arena_init(&d->arena, ARENA_MAX);
    buf_init(&d->plain, opts->sink->limits.max_decompressed_bytes);
    buf_init(&d->whole, opts->sink->limits.max_body_bytes);
    log_input_init(&d->in, opts->sink, &d->arena, "fluent", 0);
    d->in.keeps_trying = true;
    d->map = log_map_new(&d->in, &d->names);
    snprintf(labels, sizeof(labels), "door=\"%s\"", opts->door);
    d->messages =
        stats_counter(opts->stats, "bongsu_log_input_messages_total", labels, "Messages received.");
    snprintf(labels, sizeof(labels), "door=\"%s\",reason=\"malformed\"", opts->door);
    d->malformed = stats_counter(opts->stats, "bongsu_log_input_rejected_total", labels,
                                 "Messages refused or lost.");
    snprintf(labels, sizeof(labels), "door=\"%s\",reason=\"unauthenticated\"", opts->door);
    d->denied = stats_counter(opts->stats, "bongsu_log_input_rejected_total", labels,
                              "Messages refused or lost.");
    return d;
}

void fluent_door_free(struct fluent_door *d)
{
    if (d != NULL) {
        log_map_free(d->map);
        log_input_done(&d->in);
        buf_done(&d->plain);
        buf_done(&d->whole);
        arena_done(&d->arena);
        mem_free(d);
    }
}

/* ---- records ---- */

static int to_value(struct fluent_door *d, struct msgpack *m, const struct msgpack_item *it,
                    unsigned depth, struct value *ret);

static int to_array(struct fluent_door *d, struct msgpack *m, uint32_t n, unsigned depth,
                    struct value *ret)
{
    struct value *v;

    if ((size_t)(m->end - m->p) < n) { /* a value has a byte */
        return -ERR_TRUNCATED;
    }
    v = arena_array(&d->arena, struct value, n);
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct msgpack_item it;
        int rc = msgpack_next(m, &it, NULL);

        rc = rc > 0 ? to_value(d, m, &it, depth + 1, &v[i]) : -ERR_TRUNCATED;
        if (rc < 0) {
            return rc;
        }
    }
    *ret = (struct value){.type = VALUE_ARRAY, .u.array = {v, n}};
    return 0;
}

/* Keys are texts; a number is written as one. */
static int key_of(struct fluent_door *d, struct msgpack *m, const struct msgpack_item *it,
                  struct str *ret)
{
    if (it->type == MSGPACK_STR || it->type == MSGPACK_BIN) {
        *ret = it->u.s;
        return 0;
    }
    *ret = it->type == MSGPACK_INT ? arena_printf(&d->arena, "%lld", (long long)it->u.i) : STR("?");
    return ret->p == NULL ? -ERR_NOMEM : msgpack_skip(m, it, NULL);
}

static int to_map(struct fluent_door *d, struct msgpack *m, uint32_t n, unsigned depth,
                  struct value *ret)
{
    struct attr *v;

    if ((size_t)(m->end - m->p) / 2 < n) {
        return -ERR_TRUNCATED;
    }
    v = arena_array(&d->arena, struct attr, n);
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct msgpack_item it;
        int rc = msgpack_next(m, &it, NULL);

        rc = rc > 0 ? key_of(d, m, &it, &v[i].key) : -ERR_TRUNCATED;
        rc = rc < 0 ? rc
                    : log_input_text(&d->in, v[i].key, d->in.sink->limits.max_attr_key_bytes,
                                     ALTER_VALUE_CUT, &v[i].key);
        rc = rc < 0 ? rc : msgpack_next(m, &it, NULL);
        rc = rc > 0 ? to_value(d, m, &it, depth + 1, &v[i].value) : rc < 0 ? rc : -ERR_TRUNCATED;
        if (rc < 0) {
            return rc;
        }
    }
    *ret = (struct value){.type = VALUE_MAP, .u.map = {v, n}};
    return 0;
}

static bool event_time(const struct msgpack_item *it, int64_t *ret_ns)
{
    const uint8_t *p = (const uint8_t *)it->u.s.p;

    if (it->type != MSGPACK_EXT || it->ext != EVENT_TIME || it->u.s.n != 8) {
        return false;
    }
    *ret_ns = (int64_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]) *
                  1000000000 +
              (int64_t)((uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7]);
    return true;
}

static int to_value(struct fluent_door *d, struct msgpack *m, const struct msgpack_item *it,
                    unsigned depth, struct value *ret)
{
    *ret = (struct value){.type = VALUE_NONE};
    switch (it->type) {
    case MSGPACK_NIL:
        return 0;
    case MSGPACK_BOOL:
        *ret = (struct value){.type = VALUE_BOOL, .u.b = it->u.b};
        return 0;
    case MSGPACK_INT:
        *ret = (struct value){.type = VALUE_I64, .u.i = it->u.i};
        return 0;
    case MSGPACK_UINT:
        *ret = (struct value){.type = VALUE_F64, .u.f = (double)it->u.u};
        return 0;
    case MSGPACK_F64:
        *ret = (struct value){.type = VALUE_F64, .u.f = it->u.f};
        return 0;
    case MSGPACK_STR:
    case MSGPACK_BIN:
        ret->type = VALUE_STR; /* cut by the map, or here within a list */
        ret->u.s = it->u.s;
        return depth == 0 ? 0
                          : log_input_text(&d->in, it->u.s, d->in.sink->limits.max_attr_value_bytes,
                                           ALTER_VALUE_CUT, &ret->u.s);
    case MSGPACK_EXT:
        ret->type = VALUE_BYTES;
        ret->u.s = it->u.s;
        if (event_time(it, &ret->u.i)) {
            ret->type = VALUE_I64;
        }
        return 0;
    case MSGPACK_ARRAY:
        return depth < MSGPACK_DEPTH ? to_array(d, m, it->n, depth, ret) : -ERR_LIMIT;
    case MSGPACK_MAP:
        return depth < MSGPACK_DEPTH ? to_map(d, m, it->n, depth, ret) : -ERR_LIMIT;
    }
    return -ERR_INVALID;
}

/* The members of a map under a path. */
static int fields(struct fluent_door *d, struct msgpack *m, uint32_t n, struct str prefix,
                  unsigned depth)
{
    int rc = depth < MSGPACK_DEPTH ? 0 : -ERR_LIMIT;

    for (uint32_t i = 0; rc >= 0 && i < n; i++) {
        struct msgpack_item it;
        struct value v;
        struct str key;

        rc = msgpack_next(m, &it, NULL);
        rc = rc > 0 ? key_of(d, m, &it, &key) : rc < 0 ? rc : -ERR_TRUNCATED;
        if (rc == 0 && prefix.n != 0) {
            key = arena_printf(&d->arena, "%.*s.%.*s", STR_ARG(prefix),
                               STR_ARG(str_take(key, LOG_MAP_PATH)));
            rc = key.p == NULL ? -ERR_NOMEM : 0;
        }
        rc = rc < 0 ? rc : msgpack_next(m, &it, NULL);
        if (rc <= 0) {
            return rc < 0 ? rc : -ERR_TRUNCATED;
        }
        if (it.type == MSGPACK_MAP && it.n != 0) {
            rc = fields(d, m, it.n, str_take(key, LOG_MAP_PATH), depth + 1);
            continue;
        }
        rc = to_value(d, m, &it, 0, &v);
        rc = rc < 0 ? rc : log_map_field(d->map, key, v);
    }
    return rc;
}

static void write_json(struct json_writer *w, struct msgpack *m, const struct msgpack_item *it)
{
    struct msgpack_item next;
    int64_t ns;

    switch (it->type) {
    case MSGPACK_NIL:
        json_null(w);
        return;
    case MSGPACK_BOOL:
        json_bool(w, it->u.b);
        return;
    case MSGPACK_INT:
        json_i64(w, it->u.i);
        return;
    case MSGPACK_UINT:
        json_u64(w, it->u.u);
        return;
    case MSGPACK_F64:
        json_f64(w, it->u.f);
        return;
    case MSGPACK_STR:
    case MSGPACK_BIN:
        json_str(w, it->u.s);
        return;
    case MSGPACK_EXT:
        if (event_time(it, &ns)) {
            json_i64(w, ns);
        } else {
            json_null(w);
        }
        return;
    case MSGPACK_ARRAY:
        json_array_begin(w);
        for (uint32_t i = 0; i < it->n && msgpack_next(m, &next, NULL) > 0; i++) {
            write_json(w, m, &next);
        }
        json_array_end(w);
        return;
    case MSGPACK_MAP:
        json_object_begin(w);
        for (uint32_t i = 0; i < it->n && msgpack_next(m, &next, NULL) > 0; i++) {
            bool text = next.type == MSGPACK_STR || next.type == MSGPACK_BIN;

            json_key_str(w, text ? next.u.s : STR("?"));
            if ((!text && msgpack_skip(m, &next, NULL) < 0) || msgpack_next(m, &next, NULL) <= 0) {
                json_null(w);
                break;
            }
            write_json(w, m, &next);
        }
        json_object_end(w);
        return;
    }
}

/* A record that has no text is its own text, as JSON. */
static int end_record(struct fluent_door *d, struct str record)
{
    struct str whole = {0};

    if (d->map->r.body.u.s.p == NULL) {
        struct msgpack m = msgpack_init(record);
        struct msgpack_item it;
        struct json_writer w;

        buf_clear(&d->whole);
        json_init(&w, &d->whole);
        if (msgpack_next(&m, &it, NULL) > 0) {
            write_json(&w, &m, &it);
        }
        whole = arena_str_dup(&d->arena, buf_str(&d->whole));
    }
    return log_map_end(d->map, whole);
}

/* One event: time and record stand at *m. @return 0; -ERR_NOMEM; -ERR_INVALID, -ERR_TRUNCATED: broken */
static int add_event(struct fluent_door *d, struct str tag, struct msgpack *m,
                     const struct msgpack_item *time)
{
    struct value t = {.type = VALUE_NONE};
    struct msgpack_item it = *time;
    const char *from;
    int64_t ns = 0;
    int rc = 1;

    if (it.type == MSGPACK_ARRAY && it.n != 0) { /* [time, metadata] of newer Fluent Bits */
        uint32_t more = it.n - 1;
        struct msgpack_item rest;

        rc = msgpack_next(m, &it, NULL);
        for (; rc > 0 && more != 0; more--) {
            rc = msgpack_next(m, &rest, NULL);
            rc = rc > 0 && msgpack_skip(m, &rest, NULL) < 0 ? -ERR_INVALID : rc;
        }
        if (rc <= 0) {
            return -ERR_TRUNCATED;
        }
    }
    log_map_begin(d->map);
    if (!event_time(&it, &ns)) {
        rc = to_value(d, m, &it, 0, &t);
        if (rc < 0) {
            return rc;
        }
        ignore_result(log_map_time(&t, &ns), "without a time it is the arrival");
    }
    d->map->r.time_ns = ns;
    from = m->p;
    rc = msgpack_next(m, &it, NULL);
    if (rc <= 0) {
        return -ERR_TRUNCATED;
    }
    if (it.type != MSGPACK_MAP) {
        rc = msgpack_skip(m, &it, NULL);
        d->in.tally.rejected[REJECT_MALFORMED] += rc == 0;
        return rc;
    }
    rc = fields(d, m, it.n, str_of("", 0), 0);
    rc = rc < 0 ? rc : log_map_resource(d->map, STR("fluent.tag"), tag);
    rc = rc < 0 ? rc : end_record(d, str_of(from, (size_t)(m->p - from)));
    return rc < 0 ? rc : 0;
}

/* [time, record] after [time, record] ... */
static int add_entries(struct fluent_door *d, struct str tag, struct msgpack *m, uint32_t limit)
{
    struct msgpack_item it;
    int rc = 0;

    for (uint32_t i = 0; i < limit && (rc = msgpack_next(m, &it, NULL)) > 0; i++) {
        if (it.type != MSGPACK_ARRAY || it.n < 2) {
            return -ERR_INVALID;
        }
        for (uint32_t k = it.n; rc > 0 && k > 0; k--) {
            struct msgpack_item part;

            rc = msgpack_next(m, &part, NULL);
            if (rc <= 0) {
                return -ERR_TRUNCATED;
            }
            if (k == it.n) {
                rc = add_event(d, tag, m, &part);
                k--; /* the record was the second */
            } else {
                rc = msgpack_skip(m, &part, NULL);
            }
            rc = rc < 0 ? rc : 1;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return rc < 0 ? rc : 0;
}

/* ---- messages ---- */

struct options {
    struct str chunk;
    enum compression compression;
};

static int read_options(struct msgpack *m, struct options *o)
{
    struct msgpack_item it;
    int rc = msgpack_next(m, &it, NULL);

    if (rc <= 0 || it.type != MSGPACK_MAP) {
        return rc > 0 ? msgpack_skip(m, &it, NULL) : rc;
    }
    for (uint32_t n = it.n; n != 0; n--) {
        struct msgpack_item key;
        struct msgpack_item v;
        bool text;

        if (msgpack_next(m, &key, NULL) <= 0 || msgpack_skip(m, &key, NULL) < 0 ||
            msgpack_next(m, &v, NULL) <= 0 || msgpack_skip(m, &v, NULL) < 0) {
            return -ERR_TRUNCATED;
        }
        text = key.type == MSGPACK_STR && (v.type == MSGPACK_STR || v.type == MSGPACK_BIN);
        if (text && str_eq(key.u.s, STR("chunk"))) {
            o->chunk = v.u.s;
        } else if (text && str_eq(key.u.s, STR("compressed")) && !str_eq(v.u.s, STR("text")) &&
                   !compression_parse(v.u.s, &o->compression)) {
            return -ERR_UNSUPPORTED;
        }
    }
    return 0;
}

static int add_packed(struct fluent_door *d, struct str tag, struct str packed,
                      const struct options *o)
{
    struct msgpack m;

    if (o->compression != COMPRESS_NONE) {
        int rc;

        buf_clear(&d->plain);
        rc = decompress(o->compression, packed, &d->plain, NULL);
        if (rc < 0) {
            return rc;
        }
        packed = buf_str(&d->plain);
    }
    m = msgpack_init(packed);
    return add_entries(d, tag, &m, UINT32_MAX);
}

/* What follows the tag. */
static int add_message(struct fluent_door *d, struct msgpack *m, uint32_t n, struct options *o)
{
    struct msgpack_item tag;
    struct msgpack_item second;
    struct msgpack after;
    int rc = msgpack_next(m, &tag, NULL);

    if (rc <= 0 || (tag.type != MSGPACK_STR && tag.type != MSGPACK_BIN) ||
        msgpack_next(m, &second, NULL) <= 0) {
        return -ERR_INVALID;
    }
    if (second.type == MSGPACK_STR || second.type == MSGPACK_BIN) {
        rc = n > 2 ? read_options(m, o) : 0;
        return rc < 0 ? rc : add_packed(d, tag.u.s, second.u.s, o);
    }
    /* an array is a list of entries, or the time with metadata of a message */
    after = *m;
    if (second.type == MSGPACK_ARRAY) {
        struct msgpack_item first;

        if (second.n == 0 ||
            (msgpack_next(&after, &first, NULL) > 0 && first.type == MSGPACK_ARRAY)) {
            rc = add_entries(d, tag.u.s, m, second.n);
            return rc < 0 || n < 3 ? rc : read_options(m, o);
        }
    }
    rc = n < 3 ? -ERR_INVALID : add_event(d, tag.u.s, m, &second);
    return rc < 0 || n < 4 ? rc : read_options(m, o);
}

static void complain(struct fluent_door *d, const char *what, const char *why)
{
    static struct log_limit limit;
    int64_t suppressed;

    if (log_limit_pass(&limit, &suppressed)) {
        log_warn("ingest", what, L_CSTR("door", d->opts.door), L_CSTR("error", why),
                 L_INT("suppressed", suppressed));
    }
}

static void note_broken(struct fluent_door *d, int rc)
{
    counter_add(d->malformed, 1);
    complain(d, "a Fluent message is broken", err_text(rc));
}

static int store_message(struct fluent_door *d, struct str message, struct buf *out)
{
    struct options o = {.compression = COMPRESS_NONE};
    struct msgpack m = msgpack_init(message);
    struct columns_commit done;
    struct msgpack_item head;
    struct err e = {0};
    int rc = msgpack_next(&m, &head, NULL);

    if (rc > 0 && head.type == MSGPACK_NIL) {
        return 0; /* a heartbeat */
    }
    if (rc <= 0 || head.type != MSGPACK_ARRAY || head.n < 2 || head.n > 4) {
        return -ERR_INVALID;
    }
    arena_reset(&d->arena);
    log_input_reset(&d->in, clock_wall_ns());
    rc = add_message(d, &m, head.n, &o);
    if (rc == -ERR_NOMEM) {
        return -ERR_OVERLOAD;
    }
    if (rc < 0 && d->in.records.n == 0 && o.chunk.n == 0) {
        note_broken(d, rc);
        return rc;
    }
    d->in.tally.rejected[REJECT_MALFORMED] += rc < 0;
    if (log_input_store(&d->in, &done, &e) < 0) {
        complain(d, "Fluent senders wait: the store does not take their records", e.msg);
        return -ERR_OVERLOAD; /* the same message comes again: nothing of it is counted yet */
    }
    if (rc < 0) {
        note_broken(d, rc);
    }
    counter_add(d->messages, 1);
    if (o.chunk.n != 0) {
        msgpack_put_map(out, 1);
        msgpack_put_str(out, STR("ack"));
        msgpack_put_str(out, o.chunk);
    }
    return 0;
}

/* ---- handshake ---- */

static void put_helo(struct fluent_conn *c, struct buf *out)
{
    random_bytes(c->nonce, sizeof(c->nonce));
    random_bytes(c->auth_salt, sizeof(c->auth_salt));
    msgpack_put_array(out, 2);
    msgpack_put_str(out, STR("HELO"));
    msgpack_put_map(out, 3);
    msgpack_put_str(out, STR("nonce"));
    msgpack_put_bin(out, str_of(c->nonce, sizeof(c->nonce)));
    msgpack_put_str(out, STR("auth"));
    if (c->d->opts.users_n != 0) { /* says that a user name is asked for */
        msgpack_put_bin(out, str_of(c->auth_salt, sizeof(c->auth_salt)));
    } else {
        msgpack_put_str(out, STR(""));
    }
    msgpack_put_str(out, STR("keepalive"));
    msgpack_put_bool(out, true);
}

/* Hex of SHA-512 over the parts. */
static void digest(const struct str *parts, size_t n, char hex[DIGEST_HEX + 1])
{
    struct buf b CLEANUP(buf_done) = {0};
    uint8_t raw[DIGEST_HEX / 2] = {0};

    buf_init(&b, 2 * HANDSHAKE_MAX);
    for (size_t i = 0; i < n; i++) {
        buf_add_str(&b, parts[i]);
    }
    if (buf_status(&b) < 0 || gnutls_hash_fast(GNUTLS_DIG_SHA512, b.data, b.n, raw) < 0) {
        random_bytes(raw, sizeof(raw)); /* equal to nothing */
    }
    hex_encode(raw, sizeof(raw), hex);
}

static void key_digest(const struct fluent_conn *c, struct str salt, struct str name,
                       char hex[DIGEST_HEX + 1])
{
    const struct str parts[] = {salt, name, str_of(c->nonce, sizeof(c->nonce)),
                                c->d->opts.shared_key};

    digest(parts, ARRAY_LEN(parts), hex);
}

static bool same_digest(const char hex[DIGEST_HEX + 1], struct str given)
{
    return given.n == DIGEST_HEX && gnutls_memcmp(hex, given.p, DIGEST_HEX) == 0;
}

/* Every user is compared, so that time tells nothing of which names there are. */
static bool user_known(const struct fluent_conn *c, struct str name, struct str given)
{
    const struct fluent_opts *o = &c->d->opts;
    bool known = o->users_n == 0;

    for (size_t i = 0; i < o->users_n; i++) {
        const struct str parts[] = {str_of(c->auth_salt, sizeof(c->auth_salt)), o->users[i].name,
                                    o->users[i].password};
        char hex[DIGEST_HEX + 1];
        bool same;

        digest(parts, ARRAY_LEN(parts), hex);
        same = same_digest(hex, given);
        known |= same && str_eq(name, o->users[i].name);
    }
    return known;
}

static void put_pong(struct fluent_conn *c, struct str salt, struct str why_not, struct buf *out)
{
    char hex[DIGEST_HEX + 1];

    key_digest(c, salt, STR(SERVER_NAME), hex);
    msgpack_put_array(out, 5);
    msgpack_put_str(out, STR("PONG"));
    msgpack_put_bool(out, c->let_in);
    msgpack_put_str(out, why_not);
    msgpack_put_str(out, c->let_in ? STR(SERVER_NAME) : STR(""));
    msgpack_put_str(out, c->let_in ? str_of(hex, DIGEST_HEX) : STR(""));
}

/* ["PING", hostname, salt, digest, username, password digest] */
static int take_ping(struct fluent_conn *c, struct str message, struct buf *out)
{
    struct msgpack m = msgpack_init(message);
    struct msgpack_item head;
    struct msgpack_item f[6];
    char hex[DIGEST_HEX + 1];
    const char *why_not = "";
    bool ok = msgpack_next(&m, &head, NULL) > 0 && head.type == MSGPACK_ARRAY && head.n == 6;

    for (size_t i = 0; ok && i < ARRAY_LEN(f); i++) {
        ok = msgpack_next(&m, &f[i], NULL) > 0 &&
             (f[i].type == MSGPACK_STR || f[i].type == MSGPACK_BIN);
    }
    if (!ok || !str_eq(f[0].u.s, STR("PING"))) {
        return -ERR_INVALID;
    }
    key_digest(c, f[2].u.s, f[1].u.s, hex);
    if (!same_digest(hex, f[3].u.s)) {
        why_not = "shared_key mismatch";
    } else if (!user_known(c, f[4].u.s, f[5].u.s)) {
        why_not = "username/password mismatch";
    }
    c->let_in = why_not[0] == '\0';
    put_pong(c, f[2].u.s, str_cstr(why_not), out);
    if (!c->let_in) {
        counter_add(c->d->denied, 1);
        complain(c->d, "a Fluent sender is not let in", why_not);
    }
    return c->let_in ? 0 : -ERR_UNAUTHENTICATED;
}

/* ---- connections ---- */

struct fluent_conn *fluent_conn_new(struct fluent_door *d, struct buf *out)
{
    struct fluent_conn *c = mem_try_calloc(1, sizeof(*c));

    if (c == NULL || d->map == NULL) {
        mem_free(c);
        return NULL;
    }
    c->d = d;
    c->let_in = d->opts.shared_key.n == 0 && d->opts.users_n == 0;
    if (!c->let_in) {
        put_helo(c, out);
    }
    return c;
}

void fluent_conn_free(struct fluent_conn *c)
{
    mem_free(c);
}

int64_t fluent_take(struct fluent_conn *c, struct str data, struct buf *out)
{
    struct budget *budget = c->d->opts.sink->budget;
    struct msgpack_scan scan = c->scan;
    struct str message;
    int rc = msgpack_scan(&scan, data);

    if (rc == 0) {
        c->scan = scan;
        return !c->let_in && data.n > HANDSHAKE_MAX ? -ERR_UNAUTHENTICATED : 0;
    }
    if (rc < 0) {
        counter_add(c->d->malformed, 1);
        return rc;
    }
    message = str_take(data, scan.at);
    if (!c->let_in) {
        rc = message.n > HANDSHAKE_MAX ? -ERR_UNAUTHENTICATED : take_ping(c, message, out);
    } else if (!budget_take(budget, (int64_t)message.n)) {
        rc = -ERR_OVERLOAD;
    } else {
        rc = store_message(c->d, message, out);
        budget_give(budget, (int64_t)message.n);
    }
    if (rc == -ERR_OVERLOAD) {
        return rc; /* the scan starts anew: what it knows is soon found again */
    }
    memset(&c->scan, 0, sizeof(c->scan));
    return rc < 0 ? rc : (int64_t)message.n;
}
