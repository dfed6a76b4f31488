/*
 * ~ A job's way through the relay, on the main thread: read relay_run at the
 * end first. The message is forgotten as soon as the worker has it; what
 * stays meanwhile is small.
 */
#include "worker/relay.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "worker/message.h"
#include "worker/request.h"

/* As long as the stock worker waits for its first message. */
#define FIRST_FRAME_MS 30000
#define COMPLETE_MS    30000

enum { EXIT_FAILED = 1, RESULT_MIN = 100, RESULT_MAX = 105 };

/* -- what the threads share -------------------------------------------- */

void relay_give_up(struct relay *r, const char *fmt, ...)
{
	va_list ap;

	mtx_lock(&r->mtx);
	if (r->why[0] == '\0') {
		va_start(ap, fmt);
		vsnprintf(r->why, sizeof(r->why), fmt, ap);
		va_end(ap);
	}
	mtx_unlock(&r->mtx);
	cancel_now(&r->end);
}

enum relay_state relay_state(struct relay *r)
{
	enum relay_state state;

	mtx_lock(&r->mtx);
	state = r->state;
	mtx_unlock(&r->mtx);
	return state;
}

static void set_state(struct relay *r, enum relay_state state)
{
	uint64_t one = 1;

	mtx_lock(&r->mtx);
	r->state = state;
	mtx_unlock(&r->mtx);
	IGNORE(write(r->fd_wake, &one, sizeof(one)) < 0);
}

bool relay_is_orphan(const struct relay *r)
{
	struct pollfd fd = {.fd = r->fd_parent, .events = POLLIN};

	/* A pidfd, and not PR_SET_PDEATHSIG: that comes when the thread that
	 * started us ends, and a listener starts workers on threads that come
	 * and go. */
	if (r->fd_parent >= 0)
		return poll(&fd, 1, 0) > 0;
	return getppid() != r->parent;
}

/* -- making ------------------------------------------------------------ */

static void say_line(void *arg, const char *line)
{
	(void)arg;
	printf("runnerhub-worker: %s\n", line);
	fflush(stdout);
}

static int watch_signals(struct relay *r, struct err *err)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigaction(SIGPIPE, &ignore, NULL) != 0 ||
	    sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return err_sys(err, errno, "watch for signals");
	r->fd_signal = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->fd_signal < 0)
		return err_sys(err, errno, "watch for signals");
	return 0;
}

static int relay_init(
    struct relay *r, const struct settings *s, int fd_in, struct err *err)
{
	*r = (struct relay){.settings = s,
	    .fd_in = fd_in,
	    .fd_in_open = true,
	    .fd_signal = -1,
	    .fd_parent = -1,
	    .fd_wake = -1,
	    .parent = getppid(),
	    .end = {.fd = -1}};
	mtx_init(&r->mtx, "relay");
	TRY(cancel_init(&r->end, err));
	TRY(watch_signals(r, err));
	r->fd_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->fd_wake < 0)
		return err_sys(err, errno, "make an event descriptor");
	/* Fails on an old kernel and under some filters: see listener.c. */
	r->fd_parent = (int)syscall(SYS_pidfd_open, r->parent, 0);
	TRY(client_open_env(&r->client, err));
	client_when_away(r->client, s->hub_away_ms, say_line, NULL);
	return 0;
}

static void relay_fini(struct relay *r)
{
	client_close(r->client);
	frame_reader_fini(&r->reader);
	fd_close(r->fd_parent);
	fd_close(r->fd_wake);
	fd_close(r->fd_signal);
	cancel_fini(&r->end);
	mtx_fini(&r->mtx);
}

/* -- the first message ------------------------------------------------- */

/* Waits for the next piece of it. 0 or -1. */
static int wait_for_message(
    struct relay *r, int64_t deadline_ns, struct err *err)
{
	struct pollfd fds[] = {
	    {.fd = r->fd_signal, .events = POLLIN},
	    {.fd = r->fd_in_open ? r->fd_in : -1, .events = POLLIN},
	};
	int n = poll(fds, ARRAY_LEN(fds), clock_poll_ms(deadline_ns));

