/* What sessions ask of the agent, without processes: the tail of RUN, a
 * step's input and its accounts, who belongs to a step. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/command.h"
#include "agent/input.h"
#include "agent/procs.h"
#include "base/buf.h"
#include "base/defs.h"
#include "base/mem.h"

/* -- RUN ------------------------------------------------------------------ */

static void put_run(struct buf *b)
{
	buf_init(b, 1 << 20);
	wire_put_u32(b, COMMAND_ARGV);
	wire_put_str(b, "a step");
	wire_put_u32(b, 1);
	wire_put_str(b, "true");
	wire_put_u32(b, 0);
	wire_put_str(b, "");
	wire_put_u64(b, 0);
	wire_put_u32(b, 0);
}

static int parse(const struct buf *b, size_t len, struct command_run *ret)
{
	struct wire_reader r = {(const uint8_t *)b->data, len};
	struct err err = ERR_INIT;

	return command_run_parse(&r, ret, &err);
}

static void a_run_of_version_1_has_no_flags(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	CLEANUP(command_run_fini) struct command_run run = {0};

	(void)state;
	put_run(&b);
	assert_int_equal(parse(&b, b.len, &run), 0);
	assert_int_equal(run.flags, 0);
	assert_null(run.prepend);
}

static void flags_and_directories_follow(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	CLEANUP(command_run_fini) struct command_run run = {0};
	size_t first, len;

	(void)state;
	put_run(&b);
	first = b.len;
	wire_put_u32(&b, WIRE_RUN_INPUT | WIRE_RUN_PIPES);
	wire_put_u32(&b, 3);
	wire_put_str(&b, "/one");
	wire_put_str(&b, "");
	wire_put_str(&b, "/two");
	assert_int_equal(parse(&b, b.len, &run), 0);
	assert_int_equal(run.flags, WIRE_RUN_INPUT | WIRE_RUN_PIPES);
	assert_string_equal(run.prepend, "/one:/two:");
	for (len = first + 1; len < b.len; len++) {
		struct command_run cut;

		assert_int_equal(parse(&b, len, &cut), -1);
		command_run_fini(&cut);
	}
}

/* -- input ---------------------------------------------------------------- */

struct fixture {
	struct input in;
	struct input_ends ends;
	struct outbox outbox;
};

static struct fixture *opened(void)
{
	static struct fixture f;
	const struct account who = {.uid = getuid(), .gid = getgid()};
	struct err err = ERR_INIT;

	signal(SIGPIPE, SIG_IGN); /* as the agent does */
	outbox_init(&f.outbox);
	assert_int_equal(
	    input_open(&f.in, WIRE_RUN_INPUT, &who, &f.ends, &err), 0);
	fcntl(f.ends.reads, F_SETFL, O_NONBLOCK);
	return &f;
}

static void closed(struct fixture *f)
{
	input_close(&f->in);
	input_ends_close(&f->ends);
	buf_fini(&f->outbox.waiting);
}

static int give(struct fixture *f, uint64_t offset, uint32_t flags,
    const void *data, size_t len)
{
	CLEANUP(buf_fini) struct buf b = {0};
	struct wire_reader r;

	buf_init(&b, WIRE_PAYLOAD_MAX);
	wire_put_u64(&b, offset);
	wire_put_u32(&b, flags);
	assert_int_equal(buf_append(&b, data, len), 0);
	r = (struct wire_reader){(const uint8_t *)b.data, b.len};
	return input_take(&f->in, &r);
}

static void move(struct fixture *f)
{
	struct pollfd fds[INPUT_FDS];

	input_prepare(&f->in, fds);
	if (fds[0].fd >= 0)
		fds[0].revents = POLLOUT;
	input_service(&f->in, fds);
}

/* Reads what is there; -1: the end. */
static ssize_t drain(struct fixture *f)
{
	char chunk[8192];
	ssize_t n, all = 0;

	while ((n = read(f->ends.reads, chunk, sizeof(chunk))) > 0)
		all += n;
	return n == 0 && all == 0 ? -1 : all;
}

static void input_is_bounded_and_counted(void **state)
{
	struct fixture *f = opened();
	char *much = mem_calloc(1, 2 * WIRE_INPUT_MAX);
	ssize_t got = 0, n;

	(void)state;
	assert_int_equal(give(f, 0, 0, much, WIRE_INPUT_MAX), 0);
	assert_true(f->in.taken > 0 && f->in.taken < WIRE_INPUT_MAX);
	/* What does not fit is passed over, its end as well. */
	assert_int_equal(
	    give(f, WIRE_INPUT_MAX, WIRE_INPUT_END, much, WIRE_INPUT_MAX), 0);
	assert_int_equal(f->in.got - f->in.taken, WIRE_INPUT_MAX);
	assert_false(f->in.ended);
	while ((n = drain(f)) > 0) {
		got += n;
		move(f);
	}
	assert_int_equal(n, 0); /* still open */
	assert_int_equal(f->in.taken, got);
	assert_int_equal(f->in.taken, f->in.got);
	assert_null(f->in.held.data);
	assert_int_equal(give(f, f->in.got, WIRE_INPUT_END, "", 0), 0);
	assert_int_equal(drain(f), -1);
	mem_free(much);
	closed(f);
}

static uint64_t records(const struct fixture *f)
{
	return f->outbox.ring.next;
}

