/*
 * What a container says, into a log exactly once: see container_output.h.
 * The thread of whoever follows it.
 */
#include "jobs/container_output.h"

#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "engine/run.h"

#define AGAIN_MS  INT64_C(500)
#define PIECE_MAX ((size_t)64 * 1024)
/* Masked, a piece and what was held back of the one before. */
#define MASKED_MAX  (16 * PIECE_MAX)
#define BATCH_BYTES (2 * MASKED_MAX)

/* -- into the log ------------------------------------------------------ */

int container_output_append(struct container_output *o,
    const struct spool_record *recs, size_t n, struct err *err)
{
	struct err slept = ERR_INIT;
	bool told = false;

	while (o->append(o->arg, recs, n, err) < 0) {
		if (err->kind != ERR_UNAVAILABLE)
			return -1;
		if (!told)
			log_warn(o->ctx,
			    "the log cannot be written, its container waits",
			    LOG_ERR(err));
		told = true;
		if (ctx_sleep(o->ctx, AGAIN_MS, &slept) < 0) {
			*err = slept;
			return -1;
		}
		err_clear(err);
	}
	return 0;
}

/* The text stands still now: point at it. */
static int flush(struct container_output *o, struct err *err)
{
	const char *at = buf_str(&o->text);
	int r = 0;

	for (size_t i = 0; i < o->n; i++) {
		o->recs[i].data = at;
		at += o->recs[i].len;
	}
	if (o->n > 0)
		r = container_output_append(o, o->recs, o->n, err);
	o->n = 0;
	buf_clear(&o->text);
	FAULT("side_output");
	return r;
}

/* What is put into the log, and when it was said; 0: now. plain: by lines. */
struct said {
	enum spool_stream stream;
	int64_t time_ns;
	bool plain;
};

/* Whole lines may share a record that bears the time of the last. Parts of a
 * line may not: their bytes are counted by their time. */
static bool joins(const struct container_output *o,
    const struct spool_record *last, const struct said *s)
{
	return last->stream == s->stream &&
	       (s->time_ns == 0 || s->time_ns == last->time_ns ||
		   (s->plain && o->last_is_plain));
}

static int put(struct container_output *o, const struct said *s,
    const char *data, size_t len, struct err *err)
{
	if (len == 0)
		return 0;
	if (o->text.len + len > BATCH_BYTES)
		TRY(flush(o, err));
	IGNORE(buf_append(&o->text, data, len)); /* len is bounded: it fits */
	if (o->n > 0 && joins(o, &o->recs[o->n - 1], s)) {
		struct spool_record *last = &o->recs[o->n - 1];

		last->len += len;
		if (s->time_ns != 0)
			last->time_ns = s->time_ns;
		o->last_is_plain = s->plain && o->last_is_plain;
		return 0;
	}
	if (o->n == CONTAINER_OUTPUT_BATCH) {
		/* The newest piece waits for the next one. */
		o->text.len -= len;
		TRY(flush(o, err));
		IGNORE(buf_append(&o->text, data, len)); /* as above */
	}
	o->recs[o->n++] = (struct spool_record){.kind = SPOOL_OUT,
	    .stream = s->stream,
	    .step = o->step,
	    .time_ns = s->time_ns != 0 ? s->time_ns : clock_wall_ns(),
	    .len = len};
	o->last_is_plain = s->plain;
	return 0;
}

/* -- from the container ------------------------------------------------ */

static enum spool_stream kind_of(int index)
{
	return index == 0 ? SPOOL_STDOUT : SPOOL_STDERR;
}

/* What the log has already is passed over. */
static int keep_new(struct container_output *o, int index,
    const struct said *said, const struct buf *masked, struct err *err)
{
	struct container_stream *st = &o->streams[index];
	uint64_t end = st->seen + masked->len;
	size_t known = st->have > st->seen ? (size_t)(st->have - st->seen) : 0;

	if (known < masked->len) {
		TRY(put(o, said, buf_str(masked) + known, masked->len - known,
		    err));
		st->have = end;
	}
	st->seen = end;
	return 0;
}

static int feed_said(struct container_output *o, int index,
    const struct said *said, const char *data, size_t len, bool last,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf masked = {.max = MASKED_MAX};
	size_t n;

	do {
		n = len < PIECE_MAX ? len : PIECE_MAX;
		mask_feed(&o->streams[index].mask, data, n, last && n == len,
		    &masked);
		TRY(keep_new(o, index, said, &masked, err));
		buf_clear(&masked);
		data += n;
		len -= n;
	} while (len > 0);
	return 0;
}

static int feed(struct container_output *o, int index, const char *data,
    size_t len, bool last, struct err *err)
{
	const struct said now = {.stream = kind_of(index), .plain = true};

	return feed_said(o, index, &now, data, len, last, err);
}

static int take(
    void *arg, int stream, const char *data, size_t len, struct err *err)
{
	if (stream == 0)
		return flush(arg, err);
	return feed(arg, stream == 2 ? 1 : 0, data, len, false, err);
}

static void rewind_streams(struct container_output *o)
{
	for (int i = 0; i < 2; i++) {
		mask_stream_fini(&o->streams[i].mask);
		mask_stream_init(&o->streams[i].mask, o->masks);
		o->streams[i].seen = 0;
	}
}

