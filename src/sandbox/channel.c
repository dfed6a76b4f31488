/*
 * The hub's end of the agent's channel: its connections, what is written and
 * when to wait; see channel.h. Owned by one thread at a time; all descriptors
 * are non-blocking.
 */
#include "sandbox/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "sandbox/channel_internal.h"

enum {
	READ_BYTES = 128 * 1024,
	IN_MAX = WIRE_PAYLOAD_MAX + WIRE_HEADER_LEN + READ_BYTES,
	OUT_MAX = 32 * 1024 * 1024,
	REDIAL_MS = 200,
	READS_AT_ONCE = 32,  /* of one pump: the caller has more to look at */
	ACCEPTS_AT_ONCE = 8, /* others may connect as fast as they like */
};

static struct channel *channel_new(void)
{
	struct channel *ch = mem_zalloc(sizeof(*ch));

	ch->listen_fd = -1;
	ch->fd = -1;
	ch->next_seq = 1;
	ch->commands_end = &ch->commands;
	buf_init(&ch->in, IN_MAX);
	buf_init(&ch->out, OUT_MAX);
	return ch;
}

/* Through the directory's descriptor: a state directory may lie deeper than
 * a socket address can say. */
static int bind_in(const char *path, int fd, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP(fd_close) int dir = -1;
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];

	ASSERT(slash != NULL);
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, errno, "open %s", parent);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%.60s",
	    dir, slash + 1);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_sys(err, errno, "bind %s", path);
	return 0;
}

int channel_listen(struct channel **ret, const char *path, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	struct channel *ch;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "create the agent's socket");
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove old socket %s", path);
	TRY(bind_in(path, fd, err));
	if (chmod(path, 0666) < 0)
		return err_sys(err, errno, "chmod %s", path);
	if (listen(fd, 8) < 0)
		return err_sys(err, errno, "listen on %s", path);
	ch = channel_new();
	ch->listen_fd = fd_steal(&fd);
	*ret = ch;
	return 0;
}

int channel_dial(struct channel **ret,
    int (*dial)(void *arg, int *ret_fd, struct buf *early, struct err *err),
    void *arg, bool fresh, struct err *err)
{
	struct channel *ch = channel_new();

	(void)err;
	ch->dial = dial;
	ch->dial_arg = arg;
	ch->fresh = fresh;
	*ret = ch;
	return 0;
}

static void command_free(struct command *c)
{
	if (c->frame.data != NULL)
		secret_wipe(c->frame.data, c->frame.cap);
	buf_fini(&c->frame);
	mem_free(c);
}

static void wipe_out(struct channel *ch)
{
	if (ch->out.data != NULL)
		secret_wipe(ch->out.data, ch->out.cap);
	buf_fini(&ch->out);
}

static void disconnect(struct channel *ch)
{
	fd_close(ch->fd);
	ch->fd = -1;
	ch->ready = false;
	ch->redial_ns = clock_deadline_ms(REDIAL_MS);
	buf_fini(&ch->in);
	wipe_out(ch);
	channel_tunnels_reset(ch);
	frames_init(&ch->frames, FRAMES_PAYLOAD_MAX);
}

void channel_free(struct channel *ch)
{
	if (ch == NULL)
		return;
	disconnect(ch);
	channel_tunnels_free(ch);
	fd_close(ch->listen_fd);
	channel_confirm(ch, UINT32_MAX);
	mem_free(ch);
}

void channel_expect(struct channel *ch, int pid, uint64_t nonce)
{
	ch->expect_pid = pid;
	ch->nonce = nonce;
}

int channel_peer_pid(const struct channel *ch)
{
	return ch->expect_pid;
}

uint64_t channel_nonce(const struct channel *ch)
{
	return ch->nonce;
}

uint32_t channel_version(const struct channel *ch)
{
	return ch->version;
}

bool channel_is_ready(const struct channel *ch)
{
	return ch->ready;
}

void channel_set_offset(struct channel *ch, uint64_t off)
{
	ch->off = off;
	ch->acked = off;
}

uint64_t channel_offset(const struct channel *ch)
{
	return ch->off;
}

uint64_t channel_next(const struct channel *ch)
{
	return ch->agent_next;
}