	if (n < 0 && errno != EINTR)
		return err_sys(err, errno, "wait for the listener");
	if (fds[0].revents != 0)
		return err_set(err, ERR_CANCELED, "stopped",
		    "stopped before the listener had sent its job");
	if (n == 0)
		return err_set(err, ERR_TIMEOUT, "no_message",
		    "the listener sent no job within %d seconds",
		    FIRST_FRAME_MS / 1000);
	return 0;
}

static int read_message(struct relay *r, struct frame *ret, struct err *err)
{
	int64_t deadline_ns = clock_deadline_ms(FIRST_FRAME_MS);
	size_t had = 0;
	bool eof = false;
	int n = 0;

	while (n == 0) {
		TRY(wait_for_message(r, deadline_ns, err));
		n = frame_reader_read(&r->reader, r->fd_in, ret, &eof, err);
		TRY(n);
		if (eof)
			r->fd_in_open = false;
		if (n == 0 && r->reader.have > had) {
			had = r->reader.have;
			deadline_ns = clock_deadline_ms(FIRST_FRAME_MS);
		}
	}
	if (ret->type != FRAME_JOB)
		return err_set(err, ERR_INVALID, "bad_frame",
		    "the listener's first message is of type %d and no job",
		    (int)ret->type);
	return 0;
}

/* -- the session ------------------------------------------------------- */

static int open_session(struct relay *r, const struct ctx *ctx,
    const struct frame *frame, struct session **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *delegation = NULL;
	struct message message;

	message_read(
	    &message, frame->bytes + FRAME_HEADER, frame->len - FRAME_HEADER);
	delegation = request_session(r->settings, &message);
	return session_open(
	    ret, r->client, ctx, delegation, say_line, NULL, err);
}

/* Starts the worker and hands it the message, which is gone after it. */
static int feed_worker(struct relay *r, const struct ctx *ctx,
    struct frame *frame, struct err *err)
{
	CLEANUP(json_decref) json_t *body = request_worker(r->settings);

	if (session_step(r->session, ctx, body, &r->step, err) != 0)
		return err_wrap(err, "start the worker");
	if (session_input(r->session, ctx, r->step, 0, frame->bytes, frame->len,
		false, err) != 0)
		return err_wrap(err, "hand the job to the worker");
	r->offset = frame->len;
	frame_fini(frame);
	malloc_trim(0);
	return 0;
}

static int write_output(
    void *arg, int stream, const char *data, size_t len, struct err *err)
{
	(void)arg;
	(void)err;
	/* Nobody may be there any more to read it; the hub's log has it. */
	IGNORE(fs_write_all(stream == 2 ? STDERR_FILENO : STDOUT_FILENO, data,
		   len, &(struct err)ERR_INIT) != 0);
	return 0;
}

/* -- the end ----------------------------------------------------------- */

/* What the hub says of the session itself: "out of memory", "lease …". */
static void explain(struct relay *r, const json_t *end, char *out, size_t max)
{
	CLEANUP(json_decref) json_t *job = NULL;
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, COMPLETE_MS);
	struct err err = ERR_INIT;
	const char *why = reply_str(end, "error", NULL);

	if (why == NULL && session_show(r->session, &ctx, &job, &err) == 0)
		why = reply_str(job, "error", NULL);
	if (why != NULL)
		snprintf(out, max, ": %s", why);
}

/*
 * The worker's exit code as the listener is to see it. Without one, or with
 * one that is no result of a job, the listener fails the job: so nothing else
 * here may end in 100 to 105.
 */