static void the_hub_is_told_when_all_is_taken(void **state)
{
	struct fixture *f = opened();
	const uint64_t record = WIRE_HEADER_LEN + 8 + 8;
	char *much = mem_calloc(1, WIRE_INPUT_MAX);

	(void)state;
	input_tell(&f->in, &f->outbox, 3);
	assert_int_equal(records(f), 0);
	assert_int_equal(give(f, 0, 0, "abc", 3), 0);
	input_tell(&f->in, &f->outbox, 3);
	input_tell(&f->in, &f->outbox, 3);
	assert_int_equal(records(f), record);
	/* The same once more moves nothing. */
	assert_int_equal(give(f, 0, 0, "abc", 3), 0);
	input_tell(&f->in, &f->outbox, 3);
	assert_int_equal(records(f), record);
	assert_int_equal(drain(f), 3);
	assert_int_equal(give(f, 3, 0, much, WIRE_INPUT_MAX), 0);
	input_tell(&f->in, &f->outbox, 3);
	assert_int_equal(records(f), 2 * record); /* a pipe full of it */
	mem_free(much);
	closed(f);
}

static void nobody_reads_any_more(void **state)
{
	struct fixture *f = opened();
	char *much = mem_calloc(1, WIRE_INPUT_MAX);

	(void)state;
	assert_int_equal(give(f, 0, 0, much, WIRE_INPUT_MAX), 0);
	input_ends_close(&f->ends);
	move(f);
	assert_int_equal(f->in.taken, WIRE_INPUT_MAX);
	assert_int_equal(f->in.pipe, -1);
	assert_int_equal(
	    give(f, WIRE_INPUT_MAX, WIRE_INPUT_END, much, WIRE_INPUT_MAX), 0);
	assert_int_equal(f->in.taken, 2 * WIRE_INPUT_MAX);
	mem_free(much);
	closed(f);
}

static void malformed_input(void **state)
{
	struct fixture *f = opened();
	const uint8_t bytes[11] = {0};
	struct wire_reader r = {bytes, sizeof(bytes)};

	(void)state;
	assert_int_equal(input_take(&f->in, &r), -1);
	assert_int_equal(give(f, UINT64_MAX, WIRE_INPUT_END, "x", 1), 0);
	assert_int_equal(f->in.got, 0);
	assert_false(f->in.ended);
	closed(f);
}

/* -- processes ------------------------------------------------------------ */

static void who_belongs_to_a_step(void **state)
{
	struct proc all[] = {
	    {.pid = 10, .parent = 1, .session = 10},
	    {.pid = 11, .parent = 10, .session = 10},
	    {.pid = 12, .parent = 11, .session = 12}, /* setsid */
	    {.pid = 13, .parent = 12, .session = 12},
	    {.pid = 14, .parent = 1, .session = 10}, /* its parent is gone */
	    {.pid = 20, .parent = 1, .session = 20}, /* another step's */
	    {.pid = 21, .parent = 20, .session = 21},
	    {.pid = 30, .parent = 31, .session = 30}, /* read at odd moments */
	    {.pid = 31, .parent = 30, .session = 31},
	};
	const bool want[] = {
	    true, true, true, true, true, false, false, false, false};

	struct procs l = {.items = all, .n = ARRAY_LEN(all)};
	const struct procs none = {0};

	(void)state;
	procs_mark(&l, &none, 10);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(all[i].ours, want[i]);
}

/* The signal has ended 11 before it came to 12, which had left the session. */
static void who_belonged_to_a_step_still_does(void **state)
{
	struct proc before[] = {
	    {.pid = 10, .parent = 1, .session = 10},
	    {.pid = 11, .parent = 10, .session = 10},
	    {.pid = 12, .parent = 11, .session = 12},
	    {.pid = 20, .parent = 1, .session = 20},
	};
	struct proc now[] = {
	    {.pid = 12, .parent = 1, .session = 12},
	    {.pid = 13, .parent = 12, .session = 13}, /* born meanwhile */
	    {.pid = 20, .parent = 1, .session = 20},
	};
	struct procs was = {.items = before, .n = ARRAY_LEN(before)};
	struct procs is = {.items = now, .n = ARRAY_LEN(now)};
	const struct procs none = {0};

	(void)state;
	procs_mark(&was, &none, 10);
	procs_mark(&is, &was, 10);
	assert_true(now[0].ours && now[1].ours);
	assert_false(now[2].ours);
}

static void processes_as_proc_tells_them(void **state)
{
	char name[32];
	struct proc p;

	(void)state;
	snprintf(name, sizeof(name), "%d", getpid());
	assert_true(procs_read(name, &p));
	assert_int_equal(p.pid, getpid());
	assert_int_equal(p.parent, getppid());
	assert_int_equal(p.group, getpgid(0));
	assert_int_equal(p.session, getsid(0));
	assert_int_equal(p.uid, getuid());
	assert_false(procs_read("1", &p)); /* the agent itself */
	assert_false(procs_read("self", &p));
	assert_false(procs_read("4194305", &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_run_of_version_1_has_no_flags),
	    cmocka_unit_test(flags_and_directories_follow),
	    cmocka_unit_test(input_is_bounded_and_counted),
	    cmocka_unit_test(the_hub_is_told_when_all_is_taken),
	    cmocka_unit_test(nobody_reads_any_more),
	    cmocka_unit_test(malformed_input),
	    cmocka_unit_test(who_belongs_to_a_step),
	    cmocka_unit_test(who_belonged_to_a_step_still_does),
	    cmocka_unit_test(processes_as_proc_tells_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
