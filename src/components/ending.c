/*
 * The end of an instance: how did it come about, what is left of it, what is
 * written down. The thread of the flow.
 */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "components/flow.h"
#include "engine/run.h"

enum {
	AGAIN_MS = 250,
	PRUNE_AT_ONCE = 64,
	ENDING_MS = 60000, /* of the engine's, to end and remove */
};

/* Of a start that has not come to its end. */
bool ending_is_of_start(struct flow *f)
{
	bool starting;

	mtx_lock(&f->owner->mtx);
	starting = f->progress.started_at != 0 && f->progress.completed_at == 0;
	mtx_unlock(&f->owner->mtx);
	return starting;
}

static int read_exit(struct flow *f, struct ending *e, struct err *err)
{
	CLEANUP(engine_container_fini) struct engine_container c = {{0}};

	TRY(engine_container_inspect(
	    f->owner->config.engine, &f->life, f->container, &c, err));
	e->has_code = true;
	e->code = c.exit_code;
	e->oom_killed = c.oom_killed;
	snprintf(f->run, sizeof(f->run), "%s", c.started_at);
	return 0;
}

/* The words for people: what happened, and what it said last. */
static void tell_exit(struct flow *f, struct ending *e, const char *what)
{
	char last[200];

	logs_last(f, last, sizeof(last));
	e->to = INSTANCE_ERROR;
	IGNORE(err_set(&e->err, e->oom_killed ? ERR_LIMIT : ERR_UNAVAILABLE,
	    FAULT_EXITED, "The component %s. Its last lines: %s", what,
	    last[0] != '\0' ? last : "(none)"));
}

void ending_judge(struct flow *f, struct ending *e)
{
	struct err err = ERR_INIT;
	const char *sig;
	char what[120];

	*e = (struct ending){.known = true, .to = INSTANCE_ERROR};
	if (read_exit(f, e, &err) < 0) {
		IGNORE(err_set(&e->err, ERR_UNAVAILABLE, FAULT_EXITED,
		    "The container is gone: %.300s", err.msg));
		return;
	}
	sig = instance_signal(e->code);
	if (e->oom_killed)
		snprintf(what, sizeof(what), "ran out of memory (exit code %d)",
		    e->code);
	else if (sig != NULL)
		snprintf(what, sizeof(what),
		    "exited with code %d, signal SIG%s", e->code, sig);
	else
		snprintf(what, sizeof(what), "exited with code %d", e->code);
	if (e->code != 0 || e->oom_killed)
		tell_exit(f, e, what);
	else if (ending_is_of_start(f) && f->plan.health.kind != HEALTH_NONE)
		tell_exit(f, e, "ended, with code 0, before it was ready");
	else
		e->to = INSTANCE_STOPPED;
}

/* Its container does not run any more after this. */
void ending_halt(struct flow *f, int64_t grace_ms)
{
	struct ctx ctx = ctx_with_timeout(&f->life, grace_ms + ENDING_MS);
	struct engine *e = f->owner->config.engine;
	struct err err = ERR_INIT;

	if (f->container[0] == '\0')
		return;
	while (
	    engine_container_stop(e, &ctx, f->container, grace_ms, &err) < 0) {
		log_warn(&f->root, "cannot stop an instance's container",
		    LOG_ERR(&err));
		err_clear(&err);
		if (ctx_sleep(&ctx, AGAIN_MS, &err) < 0)
			return;
	}
}

static void remove_traces(struct flow *f)
{
	struct ctx ctx = ctx_with_timeout(&f->life, ENDING_MS);
	struct err err = ERR_INIT;

	if (run_remove(f, &ctx, &err) < 0)
		log_warn(&f->root,
		    "cannot remove an instance's container, the next start of "
		    "the hub tries again",
		    LOG_ERR(&err));
	workplace_remove(f);
}

/* The engine takes its time to let go of a build's container, also of one
 * that an earlier hub began; nobody needs to wait for that. */
void ending_remove_network(struct flow *f)
{
	struct ctx ctx = ctx_with_timeout(&f->life, ENDING_MS);
	struct err err = ERR_INIT, slept = ERR_INIT;
	int r;

	while ((r = run_remove_network(f, &ctx, &err)) < 0 &&
	       err.kind == ERR_CONFLICT &&
	       ctx_sleep(&ctx, AGAIN_MS, &slept) == 0)
		err_clear(&err);
	if (r < 0)
		log_warn(&f->root,
		    "cannot remove an instance's network, the next start of "
		    "the hub tries again",
		    LOG_ERR(&err));
}

