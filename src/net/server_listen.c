/*
 * What the server listens on: an address, perhaps a second one, and a unix
 * socket beside them. The loop's starter and, for the end, the loop thread.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "net/server_internal.h"

#define BACKLOG     1024
#define SOCKET_MODE 0666

void server_listen_init(struct http_server *s)
{
	uv_tcp_init(&s->loop, &s->listener);
	uv_tcp_init(&s->loop, &s->extra);
	uv_pipe_init(&s->loop, &s->local, 0);
	s->listener.data = s->extra.data = s->local.data = s;
}

/* -- an address -------------------------------------------------------- */

static int resolve(
    const char *host, int port, struct sockaddr_storage *ret, struct err *err)
{
	if (host == NULL || strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (port >= 0 && port <= 65535 &&
	    (uv_ip4_addr(host, port, (struct sockaddr_in *)ret) == 0 ||
		uv_ip6_addr(host, port, (struct sockaddr_in6 *)ret) == 0))
		return 0;
	return err_set(err, ERR_INVALID, "bad_address",
	    "cannot listen on \"%s\" port %d: give an IPv4 or IPv6 address "
	    "and a port from 0 to 65535",
	    host, port);
}

static int listen_tcp(uv_tcp_t *listener, const char *host, int port,
    int *ret_port, struct err *err)
{
	struct sockaddr_storage addr;
	int len = sizeof(addr), r;

	TRY(resolve(host, port, &addr, err));
	r = uv_tcp_bind(listener, (struct sockaddr *)&addr, 0);
	if (r == 0)
		r = uv_listen(
		    (uv_stream_t *)listener, BACKLOG, server_conn_accept);
	if (r == UV_EADDRINUSE)
		return err_set(err, ERR_CONFLICT, "address_in_use",
		    "cannot listen on %s port %d: another process listens "
		    "there; stop it or choose another port",
		    host, port);
	if (r != 0)
		return err_sys(
		    err, -r, "cannot listen on %s port %d", host, port);
	uv_tcp_getsockname(listener, (struct sockaddr *)&addr, &len);
	*ret_port = addr.ss_family == AF_INET6
			? ntohs(((struct sockaddr_in6 *)&addr)->sin6_port)
			: ntohs(((struct sockaddr_in *)&addr)->sin_port);
	return 0;
}

/* -- a unix socket ------------------------------------------------------ */

static int bad_socket(
    const struct http_server *s, const char *why, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_socket",
	    "cannot listen on the unix socket %s: %s", s->socket, why);
}

/* 1: somebody listens there, 0: it is left over. */
static int is_alive(const struct sockaddr_un *addr, struct err *err)
{
	CLEANUP(fd_close)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(err, errno, "make a socket");
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return 1;
	return errno != ECONNREFUSED;
}

/* What a server that died has left is removed. */
static int make_place(
    struct http_server *s, const struct sockaddr_un *addr, struct err *err)
{
	struct stat st;
	int alive;

	if (lstat(s->socket, &st) < 0)
		return errno == ENOENT
			   ? 0
			   : err_sys(err, errno, "look at %s", s->socket);
	if (!S_ISSOCK(st.st_mode))
		return bad_socket(s, "something else is there", err);
	alive = is_alive(addr, err);
	TRY(alive);
	if (alive > 0)
		return err_set(err, ERR_CONFLICT, "address_in_use",
		    "cannot listen on the unix socket %s: another process "
		    "listens there; stop it or choose another path",
		    s->socket);
	if (unlink(s->socket) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove %s", s->socket);
	return 0;
}

static int listen_unix(struct http_server *s, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int r;

	if (strlen(s->socket) >= sizeof(addr.sun_path))
		return bad_socket(s,
		    "the path is longer than the 107 bytes that a socket's "
		    "may have",
		    err);
	memcpy(addr.sun_path, s->socket, strlen(s->socket));
	TRY(make_place(s, &addr, err));
	r = uv_pipe_bind(&s->local, s->socket);
	if (r == 0 && chmod(s->socket, SOCKET_MODE) < 0)
		r = -errno;
	if (r == 0)
		r = uv_listen(
		    (uv_stream_t *)&s->local, BACKLOG, server_conn_accept);
	if (r == UV_EACCES) /* libuv says so of a missing one, too */
		return bad_socket(s,
		    "its directory does not exist or may not be written", err);
	return r == 0 ? 0 : bad_socket(s, uv_strerror(r), err);
}

/* -- all --------------------------------------------------------------- */

int server_listen_start(struct http_server *s, struct err *err)
{
	const struct http_server_config *c = &s->config;

	TRY(listen_tcp(&s->listener, c->host, c->port, &s->port, err));
	if (c->extra_host != NULL)
		TRY(listen_tcp(&s->extra, c->extra_host, c->extra_port,
		    &s->extra_port, err));
	return s->socket != NULL ? listen_unix(s, err) : 0;
}

/* libuv removes the socket's file. */
void server_listen_end(struct http_server *s)
{
	uv_close((uv_handle_t *)&s->listener, NULL);
	uv_close((uv_handle_t *)&s->extra, NULL);
	uv_close((uv_handle_t *)&s->local, NULL);
}
