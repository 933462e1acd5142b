/* SPDX-License-Identifier: Apache-2.0
 *
 * Spring Boot services: one-line events, and exceptions with their stack traces as one record; Korean ones too.
 */
#include "lines.h"

#include <stdio.h>

static const char *const loggers[] = {
    "c.e.shop.order.OrderService",
    "c.e.shop.payment.PaymentClient",
    "c.e.shop.cart.CartController",
    "c.e.shop.stock.ReservationJob",
    "o.s.web.servlet.DispatcherServlet",
    "c.zaxxer.hikari.pool.HikariPool",
    "o.a.k.c.c.internals.Fetcher",
    "c.e.shop.user.SessionRepository",
    "o.hibernate.SQL",
    "c.e.shop.shipping.LabelPrinter",
    "c.e.shop.mail.Outbox",
    "i.l.core.protocol.ConnectionWatchdog",
};

static const char *const thrown[] = {
    "java.util.concurrent.TimeoutException: Did not observe any item or terminal signal within 3000ms",
    "org.springframework.dao.DeadlockLoserDataAccessException: PreparedStatementCallback; SQL [update stock set n = n - ? where sku = ?]",
    "java.lang.NullPointerException: Cannot invoke \"com.example.shop.user.User.getEmail()\" because \"user\" is null",
    "org.apache.kafka.common.errors.DisconnectException: null",
    "io.lettuce.core.RedisCommandTimeoutException: Command timed out after 1 second(s)",
    "com.example.shop.payment.PaymentDeclinedException: issuer declined: insufficient funds",
    "java.net.SocketTimeoutException: Read timed out",
    "org.hibernate.StaleObjectStateException: Row was updated or deleted by another transaction",
    "java.lang.IllegalArgumentException: quantity must be positive",
    "javax.net.ssl.SSLHandshakeException: PKIX path building failed",
};

static const char *const frames[] = {
    "com.example.shop.order.OrderService.place(OrderService.java:%u)",
    "com.example.shop.payment.PaymentClient.authorize(PaymentClient.java:%u)",
    "com.example.shop.stock.StockRepository.reserve(StockRepository.java:%u)",
    "com.example.shop.web.OrderController.create(OrderController.java:%u)",
    "java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(DirectMethodHandleAccessor.java:103)",
    "java.base/java.lang.reflect.Method.invoke(Method.java:580)",
    "org.springframework.aop.support.AopUtils.invokeJoinpointUsingReflection(AopUtils.java:352)",
    "org.springframework.aop.framework.ReflectiveMethodInvocation.proceed(ReflectiveMethodInvocation.java:184)",
    "org.springframework.transaction.interceptor.TransactionAspectSupport.invokeWithinTransaction(TransactionAspectSupport.java:385)",
    "org.springframework.transaction.interceptor.TransactionInterceptor.invoke(TransactionInterceptor.java:119)",
    "org.springframework.web.method.support.InvocableHandlerMethod.doInvoke(InvocableHandlerMethod.java:255)",
    "org.springframework.web.servlet.mvc.method.annotation.RequestMappingHandlerAdapter.handleInternal(RequestMappingHandlerAdapter.java:831)",
    "org.springframework.web.servlet.DispatcherServlet.doDispatch(DispatcherServlet.java:1089)",
    "org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:885)",
    "jakarta.servlet.http.HttpServlet.service(HttpServlet.java:658)",
    "org.apache.catalina.core.ApplicationFilterChain.internalDoFilter(ApplicationFilterChain.java:205)",
    "org.springframework.web.filter.OncePerRequestFilter.doFilter(OncePerRequestFilter.java:116)",
    "org.springframework.security.web.FilterChainProxy.doFilterInternal(FilterChainProxy.java:233)",
    "org.apache.catalina.core.StandardWrapperValve.invoke(StandardWrapperValve.java:167)",
    "org.apache.catalina.core.StandardHostValve.invoke(StandardHostValve.java:115)",
    "org.apache.coyote.http11.Http11Processor.service(Http11Processor.java:391)",
    "org.apache.tomcat.util.net.NioEndpoint$SocketProcessor.doRun(NioEndpoint.java:1740)",
    "org.apache.tomcat.util.threads.ThreadPoolExecutor$Worker.run(ThreadPoolExecutor.java:659)",
    "java.base/java.lang.Thread.run(Thread.java:1583)",
};

