/*
 * The runner's own programs: config.sh, which registers and removes it, and
 * run.sh, which waits for jobs. Main thread.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"
#include "cmd/proxy_run.h"

enum { ARGS_MAX_N = 20, CONFIG_LOOK_MS = 50, STAT_BYTES = 4096 };

/* config.sh reads any of its options from such a variable: a token in its
 * arguments could be read by everybody. */
#define TOKEN_VARIABLE "ACTIONS_RUNNER_INPUT_TOKEN"

/* -- processes --------------------------------------------------------- */

/* In the runner's directory, in a process group of its own. */
static pid_t launch(
    const struct supervised *s, const char *const *argv, struct err *err)
{
	const struct sigaction as_always = {.sa_handler = SIG_DFL};
	pid_t pid = fork();
	sigset_t none;

	if (pid < 0)
		return err_sys(err, errno, "start %s", argv[0]);
	if (pid > 0)
		return pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Ignored where a shell has put us into the background; its children
	 * could not be asked to end. */
	sigaction(SIGINT, &as_always, NULL);
	if (setpgid(0, 0) == 0 && chdir(s->dir) == 0)
		execv(argv[0], (char *const *)argv);
	fprintf(stderr, "runnerhub proxy: start %s in %s: %s\n", argv[0],
	    s->dir, strerrorname_np(errno));
	_exit(127);
}

static int exit_code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Waits for one; its group is killed when the context ends first. */
static int await(const struct ctx *ctx, pid_t pid, const char *what, int *ret,
    struct err *err)
{
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			break;
		if (got < 0 && errno != EINTR)
			return err_sys(err, errno, "wait for %s", what);
		if (ctx_sleep(ctx, CONFIG_LOOK_MS, err) < 0) {
			kill(-pid, SIGKILL);
			IGNORE(waitpid(pid, &status, 0) < 0); /* it is dead */
			return err_wrap(err, "%s", what);
		}
	}
	*ret = exit_code_of(status);
	return 0;
}

/* -- config.sh --------------------------------------------------------- */

static int ask_token(struct supervised *s, const struct ctx *ctx,
    const char *kind, json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *body = json_object();

	json_object_set_new(body, "kind", json_string(kind));
	TRY(client_call(s->client, ctx, "POST",
	    "/api/runners/self/github-token", body, ret, err));
	if (reply_str(json_object_get(*ret, "data"), "token", NULL) != NULL)
		return 0;
	return err_set(err, ERR_INTERNAL, "bad_reply",
	    "the hub's answer holds no token of GitHub");
}

static int configure(struct supervised *s, const struct ctx *ctx,
    const char *token, const char *const *argv, struct err *err)
{
	pid_t pid;
	int code = -1;

	setenv(TOKEN_VARIABLE, token, 1);
	pid = launch(s, argv, err);
	unsetenv(TOKEN_VARIABLE);
	TRY(pid);
	TRY(await(ctx, pid, "config.sh", &code, err));
	if (code == 0)
		return 0;
	return err_set(err, ERR_INVALID, "config_failed",
	    "config.sh ended with code %d: its own words are above", code);
}

int supervised_register(
    struct supervised *s, const struct ctx *ctx, struct err *err)
{
	CLEANUP(mem_free) char *program = mem_printf("%s/config.sh", s->dir);
	CLEANUP(json_decref) json_t *reply = NULL;
	const char *argv[ARGS_MAX_N] = {program, "--unattended", "--replace",
	    "--url", s->github_url, "--name", s->name, "--work", "_work"};
	size_t n = 9;

	if (s->github_url == NULL || supervised_has(s, ".runner"))
		return 0;
	if (s->labels != NULL) {
		argv[n++] = "--labels";
		argv[n++] = s->labels;
	}
	if (s->ephemeral)
		argv[n++] = "--ephemeral";
	TRY(ask_token(s, ctx, "registration", &reply, err));
	return configure(s, ctx,
	    reply_str(json_object_get(reply, "data"), "token", ""), argv, err);
}

/* A registration that we did not make stays; an ephemeral one that had its
 * job is gone with it. */
