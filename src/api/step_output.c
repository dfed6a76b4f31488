/*
 * GET /api/jobs/:id/steps/:step/output: what a step writes, as it writes it,
 * until its end (docs/SESSIONS.md has the frames). A stream pulls from the
 * spool on worker threads and is woken by the log's writer; that it is open
 * renews the session's lease.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "jobs/progress.h"
#include "spool/step_output.h"

enum {
	CHUNK = 128 * 1024,
	END_MAX = 4096, /* of the last frame: words are bounded by their
			   makers */
	STREAM_END = 3,
};

struct output_stream {
	struct hub *hub;
	struct ctx ctx;
	job_id job;
	char id[UUID_TEXT_LEN];
	uint16_t step;
	bool frames;
	bool drives;      /* a proxy that reads is one that is there */
	int64_t renew_at; /* mono */
	struct step_output *output;
	struct spool_watch watch;
	struct http_stream *stream;
};

static void wake(void *arg)
{
	struct output_stream *s = arg;

	http_stream_wake(s->stream);
}

static void bind_stream(void *arg, struct http_stream *stream)
{
	struct output_stream *s = arg;

	s->stream = stream;
	s->watch = (struct spool_watch){.wake = wake, .arg = s};
	spool_watch(hub_spool(s->hub), s->id, &s->watch);
}

static void closed(void *arg)
{
	struct output_stream *s = arg;

	if (s->stream != NULL)
		spool_unwatch(hub_spool(s->hub), &s->watch);
	step_output_close(s->output);
	mem_free(s);
}

/* -- the last frame ---------------------------------------------------- */

static void write_end(struct json *j, bool has_code, int64_t code,
    const char *status, const char *error)
{
	json_obj(j);
	json_key(j, "exitCode");
	if (has_code)
		json_int(j, code);
	else
		json_none(j);
	json_kstr(j, "status", status);
	json_kstr(j, "error", error);
	json_end(j);
}

/* The step's name, as its proxy gave it. For mem_free; NULL: none. */
static char *given_name(const struct output_stream *s)
{
	const char *note = step_output_given(s->output);
	json_t *given = note != NULL ? json_loads(note, 0, NULL) : NULL;
	char *name = mem_strdup_or_null(
	    json_string_value(json_object_get(given, "name")));

	json_decref(given);
	return name;
}

/* The same words as the job's own list of steps has. */
static void write_step_end(const struct output_stream *s, struct json *j)
{
	CLEANUP(progress_fini) struct progress p = {0};
	struct spool_record end = *step_output_end(s->output);
	CLEANUP(mem_free) char *name = given_name(s);
	const struct step_progress *step;
	char code[32], words[480];
	bool signaled, failed;

	progress_init(&p, 1);
	end.step = 0;
	progress_fold(&p, &end);
	step = &p.steps[0];
	failed = step_failed(step);
	signaled = (step->end.flags & WIRE_END_SIGNALED) != 0;
	if (failed)
		step_describe(step, s->step, name != NULL ? name : "step", code,
		    words, sizeof(words));
	write_end(j, true, signaled ? 128 + (int64_t)step->end.code : end.code,
	    failed ? "failed" : "completed", failed ? words : NULL);
}

/* The log has ended, and nothing in it says how the step did. */
static void write_cut_end(const struct output_stream *s, struct json *j)
{
	CLEANUP(job_fini) struct job job = {0};
	struct err err = ERR_INIT;
	bool known = store_job_get(hub_store(s->hub), s->job, &job, &err) > 0 &&
		     job.reason != NULL;

	write_end(j, false, 0, "failed",
	    known ? job.reason : "the job ended before the step did");
}

static void put_end_frame(const struct buf *text, struct buf *out)
{
	uint8_t head[STEP_FRAME_HEADER];

	step_frame_header(STREAM_END, (uint32_t)text->len, head);
	IGNORE(buf_append(out, head, sizeof(head)) < 0 ||
	       buf_append(out, text->data, text->len) < 0); /* then: overflow */
}

static void put_end(
    struct output_stream *s, enum step_output_state state, struct buf *out)
{
	struct buf text;
	struct json j;

	if (!s->frames)
		return;
	buf_init(&text, END_MAX);
	json_init(&j, &text);
	if (state == STEP_OUTPUT_OVER)
		write_step_end(s, &j);
	else
		write_cut_end(s, &j);
	if (text.overflow) {
		buf_clear(&text);
		text.overflow = false;
		json_init(&j, &text);
		write_end(&j, false, 0, "failed", "the reason is too long");
	}
	put_end_frame(&text, out);
	buf_fini(&text);
}

/* -- the stream -------------------------------------------------------- */

/*
 * Renews the lease. A frame without content goes with it: a peer that has
 * vanished does not take it, and is found out.
 */
static void renew(struct output_stream *s, struct buf *out)
{
	int64_t now = clock_mono_ns();
	uint8_t head[STEP_FRAME_HEADER];
	enum job_status status;
	struct err err = ERR_INIT;

	if (!s->drives || now < s->renew_at)
		return;
	if (s->renew_at != 0 && out->len == 0) {
		step_frame_header(SPOOL_STDOUT, 0, head);
		IGNORE(buf_append(out, head, sizeof(head))); /* has room */
	}
	s->renew_at = now + hub_options(s->hub)->lease_ms * CLOCK_NS_PER_MS / 4;
	if (hub_session_heartbeat(s->hub, s->job, &status, &err) < 0)
		log_warn(&s->ctx, "cannot renew the lease of a session",
		    LOG_STR("job", s->id), LOG_ERR(&err));
}

