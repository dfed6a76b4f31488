/*
 * Carries one job from its grant to its end, top to bottom:
 *   read it -> start (or resume) -> steps (or session) -> end -> clean up
 * Runs on a carrier's thread; everything it has in hand is in struct carry.
 * Each moment at which the hub may be killed leaves a state that recover.c
 * goes on from: what is about to happen is in the store before it happens.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "jobs/named.h"
#include "jobs/session.h"

enum { ENTER_AGAIN_MS = 1000 };

/* -- the end ----------------------------------------------------------- */

static void log_end(struct carry *c, const struct outcome *o)
{
	log_info(&c->ctx, "job ended",
	    LOG_STR("status", job_status_name(o->status)),
	    LOG_STR("code", o->code[0] != '\0' ? o->code : NULL),
	    LOG_STR("reason", o->words[0] != '\0' ? o->words : NULL));
}

/* Before the next attempt at the store, of which *ms is the wait; false: it
 * cannot help, or the hub stops. */
static bool may_try_again(
    struct carry *c, const char *what, const struct err *err, int64_t *ms)
{
	struct ctx wait = ctx_with_cancel(&c->ctx, &c->hub->cancel);
	struct err slept = ERR_INIT;

	if (err->kind != ERR_UNAVAILABLE && err->kind != ERR_TIMEOUT &&
	    err->kind != ERR_UNCERTAIN)
		return false;
	log_warn(&c->ctx, what, LOG_INT("again_in_ms", *ms), LOG_ERR(err));
	if (ctx_sleep(&wait, *ms, &slept) < 0)
		return false;
	*ms = *ms < 5000 ? *ms * 2 : 5000;
	return true;
}

/* Waits out a store that cannot be written: the job's end must be kept. An
 * attempt that seemed to fail may have lasted: then the next is refused, as
 * ERR_CONFLICT. */
static int store_until_kept(
    struct carry *c, const struct job_change *change, struct err *err)
{
	int64_t ms = 100;

	do {
		err_clear(err);
		if (store_job_transition(
			c->hub->store, c->job.id, change, err) == 0)
			return 0;
	} while (may_try_again(
	    c, "cannot store the job's state, trying again", err, &ms));
	return -1;
}

static void store_end(struct carry *c, struct outcome *o)
{
	CLEANUP(mem_free) char *result =
	    progress_result(&c->progress, &c->spec);
	struct job_change change = {
	    .from = {JOB_QUEUED, JOB_ASSIGNED, JOB_RUNNING, JOB_PENDING},
	    .to = o->status,
	    .reason_code = o->code[0] != '\0' ? o->code : NULL,
	    .reason = o->words[0] != '\0' ? o->words : NULL,
	    .set_exit_code = o->has_exit_code,
	    .exit_code = o->exit_code,
	    .result = result,
	    .phases = {.ended = clock_wall_ns(),
		.first_output = c->progress.first_output_at}};
	struct err err = ERR_INIT;

	c->job.phases.ended = change.phases.ended;
	c->job.phases.first_output = change.phases.first_output;
	FAULT("before_end");
	if (store_until_kept(c, &change, &err) == 0 ||
	    err.kind == ERR_CONFLICT) {
		log_end(c, o);
	} else {
		/* The next hub finds it as it was, container and all. */
		log_error(
		    &c->ctx, "cannot store the end of the job", LOG_ERR(&err));
		o->kind = OUTCOME_LEAVE;
	}
	FAULT("after_end");
}

static int64_t backoff_ms(const struct hub *h, int tries)
{
	int64_t ms = h->options->retry_base_ms;

	while (--tries > 0 && ms < 60000)
		ms *= 2;
	return ms < 60000 ? ms : 60000;
}

/* Does it wait in the store, whoever wrote that? */
static bool waits_in_store(struct carry *c)
{
	CLEANUP(job_fini) struct job job = {0};
	struct err err = ERR_INIT;

	return store_job_get(c->hub->store, c->job.id, &job, &err) > 0 &&
	       (job.status == JOB_PENDING || job.status == JOB_QUEUED);
}

