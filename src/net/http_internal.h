/* SPDX-License-Identifier: Apache-2.0
 *
 * Structures shared by the files of the HTTP server. One conn per socket and one exchange per request.
 * Invariant: an exchange lives from the request line until microhttpd reports the request as completed;
 * while a worker runs its handler the connection is suspended, so microhttpd does not touch it.
 */
#ifndef NET_HTTP_INTERNAL_H
#define NET_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "base/cancel.h"
#include "base/lock.h"
#include "base/vec.h"
#include "net/http_server.h"
#include "net/net_internal.h"

enum {
    HTTP_SEGMENTS_MAX = 16,       /* of one route's pattern */
    HTTP_PARAMS_MAX = 10000,      /* parameters of one request */
    HTTP_ARENA_BUDGET = 64 << 20, /* bytes a handler may take from http_arena() */
    HTTP_GZIP_MIN = 1024,         /* smaller bodies are sent as they are */
    HTTP_DISCARD_MAX = 1 << 20, /* bytes of a refused body read away before the connection is cut */
    HTTP_WATCH_BUSY_MS = 200,   /* how soon a client that went away is noticed */
    HTTP_WATCH_IDLE_MS = 5000,  /* between looks while there are no connections */
    HTTP_MIN_RATE_BYTES_PER_MS = 1, /* slower bodies and readers are cut after the idle timeout */
    HTTP_RETRY_AFTER_S = 5,         /* told with 429 and 503 */
    HTTP_SPIN_NS = 150000,          /* how soon a next request is worth staying awake for */
};

enum segment_kind { SEGMENT_LITERAL, SEGMENT_PARAM, SEGMENT_REST };

struct segment {
    enum segment_kind kind;
    struct str text; /* literal, or the parameter's name */
};

struct route {
    struct http_route def;
    struct segment segments[HTTP_SEGMENTS_MAX];
    size_t n;
    size_t order; /* of registration */
};

enum conn_phase {
    CONN_IDLE,    /* waiting for the headers of a request */
    CONN_BODY,    /* reading a body */
    CONN_RUNNING, /* a worker has it */
    CONN_SENDING,
    CONN_STREAM,
    CONN_UPGRADED, /* no longer HTTP */
};

struct body_source;

struct conn {
    struct http_server *s;
    struct conn *prev; /* guarded by: s->lock */
    struct conn *next; /* guarded by: s->lock */
    int fd;
    enum conn_phase phase;   /* guarded by: s->lock */
    struct mono since;       /* guarded by: s->lock; start of the phase */
    uint64_t bytes;          /* guarded by: s->lock; body received, or response to send */
    bool gone;               /* guarded by: s->lock; the client closed while the phase lasts */
    bool answered;           /* of the event thread: had an answer */
    bool quick;              /* of the event thread: asked again within HTTP_SPIN_NS of the last */
    struct http_exchange *x; /* guarded by: s->lock; written by the event thread */
    char peer[NET_ADDRESS_SIZE];
};

struct http_server {
    struct http_server_opts opts;
    VEC(struct route) routes; /* fixed after start */
    struct MHD_Daemon *daemon;
    struct net_pem pem;
    int fd; /* listening socket, -1 before start */
    char address[NET_ADDRESS_SIZE];
    struct thread watcher;
    struct mutex lock; /* rank NET */
    struct cond changed;
    struct conn *conns;                /* guarded by: lock */
    size_t running;                    /* guarded by: lock; handlers on workers, queued ones too */
    size_t streams;                    /* guarded by: lock */
    size_t active;                     /* guarded by: lock; exchanges a stop waits for */
    struct http_socket *sockets;       /* guarded by: lock; upgraded connections */
    size_t sockets_n;                  /* guarded by: lock */
    size_t upgraded;                   /* guarded by: lock; exchanges that became such */
    bool stopping;                     /* guarded by: lock */
    bool drained;                      /* guarded by: lock; no handler and no stream may begin */
    bool stopped;                      /* guarded by: lock; the watcher ends */
    _Atomic unsigned on_event_threads; /* handlers running there; relaxed */
    atomic_bool spinning;              /* an event thread waits awake; relaxed */
    bool may_spin;                     /* there is another core for the client */
    struct pollfd *polled;             /* owned by the watcher; room for max_connections */
    struct conn **polled_conns;
    struct gauge *connections;
    struct timing *seconds;
    _Atomic(struct counter *)
        by_code[600]; /* filled on first use (release/acquire); any writer's value is right */
};

