/*
 * fork to exec: see spawn.h. Called by the agent's loop. The child runs as
 * root until its last preparations; a failure travels back through a pipe
 * that exec closes.
 */
#include "agent/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/priv.h"
#include "base/fs.h"

enum stage { STAGE_SETUP = 1, STAGE_USER, STAGE_CWD, STAGE_EXEC };

struct failure {
	int stage;
	int eno;
};

/* The kernel's choice of victim: steps before the agent. */
static void prefer_as_victim(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		IGNORE(write(fd, "500", 3) < 0); /* a preference, no more */
		close(fd);
	}
}

static void reset_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL); /* some refuse: they are default */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int setup_streams(const struct spawn *s, int out, int err)
{
	int in = s->input;

	if (in < 0)
		in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (in < 0 || dup2(in, STDIN_FILENO) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (s->keep[i] >= 0 && fcntl(s->keep[i], F_SETFD, 0) < 0)
			return -1;
	if (dup2(out, STDOUT_FILENO) < 0)
		return -1;
	return dup2(err, STDERR_FILENO) < 0 ? -1 : 0;
}

/* As execvpe, but with the PATH of the step. Returns only on failure. */
static void exec_in_path(const struct spawn *s)
{
	char full[PATH_MAX];
	const char *dir = s->path;
	bool denied = false;
	size_t len;

	if (strchr(s->argv[0], '/') != NULL) {
		execve(s->argv[0], s->argv, s->env);
		return;
	}
	for (;; dir += len + 1) {
		len = strcspn(dir, ":");
		if (snprintf(full, sizeof(full), "%.*s%s%s", (int)len, dir,
			len > 0 ? "/" : "./", s->argv[0]) < (int)sizeof(full))
			execve(full, s->argv, s->env);
		if (errno == EACCES)
			denied = true;
		else if (errno != ENOENT && errno != ENOTDIR)
			return;
		if (dir[len] == '\0')
			break;
	}
	errno = denied ? EACCES : ENOENT;
}

static void child_fail(int fd, enum stage stage) NORETURN;
static void child_fail(int fd, enum stage stage)
{
	struct failure f = {.stage = stage, .eno = errno};

	IGNORE(write(fd, &f, sizeof(f)) < 0); /* dying: nobody else to tell */
	_exit(127);
}

static void child_run(
    const struct spawn *s, int out, int err, int fail) NORETURN;
static void child_run(const struct spawn *s, int out, int err, int fail)
{
	setsid();
	umask(022);
	prefer_as_victim();
	reset_signals();
	if (setup_streams(s, out, err) < 0)
		child_fail(fail, STAGE_SETUP);
	if (priv_drop(s->who) < 0)
		child_fail(fail, STAGE_USER);
	if (chdir(s->cwd) < 0)
		child_fail(fail, STAGE_CWD);
	exec_in_path(s);
	child_fail(fail, STAGE_EXEC);
}

/* The agent keeps the read end, the child the write end. */
struct pipe_ends {
	int r, w;
};
#define PIPE_NONE                                                              \
	{                                                                      \
		-1, -1                                                         \
	}

static void pipe_close_guard(struct pipe_ends *p)
{
	fd_close(p->r);
	fd_close(p->w);
}

/* The user's: /dev/stdout and /dev/stderr are opened anew by their names. */
static void pipe_give(const struct pipe_ends *p, const struct account *who)
{
	IGNORE(fchown(p->r, who->uid, who->gid) < 0); /* then only by number */
}

static int pipe_open(struct pipe_ends *p, struct err *err)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	p->r = fd[0];
	p->w = fd[1];
	return 0;
}

int spawn_start(const struct spawn *s, struct spawned *ret, struct err *err)
{
	CLEANUP(pipe_close) struct pipe_ends out = PIPE_NONE;
	CLEANUP(pipe_close) struct pipe_ends errs = PIPE_NONE;
	CLEANUP(pipe_close) struct pipe_ends fail = PIPE_NONE;
	pid_t pid;

	TRY(pipe_open(&out, err));
	TRY(pipe_open(&errs, err));
	TRY(pipe_open(&fail, err));
	pipe_give(&out, s->who);
	pipe_give(&errs, s->who);
	pid = fork();
	if (pid < 0)
		return err_sys(err, errno,
		    "start a process (the container's limit of processes is "
		    "reached, or memory is short)");
	if (pid == 0)
		child_run(s, out.w, errs.w, fail.w);
	*ret = (struct spawned){
	    .pid = pid, .out = out.r, .err = errs.r, .failure = fail.r};
	out.r = errs.r = fail.r = -1; /* the caller's now */
	return 0;
}

int spawn_failure(const struct spawn *s, int failure, struct err *err)
{
	CLEANUP(fd_close) int fd = failure;
	struct failure f;

	if (read(fd, &f, sizeof(f)) != sizeof(f))
		return 0; /* exec closed it, or a signal came first */
	switch ((enum stage)f.stage) {
	case STAGE_SETUP:
		IGNORE(err_sys(err, f.eno, "connect the step's streams"));
		return 126;
	case STAGE_USER:
		IGNORE(err_sys(
		    err, f.eno, "become user %u:%u", s->who->uid, s->who->gid));
		return 126;
	case STAGE_CWD:
		IGNORE(err_sys(err, f.eno, "working directory %s", s->cwd));
		return 126;
	case STAGE_EXEC:
		if (f.eno == ENOENT && strchr(s->argv[0], '/') == NULL)
			IGNORE(err_set(err, ERR_NOT_FOUND, NULL,
			    "%.200s: command not found in PATH %.200s",
			    s->argv[0], s->path));
		else
			IGNORE(err_sys(err, f.eno, "run %s", s->argv[0]));
		return f.eno == ENOENT || f.eno == ENOTDIR ? 127 : 126;
	}
	WRONG("the child reports an unknown stage");
}
