/* SPDX-License-Identifier: Apache-2.0
 *
 * Wiring and the main loop: timers, signals and delivered positions are file descriptors in one poll().
 * The loop never waits for the network; file systems it asks are local ones.
 */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent/delivery.h"
#include "agent/host.h"
#include "agent/identity.h"
#include "agent/journal.h"
#include "agent/log_export.h"
#include "agent/metrics.h"
#include "agent/otlp_http.h"
#include "agent/proc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"

enum {
    REQUEST_MAX = 16 << 20, /* uncompressed; a host with 4096 CPUs and disks stays below */
    STOP_MS = 3500,         /* of the 5 s a service manager is promised */
    FIRST_DELTA_MS = 2000,  /* second reading soon after the first: shares need two */
    SEARCH_MS = 5000,       /* between searches for new log files */
    SAVE_MS = 200,          /* least time between two writes of the positions */
    KEEP_BYTES = 256 << 10, /* a larger buffer is given back after use */
};

struct agent {
    struct agent_settings *settings; /* borrowed */
    struct conf *conf;               /* borrowed */
    const char *version;
    char *state_dir;
    int lock_fd;
    int signal_fd;
    int collect_fd;
    int logs_fd;
    struct host_files files;
    struct identity identity;
    struct host *host;
    struct spool *spool;
    struct otlp_http *http;
    struct delivery *delivery;
    struct log_export *logs;
    struct journal *journal; /* NULL: not followed */
    log_marks marks;         /* scratch */
    struct mono searched_at;
    struct mono saved_at;
    struct buf encoded;
    struct buf compressed;
    int64_t started_ns;
    double collect_s; /* duration of the last reading */
    bool hangs;       /* delivery did not stop */
};

static char *default_state_dir(void)
{
    const char *base = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 4096);
    if (geteuid() == 0) {
        buf_add_cstr(&b, "/var/lib/bongsu-agent");
    } else if (base != NULL && base[0] == '/') {
        buf_printf(&b, "%s/bongsu-agent", base);
    } else if (home != NULL && home[0] == '/') {
        buf_printf(&b, "%s/.local/state/bongsu-agent", home);
    } else {
        buf_add_cstr(&b, "./bongsu-agent-state");
    }
    return str_dup(buf_str(&b));
}

static char *state_path(const struct agent *a, const char *name)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 8192);
    buf_printf(&b, "%s/%s", a->state_dir, name);
    return str_dup(buf_str(&b));
}

static int open_state(struct agent *a, struct err *reterr)
{
    char *lock;
    char *spool;
    int rc;

    a->state_dir = a->settings->state_dir[0] != '\0' ? mem_xstrdup(a->settings->state_dir)
                                                     : default_state_dir();
    rc = vfs_mkdirs(vfs_real(), a->state_dir, reterr);
    if (rc < 0) {
        return err_prefix(reterr, "state directory (choose another with --state-dir)");
    }
    lock = state_path(a, "lock");
    a->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (a->lock_fd < 0) {
        rc = err_set_errno(reterr, errno, "cannot write to the state directory: %s", lock);
    } else if (flock(a->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        rc = err_set(reterr, ERR_EXISTS,
                     "another bongsu-agent uses the state directory %s (choose another with "
                     "--state-dir)",
                     a->state_dir);
    }
    mem_free(lock);
    if (rc < 0) {
        return rc;
    }
    spool = state_path(a, "spool");
    rc = spool_open(vfs_real(), spool, a->settings->spool_max_bytes, &a->spool, reterr);
    mem_free(spool);
    return rc;
}

static int open_signals(struct agent *a, struct err *reterr)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return a->signal_fd < 0 ? err_set_errno(reterr, errno, "signalfd") : 0;
}

static void arm(int fd, int64_t first_ms, int64_t interval_ms)
{
    const struct itimerspec t = {
        .it_value = {first_ms / 1000, first_ms % 1000 * 1000000},
        .it_interval = {interval_ms / 1000, interval_ms % 1000 * 1000000},
    };

    ignore_result(timerfd_settime(fd, 0, &t, NULL), "valid by the settings' ranges");
}

static bool has_logs(const struct agent *a)
{
    return a->settings->logs_files.n != 0 || a->settings->logs_journal;
}

/* Without logs there is no reason to wake up every second. */
static void arm_logs(struct agent *a)
{
    int64_t poll_ms = has_logs(a) ? a->settings->logs_poll_ms : 0;

    arm(a->logs_fd, poll_ms, poll_ms);
}