int supervised_deregister(
    struct supervised *s, const struct ctx *ctx, struct err *err)
{
	CLEANUP(mem_free) char *program = mem_printf("%s/config.sh", s->dir);
	CLEANUP(json_decref) json_t *reply = NULL;
	const char *const argv[] = {program, "remove", NULL};

	if (s->github_url == NULL || !supervised_has(s, ".runner"))
		return 0;
	TRY(ask_token(s, ctx, "remove", &reply, err));
	return configure(s, ctx,
	    reply_str(json_object_get(reply, "data"), "token", ""), argv, err);
}

/* -- run.sh ------------------------------------------------------------ */

int supervised_start(struct supervised *s, struct err *err)
{
	CLEANUP(mem_free) char *program = mem_printf("%s/run.sh", s->dir);
	const char *const argv[] = {program, NULL};
	pid_t pid;

	if (access(program, X_OK) < 0)
		return err_sys(err, errno, "%s", program);
	pid = launch(s, argv, err);
	TRY(pid);
	s->child = pid;
	return 0;
}

bool supervised_ended(struct supervised *s, int *ret)
{
	bool ended = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != s->child)
			continue;
		*ret = exit_code_of(status);
		ended = true;
		s->child = 0;
	}
	return ended;
}

/* Where run.sh forwards signals itself, it alone gets one; else its group
 * does, as from a terminal. */
void supervised_interrupt(struct supervised *s, bool kill_all)
{
	bool forwards = getenv("RUNNER_MANUALLY_TRAP_SIG") != NULL;

	if (s->child == 0)
		return;
	if (kill_all)
		kill(-s->child, SIGKILL);
	else
		kill(forwards ? s->child : -s->child, SIGINT);
}

/* -- is there a job ---------------------------------------------------- */

struct process {
	pid_t pid, parent;
	bool is_worker;
};

/* "123 (Runner.Worker) S 45 ..." */
static bool read_stat(const char *pid, struct process *ret)
{
	CLEANUP(buf_fini) struct buf text = {.max = STAT_BYTES};
	struct err ignored = ERR_INIT;
	char path[64], parent[16];
	const char *name, *end;
	int64_t number;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	if (parse_int(pid, 1, INT32_MAX, &number) < 0 ||
	    fs_read_file(path, &text, &ignored) < 0)
		return false;
	ret->pid = (pid_t)number;
	name = strchr(buf_str(&text), '(');
	end = strrchr(buf_str(&text), ')');
	if (name == NULL || end == NULL || strlen(end) < 5)
		return false;
	ret->is_worker = strncmp(name, "(Runner.Worker", 14) == 0;
	snprintf(parent, sizeof(parent), "%.*s", (int)strcspn(end + 4, " "),
	    end + 4);
	if (parse_int(parent, 0, INT32_MAX, &number) < 0)
		return false;
	ret->parent = (pid_t)number;
	return end[2] != 'Z';
}

static pid_t parent_of(const struct process *all, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].pid == pid)
			return all[i].parent;
	return 0;
}

static bool is_below(const struct process *all, size_t n, pid_t pid, pid_t top)
{
	for (size_t steps = 0; pid > 1 && steps < n; steps++) {
		if (pid == top)
			return true;
		pid = parent_of(all, n, pid);
	}
	return pid == top;
}

bool supervised_is_busy(const struct supervised *s)
{
	struct process *all = NULL;
	size_t n = 0, cap = 0;
	DIR *dir = s->child != 0 ? opendir("/proc") : NULL;
	const struct dirent *e;
	bool busy = false;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (n == cap) {
			cap = cap > 0 ? 2 * cap : 64;
			all = mem_realloc(all, cap * sizeof(*all));
		}
		if (read_stat(e->d_name, &all[n]))
			n++;
	}
	if (dir != NULL)
		closedir(dir);
	for (size_t i = 0; i < n && !busy; i++)
		busy =
		    all[i].is_worker && is_below(all, n, all[i].pid, s->child);
	mem_free(all);
	return busy;
}
