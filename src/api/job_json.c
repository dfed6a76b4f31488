/* A job as JSON (jobs-api §2). Handler threads. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "api/api_internal.h"
#include "base/mem.h"
#include "jobs/progress.h"
#include "jobs/spec.h"

int no_such_job(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "job_not_found", "Job not found");
}

int no_such_step(const struct call *c, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "step_not_found",
	    "The job has no step %u", c->step);
}

int call_job(struct call *c, struct job *ret, struct err *err)
{
	int found = store_job_get(hub_store(c->hub), c->job, ret, err);

	return found == 0 ? no_such_job(err) : found;
}

/* And the trace that the job belongs to. */
static void write_metadata(const struct job *job, struct json *j)
{
	static const char *const keys[] = {
	    "sha", "ref", "eventName", "actor", "requestId", "retryOf"};
	json_t *meta = json_loads(job->metadata, 0, NULL);

	json_kobj(j, "metadata");
	json_ktime(j, "delegatedAt", job->created_at);
	json_kstr(j, "proxyRunner", job->runner_name);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *text =
		    json_string_value(json_object_get(meta, keys[i]));

		if (text != NULL)
			json_kstr(j, keys[i], text);
	}
	json_end(j);
	json_kstr(
	    j, "traceId", json_string_value(json_object_get(meta, "traceId")));
	json_kstr(j, "traceParent",
	    json_string_value(json_object_get(meta, "traceParent")));
	json_decref(meta);
}

static void write_phases(const struct job_phases *p, struct json *j)
{
	json_kobj(j, "phases");
	json_ktime(j, "queued", p->queued);
	json_ktime(j, "assigned", p->assigned);
	json_ktime(j, "created", p->created);
	json_ktime(j, "started", p->started);
	json_ktime(j, "firstOutput", p->first_output);
	json_ktime(j, "ended", p->ended);
	json_ktime(j, "removed", p->removed);
	json_end(j);
}

static void write_span(
    struct json *j, const char *key, int64_t from, int64_t to)
{
	json_key(j, key);
	if (from == 0 || to == 0)
		json_none(j);
	else
		json_num(j, (double)(to - from) / 1e6);
}

/* Milliseconds with fractions: the phases' times are cut to whole ones. */
static void write_durations(const struct job_phases *p, struct json *j)
{
	json_kobj(j, "durations");
	write_span(j, "queuedMs", p->queued, p->assigned);
	write_span(j, "preparedMs", p->assigned, p->started);
	write_span(j, "firstOutputMs", p->started, p->first_output);
	write_span(j, "ranMs", p->started, p->ended);
	write_span(j, "removedMs", p->ended, p->removed);
	write_span(j, "totalMs", p->queued, p->ended);
	json_end(j);
}

static void write_waiting(struct call *c, const struct job *job, struct json *j)
{
	char code[32], words[600];

	json_key(j, "waiting");
	if (!hub_explain(c->hub, job, code, words, sizeof(words))) {
		json_none(j);
		return;
	}
	json_obj(j);
	json_kstr(j, "code", code);
	json_kstr(j, "reason", words);
	json_end(j);
}

/* Of a running job: the fold of its log so far. */
static bool load_running(struct call *c, const struct job *job,
    struct progress *p, struct spec *spec)
{
	char id[UUID_TEXT_LEN];
	struct err err = ERR_INIT;

	if (spec_load(spec, job->spec, &err) < 0)
		return false;
	progress_init(p, spec->nsteps);
	/* A log that cannot be read now shows as steps that wait. */
	IGNORE(progress_load(
	    p, hub_spool(c->hub), uuid_text(job->id.u, id), &err));
	return true;
}

static void write_running(struct call *c, const struct job *job, struct json *j)
{
	CLEANUP(progress_fini) struct progress p = {0};
	CLEANUP(spec_fini) struct spec spec = {0};

	if (load_running(c, job, &p, &spec))
		progress_write(&p, &spec, false, j);
}

static bool write_running_step(
    struct call *c, const struct job *job, size_t index, struct json *j)
{
	CLEANUP(progress_fini) struct progress p = {0};
	CLEANUP(spec_fini) struct spec spec = {0};

	if (!load_running(c, job, &p, &spec) || index >= p.nsteps)
		return false;
	progress_write_step(&p, index, &spec, false, j);
	return true;
}

