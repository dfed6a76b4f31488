/*
 * The registry's clock: who has missed its heartbeats, who has become busy or
 * idle by what it opened, and who may go. A thread of its own; wakes for jobs
 * that change, at most a few times a second, and else once an interval.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/run.h"
#include "runners/runners_internal.h"
#include "store/jobs.h"

enum {
	SCAN_APART_MS = 200, /* between two looks at jobs */
	STARTING_MS = 60000, /* a proxy may take so long to its first beat */
	LOOK_TIMEOUT_MS = 60000,
	OPEN_JOBS_LOOKED_AT = 20,
};

/* -- busy with --------------------------------------------------------- */

/* A relay's session holds others: the outermost is the job. */
int runner_open_job(
    struct runners *r, runner_id id, char ret[UUID_TEXT_LEN], struct err *err)
{
	CLEANUP(job_list_free) struct job_list l = {0};
	char text[UUID_TEXT_LEN];
	struct job_filter f = {.runner_id = uuid_text(id.u, text),
	    .page = 1,
	    .limit = OPEN_JOBS_LOOKED_AT};

	ret[0] = '\0';
	TRY(store_job_list(r->config.store, &f, &l, err));
	for (size_t i = 0; i < l.n && ret[0] == '\0'; i++)
		if (!job_status_is_final(l.items[i].status) &&
		    l.items[i].parent_id == NULL)
			uuid_text(l.items[i].id.u, ret);
	return 0;
}

/* Under the lock: what it is now, not what the list said. */
static int note_job(struct runners *r, runner_id id, struct err *err)
{
	CLEANUP(runner_fini) struct runner row = {0};
	char job[UUID_TEXT_LEN];
	struct runner_change change = {.job_id = job};

	TRY(runner_need(r, id, &row, err));
	TRY(runner_open_job(r, id, job, err));
	if (strcmp(job, row.job_id != NULL ? row.job_id : "") == 0)
		return 0;
	if (job[0] != '\0') {
		change.heartbeat = true;
		if (runner_is(&row, "idle") || runner_is(&row, "offline"))
			change.status = "busy";
	} else if (runner_is(&row, "busy"))
		change.status = "idle";
	return store_runner_change(r->config.store, id, &change, err);
}

static int look_at_job(void *arg, const struct runner *row, struct err *err)
{
	struct runners *r = arg;
	char job[UUID_TEXT_LEN];
	int rc;

	TRY(runner_open_job(r, row->id, job, err));
	if (strcmp(job, row->job_id != NULL ? row->job_id : "") == 0)
		return 0;
	mtx_lock(&r->life);
	rc = note_job(r, row->id, err);
	mtx_unlock(&r->life);
	if (rc == 0 || err->kind != ERR_NOT_FOUND)
		return rc;
	err_clear(err); /* removed meanwhile */
	return 0;
}

/* -- heartbeats -------------------------------------------------------- */

/* Who drives a job is there: its lease tells when no longer. Runners that
 * nobody supervises send no other sign of life. */
static bool is_late(const struct runners *r, const struct runner *row)
{
	int64_t last = row->last_heartbeat;
	int64_t patience =
	    RUNNER_MISSED_BEATS * r->config.options->heartbeat_ms;

	if (row->job_id != NULL)
		return false;
	if (runner_is(row, "starting") && row->updated_at > last)
		last = row->updated_at;
	if (runner_is(row, "starting") && patience < STARTING_MS)
		patience = STARTING_MS;
	if (last < r->started_ns)
		last = r->started_ns; /* no hub was there to beat for */
	return clock_wall_ns() - last > patience * CLOCK_NS_PER_MS;
}

static int set_offline(
    struct runners *r, runner_id id, bool *ret_done, struct err *err)
{
	CLEANUP(runner_fini) struct runner row = {0};
	struct runner_change change = {.status = "offline"};
	int found = store_runner_get(r->config.store, id, &row, err);

	*ret_done = false;
	if (found <= 0 || !is_late(r, &row) || runner_is(&row, "stopping"))
		return found < 0 ? -1 : 0;
	*ret_done = true;
	return store_runner_change(r->config.store, id, &change, err);
}

static int say_offline(
    struct runners *r, const struct runner *row, struct err *err)
{
	struct ctx ctx = ctx_root();
	bool done;
	int rc;

