/*
 * A container's log from a moment on, message by message with the time that
 * the engine gave it: see run.h. Any thread; blocks on the caller's.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/engine_internal.h"
#include "engine/frames.h"
#include "engine/run.h"

/* "2026-01-31T12:34:56.123456789+01:00 " and room. */
#define STAMP_MAX 64

struct log_reader {
	struct frames frames;
	engine_message_fn *message;
	void *arg;
	char stamp[STAMP_MAX]; /* of the message that is being read */
	size_t stamp_len;
	bool stamped; /* all of it has come: time is known */
	int64_t time_ns;
};

/* Takes of the piece what belongs to the stamp. */
static int take_stamp(
    struct log_reader *r, struct frames_piece *piece, struct err *err)
{
	while (!r->stamped && piece->len > 0) {
		char c = *piece->data++;

		piece->len--;
		if (c == ' ') {
			r->stamp[r->stamp_len] = '\0';
			r->stamped =
			    clock_parse_iso(r->stamp, &r->time_ns) == 0;
		}
		if (r->stamped)
			return 0;
		if (c == ' ' || r->stamp_len == STAMP_MAX - 1)
			return err_set(err, ERR_INTERNAL, "engine_answer",
			    "a message of the log does not begin with its "
			    "time");
		r->stamp[r->stamp_len++] = c;
	}
	return 0;
}

static int take_piece(
    struct log_reader *r, struct frames_piece *piece, struct err *err)
{
	const bool last = frames_at_boundary(&r->frames);
	struct engine_message m = {
	    .stream = piece->stream == FRAMES_STDERR ? 2 : 1, .last = last};

	TRY(take_stamp(r, piece, err));
	if (r->stamped) {
		m.time_ns = r->time_ns;
		m.data = piece->data;
		m.len = piece->len;
		TRY(r->message(r->arg, &m, err));
	}
	if (last) {
		r->stamped = false;
		r->stamp_len = 0;
	}
	return 0;
}

static int take_body(void *arg, const char *data, size_t len, struct err *err)
{
	struct log_reader *r = arg;
	struct frames_piece piece;
	int more;

	while ((more = frames_next(&r->frames, &data, &len, &piece, err)) > 0)
		TRY(take_piece(r, &piece, err));
	return more;
}

static int take_pause(void *arg, struct err *err)
{
	static const struct engine_message pause = {.stream = 0};
	struct log_reader *r = arg;

	return r->message(r->arg, &pause, err);
}

int engine_container_log(struct engine *e, const struct ctx *ctx,
    const char *id, const struct engine_log_wish *wish, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	struct log_reader reader = {.message = wish->message, .arg = wish->arg};
	int64_t since = wish->since_ns > 0 ? wish->since_ns : 0;
	char target[360], doing[128];
	const struct engine_request req = {.method = "GET",
	    .target = target,
	    .on_body = take_body,
	    .on_pause = take_pause,
	    .sink_arg = &reader,
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .repeatable = true};

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	frames_init(&reader.frames, FRAMES_PAYLOAD_MAX);
	snprintf(target, sizeof(target),
	    "/containers/%s/logs?stdout=1&stderr=1&timestamps=1"
	    "&since=%lld.%09lld%s",
	    id, (long long)(since / CLOCK_NS_PER_S),
	    (long long)(since % CLOCK_NS_PER_S),
	    wish->follow ? "&follow=1" : "");
	snprintf(doing, sizeof(doing), "read the log of container %.64s", id);
	return engine_call(e, ctx, &req, &res, err);
}
