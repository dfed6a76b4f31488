/*
 * The agent's ends of tunnels: see tunnel.h. Called by the agent's loop and
 * its link; owns the sockets. What passes may be secret: it is wiped.
 */
#include "agent/tunnel.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/secret.h"

#define PIECE_MAX (16 * 1024)
#define OUT_FULL  (32 * 1024) /* nothing is added past this */
#define OUT_MAX   (OUT_FULL + PIECE_MAX + 64)
#define BACKLOG   64
#define RETRY_MS  200
/* Often enough that the other side never waits for a whole window. */
#define ACK_EVERY (WIRE_TUNNEL_WINDOW / 4)

void tunnel_init(struct tunnel *t)
{
	*t = (struct tunnel){.listener = -1};
	buf_init(&t->out, OUT_MAX);
}

/* -- listening --------------------------------------------------------- */

static int make_parents(const char *path, struct err *err)
{
	char dir[PATH_MAX];
	const char *slash = path;

	while ((slash = strchr(slash + 1, '/')) != NULL) {
		if ((size_t)(slash - path) >= sizeof(dir))
			return err_set(err, ERR_INVALID, NULL,
			    "the path of the socket is too long");
		memcpy(dir, path, (size_t)(slash - path));
		dir[slash - path] = '\0';
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return err_sys(err, errno, "create %s", dir);
	}
	return 0;
}

int tunnel_listen(struct tunnel *t, const char *path, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	CLEANUP(fd_close) int fd = -1;

	if (t->listener >= 0)
		return 0;
	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(err, ERR_INVALID, NULL,
		    "the path of the socket is too long");
	TRY(make_parents(path, err));
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove %s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "make a socket");
	memcpy(sa.sun_path, path, strlen(path));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_sys(err, errno, "bind %s", path);
	if (chmod(path, 0666) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys(err, errno, "listen on %s", path);
	t->listener = fd_steal(&fd);
	return 0;
}

/* -- connections ------------------------------------------------------- */

static void wipe(struct buf *b)
{
	if (b->data != NULL)
		secret_wipe(b->data, b->cap);
	buf_fini(b);
}

static void end_close(struct tunnel_end *e)
{
	fd_close(e->fd);
	e->fd = -1;
	wipe(&e->down);
}

static void wipe_out(struct tunnel *t)
{
	if (t->out.data != NULL)
		secret_wipe(t->out.data, t->out.len); /* it never shrank */
	buf_fini(&t->out);
	t->out_sent = 0;
}

void tunnel_reset(struct tunnel *t)
{
	for (size_t i = 0; i < t->n; i++)
		end_close(&t->ends[i]);
	t->n = 0;
	wipe_out(t);
}

static struct tunnel_end *find(struct tunnel *t, uint32_t id)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->ends[i].id == id)
			return &t->ends[i];
	return NULL;
}

/* Without what was fetched since: the hub hears of the end only. */
static void forget(struct tunnel *t, struct tunnel_end *e)
{
	end_close(e);
	*e = t->ends[--t->n];
}

static void put_frame(struct tunnel *t, uint8_t type, uint32_t id)
{
	size_t at = wire_frame_begin(&t->out, type, 0, 0);

	wire_put_u32(&t->out, id);
	if (type == WIRE_TUN_ACK)
		wire_put_u32(&t->out, find(t, id)->passed);
	wire_frame_end(&t->out, at);
}

static void add_end(struct tunnel *t, int fd)
{
	struct tunnel_end *e = &t->ends[t->n++];

	*e = (struct tunnel_end){
	    .id = ++t->last_id, .fd = fd, .window = WIRE_TUNNEL_WINDOW};
	buf_init(&e->down, WIRE_TUNNEL_WINDOW);
	put_frame(t, WIRE_TUN_OPEN, e->id);
}

/* -- to the process ---------------------------------------------------- */

