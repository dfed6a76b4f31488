/* See job_hook.h. Called once, by main.c. */
#include "hook/job_hook.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "client/client.h"
#include "hook/output.h"
#include "hook/settings.h"
#include "hook/signals.h"

/* A job must not wait long for somebody who only wants to know. */
#define REPORT_MS INT64_C(10000)

enum { EXIT_GO_ON = 0, EXIT_REFUSED = 1 };

static json_t *report(void)
{
	static const struct {
		const char *key, *variable;
	} fields[] = {{"repository", "GITHUB_REPOSITORY"},
	    {"runId", "GITHUB_RUN_ID"}, {"job", "GITHUB_JOB"},
	    {"attempt", "GITHUB_RUN_ATTEMPT"}, {"workflow", "GITHUB_WORKFLOW"},
	    {"ref", "GITHUB_REF"}, {"sha", "GITHUB_SHA"},
	    {"actor", "GITHUB_ACTOR"}, {"eventName", "GITHUB_EVENT_NAME"},
	    {"runner", "RUNNER_NAME"}};
	json_t *body = json_object();

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const char *value = settings_env(fields[i].variable);

		if (value != NULL)
			json_object_set_new(
			    body, fields[i].key, json_string(value));
	}
	return body;
}

/* *ret: require, so that no job runs unknown to the hub? */
static int read_mode(bool *ret, struct err *err)
{
	const char *mode = settings_env("RUNNERHUB_JOB_HOOK");

	*ret = mode != NULL && strcmp(mode, "require") == 0;
	if (mode == NULL || *ret || strcmp(mode, "report") == 0)
		return 0;
	*ret = true; /* what was meant is not known */
	return err_set(err, ERR_INVALID, "bad_setting",
	    "RUNNERHUB_JOB_HOOK is \"%.64s\": report or require is wanted",
	    mode);
}

/* *ret: the "data" of the hub's answer. */
static int ask(const char *event, json_t **ret, struct err *err)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *body = report();
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(mem_free) char *target =
	    mem_printf("/api/runners/self/%s", event);
	struct ctx root = ctx_root(), limited, ctx;

	TRY(signals_init(err));
	TRY(client_open_env(&c, err));
	limited = ctx_with_timeout(&root, REPORT_MS);
	ctx = ctx_with_cancel(&limited, signals_first());
	TRY(client_call(c, &ctx, "POST", target, body, &reply, err));
	*ret = json_incref(json_object_get(reply, "data"));
	return 0;
}

int job_hook_main(const char *event)
{
	CLEANUP(json_decref) json_t *answer = NULL;
	struct err err = ERR_INIT;
	bool required;

	if (read_mode(&required, &err) != 0 || ask(event, &answer, &err) != 0) {
		if (required && strcmp(event, "job-started") == 0) {
			output_error("The job is refused, for the hub could "
				     "not be asked: %s",
			    err.msg);
			return EXIT_REFUSED;
		}
		output_warning("The hub was not told of the job: %s", err.msg);
		return EXIT_GO_ON;
	}
	if (!json_is_false(json_object_get(answer, "allowed")))
		return EXIT_GO_ON;
	output_error("The hub refuses the job: %s",
	    reply_str(answer, "reason", "it gives no reason"));
	return EXIT_REFUSED;
}
