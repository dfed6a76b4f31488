/*
 * Steps through a hub: posted, their output streamed from its log, their exit
 * code handed on. A step that is a container of its own goes the same way; a
 * job that has no session gets one for it.
 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "hook/ending.h"
#include "hook/hub_internal.h"
#include "hook/keeper.h"

#define SETTLE_MS INT64_C(2000)
#define CLEAR_MS  INT64_C(20000)

struct step {
	struct session *session;
	int number;
	uint64_t skip; /* bytes of output that are told */
	struct output lines;
	json_t *end; /* of the output: how the step ended */
};

/* -- reading and ending it --------------------------------------------- */

static int read_output(void *arg, const struct ctx *ctx, struct err *err)
{
	struct step *s = arg;

	return session_output_from(s->session, ctx, s->number, &s->skip,
	    output_piece, &s->lines, &s->end, err);
}

static int send_signal(
    void *arg, const struct ctx *ctx, const char *signal, struct err *err)
{
	struct step *s = arg;

	return session_signal(s->session, ctx, s->number, signal, err);
}

static void sweep(void *arg, const struct ctx *ctx)
{
	struct err ignored = ERR_INIT;

	IGNORE(send_signal(arg, ctx, "KILL", &ignored)); /* cleanup_job will */
}

/* Why it ended so, unless the exit code says all: the runner prints that. */
static int exit_code_of(const struct step *s)
{
	const char *why = reply_str(s->end, "error", NULL);
	int64_t n = reply_int(s->end, "exitCode", 1);

	if (why != NULL && strstr(why, " exited with code ") == NULL)
		output_error("%s", why);
	return n >= 0 && n <= 255 ? (int)n : 1;
}

static int follow(
    struct step *s, const struct ctx *ctx, int *ret_exit_code, struct err *err)
{
	const struct ending ending = {
	    .read = read_output, .send = send_signal, .sweep = sweep, .arg = s};
	int ended = ending_read(&ending, ctx, err);

	if (ended < 0) {
		struct err ignored = ERR_INIT;

		IGNORE(output_flush(&s->lines, &ignored)); /* err tells */
		return -1;
	}
	TRY(output_flush(&s->lines, err));
	*ret_exit_code = exit_code_of(s);
	if (ended > 0)
		*ret_exit_code = ending_told(*ret_exit_code);
	return 0;
}

/* -- starting it ------------------------------------------------------- */

static int drop(
    void *arg, int stream, const char *data, size_t len, struct err *err)
{
	(void)arg;
	(void)stream;
	(void)data;
	(void)len;
	(void)err;
	return 0;
}

/* A hook that was killed leaves its step running: nobody listens to it. */
static int clear_way(
    struct session *session, const struct ctx *ctx, struct err *err)
{
	struct ctx limited = ctx_with_timeout(ctx, CLEAR_MS);
	CLEANUP(json_decref) json_t *job = NULL;
	CLEANUP(json_decref) json_t *end = NULL;
	const json_t *steps;
	size_t n;

	TRY(session_show(session, &limited, &job, err));
	steps = json_object_get(job, "steps");
	n = json_array_size(steps);
	while (n > 0 &&
	       strcmp(reply_str(json_array_get(steps, n - 1), "status", ""),
		   "running") != 0)
		n--;
	if (n == 0)
		return 0;
	output_say("An earlier step still runs, for its hook was killed: it is "
		   "ended first.");
	TRY(session_signal(session, &limited, (int)n - 1, "KILL", err));
	return session_output(
	    session, &limited, (int)n - 1, drop, NULL, &end, err);
}

static int start(
    struct step *s, const struct ctx *ctx, json_t *body, struct err *err)
{
	struct ctx root = ctx_root(), settle;

	if (session_step(s->session, ctx, body, &s->number, err) == 0)
		return 0;
	if (strcmp(err->code, "step_running") == 0) {
		err_clear(err);
		TRY(clear_way(s->session, ctx, err));
		return session_step(s->session, ctx, body, &s->number, err);
	}
	if (err->kind != ERR_CANCELED)
		return -1;
	/* Does it run? It is to be ended in that case. */
	settle = ctx_with_timeout(&root, SETTLE_MS);
	err_clear(err);
	return session_step(s->session, &settle, body, &s->number, err);
}

/* A session that is over says why, and not only that it does not run. */
static void tell_end(struct session *session, struct err *err)
{
	struct ctx root = ctx_root(), ctx = ctx_with_timeout(&root, SETTLE_MS);
	CLEANUP(json_decref) json_t *job = NULL;
	struct err ignored = ERR_INIT;
	const char *why;

	if (strcmp(err->code, "session_not_running") != 0 ||
	    session_show(session, &ctx, &job, &ignored) != 0)
		return;
	why = reply_str(job, "error", NULL);
	if (why != NULL)
		IGNORE(err_set(err, ERR_CONFLICT, "session_not_running",
		    "the job's container is not running any more: %s", why));
}

