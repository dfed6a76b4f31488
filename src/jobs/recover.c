/*
 * After a start: the store leads, the engine is the witness. What waits is
 * queued, what runs is adopted, what was being started is started again,
 * what has ended without us is told, what nobody owns is removed. Runs on
 * the watcher's thread, before the gate GATE_STARTING opens.
 */
#include <signal.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "jobs/progress.h"
#include "jobs/session.h"
#include "jobs/spec.h"

enum { PAGE = 500 };

/* Calls fn for each job that has not ended, oldest first. */
static int each_open(struct hub *h,
    int (*fn)(struct hub *h, const struct job *job, void *arg, struct err *err),
    void *arg, struct err *err)
{
	job_id after;
	bool more = true, first = true;

	while (more) {
		CLEANUP(job_list_free) struct job_list l = {0};

		TRY(store_job_list_open(
		    h->store, first ? NULL : &after, PAGE, &l, err));
		for (size_t i = 0; i < l.n; i++)
			TRY(fn(h, &l.items[i], arg, err));
		more = l.n == PAGE;
		if (l.n > 0)
			after = l.items[l.n - 1].id;
		first = false;
	}
	return 0;
}

/* -- what waits -------------------------------------------------------- */

/* A conflict: it came in this moment, and is queued already. */
static int queue_waiting(
    struct hub *h, const struct job *job, void *arg, struct err *err)
{
	(void)arg;
	if (job->status != JOB_QUEUED && job->status != JOB_PENDING)
		return 0;
	if (hub_schedule_job(h, job, job->not_before, err) == 0)
		return 0;
	if (err->kind != ERR_CONFLICT)
		return -1;
	err_clear(err);
	return 0;
}

int hub_recover_queue(struct hub *h, struct err *err)
{
	return each_open(h, queue_waiting, NULL, err);
}

/* -- what was being started -------------------------------------------- */

/* No step has begun: its container goes, the job waits again. */
static int requeue(struct hub *h, const struct job *job, struct err *err)
{
	struct job_change to_pending = {.from = {JOB_ASSIGNED},
	    .to = JOB_PENDING,
	    .reason_code = "hub_restarted",
	    .reason = "the hub was restarted while the job was starting",
	    .clear_container = true};
	struct job_change to_queued = {.from = {JOB_PENDING},
	    .to = JOB_QUEUED,
	    .reason_code = "hub_restarted",
	    .reason = "queued again"};

	TRY(store_job_transition(h->store, job->id, &to_pending, err));
	FAULT("recover_requeue");
	TRY(store_job_transition(h->store, job->id, &to_queued, err));
	return hub_schedule_job(h, job, 0, err);
}

/* -- what runs --------------------------------------------------------- */

/* Whoever follows a step of a session gets its end. */
static void cut_steps(struct hub *h, const char *id, struct progress *p,
    const char *words, struct err *err)
{
	const struct progress_cut cut = {
	    .exit_code = 128 + SIGKILL, .reason = words};
	CLEANUP(buf_fini) struct buf note = {0};
	struct spool_record rec;
	struct spool_log *log;
	uint64_t off;
	size_t at = 0;

	if (spool_log_open(h->spool, id, &log, &off, err) < 0)
		return;
	buf_init(&note, 8192);
	while (progress_cut_next(p, &at, &cut, &note, &rec) &&
	       spool_append(log, &rec, 1, err) == 0)
		progress_fold(p, &rec);
	spool_log_close(log);
}

/* The result that the log still knows. */
static char *result_from_log(
    struct hub *h, const struct job *job, const char *words)
{
	CLEANUP(progress_fini) struct progress p = {0};
	CLEANUP(spec_fini) struct spec spec = {0};
	char id[UUID_TEXT_LEN];
	struct err err = ERR_INIT;

	uuid_text(job->id.u, id);
	if (spec_load(&spec, job->spec, &err) < 0)
		return NULL;
	progress_init(&p, spec.nsteps);
	if (progress_load(&p, h->spool, id, &err) == 0 && job->is_session)
		cut_steps(h, id, &p, words, &err);
	if (err.kind != ERR_NONE)
		log_warn(NULL, "cannot read or end the log of a lost job",
		    LOG_STR("job", id), LOG_ERR(&err));
	return progress_result(&p, &spec);
}

/* Its log has ended; one that nobody shall keep goes. */
static void end_log(struct hub *h, const struct job *job)
{
	CLEANUP(spec_fini) struct spec spec = {0};
	char id[UUID_TEXT_LEN];
	struct err err = ERR_INIT;

	spool_finish(h->spool, uuid_text(job->id.u, id), clock_wall_ns());
	if (spec_load(&spec, job->spec, &err) == 0 && !spec_keeps_log(&spec) &&
	    spool_remove(h->spool, id, &err) < 0)
		log_warn(NULL, "cannot remove a session's log",
		    LOG_STR("job", id), LOG_ERR(&err));
}

