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
#include "jobs/registries.h"

enum { END_SHOWN_MS = 3000, END_LOOK_MS = 5 };

struct pending_insert {
	struct hub *hub;
	char *repository;
	struct schedule_job entry;
	struct secret *registries; /* NULL: none */
	store_insert_done done;
	void *arg;
};

static void forget_insert(struct pending_insert *p)
{
	if (p->entry.child)
		schedule_unreserve_child(p->hub->schedule, p->entry.parent);
	secret_free(p->registries);
	mem_free(p->repository);
	mem_free(p);
}

/* On disk now: queue it, answer. */
static void inserted(void *arg, enum job_insert_result r, job_id id,
    enum job_status status, const struct err *err)
{
	struct pending_insert *p = arg;
	struct err add = ERR_INIT;
	struct ctx ctx = ctx_root();

	/* Also of one that is there already: a restarted hub has lost them. */
	if (r != JOB_INSERT_FAILED && p->registries != NULL &&
	    !job_status_is_final(status))
		registries_put(p->hub->registries, id.u, p->registries);
	/* A conflict: recovery has found it in the store before us. */
	if (r == JOB_INSERTED &&
	    hub_queue(p->hub, &p->entry, p->repository, &add) < 0 &&
	    add.kind != ERR_CONFLICT)
		log_error(
		    &ctx, "a stored job could not be queued", LOG_ERR(&add));
	if (r == JOB_INSERTED)
		atomic_fetch_add(&p->hub->meters.delegated, 1);
	p->done(p->arg, r, id, status, err);
	forget_insert(p);
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
	    .runner_id = (char *)r->runner_id,
	    .parent_id = (char *)r->parent_id,
	    .labels = r->labels,
	    .metadata = r->metadata,
	    .spec = r->spec,
	    .is_session = r->is_session,
	    .priority = (int)r->priority,
	    .status = JOB_QUEUED};
	job->created_at = clock_wall_ns();
	job->phases.queued = job->created_at;
}

/* A child starts beside its parent, which must run and have room. Keeps a
 * place for it. */
static int may_be_child(
    struct hub *h, const struct pending_insert *p, struct err *err)
{
	CLEANUP(job_fini) struct job parent = {0};
	int found;

	if (!p->entry.child || !p->entry.session)
		return err_set(err, ERR_INVALID, "not_a_session",
		    "Inside of a session only sessions are opened: a "
		    "delegation without steps");
	found = store_job_get(h->store, p->entry.parent, &parent, err);
	TRY(found);
	if (found == 0 || parent.status != JOB_RUNNING)
		return err_set(err, ERR_CONFLICT, "session_not_running",
		    "The session in which it shall be opened does not run");
	if (!schedule_reserve_child(h->schedule, p->entry.parent))
		return err_set(err, ERR_LIMIT, "too_many_sessions",
		    "The session has %d open sessions inside: end one first",
		    SCHEDULE_CHILDREN_MAX);
	return 0;
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
	    .registries =
		r->registries != NULL ? secret_copy(r->registries) : NULL,
	    .done = done,
	    .arg = arg};
	hub_schedule_entry(h, &new.job, &p->entry);
	if (r->parent_id != NULL && may_be_child(h, p, err) < 0) {
		p->entry.child = false; /* it has no place */
		forget_insert(p);
		return -1;
	}
	if (store_job_insert(h->store, &new, inserted, p, err) == 0)
		return 0;
	forget_insert(p);
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
		return end_waiting(h, id, &change, err) < 0 ? -1 : 1;
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
