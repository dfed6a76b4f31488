/*
 * What may be done to the hub's containers: a command run inside by an
 * admin, and stopping one, which goes the way of whatever it belongs to.
 * Handler threads.
 */
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/audit.h"
#include "api/containers.h"
#include "base/log.h"
#include "base/mem.h"
#include "components/components.h"
#include "engine/run.h"

enum { WORDS_MAX = 64, WORD_BYTES_MAX = 8192, OUTPUT_MAX = 256 * 1024 };
enum { TIMEOUT_DEFAULT_S = 30, TIMEOUT_MAX_S = 60, AT_ONCE_MAX = 2 };
enum { STOP_GRACE_MS = 10000, STOP_MS = 30000 };

/* -- exec -------------------------------------------------------------- */

struct command {
	json_t *body;
	const char *argv[WORDS_MAX + 1];
	size_t argc;
	int64_t timeout_s;
};

static int read_words(const json_t *list, struct command *ret, struct err *err)
{
	const json_t *word;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) < 1 ||
	    json_array_size(list) > WORDS_MAX)
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"command\": expected an array of 1 to %d strings: "
		    "a program and its arguments, without a shell",
		    WORDS_MAX);
	json_array_foreach(list, i, word)
	{
		const char *text = json_string_value(word);

		if (text == NULL || json_string_length(word) > WORD_BYTES_MAX ||
		    strlen(text) != json_string_length(word) ||
		    (i == 0 && *text == '\0'))
			return err_set(err, ERR_INVALID, "invalid_field",
			    "Field \"command\"[%zu]: expected text of at most "
			    "%d bytes, without NUL",
			    i, WORD_BYTES_MAX);
		ret->argv[i] = text;
	}
	ret->argc = json_array_size(list);
	return 0;
}

static int read_command(struct call *c, struct command *ret, struct err *err)
{
	const json_t *timeout;

	ret->body = param_body(c, err);
	if (ret->body == NULL)
		return -1;
	TRY(read_words(json_object_get(ret->body, "command"), ret, err));
	timeout = json_object_get(ret->body, "timeoutSeconds");
	ret->timeout_s = TIMEOUT_DEFAULT_S;
	if (timeout == NULL)
		return 0;
	ret->timeout_s = json_integer_value(timeout);
	if (json_is_integer(timeout) && ret->timeout_s >= 1 &&
	    ret->timeout_s <= TIMEOUT_MAX_S)
		return 0;
	return err_set(err, ERR_INVALID, "invalid_field",
	    "Field \"timeoutSeconds\": expected 1 to %d", TIMEOUT_MAX_S);
}

/* What was run, not with which arguments: those may hold a secret. */
static void note(struct call *c, const struct command *cmd)
{
	char text[160];

	snprintf(text, sizeof(text), "%.120s, %zu arguments", cmd->argv[0],
	    cmd->argc - 1);
	audit_detail(c, "command", text);
}

struct outcome {
	struct buf output;
	bool timed_out;
	int exit_code;
};

static int run(struct call *c, const struct command *cmd, struct outcome *ret,
    struct err *err)
{
	CLEANUP(container_set_free) struct container_set set = {.list.n = 0};
	struct ctx ask = ctx_with_timeout(&c->ctx, CONTAINER_ASK_MS);
	struct ctx ctx = ctx_with_timeout(&c->ctx, cmd->timeout_s * 1000);
	struct container_view v;

	TRY(container_find(c, &ask, &set, &v, err));
	audit_object(c, v.c->id);
	if (strcmp(v.c->state, "running") != 0)
		return err_set(err, ERR_CONFLICT, "container_not_running",
		    "The container is %s", v.c->state);
	if (engine_container_exec(hub_engine(c->hub), &ctx, v.c->id, cmd->argv,
		&ret->output, &ret->exit_code, err) == 0)
		return 0;
	if (clock_mono_ns() < ctx.deadline_ns)
		return -1;
	err_clear(err);
	ret->timed_out = true;
	return 0;
}

