/*
 * `runnerhub proxy run`: the first process of a proxy's container, or a
 * service on a machine with a stock runner. Gets a token, registers the runner
 * at GitHub, keeps run.sh going, tells the hub how it does, and drains: on
 * SIGTERM, or when the hub says so, the running job is waited for, the
 * registration taken back, the hub told. One thread.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/secret.h"
#include "cmd/cmd.h"
#include "cmd/proxy.h"
#include "cmd/proxy_run.h"
#include "cmd/ui.h"

enum {
	BEAT_MS = 10000, /* until the hub says another interval */
	BEAT_TIMEOUT_MS = 5000,
	LOOK_MS = 250,    /* at the worker, while it drains or runs */
	JOIN_MS = 600000, /* how long a hub is waited for at first */
	REGISTER_MS = 300000,
	STOP_MS = 30000,   /* run.sh, from the interrupt to its end */
	BACKOFF_MS = 1000, /* doubles */
	BACKOFF_MAX_MS = 60000,
	STEADY_MS = 60000,   /* one that ran so long had not failed */
	CONFLICT_MS = 30000, /* another session of this runner must run out */
};
#define DRAIN_DEFAULT "55m"
#define KEY_MAX       4096

/* -- settings ---------------------------------------------------------- */

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* A secret by value or by file; taken out of the environment, so that no
 * child gets it. */
static int read_key(struct supervised *s, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = KEY_MAX};
	const char *path = env("RUNNERHUB_ENROLMENT_KEY_FILE");
	const char *value = env("RUNNERHUB_ENROLMENT_KEY");

	if (path != NULL) {
		if (fs_read_file(path, &text, err) < 0)
			return err_wrap(err, "RUNNERHUB_ENROLMENT_KEY_FILE");
		value = buf_str(&text);
	}
	if (value != NULL)
		s->key = mem_strndup(value, strcspn(value, "\r\n"));
	if (text.data != NULL)
		secret_wipe(text.data, text.len);
	unsetenv("RUNNERHUB_ENROLMENT_KEY");
	unsetenv("RUNNERHUB_ENROLMENT_KEY_FILE");
	return 0;
}

static int read_host_name(struct supervised *s, struct err *err)
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1) < 0 || host[0] == '\0')
		return err_sys(err, errno, "read the name of this host");
	s->name = mem_strdup(host);
	return 0;
}

/* For us and what we start. */
static void set_unless_set(const char *name, const char *value)
{
	if (value != NULL)
		setenv(name, value, 0);
}

/* What `proxy install` has left in the directory stands in for what the
 * environment does not say. */
static int read_installed(struct supervised *s, struct err *err)
{
	CLEANUP(proxy_dir_fini) struct proxy_dir d = {.path = NULL};
	CLEANUP(proxy_setup_fini) struct proxy_setup there = {.url = NULL};
	int known;

	if (!supervised_has(s, ".runnerhub/state.json"))
		return 0;
	TRY(proxy_dir_open(&d, s->dir, err));
	known = proxy_setup_read(&d, &there, err);
	if (known <= 0)
		return known;
	if (s->url == NULL)
		s->url = STEAL(there.url);
	if (s->token_file == NULL)
		s->token_file = there.token_file != NULL
				    ? STEAL(there.token_file)
				    : proxy_path(&d, ".runnerhub/token");
	if (s->name == NULL)
		s->name = STEAL(there.name);
	set_unless_set("RUNNERHUB_CA_FILE", there.ca_file);
	set_unless_set("RUNNERHUB_CLIENT_CERT", there.client_certificate);
	set_unless_set("RUNNERHUB_CLIENT_KEY", there.client_key);
	return 0;
}

