/*
 * The hub's ends of tunnels (WIRE_TUN_*, agent/wire.h): each connection that
 * a process of the container makes is one to a unix socket of the hub. Called
 * by channel.c and channel_read.c on the channel's thread. What comes from
 * the container is hostile: no more than a window of it waits here for each
 * of WIRE_TUNNELS_MAX, and what breaks the rules ends the channel's
 * connection.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "sandbox/channel_internal.h"

enum {
	PIECE_MAX = 16 * 1024,
	OUT_FULL = 128 * 1024, /* of the channel: nothing is added past this */
	ACK_EVERY = WIRE_TUNNEL_WINDOW / 4,
};

struct tunnel {
	bool used;
	uint32_t id;
	int fd;          /* -1: refused, or the server has ended */
	size_t window;   /* bytes that may be sent to the agent */
	uint32_t passed; /* bytes that the server took, not acknowledged yet */
	struct buf up;   /* bytes that it has not taken */
	bool over;       /* the agent has closed it; it ends behind `up` */
	bool ended;      /* the server has: the agent is to be told */
};

struct tunnels {
	const char *path; /* borrowed; NULL: none are wanted */
	uint32_t last_id;
	struct tunnel all[WIRE_TUNNELS_MAX];
};

static struct tunnels *tunnels_of(struct channel *ch)
{
	if (ch->tunnels == NULL)
		ch->tunnels = mem_zalloc(sizeof(*ch->tunnels));
	return ch->tunnels;
}

void channel_tunnel_to(struct channel *ch, const char *unix_path)
{
	tunnels_of(ch)->path = unix_path;
}

static void wipe_up(struct tunnel *t)
{
	if (t->up.data != NULL)
		secret_wipe(t->up.data, t->up.cap);
	buf_fini(&t->up);
}

static void forget(struct tunnel *t)
{
	fd_close(t->fd);
	wipe_up(t);
	*t = (struct tunnel){.fd = -1};
}

void channel_tunnels_reset(struct channel *ch)
{
	for (size_t i = 0; ch->tunnels != NULL && i < WIRE_TUNNELS_MAX; i++)
		if (ch->tunnels->all[i].used)
			forget(&ch->tunnels->all[i]);
	if (ch->tunnels != NULL)
		ch->tunnels->last_id = 0;
}

void channel_tunnels_free(struct channel *ch)
{
	channel_tunnels_reset(ch);
	mem_free(ch->tunnels);
	ch->tunnels = NULL;
}

/* -- to the server ----------------------------------------------------- */

/* -1: nobody is there, or too many wait already: the process tries again. */
static int connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP(fd_close) int fd = -1;

	if (path == NULL || strlen(path) >= sizeof(addr.sun_path))
		return -1;
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -1;
	return fd_steal(&fd);
}

/* Nothing comes from the server any more, and nothing gets there. */
static void end_server(struct tunnel *t)
{
	fd_close(t->fd);
	t->fd = -1;
	t->passed += (uint32_t)t->up.len;
	wipe_up(t);
	t->ended = true;
}

/* How much of p it took: all, once it takes nothing more. Its last words are
 * still to be read then: they come before its end. */
