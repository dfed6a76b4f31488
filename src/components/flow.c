/*
 * ~ The life of an instance, top to bottom: download, extract, build, start,
 * monitor; then its end. One thread an instance. Whenever the hub dies in
 * here, recover.c goes on: what was starting starts again from the top, what
 * runs is adopted, what was stopping is stopped.
 */
#include "components/flow.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "components/probe.h"
#include "engine/run.h"

enum {
	SETTLE_MS = 300, /* one that dies at once is not called running */
	READY_POLL_MS = 250,
	ENDING_MS = 60000, /* of the engine's, to end and remove */
};

/* -- the store and those who wait ---------------------------------------- */

static void write_progress(struct flow *f, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	mtx_lock(&f->owner->mtx);
	deployment_write(&f->progress, &j);
	mtx_unlock(&f->owner->mtx);
}

int flow_change(
    struct flow *f, const struct instance_change *change, struct err *err)
{
	CLEANUP(buf_fini) struct buf progress = {.max = 64 * 1024};
	struct instance_change with = *change;

	if (f->progress.started_at != 0) {
		write_progress(f, &progress);
		with.progress = buf_str(&progress);
	}
	TRY(store_instance_change(f->owner->config.store, f->id, &with, err));
	feed_changed(&f->owner->feed, f->id);
	return 0;
}

/* The next step of the start; a stop that came between ends it here. */
static int enter(struct flow *f, enum deployment_step step, struct err *err)
{
	const struct instance_change change = {.from = {INSTANCE_STARTING}};

	TRY(ctx_check(&f->start, err));
	mtx_lock(&f->owner->mtx);
	deployment_enter(&f->progress, step, clock_wall_ns());
	mtx_unlock(&f->owner->mtx);
	FAULT("component_step");
	return flow_change(f, &change, err);
}

/* -- the first four steps ------------------------------------------------ */

static int fetch(struct flow *f, struct err *err)
{
	TRY(enter(f, DEPLOY_DOWNLOAD, err));
	TRY(workplace_make(f, err));
	TRY(workplace_fill(f, err));
	TRY(enter(f, DEPLOY_EXTRACT, err));
	TRY(workplace_read(f, err));
	f->grace_ms =
	    f->d.stop_grace_ms > 0 ? f->d.stop_grace_ms : FLOW_GRACE_MS;
	return ports_choose(f, err);
}

/* That of a start which was cut short: it still has the ports. */
static int clear_ground(struct flow *f, struct err *err)
{
	if (run_remove(f, &f->life, err) < 0)
		return fault_set(err, FAULT_ENGINE);
	return 0;
}

static int start_container(struct flow *f, struct err *err)
{
	TRY(clear_ground(f, err));
	TRY(fetch(f, err));
	TRY(enter(f, DEPLOY_BUILD, err));
	TRY(build_image(f, err));
	workplace_remove(f);
	TRY(enter(f, DEPLOY_START, err));
	TRY(run_container(f, err));
	FAULT("component_started");
	return logs_follow(f, err);
}

/* -- the fifth: until it is ready ---------------------------------------- */

/* Waits until the moment, or the end of the container, or a stop. */
static void pause_until(struct flow *f, int64_t deadline)
{
	struct components *c = f->owner;

	mtx_lock(&c->mtx);
	while (!f->ended && !f->stop_wanted && !f->leaving &&
	       cond_wait_until(&c->changed, &c->mtx, deadline))
		;
	mtx_unlock(&c->mtx);
}

static bool has_ended(struct flow *f)
{
	bool ended;

	mtx_lock(&f->owner->mtx);
	ended = f->ended;
	mtx_unlock(&f->owner->mtx);
	return ended;
}

static void keep_check(struct flow *f, int64_t began, const struct err *err)
{
	struct check *k;

	mtx_lock(&f->owner->mtx);
	k = &f->checks[f->nchecks++ % CHECKS_KEPT];
	*k = (struct check){.at = clock_wall_ns(),
	    .took_ns = clock_mono_ns() - began,
	    .success = err->kind == ERR_NONE};
	snprintf(k->error, sizeof(k->error), "%.190s", err->msg);
	mtx_unlock(&f->owner->mtx);
}

