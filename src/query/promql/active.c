/* SPDX-License-Identifier: Apache-2.0
 *
 * See active.h. The file is an array of slots of fixed size; a slot is in use while its first byte is. It has as
 * many pages of slots as were needed at a time; a query beyond the slots runs without one. The mapping outlives a killed process in the page cache; it is never synced,
 * as it is only a hint for who looks into a crash.
 */
#include "query/promql/active.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/vec.h"

enum {
    SLOTS = 64,
    SLOT_BYTES = 1024,
    TEXT_BYTES = SLOT_BYTES - 24,
    PAGE_SLOTS = 4, /* the file grows by so many */
};

struct slot {
    char used; /* 'Q', or 0 */
    char pad[7];
    int64_t since_ms;
    uint32_t n;
    uint32_t whole_n; /* of the query, before it was cut */
    char text[TEXT_BYTES];
};

_Static_assert(sizeof(struct slot) == SLOT_BYTES, "slots have a fixed size");

struct entry {
    uint64_t id;
    struct promql_running shown;
    struct cancel *cancel;
    const _Atomic uint64_t *samples;
    struct slot *slot; /* NULL: none was free */
};

struct active {
    struct mutex lock;
    VEC(struct entry) list; /* guarded by: lock, like all below */
    uint64_t last_id;
    int fd;             /* -1: no file */
    struct slot *slots; /* all of them mapped; NULL: no file */
    size_t slots_n;     /* that the file has */
};

static void tell_of_crash(const struct slot *slots, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct slot *s = &slots[i];

        if (s->used == 'Q' && s->n <= TEXT_BYTES) {
            char since[CLOCK_RFC3339_SIZE];

            clock_format_rfc3339(s->since_ms, since);
            log_warn("promql", "this query was running when the server ended without a stop",
                     L_STR("query", str_of(s->text, s->n)), L_CSTR("since", since));
        }
    }
}

/** Map all slots there may ever be; only those the file has may be touched. */
static void map_file(struct active *a, const char *path)
{
    struct stat st;
    void *p = MAP_FAILED;

    a->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (a->fd >= 0 && fstat(a->fd, &st) == 0) {
        p = mmap(NULL, (size_t)SLOTS * SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
    }
    if (p == MAP_FAILED) {
        log_warn("promql", "running queries are not kept in a file", L_CSTR("file", path));
        return;
    }
    if (st.st_size % SLOT_BYTES == 0 && st.st_size <= (off_t)SLOTS * SLOT_BYTES) {
        tell_of_crash(p, (size_t)st.st_size / SLOT_BYTES);
    }
    a->slots = p;
    if (ftruncate(a->fd, 0) < 0) {
        log_warn("promql", "running queries are not kept in a file", L_CSTR("file", path));
        munmap(p, (size_t)SLOTS * SLOT_BYTES);
        a->slots = NULL;
    }
}

struct active *active_new(const char *path)
{
    struct active *a = mem_xcalloc(1, sizeof(*a));

    mutex_init(&a->lock, LOCK_RANK_LEAF);
    a->fd = -1;
    ignore_result(vec_reserve(&a->list, SLOTS), "it grows when it must");
    if (path != NULL) {
        map_file(a, path);
    }
    return a;
}

void active_free(struct active *a)
{
    if (a == NULL) {
        return;
    }
    if (a->slots != NULL) {
        munmap(a->slots, (size_t)SLOTS * SLOT_BYTES);
    }
    if (a->fd >= 0) {
        close(a->fd);
    }
    vec_done(&a->list);
    mutex_done(&a->lock);
    mem_free(a);
}

/** Give the file one more page of slots, with the space for it: on a full disk writing to a hole is a SIGBUS. */
static bool grow(struct active *a)
{
    size_t n = a->slots_n + PAGE_SLOTS;

    if (a->slots == NULL || n > SLOTS ||
        posix_fallocate(a->fd, (off_t)(a->slots_n * SLOT_BYTES), PAGE_SLOTS * SLOT_BYTES) != 0) {
        return false;
    }
    a->slots_n = n;
    return true;
}

static struct slot *take_slot(struct active *a, const struct promql_ask *ask, int64_t now_ms)
{
    for (size_t i = 0; i < a->slots_n || grow(a); i++) {
        struct slot *s = &a->slots[i];

        if (s->used == 0) {
            s->since_ms = now_ms;
            s->whole_n = (uint32_t)ask->query.n;
            s->n = (uint32_t)(ask->query.n < TEXT_BYTES ? ask->query.n : TEXT_BYTES);
            if (s->n != 0) {
                memcpy(s->text, ask->query.p, s->n);
            }
            s->used = 'Q'; /* last, as a crash may come at any moment */
            return s;
        }
    }
    return NULL;
}

uint64_t active_begin(struct active *a, const struct promql_ask *ask,
                      const _Atomic uint64_t *samples)
{
    int64_t now = clock_wall_ms();
    struct entry e = {.shown = {.query = ask->query, .user = ask->user, .since_ms = now},
                      .cancel = ask->cancel,
                      .samples = samples};

    mutex_lock(&a->lock);
    e.id = ++a->last_id;
    e.shown.id = e.id;
    e.slot = take_slot(a, ask, now);
    if (!vec_push(&a->list, e) && e.slot != NULL) {
        e.slot->used = 0; /* it runs unlisted */
    }
    mutex_unlock(&a->lock);
    return e.id;
}

void active_end(struct active *a, uint64_t id)
{
    mutex_lock(&a->lock);
    for (size_t i = 0; i < a->list.n; i++) {
        if (a->list.v[i].id == id) {
            if (a->list.v[i].slot != NULL) {
                a->list.v[i].slot->used = 0;
            }
            a->list.v[i] = a->list.v[--a->list.n];
            break;
        }
    }
    mutex_unlock(&a->lock);
}

void active_each(struct active *a, void (*fn)(void *arg, const struct promql_running *q), void *arg)
{
    mutex_lock(&a->lock);
    for (size_t i = 0; i < a->list.n; i++) {
        struct promql_running q = a->list.v[i].shown;

        q.samples = atomic_load_explicit(a->list.v[i].samples, memory_order_relaxed);
        fn(arg, &q);
    }
    mutex_unlock(&a->lock);
}

bool active_cancel(struct active *a, uint64_t id)
{
    bool found = false;

    mutex_lock(&a->lock);
    for (size_t i = 0; i < a->list.n; i++) {
        if (a->list.v[i].id == id && a->list.v[i].cancel != NULL) {
            cancel_set(a->list.v[i].cancel);
            found = true;
        }
    }
    mutex_unlock(&a->lock);
    return found;
}