static int open_timers(struct agent *a, struct err *reterr)
{
    int64_t interval = a->settings->interval_ms;

    a->collect_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    a->logs_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (a->collect_fd < 0 || a->logs_fd < 0) {
        return err_set_errno(reterr, errno, "timerfd");
    }
    arm(a->collect_fd, interval < FIRST_DELTA_MS ? interval : FIRST_DELTA_MS, interval);
    arm_logs(a);
    return 0;
}

static int start_delivery(struct agent *a, struct err *reterr)
{
    struct delivery_opts opts = {
        .send = otlp_http_send,
        .spool = a->spool,
        .queue_max_bytes = a->settings->queue_max_bytes,
        .timeout_ms = a->settings->timeout_ms,
        .backoff_min_ms = 1000,
        .backoff_max_ms = 30000,
    };
    char user_agent[64];

    snprintf(user_agent, sizeof(user_agent), "bongsu-agent/%s", a->version);
    a->http = otlp_http_new(&(struct otlp_http_opts){
        .server = a->settings->server,
        .path = a->settings->otlp_path,
        .token = a->settings->token,
        .ca_file = a->settings->tls_ca,
        .insecure = a->settings->tls_insecure,
        .user_agent = user_agent,
    });
    if (a->http == NULL) {
        return err_set(reterr, ERR_UNAVAILABLE, "the HTTP client cannot start%s%s",
                       a->settings->tls_ca[0] != '\0' ? "; check tls.ca: " : "",
                       a->settings->tls_ca);
    }
    opts.send_ctx = a->http;
    random_bytes(&opts.seed, sizeof(opts.seed));
    return delivery_new(&opts, &a->delivery) < 0
               ? err_set(reterr, ERR_UNAVAILABLE, "cannot start the export thread")
               : 0;
}

/* The encoded request as a batch. @return false when there was no memory or it grew too large. */
static bool make_batch(struct agent *a, enum batch_signal signal, struct str request,
                       uint32_t records, struct batch *ret)
{
    static const enum compression CODECS[] = {[SETTINGS_GZIP] = COMPRESS_GZIP,
                                              [SETTINGS_ZSTD] = COMPRESS_ZSTD,
                                              [SETTINGS_PLAIN] = COMPRESS_NONE};

    enum compression codec = CODECS[a->settings->compression];
    struct err e = {0};
    int rc;

    buf_clear(&a->compressed);
    rc = compress_to(codec, request, 0, &a->compressed, &e);
    *ret = (struct batch){.signal = signal, .compression = codec, .records = records};
    if (rc == 0) {
        ret->n = a->compressed.n;
        ret->data = mem_try_alloc(ret->n);
        rc = ret->data != NULL ? 0 : -ERR_NOMEM;
    }
    if (rc < 0 || ret->data == NULL) {
        log_error("agent", "a batch could not be made", L_CSTR("error", err_text(rc)));
        return false;
    }
    memcpy(ret->data, a->compressed.data, ret->n);
    if (a->compressed.cap > KEEP_BYTES) {
        buf_done(&a->compressed);
        buf_init(&a->compressed, REQUEST_MAX);
    }
    return true;
}

static bool put_logs(void *ctx, struct str request, uint32_t records, log_marks *marks)
{
    struct agent *a = ctx;
    struct batch b;

    if (!make_batch(a, BATCH_LOGS, request, records, &b)) {
        return false;
    }
    b.marks = *marks;
    *marks = (log_marks){0};
    return delivery_put(a->delivery, &b);
}

static bool logs_full(void *ctx)
{
    struct agent *a = ctx;

    return delivery_full(a->delivery);
}

static void configure_logs(struct agent *a)
{
    tail_configure(log_export_tail(a->logs), (const char *const *)a->settings->logs_files.v,
                   a->settings->logs_files.n, a->settings->logs_max_lines_per_s);
}

static struct log_batch_opts log_batch_opts_of(struct agent *a)
{
    return (struct log_batch_opts){.identity = &a->identity,
                                   .version = a->version,
                                   .put = put_logs,
                                   .full = logs_full,
                                   .ctx = a};
}

static int start_logs(struct agent *a, struct err *reterr)
{
    char *path = state_path(a, "positions");
    const struct log_export_opts opts = {
        .batch = log_batch_opts_of(a),
        .positions_path = path,
        .root = a->files.root,
    };
    int rc = log_export_new(&opts, &a->logs, reterr);

    mem_free(path);
    if (rc == 0) {
        configure_logs(a);
    }
    return rc;
}

