/* SPDX-License-Identifier: Apache-2.0
 *
 * A container often carries the machine-id of its image, so its own id is mixed into the instance id: two
 * containers of one image are two instances.
 */
#include "agent/identity.h"

#include <sys/utsname.h>

#include "agent/text.h"
#include "base/alloc.h"
#include "base/hash.h"

bool os_release_get(struct str text, struct str key, struct buf *dst)
{
    struct str line;

    while (text_line(&text, &line)) {
        struct str name;

        line = str_trim(line);
        if (!str_split(&line, '=', &name) || !str_eq(name, key)) {
            continue;
        }
        if (line.n >= 2 && (line.p[0] == '"' || line.p[0] == '\'') &&
            line.p[line.n - 1] == line.p[0]) {
            line = str_of(line.p + 1, line.n - 2);
        }
        for (size_t i = 0; i < line.n; i++) {
            if (line.p[i] == '\\' && i + 1 < line.n) {
                i++;
            }
            buf_add_byte(dst, line.p[i]);
        }
        return true;
    }
    return false;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

struct str container_id_find(struct str text)
{
    enum { ID_SIZE = 64 };

    size_t run = 0;

    for (size_t i = 0; i < text.n; i++) {
        run = is_hex(text.p[i]) ? run + 1 : 0;
        if (run == ID_SIZE && (i + 1 == text.n || !is_hex(text.p[i + 1]))) {
            return str_of(text.p + i + 1 - ID_SIZE, ID_SIZE);
        }
    }
    return (struct str){0};
}

const char *arch_name(const char *machine)
{
    static const char *const NAMES[][2] = {
        {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i386", "x86"},      {"i686", "x86"},
        {"armv7l", "arm32"}, {"armv6l", "arm32"},  {"ppc64le", "ppc64"}, {"s390x", "s390x"},
    };

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (strcmp(machine, NAMES[i][0]) == 0) {
            return NAMES[i][1];
        }
    }
    return machine;
}

static char *read_word(struct host_files *h, const char *const *paths)
{
    for (; *paths != NULL; paths++) {
        struct str text;

        if (host_read_optional(h, *paths, &text) == 0 && str_trim(text).n != 0) {
            return str_dup(str_take(str_trim(text), 256));
        }
    }
    return NULL;
}

static char *os_value(struct str text, struct str key, const char *fallback)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 1024);
    return os_release_get(text, key, &b) && buf_status(&b) == 0 && b.n != 0 ? str_dup(buf_str(&b))
                                                                            : mem_xstrdup(fallback);
}

static void read_os(struct identity *id, struct host_files *h, const struct utsname *u)
{
    struct buf b CLEANUP(buf_done);
    struct str text = {0};
    char *pretty;

    if (host_read_optional(h, "/etc/os-release", &text) < 0 &&
        host_read_optional(h, "/usr/lib/os-release", &text) < 0) {
        text = (struct str){0};
    }
    pretty = os_value(text, STR("PRETTY_NAME"), "Linux");
    id->os_version = os_value(text, STR("VERSION_ID"), u->release);
    id->os_name = os_value(text, STR("NAME"), "Linux");
    buf_init(&b, 4096);
    buf_printf(&b, "%s, kernel %s", pretty, u->release);
    id->os_description = str_dup(buf_str(&b));
    mem_free(pretty);
}

static void read_container(struct identity *id, struct host_files *h)
{
    static const char *const PATHS[] = {"/proc/self/cgroup", "/proc/self/mountinfo"};

    if (h->root[0] != '\0') {
        return; /* a container that looks at its host speaks for the host */
    }
    for (size_t i = 0; i < ARRAY_LEN(PATHS) && id->container_id == NULL; i++) {
        struct str text;
        struct str found;

        if (host_read_optional(h, PATHS[i], &text) < 0) {
            continue;
        }
        found = container_id_find(text);
        id->container_id = found.n != 0 ? str_dup(found) : NULL;
    }
}

/* A name-based UUID, version 8 of RFC 9562: the bits are ours (XXH3-128 of the ids). */
static void make_instance_id(struct identity *id)
{
    struct buf b CLEANUP(buf_done);
    struct hash128 h;
    uint8_t u[16];
    char hex[33];

    buf_init(&b, 1024);
    buf_printf(&b, "bongsu-agent\n%s\n%s", id->host_id,
               id->container_id != NULL ? id->container_id : "");
    h = hash128(b.data, b.n);
    memcpy(u, &h.hi, 8);
    memcpy(u + 8, &h.lo, 8);
    u[6] = (uint8_t)((u[6] & 0x0f) | 0x80);
    u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
    hex_encode(u, sizeof(u), hex);
    for (size_t i = 0, o = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            id->instance_id[o++] = '-';
        }
        id->instance_id[o++] = hex[i];
    }
    id->instance_id[UUID_TEXT - 1] = '\0';
}

void identity_read(struct identity *id, struct host_files *h)
{
    static const char *const ID_PATHS[] = {"/etc/machine-id", "/var/lib/dbus/machine-id",
                                           "/sys/class/dmi/id/product_uuid", NULL};
    static const char *const NAME_PATHS[] = {"/proc/sys/kernel/hostname", "/etc/hostname", NULL};
    static const char *const ROOT_NAME_PATHS[] = {"/etc/hostname", "/proc/sys/kernel/hostname",
                                                  NULL};
    struct utsname u;

    *id = (struct identity){0};
    if (uname(&u) != 0) {
        memset(&u, 0, sizeof(u));
    }
    /* below a prefix /proc/sys/kernel/hostname shows our own UTS namespace, not the host's */
    id->host_name = read_word(h, h->root[0] != '\0' ? ROOT_NAME_PATHS : NAME_PATHS);
    if (id->host_name == NULL) {
        id->host_name = mem_xstrdup(u.nodename[0] != '\0' ? u.nodename : "localhost");
    }
    id->host_id = read_word(h, ID_PATHS);
    if (id->host_id == NULL) {
        char hex[33];
        struct hash128 x = hash128(id->host_name, strlen(id->host_name));

        hex_encode((const uint8_t *)&x, 16, hex);
        id->host_id = mem_xstrdup(hex);
    }
    id->arch = mem_xstrdup(arch_name(u.machine));
    read_os(id, h, &u);
    read_container(id, h);
    make_instance_id(id);
}

void identity_done(struct identity *id)
{
    mem_free(id->host_name);
    mem_free(id->host_id);
    mem_free(id->container_id);
    mem_free(id->arch);
    mem_free(id->os_description);
    mem_free(id->os_version);
    mem_free(id->os_name);
    *id = (struct identity){0};
}

size_t identity_attrs(const struct identity *id, const char *service, const char *version,
                      struct attr dst[IDENTITY_ATTRS])
{
    size_t n = 0;

    dst[n++] = attr_cstr("service.name", service);
    if (version != NULL) {
        dst[n++] = attr_cstr("service.version", version);
    }
    dst[n++] = attr_cstr("service.instance.id", id->instance_id);
    dst[n++] = attr_cstr("host.name", id->host_name);
    dst[n++] = attr_cstr("host.id", id->host_id);
    dst[n++] = attr_cstr("host.arch", id->arch);
    dst[n++] = attr_cstr("os.type", "linux");
    dst[n++] = attr_cstr("os.name", id->os_name);
    dst[n++] = attr_cstr("os.description", id->os_description);
    dst[n++] = attr_cstr("os.version", id->os_version);
    if (id->container_id != NULL) {
        dst[n++] = attr_cstr("container.id", id->container_id);
    }
    return n;
}