static int run(struct session *session, const struct ctx *ctx, json_t *body,
    int *ret_exit_code, struct err *err)
{
	struct step s = {.session = session};
	const char *name = settings_env("GITHUB_ACTION");
	int r;

	if (name != NULL)
		json_object_set_new(body, "name", json_string(name));
	if (start(&s, ctx, body, err) != 0) {
		tell_end(session, err);
		return -1;
	}
	output_init(&s.lines);
	r = follow(&s, ctx, ret_exit_code, err);
	output_fini(&s.lines);
	json_decref(s.end);
	return r;
}

/* -- run_script_step --------------------------------------------------- */

static json_t *list_json(const char *first, const struct words *words)
{
	json_t *list = json_array();

	if (first != NULL)
		json_array_append_new(list, json_string(first));
	for (size_t i = 0; i < words->n; i++)
		json_array_append_new(list, json_string(words->v[i]));
	return list;
}

static bool has_path(const struct words *env)
{
	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], "PATH=", 5) == 0)
			return true;
	return false;
}

static int script_body(
    const struct container_wish *step, json_t **ret, struct err *err)
{
	static const struct words none = {.v = NULL};
	CLEANUP(words_fini) struct words args = {.v = NULL};

	if (step->entry_point == NULL)
		return err_set(err, ERR_INVALID, "bad_request",
		    "the runner names no program for the step");
	if (words_split_pieces(
		(const char *const *)step->entry_args.v, &args, err) != 0)
		return err_wrap(err, "the step's command");
	*ret = json_pack("{s:o, s:o, s:o}", "command",
	    list_json(step->entry_point, &args), "env",
	    hub_env_json(&step->env), "prependPath",
	    list_json(
		NULL, has_path(&step->env) ? &none : &step->prepend_path));
	if (*ret == NULL)
		return err_set(err, ERR_INVALID, "bad_request",
		    "the step's command or environment is not UTF-8");
	if (step->working_dir != NULL)
		json_object_set_new(
		    *ret, "workingDirectory", json_string(step->working_dir));
	return 0;
}

int hub_run_script_step(void *self, const struct ctx *ctx,
    const struct container_wish *step, const json_t *state, int *ret_exit_code,
    struct err *err)
{
	const char *id = json_string_value(json_object_get(state, "session"));
	CLEANUP(session_free) struct session *session = NULL;
	CLEANUP(json_decref) json_t *body = NULL;
	struct hub_mode *h = self;

	if (id == NULL || json_object_get(state, "container") == NULL)
		return err_set(err, ERR_INVALID, "no_container",
		    "there is no job container to run the step in: the runner "
		    "keeps no state of a prepare_job");
	TRY(script_body(step, &body, err));
	session = session_attach(h->client, id);
	return run(session, ctx, body, ret_exit_code, err);
}

/* -- run_container_step ------------------------------------------------ */

static void say(void *arg, const char *line)
{
	(void)arg;
	output_say("%s", line);
}

/* A session for this step alone, kept while this process lives. */
static int open_for_step(struct hub_mode *h, const struct ctx *ctx,
    struct session **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *body = NULL;
	CLEANUP(fd_close) int watched = -1;

	TRY(keeper_watch_self(&watched, err));
	TRY(hub_delegation(h, &body, err));
	json_object_set_new(body, "container", json_null());
	json_object_set_new(body, "services", json_array());
	TRY(session_open(ret, h->client, ctx, body, say, NULL, err));
	if (keeper_start(session_id(*ret), watched, err) == 0)
		return 0;
	hub_undo(*ret, "failed", err->msg);
	session_free(STEAL(*ret));
	return -1;
}

static int run_alone(struct hub_mode *h, const struct ctx *ctx, json_t *body,
    int *ret_exit_code, struct err *err)
{
	CLEANUP(session_free) struct session *session = NULL;
	struct ctx root = ctx_root(), limited;
	struct err ignored = ERR_INIT;
	int r;

	TRY(open_for_step(h, ctx, &session, err));
	r = run(session, ctx, body, ret_exit_code, err);
	limited = ctx_with_timeout(&root, SETTLE_MS);
	/* the keeper does it when we are gone */
	IGNORE(session_complete(session, &limited,
	    r == 0 && *ret_exit_code == 0 ? "completed" : "failed",
	    r == 0 ? ret_exit_code : NULL, r == 0 ? NULL : err->msg, &ignored));
	return r;
}

int hub_run_container_step(void *self, const struct ctx *ctx,
    const struct container_wish *step, const json_t *state, int *ret_exit_code,
    struct err *err)
{
	const char *id = json_string_value(json_object_get(state, "session"));
	CLEANUP(session_free) struct session *session = NULL;
	CLEANUP(json_decref) json_t *body =
	    json_pack("{s:o}", "container", hub_wish_json(step));
	struct hub_mode *h = self;

	if (id == NULL)
		return run_alone(h, ctx, body, ret_exit_code, err);
	session = session_attach(h->client, id);
	return run(session, ctx, body, ret_exit_code, err);
}
