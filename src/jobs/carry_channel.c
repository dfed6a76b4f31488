/*
 * Between the agent and the log: what the agent sends goes to the spool in
 * batches (one write), marks are folded into the progress; commands go the
 * other way. Carrier's thread.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "jobs/job_env.h"
#include "jobs/named.h"
#include "jobs/session.h"
#include "jobs/session_wish.h"
#include "store/runners.h"

enum {
	NOTES_MAX = 4 * 1024 * 1024,
	DISK_FULL_PAUSE_MS = 500,
};

/* -- from the agent ---------------------------------------------------- */

/* Notes were appended one behind the other: now that the buffer stands
 * still, point at them. */
static void point_at_notes(
    struct spool_record *recs, size_t n, const struct buf *notes)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		if (recs[i].kind == SPOOL_OUT)
			continue;
		recs[i].data = buf_str(notes) + at;
		at += recs[i].len;
	}
}

/* For LOG_LEVEL=debug. No name, no command: they are the user's words. */
static void tell_step_end(const struct carry *c, uint16_t step)
{
	const struct step_progress *s;

	if (step >= c->progress.nsteps)
		return;
	s = &c->progress.steps[step];
	log_debug(&c->ctx, "step ended", LOG_INT("step", step + 1),
	    LOG_INT("code", s->end.code), LOG_INT("flags", s->end.flags),
	    LOG_MS("ran_ms", s->ended_at - s->started_at),
	    LOG_MS(
		"cpu_ms", (int64_t)(s->end.utime_us + s->end.stime_us) * 1000));
}

int carry_append(
    struct carry *c, const struct spool_record *recs, size_t n, struct err *err)
{
	int r;