int supervised_read(struct supervised *s, const char *dir, struct err *err)
{
	const char *drain = env("RUNNERHUB_DRAIN_TIMEOUT");
	const char *ephemeral = env("RUNNERHUB_RUNNER_EPHEMERAL");

	s->dir = realpath(dir, NULL);
	if (s->dir == NULL)
		return err_sys(err, errno, "the runner's directory %s", dir);
	TRY(read_key(s, err));
	s->url = mem_strdup_or_null(env("RUNNERHUB_URL"));
	s->token_file = mem_strdup_or_null(env("RUNNERHUB_TOKEN_FILE"));
	s->name = mem_strdup_or_null(env("RUNNERHUB_RUNNER_NAME"));
	TRY(read_installed(s, err));
	if (s->name == NULL)
		TRY(read_host_name(s, err));
	if (s->url == NULL)
		return err_set(err, ERR_INVALID, "usage",
		    "RUNNERHUB_URL is not set, and `runnerhub proxy install` "
		    "has not set up %s: say where the hub is, such as "
		    "unix:///run/runnerhub/hub.sock",
		    s->dir);
	s->github_url = mem_strdup_or_null(env("RUNNERHUB_RUNNER_URL"));
	s->labels = mem_strdup_or_null(env("RUNNERHUB_RUNNER_LABELS"));
	s->mode = mem_strdup_or_null(env("RUNNERHUB_PROXY_MODE"));
	if (s->token_file == NULL)
		s->token_file = mem_printf("%s/.runnerhub-token", s->dir);
	if (parse_duration(
		drain != NULL ? drain : DRAIN_DEFAULT, 1000, &s->drain_ms) < 0)
		return err_set(err, ERR_INVALID, "usage",
		    "RUNNERHUB_DRAIN_TIMEOUT: \"%.40s\" is no duration such "
		    "as 55m",
		    drain);
	if (ephemeral != NULL && parse_bool(ephemeral, &s->ephemeral) < 0)
		return err_set(err, ERR_INVALID, "usage",
		    "RUNNERHUB_RUNNER_EPHEMERAL: expected true or false");
	setenv("RUNNERHUB_URL", s->url, 1);
	setenv("RUNNERHUB_TOKEN_FILE", s->token_file, 1);
	if (geteuid() == 0)
		setenv("RUNNER_ALLOW_RUNASROOT", "1", 0);
	return 0;
}

void supervised_fini(struct supervised *s)
{
	if (s->key != NULL)
		secret_wipe(s->key, strlen(s->key));
	client_close(s->client);
	fd_close(s->signals);
	mem_free(s->dir);
	mem_free(s->name);
	mem_free(s->url);
	mem_free(s->github_url);
	mem_free(s->labels);
	mem_free(s->mode);
	mem_free(s->key);
	mem_free(s->token_file);
}

bool supervised_has(const struct supervised *s, const char *name)
{
	CLEANUP(mem_free) char *path = mem_printf("%s/%s", s->dir, name);

	return access(path, F_OK) == 0;
}

void supervised_say(const struct supervised *s, const char *fmt, ...)
{
	char text[600], clean[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "runnerhub proxy %s: %s\n", s->name,
	    ui_clean(text, clean, sizeof(clean)));
}

/* -- the loop ---------------------------------------------------------- */

struct loop {
	struct supervised *s;
	int64_t beat_ns, interval_ms; /* the next heartbeat */
	int64_t start_ns;             /* run.sh may start, from then on */
	int64_t started_ns;
	int failures;
	bool draining, interrupted, rejected;
	bool removed; /* the hub asked it to go, for good */
	int64_t drain_until_ns, kill_ns;
	int exit_code;
};

static void begin_drain(struct loop *l, int64_t patience_ms, const char *why)
{
	if (l->draining) /* said again: it is urgent */
		patience_ms = 0;
	else
		supervised_say(l->s, "draining: %s", why);
	l->draining = true;
	l->drain_until_ns = clock_deadline_ms(patience_ms);
}

static void take_signals(struct loop *l)
{
	struct signalfd_siginfo si;

	while (read(l->s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			begin_drain(l, l->s->drain_ms, "asked to end");
}

static json_t *beat_body(const char *status)
{
	json_t *body = json_object();

	json_object_set_new(body, "status", json_string(status));
	json_object_set_new(body, "version", json_string(RUNNERHUB_VERSION));
	return body;
}

/* A token that the hub does not know any more: a new one where there is a key
 * to get it with, else this runner has been removed. */
static void rejected(struct loop *l, const struct err *why)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, BEAT_TIMEOUT_MS);
	struct err err = ERR_INIT;

	if (l->draining)
		return;
	supervised_say(l->s, "%s", why->msg);
	if (l->s->key != NULL && supervised_join(l->s, &ctx, &err) == 0)
		return;
	l->rejected = true;
	l->exit_code = EXIT_FAILED;
	begin_drain(l, l->s->drain_ms, "the hub has removed this runner");
}