static size_t write_some(struct tunnel *t, const void *p, size_t len)
{
	ssize_t n;

	if (t->fd < 0)
		return len;
	do {
		n = send(t->fd, p, len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (size_t)n;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : len;
}

static void write_up(struct tunnel *t)
{
	size_t n;

	if (t->up.len > 0) {
		n = write_some(t, t->up.data, t->up.len);
		t->passed += (uint32_t)n;
		if (n == t->up.len)
			wipe_up(t);
		else
			buf_consume(&t->up, n);
	}
	if (t->over && t->up.len == 0)
		forget(t);
}

/* -- what the agent says ----------------------------------------------- */

static int broken(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "agent_protocol",
	    "the agent breaks the rules of a tunnel: %s", what);
}

/* One whose process is gone waits for a server that does not read: it makes
 * room. All others the agent counts as well. */
static struct tunnel *free_slot(struct tunnels *ts)
{
	struct tunnel *over = NULL;

	for (size_t i = 0; i < WIRE_TUNNELS_MAX; i++) {
		if (!ts->all[i].used)
			return &ts->all[i];
		if (ts->all[i].over)
			over = &ts->all[i];
	}
	if (over != NULL)
		forget(over);
	return over;
}

static int on_open(struct tunnels *ts, uint32_t id, struct err *err)
{
	struct tunnel *t;

	if (id <= ts->last_id)
		return broken(err, "a number comes again");
	t = free_slot(ts);
	if (t == NULL)
		return broken(err, "too many are open");
	ts->last_id = id;
	*t = (struct tunnel){.used = true,
	    .id = id,
	    .fd = connect_to(ts->path),
	    .window = WIRE_TUNNEL_WINDOW};
	t->ended = t->fd < 0;
	buf_init(&t->up, WIRE_TUNNEL_WINDOW);
	return 0;
}

static int on_data(
    struct tunnel *t, const struct wire_reader *r, struct err *err)
{
	size_t n = 0;

	if (r->left > WIRE_TUNNEL_WINDOW - t->up.len - t->passed)
		return broken(err, "more than its window");
	if (t->up.len == 0)
		n = write_some(t, r->p, r->left);
	t->passed += (uint32_t)n;
	if (n == r->left)
		return 0;
	IGNORE(buf_append(&t->up, r->p + n, r->left - n)); /* a window fits */
	ASSERT(!t->up.overflow);
	return 0;
}

static int on_ack(struct tunnel *t, struct wire_reader *r, struct err *err)
{
	uint32_t bytes;

	if (wire_get_u32(r, &bytes) < 0 ||
	    bytes > WIRE_TUNNEL_WINDOW - t->window)
		return broken(err, "more is acknowledged than was sent");
	t->window += bytes;
	return 0;
}

static struct tunnel *find(struct tunnels *ts, uint32_t id)
{
	for (size_t i = 0; i < WIRE_TUNNELS_MAX; i++)
		if (ts->all[i].used && !ts->all[i].over && ts->all[i].id == id)
			return &ts->all[i];
	return NULL;
}

int channel_tunnel_take(
    struct channel *ch, uint8_t type, struct wire_reader *r, struct err *err)
{
	struct tunnels *ts = tunnels_of(ch);
	struct tunnel *t;
	uint32_t id;

	if (!ch->ready || wire_get_u32(r, &id) < 0)
		return broken(err, "a frame before its time, or too short");
	if (type == WIRE_TUN_OPEN)
		return on_open(ts, id, err);
	t = find(ts, id);
	if (t == NULL) /* it has ended, and the agent did not know */
		return id <= ts->last_id
			   ? 0
			   : broken(err, "a number that was not opened");
	if (type == WIRE_TUN_DATA)
		return on_data(t, r, err);
	if (type == WIRE_TUN_ACK)
		return on_ack(t, r, err);
	t->over = true;
	write_up(t);
	return 0;
}

/* -- to the agent ------------------------------------------------------ */

static bool may_read(const struct channel *ch, const struct tunnel *t)
{
	return t->fd >= 0 && !t->over && t->window > 0 &&
	       ch->out.len < OUT_FULL;
}

/* 1: one piece of the answer is on its way, 0: there is none now. */
static int read_down(struct channel *ch, struct tunnel *t)
{
	char piece[PIECE_MAX];
	size_t want = t->window < sizeof(piece) ? t->window : sizeof(piece);
	ssize_t n = read(t->fd, piece, want);
	size_t at;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		end_server(t);
		return 0;
	}
	at = wire_frame_begin(&ch->out, WIRE_TUN_DATA_DOWN, 0, 0);
	wire_put_u32(&ch->out, t->id);
	IGNORE(buf_append(&ch->out, piece, (size_t)n)); /* overflow is kept */
	wire_frame_end(&ch->out, at);
	t->window -= (size_t)n;
	return 1;
}

static void say(struct channel *ch, struct tunnel *t, enum wire_type type)
{
	size_t at = wire_frame_begin(&ch->out, (uint8_t)type, 0, 0);

	wire_put_u32(&ch->out, t->id);
	if (type == WIRE_TUN_ACK_DOWN)
		wire_put_u32(&ch->out, t->passed);
	wire_frame_end(&ch->out, at);
}

static void settle(struct channel *ch, struct tunnel *t)
{
	if (ch->out.len >= OUT_FULL || t->over)
		return;
	if (t->ended) {
		say(ch, t, WIRE_TUN_CLOSE_DOWN);
		forget(t);
	} else if (t->passed >= ACK_EVERY) {
		say(ch, t, WIRE_TUN_ACK_DOWN);
		t->passed = 0;
	}
}

void channel_tunnels_run(struct channel *ch)
{
	if (ch->tunnels == NULL || !ch->ready)
		return;
	for (size_t i = 0; i < WIRE_TUNNELS_MAX; i++) {
		struct tunnel *t = &ch->tunnels->all[i];

		if (t->used)
			write_up(t);
		while (t->used && may_read(ch, t) && read_down(ch, t) > 0)
			;
		if (t->used)
			settle(ch, t);
	}
}

size_t channel_tunnels_poll(const struct channel *ch, struct pollfd *fds)
{
	size_t n = 0;

	for (size_t i = 0; ch->tunnels != NULL && i < WIRE_TUNNELS_MAX; i++) {
		const struct tunnel *t = &ch->tunnels->all[i];
		struct pollfd p = {.fd = t->fd};

		if (!t->used || t->fd < 0)
			continue;
		if (may_read(ch, t))
			p.events |= POLLIN;
		if (t->up.len > 0)
			p.events |= POLLOUT;
		/* Without a wish not even its hang-up: nothing could be done
		 * about it, and the wait would spin. */
		if (p.events != 0)
			fds[n++] = p;
	}
	return n;
}
