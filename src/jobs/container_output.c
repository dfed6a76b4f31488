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

static int put(struct container_output *o, enum spool_stream stream,
    const char *data, size_t len, struct err *err)
{
	if (len == 0)
		return 0;
	if (o->text.len + len > BATCH_BYTES)
		TRY(flush(o, err));
	IGNORE(buf_append(&o->text, data, len)); /* len is bounded: it fits */
	if (o->n > 0 && o->recs[o->n - 1].stream == stream) {
		o->recs[o->n - 1].len += len;
		return 0;
	}
	if (o->n == CONTAINER_OUTPUT_BATCH) {
		/* The newest piece waits for the next one. */
		o->text.len -= len;
		TRY(flush(o, err));
		IGNORE(buf_append(&o->text, data, len)); /* as above */
	}
	o->recs[o->n++] = (struct spool_record){.kind = SPOOL_OUT,
	    .stream = stream,
	    .step = o->step,
	    .time_ns = clock_wall_ns(),
	    .len = len};
	return 0;
}

/* -- from the container ------------------------------------------------ */

static enum spool_stream kind_of(int index)
{
	return index == 0 ? SPOOL_STDOUT : SPOOL_STDERR;
}

/* What the log has already is passed over. */
static int keep_new(struct container_output *o, int index,
    const struct buf *masked, struct err *err)
{
	struct container_stream *st = &o->streams[index];
	uint64_t end = st->seen + masked->len;
	size_t known = st->have > st->seen ? (size_t)(st->have - st->seen) : 0;

	if (known < masked->len) {
		TRY(put(o, kind_of(index), buf_str(masked) + known,
		    masked->len - known, err));
		st->have = end;
	}
	st->seen = end;
	return 0;
}

static int feed(struct container_output *o, int index, const char *data,
    size_t len, bool last, struct err *err)
{
	CLEANUP(buf_fini) struct buf masked = {.max = MASKED_MAX};
	size_t n;

	do {
		n = len < PIECE_MAX ? len : PIECE_MAX;
		mask_feed(&o->streams[index].mask, data, n, last, &masked);
		TRY(keep_new(o, index, &masked, err));
		buf_clear(&masked);
		data += n;
		len -= n;
	} while (len > 0);
	return 0;
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

/* -- life -------------------------------------------------------------- */

void container_output_open(struct container_output *o, const uint64_t have[2])
{
	buf_init(&o->text, BATCH_BYTES);
	for (int i = 0; i < 2; i++) {
		mask_stream_init(&o->streams[i].mask, o->masks);
		o->streams[i].have = have[i];
	}
}

void container_output_close(struct container_output *o)
{
	for (int i = 0; i < 2; i++)
		mask_stream_fini(&o->streams[i].mask);
	buf_fini(&o->text);
}