static void write_end(struct flow *f, const struct ending *e)
{
	struct instance_change change = {
	    .from = {INSTANCE_STARTING, INSTANCE_RUNNING,
		e->to == INSTANCE_STOPPED ? INSTANCE_STOPPING : 0},
	    .to = e->to,
	    .clear_container = true,
	    .set_exit_code = e->has_code,
	    .exit_code = e->code,
	    .oom_killed = e->oom_killed};
	const struct fault_context in = {.operation = "startComponent",
	    .instance = f->id_text,
	    .container = f->container,
	    .component = f->component_ref,
	    .retry_at = f->retry_at};
	struct err err = ERR_INIT;
	char words[640];
	int r;

	if (e->to == INSTANCE_ERROR) {
		fault_words(&e->err, words, sizeof(words));
		change.error = words;
		change.error_code = fault_code(&e->err);
		mtx_lock(&f->owner->mtx);
		if (f->progress.started_at != 0 &&
		    f->progress.completed_at == 0)
			deployment_fail(&f->progress, words, clock_wall_ns());
		mtx_unlock(&f->owner->mtx);
		faults_add(&f->owner->faults, &e->err, &in);
		log_warn(&f->root, "instance failed",
		    LOG_STR("code", fault_code(&e->err)), LOG_ERR(&e->err));
	}
	r = flow_change(f, &change, &err);
	if (r < 0 && err.kind == ERR_CONFLICT) { /* a stop came meanwhile */
		memset(change.from, 0, sizeof(change.from));
		change.to = INSTANCE_STOPPED;
		err_clear(&err);
		r = flow_change(f, &change, &err);
	}
	if (r < 0)
		log_error(&f->root, "cannot write the end of an instance",
		    LOG_ERR(&err));
	else
		log_info(&f->root, "instance ended",
		    LOG_STR("status", instance_status_name(change.to)));
}

void ending_wishes(struct flow *f, bool *ret_stop, bool *ret_leave)
{
	mtx_lock(&f->owner->mtx);
	*ret_stop = f->stop_wanted;
	*ret_leave = f->leaving;
	mtx_unlock(&f->owner->mtx);
}

/* What the hub does by itself is told where people look for it. */
static void say_why(struct flow *f)
{
	struct err err = ERR_INIT;
	char line[160];
	int n;

	if (f->stop_reason == NULL || f->log == NULL)
		return;
	n = snprintf(
	    line, sizeof(line), "runnerhub: stopped: %s\n", f->stop_reason);
	if (logs_say(f, line, (size_t)n, &err) < 0)
		log_warn(&f->root, "cannot write into the log of an instance",
		    LOG_ERR(&err));
}

/* How it ended after somebody wished it. */
static void end_by_wish(struct flow *f, struct ending *e)
{
	struct err gone = ERR_INIT;

	*e = (struct ending){.known = true, .to = INSTANCE_STOPPED};
	if (f->container[0] != '\0')
		IGNORE(read_exit(f, e, &gone)); /* then there is no code */
	say_why(f);
}

void ending_prune(struct components *c)
{
	instance_id old[PRUNE_AT_ONCE];
	struct err err = ERR_INIT;
	char id[UUID_TEXT_LEN];
	int n;

	do {
		n = store_instance_prune(c->config.store,
		    c->config.options->instances_kept, old, PRUNE_AT_ONCE,
		    &err);
		for (int i = 0; i < n && err.kind == ERR_NONE; i++)
			IGNORE(spool_remove(c->config.spool,
			    uuid_text(old[i].u, id), &err)); /* told below */
	} while (n == PRUNE_AT_ONCE && err.kind == ERR_NONE);
	if (err.kind != ERR_NONE)
		log_warn(&c->ctx,
		    "cannot forget old instances, the next end tries again",
		    LOG_ERR(&err));
}

bool ending_complete(struct flow *f, struct ending *e)
{
	bool stop, asked, leave;

	ending_wishes(f, &stop, &leave);
	/* The store heard of a stop before we did. */
	stop |= strcmp(e->err.code, "instance_state") == 0;
	if (!leave && (stop || e->err.kind != ERR_NONE))
		ending_halt(f, stop ? f->plan.grace_ms : 0);
	ending_wishes(f, &asked, &leave); /* a stop may take its time */
	stop |= asked;
	logs_join(f);
	if (leave) {
		if (f->log != NULL)
			spool_log_close(STEAL(f->log));
		return false;
	}
	if (stop)
		end_by_wish(f, e);
	else if (e->err.kind != ERR_NONE)
		e->to = INSTANCE_ERROR;
	else if (!e->known)
		ending_judge(f, e);
	FAULT("component_ending");
	remove_traces(f);
	write_end(f, e);
	if (f->log != NULL)
		spool_log_finish(STEAL(f->log), clock_wall_ns());
	return true;
}
