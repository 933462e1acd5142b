/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages become log records that borrow their texts from the bytes received; a batch is what one read brought.
 */
#include "ingest/syslog.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ingest/log_input.h"
#include "ingest/syslog_parse.h"

enum {
    MESSAGE_MAX = 64 << 10,
    BATCH = 2000,            /* messages stored at once */
    BATCH_ARENA = 128 << 20, /* decoded, at most */
    ATTRS_FIXED = 10,        /* besides structured data */
    FIELD_MAX = 1024,        /* bytes of a header field that are kept */
};

struct syslog_door {
    struct syslog_opts opts;
    struct arena arena;
    struct log_input in;
    uint64_t batch_malformed; /* of the batch at hand: counted when it is stored */
    uint64_t batch_cut;
    struct counter *messages;
    struct counter *lost;
    struct counter *malformed;
    struct counter *cut;
};

struct syslog_stream {
    struct syslog_door *d;
    struct syslog_framing framing;
};

struct syslog_door *syslog_door_new(const struct syslog_opts *opts)
{
    struct syslog_door *d = mem_xcalloc(1, sizeof(*d));
    char labels[128];

    d->opts = *opts;
    d->opts.max_message = opts->max_message != 0 ? opts->max_message : MESSAGE_MAX;
    arena_init(&d->arena, BATCH_ARENA);
    log_input_init(&d->in, opts->sink, &d->arena, opts->door, 0);
    snprintf(labels, sizeof(labels), "door=\"%s\"", opts->door);
    d->messages =
        stats_counter(opts->stats, "bongsu_log_input_messages_total", labels, "Messages received.");
    snprintf(labels, sizeof(labels), "door=\"%s\",reason=\"store_unavailable\"", opts->door);
    d->lost = stats_counter(opts->stats, "bongsu_log_input_rejected_total", labels,
                            "Messages refused or lost.");
    snprintf(labels, sizeof(labels), "door=\"%s\",reason=\"malformed\"", opts->door);
    d->malformed = stats_counter(opts->stats, "bongsu_log_input_altered_total", labels,
                                 "Messages kept in another form than they came.");
    snprintf(labels, sizeof(labels), "door=\"%s\",reason=\"message_cut\"", opts->door);
    d->cut = stats_counter(opts->stats, "bongsu_log_input_altered_total", labels,
                           "Messages kept in another form than they came.");
    return d;
}

void syslog_door_free(struct syslog_door *d)
{
    if (d != NULL) {
        log_input_done(&d->in);
        arena_done(&d->arena);
        mem_free(d);
    }
}

/* ---- one message to one record ---- */

/* Appendix B of the log data model, and the names of RFC 5424 section 6.2.1 as syslog.h has them. */
static const struct {
    uint8_t number;
    struct str text;
} SEVERITIES[8] = {
    {21, {"emerg", 5}},   {19, {"alert", 5}},  {18, {"crit", 4}}, {17, {"err", 3}},
    {13, {"warning", 7}}, {10, {"notice", 6}}, {9, {"info", 4}},  {5, {"debug", 5}},
};

/* A record in the making. */
struct making {
    struct log_input *in;
    struct attr *v; /* room for `max` */
    size_t n, max;
    uint32_t dropped;
};

static void put(struct making *mk, struct str key, struct value value)
{
    if (mk->n < mk->max) {
        mk->v[mk->n++] = (struct attr){key, value};
    } else {
        mk->dropped++;
    }
}

static void put_i64(struct making *mk, struct str key, int64_t i)
{
    put(mk, key, (struct value){.type = VALUE_I64, .u.i = i});
}

static int put_text(struct making *mk, struct str key, struct str raw)
{
    struct value v = {.type = VALUE_STR};
    int rc;

    if (raw.n == 0) {
        return 0;
    }
    rc = log_input_text(mk->in, raw, FIELD_MAX, ALTER_VALUE_CUT, &v.u.s);
    if (rc == 0) {
        put(mk, key, v);
    }
    return rc;
}

/* \" \\ \] (RFC 5424 6.3.3); another backslash stands for itself. */
static int unescape(struct making *mk, struct str raw, struct str *ret)
{
    const struct ingest_limits *lim = &mk->in->sink->limits;
    size_t n = 0;
    char *dst;

    if (str_find_byte(raw, '\\') >= 0) {
        dst = arena_alloc(mk->in->arena, raw.n, 1);
        if (dst == NULL) {
            return -ERR_NOMEM;
        }
        for (size_t i = 0; i < raw.n; i++) {
            if (raw.p[i] == '\\' && i + 1 < raw.n && memchr("\"\\]", raw.p[i + 1], 3) != NULL) {
                i++;
            }
            dst[n++] = raw.p[i];
        }
        raw = str_of(dst, n);
    }
    return log_input_text(mk->in, raw, lim->max_attr_value_bytes, ALTER_VALUE_CUT, ret);
}

