/* SPDX-License-Identifier: Apache-2.0
 *
 * nginx access logs in the combined format with the fields a collector takes out of them, and Tomcat's own log.
 */
#include "lines.h"

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static const char *const agents[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; SM-S928N) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Safari/537.36 Edg/127.0.0.0",
    "okhttp/4.12.0",
    "ShopApp/5.14.2 (iOS 17.6; Scale/3.00)",
    "ShopApp/5.13.0 (Android 13; SM-A546S)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "kube-probe/1.29",
    "Mozilla/5.0 (Linux; Android 13; SM-A536N; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.134 Mobile Safari/537.36 NAVER(inapp; search; 1320; 12.7.3)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "python-requests/2.32.3",
    "curl/8.5.0",
    "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
    "Go-http-client/2.0",
};

static const char *const referers[] = {"-",
                                       "https://shop.example.com/",
                                       "https://shop.example.com/products",
                                       "https://shop.example.com/cart",
                                       "https://www.google.com/",
                                       "https://search.naver.com/search.naver",
                                       "https://shop.example.com/search?q=shoes",
                                       "https://m.shop.example.com/event/2026-autumn"};

static const char *const words[] = {
    "shoes", "jacket", "coffee", "keyboard", "monitor", "backpack", "tent",   "bottle", "charger",
    "lamp",  "desk",   "chair",  "guitar",   "camera",  "scarf",    "helmet", "mug",    "notebook"};

/* The path without what varies in it is a third of the requests; the rest has ids. */
static struct str make_path(struct line *l)
{
    static const char *const plain[] = {"/",
                                        "/products",
                                        "/cart",
                                        "/api/v1/session",
                                        "/static/js/app.3f9c2b.js",
                                        "/login",
                                        "/static/app.css",
                                        "/healthz",
                                        "/favicon.ico",
                                        "/api/v1/recommendations",
                                        "/api/v1/cart",
                                        "/static/logo.svg",
                                        "/search",
                                        "/api/v2/checkout",
                                        "/robots.txt",
                                        "/event/2026-autumn",
                                        "/wp-login.php",
                                        "/.env",
                                        "/api/v1/notifications",
                                        "/sitemap.xml"};
    struct dice *d = l->dice;
    unsigned id = 1000 + (unsigned)dice_zipf(d, 20000);

    switch (dice_below(d, 9)) {
    case 0:
    case 1:
        return arena_printf(l->arena, "/api/v1/products/%u", id);
    case 2:
        return arena_printf(l->arena, "/products/%u", id);
    case 3:
        return arena_printf(l->arena, "/static/img/products/%u_%u.webp", id, 1u << (7 + id % 4));
    case 4:
        return arena_printf(l->arena, "/api/v1/orders/%llu",
                            (unsigned long long)(70000000 + dice_below(d, 9000000)));
    case 5:
        return arena_printf(l->arena, "/api/v1/search/%s", LINE_PICK_ZIPF(l, words));
    default:
        return str_cstr(LINE_PICK_ZIPF(l, plain));
    }
}

static int make_status(struct dice *d)
{
    static const int rare[] = {404, 404, 404, 301, 302, 500, 403, 499,
                               502, 503, 401, 429, 504, 400, 500, 404};

    return dice_once_in(d, 14)  ? rare[dice_below(d, ARRAY_LEN(rare))]
           : dice_once_in(d, 8) ? 304
                                : 200;
}