/* 0 well, -1 not (or cancelled). */
static int probe(struct flow *f, struct err *err)
{
	int64_t began = clock_mono_ns();
	int r = probe_once(&f->d.health, f->ip, &f->start, err);

	if (r == 0 || err->kind != ERR_CANCELED)
		keep_check(f, began, err);
	return r;
}

/* Its end is told by whoever looks after us. */
static int await_ready(struct flow *f, struct err *err)
{
	const struct descriptor_health *h = &f->d.health;
	int64_t patience = h->start_period_ms +
			   (h->retries + 1) * (h->interval_ms + h->timeout_ms);
	int64_t deadline = clock_deadline_ms(patience);
	int64_t step =
	    h->interval_ms < READY_POLL_MS ? h->interval_ms : READY_POLL_MS;
	struct err why = ERR_INIT;

	if (h->kind == HEALTH_NONE) {
		pause_until(f, clock_deadline_ms(SETTLE_MS));
		return ctx_check(&f->start, err);
	}
	while (!has_ended(f)) {
		err_clear(&why);
		if (probe(f, &why) == 0)
			return 0;
		TRY(ctx_check(&f->start, err));
		if (clock_mono_ns() >= deadline)
			return err_set(err, ERR_TIMEOUT, FAULT_UNHEALTHY,
			    "The component was not ready within %lld s: %.300s",
			    (long long)(patience / 1000), why.msg);
		pause_until(f, clock_deadline_ms(step));
	}
	return 0;
}

static int become_running(struct flow *f, struct err *err)
{
	const struct instance_change change = {
	    .from = {INSTANCE_STARTING}, .to = INSTANCE_RUNNING};

	TRY(enter(f, DEPLOY_MONITOR, err));
	TRY(await_ready(f, err));
	if (has_ended(f))
		return 0;
	mtx_lock(&f->owner->mtx);
	deployment_complete(&f->progress, clock_wall_ns());
	mtx_unlock(&f->owner->mtx);
	TRY(flow_change(f, &change, err));
	log_info(&f->root, "instance runs", LOG_STR("image", f->image),
	    LOG_STR("container", f->container));
	flow_tell(f, false);
	return 0;
}

/* -- while it runs --------------------------------------------------------- */

static int64_t next_moment(const struct flow *f)
{
	int64_t next = CLOCK_NO_DEADLINE;

	if (f->d.health.kind != HEALTH_NONE)
		next = clock_deadline_ms(f->d.health.interval_ms);
	return f->deadline != 0 && f->deadline < next ? f->deadline : next;
}

static bool time_is_over(struct flow *f)
{
	if (f->deadline == 0 || clock_mono_ns() < f->deadline)
		return false;
	log_info(&f->root, "the time of an instance is over (ttl)");
	mtx_lock(&f->owner->mtx);
	f->stop_wanted = true;
	mtx_unlock(&f->owner->mtx);
	return true;
}

static void watch(struct flow *f)
{
	struct err ignored = ERR_INIT;

	if (f->d.ttl_ms > 0)
		f->deadline = clock_deadline_ms(f->d.ttl_ms);
	for (;;) {
		pause_until(f, next_moment(f));
		if (has_ended(f) || ctx_check(&f->start, &ignored) < 0 ||
		    time_is_over(f))
			return;
		if (f->d.health.kind != HEALTH_NONE)
			IGNORE(probe(f, &ignored)); /* kept; GET health tells */
		err_clear(&ignored);
	}
}

/* -- its end --------------------------------------------------------------- */

struct ending {
	enum instance_status to;
	struct err err; /* why, when to is ERROR */
	bool has_code, oom_killed;
	int code;
};

/* Of a start that has not come to its end. */
static bool is_starting(struct flow *f)
{
	bool starting;

	mtx_lock(&f->owner->mtx);
	starting = f->progress.started_at != 0 && f->progress.completed_at == 0;
	mtx_unlock(&f->owner->mtx);
	return starting;
}

static const char *signal_of(int exit_code)
{
	int sig = exit_code - 128;

	return sig > 0 && sigabbrev_np(sig) != NULL ? strsignal(sig) : NULL;
}

