/*
 * Delegation, cancel, and what a proxy says of its session: the API's calls
 * into the hub. Handler threads; the insert's completion runs on the store's
 * writer thread and only queues and answers.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "jobs/hub_internal.h"

enum { END_SHOWN_MS = 3000, END_LOOK_MS = 5 };

struct pending_insert {
	struct hub *hub;
	char *repository;
	struct schedule_job entry;
	store_insert_done done;
	void *arg;
};

/* On disk now: queue it, answer. */
static void inserted(void *arg, enum job_insert_result r, job_id id,
    enum job_status status, const struct err *err)
{
	struct pending_insert *p = arg;
	struct err add = ERR_INIT;
	struct ctx ctx = ctx_root();

	/* A conflict: recovery has found it in the store before us. */
	if (r == JOB_INSERTED &&
	    schedule_add(p->hub->schedule, &p->entry, p->repository, &add) <
		0 &&
	    add.kind != ERR_CONFLICT)
		log_error(
		    &ctx, "a stored job could not be queued", LOG_ERR(&add));
	if (r == JOB_INSERTED)
		atomic_fetch_add(&p->hub->meters.delegated, 1);
	p->done(p->arg, r, id, status, err);
	mem_free(p->repository);
	mem_free(p);
}

static int may_delegate(struct hub *h, struct err *err)
{
	struct hub_disk disk;
	bool stopping;

	mtx_lock(&h->mtx);
	stopping = h->stopping;
	disk = h->disk;
	mtx_unlock(&h->mtx);
	if (stopping)
		return err_set(err, ERR_UNAVAILABLE, "draining",
		    "the hub is shutting down: delegate again in a moment");
	if (disk.full)
		return err_set(err, ERR_UNAVAILABLE, "disk_full",
		    "the disk of the state directory has %lld MiB left, below "
		    "the reserve of %lld MiB (disk.reserve): free some space",
		    (long long)(disk.free_bytes >> 20),
		    (long long)(disk.reserve_bytes >> 20));
	if (!schedule_has_room(h->schedule))
		return err_set(err, ERR_UNAVAILABLE, "queue_full",
		    "%lld jobs wait already (jobs.queueMax): delegate again "
		    "later",
		    (long long)h->options->queue_max);
	return 0;
}

/* Borrowed strings: the store copies what it needs. */
static void fill_job(struct job *job, const struct request *r)
{
	*job = (struct job){.id = {uuid_v7()},
	    .external_id = r->external_id,
	    .has_github_job_id = r->has_github_job_id,
	    .github_job_id = r->github_job_id,
	    .run_id = r->run_id,
	    .attempt = (int)r->attempt,
	    .repository = r->repository,
	    .workflow = r->workflow,
	    .runner_name = r->runner_name,
	    .labels = r->labels,
	    .metadata = r->metadata,
	    .spec = r->spec,
	    .is_session = r->is_session,
	    .priority = (int)r->priority,
	    .status = JOB_QUEUED};
	job->created_at = clock_wall_ns();
	job->phases.queued = job->created_at;
}

int hub_delegate(struct hub *h, const struct request *r, store_insert_done done,
    void *arg, struct err *err)
{
	struct pending_insert *p;
	struct job_new new = {0};

	TRY(may_delegate(h, err));
	fill_job(&new.job, r);
	new.spec_hash =
	    store_content_hash(h->store, r->canonical, strlen(r->canonical));
	if (r->secrets != NULL)
		new.secrets = secret_expose(r->secrets, &new.secrets_len);
	p = mem_zalloc(sizeof(*p));
	*p = (struct pending_insert){.hub = h,
	    .repository = mem_strdup(r->repository),
	    .done = done,
	    .arg = arg};
	hub_schedule_entry(h, &new.job, &p->entry);
	if (store_job_insert(h->store, &new, inserted, p, err) == 0)
		return 0;
	mem_free(p->repository);
	mem_free(p);
	return -1;
}

/* -- cancel ------------------------------------------------------------ */

/* Taken out of the queue for an end that the store refused. */
static void queue_again(struct hub *h, job_id id)
{
	CLEANUP(job_fini) struct job job = {0};
	struct err err = ERR_INIT;
	struct ctx ctx = ctx_root();

	if (store_job_get(h->store, id, &job, &err) <= 0 ||
	    hub_schedule_job(h, &job, job.not_before, &err) < 0)
		log_error(&ctx, "a waiting job could not be queued again",
		    LOG_ERR(&err));
}

/* An earlier attempt may have begun its log. */
static int end_waiting(
    struct hub *h, job_id id, const struct job_change *change, struct err *err)
{
	char text[UUID_TEXT_LEN];

