/*
 * The supervisor of one runner, `runnerhub proxy run`: what its files share.
 * It reads its environment only, and no configuration of a hub. Main thread.
 */
#ifndef CMD_PROXY_RUN_H
#define CMD_PROXY_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/client.h"

struct supervised {
	/* settings, from the environment */
	char *dir;        /* the runner's, absolute */
	char *name;       /* RUNNERHUB_RUNNER_NAME, else the host name */
	char *url;        /* RUNNERHUB_URL */
	char *github_url; /* RUNNERHUB_RUNNER_URL, NULL: registered already */
	char *labels;     /* RUNNERHUB_RUNNER_LABELS, csv, NULL: none */
	bool ephemeral;   /* RUNNERHUB_RUNNER_EPHEMERAL */
	char *mode;       /* RUNNERHUB_PROXY_MODE, NULL: as it is, or worker */
	int64_t drain_ms; /* RUNNERHUB_DRAIN_TIMEOUT */
	char *key;        /* the enrolment key, NULL: none; wiped at the end */
	char *token_file;

	struct client *client; /* with the runner's token */
	pid_t child;           /* run.sh, 0: none */
	int signals;           /* signalfd */
};

int supervised_read(
    struct supervised *s, const char *dir, struct err *err) MUST_CHECK;
void supervised_fini(struct supervised *s);
static inline void supervised_fini_guard(struct supervised *s)
{
	supervised_fini(s);
}
/* Whether name exists in the runner's directory. */
bool supervised_has(const struct supervised *s, const char *name);
/* One line on stderr. */
void supervised_say(const struct supervised *s, const char *fmt, ...)
    PRINTF(2, 3);

/* -- proxy_run_join.c: a token of its own ------------------------------ */
/* From the token's file while it is good, else by enrolment. Sets client. */
int supervised_join(
    struct supervised *s, const struct ctx *ctx, struct err *err) MUST_CHECK;

/* -- proxy_run_place.c: what makes a proxy of the runner --------------- */
int supervised_place(const struct supervised *s, struct err *err) MUST_CHECK;

/* -- proxy_run_child.c: config.sh and run.sh --------------------------- */
/* Registers at GitHub with a token from the hub, unless it is registered or
 * shall not be. */
int supervised_register(
    struct supervised *s, const struct ctx *ctx, struct err *err) MUST_CHECK;
/* And takes that back. */
int supervised_deregister(
    struct supervised *s, const struct ctx *ctx, struct err *err) MUST_CHECK;
int supervised_start(struct supervised *s, struct err *err) MUST_CHECK;
/* True when run.sh has ended; ret: its exit code, or 128 + signal. Collects
 * orphans as well. */
bool supervised_ended(struct supervised *s, int *ret);
/* Asks it to end, as Ctrl-C does; kill: at once, with all below it. */
void supervised_interrupt(struct supervised *s, bool kill);
/* Does a job run: a Runner.Worker below run.sh? */
bool supervised_is_busy(const struct supervised *s);

#endif
