/* Jobs: delegate, show, list, cancel, history, sessions. Handler threads. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"
#include "api/audit.h"
#include "base/log.h"
#include "base/mem.h"

enum { END_WORDS_MAX = 4096 }; /* of a session's error */
enum { SEARCH_MAX = 100 };     /* bytes that a list is searched for */

/* -- delegate ---------------------------------------------------------- */

/* From the request's handler to the store's writer, which answers. */
struct delegation {
	struct later later;
	char *warnings; /* JSON array, NULL: none */
};

static void write_delegated(const struct delegation *d, job_id id,
    enum job_status status, struct buf *body)
{
	char text[UUID_TEXT_LEN];
	struct json j;

	envelope_begin(&j, body);
	json_obj(&j);
	json_kstr(&j, "delegationId", uuid_text(id.u, text));
	json_kstr(&j, "status", job_status_name(status));
	json_end(&j);
	if (d->warnings != NULL)
		json_kraw(&j, "warnings", d->warnings);
	envelope_end(&j);
}

/* The store's writer thread, after the fsync. */
static void delegated(void *arg, enum job_insert_result r, job_id id,
    enum job_status status, const struct err *err)
{
	struct delegation *d = arg;
	char text[UUID_TEXT_LEN];
	struct buf body;

	if (r == JOB_INSERT_FAILED) {
		reply_error(&d->later.call, err);
	} else {
		audit_object(&d->later.call, uuid_text(id.u, text));
		log_info(&d->later.call.ctx, "job delegated",
		    LOG_STR("job", uuid_text(id.u, text)),
		    LOG_STR("repeat", r == JOB_EXISTED ? "true" : NULL));
		buf_init(&body, BODY_MAX);
		write_delegated(d, id, status, &body);
		reply_json(
		    &d->later.call, r == JOB_INSERTED ? 201 : 200, &body);
	}
	mem_free(d->warnings);
	mem_free(d);
}

static struct delegation *delegation_new(
    const struct call *c, const char *warnings)
{
	struct delegation *d = mem_zalloc(sizeof(*d));

	later_init(&d->later, c);
	d->warnings = mem_strdup_or_null(warnings);
	return d;
}

/* It is on its way to the store, whose writer answers; or it was refused. */
static struct answer sent(
    struct call *c, struct delegation *d, int r, const struct err *err)
{
	if (r == 0)
		return reply_later();
	mem_free(d->warnings);
	mem_free(d);
	return reply_error(c, err);
}

/* Tokens open sessions only, and what they open is theirs: the same request
 * of somebody else is another one. */
static int own(struct call *c, struct request *r, struct err *err)
{
	const struct principal *p = &c->who;
	char *content;

	if (p->role != 0)
		return 0;
	if (!r->is_session)
		return err_set(err, ERR_FORBIDDEN, "sessions_only",
		    "A token opens sessions only: leave \"steps\" away, or use "
		    "the API key");
	if (p->kind == PRINCIPAL_RUNNER)
		r->runner_id = p->id_text;
	else
		r->parent_id = p->id_text;
	content = mem_printf("%s %s", p->id_text, r->canonical);
	mem_free(r->canonical);
	r->canonical = content;
	return 0;
}

struct answer job_delegate(struct call *c)
{
	CLEANUP(request_fini) struct request r = {0};
	struct request_limits limits;
	char actor[96];
	struct delegation *d;
	struct err err = ERR_INIT;
	const char *body;
	size_t len;

	body = http_body(c->x, &len);
	hub_request_limits(c->hub, &limits);
	if (request_parse(&r, body, len, &limits, &err) < 0 ||
	    own(c, &r, &err) < 0)
		return reply_error(c, &err);
	audit_detail(c, "repository", r.repository);
	request_set_origin(&r, http_request_id(c->x), &c->trace);
	request_set_actor(&r, audit_actor_of(c, actor, sizeof(actor)));
	d = delegation_new(c, r.warnings);
	return sent(c, d, hub_delegate(c->hub, &r, delegated, d, &err), &err);
}

/* Another attempt of one that has ended. */
struct answer job_retry(struct call *c)
{
	struct delegation *d = delegation_new(c, NULL);
	char actor[96];
	const struct hub_retry again = {.id = c->job,
	    .request_id = http_request_id(c->x),
	    .actor = audit_actor_of(c, actor, sizeof(actor)),
	    .trace = &c->trace};
	struct err err = ERR_INIT;
	int r = hub_retry(c->hub, &again, delegated, d, &err);