/* The infrastructure failed before the first step: later, or the end. */
static void store_retry(struct carry *c, struct outcome *o)
{
	int64_t wait_ms = backoff_ms(c->hub, c->job.tries);
	/* Still queued: the store refused to say that it was taken. */
	struct job_change change = {.from = {JOB_ASSIGNED, JOB_QUEUED},
	    .to = JOB_PENDING,
	    .reason_code = o->code,
	    .reason = o->words,
	    .clear_container = true,
	    .not_before = clock_wall_ns() + wait_ms * CLOCK_NS_PER_MS};
	struct err err = ERR_INIT;

	if (strcmp(o->code, "engine_down") == 0 ||
	    strcmp(o->code, "bridge_not_found") == 0) {
		/* Looked at, and our network made again where it is gone. Not
		 * the job's fault, and it will be told why it waits. */
		hub_engine_suspect(c->hub);
	} else if (strcmp(o->code, "vault_unavailable") == 0) {
		/* Nor is this; it had not been assigned, so count it here:
		 * the waits grow. */
		change.count_try = true;
		c->job.tries++;
	} else if (c->job.tries > c->hub->options->retry_max) {
		o->kind = OUTCOME_END;
		o->status = JOB_FAILED;
		store_end(c, o);
		return;
	}
	if (store_until_kept(c, &change, &err) < 0 && !waits_in_store(c)) {
		o->kind = OUTCOME_END; /* it cannot wait: never leave it open */
		o->status = JOB_FAILED;
		store_end(c, o);
		return;
	}
	if (hub_schedule_job(c->hub, &c->job, change.not_before, &err) < 0) {
		log_error(&c->ctx, "cannot queue the job again", LOG_ERR(&err));
		return;
	}
	atomic_fetch_add(&c->hub->meters.retries, 1);
	log_warn(&c->ctx, "the job could not start, trying again",
	    LOG_INT("again_in_ms", wait_ms), LOG_STR("code", o->code),
	    LOG_STR("reason", o->words));
}

static void conclude(struct carry *c, struct outcome *o)
{
	switch (o->kind) {
	case OUTCOME_END:
		store_end(c, o);
		break;
	case OUTCOME_RETRY:
		store_retry(c, o);
		break;
	case OUTCOME_LEAVE:
		log_info(&c->ctx, "job left to the next hub");
		break;
	case OUTCOME_OVER:
		log_info(&c->ctx, "job was ended meanwhile");
		break;
	}
}

/* -- cleaning up ------------------------------------------------------- */

static void close_log(struct carry *c, const struct outcome *o)
{
	struct err err = ERR_INIT;

	if (c->log == NULL)
		return;
	/* The spool's flusher puts the rest on the disk. */
	if (o->kind != OUTCOME_END && o->kind != OUTCOME_OVER) {
		spool_log_close(c->log);
		return;
	}
	spool_log_finish(c->log, clock_wall_ns());
	if (!spec_keeps_log(&c->spec) &&
	    spool_remove(c->hub->spool, c->id_text, &err) < 0)
		log_warn(
		    &c->ctx, "cannot remove the session's log", LOG_ERR(&err));
}

/* Its container is gone. */
static void note_removed(struct carry *c)
{
	struct job_change change = {.phases = {.removed = clock_wall_ns()}};
	struct err err = ERR_INIT;

	c->job.phases.removed = change.phases.removed;
	log_debug(&c->ctx, "container removed",
	    LOG_MS("after_ms", change.phases.removed - c->job.phases.ended));
	if (store_job_note(c->hub->store, c->job.id, &change, NULL, &err) < 0)
		log_debug(&c->ctx, "cannot note the removal", LOG_ERR(&err));
}

static void end_sandbox(struct carry *c, const struct outcome *o)
{
	struct sandbox *sb = c->sandbox;
	struct err err = ERR_INIT;

	if (sb == NULL)
		return;
	live_set_sandbox(c->hub->live, &c->live, NULL);
	c->sandbox = NULL;
	if (o->kind == OUTCOME_LEAVE) {
		sandbox_leave(c->hub->sandboxes, sb);
		return;
	}
	/* Its processes end at once, so that the slot is truly free; the
	 * engine's removal takes its time behind it. */
	channel_send(sb->channel, WIRE_EXIT, WIRE_STEP_NONE, NULL);
	schedule_release(c->hub->schedule, c->grant);
	c->grant = NULL;
	if (sandbox_destroy(c->hub->sandboxes, &c->ctx, sb, &err) < 0)
		log_warn(&c->ctx,
		    "cannot remove the container, the collector will",
		    LOG_ERR(&err));
	else if (o->kind == OUTCOME_END)
		note_removed(c);
	if (c->hub->pool != NULL)
		pool_kick(c->hub->pool);
}

/* -- the flow ---------------------------------------------------------- */

static int read_job(struct carry *c, struct err *err)
{
	int64_t ms = 100;
	int r;

	do {
		err_clear(err);
		r = store_job_get(
		    c->hub->store, c->grant->job.id, &c->job, err);
	} while (r < 0 && may_try_again(c, "cannot read the job, trying again",
			      err, &ms));
	c->job.id = c->grant->job.id; /* for its end, also when unreadable */
	return r;
}

