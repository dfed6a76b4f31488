/*
 * The channel to the hub: see link.h. Called by the agent's loop only; owns
 * the descriptors and the input buffer. A peer that breaks the protocol is
 * hung up on: after the reconnect both sides start from what HELLO and
 * WELCOME say.
 */
#include "agent/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"

#define INPUT_MAX       (WIRE_HEADER_LEN + WIRE_PAYLOAD_MAX)
#define READ_CHUNK      (16 * 1024)
#define FAST_RETRY_MS   20
#define SLOW_RETRY_MS   200
#define FAST_WINDOW_MS  2000
#define WELCOME_WAIT_MS 30000

static bool uses_stdio(const struct link *l)
{
	return strcmp(l->path, "-") == 0;
}

void link_init(struct link *l, const char *path, struct outbox *outbox,
    struct tunnel *tunnel, link_command_fn *command, void *arg)
{
	*l = (struct link){.path = path,
	    .in = -1,
	    .out = -1,
	    .outbox = outbox,
	    .tunnel = tunnel,
	    .command = command,
	    .command_arg = arg,
	    .active_step = WIRE_STEP_NONE,
	    .lost_at = clock_mono_ns()};
	buf_init(&l->input, INPUT_MAX);
	if (getrandom(&l->nonce, sizeof(l->nonce), 0) != sizeof(l->nonce))
		l->nonce = (uint64_t)clock_wall_ns();
}

static void say_hello(struct link *l)
{
	struct buf b;
	size_t at;

	buf_init(&b, sizeof(l->control));
	at = wire_frame_begin(&b, WIRE_HELLO, 0, 0);
	wire_put_u32(&b, WIRE_VERSION);
	wire_put_u64(&b, l->nonce);
	wire_put_u64(&b, l->outbox->ring.first);
	/* With what waits for room: a hub that has all of it knows of every
	 * step that began. */
	wire_put_u64(&b, l->outbox->ring.next + l->outbox->waiting.len);
	wire_put_u32(&b, l->last_seq);
	wire_put_u16(&b, l->active_step);
	wire_frame_end(&b, at);
	ASSERT(!b.overflow);
	memcpy(l->control, b.data, b.len);
	l->control_len = b.len;
	l->welcomed = false;
	tunnel_reset(l->tunnel);
	l->sent = l->boundary = l->outbox->ring.first;
	l->welcome_by = uses_stdio(l) ? CLOCK_NO_DEADLINE
				      : clock_deadline_ms(WELCOME_WAIT_MS);
	buf_fini(&b);
}

static void say_pong(struct link *l)
{
	struct wire_header h = {.type = WIRE_PONG};

	if (l->control_len + WIRE_HEADER_LEN > sizeof(l->control))
		return; /* the peer asks faster than it reads */
	wire_header_put(l->control + l->control_len, h);
	l->control_len += WIRE_HEADER_LEN;
}

static void forget_input(struct link *l)
{
	if (l->input.data != NULL)
		secret_wipe(l->input.data, l->input.cap);
	buf_fini(&l->input);
}

static void hang_up(struct link *l)
{
	int64_t now = clock_mono_ns();

	if (uses_stdio(l))
		_exit(1); /* nothing can ever reach this container again */
	close(l->in);
	l->in = l->out = -1;
	if (l->welcomed)
		l->lost_at = now;
	l->welcomed = false;
	tunnel_reset(l->tunnel);
	forget_input(l);
	l->retry_at = now + FAST_RETRY_MS * CLOCK_NS_PER_MS;
}