static int end_lost(
    struct hub *h, const struct job *job, const char *words, struct err *err)
{
	CLEANUP(mem_free) char *result = result_from_log(h, job, words);
	struct job_change change = {.from = {JOB_RUNNING},
	    .to = job->cancel_requested ? JOB_CANCELLED : JOB_FAILED,
	    .reason_code = "container_lost",
	    .reason = words,
	    .result = result,
	    .phases = {.ended = clock_wall_ns()}};

	TRY(store_job_transition(h->store, job->id, &change, err));
	end_log(h, job);
	return 0;
}

/* No thread for the last one of the list: the next attempt adopts anew. */
static void take_back(struct hub *h)
{
	struct adopted *a = hub_take_adopted(h);

	if (a == NULL)
		return;
	schedule_release(h->schedule, &a->grant);
	sandbox_leave(h->sandboxes, a->sandbox);
	mem_free(a);
}

static int hand_over(
    struct hub *h, const struct job *job, struct sandbox *sb, struct err *err)
{
	struct adopted *a = mem_zalloc(sizeof(*a));
	struct schedule_job entry;

	hub_schedule_entry(h, job, &entry);
	a->id = job->id;
	a->sandbox = sb;
	schedule_occupy(h->schedule, &entry, job->repository, &a->grant);
	mtx_lock(&h->mtx);
	a->next = h->adopted;
	h->adopted = a;
	mtx_unlock(&h->mtx);
	if (hub_start_adopter(h, err) == 0)
		return 0;
	take_back(h);
	return -1;
}

static int adopt(struct hub *h, const struct ctx *ctx, const struct job *job,
    struct err *err)
{
	struct sandbox *sb = NULL;
	struct err why = ERR_INIT;

	if (job->sandbox_id == NULL || job->container_id == NULL)
		return end_lost(h, job, "its container is not known", err);
	if (sandbox_adopt(h->sandboxes, ctx, job->sandbox_id, job->container_id,
		&sb, &why) == 0)
		return hand_over(h, job, sb, err);
	if (why.kind == ERR_UNAVAILABLE || why.kind == ERR_TIMEOUT) {
		*err = why; /* the engine went away again: later */
		return -1;
	}
	IGNORE(err_wrap(&why,
	    "while the hub was away its container ended")); /* why is set */
	return end_lost(h, job, why.msg, err);
}

static int recover_one(
    struct hub *h, const struct job *job, void *arg, struct err *err)
{
	char id[UUID_TEXT_LEN];
	struct ctx ctx = ctx_with_field(arg, "job", uuid_text(job->id.u, id));

	switch (job->status) {
	case JOB_QUEUED:
	case JOB_PENDING:
		return queue_waiting(h, job, NULL, err);
	case JOB_ASSIGNED:
		log_info(&ctx, "job was starting, queued again");
		return requeue(h, job, err);
	case JOB_RUNNING:
		return adopt(h, &ctx, job, err);
	case JOB_COMPLETED:
	case JOB_FAILED:
	case JOB_CANCELLED:
		break;
	}
	WRONG("an open job in a final state");
}

/* A second try, after the engine went away in the middle, passes over what
 * the first has done. */
static int recover_job(
    struct hub *h, const struct job *job, void *arg, struct err *err)
{
	bool adopted = false;
	char code[32], words[8];

	mtx_lock(&h->mtx);
	for (const struct adopted *a = h->adopted; a != NULL; a = a->next)
		adopted |= uuid_equal(a->id.u, job->id.u);
	mtx_unlock(&h->mtx);
	if (adopted || live_is_in_hand(h->live, job->id) ||
	    schedule_explain(h->schedule, job->id, code, words, sizeof(words)))
		return 0;
	return recover_one(h, job, arg, err);
}

/* -- what nobody owns -------------------------------------------------- */

static bool keep_nothing(
    void *arg, const char *container_id, const char *sandbox_id)
{
	(void)arg;
	(void)container_id;
	(void)sandbox_id;
	return false;
}

int hub_collect(struct hub *h, const struct ctx *ctx, struct err *err)
{
	int n = sandboxes_collect(h->sandboxes, ctx, keep_nothing, NULL, err);

	if (n > 0)
		log_info(ctx, "removed leftover containers", LOG_INT("n", n));
	TRY(n);
	return hub_sweep_sessions(h, ctx, err);
}

int hub_recover(struct hub *h, const struct ctx *ctx, struct err *err)
{
	struct ctx mine = *ctx;

	FAULT("before_recover");
	TRY(each_open(h, recover_job, &mine, err));
	FAULT("after_adopt");
	/* One that died between the look at it and its adoption. */
	TRY(sandboxes_reconcile(h->sandboxes, ctx, false, err));
	return hub_collect(h, ctx, err);
}