static void beat(struct loop *l, const char *status)
{
	CLEANUP(json_decref) json_t *body = beat_body(status);
	CLEANUP(json_decref) json_t *reply = NULL;
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, BEAT_TIMEOUT_MS);
	struct err err = ERR_INIT;
	const json_t *data;

	l->beat_ns = clock_deadline_ms(l->interval_ms);
	if (client_call(l->s->client, &ctx, "POST",
		"/api/runners/self/heartbeat", body, &reply, &err) < 0) {
		if (err.kind == ERR_AUTH || err.kind == ERR_NOT_FOUND)
			rejected(l, &err);
		else
			supervised_say(l->s, "heartbeat: %s", err.msg);
		return;
	}
	data = json_object_get(reply, "data");
	l->interval_ms = reply_int(data, "intervalMs", l->interval_ms);
	if (l->interval_ms < LOOK_MS)
		l->interval_ms = LOOK_MS;
	l->beat_ns = clock_deadline_ms(l->interval_ms);
	if (!json_is_true(json_object_get(data, "drain")))
		return;
	l->removed = true;
	if (!l->draining)
		begin_drain(l, l->s->drain_ms, "the hub asks for it");
}

/* -- run.sh ------------------------------------------------------------ */

static void set_back(struct loop *l, int64_t at_least_ms)
{
	int64_t wait = BACKOFF_MS;

	if (clock_mono_ns() - l->started_ns > STEADY_MS * CLOCK_NS_PER_MS)
		l->failures = 0;
	for (int i = 0; i < l->failures && wait < BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (wait > BACKOFF_MAX_MS)
		wait = BACKOFF_MAX_MS;
	l->failures++;
	l->start_ns =
	    clock_deadline_ms(wait > at_least_ms ? wait : at_least_ms);
}

static void start(struct loop *l)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, REGISTER_MS);
	struct err err = ERR_INIT;

	if (supervised_register(l->s, &ctx, &err) < 0 ||
	    supervised_place(l->s, &err) < 0 ||
	    supervised_start(l->s, &err) < 0) {
		supervised_say(l->s, "%s", err.msg);
		set_back(l, 0);
		return;
	}
	l->started_ns = clock_mono_ns();
}

/* What its end means; the listener's codes pass through run.sh. */
static void judge(struct loop *l, int code)
{
	if (l->draining)
		return;
	switch (code) {
	case 0: /* an ephemeral one has done its job */
		if (l->s->ephemeral) {
			begin_drain(l, 0, "its one job is done");
			return;
		}
		break;
	case 2: /* worth another try */
	case 3: /* it updates itself */
	case 4:
	case 6: /* its configuration was renewed */
		supervised_say(l->s, "run.sh starts again (code %d)", code);
		l->start_ns = clock_deadline_ms(0);
		if (clock_mono_ns() - l->started_ns <
		    BACKOFF_MS * CLOCK_NS_PER_MS)
			set_back(l, 0);
		return;
	case 5: /* GitHub believes that it runs elsewhere */
		supervised_say(l->s, "another session of this runner exists");
		set_back(l, CONFLICT_MS);
		return;
	case 7:
		supervised_say(l->s,
		    "this version of the runner is too old for GitHub: use a "
		    "newer image");
		l->exit_code = EXIT_FAILED;
		begin_drain(l, 0, "the runner is too old");
		return;
	default:
		break;
	}
	supervised_say(l->s, "run.sh ended with code %d", code);
	set_back(l, 0);
}

/* Idle, or out of patience: it is interrupted, and killed when it stays. */
static void press(struct loop *l)
{
	if (!l->interrupted && supervised_is_busy(l->s) &&
	    clock_mono_ns() < l->drain_until_ns)
		return;
	if (!l->interrupted) {
		l->interrupted = true;
		l->kill_ns = clock_deadline_ms(STOP_MS);
		supervised_interrupt(l->s, false);
	} else if (clock_mono_ns() >= l->kill_ns) {
		supervised_interrupt(l->s, true);
	}
}