static void set_retry(struct link *l)
{
	int64_t now = clock_mono_ns();
	bool fast = now - l->lost_at < FAST_WINDOW_MS * CLOCK_NS_PER_MS;

	l->retry_at =
	    now + (fast ? FAST_RETRY_MS : SLOW_RETRY_MS) * CLOCK_NS_PER_MS;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd;

	if (len >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void try_connect(struct link *l)
{
	if (uses_stdio(l)) {
		l->in = STDIN_FILENO;
		l->out = STDOUT_FILENO;
		for (int fd = l->in; fd <= l->out; fd++)
			fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	} else {
		l->in = l->out = connect_unix(l->path);
		if (l->in < 0) {
			set_retry(l);
			return;
		}
	}
	say_hello(l);
}

static int on_welcome(struct link *l, struct wire_reader *body)
{
	uint64_t offset;

	if (wire_get_u64(body, &offset) < 0 ||
	    ring_ack(&l->outbox->ring, offset) < 0)
		return -1;
	l->sent = l->boundary = offset;
	l->welcomed = true;
	l->welcome_by = CLOCK_NO_DEADLINE;
	outbox_pump(l->outbox);
	return 0;
}

static int on_ack(struct link *l, struct wire_reader *body)
{
	uint64_t offset;

	if (!l->welcomed || wire_get_u64(body, &offset) < 0)
		return -1;
	if (offset <= l->outbox->ring.first)
		return 0;
	if (offset > l->sent || ring_ack(&l->outbox->ring, offset) < 0)
		return -1;
	if (l->boundary < offset)
		l->boundary = offset;
	outbox_pump(l->outbox);
	return 0;
}

static int on_command(
    struct link *l, struct wire_header h, struct wire_reader *body)
{
	uint32_t seq;

	if (!l->welcomed || wire_get_u32(body, &seq) < 0)
		return -1;
	if (seq <= l->last_seq)
		return 0; /* sent again after a reconnect: done already */
	if (seq != l->last_seq + 1 || outbox_is_busy(l->outbox))
		return -1;
	if (l->command(l->command_arg, h, body) < 0)
		return -1;
	l->last_seq = seq;
	return 0;
}

static int on_frame(
    struct link *l, struct wire_header h, struct wire_reader *body)
{
	switch (h.type) {
	case WIRE_WELCOME:
		return on_welcome(l, body);
	case WIRE_ACK:
		return on_ack(l, body);
	case WIRE_PING:
		if (h.stream == 1 && uses_stdio(l))
			say_hello(l);
		else
			say_pong(l);
		return 0;
	case WIRE_JOB:
	case WIRE_RUN:
	case WIRE_CANCEL:
	case WIRE_EXIT:
	case WIRE_SIGNAL:
	case WIRE_INPUT:
		return on_command(l, h, body);
	case WIRE_TUN_DATA_DOWN:
	case WIRE_TUN_ACK_DOWN:
	case WIRE_TUN_CLOSE_DOWN:
		return l->welcomed ? tunnel_take(l->tunnel, h.type, body) : -1;
	default:
		return -1;
	}
}

/* Carries out the whole frames at the front of the input. */
static int take_frames(struct link *l)
{
	struct wire_header h;
	struct wire_reader body;
	size_t done = 0;

	while (l->input.len - done >= WIRE_HEADER_LEN) {
		const uint8_t *at = (const uint8_t *)l->input.data + done;

		if (wire_header_get(at, &h) < 0)
			return -1;
		if (l->input.len - done < WIRE_HEADER_LEN + (size_t)h.len)
			break;
		body = (struct wire_reader){at + WIRE_HEADER_LEN, h.len};
		if (on_frame(l, h, &body) < 0)
			return -1;
		done += WIRE_HEADER_LEN + (size_t)h.len;
	}
	if (done == l->input.len)
		forget_input(l); /* it may have carried secrets */
	else
		buf_consume(&l->input, done);
	return 0;
}

/* Half a frame of a hub that went away in the middle of it. */
static bool input_is_stale(const struct link *l)
{
	return uses_stdio(l) && l->input.len > 0 &&
	       clock_mono_ns() - l->input_at >=
		   WIRE_STALE_MS / 2 * CLOCK_NS_PER_MS;
}

/* For `want` bytes, or the rest of a frame that has begun: at once, and what
 * is left behind by growing is wiped. */
static char *make_room(struct link *l, size_t want)
{
	size_t need = l->input.len + want;
	struct buf larger;
	struct wire_header h;

	if (l->input.len >= WIRE_HEADER_LEN &&
	    wire_header_get((const uint8_t *)l->input.data, &h) == 0 &&
	    need < WIRE_HEADER_LEN + (size_t)h.len)
		need = WIRE_HEADER_LEN + (size_t)h.len;
	if (need >= l->input.cap) {
		buf_init(&larger, INPUT_MAX);
		IGNORE(buf_reserve(&larger, need) == NULL);
		IGNORE(buf_append(&larger, buf_str(&l->input), l->input.len));
		forget_input(l);
		l->input = larger;
	}
	return buf_reserve(&l->input, want);
}

static int receive(struct link *l)
{
	size_t want;
	ssize_t n;

	if (input_is_stale(l))
		forget_input(l);
	want = INPUT_MAX - l->input.len;
	if (want > READ_CHUNK)
		want = READ_CHUNK;
	n = read(l->in, make_room(l, want), want);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	buf_commit(&l->input, (size_t)n);
	l->input_at = clock_mono_ns();
	return take_frames(l);
}

static void keep_time(struct link *l)
{
	int64_t now = clock_mono_ns();

	if (l->in >= 0 && now >= l->welcome_by)
		hang_up(l);
	if (l->in < 0 && now >= l->retry_at)
		try_connect(l);
}

static void lower(int64_t *deadline_ns, int64_t at)
{
	if (at < *deadline_ns)
		*deadline_ns = at;
}

int link_prepare(struct link *l, struct pollfd fds[2], int64_t *deadline_ns)
{
	bool wants_out;

	keep_time(l);
	if (l->in < 0) {
		lower(deadline_ns, l->retry_at);
		return 0;
	}
	lower(deadline_ns, l->welcome_by);
	wants_out = link_wants_out(l);
	fds[0] = (struct pollfd){.fd = l->in, .events = POLLIN};
	if (!uses_stdio(l)) {
		if (wants_out)
			fds[0].events |= POLLOUT;
		return 1;
	}
	fds[1] = (struct pollfd){
	    .fd = l->out, .events = (short)(wants_out ? POLLOUT : 0)};
	return 2;
}

void link_service(struct link *l, const struct pollfd *fds, int n)
{
	bool readable = n > 0 && (fds[0].revents & ~POLLOUT) != 0;

	if (l->in >= 0 && readable && receive(l) < 0)
		hang_up(l);
	if (l->in >= 0 && link_wants_out(l) && link_transmit(l) < 0)
		hang_up(l);
}