	mtx_lock(&c->log_mtx);
	r = spool_append(c->log, recs, n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		progress_fold(&c->progress, &recs[i]);
	mtx_unlock(&c->log_mtx);
	return r;
}

bool carry_step_ended(struct carry *c, size_t index)
{
	bool ended;

	mtx_lock(&c->log_mtx);
	ended = c->progress.steps[index].ended;
	mtx_unlock(&c->log_mtx);
	return ended;
}

/* All or nothing: what is refused comes again. */
static int take(
    void *arg, const struct channel_record *in, size_t n, struct err *err)
{
	struct carry *c = arg;
	CLEANUP(buf_fini) struct buf notes = {0};
	struct spool_record recs[CHANNEL_BATCH];

	buf_init(&notes, NOTES_MAX);
	for (size_t i = 0; i < n; i++)
		TRY(progress_translate(&in[i], &notes, &recs[i], err));
	point_at_notes(recs, n, &notes);
	FAULT("before_spool_append");
	TRY(carry_append(c, recs, n, err));
	FAULT("after_spool_append");
	for (size_t i = 0; i < n; i++) {
		if (recs[i].kind != SPOOL_STEP_END)
			continue;
		spool_sync_soon(c->log);
		tell_step_end(c, recs[i].step);
	}
	c->agent_off = in[n - 1].end_off;
	return 0;
}

/* Full disk: what the agent sends stays in the channel, and the job waits,
 * until there is room again. */
static bool wait_for_room(struct carry *c, const struct err *err)
{
	struct ctx wait = ctx_with_cancel(&c->ctx, &c->hub->cancel);
	struct err ignored = ERR_INIT;

	if (err->kind != ERR_UNAVAILABLE)
		return false;
	if (!c->disk_full)
		log_warn(&c->ctx, "the log cannot be written, the job waits",
		    LOG_ERR(err));
	c->disk_full = true;
	IGNORE(ctx_sleep(&wait, DISK_FULL_PAUSE_MS, &ignored));
	return true;
}

static bool pump(struct carry *c, struct err *err)
{
	err_clear(err);
	if (channel_pump(c->sandbox->channel, take, c, err) == 0) {
		c->disk_full = false;
		return true;
	}
	return wait_for_room(c, err);
}

/* After the container's end: what still stands in the socket. A full disk
 * is waited out: nobody else holds these bytes. */
static void drain(struct carry *c)
{
	struct err err = ERR_INIT;
	uint64_t before;

	do {
		before = channel_offset(c->sandbox->channel);
		if (!pump(c, &err))
			return;
	} while (channel_offset(c->sandbox->channel) != before ||
		 (c->disk_full && !atomic_load(&c->live.stopping)));
}

static bool noticed(unsigned ignore, enum carry_news news)
{
	return (ignore & 1U << news) == 0;
}

enum carry_news carry_await(struct carry *c, bool (*until)(struct carry *),
    int64_t deadline_ns, unsigned ignore, struct err *err)
{
	struct sandbox *sb = c->sandbox;
	int64_t wait_until;

	for (;;) {
		if (until != NULL && until(c))
			return CARRY_DONE;
		if (atomic_load(&sb->died)) {
			drain(c);
			return until != NULL && until(c) ? CARRY_DONE
							 : CARRY_DIED;
		}
		if (atomic_load(&c->live.stopping) &&
		    noticed(ignore, CARRY_STOPPING))
			return CARRY_STOPPING;
		if (atomic_load(&c->live.cancel_requested) &&
		    noticed(ignore, CARRY_CANCEL))
			return CARRY_CANCEL;
		if (clock_mono_ns() >= deadline_ns)
			return CARRY_TIMEOUT;
		wait_until = c->disk_full
				 ? clock_deadline_ms(DISK_FULL_PAUSE_MS)
				 : deadline_ns;
		channel_wait(sb->channel, sb->wake_fd,
		    wait_until < deadline_ns ? wait_until : deadline_ns);
		if (!pump(c, err))
			return CARRY_LOST;
	}
}

/* -- to the agent ------------------------------------------------------ */

static void put_pairs(struct buf *b, const json_t *object)
{
	const char *key;
	json_t *value;

	wire_put_u32(b, (uint32_t)json_object_size(object));
	json_object_foreach((json_t *)object, key, value)
	{
		wire_put_str(b, key);
		wire_put_strn(
		    b, json_string_value(value), json_string_length(value));
	}
}

static void put_masks(struct buf *b, const json_t *secrets)
{
	const char *key;
	json_t *value;

	wire_put_u32(b, (uint32_t)json_object_size(secrets));
	json_object_foreach((json_t *)secrets, key, value) wire_put_strn(
	    b, json_string_value(value), json_string_length(value));
}

/* Processes inside of a nested session open sessions of their own: with the
 * socket that the agent serves, and a token good for that alone. */
static void put_way_to_hub(const struct carry *c, json_t *env)
{
	char token[SESSION_TOKEN_LEN];

	store_session_token(c->hub->store, c->job.id.u, token);
	json_object_set_new(env, "RUNNERHUB_URL",
	    json_string("unix:///run/runnerhub/hub.sock"));
	json_object_set_new(env, "RUNNERHUB_TOKEN", json_string(token));
	secret_wipe(token, sizeof(token));
}

/* As if the delegation had had them itself. */
static void add_named(const struct carry *c, json_t *env, json_t *secrets)
{
	if (c->named == NULL)
		return;
	json_object_update(env, c->named);
	json_object_update(secrets, c->named);
}

/* Variables of the job: what follows from the delegation, then the
 * request's own, then its secrets. */
static int load_env(
    struct carry *c, json_t **ret_env, json_t **ret_secrets, struct err *err)
{
	CLEANUP(secret_free) struct secret *sealed = NULL;
	const char *text;
	size_t len;

