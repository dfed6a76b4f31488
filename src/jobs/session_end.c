/*
 * How sessions end before their lease does: as their proxy says, with the
 * session in which they were opened, or for the next job of their runner.
 * Handler threads, and the carrier of a parent.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "jobs/hub_internal.h"

enum { END_SHOWN_MS = 3000, END_LOOK_MS = 5, REPLACED_MAX = 100 };

/* -- as its proxy says ------------------------------------------------- */

/* The carrier stores the end in a moment: the answer shall show it. One that
 * takes longer (a full disk) is answered as it stands. */
static void await_end(struct hub *h, job_id id)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, END_SHOWN_MS);
	struct err err = ERR_INIT;
	bool over = false;

	while (!over) {
		CLEANUP(job_fini) struct job job = {0};

		over = store_job_get(h->store, id, &job, &err) <= 0 ||
		       job_status_is_final(job.status) ||
		       ctx_sleep(&ctx, END_LOOK_MS, &err) < 0;
	}
}

/* What a proxy says of an end, in the words that the job keeps. */
static void words_of_end(
    const struct session_end *end, bool ran, struct live_end *ret)
{
	*ret = (struct live_end){.status = end->status,
	    .has_exit_code = end->has_exit_code,
	    .exit_code = end->exit_code};
	if (end->status == JOB_COMPLETED && end->error == NULL)
		return;
	if (end->status != JOB_COMPLETED)
		snprintf(ret->code, sizeof(ret->code), "%s",
		    end->status == JOB_FAILED ? "session_failed" : "cancelled");
	if (end->error != NULL)
		snprintf(ret->words, sizeof(ret->words), "%s", end->error);
	else if (!ran)
		snprintf(ret->words, sizeof(ret->words),
		    "ended by its proxy before it ran");
	else
		snprintf(ret->words, sizeof(ret->words), "%s",
		    end->status == JOB_FAILED
			? "the proxy reported that its session failed"
			: "the proxy cancelled its session");
}

/* 1: it ends, 0: nobody has it (it is starting or ending), -1. */
static int end_session(
    struct hub *h, job_id id, const struct live_end *end, struct err *err)
{
	struct job_change change = {.from = {JOB_QUEUED, JOB_PENDING},
	    .to = end->status,
	    .set_exit_code = end->has_exit_code,
	    .exit_code = end->exit_code,
	    .reason_code = end->code[0] != '\0' ? end->code : NULL,
	    .reason = end->words[0] != '\0' ? end->words : NULL};

	if (schedule_remove(h->schedule, id))
		return hub_end_waiting(h, id, &change, err) < 0 ? -1 : 1;
	return live_end_session(h->live, id, end) ? 1 : 0;
}

static int end_by_proxy(struct hub *h, const struct job *job,
    const struct session_end *end, struct err *err)
{
	struct live_end words;
	int r;

	if (!job_status_may_follow(job->status, end->status))
		return err_set(err, ERR_CONFLICT, "job_transition",
		    "A %s session cannot become %s",
		    job_status_name(job->status), job_status_name(end->status));
	words_of_end(end, job->status == JOB_RUNNING, &words);
	r = end_session(h, job->id, &words, err);
	TRY(r);
	if (r == 0)
		return err_set(err, ERR_CONFLICT, "job_state",
		    "The session is starting or ending: ask again in a moment");
	await_end(h, job->id);
	return 0;
}

static int get_session(
    struct hub *h, job_id id, struct job *ret, struct err *err)
{
	int found = store_job_get(h->store, id, ret, err);

	if (found == 0)
		return err_set(
		    err, ERR_NOT_FOUND, "job_not_found", "Job not found");
	TRY(found);
	if (!ret->is_session)
		return err_set(err, ERR_CONFLICT, "not_a_session",
		    "The hub drives this job itself: its status cannot be set");
	return 0;
}

int hub_session_complete(
    struct hub *h, job_id id, const struct session_end *end, struct err *err)
{
	CLEANUP(job_fini) struct job job = {0};