static struct answer answer_outcome(struct call *c, const struct outcome *o)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_key(&j, "exitCode");
	if (o->timed_out)
		json_none(&j);
	else
		json_int(&j, o->exit_code);
	json_kbool(&j, "timedOut", o->timed_out);
	json_key(&j, "output");
	json_strn(&j, buf_str(&o->output), o->output.len);
	json_kbool(&j, "truncated", o->output.overflow);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

/* Each holds a handler until its end, so there are few at once. */
static bool enter(struct api *a)
{
	if (atomic_fetch_add(&a->execs, 1) < AT_ONCE_MAX)
		return true;
	atomic_fetch_sub(&a->execs, 1);
	return false;
}

static struct answer exec(struct call *c, const struct command *cmd)
{
	struct outcome o = {.output = {.max = OUTPUT_MAX}};
	struct err err = ERR_INIT;
	struct answer answer;

	answer = run(c, cmd, &o, &err) < 0 ? reply_error(c, &err)
					   : answer_outcome(c, &o);
	buf_fini(&o.output);
	return answer;
}

struct answer container_exec(struct call *c)
{
	struct command cmd = {.body = NULL};
	struct err err = ERR_INIT;
	struct answer answer;

	if (read_command(c, &cmd, &err) < 0) {
		answer = reply_error(c, &err);
	} else if (!enter(c->api)) {
		IGNORE(err_set(&err, ERR_UNAVAILABLE, "busy",
		    "%d commands run already: wait for one to end",
		    AT_ONCE_MAX));
		answer = reply_error(c, &err);
	} else {
		note(c, &cmd);
		answer = exec(c, &cmd);
		atomic_fetch_sub(&c->api->execs, 1);
	}
	json_decref(cmd.body);
	return answer;
}

/* -- stop -------------------------------------------------------------- */

static int stop_job(
    struct call *c, const struct container_view *v, struct err *err)
{
	char who[128], words[200];
	enum job_status was;
	job_id id;

	if (uuid_parse(v->job, &id.u) < 0)
		return err_set(err, ERR_INTERNAL, NULL,
		    "the container names a job that is none");
	snprintf(words, sizeof(words), "its container was stopped by %s",
	    audit_actor_of(c, who, sizeof(who)));
	return hub_cancel(c->hub, id, "api", words, &was, err);
}

static void stopped(void *arg)
{
	(void)arg; /* the answer has been sent: it says that it will be */
}

static int stop_instance(
    struct call *c, const struct container_view *v, struct err *err)
{
	instance_id id;

	if (v->instance == NULL || uuid_parse(v->instance, &id.u) < 0 ||
	    c->api->components == NULL)
		return err_set(err, ERR_INTERNAL, NULL,
		    "the container names an instance that is none");
	return components_end(c->api->components, id, stopped, NULL, err);
}

static int stop(struct call *c, struct err *err)
{
	CLEANUP(container_set_free) struct container_set set = {.list.n = 0};
	struct ctx ctx = ctx_with_timeout(&c->ctx, STOP_MS);
	struct container_view v;

	TRY(container_find(c, &ctx, &set, &v, err));
	audit_object(c, v.c->id);
	switch (v.kind) {
	case CONTAINER_JOB:
		audit_detail(c, "job", v.job);
		return stop_job(c, &v, err);
	case CONTAINER_INSTANCE:
		audit_detail(c, "instance", v.instance);
		return stop_instance(c, &v, err);
	case CONTAINER_SERVICE:
	case CONTAINER_STEP:
		audit_detail(c, "job", v.job);
		return engine_container_stop(
		    hub_engine(c->hub), &ctx, v.c->id, STOP_GRACE_MS, err);
	case CONTAINER_RUNNER:
		return err_set(err, ERR_CONFLICT, "is_runner",
		    "The hub keeps this runner and would start it again: drain "
		    "or remove the runner");
	case CONTAINER_SANDBOX:
	case CONTAINER_OTHER:
		break;
	}
	return err_set(err, ERR_CONFLICT, "is_the_hubs",
	    "No job and no component is in it: the hub needs it and removes it "
	    "by itself");
}

struct answer container_stop(struct call *c)
{
	struct err err = ERR_INIT;

	if (stop(c, &err) < 0)
		return reply_error(c, &err);
	log_info(&c->ctx, "container stopped", LOG_STR("container", c->id));
	return reply_message(c, 202, "Stopping");
}