	TRY(named_take(c, err)); /* of a job that another hub has started */
	TRY(store_job_secrets(c->hub->store, c->job.id, &sealed, err));
	*ret_env = job_env_make(c->hub->options, &c->job, &c->spec);
	*ret_secrets = json_object();
	if (spec_nested_work(&c->spec) != NULL)
		put_way_to_hub(c, *ret_env);
	if (sealed == NULL) {
		add_named(c, *ret_env, *ret_secrets);
		return 0;
	}
	text = secret_expose(sealed, &len);
	json_decref(*ret_secrets);
	*ret_secrets = json_loadb(text, len, 0, NULL);
	if (session_wish_take_env(*ret_secrets, *ret_env, err) < 0) {
		json_decref(*ret_secrets);
		json_decref(*ret_env);
		return -1;
	}
	json_object_update(*ret_env, *ret_secrets);
	add_named(c, *ret_env, *ret_secrets);
	return 0;
}

int carry_send_job(struct carry *c, struct err *err)
{
	const char *nested = spec_nested_work(&c->spec);
	json_t *env = NULL, *secrets = NULL;
	struct buf b;

	TRY(load_env(c, &env, &secrets, err));
	buf_init(&b, WIRE_PAYLOAD_MAX - 16);
	wire_put_str(&b, c->sandbox->user);
	put_pairs(&b, env);
	put_masks(&b, secrets);
	wire_put_str(&b, nested != NULL ? nested : JOB_WORKSPACE);
	wire_put_u32(&b, nested != NULL ? WIRE_JOB_TUNNEL : 0);
	json_decref(env);
	json_decref(secrets);
	if (!b.overflow)
		channel_send(c->sandbox->channel, WIRE_JOB, WIRE_STEP_NONE, &b);
	if (b.data != NULL)
		secret_wipe(b.data, b.cap);
	if (b.overflow) {
		buf_fini(&b);
		return err_set(err, ERR_INVALID, "env_too_large",
		    "the job's variables and secrets exceed 1 MiB");
	}
	buf_fini(&b);
	c->job_sent = true;
	FAULT("after_job_sent");
	return 0;
}

/* The shells that have a name on GitHub, as GitHub calls them. Source: "Custom
 * shell", docs.github.com/actions, workflow syntax. */
static const char *shell_command(const char *shell)
{
	static const char *const known[][2] = {
	    {"bash", "bash --noprofile --norc -eo pipefail {0}"},
	    {"sh", "sh -e {0}"}, {"python", "python {0}"}};

	for (size_t i = 0; shell != NULL && i < ARRAY_LEN(known); i++)
		if (strcmp(shell, known[i][0]) == 0)
			return known[i][1];
	return shell;
}

static void put_command(struct buf *b, const struct step_spec *step)
{
	const json_t *arg;
	size_t i;

	if (step->run != NULL) {
		wire_put_u32(b, 0);
		wire_put_str(b, step->name);
		wire_put_str(b, shell_command(step->shell));
		wire_put_str(b, step->run);
		return;
	}
	wire_put_u32(b, 1);
	wire_put_str(b, step->name);
	wire_put_u32(b, (uint32_t)json_array_size(step->command));
	json_array_foreach((json_t *)step->command, i, arg)
	    wire_put_strn(b, json_string_value(arg), json_string_length(arg));
}

/* The fields that steps of every kind have. */
static void put_step(
    const struct carry *c, struct buf *b, const struct step_spec *step)
{
	put_command(b, step);
	put_pairs(b, step->env);
	wire_put_str(b, step->working_directory);
	wire_put_u64(b, (uint64_t)step->timeout_s * 1000);
	wire_put_u32(b, (uint32_t)c->hub->options->grace_ms);
}

static uint32_t send_run(
    struct carry *c, size_t index, const char *kind, const struct buf *b)
{
	uint32_t seq;

	log_debug(&c->ctx, "step sent", LOG_INT("step", (int64_t)index + 1),
	    LOG_STR("kind", kind), LOG_INT("bytes", (int64_t)b->len));
	seq = channel_send(c->sandbox->channel, WIRE_RUN, (uint16_t)index, b);
	FAULT("after_step_sent");
	return seq;
}

uint32_t carry_send_step(struct carry *c, size_t index)
{
	struct step_spec step;
	struct buf b;
	uint32_t seq;

	spec_step(&c->spec, index, &step);
	/* Bounded by the request's checks: script 512 KiB or arguments 400
	 * KiB, variables 400 KiB. */
	buf_init(&b, WIRE_PAYLOAD_MAX - 16);
	put_step(c, &b, &step);
	ASSERT(!b.overflow);
	seq = send_run(c, index, step.run != NULL ? "script" : "command", &b);
	buf_fini(&b);
	return seq;
}

/* Only an agent of version 2 reads them. */
static void put_flags(struct buf *b, const json_t *step)
{
	const json_t *list = json_object_get(step, "prependPath"), *dir;
	uint32_t flags = 0;
	size_t i;

	if (json_is_true(json_object_get(step, "input")))
		flags |= WIRE_RUN_INPUT;
	if (json_is_true(json_object_get(step, "pipes")))
		flags |= WIRE_RUN_PIPES;
	wire_put_u32(b, flags);
	wire_put_u32(b, (uint32_t)json_array_size(list));
	json_array_foreach((json_t *)list, i, dir)
	    wire_put_strn(b, json_string_value(dir), json_string_length(dir));
}

int carry_pack_given(
    const struct carry *c, const json_t *given, struct buf *b, struct err *err)
{
	struct step_spec step;

	spec_step_read(given, &step);
	buf_init(b, WIRE_PAYLOAD_MAX - 16);
	put_step(c, b, &step);
	put_flags(b, given);
	if (b->overflow)
		return err_set(err, ERR_LIMIT, "step_too_large",
		    "the step's command and variables exceed 1 MiB");
	return 0;
}

uint32_t carry_send_packed(struct carry *c, size_t index, const struct buf *b)
{
	return send_run(c, index, "given", b);
}
