/*
 * The input of a step, from the API to the agent: forwarded in order, never
 * more than the agent has room for, and each call is answered when the step
 * has taken its bytes. What was taken stands in the log, so that after a
 * restart the proxy goes on from what it was told. Carrier's thread.
 */
#include "base/secret.h"
#include "jobs/session.h"

enum { CALLS_MAX = 8 };

void carry_input_begin(struct carry *c)
{
	struct session_run *now = &c->now;
	uint64_t taken = c->progress.steps[now->step].taken;

	ASSERT(now->input == NULL);
	now->input_end = &now->input;
	now->input_calls = 0;
	now->have = now->sent = taken;
	now->have_end = now->sent_end = false;
	now->confirm_seq = 0;
}

static uint64_t end_of(const struct session_call *call)
{
	return call->offset + call->len;
}

static uint64_t taken_of(const struct carry *c)
{
	return c->progress.steps[c->now.step].taken;
}

static void answer(struct session_call *call, uint64_t offset)
{
	struct session_answer a = {.step = call->step, .offset = offset};

	session_call_answer(call, &a);
}

static bool is_taken(const struct carry *c, const struct session_call *call)
{
	return end_of(call) <= taken_of(c) && (!call->end || c->now.sent_end);
}

/* -- to the agent ------------------------------------------------------ */

/* What is sent is kept until it has arrived: two marks, so that a stream
 * that never pauses is let go of, too. */
static void note_sent(struct session_run *now, uint32_t seq)
{
	now->last_seq = seq;
	now->last_off = now->sent;
	if (now->confirm_seq == 0) {
		now->confirm_seq = seq;
		now->confirm_off = now->sent;
	}
}

static void confirm(struct carry *c)
{
	struct session_run *now = &c->now;

	if (now->confirm_seq == 0 || taken_of(c) < now->confirm_off)
		return;
	channel_confirm(c->sandbox->channel, now->confirm_seq);
	now->confirm_seq = 0;
	if (taken_of(c) < now->last_off) {
		now->confirm_seq = now->last_seq;
		now->confirm_off = now->last_off;
	}
}

/* The bytes of call from `sent` on, as many as there is room for. */
static void send_some(struct carry *c, const struct session_call *call)
{
	struct session_run *now = &c->now;
	uint64_t room = WIRE_INPUT_MAX - (now->sent - taken_of(c));
	uint64_t n = end_of(call) - now->sent;
	bool whole = n <= room;
	struct buf b;

	if (!whole)
		n = room;
	if (n == 0 && !(whole && call->end))
		return;
	buf_init(&b, WIRE_INPUT_MAX + 16);
	wire_put_u64(&b, now->sent);
	wire_put_u32(&b, whole && call->end ? WIRE_INPUT_END : 0);
	if (n > 0)
		IGNORE(buf_append(&b,
		    (const char *)call->data + (now->sent - call->offset),
		    (size_t)n)); /* WIRE_INPUT_MAX at most */
	now->sent += n;
	now->sent_end = now->sent_end || (whole && call->end);
	note_sent(now, channel_send(c->sandbox->channel, WIRE_INPUT,
			   (uint16_t)now->step, &b));
	if (b.data != NULL)
		secret_wipe(b.data, b.cap);
	buf_fini(&b);
}

static bool is_sent(const struct session_run *now, const struct session_call *c)
{
	return end_of(c) <= now->sent && (!c->end || now->sent_end);
}

/* -- calls ------------------------------------------------------------- */

/* The first that waits, when its turn of being answered has come. Nobody
 * takes the bytes for a step that has ended. */
static struct session_call *next_done(struct carry *c)
{
	struct session_run *now = &c->now;
	struct session_call *call = now->input;

	if (call == NULL || (now->step >= 0 && !is_taken(c, call)))
		return NULL;
	now->input = call->next;
	if (now->input == NULL)
		now->input_end = &now->input;
	now->input_calls--;
	return call;
}

/* Half of what may be on its way has arrived: worth a frame. */
static bool has_room(const struct carry *c)
{
	return c->now.sent < c->now.have &&
	       taken_of(c) + WIRE_INPUT_MAX / 2 >= c->now.sent;
}

bool carry_input_is_due(const struct carry *c)
{
	const struct session_call *call = c->now.input;

	if (call == NULL)
		return false;
	return c->now.step < 0 || is_taken(c, call) || has_room(c);
}

/* An earlier hub had sent more than it could write down. */
static void catch_up(struct carry *c)
{
	struct session_run *now = &c->now;
	uint64_t taken = taken_of(c);

	if (now->sent < taken)
		now->sent = taken;
	if (now->have < now->sent)
		now->have = now->sent;
}

void carry_input_serve(struct carry *c)
{
	struct session_run *now = &c->now;
	struct session_call *call;

	while ((call = next_done(c)) != NULL)
		answer(call, end_of(call));
	if (now->step < 0)
		return;
	catch_up(c);
	confirm(c);
	for (call = now->input; call != NULL; call = call->next) {
		if (!is_sent(now, call))
			send_some(c, call);
		if (!is_sent(now, call))
			break; /* no room: when more is taken */
	}
	while ((call = next_done(c)) != NULL)
		answer(call, end_of(call));
}

static void wait_for_its_turn(struct carry *c, struct session_call *call)
{
	struct session_run *now = &c->now;

	if (end_of(call) > now->have)
		now->have = end_of(call);
	now->have_end = now->have_end || call->end;
	*now->input_end = call;
	now->input_end = &call->next;
	now->input_calls++;
}

void carry_input_call(struct carry *c, struct session_call *call)
{
	struct session_run *now = &c->now;

	if (call->step != now->step) {
		answer(call, end_of(call)); /* it has ended: dropped */
		return;
	}
	catch_up(c);
	if (call->offset > now->have)
		session_call_refuse(call, ERR_CONFLICT, "input_gap",
		    "The step has input up to %llu: send what follows from "
		    "there",
		    (unsigned long long)now->have);
	else if ((now->have_end && end_of(call) > now->have) ||
		 (call->end && end_of(call) < now->have))
		session_call_refuse(call, ERR_CONFLICT, "input_closed",
		    "The step's input has another end: it stands at %llu",
		    (unsigned long long)now->have);
	else if (is_taken(c, call))
		answer(call, end_of(call));
	else if (now->input_calls >= CALLS_MAX)
		session_call_refuse(call, ERR_LIMIT, "session_busy",
		    "%d calls with input wait already: send the next when one "
		    "was answered",
		    CALLS_MAX);
	else
		wait_for_its_turn(c, call);
}