/* Ended by itself: how? */
static void judge(struct flow *f, struct ending *e)
{
	CLEANUP(engine_container_fini) struct engine_container c = {{0}};
	const char *sig;
	char last[200];
	struct err err = ERR_INIT;

	e->to = INSTANCE_ERROR;
	if (engine_container_inspect(f->owner->config.engine, &f->life,
		f->container, &c, &err) < 0) {
		IGNORE(err_set(&e->err, ERR_UNAVAILABLE, FAULT_EXITED,
		    "The container is gone: %.300s", err.msg));
		return;
	}
	e->has_code = true;
	e->code = c.exit_code;
	e->oom_killed = c.oom_killed;
	logs_last(f, last, sizeof(last));
	sig = signal_of(c.exit_code);
	if (c.oom_killed)
		IGNORE(err_set(&e->err, ERR_LIMIT, FAULT_EXITED,
		    "The component ran out of memory (exit code %d). Its last "
		    "lines: %s",
		    c.exit_code, last));
	else if (c.exit_code != 0)
		IGNORE(err_set(&e->err, ERR_UNAVAILABLE, FAULT_EXITED,
		    "The component exited with code %d%s%s. Its last lines: %s",
		    c.exit_code, sig != NULL ? ", signal " : "",
		    sig != NULL ? sig : "", last));
	else if (is_starting(f) && f->d.health.kind != HEALTH_NONE)
		IGNORE(err_set(&e->err, ERR_UNAVAILABLE, FAULT_EXITED,
		    "The component ended, with code 0, before it was ready. "
		    "Its last lines: %s",
		    last));
	else
		e->to = INSTANCE_STOPPED;
}

/* Its container does not run any more after this. */
static void halt(struct flow *f, int64_t grace_ms)
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
		if (ctx_sleep(&ctx, READY_POLL_MS, &err) < 0)
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

/* Takes the engine some time, for which nobody needs to wait. */
static void remove_network(struct flow *f)
{
	struct ctx ctx = ctx_with_timeout(&f->life, ENDING_MS);
	struct err err = ERR_INIT;

	if (run_remove_network(f, &ctx, &err) < 0)
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
	    .component = f->component_ref};
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

static void wishes(struct flow *f, bool *ret_stop, bool *ret_leave)
{
	mtx_lock(&f->owner->mtx);
	*ret_stop = f->stop_wanted;
	*ret_leave = f->leaving;
	mtx_unlock(&f->owner->mtx);
}

/* err: why it could not start, ERR_NONE: it ran. False: it was left to the
 * next hub. */
static bool end(struct flow *f, const struct err *err)
{
	struct ending e = {.to = INSTANCE_STOPPED, .err = *err};
	bool stop, asked, leave;

	wishes(f, &stop, &leave);
	/* The store heard of a stop before we did. */
	stop |= strcmp(err->code, "instance_state") == 0;
	if (!leave && (stop || err->kind != ERR_NONE))
		halt(f, stop ? f->grace_ms : 0);
	wishes(f, &asked, &leave); /* a stop may take its time */
	stop |= asked;
	if (leave) {
		logs_join(f);
		if (f->log != NULL)
			spool_log_close(STEAL(f->log));
		return false;
	}
	logs_join(f);
	if (!stop && err->kind == ERR_NONE)
		judge(f, &e);
	else if (!stop)
		e.to = INSTANCE_ERROR;
	FAULT("component_ending");
	remove_traces(f);
	write_end(f, &e);
	if (f->log != NULL)
		spool_log_finish(STEAL(f->log), clock_wall_ns());
	return true;
}

/* -- the thread ------------------------------------------------------------ */

static int begin(struct flow *f, struct err *err)
{
	bool adopted = f->found == INSTANCE_RUNNING;

	TRY(logs_open(f, adopted || f->found == INSTANCE_STOPPING, err));
	if (adopted)
		return logs_follow(f, err);
	if (f->found == INSTANCE_STOPPING)
		return f->container[0] != '\0' ? logs_follow(f, err) : 0;
	TRY(start_container(f, err));
	return become_running(f, err);
}

void *flow_main(void *arg)
{
	struct flow *f = arg;
	struct err err = ERR_INIT;
	bool ended;

	if (begin(f, &err) == 0)
		watch(f);
	ended = end(f, &err);
	flow_tell(f, true);
	if (ended)
		remove_network(f);
	mtx_lock(&f->owner->mtx);
	f->gone = true;
	mtx_unlock(&f->owner->mtx);
	return NULL;
}