static int start_journal(struct agent *a, struct err *reterr)
{
    char *path = state_path(a, "journal-cursor");
    const struct journal_opts opts = {
        .batch = log_batch_opts_of(a),
        .vfs = vfs_real(),
        .cursor_path = path,
        .directory = a->settings->logs_journal_directory,
        .matches = (const char *const *)a->settings->logs_journal_match.v,
        .matches_n = a->settings->logs_journal_match.n,
        .start = (enum log_start)a->settings->logs_journal_start,
    };
    int rc = a->settings->logs_journal ? journal_new(&opts, &a->journal, reterr) : 0;

    mem_free(path);
    return rc;
}

int agent_new(struct agent_settings *settings, struct conf *conf, const char *version,
              struct agent **ret, struct err *reterr)
{
    struct agent *a = mem_xcalloc(1, sizeof(*a));
    int rc;

    a->settings = settings;
    a->conf = conf;
    a->version = version;
    a->lock_fd = a->signal_fd = a->collect_fd = a->logs_fd = -1;
    a->started_ns = clock_wall_ns();
    buf_init(&a->encoded, REQUEST_MAX);
    buf_init(&a->compressed, REQUEST_MAX);
    host_files_init(&a->files, settings->root);
    rc = open_state(a, reterr);
    if (rc == 0) {
        rc = open_signals(a, reterr);
    }
    if (rc == 0) {
        rc = open_timers(a, reterr);
    }
    if (rc == 0) {
        identity_read(&a->identity, &a->files);
        a->host = host_new(&a->files);
        rc = start_delivery(a, reterr);
    }
    if (rc == 0) {
        rc = start_logs(a, reterr);
    }
    if (rc == 0) {
        rc = start_journal(a, reterr);
    }
    if (rc < 0) {
        agent_free(a);
        return rc;
    }
    *ret = a;
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void agent_free(struct agent *a)
{
    if (a == NULL) {
        return;
    }
    journal_free(a->journal);
    log_export_free(a->logs);
    vec_done(&a->marks);
    delivery_free(a->delivery);
    otlp_http_free(a->http);
    spool_close(a->spool);
    host_free(a->host);
    identity_done(&a->identity);
    host_files_done(&a->files);
    buf_done(&a->encoded);
    buf_done(&a->compressed);
    close_fd(a->collect_fd);
    close_fd(a->logs_fd);
    close_fd(a->signal_fd);
    close_fd(a->lock_fd);
    mem_free(a->state_dir);
    mem_free(a);
}

static void self_u64(struct otlp_writer *w, enum metric_id id, struct metric_time t, uint64_t v)
{
    otlp_metric_begin(w, metric_def(id));
    otlp_point_i64(w, t, NULL, 0, (int64_t)v);
    otlp_metric_end(w);
}

static void write_delivery_metrics(struct agent *a, struct otlp_writer *w, struct metric_time t)
{
    static const char *const SIGNALS[] = {"metrics", "logs"};

    struct delivery_stats s = delivery_stats_of(a->delivery);
    struct attr x = attr_cstr("bongsu.agent.queue", "memory");

    otlp_metric_begin(w, metric_def(M_AGENT_QUEUE));
    otlp_point_i64(w, t, &x, 1, (int64_t)s.queue_bytes);
    x = attr_cstr("bongsu.agent.queue", "spool");
    otlp_point_i64(w, t, &x, 1, (int64_t)s.spool_bytes);
    otlp_metric_end(w);
    otlp_metric_begin(w, metric_def(M_AGENT_BATCHES));
    for (size_t i = 0; i < BATCH_SIGNAL_COUNT; i++) {
        x = attr_cstr("otlp.signal", SIGNALS[i]);
        otlp_point_i64(w, t, &x, 1, (int64_t)s.delivered[i]);
    }
    otlp_metric_end(w);
    self_u64(w, M_AGENT_FAILURES, t, s.failures);
    otlp_metric_begin(w, metric_def(M_AGENT_DROPPED));
    for (size_t i = 0; i < DROP_COUNT; i++) {
        x = attr_cstr("bongsu.agent.drop_reason", drop_reason_name((enum drop_reason)i));
        otlp_point_i64(w, t, &x, 1, (int64_t)s.dropped[i]);
    }
    otlp_metric_end(w);
}

static uint64_t own_rss(void)
{
    char text[4096];
    struct pid_stat s;
    ssize_t n;
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return 0;
    }
    n = read(fd, text, sizeof(text));
    close(fd);
    return n > 0 && proc_pid_stat_parse(str_of(text, (size_t)n), &s) == 0
               ? s.rss_pages * (uint64_t)sysconf(_SC_PAGESIZE)
               : 0;
}

