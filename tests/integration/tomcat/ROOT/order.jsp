<%@ page contentType="text/plain; charset=UTF-8" import="java.util.logging.*" %><%
Logger log = Logger.getLogger("shop.orders");
String item = request.getParameter("item");
if (item == null) {
    log.log(Level.SEVERE, "order without an item", new IllegalArgumentException("no item"));
    throw new IllegalArgumentException("no item");
}
log.info("order of " + item);
out.print("ordered " + item);
%>
