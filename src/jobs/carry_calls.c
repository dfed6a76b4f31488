/*
 * What the API asks of a running session, carried out: a step, a signal;
 * input is in carry_input.c. A step stands in the log before it is sent, so
 * that its number and key outlive the hub. Carrier's thread.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "jobs/session.h"
#include "jobs/session_step.h"

enum { KILLED_CODE = 128 + SIGKILL, NOT_RUN_CODE = 125 };

/* -- answers ----------------------------------------------------------- */

void session_call_free(struct session_call *call)
{
	if (call == NULL)
		return;
	session_step_free(call->body);
	if (call->data != NULL)
		secret_wipe(call->data, call->len);
	mem_free(call->data);
	mem_free(call);
}

void session_call_answer(
    struct session_call *call, const struct session_answer *a)
{
	call->done(call->arg, a);
	session_call_free(call);
}

static void refuse_with(struct session_call *call, const struct err *err)
{
	struct session_answer a = {.err = err, .step = call->step};

	session_call_answer(call, &a);
}

void session_call_refuse(struct session_call *call, enum err_kind kind,
    const char *code, const char *fmt, ...)
{
	struct err err = ERR_INIT;
	char words[sizeof(err.msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	IGNORE(err_set(&err, kind, code, "%s", words));
	refuse_with(call, &err);
}

/* -- a step ------------------------------------------------------------ */

/* What people shall call it. */
static void name_of(const json_t *given, char *out, size_t size)
{
	const char *image = json_string_value(
	    json_object_get(json_object_get(given, "container"), "image"));
	struct step_spec step;

	spec_step_read(given, &step);
	if (step.name[0] == '\0')
		snprintf(
		    out, size, "%.199s", image != NULL ? image : "container");
	else
		snprintf(out, size, "%s", step.name);
}

/* Its number is the count of those before. */
static int write_down(struct carry *c, const json_t *given, struct err *err)
{
	CLEANUP(buf_fini) struct buf note = {0};
	struct spool_record rec = {.kind = SPOOL_STEP_GIVEN,
	    .step = (uint16_t)c->progress.nsteps,
	    .time_ns = clock_wall_ns()};
	char name[200];

	if (c->progress.nsteps >= PROGRESS_STEPS_MAX)
		return err_set(err, ERR_LIMIT, "too_many_steps",
		    "a session takes %d steps: open another one",
		    PROGRESS_STEPS_MAX);
	name_of(given, name, sizeof(name));
	buf_init(&note, 4096);
	progress_given_note(&note,
	    json_string_value(json_object_get(given, "key")), name,
	    json_object_get(given, "container") != NULL);
	rec.data = buf_str(&note);
	rec.len = note.len;
	TRY(carry_append(c, &rec, 1, err));
	FAULT("after_step_given");
	return (int)rec.step;
}

static int check_agent(const struct carry *c, struct err *err)
{
	if (channel_version(c->sandbox->channel) >= 2)
		return 0;
	return err_set(err, ERR_CONFLICT, "agent_too_old",
	    "the session's container was started by an older hub, whose agent "
	    "takes no steps: open another session");
}

/* known: the number that it has already, or -1. */
static int start_in_agent(
    struct carry *c, const json_t *given, int known, struct err *err)
{
	struct buf b = {0};
	int r;

	TRY(check_agent(c, err));
	if (!c->job_sent)
		TRY(carry_send_job(c, err));
	r = carry_pack_given(c, given, &b, err);
	if (r == 0)
		r = known >= 0 ? known : write_down(c, given, err);
	if (r >= 0)
		c->now.last_seq = carry_send_packed(c, (size_t)r, &b);
	if (b.data != NULL)
		secret_wipe(b.data, b.cap);
	buf_fini(&b);
	return r;
}

/* Without an end of its own: what carried it is gone, or never came. */
static void cut(struct carry *c, int step, int code, const char *reason)
{
	const struct progress_cut how = {.exit_code = code, .reason = reason};
	CLEANUP(buf_fini) struct buf note = {0};
	struct spool_record rec;
	struct err err = ERR_INIT;
	size_t at = (size_t)step;

	if (carry_step_ended(c, at))
		return;
	buf_init(&note, 8192);
	if (progress_cut_next(&c->progress, &at, &how, &note, &rec) &&
	    carry_append(c, &rec, 1, &err) < 0)
		log_warn(
		    &c->ctx, "cannot write the end of a step", LOG_ERR(&err));
}

/* The wish is the step's own from here on: it is not wiped with the call. One
 * that has its number has an end as well, but where the same call, repeated,
 * may yet begin it. */
static int launch_aside(
    struct carry *c, json_t *given, int step, struct err *err)
{
	json_t *wish = json_incref(json_object_get(given, "container"));

	json_object_del(given, "container");
	if (side_start(c, step, wish, &c->now.side, err) == 0)
		return step;
	if (err->kind != ERR_UNAVAILABLE)
		cut(c, step, NOT_RUN_CODE, err->msg);
	return -1;
}

static int start_aside(
    struct carry *c, json_t *given, int known, struct err *err)
{
	int step = known;

	if (!carry_is_made(c))
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"container\": only sessions with \"container\", "
		    "\"services\" or \"nested\" run steps in containers of "
		    "their own");
	TRY(side_check(json_object_get(given, "container"), err));
	if (step < 0)
		step = write_down(c, given, err);
	TRY(step);
	return launch_aside(c, given, step, err);
}

static bool has_begun(struct carry *c, int step)
{
	return step == c->now.step || c->progress.steps[step].started ||
	       carry_step_ended(c, (size_t)step);
}

static void give_step(struct carry *c, struct session_call *call)
{
	const char *key = json_string_value(json_object_get(call->body, "key"));
	int known = progress_find(&c->progress, key), step;
	struct session_answer a = {.existed = known >= 0};
	struct err err = ERR_INIT;

	if (known >= 0 && has_begun(c, known)) {
		a.step = known;
		session_call_answer(call, &a);
		return;
	}
	if (c->now.step >= 0) {
		session_call_refuse(call, ERR_CONFLICT, "step_running",
		    "Step %d still runs: one at a time", c->now.step);
		return;
	}
	step = json_object_get(call->body, "container") != NULL
		   ? start_aside(c, call->body, known, &err)
		   : start_in_agent(c, call->body, known, &err);
	if (step < 0) {
		refuse_with(call, &err);
		return;
	}
	c->now.step = a.step = step;
	carry_input_begin(c);
	session_call_answer(call, &a);
}

/* -- signals ----------------------------------------------------------- */

static void send_signal(struct carry *c, int signo)
{
	struct buf b;

	buf_init(&b, 16);
	wire_put_u32(&b, (uint32_t)signo);
	c->now.last_seq = channel_send(
	    c->sandbox->channel, WIRE_SIGNAL, (uint16_t)c->now.step, &b);
	buf_fini(&b);
}

/* To one that has ended: there is nobody to hear it. */
static void give_signal(struct carry *c, struct session_call *call)
{
	struct session_answer a = {.step = call->step};

	if (call->step == c->now.step && c->now.side != NULL)
		side_signal(c->now.side, call->signo);
	else if (call->step == c->now.step)
		send_signal(c, call->signo);
	session_call_answer(call, &a);
}

/* -- all of them ------------------------------------------------------- */

static void carry_out(struct carry *c, struct session_call *call)
{
	if (call->kind == SESSION_STEP) {
		give_step(c, call);
		return;
	}
	if (call->step < 0 || (size_t)call->step >= c->progress.nsteps) {
		session_call_refuse(call, ERR_NOT_FOUND, "step_not_found",
		    "The session has no step %d", call->step);
		return;
	}
	if (call->kind == SESSION_SIGNAL)
		give_signal(c, call);
	else
		carry_input_call(c, call);
}

/* -- its end ----------------------------------------------------------- */

static bool step_is_over(struct carry *c)
{
	return c->now.step >= 0 &&
	       (carry_step_ended(c, (size_t)c->now.step) ||
		   (c->now.side != NULL && side_is_over(c->now.side)));
}

/* Its container is still being removed: no call waits for that, but the next
 * one of its kind that ends. */
static void let_go(struct carry *c, struct side *side)
{
	if (c->now.leaving != NULL)
		side_finish(c->now.leaving, false);
	c->now.leaving = side;
}

static bool has_left(const struct carry *c)
{
	return c->now.leaving != NULL && side_is_over(c->now.leaving);
}

/* Nothing that was sent for it matters any more. */
static void end_of_step(struct carry *c)
{
	struct side *side = c->now.side;
	int step = c->now.step;

	c->now.step = -1;
	carry_input_serve(c);
	channel_confirm(c->sandbox->channel, c->now.last_seq);
	c->now.side = NULL;
	if (side == NULL)
		return;
	if (carry_step_ended(c, (size_t)step)) {
		let_go(c, side);
		return;
	}
	side_finish(side, false);
	cut(c, step, KILLED_CODE, "its container is gone");
}

/* -- all of them, again and again -------------------------------------- */

bool carry_is_called(struct carry *c)
{
	return atomic_load(&c->live.called) || carry_input_is_due(c) ||
	       step_is_over(c) || has_left(c);
}

void carry_serve(struct carry *c)
{
	struct session_call *call, *next;

	if (step_is_over(c))
		end_of_step(c);
	if (has_left(c))
		let_go(c, NULL);
	for (call = live_take_calls(c->hub->live, &c->live); call != NULL;
	     call = next) {
		next = call->next;
		call->next = NULL;
		carry_out(c, call);
	}
	carry_input_serve(c);
}

int carry_calls_resume(struct carry *c, struct err *err)
{
	size_t last = c->progress.nsteps;
	const struct step_progress *s;
	int r = 0;

	if (last == 0 || carry_step_ended(c, last - 1))
		return 0;
	s = &c->progress.steps[--last];
	if (s->aside)
		r = side_resume(c, (int)last, &c->now.side, err);
	TRY(r);
	if (s->aside && r == 0 && s->started)
		cut(c, (int)last, KILLED_CODE,
		    "its container ended while the hub was away");
	/* One that has not begun is given again by its proxy. */
	if (s->aside ? r == 0 : !s->started)
		return 0;
	c->now.step = (int)last;
	carry_input_begin(c);
	return 0;
}