static void write_self_metrics(struct agent *a, struct otlp_writer *w, int64_t now_ns)
{
    struct metric_time t = {(uint64_t)a->started_ns, (uint64_t)now_ns};
    struct tail_stats logs = tail_stats_of(log_export_tail(a->logs));
    struct journal_stats journal = {0};
    struct rusage u = {0};

    if (a->journal != NULL) {
        journal = journal_stats_of(a->journal);
    }

    getrusage(RUSAGE_SELF, &u);
    otlp_metric_begin(w, metric_def(M_AGENT_CPU));
    otlp_point_f64(w, t, NULL, 0,
                   (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
    otlp_metric_end(w);
    self_u64(w, M_AGENT_MEMORY, t, own_rss());
    self_u64(w, M_AGENT_COLLECT_ERRORS, t, a->files.errors + logs.errors + journal.errors);
    self_u64(w, M_AGENT_LOG_LINES, t, logs.records + journal.records);
    self_u64(w, M_AGENT_LOG_CUT, t, logs.cut + journal.cut);
    self_u64(w, M_AGENT_LOG_THROTTLED, t, logs.throttled);
    if (a->collect_s > 0) {
        otlp_metric_begin(w, metric_def(M_AGENT_COLLECT_TIME));
        otlp_point_f64(w, t, NULL, 0, a->collect_s);
        otlp_metric_end(w);
    }
    write_delivery_metrics(a, w, t);
}

static void collect(struct agent *a)
{
    const struct agent_settings *s = a->settings;
    const struct host_opts opts = {
        .top_processes = (size_t)s->processes_top,
        .per_cpu = s->cpu_per_cpu,
        .nic_exclude = (const char *const *)s->network_exclude.v,
        .nic_exclude_n = s->network_exclude.n,
        .disk_exclude = (const char *const *)s->disk_exclude.v,
        .disk_exclude_n = s->disk_exclude.n,
        .fs_types = (const char *const *)s->filesystem_types.v,
        .fs_types_n = s->filesystem_types.n,
        .connections_max = (uint64_t)s->connections_max,
    };
    struct attr attrs[IDENTITY_ATTRS];
    size_t n = identity_attrs(&a->identity, "bongsu-agent", a->version, attrs);
    struct mono start = clock_mono();
    int64_t now_ns = clock_wall_ns();
    struct otlp_writer w;
    struct batch b;

    buf_clear(&a->encoded);
    otlp_writer_init(&w, &a->encoded);
    otlp_resource_begin(&w, attrs, n, STR("bongsu-agent"), str_cstr(a->version));
    host_collect(a->host, &opts, now_ns, &w);
    write_self_metrics(a, &w, now_ns);
    otlp_resource_end(&w);
    if (buf_status(&a->encoded) == 0 && make_batch(a, BATCH_METRICS, buf_str(&a->encoded), 1, &b)) {
        ignore_result((int)delivery_put(a->delivery, &b), "a full queue is counted there");
    }
    a->collect_s = (double)mono_since_ns(start) / 1e9;
}

static bool positions_dirty(const struct agent *a)
{
    return tail_dirty(log_export_tail(a->logs)) ||
           (a->journal != NULL && journal_dirty(a->journal));
}

static void save_positions(struct agent *a)
{
    struct err e = {0};
    int rc = tail_save(log_export_tail(a->logs), &e);

    a->saved_at = clock_mono();
    if (rc == 0 && a->journal != NULL) {
        rc = journal_save(a->journal, &e);
    }
    if (rc < 0) {
        static struct log_limit limit;
        int64_t suppressed;

        if (log_limit_pass(&limit, &suppressed)) {
            log_error("agent", "cannot save the log positions", L_CSTR("error", e.msg),
                      L_INT("suppressed", suppressed));
        }
    }
}

/* Positions of batches that are safe now, onto the disk. */
static void take_marks(struct agent *a)
{
    vec_clear(&a->marks);
    if (delivery_take_marks(a->delivery, &a->marks) != 0) {
        tail_ack(log_export_tail(a->logs), &a->marks);
        if (a->journal != NULL) {
            journal_ack(a->journal, &a->marks);
        }
    }
}

/* What was delivered gets onto the disk at once, or shortly after the last time: a crash in between would
 * send those lines again. @return ms until it is time, -1 when there is nothing to save */
static int maybe_save(struct agent *a)
{
    int64_t wait_ms = SAVE_MS - mono_since_ns(a->saved_at) / 1000000;

    if (!positions_dirty(a)) {
        return -1;
    }
    if (wait_ms > 0) {
        return (int)wait_ms;
    }
    save_positions(a);
    return positions_dirty(a) ? SAVE_MS : -1;
}

static void read_logs(struct agent *a, bool search)
{
    int64_t rate = a->settings->logs_max_lines_per_s;

    if (search) {
        a->searched_at = clock_mono();
    }
    log_export_poll(a->logs, search);
    if (a->journal != NULL) {
        journal_poll(a->journal, rate != 0 ? rate * a->settings->logs_poll_ms / 1000 + 1 : 0);
    }
}

static void reload(struct agent *a)
{
    struct agent_settings fresh = {0};
    struct conf *conf = NULL;
    struct err e = {0};
    size_t ignored = 0;
    int rc = conf_reload(a->conf, &fresh, &conf, &e);

    if (rc == 0) {
        rc = agent_settings_check(&fresh, &e);
    }
    if (rc < 0) {
        log_error("agent", "reload failed; the settings stay as they are", L_CSTR("error", e.msg));
    } else {
        conf_apply_reloadable(a->conf, a->settings, conf, &fresh, &ignored);
        log_set_level((enum log_level)a->settings->log_level);
        arm(a->collect_fd, a->settings->interval_ms, a->settings->interval_ms);
        arm_logs(a);
        configure_logs(a);
        log_info("agent", "settings reloaded", L_INT("need_restart", ignored));
    }
    if (conf != NULL) {
        conf_free(conf, &fresh);
    }
}

static void drain_timer(int fd)
{
    uint64_t ticks;

    ignore_result(read(fd, &ticks, sizeof(ticks)), "only resets the timer");
}

/* @return false when it is time to end. */
static bool handle_signals(struct agent *a)
{
    struct signalfd_siginfo info;
    bool go_on = true;

    while (read(a->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            reload(a);
        } else {
            go_on = false;
        }
    }
    return go_on;
}

static void loop(struct agent *a)
{
    enum { SIGNALS, COLLECT, LOGS, DELIVERED, FDS };

    for (;;) {
        struct pollfd fds[FDS] = {
            [SIGNALS] = {.fd = a->signal_fd, .events = POLLIN},
            [COLLECT] = {.fd = a->collect_fd, .events = POLLIN},
            [LOGS] = {.fd = a->logs_fd, .events = POLLIN},
            [DELIVERED] = {.fd = delivery_event_fd(a->delivery), .events = POLLIN},
        };

        if (poll(fds, FDS, maybe_save(a)) < 0 && errno != EINTR) {
            log_error("agent", "poll failed", L_INT("errno", errno));
            return;
        }
        if (fds[SIGNALS].revents != 0 && !handle_signals(a)) {
            return;
        }
        if (fds[COLLECT].revents != 0) {
            drain_timer(a->collect_fd);
            collect(a);
        }
        if (fds[LOGS].revents != 0) {
            drain_timer(a->logs_fd);
            read_logs(a, mono_since_ns(a->searched_at) >= SEARCH_MS * 1000000LL);
        }
        if (fds[DELIVERED].revents != 0) {
            take_marks(a);
        }
    }
}

int agent_run(struct agent *a)
{
    log_info("agent", "started", L_CSTR("version", a->version),
             L_CSTR("server", a->settings->server), L_CSTR("host", a->identity.host_name),
             L_CSTR("state_dir", a->state_dir), L_INT("interval_ms", a->settings->interval_ms),
             L_INT("buffered_batches", spool_stats_of(a->spool).batches));
    collect(a);
    loop(a);
    log_info("agent", "stopping");
    if (has_logs(a)) {
        read_logs(a, false); /* what was written since the last look */
    }
    a->hangs = !delivery_stop(a->delivery, STOP_MS);
    take_marks(a);
    save_positions(a);
    log_info("agent", "stopped", L_INT("buffered_batches", spool_stats_of(a->spool).batches));
    return 0;
}

bool agent_hangs(const struct agent *a)
{
    return a->hangs;
}