static int judge(struct relay *r, const json_t *end)
{
	const json_t *code = json_object_get(end, "exitCode");
	json_int_t value = json_integer_value(code);
	char why[400] = "";

	if (json_is_integer(code) && value >= RESULT_MIN && value <= RESULT_MAX)
		return (int)value;
	explain(r, end, why, sizeof(why));
	if (!json_is_integer(code)) {
		fprintf(stderr,
		    "runnerhub-worker: the worker did not end by itself%s\n",
		    why);
		return EXIT_FAILED;
	}
	fprintf(stderr,
	    "runnerhub-worker: the worker ended with exit code %lld, which is "
	    "no result of a job%s\n",
	    (long long)value, why);
	return value >= 0 && value <= 255 ? (int)value : EXIT_FAILED;
}

/* What the hub's own history says of a job that GitHub knows as `code`. */
static void complete(struct relay *r, int code)
{
	static const struct {
		const char *status, *error;
		int exit_code;
	} results[] = {{"completed", NULL, 0}, {"completed", NULL, 0},
	    {"failed", "the job failed", 1}, {"cancelled", NULL, 1},
	    {"completed", NULL, 0}, {"failed", "the job was abandoned", 1}};
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, COMPLETE_MS);
	struct err err = ERR_INIT;
	bool result = code >= RESULT_MIN && code <= RESULT_MAX;
	int exit_code = result ? results[code - RESULT_MIN].exit_code : code;

	if (exit_code == 0 && !result)
		exit_code = EXIT_FAILED;
	if (session_complete(r->session, &ctx,
		result ? results[code - RESULT_MIN].status : "failed",
		&exit_code,
		result ? results[code - RESULT_MIN].error
		       : "the worker ended without a result of its job",
		&err) != 0)
		fprintf(stderr,
		    "runnerhub-worker: end the session: %s (its lease will)\n",
		    err.msg);
}

/* -- the whole --------------------------------------------------------- */

/* From the session's beginning to the worker's end. *ret_code: see judge. */
static int drive(struct relay *r, const struct ctx *ctx, struct frame *frame,
    int *ret_code, struct err *err)
{
	CLEANUP(json_decref) json_t *end = NULL;

	TRY(feed_worker(r, ctx, frame, err));
	set_state(r, RELAY_RUNNING);
	TRY(session_output(
	    r->session, ctx, r->step, write_output, NULL, &end, err));
	*ret_code = judge(r, end);
	return 0;
}

static int carry(
    struct relay *r, struct frame *frame, int *ret_code, struct err *err)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_cancel(&root, &r->end);
	pthread_t beat;
	int rc;

	TRY(open_session(r, &ctx, frame, &r->session, err));
	set_state(r, RELAY_FEEDING);
	TRY(thread_start(&beat, "beat", beat_main, r, err));
	rc = drive(r, &ctx, frame, ret_code, err);
	cancel_now(&r->end);
	thread_join(beat);
	return rc;
}

static int carry_with_listener(
    struct relay *r, struct frame *frame, int *ret_code, struct err *err)
{
	pthread_t listener;
	int rc;

	TRY(thread_start(&listener, "listener", listener_main, r, err));
	rc = carry(r, frame, ret_code, err);
	cancel_now(&r->end);
	thread_join(listener);
	return rc;
}

int relay_run(const struct settings *s, int fd_in)
{
	CLEANUP(frame_fini) struct frame frame = {0};
	struct relay relay;
	struct err err = ERR_INIT;
	int code = EXIT_FAILED, rc;

	rc = relay_init(&relay, s, fd_in, &err);
	if (rc == 0)
		rc = read_message(&relay, &frame, &err);
	if (rc == 0)
		rc = carry_with_listener(&relay, &frame, &code, &err);
	if (rc != 0)
		fprintf(stderr, "runnerhub-worker: %s\n",
		    relay.why[0] != '\0' ? relay.why : err.msg);
	if (relay.session != NULL)
		complete(&relay, code);
	session_free(relay.session);
	relay_fini(&relay);
	return code;
}
