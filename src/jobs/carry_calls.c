/*
 * What the API asks of a running session, carried out: a step, a signal;
 * input is in carry_input.c. A step stands in the log before it is sent, so
 * that its number and key outlive the hub. Carrier's thread.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "jobs/session.h"
#include "jobs/session_step.h"

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

/* known: the number that it has already, or -1. */
static int start_in_agent(
    struct carry *c, const json_t *given, int known, struct err *err)
{
	struct buf b = {0};
	int r;

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

static int start_aside(
    struct carry *c, const json_t *given, int known, struct err *err)
{
	(void)c;
	(void)given;
	(void)known;
	return err_set(err, ERR_INVALID, "unsupported",
	    "Field \"container\": steps in containers of their own are not "
	    "supported");
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

	if (call->step == c->now.step)
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

/* The step that ran has ended: nothing sent for it matters any more. */
static void end_of_step(struct carry *c)
{
	c->now.step = -1;
	carry_input_serve(c);
	channel_confirm(c->sandbox->channel, c->now.last_seq);
}

bool carry_is_called(const struct carry *c)
{
	return atomic_load(&c->live.called) || carry_input_is_due(c) ||
	       (c->now.step >= 0 &&
		   carry_step_ended((struct carry *)c, (size_t)c->now.step));
}

void carry_serve(struct carry *c)
{
	struct session_call *call, *next;

	if (c->now.step >= 0 && carry_step_ended(c, (size_t)c->now.step))
		end_of_step(c);
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

	(void)err;
	if (last == 0 || carry_step_ended(c, last - 1) ||
	    !c->progress.steps[last - 1].started)
		return 0;
	c->now.step = (int)(last - 1);
	carry_input_begin(c);
	return 0;
}
