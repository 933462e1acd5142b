/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests made beforehand. The labels of a series are encoded once and copied into every request.
 */
#include "bodies.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "codec/compress.h"
#include "codec/varint.h"
#include "host_model.h"

enum { LABELS_MAX = 32, BODY_MAX_BYTES = 64 << 20 };

struct label {
    const char *key;
    const char *value;
};

struct host {
    struct host_model model;
    int64_t off_ms; /* of its scrapes within an interval */
    int life;       /* how often its series were replaced */
    double *values;
    struct buf *labels; /* per series, encoded */
};

struct maker {
    const struct gen_opts *o;
    const struct recording *recording;
    struct series_def defs[HOST_SERIES];
    size_t series_n; /* of a host */
    struct buf raw;
    uint32_t samples; /* in raw */
    struct bodies *dst;
    size_t cap;
};

/* ---- protobuf ---- */

static size_t varint_len(uint64_t v)
{
    size_t n = 1;

    while (v >>= 7)
        n++;
    return n;
}

static void put_varint(struct buf *b, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];

    buf_add(b, bytes, varint_put(bytes, v));
}

static void put_text(struct buf *b, char tag, const char *s, size_t n)
{
    buf_add_byte(b, tag);
    put_varint(b, n);
    buf_add(b, s, n);
}

static void put_label(struct buf *b, const struct label *l)
{
    size_t kn = strlen(l->key);
    size_t vn = strlen(l->value);

    buf_add_byte(b, 0x0a);
    put_varint(b, 2 + kn + vn + varint_len(kn) + varint_len(vn));
    put_text(b, 0x0a, l->key, kn);
    put_text(b, 0x12, l->value, vn);
}

static void put_series(struct buf *b, const struct buf *labels, double v, int64_t ts)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    size_t sample_n = (bits ? 10U : 1U) + varint_len((uint64_t)ts);
    buf_add_byte(b, 0x0a);
    put_varint(b, labels->n + 2 + sample_n);
    buf_add(b, labels->data, labels->n);
    buf_add_byte(b, 0x12);
    put_varint(b, sample_n);
    if (bits) {
        buf_add_byte(b, 0x09);
        buf_add(b, &bits, sizeof bits);
    }
    buf_add_byte(b, 0x10);
    put_varint(b, (uint64_t)ts);
}

/* ---- labels ---- */

