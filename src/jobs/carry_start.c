/*
 * From a grant to a running job: an image, a sandbox (warm, else cold), a
 * log, and the state "running" in the store. Carrier's thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "jobs/named.h"
#include "jobs/session.h"

enum { LOG_AGAIN_MS = 500 };

/* A job that was cancelled, or whose hub stops, while it was starting. */
static int give_up(struct carry *c, const struct err *err, struct outcome *ret)
{
	if (atomic_load(&c->live.cancel_requested))
		*ret = outcome_end(
		    JOB_CANCELLED, "cancelled", "cancelled before it ran");
	else if (atomic_load(&c->live.session_end) != 0)
		*ret = carry_session_ended(c);
	else if (strcmp(err->code, "job_state") == 0)
		*ret = (struct outcome){.kind = OUTCOME_OVER};
	else if (atomic_load(&c->live.stopping))
		*ret = (struct outcome){.kind = OUTCOME_LEAVE};
	else
		*ret = outcome_of_error(err);
	return -1;
}

void carry_note(struct carry *c, const char *text)
{
	struct spool_record rec = {.kind = SPOOL_NOTE,
	    .step = WIRE_STEP_NONE,
	    .time_ns = clock_wall_ns(),
	    .data = text,
	    .len = strlen(text)};
	struct err err = ERR_INIT;

	if (c->log != NULL && carry_append(c, &rec, 1, &err) < 0)
		log_debug(&c->ctx, "cannot note in the log", LOG_ERR(&err));
}

static void say(void *arg, const char *line)
{
	carry_note(arg, line);
}

/* -- where it runs ----------------------------------------------------- */

static enum sandbox_profile profile_of(const struct carry *c)
{
	return c->spec.profile != NULL && strcmp(c->spec.profile, "runner") == 0
		   ? SANDBOX_RUNNER
		   : SANDBOX_STRICT;
}

/* A warm one serves a job without wishes of its own as to network; other
 * limits are set on it, which takes the engine a moment. */
static struct sandbox *take_warm(struct carry *c, struct sandbox_limits limits)
{
	struct sandbox *sb;
	struct err err = ERR_INIT;

	if (profile_of(c) != SANDBOX_STRICT)
		return NULL;
	if (c->spec.network != NULL &&
	    strcmp(c->spec.network, c->hub->options->network_mode) != 0)
		return NULL;
	sb = pool_take(c->hub->pool, c->image);
	if (sb == NULL)
		return NULL;
	if (sandbox_update(c->hub->sandboxes, &c->starting, sb, limits, &err) ==
	    0)
		return sb;
	log_info(&c->ctx,
	    "a warm sandbox cannot take this job's limits, "
	    "starting a cold one",
	    LOG_ERR(&err));
	IGNORE(sandbox_destroy(c->hub->sandboxes, &c->ctx, sb, &err));
	return NULL;
}

static int start_cold(
    struct carry *c, struct sandbox_limits limits, struct err *err)
{
	struct sandbox_spec spec = {.image = c->image,
	    .profile = profile_of(c),
	    .limits = limits,
	    .network = c->spec.network,
	    .job_id = c->id_text,
	    .repository = c->job.repository};

	/* Most often it is there: create says so when it is not. */
	if (strcmp(c->hub->options->pull_policy, "always") != 0 &&
	    sandbox_start(
		c->hub->sandboxes, &c->starting, &spec, &c->sandbox, err) == 0)
		return 0;
	if (err->kind != ERR_NONE && strcmp(err->code, "image_not_found") != 0)
		return -1;
	err_clear(err);
	TRY(hub_image_ensure(c->hub, &c->starting, c->image, say, c, err));
	return sandbox_start(
	    c->hub->sandboxes, &c->starting, &spec, &c->sandbox, err);
}

/* -- the states -------------------------------------------------------- */

static int to_queued(struct carry *c, struct err *err)
{
	struct job_change change = {.from = {JOB_PENDING}, .to = JOB_QUEUED};

	if (c->job.status != JOB_PENDING)
		return 0;
	return store_job_transition(c->hub->store, c->job.id, &change, err);
}

