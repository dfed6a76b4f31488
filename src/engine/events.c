/*
 * The engine's event stream: one long GET whose body is a JSON document per
 * event. Called by the one thread that watches containers; the callback runs
 * on it. Owns the line splitter for the time of the call.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "base/parse.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/lines.h"

/* Labels ride along: an event may be large, but not without end. */
#define EVENT_LINE_MAX ((size_t)1024 * 1024)
#define SINCE_SLACK_NS INT64_C(10000)

/* -- one event --------------------------------------------------------- */

static const char *event_label(const struct engine_event *ev, const char *key)
{
	const json_t *attributes = ev->attributes;

	return json_string_value(json_object_get(attributes, key));
}

/* Podman's own names for what Docker calls die and destroy. */
static const char *action_of(const char *action)
{
	if (strcmp(action, "died") == 0)
		return "die";
	if (strcmp(action, "remove") == 0)
		return "destroy";
	return action;
}

static int exit_code_of(const json_t *attributes)
{
	static const char *const keys[] = {"exitCode", "containerExitCode"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *text = answer_text(attributes, keys[i]);
		int64_t code;

		if (text != NULL && parse_int(text, -1, INT_MAX, &code) == 0)
			return (int)code;
	}
	return -1;
}

static int64_t time_of(const json_t *doc)
{
	int64_t ns = answer_int(doc, "timeNano");

	return ns != 0 ? ns : answer_int(doc, "time") * CLOCK_NS_PER_S;
}

int engine_event_parse(const char *line, size_t len, struct engine_event *ret)
{
	CLEANUP(json_decref) json_t *doc = answer_parse_quiet(line, len);
	const char *type = answer_text(doc, "Type");
	const char *action = answer_text(doc, "Action");
	const char *id = answer_text(doc, "Actor.ID");
	const json_t *attributes = answer_at(doc, "Actor.Attributes");

	if (type == NULL || strcmp(type, "container") != 0 || action == NULL ||
	    id == NULL || strlen(id) >= ENGINE_ID_LEN)
		return 0;
	*ret = (struct engine_event){.exit_code = -1,
	    .time_ns = time_of(doc),
	    .label = event_label,
	    .attributes = json_incref((json_t *)(uintptr_t)attributes)};
	snprintf(ret->action, sizeof(ret->action), "%s", action_of(action));
	snprintf(ret->id, sizeof(ret->id), "%s", id);
	if (strcmp(ret->action, "die") == 0)
		ret->exit_code = exit_code_of(attributes);
	return 1;
}

void engine_event_fini(struct engine_event *ev)
{
	json_decref((json_t *)(uintptr_t)ev->attributes);
	ev->attributes = NULL;
}

/* -- the stream -------------------------------------------------------- */

struct watch {
	struct lines lines;
	int (*cb)(void *arg, const struct engine_event *ev);
	void *arg;
	int64_t since_ns;
	bool stopped; /* by the callback */
};

static int watch_line(void *arg, const char *text, size_t len)
{
	struct watch *w = arg;
	struct engine_event ev;
	int r;

	if (engine_event_parse(text, len, &ev) == 0)
		return 0;
	r = ev.time_ns >= w->since_ns ? w->cb(w->arg, &ev) : 0;
	engine_event_fini(&ev);
	return r;
}

static int watch_body(void *arg, const char *data, size_t len, struct err *err)
{
	struct watch *w = arg;

	if (lines_feed(&w->lines, data, len, watch_line, w) == 0)
		return 0;
	w->stopped = true;
	return err_set(err, ERR_CANCELED, NULL, "the caller has seen enough");
}

static void put_filters(struct buf *target, const char *label)
{
	static const char *const actions[] = {
	    "start", "die", "oom", "destroy", "died", "remove"};
	CLEANUP(buf_fini) struct buf text = {.max = target->max};
	struct json j;

	json_init(&j, &text);
	json_obj(&j);
	json_karr(&j, "type");
	json_str(&j, "container");
	json_end(&j);
	json_karr(&j, "event");
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		json_str(&j, actions[i]);
	json_end(&j);
	if (label != NULL) {
		json_karr(&j, "label");
		json_str(&j, label);
		json_end(&j);
	}
	json_end(&j);
	target->overflow |= text.overflow;
	buf_append_str(target, "filters=");
	http_encode(target, buf_str(&text));
}

/*
 * Docker means "from then on" to the nanosecond, Podman "after then" and
 * reads the number as a float: a moment earlier covers both, and watch_line
 * drops what was not asked for. The fraction is needed even when it is zero:
 * a bare integer would be read as seconds.
 */
static void put_since(struct buf *target, int64_t since_ns)
{
	int64_t from =
	    since_ns > SINCE_SLACK_NS ? since_ns - SINCE_SLACK_NS : 1;

	if (since_ns > 0)
		buf_printf(target, "since=%" PRId64 ".%09" PRId64 "&",
		    from / CLOCK_NS_PER_S, from % CLOCK_NS_PER_S);
}

static int events_run(struct engine *e, const struct ctx *ctx,
    const struct engine_request *req, struct watch *w, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);

	if (engine_call(e, ctx, req, &res, err) == 0)
		return err_set(err, ERR_UNAVAILABLE, "engine_down",
		    "%s: the engine at %s ended the stream", req->doing,
		    engine_host(e));
	if (!w->stopped)
		return -1;
	err_clear(err);
	return 0;
}

int engine_events(struct engine *e, const struct ctx *ctx, const char *label,
    int64_t since_ns, int (*cb)(void *arg, const struct engine_event *ev),
    void *arg, struct err *err)
{
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};
	struct watch w = {.cb = cb, .arg = arg, .since_ns = since_ns};
	struct engine_request req = {.method = "GET",
	    .on_body = watch_body,
	    .sink_arg = &w,
	    .doing = "watch container events",
	    .repeatable = true};
	int r;

	buf_append_str(&target, "/events?");
	put_since(&target, since_ns);
	put_filters(&target, label);
	if (target.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "watch container events: the label is too long");
	req.target = buf_str(&target);
	lines_init(&w.lines, EVENT_LINE_MAX);
	r = events_run(e, ctx, &req, &w, err);
	lines_fini(&w.lines);
	return r;
}
