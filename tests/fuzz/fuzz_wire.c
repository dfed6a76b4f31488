/*
 * Any bytes as the payload of a command (what the agent parses), as a stream
 * of records (what the hub parses), and as the hub's frames for a step's
 * input and for tunnels. The first byte chooses.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/command.h"
#include "agent/input.h"
#include "agent/tunnel.h"
#include "agent/wire.h"
#include "base/defs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_job(struct wire_reader r)
{
	struct command_job job;
	struct err err = ERR_INIT;

	if (command_job_parse(&r, &job, &err) < 0)
		ASSERT(err.kind != ERR_NONE);
	else
		ASSERT(job.workspace[0] == '/');
	for (size_t i = 0; i < job.mask_count; i++)
		ASSERT(strlen(job.masks[i].s) == job.masks[i].len);
	command_job_fini(&job);
}

static void parse_run(struct wire_reader r)
{
	struct command_run run;
	struct err err = ERR_INIT;

	if (command_run_parse(&r, &run, &err) < 0)
		ASSERT(err.kind != ERR_NONE);
	else if (run.kind == COMMAND_ARGV)
		ASSERT(run.argv[0] != NULL);
	else
		ASSERT(run.shell != NULL && run.script.s != NULL);
	command_run_fini(&run);
}

/* What a payload can hold: a step's end, or a list of strings. */
static void parse_record(struct wire_header h, struct wire_reader r)
{
	struct wire_end end;
	const char *s;
	uint64_t time;
	uint32_t count;
	size_t len;

	if (wire_get_u64(&r, &time) < 0)
		return;
	if (h.type == WIRE_STEP_END) {
		if (wire_get_end(&r, &end, &s, &len) == 0 && len > 0)
			ASSERT(memchr(s, '\0', len) == NULL);
		return;
	}
	if (wire_get_u32(&r, &count) < 0)
		return;
	while (count-- > 0 && wire_get_str(&r, &s, &len) == 0)
		ASSERT((const uint8_t *)s + len == r.p);
}

static void parse_stream(struct wire_reader r)
{
	struct wire_header h;

	while (r.left >= WIRE_HEADER_LEN) {
		if (wire_header_get(r.p, &h) < 0 ||
		    r.left - WIRE_HEADER_LEN < h.len)
			return;
		parse_record(
		    h, (struct wire_reader){r.p + WIRE_HEADER_LEN, h.len});
		r.p += WIRE_HEADER_LEN + h.len;
		r.left -= WIRE_HEADER_LEN + h.len;
	}
}

/* A pipe that is read now and then, and closed when a frame is of type 0. */
static void feed_input(struct wire_reader r)
{
	const struct account who = {.uid = getuid(), .gid = getgid()};
	struct pollfd fds[INPUT_FDS];
	struct input_ends ends;
	struct wire_header h;
	struct input in;
	struct err err = ERR_INIT;
	char piece[4096];

	signal(SIGPIPE, SIG_IGN); /* as the agent does */
	if (input_open(&in, WIRE_RUN_INPUT, &who, &ends, &err) < 0)
		return;
	IGNORE(fcntl(ends.reads, F_SETFL, O_NONBLOCK) < 0);
	while (r.left >= WIRE_HEADER_LEN && wire_header_get(r.p, &h) == 0 &&
	       r.left - WIRE_HEADER_LEN >= h.len) {
		struct wire_reader body = {r.p + WIRE_HEADER_LEN, h.len};
		uint64_t before = in.got;

		IGNORE(input_take(&in, &body) < 0);
		ASSERT(in.got >= before && in.got <= before + h.len);
		ASSERT(in.taken <= in.got);
		ASSERT(in.got - in.taken == in.held.len);
		ASSERT(in.held.len <= WIRE_INPUT_MAX);
		if (h.type == 0)
			input_ends_close(&ends);
		else if (ends.reads >= 0)
			IGNORE(read(ends.reads, piece, sizeof(piece)) < 0);
		input_prepare(&in, fds);
		fds[0].revents = POLLOUT;
		input_service(&in, fds);
		r.p += WIRE_HEADER_LEN + h.len;
		r.left -= WIRE_HEADER_LEN + h.len;
	}
	input_close(&in);
	input_ends_close(&ends);
}

/* One process with a connection; it reads, or it has gone. */
static void feed_tunnel(struct wire_reader r)
{
	struct tunnel t;
	struct wire_header h;
	struct pollfd fds[TUNNEL_FDS];
	int64_t never = INT64_MAX;
	char piece[4096];
	int pair[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	size_t n;

	ASSERT(null >= 0);
	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	tunnel_init(&t);
	t.ends[0] = (struct tunnel_end){
	    .id = 1, .fd = pair[0], .window = WIRE_TUNNEL_WINDOW / 2};
	buf_init(&t.ends[0].down, WIRE_TUNNEL_WINDOW);
	t.n = t.last_id = 1;
	t.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	while (r.left >= WIRE_HEADER_LEN && wire_header_get(r.p, &h) == 0 &&
	       r.left - WIRE_HEADER_LEN >= h.len) {
		struct wire_reader body = {r.p + WIRE_HEADER_LEN, h.len};

		if (tunnel_take(&t, h.type, &body) < 0)
			break;
		ASSERT(t.n == 0 || t.ends[0].down.len + t.ends[0].passed <=
				       WIRE_TUNNEL_WINDOW);
		if (h.stream == 1)
			IGNORE(read(pair[1], piece, sizeof(piece)) < 0);
		else if (h.stream == 2)
			IGNORE(send(pair[1], r.p, WIRE_HEADER_LEN,
				   MSG_NOSIGNAL) < 0);
		else if (h.stream == 3)
			shutdown(pair[1], SHUT_RDWR);
		n = tunnel_prepare(&t, true, fds, &never);
		if (poll(fds, n, 0) > 0)
			tunnel_service(&t, fds, n);
		if (tunnel_fill(&t))
			IGNORE(tunnel_send(&t, null) < 0);
		r.p += WIRE_HEADER_LEN + h.len;
		r.left -= WIRE_HEADER_LEN + h.len;
	}
	tunnel_reset(&t);
	close(t.listener);
	close(null);
	close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader r;

	if (size == 0 || size > WIRE_PAYLOAD_MAX)
		return 0;
	r = (struct wire_reader){data + 1, size - 1};
	switch (data[0] % 5) {
	case 0:
		parse_job(r);
		break;
	case 1:
		parse_run(r);
		break;
	case 3:
		feed_input(r);
		break;
	case 4:
		feed_tunnel(r);
		break;
	default:
		parse_stream(r);
	}
	return 0;
}
