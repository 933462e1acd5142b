/* SPDX-License-Identifier: Apache-2.0
 *
 * One table says what a field becomes.
 */
#include "agent/journal_map.h"

#include "agent/log_line.h"
#include "agent/mask.h"

enum what { AS_TEXT, AS_NUMBER, AS_COMMAND };

static const struct {
    const char *field;
    const char *attr; /* NULL: used elsewhere, or says nothing to a reader of logs */
    enum what what;
} KNOWN[] = {
    {"_SYSTEMD_UNIT", "systemd.unit", AS_TEXT},
    {"_SYSTEMD_USER_UNIT", "systemd.user_unit", AS_TEXT},
    {"UNIT", "systemd.object_unit", AS_TEXT}, /* of systemd's own messages: whom they are about */
    {"SYSLOG_IDENTIFIER", "syslog.identifier", AS_TEXT},
    {"SYSLOG_FACILITY", "syslog.facility.code", AS_NUMBER},
    {"_TRANSPORT", "journald.transport", AS_TEXT},
    {"_PID", "process.pid", AS_NUMBER},
    {"_UID", "process.user.id", AS_NUMBER},
    {"_COMM", "process.executable.name", AS_TEXT},
    {"_EXE", "process.executable.path", AS_TEXT},
    {"_CMDLINE", "process.command_line", AS_COMMAND},
    {"TID", "thread.id", AS_NUMBER},
    {"CODE_FILE", "code.file.path", AS_TEXT},
    {"CODE_LINE", "code.line.number", AS_NUMBER},
    {"CODE_FUNC", "code.function.name", AS_TEXT},
    {"ERRNO", "journald.errno", AS_NUMBER},
    {"EXIT_STATUS", "process.exit.code", AS_NUMBER},
    {"CONTAINER_ID_FULL", "container.id", AS_TEXT},
    {"CONTAINER_NAME", "container.name", AS_TEXT},
    {"IMAGE_NAME", "container.image.name", AS_TEXT},
    {"MESSAGE_ID", "journald.message_id", AS_TEXT},
    {"MESSAGE", NULL, AS_TEXT},
    {"PRIORITY", NULL, AS_TEXT},
    {"CONTAINER_ID", NULL, AS_TEXT}, /* the beginning of CONTAINER_ID_FULL */
    {"SYSLOG_PID", NULL, AS_TEXT},
    {"SYSLOG_TIMESTAMP", NULL, AS_TEXT},
    {"SYSLOG_RAW", NULL, AS_TEXT},
};

static struct str find(const struct journal_entry *e, const char *name)
{
    for (size_t i = 0; i < e->n; i++) {
        if (str_eq(e->fields[i].name, str_cstr(name))) {
            return e->fields[i].value;
        }
    }
    return STR("");
}

static struct str masked(struct str text, struct arena *a)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 2 * text.n + 64);
    mask_secrets(text, &b);
    return buf_status(&b) == 0 ? arena_str_dup(a, buf_str(&b)) : (struct str){0};
}

static bool make_value(enum what what, struct str text, struct arena *a, struct value *ret)
{
    int64_t number;

    if (what == AS_NUMBER && str_to_i64(text, &number)) {
        *ret = (struct value){.type = VALUE_I64, .u.i = number};
        return true;
    }
    if (what == AS_COMMAND) {
        text = masked(text, a);
    }
    *ret = (struct value){.type = VALUE_STR, .u.s = text};
    return text.p != NULL && text.n != 0;
}

/* "journald.order_id" of ORDER_ID. */
static struct str own_name(struct str field, struct arena *a)
{
    static const struct str PREFIX = {"journald.", 9};
    char *p = arena_array(a, char, PREFIX.n + field.n);

    if (p == NULL) {
        return (struct str){0};
    }
    memcpy(p, PREFIX.p, PREFIX.n);
    for (size_t i = 0; i < field.n; i++) {
        char c = field.p[i];

        p[PREFIX.n + i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return str_of(p, PREFIX.n + field.n);
}

/* @return false: not an attribute */
static bool make_attr(const struct journal_field *f, struct arena *a, struct attr *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(KNOWN); i++) {
        if (str_eq(f->name, str_cstr(KNOWN[i].field))) {
            ret->key = KNOWN[i].attr != NULL ? str_cstr(KNOWN[i].attr) : STR("");
            return KNOWN[i].attr != NULL && make_value(KNOWN[i].what, f->value, a, &ret->value);
        }
    }
    if (f->name.n == 0 || f->name.p[0] == '_') {
        return false;
    }
    ret->key = own_name(f->name, a);
    return ret->key.p != NULL && make_value(AS_TEXT, f->value, a, &ret->value);
}

static struct str service_of(const struct journal_entry *e)
{
    static const struct str SERVICE = {".service", 8};
    struct str unit = find(e, "_SYSTEMD_UNIT");
    struct str name = find(e, "SYSLOG_IDENTIFIER");

    /* user@1000.service says nothing about the program */
    if (str_ends(unit, SERVICE) && !str_starts(unit, STR("user@"))) {
        return str_take(unit, unit.n - SERVICE.n);
    }
    return name.n != 0 ? name : find(e, "_COMM");
}

static void set_severity(const struct journal_entry *e, const struct log_meta *said,
                         struct log_record *r)
{
    static const char *const NAMES[] = {"emerg",   "alert",  "crit", "err",
                                        "warning", "notice", "info", "debug"};
    struct str priority = find(e, "PRIORITY");
    bool plain = str_eq(find(e, "_TRANSPORT"), STR("stdout"));

    if (said->severity != 0 && (plain || priority.n == 0)) {
        r->severity = said->severity;
        r->severity_text = said->severity_text;
    } else if (priority.n == 1 && priority.p[0] >= '0' && priority.p[0] <= '7') {
        r->severity_text = str_cstr(NAMES[priority.p[0] - '0']);
        r->severity = log_level_number(r->severity_text);
    }
}

void journal_map(const struct journal_entry *e, int64_t now_ns, struct arena *a,
                 struct journal_row *ret)
{
    const struct log_line_opts look = {.with_time = false};
    struct str message = find(e, "MESSAGE");
    struct log_record *r = &ret->record;
    int64_t source_us;
    struct log_meta said;
    size_t n = 0;

    log_line_inspect(message, &look, &said);
    *r = (struct log_record){.observed_ns = now_ns};
    r->time_ns = e->realtime_us * 1000;
    if (str_to_i64(find(e, "_SOURCE_REALTIME_TIMESTAMP"), &source_us) && source_us > 0 &&
        source_us < INT64_MAX / 1000) {
        r->time_ns = source_us * 1000;
    }
    set_severity(e, &said, r);
    r->trace_id = said.trace_id;
    r->span_id = said.span_id;
    r->body = (struct value){.type = VALUE_STR, .u.s = message};
    for (size_t i = 0; i < e->n && n < JOURNAL_FIELDS_MAX; i++) {
        n += make_attr(&e->fields[i], a, &ret->attrs[n]) ? 1 : 0;
    }
    r->attrs.v = ret->attrs;
    r->attrs.n = n;
    ret->service = service_of(e);
}