/* What is in hand goes first: `have` counts it already. */
static int again(struct container_output *o, struct err *err)
{
	err_clear(err);
	o->engine_went = true;
	TRY(flush(o, err));
	TRY(ctx_sleep(o->ctx, AGAIN_MS, err));
	rewind_streams(o);
	return 0;
}

int container_output_follow(
    struct container_output *o, const char *container, struct err *err)
{
	rewind_streams(o);
	while (engine_container_follow(
		   o->engine, o->ctx, container, take, o, err) < 0) {
		if (err->kind != ERR_UNAVAILABLE)
			return -1;
		log_info(
		    o->ctx, "reading a container's log again", LOG_ERR(err));
		TRY(again(o, err));
	}
	TRY(feed(o, 0, "", 0, true, err));
	TRY(feed(o, 1, "", 0, true, err));
	return flush(o, err);
}

/* -- from where the log ends ------------------------------------------- */

/* Two streams are two writers: what one said last may stand before what the
 * other said a little earlier. */
#define SLACK_NS (5 * CLOCK_NS_PER_S)

/*
 * False: it is in the log. Times grow, and an engine may hand out old messages
 * again also while it follows (Docker does when the log's file is rotated);
 * unless the machine's clock was set back.
 */
static bool is_news(struct container_stream *st, int64_t time_ns, bool first)
{
	if (time_ns == st->last_ns) { /* a part of it may be news */
		if (first && st->line_ended)
			st->seen = 0;
		return true;
	}
	if (time_ns < st->last_ns && st->last_ns < clock_wall_ns() + SLACK_NS)
		return false;
	st->last_ns = time_ns;
	st->seen = st->have = 0;
	st->line_ended = false;
	return true;
}

static int take_message(
    void *arg, const struct engine_message *m, struct err *err)
{
	struct container_output *o = arg;
	int index = m->stream == 2 ? 1 : 0;
	struct container_stream *st = &o->streams[index];
	const bool ends_line =
	    m->last && m->len > 0 && m->data[m->len - 1] == '\n';
	const struct said said = {.stream = kind_of(index),
	    .time_ns = m->time_ns,
	    .plain = ends_line && m->time_ns != st->last_ns};
	const bool first = !st->inside;

	if (m->stream == 0)
		return flush(o, err);
	st->inside = !m->last;
	if (!is_news(st, m->time_ns, first))
		return 0;
	st->line_ended = ends_line;
	return feed_said(o, index, &said, m->data, m->len, ends_line, err);
}

static int read_since(struct container_output *o, const char *container,
    bool follow, struct err *err)
{
	int64_t newest = 0;
	struct engine_log_wish wish = {
	    .follow = follow, .message = take_message, .arg = o};

	for (int i = 0; i < 2; i++) {
		struct container_stream *st = &o->streams[i];

		mask_stream_fini(&st->mask);
		mask_stream_init(&st->mask, o->masks);
		st->seen = 0;
		st->inside = false;
		if (st->last_ns > newest)
			newest = st->last_ns;
	}
	wish.since_ns = newest > SLACK_NS ? newest - SLACK_NS : 0;
	return engine_container_log(o->engine, o->ctx, container, &wish, err);
}

/* A line that has no end, at the end of all. */
static int finish_line(struct container_output *o, int index, struct err *err)
{
	const struct said said = {
	    .stream = kind_of(index), .time_ns = o->streams[index].last_ns};

	return feed_said(o, index, &said, "", 0, true, err);
}

/* The follower of an engine may miss much of the end (see
 * engine_container_follow): its log, then closed, has it. */
static int follow_once(
    struct container_output *o, const char *container, struct err *err)
{
	int code;

	TRY(read_since(o, container, true, err));
	TRY(flush(o, err));
	TRY(engine_container_wait(o->engine, o->ctx, container, &code, err));
	TRY(read_since(o, container, false, err));
	TRY(finish_line(o, 0, err));
	TRY(finish_line(o, 1, err));
	return flush(o, err);
}

int container_output_follow_since(
    struct container_output *o, const char *container, struct err *err)
{
	while (follow_once(o, container, err) < 0) {
		if (err->kind != ERR_UNAVAILABLE)
			return -1;
		log_info(
		    o->ctx, "reading a container's log again", LOG_ERR(err));
		TRY(again(o, err));
	}
	return 0;
}

/* -- life -------------------------------------------------------------- */

void container_output_open(struct container_output *o, const uint64_t have[2])
{
	buf_init(&o->text, BATCH_BYTES);
	for (int i = 0; i < 2; i++) {
		mask_stream_init(&o->streams[i].mask, o->masks);
		o->streams[i].have = have[i];
	}
}

void container_output_resume(
    struct container_output *o, const struct spool_stream_end end[2])
{
	for (int i = 0; i < 2; i++) {
		o->streams[i].last_ns = end[i].time_ns;
		o->streams[i].have = end[i].bytes;
	}
}

void container_output_close(struct container_output *o)
{
	for (int i = 0; i < 2; i++)
		mask_stream_fini(&o->streams[i].mask);
	buf_fini(&o->text);
}
