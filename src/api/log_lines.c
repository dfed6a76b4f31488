/*
 * A job's log by line numbers, and a text in it: for viewers that jump. What
 * a call costs is bounded by spool/lines.h. Handler threads.
 */
#include <string.h>

#include "api/api_internal.h"
#include "spool/lines.h"

enum { LINES_DEFAULT = 500, MATCHES_DEFAULT = 200 };

static void write_line(void *arg, const struct spool_line *line)
{
	static const char *const streams[] = {[SPOOL_NONE] = NULL,
	    [SPOOL_STDOUT] = "stdout",
	    [SPOOL_STDERR] = "stderr"};
	struct json *j = arg;

	json_obj(j);
	json_kint(j, "n", (int64_t)line->number);
	json_ktime(j, "at", line->time_ns);
	json_kstr(j, "stream", streams[line->stream]);
	json_key(j, "step");
	if (line->step == 0xffff)
		json_none(j);
	else
		json_int(j, line->step);
	json_key(j, "text");
	json_strn(j, line->text, line->len);
	json_kbool(j, "cut", line->cut);
	json_end(j);
}

struct answer job_log_lines(struct call *c)
{
	CLEANUP(job_fini) struct job job = {0};
	struct spool_lines q = {.from = 0};
	int64_t limit = LINES_DEFAULT;
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (call_job(c, &job, &err) < 0 ||
	    param_int(c, "from", -1, INT64_MAX, &q.from, &err) < 0 ||
	    param_int(c, "limit", 1, SPOOL_LINES_MAX, &limit, &err) < 0)
		return reply_error(c, &err);
	q.limit = (unsigned)limit;
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_karr(&j, "lines");
	if (spool_lines(hub_spool(c->hub), c->id, &q, write_line, &j, &err) <
	    0) {
		buf_fini(&body);
		return reply_error(c, &err);
	}
	json_end(&j);
	json_kint(&j, "from", (int64_t)q.first);
	json_kint(&j, "total", (int64_t)q.total);
	/* A job that never had a log, or whose log is gone, has none to come.
	 */
	json_kbool(&j, "complete",
	    q.complete || (q.total == 0 && job_status_is_final(job.status)));
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

/* -- search ------------------------------------------------------------ */

static void write_match(void *arg, const struct spool_match *m)
{
	struct json *j = arg;

	json_obj(j);
	json_kint(j, "n", (int64_t)m->number);
	json_ktime(j, "at", m->time_ns);
	json_kint(j, "column", (int64_t)m->column);
	json_end(j);
}

static int read_search(struct call *c, struct spool_search *q, struct err *err)
{
	int64_t from = 0, limit = MATCHES_DEFAULT;

	q->text = http_query(c->x, "q");
	q->len = q->text != NULL ? strlen(q->text) : 0;
	if (q->len < 1 || q->len > SPOOL_SEARCH_MAX)
		return err_set(err, ERR_INVALID, "invalid_parameter",
		    "Parameter \"q\": expected 1 to %d bytes of text to look "
		    "for",
		    SPOOL_SEARCH_MAX);
	TRY(param_int(c, "from", 0, INT64_MAX, &from, err));
	TRY(param_int(c, "limit", 1, SPOOL_SEARCH_MATCHES, &limit, err));
	TRY(param_bool(c, "case", &q->exact_case, err));
	q->from = (uint64_t)from;
	q->limit = (unsigned)limit;
	return 0;
}

struct answer job_log_search(struct call *c)
{
	CLEANUP(job_fini) struct job job = {0};
	struct spool_search q = {.limit = 0};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (call_job(c, &job, &err) < 0 || read_search(c, &q, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_karr(&j, "matches");
	if (spool_search(hub_spool(c->hub), c->id, &q, write_match, &j, &err) <
	    0) {
		buf_fini(&body);
		return reply_error(c, &err);
	}
	json_end(&j);
	json_key(&j, "next");
	if (q.has_next)
		json_int(&j, (int64_t)q.next);
	else
		json_none(&j);
	json_kint(&j, "scanned", (int64_t)q.scanned);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}