/* A name that comes again in one element gives a list (RFC 5424 6.3.3 allows it, "ip" of "origin" uses it). */
static int put_again(struct making *mk, struct value *old, struct value more)
{
    size_t n = old->type == VALUE_ARRAY ? old->u.array.n : 1;
    struct value *v = arena_array(mk->in->arena, struct value, n + 1);

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    if (old->type == VALUE_ARRAY) {
        memcpy(v, old->u.array.v, n * sizeof(*v));
    } else {
        v[0] = *old;
    }
    v[n] = more;
    *old = (struct value){.type = VALUE_ARRAY, .u.array = {v, n + 1}};
    return 0;
}

static int put_param(struct making *mk, size_t first, const struct syslog_param *p)
{
    struct value v = {.type = VALUE_BOOL, .u.b = true};
    struct str key =
        p->name.n != 0 ? arena_printf(mk->in->arena, "syslog.structured_data.%.*s.%.*s",
                                      STR_ARG(p->id), STR_ARG(p->name))
                       : arena_printf(mk->in->arena, "syslog.structured_data.%.*s", STR_ARG(p->id));
    int rc = key.p == NULL ? -ERR_NOMEM : 0;

    if (rc == 0 && p->name.n != 0) {
        v.type = VALUE_STR;
        rc = unescape(mk, p->value, &v.u.s);
    }
    rc = rc < 0 ? rc
                : log_input_text(mk->in, key, mk->in->sink->limits.max_attr_key_bytes,
                                 ALTER_VALUE_CUT, &key);
    for (size_t i = first; rc == 0 && i < mk->n; i++) {
        if (str_eq(mk->v[i].key, key)) {
            return v.type == VALUE_STR ? put_again(mk, &mk->v[i].value, v) : 0;
        }
    }
    if (rc == 0) {
        put(mk, key, v);
    }
    return rc;
}

static size_t count_params(struct str structured)
{
    struct syslog_param p = {0};
    size_t n = 0;

    while (syslog_next_param(&structured, &p)) {
        n++;
    }
    return n;
}

static int put_structured(struct making *mk, struct str structured)
{
    struct syslog_param p = {0};
    size_t first = mk->n;
    int rc = 0;

    while (rc == 0 && syslog_next_param(&structured, &p)) {
        if (mk->n == mk->max) {
            mk->dropped++; /* without making a key of it */
            continue;
        }
        rc = put_param(mk, first, &p);
    }
    return rc;
}

static int put_header(struct making *mk, const struct syslog_message *m, struct str peer, bool cut)
{
    int64_t pid;
    int rc;

    if (m->pri >= 0) {
        put_i64(mk, STR("syslog.facility.code"), m->pri / 8);
        put_i64(mk, STR("syslog.severity.code"), m->pri % 8);
    }
    if (str_to_i64(m->proc, &pid) && pid >= 0) {
        put_i64(mk, STR("process.pid"), pid);
        rc = 0;
    } else {
        rc = put_text(mk, STR("syslog.procid"), m->proc);
    }
    rc = rc < 0 ? rc : put_text(mk, STR("syslog.msg.id"), m->msgid);
    rc = rc < 0 ? rc : put_text(mk, STR("syslog.sequence"), m->sequence);
    rc = rc < 0 ? rc : put_text(mk, STR("network.peer.address"), peer);
    if (cut) {
        put(mk, STR("log.truncated"), (struct value){.type = VALUE_BOOL, .u.b = true});
    }
    return rc;
}

/* Stream: host and program. Who names no host is known by address. */
static const struct resource *resource_of(struct making *mk, const struct syslog_message *m,
                                          struct str peer)
{
    struct attr v[2] = {{.key = STR("host.name"), .value.type = VALUE_STR},
                        {.key = STR("service.name"), .value.type = VALUE_STR}};
    struct str host = m->host.n != 0 ? m->host : peer;

    if (log_input_text(mk->in, host, FIELD_MAX, ALTER_VALUE_CUT, &v[0].value.u.s) < 0 ||
        log_input_text(mk->in, m->app, FIELD_MAX, ALTER_VALUE_CUT, &v[1].value.u.s) < 0) {
        return NULL;
    }
    return log_input_resource(mk->in, v, m->app.n != 0 ? 2 : 1);
}

