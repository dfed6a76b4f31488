/*
 * What runners say of themselves, and how they go. Handler threads.
 */
#include <string.h>

#include "api/runners_internal.h"
#include "base/log.h"
#include "base/secret.h"

enum { GITHUB_MS = 45000 }; /* of one request that asks GitHub */

/* -- heartbeat --------------------------------------------------------- */

static int read_beat(const json_t *body, const char **ret, struct err *err)
{
	static const char *const words[] = {"idle", "busy", "offline"};
	const char *status = json_string_value(json_object_get(body, "status"));

	for (size_t i = 0; status != NULL && i < ARRAY_LEN(words); i++)
		if (strcmp(status, words[i]) == 0) {
			*ret = status;
			return 0;
		}
	return err_set(err, ERR_INVALID, "invalid_field",
	    "Field \"status\": expected idle, busy or offline");
}

static int do_beat(struct call *c, const json_t *body, struct runner_beat *ret,
    struct err *err)
{
	const char *status = NULL;
	runner_id id;

	TRY(call_runner(c, &id, err));
	TRY(read_beat(body, &status, err));
	if (strcmp(status, "offline") == 0)
		return runners_pause(c->api->runners, id, ret, err);
	return runners_heartbeat(
	    c->api->runners, id, strcmp(status, "busy") == 0, ret, err);
}

struct answer runner_heartbeat(struct call *c)
{
	struct err err = ERR_INIT;
	json_t *request = param_body(c, &err);
	struct runner_beat beat;
	struct buf body;
	struct json j;
	int rc = request != NULL ? do_beat(c, request, &beat, &err) : -1;

	json_decref(request);
	if (rc < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kstr(&j, "status", beat.status);
	json_kbool(&j, "drain", beat.drain);
	json_kint(&j, "intervalMs", beat.interval_ms);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

/* -- jobs that GitHub gave it ------------------------------------------ */

/* Of the hook's words, for the log; they are a job's own, hence bounded. */
struct told {
	const char *repository, *run, *job, *result;
};

static int read_told(const json_t *body, struct told *t, struct err *err)
{
	TRY(body_word(body, "repository", &t->repository, err));
	TRY(body_word(body, "runId", &t->run, err));
	TRY(body_word(body, "job", &t->job, err));
	TRY(body_word(body, "result", &t->result, err));
	if (t->repository == NULL)
		return err_set(err, ERR_INVALID, "missing_field",
		    "Missing required field: repository");
	return 0;
}

static struct answer answer_allowed(
    struct call *c, bool allowed, const char *reason)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kbool(&j, "allowed", allowed);
	json_kstr(&j, "reason", allowed ? NULL : reason);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

struct answer runner_job_started(struct call *c)
{
	struct err err = ERR_INIT;
	json_t *body = param_body(c, &err);
	struct told t;
	struct answer answer;
	char reason[200];
	runner_id id;
	bool allowed;

	if (body == NULL || call_runner(c, &id, &err) < 0 ||
	    read_told(body, &t, &err) < 0 ||
	    runners_may_begin(c->api->runners, id, t.repository, &allowed,
		reason, &err) < 0) {
		answer = reply_error(c, &err);
	} else {
		log_info(&c->ctx,
		    allowed ? "runner begins a job" : "runner's job refused",
		    LOG_STR("runner", c->id),
		    LOG_STR("repository", t.repository), LOG_STR("run", t.run),
		    LOG_STR("job", t.job),
		    LOG_STR("reason", allowed ? NULL : reason));
		answer = answer_allowed(c, allowed, reason);
	}
	json_decref(body);
	return answer;
}

struct answer runner_job_completed(struct call *c)
{
	struct err err = ERR_INIT;
	json_t *body = param_body(c, &err);
	struct told t;
	struct answer answer;
	runner_id id;

	if (body == NULL || call_runner(c, &id, &err) < 0 ||
	    read_told(body, &t, &err) < 0) {
		answer = reply_error(c, &err);
	} else {
		log_info(&c->ctx, "runner ended a job",
		    LOG_STR("runner", c->id),
		    LOG_STR("repository", t.repository), LOG_STR("run", t.run),
		    LOG_STR("job", t.job), LOG_STR("result", t.result));
		answer = reply_message(c, 200, "Noted");
	}
	json_decref(body);
	return answer;
}

/* -- GitHub's tokens --------------------------------------------------- */

static int read_kind(
    const json_t *body, enum github_token_kind *ret, struct err *err)
{
	const char *kind = json_string_value(json_object_get(body, "kind"));

	if (kind != NULL && strcmp(kind, "registration") == 0)
		*ret = GITHUB_REGISTRATION;
	else if (kind != NULL && strcmp(kind, "remove") == 0)
		*ret = GITHUB_REMOVE;
	else
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"kind\": expected registration or remove");
	return 0;
}

static int do_github_token(struct call *c, const json_t *body,
    struct github_token *ret, struct err *err)
{
	struct ctx ctx = ctx_with_timeout(&c->ctx, GITHUB_MS);
	enum github_token_kind kind = GITHUB_REGISTRATION;
	runner_id id;

