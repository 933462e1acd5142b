/* SPDX-License-Identifier: Apache-2.0
 *
 * Each door is a socket server of src/net with a decoder of src/ingest behind it. What their connections hold of
 * unfinished messages has a budget of its own: a slow sender must not starve the HTTP doors.
 */
#include "log_doors.h"

#include "api/api.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "ingest/fluent.h"
#include "ingest/syslog.h"
#include "ingest/time_zone.h"
#include "net/datagram_server.h"
#include "net/stream_server.h"
#include "settings.h"

static const int64_t UNFINISHED_MEMORY = 128ll << 20;

enum { STREAMS = 4, FLUENT_MESSAGE_MAX = 64 << 20 };

struct log_doors {
    const struct settings *settings;
    struct sink *sink;
    struct stats *stats;
    struct api *api;
    struct budget budget;
    struct time_zone *zone;
    struct datagram_server *udp;
    struct stream_server *streams[STREAMS];
    size_t streams_n;
    struct syslog_door *syslog[STREAMS];
    size_t syslog_n;
    struct fluent_door *fluent[STREAMS];
    size_t fluent_n;
    struct fluent_user *fluent_users; /* their texts are of the settings */
};

static void opened(struct log_doors *d, const char *name, const char *address)
{
    api_set_door(d->api, name, address);
    if (address[0] != '\0') {
        log_info("server", "door open", L_CSTR("door", name), L_CSTR("address", address));
    }
}

/* ---- syslog ---- */

static struct syslog_door *syslog_of(struct log_doors *d, const char *name)
{
    const struct syslog_opts o = {.door = name,
                                  .sink = d->sink,
                                  .stats = d->stats,
                                  .zone = d->zone,
                                  .max_message = d->settings->syslog_max_message};

    return d->syslog[d->syslog_n++] = syslog_door_new(&o);
}

static void syslog_datagrams(void *arg, const struct datagram *v, size_t n)
{
    struct syslog_packet packets[DATAGRAM_BATCH];

    for (size_t i = 0; i < n; i++) {
        packets[i] = (struct syslog_packet){v[i].data, v[i].peer};
    }
    syslog_take_packets(arg, packets, n);
}

static void *syslog_open(void *arg, struct buf *out)
{
    (void)out;
    return syslog_stream_new(arg);
}

static void syslog_close(void *arg, void *conn)
{
    (void)arg;
    syslog_stream_free(conn);
}

static int64_t syslog_take(void *arg, void *conn, const struct stream_input *in)
{
    (void)arg;
    return syslog_take_stream(conn, in->data, in->peer, in->end);
}

static int open_udp(struct log_doors *d, struct err *e)
{
    struct datagram_server_opts o = {
        .name = "syslog_udp", .address = d->settings->syslog_udp, .stats = d->stats};
    int rc;

    if (o.address[0] == '\0') {
        opened(d, o.name, "");
        return 0;
    }
    o.take = syslog_datagrams;
    o.arg = syslog_of(d, o.name);
    d->udp = datagram_server_new(&o);
    rc = datagram_server_start(d->udp, e);
    opened(d, o.name, rc == 0 ? datagram_server_address(d->udp) : "");
    return rc;
}

static int open_stream(struct log_doors *d, const struct stream_server_opts *o, struct err *e)
{
    struct stream_server *s = stream_server_new(o);
    int rc = stream_server_start(s, e);

    d->streams[d->streams_n++] = s;
    opened(d, o->name, rc == 0 ? stream_server_address(s) : "");
    return rc;
}

static int open_syslog_stream(struct log_doors *d, const char *name, const char *address, bool tls,
                              struct err *e)
{
    const struct settings *c = d->settings;
    struct stream_server_opts o = {.name = name,
                                   .address = address,
                                   .tls_cert = tls ? c->tls_cert : NULL,
                                   .tls_key = tls ? c->tls_key : NULL,
                                   .max_connections = (unsigned)c->syslog_connections,
                                   .idle_timeout_s = (unsigned)(c->syslog_idle_ms / 1000),
                                   .buffer_max = c->syslog_max_message + (64 << 10),
                                   .budget = &d->budget,
                                   .stats = d->stats};

    if (address[0] == '\0') {
        opened(d, name, "");
        return 0;
    }
    if (tls && c->syslog_client_ca[0] != '\0') {
        o.tls_client_ca = c->syslog_client_ca;
    }
    o.protocol = (struct stream_protocol){
        .open = syslog_open, .close = syslog_close, .take = syslog_take, .arg = syslog_of(d, name)};
    return open_stream(d, &o, e);
}