	/* A secret of it may be gone, too. */
	if (r < 0 && strcmp(err.code, "job_not_found") == 0)
		IGNORE(no_such_job(&err));
	return sent(c, d, r, &err);
}

/* -- read -------------------------------------------------------------- */

static struct answer answer_job(struct call *c, const struct job *job)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	job_write(
	    c, job, (struct job_view){.steps = true, .waiting = true}, &j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

struct answer job_show(struct call *c)
{
	CLEANUP(job_fini) struct job job = {0};
	struct err err = ERR_INIT;

	if (call_job(c, &job, &err) < 0)
		return reply_error(c, &err);
	return answer_job(c, &job);
}

/* A name, or the id of one that is registered. */
static void read_runner(struct call *c, struct job_filter *f)
{
	const char *text = http_query(c->x, "runner");
	struct uuid id;

	if (text != NULL && uuid_parse(text, &id) == 0)
		f->runner_id = text;
	else
		f->runner_name = text;
}

static int read_words(struct call *c, struct job_filter *f, struct err *err)
{
	f->words = http_query(c->x, "q");
	if (f->words != NULL && *f->words == '\0')
		f->words = NULL;
	if (f->words != NULL && strlen(f->words) > SEARCH_MAX)
		return err_set(err, ERR_INVALID, "invalid_parameter",
		    "Parameter \"q\": expected at most %d bytes", SEARCH_MAX);
	return 0;
}

static int read_filter(struct call *c, struct job_filter *f, struct err *err)
{
	const char *status = http_query(c->x, "status");

	*f = (struct job_filter){.page = 1,
	    .limit = 20,
	    .repository = http_query(c->x, "repository"),
	    .runner_id = http_query(c->x, "runnerId"),
	    .parent_id = http_query(c->x, "parentId")};
	read_runner(c, f);
	if (c->who.kind == PRINCIPAL_RUNNER)
		f->runner_id = c->who.id_text;
	if (c->who.kind == PRINCIPAL_SESSION)
		f->parent_id = c->who.id_text;
	TRY(param_int(c, "page", 1, 1000000000, &f->page, err));
	TRY(param_int(c, "limit", 1, 100, &f->limit, err));
	TRY(param_time(c, "startDate", false, &f->from_ns, err));
	TRY(param_time(c, "since", false, &f->from_ns, err));
	TRY(param_time(c, "endDate", true, &f->to_ns, err));
	TRY(read_words(c, f, err));
	if (status != NULL && job_status_parse(status, &f->status) < 0)
		return err_set(err, ERR_INVALID, "invalid_parameter",
		    "Parameter \"status\": expected pending, queued, assigned, "
		    "running, completed, failed or cancelled, got \"%.40s\"",
		    status);
	return 0;
}

struct answer job_list(struct call *c)
{
	CLEANUP(job_list_free) struct job_list l = {0};
	struct err err = ERR_INIT;
	struct job_filter f;
	struct buf body;
	struct json j;

	if (read_filter(c, &f, &err) < 0 ||
	    store_job_list(hub_store(c->hub), &f, &l, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_arr(&j);
	for (size_t i = 0; i < l.n; i++)
		job_write(
		    c, &l.items[i], (struct job_view){.waiting = true}, &j);
	json_end(&j);
	envelope_page(&j, &(struct pagination){f.page, f.limit, l.total});
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

struct answer job_history(struct call *c)
{
	CLEANUP(job_event_list_free) struct job_event_list l = {0};
	CLEANUP(job_fini) struct job job = {0};
	struct err err = ERR_INIT;
	int64_t after = 0, limit = 200;
	struct buf body;
	struct json j;

	if (call_job(c, &job, &err) < 0 ||
	    param_int(c, "after", 0, INT64_MAX, &after, &err) < 0 ||
	    param_int(c, "limit", 1, 1000, &limit, &err) < 0 ||
	    store_job_events(
		hub_store(c->hub), c->job, after, limit, &l, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_arr(&j);
	for (size_t i = 0; i < l.n; i++)
		event_write(&l.items[i], &j);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

/* -- change ------------------------------------------------------------ */

struct answer job_cancel(struct call *c)
{
	enum job_status was;
	struct err err = ERR_INIT;

	if (hub_cancel(c->hub, c->job, "api", NULL, &was, &err) < 0) {
		if (err.kind == ERR_NOT_FOUND)
			IGNORE(no_such_job(&err));
		return reply_error(c, &err);
	}
	if (was == JOB_CANCELLED)
		return reply_message(c, 200, "Job was cancelled already");
	if (job_status_is_final(was))
		return reply_message(c, 200, "Job has ended already");
	if (was == JOB_QUEUED || was == JOB_PENDING)
		return reply_message(c, 200, "Job cancelled");
	log_info(&c->ctx, "cancel requested", LOG_STR("job", c->id));
	return reply_message(
	    c, 202, "Cancelling: its container is being ended");
}

static int read_status(
    const json_t *body, enum job_status *ret, struct err *err)
{
	const char *text = json_string_value(json_object_get(body, "status"));

	if (text == NULL)
		return err_set(err, ERR_INVALID, "missing_field",
		    "Missing required field: status");
	if (job_status_parse(text, ret) < 0)
		return err_set(err, ERR_INVALID, "invalid_status",
		    "Invalid status: expected running, completed, failed or "
		    "cancelled");
	return 0;
}

/* Whose it is, an admin may say; a token's session stays with it. */
static int set_status(struct call *c, const json_t *body, struct err *err)
{
	enum job_status status;
	const char *runner = NULL;

	TRY(read_status(body, &status, err));
	if (c->who.role != 0)
		runner = json_string_value(json_object_get(body, "runnerId"));
	return hub_session_status(c->hub, c->job, status, runner, err);
}

struct answer job_set_status(struct call *c)
{
	struct err err = ERR_INIT;
	json_t *body = param_body(c, &err);
	int r = body != NULL ? set_status(c, body, &err) : -1;

	json_decref(body);
	return r < 0 ? reply_error(c, &err) : job_show(c);
}

/* The proxy names the job a second time: a mix-up must not end another. */
static int check_names(struct call *c, const json_t *body, struct err *err)
{
	CLEANUP(job_fini) struct job job = {0};
	const char *run = json_string_value(json_object_get(body, "runId"));
	const char *id = json_string_value(json_object_get(body, "jobId"));

	if (run == NULL || id == NULL)
		return err_set(err, ERR_INVALID, "missing_field",
		    "Missing required field: %s",
		    run == NULL ? "runId" : "jobId");
	TRY(call_job(c, &job, err));
	if (strcmp(run, job.run_id) != 0 || strcmp(id, job.external_id) != 0)
		return err_set(err, ERR_CONFLICT, "other_job",
		    "runId and jobId are not those of this job");
	return 0;
}

static int read_end(
    const json_t *body, struct session_end *ret, struct err *err)
{
	const json_t *code = json_object_get(body, "exitCode");
	const json_t *error = json_object_get(body, "error");

	TRY(read_status(body, &ret->status, err));
	if (!job_status_is_final(ret->status))
		return err_set(err, ERR_INVALID, "invalid_status",
		    "Invalid status: expected completed, failed or cancelled");
	ret->has_exit_code = code != NULL && !json_is_null(code);
	if (ret->has_exit_code &&
	    (!json_is_integer(code) || json_integer_value(code) < INT32_MIN ||
		json_integer_value(code) > INT32_MAX))
		return err_set(err, ERR_INVALID, "invalid_field",
		    "exitCode: expected an integer of 32 bits or null");
	ret->exit_code = (int)json_integer_value(code);
	if (error != NULL && !json_is_null(error) &&
	    (!json_is_string(error) ||
		json_string_length(error) > END_WORDS_MAX))
		return err_set(err, ERR_INVALID, "invalid_field",
		    "error: expected text of at most %d bytes or null",
		    END_WORDS_MAX);
	ret->error = json_string_value(error);
	return 0;
}

static int complete(struct call *c, const json_t *body, struct err *err)
{
	struct session_end end = {0};

	TRY(check_names(c, body, err));
	TRY(read_end(body, &end, err));
	return hub_session_complete(c->hub, c->job, &end, err);
}

struct answer job_proxy_complete(struct call *c)
{
	struct err err = ERR_INIT;
	json_t *body = param_body(c, &err);
	int r = body != NULL ? complete(c, body, &err) : -1;

	json_decref(body);
	return r < 0 ? reply_error(c, &err)
		     : reply_message(c, 200, "Completion recorded");
}
