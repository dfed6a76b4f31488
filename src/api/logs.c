/*
 * A job's log: as JSON, as a followed stream, as a download. Streams pull
 * from the spool on worker threads; a follower costs a cursor and is woken
 * by the writer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/mem.h"
#include "base/parse.h"

enum { CHUNK = 128 * 1024 };
#define STATIC_MAX (INT64_C(4) << 20) /* of a log in one JSON answer */

/* -- a streamed log ---------------------------------------------------- */

struct log_stream {
	struct hub *hub;
	job_id job;
	char id[UUID_TEXT_LEN];
	struct spool_cursor *cursor;
	bool follow;
	bool until_running; /* not to the job's end */
	int64_t left;       /* bytes of a range, -1: to the end */
	struct spool_watch watch;
	struct bus_follower ends; /* a job that never had a log ends, too */
	struct http_stream *stream;
};

static void wake(void *arg)
{
	struct log_stream *s = arg;

	http_stream_wake(s->stream);
}

static void bind_stream(void *arg, struct http_stream *stream)
{
	struct log_stream *s = arg;

	s->stream = stream;
	if (!s->follow)
		return;
	s->watch = (struct spool_watch){.wake = wake, .arg = s};
	spool_watch(hub_spool(s->hub), s->id, &s->watch);
	s->ends = (struct bus_follower){
	    .wake = wake, .arg = s, .has_job = true, .job = s->job};
	bus_follow(hub_bus(s->hub), &s->ends);
}

static void closed(void *arg)
{
	struct log_stream *s = arg;

	if (s->stream != NULL && s->follow) {
		spool_unwatch(hub_spool(s->hub), &s->watch);
		bus_leave(hub_bus(s->hub), &s->ends);
	}
	spool_cursor_close(s->cursor);
	mem_free(s);
}

static bool is_over(const struct log_stream *s)
{
	struct job job = {0};
	struct err err = ERR_INIT;
	bool over = store_job_get(hub_store(s->hub), s->job, &job, &err) <= 0 ||
		    job_status_is_final(job.status) ||
		    (s->until_running && job.status == JOB_RUNNING);

	job_fini(&job);
	return over;
}

static int read_chunk(struct log_stream *s, struct buf *out, bool *ret_end)
{
	struct err err = ERR_INIT;
	size_t max = CHUNK, before = out->len;

	if (s->left >= 0 && s->left < CHUNK)
		max = (size_t)s->left;
	*ret_end = max == 0;
	if (*ret_end)
		return 0;
	TRY(spool_cursor_read(s->cursor, max, out, ret_end, &err));
	if (s->left >= 0)
		s->left -= (int64_t)(out->len - before);
	return 0;
}

static enum http_produce produce(void *arg, struct buf *out)
{
	struct log_stream *s = arg;
	size_t before = out->len;
	bool end;

	if (read_chunk(s, out, &end) < 0)
		return HTTP_ABORT;
	/* The store is asked only by who has nothing to read; and what was
	 * written before the job's end is read after it. */
	if (s->follow && !end && out->len == before) {
		if (!is_over(s))
			return HTTP_WAIT;
		if (read_chunk(s, out, &end) < 0)
			return HTTP_ABORT;
	}
	return !end && out->len > before ? HTTP_MORE : HTTP_END;
}

static const struct http_stream_ops stream_ops = {
    .produce = produce, .closed = closed};

struct log_request {
	bool follow, timestamps, json, download, until_running;
	int64_t tail; /* -1: all */
	int64_t offset;
};

static enum spool_format format_of(const struct log_request *q)
{
	if (q->json)
		return SPOOL_JSONL;
	return q->timestamps ? SPOOL_TIMESTAMPED : SPOOL_PLAIN;
}

static struct answer start_stream(struct call *c, const struct log_request *q,
    uint64_t from, int64_t length, int status)
{
	struct log_stream *s = mem_zalloc(sizeof(*s));
	struct err err = ERR_INIT;

	s->hub = c->hub;
	s->job = c->job;
	uuid_text(c->job.u, s->id);
	s->follow = q->follow;
	s->until_running = q->until_running;
	s->left = length;
	if (spool_cursor_open(hub_spool(c->hub), s->id, from, format_of(q),
		&s->cursor, &err) < 0) {
		mem_free(s);
		return reply_error(c, &err);
	}
	http_reply_header(c->x, "Cache-Control", "no-store, no-transform");
	http_reply_stream(c->x, status,
	    q->json ? "application/x-ndjson" : "text/plain; charset=utf-8",
	    length, &stream_ops, s, bind_stream);
	return (struct answer){status};
}

/* -- a range of the plain bytes ---------------------------------------- */

/* "bytes=a-b", "bytes=a-", "bytes=-n": one range, else the whole. 1 a range
 * (then both are set), 0 none, -1 not satisfiable. Source: RFC 9110 §14. */
static int parse_range(
    const char *text, int64_t size, int64_t *ret_from, int64_t *ret_to)
{
	char first[24], last[24];
	int64_t from, to = size - 1;
	const char *dash;

	if (text == NULL || strncmp(text, "bytes=", 6) != 0)
		return 0;
	text += 6;
	dash = strchr(text, '-');
	if (dash == NULL || strchr(text, ',') != NULL ||
	    dash - text >= (int)sizeof(first) ||
	    strlen(dash + 1) >= sizeof(last))
		return 0;
	snprintf(first, sizeof(first), "%.*s", (int)(dash - text), text);
	snprintf(last, sizeof(last), "%s", dash + 1);
	if (*first == '\0') {
		if (parse_int(last, 0, INT64_MAX, &from) < 0)
			return 0;
		if (from == 0 || size == 0)
			return -1;
		from = from > size ? 0 : size - from;
	} else if (parse_int(first, 0, INT64_MAX, &from) < 0 ||
		   (*last != '\0' &&
		       parse_int(last, from, INT64_MAX, &to) < 0)) {
		return 0;
	}
	if (from >= size)
		return -1;
	*ret_from = from;
	*ret_to = to < size ? to : size - 1;
	return 1;
}