struct http_param {
    struct str name;
    struct str value;
};

struct http_params {
    struct http_param *v; /* in the arena */
    size_t n;
};

struct response_header {
    const char *name;
    const char *value;
    struct response_header *next;
};

struct http_exchange {
    struct http_server *s;
    struct conn *conn;
    struct MHD_Connection *mhd;
    struct arena arena;
    struct str method;
    struct str uri;  /* raw, in the arena */
    struct str path; /* decoded, in the arena */
    const struct route *route;
    struct str captures[HTTP_SEGMENTS_MAX]; /* by segment of the route */
    struct http_params query;
    struct http_params form;
    struct buf body;
    int64_t body_charged; /* taken from the body budget */
    uint64_t received;    /* bytes of the body so far */
    bool begun;           /* headers were looked at */
    bool has_body;
    bool refused; /* an answer is set; what still comes of the body is read away */
    bool awaited; /* counted in s->active */
    bool running; /* given to a worker; guarded by: s->lock */
    struct cancel cancel;
    void *user;
    struct mono started;
    /* The response. */
    bool responded;
    bool sent; /* microhttpd was given it, and may have dropped it: it stops */
    bool close;
    int status;
    const char *content_type; /* in the arena or constant */
    const char *encoding;     /* NULL or constant */
    bool vary;
    struct response_header *headers;
    struct buf out;       /* moved into the response */
    struct str out_const; /* when is_const */
    bool is_const;
    struct body_source *source;  /* a body made while it is sent; the response takes it over */
    struct http_stream *stream;  /* a reference is held until the response has it */
    struct http_socket *upgrade; /* until the connection was handed over */
};

/* http_route.c */

/** Prepare `def`; false when the pattern is malformed. */
NODISCARD bool route_compile(const struct http_route *def, size_t order, struct route *ret);
/** Most specific first. */
void routes_sort(struct route *v, size_t n);
/**
 * Find the route of x->method and the raw `path`, fill x->path and x->captures.
 * @return 0; -ERR_INVALID (escapes), -ERR_NOT_FOUND, -ERR_METHOD (an Allow header is set), -ERR_NOMEM
 */
NODISCARD int route_find(struct http_exchange *x, struct str path, struct err *reterr);

/* http_request.c */

/** Percent-decode (and '+' to space when `plus`). @return 0, -ERR_INVALID, -ERR_NOMEM */
NODISCARD int url_decode(struct arena *a, struct str s, bool plus, struct str *ret,
                         struct err *reterr);
/** Parse "a=b&c=d". @return 0, -ERR_INVALID, -ERR_NOMEM */
NODISCARD int params_parse(struct arena *a, struct str text, struct http_params *ret,
                           struct err *reterr);
/** Method, URI, query, route, framing and size checks once the headers are there. Answers itself when it
 * fails. */
void request_begin(struct http_exchange *x, const char *method);
/** Form parameters of a complete body. @return false when an error has been answered */
NODISCARD bool request_parse_form(struct http_exchange *x);

/* http_response.c */

/** An error answer with a status that no err_code has. */
void respond_status(struct http_exchange *x, int status, const struct err *e);
void reject_count(struct http_server *s, const char *reason);
/** Hand the response to microhttpd. */
enum MHD_Result response_send(struct http_exchange *x);
/** Best effort to tell a client that keeps sending why the connection is cut. */
void response_send_raw(struct http_exchange *x);

/* http_source.c */

/** @return NULL without memory; the source is freed then */
struct body_source *source_new(struct http_exchange *x, const struct http_source *source,
                               bool gzip);
void source_free(struct body_source *b); /* NULL is fine */
/** Takes `b` over when it returns a response. */
struct MHD_Response *source_response(struct body_source *b);

/* http_upgrade.c */

struct MHD_Response *upgrade_response(struct http_socket *k);
/** One that was never handed over; NULL is fine. */
void upgrade_drop(struct http_socket *k);
/** Let the threads of all see the end of their connections. */
void upgrade_close_locked(struct http_server *s);

/* http_stream.c */

struct MHD_Response *stream_response(struct http_stream *st);
void stream_attach(struct http_stream *st, struct MHD_Connection *mhd);
/** The connection is going away or the server stops: writers get -ERR_CANCELED, the reader ends. */
void stream_close(struct http_stream *st);
/** The request is completed: the connection must not be touched any more. */
void stream_detach(struct http_stream *st);
void stream_unref(struct http_stream *st);

#endif
