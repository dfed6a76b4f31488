/*
 * GET .../instances/:id/logs: what an instance says, at once or followed. Once
 * its container runs that is the component's own output; before, and for a
 * start that failed, the build's. ?build=true begins with the build in any
 * case; ?since=<offset> where an answer before has ended, counted in bytes of
 * the whole log. What is older than the log goes back is told in every shape.
 * Streams pull from the spool, as those of jobs do.
 */
#include <string.h>

#include "api/components.h"
#include "base/clock.h"
#include "base/mem.h"

enum { CHUNK = 128 * 1024 };
#define STATIC_MAX ((uint64_t)4 << 20) /* of a log in one JSON answer */

struct component_stream {
	struct api *api;
	struct hub *hub;
	instance_id id;
	int64_t deadline; /* mono */
	char text[UUID_TEXT_LEN];
	struct spool_cursor *cursor;
	struct spool_watch watch;
	struct http_stream *stream;
};

static void wake(void *arg)
{
	struct component_stream *s = arg;

	http_stream_wake(s->stream);
}

static void bind_stream(void *arg, struct http_stream *stream)
{
	struct component_stream *s = arg;

	s->stream = stream;
	s->watch = (struct spool_watch){.wake = wake, .arg = s};
	spool_watch(hub_spool(s->hub), s->text, &s->watch);
}

static void closed(void *arg)
{
	struct component_stream *s = arg;

	if (s->stream != NULL)
		spool_unwatch(hub_spool(s->hub), &s->watch);
	spool_cursor_close(s->cursor);
	followers_leave(s->api->followers, FOLLOWS_LOG, s->id);
	mem_free(s);
}

/* Its log may be gone (retention), then nobody tells of its end. */
static bool is_over(const struct component_stream *s)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;

	return components_get(s->api->components, s->id, &i, &err) <= 0 ||
	       !instance_is_active(i.status);
}

static enum http_produce produce(void *arg, struct buf *out)
{
	struct component_stream *s = arg;
	struct spool_stat st;
	struct err err = ERR_INIT;
	size_t before = out->len;
	bool end = false;

	if (clock_mono_ns() >= s->deadline)
		return HTTP_END;
	if (spool_cursor_read(s->cursor, CHUNK, out, &end, &err) < 0)
		return HTTP_ABORT;
	if (end)
		return HTTP_END;
	if (out->len > before)
		return HTTP_MORE;
	if (spool_stat(hub_spool(s->hub), s->text, &st, &err) == 0 &&
	    !st.exists && is_over(s))
		return HTTP_END;
	return HTTP_WAIT;
}

static enum spool_format format_of(struct call *c)
{
	const char *format = http_query(c->x, "format");

	return format != NULL && strcmp(format, "json") == 0 ? SPOOL_JSONL
							     : SPOOL_PLAIN;
}

static struct answer follow(struct call *c, instance_id id, uint64_t from)
{
	/* By itself it looks now and then whether its time is over. */
	const struct http_stream_ops ops = {.produce = produce,
	    .closed = closed,
	    .keepalive_ms = follower_look_ms(c)};
	enum spool_format format = format_of(c);
	struct component_stream *s;
	struct err err = ERR_INIT;

	if (followers_enter(c->api->followers, FOLLOWS_LOG, id, &err) < 0)
		return component_error(c, &err);
	s = mem_zalloc(sizeof(*s));
	s->api = c->api;
	s->hub = c->hub;
	s->id = id;
	s->deadline = follower_deadline(c);
	uuid_text(id.u, s->text);
	if (spool_cursor_open(hub_spool(c->hub), s->text, from, format,
		&s->cursor, &err) < 0) {
		followers_leave(c->api->followers, FOLLOWS_LOG, id);
		mem_free(s);
		return component_error(c, &err);
	}
	component_stream_headers(c);
	http_reply_stream(c->x, 200,
	    format == SPOOL_JSONL ? "application/x-ndjson" : "text/plain", -1,
	    &ops, s, bind_stream);
	return (struct answer){200};
}

/* -- at once ----------------------------------------------------------- */

