/*
 * One socket of the HTTP client: connect, send and receive, each bounded by
 * the caller's context. Called by http_client.c and client_exchange.c on the
 * thread of the caller; the descriptor belongs to whoever called.
 */
#include "net/client_internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fs.h"
#include "base/mem.h"

/* A full backlog of a unix socket cannot be polled for. */
#define BACKLOG_RETRY_MS 5

static int connect_failed(const struct http_client *c, int eno, struct err *err)
{
	IGNORE(err_sys(err, eno, "cannot connect to %s", c->name));
	err->kind = ERR_UNAVAILABLE;
	return err_set(err, ERR_UNAVAILABLE, "connect_failed", "%s", err->msg);
}

/* One address. 0 connected, -1 err set and *ret_eno the reason, or 0 when
 * the context ended. */
static int connect_one(const struct ctx *ctx, int fd,
    const struct sockaddr *addr, socklen_t len, int *ret_eno, struct err *err)
{
	socklen_t size = sizeof(*ret_eno);

	*ret_eno = 0;
	while (connect(fd, addr, len) != 0) {
		if (errno == EAGAIN) {
			TRY(ctx_sleep(ctx, BACKLOG_RETRY_MS, err));
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EISCONN)
			return 0;
		if (errno != EINPROGRESS && errno != EALREADY) {
			*ret_eno = errno;
			return err_sys(err, errno, "connect");
		}
		TRY(ctx_poll(ctx, fd, POLLOUT, err));
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, ret_eno, &size) != 0)
			*ret_eno = errno;
		return *ret_eno == 0 ? 0 : err_sys(err, *ret_eno, "connect");
	}
	return 0;
}

static int connect_unix(
    const struct http_client *c, const struct ctx *ctx, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP(fd_close) int fd = -1;
	int eno;

	memcpy(addr.sun_path, c->addr.path, sizeof(addr.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return connect_failed(c, errno, err);
	if (connect_one(ctx, fd, (struct sockaddr *)&addr, sizeof(addr), &eno,
		err) != 0)
		return eno != 0 ? connect_failed(c, eno, err)
				: err_wrap(err, "connect to %s", c->name);
	eno = fd;
	fd = -1;
	return eno;
}

/* A stream may be silent for hours: a peer whose machine has gone is found
 * out by the kernel, in about a minute. */
static void set_options(int fd)
{
	static const int one = 1, idle_s = 30, interval_s = 10, probes = 3;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(
	    fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static int try_address(const struct ctx *ctx, const struct addrinfo *ai,
    int *ret_eno, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	int ret;

	fd = socket(
	    ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		*ret_eno = errno;
		return err_sys(err, errno, "create a socket");
	}
	TRY(connect_one(ctx, fd, ai->ai_addr, ai->ai_addrlen, ret_eno, err));
	set_options(fd);
	ret = fd;
	fd = -1;
	return ret;
}

/* The resolver has time limits of its own (resolv.conf: 5 s a try); it
 * cannot be interrupted by the context, which is looked at afterwards. */
static int connect_tcp(
    const struct http_client *c, const struct ctx *ctx, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *ai;
	int code, eno = 0, fd = -1;

	code = getaddrinfo(c->addr.host, c->addr.port, &hints, &list);
	if (code != 0)
		return err_set(err, ERR_UNAVAILABLE, "connect_failed",
		    "cannot connect to %s: %s", c->name, gai_strerror(code));
	for (ai = list; ai != NULL && fd < 0; ai = ai->ai_next) {
		fd = try_address(ctx, ai, &eno, err);
		if (fd < 0 && eno == 0)
			break;
	}
	freeaddrinfo(list);
	if (fd >= 0) {
		err_clear(err);
		return fd;
	}
	return eno != 0 ? connect_failed(c, eno, err)
			: err_wrap(err, "connect to %s", c->name);
}

void client_link_free(struct client_link *l)
{
	if (l == NULL)
		return;
	fd_close(l->fd);
	tls_session_free(l->tls);
	mem_free(l->in);
	mem_free(l);
}

struct client_link *client_connect(
    const struct http_client *c, const struct ctx *ctx, struct err *err)
{
	CLEANUP(client_link_free) struct client_link *l = NULL;
	int fd;

	if (ctx_check(ctx, err) < 0)
		return NULL;
	fd = c->addr.is_unix ? connect_unix(c, ctx, err)
			     : connect_tcp(c, ctx, err);
	if (fd < 0)
		return NULL;
	l = mem_zalloc(sizeof(*l));
	l->fd = fd;
	if (c->tls == NULL)
		return STEAL(l);
	l->tls = tls_client_session(c->tls, c->addr.host);
	l->in = mem_alloc(CLIENT_READ_BYTES);
	if (client_tls_start(l, ctx, err) < 0) {
		IGNORE(err_wrap(err, "connect to %s", c->name));
		return NULL;
	}
	return STEAL(l);
}

/* -- bytes ------------------------------------------------------------- */

static int lost(bool *ret_lost, const char *what, struct err *err)
{
	int eno = errno;

	*ret_lost = true;
	IGNORE(err_sys(err, eno, "%s", what));
	return err_set(err, ERR_UNAVAILABLE, "connection_lost", "%s", err->msg);
}

int client_socket_send(int fd, const struct ctx *ctx, const void *data,
    size_t len, bool *ret_lost, struct err *err)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n >= 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			TRY(ctx_poll(ctx, fd, POLLOUT, err));
		} else if (errno != EINTR) {
			return lost(ret_lost, "send the request", err);
		}
	}
	return 0;
}

long client_socket_recv(int fd, const struct ctx *ctx, char *data, size_t size,
    bool *ret_lost, struct err *err)
{
	ssize_t n;

	for (;;) {
		/* Asked each time: a peer that never pauses must not outrun
		 * the deadline or the cancellation. */
		TRY(ctx_check(ctx, err));
		n = recv(fd, data, size, 0);
		if (n >= 0)
			return n;
		if (errno == EAGAIN) {
			TRY(ctx_poll(ctx, fd, POLLIN, err));
		} else if (errno != EINTR) {
			return lost(ret_lost, "read the reply", err);
		}
	}
}

int client_send(struct client_link *l, const struct ctx *ctx, const void *data,
    size_t len, bool *ret_lost, struct err *err)
{
	if (l->tls != NULL)
		return client_tls_send(l, ctx, data, len, ret_lost, err);
	return client_socket_send(l->fd, ctx, data, len, ret_lost, err);
}

long client_recv(struct client_link *l, const struct ctx *ctx, char *data,
    size_t size, bool *ret_lost, struct err *err)
{
	if (l->tls != NULL)
		return client_tls_recv(l, ctx, data, size, ret_lost, err);
	return client_socket_recv(l->fd, ctx, data, size, ret_lost, err);
}