static bool write_ended_step(
    const struct job *job, size_t index, struct json *j)
{
	json_t *result =
	    job->result != NULL ? json_loads(job->result, 0, NULL) : NULL;
	json_t *step = json_array_get(json_object_get(result, "steps"), index);
	char *text = step != NULL ? json_dumps(step, JSON_COMPACT) : NULL;

	if (text != NULL)
		json_raw(j, text);
	mem_free(text);
	json_decref(result);
	return step != NULL;
}

bool job_write_step(
    struct call *c, const struct job *job, size_t index, struct json *j)
{
	return job_status_is_final(job->status)
		   ? write_ended_step(job, index, j)
		   : write_running_step(c, job, index, j);
}

/* Of an ended job: what its end stored. */
static void write_result(const struct job *job, struct json *j)
{
	json_t *result =
	    job->result != NULL ? json_loads(job->result, 0, NULL) : NULL;
	const char *key;
	json_t *value;

	json_object_foreach(result, key, value)
	{
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

		json_kraw(j, key, text);
		mem_free(text);
	}
	if (result == NULL)
		json_kraw(j, "steps", "[]");
	json_decref(result);
}

static void write_contract_fields(const struct job *job, struct json *j)
{
	char id[UUID_TEXT_LEN];

	json_kstr(j, "id", uuid_text(job->id.u, id));
	json_key(j, "githubJobId");
	if (job->has_github_job_id)
		json_int(j, job->github_job_id);
	else
		json_none(j);
	json_kstr(j, "jobId", job->external_id);
	json_kstr(j, "runId", job->run_id);
	json_kint(j, "attempt", job->attempt);
	json_kstr(j, "repository", job->repository);
	json_kstr(j, "workflow", job->workflow);
	json_kstr(j, "runnerName", job->runner_name);
	json_kstr(j, "status", job_status_name(job->status));
	json_kstr(j, "runnerId", job->runner_id);
	json_kstr(j, "containerId", job->container_id);
	json_kraw(j, "labels", job->labels);
	json_ktime(j, "createdAt", job->created_at);
	json_ktime(j, "startedAt", job->started_at);
	json_ktime(j, "completedAt", job->completed_at);
	json_key(j, "exitCode");
	if (job->has_exit_code)
		json_int(j, job->exit_code);
	else
		json_none(j);
	json_kstr(j, "error",
	    job->status == JOB_FAILED || job->status == JOB_CANCELLED
		? job->reason
		: NULL);
	write_metadata(job, j);
}

/* Of sessions: what was made for it, and until when it is leased. One that
 * asked for nothing has its container. */
static void write_session(const struct job *job, struct json *j)
{
	json_t *made =
	    job->session != NULL ? json_loads(job->session, 0, NULL) : NULL;
	const char *key;
	json_t *value;

	json_kobj(j, "session");
	if (made == NULL) {
		json_kstr(j, "containerId", job->container_id);
		json_kstr(j, "image", job->image);
	}
	json_object_foreach(made, key, value)
	{
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

		json_kraw(j, key, text);
		mem_free(text);
	}
	json_ktime(j, "leaseUntil", job->lease_until);
	json_end(j);
	json_decref(made);
}

void job_write(
    struct call *c, const struct job *job, struct job_view view, struct json *j)
{
	json_obj(j);
	write_contract_fields(job, j);
	json_kstr(j, "code", job->reason_code);
	json_kstr(j, "reason", job->reason);
	json_kstr(j, "parentId", job->parent_id);
	if (job->is_session)
		write_session(job, j);
	else
		json_kraw(j, "session", "null");
	json_kint(j, "priority", job->priority);
	json_kstr(j, "image", job->image);
	json_kint(j, "tries", job->tries);
	json_kbool(j, "cancelRequested", job->cancel_requested);
	json_kbool(j, "hasSecrets", job->has_secrets);
	json_ktime(j, "leaseUntil", job->lease_until);
	if (view.waiting)
		write_waiting(c, job, j);
	write_phases(&job->phases, j);
	write_durations(&job->phases, j);
	if (view.steps && job_status_is_final(job->status))
		write_result(job, j);
	else if (view.steps)
		write_running(c, job, j);
	json_end(j);
}
