/*
 * A session opened, shown, kept and ended: see session.h. Its steps are in
 * session_step.c.
 */
#include "client/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "client/client_internal.h"

/* So often somebody who waits in the queue learns why. */
#define LOOK_MS     INT64_C(5000)
#define UNDO_MS     INT64_C(8000)
#define ENTRY_BYTES ((size_t)1 << 20)

/* -- life -------------------------------------------------------------- */

struct session *session_attach(struct client *c, const char *id)
{
	struct session *s = mem_zalloc(sizeof(*s));

	s->client = c;
	s->id = mem_strdup(id);
	return s;
}

void session_free(struct session *s)
{
	if (s == NULL)
		return;
	mem_free(s->id);
	mem_free(s);
}

const char *session_id(const struct session *s)
{
	return s->id;
}

char *session_path(const struct session *s, const char *fmt, ...)
{
	char suffix[160], *path;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(suffix, sizeof(suffix), fmt, ap);
	va_end(ap);
	path = client_job_path(s->id, suffix);
	return path;
}

static bool is_over(const char *status)
{
	return strcmp(status, "completed") == 0 ||
	       strcmp(status, "failed") == 0 ||
	       strcmp(status, "cancelled") == 0;
}

static int ended(const json_t *job, struct err *err)
{
	return err_set(err, ERR_CONFLICT, reply_str(job, "code", NULL), "%s",
	    reply_str(job, "error", "the session has ended"));
}

int session_show(
    struct session *s, const struct ctx *ctx, json_t **ret, struct err *err)
{
	CLEANUP(mem_free) char *path = session_path(s, "%s", "");

	return again_get(s->client, ctx, path, ret, err);
}

/* -- what the hub says until it runs ----------------------------------- */

struct opening {
	struct session *s;
	void (*say)(void *arg, const char *line);
	void *arg;
	struct again again;
	struct buf line;
	size_t seen; /* entries of the log that were told */
	size_t at;   /* entries of this connection */
	unsigned looks;
	char reason[300];
};

static void tell(struct opening *o, const char *line)
{
	if (o->say != NULL && *line != '\0')
		o->say(o->arg, line);
}

/* Notes only: nothing else can be there before the first step. */
static void take_entry(struct opening *o)
{
	CLEANUP(json_decref) json_t *entry =
	    json_loadb(buf_str(&o->line), o->line.len, 0, NULL);

	o->at++;
	if (o->at <= o->seen)
		return;
	o->seen = o->at;
	if (strcmp(reply_str(entry, "kind", ""), "note") == 0)
		tell(o, reply_str(entry, "note", ""));
}

static int take(void *arg, const char *data, size_t len, struct err *err)
{
	struct opening *o = arg;

	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t n = end != NULL ? (size_t)(end - data) : len;

		if (buf_append(&o->line, data, n) != 0)
			return err_set(err, ERR_LIMIT, "reply_too_large",
			    "an entry of the session's log is too long");
		if (end != NULL) {
			take_entry(o);
			buf_clear(&o->line);
			n++;
		}
		data += n;
		len -= n;
	}
	return 0;
}

/* 1 it runs, 0 not yet, -1 it has ended or the hub cannot be asked. */
static int look(struct opening *o, const struct ctx *ctx, struct err *err)
{
	CLEANUP(mem_free) char *path = session_path(o->s, "%s", "");
	CLEANUP(json_decref) json_t *job = NULL;
	const char *status, *reason;

	TRY(client_get(o->s->client, ctx, path, &job, err));
	status = reply_str(job, "status", "");
	if (strcmp(status, "running") == 0)
		return 1;
	if (is_over(status))
		return ended(job, err);
	reason = reply_str(json_object_get(job, "waiting"), "reason", "");
	/* The first is what everybody waits for, for a moment. */
	if (o->looks++ > 0 && strcmp(reason, o->reason) != 0) {
		snprintf(o->reason, sizeof(o->reason), "Waiting: %s", reason);
		tell(o, o->reason);
		snprintf(o->reason, sizeof(o->reason), "%s", reason);
	}
	return 0;
}

/* Its log for a while, or until it runs or has ended. */
static int listen_once(
    struct opening *o, const struct ctx *ctx, struct err *err)
{
	CLEANUP(mem_free)
	char *path =
	    session_path(o->s, "/logs?follow=true&format=json&until=running");
	struct ctx timed = ctx_with_timeout(ctx, LOOK_MS);

	o->at = 0;
	buf_clear(&o->line);
	if (client_stream(o->s->client, &timed, path, NULL, take, o, err) == 0)
		return 0;
	if (err->kind == ERR_TIMEOUT && ctx_check(ctx, err) == 0) {
		err_clear(err);
		return 0;
	}
	return -1;
}

/* Until it runs. A hub that was restarted has forgotten the passwords of
 * registries: the caller then delegates again. 0 runs, -1. */
