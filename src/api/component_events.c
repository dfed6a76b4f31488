/*
 * GET .../events: what instances there are, then each that changes, as
 * server-sent events (WHATWG HTML). A follower is a number, what it has seen
 * of the feed, and what it has still to tell. Streams pull on worker threads.
 */
#include <inttypes.h>
#include <string.h>

#include "api/components.h"
#include "base/clock.h"
#include "base/mem.h"

enum { AT_ONCE = 32, FULL_BYTES = 64 * 1024, KEEPALIVE_MS = 15000 };

struct instance_stream {
	struct api *api;
	instance_id id; /* all zero: of all */
	bool one;
	int64_t deadline, quiet_since; /* mono */
	bool greeted;
	uint64_t seen;
	struct instance_list all; /* of it, from `told` on, is to be told */
	size_t told;
	struct feed_follower follower;
	struct http_stream *stream;
};

static void wake(void *arg)
{
	struct instance_stream *s = arg;

	http_stream_wake(s->stream);
}

static void bind_stream(void *arg, struct http_stream *stream)
{
	struct instance_stream *s = arg;

	s->stream = stream;
	s->follower = (struct feed_follower){.wake = wake, .arg = s};
	feed_follow(components_feed(s->api->components), &s->follower);
}

static void closed(void *arg)
{
	struct instance_stream *s = arg;

	if (s->stream != NULL)
		feed_leave(components_feed(s->api->components), &s->follower);
	followers_leave(s->api->followers, FOLLOWS_EVENTS, s->id);
	instance_list_free(&s->all);
	mem_free(s);
}

/* -- telling ----------------------------------------------------------- */

static void begin(
    const struct instance_stream *s, const char *event, struct buf *out)
{
	IGNORE(buf_printf(
	    out, "id: %" PRIu64 "\nevent: %s\ndata: ", s->seen, event));
}

static void tell(
    const struct instance_stream *s, const struct instance *i, struct buf *out)
{
	struct json j;

	begin(s, "instance", out);
	json_init(&j, out);
	component_write(s->api, i, &j);
	buf_append_str(out, "\n\n");
}

/* It was forgotten. */
static void tell_removed(
    const struct instance_stream *s, instance_id id, struct buf *out)
{
	char text[UUID_TEXT_LEN];
	struct json j;

	begin(s, "removed", out);
	json_init(&j, out);
	json_obj(&j);
	json_kstr(&j, "id", uuid_text(id.u, text));
	json_end(&j);
	buf_append_str(out, "\n\n");
}

static int tell_id(
    struct instance_stream *s, instance_id id, struct buf *out, struct err *err)
{
	CLEANUP(instance_fini) struct instance i = {0};
	int found;

	if (s->one && !uuid_equal(id.u, s->id.u))
		return 0;
	found = components_get(s->api->components, id, &i, err);
	TRY(found);
	if (found > 0)
		tell(s, &i, out);
	else
		tell_removed(s, id, out);
	return 0;
}

/* From here on it is all of them that are to be told. */
static int look_at_all(struct instance_stream *s, struct err *err)
{
	s->seen = feed_position(components_feed(s->api->components));
	if (s->one)
		return 0;
	instance_list_free(&s->all);
	s->told = 0;
	return components_list(s->api->components, &s->all, err);
}

static int tell_changes(
    struct instance_stream *s, struct buf *out, bool *ret_more, struct err *err)
{
	instance_id ids[AT_ONCE];
	bool all = false;
	size_t n = feed_read(
	    components_feed(s->api->components), &s->seen, ids, AT_ONCE, &all);

	*ret_more = all || n == AT_ONCE;
	if (all && s->one)
		return tell_id(s, s->id, out, err);
	if (all)
		return look_at_all(s, err);
	for (size_t i = 0; i < n; i++)
		TRY(tell_id(s, ids[i], out, err));
	return 0;
}

static int tell_next(
    struct instance_stream *s, struct buf *out, bool *ret_more, struct err *err)
{
	if (!s->greeted) {
		s->greeted = true;
		*ret_more = true;
		buf_append_str(out, "retry: 2000\n\n");
		TRY(look_at_all(s, err));
		return s->one ? tell_id(s, s->id, out, err) : 0;
	}
	if (s->told == s->all.n)
		return tell_changes(s, out, ret_more, err);
	*ret_more = true;
	while (s->told < s->all.n && out->len < FULL_BYTES)
		tell(s, &s->all.items[s->told++], out);
	return 0;
}

static enum http_produce produce(void *arg, struct buf *out)
{
	struct instance_stream *s = arg;
	struct err err = ERR_INIT;
	int64_t now = clock_mono_ns();
	bool more = true;

	if (now >= s->deadline)
		return HTTP_END;
	while (more && out->len < FULL_BYTES)
		if (tell_next(s, out, &more, &err) < 0)
			return HTTP_ABORT;
	/* Nobody woke us, or for what is not ours. */
	if (out->len == 0 &&
	    now - s->quiet_since >= KEEPALIVE_MS * CLOCK_NS_PER_MS)
		buf_append_str(out, ": keep-alive\n\n");
	if (out->len > 0)
		s->quiet_since = now;
	return more ? HTTP_MORE : HTTP_WAIT;
}

/* -- the request ------------------------------------------------------- */

static int read_wish(
    struct call *c, instance_id *ret, bool *ret_one, struct err *err)
{
	CLEANUP(instance_fini) struct instance i = {0};
	const char *text = http_query(c->x, "instance");

	*ret_one = text != NULL;
	if (text == NULL)
		return 0;
	snprintf(c->id, sizeof(c->id), "%.100s", text);
	TRY(component_instance(c, &i, err));
	*ret = i.id;
	return 0;
}

struct answer component_events(struct call *c)
{
	struct http_stream_ops ops = {.produce = produce, .closed = closed};
	struct instance_stream *s;
	struct err err = ERR_INIT;
	instance_id id = {0};
	bool one;

	if (read_wish(c, &id, &one, &err) < 0 ||
	    followers_enter(c->api->followers, FOLLOWS_EVENTS, id, &err) < 0)
		return component_error(c, &err);
	s = mem_zalloc(sizeof(*s));
	s->api = c->api;
	s->id = id;
	s->one = one;
	s->deadline = follower_deadline(c);
	s->quiet_since = clock_mono_ns();
	ops.keepalive_ms = follower_look_ms(c);
	if (ops.keepalive_ms > KEEPALIVE_MS)
		ops.keepalive_ms = KEEPALIVE_MS;
	component_stream_headers(c);
	http_reply_stream(
	    c->x, 200, "text/event-stream", -1, &ops, s, bind_stream);
	return (struct answer){200};
}