	TRY(call_runner(c, &id, err));
	TRY(read_kind(body, &kind, err));
	return runners_github_token(c->api->runners, &ctx, id, kind, ret, err);
}

struct answer runner_github_token(struct call *c)
{
	struct err err = ERR_INIT;
	json_t *request = param_body(c, &err);
	struct github_token token;
	struct buf body;
	struct json j;
	int rc =
	    request != NULL ? do_github_token(c, request, &token, &err) : -1;

	json_decref(request);
	if (rc < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kstr(&j, "token", token.value);
	json_kstr(&j, "expiresAt", token.expires_at);
	json_end(&j);
	envelope_end(&j);
	secret_wipe(&token, sizeof(token));
	return reply_json(c, 200, &body);
}

/* -- the end ----------------------------------------------------------- */

struct answer runner_drain(struct call *c)
{
	struct ctx ctx = ctx_with_timeout(&c->ctx, GITHUB_MS);
	struct err err = ERR_INIT;
	runner_id id;

	if (call_runner(c, &id, &err) < 0 ||
	    runners_drain(c->api->runners, &ctx, id, &err) < 0)
		return reply_error(c, &err);
	return reply_message(
	    c, 202, "It takes no new job and goes when it has none");
}

/* The container of one that the hub made is the hub's to remove, and not
 * under the feet of its own supervisor, which says goodbye here. */
static bool leaves_by_itself(struct call *c, runner_id id)
{
	CLEANUP(runner_fini) struct runner r = {0};
	struct err err = ERR_INIT;

	return c->who.kind == PRINCIPAL_RUNNER &&
	       store_runner_get(hub_store(c->hub), id, &r, &err) == 1 &&
	       r.made != NULL;
}

struct answer runner_remove(struct call *c)
{
	struct ctx ctx = ctx_with_timeout(&c->ctx, GITHUB_MS);
	struct err err = ERR_INIT;
	char note[300];
	bool force = false;
	runner_id id;

	if (call_runner(c, &id, &err) < 0 ||
	    param_bool(c, "force", &force, &err) < 0)
		return reply_error(c, &err);
	if (leaves_by_itself(c, id))
		return reply_message(c, 200, "The hub removes it when it ends");
	if (runners_remove(c->api->runners, &ctx, id, force, note, &err) < 0) {
		if (err.kind == ERR_NOT_FOUND) /* in the contract's words */
			IGNORE(err_set(&err, ERR_NOT_FOUND, "runner_not_found",
			    "Runner not found"));
		return reply_error(c, &err);
	}
	log_info(&c->ctx, "runner removed", LOG_STR("runner", c->id),
	    LOG_STR("note", note[0] != '\0' ? note : NULL));
	return reply_message(c, 200, note[0] != '\0' ? note : "Runner removed");
}
