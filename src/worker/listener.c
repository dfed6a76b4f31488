/*
 * The thread that stands between the listener and the worker once the first
 * message is read: further messages go to the worker byte for byte. When the
 * listener has died, or the relay is asked to end by a signal, it says so to
 * the worker itself, and ends it when it does not listen.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "worker/relay.h"

#define TERM_MS   10000 /* from TERM to KILL, and from KILL to giving up */
#define ORPHAN_MS 1000  /* between looks, where there is no pidfd */

enum stage { GOING, ASKED, TERMED, KILLED };

struct post {
	struct relay *r;
	enum stage stage;
	int64_t deadline_ns; /* of the stage */
	bool told;           /* the listener itself asked the worker to end */
};

/* -- towards the worker ------------------------------------------------ */

/* While the first message is on its way to the worker, waits: nothing may
 * overtake it. False: there is no container yet, or nothing left to do. */
static bool worker_is_there(struct relay *r)
{
	struct pollfd fds[] = {{.fd = r->end.fd, .events = POLLIN},
	    {.fd = r->fd_wake, .events = POLLIN}};
	uint64_t woken;

	while (relay_state(r) == RELAY_FEEDING && !cancel_is_set(&r->end))
		if (poll(fds, ARRAY_LEN(fds), -1) > 0 && fds[1].revents != 0)
			IGNORE(read(r->fd_wake, &woken, sizeof(woken)) < 0);
	return relay_state(r) == RELAY_RUNNING;
}

/* No container yet: then there is to be none. */
static void give_up_waiting(struct relay *r, const char *why)
{
	if (!cancel_is_set(&r->end))
		relay_give_up(r, "%s while it waited for a container", why);
}

static int pass_on(
    struct relay *r, const void *data, size_t len, struct err *err)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_cancel(&root, &r->end);

	TRY(session_input(
	    r->session, &ctx, r->step, r->offset, data, len, false, err));
	r->offset += len;
	return 0;
}

/* A worker that has just ended takes nothing more: no reason to fail. */
static void say(struct relay *r, const char *what, const struct err *err)
{
	if (!cancel_is_set(&r->end) && err->kind != ERR_CONFLICT)
		fprintf(stderr, "runnerhub-worker: %s: %s\n", what, err->msg);
}

static void signal_worker(struct relay *r, const char *name)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_cancel(&root, &r->end);
	struct ctx limited = ctx_with_timeout(&ctx, TERM_MS);
	struct err err = ERR_INIT;

	if (session_signal(r->session, &limited, r->step, name, &err) != 0)
		say(r, "end the worker", &err);
}

static void next_stage(struct post *p)
{
	p->deadline_ns = clock_deadline_ms(TERM_MS);
	if (p->stage == ASKED) {
		p->stage = TERMED;
		signal_worker(p->r, "TERM");
	} else if (p->stage == TERMED) {
		p->stage = KILLED;
		signal_worker(p->r, "KILL");
	} else if (p->stage == KILLED) {
		p->deadline_ns = CLOCK_NO_DEADLINE;
		relay_give_up(p->r, "the worker could not be ended");
	}
}

/* Asks the worker to end; the second time insists. */
static void ask(struct post *p, enum frame_type type, const char *why)
{
	uint8_t header[FRAME_HEADER];
	struct err err = ERR_INIT;

	if (!worker_is_there(p->r)) {
		give_up_waiting(p->r, why);
		return;
	}
	if (p->stage != GOING) {
		next_stage(p);
		return;
	}
	p->stage = ASKED;
	p->deadline_ns = clock_deadline_ms(p->r->settings->patience_ms);
	fprintf(stderr, "runnerhub-worker: %s\n", why);
	if (p->told)
		return;
	frame_header(type, header);
	if (pass_on(p->r, header, sizeof(header), &err) != 0)
		say(p->r, "tell the worker", &err);
}

/* -- from the listener ------------------------------------------------- */

static void take_frame(struct post *p, const struct frame *f)
{
	struct err err = ERR_INIT;

	if (!worker_is_there(p->r)) {
		give_up_waiting(p->r, f->type == FRAME_CANCEL
					  ? "the job was cancelled"
					  : "the runner was stopped");
		return;
	}
	p->told = p->told || f->type != FRAME_JOB;
	if (pass_on(p->r, f->bytes, f->len, &err) != 0)
		say(p->r, "pass the listener's message on", &err);
}

static void read_listener(struct post *p)
{
	CLEANUP(frame_fini) struct frame f = {0};
	struct relay *r = p->r;
	struct err err = ERR_INIT;
	bool eof;
	int n = frame_reader_read(&r->reader, r->fd_in, &f, &eof, &err);

	/* The end of the pipe is no wish to cancel: nothing else comes. */
	if (eof || n < 0)
		r->fd_in_open = false;
	if (n < 0)
		fprintf(stderr,
		    "runnerhub-worker: no further message of the listener can "
		    "be understood: %s\n",
		    err.msg);
	if (n > 0)
		take_frame(p, &f);
}

static void read_signal(struct post *p)
{
	struct signalfd_siginfo info;

	if (read(p->r->fd_signal, &info, sizeof(info)) == sizeof(info))
		ask(p, FRAME_SHUTDOWN, "the runner is being stopped");
}

/* -- the loop ---------------------------------------------------------- */

enum { END, WAKE, SIGNAL, PARENT, PIPE, NFDS };

static void watch(struct post *p, struct pollfd fds[NFDS], bool orphan)
{
	struct relay *r = p->r;
	/* While the first message is on its way nothing may overtake it. */
	bool may = relay_state(r) != RELAY_FEEDING;

	fds[END] = (struct pollfd){.fd = r->end.fd, .events = POLLIN};
	fds[WAKE] = (struct pollfd){.fd = r->fd_wake, .events = POLLIN};
	fds[SIGNAL] =
	    (struct pollfd){.fd = may ? r->fd_signal : -1, .events = POLLIN};
	fds[PARENT] = (struct pollfd){
	    .fd = may && !orphan ? r->fd_parent : -1, .events = POLLIN};
	fds[PIPE] = (struct pollfd){
	    .fd = may && r->fd_in_open ? r->fd_in : -1, .events = POLLIN};
}

static int wait_ms(const struct post *p, bool orphan)
{
	int ms = clock_poll_ms(p->deadline_ns);

	if (!orphan && p->r->fd_parent < 0 && (ms < 0 || ms > ORPHAN_MS))
		return ORPHAN_MS;
	return ms;
}

void *listener_main(void *relay)
{
	struct post p = {.r = relay, .deadline_ns = CLOCK_NO_DEADLINE};
	struct relay *r = relay;
	struct pollfd fds[NFDS];
	bool orphan = false;
	uint64_t woken;

	while (!cancel_is_set(&r->end)) {
		watch(&p, fds, orphan);
		if (poll(fds, NFDS, wait_ms(&p, orphan)) < 0 && errno != EINTR)
			break;
		if (fds[WAKE].revents != 0)
			IGNORE(read(r->fd_wake, &woken, sizeof(woken)) < 0);
		if (fds[SIGNAL].revents != 0)
			read_signal(&p);
		if (fds[PIPE].revents != 0)
			read_listener(&p);
		else if (!orphan && relay_state(r) != RELAY_FEEDING &&
			 relay_is_orphan(r)) {
			/* Only after all that it had still written. */
			orphan = true;
			ask(&p, FRAME_CANCEL, "the runner's listener has died");
		}
		if (clock_mono_ns() >= p.deadline_ns)
			next_stage(&p);
	}
	return NULL;
}
