/*
 * The output of a container step: see side.h. It is read from the engine's
 * log of the container and not from an attachment, always from its first
 * byte; masked, it is the same bytes each time, so that a hub that comes back
 * (or an engine) goes on exactly behind what the log has. The side's thread.
 */
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/run.h"
#include "jobs/session_wish.h"
#include "jobs/side.h"
#include "spool/step_bytes.h"

#define AGAIN_MS  INT64_C(500)
#define PIECE_MAX ((size_t)64 * 1024)
/* Masked, a piece and what was held back of the one before. */
#define MASKED_MAX  (16 * PIECE_MAX)
#define BATCH_BYTES (2 * MASKED_MAX)

/* -- into the log ------------------------------------------------------ */

static int append(
    struct side *s, const struct spool_record *recs, size_t n, struct err *err)
{
	struct err slept = ERR_INIT;
	bool told = false;

	while (carry_append(s->carry, recs, n, err) < 0) {
		if (err->kind != ERR_UNAVAILABLE)
			return -1;
		if (!told)
			log_warn(&s->ctx,
			    "the log cannot be written, the step waits",
			    LOG_ERR(err));
		told = true;
		if (ctx_sleep(&s->ctx, AGAIN_MS, &slept) < 0) {
			*err = slept;
			return -1;
		}
		err_clear(err);
	}
	return 0;
}

int side_append(struct side *s, const struct spool_record *rec, struct err *err)
{
	return append(s, rec, 1, err);
}

/* The text stands still now: point at it. */
static int flush(struct side *s, struct err *err)
{
	struct side_batch *b = &s->batch;
	const char *at = buf_str(&b->text);
	int r = 0;

	for (size_t i = 0; i < b->n; i++) {
		b->recs[i].data = at;
		at += b->recs[i].len;
	}
	if (b->n > 0)
		r = append(s, b->recs, b->n, err);
	b->n = 0;
	buf_clear(&b->text);
	FAULT("side_output");
	return r;
}

static int put(struct side *s, enum spool_stream stream, const char *data,
    size_t len, struct err *err)
{
	struct side_batch *b = &s->batch;

	if (len == 0)
		return 0;
	if (b->text.len + len > BATCH_BYTES)
		TRY(flush(s, err));
	IGNORE(buf_append(&b->text, data, len)); /* len is bounded: it fits */
	if (b->n > 0 && b->recs[b->n - 1].stream == stream) {
		b->recs[b->n - 1].len += len;
		return 0;
	}
	if (b->n == SIDE_BATCH) {
		/* The newest piece waits for the next one. */
		b->text.len -= len;
		TRY(flush(s, err));
		IGNORE(buf_append(&b->text, data, len)); /* as above */
	}
	b->recs[b->n++] = (struct spool_record){.kind = SPOOL_OUT,
	    .stream = stream,
	    .step = (uint16_t)s->step,
	    .time_ns = clock_wall_ns(),
	    .len = len};
	return 0;
}

int side_say(struct side *s, const char *text, size_t len, struct err *err)
{
	const struct spool_record rec = {.kind = SPOOL_OUT,
	    .stream = SPOOL_STDOUT,
	    .step = (uint16_t)s->step,
	    .time_ns = clock_wall_ns(),
	    .data = text,
	    .len = len};

	if (len > 0)
		TRY(side_append(s, &rec, err));
	s->preamble += len;
	return 0;
}

/* -- from the container ------------------------------------------------ */

static enum spool_stream kind_of(int index)
{
	return index == 0 ? SPOOL_STDOUT : SPOOL_STDERR;
}

/* What the log has already is passed over. */
static int keep_new(
    struct side *s, int index, const struct buf *masked, struct err *err)
{
	struct side_stream *st = &s->streams[index];
	uint64_t end = st->seen + masked->len;
	size_t known = st->have > st->seen ? (size_t)(st->have - st->seen) : 0;

	if (known < masked->len) {
		TRY(put(s, kind_of(index), buf_str(masked) + known,
		    masked->len - known, err));
		st->have = end;
	}
	st->seen = end;
	return 0;
}

static int feed(struct side *s, int index, const char *data, size_t len,
    bool last, struct err *err)
{
	CLEANUP(buf_fini) struct buf masked = {.max = MASKED_MAX};
	size_t n;

	do {
		n = len < PIECE_MAX ? len : PIECE_MAX;
		mask_feed(&s->streams[index].mask, data, n, last, &masked);
		TRY(keep_new(s, index, &masked, err));
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

static void rewind_streams(struct side *s)
{
	for (int i = 0; i < 2; i++) {
		mask_stream_fini(&s->streams[i].mask);
		mask_stream_init(&s->streams[i].mask, s->masks);
		s->streams[i].seen = 0;
	}
}

/* What is in hand goes first: `have` counts it already. */
static int again(struct side *s, struct err *err)
{
	err_clear(err);
	TRY(flush(s, err));
	TRY(ctx_sleep(&s->ctx, AGAIN_MS, err));
	rewind_streams(s);
	return 0;
}

int side_follow(struct side *s, struct err *err)
{
	struct engine *e = s->carry->hub->engine;

	rewind_streams(s);
	while (engine_container_follow(e, &s->ctx, s->id, take, s, err) < 0) {
		if (err->kind != ERR_UNAVAILABLE)
			return -1;
		log_info(
		    &s->ctx, "reading a container's log again", LOG_ERR(err));
		TRY(again(s, err));
	}
	TRY(feed(s, 0, "", 0, true, err));
	TRY(feed(s, 1, "", 0, true, err));
	return flush(s, err);
}

/* -- masks, and what the log has --------------------------------------- */

static int load_masks(struct side *s, struct err *err)
{
	CLEANUP(secret_free) struct secret *sealed = NULL;
	struct carry *c = s->carry;
	json_t *all, *value;
	const char *key, *text;
	size_t len;

	s->masks = mask_set_new();
	TRY(store_job_secrets(c->hub->store, c->job.id, &sealed, err));
	if (sealed == NULL)
		return 0;
	text = secret_expose(sealed, &len);
	all = json_loadb(text, len, 0, NULL);
	json_object_del(all, SESSION_WISH);
	json_object_foreach(all, key, value) mask_add(
	    s->masks, json_string_value(value), json_string_length(value));
	json_decref(all);
	return 0;
}

int side_output_open(struct side *s, struct err *err)
{
	struct carry *c = s->carry;
	uint64_t have[2] = {0, 0};

	buf_init(&s->batch.text, BATCH_BYTES);
	TRY(load_masks(s, err));
	for (int i = 0; i < 2; i++)
		mask_stream_init(&s->streams[i].mask, s->masks);
	if (!c->resumed)
		return 0;
	TRY(spool_step_bytes(
	    c->hub->spool, c->id_text, (uint16_t)s->step, have, err));
	if (!s->resumed) { /* an earlier attempt never came to run */
		s->preamble = have[0];
		s->streams[1].have = 0;
		return 0;
	}
	s->streams[0].have = have[0] > s->preamble ? have[0] - s->preamble : 0;
	s->streams[1].have = have[1];
	return 0;
}

void side_output_close(struct side *s)
{
	for (int i = 0; i < 2; i++)
		mask_stream_fini(&s->streams[i].mask);
	mask_set_free(s->masks);
	buf_fini(&s->batch.text);
}