uint32_t channel_last_seq(const struct channel *ch)
{
	return ch->agent_seq;
}

void channel_set_seq(struct channel *ch, uint32_t seq)
{
	ch->next_seq = seq + 1;
}

void channel_confirm(struct channel *ch, uint32_t seq)
{
	struct command *c;

	while ((c = ch->commands) != NULL && c->seq <= seq) {
		ch->commands = c->next;
		command_free(c);
	}
	if (ch->commands == NULL)
		ch->commands_end = &ch->commands;
}

/* -- connecting -------------------------------------------------------- */

/* A process of the container other than its first one gets nowhere. */
static bool peer_is_agent(struct channel *ch, int fd)
{
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	if (cred.pid == 0)
		return true; /* another pid namespace: the nonce decides */
	if (ch->expect_pid == 0)
		ch->expect_pid = cred.pid;
	return cred.pid == ch->expect_pid;
}

static void accept_agent(struct channel *ch)
{
	int fd;

	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		fd = accept4(
		    ch->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			/* No descriptor is left: it waits in the backlog, and
			 * we for a moment. */
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOMEM || errno == ENOBUFS)
				ch->accept_ns = clock_deadline_ms(REDIAL_MS);
			return;
		}
		if (!peer_is_agent(ch, fd)) {
			fd_close(fd);
			continue;
		}
		disconnect(ch);
		ch->fd = fd;
	}
}

/* The agent speaks on stdout; on stderr the engine makes its noise. */
static int take_framed(
    struct channel *ch, const char *data, size_t len, struct err *err)
{
	struct frames_piece piece;
	int r;

	while ((r = frames_next(&ch->frames, &data, &len, &piece, err)) > 0)
		if (piece.stream == FRAMES_STDOUT &&
		    buf_append(&ch->in, piece.data, piece.len) < 0)
			return err_set(err, ERR_INVALID, "agent_protocol",
			    "the agent sent more than it may");
	return r;
}

/* Reads what came early, too; a new stream starts at a frame's boundary of
 * the engine, but anywhere in the agent's. */
static int try_dial(struct channel *ch, struct err *err)
{
	CLEANUP(buf_fini) struct buf early = {0};
	int fd = -1;

	if (clock_mono_ns() < ch->redial_ns)
		return 0;
	ch->redial_ns = clock_deadline_ms(REDIAL_MS);
	buf_init(&early, READ_BYTES);
	TRY(ch->dial(ch->dial_arg, &fd, &early, err));
	disconnect(ch);
	ch->fd = fd;
	ch->syncing = true;
	ch->ping_ns =
	    ch->fresh ? 0
		      : clock_deadline_ms(WIRE_STALE_MS + WIRE_STALE_MS / 10);
	ch->fresh = false;
	IGNORE(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0);
	return take_framed(ch, buf_str(&early), early.len, err);
}

/* -- writing ----------------------------------------------------------- */

void channel_flush(struct channel *ch)
{
	ssize_t n;

	/* It asked for more than it reads; all of it is sent again. */
	if (ch->out.overflow)
		disconnect(ch);
	while (ch->fd >= 0 && ch->out.len > 0) {
		n = write(ch->fd, ch->out.data, ch->out.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0) {
			disconnect(ch); /* the agent connects again */
			return;
		}
		buf_consume(&ch->out, (size_t)n);
	}
	if (ch->out.len == 0)
		wipe_out(ch);
}

uint32_t channel_send(struct channel *ch, enum wire_type type, uint16_t step,
    const struct buf *payload)
{
	struct command *c = mem_zalloc(sizeof(*c));
	size_t at;

	c->seq = ch->next_seq++;
	buf_init(&c->frame, WIRE_PAYLOAD_MAX + WIRE_HEADER_LEN);
	at = wire_frame_begin(&c->frame, (uint8_t)type, 0, step);
	wire_put_u32(&c->frame, c->seq);
	if (payload != NULL)
		IGNORE(buf_append(&c->frame, payload->data, payload->len));
	ASSERT(!c->frame.overflow); /* callers bound what they send */
	wire_frame_end(&c->frame, at);
	*ch->commands_end = c;
	ch->commands_end = &c->next;
	if (ch->ready) {
		IGNORE(buf_append(&ch->out, c->frame.data, c->frame.len));
		channel_flush(ch);
	}
	return c->seq;
}

