/* SPDX-License-Identifier: Apache-2.0
 *
 * Registry samples to series. A series is found again by the hash of its name and label text, so a round
 * parses labels only for what is new.
 */
#include "ingest/self.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/vec.h"

enum { LABELS_MAX = 16 };

/* A sample taken out of the registry: its lock must not be held while the engine takes its own. */
struct taken {
    struct str key; /* "self:NAME{LABELS}" in the round's arena; name and labels lie inside it */
    struct str name;
    struct str labels;
    const char *family; /* of the registry, as long as it lives */
    const char *type;
    const char *help;
    double value;
    bool first_of_family;
};

struct self_monitor {
    struct stats *stats;
    VEC(struct taken) taken; /* of the round */
    struct tsdb *db;
    struct tsdb_batch *batch;
    struct arena arena; /* of one round */
    char *instance;
    int64_t interval_ms;
    int64_t now_ms; /* of the round */
    struct thread thread;
    struct mutex lock;
    struct cond wake;
    bool closing; /* guarded by: lock */
};

/* `a="x",b="y"` appended to v. @return the new count; a malformed rest is left out */
static size_t parse_labels(struct str text, struct label *v, size_t n)
{
    while (text.n != 0 && n < LABELS_MAX) {
        int64_t eq = str_find(text, STR("=\""));
        struct str rest;
        int64_t end;

        if (eq <= 0) {
            break;
        }
        rest = str_drop(text, (size_t)eq + 2);
        end = str_find_byte(rest, '"');
        if (end < 0) {
            break;
        }
        v[n++] = (struct label){str_take(text, (size_t)eq), str_take(rest, (size_t)end)};
        text = str_drop(rest, (size_t)end + 1);
        text = str_starts(text, STR(",")) ? str_drop(text, 1) : text;
    }
    return n;
}

static int intern(struct self_monitor *m, const struct taken *t, struct hash128 key,
                  struct series_ref *ret)
{
    struct label v[LABELS_MAX + 3] = {
        {STR(LABEL_NAME), t->name},
        {STR("job"), STR("bongsu")},
        {STR("instance"), str_cstr(m->instance)},
    };
    size_t n = parse_labels(t->labels, v, 3);

    if (!labels_normalize(v, &n)) {
        return -ERR_INVALID;
    }
    if (t->first_of_family) {
        ignore_result(tsdb_set_metadata(m->db, str_cstr(t->family), str_cstr(t->type), STR(""),
                                        str_cstr(t->help), NULL),
                      "metadata is a courtesy; the samples count");
    }
    return tsdb_intern(m->db, (struct labels){v, n}, &key, ret, NULL);
}

static void take(void *arg, const struct stats_sample *s)
{
    struct self_monitor *m = arg;
    struct taken t = {.family = s->name,
                      .type = s->type,
                      .help = s->help,
                      .value = s->value,
                      .first_of_family = s->first_of_family};
    size_t name_n = strlen(s->name) + strlen(s->suffix);

    t.key = arena_printf(&m->arena, "self:%s%s{%s}", s->name, s->suffix, s->labels);
    if (t.key.p != NULL) {
        t.name = str_take(str_drop(t.key, 5), name_n);
        t.labels = str_take(str_drop(t.key, 6 + name_n), strlen(s->labels));
        ignore_result(vec_push(&m->taken, t), "a lost own sample must not stop the others");
    }
}

static void add(struct self_monitor *m, const struct taken *t)
{
    struct hash128 h = hash128(t->key.p, t->key.n);
    struct series_ref ref;

    if (tsdb_lookup(m->db, h, &ref) || intern(m, t, h, &ref) == 0) {
        ignore_result(tsdb_batch_add(m->batch, ref, m->now_ms, t->value),
                      "a lost own sample must not stop the others");
    }
}

static void round_once(struct self_monitor *m)
{
    static struct log_limit limit;
    struct tsdb_commit done;
    struct err e = {0};
    int64_t suppressed;

    m->now_ms = clock_wall_ms();
    arena_reset(&m->arena);
    tsdb_batch_clear(m->batch);
    vec_clear(&m->taken);
    stats_each(m->stats, take, m);
    for (size_t i = 0; i < m->taken.n; i++) {
        add(m, &m->taken.v[i]);
    }
    if (tsdb_batch_commit(m->batch, &done, &e) < 0 && log_limit_pass(&limit, &suppressed)) {
        log_warn("self", "own statistics could not be stored", L_CSTR("error", e.msg),
                 L_INT("suppressed", suppressed));
    }
}

static void run(void *arg)
{
    struct self_monitor *m = arg;

    mutex_lock(&m->lock);
    while (!m->closing) {
        mutex_unlock(&m->lock);
        round_once(m);
        mutex_lock(&m->lock);
        if (!m->closing) {
            cond_wait_ms(&m->wake, &m->lock, m->interval_ms);
        }
    }
    mutex_unlock(&m->lock);
}

struct self_monitor *self_monitor_new(struct stats *stats, struct tsdb *db, const char *instance,
                                      int64_t interval_ms)
{
    struct self_monitor *m = mem_xcalloc(1, sizeof(*m));

    m->stats = stats;
    m->db = db;
    m->batch = tsdb_batch_new(db);
    m->instance = mem_xstrdup(instance);
    m->interval_ms = interval_ms;
    arena_init(&m->arena, 16 << 20);
    mutex_init(&m->lock, LOCK_RANK_INGEST);
    cond_init(&m->wake);
    if (thread_start(&m->thread, "self", run, m) < 0) {
        self_monitor_free(m);
        return NULL;
    }
    return m;
}

void self_monitor_free(struct self_monitor *m)
{
    if (m == NULL) {
        return;
    }
    mutex_lock(&m->lock);
    m->closing = true;
    cond_broadcast(&m->wake);
    mutex_unlock(&m->lock);
    thread_join(&m->thread);
    tsdb_batch_free(m->batch);
    vec_done(&m->taken);
    arena_done(&m->arena);
    cond_done(&m->wake);
    mutex_done(&m->lock);
    mem_free(m->instance);
    mem_free(m);
}
