/*
 * The registry of runners that drive sessions: their registration, tokens and
 * heartbeats, enrolment of replicas, the proxies that the hub makes itself,
 * and what GitHub is asked for on their behalf. The store's rows are the
 * truth, the engine's containers follow them. Any thread; calls that take a
 * context talk to the engine or to GitHub and may block for seconds.
 */
#ifndef RUNNERS_RUNNERS_H
#define RUNNERS_RUNNERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "config/config.h"
#include "engine/engine.h"
#include "github/github.h"
#include "store/runners.h"

struct runners;

/* Borrowed for its life. */
struct runners_config {
	const struct options *options;
	struct store *store;
	struct engine *engine;
	const char *hub_id;
	const char *state_dir;
	const char *api_socket; /* the API's unix socket */
};
int runners_open(struct runners **ret, const struct runners_config *config,
    struct err *err) MUST_CHECK;
/* Starts its threads: the clock, and the keeper of proxies. */
int runners_start(struct runners *r, struct err *err) MUST_CHECK;
void runners_stop(struct runners *r); /* proxies go on without a hub */
void runners_close(struct runners *r);
/* Jobs have changed: who is busy is looked at soon. Does not block. */
void runners_wake(void *runners);

/* -- names ------------------------------------------------------------- */
#define RUNNER_NAME_MAX 63 /* a host name's; GitHub takes 64 */
/* Letters, digits, '.', '_', '-', beginning with a letter or digit. */
int runner_name_check(const char *name, struct err *err) MUST_CHECK;

/* -- registration ------------------------------------------------------ */
struct runner_wish {
	const char *name;
	const char *labels; /* JSON array text */
	const char *scope;  /* at GitHub (github.h), or NULL */
	const char *roots;  /* JSON array text as of roots.h, or NULL: none */
};
/* By an operator. A name that exists is CONFLICT "runner_exists". token: the
 * only copy; to wipe. */
int runners_register(struct runners *r, const struct runner_wish *wish,
    runner_id *ret, char token[RUNNER_TOKEN_LEN], struct err *err) MUST_CHECK;

/*
 * By whoever knows the enrolment key (the caller has checked it). With
 * candidates for its own container id, it is challenged first: it must read
 * a file that the hub puts into that container, then confirm. Its work
 * directories are the mounts of that container, and none without one.
 */
struct enrol_wish {
	struct runner_wish runner; /* roots: ignored */
	const char *const *containers;
	size_t ncontainers;
	const char *old_token; /* the one it had, or NULL */
};
#define ENROL_ID_LEN 33
struct enrol_answer {
	bool challenged;
	char challenge[ENROL_ID_LEN];
	char path[64]; /* of the file to read */
	/* else */
	runner_id id;
	char token[RUNNER_TOKEN_LEN]; /* to wipe */
};
int runners_enrol(struct runners *r, const struct ctx *ctx,
    const struct enrol_wish *wish, struct enrol_answer *ret,
    struct err *err) MUST_CHECK;
/* proof: the file's content. A challenge is good once, for a minute. */
int runners_confirm(struct runners *r, const struct ctx *ctx,
    const char *challenge, const char *proof, struct enrol_answer *ret,
    struct err *err) MUST_CHECK;

/* -- life -------------------------------------------------------------- */
struct runner_beat {
	char status[16];
	bool drain; /* it shall take no new job, and end */
	int64_t interval_ms;
};
int runners_heartbeat(struct runners *r, runner_id id, bool busy,
    struct runner_beat *ret, struct err *err) MUST_CHECK;
/* It ends, and comes again with the same token: offline until then. One that
 * drains stays as it is. */
int runners_pause(struct runners *r, runner_id id, struct runner_beat *ret,
    struct err *err) MUST_CHECK;
/* Takes no new job; goes when it has none. Said twice is fine. */
int runners_drain(struct runners *r, const struct ctx *ctx, runner_id id,
    struct err *err) MUST_CHECK;
/*
 * Removes the row, the container of one that the hub made, and what GitHub
 * knows of it. CONFLICT "runner_busy" while it runs a job, unless forced.
 * note: what could not be undone at GitHub, "" when all was.
 */
int runners_remove(struct runners *r, const struct ctx *ctx, runner_id id,
    bool force, char note[300], struct err *err) MUST_CHECK;
/* A new token; the one before is void. */
int runners_new_token(struct runners *r, runner_id id,
    char token[RUNNER_TOKEN_LEN], struct err *err) MUST_CHECK;
/* For config.sh on its behalf. FORBIDDEN "no_scope": it is of no repository
 * or organization. */
int runners_github_token(struct runners *r, const struct ctx *ctx, runner_id id,
    enum github_token_kind kind, struct github_token *ret,
    struct err *err) MUST_CHECK;
/* May it begin a job of this repository? reason is set when not. */
int runners_may_begin(struct runners *r, runner_id id, const char *repository,
    bool *ret, char reason[200], struct err *err) MUST_CHECK;

/* -- proxies that the hub makes ---------------------------------------- */
#define RUNNERS_MAKE_MAX 100
struct make_wish {
	int count;
	const char *image;  /* NULL: runners.proxyImage */
	const char *scope;  /* NULL: not registered at GitHub */
	const char *labels; /* JSON array text */
	const char *prefix; /* of the names; NULL: "proxy" */
	bool ephemeral;     /* one job each, then a fresh one */
};
/* Writes the rows; their containers follow. ret: count ids. */
int runners_make(struct runners *r, const struct make_wish *wish,
    runner_id *ret, struct err *err) MUST_CHECK;
/* Why its container does not run; "" when there is nothing to tell. */
void runners_problem(struct runners *r, runner_id id, char ret[300]);

/* The scope that a request names, by its URL or itself; mem_free; NULL when
 * neither is given. trusted: an operator's word; else only what GITHUB_ORG
 * and GITHUB_REPOSITORIES name: FORBIDDEN "scope_not_allowed". */
int runners_scope(struct runners *r, const char *url, const char *scope,
    bool trusted, char **ret, struct err *err) MUST_CHECK;
/* "https://github.com/owner/repo"; mem_free. */
char *runners_scope_url(struct runners *r, const char *scope);

#endif