/* A warm sandbox is written down with it: it bears no label of the job. */
static int to_assigned(struct carry *c, struct err *err)
{
	struct job_change change = {.from = {JOB_QUEUED},
	    .to = JOB_ASSIGNED,
	    .image = c->image,
	    .count_try = true,
	    .phases = {.assigned = clock_wall_ns()}};

	if (c->sandbox != NULL) {
		change.sandbox_id = c->sandbox->id;
		change.container_id = c->sandbox->container_id;
	}
	TRY(store_job_transition(c->hub->store, c->job.id, &change, err));
	c->job.phases.assigned = change.phases.assigned;
	c->job.tries++;
	FAULT("after_assigned");
	return 0;
}

static int to_running(struct carry *c, struct err *err)
{
	int64_t now = clock_wall_ns();
	struct job_change change = {.from = {JOB_ASSIGNED},
	    .to = JOB_RUNNING,
	    .sandbox_id = c->sandbox->id,
	    .container_id = c->sandbox->container_id,
	    .phases = {
		.created = c->sandbox->warm ? now : c->sandbox->created_ns,
		.started = now}};

	if (c->job.is_session) {
		change.lease_until =
		    now + c->hub->options->lease_first_ms * CLOCK_NS_PER_MS;
		atomic_store(&c->live.lease_until, change.lease_until);
		atomic_store(&c->live.lease_kept, change.lease_until);
		/* Before anybody can read that it runs. */
		live_open_door(c->hub->live, &c->live);
	}
	FAULT("before_running");
	TRY(store_job_transition(c->hub->store, c->job.id, &change, err));
	c->job.phases.created = change.phases.created;
	c->job.phases.started = change.phases.started;
	FAULT("after_running");
	return 0;
}

int64_t carry_timeout_ms(const struct carry *c)
{
	const struct options *o = c->hub->options;

	if (c->spec.timeout_s > 0)
		return c->spec.timeout_s * 1000;
	return c->job.is_session ? o->session_timeout_ms : o->job_timeout_ms;
}

static void set_deadline(struct carry *c, int64_t running_for_ns)
{
	c->deadline_ns = clock_deadline_ms(carry_timeout_ms(c));
	if (running_for_ns > 0 && c->deadline_ns != CLOCK_NO_DEADLINE)
		c->deadline_ns -= running_for_ns;
}

/* -- what LOG_LEVEL=debug tells of a start ----------------------------- */

static const char *image_source(const struct carry *c)
{
	if (c->spec.image != NULL)
		return "request";
	return c->image == c->hub->options->image ? "default" : "route";
}

static void tell_plan(const struct carry *c, const struct sandbox_limits *l)
{
	log_debug(&c->ctx, "job starting", LOG_INT("try", c->job.tries + 1),
	    LOG_STR("image", c->image), LOG_STR("image_from", image_source(c)),
	    LOG_STR("network", c->spec.network),
	    LOG_INT("memory_bytes", l->memory_bytes),
	    LOG_INT("cpu_percent", l->nano_cpus / 10000000),
	    LOG_INT("pids", l->pids),
	    LOG_INT("steps", (int64_t)c->spec.nsteps));
}

static void tell_start(const struct carry *c)
{
	const struct job_phases *p = &c->job.phases;

	log_debug(&c->ctx, "job running",
	    LOG_STR("sandbox", c->sandbox->warm ? "warm" : "cold"),
	    LOG_STR("container", c->sandbox->container_id),
	    LOG_MS("queued_ms", p->assigned - p->queued),
	    LOG_MS("prepared_ms", p->started - p->assigned));
}

/* Processes inside of a nested session reach the API over its agent. */
static void lead_tunnel(struct carry *c)
{
	if (spec_nested_work(&c->spec) != NULL)
		channel_tunnel_to(
		    c->sandbox->channel, hub_await_api_socket(c->hub));
}

static int prepare(struct carry *c, struct err *err)
{
	struct sandbox_limits limits = hub_limits_of(c->hub, &c->spec);

	TRY(spool_log_open(
	    c->hub->spool, c->id_text, &c->log, &c->agent_off, err));
	tell_plan(c, &limits);
	TRY(to_queued(c, err));
	TRY(named_take(c, err));
	c->sandbox = carry_is_made(c) ? NULL : take_warm(c, limits);
	TRY(to_assigned(c, err));
	if (carry_is_made(c))
		TRY(carry_make(c, limits, err));
	else if (c->sandbox == NULL)
		TRY(start_cold(c, limits, err));
	live_set_sandbox(c->hub->live, &c->live, c->sandbox);
	channel_set_offset(c->sandbox->channel, 0);
	lead_tunnel(c);
	TRY(ctx_check(&c->starting, err));
	TRY(to_running(c, err));
	tell_start(c);
	return 0;
}