static int await_running(
    struct opening *o, const struct ctx *ctx, struct err *err)
{
	for (;;) {
		int r = look(o, ctx, err);

		TRY(r);
		if (r > 0)
			return 0;
		TRY(listen_once(o, ctx, err));
		again_reset(o->s->client, &o->again);
	}
}

static int delegate(struct session *s, const struct ctx *ctx,
    const json_t *body, struct err *err)
{
	CLEANUP(json_decref) json_t *reply = NULL;
	const char *id;

	TRY(client_call(
	    s->client, ctx, "POST", "/api/jobs/delegate", body, &reply, err));
	id = reply_str(json_object_get(reply, "data"), "delegationId", NULL);
	if (id == NULL)
		return err_set(err, ERR_INTERNAL, NULL,
		    "the answer of %s names no job: is that a hub?",
		    client_url(s->client));
	mem_free(s->id);
	s->id = mem_strdup(id);
	return 0;
}

static int open_it(struct opening *o, const struct ctx *ctx, const json_t *body,
    struct err *err)
{
	while (delegate(o->s, ctx, body, err) != 0 ||
	       await_running(o, ctx, err) != 0)
		TRY(again_wait(o->s->client, ctx, &o->again, err));
	again_reset(o->s->client, &o->again);
	return 0;
}

/* The session must not wait, or run, for nobody. */
static void undo(struct session *s, const struct err *why)
{
	struct ctx root = ctx_root(),
		   limited = ctx_with_timeout(&root, UNDO_MS);
	struct err ignored = ERR_INIT;
	bool cancelled = why->kind == ERR_CANCELED;

	if (s->id != NULL) /* else its lease ends it */
		IGNORE(session_complete(s, &limited,
		    cancelled ? "cancelled" : "failed", NULL, why->msg,
		    &ignored));
}

int session_open(struct session **ret, struct client *c, const struct ctx *ctx,
    json_t *delegation, void (*say)(void *arg, const char *line), void *arg,
    struct err *err)
{
	CLEANUP(session_free) struct session *s = mem_zalloc(sizeof(*s));
	struct opening o = {.s = s, .say = say, .arg = arg};
	int r;

	s->client = c;
	buf_init(&o.line, ENTRY_BYTES);
	r = open_it(&o, ctx, delegation, err);
	buf_fini(&o.line);
	if (r != 0) {
		undo(s, err);
		return -1;
	}
	*ret = STEAL(s);
	return 0;
}

/* -- kept and ended ---------------------------------------------------- */

int session_heartbeat(struct session *s, const struct ctx *ctx,
    int64_t *ret_lease_s, struct err *err)
{
	CLEANUP(mem_free) char *path = session_path(s, "/heartbeat");
	CLEANUP(json_decref) json_t *reply = NULL;
	const json_t *data;

	TRY(again_call(s->client, ctx, "POST", path, NULL, &reply, err));
	data = json_object_get(reply, "data");
	if (is_over(reply_str(data, "status", "")))
		return err_set(err, ERR_CONFLICT, "session_over",
		    "the session is %s", reply_str(data, "status", ""));
	*ret_lease_s = reply_int(data, "leaseSeconds", 60);
	return 0;
}

/* Refused: because it is over, perhaps by another's doing? */
static int settle(struct session *s, const struct ctx *ctx, struct err *err)
{
	CLEANUP(json_decref) json_t *job = NULL;
	struct err ignored = ERR_INIT;

	if (err->kind == ERR_NOT_FOUND)
		return 0;
	if (err->kind == ERR_CONFLICT &&
	    session_show(s, ctx, &job, &ignored) == 0 &&
	    is_over(reply_str(job, "status", "")))
		return 0;
	return -1;
}

int session_complete(struct session *s, const struct ctx *ctx,
    const char *status, const int *exit_code, const char *error,
    struct err *err)
{
	CLEANUP(mem_free) char *path = session_path(s, "/proxy-complete");
	CLEANUP(json_decref) json_t *job = NULL;
	CLEANUP(json_decref) json_t *body = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;

	/* The hub wants the names of the job once more: against mix-ups. */
	if (session_show(s, ctx, &job, err) != 0)
		return settle(s, ctx, err);
	if (is_over(reply_str(job, "status", "")))
		return 0;
	body = json_pack("{s:s, s:s, s:s}", "status", status, "runId",
	    reply_str(job, "runId", ""), "jobId", reply_str(job, "jobId", ""));
	ASSERT(body != NULL);
	if (exit_code != NULL)
		json_object_set_new(body, "exitCode", json_integer(*exit_code));
	if (error != NULL && *error != '\0')
		json_object_set_new(body, "error", json_string(error));
	if (again_call(s->client, ctx, "POST", path, body, &reply, err) == 0)
		return 0;
	return settle(s, ctx, err);
}
