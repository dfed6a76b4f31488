/* One health check: see probe.h. The thread of the instance. */
#include "components/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "net/http_client.h"

#define ANSWER_MAX ((size_t)64 * 1024)

/* What a page says does not matter, nor how long it is. */
static int drop(void *arg, const char *data, size_t len, struct err *err)
{
	(void)arg;
	(void)data;
	(void)len;
	(void)err;
	return 0;
}

static int probe_http(const struct descriptor_health *h, const char *ip,
    const struct ctx *ctx, struct err *err)
{
	CLEANUP(http_client_free) struct http_client *client = NULL;
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ANSWER_MAX);
	const struct http_call call = {
	    .method = "GET", .target = h->path, .on_body = drop};
	char base[96];

	snprintf(base, sizeof(base), "http://%s:%d", ip, h->port);
	TRY(http_client_new(&client, base, err));
	TRY(http_call(client, ctx, &call, &res, err));
	if (res.status >= 200 && res.status < 400)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, NULL, "GET %.200s on port %d: %d",
	    h->path, h->port, res.status);
}

static int probe_tcp(const struct descriptor_health *h, const char *ip,
    const struct ctx *ctx, struct err *err)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)h->port)};
	CLEANUP(fd_close)
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(int);
	int eno = 0;

	if (fd < 0 || inet_pton(AF_INET, ip, &to.sin_addr) != 1)
		return err_sys(err, errno, "probe %s", ip);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		if (errno != EINPROGRESS)
			return err_sys(err, errno, "port %d", h->port);
		TRY(ctx_poll(ctx, fd, POLLOUT, err));
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &eno, &len) < 0)
			eno = errno;
	}
	return eno == 0 ? 0 : err_sys(err, eno, "port %d", h->port);
}

int probe_once(const struct descriptor_health *health, const char *ip,
    const struct ctx *ctx, struct err *err)
{
	struct ctx limited = ctx_with_timeout(ctx, health->timeout_ms);

	if (health->kind == HEALTH_TCP)
		return probe_tcp(health, ip, &limited, err);
	return probe_http(health, ip, &limited, err);
}