	ASSERT(job_status_is_final(end->status));
	TRY(get_session(h, id, &job, err));
	if (job.status == end->status)
		return 0; /* said twice */
	return end_by_proxy(h, &job, end, err);
}

int hub_session_status(struct hub *h, job_id id, enum job_status status,
    const char *runner_id, struct err *err)
{
	struct session_end end = {.status = status};
	CLEANUP(job_fini) struct job job = {0};

	if (job_status_is_final(status))
		return hub_session_complete(h, id, &end, err);
	TRY(get_session(h, id, &job, err));
	if (job.status != JOB_RUNNING || status != JOB_RUNNING)
		return err_set(err, ERR_CONFLICT, "job_transition",
		    "A %s session cannot become %s",
		    job_status_name(job.status), job_status_name(status));
	return hub_renew_lease(h, id, runner_id, err);
}

/* -- families ---------------------------------------------------------- */

void hub_end_children(
    struct hub *h, const char *parent, const struct live_end *end)
{
	struct ctx ctx = ctx_root();
	struct err err = ERR_INIT;
	job_id id, of;

	while (uuid_parse(parent, &of.u) == 0 &&
	       schedule_next_child(h->schedule, of, &id)) {
		err_clear(&err);
		if (end_session(h, id, end, &err) < 0 &&
		    err.kind != ERR_CONFLICT) {
			log_warn(&ctx, "cannot end a waiting child session",
			    LOG_ERR(&err));
			break; /* it looks for its parent when it starts */
		}
	}
	live_end_children(h->live, parent, end);
}

/* -- one job at a time -------------------------------------------------- */

/* Containers are asked for: by a hook or a relay, for the one job that its
 * runner runs now. */
static bool is_runners_job(const struct request *r)
{
	static const char *const keys[] = {"container", "services", "nested"};
	json_t *spec;
	bool asks = false;

	if (r->runner_id == NULL || r->parent_id != NULL || !r->is_session)
		return false;
	spec = json_loads(r->spec, 0, NULL);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		asks |= json_object_get(spec, keys[i]) != NULL;
	json_decref(spec);
	return asks;
}

static bool is_same(const struct job *job, const struct request *r)
{
	return job->attempt == r->attempt &&
	       strcmp(job->repository, r->repository) == 0 &&
	       strcmp(job->run_id, r->run_id) == 0 &&
	       strcmp(job->external_id, r->external_id) == 0;
}

static int replace_one(struct hub *h, const struct job *job, struct err *err)
{
	static const struct live_end end = {.status = JOB_CANCELLED,
	    .code = "replaced",
	    .words = "its runner has begun another job"};
	enum job_status was;
	int r = end_session(h, job->id, &end, err);

	if (r > 0 || (r < 0 && err->kind == ERR_CONFLICT)) {
		err_clear(err);
		return 0;
	}
	TRY(r);
	/* Nobody has it in hand yet: whoever takes it sees the wish. */
	return hub_cancel(h, job->id, "its runner's next job", NULL, &was, err);
}

/* The sessions of jobs that its runner has left behind. */
int hub_replace_older(struct hub *h, const struct request *r, struct err *err)
{
	static const enum job_status open[] = {
	    JOB_PENDING, JOB_QUEUED, JOB_ASSIGNED, JOB_RUNNING};

	if (!is_runners_job(r))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(open); i++) {
		CLEANUP(job_list_free) struct job_list l = {0};
		struct job_filter f = {.runner_id = r->runner_id,
		    .status = open[i],
		    .page = 1,
		    .limit = REPLACED_MAX};

		TRY(store_job_list(h->store, &f, &l, err));
		for (size_t k = 0; k < l.n; k++)
			if (l.items[k].is_session &&
			    l.items[k].parent_id == NULL &&
			    !is_same(&l.items[k], r))
				TRY(replace_one(h, &l.items[k], err));
	}
	return 0;
}