enum { TRACE_BYTES = 8192 };

/* The same exception comes from the same place: depth and line numbers follow from which one it is. */
static struct str stack_trace(struct line *l, size_t which)
{
    char *p = arena_alloc(l->arena, TRACE_BYTES, 1);
    size_t depth = 12 + which * 5 % 29;
    size_t n = (size_t)snprintf(p, TRACE_BYTES, "%s", thrown[which]);

    for (size_t i = 0; i < depth && n < TRACE_BYTES - 400; i++) {
        n += (size_t)snprintf(p + n, TRACE_BYTES - n, "\n\tat ");
        n += (size_t)snprintf(p + n, TRACE_BYTES - n,
                              frames[i < ARRAY_LEN(frames) ? i : 4 + i % (ARRAY_LEN(frames) - 4)],
                              40 + (unsigned)(which * 37 + i * 11) % 300);
        if (i == depth / 2)
            n += (size_t)snprintf(p + n, TRACE_BYTES - n, "\nCaused by: %s",
                                  thrown[(which + 3) % ARRAY_LEN(thrown)]);
    }
    return str_of(p, n);
}

static struct str order_event(struct line *l)
{
    struct dice *d = l->dice;
    unsigned long long order = 70000000 + dice_below(d, 9000000);
    unsigned user = (unsigned)dice_zipf(d, 200000);
    unsigned ms = (unsigned)dice_lognormal(d, 40, 24);

    switch (dice_below(d, 8)) {
    case 0:
        return arena_printf(l->arena,
                            "Order %llu accepted for user u%u: %u items, total %u.%02u EUR", order,
                            user, 1 + ms % 9, ms, user % 100);
    case 1:
        return arena_printf(l->arena,
                            "Payment authorized for order %llu in %u ms (provider=%s, attempt=%u)",
                            order, ms, user % 3 ? "tosspay" : "stripe", 1 + user % 3);
    case 2:
        return arena_printf(l->arena, "Reserved sku SKU-%05u x%u in warehouse W%02u for order %llu",
                            user % 40000, 1 + ms % 5, user % 12, order);
    case 3:
        return arena_printf(l->arena, "Completed 200 OK, GET \"/api/v1/orders/%llu\" in %u ms",
                            order, ms);
    case 4:
        return arena_printf(l->arena, "Session of user u%u refreshed, expires in 1800 s", user);
    case 5:
        return arena_printf(
            l->arena,
            "[Consumer clientId=shop-%d, groupId=orders] Fetch READ_UNCOMMITTED at offset %llu for partition orders-%u returned %u records",
            l->stream, order * 3, user % 24, ms % 500);
    case 6:
        return arena_printf(
            l->arena,
            "select o.id, o.user_id, o.state, o.total from orders o where o.user_id=? and o.created_at>? order by o.created_at desc fetch first ? rows only");
    default:
        return arena_printf(l->arena,
                            "Cart %u of user u%u recalculated: subtotal=%u discount=%u shipping=%u",
                            user * 7, user, ms * 10, ms % 100, user % 5 * 500);
    }
}

static struct str warning(struct line *l)
{
    struct dice *d = l->dice;
    unsigned n = (unsigned)dice_below(d, 4000);

    switch (dice_below(d, 4)) {
    case 0:
        return arena_printf(
            l->arena,
            "HikariPool-1 - Connection is not available, request timed out after %u ms (total=20, active=20, idle=0, waiting=%u)",
            30000 + n, n % 50);
    case 1:
        return arena_printf(
            l->arena, "Slow response from payment gateway: %u ms, threshold 1500 ms", 1500 + n);
    case 2:
        return arena_printf(
            l->arena, "Retry %u/5 of stock reservation after optimistic lock failure on SKU-%05u",
            1 + n % 5, n);
    default:
        return arena_printf(
            l->arena, "Circuit breaker 'recommendations' recorded an error, failure rate %u.%u%%",
            n % 60, n % 10);
    }
}

