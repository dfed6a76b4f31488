/*
 * Input of the running step: see input.h. Called by the agent's loop; owns
 * our ends of the step's pipes and the bytes on their way into them.
 */
#include "agent/input.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/secret.h"

#define TELL_EVERY    (64 * 1024)
#define DROP_CHUNK    (16 * 1024)
#define DROPS_AT_ONCE 4

/* -- the pipes --------------------------------------------------------- */

/* ours: the end (0 reads, 1 writes) that stays here. */
static int open_pipe(int ours, const struct account *who, int *ret_ours,
    int *ret_theirs, struct err *err)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe for the step's input");
	fcntl(fd[ours], F_SETFL, fcntl(fd[ours], F_GETFL) | O_NONBLOCK);
	/* Else the step could not open its /dev/stdin. */
	IGNORE(fchown(fd[0], who->uid, who->gid) < 0);
	*ret_ours = fd[ours];
	*ret_theirs = fd[1 - ours];
	return 0;
}

int input_open(struct input *in, uint32_t flags, const struct account *who,
    struct input_ends *ret, struct err *err)
{
	*in = (struct input){.pipe = -1, .sink = -1};
	*ret = (struct input_ends){-1, -1};
	buf_init(&in->held, WIRE_INPUT_MAX);
	if ((flags & (WIRE_RUN_INPUT | WIRE_RUN_PIPES)) == 0)
		return 0;
	TRY(open_pipe(1, who, &in->pipe, &ret->reads, err));
	if ((flags & WIRE_RUN_PIPES) != 0)
		TRY(open_pipe(0, who, &in->sink, &ret->writes, err));
	in->takes = true;
	return 0;
}

void input_ends_close(struct input_ends *e)
{
	fd_close(e->reads);
	fd_close(e->writes);
	*e = (struct input_ends){-1, -1};
}

static void forget_held(struct input *in)
{
	if (in->held.data != NULL)
		secret_wipe(in->held.data, in->held.cap);
	buf_fini(&in->held);
}

static void close_pipe(struct input *in)
{
	fd_close(in->pipe);
	in->pipe = -1;
}

void input_close(struct input *in)
{
	forget_held(in);
	close_pipe(in);
	fd_close(in->sink);
	in->sink = -1;
	in->takes = false;
}

/* -- bytes ------------------------------------------------------------- */

/* What the pipe takes of p now; all of it when nobody reads any more. */
static size_t write_some(struct input *in, const uint8_t *p, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (in->pipe >= 0 && done < len) {
		n = write(in->pipe, p + done, len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return done;
		else if (n == 0 || errno != EINTR)
			close_pipe(in);
	}
	return len;
}

/* Into the pipe as far as it goes, the rest waits. */
static void put(struct input *in, const uint8_t *p, size_t len)
{
	size_t n = 0;

	if (in->held.len == 0)
		n = write_some(in, p, len);
	in->got += len;
	in->taken += n;
	if (n == len)
		return;
	/* At once for the whole: growing would leave copies behind. */
	if (in->held.data == NULL)
		IGNORE(buf_reserve(&in->held, WIRE_INPUT_MAX) == NULL);
	IGNORE(buf_append(&in->held, p + n, len - n)); /* the caller bounds */
	ASSERT(!in->held.overflow);
}

static void close_at_end(struct input *in)
{
	if (in->ended && in->held.len == 0)
		close_pipe(in);
}

int input_take(struct input *in, struct wire_reader *body)
{
	uint64_t offset, known;
	uint32_t flags;
	size_t room;
	bool whole;

	if (wire_get_u64(body, &offset) < 0 || wire_get_u32(body, &flags) < 0)
		return -1;
	if (!in->takes || in->ended || offset > in->got)
		return 0;
	known = in->got - offset;
	if (known > body->left)
		return 0;
	body->p += known;
	body->left -= (size_t)known;
	room = WIRE_INPUT_MAX - (size_t)(in->got - in->taken);
	whole = body->left <= room;
	put(in, body->p, whole ? body->left : room);
	in->ended = whole && (flags & WIRE_INPUT_END) != 0;
	close_at_end(in);
	return 0;
}

static void write_held(struct input *in)
{
	size_t n = write_some(in, (const uint8_t *)in->held.data, in->held.len);

	in->taken += n;
	if (n == in->held.len)
		forget_held(in);
	else
		buf_consume(&in->held, n); /* its tail is wiped with it */
	close_at_end(in);
}

void input_tell(struct input *in, struct outbox *outbox, uint16_t step)
{
	uint8_t raw[8];

	if (in->taken == in->told ||
	    (in->held.len > 0 && in->taken - in->told < TELL_EVERY))
		return;
	for (int i = 0; i < 8; i++)
		raw[i] = (uint8_t)(in->taken >> (8 * i));
	outbox_put(outbox, WIRE_TAKEN, step, raw, sizeof(raw));
	in->told = in->taken;
}

/* -- the loop ---------------------------------------------------------- */

void input_prepare(const struct input *in, struct pollfd fds[INPUT_FDS])
{
	fds[0] = (struct pollfd){
	    .fd = in->held.len > 0 ? in->pipe : -1, .events = POLLOUT};
	fds[1] = (struct pollfd){.fd = in->sink, .events = POLLIN};
}

static void drop_output(struct input *in)
{
	char dropped[DROP_CHUNK];
	ssize_t n;

	for (int i = 0; i < DROPS_AT_ONCE; i++) {
		n = read(in->sink, dropped, sizeof(dropped));
		if (n > 0)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		fd_close(in->sink);
		in->sink = -1;
		return;
	}
}

void input_service(struct input *in, const struct pollfd fds[INPUT_FDS])
{
	if (fds[0].fd >= 0 && fds[0].fd == in->pipe && fds[0].revents != 0)
		write_held(in);
	if (fds[1].fd >= 0 && fds[1].fd == in->sink && fds[1].revents != 0)
		drop_output(in);
}