static int open_syslog(struct log_doors *d, struct err *e)
{
    const struct settings *c = d->settings;
    int rc = time_zone_open(str_cstr(c->syslog_zone), &d->zone, e);

    if (rc < 0) {
        err_prefix(e, "syslog.time_zone");
        return rc;
    }
    rc = open_udp(d, e);
    rc = rc < 0 ? rc : open_syslog_stream(d, "syslog_tcp", c->syslog_tcp, false, e);
    return rc < 0 ? rc : open_syslog_stream(d, "syslog_tls", c->syslog_tls, true, e);
}

/* ---- Fluent forward ---- */

static void *forward_open(void *arg, struct buf *out)
{
    return fluent_conn_new(arg, out);
}

static void forward_close(void *arg, void *conn)
{
    (void)arg;
    fluent_conn_free(conn);
}

static int64_t forward_take(void *arg, void *conn, const struct stream_input *in)
{
    (void)arg;
    return fluent_take(conn, in->data, in->out);
}

/* Checked with the settings: a name and a password in each. */
static void read_users(struct log_doors *d)
{
    const struct conf_list *l = &d->settings->fluent_users;

    d->fluent_users = mem_xcalloc(l->n + 1, sizeof(*d->fluent_users));
    for (size_t i = 0; i < l->n; i++) {
        struct str rest = str_cstr(l->v[i]);

        ignore_result(str_split(&rest, ':', &d->fluent_users[i].name), "there is a colon");
        d->fluent_users[i].password = rest;
    }
}

static int open_forward(struct log_doors *d, const char *name, const char *address, bool tls,
                        struct err *e)
{
    const struct settings *c = d->settings;
    const struct fluent_opts f = {.door = name,
                                  .sink = d->sink,
                                  .stats = d->stats,
                                  .shared_key = str_cstr(c->fluent_key),
                                  .users = d->fluent_users,
                                  .users_n = c->fluent_users.n};
    struct stream_server_opts o = {.name = name,
                                   .address = address,
                                   .tls_cert = tls ? c->tls_cert : NULL,
                                   .tls_key = tls ? c->tls_key : NULL,
                                   .max_connections = (unsigned)c->fluent_connections,
                                   .idle_timeout_s = (unsigned)(c->fluent_idle_ms / 1000),
                                   .buffer_max = FLUENT_MESSAGE_MAX,
                                   .budget = &d->budget,
                                   .stats = d->stats};

    if (address[0] == '\0') {
        opened(d, name, "");
        return 0;
    }
    if (tls && c->fluent_client_ca[0] != '\0') {
        o.tls_client_ca = c->fluent_client_ca;
    }
    o.protocol = (struct stream_protocol){.open = forward_open,
                                          .close = forward_close,
                                          .take = forward_take,
                                          .arg = fluent_door_new(&f)};
    d->fluent[d->fluent_n++] = o.protocol.arg;
    return open_stream(d, &o, e);
}

/* ---- all ---- */

int log_doors_open(const struct settings *c, struct sink *sink, struct stats *stats,
                   struct api *api, struct log_doors **ret, struct err *reterr)
{
    struct log_doors *d = mem_xcalloc(1, sizeof(*d));
    int rc;

    *ret = d;
    d->settings = c;
    d->sink = sink;
    d->stats = stats;
    d->api = api;
    budget_init(&d->budget, UNFINISHED_MEMORY, NULL);
    read_users(d);
    rc = open_syslog(d, reterr);
    rc = rc < 0 ? rc : open_forward(d, "fluent", c->fluent, false, reterr);
    return rc < 0 ? rc : open_forward(d, "fluent_tls", c->fluent_tls, true, reterr);
}

void log_doors_stop(struct log_doors *d, int64_t grace_ms)
{
    if (d == NULL) {
        return;
    }
    if (d->udp != NULL) {
        datagram_server_stop(d->udp);
    }
    for (size_t i = 0; i < d->streams_n; i++) {
        stream_server_stop(d->streams[i], grace_ms);
    }
}

void log_doors_free(struct log_doors *d)
{
    if (d == NULL) {
        return;
    }
    log_doors_stop(d, 0);
    datagram_server_free(d->udp);
    for (size_t i = 0; i < d->streams_n; i++) {
        stream_server_free(d->streams[i]);
    }
    for (size_t i = 0; i < d->syslog_n; i++) {
        syslog_door_free(d->syslog[i]);
    }
    for (size_t i = 0; i < d->fluent_n; i++) {
        fluent_door_free(d->fluent[i]);
    }
    mem_free(d->fluent_users);
    time_zone_free(d->zone);
    mem_free(d);
}