/* The rare word of the queries: about once in 300,000 lines of this kind. */
static struct str rare_event(struct line *l)
{
    unsigned which = (unsigned)dice_below(l->dice, 3);
    unsigned long long account = dice_below(l->dice, 1000000);

    return arena_printf(
        l->arena, "Reconciliation found an orphaned ledger entry: quokkamarker%02u account=%llu",
        which, account);
}

static void put(struct line *l, const char *logger, unsigned thread, struct str said)
{
    line_body(
        l,
        arena_printf(
            l->arena,
            "%d-%02d-%02dT%02d:%02d:%02d.%03dZ %5s 1 --- [shop] [nio-8080-exec-%u] %-40s : %.*s",
            l->tm.tm_year + 1900, l->tm.tm_mon + 1, l->tm.tm_mday, l->tm.tm_hour, l->tm.tm_min,
            l->tm.tm_sec, (int)(l->us / 1000), line_level_name(l), thread, logger, STR_ARG(said)));
    line_attr(l, "logger", str_cstr(logger));
    line_attr(l, "thread", arena_printf(l->arena, "nio-8080-exec-%u", thread));
    line_trace(l, 60);
}

void line_spring(struct line *l)
{
    struct dice *d = l->dice;
    const char *logger = LINE_PICK_ZIPF(l, loggers);
    unsigned thread = 1 + (unsigned)dice_below(d, 200);
    unsigned long long what = dice_below(d, 1000);
    struct str said;

    line_level(l, LEVEL_INFO);
    if (dice_once_in(d, 300000 / 4)) {
        line_level(l, LEVEL_WARN);
        said = rare_event(l);
    } else if (what < 15) {
        size_t which = dice_zipf(d, ARRAY_LEN(thrown));

        line_level(l, LEVEL_ERROR);
        struct str trace = stack_trace(l, which);
        said =
            arena_printf(l->arena, "Servlet.service() for order %llu threw exception\n\n%.*s",
                         (unsigned long long)(70000000 + dice_below(d, 9000000)), STR_ARG(trace));
        line_attr(l, "exception.type", str_of(thrown[which], strcspn(thrown[which], ":")));
    } else if (what < 60) {
        line_level(l, LEVEL_WARN);
        said = warning(l);
    } else {
        if (what > 850)
            line_level(l, LEVEL_DEBUG);
        said = order_event(l);
    }
    put(l, logger, thread, said);
}

void line_korean(struct line *l)
{
    static const char *const cities[] = {"서울특별시", "부산광역시",    "인천광역시",
                                         "대구광역시", "경기도 성남시", "제주특별자치도"};
    struct dice *d = l->dice;
    unsigned long long order = 70000000 + dice_below(d, 9000000);
    unsigned won = (unsigned)dice_lognormal(d, 34000, 20) / 10 * 10;
    unsigned what = (unsigned)dice_below(d, 40);
    struct str said;

    line_level(l, LEVEL_INFO);
    if (what == 0) {
        line_level(l, LEVEL_ERROR);
        said = arena_printf(l->arena, "결제 승인 실패: 주문번호=%llu, 금액=%u원, 사유=한도 초과",
                            order, won);
    } else if (what < 4) {
        line_level(l, LEVEL_WARN);
        said = arena_printf(l->arena,
                            "재고 부족으로 주문을 보류했습니다: 주문번호=%llu, 상품코드=SKU-%05u",
                            order, won % 40000);
    } else if (what < 16) {
        said = arena_printf(l->arena, "결제 승인 완료: 주문번호=%llu, 금액=%u원, 소요시간=%ums",
                            order, won, 20 + won % 700);
    } else if (what < 28) {
        said = arena_printf(l->arena, "배송 접수: 주문번호=%llu, 지역=%s, 예상 도착일 %d일 후",
                            order, LINE_PICK(l, cities), 1 + (int)(won % 4));
    } else {
        said = arena_printf(l->arena, "회원 u%u 로그인 성공 (접속 경로: %s)", won,
                            won % 20 ? "앱" : "웹");
    }
    put(l, "c.e.shop.kr.OrderFlow", 1 + won % 200, said);
}
