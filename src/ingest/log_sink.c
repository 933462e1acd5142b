/* SPDX-License-Identifier: Apache-2.0
 *
 * From decoded log records to the store, and what is counted of it.
 */
#include "ingest/log_sink.h"

#include "base/clock.h"
#include "base/err.h"
#include "ingest/patterns/patterns.h"
#include "ingest/process/process.h"

/* Mined behind everything that changes bodies. */
static int mine_and_store(struct sink *s, struct log_batch *b, struct columns_commit *ret,
                          struct err *reterr)
{
    struct patterns_tally found = {0};
    int rc;

    if (s->patterns != NULL) {
        patterns_mine(s->patterns, b->v, b->n, clock_wall_ns(), &found);
    }
    rc = columns_append_logs(s->logs, b->v, b->n, ret, reterr);
    if (rc == 0 && s->patterns != NULL) {
        patterns_count(s->patterns, &found);
    }
    return rc;
}

int log_sink_append(struct sink *s, struct log_batch *b, struct columns_commit *ret,
                    struct err *reterr)
{
    struct process_tally tally = {0};
    int rc =
        s->process != NULL ? process_logs(s->process, b->v, &b->n, b->arena, &tally, reterr) : 0;

    *ret = (struct columns_commit){0};
    if (rc == 0 && b->n != 0) {
        rc = mine_and_store(s, b, ret, reterr);
    }
    if (s->process != NULL) {
        process_settle(s->process, &tally, rc == 0);
    }
    return rc;
}

void log_tally_count(struct ingest_stats *s, const char *door, const struct log_tally *t, int rc)
{
    if (rc < 0) {
        ingest_count_rejected(s, INGEST_LOGS,
                              rc == -ERR_INVALID || rc == -ERR_TRUNCATED || rc == -ERR_LIMIT
                                  ? REJECT_MALFORMED
                                  : REJECT_STORE,
                              1);
        return;
    }
    ingest_count_accepted(s, INGEST_LOGS, door, t->accepted);
    for (size_t i = 0; i < REJECT_COUNT; i++) {
        ingest_count_rejected(s, INGEST_LOGS, (enum ingest_reject)i, t->rejected[i]);
    }
    for (size_t i = 0; i < ALTER_COUNT; i++) {
        ingest_count_altered(s, INGEST_LOGS, (enum ingest_alter)i, t->altered[i]);
    }
    if (t->accepted != 0) {
        ingest_note_newest(s, INGEST_LOGS, t->newest_ns, t->arrival_ns);
    }
}