static int load(struct carry *c, struct err *err)
{
	int r = read_job(c, err);

	if (r == 0)
		return err_set(
		    err, ERR_NOT_FOUND, NULL, "job is not in the store");
	TRY(r);
	TRY(spec_load(&c->spec, c->job.spec, err));
	progress_init(&c->progress, c->spec.nsteps);
	c->image = hub_image_for(c->hub->options, &c->spec, c->job.labels);
	return 0;
}

static struct outcome run(struct carry *c)
{
	struct outcome o;

	if (carry_is_orphan(c, &o))
		return o;
	if (c->resumed ? carry_resume(c, &o) < 0 : carry_start(c, &o) < 0)
		return o;
	return c->job.is_session ? carry_session(c) : carry_steps(c);
}

/* Lines about the job name the request that brought it, and its trace. */
static void name_request(struct carry *c)
{
	json_t *meta = json_loads(c->job.metadata, 0, NULL);
	const char *id = json_string_value(json_object_get(meta, "requestId"));

	snprintf(
	    c->request_id, sizeof(c->request_id), "%s", id != NULL ? id : "");
	request_trace(meta, &c->trace);
	json_decref(meta);
	if (id != NULL)
		c->with_request.value = c->request_id;
}

static struct outcome carry_loaded(struct carry *c)
{
	name_request(c);
	if (job_status_is_final(c->job.status)) /* cancelled meanwhile */
		return (struct outcome){.kind = OUTCOME_OVER};
	if (c->job.cancel_requested)
		IGNORE(live_cancel(c->hub->live, c->job.id, NULL)); /* is entered */
	return run(c);
}

static struct outcome carry_entered(struct carry *c)
{
	struct err err = ERR_INIT;

	if (load(c, &err) == 0)
		return carry_loaded(c);
	log_error(&c->ctx, "cannot read the job", LOG_ERR(&err));
	if (err.kind == ERR_NOT_FOUND)
		return (struct outcome){.kind = OUTCOME_OVER};
	if (cancel_is_set(&c->hub->cancel))
		return (struct outcome){.kind = OUTCOME_LEAVE};
	return outcome_end(JOB_FAILED, err.code, "%s", err.msg);
}

static void fini(struct carry *c)
{
	mtx_fini(&c->log_mtx);
	progress_fini(&c->progress);
	named_free(c->named);
	spec_fini(&c->spec);
	job_fini(&c->job);
}

/* Takes it in hand; needs a descriptor, and waits until there is one. */
static void enter(struct carry *c)
{
	struct ctx root = ctx_root();
	struct err err = ERR_INIT, never = ERR_INIT;

	while (live_enter(c->hub->live, &c->live, &err) < 0) {
		log_error(&c->ctx, "cannot take the job in hand, trying again",
		    LOG_ERR(&err));
		IGNORE(ctx_sleep(&root, ENTER_AGAIN_MS, &never));
	}
}

void carry_job(
    struct hub *h, struct schedule_grant *grant, struct sandbox *sandbox)
{
	struct carry c = {.hub = h,
	    .grant = grant,
	    .sandbox = sandbox,
	    .resumed = sandbox != NULL,
	    .deadline_ns = CLOCK_NO_DEADLINE};
	struct ctx root = ctx_root();
	struct outcome o;

	uuid_text(grant->job.id.u, c.id_text);
	c.with_trace = ctx_with_trace(&root, &c.trace);
	c.with_request = ctx_with_field(&c.with_trace, "request", NULL);
	c.ctx = ctx_with_field(&c.with_request, "job", c.id_text);
	c.live.id = grant->job.id;
	c.live.is_session = grant->job.session;
	enter(&c);
	c.starting = ctx_with_cancel(&c.ctx, &c.live.cancel);
	if (sandbox != NULL)
		live_set_sandbox(h->live, &c.live, sandbox);
	c.now.step = -1;
	mtx_init(&c.log_mtx, "job log");
	o = carry_entered(&c);
	if (c.live.is_session)
		carry_session_over(&c, &o);
	conclude(&c, &o);
	if (o.kind != OUTCOME_LEAVE && spec_nested_work(&c.spec) != NULL)
		carry_end_children(&c);
	close_log(&c, &o);
	end_sandbox(&c, &o);
	if (o.kind != OUTCOME_LEAVE)
		carry_unmake(&c);
	if (o.kind == OUTCOME_END)
		job_meters_ended(&h->meters, &c.job.phases);
	live_leave(h->live, &c.live);
	if (c.grant != NULL)
		schedule_release(h->schedule, c.grant);
	fini(&c);
}
