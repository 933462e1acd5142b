/* SPDX-License-Identifier: Apache-2.0
 *
 * One unary call: metadata, the length-prefixed message, decompression, the answer. Invariant: no byte of a
 * message is kept before its announced length was found to be within the limit.
 */
#include "base/alloc.h"
#include "base/budget.h"
#include "base/err.h"
#include "net/grpc_internal.h"

struct grpc_call *grpc_call_new(const struct grpc_ctx *ctx, int32_t stream_id, const char *peer)
{
    struct grpc_call *c = mem_try_calloc(1, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    c->ctx = ctx;
    c->stream_id = stream_id;
    c->since = clock_mono();
    cancel_init(&c->cancel, 0);
    arena_init(&c->arena, GRPC_ARENA_BUDGET);
    buf_init(&c->wire, ctx->max_message);
    buf_init(&c->plain, ctx->max_message);
    buf_init(&c->reply, ctx->max_message + GRPC_PREFIX);
    memcpy(c->peer, peer, strnlen(peer, sizeof(c->peer) - 1));
    return c;
}

void grpc_call_release_request(struct grpc_call *c)
{
    buf_done(&c->wire);
    buf_done(&c->plain);
    buf_init(&c->wire, 0);
    buf_init(&c->plain, 0);
    budget_give(c->ctx->budget, c->charged);
    c->charged = 0;
}

void grpc_call_free(struct grpc_call *c)
{
    if (c == NULL) {
        return;
    }
    grpc_call_release_request(c);
    buf_done(&c->reply);
    arena_done(&c->arena);
    mem_free(c);
}

int grpc_call_add_metadata(struct grpc_call *c, struct str name, struct str value)
{
    struct grpc_metadata *m;

    c->header_bytes += name.n + value.n + 32;
    if (c->header_bytes > GRPC_HEADER_BYTES) {
        return -ERR_TOO_LARGE;
    }
    m = arena_new(&c->arena, struct grpc_metadata);
    if (m == NULL) {
        return -ERR_NOMEM;
    }
    *m = (struct grpc_metadata){arena_str_dup(&c->arena, name), arena_str_dup(&c->arena, value),
                                c->metadata};
    if ((name.n != 0 && m->name.p == NULL) || (value.n != 0 && m->value.p == NULL)) {
        return -ERR_NOMEM;
    }
    c->metadata = m;
    return 0;
}

/* Take what the buffers hold by now from the budget. */
static int charge(struct grpc_call *c, struct err *reterr)
{
    int64_t more = (int64_t)(c->wire.cap + c->plain.cap) - c->charged;

    if (more > 0 && !budget_take(c->ctx->budget, more)) {
        return err_set(reterr, ERR_OVERLOAD, "too many messages in flight");
    }
    c->charged += more > 0 ? more : 0;
    return 0;
}

static int begin_message(struct grpc_call *c, struct err *reterr)
{
    const uint8_t *p = c->prefix;

    c->message_n = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    if (p[0] > 1) {
        return err_set(reterr, ERR_INTERNAL, "compressed flag is %u, not 0 or 1", p[0]);
    }
    if (p[0] == 1 && c->compression == COMPRESS_NONE) {
        return err_set(reterr, ERR_INTERNAL, "compressed message without grpc-encoding");
    }
    if (c->message_n > c->ctx->max_message) {
        return err_set(reterr, ERR_TOO_LARGE, "message of %u bytes, more than %zu", c->message_n,
                       c->ctx->max_message);
    }
    return 0;
}

int grpc_call_feed(struct grpc_call *c, struct str data, struct err *reterr)
{
    while (data.n != 0 && c->prefix_n < GRPC_PREFIX) {
        c->prefix[c->prefix_n++] = (uint8_t)data.p[0];
        data = str_drop(data, 1);
        if (c->prefix_n == GRPC_PREFIX) {
            int rc = begin_message(c, reterr);

            if (rc < 0) {
                return rc;
            }
        }
    }
    if (data.n > c->message_n - c->wire.n) {
        return err_set(reterr, ERR_INVALID, "a unary call has one message, more bytes came");
    }
    buf_add_str(&c->wire, data);
    if (buf_status(&c->wire) < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for a message of %u bytes", c->message_n);
    }
    return charge(c, reterr);
}

int grpc_call_complete(const struct grpc_call *c, struct err *reterr)
{
    if (c->prefix_n == 0) {
        return err_set(reterr, ERR_INVALID, "the call carried no message");
    }
    if (c->prefix_n < GRPC_PREFIX || c->wire.n < c->message_n) {
        return err_set(reterr, ERR_TRUNCATED, "the message ended after %zu of %u bytes", c->wire.n,
                       c->message_n);
    }
    return 0;
}

static int unpack(struct grpc_call *c, struct err *reterr)
{
    int rc;

    if (c->prefix[0] == 0) {
        return 0;
    }
    rc = decompress(c->compression, buf_str(&c->wire), &c->plain, reterr);
    if (rc == -ERR_TOO_LARGE) {
        return err_set(reterr, ERR_TOO_LARGE, "decompressed message is larger than %zu bytes",
                       c->ctx->max_message);
    }
    if (rc < 0) {
        return rc;
    }
    buf_done(&c->wire);
    return charge(c, reterr);
}

void grpc_call_run(struct grpc_call *c)
{
    struct err e = {0};
    int rc = cancel_check(&c->cancel);

    if (rc < 0) {
        ignore_result(err_set(&e, (enum err_code) - rc, "%s before the call began", err_text(rc)),
                      "answered below");
    } else {
        rc = unpack(c, &e);
    }
    if (rc < 0) {
        grpc_fail(c, &e, e.code == ERR_OVERLOAD ? GRPC_RETRY_MS : 0);
        return;
    }
    c->method->handler(c->method->arg, c);
    if (!c->replied) {
        ignore_result(err_set(&e, ERR_INTERNAL, "the handler gave no answer"), "answered below");
        grpc_fail(c, &e, 0);
    }
}

struct str grpc_message(const struct grpc_call *c)
{
    return buf_str(c->prefix[0] == 1 ? &c->plain : &c->wire);
}

struct str grpc_metadata(const struct grpc_call *c, const char *name)
{
    for (const struct grpc_metadata *m = c->metadata; m != NULL; m = m->next) {
        if (str_eq(m->name, str_cstr(name))) {
            return m->value;
        }
    }
    return (struct str){0};
}

struct str grpc_peer(const struct grpc_call *c)
{
    return str_cstr(c->peer);
}

struct arena *grpc_arena(struct grpc_call *c)
{
    return &c->arena;
}

struct cancel *grpc_cancel(struct grpc_call *c)
{
    return &c->cancel;
}

void grpc_set_user(struct grpc_call *c, void *user)
{
    c->user = user;
}

void *grpc_user(const struct grpc_call *c)
{
    return c->user;
}

void grpc_reply(struct grpc_call *c, struct str message)
{
    const uint8_t prefix[GRPC_PREFIX] = {0, (uint8_t)(message.n >> 24), (uint8_t)(message.n >> 16),
                                         (uint8_t)(message.n >> 8), (uint8_t)message.n};

    if (c->replied) {
        return;
    }
    c->replied = true;
    buf_add(&c->reply, prefix, sizeof(prefix));
    buf_add_str(&c->reply, message);
    if (buf_status(&c->reply) < 0) {
        ignore_result(err_set(&c->error, ERR_NOMEM, "no memory for the answer"), "answered so");
    }
}

void grpc_fail(struct grpc_call *c, const struct err *e, int64_t retry_ms)
{
    if (c->replied) {
        return;
    }
    c->replied = true;
    c->error = *e;
    if (c->error.code == 0) {
        c->error.code = ERR_INTERNAL;
    }
    c->retry_ms = retry_ms;
}