static int wait_ms(const struct loop *l)
{
	int beat_ms = clock_poll_ms(l->beat_ns);

	if (l->draining)
		return beat_ms < LOOK_MS ? beat_ms : LOOK_MS;
	if (l->s->child == 0 && clock_poll_ms(l->start_ns) < beat_ms)
		return clock_poll_ms(l->start_ns);
	return beat_ms;
}

static void supervise(struct loop *l)
{
	struct pollfd p = {.fd = l->s->signals, .events = POLLIN};
	int code;

	while (!l->draining || l->s->child != 0) {
		if (l->s->child == 0 && !l->draining &&
		    clock_mono_ns() >= l->start_ns)
			start(l);
		if (clock_mono_ns() >= l->beat_ns && !l->rejected)
			beat(l, l->s->child != 0 && supervised_is_busy(l->s)
				    ? "busy"
				    : "idle");
		if (l->draining && l->s->child != 0)
			press(l);
		IGNORE(poll(&p, 1, wait_ms(l)) < 0); /* EINTR: look */
		take_signals(l);
		if (supervised_ended(l->s, &code))
			judge(l, code);
	}
}

/* -- the end ----------------------------------------------------------- */

static void say_goodbye(struct loop *l)
{
	CLEANUP(json_decref) json_t *reply = NULL;
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, REGISTER_MS);
	struct err err = ERR_INIT;

	if (l->rejected)
		return;
	if (supervised_deregister(l->s, &ctx, &err) < 0)
		supervised_say(l->s, "%s", err.msg);
	err_clear(&err);
	/* One that was registered by hand has its token from a person, and
	 * needs it when its service starts again. */
	if (l->s->key == NULL && !l->removed)
		beat(l, "offline"); /* the answer may ask it to go */
	if (l->s->key == NULL && !l->removed)
		return;
	beat(l, "idle"); /* a busy one is not removed */
	if (client_call(l->s->client, &ctx, "DELETE", "/api/runners/self", NULL,
		&reply, &err) < 0)
		supervised_say(l->s, "the hub was not told: %s", err.msg);
	/* Void now; a restart of this container enrols anew. */
	if (l->s->key != NULL)
		unlink(l->s->token_file);
}

static int supervise_one(struct supervised *s, struct err *err)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, JOIN_MS);
	struct loop l = {.s = s,
	    .interval_ms = BEAT_MS,
	    .beat_ns = clock_mono_ns(),
	    .start_ns = clock_mono_ns()};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		return err_sys(err, errno, "signalfd");
	TRY(supervised_join(s, &ctx, err));
	supervise(&l);
	say_goodbye(&l);
	return l.exit_code;
}

/* -- the command ------------------------------------------------------- */

static int run_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(supervised_fini) struct supervised s = {.signals = -1};
	struct err err = ERR_INIT;
	const char *dir;
	int rc;

	if (!invocation_begin(&v, &command_proxy_run, argc, argv, &rc))
		return rc;
	dir = args_get(&v.args, "dir");
	/* Jobs of the same user must not read our memory or environment. */
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (supervised_read(&s, dir != NULL ? dir : ".", &err) < 0)
		return command_fail(&err);
	rc = supervise_one(&s, &err);
	return rc < 0 ? command_fail(&err) : rc;
}

static const struct command_option run_options[] = {
    {"dir", 'd', "DIR", "the runner's directory; this one if not given", NULL},
    {0},
};

const struct command command_proxy_run = {
    .name = "proxy run",
    .operands = "",
    .summary = "supervise a stock runner as a proxy of the hub",
    .details =
	"In a directory that proxy install has set up it needs nothing else. "
	"Reads RUNNERHUB_URL; RUNNERHUB_TOKEN_FILE, or to enrol "
	"RUNNERHUB_ENROLMENT_KEY (or _FILE); RUNNERHUB_RUNNER_URL (the "
	"repository or organization to register with at GitHub), "
	"RUNNERHUB_RUNNER_NAME, RUNNERHUB_RUNNER_LABELS, "
	"RUNNERHUB_RUNNER_EPHEMERAL; RUNNERHUB_PROXY_MODE (worker, hooks, "
	"both, or none: jobs run on the proxy itself); "
	"RUNNERHUB_DRAIN_TIMEOUT. SIGTERM drains: "
	"the running job is waited for, then the runner is deregistered.",
    .options = run_options,
    .run = run_run,
};
