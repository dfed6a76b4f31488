/*
 * Delegation, cancel, and why a job waits: the API's calls into the hub.
 * Handler threads; the insert's completion runs on the store's writer thread
 * and only queues and answers. How sessions end is in session_end.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "jobs/hub_internal.h"
#include "jobs/named.h"
#include "jobs/registries.h"
#include "jobs/spec.h"

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

static int may_delegate(struct hub *h, bool inside, struct err *err)
{
	struct hub_disk disk;
	bool stopping, emptying;

	mtx_lock(&h->mtx);
	stopping = h->stopping;
	emptying = h->queue_mode == QUEUE_DRAINING && !inside;
	disk = h->disk;
	mtx_unlock(&h->mtx);
	if (stopping)
		return err_set(err, ERR_UNAVAILABLE, "draining",
		    "the hub is shutting down: delegate again in a moment");
	if (emptying)
		return err_set(err, ERR_UNAVAILABLE, "queue_draining",
		    "an administrator is emptying this hub: it takes no new "
		    "jobs until runnerhub queue resume");
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
int hub_end_waiting(
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

int hub_cancel(struct hub *h, job_id id, const char *who, const char *words,
    enum job_status *ret, struct err *err)
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
		if (hub_end_waiting(h, id, &change, err) == 0 ||
		    err->kind != ERR_CONFLICT)
			return err->kind == ERR_NONE ? 0 : -1;
		err_clear(err); /* a carrier was faster */
	}
	IGNORE(live_cancel(h->live, id, words)); /* else it has just ended */
	return 0;
}

/* -- delegation -------------------------------------------------------- */

/* One generation: children need no slot, and if each could have its own there
 * would be no end of them. */
static int has_no_children(const struct request *r, struct err *err)
{
	CLEANUP(spec_fini) struct spec spec = {.root = NULL};

	TRY(spec_load(&spec, r->spec, err));
	if (spec_nested_work(&spec) == NULL)
		return 0;
	return err_set(err, ERR_INVALID, "invalid_field",
	    "Field \"nested\": a session inside of another one cannot have "
	    "sessions inside");
}

/* A child starts beside its parent, which must run and have room. Keeps a
 * place for it. */
static int may_be_child(struct hub *h, const struct request *r,
    const struct pending_insert *p, struct err *err)
{
	CLEANUP(job_fini) struct job parent = {0};
	int found;

	if (!p->entry.child || !p->entry.session)
		return err_set(err, ERR_INVALID, "not_a_session",
		    "Inside of a session only sessions are opened: a "
		    "delegation without steps");
	TRY(has_no_children(r, err));
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

	TRY(may_delegate(h, r->parent_id != NULL, err));
	TRY(named_check(h, r, err));
	TRY(hub_replace_older(h, r, err));
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
	if (r->parent_id != NULL && may_be_child(h, r, p, err) < 0) {
		p->entry.child = false; /* it has no place */
		forget_insert(p);
		return -1;
	}
	if (store_job_insert(h->store, &new, inserted, p, err) == 0)
		return 0;
	forget_insert(p);
	return -1;
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