/* -- reading ----------------------------------------------------------- */

static void ask_for_hello(struct channel *ch)
{
	size_t at;

	if (ch->fd < 0 || ch->ping_ns == 0 || clock_mono_ns() < ch->ping_ns)
		return;
	ch->ping_ns = 0;
	at = wire_frame_begin(&ch->out, WIRE_PING, 1, 0);
	wire_frame_end(&ch->out, at);
}

/* 1: read something, 0: nothing now or the connection ended. */
static int read_some(struct channel *ch, struct err *err)
{
	char chunk[READ_BYTES / 4];
	char *room = chunk;
	size_t size = sizeof(chunk);
	ssize_t n;

	if (ch->in.len >= IN_MAX - READ_BYTES)
		return 0; /* held back: what is there must be taken first */
	if (ch->dial == NULL) {
		size = READ_BYTES;
		room = buf_reserve(&ch->in, size);
	}
	ASSERT(room != NULL);
	n = read(ch->fd, room, size);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		disconnect(ch);
		return 0;
	}
	if (ch->dial == NULL)
		buf_commit(&ch->in, (size_t)n);
	else
		TRY(take_framed(ch, chunk, (size_t)n, err));
	return 1;
}

int channel_pump(
    struct channel *ch, channel_take take, void *arg, struct err *err)
{
	int r;

	if (ch->listen_fd >= 0)
		accept_agent(ch);
	else if (ch->fd < 0)
		TRY(try_dial(ch, err));
	ask_for_hello(ch);
	channel_flush(ch);
	r = channel_deliver(ch, take, arg, err);
	for (int i = 0; r == 0 && ch->fd >= 0 && i < READS_AT_ONCE; i++) {
		r = read_some(ch, err);
		if (r <= 0)
			break;
		r = channel_deliver(ch, take, arg, err);
	}
	if (r < 0 && err->kind == ERR_INVALID)
		disconnect(ch);
	channel_tunnels_run(ch);
	channel_flush(ch);
	if (r == 0 && ch->in.len == 0)
		buf_fini(&ch->in); /* idle channels hold no buffer */
	return r;
}

static bool may_accept(const struct channel *ch)
{
	return clock_mono_ns() >= ch->accept_ns;
}

int channel_wait(struct channel *ch, int wake_fd, int64_t deadline_ns)
{
	struct pollfd p[3 + WIRE_TUNNELS_MAX] = {
	    {.fd = ch->fd, .events = POLLIN},
	    {.fd = may_accept(ch) ? ch->listen_fd : -1, .events = POLLIN},
	    {.fd = wake_fd, .events = POLLIN}};
	int64_t asked_ns = deadline_ns;
	size_t tunnels = channel_tunnels_poll(ch, p + 3);
	uint64_t drained;
	int n, ret = 0;

	if (ch->out.len > 0)
		p[0].events |= POLLOUT;
	if (ch->fd < 0 && ch->dial != NULL && ch->redial_ns < deadline_ns)
		deadline_ns = ch->redial_ns;
	if (!may_accept(ch) && ch->accept_ns < deadline_ns)
		deadline_ns = ch->accept_ns;
	if (ch->fd >= 0 && ch->ping_ns != 0 && ch->ping_ns < deadline_ns)
		deadline_ns = ch->ping_ns;
	do {
		n = poll(p, 3 + tunnels, clock_poll_ms(deadline_ns));
	} while (n < 0 && errno == EINTR);
	if (p[0].revents != 0 || p[1].revents != 0)
		ret |= CHANNEL_IO;
	for (size_t i = 0; i < tunnels; i++)
		if (p[3 + i].revents != 0)
			ret |= CHANNEL_IO;
	if (p[2].revents != 0) {
		IGNORE(read(wake_fd, &drained, sizeof(drained)) < 0);
		ret |= CHANNEL_WOKEN;
	}
	if (ret == 0 && deadline_ns < asked_ns)
		return CHANNEL_IO; /* time to dial, accept, ask for a HELLO */
	return ret != 0 ? ret : CHANNEL_TIMEOUT;
}
