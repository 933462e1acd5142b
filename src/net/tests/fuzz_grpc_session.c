/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an HTTP/2 connection of the gRPC door, without sockets: the first byte says how they are cut
 * and whether a valid preface stands before them.
 */
#include <stdlib.h>

#include "base/budget.h"
#include "base/err.h"
#include "net/grpc_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

static void echo(void *arg, struct grpc_call *c)
{
    (void)arg;
    grpc_reply(c, grpc_message(c));
}

static int guard(void *arg, struct grpc_call *c, struct err *reterr)
{
    (void)arg;
    return str_eq(grpc_metadata(c, "authorization"), STR("bad"))
               ? err_set(reterr, ERR_UNAUTHENTICATED, "bad")
               : 0;
}

/* Every other call keeps running until the end, as with a slow worker. */
struct late {
    struct grpc_call *calls;
    unsigned n;
};

static int dispatch(void *arg, struct grpc_call *c)
{
    struct late *l = arg;

    l->n++;
    if (l->n % 7 == 0) {
        return -ERR_OVERLOAD;
    }
    grpc_call_run(c);
    if (l->n % 2 == 0) {
        c->next_done = l->calls;
        l->calls = c;
    } else {
        grpc_session_answer(c);
    }
    return 0;
}

static void ended(void *arg, int code, int64_t ns)
{
    (void)arg;
    (void)code;
    (void)ns;
}

static void rejected(void *arg, const char *reason)
{
    (void)arg;
    (void)reason;
}

static void answer(struct late *l)
{
    while (l->calls != NULL) {
        struct grpc_call *next = l->calls->next_done;

        grpc_session_answer(l->calls);
        l->calls = next;
    }
}

static int drain(struct grpc_session *s)
{
    struct str out;

    do {
        if (grpc_session_send(s, &out) < 0) {
            return -1;
        }
    } while (out.n != 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct grpc_method METHODS[] = {{"/a.B/C", echo, NULL}};
    struct budget budget;
    struct late late = {0};
    struct grpc_ctx ctx = {.methods = METHODS,
                           .methods_n = 1,
                           .max_message = 4096,
                           .max_streams = 8,
                           .budget = &budget,
                           .guard = guard,
                           .dispatch = dispatch,
                           .ended = ended,
                           .rejected = rejected,
                           .arg = &late};
    struct grpc_session *s;
    size_t step;
    bool alive = true;

    if (size == 0) {
        return 0;
    }
    budget_init(&budget, 64 << 10, NULL);
    s = grpc_session_new(&ctx, "127.0.0.1", NULL);
    if (s == NULL) {
        return 0;
    }
    if ((data[0] & 1) != 0) {
        alive = grpc_session_recv(s, str_of((const char *)PREFACE, sizeof(PREFACE) - 1)) == 0;
    }
    step = (data[0] & 2) != 0 ? 1u + (data[0] >> 2) : size;
    for (size_t at = 1; at < size && alive && !grpc_session_finished(s); at += step) {
        alive = grpc_session_recv(
                    s, str_of((const char *)data + at, size - at < step ? size - at : step)) == 0 &&
                drain(s) == 0;
        if ((at & 3) == 0) {
            answer(&late);
        }
        grpc_session_tick(s);
    }
    if ((data[0] & 4) != 0) {
        answer(&late);
        grpc_session_shutdown(s);
        ignore_result(drain(s), "the session is freed next");
    }
    grpc_session_free(s);
    answer(&late);
    if (budget_used(&budget) != 0) {
        abort();
    }
    return 0;
}