/* The cursor's text up to `end`, or as much as there is. */
static int read_until(
    struct spool_cursor *cursor, uint64_t end, struct buf *out, struct err *err)
{
	size_t before;
	uint64_t left;
	bool over;

	do {
		before = out->len;
		left = end - spool_cursor_offset(cursor);
		TRY(spool_cursor_read(
		    cursor, left < CHUNK ? left : CHUNK, out, &over, err));
	} while (out->len > before && spool_cursor_offset(cursor) < end);
	return 0;
}

static int read_all(struct call *c, const char *id, uint64_t from,
    uint64_t *end, struct buf *out, uint64_t *ret_forgotten, struct err *err)
{
	struct spool_cursor *cursor;
	int r = 0;

	*ret_forgotten = 0;
	if (from == *end)
		return 0;
	if (*end - from > STATIC_MAX)
		from = *end - STATIC_MAX; /* the newest of it */
	TRY(spool_cursor_open(
	    hub_spool(c->hub), id, from, SPOOL_PLAIN, &cursor, err));
	r = read_until(cursor, *end, out, err);
	*end = spool_cursor_offset(cursor);
	*ret_forgotten = spool_cursor_forgotten(cursor);
	spool_cursor_close(cursor);
	return r;
}

static struct answer reply_logs(
    struct call *c, const char *id, uint64_t from, uint64_t end)
{
	CLEANUP(buf_fini) struct buf text = {.max = 2 * STATIC_MAX};
	struct err err = ERR_INIT;
	uint64_t forgotten;
	struct buf body;
	struct json j;

	if (read_all(c, id, from, &end, &text, &forgotten, &err) < 0)
		return component_error(c, &err);
	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_key(&j, "logs");
	json_strn(&j, buf_str(&text), text.len);
	json_kint(&j, "next", (int64_t)end); /* for ?since= */
	if (forgotten > 0)
		json_kint(&j, "forgotten", (int64_t)forgotten);
	json_end(&j);
	return component_json(c, 200, &body);
}

/* Where the answer begins: no further back than the component's own, unless
 * it says since. */
static int find_begin(struct call *c, const struct instance *i, const char *id,
    uint64_t *ret, struct spool_stat *st, struct err *err)
{
	const char *build = http_query(c->x, "build");
	bool whole = build != NULL && strcmp(build, "true") == 0;
	int64_t tail = component_number(c, "tail");
	const char *since = http_query(c->x, "since");
	uint64_t from = 0;

	*ret = i->has_log_offset && !whole ? (uint64_t)i->log_offset : 0;
	TRY(spool_stat(hub_spool(c->hub), id, st, err));
	if (tail > 0 && st->exists)
		TRY(spool_tail_offset(
		    hub_spool(c->hub), id, (uint64_t)tail, &from, err));
	if (from > *ret)
		*ret = from;
	if (since != NULL) {
		from = (uint64_t)component_number(c, "since");
		*ret = from < st->text_bytes ? from : st->text_bytes;
	}
	return 0;
}

static struct answer no_logs(struct call *c, struct err *err)
{
	if (component_is_strict(c) && err->kind == ERR_NOT_FOUND)
		IGNORE(err_set(err, ERR_NOT_FOUND, "instance_not_found",
		    "Instance %s not found or not running", c->id));
	return component_error(c, err);
}

struct answer component_logs(struct call *c)
{
	CLEANUP(instance_fini) struct instance i = {0};
	const char *wanted = http_query(c->x, "follow");
	struct err err = ERR_INIT;
	char id[UUID_TEXT_LEN];
	struct spool_stat st;
	uint64_t from;

	if (component_instance(c, &i, &err) < 0)
		return no_logs(c, &err);
	uuid_text(i.id.u, id);
	if (find_begin(c, &i, id, &from, &st, &err) < 0)
		return component_error(c, &err);
	if (wanted != NULL && strcmp(wanted, "true") == 0)
		return follow(c, i.id, from);
	return reply_logs(
	    c, id, from, st.text_bytes > from ? st.text_bytes : from);
}