static struct answer download(
    struct call *c, const struct log_request *q, int64_t size)
{
	int64_t from = q->offset < size ? q->offset : size, to = size - 1;
	char text[128];
	struct buf body;
	int range = parse_range(http_header(c->x, "Range"), size, &from, &to);

	http_reply_header(c->x, "Accept-Ranges", "bytes");
	if (range < 0) {
		snprintf(text, sizeof(text), "bytes */%" PRId64, size);
		http_reply_header(c->x, "Content-Range", text);
		buf_init(&body, 1024);
		error_body(416, "range_not_satisfiable",
		    "The log ends before that range", &body);
		return reply_json(c, 416, &body);
	}
	if (range > 0) {
		snprintf(text, sizeof(text),
		    "bytes %" PRId64 "-%" PRId64 "/%" PRId64, from, to, size);
		http_reply_header(c->x, "Content-Range", text);
	}
	snprintf(text, sizeof(text), "attachment; filename=\"%s.log\"", c->id);
	http_reply_header(c->x, "Content-Disposition", text);
	return start_stream(
	    c, q, (uint64_t)from, to - from + 1, range > 0 ? 206 : 200);
}

/* -- one JSON answer --------------------------------------------------- */

/* JSONL -> a JSON array's inside. */
static void write_entries(struct json *j, char *lines)
{
	char *line, *save;

	json_karr(j, "entries");
	for (line = strtok_r(lines, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		json_raw(j, line);
	json_end(j);
}

static int read_static(struct call *c, const struct log_request *q,
    uint64_t from, struct buf *out, bool *ret_cut, struct err *err)
{
	struct spool_cursor *cursor;
	bool end = false;
	size_t before;
	int r = 0;

	TRY(spool_cursor_open(
	    hub_spool(c->hub), c->id, from, format_of(q), &cursor, err));
	do {
		before = out->len;
		r = spool_cursor_read(cursor, CHUNK, out, &end, err);
	} while (r == 0 && !end && out->len > before &&
		 (int64_t)out->len < STATIC_MAX);
	*ret_cut = r == 0 && !end && out->len > before;
	spool_cursor_close(cursor);
	return r;
}

static struct answer static_log(
    struct call *c, const struct log_request *q, uint64_t from)
{
	struct err err = ERR_INIT;
	struct buf text, body;
	bool cut = false;
	struct json j;

	buf_init(&text, STATIC_MAX * 8);
	if (read_static(c, q, from, &text, &cut, &err) < 0) {
		buf_fini(&text);
		return reply_error(c, &err);
	}
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	if (q->json) {
		if (text.data != NULL)
			write_entries(&j, text.data);
		else
			json_kraw(&j, "entries", "[]");
	} else {
		json_key(&j, "logs");
		json_strn(&j, buf_str(&text), text.len);
	}
	/* The rest is there: follow, download, or offset tell it. */
	json_kbool(&j, "truncated", cut);
	json_kint(&j, "offset", (int64_t)from);
	json_end(&j);
	envelope_end(&j);
	buf_fini(&text);
	return reply_json(c, 200, &body);
}

/* -- the route --------------------------------------------------------- */

static int read_request(struct call *c, struct log_request *q, struct err *err)
{
	const char *format = http_query(c->x, "format");
	const char *until = http_query(c->x, "until");

	*q = (struct log_request){.tail = -1};
	TRY(param_int(c, "tail", 0, INT64_MAX, &q->tail, err));
	TRY(param_int(c, "offset", 0, INT64_MAX, &q->offset, err));
	TRY(param_bool(c, "follow", &q->follow, err));
	TRY(param_bool(c, "timestamps", &q->timestamps, err));
	TRY(param_bool(c, "download", &q->download, err));
	q->until_running = until != NULL && strcmp(until, "running") == 0;
	if (until != NULL && (!q->until_running || !q->follow))
		return err_set(err, ERR_INVALID, "invalid_parameter",
		    "Parameter \"until\": expected running, with "
		    "follow=true");
	if (format == NULL || strcmp(format, "text") == 0)
		return 0;
	if (strcmp(format, "json") != 0)
		return err_set(err, ERR_INVALID, "invalid_parameter",
		    "Parameter \"format\": expected text or json, got "
		    "\"%.40s\"",
		    format);
	q->json = true;
	return 0;
}

struct answer job_logs(struct call *c)
{
	CLEANUP(job_fini) struct job job = {0};
	struct log_request q;
	struct spool_stat st;
	struct err err = ERR_INIT;
	uint64_t from;

	if (call_job(c, &job, &err) < 0 || read_request(c, &q, &err) < 0 ||
	    spool_stat(hub_spool(c->hub), c->id, &st, &err) < 0)
		return reply_error(c, &err);
	from = (uint64_t)q.offset;
	if (q.tail >= 0 && st.exists &&
	    spool_tail_offset(
		hub_spool(c->hub), c->id, (uint64_t)q.tail, &from, &err) < 0)
		return reply_error(c, &err);
	if (q.follow)
		return start_stream(c, &q, from, -1, 200);
	if (q.download && !q.json && !q.timestamps)
		return download(c, &q, (int64_t)st.text_bytes);
	if (q.download)
		return start_stream(c, &q, from, -1, 200);
	return static_log(c, &q, from);
}