	if (store_job_transition(h->store, id, change, err) < 0) {
		if (err->kind != ERR_CONFLICT)
			queue_again(h, id);
		return -1;
	}
	spool_finish(h->spool, uuid_text(id.u, text), clock_wall_ns());
	return 0;
}

int hub_cancel(struct hub *h, job_id id, const char *who, enum job_status *ret,
    struct err *err)
{
	struct job_change change = {.from = {JOB_QUEUED, JOB_PENDING},
	    .to = JOB_CANCELLED,
	    .reason_code = "cancelled",
	    .reason = "cancelled while it waited"};

	TRY(store_job_request_cancel(h->store, id, who, ret, err));
	if (job_status_is_final(*ret))
		return 0;
	/* The wish is on disk: whoever takes the job from now on sees it. */
	if (schedule_remove(h->schedule, id)) {
		if (end_waiting(h, id, &change, err) == 0 ||
		    err->kind != ERR_CONFLICT)
			return err->kind == ERR_NONE ? 0 : -1;
		err_clear(err); /* a carrier was faster */
	}
	IGNORE(live_cancel(h->live, id)); /* else it has just ended */
	return 0;
}

/* -- sessions ---------------------------------------------------------- */

static int renew(struct hub *h, const struct job *job, const char *runner_id,
    struct err *err)
{
	struct job_change note = {
	    .lease_until =
		clock_wall_ns() + h->options->lease_ms * CLOCK_NS_PER_MS,
	    .runner_id = runner_id};

	IGNORE(live_renew(h->live, job->id, note.lease_until)); /* or over */
	return store_job_note(h->store, job->id, &note, NULL, err);
}

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

static int end_session(struct hub *h, const struct job *job,
    enum job_status status, struct err *err)
{
	struct job_change change = {.from = {JOB_QUEUED, JOB_PENDING},
	    .to = status,
	    .reason_code =
		status == JOB_FAILED ? "session_failed" : "cancelled",
	    .reason = "ended by its proxy before it ran"};

	if (!job_status_may_follow(job->status, status))
		return err_set(err, ERR_CONFLICT, "job_transition",
		    "A %s session cannot become %s",
		    job_status_name(job->status), job_status_name(status));
	if (schedule_remove(h->schedule, job->id))
		return end_waiting(h, job->id, &change, err);
	if (live_end_session(h->live, job->id, status)) {
		await_end(h, job->id);
		return 0;
	}
	return err_set(err, ERR_CONFLICT, "job_state",
	    "The session is starting or ending: ask again in a moment");
}

static int with_job(struct hub *h, const struct job *job,
    enum job_status status, const char *runner_id, struct err *err)
{
	if (!job->is_session)
		return err_set(err, ERR_CONFLICT, "not_a_session",
		    "The hub drives this job itself: its status cannot be set");
	if (job->status == status && job_status_is_final(status))
		return 0; /* said twice */
	if (job_status_is_final(status))
		return end_session(h, job, status, err);
	if (job->status != JOB_RUNNING || status != JOB_RUNNING)
		return err_set(err, ERR_CONFLICT, "job_transition",
		    "A %s session cannot become %s",
		    job_status_name(job->status), job_status_name(status));
	return renew(h, job, runner_id, err);
}

int hub_session_status(struct hub *h, job_id id, enum job_status status,
    const char *runner_id, struct err *err)
{
	CLEANUP(job_fini) struct job job = {0};
	int found = store_job_get(h->store, id, &job, err);

	if (found == 0)
		return err_set(
		    err, ERR_NOT_FOUND, "job_not_found", "Job not found");
	TRY(found);
	return with_job(h, &job, status, runner_id, err);
}

/* -- why it waits ------------------------------------------------------ */

/* What the queue knows only by its code, in the words of whoever knows. */
static void add_detail(struct hub *h, const struct job *job, char code[32],
    char *words, size_t size)
{
	struct hub_engine_state engine;
	size_t n;

	if (strcmp(code, "engine_down") == 0) {
		hub_engine_state(h, &engine);
		if (engine.error[0] != '\0')
			snprintf(words, size,
			    "the container engine cannot be used; jobs start "
			    "again when it can: %s",
			    engine.error);
	} else if (strcmp(code, "retry") == 0 && job->reason != NULL) {
		n = strlen(words);
		snprintf(words + n, size - n, ": %s", job->reason);
		if (job->reason_code != NULL)
			snprintf(code, 32, "%s", job->reason_code);
	}
}

bool hub_explain(struct hub *h, const struct job *job, char code[32],
    char *words, size_t size)
{
	if (job_status_is_final(job->status) || job->status == JOB_RUNNING)
		return false;
	if (schedule_explain(h->schedule, job->id, code, words, size)) {
		add_detail(h, job, code, words, size);
		return true;
	}
	snprintf(code, 32, "starting");
	snprintf(words, size, "its container is being prepared");
	return true;
}
