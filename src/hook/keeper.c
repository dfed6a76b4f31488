/*
 * See keeper.h. Started by hub_prepare.c and hub_step.c, run by main.c. It is
 * this program anew: small, in a session of its own, so that neither a signal
 * to the runner's group nor its end reaches it.
 */
#include "hook/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "client/session.h"
#include "hook/settings.h"

enum { WATCHED_FD = 3 };

/* One try to renew; the next is made as soon as it failed. */
#define BEAT_MS  INT64_C(10000)
#define AGAIN_MS 1000
/* A hub that is away for longer finds the lease over. */
#define END_MS INT64_C(120000)

/* -- whom it watches --------------------------------------------------- */

static int open_pid(pid_t pid, int *ret_fd, struct err *err)
{
	*ret_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (*ret_fd < 0)
		return err_sys(err, errno,
		    "watch the runner's process (this needs Linux 5.3)");
	return 0;
}

int keeper_watch_parent(int *ret_fd, struct err *err)
{
	pid_t parent = getppid();

	*ret_fd = -1;
	if (parent == 0)
		return 0; /* outside of this pid name space */
	TRY(open_pid(parent, ret_fd, err));
	if (getppid() == parent)
		return 0;
	fd_close(fd_steal(ret_fd));
	return err_set(
	    err, ERR_CANCELED, "runner_gone", "the runner has ended already");
}

int keeper_watch_self(int *ret_fd, struct err *err)
{
	return open_pid(getpid(), ret_fd, err);
}

/* -- starting it ------------------------------------------------------- */

/* Without the runner's RUNNER_TRACKING_ID, by which it finds and kills what a
 * job has left behind: it would be the keeper that is to tell of that. */
static char **keeper_env(void)
{
	static const char *const names[] = {"RUNNERHUB_URL", "RUNNERHUB_TOKEN",
	    "RUNNERHUB_TOKEN_FILE", "RUNNERHUB_CA_FILE",
	    "RUNNERHUB_CLIENT_CERT", "RUNNERHUB_CLIENT_KEY"};
	char **env = mem_calloc(ARRAY_LEN(names) + 1, sizeof(*env));
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (settings_env(names[i]) != NULL)
			env[n++] = mem_printf(
			    "%s=%s", names[i], settings_env(names[i]));
	return env;
}

static void free_env(char **env)
{
	for (char **v = env; *v != NULL; v++)
		mem_free(*v);
	mem_free(env);
}

/* In the child: async-signal-safe calls only. Returns when it cannot. */
static void become(char *const argv[], char *const env[], int watched, int told)
{
	int null;

	setsid();
	if (dup2(told, WATCHED_FD + 1) < 0 ||
	    fcntl(WATCHED_FD + 1, F_SETFD, FD_CLOEXEC) < 0)
		return;
	if (watched >= 0 && dup2(watched, WATCHED_FD) < 0)
		return;
	if (watched < 0)
		close(WATCHED_FD);
	null = open("/dev/null", O_RDWR);
	if (null < 0)
		return;
	for (int fd = 0; fd < WATCHED_FD; fd++)
		if (dup2(null, fd) < 0)
			return;
	syscall(SYS_close_range, WATCHED_FD + 2, ~0U, 0);
	execve("/proc/self/exe", argv, env);
}

/* The other end is closed by a start that went well. */
static int await_start(int fd, struct err *err)
{
	int eno = 0;
	ssize_t n;

	do
		n = read(fd, &eno, sizeof(eno));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	return err_sys(err, n > 0 ? eno : errno,
	    "start the process that keeps the session");
}

int keeper_start(const char *session, int watched, struct err *err)
{
	char *argv[] = {(char *)"runnerhub-hook", (char *)"keep",
	    mem_strdup(session), NULL};
	char **env = keeper_env();
	int told[2], r = -1;
	pid_t child;

	if (pipe2(told, O_CLOEXEC) != 0) {
		IGNORE(err_sys(err, errno, "pipe"));
	} else {
		child = fork();
		if (child == 0) {
			become(argv, env, watched, told[1]);
			r = errno;
			IGNORE(write(WATCHED_FD + 1, &r, sizeof(r)) < 0);
			_exit(1);
		}
		r = child < 0 ? err_sys(err, errno, "fork") : 0;
		fd_close(told[1]);
		if (r == 0)
			r = await_start(told[0], err);
		fd_close(told[0]);
	}
	mem_free(argv[2]);
	free_env(env);
	return r;
}

/* -- what it does ------------------------------------------------------ */

/* How long until the next beat, in ms; 0: there is nothing to keep. */
static int beat(struct session *s)
{
	struct ctx root = ctx_root(), ctx = ctx_with_timeout(&root, BEAT_MS);
	struct err err = ERR_INIT;
	int64_t lease;

	if (session_heartbeat(s, &ctx, &lease, &err) == 0)
		return lease > 0 && lease < 86400 ? (int)lease * 1000 / 3 + 1
						  : AGAIN_MS;
	switch (err.kind) {
	case ERR_CONFLICT:
	case ERR_NOT_FOUND:
	case ERR_AUTH:
	case ERR_FORBIDDEN:
		return 0;
	default:
		return AGAIN_MS;
	}
}

static void end(struct session *s)
{
	struct ctx root = ctx_root(), ctx = ctx_with_timeout(&root, END_MS);
	struct err ignored = ERR_INIT;

	IGNORE(session_complete(s, &ctx, "failed", NULL,
	    "the runner's worker ended without ending the job", &ignored));
}

int keeper_main(const char *session)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(session_free) struct session *s = NULL;
	struct pollfd watched = {.fd = WATCHED_FD, .events = POLLIN};
	struct err err = ERR_INIT;
	int pause;

	if (client_open_env(&c, &err) != 0)
		return 1;
	if (chdir("/") != 0) /* holds no directory of the job */
		return 1;
	if (fcntl(WATCHED_FD, F_GETFD) < 0)
		watched.fd = -1;
	s = session_attach(c, session);
	while ((pause = beat(s)) > 0) {
		if (poll(&watched, 1, pause) > 0) {
			end(s);
			break;
		}
	}
	return 0;
}