void line_nginx(struct line *l)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "HEAD"};
    struct dice *d = l->dice;
    struct str path = make_path(l);
    struct str client = line_client(l);
    const char *method = dice_once_in(d, 5) ? methods[dice_zipf(d, 5)] : "GET";
    int status = make_status(d);
    const char *version = dice_once_in(d, 6) ? "1.1" : "2.0";
    const char *referer = LINE_PICK_ZIPF(l, referers);
    const char *agent = LINE_PICK_ZIPF(l, agents);
    int64_t bytes = status == 304 ? 0 : (int64_t)dice_lognormal(d, 4200, 24);
    int64_t ms = (int64_t)dice_lognormal(d, status >= 500 ? 900 : 18, 26);

    line_level(l, status >= 500 ? LEVEL_ERROR : status >= 400 ? LEVEL_WARN : LEVEL_INFO);
    line_body(
        l,
        arena_printf(
            l->arena,
            "%.*s - - [%02d/%s/%d:%02d:%02d:%02d +0000] \"%s %.*s HTTP/%s\" %d %lld \"%s\" \"%s\"",
            STR_ARG(client), l->tm.tm_mday, months[l->tm.tm_mon], l->tm.tm_year + 1900,
            l->tm.tm_hour, l->tm.tm_min, l->tm.tm_sec, method, STR_ARG(path), version, status,
            (long long)bytes, referer, agent));
    line_attr(l, "client_ip", client);
    line_attr(l, "method", str_cstr(method));
    line_attr(l, "path", path);
    line_attr_int(l, "status", status);
    line_attr_int(l, "bytes", bytes);
    line_attr_int(l, "duration_ms", ms);
    line_trace(l, 25);
}

void line_tomcat(struct line *l)
{
    struct dice *d = l->dice;
    unsigned exec = 1 + (unsigned)dice_below(d, 200);
    unsigned long long n = dice_below(d, 90000);
    const char *source = "org.apache.catalina.core.StandardWrapperValve.invoke";
    struct str said;

    line_level(l, LEVEL_INFO);
    switch (dice_below(d, 7)) {
    case 0:
        line_level(l, LEVEL_ERROR);
        said = arena_printf(
            l->arena,
            "Servlet.service() for servlet [dispatcherServlet] in context with path [/shop] threw exception "
            "[Request processing failed: java.lang.IllegalStateException: cart %llu is closed] with root cause",
            n);
        break;
    case 1:
        source = "org.apache.coyote.http11.Http11Processor.service";
        said = STR(
            "Error parsing HTTP request header\n Note: further occurrences of HTTP request parsing errors will be logged at DEBUG level.");
        break;
    case 2:
        line_level(l, LEVEL_WARN);
        source = "org.apache.catalina.loader.WebappClassLoaderBase.clearReferencesThreads";
        said = arena_printf(
            l->arena,
            "The web application [shop] appears to have started a thread named [pool-%llu-thread-%u] but has failed to stop it.",
            n % 40, exec % 9);
        break;
    case 3:
        source = "org.apache.catalina.core.ApplicationContext.log";
        said =
            arena_printf(l->arena, "SessionListener: contextInitialized(), session %016llx created",
                         (unsigned long long)random_next(&d->state));
        break;
    case 4:
        line_level(l, LEVEL_WARN);
        source = "org.apache.tomcat.jdbc.pool.ConnectionPool.abandon";
        said = arena_printf(
            l->arena,
            "Connection has been abandoned PooledConnection[org.postgresql.jdbc.PgConnection@%llx]: idle %llu ms",
            n * 7919, n % 60000);
        break;
    default:
        source = "com.example.shop.web.AuditFilter.doFilter";
        said = arena_printf(l->arena, "request finished: user=u%llu action=%s cart=%llu took=%u ms",
                            n % 30000, LINE_PICK_ZIPF(l, words), n, exec);
    }
    line_body(l, arena_printf(l->arena,
                              "%02d-%s-%d %02d:%02d:%02d.%03d %s [http-nio-8080-exec-%u] %s %.*s",
                              l->tm.tm_mday, months[l->tm.tm_mon], l->tm.tm_year + 1900,
                              l->tm.tm_hour, l->tm.tm_min, l->tm.tm_sec, (int)(l->us / 1000),
                              l->record->severity >= 17   ? "SEVERE"
                              : l->record->severity >= 13 ? "WARNING"
                                                          : "INFO",
                              exec, source, STR_ARG(said)));
    line_attr(l, "logger", str_cstr(source));
}
