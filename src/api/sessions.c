/*
 * Driving a session (docs/SESSIONS.md): steps, signals, input, the lease.
 * Handler threads check the form and pass it on; whoever carries the session
 * answers, on its own thread.
 */
#include <jansson.h>
#include <signal.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/mem.h"

/* -- answers of the carrier -------------------------------------------- */

static void answer_number(
    struct call *c, int status, const char *key, int64_t n)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kint(&j, key, n);
	json_end(&j);
	envelope_end(&j);
	reply_json(c, status, &body);
}

static void step_given(void *arg, const struct session_answer *a)
{
	struct later *l = arg;

	if (a->err != NULL)
		reply_error(&l->call, a->err);
	else
		answer_number(
		    &l->call, a->existed ? 200 : 201, "step", a->step);
	mem_free(l);
}

static void signal_sent(void *arg, const struct session_answer *a)
{
	struct later *l = arg;

	if (a->err != NULL)
		reply_error(&l->call, a->err);
	else
		reply_message(&l->call, 200, "Signal passed on");
	mem_free(l);
}

static void input_taken(void *arg, const struct session_answer *a)
{
	struct later *l = arg;

	if (a->err != NULL)
		reply_error(&l->call, a->err);
	else
		answer_number(&l->call, 200, "offset", (int64_t)a->offset);
	mem_free(l);
}

static struct later *later_new(const struct call *c)
{
	struct later *l = mem_zalloc(sizeof(*l));

	later_init(l, c);
	return l;
}

/* What hub_session_* said: taken, so that the carrier answers; or refused. */
static struct answer passed_on(
    struct call *c, struct later *l, int r, const struct err *err)
{
	if (r == 0)
		return reply_later();
	mem_free(l);
	return reply_error(c, err);
}

/* -- calls ------------------------------------------------------------- */

struct answer session_step(struct call *c)
{
	struct later *l = later_new(c);
	struct err err = ERR_INIT;
	const char *body;
	size_t len;
	int r;

	body = http_body(c->x, &len);
	r = hub_session_step(c->hub, c->job, body, len, step_given, l, &err);
	return passed_on(c, l, r, &err);
}

static int read_signal(struct call *c, int *ret, struct err *err)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {{"INT", SIGINT}, {"TERM", SIGTERM}, {"KILL", SIGKILL},
	    {"HUP", SIGHUP}, {"QUIT", SIGQUIT}, {"USR1", SIGUSR1},
	    {"USR2", SIGUSR2}};
	json_t *body = param_body(c, err);
	const char *name = json_string_value(json_object_get(body, "signal"));

	*ret = 0;
	for (size_t i = 0; name != NULL && i < ARRAY_LEN(signals); i++)
		if (strcmp(signals[i].name, name) == 0)
			*ret = signals[i].number;
	if (body == NULL)
		return -1;
	json_decref(body);
	if (*ret != 0)
		return 0;
	return err_set(err, ERR_INVALID, "invalid_field",
	    "signal: expected INT, TERM, KILL, HUP, QUIT, USR1 or USR2");
}

struct answer session_signal(struct call *c)
{
	struct err err = ERR_INIT;
	struct later *l;
	int signo, r;

	if (read_signal(c, &signo, &err) < 0)
		return reply_error(c, &err);
	l = later_new(c);
	r = hub_session_signal(
	    c->hub, c->job, c->step, signo, signal_sent, l, &err);
	return passed_on(c, l, r, &err);
}

struct answer session_input(struct call *c)
{
	struct err err = ERR_INIT;
	int64_t offset = 0;
	bool end = false;
	struct later *l;
	const char *data;
	size_t len;
	int r;

	if (param_int(c, "offset", 0, INT64_MAX, &offset, &err) < 0 ||
	    param_bool(c, "end", &end, &err) < 0)
		return reply_error(c, &err);
	data = http_body(c->x, &len);
	l = later_new(c);
	r = hub_session_input(c->hub, c->job, c->step, (uint64_t)offset, data,
	    len, end, input_taken, l, &err);
	return passed_on(c, l, r, &err);
}

/* -- the lease --------------------------------------------------------- */

/* What runs in a session may ask after it, but its lease is its proxy's: a
 * job must not outlive a proxy that has vanished. */
static int heartbeat(struct call *c, enum job_status *ret, struct err *err)
{
	CLEANUP(job_fini) struct job job = {0};

	if (c->who.kind != PRINCIPAL_SESSION ||
	    !uuid_equal(c->who.id, c->job.u))
		return hub_session_heartbeat(c->hub, c->job, ret, err);
	TRY(call_job(c, &job, err));
	*ret = job.status;
	return 0;
}

struct answer session_heartbeat(struct call *c)
{
	struct err err = ERR_INIT;
	enum job_status status;
	struct buf body;
	struct json j;

	if (heartbeat(c, &status, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kstr(&j, "status", job_status_name(status));
	json_kint(&j, "leaseSeconds", hub_options(c->hub)->lease_ms / 1000);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

/* -- one step ---------------------------------------------------------- */

/* As the whole job shows it. */
struct answer session_step_show(struct call *c)
{
	CLEANUP(job_fini) struct job job = {0};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (call_job(c, &job, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	if (!job_write_step(c, &job, c->step, &j)) {
		buf_fini(&body);
		IGNORE(no_such_step(c, &err));
		return reply_error(c, &err);
	}
	envelope_end(&j);
	return reply_json(c, 200, &body);
}
