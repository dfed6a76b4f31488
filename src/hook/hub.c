/*
 * ~ The hub backend's object, the name under which a job is delegated, and
 * its end. What a crashed runner leaves is not looked for here: the keeper
 * (keeper.c) or the session's lease has ended it.
 */
#include "hook/hub.h"

#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/uuid.h"
#include "hook/hub_internal.h"

/* A hub that is upgraded is back sooner. */
#define AWAY_MS    INT64_C(600000)
#define CLEANUP_MS INT64_C(20000)

static void say(void *arg, const char *line)
{
	(void)arg;
	output_say("%s", line);
}

int hub_mode_new(struct hub_mode **ret, const struct hook_settings *settings,
    struct err *err)
{
	struct client *client = NULL;

	TRY(client_open_env(&client, err));
	client_when_away(client, AWAY_MS, say, NULL);
	*ret = mem_zalloc(sizeof(**ret));
	**ret = (struct hub_mode){.settings = settings, .client = client};
	return 0;
}

void hub_mode_free(struct hub_mode *h)
{
	if (h == NULL)
		return;
	client_close(h->client);
	mem_free(h);
}

/* -- which job this is ------------------------------------------------- */

static int need(
    json_t *body, const char *key, const char *variable, struct err *err)
{
	const char *value = settings_env(variable);

	if (value == NULL)
		return err_set(err, ERR_INVALID, "bad_setting",
		    "%s is not set: runnerhub-hook is started by a runner, see "
		    "docs/HOOKS.md",
		    variable);
	json_object_set_new(body, key, json_string(value));
	return 0;
}

static int put_job(
    const struct hub_mode *h, json_t *body, const char *job, struct err *err)
{
	static const struct {
		const char *key, *variable;
	} fields[] = {{"workflow", "GITHUB_WORKFLOW"}, {"sha", "GITHUB_SHA"},
	    {"ref", "GITHUB_REF"}, {"eventName", "GITHUB_EVENT_NAME"},
	    {"actor", "GITHUB_ACTOR"}};
	const char *attempt = settings_env("GITHUB_RUN_ATTEMPT");
	char unique[9];
	int64_t n = 1;

	TRY(need(body, "runId", "GITHUB_RUN_ID", err));
	TRY(need(body, "repository", "GITHUB_REPOSITORY", err));
	if (attempt != NULL && parse_int(attempt, 1, 1000000, &n) != 0)
		n = 1;
	json_object_set_new(body, "attempt", json_integer(n));
	json_object_set_new(body, "jobId",
	    json_sprintf(
		"%s@%s#%s", job, h->settings->runner, random_hex(unique, 4)));
	json_object_set_new(
	    body, "runnerName", json_string(h->settings->runner));
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const char *value = settings_env(fields[i].variable);

		if (value != NULL)
			json_object_set_new(
			    body, fields[i].key, json_string(value));
	}
	return 0;
}

int hub_delegation(const struct hub_mode *h, json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *body = json_object();
	const char *job = settings_env("GITHUB_JOB");

	TRY(put_job(h, body, job != NULL ? job : "job", err));
	json_object_set_new(
	    body, "keepLog", json_boolean(h->settings->keep_log));
	*ret = STEAL(body);
	return 0;
}

/* -- the end ----------------------------------------------------------- */

void hub_undo(struct session *s, const char *status, const char *why)
{
	struct ctx root = ctx_root(),
		   limited = ctx_with_timeout(&root, HUB_UNDO_MS);
	struct err ignored = ERR_INIT;

	/* its lease ends it otherwise */
	IGNORE(session_complete(s, &limited, status, NULL, why, &ignored));
}

/* The job's steps are done and their results told: a hub that is away now
 * takes nothing from them. */
static int cleanup_job(
    void *self, const struct ctx *ctx, const json_t *state, struct err *err)
{
	const char *id = json_string_value(json_object_get(state, "session"));
	struct ctx limited = ctx_with_timeout(ctx, CLEANUP_MS);
	CLEANUP(session_free) struct session *s = NULL;
	struct hub_mode *h = self;

	if (id == NULL)
		return 0;
	s = session_attach(h->client, id);
	if (session_complete(s, &limited, "completed", NULL, NULL, err) == 0)
		return 0;
	if (err->kind != ERR_TIMEOUT && err->kind != ERR_UNAVAILABLE &&
	    err->kind != ERR_UNCERTAIN)
		return err_wrap(err, "end the job's session");
	output_warning("The hub was not told of the job's end; it removes the "
		       "job's containers when the session's lease is over: %s",
	    err->msg);
	return 0;
}

static const struct backend_ops ops = {.prepare_job = hub_prepare_job,
    .run_script_step = hub_run_script_step,
    .run_container_step = hub_run_container_step,
    .cleanup_job = cleanup_job};

struct backend hub_mode_backend(struct hub_mode *h)
{
	return (struct backend){.ops = &ops, .self = h};
}
