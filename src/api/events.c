/*
 * Live events as server-sent events (WHATWG HTML, "Server-sent events"). A
 * follower is a number: what it has seen. Streams pull on worker threads.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/mem.h"
#include "base/parse.h"

enum { AT_ONCE = 200, KEEPALIVE_MS = 15000 };

struct event_stream {
	struct hub *hub;
	int64_t seq;
	struct bus_filter filter;
	char *repository;
	bool greeted;
	uint64_t ticks, notes; /* seen */
	struct bus_follower follower;
	struct http_stream *stream;
};

static void wake(void *arg)
{
	struct event_stream *s = arg;

	http_stream_wake(s->stream);
}

static void bind_stream(void *arg, struct http_stream *stream)
{
	struct event_stream *s = arg;

	s->stream = stream;
	s->follower = (struct bus_follower){.wake = wake,
	    .arg = s,
	    .has_job = s->filter.has_job,
	    .job = s->filter.job};
	bus_follow(hub_bus(s->hub), &s->follower);
}

static void closed(void *arg)
{
	struct event_stream *s = arg;

	if (s->stream != NULL)
		bus_leave(hub_bus(s->hub), &s->follower);
	mem_free(s->repository);
	mem_free(s);
}

static enum http_produce produce(void *arg, struct buf *out)
{
	struct event_stream *s = arg;
	struct err err = ERR_INIT;
	bool more = false;

	if (!s->greeted) {
		s->greeted = true;
		IGNORE(buf_append_str(out, "retry: 2000\n\n")); /* fits */
	}
	if (bus_read(hub_bus(s->hub), &s->seq, &s->filter, AT_ONCE, out, &more,
		&err) < 0)
		return HTTP_ABORT;
	if (!s->filter.has_job && s->filter.repository == NULL) {
		bus_read_notes(hub_bus(s->hub), &s->notes, out);
		bus_read_tick(hub_bus(s->hub), &s->ticks, out);
	}
	return more ? HTTP_MORE : HTTP_WAIT;
}

static const struct http_stream_ops stream_ops = {.produce = produce,
    .closed = closed,
    .keepalive_ms = KEEPALIVE_MS,
    .keepalive = ": keep-alive\n\n"};

static int read_position(struct call *c, int64_t *ret, struct err *err)
{
	const char *text = http_header(c->x, "Last-Event-ID");
	int64_t last = bus_last_seq(hub_bus(c->hub));

	*ret = last;
	if (text != NULL && parse_int(text, 0, INT64_MAX, ret) < 0)
		return err_set(err, ERR_INVALID, "invalid_parameter",
		    "Header \"Last-Event-ID\": expected the number of an "
		    "event, got \"%.40s\"",
		    text);
	TRY(param_int(c, "lastEventId", 0, INT64_MAX, ret, err));
	if (*ret > last) /* of another database: it would wait for ever */
		*ret = last;
	return 0;
}

static int read_filter(struct call *c, struct bus_filter *f, struct err *err)
{
	const char *job = http_query(c->x, "jobId");

	if (job == NULL)
		return 0;
	f->has_job = true;
	if (uuid_parse(job, &f->job.u) < 0)
		return err_set(err, ERR_INVALID, "invalid_parameter",
		    "Parameter \"jobId\": expected a job's id (a UUID), got "
		    "\"%.40s\"",
		    job);
	return 0;
}

struct answer events_stream(struct call *c)
{
	struct event_stream *s;
	struct bus_filter f = {0};
	struct err err = ERR_INIT;
	int64_t seq;

	if (read_position(c, &seq, &err) < 0 || read_filter(c, &f, &err) < 0)
		return reply_error(c, &err);
	s = mem_zalloc(sizeof(*s));
	s->hub = c->hub;
	s->seq = seq;
	s->notes = bus_last_note(hub_bus(c->hub));
	s->filter = f;
	s->repository = mem_strdup_or_null(http_query(c->x, "repository"));
	s->filter.repository = s->repository;
	http_reply_header(c->x, "Cache-Control", "no-store, no-transform");
	http_reply_stream(
	    c->x, 200, "text/event-stream", -1, &stream_ops, s, bind_stream);
	return (struct answer){200};
}