static int add_record(struct syslog_door *d, struct str text, struct str peer, bool cut)
{
    const struct ingest_limits *lim = &d->opts.sink->limits;
    const struct syslog_clock clock = {.zone = d->opts.zone, .now_ns = d->in.arrival_ns};
    struct making mk = {.in = &d->in};
    struct log_record r = {.body.type = VALUE_STR};
    struct syslog_message m;
    int rc;

    syslog_parse(text, &clock, &m);
    if (m.pri < 0 && m.msg.n == 0) {
        return 0; /* an empty line, a keep-alive */
    }
    mk.max = ATTRS_FIXED + count_params(m.structured);
    mk.max = mk.max < lim->max_attrs ? mk.max : lim->max_attrs;
    mk.v = arena_array(&d->arena, struct attr, mk.max);
    if (mk.v == NULL) {
        return -ERR_NOMEM;
    }
    rc = put_header(&mk, &m, peer, cut);
    rc = rc < 0 ? rc : put_structured(&mk, m.structured);
    rc = rc < 0 ? rc
                : log_input_text(&d->in, m.msg, lim->max_body_bytes, ALTER_BODY_CUT, &r.body.u.s);
    r.resource = rc < 0 ? NULL : resource_of(&mk, &m, peer);
    if (r.resource == NULL) {
        return -ERR_NOMEM;
    }
    if (m.pri >= 0) {
        r.severity = SEVERITIES[m.pri % 8].number;
        r.severity_text = SEVERITIES[m.pri % 8].text;
    }
    r.time_ns = m.has_time && m.time_ns > 0 ? m.time_ns : 0;
    r.attrs = (struct attrs){mk.v, mk.n};
    r.dropped_attrs = mk.dropped;
    d->in.tally.altered[ALTER_ATTRS] += mk.dropped;
    d->in.tally.altered[ALTER_BODY_CUT] += cut;
    rc = log_input_add(&d->in, &r);
    if (rc == 0) {
        d->batch_malformed += m.broken;
        d->batch_cut += cut;
    }
    return rc < 0 ? rc : 0;
}

/* @return 0; -ERR_NOMEM: the batch is full, and the message left no trace in it */
static int add(struct syslog_door *d, struct str text, struct str peer, bool cut)
{
    const struct log_tally before = d->in.tally;
    int rc = add_record(d, text, peer, cut);

    if (rc < 0) {
        d->in.tally = before;
    }
    return rc;
}

static void begin(struct syslog_door *d)
{
    arena_reset(&d->arena);
    log_input_reset(&d->in, clock_wall_ns());
    d->batch_malformed = 0;
    d->batch_cut = 0;
}

/* @return 0; below: refused, and nothing of it is counted */
static int store(struct syslog_door *d, struct err *e)
{
    struct columns_commit done;
    int rc = log_input_store(&d->in, &done, e);

    if (rc == 0) {
        counter_add(d->malformed, d->batch_malformed);
        counter_add(d->cut, d->batch_cut);
    }
    return rc;
}

static void complain(struct syslog_door *d, const char *what, const struct err *e)
{
    static struct log_limit limit;
    int64_t suppressed;

    if (log_limit_pass(&limit, &suppressed)) {
        log_warn("ingest", what, L_CSTR("door", d->opts.door), L_CSTR("error", e->msg),
                 L_INT("suppressed", suppressed));
    }
}

/* ---- datagrams ---- */

static void store_packets(struct syslog_door *d, size_t n)
{
    struct err e = {0};

    counter_add(d->messages, n);
    if (store(d, &e) < 0) {
        counter_add(d->lost, n);
        complain(d, "syslog datagrams are lost: the store does not take them", &e);
    }
    begin(d);
}

void syslog_take_packets(struct syslog_door *d, const struct syslog_packet *v, size_t n)
{
    size_t in_batch = 0;

    d->in.keeps_trying = false;
    begin(d);
    for (size_t i = 0; i < n; i++) {
        bool cut = v[i].data.n > d->opts.max_message;
        struct str text = str_take(v[i].data, d->opts.max_message);

        if (add(d, text, v[i].peer, cut) < 0) {
            store_packets(d, in_batch);
            in_batch = 0;
            if (add(d, text, v[i].peer, cut) < 0) {
                counter_add(d->lost, 1);
                continue;
            }
        }
        in_batch++;
    }
    store_packets(d, in_batch);
}

/* ---- streams ---- */

struct syslog_stream *syslog_stream_new(struct syslog_door *d)
{
    struct syslog_stream *s = mem_try_calloc(1, sizeof(*s));

    if (s != NULL) {
        s->d = d;
    }
    return s;
}

void syslog_stream_free(struct syslog_stream *s)
{
    mem_free(s);
}

int64_t syslog_take_stream(struct syslog_stream *s, struct str data, struct str peer, bool end)
{
    struct syslog_framing f = s->framing;
    struct syslog_door *d = s->d;
    struct err e = {0};
    size_t messages = 0;
    size_t at = 0;
    bool full = false;

    d->in.keeps_trying = true;
    begin(d);
    while (messages < BATCH && at < data.n) {
        struct syslog_framing before = f;
        struct syslog_frame frame;
        size_t n = syslog_next_frame(&f, str_drop(data, at), end, d->opts.max_message, &frame);

        if (n == 0) {
            break;
        }
        if (frame.text.n != 0) {
            full = add(d, frame.text, peer, frame.cut) < 0;
            if (full) {
                f = before;
                break;
            }
            messages++;
        }
        at += n;
    }
    if (full && messages == 0) {
        return -ERR_OVERLOAD;
    }
    if (store(d, &e) < 0) {
        complain(d, "syslog senders wait: the store does not take their messages", &e);
        return -ERR_OVERLOAD;
    }
    s->framing = f;
    counter_add(d->messages, messages);
    return (int64_t)at;
}
