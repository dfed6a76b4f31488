/* Jobs: delegate, show, list, cancel, history, sessions. Handler threads. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"

enum { DEPTH_MAX = 32 }; /* of a request's JSON */

/* -- delegate ---------------------------------------------------------- */

/* From the request's handler to the store's writer, which answers. */
struct delegation {
	struct call call;
	char request_id[80];
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
		reply_error(&d->call, err);
	} else {
		log_info(&d->call.ctx, "job delegated",
		    LOG_STR("job", uuid_text(id.u, text)),
		    LOG_STR("repeat", r == JOB_EXISTED ? "true" : NULL));
		buf_init(&body, BODY_MAX);
		write_delegated(d, id, status, &body);
		reply_json(&d->call, r == JOB_INSERTED ? 201 : 200, &body);
	}
	mem_free(d->warnings);
	mem_free(d);
}

static struct delegation *delegation_new(
    const struct call *c, const struct request *r)
{
	struct delegation *d = mem_zalloc(sizeof(*d));

	d->call = *c;
	snprintf(
	    d->request_id, sizeof(d->request_id), "%s", http_request_id(c->x));
	d->call.root = ctx_root();
	d->call.ctx = ctx_with_field(&d->call.root, "request", d->request_id);
	d->warnings = mem_strdup_or_null(r->warnings);
	return d;
}

struct answer job_delegate(struct call *c)
{
	CLEANUP(request_fini) struct request r = {0};
	struct request_limits limits;
	struct delegation *d;
	struct err err = ERR_INIT;
	const char *body;
	size_t len;

	body = http_body(c->x, &len);
	hub_request_limits(c->hub, &limits);
	if (request_parse(&r, body, len, &limits, &err) < 0)
		return reply_error(c, &err);
	request_set_id(&r, http_request_id(c->x));
	d = delegation_new(c, &r);
	if (hub_delegate(c->hub, &r, delegated, d, &err) == 0)
		return reply_later();
	mem_free(d->warnings);
	mem_free(d);
	return reply_error(c, &err);
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

static int read_filter(struct call *c, struct job_filter *f, struct err *err)
{
	const char *status = http_query(c->x, "status");

	*f = (struct job_filter){.page = 1,
	    .limit = 20,
	    .repository = http_query(c->x, "repository")};
	TRY(param_int(c, "page", 1, 1000000000, &f->page, err));
	TRY(param_int(c, "limit", 1, 100, &f->limit, err));
	TRY(param_time(c, "startDate", false, &f->from_ns, err));
	TRY(param_time(c, "endDate", true, &f->to_ns, err));
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

	if (hub_cancel(c->hub, c->job, "api", &was, &err) < 0) {
		if (err.kind == ERR_NOT_FOUND)
			IGNORE(err_set(&err, ERR_NOT_FOUND, "job_not_found",
			    "Job not found")); /* in the contract's words */
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

static json_t *body_object(struct call *c, struct err *err)
{
	json_error_t why;
	size_t len;
	const char *body = http_body(c->x, &len);
	json_t *o;

	if (parse_json_depth(body, len, DEPTH_MAX) < 0) {
		IGNORE(err_set(err, ERR_INVALID, "invalid_json",
		    "The body nests deeper than %d levels", DEPTH_MAX));
		return NULL;
	}
	o = json_loadb(body, len, JSON_REJECT_DUPLICATES, &why);
	if (json_is_object(o))
		return o;
	if (o == NULL)
		IGNORE(err_set(err, ERR_INVALID, "invalid_json",
		    "The body is not valid JSON: line %d column %d: %s",
		    why.line, why.column, why.text));
	else
		IGNORE(err_set(err, ERR_INVALID, "invalid_json",
		    "The body must be a JSON object"));
	json_decref(o);
	return NULL;
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

static int set_status(struct call *c, const json_t *body, struct err *err)
{
	enum job_status status;

	TRY(read_status(body, &status, err));
	return hub_session_status(c->hub, c->job, status,
	    json_string_value(json_object_get(body, "runnerId")), err);
}

struct answer job_set_status(struct call *c)
{
	struct err err = ERR_INIT;
	json_t *body = body_object(c, &err);
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

struct answer job_proxy_complete(struct call *c)
{
	struct err err = ERR_INIT;
	json_t *body = body_object(c, &err);
	int r = -1;

	if (body != NULL && check_names(c, body, &err) == 0)
		r = set_status(c, body, &err);
	json_decref(body);
	return r < 0 ? reply_error(c, &err)
		     : reply_message(c, 200, "Completion recorded");
}