static enum http_produce produce(void *arg, struct buf *out)
{
	struct output_stream *s = arg;
	enum step_output_state state;
	struct err err = ERR_INIT;

	if (step_output_read(s->output, CHUNK, out, &state, &err) < 0)
		return HTTP_ABORT;
	switch (state) {
	case STEP_OUTPUT_MORE:
		return HTTP_MORE;
	case STEP_OUTPUT_WAIT:
		renew(s, out);
		return HTTP_WAIT;
	case STEP_OUTPUT_OVER:
	case STEP_OUTPUT_CUT:
		break;
	}
	put_end(s, state, out);
	return out->overflow ? HTTP_ABORT : HTTP_END;
}

/* -- the route --------------------------------------------------------- */

static int read_format(struct call *c, bool *ret_frames, struct err *err)
{
	const char *format = http_query(c->x, "format");

	*ret_frames = format == NULL || strcmp(format, "frames") == 0;
	if (*ret_frames || strcmp(format, "text") == 0)
		return 0;
	return err_set(err, ERR_INVALID, "invalid_parameter",
	    "Parameter \"format\": expected frames or text, got \"%.40s\"",
	    format);
}

static int open_output(
    struct call *c, struct output_stream *s, int64_t skip, struct err *err)
{
	if (step_output_open(hub_spool(c->hub), s->id, c->step, (uint64_t)skip,
		s->frames ? STEP_OUTPUT_FRAMES : STEP_OUTPUT_PLAIN, &s->output,
		err) == 0)
		return 0;
	return err->kind == ERR_NOT_FOUND ? no_such_step(c, err) : -1;
}

static bool is_proxy(const struct call *c, const struct job *job)
{
	return job->is_session && !(c->who.kind == PRINCIPAL_SESSION &&
				      uuid_equal(c->who.id, c->job.u));
}

static struct answer start_stream(struct call *c, struct output_stream *s)
{
	struct http_stream_ops ops = {.produce = produce, .closed = closed};

	if (s->drives)
		ops.keepalive_ms = hub_options(c->hub)->lease_ms / 4;
	http_reply_header(c->x, "Cache-Control", "no-store, no-transform");
	http_reply_stream(c->x, 200,
	    s->frames ? "application/octet-stream"
		      : "text/plain; charset=utf-8",
	    -1, &ops, s, bind_stream);
	return (struct answer){200};
}

/* -- a log that went with its session ---------------------------------- */

/* How the step ended stands in the job's result, too: whoever was cut off
 * meanwhile hears that, and that there is no more to read. */
static bool put_kept_end(
    const struct call *c, const struct job *job, struct buf *out)
{
	CLEANUP(buf_fini) struct buf text = {.max = END_MAX};
	json_t *result =
	    job->result != NULL ? json_loads(job->result, 0, NULL) : NULL;
	const json_t *step =
	    json_array_get(json_object_get(result, "steps"), c->step);
	const json_t *code = json_object_get(step, "exitCode");
	const char *status = json_string_value(json_object_get(step, "status"));
	const char *error = json_string_value(json_object_get(step, "error"));
	struct json j;

	json_init(&j, &text);
	if (status != NULL) {
		write_end(&j, json_is_integer(code), json_integer_value(code),
		    strcmp(status, "completed") == 0 ? status : "failed",
		    error != NULL ? error
				  : "the rest of the step's output is gone: "
				    "its session has ended");
		put_end_frame(&text, out);
	}
	json_decref(result);
	return status != NULL && !text.overflow && !out->overflow;
}

static struct answer reply_without_log(
    struct call *c, const struct job *job, bool frames, const struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.max = 2 * END_MAX};

	if (err->kind != ERR_NOT_FOUND || !frames ||
	    !job_status_is_final(job->status) || !put_kept_end(c, job, &out))
		return reply_error(c, err);
	http_reply_header(c->x, "Cache-Control", "no-store, no-transform");
	http_reply(c->x, 200, "application/octet-stream", &out);
	return (struct answer){200};
}

/* -- the handler ------------------------------------------------------- */

struct answer step_output(struct call *c)
{
	CLEANUP(job_fini) struct job job = {0};
	struct output_stream *s;
	struct err err = ERR_INIT;
	int64_t skip = 0;
	bool frames;

	if (call_job(c, &job, &err) < 0 || read_format(c, &frames, &err) < 0 ||
	    param_int(c, "skip", 0, INT64_MAX, &skip, &err) < 0)
		return reply_error(c, &err);
	s = mem_zalloc(sizeof(*s));
	s->hub = c->hub;
	s->ctx = ctx_root();
	s->job = c->job;
	s->step = c->step;
	s->frames = frames;
	s->drives = frames && is_proxy(c, &job);
	uuid_text(c->job.u, s->id);
	if (open_output(c, s, skip, &err) == 0)
		return start_stream(c, s);
	mem_free(s);
	return reply_without_log(c, &job, frames, &err);
}