static void stop_writing(struct tunnel_end *e)
{
	e->deaf = true;
	e->passed += (uint32_t)e->down.len;
	wipe(&e->down);
	e->gone |= e->eof;
}

/* How much of p it took; all once it takes nothing more. */
static size_t write_some(struct tunnel_end *e, const void *p, size_t len)
{
	ssize_t n;

	if (e->deaf)
		return len;
	do {
		n = send(e->fd, p, len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (size_t)n;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	stop_writing(e);
	return len;
}

static void write_down(struct tunnel_end *e)
{
	size_t n = write_some(e, e->down.data, e->down.len);

	if (e->deaf)
		return; /* counted by stop_writing */
	e->passed += (uint32_t)n;
	if (n == e->down.len)
		wipe(&e->down);
	else
		buf_consume(&e->down, n);
}

static int on_data(struct tunnel_end *e, const struct wire_reader *body)
{
	size_t n = 0;

	if (e->ending ||
	    body->left > WIRE_TUNNEL_WINDOW - e->down.len - e->passed)
		return -1;
	if (e->down.len == 0)
		n = write_some(e, body->p, body->left);
	e->passed += (uint32_t)n;
	if (n == body->left)
		return 0;
	/* At once for all that may come: growing would leave copies. */
	IGNORE(buf_reserve(&e->down, WIRE_TUNNEL_WINDOW - e->down.len) == NULL);
	IGNORE(buf_append(&e->down, body->p + n, body->left - n)); /* fits */
	return 0;
}

static int on_ack(struct tunnel_end *e, struct wire_reader *body)
{
	uint32_t bytes;

	if (wire_get_u32(body, &bytes) < 0 ||
	    bytes > WIRE_TUNNEL_WINDOW - e->window)
		return -1;
	e->window += bytes;
	return 0;
}

int tunnel_take(struct tunnel *t, uint8_t type, struct wire_reader *body)
{
	struct tunnel_end *e;
	uint32_t id;

	if (wire_get_u32(body, &id) < 0)
		return -1;
	e = find(t, id);
	if (e == NULL) /* it is over, and the hub did not know */
		return id <= t->last_id ? 0 : -1;
	switch (type) {
	case WIRE_TUN_DATA_DOWN:
		return on_data(e, body);
	case WIRE_TUN_ACK_DOWN:
		return on_ack(e, body);
	case WIRE_TUN_CLOSE_DOWN:
		e->ending = true;
		if (e->down.len == 0)
			forget(t, e);
		return 0;
	default:
		return -1;
	}
}

/* -- to the hub -------------------------------------------------------- */

bool tunnel_fill(struct tunnel *t)
{
	struct tunnel_end *e;

	/* Backwards: forgetting moves the last one here. */
	for (size_t i = t->n; i > 0 && t->out.len < OUT_FULL; i--) {
		e = &t->ends[i - 1];
		if (e->gone) {
			put_frame(t, WIRE_TUN_CLOSE, e->id);
			forget(t, e);
		} else if (e->passed >= ACK_EVERY) {
			put_frame(t, WIRE_TUN_ACK, e->id);
			e->passed = 0;
		}
	}
	return t->out.len > 0;
}

bool tunnel_is_sending(const struct tunnel *t)
{
	return t->out_sent > 0;
}

int tunnel_send(struct tunnel *t, int fd)
{
	ssize_t n;

	if (t->out.len == 0)
		return 1;
	n = write(fd, t->out.data + t->out_sent, t->out.len - t->out_sent);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	t->out_sent += (size_t)n;
	if (t->out_sent < t->out.len)
		return 0;
	wipe_out(t);
	return 1;
}

/* One piece, straight into a frame. */
static void read_up(struct tunnel *t, struct tunnel_end *e)
{
	size_t want = e->window < PIECE_MAX ? e->window : PIECE_MAX, at;
	ssize_t n;
	char *room;

	if (t->out.data == NULL) /* at once: growing would leave copies */
		IGNORE(buf_reserve(&t->out, OUT_MAX) == NULL);
	at = wire_frame_begin(&t->out, WIRE_TUN_DATA, 0, 0);
	wire_put_u32(&t->out, e->id);
	room = buf_reserve(&t->out, want);
	ASSERT(room != NULL);
	n = read(e->fd, room, want);
	if (n > 0) {
		buf_commit(&t->out, (size_t)n);
		wire_frame_end(&t->out, at);
		e->window -= (size_t)n;
		return;
	}
	t->out.len = at; /* no frame after all */
	if (at == 0)
		wipe_out(t);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	e->eof = true;
	e->gone |= e->deaf || n < 0;
}

/* -- the loop ---------------------------------------------------------- */

static bool may_read(const struct tunnel *t, const struct tunnel_end *e)
{
	return !e->eof && !e->ending && e->window > 0 && t->out.len < OUT_FULL;
}

/*
 * An end is looked at only for what it can do: its hang-up alone, while its
 * last bytes cannot be fetched yet, would make the loop spin.
 */
static struct pollfd interest(
    const struct tunnel *t, const struct tunnel_end *e)
{
	struct pollfd p = {.fd = -1};

	if (may_read(t, e) && t->out.len == 0)
		p.events |= POLLIN;
	if (e->down.len > 0)
		p.events |= POLLOUT;
	if (!e->gone && (p.events != 0 || e->eof))
		p.fd = e->fd;
	return p;
}

size_t tunnel_prepare(const struct tunnel *t, bool up,
    struct pollfd fds[TUNNEL_FDS], int64_t *deadline_ns)
{
	bool room = t->n < WIRE_TUNNELS_MAX && t->out.len == 0;

	if (!up || t->listener < 0)
		return 0;
	if (room && clock_mono_ns() < t->accept_at) {
		room = false;
		if (t->accept_at < *deadline_ns)
			*deadline_ns = t->accept_at;
	}
	fds[0] =
	    (struct pollfd){.fd = room ? t->listener : -1, .events = POLLIN};
	for (size_t i = 0; i < t->n; i++)
		fds[1 + i] = interest(t, &t->ends[i]);
	return 1 + t->n;
}

static void accept_some(struct tunnel *t)
{
	int fd;

	while (t->n < WIRE_TUNNELS_MAX && t->out.len < OUT_FULL) {
		fd = accept4(
		    t->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && errno != EAGAIN && errno != EINTR)
			t->accept_at = clock_deadline_ms(RETRY_MS);
		if (fd < 0)
			return;
		add_end(t, fd);
	}
}

static void serve(
    struct tunnel *t, struct tunnel_end *e, const struct pollfd *p)
{
	if (p->fd < 0 || p->revents == 0)
		return;
	if ((p->revents & (POLLOUT | POLLERR | POLLHUP)) != 0 &&
	    e->down.len > 0)
		write_down(e);
	if ((p->revents & ~POLLOUT) != 0 && may_read(t, e))
		read_up(t, e);
	/* Closed altogether, and nothing of it is left to fetch. */
	if ((p->revents & (POLLERR | POLLHUP)) != 0 && e->eof)
		e->gone = true;
}

static void forget_answered(struct tunnel *t)
{
	for (size_t i = t->n; i > 0; i--)
		if (t->ends[i - 1].ending && t->ends[i - 1].down.len == 0)
			forget(t, &t->ends[i - 1]);
}

void tunnel_service(struct tunnel *t, const struct pollfd *fds, size_t n)
{
	size_t ends = n > 0 ? n - 1 : 0;

	if (n == 0)
		return;
	for (size_t i = 0; i < ends; i++) {
		size_t at = (t->first + i) % ends;

		serve(t, &t->ends[at], &fds[1 + at]);
	}
	t->first++;
	if (fds[0].revents != 0)
		accept_some(t);
	forget_answered(t);
}
