/*
 * ~ The agent: the first process of every container. It connects to the hub
 * (argv[1]: the path of its socket, or "-" for fd 0 and 1), takes a job and
 * its steps, runs them as the job's user and reports. One thread, one poll
 * loop, nothing in it waits.
 *
 * It trusts nothing that runs beside it: not dumpable (a step that is root
 * could else read its memory), every descriptor closed on exec, files of
 * steps read with their user's identity.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/link.h"
#include "agent/outbox.h"
#include "agent/priv.h"
#include "agent/step.h"
#include "base/clock.h"

struct agent {
	struct outbox outbox;
	struct link link;
	struct tunnel tunnel;
	struct steps steps;
	int signals;
};

static void run_exit(struct agent *a) NORETURN;
static void run_exit(struct agent *a)
{
	priv_kill_all(&a->steps.job.place.who);
	_exit(0);
}

/* For the next HELLO. */
static void show_active(struct agent *a)
{
	a->link.active_step =
	    a->steps.now.active ? a->steps.now.number : WIRE_STEP_NONE;
}

/* Without it the job runs all the same: nothing in it may need the way. */
static void open_tunnel(struct agent *a)
{
	struct err err = ERR_INIT;

	if (a->steps.job.ready && a->steps.job.wants_tunnel &&
	    tunnel_listen(&a->tunnel, WIRE_TUNNEL_PATH, &err) < 0)
		stream_hub_note(&a->steps.hub, WIRE_STEP_NONE,
		    "processes of this container cannot reach the hub: %s",
		    err.msg);
}

static int on_command(void *arg, struct wire_header h, struct wire_reader *body)
{
	struct agent *a = arg;
	uint32_t grace_ms;

	switch (h.type) {
	case WIRE_JOB:
		job_take(&a->steps.job, body, &a->steps.hub);
		open_tunnel(a);
		return 0;
	case WIRE_RUN:
		steps_run(&a->steps, h.step, body);
		show_active(a);
		return 0;
	case WIRE_CANCEL:
		if (wire_get_u32(body, &grace_ms) < 0)
			return -1;
		steps_cancel(&a->steps, grace_ms);
		return 0;
	case WIRE_SIGNAL:
		return steps_signal(&a->steps, h.step, body);
	case WIRE_INPUT:
		return steps_input(&a->steps, h.step, body);
	case WIRE_EXIT:
		run_exit(a);
	default:
		return -1;
	}
}

/* The kernel does not deliver what PID 1 has no handler for; only SIGCHLD
 * is wanted, and not as an interruption. */
static int open_signals(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	sigaction(SIGPIPE, &ignore, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void take_signals(struct agent *a)
{
	struct signalfd_siginfo info;

	while (read(a->signals, &info, sizeof(info)) == sizeof(info))
		;
	steps_reap(&a->steps);
}

static void turn(struct agent *a)
{
	struct pollfd fds[1 + 2 + STEP_FDS + TUNNEL_FDS];
	int64_t deadline_ns = CLOCK_NO_DEADLINE;
	size_t streams, tunnels, n;
	int links;

	steps_tick(&a->steps, &deadline_ns);
	show_active(a);
	fds[0] = (struct pollfd){.fd = a->signals, .events = POLLIN};
	links = link_prepare(&a->link, fds + 1, &deadline_ns);
	n = 1 + (size_t)links;
	streams = steps_prepare(&a->steps, fds + n);
	n += streams;
	tunnels =
	    tunnel_prepare(&a->tunnel, a->link.welcomed, fds + n, &deadline_ns);
	n += tunnels;
	if (poll(fds, n, clock_poll_ms(deadline_ns)) < 0)
		return; /* interrupted: all deadlines are looked at again */
	/* Output before the end of its process, so that it is counted. */
	steps_service(&a->steps, fds + 1 + links, streams);
	tunnel_service(&a->tunnel, fds + n - tunnels, tunnels);
	if (fds[0].revents != 0)
		take_signals(a);
	link_service(&a->link, fds + 1, links);
}

/* Descriptors 0, 1, 2 must exist: pipes of steps would land there. */
static void fill_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static int complain(const char *what)
{
	dprintf(STDERR_FILENO, "runnerhub-agent: %s\n", what);
	return 2;
}

int main(int argc, char **argv)
{
	static struct agent a;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	fill_standard_fds();
	if (argc != 2)
		return complain("usage: runnerhub-agent SOCKET|-");
	if (getpid() != 1)
		return complain("must be the first process of a container: "
				"it ends whatever else runs beside it");
	a.signals = open_signals();
	if (a.signals < 0)
		return complain("cannot watch its children");
	outbox_init(&a.outbox);
	steps_init(&a.steps, &a.outbox);
	tunnel_init(&a.tunnel);
	link_init(&a.link, argv[1], &a.outbox, &a.tunnel, on_command, &a);
	for (;;)
		turn(&a);
}