static int label_order(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static size_t add_recorded(const struct recorded_series *s, struct label *l, size_t n)
{
    size_t own = n;

    for (int j = 0; j < s->labels_n; j++) {
        bool clash = !s->value[j][0]; /* an empty label is no label */
        for (size_t k = 0; k < own; k++)
            clash |= !strcmp(l[k].key, s->key[j]);
        if (!clash)
            l[n++] = (struct label){s->key[j], s->value[j]};
    }
    return n;
}

static size_t add_synthetic(const struct series_def *d, struct label *l, size_t n)
{
    for (int j = 0; j < 2; j++)
        if (d->key[j][0])
            l[n++] = (struct label){d->key[j], d->value[j]};
    return n;
}

/* The labels every series of a host has, but its name. */
struct host_labels {
    char host[32];
    char instance[48];
    char datacenter[32];
    char pod[64];
    const char *region;
    const char *env;
    const char *team;
};

static void name_host(const struct host *h, struct host_labels *l)
{
    static const char *const regions[] = {"us-east-1",      "us-west-1",      "us-west-2",
                                          "eu-west-1",      "eu-central-1",   "ap-southeast-1",
                                          "ap-southeast-2", "ap-northeast-1", "sa-east-1"};
    static const char *const teams[] = {"SF", "NYC", "LON", "CHI"};
    static const char *const envs[] = {"production", "staging", "test"};
    int id = h->model.id;

    l->region = regions[id * 7 % 9];
    l->env = envs[id / 3 % 3];
    l->team = teams[id % 4];
    (void)snprintf(l->host, sizeof l->host, "host_%d", id);
    (void)snprintf(l->instance, sizeof l->instance, "host_%d:9100", id);
    (void)snprintf(l->datacenter, sizeof l->datacenter, "%s%c", l->region, 'a' + id % 3);
    (void)snprintf(l->pod, sizeof l->pod, "app-%d-%08x", id,
                   (unsigned)(h->life + 1) * 2654435761U + (unsigned)id);
}

static void encode_labels(const struct maker *m, struct host *h)
{
    struct host_labels own;

    name_host(h, &own);
    for (size_t i = 0; i < m->series_n; i++) {
        struct label l[LABELS_MAX] = {
            {"__name__", m->recording ? m->recording->series[i].name : m->defs[i].name},
            {"datacenter", own.datacenter},
            {"env", own.env},
            {"host", own.host},
            {"instance", own.instance},
            {"job", "node"},
            {"region", own.region},
            {"team", own.team},
        };
        size_t n = 8;

        if (m->o->churn_min > 0)
            l[n++] = (struct label){"pod", own.pod};
        n = m->recording ? add_recorded(&m->recording->series[i], l, n)
                         : add_synthetic(&m->defs[i], l, n);
        qsort(l, n, sizeof *l, label_order);
        buf_clear(&h->labels[i]);
        for (size_t j = 0; j < n; j++)
            put_label(&h->labels[i], &l[j]);
    }
}

/* ---- hosts ---- */

static void host_begin(const struct maker *m, struct host *h, int id)
{
    h->off_ms = host_model_init(&h->model, m->o, id);
    h->life = -1;
    h->values = mem_xcalloc(m->series_n, sizeof *h->values);
    h->labels = mem_xcalloc(m->series_n, sizeof *h->labels);
    for (size_t i = 0; i < m->series_n; i++)
        buf_init(&h->labels[i], 1 << 16);
}

static void host_end(const struct maker *m, struct host *h)
{
    for (size_t i = 0; i < m->series_n; i++)
        buf_done(&h->labels[i]);
    mem_free(h->labels);
    mem_free(h->values);
}

/* New series when the host's time has come; hosts are replaced at different moments. */
static void host_replace(const struct maker *m, struct host *h, int step)
{
    double every = m->o->churn_min * 60;
    int life = 0;

    if (every > 0)
        life = (int)((step * m->o->interval + h->model.id * 7919 % 1000 / 1000.0 * every) / every);
    if (life == h->life)
        return;
    if (h->life >= 0)
        host_model_reset(&h->model);
    h->life = life;
    encode_labels(m, h);
}

static void host_scrape(struct maker *m, struct host *h, int step)
{
    const struct gen_opts *o = m->o;
    int64_t ts = o->start_ms + (int64_t)(step * o->interval * 1000) + h->off_ms;

    host_replace(m, h, step);
    if (m->recording)
        recording_step(m->recording, h->model.id, step, h->values);
    else
        host_model_step(&h->model, step, h->values);
    if (o->jitter_ms > 0) {
        int64_t last = o->start_ms + (int64_t)((step + 1) * o->interval * 1000) - 1;
        ts += (int64_t)(host_model_random(&h->model) * o->jitter_ms);
        ts = ts > last ? last : ts;
    }
    for (size_t k = 0; k < m->series_n; k++) {
        if (isnan(h->values[k]) && signbit(h->values[k]))
            continue;
        put_series(&m->raw, &h->labels[k], h->values[k], ts);
        m->samples++;
    }
}

/* ---- bodies ---- */

static void finish_body(struct maker *m, int64_t scrapes)
{
    struct bodies *d = m->dst;
    struct buf packed CLEANUP(buf_done);
    char *kept;

    buf_init(&packed, BODY_MAX_BYTES);
    if (buf_status(&m->raw) < 0 ||
        compress_to(COMPRESS_SNAPPY, buf_str(&m->raw), 0, &packed, NULL) < 0)
        gen_die("a request is too large");
    if (d->of.n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 256;
        d->of.v = mem_xrealloc(d->of.v, m->cap * sizeof *d->of.v);
    }
    d->samples += m->samples;
    d->raw_bytes += m->raw.n;
    d->packed_bytes += packed.n;
    kept = mem_xcalloc(
        1, packed.n); /* the buffer is a mapping of its own, of which there can be 65,530 */
    memcpy(kept, packed.data, packed.n);
    d->of.v[d->of.n++] = (struct post_body){.p = kept,
                                            .n = packed.n,
                                            .items = m->samples,
                                            .turn = (scrapes - 1) / d->hosts_n,
                                            .mark = scrapes};
    buf_clear(&m->raw);
    m->samples = 0;
}

static void make_all(struct maker *m, struct host *hosts)
{
    size_t per_body = (size_t)m->o->batch / m->series_n;
    size_t in_body = 0;
    int64_t done = 0;

    for (int s = 0; s < m->o->steps; s++)
        for (int i = 0; i < m->dst->hosts_n; i++) {
            host_scrape(m, &hosts[i], s);
            done++;
            if (++in_body < per_body && done < (int64_t)m->o->steps * m->dst->hosts_n)
                continue;
            finish_body(m, done);
            in_body = 0;
        }
}

void bodies_make(struct bodies *dst, const struct gen_opts *o, const struct recording *recording,
                 int connection)
{
    struct maker m = {.o = o,
                      .recording = recording,
                      .series_n = recording ? (size_t)recording->series_n : HOST_SERIES,
                      .dst = dst};
    struct host *hosts;

    *dst = (struct bodies){.first = connection,
                           .hosts_n = (o->hosts - connection + o->conns - 1) / o->conns};
    host_model_series(m.defs);
    buf_init(&m.raw, BODY_MAX_BYTES);
    hosts = mem_xcalloc((size_t)dst->hosts_n, sizeof *hosts);
    for (int i = 0; i < dst->hosts_n; i++)
        host_begin(&m, &hosts[i], connection + i * o->conns);
    make_all(&m, hosts);
    for (int i = 0; i < dst->hosts_n; i++)
        host_end(&m, &hosts[i]);
    mem_free(hosts);
    buf_done(&m.raw);
}