int carry_start(struct carry *c, struct outcome *ret)
{
	struct err err = ERR_INIT;

	if (prepare(c, &err) < 0)
		return give_up(c, &err, ret);
	set_deadline(c, 0);
	return 0;
}

/* -- a job that runs already ------------------------------------------- */

static bool agent_has_caught_up(struct carry *c)
{
	const struct channel *ch = c->sandbox->channel;

	return channel_is_ready(ch) && channel_offset(ch) >= channel_next(ch);
}

/* With a full disk it cannot catch up, whatever time it has. */
static enum carry_news await_agent(struct carry *c, struct err *err)
{
	enum carry_news news;
	int64_t limit;

	do {
		limit = clock_deadline_ms(c->hub->options->start_timeout_ms);
		news = carry_await(
		    c, agent_has_caught_up, limit, 1 << CARRY_CANCEL, err);
	} while (news == CARRY_TIMEOUT && c->disk_full);
	return news;
}

static int reconnect(struct carry *c, struct outcome *ret)
{
	struct err err = ERR_INIT;

	switch (await_agent(c, &err)) {
	case CARRY_DONE:
		return 0;
	case CARRY_DIED:
		*ret = carry_died(c);
		return -1;
	case CARRY_STOPPING:
		*ret = (struct outcome){.kind = OUTCOME_LEAVE};
		return -1;
	case CARRY_TIMEOUT:
		*ret = outcome_end(JOB_FAILED, "agent_silent",
		    "after a restart of the hub the container's agent did not "
		    "report again");
		return -1;
	case CARRY_CANCEL:
	case CARRY_LOST:
		break;
	}
	*ret = outcome_end(JOB_FAILED, err.code, "%s", err.msg);
	return -1;
}

static int read_log(struct carry *c, struct err *err)
{
	if (c->log == NULL)
		TRY(spool_log_open(
		    c->hub->spool, c->id_text, &c->log, &c->agent_off, err));
	progress_fini(&c->progress);
	progress_init(&c->progress, c->spec.nsteps);
	return progress_load(&c->progress, c->hub->spool, c->id_text, err);
}

/* What has happened stands in the log; a full disk is waited out. */
static int reread(struct carry *c, struct outcome *ret)
{
	struct ctx wait = ctx_with_cancel(&c->ctx, &c->hub->cancel);
	struct err err = ERR_INIT, slept = ERR_INIT;

	while (read_log(c, &err) < 0) {
		if (err.kind != ERR_UNAVAILABLE) {
			*ret = outcome_end(JOB_FAILED, err.code, "%s", err.msg);
			return -1;
		}
		log_warn(&c->ctx, "cannot open the job's log, trying again",
		    LOG_ERR(&err));
		if (ctx_sleep(&wait, LOG_AGAIN_MS, &slept) < 0) {
			*ret = (struct outcome){.kind = OUTCOME_LEAVE};
			return -1;
		}
		err_clear(&err);
	}
	return 0;
}

/* While the hub was away nobody could renew the lease: it begins anew. */
static void open_again(struct carry *c)
{
	int64_t lease =
	    clock_wall_ns() + c->hub->options->lease_ms * CLOCK_NS_PER_MS;

	atomic_store(&c->live.lease_until,
	    lease > c->job.lease_until ? lease : c->job.lease_until);
	atomic_store(&c->live.lease_kept, c->job.lease_until);
	live_open_door(c->hub->live, &c->live);
}

int carry_resume(struct carry *c, struct outcome *ret)
{
	struct channel *ch = c->sandbox->channel;

	TRY(reread(c, ret));
	channel_set_offset(ch, c->agent_off);
	lead_tunnel(c);
	if (c->job.is_session)
		open_again(c);
	set_deadline(c, clock_wall_ns() - c->job.phases.started);
	TRY(reconnect(c, ret));
	channel_set_seq(ch, channel_last_seq(ch));
	c->job_sent = channel_last_seq(ch) > 0;
	log_info(&c->ctx, "job taken over from the hub before",
	    LOG_STR("container", c->sandbox->container_id));
	return 0;
}