	mtx_lock(&r->life);
	rc = set_offline(r, row->id, &done, err);
	mtx_unlock(&r->life);
	TRY(rc);
	if (done)
		log_warn(&ctx, "runner offline: its heartbeats stopped",
		    LOG_STR("runner", row->name));
	return 0;
}

/* -- who may go -------------------------------------------------------- */

/* An enrolled replica whose container was removed does not come back. */
static int is_gone(struct runners *r, const struct ctx *ctx,
    const struct runner *row, bool *ret, struct err *err)
{
	CLEANUP(engine_container_fini) struct engine_container c = {0};

	*ret = false;
	if (row->container_id == NULL || !runner_is(row, "offline"))
		return 0;
	if (engine_container_inspect(
		r->config.engine, ctx, row->container_id, &c, err) == 0)
		return 0;
	*ret = err->kind == ERR_NOT_FOUND;
	err_clear(err); /* an engine that is away knows nothing of it */
	return 0;
}

static void let_go(struct runners *r, const struct runner *row, const char *why)
{
	struct ctx root = ctx_root(), stop = ctx_with_cancel(&root, &r->cancel),
		   ctx = ctx_with_timeout(&stop, LOOK_TIMEOUT_MS);
	struct err err = ERR_INIT;
	char note[300] = "";

	if (runners_remove(r, &ctx, row->id, false, note, &err) < 0)
		log_warn(&root, "a runner could not be removed",
		    LOG_STR("runner", row->name), LOG_ERR(&err));
	else
		log_info(&root, "runner removed", LOG_STR("runner", row->name),
		    LOG_STR("why", why),
		    LOG_STR("note", note[0] != '\0' ? note : NULL));
}

/* One that drains, has no job and says nothing any more, or is gone. Those
 * that the hub made are the keeper's. */
static int look_at_beat(void *arg, const struct runner *row, struct err *err)
{
	struct runners *r = arg;
	struct ctx root = ctx_root(), stop = ctx_with_cancel(&root, &r->cancel),
		   ctx = ctx_with_timeout(&stop, LOOK_TIMEOUT_MS);
	bool gone;

	/* That it drains must not be forgotten for being silent. */
	if (runner_is(row, "stopping")) {
		if (is_late(r, row) && row->made == NULL && row->job_id == NULL)
			let_go(r, row, "drained");
		return 0;
	}
	if (!runner_is(row, "offline"))
		return is_late(r, row) ? say_offline(r, row, err) : 0;
	if (row->made != NULL || row->job_id != NULL)
		return 0;
	TRY(is_gone(r, &ctx, row, &gone, err));
	if (gone)
		let_go(r, row, "its container is gone");
	return 0;
}

/* -- the thread -------------------------------------------------------- */

/* Until jobs have changed, the next look is due, or the end: false. */
static bool await_work(
    struct runners *r, int64_t due_ns, int64_t scan_ns, bool *ret_jobs)
{
	bool goes_on, timely = true;

	mtx_lock(&r->mtx);
	while (!r->stopping && !r->jobs_changed && timely)
		timely = cond_wait_until(&r->changed, &r->mtx, due_ns);
	while (!r->stopping && r->jobs_changed && clock_mono_ns() < scan_ns)
		IGNORE(cond_wait_until(&r->changed, &r->mtx, scan_ns));
	*ret_jobs = r->jobs_changed;
	r->jobs_changed = false;
	goes_on = !r->stopping;
	mtx_unlock(&r->mtx);
	return goes_on;
}

static void report(const struct err *err)
{
	struct ctx ctx = ctx_root();

	log_warn(&ctx, "the registry of runners could not be looked through",
	    LOG_ERR(err));
}

void *runners_clock(void *arg)
{
	struct runners *r = arg;
	int64_t due = clock_mono_ns(), scan = due;
	bool jobs;

	while (await_work(r, due, scan, &jobs)) {
		struct err err = ERR_INIT;

		if (runner_each(r, look_at_job, r, &err) < 0)
			report(&err);
		scan = clock_deadline_ms(SCAN_APART_MS);
		if (clock_mono_ns() < due)
			continue;
		err_clear(&err);
		if (runner_each(r, look_at_beat, r, &err) < 0)
			report(&err);
		due = clock_deadline_ms(r->config.options->heartbeat_ms / 2);
	}
	return NULL;
}
