/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches of log records of doors that are not OTLP.
 */
#include "ingest/log_input.h"

#include "base/err.h"
#include "base/hash.h"
#include "codec/utf8.h"

const struct scope LOG_INPUT_SCOPE;

void log_input_init(struct log_input *in, struct sink *sink, struct arena *arena, const char *door,
                    int64_t arrival_ns)
{
    *in = (struct log_input){.sink = sink, .arena = arena, .door = door};
    log_input_reset(in, arrival_ns);
}

void log_input_reset(struct log_input *in, int64_t arrival_ns)
{
    vec_clear(&in->records);
    memset(in->seen, 0, sizeof(in->seen));
    in->arrival_ns = arrival_ns;
    in->tally = (struct log_tally){.newest_ns = INT64_MIN, .arrival_ns = arrival_ns};
}

void log_input_done(struct log_input *in)
{
    vec_done(&in->records);
}

int log_input_text(struct log_input *in, struct str raw, size_t max, enum ingest_alter cut,
                   struct str *ret)
{
    size_t bad = 0;

    if (utf8_clean(raw, in->arena, ret, &bad) < 0) {
        return -ERR_NOMEM;
    }
    in->tally.altered[ALTER_UTF8] += bad != 0;
    if (ret->n > max) {
        *ret = utf8_cut(*ret, max);
        in->tally.altered[cut]++;
    }
    return 0;
}

static uint64_t hash_attrs(const struct attr *v, size_t n)
{
    uint64_t h = n;

    for (size_t i = 0; i < n; i++) {
        const struct value *a = &v[i].value;
        uint64_t pair[2] = {h, hash64(v[i].key.p, v[i].key.n)};

        h = hash64(pair, sizeof(pair));
        pair[0] = h;
        pair[1] = a->type == VALUE_STR ? hash64(a->u.s.p, a->u.s.n) : (uint64_t)a->u.i;
        h = hash64(pair, sizeof(pair));
    }
    return h;
}

static bool same_attrs(const struct resource *r, const struct attr *v, size_t n)
{
    if (r->attrs.n != n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct value *a = &r->attrs.v[i].value;
        const struct value *b = &v[i].value;

        if (!str_eq(r->attrs.v[i].key, v[i].key) || a->type != b->type ||
            (a->type == VALUE_STR ? !str_eq(a->u.s, b->u.s) : a->u.i != b->u.i)) {
            return false;
        }
    }
    return true;
}

const struct resource *log_input_resource(struct log_input *in, const struct attr *v, size_t n)
{
    uint64_t h = hash_attrs(v, n);
    size_t slot = h % LOG_INPUT_RESOURCES;
    const struct resource *known = in->seen[slot].resource;
    struct resource *r;
    struct attr *own;

    if (known != NULL && in->seen[slot].hash == h && same_attrs(known, v, n)) {
        return known;
    }
    r = arena_calloc(in->arena, 1, sizeof(*r));
    own = arena_array(in->arena, struct attr, n + 1);
    if (r == NULL || own == NULL) {
        return NULL;
    }
    if (n != 0) {
        memcpy(own, v, n * sizeof(*own));
    }
    r->attrs = (struct attrs){own, n};
    in->seen[slot].hash = h;
    in->seen[slot].resource = r;
    return r;
}

int log_input_add(struct log_input *in, const struct log_record *from)
{
    struct log_record r = *from;

    if (r.time_ns < 0) {
        in->tally.rejected[REJECT_TIME]++;
        return 1;
    }
    r.arrival_ns = in->arrival_ns;
    r.scope = r.scope != NULL ? r.scope : &LOG_INPUT_SCOPE;
    if (r.time_ns == 0) {
        r.time_ns = r.observed_ns != 0 ? r.observed_ns : in->arrival_ns;
        in->tally.altered[ALTER_TIME]++;
    }
    if (r.severity == 0 && r.severity_text.n != 0) {
        r.severity = ingest_severity(r.severity_text);
    }
    return vec_push(&in->records, r) ? 0 : -ERR_NOMEM;
}

int log_input_store(struct log_input *in, struct columns_commit *ret, struct err *reterr)
{
    struct log_batch b = {
        .v = in->records.v, .n = in->records.n, .arena = in->arena, .door = in->door};
    int rc = 0;

    *ret = (struct columns_commit){0};
    if (b.n != 0) {
        rc = log_sink_append(in->sink, &b, ret, reterr);
    }
    if (rc == 0) {
        in->tally.accepted = ret->accepted;
        in->tally.rejected[REJECT_TOO_OLD] += ret->rejected[COLUMNS_REJECT_TOO_OLD];
        in->tally.rejected[REJECT_TOO_NEW] += ret->rejected[COLUMNS_REJECT_TOO_NEW];
        for (size_t i = 0; i < in->records.n; i++) {
            int64_t t = in->records.v[i].time_ns;

            in->tally.newest_ns = t > in->tally.newest_ns ? t : in->tally.newest_ns;
        }
    }
    if (rc == 0 || !in->keeps_trying) {
        log_tally_count(in->sink->stats, in->door, &in->tally, rc);
    }
    return rc;
}
