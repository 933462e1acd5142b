/* SPDX-License-Identifier: Apache-2.0
 *
 * Results of LogQL in the form of Loki's API, with its statistics as far as they mean something here.
 */
#include "api/loki.h"

#include <stdio.h>

void loki_write_labels(struct json_writer *w, struct labels ls)
{
    json_object_begin(w);
    for (size_t i = 0; i < ls.n; i++) {
        json_member(w, ls.v[i].name, ls.v[i].value);
    }
    json_object_end(w);
}

void loki_write_point(struct json_writer *w, int64_t t_ns, double v)
{
    char time[40];
    int64_t ms = t_ns / 1000000;
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 512);
    if (ms % 1000 == 0) {
        snprintf(time, sizeof(time), "%lld", (long long)(ms / 1000));
    } else {
        int n = snprintf(time, sizeof(time), "%lld.%03lld", (long long)(ms / 1000),
                         (long long)(ms % 1000 < 0 ? -(ms % 1000) : ms % 1000));

        while (time[n - 1] == '0') {
            time[--n] = '\0';
        }
    }
    json_array_begin(w);
    json_raw(w, str_cstr(time));
    buf_add_f64(&b, v);
    json_str(w, buf_str(&b));
    json_array_end(w);
}

static void write_entry(struct json_writer *w, const struct logql_entry *e, bool categorize)
{
    json_array_begin(w);
    json_i64_str(w, e->t_ns);
    json_str(w, e->line);
    if (categorize) {
        json_object_begin(w);
        if (e->metadata.n != 0) {
            json_key(w, "structuredMetadata");
            loki_write_labels(w, e->metadata);
        }
        if (e->parsed.n != 0) {
            json_key(w, "parsed");
            loki_write_labels(w, e->parsed);
        }
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_streams(struct json_writer *w, const struct logql_result *r, bool categorize)
{
    json_array_begin(w);
    for (size_t i = 0; i < r->streams_n; i++) {
        json_object_begin(w);
        json_key(w, "stream");
        loki_write_labels(w, r->streams[i].labels);
        json_key(w, "values");
        json_array_begin(w);
        for (size_t k = 0; k < r->streams[i].n; k++) {
            write_entry(w, &r->streams[i].v[k], categorize);
        }
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_series(struct json_writer *w, const struct logql_result *r, bool instant)
{
    json_array_begin(w);
    for (size_t i = 0; i < r->series_n; i++) {
        const struct logql_series *s = &r->series[i];

        json_object_begin(w);
        json_key(w, "metric");
        loki_write_labels(w, s->labels);
        json_key(w, instant ? "value" : "values");
        if (instant) {
            loki_write_point(w, s->t_ns[0], s->v[0]);
        } else {
            json_array_begin(w);
            for (size_t k = 0; k < s->n; k++) {
                loki_write_point(w, s->t_ns[k], s->v[k]);
            }
            json_array_end(w);
        }
        json_object_end(w);
    }
    json_array_end(w);
}

static void count(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_u64(w, v);
}

static void write_stats(struct json_writer *w, const struct logql_stats *s)
{
    double seconds = (double)s->exec_ns / 1e9;
    uint64_t per_second = seconds > 0 ? (uint64_t)((double)s->bytes / seconds) : 0;
    uint64_t lines_per_second = seconds > 0 ? (uint64_t)((double)s->scanned / seconds) : 0;

    json_object_begin(w);
    json_key(w, "summary");
    json_object_begin(w);
    count(w, "bytesProcessedPerSecond", per_second);
    count(w, "linesProcessedPerSecond", lines_per_second);
    count(w, "totalBytesProcessed", s->bytes);
    count(w, "totalLinesProcessed", s->scanned);
    json_key(w, "execTime");
    json_f64(w, seconds);
    json_key(w, "queueTime");
    json_f64(w, 0);
    count(w, "subqueries", 0);
    count(w, "totalEntriesReturned", s->entries);
    count(w, "splits", 0);
    count(w, "shards", 0);
    count(w, "totalPostFilterLines", s->after);
    count(w, "totalStructuredMetadataBytesProcessed", 0);
    count(w, "peakMemoryBytes", (uint64_t)s->peak_bytes);
    json_object_end(w);
    json_key(w, "querier");
    json_object_begin(w);
    json_key(w, "store");
    json_object_begin(w);
    count(w, "totalChunksRef", s->blocks + s->pruned);
    count(w, "totalChunksDownloaded", s->blocks);
    count(w, "chunksDownloadTime", 0);
    json_key(w, "chunk");
    json_object_begin(w);
    count(w, "headChunkBytes", 0);
    count(w, "headChunkLines", 0);
    count(w, "decompressedBytes", s->bytes);
    count(w, "decompressedLines", s->lines);
    count(w, "compressedBytes", 0);
    count(w, "totalDuplicates", 0);
    json_object_end(w);
    json_object_end(w);
    json_object_end(w);
    json_object_end(w);
}

void loki_write_result(struct json_writer *w, const struct logql_result *r, bool instant,
                       int64_t t_ns, bool categorize)
{
    bool logs = r->kind == LOGQL_LOGS;
    bool scalar = instant && r->scalar;

    json_object_begin(w);
    json_key(w, "status");
    json_cstr(w, "success");
    json_key(w, "data");
    json_object_begin(w);
    json_key(w, "resultType");
    json_cstr(w, logs ? "streams" : scalar ? "scalar" : instant ? "vector" : "matrix");
    json_key(w, "result");
    if (logs) {
        write_streams(w, r, categorize);
    } else if (scalar) {
        loki_write_point(w, t_ns, r->series_n != 0 ? r->series[0].v[0] : 0);
    } else {
        write_series(w, r, instant);
    }
    if (categorize) {
        json_key(w, "encodingFlags");
        json_array_begin(w);
        json_cstr(w, "categorize-labels");
        json_array_end(w);
    }
    json_key(w, "stats");
    write_stats(w, &r->stats);
    json_object_end(w);
    json_object_end(w);
}
