/*
 * Running an ended job again: what the store still has of it becomes a
 * delegation with the next attempt. Handler threads.
 */
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "jobs/hub_internal.h"

static int may_retry(const struct job *job, struct err *err)
{
	if (!job_status_is_final(job->status))
		return err_set(err, ERR_CONFLICT, "job_not_ended",
		    "The job is %s: only one that has ended can be run again",
		    job_status_name(job->status));
	if (job->is_session)
		return err_set(err, ERR_CONFLICT, "is_session",
		    "The job is a session, which its proxy drives: run it "
		    "again where it comes from");
	if (job->has_secrets)
		return err_set(err, ERR_CONFLICT, "secrets_gone",
		    "The job had secrets, which the hub deletes when a job "
		    "ends: delegate it again, with them");
	if (job->attempt >= REQUEST_ATTEMPT_MAX)
		return err_set(err, ERR_CONFLICT, "too_many_attempts",
		    "The job is attempt %d, there is none after that",
		    job->attempt);
	return 0;
}

/* Where it comes from stays with it. */
static char *metadata_of(const struct job *job, const char *id)
{
	json_t *meta = json_loads(job->metadata, 0, NULL);
	char *text;

	if (meta == NULL)
		meta = json_object();
	json_object_set_new(meta, "retryOf", json_string(id));
	json_object_del(meta, "traceParent"); /* of the call that asks now */
	text = json_dumps(meta, JSON_COMPACT);
	json_decref(meta);
	return text;
}

/* The same retry has the same content, whenever it is asked for. */
static void make_request(const struct job *job, struct request *r)
{
	char id[UUID_TEXT_LEN];

	uuid_text(job->id.u, id);
	*r = (struct request){.external_id = mem_strdup(job->external_id),
	    .run_id = mem_strdup(job->run_id),
	    .repository = mem_strdup(job->repository),
	    .workflow = mem_strdup_or_null(job->workflow),
	    .runner_name = mem_strdup_or_null(job->runner_name),
	    .labels = mem_strdup(job->labels),
	    .metadata = metadata_of(job, id),
	    .spec = mem_strdup(job->spec),
	    .canonical = mem_printf("retry %s", id),
	    .attempt = job->attempt + 1,
	    .priority = job->priority,
	    .has_github_job_id = job->has_github_job_id,
	    .github_job_id = job->github_job_id};
}

int hub_retry(struct hub *h, const struct hub_retry *again,
    store_insert_done done, void *arg, struct err *err)
{
	CLEANUP(job_fini) struct job job = {0};
	CLEANUP(request_fini) struct request r = {0};
	int found = store_job_get(h->store, again->id, &job, err);

	TRY(found);
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, "job_not_found",
		    "there is no such job");
	TRY(may_retry(&job, err));
	make_request(&job, &r);
	request_set_origin(&r, again->request_id, again->trace);
	request_set_actor(&r, again->actor);
	return hub_delegate(h, &r, done, arg, err);
}
