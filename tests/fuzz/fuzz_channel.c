/*
 * Hostile agents: any bytes on the hub's end of the channel. The first byte
 * chooses: 1 greet first, 2 wrap the rest in the engine's framing, 4 a sink
 * that refuses every second batch, 8 look already half way, 16 tunnels lead
 * to a server (that says everything back).
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "sandbox/channel.h"

enum { INPUT_MAX = 64 * 1024, PUMPS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct agent {
	int fd;
	bool refusing;
	unsigned calls;
	uint64_t end_off;
	unsigned sum;
};

static int dial(void *arg, int *ret_fd, struct buf *early, struct err *err)
{
	struct agent *a = arg;
	int pair[2];

	(void)early;
	if (a->fd >= 0)
		return err_set(err, ERR_UNAVAILABLE, NULL, "once is enough");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, errno, "socketpair");
	a->fd = pair[0];
	*ret_fd = pair[1];
	return 0;
}

static int take(
    void *arg, const struct channel_record *recs, size_t n, struct err *err)
{
	struct agent *a = arg;

	ASSERT(n > 0 && n <= CHANNEL_BATCH);
	if (a->refusing && a->calls++ % 2 == 0)
		return err_set(err, ERR_UNAVAILABLE, NULL, "refused");
	for (size_t i = 0; i < n; i++) {
		ASSERT(recs[i].len + 8 <= WIRE_PAYLOAD_MAX);
		ASSERT(recs[i].h.type >= WIRE_RECORD_BASE);
		ASSERT(recs[i].end_off > a->end_off);
		if (recs[i].len > 0) /* all of it may be read */
			a->sum +=
			    recs[i].data[0] + recs[i].data[recs[i].len - 1];
		a->end_off = recs[i].end_off;
	}
	return 0;
}

static void put(struct agent *a, const struct buf *b)
{
	if (a->fd >= 0)
		IGNORE(send(a->fd, b->data, b->len,
			   MSG_NOSIGNAL | MSG_DONTWAIT) < 0);
}

/* In the engine's framing, when asked for. */
static void say(struct agent *a, const void *data, size_t len, bool wrap)
{
	CLEANUP(buf_fini) struct buf b = {0};
	const uint8_t head[8] = {1, 0, 0, 0, (uint8_t)(len >> 24),
	    (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};

	buf_init(&b, 2 * INPUT_MAX);
	if (wrap)
		IGNORE(buf_append(&b, head, sizeof(head)));
	IGNORE(buf_append(&b, data, len));
	put(a, &b);
}

static void greet(struct agent *a)
{
	CLEANUP(buf_fini) struct buf b = {0};
	size_t at;

	buf_init(&b, 128);
	at = wire_frame_begin(&b, WIRE_HELLO, 0, 0);
	wire_put_u32(&b, WIRE_VERSION);
	wire_put_u64(&b, 7);
	wire_put_u64(&b, 0);
	wire_put_u64(&b, UINT32_MAX);
	wire_put_u32(&b, 1);
	wire_put_u16(&b, WIRE_STEP_NONE);
	wire_frame_end(&b, at);
	say(a, b.data, b.len, true);
}

/* -- the hub's server -------------------------------------------------- */

static struct {
	int listener;
	struct sockaddr_un addr;
	char dir[32];
	int fds[WIRE_TUNNELS_MAX];
	size_t n;
} server = {.listener = -1};

static void server_remove(void)
{
	unlink(server.addr.sun_path);
	rmdir(server.dir);
}

static void server_open(void)
{
	if (server.listener >= 0)
		return;
	strcpy(server.dir, "/tmp/rh-fuzz-XXXXXX");
	ASSERT(mkdtemp(server.dir) != NULL);
	server.addr.sun_family = AF_UNIX;
	snprintf(server.addr.sun_path, sizeof(server.addr.sun_path), "%s/s",
	    server.dir);
	server.listener =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ASSERT(bind(server.listener, (struct sockaddr *)&server.addr,
		   sizeof(server.addr)) == 0);
	ASSERT(listen(server.listener, WIRE_TUNNELS_MAX) == 0);
	atexit(server_remove);
}

/* Closes a connection that says a 0xff. */
static void serve(void)
{
	uint8_t piece[512];
	size_t kept = 0;
	ssize_t n;
	int fd;

	while (server.n < WIRE_TUNNELS_MAX &&
	       (fd = accept4(server.listener, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		server.fds[server.n++] = fd;
	for (size_t i = 0; i < server.n; i++) {
		fd = server.fds[i];
		n = read(fd, piece, sizeof(piece));
		if (n > 0)
			IGNORE(send(fd, piece, (size_t)n, MSG_NOSIGNAL) < 0);
		if (n == 0 || (n > 0 && memchr(piece, 0xff, (size_t)n) != NULL))
			close(fd);
		else
			server.fds[kept++] = fd;
	}
	server.n = kept;
}

static void server_hang_up(void)
{
	int fd;

	while (server.n > 0)
		close(server.fds[--server.n]);
	while ((fd = accept(server.listener, NULL, NULL)) >= 0)
		close(fd);
}

static void pump(struct channel *ch, struct agent *a)
{
	struct err err = ERR_INIT;
	int r;

	/* Until it has nothing more to do or breaks off. */
	for (int i = 0; i < PUMPS_MAX; i++) {
		r = channel_pump(ch, take, a, &err);
		serve();
		if (r < 0 && err.kind == ERR_INVALID)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent a = {.fd = -1};
	struct channel *ch;
	struct err err = ERR_INIT;
	uint8_t how;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	how = *data++;
	size--;
	a.refusing = (how & 4) != 0;
	if (channel_dial(&ch, dial, &a, true, &err) < 0)
		return 0;
	server_open();
	if ((how & 16) != 0)
		channel_tunnel_to(ch, server.addr.sun_path);
	channel_send(ch, WIRE_EXIT, WIRE_STEP_NONE, NULL);
	channel_send(ch, WIRE_EXIT, WIRE_STEP_NONE, NULL);
	pump(ch, &a);
	if ((how & 1) != 0)
		greet(&a);
	if ((how & 8) != 0) {
		say(&a, data, size / 2, (how & 2) != 0);
		pump(ch, &a);
		data += size / 2;
		size -= size / 2;
	}
	say(&a, data, size, (how & 2) != 0);
	pump(ch, &a);
	if (a.fd >= 0)
		close(a.fd);
	pump(ch, &a);
	channel_free(ch);
	server_hang_up();
	return 0;
}
